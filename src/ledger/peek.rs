//! A look into the ledger by those who only read: what an index needs of it to be as it would be told. It
//! examines nothing and repairs nothing.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, OptionalExtension as _, params};
use sha2::{Digest as _, Sha256};

use super::fault;
use super::schema::{Ledger, PATIENCE, STEPS};
use crate::fault::{Fault, Scope};
use crate::mail::place::MailboxId;

impl Ledger {
    /// Opens the ledger for reading; `None`: there is none, or it is not of this version yet.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn peek(data: &Path) -> Result<Option<Self>, Fault> {
        let path = data.join("ledger.db");
        if !path.is_file() {
            return Ok(None);
        }
        let open = || -> rusqlite::Result<Option<Self>> {
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let db = Connection::open_with_flags(&path, flags)?;
            db.busy_timeout(PATIENCE)?;
            let version: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
            Ok((usize::try_from(version) == Ok(STEPS.len())).then_some(Self { db, vouch: None }))
        };
        open().map_err(|e| fault(&e).scope(Scope::Program))
    }

    /// A word that is another one whenever labels of this mailbox may have changed: it is made of what was
    /// agreed on with the server and of what is wished.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn labels_stamp(&self, mailbox: &MailboxId) -> Result<String, Fault> {
        let run = || -> rusqlite::Result<String> {
            let sql = "SELECT key, ifnull(validity, 0), ifnull(modseq, 0), ifnull(uid_next, 0), messages FROM mailbox
                       WHERE account = ?1 AND name = ?2";
            let agreed = self
                .db
                .prepare_cached(sql)?
                .query_row(params![mailbox.account.as_str(), mailbox.name.as_str()], |row| {
                    let numbers: [i64; 5] = [row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?];
                    Ok(numbers)
                })
                .optional()?;
            let Some(agreed) = agreed else { return Ok(String::new()) };
            let mut hash = Sha256::new();
            let mut find =
                self.db.prepare_cached("SELECT name, given, taken FROM label_wish WHERE mailbox = ?1 ORDER BY name")?;
            let mut rows = find.query([agreed[0]])?;
            while let Some(row) = rows.next()? {
                for at in 0..3 {
                    hash.update(row.get_ref(at)?.as_str()?);
                    hash.update([0]);
                }
            }
            let wishes = hash.finalize().iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
            Ok(format!("{} {wishes:016x}", agreed.map(|number| number.to_string()).join(" ")))
        };
        run().map_err(|e| fault(&e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{Agreed, Change, Row};
    use crate::mail::flags::Flags;
    use crate::mail::ids::{AccountId, Uid};
    use crate::mail::labels::{Label, Labels};
    use crate::mail::mailbox::MailboxName;
    use crate::mail::place::UniqueName;

    #[test]
    fn the_stamp_changes_with_what_is_there_and_with_what_is_wished() {
        let data = tempfile::tempdir().unwrap();
        assert!(Ledger::peek(data.path()).unwrap().is_none(), "there is no ledger yet");
        let (mut ledger, _) = Ledger::open(data.path()).unwrap();
        let home = MailboxId { account: AccountId::new("g"), name: MailboxName::new("All").unwrap() };
        let stamp = || Ledger::peek(data.path()).unwrap().unwrap().labels_stamp(&home).unwrap();
        let mut stamps = vec![stamp()];
        let key = ledger.mailbox(&home).unwrap();
        stamps.push(stamp());
        let unique = UniqueName::new("1.m").unwrap();
        let row =
            Row { uid: Uid::new(1).unwrap(), unique: unique.clone(), flags: Flags::none(), size: 1, digest: None };
        ledger.commit(&[(key, Change { put: vec![row], ..Change::default() })]).unwrap();
        stamps.push(stamp());
        let labels: Labels = std::iter::once(Label::Inbox).collect();
        ledger.label(&home, std::slice::from_ref(&unique), &labels, &Labels::none()).unwrap();
        stamps.push(stamp());
        ledger.label(&home, &[unique], &Labels::none(), &labels).unwrap();
        stamps.push(stamp());
        let agreed = Agreed { modseq: crate::mail::ids::ModSeq::new(7), ..ledger.agreed(key).unwrap() };
        ledger.commit(&[(key, Change { agreed: Some(agreed), ..Change::default() })]).unwrap();
        stamps.push(stamp());
        assert_eq!(stamps.last(), Some(&stamp()), "nothing happened");
        let count = stamps.len();
        stamps.sort();
        stamps.dedup();
        assert_eq!(stamps.len(), count, "{stamps:?}");
    }
}
