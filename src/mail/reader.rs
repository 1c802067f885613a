//! A message made ready for the viewer: which parts are shown and in what form, what can be opened,
//! what a reader must be warned of. Never fails: what cannot be read is shown as it is.

use jiff::tz::TimeZone;

use super::address::{self, Address};
use super::charset;
use super::clean::Clean;
use super::date;
use super::document::{Attachment, Document, Line, LineKind, Span, SpanStyle};
use super::envelope::Envelope;
use super::header::Header;
use super::html;
use super::invite;
use super::link::{self, Links};
use super::message::{Disposition, Message, Part};
use super::stub;
use super::text::{self, Flow};

/// The most encoded bytes of one part, and of a source view, that are shown.
const MAX_SHOWN: usize = 2 * 1024 * 1024;
/// The most lines of a document.
const MAX_LINES: usize = 50_000;
/// The most fields that are listed of a header.
const MAX_FIELDS: usize = 2000;

/// Prepares a message for the viewer. `width` is how wide HTML is laid out, in columns; `zone` is
/// where the reader lives.
pub fn document(bytes: &[u8], width: u16, zone: &TimeZone) -> Document {
    let message = Message::parse(bytes);
    let mut document = frame(&message, zone);
    let mut page = Page {
        message: &message,
        width,
        zone,
        lines: Vec::new(),
        links: Links::default(),
        inline: Vec::new(),
        warnings: Vec::new(),
    };
    page.show();
    let inline = page.inline;
    document.attachments = message
        .listed()
        .map(|(at, part)| Attachment {
            name: Clean::line(&name_of(&message, at, part)),
            media_type: Clean::line(part.media_type()),
            size: part.size(),
            inline: inline.contains(&at),
        })
        .collect();
    document.warnings.extend(page.warnings);
    document.lines = page.lines;
    document.links = page.links.into_links();
    let deceiving = document.links.iter().filter(|link| link.mismatch).count();
    if deceiving > 0 {
        let what = if deceiving == 1 { "A link goes" } else { "Some links go" };
        document
            .warnings
            .push(Clean::line(&format!("{what} to another host than the text says; look before you open.")));
    }
    document
}

/// The source of a message, as the viewer shows it: every byte of it that can be shown, up to a
/// limit that it names.
pub fn raw(bytes: &[u8]) -> Document {
    let message = Message::parse(bytes);
    let mut document = frame(&message, &TimeZone::UTC);
    document.warnings.clear();
    let shown = bytes.get(..MAX_SHOWN).unwrap_or(bytes);
    for line in shown.split(|b| *b == b'\n').take(MAX_LINES) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        document.lines.push(plain(LineKind::Pre, &charset::guess(line)));
    }
    if shown.len() < bytes.len() || document.lines.len() == MAX_LINES {
        document.lines.push(plain(LineKind::Note, "The rest is not shown; save the message to see it."));
    }
    document
}

/// A part that can be opened or saved: its name and its bytes, decoded. `number` is its index in
/// [`Document::attachments`]. The name is text from outside, without directories.
pub fn part_bytes(bytes: &[u8], number: usize) -> Option<(String, Vec<u8>)> {
    let message = Message::parse(bytes);
    let (at, part) = message.listed().nth(number)?;
    Some((name_of(&message, at, part), part.decoded().into_owned()))
}

/// All of a document but its text.
fn frame(message: &Message<'_>, zone: &TimeZone) -> Document {
    let header = message.header();
    let envelope = Envelope::of(header);
    // The body of a stub is elsewhere: that its parts do not begin here is no fault of it.
    let defects = if stub::told(message.bytes()).is_some() { &[][..] } else { message.defects() };
    let mut document = Document {
        subject: Clean::line(&envelope.subject),
        headers: shown_fields(header, &envelope, zone),
        all_headers: header
            .fields()
            .iter()
            .take(MAX_FIELDS)
            .map(|field| (Clean::line(field.name()), Clean::line(&header.line(field))))
            .collect(),
        date: envelope.date,
        warnings: defects.iter().map(|defect| Clean::line(defect.words())).collect(),
        size: u64::try_from(message.bytes().len()).unwrap_or(u64::MAX),
        ..Document::default()
    };
    document.warnings.extend(author_warnings(header, &envelope));
    document.list = envelope.list_id.as_deref().map(Clean::line);
    document.from = envelope.from;
    document.message_id = envelope.message_id;
    document
}

/// The fields that are always shown, decoded.
fn shown_fields(header: &Header<'_>, envelope: &Envelope, zone: &TimeZone) -> Vec<(Clean, Clean)> {
    let mut fields = Vec::new();
    let mut push = |name: &str, value: Clean| fields.push((Clean::line(name), value));
    let addresses = |name: &'static str| {
        let list: Vec<Address> = header.all(name).flat_map(|field| address::parse_list(&header.line(&field))).collect();
        if list.is_empty() {
            // A group without members, or what is no address at all.
            header.first(name).map(|field| Clean::line(field.text().trim())).filter(|text| !text.is_empty())
        } else {
            let shown: Vec<Clean> = list.iter().map(Address::display).collect();
            Some(Clean::line(&shown.iter().map(Clean::as_str).collect::<Vec<_>>().join(", ")))
        }
    };
    for name in ["From", "To", "Cc", "Bcc"] {
        if let Some(value) = addresses(name) {
            push(name, value);
        }
    }
    let from = addresses("From");
    if let Some(value) = addresses("Reply-To").filter(|value| Some(value) != from.as_ref()) {
        push("Reply-To", value);
    }
    let written = header.first("Date").map(|field| field.unfolded().trim().to_owned());
    match written {
        Some(written) if date::parse(&written).is_none() => push("Date", Clean::line(&written)),
        _ if envelope.date.get() != 0 => push("Date", Clean::line(&date::shown(envelope.date, zone))),
        _ => {}
    }
    push("Subject", Clean::line(&envelope.subject));
    fields
}

/// What may deceive about who wrote it.
fn author_warnings(header: &Header<'_>, envelope: &Envelope) -> Vec<Clean> {
    let mut warnings = Vec::new();
    let mut warn = |text: &str| warnings.push(Clean::line(text));
    if header.all("From").count() > 1 {
        warn("This message has more than one From; programs differ in which they show.");
    } else if envelope.from.len() > 1 {
        warn("This message names more than one author.");
    }
    if let Some(author) = envelope.from.iter().find(|author| author.is_deceptive()) {
        warn(&format!("The name of the sender looks like an address, but the mail is from {}.", author.email));
    }
    if let Some(author) = envelope.from.iter().find(|author| mixes_scripts(author.domain())) {
        let ascii = author.ascii_email().unwrap_or_else(|| author.email.clone());
        warn(&format!("The sender's domain mixes letters of several scripts: {ascii}"));
    }
    let replies = header.all("Reply-To").flat_map(|field| address::parse_list(&field.unfolded()));
    let is_list = envelope.list_id.is_some();
    let own = |reply: &Address| envelope.from.iter().any(|from| link::are_related(from.domain(), reply.domain()));
    if let Some(reply) = replies.filter(|reply| !reply.domain().is_empty()).find(|reply| !own(reply))
        && !is_list
        && !envelope.from.is_empty()
    {
        warn(&format!("Answers go to another domain than the sender's: {}.", reply.email));
    }
    warnings
}

/// Does one label of a domain hold letters of Latin and of a script that looks like it?
fn mixes_scripts(domain: &str) -> bool {
    domain.split('.').any(|label| {
        let has_latin = label.chars().any(|c| c.is_ascii_alphabetic());
        let has_like = label
            .chars()
            .any(|c| matches!(c, '\u{370}'..='\u{52f}' | '\u{13a0}'..='\u{13ff}' | '\u{ff21}'..='\u{ff5a}'));
        has_latin && has_like
    })
}

/// The name of a part: the one it gives, without directories, else one made of what it is.
fn name_of(message: &Message<'_>, at: usize, part: &Part<'_>) -> String {
    if let Some(name) = part.file_name() {
        let last = name.rsplit(['/', '\\']).find(|piece| !piece.trim_matches(['.', ' ']).is_empty());
        if let Some(last) = last {
            return last.chars().filter(|c| !c.is_control()).take(200).collect();
        }
    }
    if part.is_message() {
        let inner = part.children().first().and_then(|child| message.part(*child));
        let subject = inner.and_then(|inner| inner.header().first("Subject")).map(|field| field.text());
        let stem: String = subject
            .unwrap_or_default()
            .chars()
            .map(|c| if c.is_control() || matches!(c, '/' | '\\' | ':') { ' ' } else { c })
            .take(80)
            .collect();
        let stem = stem.split_whitespace().collect::<Vec<_>>().join(" ");
        return if stem.is_empty() { "message.eml".to_owned() } else { format!("{stem}.eml") };
    }
    let ending = match part.media_type() {
        "text/plain" | "message/delivery-status" | "text/rfc822-headers" => "txt",
        "text/html" => "html",
        "text/calendar" => "ics",
        "text/vcard" | "text/x-vcard" => "vcf",
        "text/x-patch" | "text/x-diff" => "patch",
        "image/jpeg" => "jpg",
        "image/png" => "png",
        "image/gif" => "gif",
        "application/pdf" => "pdf",
        "application/zip" => "zip",
        "application/pgp-signature" | "application/pgp-encrypted" => "asc",
        "application/pkcs7-signature" | "application/x-pkcs7-signature" => "p7s",
        _ => "bin",
    };
    format!("part-{at}.{ending}")
}

fn plain(kind: LineKind, text: &str) -> Line {
    let text = super::clean::expand_tabs(text);
    let spans = if text.is_empty() {
        Vec::new()
    } else {
        vec![Span { text: Clean::line(&text), style: SpanStyle::default(), link: None }]
    };
    Line { quote: 0, kind, spans }
}

/// The text of a document while it is put together.
struct Page<'a> {
    message: &'a Message<'a>,
    width: u16,
    zone: &'a TimeZone,
    lines: Vec<Line>,
    links: Links,
    /// The parts whose text is in it.
    inline: Vec<usize>,
    warnings: Vec<Clean>,
}

impl Page<'_> {
    /// Walks the parts that are to be shown, in order, without recursion.
    fn show(&mut self) {
        let mut waiting = vec![0];
        while let Some(at) = waiting.pop() {
            let Some(part) = self.message.part(at) else { continue };
            if part.is_multipart() {
                waiting.extend(self.chosen(part).into_iter().rev());
            } else {
                self.show_leaf(at, part);
                waiting.extend(part.children().iter().rev());
            }
            if self.lines.len() > MAX_LINES {
                self.lines.truncate(MAX_LINES);
                self.note("The rest of this message is too long to be shown; save it to see it.");
                return;
            }
        }
        while self.lines.last().is_some_and(|line| line.spans.is_empty()) {
            self.lines.pop();
        }
    }

    /// Which children of a multipart are shown.
    fn chosen(&mut self, part: &Part<'_>) -> Vec<usize> {
        let children = part.children();
        match part.media_type() {
            "multipart/alternative" => self.best_alternative(children).into_iter().collect(),
            "multipart/related" => {
                let start = part.parameter("start").map(|id| id.trim().trim_matches(['<', '>']).to_owned());
                let root = start.and_then(|start| {
                    children.iter().find(|child| {
                        self.message.part(**child).and_then(Part::content_id).is_some_and(|id| id == start)
                    })
                });
                // Without one the first is the root (RFC 2387 §3.2), unless the text comes later.
                let is_text = |child: &&usize| {
                    self.message.part(**child).is_some_and(|part| part.is_body_text() || part.is_multipart())
                };
                root.or(children.iter().find(is_text)).or(children.first()).copied().into_iter().collect()
            }
            "multipart/signed" => {
                self.note("This message is signed; the signature is not checked.");
                children.first().copied().into_iter().collect()
            }
            "multipart/encrypted" => {
                self.note("This message is encrypted; it cannot be read here.");
                Vec::new()
            }
            _ => children.to_vec(),
        }
    }

    /// The plain text unless it says nothing, else the HTML, else the last one.
    fn best_alternative(&self, children: &[usize]) -> Option<usize> {
        let find = |media: &str| {
            children.iter().copied().find(|child| {
                let mut at = *child;
                // HTML often stands inside a multipart/related or mixed.
                for _ in 0..4 {
                    match self.message.part(at) {
                        Some(part) if part.is_multipart() => match part.children().first() {
                            Some(first) => at = *first,
                            None => return false,
                        },
                        Some(part) => {
                            return part.media_type() == media && part.disposition() != Disposition::Attachment;
                        }
                        None => return false,
                    }
                }
                false
            })
        };
        let (plain, html) = (find("text/plain"), find("text/html"));
        match (plain, html) {
            (Some(plain), Some(html)) if self.is_stub(plain) => Some(html),
            (Some(plain), _) => Some(plain),
            (None, Some(html)) => Some(html),
            (None, None) => children.last().copied(),
        }
    }

    /// Does a plain text only say that there is HTML?
    fn is_stub(&self, at: usize) -> bool {
        let Some(part) = self.message.part(at).filter(|part| part.is_text()) else { return false };
        let text = part.text(4096);
        let text = text.trim();
        let says_so = || {
            let lower = text.to_lowercase();
            lower.contains("html")
                && [
                    "your email",
                    "your mail",
                    "does not support",
                    "doesn't support",
                    "view this",
                    "enable",
                    "not display",
                ]
                .iter()
                .any(|words| lower.contains(words))
        };
        !text.chars().any(char::is_alphanumeric) || (text.len() < 400 && says_so())
    }

    fn show_leaf(&mut self, at: usize, part: &Part<'_>) {
        match part.media_type() {
            _ if part.is_message() => self.caption_message(part),
            "text/calendar" => {
                let summary = invite::summary(&part.text(256 * 1024));
                self.note(&summary);
            }
            "message/delivery-status" | "message/disposition-notification" | "text/rfc822-headers" => {
                self.part_from(at);
                self.begin_block();
                self.note(part.media_type());
                let text = part.text(64 * 1024);
                self.lines.extend(text.lines().map(|line| plain(LineKind::Pre, line)));
            }
            _ if !part.is_text() || part.disposition() == Disposition::Attachment => {}
            _ if part.is_body_text() => {
                self.begin_block();
                self.show_text(part);
            }
            _ => {
                self.part_from(at);
                self.begin_block();
                let name = name_of(self.message, at, part);
                self.note(&format!("{name} ({})", part.media_type()));
                self.show_text(part);
            }
        }
    }

    fn part_from(&mut self, at: usize) {
        self.inline.push(at);
    }

    /// Parts stand apart by an empty line.
    fn begin_block(&mut self) {
        if self.lines.last().is_some_and(|line| !line.spans.is_empty()) {
            self.lines.push(Line::default());
        }
    }

    fn note(&mut self, text: &str) {
        self.lines.push(plain(LineKind::Note, text));
    }

    fn caption_message(&mut self, part: &Part<'_>) {
        self.begin_block();
        let Some(inner) = part.children().first().and_then(|child| self.message.part(*child)) else {
            self.note("An enclosed message; open it to read it.");
            return;
        };
        let envelope = Envelope::of(inner.header());
        let from: Vec<Clean> = envelope.from.iter().take(5).map(Address::display).collect();
        let from = from.iter().map(Clean::as_str).collect::<Vec<_>>().join(", ");
        let mut caption = format!("Enclosed message: {}", envelope.subject);
        if !from.is_empty() {
            caption = format!("{caption}, from {from}");
        }
        if envelope.date.get() != 0 {
            caption = format!("{caption}, {}", date::shown(envelope.date, self.zone));
        }
        self.note(&caption);
    }

    fn show_text(&mut self, part: &Part<'_>) {
        let mut text = part.text(MAX_SHOWN);
        if part.media_type() == "text/html" || part.media_type() == "text/enriched" {
            if part.parameter("charset").is_none() {
                text = in_own_charset(part).unwrap_or(text);
            }
            let rendered = html::render(&text, self.width, &mut self.links);
            if rendered.has_hidden {
                self.warn("Some of this text was hidden by the sender; it is shown dimmed.");
            }
            if rendered.is_stripped {
                self.warn("The HTML of this message is too big or too involved; only its words are shown.");
            }
            self.lines.extend(rendered.lines);
        } else {
            let flow = Flow::of(part.parameter("format"), part.parameter("delsp"));
            let lines = text::lines(&text, flow, &mut self.links);
            self.lines.extend(lines);
        }
        if part.body().len() > MAX_SHOWN {
            self.note("The rest of this part is too long to be shown; save it to see it.");
        }
    }

    fn warn(&mut self, text: &str) {
        let text = Clean::line(text);
        if !self.warnings.contains(&text) {
            self.warnings.push(text);
        }
    }
}

/// HTML without a charset in its Content-Type may name one itself, near its beginning.
fn in_own_charset(part: &Part<'_>) -> Option<String> {
    let body = part.body().get(..MAX_SHOWN).unwrap_or(part.body());
    let bytes = part.encoding().decode(body);
    let head = String::from_utf8_lossy(bytes.get(..2048).unwrap_or(&bytes)).to_ascii_lowercase();
    let (_, behind) = head.split_once("charset=")?;
    let name: String = behind
        .trim_start_matches(['"', '\''])
        .chars()
        .take(40)
        .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ':' | '.'))
        .collect();
    (!name.is_empty()).then(|| charset::decode(&bytes, Some(&name)).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(mail: &str) -> Document {
        document(mail.replace('\n', "\r\n").as_bytes(), 72, &TimeZone::UTC)
    }

    /// The text, a line each, notes in brackets.
    fn text(document: &Document) -> Vec<String> {
        document
            .lines
            .iter()
            .map(|line| {
                let text: String = line.spans.iter().map(|span| span.text.as_str()).collect();
                if line.kind == LineKind::Note { format!("[{text}]") } else { text }
            })
            .collect()
    }

    fn warnings(document: &Document) -> Vec<&str> {
        document.warnings.iter().map(Clean::as_str).collect()
    }

    #[test]
    fn a_mail_as_it_is_read() {
        let document = read(
            "From: =?utf-8?q?Jos=C3=A9?= <j@x.org>\nTo: a@b, undisclosed:;\nDate: Sat, 21 Nov 2026 23:50:00 +0100\nSubject: hi\n\
             Message-ID: <m@x>\nX-Long: a\n b\nContent-Type: multipart/mixed; boundary=m\n\n--m\nContent-Type: multipart/alternative; \
             boundary=a\n\n--a\n\nplain https://x.org\n--a\nContent-Type: text/html\n\n<p>html\n--a--\n--m\nContent-Type: text/x-patch\n\
             Content-Disposition: inline; filename=\"../a.patch\"\n\n+x\n--m\nContent-Type: application/pdf; name=q.pdf\n\
             Content-Disposition: attachment\nContent-Transfer-Encoding: base64\n\naGVsbG8=\n--m--\n",
        );
        let headers: Vec<_> = document.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        assert_eq!(headers, ["From: José <j@x.org>", "To: a@b", "Date: Sat 21 Nov 2026 22:50 +0000", "Subject: hi"]);
        assert_eq!(document.all_headers[5].1.as_str(), "a b");
        assert_eq!(text(&document), ["plain https://x.org", "", "[a.patch (text/x-patch)]", "+x"]);
        let attachments: Vec<_> = document.attachments.iter().map(|a| (a.name.as_str(), a.inline)).collect();
        assert_eq!(attachments, [("a.patch", true), ("q.pdf", false)]);
        assert_eq!(document.links.len(), 1);
        assert!(document.warnings.is_empty(), "{:?}", document.warnings);
    }

    /// Only what is here can be wrong with it.
    #[test]
    fn a_stub_is_not_blamed_for_lacking_its_body() {
        let header = "From: a@b\nContent-Type: multipart/mixed; boundary=m\n\n";
        assert_eq!(read(header).warnings.len(), 1);
        let stub = document(&stub::make(header.as_bytes(), 5000), 72, &TimeZone::UTC);
        assert!(stub.warnings.is_empty(), "{:?}", stub.warnings);
    }

    #[test]
    fn parts_are_found_by_their_number() {
        let mail =
            b"Content-Type: multipart/mixed; boundary=m\n\n--m\n\ntext\n--m\nContent-Type: a/b; name=one\n\n1\n--m\n\
            Content-Type: message/rfc822\n\nSubject: a/b\n\ninner\n--m--\n";
        assert_eq!(part_bytes(mail, 0), Some(("one".to_owned(), b"1".to_vec())));
        assert_eq!(part_bytes(mail, 1), Some(("a b.eml".to_owned(), b"Subject: a/b\n\ninner".to_vec())));
        assert_eq!(part_bytes(mail, 2), None);
        let names: Vec<_> = document(mail, 72, &TimeZone::UTC).attachments.iter().map(|a| a.name.to_string()).collect();
        assert_eq!(names, ["one", "a b.eml"]);
    }

    #[test]
    fn alternatives_enclosures_and_invitations() {
        let alternative = |plain: &str| {
            read(&format!(
                "From: a@b\nContent-Type: multipart/alternative; boundary=a\n\n--a\n\n{plain}\n--a\nContent-Type: text/html\n\n<p>the html\n--a--\n"
            ))
        };
        assert_eq!(text(&alternative("the text")), ["the text"]);
        assert_eq!(text(&alternative("  \n--")), ["the html"]);
        assert_eq!(text(&alternative("Your mail program does not support HTML.")), ["the html"]);

        let enclosed = read(
            "From: a@b\nContent-Type: multipart/mixed; boundary=m\n\n--m\n\nsee below\n--m\nContent-Type: message/rfc822\n\n\
             From: c@d\nSubject: inner\n\nits text\n--m--\n",
        );
        assert_eq!(text(&enclosed), ["see below", "", "[Enclosed message: inner, from c@d]", "", "its text"]);

        let invited = read(
            "From: a@b\nContent-Type: text/calendar\n\nBEGIN:VCALENDAR\nMETHOD:REQUEST\nBEGIN:VEVENT\nSUMMARY:Lunch\\, again\n\
             DTSTART;TZID=x:20261121T150000Z\nLOCATION:Here\nEND:VEVENT\nEND:VCALENDAR\n",
        );
        assert_eq!(text(&invited), ["[Invitation: Lunch, again, 2026-11-21 15:00 UTC, Here]"]);
    }

    #[test]
    fn what_may_deceive_is_said() {
        let document = read("From: \"boss@bank.example\" <eve@evil.example>\nReply-To: x@else.example\n\n<p>");
        assert_eq!(
            warnings(&document),
            [
                "The name of the sender looks like an address, but the mail is from eve@evil.example.",
                "Answers go to another domain than the sender's: x@else.example."
            ]
        );
        assert!(warnings(&read("From: a@b\nFrom: c@d\n\n"))[0].contains("more than one From"));
        assert!(warnings(&read("From: a@p\u{430}ypal.example\n\n"))[0].contains("xn--"));
        let html = read(
            "From: a@b\nContent-Type: text/html\n\n<a href=https://evil.example/>bank.example</a><p style='display:none'>hidden",
        );
        assert_eq!(html.warnings.len(), 2);
        assert!(html.links[0].mismatch);
        assert!(warnings(&read(""))[0].contains("no header"));
    }

    #[test]
    fn the_source_shows_every_line() {
        let source = raw(b"Subject: a\r\n\r\nb\x1b[31m\xfc\n");
        assert_eq!(text(&source), ["Subject: a", "", "b\u{241b}[31mü", ""]);
    }

    #[test]
    fn html_may_name_its_charset_itself() {
        let mail = b"From: a@b\nContent-Type: text/html\n\n<meta charset=\"koi8-r\"><p>\xf0\xd2\xc9";
        assert_eq!(text(&document(mail, 72, &TimeZone::UTC)), ["При"]);
    }
}
