//! HTML made harmless before a renderer sees it: known elements only, no attribute but what layout
//! needs, links by number, the author's ways of hiding text turned into marks. Measured on the way,
//! since renderers take quadratic time and more on hostile input. Linear.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::link;
use super::markup::{Token, Tokens, attributes, decode_entities};

/// The longest HTML that is rendered, in bytes.
const MAX_HTML: usize = 1024 * 1024;
/// The most elements open at once.
const MAX_OPEN: usize = 500;
/// The most tables open at once: their layout is worked out again at each level.
const MAX_TABLES: usize = 24;
/// The most quotes in quotes and lists in lists.
const MAX_INDENTED: usize = 60;
/// The most elements that stand in a table but in no cell.
const MAX_STRAYS: usize = 1000;
/// The most elements open, summed over all tags: what building and walking the tree costs.
const MAX_WORK: usize = 2_000_000;
/// The most rules that are taken from style sheets, and their longest selector.
const MAX_RULES: usize = 200;
const MAX_SELECTOR: usize = 200;
/// The most links that are told apart.
const MAX_LINKS: usize = 5000;

/// Marks in the form of colours, which a renderer hands down to the text: hidden altogether; so
/// small or faint that nobody sees it; and what takes these two back for an inner element.
pub(super) const HIDDEN: (u8, u8, u8) = (1, 2, 3);
pub(super) const FAINT: (u8, u8, u8) = (1, 2, 4);
pub(super) const COLOURED: (u8, u8, u8) = (1, 2, 5);
/// The same as background.
pub(super) const TINY: (u8, u8, u8) = (1, 2, 6);
pub(super) const SIZED: (u8, u8, u8) = (1, 2, 7);

/// HTML that may be rendered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Tamed {
    /// The HTML. `href` holds an index into `links`.
    pub(super) html: String,
    /// The targets of the links that may be followed, each with: does its text name another host?
    pub(super) links: Vec<(String, bool)>,
}

/// Makes HTML harmless; `None` where it is too big or too involved to be rendered.
pub(super) fn tame(html: &str) -> Option<Tamed> {
    if html.len() > MAX_HTML {
        return None;
    }
    let sheet = Sheet::of(html);
    let mut writer = Writer { sheet: &sheet, out: String::with_capacity(html.len()), links: Vec::new(), link: None };
    if !sheet.rules.is_empty() {
        writer.out.push_str("<style>");
        for (selector, mark) in &sheet.rules {
            let _ = write!(writer.out, "{selector}{{{mark}}}");
        }
        writer.out.push_str("</style>");
    }
    let mut load = Load::default();
    for token in Tokens::new(html) {
        match token {
            Token::Text(text) => writer.text(text),
            Token::Open { name, attributes } => {
                if let Some(name) = known(name) {
                    load.open(name)?;
                    writer.open(name, attributes);
                } else if name.eq_ignore_ascii_case("img") {
                    writer.image(attributes);
                }
            }
            Token::Close(name) => {
                if let Some(name) = known(name) {
                    load.close(name);
                    writer.close(name);
                }
            }
            Token::Style(_) => {}
        }
    }
    writer.end_link();
    Some(Tamed { html: writer.out, links: writer.links })
}

/// The elements that layout needs; all others are dropped, what is in them stays.
fn known(name: &str) -> Option<&'static str> {
    const KNOWN: [&str; 56] = [
        "a",
        "b",
        "strong",
        "i",
        "em",
        "u",
        "s",
        "strike",
        "del",
        "ins",
        "code",
        "tt",
        "kbd",
        "samp",
        "pre",
        "p",
        "div",
        "span",
        "br",
        "hr",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "ul",
        "ol",
        "li",
        "dl",
        "dt",
        "dd",
        "table",
        "thead",
        "tbody",
        "tfoot",
        "tr",
        "td",
        "th",
        "caption",
        "blockquote",
        "center",
        "font",
        "sup",
        "sub",
        "big",
        "small",
        "section",
        "article",
        "header",
        "footer",
        "main",
        "figure",
        "figcaption",
        "address",
        "cite",
    ];
    KNOWN.into_iter().find(|known| known.eq_ignore_ascii_case(name))
}

/// What a document costs a renderer. Elements are counted by name: a closing tag that closes
/// nothing must not hide that something else stays open.
#[derive(Debug, Default)]
struct Load {
    open: BTreeMap<&'static str, usize>,
    depth: usize,
    work: usize,
    /// For each open table: is a cell open in it?
    cells: Vec<bool>,
    strays: usize,
}

impl Load {
    fn count(&self, names: &[&str]) -> usize {
        names.iter().filter_map(|name| self.open.get(name)).sum()
    }

    /// How many of these can be open at once: where the next one ends the last one by itself, one
    /// in each container.
    fn limit(&self, name: &str) -> usize {
        match name {
            "br" | "hr" => 0,
            "a" => 1,
            "li" => 1 + self.count(&["ul", "ol"]),
            "dt" | "dd" => 1 + self.count(&["dl"]),
            "p" | "tr" | "td" | "th" | "thead" | "tbody" | "tfoot" | "caption" => 1 + self.count(&["table"]),
            _ => usize::MAX,
        }
    }

    fn open(&mut self, name: &'static str) -> Option<()> {
        self.work += self.depth + 1;
        self.note_cell(name);
        let limit = self.limit(name);
        let count = self.open.entry(name).or_default();
        if *count < limit {
            *count += 1;
            self.depth += 1;
        }
        let nested = match name {
            "table" => MAX_TABLES,
            "blockquote" | "ul" | "ol" | "dl" => MAX_INDENTED,
            _ => MAX_OPEN,
        };
        let is_bearable = *count <= nested && self.depth <= MAX_OPEN && self.work <= MAX_WORK;
        (is_bearable && self.strays <= MAX_STRAYS).then_some(())
    }

    fn close(&mut self, name: &'static str) {
        if name == "table" {
            self.cells.pop();
        }
        if let Some(count) = self.open.get_mut(name)
            && *count > 0
        {
            *count -= 1;
            self.depth -= 1;
        }
    }

    /// What stands in a table but in no cell is put before the table, at a cost that grows with
    /// what is there already.
    fn note_cell(&mut self, name: &str) {
        match (name, self.cells.last_mut()) {
            ("td" | "th" | "caption", Some(in_cell)) => *in_cell = true,
            ("tr" | "thead" | "tbody" | "tfoot", Some(in_cell)) => *in_cell = false,
            (_, Some(false)) => self.strays += 1,
            _ => {}
        }
        if name == "table" {
            self.cells.push(false);
        }
    }
}

/// The rules of the style sheets that hide something, and the names they look for.
#[derive(Debug, Default)]
struct Sheet {
    rules: Vec<(String, String)>,
    /// Has any element a background that white text can be read on?
    is_dark: bool,
}

impl Sheet {
    fn of(html: &str) -> Self {
        let mut sheet = Self::default();
        for token in Tokens::new(html) {
            match token {
                Token::Style(css) => sheet.take(css),
                Token::Open { attributes: text, .. } if !sheet.is_dark => {
                    sheet.is_dark = attributes(text).any(|(name, value)| {
                        let is = |word: &str| name.eq_ignore_ascii_case(word);
                        (is("bgcolor") && !is_white(value))
                            || is("background")
                            || (is("style") && has_dark_background(&squeezed(value)))
                    });
                }
                Token::Open { .. } | Token::Text(_) | Token::Close(_) => {}
            }
        }
        sheet
    }

    /// Takes the plain rules of a style sheet. At-rules, which hold for some screens only, are
    /// passed over with all that is in them.
    fn take(&mut self, css: &str) {
        let mut rest = css;
        while let Some((selectors, behind)) = rest.split_once('{') {
            let selectors = selectors.rsplit(['}', ';']).next().unwrap_or(selectors);
            let selectors = selectors.rsplit_once("*/").map_or(selectors, |(_, behind)| behind).trim();
            let selectors = selectors.trim_start_matches("<!--").trim();
            if selectors.starts_with('@') {
                rest = behind.get(block_end(behind)..).unwrap_or_default();
                continue;
            }
            let (declarations, behind) = behind.split_once('}').unwrap_or((behind, ""));
            rest = behind;
            let declarations = squeezed(declarations);
            self.is_dark |= has_dark_background(&declarations);
            let Some(mark) = Look::of(&declarations).mark(false) else { continue };
            for selector in selectors.split(',').map(str::trim) {
                if self.rules.len() < MAX_RULES && is_plain(selector) {
                    self.rules.push((selector.to_owned(), mark.clone()));
                }
            }
        }
    }
}

/// The position behind the `}` that ends the block whose inside `css` begins with.
fn block_end(css: &str) -> usize {
    let mut depth = 1usize;
    for (at, byte) in css.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    css.len()
}

/// Selectors of names, classes and ids only: nothing in them can trouble a parser.
fn is_plain(selector: &str) -> bool {
    !selector.is_empty()
        && selector.len() <= MAX_SELECTOR
        && selector.split_whitespace().count() <= 4
        && selector.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'#' | b'-' | b'_' | b' '))
        && selector
            .split_whitespace()
            .all(|part| part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '.' || c == '#'))
        && !selector.contains("..")
        && !selector.ends_with(['.', '#'])
}

/// What the declarations of one element say about whether it can be seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Look {
    hidden: bool,
    faint: Option<bool>,
    tiny: Option<bool>,
}

impl Look {
    /// Reads declarations that are in lower case and without blanks.
    fn of(declarations: &str) -> Self {
        let mut look = Self::default();
        let mut colour = None;
        let mut background = None;
        for declaration in declarations.split(';') {
            let Some((name, value)) = declaration.split_once(':') else { continue };
            let value = value.strip_suffix("!important").unwrap_or(value);
            match name {
                "display" if value == "none" => look.hidden = true,
                "visibility" if value == "hidden" || value == "collapse" => look.hidden = true,
                "mso-hide" if value == "all" => look.hidden = true,
                "opacity" if number(value).is_some_and(|n| n < 0.1) => look.hidden = true,
                "max-height" if number(value).is_some_and(|n| n < 1.0) => look.hidden = true,
                "text-indent" if number(value).is_some_and(|n| n < -500.0) => look.hidden = true,
                "left" | "top" | "margin-left" if number(value).is_some_and(|n| n < -900.0) => look.hidden = true,
                "font-size" => {
                    let unit = value.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | '+'));
                    let limit = if matches!(unit, "px" | "pt" | "") { 2.5 } else { 0.15 };
                    look.tiny = number(value).map(|n| n < limit);
                }
                "color" => colour = Some(value),
                "background" | "background-color" => background = Some(value),
                _ => {}
            }
        }
        if let Some(colour) = colour {
            let same = background.is_some_and(|b| plain_colour(b) == plain_colour(colour));
            look.hidden |= same || colour == "transparent";
            look.faint = Some(is_white(colour) && background.is_none_or(is_white));
        }
        look
    }

    /// The declarations that stand for it. White counts as faint only on a light page.
    fn mark(self, is_dark: bool) -> Option<String> {
        let rgb = |(r, g, b): (u8, u8, u8)| format!("#{r:02x}{g:02x}{b:02x}");
        let colour = match (self.hidden, self.faint) {
            (true, _) => Some(HIDDEN),
            (false, Some(true)) if !is_dark => Some(FAINT),
            (false, Some(false)) => Some(COLOURED),
            (false, _) => None,
        };
        let background = self.tiny.map(|tiny| if tiny { TINY } else { SIZED });
        let mut mark = String::new();
        if let Some(colour) = colour {
            let _ = write!(mark, "color:{};", rgb(colour));
        }
        if let Some(background) = background {
            let _ = write!(mark, "background-color:{};", rgb(background));
        }
        (!mark.is_empty()).then_some(mark)
    }
}

/// Lower case, no blanks, entities decoded: how declarations are compared.
fn squeezed(css: &str) -> String {
    decode_entities(css).chars().filter(|c| !c.is_whitespace()).map(|c| c.to_ascii_lowercase()).collect()
}

fn number(value: &str) -> Option<f32> {
    let end = value.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '-' | '+'))).unwrap_or(value.len());
    value.get(..end)?.parse().ok()
}

fn plain_colour(value: &str) -> &str {
    match value {
        "white" | "#fff" | "#ffffff" | "rgb(255,255,255)" => "white",
        "black" | "#000" | "#000000" | "rgb(0,0,0)" => "black",
        other => other,
    }
}

/// White, or so near that nobody reads it on white.
fn is_white(colour: &str) -> bool {
    let colour = colour.trim();
    let hex = colour.strip_prefix('#').unwrap_or(colour);
    plain_colour(&colour.to_ascii_lowercase()) == "white"
        || (hex.len() == 6 && hex.bytes().step_by(2).all(|b| matches!(b, b'f' | b'F')))
}

fn has_dark_background(declarations: &str) -> bool {
    declarations.split(';').any(|declaration| match declaration.split_once(':') {
        Some(("background" | "background-color", value)) => {
            !matches!(value, "none" | "transparent" | "inherit" | "initial") && !is_white(value)
        }
        Some(("background-image", value)) => value != "none",
        _ => false,
    })
}

/// Writes the harmless HTML.
struct Writer<'a> {
    sheet: &'a Sheet,
    out: String,
    links: Vec<(String, bool)>,
    /// The link that is open, with its text so far.
    link: Option<(usize, String)>,
}

impl Writer<'_> {
    fn text(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '<' => self.out.push_str("&lt;"),
                '\0' => {}
                c => self.out.push(c),
            }
        }
        if let Some((_, shown)) = &mut self.link
            && shown.len() < 1000
        {
            shown.push_str(&decode_entities(text));
        }
    }

    fn open(&mut self, name: &'static str, text: &str) {
        let mut look = Look::default();
        let mut kept = String::new();
        for (attribute, value) in attributes(text) {
            let is = |word: &str| attribute.eq_ignore_ascii_case(word);
            if is("style") {
                look = Look::of(&squeezed(value));
            } else if is("hidden") {
                look.hidden = true;
            } else if is("color") && name == "font" {
                look.faint = Some(is_white(value));
            } else if is("href") && name == "a" {
                self.begin_link(value, &mut kept);
            } else if is("colspan") {
                let columns = value.trim().parse::<u8>().unwrap_or(1).clamp(1, 20);
                let _ = write!(kept, " colspan=\"{columns}\"");
            } else if (is("class") || is("id")) && !self.sheet.rules.is_empty() && is_plain_name(value) {
                let attribute = if is("id") { "id" } else { "class" };
                let _ = write!(kept, " {attribute}=\"{value}\"");
            }
        }
        let mark = look.mark(self.sheet.is_dark).map(|mark| format!(" style=\"{mark}\"")).unwrap_or_default();
        let _ = write!(self.out, "<{name}{kept}{mark}>");
    }

    fn close(&mut self, name: &'static str) {
        if name == "a" {
            self.end_link();
        }
        let _ = write!(self.out, "</{name}>");
    }

    /// A picture is the words that stand for it.
    fn image(&mut self, text: &str) {
        if let Some((_, alt)) = attributes(text).find(|(name, _)| name.eq_ignore_ascii_case("alt")) {
            let alt = decode_entities(alt);
            let alt = alt.trim();
            if !alt.is_empty() && alt.len() <= 500 {
                self.text(" [");
                self.text(&alt.replace('&', "&amp;"));
                self.text("] ");
            }
        }
    }

    fn begin_link(&mut self, target: &str, kept: &mut String) {
        self.end_link();
        if self.links.len() < MAX_LINKS
            && let Some(target) = link::permitted(&decode_entities(target))
        {
            let number = self.links.len();
            self.links.push((target, false));
            self.link = Some((number, String::new()));
            let _ = write!(kept, " href=\"{number}\"");
        }
    }

    fn end_link(&mut self) {
        if let Some((number, shown)) = self.link.take()
            && let Some((target, mismatch)) = self.links.get_mut(number)
        {
            *mismatch = link::deceives(&shown, target);
        }
    }
}

fn is_plain_name(value: &str) -> bool {
    value.len() <= MAX_SELECTOR && value.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_layout_needs_stays() {
        let tamed = tame(
            "<html><head><title>t</title><script>x</script></head><body onload=x><p class=a onclick='y'>1 < 2 \
             <a href='javascript:x'>j</a> <A HREF=\"https://x.org/?a=1&amp;b=2\" style='color:red'>paypal.com</A>\
             <img src=https://t/x.gif alt='Logo'><iframe src=x>f</iframe><td colspan=99999>c",
        )
        .unwrap();
        assert_eq!(
            tamed.html,
            "<p>1 &lt; 2 <a>j</a> <a href=\"0\" style=\"color:#010205;\">paypal.com</a> [Logo] f<td colspan=\"1\">c"
        );
        assert_eq!(tamed.links, [("https://x.org/?a=1&b=2".to_owned(), true)]);
    }

    #[test]
    fn ways_of_hiding_are_marked() {
        let hidden = [
            "display: none",
            "DISPLAY:NONE !important",
            "visibility:hidden",
            "opacity:0",
            "max-height:0px;overflow:hidden",
            "color:#FFF;background:white",
            "mso-hide:all",
            "text-indent:-9999px",
        ];
        for style in hidden {
            assert!(Look::of(&squeezed(style)).hidden, "{style}");
        }
        assert_eq!(Look::of("font-size:1px").tiny, Some(true));
        assert_eq!(Look::of("font-size:0.9em").tiny, Some(false));
        assert_eq!(Look::of("color:#fefefe").faint, Some(true));
        assert_eq!(Look::of("color:#fff;background-color:#003366"), Look { faint: Some(false), ..Look::default() });
        let sheet = tame(
            "<style>/* x */ .pre, a:hover {display:none} @media print{.b{display:none}} i{color:red}</style><p class=pre>x",
        );
        assert_eq!(sheet.unwrap().html, "<style>.pre{color:#010203;}i{color:#010205;}</style><p class=\"pre\">x");
    }

    #[test]
    fn what_costs_too_much_is_refused() {
        assert!(tame(&"<div>".repeat(MAX_OPEN + 1)).is_none());
        assert!(tame(&"<div></x>".repeat(MAX_OPEN + 1)).is_none());
        assert!(tame(&"<div></div>".repeat(50_000)).is_some());
        assert!(tame(&"<p>".repeat(10_000)).is_some());
        assert!(tame(&format!("<table>{}", "<tr><td>a<td>b".repeat(20_000))).is_some());
        assert!(tame(&"<ul><li>a<li>b</ul>".repeat(20_000)).is_some());
        assert!(tame(&"<blockquote>".repeat(MAX_INDENTED + 1)).is_none());
        assert!(tame(&format!("<table>{}", "<div>x</div>".repeat(MAX_STRAYS + 1))).is_none());
        assert!(tame(&"<table><tr><td>".repeat(MAX_TABLES + 1)).is_none());
        assert!(tame(&format!("{}{}", "<b>".repeat(400), "<p>x".repeat(10_000))).is_none());
        assert!(tame(&"x".repeat(MAX_HTML + 1)).is_none());
    }
}
