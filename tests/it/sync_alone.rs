//! What a sync knows of directories in which it alone was at work: how they look, so that they are not read again.
//! Whatever another program does there at the same moment is seen by the next round all the same.

use std::sync::atomic::{AtomicBool, Ordering};

use tern::job::SyncReport;
use tern::job::files::DirStamp;
use tern::job::sync::{Counts, SyncState};
use tern::ledger::Ledger;
use tern::mail::flags::{Flag, Flags};
use tern::mail::ids::Uid;
use tern::mail::mailbox::MailboxName;
use tern::mail::place::MailboxId;
use tern::store::scan;
use tern::sync::worker::run_once;

use crate::support::meeting::{Meeting, letters, mail};

fn inbox() -> MailboxName {
    MailboxName::inbox()
}

/// Four messages that both sides agree on, in directories that did not move for a while.
fn met() -> Meeting {
    let meeting = Meeting::new();
    for subject in ["one", "two", "three", "four"] {
        meeting.deliver(&inbox(), &mail(Some(subject), subject), "");
    }
    meeting.sync_well();
    meeting.sync_well();
    assert!(meeting.sync_well().counts.is_zero());
    let (known, now) = stamps(&meeting);
    assert_eq!(known, now);
    meeting
}

/// The times of the directories as they are remembered, and as they are.
fn stamps(meeting: &Meeting) -> (DirStamp, DirStamp) {
    let (mut ledger, _) = Ledger::open(&meeting.env.data).unwrap();
    let key = ledger.mailbox(&MailboxId { account: meeting.env.account.id.clone(), name: inbox() }).unwrap();
    let agreed = ledger.agreed(key).unwrap();
    let now = scan::stamp(meeting.maildir(&inbox()).path()).unwrap();
    (DirStamp { cur: agreed.stamp_cur, new: agreed.stamp_new }, now)
}

/// One round with the directories as they are.
fn sync(meeting: &Meeting, told: &(dyn Fn(&SyncReport) + Sync)) -> Counts {
    let summary = run_once(&meeting.env, &|report| told(&report)).unwrap();
    assert_eq!(summary.faults, vec![]);
    summary.counts
}

fn uid(meeting: &Meeting, subject: &str) -> Uid {
    let line = format!("Subject: {subject}\r\n");
    let messages = meeting.server.messages(&inbox());
    messages.iter().find(|message| String::from_utf8_lossy(&message.bytes).contains(&line)).unwrap().uid
}

/// A flag, a removal and a new message there.
fn change_there(meeting: &Meeting) {
    meeting.server.store(&inbox(), uid(meeting, "one"), &Flags::only(Flag::Seen), &Flags::none());
    meeting.server.expunge(&inbox(), uid(meeting, "two"));
    meeting.deliver(&inbox(), &mail(Some("five"), "five"), "S");
}

/// Another program, which has the directories open by itself, flags a message here.
fn flag_here(meeting: &Meeting, subject: &str) {
    let maildir = meeting.maildir(&inbox());
    let line = format!("Subject: {subject}\r\n");
    let entries = scan::scan(&maildir).unwrap().entries;
    let entry = entries.iter().find(|entry| {
        let bytes = maildir.read_entry(entry).unwrap().unwrap();
        String::from_utf8_lossy(&bytes).contains(&line)
    });
    maildir.set_flags(entry.unwrap(), &letters("F"), &Flags::none()).unwrap().unwrap();
}

#[test]
fn what_a_sync_did_alone_is_not_read_again_and_what_comes_then_is_seen() {
    let meeting = met();
    change_there(&meeting);
    let counts = sync(&meeting, &|_| ());
    assert_eq!((counts.flagged_here, counts.removed_here, counts.fetched), (1, 1, 1), "{counts:?}");
    let (known, now) = stamps(&meeting);
    assert_eq!(known, now, "nobody else was there");
    assert!(sync(&meeting, &|_| ()).is_zero());
    // However soon it comes.
    flag_here(&meeting, "three");
    assert_ne!(stamps(&meeting).1, now);
    assert_eq!(sync(&meeting, &|_| ()).flagged_there, 1);
    meeting.assert_met();
}

#[test]
fn what_another_program_does_meanwhile_is_seen_by_the_next_round() {
    type Moment = fn(&SyncReport) -> bool;
    let moments: [(&str, Moment); 3] = [
        ("before the first file is touched", |report| {
            matches!(report, SyncReport::State { state: SyncState::Working { total: 0, .. }, .. })
        }),
        ("once something was brought", |report| matches!(report, SyncReport::Changed(_))),
        (
            "once a file was taken away",
            |report| matches!(report, SyncReport::Changed(changed) if changed.places.iter().any(|place| place.now.is_none())),
        ),
    ];
    for (when, moment) in moments {
        let meeting = met();
        change_there(&meeting);
        let done = AtomicBool::new(false);
        let counts = sync(&meeting, &|report| {
            if moment(report) && !done.swap(true, Ordering::SeqCst) {
                flag_here(&meeting, "three");
            }
        });
        assert_eq!((counts.flagged_here, counts.removed_here, counts.fetched), (1, 1, 1), "{when}: {counts:?}");
        assert_eq!(counts.flagged_there, 0, "{when}: it was planned before");
        let (known, now) = stamps(&meeting);
        assert!(done.load(Ordering::SeqCst) && known != now, "{when}");
        assert_eq!(sync(&meeting, &|_| ()).flagged_there, 1, "{when}");
        meeting.assert_met();
    }
}
