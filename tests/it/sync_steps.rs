//! The executor of sync, scenario by scenario: run it; run it again and nothing is left to do; stop
//! it or cut the connection at every step, resume, and the same end is reached.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use tern::fault::Cause;
use tern::job::SyncReport;
use tern::mail::flags::{Flag, Flags};
use tern::mail::ids::{Timestamp, Uid};
use tern::mail::mailbox::{MailboxName, Role};
use tern::remote::Since;
use tern::remote::fake::Cut;
use tern::store::maildir::fresh;
use tern::sync::env::Clock;

use crate::support::meeting::{Meeting, letters, mail, name};
use crate::support::scenario::Scenario;

/// A state that both sides agree on, what happens then, and how it ends (mailbox, subject, flags).
struct Steps {
    name: &'static str,
    before: fn(&Meeting),
    then: fn(&Meeting),
    end: &'static [(&'static str, &'static str, &'static str)],
}

fn inbox() -> MailboxName {
    MailboxName::inbox()
}

fn three(m: &Meeting) {
    m.deliver(&inbox(), &mail(Some("1"), "one"), "");
    m.deliver(&inbox(), &mail(Some("2"), "two"), "S");
    m.deliver(&inbox(), &mail(None, "three"), "F");
    m.server.add_mailbox(&name("Archive"), Some(Role::Archive));
}

fn uid(m: &Meeting, subject: &str) -> Uid {
    let line = format!("Subject: {subject}\r\n");
    let messages = m.server.messages(&inbox());
    messages.iter().find(|message| String::from_utf8_lossy(&message.bytes).contains(&line)).unwrap().uid
}

fn remove(m: &Meeting, subject: &str) {
    let entry = m.file(&inbox(), subject);
    assert!(m.maildir(&inbox()).remove(&entry).unwrap());
}

fn flag(m: &Meeting, subject: &str, add: &str, remove: &str) {
    let entry = m.file(&inbox(), subject);
    m.maildir(&inbox()).set_flags(&entry, &letters(add), &letters(remove)).unwrap().unwrap();
}

fn relocate(m: &Meeting, subject: &str, to: &str) {
    let entry = m.file(&inbox(), subject);
    let target = m.maildir(&name(to));
    m.maildir(&inbox()).move_to(&entry, &target, &fresh(None)).unwrap().unwrap();
}

const SCENARIOS: &[Steps] = &[
    Steps {
        name: "the first sync",
        before: |_| {},
        then: |m| {
            three(m);
            m.deliver(&name("Lists/rust"), &mail(Some("4"), "four"), "R");
        },
        end: &[("INBOX", "one", ""), ("INBOX", "two", "S"), ("INBOX", "three", "F"), ("Lists/rust", "four", "R")],
    },
    Steps {
        name: "new mail on both sides",
        before: three,
        then: |m| {
            m.deliver(&inbox(), &mail(Some("4"), "four"), "");
            m.write(&inbox(), &mail(Some("5"), "five"), "S");
            m.write(&inbox(), &mail(None, "six"), "");
            m.write(&inbox(), b"Subject: seven\nMessage-ID: <7@x>\n\nunix\n", "");
        },
        end: &[
            ("INBOX", "one", ""),
            ("INBOX", "two", "S"),
            ("INBOX", "three", "F"),
            ("INBOX", "four", ""),
            ("INBOX", "five", "S"),
            ("INBOX", "six", ""),
            ("INBOX", "seven", ""),
        ],
    },
    Steps {
        name: "flags on both sides",
        before: three,
        then: |m| {
            flag(m, "one", "S", "");
            flag(m, "two", "FR", "S");
            m.server.store(&inbox(), uid(m, "two"), &Flags::only(Flag::Draft), &Flags::none());
            m.server.store(&inbox(), uid(m, "three"), &Flags::none(), &Flags::only(Flag::Flagged));
        },
        end: &[("INBOX", "one", "S"), ("INBOX", "two", "DFR"), ("INBOX", "three", "")],
    },
    Steps {
        name: "removed on both sides",
        before: three,
        then: |m| {
            remove(m, "one");
            m.server.expunge(&inbox(), uid(m, "two"));
        },
        end: &[("INBOX", "three", "F")],
    },
    Steps {
        name: "moved here",
        before: three,
        then: |m| {
            relocate(m, "one", "Archive");
            relocate(m, "two", "New folder");
        },
        end: &[("Archive", "one", ""), ("New folder", "two", "S"), ("INBOX", "three", "F")],
    },
    Steps {
        name: "moved here without an id",
        before: three,
        then: |m| relocate(m, "three", "Archive"),
        end: &[("INBOX", "one", ""), ("INBOX", "two", "S"), ("Archive", "three", "F")],
    },
    Steps {
        name: "moved on the server",
        before: three,
        then: |m| {
            m.server.relocate(&inbox(), uid(m, "two"), &name("Archive"));
        },
        end: &[("INBOX", "one", ""), ("Archive", "two", "S"), ("INBOX", "three", "F")],
    },
    Steps {
        name: "exchanged on the server, with wishes on both sides",
        before: |m| {
            three(m);
            m.deliver(&name("Archive"), &mail(Some("4"), "four"), "");
        },
        then: |m| {
            flag(m, "one", "R", "");
            m.server.relocate(&inbox(), uid(m, "one"), &name("Archive"));
            m.server.relocate(&inbox(), uid(m, "two"), &name("Archive"));
            let four = m.server.messages(&name("Archive"))[0].uid;
            let four = m.server.relocate(&name("Archive"), four, &inbox()).unwrap();
            m.server.store(&inbox(), four, &Flags::only(Flag::Flagged), &Flags::none());
        },
        end: &[("Archive", "one", "R"), ("Archive", "two", "S"), ("INBOX", "three", "F"), ("INBOX", "four", "F")],
    },
    Steps {
        name: "a new epoch",
        before: three,
        then: |m| {
            flag(m, "one", "F", "");
            m.write(&inbox(), &mail(Some("4"), "four"), "");
            m.deliver(&inbox(), &mail(Some("5"), "five"), "");
            m.server.renumber(&inbox());
        },
        end: &[
            ("INBOX", "one", "F"),
            ("INBOX", "two", "S"),
            ("INBOX", "three", "F"),
            ("INBOX", "four", ""),
            ("INBOX", "five", ""),
        ],
    },
    Steps {
        name: "the same mail on both sides, and ids that are shared",
        before: |_| {},
        then: |m| {
            for text in ["same", "shared", "nameless"] {
                let id = (text != "nameless").then_some("id");
                m.deliver(&inbox(), &mail(id, text), "S");
                m.write(&inbox(), &mail(id, text), "F");
            }
        },
        end: &[("INBOX", "nameless", "FS"), ("INBOX", "same", "FS"), ("INBOX", "shared", "FS")],
    },
    Steps {
        name: "keywords on both sides",
        before: |m| {
            three(m);
            m.server.store(&inbox(), uid(m, "one"), &Flags::from_imap(["todo"]), &Flags::none());
        },
        then: keywords,
        end: &[("INBOX", "one", "paid"), ("INBOX", "two", "S later"), ("INBOX", "three", "F $Junk")],
    },
    Steps {
        name: "a folder that mbsync kept",
        before: |_| {},
        then: kept_by_mbsync,
        end: &[("Lists", "a", "S"), ("Lists", "b", "R"), ("Lists", "c", ""), ("Lists", "d", ""), ("Lists", "e", "")],
    },
    Steps {
        name: "a ledger that is damaged",
        before: three,
        then: damaged,
        end: &[
            ("INBOX", "one", "S"),
            ("INBOX", "two", "FS"),
            ("INBOX", "three", "F"),
            ("INBOX", "four", ""),
            ("INBOX", "five", ""),
        ],
    },
];

/// A keyword that is set here, one that is set there, and one that is cleared here.
fn keywords(m: &Meeting) {
    let words = |words: &str| Flags::from_imap(words.split(' '));
    let maildir = m.maildir(&inbox());
    maildir.table_with(&words("later")).unwrap();
    maildir.set_flags(&m.file(&inbox(), "two"), &words("later"), &Flags::none()).unwrap().unwrap();
    maildir.set_flags(&m.file(&inbox(), "one"), &Flags::none(), &words("todo")).unwrap().unwrap();
    m.server.store(&inbox(), uid(m, "three"), &words("$Junk"), &Flags::none());
    m.server.store(&inbox(), uid(m, "one"), &words("paid"), &Flags::none());
}

/// A folder that mbsync kept until long ago, with its state: what both sides did since is joined on top of that.
fn kept_by_mbsync(m: &Meeting) {
    let lists = name("Lists");
    m.server.add_mailbox(&lists, None);
    for (subject, flags) in [("a", "S"), ("b", ""), ("c", "F"), ("d", "")] {
        m.deliver(&lists, &mail(Some(subject), subject), flags);
    }
    let mut remote = m.env.connect.as_ref().unwrap().connect().unwrap();
    let epoch = remote.changes(&lists, &Since::default()).unwrap().validity.get();
    let directory = m.maildir(&lists).path().to_owned();
    for (number, subject, flags) in [(1, "a", ""), (2, "b", "R"), (3, "c", "")] {
        let file = directory.join(format!("cur/170000000{number}.{number}.host,U={number}:2,{flags}"));
        fs::write(file, mail(Some(subject), subject)).unwrap();
    }
    m.write(&lists, &mail(Some("e"), "e"), "");
    let head = format!("FarUidValidity {epoch}\nNearUidValidity 1700000000\nMaxPulledUid 3\nMaxPushedUid 3\n");
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_600_000_000);
    let state = format!("{head}\n1 1 \n2 2 \n3 3 F\n");
    for (file, text) in [(".uidvalidity", "1700000000\n3\n"), (".mbsyncstate", &state)] {
        fs::write(directory.join(file), text).unwrap();
        fs::File::open(directory.join(file)).unwrap().set_modified(long_ago).unwrap();
    }
    fs::File::open(&directory).unwrap().set_modified(long_ago).unwrap();
}

/// The ledger is damaged after both sides went on.
fn damaged(m: &Meeting) {
    flag(m, "one", "S", "");
    m.server.store(&inbox(), uid(m, "two"), &Flags::only(Flag::Flagged), &Flags::none());
    m.deliver(&inbox(), &mail(Some("4"), "four"), "");
    m.write(&inbox(), &mail(None, "five"), "");
    for end in ["-wal", "-shm"] {
        fs::remove_file(m.env.data.join(format!("ledger.db{end}"))).ok();
    }
    fs::write(m.env.data.join("ledger.db"), b"no ledger any more").unwrap();
}

/// Mailbox, subject, flags and keywords of all that both sides have.
fn state(m: &Meeting) -> Vec<(String, String, String)> {
    let text =
        |flags: &Flags| format!("{} {}", flags.letters(), flags.words().imap_names().join(" ")).trim().to_owned();
    let (mut here, mut there) = (Vec::new(), Vec::new());
    let names: BTreeSet<MailboxName> = m.here().into_iter().map(|(mailbox, ..)| name(&mailbox)).collect();
    for mailbox in &names {
        let maildir = m.maildir(mailbox);
        for entry in m.files(mailbox) {
            let bytes = maildir.read_entry(&entry).unwrap().unwrap();
            let subject = subject(&String::from_utf8_lossy(&bytes));
            here.push((mailbox.to_string(), subject, text(&maildir.flags(&entry))));
        }
    }
    for mailbox in m.server.names() {
        for message in m.server.messages(&mailbox) {
            let subject = subject(&String::from_utf8_lossy(&message.bytes));
            there.push((mailbox.to_string(), subject, text(&message.flags)));
        }
    }
    here.sort();
    there.sort();
    assert_eq!(here, there, "both sides have met");
    here
}

fn subject(text: &str) -> String {
    text.lines().find_map(|line| line.strip_prefix("Subject: ")).unwrap_or(text).to_owned()
}

impl Scenario for Steps {
    fn name(&self) -> &str {
        self.name
    }

    fn start(&self) -> Meeting {
        let meeting = Meeting::new();
        (self.before)(&meeting);
        meeting.sync_well();
        // The first comparison removes nothing, so a second one makes sure that all is settled.
        meeting.sync_well();
        (self.then)(&meeting);
        meeting
    }

    fn check_end(&self, m: &Meeting, what: &str) {
        let mut end: Vec<_> =
            self.end.iter().map(|(a, b, c)| ((*a).to_owned(), (*b).to_owned(), (*c).to_owned())).collect();
        end.sort();
        assert_eq!(state(m), end, "{}: {what}", self.name);
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

/// A clock at whose pauses something happens.
struct Meanwhile {
    clock: Arc<dyn Clock>,
    happens: Box<dyn Fn() + Send + Sync>,
}

impl Clock for Meanwhile {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn pause(&self, time: Duration) {
        (self.happens)();
        self.clock.pause(time);
    }
}

/// What was uploaded by a connection that was cut is looked for on the server, and there is time to remove its file
/// while it is.
#[test]
fn a_file_that_goes_while_its_upload_is_in_doubt_goes_there_too() {
    let mut removed = 0;
    for step in 0.. {
        let mut m = Meeting::new();
        m.sync_well();
        m.write(&inbox(), &mail(Some("9"), "nine"), "");
        let path = m.maildir(&inbox()).path_of(&m.file(&inbox(), "nine"));
        let gone = Arc::new(AtomicBool::new(false));
        let happens = {
            let (gone, server) = (Arc::clone(&gone), m.server.clone());
            move || {
                if !server.messages(&inbox()).is_empty() && fs::remove_file(&path).is_ok() {
                    gone.store(true, Ordering::SeqCst);
                }
            }
        };
        m.env.clock = Arc::new(Meanwhile { clock: Arc::clone(&m.env.clock), happens: Box::new(happens) });
        m.server.cut_after(step, Cut::After);
        let _ = m.sync();
        if m.server.cancel_cut() {
            break;
        }
        for _ in 0..4 {
            m.sync_well();
        }
        let gone = gone.load(Ordering::SeqCst);
        removed += usize::from(gone);
        let left: Vec<String> = state(&m).into_iter().map(|(_, subject, _)| subject).collect();
        assert_eq!(left.is_empty(), gone, "cut at step {step}: {left:?}");
    }
    assert!(removed > 0, "in no run there was a doubt");
}

/// A file is carried on from where the server has not followed it to yet, at every stop of every stop of a first sync.
#[test]
fn a_file_that_is_moved_on_before_its_move_is_known_is_there_once() {
    let mut carried = 0;
    for first in 0.. {
        for second in 0.. {
            let m = Meeting::new();
            three(&m);
            m.deliver(&name("Lists"), &mail(Some("4"), "four"), "");
            m.fuse.store(first, Ordering::SeqCst);
            if !m.sync().unwrap().stopped {
                assert!(carried > 0, "no file was carried on");
                return;
            }
            let here = |mailbox: &MailboxName| {
                m.files(mailbox).into_iter().find(|entry| {
                    let bytes = m.maildir(mailbox).read_entry(entry).unwrap().unwrap();
                    String::from_utf8_lossy(&bytes).contains("Subject: one\r\n")
                })
            };
            let carry = |from: &MailboxName, to: &MailboxName| {
                let Some(entry) = here(from) else { return false };
                let unique = entry.unique().unwrap();
                m.maildir(from).move_to(&entry, &m.maildir(to), &unique).unwrap().is_some()
            };
            if !carry(&inbox(), &name("Lists")) {
                break;
            }
            m.fuse.store(second, Ordering::SeqCst);
            let stopped = m.sync().unwrap().stopped;
            carried += usize::from(carry(&name("Lists"), &name("Archive")));
            m.fuse.store(u64::MAX, Ordering::SeqCst);
            for _ in 0..4 {
                m.sync_well();
            }
            let places: Vec<String> =
                state(&m).into_iter().filter(|(_, subject, _)| subject == "one").map(|(place, ..)| place).collect();
            assert_eq!(places, ["Archive"], "stopped at steps {first} and {second}");
            if !stopped {
                break;
            }
        }
    }
}

#[test]
fn a_server_without_uidplus_comes_to_the_same_end() {
    // Such a server cannot expunge single messages: they stay there, marked.
    let expunging = ["removed on both sides", "moved here without an id"];
    for scenario in SCENARIOS.iter().filter(|s| !expunging.contains(&s.name)) {
        let meeting = Meeting::new();
        meeting.server.set_habits(|habits| {
            habits.uidplus = false;
            habits.condstore = false;
        });
        (scenario.before)(&meeting);
        meeting.sync_well();
        meeting.sync_well();
        (scenario.then)(&meeting);
        scenario.resume(&meeting, "without UIDPLUS");
        scenario.check_rest(&meeting, "without UIDPLUS");
    }
}

#[test]
fn what_the_server_removed_lies_in_quarantine() {
    let meeting = Meeting::new();
    three(&meeting);
    meeting.sync_well();
    meeting.server.expunge(&inbox(), uid(&meeting, "two"));
    let summary = meeting.sync_well();
    assert_eq!(summary.counts.removed_here, 1);
    assert_eq!(meeting.quarantined().values().copied().collect::<Vec<_>>(), [1]);
}

#[test]
fn moves_are_one_move_and_nothing_is_carried_twice() {
    let meeting = Meeting::new();
    three(&meeting);
    meeting.sync_well();
    relocate(&meeting, "one", "Archive");
    relocate(&meeting, "two", "Archive");
    let counts = meeting.sync_well().counts;
    assert_eq!((counts.moved, counts.appended, counts.fetched, counts.removed_there), (2, 0, 0, 0));
    meeting.assert_met();
}

#[test]
fn one_bad_message_stops_nothing_and_is_tried_again() {
    let meeting = Meeting::new();
    three(&meeting);
    let bad = uid(&meeting, "two");
    meeting.server.spoil(&inbox(), bad, true);
    let summary = meeting.sync().unwrap();
    assert_eq!((summary.counts.fetched, summary.faults.len()), (2, 1));
    assert_eq!(meeting.sync().unwrap().faults.len(), 1, "it is not forgotten");
    meeting.server.spoil(&inbox(), bad, false);
    assert_eq!(meeting.sync_well().counts.fetched, 1);
    meeting.assert_met();
}

#[test]
fn a_frightening_plan_is_held_while_new_mail_comes_in() {
    let meeting = Meeting::new();
    for n in 0..10 {
        meeting.deliver(&inbox(), &mail(Some(&n.to_string()), &format!("n{n}")), "");
    }
    meeting.sync_well();
    for entry in meeting.files(&inbox()) {
        meeting.maildir(&inbox()).remove(&entry).unwrap();
    }
    meeting.deliver(&inbox(), &mail(Some("new"), "new"), "");
    let summary = meeting.sync_well();
    assert_eq!(summary.held.len(), 1);
    assert!(summary.held[0].1.as_str().contains("10 of 10 messages"), "{}", summary.held[0].1);
    assert_eq!((summary.counts.fetched, summary.counts.removed_there), (1, 0));
    assert_eq!(meeting.server.messages(&inbox()).len(), 11);
    assert!(meeting.reports().iter().any(|report| matches!(report, SyncReport::Held { .. })));
}

#[test]
fn a_missing_directory_deletes_nothing() {
    let meeting = Meeting::new();
    three(&meeting);
    meeting.sync_well();
    let mail = &meeting.env.account.maildir;
    std::fs::rename(mail, mail.with_extension("away")).unwrap();
    let summary = meeting.sync().unwrap();
    assert_eq!(summary.held.len(), 1);
    assert_eq!(meeting.server.messages(&inbox()).len(), 3);
    std::fs::remove_dir_all(mail).ok();
    std::fs::rename(mail.with_extension("away"), mail).unwrap();
    assert!(meeting.sync_well().counts.is_zero());
}

#[test]
fn a_folder_made_on_an_empty_mount_point_deletes_nothing() {
    let meeting = Meeting::new();
    three(&meeting);
    meeting.deliver(&name("Sent"), &mail(Some("sent"), "sent"), "S");
    meeting.sync_well();
    let root = &meeting.env.account.maildir;
    std::fs::rename(root, root.with_extension("away")).unwrap();
    // What the outbox does when it files a copy while the disk is not mounted.
    meeting.write(&name("Sent"), &mail(Some("copy"), "copy"), "S");
    let summary = meeting.sync().unwrap();
    assert!(summary.held.iter().any(|(mailbox, _)| mailbox.name == name("Sent")), "{:?}", summary.held);
    assert_eq!(meeting.server.messages(&name("Sent")).len(), 1);
    assert_eq!(meeting.server.messages(&inbox()).len(), 3);
}

#[test]
fn a_listing_in_doubt_removes_nothing() {
    let meeting = Meeting::new();
    three(&meeting);
    meeting.sync_well();
    meeting.server.set_habits(|habits| habits.partial = true);
    meeting.sync_well();
    assert_eq!(meeting.files(&inbox()).len(), 3);
    meeting.server.set_habits(|habits| habits.partial = false);
    meeting.sync_well();
    meeting.assert_met();
}

#[test]
fn a_lost_ledger_is_found_again_in_the_names() {
    let meeting = Meeting::new();
    three(&meeting);
    meeting.write(&inbox(), &mail(Some("own"), "own"), "");
    meeting.sync_well();
    meeting.server.expunge(&inbox(), uid(&meeting, "one"));
    for file in ["ledger.db", "ledger.db-wal", "ledger.db-shm"] {
        std::fs::remove_file(meeting.env.data.join(file)).ok();
    }
    let counts = meeting.sync_well().counts;
    assert_eq!((counts.fetched, counts.appended, counts.removed_here), (0, 0, 0), "{counts:?}");
    // The round after knows enough to follow the server.
    assert_eq!(meeting.sync_well().counts.removed_here, 1);
    meeting.assert_met();
}

#[test]
fn a_refused_password_stops_and_asks() {
    let meeting = Meeting::new();
    meeting.server.set_habits(|habits| habits.refuses_sign_in = true);
    assert_eq!(meeting.sync().unwrap_err().cause, Cause::SignInRefused);
}

#[test]
fn two_syncs_of_one_account_do_not_meet() {
    let meeting = Meeting::new();
    let locks = meeting.env.data.join("locks");
    std::fs::create_dir_all(&locks).unwrap();
    let other = std::fs::File::create(locks.join("work.lock")).unwrap();
    other.lock().unwrap();
    assert!(meeting.sync().unwrap().elsewhere);
    other.unlock().unwrap();
    assert!(!meeting.sync().unwrap().elsewhere);
}

#[test]
fn a_round_without_changes_asks_once_and_writes_nothing() {
    for (list_status, steps) in [(true, 1), (false, 1 + 2)] {
        let meeting = Meeting::new();
        meeting.server.set_habits(|habits| habits.list_status = list_status);
        three(&meeting);
        meeting.sync_well();
        meeting.sync_well();
        let before = meeting.server.steps();
        let ledger = || std::fs::read(meeting.env.data.join("ledger.db-wal")).unwrap_or_default();
        let written = ledger();
        meeting.sync_well();
        let what = "one listing of mailboxes; a question for each where that does not tell how they stand";
        assert_eq!(meeting.server.steps() - before, steps, "{what}");
        assert_eq!(ledger(), written);
    }
}
