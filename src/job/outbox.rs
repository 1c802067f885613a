//! What the thread `outbox` is asked and answers: queueing, sending, retrying.

use std::sync::Arc;

use crate::fault::Fault;
use crate::mail::clean::Clean;
use crate::mail::draft::Draft;
use crate::mail::ids::{AccountId, MessageId, Timestamp};
use crate::mail::submission::Submission;

/// The name of an entry: its file's name in the queue. Letters, digits, `.` and `-` only.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId(String);

impl EntryId {
    /// Refuses what could leave the queue's directory.
    pub fn new(text: &str) -> Option<Self> {
        let legal = !text.is_empty()
            && text.len() <= 100
            && !text.starts_with('.')
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-');
        legal.then(|| Self(text.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A message that is to be sent, with all that must be known about it later.
#[derive(Debug, Clone, PartialEq)]
pub struct Outgoing {
    /// Which account sends it.
    pub account: AccountId,
    /// To whom.
    pub submission: Submission,
    /// The message as it goes on the wire: CRLF, no Bcc.
    pub wire: Arc<[u8]>,
    /// The Bcc addresses for the kept copy; the header is put back into that copy only.
    pub bcc: Vec<String>,
    /// Its Message-ID.
    pub message_id: Option<MessageId>,
    /// Not before then (the undo window, or a time the user chose).
    pub hold_until: Option<Timestamp>,
    /// The message it answers, which gets `\Answered` once this one is accepted.
    pub answers: Option<MessageId>,
    /// The message it forwards, which gets `$Forwarded` once this one is accepted.
    pub forwards: Option<MessageId>,
    /// The draft it was made from, so that it can be edited again.
    pub draft: Option<Box<Draft>>,
}

/// What the thread shall do.
#[derive(Debug, Clone, PartialEq)]
pub enum OutboxJob {
    /// Queue a message durably. Answer: `Queued`, or `Failed` with the draft's id.
    Queue(Box<Outgoing>),
    /// Build the bytes of a draft and queue them. Answer: `Queued`, or `Failed` with its id.
    QueueDraft {
        /// The draft.
        draft: Box<Draft>,
        /// Not before then.
        hold_until: Option<Timestamp>,
    },
    /// What is in the outbox? Answer: `Entries`.
    List,
    /// Try this one now, whatever its schedule says.
    Retry(EntryId),
    /// Try all of them now.
    RetryAll,
    /// Take it back: it becomes a draft again, if it has not been sent yet. Answer: `Returned`.
    Recall(EntryId),
    /// Throw it away.
    Remove(EntryId),
    /// Keep it until asked (`true`) or release it (`false`).
    Hold(EntryId, bool),
    /// It may have been sent, and the user decides.
    Resolve(EntryId, Resolution),
    /// The network is back, or a password is there: try what waits.
    Wake,
    /// The user typed a password for an account whose config says `prompt`.
    Password {
        /// Whose.
        account: AccountId,
        /// The secret.
        secret: super::shell::Hidden,
    },
}

/// What the user knows about a message of which we do not know whether it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    /// It has arrived: file the copy, forget the entry.
    WasSent,
    /// It has not: send it again, with the same Message-ID.
    SendAgain,
}

/// How it stands with an entry.
#[derive(Debug, Clone, PartialEq)]
pub enum EntryState {
    /// Waits for the end of the undo window, a chosen time, or (`None`) the user.
    Held(Option<Timestamp>),
    /// Waits for its turn.
    Queued,
    /// Is being sent.
    Sending,
    /// Tried, and will be tried again.
    Deferred {
        /// How many attempts were made.
        attempts: u32,
        /// When the next one is due.
        next: Timestamp,
        /// What the server said, or why it was not reached.
        why: Clean,
    },
    /// The account's sign-in was refused; waits until it works again.
    Paused {
        /// What the server said.
        why: Clean,
    },
    /// Refused for good, for some or all recipients; can be edited.
    Failed {
        /// What the server said.
        why: Clean,
    },
    /// The connection was lost after the final dot: perhaps sent.
    MaybeSent,
}

/// One recipient's verdict.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// Nothing yet.
    Pending,
    /// Accepted.
    Accepted,
    /// Refused for now, with the reply.
    Deferred(Clean),
    /// Refused for good, with the reply.
    Refused(Clean),
}

/// One entry, for the screen and `tern outbox list`.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its name.
    pub id: EntryId,
    /// Which account.
    pub account: AccountId,
    /// The recipients with their verdicts.
    pub recipients: Vec<(Clean, Verdict)>,
    /// The subject.
    pub subject: Clean,
    /// How it stands.
    pub state: EntryState,
    /// When it was queued.
    pub queued_at: Timestamp,
    /// How big the message is, in bytes.
    pub size: u64,
    /// The last conversation with the server, sanitised, secrets blanked: one line each.
    pub transcript: Vec<Clean>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub enum OutboxReport {
    /// All entries, oldest first. Sent whenever something changed.
    Entries(Vec<Entry>),
    /// A message is safe on disk, and so is that its author waits for an answer.
    Queued {
        /// Its name.
        entry: EntryId,
        /// The draft it was made from.
        draft: Option<String>,
        /// Until when it can be taken back.
        hold_until: Option<Timestamp>,
    },
    /// A message was accepted by the server.
    Sent {
        /// Its name.
        entry: EntryId,
        /// Which account.
        account: AccountId,
        /// The subject.
        subject: Clean,
        /// The message it answers.
        answers: Option<MessageId>,
        /// The message it forwards.
        forwards: Option<MessageId>,
    },
    /// A sent copy was written; for the index and for `sync`.
    Changed(super::Changed),
    /// An entry became a draft again.
    Returned(Box<Draft>),
    /// A message could not be queued: it is still with the one who typed it.
    NotQueued {
        /// The draft.
        draft: Option<String>,
        /// Why.
        fault: Fault,
    },
    /// Sending failed, or a wish about an entry could not be fulfilled.
    Failed {
        /// Which entry, where it concerns one.
        entry: Option<EntryId>,
        /// Why.
        fault: Fault,
    },
    /// The account asks for a password.
    WantsPassword(AccountId),
}
