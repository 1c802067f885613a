//! A round of sync in memory: the planner is the real one, what carries its plans out is a model
//! that stops after any half-step. Every plan is held against the truth before it is carried out.

use std::collections::BTreeMap;

use tern::mail::flags::Flags;
use tern::mail::ids::Uid;
use tern::mail::mailbox::MailboxName;
use tern::mail::place::UniqueName;
use tern::sync::changes::{
    Agreed, Arrival, Base, LocalFile, LocalListing, Present, ServerChanges, ServerListing, diff_local, diff_server,
};
use tern::sync::moves::{Seat, Side, hold_back, join_moves, join_server_moves};
use tern::sync::plan::{FlagChange, Op, Plan, plan, unsure};

use super::event::{MAILBOXES, Sync};
use super::world::{Here, Sabotage, There, World, as_marked, identity, name};

/// The round stopped at some half-step.
#[derive(Debug)]
pub(super) struct Stopped;

type Step = Result<(), Stopped>;

/// How many half-steps are left.
struct Fuse(usize);

impl Fuse {
    fn step(&mut self) -> Step {
        self.0 = self.0.checked_sub(1).ok_or(Stopped)?;
        Ok(())
    }
}

fn index(mailbox: &MailboxName) -> usize {
    MAILBOXES.iter().position(|known| *known == mailbox.as_str()).unwrap()
}

fn lies(mask: u8, mailbox: usize) -> bool {
    mask >> mailbox & 1 == 1
}

/// One mailbox of which the server was asked.
struct Sight {
    side: Side,
    server: ServerChanges,
    /// Did the server tell all that changed?
    certain: bool,
    /// Did it tell of all messages?
    in_full: bool,
    /// UIDNEXT when it was asked.
    next: u32,
    /// The appends that were in doubt and not found: those that were are in doubt until their files have rows.
    doubtful: Vec<UniqueName>,
    /// Was all of the plan carried out?
    whole: bool,
}

/// Files whose append was found on the server, by mailbox.
type Found = Vec<BTreeMap<UniqueName, Uid>>;

impl World {
    /// Syncs and tells whether there was nothing to do.
    pub(super) fn sync(&mut self, how: Sync) -> Result<bool, Stopped> {
        let mut fuse = Fuse(how.steps);
        let (mut rests, unsettled) = self.pass(how, &mut fuse)?;
        if unsettled {
            rests &= self.pass(how, &mut fuse)?.0;
        }
        Ok(rests)
    }

    /// Goes over all mailboxes once. Tells whether there was nothing to do, and whether moves are unsettled.
    fn pass(&mut self, how: Sync, fuse: &mut Fuse) -> Result<(bool, bool), Stopped> {
        self.settle_copies();
        let found = self.found();
        let mut sides: Vec<Side> = (0..MAILBOXES.len()).map(|m| self.look(m, how)).collect();
        if self.allows.r#move && sides.iter().any(|side| !side.changes.gone.is_empty()) {
            for (m, side) in sides.iter_mut().enumerate() {
                for (unique, file) in side.changes.new.iter_mut().filter(|(_, file)| file.origin.is_none()) {
                    file.identity = Some(identity(self.boxes[m].disk[unique].mail, true));
                }
            }
            join_moves(&mut sides);
        }
        if sides.iter().any(|side| !side.changes.complete) {
            for side in &mut sides {
                hold_back(&mut side.changes);
            }
        }
        let unsettled = sides.iter().any(|side| !side.changes.arriving.is_empty());
        // All are asked before the first is changed.
        let mut sights: Vec<Sight> =
            sides.into_iter().enumerate().map(|(m, side)| self.ask(m, side, how, &found[m])).collect();
        self.join_there(&mut sights);
        let mut rests = !unsettled;
        for (m, sight) in sights.iter_mut().enumerate() {
            rests &= self.mailbox(m, sight, how, fuse)?;
        }
        fuse.step()?;
        for (m, sight) in sights.into_iter().enumerate() {
            self.conclude(m, &sight);
        }
        Ok((rests, unsettled))
    }

    /// Asks the server about one mailbox and compares what it tells.
    fn ask(&self, m: usize, mut side: Side, how: Sync, found: &BTreeMap<UniqueName, Uid>) -> Sight {
        let it = &self.boxes[m];
        for (unique, uid) in found {
            if let Some(file) = side.changes.new.get_mut(unique) {
                file.origin = Some((it.epoch(), *uid));
            }
        }
        let listing = self.listing(m, how, &side);
        if let (Present::Except(gone), true) = (&listing.present, side.changes.is_nothing()) {
            // Then only the rows that the server's news touch are read.
            let rows = it.rows.iter();
            let touched = rows.filter(|(uid, _)| listing.items.contains_key(uid) || gone.contains(**uid));
            side.base =
                Base::new(side.base.epoch(), touched.map(|(uid, row)| (*uid, row.clone()))).taken_in(it.taken_in);
        }
        Sight {
            server: diff_server(&listing, &side.base),
            side,
            certain: listing.present != Present::Unknown,
            in_full: matches!(listing.present, Present::Exactly(_)),
            next: it.next,
            doubtful: it.intents.keys().filter(|unique| !found.contains_key(*unique)).cloned().collect(),
            whole: false,
        }
    }

    /// Finds what was moved from one mailbox to another on the server.
    fn join_there(&self, sights: &mut [Sight]) {
        let (mut gone, mut new) = (Vec::new(), Vec::new());
        for (mailbox, sight) in sights.iter_mut().enumerate().filter(|(_, sight)| !sight.server.restarted) {
            let Sight { side, server, .. } = sight;
            for uid in server.gone.difference(&side.changes.gone) {
                let row = side.base.get(*uid).filter(|row| !row.unique.is_marked());
                gone.extend(row.map(|row| (Seat { mailbox, uid: *uid }, row.identity)));
            }
            let here = side.changes.touched(Some(server.epoch));
            let wanted = server.new.iter_mut().filter(|(uid, _)| side.changes.complete && !here.contains(uid));
            for (uid, message) in wanted {
                let identity = self.announced(self.boxes[mailbox].server[uid].mail, false);
                message.identity = Some(Box::new(identity));
                new.push((Seat { mailbox, uid: *uid }, identity));
            }
        }
        gone.retain(|(_, identity)| identity.id.is_some());
        for (from, to) in join_server_moves(&gone, &new) {
            let Side { mailbox, base, changes, .. } = &sights[from.mailbox].side;
            let row = base.get(from.uid).unwrap().clone();
            let here = changes.flags.get(&from.uid).unwrap_or(&row.flags).clone();
            let unique = fetched(to.mailbox, self.boxes[to.mailbox].epoch, to.uid);
            let arrival = Arrival {
                from: mailbox.clone(),
                from_uid: from.uid,
                unique: row.unique.clone(),
                here,
                row: Agreed { unique, ..row },
            };
            sights[to.mailbox].server.arriving.insert(to.uid, arrival);
            sights[from.mailbox].server.leaving.insert(from.uid);
        }
    }

    /// Finds out where messages were copied that an earlier round was about to move, on a server that cannot. Where
    /// nothing tells it, another copy is no mistake.
    fn settle_copies(&mut self) {
        for m in 0..self.boxes.len() {
            for (from, (to, epoch, next, unique)) in std::mem::take(&mut self.boxes[m].copies) {
                let Some(row) = self.boxes[m].rows.get(&from).cloned() else { continue };
                let it = &self.boxes[to];
                let is_it = |(uid, message): &(&Uid, &There)| {
                    let identity = self.announced(message.mail, false);
                    uid.get() >= next
                        && (identity.id, identity.size) == (row.identity.id, row.identity.size)
                        && identity.id.is_some()
                        && !it.rows.contains_key(uid)
                };
                let mut found: Vec<Uid> = it.server.iter().filter(is_it).map(|(uid, _)| *uid).collect();
                let is_known = it.base_epoch == Some(epoch) && it.epoch() == epoch;
                let is_taken = it.rows.values().any(|row| row.unique == unique);
                let there = found.pop().filter(|_| found.is_empty() && is_known && !is_taken);
                let mail = self.boxes[m].server.get(&from).map(|message| message.mail);
                match there {
                    Some(there) => drop(self.boxes[to].rows.insert(there, Agreed { unique, ..row })),
                    None => self.disputed.extend(mail),
                }
            }
        }
    }

    /// Looks for what an earlier round appended and never heard of again: by Message-ID, size and UID.
    fn found(&self) -> Found {
        let one = |it: &super::world::Mailbox| {
            let mut out: BTreeMap<UniqueName, Uid> = BTreeMap::new();
            for (unique, from) in it.intents.iter().filter(|_| it.base_epoch == Some(it.epoch())) {
                let Some(wanted) = it.disk.get(unique).map(|file| identity(file.mail, false)) else { continue };
                let free = it.server.iter().find(|(uid, message)| {
                    uid.get() >= *from
                        && wanted.id.is_some()
                        && self.announced(message.mail, false) == wanted
                        && !it.rows.contains_key(uid)
                        && !out.values().any(|taken| taken == *uid)
                });
                out.extend(free.map(|(uid, _)| (unique.clone(), *uid)));
            }
            out
        };
        self.boxes.iter().map(one).collect()
    }

    fn look(&self, m: usize, how: Sync) -> Side {
        let it = &self.boxes[m];
        let lies = lies(how.disk_lies, m);
        let files = it.disk.iter().enumerate().filter(|(n, _)| !lies || n % 2 == 1);
        let files = files.map(|(_, (unique, file))| LocalFile {
            unique: unique.clone(),
            flags: file.flags.clone(),
            origin: file.origin.filter(|(from, ..)| *from == m).map(|(_, epoch, uid)| (epoch, uid)),
        });
        let base = Base::new(it.base_epoch, it.rows.clone()).taken_in(it.taken_in);
        let changes = diff_local(&LocalListing { files: files.collect(), complete: !lies }, &base);
        Side { mailbox: name(m), base, changes, appended: it.intents.keys().cloned().collect() }
    }

    fn listing(&self, m: usize, how: Sync, side: &Side) -> ServerListing {
        let it = &self.boxes[m];
        let lies = lies(how.server_lies, m);
        let same = it.base_epoch == Some(it.epoch());
        // Whether a fetched file without a row is still on the server only a full listing tells.
        let orphans = side.changes.new.values().any(|file| file.origin.is_some_and(|(epoch, _)| epoch == it.epoch()));
        let delta = how.delta && same && !orphans && !lies;
        let is_listed = |n: usize, uid: &Uid, flags: &Flags| {
            if delta { it.rows.get(uid).is_none_or(|row| row.flags != *flags) } else { !lies || n % 2 == 1 }
        };
        let items = it.server.iter().enumerate().filter(|(n, (uid, message))| is_listed(*n, uid, &message.flags));
        ServerListing {
            epoch: it.epoch(),
            items: items.map(|(_, (uid, message))| (*uid, message.flags.clone())).collect(),
            present: match (lies, delta) {
                (true, _) => Present::Unknown,
                (_, true) => {
                    Present::Except(it.rows.keys().filter(|uid| !it.server.contains_key(uid)).copied().collect())
                }
                _ => Present::Exactly(it.server.keys().copied().collect()),
            },
            allows: self.allows.clone(),
        }
    }

    /// Syncs one mailbox; tells whether there was nothing to do.
    fn mailbox(&mut self, m: usize, sight: &mut Sight, how: Sync, fuse: &mut Fuse) -> Result<bool, Stopped> {
        let Sight { side, server, .. } = sight;
        self.take_in_moves(m, side);
        self.answer(m, server, side);
        let full = plan(server, &side.changes, &side.base);
        self.assert_true(m, &full, how);
        let plan = if self.boxes[m].compared { full.clone() } else { full.clone().without_removals() };
        self.carry_out(m, &plan, fuse)?;
        // What was appended once more is in doubt once more: that intent is a new one.
        let again =
            |unique: &UniqueName| plan.ops.iter().any(|op| matches!(op, Op::Append { unique: it, .. } if it == unique));
        sight.doubtful.retain(|unique| !again(unique));
        self.assert_kept();
        sight.whole = plan == full;
        Ok(full.is_empty())
    }

    /// Writes down up to where both sides agree, unless messages that left are still on their way.
    fn conclude(&mut self, m: usize, sight: &Sight) {
        let it = &mut self.boxes[m];
        let Sight { side, server, .. } = sight;
        it.intents.retain(|unique, _| !sight.doubtful.contains(unique));
        let followed = !server.leaving.iter().any(|uid| it.rows.contains_key(uid));
        if sight.whole && sight.certain && side.changes.complete && followed {
            it.taken_in = Uid::new(sight.next);
        }
        it.compared |= sight.in_full && side.changes.complete;
    }

    /// Files that came from a mailbox which was synced earlier in this round have rows by now.
    fn take_in_moves(&self, m: usize, side: &mut Side) {
        let Side { base, changes, .. } = side;
        let arriving: Vec<UniqueName> = changes.arriving.iter().cloned().collect();
        for (uid, row) in self.boxes[m].rows.iter().filter(|(_, row)| arriving.contains(&row.unique)) {
            let Some(file) = changes.new.remove(&row.unique) else { continue };
            changes.arriving.remove(&row.unique);
            if file.flags != row.flags {
                changes.flags.insert(*uid, file.flags);
            }
            base.insert(*uid, row.clone());
        }
    }

    fn answer(&self, m: usize, server: &mut ServerChanges, side: &mut Side) {
        let it = &self.boxes[m];
        for _ in 0..4 {
            let asked = unsure(server, &side.changes, &side.base);
            for (uids, with_digest) in [(&asked.uids, false), (&asked.digests, true)] {
                for uid in uids {
                    let told = Box::new(self.announced(it.server[uid].mail, with_digest));
                    server.new.get_mut(uid).unwrap().identity = Some(told);
                }
            }
            for unique in &asked.files {
                let found = it.disk.get(unique).map(|file| identity(file.mail, true));
                match (found, side.base.uid_of(unique)) {
                    (Some(found), Some(uid)) => side.base.identify(uid, found),
                    // After a look at half of the disk, an old row may name a file that is gone.
                    (None, Some(uid)) => drop(side.changes.gone.insert(uid)),
                    (Some(found), None) => side.changes.new.get_mut(unique).unwrap().identity = Some(found),
                    (None, None) => unreachable!("nobody removes files meanwhile"),
                }
            }
        }
    }

    /// Holds a plan against the truth: it removes nothing that the other side has, takes no mail for
    /// another, and keeps to what the server allows.
    fn assert_true(&self, m: usize, plan: &Plan, how: Sync) {
        let it = &self.boxes[m];
        for op in &plan.ops {
            match op {
                Op::Adopt { uid, row } => {
                    let (there, here) = (it.server.get(uid), it.disk.get(&row.unique));
                    if let (Some(there), Some(here)) = (there, here) {
                        assert_eq!(there.mail, here.mail, "keep: two mails are taken for one: {op:?}");
                    }
                }
                Op::RemoveHere { uid, unique } => {
                    assert!(!lies(how.server_lies, m), "doubt: {op:?}");
                    let origin = it.disk.get(unique).and_then(|file| file.origin).map(|(.., uid)| uid);
                    let uid = uid.or(origin).unwrap();
                    assert!(!it.server.contains_key(&uid), "doubt: the server has it: {op:?}");
                    assert_eq!(it.base_epoch.unwrap_or(it.epoch()), it.epoch(), "doubt: UIDs are void: {op:?}");
                }
                Op::RemoveThere { uid } => {
                    // In whichever was not read whole the file may lie.
                    assert_eq!(how.disk_lies, 0, "doubt: {op:?}");
                    assert!(self.allows.delete, "Rights: {op:?}");
                    assert!(!it.disk.contains_key(&it.rows[uid].unique), "doubt: it lies on disk: {op:?}");
                    assert_eq!(it.base_epoch, Some(it.epoch()), "doubt: UIDs are void: {op:?}");
                }
                Op::Move { uid, to, unique } => {
                    assert!(self.allows.r#move, "Rights: {op:?}");
                    assert_eq!(it.base_epoch, Some(it.epoch()), "doubt: UIDs are void: {op:?}");
                    let file = &self.boxes[index(to)].disk[unique];
                    if let Some(message) = it.server.get(uid) {
                        assert_eq!(message.mail, file.mail, "keep: the wrong mail is moved: {op:?}");
                    }
                }
                Op::Append { flags, .. } => {
                    assert!(self.allows.append, "Rights: {op:?}");
                    assert_eq!(*flags, self.allows.settable(flags), "Rights: {op:?}");
                }
                Op::Flags(change) => {
                    let pushed = change.add_there.union(&change.remove_there);
                    assert!(self.allows.flags || pushed.is_empty(), "Rights: {op:?}");
                    if let Some(keeps) = self.allows.keeps.as_ref().filter(|_| !self.allows.new_keywords) {
                        assert!(pushed.minus(keeps).is_empty(), "Rights: {op:?}");
                    }
                }
                Op::Forget { .. } | Op::Download { .. } => {}
                Op::BringOver { uid, from, from_uid, unique, .. } => {
                    let source = &self.boxes[index(from)];
                    assert!(!source.server.contains_key(from_uid), "doubt: it did not leave: {op:?}");
                    if let Some(file) = source.disk.get(unique) {
                        assert_eq!(it.server[uid].mail, file.mail, "keep: the wrong file is brought over: {op:?}");
                    }
                }
            }
        }
    }

    /// Carries a plan out as the real executor does: in the same order, with what is written down
    /// at the same places.
    fn carry_out(&mut self, m: usize, plan: &Plan, fuse: &mut Fuse) -> Step {
        self.adopt(m, plan, fuse)?;
        for op in &plan.ops {
            if let Op::BringOver { uid, from, from_uid, unique, row } = op {
                self.bring_over(m, *uid, (index(from), *from_uid, unique), row, fuse)?;
            }
        }
        for op in &plan.ops {
            if let Op::Download { uid, flags } = op {
                self.download(m, *uid, flags, fuse)?;
            }
        }
        self.append(m, plan, fuse)?;
        let changes: Vec<&FlagChange> =
            plan.ops.iter().filter_map(|op| if let Op::Flags(change) = op { Some(&**change) } else { None }).collect();
        self.flag(m, &changes, fuse)?;
        for op in &plan.ops {
            match op {
                Op::Move { uid, to, unique } => self.relocate(m, *uid, index(to), unique, fuse)?,
                Op::RemoveHere { uid, unique } => {
                    fuse.step()?;
                    self.boxes[m].disk.remove(unique);
                    self.assert_kept();
                    fuse.step()?;
                    uid.map(|uid| self.boxes[m].rows.remove(&uid));
                }
                Op::RemoveThere { uid } => self.remove_there(m, *uid, fuse)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn adopt(&mut self, m: usize, plan: &Plan, fuse: &mut Fuse) -> Step {
        fuse.step()?;
        let it = &mut self.boxes[m];
        if plan.restart {
            it.rows.clear();
        }
        if it.base_epoch != plan.epoch {
            it.taken_in = None;
        }
        it.base_epoch = plan.epoch;
        for op in &plan.ops {
            match op {
                Op::Adopt { uid, row } => {
                    it.intents.remove(&row.unique);
                    it.rows.insert(*uid, (**row).clone());
                }
                Op::Forget { uid } => drop(it.rows.remove(uid)),
                _ => {}
            }
        }
        Ok(())
    }

    fn bring_over(
        &mut self,
        m: usize,
        uid: Uid,
        (from, from_uid, unique): (usize, Uid, &UniqueName),
        row: &Agreed,
        fuse: &mut Fuse,
    ) -> Step {
        fuse.step()?;
        let Some(file) = self.boxes[from].disk.remove(unique) else { return Ok(()) };
        let it = &mut self.boxes[m];
        let origin = Some((m, it.epoch(), uid));
        it.disk.insert(row.unique.clone(), Here { origin, ..file });
        self.assert_kept();
        fuse.step()?;
        self.boxes[from].rows.remove(&from_uid);
        self.boxes[m].rows.insert(uid, row.clone());
        Ok(())
    }

    fn download(&mut self, m: usize, uid: Uid, flags: &Flags, fuse: &mut Fuse) -> Step {
        fuse.step()?;
        let it = &mut self.boxes[m];
        let mail = it.server[&uid].mail;
        let unique = fetched(m, it.epoch, uid);
        let origin = Some((m, it.epoch(), uid));
        it.disk.entry(unique.clone()).or_insert(Here { mail, flags: flags.clone(), origin });
        fuse.step()?;
        let it = &mut self.boxes[m];
        it.rows.insert(uid, Agreed { unique, flags: flags.clone(), identity: identity(mail, false) });
        Ok(())
    }

    fn append(&mut self, m: usize, plan: &Plan, fuse: &mut Fuse) -> Step {
        let appends = plan.ops.iter().filter_map(|op| match op {
            // After a look at half of the disk, an old row may name a file that is gone.
            Op::Append { unique, flags, .. } => Some((unique, flags, self.boxes[m].disk.get(unique)?.mail)),
            _ => None,
        });
        let appends: Vec<_> = appends.collect();
        if appends.is_empty() {
            return Ok(());
        }
        fuse.step()?;
        let it = &mut self.boxes[m];
        let next = it.next;
        it.intents.extend(appends.iter().map(|(unique, ..)| ((*unique).clone(), next)));
        let mut rows = Vec::new();
        for (unique, flags, mail) in appends {
            fuse.step()?;
            let it = &mut self.boxes[m];
            let uid = it.add_there(mail, flags.clone());
            let row = Agreed { unique: unique.clone(), flags: flags.clone(), identity: identity(mail, false) };
            // A server that tells no UIDs is asked for the Message-ID: one answer is the answer.
            let id = identity(mail, false).id;
            let hits = it.server.range(Uid::new(next).unwrap()..);
            let hits = hits.filter(|(_, message)| id.is_some() && identity(message.mail, false).id == id).count();
            if self.uidplus || hits == 1 {
                rows.push((uid, row));
            }
        }
        fuse.step()?;
        let it = &mut self.boxes[m];
        for (uid, row) in rows {
            it.intents.remove(&row.unique);
            it.rows.insert(uid, row);
        }
        Ok(())
    }

    fn flag(&mut self, m: usize, changes: &[&FlagChange], fuse: &mut Fuse) -> Step {
        let it = &mut self.boxes[m];
        for change in changes {
            fuse.step()?;
            if let Some(file) = it.disk.get_mut(&change.unique) {
                file.flags = file.flags.union(&change.add_here).minus(&change.remove_here);
            }
        }
        for change in changes {
            fuse.step()?;
            // A listing that lies lets us push to what is gone; servers pass that over.
            if let Some(message) = it.server.get_mut(&change.uid) {
                message.flags = message.flags.union(&change.add_there).minus(&change.remove_there);
            }
        }
        fuse.step()?;
        for change in changes {
            // What could not be brought over has no row.
            if let Some(row) = it.rows.get_mut(&change.uid) {
                row.flags = change.agreed.clone();
            }
        }
        Ok(())
    }

    fn relocate(&mut self, m: usize, uid: Uid, to: usize, unique: &UniqueName, fuse: &mut Fuse) -> Step {
        fuse.step()?;
        if self.sabotage == Some(Sabotage::DropsMoves) {
            self.boxes[m].rows.remove(&uid);
            return Ok(());
        }
        let known = self.boxes[to].base_epoch == Some(self.boxes[to].epoch());
        let stays = !self.uidplus && !self.moves;
        if stays {
            let target = &self.boxes[to];
            let intent = (to, target.epoch(), target.next, unique.clone());
            self.boxes[m].copies.insert(uid, intent);
            fuse.step()?;
        }
        let moved = if stays { self.boxes[m].server.get(&uid).cloned() } else { self.boxes[m].server.remove(&uid) };
        let new = moved.map(|message| self.boxes[to].add_there(message.mail, message.flags));
        self.assert_kept();
        fuse.step()?;
        if stays {
            self.mark(m, uid);
            fuse.step()?;
        }
        let row = self.boxes[m].rows.remove(&uid).unwrap();
        if stays {
            self.boxes[m].rows.insert(uid, as_marked(uid, &row));
            self.boxes[m].copies.remove(&uid);
        }
        // A file that was taken for another message of the target meanwhile gets no second row.
        let taken = self.boxes[to].rows.values().any(|row| row.unique == *unique);
        if let Some(new) = new.filter(|_| known && self.uidplus && !taken) {
            self.boxes[to].rows.insert(new, Agreed { unique: unique.clone(), ..row });
        }
        Ok(())
    }

    fn remove_there(&mut self, m: usize, uid: Uid, fuse: &mut Fuse) -> Step {
        fuse.step()?;
        let it = &mut self.boxes[m];
        if !self.uidplus {
            // Nothing can be expunged alone: it is marked, and stays.
            self.mark(m, uid);
            fuse.step()?;
            let it = &mut self.boxes[m];
            let row = as_marked(uid, &it.rows[&uid]);
            it.rows.insert(uid, row);
            return Ok(());
        }
        if self.sabotage != Some(Sabotage::ForgetsRemovals) {
            it.server.remove(&uid);
        }
        self.assert_kept();
        fuse.step()?;
        self.boxes[m].rows.remove(&uid);
        Ok(())
    }
}

/// The name of a fetched file tells where it came from and nothing else.
fn fetched(mailbox: usize, epoch: u32, uid: Uid) -> UniqueName {
    UniqueName::new(&format!("from.{mailbox}.{epoch}.{}", uid.get())).unwrap()
}
