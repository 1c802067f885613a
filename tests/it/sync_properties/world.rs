//! Both sides as they really are, the memory between them, and what is known of each mail's fate.
//! A mail is a number that stands for its whole content; copies of a mail share it.

use std::collections::{BTreeMap, BTreeSet};

use tern::mail::flags::{Flag, Flags};
use tern::mail::ids::{Uid, UidValidity};
use tern::mail::mailbox::MailboxName;
use tern::mail::place::UniqueName;
use tern::sync::changes::{Agreed, Allows, Identity};

use super::event::{Event, FLAGS, MAILBOXES};

/// Which mail it is.
pub(super) type Mail = u16;

/// Every fifth mail has no Message-ID (and a size that others share), every fifth shares its id.
pub(super) fn identity(mail: Mail, with_digest: bool) -> Identity {
    let (size, id) = match mail % 5 {
        0 => (1000, None),
        1 => (u64::from(mail), Some(0)),
        _ => (u64::from(mail), Some(u64::from(mail))),
    };
    let [high, low] = mail.to_be_bytes();
    let mut digest = [high; 32];
    digest[0] = low;
    Identity { size, id, digest: with_digest.then_some(digest) }
}

/// The name of a mailbox.
pub(super) fn name(mailbox: usize) -> MailboxName {
    MailboxName::new(MAILBOXES[mailbox]).unwrap()
}

/// A message on the server.
#[derive(Debug, Clone)]
pub(super) struct There {
    pub(super) mail: Mail,
    pub(super) flags: Flags,
}

/// A file.
#[derive(Debug, Clone)]
pub(super) struct Here {
    pub(super) mail: Mail,
    pub(super) flags: Flags,
    /// The mailbox and UID that its name tells.
    pub(super) origin: Option<(usize, UidValidity, Uid)>,
}

/// One mailbox on both sides, and what the ledger says of it.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    pub(super) epoch: u32,
    pub(super) next: u32,
    pub(super) server: BTreeMap<Uid, There>,
    pub(super) disk: BTreeMap<UniqueName, Here>,
    pub(super) base_epoch: Option<UidValidity>,
    pub(super) rows: BTreeMap<Uid, Agreed>,
    /// Appends of which nobody knows whether they came about, with UIDNEXT from before.
    pub(super) intents: BTreeMap<UniqueName, u32>,
    /// Messages of which nobody knows whether they were copied to where their file lies: which mailbox, its epoch and
    /// UIDNEXT from before, and the file.
    pub(super) copies: BTreeMap<Uid, (usize, UidValidity, u32, UniqueName)>,
    /// Was there ever a whole comparison? The first one removes nothing.
    pub(super) compared: bool,
    /// UIDNEXT of the last round that took all in.
    pub(super) taken_in: Option<Uid>,
}

impl Mailbox {
    pub(super) fn epoch(&self) -> UidValidity {
        UidValidity::new(self.epoch).unwrap()
    }

    pub(super) fn add_there(&mut self, mail: Mail, flags: Flags) -> Uid {
        let uid = Uid::new(self.next).unwrap();
        self.next += 1;
        self.server.insert(uid, There { mail, flags });
        uid
    }
}

/// A fault planted into the executor, to see whether the properties find it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sabotage {
    /// What is to be removed on the server is only forgotten.
    ForgetsRemovals,
    /// What is moved here is appended, and stays where it was.
    DropsMoves,
}

/// An account: both sides of all its mailboxes.
#[derive(Debug)]
pub(super) struct World {
    pub(super) boxes: Vec<Mailbox>,
    pub(super) allows: Allows,
    /// Does the server tell the UIDs of what was appended and moved, and expunge single messages?
    pub(super) uidplus: bool,
    /// Can the server move messages?
    pub(super) moves: bool,
    /// Does the server announce the sizes that messages have?
    pub(super) exact: bool,
    pub(super) sabotage: Option<Sabotage>,
    /// How many copies of each mail were ever made by others than the sync.
    pub(super) made: BTreeMap<Mail, usize>,
    /// Mails of which someone removed a copy.
    pub(super) removed: BTreeSet<Mail>,
    /// Mails whose one copy was removed after both sides had agreed on it.
    pub(super) dead: BTreeSet<Mail>,
    /// Mails that were moved and perhaps did not arrive on the other side yet.
    moving: BTreeSet<Mail>,
    /// Mails that were moved while the sides did not agree about them: where they belong is a matter
    /// of opinion, so that two copies are no mistake.
    pub(super) disputed: BTreeSet<Mail>,
    names: u32,
}

impl World {
    /// Marks a message as deleted on the server.
    pub(super) fn mark(&mut self, mailbox: usize, uid: Uid) {
        if let Some(message) = self.boxes[mailbox].server.get_mut(&uid) {
            message.flags = message.flags.clone().with(Flag::Deleted);
        }
    }

    pub(super) fn new() -> Self {
        let mailbox = || Mailbox { epoch: 1, next: 1, ..Mailbox::default() };
        Self {
            boxes: MAILBOXES.iter().map(|_| mailbox()).collect(),
            allows: Allows::all(),
            uidplus: true,
            moves: true,
            exact: true,
            sabotage: None,
            made: BTreeMap::new(),
            removed: BTreeSet::new(),
            dead: BTreeSet::new(),
            moving: BTreeSet::new(),
            disputed: BTreeSet::new(),
            names: 0,
        }
    }

    fn new_mail(&mut self) -> Mail {
        let mail = Mail::try_from(self.made.len()).unwrap() + 1;
        self.made.insert(mail, 1);
        mail
    }

    fn fresh(&mut self) -> UniqueName {
        self.names += 1;
        UniqueName::new(&format!("local.{}", self.names)).unwrap()
    }

    /// Writes a file that was made here.
    fn write(&mut self, mailbox: usize, mail: Mail, flags: Flags) {
        let unique = self.fresh();
        self.boxes[mailbox].disk.insert(unique, Here { mail, flags, origin: None });
    }

    fn nth_there(&self, n: usize) -> Option<(usize, Uid)> {
        let all: Vec<_> =
            self.boxes.iter().enumerate().flat_map(|(m, it)| it.server.keys().map(move |uid| (m, *uid))).collect();
        (!all.is_empty()).then(|| all[n % all.len()])
    }

    fn nth_here(&self, n: usize) -> Option<(usize, UniqueName)> {
        let all: Vec<_> =
            self.boxes.iter().enumerate().flat_map(|(m, it)| it.disk.keys().map(move |file| (m, file))).collect();
        (!all.is_empty()).then(|| all[n % all.len()]).map(|(m, file)| (m, file.clone()))
    }

    /// What the server says that a message is. Of four sizes that are a guess three are off by some bytes.
    pub(super) fn announced(&self, mail: Mail, with_digest: bool) -> Identity {
        let true_one = identity(mail, with_digest);
        let off = if self.exact || mail.is_multiple_of(4) { 0 } else { 1 + 5 * u64::from(mail % 3) };
        Identity { size: true_one.size + off, ..true_one }
    }

    /// How many copies the server has.
    pub(super) fn copies_there(&self, mail: Mail) -> usize {
        self.boxes.iter().flat_map(|it| it.server.values()).filter(|message| message.mail == mail).count()
    }

    /// How many copies the server has that the sync has not marked as deleted.
    pub(super) fn unmarked_there(&self, mail: Mail) -> usize {
        let all = self.boxes.iter().flat_map(|it| it.server.values());
        all.filter(|message| message.mail == mail && !message.flags.has(Flag::Deleted)).count()
    }

    /// How many copies lie on disk.
    pub(super) fn copies_here(&self, mail: Mail) -> usize {
        self.boxes.iter().flat_map(|it| it.disk.values()).filter(|file| file.mail == mail).count()
    }

    /// Do both sides and the ledger agree where all copies of this mail are?
    pub(super) fn settled(&self, mail: Mail) -> bool {
        self.boxes.iter().all(|it| {
            let agreed: BTreeSet<Uid> = it.server.iter().filter(|(_, m)| m.mail == mail).map(|(uid, _)| *uid).collect();
            let files = it.disk.iter().filter(|(_, file)| file.mail == mail);
            let known =
                |unique: &UniqueName| it.rows.iter().any(|(uid, row)| row.unique == *unique && agreed.contains(uid));
            let here: Vec<&UniqueName> = files.map(|(unique, _)| unique).collect();
            let intended = it.intents.keys().any(|unique| here.contains(&unique));
            let same_epoch = it.base_epoch == Some(it.epoch()) || (here.is_empty() && agreed.is_empty());
            same_epoch && !intended && here.len() == agreed.len() && here.iter().all(|unique| known(unique))
        })
    }

    /// Was this message fetched, and the sync stopped before it wrote that down? Its file tells all the
    /// same where it came from, so it goes when the message does.
    fn is_orphan(&self, m: usize, uid: Uid) -> bool {
        let it = &self.boxes[m];
        let mail = it.server[&uid].mail;
        let origin = Some((m, it.epoch(), uid));
        let is_alone = self.made[&mail] == 1 && self.copies_there(mail) == 1 && self.copies_here(mail) == 1;
        is_alone
            && it.disk.values().any(|file| file.mail == mail && file.origin == origin)
            && it.base_epoch == Some(it.epoch())
            && self.boxes.iter().all(|it| it.rows.values().all(|row| row.identity != identity(mail, false)))
            && it.taken_in.is_none_or(|below| uid >= below)
    }

    /// A copy is about to be removed.
    fn removes(&mut self, mail: Mail) {
        self.removed.insert(mail);
        if self.made[&mail] == 1 && self.settled(mail) && self.copies_there(mail) == 1 {
            self.dead.insert(mail);
        }
    }

    /// A mail is about to be moved or copied.
    fn displaces(&mut self, mail: Mail, is_copy: bool) {
        if !self.settled(mail) {
            self.disputed.insert(mail);
            self.dead.remove(&mail);
        }
        if is_copy {
            *self.made.get_mut(&mail).unwrap() += 1;
        } else {
            self.moving.insert(mail);
        }
    }

    /// UIDs or rows are about to become void: what is on its way is no longer known to be.
    fn unsettles(&mut self) {
        let under_way: Vec<Mail> = self.moving.iter().copied().filter(|mail| !self.settled(*mail)).collect();
        self.disputed.extend(under_way);
        self.moving.clear();
        let dead = self.dead.iter().copied();
        self.dead = dead.filter(|mail| self.copies_there(*mail) + self.copies_here(*mail) == 0).collect();
    }

    /// Lets something happen that is no sync.
    pub(super) fn happen(&mut self, event: &Event) {
        let flags = |on: bool| if on { Flags::only(Flag::Flagged) } else { Flags::none() };
        match event {
            Event::Arrives { mailbox, flagged } => {
                let mail = self.new_mail();
                self.boxes[*mailbox].add_there(mail, flags(*flagged));
            }
            Event::Written { mailbox, flagged } => {
                let mail = self.new_mail();
                self.write(*mailbox, mail, flags(*flagged));
            }
            Event::Both { mailbox } => {
                let mail = self.new_mail();
                self.boxes[*mailbox].add_there(mail, Flags::none());
                self.write(*mailbox, mail, Flags::only(Flag::Seen));
            }
            Event::Expunged(n) => {
                let Some((m, uid)) = self.nth_there(*n) else { return };
                let mail = self.boxes[m].server[&uid].mail;
                if self.is_orphan(m, uid) {
                    self.dead.insert(mail);
                }
                self.removes(mail);
                self.boxes[m].server.remove(&uid);
            }
            Event::Unmarked(n) => {
                let Some((m, uid)) = self.nth_there(*n) else { return };
                let message = self.boxes[m].server.get_mut(&uid).unwrap();
                if message.flags.has(Flag::Deleted) {
                    message.flags = message.flags.clone().without(Flag::Deleted);
                    let mail = message.mail;
                    *self.made.get_mut(&mail).unwrap() += 1;
                    self.dead.remove(&mail);
                }
            }
            Event::Deleted(n) => {
                let Some((m, unique)) = self.nth_here(*n) else { return };
                self.removes(self.boxes[m].disk[&unique].mail);
                self.boxes[m].disk.remove(&unique);
            }
            Event::FlaggedThere(n, flag) => {
                let Some((m, uid)) = self.nth_there(*n) else { return };
                let message = self.boxes[m].server.get_mut(&uid).unwrap();
                message.flags = toggled(&message.flags, *flag);
            }
            Event::FlaggedHere(n, flag) => {
                let Some((m, unique)) = self.nth_here(*n) else { return };
                let file = self.boxes[m].disk.get_mut(&unique).unwrap();
                file.flags = toggled(&file.flags, *flag);
            }
            Event::MovedThere(n, to) => self.moves_there(*n, *to),
            Event::MovedHere { which, to, keeps_name } => self.moves_here(*which, *to, *keeps_name),
            Event::CopiedThere(n, to) => {
                let Some((m, uid)) = self.nth_there(*n) else { return };
                let There { mail, flags } = self.boxes[m].server[&uid].clone();
                self.displaces(mail, true);
                self.boxes[*to].add_there(mail, flags);
            }
            Event::CopiedHere { which, to, keeps_origin } => {
                let Some((m, unique)) = self.nth_here(*which) else { return };
                let Here { mail, flags, origin } = self.boxes[m].disk[&unique].clone();
                self.displaces(mail, true);
                let unique = self.fresh();
                self.boxes[*to].disk.insert(unique, Here { mail, flags, origin: origin.filter(|_| *keeps_origin) });
            }
            Event::Renumbered(mailbox) => {
                self.unsettles();
                let it = &mut self.boxes[*mailbox];
                it.epoch += 1;
                it.next = 1;
                for old in std::mem::take(&mut it.server).into_values() {
                    it.add_there(old.mail, old.flags);
                }
            }
            Event::Forgotten => {
                self.unsettles();
                for it in &mut self.boxes {
                    it.base_epoch = None;
                    it.compared = false;
                    it.taken_in = None;
                    it.rows.clear();
                    it.intents.clear();
                    it.copies.clear();
                }
            }
            Event::Synced(how) => drop(self.sync(*how)),
        }
    }

    fn moves_there(&mut self, n: usize, to: usize) {
        let Some((m, uid)) = self.nth_there(n).filter(|(m, _)| *m != to) else { return };
        self.displaces(self.boxes[m].server[&uid].mail, false);
        let message = self.boxes[m].server.remove(&uid).unwrap();
        self.boxes[to].add_there(message.mail, message.flags);
    }

    fn moves_here(&mut self, which: usize, to: usize, keeps_name: bool) {
        let Some((m, unique)) = self.nth_here(which).filter(|(m, _)| *m != to) else { return };
        let name = if keeps_name { unique.clone() } else { self.fresh() };
        if self.boxes[to].disk.contains_key(&name) {
            return;
        }
        self.displaces(self.boxes[m].disk[&unique].mail, false);
        let file = self.boxes[m].disk.remove(&unique).unwrap();
        let origin = file.origin.filter(|_| keeps_name);
        self.boxes[to].disk.insert(name, Here { origin, ..file });
    }

    /// What must never fail, at any half-step: a mail that nobody removed is somewhere.
    pub(super) fn assert_kept(&self) {
        for mail in self.made.keys().filter(|mail| !self.removed.contains(mail)) {
            let is_somewhere = self.copies_here(*mail) + self.copies_there(*mail) > 0;
            assert!(is_somewhere, "keep: mail {mail} is nowhere though nobody removed it");
        }
    }
}

fn toggled(flags: &Flags, flag: usize) -> Flags {
    let one = Flags::from_imap([FLAGS[flag]]);
    if flags.common(&one).is_empty() { flags.union(&one) } else { flags.minus(&one) }
}

/// What is only marked on the server stays known.
pub(super) fn as_marked(uid: Uid, row: &Agreed) -> Agreed {
    Agreed { unique: UniqueName::marked(uid), flags: row.flags.clone().with(Flag::Deleted), ..row.clone() }
}
