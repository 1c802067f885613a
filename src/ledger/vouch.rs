//! Whether the ledger's file must be examined as a whole before it is used. That reads all of it, so it is
//! done once a day, and whenever the file is not the one that was closed in order: after a crash, or when
//! something else wrote it or its log. While one program has it open, a second need not look: the first one did.
//! It never decides what becomes of a damaged file.

use std::cell::Cell;
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long an examination holds for a file that did not change outside of an orderly close.
const HOLDS: Duration = Duration::from_hours(24);

/// The bytes of a log that is not written back by whoever wrote to it.
const LONG: u64 = 1 << 20;

thread_local! {
    /// A ledger of this thread met damage while it was read.
    static SUSPECT: Cell<bool> = const { Cell::new(false) };
}

/// Remembers that what was read is damaged: the next one who opens the file examines it.
pub(super) fn suspect() {
    SUSPECT.set(true);
}

/// The share that one open ledger has in the file. Dropped as the last one of all programs, it writes down
/// that the file was closed in order.
#[derive(Debug)]
pub(super) struct Vouch {
    data: PathBuf,
    users: File,
    examined: Option<Duration>,
    /// The log as it was before.
    log: (u64, i128),
}

impl Vouch {
    /// Asks whether the file has to be examined. To be called, and kept until [`Vouch::keep`], by one at a time.
    pub(super) fn ask(data: &Path) -> io::Result<Self> {
        let users = data.join("ledger.users");
        let users = File::options().create(true).truncate(false).write(true).mode(0o600).open(users)?;
        let alone = match users.try_lock() {
            Ok(()) => true,
            Err(TryLockError::WouldBlock) => false,
            Err(TryLockError::Error(error)) => return Err(error),
        };
        let stamp = Stamp::read(data);
        let examined = stamp.filter(|stamp| !alone || stamp.holds(data)).map(|stamp| stamp.examined);
        Ok(Self { data: data.to_owned(), users, examined, log: log(data) })
    }

    /// Is there so much in the log, and something new, that to write it back would keep whoever closes the file
    /// waiting? It counts as it is: the next one who opens the file reads it, and checks it by its sums. One who
    /// had nothing to write has time for it.
    pub(super) fn leaves_log(&self) -> bool {
        let now = log(&self.data);
        now.0 > LONG && now != self.log
    }

    /// Whether the file can be used as it is.
    pub(super) fn holds(&self) -> bool {
        self.examined.is_some()
    }

    /// The file is sound and in use from now on.
    pub(super) fn keep(&mut self) -> io::Result<()> {
        self.users.lock_shared()?;
        if self.examined.is_none() {
            SUSPECT.set(false);
            self.examined = Some(now());
            self.write();
        }
        Ok(())
    }

    /// Writes the stamp. One that cannot be written costs an examination, no more.
    fn write(&self) {
        let path = self.data.join("ledger.checked");
        let stamp = self.examined.and_then(|examined| Stamp::of(&self.data, examined));
        if stamp.is_none_or(|stamp| fs::write(&path, stamp.to_string()).is_err()) {
            let _ = fs::remove_file(path);
        }
    }
}

impl Drop for Vouch {
    fn drop(&mut self) {
        // Who opens it at this moment will close it after us.
        let Ok(gate) = File::options().write(true).open(self.data.join("ledger.lock")) else { return };
        if gate.try_lock().is_err() {
            return;
        }
        if SUSPECT.get() {
            let _ = fs::remove_file(self.data.join("ledger.checked"));
        } else if self.users.try_lock().is_ok() {
            self.write();
        }
    }
}

/// What the file and its log were when it was closed, and when it was examined last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    size: u64,
    inode: u64,
    changed: i128,
    examined: Duration,
    /// The log's size, and when it was written to last.
    log: (u64, i128),
}

impl Stamp {
    /// `None`: there is no file.
    fn of(data: &Path, examined: Duration) -> Option<Self> {
        let file = fs::metadata(data.join("ledger.db")).ok()?;
        Some(Self { size: file.size(), inode: file.ino(), changed: changed(&file), examined, log: log(data) })
    }

    fn read(data: &Path) -> Option<Self> {
        let text = fs::read_to_string(data.join("ledger.checked")).ok()?;
        let mut words = text.split_whitespace();
        let stamp = Self {
            size: words.next()?.parse().ok()?,
            inode: words.next()?.parse().ok()?,
            changed: words.next()?.parse().ok()?,
            examined: Duration::from_secs(words.next()?.parse().ok()?),
            log: (words.next()?.parse().ok()?, words.next()?.parse().ok()?),
        };
        words.next().is_none().then_some(stamp)
    }

    /// Whether the file is still that one, and was examined not long ago by a clock that went on.
    fn holds(&self, data: &Path) -> bool {
        Self::of(data, self.examined) == Some(*self)
            && now().checked_sub(self.examined).is_some_and(|passed| passed < HOLDS)
    }
}

impl std::fmt::Display for Stamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (size, changed) = self.log;
        let examined = self.examined.as_secs();
        writeln!(f, "{} {} {} {examined} {size} {changed}", self.size, self.inode, self.changed)
    }
}

/// Of a log with nothing in it only that counts.
fn log(data: &Path) -> (u64, i128) {
    let log = fs::metadata(data.join("ledger.db-wal")).ok().filter(|log| log.len() > 0);
    log.map_or((0, 0), |log| (log.len(), changed(&log)))
}

fn changed(file: &fs::Metadata) -> i128 {
    i128::from(file.mtime()) * 1_000_000_000 + i128::from(file.mtime_nsec())
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
