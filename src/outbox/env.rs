//! What the outbox works with: where it lies, who sends, and how. The ways and the mailboxes are
//! given as functions, so that the demo and tests bring their own; so is the one who remembers that an answer is
//! waited for.

use std::path::PathBuf;
use std::sync::Arc;

use super::queue::Queue;
use super::submit::Submit;
use crate::config::Account;
use crate::fault::Fault;
use crate::login::secret::Secret;
use crate::mail::ids::MessageId;
use crate::mail::mailbox::MailboxName;
use crate::mail::notes::Timer;

/// Makes a way to send for an account, with the password the user typed, if any. [`super::submit::way`]
/// is the one of the config.
pub type MakeWay = Arc<dyn Fn(&Account, Option<&Secret>) -> Result<Box<dyn Submit>, Fault> + Send + Sync>;
/// Names the mailbox for sent mail of an account. [`super::sent::configured`] is the one of the config.
pub type SentMailbox = Arc<dyn Fn(&Account) -> MailboxName + Send + Sync>;
/// Remembers until when an answer to a message is waited for, durably when it returns; `None`: it is not any more.
pub type AwaitAnswer = Arc<dyn Fn(&MessageId, Option<Timer>) -> Result<(), Fault> + Send + Sync>;

/// What the worker works with.
#[derive(Clone)]
pub struct Env {
    /// The program's data directory; the outbox lies below it.
    pub data: PathBuf,
    /// The accounts that may send.
    pub accounts: Vec<Account>,
    /// How they send.
    pub way: MakeWay,
    /// Where their copies go.
    pub sent: SentMailbox,
    /// Who remembers that an answer is waited for.
    pub await_answer: AwaitAnswer,
    /// After so many durable steps every further one fails, as if the machine had stopped. For
    /// tests of what a crash leaves behind; `None` otherwise.
    pub stop_after: Option<u64>,
}

impl Env {
    pub(super) fn queue(&self) -> Result<Queue, Fault> {
        match self.stop_after {
            Some(steps) => Queue::open_stopping_after(&self.data, steps),
            None => Queue::open(&self.data),
        }
    }

    /// The environment that the config describes.
    pub fn of(data: PathBuf, accounts: Vec<Account>, await_answer: AwaitAnswer) -> Self {
        Self {
            data,
            accounts,
            way: Arc::new(super::submit::way),
            sent: Arc::new(super::sent::configured),
            await_answer,
            stop_after: None,
        }
    }
}
