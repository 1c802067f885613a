//! Texts that lay open in an editor when the program ended: the next start brings what was written
//! there into the journal of drafts. A text is claimed by a lock while its editor runs, so that
//! nothing is taken from under another tern; the lock ends with the process, however it ends.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::SystemTime;

use crate::fault::Fault;
use crate::store::drafts::Journal;

/// How the name of a text ends.
const TEXT: &str = "eml";
/// How the name of its lock ends.
const LOCK: &str = "lock";
/// How the name of a text ends whose draft is gone.
const ALONE: &str = "txt";

/// Claims the text of that name for this process, until the claim is dropped.
///
/// # Errors
/// Another tern has it, or the lock cannot be made.
pub(super) fn claim(directory: &Path, name: &str) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let path = directory.join(name).with_extension(LOCK);
    let lock = File::options().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    lock.try_lock()?;
    Ok(lock)
}

/// Removes the text of that name and its lock. What stays behind is looked at again at the next start.
pub(super) fn clear(directory: &Path, name: &str) {
    for end in [TEXT, LOCK] {
        let _ = fs::remove_file(directory.join(name).with_extension(end));
    }
}

/// Brings the texts of editors that no longer run into the journal, and says what the user must know.
pub(super) fn rescue(directory: &Path, journal: &Journal) -> Vec<String> {
    let mut told = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let file = entry.file_name();
        let Some(name) = file.to_str().and_then(|file| file.strip_suffix(TEXT)?.strip_suffix('.')) else { continue };
        let Ok(_claim) = claim(directory, name) else { continue };
        match take(&entry.path(), name, journal) {
            Ok(None) => clear(directory, name),
            Ok(Some(words)) => told.push(words),
            Err(fault) => told.push(format!("{fault}; the text lies in {}", entry.path().display())),
        }
    }
    told
}

/// Takes one text in. What comes back is to be told, and its file stays.
fn take(path: &Path, name: &str, journal: &Journal) -> Result<Option<String>, Fault> {
    let unreadable = |e: &io::Error| Fault::io(crate::fault::Doing::Reading, &path.to_string_lossy(), e);
    let text = String::from_utf8_lossy(&fs::read(path).map_err(|e| unreadable(&e))?).into_owned();
    let written = fs::metadata(path).and_then(|about| about.modified()).map_err(|e| unreadable(&e))?;
    if text.trim().is_empty() {
        return Ok(None);
    }
    let found = journal.list()?;
    let Some(mut draft) = found.drafts.into_iter().find(|draft| draft.id == name) else {
        let aside = path.with_extension(ALONE);
        fs::rename(path, &aside).map_err(|e| unreadable(&e))?;
        return Ok(Some(format!("A text that was left in an editor lies in {}", aside.display())));
    };
    if draft.body != text && written > journal.kept_at(name).unwrap_or(SystemTime::UNIX_EPOCH) {
        draft.body = text;
        journal.keep(&draft)?;
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::address::Address;
    use crate::mail::draft::Draft;
    use crate::mail::ids::{AccountId, Timestamp};
    use std::time::Duration;

    fn draft(id: &str, body: &str) -> Draft {
        Draft {
            to: "bob@example.org".to_owned(),
            body: body.to_owned(),
            ..Draft::new(id.to_owned(), AccountId::new("work"), Address::default(), Timestamp::new(1))
        }
    }

    /// Writes a text as an editor would, so many seconds after now.
    fn edited(directory: &Path, name: &str, text: &str, later: i64) {
        let path = directory.join(format!("{name}.eml"));
        fs::write(&path, text).unwrap();
        let shift = Duration::from_secs(later.unsigned_abs());
        let time = if later < 0 { SystemTime::now() - shift } else { SystemTime::now() + shift };
        File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
    }

    #[test]
    fn what_an_editor_had_comes_back_unless_something_newer_is_kept() {
        let home = tempfile::tempdir().unwrap();
        let journal = Journal::below(home.path());
        let editing = home.path().join("editing");
        fs::create_dir(&editing).unwrap();
        for id in ["newer", "older", "running"] {
            journal.keep(&draft(id, "as it was begun")).unwrap();
        }
        edited(&editing, "newer", "written in the editor", 60);
        edited(&editing, "older", "given up", -60);
        edited(&editing, "running", "half a sen", 60);
        edited(&editing, "sent", "its draft is gone", 60);
        edited(&editing, "nothing", " \n", 60);
        let running = claim(&editing, "running").unwrap();
        let told = rescue(&editing, &journal);
        let body = |id: &str| journal.list().unwrap().drafts.into_iter().find(|draft| draft.id == id).unwrap().body;
        assert_eq!(body("newer"), "written in the editor");
        assert_eq!(body("older"), "as it was begun");
        assert_eq!(body("running"), "as it was begun", "another tern's editor has it");
        let aside = editing.join("sent.txt");
        assert_eq!(told, [format!("A text that was left in an editor lies in {}", aside.display())]);
        assert_eq!(fs::read_to_string(aside).unwrap(), "its draft is gone");
        drop(running);
        assert_eq!(rescue(&editing, &journal), Vec::<String>::new());
        assert_eq!(body("running"), "half a sen");
        let left = fs::read_dir(&editing).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
        assert!(!left.iter().any(|name| name.to_string_lossy().ends_with(".eml")), "{left:?}");
    }
}
