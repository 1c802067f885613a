//! What one row of the list needs of a message (RFC 9051 §2.3.5).

use super::address::{self, Address};
use super::date;
use super::header::{self, Field, Header};
use super::ids::{MessageId, Timestamp};
use super::transfer;

/// The summary of a message: made from its header once, kept in the index.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of the header that any other may go with")]
pub struct Envelope {
    /// The Message-ID, where there is a usable one.
    pub message_id: Option<MessageId>,
    /// In-Reply-To, oldest first.
    pub in_reply_to: Vec<MessageId>,
    /// References, oldest first, at most 100.
    pub references: Vec<MessageId>,
    /// What Exchange calls the conversation: the first 22 bytes of Thread-Index, where there are so many.
    pub thread_index: Option<[u8; 22]>,
    /// When it was written: Date, else the newest Received, else zero.
    pub date: Timestamp,
    /// From, all of them.
    pub from: Vec<Address>,
    /// To.
    pub to: Vec<Address>,
    /// Cc.
    pub cc: Vec<Address>,
    /// Subject, decoded, text from outside.
    pub subject: String,
    /// List-Id without brackets (RFC 2919), lower case.
    pub list_id: Option<String>,
    /// Does a list offer a way to leave it (RFC 2369 §3.2)?
    pub can_unsubscribe: bool,
    /// Was it sent by a machine or to many at once: by Precedence, Auto-Submitted (RFC 3834 §5) or List-Id?
    pub is_bulk: bool,
    /// Did a machine write it by itself, so that it answers for nobody: by Auto-Submitted (RFC 3834 §5), the marks of
    /// Exchange and of older programs, or as a report (RFC 6522)?
    pub is_automatic: bool,
    /// Is there a part that a reader would call an attachment?
    pub has_attachment: bool,
}

impl Envelope {
    /// Reads the header of a message; its body, if there, is not looked at. Whether there is an
    /// attachment is known only of the whole message: see [`super::indexing::digest`].
    pub fn parse(bytes: &[u8]) -> Self {
        Self::of(&Header::split(bytes))
    }

    /// Makes the summary of a header that is split already.
    pub fn of(header: &Header<'_>) -> Self {
        let mut envelope = Self::default();
        let mut dated: Option<Timestamp> = None;
        let mut received: Option<Timestamp> = None;
        let mut subject: Option<String> = None;
        let mut suppresses = false;
        for field in header.fields() {
            match field.name().len() {
                2 if field.is("To") => extend(&mut envelope.to, header, field),
                2 if field.is("Cc") => extend(&mut envelope.cc, header, field),
                4 if field.is("From") => extend(&mut envelope.from, header, field),
                4 if field.is("Date") && dated.is_none() => dated = date::parse(&field.unfolded()),
                7 if field.is("Subject") && subject.is_none() => {
                    subject = Some(header::decode_words(&header.line(field)).into_owned());
                }
                7 if field.is("List-Id") && envelope.list_id.is_none() => {
                    envelope.list_id = header::list_id(&field.unfolded());
                    envelope.is_bulk = true;
                }
                // The newest hop stands first.
                8 if field.is("Received") && received.is_none() => received = received_at(field),
                10 if field.is("Message-Id") && envelope.message_id.is_none() => {
                    let value = field.unfolded();
                    envelope.message_id =
                        header::message_ids(&value).into_iter().next().or_else(|| MessageId::new(&value));
                }
                10 if field.is("Precedence") => {
                    let value = field.unfolded();
                    envelope.is_bulk |= ["bulk", "list", "junk"].iter().any(|it| value.trim().eq_ignore_ascii_case(it));
                    envelope.is_automatic |= value.trim().eq_ignore_ascii_case("auto_reply");
                }
                10 if field.is("References") && envelope.references.is_empty() => {
                    envelope.references = header::message_ids(&field.unfolded());
                }
                11 if field.is("In-Reply-To") && envelope.in_reply_to.is_empty() => {
                    envelope.in_reply_to = header::message_ids(&field.unfolded());
                }
                12 if field.is("Content-Type") => {
                    let value = field.unfolded();
                    let kind = value.split(';').next().unwrap_or_default().trim();
                    envelope.is_automatic |= kind.eq_ignore_ascii_case("multipart/report");
                }
                12 if field.is("Thread-Index") && envelope.thread_index.is_none() => {
                    envelope.thread_index = transfer::base64(field.raw()).first_chunk().copied();
                }
                14 if field.is("Auto-Submitted") => {
                    let word = field.unfolded();
                    let word = word.split([';', '(']).next().unwrap_or_default().trim();
                    let by_itself = !word.is_empty() && !word.eq_ignore_ascii_case("no");
                    envelope.is_bulk |= by_itself;
                    envelope.is_automatic |= by_itself;
                }
                16 if field.is("List-Unsubscribe") => envelope.can_unsubscribe = !field.raw().is_empty(),
                24 if field.is("X-Auto-Response-Suppress") => {
                    let value = field.unfolded();
                    suppresses |= !value.trim().is_empty() && !value.trim().eq_ignore_ascii_case("none");
                }
                _ => {}
            }
        }
        // Trackers set that on what people write to all who follow, too, and that is a list.
        envelope.is_automatic |= suppresses && envelope.list_id.is_none();
        envelope.date = dated.or(received).unwrap_or_default();
        envelope.subject = subject.unwrap_or_default();
        envelope
    }
}

fn extend<'a>(addresses: &mut Vec<Address>, header: &Header<'a>, field: &Field<'a>) {
    let more = address::parse_list(&header.line(field));
    if addresses.is_empty() {
        *addresses = more;
    } else {
        addresses.extend(more);
    }
}

/// The moment behind the last semicolon of a Received field (RFC 5321 §4.4).
fn received_at(field: &Field<'_>) -> Option<Timestamp> {
    let value = field.unfolded();
    date::parse(value.rsplit_once(';')?.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_becomes_a_row() {
        let envelope = Envelope::parse(
            b"Received: from a by b; Sat, 21 Nov 2026 23:50:10 +0000\r\nReceived: from c by a; Sat, 21 Nov 2026 20:00:00 +0000\r\n\
              Date: garbage\r\nFrom: Ada <ada@example.org>\r\nTo: Lin\r\n =?utf-8?q?W=C3=A9i?= <lin@example.cn>, b@c\r\n\
              Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n an alle\r\nSubject: not this\r\nMessage-ID: <m1@example.org>\r\n\
              In-Reply-To: Your mail <m0@example.org>\r\nReferences: <a@x> <m0@example.org>\r\n\
              Thread-Index: AdxgQkN2R5n3Hm9uTk2xQmP0S1rC4gAAbWxF\r\n\
              List-Id: All <all.example.org>\r\nList-Unsubscribe: <https://example.org/u>\r\n\r\nFrom: no@header\r\n",
        );
        let ids = |ids: &[MessageId]| ids.iter().map(|id| id.as_str().to_owned()).collect::<Vec<_>>();
        assert_eq!(envelope.date.get(), 1_795_305_010);
        assert_eq!(envelope.from.len(), 1);
        assert_eq!(envelope.to[0].name, "Lin Wéi");
        assert_eq!(envelope.to[1].email, "b@c");
        assert_eq!(envelope.subject, "Grüße an alle");
        assert_eq!(envelope.message_id.as_ref().map(MessageId::as_str), Some("m1@example.org"));
        assert_eq!(ids(&envelope.in_reply_to), ["m0@example.org"]);
        assert_eq!(ids(&envelope.references), ["a@x", "m0@example.org"]);
        assert_eq!(envelope.list_id.as_deref(), Some("all.example.org"));
        assert_eq!(envelope.thread_index.map(|index| (index[0], index[21])), Some((0x01, 0xe2)));
        assert!(envelope.can_unsubscribe);
    }

    #[test]
    fn machines_and_lists_are_told_from_people() {
        let table = [
            ("Precedence: bulk\n", true),
            ("Precedence: first-class\n", false),
            ("Auto-Submitted: auto-replied (vacation)\n", true),
            ("Auto-Submitted: no\n", false),
            ("Auto-Submitted: No; x=y\n", false),
            ("List-Id: <a.example>\n", true),
            ("", false),
        ];
        for (header, is_bulk) in table {
            assert_eq!(Envelope::parse(header.as_bytes()).is_bulk, is_bulk, "{header}");
        }
    }

    #[test]
    fn what_a_machine_says_by_itself_is_told_from_what_people_write() {
        let table = [
            ("Auto-Submitted: auto-replied\n", true),
            ("Auto-Submitted: auto-generated; x=y\n", true),
            ("Auto-Submitted: no (a person)\n", false),
            ("Precedence: Auto_Reply\n", true),
            ("Precedence: bulk\n", false),
            ("X-Auto-Response-Suppress: DR, OOF, AutoReply\n", true),
            ("X-Auto-Response-Suppress: None\n", false),
            ("X-Auto-Response-Suppress: All\nList-ID: <tern.example>\n", false),
            ("Auto-Submitted: auto-replied\nList-Id: <tern.example>\n", true),
            ("Content-Type: multipart/report; report-type=delivery-status;\n boundary=x\n", true),
            ("Content-Type: Multipart/Report\n", true),
            ("Content-Type: multipart/reporters\n", false),
            ("Content-Type: text/plain; name=\"multipart/report\"\n", false),
            ("", false),
        ];
        for (header, is_automatic) in table {
            assert_eq!(Envelope::parse(header.as_bytes()).is_automatic, is_automatic, "{header}");
        }
    }

    #[test]
    fn nothing_becomes_an_empty_row() {
        assert_eq!(Envelope::parse(b""), Envelope::default());
        assert_eq!(Envelope::parse(b"no header at all\n"), Envelope::default());
    }
}
