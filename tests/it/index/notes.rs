//! What the user notes, in lists: conversations that are cut and sewn, messages that sleep and come back, answers
//! that are waited for, conversations that are muted; and that an index that is made anew shows the same.

use std::collections::{BTreeMap, BTreeSet};

use tern::index::{Index, Writer};
use tern::job::index::{Grouping, IndexReport, ListSpec, Source};
use tern::mail::flags::{Flag, Flags};
use tern::mail::ids::{MessageId, ThreadId, Timestamp};
use tern::mail::notes::{Edit, Identity, Notes, Seam, Timer, TimerKind, Timing};
use tern::mail::place::MailboxId;
use tern::query;

use super::disk::{Disk, flat, grouped, mail, mailbox, settle, tell};

/// When the mails of a test were written, from 0 on.
const BEGIN: i64 = 1_700_000_000;

fn id(text: &str) -> Identity {
    Identity::Id(MessageId::new(text).unwrap())
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::new(BEGIN + seconds)
}

fn written(number: usize) -> i64 {
    i64::try_from(number).unwrap()
}

fn seen() -> Flags {
    Flags::only(Flag::Seen)
}

/// The subjects of a list, from the top; conversations with their numbers of messages.
fn subjects(index: &mut Index, list: &ListSpec) -> Vec<String> {
    let window = index.rows(list, 0, 1000, None).unwrap();
    assert_eq!(window.total, window.rows.len(), "{list:?}");
    let all: Vec<String> = window
        .rows
        .iter()
        .map(
            |row| {
                if row.messages > 1 { format!("{} ({})", row.subject, row.messages) } else { row.subject.to_string() }
            },
        )
        .collect();
    // Any part of it, from wherever it is asked for, is a part of the whole.
    for first in 0..all.len() {
        for count in [1, 2, 5] {
            let part = index.rows(list, first, count, None).unwrap();
            let rows: Vec<_> = part.rows.iter().map(|row| row.message).collect();
            let wanted: Vec<_> = window.rows.iter().skip(first).take(count).map(|row| row.message).collect();
            assert_eq!(rows, wanted, "{list:?} from {first}");
        }
    }
    for (position, row) in window.rows.iter().enumerate() {
        let found = index.rows(list, 0, 1, Some(row.message)).unwrap();
        assert_eq!(found.anchor, Some(position), "{} in {list:?}", row.subject);
    }
    all
}

/// A conversation, message by message, each indented as deep as it stands.
fn page(index: &Index, thread: ThreadId) -> Vec<String> {
    let rows = index.conversation(thread).unwrap();
    rows.iter().map(|row| format!("{}{}", ".".repeat(row.depth.into()), row.subject)).collect()
}

/// Has the writer read all there is.
fn list_all(disk: &Disk, writer: &mut Writer) {
    let mailboxes: BTreeSet<MailboxId> = disk.files.values().map(|file| file.mailbox.clone()).collect();
    for mailbox in mailboxes {
        writer.reconcile(&disk.listing(&mailbox, true)).unwrap();
    }
    settle(writer);
}

fn thread_of(index: &mut Index, inbox: &MailboxId, subject: &str) -> ThreadId {
    let window = index.rows(&flat(inbox), 0, 1000, None).unwrap();
    window.rows.iter().find(|row| row.subject.as_str() == subject).unwrap().thread
}

fn cut(names: &[&str]) -> Notes {
    let seams = names.iter().map(|name| (id(name), Seam { cut: true, joined: None })).collect();
    Notes { seams, ..Notes::default() }
}

#[test]
fn a_conversation_is_broken_and_put_together_again_in_any_order_of_arrival() {
    let inbox = mailbox("ada", "INBOX");
    // What answers the one that is cut off goes with it, whether it names all above it or its nearest alone.
    let mails: [(&str, &[&str]); 5] = [("a", &[]), ("b", &["a"]), ("c", &["a", "b"]), ("d", &["c"]), ("e", &["a"])];
    let orders: [[usize; 5]; 4] = [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [3, 0, 2, 4, 1], [2, 4, 3, 1, 0]];
    for order in orders {
        for when in 0..=5 {
            let mut disk = Disk::new();
            let mut writer = disk.writer();
            for (nth, number) in order.into_iter().enumerate() {
                if nth == when {
                    writer.notes(&cut(&["b"]), at(0)).unwrap();
                }
                let (name, refs) = mails[number];
                let text = mail(name, refs, written(number), name, "text");
                let changed = disk.deliver(&inbox, number, &text, &seen());
                tell(&mut writer, &changed);
            }
            writer.notes(&cut(&["b"]), at(0)).unwrap();
            let mut index = disk.reader();
            assert_eq!(subjects(&mut index, &grouped(&inbox)), ["e (2)", "d (3)"], "{order:?}, {when}");
            let thread = thread_of(&mut index, &inbox, "d");
            assert_eq!(page(&index, thread), ["b", ".c", "..d"], "{order:?}, {when}");
            let thread = thread_of(&mut index, &inbox, "a");
            assert_eq!(page(&index, thread), ["a", ".e"], "{order:?}, {when}");
            writer.notes(&Notes::default(), at(0)).unwrap();
            let thread = thread_of(&mut index, &inbox, "d");
            assert_eq!(page(&index, thread), ["a", ".b", "..c", "...d", ".e"], "{order:?}, {when}");
            assert_eq!(subjects(&mut index, &grouped(&inbox)), ["e (5)"], "{order:?}, {when}");
        }
    }
}

#[test]
fn conversations_are_joined_and_what_was_cut_off_can_be_put_elsewhere() {
    let inbox = mailbox("ada", "INBOX");
    let mut disk = Disk::new();
    let mut writer = disk.writer();
    let mails: [(&str, &[&str]); 5] = [("a", &[]), ("b", &["a"]), ("x", &[]), ("y", &["x"]), ("z", &[])];
    for (number, (name, refs)) in mails.into_iter().enumerate() {
        let changed = disk.deliver(&inbox, number, &mail(name, refs, written(number), name, "text"), &seen());
        tell(&mut writer, &changed);
    }
    let mut index = disk.reader();
    let join = |from: &str, to: &str, cut| (id(from), Seam { cut, joined: Some(id(to)) });
    let mut notes = Notes { seams: BTreeMap::from([join("y", "b", false)]), ..Notes::default() };
    writer.notes(&notes, at(0)).unwrap();
    assert_eq!(subjects(&mut index, &grouped(&inbox)), ["z", "y (4)"]);
    // A message without a Message-ID can be joined as well.
    let changed = disk.deliver(&inbox, 5, &mail("", &[], 5, "nameless", "text"), &seen());
    tell(&mut writer, &changed);
    let nameless = index.rows(&flat(&inbox), 0, 1, None).unwrap().rows.remove(0).id;
    assert!(matches!(nameless, Identity::Bytes(_)));
    notes.seams.insert(nameless, Seam { cut: false, joined: Some(id("z")) });
    writer.notes(&notes, at(0)).unwrap();
    assert_eq!(subjects(&mut index, &grouped(&inbox)), ["nameless (2)", "y (4)"]);
    // Only y goes over; x stays where it was, and later answers follow their own.
    notes.seams = BTreeMap::from([join("y", "b", true)]);
    writer.notes(&notes, at(0)).unwrap();
    for (number, (name, refs)) in [("y2", ["x", "y"]), ("x2", ["x", "x"])].into_iter().enumerate() {
        let changed = disk.deliver(&inbox, 6 + number, &mail(name, &refs, written(6 + number), name, "text"), &seen());
        tell(&mut writer, &changed);
    }
    assert_eq!(subjects(&mut index, &grouped(&inbox)), ["x2 (2)", "y2 (4)", "nameless", "z"]);
    // An index that is made anew shows the same, whether it hears of the notes before or behind the mail.
    let before = subjects(&mut index, &grouped(&inbox));
    for first in [true, false] {
        drop(writer);
        writer = Writer::rebuild(&disk.index(), &["ada@example.org".to_owned()]).unwrap();
        if first {
            writer.notes(&notes, at(0)).unwrap();
        }
        list_all(&disk, &mut writer);
        writer.notes(&notes, at(0)).unwrap();
        assert_eq!(subjects(&mut disk.reader(), &grouped(&inbox)), before);
    }
    // What is removed leaves nothing behind that later mail would be put into.
    let numbers: Vec<usize> = disk.files.keys().copied().collect();
    for number in numbers {
        let changed = disk.delete(number);
        tell(&mut writer, &changed);
    }
    settle(&mut writer);
    let changed = disk.deliver(&inbox, 9, &mail("y3", &["y"], 9, "y3", "text"), &seen());
    tell(&mut writer, &changed);
    assert_eq!(subjects(&mut disk.reader(), &grouped(&inbox)), ["y3"]);
}

/// A timer of that kind for each.
fn timers(kind: TimerKind, set: &[(&str, i64)]) -> Notes {
    let timer = |due| Timer { due: at(due), set_at: at(100) };
    Notes { timers: set.iter().map(|(name, due)| ((id(name), kind), timer(*due))).collect(), ..Notes::default() }
}

fn counts(index: &Index, mailbox: &MailboxId) -> (u64, u64) {
    let row = index.mailboxes().unwrap().into_iter().find(|row| row.mailbox == *mailbox).unwrap();
    (row.total, row.unread)
}

#[test]
fn what_sleeps_is_out_of_the_way_and_comes_back_on_top() {
    let (inbox, sent) = (mailbox("ada", "INBOX"), mailbox("ada", "Sent"));
    let mut disk = Disk::new();
    let mut writer = disk.writer();
    let mails: [(&str, &[&str]); 5] = [("a", &[]), ("b", &["a"]), ("c", &[]), ("d", &[]), ("e", &["c"])];
    for (number, (name, refs)) in mails.into_iter().enumerate() {
        let changed = disk.deliver(&inbox, number, &mail(name, refs, written(number), name, "text"), &Flags::none());
        tell(&mut writer, &changed);
    }
    let mut index = disk.reader();
    let notes = timers(TimerKind::Snooze, &[("b", 1000), ("d", 2000)]);
    let report = writer.notes(&notes, at(500)).unwrap();
    assert!(matches!(report, IndexReport::Refreshed { mailboxes, .. } if mailboxes == [inbox.clone()]));
    assert_eq!(subjects(&mut index, &flat(&inbox)), ["e", "c", "a"]);
    assert_eq!(subjects(&mut index, &grouped(&inbox)), ["e (2)", "a"]);
    assert_eq!(counts(&index, &inbox), (3, 3));
    let unified = ListSpec::new(Source::Unified, Grouping::Flat);
    assert_eq!(subjects(&mut index, &unified), ["e", "c", "a"]);
    // It is found all the same, and by its state.
    for (text, wanted) in
        [("subject:d", vec!["d"]), ("is:snoozed", vec!["d", "b"]), ("is:snoozed subject:b", vec!["b"])]
    {
        let source = Source::Search {
            query: query::parse(text, at(0), &jiff::tz::TimeZone::UTC).unwrap(),
            scope: tern::job::index::SearchScope::All,
        };
        assert_eq!(subjects(&mut index, &ListSpec::new(source, Grouping::Flat)), wanted, "{text}");
    }
    // The first is due.
    writer.notes(&notes, at(1000)).unwrap();
    assert_eq!(subjects(&mut index, &flat(&inbox)), ["b", "e", "c", "a"]);
    assert_eq!(subjects(&mut index, &grouped(&inbox)), ["b (2)", "e (2)"]);
    let rows = index.rows(&flat(&inbox), 0, 1, None).unwrap().rows;
    assert_eq!(rows[0].timing, Some(Timing::Returned(at(1000))));
    // And the second; an index that is made anew shows the same.
    writer.notes(&notes, at(3000)).unwrap();
    let lists = [flat(&inbox), grouped(&inbox), unified];
    let shown: Vec<_> = lists.iter().map(|list| subjects(&mut index, list)).collect();
    assert_eq!(shown[0], ["d", "b", "e", "c", "a"]);
    drop(writer);
    let mut writer = Writer::rebuild(&disk.index(), &["ada@example.org".to_owned()]).unwrap();
    writer.notes(&notes, at(3000)).unwrap();
    list_all(&disk, &mut writer);
    let mut index = disk.reader();
    assert_eq!(lists.iter().map(|list| subjects(&mut index, list)).collect::<Vec<_>>(), shown);
    // What is sorted otherwise, or in another folder, knows of no top.
    let turned = ListSpec { order: tern::job::index::Order { reversed: true, ..Default::default() }, ..flat(&inbox) };
    assert_eq!(subjects(&mut index, &turned), ["a", "b", "c", "d", "e"]);
    let changed = disk.deliver(&sent, 7, &mail("s", &[], 7, "s", "text"), &seen());
    tell(&mut writer, &changed);
    assert_eq!(subjects(&mut index, &flat(&sent)), ["s"]);
}

#[test]
fn an_answer_wakes_what_sleeps_whatever_its_date_and_one_of_ones_own_does_not() {
    let inbox = mailbox("ada", "INBOX");
    for (from, seconds, wakes) in [
        ("grace@example.net", 700, true),
        ("grace@example.net", 2, true),
        ("ada@example.org", 700, false),
        // Her machine says that she is away.
        ("grace@example.net\nAuto-Submitted: auto-replied", 700, false),
    ] {
        let mut disk = Disk::new();
        let mut writer = disk.writer();
        let changed = disk.deliver(&inbox, 0, &mail("a", &[], 0, "a", "text"), &seen());
        tell(&mut writer, &changed);
        list_all(&disk, &mut writer);
        let notes = timers(TimerKind::Snooze, &[("a", 5000)]);
        writer.notes(&notes, at(800)).unwrap();
        let answer = mail("b", &["a"], seconds, "b", "text").replace("grace@example.net", from);
        let changed = disk.deliver(&inbox, 1, &answer, &Flags::none());
        tell(&mut writer, &changed);
        let mut index = disk.reader();
        let news = writer.news().unwrap();
        let woken: Vec<Identity> = news
            .into_iter()
            .filter_map(|one| match one {
                IndexReport::Woken(ids) => Some(ids),
                _ => None,
            })
            .flatten()
            .collect();
        assert_eq!(woken, if wakes { vec![id("a")] } else { Vec::new() }, "{from} {seconds}");
        let wanted: &[&str] = if wakes { &["a", "b"] } else { &["b"] };
        assert_eq!(subjects(&mut index, &flat(&inbox)), wanted, "{from} {seconds}");
        // The old notes are told again, as after a crash: what is dated later is an answer all the same.
        writer.notes(&notes, at(900)).unwrap();
        let wanted: &[&str] = if wakes && seconds > 100 { &["a", "b"] } else { &["b"] };
        assert_eq!(subjects(&mut index, &flat(&inbox)), wanted, "{from} {seconds}");
    }
}

#[test]
fn what_nobody_answers_comes_up_in_the_inbox() {
    let (inbox, sent, lists) = (mailbox("ada", "INBOX"), mailbox("ada", "Sent"), mailbox("ada", "Lists"));
    let mut disk = Disk::new();
    let mut writer = disk.writer();
    let own =
        |name: &str, seconds| mail(name, &[], seconds, name, "text").replace("grace@example.net", "ada@example.org");
    for (number, (place, text)) in
        [(&inbox, mail("a", &[], 0, "a", "text")), (&sent, own("q1", 1)), (&sent, own("q2", 2))].into_iter().enumerate()
    {
        let changed = disk.deliver(place, number, &text, &seen());
        tell(&mut writer, &changed);
    }
    let notes = timers(TimerKind::Remind, &[("q1", 1000), ("q2", 1000)]);
    writer.notes(&notes, at(500)).unwrap();
    let mut index = disk.reader();
    assert_eq!(subjects(&mut index, &flat(&inbox)), ["a"]);
    let rows = index.rows(&flat(&sent), 0, 2, None).unwrap().rows;
    assert!(rows.iter().all(|row| row.timing == Some(Timing::Awaited(at(1000)))), "{rows:?}");
    // One of them is answered, in a folder of its own, and one by oneself alone.
    for (number, text) in [
        (3, mail("r1", &["q1"], 600, "r1", "text")),
        (4, own("r2", 601).replace("Subject", "References: <q2>\nSubject")),
    ] {
        let changed = disk.deliver(&lists, number, &text, &seen());
        tell(&mut writer, &changed);
    }
    writer.notes(&notes, at(1001)).unwrap();
    assert_eq!(subjects(&mut index, &flat(&inbox)), ["q2", "a"]);
    assert_eq!(subjects(&mut index, &grouped(&inbox)), ["q2", "a"]);
    assert_eq!(subjects(&mut index, &ListSpec::new(Source::Unified, Grouping::Conversations)), ["q2", "a"]);
    let top = index.rows(&flat(&inbox), 0, 1, None).unwrap().rows.remove(0);
    assert_eq!((top.timing, top.place.mailbox), (Some(Timing::Unanswered(at(1000))), sent.clone()));
    assert_eq!(subjects(&mut index, &flat(&sent)), ["q2", "q1"]);
    // A machine that answers is nobody.
    let machine = |name: &str, header: &str| {
        mail(name, &["q2"], 1050, name, "text").replace("Subject", &format!("{header}\nSubject"))
    };
    for (number, text) in [
        (6, machine("m1", "Auto-Submitted: auto-replied")),
        (7, machine("m2", "X-Auto-Response-Suppress: OOF")),
        (8, machine("m3", "Precedence: auto_reply")),
        (9, machine("m4", "Content-Type: multipart/report; boundary=x")),
    ] {
        let changed = disk.deliver(&lists, number, &text, &seen());
        tell(&mut writer, &changed);
    }
    assert_eq!(subjects(&mut index, &flat(&inbox)), ["q2", "a"]);
    // A late answer settles it.
    let changed = disk.deliver(&inbox, 5, &mail("r3", &["q2"], 1100, "r3", "text"), &seen());
    tell(&mut writer, &changed);
    assert_eq!(subjects(&mut index, &flat(&inbox)), ["r3", "a"]);
}

#[test]
fn what_comes_into_a_muted_conversation_is_told_once() {
    let inbox = mailbox("ada", "INBOX");
    let muted = Flags::from_imap(["\\Seen", "$Muted"]);
    let mut disk = Disk::new();
    let mut writer = disk.writer();
    let hushed = |writer: &mut Writer| -> BTreeSet<String> {
        let news = writer.news().unwrap().into_iter();
        let places = news
            .filter_map(|one| match one {
                IndexReport::Hushed(places) => Some(places),
                _ => None,
            })
            .flatten();
        places.map(|place| place.unique.as_str().to_owned()).collect()
    };
    for (number, (name, flags)) in [("a", &muted), ("z", &seen())].into_iter().enumerate() {
        let changed = disk.deliver(&inbox, number, &mail(name, &[], written(number), name, "text"), flags);
        tell(&mut writer, &changed);
    }
    assert!(hushed(&mut writer).is_empty());
    for (number, above) in [(2, "a"), (3, "z")] {
        let name = format!("m{number}");
        let changed =
            disk.deliver(&inbox, number, &mail(&name, &[above], written(number), &name, "text"), &Flags::none());
        tell(&mut writer, &changed);
    }
    let told = hushed(&mut writer);
    let wanted = disk.files.values().find(|file| file.mail == 2).unwrap().unique.as_str().to_owned();
    assert_eq!(told, BTreeSet::from([wanted]));
    assert!(hushed(&mut writer).is_empty(), "once is enough");
    let source = Source::Search {
        query: query::parse("is:muted", at(0), &jiff::tz::TimeZone::UTC).unwrap(),
        scope: tern::job::index::SearchScope::All,
    };
    assert_eq!(subjects(&mut disk.reader(), &ListSpec::new(source, Grouping::Flat)), ["a"]);
    // What a new index meets for the first time was there before.
    drop(writer);
    let mut writer = Writer::rebuild(&disk.index(), &["ada@example.org".to_owned()]).unwrap();
    list_all(&disk, &mut writer);
    assert!(hushed(&mut writer).is_empty());
}

#[test]
fn a_conversation_is_unfolded_in_its_place_with_the_answers_from_elsewhere() {
    let (inbox, sent) = (mailbox("ada", "INBOX"), mailbox("ada", "Sent"));
    let mut disk = Disk::new();
    let mut writer = disk.writer();
    let mails: [(&str, &[&str]); 6] =
        [("a", &[]), ("b", &["a"]), ("c", &[]), ("d", &["a", "b"]), ("e", &["c"]), ("f", &[])];
    for (number, (name, refs)) in mails.into_iter().enumerate() {
        let place = if name == "b" { &sent } else { &inbox };
        let changed = disk.deliver(place, number, &mail(name, refs, written(number), name, "text"), &seen());
        tell(&mut writer, &changed);
    }
    let mut index = disk.reader();
    let plain = grouped(&inbox);
    assert_eq!(subjects(&mut index, &plain), ["f", "e (2)", "d (2)"]);
    let unfolded = |names: &[&str], index: &mut Index| {
        let threads = names.iter().map(|name| thread_of(index, &inbox, name)).collect();
        ListSpec { unfolded: threads, ..grouped(&inbox) }
    };
    let one = unfolded(&["d"], &mut index);
    assert_eq!(subjects(&mut index, &one), ["f", "e (2)", "a", "b", "d"]);
    let both = unfolded(&["d", "e"], &mut index);
    assert_eq!(subjects(&mut index, &both), ["f", "c", "e", "a", "b", "d"]);
    let rows = index.rows(&both, 3, 3, None).unwrap().rows;
    let stands: Vec<_> = rows.iter().map(|row| (row.depth, row.unfolded, row.mailbox == sent)).collect();
    assert_eq!(stands, [(0, true, false), (1, true, true), (2, true, false)]);
}

#[test]
fn an_edit_of_the_notes_is_all_that_an_index_needs_to_know() {
    let mut notes = Notes::default();
    let edit = Edit { seams: BTreeMap::from([(id("x"), Seam { cut: true, joined: None })]), ..Edit::default() };
    notes.apply(&edit);
    let inbox = mailbox("ada", "INBOX");
    let mut disk = Disk::new();
    let mut writer = disk.writer();
    // Notes about messages that are nowhere are no trouble.
    writer.notes(&notes, at(0)).unwrap();
    writer.notes(&timers(TimerKind::Snooze, &[("gone", 10)]), at(0)).unwrap();
    let changed = disk.deliver(&inbox, 0, &mail("a", &[], 0, "a", "text"), &seen());
    tell(&mut writer, &changed);
    assert_eq!(subjects(&mut disk.reader(), &flat(&inbox)), ["a"]);
}
