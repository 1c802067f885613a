//! Files that were there and could not be read: they are shown as such, and read again once that can be done. No time of
//! a directory tells when that is, so they are tried.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::PathBuf;

use rusqlite::{Connection, Result, params};

use super::rows::Index;
use super::schema::{file_path, path_from};
use super::write::Writer;
use crate::fault::Fault;
use crate::mail::place::UniqueName;

/// So many are tried at once.
const MOST: i64 = 100;

impl Writer {
    /// A file of this mailbox is there and could not be read.
    pub(super) fn note_refused(&self, mailbox: i64, unique: &UniqueName) -> Result<()> {
        self.db
            .prepare_cached("INSERT OR IGNORE INTO refused(mailbox, name) VALUES(?1, ?2)")?
            .execute(params![mailbox, unique.as_str()])?;
        Ok(())
    }

    /// It is not there any more, or is to be read again.
    pub(super) fn forget_refused(&self, mailbox: i64, unique: &str) -> Result<()> {
        self.db
            .prepare_cached("DELETE FROM refused WHERE mailbox = ?1 AND name = ?2")?
            .execute(params![mailbox, unique])?;
        Ok(())
    }

    /// The names of those files of a mailbox that can be read by now.
    pub(super) fn readable_again(&self, mailbox: i64) -> Result<BTreeSet<String>> {
        let refused = refused(&self.db, Some(mailbox))?;
        Ok(refused.into_iter().filter(|(_, path)| File::open(path).is_ok()).map(|(name, _)| name).collect())
    }
}

impl Index {
    /// The files that are there and could not be read, as far as they are still called so: a hundred of them at most.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn refused(&self) -> std::result::Result<Vec<PathBuf>, Fault> {
        self.asked(|db| Ok(refused(db, None)?.into_iter().map(|(_, path)| path).collect()))
    }
}

/// The names and files of what could not be read, in one mailbox or in all.
fn refused(db: &Connection, mailbox: Option<i64>) -> Result<Vec<(String, PathBuf)>> {
    let of = if mailbox.is_some() { "r.mailbox = ?1" } else { "?1 IS NULL" };
    db.prepare_cached(&format!(
        "SELECT p.name, p.in_new, p.info, b.directory FROM refused r
         JOIN places p ON p.mailbox = r.mailbox AND p.name = r.name AND p.home IS NULL
         JOIN mailboxes b ON b.id = r.mailbox
         WHERE {of} AND b.directory IS NOT NULL ORDER BY b.directory, p.name LIMIT ?2"
    ))?
    .query_map(params![mailbox, MOST], |row| {
        let (name, info): (String, String) = (row.get(0)?, row.get(2)?);
        let path = file_path(&path_from(row.get(3)?), row.get(1)?, &name, &info);
        Ok((name, path))
    })?
    .collect()
}
