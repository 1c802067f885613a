//! Listens on connections of its own for news and only ever says that something changed. Where the server
//! tells of all mailboxes (NOTIFY, RFC 5465), one connection hears all of it; else each watched mailbox
//! has a connection that idles there (IDLE, RFC 2177), as far as the limit on connections allows, and the
//! timer sees to the others. A POP3 server, which lets nobody else in meanwhile, is not even asked.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::env::{Env, Halt};
use super::worker::backoff;
use crate::config::Account;
use crate::fault::{Again, Cause, Fault, Scope};
use crate::mail::mailbox::MailboxName;
use crate::remote::{Remote, Waited, Waker};

/// Servers end an IDLE of half an hour; some routers forget a silent connection much sooner.
const LIMIT: Duration = Duration::from_mins(9);
/// Long enough to see whether the server knows IDLE.
const PROBE: Duration = Duration::from_millis(200);
/// How often it is looked whether the user has done something about a fault.
const PATIENCE: Duration = Duration::from_secs(1);
/// News come in bursts: so long it must be quiet before they are told.
const QUIET: Duration = Duration::from_millis(300);
/// Where it does not get quiet, news are told after so long all the same.
const LOUD: Duration = Duration::from_secs(2);
/// The connections of an account beside those that watch: the one that syncs, and the one that runs errands, which is
/// the first to be done without ([`super::errand`]).
const OTHERS: usize = 2;

/// What the first connection found out about the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Reach {
    /// It is not there yet.
    #[default]
    Unknown,
    /// It hears of one mailbox, so each needs a connection.
    One,
    /// It hears of all mailboxes, or no connection hears of any: nobody else is needed.
    Enough,
}

/// What the watching connections of an account know of each other.
#[derive(Default)]
pub struct Watches {
    wakers: Mutex<BTreeMap<MailboxName, Waker>>,
    reach: Mutex<Reach>,
    found: Condvar,
    /// The mailbox with all messages, where the others are views of it.
    home: Mutex<Option<MailboxName>>,
}

impl Watches {
    /// Ends all waits, so that the wish to stop is looked at, and whether the other end is still there.
    pub fn wake(&self) {
        self.found.notify_all();
        for waker in self.wakers.lock().unwrap_or_else(PoisonError::into_inner).values() {
            waker.wake();
        }
    }

    /// Says which mailbox stands in for all others, where those are views of it; who waits elsewhere changes over.
    pub(super) fn stand_in(&self, home: Option<&MailboxName>) {
        let before = std::mem::replace(&mut *self.home.lock().unwrap_or_else(PoisonError::into_inner), home.cloned());
        if before.as_ref() != home {
            self.wake();
        }
    }

    fn home(&self) -> Option<MailboxName> {
        self.home.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_waker(&self, mailbox: &MailboxName, waker: Waker) {
        self.wakers.lock().unwrap_or_else(PoisonError::into_inner).insert(mailbox.clone(), waker);
    }

    fn tell(&self, reach: Reach) {
        *self.reach.lock().unwrap_or_else(PoisonError::into_inner) = reach;
        self.found.notify_all();
    }

    /// Waits until the first connection has found out; at most until someone wakes.
    fn heard(&self, stop: &dyn Fn() -> bool) -> Reach {
        let mut reach = self.reach.lock().unwrap_or_else(PoisonError::into_inner);
        while *reach == Reach::Unknown && !stop() {
            let waited = self.found.wait_timeout(reach, PATIENCE);
            reach = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        *reach
    }
}

/// The mailboxes that are watched, as far as the connections reach: each has a thread of its own that
/// calls [`run`], the first of them before all.
pub fn watched(account: &Account) -> Vec<MailboxName> {
    if !account.sync.idle || account.pop3.is_some() {
        return Vec::new();
    }
    let free = account.sync.connections.saturating_sub(OTHERS);
    // With two of them the sync runs errands too; with one there is nobody to watch.
    let most = if account.sync.connections < OTHERS { 0 } else { free.max(1) };
    account.sync.watch.iter().take(most).cloned().collect()
}

/// Watches a mailbox until there is a wish to stop, the server cannot tell news, or it never will. Where only
/// the user can help (a password), it waits until the sync thread has signed in. `wake` is called for each
/// burst of news, and once after each new connection, since what came in between was not heard.
///
/// # Errors
/// A fault that will not pass; the sync thread meets it as well.
pub fn run(env: &Env, mailbox: &MailboxName, wake: impl Fn()) -> Result<(), Fault> {
    let Some(connect) = env.connect.as_ref() else { return Ok(()) };
    let is_first = watched(&env.account).first() == Some(mailbox);
    if !is_first && env.watches.heard(&*env.stop) != Reach::One {
        return Ok(());
    }
    let ended = keep_watch(env, mailbox, is_first, connect.as_ref(), &wake);
    if is_first {
        // The others wait for what it finds out.
        env.watching.store(false, Ordering::Relaxed);
        env.watches.tell(Reach::Enough);
    }
    ended
}

fn keep_watch(
    env: &Env,
    mailbox: &MailboxName,
    is_first: bool,
    connect: &dyn crate::remote::Connect,
    wake: &impl Fn(),
) -> Result<(), Fault> {
    let mut failures: u32 = 0;
    while !(env.stop)() {
        let met = env.met.load(Ordering::SeqCst);
        let mut heard = false;
        let listened = connect
            .connect()
            .and_then(|mut remote| listen(env, mailbox, remote.as_mut(), (is_first, &mut heard), wake));
        let Err(fault) = listened else { return Ok(()) };
        failures = if heard { 0 } else { failures };
        if is_first {
            env.watching.store(false, Ordering::Relaxed);
        }
        if fault.cause == Cause::NotOffered {
            return Ok(());
        }
        if !is_first && gives_up(&fault, heard) {
            tracing::warn!("{mailbox} is not watched: {fault}; the timer sees to it");
            return Ok(());
        }
        if fault.again == Again::Never {
            return Err(fault);
        }
        if fault.again == Again::AfterUser {
            // The sync thread meets the same fault and tells it; what the user did shows in its success.
            tracing::info!("watch: {fault}");
            while env.met.load(Ordering::SeqCst) == met && env.pause(PATIENCE) != Err(Halt::Stopped) {}
            continue;
        }
        tracing::info!("watch of {mailbox}: {fault}");
        failures += 1;
        if env.pause(backoff(failures)) == Err(Halt::Stopped) {
            break;
        }
    }
    Ok(())
}

/// Is a connection that nobody needs better left? The server takes no more of them, or has no such mailbox.
fn gives_up(fault: &Fault, heard: bool) -> bool {
    let refused = matches!(fault.cause, Cause::RefusedForNow | Cause::Refused | Cause::Closed | Cause::SignInRefused);
    fault.scope <= Scope::Mailbox || (refused && !heard)
}

/// Listens on one connection until it breaks or there is a wish to stop.
fn listen(
    env: &Env,
    mailbox: &MailboxName,
    remote: &mut dyn Remote,
    (is_first, heard): (bool, &mut bool),
    wake: &impl Fn(),
) -> Result<(), Fault> {
    env.watches.set_waker(mailbox, remote.waker());
    // A short wait shows whether the server tells news at all.
    remote.wait(mailbox, PROBE)?;
    *heard = true;
    if is_first {
        env.watches.tell(if remote.hears_all() { Reach::Enough } else { Reach::One });
        env.watching.store(true, Ordering::Relaxed);
    }
    let wake = || {
        env.urgency.rouse();
        wake();
    };
    wake();
    while !(env.stop)() {
        let home = env.watches.home();
        if home.is_some() && !is_first {
            // The first of them hears of all that there is to hear of.
            break;
        }
        let mailbox = home.as_ref().unwrap_or(mailbox);
        if remote.wait(mailbox, LIMIT)? == Waited::Changed {
            let until = Instant::now() + LOUD;
            while remote.wait(mailbox, QUIET)? == Waited::Changed && Instant::now() < until && !(env.stop)() {}
            wake();
        }
    }
    remote.close();
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn account(sync: &str) -> Account {
        let text =
            format!("[accounts.a]\naddress = \"a@example.org\"\nmaildir = \"~/Mail\"\n[accounts.a.sync]\n{sync}\n");
        let config = crate::config::parse(&text, &crate::config::Paths::under(Path::new("/h")));
        config.accounts.into_iter().next().unwrap()
    }

    #[test]
    fn as_many_mailboxes_are_watched_as_connections_are_left() {
        let four = "watch = [\"INBOX\", \"Lists/rust\", \"Work\", \"INBOX\"]\n";
        let table = [
            (String::new(), "INBOX"),
            ("idle = false".to_owned(), ""),
            ("watch = []".to_owned(), ""),
            (four.to_owned(), "INBOX Lists/rust"),
            (format!("{four}connections = 10"), "INBOX Lists/rust Work"),
            (format!("{four}connections = 3"), "INBOX"),
            (format!("{four}connections = 2"), "INBOX"),
            (format!("{four}connections = 1"), ""),
        ];
        for (sync, wanted) in table {
            let names: Vec<String> = watched(&account(&sync)).iter().map(ToString::to_string).collect();
            assert_eq!(names.join(" "), wanted, "{sync}");
        }
    }
}
