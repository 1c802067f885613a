//! Writes the demo's messages as they would have come over the wire: RFC 5322 header, MIME body,
//! CRLF. Knows nothing of what they say.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::words::Person;
use crate::mail::date;
use crate::mail::flags::Flags;
use crate::mail::ids::Timestamp;

/// One message of the demo and where it lies.
#[derive(Debug, Clone)]
pub(crate) struct Letter {
    /// The mailbox.
    pub(crate) mailbox: &'static str,
    /// Its flags there.
    pub(crate) flags: Flags,
    /// When it arrived.
    pub(crate) date: Timestamp,
    /// The message.
    pub(crate) bytes: Vec<u8>,
}

/// What a message says beside its text.
#[derive(Debug, Clone)]
pub(super) struct Head<'a> {
    pub(super) from: Person,
    pub(super) to: Vec<Person>,
    pub(super) cc: Vec<Person>,
    pub(super) subject: &'a str,
    pub(super) date: Timestamp,
    pub(super) id: &'a str,
    /// The ids of the thread so far, oldest first.
    pub(super) references: &'a [String],
    /// The List-Id without brackets.
    pub(super) list: Option<&'a str>,
}

/// What a message carries.
#[derive(Debug, Clone)]
pub(super) enum Body {
    Plain(String),
    Alternative {
        plain: String,
        html: String,
    },
    Attached {
        plain: String,
        files: Vec<File>,
    },
    /// Header lines of its own (Content-Type …), an empty line and the rest, as it is.
    Verbatim(String),
}

/// An attachment.
#[derive(Debug, Clone)]
pub(super) struct File {
    pub(super) name: &'static str,
    pub(super) media_type: &'static str,
    pub(super) bytes: Vec<u8>,
}

/// Writes the message.
pub(super) fn write(head: &Head<'_>, body: &Body) -> Vec<u8> {
    let mut out = String::with_capacity(1024);
    field(&mut out, "From", &address(head.from));
    field(&mut out, "To", &addresses(&head.to));
    if !head.cc.is_empty() {
        field(&mut out, "Cc", &addresses(&head.cc));
    }
    field(&mut out, "Subject", &encoded(head.subject));
    field(&mut out, "Date", &date::format(head.date, 0));
    field(&mut out, "Message-ID", &format!("<{}>", head.id));
    if let Some(parent) = head.references.last() {
        field(&mut out, "In-Reply-To", &format!("<{parent}>"));
        let all: Vec<String> = head.references.iter().map(|id| format!("<{id}>")).collect();
        field(&mut out, "References", &all.join("\n "));
    }
    if let Some(list) = head.list {
        let address = list.replacen('.', "@", 1);
        field(&mut out, "List-Id", &format!("<{list}>"));
        field(&mut out, "List-Post", &format!("<mailto:{address}>"));
        field(&mut out, "List-Unsubscribe", &format!("<https://lists.example.org/u/{list}>"));
    }
    field(&mut out, "MIME-Version", "1.0");
    write_body(&mut out, head.id, body);
    out.replace("\r\n", "\n").replace('\n', "\r\n").into_bytes()
}

fn write_body(out: &mut String, id: &str, body: &Body) {
    let boundary = format!("=_{}", id.split('@').next().unwrap_or("b"));
    match body {
        Body::Plain(text) => text_part(out, "plain", text),
        Body::Alternative { plain, html } => {
            field(out, "Content-Type", &format!("multipart/alternative; boundary=\"{boundary}\""));
            out.push('\n');
            for (kind, text) in [("plain", plain), ("html", html)] {
                out.push_str(&format!("--{boundary}\n"));
                text_part(out, kind, text);
            }
            out.push_str(&format!("--{boundary}--\n"));
        }
        Body::Attached { plain, files } => {
            field(out, "Content-Type", &format!("multipart/mixed; boundary=\"{boundary}\""));
            out.push('\n');
            out.push_str(&format!("--{boundary}\n"));
            text_part(out, "plain", plain);
            for file in files {
                out.push_str(&format!("--{boundary}\n"));
                field(out, "Content-Type", file.media_type);
                field(out, "Content-Disposition", &format!("attachment; filename=\"{}\"", file.name));
                field(out, "Content-Transfer-Encoding", "base64");
                out.push('\n');
                base64_lines(out, &file.bytes);
            }
            out.push_str(&format!("--{boundary}--\n"));
        }
        Body::Verbatim(rest) => out.push_str(rest),
    }
}

fn text_part(out: &mut String, kind: &str, text: &str) {
    field(out, "Content-Type", &format!("text/{kind}; charset=utf-8"));
    if text.is_ascii() {
        field(out, "Content-Transfer-Encoding", "7bit");
        out.push('\n');
        out.push_str(text);
        if !text.ends_with('\n') {
            out.push('\n');
        }
    } else {
        field(out, "Content-Transfer-Encoding", "base64");
        out.push('\n');
        base64_lines(out, text.replace('\n', "\r\n").as_bytes());
    }
}

fn base64_lines(out: &mut String, bytes: &[u8]) {
    for chunk in bytes.chunks(57) {
        out.push_str(&STANDARD.encode(chunk));
        out.push('\n');
    }
}

fn field(out: &mut String, name: &str, value: &str) {
    out.push_str(name);
    out.push_str(": ");
    out.push_str(value);
    out.push('\n');
}

fn addresses(people: &[Person]) -> String {
    people.iter().map(|p| address(*p)).collect::<Vec<_>>().join(",\n ")
}

fn address(person: Person) -> String {
    format!("{} <{}>", encoded(person.name), person.email)
}

/// Encoded words (RFC 2047) of at most 42 bytes of text each, where the text needs them.
fn encoded(text: &str) -> String {
    if text.is_ascii() {
        return text.to_owned();
    }
    let mut words = Vec::new();
    let mut word = String::new();
    for c in text.chars() {
        if word.len() + c.len_utf8() > 42 {
            words.push(std::mem::take(&mut word));
        }
        word.push(c);
    }
    words.push(word);
    words.iter().map(|w| format!("=?utf-8?B?{}?=", STANDARD.encode(w))).collect::<Vec<_>>().join("\n ")
}
