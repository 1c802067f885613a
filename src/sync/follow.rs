//! Lets files that are here already follow the server: their flags, and whether they are still there. All of it is
//! renames, so many are made durable and written down together: directories first, then the ledger, then the
//! report. Whoever stops in between leaves names that tell what was done, and the next round plans the rest.

use std::collections::{BTreeMap, BTreeSet};

use super::apply::{Hands, refused};
use super::env::Halt;
use super::plan::{FlagChange, Op, Plan};
use crate::fault::Scope;
use crate::job::{PlaceChange, PlaceFile};
use crate::ledger::Change;
use crate::mail::flags::Flags;
use crate::mail::ids::Uid;
use crate::mail::place::UniqueName;
use crate::remote::Push;
use crate::store::name::Entry;
use crate::store::quarantine::{Quarantine, Shelf};

/// Files that are renamed before that is made durable and written down.
const TOGETHER: usize = 2000;

/// What was done to files and is not written down yet, nor sure to be durable.
#[derive(Default)]
struct Loose {
    messages: usize,
    renamed: bool,
    /// Where removed files go.
    shelf: Option<Shelf>,
    change: Change,
    places: Vec<PlaceChange>,
}

impl Hands<'_> {
    /// Brings the files that are here to what the plan says of them.
    pub(super) fn follow(&mut self, plan: &Plan) -> Result<(), Halt> {
        let mut loose = Loose::default();
        self.flags(plan, &mut loose)?;
        self.remove_here(plan, &mut loose)?;
        self.fasten(&mut loose)
    }

    /// Makes durable what was done, and then writes it down.
    fn fasten(&mut self, loose: &mut Loose) -> Result<(), Halt> {
        let Loose { renamed, shelf, change, places, .. } = std::mem::take(loose);
        if let Some(shelf) = shelf {
            shelf.settle()?;
        }
        if renamed {
            self.maildir.settle()?;
        }
        self.env.step()?;
        // The ledger has one writer at a time.
        self.landed()?;
        self.commit(change)?;
        self.tell(places);
        Ok(())
    }

    fn fasten_if_many(&mut self, loose: &mut Loose, more: usize) -> Result<(), Halt> {
        loose.messages += more;
        if loose.messages < TOGETHER { Ok(()) } else { self.fasten(loose) }
    }

    fn flags(&mut self, plan: &Plan, loose: &mut Loose) -> Result<(), Halt> {
        let changes: Vec<&FlagChange> =
            plan.ops.iter().filter_map(|op| if let Op::Flags(change) = op { Some(&**change) } else { None }).collect();
        for some in changes.chunks(TOGETHER) {
            self.env.step()?;
            let (agreed, wishes) = self.labels_there(some)?;
            self.env.step()?;
            self.flags_here(some, &agreed, loose)?;
            self.env.step()?;
            let refused = self.flags_there(some)?;
            self.env.step()?;
            let table = self.maildir.table();
            // Of what was refused nothing is agreed on, so that it is tried again.
            let done = || some.iter().filter(|change| !refused.contains(&change.uid));
            let letters = done().map(|change| (change.uid, self.lettering.after(&table, change)));
            loose.change.letters.extend(letters);
            let agreed = some.iter().map(|change| change.uid).zip(agreed);
            loose.change.flags.extend(agreed.filter(|(uid, _)| !refused.contains(uid)));
            loose.change.wishes.extend(wishes);
            self.fasten_if_many(loose, some.len())?;
        }
        Ok(())
    }

    fn flags_here(&mut self, some: &[&FlagChange], agreed: &[Flags], loose: &mut Loose) -> Result<(), Halt> {
        let wanted = some.iter().fold(Flags::none(), |all, change| all.union(&change.add_here.words()));
        // A keyword that gets no letter is carried by the base alone.
        let _ = self.maildir.table_with(&wanted);
        let likely: Vec<_> = some.iter().map(|change| self.likely(change.uid, &change.unique)).collect();
        let found = self.maildir.find_likely(&likely)?;
        for (change, agreed) in some.iter().zip(agreed) {
            let Some(mut entry) = found.get(&change.unique).cloned() else { continue };
            if !change.add_here.is_empty() || !change.remove_here.is_empty() {
                loose.renamed = true;
                match self.maildir.set_flags(&entry, &change.add_here, &change.remove_here)? {
                    Some(now) => entry = now,
                    None => continue,
                }
                self.counts.flagged_here += 1;
            }
            let flags = self.maildir.flags(&entry).union(&agreed.words());
            let now = PlaceFile { path: self.maildir.path_of(&entry), flags, tells: None };
            loose.places.push(PlaceChange { unique: change.unique.clone(), now: Some(now) });
        }
        Ok(())
    }

    /// Brings flags to the server; gives the messages of which it did not take them.
    fn flags_there(&mut self, some: &[&FlagChange]) -> Result<BTreeSet<Uid>, Halt> {
        let mut without = BTreeSet::new();
        let mut alike: BTreeMap<(Flags, Flags), Vec<Uid>> = BTreeMap::new();
        for change in some {
            let delta = (change.add_there.without_labels(), change.remove_there.without_labels());
            if !(delta.0.is_empty() && delta.1.is_empty()) {
                alike.entry(delta).or_default().push(change.uid);
            }
        }
        for ((add, remove), uids) in &alike {
            self.env.step()?;
            match self.remote.push(&self.mailbox.name, &Push::Flags { uids, add, remove }) {
                Ok(_) => self.counts.flagged_there += uids.len() as u64,
                Err(fault) if refused(&fault) => {
                    without.extend(uids);
                    self.faults.push(fault.scope(Scope::Message));
                }
                Err(fault) => return Err(fault.into()),
            }
        }
        Ok(without)
    }

    /// A file under the name that it had when both sides agreed last.
    fn likely(&self, uid: Uid, unique: &UniqueName) -> (UniqueName, Entry) {
        let flags = self.base.get(uid).map(|row| row.flags.clone()).unwrap_or_default();
        (unique.clone(), Entry::likely(unique, &flags, self.lettering.now(unique, uid)))
    }

    /// Takes files away that the server no longer has, into quarantine.
    fn remove_here(&mut self, plan: &Plan, loose: &mut Loose) -> Result<(), Halt> {
        let removals: Vec<(Option<Uid>, &UniqueName)> = plan
            .ops
            .iter()
            .filter_map(|op| if let Op::RemoveHere { uid, unique } = op { Some((*uid, unique)) } else { None })
            .collect();
        for some in removals.chunks(TOGETHER) {
            self.env.step()?;
            let away = match loose.shelf.take() {
                Some(away) => away,
                None => Quarantine::below(&self.env.data).shelf(self.mailbox, self.env.clock.now())?,
            };
            let away = loose.shelf.insert(away);
            let likely = |(uid, unique): &(Option<Uid>, &UniqueName)| match uid {
                Some(uid) => self.likely(*uid, unique),
                None => ((*unique).clone(), Entry::in_new(unique)),
            };
            let likely: Vec<_> = some.iter().map(likely).collect();
            loose.renamed = true;
            for entry in self.maildir.find_likely(&likely)?.values() {
                if away.take(self.maildir, entry)?.is_some() {
                    self.counts.removed_here += 1;
                }
            }
            loose.change.remove.extend(some.iter().filter_map(|(uid, _)| *uid));
            loose.places.extend(likely.into_iter().map(|(unique, _)| PlaceChange { unique, now: None }));
            self.fasten_if_many(loose, some.len())?;
        }
        Ok(())
    }
}
