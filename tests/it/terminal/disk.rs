//! A full disk and one that cannot be written, made of a small file system in memory. It takes the
//! right to mount; where that is refused these tests say so and end.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::{Session, World, account};
use crate::servers::dovecot::Dovecot;
use crate::support::letters::letter;
use crate::support::patience::becomes;

/// A file system in memory, gone when dropped.
struct Disk {
    at: PathBuf,
}

impl Disk {
    /// Mounts one at `at`; `None`: that is not permitted here.
    fn mount(at: PathBuf, options: &str) -> Option<Self> {
        fs::create_dir_all(&at).expect("a directory");
        let done = mount(&["-t", "tmpfs", "-o", options, "tmpfs"], &at);
        if !done {
            eprintln!("not tested: a file system may not be mounted here");
        }
        done.then_some(Self { at })
    }

    /// Changes it: its size, whether it can be written.
    fn becomes(&self, options: &str) {
        assert!(mount(&["-o", &format!("remount,{options}")], &self.at), "mounted before, it can be changed");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.at).status();
    }
}

fn mount(arguments: &[&str], at: &PathBuf) -> bool {
    let output = Command::new("mount").args(arguments).arg(at).output();
    output.is_ok_and(|output| output.status.success())
}

#[test]
fn a_disk_that_gets_full_is_said_so_loses_nothing_and_is_gone_on_with() {
    let dovecot = Dovecot::start();
    for number in 1..=80 {
        let _ = dovecot.deliver("ada", "INBOX", &letter(number));
    }
    let world = World::new(&account(&dovecot, "ada", ""));
    // There is room for bytes, but only for some files: the disk gets full within a batch.
    let Some(disk) = Disk::mount(world.path("mail"), "size=1g,nr_inodes=70") else { return };
    let mut tern = Session::start(&world, &[], 220, 35);
    tern.expect("No space left");
    tern.expect("free some space");
    // What is there is whole.
    let originals: Vec<Vec<u8>> = (1..=80).map(letter).collect();
    let files = world.files("mail/ada/INBOX");
    for path in &files {
        assert!(originals.contains(&fs::read(path).expect("a message")), "{} is cut", path.display());
    }
    assert!(files.len() < 80);
    // Somebody makes room, and it goes on without a key.
    disk.becomes("nr_inodes=1000");
    tern.expect("80 new/80");
    tern.expect_gone("No space left");
    becomes("all of it came", || world.files("mail/ada/INBOX").len(), &80);
    assert_eq!(dovecot.files("ada", "INBOX").len(), 80);

    // With next to nothing left, nothing more is fetched: the rest is for what is written here.
    disk.becomes("size=1m");
    let _ = dovecot.deliver("ada", "INBOX", &letter(81));
    tern.expect("nothing is fetched");
    disk.becomes("size=1g");
    tern.expect("81 new/81");
    tern.press("Q");
    assert!(tern.wait());
}

#[test]
fn a_disk_that_cannot_be_written_takes_no_star_and_says_so() {
    let dovecot = Dovecot::start();
    let _ = dovecot.deliver("ada", "INBOX", &letter(1));
    let world = World::new(&account(&dovecot, "ada", ""));
    let Some(disk) = Disk::mount(world.path("mail"), "size=1g") else { return };
    let mut tern = Session::start(&world, &[], 160, 35);
    tern.expect("1 new/1");
    disk.becomes("ro");
    tern.press("F");
    tern.expect("Read-only file system");
    tern.expect_gone("★");
    tern.press("\r");
    tern.expect("text of letter number 1");
    disk.becomes("rw");
    tern.press("F");
    tern.expect("★");
    let starred = || dovecot.flags("ada", "INBOX").iter().any(|(_, flags)| flags.contains("\\Flagged"));
    becomes("the server has the star", starred, &true);
}
