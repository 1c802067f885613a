//! What a query means.

use crate::mail::ids::Timestamp;

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
    /// `in:` a mailbox, by its name or role, case-insensitive.
    In(String),
    /// `account:` by name.
    Account(String),
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
}
