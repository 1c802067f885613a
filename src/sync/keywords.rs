//! Keywords of one mailbox, between the letters of its file names and the base. What a name's letters
//! wish is told by how they changed since both sides agreed last; what was agreed on and has no letter
//! yet gets one. A keyword that the server does not keep stays in the name, and is told once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::changes::{Agreed, Base};
use super::env::Halt;
use super::look::Look;
use super::plan::{FlagChange, Op, Plan};
use super::round::Round;
use crate::fault::{Again, Cause, Doing, Fault, Scope};
use crate::job::{Changed, PlaceChange, PlaceFile, SyncReport};
use crate::ledger::Change;
use crate::mail::flags::{Flags, Letters};
use crate::mail::ids::Uid;
use crate::mail::place::UniqueName;
use crate::store::keywords::Table;
use crate::store::maildir::Maildir;
use crate::store::name::Entry;

/// Files that get letters at once.
const AT_ONCE: usize = 500;

/// The letters of one mailbox.
#[derive(Debug, Clone, Default)]
pub(super) struct Lettering {
    /// What they meant when the files were listed.
    table: Arc<Table>,
    /// The letters in the names of those files that have any.
    names: BTreeMap<UniqueName, Letters>,
    /// What the names had when both sides agreed last.
    before: BTreeMap<Uid, Letters>,
    /// Were the files listed? Else their names are as they were.
    read: bool,
}

impl Lettering {
    /// Of files that were not listed, since nothing moved.
    pub(super) fn unmoved(before: BTreeMap<Uid, Letters>) -> Self {
        Self { before, ..Self::default() }
    }

    /// Of these files.
    pub(super) fn listed(maildir: &Maildir, entries: &[Entry], before: BTreeMap<Uid, Letters>) -> Self {
        let with = entries.iter().filter(|entry| !entry.letters().is_empty());
        let names = with.filter_map(|entry| Some((entry.unique()?, entry.letters()))).collect();
        Self { table: maildir.table(), names, before, read: true }
    }

    /// The rows of which letters or keywords are known: few have any.
    pub(super) fn touched(&self, base: &Base) -> BTreeSet<Uid> {
        let with_words = base.iter().filter(|(_, row)| !row.flags.lettered().is_empty()).map(|(uid, _)| uid);
        with_words
            .chain(self.names.keys().filter_map(|unique| base.uid_of(unique)))
            .chain(self.before.keys().copied())
            .collect()
    }

    /// Is this file as its row says, and is there no keyword about it at all?
    pub(super) fn is_at_rest_with(&self, entry: &Entry, uid: Uid, flags: &Flags) -> bool {
        entry.letters().is_empty() && !self.before.contains_key(&uid) && entry.flags() == flags.without_labels()
    }

    /// Do the letters of these rows tell what is remembered, and all keywords? Else there is something
    /// to be written even if no flag has changed.
    pub(super) fn is_at_rest(&self, base: &Base) -> bool {
        !self.read
            || base.iter().all(|(uid, row)| {
                let now = self.now(&row.unique, uid);
                now == self.before(uid) && row.flags.lettered().minus(&self.table.meaning(now)).is_empty()
            })
    }

    fn before(&self, uid: Uid) -> Letters {
        self.before.get(&uid).copied().unwrap_or_default()
    }

    /// The letters in a file's name.
    pub(super) fn now(&self, unique: &UniqueName, uid: Uid) -> Letters {
        if self.read { self.names.get(unique).copied().unwrap_or_default() } else { self.before(uid) }
    }

    /// All flags that a file's name wishes, keywords and all.
    pub(super) fn wished(&self, entry: &Entry, unique: &UniqueName, base: &Base) -> Flags {
        let row = base.uid_of(unique).and_then(|uid| Some((uid, base.get(uid)?)));
        match row {
            Some((uid, row)) => self.table.wished(&entry.flags(), entry.letters(), &row.flags, self.before(uid)),
            None => self.table.flags(&entry.flags(), entry.letters()),
        }
    }

    /// The letters to be remembered once a name has `now` and both sides agree on `flags`. One that
    /// went away although the server keeps its keyword is remembered on: the wish still stands.
    fn remembered(&self, table: &Table, uid: Uid, now: Letters, flags: &Flags) -> Letters {
        let withdrawn = self.before(uid).minus(now).numbers().filter(|number| {
            let meaning = table.meaning(Letters::none().with(*number));
            !meaning.is_empty() && meaning.minus(flags).is_empty() && !meaning.minus(&table.meaning(now)).is_empty()
        });
        withdrawn.fold(now, Letters::with)
    }

    /// The letters to be remembered after a change of flags.
    pub(super) fn after(&self, table: &Table, change: &FlagChange) -> Letters {
        let now = table.changed(self.now(&change.unique, change.uid), &change.add_here, &change.remove_here);
        self.remembered(table, change.uid, now, &change.agreed)
    }

    /// Keywords that a name has got since and that are not agreed on.
    fn refused(&self, unique: &UniqueName, uid: Uid, flags: &Flags) -> Flags {
        self.table.meaning(self.now(unique, uid).minus(self.before(uid))).words().minus(flags)
    }
}

/// A file whose name does not tell keywords that both sides agree on.
struct Lacking {
    uid: Uid,
    unique: UniqueName,
    words: Flags,
    /// The letters that are remembered of it.
    letters: Letters,
}

/// What is to be done about letters once a plan was carried out.
#[derive(Default)]
struct Rest {
    /// Letters to be remembered.
    remember: Vec<(Uid, Letters)>,
    /// Messages whose keywords have no letters yet.
    lacking: Vec<Lacking>,
    /// Keywords that the server did not take.
    refused: Flags,
}

impl Rest {
    fn look(&mut self, lettering: &Lettering, uid: Uid, row: &Agreed) {
        let now = lettering.now(&row.unique, uid);
        let next = lettering.remembered(&lettering.table, uid, now, &row.flags);
        if next != lettering.before(uid) {
            self.remember.push((uid, next));
        }
        self.compare(lettering, uid, &row.unique, &row.flags, next);
    }

    fn compare(&mut self, lettering: &Lettering, uid: Uid, unique: &UniqueName, flags: &Flags, letters: Letters) {
        self.refused = self.refused.union(&lettering.refused(unique, uid, flags));
        let words = flags.lettered().minus(&lettering.table.meaning(letters));
        if !words.is_empty() {
            self.lacking.push(Lacking { uid, unique: unique.clone(), words, letters });
        }
    }
}

fn rest(lettering: &Lettering, look: &Look, plan: &Plan) -> Rest {
    let mut rest = Rest::default();
    let mut done = BTreeSet::new();
    for op in &plan.ops {
        match op {
            Op::Flags(change) => {
                done.insert(change.uid);
                let letters = lettering.after(&lettering.table, change);
                rest.compare(lettering, change.uid, &change.unique, &change.agreed, letters);
            }
            Op::Forget { uid } | Op::RemoveThere { uid } | Op::Move { uid, .. } => drop(done.insert(*uid)),
            Op::RemoveHere { uid, .. } => done.extend(uid),
            // What was brought over is looked at when its directory is read the next time.
            Op::Adopt { .. } | Op::BringOver { .. } | Op::Download { .. } | Op::Append { .. } => {}
        }
    }
    for op in &plan.ops {
        if let Op::Adopt { uid, row } = op
            && done.insert(*uid)
        {
            rest.look(lettering, *uid, row);
        }
    }
    if !plan.restart {
        let changes = &look.side.changes;
        for (uid, row) in look.side.base.iter().filter(|(uid, _)| !done.contains(uid) && !changes.gone.contains(uid)) {
            rest.look(lettering, uid, row);
        }
    }
    rest
}

impl Round<'_> {
    /// Remembers the letters of a mailbox that was listed, gives letters to keywords that have none,
    /// and tells what the server did not take.
    pub(super) fn letters(&mut self, look: &Look, plan: &Plan, maildir: &Maildir) -> Result<(), Halt> {
        if !look.read {
            return Ok(());
        }
        // The table may have grown while the plan was carried out.
        let now = Lettering { table: maildir.table(), ..look.lettering.clone() };
        let Rest { remember, lacking, refused } = rest(&now, look, plan);
        if !remember.is_empty() {
            self.env.step()?;
            self.ledger.commit(&[(look.key, Change { letters: remember, ..Change::default() })])?;
        }
        if !refused.is_empty() {
            let fault = Fault::new(Doing::Pushing, look.mailbox.name.as_str(), Cause::Refused).scope(Scope::Message);
            let text = format!("the server keeps no keyword {refused}; it stays in the files on this disk");
            self.fault(fault.again(Again::Never).detail(&text));
        }
        let all = lacking.iter().fold(Flags::none(), |all, it| all.union(&it.words));
        // Where there are no more letters, or no right to the table, the base carries keywords on.
        let Ok(table) = maildir.table_with(&all) else { return Ok(()) };
        let writable: Vec<_> = lacking.into_iter().filter(|it| !table.letters_of(&it.words).is_empty()).collect();
        for some in writable.chunks(AT_ONCE) {
            self.env.step()?;
            self.write_letters(look, maildir, &table, some)?;
        }
        Ok(())
    }

    fn write_letters(&mut self, look: &Look, maildir: &Maildir, table: &Table, some: &[Lacking]) -> Result<(), Halt> {
        let uniques: Vec<UniqueName> = some.iter().map(|it| it.unique.clone()).collect();
        let found = maildir.find_all(&uniques)?;
        let (mut letters, mut places) = (Vec::new(), Vec::new());
        for Lacking { uid, unique, words, letters: before } in some {
            let Some(entry) = found.get(unique) else { continue };
            let Some(entry) = maildir.set_flags(entry, words, &Flags::none())? else { continue };
            letters.push((*uid, table.changed(*before, words, &Flags::none())));
            // Keywords for which there is no letter are known to the index already.
            let now = PlaceFile { flags: maildir.flags(&entry).union(words), ..maildir.place_file(&entry) };
            places.push(PlaceChange { unique: unique.clone(), now: Some(now) });
        }
        maildir.settle()?;
        self.env.step()?;
        self.ledger.commit(&[(look.key, Change { letters, ..Change::default() })])?;
        (self.report)(SyncReport::Changed(Changed { mailbox: look.mailbox.clone(), places }));
        Ok(())
    }
}
