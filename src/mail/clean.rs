//! The one sanitiser. Everything that comes from outside (headers, bodies, names of folders and
//! files, replies of servers) passes here before a screen, a log or a terminal: control
//! characters, bidirectional overrides and invisible characters become visible marks.

use std::fmt;
use std::sync::Arc;

/// The most combining marks kept on one character; more is an attack on the screen (trust: Zalgo).
const MAX_COMBINING: usize = 4;

/// One line of text that is safe to draw, log and print. There is no other way to make one than
/// through this module.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Clean(Arc<str>);

impl Clean {
    /// Makes one line: line ends and tabs become a blank, whatever could steer a terminal or
    /// deceive a reader becomes a visible mark.
    pub fn line(text: &str) -> Self {
        Self(Arc::from(sanitise(text)))
    }

    /// Makes one line of bytes that are UTF-8 or nearly so.
    pub fn bytes(bytes: &[u8]) -> Self {
        Self::line(&String::from_utf8_lossy(bytes))
    }

    /// Makes one clean line of each line of `text`. Tabs become blanks up to the next eighth column.
    pub fn lines(text: &str) -> Vec<Self> {
        text.lines().map(|line| Self::line(&expand_tabs(line))).collect()
    }

    /// Nothing.
    pub fn empty() -> Self {
        Self(Arc::from(""))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Is there no text at all?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Clean {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Clean {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl AsRef<str> for Clean {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Default for Clean {
    fn default() -> Self {
        Self::empty()
    }
}

fn expand_tabs(line: &str) -> String {
    if !line.contains('\t') {
        return line.to_owned();
    }
    let mut out = String::with_capacity(line.len() + 16);
    let mut column = 0usize;
    for c in line.chars() {
        if c == '\t' {
            let blanks = 8 - column % 8;
            out.extend(std::iter::repeat_n(' ', blanks));
            column += blanks;
        } else {
            out.push(c);
            column += 1;
        }
    }
    out
}

fn sanitise(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut combining = 0usize;
    for c in text.chars() {
        if is_combining(c) {
            combining += 1;
            if combining <= MAX_COMBINING {
                out.push(c);
            }
            continue;
        }
        combining = 0;
        push_visible(c, &mut out);
    }
    out
}

/// Pushes `c` itself or the mark that stands for it.
fn push_visible(c: char, out: &mut String) {
    match c {
        '\t' | '\n' | '\r' | '\u{2028}' | '\u{2029}' | '\u{85}' => out.push(' '),
        '\0'..='\u{1f}' => out.push(char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}')),
        '\u{7f}' => out.push('\u{2421}'),
        '\u{80}'..='\u{9f}' => out.push('\u{fffd}'),
        // Zero width joiner and non-joiner shape emoji and Persian: they may stay.
        '\u{200c}' | '\u{200d}' => out.push(c),
        // Left-to-right marks, embeddings, overrides, isolates; zero width space; word joiner;
        // byte order mark; soft hyphen's invisible kin; tag characters; annotation anchors.
        '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => out.push('\u{2426}'),
        '\u{ad}'
        | '\u{200b}'
        | '\u{2060}'..='\u{2065}'
        | '\u{206a}'..='\u{206f}'
        | '\u{feff}'
        | '\u{180e}'
        | '\u{115f}'
        | '\u{1160}'
        | '\u{3164}'
        | '\u{ffa0}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}' => {}
        _ => out.push(c),
    }
}

fn is_combining(c: char) -> bool {
    !c.is_ascii()
        && c != '\u{200d}'
        && c != '\u{200c}'
        && unicode_width::UnicodeWidthChar::width(c) == Some(0)
        && c.is_alphanumeric_or_mark()
}

/// Tells marks from the other characters of no width, which [`push_visible`] judges one by one.
trait Mark {
    fn is_alphanumeric_or_mark(self) -> bool;
}

impl Mark for char {
    fn is_alphanumeric_or_mark(self) -> bool {
        !matches!(self,
            '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2028}' | '\u{2029}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}' | '\u{80}'..='\u{9f}')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_become_visible() {
        assert_eq!(Clean::line("a\u{1b}]52;c;x\u{7}b").as_str(), "a\u{241b}]52;c;x\u{2407}b");
        assert_eq!(Clean::line("\u{9b}31m").as_str(), "\u{fffd}31m");
        assert_eq!(Clean::line("a\r\nb\tc").as_str(), "a  b c");
    }

    #[test]
    fn bidi_overrides_are_marked_and_invisible_characters_dropped() {
        assert_eq!(Clean::line("x\u{202e}fdp.exe").as_str(), "x\u{2426}fdp.exe");
        assert_eq!(Clean::line("pay\u{200b}pal\u{feff}").as_str(), "paypal");
    }

    #[test]
    fn combining_floods_are_capped_and_accents_kept() {
        let flood = format!("a{}", "\u{301}".repeat(50));
        assert_eq!(Clean::line(&flood).as_str().chars().count(), 1 + MAX_COMBINING);
        assert_eq!(Clean::line("e\u{301}").as_str(), "e\u{301}");
        assert_eq!(Clean::line("👩\u{200d}💻").as_str(), "👩\u{200d}💻");
    }

    #[test]
    fn tabs_reach_the_next_stop() {
        let lines = Clean::lines("a\tb\n\tc");
        assert_eq!(lines.iter().map(Clean::as_str).collect::<Vec<_>>(), ["a       b", "        c"]);
    }
}
