//! What a search found: collected newest first, so far as it was asked for, and kept until the index
//! changes, so that scrolling does not search again and counting goes on where the first page ended. In another
//! order it is only once all of it is known.

use std::collections::{BTreeMap, HashMap};

use rusqlite::{Connection, OptionalExtension as _, Result, Row};

use super::blocks::Key;
use super::engine::Engine;
use super::hunt::Hunt;
use super::rows::Folder;
use super::search::{self, Check, Plan};
use super::streams::Reader;
use crate::fault::Fault;
use crate::job::index::{Grouping, ListSpec, Order, SearchScope, SortBy};
use crate::query::Query;

/// How often a long search looks whether it is still wanted, in messages that are looked at.
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

/// How far to search; all of it where none is given.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Until {
    /// Until there are so many rows,
    pub(super) rows: Option<usize>,
    /// and what is left is older than this message.
    pub(super) past: Option<i64>,
}

/// A search on its way from the newest message to the oldest.
#[derive(Debug, Clone)]
pub(super) struct Chase {
    plan: Plan,
    /// What is newer than this was looked at.
    pub(super) bound: i64,
    /// Was all of it looked at?
    pub(super) complete: bool,
}

/// What a search stands on for a while.
pub(super) struct Part<'a> {
    reader: Reader<'a>,
    folders: &'a BTreeMap<i64, Folder>,
    looked: usize,
}

impl<'a> Part<'a> {
    pub(super) fn new(db: &'a Connection, folders: &'a BTreeMap<i64, Folder>, wanted: &'a dyn Fn() -> bool) -> Self {
        Self { reader: Reader::new(db, wanted), folders, looked: 0 }
    }
}

/// What came of the next message.
pub(super) enum Next {
    /// It is one.
    Hit(Hit),
    /// It is none.
    Miss,
    /// There is none left, or nobody waits any more: [`Chase::complete`] tells.
    Stop,
}

impl Chase {
    /// Begins a search; nothing is looked at yet.
    pub(super) fn new(
        db: &Connection,
        (query, scope): (&Query, &SearchScope),
        folders: &BTreeMap<i64, Folder>,
    ) -> Result<Self> {
        search::compile(db, query, scope, folders).map(Self::of)
    }

    /// Goes the way of a plan.
    pub(super) fn of(plan: Plan) -> Self {
        Self { plan, bound: i64::MAX, complete: false }
    }

    /// Begins a search that looks at these messages alone.
    pub(super) fn among(
        db: &Connection,
        question: (&Query, &SearchScope),
        folders: &BTreeMap<i64, Folder>,
        messages: Vec<i64>,
    ) -> Result<Self> {
        let mut chase = Self::new(db, question, folders)?;
        chase.plan.lead_among(messages);
        Ok(chase)
    }

    /// Looks at the next message that may be one.
    pub(super) fn next(&mut self, part: &mut Part<'_>) -> Result<Next> {
        let Part { reader, folders, looked } = part;
        *looked += 1;
        if self.complete || (looked.is_multiple_of(BREATH) && !reader.breathe()) {
            return Ok(Next::Stop);
        }
        let Some(message) = self.plan.lead.at_most(&mut self.plan.streams, reader, self.bound)? else {
            self.complete = !reader.is_stopped();
            return Ok(Next::Stop);
        };
        let best = best_place(&mut self.plan, reader, folders, message)?;
        if reader.is_stopped() {
            return Ok(Next::Stop);
        }
        self.bound = message - 1;
        Ok(best.map_or(Next::Miss, Next::Hit))
    }
}

/// The state of the file, and of the database beside it, that an answer is made of.
pub(super) type Version = (i64, u64);

/// A search, as far as it came.
pub(super) struct Hits {
    pub(super) list: ListSpec,
    /// The state in which it is made.
    pub(super) version: Version,
    pub(super) rows: Vec<Hit>,
    chase: Chase,
    /// Is it in the order of the list?
    arranged: bool,
    /// Who leads, where it is not the index.
    hunt: Option<Hunt>,
    /// The position of each conversation in `rows`.
    groups: HashMap<i64, usize>,
}

impl Hits {
    /// Begins a search; nothing is found yet.
    pub(super) fn new(
        db: &Connection,
        list: &ListSpec,
        question: (&Query, &SearchScope),
        folders: &BTreeMap<i64, Folder>,
        version: Version,
    ) -> Result<Self> {
        let chase = Chase::new(db, question, folders)?;
        let arranged = list.order == Order::default();
        let (list, rows, groups) = (list.clone(), Vec::new(), HashMap::new());
        Ok(Self { list, version, rows, chase, arranged, hunt: None, groups })
    }

    /// Is all of it found, and in order?
    pub(super) fn is_ready(&self) -> bool {
        self.chase.complete && self.arranged
    }

    /// Brings what was found into the order of the list once all is known, unless `wanted` says that nobody asks any
    /// more. What is equal in that order stays newest first.
    pub(super) fn arrange(&mut self, db: &Connection, wanted: &dyn Fn() -> bool) -> Result<()> {
        if !self.chase.complete || self.arranged {
            return Ok(());
        }
        let Order { by, reversed } = self.list.order;
        let key = match (by, self.list.grouping) {
            (SortBy::Date, _) | (_, Grouping::Conversations) => None,
            (SortBy::From, Grouping::Flat) => Some("who"),
            (SortBy::Subject, Grouping::Flat) => Some("topic"),
            // The largest is first.
            (SortBy::Size, Grouping::Flat) => Some("-size"),
        };
        if let Some(key) = key {
            let sql = format!("SELECT {key} FROM places WHERE mailbox = ?1 AND message = ?2");
            let mut find = db.prepare_cached(&sql)?;
            let mut keyed = Vec::with_capacity(self.rows.len());
            for (at, hit) in self.rows.iter().enumerate() {
                if at.is_multiple_of(BREATH) && !wanted() {
                    return Ok(());
                }
                let key = find.query_row([hit.mailbox, hit.message], |row| Key::of(row.get_ref(0)?)).optional()?;
                keyed.push((key, *hit));
            }
            keyed.sort_by(|(a, _), (b, _)| a.cmp(b));
            self.rows = keyed.into_iter().map(|(_, hit)| hit).collect();
        }
        if reversed {
            self.rows.reverse();
        }
        self.arranged = true;
        Ok(())
    }

    /// The same search, led by somebody else: what that finds must answer the query too.
    pub(super) fn led_by(mut self, hunt: Hunt) -> Self {
        self.hunt = Some(hunt);
        self
    }

    /// Is the order of rows that of the messages' numbers?
    pub(super) fn is_in_order(&self) -> bool {
        self.hunt.is_none()
    }

    /// Goes on with a search that somebody else leads. `Some`: that one failed.
    pub(super) fn follow(
        &mut self,
        (db, engine): (&Connection, &mut Engine),
        folders: &BTreeMap<i64, Folder>,
        until: Until,
        wanted: &dyn Fn() -> bool,
    ) -> Result<Option<Fault>> {
        let Some(mut hunt) = self.hunt.take() else { return Ok(None) };
        let mut looked = 0_usize;
        let mut failed = None;
        while !self.has(until) {
            looked += 1;
            if looked.is_multiple_of(BREATH) && !wanted() {
                break;
            }
            match hunt.next(db, engine, wanted)? {
                Ok(Some(message)) => {
                    let hit = hunt.judge(&self.chase.plan, message, |plan| judge(plan, db, folders, message))?;
                    self.chase.bound = self.chase.bound.min(message);
                    if let Some(hit) = hit {
                        self.found(hit);
                    }
                }
                Ok(None) => {
                    self.chase.complete = hunt.is_over();
                    break;
                }
                Err(fault) => {
                    failed = Some(fault);
                    break;
                }
            }
        }
        self.hunt = Some(hunt);
        Ok(failed)
    }

    fn has(&self, until: Until) -> bool {
        let enough = until.rows.is_some_and(|rows| self.rows.len() >= rows);
        self.chase.complete || (enough && until.past.is_none_or(|past| self.chase.bound < past))
    }

    /// Goes on with the search, until there is enough or `wanted` says that nobody asks any more.
    pub(super) fn go_on(
        &mut self,
        db: &Connection,
        folders: &BTreeMap<i64, Folder>,
        until: Until,
        wanted: &dyn Fn() -> bool,
    ) -> Result<()> {
        let mut part = Part::new(db, folders, wanted);
        while !self.has(until) {
            match self.chase.next(&mut part)? {
                Next::Hit(hit) => self.found(hit),
                Next::Miss => {}
                Next::Stop => return Ok(()),
            }
        }
        Ok(())
    }

    /// A message is a row, or part of the row of its conversation.
    fn found(&mut self, hit: Hit) {
        if self.list.grouping == Grouping::Conversations {
            let next = self.rows.len();
            let at = *self.groups.entry(hit.thread).or_insert(next);
            if let Some(group) = self.rows.get_mut(at) {
                group.messages += 1;
                group.unread += hit.unread;
                group.flags = ((group.flags | hit.flags) & !SEEN) | (group.flags & hit.flags & SEEN);
                return;
            }
        }
        self.rows.push(hit);
    }
}

/// The best place of a message that answers a plan, whoever led to it.
fn judge(plan: &mut Plan, db: &Connection, folders: &BTreeMap<i64, Folder>, message: i64) -> Result<Option<Hit>> {
    let reader = Reader::new(db, &|| true);
    if plan.lead.at_most(&mut plan.streams, &reader, message)? != Some(message) {
        return Ok(None);
    }
    best_place(plan, &reader, folders, message)
}

/// The best place of a message that answers what the plan checks.
pub(super) fn best_place(
    plan: &mut Plan,
    reader: &Reader<'_>,
    folders: &BTreeMap<i64, Folder>,
    message: i64,
) -> Result<Option<Hit>> {
    let mut said = Vec::with_capacity(plan.said.len());
    for stream in &plan.said {
        let stream = plan.streams.get_mut(*stream);
        let row = stream.map_or(Ok(None), |stream| stream.at_most(reader, message))?;
        said.push(row == Some(message));
    }
    // What the words alone decide is not worth a question about places.
    if reader.is_stopped() || decided(&plan.check, &said) == Some(false) {
        return Ok(None);
    }
    let mut together = Vec::with_capacity(plan.together.len());
    for conversations in &mut plan.together {
        together.push(conversations.has(reader, folders, message)?);
    }
    let told = Told { said, together };
    if reader.is_stopped() {
        return Ok(None);
    }
    let mut best: Option<Hit> = None;
    let mut places = reader.db.prepare_cached(&plan.places)?;
    let mut rows = places.query([message])?;
    while let Some(row) = rows.next()? {
        let hit = place(message, row)?;
        let rank = |hit: &Hit| (folders.get(&hit.mailbox).map(Folder::rank), hit.mailbox);
        if best.is_none_or(|best| rank(&hit) < rank(&best)) && holds(&plan.check, &told, row)? {
            best = Some(hit);
        }
    }
    Ok(best)
}

/// The bit of `Seen`, as the tables have it.
const SEEN: u8 = 16;

fn place(message: i64, row: &Row<'_>) -> Result<Hit> {
    let flags: u8 = row.get(2)?;
    Ok(Hit {
        message,
        mailbox: row.get(0)?,
        thread: row.get(1)?,
        flags,
        messages: 1,
        unread: u32::from(flags & SEEN == 0),
    })
}

/// What is known of a message, whichever of its places is asked.
struct Told {
    said: Vec<bool>,
    together: Vec<bool>,
}

/// What the words of a message say, whatever its places are; `None`: that depends on them.
fn decided(check: &Check, said: &[bool]) -> Option<bool> {
    match check {
        Check::All(parts) => combined(parts, said, false),
        Check::Any(parts) => combined(parts, said, true),
        Check::Not(part) => decided(part, said).map(|holds| !holds),
        Check::Said(number) => Some(said.get(*number).copied().unwrap_or_default()),
        Check::Together(_) | Check::Column(_) => None,
    }
}

/// What these say together, of which one decides by being `decisive`.
fn combined(parts: &[Check], said: &[bool], decisive: bool) -> Option<bool> {
    let mut all = Some(!decisive);
    for part in parts {
        match decided(part, said) {
            Some(holds) if holds == decisive => return Some(decisive),
            Some(_) => {}
            None => all = None,
        }
    }
    all
}

/// Does a place answer what words and properties ask together?
fn holds(check: &Check, told: &Told, row: &Row<'_>) -> Result<bool> {
    Ok(match check {
        Check::All(parts) => {
            for part in parts {
                if !holds(part, told, row)? {
                    return Ok(false);
                }
            }
            true
        }
        Check::Any(parts) => {
            for part in parts {
                if holds(part, told, row)? {
                    return Ok(true);
                }
            }
            false
        }
        Check::Not(part) => !holds(part, told, row)?,
        Check::Said(number) => told.said.get(*number).copied().unwrap_or_default(),
        Check::Together(number) => told.together.get(*number).copied().unwrap_or_default(),
        Check::Column(number) => row.get(search::FIRST_COLUMN + number)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_decide_where_properties_cannot_matter() {
        let said = [true, false];
        let (yes, no, open) = (Check::Said(0), Check::Said(1), Check::Column(0));
        let not = |check: &Check| Check::Not(Box::new(check.clone()));
        let all = |parts: &[&Check]| Check::All(parts.iter().copied().cloned().collect());
        let any = |parts: &[&Check]| Check::Any(parts.iter().copied().cloned().collect());
        let table = [
            (all(&[]), Some(true)),
            (any(&[]), Some(false)),
            (not(&yes), Some(false)),
            (not(&open), None),
            (Check::Said(7), Some(false)),
            (all(&[&yes, &open]), None),
            (all(&[&open, &no]), Some(false)),
            (any(&[&open, &yes]), Some(true)),
            (any(&[&no, &open]), None),
            (not(&any(&[&no, &all(&[&open, &no])])), Some(true)),
        ];
        for (check, decision) in table {
            assert_eq!(decided(&check, &said), decision, "{check:?}");
        }
    }
}
