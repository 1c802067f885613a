//! What a thread `sync:<account>` is asked and answers. It meets the server; the screen only ever
//! sees what it reports.

use std::sync::Arc;

use super::{Changed, Ticket};
use crate::fault::Fault;
use crate::mail::clean::Clean;
use crate::mail::ids::{AccountId, Timestamp, Uid};
use crate::mail::labels::{Labels, View};
use crate::mail::mailbox::{MailboxName, Role};
use crate::mail::notes::{Edit, Notes};
use crate::mail::place::{MailboxId, Place, UniqueName};

/// What the thread shall do.
#[derive(Debug, Clone, PartialEq)]
pub enum SyncJob {
    /// Something changed here, or the user asked: look at once.
    Wake {
        /// Whose; `None` means every account.
        account: Option<AccountId>,
        /// Why.
        why: Wake,
    },
    /// This mailbox is on screen: it comes first.
    Visible(MailboxId),
    /// A message of which only the header is here was opened: fetch it whole, before everything else. For
    /// the thread `errand:<account>`. Answer: `Changed` and `Fetched`.
    Fetch(Place),
    /// Messages of one mailbox get labels and lose others: durable when answered, and told to the server by
    /// the next round. For the thread `notes`. Answer: `Labelled`.
    Label {
        /// The question's number.
        ticket: Ticket,
        /// The messages, by the places where they lie; all in one account.
        places: Vec<Place>,
        /// The labels that they get.
        add: Labels,
        /// The labels that they lose.
        remove: Labels,
    },
    /// Which labels do the messages of this mailbox have? For the thread `notes`. Answer: `Labels` of some of them;
    /// whoever has taken those in asks for the next ones, so that a million never wait anywhere.
    TellLabels {
        /// Where they lie.
        home: MailboxId,
        /// Up to which message they were told; `None`: from the beginning.
        after: Option<Uid>,
    },
    /// Writes down what the user wishes for a folder on the server: durable when answered, and fulfilled by
    /// the next round over all folders. For the thread `notes`. Answer: `Wished`.
    Wish {
        /// The question's number.
        ticket: Ticket,
        /// Which folder.
        mailbox: MailboxId,
        /// What is wished.
        wish: FolderWish,
    },
    /// Carries out a change of notes: durable when answered. For the thread `notes`. Answer: `Noted`.
    Note {
        /// The question's number.
        ticket: Ticket,
        /// What changes.
        edit: Edit,
    },
    /// What is noted? For the thread `notes`. Answer: `Noted`.
    TellNotes,
    /// The user answered the guard's question.
    Answer {
        /// Which mailbox was held.
        mailbox: MailboxId,
        /// Shall the plan be carried out?
        go_on: bool,
    },
    /// The user typed a password for an account whose config says `prompt`.
    Password {
        /// Whose.
        account: AccountId,
        /// The secret; wiped by the one who takes it.
        secret: crate::job::shell::Hidden,
    },
}

/// What is wished for a folder on the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FolderWish {
    /// It shall be removed, as it is here.
    Remove,
    /// It shall not be removed after all.
    Keep,
    /// It shall be subscribed.
    Subscribe,
    /// It shall be subscribed no more.
    Unsubscribe,
}

/// Why a sync thread is woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    /// The user pressed the key.
    Asked,
    /// A local file changed.
    LocalChange,
    /// Folders were made, renamed or removed here, or something is wished for them.
    Folders,
    /// The server told of news in the mailbox that is watched.
    News,
    /// The network came back or the program came to the foreground.
    Network,
}

/// How it stands with an account.
#[derive(Debug, Clone, PartialEq)]
pub enum SyncState {
    /// Nothing to do with a server (a Maildir that others fill).
    Local,
    /// Nothing has been said yet.
    Waiting,
    /// On the way to the server.
    Connecting,
    /// At work.
    Working {
        /// In which mailbox.
        mailbox: MailboxName,
        /// Messages done in this mailbox.
        done: u64,
        /// Messages to do in it.
        total: u64,
    },
    /// Up to date; `idle` says whether the server tells news at once.
    UpToDate {
        /// Does IDLE run?
        idle: bool,
        /// Since when.
        at: Timestamp,
    },
    /// It failed; tried again then.
    Failed {
        /// Why.
        fault: Fault,
        /// When it is tried again; `None`: after the user has done something.
        next: Option<Timestamp>,
        /// Did the server end it with the same words in the last day? Then they are not said again.
        known: bool,
    },
    /// Another process syncs this account.
    Elsewhere,
}

/// What is done with a folder as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FolderChange {
    /// It was new on the server: it is made here.
    MadeHere,
    /// It was new here: it is made on the server.
    MadeThere,
    /// It got this name on the server: so it does here.
    RenamedHere(MailboxName),
    /// It got this name here: so it does on the server.
    RenamedThere(MailboxName),
    /// It was removed on the server: its mail goes into quarantine, and its directory goes.
    RemovedHere,
    /// It was removed here: it is removed on the server.
    RemovedThere,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub enum SyncReport {
    /// How it stands.
    State {
        /// Whose.
        account: AccountId,
        /// How.
        state: SyncState,
    },
    /// The folders of the account, on disk and on the server, with their roles.
    Folders {
        /// Whose.
        account: AccountId,
        /// All of them.
        mailboxes: Vec<(MailboxId, Option<Role>)>,
    },
    /// A folder was made, renamed or removed on one side, as it was on the other.
    FolderChanged {
        /// Which: by its old name, where it was renamed.
        mailbox: MailboxId,
        /// What was done.
        change: FolderChange,
    },
    /// Files were written, renamed or removed.
    Changed(Changed),
    /// The wish for a folder is durable, or could not be written down.
    Wished {
        /// The question's number.
        ticket: Ticket,
        /// Which folder.
        mailbox: MailboxId,
        /// What was wished.
        wish: FolderWish,
        /// Why it could not.
        result: Result<(), Fault>,
    },
    /// The wish for labels is durable, or could not be written down.
    Labelled {
        /// The question's number.
        ticket: Ticket,
        /// Whose messages: this account has something to tell its server.
        account: AccountId,
        /// Why it could not.
        result: Result<(), Fault>,
    },
    /// All that is noted.
    Noted {
        /// The question's number, where a change was asked for.
        ticket: Option<Ticket>,
        /// All notes as they are now; a fault says why a change could not be written down, or nothing be told.
        result: Result<Arc<Notes>, Fault>,
    },
    /// All mailboxes of the account that are views of another one; none where it syncs by folders.
    Views {
        /// Whose.
        account: AccountId,
        /// All of them.
        views: Vec<View>,
    },
    /// The labels of some messages, with what is wished and not yet told to the server.
    Labels {
        /// Where they lie.
        home: MailboxId,
        /// Each with all its labels.
        rows: Vec<(UniqueName, Labels)>,
        /// Up to which message they are told; `None`: that was the last of them.
        last: Option<Uid>,
    },
    /// What became of a message that was to be fetched whole.
    Fetched {
        /// The place of its stub.
        stub: Place,
        /// The place where it lies now; a fault says why it is not here.
        now: Result<Place, Fault>,
    },
    /// One mailbox is done.
    Finished {
        /// Which.
        mailbox: MailboxId,
        /// What was done.
        counts: Counts,
    },
    /// The plan for a mailbox is frightening; it waits for an answer.
    Held {
        /// Which.
        mailbox: MailboxId,
        /// The question, in words with numbers.
        question: Clean,
    },
    /// One round over all mailboxes is over.
    RoundOver {
        /// Whose.
        account: AccountId,
        /// What was done.
        counts: Counts,
        /// What went wrong, mailbox by mailbox.
        faults: Vec<Fault>,
    },
    /// The account asks for a password.
    WantsPassword(AccountId),
    /// The server says something that a person should read (`[ALERT]`).
    Alert {
        /// Whose.
        account: AccountId,
        /// Its words.
        text: Clean,
    },
    /// Something went wrong that does not stop the account.
    Fault(Fault),
}

/// Another program that kept a mailbox before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Keeper {
    /// mbsync, of isync.
    Mbsync,
    /// `OfflineIMAP`.
    OfflineImap,
}

impl Keeper {
    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mbsync => "mbsync",
            Self::OfflineImap => "offlineimap",
        }
    }
}

/// What a sync did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Messages that both sides had already when they first met.
    pub adopted: u64,
    /// The program that had kept them, where its own state told.
    pub keeper: Option<Keeper>,
    /// Messages fetched.
    pub fetched: u64,
    /// Messages appended to the server.
    pub appended: u64,
    /// Messages whose flags changed here.
    pub flagged_here: u64,
    /// Messages whose flags changed on the server.
    pub flagged_there: u64,
    /// Messages moved on either side.
    pub moved: u64,
    /// Files removed here.
    pub removed_here: u64,
    /// Messages expunged on the server.
    pub removed_there: u64,
}

impl Counts {
    /// Adds `other` to these.
    pub fn add(&mut self, other: &Self) {
        self.adopted += other.adopted;
        self.keeper = self.keeper.or(other.keeper);
        self.fetched += other.fetched;
        self.appended += other.appended;
        self.flagged_here += other.flagged_here;
        self.flagged_there += other.flagged_there;
        self.moved += other.moved;
        self.removed_here += other.removed_here;
        self.removed_there += other.removed_there;
    }

    /// Was nothing done?
    pub fn is_zero(&self) -> bool {
        *self == Self::default()
    }
}
