//! One key, and sequences of them, as values: read from `Ctrl-x`, `Space`, `gg` or `g Enter`, and
//! written the same way.

use std::fmt;
use std::str::FromStr;

/// Which key, without the modifiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// A character; upper case where Shift made it so.
    Char(char),
    /// Enter, Return.
    Enter,
    /// Escape.
    Esc,
    /// Tab; with Shift it is what terminals call back-tab.
    Tab,
    /// Backspace.
    Backspace,
    /// Delete.
    Delete,
    /// Insert.
    Insert,
    /// Arrow up.
    Up,
    /// Arrow down.
    Down,
    /// Arrow left.
    Left,
    /// Arrow right.
    Right,
    /// Home.
    Home,
    /// End.
    End,
    /// Page up.
    PageUp,
    /// Page down.
    PageDown,
    /// A function key, F1 to F24.
    F(u8),
}

/// The keys that have names, with the other spellings that are understood.
const NAMES: [(Code, &str, &[&str]); 16] = [
    (Code::Char(' '), "Space", &["spc"]),
    (Code::Enter, "Enter", &["return", "cr", "ret"]),
    (Code::Esc, "Esc", &["escape"]),
    (Code::Tab, "Tab", &[]),
    (Code::Backspace, "Backspace", &["bs"]),
    (Code::Delete, "Del", &["delete"]),
    (Code::Insert, "Ins", &["insert"]),
    (Code::Up, "Up", &[]),
    (Code::Down, "Down", &[]),
    (Code::Left, "Left", &[]),
    (Code::Right, "Right", &[]),
    (Code::Home, "Home", &[]),
    (Code::End, "End", &[]),
    (Code::PageUp, "PgUp", &["pageup"]),
    (Code::PageDown, "PgDn", &["pagedown", "pgdown"]),
    (Code::Char('-'), "Minus", &[]),
];

/// One key press.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Which key.
    pub code: Code,
    /// Was Ctrl held?
    pub ctrl: bool,
    /// Was Alt (Option, Meta) held?
    pub alt: bool,
    /// Was Shift held? Never with a character, which says so itself.
    pub shift: bool,
}

impl Key {
    /// The key without modifiers.
    pub const fn plain(code: Code) -> Self {
        Self { code, ctrl: false, alt: false, shift: false }
    }

    /// A character without modifiers.
    pub const fn char(c: char) -> Self {
        Self::plain(Code::Char(c))
    }

    /// The key with Ctrl.
    pub const fn ctrl(c: char) -> Self {
        Self { code: Code::Char(c), ctrl: true, alt: false, shift: false }
    }

    /// The one spelling of a key: Shift goes into the letter, letters with Ctrl are lower case.
    #[must_use]
    pub fn normal(mut self) -> Self {
        if let Code::Char(c) = self.code {
            if self.shift && c.is_lowercase() {
                let mut upper = c.to_uppercase();
                if let (Some(one), None) = (upper.next(), upper.next()) {
                    self.code = Code::Char(one);
                }
            }
            if self.ctrl && c.is_ascii_uppercase() {
                self.code = Code::Char(c.to_ascii_lowercase());
            }
            self.shift = false;
        }
        self
    }

    /// The character that this key types into a text field, if it types one.
    pub fn typed(self) -> Option<char> {
        match self.code {
            Code::Char(c) if !self.ctrl && !self.alt && !c.is_control() => Some(c),
            _ => None,
        }
    }

    /// The digit of this key, whatever its modifiers.
    pub fn digit(self) -> Option<u32> {
        match self.code {
            Code::Char(c) => c.to_digit(10),
            _ => None,
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let marks = [(self.ctrl, "Ctrl-"), (self.alt, "Alt-"), (self.shift, "Shift-")];
        for (held, mark) in marks {
            if held {
                f.write_str(mark)?;
            }
        }
        let bare = !self.ctrl && !self.alt && !self.shift;
        if self.code == Code::Char('-') && bare {
            return f.write_str("-");
        }
        if let Some((_, name, _)) = NAMES.iter().find(|(code, ..)| *code == self.code) {
            return f.write_str(name);
        }
        match self.code {
            Code::Char(c) => write!(f, "{c}"),
            Code::F(n) => write!(f, "F{n}"),
            _ => Ok(()),
        }
    }
}

impl FromStr for Key {
    type Err = String;

    /// Reads `x`, `Ctrl-x`, `C-x`, `Alt-2`, `M-2`, `Shift-Tab`, `F1`, `Space` …; names have no case.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut key = Self::plain(Code::Esc);
        let mut rest = text;
        while let Some((mark, tail)) = rest.split_once('-').filter(|(_, tail)| !tail.is_empty()) {
            match mark.to_ascii_lowercase().as_str() {
                "ctrl" | "c" => key.ctrl = true,
                "alt" | "a" | "m" | "meta" => key.alt = true,
                "shift" | "s" => key.shift = true,
                _ => return Err(format!("`{text}` is no key: `{mark}-` is not Ctrl-, Alt- or Shift-")),
            }
            rest = tail;
        }
        key.code = code(rest).ok_or_else(|| format!("`{text}` is no key"))?;
        Ok(key.normal())
    }
}

fn code(text: &str) -> Option<Code> {
    let mut chars = text.chars();
    if let (Some(one), None) = (chars.next(), chars.next()) {
        return (!one.is_control() && !one.is_whitespace()).then_some(Code::Char(one));
    }
    let lower = text.to_lowercase();
    if let Some(n) = lower.strip_prefix('f').and_then(|n| n.parse::<u8>().ok()) {
        return (1..=24).contains(&n).then_some(Code::F(n));
    }
    NAMES
        .iter()
        .find(|(_, name, others)| name.eq_ignore_ascii_case(&lower) || others.contains(&lower.as_str()))
        .map(|(code, ..)| *code)
}

/// Keys pressed one after the other: `gg`, `g Enter`, `Ctrl-x`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Keys(pub Vec<Key>);

impl FromStr for Keys {
    type Err = String;

    /// Reads words parted by blanks. A word is one key, or else its characters are keys.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut keys = Vec::new();
        for word in text.split_whitespace() {
            match word.parse::<Key>() {
                Ok(key) => keys.push(key),
                Err(why) if word.len() > 1 && word.contains('-') => return Err(why),
                Err(_) => keys.extend(word.chars().map(Key::char)),
            }
        }
        if keys.is_empty() {
            return Err("no key is named".to_owned());
        }
        if keys.len() > 6 {
            return Err(format!("`{text}` is more than six keys"));
        }
        Ok(Self(keys))
    }
}

impl fmt::Display for Keys {
    /// Writes what [`Keys::from_str`] reads: characters together where they cannot be taken for a
    /// name, else with blanks between.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let joined: String = self.0.iter().map(ToString::to_string).collect();
        let plain = self.0.iter().all(|key| key.typed().is_some_and(|c| c != ' ' && c != '-'));
        if plain && (self.0.len() < 2 || joined.parse::<Key>().is_err()) {
            return f.write_str(&joined);
        }
        for (at, key) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str(" ")?;
            }
            write!(f, "{key}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_and_written_alike() {
        for text in
            ["a", "A", "gg", "g Enter", "Ctrl-x", "Alt-2", "Shift-Tab", "F1", "Space", "-", "g -", "*a", "e s c"]
        {
            let keys: Keys = text.parse().unwrap();
            assert_eq!(keys.to_string(), text);
        }
        assert_eq!("C-X".parse::<Key>().unwrap(), Key::ctrl('x'));
        assert_eq!("m-2".parse::<Key>().unwrap().to_string(), "Alt-2");
        assert_eq!("shift-a".parse::<Key>().unwrap(), Key::char('A'));
        assert_eq!("escape".parse::<Keys>().unwrap().0, [Key::plain(Code::Esc)]);
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for text in ["", "  ", "Hyper-x", "Ctrl-", "F99-x", "abcdefg"] {
            assert!(text.parse::<Keys>().is_err(), "{text}");
        }
    }
}
