//! One line of text that is being typed, with the keys of readline. Moves by what a person calls a
//! character.

use unicode_segmentation::UnicodeSegmentation;

use crate::keys::{Code, Key};

/// The most bytes that a field takes: a paste of a book is cut.
const MAX_BYTES: usize = 10_000;

/// A line of text with a cursor.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Input {
    text: String,
    /// A byte position on a boundary of graphemes.
    cursor: usize,
    secret: bool,
}

impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = if self.secret { "***" } else { &self.text };
        f.debug_struct("Input").field("text", &text).field("cursor", &self.cursor).finish()
    }
}

impl Input {
    /// A field with text in it, the cursor at its end.
    pub fn new(text: &str) -> Self {
        Self { text: text.to_owned(), cursor: text.len(), secret: false }
    }

    /// An empty field that shows stars.
    pub fn secret() -> Self {
        Self { secret: true, ..Self::default() }
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Takes the text out and leaves nothing behind.
    pub fn take(&mut self) -> String {
        self.cursor = 0;
        std::mem::take(&mut self.text)
    }

    /// What is shown before and after the cursor: the text, or stars.
    pub fn shown(&self) -> (String, String) {
        let (before, after) = self.text.split_at_checked(self.cursor).unwrap_or((&self.text, ""));
        if self.secret {
            let stars = |part: &str| "*".repeat(part.graphemes(true).count());
            return (stars(before), stars(after));
        }
        (before.to_owned(), after.to_owned())
    }

    /// Is nothing typed?
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Puts text in at the cursor; line ends become blanks, other controls are left out.
    pub fn insert(&mut self, text: &str) {
        for c in text.chars() {
            let c = if matches!(c, '\n' | '\r' | '\t') { ' ' } else { c };
            if !c.is_control() && self.text.len() + c.len_utf8() <= MAX_BYTES {
                self.text.insert(self.cursor, c);
                self.cursor += c.len_utf8();
            }
        }
    }

    /// Puts a text in the place of what stands between a byte position and the cursor.
    pub(super) fn replace(&mut self, from: usize, text: &str) {
        if from <= self.cursor && self.text.is_char_boundary(from) {
            self.remove(from, self.cursor);
            self.insert(text);
        }
    }

    /// Takes a key; gives back whether it meant something in a field, and whether the text changed.
    pub fn key(&mut self, key: Key) -> Edited {
        let before = self.text.len();
        match (key.code, key.ctrl, key.alt) {
            (Code::Left, false, false) | (Code::Char('b'), true, false) => self.cursor = self.previous(),
            (Code::Right, false, false) | (Code::Char('f'), true, false) => self.cursor = self.next(),
            (Code::Home, ..) | (Code::Char('a'), true, false) => self.cursor = 0,
            (Code::End, ..) | (Code::Char('e'), true, false) => self.cursor = self.text.len(),
            (Code::Backspace, _, false) | (Code::Char('h'), true, false) => self.remove(self.previous(), self.cursor),
            (Code::Delete, ..) | (Code::Char('d'), true, false) => self.remove(self.cursor, self.next()),
            (Code::Char('w'), true, false) | (Code::Backspace, _, true) => self.remove(self.word(), self.cursor),
            (Code::Char('u'), true, false) => self.remove(0, self.cursor),
            (Code::Char('k'), true, false) => self.remove(self.cursor, self.text.len()),
            _ => match key.typed() {
                Some(c) => self.insert(c.encode_utf8(&mut [0; 4])),
                None => return Edited::Ignored,
            },
        }
        if self.text.len() == before { Edited::Moved } else { Edited::Changed }
    }

    fn previous(&self) -> usize {
        let before = self.text.get(..self.cursor).unwrap_or("");
        before.grapheme_indices(true).next_back().map_or(0, |(at, _)| at)
    }

    fn next(&self) -> usize {
        let after = self.text.get(self.cursor..).unwrap_or("");
        self.cursor + after.graphemes(true).next().map_or(0, str::len)
    }

    /// Where the word before the cursor begins.
    fn word(&self) -> usize {
        let before = self.text.get(..self.cursor).unwrap_or("").trim_end();
        before.rfind(char::is_whitespace).map_or(0, |at| at + before.get(at..).map_or(1, first_len))
    }

    fn remove(&mut self, from: usize, until: usize) {
        if from < until {
            self.text.drain(from..until);
            self.cursor = from;
        }
    }
}

fn first_len(text: &str) -> usize {
    text.chars().next().map_or(1, char::len_utf8)
}

/// What became of a key in a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edited {
    /// The text changed.
    Changed,
    /// The cursor moved, or there was nothing to remove.
    Moved,
    /// It means nothing in a field.
    Ignored,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Keys;

    fn typed(keys: &str) -> Input {
        let mut input = Input::default();
        for word in keys.split(' ') {
            for key in word.parse::<Keys>().unwrap().0 {
                input.key(key);
            }
        }
        input
    }

    #[test]
    fn readline_keys() {
        let table = [
            ("a b c Ctrl-a x", "xabc", 1),
            ("a b c Left Backspace", "ac", 1),
            ("a b Space c d Ctrl-w", "ab ", 3),
            ("a b Space c d Left Ctrl-u", "d", 0),
            ("a b Home Ctrl-k", "", 0),
            ("林 伟 Left Del", "林", 3),
        ];
        for (keys, text, cursor) in table {
            let input = typed(keys);
            assert_eq!((input.text(), input.cursor), (text, cursor), "{keys}");
        }
    }

    #[test]
    fn a_grapheme_goes_as_one_and_controls_do_not_come_in() {
        let mut input = Input::new("👩\u{200d}💻");
        input.key(Key::plain(Code::Backspace));
        assert!(input.is_empty());
        input.insert("a\u{1b}[31m\nb");
        assert_eq!(input.text(), "a[31m b");
    }

    #[test]
    fn a_secret_shows_stars_only() {
        let mut input = Input::secret();
        input.insert("hunter2");
        assert_eq!(input.shown().0, "*******");
        assert!(!format!("{input:?}").contains("hunter"));
    }
}
