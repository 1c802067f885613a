//! Random histories over the real executor: a server in memory, files and a ledger on disk, two
//! mailboxes between which messages are moved, runs that are stopped and connections that are cut at
//! any step. The end is read from both sides, not from what the sync believes. Once more where mailboxes are
//! labels, which are given and taken on both sides meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;

use proptest::prelude::*;

use tern::ledger::Ledger;
use tern::mail::flags::Flags;
use tern::mail::labels::{Label, Labels};
use tern::mail::mailbox::{MailboxName, Role};
use tern::mail::place::{MailboxId, UniqueName};
use tern::remote::fake::Cut;
use tern::store::maildir::fresh;

use crate::support::histories::for_all;
use crate::support::meeting::{Meeting, letters, mail, name};

#[derive(Debug, Clone)]
enum Event {
    Arrives(usize),
    Written(usize),
    Both(usize),
    Expunged(usize),
    Deleted(usize),
    FlaggedThere(usize, usize),
    FlaggedHere(usize, usize),
    MovedThere(usize),
    MovedHere(usize),
    Renumbered(usize),
    LabelledThere(usize, usize, bool),
    LabelledHere(usize, usize, bool),
    Synced,
    Stopped(u64),
    Cut(u64, bool),
}

fn event() -> impl Strategy<Value = Event> {
    let n = any::<usize>;
    prop_oneof![
        4 => n().prop_map(Event::Arrives),
        3 => n().prop_map(Event::Written),
        1 => n().prop_map(Event::Both),
        2 => n().prop_map(Event::Expunged),
        2 => n().prop_map(Event::Deleted),
        2 => (n(), n()).prop_map(|(n, flag)| Event::FlaggedThere(n, flag)),
        2 => (n(), n()).prop_map(|(n, flag)| Event::FlaggedHere(n, flag)),
        1 => n().prop_map(Event::MovedThere),
        2 => n().prop_map(Event::MovedHere),
        1 => n().prop_map(Event::Renumbered),
        3 => Just(Event::Synced),
        2 => (0..30u64).prop_map(Event::Stopped),
        2 => (0..16u64, any::<bool>()).prop_map(|(step, after)| Event::Cut(step, after)),
    ]
}

fn labelling() -> impl Strategy<Value = Event> {
    let n = any::<usize>;
    (n(), n(), any::<bool>(), any::<bool>()).prop_map(|(n, label, give, here)| {
        if here { Event::LabelledHere(n, label, give) } else { Event::LabelledThere(n, label, give) }
    })
}

const LETTERS: [&str; 3] = ["S", "F", "R"];
const LABELS: [&str; 3] = ["\\Inbox", "Work", "Trips"];
/// Where messages lie if mailboxes are folders, and if they are labels.
const FOLDERS: [&str; 2] = ["INBOX", "Archive"];
const HOMES: [&str; 2] = ["[Gmail]/All Mail", "[Gmail]/Trash"];

struct History {
    meeting: Meeting,
    mailboxes: [&'static str; 2],
    /// Mails whose labels were last wished for here, where nothing was done that could void it.
    wished: BTreeMap<(String, Label), bool>,
    mails: usize,
    removed: BTreeSet<String>,
    /// Mails that both sides agreed on when a sync last came to its end, each with how often it was
    /// moved since.
    settled: BTreeMap<String, u32>,
    /// Mails that were moved while the sides did not agree about them: where they belong is a matter
    /// of opinion, so that two copies are no mistake.
    disputed: BTreeSet<String>,
}

impl History {
    fn new(mailboxes: [&'static str; 2]) -> Self {
        let meeting = Meeting::new();
        meeting.server.set_habits(|habits| habits.labels = mailboxes == HOMES);
        for (mailbox, role) in mailboxes.into_iter().zip([Role::All, Role::Trash]) {
            meeting.server.add_mailbox(&name(mailbox), Some(role).filter(|_| mailboxes == HOMES));
        }
        // The guard has tests of its own.
        let mut history = Self {
            meeting,
            mailboxes,
            wished: BTreeMap::new(),
            mails: 0,
            removed: BTreeSet::new(),
            settled: BTreeMap::new(),
            disputed: BTreeSet::new(),
        };
        history.meeting.env.account.sync.guard = false;
        history.meeting.sync_well();
        history
    }

    fn mailbox(&self, n: usize) -> MailboxName {
        name(self.mailboxes[usize::from(n.is_multiple_of(3))])
    }

    fn other(&self, mailbox: &MailboxName) -> MailboxName {
        name(self.mailboxes[usize::from(mailbox.as_str() == self.mailboxes[0])])
    }

    /// Every fourth mail has no Message-ID, every fourth shares one (with a size of its own).
    fn new_mail(&mut self) -> Vec<u8> {
        self.mails += 1;
        let text = format!("mail {} {}", self.mails, "x".repeat(self.mails));
        match self.mails % 4 {
            0 => mail(None, &text),
            1 => mail(Some("shared"), &text),
            _ => mail(Some(&self.mails.to_string()), &text),
        }
    }

    fn there(&self, n: usize) -> Option<(MailboxName, tern::remote::fake::FakeMessage)> {
        let names = self.meeting.server.names();
        let all = names.iter().flat_map(|mailbox| {
            self.meeting.server.messages(mailbox).into_iter().map(move |message| (mailbox.clone(), message))
        });
        let all: Vec<_> = all.collect();
        (!all.is_empty()).then(|| all[n % all.len()].clone())
    }

    fn here(&self, n: usize) -> Option<(MailboxName, tern::store::name::Entry)> {
        let mailboxes = self.mailboxes.map(name);
        let all = mailboxes
            .iter()
            .flat_map(|mailbox| self.meeting.files(mailbox).into_iter().map(move |entry| (mailbox.clone(), entry)));
        let all: Vec<_> = all.collect();
        (!all.is_empty()).then(|| all[n % all.len()].clone())
    }

    fn happen(&mut self, event: &Event) {
        match event {
            Event::Arrives(n) => {
                let bytes = self.new_mail();
                self.meeting.deliver(&self.mailbox(*n), &bytes, "");
            }
            Event::Written(n) => {
                let bytes = self.new_mail();
                self.meeting.write(&self.mailbox(*n), &bytes, "");
            }
            Event::Both(n) => {
                let bytes = self.new_mail();
                self.meeting.deliver(&self.mailbox(*n), &bytes, "");
                self.meeting.write(&self.mailbox(*n), &bytes, "S");
            }
            Event::Expunged(n) => {
                if let Some((mailbox, message)) = self.there(*n) {
                    self.removed.insert(String::from_utf8_lossy(&message.bytes).into_owned());
                    self.meeting.server.expunge(&mailbox, message.uid);
                }
            }
            Event::Deleted(n) => {
                if let Some((mailbox, entry)) = self.here(*n) {
                    let maildir = self.meeting.maildir(&mailbox);
                    let bytes = maildir.read_entry(&entry).unwrap().unwrap();
                    self.removed.insert(String::from_utf8_lossy(&bytes).into_owned());
                    maildir.remove(&entry).unwrap();
                }
            }
            Event::FlaggedThere(n, flag) => {
                if let Some((mailbox, message)) = self.there(*n) {
                    let one = letters(LETTERS[flag % 3]);
                    let (add, remove) = toggle(&message.flags, &one);
                    self.meeting.server.store(&mailbox, message.uid, &add, &remove);
                }
            }
            Event::FlaggedHere(n, flag) => {
                if let Some((mailbox, entry)) = self.here(*n) {
                    let (add, remove) = toggle(&entry.flags(), &letters(LETTERS[flag % 3]));
                    self.meeting.maildir(&mailbox).set_flags(&entry, &add, &remove).unwrap();
                }
            }
            Event::MovedThere(n) => {
                if let Some((mailbox, message)) = self.there(*n) {
                    self.moved(&message.bytes);
                    self.meeting.server.relocate(&mailbox, message.uid, &self.other(&mailbox));
                }
            }
            Event::MovedHere(n) => {
                if let Some((mailbox, entry)) = self.here(*n) {
                    let bytes = self.meeting.maildir(&mailbox).read_entry(&entry).unwrap().unwrap();
                    self.moved(&bytes);
                    let to = self.meeting.maildir(&self.other(&mailbox));
                    self.meeting.maildir(&mailbox).move_to(&entry, &to, &fresh(None)).unwrap();
                }
            }
            Event::Renumbered(n) => {
                let moved = self.settled.iter().filter(|(_, times)| **times > 0).map(|(text, _)| text.clone());
                self.disputed.extend(moved.collect::<Vec<_>>());
                self.settled.clear();
                self.meeting.server.renumber(&self.mailbox(*n));
            }
            Event::LabelledThere(n, label, give) => {
                if let Some((mailbox, message)) = self.there(*n).filter(|(mailbox, _)| mailbox.as_str() == HOMES[0]) {
                    let (label, add, remove) = change(LABELS[label % 3], *give);
                    self.wished.remove(&(String::from_utf8_lossy(&message.bytes).into_owned(), label));
                    self.meeting.server.label(&mailbox, message.uid, &add, &remove);
                }
            }
            Event::LabelledHere(n, label, give) => {
                if let Some((mailbox, entry)) = self.here(*n).filter(|(mailbox, _)| mailbox.as_str() == HOMES[0]) {
                    let bytes = self.meeting.maildir(&mailbox).read_entry(&entry).unwrap().unwrap();
                    let (label, add, remove) = change(LABELS[label % 3], *give);
                    self.wished.insert((String::from_utf8_lossy(&bytes).into_owned(), label), *give);
                    let home = MailboxId { account: self.meeting.env.account.id.clone(), name: mailbox };
                    let mut ledger = Ledger::open(&self.meeting.env.data).unwrap().0;
                    ledger.label(&home, &[entry.unique().unwrap()], &add, &remove).unwrap();
                }
            }
            Event::Synced => {
                self.meeting.sync_well();
                self.meeting.sync_well();
                self.settled = self.meeting.there().into_iter().map(|(_, text, _)| (text, 0)).collect();
            }
            Event::Stopped(steps) => {
                self.meeting.fuse.store(*steps, Ordering::SeqCst);
                self.meeting.sync().unwrap();
                self.meeting.fuse.store(u64::MAX, Ordering::SeqCst);
            }
            Event::Cut(steps, after) => {
                self.meeting.server.cut_after(*steps, if *after { Cut::After } else { Cut::Before });
                let _ = self.meeting.sync();
                self.meeting.server.cancel_cut();
            }
        }
    }

    fn moved(&mut self, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes).into_owned();
        self.wished.retain(|(mail, _), _| *mail != text);
        match self.settled.get_mut(&text) {
            Some(0) => *self.settled.get_mut(&text).unwrap() = 1,
            Some(_) | None => drop(self.disputed.insert(text)),
        }
    }

    fn check(self) {
        // A first comparison withholds what it would remove, so one idle round is not rest yet.
        let rounds: Vec<bool> = (0..8)
            .map(|_| {
                let summary = self.meeting.sync().unwrap();
                summary.counts.is_zero() && summary.faults.is_empty()
            })
            .collect();
        assert!(rounds.ends_with(&[true, true]), "it does not come to rest: {rounds:?}");
        self.meeting.assert_met();
        let mut count: BTreeMap<String, usize> = BTreeMap::new();
        for (_, text, _) in self.meeting.there() {
            *count.entry(text).or_default() += 1;
        }
        let lost = self.mails - self.removed.len().min(self.mails);
        assert!(count.len() >= lost, "{} mails, {} removed, {} left", self.mails, self.removed.len(), count.len());
        for (text, count) in count {
            assert!(count == 1 || self.disputed.contains(&text), "doubled: {text}");
        }
        if self.mailboxes == HOMES {
            self.check_labels();
        }
    }

    /// Both sides and the ledger say the same, no wish is left, and those of the user came true.
    fn check_labels(&self) {
        let home = MailboxId { account: self.meeting.env.account.id.clone(), name: name(HOMES[0]) };
        let mut ledger = Ledger::open(&self.meeting.env.data).unwrap().0;
        let key = ledger.mailbox(&home).unwrap();
        assert_eq!(ledger.label_wishes(key).unwrap(), BTreeMap::new(), "no wish is left");
        let rows: BTreeMap<_, (UniqueName, Labels)> =
            ledger.rows(key).unwrap().into_iter().map(|row| (row.uid, (row.unique, row.flags.labels()))).collect();
        for message in self.meeting.server.messages(&home.name) {
            assert_eq!(rows[&message.uid].1, message.labels, "the ledger has the labels of the server");
            let text = String::from_utf8_lossy(&message.bytes).into_owned();
            let is_sure = !self.disputed.contains(&text) && !self.removed.contains(&text);
            for ((_, label), give) in self.wished.iter().filter(|((mail, _), _)| is_sure && *mail == text) {
                assert_eq!(message.labels.has(label), *give, "the wish for {label:?} on {text:?}");
            }
        }
    }
}

fn change(label: &str, give: bool) -> (Label, Labels, Labels) {
    let label = Label::read(label).unwrap();
    let one = Labels::from_iter([label.clone()]);
    if give { (label, one, Labels::none()) } else { (label, Labels::none(), one) }
}

fn toggle(now: &Flags, one: &Flags) -> (Flags, Flags) {
    if now.common(one).is_empty() { (one.clone(), Flags::none()) } else { (Flags::none(), one.clone()) }
}

/// Each history takes some hundredths of a second.
const HISTORIES: u32 = 150;

#[test]
fn on_real_files_both_sides_meet_and_nothing_is_lost_or_doubled() {
    let histories = prop::collection::vec(event(), 0..20);
    for_all("on_real_files", HISTORIES, &histories, |events| run(FOLDERS, &events));
}

#[test]
fn on_real_files_labels_meet_and_no_wish_for_them_is_lost() {
    let histories = prop::collection::vec(prop_oneof![5 => event(), 2 => labelling()], 0..20);
    for_all("labels_meet", HISTORIES, &histories, |events| run(HOMES, &events));
}

fn run(mailboxes: [&'static str; 2], events: &[Event]) {
    let mut history = History::new(mailboxes);
    for event in events {
        history.happen(event);
    }
    history.check();
}
