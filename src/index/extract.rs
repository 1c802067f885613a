//! From a file of a Maildir to what the index keeps of it: reading it whole, telling it from others
//! by its bytes, preparing the texts of its row. What the bytes mean is `mail`'s business.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::contacts::{self, Met};
use super::schema::{ATTACHMENT, AUTOMATIC, LIST, OWN};
use super::words;
use crate::mail::address::Address;
use crate::mail::clean::Clean;
use crate::mail::envelope::Envelope;
use crate::mail::ids::{MessageId, Timestamp};
use crate::mail::indexing::{self, Digest};

/// The most of a file that is read; what lies behind it is neither searched nor compared.
const MAX_FILE: u64 = 64 << 20;

/// The most characters of who and of subject that a row keeps.
const MAX_LINE: usize = 400;

/// How many ancestors a message remembers, nearest first.
const MAX_PARENTS: usize = 12;

/// How far a message is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// What a row needs.
    Envelope,
    /// That and its words.
    Whole,
    /// The words alone, of a message whose row is there: what tells it from others is not asked.
    Words,
}

/// A message on its way into the index.
#[derive(Debug, Clone)]
pub(super) struct Incoming {
    pub(super) date: Timestamp,
    pub(super) message_id: Option<MessageId>,
    /// Its ancestors as keys, the nearest first; not all of a long line of them.
    pub(super) parents: Vec<i64>,
    /// All messages it names, as keys.
    pub(super) named: Vec<i64>,
    pub(super) size: i64,
    /// A number made of all its bytes.
    pub(super) digest: i64,
    pub(super) bits: i64,
    /// Whom it tells of.
    pub(super) met: Vec<Met>,
    /// The first From.
    pub(super) from: Address,
    pub(super) author: Clean,
    pub(super) recipients: Clean,
    pub(super) subject: Clean,
    /// Its words, where it was read whole.
    pub(super) text: Option<Texts>,
    /// Could its file not be read?
    pub(super) refused: bool,
}

/// The columns of the full text, already cut into words where no blanks do so.
#[derive(Debug, Clone, Default)]
pub(super) struct Texts(pub(super) [String; 7]);

/// Why a file is not taken in.
pub(super) enum Unread {
    /// It is not there (any more) under this name.
    Gone,
    /// It is there and cannot be read.
    Refused,
}

/// Reads a file. The date of a message that has none is that of its file.
pub(super) fn read(path: &Path, depth: Depth, own: &Own) -> Result<Incoming, Unread> {
    let missing = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => Unread::Gone,
        _ => Unread::Refused,
    };
    let file = File::open(path).map_err(missing)?;
    let meta = file.metadata().map_err(missing)?;
    if !meta.is_file() {
        return Err(Unread::Gone);
    }
    let mut bytes = Vec::with_capacity(usize::try_from(meta.len().min(MAX_FILE)).unwrap_or_default());
    file.take(MAX_FILE).read_to_end(&mut bytes).map_err(missing)?;
    let mut incoming = of_bytes(&bytes, depth, own);
    // A stub is as large as what it stands for.
    let size = crate::mail::stub::told(&bytes).unwrap_or(meta.len());
    incoming.size = i64::try_from(size).unwrap_or(i64::MAX);
    if incoming.date == Timestamp::default() {
        incoming.date = file_date(&meta);
    }
    Ok(incoming)
}

/// The row of a file that is there and cannot be read: it is shown, so that nobody believes that
/// there is no such message.
pub(super) fn unreadable(path: &Path) -> Incoming {
    let date = std::fs::metadata(path).map_or_else(|_| Timestamp::default(), |meta| file_date(&meta));
    let mut incoming = of_bytes(path.as_os_str().as_encoded_bytes(), Depth::Envelope, &Own::default());
    incoming.date = date;
    incoming.message_id = None;
    incoming.parents.clear();
    incoming.named.clear();
    incoming.met.clear();
    incoming.author = Clean::empty();
    incoming.subject = Clean::line("(this file cannot be read)");
    incoming.text = Some(Texts::default());
    incoming.refused = true;
    incoming
}

fn file_date(meta: &std::fs::Metadata) -> Timestamp {
    let since = meta.modified().ok().and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
    Timestamp::new(since.and_then(|since| i64::try_from(since.as_secs()).ok()).unwrap_or_default())
}

fn of_bytes(bytes: &[u8], depth: Depth, own: &Own) -> Incoming {
    let (envelope, text) = match depth {
        Depth::Envelope => (Envelope::parse(bytes), None),
        Depth::Whole | Depth::Words => {
            let digest = indexing::digest(bytes);
            let texts = texts(&digest);
            (digest.envelope, Some(texts))
        }
    };
    let from = envelope.from.first().cloned().unwrap_or_default();
    let is_own = own.has(&from.email);
    let bit = |bit: i64, set: bool| if set { bit } else { 0 };
    Incoming {
        date: envelope.date,
        parents: parents(&envelope),
        named: named(&envelope),
        size: i64::try_from(bytes.len()).unwrap_or(i64::MAX),
        digest: if depth == Depth::Words { 0 } else { number(bytes) },
        bits: bit(ATTACHMENT, envelope.has_attachment)
            | bit(LIST, envelope.can_unsubscribe)
            | bit(OWN, is_own)
            | bit(AUTOMATIC, envelope.is_automatic),
        met: if depth == Depth::Words { Vec::new() } else { contacts::met(&envelope, is_own) },
        author: line(&names(&envelope.from)),
        recipients: line(&to_whom(&envelope)),
        subject: line(&envelope.subject),
        message_id: envelope.message_id,
        from,
        text,
        refused: false,
    }
}

/// The key by which a Message-ID is looked up.
pub(super) fn key(id: &MessageId) -> i64 {
    number(id.as_str().as_bytes())
}

/// What makes it part of a conversation: all that it names. Exchange drops the names when mail passes
/// through it, but not its own mark of the conversation.
fn named(envelope: &Envelope) -> Vec<i64> {
    let ids = envelope.references.iter().chain(&envelope.in_reply_to).map(key);
    let mark = envelope.thread_index.filter(|_| envelope.references.is_empty() && envelope.in_reply_to.is_empty());
    ids.chain(mark.map(|index| number(&[b"Thread-Index ".as_slice(), &index].concat()))).collect()
}

/// A number that nobody meets twice by chance.
fn number(bytes: &[u8]) -> i64 {
    Sha256::digest(bytes).first_chunk::<8>().map_or(0, |first| i64::from_be_bytes(*first))
}

/// RFC 5256: References, oldest first, and the first In-Reply-To only where there are none.
fn parents(envelope: &Envelope) -> Vec<i64> {
    let answered = envelope.in_reply_to.get(..1).unwrap_or_default();
    let ids = if envelope.references.is_empty() { answered } else { &envelope.references };
    ids.iter().rev().map(key).take(MAX_PARENTS).collect()
}

fn names(addresses: &[Address]) -> String {
    let name = |address: &Address| {
        let name = address.name.trim();
        if name.is_empty() { address.email.clone() } else { name.to_owned() }
    };
    addresses.iter().take(20).map(name).collect::<Vec<_>>().join(", ")
}

fn to_whom(envelope: &Envelope) -> String {
    let to = if envelope.to.is_empty() { &envelope.cc } else { &envelope.to };
    if to.is_empty() { "To: (nobody yet)".to_owned() } else { format!("To: {}", names(to)) }
}

fn line(text: &str) -> Clean {
    Clean::line(text.char_indices().nth(MAX_LINE).and_then(|(at, _)| text.get(..at)).unwrap_or(text))
}

fn texts(digest: &Digest) -> Texts {
    let envelope = &digest.envelope;
    let all = |addresses: &[Address]| {
        let mut text = String::new();
        for address in addresses {
            text.push_str(&address.name);
            text.push(' ');
            text.push_str(&address.email);
            text.push('\n');
        }
        text
    };
    let cut = |text: &str| words::for_index(text).into_owned();
    Texts([
        cut(&envelope.subject),
        cut(&all(&envelope.from)),
        cut(&all(&envelope.to)),
        cut(&all(&envelope.cc)),
        cut(&digest.text),
        cut(&digest.files.join("\n")),
        cut(envelope.list_id.as_deref().unwrap_or_default()),
    ])
}

/// The user's own addresses: plain, or with one `*`.
#[derive(Debug, Clone, Default)]
pub(super) struct Own(Vec<(String, Option<String>)>);

impl Own {
    pub(super) fn new(addresses: &[String]) -> Self {
        let split = |address: &String| {
            let address = address.to_lowercase();
            match address.split_once('*') {
                Some((before, after)) => (before.to_owned(), Some(after.to_owned())),
                None => (address, None),
            }
        };
        let mut all: Vec<_> = addresses.iter().map(split).collect();
        all.sort();
        Self(all)
    }

    pub(super) fn has(&self, email: &str) -> bool {
        let email = email.to_lowercase();
        self.0.iter().any(|(before, after)| match after {
            None => email == *before,
            Some(after) => email.strip_prefix(before.as_str()).is_some_and(|rest| rest.ends_with(after.as_str())),
        })
    }

    /// A text that is another one where the addresses are others.
    pub(super) fn text(&self) -> String {
        format!("{:?}", self.0)
    }
}
