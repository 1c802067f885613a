//! What the screen knows of an account: whose it is, whether it has a server, and which folder
//! serves which end.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;

use crate::config::{Account, FolderMap};
use crate::job::index::MailboxRow;
use crate::mail::address::Address;
use crate::mail::clean::Clean;
use crate::mail::ids::{AccountId, Timestamp};
use crate::mail::mailbox::{MailboxName, Role};
use crate::mail::place::MailboxId;

/// What an account syncs with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    /// IMAP: what is done to folders here is done there too.
    Imap,
    /// POP3, which knows one INBOX, no flags and no news.
    Pop3,
}

/// An account.
#[derive(Debug, Clone)]
pub struct AccountState {
    /// Its name.
    pub id: AccountId,
    /// Its name, for the screen.
    pub title: Clean,
    /// The user's address.
    pub address: Address,
    /// What it syncs with; `None`: others fill its Maildir.
    pub server: Option<Server>,
    /// Can it send?
    pub sends: bool,
    folders: FolderMap,
    /// What the server said its mailboxes are for.
    told: BTreeMap<MailboxId, Role>,
}

impl AccountState {
    /// Takes what the config says.
    pub fn new(account: &Account) -> Self {
        Self {
            id: account.id.clone(),
            title: Clean::line(account.id.as_str()),
            address: account.address.clone(),
            server: match (&account.imap, &account.pop3) {
                (Some(_), _) => Some(Server::Imap),
                (None, Some(_)) => Some(Server::Pop3),
                (None, None) => None,
            },
            sends: account.submit.is_some(),
            folders: account.folders.clone(),
            told: BTreeMap::new(),
        }
    }

    /// Its INBOX.
    pub fn inbox(&self) -> MailboxId {
        MailboxId { account: self.id.clone(), name: MailboxName::inbox() }
    }

    /// Remembers what the server says its mailboxes are for.
    pub fn tell(&mut self, mailboxes: &[(MailboxId, Option<Role>)]) {
        self.told = mailboxes.iter().filter_map(|(id, role)| role.map(|role| (id.clone(), role))).collect();
    }

    /// What a mailbox is for: the user's word, else the server's, else what its name says.
    pub fn role(&self, mailbox: &MailboxId) -> Option<Role> {
        if mailbox.name.is_inbox() {
            return Some(Role::Inbox);
        }
        let wished = self.folders.by_role.iter().find(|(_, name)| **name == mailbox.name).map(|(role, _)| *role);
        wished.or_else(|| self.told.get(mailbox).copied()).or_else(|| Role::guess(&mailbox.name))
    }

    /// The mailbox that serves an end, for a message of that date. Where the account has none, it is
    /// the one of the usual name, which is made when something is moved there.
    pub fn mailbox_for(&self, role: Role, rows: &[MailboxRow], date: Timestamp, zone: &TimeZone) -> MailboxId {
        let id = |name| MailboxId { account: self.id.clone(), name };
        if role == Role::Inbox {
            return self.inbox();
        }
        if let Some(name) = self.folders.by_role.get(&role) {
            return id(with_year(name, date, zone));
        }
        let own = || rows.iter().filter(|row| row.mailbox.account == self.id);
        let found = own().find(|row| row.role == Some(role)).map(|row| row.mailbox.clone());
        // Where folders are labels, what is archived lies where all the rest does.
        let home = || own().filter(|_| role == Role::Archive).find_map(|row| Some(row.shows.as_ref()?.home.clone()));
        let told = || self.told.iter().find(|(_, told)| **told == role).map(|(id, _)| id.clone());
        found.or_else(home).or_else(told).unwrap_or_else(|| id(usual_name(role)))
    }
}

/// Puts the year where the name has `%Y`.
fn with_year(name: &MailboxName, date: Timestamp, zone: &TimeZone) -> MailboxName {
    if !name.as_str().contains("%Y") {
        return name.clone();
    }
    let year = jiff::Timestamp::from_second(date.get())
        .map_or_else(|_| "1970".to_owned(), |at| at.to_zoned(zone.clone()).year().to_string());
    MailboxName::new(&name.as_str().replace("%Y", &year)).unwrap_or_else(|| name.clone())
}

fn usual_name(role: Role) -> MailboxName {
    let word = match role {
        Role::Inbox => "INBOX",
        Role::Flagged => "Starred",
        Role::Drafts => "Drafts",
        Role::Sent => "Sent",
        Role::Archive => "Archive",
        Role::Junk => "Junk",
        Role::Trash => "Trash",
        Role::All => "All",
    };
    MailboxName::new(word).unwrap_or_else(MailboxName::inbox)
}
