//! The status: how it stands with each account, what is in the outbox, and what the program has to
//! say. A toast goes after a few seconds, an error stays until it is seen or has healed, and all of
//! it is kept for the log.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::fault::Fault;
use crate::job::index::DatabaseState;
use crate::job::outbox::{Entry, EntryId, EntryState};
use crate::job::sync::SyncState;
use crate::keys::Action;
use crate::mail::clean::Clean;
use crate::mail::ids::{AccountId, Timestamp};

/// How long a toast stays, in seconds.
const TOAST: i64 = 5;
/// How many messages the log keeps.
const MAX_LOG: usize = 500;

/// What the program has to say, and how it stands.
#[derive(Debug, Clone, Default)]
pub struct Status {
    /// How it stands with each account.
    pub sync: BTreeMap<AccountId, SyncState>,
    /// What is in the outbox.
    pub outbox: OutboxCount,
    /// The message that goes next unless it is taken back, and when.
    pub leaving: Option<(EntryId, Timestamp)>,
    /// How many messages wait to be indexed.
    pub indexing: usize,
    /// How it stands with the database that answers searches, where there is one.
    pub database: DatabaseState,
    /// Is the index taking in tags from there?
    pub(super) retagging: bool,
    /// How far a new index is, where one is being made beside the one that serves: messages of how many.
    pub renewing: Option<(usize, usize)>,
    /// Accounts whose first round is over.
    met: BTreeSet<AccountId>,
    /// Those whose mail of that round is in the index too: what comes now is new.
    settled: BTreeSet<AccountId>,
    /// Accounts whose last round came to its end, but not without faults.
    flawed: BTreeSet<AccountId>,
    /// The newest message that goes by itself.
    pub toast: Option<Message>,
    /// The newest error that has not been seen.
    pub error: Option<Message>,
    /// All messages, newest last.
    pub log: VecDeque<Message>,
}

/// One thing that the program said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// When.
    pub at: Timestamp,
    /// How much it matters.
    pub level: Level,
    /// The words.
    pub text: Clean,
    /// What can be done about it; its key is shown.
    pub action: Option<Action>,
    /// The account it is about, so that it goes once that account is well again.
    pub account: Option<AccountId>,
}

/// How much a message matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Something to know.
    Info,
    /// Something went well.
    Ok,
    /// Something to look at.
    Warn,
    /// Something failed.
    Error,
}

/// The outbox in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OutboxCount {
    /// Will be sent without a key being pressed.
    pub waiting: usize,
    /// Are being sent now.
    pub sending: usize,
    /// Need the user: failed, perhaps sent, or held.
    pub stuck: usize,
}

impl OutboxCount {
    /// Counts entries.
    pub fn of(entries: &[Entry]) -> Self {
        let mut count = Self::default();
        for entry in entries {
            match entry.state {
                EntryState::Held(Some(_)) | EntryState::Queued | EntryState::Deferred { .. } => count.waiting += 1,
                EntryState::Sending => count.sending += 1,
                EntryState::Held(None)
                | EntryState::Paused { .. }
                | EntryState::Failed { .. }
                | EntryState::MaybeSent => count.stuck += 1,
            }
        }
        count
    }

    /// How many there are in all.
    pub fn total(self) -> usize {
        self.waiting + self.sending + self.stuck
    }
}

impl Status {
    /// Says something.
    pub fn say(&mut self, at: Timestamp, level: Level, text: &str) {
        self.push(Message { at, level, text: Clean::line(text), action: None, account: None });
    }

    /// Says something, with what can be done about it.
    pub fn offer(&mut self, at: Timestamp, level: Level, text: &str, action: Action) {
        self.push(Message { at, level, text: Clean::line(text), action: Some(action), account: None });
    }

    /// Tells of a fault: what failed, on what, and what to do. It stays until it is seen.
    pub fn fault(&mut self, at: Timestamp, fault: &Fault) {
        self.tell(at, fault, None);
    }

    /// Tells of a fault of an account's sync: it goes by itself once the account is well again.
    pub fn sync_fault(&mut self, at: Timestamp, fault: &Fault) {
        self.tell(at, fault, fault.account.clone());
    }

    /// Tells of what went wrong with single messages and mailboxes of a round that came to its end: it goes with the
    /// next round.
    pub fn round_over(&mut self, at: Timestamp, account: &AccountId, faults: &[Fault]) {
        self.flawed.remove(account);
        for fault in faults {
            self.sync_fault(at, fault);
            self.flawed.insert(account.clone());
        }
    }

    fn tell(&mut self, at: Timestamp, fault: &Fault, account: Option<AccountId>) {
        let mut text = fault.to_string();
        if let Some(advice) = fault.advice() {
            text.push_str("; ");
            text.push_str(advice);
        }
        let message = Message { at, level: Level::Error, text: Clean::line(&text), action: None, account };
        // A server that stays away would fill the log with one sentence.
        if self.log.iter().rev().take(20).any(|old| old.text == message.text && old.account == message.account) {
            if self.error.is_none() {
                self.error = Some(message);
            }
            return;
        }
        self.push(message);
    }

    fn push(&mut self, message: Message) {
        if message.level == Level::Error {
            self.error = Some(message.clone());
            self.toast = None;
        } else {
            self.toast = Some(message.clone());
        }
        self.log.push_back(message);
        if self.log.len() > MAX_LOG {
            self.log.pop_front();
        }
    }

    /// Counts down until a message goes.
    pub(super) fn leaves(&mut self, entry: EntryId, until: Timestamp) {
        self.toast = None;
        self.leaving = Some((entry, until));
    }

    /// Takes in what is in the outbox: a message that does not wait any more is not counted down.
    pub(super) fn counts(&mut self, entries: &[Entry]) {
        self.outbox = OutboxCount::of(entries);
        let waits = |id: &EntryId| {
            entries.iter().any(|entry| entry.id == *id && matches!(entry.state, EntryState::Held(Some(_))))
        };
        self.leaving.take_if(|(id, _)| !waits(id));
    }

    /// Is the mail of that account that comes now new, and not what was there before?
    pub(super) fn is_settled(&self, account: &AccountId) -> bool {
        self.settled.contains(account)
    }

    /// Takes in how it stands with an account.
    pub fn stands(&mut self, at: Timestamp, account: &AccountId, state: SyncState) {
        match &state {
            SyncState::Failed { fault, known, .. } => {
                let again =
                    matches!(self.sync.get(account), Some(SyncState::Failed { fault: old, .. }) if old == fault);
                if !again && !known {
                    self.sync_fault(at, &fault.clone().of(account));
                }
            }
            // What went wrong in the round that is over just now is there to be read.
            SyncState::UpToDate { .. } if self.flawed.remove(account) => {}
            SyncState::UpToDate { .. } | SyncState::Working { .. } => {
                if self.error.as_ref().is_some_and(|error| error.account.as_ref() == Some(account)) {
                    self.error = None;
                }
            }
            SyncState::Local | SyncState::Waiting | SyncState::Connecting | SyncState::Elsewhere => {}
        }
        if matches!(state, SyncState::UpToDate { .. } | SyncState::Local | SyncState::Elsewhere) {
            self.met.insert(account.clone());
        }
        self.sync.insert(account.clone(), state);
    }

    /// Lets go what has been on screen long enough.
    pub fn tick(&mut self, now: Timestamp) {
        if self.toast.as_ref().is_some_and(|toast| now.get() - toast.at.get() >= TOAST || now < toast.at) {
            self.toast = None;
        }
        self.leaving.take_if(|(_, until)| now >= *until);
        if self.indexing == 0 && self.renewing.is_none() {
            self.settled.append(&mut self.met);
        }
    }

    /// The user has seen the error. Was there one?
    pub fn seen(&mut self) -> bool {
        self.error.take().is_some()
    }

    /// What the message line shows.
    pub fn line(&self) -> Option<&Message> {
        self.toast.as_ref().or(self.error.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::{Cause, Doing};

    #[test]
    fn an_error_stays_until_it_heals_and_is_said_once() {
        let work = AccountId::new("work");
        let now = Timestamp::new(1000);
        let mut status = Status::default();
        let failed = || SyncState::Failed {
            fault: Fault::new(Doing::Connecting, "imap.example.org", Cause::Unreachable),
            next: None,
            known: false,
        };
        status.stands(now, &work, failed());
        status.stands(now, &work, SyncState::Connecting);
        status.stands(now, &work, failed());
        assert_eq!(status.log.len(), 1);
        status.tick(now.plus(600));
        assert!(status.line().unwrap().text.as_str().starts_with("work: cannot reach imap.example.org"));
        status.stands(now, &work, SyncState::UpToDate { idle: true, at: now });
        assert_eq!(status.line(), None);
    }

    #[test]
    fn what_a_server_says_each_time_it_hangs_up_is_said_once_and_shown_with_the_account() {
        let (work, now) = (AccountId::new("work"), Timestamp::new(1000));
        let mut status = Status::default();
        let fault = Fault::new(Doing::Comparing, "imap.example.org", Cause::Closed).detail("Shutting down");
        let failed = |known| SyncState::Failed { fault: fault.clone(), next: Some(now), known };
        status.stands(now, &work, failed(false));
        assert!(status.line().unwrap().text.as_str().contains("Shutting down"));
        status.stands(now, &work, SyncState::UpToDate { idle: false, at: now });
        status.stands(now, &work, failed(true));
        assert_eq!((status.line(), status.log.len()), (None, 1));
        assert!(matches!(status.sync.get(&work), Some(SyncState::Failed { .. })));
    }

    #[test]
    fn what_went_wrong_in_a_round_is_there_until_the_next_one_is_over() {
        let (work, now) = (AccountId::new("work"), Timestamp::new(1000));
        let mut status = Status::default();
        let fault = Fault::new(Doing::Pushing, "pop.example.org", Cause::Refused).of(&work);
        status.round_over(now, &work, &[fault]);
        status.stands(now, &work, SyncState::UpToDate { idle: false, at: now });
        assert!(status.line().is_some(), "it was not only a flash");
        status.round_over(now, &work, &[]);
        status.stands(now, &work, SyncState::UpToDate { idle: false, at: now });
        assert_eq!(status.line(), None);
    }

    #[test]
    fn what_failed_on_this_machine_is_not_healed_by_a_server() {
        let (work, now) = (AccountId::new("work"), Timestamp::new(1000));
        let mut status = Status::default();
        status.fault(now, &Fault::new(Doing::Storing, "a star", Cause::Permission).of(&work));
        status.stands(now, &work, SyncState::UpToDate { idle: true, at: now });
        assert!(status.line().is_some());
        assert!(status.seen());
    }

    #[test]
    fn a_toast_goes_and_the_error_below_comes_back() {
        let now = Timestamp::new(1000);
        let mut status = Status::default();
        status.say(now, Level::Error, "disk full");
        status.say(now, Level::Ok, "Archived 1 message");
        assert_eq!(status.line().unwrap().text.as_str(), "Archived 1 message");
        status.tick(now.plus(TOAST));
        assert_eq!(status.line().unwrap().text.as_str(), "disk full");
        assert!(status.seen());
        assert_eq!(status.line(), None);
    }
}
