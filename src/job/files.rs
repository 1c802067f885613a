//! What the thread `files` (room `store`) is asked and answers: reading messages, saving parts,
//! flags, moves, drafts. It alone changes Maildir files at the user's wish; `sync` does so at the
//! server's.

use std::path::PathBuf;
use std::sync::Arc;

use super::listed::ListedFiles;
use super::{Changed, Ticket};
use crate::fault::Fault;
use crate::mail::answer::Source;
use crate::mail::document::Document;
use crate::mail::draft::Draft;
use crate::mail::flags::Flags;
use crate::mail::ids::AccountId;
use crate::mail::mailbox::MailboxName;
use crate::mail::place::{MailboxId, Place};

/// What the thread shall do.
#[derive(Debug, Clone, PartialEq)]
pub enum FilesJob {
    /// Read and prepare a message for the viewer. Newest ticket wins. Answer: `Opened`.
    Open {
        /// The question's number.
        ticket: Ticket,
        /// What to read.
        place: Place,
        /// How wide HTML is laid out, in columns.
        width: u16,
    },
    /// Read a message's bytes (for the source view). Answer: `Bytes`.
    Read {
        /// The question's number.
        ticket: Ticket,
        /// What to read.
        place: Place,
    },
    /// Read a message for answering it, passing it on, or writing on at it. Answer: `Quoted`.
    Quote {
        /// The question's number.
        ticket: Ticket,
        /// What to read.
        place: Place,
    },
    /// Change flags. Answer: `Changed`, or `Failed`.
    SetFlags {
        /// The question's number, so that a failure can be taken back on screen.
        ticket: Ticket,
        /// On which messages.
        places: Vec<Place>,
        /// What to set.
        add: Flags,
        /// What to clear.
        remove: Flags,
    },
    /// Move to another mailbox of the same account; it is made if it is not there. Answer:
    /// `Changed` for both mailboxes and `Moved`.
    Move {
        /// The question's number.
        ticket: Ticket,
        /// What to move.
        places: Vec<Place>,
        /// Where to.
        to: MailboxId,
    },
    /// Remove the file: the user said delete for ever. Answer: `Changed`.
    Delete {
        /// The question's number.
        ticket: Ticket,
        /// What to remove.
        places: Vec<Place>,
    },
    /// Write a new message durably into a mailbox (a kept draft, a sent copy). Answer: `Stored`
    /// and `Changed`.
    Deliver {
        /// The question's number.
        ticket: Ticket,
        /// Where to; the mailbox is made if it is not there.
        mailbox: MailboxId,
        /// The message, RFC 5322 with CRLF.
        bytes: Arc<[u8]>,
        /// Its flags.
        flags: Flags,
        /// A place that this one stands for from now on (an older version of the same draft); it
        /// is removed once the new one is safe.
        replaces: Option<Place>,
    },
    /// Make, rename or remove a mailbox as a whole. Answer: `Arranged`, or `Failed`.
    Arrange {
        /// The question's number.
        ticket: Ticket,
        /// Which mailbox.
        mailbox: MailboxId,
        /// What is to become of it.
        order: FolderOrder,
    },
    /// List the folders of an account and, of each whose directories moved since `known`, the
    /// files. Answers: `Folders`, then one `Listed` a folder that moved, then `Scanned`.
    Scan {
        /// Whose.
        account: AccountId,
        /// What the index saw last.
        known: Vec<Seen>,
    },
    /// Do something with the searches that were saved by a key, and tell all of them. Answer: `Searches`, or
    /// `Failed`.
    Searches {
        /// The question's number.
        ticket: Ticket,
        /// What is to be done.
        order: SearchOrder,
    },
    /// Save one part of a message. Answer: `Saved`.
    SavePart {
        /// The question's number.
        ticket: Ticket,
        /// The message.
        place: Place,
        /// The part: its number in [`Document::attachments`]; `None` saves the whole message as
        /// `.eml`.
        part: Option<usize>,
        /// The directory; where the file of that name is there, a number is added.
        directory: PathBuf,
        /// What to do once it is saved.
        purpose: Purpose,
    },
    /// Is this a plain file that can be read? It is to be attached. Answer: `Looked`, or `Failed`.
    Look {
        /// The question's number.
        ticket: Ticket,
        /// Which file.
        path: PathBuf,
    },
    /// Which names in a directory begin like this? A path is being typed. Answer: `Names`.
    Complete {
        /// The question's number.
        ticket: Ticket,
        /// The directory.
        directory: PathBuf,
        /// How the name begins.
        start: String,
    },
    /// Write the draft that is being typed to the drafts journal (state directory), durably.
    /// Answer: `Kept`.
    KeepDraft(Box<Draft>),
    /// Drop a draft from the journal: it was queued, kept in Drafts or thrown away.
    DropDraft(String),
    /// Which drafts lie in the journal from an earlier run? Answer: `Drafts`.
    ListDrafts,
}

/// A search that was saved by a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedSearch {
    /// Its name: one line. Names that differ by case alone are one.
    pub name: String,
    /// What it looks for: one line.
    pub query: String,
}

/// What is to be done with saved searches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SearchOrder {
    /// They are told.
    Tell,
    /// One is kept, in the place of another of its name.
    Keep(SavedSearch),
    /// One gets another name, and replaces one that bears it.
    Rename {
        /// Its name.
        from: String,
        /// Its new name.
        to: String,
    },
    /// One is forgotten.
    Remove(String),
}

/// What is to become of a folder as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FolderOrder {
    /// It is made.
    Make,
    /// It gets this name, and with it those below it.
    Rename(MailboxName),
    /// It is removed, and its mail goes into quarantine.
    Remove {
        /// So many messages the user agreed to; if there are more, nothing is done.
        at_most: usize,
    },
}

/// What became of a folder as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FolderDone {
    /// It is there.
    Made,
    /// It and those below it, parents first.
    Renamed(Vec<RenamedFolder>),
    /// It is gone.
    Removed {
        /// So many messages are in quarantine.
        kept: usize,
    },
}

/// A folder that was renamed on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenamedFolder {
    /// Its old name.
    pub from: MailboxName,
    /// Its new name.
    pub to: MailboxName,
    /// The absolute path of its directory now.
    pub directory: PathBuf,
    /// Is no message in it? Then no sync can tell that both names mean the same folder.
    pub is_empty: bool,
}

/// Why a part is saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The user wants the file.
    Keep,
    /// It is opened by a program, from a private directory that is emptied at the end.
    Open,
}

/// What the index remembers of a mailbox's directories, so that one that did not move is not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Which mailbox.
    pub mailbox: MailboxId,
    /// The stamp of its directories when it was last taken in.
    pub stamp: DirStamp,
}

/// The modification times of `cur/` and `new/`, in nanoseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DirStamp {
    /// Of `cur/`.
    pub cur: i64,
    /// Of `new/`.
    pub new: i64,
}

/// A mailbox whose directories were read. Complete: what is not in it was not there in two readings.
#[derive(Debug, Clone, PartialEq)]
pub struct Listing {
    /// Which mailbox.
    pub mailbox: MailboxId,
    /// The stamp from before the reading; zero where the directories kept moving meanwhile, so that
    /// the next scan reads again.
    pub stamp: DirStamp,
    /// Is this a listing in which absence means gone (R3)? If not, files that are missing are kept.
    pub complete: bool,
    /// The absolute path of the mailbox's directory (the one with `cur`, `new` and `tmp` in it).
    pub directory: PathBuf,
    /// The keywords that a file name can tell here: what is known of any other stays.
    pub tells: Flags,
    /// The files, sorted by base name.
    pub files: ListedFiles,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub enum FilesReport {
    /// A message for the viewer.
    Opened {
        /// The question's number.
        ticket: Ticket,
        /// Which message.
        place: Place,
        /// The message.
        document: Arc<Document>,
    },
    /// A message's bytes.
    Bytes {
        /// The question's number.
        ticket: Ticket,
        /// Which message.
        place: Place,
        /// The file, as it lies on disk.
        bytes: Arc<[u8]>,
    },
    /// A message, read for answering.
    Quoted {
        /// The question's number.
        ticket: Ticket,
        /// Which message.
        place: Place,
        /// What an answer needs of it.
        source: Arc<Source>,
    },
    /// Files changed; for the index and for `sync`.
    Changed(Changed),
    /// Another program put mail into a mailbox.
    Delivered(Changed),
    /// A move is done: each old place with the new one. For undo.
    Moved {
        /// The question's number.
        ticket: Ticket,
        /// From and to.
        places: Vec<(Place, Place)>,
    },
    /// A mailbox was made, renamed or removed.
    Arranged {
        /// The question's number.
        ticket: Ticket,
        /// Which, by the name that it had.
        mailbox: MailboxId,
        /// What became of it.
        done: FolderDone,
    },
    /// A message was written durably.
    Stored {
        /// The question's number.
        ticket: Ticket,
        /// Where it lies.
        place: Place,
    },
    /// The folders of an account, after a scan.
    Folders {
        /// Whose.
        account: AccountId,
        /// All of them.
        mailboxes: Vec<MailboxId>,
    },
    /// One folder that moved.
    Listed(Arc<Listing>),
    /// A scan is over.
    Scanned {
        /// Whose.
        account: AccountId,
        /// Did any folder move since the scan before it, or is this the first one? What the index saw does not tell: another program that
        /// shares it may have taken in what moved.
        moved: bool,
    },
    /// What was ordered is done, durably: these are all the searches that were saved by a key, in the order in which
    /// they came.
    Searches {
        /// The question's number.
        ticket: Ticket,
        /// All of them.
        kept: Vec<SavedSearch>,
    },
    /// A part lies in a file.
    Saved {
        /// The question's number.
        ticket: Ticket,
        /// The file.
        path: PathBuf,
        /// Why it was saved.
        purpose: Purpose,
    },
    /// It is a plain file that can be read.
    Looked {
        /// The question's number.
        ticket: Ticket,
        /// Which file.
        path: PathBuf,
        /// Its size in bytes.
        size: u64,
    },
    /// Names in a directory, sorted; those of directories end in `/`.
    Names {
        /// The question's number.
        ticket: Ticket,
        /// The names; at most a few hundred.
        names: Vec<String>,
    },
    /// A draft is safe in the journal.
    Kept {
        /// Its id.
        draft: String,
    },
    /// The drafts of an earlier run.
    Drafts(Vec<Draft>),
    /// A question could not be answered, a wish not be fulfilled.
    Failed {
        /// The question's number.
        ticket: Ticket,
        /// Why.
        fault: Fault,
    },
}
