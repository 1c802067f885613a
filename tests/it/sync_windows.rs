//! Windows: what is fetched whole and what as a stub, what becomes of stubs when they are flagged, moved or
//! removed, when mail expires, and that a stop at any step loses and doubles nothing.

use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use tern::mail::flags::{Flag, Flags};
use tern::mail::ids::{Timestamp, Uid};
use tern::mail::mailbox::{MailboxName, Role};
use tern::mail::place::UniqueName;
use tern::mail::stub;
use tern::store::maildir::fresh;
use tern::store::name;
use tern::sync::worker::Summary;

use crate::support::meeting::{Meeting, letters, mail, name as mailbox};

/// The time at which the clock of a meeting stands still.
const NOW: i64 = 1_700_000_000;
const DAY: i64 = 86_400;

fn inbox() -> MailboxName {
    MailboxName::inbox()
}

/// Mail is whole for 90 days and up to 1000 bytes.
fn narrow(m: &mut Meeting) {
    m.env.account.sync.keep = Some(Duration::from_hours(24 * 90));
    m.env.account.sync.max_size = Some(1000);
}

fn windowed() -> Meeting {
    let mut m = Meeting::new();
    m.server.add_mailbox(&mailbox("Archive"), Some(Role::Archive));
    narrow(&mut m);
    m
}

/// A message with that subject of so many bytes more than a small one.
fn letter(subject: &str, more: usize) -> Vec<u8> {
    let mut bytes = mail(Some(&subject.replace(' ', "-")), subject);
    bytes.extend(std::iter::repeat_n(b"0123456789abcdef\r\n".as_slice(), more.div_ceil(18)).flatten());
    bytes
}

fn deliver(m: &Meeting, subject: &str, more: usize, flags: &str, days: i64) -> Uid {
    m.server.deliver(&inbox(), &letter(subject, more), letters(flags), Timestamp::new(NOW - days * DAY))
}

/// What lies here: mailbox, subject, flags, and whether it is a stub.
fn here(m: &Meeting) -> Vec<String> {
    let mut out = Vec::new();
    for folder in [inbox(), mailbox("Archive")] {
        let maildir = m.maildir(&folder);
        for entry in m.files(&folder) {
            let bytes = maildir.read_entry(&entry).unwrap().unwrap();
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let subject = text.lines().find_map(|line| line.strip_prefix("Subject: ")).unwrap().to_owned();
            let shape = if entry.unique().unwrap().stub_size().is_some() { "stub" } else { "whole" };
            assert_eq!(shape == "stub", stub::told(&bytes).is_some(), "{}", entry.file_name());
            let body = text.contains(&format!("\r\n\r\n{subject}\r\n"));
            assert_eq!(shape == "whole", body, "{}", entry.file_name());
            out.push(format!("{folder} {subject} {shape} {}", entry.flags().letters()).trim_end().to_owned());
        }
    }
    out.sort();
    out
}

/// How often each subject is on the server, by mailbox.
fn there(m: &Meeting) -> Vec<String> {
    let mut out = Vec::new();
    for folder in [inbox(), mailbox("Archive")] {
        for message in m.server.messages(&folder) {
            let text = String::from_utf8_lossy(&message.bytes).into_owned();
            let subject = text.lines().find_map(|line| line.strip_prefix("Subject: ")).unwrap().to_owned();
            assert!(text.contains(&format!("\r\n\r\n{subject}\r\n")), "no stub came to the server: {text}");
            out.push(format!("{folder} {subject} {}", message.flags.letters()).trim_end().to_owned());
        }
    }
    out.sort();
    out
}

fn flag(m: &Meeting, subject: &str) {
    let entry = m.file(&inbox(), subject);
    m.maildir(&inbox()).set_flags(&entry, &letters("F"), &letters("")).unwrap().unwrap();
}

/// Nothing is done any more.
fn assert_at_rest(m: &Meeting) {
    let Summary { counts, .. } = m.sync_well();
    assert!(counts.is_zero(), "{counts:?}");
}

/// Lets all files look as if they had been written a month before the real clock's time.
fn let_lie(m: &Meeting) {
    let then = SystemTime::now() - Duration::from_hours(24 * 30);
    for folder in [inbox(), mailbox("Archive")] {
        let maildir = m.maildir(&folder);
        for entry in m.files(&folder) {
            let file = std::fs::File::options().write(true).open(maildir.path_of(&entry)).unwrap();
            file.set_modified(then).unwrap();
        }
    }
}

#[test]
fn a_first_sync_fetches_whole_what_is_in_the_window() {
    let m = windowed();
    deliver(&m, "recent", 0, "S", 10);
    deliver(&m, "large", 5000, "", 10);
    deliver(&m, "large flagged", 5000, "F", 10);
    deliver(&m, "old", 0, "S", 100);
    deliver(&m, "old unread", 0, "", 100);
    deliver(&m, "old flagged", 0, "FS", 100);
    // A header that nothing is known by would not be found again elsewhere.
    let mut nameless = mail(None, "large nameless");
    nameless.extend([b'x'; 5000]);
    m.server.deliver(&inbox(), &nameless, letters("S"), Timestamp::new(NOW));
    let counts = m.sync_well().counts;
    assert_eq!(counts.fetched, 7);
    let end = [
        "INBOX large flagged whole F",
        "INBOX large nameless whole S",
        "INBOX large stub",
        "INBOX old flagged whole FS",
        "INBOX old stub S",
        "INBOX old unread whole",
        "INBOX recent whole S",
    ];
    assert_eq!(here(&m), end);
    let whole = letter("large", 5000).len() as u64;
    let stub = m.file(&inbox(), "large").unique().unwrap();
    assert_eq!(stub.stub_size(), Some(whole));
    assert_at_rest(&m);
    assert_eq!(here(&m), end);
    assert_eq!(there(&m).len(), 7);
}

#[test]
fn without_a_window_all_is_whole_and_a_window_that_is_gone_brings_the_rest() {
    let mut m = windowed();
    deliver(&m, "large", 5000, "", 10);
    deliver(&m, "old", 0, "S", 100);
    m.sync_well();
    assert_eq!(here(&m), ["INBOX large stub", "INBOX old stub S"]);
    (m.env.account.sync.keep, m.env.account.sync.max_size) = (None, None);
    assert_eq!(m.sync_well().counts.fetched, 2);
    assert_eq!(here(&m), ["INBOX large whole", "INBOX old whole S"]);
    assert_at_rest(&m);
    m.assert_met();
}

#[test]
fn a_stub_that_is_flagged_on_either_side_becomes_whole() {
    let m = windowed();
    let there = deliver(&m, "there", 5000, "S", 10);
    deliver(&m, "here", 5000, "", 10);
    m.sync_well();
    m.server.store(&inbox(), there, &Flags::only(Flag::Flagged), &Flags::none());
    let entry = m.file(&inbox(), "here");
    m.maildir(&inbox()).set_flags(&entry, &letters("FR"), &Flags::none()).unwrap();
    m.sync_well();
    assert_eq!(here(&m), ["INBOX here whole FR", "INBOX there whole FS"]);
    assert_at_rest(&m);
    m.assert_met();
}

#[test]
fn what_is_read_old_and_unused_becomes_a_stub_and_nothing_else_does() {
    let mut m = Meeting::new();
    m.server.add_mailbox(&mailbox("Archive"), Some(Role::Archive));
    deliver(&m, "old", 0, "S", 100);
    deliver(&m, "old unread", 0, "", 100);
    deliver(&m, "old flagged", 0, "FS", 100);
    deliver(&m, "recent large", 5000, "S", 10);
    m.server.deliver(&inbox(), b"Subject: nameless\r\n\r\nnameless\r\n", letters("S"), Timestamp::new(NOW - 100 * DAY));
    m.sync_well();
    narrow(&mut m);
    // What was written just now is left alone for a while.
    m.sync_well();
    assert!(here(&m).iter().all(|line| line.contains("whole")), "{:?}", here(&m));
    let_lie(&m);
    m.sync_well();
    let end = [
        "INBOX nameless whole S",
        "INBOX old flagged whole FS",
        "INBOX old stub S",
        "INBOX old unread whole",
        "INBOX recent large whole S",
    ];
    assert_eq!(here(&m), end);
    assert_eq!(m.quarantined().len(), 0);
    assert_at_rest(&m);
    assert_eq!((here(&m).len(), there(&m).len()), (5, 5));
    // It tells what it stands for.
    assert_eq!(
        stub::told(&m.maildir(&inbox()).read_entry(&m.file(&inbox(), "old")).unwrap().unwrap()),
        Some(letter("old", 0).len() as u64)
    );
}

#[test]
fn a_message_that_was_filed_here_expires_under_its_own_name() {
    let mut m = Meeting::new();
    m.server.add_mailbox(&mailbox("Archive"), Some(Role::Archive));
    m.sync_well();
    let old = UniqueName::new(&format!("{}.local", NOW - 100 * DAY)).unwrap();
    m.maildir(&mailbox("Archive")).deliver(&old, &letters("S"), &letter("filed", 0)).unwrap();
    m.sync_well();
    let_lie(&m);
    narrow(&mut m);
    m.sync_well();
    assert_eq!(here(&m), ["Archive filed stub S"]);
    assert_at_rest(&m);
    assert_eq!(there(&m), ["Archive filed S"]);
}

#[test]
fn stubs_are_moved_and_removed_on_both_sides_like_any_other_mail() {
    for by_other in [false, true] {
        let m = windowed();
        deliver(&m, "moved here", 5000, "S", 10);
        let there_moved = deliver(&m, "moved there", 5000, "S", 10);
        deliver(&m, "removed here", 5000, "S", 10);
        let there_removed = deliver(&m, "removed there", 5000, "S", 10);
        m.sync_well();
        let (from, to) = (m.maildir(&inbox()), m.maildir(&mailbox("Archive")));
        let entry = m.file(&inbox(), "moved here");
        // Another program gives it a name that does not tell what it is.
        let unique = if by_other {
            fresh(None)
        } else {
            name::as_stub(&fresh(None), entry.unique().unwrap().stub_size().unwrap())
        };
        from.move_to(&entry, &to, &unique).unwrap().unwrap();
        from.remove(&m.file(&inbox(), "removed here")).unwrap();
        m.server.relocate(&inbox(), there_moved, &mailbox("Archive"));
        m.server.expunge(&inbox(), there_removed);
        let counts = m.sync_well().counts;
        assert_eq!((counts.appended, counts.fetched, counts.moved), (0, 0, 2), "{counts:?}");
        assert_eq!(there(&m), ["Archive moved here S", "Archive moved there S"]);
        assert_eq!(here(&m), ["Archive moved here stub S", "Archive moved there stub S"]);
        assert_at_rest(&m);
        assert_eq!(there(&m), ["Archive moved here S", "Archive moved there S"]);
    }
}

#[test]
fn a_stub_that_is_filed_where_nothing_is_synced_leaves_its_message_on_the_server() {
    for by_other in [false, true] {
        let mut m = windowed();
        m.env.account.sync.exclude = vec!["Archive".to_owned()];
        deliver(&m, "filed away", 5000, "S", 10);
        deliver(&m, "removed here", 5000, "S", 10);
        deliver(&m, "whole", 0, "S", 10);
        m.sync_well();
        let (from, to) = (m.maildir(&inbox()), m.maildir(&mailbox("Archive")));
        let entry = m.file(&inbox(), "filed away");
        let whole = entry.unique().unwrap().stub_size().unwrap();
        let unique = if by_other { fresh(None) } else { name::as_stub(&fresh(None), whole) };
        from.move_to(&entry, &to, &unique).unwrap().unwrap();
        from.remove(&m.file(&inbox(), "removed here")).unwrap();
        let faults = m.sync().unwrap().faults;
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(faults[0].to_string().contains("stays on the server"), "{faults:?}");
        assert_eq!(there(&m), ["INBOX filed away S", "INBOX whole S"]);
    }
}

/// The base name of a stub as a program writes it that keeps nothing but the first of its fields.
fn without_its_size(stub: &UniqueName) -> UniqueName {
    let (kept, _) = stub.as_str().split_once(",T=").unwrap();
    UniqueName::new(kept).unwrap()
}

#[test]
fn a_stub_that_another_program_renames_is_neither_removed_nor_taken_for_the_message() {
    for keeps_origin in [true, false] {
        let m = windowed();
        deliver(&m, "renamed", 5000, "S", 10);
        deliver(&m, "other", 0, "S", 10);
        m.sync_well();
        let maildir = m.maildir(&inbox());
        let entry = m.file(&inbox(), "renamed");
        let unique = if keeps_origin { without_its_size(&entry.unique().unwrap()) } else { fresh(None) };
        maildir.move_to(&entry, &maildir, &unique).unwrap().unwrap();
        let counts = m.sync_well().counts;
        assert!(counts.is_zero(), "{counts:?}");
        assert_eq!(there(&m), ["INBOX other S", "INBOX renamed S"]);
        assert_eq!(here(&m), ["INBOX other whole S", "INBOX renamed stub S"]);
        // It is still what it was: it becomes whole when it is wished for.
        flag(&m, "renamed");
        m.sync_well();
        assert_eq!(here(&m), ["INBOX other whole S", "INBOX renamed whole FS"]);
        assert_at_rest(&m);
    }
}

#[test]
fn a_copy_of_a_stub_takes_nobodys_place_and_its_name_tells_what_it_is() {
    let mut m = windowed();
    deliver(&m, "copied", 5000, "S", 10);
    m.sync_well();
    let maildir = m.maildir(&inbox());
    let entry = m.file(&inbox(), "copied");
    let bytes = maildir.read_entry(&entry).unwrap().unwrap();
    // The very name that the whole message would have.
    let unique = without_its_size(&entry.unique().unwrap());
    maildir.deliver(&unique, &letters("S"), &bytes).unwrap();
    let summary = m.sync().unwrap();
    assert!(summary.counts.is_zero(), "{:?}", summary.counts);
    assert!(summary.faults.iter().all(|fault| fault.to_string().contains("is not uploaded")), "{:?}", summary.faults);
    assert_eq!(here(&m), ["INBOX copied stub S", "INBOX copied stub S"]);
    assert_eq!(there(&m), ["INBOX copied S"]);
    // The stub itself becomes whole, the copy stays what it is.
    m.env.account.sync.max_size = None;
    m.sync().unwrap();
    assert_eq!(here(&m), ["INBOX copied stub S", "INBOX copied whole S"]);
    assert_eq!(there(&m), ["INBOX copied S"]);
}

#[test]
fn a_stub_whose_message_nobody_knows_stays_and_is_told_of_once() {
    let mut m = windowed();
    m.env.clock = std::sync::Arc::new(tern::sync::env::WallClock);
    m.sync_well();
    let bytes = stub::make(&letter("lone", 0), 9000);
    m.maildir(&inbox()).deliver(&name::as_stub(&fresh(None), 9000), &letters("S"), &bytes).unwrap();
    m.maildir(&inbox()).deliver(&fresh(None), &letters("S"), &stub::make(&letter("unnamed", 0), 9000)).unwrap();
    let faults = m.sync().unwrap().faults;
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert!(faults.iter().all(|fault| fault.to_string().contains("is not uploaded")), "{faults:?}");
    assert_eq!((there(&m).len(), m.files(&inbox()).len()), (0, 2));
}

#[test]
fn without_the_ledger_and_in_a_new_epoch_stubs_find_their_messages() {
    let m = windowed();
    deliver(&m, "large", 5000, "", 10);
    deliver(&m, "old", 0, "S", 100);
    deliver(&m, "whole", 0, "S", 10);
    m.sync_well();
    let before = here(&m);
    let lose = || {
        for file in std::fs::read_dir(&m.env.data).unwrap().flatten() {
            if file.file_type().unwrap().is_file() {
                std::fs::remove_file(file.path()).unwrap();
            }
        }
    };
    lose();
    let counts = m.sync_well().counts;
    assert_eq!((counts.adopted, counts.fetched, counts.appended), (3, 0, 0));
    m.server.renumber(&inbox());
    let counts = m.sync_well().counts;
    assert_eq!((counts.fetched, counts.appended), (0, 0), "{counts:?}");
    assert_at_rest(&m);
    // Both at once: by Message-ID and the size that the name tells.
    m.server.renumber(&inbox());
    lose();
    let counts = m.sync_well().counts;
    assert_eq!((counts.fetched, counts.appended), (0, 0), "{counts:?}");
    assert_at_rest(&m);
    assert_eq!(here(&m), before);
    assert_eq!(there(&m).len(), 3);
}

/// Runs `then` and a sync that stops after each number of steps, then two that do not, and looks how it ends.
fn stopped_at_each_step(before: fn() -> Meeting, then: fn(&mut Meeting), end: &[&str], lose_ledger: bool) {
    let mut stops = 0;
    for steps in 0.. {
        let mut m = before();
        then(&mut m);
        m.fuse.store(steps, Ordering::SeqCst);
        let stopped = m.sync().is_ok_and(|summary| summary.stopped);
        m.fuse.store(u64::MAX, Ordering::SeqCst);
        stops += u64::from(stopped);
        if lose_ledger {
            for file in std::fs::read_dir(&m.env.data).into_iter().flatten().flatten() {
                if file.file_type().unwrap().is_file() {
                    std::fs::remove_file(file.path()).unwrap();
                }
            }
        }
        let_lie(&m);
        let messages = there(&m).len();
        m.sync_well();
        m.sync_well();
        assert_eq!(here(&m), end, "stopped after {steps}");
        assert_eq!(there(&m).len(), messages, "stopped after {steps}");
        assert_eq!(m.quarantined().len(), 0, "stopped after {steps}");
        assert_at_rest(&m);
        if !stopped {
            break;
        }
    }
    assert!(stops > 8, "{stops}");
}

fn upgrading() -> Meeting {
    let m = windowed();
    deliver(&m, "one", 5000, "S", 10);
    deliver(&m, "two", 5000, "", 10);
    m.sync_well();
    m
}

fn flag_both(m: &mut Meeting) {
    for subject in ["one", "two"] {
        let entry = m.file(&inbox(), subject);
        m.maildir(&inbox()).set_flags(&entry, &letters("F"), &Flags::none()).unwrap();
    }
}

fn expiring() -> Meeting {
    let m = Meeting::new();
    m.server.add_mailbox(&mailbox("Archive"), Some(Role::Archive));
    deliver(&m, "one", 0, "S", 100);
    deliver(&m, "two", 0, "RS", 100);
    m.sync_well();
    let old = UniqueName::new(&format!("{}.local", NOW - 100 * DAY)).unwrap();
    m.maildir(&inbox()).deliver(&old, &letters("S"), &letter("three", 0)).unwrap();
    m.sync_well();
    let_lie(&m);
    m
}

#[test]
fn a_stop_at_any_step_of_becoming_whole_doubles_nothing() {
    let end = ["INBOX one whole FS", "INBOX two whole F"];
    stopped_at_each_step(upgrading, flag_both, &end, false);
    stopped_at_each_step(upgrading, flag_both, &end, true);
}

#[test]
fn a_stop_at_any_step_of_expiry_loses_and_doubles_nothing() {
    let end = ["INBOX one stub S", "INBOX three stub S", "INBOX two stub RS"];
    stopped_at_each_step(expiring, narrow, &end, false);
    stopped_at_each_step(expiring, narrow, &end, true);
}
