//! One mailbox on disk: reads, flags, moves and removes its files. Other programs may rename and
//! move them at any moment, so every act that finds its file gone looks for the base name again
//! before it gives up. Nothing is ever written over: renames refuse a name that is taken.
//!
//! Renames and removals are durable only after [`Maildir::settle`]; new files are written by
//! [`super::batch`].

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::health;
use super::keywords::{Table, Version};
use super::name::{self, Entry};
use super::witness::{Act, Witness};
use crate::fault::{Again, Cause, Doing, Fault, Scope};
use crate::job::PlaceFile;
use crate::mail::flags::{Flag, Flags, Letters};
use crate::mail::ids::Timestamp;
use crate::mail::place::UniqueName;

/// How often a file that keeps being renamed by others is looked for again.
const TRIES: usize = 8;
/// The largest file that is read as one message.
const MESSAGE_MAX: u64 = 1 << 30;
/// How files in `tmp/` end that are ours to sweep.
pub(super) const TMP_SUFFIX: &str = ".tern-tmp";
/// The age at which a file of ours in `tmp/` belongs to nobody any more: 36 hours.
const STALE: i64 = 36 * 3600;

/// One mailbox's directories, held open: cheap to clone, and safe to use from several threads.
#[derive(Debug, Clone)]
pub struct Maildir(Arc<Open>);

#[derive(Debug)]
struct Open {
    path: PathBuf,
    cur: OwnedFd,
    new: OwnedFd,
    tmp: OwnedFd,
    /// What the letters of keywords mean, as it was read last.
    table: Mutex<Option<(Option<Version>, Arc<Table>)>>,
    /// Who tells whether others are at work here, once it was asked for.
    witness: Mutex<Option<Witness>>,
}

impl Maildir {
    /// Opens a mailbox that is there. `tmp/` and `new/` are made if another program dropped them.
    ///
    /// # Errors
    /// There is no `cur/`, or no right to it.
    pub fn open(directory: &Path) -> Result<Self, Fault> {
        let open = || -> io::Result<Open> {
            let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
            let root = rustix::fs::open(directory, flags, Mode::empty())?;
            let cur = rustix::fs::openat(&root, "cur", flags, Mode::empty())?;
            let part = |name: &str| match rustix::fs::openat(&root, name, flags, Mode::empty()) {
                Err(Errno::NOENT) => {
                    rustix::fs::mkdirat(&root, name, Mode::RWXU)?;
                    rustix::fs::fsync(&root)?;
                    rustix::fs::openat(&root, name, flags, Mode::empty())
                }
                other => other,
            };
            let (new, tmp) = (part("new")?, part("tmp")?);
            Ok(Open { path: directory.to_owned(), cur, new, tmp, table: Mutex::default(), witness: Mutex::default() })
        };
        open()
            .map(|open| Self(Arc::new(open)))
            .map_err(|error| Fault::io(Doing::Reading, &directory.to_string_lossy(), &error).scope(Scope::Mailbox))
    }

    /// The mailbox's directory.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// The absolute path of a file in it.
    pub fn path_of(&self, entry: &Entry) -> PathBuf {
        let parts = [self.0.path.as_os_str(), entry.directory().as_ref(), entry.file_name().as_ref()];
        // Of a first sync as many are on their way to the index as there are messages: no byte more than it takes.
        let mut path = PathBuf::with_capacity(parts.iter().map(|part| part.len() + 1).sum());
        path.extend(parts);
        path
    }

    /// What the index wants to know of a file.
    pub fn place_file(&self, entry: &Entry) -> PlaceFile {
        let table = self.table();
        let flags = table.flags(&entry.flags(), entry.letters());
        PlaceFile { path: self.path_of(entry), flags, tells: Some(table.keywords()) }
    }

    /// The flags of a file, with the keywords that its name tells by the folder's table.
    pub fn flags(&self, entry: &Entry) -> Flags {
        self.table().flags(&entry.flags(), entry.letters())
    }

    /// What the letters of keywords mean here. It is read again only if the file is another one; one
    /// that cannot be read says nothing.
    pub fn table(&self) -> Arc<Table> {
        let mut known = self.0.table.lock().unwrap_or_else(PoisonError::into_inner);
        let version = Version::of(&self.0.path);
        if let Some((_, table)) = known.as_ref().filter(|(seen, _)| *seen == version) {
            return Arc::clone(table);
        }
        let table = Arc::new(Table::load(&self.0.path).unwrap_or_default());
        *known = Some((version, Arc::clone(&table)));
        table
    }

    /// The same, once the keywords among `flags` have letters as far as there are any left.
    ///
    /// # Errors
    /// The table cannot be written, or another program keeps its lock.
    pub fn table_with(&self, flags: &Flags) -> Result<Arc<Table>, Fault> {
        let table = self.table();
        let lacking = flags.words().minus(&table.keywords());
        if lacking.is_empty() || table.is_full() {
            return Ok(table);
        }
        let used = || {
            let entries = super::scan::read_once(self).map_err(|fault| io::Error::other(fault.to_string()))?;
            Ok(entries.iter().fold(Letters::none(), |used, entry| used.union(entry.letters())))
        };
        Table::extend(&self.0.path, &lacking, used).map_err(|error| {
            Fault::io(Doing::Storing, &self.0.path.to_string_lossy(), &error)
                .scope(Scope::Mailbox)
                .detail(&format!("the table of keywords cannot be written: {error}"))
        })?;
        Ok(self.table())
    }

    pub(super) fn fd(&self, in_new: bool) -> &OwnedFd {
        if in_new { &self.0.new } else { &self.0.cur }
    }

    pub(super) fn tmp(&self) -> &OwnedFd {
        &self.0.tmp
    }

    /// Watches from now on whether anybody else touches these files ([`super::scan::own_stamp`]): whatever is done
    /// by this value and its clones is our own.
    pub(super) fn watch(&self) {
        let begun = Witness::begin(&self.0.cur, &self.0.new);
        *self.0.witness.lock().unwrap_or_else(PoisonError::into_inner) = begun;
    }

    /// Gives up watching.
    pub(super) fn look_away(&self) {
        *self.0.witness.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Did nobody else touch these files since they are watched? Not if they are not.
    pub(super) fn is_alone(&self) -> bool {
        let mut witness = self.0.witness.lock().unwrap_or_else(PoisonError::into_inner);
        witness.as_mut().is_some_and(Witness::is_alone)
    }

    /// Takes in what happened here meanwhile, as long as not too much did.
    pub(super) fn listen(&self) {
        if let Some(witness) = self.0.witness.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            witness.listen();
        }
    }

    /// Says what this program did to a name.
    pub(super) fn note(&self, act: Act, entry: &Entry) {
        if let Some(witness) = self.0.witness.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            witness.note(act, entry.is_new(), entry.file_name());
        }
    }

    /// Finds a message by its base name, whatever its flags are now. The usual names are tried
    /// first; only if none fits are the directories read.
    pub fn find(&self, unique: &UniqueName) -> Result<Option<Entry>, Fault> {
        if let Some(entry) = self.probe(unique) {
            return Ok(Some(entry));
        }
        Ok(self.find_in_listing(std::slice::from_ref(unique))?.remove(unique))
    }

    /// Finds many messages, reading the directories at most once; those that are gone are missing
    /// in the answer.
    pub fn find_all(&self, uniques: &[UniqueName]) -> Result<BTreeMap<UniqueName, Entry>, Fault> {
        self.find_each(uniques.iter().map(|unique| (unique, None)))
    }

    /// The same where it is known how each file was named last: most still are.
    pub fn find_likely(&self, likely: &[(UniqueName, Entry)]) -> Result<BTreeMap<UniqueName, Entry>, Fault> {
        self.find_each(likely.iter().map(|(unique, entry)| (unique, Some(entry))))
    }

    fn find_each<'a>(
        &self,
        wanted: impl Iterator<Item = (&'a UniqueName, Option<&'a Entry>)>,
    ) -> Result<BTreeMap<UniqueName, Entry>, Fault> {
        let mut found = BTreeMap::new();
        let mut missing = Vec::new();
        for (unique, likely) in wanted {
            let there = likely.filter(|entry| self.is_there(entry)).cloned();
            match there.or_else(|| self.probe(unique)) {
                Some(entry) => {
                    found.insert(unique.clone(), entry);
                }
                None => missing.push(unique.clone()),
            }
        }
        if !missing.is_empty() {
            found.append(&mut self.find_in_listing(&missing)?);
        }
        Ok(found)
    }

    /// Tries the names that our own flags can make.
    fn probe(&self, unique: &UniqueName) -> Option<Entry> {
        let in_cur = |flags: Flags| Entry::in_cur(unique, &flags, Letters::none());
        let usual = [Flags::only(Flag::Seen), Flags::none()].into_iter().map(in_cur);
        let rest = (0..64).map(Flags::from_bits).map(in_cur);
        let with_one = self.table().letters().numbers().collect::<Vec<_>>().into_iter().flat_map(|number| {
            let letter = Letters::none().with(number);
            [Flags::only(Flag::Seen), Flags::none()].map(|flags| Entry::in_cur(unique, &flags, letter))
        });
        let mut guesses = usual.chain(std::iter::once(Entry::in_new(unique))).chain(rest).chain(with_one);
        guesses.find(|guess| self.is_there(guess))
    }

    fn is_there(&self, entry: &Entry) -> bool {
        self.look_for(entry).is_ok()
    }

    fn look_for(&self, entry: &Entry) -> io::Result<()> {
        let directory = self.fd(entry.is_new());
        Ok(rustix::fs::accessat(directory, entry.file_name(), rustix::fs::Access::EXISTS, AtFlags::empty())?)
    }

    fn find_in_listing(&self, uniques: &[UniqueName]) -> Result<BTreeMap<UniqueName, Entry>, Fault> {
        let mut found = BTreeMap::new();
        let wanted: std::collections::HashSet<&str> = uniques.iter().map(UniqueName::as_str).collect();
        // A file that is renamed while its directory is read may be passed over once.
        for _ in 0..2 {
            for entry in super::scan::read_once(self)? {
                if wanted.contains(entry.base())
                    && let Some(unique) = entry.unique()
                {
                    found.insert(unique, entry);
                }
            }
            if found.len() == wanted.len() {
                break;
            }
        }
        Ok(found)
    }

    /// Runs `act` on a file, and again on its new name when others renamed it meanwhile. `None`: it
    /// is gone.
    fn chase<T>(
        &self,
        entry: &Entry,
        doing: Doing,
        mut act: impl FnMut(&Entry) -> io::Result<T>,
    ) -> Result<Option<T>, Fault> {
        let mut at = entry.clone();
        for _ in 0..TRIES {
            match act(&at) {
                Ok(value) => return Ok(Some(value)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(self.fault(doing, &at, &error)),
            }
            let Some(unique) = at.unique() else { return Ok(None) };
            match self.find(&unique)? {
                Some(next) => at = next,
                None => return Ok(None),
            }
        }
        Err(Fault::new(doing, &self.path_of(&at).to_string_lossy(), Cause::Busy)
            .scope(Scope::Message)
            .detail("another program keeps renaming it"))
    }

    pub(super) fn fault(&self, doing: Doing, entry: &Entry, error: &io::Error) -> Fault {
        Fault::io(doing, &self.path_of(entry).to_string_lossy(), error).scope(Scope::Message)
    }

    fn gone(&self, doing: Doing, unique: &UniqueName) -> Fault {
        Fault::new(doing, &self.0.path.join(unique.as_str()).to_string_lossy(), Cause::Missing)
            .scope(Scope::Message)
            .again(Again::Never)
            .detail("the message is not there any more")
    }

    /// Reads a message by its base name.
    ///
    /// # Errors
    /// It is gone ([`Cause::Missing`]), over 1 GiB, or cannot be read.
    pub fn read(&self, unique: &UniqueName) -> Result<Vec<u8>, Fault> {
        let gone = || self.gone(Doing::Reading, unique);
        let entry = self.find(unique)?.ok_or_else(gone)?;
        self.read_entry(&entry)?.ok_or_else(gone)
    }

    /// Reads a file of a listing; `None`: it is gone.
    pub fn read_entry(&self, entry: &Entry) -> Result<Option<Vec<u8>>, Fault> {
        self.chase(entry, Doing::Reading, |at| {
            let file = self.open_file(at)?;
            let size = file.metadata()?.len();
            if size > MESSAGE_MAX {
                return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the file is over 1 GiB"));
            }
            let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
            file.take(MESSAGE_MAX).read_to_end(&mut bytes)?;
            Ok(bytes)
        })
    }

    /// The size of a file in bytes: what its name tells, else what the file system tells. `None`:
    /// it is gone.
    pub fn size(&self, entry: &Entry) -> Result<Option<u64>, Fault> {
        if let Some(size) = name::size(entry.base()) {
            return Ok(Some(size));
        }
        self.chase(entry, Doing::Reading, |at| Ok(self.open_file(at)?.metadata()?.len()))
    }

    fn open_file(&self, at: &Entry) -> io::Result<File> {
        // A pipe or device that someone put there must not make us wait.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = File::from(rustix::fs::openat(self.fd(at.is_new()), at.file_name(), flags, Mode::empty())?);
        if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("this is no regular file")) }
    }

    /// Sets and clears flags. Keywords go by the folder's table as it is: one without a letter there
    /// is passed over ([`Maildir::table_with`] gives it one). Letters that mean nothing stay. Gives
    /// the file as it is now, `None` if it is gone. Durable after [`Maildir::settle`].
    pub fn set_flags(&self, entry: &Entry, add: &Flags, remove: &Flags) -> Result<Option<Entry>, Fault> {
        let table = self.table();
        self.chase(entry, Doing::Storing, |at| {
            let wanted = at.with_flags(add, remove, table.changed(at.letters(), add, remove));
            if wanted == *at {
                // Nothing is renamed, so nothing yet says that the file is still there.
                self.look_for(at)?;
                return Ok(wanted);
            }
            rename_new(self.fd(at.is_new()), at.file_name(), self.fd(wanted.is_new()), wanted.file_name())?;
            self.note(Act::Went, at);
            self.note(Act::Came, &wanted);
            Ok(wanted)
        })
    }

    /// Moves a file to another mailbox under the base name `unique` ([`fresh`] makes one), keeping
    /// its flags: the letters of its keywords become those of the other table, and one that had no
    /// meaning does not get one. On another file system it is copied, made durable there, and only then removed
    /// here. Gives the new file, `None` if the old one is gone. Durable after `to.settle()` and
    /// then `self.settle()`.
    pub fn move_to(&self, entry: &Entry, to: &Self, unique: &UniqueName) -> Result<Option<Entry>, Fault> {
        let (from_table, to_table) = (self.table(), to.table());
        self.chase(entry, Doing::Storing, |at| {
            let target = at.renamed(unique, from_table.translated(at.letters(), &to_table));
            match rename_new(self.fd(at.is_new()), at.file_name(), to.fd(target.is_new()), target.file_name()) {
                Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
                    let from = self.open_file(at)?;
                    copy_durably(from, to.tmp(), to.fd(target.is_new()), target.file_name())?;
                    rustix::fs::unlinkat(self.fd(at.is_new()), at.file_name(), AtFlags::empty())?;
                }
                other => other?,
            }
            self.note(Act::Went, at);
            to.note(Act::Came, &target);
            Ok(target)
        })
    }

    /// Removes a file for ever; says whether it was still there. Durable after [`Maildir::settle`].
    pub fn remove(&self, entry: &Entry) -> Result<bool, Fault> {
        let done = self.chase(entry, Doing::Storing, |at| {
            rustix::fs::unlinkat(self.fd(at.is_new()), at.file_name(), AtFlags::empty())?;
            self.note(Act::Went, at);
            Ok(())
        })?;
        Ok(done.is_some())
    }

    /// Hands a file over to a directory outside the Maildir; gives its name there.
    pub(super) fn give(&self, entry: &Entry, to: &OwnedFd) -> Result<Option<String>, Fault> {
        self.chase(entry, Doing::Storing, |at| {
            let name = super::quarantine::hand_over(self.fd(at.is_new()), || self.open_file(at), at.file_name(), to)?;
            self.note(Act::Went, at);
            Ok(name)
        })
    }

    /// Makes all renames and removals since the last call durable: one sync of each directory. To
    /// be called once after a batch of them, and before anything else speaks of them.
    pub fn settle(&self) -> Result<(), Fault> {
        let sync = || -> io::Result<()> {
            rustix::fs::fsync(&self.0.cur)?;
            Ok(rustix::fs::fsync(&self.0.new)?)
        };
        self.listen();
        sync().map_err(|e| Fault::io(Doing::Storing, &self.0.path.to_string_lossy(), &e).scope(Scope::Mailbox))
    }

    /// Is there room for a message of `size` bytes, and a reserve beside it? Asked before each
    /// batch of downloads, with the batch's size.
    ///
    /// # Errors
    /// [`Cause::DiskFull`] below the larger of 256 MiB and twice the size.
    pub fn check_room(&self, size: u64) -> Result<(), Fault> {
        let subject = self.0.path.to_string_lossy();
        let stat = rustix::fs::fstatvfs(&self.0.tmp).map_err(|e| Fault::io(Doing::Storing, &subject, &e.into()))?;
        let free = stat.f_bavail.saturating_mul(stat.f_frsize);
        let floor = health::floor();
        if floor == 0 || free >= floor.max(size.saturating_mul(2)) {
            return Ok(());
        }
        Err(Fault::new(Doing::Storing, &subject, Cause::DiskFull)
            .again(Again::AfterUser)
            .detail(&format!("only {} MiB are free, nothing is fetched", free >> 20)))
    }

    /// Removes what crashed runs left in `tmp/`: files of our own name pattern that nobody has
    /// written to for 36 hours. Gives their number.
    pub fn sweep(&self, now: Timestamp) -> Result<usize, Fault> {
        let sweep = || -> io::Result<usize> {
            let mut swept = 0;
            for item in rustix::fs::Dir::read_from(&self.0.tmp)? {
                let item = item?;
                let file_name = item.file_name();
                if !file_name.to_bytes().ends_with(TMP_SUFFIX.as_bytes()) {
                    continue;
                }
                let stat = rustix::fs::statat(&self.0.tmp, file_name, AtFlags::SYMLINK_NOFOLLOW)?;
                if now.get() - stat.st_mtime > STALE {
                    rustix::fs::unlinkat(&self.0.tmp, file_name, AtFlags::empty())?;
                    swept += 1;
                }
            }
            Ok(swept)
        };
        sweep().map_err(|e| Fault::io(Doing::Storing, &self.0.path.join("tmp").to_string_lossy(), &e))
    }
}

/// Renames without ever writing over a file. Where the file system cannot promise that in one
/// step, a hard link does.
pub(super) fn rename_new(from: &OwnedFd, old: &str, to: &OwnedFd, new: &str) -> io::Result<()> {
    match rustix::fs::renameat_with(from, old, to, new, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
            rustix::fs::linkat(from, old, to, new, AtFlags::empty())?;
            Ok(rustix::fs::unlinkat(from, old, AtFlags::empty())?)
        }
        other => Ok(other?),
    }
}

/// Copies a file to another file system: whole and durable under its name, or not there.
pub(super) fn copy_durably(mut from: File, tmp: &OwnedFd, to: &OwnedFd, new: &str) -> io::Result<()> {
    let name = tmp_name();
    let mut copy = || -> io::Result<()> {
        let mut file = create_tmp(tmp, &name)?;
        io::copy(&mut from, &mut file)?;
        file.flush()?;
        file.sync_all()?;
        rename_new(tmp, &name, to, new)?;
        Ok(rustix::fs::fsync(to)?)
    };
    copy().inspect_err(|_| {
        let _ = rustix::fs::unlinkat(tmp, &name, AtFlags::empty());
    })
}

/// Makes a file in `tmp/` that was not there and that only the user may read.
pub(super) fn create_tmp(tmp: &OwnedFd, name: &str) -> io::Result<File> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    Ok(File::from(rustix::fs::openat(tmp, name, flags, Mode::RUSR | Mode::WUSR)?))
}

/// A number that this process gives once.
fn count() -> u64 {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    COUNTER.fetch_add(1, Ordering::Relaxed)
}

/// A name for `tmp/`, unlike any other and known as ours by its end.
pub(super) fn tmp_name() -> String {
    format!("{}.{}.{:016x}{TMP_SUFFIX}", std::process::id(), count(), fastrand::u64(..))
}

/// A base name for a message that came from no server, unlike any other.
pub fn fresh(size: Option<u64>) -> UniqueName {
    static HOST: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    let host = HOST.get_or_init(|| {
        let told = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let told = told.trim();
        if told.is_empty() { "localhost".to_owned() } else { told.to_owned() }
    });
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    name::local(
        &name::Stamp {
            seconds: i64::try_from(seconds).unwrap_or(0),
            counter: count(),
            random: fastrand::u64(..),
            process: std::process::id(),
            host,
        },
        size,
    )
}
