//! Breaks a prepared message into lines of the viewer's width, once per width and not per frame:
//! header block, attachments, warnings, text with folded quotes. By cells, so that wide characters
//! are never cut in two.

use std::collections::BTreeSet;

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use crate::mail::clean::Clean;
use crate::mail::document::{Document, Line, LineKind, SpanStyle};

/// A quote of more lines than this is folded.
const FOLD_OVER: usize = 5;
/// So many of its lines are shown all the same.
const FOLD_SHOWS: usize = 2;
/// Running text is not wider than this, however wide the screen: longer lines are hard to read.
const MAX_TEXT: usize = 100;
/// The most lines that are made of one message.
const MOST: usize = 200_000;

/// One line of the viewer.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ViewLine {
    /// What it is.
    pub role: LineRole,
    /// How deep it is quoted.
    pub quote: u8,
    /// The block of quoted lines it belongs to, for folding.
    pub block: Option<usize>,
    /// Its text.
    pub spans: Vec<ViewSpan>,
}

/// What a line of the viewer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LineRole {
    /// A line of the header block: a key and a value.
    Header,
    /// The tags and labels.
    Tags,
    /// The attachments.
    Attachment,
    /// A warning.
    Warning,
    /// How many quoted lines are hidden.
    Fold,
    /// The line that a message of a conversation begins with, or all that is shown of it.
    Title {
        /// Which: an index into the conversation.
        at: usize,
        /// Does the message follow?
        whole: bool,
    },
    /// Nothing.
    #[default]
    Blank,
    /// Text.
    Body(LineKind),
}

/// A run of text of one look.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ViewSpan {
    /// The text.
    pub text: Clean,
    /// The look that the author chose.
    pub style: SpanStyle,
    /// The link it belongs to.
    pub link: Option<usize>,
    /// Is it the name of a field, or the number of an attachment?
    pub key: bool,
}

impl ViewLine {
    /// The text of the line.
    pub fn text(&self) -> String {
        self.spans.iter().map(|span| span.text.as_str()).collect()
    }
}

/// How much of a header is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fields {
    /// Who, what and when, a line each: where there are few lines, they are for the text.
    Few,
    /// Those that most readers want to see.
    Usual,
    /// All of them.
    All,
}

impl Fields {
    /// Does it show that field, of the usual ones?
    fn has(self, name: &str) -> bool {
        self != Self::Few || ["From", "Subject", "Date"].contains(&name)
    }

    /// How many lines a field may take. A hundred recipients shall not push the text off the screen.
    fn lines(self) -> usize {
        match self {
            Self::Few => 1,
            Self::Usual => 2,
            Self::All => usize::MAX,
        }
    }
}

/// Which quotes are folded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Folds {
    /// The rule.
    pub(super) rule: Rule,
    /// The blocks for which it is the other way round.
    pub(super) turned: BTreeSet<usize>,
}

/// Which quotes are folded, if the user says nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Rule {
    /// Long ones.
    #[default]
    Long,
    /// All.
    All,
    /// None.
    None,
}

impl Folds {
    fn hides(&self, block: usize, lines: usize) -> bool {
        let by_rule = match self.rule {
            Rule::Long => lines > FOLD_OVER,
            Rule::All => true,
            Rule::None => false,
        };
        by_rule != self.turned.contains(&block)
    }
}

/// Makes the lines of a message.
pub(super) fn document(
    document: &Document,
    tags: &[Clean],
    fields: Fields,
    folds: &Folds,
    width: usize,
) -> Vec<ViewLine> {
    let width = width.max(8);
    let mut out = Vec::new();
    headers(document, tags, fields, width, &mut out);
    for warning in &document.warnings {
        let text = ViewSpan { text: Clean::line(&format!("! {warning}")), ..ViewSpan::default() };
        flow(&[text], width, 2, LineRole::Warning, &mut out);
    }
    let before = out.len();
    attachments(document, width, &mut out);
    if fields == Fields::Few {
        cut(&mut out, before, 1, width);
    }
    out.push(ViewLine::default());
    body(document, folds, width.min(MAX_TEXT), width, &mut out);
    out
}

/// Adds what is said about the message itself, below it.
pub(super) fn note(words: &Clean, warns: bool, width: usize, out: &mut Vec<ViewLine>) {
    let role = if warns { LineRole::Warning } else { LineRole::Body(LineKind::Note) };
    let text = ViewSpan { text: words.clone(), ..ViewSpan::default() };
    flow(&[text], width.max(8), 0, role, out);
}

/// Makes the lines of a message's source.
pub(super) fn source(lines: &[Clean], width: usize) -> Vec<ViewLine> {
    let mut out = Vec::new();
    for line in lines {
        let span = ViewSpan { text: line.clone(), ..ViewSpan::default() };
        chop(&[span], width.max(8), LineRole::Body(LineKind::Pre), 0, None, &mut out);
        if out.len() >= MOST {
            break;
        }
    }
    out
}

fn headers(document: &Document, tags: &[Clean], fields: Fields, width: usize, out: &mut Vec<ViewLine>) {
    let all = fields == Fields::All;
    let shown = if all { &document.all_headers } else { &document.headers };
    let shown = || shown.iter().filter(|(key, _)| fields.has(key.as_str()));
    // A name that is longer than that pushes its own value aside and not those of all others.
    let most = if all { 28.min(width / 4) } else { 10 };
    let longest = shown().map(|(key, _)| key.as_str().width()).max().unwrap_or(0).min(most);
    let key = |name: &str| {
        let pad = longest.saturating_sub(name.width());
        ViewSpan { text: Clean::line(&format!("{name}{}", " ".repeat(pad + 2))), key: true, ..ViewSpan::default() }
    };
    for (name, value) in shown() {
        let key = key(name.as_str());
        let value = ViewSpan { text: value.clone(), ..ViewSpan::default() };
        let before = out.len();
        if fields == Fields::Few {
            // As much of an address as there is room for says more than none.
            chop(&[key, value], width, LineRole::Header, 0, None, out);
        } else {
            flow(&[key, value], width, longest + 2, LineRole::Header, out);
        }
        cut(out, before, fields.lines(), width);
    }
    if !tags.is_empty() {
        let all = tags.iter().map(|tag| format!("[{tag}]")).collect::<Vec<_>>().join(" ");
        let value = ViewSpan { text: Clean::line(&all), ..ViewSpan::default() };
        let before = out.len();
        flow(&[key("Tags"), value], width, longest + 2, LineRole::Tags, out);
        cut(out, before, if fields == Fields::Few { 1 } else { usize::MAX }, width);
    }
}

/// Leaves so many lines of what was put in, and says that there are more.
fn cut(out: &mut Vec<ViewLine>, before: usize, most: usize, width: usize) {
    if out.len() <= before.saturating_add(most) {
        return;
    }
    out.truncate(before + most);
    let Some(line) = out.last_mut() else { return };
    let used: usize = line.spans.iter().map(|span| span.text.as_str().width()).sum();
    if let Some(span) = line.spans.last_mut() {
        let room = span.text.as_str().width().saturating_sub((used + 4).saturating_sub(width));
        let kept = take_cells(span.text.as_str(), room).trim_end().to_owned();
        span.text = Clean::line(&format!("{kept} ..."));
    }
}

fn attachments(document: &Document, width: usize, out: &mut Vec<ViewLine>) {
    let mut spans = Vec::new();
    for (at, attachment) in document.attachments.iter().enumerate() {
        let gap = if at > 0 { "  " } else { "" };
        spans.push(ViewSpan { text: Clean::line(&format!("{gap}[{}] ", at + 1)), key: true, ..ViewSpan::default() });
        let name = attachment.name.as_str();
        let name = if name.is_empty() { attachment.media_type.as_str() } else { name };
        let text = format!("{name} {}", size(attachment.size));
        spans.push(ViewSpan { text: Clean::line(&text), ..ViewSpan::default() });
    }
    if !spans.is_empty() {
        flow(&spans, width, 4, LineRole::Attachment, out);
    }
}

/// A size in bytes, as people read it: `84K`, `1.2M`.
pub fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes}B"),
        1_000..1_000_000 => format!("{}K", bytes.div_ceil(1_000)),
        1_000_000..10_000_000 => format!("{}.{}M", bytes / 1_000_000, bytes / 100_000 % 10),
        _ => format!("{}M", bytes / 1_000_000),
    }
}

fn body(document: &Document, folds: &Folds, text_width: usize, width: usize, out: &mut Vec<ViewLine>) {
    let mut block = 0;
    let mut lines = document.lines.as_slice();
    while let Some(first) = lines.first() {
        if out.len() >= MOST {
            break;
        }
        if first.quote == 0 {
            body_line(first, None, text_width, width, out);
            lines = lines.get(1..).unwrap_or(&[]);
            continue;
        }
        let count = lines.iter().take_while(|line| line.quote > 0).count();
        let (quoted, rest) = lines.split_at(count);
        let hidden = folds.hides(block, count);
        let shown = if hidden { FOLD_SHOWS.min(count.saturating_sub(1)) } else { count };
        for line in quoted.iter().take(shown) {
            body_line(line, Some(block), text_width, width, out);
        }
        if hidden {
            let text = Clean::line(&format!("+{} quoted", count - shown));
            let spans = vec![ViewSpan { text, ..ViewSpan::default() }];
            out.push(ViewLine { role: LineRole::Fold, quote: 1, block: Some(block), spans });
        }
        block += 1;
        lines = rest;
    }
}

fn body_line(line: &Line, block: Option<usize>, text_width: usize, width: usize, out: &mut Vec<ViewLine>) {
    let marks = usize::from(line.quote.min(8)) * 2;
    let spans: Vec<ViewSpan> = line
        .spans
        .iter()
        .map(|span| ViewSpan { text: span.text.clone(), style: span.style, link: span.link, key: false })
        .collect();
    let role = LineRole::Body(line.kind);
    let before = out.len();
    match line.kind {
        LineKind::Pre | LineKind::Added | LineKind::Removed => {
            chop(&spans, width.saturating_sub(marks).max(8), role, line.quote, block, out);
        }
        LineKind::Text | LineKind::Signature | LineKind::Note | LineKind::Heading => {
            flow(&spans, text_width.saturating_sub(marks).max(8), 0, role, out);
        }
    }
    for made in out.iter_mut().skip(before) {
        made.quote = line.quote;
        made.block = block;
    }
}

/// Breaks at blanks; a word that is wider than a line is cut.
fn flow(spans: &[ViewSpan], width: usize, indent: usize, role: LineRole, out: &mut Vec<ViewLine>) {
    let mut filler = Filler { width, indent, role, line: Vec::new(), used: 0, out, begun: false, in_word: false };
    let mut word = Word::default();
    for (at, span) in spans.iter().enumerate() {
        for piece in span.text.as_str().split_word_bounds() {
            if piece.chars().all(char::is_whitespace) {
                filler.word(spans, &mut word);
                filler.in_word = false;
                filler.blank(at, piece);
                continue;
            }
            word.push(at, piece);
            let wide = piece.width() > piece.chars().count();
            if wide || word.cells > width {
                filler.word(spans, &mut word);
                // Chinese and Japanese have no blanks: any character may end a line.
                filler.in_word = !wide;
            }
        }
    }
    filler.word(spans, &mut word);
    filler.end(spans);
}

/// Text of one span of the source: its number, and the text.
type Piece = (usize, String);

fn push(pieces: &mut Vec<Piece>, span: usize, text: &str) {
    match pieces.last_mut() {
        Some((last, known)) if *last == span => known.push_str(text),
        _ => pieces.push((span, text.to_owned())),
    }
}

/// What stands between two blanks.
#[derive(Default)]
struct Word {
    pieces: Vec<Piece>,
    cells: usize,
}

impl Word {
    fn push(&mut self, span: usize, text: &str) {
        push(&mut self.pieces, span, text);
        self.cells += text.width();
    }
}

struct Filler<'a> {
    width: usize,
    indent: usize,
    role: LineRole,
    line: Vec<Piece>,
    used: usize,
    out: &'a mut Vec<ViewLine>,
    begun: bool,
    /// Is a word that is wider than a line in the middle of being cut?
    in_word: bool,
}

impl Filler<'_> {
    fn end(&mut self, spans: &[ViewSpan]) {
        if !self.line.is_empty() || !self.begun {
            self.turn(spans);
        }
    }

    fn turn(&mut self, spans: &[ViewSpan]) {
        let pieces = std::mem::take(&mut self.line);
        let mut made = Vec::with_capacity(pieces.len() + 1);
        let indent = self.indent.min(self.width / 2);
        if self.begun && indent > 0 {
            made.push(ViewSpan { text: Clean::line(&" ".repeat(indent)), ..ViewSpan::default() });
        }
        made.extend(pieces.into_iter().filter_map(|(at, text)| {
            let like = spans.get(at)?;
            Some(ViewSpan { text: Clean::line(&text), style: like.style, link: like.link, key: like.key })
        }));
        self.out.push(ViewLine { role: self.role, quote: 0, block: None, spans: made });
        self.begun = true;
        self.used = indent;
    }

    fn at_start(&self) -> bool {
        self.line.is_empty()
    }

    fn blank(&mut self, span: usize, piece: &str) {
        let cells = piece.width();
        // A blank where a line is broken is not shown; one at the very beginning is.
        if self.used + cells < self.width && (!self.at_start() || !self.begun) {
            push(&mut self.line, span, piece);
            self.used += cells;
        }
    }

    fn word(&mut self, spans: &[ViewSpan], word: &mut Word) {
        let Word { pieces, cells } = std::mem::take(word);
        if !self.in_word && self.used + cells > self.width && !self.at_start() {
            self.turn(spans);
        }
        for (span, text) in pieces {
            for grapheme in text.graphemes(true) {
                let cells = grapheme.width();
                if self.used + cells > self.width && !self.at_start() {
                    self.turn(spans);
                }
                push(&mut self.line, span, grapheme);
                self.used += cells;
            }
        }
    }
}

/// Cuts every so many cells: code and tables keep their shape as long as they fit.
fn chop(spans: &[ViewSpan], width: usize, role: LineRole, quote: u8, block: Option<usize>, out: &mut Vec<ViewLine>) {
    let mut line = ViewLine { role, quote, block, spans: Vec::new() };
    let mut used = 0;
    for span in spans {
        let mut rest = span.text.as_str();
        while !rest.is_empty() {
            let mut part = take_cells(rest, width - used.min(width));
            if part.is_empty() && used == 0 {
                part = rest.graphemes(true).next().unwrap_or(rest);
            }
            if !part.is_empty() {
                line.spans.push(ViewSpan { text: Clean::line(part), ..span.clone() });
                used += part.width();
            }
            rest = rest.get(part.len()..).unwrap_or("");
            if !rest.is_empty() {
                out.push(ViewLine { spans: std::mem::take(&mut line.spans), ..line.clone() });
                used = 0;
            }
        }
    }
    out.push(line);
}

/// The beginning of a text that fits into so many cells.
pub fn take_cells(text: &str, cells: usize) -> &str {
    if text.len() <= cells {
        return text;
    }
    let mut used = 0;
    let mut end = 0;
    for grapheme in text.graphemes(true) {
        used += grapheme.width();
        if used > cells {
            break;
        }
        end += grapheme.len();
    }
    text.get(..end).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::document::Span;

    fn line(quote: u8, kind: LineKind, text: &str) -> Line {
        Line { quote, kind, spans: vec![Span { text: Clean::line(text), ..Span::default() }] }
    }

    fn texts(lines: Vec<Line>, folds: &Folds, width: usize) -> Vec<String> {
        let made = document(&Document { lines, ..Document::default() }, &[], Fields::Usual, folds, width);
        made.iter().skip(1).map(ViewLine::text).collect()
    }

    #[test]
    fn text_breaks_at_blanks_and_long_words_are_cut() {
        let made = texts(vec![line(0, LineKind::Text, "one two three https://example.org/x")], &Folds::default(), 10);
        assert_eq!(made, ["one two ", "three ", "https://ex", "ample.org/", "x"]);
        assert_eq!(texts(vec![line(0, LineKind::Text, "")], &Folds::default(), 10), [""]);
    }

    #[test]
    fn wide_characters_fill_two_cells_and_are_not_cut() {
        let made = texts(vec![line(0, LineKind::Text, "林伟林伟林伟林伟林")], &Folds::default(), 9);
        assert_eq!(made, ["林伟林伟", "林伟林伟", "林"]);
        let made = texts(vec![line(0, LineKind::Pre, "a林伟林伟林伟")], &Folds::default(), 8);
        assert_eq!(made, ["a林伟林", "伟林伟"]);
    }

    #[test]
    fn long_quotes_are_folded_and_unfolded() {
        let quote = || (0..9).map(|n| line(1, LineKind::Text, &format!("q{n}"))).collect::<Vec<_>>();
        assert_eq!(texts(quote(), &Folds::default(), 40), ["q0", "q1", "+7 quoted"]);
        let open = Folds { rule: Rule::Long, turned: BTreeSet::from([0]) };
        assert_eq!(texts(quote(), &open, 40).len(), 9);
        let short = || vec![line(1, LineKind::Text, "a"), line(1, LineKind::Text, "b")];
        assert_eq!(texts(short(), &Folds::default(), 40), ["a", "b"]);
        let all = Folds { rule: Rule::All, turned: BTreeSet::new() };
        assert_eq!(texts(short(), &all, 40), ["a", "+1 quoted"]);
    }

    #[test]
    fn many_recipients_take_two_lines() {
        let to = (0..50).map(|n| format!("person{n}@example.org")).collect::<Vec<_>>().join(", ");
        let headers = vec![(Clean::line("To"), Clean::line(&to))];
        let made = document(&Document { headers, ..Document::default() }, &[], Fields::Usual, &Folds::default(), 60);
        assert_eq!(made.len(), 3);
        assert!(made[1].text().ends_with(" ..."));
    }

    #[test]
    fn where_lines_are_few_they_are_for_the_text() {
        let people = "Grace Hopper <grace@example.net>, Lin Wei <lin@example.cn>";
        let fields = ["From", "To", "Cc", "Reply-To", "Date", "Subject"];
        let headers: Vec<_> = fields.map(|name| (Clean::line(name), Clean::line(people))).into();
        let part = |name: &str| crate::mail::document::Attachment {
            name: Clean::line(name),
            media_type: Clean::line("text/plain"),
            size: 9,
            inline: false,
        };
        let attachments = (0..9).map(|n| part(&format!("{n}.txt"))).collect();
        let mail = Document { headers, attachments, ..Document::default() };
        let tags: Vec<Clean> = (0..9).map(|n| Clean::line(&format!("tag {n}"))).collect();
        let of = |fields| document(&mail, &tags, fields, &Folds::default(), 40);
        let few: Vec<String> = of(Fields::Few).iter().map(ViewLine::text).collect();
        assert_eq!(
            few,
            [
                "From     Grace Hopper <grace@example ...",
                "Date     Grace Hopper <grace@example ...",
                "Subject  Grace Hopper <grace@example ...",
                "Tags     [tag 0] [tag 1] [tag 2] [ta ...",
                "[1] 0.txt 9B  [2] 1.txt 9B  [3] 2.tx ...",
                "",
            ]
        );
        assert!(few.iter().all(|line| line.width() <= 40));
        assert!(of(Fields::Usual).len() > 15);
    }

    #[test]
    fn a_long_name_of_a_field_leaves_the_others_where_they_are() {
        let fields = [("Subject", "deploy window"), ("Content-Transfer-Encoding", "8bit")];
        let all_headers = fields.map(|(name, value)| (Clean::line(name), Clean::line(value))).into();
        let mail = Document { all_headers, ..Document::default() };
        let lines = |width| -> Vec<String> {
            let made = document(&mail, &[], Fields::All, &Folds::default(), width);
            made.iter().take(2).map(ViewLine::text).collect()
        };
        assert_eq!(lines(40), ["Subject     deploy window", "Content-Transfer-Encoding  8bit"]);
        assert_eq!(lines(120)[0], format!("{:27}deploy window", "Subject"));
    }
}
