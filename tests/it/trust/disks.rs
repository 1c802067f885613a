//! Disks that run full at any write, and disks that fail to write: a clear word and what to do, nothing
//! torn, nothing lost on the server, no row without its file; and with room again both sides are equal.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::power::{damage, run};
use super::seed;
use super::turmoil::{PLACES, Turmoil, hash, letter, words};
use crate::servers::dovecot::Dovecot;
use crate::terminal::World;

/// A file system in memory; gone when dropped.
struct Memory {
    at: PathBuf,
}

impl Memory {
    /// Mounts one of so many KiB; where that is not permitted, says so and gives none.
    fn mount_at(at: &Path, size: u64) -> Option<Self> {
        match run("mount", &["-t", "tmpfs", "-o", &format!("size={size}k"), "tmpfs"], &[at]) {
            Ok(()) => Some(Self { at: at.to_owned() }),
            Err(why) => {
                eprintln!("not tested, it takes root: {why}");
                None
            }
        }
    }

    fn becomes(&self, size: u64) {
        run("mount", &["-o", &format!("remount,size={size}k")], &[&self.at])
            .expect("mounted before, it can be changed");
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        let _ = run("umount", &["-l"], &[&self.at]);
    }
}

/// A home on a disk of so many KiB, where tern keeps nothing free.
fn home(size: u64, config: &str) -> Option<(World, Memory)> {
    let dir = tempfile::Builder::new().prefix("tern-world-").tempdir().expect("a directory");
    let disk = Memory::mount_at(dir.path(), size)?;
    Some((World::within(dir, config).with_variable("TERN_DISK_FLOOR", "0"), disk))
}

/// Expects that it ended well, or said that the disk is full; says whether it was full.
fn was_full(output: &Output, when: &str) -> bool {
    let said = words(output);
    assert!(!said.contains("panicked"), "{when}: {said}");
    if output.status.success() {
        return false;
    }
    assert_eq!(output.status.code(), Some(74), "{when}: {said}");
    assert!(said.contains("free some space"), "{when}: {said}");
    assert!(said.contains("No space left") || said.contains("disk is full"), "{when}: {said}");
    true
}

fn expect_no_leftovers(world: &World, when: &str) {
    for place in PLACES {
        let left = fs::read_dir(world.path(&format!("mail/ada/{place}/tmp"))).into_iter().flatten().flatten();
        let ours: Vec<_> = left.map(|entry| entry.file_name()).collect();
        assert!(ours.is_empty(), "{when}: in the tmp of {place}: {ours:?}");
    }
}

#[test]
fn a_first_sync_that_fills_the_disk_says_so_and_goes_on_with_room() {
    let dovecot = Dovecot::start();
    for number in 1..=60 {
        let _ = dovecot.deliver("ada", "INBOX", &letter(number));
    }
    let wanted: std::collections::BTreeSet<_> = (1..=60).map(|number| hash(&letter(number))).collect();
    let mut full = 0;
    for size in [24, 60, 100, 130, 180, 240, 300, 400, 500, 600] {
        let when = format!("a disk of {size} KiB");
        let Some((world, disk)) = home(size, &Turmoil::config(dovecot.imap, "")) else { return };
        full += u32::from(was_full(&world.run(&["sync", "--quiet"]), &when));
        for path in world.files("mail/ada/INBOX") {
            assert!(wanted.contains(&hash(&fs::read(&path).expect("a message"))), "{when}: {} is cut", path.display());
        }
        expect_no_leftovers(&world, &when);
        disk.becomes(1 << 16);
        world.succeed(&["sync", "--quiet"]);
        assert_eq!(world.files("mail/ada/INBOX").len(), 60, "{when}");
        assert_eq!(world.succeed(&["sync"]), "", "{when}: nothing is left to do");
        let flags = dovecot.flags("ada", "INBOX");
        assert!(flags.len() == 60 && flags.iter().all(|(_, flags)| flags.is_empty()), "{when}: {flags:?}");
        drop(disk);
    }
    assert!(full >= 6, "{full} of 10 disks got full");
}

/// Takes all space but so many KiB, until dropped.
struct Ballast(PathBuf);

impl Ballast {
    fn leave(at: PathBuf, free: u64) -> Self {
        let mut file = File::create(&at).expect("a file");
        let mut length = 0;
        while let Ok(written) = file.write(&[7; 4096]) {
            length += written as u64;
        }
        file.set_len(length.saturating_sub(free << 10)).expect("our own file");
        Self(at)
    }
}

impl Drop for Ballast {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[test]
fn a_disk_that_gets_full_at_any_write_loses_and_doubles_nothing() {
    let dovecot = Dovecot::start();
    let Some((world, disk)) = home(1 << 14, &Turmoil::config(dovecot.imap, "")) else { return };
    let mut turmoil = Turmoil::new(60, seed(), world, dovecot);
    turmoil.world.succeed(&["sync", "--quiet"]);
    turmoil.learn_names();
    let levels = [0, 4, 8, 12, 20, 28, 40, 60, 90, 130];
    let mut full = 0;
    for free in levels {
        let when = format!("with {free} KiB free");
        turmoil.write_here(2);
        for _ in 0..3 {
            turmoil.arrive_there().expect("the second client is served");
            turmoil.change_there();
            turmoil.change_here();
        }
        turmoil.note(format!("-- {when}"));
        let ballast = Ballast::leave(turmoil.world.path("ballast"), free);
        full += u32::from(was_full(&turmoil.world.run(&["sync", "--quiet"]), &when));
        turmoil.learn_names();
        expect_no_leftovers(&turmoil.world, &when);
        drop(ballast);
        assert_eq!(damage(&turmoil), "", "seed {}, {when}", turmoil.seed);
        let output = turmoil.world.run(&["sync", "--quiet"]);
        assert!(output.status.success(), "seed {}, {when}: {}", turmoil.seed, words(&output));
        turmoil.learn_names();
    }
    turmoil.expect_peace();
    assert!(full >= 5, "{full} of {} got full", levels.len());
    drop(disk);
}

/// Which call fails, from which one on in each thread: one of each kind that makes things durable.
const FAILURES: [(&str, u32); 12] = [
    ("fsync", 1),
    ("fsync", 2),
    ("fsync", 3),
    ("fsync", 5),
    ("fdatasync", 1),
    ("fdatasync", 2),
    ("fdatasync", 4),
    ("syncfs", 1),
    ("renameat2", 1),
    ("renameat2", 3),
    ("rename,renameat", 1),
    ("linkat", 1),
];

#[test]
fn a_disk_that_fails_to_write_loses_and_doubles_nothing() {
    if let Err(why) = run("strace", &["-e", "inject=fsync:error=EIO:when=1", "true"], &[]) {
        eprintln!("not tested, it takes strace and the right to trace: {why}");
        return;
    }
    let dovecot = Dovecot::start();
    let world = World::new(&Turmoil::config(dovecot.imap, ""));
    let mut turmoil = Turmoil::new(30, seed(), world, dovecot);
    turmoil.world.succeed(&["sync", "--quiet"]);
    turmoil.learn_names();
    let mut failed = 0;
    for (call, nth) in FAILURES {
        for _ in 0..7 {
            turmoil.arrive_there().expect("the second client is served");
        }
        turmoil.write_here(2);
        for _ in 0..4 {
            turmoil.change_there();
            turmoil.change_here();
        }
        turmoil.note(format!("-- {call} {nth} fails"));
        let tern = turmoil.world.command(&["sync", "--quiet"]);
        let mut command = Command::new("strace");
        command.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={call}")]);
        command.args(["-e", &format!("inject={call}:error=EIO:when={nth}")]);
        let variables = turmoil.world.variables();
        command.arg(tern.get_program()).args(tern.get_args()).env_remove("TERN_CONFIG").envs(variables);
        let output = command.output().expect("strace runs");
        let said = words(&output);
        let when = format!("seed {}, {call} {nth}", turmoil.seed);
        assert!(!said.contains("panicked"), "{when}: {said}");
        if !output.status.success() {
            failed += 1;
            assert_eq!(output.status.code(), Some(74), "{when}: {said}");
            assert!(said.contains("look after the disk"), "{when}: {said}");
        }
        turmoil.learn_names();
        assert_eq!(damage(&turmoil), "", "{when}");
        expect_no_leftovers(&turmoil.world, &when);
        let output = turmoil.world.run(&["sync", "--quiet"]);
        assert!(output.status.success(), "{when}: {}", words(&output));
        turmoil.learn_names();
    }
    turmoil.expect_peace();
    assert!(failed >= 6, "{failed} of {} were noticed", FAILURES.len());
}
