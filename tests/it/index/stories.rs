//! What a user sees of the index, step by step.

use std::sync::mpsc;
use std::time::Duration;

use tern::index::{Ground, Sieves, Sources, Writer, run_reader, run_writer};
use tern::job::Ticket;
use tern::job::files::RenamedFolder;
use tern::job::index::{Direction, Grouping, IndexJob, IndexReport, ListSpec, Row, SearchScope, Source};
use tern::mail::flags::{Flag, Flags};
use tern::mail::ids::{AccountId, MessageId, Timestamp};
use tern::mail::mailbox::Role;
use tern::mail::place::MailboxId;
use tern::query::{Query, parse};

use super::disk::*;

fn query(text: &str) -> Query {
    parse(text, Timestamp::new(1_700_000_000), &jiff::tz::TimeZone::UTC).unwrap()
}

fn subjects(rows: &[Row]) -> Vec<&str> {
    rows.iter().map(|row| row.subject.as_str()).collect()
}

#[test]
fn mail_comes_is_read_moved_and_deleted() {
    let mut disk = Disk::new();
    let (inbox, archive) = (mailbox("home", "INBOX"), mailbox("home", "Archive"));
    let (mut writer, mut reader) = (disk.writer(), disk.reader());
    let text = mail("a@x", &[], 60, "Lunch \u{1b}[31m", "at noon");
    let told = disk.deliver(&inbox, 0, &text, &Flags::none());
    let report = writer.apply(&told[0]).unwrap();
    let IndexReport::Refreshed { arrived, pending, .. } = report else { panic!("{report:?}") };
    assert_eq!((arrived.len(), pending), (1, 0));
    assert_eq!(arrived[0].from.email, "grace@example.net");
    tell(&mut writer, &disk.deliver(&inbox, 1, &mail("b@x", &["a@x"], 90, "Re: Lunch", "fine"), &read()));

    let window = reader.rows(&flat(&inbox), 0, 10, None).unwrap();
    assert_eq!((window.total, window.counted), (2, true));
    assert_eq!(subjects(&window.rows), ["Re: Lunch", "Lunch \u{241b}[31m"]);
    let lunch = window.rows[1].clone();
    assert_eq!((lunch.who.as_str(), lunch.unread, lunch.size), ("Grace Hopper", 1, text.len() as u64));
    assert_eq!(lunch.date, Timestamp::new(1_700_000_060));
    let window = reader.rows(&grouped(&inbox), 0, 10, Some(lunch.message)).unwrap();
    assert_eq!((window.rows[0].messages, window.rows[0].unread, window.anchor), (2, 1, Some(0)));
    assert!(!window.rows[0].flags.has(Flag::Seen), "a conversation is read when all of it is");

    tell(&mut writer, &disk.flag(1, &read().with(Flag::Flagged)));
    let counts = |reader: &tern::index::Index| -> Vec<(String, u64, u64)> {
        let rows = reader.mailboxes().unwrap();
        rows.iter().map(|row| (row.mailbox.name.to_string(), row.total, row.unread)).collect()
    };
    assert_eq!(counts(&reader), [("INBOX".to_owned(), 2, 0)]);
    tell(&mut writer, &disk.carry(1, &archive));
    assert_eq!(counts(&reader), [("INBOX".to_owned(), 1, 0), ("Archive".to_owned(), 1, 0)]);
    let moved = reader.rows(&flat(&archive), 0, 10, None).unwrap().rows;
    assert_eq!(moved[0].message, lunch.message, "a message keeps its row when it is moved");
    assert!(moved[0].flags.has(Flag::Flagged));
    assert_eq!(reader.file_of(&moved[0].place).unwrap().map(|path| path.exists()), Some(true));
    assert_eq!(reader.search(&query("noon"), &SearchScope::All, 0, 9).unwrap().total, 1);

    tell(&mut writer, &disk.delete(1));
    writer.reconcile(&disk.listing(&archive, true)).unwrap();
    settle(&mut writer);
    while writer.advance().unwrap().is_some() {}
    assert_eq!(reader.rows(&flat(&archive), 0, 10, None).unwrap().total, 0);
    assert_eq!(reader.search(&query("noon"), &SearchScope::All, 0, 9).unwrap().total, 0);
    assert_eq!(reader.place_of(lunch.message).unwrap(), None);
}

#[test]
fn a_folder_that_is_renamed_is_not_read_again() {
    let mut disk = Disk::new();
    let (lists, below) = (mailbox("home", "Lists"), mailbox("home", "Lists/rust"));
    let (mut writer, mut reader) = (disk.writer(), disk.reader());
    for n in 0..3 {
        tell(&mut writer, &disk.deliver(&lists, n, &mail(&format!("{n}@x"), &[], 60, "llama", "deep"), &Flags::none()));
    }
    tell(&mut writer, &disk.deliver(&below, 3, &mail("3@x", &["0@x"], 90, "Re: llama", "deeper"), &read()));
    writer.reconcile(&disk.listing(&lists, true)).unwrap();
    settle(&mut writer);
    let before = reader.rows(&grouped(&lists), 0, 10, None).unwrap().rows;

    let (rolls, deep) = (mailbox("home", "Rolls"), mailbox("home", "Rolls/rust"));
    // Another look at the disk may have told of the new name first.
    writer.folders(&lists.account, &[(lists.clone(), None), (below.clone(), None), (rolls.clone(), None)]).unwrap();
    let folder = |from: &MailboxId, to: &MailboxId| RenamedFolder {
        from: from.name.clone(),
        to: to.name.clone(),
        directory: disk.directory(to),
        is_empty: false,
    };
    let report = writer.renamed(&lists.account, &[folder(&lists, &rolls), folder(&below, &deep)]).unwrap();
    let IndexReport::Refreshed { mailboxes, arrived, .. } = report else { panic!("{report:?}") };
    assert_eq!((mailboxes, arrived), (vec![lists.clone(), rolls.clone(), below, deep.clone()], vec![]));
    // No file lies where the index believes it: it was not looked at.
    let after = reader.rows(&grouped(&rolls), 0, 10, None).unwrap().rows;
    let ids = |rows: &[Row]| rows.iter().map(|row| (row.message, row.messages, row.unread)).collect::<Vec<_>>();
    assert_eq!(ids(&after), ids(&before));
    assert!(after.iter().all(|row| row.place.mailbox == rolls));
    let path = reader.file_of(&after[0].place).unwrap().unwrap();
    assert!(path.starts_with(disk.directory(&rolls)), "{}", path.display());
    assert_eq!(reader.rows(&flat(&lists), 0, 10, None).unwrap().total, 0);
    assert_eq!(reader.search(&query("deep"), &SearchScope::Mailbox(rolls.clone()), 0, 9).unwrap().total, 3);
    let IndexReport::Known { seen, .. } = writer.known(&rolls.account).unwrap() else { panic!() };
    assert_eq!(seen.iter().map(|seen| &seen.mailbox).collect::<Vec<_>>(), [&rolls], "its stamp is the old one's");
    // A second telling, and one of a folder that nobody knew, change nothing.
    writer.renamed(&lists.account, &[folder(&lists, &rolls)]).unwrap();
    assert_eq!(reader.rows(&flat(&deep), 0, 10, None).unwrap().total, 1);
    assert_eq!(reader.rows(&flat(&rolls), 0, 10, None).unwrap().total, 3);
}

#[test]
fn late_links_make_conversations_one() {
    let mut disk = Disk::new();
    let (inbox, sent, work) = (mailbox("home", "INBOX"), mailbox("home", "Sent"), mailbox("work", "INBOX"));
    let (mut writer, mut reader) = (disk.writer(), disk.reader());
    tell(&mut writer, &disk.deliver(&inbox, 0, &mail("4@x", &["3@x"], 40, "four", ""), &read()));
    tell(&mut writer, &disk.deliver(&work, 1, &mail("2@x", &["1@x"], 20, "two", ""), &Flags::none()));
    tell(&mut writer, &disk.deliver(&inbox, 2, &mail("1@x", &[], 10, "one", ""), &read()));
    let conversations = |reader: &mut tern::index::Index| {
        let list = ListSpec::new(Source::Unified, Grouping::Conversations);
        let window = reader.rows(&list, 0, 10, None).unwrap();
        assert_eq!(window.total, window.rows.len());
        window.rows
    };
    let apart = conversations(&mut reader);
    assert_eq!(
        apart.iter().map(|row| (row.subject.as_str(), row.messages)).collect::<Vec<_>>(),
        [("four", 1), ("two", 2)]
    );

    tell(&mut writer, &disk.deliver(&sent, 3, &mail("3@x", &["1@x", "2@x"], 30, "three", ""), &read()));
    let one = conversations(&mut reader);
    assert_eq!(
        one.iter().map(|row| (row.subject.as_str(), row.messages, row.unread)).collect::<Vec<_>>(),
        [("four", 3, 1)]
    );
    for thread in [apart[0].thread, apart[1].thread, one[0].thread] {
        let rows = reader.conversation(thread).unwrap();
        assert_eq!(subjects(&rows), ["one", "two", "three", "four"], "an old name of a conversation still leads to it");
        assert_eq!(rows.iter().map(|row| row.depth).collect::<Vec<_>>(), [0, 1, 2, 3]);
    }
    assert_eq!(reader.rows(&flat(&sent), 0, 9, None).unwrap().rows[0].who.as_str(), "To: Ada");
}

#[test]
fn copies_are_one_message_with_several_places() {
    let mut disk = Disk::new();
    let (inbox, all) = (mailbox("home", "INBOX"), mailbox("home", "All Mail"));
    let (mut writer, mut reader) = (disk.writer(), disk.reader());
    let text = mail("a@x", &[], 60, "twice", "llama");
    for mailbox in [&all, &inbox, &inbox] {
        tell(&mut writer, &disk.deliver(mailbox, 0, &text, &Flags::none()));
    }
    let found = reader.find(&MessageId::new("a@x").unwrap(), Some(&AccountId::new("home"))).unwrap();
    assert_eq!(found.len(), 3);
    assert_eq!(reader.find(&MessageId::new("a@x").unwrap(), Some(&AccountId::new("work"))).unwrap(), []);
    // Two files in one mailbox are two rows there, so that each can be deleted.
    assert_eq!(reader.rows(&flat(&inbox), 0, 9, None).unwrap().rows.len(), 2);
    let one = reader.rows(&flat(&all), 0, 9, None).unwrap().rows[0].clone();
    assert_eq!(reader.place_of(one.message).unwrap().unwrap().mailbox, inbox, "the better place");
    assert_eq!(reader.conversation(one.thread).unwrap().len(), 1, "a reader wants to see it once");
    assert_eq!(reader.search(&query("llama in:\"all mail\""), &SearchScope::All, 0, 9).unwrap().total, 1);
}

#[test]
fn a_big_listing_is_readable_after_the_first_step_and_survives_a_crash() {
    let mut disk = Disk::new();
    let inbox = mailbox("home", "INBOX");
    for n in 0..700 {
        let text = mail(&format!("{n}@x"), &[], n, &format!("number {n}"), &format!("word{n} all"));
        disk.deliver(&inbox, 0, &text, &Flags::none());
    }
    let mut writer = disk.writer();
    writer.reconcile(&disk.listing(&inbox, true)).unwrap();
    let report = writer.advance().unwrap();
    assert!(
        matches!(report, Some(IndexReport::Refreshed { pending, ref arrived, .. }) if pending > 600 && arrived.is_empty())
    );
    let mut reader = disk.reader();
    let window = reader.rows(&flat(&inbox), 0, 3, None).unwrap();
    assert_eq!(subjects(&window.rows), ["number 699", "number 698", "number 697"]);
    let known = |writer: &Writer| match writer.known(&AccountId::new("home")).unwrap() {
        IndexReport::Known { seen, .. } => seen.len(),
        other => panic!("{other:?}"),
    };
    assert_eq!(known(&writer), 0, "what is half taken in is listed again after a crash");
    drop(writer);

    let mut writer = disk.writer();
    writer.reconcile(&disk.listing(&inbox, true)).unwrap();
    writer.advance().unwrap();
    // A change that comes between two steps is not undone by the older listing.
    tell(&mut writer, &disk.flag(1, &read()));
    let gone = disk.delete(2);
    tell(&mut writer, &gone);
    settle(&mut writer);
    assert_eq!((known(&writer), writer.pending()), (1, 0));
    let row = &reader.mailboxes().unwrap()[0];
    assert_eq!((row.total, row.unread), (699, 698));
    assert_eq!(reader.search(&query("word3"), &SearchScope::All, 0, 9).unwrap().total, 1);
    for first in [0, 1, 340, 349, 350, 351, 600, 690, 698, 699, 5000] {
        let window = reader.rows(&flat(&inbox), first, 20, None).unwrap();
        let expected: Vec<String> =
            (0..700).rev().filter(|n| *n != 1).skip(first).take(20).map(|n| format!("number {n}")).collect();
        assert_eq!(subjects(&window.rows), expected, "from {first}");
        for (at, row) in window.rows.iter().enumerate().take(3) {
            let again = reader.rows(&flat(&inbox), 0, 5, Some(row.message)).unwrap();
            assert_eq!(again.anchor, Some(first + at));
            assert!(again.rows.iter().any(|other| other.message == row.message));
        }
    }
}

#[test]
fn a_crash_after_any_step_loses_nothing() {
    let mut disk = Disk::new();
    let inbox = mailbox("home", "INBOX");
    for n in 0..330 {
        let refs = if n % 3 == 0 { vec![] } else { vec!["0@x"] };
        disk.deliver(&inbox, 0, &mail(&format!("{n}@x"), &refs, n, "s", &format!("word{n} all")), &Flags::none());
    }
    let listing = disk.listing(&inbox, true);
    let mut writer = disk.writer();
    writer.reconcile(&listing).unwrap();
    let mut steps = 0;
    loop {
        // What a killed process leaves: the file and its log as they are, without a last word.
        let left = tempfile::tempdir().unwrap();
        let path = left.path().join("index.db");
        for ending in ["", "-wal"] {
            let name = |path: &std::path::Path| format!("{}{ending}", path.display());
            std::fs::copy(name(&disk.index()), name(&path)).unwrap();
        }
        let mut again = Writer::open(&path, &["ada@example.org".to_owned()]).unwrap();
        again.reconcile(&listing).unwrap();
        settle(&mut again);
        let mut reader = tern::index::Index::open(&path).unwrap();
        assert_eq!(reader.search(&query("all"), &SearchScope::All, 0, 1).unwrap().total, 330);
        let row = &reader.mailboxes().unwrap()[0];
        assert_eq!((row.total, row.unread), (330, 330));
        assert_eq!(reader.rows(&grouped(&inbox), 0, 1, None).unwrap().total, 110);
        if writer.advance().unwrap().is_none() {
            break;
        }
        steps += 1;
    }
    assert!(steps > 3, "{steps}");
}

#[test]
fn an_incomplete_listing_forgets_nothing_and_folders_that_are_gone_are_forgotten() {
    let mut disk = Disk::new();
    let (inbox, lists) = (mailbox("home", "INBOX"), mailbox("home", "Lists/rust"));
    let mut writer = disk.writer();
    for n in 0..6 {
        let target = if n < 4 { &inbox } else { &lists };
        tell(&mut writer, &disk.deliver(target, 0, &mail(&format!("{n}@x"), &[], n, "s", "t"), &Flags::none()));
    }
    writer.reconcile(&disk.listing(&inbox, false)).unwrap();
    let mut reader = disk.reader();
    assert_eq!(reader.rows(&flat(&inbox), 0, 9, None).unwrap().total, 4);
    writer
        .folders(&AccountId::new("home"), &[(inbox.clone(), None), (mailbox("home", "Gesendet"), Some(Role::Sent))])
        .unwrap();
    settle(&mut writer);
    let rows = reader.mailboxes().unwrap();
    let names: Vec<_> = rows.iter().map(|row| (row.mailbox.name.as_str(), row.role, row.total)).collect();
    assert_eq!(names, [("INBOX", Some(Role::Inbox), 4), ("Gesendet", Some(Role::Sent), 0)]);
    assert_eq!(reader.search(&Query::And(vec![]), &SearchScope::All, 0, 9).unwrap().total, 4);
}

#[test]
fn the_next_unread_is_found_across_folders() {
    let mut disk = Disk::new();
    let (inbox, lists) = (mailbox("home", "INBOX"), mailbox("home", "Lists"));
    let (mut writer, mut reader) = (disk.writer(), disk.reader());
    for n in 0..6 {
        let flags = if n == 1 || n == 4 { Flags::none() } else { read() };
        tell(&mut writer, &disk.deliver(&inbox, 0, &mail(&format!("{n}@x"), &[], n, &format!("in {n}"), "t"), &flags));
    }
    tell(&mut writer, &disk.deliver(&lists, 0, &mail("l@x", &[], 9, "list", "t"), &Flags::none()));
    let order = [inbox.clone(), lists.clone()];
    let rows = reader.rows(&flat(&inbox), 0, 9, None).unwrap().rows;
    let message = |subject: &str| rows.iter().find(|row| row.subject.as_str() == subject).map(|row| row.message);
    let search = ListSpec::new(Source::Search { query: query("in:inbox"), scope: SearchScope::All }, Grouping::Flat);
    let unified = ListSpec::new(Source::Unified, Grouping::Conversations);
    for list in [flat(&inbox), grouped(&inbox), search, unified] {
        let mut next = |after, direction| reader.next_unread(&list, after, direction, &order).unwrap();
        assert_eq!(next(None, Direction::Next), message("in 4").map(|row| (inbox.clone(), row)));
        assert_eq!(next(message("in 4"), Direction::Next), message("in 1").map(|row| (inbox.clone(), row)));
        assert_eq!(next(message("in 2"), Direction::Previous), message("in 4").map(|row| (inbox.clone(), row)));
    }
    let next = reader.next_unread(&flat(&inbox), message("in 1"), Direction::Next, &order).unwrap();
    assert_eq!(next.map(|(mailbox, _)| mailbox), Some(lists.clone()));
    let listed = next_row(&mut reader, &lists);
    let round = reader.next_unread(&flat(&lists), listed, Direction::Next, &order).unwrap();
    assert_eq!(round, message("in 4").map(|row| (inbox.clone(), row)));
}

fn next_row(reader: &mut tern::index::Index, mailbox: &tern::mail::place::MailboxId) -> Option<tern::mail::ids::RowId> {
    reader.rows(&flat(mailbox), 0, 1, None).unwrap().rows.first().map(|row| row.message)
}

#[test]
fn a_lost_or_damaged_index_is_made_anew() {
    let mut disk = Disk::new();
    let inbox = mailbox("home", "INBOX");
    let mut writer = disk.writer();
    tell(&mut writer, &disk.deliver(&inbox, 0, &mail("a@x", &[], 1, "s", "t"), &Flags::none()));
    let row = next_row(&mut disk.reader(), &inbox);
    drop(writer);
    damage(&disk.index());
    let mut writer = disk.writer();
    let mut reader = disk.reader();
    assert_eq!(reader.rows(&flat(&inbox), 0, 9, None).unwrap().total, 0);
    writer.reconcile(&disk.listing(&inbox, true)).unwrap();
    settle(&mut writer);
    assert_eq!(next_row(&mut reader, &inbox), row, "a message finds its row again");
    drop(writer);
    let writer = Writer::rebuild(&disk.index(), &[]).unwrap();
    assert_eq!(writer.pending(), 0);
    assert_eq!(disk.reader().rows(&flat(&inbox), 0, 9, None).unwrap().total, 0);
}

#[test]
fn the_threads_take_in_and_answer() {
    let mut disk = Disk::new();
    let inbox = mailbox("home", "INBOX");
    for n in 0..900 {
        disk.deliver(&inbox, 0, &mail(&format!("{n}@x"), &[], n, &format!("number {n}"), "common"), &Flags::none());
    }
    let path = disk.index();
    let (jobs, queue) = mpsc::channel();
    let (reports, heard) = mpsc::channel();
    let report = reports.clone();
    let at = path.clone();
    let writer = std::thread::spawn(move || {
        let ground = Ground { own: &[], sources: &Sources::default(), sieves: &Sieves::none(), engine: None };
        run_writer(&at, ground, &queue, &|it| report.send(it).unwrap());
    });
    jobs.send(IndexJob::Reconcile(disk.listing(&inbox, true))).unwrap();
    let wait = || heard.recv_timeout(Duration::from_mins(1)).unwrap();
    while !matches!(wait(), IndexReport::Refreshed { pending: 0, .. }) {}
    jobs.send(IndexJob::Known(AccountId::new("home"))).unwrap();
    assert!(matches!(wait(), IndexReport::Known { seen, .. } if seen.len() == 1));
    jobs.send(IndexJob::Mailboxes).unwrap();
    assert!(matches!(wait(), IndexReport::Failed { .. }), "the writer answers no questions");

    let (questions, queue) = mpsc::channel();
    let search = ListSpec::new(Source::Search { query: query("common"), scope: SearchScope::All }, Grouping::Flat);
    let rows = |ticket, list: &ListSpec| IndexJob::Rows {
        ticket: Ticket(ticket),
        list: list.clone(),
        first: 0,
        count: 5,
        anchor: None,
    };
    questions.send(rows(1, &flat(&inbox))).unwrap();
    questions.send(IndexJob::Mailboxes).unwrap();
    questions.send(rows(2, &search)).unwrap();
    let reader = std::thread::spawn(move || run_reader(&path, None, &queue, &|it| reports.send(it).unwrap()));
    let mut totals = Vec::new();
    while totals.last() != Some(&(Ticket(2), 900, true)) {
        match wait() {
            IndexReport::Rows { ticket, total, counted, rows, .. } => {
                assert_eq!(rows.len(), 5);
                totals.push((ticket, total, counted));
            }
            IndexReport::Mailboxes(rows) => assert_eq!(rows[0].unread, 900),
            other => panic!("{other:?}"),
        }
    }
    assert!(
        totals.iter().any(|(ticket, total, counted)| *ticket == Ticket(2) && *total < 900 && !counted),
        "{totals:?}"
    );
    drop((jobs, questions));
    writer.join().unwrap();
    reader.join().unwrap();
}

#[test]
fn a_word_is_found_as_a_reader_writes_it_in_any_alphabet() {
    let mut disk = Disk::new();
    let inbox = mailbox("home", "INBOX");
    let mut writer = disk.writer();
    let subjects = ["Καλημέρα κόσμε", "большой трамвай ёлка", "kılıç İstanbul'da", "مَرْحَبًا أحمد", "ภาษาไทย", "Straße"];
    for (at, subject) in subjects.iter().enumerate() {
        let text =
            mail(&format!("{at}@x"), &[], 0, "s", subject).replace("Subject: s\n", "MIME-Version: 1.0\nSubject: s\n");
        let text = text.replace("Subject:", "Content-Type: text/plain; charset=utf-8\nSubject:");
        tell(&mut writer, &disk.deliver(&inbox, at, &text, &Flags::none()));
    }
    let mut reader = disk.reader();
    let mut found = |text: &str| reader.search(&query(text), &SearchScope::All, 0, 9).unwrap().rows.len();
    for text in [
        "καλημερα",
        "ΚΑΛΗΜΕΡΑ",
        "κόσμε~el",
        "елка",
        "трамвай~ru",
        "большая~ru",
        "тра*",
        "ёл*",
        "kilic",
        "kılıç~tr",
        "istanbul",
        "مرحبا",
        "احمد",
        "ไทย",
        "ภาษา",
        "\"ษาไท\"",
        "strasse",
        "stras*",
        "STRAẞE",
    ] {
        assert_eq!(found(text), 1, "{text}");
    }
    // Letters of their own are not one.
    for text in ["трамваи", "ไทน", "καλ"] {
        assert_eq!(found(text), 0, "{text}");
    }
}

#[test]
fn a_file_that_could_not_be_read_is_read_once_it_can_be() {
    let mut disk = Disk::new();
    let inbox = mailbox("home", "INBOX");
    let (mut writer, mut reader) = (disk.writer(), disk.reader());
    let told = disk.deliver(&inbox, 0, &mail("a@x", &[], 0, "locked", "kumquat"), &Flags::none());
    let path = disk.path(&disk.files[&1]);
    let away = path.with_extension("away");
    // Whoever may read everything cannot follow this either.
    std::fs::rename(&path, &away).unwrap();
    std::os::unix::fs::symlink(&path, &path).unwrap();
    tell(&mut writer, &told);
    writer.reconcile(&disk.listing(&inbox, true)).unwrap();
    settle(&mut writer);
    let rows = |reader: &mut tern::index::Index| reader.rows(&flat(&inbox), 0, 9, None).unwrap().rows;
    assert_eq!(subjects(&rows(&mut reader)), ["(this file cannot be read)"]);
    let is_known = |writer: &Writer| match writer.known(&inbox.account).unwrap() {
        IndexReport::Known { seen, .. } => seen.iter().any(|seen| seen.mailbox == inbox),
        other => panic!("{other:?}"),
    };
    assert!(is_known(&writer), "nothing can be done about it, so nothing is listed");
    std::fs::remove_file(&path).unwrap();
    std::fs::rename(&away, &path).unwrap();
    assert!(!is_known(&writer), "the times of the directory need not say so");
    writer.reconcile(&disk.listing(&inbox, true)).unwrap();
    settle(&mut writer);
    assert_eq!(subjects(&rows(&mut reader)), ["locked"]);
    assert_eq!(reader.search(&query("kumquat"), &SearchScope::All, 0, 9).unwrap().rows.len(), 1);
    assert!(is_known(&writer));
}
