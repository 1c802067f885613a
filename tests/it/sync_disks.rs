//! What lies on disk and is not what it seems to be: files that cannot be read are not gone, and a directory
//! that is older than it was tells of a backup, not of a wish.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use tern::mail::mailbox::MailboxName;
use tern::store::name::Entry;

use crate::support::meeting::{Meeting, mail};

fn inbox() -> MailboxName {
    MailboxName::inbox()
}

/// Two sides with three messages that both have, the last without a Message-ID.
fn met() -> Meeting {
    let m = Meeting::new();
    for (id, text) in [(Some("1"), "one"), (Some("2"), "two"), (None, "nameless")] {
        m.deliver(&inbox(), &mail(id, text), "S");
    }
    m.sync_well();
    m.sync_well();
    m
}

fn lose_the_ledger(m: &Meeting) {
    for file in ["ledger.db", "ledger.db-wal", "ledger.db-shm"] {
        fs::remove_file(m.env.data.join(file)).ok();
    }
}

/// A file that is there and that nobody can read.
struct Sealed {
    path: PathBuf,
    away: PathBuf,
}

impl Sealed {
    fn new(m: &Meeting, entry: &Entry) -> Self {
        let path = m.maildir(&inbox()).path_of(entry);
        let away = m.env.data.join("sealed");
        fs::rename(&path, &away).unwrap();
        // It leads to itself: whoever opens it is refused, whatever his rights are.
        std::os::unix::fs::symlink(&path, &path).unwrap();
        Self { path, away }
    }

    fn open(self) {
        fs::remove_file(&self.path).unwrap();
        fs::rename(&self.away, &self.path).unwrap();
    }
}

/// One round in which nothing is brought either way, and that tells of the file that cannot be read.
fn nothing_comes_of_it(m: &Meeting) {
    let summary = m.sync().unwrap();
    let counts = summary.counts;
    assert_eq!((counts.fetched, counts.appended, counts.removed_there, counts.removed_here), (0, 0, 0, 0));
    assert_eq!(summary.faults.len(), 1, "{:?}", summary.faults);
    assert!(summary.faults[0].to_string().contains("before it can be read"), "{}", summary.faults[0]);
}

#[test]
fn a_file_that_cannot_be_read_is_not_fetched_once_more_in_a_new_epoch() {
    let m = met();
    let sealed = Sealed::new(&m, &m.file(&inbox(), "nameless"));
    m.server.renumber(&inbox());
    for _ in 0..3 {
        nothing_comes_of_it(&m);
    }
    // What comes new comes all the same.
    m.deliver(&inbox(), &mail(Some("3"), "three"), "S");
    assert_eq!(m.sync().unwrap().counts.fetched, 1);
    nothing_comes_of_it(&m);
    sealed.open();
    let counts = m.sync_well().counts;
    assert_eq!((counts.fetched, counts.appended), (0, 0), "{counts:?}");
    m.assert_met();
    assert!(m.sync_well().counts.is_zero());
}

#[test]
fn a_file_that_cannot_be_read_is_not_fetched_once_more_when_the_ledger_is_lost() {
    for subject in ["one", "nameless"] {
        let m = met();
        let sealed = Sealed::new(&m, &m.file(&inbox(), subject));
        lose_the_ledger(&m);
        for _ in 0..3 {
            nothing_comes_of_it(&m);
        }
        sealed.open();
        let counts = m.sync_well().counts;
        assert_eq!((counts.fetched, counts.appended), (0, 0), "{counts:?}");
        m.assert_met();
        assert!(m.sync_well().counts.is_zero());
    }
}

#[test]
fn a_new_file_that_cannot_be_read_holds_up_no_new_mail_and_goes_up_once_it_can_be_read() {
    let m = met();
    m.write(&inbox(), &mail(None, "of another program"), "S");
    let sealed = Sealed::new(&m, &m.file(&inbox(), "of another program"));
    nothing_comes_of_it(&m);
    m.deliver(&inbox(), &mail(None, "news of the same size"), "S");
    assert_eq!(m.sync().unwrap().counts.fetched, 1);
    sealed.open();
    assert_eq!(m.sync_well().counts.appended, 1);
    m.assert_met();
    assert!(m.sync_well().counts.is_zero());
}

/// The times of a mailbox's directories.
fn times(m: &Meeting) -> Vec<(PathBuf, SystemTime)> {
    let path = m.maildir(&inbox()).path().to_owned();
    let of = |part: PathBuf| (part.clone(), fs::metadata(part).unwrap().modified().unwrap());
    vec![of(path.join("cur")), of(path.join("new"))]
}

fn set_times(times: &[(PathBuf, SystemTime)]) {
    for (part, time) in times {
        fs::File::open(part).unwrap().set_modified(*time).unwrap();
    }
}

/// Thirty messages that both have, two of which came last; and how the directory was before those came.
fn older_by_two() -> (Meeting, Vec<(PathBuf, SystemTime)>) {
    let m = Meeting::new();
    for n in 0..28 {
        m.deliver(&inbox(), &mail(Some(&n.to_string()), &format!("n{n}")), "S");
    }
    m.sync_well();
    m.sync_well();
    let then = times(&m).into_iter().map(|(part, time)| (part, time - Duration::from_secs(5))).collect();
    m.deliver(&inbox(), &mail(Some("28"), "n28"), "S");
    m.deliver(&inbox(), &mail(Some("29"), "n29"), "S");
    m.sync_well();
    m.sync_well();
    (m, then)
}

fn remove(m: &Meeting, subject: &str) {
    let entry = m.file(&inbox(), subject);
    assert!(m.maildir(&inbox()).remove(&entry).unwrap());
}

#[test]
fn an_older_copy_of_a_folder_removes_nothing_before_it_is_agreed_to() {
    let (mut m, then) = older_by_two();
    remove(&m, "n28");
    remove(&m, "n29");
    set_times(&then);
    for round in 0..3 {
        let summary = m.sync_well();
        assert_eq!(summary.held.len(), 1, "round {round}");
        assert!(summary.held[0].1.as_str().contains("are not in it"), "{}", summary.held[0].1);
        assert_eq!(summary.counts.removed_there, 0);
        // What comes in makes the directory young again, and answers nothing.
        m.deliver(&inbox(), &mail(Some(&format!("later{round}")), &format!("later {round}")), "S");
        assert_eq!(m.sync_well().counts.removed_there, 0);
    }
    assert_eq!(m.server.messages(&inbox()).len(), 33);
    m.env.consent = Some(true);
    assert_eq!(m.sync_well().counts.removed_there, 2);
    m.sync_well();
    m.assert_met();
    // It is over: what is removed now is a wish.
    m.env.consent = None;
    remove(&m, "n3");
    let summary = m.sync_well();
    assert_eq!((summary.held.len(), summary.counts.removed_there), (0, 1));
}

#[test]
fn two_files_that_a_person_removes_are_removed_there_unasked() {
    let (m, _) = older_by_two();
    remove(&m, "n28");
    remove(&m, "n29");
    let summary = m.sync_well();
    assert_eq!((summary.held.len(), summary.counts.removed_there), (0, 2));
    m.assert_met();
}

#[test]
fn an_older_copy_that_lacks_nothing_is_asked_about_by_nobody() {
    let (m, then) = older_by_two();
    set_times(&then);
    assert!(m.sync_well().held.is_empty());
    remove(&m, "n5");
    let summary = m.sync_well();
    assert_eq!((summary.held.len(), summary.counts.removed_there), (0, 1));
}
