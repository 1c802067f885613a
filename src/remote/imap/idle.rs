//! Waiting for news (IDLE, RFC 2177). The session layer speaks; the wire tells it of changes in its
//! own words, ends the wait at the bell or the deadline, and keeps back what comes before `+`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use imap::extensions::idle::stop_on_any;

use crate::fault::{Again, Cause, Doing, Fault, Scope};
use crate::mail::mailbox::MailboxName;
use crate::remote::Waited;

use super::limits::{Limits, Trouble};
use super::session::Session;
use super::wire::Mode;

/// How long one IDLE lasts. Servers may hang up after 29 minutes (RFC 2177 §3), routers forget
/// connections much earlier, and a connection that died unnoticed is found at the renewal.
const RENEWAL: Duration = Duration::from_mins(5);

impl Session {
    /// Waits until the mailbox changes, or any other where the server tells of all, at most `limit`. What changed before it was selected on
    /// this connection is not seen: compare first.
    pub(super) fn idle(&mut self, mailbox: &MailboxName, limit: Duration) -> Result<Waited, Fault> {
        let doing = Doing::Watching;
        self.usable(doing)?;
        if !self.capabilities.idle() {
            let fault = self.fault(doing, mailbox.as_str(), Cause::NotOffered);
            return Err(fault.scope(Scope::Mailbox).again(Again::Never).detail("the server offers no IDLE"));
        }
        let end = Instant::now() + limit.min(Duration::from_hours(24));
        self.wire.lock().leave_bell_to_wait(true);
        let waited = self.idle_until(mailbox, end);
        self.wire.lock().leave_bell_to_wait(false);
        waited
    }

    fn idle_until(&mut self, mailbox: &MailboxName, end: Instant) -> Result<Waited, Fault> {
        if self.selected.as_ref().is_none_or(|selected| selected.name != *mailbox) {
            self.select(Doing::Watching, mailbox)?;
        }
        if let Some(selected) = self.selected.as_mut().filter(|selected| selected.stirred) {
            selected.stirred = false;
            return Ok(Waited::Changed);
        }
        self.ask_for_news()?;
        while Instant::now() < end {
            if let Some(waited) = self.idle_once(end.min(Instant::now() + RENEWAL))? {
                return Ok(waited);
            }
        }
        Ok(Waited::Quiet)
    }

    /// One IDLE, at the latest until then. `None`: nothing happened.
    fn idle_once(&mut self, until: Instant) -> Result<Option<Waited>, Fault> {
        let doing = Doing::Watching;
        self.wire.lock().begin(Limits::USUAL, Mode::IdleWanted(until));
        let imap = &mut self.imap;
        // The handle says DONE when it is dropped, and waits for the answer.
        let ran = catch_unwind(AssertUnwindSafe(|| imap.idle().keepalive(false).wait_while(stop_on_any).map(|_| ())));
        let (trouble, answer, woken, news) = {
            let mut wire = self.wire.lock();
            (wire.take_trouble(), wire.take_answer(), wire.was_woken(), wire.take_news())
        };
        // It is asked anew before the next wait.
        self.hears_all &= !self.wire.lock().take_overflow();
        match (ran, trouble, answer) {
            (Err(_), ..) => Err(self.give_up(doing, Trouble::protocol("the session layer failed on it"))),
            (Ok(_), Some(trouble), _) => Err(self.give_up(doing, trouble)),
            (Ok(Ok(())), None, Some(_)) if news => Ok(Some(Waited::Changed)),
            (Ok(Ok(())), None, Some(_)) if woken => Ok(Some(Waited::Woken)),
            (Ok(Ok(())), None, Some(_)) => Ok(None),
            (Ok(_), None, _) => Err(self.give_up(doing, Trouble::protocol("the server breaks off the wait"))),
        }
    }
}
