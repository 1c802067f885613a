//! Is the index what the Maildirs say? Each part of it is worked out again in another way than it was made:
//! directories are laid beside places, counts and conversations are counted from the rows below them, and messages
//! are read again for their rows, conversations and words. Changes nothing, and answers from one state of the file
//! however long it takes.

mod files;
mod recount;
mod words;

use std::path::{Path, PathBuf};

use rusqlite::{Connection, Result};

use super::extract::Own;
use super::schema::{self, Purpose};
use crate::fault::Fault;
use crate::mail::place::MailboxId;

/// How many examples are told of one kind.
const EXAMPLES: usize = 5;

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Check {
    /// The folders on disk and the mailboxes of the index.
    Folders,
    /// The files of a folder and the rows of the index.
    Files,
    /// Flags and keywords.
    Flags,
    /// What a row says of its message.
    Rows,
    /// What a view shows.
    Views,
    /// Counts of mailboxes.
    Counts,
    /// Conversations: who belongs together, and how many are unread.
    Conversations,
    /// The words of the full text.
    Words,
}

impl Check {
    /// One word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Folders => "folders",
            Self::Files => "files",
            Self::Flags => "flags",
            Self::Rows => "rows",
            Self::Views => "views",
            Self::Counts => "counts",
            Self::Conversations => "conversations",
            Self::Words => "words",
        }
    }
}

/// What puts a difference right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cure {
    /// The next look at the disk: the index knows that it has not seen all of it.
    Look,
    /// To make the index anew: it believes that it is right.
    Anew,
}

/// A difference between the index and the mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drift {
    /// What was compared.
    pub check: Check,
    /// In which mailbox, where it is of one.
    pub mailbox: Option<MailboxId>,
    /// What is wrong, to be said after the count.
    pub what: &'static str,
    /// How often.
    pub count: usize,
    /// Some of them, as they are called; from outside, so not to be shown as they are.
    pub examples: Vec<String>,
    /// What puts it right.
    pub cure: Cure,
}

/// How many messages are read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sample {
    /// At most so many, spread over all of them.
    Some(usize),
    /// Each of them.
    All,
}

/// One state of the index, being compared.
pub struct Verifier {
    db: Connection,
    path: PathBuf,
    own: Own,
}

impl Verifier {
    /// Opens the index. `own` are the user's addresses, plain or with one `*`.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn open(path: &Path, own: &[String]) -> std::result::Result<Self, Fault> {
        let db = schema::open(path, Purpose::Reading)?;
        // All is compared with this state, whatever is written meanwhile.
        let begun = db.execute_batch("BEGIN").and_then(|()| db.query_row("SELECT 1 FROM meta", [], |_| Ok(())));
        match begun {
            Ok(()) | Err(rusqlite::Error::QueryReturnedNoRows) => {}
            Err(error) => return Err(schema::fault(path, &error)),
        }
        Ok(Self { db, path: path.to_path_buf(), own: Own::new(own) })
    }

    /// How many messages the index has.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn messages(&self) -> std::result::Result<usize, Fault> {
        self.count("SELECT count(*) FROM messages").map_err(|error| self.fault(&error))
    }

    fn count(&self, sql: &str) -> Result<usize> {
        self.db.query_row(sql, [], |row| super::rows::size(row, 0))
    }

    fn fault(&self, error: &rusqlite::Error) -> Fault {
        schema::fault(&self.path, error)
    }
}

/// Differences of one kind while they are found.
struct Found {
    drift: Drift,
}

impl Found {
    fn of(check: Check, mailbox: Option<&MailboxId>, what: &'static str, cure: Cure) -> Self {
        Self { drift: Drift { check, mailbox: mailbox.cloned(), what, count: 0, examples: Vec::new(), cure } }
    }

    /// One more.
    fn add(&mut self, example: &str) {
        self.drift.count += 1;
        if self.drift.examples.len() < EXAMPLES {
            self.drift.examples.push(example.to_owned());
        }
    }

    /// So many more that have no name.
    fn add_many(&mut self, count: usize) {
        self.drift.count += count;
    }

    /// The difference, if there is one.
    fn told(self) -> Option<Drift> {
        (self.drift.count > 0).then_some(self.drift)
    }
}
