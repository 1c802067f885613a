//! Is this plan frightening? Much mail that vanishes at once is rather a disk that is not mounted,
//! a server that lost its head or a slip of the hand than a wish. Pure: it only asks.

use super::plan::{Op, Plan};
use crate::mail::clean::Clean;
use crate::mail::mailbox::{MailboxName, Role};

/// So few removals never frighten: a small folder is emptied every day.
pub const FEW: usize = 5;
/// More removals than this are always asked about.
pub const MANY: usize = 50;
/// A folder that had at least so many messages and is to lose all of them on the server is asked about,
/// however few they are: that is rather a directory that was wiped than a wish.
pub const LAST: usize = 3;
/// A larger share than this, in percent of what was agreed on, is asked about.
pub const SHARE: usize = 20;

/// What is known beside the plan.
#[derive(Debug, Clone)]
pub struct Scene<'a> {
    /// Which mailbox.
    pub mailbox: &'a MailboxName,
    /// What it is for.
    pub role: Option<Role>,
    /// How many messages both sides had agreed on.
    pub known: usize,
    /// Is the mailbox's directory missing although the base has mail in it?
    pub directory_missing: bool,
    /// Did the server's UIDVALIDITY change?
    pub restarted: bool,
    /// Is the mailbox's directory older than it was when both sides agreed?
    pub went_back: bool,
}

/// What may be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// All of it.
    Go,
    /// All but the removals, until the user has answered.
    HoldRemovals(Clean),
    /// Nothing, until the user has answered.
    HoldAll(Clean),
}

/// Judges a plan.
pub fn guard(plan: &Plan, scene: &Scene<'_>) -> Verdict {
    let Scene { mailbox, known, .. } = scene;
    if scene.directory_missing && *known > 0 {
        return Verdict::HoldAll(Clean::line(&format!(
            "{mailbox}: the folder is missing on disk, but {known} messages were in it. Is a disk not mounted? Go on \
             and delete them on the server?"
        )));
    }
    let count = |wanted: fn(&Op) -> bool| plan.ops.iter().filter(|op| wanted(op)).count();
    let here = count(|op| matches!(op, Op::RemoveHere { .. }));
    let there = count(|op| matches!(op, Op::RemoveThere { .. }));
    let risen = if scene.restarted { count(|op| matches!(op, Op::Append { .. })) } else { 0 };
    if frightening(risen, *known) {
        return Verdict::HoldAll(Clean::line(&format!(
            "{mailbox}: the server numbered the folder anew, and {risen} of {known} messages are no longer in it. \
             Upload them again?"
        )));
    }
    // Who removes a file makes its directory younger: an older one was put there, and lacks what came since.
    if scene.went_back && there > 0 {
        return Verdict::HoldRemovals(Clean::line(&format!(
            "{mailbox}: the folder on this disk is older than it was at the last sync, as if restored from a backup, \
             and {there} of {known} messages are not in it. Delete them on the server too?"
        )));
    }
    if frightening(there, *known) || is_wiped(there, scene) {
        return Verdict::HoldRemovals(Clean::line(&format!(
            "{mailbox}: {there} of {known} messages are gone on this disk. Delete them on the server too?"
        )));
    }
    if frightening(here, *known) {
        return Verdict::HoldRemovals(Clean::line(&format!(
            "{mailbox}: {here} of {known} messages are gone on the server. Remove them from this disk too?"
        )));
    }
    Verdict::Go
}

/// Would the last messages go from the server? What a person moves, archives or puts into the trash with
/// tern, or in any program that moves files, is a move and no removal, so it comes here only if files were
/// removed for ever. Two can be removed so by hand without a word; folders that are emptied by habit too.
/// The other way round nobody is asked about so few: an INBOX is cleared on a phone every evening, and what
/// goes here lies in quarantine, while what the server expunges is gone.
fn is_wiped(there: usize, scene: &Scene<'_>) -> bool {
    let by_habit = matches!(scene.role, Some(Role::Trash | Role::Junk | Role::Drafts));
    there >= LAST && there >= scene.known && !by_habit
}

fn frightening(lost: usize, known: usize) -> bool {
    lost > MANY || (lost > FEW && lost * 100 > known * SHARE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::ids::Uid;
    use crate::mail::place::UniqueName;

    fn plan(removals: usize) -> Plan {
        let op = |n| Op::RemoveHere { uid: None, unique: UniqueName::new(&format!("f{n}")).unwrap() };
        Plan { ops: (0..removals).map(op).collect(), ..Plan::default() }
    }

    fn held(removals: usize, known: usize) -> bool {
        let mailbox = MailboxName::inbox();
        let scene = Scene {
            mailbox: &mailbox,
            role: None,
            known,
            directory_missing: false,
            restarted: false,
            went_back: false,
        };
        guard(&plan(removals), &scene) != Verdict::Go
    }

    #[test]
    fn the_brake() {
        // (removed, known, held)
        let table = [
            (0, 0, false),
            (5, 5, false),
            (6, 6, true),
            (6, 30, false),
            (7, 30, true),
            (50, 1000, false),
            (51, 100_000, true),
        ];
        for (removed, known, expected) in table {
            assert_eq!(held(removed, known), expected, "{removed} of {known}");
        }
    }

    #[test]
    fn the_last_messages_are_not_expunged_without_a_word() {
        let op = |n| Op::RemoveThere { uid: Uid::new(n).unwrap() };
        // (removed there, known, role, held)
        let table = [
            (2, 2, None, false),
            (3, 3, None, true),
            (5, 5, Some(Role::Inbox), true),
            (4, 5, None, false),
            (5, 5, Some(Role::Trash), false),
            (6, 6, Some(Role::Trash), true),
            (3, 3, Some(Role::Drafts), false),
        ];
        for (removed, known, role, expected) in table {
            let mailbox = MailboxName::inbox();
            let scene =
                Scene { mailbox: &mailbox, role, known, directory_missing: false, restarted: false, went_back: false };
            let plan = Plan { ops: (1..=removed).map(op).collect(), ..Plan::default() };
            assert_eq!(guard(&plan, &scene) != Verdict::Go, expected, "{removed} of {known}, {role:?}");
        }
    }

    #[test]
    fn a_directory_that_went_back_in_time_removes_nothing_unasked() {
        let mailbox = MailboxName::inbox();
        let scene = Scene {
            mailbox: &mailbox,
            role: None,
            known: 900,
            directory_missing: false,
            restarted: false,
            went_back: true,
        };
        let plan = Plan { ops: vec![Op::RemoveThere { uid: Uid::MIN }], ..Plan::default() };
        let Verdict::HoldRemovals(question) = guard(&plan, &scene) else { panic!() };
        assert!(question.as_str().contains("1 of 900 messages"), "{question}");
        assert_eq!(guard(&Plan::default(), &scene), Verdict::Go);
        assert_eq!(guard(&plan, &Scene { went_back: false, ..scene }), Verdict::Go);
    }

    #[test]
    fn a_missing_directory_stops_everything_and_the_question_has_numbers() {
        let mailbox = MailboxName::inbox();
        let mut scene = Scene {
            mailbox: &mailbox,
            role: None,
            known: 3,
            directory_missing: true,
            restarted: false,
            went_back: false,
        };
        assert!(matches!(guard(&Plan::default(), &scene), Verdict::HoldAll(_)));
        scene = Scene { known: 70, directory_missing: false, ..scene };
        let Verdict::HoldRemovals(question) = guard(&plan(60), &scene) else { panic!() };
        assert!(question.as_str().contains("60 of 70 messages"), "{question}");
    }
}
