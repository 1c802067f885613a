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

use jiff::tz::TimeZone;
use tokio::sync::mpsc;

use crate::config::Config;
use crate::fault::{Again, Cause, Doing, Fault, Scope};
use crate::job::{FilesJob, FilesReport, IndexJob, IndexReport, Job, OutboxJob, OutboxReport, Report, SyncJob, SyncReport};
use crate::mail::clean::Clean;
use crate::mail::ids::AccountId;
use crate::store::folders::Root;
use crate::sync::watch;
use crate::{index, outbox, store, sync};

/// How many jobs may wait for one worker.
const QUEUE: usize = 4096;
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
    outbox: SyncSender<OutboxJob>,
    sync: BTreeMap<AccountId, SyncSender<SyncJob>>,
    stopping: Arc<AtomicBool>,
    wakers: Vec<watch::Bell>,
    threads: Vec<JoinHandle<()>>,
}

/// What the workers stand on.
pub struct Grounds<'a> {
    /// The config.
    pub config: &'a Config,
    /// The index's file.
    pub index: PathBuf,
    /// In which dates are shown.
    pub zone: TimeZone,
    /// What each account's sync stands on, without lane and wish to stop.
    pub sync: Vec<sync::Env>,
    /// What the outbox stands on.
    pub outbox: outbox::Env,
}

impl Workers {
    /// Starts them all.
    pub fn start(grounds: Grounds<'_>, outlet: &Outlet) -> io::Result<Self> {
        let stopping = Arc::new(AtomicBool::new(false));
        let mut threads = Vec::new();
        let files = start_files(&grounds, outlet, &mut threads)?;
        let own = grounds.config.accounts.iter().map(|a| a.address.email.clone()).collect::<Vec<_>>();
        let path = grounds.index.clone();
        let writer = start("index", outlet, &mut threads, Report::Index, move |jobs: &Receiver<IndexJob>, report: &dyn Fn(IndexReport)| {
            index::run_writer(&path, own.clone(), jobs, report);
        })?;
        let path = grounds.index.clone();
        let reader = start("reader", outlet, &mut threads, Report::Index, move |jobs: &Receiver<IndexJob>, report: &dyn Fn(IndexReport)| {
            index::run_reader(&path, jobs, report);
        })?;
        let env = grounds.outbox;
        let outbox = start("outbox", outlet, &mut threads, Report::Outbox, move |jobs: &Receiver<OutboxJob>, report: &dyn Fn(OutboxReport)| {
            outbox::worker::run(env.clone(), jobs, report);
        })?;
        let mut workers =
            Self { files, writer, reader, outbox, sync: BTreeMap::new(), stopping, wakers: Vec::new(), threads };
        for env in grounds.sync {
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
        let has_server = env.connect.is_some();
        if has_server {
            let (lane, parcels) = sync::commit::lane();
            env.lane = Some(lane);
            let data = env.data.clone();
            self.threads.push(spawn(&format!("commit:{account}"), move || sync::commit::run(&data, &parcels))?);
        }
        let watched = env.clone();
        let jobs = start(&format!("sync:{account}"), outlet, &mut self.threads, Report::Sync, move |jobs: &Receiver<SyncJob>, report: &(dyn Fn(SyncReport) + Send + Sync)| {
            sync::worker::run(env.clone(), jobs, report);
        })?;
        if has_server && watched.account.sync.idle {
            self.start_watch(watched, &jobs, outlet)?;
        }
        self.sync.insert(account, jobs);
        Ok(())
    }

    /// Hands a job out; gives it back if that worker's queue is full or gone.
    pub fn hand_out(&self, job: Job) -> Result<(), Job> {
        match job {
            Job::Files(job) => give(&self.files, job, Job::Files),
            Job::Index(job) if is_question(&job) => give(&self.reader, job, Job::Index),
            Job::Index(job) => give(&self.writer, job, Job::Index),
            Job::Outbox(job) => give(&self.outbox, job, Job::Outbox),
            Job::Sync(job) => self.hand_out_sync(job),
            Job::Shell(_) => Err(job),
        }
    }

    fn hand_out_sync(&self, job: SyncJob) -> Result<(), Job> {
        match account_of(&job) {
            Some(account) => match self.sync.get(&account) {
                Some(worker) => give(worker, job, Job::Sync),
                // An account that left the config meanwhile: there is nobody to do it, nor a need.
                None => Ok(()),
            },
            None => self.sync.values().try_for_each(|worker| give(worker, job.clone(), Job::Sync)),
        }
    }

    /// Ends them: each may reach the end of its step, for at most `grace` in all.
    pub fn stop(self, grace: Duration) {
        self.stopping.store(true, Ordering::SeqCst);
        let Self { files, writer, reader, outbox, sync, wakers, threads, .. } = self;
        drop((files, writer, reader, outbox, sync));
        for bell in wakers {
            bell.ring();
        }
        let end = Instant::now() + grace;
        while Instant::now() < end && threads.iter().any(|thread| !thread.is_finished()) {
            thread::sleep(Duration::from_millis(5));
        }
    }
}
