//! IMAP (RFC 3501, RFC 9051). The `imap` crate is the session layer: tags, sign-in, commands, IDLE.
//! Under it lies a transport of our own (`remote/link`, `wire`, `remote/limits`) that keeps limits and deadlines, and beside
//! it a forgiving tokenizer (`tokens`, `replies`), so that one odd line or a hostile server can
//! neither end the program nor spoil more than itself. Nothing here knows Maildirs or ledgers.

mod capability;
mod entry;
mod extensions;
mod facts;
mod fetch;
mod identify;
mod idle;
mod introduction;
mod listing;
mod mailboxes;
mod pipeline;
mod push;
mod quirks;
mod refusal;
mod replies;
mod select;
mod session;
mod snapshot;
mod tokens;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use crate::config::{Account, SecretSource, Server};
use crate::fault::{Again, Cause, Doing, Fault};
use crate::login::secret::Secret;
use crate::mail::clean::Clean;
use crate::mail::ids::{AccountId, Uid};
use crate::mail::mailbox::{MailboxName, Role};

use super::{
    Connect, Identity, Measure, Push, Pushed, Remote, RemoteChanges, RemoteMailbox, Rights, Since, Sink, Waited, Waker,
    Want, limits, link,
};
use extensions::labels::Labelling;
pub use facts::Facts;
use session::Session;

/// Gives the password or token, anew for each connection.
pub type SecretProvider = Arc<dyn Fn() -> Result<Secret, Fault> + Send + Sync>;

/// Makes connections to the IMAP server of an account.
#[derive(Clone)]
pub struct Imap {
    account: AccountId,
    server: Option<Server>,
    token: bool,
    secret: SecretProvider,
    labelling: Labelling,
}

impl Imap {
    /// Takes what is needed of the account, and the way to its secret.
    pub fn new(account: &Account, secret: SecretProvider) -> Self {
        let token = matches!(account.secret, SecretSource::TokenCommand(_));
        Self { account: account.id.clone(), server: account.imap.clone(), token, secret, labelling: Labelling::Unasked }
    }

    /// Asks for the labels of messages along with their flags, where the server knows labels (X-GM-EXT-1).
    #[must_use]
    pub fn with_labels(self) -> Self {
        Self { labelling: Labelling::Asked, ..self }
    }
}

impl Imap {
    /// Signs in, lists the mailboxes, tells all that the server has shown of itself, and leaves.
    /// Changes nothing there.
    pub fn describe(&self) -> Result<Facts, Fault> {
        let mut session = self.enter()?;
        let facts = session.describe();
        session.close();
        facts
    }

    fn enter(&self) -> Result<Session, Fault> {
        let Some(server) = &self.server else {
            let fault = Fault::new(Doing::Connecting, self.account.as_str(), Cause::Config).of(&self.account);
            return Err(fault.again(Again::AfterUser).detail("the account has no IMAP server"));
        };
        let mut session = entry::enter(server, &self.account, &*self.secret, self.token)?;
        if self.labelling == Labelling::Asked {
            session.tell_labels();
        }
        Ok(session)
    }
}

impl Connect for Imap {
    fn connect(&self) -> Result<Box<dyn Remote>, Fault> {
        Ok(Box::new(self.enter()?))
    }
}

impl Remote for Session {
    fn rights(&self) -> Rights {
        Rights { flags: true, append: true, create: true, delete: true, r#move: true }
    }

    fn knows_labels(&self) -> bool {
        self.capabilities.labels()
    }

    fn ask_for_labels(&mut self) {
        self.tell_labels();
    }

    fn expect(&mut self, mailbox: &MailboxName, since: &Since) {
        self.expect_question(mailbox, since);
    }

    fn mailboxes(&mut self) -> Result<Vec<RemoteMailbox>, Fault> {
        self.survey()
    }

    fn create(&mut self, mailbox: &MailboxName, role: Option<Role>) -> Result<(), Fault> {
        self.make(mailbox, role)
    }

    fn changes(&mut self, mailbox: &MailboxName, since: &Since) -> Result<RemoteChanges, Fault> {
        self.compare(mailbox, since)
    }

    fn changes_of(&mut self, asked: &[(MailboxName, Since)]) -> Result<Vec<Result<RemoteChanges, Fault>>, Fault> {
        self.compare_all(asked)
    }

    fn newest(&mut self, mailbox: &MailboxName, many: u32, count: u32) -> Result<Option<RemoteChanges>, Fault> {
        self.newest_of(mailbox, many, count)
    }

    fn rename(&mut self, mailbox: &MailboxName, to: &MailboxName) -> Result<(), Fault> {
        self.rename_mailbox(mailbox, to)
    }

    fn delete(&mut self, mailbox: &MailboxName) -> Result<(), Fault> {
        self.delete_mailbox(mailbox)
    }

    fn subscribe(&mut self, mailbox: &MailboxName, wish: bool) -> Result<(), Fault> {
        self.set_subscribed(mailbox, wish)
    }

    fn fetch(&mut self, mailbox: &MailboxName, uids: &[Uid], want: Want, sink: &mut dyn Sink) -> Result<(), Fault> {
        self.fetch_messages(mailbox, uids, want, sink)
    }

    fn identify(&mut self, mailbox: &MailboxName, uids: &[Uid]) -> Result<Vec<Identity>, Fault> {
        self.identify_messages(mailbox, uids)
    }

    fn measure(&mut self, mailbox: &MailboxName, uids: &[Uid]) -> Result<Vec<Measure>, Fault> {
        self.measure_messages(mailbox, uids)
    }

    fn search_id(&mut self, mailbox: &MailboxName, message_id: &str, from: Option<Uid>) -> Result<Vec<Uid>, Fault> {
        self.find_by_id(mailbox, message_id, from)
    }

    fn push(&mut self, mailbox: &MailboxName, push: &Push<'_>) -> Result<Pushed, Fault> {
        self.bring(mailbox, push)
    }

    fn wait(&mut self, mailbox: &MailboxName, limit: Duration) -> Result<Waited, Fault> {
        self.idle(mailbox, limit)
    }

    fn hears_all(&self) -> bool {
        self.hears_all
    }

    fn waker(&self) -> Waker {
        let bell = self.wire.lock().bell();
        Waker::new(move || bell.ring())
    }

    fn alerts(&mut self) -> Vec<Clean> {
        self.wire.lock().take_alerts()
    }

    fn close(&mut self) {
        if !self.broken {
            // Whatever comes of it, the connection ends here.
            self.wire.lock().hurry();
            let _ = self.ask(Doing::Connecting, "LOGOUT", limits::Limits::USUAL);
            self.broken = true;
        }
    }
}
