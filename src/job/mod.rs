//! What loop and workers say to each other: `Job` (what a worker shall do) and `Report` (what came
//! of it). Pure data: no handle, no socket, no closure, so that every flow can be printed,
//! compared and replayed.

pub mod files;
pub mod index;
pub mod listed;
pub mod outbox;
pub mod rules;
pub mod shell;
pub mod sync;

use std::path::PathBuf;

use crate::fault::Fault;
use crate::mail::flags::Flags;
use crate::mail::place::{MailboxId, UniqueName};

pub use files::{FilesJob, FilesReport};
pub use index::{IndexJob, IndexReport};
pub use outbox::{OutboxJob, OutboxReport};
pub use rules::{RulesJob, RulesReport};
pub use shell::{ShellJob, ShellReport};
pub use sync::{SyncJob, SyncReport};

/// The number of a question. An answer with a number that is not the newest one is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Ticket(pub u64);

impl Ticket {
    /// Takes the next number.
    #[must_use]
    pub fn advance(&mut self) -> Self {
        self.0 += 1;
        *self
    }
}

/// What a worker shall do.
#[derive(Debug, Clone, PartialEq)]
pub enum Job {
    /// For the thread `files`.
    Files(FilesJob),
    /// For the threads `index` and `readers`.
    Index(IndexJob),
    /// For a thread `sync:<account>`.
    Sync(SyncJob),
    /// For the thread `outbox`.
    Outbox(OutboxJob),
    /// For the thread `rules`.
    Rules(RulesJob),
    /// For the loop itself: outside programs, terminal, end.
    Shell(ShellJob),
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub enum Report {
    /// From the thread `files`.
    Files(FilesReport),
    /// From the threads `index` and `readers`.
    Index(IndexReport),
    /// From a thread `sync:<account>` or `watch:<account>`.
    Sync(SyncReport),
    /// From the thread `outbox`.
    Outbox(OutboxReport),
    /// From the thread `rules`.
    Rules(RulesReport),
    /// From the loop itself.
    Shell(ShellReport),
    /// A worker panicked; it has been started again once, or is gone.
    Died {
        /// Its name.
        thread: String,
        /// What it said.
        fault: Fault,
    },
    /// A worker's queue was full, so this job was not taken.
    Refused(Box<Job>),
}

/// What became of the places of one mailbox on disk. `store` and `sync` report it, the index
/// takes it in.
#[derive(Debug, Clone, PartialEq)]
pub struct Changed {
    /// Where.
    pub mailbox: MailboxId,
    /// What, in the order in which it happened.
    pub places: Vec<PlaceChange>,
}

/// What became of one place.
#[derive(Debug, Clone, PartialEq)]
pub struct PlaceChange {
    /// Which.
    pub unique: UniqueName,
    /// How it is now; `None`: it is gone.
    pub now: Option<PlaceFile>,
}

/// A file of a Maildir as it is now.
#[derive(Debug, Clone, PartialEq)]
pub struct PlaceFile {
    /// Its absolute path.
    pub path: PathBuf,
    /// Its flags, with the keywords that are known.
    pub flags: Flags,
    /// Of which keywords these flags speak: any other stays as it was. `None`: they speak of all.
    pub tells: Option<Flags>,
}
