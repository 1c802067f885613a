//! Any events in any order, at any size from 1x1: neither `update` nor `view` ever panics, and the
//! cursor is always in the list.

use proptest::prelude::*;
use tern::fault::{Cause, Doing, Fault};
use tern::job::index::IndexReport;
use tern::job::outbox::{EntryId, EntryState};
use tern::job::sync::{SyncReport, SyncState};
use tern::job::{FilesReport, OutboxReport, Report, ShellReport, Ticket};
use tern::keys::{Code, Key};
use tern::mail::clean::Clean;
use tern::mail::ids::{AccountId, Timestamp};
use tern::state::{Event, MouseAct};

use crate::support::driver::{Driver, World, entry, mailbox};

#[derive(Debug, Clone)]
enum Move {
    Event(Event),
    Press(&'static str),
    Resize(u16, u16),
    Hold(bool),
    Broken(bool),
    Arrive,
    Wait(i64),
}

fn key() -> impl Strategy<Value = Key> {
    let code = prop_oneof![
        8 => prop::char::range(' ', '~').prop_map(Code::Char),
        1 => any::<char>().prop_map(Code::Char),
        4 => prop::sample::select(vec![
            Code::Enter, Code::Esc, Code::Tab, Code::Backspace, Code::Delete, Code::Up, Code::Down, Code::Left,
            Code::Right, Code::Home, Code::End, Code::PageUp, Code::PageDown, Code::F(1),
        ]),
    ];
    (code, prop::bool::weighted(0.1), prop::bool::weighted(0.1), prop::bool::weighted(0.1))
        .prop_map(|(code, ctrl, alt, shift)| Key { code, ctrl, alt, shift })
}

fn report() -> impl Strategy<Value = Report> {
    let fault = || Fault::new(Doing::Fetching, "x", Cause::Closed);
    let account = || AccountId::new("ada");
    prop_oneof![
        any::<u8>().prop_map(move |n| Report::Files(FilesReport::Failed { ticket: Ticket(n.into()), fault: fault() })),
        any::<u8>()
            .prop_map(move |n| Report::Index(IndexReport::Failed { ticket: Some(Ticket(n.into())), fault: fault() })),
        any::<u8>()
            .prop_map(|n| Report::Index(IndexReport::Conversation { ticket: Ticket(n.into()), rows: Vec::new() })),
        Just(Report::Index(IndexReport::Mailboxes(Vec::new()))),
        Just(Report::Index(IndexReport::Refreshed {
            mailboxes: vec![mailbox("ada", "INBOX")],
            arrived: Vec::new(),
            pending: 9
        })),
        Just(Report::Sync(SyncReport::WantsPassword(account()))),
        any::<u8>().prop_map(|n| Report::Files(FilesReport::Looked {
            ticket: Ticket(n.into()),
            path: "/home/ada/plan.pdf".into(),
            size: u64::from(n) << 40,
        })),
        any::<u8>().prop_map(|n| {
            Report::Files(FilesReport::Names {
                ticket: Ticket(n.into()),
                names: vec!["日本".to_owned(), "日x".to_owned()],
            })
        }),
        Just(Report::Shell(ShellReport::Hangup)),
        prop::collection::vec((0..8u8, any::<i64>()), 0..12).prop_map(entries),
        (0..8u8).prop_map(|n| Report::Outbox(OutboxReport::Sent {
            entry: EntryId::new(&format!("e{n}")).unwrap(),
            account: AccountId::new("ada"),
            subject: Clean::line("日本"),
            answers: None,
            forwards: None,
        })),
        Just(Report::Outbox(OutboxReport::NotQueued { draft: None, fault: fault() })),
        Just(Report::Outbox(OutboxReport::WantsPassword(account()))),
        (any::<u64>(), any::<u64>()).prop_map(move |(done, total)| {
            let mailbox = tern::mail::mailbox::MailboxName::inbox();
            let (done, total) = (done >> 8, total >> 8);
            Report::Sync(SyncReport::State { account: account(), state: SyncState::Working { mailbox, done, total } })
        }),
    ]
}

/// An outbox with entries in all states.
fn entries(states: Vec<(u8, i64)>) -> Report {
    let entries = states.into_iter().enumerate().map(|(at, (state, time))| {
        let (when, why) = (Timestamp::new(time), Clean::line("421 später 日本 try later"));
        let state = match state {
            0 => EntryState::Held(None),
            1 => EntryState::Held(Some(when)),
            2 => EntryState::Queued,
            3 => EntryState::Sending,
            4 => EntryState::Deferred { attempts: 3, next: when, why },
            5 => EntryState::Paused { why },
            6 => EntryState::Failed { why },
            _ => EntryState::MaybeSent,
        };
        entry(&format!("e{at}"), "日本 subject", "grace@example.net", state)
    });
    Report::Outbox(OutboxReport::Entries(entries.collect()))
}

fn step() -> impl Strategy<Value = Move> {
    let mouse = prop::sample::select(vec![MouseAct::Press, MouseAct::ScrollUp, MouseAct::ScrollDown]);
    prop_oneof![
        20 => key().prop_map(|key| Move::Event(Event::Key(key))),
        1 => ".{0,30}".prop_map(|text| Move::Event(Event::Paste(text))),
        2 => (mouse, 0..250u16, 0..80u16)
            .prop_map(|(act, column, row)| Move::Event(Event::Mouse { act, column, row })),
        1 => Just(Move::Event(Event::Pause)),
        1 => prop::sample::select(vec!["m", "r", "R", "f", "g o", "Esc y y", "Esc q", "g d Enter", "Esc a", "u"])
            .prop_map(Move::Press),
        2 => report().prop_map(|report| Move::Event(Event::Report(report))),
        2 => (1..220u16, 1..70u16).prop_map(|(width, height)| Move::Resize(width, height)),
        1 => any::<bool>().prop_map(Move::Hold),
        1 => any::<bool>().prop_map(Move::Broken),
        1 => Just(Move::Arrive),
        1 => (-100..100i64).prop_map(Move::Wait),
    ]
}

fn world() -> World {
    let mut world = World::with(&["ada", "work"]);
    for n in 0..120 {
        let account = if n % 3 == 0 { "work" } else { "ada" };
        let mail = world.add(account, "INBOX", "日本 Grace", &format!("message {n} 🎉"));
        mail.thread = mail.id - mail.id % 4;
        mail.lines = (0..n % 40).map(|line| (u8::try_from(line % 3).unwrap(), "word 林伟 ".repeat(9))).collect();
        mail.links = (0..n % 30).map(|link| format!("https://example.org/{link}")).collect();
        mail.attachments = (0..n % 12).map(|part| format!("part{part}")).collect();
    }
    world
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_panics(moves in prop::collection::vec(step(), 1..120), width in 1..200u16, height in 1..60u16) {
        let mut driver = Driver::new(world(), &["ada", "work"], (width, height));
        for (at, step) in moves.into_iter().enumerate() {
            match step {
                Move::Event(event) => {
                    driver.event(event);
                }
                Move::Press(keys) => {
                    driver.press(keys);
                }
                Move::Resize(width, height) => {
                    driver.terminal.backend_mut().resize(width, height);
                    driver.terminal.autoresize().unwrap();
                    driver.event(Event::Pause);
                }
                Move::Hold(hold) => driver.hold = hold,
                Move::Broken(broken) => driver.broken = broken,
                Move::Arrive => {
                    let id = driver.world.add("ada", "INBOX", "New", "new").id;
                    driver.world.mails.last_mut().unwrap().id = id + 1_000 + i64::try_from(at).unwrap();
                }
                Move::Wait(seconds) => {
                    driver.wait(seconds);
                }
            }
            let list = &driver.model.list;
            prop_assert!(list.cursor < list.total.max(1) && list.top <= list.cursor);
        }
    }
}
