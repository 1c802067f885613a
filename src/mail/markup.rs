//! HTML as a stream of tags and text, in one linear pass without a tree: enough to strip it for
//! the index, to measure it and to find what it hides before a renderer sees it.

use std::borrow::Cow;

/// One piece of HTML.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// Text between tags, with its entities.
    Text(&'a str),
    /// `<name attributes>`; the name as written.
    Open {
        /// The element.
        name: &'a str,
        /// All that stands between name and `>`.
        attributes: &'a str,
    },
    /// `</name>`.
    Close(&'a str),
    /// What stands between `<style>` and `</style>`.
    Style(&'a str),
}

/// Splits HTML. Comments, declarations, processing instructions and scripts are left out.
#[derive(Debug, Clone)]
pub(super) struct Tokens<'a> {
    rest: &'a str,
    /// The element whose content is no markup, after its opening tag was given out.
    raw: Option<Raw>,
    /// Was a closing tag of this sort looked for to the end in vain? Then none comes.
    unclosed: [bool; 3],
    no_comment_end: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Raw {
    Style,
    Script,
    Title,
}

impl Raw {
    fn of(name: &str) -> Option<Self> {
        let is = |word: &str| name.eq_ignore_ascii_case(word);
        if is("style") {
            Some(Self::Style)
        } else if is("script") {
            Some(Self::Script)
        } else if is("title") {
            Some(Self::Title)
        } else {
            None
        }
    }

    fn closing(self) -> &'static str {
        match self {
            Self::Style => "</style",
            Self::Script => "</script",
            Self::Title => "</title",
        }
    }

    fn slot(self) -> usize {
        match self {
            Self::Style => 0,
            Self::Script => 1,
            Self::Title => 2,
        }
    }
}

impl<'a> Tokens<'a> {
    pub(super) fn new(html: &'a str) -> Self {
        Self { rest: html, raw: None, unclosed: [false; 3], no_comment_end: false }
    }

    /// The content of the raw element that has just been opened.
    fn raw_content(&mut self, raw: Raw) -> Option<&'a str> {
        let slot = self.unclosed.get_mut(raw.slot())?;
        if *slot {
            return None;
        }
        if let Some(end) = find_ignore_case(self.rest, raw.closing()) {
            let (content, rest) = self.rest.split_at_checked(end)?;
            self.rest = rest;
            Some(content)
        } else {
            *slot = true;
            None
        }
    }

    /// Skips `<!…>` and `<?…>`; `rest` begins behind the `<`.
    fn skip_declaration(&mut self, inner: &'a str) {
        if let Some(comment) = inner.strip_prefix("!--")
            && !self.no_comment_end
        {
            if let Some(end) = comment.find("-->") {
                self.rest = comment.get(end + 3..).unwrap_or_default();
                return;
            }
            self.no_comment_end = true;
        }
        let end = inner.find('>').map_or(inner.len(), |end| end + 1);
        self.rest = inner.get(end..).unwrap_or_default();
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            if let Some(raw) = self.raw.take()
                && let Some(content) = self.raw_content(raw)
                && raw == Raw::Style
            {
                return Some(Token::Style(content));
            }
            if self.rest.is_empty() {
                return None;
            }
            let Some(inner) = self.rest.strip_prefix('<') else {
                let end = self.rest.find('<').unwrap_or(self.rest.len());
                let (text, rest) = self.rest.split_at_checked(end)?;
                self.rest = rest;
                return Some(Token::Text(text));
            };
            match inner.bytes().next() {
                Some(b'!' | b'?') => self.skip_declaration(inner),
                Some(b'/') => {
                    let end = inner.find('>').unwrap_or(inner.len());
                    let name = inner.get(1..end).unwrap_or_default();
                    self.rest = inner.get(end + 1..).unwrap_or_default();
                    let name = name.split(|c: char| c.is_whitespace() || c == '/').next().unwrap_or(name);
                    return Some(Token::Close(name));
                }
                Some(byte) if byte.is_ascii_alphabetic() => {
                    let end = tag_end(inner);
                    let tag = inner.get(..end).unwrap_or_default();
                    self.rest = inner.get(end + 1..).unwrap_or_default();
                    let cut = tag.find(|c: char| c.is_whitespace() || c == '/').unwrap_or(tag.len());
                    let (name, attributes) = tag.split_at_checked(cut)?;
                    self.raw = Raw::of(name);
                    return Some(Token::Open { name, attributes });
                }
                // A `<` that opens nothing is text.
                _ => {
                    let end = inner.find('<').unwrap_or(inner.len()) + 1;
                    let (text, rest) = self.rest.split_at_checked(end)?;
                    self.rest = rest;
                    return Some(Token::Text(text));
                }
            }
        }
    }
}

/// The position of the `>` that ends a tag. Quotes hide it, where they are closed soon enough.
fn tag_end(tag: &str) -> usize {
    const MAX_TAG: usize = 64 * 1024;
    let mut quote: Option<u8> = None;
    let mut before = 0u8;
    let mut first = None;
    for (at, byte) in tag.bytes().enumerate().take(MAX_TAG) {
        if byte == b'>' {
            if quote.is_none() {
                return at;
            }
            first = first.or(Some(at));
        }
        match quote {
            Some(open) if open == byte => quote = None,
            // Only a quote behind `=` begins a value.
            None if matches!(byte, b'"' | b'\'') && before == b'=' => quote = Some(byte),
            Some(_) | None => {}
        }
        if !byte.is_ascii_whitespace() {
            before = byte;
        }
    }
    first.or_else(|| tag.find('>')).unwrap_or(tag.len())
}

fn find_ignore_case(text: &str, word: &str) -> Option<usize> {
    let (bytes, word) = (text.as_bytes(), word.as_bytes());
    bytes.windows(word.len()).position(|window| window.eq_ignore_ascii_case(word))
}

/// The attributes of a tag: names as written, values without quotes, entities not decoded.
pub(super) fn attributes(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '/' | '"' | '\'' | '='));
        if rest.is_empty() {
            return None;
        }
        let end = rest.find(|c: char| c.is_whitespace() || c == '=').unwrap_or(rest.len());
        let (name, behind) = rest.split_at_checked(end)?;
        let Some(value) = behind.trim_start().strip_prefix('=') else {
            rest = behind;
            return Some((name, ""));
        };
        let value = value.trim_start();
        let (value, behind) = match value.chars().next() {
            Some(quote @ ('"' | '\'')) => {
                let inner = value.get(1..).unwrap_or_default();
                inner.split_once(quote).unwrap_or((inner, ""))
            }
            _ => value.split_at_checked(value.find(char::is_whitespace).unwrap_or(value.len()))?,
        };
        rest = behind;
        Some((name, value))
    })
}

/// Does this element begin a new line?
pub(super) fn is_block(name: &str) -> bool {
    const BLOCKS: [&str; 29] = [
        "p",
        "div",
        "br",
        "tr",
        "table",
        "li",
        "ul",
        "ol",
        "dl",
        "dt",
        "dd",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "pre",
        "blockquote",
        "center",
        "section",
        "article",
        "header",
        "footer",
        "form",
        "body",
        "address",
        "title",
    ];
    BLOCKS.iter().any(|block| block.eq_ignore_ascii_case(name))
}

/// Takes the tags out of HTML and decodes its entities, until `limit` bytes of text are there:
/// one blank for any number of them, one line a block.
pub(super) fn strip(html: &str, limit: usize) -> String {
    let mut out = String::with_capacity(limit.min(html.len() / 2));
    for token in Tokens::new(html) {
        if out.len() >= limit {
            break;
        }
        match token {
            Token::Text(text) => push_text(&decode_entities(text), &mut out),
            Token::Open { name, .. } | Token::Close(name) if is_block(name) => {
                let kept = out.trim_end_matches(' ').len();
                out.truncate(kept);
                if !out.is_empty() && !out.ends_with('\n') {
                    out.push('\n');
                }
            }
            Token::Close(name) if name.eq_ignore_ascii_case("td") => push_text(" ", &mut out),
            Token::Open { .. } | Token::Close(_) | Token::Style(_) => {}
        }
    }
    let kept = out.trim_end().len();
    out.truncate(kept);
    out
}

fn push_text(text: &str, out: &mut String) {
    for c in text.chars() {
        if c.is_whitespace() {
            if !out.is_empty() && !out.ends_with([' ', '\n']) {
                out.push(' ');
            }
        } else {
            out.push(c);
        }
    }
}

/// Decodes the entities of HTML that mails use: numbers, Latin-1 by name, punctuation.
pub(super) fn decode_entities(text: &str) -> Cow<'_, str> {
    if !text.contains('&') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('&') {
        out.push_str(before);
        let length = behind.bytes().take(32).take_while(|b| b.is_ascii_alphanumeric() || *b == b'#').count();
        let (word, after) = behind.split_at_checked(length).unwrap_or((behind, ""));
        if let Some(c) = entity(word) {
            out.push(c);
            rest = after.strip_prefix(';').unwrap_or(after);
        } else {
            out.push('&');
            rest = behind;
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

fn entity(word: &str) -> Option<char> {
    if let Some(number) = word.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None => number.parse::<u32>().ok()?,
        };
        // 0x80 to 0x9f are meant as Windows-1252, as every browser takes them.
        if let Ok(byte @ 0x80..=0x9f) = u8::try_from(code) {
            return encoding_rs::WINDOWS_1252.decode_without_bom_handling(&[byte]).0.chars().next();
        }
        return Some(char::from_u32(code).filter(|c| *c != '\0').unwrap_or('\u{fffd}'));
    }
    if let Some(at) = LATIN_1.iter().position(|name| *name == word) {
        return char::from_u32(0xa0 + u32::try_from(at).ok()?);
    }
    NAMED.iter().find(|(name, _)| *name == word).map(|(_, c)| *c)
}

const NAMED: [(&str, char); 30] = [
    ("amp", '&'),
    ("lt", '<'),
    ("gt", '>'),
    ("quot", '"'),
    ("apos", '\''),
    ("AMP", '&'),
    ("LT", '<'),
    ("GT", '>'),
    ("ndash", '–'),
    ("mdash", '—'),
    ("lsquo", '‘'),
    ("rsquo", '’'),
    ("sbquo", '‚'),
    ("ldquo", '“'),
    ("rdquo", '”'),
    ("bdquo", '„'),
    ("lsaquo", '‹'),
    ("rsaquo", '›'),
    ("bull", '•'),
    ("hellip", '…'),
    ("euro", '€'),
    ("trade", '™'),
    ("zwnj", '\u{200c}'),
    ("zwj", '\u{200d}'),
    ("ensp", '\u{2002}'),
    ("emsp", '\u{2003}'),
    ("thinsp", '\u{2009}'),
    ("OElig", 'Œ'),
    ("oelig", 'œ'),
    ("rarr", '→'),
];

/// The names of U+00A0 to U+00FF, in order.
const LATIN_1: [&str; 96] = [
    "nbsp", "iexcl", "cent", "pound", "curren", "yen", "brvbar", "sect", "uml", "copy", "ordf", "laquo", "not", "shy",
    "reg", "macr", "deg", "plusmn", "sup2", "sup3", "acute", "micro", "para", "middot", "cedil", "sup1", "ordm",
    "raquo", "frac14", "frac12", "frac34", "iquest", "Agrave", "Aacute", "Acirc", "Atilde", "Auml", "Aring", "AElig",
    "Ccedil", "Egrave", "Eacute", "Ecirc", "Euml", "Igrave", "Iacute", "Icirc", "Iuml", "ETH", "Ntilde", "Ograve",
    "Oacute", "Ocirc", "Otilde", "Ouml", "times", "Oslash", "Ugrave", "Uacute", "Ucirc", "Uuml", "Yacute", "THORN",
    "szlig", "agrave", "aacute", "acirc", "atilde", "auml", "aring", "aelig", "ccedil", "egrave", "eacute", "ecirc",
    "euml", "igrave", "iacute", "icirc", "iuml", "eth", "ntilde", "ograve", "oacute", "ocirc", "otilde", "ouml",
    "divide", "oslash", "ugrave", "uacute", "ucirc", "uuml", "yacute", "thorn", "yuml",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_becomes_text() {
        let table = [
            ("<p>a</p><p>b", "a\nb"),
            ("a<br>b <b>c</b>d", "a\nb cd"),
            ("<style>p{x:y}</style><script>alert('<p>')</script>t", "t"),
            ("<!-- c --><!doctype html>x<!-- never closed", "x"),
            ("a &lt; b &amp;&amp; c&nbsp;&#233;&#xe9;&#146;&bogus; &", "a < b && c éé’&bogus; &"),
            ("1 < 2 <3", "1 < 2 <3"),
            ("<a title='x > y' href=\"z\">link</a>", "link"),
            ("<td>a</td><td>b</td>", "a b"),
            ("<a href=\"unclosed>text</a>", "text"),
            ("<p", ""),
            ("gr&uuml;&szlig;e", "grüße"),
        ];
        for (html, text) in table {
            assert_eq!(strip(html, 1000), text, "{html}");
        }
    }

    #[test]
    fn attributes_are_found_however_they_are_written() {
        let found: Vec<_> = attributes(" a=1 B = \"two words\" c='3' hidden d=\"open").collect();
        assert_eq!(found, [("a", "1"), ("B", "two words"), ("c", "3"), ("hidden", ""), ("d", "open")]);
    }
}
