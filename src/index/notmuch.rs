//! The one place that speaks to libnotmuch. A handle never leaves the thread that opened it, and nothing that it says
//! leaves this file but as a copy: what a database says is from outside.
//!
//! The library answers some troubles by null, of which its binding makes a panic; each call is guarded, and a panic is
//! a fault like any other. Worse is a reader that is two commits behind: what it asks of a message ends in an exception
//! that nobody catches, or in a null that nobody looks at. So the one file that every commit writes anew is looked at
//! before each such call ([`Watch`]). Opening for writing waits without an end while another program writes, so it is looked
//! at the lock before, and nothing on a screen waits for a [`Batch`].

use std::cell::Cell;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::{Mutex, PoisonError};

use notmuch::{ConfigKey, Database, DatabaseMode, Exclude, Message, Messages, Query, Sort, Status};
use rustix::fs::FlockOperation;

pub(super) use super::ignore::Ignored;

use super::engine::{Mail, Notmuch, Retagging, Settings, Stamp, fault};
use crate::fault::{Again, Cause, Doing, Fault, Scope};
use crate::job::index::Revision;

/// The library makes itself ready when a database is first opened, and two threads must not do that at once.
static OPENING: Mutex<()> = Mutex::new(());

/// A database that is open for reading, in the state that it had then.
pub(super) struct Reader {
    database: Database,
    settings: Settings,
    watch: Rc<Watch>,
}

/// What a search finds, one after another.
pub(super) struct Found {
    messages: Messages,
    current: Option<Message>,
    watch: Rc<Watch>,
}

/// Looks after a state of the database that is being read. It stays whole until the second commit after it.
struct Watch {
    xapian: PathBuf,
    seen: Cell<Stamp>,
    commits: Cell<u32>,
}

impl Watch {
    /// May the state still be read? Two commits take longer than one call.
    fn look(&self) -> Result<(), Fault> {
        let now = Stamp::of(&self.xapian);
        if self.seen.replace(now) != now {
            self.commits.set(self.commits.get() + 1);
        }
        if self.commits.get() < 2 {
            return Ok(());
        }
        Err(fault(Doing::Reading, &self.xapian, Cause::Busy, "it was written while it was read"))
    }

    fn guarded<T>(&self, call: impl FnOnce() -> Result<T, notmuch::Error>) -> Result<T, Fault> {
        self.look()?;
        guarded(Doing::Reading, &self.xapian, call)
    }
}

/// A few changes, of which all are there once it is finished. No other program can write meanwhile.
pub(super) struct Batch {
    database: Database,
    path: PathBuf,
}

/// Calls the library. A panic of its binding says that the library had no answer.
fn guarded<T>(doing: Doing, path: &Path, call: impl FnOnce() -> Result<T, notmuch::Error>) -> Result<T, Fault> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(told(doing, path, &error)),
        Err(_) => Err(fault(doing, path, Cause::Other, "the notmuch library gave no answer")),
    }
}

/// The one place where an error of the library becomes a fault.
fn told(doing: Doing, path: &Path, error: &notmuch::Error) -> Fault {
    let (status, words) = match error {
        notmuch::Error::NotmuchError(status) => (Some(*status), error.to_string()),
        notmuch::Error::NotmuchVerboseError(status, words) => (Some(*status), words.clone()),
        notmuch::Error::IoError(_) | notmuch::Error::UnspecifiedError => (None, error.to_string()),
    };
    let (cause, again) = match status {
        Some(Status::NoDatabase | Status::NoConfig | Status::NoMailRoot) => (Cause::Missing, Again::AfterUser),
        Some(Status::ReadOnlyDatabase) => (Cause::Permission, Again::AfterUser),
        Some(Status::UpgradeRequired) => (Cause::Refused, Again::AfterUser),
        _ => (Cause::Other, Again::Later),
    };
    let words = words.trim().trim_end_matches('.').replace('\n', " ");
    fault(doing, path, cause, &words).again(again)
}

fn open(at: &Notmuch, mode: DatabaseMode) -> Result<Database, Fault> {
    let named = at.config.as_deref().unwrap_or_else(|| Path::new(""));
    if named.to_str().is_none() || at.profile.as_ref().is_some_and(|profile| profile.contains('\0')) {
        return Err(fault(Doing::Reading, named, Cause::Config, "this name cannot be given to notmuch"));
    }
    guarded(Doing::Reading, Path::new(""), || {
        Database::open_with_config(None::<&Path>, mode, at.config.as_deref(), at.profile.as_deref())
    })
}

impl Reader {
    /// Opens the database that notmuch would take, for reading. It waits for nobody.
    pub(super) fn open(at: &Notmuch) -> Result<Self, Fault> {
        let opening = OPENING.lock().unwrap_or_else(PoisonError::into_inner);
        let database = open(at, DatabaseMode::ReadOnly)?;
        drop(opening);
        let settings = guarded(Doing::Reading, Path::new(""), || Ok(settings(&database)))?;
        let watch = Watch { seen: Cell::new(settings.stamp()), xapian: settings.xapian.clone(), commits: Cell::new(0) };
        if !settings.xapian.is_dir() || !settings.mail_root.is_absolute() {
            let words = "the database does not say where it and its mail lie";
            return Err(fault(Doing::Reading, &settings.xapian, Cause::Missing, words));
        }
        Ok(Self { database, settings, watch: Rc::new(watch) })
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    fn ask<T>(&self, call: impl FnOnce(&Database) -> Result<T, notmuch::Error>) -> Result<T, Fault> {
        self.watch.guarded(|| call(&self.database))
    }

    /// The state of the database as this reader sees it.
    pub(super) fn revision(&self) -> Result<Revision, Fault> {
        let revision = self.ask(|database| Ok(database.revision()))?;
        #[expect(clippy::useless_conversion, reason = "on other machines the number is shorter")]
        let number = revision.revision.into();
        Ok(Revision { database: revision.uuid, number })
    }

    /// Is there a message with that file?
    pub(super) fn knows(&self, path: &Path) -> Result<bool, Fault> {
        if path.to_str().is_none() {
            return Ok(false);
        }
        self.ask(|database| Ok(database.find_message_by_filename(&path)?.is_some()))
    }

    /// The message with that file.
    pub(super) fn mail_at(&self, path: &Path) -> Result<Option<Mail>, Fault> {
        if path.to_str().is_none() {
            return Ok(None);
        }
        self.ask(|database| {
            let message = database.find_message_by_filename(&path)?;
            Ok(message.map(|message| Mail {
                id: message.id().to_string(),
                files: message.filenames().collect(),
                tags: message.tags().collect(),
            }))
        })
    }

    /// What `notmuch search` would find, the newest first.
    pub(super) fn search(&self, text: &str) -> Result<Found, Fault> {
        self.find(text, Sort::NewestFirst, |query| {
            query.set_omit_excluded(Exclude::True);
            for tag in &self.settings.excluded {
                // One that the query names itself is not excluded, which is told as an error.
                drop(query.add_tag_exclude(tag));
            }
        })
    }

    /// All messages that a query finds, in no order.
    pub(super) fn all(&self, text: &str) -> Result<Found, Fault> {
        self.find(text, Sort::Unsorted, |query| query.set_omit_excluded(Exclude::False))
    }

    fn find(&self, text: &str, sort: Sort, prepare: impl FnOnce(&Query)) -> Result<Found, Fault> {
        if text.contains('\0') {
            return Err(fault(Doing::Reading, Path::new(""), Cause::Refused, "a query has no NUL"));
        }
        let messages = self.ask(|database| {
            let query = database.create_query(text)?;
            query.set_sort(sort);
            prepare(&query);
            query.search_messages()
        })?;
        Ok(Found { messages, current: None, watch: Rc::clone(&self.watch) })
    }

    /// Does another program write just now?
    pub(super) fn is_locked(&self) -> bool {
        let Ok(file) = File::options().read(true).write(true).open(self.settings.xapian.join("flintlock")) else {
            return false;
        };
        match rustix::fs::fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {
                let _ = rustix::fs::fcntl_lock(&file, FlockOperation::NonBlockingUnlock);
                false
            }
            Err(error) => matches!(error, rustix::io::Errno::AGAIN | rustix::io::Errno::ACCESS),
        }
    }
}

fn settings(database: &Database) -> Settings {
    let list =
        |key: ConfigKey| -> Vec<String> { database.config_values(key).map(Iterator::collect).unwrap_or_default() };
    let path = database.path().to_path_buf();
    let mail_root = database.config(ConfigKey::MailRoot).map_or_else(|| path.clone(), PathBuf::from);
    let xapian = [path.join(".notmuch/xapian"), path.join("xapian")];
    let xapian = xapian.into_iter().find(|path| path.is_dir()).unwrap_or(path);
    Settings {
        mail_root,
        xapian,
        new_tags: list(ConfigKey::NewTags),
        ignore: list(ConfigKey::NewIgnore),
        excluded: list(ConfigKey::ExcludeTags),
        synchronize_flags: database.config_bool(ConfigKey::MaildirFlags).unwrap_or(true),
    }
}

impl Found {
    fn ask<T>(&self, call: impl FnOnce(&Message) -> T) -> Result<Option<T>, Fault> {
        let Some(message) = &self.current else { return Ok(None) };
        self.watch.guarded(|| Ok(call(message))).map(Some)
    }

    /// Goes on to the next message, and tells its id.
    pub(super) fn advance(&mut self) -> Result<Option<String>, Fault> {
        let messages = &mut self.messages;
        self.current = self.watch.guarded(|| Ok(messages.next()))?;
        self.ask(|message| message.id().to_string())
    }

    /// The files of the message.
    pub(super) fn files(&self) -> Result<Vec<PathBuf>, Fault> {
        self.ask(|message| message.filenames().collect()).map(Option::unwrap_or_default)
    }

    /// The tags of the message.
    pub(super) fn tags(&self) -> Result<Vec<String>, Fault> {
        self.ask(|message| message.tags().collect()).map(Option::unwrap_or_default)
    }
}

impl Batch {
    /// Opens the database for writing. It waits as long as another program writes: [`Reader::is_locked`] is asked
    /// before, on a thread that nobody waits for.
    pub(super) fn open(at: &Notmuch) -> Result<Self, Fault> {
        let database = open(at, DatabaseMode::ReadWrite)?;
        let path = guarded(Doing::Storing, Path::new(""), || Ok(database.path().to_path_buf()))?;
        let batch = Self { database, path };
        if batch.ask(|database| Ok(database.needs_upgrade()))? {
            let words = "it is of an older format: `notmuch new` brings it up to date";
            return Err(fault(Doing::Storing, &batch.path, Cause::Refused, words).again(Again::AfterUser));
        }
        batch.ask(Database::begin_atomic)?;
        Ok(batch)
    }

    fn ask<T>(&self, call: impl FnOnce(&Database) -> Result<T, notmuch::Error>) -> Result<T, Fault> {
        guarded(Doing::Storing, &self.path, || call(&self.database))
    }

    /// Puts a file in, as `notmuch new` does. One that is not there, or is no mail, is passed over.
    pub(super) fn take_in(&self, path: &Path, settings: &Settings) -> Result<(), Fault> {
        if path.to_str().is_none() {
            return Ok(());
        }
        self.ask(|database| {
            if database.find_message_by_filename(&path)?.is_some() {
                return Ok(());
            }
            let message = match database.index_file(path, None) {
                Ok(message) => message,
                Err(notmuch::Error::NotmuchError(Status::FileError | Status::FileNotEmail)) => return Ok(()),
                Err(error) => return Err(error),
            };
            let is_new = message.filenames().count() == 1;
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let is_read = name.rsplit_once(":2,").is_some_and(|(_, flags)| flags.contains('S'));
            message.freeze()?;
            if settings.synchronize_flags {
                message.maildir_flags_to_tags()?;
            }
            if is_new {
                for tag in &settings.new_tags {
                    if tag != "unread" || !is_read {
                        message.add_tag(tag)?;
                    }
                }
            }
            message.thaw()
        })
    }

    /// Takes a file out; the message goes with its last file.
    pub(super) fn forget(&self, path: &Path, settings: &Settings) -> Result<(), Fault> {
        if path.to_str().is_none() {
            return Ok(());
        }
        self.ask(|database| {
            let Some(message) = database.find_message_by_filename(&path)? else { return Ok(()) };
            let others = message.filenames().count() > 1;
            database.remove_message(path)?;
            if others && settings.synchronize_flags { message.maildir_flags_to_tags() } else { Ok(()) }
        })
    }

    /// Gives a message tags, and takes tags away (`false`): what `change` makes of those that it has. A message that
    /// is not there has none.
    pub(super) fn tag(&self, (id, path): (Option<&str>, &Path), change: Retagging<'_>) -> Result<(), Fault> {
        self.ask(|database| {
            let by_id = match id {
                Some(id) if !id.contains('\0') => database.find_message(id)?,
                _ => None,
            };
            let message = match by_id {
                Some(message) => Some(message),
                None if path.to_str().is_some() => database.find_message_by_filename(&path)?,
                None => None,
            };
            let Some(message) = message else { return Ok(()) };
            let known: Vec<String> = message.tags().collect();
            message.freeze()?;
            for (tag, give) in change(&known) {
                let done = if give { message.add_tag(&tag) } else { message.remove_tag(&tag) };
                match done {
                    // No tag can be so long; that is nobody's loss.
                    Ok(()) | Err(notmuch::Error::NotmuchError(Status::TagTooLong)) => {}
                    Err(error) => return Err(error),
                }
            }
            message.thaw()
        })
    }

    /// Writes all of it, and lets others write.
    pub(super) fn finish(self) -> Result<(), Fault> {
        self.ask(Database::end_atomic)?;
        self.ask(Database::close).map_err(|fault| fault.scope(Scope::Program))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_read_until_the_second_commit_after_it() {
        let home = tempfile::tempdir().unwrap();
        let write = |number: usize| std::fs::write(home.path().join("iamglass"), "x".repeat(number)).unwrap();
        write(1);
        // The time of a file may be too coarse to tell two writes, its place on the disk is not.
        let commit = |number: usize| {
            std::fs::rename(home.path().join("iamglass"), home.path().join(format!("old{number}"))).unwrap();
            write(number);
        };
        let xapian = home.path().to_path_buf();
        let watch = Watch { seen: Cell::new(Stamp::of(&xapian)), xapian, commits: Cell::new(0) };
        assert!(watch.look().is_ok());
        commit(2);
        assert!(watch.look().is_ok() && watch.look().is_ok());
        commit(3);
        assert_eq!(watch.look().unwrap_err().cause, Cause::Busy);
        assert!(watch.guarded(|| Ok(())).is_err(), "nothing is asked any more");
    }

    #[test]
    fn what_the_library_cannot_answer_is_a_fault() {
        let none: Result<(), Fault> = guarded(Doing::Reading, Path::new("/x"), || panic!("null"));
        assert_eq!(none.unwrap_err().detail.as_str(), "the notmuch library gave no answer");
    }
}
