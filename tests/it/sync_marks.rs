//! A server that can neither move nor expunge single messages (no MOVE, no UIDPLUS): what is removed or moved here
//! stays there, marked as deleted, and is neither fetched again nor marked anew.

use tern::job::SyncReport;
use tern::job::sync::Counts;
use tern::mail::flags::{Flag, Flags};

use crate::support::meeting::{Meeting, mail, name};

fn poor(mails: usize) -> Meeting {
    let m = Meeting::new();
    m.server.set_habits(|habits| {
        (habits.uidplus, habits.moves) = (false, false);
        (habits.condstore, habits.qresync, habits.list_status) = (false, false, false);
    });
    m.server.add_mailbox(&name("Archive"), None);
    for n in 0..mails {
        m.deliver(&name("INBOX"), &mail(Some(&n.to_string()), &subject(n)), "");
    }
    m.sync_well();
    m.sync_well();
    m
}

fn subject(n: usize) -> String {
    format!("mail {n:02}.")
}

fn remove(m: &Meeting, n: usize) {
    let entry = m.file(&name("INBOX"), &subject(n));
    std::fs::remove_file(m.maildir(&name("INBOX")).path_of(&entry)).unwrap();
}

fn relocate(m: &Meeting, n: usize, from: &str, to: &str) {
    let entry = m.file(&name(from), &subject(n));
    let unique = entry.unique().unwrap();
    m.maildir(&name(from)).move_to(&entry, &m.maildir(&name(to)), &unique).unwrap().unwrap();
}

/// How many messages of a mailbox are not marked, and how many are; and how many files there are.
fn standing(m: &Meeting, mailbox: &str) -> (usize, usize, usize) {
    let all = m.server.messages(&name(mailbox));
    let marked = all.iter().filter(|message| message.flags.has(Flag::Deleted)).count();
    (all.len() - marked, marked, m.files(&name(mailbox)).len())
}

/// Does nothing happen any more, not even where a directory is read anew?
fn assert_rest(m: &Meeting) {
    for _ in 0..2 {
        let before = m.server.messages(&name("INBOX"));
        m.maildir(&name("INBOX")).settle().unwrap();
        assert_eq!(m.sync_well().counts, Counts::default());
        assert_eq!(m.server.messages(&name("INBOX")), before);
    }
}

#[test]
fn what_is_moved_here_stays_moved() {
    let m = poor(3);
    relocate(&m, 0, "INBOX", "Archive");
    let counts = m.sync_well().counts;
    assert_eq!((counts.moved, counts.fetched, counts.appended), (1, 0, 0), "{counts:?}");
    assert_eq!((standing(&m, "INBOX"), standing(&m, "Archive")), ((2, 1, 2), (1, 0, 1)));
    assert_rest(&m);
    // And back: it is another message there then.
    relocate(&m, 0, "Archive", "INBOX");
    let counts = m.sync_well().counts;
    assert_eq!((counts.moved, counts.fetched, counts.appended), (1, 0, 0), "{counts:?}");
    assert_eq!((standing(&m, "INBOX"), standing(&m, "Archive")), ((3, 1, 3), (0, 1, 0)));
    assert_rest(&m);
}

#[test]
fn what_is_removed_a_few_a_day_is_never_asked_about() {
    let m = poor(30);
    for day in 0..5 {
        (0..4).for_each(|n| remove(&m, 4 * day + n));
        m.sync_well();
        assert_eq!(standing(&m, "INBOX"), (26 - 4 * day, 4 + 4 * day, 26 - 4 * day));
    }
    assert_rest(&m);
    assert!(!m.reports().iter().any(|report| matches!(report, SyncReport::Held { .. })));
}

#[test]
fn who_takes_the_mark_away_gets_the_message_back() {
    let m = poor(3);
    remove(&m, 0);
    relocate(&m, 1, "INBOX", "Archive");
    m.sync_well();
    for message in m.server.messages(&name("INBOX")) {
        m.server.store(&name("INBOX"), message.uid, &Flags::none(), &Flags::only(Flag::Deleted));
    }
    assert_eq!(m.sync_well().counts.fetched, 2);
    assert_eq!((standing(&m, "INBOX"), standing(&m, "Archive")), ((3, 0, 3), (1, 0, 1)));
    m.assert_met();
    assert_rest(&m);
}

#[test]
fn what_another_client_expunges_is_forgotten() {
    let m = poor(3);
    remove(&m, 0);
    relocate(&m, 1, "INBOX", "Archive");
    m.sync_well();
    for message in m.server.messages(&name("INBOX")) {
        if message.flags.has(Flag::Deleted) {
            m.server.expunge(&name("INBOX"), message.uid);
        }
    }
    assert_eq!(m.sync_well().counts, Counts::default());
    assert!(m.quarantined().is_empty());
    m.assert_met();
    assert_rest(&m);
}
