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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_strangers_become_harmless() {
        let long = format!("{}.pdf", "\u{e9}".repeat(300));
        let cut = format!("{}.pdf", "\u{e9}".repeat(98));
        for (wish, name) in [
            ("report.pdf", "report.pdf"),
            ("../../etc/passwd", "passwd"),
            ("C:\\evil\\run.exe", "run.exe"),
            (".bashrc", "bashrc"),
            ("-rf", "rf"),
            ("...", "attachment"),
            ("", "attachment"),
            ("a/", "attachment"),
            ("x\u{202e}fdp.exe", "xfdp.exe"),
            ("a\u{1b}[2Jb\n\0.txt", "a[2Jb.txt"),
            ("what?.txt. ", "what_.txt"),
            ("\u{200b}\u{feff}", "attachment"),
            (&long, &cut),
            ("\u{65e5}\u{672c}.txt", "\u{65e5}\u{672c}.txt"),
        ] {
            assert_eq!(safe_name(wish), name, "{wish:?}");
        }
        assert!(safe_name(&"x".repeat(5000)).len() <= NAME_MAX);
    }

    #[test]
    fn nothing_is_written_over_and_no_link_is_followed() {
        let dir = tempfile::tempdir().unwrap();
        let outside = dir.path().join("outside");
        let inside = dir.path().join("in");
        fs::create_dir(&inside).unwrap();
        std::os::unix::fs::symlink(&outside, inside.join("a.tar.gz")).unwrap();
        let saved: Vec<PathBuf> = ["1", "2"].iter().map(|b| save(&inside, "a.tar.gz", b.as_bytes()).unwrap()).collect();
        assert_eq!(saved, [inside.join("a.tar (2).gz"), inside.join("a.tar (3).gz")]);
        assert!(!outside.exists());
        assert_eq!(fs::metadata(&saved[0]).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read(&saved[1]).unwrap(), b"2");
    }

    #[test]
    fn the_private_directory_is_private_and_goes() {
        let dir = tempfile::tempdir().unwrap();
        // No process can have this number: it is above the highest one that the kernel gives.
        fs::create_dir(dir.path().join("opened-4194305")).unwrap();
        let opened = Opened::below(dir.path());
        assert!(!dir.path().join("opened-4194305").exists());
        let path = opened.directory().unwrap();
        assert_eq!(opened.directory().unwrap(), path);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        opened.empty();
        assert!(!path.exists());
        std::os::unix::fs::symlink(dir.path(), &path).unwrap();
        assert!(opened.directory().is_err(), "a link in its place is refused");
    }
}
