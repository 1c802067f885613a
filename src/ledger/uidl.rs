//! The book of POP3 ids: which message of which server got which number, when it was first seen, whether it is
//! safe on this disk, and how far its removal from the server has come. A row is entered before its message is
//! fetched, and is dropped only long after the server stopped listing it.

use rusqlite::{OptionalExtension as _, Row, TransactionBehavior, params};

use super::base::MailboxKey;
use super::fault;
use super::schema::Ledger;
use crate::fault::Fault;
use crate::mail::ids::{AccountId, Timestamp, Uid, UidValidity, Uidl};

/// A message that was not listed for so long is forgotten, in seconds.
const FORGOTTEN: i64 = 30 * 86_400;
/// When a message was last seen is written down this often at the most, in seconds.
const DAY: i64 = 86_400;

/// The ledger's number for one account at one POP3 server. It lives as long as the ledger's file does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BookKey(i64);

/// What is known of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a step of its own that a message has taken or not")]
pub struct UidlRow {
    /// What the server calls it.
    pub uidl: Uidl,
    /// Its number.
    pub uid: Uid,
    /// Its size as first listed, in bytes.
    pub size: u64,
    /// How many bytes it really has, once it is on this disk.
    pub stored: Option<u64>,
    /// The SHA-256 of its header, once it was fetched.
    pub header: Option<[u8; 32]>,
    /// When it was first listed.
    pub first_seen: Timestamp,
    /// When it was last listed, a day more or less.
    pub last_seen: Timestamp,
    /// Was it ever safe on this disk?
    pub delivered: bool,
    /// Was its removal decided on?
    pub asked: bool,
    /// Did the server acknowledge its removal?
    pub done: bool,
    /// Was its id seen with another message before?
    pub doubtful: bool,
}

/// A message to be entered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewUidl {
    /// What the server calls it. A row of this id is replaced.
    pub uidl: Uidl,
    /// Its size as listed, in bytes.
    pub size: u64,
    /// Was its id seen with another message before?
    pub doubtful: bool,
}

const COLUMNS: &str = "uidl, number, size, header, first_seen, last_seen, delivered, asked, done, doubtful, stored";

impl Ledger {
    /// The book of an account at a server, begun if there is none, with the epoch of its numbers.
    pub fn book(
        &mut self,
        account: &AccountId,
        (host, user): (&str, &str),
        now: Timestamp,
    ) -> Result<(BookKey, UidValidity), Fault> {
        let mut run = || -> rusqlite::Result<(i64, u32)> {
            let step = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let find = |db: &rusqlite::Connection| {
                let sql = "SELECT key, validity FROM book WHERE account = ?1 AND host = ?2 AND user = ?3";
                let mut find = db.prepare_cached(sql)?;
                find.query_row([account.as_str(), host, user], |row| Ok((row.get(0)?, row.get(1)?))).optional()
            };
            if let Some(found) = find(&step)? {
                return Ok(found);
            }
            // Numbers of two books must never be taken for one another.
            let sql = "SELECT max(ifnull((SELECT max(validity) FROM book WHERE account = ?1), 0),
                              ifnull((SELECT max(validity) FROM mailbox WHERE account = ?1), 0))";
            let highest: i64 = step.query_row(sql, [account.as_str()], |row| row.get(0))?;
            let validity = now.get().max(highest.saturating_add(1)).clamp(1, i64::from(u32::MAX));
            let sql = "INSERT INTO book (account, host, user, validity) VALUES (?1, ?2, ?3, ?4)";
            step.execute(sql, params![account.as_str(), host, user, validity])?;
            let found = find(&step)?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
            step.commit()?;
            Ok(found)
        };
        let (key, validity) = run().map_err(|e| fault(&e))?;
        Ok((BookKey(key), UidValidity::new(validity).unwrap_or(UidValidity::MIN)))
    }

    /// All rows of a book.
    pub fn uidls(&self, book: BookKey) -> Result<Vec<UidlRow>, Fault> {
        let sql = format!("SELECT {COLUMNS} FROM uidl WHERE book = ?1");
        let run =
            || -> rusqlite::Result<Vec<UidlRow>> { self.db.prepare_cached(&sql)?.query_map([book.0], read)?.collect() };
        run().map_err(|e| fault(&e))
    }

    /// Enters messages, each with a number higher than all before, in their order.
    pub fn enter_uidls(&mut self, book: BookKey, new: &[NewUidl], now: Timestamp) -> Result<Vec<UidlRow>, Fault> {
        let mut run = || -> rusqlite::Result<Vec<UidlRow>> {
            let step = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let mut next: u32 = step.query_row("SELECT next FROM book WHERE key = ?1", [book.0], |row| row.get(0))?;
            let mut rows = Vec::with_capacity(new.len());
            {
                let mut put = step.prepare_cached(
                    "INSERT OR REPLACE INTO uidl (book, uidl, number, size, first_seen, last_seen, doubtful)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6)",
                )?;
                for NewUidl { uidl, size, doubtful } in new {
                    let uid = Uid::new(next).ok_or(rusqlite::Error::IntegralValueOutOfRange(1, 0))?;
                    next = next.checked_add(1).ok_or(rusqlite::Error::IntegralValueOutOfRange(1, 0))?;
                    let listed = i64::try_from(*size).unwrap_or(i64::MAX);
                    put.execute(params![book.0, uidl.as_str(), uid.get(), listed, now.get(), doubtful])?;
                    rows.push(UidlRow {
                        uidl: uidl.clone(),
                        uid,
                        size: *size,
                        stored: None,
                        header: None,
                        first_seen: now,
                        last_seen: now,
                        delivered: false,
                        asked: false,
                        done: false,
                        doubtful: *doubtful,
                    });
                }
            }
            step.execute("UPDATE book SET next = ?2 WHERE key = ?1", params![book.0, next])?;
            step.commit()?;
            Ok(rows)
        };
        run().map_err(|e| fault(&e))
    }

    /// Writes down what the headers of fetched messages were, and that all those are delivered which `mailbox` has
    /// rows of in this very epoch: not those of which only the header is here, for a stub is not the mail. Gives the
    /// numbers of all that ever were delivered.
    pub fn deliver_uidls(
        &mut self,
        book: BookKey,
        mailbox: MailboxKey,
        headers: &mut dyn Iterator<Item = (Uid, [u8; 32])>,
        now: Timestamp,
    ) -> Result<Vec<Uid>, Fault> {
        let same = self.agreed(mailbox)?.validity.map(UidValidity::get);
        let run = || -> rusqlite::Result<Vec<Uid>> {
            let step = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            {
                let mut put = step.prepare_cached("UPDATE uidl SET header = ?3 WHERE book = ?1 AND number = ?2")?;
                for (uid, header) in headers {
                    put.execute(params![book.0, uid.get(), header.as_slice()])?;
                }
            }
            let validity: u32 =
                step.query_row("SELECT validity FROM book WHERE key = ?1", [book.0], |row| row.get(0))?;
            if same == Some(validity) {
                step.execute(
                    "UPDATE uidl SET delivered = ?2,
                     stored = (SELECT size FROM base WHERE mailbox = ?3 AND uid = uidl.number) WHERE book = ?1 AND delivered = 0
                     AND EXISTS (SELECT 1 FROM base
                                 WHERE mailbox = ?3 AND uid = uidl.number AND instr(name, ',T=') = 0)",
                    params![book.0, now.get().max(1), mailbox.number()],
                )?;
            }
            let uids = step
                .prepare_cached("SELECT number FROM uidl WHERE book = ?1 AND delivered > 0")?
                .query_map([book.0], |row| row.get::<_, u32>(0))?
                .filter_map(|number| number.map(Uid::new).transpose())
                .collect::<rusqlite::Result<Vec<Uid>>>()?;
            step.commit()?;
            Ok(uids)
        };
        run().map_err(|e| fault(&e))
    }

    /// Writes down that the removal of messages is decided on.
    pub fn ask_uidls(&mut self, book: BookKey, uids: &[Uid], now: Timestamp) -> Result<(), Fault> {
        let mut run = || -> rusqlite::Result<()> {
            let step = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            set_each(&step, "UPDATE uidl SET asked = ?3 WHERE book = ?1 AND number = ?2", book, uids, now)?;
            step.commit()
        };
        run().map_err(|e| fault(&e))
    }

    /// Writes down how a session ended that ended well: what was listed, and whose removal was acknowledged. A row
    /// that two such sessions at least and a month did not list is dropped.
    pub fn close_book(&mut self, book: BookKey, seen: &[Uid], done: &[Uid], now: Timestamp) -> Result<(), Fault> {
        let mut run = || -> rusqlite::Result<()> {
            let step = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            set_each(&step, "UPDATE uidl SET last_seen = ?3 WHERE book = ?1 AND number = ?2", book, seen, now)?;
            set_each(&step, "UPDATE uidl SET done = ?3 WHERE book = ?1 AND number = ?2", book, done, now)?;
            let before: i64 =
                step.query_row("SELECT closed_at FROM book WHERE key = ?1", [book.0], |row| row.get(0))?;
            // Rarely enough that looking for them costs nothing to speak of.
            if now.get().saturating_sub(before) > DAY || before > now.get() {
                step.execute(
                    "DELETE FROM uidl WHERE book = ?1 AND last_seen < ?2 AND last_seen < ?3",
                    params![book.0, now.get().saturating_sub(FORGOTTEN), before.saturating_sub(2 * DAY)],
                )?;
                step.execute("UPDATE book SET closed_at = ?2 WHERE key = ?1", params![book.0, now.get()])?;
            }
            step.commit()
        };
        run().map_err(|e| fault(&e))
    }
}

fn set_each(db: &rusqlite::Connection, sql: &str, book: BookKey, uids: &[Uid], now: Timestamp) -> rusqlite::Result<()> {
    let mut set = db.prepare_cached(sql)?;
    uids.iter().try_for_each(|uid| set.execute(params![book.0, uid.get(), now.get().max(1)]).map(|_| ()))
}

/// Reads a row. What no longer makes sense is an error: the file is damaged.
fn read(row: &Row<'_>) -> rusqlite::Result<UidlRow> {
    let odd = |column| move || rusqlite::Error::IntegralValueOutOfRange(column, 0);
    let is_set = |column| row.get::<_, i64>(column).map(|value| value != 0);
    Ok(UidlRow {
        uidl: Uidl::new(row.get_ref(0)?.as_str()?).ok_or_else(odd(0))?,
        uid: Uid::new(row.get(1)?).ok_or_else(odd(1))?,
        size: row.get::<_, i64>(2)?.unsigned_abs(),
        stored: row.get::<_, Option<i64>>(10)?.map(i64::unsigned_abs),
        header: row.get_ref(3)?.as_blob_or_null()?.and_then(|bytes| bytes.try_into().ok()),
        first_seen: Timestamp::new(row.get(4)?),
        last_seen: Timestamp::new(row.get(5)?),
        delivered: is_set(6)?,
        asked: is_set(7)?,
        done: is_set(8)?,
        doubtful: is_set(9)?,
    })
}
