//! Carries out the plan for one mailbox, step by step: files durable, then the ledger, then the report. Each is
//! written down before the next, but for what was fetched: files that were here before follow the server meanwhile.
//! It decides nothing; a step that finds the world changed does nothing, and the next round plans anew.

use std::collections::{BTreeMap, BTreeSet};

use super::changes::{Agreed as Known, Base, Identity, fits};
use super::content::{Read, read};
use super::doubt::unpaired;
use super::env::{Env, Halt, Reporter};
use super::fetch::Afloat;
use super::keywords::Lettering;
use super::plan::{Op, Plan};
use crate::fault::{Cause, Doing, Fault, Scope};
use crate::job::sync::Counts;
use crate::job::{Changed, PlaceChange, PlaceFile, SyncReport};
use crate::ledger::{Agreed, Change, Intent, IntentId, LabelWish, Ledger, MailboxKey, Row, digest};
use crate::mail::flags::{Flag, Flags};
use crate::mail::ids::{MessageId, Uid, UidValidity};
use crate::mail::mailbox::MailboxName;
use crate::mail::place::{MailboxId, UniqueName};
use crate::remote::{Push, Pushed, Remote};
use crate::store::maildir::Maildir;
use crate::store::name;

/// Messages that one step of moves or of removals on the server takes at once.
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
    /// The rows that the plan touches.
    pub(super) base: &'a Base,
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
    /// What was fetched last, on its way to disk.
    pub(super) afloat: Option<Afloat<'a>>,
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
    /// Files that the server did not take.
    pub(crate) refused: Vec<UniqueName>,
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
        let done = self.begin(plan, known).and_then(|()| self.carry_out(plan, &|_| true));
        self.end(done)
    }

    /// Goes on with a plan that something overtook, of whose messages these were left.
    pub(crate) fn go_on(&mut self, plan: &Plan, left: &BTreeSet<Uid>) -> Result<(), Halt> {
        let done = self.carry_out(plan, &|uid| left.contains(&uid));
        self.end(done)
    }

    /// Whatever came of the rest: what was fetched is on its way.
    fn end(&mut self, done: Result<(), Halt>) -> Result<(), Halt> {
        let landed = self.landed();
        done.and(landed)
    }

    fn begin(&mut self, plan: &Plan, known: Option<UidValidity>) -> Result<(), Halt> {
        self.adopt(plan, known)?;
        self.bring_over(plan)
    }

    fn carry_out(&mut self, plan: &Plan, is_wanted: &dyn Fn(Uid) -> bool) -> Result<(), Halt> {
        self.download(plan, is_wanted)?;
        if !self.overtaken.is_empty() {
            return Ok(());
        }
        // While the disk takes in what was fetched.
        self.follow(plan)?;
        self.landed()?;
        self.append(plan)?;
        self.relocate(plan)?;
        self.remove_there(plan)
    }

    pub(super) fn commit(&mut self, change: Change) -> Result<(), Halt> {
        if change == Change::default() {
            return Ok(());
        }
        Ok(self.ledger.commit(&[(self.key, change)])?)
    }

    pub(super) fn tell(&self, places: Vec<PlaceChange>) {
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
                    self.refused.push(unique.clone());
                    let said = format!("{} (file {})", fault.detail, unique.as_str());
                    self.faults.push(fault.scope(Scope::Message).detail(&said));
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

    /// Makes sure, right before the act, that the server still means the same messages by these
    /// UIDs. Gives those that are, and those that are gone; of any other it tells.
    fn sure(&mut self, uids: &[Uid]) -> Result<(Vec<Sure>, Vec<Uid>), Halt> {
        let mut rows: BTreeMap<Uid, Row> =
            self.ledger.rows_of_uids(self.key, uids)?.into_iter().map(|row| (row.uid, row)).collect();
        let mut sure = Vec::new();
        for found in self.remote.identify(&self.mailbox.name, uids)? {
            let Some(row) = rows.remove(&found.uid) else { continue };
            let id = found.message_id.as_deref().and_then(MessageId::new);
            // Some servers announce sizes that are not those of what they give, so the id alone is enough, if it has one.
            let is_it = id.as_ref().map(|id| digest(id.as_str())) == row.digest;
            if is_it && (id.is_some() || fits(found.size, row.size)) {
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
        if agreed.validity.is_none() {
            // Nothing was ever agreed on with the other mailbox, so where these arrive could not be written down, and
            // whoever takes a file further before they are found there would leave a copy. It is met first.
            return Ok(());
        }
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
        let (mut moved, mut marked) = (Vec::new(), Vec::new());
        if !uids.is_empty() {
            self.env.step()?;
            match self.remote.push(&self.mailbox.name, &Push::Move { uids: &uids, to }) {
                Ok(Pushed::Moved(Some((epoch, pairs)))) if agreed.validity == Some(epoch) => moved = pairs,
                // In a new epoch the next listing pairs the files by what they are.
                Ok(Pushed::Moved(Some(_))) => {}
                Ok(pushed) => {
                    moved = self.seek(to, target_key, &agreed, &sure)?;
                    if pushed == Pushed::CopiedOnly {
                        marked.extend(sure.iter().map(|(row, _)| as_marked(row)));
                    }
                }
                Err(fault) if refused(&fault) || matches!(fault.cause, Cause::Missing | Cause::Permission) => {
                    // What goes elsewhere, and what is removed, need not wait for it.
                    self.ledger.settle(&settled)?;
                    self.faults.push(fault.scope(Scope::Message));
                    return Ok(());
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
        let left = if marked.is_empty() { uids } else { Vec::new() };
        let remove = left.into_iter().chain(gone).collect();
        let leave = Change { put: marked, remove, settled, ..Change::default() };
        self.env.step()?;
        Ok(self.ledger.commit(&[(self.key, leave), (target_key, arrive)])?)
    }

    /// Where messages are that were moved to a mailbox just now, on a server that does not tell: those of which
    /// exactly one can be meant. The next listing pairs the others by what they are.
    fn seek(
        &mut self,
        to: &MailboxName,
        key: MailboxKey,
        agreed: &Agreed,
        sure: &[Sure],
    ) -> Result<Vec<(Uid, Uid)>, Fault> {
        let mut found: BTreeMap<Uid, Vec<Uid>> = BTreeMap::new();
        for (row, id) in sure.iter().filter_map(|(row, id)| Some((row, id.as_ref()?))) {
            if let [uid] = unpaired(self.remote, self.ledger, (to, key), id, agreed.uid_next)?[..] {
                found.entry(uid).or_default().push(row.uid);
            }
        }
        Ok(found
            .into_iter()
            .filter_map(|(there, from)| if let [from] = from[..] { Some((from, there)) } else { None })
            .collect())
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
            let mut marked = Vec::new();
            let uids: Vec<Uid> = sure.iter().map(|(row, _)| row.uid).collect();
            if !uids.is_empty() {
                self.env.step()?;
                if self.remote.push(&self.mailbox.name, &Push::Expunge { uids: &uids })? == Pushed::MarkedOnly {
                    marked.extend(sure.iter().map(|(row, _)| as_marked(row)));
                } else {
                    self.counts.removed_there += uids.len() as u64;
                    gone.extend(uids);
                }
                self.env.step()?;
            }
            self.commit(Change { put: marked, remove: gone, ..Change::default() })?;
        }
        Ok(())
    }
}

/// The row of what is only marked on the server: it stays known there, and no file is missing for it.
fn as_marked(row: &Row) -> Row {
    Row { unique: UniqueName::marked(row.uid), flags: row.flags.clone().with(Flag::Deleted), ..row.clone() }
}

/// A row whose message is still the one that it tells of, with that message's Message-ID.
type Sure = (Row, Option<MessageId>);

/// Did the server say no, so that nothing was done and the connection is good?
pub(super) fn refused(fault: &Fault) -> bool {
    matches!(fault.cause, Cause::Refused | Cause::RefusedForNow)
}
