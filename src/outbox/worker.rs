//! The thread `outbox`: what is due is claimed, sent, its verdict written down, its copy filed, in
//! this order, each step durable before the next. One program at a time sends; the others only
//! read. One message that cannot be sent holds up no other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::draft;
pub use super::env::Env;
use super::note::{CopyStep, Note};
use super::policy::{self, Next, Outcome, Waits};
use super::queue::{Bin, Listed, Queue, SendLock, Stamp};
use super::sent;
use super::submit::{Parcel, Submit, Watch};
use super::verdict::{explain, write_down};
use super::wishes;
use crate::config::{Account, SecretSource};
use crate::fault::{Again, Cause, Doing, Fault};
use crate::job::outbox::{Entry, EntryId, EntryState, OutboxJob, OutboxReport, Outgoing};
use crate::login::secret::Secret;
use crate::mail::clean::Clean;
use crate::mail::header::Header;
use crate::mail::ids::{AccountId, Timestamp};
use crate::mail::submission::Submission;

/// How often the disk is looked at for what other programs queued.
const LOOK: Duration = Duration::from_secs(2);
/// How long an entry is left alone whose files could not be read or written, in seconds.
const AFTER_LOCAL_FAULT: i64 = 60;
/// No delay of the schedule is longer, in seconds; one that seems so is a clock that was set back.
const LONGEST_DELAY: i64 = 2 * 3600;

/// What a round without a screen came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flushed {
    /// How many messages were accepted for all their recipients.
    pub sent: usize,
    /// How many are still to be sent, or wait for the user.
    pub left: usize,
}

/// Works until the channel is closed. Reports every change.
pub fn run(env: Env, jobs: &Receiver<OutboxJob>, report: &dyn Fn(OutboxReport)) {
    let Some(mut worker) = Worker::open_patiently(env, jobs, report) else { return };
    loop {
        let closed = worker.round(Some(jobs));
        worker.publish();
        if closed == Channel::Closed {
            return;
        }
        match jobs.recv_timeout(worker.pause()) {
            Ok(job) => worker.take(job),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// Sends what is due, and what becomes due before the deadline, and returns: for `send --wait` and
/// `sync`. While another program sends, it only waits for that.
pub fn run_once(env: Env, deadline: Duration, report: &dyn Fn(OutboxReport)) -> Result<Flushed, Fault> {
    let until = Instant::now() + deadline;
    let queue = env.queue()?;
    let mut worker = Worker::new(env, queue, report);
    loop {
        worker.round(None);
        worker.publish();
        let left = worker.queue.list()?.entries.iter().filter(|listed| listed.bin != Bin::Sent).count();
        let flushed = Flushed { sent: worker.sent, left };
        let left_time = until.saturating_duration_since(Instant::now());
        let limit = now().plus(i64::try_from(left_time.as_secs()).unwrap_or(i64::MAX));
        if left == 0 || left_time.is_zero() || worker.next_due().is_none_or(|at| at > limit) {
            return Ok(flushed);
        }
        std::thread::sleep(worker.pause().min(left_time));
    }
}

/// Is there anybody who may still ask for something?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Channel {
    Open,
    Closed,
}

/// Why an account's messages wait.
#[derive(Debug, Clone, PartialEq)]
enum Wait {
    Until(Timestamp),
    User(Clean),
}

struct Worker<'a> {
    env: Env,
    queue: Queue,
    report: &'a dyn Fn(OutboxReport),
    lock: Option<SendLock>,
    typed: BTreeMap<AccountId, Secret>,
    waits: BTreeMap<AccountId, Wait>,
    /// Entries whose files made trouble, and until when they are left alone.
    shunned: BTreeMap<EntryId, Timestamp>,
    told: Option<Vec<Entry>>,
    seen: Option<Stamp>,
    /// Damaged files that were reported.
    reported: BTreeSet<EntryId>,
    sent: usize,
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::new(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

impl<'a> Worker<'a> {
    fn new(env: Env, queue: Queue, report: &'a dyn Fn(OutboxReport)) -> Self {
        Self {
            env,
            queue,
            report,
            lock: None,
            typed: BTreeMap::new(),
            waits: BTreeMap::new(),
            shunned: BTreeMap::new(),
            told: None,
            seen: None,
            reported: BTreeSet::new(),
            sent: 0,
        }
    }

    /// Opens the outbox, and tries again while that fails: the disk may be full or away. Jobs that
    /// come meanwhile are answered by the fault.
    fn open_patiently(env: Env, jobs: &Receiver<OutboxJob>, report: &'a dyn Fn(OutboxReport)) -> Option<Self> {
        let mut told: Option<Fault> = None;
        loop {
            let fault = match env.queue() {
                Ok(queue) => return Some(Self::new(env, queue, report)),
                Err(fault) => fault,
            };
            if told.as_ref() != Some(&fault) {
                report(OutboxReport::Failed { entry: None, fault: fault.clone() });
                told = Some(fault.clone());
            }
            match jobs.recv_timeout(LOOK) {
                Ok(OutboxJob::Queue(outgoing)) => {
                    let draft = outgoing.draft.map(|draft| draft.id);
                    report(OutboxReport::NotQueued { draft, fault });
                }
                Ok(OutboxJob::QueueDraft { draft, .. }) => {
                    report(OutboxReport::NotQueued { draft: Some(draft.id), fault });
                }
                Ok(_) => report(OutboxReport::Failed { entry: None, fault }),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
    }

    fn tell_failed(&self, entry: Option<&EntryId>, fault: Fault) {
        (self.report)(OutboxReport::Failed { entry: entry.cloned(), fault });
    }

    fn take(&mut self, job: OutboxJob) {
        match job {
            OutboxJob::Queue(outgoing) => {
                let subject = match &outgoing.draft {
                    Some(draft) => draft.subject.clone(),
                    None => {
                        Header::split(&outgoing.wire).first("Subject").map(|field| field.text()).unwrap_or_default()
                    }
                };
                self.queue_up(&outgoing, &subject);
            }
            OutboxJob::QueueDraft { draft, hold_until } => {
                let prepared = self
                    .account(&draft.account)
                    .and_then(|account| draft::outgoing(&draft, account, hold_until, now()));
                match prepared {
                    Ok(outgoing) => self.queue_up(&outgoing, &draft.subject),
                    Err(fault) => (self.report)(OutboxReport::NotQueued { draft: Some(draft.id.clone()), fault }),
                }
            }
            OutboxJob::List => self.told = None,
            OutboxJob::Retry(id) => {
                self.listen_again(&id);
                self.wish(&id, wishes::retry);
            }
            OutboxJob::RetryAll => self.retry_all(),
            OutboxJob::Recall(id) => match wishes::recall(&self.queue, &self.env.data, &id) {
                Ok(draft) => (self.report)(OutboxReport::Returned(Box::new(draft))),
                Err(fault) => self.tell_failed(Some(&id), fault),
            },
            OutboxJob::Remove(id) => self.wish(&id, wishes::remove),
            OutboxJob::Hold(id, true) => self.wish(&id, wishes::hold),
            OutboxJob::Hold(id, false) => {
                self.wish(&id, |queue, id| queue.shift(id, Bin::Held, Bin::Queued).map(drop));
            }
            OutboxJob::Resolve(id, resolution) => self.wish(&id, |queue, id| wishes::resolve(queue, id, resolution)),
            OutboxJob::Wake => self.wake(),
            OutboxJob::Password { account, secret } => {
                self.typed.insert(account.clone(), Secret::new(secret.0.clone()));
                self.waits.remove(&account);
            }
        }
        self.publish();
    }

    fn account(&self, id: &AccountId) -> Result<&Account, Fault> {
        self.env.accounts.iter().find(|account| account.id == *id && account.submit.is_some()).ok_or_else(|| {
            Fault::new(Doing::Submitting, "any server", Cause::Config)
                .of(id)
                .again(Again::AfterUser)
                .detail("the config says no way to send for this account")
        })
    }

    fn queue_up(&mut self, outgoing: &Outgoing, subject: &str) {
        let draft = outgoing.draft.as_ref().map(|draft| draft.id.clone());
        match draft::queue_up(&self.env, &self.queue, outgoing, subject, now()) {
            Ok(entry) => {
                (self.report)(OutboxReport::Queued { entry, draft, hold_until: outgoing.hold_until });
            }
            Err(fault) => (self.report)(OutboxReport::NotQueued { draft, fault: fault.of(&outgoing.account) }),
        }
    }

    fn wish(&self, id: &EntryId, wish: impl Fn(&Queue, &EntryId) -> Result<(), Fault>) {
        if let Err(fault) = wish(&self.queue, id) {
            self.tell_failed(Some(id), fault);
        }
    }

    /// Whose message is to be tried now is no longer waited for.
    fn listen_again(&mut self, id: &EntryId) {
        self.shunned.remove(id);
        if let Some(head) = self.queue.find(id).and_then(|bin| self.queue.head(id, bin).ok()) {
            self.waits.remove(&head.account);
        }
    }

    fn retry_all(&mut self) {
        self.waits.clear();
        self.shunned.clear();
        let Ok(listing) = self.queue.list() else { return };
        for listed in listing.entries.iter().filter(|listed| listed.bin == Bin::Deferred) {
            self.wish(&listed.id, wishes::retry);
        }
    }

    /// There is a network, or a password, again.
    fn wake(&mut self) {
        self.waits.clear();
        self.shunned.clear();
        self.look_for_sent();
        let Ok(listing) = self.queue.list() else { return };
        for listed in listing.entries {
            if listed.bin == Bin::Deferred && listed.note.is_ok_and(|note| note.offline) {
                self.wish(&listed.id, wishes::retry);
            }
        }
    }

    /// Sends what is due, oldest first, looking at the jobs between two messages.
    fn round(&mut self, jobs: Option<&Receiver<OutboxJob>>) -> Channel {
        if !self.may_send() {
            return Channel::Open;
        }
        let mut ways: BTreeMap<AccountId, Box<dyn Submit>> = BTreeMap::new();
        let mut channel = Channel::Open;
        while let Some(listed) = self.first_due() {
            if let Err(fault) = self.attempt(&listed, &mut ways) {
                self.shunned.insert(listed.id.clone(), now().plus(AFTER_LOCAL_FAULT));
                self.tell_failed(Some(&listed.id), fault);
            }
            self.publish();
            match jobs.map(Receiver::try_recv) {
                Some(Ok(job)) => self.take(job),
                Some(Err(TryRecvError::Disconnected)) => {
                    channel = Channel::Closed;
                    break;
                }
                Some(Err(TryRecvError::Empty)) | None => {}
            }
        }
        for way in ways.values_mut() {
            way.close();
        }
        channel
    }

    /// Takes the right to send, if nobody else has it, and first looks after what an earlier run
    /// left behind.
    fn may_send(&mut self) -> bool {
        if self.lock.is_some() {
            return true;
        }
        match self.queue.lock() {
            Ok(Some(lock)) => {
                let recovered = self.queue.sweep(&lock).and_then(|()| self.recover());
                self.lock = Some(lock);
                if let Err(fault) = recovered {
                    self.tell_failed(None, fault);
                }
                true
            }
            Ok(None) => false,
            Err(fault) => {
                self.tell_failed(None, fault);
                false
            }
        }
    }

    /// What lies in `sending/` when nobody sends was interrupted. With the mark of the dot it may
    /// have been sent; without, it certainly was not.
    fn recover(&mut self) -> Result<(), Fault> {
        for listed in self.queue.list()?.entries {
            if listed.bin != Bin::Sending {
                continue;
            }
            let to = listed.note.as_ref().map_or(Bin::Maybe, |note| wishes::resting_place(&listed.head, note));
            self.queue.shift(&listed.id, Bin::Sending, to)?;
        }
        self.look_for_sent();
        Ok(())
    }

    /// Messages that may have been sent and now lie in Sent, though we have put none there, were.
    fn look_for_sent(&self) {
        let Ok(listing) = self.queue.list() else { return };
        for listed in listing.entries.iter().filter(|listed| listed.bin == Bin::Maybe) {
            let (Ok(note), Some(wanted)) = (&listed.note, &listed.head.message_id) else { continue };
            let Ok(account) = self.account(&listed.head.account) else { continue };
            let mailbox = (self.env.sent)(account);
            if note.copy == CopyStep::Owed && sent::holds(account, &mailbox, wanted, listed.head.queued_at) {
                let mut note = note.clone();
                note.believe_sent();
                note.copy = CopyStep::Filed;
                let to = wishes::resting_place(&listed.head, &note);
                let done = self
                    .queue
                    .write_note(&listed.id, &note)
                    .and_then(|()| self.queue.shift(&listed.id, Bin::Maybe, to));
                match done {
                    Ok(_) => self.tell_sent(listed),
                    Err(fault) => self.tell_failed(Some(&listed.id), fault),
                }
            }
        }
    }

    fn tell_sent(&self, listed: &Listed) {
        (self.report)(OutboxReport::Sent {
            entry: listed.id.clone(),
            account: listed.head.account.clone(),
            subject: Clean::line(&listed.head.subject),
            answers: listed.head.answers.clone(),
            forwards: listed.head.forwards.clone(),
        });
    }

    /// When an entry is due; `None`: only on somebody's word.
    fn due(&self, listed: &Listed) -> Option<Timestamp> {
        let now = now();
        let account = self.account(&listed.head.account).ok()?;
        let note = listed.note.as_ref().ok()?;
        let own = match listed.bin {
            Bin::Queued => listed.head.hold_until.unwrap_or(now),
            Bin::Deferred => match note.next {
                Some(next) if next <= now.plus(LONGEST_DELAY) && !note.paused => next,
                _ => now,
            },
            Bin::Sent => return Some(self.shunned.get(&listed.id).copied().unwrap_or(now)),
            Bin::Failed if note.copy == CopyStep::Owed && note.accepted_for_some() => {
                return Some(self.shunned.get(&listed.id).copied().unwrap_or(now));
            }
            Bin::Held | Bin::Sending | Bin::Failed | Bin::Maybe | Bin::Damaged => return None,
        };
        let account_waits = match self.waits.get(&account.id) {
            Some(Wait::User(_)) => return None,
            Some(Wait::Until(until)) => *until,
            None => now,
        };
        Some(own.max(account_waits).max(self.shunned.get(&listed.id).copied().unwrap_or(now)))
    }

    fn first_due(&mut self) -> Option<Listed> {
        let listing = self.queue.list().inspect_err(|fault| self.tell_failed(None, fault.clone())).ok()?;
        for (id, bin, fault) in listing.unreadable {
            if bin != Bin::Damaged && self.queue.shift(&id, bin, Bin::Damaged).is_ok()
                || self.reported.insert(id.clone())
            {
                self.tell_failed(Some(&id), fault);
                self.reported.insert(id);
            }
        }
        let now = now();
        listing.entries.into_iter().find(|listed| self.due(listed).is_some_and(|at| at <= now))
    }

    fn next_due(&self) -> Option<Timestamp> {
        let listing = self.queue.list().ok()?;
        listing.entries.iter().filter_map(|listed| self.due(listed)).min()
    }

    /// How long there is nothing to do.
    fn pause(&self) -> Duration {
        match self.next_due() {
            Some(at) if self.lock.is_some() => {
                let seconds = (at.get() - now().get()).max(0).unsigned_abs();
                Duration::from_secs(seconds).clamp(Duration::from_millis(200), LOOK)
            }
            _ => LOOK,
        }
    }

    /// Claims an entry and makes one attempt. A fault is one of the disk.
    fn attempt(&mut self, listed: &Listed, ways: &mut BTreeMap<AccountId, Box<dyn Submit>>) -> Result<(), Fault> {
        let id = &listed.id;
        if matches!(listed.bin, Bin::Sent | Bin::Failed) {
            return self.file_copy(listed, listed.bin);
        }
        if !self.queue.shift(id, listed.bin, Bin::Sending)? {
            // Somebody else has moved it.
            return Ok(());
        }
        let (head, wire) = match self.queue.load(id, Bin::Sending) {
            Ok(loaded) => loaded,
            Err(fault) => {
                let to = if fault.cause == Cause::Damaged { Bin::Damaged } else { listed.bin };
                self.queue.shift(id, Bin::Sending, to)?;
                return Err(fault);
            }
        };
        let mut note = match self.queue.note(id) {
            Ok(note) => note,
            Err(fault) => {
                self.queue.shift(id, Bin::Sending, Bin::Maybe)?;
                return Err(fault);
            }
        };
        let open: Vec<String> = note.open(&head.submission.recipients).into_iter().cloned().collect();
        if open.is_empty() || !note.dotted.is_empty() {
            self.queue.shift(id, Bin::Sending, wishes::resting_place(&head, &note))?;
            return Ok(());
        }
        self.publish();
        note.transcript.clear();
        let submission = Submission { sender: head.submission.sender.clone(), recipients: open };
        let parcel = Parcel { id, submission: &submission, wire: &wire };
        let mut watch = Watch { queue: &self.queue, id, note: &mut note };
        let outcome = match self.way(&head.account, ways) {
            Ok(way) => way.submit(&parcel, &mut watch),
            Err(fault) => Outcome::Insecure(fault),
        };
        if matches!(outcome, Outcome::SignIn(..) | Outcome::Insecure(_)) {
            // It was made with the password of then.
            ways.remove(&head.account);
        }
        let listed = Listed { id: id.clone(), bin: Bin::Sending, head, note: Ok(Note::default()) };
        self.settle(&listed, note, &submission.recipients, outcome)
    }

    fn way<'w>(
        &self,
        account: &AccountId,
        ways: &'w mut BTreeMap<AccountId, Box<dyn Submit>>,
    ) -> Result<&'w mut Box<dyn Submit>, Fault> {
        use std::collections::btree_map::Entry as Slot;
        match ways.entry(account.clone()) {
            Slot::Occupied(slot) => Ok(slot.into_mut()),
            Slot::Vacant(slot) => {
                let config = self.account(account)?;
                Ok(slot.insert((self.env.way)(config, self.typed.get(account))?))
            }
        }
    }

    /// Writes down what an attempt came to, and only then moves the entry.
    fn settle(&mut self, listed: &Listed, mut note: Note, tried: &[String], outcome: Outcome) -> Result<(), Fault> {
        let id = &listed.id;
        let now = now();
        let had_some = note.accepted_for_some();
        let next = policy::after(&note.history(listed.head.queued_at), &outcome, now, fastrand::f64());
        write_down(&mut note, tried, &outcome, next, now);
        let everybody = note.accepted_for_all(&listed.head.submission.recipients);
        // Somebody refused for good in an earlier attempt is not forgotten over the rest's success.
        let next = if next == Next::Done && !everybody { Next::Failed } else { next };
        if let Err(fault) = self.queue.write_note(id, &note) {
            // What the disk says now may be that the dot was sent; so it is for the user to say.
            let _ = self.queue.shift(id, Bin::Sending, Bin::Maybe);
            return Err(fault);
        }
        if !had_some && note.accepted_for_some() {
            self.tell_sent(listed);
        }
        let to = match next {
            Next::Done => Bin::Sent,
            Next::Rest | Next::Retry { .. } | Next::Pause => Bin::Deferred,
            Next::Failed => Bin::Failed,
            Next::Ask => Bin::Maybe,
        };
        self.queue.shift(id, Bin::Sending, to)?;
        self.let_account_wait(&listed.head.account, next, &note);
        match next {
            Next::Failed | Next::Ask | Next::Pause => self.tell_failed(Some(id), explain(outcome, &note, listed)),
            Next::Done => self.sent += 1,
            Next::Rest | Next::Retry { .. } => {}
        }
        if note.accepted_for_some() {
            let filed = Listed { note: Ok(note), ..listed.clone() };
            self.file_copy(&filed, to)?;
        }
        Ok(())
    }

    fn let_account_wait(&mut self, account: &AccountId, next: Next, note: &Note) {
        match next {
            Next::Retry { at, waits: Waits::Account, .. } => {
                self.waits.insert(account.clone(), Wait::Until(at));
            }
            Next::Pause => {
                self.waits.insert(account.clone(), Wait::User(note.why.clone()));
                let asks = self.account(account).is_ok_and(|account| account.secret == SecretSource::Prompt);
                if asks {
                    self.typed.remove(account);
                    (self.report)(OutboxReport::WantsPassword(account.clone()));
                }
            }
            _ => {
                self.waits.remove(account);
            }
        }
    }

    /// Writes the copy that is owed, and lets go of an entry that has all it wanted.
    fn file_copy(&mut self, listed: &Listed, bin: Bin) -> Result<(), Fault> {
        let id = &listed.id;
        let mut note = listed.note.clone()?;
        if note.copy == CopyStep::Owed {
            let account = self.account(&listed.head.account)?;
            if !account.server_files_sent {
                let (head, wire) = self.queue.load(id, bin)?;
                self.queue.step(&self.env.data)?;
                let mailbox = (self.env.sent)(account);
                if let Some(changed) = sent::file(account, &mailbox, id, &head, &wire)? {
                    (self.report)(OutboxReport::Changed(changed));
                }
            }
            note.copy = CopyStep::Filed;
            self.queue.write_note(id, &note)?;
        }
        if bin == Bin::Sent {
            self.queue.remove(id, Bin::Sent)?;
        }
        Ok(())
    }

    /// Tells the list if it changed.
    fn publish(&mut self) {
        let stamp = self.queue.stamp();
        if self.told.is_some() && self.seen.as_ref() == Some(&stamp) && !self.holds_run_out() {
            return;
        }
        let Ok(listing) = self.queue.list() else { return };
        let now = now();
        let entries: Vec<Entry> = listing.entries.iter().map(|listed| self.seen_from_here(listed, now)).collect();
        self.seen = Some(stamp);
        if self.told.as_ref() != Some(&entries) {
            (self.report)(OutboxReport::Entries(entries.clone()));
            self.told = Some(entries);
        }
    }

    /// Is there an entry that is told as held and no longer is?
    fn holds_run_out(&self) -> bool {
        let now = now();
        let over = |entry: &Entry| matches!(entry.state, EntryState::Held(Some(until)) if until <= now);
        self.told.as_ref().is_some_and(|told| told.iter().any(over))
    }

    /// An entry with what only this worker knows: that its account waits for the user.
    fn seen_from_here(&self, listed: &Listed, now: Timestamp) -> Entry {
        let mut entry = wishes::shown(listed, now);
        if matches!(entry.state, EntryState::Queued | EntryState::Deferred { .. }) {
            if let Some(Wait::User(why)) = self.waits.get(&entry.account) {
                entry.state = EntryState::Paused { why: why.clone() };
            } else if let Err(fault) = self.account(&entry.account) {
                entry.state = EntryState::Paused { why: fault.detail };
            }
        }
        entry
    }
}
