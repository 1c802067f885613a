//! Folders as a whole, both ways: made, renamed, removed, subscribed. What was renamed is never fetched or
//! uploaded again, what was removed is removed only with the user's word, and a server that lost its head
//! removes nothing.

use std::fs;
use std::path::PathBuf;

use tern::config::account::FolderDeletes;
use tern::job::SyncReport;
use tern::job::sync::FolderChange;
use tern::ledger::{Ledger, Wish};
use tern::mail::mailbox::Role;
use tern::mail::place::{Layout, MailboxId};
use tern::remote::fake::Cut;
use tern::store::folders::Root;
use tern::sync::worker::{Summary, dry_run};

use crate::support::meeting::{Meeting, mail, name};

fn root(meeting: &Meeting) -> Root {
    Root { path: meeting.env.account.maildir.clone(), layout: meeting.env.account.layout }
}

/// The folders on this disk.
fn here(meeting: &Meeting) -> Vec<String> {
    root(meeting).list().found.into_keys().map(|name| name.as_str().to_owned()).collect()
}

/// The folders on the server.
fn there(meeting: &Meeting) -> Vec<String> {
    meeting.server.names().into_iter().map(|name| name.as_str().to_owned()).collect()
}

fn fill(meeting: &Meeting, folder: &str, count: usize) {
    for n in 0..count {
        let text = format!("{folder} {n}");
        meeting.deliver(&name(folder), &mail(Some(&text.replace(' ', ".")), &text), "");
    }
}

/// What was done to folders, in short.
fn changes(meeting: &Meeting) -> Vec<String> {
    let mut out: Vec<String> = meeting
        .reports()
        .into_iter()
        .filter_map(|report| match report {
            SyncReport::FolderChanged { mailbox, change } => Some(match change {
                FolderChange::RenamedHere(to) => format!("{} -> {to} here", mailbox.name),
                FolderChange::RenamedThere(to) => format!("{} -> {to} there", mailbox.name),
                other => format!("{} {other:?}", mailbox.name),
            }),
            _ => None,
        })
        .collect();
    out.sort();
    out
}

/// A round that brings folders together and moves no message.
fn without_messages(meeting: &Meeting) -> Summary {
    let summary = meeting.sync_well();
    assert!(summary.counts.is_zero(), "{:?}", summary.counts);
    summary
}

fn settle(meeting: &Meeting) {
    meeting.assert_met();
    without_messages(meeting);
    assert_eq!(changes(meeting), Vec::<String>::new(), "a second round finds nothing");
}

fn path(meeting: &Meeting, folder: &str) -> PathBuf {
    root(meeting).directory(&name(folder)).unwrap()
}

const LAYOUTS: [Layout; 2] = [Layout::Nested, Layout::MaildirPlusPlus];

fn meeting(layout: Layout) -> Meeting {
    let mut meeting = Meeting::new();
    meeting.env.account.layout = layout;
    fill(&meeting, "INBOX", 2);
    meeting
}

#[test]
fn a_new_folder_is_made_on_the_other_side_with_its_role() {
    for layout in LAYOUTS {
        let meeting = meeting(layout);
        meeting.server.add_mailbox(&name("There/deep"), None);
        for folder in ["Here", "Gesendet", "INBOX/below"] {
            meeting.maildir(&name(folder));
        }
        meeting.sync_well();
        for folder in ["There/deep", "Here", "Gesendet", "INBOX/below"] {
            assert!(here(&meeting).iter().any(|known| known == folder), "{folder}");
            assert!(there(&meeting).iter().any(|known| known == folder), "{folder}");
        }
        let listed = tern::remote::Connect::connect(&meeting.server).unwrap().mailboxes().unwrap();
        let sent = listed.iter().find(|mailbox| mailbox.name == name("Gesendet")).unwrap();
        assert_eq!((sent.role, sent.subscribed), (Some(Role::Sent), Some(true)));
        changes(&meeting);
        settle(&meeting);
    }
}

#[test]
fn a_rename_on_the_server_renames_here_and_fetches_nothing() {
    for (layout, list_status) in [(LAYOUTS[0], true), (LAYOUTS[1], true), (LAYOUTS[0], false)] {
        let meeting = meeting(layout);
        meeting.server.set_habits(|habits| habits.list_status = list_status);
        for folder in ["Lists", "Lists/rust", "Lists/rust/old", "Listserv"] {
            fill(&meeting, folder, 3);
        }
        meeting.server.add_mailbox(&name("Empty"), None);
        meeting.sync_well();
        changes(&meeting);
        assert!(meeting.server.rename(&name("Lists"), &name("Rolls/all")));
        assert!(meeting.server.rename(&name("Empty"), &name("Void")));
        without_messages(&meeting);
        assert_eq!(
            changes(&meeting),
            [
                "Empty -> Void here",
                "Lists -> Rolls/all here",
                "Lists/rust -> Rolls/all/rust here",
                "Lists/rust/old -> Rolls/all/rust/old here"
            ]
        );
        assert_eq!(here(&meeting), there(&meeting));
        assert!(!path(&meeting, "Lists").exists());
        settle(&meeting);
    }
}

#[test]
fn a_rename_here_renames_on_the_server_and_uploads_nothing() {
    for layout in LAYOUTS {
        let meeting = meeting(layout);
        for folder in ["Lists", "Lists/rust", "Other"] {
            fill(&meeting, folder, 3);
        }
        meeting.sync_well();
        changes(&meeting);
        let uids = |folder: &str| meeting.server.messages(&name(folder)).iter().map(|m| m.uid).collect::<Vec<_>>();
        let before = uids("Lists/rust");
        // As any program would, directory by directory.
        match layout {
            Layout::Nested => fs::rename(path(&meeting, "Lists"), path(&meeting, "Rolls")).unwrap(),
            Layout::MaildirPlusPlus => {
                for (from, to) in [("Lists", "Rolls"), ("Lists/rust", "Rolls/rust")] {
                    fs::rename(path(&meeting, from), path(&meeting, to)).unwrap();
                }
            }
        }
        // One more came into it before the sync.
        meeting.write(&name("Rolls"), &mail(Some("late"), "late"), "");
        let summary = meeting.sync_well();
        assert_eq!((summary.counts.appended, summary.counts.fetched, summary.counts.removed_there), (1, 0, 0));
        assert_eq!(there(&meeting), ["INBOX", "Other", "Rolls", "Rolls/rust"]);
        assert_eq!(uids("Rolls/rust"), before, "the same messages");
        assert_eq!(changes(&meeting), ["Lists -> Rolls there"], "those below go with it");
        settle(&meeting);
    }
}

#[test]
fn a_rename_that_was_cut_short_is_finished() {
    // By another name on the server: a stop after each step that asks for leave.
    for stop in 0.. {
        let meeting = meeting(Layout::Nested);
        for folder in ["Lists", "Lists/rust"] {
            fill(&meeting, folder, 3);
        }
        meeting.sync_well();
        assert!(meeting.server.rename(&name("Lists"), &name("Rolls")));
        meeting.fuse.store(stop, std::sync::atomic::Ordering::SeqCst);
        let stopped = meeting.sync().unwrap().stopped;
        meeting.fuse.store(u64::MAX, std::sync::atomic::Ordering::SeqCst);
        without_messages(&meeting);
        assert_eq!(here(&meeting), ["INBOX", "Rolls", "Rolls/rust"], "stopped at {stop}");
        changes(&meeting);
        settle(&meeting);
        if !stopped {
            assert!(stop > 2);
            break;
        }
    }
    // By another name here: the answer of the server is lost, or it never hears of it.
    for cut in [Cut::Before, Cut::After] {
        for step in 0..4 {
            let meeting = meeting(Layout::Nested);
            for folder in ["Lists", "Lists/rust"] {
                fill(&meeting, folder, 3);
            }
            meeting.sync_well();
            fs::rename(path(&meeting, "Lists"), path(&meeting, "Rolls")).unwrap();
            meeting.server.cut_after(step, cut);
            without_messages(&meeting);
            assert!(!meeting.server.cancel_cut(), "{cut:?} {step}");
            assert_eq!(there(&meeting), ["INBOX", "Rolls", "Rolls/rust"], "{cut:?} {step}");
            changes(&meeting);
            settle(&meeting);
        }
    }
}

#[test]
fn another_folder_with_the_same_number_is_no_rename() {
    let meeting = meeting(Layout::Nested);
    fill(&meeting, "Lists", 3);
    meeting.sync_well();
    // Taken away, and at the same time another one comes with mail of its own.
    meeting.server.drop_mailbox(&name("Lists"));
    fill(&meeting, "News", 4);
    let summary = meeting.sync_well();
    assert_eq!(summary.counts.fetched, 4);
    assert_eq!(here(&meeting), ["INBOX", "Lists", "News"]);
    assert_eq!(summary.held.len(), 1, "what became of the other one is asked");
}

#[test]
fn what_is_gone_on_the_server_is_asked_about_and_goes_into_quarantine() {
    for layout in LAYOUTS {
        let mut meeting = meeting(layout);
        for folder in ["Lists", "Lists/rust"] {
            fill(&meeting, folder, 3);
        }
        meeting.sync_well();
        changes(&meeting);
        meeting.server.drop_mailbox(&name("Lists"));
        let summary = without_messages(&meeting);
        assert_eq!(summary.held.len(), 1);
        let (mailbox, question) = &summary.held[0];
        assert_eq!(mailbox.name, name("Lists"));
        assert!(question.as_str().contains("gone on the server; 3 messages"), "{question}");
        assert_eq!(meeting.files(&name("Lists")).len(), 3);
        // One that the server never had is there to stay.
        meeting.write(&name("Lists"), &mail(Some("own"), "own"), "");
        meeting.env.consent = Some(true);
        meeting.sync_well();
        assert_eq!(meeting.quarantined().values().sum::<usize>(), 3);
        assert_eq!(changes(&meeting), ["Lists RemovedHere"]);
        meeting.env.consent = None;
        let summary = meeting.sync_well();
        assert_eq!((summary.counts.appended, summary.counts.fetched), (1, 0), "its folder is a new one");
        meeting.server.drop_mailbox(&name("Lists/rust"));
        meeting.env.consent = Some(true);
        meeting.sync_well();
        assert!(!path(&meeting, "Lists/rust").exists());
        assert_eq!(here(&meeting), ["INBOX", "Lists"]);
        changes(&meeting);
        settle(&meeting);
    }
}

#[test]
fn the_settings_say_what_becomes_of_a_folder_that_is_gone() {
    let mut meeting = meeting(Layout::Nested);
    for (folder, count) in [("Few", 4), ("Many", 60), ("Kept", 4)] {
        fill(&meeting, folder, count);
    }
    meeting.sync_well();
    meeting.env.account.sync.folder_deletes = FolderDeletes::Never;
    meeting.server.drop_mailbox(&name("Kept"));
    assert!(without_messages(&meeting).held.is_empty());
    fs::remove_dir_all(path(&meeting, "Few")).unwrap();
    assert_eq!(meeting.sync_well().counts.fetched, 4, "what is missing here is fetched again");
    assert!(here(&meeting).contains(&"Kept".to_owned()));
    meeting.env.account.sync.folder_deletes = FolderDeletes::Follow;
    meeting.server.drop_mailbox(&name("Few"));
    meeting.server.drop_mailbox(&name("Many"));
    let held = meeting.sync_well().held;
    assert_eq!(here(&meeting), ["INBOX", "Many"]);
    assert_eq!(held.iter().map(|(mailbox, _)| mailbox.name.as_str()).collect::<Vec<_>>(), ["Many"]);
    assert_eq!(meeting.quarantined().values().sum::<usize>(), 8);
}

#[test]
fn a_server_that_lists_too_little_removes_nothing() {
    let mut meeting = meeting(Layout::Nested);
    fill(&meeting, "Lists", 3);
    meeting.sync_well();
    meeting.env.account.sync.folder_deletes = FolderDeletes::Follow;
    meeting.env.consent = Some(true);
    // Nothing at all, not even the INBOX.
    let lists = meeting.server.clone();
    for folder in ["INBOX", "Lists"] {
        lists.drop_mailbox(&name(folder));
    }
    meeting.sync().unwrap();
    assert_eq!(here(&meeting), ["INBOX", "Lists"]);
    assert_eq!((meeting.files(&name("INBOX")).len(), meeting.files(&name("Lists")).len()), (2, 3));
    assert!(meeting.quarantined().is_empty());
}

#[test]
fn what_is_gone_here_is_asked_about_and_then_deleted_on_the_server() {
    for layout in LAYOUTS {
        let mut meeting = meeting(layout);
        fill(&meeting, "Lists", 4);
        meeting.server.add_mailbox(&name("Empty"), None);
        meeting.sync_well();
        changes(&meeting);
        for folder in ["Lists", "Empty"] {
            fs::remove_dir_all(path(&meeting, folder)).unwrap();
        }
        let held = without_messages(&meeting).held;
        assert_eq!(held.len(), 2, "{held:?}");
        assert_eq!(meeting.server.messages(&name("Lists")).len(), 4);
        meeting.env.consent = Some(true);
        assert_eq!(meeting.sync_well().counts.removed_there, 4);
        assert_eq!(there(&meeting), ["INBOX"]);
        assert_eq!(here(&meeting), ["INBOX"]);
        assert_eq!(changes(&meeting), ["Empty RemovedThere", "Lists RemovedThere"]);
        meeting.env.consent = None;
        settle(&meeting);
    }
}

#[test]
fn mail_that_came_into_a_folder_meanwhile_keeps_it() {
    let mut meeting = meeting(Layout::Nested);
    fill(&meeting, "Lists", 4);
    meeting.sync_well();
    fs::remove_dir_all(path(&meeting, "Lists")).unwrap();
    fill(&meeting, "Lists", 1);
    meeting.deliver(&name("Lists"), &mail(Some("new"), "new"), "");
    meeting.env.consent = Some(true);
    let summary = meeting.sync_well();
    assert_eq!((summary.counts.removed_there, summary.counts.fetched), (4, 2));
    assert_eq!(there(&meeting), ["INBOX", "Lists"]);
    meeting.env.consent = None;
    changes(&meeting);
    settle(&meeting);
}

#[test]
fn a_removal_that_was_cut_short_goes_on_without_another_question() {
    for cut in [Cut::Before, Cut::After] {
        for step in 0..8 {
            let meeting = meeting(Layout::Nested);
            fill(&meeting, "Lists", 4);
            meeting.sync_well();
            let id = MailboxId { account: meeting.env.account.id.clone(), name: name("Lists") };
            Ledger::open(&meeting.env.data).unwrap().0.wish(&id, Wish::Remove).unwrap();
            fs::remove_dir_all(path(&meeting, "Lists")).unwrap();
            meeting.server.cut_after(step, cut);
            meeting.sync().unwrap();
            meeting.server.cancel_cut();
            assert!(meeting.sync_well().held.is_empty(), "{cut:?} {step}");
            assert_eq!(
                (here(&meeting), there(&meeting)),
                (vec!["INBOX".into()], vec!["INBOX".into()]),
                "{cut:?} {step}"
            );
            changes(&meeting);
            settle(&meeting);
        }
    }
}

#[test]
fn a_disk_that_is_not_mounted_removes_and_renames_nothing() {
    let meeting = meeting(Layout::Nested);
    for folder in ["Lists", "Other"] {
        fill(&meeting, folder, 4);
    }
    meeting.sync_well();
    let aside = meeting.env.account.maildir.with_extension("aside");
    fs::rename(&meeting.env.account.maildir, &aside).unwrap();
    // A sent copy was written below the empty mount point.
    meeting.write(&name("Sent"), &mail(Some("sent"), "sent"), "");
    let summary = meeting.sync().unwrap();
    assert_eq!(summary.held.len(), 3, "{:?}", summary.held);
    assert_eq!(summary.counts.removed_there, 0);
    assert_eq!(meeting.server.messages(&name("Lists")).len(), 4);
}

#[test]
fn only_what_is_subscribed_where_the_user_says_so() {
    let mut meeting = meeting(Layout::Nested);
    for folder in ["Lists", "Other"] {
        fill(&meeting, folder, 3);
    }
    meeting.env.account.sync.subscribed_only = true;
    let id = |text: &str| MailboxId { account: meeting.env.account.id.clone(), name: name(text) };
    let mut ledger = Ledger::open(&meeting.env.data).unwrap().0;
    ledger.wish(&id("Other"), Wish::Subscribe).unwrap();
    ledger.wish(&id("Other"), Wish::Unsubscribe).unwrap();
    meeting.sync_well();
    assert_eq!(here(&meeting), ["INBOX", "Lists"]);
    ledger.wish(&id("Other"), Wish::Subscribe).unwrap();
    ledger.wish(&id("Lists"), Wish::Unsubscribe).unwrap();
    assert_eq!(meeting.sync_well().counts.fetched, 3);
    assert_eq!(here(&meeting), ["INBOX", "Lists", "Other"]);
    meeting.server.drop_mailbox(&name("Lists"));
    assert_eq!(meeting.files(&name("Lists")).len(), 3);
}

#[test]
fn a_look_ahead_writes_nothing_on_either_side() {
    for layout in LAYOUTS {
        let meeting = meeting(layout);
        for folder in ["Lists", "Gone", "Lost", "Moved"] {
            fill(&meeting, folder, 3);
        }
        let fresh = dry_run(&meeting.env, &|_| ()).unwrap();
        assert!(here(&meeting).is_empty(), "no folder is made");
        assert_eq!(fresh.folders.len(), 5);
        assert_eq!(fresh.plans.iter().map(|(_, plan)| plan.ops.len()).sum::<usize>(), 14);
        meeting.sync_well();
        assert!(dry_run(&meeting.env, &|_| ()).unwrap().is_empty());
        meeting.write(&name("New"), &mail(Some("new"), "new"), "");
        fs::rename(path(&meeting, "Moved"), path(&meeting, "Renamed")).unwrap();
        fs::remove_dir_all(path(&meeting, "Lost")).unwrap();
        meeting.server.drop_mailbox(&name("Gone"));
        meeting.server.rename(&name("Lists"), &name("Rolls"));
        meeting.age();
        let before = (snapshot(&meeting.env.account.maildir), there(&meeting));
        let forecast = dry_run(&meeting.env, &|_| ()).unwrap();
        assert_eq!((snapshot(&meeting.env.account.maildir), there(&meeting)), before);
        let folders: Vec<String> =
            forecast.folders.iter().map(|(mailbox, change)| format!("{} {change:?}", mailbox.name)).collect();
        assert_eq!(
            folders,
            [
                r#"Lists RenamedHere(MailboxName("Rolls"))"#,
                r#"Moved RenamedThere(MailboxName("Renamed"))"#,
                "New MadeThere"
            ]
        );
        let asked: Vec<&str> = forecast.questions.iter().map(|(mailbox, _)| mailbox.name.as_str()).collect();
        assert_eq!(asked, ["Gone", "Lost"]);
        let new = forecast.plans.iter().find(|(mailbox, _)| mailbox.name == name("New")).unwrap();
        assert_eq!(new.1.ops.len(), 1);
        assert_eq!(forecast.faults, []);
    }
}

/// Every path below a directory.
fn snapshot(directory: &std::path::Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    let mut todo = vec![directory.to_owned()];
    while let Some(next) = todo.pop() {
        for entry in fs::read_dir(&next).into_iter().flatten().flatten() {
            out.push(entry.path());
            if entry.path().is_dir() {
                todo.push(entry.path());
            }
        }
    }
    out.sort();
    out
}
