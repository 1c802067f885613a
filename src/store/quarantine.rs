//! Where files go that `sync` removes because the server no longer has them: a dated directory
//! below the data directory, out of other programs' sight. The user can take them back for 14 days.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use crate::fault::{Doing, Fault, Scope};
use crate::mail::ids::Timestamp;
use crate::mail::place::MailboxId;

use super::maildir::{Maildir, copy_durably, rename_new};
use super::name::Entry;

/// How long files are kept, in days.
const DAYS: i64 = 14;
/// A clock that is this many days past the newest file is not believed.
const ABSURD: i64 = 400;

/// The place for removed files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantine {
    directory: PathBuf,
}

/// One day's directory for one mailbox, open.
#[derive(Debug)]
pub struct Shelf {
    path: PathBuf,
    fd: OwnedFd,
}

impl Quarantine {
    /// Below the program's data directory.
    pub fn below(data: &Path) -> Self {
        Self { directory: data.join("quarantine") }
    }

    /// Makes the directory of `today` for a mailbox, durably.
    pub fn shelf(&self, mailbox: &MailboxId, today: Timestamp) -> Result<Shelf, Fault> {
        let safe = |text: &str| -> String {
            let text = text.strip_prefix('.').map_or(text.to_owned(), |rest| format!("_{rest}"));
            text.chars().map(|c| if c.is_control() || c == '/' { '_' } else { c }).take(60).collect()
        };
        let leaf = format!("{}.{}", safe(mailbox.account.as_str()), safe(mailbox.name.as_str()));
        let path = self.directory.join(day(today)).join(leaf);
        let open = || -> io::Result<OwnedFd> {
            DirBuilder::new().recursive(true).mode(0o700).create(&path)?;
            for above in path.ancestors().skip(1).take(3) {
                File::open(above)?.sync_all()?;
            }
            Ok(OwnedFd::from(File::open(&path)?))
        };
        match open() {
            Ok(fd) => Ok(Shelf { path, fd }),
            Err(error) => Err(Fault::io(Doing::Storing, &path.to_string_lossy(), &error).scope(Scope::Mailbox)),
        }
    }

    /// Removes what has lain here for more than 14 days; gives the number of days removed. Where
    /// the clock has jumped ahead absurdly, nothing is removed.
    pub fn purge(&self, now: Timestamp) -> Result<usize, Fault> {
        let fault = |e: io::Error| Fault::io(Doing::Storing, &self.directory.to_string_lossy(), &e);
        let entries = match fs::read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            Err(error) => return Err(fault(error)),
        };
        let days: Vec<String> =
            entries.flatten().filter_map(|e| e.file_name().into_string().ok()).filter(|n| is_day(n)).collect();
        if days.iter().max().is_none_or(|newest| *newest < day(now.plus(-ABSURD * 86_400))) {
            return Ok(0);
        }
        let last = day(now.plus(-DAYS * 86_400));
        let mut purged = 0;
        for old in days.iter().filter(|name| **name < last) {
            fs::remove_dir_all(self.directory.join(old)).map_err(fault)?;
            purged += 1;
        }
        Ok(purged)
    }
}

impl Shelf {
    /// Takes a file out of a mailbox; gives its new path, `None` if it was gone. Durable after
    /// [`Shelf::settle`] and [`Maildir::settle`], in this order.
    pub fn take(&self, maildir: &Maildir, entry: &Entry) -> Result<Option<PathBuf>, Fault> {
        let taken = maildir.give(entry, &self.fd)?;
        Ok(taken.map(|name| self.path.join(name)))
    }

    /// Makes what was taken durable.
    pub fn settle(&self) -> Result<(), Fault> {
        rustix::fs::fsync(&self.fd).map_err(|e| Fault::io(Doing::Storing, &self.path.to_string_lossy(), &e.into()))
    }
}

/// Moves a file into a directory of any file system; where its name is taken, a number is added.
pub(super) fn hand_over(
    from: &OwnedFd,
    open: impl Fn() -> io::Result<File>,
    old: &str,
    to: &OwnedFd,
) -> io::Result<String> {
    for number in 0..100_u32 {
        let new = if number == 0 { old.to_owned() } else { format!("{old}.{number}") };
        let done = match rename_new(from, old, to, &new) {
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => copy_durably(open()?, to, to, &new)
                .and_then(|()| Ok(rustix::fs::unlinkat(from, old, rustix::fs::AtFlags::empty())?)),
            other => other,
        };
        match done {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
            Ok(()) => return Ok(new),
        }
    }
    Err(io::Error::from(io::ErrorKind::AlreadyExists))
}

/// `2026-11-21`, in UTC.
fn day(at: Timestamp) -> String {
    jiff::Timestamp::from_second(at.get())
        .map_or_else(|_| "1970-01-01".to_owned(), |t| t.strftime("%Y-%m-%d").to_string())
}

fn is_day(name: &str) -> bool {
    name.len() == 10 && name.parse::<jiff::civil::Date>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::flags::Flags;
    use crate::mail::ids::AccountId;
    use crate::mail::mailbox::MailboxName;
    use crate::store::maildir::fresh;

    #[test]
    fn files_lie_two_weeks_and_an_absurd_clock_removes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("mail/cur")).unwrap();
        let maildir = Maildir::open(&dir.path().join("mail")).unwrap();
        let quarantine = Quarantine::below(dir.path());
        let today = Timestamp::new(1_800_000_000);
        let mailbox = MailboxId { account: AccountId::new("../work"), name: MailboxName::new("..//\u{53f0}").unwrap() };
        let shelf = quarantine.shelf(&mailbox, today).unwrap();
        let entry = maildir.deliver(&fresh(None), &Flags::none(), b"mail").unwrap().entry;
        let path = shelf.take(&maildir, &entry).unwrap().unwrap();
        shelf.settle().unwrap();
        assert!(path.starts_with(dir.path().join("quarantine/2027-01-15")), "{}", path.display());
        assert_eq!(fs::read(&path).unwrap(), b"mail");
        assert_eq!(shelf.take(&maildir, &entry).unwrap(), None, "it is taken only once");
        let days = |n: i64| today.plus(n * 86_400);
        for (now, purged) in [(days(0), 0), (days(14), 0), (days(2000), 0), (days(-2000), 0), (days(15), 1)] {
            assert_eq!(quarantine.purge(now).unwrap(), purged, "{now:?}");
        }
        assert!(!path.exists());
    }

    #[test]
    fn a_taken_name_gets_a_number() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("mail/cur")).unwrap();
        let maildir = Maildir::open(&dir.path().join("mail")).unwrap();
        let mailbox = MailboxId { account: AccountId::new("a"), name: MailboxName::inbox() };
        let shelf = Quarantine::below(dir.path()).shelf(&mailbox, Timestamp::new(0)).unwrap();
        let unique = fresh(None);
        for text in ["one", "two"] {
            let entry = maildir.deliver(&unique, &Flags::none(), text.as_bytes()).unwrap().entry;
            let path = shelf.take(&maildir, &entry).unwrap().unwrap();
            assert_eq!(fs::read(path).unwrap(), text.as_bytes());
        }
    }
}
