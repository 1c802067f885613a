//! What a server does not take, of one message, is in nobody's way, and is tried again.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use tern::fault::{Cause, Scope};
use tern::job::sync::{SyncState, Wake};
use tern::job::{SyncJob, SyncReport};
use tern::ledger::{Intent, Ledger};
use tern::mail::flags::{Flag, Flags};
use tern::mail::ids::MessageId;
use tern::mail::mailbox::MailboxName;
use tern::mail::place::MailboxId;
use tern::remote::Push;
use tern::store::maildir::fresh;
use tern::sync::worker;

use crate::support::meeting::{Meeting, letters, mail, name};

/// Five letters in INBOX, known to both sides, and two mailboxes beside it.
fn at_rest() -> Meeting {
    let meeting = Meeting::new();
    for mailbox in ["Archive", "Lists"] {
        meeting.server.add_mailbox(&name(mailbox), None);
    }
    for text in ["one", "two", "three", "four", "five"] {
        meeting.deliver(&MailboxName::inbox(), &mail(Some(text), text), "");
    }
    meeting.sync_well();
    meeting
}

fn there(meeting: &Meeting, mailbox: &str) -> Vec<String> {
    let subject = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).into_owned();
        text.lines().find_map(|line| line.strip_prefix("Subject: ")).unwrap_or_default().to_owned()
    };
    let mut all: Vec<String> =
        meeting.server.messages(&MailboxName::new(mailbox).unwrap()).iter().map(|it| subject(&it.bytes)).collect();
    all.sort();
    all
}

#[test]
fn what_is_refused_of_one_message_waits_and_all_else_goes_on() {
    let meeting = at_rest();
    let inbox = MailboxName::inbox();
    let maildir = meeting.maildir(&inbox);
    maildir.set_flags(&meeting.file(&inbox, "one"), &Flags::only(Flag::Flagged), &Flags::none()).unwrap().unwrap();
    maildir.set_flags(&meeting.file(&inbox, "five"), &Flags::only(Flag::Seen), &Flags::none()).unwrap().unwrap();
    for (text, to) in [("two", "Archive"), ("three", "Lists")] {
        maildir.move_to(&meeting.file(&inbox, text), &meeting.maildir(&name(to)), &fresh(None)).unwrap().unwrap();
    }
    fs::remove_file(maildir.path_of(&meeting.file(&inbox, "four"))).unwrap();
    meeting.write(&inbox, &mail(Some("poison"), "poison"), "");
    meeting.write(&inbox, &mail(Some("six"), "six"), "");
    meeting.server.set_refusal(Some(|_, push| match push {
        Push::Append { bytes, .. } => bytes.windows(6).any(|part| part == b"poison"),
        Push::Flags { add, .. } => add.has(Flag::Flagged),
        Push::Move { to, .. } => to.as_str() == "Archive",
        Push::Labels { .. } | Push::Expunge { .. } => false,
    }));
    for _ in 0..3 {
        let summary = meeting.sync().unwrap();
        assert!(summary.faults.iter().all(|fault| (fault.cause, fault.scope) == (Cause::Refused, Scope::Message)));
        let told: Vec<&str> = summary.faults.iter().map(|fault| fault.detail.as_str()).collect();
        let file = meeting.file(&inbox, "poison");
        let of_the_file = format!("permission denied (file {})", file.base());
        assert_eq!(told, ["permission denied", &of_the_file], "each is told once");
        assert_eq!(there(&meeting, "INBOX"), ["five", "one", "six", "two"]);
        assert_eq!((there(&meeting, "Archive").len(), there(&meeting, "Lists")), (0, vec!["three".to_owned()]));
        let ledger = Ledger::open(&meeting.env.data).unwrap().0;
        assert_eq!(ledger.intents(&meeting.env.account.id).unwrap(), [], "nothing is in doubt");
    }
    let seen = meeting.server.messages(&inbox).iter().filter(|it| it.flags == letters("S")).count();
    assert_eq!(seen, 1, "what was not refused is done");
    meeting.server.set_refusal(None);
    meeting.sync_well();
    assert_eq!(there(&meeting, "INBOX"), ["five", "one", "poison", "six"]);
    assert_eq!(there(&meeting, "Archive"), ["two"]);
    meeting.assert_met();
}

#[test]
fn what_is_not_taken_is_offered_again_after_a_pause_that_grows() {
    static OFFERED: AtomicUsize = AtomicUsize::new(0);
    let meeting = at_rest();
    meeting.write(&MailboxName::inbox(), &mail(Some("six"), "six"), "");
    meeting.server.set_refusal(Some(|_, push| {
        OFFERED.fetch_add(1, Ordering::SeqCst);
        matches!(push, Push::Append { .. })
    }));
    let (jobs, wishes) = channel();
    let (reports, told) = channel();
    let env = meeting.env.clone();
    let thread = std::thread::spawn(move || worker::run(&env, &wishes, &|report| drop(reports.send(report))));
    let round = || {
        let is_over = |report: &_| matches!(report, SyncReport::State { state: SyncState::UpToDate { .. }, .. });
        while !is_over(&told.recv_timeout(Duration::from_secs(20)).expect("the report comes")) {}
        OFFERED.swap(0, Ordering::SeqCst)
    };
    let after = |seconds| {
        meeting.env.clock.pause(Duration::from_secs(seconds));
        jobs.send(SyncJob::Wake { account: None, why: Wake::Network }).unwrap();
        round()
    };
    assert_eq!(round(), 1);
    assert_eq!([after(30), after(31), after(61), after(61)], [0, 1, 0, 1]);
    meeting.server.set_refusal(None);
    after(600);
    drop(jobs);
    thread.join().unwrap();
    meeting.assert_met();
}

#[test]
fn what_was_sent_again_and_again_is_looked_for_once() {
    let meeting = at_rest();
    let inbox = MailboxName::inbox();
    let steps = |attempts: i64| {
        let text = format!("sent {attempts} times");
        let bytes = mail(Some(&attempts.to_string()), &text);
        meeting.write(&inbox, &bytes, "");
        let mailbox = MailboxId { account: meeting.env.account.id.clone(), name: inbox.clone() };
        let mut ledger = Ledger::open(&meeting.env.data).unwrap().0;
        let key = ledger.mailbox(&mailbox).unwrap();
        let agreed = ledger.agreed(key).unwrap();
        let intent = Intent::Append {
            mailbox,
            validity: agreed.validity.unwrap(),
            uid_next: agreed.uid_next,
            unique: meeting.file(&inbox, &text).unique().unwrap(),
            message_id: MessageId::in_header(&bytes),
            size: bytes.len() as u64,
        };
        // Twenty minutes lie between one attempt and the next.
        for attempt in (0..attempts).rev() {
            let at = meeting.env.clock.now().plus(-1200 * attempt);
            ledger.intend(std::slice::from_ref(&intent), at).unwrap();
        }
        drop(ledger);
        let before = meeting.server.steps();
        meeting.sync_well();
        meeting.assert_met();
        meeting.server.steps() - before
    };
    let once = steps(1);
    assert_eq!((steps(2), steps(20)), (once, once));
    let left = Ledger::open(&meeting.env.data).unwrap().0.intents(&meeting.env.account.id).unwrap();
    assert!(left.len() <= 8, "what was sent hours ago will not land any more: {left:?}");
}
