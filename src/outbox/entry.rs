//! The file of an entry: a line that names the format, the envelope as one line of JSON, the
//! message, an end mark and a checksum over all before it. A file that does not end in its own
//! checksum is damaged, whatever else it says. Pure: bytes in, bytes out.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::fault::{Again, Cause, Doing, Fault, Scope};
use crate::job::outbox::{EntryId, Outgoing};
use crate::mail::ids::{AccountId, MessageId, Timestamp};
use crate::mail::journal;
use crate::mail::submission::Submission;

/// The first line; the number goes up with the format.
const MAGIC: &str = "tern outbox 1\n";
/// What stands between the message and the checksum.
const END: &[u8] = b"\nend ";
/// The longest envelope line that is read: a draft with a large text is in it.
pub const MAX_HEAD: usize = 64 << 20;

/// What is known of an entry beside its message.
#[derive(Debug, Clone, PartialEq)]
pub struct Head {
    /// Which account sends it.
    pub account: AccountId,
    /// To whom.
    pub submission: Submission,
    /// The Bcc addresses, for the kept copy.
    pub bcc: Vec<String>,
    /// Its Message-ID.
    pub message_id: Option<MessageId>,
    /// Not before then.
    pub hold_until: Option<Timestamp>,
    /// The message it answers.
    pub answers: Option<MessageId>,
    /// The message it forwards.
    pub forwards: Option<MessageId>,
    /// When it was queued.
    pub queued_at: Timestamp,
    /// The subject, not yet clean.
    pub subject: String,
    /// The message's size in bytes.
    pub size: u64,
    /// The draft it was made from, as [`journal::write`] wrote it.
    pub draft: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Written {
    account: String,
    sender: String,
    recipients: Vec<String>,
    #[serde(default)]
    bcc: Vec<String>,
    #[serde(default)]
    message_id: Option<String>,
    #[serde(default)]
    hold_until: Option<i64>,
    #[serde(default)]
    answers: Option<String>,
    #[serde(default)]
    forwards: Option<String>,
    queued_at: i64,
    #[serde(default)]
    subject: String,
    size: u64,
    #[serde(default)]
    draft: Option<String>,
}

/// Makes the whole file of an entry.
pub fn write(outgoing: &Outgoing, subject: &str, queued_at: Timestamp) -> Vec<u8> {
    let id = |id: &Option<MessageId>| id.as_ref().map(|id| id.as_str().to_owned());
    let written = Written {
        account: outgoing.account.as_str().to_owned(),
        sender: outgoing.submission.sender.clone(),
        recipients: outgoing.submission.recipients.clone(),
        bcc: outgoing.bcc.clone(),
        message_id: id(&outgoing.message_id),
        hold_until: outgoing.hold_until.map(Timestamp::get),
        answers: id(&outgoing.answers),
        forwards: id(&outgoing.forwards),
        queued_at: queued_at.get(),
        subject: subject.to_owned(),
        size: outgoing.wire.len() as u64,
        draft: outgoing.draft.as_deref().map(journal::write),
    };
    let head = serde_json::to_string(&written).unwrap_or_default();
    let mut file = Vec::with_capacity(outgoing.wire.len() + head.len() + 100);
    file.extend_from_slice(MAGIC.as_bytes());
    file.extend_from_slice(head.as_bytes());
    file.push(b'\n');
    file.extend_from_slice(&outgoing.wire);
    file.extend_from_slice(END);
    let sum = checksum(&file);
    file.extend_from_slice(sum.as_bytes());
    file.push(b'\n');
    file
}

/// Reads the envelope from the beginning of a file: at least its first two lines.
pub fn read_head(name: &str, bytes: &[u8]) -> Result<Head, Fault> {
    split_head(name, bytes).map(|(head, _)| head)
}

/// Reads a whole file, and believes it only if its checksum fits.
pub fn read(name: &str, bytes: &[u8]) -> Result<(Head, Arc<[u8]>), Fault> {
    let tail = END.len() + 64 + 1;
    let body_end = bytes.len().checked_sub(tail).ok_or_else(|| damaged(name, "it is cut short"))?;
    let (before, after) = bytes.split_at_checked(body_end).unwrap_or((bytes, b""));
    let summed = bytes.get(..body_end + END.len()).unwrap_or_default();
    let expected = [END, checksum(summed).as_bytes(), b"\n"].concat();
    if after != expected {
        return Err(damaged(name, "its checksum does not fit"));
    }
    let (head, message) = split_head(name, before)?;
    if message.len() as u64 != head.size {
        return Err(damaged(name, "its size does not fit"));
    }
    Ok((head, Arc::from(message)))
}

fn split_head<'a>(name: &str, bytes: &'a [u8]) -> Result<(Head, &'a [u8]), Fault> {
    let rest = bytes.strip_prefix(MAGIC.as_bytes()).ok_or_else(|| damaged(name, "it is no entry of an outbox"))?;
    let end = rest.iter().take(MAX_HEAD).position(|b| *b == b'\n');
    let (line, message) = end
        .and_then(|end| Some((rest.get(..end)?, rest.get(end + 1..)?)))
        .ok_or_else(|| damaged(name, "its envelope is cut short"))?;
    let written: Written =
        serde_json::from_slice(line).map_err(|error| damaged(name, &format!("its envelope: {error}")))?;
    if written.recipients.is_empty() {
        return Err(damaged(name, "it has no recipient"));
    }
    let id = |id: &Option<String>| id.as_deref().and_then(MessageId::new);
    let head = Head {
        account: AccountId::new(&written.account),
        message_id: id(&written.message_id),
        answers: id(&written.answers),
        forwards: id(&written.forwards),
        submission: Submission { sender: written.sender, recipients: written.recipients },
        bcc: written.bcc,
        hold_until: written.hold_until.map(Timestamp::new),
        queued_at: Timestamp::new(written.queued_at),
        subject: written.subject,
        size: written.size,
        draft: written.draft,
    };
    Ok((head, message))
}

/// Makes the name of an entry: names sort by the time of queueing.
pub fn name(now: Timestamp, process: u32, counter: u64, random: u64) -> Option<EntryId> {
    EntryId::new(&format!("{:010}.{random:016x}.{process}-{counter}", now.get()))
}

fn checksum(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |text, byte| format!("{text}{byte:02x}"))
}

fn damaged(name: &str, why: &str) -> Fault {
    Fault::new(Doing::Queueing, name, Cause::Damaged).scope(Scope::Message).again(Again::Never).detail(why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outgoing() -> Outgoing {
        Outgoing {
            account: AccountId::new("ada"),
            submission: Submission {
                sender: "ada@example.org".to_owned(),
                recipients: vec!["bob@example.net".to_owned(), "eve@example.com".to_owned()],
            },
            wire: Arc::from(b"Subject: x\r\n\r\n\nend 00\r\n".as_slice()),
            bcc: vec!["eve@example.com".to_owned()],
            message_id: MessageId::new("a@b"),
            hold_until: Some(Timestamp::new(7)),
            answers: MessageId::new("c@d"),
            forwards: None,
            draft: None,
        }
    }

    #[test]
    fn what_was_written_is_read() {
        let outgoing = outgoing();
        let file = write(&outgoing, "x\n\u{1b}", Timestamp::new(9));
        let (head, wire) = read("e", &file).unwrap();
        assert_eq!(wire, outgoing.wire);
        assert_eq!((head.subject.as_str(), head.size), ("x\n\u{1b}", outgoing.wire.len() as u64));
        assert_eq!((&head.submission, &head.bcc), (&outgoing.submission, &outgoing.bcc));
        assert_eq!((head.hold_until, head.queued_at), (Some(Timestamp::new(7)), Timestamp::new(9)));
        assert_eq!(read_head("e", &file).unwrap(), head);
    }

    #[test]
    fn any_change_and_any_cut_is_seen() {
        let file = write(&outgoing(), "x", Timestamp::new(9));
        for at in 0..file.len() {
            assert!(read("e", &file[..at]).is_err(), "cut at {at}");
            let mut changed = file.clone();
            changed[at] ^= 1;
            assert_eq!(read("e", &changed).unwrap_err().cause, Cause::Damaged, "changed at {at}");
        }
        assert!(read("e", &[file.as_slice(), b"\n"].concat()).is_err());
    }

    #[test]
    fn names_are_legal_and_sort_by_time() {
        let (early, late) =
            (name(Timestamp::new(9), 4_000_000, 1, u64::MAX), name(Timestamp::new(4_102_444_800), 1, 2, 0));
        assert!(early.unwrap() < late.unwrap());
    }
}
