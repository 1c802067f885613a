//! What a query means.

use super::forms::Forms;
use crate::mail::ids::{ThreadId, Timestamp};

/// A query. `And(vec![])` finds everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Query {
    /// All of these.
    And(Vec<Query>),
    /// One of these.
    Or(Vec<Query>),
    /// Not this.
    Not(Box<Query>),
    /// Words in a field, or anywhere.
    Text {
        /// Where.
        field: Field,
        /// What.
        pattern: Pattern,
    },
    /// `has:attachment`.
    HasAttachment,
    /// `is:unread`, `is:starred` …
    Is(State),
    /// `in:` a mailbox, by its name, the last part of it, or its role, case-insensitive, also with the account
    /// before it (`work/inbox`). `lists/**` is `lists` and all below.
    In(String),
    /// `account:` by name.
    Account(String),
    /// `tag:`: a keyword or a label, case-insensitive.
    Tag(String),
    /// `larger:`, in bytes.
    Larger(u64),
    /// `smaller:`, in bytes.
    Smaller(u64),
    /// `date:`, from (inclusive) and until (exclusive), either may be open.
    Date {
        /// The first moment.
        from: Option<Timestamp>,
        /// The first moment after.
        until: Option<Timestamp>,
    },
    /// `id:` a Message-ID.
    Id(String),
    /// `thread:` a conversation.
    Thread(ThreadId),
    /// `thread:{…}`: all of the conversations in which a message answers this, wherever it lies.
    Together(Box<Query>),
    /// `notmuch:` what only notmuch understands, as it stands. Without its database it finds nothing.
    Native(String),
}

/// Where words are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Field {
    /// Anywhere: addresses, subject, body, names of attachments, List-Id.
    Any,
    /// `from:`.
    From,
    /// `to:`: To, and Cc.
    To,
    /// `cc:`.
    Cc,
    /// `subject:`.
    Subject,
    /// `body:`.
    Body,
    /// `list:`: List-Id.
    List,
    /// `file:`: names of attachments.
    File,
}

/// What is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pattern {
    /// One word.
    Word(String),
    /// The beginning of a word: `bud*`.
    Prefix(String),
    /// A word or what endings make of it: `budget~`, `laufen~de`.
    Forms(Forms),
    /// Words in this order: `"purple budget"`.
    Phrase(String),
}

/// What `is:` knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Not read.
    Unread,
    /// Read.
    Read,
    /// `\Flagged`.
    Starred,
    /// `\Answered`.
    Replied,
    /// Forwarded.
    Forwarded,
    /// `\Draft`.
    Draft,
    /// From one of the user's own addresses, or in a Sent mailbox.
    Sent,
    /// Out of the way until a time.
    Snoozed,
    /// An answer is waited for, or was in vain.
    Waiting,
    /// Of a muted conversation.
    Muted,
}

impl Query {
    /// What finds everything.
    pub const fn everything() -> Self {
        Self::And(Vec::new())
    }

    /// The words that a message is found by, for marking them where it is shown: those that must not be there
    /// are left out.
    pub fn words(&self) -> Vec<(Field, &Pattern)> {
        match self {
            Self::And(parts) | Self::Or(parts) => parts.iter().flat_map(Self::words).collect(),
            Self::Text { field, pattern } => vec![(*field, pattern)],
            Self::Together(inner) => inner.words(),
            Self::Not(_)
            | Self::HasAttachment
            | Self::Is(_)
            | Self::In(_)
            | Self::Account(_)
            | Self::Tag(_)
            | Self::Larger(_)
            | Self::Smaller(_)
            | Self::Date { .. }
            | Self::Id(_)
            | Self::Thread(_)
            | Self::Native(_) => Vec::new(),
        }
    }
}
