//! What another sync program knows of a mailbox that it kept so far: which file is which message on the
//! server, and the flags that both sides had. It reads the files of those programs and changes none, so
//! that they can go on; what does not fit together says nothing.
//!
//! mbsync (isync 1.2 to 1.5) writes the UIDs of the Maildir's own side into file names (`,U=`), its
//! epoch into `.uidvalidity`, and pairs them with the server's UIDs in a state file. `OfflineIMAP` writes
//! the server's UIDs into file names (`,U=`, with `,FMD5=` of the folder) and the epoch and flags into
//! files of its own.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::name::{self, Origin};
use crate::job::sync::Keeper;
use crate::mail::flags::Flags;
use crate::mail::ids::{Uid, UidValidity};
use crate::mail::mailbox::MailboxName;
use crate::mail::place::UniqueName;

/// No state file is read beyond so many bytes: 64 bytes for each of a million messages.
const LARGEST: u64 = 64 << 20;
/// No more state files than these are looked into.
const MOST_FILES: usize = 10_000;

/// One file that another program has paired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its message on the server.
    pub uid: Uid,
    /// The flags that both sides had, where they are written down.
    pub flags: Option<Flags>,
}

/// What another program knows of a mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Which program.
    pub keeper: Keeper,
    /// The epochs that its UIDs may be of, as it says; none: it does not say, and a sample has to show.
    pub epochs: Vec<UidValidity>,
    /// Its files.
    pub files: BTreeMap<UniqueName, Kept>,
    /// Databases that tell the flags that both sides had, by UID; this room does not read them.
    pub databases: Vec<PathBuf>,
}

/// Reads what other programs know of the mailbox `name` in `directory` that has these files. `home` is
/// the user's home directory, below which they keep what is not in the Maildir.
pub fn claim(directory: &Path, name: &MailboxName, files: &[&UniqueName], home: Option<&Path>) -> Option<Claim> {
    mbsync(directory, name, files, home).or_else(|| offlineimap(name, files, home))
}

/// The UID in a name that neither side's epoch stands in.
fn uid(unique: &UniqueName) -> Option<Uid> {
    let Origin { uid, .. } = name::foreign(unique.as_str())?;
    Some(uid)
}

fn mbsync(directory: &Path, name: &MailboxName, files: &[&UniqueName], home: Option<&Path>) -> Option<Claim> {
    let near = near_epoch(directory)?;
    let mut states = vec![directory.join(".mbsyncstate")];
    states.extend(of_mbsync(home).into_iter().filter(|path| is_state_of(path, name)));
    let found: Vec<State> = states.iter().filter_map(|path| State::parse(&text(path)?)).collect();
    let mut fitting = found.into_iter().filter(|state| state.near == near);
    let state = fitting.next()?;
    // Of two that would fit nobody knows which one does.
    if fitting.next().is_some() {
        return None;
    }
    let pairs = &state.pairs;
    let kept = |unique: &&UniqueName| Some(((*unique).clone(), pairs.get(&uid(unique)?)?.clone()));
    let files = unambiguous(files.iter().filter_map(kept));
    Some(Claim { keeper: Keeper::Mbsync, epochs: vec![state.far], files, databases: Vec::new() })
}

/// The epoch of the Maildir's own side, as mbsync numbers it.
pub(super) fn near_epoch(directory: &Path) -> Option<u32> {
    text(&directory.join(".uidvalidity"))?.lines().next()?.trim().parse().ok()
}

/// The files of mbsync in the user's home directory.
pub(super) fn of_mbsync(home: Option<&Path>) -> Vec<PathBuf> {
    let places = home.into_iter().flat_map(|home| [home.join(".mbsync"), home.join(".local/state/isync")]);
    places.flat_map(|directory| list(&directory)).collect()
}

/// Is this a state file of the mailbox? One outside the Maildir is called after the mailbox, or after
/// both sides with it at the end.
pub(super) fn is_state_of(path: &Path, name: &MailboxName) -> bool {
    let plain = name.as_str().replace('/', "!");
    let file = path.file_name().and_then(|file| file.to_str());
    file.is_some_and(|file| file.strip_suffix(&plain).is_some_and(|rest| rest.is_empty() || rest.ends_with(':')))
}

/// Drops messages that two files lay claim to: one of them is a copy.
fn unambiguous(all: impl Iterator<Item = (UniqueName, Kept)>) -> BTreeMap<UniqueName, Kept> {
    let all: BTreeMap<UniqueName, Kept> = all.collect();
    let mut claims: BTreeMap<Uid, u32> = BTreeMap::new();
    for kept in all.values() {
        *claims.entry(kept.uid).or_default() += 1;
    }
    all.into_iter().filter(|(_, kept)| claims.get(&kept.uid) == Some(&1)).collect()
}

/// A state file of mbsync: a header, an empty line, and a line for each pair.
pub(super) struct State {
    pub(super) far: UidValidity,
    pub(super) near: u32,
    /// By the UID in the Maildir.
    pairs: BTreeMap<Uid, Kept>,
}

impl State {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (mut far, mut near) = (None, None);
        let mut lines = text.lines();
        for line in lines.by_ref().take_while(|line| !line.trim().is_empty()) {
            let (key, value) = line.split_once(' ')?;
            match key {
                "FarUidValidity" | "MasterUidValidity" => far = value.trim().parse().ok().and_then(UidValidity::new),
                "NearUidValidity" | "SlaveUidValidity" => near = value.trim().parse().ok(),
                _ => {}
            }
        }
        let mut pairs = BTreeMap::new();
        for line in lines {
            let mut words = line.split(' ');
            let mut number = || words.next()?.parse().ok().and_then(Uid::new);
            // A zero stands for a side that does not have it, or not any more.
            let (Some(uid), Some(near)) = (number(), number()) else { continue };
            let letters = words.next().unwrap_or_default();
            // What is marked (`~` expired, `<` or `>` not copied yet, `^`) has no flags that both sides had.
            let is_plain = letters.bytes().all(|letter| letter.is_ascii_uppercase());
            if is_plain {
                pairs.insert(near, Kept { uid, flags: Some(Flags::from_letters(letters)) });
            }
        }
        Some(Self { far: far?, near: near?, pairs })
    }
}

fn offlineimap(name: &MailboxName, files: &[&UniqueName], home: Option<&Path>) -> Option<Claim> {
    let folders = files.iter().filter_map(|unique| Some((name::folder_hash(unique.as_str())?, unique)));
    let mut by_hash: BTreeMap<&str, Vec<&UniqueName>> = BTreeMap::new();
    for (hash, unique) in folders {
        by_hash.entry(hash).or_default().push(unique);
    }
    // Names of other folders are those of files that were moved here by hand.
    let (_, own) = by_hash.into_iter().max_by_key(|(_, own)| own.len())?;
    let end = dotted(name);
    let below = home.map(|home| list(&home.join(".offlineimap"))).unwrap_or_default();
    let (mut epochs, mut flags, mut databases) = (Vec::new(), BTreeMap::new(), Vec::new());
    for directory in below {
        epochs.extend(
            text(&directory.join("FolderValidity").join(&end))
                .and_then(|text| text.trim().parse().ok())
                .and_then(UidValidity::new),
        );
        if let Some(text) = text(&directory.join("LocalStatus").join(&end)) {
            flags.extend(status(&text));
        }
        databases.extend(Some(directory.join("LocalStatus-sqlite").join(&end)).filter(|path| path.is_file()));
    }
    let kept = |unique: &UniqueName| {
        let uid = uid(unique)?;
        Some((unique.clone(), Kept { uid, flags: flags.get(&uid).cloned() }))
    };
    let files = unambiguous(own.into_iter().filter_map(kept));
    Some(Claim { keeper: Keeper::OfflineImap, epochs, files, databases })
}

/// What `OfflineIMAP` calls its files about a mailbox.
pub(super) fn dotted(name: &MailboxName) -> String {
    name.as_str().replace('/', ".")
}

/// A plain status file: a line of what it is, then `UID:LETTERS` or `UID|LETTERS|...` each.
fn status(text: &str) -> BTreeMap<Uid, Flags> {
    let line = |line: &str| {
        let (uid, rest) = line.split_once([':', '|'])?;
        let letters = rest.split('|').next().unwrap_or_default();
        Some((Uid::new(uid.trim().parse().ok()?)?, Flags::from_letters(letters)))
    };
    text.lines().filter_map(line).collect()
}

pub(super) fn list(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten().take(MOST_FILES);
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// What is no plain file of a sane size says nothing.
pub(super) fn text(path: &Path) -> Option<String> {
    let about = fs::metadata(path).ok()?;
    if !about.is_file() || about.len() > LARGEST {
        return None;
    }
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(LARGEST).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATE: &str = "FarUidValidity 77\nNearUidValidity 1700000000\nMaxPulledUid 9\nMaxPushedUid 4\n\n\
        5 1 S\n6 2 \n7 3 FRS\n8 0 S\n0 4 S\n9 5 ~\n10 6 <\n4294967296 7 S\nrubbish\n11 8\n";

    fn names(texts: &[&str]) -> Vec<UniqueName> {
        texts.iter().map(|text| UniqueName::new(text).unwrap()).collect()
    }

    fn show(claim: &Claim) -> Vec<String> {
        let line = |(unique, kept): (&UniqueName, &Kept)| {
            let flags = kept.flags.as_ref().map_or("?".to_owned(), Flags::letters);
            format!("{} {} {flags}", unique.as_str(), kept.uid.get())
        };
        claim.files.iter().map(line).collect()
    }

    #[test]
    fn the_state_of_mbsync_pairs_names_with_the_servers_uids() {
        for (header, fits) in [
            (STATE.to_owned(), true),
            (STATE.replace("Far", "Master").replace("Near", "Slave"), true),
            (STATE.replace("1700000000", "1700000001"), false),
            (STATE.replace("FarUidValidity 77\n", ""), false),
        ] {
            let home = tempfile::tempdir().unwrap();
            let directory = home.path().join("mail");
            fs::create_dir(&directory).unwrap();
            fs::write(directory.join(".uidvalidity"), "1700000000\n8\n").unwrap();
            fs::write(directory.join(".mbsyncstate"), header).unwrap();
            let all = names(&["1.a,U=1", "1.b,U=3", "1.c,U=4", "1.d,U=8", "1.e", "1.f,U=2", "1.g,U=2"]);
            let all: Vec<&UniqueName> = all.iter().collect();
            let claim = claim(&directory, &MailboxName::inbox(), &all, Some(home.path()));
            assert_eq!(claim.is_some(), fits);
            if let Some(claim) = claim {
                assert_eq!((claim.keeper, claim.epochs.clone()), (Keeper::Mbsync, vec![UidValidity::new(77).unwrap()]));
                assert_eq!(show(&claim), ["1.a,U=1 5 S", "1.b,U=3 7 FRS", "1.d,U=8 11 "]);
            }
        }
    }

    #[test]
    fn a_state_beside_the_maildir_is_found_by_its_name_unless_two_fit() {
        let home = tempfile::tempdir().unwrap();
        let state = home.path().join(".mbsync");
        fs::create_dir(&state).unwrap();
        fs::write(home.path().join(".uidvalidity"), "1700000000\n8\n").unwrap();
        let lists = MailboxName::new("Lists/rust").unwrap();
        let all = names(&["1.a,U=1"]);
        let found = || claim(home.path(), &lists, &all.iter().collect::<Vec<_>>(), Some(home.path()));
        fs::write(state.join(":far:Other_:near:Other"), STATE).unwrap();
        assert_eq!(found(), None);
        fs::write(state.join(":far:Lists!rust_:near:Lists!rust"), STATE).unwrap();
        assert_eq!(show(&found().unwrap()), ["1.a,U=1 5 S"]);
        fs::write(state.join(":else:Lists!rust_:near:Lists!rust"), STATE).unwrap();
        assert_eq!(found(), None);
    }

    #[test]
    fn names_of_offlineimap_tell_the_servers_uids() {
        let home = tempfile::tempdir().unwrap();
        let remote = home.path().join(".offlineimap/Repository-there");
        let account = home.path().join(".offlineimap/Account-mine");
        fs::create_dir_all(remote.join("FolderValidity")).unwrap();
        fs::create_dir_all(account.join("LocalStatus")).unwrap();
        let own = "7e33429f656f1e6e9d79b29c3f82c57e";
        let other = "00000000000000000000000000000000";
        let all = [(1, own), (2, own), (3, other), (0, own), (4, own)];
        let all: Vec<String> = all.iter().map(|(uid, hash)| format!("1_{uid}.1.h,U={uid},FMD5={hash}")).collect();
        let all = names(&all.iter().map(String::as_str).collect::<Vec<_>>());
        let found = || claim(home.path(), &MailboxName::inbox(), &all.iter().collect::<Vec<_>>(), Some(home.path()));
        assert_eq!(found().unwrap().epochs, []);
        fs::write(remote.join("FolderValidity/INBOX"), "1234").unwrap();
        fs::write(account.join("LocalStatus/INBOX"), "OFFLINEIMAP LocalStatus CACHE DATA\n1:FS\n4|S|0|\n").unwrap();
        let claim = found().unwrap();
        assert_eq!((claim.keeper, claim.epochs.clone()), (Keeper::OfflineImap, vec![UidValidity::new(1234).unwrap()]));
        let short: Vec<String> =
            show(&claim).iter().map(|line| line.split_at(line.len() - 4).1.trim().to_owned()).collect();
        assert_eq!(short, ["1 FS", "2 ?", "4 S"]);
    }
}
