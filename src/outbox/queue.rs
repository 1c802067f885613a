//! Entries on disk. An entry is one file that is whole or not there; its state is the directory it
//! lies in and changes by one rename that refuses to replace anything, so two programs can never
//! both win the same entry. Every change is synced before it is believed. Nothing here sends,
//! and nothing here removes what was not accepted but on the user's word.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{CWD, RenameFlags};

use super::entry::{self, Head};
use super::note::Note;
use crate::fault::{Again, Cause, Doing, Fault, Scope};
use crate::job::outbox::{EntryId, Outgoing};
use crate::mail::ids::Timestamp;
use crate::mail::wire;

/// The state of an entry: its directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bin {
    /// Waits for its turn, or for the end of its undo window.
    Queued,
    /// Waits for its next attempt, as its note says; without a note it is due.
    Deferred,
    /// Waits for the user.
    Held,
    /// Is being sent.
    Sending,
    /// Accepted; the copy for Sent may still be owed.
    Sent,
    /// Refused for good, for those its note names.
    Failed,
    /// Perhaps sent: the user is asked.
    Maybe,
    /// Cannot be read; kept for a person to look at.
    Damaged,
}

/// All states, in the order in which they are listed.
const BINS: [Bin; 8] =
    [Bin::Queued, Bin::Deferred, Bin::Held, Bin::Sending, Bin::Sent, Bin::Failed, Bin::Maybe, Bin::Damaged];

impl Bin {
    fn directory(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Deferred => "deferred",
            Self::Held => "held",
            Self::Sending => "sending",
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Maybe => "maybe",
            Self::Damaged => "damaged",
        }
    }
}

/// An entry as it lies on disk.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    /// Its name.
    pub id: EntryId,
    /// Its state.
    pub bin: Bin,
    /// Its envelope.
    pub head: Head,
    /// Its note; a fault if there is one that cannot be read.
    pub note: Result<Note, Fault>,
}

/// All entries.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Listing {
    /// Those that can be read, oldest first.
    pub entries: Vec<Listed>,
    /// Those that cannot, with where they lie. They are not in `damaged/` yet unless it says so.
    pub unreadable: Vec<(EntryId, Bin, Fault)>,
}

/// When the directories changed last: equal stamps, nothing new.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stamp(Vec<(i64, i64)>);

/// The right to send. Released when dropped or when the process ends, however it ends.
#[derive(Debug)]
pub struct SendLock {
    file: File,
}

impl Drop for SendLock {
    fn drop(&mut self) {
        // Not left to the closing of the file: a child process that is just being started holds a
        // copy of it, and with it the lock, until it runs its own program.
        let _ = self.file.unlock();
    }
}

/// The outbox of one data directory. Cheap to open; any number of programs may have it open.
#[derive(Debug, Clone)]
pub struct Queue {
    root: PathBuf,
    /// How many durable steps are left until every further one fails, as if the machine had
    /// stopped: so that tests can stop everywhere.
    left: Option<Arc<AtomicU64>>,
}

/// Makes names unlike each other within the process.
static COUNTER: AtomicU64 = AtomicU64::new(0);

impl Queue {
    /// Opens the outbox below `data`, making its directories where they are missing; only the user
    /// may read them.
    pub fn open(data: &Path) -> Result<Self, Fault> {
        let queue = Self { root: data.join("outbox"), left: None };
        let parts = BINS.iter().map(|bin| bin.directory()).chain(["tmp", "notes"]);
        for part in parts {
            let path = queue.root.join(part);
            if !path.is_dir() {
                DirBuilder::new().recursive(true).mode(0o700).create(&path).map_err(|e| io_fault(&path, &e))?;
                sync_directory(&queue.root).map_err(|e| io_fault(&queue.root, &e))?;
            }
        }
        Ok(queue)
    }

    /// Opens the outbox such that it stops for good after `steps` durable steps. For tests of what
    /// a crash leaves behind.
    pub fn open_stopping_after(data: &Path, steps: u64) -> Result<Self, Fault> {
        Ok(Self { left: Some(Arc::new(AtomicU64::new(steps))), ..Self::open(data)? })
    }

    /// Takes the right to send; `None` while another program has it.
    pub fn lock(&self) -> Result<Option<SendLock>, Fault> {
        let path = self.root.join("lock");
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = file.map_err(|e| io_fault(&path, &e))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(SendLock { file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(io_fault(&path, &error)),
        }
    }

    /// Queues a message. When this returns an id, the message is on disk and stays there until it
    /// is accepted or the user removes it; when it returns a fault, nothing of it is.
    ///
    /// # Errors
    /// The disk is full, the message holds a NUL, the submission is none.
    pub fn add(&self, outgoing: &Outgoing, subject: &str, now: Timestamp) -> Result<EntryId, Fault> {
        let refuse = |why: &str| {
            Fault::new(Doing::Queueing, subject, Cause::Refused)
                .scope(Scope::Message)
                .again(Again::AfterUser)
                .detail(why)
        };
        if outgoing.submission.recipients.iter().all(String::is_empty) {
            return Err(refuse("it has no recipient"));
        }
        if let Some(bad) =
            outgoing.submission.recipients.iter().chain([&outgoing.submission.sender]).find(|a| !is_safe(a))
        {
            return Err(refuse(&format!("`{bad}` is no address")));
        }
        let canonical = wire::canonical(&outgoing.wire).ok_or_else(|| refuse("it holds a NUL byte"))?;
        let file = if canonical.as_ref() == &*outgoing.wire {
            entry::write(outgoing, subject, now)
        } else {
            entry::write(&Outgoing { wire: Arc::from(canonical.as_ref()), ..outgoing.clone() }, subject, now)
        };
        let counter = COUNTER.fetch_add(1, Ordering::Relaxed);
        let id = entry::name(now, std::process::id(), counter, fastrand::u64(..))
            .ok_or_else(|| Fault::new(Doing::Queueing, subject, Cause::Bug).scope(Scope::Message))?;
        self.put(&file, &self.path(Bin::Queued, &id), RenameFlags::NOREPLACE)?;
        Ok(id)
    }

    /// Writes a file so that it is at `target` whole and durable, or not at all.
    fn put(&self, bytes: &[u8], target: &Path, flags: RenameFlags) -> Result<(), Fault> {
        self.step(target)?;
        let counter = COUNTER.fetch_add(1, Ordering::Relaxed);
        let tmp = self.root.join("tmp").join(format!("{}-{counter}-{:x}", std::process::id(), fastrand::u64(..)));
        let write = || -> io::Result<()> {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&tmp)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            rename(&tmp, target, flags)
        };
        if let Err(error) = write() {
            // What could not be synced is not stored, and is not synced again.
            let _ = fs::remove_file(&tmp);
            return Err(io_fault(target, &error));
        }
        let directory = target.parent().unwrap_or(&self.root);
        if let Err(error) = sync_directory(directory) {
            if flags == RenameFlags::NOREPLACE {
                let _ = fs::remove_file(target);
            }
            return Err(io_fault(directory, &error));
        }
        Ok(())
    }

    /// Moves an entry from one state to another, durably. `false`: it was not there any more.
    pub fn shift(&self, id: &EntryId, from: Bin, to: Bin) -> Result<bool, Fault> {
        let (source, target) = (self.path(from, id), self.path(to, id));
        self.step(&source)?;
        match rename(&source, &target, RenameFlags::NOREPLACE) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(io_fault(&source, &error)),
        }
        for bin in [to, from] {
            let directory = self.root.join(bin.directory());
            sync_directory(&directory).map_err(|e| io_fault(&directory, &e))?;
        }
        Ok(true)
    }

    /// Reads an entry with its message, and believes it only if its checksum fits.
    pub fn load(&self, id: &EntryId, bin: Bin) -> Result<(Head, Arc<[u8]>), Fault> {
        let path = self.path(bin, id);
        let bytes = fs::read(&path).map_err(|e| io_fault(&path, &e))?;
        entry::read(id.as_str(), &bytes)
    }

    /// Reads the envelope of an entry, without its message.
    pub fn head(&self, id: &EntryId, bin: Bin) -> Result<Head, Fault> {
        let path = self.path(bin, id);
        read_beginning(&path).map_err(|e| io_fault(&path, &e)).and_then(|bytes| entry::read_head(id.as_str(), &bytes))
    }

    /// Reads the note of an entry; one that has none yet has an empty one.
    pub fn note(&self, id: &EntryId) -> Result<Note, Fault> {
        let path = self.note_path(id);
        match fs::read(&path) {
            Ok(bytes) => Note::read(id.as_str(), &bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Note::default()),
            Err(error) => Err(io_fault(&path, &error)),
        }
    }

    /// Replaces the note of an entry, durably. Only who has the entry in `sending/`, or holds the
    /// lock, may do so.
    pub fn write_note(&self, id: &EntryId, note: &Note) -> Result<(), Fault> {
        self.put(&note.write(), &self.note_path(id), RenameFlags::empty())
    }

    /// Removes an entry and then its note. `false`: it was not there any more.
    pub fn remove(&self, id: &EntryId, bin: Bin) -> Result<bool, Fault> {
        let path = self.path(bin, id);
        self.step(&path)?;
        match fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(io_fault(&path, &error)),
        }
        let directory = self.root.join(bin.directory());
        sync_directory(&directory).map_err(|e| io_fault(&directory, &e))?;
        let _ = fs::remove_file(self.note_path(id));
        Ok(true)
    }

    /// Where an entry is now.
    pub fn find(&self, id: &EntryId) -> Option<Bin> {
        // An entry that moves while it is looked for is found the second time.
        (0..2).flat_map(|_| BINS).find(|bin| self.path(*bin, id).exists())
    }

    /// Lists all entries. Readable while another program sends: if something moved meanwhile, it
    /// is read again.
    pub fn list(&self) -> Result<Listing, Fault> {
        for _ in 0..4 {
            let before = self.stamp();
            let listing = self.list_once()?;
            if self.stamp() == before {
                return Ok(listing);
            }
        }
        self.list_once()
    }

    fn list_once(&self) -> Result<Listing, Fault> {
        let mut listing = Listing::default();
        for bin in BINS {
            let directory = self.root.join(bin.directory());
            for file in fs::read_dir(&directory).map_err(|e| io_fault(&directory, &e))? {
                let file = file.map_err(|e| io_fault(&directory, &e))?;
                let Some(id) = file.file_name().to_str().and_then(EntryId::new) else { continue };
                let read = match read_beginning(&file.path()) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    Err(error) => Err(io_fault(&file.path(), &error)),
                    Ok(bytes) => entry::read_head(id.as_str(), &bytes),
                };
                match read {
                    Ok(head) => listing.entries.push(Listed { bin, head, note: self.note(&id), id }),
                    Err(fault) => listing.unreadable.push((id, bin, fault)),
                }
            }
        }
        listing.entries.sort_by(|a, b| (a.head.queued_at, &a.id).cmp(&(b.head.queued_at, &b.id)));
        Ok(listing)
    }

    /// When the directories changed last, to see what other programs did.
    pub fn stamp(&self) -> Stamp {
        let parts = BINS.iter().map(|bin| bin.directory()).chain(["notes"]);
        let time = |part| fs::metadata(self.root.join(part)).map_or((0, 0), |m| (m.mtime(), m.mtime_nsec()));
        Stamp(parts.map(time).collect())
    }

    /// Removes what interrupted writers left in `tmp/` and notes whose entry is gone. Only for who
    /// holds the lock.
    pub fn sweep(&self, _lock: &SendLock) -> Result<(), Fault> {
        let old = |path: &Path| {
            let age = fs::metadata(path).and_then(|m| m.modified()).ok().and_then(|time| time.elapsed().ok());
            age.is_some_and(|age| age.as_secs() > 3600)
        };
        for part in ["tmp", "notes"] {
            let directory = self.root.join(part);
            for file in fs::read_dir(&directory).map_err(|e| io_fault(&directory, &e))?.flatten() {
                let id = file.file_name().to_str().and_then(EntryId::new);
                let orphan = part == "tmp" || id.is_some_and(|id| self.find(&id).is_none());
                if orphan && old(&file.path()) {
                    let _ = fs::remove_file(file.path());
                }
            }
        }
        Ok(())
    }

    /// Counts a durable step that is about to be made.
    pub(super) fn step(&self, path: &Path) -> Result<(), Fault> {
        let Some(left) = &self.left else { return Ok(()) };
        let counted = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        counted
            .map(|_| ())
            .map_err(|_| Fault::new(Doing::Queueing, &path.to_string_lossy(), Cause::Other).detail("stopped"))
    }

    fn path(&self, bin: Bin, id: &EntryId) -> PathBuf {
        self.root.join(bin.directory()).join(id.as_str())
    }

    fn note_path(&self, id: &EntryId) -> PathBuf {
        self.root.join("notes").join(id.as_str())
    }
}

/// Can this stand in an SMTP command or an argument list without being taken for something else?
/// The null sender can.
pub fn is_safe(address: &str) -> bool {
    address.len() <= 320
        && !address.starts_with('-')
        && address.bytes().all(|b| b > b' ' && b < 0x7f && b != b'<' && b != b'>')
}

fn rename(from: &Path, to: &Path, flags: RenameFlags) -> io::Result<()> {
    match rustix::fs::renameat_with(CWD, from, CWD, to, flags) {
        // A file system that cannot refuse to replace: a link refuses too.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {
            if flags == RenameFlags::NOREPLACE {
                fs::hard_link(from, to)?;
                fs::remove_file(from)
            } else {
                fs::rename(from, to)
            }
        }
        other => other.map_err(io::Error::from),
    }
}

fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// The first two lines of a file.
fn read_beginning(path: &Path) -> io::Result<Vec<u8>> {
    let mut reader = BufReader::new(File::open(path)?).take(entry::MAX_HEAD as u64);
    let mut bytes = Vec::new();
    reader.read_until(b'\n', &mut bytes)?;
    reader.read_until(b'\n', &mut bytes)?;
    Ok(bytes)
}

fn io_fault(path: &Path, error: &io::Error) -> Fault {
    Fault::io(Doing::Queueing, &path.to_string_lossy(), error).scope(Scope::Message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::ids::AccountId;
    use crate::mail::submission::Submission;

    fn outgoing(wire: &[u8]) -> Outgoing {
        Outgoing {
            account: AccountId::new("ada"),
            submission: Submission { sender: "ada@x".to_owned(), recipients: vec!["bob@y".to_owned()] },
            wire: Arc::from(wire),
            bcc: Vec::new(),
            message_id: None,
            hold_until: None,
            answers: None,
            forwards: None,
            draft: None,
        }
    }

    #[test]
    fn an_entry_goes_through_its_states_and_is_never_in_two() {
        let home = tempfile::tempdir().unwrap();
        let queue = Queue::open(home.path()).unwrap();
        let id = queue.add(&outgoing(b"a\n.\nb"), "s", Timestamp::new(5)).unwrap();
        assert_eq!(queue.load(&id, Bin::Queued).unwrap().1.as_ref(), b"a\r\n.\r\nb\r\n");
        assert!(queue.shift(&id, Bin::Queued, Bin::Sending).unwrap());
        assert!(!queue.shift(&id, Bin::Queued, Bin::Sending).unwrap(), "only one can claim it");
        assert_eq!(queue.find(&id), Some(Bin::Sending));
        let note = Note { attempts: 1, ..Note::default() };
        queue.write_note(&id, &note).unwrap();
        let listing = Queue::open(home.path()).unwrap().list().unwrap();
        assert_eq!(listing.entries.len(), 1);
        assert_eq!((listing.entries[0].bin, &listing.entries[0].note), (Bin::Sending, &Ok(note)));
        assert!(queue.remove(&id, Bin::Sending).unwrap());
        assert_eq!(queue.list().unwrap(), Listing::default());
        assert_eq!(fs::read_dir(home.path().join("outbox/tmp")).unwrap().count(), 0);
        assert_eq!(fs::read_dir(home.path().join("outbox/notes")).unwrap().count(), 0);
    }

    #[test]
    fn what_cannot_be_queued_leaves_nothing() {
        let home = tempfile::tempdir().unwrap();
        let queue = Queue::open(home.path()).unwrap();
        let none = Submission { sender: String::new(), recipients: Vec::new() };
        let evil = Submission { sender: String::new(), recipients: vec!["a@b>\r\nDATA".to_owned()] };
        let option = Submission { sender: String::new(), recipients: vec!["-oQ/tmp".to_owned()] };
        for bad in [
            outgoing(b"a\0b\n"),
            Outgoing { submission: none, ..outgoing(b"x") },
            Outgoing { submission: evil, ..outgoing(b"x") },
            Outgoing { submission: option, ..outgoing(b"x") },
        ] {
            assert_eq!(queue.add(&bad, "s", Timestamp::new(5)).unwrap_err().cause, Cause::Refused);
        }
        let stopped = Queue::open_stopping_after(home.path(), 0).unwrap();
        assert!(stopped.add(&outgoing(b"x"), "s", Timestamp::new(5)).is_err());
        assert_eq!(queue.list().unwrap(), Listing::default());
    }

    #[test]
    fn damaged_files_are_listed_as_such_and_stay() {
        let home = tempfile::tempdir().unwrap();
        let queue = Queue::open(home.path()).unwrap();
        let id = queue.add(&outgoing(b"x\r\n"), "s", Timestamp::new(5)).unwrap();
        let path = home.path().join("outbox/queued").join(id.as_str());
        let mut bytes = fs::read(&path).unwrap();
        let at = bytes.len() - 70;
        bytes[at] ^= 4;
        fs::write(&path, &bytes).unwrap();
        assert_eq!(queue.load(&id, Bin::Queued).unwrap_err().cause, Cause::Damaged);
        fs::write(&path, b"tern outbox 1\n{").unwrap();
        let listing = queue.list().unwrap();
        assert_eq!((listing.entries.len(), listing.unreadable.len()), (0, 1));
        assert!(path.exists());
    }

    #[test]
    fn one_program_sends() {
        let home = tempfile::tempdir().unwrap();
        let (one, two) = (Queue::open(home.path()).unwrap(), Queue::open(home.path()).unwrap());
        let lock = one.lock().unwrap();
        assert!(lock.is_some() && two.lock().unwrap().is_none());
        drop(lock);
        assert!(two.lock().unwrap().is_some());
    }
}
