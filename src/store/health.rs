//! Is a mailbox on disk as it should be? Looks at directories and names, opens no message, changes
//! nothing. What it finds is for `tern doctor` to tell.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::OnceLock;

use rustix::fs::Access;

use super::name::Entry;
use crate::fault::{Doing, Fault};
use crate::mail::ids::Timestamp;

/// The age from which a file in `tmp/` belongs to nobody any more (as other programs have it, too).
const STALE: i64 = 36 * 3600;

/// The state of one mailbox.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Health {
    /// Which of `cur`, `new` and `tmp` are not there.
    pub missing: Vec<&'static str>,
    /// Which of them may not be written into.
    pub read_only: Vec<&'static str>,
    /// May others on this machine look into it?
    pub open_to_others: bool,
    /// How many messages there are.
    pub messages: usize,
    /// How many files in `tmp/` nobody has written to for 36 hours.
    pub leftovers: usize,
    /// How many files have a name that no message can have, and one of them.
    pub odd: Option<(usize, String)>,
    /// How many names, or numbers of a server, are there more than once, and one of them.
    pub doubled: Option<(usize, String)>,
    /// When one of its directories changed last.
    pub changed: Timestamp,
}

/// Examines the mailbox in `directory`.
///
/// # Errors
/// It cannot be looked at.
pub fn examine(directory: &Path, now: Timestamp) -> Result<Health, Fault> {
    let failed = |error: &std::io::Error| Fault::io(Doing::Reading, &directory.to_string_lossy(), error);
    let about = directory.metadata().map_err(|e| failed(&e))?;
    let mut health = Health { open_to_others: about.mode() & 0o077 != 0, ..Health::default() };
    let mut names = Names::default();
    for part in ["cur", "new", "tmp"] {
        let path = directory.join(part);
        let Ok(about) = path.metadata() else {
            health.missing.push(part);
            continue;
        };
        health.changed = health.changed.max(Timestamp::new(about.mtime()));
        if !is_writable(&path, about.mode()) {
            health.read_only.push(part);
        }
        for file in fs::read_dir(&path).map_err(|e| failed(&e))? {
            let file = file.map_err(|e| failed(&e))?;
            if part == "tmp" {
                let age = file.metadata().map_or(0, |about| now.get() - about.mtime());
                health.leftovers += usize::from(age > STALE);
            } else {
                names.take(&file.file_name().to_string_lossy(), part == "new");
            }
        }
    }
    health.messages = names.messages;
    health.odd = names.odd;
    health.doubled = names.doubled;
    Ok(health)
}

/// May files be made there? The superuser may everywhere, so the owner's own bit is looked at too.
fn is_writable(path: &Path, mode: u32) -> bool {
    mode & 0o200 != 0 && rustix::fs::access(path, Access::WRITE_OK | Access::EXEC_OK).is_ok()
}

/// How many bytes stay free: below that nothing is fetched, so that what is written here has room.
/// 256 MiB, unless the variable `TERN_DISK_FLOOR` has another number of bytes, for disks that are small;
/// with 0 nothing is kept free.
pub fn floor() -> u64 {
    static FLOOR: OnceLock<u64> = OnceLock::new();
    let told = || std::env::var("TERN_DISK_FLOOR").ok()?.parse().ok();
    *FLOOR.get_or_init(|| told().unwrap_or(256 << 20))
}

/// How many bytes are free for the user where this lies; `None` where that cannot be told.
pub fn free_space(path: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(path).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// The names of a mailbox, taken in one by one.
#[derive(Default)]
struct Names {
    seen: BTreeSet<String>,
    numbers: BTreeSet<String>,
    messages: usize,
    odd: Option<(usize, String)>,
    doubled: Option<(usize, String)>,
}

impl Names {
    fn take(&mut self, name: &str, in_new: bool) {
        // Hidden files are other programs' own: dovecot-uidlist, .nfs…
        if name.starts_with('.') {
            return;
        }
        let Some(entry) = Entry::parse(name, in_new) else {
            count(&mut self.odd, name);
            return;
        };
        self.messages += 1;
        let number = entry.base().split_once(",U=").map(|(_, rest)| {
            let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            rest.get(..end).unwrap_or_default().to_owned()
        });
        let again = !self.seen.insert(entry.base().to_owned()) || number.is_some_and(|uid| !self.numbers.insert(uid));
        if again {
            count(&mut self.doubled, name);
        }
    }
}

fn count(place: &mut Option<(usize, String)>, name: &str) {
    match place {
        Some((count, _)) => *count += 1,
        None => *place = Some((1, name.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::PathBuf;

    use super::*;

    fn mailbox(files: &[&str]) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("INBOX");
        for part in ["cur", "new", "tmp"] {
            fs::create_dir_all(path.join(part)).unwrap();
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        for file in files {
            fs::write(path.join(file), "x").unwrap();
        }
        (dir, path)
    }

    #[test]
    fn a_good_mailbox_has_nothing_to_tell() {
        let (_dir, path) = mailbox(&["cur/1.a:2,S", "new/2.b", "cur/.hidden", "tmp/young"]);
        let health = examine(&path, Timestamp::new(0)).unwrap();
        assert!(health.changed.get() > 0);
        assert_eq!(health, Health { messages: 2, changed: health.changed, ..Health::default() });
        assert!(free_space(&path).is_some());
    }

    #[test]
    fn each_trouble_is_seen() {
        let (_dir, path) = mailbox(&["cur/1.a:2,S", "new/1.a", "cur/2.b,U=7:2,", "cur/3.c,U=7:2,", "tmp/old"]);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(path.join("new"), fs::Permissions::from_mode(0o500)).unwrap();
        let later = Timestamp::new(i64::from(u32::MAX));
        let health = examine(&path, later).unwrap();
        assert_eq!((health.messages, health.leftovers, health.open_to_others), (4, 1, true));
        assert_eq!(health.doubled.as_ref().map(|(count, _)| *count), Some(2), "one by name, one by number");
        assert_eq!(health.read_only, ["new"]);
        fs::remove_dir_all(path.join("tmp")).unwrap();
        assert_eq!(examine(&path, later).unwrap().missing, ["tmp"]);
        assert!(examine(&path.join("nowhere"), later).is_err());
    }
}
