//! The thread `files`: answers every [`FilesJob`]. It changes files at the user's wish alone, and
//! reports a change only once it is durable.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::tz::TimeZone;

use super::drafts::Journal;
use super::folders::Root;
use super::look;
use super::maildir::{Maildir, fresh};
use super::name;
use super::orders;
use super::parts::{self, Opened};
use super::quarantine::Quarantine;
use super::scan;
use super::searches;
use crate::fault::{Again, Cause, Doing, Fault, Scope};
use crate::job::files::{DirStamp, FolderOrder, Purpose, Seen};
use crate::job::{Changed, FilesJob, FilesReport, PlaceChange, PlaceFile, Ticket};
use crate::mail::answer;
use crate::mail::envelope::Envelope;
use crate::mail::flags::Flags;
use crate::mail::ids::{AccountId, Timestamp};
use crate::mail::place::{MailboxId, Place, UniqueName};
use crate::mail::{reader, stub};

/// What the thread needs to know.
#[derive(Debug, Clone)]
pub struct Env {
    /// Where each account's mail lies.
    pub accounts: Vec<(AccountId, Root)>,
    /// Who remembers the tags of its messages; where nothing is said, the names of files.
    pub tags: BTreeMap<AccountId, TagKeeper>,
    /// The data directory: the journal of drafts, the quarantine.
    pub data: PathBuf,
    /// The runtime directory: parts that are opened by programs.
    pub runtime: PathBuf,
    /// In which dates are shown.
    pub zone: TimeZone,
}

/// Who remembers which tags messages have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TagKeeper {
    /// Letters in the names of files, as many as there are.
    #[default]
    Names,
    /// A database keeps all of them. New ones get letters too, as long as there are any, since servers hear of those.
    NamesAndDatabase,
    /// A database keeps them, and no letter is given out.
    Database,
}

/// Answers jobs until the channel is closed.
pub fn run(env: Env, jobs: &Receiver<FilesJob>, report: &dyn Fn(FilesReport)) {
    let mut files = Files {
        journal: Journal::below(&env.data),
        opened: Opened::below(&env.runtime),
        swept: BTreeSet::new(),
        stamps: BTreeMap::new(),
        env,
        report,
    };
    files.purge();
    let mut waiting = VecDeque::new();
    while let Some(job) = waiting.pop_front().or_else(|| jobs.recv().ok()) {
        waiting.extend(jobs.try_iter());
        let superseded =
            matches!(job, FilesJob::Open { .. }) && waiting.iter().any(|next| matches!(next, FilesJob::Open { .. }));
        if !superseded {
            files.answer(job);
        }
    }
    files.opened.empty();
}

struct Files<'a> {
    env: Env,
    journal: Journal,
    opened: Opened,
    /// Accounts whose `tmp/` directories were looked through in this run.
    swept: BTreeSet<AccountId>,
    /// How the directories were when they were scanned last.
    stamps: BTreeMap<MailboxId, DirStamp>,
    report: &'a dyn Fn(FilesReport),
}

impl Files<'_> {
    fn answer(&mut self, job: FilesJob) {
        let (ticket, done) = match job {
            FilesJob::Open { ticket, place, width } => (ticket, self.open(ticket, place, width)),
            FilesJob::Read { ticket, place } => (ticket, self.read(ticket, place)),
            FilesJob::Quote { ticket, place } => (ticket, self.quote(ticket, place)),
            FilesJob::SetFlags { ticket, places, add, remove } => (ticket, self.set_flags(&places, &add, &remove)),
            FilesJob::Move { ticket, places, to } => (ticket, self.move_all(ticket, places, &to)),
            FilesJob::Delete { ticket, places } => (ticket, self.delete(&places)),
            FilesJob::Deliver { ticket, mailbox, bytes, flags, replaces } => {
                (ticket, self.deliver(ticket, mailbox, &bytes, &flags, replaces))
            }
            FilesJob::Arrange { ticket, mailbox, order } => (ticket, self.arrange(ticket, mailbox, &order)),
            FilesJob::Scan { account, known } => (Ticket::default(), self.scan(&account, &known)),
            FilesJob::Searches { ticket, order } => {
                let done = searches::carry_out(&self.env.data, &order);
                (ticket, done.map(|kept| (self.report)(FilesReport::Searches { ticket, kept })))
            }
            FilesJob::SavePart { ticket, place, part, directory, purpose } => {
                (ticket, self.save_part(ticket, &place, part, directory, purpose))
            }
            FilesJob::Look { ticket, path } => {
                let looked = look::size(&path).map(|size| (self.report)(FilesReport::Looked { ticket, path, size }));
                (ticket, looked)
            }
            FilesJob::Complete { ticket, directory, start } => {
                (self.report)(FilesReport::Names { ticket, names: look::names(&directory, &start) });
                (ticket, Ok(()))
            }
            FilesJob::KeepDraft(draft) => (
                Ticket::default(),
                self.journal.keep(&draft).map(|()| (self.report)(FilesReport::Kept { draft: draft.id })),
            ),
            FilesJob::DropDraft(id) => (Ticket::default(), self.journal.discard(&id)),
            FilesJob::ListDrafts => (Ticket::default(), self.list_drafts()),
        };
        if let Err(fault) = done {
            self.failed(ticket, fault);
        }
    }

    fn failed(&self, ticket: Ticket, fault: Fault) {
        (self.report)(FilesReport::Failed { ticket, fault });
    }

    fn root(&self, account: &AccountId) -> Result<&Root, Fault> {
        let found = self.env.accounts.iter().find(|(id, _)| id == account).map(|(_, root)| root);
        found.ok_or_else(|| Fault::new(Doing::Reading, account.as_str(), Cause::Config).again(Again::AfterUser))
    }

    fn maildir(&self, mailbox: &MailboxId) -> Result<Maildir, Fault> {
        let open = || Maildir::open(&self.root(&mailbox.account)?.directory(&mailbox.name)?);
        open().map_err(|fault| fault.of(&mailbox.account))
    }

    /// Opens a mailbox, making it where it is not there.
    fn make(&self, mailbox: &MailboxId) -> Result<Maildir, Fault> {
        let open = || Maildir::open(&self.root(&mailbox.account)?.create(&mailbox.name)?);
        open().map_err(|fault| fault.of(&mailbox.account))
    }

    /// The message itself: what is done with it needs all of it.
    fn whole(&self, place: &Place) -> Result<Vec<u8>, Fault> {
        let bytes = self.bytes(place)?;
        if place.unique.stub_size().is_none() && stub::told(&bytes).is_none() {
            return Ok(bytes);
        }
        Err(Fault::new(Doing::Reading, "the message", Cause::Missing)
            .scope(Scope::Message)
            .again(Again::AfterUser)
            .detail("only its header is here; open it, and do this once the rest has come"))
    }

    fn bytes(&self, place: &Place) -> Result<Vec<u8>, Fault> {
        self.maildir(&place.mailbox)?.read(&place.unique).map_err(|fault| fault.of(&place.mailbox.account))
    }

    fn open(&self, ticket: Ticket, place: Place, width: u16) -> Result<(), Fault> {
        let bytes = self.bytes(&place)?;
        let document = Arc::new(reader::document(&bytes, width, &self.env.zone));
        (self.report)(FilesReport::Opened { ticket, place, document });
        Ok(())
    }

    fn read(&self, ticket: Ticket, place: Place) -> Result<(), Fault> {
        let bytes = Arc::from(self.bytes(&place)?);
        (self.report)(FilesReport::Bytes { ticket, place, bytes });
        Ok(())
    }

    fn quote(&self, ticket: Ticket, place: Place) -> Result<(), Fault> {
        let source = Arc::new(answer::read(&self.whole(&place)?, &self.env.zone));
        (self.report)(FilesReport::Quoted { ticket, place, source });
        Ok(())
    }

    /// Does something to each of the places of one mailbox after another. What was done is made
    /// durable and reported although something else failed; places that are gone are reported as
    /// gone.
    fn each_mailbox(
        &self,
        places: &[Place],
        mut act: impl FnMut(&Maildir, &MailboxId, &UniqueName, &name::Entry) -> Result<Option<PlaceChange>, Fault>,
        mut settle: impl FnMut(&Maildir) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let mut first_fault = None;
        for (mailbox, uniques) in by_mailbox(places) {
            let opened = self.maildir(mailbox).and_then(|maildir| Ok((maildir.find_all(&uniques)?, maildir)));
            let (found, maildir) = match opened {
                Ok(opened) => opened,
                Err(fault) => {
                    first_fault.get_or_insert(fault.of(&mailbox.account));
                    continue;
                }
            };
            let mut changes = Vec::with_capacity(uniques.len());
            for unique in uniques {
                let now = match found.get(&unique) {
                    Some(entry) => act(&maildir, mailbox, &unique, entry),
                    None => Ok(None),
                };
                match now {
                    Ok(change) => changes.push(change.unwrap_or(PlaceChange { unique, now: None })),
                    Err(fault) => {
                        first_fault.get_or_insert(fault.of(&mailbox.account));
                    }
                }
            }
            if let Err(fault) = settle(&maildir) {
                first_fault.get_or_insert(fault.of(&mailbox.account));
            }
            self.changed(mailbox, changes);
        }
        first_fault.map_or(Ok(()), Err)
    }

    fn changed(&self, mailbox: &MailboxId, places: Vec<PlaceChange>) {
        if !places.is_empty() {
            (self.report)(FilesReport::Changed(Changed { mailbox: mailbox.clone(), places }));
        }
    }

    fn set_flags(&self, places: &[Place], add: &Flags, remove: &Flags) -> Result<(), Fault> {
        let act = |maildir: &Maildir, mailbox: &MailboxId, unique: &UniqueName, entry: &name::Entry| {
            let keeper = self.env.tags.get(&mailbox.account).copied().unwrap_or_default();
            // A wish that no file name can tell would be lost without a word.
            let table = match keeper {
                TagKeeper::Names | TagKeeper::NamesAndDatabase => maildir.table_with(add)?,
                TagKeeper::Database => maildir.table(),
            };
            let (mute, held) = (add.words().minus(&table.keywords()), remove.words().minus(&table.keywords()));
            let why = if keeper != TagKeeper::Names {
                String::new()
            } else if !mute.is_empty() {
                format!("a mailbox has letters for 26 keywords, and there is none left for {mute}")
            } else if table.is_full() && !held.is_empty() {
                format!("a mailbox has letters for 26 keywords, and {held} has none: take it away on the server")
            } else {
                String::new()
            };
            if !why.is_empty() {
                return Err(Fault::new(Doing::Storing, mailbox.name.as_str(), Cause::Refused)
                    .scope(Scope::Mailbox)
                    .again(Again::Never)
                    .detail(&why));
            }
            let now = maildir.set_flags(entry, add, remove)?.map(|entry| maildir.place_file(&entry));
            let now = now.map(|file| if keeper == TagKeeper::Names { file } else { spoken_of(file, add, remove) });
            Ok(now.map(|now| PlaceChange { unique: unique.clone(), now: Some(now) }))
        };
        self.each_mailbox(places, act, Maildir::settle)
    }

    fn move_all(&self, ticket: Ticket, mut places: Vec<Place>, to: &MailboxId) -> Result<(), Fault> {
        if places.iter().any(|place| place.mailbox.account != to.account) {
            return Err(Fault::new(Doing::Storing, to.name.as_str(), Cause::Refused)
                .of(&to.account)
                .again(Again::Never)
                .detail("messages are moved within one account only"));
        }
        places.retain(|place| place.mailbox != *to);
        let target = self.make(to)?;
        let mut moved = Vec::new();
        let mut arrived = Vec::new();
        let act = |maildir: &Maildir, mailbox: &MailboxId, unique: &UniqueName, entry: &name::Entry| {
            let new = fresh(maildir.size(entry)?);
            let new = unique.stub_size().map_or_else(|| new.clone(), |whole| name::as_stub(&new, whole));
            // Keywords that get no letter there are told by the server, if at all.
            let _ = target.table_with(&maildir.flags(entry));
            if let Some(entry) = maildir.move_to(entry, &target, &new)? {
                arrived.push(PlaceChange { unique: new.clone(), now: Some(target.place_file(&entry)) });
                moved.push((
                    Place { mailbox: mailbox.clone(), unique: unique.clone() },
                    Place { mailbox: to.clone(), unique: new },
                ));
            }
            Ok(None)
        };
        let settle = |maildir: &Maildir| target.settle().and_then(|()| maildir.settle());
        let done = self.each_mailbox(&places, act, settle);
        self.changed(to, arrived);
        if !moved.is_empty() {
            (self.report)(FilesReport::Moved { ticket, places: moved });
        }
        done
    }

    fn delete(&self, places: &[Place]) -> Result<(), Fault> {
        let act = |maildir: &Maildir, _: &MailboxId, _: &UniqueName, entry: &name::Entry| {
            maildir.remove(entry)?;
            Ok(None)
        };
        self.each_mailbox(places, act, Maildir::settle)
    }

    fn deliver(
        &self,
        ticket: Ticket,
        mailbox: MailboxId,
        bytes: &[u8],
        flags: &Flags,
        replaces: Option<Place>,
    ) -> Result<(), Fault> {
        let maildir = self.make(&mailbox)?;
        let stored = maildir
            .deliver(&fresh(Some(bytes.len() as u64)), flags, bytes)
            .map_err(|fault| fault.of(&mailbox.account))?;
        let change = PlaceChange { unique: stored.unique.clone(), now: Some(maildir.place_file(&stored.entry)) };
        self.changed(&mailbox, vec![change]);
        (self.report)(FilesReport::Stored { ticket, place: Place { mailbox, unique: stored.unique } });
        match replaces {
            Some(old) => self.delete(&[old]),
            None => Ok(()),
        }
    }

    fn arrange(&self, ticket: Ticket, mailbox: MailboxId, order: &FolderOrder) -> Result<(), Fault> {
        let root = self.root(&mailbox.account)?;
        let done = orders::carry_out(root, &self.env.data, &mailbox, order, now());
        let done = done.map_err(|failure| failure.fault(&mailbox))?;
        (self.report)(FilesReport::Arranged { ticket, mailbox, done });
        Ok(())
    }

    fn scan(&mut self, account: &AccountId, known: &[Seen]) -> Result<(), Fault> {
        let folders = self.root(account)?.list();
        let id = |name: &crate::mail::mailbox::MailboxName| MailboxId { account: account.clone(), name: name.clone() };
        (self.report)(FilesReport::Folders {
            account: account.clone(),
            mailboxes: folders.found.keys().map(id).collect(),
        });
        for fault in folders.faults {
            self.failed(Ticket::default(), fault.of(account));
        }
        let sweep = self.swept.insert(account.clone());
        let known: BTreeMap<&MailboxId, DirStamp> = known.iter().map(|seen| (&seen.mailbox, seen.stamp)).collect();
        let mut stirred = false;
        for (name, directory) in &folders.found {
            let mailbox = id(name);
            if sweep && let Err(fault) = Maildir::open(directory).and_then(|maildir| maildir.sweep(now())) {
                self.failed(Ticket::default(), fault.of(account));
            }
            let seen = known.get(&mailbox).copied().unwrap_or_default();
            let listed = scan::stamp(directory).and_then(|stamp| {
                let last = self.stamps.insert(mailbox.clone(), stamp);
                // Before the first look others may have been at work since the sync looked.
                stirred |= last != Some(stamp);
                let moved = seen == DirStamp::default() || seen != stamp;
                if moved { scan::listing(&mailbox, directory).map(Some) } else { Ok(None) }
            });
            match listed {
                Ok(Some(listing)) => (self.report)(FilesReport::Listed(Arc::new(listing))),
                Ok(None) => {}
                Err(fault) => self.failed(Ticket::default(), fault.of(account)),
            }
        }
        (self.report)(FilesReport::Scanned { account: account.clone(), moved: stirred });
        Ok(())
    }

    fn save_part(
        &self,
        ticket: Ticket,
        place: &Place,
        part: Option<usize>,
        directory: PathBuf,
        purpose: Purpose,
    ) -> Result<(), Fault> {
        let bytes = self.whole(place)?;
        let (name, bytes) = match part {
            None => (title(&bytes), bytes),
            Some(number) => reader::part_bytes(&bytes, number).ok_or_else(|| {
                Fault::new(Doing::Reading, place.unique.as_str(), Cause::Missing)
                    .scope(Scope::Message)
                    .again(Again::Never)
                    .detail("the message has no such part")
            })?,
        };
        let directory = match purpose {
            Purpose::Keep => directory,
            Purpose::Open => self.opened.directory()?,
        };
        let path = parts::save(&directory, &name, &bytes)?;
        (self.report)(FilesReport::Saved { ticket, path, purpose });
        Ok(())
    }

    fn list_drafts(&self) -> Result<(), Fault> {
        let found = self.journal.list()?;
        (self.report)(FilesReport::Drafts(found.drafts));
        for path in found.damaged {
            let fault = Fault::new(Doing::Reading, &path.to_string_lossy(), Cause::Damaged)
                .scope(Scope::Message)
                .again(Again::Never)
                .detail("a kept draft is damaged; the file is set aside");
            self.failed(Ticket::default(), fault);
        }
        Ok(())
    }

    fn purge(&self) {
        if let Err(fault) = Quarantine::below(&self.env.data).purge(now()) {
            self.failed(Ticket::default(), fault);
        }
    }
}

/// A file whose tags a database keeps: what was wished is so, whether its name tells it or not.
fn spoken_of(file: PlaceFile, add: &Flags, remove: &Flags) -> PlaceFile {
    let wished = add.words().union(&remove.words());
    let flags = file.flags.union(&add.words()).minus(&remove.words());
    PlaceFile { flags, tells: file.tells.map(|tells| tells.union(&wished)), ..file }
}

/// The places by mailbox, each mailbox once, in the order of the places.
fn by_mailbox(places: &[Place]) -> BTreeMap<&MailboxId, Vec<UniqueName>> {
    let mut grouped: BTreeMap<&MailboxId, Vec<UniqueName>> = BTreeMap::new();
    for place in places {
        grouped.entry(&place.mailbox).or_default().push(place.unique.clone());
    }
    grouped
}

/// What a whole message is called when it is saved.
fn title(bytes: &[u8]) -> String {
    let subject = Envelope::parse(bytes).subject;
    let words: String = subject.chars().map(|c| if matches!(c, '/' | '\\') { '_' } else { c }).collect();
    if words.trim().is_empty() { "message.eml".to_owned() } else { format!("{}.eml", words.trim()) }
}

fn now() -> Timestamp {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    Timestamp::new(i64::try_from(seconds).unwrap_or(0))
}
