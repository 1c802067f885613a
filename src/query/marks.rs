//! Where a text says what a query looks for, so that it can be marked on screen: by words, without case, accents
//! and strokes, as the search itself compares.

use std::ops::Range;

use super::ast::{Field, Pattern, Query};
use super::forms::Forms;
use crate::mail::letters::{fold, is_mark, runs_on};

/// The words of a query that a message is found by.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Marks(Vec<Mark>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Mark {
    field: Field,
    /// The words as they are compared, in this order.
    words: Vec<String>,
    last: Last,
}

/// How the last word of a mark is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Last {
    Whole,
    /// It may go on.
    Begun,
    /// It may have other endings.
    Forms(Forms),
}

/// A word of a text, and where it stands.
struct Word {
    text: String,
    at: Range<usize>,
}

impl Marks {
    /// The words of a query; those that must not be there are not among them.
    pub fn of(query: &Query) -> Self {
        let mark = |(field, pattern): (Field, &Pattern)| {
            let (text, last) = match pattern {
                Pattern::Word(text) | Pattern::Phrase(text) => (text, Last::Whole),
                Pattern::Prefix(text) => (text, Last::Begun),
                Pattern::Forms(forms) => (&forms.word, Last::Forms(forms.clone())),
            };
            let words: Vec<String> = words(text).into_iter().map(|word| word.text).collect();
            (!words.is_empty()).then_some(Mark { field, words, last })
        };
        Self(query.words().into_iter().filter_map(mark).collect())
    }

    /// Is nothing to be marked?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Where `text` has them, in bytes, in order and apart from each other; of words asked for in one field only
    /// those for one of `fields`.
    pub fn find(&self, text: &str, fields: &[Field]) -> Vec<Range<usize>> {
        let wanted: Vec<&Mark> =
            self.0.iter().filter(|mark| mark.field == Field::Any || fields.contains(&mark.field)).collect();
        if wanted.is_empty() {
            return Vec::new();
        }
        let there = words(text);
        let mut found: Vec<Range<usize>> = Vec::new();
        for at in 0..there.len() {
            let ends = wanted.iter().filter_map(|mark| {
                let window = there.get(at..at + mark.words.len())?;
                mark.fits(window).then(|| window.last().map_or(0, |word| word.at.end))
            });
            let Some((end, word)) = ends.max().zip(there.get(at)) else { continue };
            match found.last_mut().filter(|last| last.end >= word.at.start) {
                Some(last) => last.end = last.end.max(end),
                None => found.push(word.at.start..end),
            }
        }
        found
    }
}

impl Mark {
    fn fits(&self, window: &[Word]) -> bool {
        let last = self.words.len() - 1;
        self.words.iter().zip(window).enumerate().all(|(at, (wanted, there))| {
            *wanted == there.text
                || (at == last
                    && match &self.last {
                        Last::Whole => false,
                        Last::Begun => there.text.starts_with(wanted.as_str()),
                        Last::Forms(forms) => forms.has(&there.text),
                    })
        })
    }
}

/// A run of letters and digits is a word; where no blanks part words each character is one.
fn words(text: &str) -> Vec<Word> {
    let mut found: Vec<Word> = Vec::new();
    let mut open = false;
    for (at, c) in text.char_indices() {
        let end = at + c.len_utf8();
        // What follows its letter and is none itself belongs to it.
        let accent = is_mark(c);
        if !c.is_alphanumeric() && !accent {
            open = false;
            continue;
        }
        let alone = runs_on(c);
        match found.last_mut().filter(|_| open && !alone) {
            Some(word) => {
                fold(c, &mut word.text);
                word.at.end = end;
            }
            None if accent => {}
            None => {
                let mut text = String::new();
                fold(c, &mut text);
                found.push(Word { text, at: at..end });
            }
        }
        open = !alone;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::ids::Timestamp;

    #[test]
    fn words_are_found_where_they_stand() {
        let table = [
            ("budget", "Purple Budgets, budget", "budget"),
            ("budg*", "Purple Budgets, budget", "Budgets|budget"),
            ("\"purple budget\"", "purple. A purple budget", "purple budget"),
            ("cafe strasse", "CAFÉ in der Straße, cafe\u{301}", "CAFÉ|Straße|cafe\u{301}"),
            ("本語", "日本語 本", "本語"),
            ("re-run", "to re-run it", "re-run"),
            ("ελλαδα елка isik", "Ελλάδα, ёлка ışık", "Ελλάδα|ёлка|ışık"),
            ("трамвай", "трамваи трамвай", "трамвай"),
            ("ไทย", "ภาษาไทย", "ไทย"),
            ("from:ada b", "ada b", "b"),
            ("-ada", "ada", ""),
            ("is:unread", "unread", ""),
            ("purple purple budget", "purple budget", "purple|budget"),
        ];
        for (query, text, marked) in table {
            let query = crate::query::parse(query, Timestamp::new(0), &jiff::tz::TimeZone::UTC).unwrap();
            let marks = Marks::of(&query);
            let found: Vec<&str> =
                marks.find(text, &[Field::Subject]).into_iter().filter_map(|at| text.get(at)).collect();
            assert_eq!(found.join("|"), marked, "{text}");
        }
    }
}
