//! One conversation as a page: all its messages over all mailboxes and accounts, each once, in the
//! order in which it is read.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, Result};

use super::rows::Folder;
use super::{schema, threads};
use crate::mail::ids::MessageId;
use crate::mail::thread::{self, Member};

/// The most messages of a conversation that are shown: the newest ones.
const MAX_MESSAGES: i64 = 5_000;

/// A message of a conversation: where it is shown, and how deep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) message: i64,
    pub(super) mailbox: i64,
    pub(super) depth: u16,
}

/// What two copies of a message that differ in their bytes still share: id, sender, subject.
type Claim = (i64, String, String);

struct Candidate {
    entry: Entry,
    id: Option<MessageId>,
    parents: Vec<MessageId>,
}

/// The messages of a conversation in thread order. Two that claim the same id, sender and subject
/// (the copy in Sent and the one that a list sent back) are one.
pub(super) fn entries(db: &Connection, thread: i64, folders: &BTreeMap<i64, Folder>) -> Result<Vec<Entry>> {
    let thread = threads::current(db, thread)?;
    let mut statement = db.prepare_cached(
        "SELECT m.id, m.key, m.sender, m.subject, m.parents, p.mailbox
         FROM (SELECT * FROM messages WHERE thread = ?1 ORDER BY id DESC LIMIT ?2) m
         CROSS JOIN places p ON p.message = m.id ORDER BY m.id",
    )?;
    let mut rows = statement.query([thread, MAX_MESSAGES])?;
    let mut candidates: BTreeMap<i64, (Candidate, Option<Claim>)> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let (message, mailbox): (i64, i64) = (row.get(0)?, row.get(5)?);
        if let Some((known, _)) = candidates.get_mut(&message) {
            if rank(folders, mailbox) < rank(folders, known.entry.mailbox) {
                known.entry.mailbox = mailbox;
            }
            continue;
        }
        let key: Option<i64> = row.get(1)?;
        let claim = match key {
            Some(key) => Some((key, row.get(2)?, row.get(3)?)),
            None => None,
        };
        let parents: Vec<u8> = row.get(4)?;
        let candidate = Candidate {
            entry: Entry { message, mailbox, depth: 0 },
            id: key.and_then(name),
            parents: keys(&parents).rev().filter_map(name).collect(),
        };
        candidates.insert(message, (candidate, claim));
    }
    Ok(in_order(&one_of_each(candidates.into_values(), folders)))
}

/// Of messages that are the same to a reader the one in the best place.
fn one_of_each(
    candidates: impl Iterator<Item = (Candidate, Option<Claim>)>,
    folders: &BTreeMap<i64, Folder>,
) -> Vec<Candidate> {
    let mut all: Vec<_> = candidates.collect();
    all.sort_by_key(|(candidate, _)| (rank(folders, candidate.entry.mailbox), candidate.entry.message));
    let mut claimed = BTreeSet::new();
    all.retain(|(_, claim)| claim.as_ref().is_none_or(|claim| claimed.insert(claim.clone())));
    all.sort_by_key(|(candidate, _)| candidate.entry.message);
    all.into_iter().map(|(candidate, _)| candidate).collect()
}

fn in_order(candidates: &[Candidate]) -> Vec<Entry> {
    let members: Vec<Member<'_>> = candidates
        .iter()
        .map(|candidate| Member {
            message_id: candidate.id.as_ref(),
            references: &candidate.parents,
            in_reply_to: &[],
            date: schema::date_of(candidate.entry.message),
        })
        .collect();
    let place = |position: thread::Position| {
        candidates.get(position.member).map(|candidate| Entry { depth: position.depth, ..candidate.entry })
    };
    thread::order(&members).into_iter().filter_map(place).collect()
}

fn rank(folders: &BTreeMap<i64, Folder>, mailbox: i64) -> (Option<u8>, i64) {
    (folders.get(&mailbox).map(Folder::rank), mailbox)
}

/// The index keeps keys of ids, which are as good as the ids to tell who answers whom.
pub(super) fn name(key: i64) -> Option<MessageId> {
    MessageId::new(&format!("{key:x}"))
}

pub(super) fn keys(parents: &[u8]) -> impl DoubleEndedIterator<Item = i64> {
    parents.chunks_exact(8).filter_map(|key| key.try_into().ok().map(i64::from_be_bytes))
}
