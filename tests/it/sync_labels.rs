//! Labels both ways: a message lies once where all mail lies, other mailboxes are views of it, and a wish for
//! labels is in the ledger until the server has heard of it. Stopped or cut at every step the same end is
//! reached, and a second run does nothing.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use tern::config::account::LabelMode;
use tern::fault::Cause;
use tern::job::SyncReport;
use tern::job::sync::FolderChange;
use tern::ledger::{Ledger, Wish};
use tern::mail::flags::Flags;
use tern::mail::ids::Uid;
use tern::mail::labels::{Label, Labels, View};
use tern::mail::mailbox::{MailboxName, Role};
use tern::mail::place::{MailboxId, UniqueName};
use tern::store::maildir::fresh;

use crate::support::meeting::{Meeting, letters, mail, name};
use crate::support::scenario::Scenario;

/// A name with all that is hard to say on a wire or in a table.
const HARD: &str = "Größe 100%/say \"a\\b\" & 日本";

fn labels(words: &[&str]) -> Labels {
    words.iter().filter_map(|word| Label::read(word)).collect()
}

fn id(m: &Meeting, mailbox: &MailboxName) -> MailboxId {
    MailboxId { account: m.env.account.id.clone(), name: mailbox.clone() }
}

fn all() -> MailboxName {
    name("[Gmail]/All Mail")
}

fn trash() -> MailboxName {
    name("[Gmail]/Trash")
}

/// An account on a server with labels, where nothing was synced yet.
fn meeting() -> Meeting {
    let m = Meeting::new();
    m.server.set_habits(|habits| habits.labels = true);
    for (name, role) in [
        (all(), Some(Role::All)),
        (trash(), Some(Role::Trash)),
        (name("[Gmail]/Spam"), Some(Role::Junk)),
        (name("[Gmail]/Drafts"), Some(Role::Drafts)),
        (name("[Gmail]/Sent Mail"), Some(Role::Sent)),
        (name("[Gmail]/Starred"), Some(Role::Flagged)),
        (name("Work"), None),
        (name(HARD), None),
    ] {
        m.server.add_mailbox(&name, role);
    }
    m
}

fn deliver(m: &Meeting, subject: &str, words: &[&str]) -> Uid {
    m.deliver(&all(), &mail(Some(subject), subject), "");
    let uid = uid(m, subject);
    m.server.label(&all(), uid, &labels(words), &Labels::none());
    uid
}

fn uid(m: &Meeting, subject: &str) -> Uid {
    let line = format!("Subject: {subject}\r\n");
    let messages = m.server.messages(&all());
    messages.iter().find(|message| String::from_utf8_lossy(&message.bytes).contains(&line)).unwrap().uid
}

/// The user gives labels and takes some away, as the thread `notes` writes it down.
fn wish(m: &Meeting, subject: &str, add: &[&str], remove: &[&str]) {
    let unique = m.file(&all(), subject).unique().unwrap();
    let mut ledger = Ledger::open(&m.env.data).unwrap().0;
    ledger.label(&id(m, &all()), &[unique], &labels(add), &labels(remove)).unwrap();
}

/// The same on the server.
fn relabel(m: &Meeting, subject: &str, add: &[&str], remove: &[&str]) {
    m.server.label(&all(), uid(m, subject), &labels(add), &labels(remove));
}

/// Mailbox, subject, letters and labels of all that lies on both sides; labels as both sides agreed on them.
fn state(m: &Meeting) -> Vec<(String, String, String, Labels)> {
    let subject = |text: &str| text.lines().find_map(|line| line.strip_prefix("Subject: ")).unwrap().to_owned();
    let ledger = Ledger::open(&m.env.data).unwrap().0;
    let mut agreed: BTreeMap<(String, UniqueName), Labels> = BTreeMap::new();
    for (mailbox, key) in ledger.mailboxes(&m.env.account.id).unwrap() {
        assert_eq!(ledger.label_wishes(key).unwrap(), BTreeMap::new(), "no wish is left in {mailbox}");
        for row in ledger.rows(key).unwrap() {
            agreed.insert((mailbox.to_string(), row.unique), row.flags.labels());
        }
    }
    let mut here = Vec::new();
    for mailbox in m.server.names() {
        if !m.env.account.maildir.join(mailbox.as_str()).join("cur").is_dir() {
            continue;
        }
        for entry in m.files(&mailbox) {
            let text = String::from_utf8(m.maildir(&mailbox).read_entry(&entry).unwrap().unwrap()).unwrap();
            let labels = agreed.remove(&(mailbox.to_string(), entry.unique().unwrap()));
            assert!(entry.letters().is_empty(), "no letter stands for a label");
            here.push((mailbox.to_string(), subject(&text), entry.flags().letters(), labels.expect("a row")));
        }
    }
    assert!(agreed.is_empty(), "rows without a file: {agreed:?}");
    let mut there = Vec::new();
    for mailbox in m.server.names() {
        for message in m.server.messages(&mailbox) {
            let text = String::from_utf8_lossy(&message.bytes).into_owned();
            there.push((mailbox.to_string(), subject(&text), message.flags.letters(), message.labels.clone()));
        }
    }
    let key = |one: &(String, String, String, Labels)| (one.0.clone(), one.1.clone(), one.2.clone());
    here.sort_by_key(key);
    there.sort_by_key(key);
    assert_eq!(here, there, "both sides have met");
    here
}

/// The directories that there are.
fn directories(m: &Meeting) -> Vec<String> {
    let root = tern::store::folders::Root { path: m.env.account.maildir.clone(), layout: m.env.account.layout };
    root.list().found.keys().map(ToString::to_string).collect()
}

fn move_here(m: &Meeting, from: &MailboxName, subject: &str, to: &MailboxName) -> UniqueName {
    let (entry, unique) = (m.file(from, subject), fresh(None));
    m.maildir(from).move_to(&entry, &m.maildir(to), &unique).unwrap().unwrap();
    unique
}

fn three(m: &Meeting) {
    deliver(m, "one", &["\\Inbox", "Work"]);
    deliver(m, "two", &["\\Inbox"]);
    deliver(m, "three", &[]);
}

type End = &'static [(&'static str, &'static str, &'static str, &'static [&'static str])];

struct Relabelling {
    name: &'static str,
    then: fn(&Meeting),
    end: End,
}

const ALL: &str = "[Gmail]/All Mail";

const SCENARIOS: &[Relabelling] = &[
    Relabelling {
        name: "archived, labelled and starred here",
        then: |m| {
            wish(m, "one", &[], &["\\Inbox"]);
            wish(m, "two", &[HARD], &["\\Inbox"]);
            wish(m, "three", &["\\Inbox", "Work"], &[]);
            let entry = m.file(&all(), "three");
            m.maildir(&all()).set_flags(&entry, &letters("F"), &Flags::none()).unwrap().unwrap();
        },
        end: &[(ALL, "one", "", &["Work"]), (ALL, "two", "", &[HARD]), (ALL, "three", "F", &["\\Inbox", "Work"])],
    },
    Relabelling {
        name: "labelled there, with wishes of both sides",
        then: |m| {
            relabel(m, "one", &["Trips"], &["Work"]);
            relabel(m, "two", &["Work"], &["\\Inbox"]);
            // Given there what is taken here, taken there what is given here, and both the same.
            wish(m, "one", &["Work", HARD], &["Trips", "\\Inbox"]);
            wish(m, "two", &["Work"], &["\\Inbox"]);
            wish(m, "three", &[], &["Work"]);
        },
        end: &[(ALL, "one", "", &["Work", HARD]), (ALL, "two", "", &["Work"]), (ALL, "three", "", &[])],
    },
    Relabelling {
        name: "a wish taken back",
        then: |m| {
            wish(m, "one", &["Trips"], &["\\Inbox"]);
            wish(m, "one", &["\\Inbox"], &["Trips"]);
        },
        end: &[(ALL, "one", "", &["\\Inbox", "Work"]), (ALL, "two", "", &["\\Inbox"]), (ALL, "three", "", &[])],
    },
    Relabelling {
        name: "to the trash on either side",
        then: |m| {
            wish(m, "one", &["Trips"], &[]);
            move_here(m, &all(), "one", &trash());
            wish(m, "two", &["Trips"], &[]);
            m.server.relocate(&all(), uid(m, "two"), &trash());
        },
        end: &[("[Gmail]/Trash", "one", "", &[]), ("[Gmail]/Trash", "two", "", &[]), (ALL, "three", "", &[])],
    },
    Relabelling {
        name: "new mail on both sides",
        then: |m| {
            deliver(m, "four", &["\\Inbox", HARD]);
            m.write(&all(), &mail(Some("five"), "five"), "S");
            wish(m, "five", &["Work"], &[]);
            m.write(&all(), &mail(None, "six"), "");
        },
        end: &[
            (ALL, "one", "", &["\\Inbox", "Work"]),
            (ALL, "two", "", &["\\Inbox"]),
            (ALL, "three", "", &[]),
            (ALL, "four", "", &["\\Inbox", HARD]),
            (ALL, "five", "S", &["Work"]),
            (ALL, "six", "", &[]),
        ],
    },
    Relabelling {
        name: "a new epoch",
        then: |m| {
            wish(m, "one", &["Trips"], &["\\Inbox"]);
            relabel(m, "two", &["Work"], &[]);
            m.server.renumber(&all());
        },
        end: &[(ALL, "one", "", &["Trips", "Work"]), (ALL, "two", "", &["\\Inbox", "Work"]), (ALL, "three", "", &[])],
    },
    Relabelling {
        name: "filed by another program where only labels are",
        then: |m| {
            m.write(&name("Work"), &mail(Some("four"), "four"), "S");
            m.write(&name("Fresh/new"), &mail(Some("five"), "five"), "");
        },
        end: &[
            (ALL, "one", "", &["\\Inbox", "Work"]),
            (ALL, "two", "", &["\\Inbox"]),
            (ALL, "three", "", &[]),
            (ALL, "four", "S", &["Work"]),
            (ALL, "five", "", &["Fresh/new"]),
        ],
    },
];

impl Scenario for Relabelling {
    fn name(&self) -> &str {
        self.name
    }

    fn start(&self) -> Meeting {
        let m = meeting();
        three(&m);
        m.sync_well();
        m.sync_well();
        (self.then)(&m);
        m
    }

    fn check_end(&self, m: &Meeting, what: &str) {
        let row =
            |(a, b, c, d): &(&str, &str, &str, &[&str])| ((*a).to_owned(), (*b).to_owned(), (*c).to_owned(), labels(d));
        let mut end: Vec<_> = self.end.iter().map(row).collect();
        end.sort_by_key(|one| (one.0.clone(), one.1.clone()));
        assert_eq!(state(m), end, "{}: {what}", self.name);
        assert_eq!(directories(m), ["[Gmail]/All Mail", "[Gmail]/Drafts", "[Gmail]/Spam", "[Gmail]/Trash"]);
        assert_eq!(m.quarantined(), BTreeMap::new(), "{}: {what}: nothing is taken away", self.name);
    }
}

#[test]
fn each_scenario_reaches_its_end_and_rests() {
    SCENARIOS.iter().for_each(Scenario::run);
}

#[test]
fn stopped_at_every_step_the_same_end_is_reached() {
    SCENARIOS.iter().for_each(Scenario::run_stopped);
}

#[test]
fn cut_at_every_step_the_same_end_is_reached() {
    SCENARIOS.iter().for_each(Scenario::run_cut);
}

#[test]
fn the_first_sync_fetches_each_message_once_and_tells_the_views() {
    let m = meeting();
    three(&m);
    // What shows in a view is no message of its own.
    m.deliver(&MailboxName::inbox(), &mail(Some("one"), "one"), "");
    assert_eq!(m.sync_well().counts.fetched, 3);
    let reports = m.reports();
    let views = reports.iter().find_map(|report| match report {
        SyncReport::Views { views, .. } => Some(views.clone()),
        _ => None,
    });
    let view = |mailbox: &str, role, label: &str| View {
        mailbox: id(&m, &name(mailbox)),
        role,
        label: Label::read(label).unwrap(),
        home: id(&m, &all()),
    };
    let wanted = vec![
        view("INBOX", Some(Role::Inbox), "\\Inbox"),
        view("Work", None, "Work"),
        view("[Gmail]/Sent Mail", Some(Role::Sent), "\\Sent"),
        view(HARD, None, HARD),
    ];
    let by_name = |mut views: Vec<View>| {
        views.sort_by_key(|view| view.mailbox.clone());
        views
    };
    assert_eq!(views.map(by_name), Some(by_name(wanted)));
    let flags = reports.iter().filter_map(|report| match report {
        SyncReport::Changed(changed) => Some(changed.places.iter().filter_map(|it| it.now.as_ref())),
        _ => None,
    });
    let mut told: Vec<usize> = flags.flatten().map(|file| file.flags.labels().iter().count()).collect();
    told.sort_unstable();
    assert_eq!(told, [0, 1, 2], "the index hears of labels along with the files");
    // Told once, and again only when they change.
    m.sync_well();
    assert!(!m.reports().iter().any(|report| matches!(report, SyncReport::Views { .. })));
    m.server.add_mailbox(&name("Trips"), None);
    m.sync_well();
    let told = m.reports();
    assert!(told.iter().any(|report| matches!(report, SyncReport::Views { views, .. } if views.len() == 5)));
}

#[test]
fn a_message_that_is_archived_moves_nowhere_and_no_directory_is_read_for_it() {
    let m = meeting();
    three(&m);
    m.sync_well();
    m.sync_well();
    let before: Vec<_> = m.files(&all()).iter().map(|entry| entry.file_name().to_owned()).collect();
    wish(&m, "one", &[], &["\\Inbox"]);
    let counts = m.sync_well().counts;
    assert_eq!((counts.flagged_there, counts.moved, counts.fetched, counts.appended), (1, 0, 0, 0));
    let after: Vec<_> = m.files(&all()).iter().map(|entry| entry.file_name().to_owned()).collect();
    assert_eq!(before, after);
}

#[test]
fn offline_wishes_wait_for_the_server() {
    let m = meeting();
    three(&m);
    m.sync_well();
    m.server.set_outage(true);
    wish(&m, "one", &["Trips"], &["\\Inbox"]);
    assert_eq!(m.sync().unwrap_err().cause, Cause::Unreachable);
    wish(&m, "one", &[HARD], &["Trips"]);
    m.server.set_outage(false);
    m.sync_well();
    assert_eq!(m.server.messages(&all())[0].labels, labels(&["Work", HARD]));
    state(&m);
}

#[test]
fn back_from_the_trash_with_a_label() {
    let m = meeting();
    three(&m);
    m.sync_well();
    move_here(&m, &all(), "one", &trash());
    m.sync_well();
    assert_eq!(m.server.messages(&trash()).len(), 1);
    let unique = move_here(&m, &trash(), "one", &all());
    let mut ledger = Ledger::open(&m.env.data).unwrap().0;
    ledger.label(&id(&m, &all()), &[unique], &labels(&["\\Inbox"]), &Labels::none()).unwrap();
    let counts = m.sync_well().counts;
    assert_eq!((counts.moved, counts.appended, counts.removed_there), (1, 0, 0));
    let back = state(&m).into_iter().find(|(_, subject, ..)| subject == "one").unwrap();
    assert_eq!((back.0, back.3), (all().to_string(), labels(&["\\Inbox"])));
}

#[test]
fn a_removed_label_is_taken_from_its_messages_first_and_they_stay() {
    let m = meeting();
    three(&m);
    m.sync_well();
    let mut ledger = Ledger::open(&m.env.data).unwrap().0;
    ledger.wish(&id(&m, &name("Work")), Wish::Remove).unwrap();
    m.sync_well();
    m.sync_well();
    assert!(!m.server.names().contains(&name("Work")));
    assert_eq!(m.server.messages(&all()).len(), 3);
    assert_eq!(m.server.messages(&all())[0].labels, labels(&["\\Inbox"]));
    state(&m);
}

#[test]
fn a_folder_that_is_made_here_becomes_a_label() {
    let m = meeting();
    m.sync_well();
    m.maildir(&name("Trips/Rome"));
    m.reports();
    m.sync_well();
    let reports = m.reports();
    let made = |report: &SyncReport| {
        matches!(report, SyncReport::FolderChanged { change: FolderChange::MadeThere, mailbox }
            if mailbox.name == name("Trips/Rome"))
    };
    assert!(reports.iter().any(made), "{reports:?}");
    assert!(m.server.names().contains(&name("Trips/Rome")));
    assert!(!directories(&m).contains(&"Trips/Rome".to_owned()));
}

#[test]
fn an_account_stays_as_it_was_begun() {
    // Mail that lies here already, and an account that was synced by folders.
    let with_mail = meeting();
    with_mail.write(&MailboxName::inbox(), &mail(Some("own"), "own"), "");
    let by_folders = Meeting::new();
    by_folders.sync_well();
    for m in [with_mail, by_folders] {
        m.server.set_habits(|habits| habits.labels = true);
        m.server.add_mailbox(&all(), Some(Role::All));
        three(&m);
        m.deliver(&MailboxName::inbox(), &mail(Some("one"), "one"), "");
        m.sync_well();
        m.sync_well();
        m.assert_met();
        assert!(directories(&m).contains(&"INBOX".to_owned()));
        let ledger = Ledger::open(&m.env.data).unwrap().0;
        assert_eq!(ledger.labelled(&m.env.account.id).unwrap(), None);
    }
    // One that was begun by labels, on a server that forgot them.
    let m = meeting();
    three(&m);
    m.sync_well();
    m.server.set_habits(|habits| habits.labels = false);
    assert_eq!(m.sync().unwrap_err().cause, Cause::NotOffered);
    m.server.set_habits(|habits| habits.labels = true);
    // Or without the mailbox that has all mail.
    m.server.rename(&all(), &name("elsewhere"));
    m.server.add_mailbox(&name("elsewhere"), None);
    m.sync_well();
    state(&m);
}

#[test]
fn the_word_of_the_config_counts() {
    let mut m = meeting();
    m.env.account.sync.labels = Some(LabelMode::Folders);
    three(&m);
    m.sync_well();
    assert!(directories(&m).contains(&"Work".to_owned()));
    m.env.account.sync.labels = Some(LabelMode::Views);
    let fault = m.sync().unwrap_err();
    assert!(fault.cause == Cause::Config && fault.detail.as_str().contains("labels = \"folders\""), "{fault}");
    // From views to folders nothing is lost: what were views are fetched.
    let mut m = meeting();
    three(&m);
    m.sync_well();
    m.deliver(&name("Work"), &mail(Some("one"), "one"), "");
    m.env.account.sync.labels = Some(LabelMode::Folders);
    let counts = m.sync_well().counts;
    assert_eq!((counts.fetched, counts.removed_here, counts.removed_there), (1, 0, 0));
    m.assert_met();
    let last = m.reports().into_iter().rev().find_map(|report| match report {
        SyncReport::Views { views, .. } => Some(views),
        _ => None,
    });
    assert_eq!(last, Some(Vec::new()));
    // A server without labels is refused where views are asked for.
    let mut m = Meeting::new();
    m.env.account.sync.labels = Some(LabelMode::Views);
    assert_eq!(m.sync().unwrap_err().cause, Cause::NotOffered);
}

#[test]
fn a_server_that_refuses_labels_is_told_of_once() {
    let m = meeting();
    three(&m);
    m.sync_well();
    wish(&m, "one", &["Trips"], &["\\Inbox"]);
    m.server.set_refusal(Some(|_, _| true));
    let faults = m.sync().unwrap().faults;
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert!(faults[0].detail.as_str().contains("Trips"), "{}", faults[0].detail);
    assert_eq!(m.sync().unwrap().faults, []);
    m.server.set_refusal(None);
    m.sync_well();
    // What was refused is shown as the server has it.
    assert_eq!(state(&m)[0].3, labels(&["\\Inbox", "Work"]));
}

#[test]
fn a_wish_made_while_the_last_one_is_told_is_not_lost() {
    let m = meeting();
    three(&m);
    m.sync_well();
    for step in 0.. {
        wish(&m, "one", &["Trips"], &["\\Inbox"]);
        m.fuse.store(step, Ordering::SeqCst);
        let stopped = m.sync().unwrap().stopped;
        m.fuse.store(u64::MAX, Ordering::SeqCst);
        // The user thinks better of it, whatever has been done by then.
        wish(&m, "one", &["\\Inbox"], &["Trips"]);
        m.sync_well();
        m.sync_well();
        let one = state(&m).into_iter().find(|(_, subject, ..)| subject == "one").unwrap();
        assert_eq!(one.3, labels(&["\\Inbox", "Work"]), "stopped at step {step}");
        if !stopped {
            break;
        }
    }
}

#[test]
fn what_waits_in_the_ledger_is_not_touched_by_a_look_ahead() {
    let m = meeting();
    three(&m);
    m.sync_well();
    wish(&m, "one", &["Trips"], &[]);
    let before = m.server.messages(&all());
    tern::sync::worker::dry_run(&m.env, &|_| {}).unwrap();
    assert_eq!(m.server.messages(&all()), before);
    m.sync_well();
    assert_eq!(m.server.messages(&all())[0].labels, labels(&["\\Inbox", "Trips", "Work"]));
}
