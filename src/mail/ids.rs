//! Names that tell one account, one message or one state of a mailbox from another.
//! A UID never travels without its UIDVALIDITY (RFC 9051 §2.3.1.1).

use std::fmt;
use std::num::{NonZeroU32, NonZeroU64};
use std::sync::Arc;

/// The name of an account, as written in the config file (`[accounts.NAME]`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(Arc<str>);

impl AccountId {
    /// Takes the name as it stands in the config file.
    pub fn new(name: &str) -> Self {
        Self(Arc::from(name))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The unique identifier of a message in one mailbox and one UIDVALIDITY (RFC 9051 §2.3.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uid(NonZeroU32);

impl Uid {
    /// The smallest one.
    pub const MIN: Self = Self(NonZeroU32::MIN);

    /// Refuses zero, which no server may send.
    pub fn new(value: u32) -> Option<Self> {
        NonZeroU32::new(value).map(Self)
    }

    /// The number.
    pub fn get(self) -> u32 {
        self.0.get()
    }
}

/// The epoch of a mailbox's UIDs: when it changes, every UID known is void (RFC 9051 §2.3.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UidValidity(NonZeroU32);

impl UidValidity {
    /// The smallest one.
    pub const MIN: Self = Self(NonZeroU32::MIN);

    /// Refuses zero, which no server may send.
    pub fn new(value: u32) -> Option<Self> {
        NonZeroU32::new(value).map(Self)
    }

    /// The number.
    pub fn get(self) -> u32 {
        self.0.get()
    }
}

/// A modification sequence (RFC 7162 §3.1.1): never zero, at most 63 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModSeq(NonZeroU64);

impl ModSeq {
    /// Refuses zero and what does not fit into 63 bits.
    pub fn new(value: u64) -> Option<Self> {
        if value > i64::MAX.unsigned_abs() {
            return None;
        }
        NonZeroU64::new(value).map(Self)
    }

    /// The number.
    pub fn get(self) -> u64 {
        self.0.get()
    }
}

/// A POP3 unique id (RFC 1939 §7): 1 to 70 characters from 0x21 to 0x7E.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uidl(String);

impl Uidl {
    /// Refuses what RFC 1939 does not allow.
    pub fn new(text: &str) -> Option<Self> {
        let legal = !text.is_empty() && text.len() <= 70 && text.bytes().all(|b| (0x21..=0x7e).contains(&b));
        legal.then(|| Self(text.to_owned()))
    }

    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How a server names one message.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RemoteId {
    /// IMAP: a UID with the epoch it belongs to.
    Uid(UidValidity, Uid),
    /// POP3: a unique id, with the number that it was given here.
    Uidl(Uid, Uidl),
}

impl RemoteId {
    /// The number.
    pub fn uid(&self) -> Uid {
        match self {
            Self::Uid(_, uid) | Self::Uidl(uid, _) => *uid,
        }
    }
}

/// A Message-ID without its angle brackets (RFC 5322 §3.6.4), as written by the sender: text
/// from outside, so it must pass [`crate::mail::clean`] before a screen.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(String);

impl MessageId {
    /// Takes an id with or without angle brackets; refuses an empty one and one over 998 bytes
    /// or with blanks or control characters in it.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        let inner = text.strip_prefix('<').unwrap_or(text);
        let inner = inner.strip_suffix('>').unwrap_or(inner);
        let legal = !inner.is_empty()
            && inner.len() <= 998
            && !inner.chars().any(|c| c.is_whitespace() || c.is_control() || c == '<' || c == '>');
        legal.then(|| Self(inner.to_owned()))
    }

    /// Finds the id in the header that `bytes` begin with, in time linear in the header's length.
    /// Every place that tells messages apart by their id reads it here, so that a broken field means
    /// the same to all of them.
    pub fn in_header(bytes: &[u8]) -> Option<Self> {
        let mut value: Option<Vec<u8>> = None;
        for line in bytes.split(|b| *b == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.is_empty() {
                break;
            }
            let folded = line.first().is_some_and(|b| *b == b' ' || *b == b'\t');
            match &mut value {
                Some(value) if folded => value.extend_from_slice(line),
                Some(_) => break,
                None => {
                    if let Some((name, rest)) = line.split_at_checked("message-id:".len())
                        && name.eq_ignore_ascii_case(b"message-id:")
                    {
                        value = Some(rest.to_vec());
                    }
                }
            }
        }
        let value = String::from_utf8_lossy(&value?).into_owned();
        let inner = value.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map(|(inner, _)| inner);
        Self::new(inner.unwrap_or(&value))
    }

    /// The id without angle brackets.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The row of a message in the index. Its upper bits are the message's date, so that a larger
/// row is a newer message. It lives as long as the index file does and no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowId(pub i64);

/// The conversation a message belongs to, in the index. Lives as long as the index file does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ThreadId(pub i64);

/// Seconds since 1970-01-01 00:00 UTC, between the years 1970 and 2100.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// 2100-01-01 00:00 UTC.
    const MAX: i64 = 4_102_444_800;

    /// Clamps to the years 1970 to 2100, so that a hostile date can overflow nothing.
    pub fn new(seconds: i64) -> Self {
        Self(seconds.clamp(0, Self::MAX))
    }

    /// Seconds since 1970.
    pub fn get(self) -> i64 {
        self.0
    }

    /// This moment and `seconds` more.
    #[must_use]
    pub fn plus(self, seconds: i64) -> Self {
        Self::new(self.0.saturating_add(seconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_found_in_any_header() {
        let table: [(&[u8], Option<&str>); 7] = [
            (b"Subject: x\r\nMessage-ID: <a@b>\r\n\r\nbody", Some("a@b")),
            (b"MESSAGE-id:\r\n <a@b>\r\nTo: y\r\n\r\n", Some("a@b")),
            (b"message-id: a@b\n\n", Some("a@b")),
            (b"Message-ID: <a@b> (added by relay)\r\n\r\n", Some("a@b")),
            (b"Subject: x\r\n\r\nMessage-ID: <a@b>\r\n", None),
            (b"Message-ID: <a b>\r\n\r\n", None),
            (b"", None),
        ];
        for (header, id) in table {
            assert_eq!(MessageId::in_header(header).as_ref().map(MessageId::as_str), id);
        }
    }
}
