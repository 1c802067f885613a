//! Random histories of two sides that meet: mail arrives, is flagged and removed on either side,
//! UIDs are numbered anew, listings lie, and the sync stops at any half-step. Whatever happened,
//! both sides meet, nothing is lost, nothing is doubled and the dead stay dead.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::test_runner::Config;

use tern::mail::flags::{Flag, Flags};
use tern::mail::ids::{Uid, UidValidity};
use tern::mail::place::UniqueName;
use tern::sync::changes::{
    Agreed, Allows, Base, Identity, LocalFile, LocalListing, Present, ServerListing, diff_local, diff_server,
};
use tern::sync::plan::{FlagChange, Op, Plan, plan, unsure};

/// Which mail it is: the whole content of a message in this model.
type Mail = u8;

/// Every fifth mail has no Message-ID (and a size that others share), every fifth shares its id.
fn identity(mail: Mail, with_digest: bool) -> Identity {
    let (size, id) = match mail % 5 {
        0 => (1000, None),
        1 => (u64::from(mail), Some(0)),
        _ => (u64::from(mail), Some(u64::from(mail))),
    };
    Identity { size, id, digest: with_digest.then_some([mail; 32]) }
}

#[derive(Debug, Clone)]
enum Event {
    Arrives {
        flagged: bool,
    },
    Written {
        flagged: bool,
    },
    /// The same mail turns up on both sides, as when a provider files a sent copy by itself.
    Both,
    Expunged(usize),
    Deleted(usize),
    FlaggedThere(usize, usize),
    FlaggedHere(usize, usize),
    Renumbered,
    Synced(Sync),
}

#[derive(Debug, Clone, Copy)]
struct Sync {
    /// Half-steps until it stops.
    steps: usize,
    server_lies: bool,
    disk_lies: bool,
}

fn event() -> impl Strategy<Value = Event> {
    let any_step = prop_oneof![3 => Just(usize::MAX), 2 => 0..12usize];
    let lie = || prop_oneof![6 => Just(false), 1 => Just(true)];
    prop_oneof![
        4 => any::<bool>().prop_map(|flagged| Event::Arrives { flagged }),
        3 => any::<bool>().prop_map(|flagged| Event::Written { flagged }),
        1 => Just(Event::Both),
        2 => any::<usize>().prop_map(Event::Expunged),
        2 => any::<usize>().prop_map(Event::Deleted),
        3 => (any::<usize>(), 0..4usize).prop_map(|(n, flag)| Event::FlaggedThere(n, flag)),
        3 => (any::<usize>(), 0..4usize).prop_map(|(n, flag)| Event::FlaggedHere(n, flag)),
        1 => Just(Event::Renumbered),
        6 => (any_step, lie(), lie())
            .prop_map(|(steps, server_lies, disk_lies)| Event::Synced(Sync { steps, server_lies, disk_lies })),
    ]
}

const FLAGS: [&str; 4] = ["\\Seen", "\\Flagged", "\\Answered", "todo"];

#[derive(Debug, Clone)]
struct There {
    mail: Mail,
    flags: Flags,
}

#[derive(Debug, Clone)]
struct Here {
    mail: Mail,
    flags: Flags,
    origin: Option<(UidValidity, Uid)>,
}

/// Both sides, the memory between them, and what is known of each mail's fate.
#[derive(Debug)]
struct World {
    epoch: u32,
    next: u32,
    server: BTreeMap<Uid, There>,
    disk: BTreeMap<UniqueName, Here>,
    base_epoch: Option<UidValidity>,
    base: BTreeMap<Uid, Agreed>,
    /// Appends of which nobody knows whether they came about.
    intents: BTreeSet<UniqueName>,
    mails: Mail,
    removed: BTreeSet<Mail>,
    expunged: BTreeSet<Mail>,
    renumbered: bool,
    names: u32,
}

impl World {
    fn new() -> Self {
        Self {
            epoch: 1,
            next: 1,
            server: BTreeMap::new(),
            disk: BTreeMap::new(),
            base_epoch: None,
            base: BTreeMap::new(),
            intents: BTreeSet::new(),
            mails: 0,
            removed: BTreeSet::new(),
            expunged: BTreeSet::new(),
            renumbered: false,
            names: 0,
        }
    }

    fn epoch(&self) -> UidValidity {
        UidValidity::new(self.epoch).unwrap()
    }

    fn base(&self) -> Base {
        Base::new(self.base_epoch, self.base.clone())
    }

    fn new_mail(&mut self) -> Mail {
        self.mails += 1;
        self.mails
    }

    fn add_there(&mut self, mail: Mail, flags: Flags) -> Uid {
        let uid = Uid::new(self.next).unwrap();
        self.next += 1;
        self.server.insert(uid, There { mail, flags });
        uid
    }

    fn add_here(&mut self, mail: Mail, flags: Flags, origin: Option<(UidValidity, Uid)>) -> UniqueName {
        self.names += 1;
        let name = match origin {
            Some((epoch, uid)) => format!("from.{}.{}", epoch.get(), uid.get()),
            None => format!("local.{}", self.names),
        };
        let unique = UniqueName::new(&name).unwrap();
        self.disk.insert(unique.clone(), Here { mail, flags, origin });
        unique
    }

    fn happen(&mut self, event: &Event) {
        let flags = |on: bool| if on { Flags::only(Flag::Flagged) } else { Flags::none() };
        match event {
            Event::Arrives { flagged } => {
                let mail = self.new_mail();
                self.add_there(mail, flags(*flagged));
            }
            Event::Written { flagged } => {
                let mail = self.new_mail();
                self.add_here(mail, flags(*flagged), None);
            }
            Event::Both => {
                let mail = self.new_mail();
                self.add_there(mail, Flags::none());
                self.add_here(mail, Flags::only(Flag::Seen), None);
            }
            Event::Expunged(n) if !self.server.is_empty() => {
                let uid = *self.server.keys().nth(n % self.server.len()).unwrap();
                let gone = self.server.remove(&uid).unwrap();
                self.removed.insert(gone.mail);
                // What the server was given and never acknowledged is not known to have been there.
                if self.base.contains_key(&uid) || !self.disk.values().any(|file| file.mail == gone.mail) {
                    self.expunged.insert(gone.mail);
                }
            }
            Event::Deleted(n) if !self.disk.is_empty() => {
                let unique = self.disk.keys().nth(n % self.disk.len()).unwrap().clone();
                let gone = self.disk.remove(&unique).unwrap();
                self.removed.insert(gone.mail);
            }
            Event::FlaggedThere(n, flag) if !self.server.is_empty() => {
                let at = n % self.server.len();
                let message = self.server.values_mut().nth(at).unwrap();
                message.flags = toggled(&message.flags, *flag);
            }
            Event::FlaggedHere(n, flag) if !self.disk.is_empty() => {
                let at = n % self.disk.len();
                let file = self.disk.values_mut().nth(at).unwrap();
                file.flags = toggled(&file.flags, *flag);
            }
            Event::Renumbered => {
                self.epoch += 1;
                self.next = 1;
                self.renumbered = true;
                for old in std::mem::take(&mut self.server).into_values() {
                    self.add_there(old.mail, old.flags);
                }
            }
            Event::Synced(sync) => {
                self.sync(*sync);
            }
            _ => {}
        }
    }

    fn listing_there(&self, lies: bool) -> ServerListing {
        let keep = |n: usize| !lies || n % 2 == 1;
        let items = self.server.iter().enumerate().filter(|(n, _)| keep(*n));
        ServerListing {
            epoch: self.epoch(),
            items: items.map(|(_, (uid, message))| (*uid, message.flags.clone())).collect(),
            present: if lies { Present::Unknown } else { Present::Exactly(self.server.keys().copied().collect()) },
            allows: Allows::all(),
        }
    }

    fn listing_here(&self, lies: bool) -> LocalListing {
        let files = self.disk.iter().enumerate().filter(|(n, _)| !lies || n % 2 == 1);
        LocalListing {
            files: files
                .map(|(_, (unique, file))| LocalFile {
                    unique: unique.clone(),
                    flags: file.flags.clone(),
                    origin: file.origin,
                })
                .collect(),
            complete: !lies,
        }
    }

    fn make_plan(&self, sync: Sync) -> Plan {
        let mut base = self.base();
        let mut there = diff_server(&self.listing_there(sync.server_lies), &base);
        let mut here = diff_local(&self.listing_here(sync.disk_lies), &base);
        loop {
            let asked = unsure(&there, &here, &base);
            if asked.is_empty() {
                break;
            }
            for uid in &asked.uids {
                there.new.get_mut(uid).unwrap().identity = Some(identity(self.server[uid].mail, false));
            }
            for uid in &asked.digests {
                there.new.get_mut(uid).unwrap().identity = Some(identity(self.server[uid].mail, true));
            }
            for unique in &asked.files {
                let found = self.disk.get(unique).map(|file| identity(file.mail, true));
                let uid = base.uid_of(unique);
                match (here.new.get_mut(unique), found, uid) {
                    (Some(file), found, _) => file.identity = found,
                    (None, Some(found), Some(uid)) => base.identify(uid, found),
                    // After a look at half of the disk, an old row may name a file that is gone.
                    (None, _, uid) => here.gone.extend(uid),
                }
            }
        }
        plan(&there, &here, &base)
    }

    /// Syncs and tells whether there was nothing to do.
    fn sync(&mut self, sync: Sync) -> bool {
        let plan = self.make_plan(sync);
        for op in &plan.ops {
            assert!(!(sync.server_lies && matches!(op, Op::RemoveHere { .. })), "{op:?} in doubt");
            assert!(!(sync.disk_lies && matches!(op, Op::RemoveThere { .. })), "{op:?} in doubt");
        }
        let mut steps = sync.steps;
        if plan.restart || self.base_epoch.is_none() {
            if steps == 0 {
                return false;
            }
            steps -= 1;
            self.base_epoch = plan.epoch;
            if plan.restart {
                self.base.clear();
                self.adopt(&plan);
            }
        }
        for op in &plan.ops {
            if !self.perform(op, &mut steps) {
                return false;
            }
        }
        plan.is_empty()
    }

    fn adopt(&mut self, plan: &Plan) {
        for op in &plan.ops {
            if let Op::Adopt { uid, row } = op {
                self.base.insert(*uid, row.clone());
            }
        }
    }

    /// Performs one step, or half of it; `false` if it stopped.
    fn perform(&mut self, op: &Op, steps: &mut usize) -> bool {
        let mut go_on = || {
            let left = *steps > 0;
            *steps = steps.saturating_sub(1);
            left
        };
        if !go_on() {
            return false;
        }
        match op {
            Op::Adopt { uid, row } => {
                self.intents.remove(&row.unique);
                self.base.insert(*uid, row.clone());
            }
            Op::Forget { uid } => {
                self.base.remove(uid);
            }
            Op::Download { uid, flags } => {
                let mail = self.server[uid].mail;
                let unique = self.add_here(mail, flags.clone(), Some((self.epoch(), *uid)));
                if !go_on() {
                    return false;
                }
                self.base.insert(*uid, Agreed { unique, flags: flags.clone(), identity: identity(mail, false) });
            }
            Op::Append { unique, flags, identity } => return self.append(unique, flags, identity, go_on),
            Op::Flags(change) => return self.flag(change, go_on),
            Op::RemoveHere { uid, unique } => {
                self.disk.remove(unique);
                if !go_on() {
                    return false;
                }
                if let Some(uid) = uid {
                    self.base.remove(uid);
                }
            }
            Op::RemoveThere { uid } => {
                self.server.remove(uid);
                if !go_on() {
                    return false;
                }
                self.base.remove(uid);
            }
            Op::Move { .. } | Op::BringOver { .. } => unreachable!("one mailbox"),
        }
        true
    }

    fn append(&mut self, unique: &UniqueName, flags: &Flags, of: &Identity, mut go_on: impl FnMut() -> bool) -> bool {
        // After a look at half of the disk, an old row may name a file that is gone.
        let Some(mail) = self.disk.get(unique).map(|file| file.mail) else { return true };
        let known = &self.base;
        let doubtful = self.intents.contains(unique);
        let found = self.server.iter().find(|(uid, message)| {
            doubtful && !known.contains_key(uid) && identity(message.mail, true).matches(&identity(mail, true))
        });
        let found = found.map(|(uid, message)| (*uid, message.flags.clone()));
        self.intents.insert(unique.clone());
        let (uid, flags) = found.unwrap_or_else(|| (self.add_there(mail, flags.clone()), flags.clone()));
        if !go_on() {
            return false;
        }
        self.intents.remove(unique);
        self.base.insert(uid, Agreed { unique: unique.clone(), flags, identity: *of });
        true
    }

    fn flag(&mut self, change: &FlagChange, mut go_on: impl FnMut() -> bool) -> bool {
        if let Some(file) = self.disk.get_mut(&change.unique) {
            file.flags = file.flags.union(&change.add_here).minus(&change.remove_here);
        }
        if !go_on() {
            return false;
        }
        // A listing that lies lets us push to what is gone; servers pass that over.
        if let Some(message) = self.server.get_mut(&change.uid) {
            message.flags = message.flags.union(&change.add_there).minus(&change.remove_there);
        }
        if !go_on() {
            return false;
        }
        self.base.get_mut(&change.uid).unwrap().flags = change.agreed.clone();
        true
    }

    /// Lets both sides meet and looks at what became of each mail.
    fn check(mut self) {
        let whole = Sync { steps: usize::MAX, server_lies: false, disk_lies: false };
        let rests = (0..3).any(|_| self.sync(whole));
        assert!(rests, "the plans never rest: {:?}", self.make_plan(whole));
        assert_eq!(self.server.len(), self.disk.len(), "both sides meet");
        assert_eq!(self.server.len(), self.base.len(), "the base knows what both have");
        for (uid, row) in &self.base {
            let (there, here) = (&self.server[uid], &self.disk[&row.unique]);
            assert_eq!(there.mail, here.mail, "the same mail on both sides");
            assert_eq!(there.flags, here.flags, "the same flags on both sides");
            assert_eq!(there.flags, row.flags, "and in the base");
        }
        for mail in 1..=self.mails {
            let count = self.server.values().filter(|message| message.mail == mail).count();
            assert!(count <= 1, "mail {mail} is doubled");
            assert!(count == 1 || self.removed.contains(&mail), "mail {mail} is lost though nobody removed it");
            let dead = self.expunged.contains(&mail) && !self.renumbered;
            assert!(!(dead && count > 0), "mail {mail} has risen from the dead");
        }
    }
}

fn toggled(flags: &Flags, flag: usize) -> Flags {
    let one = Flags::from_imap([FLAGS[flag]]);
    if flags.common(&one).is_empty() { flags.union(&one) } else { flags.minus(&one) }
}

proptest! {
    #![proptest_config(Config { cases: 10_000, failure_persistence: None, ..Config::default() })]

    #[test]
    fn both_sides_meet_and_nothing_is_lost_doubled_or_risen(events in prop::collection::vec(event(), 0..24)) {
        let mut world = World::new();
        for event in &events {
            world.happen(event);
        }
        world.check();
    }

    #[test]
    fn wishes_are_symmetric(base in 0..16u8, one in 0..16u8, other in 0..16u8) {
        let [base, one, other] = [base, one, other].map(|bits| {
            FLAGS.iter().enumerate().filter(|(n, _)| bits >> n & 1 == 1).map(|(_, name)| *name).collect::<Vec<_>>()
        }).map(Flags::from_imap);
        let merged = Flags::merge(&base, &one, &other);
        prop_assert_eq!(&merged, &Flags::merge(&base, &other, &one));
        prop_assert_eq!(&merged, &Flags::merge(&base, &merged, &other), "a wish that was granted stays granted");
        prop_assert_eq!(&merged, &Flags::merge(&merged, &merged, &merged));
        // A side that wished nothing stands in nobody's way.
        prop_assert_eq!(&Flags::merge(&base, &base, &other), &other);
    }
}
