//! Folders that change as a whole: their directories are renamed and removed. What lies in them is
//! never removed with them: a directory goes only when nothing is left in it.

use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use super::folders::{Root, make_durably};
use super::maildir::rename_new;
use crate::fault::{Again, Cause, Doing, Fault, Scope};
use crate::mail::mailbox::MailboxName;

/// The directories of a Maildir in the order in which they move: `cur` is what makes it a mailbox, so a
/// move that was cut short still shows where it came from.
const PARTS: [&str; 3] = ["tmp", "new", "cur"];

impl Root {
    /// Gives the directory of a mailbox another mailbox's name, with all that lies in it but the
    /// mailboxes below it. What was cut short goes on when it is called again.
    ///
    /// # Errors
    /// There is a mailbox of the new name already, none of the old one, or the file system refuses.
    pub fn rename(&self, from: &MailboxName, to: &MailboxName) -> Result<(), Fault> {
        let (old, new) = (self.directory(from)?, self.vacancy(to)?);
        let io = |error: &io::Error| Fault::io(Doing::Storing, from.as_str(), error).scope(Scope::Mailbox);
        let refused = |cause: Cause, why: &str| {
            let fault = Fault::new(Doing::Storing, from.as_str(), cause).scope(Scope::Mailbox);
            Err(fault.again(Again::AfterUser).detail(why))
        };
        if from.is_inbox() || to.is_inbox() || old == new {
            return refused(Cause::Refused, "INBOX keeps its name, and each folder has one of its own");
        }
        if !old.join("cur").is_dir() {
            return refused(Cause::Missing, "there is no such folder on this disk");
        }
        if new.join("cur").is_dir() {
            return refused(Cause::Refused, "there is a folder of the new name already");
        }
        self.carry(&old, &new).map_err(|e| io(&e))
    }

    fn carry(&self, old: &Path, new: &Path) -> io::Result<()> {
        let above = new.parent().unwrap_or(Path::new("."));
        make_durably(above)?;
        let mut loose = Vec::new();
        let mut is_alone = true;
        for entry in fs::read_dir(old)? {
            let entry = entry?;
            let is_part = PARTS.iter().any(|part| entry.file_name() == *part);
            if entry.file_type()?.is_dir() { is_alone &= is_part } else { loose.push(entry.file_name()) }
        }
        if is_alone && !new.exists() && !new.starts_with(old) {
            move_entry(old, new)?;
        } else {
            make_durably(new)?;
            for name in loose {
                match move_entry(&old.join(&name), &new.join(&name)) {
                    // Marks of other programs; the one that is there stays.
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                    done => done?,
                }
            }
            for part in PARTS {
                move_part(&old.join(part), &new.join(part))?;
            }
        }
        File::open(above)?.sync_all()?;
        self.prune(old)
    }

    /// Removes the directory of a mailbox that has no messages; tells whether it is gone. One with files
    /// in it, also such as other programs left, stays.
    ///
    /// # Errors
    /// What the file system refuses.
    pub fn remove(&self, mailbox: &MailboxName) -> Result<bool, Fault> {
        let directory = self.directory(mailbox)?;
        if mailbox.is_inbox() || !directory.join("cur").is_dir() {
            return Ok(!mailbox.is_inbox());
        }
        let io = |error: &io::Error| Fault::io(Doing::Storing, mailbox.as_str(), error).scope(Scope::Mailbox);
        // What is delivered meanwhile keeps the directory that it was delivered to.
        for part in ["new", "tmp", "cur"] {
            match fs::remove_dir(directory.join(part)) {
                Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {
                    self.create(mailbox)?;
                    return Ok(false);
                }
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io(&error)),
                _ => {}
            }
        }
        let mark = directory.join("maildirfolder");
        if mark.metadata().is_ok_and(|about| about.len() == 0) {
            fs::remove_file(&mark).map_err(|e| io(&e))?;
        }
        self.prune(&directory).map_err(|e| io(&e))?;
        Ok(true)
    }

    /// Removes a directory, and those above it below the root, as far as nothing lies in them.
    fn prune(&self, directory: &Path) -> io::Result<()> {
        for empty in directory.ancestors().take_while(|path| *path != self.path && path.starts_with(&self.path)) {
            match fs::remove_dir(empty) {
                Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => return Ok(()),
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            File::open(empty.parent().unwrap_or(&self.path))?.sync_all()?;
        }
        Ok(())
    }
}

/// Moves a file or directory, never over another one.
fn move_entry(from: &Path, to: &Path) -> io::Result<()> {
    let open = |path: &Path| -> io::Result<(OwnedFd, String)> {
        let odd = || io::Error::from(io::ErrorKind::InvalidInput);
        let name = path.file_name().and_then(|name| name.to_str()).ok_or_else(odd)?;
        Ok((OwnedFd::from(File::open(path.parent().ok_or_else(odd)?)?), name.to_owned()))
    };
    let ((old, old_name), (new, new_name)) = (open(from)?, open(to)?);
    rename_new(&old, &old_name, &new, &new_name)?;
    rustix::fs::fsync(&new)?;
    Ok(rustix::fs::fsync(&old)?)
}

/// Moves one of the directories of a Maildir, also where a move that was cut short, or another program,
/// has made the new one already.
fn move_part(from: &Path, to: &Path) -> io::Result<()> {
    if !from.is_dir() {
        return Ok(());
    }
    match move_entry(from, to) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            for entry in fs::read_dir(from)? {
                let name = entry?.file_name();
                move_entry(&from.join(&name), &to.join(&name))?;
            }
            fs::remove_dir(from)
        }
        done => done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::place::Layout;

    fn name(text: &str) -> MailboxName {
        MailboxName::new(text).unwrap()
    }

    fn found(root: &Root) -> Vec<String> {
        root.list().found.into_keys().map(|name| name.as_str().to_owned()).collect()
    }

    #[test]
    fn a_folder_moves_with_its_files_and_without_those_below_it() {
        for layout in [Layout::Nested, Layout::MaildirPlusPlus] {
            let dir = tempfile::tempdir().unwrap();
            let root = Root { path: dir.path().join("mail"), layout };
            for text in ["INBOX", "Lists", "Lists/rust"] {
                let directory = root.create(&name(text)).unwrap();
                fs::write(directory.join("cur/1.a:2,S"), text).unwrap();
                fs::write(directory.join("dovecot-keywords"), text).unwrap();
            }
            root.rename(&name("Lists"), &name("Rolls/old")).unwrap();
            assert_eq!(found(&root), ["INBOX", "Lists/rust", "Rolls/old"]);
            root.rename(&name("Lists/rust"), &name("Rolls/old/rust")).unwrap();
            assert_eq!(found(&root), ["INBOX", "Rolls/old", "Rolls/old/rust"]);
            assert!(!root.path.join("Lists").exists());
            for (text, was) in [("Rolls/old", "Lists"), ("Rolls/old/rust", "Lists/rust")] {
                let directory = root.directory(&name(text)).unwrap();
                assert_eq!(fs::read_to_string(directory.join("cur/1.a:2,S")).unwrap(), was);
                assert_eq!(fs::read_to_string(directory.join("dovecot-keywords")).unwrap(), was);
            }
            assert_eq!(root.rename(&name("Lists"), &name("X")).unwrap_err().cause, Cause::Missing);
            assert_eq!(root.rename(&name("Rolls/old"), &name("Rolls/old/rust")).unwrap_err().cause, Cause::Refused);
            assert_eq!(root.rename(&name("INBOX"), &name("X")).unwrap_err().cause, Cause::Refused);
        }
    }

    #[test]
    fn a_move_that_was_cut_short_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root { path: dir.path().join("mail"), layout: Layout::Nested };
        let old = root.create(&name("Lists")).unwrap();
        root.create(&name("Lists/rust")).unwrap();
        fs::write(old.join("cur/1.a:2,"), "x").unwrap();
        fs::write(old.join("new/2.b"), "y").unwrap();
        let new = root.path.join("Rolls");
        fs::create_dir_all(new.join("tmp")).unwrap();
        fs::rename(old.join("new"), new.join("new")).unwrap();
        // Whoever opened the old one meanwhile made it whole again.
        fs::create_dir(old.join("new")).unwrap();
        fs::write(old.join("new/3.c"), "z").unwrap();
        root.rename(&name("Lists"), &name("Rolls")).unwrap();
        assert_eq!(found(&root), ["Lists/rust", "Rolls"]);
        assert!(["cur/1.a:2,", "new/2.b", "new/3.c"].iter().all(|file| new.join(file).is_file()));
    }

    #[test]
    fn only_what_is_empty_goes() {
        for layout in [Layout::Nested, Layout::MaildirPlusPlus] {
            let dir = tempfile::tempdir().unwrap();
            let root = Root { path: dir.path().join("mail"), layout };
            root.create(&name("INBOX")).unwrap();
            let full = root.create(&name("A/full")).unwrap();
            fs::write(full.join("cur/1.a:2,"), "x").unwrap();
            root.create(&name("A/empty")).unwrap();
            assert_eq!(root.remove(&name("A/full")), Ok(false));
            assert_eq!(root.remove(&name("A/empty")), Ok(true));
            assert_eq!(root.remove(&name("INBOX")), Ok(false));
            assert_eq!(found(&root), ["A/full", "INBOX"]);
            fs::remove_file(full.join("cur/1.a:2,")).unwrap();
            assert_eq!(root.remove(&name("A/full")), Ok(true));
            assert_eq!(found(&root), ["INBOX"]);
            assert!(!full.exists() && !root.path.join("A").exists());
        }
    }
}
