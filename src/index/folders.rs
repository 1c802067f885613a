//! The mailboxes of the index: those that lie on disk and those that are views. What is not told any more is
//! forgotten, with what lay in it.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use rusqlite::{OptionalExtension as _, Result, params};

use super::rows;
use super::schema::{self, UNIFIED};
use super::views::Views;
use super::write::Writer;
use crate::fault::Fault;
use crate::job::files::RenamedFolder;
use crate::mail::ids::AccountId;
use crate::mail::mailbox::{MailboxName, Role};
use crate::mail::place::MailboxId;

/// A mailbox as the index knows it.
#[derive(Debug, Clone)]
pub(super) struct KnownMailbox {
    pub(super) row: i64,
    pub(super) id: MailboxId,
    pub(super) directory: Option<PathBuf>,
    /// Was it taken in as a whole before?
    pub(super) seen_before: bool,
    pub(super) role: Option<Role>,
    /// Is what comes into it new mail?
    pub(super) settled: bool,
    /// The views that show messages of it.
    pub(super) views: Views,
}

impl Writer {
    /// What the mailboxes are for, as far as that was told.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn roles(&self) -> std::result::Result<BTreeMap<MailboxId, Role>, Fault> {
        let folders = rows::folders(&self.db).map_err(|error| self.fault(&error))?;
        Ok(folders.into_values().filter_map(|folder| Some((folder.id, folder.role?))).collect())
    }

    /// The mailbox's row, made where there is none.
    pub(super) fn mailbox(&self, id: &MailboxId) -> Result<KnownMailbox> {
        let mut find = self.db.prepare_cached(
            "SELECT id, directory, cur, new, role, settled FROM mailboxes WHERE account = ?1 AND name = ?2",
        )?;
        let key = params![id.account.as_str(), id.name.as_str()];
        let known = find
            .query_row(key, |row| {
                Ok(KnownMailbox {
                    row: row.get(0)?,
                    id: id.clone(),
                    directory: row.get::<_, Option<Vec<u8>>>(1)?.map(schema::path_from),
                    seen_before: row.get::<_, i64>(2)? != 0 || row.get::<_, i64>(3)? != 0,
                    role: role_of(row.get_ref(4)?.as_str_or_null()?),
                    settled: row.get::<_, i64>(5)? == 2,
                    views: Views::default(),
                })
            })
            .optional()?;
        if let Some(known) = known {
            return Ok(KnownMailbox { views: self.views_of(known.row)?, ..known });
        }
        let role = Role::guess(&id.name);
        self.db
            .prepare_cached("INSERT INTO mailboxes(account, name, inbox, role) VALUES(?1, ?2, ?3, ?4)")?
            .execute(params![id.account.as_str(), id.name.as_str(), id.name.is_inbox(), role.map(Role::word)])?;
        Ok(KnownMailbox {
            row: self.db.last_insert_rowid(),
            id: id.clone(),
            directory: None,
            seen_before: false,
            role,
            settled: false,
            views: Views::default(),
        })
    }

    /// These are all the mailboxes of the account that lie on disk; what lay in any other is forgotten. Views
    /// and their homes stay, whether there is a directory or not.
    pub(super) fn set_folders(&mut self, account: &AccountId, mailboxes: &[(MailboxId, Option<Role>)]) -> Result<()> {
        let (views, given) = (self.all_views(account)?, self.roles_of_views(account)?);
        let mut kept = BTreeSet::new();
        for (id, role) in mailboxes.iter().filter(|(id, _)| id.account == *account) {
            let known = self.mailbox(id)?;
            kept.insert(known.row);
            if views.contains_key(&known.row) {
                // What a view is for, those said who told of it.
                continue;
            }
            self.set_role(&known, role_among(id, *role, mailboxes, &given))?;
        }
        let all: Vec<i64> = self
            .db
            .prepare_cached("SELECT id FROM mailboxes WHERE account = ?1 AND id > 0")?
            .query_map([account.as_str()], |row| row.get(0))?
            .collect::<Result<_>>()?;
        for gone in all.into_iter().filter(|row| !kept.contains(row)) {
            if views.contains_key(&gone) || views.values().any(|home| *home == gone) {
                self.forget_files(gone)?;
            } else {
                self.forget_mailbox(gone)?;
            }
        }
        Ok(())
    }

    /// Forgets what lies in a mailbox, but not the mailbox.
    fn forget_files(&mut self, mailbox: i64) -> Result<()> {
        let named: Option<(String, String)> = self
            .db
            .prepare_cached("SELECT account, name FROM mailboxes WHERE id = ?1 AND directory IS NOT NULL")?
            .query_row([mailbox], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let Some(id) = named.and_then(|(account, name)| mailbox_id(&account, &name)) else { return Ok(()) };
        let known = self.mailbox(&id)?;
        let files: Vec<String> = self
            .db
            .prepare_cached("SELECT name FROM places WHERE mailbox = ?1 AND home IS NULL")?
            .query_map([mailbox], |row| row.get(0))?
            .collect::<Result<_>>()?;
        for file in files {
            self.remove_place(&known, &file)?;
        }
        self.db
            .prepare_cached("UPDATE mailboxes SET directory = NULL, cur = 0, new = 0 WHERE id = ?1")?
            .execute([mailbox])?;
        self.backlog.forget(mailbox);
        Ok(())
    }

    /// A mailbox of the new name that came first, by a look at the disk, gives way: the old one has all of it.
    pub(super) fn rename_mailbox(&mut self, account: &AccountId, folder: &RenamedFolder) -> Result<()> {
        let row = |name: &MailboxName| {
            self.db
                .prepare_cached("SELECT id FROM mailboxes WHERE account = ?1 AND name = ?2 AND id > 0")?
                .query_row(params![account.as_str(), name.as_str()], |row| row.get::<_, i64>(0))
                .optional()
        };
        let (old, new) = (row(&folder.from)?, row(&folder.to)?);
        let Some(old) = old else { return Ok(()) };
        let views = self.all_views(account)?;
        let is_bound = |row: i64| views.contains_key(&row) || views.values().any(|home| *home == row);
        if is_bound(old) || new.is_some_and(is_bound) {
            // Names of these are told by the sync; what lies in them by the next look at the disk.
            return Ok(());
        }
        if let Some(new) = new {
            self.forget_mailbox(new)?;
        }
        self.follow_directory(old)?;
        self.follow_survey(&folder.directory)?;
        // What waits to be taken in has the old paths; it is listed again.
        self.backlog.forget(old);
        self.db.prepare_cached("UPDATE mailboxes SET name = ?2, directory = ?3, role = ?4 WHERE id = ?1")?.execute(
            params![
                old,
                folder.to.as_str(),
                folder.directory.as_os_str().as_bytes(),
                Role::guess(&folder.to).map(Role::word)
            ],
        )?;
        Ok(())
    }

    pub(super) fn forget_mailbox(&mut self, mailbox: i64) -> Result<()> {
        self.db.execute("INSERT OR IGNORE INTO orphans SELECT message FROM places WHERE mailbox = ?1", [mailbox])?;
        let inbox: bool =
            self.db.query_row("SELECT inbox FROM mailboxes WHERE id = ?1", [mailbox], |row| row.get(0))?;
        if inbox {
            let mut threads = self.db.prepare("SELECT thread FROM conversations WHERE mailbox = ?1")?;
            for thread in threads.query_map([mailbox], |row| row.get::<_, i64>(0))? {
                self.dirty.insert((UNIFIED, thread?));
            }
        }
        self.follow_directory(mailbox)?;
        self.db.execute("DELETE FROM refused WHERE mailbox = ?1", [mailbox])?;
        self.db.execute("DELETE FROM conversations WHERE mailbox = ?1", [mailbox])?;
        self.db.execute("DELETE FROM places WHERE mailbox = ?1", [mailbox])?;
        self.db.execute("DELETE FROM mailboxes WHERE id = ?1", [mailbox])?;
        self.backlog.forget(mailbox);
        Ok(())
    }
}

/// What a mailbox is for: what is told of it, else what its name says where that is neither told of another one nor
/// what a view is for.
pub(super) fn role_among(
    id: &MailboxId,
    told: Option<Role>,
    mailboxes: &[(MailboxId, Option<Role>)],
    of_views: &BTreeSet<String>,
) -> Option<Role> {
    let taken =
        |role: &Role| of_views.contains(role.word()) || mailboxes.iter().any(|(_, other)| other.as_ref() == Some(role));
    told.or_else(|| Role::guess(&id.name).filter(|role| !taken(role)))
}

/// What a mailbox is for, by its word.
pub(super) fn role_of(word: Option<&str>) -> Option<Role> {
    Role::ALL.into_iter().find(|role| Some(role.word()) == word)
}

/// The mailbox of a row, where its names are still legal.
pub(super) fn mailbox_id(account: &str, name: &str) -> Option<MailboxId> {
    MailboxName::new(name).map(|name| MailboxId { account: AccountId::new(account), name })
}
