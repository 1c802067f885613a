//! What waits to be written into notmuch's database: files that came and went, tags that were given and taken. The
//! writer of the index puts it down, durably and before its own change; whoever gets the database for a moment carries
//! it out. Another program may hold that for as long as it likes.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, Result, Row, params};

use super::schema;
use crate::fault::{Doing, Fault, Scope};
use crate::mail::flags::Keyword;

/// The version of the table.
const VERSION: i64 = 1;

const TABLES: &str = "
CREATE TABLE steps(
    id INTEGER PRIMARY KEY AUTOINCREMENT, kind INTEGER NOT NULL, path BLOB NOT NULL, message TEXT, word TEXT,
    written INTEGER);
CREATE UNIQUE INDEX step_file ON steps(kind, path) WHERE kind < 3;
CREATE INDEX step_tag ON steps(message) WHERE kind >= 3;
CREATE INDEX step_waiting ON steps(kind, id) WHERE written IS NULL;
";

/// One thing that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// This file is there: the database shall know it.
    Here(PathBuf),
    /// This file is gone.
    Gone(PathBuf),
    /// What lies in this mailbox's directory is to be compared with what the database knows of it.
    Survey(PathBuf),
    /// A message got a tag, or lost it (`give` is false).
    Tag {
        /// Its Message-ID; where it has none, the base name of its file.
        message: String,
        /// A file of it.
        path: PathBuf,
        /// The tag.
        word: Keyword,
        /// Was it given?
        give: bool,
    },
}

impl Step {
    fn kind(&self) -> Kind {
        match self {
            Self::Here(_) => Kind::Here,
            Self::Gone(_) => Kind::Gone,
            Self::Survey(_) => Kind::Survey,
            Self::Tag { give: true, .. } => Kind::Give,
            Self::Tag { give: false, .. } => Kind::Take,
        }
    }
}

/// The kinds. A message that is moved must not be gone in between, since its tags would go with it: what went is carried
/// out last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Survey = 0,
    Here = 1,
    Gone = 2,
    Give = 3,
    Take = 4,
}

/// The file of it.
pub(super) struct Queue {
    db: Connection,
    path: PathBuf,
}

impl Queue {
    /// Opens it, or makes an empty one.
    pub(super) fn open(path: &Path) -> std::result::Result<Self, Fault> {
        let connect = || -> Result<Connection> {
            let db = Connection::open(path)?;
            db.busy_timeout(Duration::from_secs(15))?;
            db.pragma_update(None, "journal_mode", "wal")?;
            db.pragma_update(None, "synchronous", "full")?;
            let version: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
            if version == 0 {
                db.execute_batch("BEGIN IMMEDIATE")?;
                // Another process may have made it meanwhile.
                let version: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
                if version == 0 {
                    db.execute_batch(TABLES)?;
                    db.pragma_update(None, "user_version", VERSION)?;
                }
                db.execute_batch("COMMIT")?;
            }
            Ok(db)
        };
        let db = connect().map_err(|error| fault(path, &error))?;
        Ok(Self { db, path: path.to_path_buf() })
    }

    /// Writes down what waits, durably.
    pub(super) fn push(&self, steps: &[Step]) -> Result<()> {
        self.db.execute_batch("BEGIN IMMEDIATE")?;
        let done = steps.iter().try_for_each(|step| self.push_one(step)).and_then(|()| self.db.execute_batch("COMMIT"));
        if done.is_err() && !self.db.is_autocommit() {
            drop(self.db.execute_batch("ROLLBACK"));
        }
        done
    }

    /// The same for whoever is not within a step of the index.
    pub(super) fn put(&self, steps: &[Step]) -> std::result::Result<(), Fault> {
        self.push(steps).map_err(|error| fault(&self.path, &error))
    }

    /// Puts a step behind all others, and tells its new number.
    pub(super) fn put_last(&self, id: i64) -> std::result::Result<Option<i64>, Fault> {
        let put = || -> Result<Option<i64>> {
            self.db
                .prepare_cached("UPDATE steps SET id = (SELECT max(id) + 1 FROM steps) WHERE id = ?1 RETURNING id")?
                .query_row([id], |row| row.get(0))
                .optional()
        };
        put().map_err(|error| fault(&self.path, &error))
    }

    /// The number of the newest step.
    pub(super) fn newest(&self) -> std::result::Result<i64, Fault> {
        let newest = || self.db.query_row("SELECT ifnull(max(id), 0) FROM steps", [], |row| row.get(0));
        newest().map_err(|error| fault(&self.path, &error))
    }

    fn push_one(&self, step: &Step) -> Result<()> {
        let kind = step.kind() as i64;
        let contrary = |kind: Kind, path: &Path| {
            self.db
                .prepare_cached("DELETE FROM steps WHERE kind = ?1 AND path = ?2")?
                .execute(params![kind as i64, path.as_os_str().as_bytes()])
        };
        match step {
            Step::Here(path) => contrary(Kind::Gone, path)?,
            Step::Gone(path) => contrary(Kind::Here, path)?,
            Step::Survey(_) => 0,
            // What was wished last counts.
            Step::Tag { message, word, .. } => self
                .db
                .prepare_cached("DELETE FROM steps WHERE kind >= 3 AND message = ?1 AND lower(word) = lower(?2)")?
                .execute([message.as_str(), word.as_str()])?,
        };
        let (path, message, word) = match step {
            Step::Here(path) | Step::Gone(path) | Step::Survey(path) => (path, None, None),
            Step::Tag { message, path, word, .. } => (path, Some(message.as_str()), Some(word.as_str())),
        };
        self.db
            .prepare_cached("INSERT OR REPLACE INTO steps(kind, path, message, word) VALUES(?1, ?2, ?3, ?4)")?
            .execute(params![kind, path.as_os_str().as_bytes(), message, word])
            .map(drop)
    }

    /// How much waits to be written.
    pub(super) fn waiting(&self) -> std::result::Result<usize, Fault> {
        let count = || -> Result<i64> {
            self.db.prepare_cached("SELECT count(*) FROM steps WHERE written IS NULL")?.query_row([], |row| row.get(0))
        };
        count().map(|count| usize::try_from(count).unwrap_or_default()).map_err(|error| fault(&self.path, &error))
    }

    /// What waits of a kind or two, the oldest first.
    pub(super) fn next(&self, kinds: (Kind, Kind), most: usize) -> std::result::Result<Vec<(i64, Step)>, Fault> {
        let rows = || -> Result<Vec<(i64, Step)>> {
            self.db
                .prepare_cached(
                    "SELECT id, kind, path, message, word FROM steps
                     WHERE written IS NULL AND kind >= ?1 AND kind <= ?2 ORDER BY kind, id LIMIT ?3",
                )?
                .query_map(params![kinds.0 as i64, kinds.1 as i64, i64::try_from(most).unwrap_or(i64::MAX)], read)?
                .filter_map(Result::transpose)
                .collect()
        };
        rows().map_err(|error| fault(&self.path, &error))
    }

    /// These are done.
    pub(super) fn done(&self, ids: &[i64]) -> std::result::Result<(), Fault> {
        self.each(ids, "DELETE FROM steps WHERE id = ?1 AND ?2 = ?2", 0)
    }

    /// These tags are written, and seen in any state of the database from this one on. Until the index has read that
    /// state, what it reads of an older one must not undo them.
    pub(super) fn written(&self, ids: &[i64], state: u64) -> std::result::Result<(), Fault> {
        self.each(ids, "UPDATE steps SET written = ?2 WHERE id = ?1", state)
    }

    fn each(&self, ids: &[i64], sql: &str, state: u64) -> std::result::Result<(), Fault> {
        if ids.is_empty() {
            return Ok(());
        }
        let state = i64::try_from(state).unwrap_or(i64::MAX);
        let all = || -> Result<()> {
            self.db.execute_batch("BEGIN IMMEDIATE")?;
            let mut one = self.db.prepare_cached(sql)?;
            let done = ids.iter().try_for_each(|id| one.execute([*id, state]).map(drop));
            match done.and_then(|()| self.db.execute_batch("COMMIT")) {
                Err(error) => {
                    if !self.db.is_autocommit() {
                        drop(self.db.execute_batch("ROLLBACK"));
                    }
                    Err(error)
                }
                Ok(()) => Ok(()),
            }
        };
        all().map_err(|error| fault(&self.path, &error))
    }

    /// The tags that a message was given (`true`) or that were taken from it, as far as this state of the database may
    /// not tell them yet.
    pub(super) fn wishes(&self, message: &str, state: u64) -> Result<Vec<(Keyword, bool)>> {
        let state = i64::try_from(state).unwrap_or(i64::MAX);
        self.db
            .prepare_cached(
                "SELECT word, kind FROM steps WHERE kind >= 3 AND message = ?1 AND ifnull(written > ?2, 1)",
            )?
            .query_map(params![message, state], |row| {
                let word: String = row.get(0)?;
                Ok((Keyword::new(&word), row.get::<_, i64>(1)? == Kind::Give as i64))
            })?
            .filter_map(|row| row.map(|(word, give)| word.map(|word| (word, give))).transpose())
            .collect()
    }

    /// The index has read this state of the database: what was written by then is told there.
    pub(super) fn settle(&self, state: u64) -> Result<()> {
        let state = i64::try_from(state).unwrap_or(i64::MAX);
        self.db.prepare_cached("DELETE FROM steps WHERE written <= ?1")?.execute([state]).map(drop)
    }
}

fn read(row: &Row<'_>) -> Result<Option<(i64, Step)>> {
    let path = schema::path_from(row.get(2)?);
    let kind: i64 = row.get(1)?;
    let step = match kind {
        0 => Some(Step::Survey(path)),
        1 => Some(Step::Here(path)),
        2 => Some(Step::Gone(path)),
        kind => Keyword::new(&row.get::<_, Option<String>>(4)?.unwrap_or_default()).map(|word| Step::Tag {
            message: row.get(3).unwrap_or_default(),
            path,
            word,
            give: kind == Kind::Give as i64,
        }),
    };
    Ok(step.map(|step| (row.get(0).unwrap_or_default(), step)))
}

fn fault(path: &Path, error: &rusqlite::Error) -> Fault {
    Fault { doing: Doing::Storing, ..schema::fault(path, error).scope(Scope::Program) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(text: &str) -> Keyword {
        Keyword::new(text).unwrap()
    }

    fn tag(id: &str, text: &str, give: bool) -> Step {
        Step::Tag { message: id.to_owned(), path: PathBuf::from("/m/cur/x"), word: word(text), give }
    }

    #[test]
    fn what_came_and_went_again_is_one_step_and_files_come_before_they_go() {
        let home = tempfile::tempdir().unwrap();
        let queue = Queue::open(&home.path().join("notmuch.db")).unwrap();
        let (old, new) = (PathBuf::from("/m/cur/a:2,"), PathBuf::from("/m/cur/a:2,S"));
        queue.push(&[Step::Here(old.clone()), Step::Gone(old.clone()), Step::Here(new.clone())]).unwrap();
        queue.push(&[Step::Here(new.clone()), Step::Survey("/m".into()), tag("a@x", "todo", true)]).unwrap();
        let steps: Vec<Step> =
            queue.next((Kind::Survey, Kind::Take), 9).unwrap().into_iter().map(|(_, step)| step).collect();
        let all = [Step::Survey("/m".into()), Step::Here(new), Step::Gone(old), tag("a@x", "todo", true)];
        assert_eq!((steps, queue.waiting().unwrap()), (all.to_vec(), 4));
    }

    #[test]
    fn a_wish_holds_until_the_state_that_tells_it_was_read() {
        let home = tempfile::tempdir().unwrap();
        let queue = Queue::open(&home.path().join("notmuch.db")).unwrap();
        queue.push(&[tag("a@x", "todo", true), tag("a@x", "old", false), tag("b@x", "todo", true)]).unwrap();
        queue.push(&[tag("a@x", "TODO", false)]).unwrap();
        let wishes = |state| {
            let mut all = queue.wishes("a@x", state).unwrap();
            all.sort();
            all
        };
        assert_eq!(wishes(7), [(word("old"), false), (word("todo"), false)], "what was wished last counts");
        let ids: Vec<i64> = queue.next((Kind::Give, Kind::Take), 9).unwrap().iter().map(|(id, _)| *id).collect();
        queue.written(&ids, 8).unwrap();
        assert_eq!((queue.waiting().unwrap(), wishes(7).len(), wishes(8).len()), (0, 2, 0));
        queue.settle(7).unwrap();
        assert_eq!(wishes(7).len(), 2);
        queue.settle(8).unwrap();
        assert_eq!(wishes(0), []);
    }
}
