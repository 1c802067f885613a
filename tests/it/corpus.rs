//! Real mail, where some is at hand: `TERN_TEST_CORPUS` names a directory of Maildirs. Each goes into
//! a mailbox of Dovecot; what `tern sync` makes of it must be the same, every message must open, and
//! the index must read all of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use sha2::{Digest as _, Sha256};
use tern::mail::reader;

use crate::servers::dovecot::Dovecot;
use crate::terminal::{World, account};

/// How long one message may take to be opened; in the slow build of tests.
const LONGEST: Duration = Duration::from_secs(10);

fn messages(maildir: &Path) -> Vec<PathBuf> {
    let parts = ["cur", "new"].map(|part| fs::read_dir(maildir.join(part)));
    parts.into_iter().flatten().flatten().map(|entry| entry.expect("an entry").path()).collect()
}

/// How often each message is there, by the hash of its canonical form: all line ends CRLF.
fn hashes(files: &[PathBuf]) -> BTreeMap<Vec<u8>, usize> {
    let mut found = BTreeMap::new();
    for path in files {
        let mut canonical = Vec::new();
        for byte in fs::read(path).expect("a message") {
            if byte == b'\n' && canonical.last() != Some(&b'\r') {
                canonical.push(b'\r');
            }
            canonical.push(byte);
        }
        *found.entry(Sha256::digest(canonical).to_vec()).or_insert(0) += 1;
    }
    found
}

#[test]
fn real_mail_comes_whole_opens_and_is_indexed() {
    let Some(corpus) = std::env::var_os("TERN_TEST_CORPUS").map(PathBuf::from) else { return };
    let dovecot = Dovecot::start();
    let mut mailboxes = Vec::new();
    for entry in fs::read_dir(&corpus).expect("the corpus") {
        let source = entry.expect("an entry").path();
        let name = source.file_name().expect("a name").to_str().expect("text").to_owned();
        let target = dovecot.maildir("ada", &name);
        for part in ["cur", "new", "tmp"] {
            fs::create_dir_all(target.join(part)).expect("a directory");
        }
        for (number, path) in messages(&source).into_iter().enumerate() {
            fs::copy(&path, target.join("cur").join(format!("17000{number:05}.M1P1.test:2,"))).expect("a copy");
        }
        mailboxes.push(name);
    }
    dovecot.hand_over("ada");
    let world = World::new(&account(&dovecot, "ada", ""));
    let began = Instant::now();
    world.succeed(&["sync", "--quiet"]);
    let synced = began.elapsed();
    let (mut count, mut bytes, mut worst) = (0, 0, (Duration::ZERO, PathBuf::new()));
    for name in &mailboxes {
        let here = world.files(&format!("mail/ada/{name}"));
        assert_eq!(hashes(&here), hashes(&dovecot.files("ada", name)), "{name}");
        for path in here {
            let message = fs::read(&path).expect("a message");
            let began = Instant::now();
            let document = reader::document(&message, 100, &TimeZone::UTC);
            let took = began.elapsed();
            assert!(took < LONGEST, "{} took {took:?}", path.display());
            assert!(document.lines.len() < 2_000_000, "{}", path.display());
            worst = worst.max((took, path));
            (count, bytes) = (count + 1, bytes + message.len());
        }
    }
    let began = Instant::now();
    let rebuilt = world.succeed(&["index", "--rebuild"]);
    eprintln!(
        "{count} messages, {bytes} bytes: synced and indexed in {synced:?}, index rebuilt in {:?} ({}), slowest to open \
         {:?}: {}",
        began.elapsed(),
        rebuilt.trim(),
        worst.0,
        worst.1.display()
    );
}
