//! Power cuts. Everything the program keeps lies on an ext4 in an image on an XFS; a copy of the image
//! that shares its blocks, taken at once while a sync is at work, is what a disk has after a cut. The
//! copy is mounted in its place, the journal is replayed, and what was acknowledged must be there.
//!
//! The copy has what the file system gave to its disk, in the order in which it did: it shows a missing
//! sync of a file or a directory. It does not show a disk that lies about what it has written.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::turmoil::{PLACES, Turmoil, hash, letter, words};
use super::{is_long, seed};
use crate::servers::dovecot::Dovecot;
use crate::support::patience::becomes;
use crate::support::stubs::{bring, every_third_large, is_stub};
use crate::terminal::{World, pop3_account};

/// A disk whose power can be cut; gone when dropped.
struct Disk {
    lab: TempDir,
    /// Where it is mounted.
    at: PathBuf,
    cuts: u32,
}

/// Runs a program; what it complained of.
pub(super) fn run(program: &str, arguments: &[&str], more: &[&Path]) -> Result<(), String> {
    let output = Command::new(program).args(arguments).args(more).output().map_err(|e| format!("{program}: {e}"))?;
    if output.status.success() { Ok(()) } else { Err(format!("{program}: {}", words(&output).trim())) }
}

impl Disk {
    /// Mounts a new one in a directory; where that cannot be done here, says why and gives none.
    fn mount_at(at: &Path) -> Option<Self> {
        let lab = tempfile::Builder::new().prefix("tern-disk-").tempdir().expect("a directory");
        let disk = Self { lab, at: at.to_owned(), cuts: 0 };
        match disk.make() {
            Ok(()) => Some(disk),
            Err(why) => {
                eprintln!("not tested, it takes root, loop devices, XFS and ext4: {why}");
                None
            }
        }
    }

    fn make(&self) -> Result<(), String> {
        let (outer, floor) = (self.lab.path().join("xfs"), self.lab.path().join("floor"));
        fs::create_dir(&floor).expect("a directory");
        // Both are sparse: only what is written takes space.
        let sparse = |path: &Path, size: u64| File::create(path).and_then(|file| file.set_len(size)).expect("a file");
        sparse(&outer, 3 << 30);
        run("mkfs.xfs", &["-q", "-m", "reflink=1"], &[&outer])?;
        run("mount", &["-o", "loop"], &[&outer, &floor])?;
        sparse(&self.image(), 1 << 30);
        run("mkfs.ext4", &["-q", "-F", "-J", "size=8", "-N", "60000"], &[&self.image()])?;
        self.mount()
    }

    fn image(&self) -> PathBuf {
        self.lab.path().join(format!("floor/{}.img", self.cuts))
    }

    fn mount(&self) -> Result<(), String> {
        run("mount", &["-o", "loop,noinit_itable"], &[&self.image(), &self.at])
    }

    /// Cuts its power while `child` works, if one does: that one does nothing any more, though what it
    /// has sent is still on its way.
    fn cut(&mut self, child: Option<&mut Child>) {
        let next = self.lab.path().join(format!("floor/{}.img", self.cuts + 1));
        let pid = child.as_ref().and_then(|child| Pid::from_raw(i32::try_from(child.id()).ok()?));
        if let Some(pid) = pid {
            // One that is inside of a sync stops there, and the sync goes on: as in a real cut.
            kill_process(pid, Signal::STOP).expect("our own child");
        }
        run("cp", &["--reflink=always"], &[&self.image(), &next]).expect("a copy that shares its blocks");
        if let Some(child) = child {
            child.kill().expect("our own child");
            child.wait().expect("our own child");
        }
    }

    /// Mounts what a disk has after the cut.
    fn comes_back(&mut self) {
        let limit = Instant::now() + Duration::from_secs(10);
        while let Err(busy) = run("umount", &[], &[&self.at]) {
            assert!(Instant::now() < limit, "{busy}");
            std::thread::sleep(Duration::from_millis(10));
        }
        fs::remove_file(self.image()).expect("our own image");
        self.cuts += 1;
        self.mount().expect("what could be mounted before can be mounted again");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        for at in [&self.at, &self.lab.path().join("floor")] {
            let _ = run("umount", &["-l"], &[at]);
        }
    }
}

/// A home on a disk whose power can be cut. The disk must be dropped first.
fn home_on_disk(config: &str) -> Option<(World, Disk)> {
    let dir = tempfile::Builder::new().prefix("tern-world-").tempdir().expect("a directory");
    let disk = Disk::mount_at(dir.path())?;
    let world = World::within(dir, config);
    // What the test put there is older than the cuts.
    rustix::fs::sync();
    Some((world, disk))
}

#[test]
fn the_disk_keeps_what_was_synced_and_nothing_else() {
    let dir = tempfile::tempdir().expect("a directory");
    let Some(mut disk) = Disk::mount_at(dir.path()) else { return };
    let path = |name: &str| dir.path().join(name);
    fs::create_dir(path("cur")).expect("a directory");
    fs::write(path("cur/synced"), "text").expect("a file");
    File::open(path("cur/synced")).and_then(|file| file.sync_all()).expect("a sync");
    for directory in [path("cur"), dir.path().to_owned()] {
        File::open(directory).and_then(|directory| directory.sync_all()).expect("a sync");
    }
    fs::write(path("cur/not-synced"), "text").expect("a file");
    disk.cut(None);
    disk.comes_back();
    assert_eq!(fs::read(path("cur/synced")).expect("it was synced"), b"text");
    assert_ne!(fs::read(path("cur/not-synced")).unwrap_or_default(), b"text", "or the cut would prove nothing");
}

/// What is wrong with the disk after a cut, a line each: files that are no whole letter, and rows of the
/// ledger without their file that nobody took away, which would be removed on the server.
pub(super) fn damage(turmoil: &Turmoil) -> String {
    let mut out = String::new();
    let whole: BTreeSet<[u8; 32]> = turmoil.letters.keys().map(|number| hash(&letter(*number))).collect();
    let (mut bases, mut there) = (BTreeSet::new(), BTreeSet::new());
    for place in PLACES {
        for path in turmoil.world.files(&format!("mail/ada/{place}")) {
            let bytes = fs::read(&path).expect("a message");
            if !whole.contains(&hash(&bytes)) {
                writeln!(out, "{}: {} bytes that are no whole letter", path.display(), bytes.len()).expect("a String");
            }
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            let base = name.split(":2,").next().unwrap_or_default().to_owned();
            there.extend(turmoil.numbers.get(&base).map(|number| (place.to_owned(), *number)));
            bases.insert(base);
        }
    }
    for (place, base) in rows(&turmoil.world) {
        let number = turmoil.numbers.get(&base);
        let meant = number.and_then(|number| turmoil.letters[number].place);
        // It may have been moved away and back, and have another name since.
        let is_back = number.is_some_and(|number| there.contains(&(place.clone(), *number)));
        if !bases.contains(&base) && !is_back && (number.is_none() || meant == Some(place.as_str())) {
            writeln!(out, "the ledger says that {base} (letter {number:?}) is in {place}").expect("a String");
        }
    }
    out
}

/// The rows of the ledger: mailbox and base name. Read from a copy, so that reading mends nothing.
fn rows(world: &World) -> Vec<(String, String)> {
    let copy = tempfile::tempdir().expect("a directory");
    for name in ["ledger.db", "ledger.db-wal"] {
        let from = world.path(&format!("data/tern/{name}"));
        if from.exists() {
            fs::copy(from, copy.path().join(name)).expect("a copy");
        }
    }
    if !copy.path().join("ledger.db").exists() {
        return Vec::new();
    }
    let ledger = rusqlite::Connection::open(copy.path().join("ledger.db")).expect("a ledger");
    // Cut before it was made, it has no tables yet.
    let Ok(mut all) = ledger.prepare("SELECT m.name, b.name FROM base b JOIN mailbox m ON m.key = b.mailbox") else {
        return Vec::new();
    };
    let rows = all.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("rows");
    rows.map(|row| row.expect("a row")).collect()
}

/// Queues a letter to be sent; what was acknowledged, by its subject.
fn queue(world: &World, number: usize) -> String {
    let subject = format!("Sent {number}.");
    let mut command = world.command(&["send", "--queue-only", "bob@example.net"]);
    let mut tern = command.stdin(Stdio::piped()).spawn().expect("tern starts");
    let text = format!("Subject: {subject}\n\nhello\n");
    tern.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("it reads");
    assert!(tern.wait().expect("our own child").success(), "it was queued");
    subject
}

/// The letters that wait to be sent: id and the line that shows them.
fn queued(world: &World) -> Vec<(String, String)> {
    let told = world.succeed(&["outbox", "list"]);
    told.lines().map(|line| (line.split(' ').next().unwrap_or_default().to_owned(), line.to_owned())).collect()
}

fn empty_outbox(world: &World) {
    for (id, _) in queued(world) {
        world.succeed(&["outbox", "rm", &id]);
    }
}

/// Lets the program run so long while both sides change; says whether it came to its end.
fn let_run(turmoil: &mut Turmoil, tern: &mut Child, time: Duration) -> bool {
    let end = Instant::now() + time;
    while Instant::now() < end {
        if tern.try_wait().expect("our own child").is_some() {
            return true;
        }
        match turmoil.dice.u8(0..60) {
            0 => turmoil.change_there(),
            1 => turmoil.change_here(),
            _ => std::thread::sleep(Duration::from_micros(700)),
        }
    }
    false
}

const SYNC: [&str; 3] = ["sync", "--quiet", "--no-send"];

#[test]
fn what_was_acknowledged_is_there_after_a_power_cut() {
    let (letters, cuts) = if is_long() { (2_000, 150) } else { (300, 12) };
    let begun = Instant::now();
    let dovecot = Dovecot::start();
    let smtp = "smtp = { host = \"127.0.0.1\", port = 9, user = \"ada\", tls = \"plain\" }";
    let Some((world, disk)) = home_on_disk(&Turmoil::config(dovecot.imap, smtp)) else { return };
    let mut turmoil = Turmoil::new(letters, seed(), world, dovecot);
    // Dropped before the home that it is mounted on.
    let mut disk = disk;
    turmoil.durable = true;
    let (mut at_work, mut acknowledged) = (0, 0);
    let mut length = Duration::from_millis(400 + u64::from(letters) * 2);
    for cut in 0..cuts {
        for _ in 0..turmoil.dice.u8(0..4) {
            if turmoil.dice.bool() { turmoil.change_there() } else { turmoil.change_here() }
        }
        let mut waiting = Vec::new();
        if cut % 3 == 0 {
            waiting.push(queue(&turmoil.world, cut));
        }
        let mut command = turmoil.world.command(&SYNC);
        let at = Instant::now();
        let mut tern = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("tern starts");
        let time = length.mul_f64(turmoil.dice.f64());
        let ended = let_run(&mut turmoil, &mut tern, time);
        if ended {
            length = at.elapsed();
        }
        if cut % 3 == 1 {
            waiting.push(queue(&turmoil.world, cut));
        }
        disk.cut((!ended).then_some(&mut tern));
        turmoil.learn_names();
        disk.comes_back();
        at_work += u32::from(!ended);
        turmoil.note(format!("-- {cut}: cut {}", if ended { "after its end" } else { "at work" }));
        let damage = damage(&turmoil);
        assert!(damage.is_empty(), "seed {}, cut {cut}:\n{damage}\n{}", turmoil.seed, turmoil.course.join("\n"));
        let queued = queued(&turmoil.world);
        for subject in &waiting {
            assert!(queued.iter().any(|(_, line)| line.contains(subject)), "cut {cut}: {subject} waits: {queued:?}");
            acknowledged += 1;
        }
        if turmoil.dice.u8(0..5) == 0 {
            let output = turmoil.world.run(&SYNC);
            assert!(output.status.success(), "seed {}, cut {cut}: {}", turmoil.seed, words(&output));
            turmoil.learn_names();
        }
    }
    empty_outbox(&turmoil.world);
    turmoil.expect_peace();
    eprintln!(
        "{letters} letters, {cuts} power cuts, {at_work} at work, {acknowledged} letters waited to be sent, seed {}: \
         equal after {:.0?}; {}",
        turmoil.seed,
        begun.elapsed(),
        turmoil.tally()
    );
    drop(disk);
}

/// Every third one is over the account's limit.
fn pop3_letter(number: u32) -> Vec<u8> {
    every_third_large(number, letter(number))
}

/// Wishes for the rest of stubs here, as another program would that marks them as important.
fn flag_stubs(world: &World, chosen: &mut dyn FnMut() -> bool) {
    for path in world.files("mail/pat/INBOX").into_iter().filter(|path| is_stub(path) && chosen()) {
        bring(&path, &world.path("mail/pat/INBOX/cur"), "F");
    }
}

#[test]
fn what_pop3_removed_on_the_server_is_there_after_a_power_cut() {
    let cuts = if is_long() { 50 } else { 5 };
    let dovecot = Dovecot::start();
    let account = pop3_account(&dovecot, "pat", "delete = \"at-once\"");
    let account = format!("{account}\n[accounts.pat.sync]\nmax_size = \"10K\"\n");
    let Some((world, disk)) = home_on_disk(&account) else { return };
    let mut disk = { disk };
    let mut dice = fastrand::Rng::with_seed(seed());
    let mut wanted = BTreeSet::new();
    let read = |files: Vec<PathBuf>| -> Vec<[u8; 32]> {
        let whole = files.iter().filter(|path| !is_stub(path));
        whole.filter_map(|path| Some(hash(&fs::read(path).ok()?))).collect()
    };
    let mut next = 1;
    for cut in 0..cuts {
        for _ in 0..dice.u32(1..60) {
            let _ = dovecot.deliver("pat", "INBOX", &pop3_letter(next));
            wanted.insert(hash(&pop3_letter(next)));
            next += 1;
        }
        flag_stubs(&world, &mut || dice.bool());
        let mut command = world.command(&SYNC);
        let mut tern = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("tern starts");
        std::thread::sleep(Duration::from_millis(dice.u64(5..300)));
        let ended = tern.try_wait().expect("our own child").is_some();
        disk.cut((!ended).then_some(&mut tern));
        disk.comes_back();
        let here = read(world.files("mail/pat/INBOX"));
        assert!(here.iter().all(|hash| wanted.contains(hash)), "cut {cut}: what is here is whole");
        // What it sent before the cut may be done only now; a session that ended has done it. A session at work
        // renames files, which a listing passes over; what is lost stays so, since nobody delivers now.
        let lost = || {
            let there = read(dovecot.files("pat", "INBOX"));
            wanted.iter().filter(|hash| !here.contains(hash) && !there.contains(hash)).count()
        };
        becomes(&format!("what is lost by cut {cut}, seed {}", seed()), lost, &0);
    }
    let limit = Instant::now() + Duration::from_secs(30);
    let mut all_flagged = false;
    loop {
        if world.run(&SYNC).status.success() {
            if all_flagged {
                break;
            }
            flag_stubs(&world, &mut || true);
            all_flagged = true;
        }
        assert!(Instant::now() < limit, "{}", dovecot.log());
        std::thread::sleep(Duration::from_millis(100));
    }
    let mut here = read(world.files("mail/pat/INBOX"));
    here.sort_unstable();
    assert_eq!(here, wanted.into_iter().collect::<Vec<_>>(), "each is here once and whole");
    assert_eq!(dovecot.files("pat", "INBOX").len(), 0);
    drop(disk);
}
