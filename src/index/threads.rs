//! Conversations by Message-ID: each id that a message bears or names is linked to a thread; a message
//! that names ids of several threads makes them one. The order of arrival does not matter.
//! Subjects are never compared. The tree within a conversation is `mail::thread`'s business.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension as _, Result, params};

/// Gives back the thread that `keys` belong to, after it has made all their threads one and linked
/// each key to it. `fresh` is taken where none of them is known. The second value are the mailboxes
/// with their threads whose conversations changed by it.
pub(super) fn link(db: &Connection, keys: &[i64], fresh: i64) -> Result<(i64, BTreeSet<(i64, i64)>)> {
    let mut known = BTreeSet::new();
    let mut find = db.prepare_cached("SELECT thread FROM links WHERE key = ?1")?;
    let mut missing = Vec::new();
    for key in keys {
        match find.query_row([key], |row| row.get::<_, i64>(0)).optional()? {
            Some(thread) => {
                known.insert(thread);
            }
            None => missing.push(*key),
        }
    }
    let (thread, changed) = merge(db, &known, fresh)?;
    let mut add = db.prepare_cached("INSERT OR IGNORE INTO links(key, thread) VALUES(?1, ?2)")?;
    for key in missing {
        add.execute([key, thread])?;
    }
    Ok((thread, changed))
}

/// Makes threads one: the largest stays, so that a message is moved only few times however many
/// links come late.
fn merge(db: &Connection, known: &BTreeSet<i64>, fresh: i64) -> Result<(i64, BTreeSet<(i64, i64)>)> {
    let mut changed = BTreeSet::new();
    if known.len() < 2 {
        return Ok((known.first().copied().unwrap_or(fresh), changed));
    }
    let mut count = db.prepare_cached("SELECT count(*) FROM messages WHERE thread = ?1")?;
    let mut largest = (-1, fresh);
    for thread in known {
        largest = largest.max((count.query_row([thread], |row| row.get(0))?, *thread));
    }
    let (_, kept) = largest;
    for gone in known.iter().filter(|thread| **thread != kept) {
        let mut mailboxes = db.prepare_cached("SELECT DISTINCT mailbox FROM places WHERE thread = ?1")?;
        for mailbox in mailboxes.query_map([gone], |row| row.get::<_, i64>(0))? {
            let mailbox = mailbox?;
            changed.extend([(mailbox, *gone), (mailbox, kept)]);
        }
        for update in [
            "UPDATE messages SET thread = ?2 WHERE thread = ?1",
            "UPDATE places SET thread = ?2 WHERE thread = ?1",
            "UPDATE links SET thread = ?2 WHERE thread = ?1",
            "UPDATE merged SET thread = ?2 WHERE thread = ?1",
            "UPDATE sewn SET grown = ?2 WHERE grown = ?1",
            "INSERT OR REPLACE INTO merged(gone, thread) VALUES(?1, ?2)",
        ] {
            db.prepare_cached(update)?.execute(params![gone, kept])?;
        }
    }
    Ok((kept, changed))
}

/// The thread that `thread` is part of by now.
pub(super) fn current(db: &Connection, thread: i64) -> Result<i64> {
    let mut find = db.prepare_cached("SELECT thread FROM merged WHERE gone = ?1")?;
    Ok(find.query_row([thread], |row| row.get(0)).optional()?.unwrap_or(thread))
}
