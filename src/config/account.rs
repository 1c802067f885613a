//! One account, as meant.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

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
    /// The best that both sides know: PLAIN or LOGIN; XOAUTH2 if the secret is a token.
    Auto,
    /// SASL PLAIN (RFC 4616).
    Plain,
    /// SASL LOGIN.
    Login,
    /// XOAUTH2, with a token.
    XOAuth2,
    /// No sign-in (a relay on this machine).
    None,
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

/// `sync = { … }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncSettings {
    /// How often to look, at the least; `None`: only when asked.
    pub interval: Option<Duration>,
    /// Is IDLE used?
    pub idle: bool,
    /// Mailboxes that are left alone: names, or with a `*` at the end.
    pub exclude: Vec<String>,
    /// Is the plan held when it would remove much?
    pub guard: bool,
}

/// `folders = { … }`: what mailboxes are for. The user's word wins over the server's.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FolderMap {
    /// Names by role. `%Y` in Archive stands for the year of the message.
    pub by_role: BTreeMap<Role, MailboxName>,
}
