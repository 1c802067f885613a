//! A server in memory and a Maildir in a directory of its own, with an account between them whose
//! clock never really waits: what the tests of sync stand on.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use tern::config::{Account, FolderMap, SecretSource, SyncSettings};
use tern::fault::Fault;
use tern::job::SyncReport;
use tern::mail::address::Address;
use tern::mail::flags::Flags;
use tern::mail::ids::{AccountId, Timestamp};
use tern::mail::mailbox::MailboxName;
use tern::mail::place::Layout;
use tern::remote::fake::FakeServer;
use tern::store::folders::Root;
use tern::store::maildir::{Maildir, fresh};
use tern::store::name::Entry;
use tern::store::scan;
use tern::sync::Env;
use tern::sync::env::Clock;
use tern::sync::worker::{Summary, run_once};

/// A clock that stands still until someone pauses.
#[derive(Debug)]
pub(crate) struct StoppedClock(AtomicI64);

impl Clock for StoppedClock {
    fn now(&self) -> Timestamp {
        Timestamp::new(self.0.load(Ordering::SeqCst) / 1000)
    }

    fn pause(&self, time: Duration) {
        self.0.fetch_add(i64::try_from(time.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

/// Both sides and what is between them.
pub(crate) struct Meeting {
    /// The server.
    pub(crate) server: FakeServer,
    /// What the sync stands on.
    pub(crate) env: Env,
    /// How many more steps until there is a wish to stop.
    pub(crate) fuse: Arc<AtomicU64>,
    /// What was reported.
    pub(crate) reports: Mutex<Vec<SyncReport>>,
    moments: AtomicU64,
    _home: TempDir,
}

/// A message with its whole text; `id` as in Message-ID.
pub(crate) fn mail(id: Option<&str>, text: &str) -> Vec<u8> {
    let id = id.map(|id| format!("Message-ID: <{id}@example.org>\r\n")).unwrap_or_default();
    format!("From: a@example.org\r\n{id}Subject: {text}\r\n\r\n{text}\r\n").into_bytes()
}

/// Flags by their letters.
pub(crate) fn letters(text: &str) -> Flags {
    Flags::from_letters(text)
}

/// A mailbox's name.
pub(crate) fn name(text: &str) -> MailboxName {
    MailboxName::new(text).unwrap()
}

impl Meeting {
    /// A server with an empty INBOX and an account without mail.
    pub(crate) fn new() -> Self {
        // Memory, where the machine has it: these tests are about order, not about disks.
        let shm = PathBuf::from("/dev/shm");
        let home = if shm.is_dir() { tempfile::tempdir_in(shm) } else { tempfile::tempdir() }.unwrap();
        let server = FakeServer::new();
        let account = Account {
            id: AccountId::new("work"),
            address: Address { name: String::new(), email: "me@example.org".into() },
            aliases: vec![],
            maildir: home.path().join("mail"),
            layout: Layout::Nested,
            imap: None,
            pop3: None,
            submit: None,
            secret: SecretSource::None,
            sync: SyncSettings { interval: None, ..SyncSettings::default() },
            folders: FolderMap::default(),
            signature: None,
            server_files_sent: false,
        };
        let mut env = Env::new(account, Some(Arc::new(server.clone())), home.path().join("data"));
        env.clock = Arc::new(StoppedClock(AtomicI64::new(1_700_000_000_000)));
        let fuse = Arc::new(AtomicU64::new(u64::MAX));
        let burning = Arc::clone(&fuse);
        env.stop = Arc::new(move || {
            burning.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_err()
        });
        Self { server, env, fuse, reports: Mutex::new(Vec::new()), moments: AtomicU64::new(1), _home: home }
    }

    /// Lets the directories look as if they had moved a while ago, each time at another moment, so
    /// that no listing has to wait for the clock of the file system.
    pub(crate) fn age(&self) {
        let root = Root { path: self.env.account.maildir.clone(), layout: self.env.account.layout };
        let recent = SystemTime::now() - Duration::from_mins(30);
        for directory in root.list().found.values() {
            for part in ["cur", "new"] {
                let part = std::fs::File::open(directory.join(part)).unwrap();
                if part.metadata().unwrap().modified().unwrap() > recent {
                    let moment = self.moments.fetch_add(1, Ordering::SeqCst);
                    part.set_modified(SystemTime::UNIX_EPOCH + Duration::from_millis(1_600_000_000_000 + moment))
                        .unwrap();
                }
            }
        }
    }

    /// One round, as `tern sync` runs it.
    pub(crate) fn sync(&self) -> Result<Summary, Fault> {
        self.age();
        run_once(&self.env, &|report| self.reports.lock().unwrap().push(report))
    }

    /// One round that must succeed without a single fault.
    pub(crate) fn sync_well(&self) -> Summary {
        let summary = self.sync().unwrap();
        assert_eq!(summary.faults, vec![]);
        assert!(!summary.stopped && !summary.elsewhere);
        summary
    }

    /// The Maildir of a mailbox; it is made if it is not there.
    pub(crate) fn maildir(&self, mailbox: &MailboxName) -> Maildir {
        let root = Root { path: self.env.account.maildir.clone(), layout: self.env.account.layout };
        Maildir::open(&root.create(mailbox).unwrap()).unwrap()
    }

    /// The files of a mailbox.
    pub(crate) fn files(&self, mailbox: &MailboxName) -> Vec<Entry> {
        let maildir = self.maildir(mailbox);
        self.age();
        scan::scan(&maildir).unwrap().entries
    }

    /// The file whose subject this is.
    pub(crate) fn file(&self, mailbox: &MailboxName, subject: &str) -> Entry {
        let maildir = self.maildir(mailbox);
        let line = format!("Subject: {subject}\r\n");
        let is_it = |entry: &Entry| {
            let bytes = maildir.read_entry(entry).unwrap().unwrap();
            String::from_utf8_lossy(&bytes).contains(&line)
        };
        self.files(mailbox).into_iter().find(is_it).unwrap_or_else(|| panic!("no {subject}"))
    }

    /// Writes a message as another program would.
    pub(crate) fn write(&self, mailbox: &MailboxName, bytes: &[u8], flags: &str) {
        self.maildir(mailbox).deliver(&fresh(None), &letters(flags), bytes).unwrap();
    }

    /// Delivers a message on the server.
    pub(crate) fn deliver(&self, mailbox: &MailboxName, bytes: &[u8], flags: &str) {
        self.server.deliver(mailbox, bytes, letters(flags), Timestamp::new(1_600_000_000));
    }

    /// What the server has: mailbox, bytes and letters of each message, sorted.
    pub(crate) fn there(&self) -> Vec<(String, String, String)> {
        let mut out = Vec::new();
        for mailbox in self.server.names() {
            for message in self.server.messages(&mailbox) {
                let text = String::from_utf8_lossy(&message.bytes).into_owned();
                out.push((mailbox.to_string(), text, message.flags.letters()));
            }
        }
        out.sort();
        out
    }

    /// The same of the disk.
    pub(crate) fn here(&self) -> Vec<(String, String, String)> {
        let root = Root { path: self.env.account.maildir.clone(), layout: self.env.account.layout };
        self.age();
        let mut out = Vec::new();
        for (mailbox, directory) in root.list().found {
            let maildir = Maildir::open(&directory).unwrap();
            for entry in scan::scan(&maildir).unwrap().entries {
                let text = maildir.read_entry(&entry).unwrap().unwrap();
                let text = String::from_utf8_lossy(&text).into_owned();
                out.push((mailbox.to_string(), text, entry.flags().letters()));
            }
        }
        out.sort();
        out
    }

    /// Says where both sides differ; nothing else may.
    pub(crate) fn assert_met(&self) {
        assert_eq!(self.here(), self.there(), "both sides have met");
    }

    /// The reports so far, which are forgotten.
    pub(crate) fn reports(&self) -> Vec<SyncReport> {
        std::mem::take(&mut self.reports.lock().unwrap())
    }

    /// How many files lie in quarantine, by mailbox.
    pub(crate) fn quarantined(&self) -> BTreeMap<String, usize> {
        let mut out = BTreeMap::new();
        let Ok(days) = std::fs::read_dir(self.env.data.join("quarantine")) else { return out };
        for day in days.flatten() {
            for shelf in std::fs::read_dir(day.path()).unwrap().flatten() {
                let count = std::fs::read_dir(shelf.path()).unwrap().count();
                *out.entry(shelf.file_name().into_string().unwrap()).or_default() += count;
            }
        }
        out
    }
}
