//! The forms of a word: what a language makes of it by its endings (`budget~` finds budgets, `laufen~de` läuft
//! not, but laufend). Asked for where it is wanted, since it blurs: a word without the sign stands for itself.
//! Works on words as they are compared, without case and accents.

use rust_stemmers::{Algorithm, Stemmer};

use crate::mail::letters;

/// The languages whose endings are known, by the codes of ISO 639-1.
const LANGUAGES: [(&str, Algorithm); 16] = [
    ("en", Algorithm::English),
    ("da", Algorithm::Danish),
    ("de", Algorithm::German),
    ("el", Algorithm::Greek),
    ("es", Algorithm::Spanish),
    ("fi", Algorithm::Finnish),
    ("fr", Algorithm::French),
    ("hu", Algorithm::Hungarian),
    ("it", Algorithm::Italian),
    ("nl", Algorithm::Dutch),
    ("no", Algorithm::Norwegian),
    ("pt", Algorithm::Portuguese),
    ("ro", Algorithm::Romanian),
    ("ru", Algorithm::Russian),
    ("sv", Algorithm::Swedish),
    ("tr", Algorithm::Turkish),
];

/// A language, by its code. English where none is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Language(usize);

impl Language {
    /// The language of a code of ISO 639-1, if its endings are known.
    pub fn of(code: &str) -> Option<Self> {
        LANGUAGES.iter().position(|(known, _)| *known == code).map(Self)
    }

    /// Its code; empty for English, which needs none.
    pub fn code(self) -> &'static str {
        LANGUAGES.get(self.0).filter(|_| self.0 > 0).map_or("", |(code, _)| code)
    }
}

/// One word, by which its other forms are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forms {
    /// As it was written.
    pub word: String,
    /// Whose endings.
    pub language: Language,
}

impl Forms {
    /// Reads `word~` and `word~de`. `None`: it is no such thing.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (word, code) = text.split_once('~')?;
        let language = if code.is_empty() { Some(Language::default()) } else { Language::of(code) };
        let plain = !word.is_empty() && word.chars().all(char::is_alphabetic);
        language.filter(|_| plain).map(|language| Self { word: word.to_owned(), language })
    }

    /// The word as it is compared.
    pub fn folded(&self) -> String {
        letters::folded(&self.word).into_owned()
    }

    /// What all its forms begin with.
    pub fn common(&self) -> String {
        let (word, stem) = (self.folded(), self.stem(&self.folded()));
        word.chars().zip(stem.chars()).take_while(|(a, b)| a == b).map(|(c, _)| c).collect()
    }

    /// Is a word, as it is compared, one of the forms?
    pub fn has(&self, word: &str) -> bool {
        word.starts_with(&self.common()) && self.stem(word) == self.stem(&self.folded())
    }

    fn stem(&self, word: &str) -> String {
        let algorithm = LANGUAGES.get(self.language.0).map_or(Algorithm::English, |(_, algorithm)| *algorithm);
        Stemmer::create(algorithm).stem(word).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_read_and_told_apart() {
        for text in ["budget~", "häuser~de", "été~fr"] {
            let forms = Forms::read(text).unwrap();
            assert_eq!(format!("{}~{}", forms.word, forms.language.code()), text);
        }
        for text in ["budget", "~", "~de", "a1~", "budget~xx", "a~b~", "budget~DE"] {
            assert_eq!(Forms::read(text), None, "{text}");
        }
        for (text, has, lacks) in [
            ("connect~", &["connect", "connected", "connection", "connections"][..], &["contact", "connor"][..]),
            ("running~", &["run", "runs", "running"], &["runt", "ran"]),
            ("Häuser~de", &["haus", "hauser", "hausern"], &["hausmeister"]),
            ("большой~ru", &["большой", "большая"], &["болт"]),
            ("κόσμος~el", &["κοσμοσ", "κοσμου"], &["κοιμαμαι"]),
            ("kılıç~tr", &["kilic"], &["kil"]),
        ] {
            let forms = Forms::read(text).unwrap();
            for word in has {
                assert!(forms.has(word), "{text}: {word}");
                assert!(word.starts_with(&forms.common()), "{text}: {word}");
            }
            assert!(lacks.iter().all(|word| !forms.has(word)), "{text}");
        }
    }
}
