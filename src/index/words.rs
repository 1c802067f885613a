//! Text to words and patterns to FTS5 expressions. The tokenizer of SQLite (unicode61) folds case and takes
//! accents away; what a reader takes for the same letters beyond that is made the same here, in the text and in
//! the question alike. It takes a run of Chinese, Japanese or Korean characters for one word; such runs are cut
//! into pairs, so that any part of a run is found.

use std::borrow::Cow;

use icu_normalizer::ComposingNormalizerBorrowed;

use crate::query::ast::{Field, Pattern};
use crate::query::forms::Forms;

/// Text as it goes into the index: `abc中文字` becomes `abc 中文 文字 字`. The last character of a run
/// also stands alone, so that a single character is found wherever it stands.
pub(super) fn for_index(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let text = folded(text);
    if text.chars().any(is_cjk) { Cow::Owned(paired(&text)) } else { text }
}

/// What looks alike is one (`ﬁ`, full-width letters, accents before or behind their letter), letters that
/// carry their stroke within are what those write who have no such key, and pictures are words.
fn folded(text: &str) -> Cow<'_, str> {
    let text = ComposingNormalizerBorrowed::new_nfkc().normalize(text);
    if !text.chars().any(|c| written(c).is_some() || is_picture(c) || vanishes(c)) {
        return text;
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars().filter(|c| !vanishes(*c)) {
        match written(c) {
            Some(letters) => out.push_str(letters),
            None if is_picture(c) => out.push_str(&format!(" u{:x} ", u32::from(c))),
            None => out.push(c),
        }
    }
    Cow::Owned(out)
}

fn written(c: char) -> Option<&'static str> {
    Some(match c {
        'ß' | 'ẞ' => "ss",
        'æ' | 'Æ' => "ae",
        'œ' | 'Œ' => "oe",
        'ø' | 'Ø' => "o",
        'đ' | 'Đ' | 'ð' | 'Ð' => "d",
        'ł' | 'Ł' => "l",
        'ħ' | 'Ħ' => "h",
        'ı' => "i",
        'þ' | 'Þ' => "th",
        _ => return None,
    })
}

/// Emoji and signs of currencies.
fn is_picture(c: char) -> bool {
    matches!(c, '\u{20a0}'..='\u{20cf}' | '\u{2600}'..='\u{27bf}' | '\u{1f000}'..='\u{1faff}')
}

/// What nobody sees in the middle of a word: the soft hyphen, joiners, marks of byte order and of variants.
fn vanishes(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200c}' | '\u{200d}' | '\u{2060}' | '\u{feff}' | '\u{fe00}'..='\u{fe0f}')
}

/// A pattern as an FTS5 expression; `None` where there is nothing in it that could be found, such as
/// a lone dash.
///
/// `beginning` lists the words that begin so, where they are few: they are looked for one by one. `forms_of` lists
/// the forms of a word.
pub(super) fn expression(
    field: Field,
    pattern: &Pattern,
    beginning: &dyn Fn(&str) -> Option<Vec<String>>,
    forms_of: &dyn Fn(&Forms) -> Vec<String>,
) -> Option<String> {
    let (text, mut prefix, forms) = match pattern {
        Pattern::Word(text) | Pattern::Phrase(text) => (text, false, Vec::new()),
        Pattern::Prefix(text) => (text, true, Vec::new()),
        Pattern::Forms(forms) => (&forms.word, false, forms_of(forms)),
    };
    let text = folded(text);
    if !text.chars().any(char::is_alphanumeric) {
        return None;
    }
    let text = text.trim_end_matches(|c: char| !c.is_alphanumeric());
    let mut words = for_index(text).into_owned();
    if let Some(run) = last_run(text) {
        // In the text more of the run may follow: the character that stands alone at its end does
        // not have to.
        if run > 1 {
            let alone = words.trim_end().char_indices().next_back().map_or(0, |(at, _)| at);
            words.truncate(alone);
        } else {
            prefix = true;
        }
    }
    let columns = match field {
        Field::Any => "",
        Field::From => "sender : ",
        Field::To => "{recipients cc} : ",
        Field::Cc => "cc : ",
        Field::Subject => "subject : ",
        Field::Body => "body : ",
        Field::List => "list : ",
        Field::File => "files : ",
    };
    let known = if forms.is_empty() { prefix.then(|| beginning(words.trim())).flatten() } else { Some(forms) };
    if let Some(known) = known.filter(|known| !known.is_empty()) {
        let known: Vec<String> = known.iter().map(|word| format!("\"{word}\"")).collect();
        return Some(format!("{columns}({})", known.join(" OR ")));
    }
    let star = if prefix { " *" } else { "" };
    Some(format!("{columns}\"{}\"{star}", words.trim().replace(['"', '\0'], " ")))
}

fn is_cjk(c: char) -> bool {
    matches!(c,
        '\u{3041}'..='\u{3096}' | '\u{309d}'..='\u{309f}' | '\u{30a1}'..='\u{30fa}' | '\u{30fc}'..='\u{30ff}'
        | '\u{31f0}'..='\u{31ff}' | '\u{3005}'..='\u{3007}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}'
        | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}' | '\u{ff66}'..='\u{ff9d}' | '\u{20000}'..='\u{323af}')
}

/// How long the run is that `text` ends with.
fn last_run(text: &str) -> Option<usize> {
    let run = text.chars().rev().take_while(|c| is_cjk(*c)).count();
    (run > 0).then_some(run)
}

fn paired(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    let mut before: Option<char> = None;
    for c in text.chars() {
        match (before, is_cjk(c)) {
            (Some(first), true) => {
                out.extend([first, c, ' ']);
                before = Some(c);
            }
            (None, true) => {
                out.push(' ');
                before = Some(c);
            }
            (Some(last), false) => {
                out.extend([last, ' ', c]);
                before = None;
            }
            (None, false) => out.push(c),
        }
    }
    out.extend(before);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_cut_into_pairs() {
        let table = [
            ("plain", "plain"),
            ("Straße", "Strasse"),
            ("Łukasz Sørensen", "lukasz Sorensen"),
            ("e\u{301}te\u{301}", "été"),
            ("ＡＢＣ ﬁn", "ABC fin"),
            ("bud\u{ad}get", "budget"),
            ("party🎉", "party u1f389 "),
            ("ﾆﾎﾝ", " ニホ ホン ン"),
            ("日", " 日"),
            ("日本", " 日本 本"),
            ("abc日本語def", "abc 日本 本語 語 def"),
            ("안녕 하", " 안녕 녕   하"),
        ];
        for (text, cut) in table {
            assert_eq!(for_index(text), cut, "{text}");
        }
    }

    #[test]
    fn patterns_become_expressions() {
        let word = |text: &str| expression(Field::Any, &Pattern::Word(text.into()), &|_| None, &|_| Vec::new());
        assert_eq!(word("a\"b").as_deref(), Some("\"a b\""));
        assert_eq!(word("日本語").as_deref(), Some("\"日本 本語\""));
        assert_eq!(word("日").as_deref(), Some("\"日\" *"));
        assert_eq!(word("x日本!").as_deref(), Some("\"x 日本\""));
        assert_eq!(word("--"), None);
        assert_eq!(word("🎉").as_deref(), Some("\"u1f389\""));
        let to = expression(Field::To, &Pattern::Prefix("gra".into()), &|_| None, &|_| Vec::new());
        assert_eq!(to.as_deref(), Some("{recipients cc} : \"gra\" *"));
        let known = |_: &str| Some(vec!["grace".to_owned(), "gray".to_owned()]);
        let to = expression(Field::To, &Pattern::Prefix("gra".into()), &known, &|_| Vec::new());
        assert_eq!(to.as_deref(), Some("{recipients cc} : (\"grace\" OR \"gray\")"));
    }
}
