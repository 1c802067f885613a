//! The base: per mailbox, what the server and the Maildir agreed on last. Rows are read whole for a
//! full comparison, or by UID and by name, so that the cost of a small change stays small. All
//! changes of a step are written in one transaction.

use std::collections::BTreeMap;

use rusqlite::types::ValueRef;
use rusqlite::{OptionalExtension as _, Params, Statement, Transaction, TransactionBehavior, params};
use sha2::{Digest as _, Sha256};

use super::fault;
use super::intents::{self, IntentId};
use super::labels::{self, LabelWish};
use super::schema::Ledger;
use crate::fault::Fault;
use crate::mail::flags::{Flag, Flags, Letters};
use crate::mail::ids::{AccountId, ModSeq, Timestamp, Uid, UidValidity};
use crate::mail::mailbox::MailboxName;
use crate::mail::place::{MailboxId, UniqueName};
use crate::mail::ranges::UidRanges;

/// The ledger's number for a mailbox. It lives as long as the ledger's file does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MailboxKey(i64);

impl MailboxKey {
    /// The number, for the ledger's other tables.
    pub(super) fn number(self) -> i64 {
        self.0
    }
}

/// What was agreed on about a mailbox as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Agreed {
    /// The epoch of the rows' UIDs; `None`: never met.
    pub validity: Option<UidValidity>,
    /// HIGHESTMODSEQ up to which all changes were taken in.
    pub modseq: Option<ModSeq>,
    /// UIDNEXT up to which all messages were taken in.
    pub uid_next: Option<Uid>,
    /// When the mailbox was last compared as a whole; zero: never.
    pub complete_at: Timestamp,
    /// The modification time of `cur/` when its files were last taken in, nanoseconds since 1970;
    /// zero: unknown.
    pub stamp_cur: i64,
    /// The same of `new/`.
    pub stamp_new: i64,
}

/// One message that both sides have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its UID on the server.
    pub uid: Uid,
    /// Its base name in the Maildir.
    pub unique: UniqueName,
    /// Its flags and keywords, as both sides had them last.
    pub flags: Flags,
    /// Its size in bytes.
    pub size: u64,
    /// What tells its Message-ID from others, see [`digest`]; `None`: it has none, or nobody looked.
    pub digest: Option<u64>,
}

/// 64 bits of a Message-ID (without angle brackets): with the size, enough to make sure that a
/// message is the one that is meant.
pub fn digest(message_id: &str) -> u64 {
    let hash = Sha256::digest(message_id.as_bytes());
    hash.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// What one step changes in one mailbox, written in the order of the fields.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Change {
    /// Drops every row first: the UIDs are of a new epoch.
    pub reset: bool,
    /// Messages that one side no longer has.
    pub remove: Vec<Uid>,
    /// Messages that both sides have now. One with the same UID or the same name is replaced.
    pub put: Vec<Row>,
    /// Flags that both sides have now; a UID that has no row is passed over.
    pub flags: Vec<(Uid, Flags)>,
    /// Letters of keywords that the names of files have now; they go with the row.
    pub letters: Vec<(Uid, Letters)>,
    /// Files that have another base name now; a UID that has no row is passed over.
    pub rename: Vec<(Uid, UniqueName)>,
    /// What messages really have, in bytes, where only what the server announced was known; a UID that has no row is
    /// passed over.
    pub sizes: Vec<(Uid, u64)>,
    /// What was agreed on about the mailbox.
    pub agreed: Option<Agreed>,
    /// Wishes for labels that are fulfilled or found void by this step, as they were read.
    pub wishes: Vec<(UniqueName, LabelWish)>,
    /// Intents that are confirmed or found void by this step.
    pub settled: Vec<IntentId>,
}

const COLUMNS: &str = "uid, name, flags, keywords, size, digest";

impl Ledger {
    /// The key of a mailbox; it is entered if it is not known.
    pub fn mailbox(&mut self, mailbox: &MailboxId) -> Result<MailboxKey, Fault> {
        let (account, name) = (mailbox.account.as_str(), mailbox.name.as_str());
        let find = |ledger: &Self| -> rusqlite::Result<Option<i64>> {
            let mut find = ledger.db.prepare_cached("SELECT key FROM mailbox WHERE account = ?1 AND name = ?2")?;
            find.query_row([account, name], |row| row.get(0)).optional()
        };
        let run = || -> rusqlite::Result<i64> {
            if let Some(key) = find(self)? {
                return Ok(key);
            }
            let sql = "INSERT INTO mailbox (account, name) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
            self.db.execute(sql, [account, name])?;
            find(self)?.ok_or(rusqlite::Error::QueryReturnedNoRows)
        };
        run().map(MailboxKey).map_err(|e| fault(&e))
    }

    /// The mailboxes of an account that were ever met, sorted by name.
    pub fn mailboxes(&self, account: &AccountId) -> Result<Vec<(MailboxName, MailboxKey)>, Fault> {
        let run = || -> rusqlite::Result<Vec<_>> {
            let mut find = self.db.prepare_cached("SELECT name, key FROM mailbox WHERE account = ?1 ORDER BY name")?;
            let rows = find.query_map([account.as_str()], |row| {
                let key = MailboxKey(row.get(1)?);
                Ok(MailboxName::new(row.get_ref(0)?.as_str()?).map(|name| (name, key)))
            })?;
            rows.filter_map(Result::transpose).collect()
        };
        run().map_err(|e| fault(&e))
    }

    /// Forgets a mailbox with all its rows: it is gone on both sides.
    pub fn forget(&mut self, key: MailboxKey) -> Result<(), Fault> {
        let mut run = || {
            let step = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            step.execute("DELETE FROM base WHERE mailbox = ?1", [key.0])?;
            step.execute("DELETE FROM label_wish WHERE mailbox = ?1", [key.0])?;
            step.execute("DELETE FROM mailbox WHERE key = ?1", [key.0])?;
            step.commit()
        };
        run().map_err(|e| fault(&e))
    }

    /// Gives a mailbox another name, with all that is known of it: it was renamed on both sides. What is
    /// known of one that had the new name before is forgotten: it is no more.
    pub fn rename(&mut self, mailbox: &MailboxId, to: &MailboxName) -> Result<(), Fault> {
        let (account, from, to) = (mailbox.account.as_str(), mailbox.name.as_str(), to.as_str());
        let mut run = || {
            let step = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let old = "SELECT key FROM mailbox WHERE account = ?1 AND name = ?2";
            step.execute(&format!("DELETE FROM base WHERE mailbox IN ({old})"), [account, to])?;
            step.execute(&format!("DELETE FROM label_wish WHERE mailbox IN ({old})"), [account, to])?;
            step.execute("DELETE FROM mailbox WHERE account = ?1 AND name = ?2", [account, to])?;
            for sql in [
                "UPDATE mailbox SET name = ?3 WHERE account = ?1 AND name = ?2",
                "UPDATE intent SET mailbox = ?3 WHERE account = ?1 AND mailbox = ?2",
                "UPDATE intent SET target = ?3 WHERE account = ?1 AND target = ?2",
                "UPDATE OR REPLACE wish SET mailbox = ?3 WHERE account = ?1 AND mailbox = ?2",
            ] {
                step.execute(sql, [account, from, to])?;
            }
            step.commit()
        };
        run().map_err(|e| fault(&e))
    }

    /// What was agreed on about a mailbox.
    pub fn agreed(&self, key: MailboxKey) -> Result<Agreed, Fault> {
        let run = || {
            let mut find = self.db.prepare_cached(
                "SELECT validity, modseq, uid_next, complete_at, stamp_cur, stamp_new FROM mailbox WHERE key = ?1",
            )?;
            find.query_row([key.0], |row| {
                Ok(Agreed {
                    validity: row.get::<_, Option<u32>>(0)?.and_then(UidValidity::new),
                    modseq: row.get::<_, Option<i64>>(1)?.and_then(|n| ModSeq::new(u64::try_from(n).ok()?)),
                    uid_next: row.get::<_, Option<u32>>(2)?.and_then(Uid::new),
                    complete_at: Timestamp::new(row.get(3)?),
                    stamp_cur: row.get(4)?,
                    stamp_new: row.get(5)?,
                })
            })
        };
        run().map_err(|e| fault(&e))
    }

    /// How many messages both sides have: a number that every commit keeps, not a walk over the rows.
    pub fn count(&self, key: MailboxKey) -> Result<u32, Fault> {
        let run = || {
            let mut find = self.db.prepare_cached("SELECT messages FROM mailbox WHERE key = ?1")?;
            Ok(find.query_row([key.0], |row| row.get(0)).optional()?.unwrap_or(0))
        };
        run().map_err(|e: rusqlite::Error| fault(&e))
    }

    /// All rows of a mailbox, sorted by UID.
    pub fn rows(&self, key: MailboxKey) -> Result<Vec<Row>, Fault> {
        let sql = format!("SELECT {COLUMNS} FROM base WHERE mailbox = ?1 ORDER BY uid");
        let mut rows = Vec::with_capacity(self.count(key)? as usize);
        let mut run = || each(&mut *self.db.prepare_cached(&sql)?, [key.0], &mut rows);
        run().map_err(|e| fault(&e))?;
        Ok(rows)
    }

    /// Shows all rows of a mailbox, sorted by UID, one after the other: there may be a million of them.
    pub fn each_row(&self, key: MailboxKey, show: impl FnMut(Row)) -> Result<(), Fault> {
        let sql = format!("SELECT {COLUMNS} FROM base WHERE mailbox = ?1 ORDER BY uid");
        let run = || visit(&mut *self.db.prepare_cached(&sql)?, [key.0], show);
        run().map_err(|e| fault(&e))
    }

    /// At most `limit` rows of a mailbox whose UIDs are above `after`, sorted by UID.
    pub fn rows_after(&self, key: MailboxKey, after: Option<Uid>, limit: u32) -> Result<Vec<Row>, Fault> {
        let sql = format!("SELECT {COLUMNS} FROM base WHERE mailbox = ?1 AND uid > ?2 ORDER BY uid LIMIT ?3");
        let mut rows = Vec::new();
        let mut run = || {
            let values = params![key.0, after.map_or(0, Uid::get), limit];
            each(&mut *self.db.prepare_cached(&sql)?, values, &mut rows)
        };
        run().map_err(|e| fault(&e))?;
        Ok(rows)
    }

    /// Several questions that are one look at the file: each by itself would lock it and ask whether it
    /// changed, which costs more than the answer.
    fn one_look(&self, questions: usize) -> rusqlite::Result<Option<Transaction<'_>>> {
        (questions > 1).then(|| self.db.unchecked_transaction()).transpose()
    }

    /// The rows of these UIDs, in the order asked; those that have none are missing.
    pub fn rows_of_uids(&self, key: MailboxKey, uids: &[Uid]) -> Result<Vec<Row>, Fault> {
        let sql = format!("SELECT {COLUMNS} FROM base WHERE mailbox = ?1 AND uid = ?2");
        let mut rows = Vec::with_capacity(uids.len());
        let mut run = || {
            let _whole = self.one_look(uids.len())?;
            let mut find = self.db.prepare_cached(&sql)?;
            uids.iter().try_for_each(|uid| each(&mut find, params![key.0, uid.get()], &mut rows))
        };
        run().map_err(|e| fault(&e))?;
        Ok(rows)
    }

    /// The rows whose UIDs lie in these ranges, sorted by UID.
    pub fn rows_of_ranges(&self, key: MailboxKey, uids: &UidRanges) -> Result<Vec<Row>, Fault> {
        let sql = format!("SELECT {COLUMNS} FROM base WHERE mailbox = ?1 AND uid BETWEEN ?2 AND ?3 ORDER BY uid");
        let mut rows = Vec::new();
        let mut run = || {
            let _whole = self.one_look(uids.ranges().len())?;
            let mut find = self.db.prepare_cached(&sql)?;
            uids.ranges()
                .iter()
                .try_for_each(|(first, last)| each(&mut find, params![key.0, first.get(), last.get()], &mut rows))
        };
        run().map_err(|e| fault(&e))?;
        Ok(rows)
    }

    /// The rows of these base names, in the order asked; those that have none are missing.
    pub fn rows_of_names<'a>(
        &self,
        key: MailboxKey,
        uniques: impl IntoIterator<Item = &'a UniqueName>,
    ) -> Result<Vec<Row>, Fault> {
        let sql = format!("SELECT {COLUMNS} FROM base WHERE mailbox = ?1 AND name = ?2");
        let mut rows = Vec::new();
        let mut uniques = uniques.into_iter();
        let mut run = || {
            let _whole = self.one_look(uniques.size_hint().0)?;
            let mut find = self.db.prepare_cached(&sql)?;
            uniques.try_for_each(|unique| each(&mut find, params![key.0, unique.as_str()], &mut rows))
        };
        run().map_err(|e| fault(&e))?;
        Ok(rows)
    }

    /// The rows whose files are stubs, sorted by UID. Costs as much as there are.
    pub fn stubs(&self, key: MailboxKey) -> Result<Vec<Row>, Fault> {
        // Left to itself SQLite takes the order of the table, and walks through all of it.
        let sql = format!(
            "SELECT {COLUMNS} FROM base INDEXED BY base_of_stubs WHERE mailbox = ?1 AND instr(name, ',T=') > 0
             ORDER BY mailbox, uid"
        );
        let mut rows = Vec::new();
        let mut run = || each(&mut *self.db.prepare_cached(&sql)?, [key.0], &mut rows);
        run().map_err(|e| fault(&e))?;
        Ok(rows)
    }

    /// Rows of whole messages that were read and not flagged, whose names tell a time before `before` and
    /// of which the Message-ID is known: at most `limit` of those whose UID is above `after`, sorted by it.
    pub fn aged(&self, key: MailboxKey, before: Timestamp, after: Option<Uid>, limit: u32) -> Result<Vec<Row>, Fault> {
        let sql = format!(
            "SELECT {COLUMNS} FROM base WHERE mailbox = ?1 AND uid > ?2 AND instr(name, ',T=') = 0
             AND CAST(name AS INTEGER) BETWEEN 1 AND ?3 AND flags & ?4 = ?5 AND digest IS NOT NULL
             ORDER BY uid LIMIT ?6"
        );
        let seen = Flags::only(Flag::Seen);
        let told = seen.union(&Flags::only(Flag::Flagged)).bits();
        let mut rows = Vec::new();
        let mut run = || {
            let values = params![key.0, after.map_or(0, Uid::get), before.get() - 1, told, seen.bits(), limit];
            each(&mut *self.db.prepare_cached(&sql)?, values, &mut rows)
        };
        run().map_err(|e| fault(&e))?;
        Ok(rows)
    }

    /// The letters of keywords that the names of files had when both sides agreed last; those without
    /// any are missing.
    pub fn letters(&self, key: MailboxKey) -> Result<BTreeMap<Uid, Letters>, Fault> {
        let run = || -> rusqlite::Result<BTreeMap<Uid, Letters>> {
            let mut find = self.db.prepare_cached("SELECT uid, letters FROM letters WHERE mailbox = ?1")?;
            let rows = find.query_map([key.0], |row| {
                let letters = Letters::from_bits(row.get(1)?);
                Ok(Uid::new(row.get(0)?).map(|uid| (uid, letters)))
            })?;
            rows.filter_map(Result::transpose).collect()
        };
        run().map_err(|e| fault(&e))
    }

    /// Writes what one step changed, in one mailbox or several, as one transaction: all of it is
    /// durable when this returns, or none.
    pub fn commit(&mut self, changes: &[(MailboxKey, Change)]) -> Result<(), Fault> {
        if changes.is_empty() {
            return Ok(());
        }
        let mut run = || -> rusqlite::Result<()> {
            let step = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            for (key, change) in changes {
                write(&step, *key, change)?;
            }
            step.commit()
        };
        run().map_err(|e| fault(&e))
    }
}

fn write(db: &rusqlite::Connection, key: MailboxKey, change: &Change) -> rusqlite::Result<()> {
    let mut lost = 0;
    let mut won = 0;
    if change.reset {
        lost += db.prepare_cached("DELETE FROM base WHERE mailbox = ?1")?.execute([key.0])?;
    }
    let mut remove = db.prepare_cached("DELETE FROM base WHERE mailbox = ?1 AND uid = ?2")?;
    let mut name_of = db.prepare_cached("SELECT name FROM base WHERE mailbox = ?1 AND uid = ?2")?;
    let mut name_of = |uid: Uid| -> rusqlite::Result<Option<String>> {
        name_of.query_row(params![key.0, uid.get()], |row| row.get(0)).optional()
    };
    let mut gone = Vec::new();
    for uid in &change.remove {
        gone.extend(name_of(*uid)?);
        lost += remove.execute(params![key.0, uid.get()])?;
    }
    let mut free = db.prepare_cached("DELETE FROM base WHERE mailbox = ?1 AND name = ?2")?;
    let mut put = db.prepare_cached(
        "INSERT OR IGNORE INTO base (mailbox, uid, name, flags, keywords, size, digest)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    for row in &change.put {
        let (flags, keywords) = flags_out(&row.flags);
        let size = i64::try_from(row.size).unwrap_or(i64::MAX);
        let digest = row.digest.map(u64::cast_signed);
        let name = row.unique.as_str();
        let values = params![key.0, row.uid.get(), name, flags, keywords, size, digest];
        won += 1;
        if put.execute(values)? == 0 {
            if let Some(before) = name_of(row.uid)? {
                labels::follow(db, key, &before, name)?;
            }
            // SQLite does not tell how many rows a REPLACE takes away, so that is done by hand.
            lost += remove.execute(params![key.0, row.uid.get()])? + free.execute(params![key.0, name])?;
            put.execute(values)?;
        }
    }
    let mut set = db.prepare_cached("UPDATE base SET flags = ?3, keywords = ?4 WHERE mailbox = ?1 AND uid = ?2")?;
    for (uid, flags) in &change.flags {
        let (flags, keywords) = flags_out(flags);
        set.execute(params![key.0, uid.get(), flags, keywords])?;
    }
    let mut letter = db.prepare_cached(
        "INSERT OR REPLACE INTO letters (mailbox, uid, letters)
         SELECT mailbox, uid, ?3 FROM base WHERE mailbox = ?1 AND uid = ?2",
    )?;
    let mut mute = db.prepare_cached("DELETE FROM letters WHERE mailbox = ?1 AND uid = ?2")?;
    for (uid, letters) in &change.letters {
        if letters.is_empty() {
            mute.execute(params![key.0, uid.get()])?;
        } else {
            letter.execute(params![key.0, uid.get(), letters.bits()])?;
        }
    }
    let mut rename = db.prepare_cached("UPDATE OR IGNORE base SET name = ?3 WHERE mailbox = ?1 AND uid = ?2")?;
    let mut is_there = db.prepare_cached("SELECT 1 FROM base WHERE mailbox = ?1 AND uid = ?2")?;
    for (uid, unique) in &change.rename {
        let values = params![key.0, uid.get(), unique.as_str()];
        if let Some(before) = name_of(*uid)? {
            labels::follow(db, key, &before, unique.as_str())?;
        }
        if rename.execute(values)? == 0 && is_there.exists(params![key.0, uid.get()])? {
            lost += free.execute(params![key.0, unique.as_str()])?;
            rename.execute(values)?;
        }
    }
    let mut resize = db.prepare_cached("UPDATE base SET size = ?3 WHERE mailbox = ?1 AND uid = ?2")?;
    for (uid, size) in &change.sizes {
        resize.execute(params![key.0, uid.get(), i64::try_from(*size).unwrap_or(i64::MAX)])?;
    }
    if lost != won {
        let more = i64::try_from(won).unwrap_or(i64::MAX) - i64::try_from(lost).unwrap_or(i64::MAX);
        db.prepare_cached("UPDATE mailbox SET messages = messages + ?2 WHERE key = ?1")?
            .execute(params![key.0, more])?;
    }
    if let Some(agreed) = &change.agreed {
        db.prepare_cached(
            "UPDATE mailbox SET validity = ?2, modseq = ?3, uid_next = ?4, complete_at = ?5, stamp_cur = ?6,
             stamp_new = ?7 WHERE key = ?1",
        )?
        .execute(params![
            key.0,
            agreed.validity.map(UidValidity::get),
            agreed.modseq.map(|m| m.get().cast_signed()),
            agreed.uid_next.map(Uid::get),
            agreed.complete_at.get(),
            agreed.stamp_cur,
            agreed.stamp_new,
        ])?;
    }
    labels::forget(db, key, &gone)?;
    labels::fulfil(db, key, &change.wishes)?;
    intents::settle(db, &change.settled)
}

/// Keeps each row of an answer.
fn each<P: Params>(find: &mut Statement<'_>, params: P, rows: &mut Vec<Row>) -> rusqlite::Result<()> {
    visit(find, params, |row| rows.push(row))
}

/// Shows each row of an answer. What no longer makes sense (a zero UID) is an error: the file is
/// damaged.
fn visit<P: Params>(find: &mut Statement<'_>, params: P, mut show: impl FnMut(Row)) -> rusqlite::Result<()> {
    let mut answer = find.query(params)?;
    while let Some(row) = answer.next()? {
        let odd = |column| rusqlite::Error::IntegralValueOutOfRange(column, 0);
        let keywords = match row.get_ref(3)? {
            ValueRef::Null => None,
            text => Some(text.as_str()?),
        };
        show(Row {
            uid: Uid::new(row.get(0)?).ok_or_else(|| odd(0))?,
            unique: UniqueName::new(row.get_ref(1)?.as_str()?).ok_or_else(|| odd(1))?,
            flags: flags_in(row.get(2)?, keywords),
            size: row.get::<_, i64>(4)?.cast_unsigned(),
            digest: row.get::<_, Option<i64>>(5)?.map(i64::cast_unsigned),
        });
    }
    Ok(())
}

fn flags_out(flags: &Flags) -> (u8, Option<String>) {
    (flags.bits(), flags.stored_words())
}

fn flags_in(bits: u8, keywords: Option<&str>) -> Flags {
    let system = Flags::from_bits(bits);
    match keywords {
        None => system,
        Some(text) => system.union(&Flags::from_stored_words(text)),
    }
}
