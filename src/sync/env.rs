//! What a sync thread is given: its account, a way to the server, the clock, the wish to stop. Whoever
//! makes one decides on threads; nothing in this room starts any.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::commit::Lane;
use super::watch::Watches;
use super::window::Window;
use crate::config::Account;
use crate::fault::Fault;
use crate::job::SyncReport;
use crate::job::shell::Hidden;
use crate::mail::ids::Timestamp;
use crate::mail::mailbox::MailboxName;
use crate::mail::place::{MailboxId, Place};
use crate::remote::Connect;
use crate::store::folders::Root;

/// Where reports go.
pub type Reporter<'a> = &'a (dyn Fn(SyncReport) + Send + Sync);

/// Tells the time and lets it pass.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
    /// Lets `time` pass.
    fn pause(&self, time: Duration);
    /// By how many seconds the clock on the wall has run ahead of the time for which this machine was
    /// awake. A leap of it is a suspend, or a clock that was set; a clock that knows no sleep says 0.
    fn ahead(&self) -> i64 {
        0
    }
}

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct WallClock;

impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
        Timestamp::new(i64::try_from(seconds).unwrap_or(i64::MAX))
    }

    fn pause(&self, time: Duration) {
        std::thread::sleep(time);
    }

    fn ahead(&self) -> i64 {
        /// The steady clock stands still while the machine sleeps; where it begins does not matter.
        static BEGUN: OnceLock<Instant> = OnceLock::new();
        let awake = BEGUN.get_or_init(Instant::now).elapsed().as_secs();
        self.now().get().saturating_sub(i64::try_from(awake).unwrap_or(i64::MAX))
    }
}

/// What may not wait for the end of a round: news of the server's, another mailbox on screen, and messages that were
/// opened where no connection is left for errands.
#[derive(Debug, Default)]
pub struct Urgency {
    is: AtomicBool,
    visible: Mutex<Option<MailboxName>>,
    errands: Mutex<Vec<Place>>,
}

impl Urgency {
    /// Says that there is something.
    pub fn rouse(&self) {
        self.is.store(true, Ordering::SeqCst);
    }

    /// Says that this mailbox is on screen now.
    pub fn show(&self, mailbox: &MailboxName) {
        *self.visible.lock().unwrap_or_else(PoisonError::into_inner) = Some(mailbox.clone());
        self.rouse();
    }

    /// Says that the stub at this place was opened, on the sync's own connection. A `SyncJob::Fetch` wakes the thread
    /// if no round runs.
    pub fn open(&self, stub: &Place) {
        let mut errands = self.errands.lock().unwrap_or_else(PoisonError::into_inner);
        errands.retain(|other| other != stub);
        errands.push(stub.clone());
        drop(errands);
        self.rouse();
    }

    /// Takes the stubs that were opened; the one that was opened last, which is on screen, comes first.
    pub(crate) fn take_errands(&self) -> Vec<Place> {
        let mut errands = std::mem::take(&mut *self.errands.lock().unwrap_or_else(PoisonError::into_inner));
        errands.reverse();
        errands
    }

    /// Is there something?
    pub(crate) fn is(&self) -> bool {
        self.is.load(Ordering::SeqCst)
    }

    /// It is seen to: what comes from here on is urgent anew.
    pub(crate) fn settle(&self) {
        self.is.store(false, Ordering::SeqCst);
    }

    /// The mailbox on screen, as far as it was told.
    pub(crate) fn visible(&self) -> Option<MailboxName> {
        self.visible.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What the sync of one account stands on. Cheap to clone; `watch` gets a clone.
#[derive(Clone)]
pub struct Env {
    /// The account.
    pub account: Account,
    /// Makes connections; `None` for an account without a server.
    pub connect: Option<Arc<dyn Connect>>,
    /// The program's data directory: ledger, locks, quarantine.
    pub data: PathBuf,
    /// The user's home directory, where other sync programs keep what they know; `None`: nobody looks.
    pub home: Option<PathBuf>,
    /// Commits batches while the next one is fetched; `None`: they are committed in between.
    pub lane: Option<Lane>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Is there a wish to stop? Asked between steps, and between the halves of a step.
    pub stop: Arc<dyn Fn() -> bool + Send + Sync>,
    /// What overtakes the round that runs.
    pub urgency: Arc<Urgency>,
    /// Does `watch` hear of news at once?
    pub watching: Arc<AtomicBool>,
    /// Only these mailboxes are synced; `None`: all of them.
    pub only: Option<BTreeSet<MailboxName>>,
    /// The answer to whatever the guard asks, where the user gave it beforehand.
    pub consent: Option<bool>,
    /// How often the sync thread has signed in: `watch` waits for it where only the user can help.
    pub(crate) met: Arc<AtomicU64>,
    /// Takes a password that the user typed.
    pub password: Arc<dyn Fn(Hidden) + Send + Sync>,
    /// What the connections that watch know of each other.
    pub watches: Arc<Watches>,
}

impl Env {
    /// Makes one with the system's clock, without a lane, that is never asked to stop.
    pub fn new(account: Account, connect: Option<Arc<dyn Connect>>, data: PathBuf) -> Self {
        Self {
            account,
            connect,
            data,
            home: std::env::var_os("HOME").map(PathBuf::from),
            lane: None,
            clock: Arc::new(WallClock),
            stop: Arc::new(|| false),
            urgency: Arc::default(),
            watching: Arc::new(AtomicBool::new(false)),
            only: None,
            consent: None,
            met: Arc::default(),
            password: Arc::new(drop),
            watches: Arc::default(),
        }
    }

    /// The account's directory.
    pub(crate) fn root(&self) -> Root {
        Root { path: self.account.maildir.clone(), layout: self.account.layout }
    }

    /// The mailbox of that name.
    pub(crate) fn mailbox(&self, name: &MailboxName) -> MailboxId {
        MailboxId { account: self.account.id.clone(), name: name.clone() }
    }

    /// What of its mail lies here whole.
    pub(crate) fn window(&self) -> Window {
        let settings = &self.account.sync;
        Window { keep: settings.keep, max_size: settings.max_size }
    }

    /// Is this mailbox to be synced?
    pub(crate) fn wants(&self, name: &MailboxName) -> bool {
        self.only.as_ref().is_none_or(|only| only.contains(name))
    }

    /// Goes on, unless there is a wish to stop.
    pub(crate) fn step(&self) -> Result<(), Halt> {
        if (self.stop)() { Err(Halt::Stopped) } else { Ok(()) }
    }

    /// Lets time pass, in slices between which the wish to stop is looked at.
    pub(crate) fn pause(&self, time: Duration) -> Result<(), Halt> {
        const SLICE: Duration = Duration::from_millis(250);
        let mut left = time;
        while !left.is_zero() {
            self.step()?;
            self.clock.pause(left.min(SLICE));
            left = left.saturating_sub(SLICE);
        }
        Ok(())
    }
}

/// Why a step did not come to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Halt {
    /// There is a wish to stop.
    Stopped,
    /// It failed.
    Failed(Fault),
}

impl From<Fault> for Halt {
    fn from(fault: Fault) -> Self {
        Self::Failed(fault)
    }
}
