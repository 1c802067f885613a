//! Which letters are one to a reader: those that differ in case, accents, strokes or marks that few people type.
//! What is searched, marked on screen, sorted and completed is folded here, so that all of them agree. Never cuts
//! a text into words.

use std::borrow::Cow;

use icu_normalizer::{ComposingNormalizerBorrowed, DecomposingNormalizerBorrowed};

/// Text as it is compared: `Müller` and `MULLER` are one, `Øre` is `ore`, `Ελλάδα` is `ελλαδα`, `ёлка` is `елка`.
pub fn folded(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        let lower = text.bytes().all(|b| !b.is_ascii_uppercase());
        return if lower { Cow::Borrowed(text) } else { Cow::Owned(text.to_ascii_lowercase()) };
    }
    // What a letter and a sign behind it make together is known only here: `й` in two characters, kana of half width.
    let composed = ComposingNormalizerBorrowed::new_nfkc().normalize(text);
    let mut out = String::with_capacity(composed.len());
    composed.chars().for_each(|c| fold(c, &mut out));
    Cow::Owned(out)
}

/// One character as it is compared; nothing, where it is a mark.
pub fn fold(c: char, out: &mut String) {
    match c {
        _ if c.is_ascii() => out.push(c.to_ascii_lowercase()),
        _ if is_mark(c) => {}
        // Only this of its letters is written without its dots by most; `й` and `ї` are letters of their own.
        '\u{400}'..='\u{52f}' => out.extend(c.to_lowercase().map(|c| match c {
            'ё' | 'ѐ' => 'е',
            'ѝ' => 'и',
            other => other,
        })),
        '\u{3041}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}' => out.push(c),
        // Greek, Hebrew and Arabic letters that are what they are: most of what is written in these.
        'α'..='ρ' | 'σ'..='ω' | '\u{5d0}'..='\u{5ea}' | '\u{627}'..='\u{63a}' | '\u{641}'..='\u{64a}' => {
            out.push(c);
        }
        _ => {
            let parted = DecomposingNormalizerBorrowed::new_nfkd().normalize_iter(std::iter::once(c));
            for c in parted.flat_map(char::to_lowercase).filter(|c| !is_mark(*c)) {
                match c {
                    'ß' => out.push_str("ss"),
                    'æ' => out.push_str("ae"),
                    'œ' => out.push_str("oe"),
                    'þ' => out.push_str("th"),
                    'ø' => out.push('o'),
                    'ł' => out.push('l'),
                    'đ' | 'ð' => out.push('d'),
                    'ħ' => out.push('h'),
                    'ı' => out.push('i'),
                    'ς' => out.push('σ'),
                    'ٱ' => out.push('ا'),
                    other => out.push(other),
                }
            }
        }
    }
}

/// Is it nothing by itself: an accent behind its letter, a vowel point of Hebrew or Arabic, a lengthening stroke, or
/// what nobody sees in the middle of a word (the soft hyphen, joiners, marks of byte order and of variants)?
pub fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}'
        | '\u{591}'..='\u{5bd}' | '\u{5bf}' | '\u{5c1}' | '\u{5c2}' | '\u{5c4}' | '\u{5c5}' | '\u{5c7}'
        | '\u{610}'..='\u{61a}' | '\u{640}' | '\u{64b}'..='\u{65f}' | '\u{670}' | '\u{6d6}'..='\u{6dc}'
        | '\u{6df}'..='\u{6e4}' | '\u{6e7}' | '\u{6e8}' | '\u{6ea}'..='\u{6ed}'
        | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}'
        | '\u{ad}' | '\u{200c}' | '\u{200d}' | '\u{2060}' | '\u{feff}' | '\u{fe00}'..='\u{fe0f}')
}

/// Is it of a script that puts no blanks between words: Chinese, Japanese, Thai, Lao, Burmese, Khmer? Korean counts
/// too, whose words take endings without a blank.
pub fn runs_on(c: char) -> bool {
    matches!(c,
        '\u{e01}'..='\u{e3a}' | '\u{e40}'..='\u{e4e}' | '\u{e81}'..='\u{ece}' | '\u{edc}'..='\u{edf}'
        | '\u{1000}'..='\u{103f}' | '\u{1050}'..='\u{108f}' | '\u{1780}'..='\u{17d3}'
        | '\u{3041}'..='\u{3096}' | '\u{309d}'..='\u{309f}' | '\u{30a1}'..='\u{30fa}' | '\u{30fc}'..='\u{30ff}'
        | '\u{31f0}'..='\u{31ff}' | '\u{3005}'..='\u{3007}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}'
        | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}' | '\u{ff66}'..='\u{ff9d}' | '\u{20000}'..='\u{323af}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_that_are_what_they_are_would_be_so_by_the_long_way() {
        let long = |c: char| -> String {
            DecomposingNormalizerBorrowed::new_nfkd()
                .normalize_iter(std::iter::once(c))
                .flat_map(char::to_lowercase)
                .filter(|c| !is_mark(*c))
                .map(|c| if c == 'ς' { 'σ' } else { c })
                .collect()
        };
        for c in ('\u{3b1}'..='\u{64a}').filter(|c| !('\u{400}'..='\u{52f}').contains(c)) {
            assert_eq!(folded(&c.to_string()), long(c), "{c:?}");
        }
    }

    #[test]
    fn what_a_reader_takes_for_the_same_is_one() {
        let table: [(&str, &[&str]); 15] = [
            ("strasse", &["Straße", "STRASSE", "STRAẞE"]),
            ("cafe", &["Café", "CAFE\u{301}", "café"]),
            ("istanbul", &["İstanbul", "ISTANBUL", "ıstanbul"]),
            ("ελλαδα", &["Ελλάδα", "ΕΛΛΑΔΑ", "Ἑλλάδα"]),
            ("σισυφοσ", &["Σίσυφος", "ΣΙΣΥΦΟΣ"]),
            ("елка", &["ёлка", "Елка", "ЁЛКА", "е\u{308}лка"]),
            ("трамвай", &["Трамвай", "ТРАМВАИ\u{306}", "трамва\u{301}й"]),
            ("їжак", &["Їжак"]),
            ("مرحبا", &["مَرْحَبًا", "مرحبـــا"]),
            ("احمد", &["أحمد", "احمد"]),
            ("שלום", &["שָׁלוֹם"]),
            ("full 12", &["ＦＵＬＬ １２"]),
            ("カガ", &["ｶｶﾞ", "カカ\u{3099}"]),
            ("budget", &["bud\u{ad}get"]),
            ("한글", &["한글"]),
        ];
        for (plain, written) in table {
            assert_eq!(folded(plain), plain);
            for text in written {
                assert_eq!(folded(text), plain, "{text}");
            }
        }
    }
}
