//! What lies in a mailbox. A single reading of a directory is wrong while others rename files in
//! it: files are passed over or seen twice. So a listing is complete, and absence in it means gone,
//! only if two readings in a row are the same and the directories did not move meanwhile.

use std::hash::{DefaultHasher, Hasher as _};
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{Dir, FileType};

use super::maildir::Maildir;
use super::name::{self, Entry};
use crate::fault::{Doing, Fault, Scope};
use crate::job::files::{DirStamp, Listing};
use crate::job::listed::{ListedFile, ListedFiles};
use crate::mail::place::{MailboxId, UniqueName};

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

/// What is kept of the names that readings of a mailbox find: entries for who works on the files, or the short form of
/// a listing.
trait Keep {
    /// What comes of it: one of each base name, sorted.
    type Files;

    /// Nothing, with room for so many names of so many bytes in all.
    fn with_room(names: usize, bytes: usize) -> Self;
    /// Another reading begins.
    fn begin(&mut self);
    /// Takes a name, if a message can have it.
    fn take(&mut self, name: &str, in_new: bool);
    /// What the last reading told.
    fn newest(self) -> Self::Files;
    /// What any of them told; where several did, as the last one of these has it.
    fn all(self) -> Self::Files;
}

/// The entries of a reading, and those of the readings before.
struct Entries {
    now: Vec<Entry>,
    before: Vec<Entry>,
    room: usize,
}

impl Keep for Entries {
    type Files = Vec<Entry>;

    fn with_room(room: usize, _: usize) -> Self {
        Self { now: Vec::new(), before: Vec::new(), room }
    }

    fn begin(&mut self) {
        let now = std::mem::take(&mut self.now);
        self.before = union(std::mem::take(&mut self.before), now);
        self.now.reserve(self.room);
    }

    fn take(&mut self, name: &str, in_new: bool) {
        self.now.extend(Entry::parse(name, in_new));
    }

    fn newest(self) -> Vec<Entry> {
        sorted(self.now)
    }

    fn all(self) -> Vec<Entry> {
        union(self.before, self.now)
    }
}

impl Keep for ListedFiles {
    type Files = Self;

    fn with_room(names: usize, bytes: usize) -> Self {
        Self::with_room(names, bytes)
    }

    fn begin(&mut self) {
        self.begin_reading();
    }

    fn take(&mut self, name: &str, in_new: bool) {
        let base = name.split(':').next().unwrap_or(name);
        let Some(info) = name.get(base.len()..).filter(|_| UniqueName::is_legal(base)) else { return };
        self.push(&ListedFile { base, in_new, info, flags: name::flags(info) });
    }

    fn newest(mut self) -> Self {
        self.keep_newest();
        self.all()
    }

    fn all(mut self) -> Self {
        self.sort();
        self
    }
}

/// What a mailbox was found to hold.
struct Found<F> {
    files: F,
    stamp: DirStamp,
    complete: bool,
}

/// Reads a mailbox until two readings agree.
pub fn scan(maildir: &Maildir) -> Result<Scan, Fault> {
    let Found { files, stamp, complete } = find::<Entries>(maildir)?;
    Ok(Scan { entries: files, stamp, complete })
}

fn find<K: Keep>(maildir: &Maildir) -> Result<Found<K::Files>, Fault> {
    let fault = |e: io::Error| Fault::io(Doing::Reading, &maildir.path().to_string_lossy(), &e).scope(Scope::Mailbox);
    // The first reading is only there to be compared with, so its names need not be kept.
    let (mut count, mut bytes) = (0_usize, 0_usize);
    let first = read(maildir, |name, _| {
        count += 1;
        bytes += name.len();
    });
    let mut last = first.map_err(fault)?;
    // More may come meanwhile. Room that is not used is no memory, but what outgrows it is copied.
    let mut files = K::with_room(count + count / 4, bytes + bytes / 4);
    for _ in 0..TRIES {
        let before = stamp_of(maildir).map_err(fault)?;
        let began = now();
        files.begin();
        let next = read(maildir, |name, in_new| files.take(name, in_new)).map_err(fault)?;
        let stable = stamp_of(maildir).map_err(fault)? == before && last == next;
        // Only a stamp that was older than a tick when the reading began must have moved with
        // anything that happened during it.
        let age = began.saturating_sub(before.cur.max(before.new));
        if stable && age >= if is_coarse(before) { YOUNG } else { TICK } {
            let stamp = if age >= YOUNG { before } else { DirStamp::default() };
            return Ok(Found { files: files.newest(), stamp, complete: true });
        }
        if stable && !is_coarse(before) {
            std::thread::sleep(Duration::from_nanos(TICK.unsigned_abs()));
        }
        last = next;
    }
    Ok(Found { files: files.all(), stamp: DirStamp::default(), complete: false })
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
    let Found { mut files, stamp, complete } = find::<ListedFiles>(&maildir)?;
    let table = maildir.table();
    files.explain(|info| {
        let letters = name::keyword_letters(info);
        (!letters.is_empty()).then(|| table.flags(&name::flags(info), letters))
    });
    let (mailbox, directory) = (mailbox.clone(), directory.to_owned());
    Ok(Listing { mailbox, stamp, complete, directory, tells: table.keywords(), files })
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

/// What is in either reading; where both have it, as the second has it. The first one is sorted.
fn union(mut first: Vec<Entry>, second: Vec<Entry>) -> Vec<Entry> {
    let mut all = sorted(second);
    first.retain(|entry| all.binary_search_by(|known| known.base().cmp(entry.base())).is_err());
    if !first.is_empty() {
        all.append(&mut first);
        all.sort_unstable();
    }
    all
}
