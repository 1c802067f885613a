//! What is to be done so that both sides meet: pure, so that a plan can be shown, counted, tested
//! and stopped after any step. It never decides on what it does not know: without a complete
//! listing and the same UIDVALIDITY nothing is taken for deleted.
//!
//! Messages are paired by the base, then by the origin in the file's name, then by Message-ID and
//! size, then by content; what is left is new.

use std::collections::{BTreeMap, BTreeSet};

use super::changes::{Agreed, Arrival, Base, Identity, LocalChanges, NewThere, Sealed, ServerChanges, TUID_LINE};
use crate::mail::flags::{Flag, Flags};
use crate::mail::ids::{Uid, UidValidity};
use crate::mail::mailbox::MailboxName;
use crate::mail::place::UniqueName;

/// One step. Every step can be done twice without harm. A first plan has one for each message, so what is
/// large in the rarer ones is boxed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// Both sides have it already: write that down.
    Adopt {
        /// The message.
        uid: Uid,
        /// What both sides agree on about it.
        row: Box<Agreed>,
    },
    /// Neither side has it any more: forget it.
    Forget {
        /// The message.
        uid: Uid,
    },
    /// Fetch it into a new file.
    Download {
        /// The message.
        uid: Uid,
        /// Its flags.
        flags: Flags,
    },
    /// It was moved here from another mailbox on the server: bring its file over instead of fetching it.
    BringOver {
        /// The message.
        uid: Uid,
        /// The mailbox that has the file still.
        from: MailboxName,
        /// The UID that it had there.
        from_uid: Uid,
        /// The file there.
        unique: UniqueName,
        /// What was agreed on about it there, under the name that the file gets here.
        row: Box<Agreed>,
    },
    /// Append the file to the mailbox on the server.
    Append {
        /// The file.
        unique: UniqueName,
        /// Its flags, as far as the server keeps them.
        flags: Flags,
    },
    /// Bring flags together.
    Flags(Box<FlagChange>),
    /// The user moved it: move it on the server.
    Move {
        /// The message.
        uid: Uid,
        /// The mailbox that has the file now.
        to: MailboxName,
        /// The file there.
        unique: UniqueName,
    },
    /// The server removed it: take the file away (into quarantine).
    RemoveHere {
        /// Its row, where it has one.
        uid: Option<Uid>,
        /// The file.
        unique: UniqueName,
    },
    /// The user removed it: expunge it on the server, if it is still the same message.
    RemoveThere {
        /// The message.
        uid: Uid,
    },
}

impl Op {
    fn removes(&self) -> bool {
        matches!(self, Self::RemoveHere { .. } | Self::RemoveThere { .. })
    }

    /// May only one program do this for a mailbox? What is written down, or comes to the same whoever
    /// does it first, may be done by two.
    fn takes_turns(&self) -> bool {
        match self {
            Self::Adopt { .. } | Self::Forget { .. } | Self::Flags(_) => false,
            Self::Download { .. }
            | Self::BringOver { .. }
            | Self::Append { .. }
            | Self::Move { .. }
            | Self::RemoveHere { .. }
            | Self::RemoveThere { .. } => true,
        }
    }
}

/// A step that brings flags together: deltas on both sides, never whole sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlagChange {
    /// The message.
    pub uid: Uid,
    /// Its file.
    pub unique: UniqueName,
    /// What to set in the file's name.
    pub add_here: Flags,
    /// What to clear in the file's name.
    pub remove_here: Flags,
    /// What to set on the server.
    pub add_there: Flags,
    /// What to clear on the server.
    pub remove_there: Flags,
    /// What both sides agree on afterwards.
    pub agreed: Flags,
}

/// What is to be done in one mailbox, in this order: adopt, bring over and fetch; flags and removals here; upload,
/// move and delete there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// The epoch that the UIDs belong to.
    pub epoch: Option<UidValidity>,
    /// Are all rows of an older epoch to be dropped first, in one step with the adoptions?
    pub restart: bool,
    /// The steps.
    pub ops: Vec<Op>,
    /// Of the messages that are downloaded, those of which only the header is.
    pub stubs: BTreeSet<Uid>,
    /// Messages that a file which cannot be read may be: they are not fetched beside it.
    pub withheld: Vec<Uid>,
}

impl Plan {
    /// Is there nothing to do?
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty() && !self.restart
    }

    /// Is anything to be removed on either side?
    pub fn removes(&self) -> bool {
        self.ops.iter().any(Op::removes)
    }

    /// The same plan without removals on either side.
    #[must_use]
    pub fn without_removals(mut self) -> Self {
        self.ops.retain(|op| !op.removes());
        self
    }

    /// Is there anything to do that only one program may do for a mailbox, since it would be done twice?
    pub fn takes_turns(&self) -> bool {
        self.ops.iter().any(Op::takes_turns)
    }

    /// The plan without what only one program may do.
    #[must_use]
    pub fn without_turns(mut self) -> Self {
        self.ops.retain(|op| !op.takes_turns());
        self
    }
}

/// What must be asked before a plan can be made without guessing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Unsure {
    /// Messages whose size and Message-ID the server has to tell.
    pub uids: Vec<Uid>,
    /// Messages whose digest is needed: their contents have to be compared with those of files.
    pub digests: Vec<Uid>,
    /// Files to be read, with digest.
    pub files: Vec<UniqueName>,
}

impl Unsure {
    /// Is everything known?
    pub fn is_empty(&self) -> bool {
        self.uids.is_empty() && self.digests.is_empty() && self.files.is_empty()
    }
}

/// A file that has no row in this epoch.
struct Candidate<'a> {
    unique: &'a UniqueName,
    flags: Flags,
    origin: Option<(UidValidity, Uid)>,
    identity: Option<&'a Identity>,
    /// What was agreed on in an epoch that is over.
    agreed: Option<&'a Flags>,
}

/// The files without a row: the new ones and, in a new epoch, all that the old rows name.
fn candidates<'a>(server: &ServerChanges, local: &'a LocalChanges, base: &'a Base) -> Vec<Candidate<'a>> {
    let new = local.new.iter().map(|(unique, file)| Candidate {
        unique,
        flags: file.flags.clone(),
        origin: file.origin,
        identity: file.identity.as_ref(),
        agreed: None,
    });
    let mut all: Vec<_> = new.collect();
    if server.restarted {
        let is_here = |uid: &Uid, row: &Agreed| !local.gone.contains(uid) && !row.unique.is_marked();
        all.extend(base.iter().filter(|(uid, row)| is_here(uid, row)).map(|(uid, row)| Candidate {
            unique: &row.unique,
            flags: local.flags.get(&uid).unwrap_or(&row.flags).clone(),
            origin: None,
            identity: Some(&row.identity),
            agreed: Some(&row.flags),
        }));
    }
    all
}

/// What came of pairing.
struct Pairing<'a> {
    pairs: Vec<(Uid, &'a NewThere, Candidate<'a>)>,
    /// New on the server.
    there: BTreeMap<Uid, &'a NewThere>,
    /// New here.
    here: Vec<Candidate<'a>>,
    /// Fetched from the server, which has dropped them since.
    dead: Vec<Candidate<'a>>,
    /// Files of which nobody knows whether the server still has them: they stay as they are.
    stay: Vec<Candidate<'a>>,
    /// Files that cannot be read: they stay as they are.
    sealed: Vec<&'a Sealed>,
    /// The messages that those surely are.
    withheld: Vec<Uid>,
}

impl Pairing<'_> {
    /// May this message be a file that cannot be read?
    fn may_be_sealed(&self, new: &NewThere) -> bool {
        self.sealed.iter().any(|file| file.may_be(new.identity.as_deref()))
    }

    /// May this new message be the one of a file that stays? An origin tells where a file came from, not
    /// which of two copies it is, so that message is not fetched until the server has told all it has.
    fn may_be_here(&self, new: &NewThere) -> bool {
        let Some(there) = &new.identity else { return !self.stay.is_empty() };
        let mut known = self.stay.iter().map(|file| file.identity);
        known.any(|here| here.is_none_or(|here| here.matches(there) || here.needs_digest(there)))
    }
}

/// The UIDs that more than one file names as its origin. After a server was set back such files may be of two
/// messages: the one that had the UID before, and the one that got it then.
fn rivals(server: &ServerChanges, local: &LocalChanges) -> BTreeSet<Uid> {
    let (mut once, mut more) = (BTreeSet::new(), BTreeSet::new());
    for (_, uid) in local.new.values().filter_map(|file| file.origin).filter(|(epoch, _)| *epoch == server.epoch) {
        if !once.insert(uid) {
            more.insert(uid);
        }
    }
    more
}

/// May this file be that message, as far as both are known?
fn may_be(file: &Candidate<'_>, there: &NewThere) -> bool {
    let both = file.identity.zip(there.identity.as_ref());
    both.is_none_or(|(here, there)| here.matches(there) || here.needs_digest(there))
}

/// Pairs by origin alone.
fn pair_by_origin<'a>(server: &'a ServerChanges, local: &'a LocalChanges, base: &'a Base) -> Pairing<'a> {
    let mut out = Pairing {
        pairs: Vec::new(),
        there: server.new.iter().map(|(uid, new)| (*uid, new)).collect(),
        here: Vec::new(),
        dead: Vec::new(),
        stay: Vec::new(),
        sealed: Vec::new(),
        withheld: Vec::new(),
    };
    let rivals = rivals(server, local);
    for candidate in candidates(server, local, base) {
        let named = candidate.origin.filter(|(epoch, _)| *epoch == server.epoch).map(|(_, uid)| uid);
        if let Some(sealed) = local.sealed.get(candidate.unique) {
            match named.filter(|uid| out.there.remove(uid).is_some()) {
                Some(uid) => out.withheld.push(uid),
                None => out.sealed.push(sealed),
            }
            continue;
        }
        let Some(uid) = named else {
            out.here.push(candidate);
            continue;
        };
        let is_it = |new: &&NewThere| !rivals.contains(&uid) || may_be(&candidate, new);
        if let Some(new) = out.there.get(&uid).copied().filter(is_it) {
            out.there.remove(&uid);
            out.pairs.push((uid, new, candidate));
        } else if server.new.contains_key(&uid)
            || base.get(uid).is_some()
            || base.had(uid)
            || local.arriving.contains(candidate.unique)
        {
            // A second file of one message: someone copied it. Or one that had its row and came back
            // from elsewhere under its old name: what the name tells is over.
            out.here.push(candidate);
        } else if server.allows.append && server.exactly.as_ref().is_some_and(|uids| !uids.contains(&uid)) {
            out.dead.push(candidate);
        } else if server.exactly.is_none() {
            out.stay.push(candidate);
        }
        // Else it could not be uploaded again, so it stays too: it may be the only copy of what was removed
        // there because it was filed elsewhere.
    }
    out
}

/// Pairs what their origins did not: by content where it had to be asked for, then by Message-ID and size.
fn pair_by_identity(mut out: Pairing<'_>) -> Pairing<'_> {
    pair_by_content(&mut out);
    let mut by_size: BTreeMap<u64, Vec<Uid>> = BTreeMap::new();
    for (uid, new) in &out.there {
        if let Some(identity) = &new.identity {
            by_size.entry(identity.size).or_default().push(*uid);
        }
    }
    // The very size first, so that no copy with mbsync's line takes the place of the message itself.
    for tuid in [0, TUID_LINE] {
        for candidate in std::mem::take(&mut out.here) {
            let found = candidate.identity.and_then(|identity| {
                let is_it = |uid: &&Uid| {
                    let new = out.there.get(*uid).and_then(|new| new.identity.as_deref());
                    new.is_some_and(|new| new.matches(identity))
                };
                let sizes = [identity.size.saturating_add(tuid), identity.size.saturating_sub(tuid)];
                sizes.iter().filter_map(|size| by_size.get(size)).flatten().find(is_it).copied()
            });
            match found.and_then(|uid| Some((uid, out.there.remove(&uid)?))) {
                Some((uid, new)) => out.pairs.push((uid, new, candidate)),
                None => out.here.push(candidate),
            }
        }
    }
    out
}

/// Pairs those of which both sides were asked for the content.
fn pair_by_content(out: &mut Pairing<'_>) {
    let content = |identity: &Identity| Some((identity.id, identity.digest?));
    let mut by_content: BTreeMap<(Option<u64>, [u8; 32]), Vec<Uid>> = BTreeMap::new();
    for (uid, new) in out.there.iter().rev() {
        if let Some(content) = new.identity.as_deref().and_then(content) {
            by_content.entry(content).or_default().push(*uid);
        }
    }
    if by_content.is_empty() {
        return;
    }
    for candidate in std::mem::take(&mut out.here) {
        let same = candidate.identity.and_then(content).and_then(|content| by_content.get_mut(&content)?.pop());
        match same.and_then(|uid| Some((uid, out.there.remove(&uid)?))) {
            Some((uid, new)) => out.pairs.push((uid, new, candidate)),
            None => out.here.push(candidate),
        }
    }
}

/// Tells what must be asked before [`plan`] can pair without guessing. To be called again once the
/// answers are filled in, until nothing is unsure; what cannot be answered stays unpaired.
pub fn unsure(server: &ServerChanges, local: &LocalChanges, base: &Base) -> Unsure {
    let pairing = pair_by_origin(server, local, base);
    let mut out = Unsure::default();
    let mut files: BTreeSet<&UniqueName> = BTreeSet::new();
    let paired = pairing.pairs.iter().map(|(.., candidate)| candidate);
    let alone = pairing.here.iter().chain(&pairing.stay);
    files.extend(alone.chain(paired).filter(|c| c.identity.is_none()).map(|c| c.unique));
    let may_be_any = pairing.sealed.iter().any(|file| file.may_be(None));
    if !pairing.here.is_empty() || !pairing.stay.is_empty() || may_be_any {
        out.uids = pairing.there.iter().filter(|(_, new)| new.identity.is_none()).map(|(uid, _)| *uid).collect();
    }
    let rivals = rivals(server, local);
    for (uid, new, file) in pairing.pairs.iter().filter(|(uid, ..)| rivals.contains(uid)) {
        let Some(there) = &new.identity else {
            out.uids.push(*uid);
            continue;
        };
        if file.identity.is_some_and(|here| here.needs_digest(there)) {
            if file.identity.is_some_and(|here| here.digest.is_none()) {
                files.insert(file.unique);
            }
            if there.digest.is_none() {
                out.digests.push(*uid);
            }
        }
    }
    ask_for_contents(pairing, &mut out.digests, &mut files);
    out.files = files.into_iter().cloned().collect();
    out
}

/// Where files and messages of one Message-ID, or of none, are left over on both sides, only their contents tell
/// whether they are the same: what a server announces as a size may be a guess. All of that Message-ID are asked
/// for then, since by such a size another one may have been taken for the one that is meant.
fn ask_for_contents<'a>(pairing: Pairing<'a>, uids: &mut Vec<Uid>, files: &mut BTreeSet<&'a UniqueName>) {
    let surely = pairing.pairs.len();
    let left = pair_by_identity(pairing);
    // Of a stub nothing but the header is here, and it tells the size that the server had announced.
    let whole = |file: &&Candidate<'_>| file.unique.stub_size().is_none();
    let here: BTreeSet<Option<u64>> =
        left.here.iter().filter(whole).filter_map(|file| Some(file.identity?.id)).collect();
    let there = left.there.values().filter_map(|new| Some(new.identity.as_ref()?.id));
    let unsure: BTreeSet<Option<u64>> = there.filter(|id| here.contains(id)).collect();
    if unsure.is_empty() {
        return;
    }
    let is_asked = |identity: &Identity| identity.digest.is_none() && unsure.contains(&identity.id);
    let paired = || left.pairs.iter().skip(surely);
    let all = left.there.iter().map(|(uid, new)| (*uid, *new)).chain(paired().map(|(uid, new, _)| (*uid, *new)));
    uids.extend(all.filter(|(_, new)| new.identity.as_deref().is_some_and(is_asked)).map(|(uid, _)| uid));
    let all = left.here.iter().chain(paired().map(|(.., file)| file));
    files.extend(all.filter(whole).filter(|file| file.identity.is_some_and(is_asked)).map(|file| file.unique));
}

/// Makes the plan for one mailbox of what changed on both sides and the rows they touch.
pub fn plan(server: &ServerChanges, local: &LocalChanges, base: &Base) -> Plan {
    let pairing = pair_by_identity(pair_by_origin(server, local, base));
    let among_those = |may_be: &dyn Fn(&NewThere) -> bool| -> Vec<Uid> {
        pairing.there.iter().filter(|(_, new)| may_be(new)).map(|(uid, _)| *uid).collect()
    };
    let mut withheld = among_those(&|new| pairing.may_be_sealed(new));
    let mut doubtful: BTreeSet<Uid> = among_those(&|new| pairing.may_be_here(new)).into_iter().collect();
    doubtful.extend(&withheld);
    withheld.extend(&pairing.withheld);
    let Pairing { pairs, there, here, dead, .. } = pairing;
    let mut ops = Vec::new();
    let mut flags = Vec::new();
    for (uid, new, candidate) in pairs {
        // Without a base the union of both sides is the safest wish.
        let known = candidate.agreed.cloned().unwrap_or_else(|| new.flags.common(&candidate.flags));
        let row = Agreed {
            unique: candidate.unique.clone(),
            flags: known,
            identity: candidate.identity.or(new.identity.as_deref()).copied().unwrap_or_default(),
        };
        flags.extend(meet(uid, &row, &new.flags, &candidate.flags, server));
        ops.push(Op::Adopt { uid, row: Box::new(row) });
    }
    let mut delete: Vec<Op> =
        dead.iter().map(|file| Op::RemoveHere { uid: None, unique: file.unique.clone() }).collect();
    if !server.restarted {
        let touched: BTreeSet<Uid> = [&server.gone, &local.gone]
            .into_iter()
            .flatten()
            .chain(server.flags.keys())
            .chain(local.flags.keys())
            .copied()
            .collect();
        for (uid, row) in touched.into_iter().filter_map(|uid| Some((uid, base.get(uid)?))) {
            match settle(uid, row, server, local) {
                Some(op @ (Op::Forget { .. } | Op::Download { .. })) => ops.push(op),
                Some(op @ Op::Flags(_)) => flags.push(op),
                Some(op) => delete.push(op),
                None => {}
            }
        }
    }
    // In doubt nothing is brought: the other side may have it.
    if local.complete {
        ops.reserve_exact(there.len());
        for (uid, new) in there.iter().rev().filter(|(uid, _)| !doubtful.contains(uid)) {
            let Some(arrival) = server.arriving.get(uid) else {
                ops.push(Op::Download { uid: *uid, flags: new.flags.clone() });
                continue;
            };
            let Arrival { from, from_uid, unique, here, row } = arrival.clone();
            flags.extend(meet(*uid, &row, &new.flags, &here, server));
            ops.push(Op::BringOver { uid: *uid, from, from_uid, unique, row: Box::new(row) });
        }
    }
    if server.allows.append && server.complete {
        // What comes from another mailbox is moved on the server, not uploaded; and a stub is no message.
        let ours = |file: &&Candidate<'_>| !local.arriving.contains(file.unique) && file.unique.stub_size().is_none();
        let known = here.iter().filter(ours).filter(|file| file.identity.is_some());
        let append = |file: &Candidate<'_>| Op::Append {
            unique: file.unique.clone(),
            // Labels are given once the server has told under which UID it keeps the message.
            flags: server.allows.settable(&file.flags.without_labels()),
        };
        ops.extend(known.map(append));
    }
    ops.append(&mut flags);
    // Moves before removals: what is moved must not look like gone to whoever watches the server.
    delete.sort_by_key(|op| !matches!(op, Op::Move { .. }));
    ops.append(&mut delete);
    Plan { epoch: Some(server.epoch), restart: server.restarted, ops, stubs: BTreeSet::new(), withheld }
}

/// Says what becomes of a message that both sides knew.
fn settle(uid: Uid, row: &Agreed, server: &ServerChanges, local: &LocalChanges) -> Option<Op> {
    if row.unique.is_marked() {
        return settle_marked(uid, row, server, local);
    }
    match (server.gone.contains(&uid), local.gone.contains(&uid)) {
        (true, true) => Some(Op::Forget { uid }),
        // Its file goes where the message went; should that fail, the next round sees it again.
        (true, false) if server.leaving.contains(&uid) => None,
        (true, false) => Some(Op::RemoveHere { uid: Some(uid), unique: row.unique.clone() }),
        (false, true) => match local.leaving.get(&uid) {
            Some(leaving) if server.allows.r#move => {
                Some(Op::Move { uid, to: leaving.to.clone(), unique: leaving.unique.clone() })
            }
            Some(_) => None,
            None => server.allows.delete.then_some(Op::RemoveThere { uid }),
        },
        (false, false) => {
            let there = server.flags.get(&uid).unwrap_or(&row.flags);
            let here = local.flags.get(&uid).unwrap_or(&row.flags);
            meet(uid, row, there, here, server)
        }
    }
}

/// Says what becomes of a message that has no file any more and stays on the server, marked as deleted. If someone
/// takes the mark away, they want it back; in doubt not yet, since it may be here.
fn settle_marked(uid: Uid, row: &Agreed, server: &ServerChanges, local: &LocalChanges) -> Option<Op> {
    if server.gone.contains(&uid) {
        return Some(Op::Forget { uid });
    }
    let there = server.flags.get(&uid)?;
    if there.has(Flag::Deleted) {
        return meet(uid, row, there, &row.flags, server);
    }
    local.complete.then(|| Op::Download { uid, flags: there.clone() })
}

/// Brings the flags of one message together: each side's wish since the base survives.
fn meet(uid: Uid, row: &Agreed, there: &Flags, here: &Flags, server: &ServerChanges) -> Option<Op> {
    let target = Flags::merge(&row.flags, there, here);
    let add_there = server.allows.settable(&target.minus(there));
    let remove_there = server.allows.settable(&there.minus(&target));
    let change = FlagChange {
        uid,
        unique: row.unique.clone(),
        // No file's name tells a label: what is agreed on is where they lie here.
        add_here: target.minus(here).without_labels(),
        remove_here: here.minus(&target).without_labels(),
        agreed: there.union(&add_there).minus(&remove_there),
        add_there,
        remove_there,
    };
    let idle = change.add_here.is_empty()
        && change.remove_here.is_empty()
        && change.add_there.is_empty()
        && change.remove_there.is_empty()
        && change.agreed == row.flags;
    (!idle).then(|| Op::Flags(Box::new(change)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::changes::{Allows, NewHere};

    #[test]
    fn what_a_doubtful_file_may_be_is_not_fetched() {
        // The rows are lost, and the server told of one of its two copies only: of the other file nobody
        // knows whose it is, and the message that was told may be it.
        let epoch = UidValidity::MIN;
        let uid = |n| Uid::new(n).unwrap();
        let identity = |content| Identity { size: 10, id: Some(7), digest: Some([content; 32]) };
        let told = |content| NewThere { flags: Flags::none(), identity: Some(Box::new(identity(content))) };
        let server = ServerChanges {
            epoch,
            restarted: false,
            new: BTreeMap::from([(uid(9), told(10)), (uid(8), told(11))]),
            flags: BTreeMap::new(),
            gone: BTreeSet::new(),
            leaving: BTreeSet::new(),
            arriving: BTreeMap::new(),
            exactly: None,
            complete: false,
            allows: Allows::all(),
        };
        let file = NewHere { flags: Flags::none(), origin: Some((epoch, uid(1))), identity: Some(identity(10)) };
        let name = UniqueName::new("copy").unwrap();
        let local = LocalChanges { new: BTreeMap::from([(name, file)]), ..LocalChanges::unmoved() };
        let plan = plan(&server, &local, &Base::default());
        assert_eq!(plan.ops, [Op::Download { uid: uid(8), flags: Flags::none() }]);
    }
}
