//! A search that notmuch's database leads. The library ranks all that a query finds before it tells the first of it, so a
//! large database is asked by stretches of time, the newest first and each longer than the one before: the first
//! page is there at once, however common the words, and whoever does not wait for more is heard in between.

use std::collections::{HashSet, VecDeque};

use rusqlite::{Connection, Result};

use super::engine::Engine;
use super::hits::Hit;
use super::notmuch::Found;
use super::search::Plan;
use super::{retag, schema};
use crate::fault::{Again, Cause, Doing, Fault, Scope};

/// How long the first stretch is, in seconds: a month.
const FIRST: i64 = 31 * 24 * 3600;
/// How much longer the next one is.
const LONGER: i64 = 4;

/// How far it came.
pub(super) struct Hunt {
    said: String,
    /// What is younger was asked; `None`: nothing was.
    asked: Option<i64>,
    /// Where the stretch that is being told begins; `None`: at the oldest message.
    from: Option<i64>,
    /// How long the next stretch is; `None`: as long as all that is left.
    stretch: Option<i64>,
    /// The newest message's time, and the oldest one's.
    newest: i64,
    oldest: i64,
    found: Option<Found>,
    /// Rows of the message that was found last.
    rows: VecDeque<i64>,
    told: HashSet<i64>,
    /// The oldest message so far.
    last: Option<i64>,
    over: bool,
    /// What a message must answer beside it; made anew where the order of time is not kept.
    plan: Option<(Plan, i64)>,
}

impl Hunt {
    /// Begins one, of all time at once or by stretches.
    pub(super) fn new(db: &Connection, said: String, at_once: bool) -> Result<Self> {
        let (oldest, newest): (Option<i64>, Option<i64>) =
            db.query_row("SELECT (SELECT min(id) FROM messages), (SELECT max(id) FROM messages)", [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
        let time = |row: Option<i64>| row.map_or(0, |row| schema::date_of(row).get());
        Ok(Self {
            said,
            asked: None,
            from: None,
            stretch: (!at_once).then_some(FIRST),
            newest: time(newest),
            oldest: time(oldest),
            found: None,
            rows: VecDeque::new(),
            told: HashSet::new(),
            last: None,
            over: false,
            plan: None,
        })
    }

    /// Was everything asked for?
    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// The next message that the database finds and the index knows; each once. `None`: there is none, or nobody
    /// waits any more.
    pub(super) fn next(
        &mut self,
        db: &Connection,
        engine: &mut Engine,
        wanted: &dyn Fn() -> bool,
    ) -> Result<std::result::Result<Option<i64>, Fault>> {
        loop {
            if let Some(row) = self.rows.pop_front() {
                if self.told.insert(row) {
                    self.last = Some(self.last.map_or(row, |last| last.min(row)));
                    return Ok(Ok(Some(row)));
                }
                continue;
            }
            if self.found.is_none() {
                if self.over || (self.asked.is_some() && !wanted()) {
                    return Ok(Ok(None));
                }
                match self.ask(engine) {
                    Ok(found) => self.found = Some(found),
                    Err(fault) => return Ok(Err(fault)),
                }
            }
            match self.step(db) {
                Ok(Ok(())) => {}
                // Somebody writes: what was told stays, and the rest is asked of the newer state.
                Ok(Err(fault)) if fault.cause == Cause::Busy => {
                    self.found = None;
                    engine.close();
                    let until = self.last.map(|row| schema::date_of(row).get() + 1);
                    self.asked = match (self.asked, until) {
                        (Some(asked), Some(until)) => Some(asked.min(until)),
                        (asked, until) => asked.or(until),
                    };
                }
                Ok(Err(fault)) => return Ok(Err(fault)),
                Err(error) => return Err(error),
            }
        }
    }

    /// The rows of one more message; the end of a stretch.
    fn step(&mut self, db: &Connection) -> Result<std::result::Result<(), Fault>> {
        let Some(found) = &mut self.found else { return Ok(Ok(())) };
        let id = match found.advance() {
            Ok(Some(id)) => id,
            Ok(None) => {
                self.found = None;
                match self.from {
                    Some(from) => self.asked = Some(from),
                    None => self.over = true,
                }
                return Ok(Ok(()));
            }
            Err(fault) => return Ok(Err(fault)),
        };
        let rows = retag::by_id(db, &id)?;
        if !rows.is_empty() {
            self.rows.extend(rows);
            return Ok(Ok(()));
        }
        match found.files() {
            Ok(files) => self.rows.extend(retag::locate(db, "", &files)?),
            Err(fault) => return Ok(Err(fault)),
        }
        Ok(Ok(()))
    }

    /// Asks for the next stretch of time.
    fn ask(&mut self, engine: &mut Engine) -> std::result::Result<Found, Fault> {
        let until = self.asked;
        let Some(stretch) = self.stretch else {
            let text = match until {
                None => self.said.clone(),
                // Not by its end: what has no date is in no range there.
                Some(until) => format!("({}) and not date:@{until}..", self.said),
            };
            self.from = None;
            return reader(engine)?.search(&text);
        };
        let from = until.unwrap_or(self.newest).saturating_sub(stretch);
        // The library takes a month of its own where a date is before 1970.
        if from <= self.oldest.max(1) {
            self.stretch = None;
            return self.ask(engine);
        }
        let text = match until {
            None => format!("({}) and date:@{from}..", self.said),
            Some(until) => format!("({}) and date:@{from}..@{}", self.said, until - 1),
        };
        self.from = Some(from);
        self.stretch = Some(stretch.saturating_mul(LONGER));
        reader(engine)?.search(&text)
    }

    /// Asks a plan about a message. Its streams only go from newer to older messages, and what the database calls newer
    /// may be older here.
    pub(super) fn judge(
        &mut self,
        fresh: &Plan,
        message: i64,
        ask: impl FnOnce(&mut Plan) -> Result<Option<Hit>>,
    ) -> Result<Option<Hit>> {
        let mut plan = match self.plan.take() {
            Some((plan, last)) if message < last => plan,
            _ => fresh.clone(),
        };
        let answer = ask(&mut plan);
        self.plan = Some((plan, message));
        answer
    }
}

fn reader(engine: &mut Engine) -> std::result::Result<&super::notmuch::Reader, Fault> {
    if engine.ready().is_none() {
        return Err(engine.why_away().cloned().unwrap_or_else(|| refused_by("it is not there")));
    }
    engine.ready().ok_or_else(|| refused_by("it is not there"))
}

fn refused_by(words: &str) -> Fault {
    Fault::new(Doing::Reading, "the database of notmuch", Cause::Missing).scope(Scope::Program).detail(words)
}

/// A query that only notmuch understands, and it does not, or is not there.
pub(super) fn refused(fault: &Fault) -> Fault {
    Fault::new(Doing::Reading, "this query as one of notmuch's", Cause::Refused)
        .scope(Scope::Message)
        .again(Again::AfterUser)
        .detail(&format!("notmuch does not answer it: {}", fault.detail))
}
