//! Is the index whole? Looks at it without opening it for writing, and repairs nothing.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::schema::fault;
use crate::fault::{Cause, Doing, Fault};

/// What an index that is whole has in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Health {
    /// Messages.
    pub messages: i64,
    /// How many of them are not yet in the full text.
    pub waiting: i64,
}

/// Examines the index; `None`: there is none yet.
///
/// # Errors
/// It is damaged, or may not be read.
pub fn examine(path: &Path) -> Result<Option<Health>, Fault> {
    if !path.exists() {
        return Ok(None);
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let look = || -> rusqlite::Result<(String, Health)> {
        let db = Connection::open_with_flags(path, flags)?;
        let verdict: String = db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        let count = |sql| db.query_row(sql, [], |row| row.get(0));
        let messages = count("SELECT count(*) FROM messages")?;
        let waiting = count("SELECT count(*) FROM messages WHERE indexed = 0")?;
        Ok((verdict, Health { messages, waiting }))
    };
    match look() {
        Ok((verdict, health)) if verdict == "ok" => Ok(Some(health)),
        Ok((verdict, _)) => Err(Fault::new(Doing::Indexing, &path.to_string_lossy(), Cause::Damaged).detail(&verdict)),
        Err(error) => Err(fault(path, &error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_missing_whole_or_damaged() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("index.db");
        assert_eq!(examine(&path), Ok(None));
        drop(crate::index::Writer::open(&path, &[]).unwrap());
        assert_eq!(examine(&path), Ok(Some(Health::default())));
        std::fs::write(&path, b"no database at all").unwrap();
        assert_eq!(examine(&path).unwrap_err().cause, Cause::Damaged);
    }
}
