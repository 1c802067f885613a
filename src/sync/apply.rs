//! Carries out the plan for one mailbox, step by step, each written down before the next: files
//! durable, then the ledger, then the report. It decides nothing; a step that finds the world
//! changed does nothing, and the next round plans anew.

use std::collections::{BTreeMap, BTreeSet};

use super::changes::{Agreed as Known, Identity, fits};
use super::content::{Read, read};
use super::env::{Env, Halt, Reporter};
use super::fetch::Tray;
use super::keywords::Lettering;
use super::plan::{FlagChange, Op, Plan};
use crate::fault::{Cause, Doing, Fault, Scope};
use crate::job::sync::Counts;
use crate::job::{Changed, PlaceChange, PlaceFile, SyncReport};
use crate::ledger::{Agreed, Change, Intent, IntentId, LabelWish, Ledger, MailboxKey, Row, digest};
use crate::mail::flags::Flags;
use crate::mail::ids::{MessageId, Uid, UidValidity};
use crate::mail::mailbox::MailboxName;
use crate::mail::place::{MailboxId, UniqueName};
use crate::remote::{Push, Pushed, Remote, Want};
use crate::store::maildir::Maildir;
use crate::store::name;
use crate::store::quarantine::Quarantine;

/// Messages that one step of flags, moves or removals takes at once.
const AT_ONCE: usize = 500;
/// Messages that are appended before the ledger is written.
const APPENDS: usize = 20;
/// The bytes after which no further message is added to these: all are in memory at once.
const APPEND_BYTES: u64 = 32 << 20;

/// A message on its way from another mailbox: its UID here and there, its file there, its row here.
type Passenger<'a> = (Uid, Uid, &'a UniqueName, &'a Known);

/// All that is needed to work on one mailbox, and what came of it so far.
pub(crate) struct Hands<'a> {
    pub(crate) env: &'a Env,
    pub(crate) remote: &'a mut dyn Remote,
    pub(crate) ledger: &'a mut Ledger,
    pub(crate) report: Reporter<'a>,
    pub(crate) mailbox: &'a MailboxId,
    pub(crate) key: MailboxKey,
    pub(crate) maildir: &'a Maildir,
    /// The epoch of the UIDs.
    pub(crate) epoch: UidValidity,
    /// UIDNEXT at the time of the listing.
    pub(crate) uid_next: Option<Uid>,
    /// Intents that an adoption fulfils.
    pub(crate) intents: BTreeMap<UniqueName, Vec<IntentId>>,
    /// What the names of its files tell of keywords.
    pub(super) lettering: &'a Lettering,
    /// What is wished for the labels of its messages.
    pub(super) wishes: &'a BTreeMap<UniqueName, LabelWish>,
    /// What was done.
    pub(crate) counts: Counts,
    /// The labels that the server told of messages that are fetched: nothing tells them again.
    pub(super) labels: BTreeMap<Uid, Flags>,
    /// Messages that could not be fetched before, of which the user was told.
    pub(crate) again: BTreeSet<Uid>,
    /// What went wrong with single messages; they are tried again in a later round.
    pub(crate) faults: Vec<Fault>,
    /// May what is urgent overtake what is fetched here?
    pub(crate) yields: bool,
    /// Messages that wait until what overtook them is done: nothing of the plan that comes after the fetching
    /// was begun.
    pub(crate) overtaken: BTreeSet<Uid>,
    /// Messages that could not be fetched.
    pub(crate) unfetched: Vec<Uid>,
    /// Why, of those of which the user was not told yet.
    pub(crate) troubles: Vec<Fault>,
    /// Stubs of messages that are not known here, which were not uploaded.
    pub(crate) lone: Vec<UniqueName>,
}

/// The ledger's row of what both sides know.
pub(crate) fn row(uid: Uid, known: &Known) -> Row {
    let Known { unique, flags, identity } = known;
    Row { uid, unique: unique.clone(), flags: flags.clone(), size: identity.size, digest: identity.id }
}

/// What both sides know, of the ledger's row.
pub(crate) fn known(row: Row) -> (Uid, Known) {
    let identity = Identity { size: row.size, id: row.digest, digest: None };
    (row.uid, Known { unique: row.unique, flags: row.flags, identity })
}

impl Hands<'_> {
    /// Carries out the plan. What was done before a halt stays done and is counted.
    pub(crate) fn apply(&mut self, plan: &Plan, known: Option<UidValidity>) -> Result<(), Halt> {
        self.adopt(plan, known)?;
        self.bring_over(plan)?;
        self.download(plan)?;
        if !self.overtaken.is_empty() {
            return Ok(());
        }
        self.append(plan)?;
        self.flags(plan)?;
        self.relocate(plan)?;
        self.remove_here(plan)?;
        self.remove_there(plan)
    }

    fn commit(&mut self, change: Change) -> Result<(), Halt> {
        if change == Change::default() {
            return Ok(());
        }
        Ok(self.ledger.commit(&[(self.key, change)])?)
    }

    fn tell(&self, places: Vec<PlaceChange>) {
        if !places.is_empty() {
            (self.report)(SyncReport::Changed(Changed { mailbox: self.mailbox.clone(), places }));
        }
    }

    /// Writes down what both sides have already; in a new epoch in one step with dropping the old.
    fn adopt(&mut self, plan: &Plan, known: Option<UidValidity>) -> Result<(), Halt> {
        let mut change = Change { reset: plan.restart, ..Change::default() };
        for op in &plan.ops {
            match op {
                Op::Adopt { uid, row: known } => {
                    change.put.push(row(*uid, known));
                    change.settled.extend(self.intents.remove(&known.unique).unwrap_or_default());
                }
                Op::Forget { uid } => change.remove.push(*uid),
                _ => {}
            }
        }
        if known != Some(self.epoch) || plan.restart {
            // What was paired in another epoch is as good a base as before: it is no first comparison.
            // Where the number of the epoch stayed, UIDNEXT tells the next round that this one was stopped.
            let old = self.ledger.agreed(self.key)?;
            let uid_next = old.uid_next.filter(|_| known == Some(self.epoch));
            let (validity, complete_at) = (Some(self.epoch), old.complete_at);
            change.agreed = Some(Agreed { validity, uid_next, complete_at, ..Agreed::default() });
        }
        self.env.step()?;
        self.commit(change)
    }

    /// Brings files over that were moved here from other mailboxes on the server: all files first, then
    /// their rows in one step. Whoever comes after a stop finds them by the origin in their new names.
    fn bring_over(&mut self, plan: &Plan) -> Result<(), Halt> {
        let mut by_source: BTreeMap<&MailboxName, Vec<Passenger<'_>>> = BTreeMap::new();
        for op in &plan.ops {
            if let Op::BringOver { uid, from, from_uid, unique, row } = op {
                by_source.entry(from).or_default().push((*uid, *from_uid, unique, row));
            }
        }
        for (from, all) in by_source {
            for some in all.chunks(AT_ONCE) {
                self.env.step()?;
                self.bring_some_over(from, some)?;
            }
        }
        Ok(())
    }

    fn bring_some_over(&mut self, from: &MailboxName, some: &[Passenger<'_>]) -> Result<(), Halt> {
        let source = Maildir::open(&self.env.root().directory(from)?)?;
        let uniques: Vec<UniqueName> = some.iter().map(|(_, _, unique, _)| (*unique).clone()).collect();
        let found = source.find_all(&uniques)?;
        let (mut leave, mut arrive) = (Change::default(), Change::default());
        let (mut left, mut arrived) = (Vec::new(), Vec::new());
        for (uid, from_uid, unique, known) in some {
            // Where the user took it away meanwhile, the next round sees it anew.
            let Some(entry) = found.get(*unique) else { continue };
            match source.move_to(entry, self.maildir, &known.unique) {
                Ok(Some(entry)) => {
                    leave.remove.push(*from_uid);
                    arrive.put.push(row(*uid, known));
                    arrive.letters.push((*uid, entry.letters()));
                    let flags = self.maildir.flags(&entry).union(&known.flags.words());
                    let now = PlaceFile { path: self.maildir.path_of(&entry), flags, tells: None };
                    arrived.push(PlaceChange { unique: known.unique.clone(), now: Some(now) });
                    left.push(PlaceChange { unique: (*unique).clone(), now: None });
                }
                Ok(None) => {}
                Err(fault) if fault.cause == Cause::DiskFull => return Err(fault.into()),
                Err(fault) => self.faults.push(fault.scope(Scope::Message)),
            }
        }
        if arrived.is_empty() {
            return Ok(());
        }
        self.maildir.settle()?;
        source.settle()?;
        self.env.step()?;
        let from = self.env.mailbox(from);
        let from_key = self.ledger.mailbox(&from)?;
        self.counts.moved += arrived.len() as u64;
        self.ledger.commit(&[(from_key, leave), (self.key, arrive)])?;
        // The new place first, so that nobody takes the message for gone in between.
        self.tell(arrived);
        (self.report)(SyncReport::Changed(Changed { mailbox: from, places: left }));
        Ok(())
    }

    fn download(&mut self, plan: &Plan) -> Result<(), Halt> {
        let wanted = plan.ops.iter().filter_map(|op| if let Op::Download { uid, .. } = op { Some(*uid) } else { None });
        let (again, first): (Vec<Uid>, Vec<Uid>) = wanted.partition(|uid| self.again.contains(uid));
        let (stubs, whole): (Vec<Uid>, Vec<Uid>) = first.into_iter().partition(|uid| plan.stubs.contains(uid));
        let words = plan.ops.iter().filter_map(|op| match op {
            Op::Download { uid, flags } => Some((*uid, flags.minus(&flags.without_labels()))),
            _ => None,
        });
        self.labels = words.filter(|(_, words)| !words.is_empty()).collect();
        self.fetch(&whole, Want::Whole)?;
        if self.overtaken.is_empty() {
            self.fetch(&stubs, Want::Header)?;
        } else {
            self.overtaken.extend(stubs);
        }
        if !self.overtaken.is_empty() {
            self.overtaken.extend(again);
            return Ok(());
        }
        // What failed before comes last, and the user has been told of it.
        let told = self.troubles.len();
        let (stubs, whole): (Vec<Uid>, Vec<Uid>) = again.into_iter().partition(|uid| plan.stubs.contains(uid));
        self.fetch(&whole, Want::Whole)?;
        self.fetch(&stubs, Want::Header)?;
        for fault in self.troubles.drain(told..) {
            tracing::info!("once more: {fault}");
        }
        Ok(())
    }

    fn fetch(&mut self, uids: &[Uid], want: Want) -> Result<(), Halt> {
        if uids.is_empty() {
            return Ok(());
        }
        self.env.step()?;
        let target = (self.mailbox, self.key, self.maildir);
        let mut tray = Tray::new(self.env, self.ledger, self.report, target, (uids.len(), want, self.yields));
        tray.labels.clone_from(&self.labels);
        let fetched = self.remote.fetch(&self.mailbox.name, uids, want, &mut tray);
        let finished = tray.finish(fetched);
        self.counts.fetched += tray.landed;
        let mut faults = std::mem::take(&mut tray.faults);
        let nameless = std::mem::take(&mut tray.nameless);
        let (some_failed, overtaken) = (!faults.is_empty(), tray.overtaken.get());
        self.troubles.append(&mut faults);
        finished?;
        if some_failed || overtaken {
            let here: BTreeSet<Uid> = self.ledger.rows_of_uids(self.key, uids)?.iter().map(|row| row.uid).collect();
            let missing = uids.iter().filter(|uid| !here.contains(uid) && (overtaken || !nameless.contains(uid)));
            if overtaken {
                self.overtaken.extend(missing);
                // They are tried again then, and told of once.
                self.troubles.clear();
            } else {
                self.unfetched.extend(missing);
            }
        }
        self.env.step()?;
        if nameless.is_empty() || overtaken { Ok(()) } else { self.fetch(&nameless, Want::Whole) }
    }

    /// Appends files: intent, effect, confirmation. What a fault leaves unconfirmed is looked for
    /// on the server before it is ever appended again.
    fn append(&mut self, plan: &Plan) -> Result<(), Halt> {
        let appends: Vec<(&UniqueName, &Flags)> = plan
            .ops
            .iter()
            .filter_map(|op| if let Op::Append { unique, flags, .. } = op { Some((unique, flags)) } else { None })
            .collect();
        let mut rest = appends.iter();
        while !rest.as_slice().is_empty() {
            self.env.step()?;
            let mut change = Change::default();
            let done = self.append_some(&mut rest, &mut change);
            let written = self.env.step().and_then(|()| self.commit(change));
            done?;
            written?;
        }
        Ok(())
    }

    fn append_some(
        &mut self,
        rest: &mut std::slice::Iter<'_, (&UniqueName, &Flags)>,
        change: &mut Change,
    ) -> Result<(), Halt> {
        let mut files = Vec::new();
        let mut intents = Vec::new();
        let mut bytes = 0;
        while files.len() < APPENDS && bytes < APPEND_BYTES {
            let Some((unique, flags)) = rest.next() else { break };
            match read(self.maildir, unique) {
                Ok(Some(file)) if file.is_stub => self.lone.push((*unique).clone()),
                Ok(Some(file)) => {
                    intents.push(Intent::Append {
                        mailbox: self.mailbox.clone(),
                        validity: self.epoch,
                        uid_next: self.uid_next,
                        unique: (*unique).clone(),
                        message_id: file.message_id.clone(),
                        size: file.identity.size,
                    });
                    bytes += file.identity.size;
                    files.push((*unique, *flags, file));
                }
                // The user took it away meanwhile.
                Ok(None) => {}
                Err(fault) => self.faults.push(fault.scope(Scope::Message)),
            }
        }
        let intents = self.ledger.intend(&intents, self.env.clock.now())?;
        for ((unique, flags, file), intent) in files.into_iter().zip(intents) {
            self.env.step()?;
            let push = Push::Append { bytes: &file.bytes, flags, date: name::date(unique.as_str()) };
            let id = match self.remote.push(&self.mailbox.name, &push) {
                Ok(Pushed::Appended(id)) => id,
                Ok(_) => None,
                Err(fault) if refused(&fault) => {
                    change.settled.push(intent);
                    self.faults.push(fault.scope(Scope::Message));
                    continue;
                }
                Err(fault) => return Err(fault.into()),
            };
            self.counts.appended += 1;
            if let Some((_, uid)) = id.filter(|(epoch, _)| *epoch == self.epoch) {
                if self.is_twin((self.mailbox, self.key, self.maildir), uid, (unique, &file.identity))? {
                    change.settled.push(intent);
                    continue;
                }
                let known = Known { unique: unique.clone(), flags: flags.clone(), identity: file.identity };
                change.letters.push((uid, self.lettering.now(unique, uid)));
                change.put.push(row(uid, &known));
                // What an earlier attempt sent may still land, so its intent stays.
                change.settled.push(intent);
            } else if let Some(uid) = self.find(&file)? {
                let known = Known { unique: unique.clone(), flags: flags.clone(), identity: file.identity };
                change.letters.push((uid, self.lettering.now(unique, uid)));
                change.put.push(row(uid, &known));
                change.settled.push(intent);
            }
            // Else the next listing pairs it by what it is.
        }
        Ok(())
    }

    /// The UID of what was appended just now to a server that does not tell it: only if there is
    /// exactly one.
    fn find(&mut self, file: &Read) -> Result<Option<Uid>, Fault> {
        let Some(id) = &file.message_id else { return Ok(None) };
        let found = self.remote.search_id(&self.mailbox.name, id.as_str(), self.uid_next)?;
        Ok(if let [uid] = found.as_slice() { Some(*uid) } else { None })
    }

    fn flags(&mut self, plan: &Plan) -> Result<(), Halt> {
        let changes: Vec<&FlagChange> =
            plan.ops.iter().filter_map(|op| if let Op::Flags(change) = op { Some(&**change) } else { None }).collect();
        for some in changes.chunks(AT_ONCE) {
            self.env.step()?;
            let (agreed, wishes) = self.labels_there(some)?;
            self.env.step()?;
            let places = self.flags_here(some, &agreed)?;
            self.env.step()?;
            self.flags_there(some)?;
            self.env.step()?;
            let flags = some.iter().map(|change| change.uid).zip(agreed).collect();
            let table = self.maildir.table();
            let letters = some.iter().map(|change| (change.uid, self.lettering.after(&table, change))).collect();
            self.commit(Change { flags, letters, wishes, ..Change::default() })?;
            self.tell(places);
        }
        Ok(())
    }

    fn flags_here(&mut self, some: &[&FlagChange], agreed: &[Flags]) -> Result<Vec<PlaceChange>, Halt> {
        let uniques: Vec<UniqueName> = some.iter().map(|change| change.unique.clone()).collect();
        let wanted = some.iter().fold(Flags::none(), |all, change| all.union(&change.add_here.words()));
        // A keyword that gets no letter is carried by the base alone.
        let _ = self.maildir.table_with(&wanted);
        let found = self.maildir.find_all(&uniques)?;
        let mut places = Vec::new();
        let mut renamed = false;
        for (change, agreed) in some.iter().zip(agreed) {
            let Some(mut entry) = found.get(&change.unique).cloned() else { continue };
            if !change.add_here.is_empty() || !change.remove_here.is_empty() {
                match self.maildir.set_flags(&entry, &change.add_here, &change.remove_here)? {
                    Some(now) => entry = now,
                    None => continue,
                }
                renamed = true;
                self.counts.flagged_here += 1;
            }
            let flags = self.maildir.flags(&entry).union(&agreed.words());
            let now = PlaceFile { path: self.maildir.path_of(&entry), flags, tells: None };
            places.push(PlaceChange { unique: change.unique.clone(), now: Some(now) });
        }
        if renamed {
            self.maildir.settle()?;
        }
        Ok(places)
    }

    fn flags_there(&mut self, some: &[&FlagChange]) -> Result<(), Halt> {
        let mut alike: BTreeMap<(Flags, Flags), Vec<Uid>> = BTreeMap::new();
        for change in some {
            let delta = (change.add_there.without_labels(), change.remove_there.without_labels());
            if !(delta.0.is_empty() && delta.1.is_empty()) {
                alike.entry(delta).or_default().push(change.uid);
            }
        }
        for ((add, remove), uids) in &alike {
            self.env.step()?;
            self.remote.push(&self.mailbox.name, &Push::Flags { uids, add, remove })?;
            self.counts.flagged_there += uids.len() as u64;
        }
        Ok(())
    }

    /// Makes sure, right before the act, that the server still means the same messages by these
    /// UIDs. Gives those that are, and those that are gone; of any other it tells.
    fn sure(&mut self, uids: &[Uid]) -> Result<(Vec<Sure>, Vec<Uid>), Halt> {
        let mut rows: BTreeMap<Uid, Row> =
            self.ledger.rows_of_uids(self.key, uids)?.into_iter().map(|row| (row.uid, row)).collect();
        let mut sure = Vec::new();
        for found in self.remote.identify(&self.mailbox.name, uids)? {
            let Some(row) = rows.remove(&found.uid) else { continue };
            let id = found.message_id.as_deref().and_then(MessageId::new);
            if fits(found.size, row.size) && id.as_ref().map(|id| digest(id.as_str())) == row.digest {
                sure.push((row, id));
            } else {
                let fault = Fault::new(Doing::Pushing, self.mailbox.name.as_str(), Cause::Protocol);
                self.faults.push(fault.scope(Scope::Message).detail(&format!(
                    "message {} on the server is not the one that was removed or moved here; it is left alone",
                    found.uid.get()
                )));
            }
        }
        let gone = rows.into_keys().collect();
        Ok((sure, gone))
    }

    fn relocate(&mut self, plan: &Plan) -> Result<(), Halt> {
        let mut by_target: BTreeMap<&MailboxName, Vec<(Uid, &UniqueName)>> = BTreeMap::new();
        for op in &plan.ops {
            if let Op::Move { uid, to, unique } = op {
                by_target.entry(to).or_default().push((*uid, unique));
            }
        }
        for (to, all) in by_target {
            for some in all.chunks(AT_ONCE) {
                self.env.step()?;
                self.relocate_some(to, some)?;
            }
        }
        Ok(())
    }

    fn relocate_some(&mut self, to: &MailboxName, some: &[(Uid, &UniqueName)]) -> Result<(), Halt> {
        let uids: Vec<Uid> = some.iter().map(|(uid, _)| *uid).collect();
        let (sure, gone) = self.sure(&uids)?;
        let files: BTreeMap<Uid, &UniqueName> = some.iter().copied().collect();
        let target = self.env.mailbox(to);
        let target_key = self.ledger.mailbox(&target)?;
        let agreed = self.ledger.agreed(target_key)?;
        let intents: Vec<Intent> = sure
            .iter()
            .filter_map(|(row, message_id)| {
                Some(Intent::Move {
                    from: self.mailbox.clone(),
                    validity: self.epoch,
                    uid: row.uid,
                    to: to.clone(),
                    to_validity: agreed.validity,
                    uid_next: agreed.uid_next,
                    unique: (*files.get(&row.uid)?).clone(),
                    message_id: message_id.clone(),
                    size: row.size,
                })
            })
            .collect();
        let settled = self.ledger.intend(&intents, self.env.clock.now())?;
        let uids: Vec<Uid> = sure.iter().map(|(row, _)| row.uid).collect();
        let mut moved = Vec::new();
        if !uids.is_empty() {
            self.env.step()?;
            match self.remote.push(&self.mailbox.name, &Push::Move { uids: &uids, to }) {
                Ok(Pushed::Moved(Some((epoch, pairs)))) if agreed.validity == Some(epoch) => moved = pairs,
                // Without the new UIDs the next listing pairs the files by what they are.
                Ok(_) => {}
                Err(fault) if refused(&fault) => {
                    self.ledger.settle(&settled)?;
                    return Err(fault.into());
                }
                Err(fault) => return Err(fault.into()),
            }
            self.counts.moved += uids.len() as u64;
        }
        let new: BTreeMap<Uid, Uid> = moved.into_iter().collect();
        // A file that was taken for another message of the target meanwhile has its row: what was moved
        // is fetched then.
        let taken: BTreeSet<UniqueName> =
            self.ledger.rows_of_names(target_key, files.values().copied())?.into_iter().map(|row| row.unique).collect();
        let mut put = Vec::new();
        for (row, _) in &sure {
            let (Some(uid), Some(unique)) = (new.get(&row.uid), files.get(&row.uid)) else { continue };
            if !taken.contains(*unique) && !self.is_moved_twin(&target, target_key, *uid, (unique, row))? {
                // Labels are told where the message lies now.
                put.push(Row {
                    uid: *uid,
                    unique: (*unique).clone(),
                    flags: row.flags.without_labels(),
                    ..row.clone()
                });
            }
        }
        let arrive = Change { put, ..Change::default() };
        let leave = Change { remove: uids.into_iter().chain(gone).collect(), settled, ..Change::default() };
        self.env.step()?;
        Ok(self.ledger.commit(&[(self.key, leave), (target_key, arrive)])?)
    }

    /// Takes files away that the server no longer has, into quarantine.
    fn remove_here(&mut self, plan: &Plan) -> Result<(), Halt> {
        let removals: Vec<(Option<Uid>, UniqueName)> = plan
            .ops
            .iter()
            .filter_map(|op| if let Op::RemoveHere { uid, unique } = op { Some((*uid, unique.clone())) } else { None })
            .collect();
        for some in removals.chunks(AT_ONCE) {
            self.env.step()?;
            let away = Quarantine::below(&self.env.data).shelf(self.mailbox, self.env.clock.now())?;
            let uniques: Vec<UniqueName> = some.iter().map(|(_, unique)| unique.clone()).collect();
            for entry in self.maildir.find_all(&uniques)?.values() {
                if away.take(self.maildir, entry)?.is_some() {
                    self.counts.removed_here += 1;
                }
            }
            away.settle()?;
            self.maildir.settle()?;
            self.env.step()?;
            self.commit(Change { remove: some.iter().filter_map(|(uid, _)| *uid).collect(), ..Change::default() })?;
            self.tell(uniques.into_iter().map(|unique| PlaceChange { unique, now: None }).collect());
        }
        Ok(())
    }

    /// Expunges on the server what the user removed here.
    fn remove_there(&mut self, plan: &Plan) -> Result<(), Halt> {
        let uids: Vec<Uid> =
            plan.ops.iter().filter_map(|op| if let Op::RemoveThere { uid } = op { Some(*uid) } else { None }).collect();
        for some in uids.chunks(AT_ONCE) {
            self.env.step()?;
            // A file that came back since the listing is not removed.
            let rows = self.ledger.rows_of_uids(self.key, some)?;
            let uniques: Vec<UniqueName> = rows.iter().map(|row| row.unique.clone()).collect();
            let back = self.maildir.find_all(&uniques)?;
            let filed = self.stubs_elsewhere(&rows)?;
            let stays = |row: &&Row| !back.contains_key(&row.unique) && !filed.contains(&row.uid);
            let still: Vec<Uid> = rows.iter().filter(stays).map(|row| row.uid).collect();
            let (sure, mut gone) = self.sure(&still)?;
            let sure: Vec<Uid> = sure.iter().map(|(row, _)| row.uid).collect();
            if !sure.is_empty() {
                self.env.step()?;
                let done = self.remote.push(&self.mailbox.name, &Push::Expunge { uids: &sure })?;
                // What is only marked stays on the server, so it must stay in the base.
                if done != Pushed::MarkedOnly {
                    self.counts.removed_there += sure.len() as u64;
                    gone.extend(sure);
                }
                self.env.step()?;
            }
            self.commit(Change { remove: gone, ..Change::default() })?;
        }
        Ok(())
    }
}

/// A row whose message is still the one that it tells of, with that message's Message-ID.
type Sure = (Row, Option<MessageId>);

/// Did the server say no, so that nothing was done and the connection is good?
pub(super) fn refused(fault: &Fault) -> bool {
    matches!(fault.cause, Cause::Refused | Cause::RefusedForNow)
}
