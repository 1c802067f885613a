//! The body of the thread `errand:<account>`: fetches the messages whole that someone opened, on a connection
//! of its own, so that nobody waits for the end of a long round. The connection is made when it is first
//! needed and closed after a minute of quiet. It touches nothing but the stubs it is told of; where the sync
//! thread is at the same message, one of both finds the work done.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use super::env::{Env, Halt, Reporter};
use super::stubs::Bench;
use crate::fault::{Again, Cause, Doing, Fault, Scope};
use crate::job::{SyncJob, SyncReport};
use crate::ledger::Ledger;
use crate::mail::place::Place;
use crate::remote::Remote;
use crate::store::maildir::Maildir;

/// How long the connection is kept without anything to do.
const QUIET: Duration = Duration::from_mins(1);

/// Runs errands until `jobs` is closed or there is a wish to stop. The one that was asked for last comes
/// first: it is the one on screen.
pub fn run(env: &Env, jobs: &Receiver<SyncJob>, report: Reporter<'_>) {
    let mut remote: Option<Box<dyn Remote>> = None;
    let mut waiting: Vec<Place> = Vec::new();
    while !(env.stop)() {
        let more = match (waiting.is_empty(), remote.is_some()) {
            (false, _) => jobs.try_recv().ok(),
            (true, true) => match jobs.recv_timeout(QUIET) {
                Err(RecvTimeoutError::Timeout) => {
                    hang_up(remote.take());
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => break,
                Ok(job) => Some(job),
            },
            (true, false) => match jobs.recv() {
                Err(_) => break,
                Ok(job) => Some(job),
            },
        };
        for job in more.into_iter().chain(jobs.try_iter()) {
            if let SyncJob::Fetch(place) = job {
                waiting.retain(|other| *other != place);
                waiting.push(place);
            }
        }
        if let Some(stub) = waiting.pop() {
            let now = fetch(env, &mut remote, &stub, report);
            report(SyncReport::Fetched { stub, now });
        }
    }
    hang_up(remote.take());
}

/// Fetches one message whole whose stub lies at that place, on a connection of its own, and says where it
/// lies then.
///
/// # Errors
/// Why it cannot be had; the stub stays.
pub fn fetch_one(env: &Env, stub: &Place, report: Reporter<'_>) -> Result<Place, Fault> {
    let mut remote = None;
    let now = fetch(env, &mut remote, stub, report);
    hang_up(remote);
    now
}

fn hang_up(remote: Option<Box<dyn Remote>>) {
    if let Some(mut remote) = remote {
        remote.close();
    }
}

/// Fetches on the connection that is there or on a new one. One that was kept may have died of old age.
fn fetch(env: &Env, slot: &mut Option<Box<dyn Remote>>, stub: &Place, report: Reporter<'_>) -> Result<Place, Fault> {
    loop {
        let kept = slot.is_some();
        match attempt(env, slot, stub, report) {
            Ok(place) => return Ok(place),
            Err(fault) => {
                // A fault of the message leaves the connection good.
                if fault.scope > Scope::Message {
                    hang_up(slot.take());
                }
                if !kept || fault.again != Again::Now {
                    return Err(fault.of(&env.account.id));
                }
            }
        }
    }
}

fn attempt(env: &Env, slot: &mut Option<Box<dyn Remote>>, stub: &Place, report: Reporter<'_>) -> Result<Place, Fault> {
    let fault = |cause, why: &str| {
        Err(Fault::new(Doing::Fetching, stub.mailbox.name.as_str(), cause).scope(Scope::Message).detail(why))
    };
    let Some(connect) = env.connect.as_ref().filter(|_| env.account.pop3.is_none()) else {
        return fault(Cause::Config, "this account has no server to fetch the rest from");
    };
    let maildir = Maildir::open(&env.root().directory(&stub.mailbox.name)?)?;
    let mut ledger = Ledger::open(&env.data)?.0;
    let key = ledger.mailbox(&stub.mailbox)?;
    let row = ledger.rows_of_names(key, [&stub.unique])?.pop();
    let (Some(row), Some(epoch)) = (row, ledger.agreed(key)?.validity) else {
        return fault(Cause::Missing, "where it lies on the server is known after the next sync; open it again then");
    };
    let remote = match slot {
        Some(remote) => remote,
        None => slot.insert(connect.connect()?),
    };
    let mut bench = Bench { env, ledger: &mut ledger, report, mailbox: &stub.mailbox, key, maildir: &maildir, epoch };
    let mut completed = match bench.complete(remote.as_mut(), vec![row]) {
        Ok(completed) => completed,
        Err(Halt::Failed(fault)) => return Err(fault),
        Err(Halt::Stopped) => return fault(Cause::Other, "stopped; the rest is fetched when it is opened again"),
    };
    match (completed.done.remove(&stub.unique), completed.failed.pop()) {
        (Some(unique), _) => Ok(Place { mailbox: stub.mailbox.clone(), unique }),
        (None, Some((_, fault))) => Err(fault),
        (None, None) => fault(Cause::Missing, "the message is not on the server any more"),
    }
}
