//! What one row of the list needs of a message (RFC 9051 §2.3.5).

use super::address::Address;
use super::ids::{MessageId, Timestamp};

/// The summary of a message: made from its header once, kept in the index.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Envelope {
    /// The Message-ID, where there is a usable one.
    pub message_id: Option<MessageId>,
    /// In-Reply-To, oldest first.
    pub in_reply_to: Vec<MessageId>,
    /// References, oldest first, at most 100.
    pub references: Vec<MessageId>,
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
    /// Is there a part that a reader would call an attachment?
    pub has_attachment: bool,
}
