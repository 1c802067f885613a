//! A message that is being written: new, reply, reply to all, reply to list, forward.

use std::path::PathBuf;

use super::address::Address;
use super::ids::{AccountId, MessageId, Timestamp};
use super::place::Place;

/// A message that is being written. The built bytes depend on it and on a stamp alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Its name in the journal: letters, digits and `-` only, unlike any other.
    pub id: String,
    /// Which account sends it.
    pub account: AccountId,
    /// From: the account's address or one of its aliases.
    pub from: Address,
    /// To, as typed: addresses that can be read and words that cannot yet.
    pub to: String,
    /// Cc, as typed.
    pub cc: String,
    /// Bcc, as typed.
    pub bcc: String,
    /// Reply-To, as typed.
    pub reply_to: String,
    /// Subject.
    pub subject: String,
    /// The text, LF line ends, paragraphs as typed.
    pub body: String,
    /// Files to attach.
    pub attachments: Vec<DraftAttachment>,
    /// In-Reply-To.
    pub in_reply_to: Option<MessageId>,
    /// References, oldest first.
    pub references: Vec<MessageId>,
    /// What kind of message it is.
    pub kind: DraftKind,
    /// The message it answers or forwards.
    pub origin: Option<Place>,
    /// Where an earlier version of it lies in the Drafts mailbox.
    pub kept_as: Option<Place>,
    /// When the author is to be reminded of it, if nobody has answered it by then.
    pub remind_at: Option<Timestamp>,
    /// When it was begun.
    pub begun_at: Timestamp,
}

impl Draft {
    /// An empty new message.
    pub fn new(id: String, account: AccountId, from: Address, begun_at: Timestamp) -> Self {
        Self {
            id,
            account,
            from,
            to: String::new(),
            cc: String::new(),
            bcc: String::new(),
            reply_to: String::new(),
            subject: String::new(),
            body: String::new(),
            attachments: Vec::new(),
            in_reply_to: None,
            references: Vec::new(),
            kind: DraftKind::New,
            origin: None,
            kept_as: None,
            remind_at: None,
            begun_at,
        }
    }
}

/// What kind of message is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DraftKind {
    /// A new one.
    New,
    /// To the author.
    Reply,
    /// To the author and all recipients.
    ReplyAll,
    /// To the mailing list.
    ReplyList,
    /// The message passed on.
    Forward,
}

/// A file to attach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DraftAttachment {
    /// Where it lies. The bytes are read when the message is queued.
    pub path: PathBuf,
    /// The name it gets in the message.
    pub name: String,
    /// Its media type.
    pub media_type: String,
}
