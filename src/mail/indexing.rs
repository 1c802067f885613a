//! What the index takes in of a message: the summary, the words of its text and the names of its
//! attachments. The hot path of the first sync: one pass, no renderer, bounded text.

use super::envelope::Envelope;
use super::markup;
use super::message::{Message, Part};

/// The most bytes of text that are taken of one message.
pub const MAX_TEXT: usize = 256 * 1024;
/// The most encoded bytes of one part that are looked at: markup and encoding take their share.
const MAX_RAW: usize = 4 * MAX_TEXT;
/// The most names of attachments.
const MAX_NAMES: usize = 200;

/// What the index takes in of a message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Digest {
    /// The summary, with what only the whole message tells.
    pub envelope: Envelope,
    /// The text, part by part, HTML without its tags: at most [`MAX_TEXT`] bytes.
    pub text: String,
    /// The names of the attachments.
    pub files: Vec<String>,
}

/// Reads a whole message for the index.
pub fn digest(bytes: &[u8]) -> Digest {
    let message = Message::parse(bytes);
    let mut digest = Digest { envelope: message.envelope(), ..Digest::default() };
    for (at, part) in message.parts().iter().enumerate() {
        if digest.files.len() < MAX_NAMES
            && let Some(name) = part.file_name()
        {
            digest.files.push(name.to_owned());
        }
        if digest.text.len() < MAX_TEXT && part.is_text() && !is_repeated(&message, at, part) {
            push(part, &mut digest.text);
        }
        // The subject of an enclosed message is text of this one.
        if part.parent().and_then(|parent| message.part(parent)).is_some_and(Part::is_message)
            && let Some(subject) = part.header().first("Subject")
        {
            append(&subject.text(), &mut digest.text);
        }
    }
    digest
}

/// Is it the HTML of a text that was taken already?
fn is_repeated(message: &Message<'_>, at: usize, part: &Part<'_>) -> bool {
    let Some(parent) = part.parent().and_then(|parent| message.part(parent)) else { return false };
    part.media_type() == "text/html"
        && parent.media_type() == "multipart/alternative"
        && parent.children().iter().take_while(|child| **child < at).any(|child| {
            message.part(*child).is_some_and(|sibling| {
                sibling.media_type() == "text/plain" && sibling.body().trim_ascii().len() > part.body().len() / 40
            })
        })
}

fn push(part: &Part<'_>, out: &mut String) {
    let text = part.text(MAX_RAW);
    if part.media_type() == "text/html" {
        append(&markup::strip(&text, MAX_TEXT - out.len().min(MAX_TEXT)), out);
    } else {
        append(&text, out);
    }
}

/// Appends as much of `text` as there is room for.
fn append(text: &str, out: &mut String) {
    let room = MAX_TEXT.saturating_sub(out.len() + 1);
    let end = text.floor_char_boundary(room);
    if !out.is_empty() {
        out.push('\n');
    }
    out.push_str(text.get(..end).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_names_and_summary() {
        let digest = digest(
            b"Subject: s\nContent-Type: multipart/mixed; boundary=m\n\n--m\nContent-Type: multipart/alternative; boundary=a\n\n\
              --a\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\ncaf=C3=A9 plain\n\
              --a\nContent-Type: text/html\n\n<p>html twin\n--a--\n--m\nContent-Type: text/html\n\n<b>only</b> html\n\
              --m\nContent-Type: image/png; name=\"cat.png\"\n\n\n--m\nContent-Type: message/rfc822\n\nSubject: inner\n\nwords\n--m--\n",
        );
        assert_eq!(digest.text, "café plain\nonly html\nwords\ninner");
        assert_eq!(digest.files, ["cat.png"]);
        assert!(digest.envelope.has_attachment);
        assert_eq!(digest.envelope.subject, "s");
    }

    #[test]
    fn text_is_bounded_and_cut_between_characters() {
        let long = format!("Content-Type: text/plain; charset=utf-8\n\n{}", "é".repeat(MAX_TEXT));
        let digest = digest(long.as_bytes());
        assert!(digest.text.len() <= MAX_TEXT && digest.text.len() > MAX_TEXT - 4);
    }
}
