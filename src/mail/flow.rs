//! Text as it is typed → text as it is sent: `format=flowed` lines (RFC 3676 §4.1, §4.2, §4.5).
//! Paragraphs are broken softly, so that every reader can fill its own width; quotes keep their
//! depth, signatures and indented code their lines. A body with a patch in it is not flowed at all,
//! since programs that apply patches do not unflow.

use unicode_width::UnicodeWidthStr;

/// The width at which lines are broken, in columns, without the blank that marks the break.
const WIDTH: usize = 72;

/// How the lines of a text are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A line that ends in a blank goes on in the next one (RFC 3676).
    Flowed,
    /// Each line is a line.
    Fixed,
}

/// Makes lines of a body for sending: LF line ends, no CR, each line ended by LF but the last.
/// Trailing empty lines are dropped.
pub fn flow(body: &str) -> (String, Format) {
    let body = body.replace("\r\n", "\n").replace('\r', "\n").replace('\0', "");
    let lines: Vec<&str> = body.trim_end().split('\n').collect();
    // `trim_end` may have eaten the blank of a signature line that nothing follows; that line is
    // no signature then, and loses nothing.
    if lines.iter().any(|line| begins_patch(unquoted(line).1)) {
        (fixed(&lines), Format::Fixed)
    } else {
        (flowed(&lines), Format::Flowed)
    }
}

/// Does a patch begin with this line?
fn begins_patch(line: &str) -> bool {
    line.starts_with("diff --git ") || line.starts_with("@@ -") || line.starts_with("Index: ")
}

/// Tells the depth of quoting and the text behind the marks. Marks with blanks between them
/// (`> > x`) are counted as well, since many programs and people write them so.
fn unquoted(line: &str) -> (usize, &str) {
    let mut depth = 0;
    let mut rest = line;
    while let Some(inner) = rest.strip_prefix('>') {
        depth += 1;
        rest = match inner.strip_prefix(' ') {
            Some(text) if text.starts_with('>') => text,
            _ => inner,
        };
    }
    let text = if depth > 0 { rest.strip_prefix(' ').unwrap_or(rest) } else { rest };
    (depth, text)
}

fn flowed(lines: &[&str]) -> String {
    let mut out = Vec::with_capacity(lines.len());
    let mut signature = false;
    for line in lines {
        let (depth, text) = unquoted(line);
        if text == "-- " {
            signature |= depth == 0;
            out.push(stuffed(depth, text));
            continue;
        }
        // A blank at the end would join the line with the next.
        let text = text.trim_end_matches(' ');
        if signature || is_code(text) {
            out.push(stuffed(depth, text));
        } else {
            out.extend(broken(text, WIDTH.saturating_sub(depth + 1).max(20)).map(|piece| stuffed(depth, piece)));
        }
    }
    out.join("\n")
}

/// Lines of a body with a patch: what the author wrote before the patch is broken hard, all else
/// stays to the byte.
fn fixed(lines: &[&str]) -> String {
    let mut out: Vec<&str> = Vec::with_capacity(lines.len());
    let mut patch = false;
    for line in lines {
        patch |= begins_patch(line) || *line == "-- ";
        if patch || line.starts_with('>') || is_code(line) {
            out.push(line);
        } else {
            out.extend(broken(line.trim_end_matches(' '), WIDTH).map(|piece| piece.trim_end_matches(' ')));
        }
    }
    out.join("\n")
}

/// Is this line not to be broken: indented by four blanks or a tab?
fn is_code(line: &str) -> bool {
    line.starts_with("    ") || line.starts_with('\t')
}

/// The quote marks, the stuffing blank where RFC 3676 §4.4 asks for one, and the text.
fn stuffed(depth: usize, text: &str) -> String {
    let mut out = ">".repeat(depth);
    let needed = if depth > 0 { !text.is_empty() } else { text.starts_with([' ', '>']) || text.starts_with("From ") };
    if needed {
        out.push(' ');
    }
    out.push_str(text);
    out
}

/// Cuts a paragraph behind blanks, so that each piece but the last ends in one. Words longer than
/// the width stay whole.
fn broken(text: &str, width: usize) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let cut = cut_at(text, width);
        let (piece, after) = text.split_at_checked(cut).unwrap_or((text, ""));
        rest = (!after.is_empty()).then_some(after);
        Some(piece)
    })
}

/// Where to cut: a byte index just behind a blank, or the end.
fn cut_at(text: &str, width: usize) -> usize {
    let mut end = 0;
    let mut columns = 0;
    for word in text.split_inclusive(' ') {
        let bare = word.trim_end_matches(' ').width();
        // A piece that reads `-- ` would be taken for the signature line.
        let cuttable = end > 0 && text.get(..end) != Some("-- ");
        if cuttable && bare > 0 && columns + bare > width {
            return end;
        }
        end += word.len();
        columns += word.width();
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3676 §4.2 read the other way, as small as it can be.
    fn unflow(text: &str) -> String {
        let mut out: Vec<(usize, String, bool)> = Vec::new();
        for line in text.split('\n') {
            let depth = line.bytes().take_while(|b| *b == b'>').count();
            let body = line.split_at(depth).1;
            let body = body.strip_prefix(' ').unwrap_or(body);
            let soft = body.ends_with(' ') && body != "-- ";
            match out.last_mut() {
                Some((last, joined, true)) if *last == depth => {
                    joined.push_str(body);
                    out.last_mut().unwrap().2 = soft;
                }
                _ => out.push((depth, body.to_owned(), soft)),
            }
        }
        let line = |(depth, text, _): (usize, String, bool)| {
            let blank = if depth > 0 && !text.is_empty() { " " } else { "" };
            format!("{}{blank}{text}", ">".repeat(depth))
        };
        out.into_iter().map(line).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn what_is_flowed_can_be_unflowed() {
        let paragraph = "the quick brown fox -- and > more From there  twice ".repeat(9);
        let body = format!(
            "{paragraph}end\n\n>> {paragraph}old\n> -- \nFrom me\n > no quote\n    code code {paragraph}x\n-- \n{paragraph}sig"
        );
        let (text, format) = flow(&body);
        assert_eq!(format, Format::Flowed);
        assert_eq!(unflow(&text), body);
        for line in text.split('\n').filter(|l| !l.starts_with("     code") && !l.ends_with("sig")) {
            assert!(line.trim_end().width() <= WIDTH + 1, "{line:?}");
        }
    }

    #[test]
    fn table() {
        let long = "x".repeat(100);
        for (body, sent) in [
            ("", String::new()),
            ("a  \nb\n\n\n", "a\nb".to_owned()),
            ("> > a\n>b\n>\n>> c", ">> a\n> b\n>\n>> c".to_owned()),
            (&format!("see {long} there"), format!("see \n{long} \nthere")),
            ("a\r\nb\rc\0", "a\nb\nc".to_owned()),
            (&format!("-- {long}"), format!("-- {long}")),
        ] {
            assert_eq!(flow(body), (sent, Format::Flowed), "{body:?}");
        }
    }

    #[test]
    fn patches_stay_as_they_are() {
        let patch = "diff --git a/x b/x\n@@ -1,2 +1,2 @@\n context with blank at the end \n \n-old\n+".to_owned()
            + &"new ".repeat(40)
            + "end";
        let talk = "some words about it ".repeat(6);
        let (text, format) = flow(&format!("{talk}\n\n{patch}"));
        assert_eq!(format, Format::Fixed);
        assert!(text.ends_with(&patch));
        assert!(text.lines().next().unwrap().len() <= WIDTH);
    }
}
