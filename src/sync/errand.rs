//! The body of the thread `errand:<account>`: fetches the messages whole that someone opened, on a connection
//! of its own, so that nobody waits for the end of a long round. The connection is made when it is first
//! needed and closed after a minute of quiet. It touches nothing but the stubs it is told of; where the sync
//! thread is at the same message, one of both finds the work done.
//!
//! Where the account may not have that many connections ([`has_connection`]), there is no such thread: errands are run
//! on the sync's own connection, between two rounds or, while a round fetches, before what it fetches.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use super::env::{Env, Halt, Reporter};
use super::round::Round;
use super::stubs::Bench;
use super::uidl_stubs;
use super::watch::watched;
use crate::config::Account;
use crate::fault::{Again, Cause, Doing, Fault, Scope};
use crate::job::{SyncJob, SyncReport};
use crate::ledger::Ledger;
use crate::mail::mailbox::MailboxName;
use crate::mail::place::Place;
use crate::remote::Remote;
use crate::store::maildir::Maildir;

/// How long the connection is kept without anything to do.
const QUIET: Duration = Duration::from_mins(1);

/// May this account have a connection for errands, beside the one that syncs and those that watch?
pub fn has_connection(account: &Account) -> bool {
    account.pop3.is_none() && watched(account).len() + 2 <= account.sync.connections
}

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
pub(super) fn fetch(
    env: &Env,
    slot: &mut Option<Box<dyn Remote>>,
    stub: &Place,
    report: Reporter<'_>,
) -> Result<Place, Fault> {
    loop {
        let kept = slot.is_some();
        match attempt(env, Line::Own(slot), stub, report) {
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

/// The connection that an errand is run on.
enum Line<'a> {
    /// One that is made when it is first needed.
    Own(&'a mut Option<Box<dyn Remote>>),
    /// That of a round.
    Shared(&'a mut dyn Remote),
}

fn attempt(env: &Env, line: Line<'_>, stub: &Place, report: Reporter<'_>) -> Result<Place, Fault> {
    let fault = |cause, why: &str| {
        Err(Fault::new(Doing::Fetching, stub.mailbox.name.as_str(), cause).scope(Scope::Message).detail(why))
    };
    let Some(connect) = env.connect.as_ref() else {
        return fault(Cause::Config, "this account has no server to fetch the rest from");
    };
    let maildir = Maildir::open(&env.root().directory(&stub.mailbox.name)?)?;
    let mut ledger = Ledger::open(&env.data)?.0;
    // By POP3 all comes from INBOX, wherever it is filed.
    let filed = env.account.pop3.is_some() && !stub.mailbox.name.is_inbox();
    let mailbox = if filed { env.mailbox(&MailboxName::inbox()) } else { stub.mailbox.clone() };
    let key = ledger.mailbox(&mailbox)?;
    let row = if filed {
        uidl_stubs::row_of_filed(env, &ledger, key, stub, &maildir)?
    } else {
        ledger.rows_of_names(key, [&stub.unique])?.pop()
    };
    let (Some(row), Some(epoch)) = (row, ledger.agreed(key)?.validity) else {
        return fault(Cause::Missing, "where it lies on the server is known after the next sync; open it again then");
    };
    let remote: &mut dyn Remote = match line {
        Line::Shared(remote) => remote,
        Line::Own(Some(remote)) => remote.as_mut(),
        Line::Own(slot) => slot.insert(connect.connect()?).as_mut(),
    };
    let mut bench = Bench {
        env,
        ledger: &mut ledger,
        report,
        mailbox: &mailbox,
        key,
        folder: &stub.mailbox,
        maildir: &maildir,
        epoch,
    };
    let mut completed = match bench.complete(remote, vec![row]) {
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

impl Round<'_> {
    /// Runs the errands that came in while this round fetches. What breaks the connection ends the round as well.
    pub(super) fn run_errands(&mut self) -> Result<(), Halt> {
        for stub in self.env.urgency.take_errands() {
            let now = attempt(self.env, Line::Shared(&mut *self.remote), &stub, self.report);
            let now = now.map_err(|fault| fault.of(&self.env.account.id));
            let broken = now.as_ref().err().filter(|fault| fault.scope > Scope::Message).cloned();
            (self.report)(SyncReport::Fetched { stub, now });
            if let Some(fault) = broken {
                return Err(fault.into());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn errands_have_a_connection_where_one_is_left() {
        for (sync, expected) in [
            ("connections = 1", false),
            ("connections = 2", false),
            ("connections = 2\nidle = false", true),
            ("connections = 3", true),
            ("connections = 3\nwatch = [\"INBOX\", \"Work\"]", true),
        ] {
            let text =
                format!("[accounts.a]\naddress = \"a@example.org\"\nmaildir = \"~/Mail\"\n[accounts.a.sync]\n{sync}\n");
            let config = crate::config::parse(&text, &crate::config::Paths::under(Path::new("/h")));
            let account = &config.accounts[0];
            assert_eq!(has_connection(account), expected, "{sync}");
            let all = 1 + watched(account).len() + usize::from(has_connection(account));
            assert!(all <= account.sync.connections, "{sync}: {all}");
        }
    }
}
