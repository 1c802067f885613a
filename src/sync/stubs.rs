//! Stubs of messages that lie on the server: which new messages become one, what is put right when a run
//! was cut off between the stub and the message, and how a stub becomes the message. The message is durable
//! under its own name first, then the ledger knows it, then the stub goes.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use super::apply::Hands;
use super::changes::{Base, Identity, LocalChanges, LocalFile, LocalListing};
use super::content::{Read, read};
use super::env::{Env, Halt, Reporter};
use super::look::Look;
use super::plan::{Op, Plan};
use super::round::{Extent, Round};
use super::uidl_stubs::{lying_here, number};
use super::window::{Shape, Tidying, tidy};
use crate::fault::{Again, Cause, Doing, Fault, Scope};
use crate::job::{Changed, PlaceChange, PlaceFile, SyncReport};
use crate::ledger::{Change, Intent, Ledger, MailboxKey, Row, digest};
use crate::mail::flags::{Flag, Flags};
use crate::mail::ids::{MessageId, RemoteId, Uid, UidValidity};
use crate::mail::mailbox::MailboxName;
use crate::mail::place::{MailboxId, UniqueName};
use crate::mail::stub;
use crate::remote::{Fetched, Remote, Sink, Want};
use crate::store::batch::Batch;
use crate::store::maildir::{Maildir, fresh};
use crate::store::name::{self, Home};
use crate::store::scan::{self, Scan};

/// Messages that become whole in one step.
const AT_ONCE: usize = 200;
/// The bytes after which no further message is added to these.
const BYTES: u64 = 32 << 20;
/// So much of a message is searched for its Message-ID.
const HEAD: usize = 64 << 10;
/// No header is larger than this, so no larger file is looked at as one that may be a stub.
const HEADER: u64 = 1 << 20;

/// A mailbox whose messages become whole, and all that this needs.
pub(super) struct Bench<'a> {
    pub(super) env: &'a Env,
    pub(super) ledger: &'a mut Ledger,
    pub(super) report: Reporter<'a>,
    pub(super) mailbox: &'a MailboxId,
    pub(super) key: MailboxKey,
    /// Where the stubs lie: elsewhere than their rows, if they were filed where the server knows one mailbox alone.
    pub(super) folder: &'a MailboxId,
    pub(super) maildir: &'a Maildir,
    pub(super) epoch: UidValidity,
}

impl Hands<'_> {
    /// Those of these rows whose file here was a stub that lies in another folder now, where no row knows
    /// it: it was moved to one that is not synced. The body is on the server alone, so it is left there.
    pub(super) fn stubs_elsewhere(&mut self, rows: &[Row]) -> Result<BTreeSet<Uid>, Fault> {
        let stubs = rows.iter().filter(|row| row.unique.stub_size().is_some());
        let wanted: BTreeMap<(u64, u64), Uid> =
            stubs.clone().filter_map(|row| Some(((row.size, row.digest?), row.uid))).collect();
        // A copy that another program made is as long as the stub, whatever its name tells.
        let lengths: BTreeSet<u64> = stubs.filter_map(|row| name::size(row.unique.as_str())).collect();
        let mut found = BTreeSet::new();
        if wanted.is_empty() {
            return Ok(found);
        }
        let synced: BTreeMap<_, _> = self.ledger.mailboxes(&self.env.account.id)?.into_iter().collect();
        let others = self.env.root().list().found.into_iter().filter(|(name, _)| *name != self.mailbox.name);
        for (name, directory) in others {
            let maildir = Maildir::open(&directory)?;
            for entry in scan::scan(&maildir)?.entries {
                let Some(unique) = entry.unique() else { continue };
                let is_as_long = || {
                    let file = maildir.path_of(&entry).symlink_metadata();
                    file.is_ok_and(|file| lengths.contains(&file.len()))
                };
                let may_be = match unique.stub_size() {
                    Some(size) => wanted.keys().any(|(known, _)| *known == size),
                    None => is_as_long(),
                };
                if !may_be {
                    continue;
                }
                let rows = synced.get(&name).map(|key| self.ledger.rows_of_names(*key, [&unique])).transpose()?;
                let Some(bytes) = maildir.read_entry(&entry)?.filter(|_| rows.is_none_or(|rows| rows.is_empty()))
                else {
                    continue;
                };
                let id = MessageId::in_header(&bytes).map(|id| digest(id.as_str()));
                let size = unique.stub_size().or_else(|| stub::told(&bytes));
                if let Some(uid) = size.zip(id).and_then(|known| wanted.get(&known))
                    && found.insert(*uid)
                {
                    let fault = Fault::new(Doing::Pushing, name.as_str(), Cause::Refused).scope(Scope::Message);
                    self.faults.push(fault.again(Again::AfterUser).detail(&format!(
                        "only the header of a message was moved here from {}; the message stays on the server. Open it \
                         before you move it to a folder that is not synced",
                        self.mailbox.name
                    )));
                }
            }
        }
        Ok(found)
    }
}

impl Round<'_> {
    /// Says of which messages that are to be fetched the header is enough.
    pub(super) fn narrow(&mut self, mailbox: &MailboxName, plan: &mut Plan) -> Result<(), Halt> {
        let window = self.env.window();
        if window.is_open() {
            return Ok(());
        }
        let download = |op: &Op| match op {
            Op::Download { uid, flags } if !flags.has(Flag::Flagged) => Some((*uid, flags.clone())),
            _ => None,
        };
        let wanted: BTreeMap<Uid, Flags> = plan.ops.iter().filter_map(download).collect();
        if wanted.is_empty() {
            return Ok(());
        }
        self.env.step()?;
        let uids: Vec<Uid> = wanted.keys().copied().collect();
        let now = self.env.clock.now();
        for told in self.remote.measure(mailbox, &uids)? {
            let flags = wanted.get(&told.uid);
            if flags.is_some_and(|flags| window.shape(told.size, told.date, flags, now) == Shape::Stub) {
                plan.stubs.insert(told.uid);
            }
        }
        Ok(())
    }

    /// Gives stubs whose names do not tell what they are, since another program made those, names that do: else
    /// such a file would be taken for the message, and might take its place. Was there any?
    pub(super) fn unmask(
        &mut self,
        (mailbox, key, maildir): (&MailboxId, MailboxKey, &Maildir),
        scan: &Scan,
        listing: &mut LocalListing,
        base: &Base,
    ) -> Result<bool, Halt> {
        let may_have_stubs = !self.env.window().is_open()
            || listing.files.iter().any(|file| file.unique.stub_size().is_some())
            || !self.ledger.stubs(key)?.is_empty();
        if !may_have_stubs || self.memory.dry.is_some() {
            return Ok(false);
        }
        let home = Home::of(mailbox);
        let mut places = Vec::new();
        let strange = |file: &&mut LocalFile| file.unique.stub_size().is_none() && base.uid_of(&file.unique).is_none();
        for file in listing.files.iter_mut().filter(strange) {
            let Some(entry) = scan.get(file.unique.as_str()) else { continue };
            let length = maildir.path_of(entry).symlink_metadata().map_or(u64::MAX, |file| file.len());
            // What cannot be read is told of where it is to be compared.
            let bytes = if length <= HEADER { maildir.read_entry(entry).unwrap_or_default() } else { None };
            let Some(whole) = bytes.and_then(|bytes| stub::told(&bytes)) else { continue };
            let named = name::as_stub(&file.unique, whole);
            // A copy beside the stub itself needs a name of its own.
            let to = if maildir.find(&named)?.is_some() { name::as_stub(&fresh(Some(length)), whole) } else { named };
            self.env.step()?;
            let Some(entry) = maildir.move_to(entry, maildir, &to)? else { continue };
            places.push(PlaceChange { unique: to.clone(), now: Some(maildir.place_file(&entry)) });
            places.push(PlaceChange { unique: file.unique.clone(), now: None });
            file.origin = home.origin(to.as_str()).and_then(|origin| Some((origin.validity?, origin.uid)));
            file.unique = to;
        }
        if places.is_empty() {
            return Ok(false);
        }
        maildir.settle()?;
        (self.report)(SyncReport::Changed(Changed { mailbox: mailbox.clone(), places }));
        Ok(true)
    }

    /// Puts the files of messages right that an earlier run left half changed, on disk and in the listing.
    /// Was there anything?
    pub(super) fn put_right(
        &mut self,
        (mailbox, key, maildir): (&MailboxId, MailboxKey, &Maildir),
        listing: &mut LocalListing,
        base: &mut Base,
    ) -> Result<bool, Halt> {
        if self.env.account.pop3.is_some() {
            number(maildir, &Home::of(mailbox), listing, base)?;
        }
        let tidyings = tidy(listing, base);
        if tidyings.is_empty() {
            return Ok(false);
        }
        let is_dry = self.memory.dry.is_some();
        let (mut over, mut rename) = (BTreeSet::new(), Vec::new());
        let mut places = Vec::new();
        for tidying in tidyings {
            match tidying {
                Tidying::Drop(stub) => drop(over.insert(stub)),
                Tidying::Point { uid, from, to } => {
                    let flags_of = |of: &UniqueName| listing.files.iter().find(|file| file.unique == *of);
                    let wished = flags_of(&from).map(|file| file.flags.clone());
                    let whole = listing.files.iter_mut().find(|file| file.unique == to);
                    if let (Some(wished), Some(whole)) = (wished, whole) {
                        // The user knew the stub alone.
                        if !is_dry {
                            take_over_flags(maildir, &to, &whole.flags, &wished)?;
                        }
                        whole.flags = wished;
                    }
                    base.rename(uid, to.clone());
                    let entry = maildir.find(&to)?;
                    places.extend(
                        entry.map(|entry| PlaceChange { unique: to.clone(), now: Some(maildir.place_file(&entry)) }),
                    );
                    over.insert(from);
                    rename.push((uid, to));
                }
            }
        }
        listing.files.retain(|file| !over.contains(&file.unique));
        // What came after the listing, while a stub was made whole beside us, is not missing.
        for uid in base.iter().map(|(uid, _)| uid).collect::<Vec<_>>() {
            let Some(row) = base.get(uid) else { continue };
            let is_late = over.iter().any(|stub| stem(stub) == stem(&row.unique))
                && !listing.files.iter().any(|file| file.unique == row.unique)
                && maildir.find(&row.unique)?.is_some();
            listing.complete &= !is_late;
        }
        if is_dry {
            return Ok(true);
        }
        maildir.settle()?;
        self.env.step()?;
        if !rename.is_empty() {
            let size = |(uid, to): &(Uid, UniqueName)| Some((*uid, name::size(to.as_str())?));
            let sizes = rename.iter().filter(|(_, to)| to.stub_size().is_none()).filter_map(size).collect();
            self.ledger.commit(&[(key, Change { rename, sizes, ..Change::default() })])?;
            self.env.step()?;
        }
        let over: Vec<UniqueName> = over.into_iter().filter(|unique| unique.stub_size().is_some()).collect();
        for entry in maildir.find_all(&over)?.values() {
            maildir.remove(entry)?;
        }
        maildir.settle()?;
        places.extend(over.into_iter().map(|unique| PlaceChange { unique, now: None }));
        (self.report)(SyncReport::Changed(Changed { mailbox: mailbox.clone(), places }));
        Ok(true)
    }

    /// Tells once of each stub whose message nobody knows: such a file stays as it is.
    pub(super) fn tell_lone(&mut self, look: &Look, plan: &Plan, refused: Vec<UniqueName>) {
        let paired: BTreeSet<&UniqueName> = plan
            .ops
            .iter()
            .filter_map(|op| match op {
                Op::Adopt { row, .. } | Op::BringOver { row, .. } => Some(&row.unique),
                Op::RemoveHere { unique, .. } => Some(unique),
                _ => None,
            })
            .collect();
        let changes = &look.side.changes;
        let strangers = changes.new.keys().filter(|unique| {
            unique.stub_size().is_some() && !paired.contains(unique) && !changes.arriving.contains(*unique)
        });
        for unique in refused.into_iter().chain(strangers.cloned()).collect::<Vec<_>>() {
            if self.memory.lone.insert(unique.clone()) {
                let subject = format!("{}, {}", look.mailbox.name, unique.as_str());
                let fault = Fault::new(Doing::Pushing, &subject, Cause::Refused)
                    .scope(Scope::Message)
                    .again(Again::Never)
                    .detail("this file is the header of a message that is not in this mailbox on the server; it stays here and is not uploaded");
                self.fault(fault);
            }
        }
    }

    /// Looks after what is no longer as it should be: stubs that are to be whole by now, and, once in a
    /// while, messages that are too old to be whole.
    pub(super) fn tend(&mut self, extent: Extent) -> Result<(), Halt> {
        if self.env.account.pop3.is_some() {
            self.finish_completions()?;
        }
        let Some(folders) = self.memory.folders.as_ref() else { return Ok(()) };
        let names: Vec<MailboxName> = folders.synced.iter().filter(|name| self.env.wants(name)).cloned().collect();
        for name in &names {
            if let Err(halt) = self.complete_due(name) {
                self.pass_over(halt)?;
            }
        }
        if extent == Extent::All { self.expire_all(&names) } else { Ok(()) }
    }

    /// Fetches the messages whole whose stubs are not what the window says any more.
    fn complete_due(&mut self, name: &MailboxName) -> Result<(), Halt> {
        let mailbox = self.env.mailbox(name);
        let key = self.ledger.mailbox(&mailbox)?;
        let mut due = self.ledger.stubs(key)?;
        let Some(epoch) = self.ledger.agreed(key)?.validity.filter(|_| !due.is_empty()) else { return Ok(()) };
        let directory = self.env.root().directory(name)?;
        if !directory.join("cur").is_dir() {
            return Ok(());
        }
        let maildir = Maildir::open(&directory)?;
        if self.env.account.pop3.is_some() {
            lying_here(&maildir, &mut due)?;
        }
        let (window, now) = (self.env.window(), self.env.clock.now());
        due.retain(|row| {
            let shape = window.shape(row.size, name::date(row.unique.as_str()), &row.flags, now);
            shape == Shape::Whole && !self.memory.stubborn.contains(&row.unique)
        });
        if due.is_empty() {
            return Ok(());
        }
        due.sort_by_key(|row| (!row.flags.has(Flag::Flagged), std::cmp::Reverse(row.uid)));
        let (env, report) = (self.env, self.report);
        let mut bench = Bench {
            env,
            ledger: self.ledger,
            report,
            mailbox: &mailbox,
            key,
            folder: &mailbox,
            maildir: &maildir,
            epoch,
        };
        let completed = bench.complete(&mut *self.remote, due)?;
        self.outcome.counts.fetched += completed.done.len() as u64;
        for (unique, fault) in completed.failed {
            self.memory.stubborn.insert(unique);
            self.fault(fault);
        }
        Ok(())
    }
}

/// Finds stubs that got another name in their mailbox: the body is on the server alone, so none of them may be
/// taken for removed. Gives the rows and the names that their files have now.
pub(super) fn regained(maildir: &Maildir, changes: &LocalChanges, base: &Base) -> Vec<(Uid, UniqueName)> {
    let mut missing: BTreeMap<(u64, u64), Vec<Uid>> = BTreeMap::new();
    for (uid, row) in changes.gone.iter().filter_map(|uid| Some((*uid, base.get(*uid)?))) {
        if let (Some(size), Some(id)) = (row.unique.stub_size(), row.identity.id) {
            missing.entry((size, id)).or_default().push(uid);
        }
    }
    let mut found = Vec::new();
    if missing.is_empty() {
        return found;
    }
    for unique in changes.new.keys().filter(|unique| unique.stub_size().is_some()) {
        let Ok(Some(Read { identity: Identity { size, id: Some(id), .. }, .. })) = read(maildir, unique) else {
            continue;
        };
        found.extend(missing.get_mut(&(size, id)).and_then(Vec::pop).map(|uid| (uid, unique.clone())));
    }
    found
}

/// The part of a name that is the same for a stub and its message, if tern gave it.
pub(super) fn stem(unique: &UniqueName) -> &str {
    unique.as_str().split(',').next().unwrap_or_default()
}

/// Gives a file the flags that were wished on another file of its message.
pub(super) fn take_over_flags(maildir: &Maildir, to: &UniqueName, known: &Flags, wished: &Flags) -> Result<(), Fault> {
    if known != wished
        && let Some(entry) = maildir.find(to)?
    {
        maildir.set_flags(&entry, &wished.minus(known), &known.minus(wished))?;
    }
    Ok(())
}

/// What became of stubs.
#[derive(Debug, Default)]
pub(super) struct Completed {
    /// The names of messages that are whole now, by the names of their stubs.
    pub(super) done: BTreeMap<UniqueName, UniqueName>,
    /// Stubs that stay, and why.
    pub(super) failed: Vec<(UniqueName, Fault)>,
}

impl Bench<'_> {
    /// Fetches the messages of these rows, whose files are stubs. A stub that is gone by then is passed over.
    pub(super) fn complete(&mut self, remote: &mut dyn Remote, rows: Vec<Row>) -> Result<Completed, Halt> {
        let uids: Vec<Uid> = rows.iter().map(|row| row.uid).collect();
        self.env.step()?;
        let batch = self.maildir.batch();
        let mailbox = self.mailbox.name.clone();
        let mut arrivals = Arrivals {
            bench: self,
            awaited: rows.into_iter().map(|row| (row.uid, row)).collect(),
            batch,
            ready: Vec::new(),
            head: Vec::new(),
            completed: Completed::default(),
            halt: None,
        };
        let fetched = remote.fetch(&mailbox, &uids, Want::Whole, &mut arrivals);
        // What arrived whole before a cut is kept.
        let landed = arrivals.land();
        let Arrivals { completed, halt, .. } = arrivals;
        if let Some(halt) = halt {
            return Err(halt);
        }
        landed?;
        fetched?;
        Ok(completed)
    }
}

/// A whole message that is to take the place of its stub.
struct Ready {
    row: Row,
    unique: UniqueName,
    flags: Flags,
    /// How many bytes it really has.
    size: u64,
}

struct Arrivals<'b, 'a> {
    bench: &'b mut Bench<'a>,
    awaited: BTreeMap<Uid, Row>,
    batch: Batch,
    ready: Vec<Ready>,
    head: Vec<u8>,
    completed: Completed,
    halt: Option<Halt>,
}

impl Arrivals<'_, '_> {
    fn keep(&mut self, row: &Row, message: Fetched) -> Result<(), Fault> {
        if let Some(fault) = message.trouble {
            return Err(fault);
        }
        let wrong = |why: &str| {
            Err(Fault::new(Doing::Fetching, self.bench.mailbox.name.as_str(), Cause::Protocol)
                .scope(Scope::Message)
                .again(Again::Later)
                .detail(why))
        };
        let (same_epoch, needs_id) = match &message.id {
            RemoteId::Uid(epoch, _) => (*epoch == self.bench.epoch, false),
            // A server may give its ids out anew, and tells no epoch.
            RemoteId::Uidl(..) => (true, true),
        };
        if !same_epoch || message.id.uid() != row.uid {
            return wrong("the messages of the mailbox were numbered anew");
        }
        let id = MessageId::in_header(&self.head).map(|id| digest(id.as_str()));
        if id != row.digest || (needs_id && id.is_none()) {
            return wrong("the message on the server is another one than its header here says");
        }
        // The user took it away meanwhile.
        let Some(stub) = self.bench.maildir.find(&row.unique)? else {
            self.batch.abort();
            return Ok(());
        };
        let flags = self.bench.maildir.flags(&stub);
        let date = name::date(row.unique.as_str()).or(message.date);
        let unique = name::fetched(self.bench.mailbox, &message.id, date, message.size);
        self.batch.keep(&unique, &flags, message.size)?;
        self.ready.push(Ready { row: row.clone(), unique, flags, size: message.size });
        Ok(())
    }

    /// Makes what arrived durable, lets the ledger know it, and only then removes the stubs.
    fn land(&mut self) -> Result<(), Halt> {
        let ready = std::mem::take(&mut self.ready);
        if ready.is_empty() {
            return Ok(());
        }
        let Bench { env, ledger, report, folder, key, maildir, epoch, .. } = &mut *self.bench;
        let batch = std::mem::replace(&mut self.batch, maildir.batch());
        env.step()?;
        let complete = |Ready { row, .. }: &Ready| {
            let (folder, stub) = ((*folder).clone(), row.unique.clone());
            Intent::Complete { folder, validity: *epoch, uid: row.uid, stub }
        };
        // By IMAP names tell what belongs together, and every folder has its rounds.
        let intents: Vec<Intent> = ready.iter().filter(|_| env.account.pop3.is_some()).map(complete).collect();
        let intents = if intents.is_empty() { Vec::new() } else { ledger.intend(&intents, env.clock.now())? };
        let committed = batch.commit()?;
        let mut failed: BTreeMap<UniqueName, Fault> = committed.failed.into_iter().collect();
        let mut stored: BTreeMap<UniqueName, name::Entry> =
            committed.stored.into_iter().map(|stored| (stored.unique, stored.entry)).collect();
        env.step()?;
        let is_stored = |it: &&Ready| stored.contains_key(&it.unique);
        let rename = ready.iter().filter(is_stored).map(|it| (it.row.uid, it.unique.clone())).collect();
        let sizes = ready.iter().filter(is_stored).map(|it| (it.row.uid, it.size)).collect();
        ledger.commit(&[(*key, Change { rename, sizes, ..Change::default() })])?;
        env.step()?;
        let mut places = Vec::new();
        for Ready { row, unique, flags, .. } in ready {
            let Some(mut entry) = stored.remove(&unique) else {
                self.completed.failed.extend(failed.remove(&unique).map(|fault| (row.unique, fault)));
                continue;
            };
            if let Some(stub) = maildir.find(&row.unique)? {
                // What was wished of the stub in the meantime is wished of the message.
                let wished = maildir.flags(&stub);
                if wished != flags {
                    entry = maildir.set_flags(&entry, &wished.minus(&flags), &flags.minus(&wished))?.unwrap_or(entry);
                }
                maildir.remove(&stub)?;
            }
            let flags = maildir.flags(&entry).union(&row.flags.words());
            let now = PlaceFile { path: maildir.path_of(&entry), flags, tells: None };
            places.push(PlaceChange { unique: unique.clone(), now: Some(now) });
            places.push(PlaceChange { unique: row.unique.clone(), now: None });
            self.completed.done.insert(row.unique, unique);
        }
        maildir.settle()?;
        if !intents.is_empty() {
            ledger.settle(&intents)?;
        }
        report(SyncReport::Changed(Changed { mailbox: folder.clone(), places }));
        Ok(())
    }
}

impl Sink for Arrivals<'_, '_> {
    fn open(&mut self, _: &RemoteId, size: u64) -> Result<Box<dyn Write + '_>, Fault> {
        if self.batch.is_empty() || size > BYTES {
            self.bench.maildir.check_room(size.max(BYTES))?;
        }
        self.head.clear();
        Ok(Box::new(super::fetch::Tee { file: self.batch.begin(size)?, head: &mut self.head, most: HEAD }))
    }

    fn done(&mut self, message: Fetched) -> Result<(), Fault> {
        let Some(row) = self.awaited.remove(&message.id.uid()) else {
            self.batch.abort();
            return Ok(());
        };
        match self.keep(&row, message) {
            Ok(()) => {}
            Err(fault) if fault.scope == Scope::Message && fault.cause != Cause::DiskFull => {
                self.batch.abort();
                self.completed.failed.push((row.unique, fault));
            }
            Err(fault) => return Err(fault),
        }
        if self.ready.len() >= AT_ONCE || self.batch.bytes() >= BYTES {
            match self.land() {
                Ok(()) => {}
                Err(Halt::Failed(fault)) => return Err(fault),
                Err(halt) => self.halt = Some(halt),
            }
        }
        Ok(())
    }

    fn stop(&self) -> bool {
        self.halt.is_some() || (self.bench.env.stop)()
    }
}
