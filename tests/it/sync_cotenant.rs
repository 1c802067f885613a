//! Another program in the same Maildir: it renames files at full speed, flags on and off, from `new/`
//! to `cur/` and back, as mutt and notmuch do. One reading of a directory is then wrong again and
//! again; what the sync makes of its readings must never be. `TERN_LONG=1` gives it two minutes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tern::mail::flags::Flags;
use tern::mail::ids::{AccountId, RemoteId, Timestamp, Uid, UidValidity};
use tern::mail::mailbox::MailboxName;
use tern::mail::place::{MailboxId, UniqueName};
use tern::store::maildir::Maildir;
use tern::store::name::{self, Entry, Home};
use tern::store::scan::{Scan, scan};
use tern::sync::changes::{
    Agreed, Allows, Base, Identity, LocalFile, LocalListing, Present, ServerListing, diff_local, diff_server,
};
use tern::sync::plan::{Op, plan};
use tern::sync::worker::run_once;

use crate::support::histories::long;
use crate::support::meeting::{Meeting, letters, mail};

/// How many files the mailbox has whose scans are watched.
const FILES: u32 = 3000;
/// How many messages the account has that is synced meanwhile.
const MAILS: usize = 300;

/// How the other program goes about it.
#[derive(Debug, Clone, Copy)]
enum Pace {
    /// Without a pause.
    Full,
    /// All files, then a pause in which a listing may just come to its end, or not quite.
    Bursts,
}

/// The other program; it ends when it is dropped.
struct CoTenant {
    stop: Arc<AtomicBool>,
    renamed: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl CoTenant {
    fn moves_in(mailbox: &Path, pace: Pace) -> Self {
        let (stop, renamed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let thread = std::thread::spawn({
            let (mailbox, stop, renamed) = (mailbox.to_owned(), Arc::clone(&stop), Arc::clone(&renamed));
            move || {
                while !stop.load(Ordering::Relaxed) {
                    for file in files(&mailbox) {
                        let to = elsewhere(&mailbox, &file);
                        // Whoever is not alone may be late.
                        if !to.exists() && fs::rename(&file, &to).is_ok() {
                            renamed.fetch_add(1, Ordering::Relaxed);
                        }
                        if stop.load(Ordering::Relaxed) {
                            return;
                        }
                    }
                    if matches!(pace, Pace::Bursts) {
                        std::thread::sleep(Duration::from_millis(fastrand::u64(..60)));
                    }
                }
            }
        });
        Self { stop, renamed, thread: Some(thread) }
    }

    fn renamed(&self) -> u64 {
        self.renamed.load(Ordering::Relaxed)
    }
}

impl Drop for CoTenant {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

/// All files of a mailbox as one reading of its directories tells them: some may be missing.
fn files(mailbox: &Path) -> Vec<PathBuf> {
    let read = |part| fs::read_dir(mailbox.join(part)).unwrap().flatten().map(|file| file.path());
    ["new", "cur"].into_iter().flat_map(read).collect()
}

/// Where a file goes next: new mail is seen, what was seen is flagged, or new again.
fn elsewhere(mailbox: &Path, file: &Path) -> PathBuf {
    let name = file.file_name().unwrap().to_str().unwrap();
    let base = name.split(':').next().unwrap();
    if file.parent().unwrap().ends_with("cur") && fastrand::u8(..8) == 0 {
        return mailbox.join("new").join(base);
    }
    let info = ["", "F", "FS", "RS", "S"][fastrand::usize(..5)];
    mailbox.join("cur").join(format!("{base}:2,{info}"))
}

/// A mailbox of which both sides know every message, with the listing of its server.
struct Known {
    home: Home,
    maildir: Maildir,
    base: Base,
    server: ServerListing,
    names: BTreeSet<UniqueName>,
}

impl Known {
    fn new(directory: &Path) -> Self {
        for part in ["cur", "new", "tmp"] {
            fs::create_dir_all(directory.join(part)).unwrap();
        }
        let mailbox = MailboxId { account: AccountId::new("work"), name: MailboxName::inbox() };
        let epoch = UidValidity::new(7).unwrap();
        let mut rows = BTreeMap::new();
        for uid in (1..=FILES).map(|uid| Uid::new(uid).unwrap()) {
            let date = Some(Timestamp::new(1_700_000_000));
            let unique = name::fetched(&mailbox, &RemoteId::Uid(epoch, uid), date, 1);
            fs::write(directory.join(if uid.get() % 2 == 0 { "new" } else { "cur" }).join(unique.as_str()), "x")
                .unwrap();
            let identity = Identity { size: 1, ..Identity::default() };
            rows.insert(uid, Agreed { unique, flags: Flags::none(), identity });
        }
        Self {
            home: Home::of(&mailbox),
            maildir: Maildir::open(directory).unwrap(),
            names: rows.values().map(|row| row.unique.clone()).collect(),
            server: ServerListing {
                epoch,
                items: BTreeMap::new(),
                present: Present::Exactly(rows.keys().copied().collect()),
                allows: Allows::all(),
            },
            base: Base::new(Some(epoch), rows),
        }
    }

    /// What the sync would make of this reading: flags change, and nothing else does.
    fn judge(&self, seen: &Scan) {
        let names: BTreeSet<UniqueName> = seen.entries.iter().filter_map(Entry::unique).collect();
        assert_eq!(names.len(), seen.entries.len(), "each message once");
        if seen.complete {
            assert!(names == self.names, "{} of {FILES} in a complete listing", names.len());
        }
        let file = |entry: &Entry| {
            let origin = self.home.origin(entry.base()).and_then(|origin| Some((origin.validity?, origin.uid)));
            LocalFile { unique: entry.unique().unwrap(), flags: entry.flags(), origin }
        };
        let listing = LocalListing { files: seen.entries.iter().map(file).collect(), complete: seen.complete };
        let changes = diff_local(&listing, &self.base);
        assert!(changes.gone.is_empty(), "{} are taken for removed", changes.gone.len());
        assert!(changes.new.is_empty(), "{} are taken for new", changes.new.len());
        let plan = plan(&diff_server(&self.server, &self.base), &changes, &self.base);
        let other = plan.ops.iter().find(|op| !matches!(op, Op::Flags(_)));
        assert_eq!(other, None, "a renamed file is nothing but flags");
    }
}

/// Scans again and again while the other program is at work, and once after it.
fn scans_are_never_wrong(directory: &Path, pace: Pace, time: Duration) {
    let known = Known::new(directory);
    let co_tenant = CoTenant::moves_in(directory, pace);
    let until = Instant::now() + time;
    let (mut scans, mut complete, mut one_reading_wrong) = (0, 0, 0);
    while scans == 0 || Instant::now() < until {
        let seen = scan(&known.maildir).unwrap();
        known.judge(&seen);
        scans += 1;
        complete += u32::from(seen.complete);
        let bases = files(directory).into_iter().map(|file| name_of(&file)).collect::<Vec<_>>();
        let once: BTreeSet<&String> = bases.iter().collect();
        one_reading_wrong += u32::from(bases.len() != FILES as usize || once.len() != bases.len());
    }
    let renamed = co_tenant.renamed();
    drop(co_tenant);
    let quiet = scan(&known.maildir).unwrap();
    known.judge(&quiet);
    assert!(quiet.complete, "once nobody renames, the listing is whole again");
    eprintln!(
        "{}, {pace:?}: {renamed} renames; {scans} scans, {complete} complete, none wrong; \
         one reading alone was wrong {one_reading_wrong} times of {scans}",
        directory.display()
    );
}

fn name_of(file: &Path) -> String {
    file.file_name().unwrap().to_str().unwrap().split(':').next().unwrap().to_owned()
}

/// On the disk of temporary files, and in memory: directories are read in another order there.
#[test]
fn renamed_files_are_neither_removed_nor_new() {
    let homes = [Some(std::env::temp_dir()), Some(PathBuf::from("/dev/shm")).filter(|shm| shm.is_dir())];
    let homes: Vec<PathBuf> = homes.into_iter().flatten().collect();
    let whole = Duration::from_secs(if long() { 120 } else { 4 });
    let share = whole / u32::try_from(2 * homes.len()).unwrap();
    for home in homes {
        for pace in [Pace::Full, Pace::Bursts] {
            let home = tempfile::tempdir_in(&home).unwrap();
            scans_are_never_wrong(home.path(), pace, share);
        }
    }
}

/// The subjects of all mail on one side, sorted: how often each is there shows.
fn subjects(mails: Vec<(String, String, String)>) -> Vec<String> {
    let mut all: Vec<String> = mails
        .into_iter()
        .map(|(_, text, _)| text.lines().find_map(|line| line.strip_prefix("Subject: ")).unwrap().to_owned())
        .collect();
    all.sort();
    all
}

/// Rounds of sync while another program renames the files: mail comes in on both sides, flags change on
/// both sides, and nothing is removed or doubled on either.
#[test]
fn rounds_of_sync_among_renamed_files_remove_nothing() {
    let inbox = MailboxName::inbox();
    for pace in [Pace::Full, Pace::Bursts] {
        let meeting = Meeting::new();
        let mut all: Vec<String> = Vec::new();
        // Every third has no Message-ID, so that nothing but its name and its bytes tell what it is.
        let mut next = || {
            let text = format!("mail {:04}", all.len());
            let bytes = mail((!all.len().is_multiple_of(3)).then_some(text.replace(' ', "")).as_deref(), &text);
            all.push(text);
            bytes
        };
        for _ in 0..MAILS {
            meeting.deliver(&inbox, &next(), "");
        }
        meeting.sync_well();
        let co_tenant = CoTenant::moves_in(meeting.maildir(&inbox).path(), pace);
        let (mut busy, mut removed) = (0, 0);
        let rounds = if long() { 200 } else { 8 };
        for round in 0..rounds {
            meeting.deliver(&inbox, &next(), "");
            meeting.write(&inbox, &next(), "S");
            let uid = Uid::new(1 + round).unwrap();
            meeting.server.store(&inbox, uid, &letters("R"), &Flags::none());
            // As it is: no listing is helped by directories that look old.
            let summary = run_once(&meeting.env, &|_| {}).unwrap();
            busy += summary.faults.len();
            removed += summary.counts.removed_here + summary.counts.removed_there + summary.counts.moved;
            assert_eq!(removed, 0, "round {round}: {:?}", summary.counts);
        }
        let renamed = co_tenant.renamed();
        drop(co_tenant);
        meeting.sync().unwrap();
        meeting.sync_well();
        meeting.assert_met();
        assert!(meeting.quarantined().is_empty());
        all.sort();
        assert_eq!(subjects(meeting.there()), all, "each mail once on the server");
        eprintln!("{pace:?}: {rounds} rounds among {renamed} renames, {busy} files were passed over for now");
    }
}
