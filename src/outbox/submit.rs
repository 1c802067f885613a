//! The seam behind which a message leaves the house: SMTP, a program of the user's, or the server in
//! memory of the demo. Whoever submits says what the server said and decides nothing.

use super::command::Program;
use super::note::Note;
use super::policy::Outcome;
use super::queue::Queue;
use super::smtp::Smtp;
use crate::config::{Account, Submit as How};
use crate::fault::{Again, Cause, Doing, Fault};
use crate::job::outbox::EntryId;
use crate::login::secret::Secret;
use crate::mail::clean::Clean;
use crate::mail::submission::Submission;

/// What is submitted.
#[derive(Debug, Clone, Copy)]
pub struct Parcel<'a> {
    /// The entry, for the envelope id of delivery reports (RFC 3461 §4.4).
    pub id: &'a EntryId,
    /// To whom: only those who have no verdict for good yet.
    pub submission: &'a Submission,
    /// The message: CRLF, ended by CRLF.
    pub wire: &'a [u8],
}

/// Who is told how far an attempt is, while it is made.
pub trait Observer {
    /// The last byte is next, and with it these recipients may have the message. Must be durable
    /// when it returns.
    ///
    /// # Errors
    /// Then the message is not ended, and the connection is dropped.
    fn dot(&mut self, accepted: &[String]) -> Result<(), Fault>;
    /// A line of the conversation, without secrets.
    fn line(&mut self, line: Clean);
}

/// A way to submit. One is made for a round of one account's messages; it may keep a connection
/// between them.
pub trait Submit {
    /// Makes one attempt. Blocks, but never without end.
    fn submit(&mut self, parcel: &Parcel<'_>, observer: &mut dyn Observer) -> Outcome;
    /// Says good-bye.
    fn close(&mut self) {}
}

/// Makes the way of an account's config. `typed` is the password that the user typed, if any.
///
/// # Errors
/// The account has no way to send.
pub fn way(account: &Account, typed: Option<&Secret>) -> Result<Box<dyn Submit>, Fault> {
    match &account.submit {
        Some(How::Smtp(server)) => Ok(Box::new(
            Smtp::new(server.clone(), account.secret.clone(), typed.cloned()).map_err(|f| f.of(&account.id))?,
        )),
        Some(How::Command(words)) => Ok(Box::new(Program::new(words.clone()))),
        None => Err(Fault::new(Doing::Submitting, "any server", Cause::Config)
            .of(&account.id)
            .again(Again::AfterUser)
            .detail("the config says no way to send for this account")),
    }
}

/// Writes the mark and collects the conversation of one attempt.
pub(super) struct Watch<'w> {
    pub(super) queue: &'w Queue,
    pub(super) id: &'w EntryId,
    pub(super) note: &'w mut Note,
}

impl Observer for Watch<'_> {
    fn dot(&mut self, accepted: &[String]) -> Result<(), Fault> {
        self.note.dotted = accepted.to_vec();
        self.queue.write_note(self.id, self.note).inspect_err(|_| self.note.dotted.clear())
    }

    fn line(&mut self, line: Clean) {
        self.note.transcript.push(line);
    }
}
