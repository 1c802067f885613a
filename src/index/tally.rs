//! How much searches find, counted when nobody asks for anything else: message by message, in small steps that
//! end as soon as a question comes, and go on where they stopped. Nothing that was found is kept, so that counting
//! a million hits costs no memory; a number is kept for as long as the file does not change.

use std::collections::VecDeque;

use rusqlite::Result;

use super::hits::{Chase, Hits, Next, Part, Until};
use super::rows::{Index, folders};
use crate::fault::Fault;
use crate::job::Ticket;
use crate::job::index::{Grouping, IndexReport, ListSpec, SearchScope, Source, Tally};
use crate::query::Query;

/// Searches that are being counted, one after the other.
pub(super) struct Tallying {
    ticket: Ticket,
    left: VecDeque<(String, Query)>,
    begun: Option<Box<Begun>>,
}

/// A search that is being counted.
struct Begun {
    chase: Chase,
    tally: Tally,
    /// The state of the file in which it was begun.
    version: i64,
}

/// How many numbers are kept.
const KEPT: usize = 200;

impl Tallying {
    pub(super) fn new(ticket: Ticket, searches: Vec<(String, Query)>) -> Self {
        Self { ticket, left: searches.into(), begun: None }
    }

    pub(super) fn is_over(&self) -> bool {
        self.left.is_empty()
    }

    /// Counts on until one search is counted, or `wanted` says that something else is to be done first.
    pub(super) fn go_on(
        &mut self,
        index: &mut Index,
        wanted: &dyn Fn() -> bool,
    ) -> std::result::Result<Option<IndexReport>, Fault> {
        let Some((_, query)) = self.left.front() else { return Ok(None) };
        let begun = self.begun.take();
        let counted = index.snapshot(|index| count(index, query, begun, wanted)).map_err(|error| index.fault(&error));
        match counted {
            Ok(Counted::All(tally)) => {
                let name = self.left.pop_front().map(|(name, _)| name).unwrap_or_default();
                Ok(Some(IndexReport::Tallied { ticket: self.ticket, name, tally }))
            }
            Ok(Counted::Later) => Ok(None),
            Ok(Counted::Part(begun)) => {
                self.begun = Some(begun);
                Ok(None)
            }
            Err(fault) => {
                self.left.clear();
                Err(fault)
            }
        }
    }

    pub(super) fn ticket(&self) -> Ticket {
        self.ticket
    }
}

impl Index {
    /// Counts what a query finds, to the end.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn tally(&mut self, query: &Query) -> std::result::Result<Tally, Fault> {
        let counted = self.snapshot(|index| count(index, query, None, &|| true)).map_err(|error| self.fault(&error))?;
        Ok(match counted {
            Counted::All(tally) => tally,
            Counted::Part(begun) => begun.tally,
            Counted::Later => Tally::default(),
        })
    }
}

/// How far a search is counted.
enum Counted {
    All(Tally),
    Part(Box<Begun>),
    /// Not at all: where another program leads, it begins again.
    Later,
}

/// Counts what a database of notmuch's finds. What it does not understand is nothing.
fn count_led(index: &mut Index, query: &Query, wanted: &dyn Fn() -> bool) -> Result<Counted> {
    let folders = folders(&index.db)?;
    let list = ListSpec::new(Source::Search { query: query.clone(), scope: SearchScope::All }, Grouping::Flat);
    // What is on screen stays.
    let kept = index.found.take();
    let done = index.find_hits(&list, (query, &SearchScope::All), &folders, Until::default(), wanted);
    let found = std::mem::replace(&mut index.found, kept);
    let refused = index.trouble.take().is_some();
    done?;
    Ok(match found.filter(Hits::is_ready) {
        Some(found) => {
            let unread = found.rows.iter().map(|hit| u64::from(hit.unread)).sum();
            Counted::All(Tally { total: u64::try_from(found.rows.len()).unwrap_or(u64::MAX), unread })
        }
        None if refused => Counted::All(Tally::default()),
        None => Counted::Later,
    })
}

fn count(index: &mut Index, query: &Query, begun: Option<Box<Begun>>, wanted: &dyn Fn() -> bool) -> Result<Counted> {
    if index.engine.is_some() {
        return count_led(index, query, wanted);
    }
    let version: i64 = index.db.pragma_query_value(None, "data_version", |row| row.get(0))?;
    let known = index.tallied.iter().find(|(other, at, _)| *at == version && other == query);
    if let (Some((_, _, tally)), None) = (known, &begun) {
        return Ok(Counted::All(*tally));
    }
    let folders = folders(&index.db)?;
    let mut begun = if let Some(begun) = begun {
        begun
    } else {
        let chase = Chase::new(&index.db, (query, &SearchScope::All), &folders)?;
        Box::new(Begun { chase, tally: Tally::default(), version })
    };
    let mut part = Part::new(&index.db, &folders, wanted);
    loop {
        match begun.chase.next(&mut part)? {
            Next::Hit(hit) => {
                begun.tally.total += 1;
                begun.tally.unread += u64::from(hit.unread);
            }
            Next::Miss => {}
            Next::Stop if begun.chase.complete => break,
            Next::Stop => return Ok(Counted::Part(begun)),
        }
    }
    index.tallied.retain(|(other, ..)| other != query);
    index.tallied.truncate(KEPT);
    index.tallied.insert(0, (query.clone(), begun.version, begun.tally));
    Ok(Counted::All(begun.tally))
}
