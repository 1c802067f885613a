//! HTML as the viewer shows it: styled lines with numbered links, quotes by depth, hidden text
//! shown as hidden. Never fetches anything; what would cost too much is stripped of its tags.

use std::panic::{AssertUnwindSafe, catch_unwind};

use html2text::config::with_decorator;
use html2text::render::{TaggedLine, TextDecorator};

use super::clean;
use super::document::{Line, LineKind, Span, SpanStyle};
use super::link::Links;
use super::markup;
use super::tame::{self, Tamed};
use super::text::{self, Flow};

/// The most text that is kept of HTML which is only stripped.
const MAX_STRIPPED: usize = 1024 * 1024;
/// The narrowest layout.
const MIN_WIDTH: usize = 20;
/// Stand before a quoted line and a heading, once a level. The renderer drops control characters
/// from the text itself, so that no message can forge them; one byte each, as it insists.
const QUOTE: char = '\u{1}';
const HEADING: char = '\u{2}';

/// HTML as lines.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rendered {
    /// The lines.
    pub lines: Vec<Line>,
    /// Did the author hide some of the text? It is there, marked as hidden.
    pub has_hidden: bool,
    /// Was it too big or too involved to be laid out, so that only its words are shown?
    pub is_stripped: bool,
}

/// Lays out HTML at `width` columns; its links join `links`.
pub fn render(html: &str, width: u16, links: &mut Links) -> Rendered {
    let width = usize::from(width).max(MIN_WIDTH);
    let laid_out = tame::tame(html).and_then(|tamed| {
        // The renderer is young and has panicked on odd tables; a message must not end the program.
        let rows = catch_unwind(AssertUnwindSafe(|| lay_out(&tamed.html, width))).ok().flatten()?;
        Some((tamed, rows))
    });
    match laid_out {
        Some((tamed, rows)) => convert(&tamed, &rows, links),
        None => stripped(html, links),
    }
}

fn lay_out(html: &str, width: usize) -> Option<Vec<TaggedLine<Vec<Mark>>>> {
    with_decorator(Decorator)
        .use_doc_css()
        .allow_width_overflow()
        .no_table_borders()
        .unicode_strikeout(false)
        .lines_from_read(html.as_bytes(), width)
        .ok()
}

/// The words without any layout.
fn stripped(html: &str, links: &mut Links) -> Rendered {
    let words = markup::strip(html, MAX_STRIPPED);
    Rendered { lines: text::lines(&words, Flow::Fixed, links), has_hidden: false, is_stripped: true }
}

/// Turns the renderer's lines into ours; runs of empty lines become one.
fn convert(source: &Tamed, rows: &[TaggedLine<Vec<Mark>>], links: &mut Links) -> Rendered {
    let mut rendered = Rendered::default();
    for row in rows {
        let converted = convert_line(source, row, links);
        let is_empty = converted.spans.is_empty();
        if is_empty && rendered.lines.last().is_none_or(|last: &Line| last.spans.is_empty()) {
            continue;
        }
        rendered.has_hidden |= converted.spans.iter().any(|span| span.style.hidden);
        rendered.lines.push(converted);
    }
    if rendered.lines.last().is_some_and(|last| last.spans.is_empty()) {
        rendered.lines.pop();
    }
    rendered
}

fn convert_line(source: &Tamed, row: &TaggedLine<Vec<Mark>>, links: &mut Links) -> Line {
    let mut out = Line::default();
    let mut runs: Vec<(String, Look)> = Vec::new();
    for run in row.tagged_strings() {
        let look = Look::of(&run.tag);
        let mut shown = String::with_capacity(run.s.len());
        for c in run.s.chars() {
            match c {
                QUOTE => out.quote = out.quote.saturating_add(1),
                HEADING => out.kind = LineKind::Heading,
                c => shown.push(c),
            }
        }
        if look.is_pre && out.kind == LineKind::Text {
            out.kind = LineKind::Pre;
        }
        match runs.last_mut() {
            Some((text, last)) if *last == look => text.push_str(&shown),
            _ => runs.push((shown, look)),
        }
    }
    // Blanks at the end are the renderer's padding.
    while let Some((text, _)) = runs.last_mut() {
        text.truncate(text.trim_end().len());
        if !text.is_empty() {
            break;
        }
        runs.pop();
    }
    for (text, look) in runs {
        let text = clean::expand_tabs(&text);
        match look.link.and_then(|number| source.links.get(number)) {
            Some((target, mismatch)) => {
                let number = links.add(target, *mismatch);
                out.spans.push(Span { text: clean::Clean::line(&text), style: look.style, link: number });
            }
            None => out.spans.extend(links.spans(&text, look.style)),
        }
    }
    out.spans.retain(|span| !span.text.is_empty());
    out
}

/// What the renderer says about a run of text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
enum Mark {
    #[default]
    Plain,
    Link(String),
    Emphasis,
    Strong,
    Struck,
    Code,
    Pre,
    Colour((u8, u8, u8)),
    Background((u8, u8, u8)),
}

/// The marks of a run, taken together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Look {
    style: SpanStyle,
    link: Option<usize>,
    is_pre: bool,
}

impl Look {
    fn of(marks: &[Mark]) -> Self {
        let mut look = Self::default();
        let (mut hidden, mut faint, mut tiny) = (false, false, false);
        for mark in marks {
            match mark {
                Mark::Plain => {}
                Mark::Link(number) => look.link = number.parse().ok(),
                Mark::Emphasis => look.style.emphasis = true,
                Mark::Strong => look.style.strong = true,
                Mark::Struck => look.style.struck = true,
                Mark::Code => look.style.code = true,
                Mark::Pre => look.is_pre = true,
                // The inner element's word counts, but what is hidden hides all that is in it.
                Mark::Colour(tame::HIDDEN) => hidden = true,
                Mark::Colour(colour) => faint = *colour == tame::FAINT,
                Mark::Background(colour) => tiny = *colour == tame::TINY,
            }
        }
        look.style.hidden = hidden || faint || tiny;
        look
    }
}

/// Tells the renderer to write no marks of its own into the text.
#[derive(Debug, Clone, Copy)]
struct Decorator;

impl TextDecorator for Decorator {
    type Annotation = Mark;

    fn decorate_link_start(&mut self, url: &str) -> (String, Mark) {
        (String::new(), Mark::Link(url.to_owned()))
    }

    fn decorate_link_end(&mut self) -> String {
        String::new()
    }

    fn decorate_em_start(&self) -> (String, Mark) {
        (String::new(), Mark::Emphasis)
    }

    fn decorate_em_end(&self) -> String {
        String::new()
    }

    fn decorate_strong_start(&self) -> (String, Mark) {
        (String::new(), Mark::Strong)
    }

    fn decorate_strong_end(&self) -> String {
        String::new()
    }

    fn decorate_strikeout_start(&self) -> (String, Mark) {
        (String::new(), Mark::Struck)
    }

    fn decorate_strikeout_end(&self) -> String {
        String::new()
    }

    fn decorate_code_start(&self) -> (String, Mark) {
        (String::new(), Mark::Code)
    }

    fn decorate_code_end(&self) -> String {
        String::new()
    }

    fn decorate_preformat_first(&self) -> Mark {
        Mark::Pre
    }

    fn decorate_preformat_cont(&self) -> Mark {
        Mark::Pre
    }

    fn decorate_image(&mut self, _src: &str, title: &str) -> (String, Mark) {
        (title.to_owned(), Mark::Plain)
    }

    fn header_prefix(&self, _level: usize) -> String {
        HEADING.to_string()
    }

    fn quote_prefix(&self) -> String {
        QUOTE.to_string()
    }

    fn unordered_item_prefix(&self) -> String {
        "* ".to_owned()
    }

    fn ordered_item_prefix(&self, number: i64) -> String {
        format!("{number}. ")
    }

    fn make_subblock_decorator(&self) -> Self {
        *self
    }

    fn push_colour(&mut self, colour: html2text::Colour) -> Option<Mark> {
        Some(Mark::Colour((colour.r, colour.g, colour.b)))
    }

    fn pop_colour(&mut self) -> bool {
        true
    }

    fn push_bgcolour(&mut self, colour: html2text::Colour) -> Option<Mark> {
        Some(Mark::Background((colour.r, colour.g, colour.b)))
    }

    fn pop_bgcolour(&mut self) -> bool {
        true
    }

    fn decorate_superscript_start(&self) -> (String, Mark) {
        (String::new(), Mark::Plain)
    }

    fn decorate_superscript_end(&self) -> String {
        String::new()
    }

    fn finalise(&mut self, _urls: Vec<String>) -> Vec<TaggedLine<Mark>> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes lines with marks: quote depth, `#` heading, `*strong*`, `_emphasis_`, `~hidden~`, `[n]`.
    fn shown(html: &str) -> Vec<String> {
        let rendered = render(html, 60, &mut Links::default());
        rendered
            .lines
            .iter()
            .map(|line| {
                let mut out = ">".repeat(line.quote.into());
                if line.kind == LineKind::Heading {
                    out.push('#');
                }
                for span in &line.spans {
                    let mark = match span.style {
                        SpanStyle { hidden: true, .. } => "~",
                        SpanStyle { strong: true, .. } => "*",
                        SpanStyle { emphasis: true, .. } => "_",
                        _ => "",
                    };
                    out = format!("{out}{mark}{}{mark}", span.text);
                    if let Some(link) = span.link {
                        out = format!("{out}[{link}]");
                    }
                }
                out
            })
            .collect()
    }

    #[test]
    fn styles_links_quotes_and_headings() {
        assert_eq!(
            shown(
                "<h1>T</h1><p>a <b>b</b> <i>c</i> <a href='https://x.org'>here</a>, https://y.org</p><blockquote>q<blockquote>r</blockquote></blockquote>"
            ),
            ["#T", "", "a *b* _c_ here[0], https://y.org[1]", "", ">q", ">", ">>r"]
        );
        assert_eq!(shown("<ul><li>a<li>b</ul><ol><li>c</ol>"), ["* a", "* b", "1. c"]);
    }

    #[test]
    fn hidden_text_is_shown_as_hidden() {
        assert_eq!(shown("<div style='display:none'>secret <b>words</b></div>seen"), ["~secret ~~words~", "seen"]);
        assert_eq!(shown("<div style='font-size:0'>gap<span style='font-size:14px'>seen</span></div>"), ["~gap~seen"]);
        assert_eq!(shown("<style>.p{display:none}</style><p class=p>pre</p><p>seen"), ["~pre~", "", "seen"]);
        assert_eq!(shown("<p><font color=white>ghost</font> seen"), ["~ghost~ seen"]);
        assert_eq!(shown("<table bgcolor='#003366'><tr><td><font color=white>bright</font></table>"), ["bright"]);
        assert!(render("<p hidden>x</p>", 60, &mut Links::default()).has_hidden);
    }

    #[test]
    fn what_cannot_be_laid_out_is_stripped() {
        let rendered = render(&format!("{}deep <p>text", "<div>".repeat(20_000)), 60, &mut Links::default());
        assert!(rendered.is_stripped);
        let words: Vec<_> = rendered.lines.iter().flat_map(|l| &l.spans).map(|s| s.text.to_string()).collect();
        assert_eq!(words, ["deep", "text"]);
        assert!(!render(&format!("{}x", "<blockquote>".repeat(50)), 60, &mut Links::default()).lines.is_empty());
    }

    #[test]
    fn control_characters_stay_out() {
        assert_eq!(shown("a&#27;]52;c;x&#7;b&#x202e;c&#0;"), ["a]52;c;xb\u{2426}c\u{fffd}"]);
    }
}
