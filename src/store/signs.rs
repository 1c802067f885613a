//! Signs of life of another sync program in a mailbox: when it wrote last what it knows of it, and with
//! which epoch of the server. Only looks at the files of those programs, and changes none.
//!
//! mbsync rewrites its state only if something changed, but locks it in each run, which the directory
//! around it shows. `OfflineIMAP` rewrites its status only then too, and locks its own directory.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::adopt::{State, dotted, is_state_of, list, near_epoch, of_mbsync, text};
use super::name;
use crate::job::sync::Keeper;
use crate::mail::ids::UidValidity;
use crate::mail::mailbox::MailboxName;

/// The header of a state file ends within so many bytes.
const HEADER: u64 = 4096;
/// So many names are enough to see whose they are.
const SOME: usize = 64;

/// What another program left behind in one mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sign {
    /// Which program.
    pub keeper: Keeper,
    /// The epochs of the server that it may be about; none: it does not say.
    pub epochs: BTreeSet<UidValidity>,
    /// When it last wrote what it knows, or was at it, in nanoseconds since 1970.
    pub written: i64,
    /// When it may have run last, even if there was nothing to write: other things stir the directory too.
    pub stirred: i64,
}

/// Where other programs keep what they know outside the mail, listed once.
#[derive(Debug, Clone, Default)]
pub struct Signs {
    mbsync: Vec<PathBuf>,
    offlineimap: Vec<PathBuf>,
}

impl Signs {
    /// Those in this home directory.
    pub fn below(home: Option<&Path>) -> Self {
        let offlineimap = home.map(|home| list(&home.join(".offlineimap"))).unwrap_or_default();
        Self { mbsync: of_mbsync(home), offlineimap }
    }

    /// What another program left behind in the mailbox `name` in `directory`; of several signs the latest.
    pub fn of(&self, directory: &Path, name: &MailboxName) -> Option<Sign> {
        self.of_mbsync(directory, name).or_else(|| self.of_offlineimap(directory, name))
    }

    fn of_mbsync(&self, directory: &Path, name: &MailboxName) -> Option<Sign> {
        let near = near_epoch(directory)?;
        let own = directory.join(".mbsyncstate");
        let beside = self.mbsync.iter().filter(|path| is_state_of(path, name));
        let sign = |path: &PathBuf| {
            let state = State::parse(&header(path)?).filter(|state| state.near == near)?;
            // What lies beside it while the program is at work, and after it was killed.
            let about = [".lock", ".journal", ".new"].map(|end| {
                let mut beside = path.clone().into_os_string();
                beside.push(end);
                PathBuf::from(beside)
            });
            let written = about.iter().chain([path]).filter_map(|path| moved(path)).max()?;
            let stirred = path.parent().and_then(moved).unwrap_or(written).max(written);
            Some(Sign { keeper: Keeper::Mbsync, epochs: BTreeSet::from([state.far]), written, stirred })
        };
        [&own].into_iter().chain(beside).filter_map(sign).max_by_key(|sign| sign.written)
    }

    fn of_offlineimap(&self, directory: &Path, name: &MailboxName) -> Option<Sign> {
        let end = dotted(name);
        let status = |kind: &'static str| self.offlineimap.iter().map(move |below| below.join(kind));
        let all = status("LocalStatus-sqlite").chain(status("LocalStatus")).map(|below| below.join(&end));
        let written = all.filter_map(|path| moved(&path)).max()?;
        // It may keep another tree of the same server.
        if !is_numbered(directory) {
            return None;
        }
        let epoch = |below: &PathBuf| text(&below.join("FolderValidity").join(&end))?.trim().parse().ok();
        let epochs = self.offlineimap.iter().filter_map(epoch).filter_map(UidValidity::new).collect();
        let around = self.offlineimap.iter().filter_map(|below| moved(below.parent()?)).max();
        Some(Sign { keeper: Keeper::OfflineImap, epochs, written, stirred: around.unwrap_or(written).max(written) })
    }
}

/// Does this Maildir have names as `OfflineIMAP` gives them?
fn is_numbered(directory: &Path) -> bool {
    let names = |part: &str| fs::read_dir(directory.join(part)).into_iter().flatten().flatten().take(SOME);
    names("cur")
        .chain(names("new"))
        .any(|file| file.file_name().to_str().is_some_and(|it| name::folder_hash(it).is_some()))
}

/// When a file last changed.
fn moved(path: &Path) -> Option<i64> {
    let since = fs::metadata(path).ok()?.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_nanos()).ok()
}

/// The header of a state, and perhaps some of what follows.
fn header(path: &Path) -> Option<String> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(HEADER).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    fn age(path: &Path, seconds: u64) -> i64 {
        let moment = UNIX_EPOCH + Duration::from_secs(seconds);
        File::open(path).unwrap().set_modified(moment).unwrap();
        i64::try_from(seconds).unwrap() * 1_000_000_000
    }

    #[test]
    fn a_state_tells_when_it_was_written_and_a_lock_that_it_is_at_work() {
        let home = tempfile::tempdir().unwrap();
        let (mail, states) = (home.path().join("mail"), home.path().join(".mbsync"));
        fs::create_dir(&mail).unwrap();
        fs::create_dir(&states).unwrap();
        let sign = || Signs::below(Some(home.path())).of(&mail, &MailboxName::inbox());
        fs::write(mail.join(".uidvalidity"), "1700000000\n8\n").unwrap();
        assert_eq!(sign(), None);
        // Too long for a header, and it is cut in the middle of a line.
        let pairs = "1 1 S\n".repeat(2000);
        let state = format!("FarUidValidity 77\nNearUidValidity 1700000000\n\n{pairs}");
        let path = states.join(":far:INBOX_:near:INBOX");
        fs::write(&path, state.replace("1700000000", "1700000001")).unwrap();
        assert_eq!(sign(), None, "of another Maildir");
        fs::write(&path, state).unwrap();
        let (written, stirred) = (age(&path, 1000), age(&states, 2000));
        let found = sign().unwrap();
        assert_eq!((found.keeper, found.written, found.stirred), (Keeper::Mbsync, written, stirred));
        assert_eq!(found.epochs, BTreeSet::from([UidValidity::new(77).unwrap()]));
        let lock = states.join(":far:INBOX_:near:INBOX.lock");
        fs::write(&lock, "").unwrap();
        let locked = age(&lock, 3000);
        assert_eq!(sign().unwrap().written, locked);
    }

    #[test]
    fn the_status_of_offlineimap_is_a_sign_only_where_its_names_are() {
        let home = tempfile::tempdir().unwrap();
        let mail = home.path().join("mail");
        let status = home.path().join(".offlineimap/Account-a/LocalStatus-sqlite");
        let validity = home.path().join(".offlineimap/Repository-r/FolderValidity");
        for directory in [&mail.join("cur"), &mail.join("new"), &status, &validity] {
            fs::create_dir_all(directory).unwrap();
        }
        fs::write(validity.join("Lists.rust"), "1234").unwrap();
        fs::write(status.join("Lists.rust"), "").unwrap();
        let sign = || Signs::below(Some(home.path())).of(&mail, &MailboxName::new("Lists/rust").unwrap());
        assert_eq!(sign(), None);
        fs::write(mail.join("new/1_0.1.h,U=1,FMD5=7e33429f656f1e6e9d79b29c3f82c57e:2,"), "").unwrap();
        let found = sign().unwrap();
        assert_eq!((found.keeper, found.epochs.len()), (Keeper::OfflineImap, 1));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
        assert!(found.written <= found.stirred && i128::from(found.stirred) <= i128::try_from(now).unwrap());
    }
}
