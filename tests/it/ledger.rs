//! The ledger: what is committed comes back, in another connection too; damage is told, never
//! silently lived with.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use tern::fault::Cause;
use tern::ledger::{Agreed, Change, Intent, Ledger, Row, digest};
use tern::mail::flags::{Flag, Flags, Keyword};
use tern::mail::ids::{AccountId, MessageId, ModSeq, Timestamp, Uid, UidValidity};
use tern::mail::mailbox::MailboxName;
use tern::mail::place::{MailboxId, UniqueName};

fn mailbox(name: &str) -> MailboxId {
    MailboxId { account: AccountId::new("work"), name: MailboxName::new(name).unwrap() }
}

fn uid(n: u32) -> Uid {
    Uid::new(n).unwrap()
}

fn unique(name: &str) -> UniqueName {
    UniqueName::new(name).unwrap()
}

fn row(n: u32, name: &str) -> Row {
    let flags = Flags::only(Flag::Seen);
    Row { uid: uid(n), unique: unique(name), flags, size: u64::from(n) * 10, digest: None }
}

#[test]
fn a_step_is_written_in_order_and_seen_by_others() {
    let dir = tempfile::tempdir().unwrap();
    let (mut ledger, fault) = Ledger::open(dir.path()).unwrap();
    assert_eq!(fault, None);
    let inbox = ledger.mailbox(&mailbox("INBOX")).unwrap();
    let lists = ledger.mailbox(&mailbox("Lists/\u{53f0}")).unwrap();
    assert_eq!(ledger.agreed(inbox).unwrap(), Agreed::default());
    assert_eq!(ledger.rows(inbox).unwrap(), []);

    let keywords = Flags::only(Flag::Answered)
        .with_keyword(Keyword::new("$Label1").unwrap())
        .with_keyword(Keyword::new("todo").unwrap());
    let odd = Row { flags: keywords.clone(), digest: Some(digest("a@b")), ..row(u32::MAX, "big") };
    let agreed = Agreed {
        validity: UidValidity::new(u32::MAX),
        modseq: ModSeq::new(i64::MAX.unsigned_abs()),
        uid_next: Uid::new(5),
        complete_at: Timestamp::new(9),
        stamp_cur: i64::MAX,
        stamp_new: -1,
    };
    let first = Change {
        put: vec![row(3, "c"), row(1, "a"), row(2, "b"), odd.clone()],
        agreed: Some(agreed),
        ..Change::default()
    };
    let other = Change { put: vec![row(1, "a")], ..Change::default() };
    ledger.commit(&[(inbox, first), (lists, other)]).unwrap();

    let (other, _) = Ledger::open(dir.path()).unwrap();
    assert_eq!(other.rows(inbox).unwrap(), [row(1, "a"), row(2, "b"), row(3, "c"), odd.clone()]);
    assert_eq!(other.agreed(inbox).unwrap(), agreed);
    assert_eq!(other.count(inbox).unwrap(), 4);
    assert_eq!(other.rows_of_uids(inbox, &[uid(9), uid(2), uid(1)]).unwrap(), [row(2, "b"), row(1, "a")]);
    assert_eq!(other.rows_of_names(inbox, [&unique("c"), &unique("z"), &unique("big")]).unwrap(), [row(3, "c"), odd]);
    for file in ["ledger.db", "ledger.db-wal"] {
        let mode = fs::metadata(dir.path().join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    let known = other.mailboxes(&AccountId::new("work")).unwrap();
    assert_eq!(known, [(MailboxName::inbox(), inbox), (MailboxName::new("Lists/\u{53f0}").unwrap(), lists)]);
    assert_eq!(other.mailboxes(&AccountId::new("home")).unwrap(), []);

    // UID 1 went, its file's name went on to UID 4; 2 was renamed; 3 has other flags; 7 never was.
    let second = Change {
        remove: vec![uid(1), uid(7)],
        put: vec![row(4, "a")],
        flags: vec![(uid(3), keywords.clone()), (uid(7), keywords.clone())],
        rename: vec![(uid(2), unique("b2")), (uid(7), unique("x"))],
        ..Change::default()
    };
    ledger.commit(&[(inbox, second)]).unwrap();
    let third = Row { flags: keywords, ..row(3, "c") };
    let mut rows = other.rows(inbox).unwrap();
    rows.pop();
    assert_eq!(rows, [row(2, "b2"), third, row(4, "a")]);
    assert_eq!(other.agreed(inbox).unwrap(), agreed, "what is not given stays");

    let reset = Change { reset: true, put: vec![row(1, "a")], agreed: Some(Agreed::default()), ..Change::default() };
    ledger.commit(&[(inbox, reset)]).unwrap();
    assert_eq!(other.rows(inbox).unwrap(), [row(1, "a")]);
    ledger.forget(inbox).unwrap();
    assert_eq!(other.rows(inbox).unwrap(), []);
    assert_eq!(other.rows(lists).unwrap(), [row(1, "a")]);
}

#[test]
fn a_name_or_uid_stands_in_one_row_only() {
    let dir = tempfile::tempdir().unwrap();
    let (mut ledger, _) = Ledger::open(dir.path()).unwrap();
    let inbox = ledger.mailbox(&mailbox("INBOX")).unwrap();
    let put = |rows: Vec<Row>| Change { put: rows, ..Change::default() };
    ledger.commit(&[(inbox, put(vec![row(1, "a"), row(2, "b")]))]).unwrap();
    ledger.commit(&[(inbox, put(vec![row(2, "a")]))]).unwrap();
    assert_eq!(ledger.rows(inbox).unwrap(), [row(2, "a")]);
}

#[test]
fn the_number_of_rows_is_kept_whatever_a_step_does() {
    let dir = tempfile::tempdir().unwrap();
    let (mut ledger, _) = Ledger::open(dir.path()).unwrap();
    let keys = ["INBOX", "Archive"].map(|name| ledger.mailbox(&mailbox(name)).unwrap());
    let mut dice = fastrand::Rng::with_seed(7);
    for step in 0..400 {
        let mut some = |most: usize| -> Vec<u32> { (0..dice.usize(0..most)).map(|_| dice.u32(1..12)).collect() };
        let change = Change {
            remove: some(4).into_iter().map(uid).collect(),
            put: some(6).into_iter().zip(some(6)).map(|(n, name)| row(n, &format!("f{name}"))).collect(),
            rename: some(4).into_iter().zip(some(4)).map(|(n, name)| (uid(n), unique(&format!("f{name}")))).collect(),
            reset: step % 50 == 49,
            ..Change::default()
        };
        ledger.commit(&[(keys[step % 2], change)]).unwrap();
        for key in keys {
            assert_eq!(ledger.count(key).unwrap() as usize, ledger.rows(key).unwrap().len(), "after step {step}");
        }
    }
}

#[test]
fn a_ledger_of_the_first_schema_learns_how_many_rows_it_has() {
    let dir = tempfile::tempdir().unwrap();
    let (mut ledger, _) = Ledger::open(dir.path()).unwrap();
    let inbox = ledger.mailbox(&mailbox("INBOX")).unwrap();
    let change = Change { put: vec![row(1, "a"), row(2, "b")], ..Change::default() };
    ledger.commit(&[(inbox, change)]).unwrap();
    drop(ledger);
    let db = rusqlite::Connection::open(dir.path().join("ledger.db")).unwrap();
    let back = "DROP TABLE uidl; DROP TABLE book; DROP TRIGGER base_gone; DROP TABLE letters; DROP INDEX base_of_stubs;
                DROP TABLE keeper; DROP TABLE labelled; DROP TABLE view; DROP TABLE label_wish; DROP TABLE timer; DROP TABLE seam;
                DROP TABLE claim;
                ALTER TABLE mailbox DROP COLUMN messages;";
    db.execute_batch(&format!("{back} PRAGMA user_version = 1")).unwrap();
    drop(db);
    let (ledger, fault) = Ledger::open(dir.path()).unwrap();
    assert_eq!((fault, ledger.count(inbox).unwrap()), (None, 2));
}

#[test]
fn intents_live_until_the_step_that_settles_them() {
    let dir = tempfile::tempdir().unwrap();
    let (mut ledger, _) = Ledger::open(dir.path()).unwrap();
    let inbox = ledger.mailbox(&mailbox("INBOX")).unwrap();
    let validity = UidValidity::new(3).unwrap();
    let message_id = MessageId::new("<a@b>");
    let intents = [
        Intent::Append {
            mailbox: mailbox("Sent"),
            validity,
            uid_next: Uid::new(8),
            unique: unique("a"),
            message_id,
            size: u64::from(u32::MAX),
        },
        Intent::Move {
            from: mailbox("INBOX"),
            validity,
            uid: uid(4),
            to: MailboxName::new("Archive").unwrap(),
            to_validity: None,
            uid_next: None,
            unique: unique("b"),
            message_id: None,
            size: 0,
        },
        Intent::Complete { folder: mailbox("Archive"), validity, uid: uid(5), stub: unique("c,S=3,T=9") },
    ];
    let now = Timestamp::new(77);
    let ids = ledger.intend(&intents, now).unwrap();

    let (mut later, _) = Ledger::open(dir.path()).unwrap();
    let pending = later.intents(&AccountId::new("work")).unwrap();
    assert_eq!(pending.iter().map(|p| p.intent.clone()).collect::<Vec<_>>(), intents);
    assert!(pending.iter().zip(&ids).all(|(p, id)| p.id == *id && p.begun_at == now));
    assert_eq!(later.intents(&AccountId::new("home")).unwrap(), []);

    let change = Change { put: vec![row(1, "a")], settled: vec![ids[0]], ..Change::default() };
    later.commit(&[(inbox, change)]).unwrap();
    later.settle(&ids[1..2]).unwrap();
    let left: Vec<_> = later.intents(&AccountId::new("work")).unwrap().into_iter().map(|p| p.id).collect();
    assert_eq!(left, ids[2..]);
    later.settle(&ids).unwrap();
    let again = later.intend(&intents[..1], now).unwrap();
    assert!(!ids.contains(&again[0]), "a number is never given twice");
}

/// Wherever bytes are overwritten, the file is either still good for all of its rows, or set aside.
#[test]
fn a_damaged_file_is_set_aside_and_told() {
    let dir = tempfile::tempdir().unwrap();
    let rows: Vec<Row> = (1..2000).map(|n| row(n, &format!("name{n}"))).collect();
    {
        let (mut ledger, _) = Ledger::open(dir.path()).unwrap();
        let inbox = ledger.mailbox(&mailbox("INBOX")).unwrap();
        ledger.commit(&[(inbox, Change { put: rows.clone(), ..Change::default() })]).unwrap();
    }
    let path = dir.path().join("ledger.db");
    let whole = fs::read(&path).unwrap();
    assert!(whole.len() > 20 * 4096, "closing writes everything into the file");
    let mut set_aside = 0;
    for at in [0, 30, 100, 4096, 3 * 4096 + 3, 10 * 4096, whole.len() - 4096] {
        let mut damaged = whole.clone();
        damaged[at..at + 16].copy_from_slice(&[0xff; 16]);
        fs::write(&path, &damaged).unwrap();
        let (mut ledger, fault) = Ledger::open(dir.path()).unwrap();
        let inbox = ledger.mailbox(&mailbox("INBOX")).unwrap();
        match fault {
            Some(fault) => {
                set_aside += 1;
                assert_eq!(fault.cause, Cause::Damaged, "at {at}");
                assert_eq!(ledger.rows(inbox).unwrap(), [], "at {at}");
            }
            None => assert_eq!(ledger.rows(inbox).unwrap(), rows, "at {at}"),
        }
    }
    assert!(set_aside >= 4, "{set_aside}");
    let kept = fs::read_dir(dir.path()).unwrap().flatten().filter(|e| {
        e.file_name().to_string_lossy().starts_with("ledger.damaged-")
            && e.file_name().to_string_lossy().ends_with(".db")
    });
    assert_eq!(kept.count(), set_aside, "no damaged file is lost");
}

/// The directory of a ledger of many rows, closed in order.
fn filled() -> tempfile::TempDir {
    filled_with(2000)
}

fn filled_with(rows: u32) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let rows: Vec<Row> = (0..rows).map(|n| n + 1).map(|n| row(n, &format!("name{n}"))).collect();
    let (mut ledger, _) = Ledger::open(dir.path()).unwrap();
    let inbox = ledger.mailbox(&mailbox("INBOX")).unwrap();
    ledger.commit(&[(inbox, Change { put: rows, ..Change::default() })]).unwrap();
    dir
}

/// What becomes of a stamp.
type Edit = Box<dyn Fn(&str) -> String>;

/// To examine the file is to read all of it: once a day will do for one that was closed in order, and nothing
/// else that changed it goes by unseen.
#[test]
fn a_file_that_was_closed_in_order_is_not_examined_again() {
    let dir = filled();
    let path = dir.path().join("ledger.db");
    let whole = fs::read(&path).unwrap();
    let checked = dir.path().join("ledger.checked");
    let examined =
        |time: &'static str| move |stamp: &str| stamp.replace(stamp.split_whitespace().nth(3).unwrap(), time);
    let cases: [(&str, bool, Edit); 4] = [
        ("closed in order", false, Box::new(str::to_owned)),
        ("examined long ago", true, Box::new(examined("1000"))),
        ("examined by a clock that was set back since", true, Box::new(examined("99999999999"))),
        ("rubbish", true, Box::new(|_| "\u{0}".to_owned())),
    ];
    for (why, is_seen, edit) in cases {
        fs::write(&path, &whole).unwrap();
        assert!(Ledger::open(dir.path()).unwrap().1.is_none(), "{why}");
        // Nothing but a file whose time was put back can be damaged and look as it was closed.
        let closed = fs::metadata(&path).unwrap().modified().unwrap();
        let stamp = fs::read_to_string(&checked).unwrap();
        let mut spoiled = whole.clone();
        let at = whole.len() - 4096;
        spoiled[at..at + 16].copy_from_slice(&[0xff; 16]);
        fs::write(&path, &spoiled).unwrap();
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(closed).unwrap();
        fs::write(&checked, edit(&stamp)).unwrap();
        assert_eq!(Ledger::open(dir.path()).unwrap().1.is_some(), is_seen, "{why}");
        file.set_modified(closed - std::time::Duration::from_secs(1)).unwrap();
        assert!(is_seen || Ledger::open(dir.path()).unwrap().1.is_some(), "another program wrote it");
    }
}

/// To write a long log back would keep whoever closes the file waiting: it is left, and vouched for as it is, until
/// someone closes the file who had nothing to write.
#[test]
fn a_long_log_is_left_and_vouched_for() {
    for is_touched in [false, true] {
        let dir = filled_with(30_000);
        let (log, checked) = (dir.path().join("ledger.db-wal"), dir.path().join("ledger.checked"));
        let words =
            || -> Vec<String> { fs::read_to_string(&checked).unwrap().split_whitespace().map(str::to_owned).collect() };
        let examined = || words()[3].parse::<u64>().unwrap();
        let left = fs::metadata(&log).unwrap();
        assert!(left.len() > 1 << 20, "{}", left.len());
        let mut stamp = words();
        let earlier = examined() - 1000;
        stamp[3] = earlier.to_string();
        fs::write(&checked, stamp.join(" ")).unwrap();
        if is_touched {
            let later = left.modified().unwrap() + std::time::Duration::from_secs(1);
            fs::File::options().write(true).open(&log).unwrap().set_modified(later).unwrap();
        }
        for _ in 0..2 {
            let (mut ledger, told) = Ledger::open(dir.path()).unwrap();
            assert!(told.is_none());
            let inbox = ledger.mailbox(&mailbox("INBOX")).unwrap();
            assert_eq!(ledger.rows(inbox).unwrap().len(), 30_000);
            drop(ledger);
            assert_eq!(examined() > earlier, is_touched, "examined if another program wrote to it");
            assert!(!log.exists(), "it was written back");
        }
    }
}

/// What is found damaged in use is examined by the next one, whatever was vouched for.
#[test]
fn damage_that_is_met_in_use_ends_the_trust() {
    let dir = filled();
    let path = dir.path().join("ledger.db");
    let closed = fs::metadata(&path).unwrap().modified().unwrap();
    let mut spoiled = fs::read(&path).unwrap();
    // Past the first pages of the tables, so that the file can be opened.
    for page in spoiled.chunks_mut(4096).skip(24) {
        page[..16].copy_from_slice(&[0xff; 16]);
    }
    fs::write(&path, &spoiled).unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_modified(closed).unwrap();
    let (mut ledger, told) = Ledger::open(dir.path()).unwrap();
    assert!(told.is_none());
    let met = ledger.mailbox(&mailbox("INBOX")).and_then(|inbox| ledger.rows(inbox));
    assert_eq!(met.unwrap_err().cause, Cause::Damaged);
    drop(ledger);
    assert!(Ledger::open(dir.path()).unwrap().1.is_some(), "set aside");
}

#[test]
fn a_newer_ledger_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    drop(Ledger::open(dir.path()).unwrap());
    let db = rusqlite::Connection::open(dir.path().join("ledger.db")).unwrap();
    db.pragma_update(None, "user_version", 99).unwrap();
    drop(db);
    let fault = Ledger::open(dir.path()).unwrap_err();
    assert_eq!(fault.cause, Cause::Config);
    assert!(dir.path().join("ledger.db").exists());
}
