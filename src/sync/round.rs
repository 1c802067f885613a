//! One round over an account's mailboxes: looks at the disk, joins moves, and for each mailbox asks
//! the server what changed, plans, lets the guard judge, and applies. INBOX and the mailbox on
//! screen come first; a fault in one mailbox does not stop the others.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use super::apply::{Hands, known, read};
use super::changes::{
    Allows, Base, Identity, LocalChanges, LocalFile, LocalListing, Present, ServerChanges, ServerListing, diff_local,
    diff_server,
};
use super::doubt::{self, Settled};
use super::env::{Env, Halt, Reporter};
use super::folders::{self, Folders};
use super::guard::{Scene, Verdict, guard};
use super::moves::{Side, join_moves};
use super::plan::{Plan, Unsure, plan, unsure};
use crate::fault::{Cause, Fault, Scope};
use crate::job::files::DirStamp;
use crate::job::sync::{Counts, SyncState};
use crate::job::{Changed, PlaceChange, PlaceFile, SyncReport};
use crate::ledger::{Agreed, Change, Ledger, MailboxKey, digest};
use crate::mail::clean::Clean;
use crate::mail::ids::{MessageId, Uid};
use crate::mail::mailbox::MailboxName;
use crate::mail::place::MailboxId;
use crate::remote::{Presence, Remote, RemoteChanges, Since, Want};
use crate::store::maildir::Maildir;
use crate::store::name::Home;
use crate::store::scan;

/// How often questions are answered before what is still unsure is left unpaired.
const ANSWERS: usize = 4;
/// A mailbox's last complete comparison is written down anew after this long, in seconds.
const DAY: i64 = 86_400;
/// Messages over this size are not fetched only to compare them.
const COMPARABLE: u64 = 64 << 20;

/// How far a round goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Extent {
    /// The mailboxes whose files changed here.
    Here,
    /// INBOX, the mailbox on screen, and those whose files changed here.
    News,
    /// All of them.
    All,
}

/// What a sync thread remembers from round to round.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// The mailbox on screen.
    pub(crate) visible: Option<MailboxName>,
    /// What the user answered to the guard.
    pub(crate) answers: BTreeMap<MailboxName, bool>,
    /// Mailboxes that wait for an answer.
    pub(crate) held: BTreeMap<MailboxName, Clean>,
    /// The folders as they were listed last.
    pub(crate) folders: Option<Folders>,
    /// Only show what would be done: nothing is written on either side.
    pub(crate) dry: Option<Vec<(MailboxId, Plan)>>,
}

/// What came of a round.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) counts: Counts,
    pub(crate) faults: Vec<Fault>,
}

/// A round at work.
pub(crate) struct Round<'a> {
    pub(crate) env: &'a Env,
    pub(crate) remote: &'a mut dyn Remote,
    pub(crate) ledger: &'a mut Ledger,
    pub(crate) report: Reporter<'a>,
    pub(crate) memory: &'a mut Memory,
    pub(crate) outcome: Outcome,
    /// Are there moved files of which it is not known yet whether the server moves them?
    pub(crate) unsettled: bool,
}

/// One mailbox as it was found on disk.
struct Look {
    mailbox: MailboxId,
    key: MailboxKey,
    agreed: Agreed,
    count: usize,
    maildir: Option<Maildir>,
    /// Were the files read? Else their directories have not moved.
    read: bool,
    stamp: DirStamp,
    side: Side,
}

/// Can the other mailboxes go on? A full disk meets them as well.
fn concerns_one(fault: &Fault) -> bool {
    fault.scope <= Scope::Mailbox && fault.cause != Cause::DiskFull
}

impl Round<'_> {
    /// Runs the round. Faults of single mailboxes are collected; what stops the account is returned.
    pub(crate) fn run(&mut self, extent: Extent) -> Result<(), Halt> {
        self.unsettled = false;
        self.pass(extent)?;
        // Where a moved file belongs is known once the mailbox that it left was looked at.
        if self.unsettled && self.memory.dry.is_none() { self.pass(Extent::Here) } else { Ok(()) }
    }

    fn pass(&mut self, extent: Extent) -> Result<(), Halt> {
        let folders = match self.memory.folders.take().filter(|known| extent != Extent::All && self.is_current(known)) {
            Some(folders) => folders,
            None => self.folders()?,
        };
        let mut order = folders.synced.clone();
        // The others are not even looked at: a move from or to one of them is found when all are.
        order.retain(|name| self.env.wants(name));
        self.memory.folders = Some(folders);
        let visible = self.memory.visible.clone();
        order.sort_by_key(|name| (!name.is_inbox(), Some(name) != visible.as_ref()));
        let mut settled = match self.memory.dry {
            Some(_) => BTreeMap::new(),
            None => doubt::settle(self.env, self.remote, self.ledger)?,
        };
        let mut looks = Vec::new();
        for name in &order {
            self.env.step()?;
            match self.look(name) {
                Ok(look) => looks.push(look),
                Err(Halt::Failed(fault)) if concerns_one(&fault) => self.fault(fault),
                Err(halt) => return Err(halt),
            }
        }
        // Who cannot move is given an upload and a removal.
        if self.remote.rights().r#move {
            join(&mut looks);
        }
        let wanted = |look: &Look| match extent {
            Extent::All => true,
            Extent::News => look.read || look.mailbox.name.is_inbox() || Some(&look.mailbox.name) == visible.as_ref(),
            Extent::Here => look.read,
        };
        for look in looks.into_iter().filter(wanted) {
            self.env.step()?;
            let settled = settled.remove(&look.mailbox.name).unwrap_or_default();
            match self.mailbox(look, settled) {
                Ok(()) => {}
                Err(Halt::Failed(fault)) if concerns_one(&fault) => self.fault(fault),
                Err(halt) => return Err(halt),
            }
            for text in self.remote.alerts() {
                (self.report)(SyncReport::Alert { account: self.env.account.id.clone(), text });
            }
        }
        if extent == Extent::All && self.env.only.is_none() {
            // What is left in doubt belongs to mailboxes that are synced no more.
            let over: Vec<_> = settled.into_values().flat_map(|s| s.intents.into_values().flatten()).collect();
            if !over.is_empty() {
                self.ledger.settle(&over)?;
            }
        }
        Ok(())
    }

    /// Is every folder on disk known? What was moved to an unknown one would look like removed.
    fn is_current(&self, known: &Folders) -> bool {
        self.env.root().list().found.keys().all(|name| known.shown.iter().any(|(shown, _)| shown == name))
    }

    fn fault(&mut self, fault: Fault) {
        self.outcome.faults.push(fault.of(&self.env.account.id));
    }

    fn folders(&mut self) -> Result<Folders, Halt> {
        let mut folders = folders::meet(self.env, self.remote, self.ledger)?;
        for fault in std::mem::take(&mut folders.faults) {
            self.fault(fault);
        }
        let mailboxes = folders.shown.iter().map(|(name, role)| (self.env.mailbox(name), *role)).collect();
        (self.report)(SyncReport::Folders { account: self.env.account.id.clone(), mailboxes });
        Ok(folders)
    }

    /// Looks at one mailbox on disk; its files are read only if its directories moved.
    fn look(&mut self, name: &MailboxName) -> Result<Look, Halt> {
        let mailbox = self.env.mailbox(name);
        let key = self.ledger.mailbox(&mailbox)?;
        let agreed = self.ledger.agreed(key)?;
        let count = self.ledger.count(key)? as usize;
        let root = self.env.root();
        let directory = root.directory(name)?;
        let is_there = directory.join("cur").is_dir() && (count == 0 || !self.is_adrift()?);
        let may_make = count == 0 || self.said(name) == Some(true);
        let maildir = match (is_there, may_make) {
            (true, _) => Some(Maildir::open(&directory)?),
            (false, true) => Some(Maildir::open(&root.create(name)?)?),
            (false, false) => None,
        };
        let unmoved = LocalChanges { complete: maildir.is_some(), ..LocalChanges::unmoved() };
        let side = Side { mailbox: name.clone(), base: Base::default(), changes: unmoved };
        let mut look = Look { mailbox, key, agreed, count, maildir, read: false, stamp: DirStamp::default(), side };
        let Some(maildir) = &look.maildir else { return Ok(look) };
        let known = DirStamp { cur: agreed.stamp_cur, new: agreed.stamp_new };
        look.stamp = known;
        if known == DirStamp::default() || scan::stamp(maildir.path())? != known {
            let scan = scan::scan(maildir)?;
            let home = Home::of(&look.mailbox);
            let file = |entry: &crate::store::name::Entry| {
                let origin = home.origin(entry.base()).and_then(|origin| Some((origin.validity?, origin.uid)));
                Some(LocalFile { unique: entry.unique()?, flags: entry.flags(), origin })
            };
            let listing =
                LocalListing { files: scan.entries.iter().filter_map(file).collect(), complete: scan.complete };
            look.side.base = self.base(key, &agreed)?;
            look.side.changes = diff_local(&listing, &look.side.base);
            look.stamp = if scan.complete { scan.stamp } else { DirStamp::default() };
            look.read = true;
        }
        Ok(look)
    }

    /// Is INBOX gone from disk although mail was in it? Then the disk is perhaps not mounted, and a
    /// folder that is there was made by something that wrote below the empty mount point: a sent
    /// copy, a kept draft. What it lacks is not removed.
    fn is_adrift(&mut self) -> Result<bool, Fault> {
        let inbox = MailboxName::inbox();
        let key = self.ledger.mailbox(&self.env.mailbox(&inbox))?;
        Ok(self.ledger.count(key)? > 0 && !self.env.root().directory(&inbox)?.join("cur").is_dir())
    }

    fn base(&self, key: MailboxKey, agreed: &Agreed) -> Result<Base, Fault> {
        Ok(Base::new(agreed.validity, self.ledger.rows(key)?.into_iter().map(known)))
    }

    fn mailbox(&mut self, mut look: Look, settled: Settled) -> Result<(), Halt> {
        let name = look.mailbox.name.clone();
        let account = self.env.account.id.clone();
        let state = SyncState::Working { mailbox: name.clone(), done: 0, total: 0 };
        (self.report)(SyncReport::State { account, state });
        if look.read && !look.side.changes.arriving.is_empty() {
            self.take_in_moves(&mut look)?;
        }
        for (unique, origin) in &settled.found {
            if let Some(file) = look.side.changes.new.get_mut(unique) {
                file.origin = Some(*origin);
            }
        }
        let told = self.changes(&look)?;
        let mut server = self.compare(&mut look, &told)?;
        self.answer(&mut look, &mut server)?;
        let full = plan(&server, &look.side.changes, &look.side.base);
        if let Some(dry) = &mut self.memory.dry {
            dry.push((look.mailbox, full));
            return Ok(());
        }
        let Some(plan) = self.judge(&look, &full, server.restarted) else { return Ok(()) };
        self.carry_out(&look, &plan, &told, settled, plan == full)
    }

    /// Files that came from a mailbox which was synced earlier in this round have rows by now.
    fn take_in_moves(&mut self, look: &mut Look) -> Result<(), Fault> {
        let Side { base, changes, .. } = &mut look.side;
        for row in self.ledger.rows_of_names(look.key, &changes.arriving)? {
            let (uid, row) = known(row);
            if let Some(file) = changes.new.remove(&row.unique) {
                changes.arriving.remove(&row.unique);
                let now = super::changes::with_keywords_of(&file.flags, &row.flags);
                if now != row.flags {
                    changes.flags.insert(uid, now);
                }
                base.insert(uid, row);
                look.count += 1;
            }
        }
        Ok(())
    }

    fn changes(&mut self, look: &Look) -> Result<RemoteChanges, Fault> {
        // Whether a fetched file without a row is still on the server only a full listing tells.
        let orphans = look
            .side
            .changes
            .new
            .values()
            .any(|file| file.origin.is_some_and(|(epoch, _)| Some(epoch) == look.agreed.validity));
        let since = Since {
            validity: look.agreed.validity,
            modseq: look.agreed.modseq.filter(|_| !orphans),
            uid_next: look.agreed.uid_next.filter(|_| !orphans),
            count: u32::try_from(look.count).unwrap_or(u32::MAX),
        };
        self.remote.changes(&look.mailbox.name, &since)
    }

    /// Compares what the server told with the base, of which only the rows that it touches are
    /// read if both sides told no more than what changed.
    fn compare(&mut self, look: &mut Look, told: &RemoteChanges) -> Result<ServerChanges, Fault> {
        let rights = self.remote.rights();
        let writable = !told.read_only;
        let listing = ServerListing {
            epoch: told.validity,
            items: told.items.iter().map(|item| (item.uid, item.flags.clone())).collect(),
            present: match &told.presence {
                Presence::Exactly(uids) => Present::Exactly(uids.iter().copied().collect()),
                Presence::Except(uids) => Present::Except(uids.clone()),
                Presence::Unknown => Present::Unknown,
            },
            allows: Allows {
                keeps: told.keeps.clone(),
                new_keywords: told.new_keywords,
                flags: rights.flags && writable,
                append: rights.append && writable,
                delete: rights.delete && writable,
                r#move: rights.r#move && writable,
            },
        };
        if !look.read {
            let restarted = look.agreed.validity.is_some_and(|known| known != told.validity);
            look.side.base = match &told.presence {
                Presence::Except(gone) if !restarted => {
                    let touched: Vec<Uid> = listing.items.keys().copied().collect();
                    let mut rows = self.ledger.rows_of_uids(look.key, &touched)?;
                    rows.append(&mut self.ledger.rows_of_ranges(look.key, gone)?);
                    Base::new(look.agreed.validity, rows.into_iter().map(known))
                }
                _ => self.base(look.key, &look.agreed)?,
            };
        }
        Ok(diff_server(&listing, &look.side.base))
    }

    /// Finds out what the plan cannot be made without.
    fn answer(&mut self, look: &mut Look, server: &mut ServerChanges) -> Result<(), Halt> {
        for _ in 0..ANSWERS {
            let asked = unsure(server, &look.side.changes, &look.side.base);
            if asked.is_empty() {
                break;
            }
            self.env.step()?;
            self.answer_here(look, &asked);
            self.answer_there(look, server, &asked)?;
        }
        Ok(())
    }

    fn answer_here(&mut self, look: &mut Look, asked: &Unsure) {
        let Some(maildir) = &look.maildir else { return };
        let Side { base, changes, .. } = &mut look.side;
        for unique in &asked.files {
            let found = match read(maildir, unique) {
                Ok(found) => found,
                Err(fault) => {
                    // Nobody can say what it is, so it is left alone.
                    self.outcome.faults.push(fault.scope(Scope::Message).of(&self.env.account.id));
                    None
                }
            };
            let uid = base.uid_of(unique);
            match (found, uid) {
                (Some(found), Some(uid)) => base.identify(uid, found.identity),
                (None, Some(uid)) => {
                    changes.gone.insert(uid);
                }
                (Some(found), None) => {
                    if let Some(file) = changes.new.get_mut(unique) {
                        file.identity = Some(found.identity);
                    }
                }
                (None, None) => {
                    changes.new.remove(unique);
                }
            }
        }
    }

    fn answer_there(&mut self, look: &Look, server: &mut ServerChanges, asked: &Unsure) -> Result<(), Halt> {
        let name = &look.mailbox.name;
        if !asked.uids.is_empty() {
            let mut found: BTreeMap<Uid, Identity> = BTreeMap::new();
            for item in self.remote.identify(name, &asked.uids)? {
                let id = item.message_id.as_deref().and_then(MessageId::new).map(|id| digest(id.as_str()));
                found.insert(item.uid, Identity { size: item.size, id, digest: None });
            }
            for uid in &asked.uids {
                match (found.get(uid), server.new.get_mut(uid)) {
                    (Some(identity), Some(new)) => new.identity = Some(*identity),
                    // It is gone meanwhile.
                    _ => drop(server.new.remove(uid)),
                }
            }
        }
        for uid in &asked.digests {
            let Some(new) = server.new.get_mut(uid) else { continue };
            let Some(identity) = &mut new.identity else { continue };
            let mut glass = Glass::default();
            if identity.size <= COMPARABLE {
                self.remote.fetch(name, &[*uid], Want::Whole, &mut glass)?;
            }
            // What cannot be read is like nothing else.
            identity.digest = Some(glass.digest.unwrap_or_default());
        }
        Ok(())
    }

    /// Lets the guard judge. Gives what may be done now; `None`: nothing.
    fn judge(&mut self, look: &Look, full: &Plan, restarted: bool) -> Option<Plan> {
        let name = &look.mailbox.name;
        // In the first comparison of all, perhaps after the ledger was lost, nothing is removed.
        let mut plan = full.clone();
        if look.agreed.complete_at.get() == 0 {
            plan = plan.without_removals();
        }
        if !self.env.account.sync.guard && look.maildir.is_some() {
            return Some(plan);
        }
        let directory_missing = look.maildir.is_none();
        let verdict = guard(&plan, &Scene { mailbox: name, known: look.count, directory_missing, restarted });
        let (question, allowed) = match verdict {
            Verdict::Go => {
                self.memory.held.remove(name);
                return Some(plan);
            }
            Verdict::HoldRemovals(question) => (question, Some(plan.clone().without_removals())),
            Verdict::HoldAll(question) => (question, None),
        };
        match self.said(name) {
            Some(true) => {
                self.memory.answers.remove(name);
                self.memory.held.remove(name);
                Some(plan)
            }
            Some(false) => allowed,
            None => {
                let known = self.memory.held.insert(name.clone(), question.clone());
                if known.is_none() {
                    (self.report)(SyncReport::Held { mailbox: look.mailbox.clone(), question });
                }
                allowed
            }
        }
    }

    /// What the user said to the guard about this mailbox.
    fn said(&self, name: &MailboxName) -> Option<bool> {
        self.memory.answers.get(name).copied().or(self.env.consent)
    }

    fn carry_out(
        &mut self,
        look: &Look,
        plan: &Plan,
        told: &RemoteChanges,
        settled: Settled,
        whole: bool,
    ) -> Result<(), Halt> {
        let Some(maildir) = &look.maildir else { return Ok(()) };
        let mut hands = Hands {
            env: self.env,
            remote: &mut *self.remote,
            ledger: &mut *self.ledger,
            report: self.report,
            mailbox: &look.mailbox,
            key: look.key,
            maildir,
            epoch: told.validity,
            uid_next: told.uid_next,
            intents: settled.intents,
            counts: Counts::default(),
            faults: Vec::new(),
        };
        let applied = hands.apply(plan, look.agreed.validity);
        let Hands { counts, faults, intents, .. } = hands;
        self.unsettled |= !look.side.changes.arriving.is_empty();
        let clean = faults.is_empty();
        self.outcome.counts.add(&counts);
        for fault in faults {
            self.fault(fault);
        }
        applied?;
        self.adopted(look, plan, maildir)?;
        let settled: Vec<_> = intents.into_values().flatten().collect();
        self.agree(look, told, whole && clean, settled)?;
        (self.report)(SyncReport::Finished { mailbox: look.mailbox.clone(), counts });
        Ok(())
    }

    /// Tells the index the keywords of files that were found to be on the server already.
    fn adopted(&self, look: &Look, plan: &Plan, maildir: &Maildir) -> Result<(), Fault> {
        let rows = plan.ops.iter().filter_map(|op| match op {
            super::plan::Op::Adopt { row, .. } if row.flags != row.flags.system() => Some(row),
            _ => None,
        });
        let mut places = Vec::new();
        for row in rows {
            if let Some(entry) = maildir.find(&row.unique)? {
                let keywords = row.flags.minus(&row.flags.system());
                let now = PlaceFile { path: maildir.path_of(&entry), flags: entry.flags().union(&keywords) };
                places.push(PlaceChange { unique: row.unique.clone(), now: Some(now) });
            }
        }
        if !places.is_empty() {
            (self.report)(SyncReport::Changed(Changed { mailbox: look.mailbox.clone(), places }));
        }
        Ok(())
    }

    /// Writes down up to where both sides agree now: only once all of it is on disk.
    fn agree(
        &mut self,
        look: &Look,
        told: &RemoteChanges,
        whole: bool,
        settled: Vec<crate::ledger::IntentId>,
    ) -> Result<(), Halt> {
        let now = self.env.clock.now();
        let old = look.agreed;
        let same = old.validity == Some(told.validity);
        let stale = !same || now.get() - old.complete_at.get() > DAY;
        let complete = matches!(told.presence, Presence::Exactly(_)) && look.side.changes.complete;
        let complete_at = if complete && stale { now } else { old.complete_at };
        let certain = told.presence != Presence::Unknown;
        // With files still to be brought from another mailbox the directory has to be read again.
        let at_rest = whole && look.side.changes.arriving.is_empty() && look.side.changes.leaving.is_empty();
        let stamp = if at_rest && certain { look.stamp } else { DirStamp::default() };
        let taken_in = whole && certain && look.side.changes.complete;
        let agreed = Agreed {
            validity: Some(told.validity),
            modseq: if taken_in { told.modseq } else { old.modseq.filter(|_| same) },
            uid_next: if taken_in { told.uid_next } else { old.uid_next.filter(|_| same) },
            complete_at,
            stamp_cur: stamp.cur,
            stamp_new: stamp.new,
        };
        if agreed == old && settled.is_empty() {
            return Ok(());
        }
        self.env.step()?;
        Ok(self.ledger.commit(&[(look.key, Change { agreed: Some(agreed), settled, ..Change::default() })])?)
    }
}

/// Finds what was moved from one mailbox to another here.
fn join(looks: &mut [Look]) {
    if looks.iter().all(|look| look.side.changes.gone.is_empty()) {
        return;
    }
    for look in looks.iter_mut() {
        let Some(maildir) = &look.maildir else { continue };
        for (unique, file) in look.side.changes.new.iter_mut().filter(|(_, file)| file.origin.is_none()) {
            if let Ok(Some(found)) = read(maildir, unique) {
                file.identity = Some(found.identity);
            }
        }
    }
    let mut sides: Vec<Side> = looks
        .iter_mut()
        .map(|look| Side {
            mailbox: look.side.mailbox.clone(),
            base: std::mem::take(&mut look.side.base),
            changes: std::mem::take(&mut look.side.changes),
        })
        .collect();
    join_moves(&mut sides);
    for (look, side) in looks.iter_mut().zip(sides) {
        look.side = side;
    }
}

/// Looks at a message without keeping it.
#[derive(Default)]
struct Glass {
    hash: Sha256,
    digest: Option<[u8; 32]>,
}

impl crate::remote::Sink for Glass {
    fn open(&mut self, _: &crate::mail::ids::RemoteId, _: u64) -> Result<Box<dyn std::io::Write + '_>, Fault> {
        self.hash = Sha256::new();
        Ok(Box::new(&mut self.hash))
    }

    fn done(&mut self, message: crate::remote::Fetched) -> Result<(), Fault> {
        if message.trouble.is_none() {
            self.digest = Some(std::mem::take(&mut self.hash).finalize().into());
        }
        Ok(())
    }

    fn stop(&self) -> bool {
        false
    }
}
