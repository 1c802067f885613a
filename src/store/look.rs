//! Looks at files that the user wants to attach, and goes on with the names of paths that are being
//! typed. Reads no file and changes none.

use std::fs::{self, File};
use std::path::Path;

use crate::fault::{Again, Cause, Doing, Fault, Scope};

/// No more names than these are offered.
const MOST_NAMES: usize = 200;
/// No more entries of a directory than these are looked at.
const MOST_ENTRIES: usize = 50_000;

/// The size of a plain file that can be read.
///
/// # Errors
/// It is not there, it may not be read, or it is a directory, a pipe or a device.
pub(super) fn size(path: &Path) -> Result<u64, Fault> {
    let shown = path.to_string_lossy();
    let failed =
        |error: &std::io::Error| Fault::io(Doing::Reading, &shown, error).scope(Scope::Message).again(Again::AfterUser);
    let about = fs::metadata(path).map_err(|e| failed(&e))?;
    if !about.is_file() {
        let why = if about.is_dir() { "it is a directory" } else { "it is no plain file" };
        return Err(Fault::new(Doing::Reading, &shown, Cause::Refused)
            .scope(Scope::Message)
            .again(Again::AfterUser)
            .detail(why));
    }
    File::open(path).map_err(|e| failed(&e))?;
    Ok(about.len())
}

/// The names in a directory that begin like this, sorted, those of directories with `/` behind them.
/// Hidden ones are only given where a dot was typed; what cannot be typed is left out.
pub(super) fn names(directory: &Path, start: &str) -> Vec<String> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let mut names: Vec<String> = entries
        .take(MOST_ENTRIES)
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.starts_with(start) && (start.starts_with('.') || !name.starts_with('.')))
        .filter(|name| !name.chars().any(char::is_control))
        .collect();
    names.sort();
    names.truncate(MOST_NAMES);
    for name in &mut names {
        if directory.join(&*name).is_dir() {
            name.push('/');
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_files_are_attached() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("plan.pdf"), b"12345").unwrap();
        assert_eq!(size(&directory.path().join("plan.pdf")), Ok(5));
        let told = |path: &Path| size(path).unwrap_err().to_string();
        assert!(told(&directory.path().join("none")).ends_with("No such file or directory"));
        assert!(told(directory.path()).ends_with("it is a directory"));
    }

    #[test]
    fn names_go_on_from_what_was_typed() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["plan.pdf", "plan.md", "other", ".hidden", "bad\u{1b}name"] {
            fs::write(directory.path().join(name), b"").unwrap();
        }
        fs::create_dir(directory.path().join("plans")).unwrap();
        assert_eq!(names(directory.path(), "pl"), ["plan.md", "plan.pdf", "plans/"]);
        assert_eq!(names(directory.path(), ""), ["other", "plan.md", "plan.pdf", "plans/"]);
        assert_eq!(names(directory.path(), "."), [".hidden"]);
        assert_eq!(names(&directory.path().join("none"), ""), [""; 0]);
    }
}
