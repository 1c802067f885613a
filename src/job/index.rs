//! What the threads of the room `index` are asked and answer: mailboxes with counts, windows of
//! lists, search.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use super::files::{DirStamp, Listing, RenamedFolder, Seen};
use super::{Changed, Ticket};
use crate::fault::Fault;
use crate::mail::address::Address;
use crate::mail::clean::Clean;
use crate::mail::contact::Suggestion;
use crate::mail::flags::{Flags, Keyword};
use crate::mail::ids::{AccountId, MessageId, RowId, ThreadId, Timestamp, Uid};
use crate::mail::labels::{Label, Labels, View};
use crate::mail::mailbox::{MailboxName, Role};
use crate::mail::notes::{Identity, Notes, Timing};
use crate::mail::place::{MailboxId, Place, UniqueName};
use crate::query::Query;

/// What the threads shall do. Writing is done in order by the one writer; questions go to a
/// reader, where the newest of a kind wins.
#[derive(Debug, Clone, PartialEq)]
pub enum IndexJob {
    /// Which mailboxes are there, with counts? Answer: `Mailboxes`.
    Mailboxes,
    /// A window of a list. Answer: `Rows`.
    Rows {
        /// The question's number.
        ticket: Ticket,
        /// Which list.
        list: ListSpec,
        /// Where the window starts; counted from the newest, 0 first.
        first: usize,
        /// How many rows at most.
        count: usize,
        /// A message whose position in the list is wanted, so that the cursor stays on it; the
        /// window is moved so that it holds this row, where it is still in the list.
        anchor: Option<RowId>,
    },
    /// The next unread message: in the same list after `after`, else in the next mailbox of
    /// `order` that has one. Answer: `NextUnread`.
    NextUnread {
        /// The question's number.
        ticket: Ticket,
        /// The list on screen.
        list: ListSpec,
        /// The row under the cursor.
        after: Option<RowId>,
        /// Which way.
        direction: Direction,
        /// The mailboxes to go on in, in the order of the folder pane.
        order: Vec<MailboxId>,
    },
    /// All messages of a conversation, in thread order. Answer: `Conversation`.
    Conversation {
        /// The question's number.
        ticket: Ticket,
        /// Which one, as far as was known.
        thread: ThreadId,
        /// A message of it: if it stands in another one by now, that one is meant.
        message: RowId,
    },
    /// Find places by Message-ID (for \Answered, for drafts, for `tern show`). Answer: `Found`.
    Find {
        /// The question's number.
        ticket: Ticket,
        /// The id.
        message_id: MessageId,
        /// Only of this account.
        account: Option<AccountId>,
    },
    /// Who is meant by what was typed so far? Answer: `Completed`.
    Complete {
        /// The question's number.
        ticket: Ticket,
        /// What was typed.
        text: String,
        /// Addresses that are there already.
        without: Vec<String>,
        /// How many at most.
        count: usize,
        /// The time.
        now: Timestamp,
    },
    /// Which tags are there? Answer: `Tags`.
    Tags,
    /// How much do these searches find? It is counted when nothing else is asked. Answer: one `Tallied` for each.
    Tally {
        /// The question's number.
        ticket: Ticket,
        /// The searches, by name.
        searches: Vec<(String, Query)>,
    },
    /// Take in what changed in the address books. Answer: `Books`.
    ReadBooks,
    /// Take in what changed on disk. Answer: `Refreshed`.
    Apply(Changed),
    /// Take in a whole listing. Answer: `Refreshed`.
    Reconcile(Arc<Listing>),
    /// These are all the mailboxes of the account; forget any other. Answer: `Refreshed`.
    Folders {
        /// Whose.
        account: AccountId,
        /// All of them, with what the server or the user says they are for.
        mailboxes: Vec<(MailboxId, Option<Role>)>,
    },
    /// These are all the mailboxes of the account that are views of another one; forget any other view.
    /// Answer: `Refreshed`, and `LabelsWanted` for each home in which a view is new,
    /// and for each the first time that the thread hears of it.
    Views {
        /// Whose.
        account: AccountId,
        /// All of them.
        views: Vec<View>,
    },
    /// Messages got labels and lost others. Answer: `Refreshed`.
    Label {
        /// The messages, by the places where they lie.
        places: Vec<Place>,
        /// The labels that they got.
        add: Labels,
        /// The labels that they lost.
        remove: Labels,
    },
    /// These messages have exactly these labels, also those that are taken in later. Answer: `Refreshed`, and
    /// `LabelsSet` where more follow.
    SetLabels {
        /// Where they lie.
        home: MailboxId,
        /// Each with all its labels.
        rows: Vec<(UniqueName, Labels)>,
        /// Up to which message they are told; `None`: that was the last of them.
        last: Option<Uid>,
    },
    /// All that the user noted, and what time it is: what is due by then comes back. Answer: `Refreshed`.
    Notes {
        /// All of it.
        notes: Arc<Notes>,
        /// The time.
        now: Timestamp,
    },
    /// Mailboxes were renamed on disk, with all that is in them. Answer: `Refreshed`.
    Renamed {
        /// Whose.
        account: AccountId,
        /// Each with its new name and directory.
        folders: Vec<RenamedFolder>,
    },
    /// Which directories were seen when? Answer: `Known`, which becomes a `FilesJob::Scan`.
    Known(AccountId),
    /// Look at the database of notmuch's: write what waits for it, read what others tagged. Answers: `Tagged`, where
    /// something changed there, and `Database`, where it stands otherwise than before.
    Meet,
    /// These messages have these tags in the database. Answer: `Retagged`.
    Retag(Arc<Tagging>),
    /// What was in these mailboxes before is taken in: what comes from now on is new mail.
    Settled {
        /// Whose.
        account: AccountId,
        /// Which; none: all of them. One that was not taken in as a whole yet is passed over.
        mailboxes: Vec<MailboxName>,
    },
    /// The rules are done with these messages: what still lies there is taken in. Answer: `Refreshed`.
    Release(Vec<Place>),
}

/// The tags of messages, as a database of notmuch's has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tagging {
    /// The messages.
    pub mails: Vec<TaggedMail>,
    /// Which database, and its state when they were read.
    pub seen: Revision,
    /// Is it met for the first time? Then a tag that it lacks was not taken away there.
    pub first: bool,
    /// How many messages of the same state were told before these: whoever has not taken them in has a gap.
    pub after: usize,
    /// Is there more of the same state?
    pub more: bool,
    /// Tags that the database gives to all that comes: they are shown, but go no further.
    pub passing: Flags,
}

/// The state of a database: it grows with every change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// Which database; numbers of two are not to be compared.
    pub database: String,
    /// The number of the state.
    pub number: u64,
}

/// One message with its tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaggedMail {
    /// Its Message-ID, as the database has it.
    pub id: String,
    /// Its files, as the database has them: absolute paths.
    pub files: Vec<PathBuf>,
    /// Its tags, as keywords.
    pub tags: Flags,
}

/// How it stands with a database of notmuch's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DatabaseState {
    /// How many changes wait to be written there.
    pub waiting: usize,
    /// What hinders that.
    pub standing: Standing,
}

/// What hinders writing into a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Standing {
    /// Nothing.
    #[default]
    Ready,
    /// Another program writes.
    Busy,
    /// It cannot be used.
    Away,
}

/// Which way to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Down the list: to older messages.
    Next,
    /// Up the list: to newer messages.
    Previous,
}

/// Which list is wanted.
#[derive(Debug, Clone, PartialEq)]
pub struct ListSpec {
    /// Of what.
    pub source: Source,
    /// Messages or conversations.
    pub grouping: Grouping,
    /// What is left of it. A search says that itself and leaves nothing out for this.
    pub only: Only,
    /// In which order. Conversations go by date only. What a search finds has rows in another order than newest first
    /// only once all of it is found: until then it is empty and not counted.
    pub order: Order,
    /// Conversations that are shown message by message, as trees. Only those of a mailbox or of all INBOXes can be.
    pub unfolded: BTreeSet<ThreadId>,
}

impl ListSpec {
    /// All of a source, newest first.
    pub fn new(source: Source, grouping: Grouping) -> Self {
        Self { source, grouping, only: Only::default(), order: Order::default(), unfolded: BTreeSet::new() }
    }
}

/// What is left of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Only {
    /// All of it.
    #[default]
    All,
    /// What is unread; a conversation, if one message of it is.
    Unread,
    /// What is starred; a conversation, if one message of it is.
    Starred,
}

/// The order of a list. What is equal in it goes by date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Order {
    /// By what.
    pub by: SortBy,
    /// From the other end: the very same rows, last to first.
    pub reversed: bool,
}

/// What a list is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum SortBy {
    /// The newest first.
    #[default]
    Date,
    /// Who a row says, by the alphabet: the author, or in Sent and Drafts the recipients. The first 24 bytes of it
    /// count, without case and accents.
    From,
    /// The subject without `Re:` and its like, by the alphabet, as far as with the author.
    Subject,
    /// The largest first.
    Size,
}

/// What a list is made of.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// One mailbox.
    Mailbox(MailboxId),
    /// The INBOX of each account.
    Unified,
    /// What a query finds.
    Search {
        /// The question.
        query: Query,
        /// Where to look.
        scope: SearchScope,
    },
}

/// Where a search looks; Tab widens it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SearchScope {
    /// In one mailbox.
    Mailbox(MailboxId),
    /// In one account.
    Account(AccountId),
    /// Everywhere.
    All,
}

/// One row a message or one row a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Grouping {
    /// One row a message, newest first.
    Flat,
    /// One row a conversation, the one with the newest message first.
    Conversations,
}

/// One row of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The message; for a conversation its newest one in this list.
    pub message: RowId,
    /// Its conversation.
    pub thread: ThreadId,
    /// Where it lies.
    pub place: Place,
    /// The mailbox in which it is shown: that of its place, or a view.
    pub mailbox: MailboxId,
    /// Who wrote it, or for Sent and Drafts to whom it goes: names, clean, with commas.
    pub who: Clean,
    /// The subject.
    pub subject: Clean,
    /// When.
    pub date: Timestamp,
    /// The flags; for a conversation: `Seen` only if all are, the others if one has them.
    pub flags: Flags,
    /// Is there an attachment?
    pub attachment: bool,
    /// Did it come through a mailing list that offers a way to unsubscribe?
    pub list: bool,
    /// How many messages of the conversation are in this list; 1 in a flat list.
    pub messages: u32,
    /// How many of them are unread.
    pub unread: u32,
    /// The size of the file in bytes.
    pub size: u64,
    /// The depth in the thread, in a `Conversation` answer and where a conversation is unfolded.
    pub depth: u16,
    /// What the message is known by, wherever it lies.
    pub id: Identity,
    /// How a timer stands with it.
    pub timing: Option<Timing>,
    /// Is it part of a conversation that is shown message by message?
    pub unfolded: bool,
}

/// One mailbox of the folder pane.
#[derive(Debug, Clone, PartialEq)]
pub struct MailboxRow {
    /// Which.
    pub mailbox: MailboxId,
    /// What it is for.
    pub role: Option<Role>,
    /// Messages in it.
    pub total: u64,
    /// Of these unread.
    pub unread: u64,
    /// What it shows, where it is a view: a mailbox that lies nowhere.
    pub shows: Option<Shows>,
}

/// What a view shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shows {
    /// The messages with this label.
    pub label: Label,
    /// That lie in this mailbox.
    pub home: MailboxId,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub enum IndexReport {
    /// All mailboxes, sorted by account, role and name.
    Mailboxes(Vec<MailboxRow>),
    /// A window of a list.
    Rows {
        /// The question's number.
        ticket: Ticket,
        /// Which list.
        list: ListSpec,
        /// The position of the first of `rows`.
        first: usize,
        /// How many rows the list has; for a search that is still counting, what is known.
        total: usize,
        /// Is `total` final?
        counted: bool,
        /// The rows.
        rows: Vec<Row>,
        /// The position of the anchor, where it is in the list.
        anchor: Option<usize>,
    },
    /// The next unread message.
    NextUnread {
        /// The question's number.
        ticket: Ticket,
        /// Where it is, if there is one: its mailbox (or the list asked about) and row.
        found: Option<(MailboxId, RowId)>,
    },
    /// A conversation.
    Conversation {
        /// The question's number.
        ticket: Ticket,
        /// Its messages in thread order, with depth; no message twice.
        rows: Vec<Row>,
    },
    /// Places of a Message-ID.
    Found {
        /// The question's number.
        ticket: Ticket,
        /// Where it lies.
        places: Vec<Place>,
    },
    /// Who fits what was typed.
    Completed {
        /// The question's number.
        ticket: Ticket,
        /// The likeliest first.
        found: Vec<Suggestion>,
    },
    /// The tags that messages have, those of most messages first.
    Tags(Vec<Keyword>),
    /// How much one search finds.
    Tallied {
        /// The question's number.
        ticket: Ticket,
        /// The name of the search.
        name: String,
        /// How much it finds.
        tally: Tally,
    },
    /// The address books were looked at.
    Books {
        /// What could not be read.
        faults: Vec<Fault>,
    },
    /// Something was taken in: lists and counts of these mailboxes are to be asked for again.
    Refreshed {
        /// Which mailboxes changed.
        mailboxes: Vec<MailboxId>,
        /// Unread messages that were new in this step, at most 20, for a notice.
        arrived: Vec<Arrival>,
        /// How many messages are still to be indexed, where a big listing is taken in by steps.
        pending: usize,
    },
    /// New messages that rules match. They are held back, in no list, until they are released.
    Matched(Vec<Match>),
    /// Of an `Apply`: it was taken in, or it failed. Comes after `Refreshed` or `Failed`.
    Applied {
        /// Of how many files it told.
        places: usize,
    },
    /// A new index is being made beside the one that serves.
    Renewing {
        /// How many messages are in it.
        done: usize,
        /// How many there are.
        total: usize,
    },
    /// Another index serves than before: all is to be asked again, and the disk to be looked at.
    Renewed,
    /// The labels of the messages of this mailbox are to be told anew.
    LabelsWanted(MailboxId),
    /// The labels of the messages of this mailbox are set up to this one: the next ones are to be told.
    LabelsSet {
        /// Where they lie.
        home: MailboxId,
        /// Up to which message.
        last: Uid,
    },
    /// All that the user noted is to be told anew.
    NotesWanted,
    /// These came into conversations that are muted: they are to be marked as read, and as muted.
    Hushed(Vec<Place>),
    /// Somebody answered in the conversations of these, which were to be out of the way for longer.
    Woken(Vec<Identity>),
    /// What other programs tagged, for `IndexJob::Retag`.
    Tagged(Arc<Tagging>),
    /// Tags were taken in.
    Retagged {
        /// Which mailboxes look other than before.
        mailboxes: Vec<MailboxId>,
        /// Tags that were given in the database: file names and servers are to hear of them.
        given: Vec<(Place, Flags)>,
        /// Tags that were taken away in the database, while file names or servers may still tell them.
        lost: Vec<(Place, Flags)>,
        /// Is there more to be read?
        more: bool,
    },
    /// How it stands with the database of notmuch's.
    Database(DatabaseState),
    /// What was seen when.
    Known {
        /// Whose.
        account: AccountId,
        /// The stamps.
        seen: Vec<Seen>,
    },
    /// A question could not be answered or a change not be written.
    Failed {
        /// The question's number, where there was one.
        ticket: Option<Ticket>,
        /// Why.
        fault: Fault,
    },
}

/// How many messages a search finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// All of them.
    pub total: u64,
    /// Those that are unread.
    pub unread: u64,
}

/// A rule, as the index knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Sieve {
    /// Whose mail it is for; `None`: everybody's.
    pub account: Option<AccountId>,
    /// What it matches.
    pub query: Query,
    /// Are the rules behind it for nothing that it matches?
    pub stop: bool,
}

/// A message that rules match.
#[derive(Debug, Clone, PartialEq)]
pub struct Match {
    /// The message, as it was when it was judged.
    pub row: Row,
    /// A number made of all its bytes.
    pub digest: i64,
    /// The rules, by their number, in their order.
    pub rules: Vec<usize>,
}

/// A new message, for a notice.
#[derive(Debug, Clone, PartialEq)]
pub struct Arrival {
    /// Where.
    pub place: Place,
    /// From whom.
    pub from: Address,
    /// About what.
    pub subject: Clean,
}

/// The stamp of a directory that was never seen.
pub const NEVER: DirStamp = DirStamp { cur: 0, new: 0 };
