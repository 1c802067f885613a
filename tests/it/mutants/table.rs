//! Faults to be planted into the pure rooms, one at a time.

/// One fault.
pub(super) struct Mutant {
    /// The file below `src/`.
    pub(super) file: &'static str,
    /// What stands there, exactly once.
    pub(super) text: &'static str,
    /// What stands there instead.
    pub(super) instead: &'static str,
    /// What goes wrong then; of a harmless one, why nothing does.
    pub(super) why: &'static str,
    pub(super) matters: Matters,
}

/// Is the fault one that the properties have to find?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Matters {
    Yes,
    /// No history ends otherwise for it.
    No,
}

const fn row(file: &'static str, text: &'static str, instead: &'static str, why: &'static str) -> Mutant {
    Mutant { file, text, instead, why, matters: Matters::Yes }
}

const fn harmless(file: &'static str, text: &'static str, instead: &'static str, why: &'static str) -> Mutant {
    Mutant { file, text, instead, why, matters: Matters::No }
}

const PLAN: &str = "sync/plan.rs";
const CHANGES: &str = "sync/changes.rs";
const MOVES: &str = "sync/moves.rs";
const GUARD: &str = "sync/guard.rs";
const FLAGS: &str = "mail/flags.rs";

/// The faults.
pub(super) const TABLE: &[Mutant] = &[
    row(PLAN, "out.dead.push(candidate);", "out.here.push(candidate);", "what the server dropped is uploaded again"),
    row(
        PLAN,
        "agreed: there.union(&add_there).minus(&remove_there),",
        "agreed: target.clone(),",
        "flags that the server does not keep are taken for removed there",
    ),
    row(
        PLAN,
        "candidate.origin.filter(|(epoch, _)| *epoch == server.epoch)",
        "candidate.origin",
        "a UID of an epoch that is over names another message",
    ),
    harmless(
        PLAN,
        "            || local.arriving.contains(candidate.unique)\n",
        "            || false\n",
        "a file that comes back under its old name had its row once, which says the same",
    ),
    row(PLAN, "if local.complete {", "if true {", "what half a look at the disk did not see is fetched once more"),
    row(
        PLAN,
        "if server.allows.append && server.complete {",
        "if server.allows.append {",
        "what half a listing did not tell is uploaded once more",
    ),
    row(
        PLAN,
        "if server.allows.append && server.complete {",
        "if server.complete {",
        "mail is uploaded where that is not allowed",
    ),
    row(
        GUARD,
        "    if scene.went_back && there > 0 {",
        "    if false {",
        "what an older copy of a folder lacks is removed on the server unasked",
    ),
    row(
        PLAN,
        ".filter(|(uid, _)| !doubtful.contains(uid))",
        "",
        "what a file with a doubtful origin may be is fetched beside it",
    ),
    row(
        PLAN,
        "!local.arriving.contains(file.unique) && file.unique.stub_size().is_none()",
        "file.unique.stub_size().is_none()",
        "what is moved is uploaded as well",
    ),
    row(
        PLAN,
        "None => server.allows.delete.then_some(Op::RemoveThere { uid }),",
        "None => Some(Op::RemoveThere { uid }),",
        "mail is removed where that is not allowed",
    ),
    row(
        PLAN,
        "    if !server.restarted {\n        let touched",
        "    if true {\n        let touched",
        "rows of an epoch that is over remove messages of the new one",
    ),
    row(
        PLAN,
        "(true, true) => Some(Op::Forget { uid }),",
        "(true, true) => None,",
        "rows of what is gone on both sides stay",
    ),
    row(
        PLAN,
        "(true, false) => Some(Op::RemoveHere { uid: Some(uid), unique: row.unique.clone() }),",
        "(true, false) => Some(Op::Forget { uid }),",
        "what the server dropped is forgotten and uploaded again",
    ),
    row(
        PLAN,
        "let target = Flags::merge(&row.flags, there, here);",
        "let target = there.union(here);",
        "no flag can ever be cleared",
    ),
    row(
        PLAN,
        "server.allows.settable(&target.minus(there));",
        "target.minus(there);",
        "flags are set that the server does not keep",
    ),
    row(
        PLAN,
        "server.allows.settable(&there.minus(&target));",
        "there.minus(&target);",
        "flags are cleared where that is not allowed",
    ),
    row(PLAN, "        && change.agreed == row.flags;", ";", "what both sides changed alike is not written down"),
    row(
        PLAN,
        "candidate.agreed.cloned().unwrap_or_else(|| new.flags.common(&candidate.flags))",
        "candidate.agreed.cloned().unwrap_or_else(|| new.flags.clone())",
        "a file without a row takes flags away from its message",
    ),
    row(
        PLAN,
        "candidate.agreed.cloned().unwrap_or_else(|| new.flags.common(&candidate.flags))",
        "new.flags.common(&candidate.flags)",
        "flags that were cleared come back with a new UIDVALIDITY",
    ),
    row(PLAN, ".flatten().find(is_it).copied()", ".flatten().next().copied()", "mails of one size are taken for one"),
    harmless(
        PLAN,
        "delete.sort_by_key(|op| !matches!(op, Op::Move { .. }));",
        "",
        "in which order different messages are moved and removed shows only to who watches the server",
    ),
    row(
        CHANGES,
        "Some(row) if row.flags != *flags => {",
        "Some(_) if false => {",
        "flags of the server are never seen",
    ),
    row(
        CHANGES,
        "complete: listing.present != Present::Unknown,",
        "complete: true,",
        "half a listing is taken for whole",
    ),
    row(
        CHANGES,
        "    if listing.complete {\n        // A row",
        "    if true {\n        // A row",
        "what half a look at the disk did not see is removed on the server",
    ),
    row(
        CHANGES,
        "let restarted = base.is_outdated(listing.epoch);",
        "let restarted = false;",
        "UIDs of an epoch that is over are taken for those of the new one",
    ),
    row(
        CHANGES,
        "(Some(one), Some(two)) => one == two,",
        "(Some(_), Some(_)) => fits(self.size, other.size),",
        "mails without Message-ID are told apart by their size alone",
    ),
    harmless(
        CHANGES,
        "_ => self.id.is_some() && fits(self.size, other.size),",
        "_ => false,",
        "whatever is not known again by its Message-ID and size is known again by its content: it only costs more",
    ),
    row(
        PLAN,
        "Some((identity.id, identity.digest?))",
        "Some((identity.id, identity.digest.filter(|_| false)?))",
        "mails whose announced sizes are not theirs, and those without Message-ID, are on both sides twice",
    ),
    row(
        CHANGES,
        "self.taken_in.is_some_and(|below| uid < below)",
        "self.taken_in.is_none_or(|_| uid >= Uid::MIN)",
        "a file that missed its row by a crash rises from the dead",
    ),
    row(
        MOVES,
        "changes.gone.retain(|uid| changes.leaving.contains_key(uid));",
        "",
        "what lies in a mailbox that could not be read is removed on the server",
    ),
    row(MOVES, "        target.changes.arriving.insert(unique.clone());\n", "", "what is moved is uploaded as well"),
    harmless(
        MOVES,
        "source.0 != to && !taken.contains(source)",
        "source.0 != to",
        "of two files that claim one message the later is moved and the other uploaded in the next round: as many copies",
    ),
    row(GUARD, "lost > MANY || (", "(", "fifty removals of very many go through unasked"),
    row(GUARD, "(lost > FEW && lost * 100 > known * SHARE)", "false", "a small folder may be emptied unasked"),
    row(
        GUARD,
        "(lost > FEW && lost * 100 > known * SHARE)",
        "(lost * 100 > known * SHARE)",
        "who removes two mails of five is asked",
    ),
    row(
        GUARD,
        "if scene.directory_missing && *known > 0 {",
        "if false {",
        "a disk that is not mounted empties the server",
    ),
    row(GUARD, "if frightening(there, *known) || ", "if ", "removals on the server are not asked about"),
    row(GUARD, "if frightening(here, *known) {", "if false {", "removals on disk are not asked about"),
    row(
        GUARD,
        "let risen = if scene.restarted {",
        "let risen = if false {",
        "a mailbox that was made anew is filled with old mail unasked",
    ),
    row(
        FLAGS,
        "let added = one.minus(base).union(&other.minus(base));",
        "let added = one.minus(base);",
        "one side's flags are never seen",
    ),
    row(
        FLAGS,
        "let removed = base.minus(one).union(&base.minus(other));",
        "let removed = base.minus(one).common(&base.minus(other));",
        "a flag is cleared only if both sides clear it",
    ),
    row(FLAGS, "base.union(&added).minus(&removed)", "base.minus(&removed)", "no flag can ever be set"),
];
