//! One round over an account's mailboxes: looks at the disk, joins moves, and for each mailbox asks
//! the server what changed, plans, lets the guard judge, and applies. INBOX and the mailbox on
//! screen come first; a fault in one mailbox does not stop the others.

use std::collections::BTreeMap;

use super::apply::Hands;
use super::doubt::{self, Settled};
use super::env::{Env, Halt, Reporter};
use super::folders::{self, Folders};
use super::look::{Look, join};
use super::plan::{Plan, plan};
use crate::fault::{Cause, Fault, Scope};
use crate::job::files::DirStamp;
use crate::job::sync::{Counts, SyncState};
use crate::job::{Changed, PlaceChange, PlaceFile, SyncReport};
use crate::ledger::{Agreed, Change, Ledger};
use crate::mail::clean::Clean;
use crate::mail::mailbox::MailboxName;
use crate::mail::place::MailboxId;
use crate::remote::{Presence, Remote, RemoteChanges};
use crate::store::maildir::Maildir;

/// A mailbox's last complete comparison is written down anew after this long, in seconds.
const DAY: i64 = 86_400;

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

    pub(super) fn fault(&mut self, fault: Fault) {
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
            lettering: &look.lettering,
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
        self.letters(look, plan, maildir)?;
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
                let keywords = row.flags.words();
                let (path, flags) = (maildir.path_of(&entry), maildir.flags(&entry).union(&keywords));
                let now = PlaceFile { path, flags, tells: None };
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
