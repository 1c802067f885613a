//! A text of several lines that is being typed: the built-in editor. Lines are as the user typed
//! them; the drawing wraps them. Moves by what a person calls a character, keeps an undo history,
//! and takes the keys of readline beside the arrows.

use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr;

use crate::keys::{Code, Key};

/// The most bytes that a text may have; a paste beyond it is cut.
const MAX_BYTES: usize = 2 << 20;
/// How many states can be gone back to.
const MAX_UNDO: usize = 200;

/// A text with a cursor.
#[derive(Debug, Clone, Default)]
pub struct Editor {
    lines: Vec<String>,
    row: usize,
    /// A byte position in the line, on a boundary of graphemes.
    at: usize,
    /// The column that moving up and down tries to keep, in cells.
    wanted: Option<usize>,
    past: Vec<(Vec<String>, usize, usize)>,
    /// Does the next character go on with the word that was begun? Then it shares its undo step.
    typing: bool,
    bytes: usize,
}

/// One row on screen: a part of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wrapped<'a> {
    /// The text of the row.
    pub text: &'a str,
    /// The line it is a part of.
    pub line: usize,
    /// Where in the line it begins, in bytes.
    pub from: usize,
}

impl Editor {
    /// Takes a text, the cursor at the beginning of `row`.
    pub fn new(text: &str, row: usize) -> Self {
        let mut lines: Vec<String> = text.split('\n').map(tame).collect();
        if lines.is_empty() {
            lines.push(String::new());
        }
        let bytes = text.len();
        let row = row.min(lines.len() - 1);
        Self { lines, row, at: 0, wanted: None, past: Vec::new(), typing: false, bytes }
    }

    /// The text, lines joined by LF.
    pub fn text(&self) -> String {
        self.lines.join("\n")
    }

    /// The line and the byte in it where the cursor stands.
    pub fn cursor(&self) -> (usize, usize) {
        (self.row, self.at)
    }

    /// How many lines there are.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Is there no text at all?
    pub fn is_empty(&self) -> bool {
        self.lines.iter().all(String::is_empty)
    }

    fn line(&self) -> &str {
        self.lines.get(self.row).map_or("", String::as_str)
    }

    fn before(&self) -> &str {
        self.line().get(..self.at).unwrap_or_default()
    }

    fn after(&self) -> &str {
        self.line().get(self.at..).unwrap_or_default()
    }

    /// Takes a key; `true` if it meant something here.
    pub fn key(&mut self, key: Key) -> bool {
        let keep = matches!(key.code, Code::Up | Code::Down | Code::PageUp | Code::PageDown);
        if !keep {
            self.wanted = None;
        }
        match (key.code, key.ctrl, key.alt) {
            (Code::Left, false, false) | (Code::Char('b'), true, false) => self.left(),
            (Code::Right, false, false) | (Code::Char('f'), true, false) => self.right(),
            (Code::Left, true, false) | (Code::Char('b'), false, true) => self.word_left(),
            (Code::Right, true, false) | (Code::Char('f'), false, true) => self.word_right(),
            (Code::Up, false, false) => self.vertical(-1),
            (Code::Down, false, false) => self.vertical(1),
            (Code::PageUp, false, false) => self.vertical(-15),
            (Code::PageDown, false, false) => self.vertical(15),
            (Code::Home, false, false) | (Code::Char('a'), true, false) => self.at = 0,
            (Code::End, false, false) | (Code::Char('e'), true, false) => self.at = self.line().len(),
            (Code::Home, true, false) => (self.row, self.at) = (0, 0),
            (Code::End, true, false) => {
                self.row = self.lines.len() - 1;
                self.at = self.line().len();
            }
            (Code::Backspace, false, false) => self.erase_left(Self::left),
            (Code::Backspace, _, _) | (Code::Char('w'), true, false) => self.erase_left(Self::word_left),
            (Code::Delete, false, false) | (Code::Char('d'), true, false) => self.erase_right(),
            (Code::Char('u'), true, false) => self.erase_left(|editor| editor.at = 0),
            (Code::Char('k'), true, false) => self.kill(),
            (Code::Char('y'), true, false) => self.erase_line(),
            (Code::Char('z' | '_'), true, false) => self.undo(),
            (Code::Enter, false, false) => self.insert("\n"),
            (Code::Tab, false, false) => self.insert("    "),
            _ => match key.typed() {
                Some(c) => self.type_char(c),
                None => return false,
            },
        }
        true
    }

    fn type_char(&mut self, c: char) {
        if !self.typing {
            self.remember();
        }
        self.typing = c != ' ';
        self.put(c.encode_utf8(&mut [0; 4]));
    }

    /// Puts in text that was pasted, or a line end.
    pub fn insert(&mut self, text: &str) {
        self.remember();
        self.typing = false;
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        for (number, part) in text.split('\n').enumerate() {
            if number > 0 {
                self.split();
            }
            self.put(&tame(part));
        }
    }

    fn put(&mut self, text: &str) {
        let room = MAX_BYTES.saturating_sub(self.bytes);
        let text = if text.len() > room { cut(text, room) } else { text };
        let at = self.at;
        if let Some(line) = self.lines.get_mut(self.row) {
            line.insert_str(at, text);
            self.at += text.len();
            self.bytes += text.len();
        }
    }

    /// Breaks the line at the cursor. An answer inside a quote begins a line of its own.
    fn split(&mut self) {
        let at = self.at;
        let Some(line) = self.lines.get_mut(self.row) else { return };
        let rest = line.split_off(at);
        self.lines.insert(self.row + 1, rest);
        self.row += 1;
        self.at = 0;
        self.bytes += 1;
    }

    fn left(&mut self) {
        match self.before().grapheme_indices(true).next_back() {
            Some((at, _)) => self.at = at,
            None if self.row > 0 => {
                self.row -= 1;
                self.at = self.line().len();
            }
            None => {}
        }
    }

    fn right(&mut self) {
        match self.after().graphemes(true).next() {
            Some(next) => self.at += next.len(),
            None if self.row + 1 < self.lines.len() => {
                self.row += 1;
                self.at = 0;
            }
            None => {}
        }
    }

    fn word_left(&mut self) {
        let before = self.before().trim_end();
        if before.is_empty() {
            let moved = self.at;
            self.at = 0;
            if moved == 0 {
                self.left();
            }
            return;
        }
        self.at = before.rfind(char::is_whitespace).map_or(0, |at| at + before.get(at..).map_or(1, first_len));
    }

    fn word_right(&mut self) {
        let after = self.after();
        let blanks = after.len() - after.trim_start().len();
        let word = after.trim_start();
        if word.is_empty() {
            self.at = self.line().len();
            self.right();
            return;
        }
        self.at += blanks + word.find(char::is_whitespace).unwrap_or(word.len());
    }

    fn vertical(&mut self, rows: isize) {
        let column = *self.wanted.get_or_insert(self.line().get(..self.at).map_or(0, UnicodeWidthStr::width));
        self.row = self.row.saturating_add_signed(rows).min(self.lines.len() - 1);
        let mut cells = 0;
        let mut at = 0;
        for grapheme in self.line().graphemes(true) {
            if cells >= column {
                break;
            }
            cells += grapheme.width();
            at += grapheme.len();
        }
        self.at = at;
    }

    fn erase_left(&mut self, go: impl FnOnce(&mut Self)) {
        self.remember();
        self.typing = false;
        let (row, at) = (self.row, self.at);
        go(self);
        self.remove_until(row, at);
    }

    fn erase_right(&mut self) {
        self.remember();
        self.typing = false;
        let from = (self.row, self.at);
        self.right();
        let (row, at) = (self.row, self.at);
        (self.row, self.at) = from;
        self.remove_until(row, at);
    }

    /// Erases to the end of the line, or the line end itself.
    fn kill(&mut self) {
        if self.after().is_empty() {
            return self.erase_right();
        }
        self.remember();
        self.typing = false;
        self.remove_until(self.row, self.line().len());
    }

    fn erase_line(&mut self) {
        self.remember();
        self.typing = false;
        self.bytes = self.bytes.saturating_sub(self.line().len() + 1);
        if self.lines.len() > 1 {
            self.lines.remove(self.row);
            self.row = self.row.min(self.lines.len() - 1);
        } else if let Some(line) = self.lines.first_mut() {
            line.clear();
        }
        self.at = 0;
    }

    /// Removes what stands between the cursor and that place behind it.
    fn remove_until(&mut self, row: usize, at: usize) {
        if row < self.row || row == self.row && at <= self.at || row >= self.lines.len() {
            return;
        }
        let tail = self.lines.get(row).and_then(|line| line.get(at..)).unwrap_or_default().to_owned();
        let removed: usize = self.lines.drain(self.row + 1..=row).map(|line| line.len() + 1).sum();
        let from = self.at;
        if let Some(line) = self.lines.get_mut(self.row) {
            let before = line.len();
            line.truncate(from);
            line.push_str(&tail);
            self.bytes = (self.bytes + line.len()).saturating_sub(before + removed);
        }
    }

    fn remember(&mut self) {
        if self.past.len() >= MAX_UNDO {
            self.past.remove(0);
        }
        self.past.push((self.lines.clone(), self.row, self.at));
    }

    /// Goes back one change.
    pub fn undo(&mut self) {
        if let Some((lines, row, at)) = self.past.pop() {
            self.bytes = lines.iter().map(|line| line.len() + 1).sum();
            (self.lines, self.row, self.at) = (lines, row, at);
        }
        self.typing = false;
    }

    /// The rows on screen for that width, from the line `first` on, and which row and column the
    /// cursor is in, if it is among them. No more than `most` rows are made.
    pub fn wrapped(&self, first: usize, width: usize, most: usize) -> (Vec<Wrapped<'_>>, Option<(usize, usize)>) {
        let mut rows = Vec::new();
        let mut cursor = None;
        for (line, text) in self.lines.iter().enumerate().skip(first) {
            if rows.len() >= most {
                break;
            }
            let parts = wrap(text, width.max(2));
            let last = parts.len().saturating_sub(1);
            for (number, (from, until)) in parts.into_iter().enumerate() {
                let part = text.get(from..until).unwrap_or_default();
                let here = line == self.row && self.at >= from && (self.at < until || number == last);
                if here {
                    cursor = Some((rows.len(), text.get(from..self.at).map_or(0, UnicodeWidthStr::width)));
                }
                rows.push(Wrapped { text: part, line, from });
            }
        }
        rows.truncate(most);
        (rows, cursor.filter(|(row, _)| *row < most))
    }

    /// The first line to show so that the cursor is among `height` rows, beginning with the line
    /// that was first before.
    pub fn first_line(&self, before: usize, width: usize, height: usize) -> usize {
        // A line takes a row at least, so the cursor cannot be further below.
        let mut first = before.min(self.row).max(self.row.saturating_sub(height));
        while self.wrapped(first, width, height).1.is_none() && first < self.row {
            first += 1;
        }
        first
    }
}

/// Breaks at blanks; a word that is wider than the screen is broken where it must be. Byte ranges.
fn wrap(text: &str, width: usize) -> Vec<(usize, usize)> {
    let mut parts = Vec::new();
    let (mut from, mut cells) = (0, 0);
    let mut blank: Option<usize> = None;
    for (at, grapheme) in text.grapheme_indices(true) {
        let wide = grapheme.width();
        if cells + wide > width && at > from {
            let end = blank.filter(|end| *end > from).unwrap_or(at);
            parts.push((from, end));
            cells = text.get(end..at).map_or(0, UnicodeWidthStr::width);
            from = end;
            blank = None;
        }
        cells += wide;
        if grapheme == " " {
            blank = Some(at + 1);
        }
    }
    parts.push((from, text.len()));
    parts
}

fn cut(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// A line without control characters; tabs become blanks.
fn tame(line: &str) -> String {
    line.replace('\t', "    ").chars().filter(|c| !c.is_control()).collect()
}

fn first_len(text: &str) -> usize {
    text.chars().next().map_or(1, char::len_utf8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Keys;

    fn press(editor: &mut Editor, keys: &str) {
        for key in keys.split(' ').flat_map(|key| key.parse::<Keys>().unwrap().0) {
            assert!(editor.key(key), "{key}");
        }
    }

    fn with(text: &str, row: usize, keys: &str) -> (String, (usize, usize)) {
        let mut editor = Editor::new(text, row);
        press(&mut editor, keys);
        (editor.text(), editor.cursor())
    }

    #[test]
    fn typing_breaking_and_joining_lines() {
        let table = [
            ("", 0, "a b Enter c", "ab\nc", (1, 1)),
            ("ab\ncd", 1, "Backspace", "abcd", (0, 2)),
            ("ab\ncd", 0, "End Del", "abcd", (0, 2)),
            ("ab\ncd", 0, "Ctrl-k Ctrl-k x", "xcd", (0, 1)),
            ("one two", 0, "End Ctrl-w", "one ", (0, 4)),
            ("one two\nx", 0, "Ctrl-y", "x", (0, 0)),
            ("ab\n\nlong", 2, "End Up Down", "ab\n\nlong", (2, 4)),
            ("林伟", 0, "Right Backspace", "伟", (0, 0)),
        ];
        for (text, row, keys, after, cursor) in table {
            assert_eq!(with(text, row, keys), (after.to_owned(), cursor), "{text:?} {keys}");
        }
    }

    #[test]
    fn undo_goes_back_by_words() {
        let mut editor = Editor::new("", 0);
        press(&mut editor, "o n e Space");
        press(&mut editor, "t w o");
        editor.undo();
        assert_eq!(editor.text(), "one ");
        editor.undo();
        assert_eq!(editor.text(), "");
    }

    #[test]
    fn rows_wrap_at_blanks_and_the_cursor_is_found() {
        let mut editor = Editor::new("the quick brown fox\nabcdefghijkl", 0);
        press(&mut editor, "End");
        let (rows, cursor) = editor.wrapped(0, 10, 10);
        let texts: Vec<&str> = rows.iter().map(|row| row.text).collect();
        assert_eq!(texts, ["the quick ", "brown fox", "abcdefghij", "kl"]);
        assert_eq!(cursor, Some((1, 9)));
        assert_eq!(editor.wrapped(1, 10, 10).1, None);
    }

    #[test]
    fn pasted_text_is_text() {
        let mut editor = Editor::new("", 0);
        editor.insert("a\r\nb\u{1b}[31m\tc\rd");
        assert_eq!(editor.text(), "a\nb[31m    c\nd");
        editor.insert(&"x".repeat(MAX_BYTES * 2));
        assert!(editor.text().len() <= MAX_BYTES + 8);
    }
}
