//! Listens on a connection of its own for news in INBOX (IDLE, RFC 2177) and only ever says that
//! something changed. Where the server cannot tell, it ends, and the timer does its work;
//! a POP3 server, which lets nobody else in meanwhile, is not even asked.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::env::{Env, Halt};
use super::worker::backoff;
use crate::fault::{Again, Cause, Fault};
use crate::mail::mailbox::MailboxName;
use crate::remote::{Remote, Waited};

/// Servers end an IDLE of half an hour; some routers forget a silent connection much sooner.
const LIMIT: Duration = Duration::from_mins(9);
/// Long enough to see whether the server knows IDLE.
const PROBE: Duration = Duration::from_millis(200);
/// How often it is looked whether the user has done something about a fault.
const PATIENCE: Duration = Duration::from_secs(1);

/// Watches until there is a wish to stop, the server cannot tell news, or it never will. Where only the
/// user can help (a password), it waits until the sync thread has signed in. `wake` is called for each
/// piece of news, and once after each new connection, since what came in between was not heard.
///
/// # Errors
/// A fault that will not pass; the sync thread meets it as well.
pub fn run(env: &Env, wake: impl Fn()) -> Result<(), Fault> {
    let Some(connect) = env.connect.as_ref().filter(|_| env.account.sync.idle && env.account.pop3.is_none()) else {
        return Ok(());
    };
    let mut failures: u32 = 0;
    while !(env.stop)() {
        let met = env.met.load(Ordering::SeqCst);
        let fault = match connect.connect() {
            Ok(mut remote) => match listen(env, remote.as_mut(), &wake) {
                Ok(()) => return Ok(()),
                Err(fault) => {
                    if env.watching.load(Ordering::Relaxed) {
                        failures = 0;
                    }
                    fault
                }
            },
            Err(fault) => fault,
        };
        env.watching.store(false, Ordering::Relaxed);
        if fault.cause == Cause::NotOffered {
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
        failures += 1;
        if env.pause(backoff(failures)) == Err(Halt::Stopped) {
            break;
        }
    }
    Ok(())
}

/// Listens on one connection until it breaks or there is a wish to stop.
fn listen(env: &Env, remote: &mut dyn Remote, wake: &impl Fn()) -> Result<(), Fault> {
    let inbox = MailboxName::inbox();
    env.set_waker(Some(remote.waker()));
    // A short wait shows whether the server tells news at all.
    remote.wait(&inbox, PROBE)?;
    env.watching.store(true, Ordering::Relaxed);
    wake();
    while !(env.stop)() {
        if remote.wait(&inbox, LIMIT)? == Waited::Changed {
            wake();
        }
    }
    remote.close();
    env.watching.store(false, Ordering::Relaxed);
    Ok(())
}
