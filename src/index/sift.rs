//! Rules on arrival: a message that is new here is judged in the very step that takes it in, before anybody can
//! read it. One that a rule matches is held back (it is in no list) until what the rules want is done; then its
//! place is taken in like any other, wherever it lies then. What is held is remembered by no file: after a crash
//! the next look at the disk finds it new again.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::{OptionalExtension as _, Result, params};

use super::extract;
use super::folders::KnownMailbox;
use super::judge::{Judged, judge};
use super::rows::{Index, Who, folders, row};
use super::schema::{Stands, stands};
use super::write::{Added, Writer};
use crate::fault::Fault;
use crate::job::index::{Arrival, IndexReport, Match, Sieve};
use crate::job::{PlaceChange, PlaceFile};
use crate::mail::flags::Flags;
use crate::mail::ids::{AccountId, MessageId};
use crate::mail::labels::{Label, Labels};
use crate::mail::mailbox::{MailboxName, Role};
use crate::mail::place::{MailboxId, Place, UniqueName};

/// So long at most a message is held back: whoever was to do something with it is gone.
const PATIENCE: Duration = Duration::from_mins(15);

/// Tells the rules as they are to be read now: what a date such as `today` means changes.
#[derive(Clone)]
pub struct Sieves(Option<Arc<dyn Fn() -> Vec<Sieve> + Send + Sync>>);

impl fmt::Debug for Sieves {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sieves").field(&self.0.is_some()).finish()
    }
}

impl Sieves {
    /// There is no rule.
    pub fn none() -> Self {
        Self(None)
    }

    /// There are rules, and this tells them.
    pub fn new(tell: impl Fn() -> Vec<Sieve> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(tell)))
    }
}

/// What rules have to do with the messages of one writer.
pub(super) struct Sifting {
    sieves: Sieves,
    held: BTreeMap<(MailboxId, UniqueName), Held>,
    matched: Vec<Match>,
    /// Whose messages were given to rules in this run, by account and bytes: where they come in again, they are
    /// not new.
    given: BTreeSet<(AccountId, i64)>,
    /// Those of the step that is being done.
    fresh: Vec<(Held, Match)>,
    /// Of an index that is made anew: what is news to it is left to whoever writes it once it serves.
    elder: Option<Elder>,
}

/// A message that is held back.
struct Held {
    file: PlaceFile,
    arrival: Option<Arrival>,
    since: Instant,
}

/// A file that was just taken in.
pub(super) struct New {
    pub(super) added: Added,
    pub(super) unique: UniqueName,
    pub(super) file: PlaceFile,
    pub(super) message_id: Option<MessageId>,
    pub(super) digest: i64,
}

impl Sifting {
    pub(super) fn none() -> Self {
        Self {
            sieves: Sieves::none(),
            held: BTreeMap::new(),
            matched: Vec::new(),
            given: BTreeSet::new(),
            fresh: Vec::new(),
            elder: None,
        }
    }

    /// Is there any rule?
    pub(super) fn is_on(&self) -> bool {
        self.sieves.0.is_some()
    }

    /// The step was done.
    pub(super) fn settle(&mut self) {
        for (held, matched) in self.fresh.drain(..) {
            let Place { mailbox, unique } = matched.row.place.clone();
            self.given.insert((mailbox.account.clone(), matched.digest));
            self.held.insert((mailbox, unique), held);
            self.matched.push(matched);
        }
    }

    /// The step was not done.
    pub(super) fn forget(&mut self) {
        self.fresh.clear();
    }

    fn holds_in(&self, mailbox: &MailboxId) -> bool {
        self.held.keys().any(|(known, _)| known == mailbox)
            || self.fresh.iter().any(|(_, matched)| matched.row.place.mailbox == *mailbox)
            || self.elder.as_ref().is_some_and(|elder| elder.left.contains(mailbox))
    }
}

impl Writer {
    /// Judges what is new from now on. What a rule matches is held back and told by [`Writer::take_matched`].
    #[must_use]
    pub fn with_sieves(mut self, sieves: Sieves) -> Self {
        self.sifting.sieves = sieves;
        self
    }

    /// Leaves out of a new index what the one that serves under this name does not know, where that would be new mail:
    /// whoever writes it once it serves finds it, and judges it. An index that cannot be read knows everything.
    #[must_use]
    pub fn leaving_news(mut self, sieves: Sieves, path: &Path) -> Self {
        if sieves.0.is_some()
            && stands(path) != Stands::Missing
            && let Ok(index) = Index::open(path)
        {
            self.sifting.sieves = sieves;
            self.sifting.elder = Some(Elder { index, left: BTreeSet::new() });
        }
        self
    }

    /// The messages that were found to match rules since this was last asked; each is held back until it is given
    /// to [`Writer::release`].
    pub fn take_matched(&mut self) -> Vec<Match> {
        std::mem::take(&mut self.sifting.matched)
    }

    /// What comes from now on into these mailboxes of an account (none: into all of them) is new mail, if they were
    /// taken in as a whole. Before that, whatever is found was there already.
    ///
    /// # Errors
    /// The index cannot be written.
    pub fn settle(&mut self, account: &AccountId, mailboxes: &[MailboxName]) -> std::result::Result<(), Fault> {
        let waiting: BTreeSet<i64> = self.backlog.waiting_for();
        let unsettled = |writer: &Self| -> Result<Vec<(i64, String)>> {
            writer
                .db
                .prepare_cached(
                    "SELECT id, name FROM mailboxes
                     WHERE account = ?1 AND settled = 1 AND id > 0",
                )?
                .query_map([account.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        };
        let is_meant = |name: &String| mailboxes.is_empty() || mailboxes.iter().any(|known| known.as_str() == name);
        let rows = unsettled(self).map_err(|error| self.fault(&error))?.into_iter();
        let rows = rows.filter(|(row, name)| !waiting.contains(row) && is_meant(name));
        let rows: Vec<i64> = rows.map(|(row, _)| row).collect();
        if rows.is_empty() {
            return Ok(());
        }
        self.step(|writer| {
            let mut settle = writer.db.prepare_cached("UPDATE mailboxes SET settled = 2 WHERE id = ?1")?;
            rows.iter().try_for_each(|row| settle.execute([row]).map(drop))
        })
    }

    /// Judges files that were taken in by this step, and takes those out again that rules match.
    pub(super) fn sift(&mut self, mailbox: &KnownMailbox, new: Vec<New>) -> Result<Vec<Arrival>> {
        let mut arrived = Vec::new();
        let mut judged = Vec::new();
        for mut new in new {
            if self.sifting.given.contains(&(mailbox.id.account.clone(), new.digest)) {
                // A rule put it where it lies now; that is no news.
            } else if self.is_arrival(mailbox, &new)? {
                judged.push(new);
            } else {
                arrived.extend(new.added.arrival.take());
            }
        }
        if judged.is_empty() {
            return Ok(arrived);
        }
        // Their words are to be found already.
        self.flush()?;
        if let Some(elder) = &mut self.sifting.elder {
            elder.left.insert(mailbox.id.clone());
            for New { added, unique, .. } in judged {
                self.remove_place(mailbox, unique.as_str())?;
                self.forget_orphan(added.message)?;
            }
            return Ok(arrived);
        }
        let sieves = self.sifting.sieves.0.as_ref().map_or_else(Vec::new, |tell| tell());
        let folders = folders(&self.db)?;
        let asked: Vec<Judged<'_>> = judged.iter().map(|new| (new.added.message, &mailbox.id.account)).collect();
        let matched = judge(&self.db, &folders, &sieves, &asked)?;
        for New { added, unique, mut file, digest, .. } in judged {
            let rules = matched.get(&added.message).cloned();
            let row = match &rules {
                Some(_) => row(&self.db, added.message, mailbox.row, &folders, Who::Author)?,
                None => None,
            };
            let Some((rules, row)) = rules.zip(row) else {
                arrived.extend(added.arrival);
                continue;
            };
            // Nothing of it stays: after a crash it must be new again.
            self.remove_place(mailbox, unique.as_str())?;
            self.forget_orphan(added.message)?;
            // Labels that were told of it are told once.
            file.flags = added.flags;
            let held = Held { file, arrival: added.arrival, since: Instant::now() };
            self.sifting.fresh.push((held, Match { row, digest, rules }));
        }
        Ok(arrived)
    }

    /// Is it mail that has just come, and not what was there before, was written here, or is only another form of
    /// what is known?
    fn is_arrival(&self, mailbox: &KnownMailbox, new: &New) -> Result<bool> {
        let own_or_lost = matches!(mailbox.role, Some(Role::Drafts | Role::Sent | Role::Junk | Role::Trash));
        let settled = match &self.sifting.elder {
            Some(elder) => elder.is_news(mailbox, new),
            None => mailbox.settled,
        };
        if !self.sifting.is_on() || !settled || new.added.known || own_or_lost {
            return Ok(false);
        }
        if new.added.flags.labels().has(&Label::Sent) {
            return Ok(false);
        }
        // A stub and the whole message are one message.
        let key = new.message_id.as_ref().map(extract::key);
        let form = if new.unique.stub_size().is_some() { "1" } else { "p.name LIKE '%,T=%'" };
        let other: Option<i64> = self
            .db
            .prepare_cached(&format!(
                "SELECT m.id FROM messages m JOIN places p ON p.message = m.id
                 WHERE m.key = ?1 AND m.id <> ?2 AND p.mailbox = ?3 AND {form} LIMIT 1"
            ))?
            .query_row(params![key, new.added.message, mailbox.row], |row| row.get(0))
            .optional()?;
        Ok(other.is_none())
    }

    /// Is this file held back? What is told of it is kept for then.
    pub(super) fn is_held(&mut self, mailbox: &MailboxId, change: &PlaceChange) -> bool {
        let key = (mailbox.clone(), change.unique.clone());
        let Some(held) = self.sifting.held.get_mut(&key) else { return false };
        match &change.now {
            Some(file) => {
                let words = held.file.flags.words();
                let carried = file.tells.as_ref().map_or_else(Flags::none, |tells| words.minus(tells));
                held.file = PlaceFile { flags: file.flags.union(&carried), ..file.clone() };
            }
            None => drop(self.sifting.held.remove(&key)),
        }
        true
    }

    /// A message that is held back gets labels and loses others.
    pub(super) fn relabel_held(&mut self, place: &Place, add: &Labels, remove: &Labels) {
        let Place { mailbox, unique } = place.clone();
        if let Some(held) = self.sifting.held.get_mut(&(mailbox, unique)) {
            let labels = held.file.flags.labels().union(add).minus(remove);
            held.file.flags = held.file.flags.without_labels().with_labels(&labels);
        }
    }

    /// Is a file of this name held back?
    pub(super) fn holds(&self, mailbox: &MailboxId, unique: &UniqueName) -> bool {
        self.sifting.held.contains_key(&(mailbox.clone(), unique.clone()))
    }

    /// Is any file of this mailbox held back? Then it is not taken in as a whole.
    pub(super) fn holds_in(&self, mailbox: &MailboxId) -> bool {
        self.sifting.holds_in(mailbox)
    }

    /// Was something of this mailbox left out of a new index? It is to be looked at again once that serves.
    pub(super) fn leaves_out_of(&self, mailbox: &MailboxId) -> bool {
        self.sifting.elder.as_ref().is_some_and(|elder| elder.left.contains(mailbox))
    }

    /// All that was there of a mailbox is taken in, though its directories are to be read again.
    pub(super) fn set_known(&self, mailbox: i64) -> Result<()> {
        // No directory has this stamp: that of one that was never looked at would make its mail mail of old.
        let sql = "UPDATE mailboxes SET cur = 1, new = 1, settled = max(settled, 1) WHERE id = ?1";
        self.db.prepare_cached(sql)?.execute([mailbox]).map(drop)
    }

    /// A new index is compared with the disk once more: what was left out may have become known to the old one.
    pub fn look_again(&mut self) {
        if let Some(elder) = &mut self.sifting.elder {
            elder.left.clear();
        }
    }

    /// What the rules wanted is done: what still lies there is taken in.
    ///
    /// # Errors
    /// The index cannot be written.
    pub fn release(&mut self, places: &[Place]) -> std::result::Result<IndexReport, Fault> {
        let mut by_mailbox: BTreeMap<&MailboxId, Vec<(&UniqueName, Held)>> = BTreeMap::new();
        for Place { mailbox, unique } in places {
            if let Some(held) = self.sifting.held.remove(&(mailbox.clone(), unique.clone())) {
                by_mailbox.entry(mailbox).or_default().push((unique, held));
            }
        }
        let (mut mailboxes, mut arrived) = (Vec::new(), Vec::new());
        for (id, held) in by_mailbox {
            let change = |(unique, held): &(&UniqueName, Held)| PlaceChange {
                unique: (*unique).clone(),
                now: Some(held.file.clone()),
            };
            let changes: Vec<PlaceChange> = held.iter().map(change).collect();
            mailboxes.extend(self.step(|writer| {
                writer.take_changes(id, &changes)?;
                let known = writer.mailbox(id)?;
                for (unique, held) in held {
                    if writer.has_place(known.row, unique)? {
                        arrived.extend(held.arrival.filter(|_| is_unread(&held.file.flags)));
                    }
                }
                Ok(known.with_views())
            })?);
        }
        Ok(self.refreshed(mailboxes, arrived))
    }

    /// Gives up on what is held for too long.
    pub(super) fn release_overdue(&mut self) -> Option<std::result::Result<IndexReport, Fault>> {
        let overdue = self.sifting.held.iter().filter(|(_, held)| held.since.elapsed() > PATIENCE);
        let places: Vec<Place> =
            overdue.map(|((mailbox, unique), _)| Place { mailbox: mailbox.clone(), unique: unique.clone() }).collect();
        (!places.is_empty()).then(|| self.release(&places))
    }
}

/// The index that serves while another one is made.
struct Elder {
    index: Index,
    /// The mailboxes of the new one of which something was left out.
    left: BTreeSet<MailboxId>,
}

impl Elder {
    /// Would this be new mail to it? What it cannot say, since it is of another version, makes nothing new.
    fn is_news(&self, mailbox: &KnownMailbox, new: &New) -> bool {
        self.lacks(mailbox, new).unwrap_or(false)
    }

    fn lacks(&self, mailbox: &KnownMailbox, new: &New) -> Result<bool> {
        let db = &self.index.db;
        let (account, name) = (mailbox.id.account.as_str(), mailbox.id.name.as_str());
        let settled: Option<i64> = db
            .prepare_cached("SELECT id FROM mailboxes WHERE account = ?1 AND name = ?2 AND settled = 2")?
            .query_row([account, name], |row| row.get(0))
            .optional()?;
        let Some(row) = settled else { return Ok(false) };
        let has_file = db
            .prepare_cached("SELECT 1 FROM places WHERE mailbox = ?1 AND name = ?2 AND home IS NULL")?
            .exists(params![row, new.unique.as_str()])?;
        if has_file {
            return Ok(false);
        }
        // It may have been moved since, or be another form of what was there: a stub, or the whole message.
        let key = new.message_id.as_ref().map(extract::key);
        let which = if key.is_some() { "m.key = ?1" } else { "m.key IS NULL AND ?1 IS NULL AND m.digest = ?2" };
        let form = if new.unique.stub_size().is_some() { "1" } else { "p.name LIKE '%,T=%'" };
        let has_message = db
            .prepare_cached(&format!(
                "SELECT 1 FROM messages m JOIN places p ON p.message = m.id JOIN mailboxes b ON b.id = p.mailbox
                 WHERE {which} AND b.account = ?3 AND (m.digest = ?2 OR {form})"
            ))?
            .exists(params![key, new.digest, account])?;
        Ok(!has_message)
    }
}

fn is_unread(flags: &Flags) -> bool {
    !flags.has(crate::mail::flags::Flag::Seen)
}
