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
        // Most of what comes is this; it needs no copy of its own.
        if text.bytes().all(|b| matches!(b, b' '..=b'~')) {
            return Self(Arc::from(text));
        }
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

/// Replaces tabs by blanks up to the next eighth column.
pub(super) fn expand_tabs(line: &str) -> String {
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
    let mut marks = 0usize;
    let mut joined = false;
    for c in text.chars() {
        match c {
            // Joiners shape emoji, Persian and Indic scripts: one may stay behind what it joins.
            '\u{200c}' | '\u{200d}' => {
                if !joined && out.chars().next_back().is_some_and(|before| !before.is_ascii()) {
                    out.push(c);
                }
                joined = true;
                continue;
            }
            _ if is_mark(c) => {
                marks += 1;
                if marks <= MAX_COMBINING {
                    out.push(c);
                }
            }
            _ => {
                marks = 0;
                push_visible(c, &mut out);
            }
        }
        joined = false;
    }
    out
}

/// Pushes `c` itself or the mark that stands for it, or nothing where it is invisible.
fn push_visible(c: char, out: &mut String) {
    match c {
        '\t' | '\n' | '\r' | '\u{2028}' | '\u{2029}' | '\u{85}' => out.push(' '),
        '\0'..='\u{1f}' => out.push(char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}')),
        '\u{7f}' => out.push('\u{2421}'),
        '\u{80}'..='\u{9f}' => out.push('\u{fffd}'),
        // Left-to-right marks, embeddings, overrides, isolates.
        '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => out.push('\u{2426}'),
        _ if is_invisible(c) => {}
        _ => out.push(c),
    }
}

/// Characters that show nothing and yet part words from what they look like: zero width space, word
/// joiner, byte order mark, soft hyphen, fillers, annotation anchors, musical and shorthand format
/// controls, tag characters and the selectors beyond them.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{200b}'
        | '\u{2060}'..='\u{2065}' | '\u{206a}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Marks combine with the character before them and take no room of their own.
fn is_mark(c: char) -> bool {
    !c.is_ascii()
        && !c.is_control()
        && unicode_width::UnicodeWidthChar::width(c) == Some(0)
        && !is_invisible(c)
        && !matches!(c, '\u{200c}'..='\u{200f}' | '\u{61c}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
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
    fn joiners_stay_only_where_they_join() {
        assert_eq!(Clean::line("می\u{200c}خواهم").as_str(), "می\u{200c}خواهم");
        assert_eq!(Clean::line("pay\u{200d}pal").as_str(), "paypal");
        assert_eq!(Clean::line("\u{200d}a").as_str(), "a");
        assert_eq!(Clean::line(&format!("é{}b", "\u{200d}".repeat(9))).as_str(), "é\u{200d}b");
    }

    #[test]
    fn tabs_reach_the_next_stop() {
        let lines = Clean::lines("a\tb\n\tc");
        assert_eq!(lines.iter().map(Clean::as_str).collect::<Vec<_>>(), ["a       b", "        c"]);
    }
}
