//! Taking in: small changes at once, whole listings by steps, newest first, so that a list can be read
//! after the first step. Envelopes come first; the words of bodies follow when nothing else waits.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::types::ValueRef;
use rusqlite::{Result, params};

use super::ahead::{Batch, Wanted};
use super::extract::{self, Depth, Incoming, Own, Unread};
use super::folders::{KnownMailbox, mailbox_id};
use super::follow::Arrived;
use super::schema::ATTACHMENT;
use super::sift::New;
use super::write::{FileName, Haste, Writer, from_words};
use crate::fault::Fault;
use crate::job::files::{DirStamp, Listing, RenamedFolder, Seen};
use crate::job::index::{Arrival, IndexReport};
use crate::job::listed::ListedFile;
use crate::job::{Changed, PlaceChange, PlaceFile};
use crate::mail::flags::Flags;
use crate::mail::ids::AccountId;
use crate::mail::mailbox::{MailboxName, Role};
use crate::mail::place::{MailboxId, UniqueName};

/// How many files the first step of a listing takes in: enough for a screen.
const FIRST_STEP: usize = 64;
/// How many the others do.
const STEP: usize = 500;
/// Up to so many new files of a change are read whole at once.
const SMALL: usize = 64;
/// How many messages' words one step takes in.
const TEXT_STEP: usize = 250;
/// A step ends once it has so many bytes of words.
const TEXT_BYTES: usize = 2 << 20;
/// After so many new messages the blocks of long lists are cut anew.
const GROWN: usize = 20_000;
/// The most notices of one step.
const MAX_ARRIVED: usize = 20;

/// What is still to be taken in.
#[derive(Default)]
pub(super) struct Backlog {
    waiting: Vec<Waiting>,
    /// Messages whose words are not in the full text yet.
    pub(super) unindexed: usize,
    /// Messages that are to be read again for whom they tell of.
    pub(super) unharvested: usize,
    /// How many were taken in since the blocks of lists were cut.
    grown: usize,
}

/// A listing whose new files are taken in by steps.
struct Waiting {
    mailbox: KnownMailbox,
    listing: Arc<Listing>,
    /// Files that were not known, as positions in the listing; the next one last.
    todo: Vec<usize>,
    started: bool,
    /// Was nothing of the mailbox known before? Then what is in it was there before.
    is_first: bool,
    /// Had the mailbox been taken in before, so that this is new mail?
    settled: bool,
}

impl Backlog {
    pub(super) fn forget(&mut self, mailbox: i64) {
        self.waiting.retain(|waiting| waiting.mailbox.row != mailbox);
    }

    /// The mailboxes whose listings are not taken in yet.
    pub(super) fn waiting_for(&self) -> BTreeSet<i64> {
        self.waiting.iter().map(|waiting| waiting.mailbox.row).collect()
    }

    fn pending(&self) -> usize {
        self.waiting.iter().map(|waiting| waiting.todo.len()).sum::<usize>() + self.unindexed + self.unharvested
    }
}

impl Writer {
    /// How many messages wait to be taken in, or for their words to be.
    pub fn pending(&self) -> usize {
        self.backlog.pending()
    }

    /// Takes in what changed on disk.
    pub fn apply(&mut self, changed: &Changed) -> std::result::Result<IndexReport, Fault> {
        let mut arrived = Vec::new();
        for changes in changed.places.chunks(STEP) {
            let new = self.step(|writer| {
                let (mailbox, new) = writer.take_changes(&changed.mailbox, changes)?;
                writer.sift(&mailbox, new)
            })?;
            arrived.extend(new);
        }
        let changed = self.with_views(&changed.mailbox)?;
        Ok(self.refreshed(changed, arrived))
    }

    /// A mailbox and the views that show messages of it.
    fn with_views(&self, id: &MailboxId) -> std::result::Result<Vec<MailboxId>, Fault> {
        self.mailbox(id).map(|known| known.with_views()).map_err(|error| self.fault(&error))
    }

    /// Takes in some changes; gives back what is new.
    pub(super) fn take_changes(
        &mut self,
        mailbox: &MailboxId,
        changes: &[PlaceChange],
    ) -> Result<(KnownMailbox, Vec<New>)> {
        let mailbox = self.mailbox(mailbox)?;
        let mut unknown = 0;
        for change in changes.iter().filter(|change| change.now.is_some()) {
            unknown += usize::from(!self.has_place(mailbox.row, &change.unique)?);
        }
        // A rule may ask for words.
        let judged = self.sifting.is_on() && mailbox.settled;
        let depth = if unknown <= SMALL || judged { Depth::Whole } else { Depth::Envelope };
        let mut new = Vec::new();
        for change in changes {
            if self.is_held(&mailbox.id, change) {
                continue;
            }
            let Some(now) = &change.now else {
                self.remove_place(&mailbox, change.unique.as_str())?;
                continue;
            };
            let file = file_of_path(&change.unique, now);
            if self.rename_place(&mailbox, &file)? {
                continue;
            }
            self.learn_directory(&mailbox, now.path.parent().and_then(Path::parent))?;
            let incoming = match extract::read(&now.path, depth, &self.own) {
                Ok(incoming) => incoming,
                // It was renamed since; whoever did that tells us next, but a name tells no labels.
                Err(Unread::Gone) => {
                    if now.tells.is_none() && !mailbox.views.is_empty() {
                        self.keep_told(&mailbox, &change.unique, &now.flags.labels())?;
                    }
                    continue;
                }
                Err(Unread::Refused) => extract::unreadable(&now.path),
            };
            self.follow_arrival(&now.path, incoming.message_id.as_ref(), &file, Arrived::Now);
            new.push(self.take_new(&mailbox, file, now.clone(), incoming)?);
        }
        Ok((mailbox, new))
    }

    fn take_new(&mut self, mailbox: &KnownMailbox, name: FileName, file: PlaceFile, incoming: Incoming) -> Result<New> {
        let (message_id, digest) = (incoming.message_id.clone(), incoming.digest);
        if incoming.refused {
            self.note_refused(mailbox.row, &name.unique)?;
        }
        let added = self.add_place(mailbox, &name, incoming)?;
        Ok(New { added, unique: name.unique, file, message_id, digest })
    }

    fn learn_directory(&self, mailbox: &KnownMailbox, directory: Option<&Path>) -> Result<()> {
        if let Some(directory) = directory.filter(|directory| mailbox.directory.as_deref() != Some(*directory)) {
            self.db
                .prepare_cached("UPDATE mailboxes SET directory = ?2 WHERE id = ?1")?
                .execute(params![mailbox.row, directory.as_os_str().as_bytes()])?;
        }
        Ok(())
    }

    /// Compares a whole listing with what is known. What is gone or was renamed is taken in at once,
    /// new files by [`Writer::advance`].
    pub fn reconcile(&mut self, listing: &Arc<Listing>) -> std::result::Result<IndexReport, Fault> {
        let mailbox = self.step(|writer| {
            let mailbox = writer.mailbox(&listing.mailbox)?;
            writer.learn_directory(&mailbox, Some(&listing.directory))?;
            Ok(mailbox)
        })?;
        let again = self.readable_again(mailbox.row).map_err(|error| self.fault(&error))?;
        let difference = difference(self, &mailbox, listing, &again).map_err(|error| self.fault(&error))?;
        for gone in difference.gone.chunks(STEP) {
            self.step(|writer| gone.iter().try_for_each(|name| writer.remove_place(&mailbox, name).map(drop)))?;
        }
        for renamed in difference.renamed.chunks(STEP) {
            self.step(|writer| {
                let files = renamed.iter().filter_map(|at| listing.files.get(*at));
                files
                    .filter_map(|file| listed_name(&file, &listing.tells))
                    .try_for_each(|file| writer.rename_place(&mailbox, &file).map(drop))
            })?;
        }
        self.backlog.forget(mailbox.row);
        if difference.new.is_empty() {
            self.step(|writer| {
                writer.follow_listing(&listing.directory)?;
                writer.set_stamp(mailbox.row, listing)
            })?;
        } else {
            let mut todo = difference.new;
            todo.sort_by_key(|at| listing.files.get(*at).map_or(0, |file| age(file.base)));
            let is_first = self.is_unmet(&mailbox).map_err(|error| self.fault(&error))?;
            let settled = mailbox.settled;
            let listing = Arc::clone(listing);
            self.backlog.waiting.push(Waiting { mailbox, listing, todo, started: false, is_first, settled });
        }
        let changed = self.with_views(&listing.mailbox)?;
        Ok(self.refreshed(changed, Vec::new()))
    }

    /// Was nothing of this mailbox taken in so far?
    fn is_unmet(&self, mailbox: &KnownMailbox) -> Result<bool> {
        let mut find = self.db.prepare_cached("SELECT 1 FROM places WHERE mailbox = ?1 LIMIT 1")?;
        Ok(!mailbox.seen_before && !find.exists([mailbox.row])?)
    }

    /// The mailboxes of an account; any other is forgotten.
    pub fn folders(
        &mut self,
        account: &AccountId,
        mailboxes: &[(MailboxId, Option<Role>)],
    ) -> std::result::Result<IndexReport, Fault> {
        self.step(|writer| writer.set_folders(account, mailboxes))?;
        Ok(self.refreshed(mailboxes.iter().map(|(id, _)| id.clone()).collect(), Vec::new()))
    }

    /// Mailboxes have other names now; what is in them is the same and is not read again.
    pub fn renamed(
        &mut self,
        account: &AccountId,
        folders: &[RenamedFolder],
    ) -> std::result::Result<IndexReport, Fault> {
        self.step(|writer| folders.iter().try_for_each(|folder| writer.rename_mailbox(account, folder)))?;
        let id = |name: &MailboxName| MailboxId { account: account.clone(), name: name.clone() };
        let names = folders.iter().flat_map(|folder| [&folder.from, &folder.to]);
        Ok(self.refreshed(names.map(id).collect(), Vec::new()))
    }

    /// The stamps of the mailboxes that were taken in as a whole.
    pub fn known(&self, account: &AccountId) -> std::result::Result<IndexReport, Fault> {
        let stamps = || -> Result<Vec<Seen>> {
            self.db
                .prepare_cached(
                    "SELECT account, name, cur, new, id, EXISTS(SELECT 1 FROM refused WHERE mailbox = id) FROM mailboxes
                     WHERE account = ?1 AND id > 0 AND (cur <> 0 OR new <> 0) ORDER BY name",
                )?
                .query_map([account.as_str()], |row| {
                    let id = mailbox_id(&row.get::<_, String>(0)?, &row.get::<_, String>(1)?);
                    let stamp = DirStamp { cur: row.get(2)?, new: row.get(3)? };
                    // One with a file to be read again has to be listed, whatever its times say.
                    let again = row.get::<_, bool>(5)? && !self.readable_again(row.get(4)?)?.is_empty();
                    Ok(id.filter(|_| !again).map(|mailbox| Seen { mailbox, stamp }))
                })?
                .filter_map(Result::transpose)
                .collect()
        };
        let seen = stamps().map_err(|error| self.fault(&error))?;
        Ok(IndexReport::Known { account: account.clone(), seen })
    }

    /// Does one step of what waits: new files of listings, then messages without a place, then words.
    /// `None`: nothing waits.
    pub fn advance(&mut self) -> std::result::Result<Option<IndexReport>, Fault> {
        if let Some(mut waiting) = self.backlog.waiting.pop() {
            let taken = self.take_in(&mut waiting);
            let changed = waiting.mailbox.with_views();
            if !waiting.todo.is_empty() {
                // The others get their turn, so that each mailbox has its first screen soon.
                let at = if self.backlog.waiting.iter().any(|other| !other.started) {
                    0
                } else {
                    self.backlog.waiting.len()
                };
                self.backlog.waiting.insert(at, waiting);
            }
            return Ok(Some(self.refreshed(changed, taken?)));
        }
        if self.sweep()? {
            return Ok(Some(self.refreshed(Vec::new(), Vec::new())));
        }
        if self.backlog.unindexed > 0 {
            let changed = self.take_in_words()?;
            return Ok(Some(self.refreshed(changed.into_iter().collect(), Vec::new())));
        }
        if self.backlog.unharvested > 0 {
            self.harvest_again()?;
            return Ok(Some(self.refreshed(Vec::new(), Vec::new())));
        }
        Ok(None)
    }

    /// One step of a listing. Should it fail, it is done again later.
    fn take_in(&mut self, waiting: &mut Waiting) -> std::result::Result<Vec<Arrival>, Fault> {
        let left = waiting.todo.len();
        let ready = self.ahead.as_mut().and_then(|ahead| ahead.take(&waiting.listing, left));
        let Batch { read, passed } = ready.unwrap_or_else(|| self.wanted(waiting, left).read());
        waiting.started = true;
        let rest = left.saturating_sub(passed);
        let others = self.backlog.waiting.iter().any(|other| !other.started);
        if rest > 0 && !others {
            let next = self.wanted(waiting, rest);
            if let Some(ahead) = &mut self.ahead {
                ahead.ask(&waiting.listing, rest, next);
            }
        }
        let (quiet, settled, is_first) = (!waiting.mailbox.seen_before, waiting.settled, waiting.is_first);
        let listing = &waiting.listing;
        let (mailbox, arrived) = self.step(|writer| {
            // There may be other views than before.
            let mailbox = KnownMailbox { settled, ..writer.mailbox(&listing.mailbox)? };
            let when = writer.arrived_in(&listing.directory)?;
            let mut new = Vec::new();
            for (file, incoming) in read {
                // It may have come in by a change meanwhile, which knows better.
                if !writer.has_place(mailbox.row, &file.unique)? {
                    let path = file.path_in(&listing.directory);
                    writer.follow_arrival(&path, incoming.message_id.as_ref(), &file, when);
                    let now = PlaceFile { path, flags: file.flags.clone(), tells: file.tells.clone() };
                    new.push(writer.take_new(&mailbox, file, now, incoming)?);
                }
            }
            let arrived = writer.sift(&mailbox, new)?;
            if rest == 0 && !writer.holds_in(&mailbox.id) {
                writer.follow_listing(&listing.directory)?;
                writer.set_stamp(mailbox.row, listing)?;
            } else if rest == 0 && listing.complete && writer.leaves_out_of(&mailbox.id) {
                writer.follow_listing(&listing.directory)?;
                writer.set_known(mailbox.row)?;
            }
            if is_first {
                writer.told.came.clear();
            }
            Ok((mailbox, if quiet { Vec::new() } else { arrived }))
        })?;
        waiting.mailbox = KnownMailbox { seen_before: !quiet, ..mailbox };
        self.backlog.grown += passed;
        waiting.todo.truncate(rest);
        if self.backlog.grown >= GROWN {
            self.backlog.grown = 0;
            self.settle_blocks()?;
        }
        Ok(arrived)
    }

    /// The files of the step at whose beginning so many wait.
    fn wanted(&self, waiting: &Waiting, left: usize) -> Wanted {
        let count = if waiting.started { STEP } else { FIRST_STEP };
        let rest = left.saturating_sub(count);
        let batch = waiting.todo.get(rest..left).unwrap_or_default();
        let judged = self.sifting.is_on() && waiting.settled;
        let at_once = self.haste == Haste::Everything || judged || (rest == 0 && batch.len() <= SMALL);
        let id = &waiting.listing.mailbox;
        let name = |file: ListedFile<'_>| {
            listed_name(&file, &waiting.listing.tells).filter(|name| !self.holds(id, &name.unique))
        };
        let listed = batch.iter().rev().filter_map(|at| waiting.listing.files.get(*at));
        Wanted {
            files: Files::new(&waiting.listing.directory),
            names: listed.map(name).collect(),
            depth: if at_once { Depth::Whole } else { Depth::Envelope },
            own: Arc::clone(&self.own),
        }
    }

    /// A listing was taken in as a whole: its directories need not be read until they move.
    fn set_stamp(&self, mailbox: i64, listing: &Listing) -> Result<()> {
        if listing.complete {
            self.db
                .prepare_cached("UPDATE mailboxes SET cur = ?2, new = ?3, settled = max(settled, 1) WHERE id = ?1")?
                .execute([mailbox, listing.stamp.cur, listing.stamp.new])?;
            self.forget_told(mailbox)?;
        }
        Ok(())
    }

    /// The words of some messages that were taken in by their envelopes, newest first. Gives back the
    /// mailboxes whose rows look other than before: the parts of a message tell of attachments.
    fn take_in_words(&mut self) -> std::result::Result<BTreeSet<MailboxId>, Fault> {
        let waiting = self.without_words().map_err(|error| self.fault(&error))?;
        let mut changed = BTreeSet::new();
        if waiting.is_empty() {
            self.backlog.unindexed = 0;
            return Ok(changed);
        }
        let mut folders: BTreeMap<PathBuf, Files> = BTreeMap::new();
        let mut read = Vec::new();
        let mut refused = Vec::new();
        let mut bytes = 0;
        for (message, place) in waiting {
            let incoming = place.and_then(|Lying { mailbox, directory, mut file }| {
                let files = folders.entry(directory.clone()).or_insert_with(|| Files::new(&directory));
                let incoming = files.read(&mut file, Depth::Words, &self.own)?;
                if incoming.refused {
                    refused.push((mailbox, file.unique));
                    return Some(incoming);
                }
                if incoming.bits & ATTACHMENT != 0 {
                    changed.insert(mailbox);
                }
                Some(incoming)
            });
            // One whose file is gone gets no words: its place goes with the next listing.
            let (text, bits) =
                incoming.map(|it| (it.text.unwrap_or_default(), it.bits & ATTACHMENT)).unwrap_or_default();
            bytes += text.0.iter().map(String::len).sum::<usize>();
            read.push((message, text, bits));
            if bytes > TEXT_BYTES {
                break;
            }
        }
        let count = read.len();
        self.step(|writer| {
            for (message, text, bits) in read {
                writer.add_text(message, text, bits);
            }
            for (mailbox, unique) in refused {
                let mailbox = writer.mailbox(&mailbox)?.row;
                writer.note_refused(mailbox, &unique)?;
            }
            Ok(())
        })?;
        self.backlog.unindexed = self.backlog.unindexed.saturating_sub(count);
        Ok(changed)
    }

    fn without_words(&self) -> Result<Vec<(i64, Option<Lying>)>> {
        let messages: Vec<i64> = self
            .db
            .prepare_cached("SELECT id FROM messages WHERE indexed = 0 ORDER BY id DESC LIMIT ?1")?
            .query_map([i64::try_from(TEXT_STEP).unwrap_or(i64::MAX)], |row| row.get(0))?
            .collect::<Result<_>>()?;
        self.where_they_lie(messages)
    }

    /// A file of each of these messages, where there is one.
    pub(super) fn where_they_lie(&self, messages: Vec<i64>) -> Result<Vec<(i64, Option<Lying>)>> {
        let mut place = self.db.prepare_cached(
            "SELECT b.directory, p.name, p.in_new, p.info, p.flags, b.account, b.name FROM places p JOIN mailboxes b ON b.id = p.mailbox
             WHERE p.message = ?1 AND p.home IS NULL AND b.directory IS NOT NULL LIMIT 1",
        )?;
        let mut waiting = Vec::with_capacity(messages.len());
        for message in messages {
            let mut rows = place.query([message])?;
            let found = match rows.next()? {
                Some(row) => {
                    let unique = UniqueName::new(&row.get::<_, String>(1)?);
                    let directory = super::schema::path_from(row.get(0)?);
                    let (in_new, info) = (row.get(2)?, row.get(3)?);
                    let flags = Flags::from_bits(row.get(4)?);
                    let mailbox = mailbox_id(&row.get::<_, String>(5)?, &row.get::<_, String>(6)?);
                    let file = unique.map(|unique| FileName { unique, in_new, info, flags, tells: None });
                    file.zip(mailbox).map(|(file, mailbox)| Lying { mailbox, directory, file })
                }
                None => None,
            };
            waiting.push((message, found));
        }
        Ok(waiting)
    }

    /// What is told after a change.
    pub(super) fn refreshed(&self, mailboxes: Vec<MailboxId>, mut arrived: Vec<Arrival>) -> IndexReport {
        arrived.truncate(MAX_ARRIVED);
        IndexReport::Refreshed { mailboxes, arrived, pending: self.pending() }
    }
}

/// Where a message lies that is to be read again.
pub(super) struct Lying {
    mailbox: MailboxId,
    pub(super) directory: PathBuf,
    pub(super) file: FileName,
}

/// What a listing says that the index does not.
struct Difference {
    gone: Vec<String>,
    /// Positions in the listing.
    renamed: Vec<usize>,
    new: Vec<usize>,
}

/// Both sides are sorted by name, so one walk is enough. What is to be read again goes and comes.
fn difference(
    writer: &Writer,
    mailbox: &KnownMailbox,
    listing: &Listing,
    again: &BTreeSet<String>,
) -> Result<Difference> {
    let mut listed = listing.files.iter().enumerate().peekable();
    let mut found = Difference { gone: Vec::new(), renamed: Vec::new(), new: Vec::new() };
    let mut places = writer.db.prepare_cached(
        "SELECT name, in_new, flags, keywords FROM places WHERE mailbox = ?1 AND home IS NULL ORDER BY name",
    )?;
    let mut rows = places.query([mailbox.row])?;
    while let Some(row) = rows.next()? {
        let name: String = row.get(0)?;
        while let Some((at, _)) = listed.next_if(|(_, file)| file.base < name.as_str()) {
            found.new.push(at);
        }
        match listed.next_if(|(_, file)| file.base == name) {
            Some((at, _)) if again.contains(&name) => {
                found.gone.push(name);
                found.new.push(at);
            }
            Some((at, file)) => {
                let (in_new, flags): (bool, u8) = (row.get(1)?, row.get(2)?);
                let same_keywords = match row.get_ref(3)? {
                    ValueRef::Null => file.flags.keywords().next().is_none(),
                    text => {
                        let known = from_words(Some(text.as_str()?));
                        known.minus(&listing.tells).union(&file.flags.words()) == known
                    }
                };
                if file.in_new != in_new || file.flags.bits() != flags || !same_keywords {
                    found.renamed.push(at);
                }
            }
            None if listing.complete => found.gone.push(name),
            None => {}
        }
    }
    found.new.extend(listed.map(|(at, _)| at));
    Ok(found)
}

/// The time with which most programs let a base name begin, zero where there is none. A listing is
/// sorted by name, and stays so within one second.
fn age(base: &str) -> u64 {
    let digits = base.bytes().take_while(u8::is_ascii_digit).take(12);
    digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0'))
}

/// `None`: nothing of that name is a message.
fn listed_name(file: &ListedFile<'_>, tells: &Flags) -> Option<FileName> {
    let (info, flags) = (file.info.to_owned(), file.flags.clone());
    file.unique().map(|unique| FileName { unique, in_new: file.in_new, info, flags, tells: Some(tells.clone()) })
}

fn file_of_path(unique: &UniqueName, file: &PlaceFile) -> FileName {
    let PlaceFile { path, flags, tells } = file;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let info = name.strip_prefix(unique.as_str()).unwrap_or_default().to_owned();
    let in_new = path.parent().and_then(Path::file_name).is_some_and(|parent| parent == "new");
    FileName { unique: unique.clone(), in_new, info, flags: flags.clone(), tells: tells.clone() }
}

/// The files of one mailbox, found by the name they should have, else by looking.
pub(super) struct Files {
    directory: PathBuf,
    /// Base name to path, read once it is needed.
    there: Option<BTreeMap<String, PathBuf>>,
}

impl Files {
    pub(super) fn new(directory: &Path) -> Self {
        Self { directory: directory.to_path_buf(), there: None }
    }

    /// Reads a message; `None`: it is not there any more. `file` is put right where it has another
    /// name by now.
    pub(super) fn read(&mut self, file: &mut FileName, depth: Depth, own: &Own) -> Option<Incoming> {
        let expected = file.path_in(&self.directory);
        let path = match extract::read(&expected, depth, own) {
            Ok(incoming) => return Some(incoming),
            Err(Unread::Refused) => return Some(extract::unreadable(&expected)),
            Err(Unread::Gone) => self.look(file.unique.as_str())?,
        };
        let now = PlaceFile { path, flags: file.flags.clone(), tells: file.tells.clone() };
        let (found, path) = (file_of_path(&file.unique, &now), now.path);
        match extract::read(&path, depth, own) {
            Ok(incoming) => {
                *file = found;
                Some(incoming)
            }
            Err(Unread::Refused) => Some(extract::unreadable(&path)),
            Err(Unread::Gone) => None,
        }
    }

    fn look(&mut self, unique: &str) -> Option<PathBuf> {
        let there = self.there.get_or_insert_with(|| {
            let folders =
                ["cur", "new"].into_iter().filter_map(|name| std::fs::read_dir(self.directory.join(name)).ok());
            let paths = folders.flatten().filter_map(|entry| Some(entry.ok()?.path()));
            paths
                .filter_map(|path| {
                    let name = path.file_name()?.to_str()?;
                    let base = name.split_once(':').map_or(name, |(base, _)| base).to_owned();
                    Some((base, path))
                })
                .collect()
        });
        there.get(unique).cloned()
    }
}
