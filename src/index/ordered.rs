//! Lists whose order an SQL index has: the messages or conversations of a mailbox or of all INBOXes, all or what
//! is unread or starred, in any order. A stretch is read from the nearer end, a position counted from it.
//! The one order that is made and not read is that of what is unread or starred when it goes by something
//! else than the date: that is as long as the answer to "what is unread?", and sorted by SQLite, unless so much is
//! unread that the page is met sooner on the way through all. What is far from both ends of a long list is found by
//! counted blocks ([`super::blocks`]).

use std::collections::BTreeMap;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, Result, params};

use super::blocks::{self, CUT, Key, Kind, Start};
use super::rows::{Folder, row_of, size, thread_of};
use super::schema::UNIFIED;
use crate::job::index::{Direction, Grouping, ListSpec, Only, Order, SortBy, Source};

/// A list whose order an SQL index has.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ordered {
    pub(super) what: What,
    only: Only,
    order: Order,
}

/// What its rows are.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum What {
    /// The messages of these mailboxes.
    Places(Vec<i64>),
    /// The conversations of a mailbox, or over all INBOXes.
    Conversations(i64),
}

/// A row of the list, by what it is sorted by.
#[derive(Debug, Clone, PartialEq)]
struct At {
    row: i64,
    key: Value,
}

impl Ordered {
    /// Which SQL index has this list; `None`: there is no such mailbox, or it is a search.
    pub(super) fn of(list: &ListSpec, folders: &BTreeMap<i64, Folder>) -> Option<Self> {
        let inboxes = || folders.iter().filter(|(_, folder)| folder.id.name.is_inbox()).map(|(row, _)| *row).collect();
        let what = match (&list.source, list.grouping) {
            (Source::Mailbox(mailbox), Grouping::Flat) => What::Places(vec![row_of(folders, mailbox)?]),
            (Source::Mailbox(mailbox), Grouping::Conversations) => What::Conversations(row_of(folders, mailbox)?),
            (Source::Unified, Grouping::Flat) => What::Places(inboxes()),
            (Source::Unified, Grouping::Conversations) => What::Conversations(UNIFIED),
            (Source::Search { .. }, _) => return None,
        };
        let order = match what {
            What::Places(_) => list.order,
            What::Conversations(_) => Order { by: SortBy::Date, ..list.order },
        };
        Some(Self { what, only: list.only, order })
    }

    /// How many rows it has, as is known without counting.
    pub(super) fn total(&self, db: &Connection) -> Result<usize> {
        let column = match (&self.what, self.only) {
            (What::Places(_), Only::All) => "total",
            (What::Places(_), Only::Unread) => "unread",
            (What::Places(_), Only::Starred) => "starred",
            (What::Conversations(_), Only::All) => "conversations",
            (What::Conversations(_), Only::Unread) => "unread_conversations",
            (What::Conversations(_), Only::Starred) => "starred_conversations",
        };
        let mut find = db.prepare_cached(&format!("SELECT {column} FROM mailboxes WHERE id = ?1"))?;
        let mut total = 0;
        for mailbox in self.mailboxes() {
            total += find.query_row([mailbox], |row| size(row, 0)).optional()?.unwrap_or_default();
        }
        Ok(total)
    }

    /// The stretch `[first, first + count)`: each row's message with its mailbox or thread.
    pub(super) fn stretch(&self, db: &Connection, first: usize, count: usize, total: usize) -> Result<Vec<(i64, i64)>> {
        self.stretch_beyond(db, (first, count), total, CUT.short)
    }

    /// The same; from how many rows on blocks are asked is said.
    pub(super) fn stretch_beyond(
        &self,
        db: &Connection,
        (first, count): (usize, usize),
        total: usize,
        near: usize,
    ) -> Result<Vec<(i64, i64)>> {
        let count = count.min(total.saturating_sub(first));
        let from_end = total.saturating_sub(first).saturating_sub(count);
        let (way, offset) = if from_end < first { (Direction::Previous, from_end) } else { (Direction::Next, first) };
        if let Some(kind) = self.kind().filter(|_| offset > near) {
            let lowest = if self.falls() { from_end } else { first };
            let start = blocks::start(db, kind, self.mailboxes(), lowest)?;
            if lowest.saturating_sub(start.rank) < offset {
                return self.stretch_from(db, kind, &start, lowest, count);
            }
        }
        let index = self.index_to(db, offset.saturating_add(count), total)?;
        let sql = format!("{} ORDER BY {} LIMIT ?1 OFFSET ?2", self.union(index, &[]), self.terms(way));
        let mut rows: Vec<(i64, i64)> = db
            .prepare_cached(&sql)?
            .query_map([number(count), number(offset)], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_>>()?;
        if way == Direction::Previous {
            rows.reverse();
        }
        Ok(rows)
    }

    /// The rows from position `lowest` on, counted from the smallest, in the order of the list.
    fn stretch_from(
        &self,
        db: &Connection,
        kind: Kind,
        start: &Start,
        lowest: usize,
        count: usize,
    ) -> Result<Vec<(i64, i64)>> {
        let way = if self.falls() { Direction::Previous } else { Direction::Next };
        let rows = blocks::stretch(kind, self.mailboxes(), &start.from, &self.columns());
        let sql = format!("{rows} ORDER BY {} LIMIT ?3 OFFSET ?4", self.terms(way));
        let skipped = number(lowest.saturating_sub(start.rank));
        let mut rows: Vec<(i64, i64)> = db
            .prepare_cached(&sql)?
            .query_map(params![start.from.key, start.from.turn, number(count), skipped], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?
            .collect::<Result<_>>()?;
        if self.falls() {
            rows.reverse();
        }
        Ok(rows)
    }

    /// The position of a message, or of the conversation it belongs to.
    pub(super) fn position(&self, db: &Connection, message: i64, total: usize) -> Result<Option<usize>> {
        self.position_beyond(db, message, total, CUT.short)
    }

    /// The same; from how many rows on blocks are asked is said.
    pub(super) fn position_beyond(
        &self,
        db: &Connection,
        message: i64,
        total: usize,
        near: usize,
    ) -> Result<Option<usize>> {
        let Some(at) = self.find(db, message, self.filter())? else { return Ok(None) };
        if let Some(kind) = self.kind().filter(|_| total > near)
            && blocks::are_counted(db, kind, self.mailboxes())?
        {
            let spot = kind.spot(Key::of((&at.key).into())?, at.row);
            let rank = blocks::rank(db, kind, self.mailboxes(), &spot)?;
            return Ok(Some(if self.falls() { total.saturating_sub(rank + 1) } else { rank }));
        }
        let half = total / 2 + 1;
        let before = self.count_beyond(db, &at, Direction::Previous, half)?;
        if before < half {
            return Ok(Some(before));
        }
        let behind = self.count_beyond(db, &at, Direction::Next, total)?;
        Ok(Some(total.saturating_sub(behind + 1)))
    }

    /// The next row that is unread, after that of a message or from the beginning.
    pub(super) fn next_unread(
        &self,
        db: &Connection,
        after: Option<i64>,
        way: Direction,
    ) -> Result<Option<(i64, i64)>> {
        let at = match after {
            // Of what is not there any more, at least the date is known.
            Some(message) => {
                let gone = self.key().is_none().then_some(At { row: message, key: Value::Null });
                self.find(db, message, "1")?.or(gone)
            }
            None => None,
        };
        // The rarer of both leads.
        let (index, unread) = match (&self.what, self.only) {
            (What::Places(_), Only::Starred) => (self.index(), "flags & 16 = 0"),
            (What::Places(_), Only::All | Only::Unread) => ("place_unread", "flags & 16 = 0"),
            (What::Conversations(_), Only::Starred) => (self.index(), "unread > 0"),
            (What::Conversations(_), Only::All | Only::Unread) => ("conversation_unread", "unread > 0"),
        };
        let beyond = at.as_ref().map_or_else(|| vec!["1".to_owned()], |_| self.beyond(way));
        let given: Vec<String> = beyond.iter().map(|beyond| format!("{unread} AND {beyond}")).collect();
        let sql = format!("{} ORDER BY {} LIMIT ?3", self.union(index, &given), self.terms(way));
        let At { row, key } = at.unwrap_or(At { row: 0, key: Value::Null });
        db.prepare_cached(&sql)?.query_row(params![row, key, 1], |row| Ok((row.get(0)?, row.get(1)?))).optional()
    }

    fn mailboxes(&self) -> &[i64] {
        match &self.what {
            What::Places(mailboxes) => mailboxes,
            What::Conversations(mailbox) => std::slice::from_ref(mailbox),
        }
    }

    /// The table, and its columns for the row and for what the row belongs to.
    fn table(&self) -> (&'static str, &'static str, &'static str) {
        match self.what {
            What::Places(_) => ("places", "message", "mailbox"),
            What::Conversations(_) => ("conversations", "newest", "thread"),
        }
    }

    /// The order that has blocks, where there is one.
    fn kind(&self) -> Option<Kind> {
        Some(match (&self.what, self.only, self.order.by) {
            (What::Places(_), Only::All, SortBy::Date) => Kind::Date,
            (What::Places(_), Only::All, SortBy::From) => Kind::Who,
            (What::Places(_), Only::All, SortBy::Subject) => Kind::Topic,
            (What::Places(_), Only::All, SortBy::Size) => Kind::Size,
            (What::Places(_), Only::Unread, SortBy::Date) => Kind::Unread,
            (What::Places(_), Only::Starred, SortBy::Date) => Kind::Starred,
            (What::Places(_), Only::Unread | Only::Starred, SortBy::From | SortBy::Subject | SortBy::Size) => {
                return None;
            }
            (What::Conversations(_), Only::All, _) => Kind::Talks,
            (What::Conversations(_), Only::Unread, _) => Kind::UnreadTalks,
            (What::Conversations(_), Only::Starred, _) => Kind::StarredTalks,
        })
    }

    /// Does the list begin with the largest row of that order?
    fn falls(&self) -> bool {
        matches!(self.order.by, SortBy::Date | SortBy::Size) != self.order.reversed
    }

    /// The column that the list is sorted by before the date.
    fn key(&self) -> Option<&'static str> {
        match self.order.by {
            SortBy::Date => None,
            SortBy::From => Some("who"),
            SortBy::Subject => Some("topic"),
            SortBy::Size => Some("size"),
        }
    }

    fn filter(&self) -> &'static str {
        match (&self.what, self.only) {
            (_, Only::All) => "1",
            (What::Places(_), Only::Unread) => "flags & 16 = 0",
            (What::Conversations(_), Only::Unread) => "unread > 0",
            (_, Only::Starred) => "flags & 2 <> 0",
        }
    }

    fn index(&self) -> &'static str {
        match (&self.what, self.only, self.order.by) {
            (What::Places(_), Only::All, SortBy::Date) => "place_list",
            // SQLite takes the one of this order, once it is made.
            (What::Places(_), Only::All, SortBy::From | SortBy::Subject | SortBy::Size) => "",
            (What::Places(_), Only::Unread, _) => "place_unread",
            (What::Places(_), Only::Starred, _) => "place_starred_here",
            (What::Conversations(_), Only::All, _) => "conversation_list",
            (What::Conversations(_), Only::Unread, _) => "conversation_unread",
            (What::Conversations(_), Only::Starred, _) => "conversation_starred",
        }
    }

    /// The index by which the first `reach` of `total` rows are read.
    fn index_to(&self, db: &Connection, reach: usize, total: usize) -> Result<&'static str> {
        if self.kind().is_some() {
            return Ok(self.index());
        }
        let all = Self { only: Only::All, ..self.clone() };
        let passed = reach.saturating_mul(all.total(db)? / total.max(1) + 1);
        Ok(match all.kind() {
            Some(kind) if passed < total && blocks::are_counted(db, kind, self.mailboxes())? => kind.index(),
            _ => self.index(),
        })
    }

    /// From where on SQL reads a mailbox.
    fn from(&self, index: &str, mailbox: i64) -> String {
        let (table, ..) = self.table();
        let by = if index.is_empty() { String::new() } else { format!("INDEXED BY {index}") };
        format!("FROM {table} {by} WHERE mailbox = {mailbox} AND {}", self.filter())
    }

    /// What is told of each row: what it is, what it belongs to, and what it is sorted by.
    fn columns(&self) -> String {
        let (_, row, of) = self.table();
        let key = self.key().map(|key| format!(", {key}")).unwrap_or_default();
        format!("{row}, {of}{key}")
    }

    /// The SQL of the list, of those rows that are in one of these parts; SQLite merges them index by index.
    fn union(&self, index: &str, parts: &[String]) -> String {
        let columns = self.columns();
        let all = ["1".to_owned()];
        let parts = if parts.is_empty() { all.as_slice() } else { parts };
        let selects: Vec<String> = self
            .mailboxes()
            .iter()
            .map(|mailbox| self.from(index, *mailbox))
            .flat_map(|from| parts.iter().map(move |part| format!("{from} AND {part}")))
            .map(|from| format!("SELECT {columns} {from}"))
            .collect();
        if selects.is_empty() {
            let (table, ..) = self.table();
            return format!("SELECT {columns} FROM {table} WHERE 0");
        }
        selects.join(" UNION ALL ")
    }

    /// Do the keys grow that way, and do the dates?
    fn grows(&self, way: Direction) -> (bool, bool) {
        let turned = self.order.reversed != (way == Direction::Previous);
        let alphabet = matches!(self.order.by, SortBy::From | SortBy::Subject);
        (alphabet != turned, turned)
    }

    /// The terms of `ORDER BY`.
    fn terms(&self, way: Direction) -> String {
        let word = |grows| if grows { "ASC" } else { "DESC" };
        let (key, date) = self.grows(way);
        match self.order.by {
            SortBy::Date => format!("1 {}", word(date)),
            SortBy::From | SortBy::Subject | SortBy::Size => format!("3 {}, 1 {}", word(key), word(date)),
        }
    }

    /// What is behind row `?1` with key `?2` that way: parts that have nothing in common.
    fn beyond(&self, way: Direction) -> Vec<String> {
        let sign = |grows| if grows { ">" } else { "<" };
        let (grows, newer) = self.grows(way);
        let (_, row, _) = self.table();
        match self.key() {
            None => vec![format!("{row} {} ?1", sign(newer))],
            Some(key) => {
                vec![format!("{key} {} ?2", sign(grows)), format!("{key} = ?2 AND {row} {} ?1", sign(newer))]
            }
        }
    }

    fn count_beyond(&self, db: &Connection, at: &At, way: Direction, most: usize) -> Result<usize> {
        let mut counted = 0;
        for mailbox in self.mailboxes() {
            let from = self.from(self.index(), *mailbox);
            for part in self.beyond(way) {
                let left = most.saturating_sub(counted);
                counted += db
                    .prepare_cached(&format!("SELECT count(*) FROM (SELECT 1 {from} AND {part} LIMIT ?3)"))?
                    .query_row(params![at.row, at.key, number(left)], |row| size(row, 0))?;
            }
        }
        Ok(counted)
    }

    /// The row of a message, if the list has it and `given` holds.
    fn find(&self, db: &Connection, message: i64, given: &str) -> Result<Option<At>> {
        let at = |row: &rusqlite::Row<'_>| Ok(At { row: row.get(0)?, key: row.get(1)? });
        match &self.what {
            What::Places(mailboxes) => {
                let key = self.key().unwrap_or("NULL");
                let mut find = db.prepare_cached(&format!(
                    "SELECT message, {key} FROM places WHERE mailbox = ?1 AND message = ?2 AND {given}"
                ))?;
                for mailbox in mailboxes {
                    if let Some(found) = find.query_row([*mailbox, message], at).optional()? {
                        return Ok(Some(found));
                    }
                }
                Ok(None)
            }
            What::Conversations(list) => {
                let Some(thread) = thread_of(db, message)? else { return Ok(None) };
                db.prepare_cached(&format!(
                    "SELECT newest, NULL FROM conversations WHERE mailbox = ?1 AND thread = ?2 AND {given}"
                ))?
                .query_row([*list, thread], at)
                .optional()
            }
        }
    }
}

/// A number for SQLite.
fn number(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::schema::{self, Purpose};

    const SORTS: [SortBy; 4] = [SortBy::Date, SortBy::From, SortBy::Subject, SortBy::Size];

    fn plan(db: &Connection, sql: &str) -> String {
        let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let rows = statement.query_map([1, 1], |row| row.get::<_, String>(3)).unwrap();
        rows.map(Result::unwrap).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn every_order_of_all_is_read_from_an_index_alone() {
        let directory = tempfile::tempdir().unwrap();
        let db = schema::open(&directory.path().join("index.db"), Purpose::Writing).unwrap();
        db.execute_batch(schema::SORTS).unwrap();
        for what in [What::Places(vec![1]), What::Places(vec![1, 2, 3]), What::Conversations(1)] {
            for by in SORTS {
                if matches!(what, What::Conversations(_)) && by != SortBy::Date {
                    continue;
                }
                for (reversed, way) in
                    [false, true].into_iter().flat_map(|it| [(it, Direction::Next), (it, Direction::Previous)])
                {
                    let list = Ordered { what: what.clone(), only: Only::All, order: Order { by, reversed } };
                    let sql =
                        format!("{} ORDER BY {} LIMIT ?1 OFFSET ?2", list.union(list.index(), &[]), list.terms(way));
                    let plan = plan(&db, &sql);
                    assert!(!plan.contains("TEMP B-TREE"), "{sql}\n{plan}");
                    let many = matches!(&what, What::Places(_));
                    assert!(!many || plan.contains("COVERING INDEX"), "{sql}\n{plan}");
                }
            }
        }
    }
}
