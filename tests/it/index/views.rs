//! Views: what has a label is shown in its mailbox too, lies in one place, and is counted as if it lay in both.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use tern::index::{Index, Writer};
use tern::job::index::{Direction, Grouping, IndexReport, ListSpec, SearchScope, Shows, Source};
use tern::job::{Changed, PlaceChange};
use tern::mail::flags::{Flag, Flags};
use tern::mail::ids::{AccountId, Timestamp};
use tern::mail::labels::{Label, Labels, View};
use tern::mail::mailbox::{MailboxName, Role};
use tern::mail::place::{MailboxId, Place, UniqueName};

use super::disk::*;

const HOME: &str = "[Gmail]/All Mail";

fn account() -> AccountId {
    AccountId::new("g")
}

fn labels(words: &[&str]) -> Labels {
    words.iter().filter_map(|word| Label::read(word)).collect()
}

fn view(name: &str) -> View {
    let label = match name {
        "[Gmail]/Starred" => Label::Starred,
        "[Gmail]/Sent Mail" => Label::Sent,
        other => Label::of_mailbox(MailboxName::new(other).unwrap()),
    };
    View { mailbox: mailbox("g", name), role: label.role(), label, home: mailbox("g", HOME) }
}

fn views(names: &[&str]) -> Vec<View> {
    names.iter().map(|name| view(name)).collect()
}

/// The homes whose labels are asked for.
fn wanted(reports: &[IndexReport]) -> Vec<&MailboxId> {
    let homes = reports.iter().filter_map(|report| match report {
        IndexReport::LabelsWanted(home) => Some(home),
        _ => None,
    });
    homes.collect()
}

fn subjects(index: &mut Index, source: Source) -> Vec<String> {
    let list = ListSpec::new(source, Grouping::Flat);
    index.rows(&list, 0, 100, None).unwrap().rows.iter().map(|row| row.subject.to_string()).collect()
}

#[test]
fn a_label_shows_a_message_elsewhere_and_it_lies_in_one_place() {
    let mut disk = Disk::new();
    let (home, inbox, trash) = (mailbox("g", HOME), mailbox("g", "INBOX"), mailbox("g", "[Gmail]/Trash"));
    let (mut writer, mut reader) = (disk.writer(), disk.reader());
    let all = views(&["INBOX", "Work", "[Gmail]/Starred"]);
    let reports = writer.views(&account(), &all).unwrap();
    assert_eq!(wanted(&reports), [&home]);
    assert_eq!(wanted(&writer.views(&account(), &all).unwrap()), [] as [&MailboxId; 0], "they are told once");
    let both = Flags::none().with_labels(&labels(&["\\Inbox", "Work"]));
    tell(&mut writer, &disk.deliver(&home, 0, &mail("a@x", &[], 60, "one", "llama"), &both));
    tell(&mut writer, &disk.deliver(&home, 1, &mail("b@x", &["a@x"], 90, "two", ""), &read()));

    let rows = reader.rows(&flat(&inbox), 0, 9, None).unwrap().rows;
    assert_eq!((rows.len(), &rows[0].mailbox, &rows[0].place.mailbox), (1, &inbox, &home));
    assert_eq!(reader.file_of(&rows[0].place).unwrap().map(|path| path.exists()), Some(true));
    assert_eq!(reader.row_at(&rows[0].place).unwrap(), Some(rows[0].message));
    assert_eq!(reader.place_of(rows[0].message).unwrap().as_ref(), Some(&rows[0].place));
    let grouped_rows = reader.rows(&grouped(&inbox), 0, 9, None).unwrap().rows;
    assert_eq!((grouped_rows[0].messages, grouped_rows[0].unread), (1, 1), "the other message is archived");
    assert_eq!(reader.conversation(rows[0].thread).unwrap().len(), 2, "each once");
    assert_eq!(subjects(&mut reader, Source::Unified), ["one"]);
    let count = |reader: &Index, name: &str| {
        let row = reader.mailboxes().unwrap().into_iter().find(|row| row.mailbox.name.as_str() == name).unwrap();
        (row.role, row.total, row.unread, row.shows.map(|Shows { label, .. }| label))
    };
    assert_eq!(count(&reader, "INBOX"), (Some(Role::Inbox), 1, 1, Some(Label::Inbox)));
    assert_eq!(count(&reader, "[Gmail]/Starred"), (Some(Role::Flagged), 0, 0, Some(Label::Starred)));
    let found = |reader: &mut Index, text: &str| {
        let query = tern::query::parse(text, Timestamp::new(1_700_000_000), &jiff::tz::TimeZone::UTC).unwrap();
        reader.search(&query, &SearchScope::All, 0, 9).unwrap().total
    };
    assert_eq!((found(&mut reader, "llama in:work"), found(&mut reader, "llama in:starred")), (1, 0));
    // It is in all of its views at once, and what one of them shows is not outside of it.
    for (text, count) in [
        ("in:work in:inbox", 1),
        ("in:work in:inbox in:\"all mail\"", 1),
        ("in:work -in:inbox", 0),
        ("-in:inbox", 1),
        ("in:\"all mail\" -in:work", 1),
        ("in:inbox or in:work", 1),
        ("in:\"all mail\"", 2),
        ("-in:\"all mail\"", 0),
    ] {
        assert_eq!(found(&mut reader, text), count, "{text}");
    }
    let next = reader.next_unread(&flat(&trash), None, Direction::Next, std::slice::from_ref(&inbox)).unwrap();
    assert_eq!(next, Some((inbox.clone(), rows[0].message)));

    // A star and a word of the file's name go through to all of them; what they do not tell of stays.
    let mut starred = disk.flag(1, &read().with(Flag::Flagged));
    starred[0].places[0].now.as_mut().unwrap().tells = Some(Flags::none());
    tell(&mut writer, &starred);
    assert_eq!((count(&reader, "INBOX").2, count(&reader, "[Gmail]/Starred").1), (0, 1));
    assert_eq!(count(&reader, "Work").1, 1);

    // Archived: the label goes, the message stays.
    let report = writer.label(&[rows[0].place.clone()], &Labels::none(), &labels(&["\\Inbox"])).unwrap();
    let IndexReport::Refreshed { mailboxes, .. } = report else { panic!("{report:?}") };
    assert!(mailboxes.contains(&home) && mailboxes.contains(&inbox), "{mailboxes:?}");
    assert_eq!((count(&reader, "INBOX").1, count(&reader, "Work").1, count(&reader, HOME).1), (0, 1, 2));
    assert!(subjects(&mut reader, Source::Unified).is_empty());

    // Moved away: no view shows it any more.
    tell(&mut writer, &disk.carry(1, &trash));
    assert_eq!((count(&reader, "Work").1, count(&reader, "[Gmail]/Starred").1, count(&reader, HOME).1), (0, 0, 1));
    settle(&mut writer);
    // Without views an account is as any other.
    writer.views(&account(), &[]).unwrap();
    writer.folders(&account(), &[(home, Some(Role::All)), (trash, Some(Role::Trash))]).unwrap();
    let left: Vec<String> = reader.mailboxes().unwrap().iter().map(|row| row.mailbox.name.to_string()).collect();
    assert_eq!(left, ["[Gmail]/Trash", HOME]);
}

#[test]
fn a_file_in_the_directory_of_a_view_is_shown_as_well() {
    let mut disk = Disk::new();
    let (home, inbox) = (mailbox("g", HOME), mailbox("g", "INBOX"));
    let (mut writer, mut reader) = (disk.writer(), disk.reader());
    writer.views(&account(), &views(&["INBOX"])).unwrap();
    let shown = Flags::none().with_labels(&labels(&["\\Inbox"]));
    tell(&mut writer, &disk.deliver(&home, 0, &mail("a@x", &[], 60, "labelled", ""), &shown));
    disk.deliver(&inbox, 1, &mail("b@x", &[], 90, "delivered by a script", ""), &Flags::none());
    let folders = [(home.clone(), Some(Role::All)), (inbox.clone(), None)];
    writer.folders(&account(), &folders).unwrap();
    writer.reconcile(&disk.listing(&inbox, true)).unwrap();
    settle(&mut writer);
    assert_eq!(subjects(&mut reader, Source::Mailbox(inbox.clone())), ["delivered by a script", "labelled"]);
    // The directory goes: what was in it goes, the view stays.
    tell(&mut writer, &disk.delete(2));
    writer.folders(&account(), &folders[..1]).unwrap();
    assert_eq!(subjects(&mut reader, Source::Mailbox(inbox)), ["labelled"]);
}

const NAMES: [&str; 3] = ["INBOX", "Work", "[Gmail]/Starred"];

#[derive(Debug, Clone)]
enum Act {
    /// A message with these labels comes; told by the change, before it, or by a listing and after it.
    Deliver(u8, u8, u8),
    Flag(usize, u8),
    Label(usize, u8, u8),
    Trash(usize),
    Back(usize),
    Delete(usize),
    /// These views are told.
    Views(u8),
    Restart,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        5 => (0..3_u8, 0..4_u8, 0..32_u8).prop_map(|(way, labels, flags)| Act::Deliver(way, labels, flags)),
        3 => (0..100_usize, 0..64_u8).prop_map(|(file, flags)| Act::Flag(file, flags)),
        4 => (0..100_usize, 0..4_u8, 0..4_u8).prop_map(|(file, add, remove)| Act::Label(file, add, remove)),
        2 => (0..100_usize).prop_map(Act::Trash),
        2 => (0..100_usize).prop_map(Act::Back),
        1 => (0..100_usize).prop_map(Act::Delete),
        2 => (0..8_u8).prop_map(Act::Views),
        1 => Just(Act::Restart),
    ]
}

fn some_labels(bits: u8) -> Labels {
    let words = [(1, "\\Inbox"), (2, "Work")];
    words.iter().filter(|(bit, _)| bits & bit != 0).filter_map(|(_, word)| Label::read(word)).collect()
}

/// A mailbox in memory beside the index: what lies in the home, with its labels.
struct World {
    disk: Disk,
    writer: Writer,
    labels: BTreeMap<UniqueName, Labels>,
    views: u8,
}

impl World {
    fn told_views(&mut self) {
        let names: Vec<&str> =
            NAMES.iter().enumerate().filter(|(at, _)| self.views & 1 << at != 0).map(|(_, name)| *name).collect();
        let reports = self.writer.views(&account(), &views(&names)).unwrap();
        if !wanted(&reports).is_empty() {
            let rows: Vec<_> = self.labels.clone().into_iter().collect();
            self.writer.set_labels(&mailbox("g", HOME), &rows).unwrap();
        }
    }

    /// A change of a file's name, which tells nothing of labels.
    fn tell(&mut self, changes: Vec<Changed>) {
        for mut change in changes {
            for PlaceChange { now, .. } in &mut change.places {
                if let Some(now) = now {
                    now.tells = Some(Flags::none());
                }
            }
            self.writer.apply(&change).unwrap();
        }
    }

    fn pick(&self, file: usize, from: &MailboxId) -> Option<usize> {
        let there: Vec<usize> =
            self.disk.files.iter().filter(|(_, known)| known.mailbox == *from).map(|(number, _)| *number).collect();
        (!there.is_empty()).then(|| there[file % there.len()])
    }

    fn act(&mut self, act: &Act, mails: &[String]) {
        let (home, trash) = (mailbox("g", HOME), mailbox("g", "[Gmail]/Trash"));
        match *act {
            Act::Deliver(way, bits, flags) => {
                let number = self.disk.files.len() % mails.len();
                let labels = some_labels(bits);
                let told = self.disk.deliver(&home, number, &mails[number], &Flags::from_bits(flags));
                let unique = told[0].places[0].unique.clone();
                let rows = [(unique.clone(), labels.clone())];
                match way {
                    0 => {
                        let mut told = told;
                        let now = told[0].places[0].now.as_mut().unwrap();
                        now.flags = now.flags.clone().with_labels(&labels);
                        self.writer.apply(&told[0]).unwrap();
                    }
                    1 => {
                        self.writer.set_labels(&home, &rows).unwrap();
                        self.tell(told);
                    }
                    _ => {
                        self.writer.reconcile(&self.disk.listing(&home, true)).unwrap();
                        settle(&mut self.writer);
                        self.writer.set_labels(&home, &rows).unwrap();
                    }
                }
                self.labels.insert(unique, labels);
            }
            Act::Flag(file, flags) => {
                if let Some(number) = self.pick(file, &home) {
                    let told = self.disk.flag(number, &Flags::from_bits(flags));
                    self.tell(told);
                }
            }
            Act::Label(file, add, remove) => {
                if let Some(number) = self.pick(file, &home) {
                    let unique = self.disk.files[&number].unique.clone();
                    let (add, remove) = (some_labels(add), some_labels(remove));
                    let place = Place { mailbox: home, unique: unique.clone() };
                    self.writer.label(&[place], &add, &remove).unwrap();
                    let known = self.labels.entry(unique).or_default();
                    *known = known.union(&add).minus(&remove);
                }
            }
            Act::Trash(file) => {
                if let Some(number) = self.pick(file, &home) {
                    self.labels.remove(&self.disk.files[&number].unique);
                    let told = self.disk.carry(number, &trash);
                    self.tell(told);
                }
            }
            Act::Back(file) => {
                if let Some(number) = self.pick(file, &trash) {
                    self.labels.insert(self.disk.files[&number].unique.clone(), Labels::none());
                    let told = self.disk.carry(number, &home);
                    self.tell(told);
                }
            }
            Act::Delete(file) => {
                if let Some(number) = self.pick(file, &home) {
                    self.labels.remove(&self.disk.files[&number].unique);
                    let told = self.disk.delete(number);
                    self.tell(told);
                }
            }
            Act::Views(bits) => {
                self.views = bits;
                self.told_views();
            }
            Act::Restart => {
                self.writer = self.disk.writer();
                self.told_views();
            }
        }
    }

    /// What each view is to show, by name of file, with how many of them are unread.
    fn wanted(&self, name: &str) -> (BTreeSet<UniqueName>, u64) {
        let home = mailbox("g", HOME);
        let there = self.disk.files.values().filter(|file| file.mailbox == home);
        let shown = there.filter(|file| match name {
            "[Gmail]/Starred" => file.flags.has(Flag::Flagged),
            other => self.labels[&file.unique].has(&view(other).label),
        });
        let shown: Vec<_> = shown.collect();
        let unread = shown.iter().filter(|file| !file.flags.has(Flag::Seen)).count();
        (shown.into_iter().map(|file| file.unique.clone()).collect(), unread as u64)
    }

    fn check(&self) {
        let mut reader = self.disk.reader();
        let told = reader.mailboxes().unwrap();
        for (at, name) in NAMES.iter().enumerate() {
            let known = told.iter().find(|row| row.mailbox.name.as_str() == *name);
            if self.views & 1 << at == 0 {
                assert_eq!(known, None, "{name} is no view any more");
                continue;
            }
            let (wanted, unread) = self.wanted(name);
            let known = known.expect("a view is a mailbox");
            assert_eq!((known.total, known.unread), (wanted.len() as u64, unread), "{name}");
            for list in [flat(&known.mailbox), grouped(&known.mailbox)] {
                let rows = reader.rows(&list, 0, 1000, None).unwrap().rows;
                let count: u64 = rows.iter().map(|row| u64::from(row.messages)).sum();
                assert_eq!(count, known.total, "{name}");
                assert!(rows.iter().all(|row| wanted.contains(&row.place.unique) && row.mailbox == known.mailbox));
                assert!(rows.iter().all(|row| row.place.mailbox.name.as_str() == HOME));
            }
        }
        let inbox = if self.views & 1 == 0 { 0 } else { self.wanted("INBOX").0.len() };
        let unified = ListSpec::new(Source::Unified, Grouping::Conversations);
        let rows = reader.rows(&unified, 0, 1000, None).unwrap().rows;
        assert_eq!(rows.iter().map(|row| row.messages as usize).sum::<usize>(), inbox, "all inboxes");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Whatever comes, goes, is labelled, told early or late: each view shows what has its label, no more.
    #[test]
    fn views_show_what_has_their_label(acts in prop::collection::vec(act(), 1..40)) {
        let mails: Vec<String> = (0..12)
            .map(|n| mail(&format!("{n}@v"), if n % 3 == 0 { &[] } else { &["0@v"] }, n, &format!("mail {n}"), ""))
            .collect();
        let disk = Disk::new();
        let writer = disk.writer();
        let mut world = World { disk, writer, labels: BTreeMap::new(), views: 7 };
        world.told_views();
        for act in &acts {
            world.act(act, &mails);
            settle(&mut world.writer);
            world.check();
        }
    }
}
