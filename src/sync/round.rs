//! One round over an account's mailboxes: looks at the disk, joins moves, asks the server about those
//! mailboxes in which something changed, joins moves there, and then, one by one, plans, lets the guard
//! judge, and applies. INBOX and the mailbox on screen come first; a fault in one mailbox does not stop
//! the others. What changed nowhere is neither asked for nor written.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::alerts::Alerts;
use super::changes::LocalChanges;
use super::compare::{Heard, Sight};
use super::doubt::{self, Settled};
use super::env::{Env, Halt, Reporter};
use super::folders::{self, Folders, Stance};
use super::forecast::{self, Forecast};
use super::look::{BACK, Look};
use super::overtake::{self, Deeds};
use super::plan::{Op, Plan, plan};
use super::rivals::{Rivals, Way};
use super::trouble::Trouble;
use super::views;
use crate::fault::{Cause, Fault, Scope};
use crate::job::files::DirStamp;
use crate::job::sync::{Counts, FolderChange, SyncState};
use crate::job::{Changed, PlaceChange, PlaceFile, SyncReport};
use crate::ledger::{Agreed, Change, Ledger, MailboxKey};
use crate::mail::clean::Clean;
use crate::mail::ids::{Timestamp, Uid};
use crate::mail::mailbox::MailboxName;
use crate::mail::place::UniqueName;
use crate::remote::{Remote, Standing};
use crate::store::maildir::Maildir;
use crate::store::scan;

/// A mailbox's last complete comparison is written down anew after this long, in seconds.
const DAY: i64 = 86_400;
/// A mailbox is compared in full when it was not for this long, in seconds: what both sides say of
/// themselves (modification sequences, times of directories) is believed no longer.
const WEEK: i64 = 7 * DAY;
/// Not more than one mailbox in so many is compared in full in one round.
const SPREAD: usize = 7;
/// So many mailboxes are asked about at once.
const TOGETHER: usize = 32;

/// How far a round goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Extent {
    /// The mailboxes whose files changed here.
    Here,
    /// Those that changed here, and those that the server says have news. Where it cannot tell: INBOX, those watched,
    /// the mailbox on screen, and those that changed here.
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
    /// What could not be fetched, by mailbox.
    pub(crate) troubles: BTreeMap<MailboxName, Trouble>,
    /// What the server wanted the user to read.
    pub(crate) alerts: Alerts,
    /// Stubs of messages that nobody knows, of which the user was told.
    pub(crate) lone: BTreeSet<UniqueName>,
    /// Stubs whose message could not be fetched, of which the user was told.
    pub(crate) stubborn: BTreeSet<UniqueName>,
    /// When it is looked again for mail that is too old to be kept whole.
    pub(crate) expiry: Timestamp,
    /// Another program that may be at work in the tree.
    pub(crate) rivals: Rivals,
    /// Only show what would be done: nothing is written on either side.
    pub(crate) dry: Option<Forecast>,
}

/// What came of a round.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) counts: Counts,
    pub(crate) faults: Vec<Fault>,
    /// Did the server's side end in the middle of the work?
    pub(crate) more: bool,
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
    /// What is to be written down of mailboxes that are done, once all that left them has arrived.
    pub(crate) endings: Vec<Ending>,
    /// Mailboxes that were asked about and whose turn comes.
    pub(crate) ahead: BTreeSet<MailboxName>,
    /// The mailbox that waits, while what is urgent overtakes it.
    pub(crate) overtaking: Option<MailboxName>,
}

/// Up to where both sides of a mailbox agree, once it is done.
#[derive(Debug)]
pub(crate) struct Ending {
    key: MailboxKey,
    agreed: Agreed,
    /// What is written instead while messages that left are still on their way.
    waiting: Agreed,
    leaving: Vec<Uid>,
}

/// What may be written down of directories that were brought to what both sides agree on: how they are now, if
/// nobody else was at work there meanwhile.
fn stamp_after(look: &Look) -> DirStamp {
    let ours = || look.maildir.as_ref().and_then(scan::own_stamp);
    if look.stamp == DirStamp::default() { look.stamp } else { ours().unwrap_or(look.stamp) }
}

/// Can the other mailboxes go on? A full disk meets them as well.
fn concerns_one(fault: &Fault) -> bool {
    fault.scope <= Scope::Mailbox && fault.cause != Cause::DiskFull
}

impl Round<'_> {
    /// Runs the round. Faults of single mailboxes are collected; what stops the account is returned.
    pub(crate) fn run(&mut self, extent: Extent) -> Result<(), Halt> {
        self.unsettled = false;
        self.env.urgency.settle();
        self.pass(extent)?;
        self.remove_folders()?;
        // Where a moved file belongs is known once the mailbox that it left was looked at.
        if self.memory.dry.is_some() {
            return Ok(());
        }
        if self.unsettled {
            self.pass(Extent::Here)?;
        }
        self.tend(extent)
    }

    fn pass(&mut self, extent: Extent) -> Result<(), Halt> {
        let (folders, fresh) = match self.memory.folders.take().filter(|known| self.may_use(known, extent)) {
            Some(folders) => (folders, false),
            None => (self.folders()?, true),
        };
        // All are looked at on disk, also where only some are to be synced: what was moved from one of
        // these to another one would else be removed on the server here and uploaded there some day.
        let mut order = folders.synced.clone();
        let standings = if fresh { folders.standings.clone() } else { BTreeMap::new() };
        self.memory.folders = Some(folders);
        let (anchor, visible) = (self.anchor(), self.on_screen());
        let labelled = self.memory.folders.as_ref().is_some_and(|folders| folders.home.is_some());
        order.sort_by_key(|name| (*name != anchor, Some(name) != visible.as_ref()));
        let mut settled = match self.memory.dry {
            Some(_) => BTreeMap::new(),
            None => doubt::settle(self.env, self.remote, self.ledger)?,
        };
        let due = if extent == Extent::All { self.due(&order)? } else { BTreeSet::new() };
        let mut looks = self.survey(&order, &due)?;
        self.trace(&mut looks, &settled)?;
        self.observe(&looks)?;
        let rights = self.remote.rights();
        if rights.delete && !rights.append && !rights.r#move {
            for look in &mut looks {
                self.spare_what_was_filed(look)?;
            }
        }
        let is_wanted = |look: &Look| {
            let name = &look.mailbox.name;
            let here = look.is_stirred()
                || settled.get(name).is_some_and(Settled::is_pressing)
                || self.memory.answers.contains_key(name);
            // What was asked about may have come right by itself.
            let asked = extent != Extent::Here && self.memory.held.contains_key(name);
            let there = match (extent, standings.get(name)) {
                (Extent::Here, _) => false,
                (_, Some(standing)) => !self.is_known(look, standing),
                (Extent::News, None) => {
                    labelled || *name == anchor || Some(name) == visible.as_ref() || self.is_watched(name)
                }
                (Extent::All, None) => true,
            };
            look.due || here || asked || there
        };
        self.stay_within(&mut looks);
        let (mut wanted, mut calm): (Vec<Look>, Vec<Look>) = looks.into_iter().partition(is_wanted);
        if labelled && wanted.iter().any(|look| look.mailbox.name == anchor) {
            // What is gone from all mail went to the trash or to spam, and is asked about there in one go.
            let is_open = |look: &mut Look| match standings.get(&look.mailbox.name) {
                Some(standing) => !self.is_known(look, standing),
                None => look.agreed.complete_at.get() != 0,
            };
            wanted.extend(calm.extract_if(.., is_open));
        }
        self.rest(&calm)?;
        // A mailbox that was never compared in full may be large.
        let (known, mut strangers): (Vec<Look>, Vec<Look>) =
            wanted.into_iter().partition(|look| look.agreed.complete_at.get() != 0);
        let is_first = |look: &Look| look.mailbox.name == anchor || Some(&look.mailbox.name) == visible.as_ref();
        let first: Vec<Look> = strangers.extract_if(.., |look| is_first(look)).collect();
        for look in first {
            let standing = standings.get(&look.mailbox.name);
            self.meet_stranger(look, standing, &mut settled)?;
        }
        self.meet(known, &mut settled)?;
        self.meet_strangers(strangers, &standings, &mut settled)
    }

    /// The mailbox that comes first: INBOX, or where all mail lies.
    pub(super) fn anchor(&self) -> MailboxName {
        self.memory.folders.as_ref().map_or_else(MailboxName::inbox, Folders::anchor)
    }

    /// The mailbox whose messages are on screen.
    pub(super) fn on_screen(&self) -> Option<MailboxName> {
        self.memory.visible.as_ref().map(|visible| self.home_of(visible))
    }

    fn home_of(&self, name: &MailboxName) -> MailboxName {
        self.memory.folders.as_ref().map_or_else(|| name.clone(), |folders| folders.home_of(name))
    }

    fn is_watched(&self, name: &MailboxName) -> bool {
        self.env.account.sync.watch.contains(name)
    }

    /// Is the list of folders good enough for this round? One that tells where there is news is asked
    /// for anew, since that takes one round trip for all of them.
    fn may_use(&self, known: &Folders, extent: Extent) -> bool {
        let tells = || known.standings.values().any(|standing| standing.modseq.is_some());
        match extent {
            Extent::Here => self.is_current(known),
            Extent::News => self.is_current(known) && !tells(),
            Extent::All => false,
        }
    }

    /// The mailboxes that it is time to compare in full: a few of those for which that was long ago, and
    /// others in each round, so that one that fails stands in nobody's way.
    fn due(&mut self, order: &[MailboxName]) -> Result<BTreeSet<MailboxName>, Fault> {
        let now = self.env.clock.now().get();
        let mut due = Vec::new();
        for name in order.iter().filter(|name| self.env.wants(name)) {
            let key = self.ledger.mailbox(&self.env.mailbox(name))?;
            let complete_at = self.ledger.agreed(key)?.complete_at.get();
            // Never compared at all is not late: it is done in full anyway.
            if complete_at != 0 && now - complete_at > WEEK {
                due.push(name.clone());
            }
        }
        if !due.is_empty() {
            let turn = usize::try_from(now / 60).unwrap_or(0) % due.len();
            due.rotate_left(turn);
        }
        due.truncate(order.len().div_ceil(SPREAD));
        Ok(due.into_iter().collect())
    }

    /// Is all that the server has in this mailbox known, as far as its standing tells?
    fn is_known(&self, look: &Look, standing: &Standing) -> bool {
        let (Some(uid_next), Some(modseq)) = (standing.uid_next, standing.modseq) else { return false };
        let Agreed { validity, uid_next: known_next, modseq: known_modseq, .. } = look.agreed;
        let agreed = (validity, known_next, known_modseq) == (Some(standing.validity), Some(uid_next), Some(modseq))
            && look.count == standing.messages as usize;
        let trouble = self.memory.troubles.get(&look.mailbox.name);
        agreed || trouble.is_some_and(|trouble| trouble.is_all(standing, self.env.clock.now()))
    }

    /// Writes down how the directories of mailboxes look in which nothing is to be done.
    fn rest(&mut self, calm: &[Look]) -> Result<(), Halt> {
        let stamped = |look: &&Look| {
            let known = DirStamp { cur: look.agreed.stamp_cur, new: look.agreed.stamp_new };
            known != look.stamp && look.stamp != DirStamp::default()
        };
        let change = |look: &Look| {
            let agreed = Agreed { stamp_cur: look.stamp.cur, stamp_new: look.stamp.new, ..look.agreed };
            (look.key, Change { agreed: Some(agreed), ..Change::default() })
        };
        let changes: Vec<_> = calm.iter().filter(stamped).map(change).collect();
        if changes.is_empty() || self.memory.dry.is_some() {
            return Ok(());
        }
        self.env.step()?;
        Ok(self.ledger.commit(&changes)?)
    }

    /// Lets both sides of these mailboxes meet: all of them are asked about, in as few round trips as
    /// may be, before the first one is changed, so that what moved between them shows.
    pub(super) fn meet(&mut self, looks: Vec<Look>, settled: &mut BTreeMap<MailboxName, Settled>) -> Result<(), Halt> {
        let mut sights = Vec::with_capacity(looks.len());
        let mut looks = looks.into_iter();
        while !looks.as_slice().is_empty() {
            self.env.step()?;
            self.ask(looks.by_ref().take(TOGETHER), settled, &mut sights)?;
        }
        self.join_there(&mut sights)?;
        let ended = self.each(sights);
        let concluded = self.conclude();
        ended?;
        concluded
    }

    fn ask(
        &mut self,
        looks: impl Iterator<Item = Look>,
        settled: &mut BTreeMap<MailboxName, Settled>,
        sights: &mut Vec<Sight>,
    ) -> Result<(), Halt> {
        let mut some = Vec::new();
        for mut look in looks {
            let mut settled = settled.remove(&look.mailbox.name).unwrap_or_default();
            for (unique, found) in std::mem::take(&mut settled.found) {
                if let Some(file) = look.side.changes.new.get_mut(&unique) {
                    file.origin = Some(found.origin);
                } else {
                    // Its file went while the server was asked for it.
                    settled.intents.remove(&unique);
                    settled.echoes.push(found.echo);
                }
            }
            let since = Self::since(&look);
            if self.memory.folders.as_ref().is_some_and(|folders| folders.unborn.contains(&look.mailbox.name)) {
                sights.push(Sight { settled, ..self.compare(look, &since, forecast::unborn())? });
                continue;
            }
            some.push((since, look, settled));
        }
        let asked: Vec<_> = some.iter().map(|(since, look, _)| (look.mailbox.name.clone(), *since)).collect();
        for (told, (since, mut look, settled)) in self.remote.changes_of(&asked)?.into_iter().zip(some) {
            match told {
                Ok(told) => {
                    let Some((told, since)) = self.believe(&mut look, told, since)? else { continue };
                    self.adopt(&mut look, &told)?;
                    sights.push(Sight { settled, ..self.compare(look, &since, told)? });
                }
                Err(fault) => self.pass_over(fault.into())?,
            }
        }
        Ok(())
    }

    fn each(&mut self, sights: Vec<Sight>) -> Result<(), Halt> {
        self.ahead = sights.iter().map(|sight| sight.look.mailbox.name.clone()).collect();
        let mut sights = VecDeque::from(sights);
        loop {
            let visible = self.env.urgency.visible().map(|name| self.home_of(&name));
            let on_screen = sights.iter().position(|sight| Some(&sight.look.mailbox.name) == visible.as_ref());
            let Some(sight) = sights.remove(on_screen.unwrap_or_default()) else { return Ok(()) };
            self.env.step()?;
            self.ahead.remove(&sight.look.mailbox.name);
            match self.mailbox(sight) {
                Ok(()) => {}
                Err(halt) => self.pass_over(halt)?,
            }
            self.tell_alerts();
        }
    }

    /// Tells what the server wants the user to read, the same words once a day.
    pub(crate) fn tell_alerts(&mut self) {
        for text in self.remote.alerts() {
            if self.memory.alerts.is_news(&text, self.env.clock.now()) {
                (self.report)(SyncReport::Alert { account: self.env.account.id.clone(), text });
            }
        }
    }

    /// Writes down of all mailboxes that are done up to where both sides agree, in one step. A mailbox
    /// whose messages went elsewhere is told of that again as long as their files have not followed.
    pub(super) fn conclude(&mut self) -> Result<(), Halt> {
        let mut changes = Vec::new();
        for Ending { key, agreed, waiting, leaving } in std::mem::take(&mut self.endings) {
            let followed = leaving.is_empty() || self.ledger.rows_of_uids(key, &leaving)?.is_empty();
            let agreed = if followed { agreed } else { waiting };
            changes.push((key, Change { agreed: Some(agreed), ..Change::default() }));
        }
        if changes.is_empty() {
            return Ok(());
        }
        self.env.step()?;
        Ok(self.ledger.commit(&changes)?)
    }

    /// Notes a fault that concerns one mailbox, so that the others can go on; any other halt stops all.
    pub(super) fn pass_over(&mut self, halt: Halt) -> Result<(), Halt> {
        match halt {
            Halt::Failed(fault) if concerns_one(&fault) => {
                self.fault(fault);
                Ok(())
            }
            halt => Err(halt),
        }
    }

    /// Is every folder on disk known? What was moved to an unknown one would look like removed.
    fn is_current(&self, known: &Folders) -> bool {
        self.env.root().list().found.keys().all(|name| known.shown.iter().any(|(shown, _)| shown == name))
    }

    /// Tells of a fault, once: a round may come by a mailbox twice.
    pub(super) fn fault(&mut self, fault: Fault) {
        let fault = fault.of(&self.env.account.id);
        if !self.outcome.faults.contains(&fault) {
            self.outcome.faults.push(fault);
        }
    }

    fn folders(&mut self) -> Result<Folders, Halt> {
        self.expect_anchor()?;
        let memory = &*self.memory;
        let stance = Stance {
            dry: memory.dry.is_some(),
            said: &|name| memory.answers.get(name).copied().or(self.env.consent),
            report: self.report,
        };
        let mut folders = folders::meet(self.env, &mut *self.remote, self.ledger, &stance)?;
        for fault in std::mem::take(&mut folders.faults) {
            self.fault(fault);
        }
        for (name, question) in std::mem::take(&mut folders.held) {
            self.hold(&name, question);
        }
        for (name, change) in std::mem::take(&mut folders.changes) {
            self.folder_changed(&name, change);
        }
        views::note(self.env, self.ledger, folders.home.as_ref(), &folders.views, self.report)?;
        self.env.watches.stand_in(folders.home.as_ref());
        let mailboxes = folders.shown.iter().map(|(name, role)| (self.env.mailbox(name), *role)).collect();
        (self.report)(SyncReport::Folders { account: self.env.account.id.clone(), mailboxes });
        Ok(folders)
    }

    /// Tells what was done with a folder, or would be.
    fn folder_changed(&mut self, name: &MailboxName, change: FolderChange) {
        let mailbox = self.env.mailbox(name);
        match &mut self.memory.dry {
            Some(forecast) => forecast.folders.push((mailbox, change)),
            // That one is told when it is done.
            None if change == FolderChange::RemovedThere => {}
            None => {
                self.memory.answers.remove(name);
                self.memory.held.remove(name);
                (self.report)(SyncReport::FolderChanged { mailbox, change });
            }
        }
    }

    /// Removes the folders on the server that were removed here and have no mail any more.
    fn remove_folders(&mut self) -> Result<(), Halt> {
        let Some(folders) = &mut self.memory.folders else { return Ok(()) };
        if folders.leaving.is_empty() || self.memory.dry.is_some() {
            return Ok(());
        }
        let leaving = std::mem::take(&mut folders.leaving);
        let (removed, faults) = folders::remove_left(self.env, self.remote, self.ledger, &leaving)?;
        // What is left of them is listed anew.
        self.memory.folders = None;
        for fault in faults {
            self.fault(fault);
        }
        for name in removed {
            self.memory.answers.remove(&name);
            self.memory.held.remove(&name);
            let mailbox = self.env.mailbox(&name);
            (self.report)(SyncReport::FolderChanged { mailbox, change: FolderChange::RemovedThere });
        }
        Ok(())
    }

    pub(super) fn mailbox(&mut self, sight: Sight) -> Result<(), Halt> {
        let Sight { mut look, heard, mut server, settled } = sight;
        let name = look.mailbox.name.clone();
        let account = self.env.account.id.clone();
        let state = SyncState::Working { mailbox: name.clone(), done: 0, total: 0 };
        (self.report)(SyncReport::State { account, state });
        if !look.side.changes.arriving.is_empty() {
            self.take_in_moves(&mut look)?;
        }
        let mut untold = Vec::new();
        if self.memory.dry.is_none() {
            untold = self.hear_echoes(&mut look, &mut server, &settled.echoes)?;
        }
        self.answer(&mut look, &mut server)?;
        let mut full = plan(&server, &look.side.changes, &look.side.base);
        self.narrow(&name, &mut full)?;
        let steps = full.ops.len();
        let way = self.give_way(&look, heard.validity, full)?;
        if self.memory.dry.is_some() {
            let (Way::Free(full) | Way::Given(full)) = way;
            self.foretell(look, full, server.restarted);
            return Ok(());
        }
        let judged = match (way, &self.overtaking) {
            (Way::Free(plan), None) => self.judge(&look, plan, server.restarted),
            (Way::Given(plan), None) => Some(plan),
            (Way::Free(plan) | Way::Given(plan), Some(_)) => overtake::only_fetching(plan),
        };
        let Some(mut plan) = judged else { return Ok(()) };
        let whole = plan.ops.len() == steps;
        // What the server told of each message is in the plan now.
        let leaving: Vec<Uid> = server.leaving.into_iter().collect();
        drop(server.new);
        let spared = self.spare(&name, &mut plan);
        let Some(maildir) = &look.maildir else { return Ok(()) };
        self.rename_outdated(&look, maildir, heard.validity, &mut plan)?;
        let mut counts = Counts { adopted: look.kept.map_or(0, |(_, count)| count), ..Counts::default() };
        counts.keeper = look.kept.map(|(keeper, _)| keeper);
        if look.agreed.complete_at.get() == 0 {
            counts.adopted += plan.ops.iter().filter(|op| matches!(op, Op::Adopt { .. })).count() as u64;
        }
        if look.stamp != DirStamp::default() {
            scan::watch(maildir, look.stamp);
        }
        let (done, applied) = self.carry_out((&look, maildir), &heard, settled.intents, &plan, counts);
        let Deeds { counts, faults, mut unfetched, troubles, lone, refused } = done;
        unfetched.extend(plan.withheld.iter().chain(&untold));
        self.unsettled |= !look.side.changes.arriving.is_empty() || Self::leaves_labels(&look, &plan);
        let clean = faults.is_empty() && spared.files.is_empty();
        let fetched = spared.uids.is_empty() && unfetched.is_empty() && troubles.is_empty();
        self.outcome.counts.add(&counts);
        for fault in faults.into_iter().chain(troubles) {
            self.fault(fault);
        }
        self.tell_lone(&look, &plan, lone);
        applied?;
        self.adopted(&look, &plan, maildir)?;
        self.letters(&look, &plan, maildir)?;
        self.remember(&name, &heard, &spared, (&unfetched, &refused), whole && clean && heard.certain);
        self.agree(&look, &heard, whole && clean && fetched, leaving);
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

    /// Says up to where both sides agree now: to be written down once all of it is on disk.
    fn agree(&mut self, look: &Look, heard: &Heard, whole: bool, leaving: Vec<Uid>) {
        let now = self.env.clock.now();
        let old = look.agreed;
        let same = old.validity == Some(heard.validity);
        let stale = !same || now.get() - old.complete_at.get() > DAY;
        let complete = heard.in_full && look.side.changes.complete;
        // With files still to be brought from another mailbox the directory has to be read again.
        let LocalChanges { arriving, leaving: left, sealed, .. } = &look.side.changes;
        // So has a file to be looked for that could not be read: what mends it does not show in the directory.
        let at_rest = whole && arriving.is_empty() && left.is_empty() && sealed.is_empty();
        let stamp = match (at_rest && heard.certain, look.went_back()) {
            (true, false) => stamp_after(look),
            (true, true) if look.stamp != DirStamp::default() => stamp_after(look),
            // What is fetched meanwhile makes them young again, but not whole.
            (_, true) => BACK,
            (false, false) => DirStamp::default(),
        };
        let waiting = Agreed {
            validity: Some(heard.validity),
            modseq: old.modseq.filter(|_| same),
            uid_next: old.uid_next.filter(|_| same),
            complete_at: if complete && stale { now } else { old.complete_at },
            stamp_cur: stamp.cur,
            stamp_new: stamp.new,
        };
        let taken_in = whole && heard.certain && look.side.changes.complete;
        let agreed =
            if taken_in { Agreed { modseq: heard.modseq, uid_next: heard.uid_next, ..waiting } } else { waiting };
        if agreed != old || waiting != old {
            self.endings.push(Ending { key: look.key, agreed, waiting, leaving });
        }
    }
}
