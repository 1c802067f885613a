//! Plain text as the viewer shows it: format=flowed put together again (RFC 3676), quotes by
//! depth, the signature, patches, links. The inverse of what [`super::flow`] writes.

use std::borrow::Cow;

use super::clean;
use super::document::{Line, LineKind, SpanStyle};
use super::link::Links;

/// How the lines of a text are meant (RFC 3676 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Each line as it stands.
    Fixed,
    /// A blank at a line's end joins it to the next.
    Flowed,
    /// The same, and that blank is not part of the text (`DelSp=yes`).
    FlowedDelSp,
}

impl Flow {
    /// What the parameters `format` and `delsp` of a text/plain part say.
    pub fn of(format: Option<&str>, del_sp: Option<&str>) -> Self {
        match (format, del_sp) {
            (Some(format), Some(yes)) if is(format, "flowed") && is(yes, "yes") => Self::FlowedDelSp,
            (Some(format), _) if is(format, "flowed") => Self::Flowed,
            _ => Self::Fixed,
        }
    }
}

fn is(value: &str, word: &str) -> bool {
    value.trim().eq_ignore_ascii_case(word)
}

/// Turns a text into lines for the viewer; its links join `links`.
pub fn lines(text: &str, flow: Flow, links: &mut Links) -> Vec<Line> {
    let mut kinds = Kinds::default();
    let mut out: Vec<Line> = Vec::new();
    let mut push = |quote: usize, text: &str, links: &mut Links| {
        let kind = kinds.of(quote, text, flow);
        let text = clean::expand_tabs(text.trim_end());
        let spans = links.spans(&text, SpanStyle::default());
        out.push(Line { quote: u8::try_from(quote).unwrap_or(u8::MAX), kind, spans });
    };
    let text = with_plain_line_ends(text);
    match flow {
        Flow::Fixed => {
            for line in text.lines() {
                let (quote, rest) = unquoted(line);
                push(quote, rest, links);
            }
        }
        Flow::Flowed | Flow::FlowedDelSp => {
            // The paragraph that goes on, with its depth.
            let mut open: Option<(usize, String)> = None;
            for line in text.lines() {
                let quote = line.bytes().take_while(|b| *b == b'>').count();
                let rest = line.get(quote..).unwrap_or_default();
                let rest = rest.strip_prefix(' ').unwrap_or(rest);
                let is_flowed = rest.ends_with(' ') && rest != "-- ";
                let kept = if flow == Flow::FlowedDelSp && is_flowed { rest.get(..rest.len() - 1) } else { Some(rest) };
                // A change of depth ends a paragraph, whatever its last line said (§4.5).
                if let Some((depth, paragraph)) = open.take_if(|(depth, _)| *depth != quote || rest == "-- ") {
                    push(depth, &paragraph, links);
                }
                let (_, paragraph) = open.get_or_insert_with(|| (quote, String::new()));
                paragraph.push_str(kept.unwrap_or_default());
                if !is_flowed && let Some((depth, paragraph)) = open.take() {
                    push(depth, &paragraph, links);
                }
            }
            if let Some((depth, paragraph)) = open {
                push(depth, &paragraph, links);
            }
        }
    }
    out
}

/// Lines end in LF: a CR alone, or one too many before it, ends a line too.
fn with_plain_line_ends(text: &str) -> Cow<'_, str> {
    if text.contains('\r') {
        Cow::Owned(text.replace("\r\r\n", "\n").replace("\r\n", "\n").replace('\r', "\n"))
    } else {
        Cow::Borrowed(text)
    }
}

/// The depth of a quoted line and what is quoted: `> > text`, `>> text`, `>text`.
pub fn unquoted(line: &str) -> (usize, &str) {
    let mut depth = 0;
    let mut rest = line;
    loop {
        let next = if depth == 0 { rest } else { rest.strip_prefix(' ').unwrap_or(rest) };
        match next.strip_prefix('>') {
            Some(inner) => {
                depth += 1;
                rest = inner;
            }
            None if depth == 0 => return (0, line),
            None => return (depth, next),
        }
    }
}

/// How many depths of quoting have a patch state of their own: reviews quote patches.
const DEPTHS: usize = 6;

/// Says what kind of line each line is; remembers where it is in a patch or signature.
#[derive(Debug, Default)]
struct Kinds {
    patches: [Patch; DEPTHS],
    in_signature: bool,
}

/// Where in a patch a text is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Patch {
    #[default]
    Outside,
    /// Between `diff` and the first hunk, or between two hunks.
    Between,
    /// In a hunk that still has this many old and new lines.
    Hunk(u32, u32),
}

impl Kinds {
    fn of(&mut self, quote: usize, line: &str, flow: Flow) -> LineKind {
        // `-- ` alone; many programs lose the blank on the way.
        if quote == 0 && (line == "-- " || (line == "--" && flow != Flow::Fixed)) {
            self.in_signature = true;
        }
        if quote == 0 && self.in_signature {
            return LineKind::Signature;
        }
        let slot = self.patches.get_mut(quote.min(DEPTHS - 1));
        let kind = slot.and_then(|patch| patch.kind(line));
        match kind {
            Some(kind) => kind,
            None if flow == Flow::Fixed && is_table(line) => LineKind::Pre,
            None => LineKind::Text,
        }
    }
}

impl Patch {
    /// What the line is in a patch; `None` if it is in none.
    fn kind(&mut self, line: &str) -> Option<LineKind> {
        if let Some((old, new)) = hunk(line) {
            *self = Self::Hunk(old, new);
            return Some(LineKind::Pre);
        }
        if line.starts_with("diff --git ") || line.starts_with("diff -") || line.starts_with("Index: ") {
            *self = Self::Between;
            return Some(LineKind::Pre);
        }
        match *self {
            Self::Outside => {
                let is_stat = line.starts_with(' ')
                    && line.rsplit_once(" | ").is_some_and(|(_, counts)| {
                        counts.trim_start().starts_with(|c: char| c.is_ascii_digit())
                            || counts.trim().starts_with("Bin ")
                    });
                is_stat.then_some(LineKind::Pre)
            }
            Self::Between => {
                const MARKS: [&str; 17] = [
                    "--- ",
                    "+++ ",
                    "index ",
                    "new file mode ",
                    "deleted file mode ",
                    "old mode ",
                    "new mode ",
                    "similarity index ",
                    "dissimilarity index ",
                    "rename ",
                    "copy ",
                    "Binary files ",
                    "GIT binary patch",
                    "====",
                    "RCS file: ",
                    "retrieving ",
                    "\\ No newline",
                ];
                if MARKS.iter().any(|mark| line.starts_with(mark)) {
                    return Some(LineKind::Pre);
                }
                *self = Self::Outside;
                None
            }
            Self::Hunk(old, new) => Some(self.in_hunk(line, old, new)),
        }
    }

    fn in_hunk(&mut self, line: &str, old: u32, new: u32) -> LineKind {
        let (kind, old, new) = match line.bytes().next() {
            Some(b'+') => (LineKind::Added, old, new.saturating_sub(1)),
            Some(b'-') => (LineKind::Removed, old.saturating_sub(1), new),
            Some(b'\\') => (LineKind::Pre, old, new),
            // A context line, or one that was trimmed or wrapped on the way.
            _ => (LineKind::Pre, old.saturating_sub(1), new.saturating_sub(1)),
        };
        *self = if old == 0 && new == 0 { Self::Between } else { Self::Hunk(old, new) };
        kind
    }
}

/// The numbers of old and new lines of `@@ -1,7 +1,9 @@`.
fn hunk(line: &str) -> Option<(u32, u32)> {
    let (ranges, _) = line.strip_prefix("@@ -")?.split_once(" @@")?;
    let (old, new) = ranges.split_once(" +")?;
    let count = |range: &str| match range.split_once(',') {
        Some((_, count)) => count.parse::<u32>().ok(),
        None => range.parse::<u32>().ok().map(|_| 1),
    };
    Some((count(old)?, count(new)?))
}

/// Is the line laid out by blanks: indented code, columns, a drawing?
fn is_table(line: &str) -> bool {
    let inner = line.trim_end();
    inner.starts_with("    ")
        || inner.starts_with('\t')
        || inner.trim_start().contains("    ")
        || inner.trim_start().contains('\t')
        || inner.contains(|c: char| ('\u{2500}'..='\u{259f}').contains(&c))
        || (inner.starts_with(['+', '|']) && inner.ends_with(['+', '|']) && inner.len() > 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes lines as `quote kind text`, the kind by its first letter.
    fn shown(text: &str, flow: Flow) -> Vec<String> {
        lines(text, flow, &mut Links::default())
            .iter()
            .map(|line| {
                let text: String = line.spans.iter().map(|span| span.text.as_str()).collect();
                format!("{}{} {text}", line.quote, format!("{:?}", line.kind).chars().next().unwrap_or(' '))
            })
            .collect()
    }

    #[test]
    fn quotes_of_all_styles() {
        assert_eq!(
            shown("a\n> b\n>> c\n> > d\n>e\n>>>  f\n", Flow::Fixed),
            ["0T a", "1T b", "2T c", "2T d", "1T e", "3T  f"]
        );
    }

    #[test]
    fn lines_end_however_they_end() {
        assert_eq!(shown("a\r\nb\r\r\nc\rd\n", Flow::Fixed), ["0T a", "0T b", "0T c", "0T d"]);
    }

    #[test]
    fn flowed_text_is_joined() {
        assert_eq!(shown("one \ntwo\n> q \n> r\n>> s \n> t\n", Flow::Flowed), ["0T one two", "1T q r", "2T s", "1T t"]);
        assert_eq!(shown("日本 \n語\n", Flow::FlowedDelSp), ["0T 日本語"]);
        assert_eq!(shown(" >no quote\n From me\n", Flow::Flowed), ["0T >no quote", "0T From me"]);
        assert_eq!(shown("text \n-- \nAda \nL.\n", Flow::Flowed), ["0T text", "0S --", "0S Ada L."]);
        assert_eq!(Flow::of(Some("Flowed"), Some("Yes")), Flow::FlowedDelSp);
    }

    #[test]
    fn patches_and_signatures() {
        let patch = "Hi\n\n file.c | 2 +-\n\ndiff --git a/f b/f\nindex 1..2\n--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@ fn\n ctx\n-old\n+new\n-- \n2.40\n";
        assert_eq!(
            shown(patch, Flow::Fixed),
            [
                "0T Hi",
                "0T ",
                "0P  file.c | 2 +-",
                "0T ",
                "0P diff --git a/f b/f",
                "0P index 1..2",
                "0P --- a/f",
                "0P +++ b/f",
                "0P @@ -1,2 +1,2 @@ fn",
                "0P  ctx",
                "0R -old",
                "0A +new",
                "0S --",
                "0S 2.40"
            ]
        );
        let review = "> @@ -1,3 +1,3 @@\n>  ctx\n> -old\nWhy?\n- because\n> +new\n";
        assert_eq!(
            shown(review, Flow::Fixed),
            ["1P @@ -1,3 +1,3 @@", "1P  ctx", "1R -old", "0T Why?", "0T - because", "1A +new"]
        );
    }

    #[test]
    fn columns_stay_columns() {
        assert_eq!(
            shown("name      size\n\tcode\nplain words\n", Flow::Fixed),
            ["0P name      size", "0P         code", "0T plain words"]
        );
    }
}
