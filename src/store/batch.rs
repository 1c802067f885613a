//! Messages on their way into a mailbox, made durable many at a time. Each is written into `tmp/`
//! without a sync; [`Batch::commit`] syncs the file system once, renames all into place without
//! writing over anything, and syncs the directories. Until then nobody sees them, and whatever goes
//! wrong (a short write, a failed sync) leaves nothing but files in `tmp/`, which are dropped.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Write};

use rustix::fs::AtFlags;

use super::maildir::{Maildir, create_tmp, rename_new, tmp_name};
use super::name::Entry;
use super::witness::Act;
use crate::fault::{Again, Cause, Doing, Fault, Scope};
use crate::mail::flags::Flags;
use crate::mail::place::UniqueName;

/// So much of a message is collected before the first write; most fit whole.
const BUFFER: usize = 1 << 20;
/// Up to so many files each is synced by itself; more are synced together.
const FEW: usize = 4;

/// Messages on their way into one mailbox. It can be filled on one thread and committed on
/// another while the next one is filled. Dropped without a commit, it leaves nothing behind.
#[derive(Debug)]
pub struct Batch {
    maildir: Maildir,
    pending: Vec<Pending>,
    current: Current,
}

#[derive(Debug)]
struct Pending {
    tmp: String,
    entry: Entry,
    unique: UniqueName,
    size: u64,
    file: Option<File>,
}

/// The message that is being written.
#[derive(Debug, Default)]
struct Current {
    begun: bool,
    buffer: Vec<u8>,
    written: u64,
    tmp: Option<(String, File)>,
    error: Option<io::Error>,
}

/// A message that is durable in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its base name.
    pub unique: UniqueName,
    /// Its file.
    pub entry: Entry,
    /// Its size in bytes.
    pub size: u64,
    /// Was a file of this name and size there before? Then that one stayed.
    pub was_there: bool,
}

/// What came of a batch.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Committed {
    /// What is durable now, in the order in which it was kept.
    pub stored: Vec<Stored>,
    /// What could not be put in its place, and why. The others are not touched by it.
    pub failed: Vec<(UniqueName, Fault)>,
}

impl Maildir {
    /// Begins a batch.
    pub fn batch(&self) -> Batch {
        Batch { maildir: self.clone(), pending: Vec::new(), current: Current::default() }
    }

    /// Writes one message durably: into `cur/` with its flags, or into `new/` if it has none.
    ///
    /// # Errors
    /// Then it is not stored.
    pub fn deliver(&self, unique: &UniqueName, flags: &Flags, bytes: &[u8]) -> Result<Stored, Fault> {
        let mut batch = self.batch();
        let subject = self.path().to_string_lossy();
        batch.begin(bytes.len() as u64)?.write_all(bytes).map_err(|e| Fault::io(Doing::Storing, &subject, &e))?;
        batch.keep(unique, flags, bytes.len() as u64)?;
        let Committed { mut stored, failed } = batch.commit()?;
        match (stored.pop(), failed.into_iter().next()) {
            (Some(stored), _) => Ok(stored),
            (None, Some((_, fault))) => Err(fault),
            (None, None) => Err(Fault::new(Doing::Storing, &subject, Cause::Bug)),
        }
    }
}

impl Batch {
    /// Begins a message of about `size` bytes; what is written goes into it. A message that was
    /// begun before and not kept is dropped.
    pub fn begin(&mut self, size: u64) -> Result<Writer<'_>, Fault> {
        self.abort();
        self.current.begun = true;
        self.current.buffer.reserve(usize::try_from(size).unwrap_or(BUFFER).min(BUFFER));
        Ok(Writer { maildir: &self.maildir, current: &mut self.current })
    }

    /// Keeps the message that was written last: it goes into `cur/` with its flags, or into `new/`
    /// if it has none. `size` must be exactly what was written.
    ///
    /// # Errors
    /// A write failed, or bytes are missing; then the message is dropped and the batch goes on.
    pub fn keep(&mut self, unique: &UniqueName, flags: &Flags, size: u64) -> Result<(), Fault> {
        // Without a letter a keyword is in no name; whoever knows of it by the server carries it on.
        let table = self.maildir.table_with(flags).unwrap_or_else(|_| self.maildir.table());
        let letters = table.letters_of(&flags.words());
        let entry = Entry::likely(unique, flags, letters);
        let current = std::mem::take(&mut self.current);
        let Finished { tmp, file, written, buffer } =
            finish(&self.maildir, current).map_err(|error| self.maildir.fault(Doing::Storing, &entry, &error))?;
        self.current.buffer = buffer;
        let keep_open = self.pending.len() < FEW;
        let pending = Pending { tmp, entry, unique: unique.clone(), size: written, file: keep_open.then_some(file) };
        if written != size {
            let path = self.maildir.path_of(&pending.entry);
            drop_tmp(&self.maildir, &pending.tmp);
            return Err(Fault::new(Doing::Storing, &path.to_string_lossy(), Cause::Protocol)
                .scope(Scope::Message)
                .detail(&format!("{written} of {size} bytes arrived")));
        }
        self.pending.push(pending);
        Ok(())
    }

    /// Drops the message that is being written, if there is one.
    pub fn abort(&mut self) {
        let mut current = std::mem::take(&mut self.current);
        if let Some((tmp, _)) = current.tmp.take() {
            drop_tmp(&self.maildir, &tmp);
        }
        current.buffer.clear();
        self.current.buffer = current.buffer;
    }

    /// How many messages are kept so far.
    pub fn len(&self) -> usize {
        self.pending.len()
    }

    /// Is nothing kept so far?
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// How many bytes are kept so far.
    pub fn bytes(&self) -> u64 {
        self.pending.iter().map(|p| p.size).sum()
    }

    /// Makes all kept messages durable in their places. A name that is taken by a file of the same
    /// size is the same message, stored before: that file stays. Messages of one batch may have one
    /// name.
    ///
    /// # Errors
    /// A sync failed: nothing of the batch is to be counted as stored. What may be in its place
    /// all the same is found by its name later.
    pub fn commit(mut self) -> Result<Committed, Fault> {
        self.abort();
        let mut pending = std::mem::take(&mut self.pending);
        let fault =
            |e: &io::Error| Fault::io(Doing::Storing, &self.maildir.path().to_string_lossy(), e).scope(Scope::Mailbox);
        if let Err(error) = sync_files(&self.maildir, &pending) {
            for written in &pending {
                drop_tmp(&self.maildir, &written.tmp);
            }
            return Err(fault(&error));
        }
        let mut done = Committed::default();
        let mut touched = BTreeSet::new();
        for Pending { tmp, entry, unique, size, .. } in pending.drain(..) {
            touched.insert(entry.is_new());
            match place(&self.maildir, &tmp, &entry, size) {
                Ok(was_there) => done.stored.push(Stored { unique, entry, size, was_there }),
                Err(fault) => {
                    drop_tmp(&self.maildir, &tmp);
                    done.failed.push((unique, fault));
                }
            }
        }
        self.maildir.listen();
        for in_new in touched {
            rustix::fs::fsync(self.maildir.fd(in_new)).map_err(|e| fault(&e.into()))?;
        }
        Ok(done)
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        self.abort();
        for pending in &self.pending {
            drop_tmp(&self.maildir, &pending.tmp);
        }
    }
}

/// Where the bytes of one message are written to.
#[derive(Debug)]
pub struct Writer<'a> {
    maildir: &'a Maildir,
    current: &'a mut Current,
}

impl Write for Writer<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.current.buffer.extend_from_slice(bytes);
        self.current.written += bytes.len() as u64;
        if self.current.buffer.len() >= BUFFER
            && let Err(error) = spill(self.maildir, self.current)
        {
            // The message is lost with its first failed write, whatever the writer makes of it.
            self.current.error = Some(io::Error::from(error.kind()));
            return Err(error);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes out what was collected.
fn spill(maildir: &Maildir, current: &mut Current) -> io::Result<()> {
    if current.tmp.is_none() {
        let name = tmp_name();
        let file = create_tmp(maildir.tmp(), &name)?;
        current.tmp = Some((name, file));
    }
    if let Some((_, file)) = &mut current.tmp {
        file.write_all(&current.buffer)?;
    }
    current.buffer.clear();
    Ok(())
}

struct Finished {
    tmp: String,
    file: File,
    written: u64,
    buffer: Vec<u8>,
}

/// Ends a message; if that fails, its file is dropped.
fn finish(maildir: &Maildir, mut current: Current) -> io::Result<Finished> {
    let spilt = match current.error.take() {
        Some(error) => Err(error),
        None if !current.begun => Err(io::Error::other("no message was begun")),
        None => spill(maildir, &mut current),
    };
    match (spilt, current.tmp.take()) {
        (Ok(()), Some((tmp, file))) => Ok(Finished { tmp, file, written: current.written, buffer: current.buffer }),
        (failed, tmp) => {
            if let Some((name, _)) = tmp {
                drop_tmp(maildir, &name);
            }
            Err(failed.err().unwrap_or_else(|| io::Error::from(io::ErrorKind::WriteZero)))
        }
    }
}

fn drop_tmp(maildir: &Maildir, name: &str) {
    // What cannot be dropped now is swept later.
    let _ = rustix::fs::unlinkat(maildir.tmp(), name, AtFlags::empty());
}

fn sync_files(maildir: &Maildir, pending: &[Pending]) -> io::Result<()> {
    if pending.iter().all(|p| p.file.is_some()) {
        return pending.iter().filter_map(|p| p.file.as_ref()).try_for_each(File::sync_all);
    }
    sync_together(maildir, pending)
}

#[cfg(target_os = "linux")]
fn sync_together(maildir: &Maildir, _: &[Pending]) -> io::Result<()> {
    Ok(rustix::fs::syncfs(maildir.tmp())?)
}

#[cfg(not(target_os = "linux"))]
fn sync_together(maildir: &Maildir, pending: &[Pending]) -> io::Result<()> {
    use rustix::fs::{Mode, OFlags};
    pending.iter().try_for_each(|p| {
        File::from(rustix::fs::openat(maildir.tmp(), p.tmp.as_str(), OFlags::WRONLY, Mode::empty())?).sync_all()
    })
}

/// Renames a file into its place; says whether the same one was there already.
fn place(maildir: &Maildir, tmp: &str, entry: &Entry, size: u64) -> Result<bool, Fault> {
    let fault = |error: &io::Error| maildir.fault(Doing::Storing, entry, error);
    match rename_new(maildir.tmp(), tmp, maildir.fd(entry.is_new()), entry.file_name()) {
        Ok(()) => {
            maildir.note(Act::Came, entry);
            return Ok(false);
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(fault(&error)),
    }
    let stat = rustix::fs::statat(maildir.fd(entry.is_new()), entry.file_name(), AtFlags::SYMLINK_NOFOLLOW)
        .map_err(|e| fault(&e.into()))?;
    if u64::try_from(stat.st_size).ok() == Some(size) {
        drop_tmp(maildir, tmp);
        return Ok(true);
    }
    Err(Fault::new(Doing::Storing, &maildir.path_of(entry).to_string_lossy(), Cause::Damaged)
        .scope(Scope::Message)
        .again(Again::AfterUser)
        .detail(&format!("a file of this name has {} bytes, the message has {size}", stat.st_size)))
}
