//! The journal of drafts: what is being typed, kept on disk so that a crash costs seconds. Each
//! keeping writes a new file beside the older ones, of which the last few stay; a file that is not
//! whole is set aside and the one before it read. A file is the draft's line of JSON and a line with
//! its SHA-256.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::fault::{Doing, Fault, Scope};
use crate::mail::draft::Draft;
use crate::mail::journal;

/// How many versions of a draft stay.
const VERSIONS: usize = 5;
/// How files of the journal end.
const END: &str = ".draft";
/// How a file ends that is not whole.
const DAMAGED: &str = ".damaged";

/// The journal: a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Journal {
    directory: PathBuf,
}

/// What lies in the journal.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Found {
    /// The newest whole version of each draft, sorted by id.
    pub drafts: Vec<Draft>,
    /// Files that are not whole; they were set aside.
    pub damaged: Vec<PathBuf>,
}

impl Journal {
    /// Below the program's data directory.
    pub fn below(data: &Path) -> Self {
        Self { directory: data.join("drafts") }
    }

    /// Keeps a draft durably; older versions beyond the last few are dropped.
    pub fn keep(&self, draft: &Draft) -> Result<(), Fault> {
        self.try_keep(draft).map_err(|e| self.fault(&e))
    }

    fn try_keep(&self, draft: &Draft) -> io::Result<()> {
        if !is_id(&draft.id) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the draft's id is no file name"));
        }
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
        let versions = self.versions()?.remove(&draft.id).unwrap_or_default();
        let next = versions.last().map_or(1, |last| last + 1);
        let path = self.path(&draft.id, next);
        let unfinished = path.with_extension("unfinished");
        let written = write_synced(&unfinished, &encode(draft)).and_then(|()| fs::rename(&unfinished, &path));
        if let Err(error) = written {
            let _ = fs::remove_file(&unfinished);
            return Err(error);
        }
        self.sync()?;
        let surplus = (versions.len() + 1).saturating_sub(VERSIONS);
        for old in versions.into_iter().take(surplus) {
            remove(&self.path(&draft.id, old))?;
        }
        Ok(())
    }

    /// Drops a draft with all its versions. It is no error if there is none.
    pub fn discard(&self, id: &str) -> Result<(), Fault> {
        let run = || -> io::Result<()> {
            for version in self.versions()?.remove(id).unwrap_or_default() {
                remove(&self.path(id, version))?;
            }
            if self.directory.is_dir() { self.sync() } else { Ok(()) }
        };
        run().map_err(|e| self.fault(&e))
    }

    /// Lists the drafts of an earlier run. What was never finished is dropped, what is not whole is
    /// set aside under another name.
    pub fn list(&self) -> Result<Found, Fault> {
        self.try_list().map_err(|e| self.fault(&e))
    }

    /// When a draft was kept last, by the clock of the disk.
    pub fn kept_at(&self, id: &str) -> Option<std::time::SystemTime> {
        let last = self.versions().ok()?.remove(id)?.pop()?;
        fs::metadata(self.path(id, last)).and_then(|about| about.modified()).ok()
    }

    fn try_list(&self) -> io::Result<Found> {
        let mut found = Found::default();
        for (id, versions) in self.versions()? {
            for version in versions.into_iter().rev() {
                let path = self.path(&id, version);
                if let Some(draft) = decode(&fs::read(&path)?).filter(|draft| draft.id == id) {
                    found.drafts.push(draft);
                    break;
                }
                let mut aside = path.clone().into_os_string();
                aside.push(DAMAGED);
                fs::rename(&path, &aside)?;
                found.damaged.push(PathBuf::from(aside));
            }
        }
        Ok(found)
    }

    /// The versions of each draft, oldest first.
    fn versions(&self) -> io::Result<BTreeMap<String, Vec<u64>>> {
        let mut all: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        let entries = match fs::read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(all),
            Err(error) => return Err(error),
        };
        for entry in entries {
            let name = entry?.file_name();
            let Some((id, version)) = name.to_str().and_then(|n| n.strip_suffix(END)).and_then(|n| n.rsplit_once('.'))
            else {
                continue;
            };
            if let Some(version) = version.parse().ok().filter(|_| is_id(id)) {
                all.entry(id.to_owned()).or_default().push(version);
            }
        }
        for versions in all.values_mut() {
            versions.sort_unstable();
        }
        Ok(all)
    }

    fn path(&self, id: &str, version: u64) -> PathBuf {
        self.directory.join(format!("{id}.{version}{END}"))
    }

    fn sync(&self) -> io::Result<()> {
        File::open(&self.directory)?.sync_all()
    }

    fn fault(&self, error: &io::Error) -> Fault {
        Fault::io(Doing::Storing, &self.directory.to_string_lossy(), error).scope(Scope::Program)
    }
}

fn is_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= 100 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

fn encode(draft: &Draft) -> String {
    let line = journal::write(draft);
    let sum = checksum(&line);
    format!("{line}\n{sum}\n")
}

fn decode(bytes: &[u8]) -> Option<Draft> {
    let text = std::str::from_utf8(bytes).ok()?.strip_suffix('\n')?;
    let (line, sum) = text.rsplit_once('\n')?;
    if checksum(line) == sum { journal::read(line) } else { None }
}

fn checksum(line: &str) -> String {
    let mut out = String::from("sha256 ");
    for byte in Sha256::digest(line.as_bytes()) {
        // Writing into a string cannot fail.
        let _ = write!(out, "{byte:02x}");
    }
    out
}

fn write_synced(path: &Path, text: &str) -> io::Result<()> {
    let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::address::Address;
    use crate::mail::ids::{AccountId, Timestamp};

    fn draft(id: &str, body: &str) -> Draft {
        Draft {
            body: body.to_owned(),
            ..Draft::new(id.to_owned(), AccountId::new("work"), Address::default(), Timestamp::new(1))
        }
    }

    #[test]
    fn the_newest_version_comes_back_and_few_stay() {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::below(dir.path());
        assert_eq!(journal.list().unwrap(), Found::default());
        for n in 0..12 {
            journal.keep(&draft("a-1", &format!("{n}\nx"))).unwrap();
        }
        journal.keep(&draft("b", "other")).unwrap();
        assert_eq!(fs::read_dir(dir.path().join("drafts")).unwrap().count(), VERSIONS + 1);
        let found = journal.list().unwrap();
        assert_eq!(found.drafts, [draft("a-1", "11\nx"), draft("b", "other")]);
        journal.discard("a-1").unwrap();
        journal.discard("never").unwrap();
        assert_eq!(journal.list().unwrap().drafts, [draft("b", "other")]);
        assert!(journal.keep(&draft("../x", "")).is_err());
    }

    #[test]
    fn any_damage_is_seen_and_the_version_before_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::below(dir.path());
        let whole = encode(&draft("a", "new")).into_bytes();
        for at in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 1;
            assert_eq!(decode(&flipped), None, "flipped at {at}");
            assert_eq!(decode(&whole[..at]), None, "cut at {at}");
        }
        journal.keep(&draft("a", "old")).unwrap();
        journal.keep(&draft("a", "new")).unwrap();
        fs::write(dir.path().join("drafts/a.2.draft"), &whole[..20]).unwrap();
        let found = journal.list().unwrap();
        assert_eq!(found.drafts, [draft("a", "old")]);
        assert_eq!(found.damaged, [dir.path().join("drafts/a.2.draft.damaged")]);
        assert_eq!(fs::read(&found.damaged[0]).unwrap(), &whole[..20], "set aside, not lost");
        journal.keep(&draft("a", "newer")).unwrap();
        assert_eq!(journal.list().unwrap(), Found { drafts: vec![draft("a", "newer")], damaged: vec![] });
    }
}
