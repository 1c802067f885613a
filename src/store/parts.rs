//! Parts of messages, written to files. A name from a message is a wish by a stranger: it is made
//! harmless here, nothing is ever written over, and no link is followed.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::process::{Pid, test_kill_process};

use crate::fault::{Doing, Fault, Scope};
use crate::mail::clean::Clean;

/// The longest name that is made, in bytes.
const NAME_MAX: usize = 200;
/// The longest ending that is kept when a name is cut.
const ENDING_MAX: usize = 20;
/// So many files of one name are numbered.
const NUMBERS: u32 = 1000;

/// Makes a harmless file name of what a message calls a part: no directory, no control, direction
/// or invisible characters, no leading dot or dash, at most 200 bytes, never empty.
pub fn safe_name(wish: &str) -> String {
    let leaf = wish.rsplit(['/', '\\']).next().unwrap_or("");
    let visible: String = leaf
        .chars()
        .filter(|c| Clean::line(c.encode_utf8(&mut [0; 4])).as_str().starts_with(*c))
        .map(|c| if matches!(c, ':' | '*' | '?' | '"' | '<' | '>' | '|') { '_' } else { c })
        .collect();
    let trimmed = visible.trim_start_matches(['.', '-', ' ', '~']).trim_end_matches(['.', ' ']);
    if trimmed.is_empty() {
        return "attachment".to_owned();
    }
    let (stem, ending) = split_ending(trimmed);
    let room = NAME_MAX - ending.len();
    let cut = stem.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= room).last().unwrap_or(0);
    format!("{}{ending}", stem.get(..cut).unwrap_or(""))
}

/// Splits off a short ending with its dot.
fn split_ending(name: &str) -> (&str, &str) {
    match name.rfind('.') {
        Some(at) if at > 0 && name.len() - at <= ENDING_MAX => name.split_at(at),
        _ => (name, ""),
    }
}

/// Writes a file that was not there, which only the user may read; where the name is taken, a
/// number is added. Gives its path.
pub fn save(directory: &Path, wish: &str, bytes: &[u8]) -> Result<PathBuf, Fault> {
    let name = safe_name(wish);
    let fault =
        |path: &Path, e: &io::Error| Fault::io(Doing::Storing, &path.to_string_lossy(), e).scope(Scope::Message);
    let (mut file, path) = create(directory, &name).map_err(|e| fault(&directory.join(&name), &e))?;
    if let Err(error) = file.write_all(bytes).and_then(|()| file.sync_all()) {
        let _ = fs::remove_file(&path);
        return Err(fault(&path, &error));
    }
    Ok(path)
}

fn create(directory: &Path, name: &str) -> io::Result<(File, PathBuf)> {
    let (stem, ending) = split_ending(name);
    for number in 1..=NUMBERS {
        let name = if number == 1 { name.to_owned() } else { format!("{stem} ({number}){ending}") };
        let path = directory.join(name);
        // `create_new` is O_EXCL, which does not follow a link at the end of the path either.
        match File::options().write(true).create_new(true).mode(0o600).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            other => return other.map(|file| (file, path)),
        }
    }
    Err(io::Error::from(io::ErrorKind::AlreadyExists))
}

/// The private directory for parts that are opened by programs: one for each process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    runtime: PathBuf,
}

impl Opened {
    /// Below the program's runtime directory. What processes left that are gone is removed.
    pub fn below(runtime: &Path) -> Self {
        let opened = Self { runtime: runtime.to_owned() };
        for entry in fs::read_dir(runtime).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let pid = name.to_str().and_then(|n| n.strip_prefix("opened-")).and_then(|n| n.parse().ok());
            if let Some(pid) = pid.and_then(Pid::from_raw)
                && test_kill_process(pid) == Err(rustix::io::Errno::SRCH)
            {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
        opened
    }

    fn path(&self) -> PathBuf {
        self.runtime.join(format!("opened-{}", std::process::id()))
    }

    /// Makes the directory, if it is not there: only the user may enter it.
    pub fn directory(&self) -> Result<PathBuf, Fault> {
        let path = self.path();
        let make = || -> io::Result<()> {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.runtime)?;
            match fs::DirBuilder::new().mode(0o700).create(&path) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
            // Whoever made it before us: it must be a directory of ours, and private.
            if !fs::symlink_metadata(&path)?.is_dir() {
                return Err(io::Error::from(io::ErrorKind::NotADirectory));
            }
            fs::set_permissions(&path, fs::Permissions::from_mode(0o700))
        };
        make().map_err(|e| Fault::io(Doing::Storing, &path.to_string_lossy(), &e).scope(Scope::Program))?;
        Ok(path)
    }

    /// Removes the directory with all that was opened.
    pub fn empty(&self) {
        // What cannot be removed now goes when the runtime directory or the next run does.
        let _ = fs::remove_dir_all(self.path());
    }
}
