//! Is the ledger whole? Looks at it without opening it for writing, and repairs nothing.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::fault;
use crate::fault::{Cause, Doing, Fault};
use crate::mail::ids::AccountId;

/// What a ledger that is whole has in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Health {
    /// How many mailboxes and messages both sides have agreed on, by account.
    pub agreed: BTreeMap<AccountId, (i64, i64)>,
    /// What was begun on a server and not yet confirmed.
    pub intents: i64,
}

/// Examines `ledger.db` in the data directory; `None`: there is none yet.
///
/// # Errors
/// It is damaged, or may not be read.
pub fn examine(data: &Path) -> Result<Option<Health>, Fault> {
    let path = data.join("ledger.db");
    if !path.exists() {
        return Ok(None);
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(&path, flags).map_err(|e| fault(&e))?;
    let verdict: String = db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(|e| fault(&e))?;
    if verdict != "ok" {
        return Err(Fault::new(Doing::Remembering, "ledger.db", Cause::Damaged).detail(&verdict));
    }
    count(&db).map(Some).map_err(|e| fault(&e))
}

fn count(db: &Connection) -> rusqlite::Result<Health> {
    let mut health =
        Health { intents: db.query_row("SELECT count(*) FROM intent", [], |row| row.get(0))?, ..Health::default() };
    let sql = "SELECT account, count(DISTINCT mailbox.key), count(base.uid) FROM mailbox \
               LEFT JOIN base ON base.mailbox = mailbox.key GROUP BY account";
    let mut statement = db.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let account: String = row.get(0)?;
        health.agreed.insert(AccountId::new(&account), (row.get(1)?, row.get(2)?));
    }
    Ok(health)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Ledger;
    use crate::mail::mailbox::MailboxName;
    use crate::mail::place::MailboxId;

    #[test]
    fn a_ledger_is_missing_whole_or_damaged() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(examine(dir.path()), Ok(None));
        let (mut ledger, _) = Ledger::open(dir.path()).unwrap();
        let ada = AccountId::new("ada");
        ledger.mailbox(&MailboxId { account: ada.clone(), name: MailboxName::inbox() }).unwrap();
        drop(ledger);
        let expected = Health { agreed: [(ada, (1, 0))].into(), intents: 0 };
        assert_eq!(examine(dir.path()), Ok(Some(expected)));
        let path = dir.path().join("ledger.db");
        let bytes = std::fs::read(&path).unwrap();
        for broken in [&b"no database at all"[..], &bytes[..bytes.len() / 2]] {
            std::fs::write(&path, broken).unwrap();
            assert_eq!(examine(dir.path()).unwrap_err().cause, Cause::Damaged);
            assert_eq!(std::fs::read(&path).unwrap(), broken, "it is left as it was");
        }
    }
}
