//! `thread:{…}`: the conversations in which a message answers a query. Where few messages do, their conversations are
//! found before anything else and lead the search; where many do, each conversation that the search comes by is asked
//! by itself, once. So neither a rare nor a common query makes anybody wait for all that it finds.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, Result};

use super::hits::{Chase, Next, Part, best_place};
use super::rows::Folder;
use super::search::{Plan, compile};
use super::streams::Reader;
use crate::job::index::SearchScope;
use crate::query::Query;

/// Up to so many messages are few.
const FEW: usize = 10_000;
/// Whoever has asked so often whether to go on has looked at many messages.
const BREATHS: usize = 48;

/// The folders of the index, by their rows.
type Folders = BTreeMap<i64, Folder>;

/// The conversations in which a message answers a query.
#[derive(Debug, Clone)]
pub(super) struct Together {
    plan: Plan,
    /// All of them, where they are few.
    few: Option<Arc<BTreeSet<i64>>>,
    /// Those that were asked, and what was said.
    asked: HashMap<i64, bool>,
}

impl Together {
    /// Looks whether they are few.
    pub(super) fn new(db: &Connection, query: &Query, folders: &Folders) -> Result<Self> {
        Self::looked_for(db, query, folders, FEW)
    }

    fn looked_for(db: &Connection, query: &Query, folders: &Folders, most: usize) -> Result<Self> {
        let plan = compile(db, query, &SearchScope::All, folders)?;
        let few = few(db, plan.clone(), folders, most)?.map(Arc::new);
        Ok(Self { plan, few, asked: HashMap::new() })
    }

    /// All their messages, where they are few.
    pub(super) fn messages(&self, db: &Connection) -> Result<Option<Vec<i64>>> {
        let Some(few) = &self.few else { return Ok(None) };
        let mut all = Vec::new();
        for thread in few.iter() {
            all.extend(messages_of(db, *thread)?);
        }
        Ok(Some(all))
    }

    /// Is the message in one of them? Where nobody waits any more, what is said counts for nothing.
    pub(super) fn has(&mut self, reader: &Reader<'_>, folders: &Folders, message: i64) -> Result<bool> {
        let thread: Option<i64> = reader
            .db
            .prepare_cached("SELECT thread FROM messages WHERE id = ?1")?
            .query_row([message], |row| row.get(0))
            .optional()?;
        let Some(thread) = thread else { return Ok(false) };
        if let Some(few) = &self.few {
            return Ok(few.contains(&thread));
        }
        if let Some(known) = self.asked.get(&thread) {
            return Ok(*known);
        }
        let mut plan = self.plan.clone();
        plan.lead_among(messages_of(reader.db, thread)?);
        let (mut bound, mut has) = (i64::MAX, false);
        while !has && let Some(next) = plan.lead.at_most(&mut plan.streams, reader, bound)? {
            has = best_place(&mut plan, reader, folders, next)?.is_some();
            bound = next - 1;
        }
        if !reader.is_stopped() {
            self.asked.insert(thread, has);
        }
        Ok(has)
    }
}

fn messages_of(db: &Connection, thread: i64) -> Result<Vec<i64>> {
    db.prepare_cached("SELECT id FROM messages WHERE thread = ?1")?.query_map([thread], |row| row.get(0))?.collect()
}

/// The conversations of all that a plan finds; `None`: that may be more than `most` messages.
fn few(db: &Connection, plan: Plan, folders: &Folders, most: usize) -> Result<Option<BTreeSet<i64>>> {
    let breaths = Cell::new(0);
    let wanted = || {
        breaths.set(breaths.get() + 1);
        breaths.get() <= BREATHS
    };
    let (mut chase, mut part) = (Chase::of(plan), Part::new(db, folders, &wanted));
    let (mut threads, mut found) = (BTreeSet::new(), 0);
    while found <= most {
        match chase.next(&mut part)? {
            Next::Hit(hit) => {
                threads.insert(hit.thread);
                found += 1;
            }
            Next::Miss => {}
            Next::Stop => return Ok(chase.complete.then_some(threads)),
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::rows::folders;
    use crate::index::schema::{Purpose, open};
    use crate::query::parse;

    /// Thirty messages in ten conversations: every seventh has an attachment, every fourth the word `brass`, every
    /// ninth is starred.
    const FILLED: &str = "
        INSERT INTO mailboxes(id, account, name, inbox) VALUES(1, 'ada', 'INBOX', 1);
        WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 30)
        INSERT INTO messages(id, thread, digest, size, bits, indexed, sender, author, recipients, subject, parents)
        SELECT i, i % 10, i, 100, i % 7 = 0, 1, '', '', '', '', x'' FROM n;
        INSERT INTO places(mailbox, message, thread, name, in_new, info, flags, who, topic, size)
        SELECT 1, id, thread, id, 0, '', 2 * (id % 9 = 0), '', '', 100 FROM messages;
        INSERT INTO words(rowid, subject, sender, recipients, cc, body, files, list)
        SELECT id, '', '', '', '', CASE id % 4 WHEN 0 THEN 'brass' ELSE 'tin' END, '', '' FROM messages;";

    /// A query, and which messages answer it.
    type Case<'a> = (&'a str, &'a dyn Fn(i64) -> bool);

    #[test]
    fn many_are_asked_one_by_one_and_say_the_same_as_few() {
        let home = tempfile::tempdir().unwrap();
        let db = open(&home.path().join("index.db"), Purpose::Writing).unwrap();
        db.execute_batch(FILLED).unwrap();
        let folders = folders(&db).unwrap();
        let all = |i: &dyn Fn(i64) -> bool| -> Vec<i64> {
            (1..=30).rev().filter(|at| (1..=30).any(|other| other % 10 == at % 10 && i(other))).collect()
        };
        let cases: [Case<'_>; 7] = [
            ("has:attachment", &|i| i % 7 == 0),
            ("brass", &|i| i % 4 == 0),
            ("-brass", &|i| i % 4 != 0),
            ("brass is:starred", &|i| i % 36 == 0),
            ("brass (tin or is:starred)", &|i| i % 36 == 0),
            ("has:attachment or is:starred", &|i| i % 7 == 0 || i % 9 == 0),
            ("thread:{is:starred} brass", &|i| i % 4 == 0 && [9, 8, 7].contains(&(i % 10))),
        ];
        for (text, is_meant) in cases {
            let query = parse(text, crate::mail::ids::Timestamp::new(0), &jiff::tz::TimeZone::UTC).unwrap();
            for most in [0, 1, FEW] {
                let mut together = Together::looked_for(&db, &query, &folders, most).unwrap();
                let reader = Reader::new(&db, &|| true);
                let has = |at: &i64| together.has(&reader, &folders, *at).unwrap();
                let found: Vec<i64> = (1..=30).rev().filter(has).collect();
                assert_eq!(found, all(is_meant), "{text}, {most}");
                let told = together.messages(&db).unwrap().map(|rows| rows.into_iter().collect::<BTreeSet<i64>>());
                let wanted = (most == FEW || found.is_empty()).then(|| found.into_iter().collect());
                assert_eq!(told, wanted, "{text}, {most}");
            }
        }
    }
}
