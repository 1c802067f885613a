//! Intents: what is about to be done on a server, or in a folder that no round reads, written down before
//! it is done, so that after a crash or a lost reply one can ask there instead of guessing. An intent lives
//! until the step that confirms it, or finds it void, is committed ([`super::Change::settled`]).

use rusqlite::{Connection, Row, TransactionBehavior, params};

use super::fault;
use super::schema::Ledger;
use crate::fault::Fault;
use crate::mail::ids::{AccountId, MessageId, Timestamp, Uid, UidValidity};
use crate::mail::mailbox::MailboxName;
use crate::mail::place::{MailboxId, UniqueName};

/// The number of an intent; never given twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IntentId(i64);

/// What is about to be done, with what is needed to find out later whether it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Intent {
    /// A local message is appended.
    Append {
        /// Where.
        mailbox: MailboxId,
        /// Its epoch.
        validity: UidValidity,
        /// UIDNEXT before, where the server says it: the copy, if there is one, is at or above it.
        uid_next: Option<Uid>,
        /// The local file.
        unique: UniqueName,
        /// Its Message-ID, to search for.
        message_id: Option<MessageId>,
        /// Its size in bytes, as it is sent.
        size: u64,
    },
    /// A message is moved on the server, because its file was moved here.
    Move {
        /// From where.
        from: MailboxId,
        /// Its epoch.
        validity: UidValidity,
        /// The message there.
        uid: Uid,
        /// Where to, in the same account.
        to: MailboxName,
        /// Its epoch, where it is known.
        to_validity: Option<UidValidity>,
        /// UIDNEXT of the target before, where the server says it.
        uid_next: Option<Uid>,
        /// The local file, which lies in the target.
        unique: UniqueName,
        /// Its Message-ID, to search for.
        message_id: Option<MessageId>,
        /// Its size in bytes.
        size: u64,
    },
    /// A message takes the place of its stub, where the server knows INBOX alone (POP3).
    Complete {
        /// Where the stub lies.
        folder: MailboxId,
        /// The epoch of INBOX.
        validity: UidValidity,
        /// The message there.
        uid: Uid,
        /// The stub.
        stub: UniqueName,
    },
}

/// An intent as the ledger holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// Its number.
    pub id: IntentId,
    /// When it was written down.
    pub begun_at: Timestamp,
    /// What was about to be done.
    pub intent: Intent,
}

impl Ledger {
    /// Writes down what is about to be done: durable when this returns. Gives one number for each,
    /// in the same order.
    pub fn intend(&mut self, intents: &[Intent], now: Timestamp) -> Result<Vec<IntentId>, Fault> {
        let mut run = || -> rusqlite::Result<Vec<IntentId>> {
            let step = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let ids = intents.iter().map(|intent| insert(&step, intent, now)).collect::<rusqlite::Result<_>>()?;
            step.commit()?;
            Ok(ids)
        };
        run().map_err(|e| fault(&e))
    }

    /// What was begun for an account and neither confirmed nor found void, oldest first.
    pub fn intents(&self, account: &AccountId) -> Result<Vec<Pending>, Fault> {
        let run = || -> rusqlite::Result<Vec<Pending>> {
            let mut find = self.db.prepare_cached(
                "SELECT key, kind, mailbox, validity, uid, target, target_validity, uid_next, name, message_id,
                 size, begun_at FROM intent WHERE account = ?1 ORDER BY key",
            )?;
            find.query_map([account.as_str()], |row| read(row, account))?.collect()
        };
        run().map_err(|e| fault(&e))
    }

    /// Drops intents without any other change.
    pub fn settle(&mut self, ids: &[IntentId]) -> Result<(), Fault> {
        let mut run = || -> rusqlite::Result<()> {
            let step = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            settle(&step, ids)?;
            step.commit()
        };
        run().map_err(|e| fault(&e))
    }
}

pub(super) fn settle(db: &Connection, ids: &[IntentId]) -> rusqlite::Result<()> {
    let mut drop = db.prepare_cached("DELETE FROM intent WHERE key = ?1")?;
    ids.iter().try_for_each(|id| drop.execute([id.0]).map(|_| ()))
}

/// The columns of an intent, each where it has one.
#[derive(Default)]
struct Columns<'a> {
    kind: &'static str,
    validity: Option<UidValidity>,
    uid: Option<Uid>,
    target: Option<&'a MailboxName>,
    target_validity: Option<UidValidity>,
    uid_next: Option<Uid>,
    unique: Option<&'a UniqueName>,
    message_id: Option<&'a MessageId>,
    size: u64,
}

fn insert(db: &Connection, intent: &Intent, now: Timestamp) -> rusqlite::Result<IntentId> {
    let (place, columns) = columns(intent);
    db.prepare_cached(
        "INSERT INTO intent (kind, account, mailbox, validity, uid, target, target_validity, uid_next, name,
         message_id, size, begun_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    )?
    .execute(params![
        columns.kind,
        place.account.as_str(),
        place.name.as_str(),
        columns.validity.map(UidValidity::get),
        columns.uid.map(Uid::get),
        columns.target.map(MailboxName::as_str),
        columns.target_validity.map(UidValidity::get),
        columns.uid_next.map(Uid::get),
        columns.unique.map(UniqueName::as_str),
        columns.message_id.map(MessageId::as_str),
        i64::try_from(columns.size).unwrap_or(i64::MAX),
        now.get(),
    ])?;
    Ok(IntentId(db.last_insert_rowid()))
}

fn columns(intent: &Intent) -> (&MailboxId, Columns<'_>) {
    match intent {
        Intent::Append { mailbox, validity, uid_next, unique, message_id, size } => (
            mailbox,
            Columns {
                kind: "append",
                validity: Some(*validity),
                uid_next: *uid_next,
                unique: Some(unique),
                message_id: message_id.as_ref(),
                size: *size,
                ..Columns::default()
            },
        ),
        Intent::Move { from, validity, uid, to, to_validity, uid_next, unique, message_id, size } => (
            from,
            Columns {
                kind: "move",
                validity: Some(*validity),
                uid: Some(*uid),
                target: Some(to),
                target_validity: *to_validity,
                uid_next: *uid_next,
                unique: Some(unique),
                message_id: message_id.as_ref(),
                size: *size,
            },
        ),
        Intent::Complete { folder, validity, uid, stub } => (
            folder,
            Columns {
                kind: "complete",
                validity: Some(*validity),
                uid: Some(*uid),
                unique: Some(stub),
                ..Columns::default()
            },
        ),
    }
}

fn read(row: &Row<'_>, account: &AccountId) -> rusqlite::Result<Pending> {
    let odd = |column| move || rusqlite::Error::IntegralValueOutOfRange(column, 0);
    let kind: String = row.get(1)?;
    let name = MailboxName::new(&row.get::<_, String>(2)?).ok_or_else(odd(2))?;
    let mailbox = MailboxId { account: account.clone(), name };
    let validity = row.get::<_, Option<u32>>(3)?.and_then(UidValidity::new).ok_or_else(odd(3))?;
    let uid = row.get::<_, Option<u32>>(4)?.and_then(Uid::new);
    let target = row.get::<_, Option<String>>(5)?.and_then(|name| MailboxName::new(&name));
    let to_validity = row.get::<_, Option<u32>>(6)?.and_then(UidValidity::new);
    let uid_next = row.get::<_, Option<u32>>(7)?.and_then(Uid::new);
    let unique = row.get::<_, Option<String>>(8)?.and_then(|name| UniqueName::new(&name));
    let message_id = row.get::<_, Option<String>>(9)?.and_then(|id| MessageId::new(&id));
    let size = row.get::<_, i64>(10)?.cast_unsigned();
    let intent = match kind.as_str() {
        "append" => {
            let unique = unique.ok_or_else(odd(8))?;
            Intent::Append { mailbox, validity, uid_next, unique, message_id, size }
        }
        "move" => Intent::Move {
            from: mailbox,
            validity,
            uid: uid.ok_or_else(odd(4))?,
            to: target.ok_or_else(odd(5))?,
            to_validity,
            uid_next,
            unique: unique.ok_or_else(odd(8))?,
            message_id,
            size,
        },
        "complete" => Intent::Complete {
            folder: mailbox,
            validity,
            uid: uid.ok_or_else(odd(4))?,
            stub: unique.ok_or_else(odd(8))?,
        },
        _ => return Err(odd(1)()),
    };
    Ok(Pending { id: IntentId(row.get(0)?), begun_at: Timestamp::new(row.get(11)?), intent })
}
