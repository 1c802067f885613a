//! A message and its parts (RFC 2045, 2046). Made from any bytes in one pass over their lines:
//! what is broken becomes a defect, never an error. Nothing is decoded before it is asked for.

use std::borrow::Cow;

use super::charset;
use super::envelope::Envelope;
use super::header::{self, Header, Parameters};
use super::transfer::Encoding;

/// How deep parts may lie in each other; what lies deeper is one part with all its text.
pub const MAX_DEPTH: usize = 50;
/// How many parts a message may have; what follows belongs to none.
pub const MAX_PARTS: usize = 5000;

/// Something that is wrong with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Defect {
    /// There is no header field at all: everything is taken for text.
    NoHeader,
    /// A header ends with a line that is no field.
    BrokenHeader,
    /// A header or a field of it is longer than what is looked at.
    LongHeader,
    /// A multipart that names no boundary: shown as text.
    NoBoundary,
    /// A multipart whose boundary never comes: shown as text.
    MissingBoundary,
    /// A multipart without an end: it may have been cut off.
    Unclosed,
    /// Parts lie deeper in each other than is looked at.
    TooDeep,
    /// There are more parts than are looked at.
    TooManyParts,
}

impl Defect {
    /// What to tell the reader.
    pub fn words(self) -> &'static str {
        match self {
            Self::NoHeader => "This message has no header; all of it is shown as text.",
            Self::BrokenHeader => "A header of this message is broken; what follows the break is shown as text.",
            Self::LongHeader => "The header of this message is too long; the rest of it is left out.",
            Self::NoBoundary => "A part says it has several parts but not where they begin; it is shown as text.",
            Self::MissingBoundary => "A part says it has several parts but none begins; it is shown as text.",
            Self::Unclosed => "The end of this message is missing; it may have been cut off.",
            Self::TooDeep => "The parts of this message lie too deep in each other; the inmost are shown as text.",
            Self::TooManyParts => "This message has too many parts; the last ones are left out.",
        }
    }
}

/// What a part says about where it wants to be shown (RFC 2183).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Disposition {
    /// Nothing.
    #[default]
    Unstated,
    /// In the text.
    Inline,
    /// Apart; any unknown word means this too.
    Attachment,
}

/// A part of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part<'a> {
    header: Header<'a>,
    media: Parameters,
    disposition: Disposition,
    file_name: Option<String>,
    encoding: Encoding,
    parent: Option<usize>,
    children: Vec<usize>,
    /// Where header and body begin in the message.
    begins: usize,
    body_begins: usize,
    raw: &'a [u8],
    body: &'a [u8],
}

impl<'a> Part<'a> {
    /// Reads the header of the part that begins `bytes`.
    fn new(bytes: &'a [u8], begins: usize, parent: Option<usize>, default_media: &str) -> Self {
        let header = Header::split(bytes);
        let mut media = header.first("Content-Type").map(|f| Parameters::parse(&f.unfolded())).unwrap_or_default();
        if media.value.is_empty() {
            default_media.clone_into(&mut media.value);
        } else if !media.value.contains('/') {
            // RFC 2045 §5.2: what cannot be read is plain text.
            "text/plain".clone_into(&mut media.value);
        }
        let stated = header.first("Content-Disposition").map(|f| Parameters::parse(&f.unfolded()));
        let disposition = match stated.as_ref().map(|stated| stated.value.as_str()) {
            None | Some("") => Disposition::Unstated,
            Some("inline") => Disposition::Inline,
            Some(_) => Disposition::Attachment,
        };
        let file_name = stated.as_ref().and_then(|stated| stated.get("filename")).or_else(|| media.get("name"));
        let file_name = file_name.map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned);
        let encoding =
            header.first("Content-Transfer-Encoding").map(|f| Encoding::of(&f.unfolded())).unwrap_or_default();
        let body_begins = begins + header.body_at();
        let children = Vec::new();
        Self {
            header,
            media,
            disposition,
            file_name,
            encoding,
            parent,
            children,
            begins,
            body_begins,
            raw: &[],
            body: &[],
        }
    }

    /// Its header.
    pub fn header(&self) -> &Header<'a> {
        &self.header
    }

    /// Its media type in lower case, e.g. `text/plain`.
    pub fn media_type(&self) -> &str {
        &self.media.value
    }

    /// A parameter of its Content-Type.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.media.get(name)
    }

    /// What it says about where it wants to be shown.
    pub fn disposition(&self) -> Disposition {
        self.disposition
    }

    /// The file name it gives, decoded: text from outside, with whatever path is in it.
    pub fn file_name(&self) -> Option<&str> {
        self.file_name.as_deref()
    }

    /// Its Content-ID without brackets.
    pub fn content_id(&self) -> Option<String> {
        let value = self.header.first("Content-Id")?.unfolded();
        let id = value.trim().trim_start_matches('<').trim_end_matches('>');
        (!id.is_empty()).then(|| id.to_owned())
    }

    /// How its body is encoded.
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// The part it lies in.
    pub fn parent(&self) -> Option<usize> {
        self.parent
    }

    /// The parts in it, in order.
    pub fn children(&self) -> &[usize] {
        &self.children
    }

    /// Header and body as they lie in the message: what a signature covers.
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// The body as it lies in the message, encoded.
    pub fn body(&self) -> &'a [u8] {
        self.body
    }

    /// The body, decoded.
    pub fn decoded(&self) -> Cow<'a, [u8]> {
        if self.is_multipart() { Cow::Borrowed(self.body) } else { self.encoding.decode(self.body) }
    }

    /// About how big it is when decoded.
    pub fn size(&self) -> u64 {
        self.encoding.decoded_size(self.body.len())
    }

    /// The body as text, of which at most `limit` encoded bytes are looked at.
    pub fn text(&self, limit: usize) -> String {
        let body = self.body.get(..limit).unwrap_or(self.body);
        let bytes = self.encoding.decode(body);
        charset::decode(&bytes, self.parameter("charset")).into_owned()
    }

    /// Is it a container of parts?
    pub fn is_multipart(&self) -> bool {
        self.media.value.starts_with("multipart/")
    }

    /// Is it a message in a message?
    pub fn is_message(&self) -> bool {
        matches!(self.media.value.as_str(), "message/rfc822" | "message/global" | "message/news")
    }

    /// Is it text that can be read as it is?
    pub fn is_text(&self) -> bool {
        self.media.value.starts_with("text/")
    }

    /// Is it a text that a reader takes for the message itself: without a name, not set apart?
    pub fn is_body_text(&self) -> bool {
        let readable = matches!(
            self.media.value.as_str(),
            "text/plain" | "text/html" | "text/enriched" | "text/richtext" | "text/markdown"
        );
        readable && self.file_name.is_none() && self.disposition != Disposition::Attachment
    }

    /// Can it be opened or saved on its own?
    pub fn is_listed(&self) -> bool {
        !self.is_multipart() && !self.is_body_text()
    }

    /// Would a reader call it an attachment? Signatures and pictures of a HTML text are none.
    fn is_attachment(&self) -> bool {
        let machinery = matches!(
            self.media.value.as_str(),
            "application/pgp-signature"
                | "application/pkcs7-signature"
                | "application/x-pkcs7-signature"
                | "application/pgp-encrypted"
                | "message/delivery-status"
                | "message/disposition-notification"
                | "text/rfc822-headers"
        );
        let embedded = self.disposition != Disposition::Attachment
            && self.media.value.starts_with("image/")
            && self.header.first("Content-Id").is_some();
        self.is_listed() && !machinery && !embedded
    }
}

/// A message. Its parts are kept in the order in which they begin; the first is the message itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message<'a> {
    bytes: &'a [u8],
    parts: Vec<Part<'a>>,
    defects: Vec<Defect>,
}

impl<'a> Message<'a> {
    /// Reads any bytes. Never fails.
    pub fn parse(bytes: &'a [u8]) -> Self {
        Scan { bytes, parts: Vec::new(), defects: Vec::new(), open: Vec::new(), running: Vec::new() }.run()
    }

    /// All the bytes.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The header of the message.
    pub fn header(&self) -> &Header<'a> {
        static EMPTY: Header<'static> = Header::EMPTY;
        self.parts.first().map_or(&EMPTY, |part| &part.header)
    }

    /// All parts; the first is the message itself. Never empty.
    pub fn parts(&self) -> &[Part<'a>] {
        &self.parts
    }

    /// One part.
    pub fn part(&self, at: usize) -> Option<&Part<'a>> {
        self.parts.get(at)
    }

    /// What is wrong with it, each once.
    pub fn defects(&self) -> &[Defect] {
        &self.defects
    }

    /// The parts that can be opened or saved, in the order of their numbers.
    pub fn listed(&self) -> impl Iterator<Item = (usize, &Part<'a>)> {
        self.parts.iter().enumerate().filter(|(_, part)| part.is_listed())
    }

    /// Its summary.
    pub fn envelope(&self) -> Envelope {
        let mut envelope = Envelope::of(self.header());
        envelope.has_attachment = self.parts.iter().any(Part::is_attachment);
        envelope
    }
}

/// A multipart whose parts are being read.
struct Open {
    part: usize,
    /// The boundary with its two dashes.
    delimiter: Vec<u8>,
    /// Did it come at least once?
    seen: bool,
}

/// What a line that begins with two dashes is.
enum Delimiter {
    Next,
    Last,
}

struct Scan<'a> {
    bytes: &'a [u8],
    parts: Vec<Part<'a>>,
    defects: Vec<Defect>,
    open: Vec<Open>,
    /// The parts that have begun and not ended, each in the one before it.
    running: Vec<usize>,
}

impl<'a> Scan<'a> {
    fn run(mut self) -> Message<'a> {
        let mut at = self.begin(0, "text/plain");
        while !self.open.is_empty() && at < self.bytes.len() {
            let end = header::line_end(self.bytes, at);
            let line = self.bytes.get(at..end).unwrap_or_default();
            if line.starts_with(b"--")
                && let Some((level, delimiter)) = self.delimiter(line.trim_ascii_end())
            {
                self.end_below(level, at);
                match delimiter {
                    Delimiter::Last => self.open.truncate(level),
                    Delimiter::Next if self.parts.len() >= MAX_PARTS => {
                        self.defect(Defect::TooManyParts);
                        break;
                    }
                    Delimiter::Next => {
                        at = self.begin(end, self.default_media());
                        continue;
                    }
                }
            }
            at = end;
        }
        if !self.open.is_empty() && !self.defects.contains(&Defect::TooManyParts) {
            self.close_open(0);
        }
        while let Some(part) = self.running.pop() {
            self.end(part, self.bytes.len());
        }
        self.defects.sort_unstable();
        Message { bytes: self.bytes, parts: self.parts, defects: self.defects }
    }

    /// Begins a part at `at`, and the message in it if it is one; gives the place where the first
    /// body begins.
    fn begin(&mut self, at: usize, default_media: &str) -> usize {
        let mut part =
            Part::new(self.bytes.get(at..).unwrap_or_default(), at, self.running.last().copied(), default_media);
        loop {
            let number = self.parts.len();
            let body = part.body_begins;
            self.note_header(&part, number);
            let too_deep = self.running.len() + 1 >= MAX_DEPTH;
            let encloses = part.is_message() && part.encoding == Encoding::Identity;
            if too_deep && (encloses || part.is_multipart()) {
                self.defect(Defect::TooDeep);
                "text/plain".clone_into(&mut part.media.value);
            } else if part.is_multipart() {
                let boundary = part.parameter("boundary").map(str::trim_end).filter(|boundary| !boundary.is_empty());
                if let Some(boundary) = boundary {
                    let delimiter = [b"--", boundary.as_bytes()].concat();
                    self.open.push(Open { part: number, delimiter, seen: false });
                } else {
                    self.defect(Defect::NoBoundary);
                    "text/plain".clone_into(&mut part.media.value);
                }
            }
            if let Some(parent) = part.parent.and_then(|parent| self.parts.get_mut(parent)) {
                parent.children.push(number);
            }
            self.parts.push(part);
            self.running.push(number);
            if !encloses || too_deep || self.parts.len() >= MAX_PARTS {
                return body;
            }
            part = Part::new(self.bytes.get(body..).unwrap_or_default(), body, Some(number), "text/plain");
        }
    }

    fn note_header(&mut self, part: &Part<'a>, number: usize) {
        if part.header.is_cut() {
            self.defect(Defect::LongHeader);
        }
        if number == 0 && part.header.fields().is_empty() {
            self.defect(Defect::NoHeader);
        } else if part.header.is_broken() {
            self.defect(Defect::BrokenHeader);
        }
    }

    fn defect(&mut self, defect: Defect) {
        if !self.defects.contains(&defect) {
            self.defects.push(defect);
        }
    }

    /// Which open multipart a line belongs to, the inmost first.
    fn delimiter(&mut self, line: &[u8]) -> Option<(usize, Delimiter)> {
        for (level, open) in self.open.iter_mut().enumerate().rev() {
            let Some(rest) = line.strip_prefix(open.delimiter.as_slice()) else { continue };
            let delimiter = match rest {
                b"" => Delimiter::Next,
                b"--" => Delimiter::Last,
                _ => continue,
            };
            open.seen = true;
            return Some((level, delimiter));
        }
        None
    }

    /// Ends all that lies in the open multipart `level`, at the line that begins at `at`.
    fn end_below(&mut self, level: usize, at: usize) {
        self.close_open(level + 1);
        let Some(keep) = self.open.get(level).map(|open| open.part) else { return };
        // The line end before a delimiter belongs to it (RFC 2046 §5.1.1).
        let before = self.bytes.get(..at).unwrap_or_default();
        let before = before.strip_suffix(b"\n").unwrap_or(before);
        let end = before.strip_suffix(b"\r").unwrap_or(before).len();
        while let Some(part) = self.running.pop_if(|part| *part != keep) {
            self.end(part, end);
        }
    }

    /// Closes the multiparts from `level` on that had no end of their own.
    fn close_open(&mut self, level: usize) {
        for open in self.open.drain(level.min(self.open.len())..).collect::<Vec<_>>() {
            if open.seen {
                self.defect(Defect::Unclosed);
            } else {
                self.defect(Defect::MissingBoundary);
                if let Some(part) = self.parts.get_mut(open.part) {
                    "text/plain".clone_into(&mut part.media.value);
                }
            }
        }
    }

    fn end(&mut self, part: usize, end: usize) {
        if let Some(part) = self.parts.get_mut(part) {
            part.raw = self.bytes.get(part.begins..end).unwrap_or_default();
            part.body = self.bytes.get(part.body_begins..end).unwrap_or_default();
        }
    }

    fn default_media(&self) -> &'static str {
        let digest = self.running.last().and_then(|part| self.parts.get(*part));
        if digest.is_some_and(|part| part.media.value == "multipart/digest") { "message/rfc822" } else { "text/plain" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes the tree as one word a part, with its body.
    fn tree(bytes: &[u8]) -> Vec<String> {
        let message = Message::parse(bytes);
        let depth = |mut at: usize| {
            let mut depth = 0;
            while let Some(parent) = message.parts()[at].parent() {
                at = parent;
                depth += 1;
            }
            depth
        };
        (0..message.parts().len())
            .map(|at| {
                let part = &message.parts()[at];
                let body = if part.children().is_empty() { part.text(usize::MAX) } else { String::new() };
                format!("{}{} {body}", ".".repeat(depth(at)), part.media_type())
            })
            .collect()
    }

    #[test]
    fn a_tree_of_parts() {
        let mail = b"Content-Type: multipart/mixed; boundary=\"a\"\r\n\r\npreamble\r\n--a\r\nContent-Type: multipart/alternative;\r\n \
            boundary=b\r\n\r\n--b\r\n\r\nplain\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>\r\n--b--\r\n\r\n--a\r\n\
            Content-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\ninner\r\n--a \r\nContent-Type: a/pdf; name=x.pdf\r\n\
            Content-Transfer-Encoding: base64\r\n\r\naGk=\r\n--a--\r\nepilogue\r\n";
        assert_eq!(
            tree(mail),
            [
                "multipart/mixed ",
                ".multipart/alternative ",
                "..text/plain plain",
                "..text/html <p>",
                ".message/rfc822 ",
                "..text/plain inner",
                ".a/pdf hi"
            ]
        );
        let message = Message::parse(mail);
        assert_eq!(message.defects(), []);
        let listed: Vec<_> = message.listed().map(|(at, part)| (at, part.file_name())).collect();
        assert_eq!(listed, [(4, None), (6, Some("x.pdf"))]);
        assert!(message.envelope().has_attachment);
        assert!(message.parts()[6].raw().starts_with(b"Content-Type: a/pdf"));
    }

    #[test]
    fn broken_messages_keep_their_text() {
        let table: &[(&[u8], &[&str], &[Defect])] = &[
            (b"", &["text/plain "], &[Defect::NoHeader]),
            (b"only text\n", &["text/plain only text\n"], &[Defect::NoHeader]),
            (
                b"Content-Type: multipart/mixed\n\n--x\n\na\n",
                &["text/plain --x\n\na\n"],
                &[Defect::NoBoundary],
            ),
            (
                b"Content-Type: multipart/mixed; boundary=y\n\n--x\n\na\n",
                &["text/plain --x\n\na\n"],
                &[Defect::MissingBoundary],
            ),
            (
                b"Content-Type: multipart/mixed; boundary=x\n\n--x\n\na\n--x\ntext without header\n",
                &["multipart/mixed ", ".text/plain a", ".text/plain text without header\n"],
                &[Defect::BrokenHeader, Defect::Unclosed],
            ),
            (
                b"Content-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: multipart/mixed; boundary=xy\n\n--xy\n\na\n--x\n\nb\n--x--\n",
                &["multipart/mixed ", ".multipart/mixed ", "..text/plain a", ".text/plain b"],
                &[Defect::Unclosed],
            ),
            (b"Content-Type: nonsense\n\na\n", &["text/plain a\n"], &[]),
        ];
        for (mail, parts, defects) in table {
            assert_eq!(tree(mail), *parts, "{}", String::from_utf8_lossy(mail));
            assert_eq!(Message::parse(mail).defects(), *defects, "{}", String::from_utf8_lossy(mail));
        }
    }

    #[test]
    fn depth_and_number_have_limits() {
        let level = |n: usize| format!("Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n");
        let deep: Vec<String> = (0..10_000).map(level).collect();
        let deep = deep.concat();
        let message = Message::parse(deep.as_bytes());
        assert_eq!(message.parts().len(), MAX_DEPTH);
        assert!(message.defects().contains(&Defect::TooDeep));

        let nested = "Content-Type: message/rfc822\n\n".repeat(10_000);
        assert_eq!(Message::parse(nested.as_bytes()).parts().len(), MAX_DEPTH);

        let flood = format!("Content-Type: multipart/mixed; boundary=b\n\n{}", "--b\n\nx\n".repeat(20_000));
        let message = Message::parse(flood.as_bytes());
        assert_eq!(message.parts().len(), MAX_PARTS);
        assert_eq!(message.defects(), [Defect::TooManyParts]);
    }

    #[test]
    fn digests_hold_messages_and_signatures_are_no_attachments() {
        let digest = b"Content-Type: multipart/digest; boundary=d\n\n--d\n\nSubject: a\n\none\n--d--\n";
        assert_eq!(tree(digest), ["multipart/digest ", ".message/rfc822 ", "..text/plain one"]);
        let signed =
            b"Content-Type: multipart/signed; boundary=s\n\n--s\n\na\n--s\nContent-Type: application/pgp-signature; \
            name=signature.asc\n\nxx\n--s--\n";
        assert!(!Message::parse(signed).envelope().has_attachment);
    }
}
