//! POP3 (RFC 1939, RFC 2449): one mailbox, messages that are fetched and perhaps removed, nothing else. A session is
//! a snapshot that holds the mailbox's lock, so each round opens one and ends it with QUIT, and only then is
//! anything removed. Messages are told apart by their UIDL, or by their headers where there is none; what is known
//! of them is kept in a [`Book`]. Nothing here knows Maildirs or ledgers.

mod apop;
pub mod book;
mod entry;
mod facts;
mod flight;
mod listing;
mod protocol;
mod session;
mod wire;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::config::{Account, DeleteThere, Pop3 as Settings, SecretSource};
use crate::fault::{Again, Cause, Doing, Fault, Scope};
use crate::login::secret::Secret;
use crate::mail::clean::Clean;
use crate::mail::ids::{AccountId, Uid, Uidl};
use crate::mail::mailbox::{MailboxName, Role};

use super::{
    Connect, Identity, Measure, Push, Pushed, Remote, RemoteChanges, RemoteMailbox, Rest, Rights, Since, Sink, Waited,
    Waker, Want,
};
pub use book::{Book, Lasting};
use entry::Entered;
pub use facts::{Facts, describe};
use session::Session;

/// Gives the password or token, anew for each connection.
pub type SecretProvider = Arc<dyn Fn() -> Result<Secret, Fault> + Send + Sync>;

/// Opens the book of an account at a server, anew for each session.
pub type OpenBook = Arc<dyn Fn(Lasting) -> Result<Box<dyn Book>, Fault> + Send + Sync>;

/// Makes connections to the POP3 server of an account.
#[derive(Clone)]
pub struct Pop3 {
    account: AccountId,
    settings: Option<Settings>,
    token: bool,
    secret: SecretProvider,
    book: OpenBook,
    /// Messages that ended a connection, and how often: they are fetched last, so that others come through.
    shunned: Arc<Mutex<BTreeMap<Uid, u32>>>,
}

impl Pop3 {
    /// Takes what is needed of the account, the way to its secret and to its book.
    pub fn new(account: &Account, secret: SecretProvider, book: OpenBook) -> Self {
        let token = matches!(account.secret, SecretSource::TokenCommand(_));
        let settings = account.pop3.clone();
        Self { account: account.id.clone(), settings, token, secret, book, shunned: Arc::default() }
    }
}

impl Connect for Pop3 {
    fn connect(&self) -> Result<Box<dyn Remote>, Fault> {
        self.enter(Lasting::Durably)
    }

    fn look_ahead(&self) -> Result<Box<dyn Remote>, Fault> {
        self.enter(Lasting::Briefly)
    }
}

impl Pop3 {
    fn enter(&self, lasting: Lasting) -> Result<Box<dyn Remote>, Fault> {
        let Some(settings) = &self.settings else {
            let fault = Fault::new(Doing::Connecting, self.account.as_str(), Cause::Config).of(&self.account);
            return Err(fault.again(Again::AfterUser).detail("the account has no POP3 server"));
        };
        let ours = |fault: Fault| fault.of(&self.account);
        // What cannot be remembered must not be begun.
        let book = (self.book)(lasting).map_err(ours)?;
        let Entered { wire, capabilities, .. } = entry::enter(settings, &*self.secret, self.token).map_err(ours)?;
        Ok(Box::new(Session::new(self, settings, wire, capabilities, book)))
    }
}

impl Session {
    fn cannot(&self, doing: Doing, subject: &MailboxName) -> Fault {
        let fault = self.fault(doing, Cause::NotOffered).scope(Scope::Mailbox).again(Again::Never);
        fault.detail(&format!("{subject}: POP3 has nothing but the mail of one INBOX"))
    }
}

impl Remote for Session {
    fn rights(&self) -> Rights {
        let delete = self.retention.delete == DeleteThere::WhenDeleted;
        Rights { flags: false, append: false, create: false, delete, r#move: false }
    }

    fn mailboxes(&mut self) -> Result<Vec<RemoteMailbox>, Fault> {
        Ok(vec![RemoteMailbox {
            name: MailboxName::inbox(),
            role: Some(Role::Inbox),
            important: false,
            selectable: true,
            subscribed: None,
            standing: None,
        }])
    }

    fn create(&mut self, mailbox: &MailboxName, _: Option<Role>) -> Result<(), Fault> {
        Err(self.cannot(Doing::ListingMailboxes, mailbox))
    }

    fn rename(&mut self, mailbox: &MailboxName, _: &MailboxName) -> Result<(), Fault> {
        Err(self.cannot(Doing::ListingMailboxes, mailbox))
    }

    fn delete(&mut self, mailbox: &MailboxName) -> Result<(), Fault> {
        Err(self.cannot(Doing::ListingMailboxes, mailbox))
    }

    fn subscribe(&mut self, mailbox: &MailboxName, _: bool) -> Result<(), Fault> {
        Err(self.cannot(Doing::ListingMailboxes, mailbox))
    }

    fn changes(&mut self, mailbox: &MailboxName, since: &Since) -> Result<RemoteChanges, Fault> {
        if !mailbox.is_inbox() {
            return Err(self.cannot(Doing::Comparing, mailbox));
        }
        self.compare(since)
    }

    fn fetch(&mut self, _: &MailboxName, uids: &[Uid], want: Want, sink: &mut dyn Sink) -> Result<(), Fault> {
        self.fetch_messages(uids, want, sink)
    }

    fn identify(&mut self, _: &MailboxName, uids: &[Uid]) -> Result<Vec<Identity>, Fault> {
        self.identify_messages(uids)
    }

    fn measure(&mut self, _: &MailboxName, uids: &[Uid]) -> Result<Vec<Measure>, Fault> {
        Ok(self.measure_messages(uids))
    }

    fn search_id(&mut self, _: &MailboxName, _: &str, _: Option<Uid>) -> Result<Vec<Uid>, Fault> {
        Ok(Vec::new())
    }

    fn push(&mut self, mailbox: &MailboxName, push: &Push<'_>) -> Result<Pushed, Fault> {
        match push {
            Push::Expunge { uids } => self.ask(uids).map(|()| Pushed::Done),
            Push::Flags { .. } | Push::Labels { .. } | Push::Append { .. } | Push::Move { .. } => {
                Err(self.cannot(Doing::Pushing, mailbox))
            }
        }
    }

    fn wait(&mut self, mailbox: &MailboxName, _: Duration) -> Result<Waited, Fault> {
        Err(self.cannot(Doing::Watching, mailbox))
    }

    fn waker(&self) -> Waker {
        let bell = self.bell();
        Waker::new(move || bell.ring())
    }

    fn alerts(&mut self) -> Vec<Clean> {
        Vec::new()
    }

    fn uidl(&self, uid: Uid) -> Option<&Uidl> {
        self.name_of(uid)
    }

    fn end_round(&mut self) -> Result<Rest, Fault> {
        self.end()
    }

    fn leftovers(&mut self) -> Vec<Fault> {
        self.take_refusals()
    }

    fn close(&mut self) {
        self.leave();
    }
}
