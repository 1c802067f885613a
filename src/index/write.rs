//! The writer: places and messages come and go, conversations and counts follow. Each step is one
//! transaction, so that a crash leaves the index as it was before or after it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, Result, params};

use super::ahead::Ahead;
use super::blocks::{self, CUT};
use super::contacts::People;
use super::extract::{self, Incoming, Own, Texts};
use super::folders::KnownMailbox;
use super::follow::Follower;
use super::intake::Backlog;
use super::rows::thread_of;
use super::schema::{self, Purpose, SEQUENCES, UNIFIED};
use super::serving::{self, Building, Identity};
use super::sift::Sifting;
use super::timers::Told;
use super::{sorting, threads};
use crate::fault::{Cause, Doing, Fault, Scope};
use crate::job::index::{Arrival, Revision};
use crate::mail::flags::Flags;
use crate::mail::ids::Timestamp;
use crate::mail::place::{MailboxId, Place, UniqueName};

/// How many messages without a place are forgotten in one step.
const SWEEP: usize = 200;

/// Takes in what changed on disk. There is one in a process; several processes wait for each other.
pub struct Writer {
    pub(super) db: Connection,
    pub(super) path: PathBuf,
    pub(super) own: Arc<Own>,
    pub(super) backlog: Backlog,
    pub(super) haste: Haste,
    /// The way to who reads ahead.
    pub(super) ahead: Option<Ahead>,
    pub(super) people: People,
    /// Conversations of mailboxes that must be counted again before the step ends.
    pub(super) dirty: BTreeSet<(i64, i64)>,
    /// The homes whose labels were asked for since the file was opened.
    pub(super) labels_told: BTreeSet<MailboxId>,
    /// Did the user cut or sew conversations?
    pub(super) has_seams: bool,
    /// Did the user set timers?
    pub(super) has_timers: bool,
    /// What time it is, as far as timers go.
    pub(super) now: Timestamp,
    /// Did messages come or go in this step?
    pub(super) changed_messages: bool,
    /// Mailboxes whose lists changed beside those that were to be changed.
    pub(super) stirred: BTreeSet<i64>,
    /// What is told of messages that nobody asked about.
    pub(super) told: Told,
    /// What is held back for rules.
    pub(super) sifting: Sifting,
    /// Words that go into the full text when the step ends, with what bits they brought to light; none for a row
    /// that is written in this step and says it all.
    texts: Vec<(i64, Texts, Option<i64>)>,
    /// Which file it was when it was opened.
    pub(super) file: Option<Identity>,
    /// The right to build, where this is an index that does not serve yet.
    pub(super) building: Option<Building>,
    /// What a database of notmuch's is to hear, where there is one.
    pub(super) follower: Follower,
    /// Which state of that database is being read, and how many of its messages were taken in.
    pub(super) retagged: Option<(Revision, usize)>,
}

/// What somebody waits for while a listing is taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Haste {
    /// For the list: envelopes come first, and each message is read again for its words.
    ListsFirst,
    /// For all of it: each message is read once.
    Everything,
}

/// How a file of a mailbox is called and flagged.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct FileName {
    pub(super) unique: UniqueName,
    pub(super) in_new: bool,
    /// What follows the base name: `:2,S`, or nothing.
    pub(super) info: String,
    pub(super) flags: Flags,
    /// Of which keywords the flags speak; `None`: of all.
    pub(super) tells: Option<Flags>,
}

impl FileName {
    /// The file's path in a mailbox's directory.
    pub(super) fn path_in(&self, directory: &Path) -> PathBuf {
        schema::file_path(directory, self.in_new, self.unique.as_str(), &self.info)
    }
}

/// What was taken in.
pub(super) struct Added {
    pub(super) message: i64,
    /// Was the message known, by another place?
    pub(super) known: bool,
    pub(super) flags: Flags,
    pub(super) arrival: Option<Arrival>,
}

impl Writer {
    /// Opens the index for writing. `own` are the user's addresses, plain or with one `*`: what is
    /// from them counts as sent.
    ///
    /// # Errors
    /// It is of another version and has to be made anew, or cannot be opened.
    pub fn open(path: &Path, own: &[String]) -> std::result::Result<Self, Fault> {
        let db = schema::open(path, Purpose::Writing)?;
        Self::on(db, path, own, None)
    }

    /// Removes the file and begins with an empty one. Everything must be listed again.
    pub fn rebuild(path: &Path, own: &[String]) -> std::result::Result<Self, Fault> {
        schema::remove(path)?;
        Self::open(path, own)
    }

    pub(super) fn on(
        db: Connection,
        path: &Path,
        own: &[String],
        building: Option<Building>,
    ) -> std::result::Result<Self, Fault> {
        let file = if building.is_none() { serving::identity(path) } else { None };
        let mut writer = Self {
            db,
            path: path.to_path_buf(),
            own: Arc::new(Own::new(own)),
            ahead: None,
            backlog: Backlog::default(),
            haste: Haste::ListsFirst,
            people: People::default(),
            dirty: BTreeSet::new(),
            labels_told: BTreeSet::new(),
            has_seams: false,
            has_timers: false,
            now: clock(),
            changed_messages: false,
            stirred: BTreeSet::new(),
            told: Told::default(),
            sifting: Sifting::none(),
            texts: Vec::new(),
            follower: Follower::default(),
            retagged: None,
            file,
            building,
        };
        writer.step(|writer| {
            writer.judge_senders_again()?;
            writer.count_seams()?;
            writer.count_timers()?;
            writer.count_unindexed()
        })?;
        Ok(writer)
    }

    /// Does one step as one transaction, or nothing of it.
    pub(super) fn step<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> std::result::Result<T, Fault> {
        self.db.execute_batch("BEGIN IMMEDIATE").map_err(|error| self.fault(&error))?;
        let done = work(self).and_then(|value| {
            self.flush()?;
            self.db.execute_batch("COMMIT")?;
            self.sifting.settle();
            Ok(value)
        });
        done.map_err(|error| {
            self.sifting.forget();
            self.dirty.clear();
            self.stirred.clear();
            self.told = Told::default();
            self.changed_messages = false;
            self.texts.clear();
            self.follower.forget();
            self.people.forget();
            if !self.db.is_autocommit() {
                drop(self.db.execute_batch("ROLLBACK"));
            }
            self.fault(&error)
        })
    }

    pub(super) fn fault(&self, error: &rusqlite::Error) -> Fault {
        schema::fault(&self.path, error)
    }

    /// Brings what depends on the changes of this step up to date.
    pub(super) fn flush(&mut self) -> Result<()> {
        // FTS5 writes a segment each time a row is smaller than the one before.
        self.texts.sort_by_key(|(message, ..)| *message);
        {
            let mut add = self.db.prepare_cached(
                "INSERT INTO words(rowid, subject, sender, recipients, cc, body, files, list)
                 VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?;
            let mut mark = self.db.prepare_cached("UPDATE messages SET indexed = 1, bits = bits | ?2 WHERE id = ?1")?;
            let mut places = self.db.prepare_cached(
                "SELECT p.mailbox, p.thread, b.inbox FROM places p JOIN mailboxes b ON b.id = p.mailbox
                 WHERE p.message = ?1",
            )?;
            for (message, Texts([subject, sender, recipients, cc, body, files, list]), bits) in self.texts.drain(..) {
                add.execute(params![message, subject, sender, recipients, cc, body, files, list])?;
                let Some(bits) = bits else { continue };
                mark.execute([message, bits])?;
                if bits != 0 {
                    let mut rows = places.query([message])?;
                    while let Some(row) = rows.next()? {
                        let (mailbox, thread, inbox): (i64, i64, bool) = (row.get(0)?, row.get(1)?, row.get(2)?);
                        self.dirty.insert((mailbox, thread));
                        if inbox {
                            self.dirty.insert((UNIFIED, thread));
                        }
                    }
                }
            }
        }
        self.settle_timers()?;
        for (mailbox, thread) in std::mem::take(&mut self.dirty) {
            count_conversation(&self.db, mailbox, thread)?;
        }
        self.settle_people()?;
        self.follower.tell()
    }

    /// Is there a place of that name?
    pub(super) fn has_place(&self, mailbox: i64, unique: &UniqueName) -> Result<bool> {
        self.db
            .prepare_cached("SELECT 1 FROM places WHERE mailbox = ?1 AND name = ?2 AND home IS NULL")?
            .exists(params![mailbox, unique.as_str()])
    }

    /// A place was renamed: its flags, or from `new` to `cur`.
    pub(super) fn rename_place(&mut self, mailbox: &KnownMailbox, file: &FileName) -> Result<bool> {
        let carried = match &file.tells {
            None => Flags::none(),
            Some(tells) => self.keywords_of(mailbox, file)?.minus(tells),
        };
        let keywords = file.flags.union(&carried).stored_words();
        let before = self.before_rename(mailbox, file)?;
        let thread: Option<i64> = self
            .db
            .prepare_cached(
                "UPDATE places SET in_new = ?3, info = ?4, flags = ?5, keywords = ?6
                 WHERE mailbox = ?1 AND name = ?2 AND home IS NULL RETURNING thread",
            )?
            .query_row(
                params![mailbox.row, file.unique.as_str(), file.in_new, file.info, file.flags.bits(), keywords],
                |row| row.get(0),
            )
            .optional()?;
        if let Some(thread) = thread {
            self.touch(mailbox, thread);
            self.show_in_views(mailbox, file.unique.as_str())?;
            self.follow_rename(before, &file.flags.union(&carried));
        }
        Ok(thread.is_some())
    }

    /// The keywords that are known of a place.
    fn keywords_of(&self, mailbox: &KnownMailbox, file: &FileName) -> Result<Flags> {
        self.db
            .prepare_cached("SELECT keywords FROM places WHERE mailbox = ?1 AND name = ?2 AND home IS NULL")?
            .query_row(params![mailbox.row, file.unique.as_str()], |row| {
                row.get_ref(0)?.as_str_or_null().map(from_words).map_err(Into::into)
            })
            .optional()
            .map(Option::unwrap_or_default)
    }

    /// A place is gone. Its message stays for a while, since a move first takes it from one mailbox
    /// and then puts it into another.
    pub(super) fn remove_place(&mut self, mailbox: &KnownMailbox, unique: &str) -> Result<bool> {
        let gone: Option<(i64, i64, bool, String)> = self
            .db
            .prepare_cached(
                "DELETE FROM places WHERE mailbox = ?1 AND name = ?2 AND home IS NULL
                 RETURNING message, thread, in_new, info",
            )?
            .query_row(params![mailbox.row, unique], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
            .optional()?;
        let Some((message, thread, in_new, info)) = gone else { return Ok(false) };
        self.follow_removal(mailbox, unique, (in_new, &info));
        self.forget_refused(mailbox.row, unique)?;
        self.touch(mailbox, thread);
        self.hide_in_views(mailbox, message, thread)?;
        self.db.prepare_cached("INSERT OR IGNORE INTO orphans(message) VALUES(?1)")?.execute([message])?;
        Ok(true)
    }

    fn touch(&mut self, mailbox: &KnownMailbox, thread: i64) {
        self.touch_row(mailbox.row, mailbox.id.name.is_inbox(), thread);
    }

    /// A conversation of a mailbox has to be counted again.
    pub(super) fn touch_row(&mut self, mailbox: i64, is_inbox: bool, thread: i64) {
        self.dirty.insert((mailbox, thread));
        if is_inbox {
            self.dirty.insert((UNIFIED, thread));
        }
    }

    /// A file that was not known, with a notice where its message was not known either and is unread.
    pub(super) fn add_place(
        &mut self,
        mailbox: &KnownMailbox,
        file: &FileName,
        mut incoming: Incoming,
    ) -> Result<Added> {
        let key = incoming.message_id.as_ref().map(extract::key);
        let twin = self.twin(mailbox, key, incoming.digest)?;
        let known = twin.is_some();
        let (message, thread) = match twin {
            Some(twin) => twin,
            None => self.add_message(key, &mut incoming)?,
        };
        let flags = file.flags.union(&self.told_of(mailbox, file)?);
        let who = if sorting::shows_recipients(mailbox.role) { &incoming.recipients } else { &incoming.author };
        self.db
            .prepare_cached(
                "INSERT INTO places(mailbox, message, thread, name, in_new, info, flags, keywords, who, topic, size)
                 VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            )?
            .execute(params![
                mailbox.row,
                message,
                thread,
                file.unique.as_str(),
                file.in_new,
                file.info,
                flags.bits(),
                flags.stored_words(),
                sorting::name_key(who.as_str()),
                sorting::subject_key(incoming.subject.as_str()),
                incoming.size
            ])?;
        self.touch(mailbox, thread);
        self.show_in_views(mailbox, file.unique.as_str())?;
        let unread = !file.flags.has(crate::mail::flags::Flag::Seen);
        if !known {
            let place = Place { mailbox: mailbox.id.clone(), unique: file.unique.clone() };
            self.told.came.push((message, thread, place));
        }
        let arrival = (unread && !known).then(|| Arrival {
            place: Place { mailbox: mailbox.id.clone(), unique: file.unique.clone() },
            from: incoming.from,
            subject: incoming.subject,
        });
        Ok(Added { message, known, flags, arrival })
    }

    /// The same bytes with the same id, in another mailbox of the account or just taken from one.
    fn twin(&self, mailbox: &KnownMailbox, key: Option<i64>, digest: i64) -> Result<Option<(i64, i64)>> {
        // Without an id only the bytes can tell; each case has its own index.
        let which = if key.is_some() { "m.key = ?1" } else { "m.key IS NULL AND ?1 IS NULL" };
        self.db
            .prepare_cached(&format!(
                "SELECT m.id, m.thread FROM messages m WHERE {which} AND m.digest = ?2
                 AND NOT EXISTS(SELECT 1 FROM places p WHERE p.message = m.id AND p.mailbox = ?3)
                 AND NOT EXISTS(SELECT 1 FROM places p JOIN mailboxes b ON b.id = p.mailbox
                                WHERE p.message = m.id AND b.account <> ?4)
                 ORDER BY m.id LIMIT 1"
            ))?
            .query_row(params![key, digest, mailbox.row, mailbox.id.account.as_str()], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .optional()
    }

    fn add_message(&mut self, key: Option<i64>, incoming: &mut Incoming) -> Result<(i64, i64)> {
        let message = self.free_row(incoming)?;
        let keys: Vec<i64> = key.iter().chain(&incoming.named).copied().collect();
        let fresh = self.fresh_thread(message)?;
        let (thread, changed) = threads::link(&self.db, &keys, fresh)?;
        for (mailbox, thread) in changed {
            self.dirty.extend([(mailbox, thread), (UNIFIED, thread)]);
        }
        let parents: Vec<u8> = incoming.parents.iter().flat_map(|key| key.to_be_bytes()).collect();
        self.db
            .prepare_cached(
                "INSERT INTO messages(id, thread, key, message_id, digest, size, bits, indexed, sender, author,
                                      recipients, subject, parents)
                 VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?13, ?8, ?9, ?10, ?11, ?12)",
            )?
            .execute(params![
                message,
                thread,
                key,
                incoming.message_id.as_ref().map(crate::mail::ids::MessageId::as_str),
                incoming.digest,
                incoming.size,
                incoming.bits,
                incoming.from.email.to_lowercase(),
                incoming.author.as_str(),
                incoming.recipients.as_str(),
                incoming.subject.as_str(),
                parents,
                incoming.text.is_some()
            ])?;
        self.changed_messages = true;
        let thread = if self.has_seams {
            self.sew_around(thread)?;
            thread_of(&self.db, message)?.unwrap_or(thread)
        } else {
            thread
        };
        self.people.note(message, std::mem::take(&mut incoming.met));
        match incoming.text.take() {
            Some(text) => self.texts.push((message, text, None)),
            None => self.backlog.unindexed += 1,
        }
        Ok((message, thread))
    }

    /// The row is made of the date and the bytes, so that a message that is taken out and in again
    /// (a move, a rebuilt index) most often finds its old one.
    fn free_row(&self, incoming: &Incoming) -> Result<i64> {
        let first = schema::first_row(incoming.date);
        let mut taken = self.db.prepare_cached("SELECT 1 FROM messages WHERE id = ?1")?;
        for step in 0..SEQUENCES {
            let row = first + (incoming.digest.wrapping_add(step)).rem_euclid(SEQUENCES);
            if !taken.exists([row])? {
                return Ok(row);
            }
        }
        // A million messages of one second: the newest wait for the table's own idea of a free row.
        self.db.query_row("SELECT max(id) + 1 FROM messages", [], |row| row.get(0))
    }

    /// A number that no thread bears: the message's own, or one above all others.
    fn fresh_thread(&self, message: i64) -> Result<i64> {
        let taken = self
            .db
            .prepare_cached(
                "SELECT EXISTS(SELECT 1 FROM links WHERE thread = ?1) OR EXISTS(SELECT 1 FROM messages WHERE thread = ?1)
                     OR EXISTS(SELECT 1 FROM merged WHERE gone = ?1 OR thread = ?1)
                     OR EXISTS(SELECT 1 FROM seams WHERE thread = ?1) OR EXISTS(SELECT 1 FROM sewn WHERE grown = ?1)",
            )?
            .query_row([message], |row| row.get::<_, bool>(0))?;
        if taken { self.unborn_thread() } else { Ok(message) }
    }

    /// A number above those of all threads.
    pub(super) fn unborn_thread(&self) -> Result<i64> {
        self.db.query_row(
            "SELECT 1 + max(ifnull((SELECT max(thread) FROM links), 0), ifnull((SELECT max(thread) FROM messages), 0),
                            ifnull((SELECT max(gone) FROM merged), 0), ifnull((SELECT max(thread) FROM seams), 0),
                            ifnull((SELECT max(grown) FROM sewn), 0))",
            [],
            |row| row.get(0),
        )
    }

    /// Words of a message that was taken in by its envelope first.
    pub(super) fn add_text(&mut self, message: i64, text: Texts, bits: i64) {
        self.texts.push((message, text, Some(bits)));
    }

    /// Forgets some messages that have no place any more; `false`: there are none.
    pub(super) fn sweep(&mut self) -> std::result::Result<bool, Fault> {
        let mut find = match self.db.prepare_cached("SELECT EXISTS(SELECT 1 FROM orphans)") {
            Ok(find) => find,
            Err(error) => return Err(self.fault(&error)),
        };
        let any = find.query_row([], |row| row.get::<_, bool>(0));
        drop(find);
        if !any.map_err(|error| self.fault(&error))? {
            return Ok(false);
        }
        self.step(Self::forget_orphans)?;
        Ok(true)
    }

    fn forget_orphans(&mut self) -> Result<()> {
        let orphans: Vec<i64> = self
            .db
            .prepare_cached("SELECT message FROM orphans LIMIT ?1")?
            .query_map([i64::try_from(SWEEP).unwrap_or(i64::MAX)], |row| row.get(0))?
            .collect::<Result<_>>()?;
        orphans.into_iter().try_for_each(|message| self.forget_orphan(message))
    }

    /// Forgets a message, unless it has a place.
    pub(super) fn forget_orphan(&mut self, message: i64) -> Result<()> {
        self.db.prepare_cached("DELETE FROM orphans WHERE message = ?1")?.execute([message])?;
        if self.db.prepare_cached("SELECT 1 FROM places WHERE message = ?1")?.exists([message])? {
            return Ok(());
        }
        let gone: Option<(i64, bool)> = self
            .db
            .prepare_cached("DELETE FROM messages WHERE id = ?1 RETURNING thread, indexed")?
            .query_row([message], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let Some((thread, indexed)) = gone else { return Ok(()) };
        self.forget_met(message)?;
        if indexed {
            self.db.prepare_cached("DELETE FROM words WHERE rowid = ?1")?.execute([message])?;
        } else {
            self.backlog.unindexed = self.backlog.unindexed.saturating_sub(1);
        }
        self.changed_messages = true;
        let grown: Option<i64> = self
            .db
            .prepare_cached("DELETE FROM sewn WHERE message = ?1 RETURNING grown")?
            .query_row([message], |row| row.get(0))
            .optional()?;
        for thread in [Some(thread), grown].into_iter().flatten() {
            let is_borne = "SELECT 1 FROM messages WHERE thread = ?1 UNION ALL SELECT 1 FROM sewn WHERE grown = ?1";
            if !self.db.prepare_cached(is_borne)?.exists([thread])? {
                self.db.prepare_cached("DELETE FROM links WHERE thread = ?1")?.execute([thread])?;
                self.db.prepare_cached("DELETE FROM merged WHERE thread = ?1")?.execute([thread])?;
            }
        }
        Ok(())
    }

    fn count_unindexed(&mut self) -> Result<()> {
        let count: i64 = self.db.query_row("SELECT count(*) FROM messages WHERE indexed = 0", [], |row| row.get(0))?;
        self.backlog.unindexed = usize::try_from(count).unwrap_or_default();
        Ok(())
    }

    /// Divides the blocks of long lists that grew, one list a step.
    pub(super) fn settle_blocks(&mut self) -> std::result::Result<(), Fault> {
        let unsettled = blocks::unsettled(&self.db, CUT).map_err(|error| self.fault(&error))?;
        unsettled.into_iter().try_for_each(|list| self.step(|writer| blocks::settle(&writer.db, list, CUT)))
    }

    /// Makes the orders of the lists where they are missing, counts long lists by blocks, and puts the log of changes
    /// back into the file. For idle moments.
    pub fn tidy(&mut self) {
        // A list is sorted without them too, and a place in it found, only slower.
        drop(self.db.execute_batch(schema::SORTS));
        drop(self.settle_blocks());
        // Nothing depends on it: what fails now is done at another idle moment.
        drop(self.db.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)"));
        self.clear_leftovers();
    }
}

/// The time, for timers until the first one is told.
fn clock() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Timestamp::new(since.ok().and_then(|since| i64::try_from(since.as_secs()).ok()).unwrap_or_default())
}

/// A fault for a job that came to the wrong thread.
pub(super) fn misdirected(path: &Path, job: &str) -> Fault {
    Fault::new(Doing::Indexing, &path.display().to_string(), Cause::Bug)
        .scope(Scope::Program)
        .detail(&format!("{job} came to a thread that does not do that"))
}

/// The keywords and labels that a place keeps.
pub(super) fn from_words(words: Option<&str>) -> Flags {
    words.map_or_else(Flags::none, Flags::from_stored_words)
}

/// Counts one conversation in one mailbox (or over all INBOXes) anew.
fn count_conversation(db: &Connection, mailbox: i64, thread: i64) -> Result<()> {
    const FROM_PLACES: &str = "SELECT max(p.message), count(*), sum(p.flags & 16 = 0),
         max(p.flags & 1) | max(p.flags & 2) | max(p.flags & 4) | max(p.flags & 8) | min(p.flags & 16) | max(p.flags & 32),
         max(m.bits & 1) | max(m.bits & 2) | max(m.bits & 4)
     FROM places p CROSS JOIN messages m ON m.id = p.message
     WHERE p.thread = ?2 AND NOT EXISTS(SELECT 1 FROM timed t WHERE t.message = p.message AND t.state = 0)";
    let sql = if mailbox == UNIFIED {
        format!("{FROM_PLACES} AND p.mailbox IN (SELECT id FROM mailboxes WHERE inbox AND id > ?1)")
    } else {
        format!("{FROM_PLACES} AND p.mailbox = ?1")
    };
    let counted = db.prepare_cached(&sql)?.query_row([mailbox, thread], |row| {
        let newest: Option<i64> = row.get(0)?;
        let values: [Option<i64>; 4] = [row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?];
        Ok((newest, values.map(Option::unwrap_or_default)))
    })?;
    let (Some(newest), [messages, unread, flags, bits]) = counted else {
        db.prepare_cached("DELETE FROM conversations WHERE mailbox = ?1 AND thread = ?2")?
            .execute([mailbox, thread])?;
        return Ok(());
    };
    db.prepare_cached(
        "INSERT INTO conversations(mailbox, thread, newest, messages, unread, flags, bits)
         VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT(mailbox, thread) DO UPDATE SET newest = excluded.newest, messages = excluded.messages,
             unread = excluded.unread, flags = excluded.flags, bits = excluded.bits",
    )?
    .execute([mailbox, thread, newest, messages, unread, flags, bits])?;
    Ok(())
}
