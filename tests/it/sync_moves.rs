//! What a round costs, counted in calls to the server, and how it follows messages that move from one
//! mailbox to another: here, on the server, and across the moments at which the program was killed.

use std::collections::BTreeSet;

use tern::fault::Cause;
use tern::job::SyncReport;
use tern::ledger::{Change, Ledger};
use tern::mail::flags::{Flag, Flags};
use tern::mail::mailbox::MailboxName;
use tern::remote::fake::Cut;
use tern::store::maildir::fresh;
use tern::store::name::{self, Entry};

use crate::support::meeting::{Meeting, letters, mail, name};

fn inbox() -> MailboxName {
    MailboxName::inbox()
}

/// A meeting at rest: so many mailboxes beside INBOX, each with so many messages.
fn at_rest(mailboxes: usize, messages: usize) -> Meeting {
    let meeting = Meeting::new();
    let names = (0..mailboxes).map(|n| name(&format!("Folder {n:02}")));
    for mailbox in names.chain([inbox()]) {
        meeting.server.add_mailbox(&mailbox, None);
        for n in 0..messages {
            let id = format!("{mailbox}.{n}").replace(' ', "-");
            meeting.deliver(&mailbox, &mail(Some(&id), &format!("{mailbox} {n}")), "");
        }
    }
    meeting.sync_well();
    meeting.sync_well();
    meeting.sync_well();
    meeting.reports();
    meeting
}

/// The calls to the server that a round takes.
fn steps(meeting: &Meeting) -> u64 {
    let before = meeting.server.steps();
    meeting.sync_well();
    meeting.server.steps() - before
}

fn uid(meeting: &Meeting, mailbox: &MailboxName, subject: &str) -> tern::mail::ids::Uid {
    let line = format!("Subject: {subject}\r\n");
    let messages = meeting.server.messages(mailbox);
    messages.iter().find(|message| String::from_utf8_lossy(&message.bytes).contains(&line)).unwrap().uid
}

fn move_there(meeting: &Meeting, from: &MailboxName, subject: &str, to: &MailboxName) {
    meeting.server.relocate(from, uid(meeting, from, subject), to).unwrap();
}

#[test]
fn cost_grows_with_what_changed() {
    let meeting = at_rest(50, 2);
    assert_eq!(steps(&meeting), 1, "nothing changed in 51 mailboxes");
    let some = name("Folder 07");
    meeting.deliver(&some, &mail(Some("new"), "new"), "");
    assert_eq!(steps(&meeting), 3, "the list, the changes of one mailbox, one message");
    meeting.server.store(&some, uid(&meeting, &some, "new"), &letters("S"), &letters(""));
    assert_eq!(steps(&meeting), 2, "the list, the changes of one mailbox");
    meeting.write(&some, &mail(Some("own"), "own"), "");
    assert_eq!(steps(&meeting), 3, "the list, the changes of one mailbox, one append");
    assert_eq!(steps(&meeting), 2, "what was appended changed how the mailbox stands");
    assert_eq!(steps(&meeting), 1);
    meeting.assert_met();
}

#[test]
fn a_directory_that_moved_without_a_change_costs_no_question() {
    let meeting = at_rest(2, 1);
    let maildir = meeting.maildir(&inbox());
    maildir.deliver(&fresh(None), &Flags::none(), b"x").unwrap();
    let entry = meeting.files(&inbox()).into_iter().find(|entry| name::origin(entry.base(), &id(&meeting)).is_none());
    maildir.remove(&entry.unwrap()).unwrap();
    assert_eq!(steps(&meeting), 1);
}

fn id(meeting: &Meeting) -> tern::mail::place::MailboxId {
    tern::mail::place::MailboxId { account: meeting.env.account.id.clone(), name: inbox() }
}

#[test]
fn a_move_on_the_server_brings_the_file_over() {
    let meeting = at_rest(2, 3);
    let (from, to) = (name("Folder 00"), name("Folder 01"));
    move_there(&meeting, &from, "Folder 00 1", &to);
    meeting.server.store(&to, uid(&meeting, &to, "Folder 00 1"), &letters("F"), &letters(""));
    // The user has read it meanwhile, in the old place.
    let entry = meeting.file(&from, "Folder 00 1");
    meeting.maildir(&from).set_flags(&entry, &letters("S"), &letters("")).unwrap().unwrap();
    let counts = meeting.sync_well().counts;
    assert_eq!((counts.moved, counts.fetched, counts.removed_here, counts.appended), (1, 0, 0, 0), "{counts:?}");
    meeting.assert_met();
    let file = meeting.file(&to, "Folder 00 1");
    assert_eq!(file.flags(), letters("FS"));
    let mailbox = tern::mail::place::MailboxId { name: to.clone(), ..id(&meeting) };
    assert!(name::origin(file.base(), &mailbox).is_some(), "its new name tells its new origin: {}", file.base());
    assert!(meeting.quarantined().is_empty());
    // The index hears of the new place, and then that the old one is empty.
    let told: Vec<_> = meeting
        .reports()
        .into_iter()
        .filter_map(|report| match report {
            SyncReport::Changed(changed) => {
                Some((changed.mailbox.name, changed.places.first().is_some_and(|place| place.now.is_some())))
            }
            _ => None,
        })
        .collect();
    assert_eq!(told[..2], [(to.clone(), true), (from, false)], "{told:?}");
    assert!(meeting.sync_well().counts.is_zero());
    assert_eq!(steps(&meeting), 1);
}

#[test]
fn many_moves_cost_as_much_as_one() {
    let meeting = at_rest(2, 40);
    let (from, to) = (name("Folder 00"), name("Folder 01"));
    for n in 0..40 {
        move_there(&meeting, &from, &format!("Folder 00 {n}"), &to);
    }
    // The guard does not mind: nothing is removed.
    assert_eq!(steps(&meeting), 4, "the list, the changes of two mailboxes, what the new ones are");
    assert_eq!(meeting.files(&to).len(), 80);
    meeting.assert_met();
}

#[test]
fn messages_are_exchanged_between_mailboxes() {
    let meeting = at_rest(2, 2);
    let (one, two) = (name("Folder 00"), name("Folder 01"));
    move_there(&meeting, &one, "Folder 00 0", &two);
    move_there(&meeting, &two, "Folder 01 0", &one);
    let counts = meeting.sync_well().counts;
    assert_eq!((counts.moved, counts.fetched, counts.removed_here), (2, 0, 0));
    meeting.assert_met();
    assert_eq!(steps(&meeting), 1, "both were told to the end in one round");
}

#[test]
fn without_certainty_nothing_is_taken_for_moved() {
    let meeting = at_rest(3, 0);
    let [a, b, c] = [0, 1, 2].map(|n| name(&format!("Folder {n:02}")));
    // Two that are alike: one is moved, one removed. Whose file was it?
    meeting.deliver(&a, &mail(Some("twin"), "twin"), "S");
    meeting.deliver(&b, &mail(Some("twin"), "twin"), "");
    meeting.deliver(&c, &mail(None, "nameless"), "");
    meeting.sync_well();
    meeting.sync_well();
    move_there(&meeting, &a, "twin", &c);
    meeting.server.expunge(&b, uid(&meeting, &b, "twin"));
    move_there(&meeting, &c, "nameless", &a);
    let counts = meeting.sync_well().counts;
    assert_eq!((counts.moved, counts.fetched, counts.removed_here), (0, 2, 3), "{counts:?}");
    meeting.assert_met();
}

#[test]
fn much_new_mail_is_not_asked_about_for_one_that_is_gone() {
    let meeting = at_rest(2, 1);
    let (from, to) = (name("Folder 00"), name("Folder 01"));
    for n in 0..40 {
        meeting.deliver(&to, &mail(Some(&format!("new{n}")), &format!("new {n}")), "");
    }
    move_there(&meeting, &from, "Folder 00 0", &to);
    let counts = meeting.sync_well().counts;
    assert_eq!((counts.moved, counts.fetched, counts.removed_here), (0, 41, 1));
    meeting.assert_met();
}

/// Takes the row of a file out of the ledger, as if the program had been killed before it was written.
fn forget_row(meeting: &Meeting, mailbox: &MailboxName, subject: &str) -> Entry {
    let entry = meeting.file(mailbox, subject);
    let (mut ledger, _) = Ledger::open(&meeting.env.data).unwrap();
    let mailbox = tern::mail::place::MailboxId { name: mailbox.clone(), ..id(meeting) };
    let key = ledger.mailbox(&mailbox).unwrap();
    let row = ledger.rows_of_names(key, [&entry.unique().unwrap()]).unwrap().remove(0);
    let mut agreed = ledger.agreed(key).unwrap();
    (agreed.modseq, agreed.uid_next, agreed.stamp_cur, agreed.stamp_new) = (None, None, 0, 0);
    let change = Change { remove: vec![row.uid], agreed: Some(agreed), ..Change::default() };
    ledger.commit(&[(key, change)]).unwrap();
    entry
}

#[test]
fn a_file_moved_before_its_row_was_written_was_moved() {
    let meeting = at_rest(2, 2);
    let (from, to) = (name("Folder 00"), name("Folder 01"));
    let entry = forget_row(&meeting, &from, "Folder 00 1");
    // Another program moves it, under the name that it has.
    let unique = entry.unique().unwrap();
    meeting.maildir(&from).move_to(&entry, &meeting.maildir(&to), &unique).unwrap().unwrap();
    let counts = meeting.sync_well().counts;
    assert_eq!((counts.moved, counts.fetched, counts.appended, counts.removed_there), (1, 0, 0, 0), "{counts:?}");
    meeting.assert_met();
    assert!(meeting.sync_well().counts.is_zero());
}

#[test]
fn an_old_file_whose_name_tells_of_elsewhere_is_uploaded_once() {
    let meeting = at_rest(2, 2);
    let (from, to) = (name("Folder 00"), name("Folder 01"));
    // It was removed everywhere long ago; now the user puts a copy back, in another folder.
    let entry = meeting.file(&from, "Folder 00 1");
    let bytes = meeting.maildir(&from).read_entry(&entry).unwrap().unwrap();
    meeting.maildir(&from).remove(&entry).unwrap();
    meeting.sync_well();
    meeting.maildir(&to).deliver(&entry.unique().unwrap(), &Flags::none(), &bytes).unwrap();
    let counts = meeting.sync_well().counts;
    assert_eq!((counts.appended, counts.moved, counts.fetched), (1, 0, 0), "{counts:?}");
    // The same as a copy of one that is still there.
    let entry = meeting.file(&from, "Folder 00 0");
    let bytes = meeting.maildir(&from).read_entry(&entry).unwrap().unwrap();
    meeting.maildir(&to).deliver(&entry.unique().unwrap(), &Flags::none(), &bytes).unwrap();
    let counts = meeting.sync_well().counts;
    assert_eq!((counts.appended, counts.moved, counts.fetched), (1, 0, 0), "{counts:?}");
    meeting.assert_met();
    assert!(meeting.sync_well().counts.is_zero());
}

#[test]
fn each_mailbox_is_compared_in_full_once_a_week_and_not_all_at_once() {
    let meeting = at_rest(13, 1);
    meeting.env.clock.pause(std::time::Duration::from_hours(8 * 24));
    let rounds: Vec<u64> = (0..8).map(|_| steps(&meeting)).collect();
    assert_eq!(rounds, [3, 3, 3, 3, 3, 3, 3, 1], "fourteen mailboxes, two in each round");
}

#[test]
fn a_full_comparison_finds_what_the_server_forgot_to_tell() {
    let meeting = at_rest(0, 3);
    // A row that no delta would ever touch again.
    let entry = meeting.file(&inbox(), "INBOX 1");
    let (mut ledger, _) = Ledger::open(&meeting.env.data).unwrap();
    let key = ledger.mailbox(&id(&meeting)).unwrap();
    let mut row = ledger.rows_of_names(key, [&entry.unique().unwrap()]).unwrap().remove(0);
    row.flags = Flags::only(Flag::Flagged);
    meeting.maildir(&inbox()).set_flags(&entry, &letters("F"), &letters("")).unwrap().unwrap();
    ledger.commit(&[(key, Change { put: vec![row], ..Change::default() })]).unwrap();
    meeting.sync_well();
    assert_eq!(meeting.file(&inbox(), "INBOX 1").flags(), letters("F"), "nobody knows yet");
    meeting.env.clock.pause(std::time::Duration::from_hours(8 * 24));
    meeting.sync_well();
    meeting.assert_met();
}

#[test]
fn numbered_anew_a_large_mailbox_is_found_again_and_nothing_is_carried() {
    let meeting = at_rest(0, 300);
    meeting.server.renumber(&inbox());
    let before = meeting.server.steps();
    let counts = meeting.sync_well().counts;
    assert!(counts.is_zero(), "{counts:?}");
    assert_eq!(meeting.server.steps() - before, 3, "the list, the mailbox, what its messages are");
    assert!(meeting.quarantined().is_empty());
    meeting.assert_met();
    assert!(meeting.sync_well().counts.is_zero());
}

#[test]
fn numbered_anew_with_other_mail_in_it_a_mailbox_is_held() {
    let meeting = at_rest(0, 30);
    let before: BTreeSet<_> = meeting.files(&inbox()).into_iter().collect();
    // The folder was replaced by another one of that name: nothing in it is what it was.
    for message in meeting.server.messages(&inbox()) {
        meeting.server.expunge(&inbox(), message.uid);
    }
    for n in 0..30 {
        meeting.deliver(&inbox(), &mail(Some(&format!("other{n}")), &format!("other {n}")), "");
    }
    meeting.server.renumber(&inbox());
    for _ in 0..2 {
        let summary = meeting.sync_well();
        assert!(summary.counts.is_zero(), "{:?}", summary.counts);
        assert!(summary.held[0].1.as_str().contains("30 of 30 messages"), "{}", summary.held[0].1);
    }
    assert_eq!(meeting.files(&inbox()).into_iter().collect::<BTreeSet<_>>(), before, "nothing here was touched");
    assert_eq!(meeting.server.messages(&inbox()).len(), 30, "and nothing there");
}

#[test]
fn numbered_anew_while_both_sides_changed() {
    let meeting = at_rest(0, 30);
    let files = meeting.files(&inbox());
    meeting.maildir(&inbox()).remove(&files[0]).unwrap();
    meeting.write(&inbox(), &mail(Some("own"), "own"), "S");
    meeting.server.expunge(&inbox(), uid(&meeting, &inbox(), "INBOX 7"));
    meeting.deliver(&inbox(), &mail(Some("new"), "new"), "");
    meeting.server.renumber(&inbox());
    let counts = meeting.sync_well().counts;
    // UIDs were the only proof that the one was removed there and the other here: both come back.
    assert_eq!((counts.removed_here, counts.removed_there), (0, 0));
    assert_eq!((counts.fetched, counts.appended), (2, 2), "{counts:?}");
    meeting.assert_met();
}

#[test]
fn numbered_anew_in_the_middle_of_an_upload_each_mail_is_there_once() {
    for step in 0.. {
        let meeting = at_rest(1, 2);
        let folder = name("Folder 00");
        meeting.write(&inbox(), &mail(Some("own"), "own"), "S");
        meeting.write(&folder, &mail(None, "nameless"), "");
        let moved = meeting.file(&inbox(), "INBOX 0");
        meeting.maildir(&inbox()).move_to(&moved, &meeting.maildir(&folder), &fresh(None)).unwrap().unwrap();
        meeting.server.cut_after(step, Cut::After);
        let _ = meeting.sync();
        let over = meeting.server.cancel_cut();
        // The UIDs that were about to be moved to, appended to or looked for mean nothing any more.
        meeting.server.renumber(&inbox());
        meeting.server.renumber(&folder);
        let rests = (0..5).any(|_| {
            let summary = meeting.sync().unwrap();
            summary.counts.is_zero() && summary.faults.is_empty()
        });
        assert!(rests, "cut at step {step}: it does not come to rest");
        meeting.assert_met();
        let mut subjects: Vec<_> = meeting
            .there()
            .into_iter()
            .map(|(_, text, _)| text.lines().nth(2).unwrap_or_default().to_owned())
            .collect();
        let count = subjects.len();
        assert!(meeting.quarantined().values().sum::<usize>() <= 1, "cut at step {step}");
        subjects.sort();
        subjects.dedup();
        // The one that was moved may be in both places, since nobody can prove that it was; no other is.
        assert!(subjects.len() >= 6 && count <= 7, "cut at step {step}: {:#?}", meeting.there());
        if over {
            break;
        }
    }
}

#[test]
fn another_mail_with_the_same_id_is_not_the_one_that_was_about_to_be_appended() {
    use std::sync::atomic::Ordering;
    for step in 0.. {
        let meeting = at_rest(0, 1);
        meeting.write(&inbox(), &mail(Some("shared"), "own"), "");
        meeting.fuse.store(step, Ordering::SeqCst);
        let stopped = meeting.sync().unwrap().stopped;
        meeting.fuse.store(u64::MAX, Ordering::SeqCst);
        meeting.deliver(&inbox(), &mail(Some("shared"), "another one, and longer"), "");
        meeting.sync_well();
        meeting.assert_met();
        assert_eq!(meeting.there().len(), 3, "stopped at step {step}");
        if !stopped {
            break;
        }
    }
}

#[test]
fn a_question_that_answered_itself_can_be_asked_again() {
    use std::sync::mpsc::channel;
    use tern::job::SyncJob;
    use tern::job::sync::{SyncState, Wake};
    use tern::sync::worker;

    let meeting = at_rest(0, 10);
    let (jobs, wishes) = channel();
    let (reports, told) = channel();
    let env = meeting.env.clone();
    let thread = std::thread::spawn(move || worker::run(&env, &wishes, &|report| drop(reports.send(report))));
    // Questions asked in a round.
    let round = || {
        let mut asked = 0;
        loop {
            match told.recv_timeout(std::time::Duration::from_secs(20)).expect("the report comes") {
                SyncReport::Held { .. } => asked += 1,
                SyncReport::State { state: SyncState::UpToDate { .. }, .. } => return asked,
                _ => {}
            }
        }
    };
    let again = || {
        meeting.age();
        jobs.send(SyncJob::Wake { account: None, why: Wake::Asked }).unwrap();
        round()
    };
    assert_eq!(round(), 0);
    let root = &meeting.env.account.maildir;
    for _ in 0..2 {
        std::fs::rename(root, root.with_extension("away")).unwrap();
        assert_eq!((again(), again()), (1, 0), "asked once");
        std::fs::remove_dir_all(root).ok();
        std::fs::rename(root.with_extension("away"), root).unwrap();
        assert_eq!(again(), 0);
    }
    assert_eq!(meeting.server.messages(&inbox()).len(), 10);
    drop(jobs);
    thread.join().unwrap();
}

#[test]
fn what_cannot_be_fetched_is_told_once_and_in_nobodys_way() {
    use std::sync::mpsc::channel;
    use tern::job::SyncJob;
    use tern::job::sync::{SyncState, Wake};
    use tern::sync::worker;

    let meeting = at_rest(1, 2);
    meeting.deliver(&inbox(), &mail(Some("bad"), "bad"), "");
    let bad = uid(&meeting, &inbox(), "bad");
    meeting.server.spoil(&inbox(), bad, true);
    let (jobs, wishes) = channel();
    let (reports, told) = channel();
    let env = meeting.env.clone();
    let thread = std::thread::spawn(move || worker::run(&env, &wishes, &|report| drop(reports.send(report))));
    // Faults of a round, messages fetched in it, and its calls to the server.
    let round = || {
        let mut found = (0, 0);
        loop {
            match told.recv_timeout(std::time::Duration::from_secs(20)).expect("the report comes") {
                SyncReport::RoundOver { faults, counts, .. } => {
                    assert!(faults.iter().all(|fault| fault.cause == Cause::Refused), "{faults:?}");
                    found = (faults.len(), counts.fetched);
                }
                SyncReport::State { state: SyncState::UpToDate { .. }, .. } => return found,
                _ => {}
            }
        }
    };
    let again = |why| {
        let before = meeting.server.steps();
        jobs.send(SyncJob::Wake { account: None, why }).unwrap();
        let found = round();
        (found, meeting.server.steps() - before)
    };
    assert_eq!(round(), (1, 0), "the fault is told");
    assert_eq!(again(Wake::Network), ((0, 0), 1), "it is too early, and nothing else changed");
    meeting.deliver(&inbox(), &mail(Some("good"), "good"), "");
    assert_eq!(again(Wake::Network), ((0, 1), 3), "the others come in meanwhile");
    meeting.env.clock.pause(std::time::Duration::from_secs(61));
    assert_eq!(again(Wake::Network), ((0, 0), 3), "a second try, of which nothing is told");
    meeting.env.clock.pause(std::time::Duration::from_secs(61));
    assert_eq!(again(Wake::Network), ((0, 0), 1), "the pause has grown");
    assert_eq!(again(Wake::Asked), ((1, 0), 3), "who asks is told again");
    meeting.server.spoil(&inbox(), bad, false);
    assert_eq!(again(Wake::Asked), ((0, 1), 3));
    drop(jobs);
    thread.join().unwrap();
    meeting.assert_met();
}

#[test]
fn news_are_found_in_any_mailbox_by_one_question() {
    use std::sync::mpsc::channel;
    use tern::job::SyncJob;
    use tern::job::sync::{SyncState, Wake};
    use tern::sync::worker;

    let meeting = at_rest(20, 1);
    let (jobs, wishes) = channel();
    let (reports, told) = channel();
    let env = meeting.env.clone();
    let thread = std::thread::spawn(move || worker::run(&env, &wishes, &|report| drop(reports.send(report))));
    let rest = || loop {
        let report = told.recv_timeout(std::time::Duration::from_secs(20)).expect("the report comes");
        if matches!(report, SyncReport::State { state: SyncState::UpToDate { .. }, .. }) {
            return;
        }
    };
    rest();
    meeting.deliver(&name("Folder 13"), &mail(Some("new"), "new"), "");
    let before = meeting.server.steps();
    jobs.send(SyncJob::Wake { account: None, why: Wake::News }).unwrap();
    rest();
    assert_eq!(meeting.server.steps() - before, 3, "the list, the changes of one mailbox, one message");
    drop(jobs);
    thread.join().unwrap();
    meeting.assert_met();
}

#[test]
fn two_deliveries_of_one_id_and_size_are_not_taken_for_a_move() {
    // Two mails that differ in a field of the header alone; the date is kept by a move, and not by a delivery.
    let twin = |n: u8| format!("Received: by host {n}\r\nMessage-ID: <twin@x>\r\nSubject: twin {n}\r\n\r\n.\r\n");
    let (from, to) = (name("Folder 00"), name("Folder 01"));
    let stamp = |at: i64| tern::mail::ids::Timestamp::new(1_600_000_000 + at);
    // (the date of the second one, is it the same mail): is it brought over?
    for (later, same) in [(77, false), (77, true), (0, true)] {
        let meeting = at_rest(2, 1);
        let first = meeting.server.deliver(&from, twin(1).as_bytes(), letters("S"), stamp(0));
        meeting.sync_well();
        meeting.server.expunge(&from, first);
        let second = twin(if same { 1 } else { 2 });
        meeting.server.deliver(&to, second.as_bytes(), letters("S"), stamp(later));
        let counts = meeting.sync_well().counts;
        let expected = if same { (1, 0, 0) } else { (0, 1, 1) };
        assert_eq!((counts.moved, counts.fetched, counts.removed_here), expected, "{later} {same}: {counts:?}");
        meeting.assert_met();
        assert!(meeting.sync_well().counts.is_zero());
    }
}

#[test]
fn a_letter_without_an_id_that_may_have_gone_up_and_is_moved_meanwhile_is_there_once() {
    for cut in [Cut::Before, Cut::After] {
        for step in 0.. {
            let meeting = at_rest(2, 1);
            let (to, another) = (name("Folder 00"), name("Folder 01"));
            meeting.write(&inbox(), &mail(None, "letter"), "S");
            // Another of the same size, which is none of it.
            meeting.write(&another, &mail(None, "lettre"), "S");
            meeting.server.cut_after(step, cut);
            let _ = meeting.sync();
            let over = meeting.server.cancel_cut();
            let entry = meeting.file(&inbox(), "letter");
            meeting.maildir(&inbox()).move_to(&entry, &meeting.maildir(&to), &fresh(None)).unwrap().unwrap();
            let rests = (0..8).any(|_| meeting.sync_well().counts.is_zero());
            assert!(rests, "cut {cut:?} at {step}: it does not come to rest");
            meeting.assert_met();
            let of = |text: &str| {
                let all = meeting.here().into_iter().filter(|(_, it, _)| it.contains(&format!("Subject: {text}\r\n")));
                all.map(|(mailbox, ..)| mailbox).collect::<Vec<_>>()
            };
            assert_eq!(of("letter"), [to.to_string()], "cut {cut:?} at {step}");
            assert_eq!(of("lettre"), [another.to_string()], "cut {cut:?} at {step}");
            if over {
                break;
            }
        }
    }
}
