//! The one shape of an error that a person may see: what failed, on what, how much stops, when it
//! is tried again, and what the other side said. The status line and the outbox policy are made
//! from it. Each outside crate's errors are mapped to it in one place, at that crate's home.

use std::fmt;

use crate::mail::clean::Clean;
use crate::mail::ids::AccountId;

/// What was being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Doing {
    /// Reading a config file, a theme or a secret.
    Configuring,
    /// Reaching a server: name look-up, connection.
    Connecting,
    /// The TLS hand-shake or what was agreed in it.
    Securing,
    /// Signing in.
    SigningIn,
    /// Listing or changing mailboxes on a server.
    ListingMailboxes,
    /// Asking a server what changed.
    Comparing,
    /// Fetching messages.
    Fetching,
    /// Bringing a local change to a server.
    Pushing,
    /// Waiting for news (IDLE).
    Watching,
    /// Submitting a message.
    Submitting,
    /// Writing or reading the outbox.
    Queueing,
    /// Reading a file of a Maildir.
    Reading,
    /// Writing a file of a Maildir.
    Storing,
    /// Reading or writing the ledger.
    Remembering,
    /// Reading or writing the index.
    Indexing,
    /// Running a program of the user's.
    Running,
}

/// How much stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// One message; the rest goes on.
    Message,
    /// One mailbox; the others go on.
    Mailbox,
    /// The whole account.
    Account,
    /// The whole program's work of this kind.
    Program,
}

/// When it is worth trying again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Again {
    /// At once, on a new connection.
    Now,
    /// After a while, with back-off.
    Later,
    /// After the user has done something (password, certificate, disk space).
    AfterUser,
    /// Never: the same thing will fail the same way.
    Never,
}

/// Why, as far as the program must tell causes apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The host has no address, or the name server did not answer.
    UnknownHost,
    /// No route, refused, or cut before anything was said.
    Unreachable,
    /// Nothing came in time.
    TimedOut,
    /// The connection was closed in the middle.
    Closed,
    /// The certificate is expired, unknown, or for another name.
    Certificate,
    /// The server does not offer what the config demands (STARTTLS, a SASL mechanism).
    NotOffered,
    /// The server refused the name or password.
    SignInRefused,
    /// The server said no, for now (IMAP NO, SMTP 4xx).
    RefusedForNow,
    /// The server said no (SMTP 5xx, IMAP NO that will not change).
    Refused,
    /// The server broke its protocol or a limit of ours.
    Protocol,
    /// The disk is full or a quota is used up.
    DiskFull,
    /// The disk could not read or write: what was being written is not there.
    Disk,
    /// A file or directory may not be read or written.
    Permission,
    /// A file, a mailbox or a message is not there.
    Missing,
    /// Another process holds it.
    Busy,
    /// A file is damaged.
    Damaged,
    /// The config says something that cannot be done.
    Config,
    /// A mistake of ours.
    Bug,
    /// None of these.
    Other,
}

/// An error that a person may see. Each is handled once: shown, tried again or passed up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What was being done.
    pub doing: Doing,
    /// On what: a host, a mailbox, a file.
    pub subject: Clean,
    /// The account, where it concerns one.
    pub account: Option<AccountId>,
    /// How much stops.
    pub scope: Scope,
    /// When it is worth trying again.
    pub again: Again,
    /// Why.
    pub cause: Cause,
    /// The words of the server or the system, and what to do next. May be empty.
    pub detail: Clean,
}

impl Fault {
    /// Starts a fault; the defaults are: the account stops, tried again later, nothing more to say.
    pub fn new(doing: Doing, subject: &str, cause: Cause) -> Self {
        Self {
            doing,
            subject: Clean::line(subject),
            account: None,
            scope: Scope::Account,
            again: Again::Later,
            cause,
            detail: Clean::empty(),
        }
    }

    /// Makes a fault of a system error, on a file or directory: a full disk and a missing right
    /// wait for the user.
    pub fn io(doing: Doing, subject: &str, error: &std::io::Error) -> Self {
        use std::io::ErrorKind as K;
        let (cause, again) = match error.kind() {
            K::StorageFull | K::QuotaExceeded => (Cause::DiskFull, Again::AfterUser),
            K::PermissionDenied | K::ReadOnlyFilesystem => (Cause::Permission, Again::AfterUser),
            K::NotFound => (Cause::Missing, Again::Later),
            K::WouldBlock | K::ResourceBusy => (Cause::Busy, Again::Later),
            _ if error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error()) => (Cause::Disk, Again::Later),
            _ => (Cause::Other, Again::Later),
        };
        let words = error.to_string();
        // The number says nothing that the words do not.
        let plain = words.rfind(" (os error ").and_then(|at| words.get(..at)).unwrap_or(&words);
        Self::new(doing, subject, cause).again(again).detail(plain)
    }

    /// The same fault, of that account.
    #[must_use]
    pub fn of(mut self, account: &AccountId) -> Self {
        self.account = Some(account.clone());
        self
    }

    /// The same fault with another scope.
    #[must_use]
    pub fn scope(mut self, scope: Scope) -> Self {
        self.scope = scope;
        self
    }

    /// The same fault with another time to try again.
    #[must_use]
    pub fn again(mut self, again: Again) -> Self {
        self.again = again;
        self
    }

    /// The same fault with the words of the other side, made clean.
    #[must_use]
    pub fn detail(mut self, text: &str) -> Self {
        self.detail = Clean::line(text);
        self
    }

    /// What failed, in words that finish the sentence "cannot …".
    pub fn what(&self) -> &'static str {
        match self.doing {
            Doing::Configuring => "read the configuration",
            Doing::Connecting => "reach",
            Doing::Securing => "make a secure connection to",
            Doing::SigningIn => "sign in to",
            Doing::ListingMailboxes => "list the folders of",
            Doing::Comparing => "compare",
            Doing::Fetching => "fetch from",
            Doing::Pushing => "bring changes to",
            Doing::Watching => "watch",
            Doing::Submitting => "send through",
            Doing::Queueing => "queue",
            Doing::Reading => "read",
            Doing::Storing => "write",
            Doing::Remembering => "write the ledger",
            Doing::Indexing => "write the index",
            Doing::Running => "run",
        }
    }

    /// What a person can do about it, where there is something.
    pub fn advice(&self) -> Option<&'static str> {
        Some(match self.cause {
            Cause::UnknownHost => "check the host name in the config and the network",
            Cause::Unreachable | Cause::TimedOut => "check the network, the host and the port",
            Cause::Certificate => "ask who runs the server; a self-signed certificate can be pinned with `pin`",
            Cause::NotOffered => "change `tls` or `auth` of this server in the config",
            Cause::SignInRefused => "check user and password; some providers want an app password",
            Cause::DiskFull => "free some space",
            Cause::Disk => "look after the disk: the system's log says more; it is tried again",
            Cause::Permission => "check the rights of that file or directory",
            Cause::Config => "run `tern config check`",
            Cause::Busy => "another program holds it; it is tried again",
            Cause::Bug => "please report it",
            _ => return None,
        })
    }
}

impl fmt::Display for Fault {
    /// One line: `work: cannot reach imap.example.org: connection refused`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(account) = &self.account {
            write!(f, "{}: ", Clean::line(account.as_str()))?;
        }
        write!(f, "cannot {} {}", self.what(), self.subject)?;
        if !self.detail.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        Ok(())
    }
}

impl std::error::Error for Fault {}
