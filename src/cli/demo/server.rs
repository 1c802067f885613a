//! The demo's servers: the mailboxes in memory, and a way to send whose messages come back. After a
//! while both go away for a while, so that the outbox and its retry can be seen.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::letter::Letter;
use crate::fault::{Cause, Doing, Fault};
use crate::mail::clean::Clean;
use crate::mail::flags::Flags;
use crate::mail::mailbox::{MailboxName, Role};
use crate::outbox::policy::{Outcome, Said};
use crate::outbox::submit::{Observer, Parcel, Submit};
use crate::remote::fake::FakeServer;

/// The mailboxes with a role, and those without.
const MAILBOXES: [(&str, Option<Role>); 8] = [
    ("INBOX", None),
    ("Drafts", Some(Role::Drafts)),
    ("Sent", Some(Role::Sent)),
    ("Archive", Some(Role::Archive)),
    ("Junk", Some(Role::Junk)),
    ("Trash", Some(Role::Trash)),
    ("Lists/rust-users", None),
    ("Lists/tern-dev", None),
];

/// Both servers.
#[derive(Clone)]
pub(super) struct DemoServer {
    /// The mailboxes.
    pub(super) mail: FakeServer,
    away: Arc<AtomicBool>,
}

impl DemoServer {
    /// Fills the mailboxes.
    pub(super) fn new(letters: &[Letter]) -> Self {
        let mail = FakeServer::new();
        for (name, role) in MAILBOXES {
            if let Some(name) = MailboxName::new(name) {
                mail.add_mailbox(&name, role);
            }
        }
        for letter in letters {
            if let Some(mailbox) = MailboxName::new(letter.mailbox) {
                mail.deliver(&mailbox, &letter.bytes, letter.flags.clone(), letter.date);
            }
        }
        Self { mail, away: Arc::default() }
    }

    /// Goes away `after` that time `for_` that long: the body of a thread of its own.
    pub(super) fn outage(&self, after: Duration, for_: Duration) {
        for (pause, away) in [(after, true), (for_, false)] {
            std::thread::sleep(pause);
            self.away.store(away, Ordering::SeqCst);
            self.mail.set_outage(away);
        }
    }
}

impl Submit for DemoServer {
    fn submit(&mut self, parcel: &Parcel<'_>, observer: &mut dyn Observer) -> Outcome {
        if self.away.load(Ordering::SeqCst) {
            observer.line(Clean::line("connecting to smtp.example.org: connection refused"));
            let fault = Fault::new(Doing::Submitting, "smtp.example.org", Cause::Unreachable);
            return Outcome::Offline(fault.detail("connection refused (the demo's outage)"));
        }
        let submission = parcel.submission;
        observer.line(Clean::line("S: 220 smtp.example.org ESMTP demo"));
        observer.line(Clean::line(&format!("C: MAIL FROM:<{}>", submission.sender)));
        for recipient in &submission.recipients {
            observer.line(Clean::line(&format!("C: RCPT TO:<{recipient}>")));
        }
        if let Err(fault) = observer.dot(&submission.recipients) {
            return Outcome::Broken(fault);
        }
        // What is sent here comes back.
        self.mail.deliver(&MailboxName::inbox(), parcel.wire, Flags::none(), crate::app::now());
        observer.line(Clean::line("S: 250 2.0.0 delivered: it comes back to you"));
        Outcome::Answered(submission.recipients.iter().map(|to| (to.clone(), Said::Accepted)).collect())
    }
}
