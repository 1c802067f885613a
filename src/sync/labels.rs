//! Wishes for labels, from the ledger to the server: which rows of a mailbox they change, which are void, what
//! the server takes and what it refuses. A wish stands until the server has heard it: what the base says may
//! come from an earlier wish of which only the answer was lost, so against it nothing is concluded. No letter of a file's name tells a label, so nothing here renames a
//! file; and a message that the server keeps once, whatever it is given, is kept once here.

use std::collections::{BTreeMap, BTreeSet};

use super::apply::{Hands, known, refused};
use super::changes::{Agreed as Known, Identity, fits};
use super::env::Halt;
use super::look::Look;
use super::plan::{FlagChange, Op, Plan};
use super::round::Round;
use crate::fault::{Cause, Fault, Scope};
use crate::ledger::{Change, LabelWish, MailboxKey, Row};
use crate::mail::flags::Flags;
use crate::mail::ids::Uid;
use crate::mail::labels::{Label, Labels};
use crate::mail::mailbox::MailboxName;
use crate::mail::place::{MailboxId, UniqueName};
use crate::remote::Push;
use crate::store::maildir::Maildir;
use crate::store::name::Home;
use crate::store::quarantine::Quarantine;

/// The labels of a set, as words.
fn label_words(flags: &Flags) -> Flags {
    flags.minus(&flags.without_labels())
}

/// What is wished for the labels of messages, and nothing more, was done or found void.
type Done = Vec<(UniqueName, LabelWish)>;

impl Round<'_> {
    /// Do messages of this mailbox have labels?
    pub(super) fn is_home(&self, name: &MailboxName) -> bool {
        self.memory.folders.as_ref().is_some_and(|folders| folders.home.as_ref() == Some(name))
    }

    /// The wishes for labels of a mailbox; none where messages have no labels.
    pub(super) fn label_wishes(
        &self,
        name: &MailboxName,
        key: MailboxKey,
    ) -> Result<BTreeMap<UniqueName, LabelWish>, Fault> {
        if self.is_home(name) { self.ledger.label_wishes(key) } else { Ok(BTreeMap::new()) }
    }

    /// Takes in the wishes for messages whose files were not listed, since nothing moved.
    pub(super) fn wish_unread(&self, look: &mut Look) -> Result<(), Fault> {
        for row in self.ledger.rows_of_names(look.key, look.wishes.keys())? {
            let Some(wish) = look.wishes.get(&row.unique) else { continue };
            let (uid, row) = known(row);
            look.side.changes.flags.insert(uid, wish.applied(&row.flags));
            look.side.base.insert(uid, Known { flags: wish.undone(&row.flags), ..row });
        }
        Ok(())
    }

    /// Lets go of the wishes for files that are not here any more. Where such a file got another name, its wish
    /// follows: `is_here` tells of those that were listed.
    pub(super) fn sort_wishes(&mut self, look: &Look, is_here: &dyn Fn(&UniqueName) -> bool) -> Result<(), Fault> {
        let home = Home::of(&look.mailbox);
        let mut over = Done::new();
        for (unique, wish) in look.wishes.iter().filter(|(unique, _)| !is_here(unique)) {
            if !self.ledger.rows_of_names(look.key, [unique])?.is_empty() {
                continue;
            }
            over.push((unique.clone(), wish.clone()));
            let origin = home.origin(unique.as_str()).filter(|of| of.validity == look.agreed.validity);
            let uid = origin.map(|origin| origin.uid);
            let Some(row) = self.ledger.rows_of_uids(look.key, uid.as_slice())?.pop() else { continue };
            if self.memory.dry.is_none() {
                self.ledger.label(&look.mailbox, &[row.unique], &wish.given, &wish.taken)?;
                self.unsettled = true;
            }
        }
        self.let_go(look.key, over)
    }

    fn let_go(&mut self, key: MailboxKey, wishes: Done) -> Result<(), Fault> {
        if wishes.is_empty() || self.memory.dry.is_some() {
            return Ok(());
        }
        self.ledger.commit(&[(key, Change { wishes, ..Change::default() })])
    }

    /// Did messages get a place on the server whose labels it has not been told?
    pub(super) fn leaves_labels(look: &Look, plan: &Plan) -> bool {
        plan.ops.iter().any(|op| matches!(op, Op::Append { unique, .. } if look.wishes.contains_key(unique)))
    }
}

impl Hands<'_> {
    /// Gives and takes labels on the server. Says what both sides agree on about each message then, and which
    /// wishes are over: those that came true, and those that the server will never fulfil.
    pub(super) fn labels_there(&mut self, some: &[&FlagChange]) -> Result<(Vec<Flags>, Done), Halt> {
        let mut agreed: Vec<Flags> = some.iter().map(|change| change.agreed.clone()).collect();
        let mut alike: BTreeMap<(Flags, Flags), Vec<usize>> = BTreeMap::new();
        for (at, change) in some.iter().enumerate() {
            let delta = (label_words(&change.add_there), label_words(&change.remove_there));
            if !(delta.0.is_empty() && delta.1.is_empty()) {
                alike.entry(delta).or_default().push(at);
            }
        }
        let mut hopeless = BTreeSet::new();
        for ((add, remove), at) in alike {
            self.env.step()?;
            let uids: Vec<Uid> = at.iter().filter_map(|at| Some(some.get(*at)?.uid)).collect();
            let Refused { given, taken, for_ever } = self.push_labels(&uids, &add.labels(), &remove.labels())?;
            self.counts.flagged_there += uids.len() as u64;
            if for_ever {
                hopeless.extend(at.iter().copied());
            }
            if given.is_empty() && taken.is_empty() {
                continue;
            }
            // Of what was refused the server has what it had before.
            let refused = Flags::none().with_labels(&given.union(&taken));
            let rows = self.ledger.rows_of_uids(self.key, &uids)?;
            let before: BTreeMap<Uid, Flags> =
                rows.into_iter().map(|row| (row.uid, row.flags.common(&refused))).collect();
            for at in at {
                if let (Some(flags), Some(change)) = (agreed.get_mut(at), some.get(at)) {
                    let had = before.get(&change.uid).cloned().unwrap_or_default();
                    *flags = flags.minus(&refused).union(&had);
                }
            }
        }
        let over = some.iter().zip(&agreed).enumerate().filter_map(|(at, (change, agreed))| {
            let wish = self.wishes.get(&change.unique)?;
            let is_over = hopeless.contains(&at) || wish.applied(agreed) == *agreed;
            is_over.then(|| (change.unique.clone(), wish.clone()))
        });
        let over = over.collect();
        Ok((agreed, over))
    }

    /// Says all at once; where the server refuses that, one label after the other, so that what it refuses
    /// stands in the way of nothing else.
    fn push_labels(&mut self, uids: &[Uid], add: &Labels, remove: &Labels) -> Result<Refused, Halt> {
        let mut out = Refused::default();
        match self.push_label(uids, add, remove)? {
            None => return Ok(out),
            Some(fault) if add.iter().count() + remove.iter().count() == 1 => {
                self.take_refusal(fault, add, remove, &mut out);
                return Ok(out);
            }
            Some(_) => {}
        }
        let one = |label: &Label| Labels::from_iter([label.clone()]);
        let single = add.iter().map(|label| (one(label), Labels::none()));
        let single: Vec<_> = single.chain(remove.iter().map(|label| (Labels::none(), one(label)))).collect();
        for (add, remove) in single {
            self.env.step()?;
            if let Some(fault) = self.push_label(uids, &add, &remove)? {
                self.take_refusal(fault, &add, &remove, &mut out);
            }
        }
        Ok(out)
    }

    fn push_label(&mut self, uids: &[Uid], add: &Labels, remove: &Labels) -> Result<Option<Fault>, Halt> {
        match self.remote.push(&self.mailbox.name, &Push::Labels { uids, add, remove }) {
            Ok(_) => Ok(None),
            Err(fault) if refused(&fault) => Ok(Some(fault)),
            Err(fault) => Err(fault.into()),
        }
    }

    fn take_refusal(&mut self, fault: Fault, add: &Labels, remove: &Labels, out: &mut Refused) {
        out.given = out.given.union(add);
        out.taken = out.taken.union(remove);
        out.for_ever |= fault.cause == Cause::Refused;
        let names: Vec<&str> = add.iter().chain(remove).map(Label::as_str).collect();
        let why = format!("the server does not change the label {}: {}", names.join(", "), fault.detail);
        self.faults.push(fault.scope(Scope::Message).detail(&why));
    }

    /// Takes a file away, into quarantine, whose message the server keeps as one that has a file already: it
    /// told the UID of that one. Was it such a file?
    pub(super) fn is_twin(
        &mut self,
        (mailbox, key, maildir): (&MailboxId, MailboxKey, &Maildir),
        uid: Uid,
        (unique, identity): (&UniqueName, &Identity),
    ) -> Result<bool, Fault> {
        let Some(row) = self.ledger.rows_of_uids(key, &[uid])?.pop() else { return Ok(false) };
        let is_same = fits(row.size, identity.size) && row.digest == identity.id && row.digest.is_some();
        if row.unique == *unique || !is_same || maildir.find(&row.unique)?.is_none() {
            return Ok(false);
        }
        if let Some(wish) = self.ledger.label_wishes(key)?.remove(unique) {
            self.ledger.label(mailbox, std::slice::from_ref(&row.unique), &wish.given, &wish.taken)?;
        }
        let away = Quarantine::below(&self.env.data).shelf(mailbox, self.env.clock.now())?;
        if let Some(entry) = maildir.find(unique)? {
            away.take(maildir, &entry)?;
            away.settle()?;
            maildir.settle()?;
        }
        let places = vec![crate::job::PlaceChange { unique: unique.clone(), now: None }];
        let changed = crate::job::Changed { mailbox: mailbox.clone(), places };
        (self.report)(crate::job::SyncReport::Changed(changed));
        Ok(true)
    }
}

impl Hands<'_> {
    /// The same of a file that was moved to another mailbox here.
    pub(super) fn is_moved_twin(
        &mut self,
        target: &MailboxId,
        key: MailboxKey,
        uid: Uid,
        (unique, row): (&UniqueName, &Row),
    ) -> Result<bool, Fault> {
        let maildir = Maildir::open(&self.env.root().directory(&target.name)?)?;
        let identity = Identity { size: row.size, id: row.digest, digest: None };
        self.is_twin((target, key, &maildir), uid, (unique, &identity))
    }
}

/// Labels that the server did not give or take.
#[derive(Default)]
struct Refused {
    given: Labels,
    taken: Labels,
    /// Is there no use in saying it again?
    for_ever: bool,
}
