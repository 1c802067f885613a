//! What a search found: collected newest first, so far as it was asked for, and kept until the index
//! changes, so that scrolling does not search again.

use std::collections::{BTreeMap, HashMap};

use rusqlite::{Connection, Result, params_from_iter};

use super::rows::Folder;
use super::search::{self, Compiled};
use crate::job::index::{Grouping, ListSpec, SearchScope};
use crate::query::Query;

/// How often a long search looks whether it is still wanted, in rows.
const BREATH: usize = 512;

/// One row of what was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hit {
    pub(super) message: i64,
    pub(super) mailbox: i64,
    pub(super) thread: i64,
    /// Of the place; for a conversation as in the table of conversations.
    pub(super) flags: u8,
    pub(super) messages: u32,
    pub(super) unread: u32,
}

/// What was found so far.
#[derive(Debug, Clone)]
pub(super) struct Hits {
    pub(super) list: ListSpec,
    /// The state of the file in which it was found.
    pub(super) version: i64,
    pub(super) rows: Vec<Hit>,
    /// Is that all?
    pub(super) complete: bool,
}

/// Searches until `enough` rows are there (`None`: all) or `wanted` says that nobody asks any more.
pub(super) fn collect(
    db: &Connection,
    question: (&Query, &SearchScope, Grouping),
    folders: &BTreeMap<i64, Folder>,
    enough: Option<usize>,
    wanted: &dyn Fn() -> bool,
) -> Result<(Vec<Hit>, bool)> {
    let (query, scope, grouping) = question;
    let Compiled { sql, values } = search::compile(query, scope, folders);
    let mut statement = db.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let mut found = Found { grouping, hits: Vec::new(), groups: HashMap::new(), last: None };
    let mut seen = 0_usize;
    while let Some(row) = rows.next()? {
        seen += 1;
        if seen.is_multiple_of(BREATH) && !wanted() {
            return Ok((found.finish(), false));
        }
        let place = Hit {
            message: row.get(0)?,
            mailbox: row.get(1)?,
            thread: row.get(2)?,
            flags: row.get(3)?,
            messages: 1,
            unread: 0,
        };
        // The places of a message come one after the other: a row is whole when the next begins.
        if found.last.is_some_and(|last| last.message != place.message)
            && enough.is_some_and(|enough| found.hits.len() >= enough)
        {
            return Ok((found.finish(), false));
        }
        found.place(place, folders);
    }
    Ok((found.finish(), true))
}

struct Found {
    grouping: Grouping,
    hits: Vec<Hit>,
    /// The position of each conversation in `hits`.
    groups: HashMap<i64, usize>,
    /// The message whose places are being read, at the best of them.
    last: Option<Hit>,
}

impl Found {
    fn place(&mut self, place: Hit, folders: &BTreeMap<i64, Folder>) {
        let rank = |hit: &Hit| (folders.get(&hit.mailbox).map(Folder::rank), hit.mailbox);
        match &mut self.last {
            Some(last) if last.message == place.message => {
                if rank(&place) < rank(last) {
                    *last = place;
                }
            }
            _ => {
                self.close();
                self.last = Some(place);
            }
        }
    }

    /// The message that was read is one row, or part of the row of its conversation.
    fn close(&mut self) {
        let Some(mut hit) = self.last.take() else { return };
        hit.unread = u32::from(hit.flags & SEEN == 0);
        if self.grouping == Grouping::Conversations {
            let next = self.hits.len();
            let at = *self.groups.entry(hit.thread).or_insert(next);
            if let Some(group) = self.hits.get_mut(at) {
                group.messages += 1;
                group.unread += hit.unread;
                group.flags = ((group.flags | hit.flags) & !SEEN) | (group.flags & hit.flags & SEEN);
                return;
            }
        }
        self.hits.push(hit);
    }

    fn finish(mut self) -> Vec<Hit> {
        self.close();
        self.hits
    }
}

/// The bit of `Seen`, as the tables have it.
const SEEN: u8 = 16;
