//! The body of the thread `sync:<account>`: waits for a wake, the timer or a job, runs a round, backs
//! off after a fault. One process at a time syncs an account; a lock file decides which. It starts
//! no thread, and an account without a server is none of its business.

use std::collections::{BTreeSet, VecDeque};
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::env::{Env, Halt, Reporter};
use super::errand;
use super::forecast::Forecast;
use super::round::{Extent, Memory, Outcome, Round};
use crate::config::SecretSource;
use crate::fault::{Again, Cause, Doing, Fault};
use crate::job::sync::{Counts, SyncState, Wake};
use crate::job::{SyncJob, SyncReport};
use crate::ledger::Ledger;
use crate::mail::clean::Clean;
use crate::mail::ids::AccountId;
use crate::mail::place::MailboxId;
use crate::remote::{Remote, Rest};
use crate::store::quarantine::Quarantine;

/// How long to wait before looking again whether the other process is done.
const ELSEWHERE: Duration = Duration::from_secs(20);

/// How often it is looked whether the machine has slept.
const TICK: Duration = Duration::from_secs(10);
/// A leap of the clock by more seconds than that is no correction of it.
const LEAP: u64 = 30;

/// How long to wait after so many failures in a row: 2 s, 1.8 times as long each time up to half a
/// minute, then whole minutes up to five.
pub(crate) fn backoff(failures: u32) -> Duration {
    let seconds = 2.0 * 1.8_f64.powi(i32::try_from(failures.min(40)).unwrap_or(40) - 1);
    let calm = if seconds <= 30.0 { seconds } else { f64::from(failures.saturating_sub(5).min(5)) * 60.0 };
    jittered(Duration::from_secs_f64(calm.max(1.0)))
}

/// A tenth more or less, so that many accounts do not call at once.
fn jittered(time: Duration) -> Duration {
    time.mul_f64(0.9 + 0.2 * fastrand::f64())
}

/// What a single round did, for `tern sync`.
#[derive(Debug, Default)]
pub struct Summary {
    /// What was done.
    pub counts: Counts,
    /// What went wrong with single mailboxes and messages.
    pub faults: Vec<Fault>,
    /// Mailboxes whose plan is frightening, with the question.
    pub held: Vec<(MailboxId, Clean)>,
    /// Another process syncs this account: nothing was done here.
    pub elsewhere: bool,
    /// Was there a wish to stop before the end?
    pub stopped: bool,
}

/// Runs one round over all mailboxes and returns. A connection that is cut is made anew twice.
///
/// # Errors
/// What stopped the account: no server, no sign-in, no disk. What was done before stays done.
pub fn run_once(env: &Env, report: Reporter<'_>) -> Result<Summary, Fault> {
    let mut worker = Worker::new(env, report);
    let Some(_lock) = worker.lock()? else { return Ok(Summary { elsewhere: true, ..Summary::default() }) };
    let mut summary = Summary::default();
    let mut attempt = 0;
    loop {
        let (outcome, ended) = worker.round(Extent::All);
        summary.counts.add(&outcome.counts);
        summary.faults = outcome.faults;
        match ended {
            Ok(()) if outcome.more => {}
            Ok(()) => break,
            Err(Halt::Stopped) => {
                summary.stopped = true;
                break;
            }
            Err(Halt::Failed(fault)) if attempt < 2 && fault.again == Again::Now => attempt += 1,
            Err(Halt::Failed(fault)) => return Err(fault.of(&env.account.id)),
        }
    }
    summary.held = worker.memory.held.iter().map(|(name, question)| (env.mailbox(name), question.clone())).collect();
    Ok(summary)
}

/// Says what a round would do, mailbox by mailbox; nothing is written on either side.
///
/// # Errors
/// What would stop the account.
pub fn dry_run(env: &Env, report: Reporter<'_>) -> Result<Forecast, Fault> {
    let mut worker = Worker::new(env, report);
    worker.memory.dry = Some(Forecast::default());
    let Some(_lock) = worker.lock()? else {
        return Err(Fault::new(Doing::Comparing, "the account", Cause::Busy).of(&env.account.id));
    };
    let (outcome, ended) = worker.round(Extent::All);
    match ended {
        Err(Halt::Failed(fault)) => Err(fault.of(&env.account.id)),
        _ => Ok(Forecast { faults: outcome.faults, ..worker.memory.dry.take().unwrap_or_default() }),
    }
}

/// Syncs one account until `jobs` is closed or there is a wish to stop.
pub fn run(env: &Env, jobs: &Receiver<SyncJob>, report: Reporter<'_>) {
    let mut worker = Worker::new(env, report);
    if env.connect.is_none() {
        worker.state(SyncState::Local);
        // Jobs are taken so that nobody waits for a full queue.
        while jobs.recv().is_ok() && !(env.stop)() {}
        return;
    }
    let mut next = Due::Now(Extent::All);
    while !(env.stop)() {
        let Some(extent) = worker.wait(jobs, next) else { break };
        next = worker.turn(extent);
    }
    worker.hang_up();
}

/// When the next round is due.
#[derive(Debug, Clone, Copy)]
enum Due {
    Now(Extent),
    In(Duration),
    /// Only when someone asks.
    Asked,
}

struct Worker<'a> {
    env: &'a Env,
    report: Reporter<'a>,
    remote: Option<Box<dyn Remote>>,
    ledger: Option<Ledger>,
    lock: Option<AccountLock>,
    memory: Memory,
    failures: u32,
    /// When the next whole round is due; `None`: when somebody asks.
    whole_at: Option<Instant>,
    /// Does the user have to do something before it is worth trying again?
    blocked: bool,
    /// By how much the clock was ahead when it was last looked at.
    ahead: i64,
    /// What came in while a round ran.
    queue: VecDeque<SyncJob>,
}

impl<'a> Worker<'a> {
    fn new(env: &'a Env, report: Reporter<'a>) -> Self {
        Self {
            env,
            report,
            remote: None,
            ledger: None,
            lock: None,
            memory: Memory::default(),
            failures: 0,
            whole_at: None,
            blocked: false,
            ahead: env.clock.ahead(),
            queue: VecDeque::new(),
        }
    }

    fn state(&self, state: SyncState) {
        (self.report)(SyncReport::State { account: self.env.account.id.clone(), state });
    }

    /// Waits until a round is due and says how far it goes; `None`: the jobs are at an end.
    fn wait(&mut self, jobs: &Receiver<SyncJob>, due: Due) -> Option<Extent> {
        let (until, mut wanted) = match due {
            Due::Now(extent) => (None, Some(extent)),
            Due::In(time) => (Some(Instant::now() + time), None),
            Due::Asked => (None, None),
        };
        loop {
            if self.has_slept() {
                wanted = wanted.max(self.wake_up());
            }
            // Many wishes at once are one round.
            while let Some(job) = self.queue.pop_front().or_else(|| jobs.try_recv().ok()) {
                wanted = wanted.max(self.take(job));
            }
            if wanted.is_some() || (self.env.stop)() {
                return wanted;
            }
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            match jobs.recv_timeout(left.map_or(TICK, |left| left.min(TICK))) {
                Ok(job) => self.queue.push_back(job),
                Err(RecvTimeoutError::Timeout) if left.is_some_and(|left| left <= TICK) => return Some(Extent::All),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
    }

    /// Has the machine slept, or the clock been set, since this was last asked?
    fn has_slept(&mut self) -> bool {
        let ahead = self.env.clock.ahead();
        let leap = ahead.abs_diff(self.ahead);
        self.ahead = ahead;
        leap > LEAP
    }

    /// After a sleep every connection is in doubt, the network may be another one, and what a timer
    /// that stood still would wait for is long due.
    fn wake_up(&mut self) -> Option<Extent> {
        tracing::info!("{}: the clock has leapt: connections are made anew", self.env.account.id);
        self.hang_up();
        self.env.watches.wake();
        self.take(SyncJob::Wake { account: None, why: Wake::Network })
    }

    /// Takes one job in; says how far the round goes that it asks for.
    fn take(&mut self, job: SyncJob) -> Option<Extent> {
        let ours = |mailbox: &MailboxId| mailbox.account == self.env.account.id;
        match job {
            SyncJob::Wake { account, why } => {
                if account.is_some_and(|account| account != self.env.account.id) {
                    return None;
                }
                match why {
                    Wake::Asked => {
                        self.blocked = false;
                        // Whoever asks wants to see what comes of it now.
                        self.memory.troubles.clear();
                        self.memory.stubborn.clear();
                        Some(Extent::All)
                    }
                    _ if self.blocked => None,
                    Wake::Network => {
                        self.failures = 0;
                        Some(Extent::All)
                    }
                    // What changes here alone is nothing to a POP3 server, and each round signs in anew.
                    Wake::LocalChange | Wake::Folders if self.env.account.pop3.is_some() => None,
                    // While the server cannot be reached the timer decides.
                    _ if self.failures > 0 => None,
                    Wake::LocalChange => Some(Extent::Here),
                    // Which folders there are is asked in a whole round only.
                    Wake::Folders => Some(Extent::All),
                    Wake::News => Some(Extent::News),
                }
            }
            SyncJob::Visible(mailbox) if ours(&mailbox) => {
                self.memory.visible = Some(mailbox.name);
                None
            }
            SyncJob::Answer { mailbox, go_on } if ours(&mailbox) => {
                self.memory.answers.insert(mailbox.name.clone(), go_on);
                self.memory.held.remove(&mailbox.name);
                Some(Extent::All)
            }
            SyncJob::Password { account, secret } if account == self.env.account.id => {
                (self.env.password)(secret);
                self.blocked = false;
                Some(Extent::All)
            }
            SyncJob::Fetch(_) => {
                self.run_errands();
                None
            }
            SyncJob::Visible(_)
            | SyncJob::Answer { .. }
            | SyncJob::Password { .. }
            | SyncJob::Wish { .. }
            | SyncJob::Label { .. }
            | SyncJob::TellLabels { .. }
            | SyncJob::Note { .. }
            | SyncJob::TellNotes => None,
        }
    }

    /// Fetches what was opened, where errands have no connection of their own. A connection that is made for it is
    /// kept for the next round.
    fn run_errands(&mut self) {
        for stub in self.env.urgency.take_errands() {
            let now = errand::fetch(self.env, &mut self.remote, &stub, self.report);
            // It may be another connection than that on which the folders were listed.
            self.memory.folders = None;
            (self.report)(SyncReport::Fetched { stub, now });
        }
        if self.env.account.pop3.is_some() {
            // A session locks the mailbox, and knows nothing of what comes meanwhile.
            self.hang_up();
        }
    }

    /// Runs a round, tells of it, and says when the next one is due.
    fn turn(&mut self, extent: Extent) -> Due {
        if self.lock.is_none() {
            match self.lock() {
                Ok(Some(lock)) => self.lock = Some(lock),
                Ok(None) => {
                    self.state(SyncState::Elsewhere);
                    return Due::In(jittered(ELSEWHERE));
                }
                Err(fault) => return self.failed(fault),
            }
        }
        // After a failure the folders may be others, and what was not done anywhere is due.
        let extent = if self.failures > 0 { Extent::All } else { extent };
        let kept = self.remote.is_some();
        let (outcome, ended) = self.round(extent);
        match ended {
            Ok(()) => self.over(extent, outcome),
            Err(Halt::Stopped) => Due::Asked,
            // A connection that was kept from an earlier round may have died of old age.
            Err(Halt::Failed(fault)) if kept && fault.again == Again::Now => Due::Now(Extent::All),
            Err(Halt::Failed(fault)) => {
                // What went wrong before may be why it came to this.
                for earlier in outcome.faults {
                    (self.report)(SyncReport::Fault(earlier));
                }
                self.failed(fault)
            }
        }
    }

    fn over(&mut self, extent: Extent, outcome: Outcome) -> Due {
        self.failures = 0;
        let account = self.env.account.id.clone();
        for fault in &outcome.faults {
            (self.report)(SyncReport::Fault(fault.clone()));
        }
        (self.report)(SyncReport::RoundOver { account, counts: outcome.counts, faults: outcome.faults });
        let idle = self.env.watching.load(Ordering::Relaxed);
        self.state(SyncState::UpToDate { idle, at: self.env.clock.now() });
        if extent == Extent::All {
            // Rounds that go less far, however many, do not put it off.
            self.whole_at = self.env.account.sync.interval.map(|interval| Instant::now() + jittered(interval));
            // What is too old to be taken back; the next day's round tries again.
            let _ = Quarantine::below(&self.env.data).purge(self.env.clock.now());
        }
        match self.whole_at {
            _ if outcome.more => Due::Now(Extent::News),
            Some(at) => Due::In(at.saturating_duration_since(Instant::now())),
            None => Due::Asked,
        }
    }

    fn failed(&mut self, fault: Fault) -> Due {
        self.failures += 1;
        let fault = fault.of(&self.env.account.id);
        // Space is made without a word to this program, so a full disk is looked at again.
        let waits = matches!(fault.again, Again::AfterUser | Again::Never);
        self.blocked = waits && fault.cause != Cause::DiskFull;
        let asks = fault.doing == Doing::SigningIn || fault.doing == Doing::Configuring;
        if self.blocked && asks && self.env.account.secret == SecretSource::Prompt {
            (self.report)(SyncReport::WantsPassword(self.env.account.id.clone()));
        }
        if self.blocked {
            self.state(SyncState::Failed { fault, next: None, known: false });
            return Due::Asked;
        }
        // Some servers say the same each time they hang up (BYE) or turn us away for now.
        let passes = matches!(fault.cause, Cause::Closed | Cause::RefusedForNow) && !fault.detail.is_empty();
        let known = passes && !self.memory.alerts.is_news(&fault.detail, self.env.clock.now());
        let pause = backoff(self.failures);
        let seconds = i64::try_from(pause.as_secs()).unwrap_or(i64::MAX);
        self.state(SyncState::Failed { fault, next: Some(self.env.clock.now().plus(seconds)), known });
        Due::In(pause)
    }

    /// One round, on the connection that is there or on a new one. After a fault the connection is
    /// dropped.
    fn round(&mut self, extent: Extent) -> (Outcome, Result<(), Halt>) {
        let mut outcome = Outcome::default();
        let ended = self.attempt(extent, &mut outcome);
        if ended.is_err() {
            self.hang_up();
            self.ledger = None;
        }
        (outcome, ended)
    }

    fn attempt(&mut self, extent: Extent, outcome: &mut Outcome) -> Result<(), Halt> {
        let Some(connect) = &self.env.connect else { return Ok(()) };
        let mut ledger = if let Some(ledger) = self.ledger.take() {
            ledger
        } else if self.memory.dry.is_some() {
            Ledger::rehearse(&self.env.data)?
        } else {
            let (ledger, damage) = Ledger::open(&self.env.data)?;
            if let Some(fault) = damage {
                (self.report)(SyncReport::Fault(fault));
            }
            ledger
        };
        let mut remote = if let Some(remote) = self.remote.take() {
            remote
        } else {
            self.state(SyncState::Connecting);
            self.memory.folders = None;
            let is_dry = self.memory.dry.is_some();
            let remote = if is_dry { connect.look_ahead()? } else { connect.connect()? };
            self.env.met.fetch_add(1, Ordering::SeqCst);
            remote
        };
        let mut round = Round {
            env: self.env,
            remote: remote.as_mut(),
            ledger: &mut ledger,
            report: self.report,
            memory: &mut self.memory,
            outcome: Outcome::default(),
            unsettled: false,
            endings: Vec::new(),
            ahead: BTreeSet::new(),
            overtaking: None,
        };
        let ended = round.run(extent);
        round.tell_alerts();
        *outcome = round.outcome;
        self.ledger = Some(ledger);
        let ended = match ended {
            Ok(()) if self.memory.dry.is_none() => {
                let ended = remote.end_round().map_err(Halt::from);
                outcome.faults.extend(remote.leftovers());
                ended
            }
            Ok(()) => Ok(Rest::Open),
            Err(halt) => Err(halt),
        };
        match ended {
            Ok(Rest::Open) => self.remote = Some(remote),
            Ok(Rest::Ended) => {}
            Ok(Rest::More) => outcome.more = true,
            Err(halt) => {
                self.remote = Some(remote);
                return Err(halt);
            }
        }
        Ok(())
    }

    fn hang_up(&mut self) {
        if let Some(mut remote) = self.remote.take() {
            remote.close();
        }
    }

    /// Takes the account's lock; `None`: another process has it.
    fn lock(&self) -> Result<Option<AccountLock>, Fault> {
        let path = lock_file(&self.env.data, &self.env.account.id);
        let fault = |e: &std::io::Error| Fault::io(Doing::Remembering, &path.to_string_lossy(), e);
        fs::create_dir_all(self.env.data.join("locks")).map_err(|e| fault(&e))?;
        let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(|e| fault(&e))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(AccountLock(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(fault(&error)),
        }
    }
}

fn lock_file(data: &Path, account: &AccountId) -> PathBuf {
    let plain = |c: char| if c.is_alphanumeric() || c == '-' || c == '_' { c } else { '+' };
    let name: String = account.as_str().chars().map(plain).collect();
    data.join("locks").join(format!("{name}.lock"))
}

/// Does a process sync this account just now? Looked at without making the lock file.
pub fn is_syncing(data: &Path, account: &AccountId) -> bool {
    let Ok(file) = File::open(lock_file(data, account)) else { return false };
    matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
}

/// The right to sync an account. Let go of by name: a child process that is just being started holds
/// a copy of every open file, and with it the lock, until it runs its own program.
struct AccountLock(File);

impl Drop for AccountLock {
    fn drop(&mut self) {
        // When the file is closed the lock goes all the same, only perhaps a little later.
        let _ = self.0.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_grows_to_five_minutes_and_no_further() {
        let within = |failures, low: f64, high: f64| {
            let seconds = backoff(failures).as_secs_f64();
            assert!((low * 0.9..=high * 1.1).contains(&seconds), "{failures}: {seconds}");
        };
        within(1, 2.0, 2.0);
        within(2, 3.6, 3.6);
        within(5, 20.0, 22.0);
        within(6, 60.0, 60.0);
        within(10, 300.0, 300.0);
        within(u32::MAX, 300.0, 300.0);
    }
}
