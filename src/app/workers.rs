//! The only place where threads start. Each has a name, a channel for its jobs and a way to report;
//! one that panics is caught, reported as `Died` and started again once. None talks to another.

use std::collections::BTreeMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::refresh;
use crate::config::Config;
use crate::fault::{Again, Cause, Doing, Fault, Scope};
use crate::index::Stands;
use crate::job::index::Source;
use crate::job::sync::Wake;
use crate::job::{FilesJob, IndexJob, Job, OutboxJob, Report, RulesJob, SyncJob};
use crate::mail::ids::AccountId;
use crate::mail::mailbox::MailboxName;
use crate::{index, outbox, rules, store, sync};

/// How many jobs may wait for one worker; each has its room from the start.
const QUEUE: usize = 1024;
/// How many reports may wait for the loop; workers wait when it is full, the loop never does.
const REPORTS: usize = 4096;
/// The stack of a worker: parsers run on it.
const STACK: usize = 8 << 20;

/// Where reports go.
#[derive(Debug, Clone)]
pub struct Outlet(mpsc::Sender<Report>);

impl Outlet {
    /// Makes the way from the workers to the loop.
    pub fn new() -> (Self, mpsc::Receiver<Report>) {
        let (send, receive) = mpsc::channel(REPORTS);
        (Self(send), receive)
    }

    /// Reports. When the loop is gone nobody listens, and the worker is about to end too.
    pub fn send(&self, report: Report) {
        let _ = self.0.blocking_send(report);
    }
}

/// Starts a thread of that name.
pub fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name.to_owned()).stack_size(STACK).spawn(body)
}

/// The ways to each worker.
pub struct Workers {
    files: SyncSender<FilesJob>,
    writer: SyncSender<IndexJob>,
    reader: SyncSender<IndexJob>,
    /// Searches, and the meeting with the database that answers them, where that is not the index itself.
    notmuch: Option<(SyncSender<IndexJob>, SyncSender<IndexJob>)>,
    outbox: SyncSender<OutboxJob>,
    sync: BTreeMap<AccountId, SyncSender<SyncJob>>,
    urgencies: BTreeMap<AccountId, Arc<sync::env::Urgency>>,
    errands: BTreeMap<AccountId, SyncSender<SyncJob>>,
    notes: SyncSender<SyncJob>,
    rules: SyncSender<RulesJob>,
    stopping: Arc<AtomicBool>,
    watches: Vec<sync::Env>,
    threads: Vec<JoinHandle<()>>,
}

/// What the workers stand on.
pub struct Grounds {
    /// Where messages lie and are read.
    pub files: store::worker::Env,
    /// The index's file.
    pub index: PathBuf,
    /// The user's own addresses, as the index must know them.
    pub own: Vec<String>,
    /// Where contacts come from.
    pub contacts: index::Sources,
    /// The database of notmuch's that answers searches, where one does.
    pub engine: Option<index::Notmuch>,
    /// The rules for what is new, as the index reads them.
    pub sieves: index::Sieves,
    /// What the rules stand on.
    pub rules: rules::Env,
    /// The config, by which an index is made anew.
    pub config: Config,
    /// What each account's sync stands on; lane and wish to stop are added here.
    pub sync: Vec<sync::Env>,
    /// What the outbox stands on.
    pub outbox: outbox::worker::Env,
}

impl Workers {
    /// Starts them all.
    pub fn start(grounds: Grounds, outlet: &Outlet) -> io::Result<Self> {
        let mut threads = Vec::new();
        let Grounds { files, index: path, own, contacts, sieves, rules, engine, config, sync, outbox } = grounds;
        let stopping = Arc::new(AtomicBool::new(false));
        #[cfg(target_os = "linux")]
        threads.push(start_deliveries(files.accounts.clone(), &stopping, outlet)?);
        let files = start("files", outlet, &mut threads, move |jobs: &Receiver<FilesJob>, outlet: &Outlet| {
            store::worker::run(files.clone(), jobs, &|report| outlet.send(Report::Files(report)));
        })?;
        let (file, told) = (path.clone(), engine.clone());
        let writer = start("index", outlet, &mut threads, move |jobs: &Receiver<IndexJob>, outlet: &Outlet| {
            let ground = index::Ground { own: &own, sources: &contacts, sieves: &sieves, engine: told.as_ref() };
            index::run_writer(&file, ground, jobs, &|report| outlet.send(Report::Index(report)));
        })?;
        let outdated = index::stands(&path) == Stands::Outdated;
        let file = path.clone();
        let reader = start("reader", outlet, &mut threads, move |jobs: &Receiver<IndexJob>, outlet: &Outlet| {
            index::run_reader(&file, None, jobs, &|report| outlet.send(Report::Index(report)));
        })?;
        let notmuch = engine.map(|engine| start_notmuch(engine, path, outlet, &mut threads)).transpose()?;
        let outbox = start("outbox", outlet, &mut threads, move |jobs: &Receiver<OutboxJob>, outlet: &Outlet| {
            outbox::worker::run(outbox.clone(), jobs, &|report| outlet.send(Report::Outbox(report)));
        })?;
        let envs = sync.clone();
        let notes = start("notes", outlet, &mut threads, move |jobs: &Receiver<SyncJob>, outlet: &Outlet| {
            sync::notes::run(&envs, jobs, &|report| outlet.send(Report::Sync(report)));
        })?;
        let rules = start("rules", outlet, &mut threads, move |jobs: &Receiver<RulesJob>, outlet: &Outlet| {
            rules::run(&rules, jobs, &|report| outlet.send(Report::Rules(report)));
        })?;
        if outdated {
            threads.push(start_renewal(config, &stopping, outlet)?);
        }
        let mut workers = Self {
            files,
            writer,
            reader,
            notmuch,
            outbox,
            sync: BTreeMap::new(),
            urgencies: BTreeMap::new(),
            errands: BTreeMap::new(),
            notes,
            rules,
            stopping,
            watches: Vec::new(),
            threads,
        };
        for env in sync {
            workers.start_account(env, outlet)?;
        }
        Ok(workers)
    }

    /// One account: the thread that syncs, the lane that makes batches durable, the one that waits
    /// for news.
    fn start_account(&mut self, mut env: sync::Env, outlet: &Outlet) -> io::Result<()> {
        let account = env.account.id.clone();
        let stopping = Arc::clone(&self.stopping);
        env.stop = Arc::new(move || stopping.load(Ordering::SeqCst));
        let watched = env.clone();
        if env.connect.is_some() {
            env.lane = Some(start_lane(&env, &mut self.threads)?);
        }
        let name = format!("sync:{account}");
        let jobs = start(&name, outlet, &mut self.threads, move |jobs: &Receiver<SyncJob>, outlet: &Outlet| {
            sync::worker::run(&env, jobs, &|report| outlet.send(Report::Sync(report)));
        })?;
        if watched.connect.is_some() {
            for mailbox in sync::watch::watched(&watched.account) {
                self.start_watch(watched.clone(), mailbox, jobs.clone())?;
            }
        }
        if watched.connect.is_some() && sync::errand::has_connection(&watched.account) {
            let (name, env) = (format!("errand:{account}"), watched.clone());
            let errands = start(&name, outlet, &mut self.threads, move |jobs: &Receiver<SyncJob>, outlet: &Outlet| {
                sync::errand::run(&env, jobs, &|report| outlet.send(Report::Sync(report)));
            })?;
            self.errands.insert(account.clone(), errands);
        }
        self.urgencies.insert(account.clone(), watched.urgency);
        self.sync.insert(account, jobs);
        Ok(())
    }

    /// The thread that waits for news. It says so to the account's own thread, the one exception to
    /// the rule that workers only talk to the loop: both are one worker on two connections.
    fn start_watch(&mut self, env: sync::Env, mailbox: MailboxName, jobs: SyncSender<SyncJob>) -> io::Result<()> {
        let account = env.account.id.clone();
        self.watches.push(env.clone());
        let name = format!("watch:{account}:{mailbox}");
        self.threads.push(spawn(&name, move || {
            let wake = || {
                // A full queue holds a wake-up already.
                let _ = jobs.try_send(SyncJob::Wake { account: Some(account.clone()), why: Wake::News });
            };
            if let Err(fault) = sync::watch::run(&env, &mailbox, wake) {
                // The sync thread meets the same fault and tells it.
                tracing::info!("watch: {fault}");
            }
        })?);
        Ok(())
    }

    /// Hands a job out; gives it back if that worker's queue is full or gone.
    pub fn hand_out(&self, job: Job) -> Result<(), Box<Job>> {
        match job {
            Job::Files(job) => give(&self.files, job, Job::Files),
            Job::Index(job) if is_for_notmuch(&job) => match &self.notmuch {
                Some((finder, _)) if is_question(&job) => give(finder, job, Job::Index),
                Some((_, meeting)) => give(meeting, job, Job::Index),
                None if is_question(&job) => give(&self.reader, job, Job::Index),
                None => Ok(()),
            },
            Job::Index(job) if is_question(&job) => give(&self.reader, job, Job::Index),
            Job::Index(job) => give(&self.writer, job, Job::Index),
            Job::Outbox(job) => give(&self.outbox, job, Job::Outbox),
            Job::Rules(job) => give(&self.rules, job, Job::Rules),
            Job::Sync(job) => self.hand_out_sync(job),
            Job::Shell(_) => Err(Box::new(job)),
        }
    }

    fn hand_out_sync(&self, job: SyncJob) -> Result<(), Box<Job>> {
        if let SyncJob::Visible(mailbox) = &job
            && let Some(urgency) = self.urgencies.get(&mailbox.account)
        {
            // A round that runs hears of it too.
            urgency.show(&mailbox.name);
        }
        if let SyncJob::Fetch(place) = &job {
            let account = &place.mailbox.account;
            if let Some(errands) = self.errands.get(account) {
                return give(errands, job, Job::Sync);
            }
            // Its own thread does it, also in the middle of a round.
            if let Some(urgency) = self.urgencies.get(account) {
                urgency.open(place);
            }
        }
        let account = match &job {
            SyncJob::Label { .. }
            | SyncJob::TellLabels { .. }
            | SyncJob::Wish { .. }
            | SyncJob::Note { .. }
            | SyncJob::TellNotes => {
                return give(&self.notes, job, Job::Sync);
            }
            SyncJob::Fetch(place) => Some(place.mailbox.account.clone()),
            SyncJob::Wake { account, .. } => account.clone(),
            SyncJob::Visible(mailbox) | SyncJob::Answer { mailbox, .. } => Some(mailbox.account.clone()),
            SyncJob::Password { account, .. } => Some(account.clone()),
        };
        match account {
            // An account that is not there has nothing to sync.
            Some(account) => self.sync.get(&account).map_or(Ok(()), |worker| give(worker, job, Job::Sync)),
            None => self.sync.values().try_for_each(|worker| give(worker, job.clone(), Job::Sync)),
        }
    }

    /// Ends them: each may reach the end of its step, for at most `grace` in all.
    pub fn stop(self, grace: Duration) {
        self.stopping.store(true, Ordering::SeqCst);
        let Self { files, writer, reader, notmuch, outbox, sync, errands, notes, rules, watches, threads, .. } = self;
        drop((files, writer, reader, notmuch, outbox, sync, errands, notes, rules));
        let end = Instant::now() + grace;
        while Instant::now() < end && threads.iter().any(|thread| !thread.is_finished()) {
            for watch in &watches {
                watch.watches.wake();
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Is this for the threads of notmuch, where that answers searches?
fn is_for_notmuch(job: &IndexJob) -> bool {
    match job {
        IndexJob::Rows { list, .. } | IndexJob::NextUnread { list, .. } => matches!(list.source, Source::Search { .. }),
        job => matches!(job, IndexJob::Meet | IndexJob::Tally { .. }),
    }
}

/// Is this a question, for the reader, or a change, for the writer?
fn is_question(job: &IndexJob) -> bool {
    match job {
        IndexJob::Mailboxes
        | IndexJob::Rows { .. }
        | IndexJob::NextUnread { .. }
        | IndexJob::Conversation { .. }
        | IndexJob::Complete { .. }
        | IndexJob::Tags
        | IndexJob::Tally { .. }
        | IndexJob::Find { .. } => true,
        IndexJob::Apply(_)
        | IndexJob::ReadBooks
        | IndexJob::Reconcile(_)
        | IndexJob::Folders { .. }
        | IndexJob::Views { .. }
        | IndexJob::Label { .. }
        | IndexJob::SetLabels { .. }
        | IndexJob::Notes { .. }
        | IndexJob::Renamed { .. }
        | IndexJob::Meet
        | IndexJob::Retag(_)
        | IndexJob::Settled { .. }
        | IndexJob::Release(_)
        | IndexJob::Known(_) => false,
    }
}

fn give<T>(worker: &SyncSender<T>, job: T, wrap: fn(T) -> Job) -> Result<(), Box<Job>> {
    worker.try_send(job).map_err(|refused| match refused {
        TrySendError::Full(job) | TrySendError::Disconnected(job) => Box::new(wrap(job)),
    })
}

/// Two threads, since each may have to wait: for a search that takes long, and for another program that writes.
fn start_notmuch(
    engine: index::Notmuch,
    path: PathBuf,
    outlet: &Outlet,
    threads: &mut Vec<JoinHandle<()>>,
) -> io::Result<(SyncSender<IndexJob>, SyncSender<IndexJob>)> {
    let (file, at) = (path.clone(), engine.clone());
    let finder = start("finder", outlet, threads, move |jobs: &Receiver<IndexJob>, outlet: &Outlet| {
        index::run_reader(&file, Some(&at), jobs, &|report| outlet.send(Report::Index(report)));
    })?;
    let meeting = start("notmuch", outlet, threads, move |jobs: &Receiver<IndexJob>, outlet: &Outlet| {
        index::run_notmuch(&engine, &path, jobs, &|report| outlet.send(Report::Index(report)));
    })?;
    Ok((finder, meeting))
}

/// The thread that makes an index of another version anew while that one goes on being read.
fn start_renewal(config: Config, stopping: &Arc<AtomicBool>, outlet: &Outlet) -> io::Result<JoinHandle<()>> {
    let (stopping, outlet) = (Arc::clone(stopping), outlet.clone());
    spawn("renewal", move || {
        let stop = || stopping.load(Ordering::SeqCst);
        refresh::run_renewal(&config, &stop, &|report| outlet.send(Report::Index(report)));
    })
}

/// The thread that tells of mail which other programs deliver.
#[cfg(target_os = "linux")]
fn start_deliveries(
    accounts: Vec<(AccountId, store::folders::Root)>,
    stopping: &Arc<AtomicBool>,
    outlet: &Outlet,
) -> io::Result<JoinHandle<()>> {
    let (stopping, outlet) = (Arc::clone(stopping), outlet.clone());
    spawn("deliveries", move || {
        let stop = || stopping.load(Ordering::SeqCst);
        store::deliveries::run(&accounts, &stop, &|report| outlet.send(Report::Files(report)));
    })
}

/// The thread that makes an account's fetched batches durable while the next one streams in.
pub fn start_lane(env: &sync::Env, threads: &mut Vec<JoinHandle<()>>) -> io::Result<sync::commit::Lane> {
    let (lane, parcels) = sync::commit::lane();
    let data = env.data.clone();
    let name = format!("commit:{}", env.account.id);
    threads.push(spawn(&name, move || sync::commit::run(&data, &parcels))?);
    Ok(lane)
}

/// Starts a worker. If it panics it is reported and started again once, with the jobs that wait.
fn start<T: Send + 'static>(
    name: &str,
    outlet: &Outlet,
    threads: &mut Vec<JoinHandle<()>>,
    run: impl Fn(&Receiver<T>, &Outlet) + Send + 'static,
) -> io::Result<SyncSender<T>> {
    let (send, receive) = sync_channel(QUEUE);
    let (own, outlet) = (name.to_owned(), outlet.clone());
    threads.push(spawn(name, move || {
        for _ in 0..2 {
            let Err(panic) = catch_unwind(AssertUnwindSafe(|| run(&receive, &outlet))) else { return };
            let fault = Fault::new(Doing::Running, &own, Cause::Bug)
                .scope(Scope::Program)
                .again(Again::Never)
                .detail(&words_of(panic.as_ref()));
            outlet.send(Report::Died { thread: own.clone(), fault });
        }
    })?);
    Ok(send)
}

fn words_of(panic: &(dyn std::any::Any + Send)) -> String {
    let words = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
    words.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "it panicked".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_that_panics_is_reported_and_started_again_once() {
        let (outlet, mut reports) = Outlet::new();
        let mut threads = Vec::new();
        let jobs = start("glass", &outlet, &mut threads, |jobs: &Receiver<u32>, outlet: &Outlet| {
            for job in jobs {
                assert!(job != 7, "seven");
                outlet.send(Report::Shell(crate::job::ShellReport::Hangup));
            }
        })
        .unwrap();
        for job in [1, 7, 2, 7, 3] {
            jobs.send(job).unwrap();
        }
        drop((jobs, outlet));
        let mut told = Vec::new();
        while let Some(report) = reports.blocking_recv() {
            told.push(match report {
                Report::Died { thread, fault } => format!("{thread}: {}", fault.detail),
                _ => "done".to_owned(),
            });
        }
        assert_eq!(told, ["done", "glass: seven", "done", "glass: seven"]);
    }
}
