//! Which file serves. The index's name stands for a plain file at first and, once it was made anew, for one of two
//! files beside it, by a symbolic link: so a new index is built in peace and takes the place of the old one in one
//! step, whatever dies in between. Each file has a name of its own because SQLite keeps its log beside the file, by
//! that name: a plain rename would lay the log of the old index over the new one.
//!
//! Who has the old file open reads it to the end of its question; nothing here waits for that.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::fault::{Doing, Fault, Scope};

/// What follows the index's name in those of the two files.
const TURNS: [&str; 2] = [".1", ".2"];

/// What SQLite puts beside a file.
const HELPERS: [&str; 2] = ["-wal", "-shm"];

/// Which file it is: a new index is another one under the same name.
pub(super) type Identity = (u64, u64);

/// The file that a name stands for now; `None`: there is none.
pub(super) fn identity(path: &Path) -> Option<Identity> {
    fs::metadata(path).ok().map(|meta| (meta.dev(), meta.ino()))
}

/// The file that serves under this name, whether it is there or not.
pub(super) fn serving(path: &Path) -> PathBuf {
    match fs::read_link(path) {
        Ok(target) => path.parent().unwrap_or(Path::new("")).join(target),
        Err(_) => path.to_path_buf(),
    }
}

/// Where a new index is built while the old one serves.
pub(super) fn spare(path: &Path) -> PathBuf {
    let serving = serving(path);
    let [first, second] = TURNS.map(|turn| beside(path, turn));
    if serving == first { second } else { first }
}

/// Lets the spare file serve from now on. Whoever opens the index finds the one or the other, each whole.
pub(super) fn put_in_place(path: &Path, _: &Lock) -> Result<(), Fault> {
    let (spare, link) = (spare(path), beside(path, ".link"));
    let place = || {
        remove_file(&link)?;
        // A name alone, so that the directory can be moved.
        std::os::unix::fs::symlink(spare.file_name().unwrap_or_default(), &link)?;
        fs::rename(&link, path)?;
        path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
    };
    place().map_err(|error| file_fault(path, &error))
}

/// Removes what an index that served before has left, and a new one that nobody goes on with. Only for who holds
/// the right to build.
pub(super) fn clear(path: &Path, _: &Lock) -> Result<(), Fault> {
    let mut left = with_helpers(&spare(path));
    left.push(beside(path, ".link"));
    if serving(path) != path {
        // The log of the plain file that the name stood for at first.
        left.extend(HELPERS.map(|helper| beside(path, helper)));
    }
    left.iter().try_for_each(|file| remove_file(file).map_err(|error| file_fault(file, &error)))
}

/// Removes the index itself; whoever has it open keeps the old one until the next question.
pub(super) fn remove(path: &Path, _: &Lock) -> Result<(), Fault> {
    let mut all = with_helpers(&serving(path));
    all.extend([path.to_path_buf(), beside(path, ".damaged")]);
    all.iter().try_for_each(|file| remove_file(file).map_err(|error| file_fault(file, &error)))
}

/// Puts a damaged index aside, so that another can be made under its name.
pub(super) fn set_aside(path: &Path, _: &Lock) -> Result<(), Fault> {
    let serving = serving(path);
    fs::rename(&serving, beside(path, ".damaged")).map_err(|error| file_fault(&serving, &error))?;
    let helpers = HELPERS.map(|helper| beside(&serving, helper));
    helpers.iter().try_for_each(|file| remove_file(file).map_err(|error| file_fault(file, &error)))
}

/// Removes a file that is to be built anew.
pub(super) fn begin_again(spare: &Path, _: &Building) -> Result<(), Fault> {
    with_helpers(spare).iter().try_for_each(|file| remove_file(file).map_err(|error| file_fault(file, &error)))
}

/// Held while a file is opened or replaced, so that no process opens a file at the moment another one removes it.
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    pub(super) fn of(path: &Path) -> Result<Self, Fault> {
        let (file, name) = lock_file(path, ".lock")?;
        file.lock().map_err(|error| file_fault(&name, &error))?;
        Ok(Self { _file: file })
    }
}

/// The right to build a new index beside the one that serves: of one program at a time.
pub(super) struct Building {
    _file: File,
}

impl Building {
    /// `None`: another program builds. The lock is held, so that nobody is taken for one who only clears up.
    pub(super) fn begin(path: &Path, _: &Lock) -> Result<Option<Self>, Fault> {
        let (file, name) = lock_file(path, ".building")?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(file_fault(&name, &error)),
        }
    }
}

fn lock_file(path: &Path, ending: &str) -> Result<(File, PathBuf), Fault> {
    if let Some(directory) = path.parent() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(|error| file_fault(directory, &error))?;
    }
    let name = beside(path, ending);
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&name);
    file.map(|file| (file, name.clone())).map_err(|error| file_fault(&name, &error))
}

fn with_helpers(file: &Path) -> Vec<PathBuf> {
    let mut all = vec![file.to_path_buf()];
    all.extend(HELPERS.map(|helper| beside(file, helper)));
    all
}

fn remove_file(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

fn file_fault(path: &Path, error: &io::Error) -> Fault {
    Fault::io(Doing::Indexing, &path.display().to_string(), error).scope(Scope::Program)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = entries.filter(|name| !name.ends_with("lock")).collect();
        names.sort();
        names
    }

    #[test]
    fn the_name_stands_for_one_file_after_the_other() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("i");
        fs::write(&path, "plain").unwrap();
        fs::write(beside(&path, "-wal"), "its log").unwrap();
        for (turn, text) in [(".1", "first"), (".2", "second"), (".1", "third")] {
            let spare = spare(&path);
            assert_eq!(spare, beside(&path, turn));
            fs::write(&spare, text).unwrap();
            fs::write(beside(&spare, "-wal"), "log").unwrap();
            let (before, lock) = (identity(&path), Lock::of(&path).unwrap());
            put_in_place(&path, &lock).unwrap();
            assert_ne!(identity(&path), before);
            clear(&path, &lock).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
            let (file, log) = (format!("i{turn}"), format!("i{turn}-wal"));
            assert_eq!(names(directory.path()), ["i", &file, &log], "nothing else is left");
        }
        let lock = Lock::of(&path).unwrap();
        set_aside(&path, &lock).unwrap();
        assert_eq!((identity(&path), names(directory.path())), (None, vec!["i".to_owned(), "i.damaged".to_owned()]));
        fs::write(&path, "made anew through the link").unwrap();
        assert_eq!(serving(&path), beside(&path, ".1"));
        remove(&path, &lock).unwrap();
        assert_eq!(names(directory.path()), Vec::<String>::new());
    }

    #[test]
    fn one_builds_at_a_time() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("deep/i");
        let lock = Lock::of(&path).unwrap();
        let first = Building::begin(&path, &lock).unwrap();
        assert!(first.is_some() && Building::begin(&path, &lock).unwrap().is_none());
        drop(first);
        assert!(Building::begin(&path, &lock).unwrap().is_some());
    }
}
