//! What the user orders to be done with a folder as a whole: making it, renaming it with those below it, and
//! removing it, its mail going into quarantine. Done in the Maildir at once, without a server; what was ordered
//! is checked in full before anything is touched. Nothing is removed that the user was not asked about.

use std::path::Path;

use super::folders::Root;
use super::maildir::Maildir;
use super::quarantine::Quarantine;
use super::scan;
use crate::fault::{Again, Cause, Doing, Fault, Scope};
use crate::job::files::{FolderDone, FolderOrder, RenamedFolder};
use crate::mail::ids::Timestamp;
use crate::mail::mailbox::MailboxName;
use crate::mail::place::MailboxId;

/// Why an order is not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// INBOX keeps its name and its place.
    Inbox,
    /// There is none of that name.
    Missing,
    /// There is one of that name already.
    Exists(MailboxName),
    /// No folder goes below itself.
    BelowItself,
    /// The new name, or that of a folder below it, is too long.
    TooLong,
    /// More messages are in it than the user agreed to.
    Full(usize),
}

impl Refusal {
    /// What a person is told.
    pub fn words(&self) -> String {
        match self {
            Self::Inbox => "INBOX keeps its name and cannot be deleted".to_owned(),
            Self::Missing => "there is no such folder".to_owned(),
            Self::Exists(name) => format!("there is a folder {name} already"),
            Self::BelowItself => "no folder goes below itself".to_owned(),
            Self::TooLong => "the new name is too long".to_owned(),
            Self::Full(1) => "1 message is in it; nothing was deleted".to_owned(),
            Self::Full(count) => format!("{count} messages are in it; nothing was deleted"),
        }
    }
}

/// Why an order was not carried out, or not to its end.
#[derive(Debug, Clone, PartialEq)]
pub enum Failure {
    /// It cannot be; nothing was touched.
    Refused(Refusal),
    /// The disk failed.
    Fault(Fault),
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Failure {
    /// The same as a fault.
    pub fn fault(self, mailbox: &MailboxId) -> Fault {
        match self {
            Self::Fault(fault) => fault.of(&mailbox.account),
            Self::Refused(refusal) => {
                let cause = if refusal == Refusal::Missing { Cause::Missing } else { Cause::Refused };
                let fault = Fault::new(Doing::Storing, mailbox.name.as_str(), cause).of(&mailbox.account);
                fault.scope(Scope::Mailbox).again(Again::AfterUser).detail(&refusal.words())
            }
        }
    }
}

/// Checks an order without carrying it out.
///
/// # Errors
/// Why it would be refused, or what could not be read.
pub fn check(root: &Root, mailbox: &MailboxName, order: &FolderOrder) -> Result<(), Failure> {
    match order {
        FolderOrder::Make if is_there(root, mailbox) => Err(Refusal::Exists(mailbox.clone()).into()),
        FolderOrder::Make => Ok(()),
        FolderOrder::Rename(to) => moves(root, mailbox, to).map(drop),
        FolderOrder::Remove { at_most } => {
            if mailbox.is_inbox() {
                return Err(Refusal::Inbox.into());
            }
            if !is_there(root, mailbox) {
                return Err(Refusal::Missing.into());
            }
            let count = scan::scan(&Maildir::open(&root.directory(mailbox)?)?)?.entries.len();
            if count > *at_most { Err(Refusal::Full(count).into()) } else { Ok(()) }
        }
    }
}

/// Carries an order out. `data` is the program's data directory, where the quarantine lies.
///
/// # Errors
/// Why it is refused, or what the disk refused; what was done until then stays done, and the same order goes on
/// from there.
pub fn carry_out(
    root: &Root,
    data: &Path,
    mailbox: &MailboxId,
    order: &FolderOrder,
    now: Timestamp,
) -> Result<FolderDone, Failure> {
    check(root, &mailbox.name, order)?;
    match order {
        FolderOrder::Make => {
            root.create(&mailbox.name)?;
            Ok(FolderDone::Made)
        }
        FolderOrder::Rename(to) => {
            let mut renamed = Vec::new();
            for (from, to) in moves(root, &mailbox.name, to)? {
                root.rename(&from, &to)?;
                let directory = root.directory(&to)?;
                let is_empty = ["cur", "new"].iter().all(|part| is_bare(&directory.join(part)));
                renamed.push(RenamedFolder { from, to, directory, is_empty });
            }
            Ok(FolderDone::Renamed(renamed))
        }
        FolderOrder::Remove { at_most } => remove(root, data, mailbox, *at_most, now),
    }
}

fn is_bare(directory: &Path) -> bool {
    std::fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_none())
}

fn is_there(root: &Root, mailbox: &MailboxName) -> bool {
    root.directory(mailbox).is_ok_and(|directory| directory.join("cur").is_dir())
}

/// The folders that a rename concerns, parents first.
fn moves(root: &Root, from: &MailboxName, to: &MailboxName) -> Result<Vec<(MailboxName, MailboxName)>, Failure> {
    if from.is_inbox() || to.is_inbox() {
        return Err(Refusal::Inbox.into());
    }
    if to.is_below(from) {
        return Err(Refusal::BelowItself.into());
    }
    let all = root.list().found;
    // A map of names is sorted, so that parents come first.
    let affected = all.keys().filter(|name| *name == from || name.is_below(from));
    let moves: Option<Vec<_>> = affected.map(|name| Some((name.clone(), from.carried(name, to)?))).collect();
    let moves = moves.ok_or(Refusal::TooLong)?;
    if moves.is_empty() {
        return Err(Refusal::Missing.into());
    }
    if let Some((_, taken)) = moves.iter().find(|(_, to)| all.contains_key(to)) {
        return Err(Refusal::Exists(taken.clone()).into());
    }
    Ok(moves)
}

fn remove(
    root: &Root,
    data: &Path,
    mailbox: &MailboxId,
    at_most: usize,
    now: Timestamp,
) -> Result<FolderDone, Failure> {
    let maildir = Maildir::open(&root.directory(&mailbox.name)?)?;
    let entries = scan::scan(&maildir)?.entries;
    if entries.len() > at_most {
        return Err(Refusal::Full(entries.len()).into());
    }
    let mut kept = 0;
    if !entries.is_empty() {
        let shelf = Quarantine::below(data).shelf(mailbox, now)?;
        for entry in &entries {
            kept += usize::from(shelf.take(&maildir, entry)?.is_some());
        }
        shelf.settle()?;
        maildir.settle()?;
    }
    if root.remove(&mailbox.name)? {
        return Ok(FolderDone::Removed { kept });
    }
    // Mail came into it meanwhile.
    let left = scan::scan(&maildir)?.entries.len();
    Err(Refusal::Full(left).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::flags::Flags;
    use crate::mail::ids::AccountId;
    use crate::mail::place::Layout;
    use crate::store::maildir::fresh;

    fn name(text: &str) -> MailboxName {
        MailboxName::new(text).unwrap()
    }

    struct Place {
        dir: tempfile::TempDir,
        root: Root,
    }

    impl Place {
        fn with(folders: &[(&str, usize)]) -> Self {
            let dir = tempfile::tempdir().unwrap();
            let root = Root { path: dir.path().join("mail"), layout: Layout::Nested };
            for (folder, count) in folders {
                let maildir = Maildir::open(&root.create(&name(folder)).unwrap()).unwrap();
                for _ in 0..*count {
                    maildir.deliver(&fresh(None), &Flags::none(), b"Subject: x\r\n\r\n").unwrap();
                }
            }
            Self { dir, root }
        }

        fn order(&self, folder: &str, order: &FolderOrder) -> Result<FolderDone, Failure> {
            let mailbox = MailboxId { account: AccountId::new("a"), name: name(folder) };
            carry_out(&self.root, self.dir.path(), &mailbox, order, Timestamp::new(1_800_000_000))
        }

        fn folders(&self) -> Vec<String> {
            self.root.list().found.into_keys().map(|name| name.as_str().to_owned()).collect()
        }
    }

    #[test]
    fn what_cannot_be_is_refused_before_anything_is_touched() {
        let place = Place::with(&[("INBOX", 1), ("Lists", 2), ("Lists/rust", 1), ("Rolls/rust", 0)]);
        let before = place.folders();
        let rename = |to: &str| FolderOrder::Rename(name(to));
        let remove = |at_most| FolderOrder::Remove { at_most };
        let table = [
            ("Lists", FolderOrder::Make, Refusal::Exists(name("Lists"))),
            ("INBOX", rename("x"), Refusal::Inbox),
            ("Lists", rename("inbox"), Refusal::Inbox),
            ("Lists", rename("Lists/old"), Refusal::BelowItself),
            ("Nowhere", rename("x"), Refusal::Missing),
            ("Lists", rename("Rolls"), Refusal::Exists(name("Rolls/rust"))),
            ("Lists", rename(&"x".repeat(999)), Refusal::TooLong),
            ("INBOX", remove(9), Refusal::Inbox),
            ("Nowhere", remove(9), Refusal::Missing),
            ("Lists", remove(1), Refusal::Full(2)),
        ];
        for (folder, order, refusal) in table {
            assert_eq!(place.order(folder, &order), Err(Failure::Refused(refusal)), "{folder} {order:?}");
            assert_eq!(place.folders(), before, "{folder} {order:?}");
        }
    }

    #[test]
    fn a_rename_takes_those_below_along_and_not_those_that_begin_alike() {
        let place = Place::with(&[("Lists", 1), ("Lists/rust/deep", 1), ("Lists-old", 1)]);
        let Ok(FolderDone::Renamed(renamed)) = place.order("Lists", &FolderOrder::Rename(name("A/B"))) else {
            panic!()
        };
        let told: Vec<(&str, &str)> = renamed.iter().map(|one| (one.from.as_str(), one.to.as_str())).collect();
        assert_eq!(told, [("Lists", "A/B"), ("Lists/rust/deep", "A/B/rust/deep")]);
        assert!(renamed.iter().all(|one| one.directory.join("cur").is_dir()));
        assert_eq!(place.folders(), ["A/B", "A/B/rust/deep", "Lists-old"]);
    }

    #[test]
    fn what_is_removed_lies_in_quarantine_and_those_below_stay() {
        let place = Place::with(&[("Lists", 2), ("Lists/rust", 1)]);
        assert_eq!(place.order("Lists", &FolderOrder::Remove { at_most: 2 }), Ok(FolderDone::Removed { kept: 2 }));
        assert_eq!(place.folders(), ["Lists/rust"]);
        let shelf = place.dir.path().join("quarantine/2027-01-15/a.Lists");
        assert_eq!(std::fs::read_dir(shelf).unwrap().count(), 2);
        assert_eq!(place.order("New", &FolderOrder::Make), Ok(FolderDone::Made));
        assert_eq!(place.order("New", &FolderOrder::Remove { at_most: 0 }), Ok(FolderDone::Removed { kept: 0 }));
        assert_eq!(place.folders(), ["Lists/rust"]);
    }
}
