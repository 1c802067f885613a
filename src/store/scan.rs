//! What lies in a mailbox. A single reading of a directory is wrong while others rename files in
//! it: files are passed over or seen twice. So a listing is complete, and absence in it means gone,
//! only if two readings in a row are the same and the directories did not move meanwhile.

use std::hash::{DefaultHasher, Hasher as _};
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{Dir, FileType};

use super::maildir::Maildir;
use super::name::Entry;
use crate::fault::{Doing, Fault, Scope};
use crate::job::files::{DirStamp, ListedFile, Listing};
use crate::mail::place::MailboxId;

/// How often a mailbox that keeps moving is read before the listing is called incomplete.
const TRIES: usize = 6;
/// A directory that moved less than this long ago may move again within the same tick of its file
/// system's clock, unseen: its stamp is not to be believed later. Nanoseconds.
const YOUNG: i64 = 2_000_000_000;
/// The same, for a comparison right now on a file system that counts finer than seconds: longer
/// than a tick of any kernel. Nanoseconds.
const TICK: i64 = 20_000_000;

/// The files of a mailbox.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scan {
    /// One entry for each base name, sorted by it.
    pub entries: Vec<Entry>,
    /// The stamp from before the reading; zero where a later equal stamp would prove nothing.
    pub stamp: DirStamp,
    /// Does absence mean gone?
    pub complete: bool,
}

impl Scan {
    /// The entry of a base name.
    pub fn get(&self, base: &str) -> Option<&Entry> {
        let at = self.entries.binary_search_by(|entry| entry.base().cmp(base)).ok()?;
        self.entries.get(at)
    }
}

/// Reads a mailbox until two readings agree.
pub fn scan(maildir: &Maildir) -> Result<Scan, Fault> {
    let fault = |e: io::Error| Fault::io(Doing::Reading, &maildir.path().to_string_lossy(), &e).scope(Scope::Mailbox);
    // The first reading is only there to be compared with, so its names need not be kept.
    let mut last = read(maildir, |_, _| ()).map_err(fault)?;
    let mut seen = Vec::new();
    for _ in 0..TRIES {
        let before = stamp_of(maildir).map_err(fault)?;
        let began = now();
        let mut entries = Vec::with_capacity(seen.len());
        let next = read(maildir, |name, in_new| entries.extend(Entry::parse(name, in_new))).map_err(fault)?;
        let stable = stamp_of(maildir).map_err(fault)? == before && last == next;
        // Only a stamp that was older than a tick when the reading began must have moved with
        // anything that happened during it.
        let age = began.saturating_sub(before.cur.max(before.new));
        if stable && age >= if is_coarse(before) { YOUNG } else { TICK } {
            let stamp = if age >= YOUNG { before } else { DirStamp::default() };
            return Ok(Scan { entries: sorted(entries), stamp, complete: true });
        }
        if stable && !is_coarse(before) {
            std::thread::sleep(Duration::from_nanos(TICK.unsigned_abs()));
        }
        last = next;
        seen = union(seen, entries);
    }
    Ok(Scan { entries: seen, stamp: DirStamp::default(), complete: false })
}

/// Watches from now on whether anybody but this program touches the files of a mailbox, if its directories are
/// still as they were at `stamp`.
pub fn watch(maildir: &Maildir, stamp: DirStamp) {
    maildir.watch();
    if stamp_of(maildir).ok() != Some(stamp) {
        maildir.look_away();
    }
}

/// The stamp of directories in which this program alone did anything since [`watch`] began. What anybody does
/// from here on moves it. `None`: others were there too, or nobody can tell.
pub fn own_stamp(maildir: &Maildir) -> Option<DirStamp> {
    let stamp = stamp_of(maildir).ok().filter(|stamp| !is_coarse(*stamp))?;
    let age = u64::try_from(now().saturating_sub(stamp.cur.max(stamp.new))).ok()?;
    // Within the tick of the last change another one would not show.
    let rest = TICK.unsigned_abs().saturating_sub(age);
    if rest > 0 {
        std::thread::sleep(Duration::from_nanos(rest));
    }
    (maildir.is_alone() && stamp_of(maildir).ok()? == stamp).then_some(stamp)
}

/// The listing that the index takes in.
pub fn listing(mailbox: &MailboxId, directory: &Path) -> Result<Listing, Fault> {
    let maildir = Maildir::open(directory)?;
    let scan = scan(&maildir)?;
    let table = maildir.table();
    let file = |entry: Entry| {
        let flags = table.flags(&entry.flags(), entry.letters());
        Some(ListedFile { unique: entry.unique()?, in_new: entry.is_new(), info: entry.info().into(), flags })
    };
    Ok(Listing {
        mailbox: mailbox.clone(),
        stamp: scan.stamp,
        complete: scan.complete,
        directory: directory.to_owned(),
        tells: table.keywords(),
        // One by one, so that a big mailbox is not in memory twice.
        files: scan.entries.into_iter().filter_map(file).collect(),
    })
}

/// The modification times of a mailbox's directories, now.
pub fn stamp(directory: &Path) -> Result<DirStamp, Fault> {
    let of = |part: &str| -> io::Result<i64> {
        let stat = rustix::fs::stat(directory.join(part))?;
        Ok(nanoseconds(&stat))
    };
    let both = || Ok(DirStamp { cur: of("cur")?, new: of("new")? });
    both().map_err(|e: io::Error| Fault::io(Doing::Reading, &directory.to_string_lossy(), &e).scope(Scope::Mailbox))
}

fn stamp_of(maildir: &Maildir) -> io::Result<DirStamp> {
    let of = |in_new| -> io::Result<i64> { Ok(nanoseconds(&rustix::fs::fstat(maildir.fd(in_new))?)) };
    Ok(DirStamp { cur: of(false)?, new: of(true)? })
}

fn nanoseconds(stat: &rustix::fs::Stat) -> i64 {
    stat.st_mtime.saturating_mul(1_000_000_000).saturating_add(i64::try_from(stat.st_mtime_nsec).unwrap_or(0))
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| i64::try_from(d.as_nanos()).unwrap_or(i64::MAX))
}

/// Does this file system count whole seconds only?
fn is_coarse(stamp: DirStamp) -> bool {
    stamp.cur % 1_000_000_000 == 0 && stamp.new % 1_000_000_000 == 0
}

/// Reads a mailbox once: what is in it may be missing if others rename files meanwhile.
pub(super) fn read_once(maildir: &Maildir) -> Result<Vec<Entry>, Fault> {
    let mut entries = Vec::new();
    read(maildir, |name, in_new| entries.extend(Entry::parse(name, in_new)))
        .map_err(|e| Fault::io(Doing::Reading, &maildir.path().to_string_lossy(), &e).scope(Scope::Mailbox))?;
    Ok(sorted(entries))
}

/// Reads `new/` and then `cur/`: in this order a message on its way from the one to the other is
/// seen twice at worst. Gives a checksum of all names in the order in which they came.
fn read(maildir: &Maildir, mut take: impl FnMut(&str, bool)) -> io::Result<u64> {
    let mut sum = DefaultHasher::new();
    for in_new in [true, false] {
        // A directory's position belongs to the open file, so each reading opens its own.
        for item in Dir::read_from(maildir.fd(in_new))? {
            let item = item?;
            sum.write(item.file_name().to_bytes_with_nul());
            if item.file_type() != FileType::Directory
                && let Ok(name) = item.file_name().to_str()
            {
                take(name, in_new);
            }
        }
        sum.write_u8(b'/');
    }
    Ok(sum.finish())
}

/// Sorts, and keeps one file of each base name: the one in `cur/`.
fn sorted(mut entries: Vec<Entry>) -> Vec<Entry> {
    entries.sort_unstable();
    entries.dedup_by(|second, first| second.base() == first.base());
    entries
}

/// What is in either listing; where both have it, as the second has it.
fn union(first: Vec<Entry>, second: Vec<Entry>) -> Vec<Entry> {
    let mut all = sorted(second);
    all.extend(first);
    // Stable: what the second reading said stays in front of what the first one said.
    all.sort_by(|a, b| a.base().cmp(b.base()));
    all.dedup_by(|later, earlier| later.base() == earlier.base());
    all
}
