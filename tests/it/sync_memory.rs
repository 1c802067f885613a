//! What a sync does when a memory is not what it was: the ledger is yesterday's, the server was restored from
//! a backup, a mail was taken back from quarantine; and what it leaves alone when it may look at some mailboxes
//! only, or may only look.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

use proptest::prelude::*;

use tern::mail::flags::Flags;
use tern::mail::ids::Timestamp;
use tern::mail::mailbox::MailboxName;
use tern::store::maildir::fresh;
use tern::sync::worker::dry_run;

use crate::support::histories::for_all;
use crate::support::meeting::{Meeting, letters, mail, name};

fn inbox() -> MailboxName {
    MailboxName::inbox()
}

fn three_mailboxes() -> Meeting {
    let mut meeting = Meeting::new();
    meeting.server.add_mailbox(&name("Archive"), None);
    meeting.server.add_mailbox(&name("Lists"), None);
    // The guard has tests of its own.
    meeting.env.account.sync.guard = false;
    meeting.sync_well();
    meeting
}

fn ledger_file(meeting: &Meeting) -> PathBuf {
    meeting.env.data.join("ledger.db")
}

/// Puts an older ledger in the place of the one that is there.
fn put_back(meeting: &Meeting, ledger: &[u8]) {
    for end in ["-wal", "-shm"] {
        let beside = ledger_file(meeting).with_file_name(format!("ledger.db{end}"));
        assert!(!beside.exists() || fs::remove_file(&beside).is_ok());
    }
    fs::write(ledger_file(meeting), ledger).unwrap();
}

#[derive(Debug, Clone)]
enum Event {
    Arrives(usize),
    Written(usize),
    Expunged(usize),
    Deleted(usize),
    FlaggedThere(usize, usize),
    FlaggedHere(usize, usize),
    MovedThere(usize, usize),
    MovedHere(usize, usize, bool),
    Renumbered(usize),
    Synced,
}

fn event() -> impl Strategy<Value = Event> {
    let n = any::<usize>;
    prop_oneof![
        4 => n().prop_map(Event::Arrives),
        3 => n().prop_map(Event::Written),
        2 => n().prop_map(Event::Expunged),
        2 => n().prop_map(Event::Deleted),
        1 => (n(), n()).prop_map(|(n, flag)| Event::FlaggedThere(n, flag)),
        1 => (n(), n()).prop_map(|(n, flag)| Event::FlaggedHere(n, flag)),
        2 => (n(), n()).prop_map(|(n, to)| Event::MovedThere(n, to)),
        3 => (n(), n(), any::<bool>()).prop_map(|(n, to, keep)| Event::MovedHere(n, to, keep)),
        1 => n().prop_map(Event::Renumbered),
        5 => Just(Event::Synced),
    ]
}

fn mailbox(n: usize) -> MailboxName {
    [inbox(), name("Archive"), name("Lists")][n % 3].clone()
}

fn there(meeting: &Meeting, n: usize) -> Option<(MailboxName, tern::remote::fake::FakeMessage)> {
    let all: Vec<_> = (0..3)
        .map(mailbox)
        .flat_map(|mailbox| {
            meeting.server.messages(&mailbox).into_iter().map(move |message| (mailbox.clone(), message))
        })
        .collect();
    (!all.is_empty()).then(|| all[n % all.len()].clone())
}

fn here(meeting: &Meeting, n: usize) -> Option<(MailboxName, tern::store::name::Entry)> {
    let all: Vec<_> = (0..3)
        .map(mailbox)
        .flat_map(|mailbox| meeting.files(&mailbox).into_iter().map(move |entry| (mailbox.clone(), entry)))
        .collect();
    (!all.is_empty()).then(|| all[n % all.len()].clone())
}

fn happen(meeting: &Meeting, event: &Event, mails: &mut usize) {
    let mut new_mail = || {
        *mails += 1;
        let text = format!("mail {mails} {}", "x".repeat(*mails % 7));
        mail((!mails.is_multiple_of(4)).then(|| mails.to_string()).as_deref(), &text)
    };
    match event {
        Event::Arrives(n) => meeting.deliver(&mailbox(*n), &new_mail(), ""),
        Event::Written(n) => meeting.write(&mailbox(*n), &new_mail(), "S"),
        Event::Expunged(n) => {
            if let Some((mailbox, message)) = there(meeting, *n) {
                meeting.server.expunge(&mailbox, message.uid);
            }
        }
        Event::Deleted(n) => {
            if let Some((mailbox, entry)) = here(meeting, *n) {
                meeting.maildir(&mailbox).remove(&entry).unwrap();
            }
        }
        Event::FlaggedThere(n, flag) => {
            if let Some((mailbox, message)) = there(meeting, *n) {
                let flag = letters(["S", "F", "R"][flag % 3]);
                let is_set = !message.flags.common(&flag).is_empty();
                let (add, remove) = if is_set { (Flags::none(), flag) } else { (flag, Flags::none()) };
                meeting.server.store(&mailbox, message.uid, &add, &remove);
            }
        }
        Event::FlaggedHere(n, flag) => {
            if let Some((mailbox, entry)) = here(meeting, *n) {
                let flag = letters(["S", "F", "R"][flag % 3]);
                let is_set = !entry.flags().common(&flag).is_empty();
                let (add, remove) = if is_set { (Flags::none(), flag) } else { (flag, Flags::none()) };
                meeting.maildir(&mailbox).set_flags(&entry, &add, &remove).unwrap();
            }
        }
        Event::MovedThere(n, to) => {
            if let Some((from, message)) = there(meeting, *n).filter(|(from, _)| *from != mailbox(*to)) {
                meeting.server.relocate(&from, message.uid, &mailbox(*to)).unwrap();
            }
        }
        Event::MovedHere(n, to, keep) => {
            if let Some((from, entry)) = here(meeting, *n).filter(|(from, _)| *from != mailbox(*to)) {
                let unique = if *keep { entry.unique().unwrap() } else { fresh(None) };
                meeting.maildir(&from).move_to(&entry, &meeting.maildir(&mailbox(*to)), &unique).unwrap();
            }
        }
        Event::Renumbered(n) => meeting.server.renumber(&mailbox(*n)),
        Event::Synced => drop(meeting.sync_well()),
    }
}

fn come_to_rest(meeting: &Meeting) {
    let rests = (0..6).any(|_| meeting.sync_well().counts.is_zero());
    assert!(rests, "it does not come to rest");
    // What the first comparison held back is done in the next one.
    meeting.sync_well();
    meeting.sync_well();
    meeting.assert_met();
}

#[test]
fn yesterdays_ledger_removes_nothing_and_doubles_nothing() {
    let events = || prop::collection::vec(event(), 0..14);
    for_all("yesterdays_ledger", 40, &(events(), events()), |(before, after)| {
        let (meeting, mut mails) = (three_mailboxes(), 0);
        for event in &before {
            happen(&meeting, event, &mut mails);
        }
        come_to_rest(&meeting);
        let yesterday = fs::read(ledger_file(&meeting)).unwrap();
        for event in &after {
            happen(&meeting, event, &mut mails);
        }
        come_to_rest(&meeting);
        let today = meeting.here();
        put_back(&meeting, &yesterday);
        come_to_rest(&meeting);
        assert_eq!(meeting.here(), today, "nothing is lost, doubled or risen");
    });
}

#[test]
fn a_server_that_was_restored_from_a_backup_is_asked_about_and_loses_nothing() {
    let mut meeting = Meeting::new();
    for n in 1..=4 {
        meeting.deliver(&inbox(), &mail(Some(&n.to_string()), &format!("mail {n}")), "");
    }
    meeting.sync_well();
    meeting.sync_well();
    let backup = meeting.server.backup(&inbox()).unwrap();
    for n in 5..=7 {
        meeting.deliver(&inbox(), &mail(Some(&n.to_string()), &format!("mail {n}")), "");
    }
    meeting.sync_well();
    // Mail 8 gets the UID that mail 5 had, and a modification sequence like it; its size and date are the same, so
    // even its file would have the same name.
    meeting.server.set_back(&inbox(), &backup);
    meeting.deliver(&inbox(), &mail(Some("8"), "mail 8"), "F");
    let before = meeting.here();
    for _ in 0..2 {
        let summary = meeting.sync_well();
        assert!(summary.counts.is_zero(), "{summary:?}");
        assert_eq!(summary.held.len(), 1);
        assert!(summary.held[0].1.as_str().contains("went back in time"), "{summary:?}");
        assert_eq!(meeting.here(), before);
    }
    meeting.env.consent = Some(true);
    meeting.sync_well();
    meeting.sync_well();
    let each_is_there_once = || {
        meeting.assert_met();
        let subjects: Vec<_> = meeting.here().into_iter().map(|(_, text, _)| text).collect();
        for n in 1..=8 {
            let wanted = format!("Subject: mail {n}\r\n");
            assert_eq!(subjects.iter().filter(|text| text.contains(&wanted)).count(), 1, "mail {n}");
        }
    };
    each_is_there_once();
    let summary = meeting.sync_well();
    assert!(summary.counts.is_zero() && summary.held.is_empty(), "{summary:?}");
    // No two files tell of one origin any more, so their names are as good as ever when the ledger is lost.
    for end in ["", "-wal", "-shm"] {
        fs::remove_file(meeting.env.data.join(format!("ledger.db{end}"))).ok();
    }
    let counts = meeting.sync_well().counts;
    assert_eq!((counts.fetched, counts.appended, counts.removed_here), (0, 0, 0), "{counts:?}");
    each_is_there_once();
}

#[test]
fn of_two_files_with_one_origin_each_finds_its_own_message() {
    for id in [true, false] {
        let meeting = Meeting::new();
        let text = |n: &str| mail(id.then_some(n), &format!("mail {n}"));
        meeting.deliver(&inbox(), &text("1"), "");
        meeting.sync_well();
        // A file that was named when the server had given that UID to another message, which has another one now.
        let origin = meeting.files(&inbox()).remove(0).unique().unwrap();
        for end in ["0", ",S=9999"] {
            let older = tern::mail::place::UniqueName::new(&format!("{}{end}", origin.as_str())).unwrap();
            meeting.maildir(&inbox()).deliver(&older, &letters("S"), &text(&format!("2{}", end.len()))).unwrap();
            meeting.deliver(&inbox(), &text(&format!("2{}", end.len())), "S");
        }
        let named = meeting.file(&inbox(), "mail 1");
        let last = tern::mail::place::UniqueName::new(&format!("{}9", origin.as_str())).unwrap();
        meeting.maildir(&inbox()).move_to(&named, &meeting.maildir(&inbox()), &last).unwrap().unwrap();
        for end in ["", "-wal", "-shm"] {
            fs::remove_file(meeting.env.data.join(format!("ledger.db{end}"))).ok();
        }
        let counts = meeting.sync_well().counts;
        assert_eq!((counts.fetched, counts.appended, counts.removed_here), (0, 0, 0), "{counts:?}");
        meeting.assert_met();
        assert!(meeting.sync_well().counts.is_zero());
    }
}

#[test]
fn the_comparison_with_a_restored_server_may_be_stopped_at_every_step() {
    for steps in 0..60 {
        let mut meeting = Meeting::new();
        meeting.env.account.sync.guard = false;
        for n in 1..=3 {
            meeting.deliver(&inbox(), &mail(Some(&n.to_string()), &format!("mail {n}")), "");
        }
        meeting.sync_well();
        let backup = meeting.server.backup(&inbox()).unwrap();
        meeting.deliver(&inbox(), &mail(Some("4"), "mail 4"), "");
        meeting.deliver(&inbox(), &mail(Some("5"), "mail 5"), "");
        meeting.sync_well();
        meeting.server.set_back(&inbox(), &backup);
        meeting.deliver(&inbox(), &mail(Some("6"), "mail 6"), "");
        meeting.fuse.store(steps, Ordering::SeqCst);
        let stopped = meeting.sync().unwrap().stopped;
        meeting.fuse.store(u64::MAX, Ordering::SeqCst);
        come_to_rest(&meeting);
        assert_eq!(meeting.here().len(), 6, "stopped after {steps}");
        if !stopped {
            return;
        }
    }
    panic!("it never came to its end");
}

#[test]
fn a_move_out_of_the_folders_that_are_synced_is_no_removal() {
    for from_synced in [true, false] {
        let mut meeting = three_mailboxes();
        let (from, to) = if from_synced { (inbox(), name("Archive")) } else { (name("Archive"), inbox()) };
        meeting.deliver(&from, &mail(Some("1"), "one"), "");
        meeting.deliver(&from, &mail(None, "two"), "");
        meeting.sync_well();
        for subject in ["one", "two"] {
            let entry = meeting.file(&from, subject);
            meeting.maildir(&from).move_to(&entry, &meeting.maildir(&to), &fresh(None)).unwrap().unwrap();
        }
        meeting.env.only = Some([inbox()].into());
        let some = meeting.sync_well().counts;
        // What has no Message-ID is never moved but uploaded and removed, in whichever sync sees it.
        let (early, late) = if from_synced { (0, 1) } else { (1, 0) };
        assert_eq!((some.removed_there, some.appended), (0, early), "{some:?}");
        assert!(meeting.there().len() >= 2, "nothing is gone from the server");
        meeting.env.only = None;
        let all = meeting.sync_well().counts;
        assert_eq!((all.removed_there, all.appended, all.fetched), (1, late, 0), "{all:?}");
        come_to_rest(&meeting);
        assert_eq!(meeting.here().len(), 2);
        assert!(meeting.here().iter().all(|(mailbox, ..)| *mailbox == to.to_string()));
    }
}

#[test]
fn a_mail_taken_back_from_quarantine_stays_and_is_uploaded() {
    let meeting = three_mailboxes();
    let uid = meeting.server.deliver(&inbox(), &mail(Some("1"), "one"), Flags::none(), Timestamp::new(1_600_000_000));
    meeting.deliver(&inbox(), &mail(Some("2"), "two"), "");
    come_to_rest(&meeting);
    meeting.server.expunge(&inbox(), uid);
    come_to_rest(&meeting);
    let quarantine = meeting.env.data.join("quarantine");
    let day = fs::read_dir(quarantine).unwrap().next().unwrap().unwrap().path();
    let shelf = fs::read_dir(day).unwrap().next().unwrap().unwrap().path();
    let file = fs::read_dir(shelf).unwrap().next().unwrap().unwrap();
    let target = meeting.maildir(&inbox()).path().join("cur").join(file.file_name());
    fs::rename(file.path(), target).unwrap();
    let counts = meeting.sync_well().counts;
    assert_eq!((counts.appended, counts.removed_here), (1, 0));
    come_to_rest(&meeting);
    assert_eq!(meeting.here().len(), 2);
}

/// All bytes below a directory, by path.
fn tree(directory: &std::path::Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut out = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            out.append(&mut tree(&path));
        } else if path.parent().is_none_or(|above| !above.ends_with("locks")) {
            out.push((path.clone(), fs::read(&path).unwrap()));
        }
    }
    out.sort();
    out
}

#[test]
fn a_look_ahead_writes_nothing_at_all() {
    let meeting = three_mailboxes();
    let fresh_account = Meeting::new();
    fresh_account.deliver(&inbox(), &mail(Some("1"), "one"), "");
    meeting.deliver(&inbox(), &mail(Some("1"), "one"), "");
    meeting.deliver(&name("Archive"), &mail(Some("2"), "two"), "");
    come_to_rest(&meeting);
    meeting.deliver(&inbox(), &mail(Some("3"), "three"), "");
    meeting.deliver(&name("New there"), &mail(Some("4"), "four"), "");
    meeting.write(&name("New here"), &mail(Some("5"), "five"), "S");
    let entry = meeting.file(&inbox(), "one");
    meeting.maildir(&inbox()).move_to(&entry, &meeting.maildir(&name("Lists")), &fresh(None)).unwrap().unwrap();
    for (meeting, plans) in [(fresh_account, 1), (meeting, 3)] {
        meeting.age();
        let (data, mail) = (tree(&meeting.env.data), tree(&meeting.env.account.maildir));
        let (there, steps) = (meeting.there(), meeting.server.names());
        let forecast = dry_run(&meeting.env, &|_| ()).unwrap();
        let busy = forecast.plans.iter().filter(|(_, plan)| !plan.is_empty()).count();
        assert!(busy >= plans, "{forecast:?}");
        assert!(tree(&meeting.env.data) == data, "the program's own files are as they were");
        assert!(tree(&meeting.env.account.maildir) == mail, "the mail is as it was");
        assert_eq!((meeting.there(), meeting.server.names()), (there, steps));
        meeting.sync_well();
        come_to_rest(&meeting);
    }
}

#[test]
fn a_file_fetched_by_a_killed_run_and_moved_is_not_doubled_where_the_server_cannot_move() {
    let mut stopped = 0;
    for steps in 0..40 {
        let meeting = three_mailboxes();
        meeting.server.set_habits(|habits| habits.rights.r#move = false);
        meeting.deliver(&inbox(), &mail(Some("1"), "one"), "");
        meeting.fuse.store(steps, Ordering::SeqCst);
        meeting.sync().unwrap();
        meeting.fuse.store(u64::MAX, Ordering::SeqCst);
        let Some(entry) = meeting.files(&inbox()).pop() else { continue };
        stopped += 1;
        let unique = entry.unique().unwrap();
        meeting.maildir(&inbox()).move_to(&entry, &meeting.maildir(&name("Archive")), &unique).unwrap().unwrap();
        come_to_rest(&meeting);
        let all: Vec<String> = meeting.here().into_iter().map(|(mailbox, ..)| mailbox).collect();
        assert_eq!(all, ["Archive"], "stopped after {steps}");
    }
    assert!(stopped > 0);
}
