//! One account, as meant.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::quirk::Quirks;
use crate::mail::address::Address;
use crate::mail::ids::AccountId;
use crate::mail::mailbox::{MailboxName, Role};

pub use crate::mail::place::Layout;

/// `[accounts.NAME]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Account {
    /// Its name.
    pub id: AccountId,
    /// The main address with the user's name.
    pub address: Address,
    /// Other addresses that are the user's: plain, or with one `*`: `*@example.org`,
    /// `*+list@example.org`. Lower case.
    pub aliases: Vec<String>,
    /// Where its mail lies: the directory of the INBOX and, below or beside it, the folders.
    pub maildir: PathBuf,
    /// How folders lie in it.
    pub layout: Layout,
    /// The IMAP server, where there is one.
    pub imap: Option<Server>,
    /// The POP3 server, where there is one. An account has this or IMAP, never both.
    pub pop3: Option<Pop3>,
    /// How mail is sent, where it can be.
    pub submit: Option<Submit>,
    /// Where the password or token comes from.
    pub secret: SecretSource,
    /// When and what to sync.
    pub sync: SyncSettings,
    /// What folders are for.
    pub folders: FolderMap,
    /// The text below each message, without the `-- ` line.
    pub signature: Option<String>,
    /// Is a copy of what was sent kept by the provider itself (Gmail, Outlook)?
    pub server_files_sent: bool,
}

impl Account {
    /// The addresses that are the user's own, plain or with one `*`.
    pub fn own_addresses(&self) -> impl Iterator<Item = String> {
        std::iter::once(&self.address.email).chain(&self.aliases).cloned()
    }

    /// Is there a server that its mail comes from?
    pub fn has_server(&self) -> bool {
        self.imap.is_some() || self.pop3.is_some()
    }

    /// The server that its mail comes from, whatever is spoken there.
    pub fn incoming(&self) -> Option<&Server> {
        self.imap.as_ref().or(self.pop3.as_ref().map(|pop3| &pop3.server))
    }

    /// Is this address the user's: the main one or an alias? Case does not count.
    pub fn is_own(&self, email: &str) -> bool {
        let email = email.trim().to_lowercase();
        self.address.email.to_lowercase() == email || self.aliases.iter().any(|alias| matches(alias, &email))
    }

    /// The mailbox for a role: what the user says, else `default`. A `%Y` in it stays.
    pub fn mailbox_for(&self, role: Role, default: &MailboxName) -> MailboxName {
        self.folders.by_role.get(&role).unwrap_or(default).clone()
    }

    /// The mailbox for a role and a message of that year: `%Y` becomes the year.
    pub fn mailbox_in(&self, role: Role, year: i16, default: &MailboxName) -> MailboxName {
        let name = self.mailbox_for(role, default);
        MailboxName::new(&name.as_str().replace("%Y", &format!("{year:04}"))).unwrap_or(name)
    }

    /// Is this mailbox left alone by `sync`?
    pub fn is_excluded(&self, mailbox: &MailboxName) -> bool {
        self.sync.exclude.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(start) => mailbox.as_str().starts_with(start),
            None => mailbox.as_str() == pattern,
        })
    }
}

/// Does the address match the pattern with at most one `*`? Both in lower case. The star may stand
/// for nothing, but never reaches over the `@`.
fn matches(pattern: &str, email: &str) -> bool {
    let Some((start, end)) = pattern.split_once('*') else { return pattern == email };
    let Some(inner) = email.strip_prefix(start).and_then(|rest| rest.strip_suffix(end)) else { return false };
    !inner.contains('@')
}

/// A server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Its name, in ASCII.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is made secure.
    pub tls: Tls,
    /// The user's name there.
    pub user: String,
    /// How to sign in.
    pub auth: Auth,
    /// The SHA-256 of the certificate's public key (SPKI) that is trusted, whatever signed it.
    pub pin: Option<[u8; 32]>,
    /// A file of PEM certificates that are trusted beside the system's.
    pub ca: Option<PathBuf>,
    /// How long to wait for a connection and for each reply.
    pub timeout: Duration,
    /// Is what is sent and received compressed, where the server can (IMAP, RFC 4978)?
    pub compress: bool,
    /// What the user says of its oddities (IMAP).
    pub quirks: Quirks,
}

/// How a connection is made secure (RFC 8314).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// From the first byte.
    Implicit,
    /// By STARTTLS, which must succeed.
    StartTls,
    /// Not at all: only to this machine's loopback.
    Plain,
}

/// How to sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// The best that both sides know: SCRAM-SHA-256, PLAIN or LOGIN; OAUTHBEARER or XOAUTH2 if the
    /// secret is a token.
    Auto,
    /// SASL SCRAM-SHA-256 (RFC 7677), without a binding to the TLS channel.
    ScramSha256,
    /// SASL PLAIN (RFC 4616).
    Plain,
    /// SASL LOGIN.
    Login,
    /// SASL OAUTHBEARER (RFC 7628), with a token.
    OAuthBearer,
    /// XOAUTH2, with a token.
    XOAuth2,
    /// No sign-in (a relay on this machine).
    None,
}

/// A POP3 server, and what becomes there of mail that was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pop3 {
    /// The server.
    pub server: Server,
    /// What one signs in with.
    pub sign_in: PopSignIn,
    /// What becomes of the mail there.
    pub retention: Retention,
}

/// What one signs in to a POP3 server with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PopSignIn {
    /// What [`Server::auth`] says.
    #[default]
    Auth,
    /// APOP (RFC 1939 §7), which rests on MD5: only because the user asked for it.
    Apop,
}

/// When mail that is safe on this disk is removed from a POP3 server. What is first applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retention {
    /// Which messages are removed, whatever their age and size.
    pub delete: DeleteThere,
    /// How long after a message was first seen there it is removed; `None`: age does not count.
    pub after: Option<Duration>,
    /// Messages over so many bytes are removed once they were fetched; `None`: size does not count.
    pub over: Option<u64>,
}

/// Which messages are removed from a POP3 server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeleteThere {
    /// None.
    #[default]
    Never,
    /// All, once they were fetched.
    AtOnce,
    /// Those that the user deleted here.
    WhenDeleted,
}

/// How mail is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Submit {
    /// By SMTP submission (RFC 6409).
    Smtp(Server),
    /// By a program that takes the message on its standard input and recipients as arguments.
    Command(Vec<String>),
}

/// Where the password or token comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// The first line that a command writes.
    Command(Vec<String>),
    /// The first line of a file that only the user can read.
    File(PathBuf),
    /// A variable of the environment.
    Environment(String),
    /// The user is asked.
    Prompt,
    /// An OAuth2 access token that a command writes.
    TokenCommand(Vec<String>),
    /// There is none.
    None,
}

impl SecretSource {
    /// Is it an OAuth2 token rather than a password?
    pub fn is_token(&self) -> bool {
        matches!(self, Self::TokenCommand(_))
    }
}

/// `sync = { … }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncSettings {
    /// How often to look, at the least; `None`: only when asked.
    pub interval: Option<Duration>,
    /// Is the server asked to tell news at once?
    pub idle: bool,
    /// Mailboxes in which news are waited for, the most important first.
    pub watch: Vec<MailboxName>,
    /// How many connections there may be at a time.
    pub connections: usize,
    /// Mailboxes that are left alone: names, or with a `*` at the end.
    pub exclude: Vec<String>,
    /// Is the plan held when it would remove much?
    pub guard: bool,
    /// What becomes of a folder that was removed on one side.
    pub folder_deletes: FolderDeletes,
    /// How mailboxes are synced that are labels there; `None`: as views where nothing is here yet, else as
    /// they were begun.
    pub labels: Option<LabelMode>,
    /// Are only folders synced that are subscribed on the server?
    pub subscribed_only: bool,
    /// For how long messages that were read and not flagged are kept whole; `None`: for ever.
    pub keep: Option<Duration>,
    /// The size in bytes over which only the header is fetched until the message is opened; `None`: any.
    pub max_size: Option<u64>,
}

/// How mailboxes are synced that are labels on the server (Gmail).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LabelMode {
    /// A message lies here once; the mailboxes show those that have their label.
    Views,
    /// Each mailbox is a folder, and a message with several labels lies in each of them.
    Folders,
}

/// What becomes of a folder that was removed on one side, with the mail in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FolderDeletes {
    /// The user is asked.
    Ask,
    /// It stays on the other side: here its mail is kept; what is missing here is fetched again.
    Never,
    /// It is removed on the other side too, unless there is so much mail in it that the guard asks.
    Follow,
}

impl Default for SyncSettings {
    fn default() -> Self {
        Self {
            interval: Some(Duration::from_mins(5)),
            idle: true,
            watch: vec![MailboxName::inbox()],
            connections: 4,
            exclude: Vec::new(),
            guard: true,
            folder_deletes: FolderDeletes::Ask,
            labels: None,
            subscribed_only: false,
            keep: None,
            max_size: None,
        }
    }
}

/// `folders = { … }`: what mailboxes are for. The user's word wins over the server's.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FolderMap {
    /// Names by role. `%Y` in Archive stands for the year of the message.
    pub by_role: BTreeMap<Role, MailboxName>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account() -> Account {
        let name = |text| MailboxName::new(text).unwrap();
        Account {
            id: AccountId::new("ada"),
            address: Address { name: "Ada".to_owned(), email: "Ada@Example.org".to_owned() },
            aliases: ["countess@l.example", "*@ada.example", "ada+*@example.org"].map(str::to_owned).to_vec(),
            maildir: PathBuf::from("/m"),
            layout: Layout::Nested,
            imap: None,
            pop3: None,
            submit: None,
            secret: SecretSource::None,
            sync: SyncSettings { exclude: ["Spam", "Lists/*"].map(str::to_owned).to_vec(), ..SyncSettings::default() },
            folders: FolderMap { by_role: BTreeMap::from([(Role::Archive, name("Archive/%Y"))]) },
            signature: None,
            server_files_sent: false,
        }
    }

    #[test]
    fn own_addresses() {
        let ada = account();
        for own in
            ["ada@example.org", " ADA@EXAMPLE.ORG ", "countess@l.example", "any@ada.example", "ada+x@example.org"]
        {
            assert!(ada.is_own(own), "{own}");
        }
        for other in ["eve@example.org", "a@b@ada.example", "xcountess@l.example", "ada+x@example.com", ""] {
            assert!(!ada.is_own(other), "{other}");
        }
        assert!(!matches("ab*ba", "aba"), "start and end of a pattern may not overlap");
    }

    #[test]
    fn mailboxes_by_role_and_year() {
        let ada = account();
        let default = MailboxName::new("Default").unwrap();
        assert_eq!(ada.mailbox_for(Role::Trash, &default), default);
        assert_eq!(ada.mailbox_for(Role::Archive, &default).as_str(), "Archive/%Y");
        assert_eq!(ada.mailbox_in(Role::Archive, 2026, &default).as_str(), "Archive/2026");
    }

    #[test]
    fn excluded_mailboxes() {
        let ada = account();
        let excluded = |text| ada.is_excluded(&MailboxName::new(text).unwrap());
        assert!(excluded("Spam") && excluded("Lists/rust"));
        assert!(!excluded("Spam/old") && !excluded("Lists") && !excluded("INBOX"));
    }
}
