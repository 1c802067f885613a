//! Maildir against what happens to it: runs that end midway, programs that rename files while they
//! are read, names of strangers.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use tern::fault::Cause;
use tern::job::files::{DirStamp, Purpose, Seen};
use tern::job::{Changed, FilesJob, FilesReport, Ticket};
use tern::mail::flags::{Flag, Flags};
use tern::mail::ids::{AccountId, RemoteId, Timestamp, Uid, UidValidity};
use tern::mail::mailbox::MailboxName;
use tern::mail::place::{Layout, MailboxId, Place, UniqueName};
use tern::store::folders::Root;
use tern::store::maildir::{Maildir, fresh};
use tern::store::name::{self, Entry};
use tern::store::scan::{listing, scan, stamp};
use tern::store::worker::{Env, run};

fn mailbox(name: &str) -> MailboxId {
    MailboxId { account: AccountId::new("work"), name: MailboxName::new(name).unwrap() }
}

fn root(dir: &Path) -> Root {
    Root { path: dir.join("mail"), layout: Layout::Nested }
}

fn maildir(dir: &Path, name: &str) -> Maildir {
    Maildir::open(&root(dir).create(&MailboxName::new(name).unwrap()).unwrap()).unwrap()
}

/// The name of the message `uid`, and the message.
fn message(uid: u32, size: usize) -> (UniqueName, Vec<u8>) {
    let id = RemoteId::Uid(UidValidity::new(1).unwrap(), Uid::new(uid).unwrap());
    let bytes: Vec<u8> = uid.to_le_bytes().into_iter().cycle().take(size).collect();
    (name::fetched(&mailbox("INBOX"), &id, Some(Timestamp::new(1_700_000_000)), size as u64), bytes)
}

fn files(maildir: &Maildir, part: &str) -> usize {
    fs::read_dir(maildir.path().join(part)).unwrap().count()
}

#[test]
fn a_batch_is_seen_only_once_it_is_committed() {
    let dir = tempfile::tempdir().unwrap();
    let inbox = maildir(dir.path(), "INBOX");
    let mut batch = inbox.batch();
    // Small ones, one that is larger than the buffer, and one that is begun and never ended.
    let sizes = [0, 1, 18_000, 3 << 20, 5, 6, 7];
    for (uid, size) in (1..).zip(sizes) {
        let (unique, bytes) = message(uid, size);
        let mut to = batch.begin(10).unwrap();
        bytes.chunks(100_000).for_each(|chunk| to.write_all(chunk).unwrap());
        let flags = if uid % 2 == 0 { Flags::only(Flag::Seen) } else { Flags::none() };
        batch.keep(&unique, &flags, size as u64).unwrap();
    }
    batch.begin(4 << 20).unwrap().write_all(&vec![0; 2 << 20]).unwrap();
    assert_eq!((batch.len(), batch.bytes()), (sizes.len(), sizes.iter().sum::<usize>() as u64));
    assert_eq!((files(&inbox, "cur"), files(&inbox, "new"), files(&inbox, "tmp")), (0, 0, sizes.len() + 1));

    let committed = batch.commit().unwrap();
    assert_eq!(committed.failed, []);
    assert_eq!((files(&inbox, "cur"), files(&inbox, "new"), files(&inbox, "tmp")), (3, 4, 0));
    for ((uid, size), stored) in (1..).zip(sizes).zip(&committed.stored) {
        let (unique, bytes) = message(uid, size);
        assert_eq!((&stored.unique, stored.size, stored.was_there), (&unique, size as u64, false));
        assert!(inbox.read(&unique).unwrap() == bytes);
        assert_eq!(fs::metadata(inbox.path_of(&stored.entry)).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn what_ends_midway_leaves_nothing_that_is_seen() {
    let dir = tempfile::tempdir().unwrap();
    let inbox = maildir(dir.path(), "INBOX");
    let fill = |batch: &mut tern::store::batch::Batch| {
        for uid in 1..10 {
            let (unique, bytes) = message(uid, 100);
            batch.begin(100).unwrap().write_all(&bytes).unwrap();
            batch.keep(&unique, &Flags::none(), 100).unwrap();
        }
    };
    let mut dropped = inbox.batch();
    fill(&mut dropped);
    drop(dropped);
    assert_eq!(files(&inbox, "tmp"), 0, "a batch that is given up cleans up");

    let mut killed = inbox.batch();
    fill(&mut killed);
    std::mem::forget(killed);
    assert_eq!((files(&inbox, "new"), files(&inbox, "tmp")), (0, 9), "a killed run leaves tmp/ alone");

    let mut again = inbox.batch();
    fill(&mut again);
    assert_eq!(again.commit().unwrap().stored.len(), 9);
    assert_eq!(files(&inbox, "new"), 9);

    // Only what is ours, and old, is swept.
    fs::write(inbox.path().join("tmp/1234.someone.else"), "x").unwrap();
    let now = Timestamp::new(i64::try_from(SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap());
    assert_eq!(inbox.sweep(now.plus(35 * 3600)).unwrap(), 0);
    assert_eq!(inbox.sweep(now.plus(37 * 3600)).unwrap(), 9);
    assert_eq!(files(&inbox, "tmp"), 1);
}

#[test]
fn a_message_that_is_short_is_not_kept() {
    let dir = tempfile::tempdir().unwrap();
    let inbox = maildir(dir.path(), "INBOX");
    let mut batch = inbox.batch();
    let (unique, bytes) = message(1, 100);
    batch.begin(100).unwrap().write_all(&bytes[..99]).unwrap();
    let fault = batch.keep(&unique, &Flags::none(), 100).unwrap_err();
    assert_eq!(fault.cause, Cause::Protocol);
    assert!(batch.keep(&unique, &Flags::none(), 0).is_err(), "nothing was begun");
    batch.begin(100).unwrap().write_all(&bytes).unwrap();
    batch.abort();
    batch.begin(100).unwrap().write_all(&bytes).unwrap();
    batch.keep(&unique, &Flags::none(), 100).unwrap();
    assert_eq!(batch.commit().unwrap().stored.len(), 1);
    assert_eq!((files(&inbox, "new"), files(&inbox, "tmp")), (1, 0));
}

#[test]
fn a_message_fetched_twice_finds_itself_and_nothing_is_written_over() {
    let dir = tempfile::tempdir().unwrap();
    let inbox = maildir(dir.path(), "INBOX");
    let (first, bytes) = message(1, 100);
    let (second, other) = message(2, 100);
    assert!(!inbox.deliver(&first, &Flags::none(), &bytes).unwrap().was_there);
    // A file of another size under the second one's name: someone damaged it.
    fs::write(inbox.path().join("new").join(second.as_str()), "damaged").unwrap();
    let mut batch = inbox.batch();
    for (unique, bytes) in [(&first, &bytes), (&second, &other), (&first, &bytes)] {
        batch.begin(100).unwrap().write_all(bytes).unwrap();
        batch.keep(unique, &Flags::none(), 100).unwrap();
    }
    let committed = batch.commit().unwrap();
    assert_eq!(committed.stored.iter().map(|s| (&s.unique, s.was_there)).collect::<Vec<_>>(), [(&first, true); 2]);
    assert_eq!(committed.failed.iter().map(|(u, f)| (u, f.cause)).collect::<Vec<_>>(), [(&second, Cause::Damaged)]);
    assert_eq!(inbox.read(&second).unwrap(), b"damaged");
    assert_eq!((files(&inbox, "new"), files(&inbox, "tmp")), (2, 0));
}

#[test]
fn flags_follow_a_file_that_others_rename() {
    let dir = tempfile::tempdir().unwrap();
    let inbox = maildir(dir.path(), "INBOX");
    let (unique, bytes) = message(1, 10);
    let entry = inbox.deliver(&unique, &Flags::none(), &bytes).unwrap().entry;
    assert_eq!(entry.relative(), format!("new/{}", unique.as_str()));
    // Another program reads it and adds a keyword's letter, behind our back.
    let theirs = inbox.path().join(format!("cur/{}:2,Sa", unique.as_str()));
    fs::rename(inbox.path_of(&entry), &theirs).unwrap();
    let flagged = Flags::only(Flag::Flagged);
    let now = inbox.set_flags(&entry, &flagged, &Flags::none()).unwrap().unwrap();
    assert_eq!(now.info(), ":2,FSa");
    assert_eq!(inbox.find(&unique).unwrap(), Some(now.clone()));
    assert_eq!(inbox.set_flags(&now, &flagged, &Flags::none()).unwrap(), Some(now.clone()), "a wish twice is one wish");
    inbox.settle().unwrap();

    let archive = maildir(dir.path(), "Archive");
    let new = fresh(inbox.size(&entry).unwrap());
    let moved = inbox.move_to(&entry, &archive, &new).unwrap().unwrap();
    assert_eq!((moved.info(), name::size(moved.base())), (":2,FSa", Some(10)));
    assert_eq!(archive.read(&new).unwrap(), bytes);
    assert_eq!(inbox.read(&unique).unwrap_err().cause, Cause::Missing);
    assert_eq!(inbox.set_flags(&now, &Flags::none(), &flagged).unwrap(), None);
    assert_eq!(inbox.move_to(&now, &archive, &fresh(None)).unwrap(), None);
    assert!(archive.remove(&moved).unwrap());
    assert!(!archive.remove(&moved).unwrap());
    assert_eq!(files(&archive, "cur") + files(&archive, "tmp") + files(&inbox, "cur") + files(&inbox, "new"), 0);
}

#[test]
fn a_move_to_another_file_system_copies_first() {
    let here = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let Ok(there) = tempfile::tempdir_in("/dev/shm") else { return };
    assert_ne!(fs::metadata(here.path()).unwrap().dev(), fs::metadata(there.path()).unwrap().dev());
    let (from, to) = (maildir(here.path(), "INBOX"), maildir(there.path(), "INBOX"));
    let (unique, bytes) = message(1, 200_000);
    let entry = from.deliver(&unique, &Flags::only(Flag::Draft), &bytes).unwrap().entry;
    let taken = from.move_to(&entry, &to, &unique).unwrap().unwrap();
    assert!(to.read_entry(&taken).unwrap() == Some(bytes.clone()));
    assert_eq!((files(&from, "cur"), files(&to, "tmp")), (0, 0));
    // A name that is taken there is not written over, and the message stays here.
    let entry = from.deliver(&unique, &Flags::only(Flag::Draft), &bytes).unwrap().entry;
    assert!(from.move_to(&entry, &to, &unique).is_err());
    assert_eq!((files(&from, "cur"), files(&to, "tmp")), (1, 0));
}

/// A program renames all files again and again, as mutt and notmuch do, while they are listed. A
/// listing that says it is complete has all of them, and so has every union of an incomplete one.
#[test]
fn renaming_while_listing_never_looks_like_deletion() {
    let dir = tempfile::tempdir().unwrap();
    let inbox = maildir(dir.path(), "INBOX");
    let mut batch = inbox.batch();
    let all: BTreeSet<UniqueName> = (1..=500).map(|uid| message(uid, 1).0).collect();
    for unique in &all {
        batch.begin(1).unwrap().write_all(b"x").unwrap();
        batch.keep(unique, &Flags::none(), 1).unwrap();
    }
    batch.commit().unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let renamer = std::thread::spawn({
        let (stop, inbox, all) = (stop.clone(), inbox.clone(), all.clone());
        move || {
            let mut infos = ["", ":2,S", ":2,FS", ":2,", ":2,RSa"].into_iter().cycle();
            let mut at = ("new", infos.next().unwrap());
            while !stop.load(Ordering::Relaxed) {
                let next = ("cur", infos.next().unwrap());
                for unique in &all {
                    let path =
                        |(part, info): (&str, &str)| inbox.path().join(part).join(format!("{}{info}", unique.as_str()));
                    fs::rename(path(at), path(next)).unwrap();
                }
                at = next;
            }
        }
    });
    let mut complete = 0;
    let mut judge = |names: Vec<UniqueName>, is_complete: bool| {
        let once: BTreeSet<UniqueName> = names.iter().cloned().collect();
        assert_eq!(names.len(), once.len(), "each message once");
        assert!(names.is_sorted() && once.is_subset(&all));
        if is_complete {
            complete += 1;
            assert!(once == all, "{} of {} in a complete listing", once.len(), all.len());
        }
    };
    for _ in 0..40 {
        let seen = scan(&inbox).unwrap();
        judge(seen.entries.iter().filter_map(Entry::unique).collect(), seen.complete);
        let listed = listing(&mailbox("INBOX"), inbox.path()).unwrap();
        judge(listed.files.iter().filter_map(|file| file.unique()).collect(), listed.complete);
        assert!(listed.files.iter().all(|file| file.flags == name::flags(file.info)));
        for unique in all.iter().take(3) {
            assert!(inbox.find(unique).unwrap().is_some(), "found although it is being renamed");
        }
    }
    stop.store(true, Ordering::Relaxed);
    renamer.join().unwrap();
    let quiet = scan(&inbox).unwrap();
    assert!(quiet.complete && quiet.entries.len() == all.len(), "{complete} complete listings before");
}

fn age(maildir: &Maildir, seconds: u64) {
    for part in ["cur", "new"] {
        let then = SystemTime::now() - Duration::from_secs(seconds);
        File::open(maildir.path().join(part)).unwrap().set_modified(then).unwrap();
    }
}

#[test]
fn a_stamp_is_believed_only_when_it_is_old_enough() {
    let dir = tempfile::tempdir().unwrap();
    let inbox = maildir(dir.path(), "INBOX");
    let fresh_scan = scan(&inbox).unwrap();
    assert_eq!((fresh_scan.complete, fresh_scan.stamp), (true, DirStamp::default()));
    age(&inbox, 10);
    let old = scan(&inbox).unwrap();
    assert_eq!(old.stamp, stamp(inbox.path()).unwrap());
    assert_ne!(old.stamp, DirStamp::default());
    let (unique, bytes) = message(1, 10);
    inbox.deliver(&unique, &Flags::only(Flag::Seen), &bytes).unwrap();
    assert_ne!(stamp(inbox.path()).unwrap(), old.stamp);
    fs::create_dir(inbox.path().join("cur/a directory")).unwrap();
    let listing = listing(&mailbox("INBOX"), inbox.path()).unwrap();
    assert_eq!(
        listing.files.iter().map(|f| (f.unique(), f.in_new)).collect::<Vec<_>>(),
        [(Some(unique.clone()), false)]
    );
    assert_eq!(listing.files.get(0).unwrap().flags, Flags::only(Flag::Seen));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    /// Any name that a server can think of stays below the root and comes back as it was.
    #[test]
    fn hostile_folder_names_stay_inside(
        levels in prop::collection::vec(
            prop_oneof![
                r"[./%+ a-cA-F0-9~-]{0,8}",
                Just("..".to_owned()), Just(".".to_owned()), Just("cur".to_owned()), Just("%2E".to_owned()),
                Just("INBOX".to_owned()), Just("inbox".to_owned()), Just("%00".to_owned()), Just("&-".to_owned()),
                "[\u{e9}\u{53f0}%.+]{70,160}", "\\PC{0,12}",
            ],
            1..5,
        ),
        flat in any::<bool>(),
    ) {
        let Some(name) = MailboxName::new(&levels.join("/")) else { return Ok(()) };
        let dir = tempfile::tempdir().unwrap();
        let layout = if flat { Layout::MaildirPlusPlus } else { Layout::Nested };
        let root = Root { path: dir.path().join("mail"), layout };
        let Ok(directory) = root.directory(&name) else {
            prop_assert!(flat && name.as_str().len() > 60, "only a long Maildir++ name is refused");
            return Ok(());
        };
        let below = directory.strip_prefix(&root.path).unwrap();
        for part in below.components() {
            let Component::Normal(part) = part else { panic!("{} leads out", directory.display()) };
            prop_assert!(part.len() <= 255);
        }
        prop_assert_eq!(root.create(&name).unwrap(), directory.clone());
        let listed = root.list();
        prop_assert_eq!(&listed.faults, &Vec::new());
        let found: Vec<(MailboxName, PathBuf)> = listed.found.into_iter().collect();
        prop_assert_eq!(found, vec![(name, directory)]);
        prop_assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    /// Any file name is read without panic, and an entry keeps every byte of it.
    #[test]
    fn any_file_name_is_read(file_name in "\\PC{0,40}", extra in "[,:=USVH0-9.tern]{0,40}") {
        for text in [file_name.clone(), extra.clone(), format!("1.{extra}.tern,S={file_name}"), format!("{file_name}:2,{extra}")] {
            let _ = name::origin(&text, &mailbox("INBOX"));
            let _ = (name::size(&text), name::date(&text));
            if let Some(entry) = Entry::parse(&text, false) {
                prop_assert_eq!(format!("{}{}", entry.base(), entry.info()), text);
                let both = entry.with_flags(&Flags::only(Flag::Seen), &Flags::none(), entry.letters());
                prop_assert!(both.flags().has(Flag::Seen) && both.base() == entry.base());
                prop_assert_eq!(both.flags().without(Flag::Seen), entry.flags().without(Flag::Seen));
            }
        }
    }
}

/// Runs jobs through the worker and gives its reports.
fn work(dir: &Path, jobs: Vec<FilesJob>) -> Vec<FilesReport> {
    let env = Env {
        accounts: vec![(AccountId::new("work"), root(dir))],
        tags: std::collections::BTreeMap::new(),
        data: dir.join("data"),
        runtime: dir.join("run"),
        zone: jiff::tz::TimeZone::UTC,
    };
    let (send, receive) = mpsc::channel();
    for job in jobs {
        send.send(job).unwrap();
    }
    drop(send);
    let reports = RefCell::new(Vec::new());
    run(env, &receive, &|report| {
        if let FilesReport::Saved { path, purpose: Purpose::Open, .. } = &report {
            assert!(path.exists(), "it is there while the worker runs");
        }
        reports.borrow_mut().push(report);
    });
    reports.into_inner()
}

const MAIL: &[u8] = b"From: a@example.org\r\nSubject: ../hello\r\n\r\nHi.\r\n";

#[test]
fn the_worker_delivers_flags_moves_and_deletes() {
    let dir = tempfile::tempdir().unwrap();
    let deliver = |name: &str, replaces| FilesJob::Deliver {
        ticket: Ticket(1),
        mailbox: mailbox(name),
        bytes: MAIL.into(),
        flags: Flags::only(Flag::Draft),
        replaces,
    };
    let reports = work(dir.path(), vec![deliver("Drafts", None)]);
    let [FilesReport::Changed(changed), FilesReport::Stored { place, .. }] = reports.as_slice() else {
        panic!("{reports:?}")
    };
    let file = changed.places[0].now.clone().unwrap();
    assert_eq!(fs::read(&file.path).unwrap(), MAIL);
    assert_eq!(file.flags, Flags::only(Flag::Draft));

    // The next version takes its place.
    let reports = work(dir.path(), vec![deliver("Drafts", Some(place.clone()))]);
    let [FilesReport::Changed(_), FilesReport::Stored { place: next, .. }, FilesReport::Changed(gone)] =
        reports.as_slice()
    else {
        panic!("{reports:?}")
    };
    assert_eq!((&gone.places[0].unique, &gone.places[0].now), (&place.unique, &None));

    let missing = Place { mailbox: mailbox("Drafts"), unique: place.unique.clone() };
    let elsewhere = Place { mailbox: mailbox("Nowhere"), unique: place.unique.clone() };
    let set = FilesJob::SetFlags {
        ticket: Ticket(2),
        places: vec![elsewhere, missing, next.clone()],
        add: Flags::only(Flag::Seen),
        remove: Flags::only(Flag::Draft),
    };
    let reports = work(dir.path(), vec![set]);
    let [FilesReport::Changed(Changed { places, .. }), FilesReport::Failed { ticket: Ticket(2), fault }] =
        reports.as_slice()
    else {
        panic!("{reports:?}")
    };
    assert_eq!(fault.cause, Cause::Missing);
    assert_eq!(places[0].now, None, "what is gone is told");
    assert_eq!(places[1].now.as_ref().unwrap().flags, Flags::only(Flag::Seen));

    let to = mailbox("Archive/2026");
    let reports =
        work(dir.path(), vec![FilesJob::Move { ticket: Ticket(3), places: vec![next.clone()], to: to.clone() }]);
    let [FilesReport::Changed(left), FilesReport::Changed(arrived), FilesReport::Moved { places, .. }] =
        reports.as_slice()
    else {
        panic!("{reports:?}")
    };
    assert_eq!((&left.places[0].unique, &left.places[0].now), (&next.unique, &None));
    let new = places[0].1.clone();
    assert_eq!((&places[0].0, &new.mailbox, &arrived.places[0].unique), (next, &to, &new.unique));

    let reports = work(
        dir.path(),
        vec![
            FilesJob::Read { ticket: Ticket(4), place: new.clone() },
            FilesJob::Delete { ticket: Ticket(5), places: vec![new.clone()] },
            FilesJob::Read { ticket: Ticket(6), place: new },
        ],
    );
    let [FilesReport::Bytes { bytes, .. }, FilesReport::Changed(_), FilesReport::Failed { ticket: Ticket(6), fault }] =
        reports.as_slice()
    else {
        panic!("{reports:?}")
    };
    assert_eq!((&**bytes, fault.cause), (MAIL, Cause::Missing));
}

#[test]
fn a_scan_reads_only_what_moved() {
    let dir = tempfile::tempdir().unwrap();
    let (inbox, lists) = (maildir(dir.path(), "INBOX"), maildir(dir.path(), "Lists/rust"));
    age(&inbox, 10);
    age(&lists, 10);
    let account = AccountId::new("work");
    let scan = |known: Vec<Seen>| work(dir.path(), vec![FilesJob::Scan { account: account.clone(), known }]);
    let listed = |reports: &[FilesReport]| -> Vec<Seen> {
        let [FilesReport::Folders { mailboxes, .. }, middle @ .., FilesReport::Scanned { .. }] = reports else {
            panic!("{reports:?}")
        };
        assert_eq!(*mailboxes, [mailbox("INBOX"), mailbox("Lists/rust")]);
        let seen = middle.iter().map(|report| match report {
            FilesReport::Listed(l) => Seen { mailbox: l.mailbox.clone(), stamp: l.stamp },
            other => panic!("{other:?}"),
        });
        seen.collect()
    };
    let first = listed(&scan(Vec::new()));
    assert_eq!(first.len(), 2);
    assert_eq!(listed(&scan(first.clone())), []);
    lists.deliver(&fresh(None), &Flags::none(), MAIL).unwrap();
    let second = listed(&scan(first));
    assert_eq!(second, [Seen { mailbox: mailbox("Lists/rust"), stamp: DirStamp::default() }]);
    assert_eq!(listed(&scan(second)).len(), 2, "a stamp of zero is never up to date");
}

#[test]
fn a_scan_tells_whether_anything_may_have_moved_since_the_one_before_it() {
    let dir = tempfile::tempdir().unwrap();
    age(&maildir(dir.path(), "INBOX"), 10);
    let scan = || FilesJob::Scan { account: AccountId::new("work"), known: Vec::new() };
    let deliver = FilesJob::Deliver {
        ticket: Ticket(1),
        mailbox: mailbox("INBOX"),
        bytes: MAIL.into(),
        flags: Flags::none(),
        replaces: None,
    };
    let reports = work(dir.path(), vec![scan(), scan(), deliver, scan(), scan()]);
    let moved = reports.iter().filter_map(|report| match report {
        FilesReport::Scanned { moved, .. } => Some(*moved),
        _ => None,
    });
    assert_eq!(moved.collect::<Vec<_>>(), [true, false, true, false]);
}

/// A message with a subject and a file name that a stranger chose with care.
const PARCEL: &[u8] = b"From: a@example.org\r\nSubject: ../hello\r\nMIME-Version: 1.0\r\n\
Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nHi.\r\n--b\r\nContent-Type: application/x-sh\r\n\
Content-Disposition: attachment; filename=\"../../.bashrc\"\r\n\r\nrm\r\n--b--\r\n";

#[test]
fn the_newest_message_to_open_wins_and_parts_are_saved() {
    let dir = tempfile::tempdir().unwrap();
    let inbox = maildir(dir.path(), "INBOX");
    let unique = fresh(Some(PARCEL.len() as u64));
    inbox.deliver(&unique, &Flags::none(), PARCEL).unwrap();
    let place = Place { mailbox: mailbox("INBOX"), unique };
    let open = |n| FilesJob::Open { ticket: Ticket(n), place: place.clone(), width: 80 };
    let parts = dir.path().join("parts");
    let save = |n, part, purpose| FilesJob::SavePart {
        ticket: Ticket(n),
        place: place.clone(),
        part,
        directory: parts.clone(),
        purpose,
    };
    fs::create_dir(&parts).unwrap();
    let open_part = |document: &tern::mail::document::Document| {
        let at = document.attachments.iter().position(|a| a.media_type.as_str() == "application/x-sh");
        at.unwrap()
    };
    let reports = work(
        dir.path(),
        vec![open(1), open(2), save(3, None, Purpose::Keep), open(4), save(5, Some(99), Purpose::Keep)],
    );
    let [
        FilesReport::Saved { path: kept, .. },
        FilesReport::Opened { ticket: Ticket(4), document, .. },
        FilesReport::Failed { ticket: Ticket(5), .. },
    ] = reports.as_slice()
    else {
        panic!("{reports:?}")
    };
    assert_eq!(fs::read(kept).unwrap(), PARCEL);
    assert_eq!(*kept, parts.join("_hello.eml"));
    assert_eq!(document.size, PARCEL.len() as u64);

    let script = Some(open_part(document));
    let reports = work(dir.path(), vec![save(6, script, Purpose::Keep), save(7, script, Purpose::Open)]);
    let [FilesReport::Saved { path: kept, .. }, FilesReport::Saved { path: opened, .. }] = reports.as_slice() else {
        panic!("{reports:?}")
    };
    assert_eq!((kept, fs::read(kept).unwrap().trim_ascii()), (&parts.join("bashrc"), &b"rm"[..]));
    assert!(opened.starts_with(dir.path().join("run")) && !opened.exists(), "what was opened goes at the end");
}
