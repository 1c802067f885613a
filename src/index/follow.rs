//! What a database of notmuch's is to hear of: the writer notes each file that came, went or is called otherwise, and
//! each tag that was given or taken, in the step that takes it in. Where there is no such database nothing is noted.

use std::path::{Path, PathBuf};

use rusqlite::{OptionalExtension as _, Result, params};

use super::engine::{self, Notmuch};
use super::folders::KnownMailbox;
use super::queue::{Queue, Step};
use super::schema;
use super::write::{FileName, Writer, from_words};
use crate::fault::Fault;
use crate::mail::flags::Flags;
use crate::mail::ids::MessageId;

/// What is noted in a step of the writer.
#[derive(Default)]
pub(super) struct Follower {
    queue: Option<Queue>,
    steps: Vec<Step>,
}

/// When a file came that the index did not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrived {
    /// It is new.
    Now,
    /// Its mailbox is looked at for the first time: the database may have known it for years.
    Before,
}

/// A file before it got another name.
pub(super) struct Renamed {
    message: String,
    old: PathBuf,
    new: PathBuf,
    flags: Flags,
}

/// The key of the state of the database that was read last.
pub(super) const SEEN: &str = "notmuch seen";
/// The key of the file that changes were noted in.
const NOTED: &str = "notmuch queue";
/// What the key of a directory begins with that was surveyed, or is going to be.
const SURVEYED: &str = "notmuch survey ";

impl Follower {
    /// Writes down what was noted. It may be noted twice, if the step does not come to its end; that does no harm.
    pub(super) fn tell(&mut self) -> Result<()> {
        let steps = std::mem::take(&mut self.steps);
        match &self.queue {
            Some(queue) if !steps.is_empty() => queue.push(&steps),
            _ => Ok(()),
        }
    }

    /// The step failed.
    pub(super) fn forget(&mut self) {
        self.steps.clear();
    }

    pub(super) fn queue(&self) -> Option<&Queue> {
        self.queue.as_ref()
    }

    fn note(&mut self, step: Step) {
        if self.queue.is_some() {
            self.steps.push(step);
        }
    }
}

impl Writer {
    /// Says whether there is a database of notmuch's that is to hear of changes. One that did not hear of the last ones
    /// is told to look at everything.
    pub fn with_engine(mut self, at: Option<&Notmuch>) -> std::result::Result<Self, Fault> {
        let Some(at) = at else {
            self.step(|writer| writer.db.execute("DELETE FROM meta WHERE key LIKE 'notmuch %'", []).map(drop))?;
            return Ok(self);
        };
        self.follower.queue = Some(Queue::open(&at.queue)?);
        let name = at.queue.to_string_lossy().into_owned();
        self.step(|writer| {
            let noted: Option<String> = writer
                .db
                .prepare_cached("SELECT value FROM meta WHERE key = ?1")?
                .query_row([NOTED], |row| row.get(0))
                .optional()?;
            if noted.as_deref() == Some(name.as_str()) {
                return Ok(());
            }
            let directories: Vec<PathBuf> = writer
                .db
                .prepare("SELECT directory FROM mailboxes WHERE directory IS NOT NULL")?
                .query_map([], |row| row.get(0).map(schema::path_from))?
                .collect::<Result<_>>()?;
            writer.db.execute("DELETE FROM meta WHERE key LIKE 'notmuch %'", [])?;
            directories.iter().try_for_each(|directory| writer.follow_survey(directory))?;
            writer.db.execute("INSERT OR REPLACE INTO meta(key, value) VALUES(?1, ?2)", [NOTED, &name]).map(drop)
        })?;
        Ok(self)
    }

    /// A file came.
    pub(super) fn follow_arrival(&mut self, path: &Path, id: Option<&MessageId>, file: &FileName, when: Arrived) {
        if self.follower.queue.is_none() {
            return;
        }
        if when == Arrived::Now {
            self.follower.note(Step::Here(path.to_path_buf()));
        }
        let message = id.map_or_else(|| file.unique.as_str().to_owned(), |id| id.as_str().to_owned());
        self.follow_tags((message, path), &file.flags, true);
    }

    /// When the new files of a listing came: before the database was asked about that directory, or after that.
    pub(super) fn arrived_in(&self, directory: &Path) -> Result<Arrived> {
        if self.follower.queue.is_none() {
            return Ok(Arrived::Now);
        }
        let surveyed = self.db.prepare_cached("SELECT 1 FROM meta WHERE key = ?1")?.exists([surveyed(directory)])?;
        Ok(if surveyed { Arrived::Now } else { Arrived::Before })
    }

    /// A mailbox was listed: one that is new is compared as a whole.
    pub(super) fn follow_listing(&mut self, directory: &Path) -> Result<()> {
        if self.arrived_in(directory)? == Arrived::Before {
            self.follow_survey(directory)?;
            // Its messages were not there when the tags of all were read.
            self.db.prepare_cached("DELETE FROM meta WHERE key = ?1")?.execute([SEEN])?;
        }
        Ok(())
    }

    /// What lies in a directory shall be compared.
    pub(super) fn follow_survey(&mut self, directory: &Path) -> Result<()> {
        if self.follower.queue.is_none() {
            return Ok(());
        }
        self.follower.note(Step::Survey(directory.to_path_buf()));
        self.db
            .prepare_cached("INSERT OR REPLACE INTO meta(key, value) VALUES(?1, '')")?
            .execute([surveyed(directory)])
            .map(drop)
    }

    /// A mailbox is forgotten, or called otherwise.
    pub(super) fn follow_directory(&mut self, mailbox: i64) -> Result<()> {
        if self.follower.queue.is_none() {
            return Ok(());
        }
        let directory: Option<Vec<u8>> = self
            .db
            .prepare_cached("SELECT directory FROM mailboxes WHERE id = ?1")?
            .query_row([mailbox], |row| row.get(0))
            .optional()?
            .flatten();
        if let Some(directory) = directory {
            let directory = schema::path_from(directory);
            self.follow_survey(&directory)?;
            // If it comes again, it is new.
            self.db.prepare_cached("DELETE FROM meta WHERE key = ?1")?.execute([surveyed(&directory)])?;
        }
        Ok(())
    }

    /// A file went.
    pub(super) fn follow_removal(&mut self, mailbox: &KnownMailbox, unique: &str, (in_new, info): (bool, &str)) {
        if let Some(directory) = &mailbox.directory {
            self.follower.note(Step::Gone(schema::file_path(directory, in_new, unique, info)));
        }
    }

    /// What is known of a file that gets another name.
    pub(super) fn before_rename(&self, mailbox: &KnownMailbox, file: &FileName) -> Result<Option<Renamed>> {
        let (Some(_), Some(directory)) = (&self.follower.queue, &mailbox.directory) else { return Ok(None) };
        self.db
            .prepare_cached(
                "SELECT p.in_new, p.info, p.keywords, m.message_id FROM places p JOIN messages m ON m.id = p.message
                 WHERE p.mailbox = ?1 AND p.name = ?2 AND p.home IS NULL",
            )?
            .query_row(params![mailbox.row, file.unique.as_str()], |row| {
                Ok(Renamed {
                    message: row.get::<_, Option<String>>(3)?.unwrap_or_else(|| file.unique.as_str().to_owned()),
                    old: schema::file_path(directory, row.get(0)?, file.unique.as_str(), &row.get::<_, String>(1)?),
                    new: file.path_in(directory),
                    flags: from_words(row.get_ref(2)?.as_str_or_null()?),
                })
            })
            .optional()
    }

    /// A file got another name, and with it perhaps other tags.
    pub(super) fn follow_rename(&mut self, before: Option<Renamed>, flags: &Flags) {
        let Some(Renamed { message, old, new, flags: before }) = before else { return };
        if old != new {
            self.follower.note(Step::Here(new.clone()));
            self.follower.note(Step::Gone(old));
        }
        self.follow_tags((message.clone(), &new), &flags.minus(&before), true);
        self.follow_tags((message, &new), &before.minus(flags), false);
    }

    /// A message has more tags than before, or less.
    pub(super) fn follow_tags(&mut self, (message, path): (String, &Path), flags: &Flags, give: bool) {
        for word in engine::tagged(flags).keywords() {
            let (message, path) = (message.clone(), path.to_path_buf());
            self.follower.note(Step::Tag { message, path, word: word.clone(), give });
        }
    }
}

fn surveyed(directory: &Path) -> String {
    format!("{SURVEYED}{}", directory.to_string_lossy())
}
