//! The planner's eight properties over random histories: mail arrives, is flagged, moved, copied and
//! removed on either side, UIDs are numbered anew, the ledger is lost, listings lie, and the sync
//! stops at any half-step. The planner is the real one; both sides and what carries plans out are
//! models in memory, so that ten thousand histories for each property take some seconds. What the
//! real executor makes of such histories, `sync_histories` sees.

mod event;
mod round;
mod world;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use tern::mail::clean::Clean;
use tern::mail::flags::Flags;
use tern::mail::place::UniqueName;
use tern::sync::changes::{
    Agreed, Allows, Base, Identity, LocalFile, LocalListing, Present, ServerListing, diff_local, diff_server,
};
use tern::sync::guard::{Scene, Verdict, guard};
use tern::sync::plan::{Op, Plan, plan};

use crate::support::histories::{for_all, search};
use event::{Event, FLAGS, Sync, Taste, copies_in_doubt, histories};
use world::{Mail, Sabotage, World};

/// Histories for each property in a normal run.
const HISTORIES: u32 = 10_000;

/// What some of these servers let their users do: like a POP3 server's, and anything between that and all.
fn rights() -> impl Strategy<Value = Allows> {
    let keeps = prop_oneof![
        3 => Just(None),
        1 => Just(Some(Flags::from_imap(["\\Seen", "\\Flagged"]))),
        1 => Just(Some(Flags::none())),
    ];
    let pop3 = any::<bool>().prop_map(|delete| Allows {
        keeps: Some(Flags::none()),
        new_keywords: false,
        flags: false,
        append: false,
        delete,
        r#move: false,
        labels: false,
    });
    let any = (keeps, any::<[bool; 5]>()).prop_map(|(keeps, [new_keywords, flags, append, delete, r#move])| Allows {
        keeps,
        new_keywords,
        flags,
        append,
        delete,
        r#move,
        labels: false,
    });
    prop_oneof![1 => pop3, 2 => any]
}

/// How one of these servers is.
#[derive(Debug, Clone, Copy)]
struct Server {
    uidplus: bool,
    moves: bool,
    exact: bool,
}

fn servers() -> impl Strategy<Value = Server> {
    let habits = (any::<bool>(), any::<bool>(), prop::bool::weighted(0.7));
    habits.prop_map(|(uidplus, moves, exact)| Server { uidplus, moves, exact })
}

impl World {
    fn is(&mut self, server: Server) {
        (self.uidplus, self.moves, self.exact) = (server.uidplus, server.moves, server.exact);
    }

    /// Lets everything happen. What no half-step and no plan may ever do is looked at on the way.
    fn after(server: Server, events: &[Event]) -> Self {
        let mut world = Self::new();
        world.is(server);
        for event in events {
            world.happen(event);
            world.assert_kept();
        }
        world
    }

    /// Lets both sides meet; tells whether the plans came to rest.
    fn meets(&mut self) -> bool {
        (0..4).any(|_| self.sync(Sync::WHOLE).unwrap())
    }

    fn assert_met(&self) {
        let leaves_removed = !self.uidplus || !self.allows.delete;
        for it in &self.boxes {
            assert_eq!(it.base_epoch, Some(it.epoch()), "meet: the ledger knows the epoch");
            assert!(it.intents.is_empty(), "meet: appends are in doubt");
            assert!(it.server.keys().eq(it.rows.keys()), "meet: the ledger knows what the server has");
            let named: BTreeSet<_> = it.rows.values().map(|row| &row.unique).collect();
            let files = it.disk.keys().filter(|unique| !named.contains(unique)).count();
            for (uid, row) in &it.rows {
                let there = &it.server[uid];
                let Some(here) = it.disk.get(&row.unique) else {
                    assert!(leaves_removed, "meet: {} has no file", there.mail);
                    continue;
                };
                assert_eq!(there.flags, row.flags, "meet: the flags of the server are in the ledger");
                assert_eq!(there.mail, here.mail, "meet: the same mail on both sides");
                // Two messages of one content may share a file, which has the flags of one of them.
                let owners = it.rows.values().filter(|other| other.unique == row.unique).count();
                if self.allows == Allows::all() && owners == 1 {
                    assert_eq!(there.flags, here.flags, "meet: the same flags on both sides");
                }
            }
            assert!(files == 0 || !self.allows.append, "meet: {files} files are not on the server");
        }
    }

    fn assert_once(&self) {
        for (mail, made) in self.made.iter().filter(|(mail, _)| !self.disputed.contains(mail)) {
            // Where nothing can be expunged alone, what was removed or moved stays, marked.
            let here = self.copies_here(*mail);
            let there = if self.uidplus { self.copies_there(*mail) } else { self.unmarked_there(*mail) };
            assert!(
                there <= *made && here <= *made,
                "once: mail {mail} was made {made} times: {there} there, {here} here"
            );
        }
    }

    fn assert_dead(&self) {
        for mail in &self.dead {
            assert_eq!(self.copies_here(*mail), 0, "stay dead: mail {mail} has risen");
            assert!(!self.uidplus || self.copies_there(*mail) == 0, "stay dead: mail {mail} has risen");
        }
    }

    /// What the flags of each mail must be once both sides have met, by this rule alone: where a side
    /// differs from what was agreed on, it wished to. Only mails with one copy on each side.
    fn wishes(&self) -> BTreeMap<Mail, Flags> {
        let mut out = BTreeMap::new();
        let has = |set: &Flags, flag: &str| !set.common(&Flags::from_imap([flag])).is_empty();
        let nothing_agreed = self.boxes.iter().all(|it| it.rows.is_empty());
        for it in &self.boxes {
            // Where nothing was agreed on, what either side has is a wish.
            for there in it.server.values().filter(|_| nothing_agreed) {
                let mail = there.mail;
                // A name that tells of another UID belongs to a message that is gone.
                let here = it.disk.values().find(|file| file.mail == mail && file.origin.is_none());
                let Some(here) = here else { continue };
                if self.made[&mail] == 1 && self.copies_there(mail) == 1 && self.copies_here(mail) == 1 {
                    out.insert(mail, there.flags.union(&here.flags));
                }
            }
            for (uid, row) in &it.rows {
                let Some(here) = it.disk.get(&row.unique) else { continue };
                let mail = here.mail;
                let same_epoch = it.base_epoch == Some(it.epoch());
                let mut there = it.server.iter().filter(|(now, _)| !same_epoch || *now == uid);
                let Some((_, there)) = there.find(|(_, message)| message.mail == mail) else { continue };
                if self.made[&mail] > 1 || self.copies_there(mail) != 1 || self.copies_here(mail) != 1 {
                    continue;
                }
                let wished = FLAGS.iter().filter(|flag| {
                    let base = has(&row.flags, flag);
                    let differs = has(&there.flags, flag) != base || has(&here.flags, flag) != base;
                    base != differs
                });
                out.insert(mail, Flags::from_imap(wished.copied()));
            }
        }
        out
    }

    fn assert_wishes(&self, wishes: &BTreeMap<Mail, Flags>) {
        for it in &self.boxes {
            for message in it.server.values() {
                if let Some(wished) = wishes.get(&message.mail) {
                    assert_eq!(message.flags, *wished, "wishes: the flags of mail {}", message.mail);
                }
            }
        }
    }
}

/// Property 1, *meet*: whatever happened, after whole rounds the server, the disk and the ledger say
/// the same: the same mails in the same mailboxes with the same flags.
#[test]
fn property_1_both_sides_meet() {
    for_all("property_1", HISTORIES, &(servers(), histories(Taste::All)), |(server, events)| {
        let mut world = World::after(server, &events);
        world.meets();
        world.assert_met();
    });
}

/// Property 2, *rest*: after at most four whole rounds the next plan is empty, and stays so however
/// the server tells what changed.
#[test]
fn property_2_the_plans_come_to_rest() {
    for_all("property_2", HISTORIES, &(servers(), histories(Taste::All)), |(server, events)| {
        let mut world = World::after(server, &events);
        assert!(world.meets(), "rest: the plans never rest");
        assert!(world.sync(Sync { delta: true, ..Sync::WHOLE }).unwrap(), "rest: a delta brings something to do");
        assert!(world.sync(Sync::WHOLE).unwrap(), "rest: the plans do not stay at rest");
    });
}

/// Property 3, *keep*: a mail that nobody removed is on one of the sides at every half-step, and on
/// both at the end; two mails are never taken for one.
#[test]
fn property_3_nothing_is_lost() {
    for_all("property_3", HISTORIES, &(servers(), histories(Taste::Removals)), |(server, events)| {
        let mut world = World::after(server, &events);
        world.meets();
        for mail in world.made.keys().filter(|mail| !world.removed.contains(mail)) {
            assert!(world.copies_there(*mail) > 0 && world.copies_here(*mail) > 0, "keep: mail {mail} is lost");
        }
    });
}

/// Property 4, *once*: there are never more copies of a mail than others than the sync have made, not even
/// where its owner copied a file, the ledger was lost, and the server then tells of one copy of two.
#[test]
fn property_4_nothing_is_doubled() {
    let once = |(server, events): (Server, Vec<Event>)| {
        let mut world = World::after(server, &events);
        world.meets();
        world.assert_once();
    };
    for_all("property_4", HISTORIES, &(servers(), histories(Taste::Twice)), once);
    for_all("property_4", HISTORIES, &(servers(), copies_in_doubt()), once);
}

/// Property 5, *stay dead*: what either side dropped after both had agreed on it does not rise again,
/// even after a crash, unless the UIDs or the ledger that told of it were lost meanwhile.
#[test]
fn property_5_the_dead_stay_dead() {
    for_all("property_5", HISTORIES, &(servers(), histories(Taste::Removals)), |(server, events)| {
        let mut world = World::after(server, &events);
        world.meets();
        world.assert_dead();
    });
}

/// Property 6, *doubt*: a listing that is not whole removes nothing, moves nothing away and brings
/// nothing that the other side may have; no plan removes what the other side really has.
#[test]
fn property_6_in_doubt_nothing_is_removed() {
    for_all("property_6", HISTORIES, &(servers(), histories(Taste::Doubt)), |(server, events)| {
        let mut world = World::after(server, &events);
        let count = |world: &World| -> Vec<(usize, usize)> {
            world.boxes.iter().map(|it| (it.server.len(), it.disk.len())).collect()
        };
        let before = count(&world);
        world.sync(Sync { server_lies: 7, disk_lies: 7, ..Sync::WHOLE }).unwrap();
        assert_eq!(count(&world), before, "doubt: both listings were half");
        world.sync(Sync { server_lies: 7, ..Sync::WHOLE }).unwrap();
        for ((_, before), it) in before.iter().zip(&world.boxes) {
            assert!(it.disk.len() >= *before, "doubt: the server's listing was half");
        }
        let before = count(&world);
        world.sync(Sync { disk_lies: 7, ..Sync::WHOLE }).unwrap();
        for ((before, _), it) in before.iter().zip(&world.boxes) {
            assert!(it.server.len() >= *before, "doubt: the listing of the disk was half");
        }
    });
}

/// Property 7, *wishes*: each side's wish since both agreed survives, whoever else wished what, and
/// in whatever order the sides are looked at.
#[test]
fn property_7_wishes_survive() {
    for_all("property_7", HISTORIES, &(any::<bool>(), histories(Taste::Flags)), |(exact, events)| {
        let mut world = World::after(Server { uidplus: true, moves: true, exact }, &events);
        let wishes = world.wishes();
        world.meets();
        world.assert_wishes(&wishes);
    });
    let sets = (0..32u8, 0..32u8, 0..32u8);
    for_all("property_7", HISTORIES, &sets, |(base, one, other)| {
        let set = |bits: u8| FLAGS.iter().enumerate().filter(move |(n, _)| bits >> n & 1 == 1).map(|(_, name)| *name);
        let [base, one, other] = [base, one, other].map(|bits| Flags::from_imap(set(bits)));
        let merged = Flags::merge(&base, &one, &other);
        assert_eq!(merged, Flags::merge(&base, &other, &one), "wishes: both sides count alike");
        assert_eq!(merged, Flags::merge(&base, &merged, &other), "wishes: what was granted stays granted");
        assert_eq!(merged, Flags::merge(&merged, &merged, &merged));
        assert_eq!(Flags::merge(&base, &base, &other), other, "wishes: who wished nothing stands in nobody's way");
    });
}

/// Property 8, *Rights are obeyed*: whatever a server does not let its users do is in no plan, and
/// with what is left both sides still meet as far as they can, rest, and lose nothing. One that lets
/// them do nothing but fetch (POP3) is among these.
#[test]
fn property_8_rights_are_obeyed() {
    let worlds = (rights(), servers(), histories(Taste::All));
    for_all("property_8", HISTORIES, &worlds, |(allows, server, events)| {
        let mut world = World::new();
        world.allows = allows;
        world.is(server);
        for event in &events {
            world.happen(event);
            world.assert_kept();
        }
        assert!(world.meets(), "Rights: the plans never rest");
        world.assert_met();
    });
}

/// What is written down as agreed on is what the server has, whatever it keeps of what it was asked for: else
/// a flag that it does not keep would be taken for removed there, and go here too.
#[test]
fn what_is_agreed_on_is_what_the_server_has() {
    let flags = || {
        any::<[bool; 5]>()
            .prop_map(|set| Flags::from_imap(FLAGS.into_iter().zip(set).filter_map(|(flag, is)| is.then_some(flag))))
    };
    let settings = (flags(), flags(), flags(), rights());
    for_all("agreed", HISTORIES, &settings, |(known, here, there, allows)| {
        let (uid, unique) = (tern::mail::ids::Uid::MIN, UniqueName::new("a").unwrap());
        let epoch = tern::mail::ids::UidValidity::MIN;
        let (mut known, mut here, mut there) = (known, here, there);
        let mut rests = false;
        for round in 0..3 {
            let row = Agreed { unique: unique.clone(), flags: known.clone(), identity: Identity::default() };
            let base = Base::new(Some(epoch), [(uid, row)]);
            let listing = ServerListing {
                epoch,
                items: [(uid, there.clone())].into(),
                present: Present::Exactly([uid].into()),
                allows: allows.clone(),
            };
            let file = LocalFile { unique: unique.clone(), flags: here.clone(), origin: None };
            let local = diff_local(&LocalListing { files: vec![file], complete: true }, &base);
            let plan = plan(&diff_server(&listing, &base), &local, &base);
            rests = plan.ops.is_empty();
            for op in plan.ops {
                let Op::Flags(change) = op else { panic!("{op:?}") };
                assert_eq!(round, 0, "what is settled stays so: {change:?}");
                here = here.union(&change.add_here).minus(&change.remove_here);
                let kept = allows.settable(&change.add_there);
                there = there.union(&kept).minus(&allows.settable(&change.remove_there));
                assert_eq!(change.agreed, there, "{change:?}");
                known = change.agreed;
            }
        }
        assert!(rests, "it comes to rest");
    });
}

/// What the guard asks about: the last messages of a mailbox, if there are more than two; more than fifty
/// removals, or more than five that are over a fifth of what was agreed on; a directory that is not there, or is older than
/// it was; old mail that a new epoch would bring back.
#[test]
fn the_guard_asks_about_much_that_vanishes() {
    let settings = ((0..70usize, 0..70usize, 0..70usize), 0..400usize, (any::<bool>(), any::<bool>()), 0..6u8);
    for_all("the_guard", HISTORIES, &settings, |((here, there, appended), known, (restarted, went_back), missing)| {
        let directory_missing = missing == 0;
        let unique = UniqueName::new("a").unwrap();
        let file = Op::RemoveHere { uid: None, unique: unique.clone() };
        let message = Op::RemoveThere { uid: tern::mail::ids::Uid::MIN };
        let append = Op::Append { unique, flags: Flags::none() };
        let counts = [(file, here), (message, there), (append, appended)];
        let ops = counts.iter().flat_map(|(op, count)| std::iter::repeat_n(op.clone(), *count)).collect();
        let mailbox = world::name(0);
        let scene = Scene { mailbox: &mailbox, known, directory_missing, restarted, role: None, went_back };
        let verdict = guard(&Plan { ops, ..Plan::default() }, &scene);
        let asks = |count: usize| count > 50 || (count > 5 && 5 * count > known);
        let nothing = Clean::line("");
        let expected = match () {
            () if (directory_missing && known > 0) || (restarted && asks(appended)) => Verdict::HoldAll(nothing),
            () if went_back && there > 0 => Verdict::HoldRemovals(nothing),
            () if asks(here) || asks(there) || (there > 2 && there >= known) => Verdict::HoldRemovals(nothing),
            () => Verdict::Go,
        };
        assert_eq!(std::mem::discriminant(&verdict), std::mem::discriminant(&expected), "{verdict:?}");
    });
}

/// The properties find what is wrong, and bring it down to a history that a person can read.
#[test]
fn a_planted_fault_is_found_and_the_history_shrinks() {
    let faults = [(Sabotage::ForgetsRemovals, "risen", 8), (Sabotage::DropsMoves, "once", 8)];
    for (sabotage, expected, enough) in faults {
        let found = search(7, 2_000, &histories(Taste::Removals), |events| {
            let mut world = World::new();
            world.sabotage = Some(sabotage);
            for event in &events {
                world.happen(event);
            }
            world.meets();
            world.assert_dead();
            world.assert_once();
            Ok(())
        });
        let (smallest, why) = found.unwrap_or_else(|| panic!("{sabotage:?} was not found"));
        assert!(why.contains(expected), "{sabotage:?}: {why}");
        assert!(smallest.len() <= enough, "{sabotage:?} did not shrink: {smallest:#?}");
    }
}
