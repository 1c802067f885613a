//! The other sync program in an account's tree: when it was last seen at work, and up to when it gave way
//! to this one. Also reads the status database of `OfflineIMAP`, which is the only one of theirs.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::{Connection, OpenFlags, OptionalExtension as _, params};

use super::fault;
use super::schema::Ledger;
use crate::fault::Fault;
use crate::mail::flags::Flags;
use crate::mail::ids::{AccountId, Uid};

/// No more rows than that are read from a database of another program.
const MOST: u32 = 2_000_000;

/// What is known of the other program of an account; times in nanoseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Kept {
    /// The latest thing that it was seen to write.
    pub seen: i64,
    /// What it had written last when it gave way; `None`: it never did.
    pub retired: Option<i64>,
}

impl Ledger {
    /// What is known of the other program of an account; `None`: there was none so far.
    pub fn keeper(&self, account: &AccountId) -> Result<Option<Kept>, Fault> {
        let sql = "SELECT seen, retired FROM keeper WHERE account = ?1";
        let row = |row: &rusqlite::Row<'_>| Ok(Kept { seen: row.get(0)?, retired: row.get(1)? });
        self.db.query_row(sql, [account.as_str()], row).optional().map_err(|e| fault(&e))
    }

    /// Writes down what is known of it.
    pub fn keep(&mut self, account: &AccountId, kept: Kept) -> Result<(), Fault> {
        let sql = "INSERT INTO keeper (account, seen, retired) VALUES (?1, ?2, ?3)
                   ON CONFLICT (account) DO UPDATE SET seen = ?2, retired = ?3";
        self.db.execute(sql, params![account.as_str(), kept.seen, kept.retired]).map(|_| ()).map_err(|e| fault(&e))
    }
}

/// The same as [`Ledger::keeper`], without opening the ledger for writing; what cannot be read says nothing.
pub fn peek(data: &Path, account: &AccountId) -> Option<Kept> {
    let db = read_only(&data.join("ledger.db"))?;
    let row = |row: &rusqlite::Row<'_>| Ok(Kept { seen: row.get(0)?, retired: row.get(1)? });
    db.query_row("SELECT seen, retired FROM keeper WHERE account = ?1", [account.as_str()], row).ok()
}

/// The flags that both sides had according to a status database of `OfflineIMAP`, by UID. What is no such
/// database says nothing.
pub fn offlineimap_status(path: &Path) -> BTreeMap<Uid, Flags> {
    let read = |db: &Connection| -> rusqlite::Result<BTreeMap<Uid, Flags>> {
        let mut find = db.prepare("SELECT id, flags FROM status ORDER BY id LIMIT ?1")?;
        let mut rows = find.query([MOST])?;
        let mut flags = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let uid = row.get_ref(0)?.as_i64().ok().and_then(|id| Uid::new(u32::try_from(id).ok()?));
            if let (Some(uid), Ok(letters)) = (uid, row.get_ref(1)?.as_str()) {
                flags.insert(uid, Flags::from_letters(letters));
            }
        }
        Ok(flags)
    };
    read_only(path).and_then(|db| read(&db).ok()).unwrap_or_default()
}

pub(super) fn read_only(path: &Path) -> Option<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    path.is_file().then(|| Connection::open_with_flags(path, flags).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_other_program_is_remembered_by_account() {
        let data = tempfile::tempdir().unwrap();
        let account = AccountId::new("work");
        assert_eq!(peek(data.path(), &account), None);
        let (mut ledger, _) = Ledger::open(data.path()).unwrap();
        assert_eq!(ledger.keeper(&account).unwrap(), None);
        for kept in [Kept { seen: 5, retired: None }, Kept { seen: 7, retired: Some(7) }] {
            ledger.keep(&account, kept).unwrap();
            assert_eq!(ledger.keeper(&account).unwrap(), Some(kept));
            assert_eq!(peek(data.path(), &account), Some(kept));
        }
        assert_eq!(ledger.keeper(&AccountId::new("else")).unwrap(), None);
    }

    #[test]
    fn a_status_database_tells_flags_and_rubbish_tells_nothing() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("INBOX");
        assert!(offlineimap_status(&path).is_empty());
        std::fs::write(&path, "rubbish").unwrap();
        assert!(offlineimap_status(&path).is_empty());
        std::fs::remove_file(&path).unwrap();
        let db = Connection::open(&path).unwrap();
        let table =
            "CREATE TABLE status (id INTEGER PRIMARY KEY, flags VARCHAR(50), mtime INTEGER, labels VARCHAR(256));
                     INSERT INTO status VALUES (1, 'S', 0, ''), (2, 'FR', 0, ''), (-3, 'S', 0, ''), (4, 5, 0, ''),
                                               (5000000000, 'S', 0, ''), (6, X'FF', 0, '')";
        db.execute_batch(table).unwrap();
        let shown: Vec<String> =
            offlineimap_status(&path).iter().map(|(uid, flags)| format!("{} {}", uid.get(), flags.letters())).collect();
        assert_eq!(shown, ["1 S", "2 FR", "4 "]);
    }
}
