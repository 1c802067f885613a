//! Maildirs of a test, with changes told or untold.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tern::index::{Index, Writer};
use tern::job::files::{DirStamp, Listing};
use tern::job::index::{Grouping, IndexReport, ListSpec, Source};
use tern::job::listed::{ListedFile, ListedFiles};
use tern::job::{Changed, PlaceChange, PlaceFile};
use tern::mail::flags::{Flag, Flags};
use tern::mail::ids::AccountId;
use tern::mail::mailbox::MailboxName;
use tern::mail::place::{MailboxId, UniqueName};

pub(crate) fn mailbox(account: &str, name: &str) -> MailboxId {
    MailboxId { account: AccountId::new(account), name: MailboxName::new(name).unwrap() }
}

pub(crate) fn flat(mailbox: &MailboxId) -> ListSpec {
    ListSpec::new(Source::Mailbox(mailbox.clone()), Grouping::Flat)
}

pub(crate) fn grouped(mailbox: &MailboxId) -> ListSpec {
    ListSpec::new(Source::Mailbox(mailbox.clone()), Grouping::Conversations)
}

/// A mail with these header lines and a text.
pub(crate) fn mail(id: &str, refs: &[&str], seconds: i64, subject: &str, text: &str) -> String {
    let date = jiff::Timestamp::from_second(1_700_000_000 + seconds).unwrap();
    let date = jiff::fmt::rfc2822::to_string(&date.to_zoned(jiff::tz::TimeZone::UTC)).unwrap();
    let id = if id.is_empty() { String::new() } else { format!("Message-ID: <{id}>\n") };
    let refs = if refs.is_empty() { String::new() } else { format!("References: <{}>\n", refs.join("> <")) };
    format!(
        "From: Grace Hopper <grace@example.net>\nTo: Ada <ada@example.org>\nDate: {date}\n{id}{refs}Subject: {subject}\n\n{text}\n"
    )
}

/// One file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Lying {
    pub(crate) mailbox: MailboxId,
    pub(crate) unique: UniqueName,
    pub(crate) flags: Flags,
    /// Which mail it is, for the one who made it.
    pub(crate) mail: usize,
}

pub(crate) struct Disk {
    root: tempfile::TempDir,
    /// All files, by the number of their delivery.
    pub(crate) files: BTreeMap<usize, Lying>,
    delivered: usize,
}

impl Disk {
    pub(crate) fn new() -> Self {
        Self { root: tempfile::tempdir().unwrap(), files: BTreeMap::new(), delivered: 0 }
    }

    pub(crate) fn index(&self) -> PathBuf {
        self.root.path().join("cache/index.db")
    }

    pub(crate) fn writer(&self) -> Writer {
        Writer::open(&self.index(), &["ada@example.org".to_owned(), "ada+*@example.org".to_owned()]).unwrap()
    }

    pub(crate) fn reader(&self) -> Index {
        Index::open(&self.index()).unwrap()
    }

    pub(crate) fn directory(&self, mailbox: &MailboxId) -> PathBuf {
        self.root.path().join(mailbox.account.as_str()).join(mailbox.name.as_str())
    }

    pub(crate) fn path(&self, file: &Lying) -> PathBuf {
        self.directory(&file.mailbox).join("cur").join(format!("{}:2,{}", file.unique.as_str(), file.flags.letters()))
    }

    fn now(&self, file: &Lying) -> Changed {
        let now = PlaceFile { path: self.path(file), flags: file.flags.clone(), tells: None };
        let places = vec![PlaceChange { unique: file.unique.clone(), now: Some(now) }];
        Changed { mailbox: file.mailbox.clone(), places }
    }

    fn gone(file: &Lying) -> Changed {
        let places = vec![PlaceChange { unique: file.unique.clone(), now: None }];
        Changed { mailbox: file.mailbox.clone(), places }
    }

    /// Writes a mail; what to tell the index.
    pub(crate) fn deliver(&mut self, mailbox: &MailboxId, mail: usize, text: &str, flags: &Flags) -> Vec<Changed> {
        self.delivered += 1;
        let unique = UniqueName::new(&format!("{}.{}.test", 1_700_000_000 + self.delivered, self.delivered)).unwrap();
        let file = Lying { mailbox: mailbox.clone(), unique, flags: flags.clone(), mail };
        let path = self.path(&file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        let told = self.now(&file);
        self.files.insert(self.delivered, file);
        vec![told]
    }

    pub(crate) fn flag(&mut self, number: usize, flags: &Flags) -> Vec<Changed> {
        let before = self.files[&number].clone();
        let after = Lying { flags: flags.clone(), ..before.clone() };
        fs::rename(self.path(&before), self.path(&after)).unwrap();
        self.files.insert(number, after.clone());
        vec![self.now(&after)]
    }

    pub(crate) fn carry(&mut self, number: usize, to: &MailboxId) -> Vec<Changed> {
        let before = self.files[&number].clone();
        let after = Lying { mailbox: to.clone(), ..before.clone() };
        fs::create_dir_all(self.path(&after).parent().unwrap()).unwrap();
        fs::rename(self.path(&before), self.path(&after)).unwrap();
        self.files.insert(number, after.clone());
        vec![Self::gone(&before), self.now(&after)]
    }

    pub(crate) fn delete(&mut self, number: usize) -> Vec<Changed> {
        let file = self.files.remove(&number).unwrap();
        fs::remove_file(self.path(&file)).unwrap();
        vec![Self::gone(&file)]
    }

    pub(crate) fn listing(&self, mailbox: &MailboxId, complete: bool) -> Arc<Listing> {
        let mut lying: Vec<&Lying> = self.files.values().filter(|file| file.mailbox == *mailbox).collect();
        lying.sort_by(|a, b| a.unique.cmp(&b.unique));
        if !complete {
            lying.truncate(lying.len() / 2);
        }
        let mut files = ListedFiles::default();
        for file in lying {
            let (base, info) = (file.unique.as_str(), &*format!(":2,{}", file.flags.letters()));
            files.push(&ListedFile { base, in_new: false, info, flags: file.flags.clone() });
        }
        let stamp = DirStamp { cur: 7, new: 7 };
        let (directory, tells) = (self.directory(mailbox), Flags::none());
        Arc::new(Listing { mailbox: mailbox.clone(), stamp, complete, directory, tells, files })
    }
}

/// Lets the index do all that waits.
pub(crate) fn settle(writer: &mut Writer) -> Vec<IndexReport> {
    let mut reports = Vec::new();
    while let Some(report) = writer.advance().unwrap() {
        reports.push(report);
    }
    reports
}

pub(crate) fn tell(writer: &mut Writer, changes: &[Changed]) {
    for change in changes {
        writer.apply(change).unwrap();
    }
}

pub(crate) fn read() -> Flags {
    Flags::only(Flag::Seen)
}

/// Overwrites the middle of a file.
pub(crate) fn damage(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 4;
    bytes[middle..].fill(0x5a);
    bytes[..16].fill(0);
    fs::write(path, bytes).unwrap();
}
