//! A draft and a stamp → the bytes of RFC 5322, by lettre's builder. The bytes depend on these two
//! and the attached files alone. What leaves here is 7-bit clean, its lines end in CRLF, Bcc is not
//! in it, and neither a host name nor the program's name is.

use std::collections::BTreeSet;
use std::time::{Duration, UNIX_EPOCH};

use lettre::Address as AddrSpec;
use lettre::address::Envelope;
use lettre::message::header::{ContentDisposition, ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{Body, Mailbox, Mailboxes, Message, MessageBuilder, MultiPart, SinglePart, header};
use sha2::{Digest, Sha256};

use super::address::{Address, parse_typed};
use super::draft::Draft;
use super::flow::{self, Format};
use super::ids::{MessageId, Timestamp};
use super::submission::Submission;
use super::wire;

/// The most bytes of References that are written; the first and the newest ids stay.
const MAX_REFERENCES: usize = 2_000;
/// The longest Message-ID that still fits on a line with its brackets (RFC 5322 §2.1.1).
const MAX_ID: usize = 900;
/// The longest line of a text that is sent as it is, in bytes (RFC 5322 §2.1.1 allows 998).
const MAX_LINE: usize = 990;

/// What a message gets once, when it is queued, and keeps through every attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// Date.
    pub date: Timestamp,
    /// The zone of the date: minutes east of Greenwich.
    pub offset_minutes: i32,
    /// Message-ID.
    pub message_id: MessageId,
}

/// A file to attach, already read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attached {
    /// The name it gets in the message.
    pub name: String,
    /// Its media type; what is none becomes `application/octet-stream`.
    pub media_type: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// A message that is ready to be queued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// The bytes for the wire: CRLF, 7-bit, exactly one CRLF at the end.
    pub wire: Vec<u8>,
    /// To whom, Bcc included.
    pub submission: Submission,
    /// The addresses of Bcc, which [`wire::with_bcc`] puts back into the kept copy.
    pub bcc: Vec<String>,
}

/// Why a draft cannot be built. This room knows no faults; `outbox` makes one of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// The word or thing that is wrong.
    pub about: String,
    /// What is wrong with it, and where.
    pub why: String,
    /// Who can mend it.
    pub fixable: Fixable,
}

/// Who can mend a flaw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fixable {
    /// The author, by editing the draft.
    ByAuthor,
    /// Nobody: it is a mistake of ours.
    ByNobody,
}

/// Makes a Message-ID of something unique and the domain of the sender's address, so that no host
/// name is told.
pub fn message_id(unique: &str, from: &Address) -> Option<MessageId> {
    let domain = from.email.rsplit_once('@').and_then(|(_, domain)| ascii_domain(domain));
    MessageId::new(&format!("{unique}@{}", domain.as_deref().unwrap_or("localhost")))
}

/// The From field of a message that came without one, as one header line with its line end.
pub fn from_field(from: &Address) -> Option<String> {
    let mut headers = header::Headers::new();
    headers.set(header::From::from(Mailboxes::from(mailbox(from).ok()?)));
    Some(headers.to_string())
}

/// Builds the message. Flaws are for the author: no recipient, a word that is no address, a
/// local part that would need SMTPUTF8.
pub fn build(draft: &Draft, attachments: &[Attached], stamp: &Stamp) -> Result<Built, Flaw> {
    let from = mailbox(&draft.from)?;
    let to = typed("To", &draft.to)?;
    let cc = typed("Cc", &draft.cc)?;
    let bcc = typed("Bcc", &draft.bcc)?;
    let reply_to = typed("Reply-To", &draft.reply_to)?;
    let recipients = recipients(&[&to, &cc, &bcc]);
    if recipients.is_empty() {
        return Err(refused("the message", "it has no recipient"));
    }
    let envelope =
        Envelope::new(Some(from.email.clone()), recipients.clone()).map_err(|e| bug("the message", &e.to_string()))?;

    let mut builder = begun(envelope, &from, stamp);
    if to.is_empty() && cc.is_empty() {
        // RFC 5322 §3.6.3 lets To be missing, some servers then make one up from the recipients.
        let none = "undisclosed-recipients:;".to_owned();
        let name = HeaderName::new_from_ascii_str("To");
        builder = builder.raw_header(HeaderValue::dangerous_new_pre_encoded(name, none.clone(), none));
    }
    for (list, add) in [
        (to, MessageBuilder::to as fn(MessageBuilder, Mailbox) -> MessageBuilder),
        (cc, MessageBuilder::cc),
        (reply_to, MessageBuilder::reply_to),
    ] {
        builder = list.into_iter().fold(builder, add);
    }
    builder = builder.raw_header(subject(&draft.subject));
    builder = identified(builder, draft, stamp);

    let text = text_part(&draft.body);
    let message = if attachments.is_empty() {
        builder.singlepart(text)
    } else {
        let mixed = MultiPart::mixed().boundary(boundary(draft, stamp)).singlepart(text);
        builder.multipart(attachments.iter().map(attachment).fold(mixed, MultiPart::singlepart))
    };
    let wire = finished(message.map_err(|e| bug("the message", &e.to_string()))?, stamp)?;
    Ok(Built {
        wire,
        submission: Submission {
            sender: from.email.to_string(),
            recipients: recipients.iter().map(ToString::to_string).collect(),
        },
        bcc: bcc.iter().map(ToString::to_string).collect(),
    })
}

/// Builds a draft that is not finished, for the Drafts mailbox: recipients may be missing, and Bcc
/// stands in it. `None` where a message cannot say what the draft says: a word that is no address, a
/// file that is to be attached.
pub fn unfinished(draft: &Draft, stamp: &Stamp) -> Option<Vec<u8>> {
    if !draft.attachments.is_empty() {
        return None;
    }
    let from = mailbox(&draft.from).ok()?;
    // The builder wants an envelope; nobody sends to it.
    let envelope = Envelope::new(Some(from.email.clone()), vec![from.email.clone()]).ok()?;
    let mut builder = begun(envelope, &from, stamp).keep_bcc();
    for (field, text, add) in [
        ("To", &draft.to, MessageBuilder::to as fn(MessageBuilder, Mailbox) -> MessageBuilder),
        ("Cc", &draft.cc, MessageBuilder::cc),
        ("Bcc", &draft.bcc, MessageBuilder::bcc),
        ("Reply-To", &draft.reply_to, MessageBuilder::reply_to),
    ] {
        builder = typed(field, text).ok()?.into_iter().fold(builder, add);
    }
    builder = identified(builder.raw_header(subject(&draft.subject)), draft, stamp);
    finished(builder.singlepart(text_part(&draft.body)).ok()?, stamp).ok()
}

/// A message with its envelope, date and author.
fn begun(envelope: Envelope, from: &Mailbox, stamp: &Stamp) -> MessageBuilder {
    Message::builder()
        .envelope(envelope)
        .date(UNIX_EPOCH + Duration::from_secs(stamp.date.get().unsigned_abs()))
        .header(header::From::from(Mailboxes::from(from.clone())))
}

/// The bytes of a built message, with the date in the author's zone.
fn finished(mut message: Message, stamp: &Stamp) -> Result<Vec<u8>, Flaw> {
    if let Some(date) = local_date(stamp) {
        let name = HeaderName::new_from_ascii_str("Date");
        message.headers_mut().insert_raw(HeaderValue::dangerous_new_pre_encoded(name, date.clone(), date));
    }
    let wire = message.formatted();
    if !wire::is_canonical(&wire) || !wire.is_ascii() {
        return Err(bug("the message", "the built bytes are not canonical"));
    }
    Ok(wire)
}

/// All recipients in their order, no address twice.
fn recipients(lists: &[&Vec<Mailbox>]) -> Vec<AddrSpec> {
    let mut seen = BTreeSet::new();
    lists.iter().flat_map(|l| l.iter()).map(|m| m.email.clone()).filter(|a| seen.insert(a.clone())).collect()
}

/// Reads a field as the author typed it.
fn typed(field: &str, text: &str) -> Result<Vec<Mailbox>, Flaw> {
    let typed = parse_typed(text);
    match typed.rejected.first() {
        Some(word) => Err(refused(word, &format!("this is no address ({field})"))),
        None => typed.addresses.iter().map(mailbox).collect(),
    }
}

/// Makes lettre's mailbox of an address. The builder panics on a control character in a name, and
/// names come decoded from other people's mail.
fn mailbox(address: &Address) -> Result<Mailbox, Flaw> {
    let name = one_line(&address.name);
    let name = (!name.is_empty()).then_some(name);
    Ok(Mailbox::new(name, addr_spec(&address.email)?))
}

/// Checks an addr-spec and writes its domain in ASCII (RFC 5890).
fn addr_spec(email: &str) -> Result<AddrSpec, Flaw> {
    let email = email.trim();
    let (local, domain) = email.rsplit_once('@').ok_or_else(|| refused(email, "this is no address: `@` is missing"))?;
    if !local.is_ascii() {
        return Err(refused(email, "only ASCII is possible before the `@`"));
    }
    if email.chars().any(|c| c.is_control() || c == ' ' || c == '<' || c == '>') {
        return Err(refused(email, "this is no address"));
    }
    let domain = ascii_domain(domain).ok_or_else(|| refused(email, "the part behind the `@` is no domain"))?;
    AddrSpec::new(local, &domain).map_err(|e| refused(email, &e.to_string()))
}

fn ascii_domain(domain: &str) -> Option<String> {
    if domain.starts_with('[') && domain.is_ascii() {
        return Some(domain.to_owned());
    }
    idna::domain_to_ascii(domain).ok().filter(|d| !d.is_empty() && d.is_ascii())
}

/// Text for a header: controls and runs of blanks become one blank.
fn one_line(text: &str) -> String {
    let spaced: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The subject. Words that the builder would pass through although they mean something else to a
/// reader (`=?utf-8?…`) or do not fit on a line are encoded here.
fn subject(text: &str) -> HeaderValue {
    let name = HeaderName::new_from_ascii_str("Subject");
    let text = one_line(text);
    let plain = text.is_ascii() && text.split(' ').all(|word| word.len() <= 200 && !word.contains("=?"));
    if plain || !text.is_ascii() {
        return HeaderValue::new(name, text);
    }
    let encode = |piece: &[u8]| {
        use base64::Engine as _;
        format!("=?utf-8?b?{}?=", base64::engine::general_purpose::STANDARD.encode(piece))
    };
    let encoded = text.as_bytes().chunks(39).map(encode).collect::<Vec<_>>().join("\r\n ");
    HeaderValue::dangerous_new_pre_encoded(name, text, encoded)
}

/// Message-ID, In-Reply-To and References.
fn identified(builder: MessageBuilder, draft: &Draft, stamp: &Stamp) -> MessageBuilder {
    let bracketed = |id: &MessageId| format!("<{}>", id.as_str());
    let mut builder = builder.message_id(Some(bracketed(&stamp.message_id)));
    let writable = |id: &&MessageId| id.as_str().is_ascii() && id.as_str().len() <= MAX_ID;
    if let Some(id) = draft.in_reply_to.as_ref().filter(writable) {
        builder = builder.in_reply_to(bracketed(id));
    }
    let mut ids: Vec<String> = draft.references.iter().filter(writable).map(bracketed).collect();
    let mut seen = BTreeSet::new();
    ids.retain(|id| seen.insert(id.clone()));
    while ids.len() > 2 && ids.iter().map(|id| id.len() + 1).sum::<usize>() > MAX_REFERENCES {
        ids.remove(1);
    }
    if ids.is_empty() { builder } else { builder.references(ids.join(" ")) }
}

/// The text, in the plainest encoding that carries it.
fn text_part(body: &str) -> SinglePart {
    let (text, format) = flow::flow(body);
    let content_type = match format {
        Format::Flowed => "text/plain; charset=utf-8; format=flowed",
        Format::Fixed => "text/plain; charset=utf-8",
    };
    let content_type = ContentType::parse(content_type).unwrap_or(ContentType::TEXT_PLAIN);
    let plain = text.bytes().all(|b| matches!(b, b'\t' | b'\n' | b' '..=b'~'))
        && text.lines().all(|line| line.len() <= MAX_LINE);
    let encoded = if plain {
        Body::dangerous_pre_encoded(text.replace('\n', "\r\n").into_bytes(), ContentTransferEncoding::SevenBit)
    } else if text.bytes().filter(|b| !b.is_ascii()).count() * 3 > text.len() {
        encoded(text.replace('\n', "\r\n").into_bytes(), ContentTransferEncoding::Base64)
    } else {
        encoded(text.replace('\n', "\r\n").into_bytes(), ContentTransferEncoding::QuotedPrintable)
    };
    SinglePart::builder().content_type(content_type).body(encoded)
}

/// Encodes; base64 and quoted-printable take any bytes.
fn encoded(bytes: Vec<u8>, encoding: ContentTransferEncoding) -> Body {
    Body::new_with_encoding(bytes, encoding)
        .unwrap_or_else(|bytes| Body::dangerous_pre_encoded(bytes, ContentTransferEncoding::Binary))
}

fn attachment(file: &Attached) -> SinglePart {
    let disposition = ContentDisposition::attachment(&file_name(&file.name));
    let media_type = media_type(&file.media_type);
    if media_type == "message/rfc822" {
        // RFC 2046 §5.2.1: a message is not encoded again. One that cannot go as it is goes as a file.
        let lines_fit = |bytes: &[u8]| bytes.split(|b| *b == b'\n').all(|line| line.len() <= MAX_LINE);
        if let Some(text) = wire::canonical(&file.bytes).filter(|text| text.is_ascii() && lines_fit(text)) {
            let body = Body::dangerous_pre_encoded(text.into_owned(), ContentTransferEncoding::SevenBit);
            return SinglePart::builder().content_type(octets("message/rfc822")).header(disposition).body(body);
        }
        let body = encoded(file.bytes.clone(), ContentTransferEncoding::Base64);
        return SinglePart::builder().content_type(octets("")).header(disposition).body(body);
    }
    let is_utf8_text = media_type.starts_with("text/") && std::str::from_utf8(&file.bytes).is_ok();
    let content_type = if is_utf8_text { octets(&format!("{media_type}; charset=utf-8")) } else { octets(&media_type) };
    let body = encoded(file.bytes.clone(), ContentTransferEncoding::Base64);
    SinglePart::builder().content_type(content_type).header(disposition).body(body)
}

/// The content type that the text names, else `application/octet-stream`.
fn octets(text: &str) -> ContentType {
    ContentType::parse(text)
        .or_else(|_| ContentType::parse("application/octet-stream"))
        .unwrap_or(ContentType::TEXT_PLAIN)
}

/// `type/subtype` in lower case, without parameters; empty where there is none, or where it is a
/// kind that may not be encoded.
fn media_type(text: &str) -> String {
    let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let token = |word: &str| {
        !word.is_empty()
            && word.len() <= 80
            && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
    };
    match essence.split_once('/') {
        Some(("multipart", _)) => String::new(),
        Some(("message", sub)) if sub != "rfc822" => String::new(),
        Some((kind, sub)) if token(kind) && token(sub) => essence,
        _ => String::new(),
    }
}

/// The last part of a path, controls and what looks like a path made harmless.
fn file_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).find(|part| !part.is_empty()).unwrap_or_default();
    let clean: String = last.chars().map(|c| if c.is_control() { '_' } else { c }).take(200).collect();
    let clean = clean.trim().trim_start_matches('.');
    if clean.is_empty() { "attachment".to_owned() } else { clean.to_owned() }
}

/// A boundary that depends on the message alone. `=_` occurs in neither base64 nor quoted-printable
/// (RFC 2045 §6.7), the digest in no other message.
fn boundary(draft: &Draft, stamp: &Stamp) -> String {
    let digest = Sha256::new().chain_update(stamp.message_id.as_str()).chain_update(&draft.body).finalize();
    digest.iter().take(16).fold("=_".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

/// The date in the author's zone (RFC 5322 §3.3); lettre writes all dates in UTC.
fn local_date(stamp: &Stamp) -> Option<String> {
    let offset = jiff::tz::Offset::from_seconds(stamp.offset_minutes.checked_mul(60)?).ok()?;
    let zoned = jiff::Timestamp::from_second(stamp.date.get()).ok()?.to_zoned(jiff::tz::TimeZone::fixed(offset));
    jiff::fmt::rfc2822::to_string(&zoned).ok()
}

fn refused(subject: &str, why: &str) -> Flaw {
    Flaw { about: subject.to_owned(), why: why.to_owned(), fixable: Fixable::ByAuthor }
}

fn bug(subject: &str, why: &str) -> Flaw {
    Flaw { about: subject.to_owned(), why: why.to_owned(), fixable: Fixable::ByNobody }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::ids::AccountId;

    fn draft() -> Draft {
        Draft {
            to: "Bob <bob@example.net>".to_owned(),
            subject: "Hello".to_owned(),
            body: "Hi Bob,\n\nbye\n".to_owned(),
            ..Draft::new(
                "d1".to_owned(),
                AccountId::new("ada"),
                Address { name: "Ada Lovelace".to_owned(), email: "ada@example.org".to_owned() },
                Timestamp::new(0),
            )
        }
    }

    fn stamp() -> Stamp {
        Stamp {
            date: Timestamp::new(1_795_304_969),
            offset_minutes: 60,
            message_id: MessageId::new("u1@example.org").unwrap(),
        }
    }

    fn text(draft: &Draft, files: &[Attached]) -> String {
        let built = build(draft, files, &stamp()).unwrap();
        assert!(wire::is_canonical(&built.wire) && built.wire.is_ascii());
        assert_eq!(build(draft, files, &stamp()).unwrap(), built, "the same draft gives the same bytes");
        String::from_utf8(built.wire).unwrap()
    }

    #[test]
    fn a_small_message_to_the_byte() {
        assert_eq!(
            text(&draft(), &[]),
            "Date: Sun, 22 Nov 2026 00:49:29 +0100\r\nFrom: \"Ada Lovelace\" <ada@example.org>\r\n".to_owned()
                + "To: Bob <bob@example.net>\r\nSubject: Hello\r\nMessage-ID: <u1@example.org>\r\n"
                + "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8; format=flowed\r\n"
                + "Content-Transfer-Encoding: 7bit\r\n\r\nHi Bob,\r\n\r\nbye\r\n"
        );
    }

    #[test]
    fn bcc_is_told_the_server_and_nobody_else() {
        let draft = Draft { bcc: "eve@example.com, bob@example.net".to_owned(), ..draft() };
        let built = build(&draft, &[], &stamp()).unwrap();
        assert!(!String::from_utf8(built.wire).unwrap().to_ascii_lowercase().contains("eve"));
        assert_eq!(built.submission.recipients, ["bob@example.net", "eve@example.com"]);
        assert_eq!(built.bcc, ["eve@example.com", "bob@example.net"]);
        let hidden = Draft { to: String::new(), ..draft };
        assert!(text(&hidden, &[]).contains("\r\nTo: undisclosed-recipients:;\r\n"));
    }

    #[test]
    fn names_and_subjects_cannot_inject_or_panic() {
        for bad in ["Eve\nBcc: x@y", "a\r\n\r\nb", "\u{0}\u{7f}\u{85}x", "\u{1b}[31m", " ", "\"q\\", "=?utf-8?q?=0A?="]
        {
            let draft = Draft {
                subject: bad.to_owned(),
                from: Address { name: bad.to_owned(), email: "ada@example.org".to_owned() },
                ..draft()
            };
            let text =
                text(&draft, &[Attached { name: bad.to_owned(), media_type: bad.to_owned(), bytes: vec![0, 255] }]);
            let header = text.split("\r\n\r\n").next().unwrap();
            assert!(!header.contains("\r\nBcc"), "{text}");
            assert!(header.bytes().all(|b| b >= b' ' || b == b'\r' || b == b'\n' || b == b'\t'), "{header:?}");
        }
    }

    #[test]
    fn what_is_no_address_is_named() {
        for (to, about) in [
            ("bob", "bob"),
            ("a@b, \"x", "\"x"),
            ("ä@example.org", "ä@example.org"),
            ("a b@c", "a b@c"),
            ("", "the message"),
        ] {
            let flaw = build(&Draft { to: to.to_owned(), ..draft() }, &[], &stamp()).unwrap_err();
            assert_eq!((flaw.about.as_str(), flaw.fixable), (about, Fixable::ByAuthor), "{to}");
        }
    }

    #[test]
    fn domains_are_written_in_ascii() {
        let built = build(&Draft { to: "J <j@bücher.example>".to_owned(), ..draft() }, &[], &stamp()).unwrap();
        assert_eq!(built.submission.recipients, ["j@xn--bcher-kva.example"]);
    }

    #[test]
    fn attachments_go_as_they_are() {
        let file = |name: &str, media_type: &str, bytes: &[u8]| Attached {
            name: name.to_owned(),
            media_type: media_type.to_owned(),
            bytes: bytes.to_vec(),
        };
        let inner = b"From: a@b\nSubject: x\n\nhi\n";
        let files = [
            file("../../etc/Füße.txt", "text/plain", b"a\nb\n"),
            file("x.png", "image/png; name=y", &[1, 2, 3]),
            file("m.eml", "message/rfc822", inner),
            file("n.eml", "message/rfc822", "Subject: ü\n\n".as_bytes()),
        ];
        let text = text(&draft(), &files);
        for part in [
            "Content-Type: text/plain; charset=utf-8\r\nContent-Disposition: attachment;\r\n filename*0*=utf-8''F%C3%BC%C3%9Fe.txt\r\nContent-Transfer-Encoding: base64\r\n\r\nYQpiCg==\r\n",
            "Content-Type: image/png\r\nContent-Disposition: attachment; filename=\"x.png\"\r\nContent-Transfer-Encoding: base64\r\n\r\nAQID\r\n",
            "Content-Type: message/rfc822\r\nContent-Disposition: attachment; filename=\"m.eml\"\r\nContent-Transfer-Encoding: 7bit\r\n\r\nFrom: a@b\r\nSubject: x\r\n\r\nhi\r\n",
            "Content-Type: application/octet-stream\r\nContent-Disposition: attachment; filename=\"n.eml\"",
        ] {
            assert!(text.contains(part), "{part}\n---\n{text}");
        }
        assert!(text.ends_with("--\r\n"));
    }

    #[test]
    fn the_text_is_encoded_only_as_far_as_needed() {
        for (body, encoding) in [
            ("plain ".repeat(40), "7bit"),
            ("Grüße aus Köln, bis bald".to_owned(), "quoted-printable"),
            ("日本語のメール".to_owned(), "base64"),
            ("x".repeat(2000), "quoted-printable"),
            ("esc \u{1b}[0m".to_owned(), "quoted-printable"),
        ] {
            let text = text(&Draft { body, ..draft() }, &[]);
            assert!(text.contains(&format!("Content-Transfer-Encoding: {encoding}\r\n")), "{text}");
            assert!(text.lines().all(|line| line.len() <= 80), "{text}");
        }
    }

    #[test]
    fn references_keep_their_ends_when_they_are_trimmed() {
        let ids: Vec<MessageId> =
            (0..200).map(|n| MessageId::new(&format!("{n}-{}@x", "y".repeat(20))).unwrap()).collect();
        let draft = Draft { in_reply_to: ids.last().cloned(), references: ids, ..draft() };
        let text = text(&draft, &[]);
        let at = text.find("References: ").unwrap();
        let field: String = text
            .split_at(at)
            .1
            .split("\r\n")
            .enumerate()
            .take_while(|(n, l)| *n == 0 || l.starts_with(' '))
            .map(|(_, l)| l)
            .collect();
        assert!(field.len() < MAX_REFERENCES + 100, "{}", field.len());
        assert!(field.contains("<0-") && field.contains("<199-") && !field.contains("<1-"));
        assert!(text.lines().all(|line| line.len() <= 80));
    }

    #[test]
    fn a_subject_is_read_as_it_was_typed() {
        for subject in [
            "=?utf-8?q?x?= y",
            &"w".repeat(700),
            "Grüße an alle, die das hier und noch viel mehr lesen wollen",
            "plain",
        ] {
            let text = text(&Draft { subject: subject.to_owned(), ..draft() }, &[]);
            let (header, _) = mailparse::parse_headers(text.as_bytes()).unwrap();
            let read = header.iter().find(|h| h.get_key_ref() == "Subject").unwrap().get_value();
            assert_eq!(read, subject);
            assert!(text.lines().all(|line| line.len() <= 78), "{text}");
        }
    }

    #[test]
    fn the_id_names_the_domain_of_the_sender() {
        let from = Address { name: String::new(), email: "j@bücher.example".to_owned() };
        assert_eq!(message_id("q7", &from).unwrap().as_str(), "q7@xn--bcher-kva.example");
    }
}
