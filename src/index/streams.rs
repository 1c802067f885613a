//! Messages newest first, from whatever has them in that order: the full text, an SQL index, a walk over all
//! of them. They are read in chunks, so that no statement stays open, a search can go on later where it
//! stopped, and one that nobody waits for any more ends soon.

use std::cell::Cell;

use rusqlite::{Connection, OptionalExtension as _, Result, params};

/// The rows of the first chunk, and of one that is read after a jump.
const FEW: usize = 64;
/// The most rows of a chunk.
const MANY: usize = 4096;
/// Fewer rows are read at once where so many are passed by for each that is asked for. To begin anew in the full text
/// costs as much as to pass by some hundred rows.
const PASSED: usize = 64;
/// How many places the first step of a walk passes by, and how many the longest does.
const STRIDE: (usize, usize) = (1024, 16_384);

/// The file, and whether the answer is still wanted.
pub(super) struct Reader<'a> {
    pub(super) db: &'a Connection,
    wanted: &'a dyn Fn() -> bool,
    stopped: Cell<bool>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(db: &'a Connection, wanted: &'a dyn Fn() -> bool) -> Self {
        Self { db, wanted, stopped: Cell::new(false) }
    }

    /// Is nobody waiting any more? What streams said since is not to be believed.
    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.get()
    }

    /// Asks whether to go on.
    pub(super) fn breathe(&self) -> bool {
        self.stopped.set(self.stopped.get() || !(self.wanted)());
        !self.stopped.get()
    }
}

/// Where the rows come from.
#[derive(Debug, Clone, PartialEq)]
enum Source {
    /// All of them are there.
    Known,
    /// SQL with `?1` for the newest row that is allowed and `?2` for how many.
    Sql(String),
    /// An expression for the full text.
    Words(String),
    /// What a condition leaves of the places that an index has.
    Walk {
        /// The places: an index of `places p`, and what it wants to hear.
        index: &'static str,
        given: &'static str,
        condition: String,
    },
}

/// Rows of messages, newest first.
#[derive(Debug, Clone)]
pub(super) struct Stream {
    source: Source,
    chunk: Vec<i64>,
    /// The position in the chunk; what is before it was passed.
    at: usize,
    /// What is newer than this, or this, is in the chunk or was passed.
    read_to: Option<i64>,
    ended: bool,
    /// How many rows (or places of a walk) the next chunk has.
    next: usize,
    /// How often it went on within the chunk.
    steps: usize,
}

impl Stream {
    fn new(source: Source, next: usize) -> Self {
        Self { source, chunk: Vec::new(), at: 0, read_to: None, ended: false, next, steps: 0 }
    }

    /// These rows.
    pub(super) fn known(mut rows: Vec<i64>) -> Self {
        rows.sort_unstable_by(|a, b| b.cmp(a));
        Self { chunk: rows, ended: true, ..Self::new(Source::Known, FEW) }
    }

    /// What an SQL index has in this order.
    pub(super) fn sql(sql: String) -> Self {
        Self::new(Source::Sql(sql), FEW)
    }

    /// What an expression finds in the full text.
    pub(super) fn words(expression: String) -> Self {
        Self::new(Source::Words(expression), FEW)
    }

    /// What a condition over `p` and `m` leaves of all messages.
    pub(super) fn walk(condition: String) -> Self {
        let source = Source::Walk { index: "place_message", given: "1", condition };
        Self::new(source, STRIDE.0)
    }

    /// What a condition over `p` and `m` leaves of the messages with keywords or labels.
    pub(super) fn walk_tagged(condition: String) -> Self {
        let source = Source::Walk { index: "place_tagged", given: "p.keywords IS NOT NULL", condition };
        Self::new(source, STRIDE.0)
    }

    /// The newest row that is not newer than `bound`, which never grows from one call to the next.
    pub(super) fn at_most(&mut self, reader: &Reader<'_>, bound: i64) -> Result<Option<i64>> {
        loop {
            let rest = self.chunk.get(self.at..).unwrap_or_default();
            let newer = match rest {
                [first, ..] if *first <= bound => 0,
                [_, second, ..] if *second <= bound => 1,
                rest => rest.partition_point(|row| *row > bound),
            };
            self.at += newer;
            if let Some(row) = self.chunk.get(self.at) {
                self.steps += usize::from(newer > 0);
                return Ok(Some(*row));
            }
            if self.ended || !reader.breathe() {
                return Ok(None);
            }
            self.read_on(reader.db, bound)?;
        }
    }

    fn read_on(&mut self, db: &Connection, bound: i64) -> Result<()> {
        let top = match self.read_to {
            None => bound,
            Some(i64::MIN) => {
                self.ended = true;
                return Ok(());
            }
            Some(read_to) => bound.min(read_to - 1),
        };
        // Who jumps over much of what was read does so again.
        let jumps = self.steps.saturating_mul(PASSED) < self.chunk.len();
        if jumps && !matches!(self.source, Source::Walk { .. }) {
            self.next = FEW;
        }
        (self.at, self.steps) = (0, 0);
        let limit = i64::try_from(self.next).unwrap_or(i64::MAX);
        let rows = |sql: &str| -> Result<Vec<i64>> {
            db.prepare_cached(sql)?.query_map([top, limit], |row| row.get(0))?.collect()
        };
        self.chunk = match &self.source {
            Source::Known => Vec::new(),
            Source::Sql(sql) => rows(sql)?,
            Source::Words(expression) => db
                .prepare_cached(
                    "SELECT rowid FROM words WHERE words MATCH ?3 AND rowid <= ?1 ORDER BY rowid DESC LIMIT ?2",
                )?
                .query_map(params![top, limit, expression], |row| row.get(0))?
                .collect::<Result<_>>()?,
            Source::Walk { index, given, condition } => {
                let end = step_of_walk(db, index, given, top, limit)?;
                self.read_to = end;
                self.ended = end.is_none();
                self.next = (self.next * 2).min(STRIDE.1);
                let join = if condition.contains("m.") { "CROSS JOIN messages m ON m.id = p.message" } else { "" };
                let sql = format!(
                    "SELECT p.message FROM places p INDEXED BY {index} {join}
                     WHERE {given} AND p.message <= ?1 AND p.message >= ?2 AND {condition} ORDER BY p.message DESC"
                );
                let rows = db
                    .prepare_cached(&sql)?
                    .query_map([top, end.unwrap_or(i64::MIN)], |row| row.get(0))?
                    .collect::<Result<_>>()?;
                self.chunk = rows;
                return Ok(());
            }
        };
        self.ended = self.chunk.len() < self.next;
        self.read_to = self.chunk.last().copied();
        self.next = (self.next * 2).min(MANY);
        Ok(())
    }
}

/// Where a step of a walk ends; `None`: at the oldest message.
fn step_of_walk(db: &Connection, index: &str, given: &str, top: i64, places: i64) -> Result<Option<i64>> {
    let sql = format!(
        "SELECT p.message FROM places p INDEXED BY {index} WHERE {given} AND p.message <= ?1
         ORDER BY p.message DESC LIMIT 1 OFFSET ?2"
    );
    db.prepare_cached(&sql)?.query_row([top, places], |row| row.get(0)).optional()
}

/// How streams together lead to what may be a hit. None that is one is left out.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Lead {
    /// A stream, by its number.
    Stream(usize),
    /// What all of these have, of the rows from `oldest` to `newest`.
    All { parts: Vec<Lead>, newest: i64, oldest: i64 },
    /// What one of these has.
    Any(Vec<Lead>),
}

impl Lead {
    /// The newest row that is not newer than `bound`, which never grows from one call to the next.
    pub(super) fn at_most(&self, streams: &mut [Stream], reader: &Reader<'_>, bound: i64) -> Result<Option<i64>> {
        match self {
            Self::Stream(number) => match streams.get_mut(*number) {
                Some(stream) => stream.at_most(reader, bound),
                None => Ok(None),
            },
            Self::Any(parts) => {
                let mut newest = None;
                for part in parts {
                    newest = newest.max(part.at_most(streams, reader, bound)?);
                    // The one that could not say may have the newest.
                    if reader.is_stopped() {
                        return Ok(None);
                    }
                }
                Ok(newest)
            }
            Self::All { parts, newest, oldest } => {
                let mut bound = bound.min(*newest);
                loop {
                    let before = bound;
                    for part in parts {
                        match part.at_most(streams, reader, bound)? {
                            Some(row) if row >= *oldest => bound = row,
                            _ => return Ok(None),
                        }
                    }
                    if bound == before || parts.len() == 1 {
                        return Ok(Some(bound));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a stream of every third number answers to these questions, and how many rows its chunks had.
    fn asked(bounds: impl IntoIterator<Item = i64>) -> Vec<usize> {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(
            "CREATE TABLE found(id INTEGER PRIMARY KEY);
             WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 3 FROM n WHERE i < 300000) INSERT INTO found SELECT i FROM n",
        )
        .unwrap();
        let reader = Reader::new(&db, &|| true);
        let mut stream = Stream::sql("SELECT id FROM found WHERE id <= ?1 ORDER BY id DESC LIMIT ?2".to_owned());
        let mut chunks = Vec::new();
        let mut newest = None;
        for bound in bounds {
            assert_eq!(stream.at_most(&reader, bound).unwrap(), (bound >= 0).then_some(bound / 3 * 3), "{bound}");
            if stream.chunk.first() != newest.as_ref() {
                newest = stream.chunk.first().copied();
                chunks.push(stream.chunk.len());
            }
        }
        chunks
    }

    #[test]
    fn who_passes_row_by_row_reads_more_and_more_and_who_jumps_a_few() {
        // Whether each number is asked or each thirtieth, so that ten rows are passed by for each that is met.
        for step in [1, 30] {
            let chunks = asked((-1..300_000).rev().step_by(step));
            assert_eq!(chunks[..8], [64, 128, 256, 512, 1024, 2048, 4096, 4096], "{step}");
        }
        let chunks = asked((-1..300_000).rev().step_by(1000));
        assert!(chunks.len() > 250 && chunks.iter().all(|chunk| *chunk <= FEW), "{chunks:?}");
        // Once far ahead, then row by row again.
        let far = asked((100_000..300_000).rev().chain((-1..1000).rev()));
        assert!(far.contains(&MANY), "{far:?}");
    }
}
