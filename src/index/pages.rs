//! Pages of a search: the first comes before all is counted, the others go on from there.

use std::cell::Cell;
use std::collections::BTreeMap;

use rusqlite::Result;

use super::engine::{Engine, Notmuch};
use super::hits::{Hit, Hits, Until, Version};
use super::hunt::{self, Hunt};
use super::rows::{Folder, Index, Who, Window, folders, moved, row, thread_of};
use crate::fault::Fault;
use crate::job::index::{Grouping, ListSpec, Order, Row, SearchScope, Source};
use crate::mail::flags::Flags;
use crate::mail::ids::RowId;
use crate::query::{self, Query};

/// How far a search looks beyond the window before it answers, in rows and in chunks that are read for it: short
/// results are counted at once.
const BEYOND: (usize, usize) = (300, 8);

impl Index {
    /// Searches to the end, so that the next [`Index::rows`] of that search knows its total. `wanted`
    /// is asked now and then; `false`: nobody waited for it any more.
    pub fn count(&mut self, list: &ListSpec, wanted: &dyn Fn() -> bool) -> std::result::Result<bool, Fault> {
        let Source::Search { query, scope } = &list.source else { return Ok(true) };
        let done = self.snapshot(|index| {
            let folders = folders(&index.db)?;
            index.find_hits(list, (query, scope), &folders, Until::default(), wanted)?;
            Ok(index.found.as_ref().is_some_and(Hits::is_ready))
        });
        self.answered(done)
    }

    /// What a query finds, newest first, one row a message, with the number of all of them.
    pub fn search(
        &mut self,
        query: &Query,
        scope: &SearchScope,
        first: usize,
        count: usize,
    ) -> std::result::Result<Window, Fault> {
        let source = Source::Search { query: query.clone(), scope: scope.clone() };
        let list = ListSpec::new(source, Grouping::Flat);
        self.count(&list, &|| true)?;
        self.rows(&list, first, count, None)
    }

    /// The first rows of a list. A search goes no further than that, so that how many there are is not known after it.
    ///
    /// # Errors
    /// The index cannot be read, or who answers instead refuses the query.
    pub fn head(&mut self, list: &ListSpec, count: usize) -> std::result::Result<Vec<Row>, Fault> {
        let Source::Search { query, scope } = &list.source else {
            return self.rows(list, 0, count, None).map(|window| window.rows);
        };
        // In another order the first are known when all are.
        let rows = (list.order == Order::default()).then_some(count);
        let head = self.snapshot(|index| {
            let folders = folders(&index.db)?;
            index.find_hits(list, (query, scope), &folders, Until { rows, past: None }, &|| true)?;
            index.page(list, &folders, 0, count, None).map(|window| window.rows)
        });
        self.answered(head)
    }

    pub(super) fn search_window(
        &mut self,
        (list, query, scope): (&ListSpec, &Query, &SearchScope),
        folders: &BTreeMap<i64, Folder>,
        (first, count): (usize, usize),
        anchor: Option<RowId>,
        wanted: &dyn Fn() -> bool,
    ) -> Result<Window> {
        let question = (query, scope);
        if list.order != Order::default() {
            return self.arranged_window((list, query, scope), folders, (first, count), anchor, wanted);
        }
        let enough = first.saturating_add(count);
        let past = anchor.filter(|_| list.grouping == Grouping::Flat).map(|row| row.0);
        self.find_hits(list, question, folders, Until { rows: Some(enough), past }, wanted)?;
        let chunks = Cell::new(BEYOND.1);
        let spare = || wanted() && chunks.replace(chunks.get().saturating_sub(1)) > 0;
        let beyond = Until { rows: Some(enough.saturating_add(BEYOND.0)), past: None };
        self.find_hits(list, question, folders, beyond, &spare)?;
        let mut at = self.position_of_hit(list, anchor)?;
        if anchor.is_some() && at.is_none() && list.grouping == Grouping::Conversations {
            self.find_hits(list, question, folders, Until::default(), wanted)?;
            at = self.position_of_hit(list, anchor)?;
        }
        self.page(list, folders, first, count, at)
    }

    /// A window of what is found, in another order than newest first. It has no row before all is found.
    fn arranged_window(
        &mut self,
        (list, query, scope): (&ListSpec, &Query, &SearchScope),
        folders: &BTreeMap<i64, Folder>,
        (first, count): (usize, usize),
        anchor: Option<RowId>,
        wanted: &dyn Fn() -> bool,
    ) -> Result<Window> {
        let question = (query, scope);
        let chunks = Cell::new(BEYOND.1);
        let spare = || wanted() && chunks.replace(chunks.get().saturating_sub(1)) > 0;
        self.find_hits(list, question, folders, Until::default(), &spare)?;
        if !self.found.as_ref().is_some_and(Hits::is_ready) {
            return Ok(Window { first: 0, total: 0, counted: false, rows: Vec::new(), anchor: None });
        }
        let at = self.position_of_hit(list, anchor)?;
        self.page(list, folders, first, count, at)
    }

    fn page(
        &self,
        list: &ListSpec,
        folders: &BTreeMap<i64, Folder>,
        first: usize,
        count: usize,
        at: Option<usize>,
    ) -> Result<Window> {
        let (found, counted) = self.found.as_ref().map_or((&[][..], true), |it| (it.rows.as_slice(), it.is_ready()));
        let first = moved(first, count, at, found.len());
        let mut rows = Vec::new();
        for hit in found.iter().skip(first).take(count) {
            if let Some(mut row) = row(&self.db, hit.message, hit.mailbox, folders, Who::ByMailbox)? {
                if list.grouping == Grouping::Conversations {
                    row.messages = hit.messages;
                    row.unread = hit.unread;
                    row.flags = row.flags.minus(&row.flags.system()).union(&Flags::from_bits(hit.flags));
                }
                rows.push(row);
            }
        }
        Ok(Window { first, total: found.len(), counted, rows, anchor: at })
    }

    fn position_of_hit(&self, list: &ListSpec, anchor: Option<RowId>) -> Result<Option<usize>> {
        let (Some(found), Some(anchor)) = (&self.found, anchor) else { return Ok(None) };
        Ok(match list.grouping {
            Grouping::Flat if list.order != Order::default() || !found.is_in_order() => {
                found.rows.iter().position(|hit| hit.message == anchor.0)
            }
            // Newest first, so the order can be used.
            Grouping::Flat => found.rows.binary_search_by(|hit| anchor.0.cmp(&hit.message)).ok(),
            Grouping::Conversations => {
                let thread = thread_of(&self.db, anchor.0)?;
                thread.and_then(|thread| found.rows.iter().position(|hit| hit.thread == thread))
            }
        })
    }

    /// Goes on with this search as far as it is asked for, or begins it where there is another.
    pub(super) fn find_hits(
        &mut self,
        list: &ListSpec,
        question: (&Query, &SearchScope),
        folders: &BTreeMap<i64, Folder>,
        until: Until,
        wanted: &dyn Fn() -> bool,
    ) -> Result<()> {
        let file: i64 = self.db.pragma_query_value(None, "data_version", |row| row.get(0))?;
        for attempt in 0.. {
            let version = (file, self.engine.as_mut().map_or(0, Engine::version));
            let mut found = match self.found.take().filter(|found| found.version == version && found.list == *list) {
                Some(found) => found,
                None => self.begin(list, question, folders, version)?,
            };
            let failed = match &mut self.engine {
                Some(engine) if !found.is_in_order() => found.follow((&self.db, engine), folders, until, wanted)?,
                _ => {
                    found.go_on(&self.db, folders, until, wanted)?;
                    None
                }
            };
            match (failed, &mut self.engine) {
                (Some(_), Some(engine)) if attempt == 0 => engine.close(),
                (Some(fault), Some(engine)) if attempt == 1 && !query::is_native(question.0) => engine.give_up(fault),
                (Some(fault), _) => {
                    self.trouble = Some(hunt::refused(&fault));
                    return Ok(());
                }
                (None, _) => {
                    found.arrange(&self.db, wanted)?;
                    self.found = Some(found);
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Begins a search: what notmuch can say of it is asked there, where there is such a database.
    fn begin(
        &mut self,
        list: &ListSpec,
        (query, scope): (&Query, &SearchScope),
        folders: &BTreeMap<i64, Folder>,
        version: Version,
    ) -> Result<Hits> {
        let Some(engine) = &mut self.engine else {
            return Hits::new(&self.db, list, (query, scope), folders, version);
        };
        let split = query::split(query);
        match split.said {
            Some(said) if engine.ready().is_some() => {
                let hits = Hits::new(&self.db, list, (&split.rest, scope), folders, version)?;
                let total: usize = folders.values().map(|folder| folder.total).sum();
                Ok(hits.led_by(Hunt::new(&self.db, said, total <= engine.at_once())?))
            }
            _ => {
                if let Some(fault) = engine.why_away().filter(|_| query::is_native(query)) {
                    self.trouble = Some(hunt::refused(fault));
                }
                Hits::new(&self.db, list, (&query::in_own_words(query), scope), folders, version)
            }
        }
    }

    /// The answer of a question, if nothing went wrong beside the index either.
    pub(super) fn answered<T>(&mut self, answer: Result<T>) -> std::result::Result<T, Fault> {
        match (self.trouble.take(), answer) {
            (Some(fault), Ok(_)) => Err(fault),
            (_, answer) => answer.map_err(|error| self.fault(&error)),
        }
    }

    /// Lets a database of notmuch's answer searches.
    #[must_use]
    pub fn with_engine(mut self, at: Option<&Notmuch>) -> Self {
        self.engine = at.cloned().map(Engine::new);
        self
    }

    /// Why notmuch's database cannot be used, where that is so and was not told yet.
    pub fn engine_news(&mut self) -> Option<Fault> {
        self.engine.as_mut().and_then(Engine::news)
    }

    /// All that a search found.
    pub(super) fn all_hits(&mut self, list: &ListSpec, question: (&Query, &SearchScope)) -> Result<&[Hit]> {
        let folders = folders(&self.db)?;
        self.find_hits(list, question, &folders, Until::default(), &|| true)?;
        Ok(self.found.as_ref().map_or(&[], |found| &found.rows))
    }
}
