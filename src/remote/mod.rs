//! Servers. What `sync` needs of one is the trait [`Remote`]; IMAP, POP3 and the server in
//! memory implement it.

pub mod fake;
pub mod imap;
mod limits;
mod link;
pub mod pop3;

use std::io::Write;
use std::time::Duration;

use crate::fault::{Fault, Scope};
use crate::mail::clean::Clean;
use crate::mail::flags::Flags;
use crate::mail::ids::{ModSeq, RemoteId, Timestamp, Uid, UidValidity, Uidl};
use crate::mail::labels::Labels;
use crate::mail::mailbox::{MailboxName, Role};
use crate::mail::ranges::UidRanges;

/// What a server lets us do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each right is given or not, whatever the others are")]
pub struct Rights {
    /// Can flags be set?
    pub flags: bool,
    /// Can messages be appended?
    pub append: bool,
    /// Can mailboxes be made?
    pub create: bool,
    /// Can messages be removed?
    pub delete: bool,
    /// Can messages be moved?
    pub r#move: bool,
}

/// A mailbox on the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteMailbox {
    /// Its name, levels separated by `/`.
    pub name: MailboxName,
    /// What the server says it is for.
    pub role: Option<Role>,
    /// Does it show what the server holds important (`\Important`, RFC 8457)?
    pub important: bool,
    /// Can it be selected?
    pub selectable: bool,
    /// Is it subscribed (RFC 9051 §6.3.7)? `None`: the server was not asked.
    pub subscribed: Option<bool>,
    /// How it stands, where the server tells that along with the list (LIST-STATUS, RFC 5819).
    pub standing: Option<Standing>,
}

/// How a mailbox stands, without its messages (STATUS, RFC 9051 §6.3.11). Where all of it is as it was
/// agreed on last, modification sequence and all, nothing changed there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The epoch.
    pub validity: UidValidity,
    /// The UID that the next message will get.
    pub uid_next: Option<Uid>,
    /// How many messages it has.
    pub messages: u32,
    /// HIGHESTMODSEQ, where the server keeps one for it (RFC 7162).
    pub modseq: Option<ModSeq>,
}

/// What both sides agreed on last, as far as the server's side needs it to tell what changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Since {
    /// The epoch that was known; `None`: never seen.
    pub validity: Option<UidValidity>,
    /// The HIGHESTMODSEQ up to which all changes were taken in (RFC 7162).
    pub modseq: Option<ModSeq>,
    /// The UIDNEXT up to which all messages were taken in.
    pub uid_next: Option<Uid>,
    /// How many messages the base has, so that a change of the number shows.
    pub count: u32,
}

/// One message of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteItem {
    /// Its UID.
    pub uid: Uid,
    /// Its flags and keywords.
    pub flags: Flags,
    /// Its labels; `None`: the server was not asked, or did not tell. Boxed, since a listing has many items
    /// and most servers know no labels.
    pub labels: Option<Box<Labels>>,
}

/// Which messages the server still has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presence {
    /// Exactly these, sorted; the listing was ended by a tagged OK. What the base has beside them is gone.
    Exactly(Vec<Uid>),
    /// Only these are gone (VANISHED), all others are there.
    Except(UidRanges),
    /// Nobody knows: nothing may be taken for gone.
    Unknown,
}

/// What changed on the server in one mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteChanges {
    /// The epoch.
    pub validity: UidValidity,
    /// The UID that the next message will get, where the server says so.
    pub uid_next: Option<Uid>,
    /// HIGHESTMODSEQ at the time of the listing, where the server keeps one. It is written down
    /// only once everything in here has been taken in and is on disk.
    pub modseq: Option<ModSeq>,
    /// New messages and messages whose flags may have changed, sorted by UID.
    pub items: Vec<RemoteItem>,
    /// Which messages are still there.
    pub presence: Presence,
    /// Flags that the server will keep (PERMANENTFLAGS); `None`: all.
    pub keeps: Option<Flags>,
    /// May new keywords be made (`\*` in PERMANENTFLAGS)?
    pub new_keywords: bool,
    /// Is the mailbox open for reading only?
    pub read_only: bool,
}

/// A message that arrives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Which.
    pub id: RemoteId,
    /// INTERNALDATE, where the server said it.
    pub date: Option<Timestamp>,
    /// Its flags at the time of fetching.
    pub flags: Option<Flags>,
    /// How many bytes were written.
    pub size: u64,
    /// The whole message's size as the server tells it (RFC822.SIZE), where only the header was fetched.
    pub whole_size: Option<u64>,
    /// What was wrong with it, if it could not be fetched: it becomes a stub, a later round tries
    /// again, the rest goes on.
    pub trouble: Option<Fault>,
}

/// How much of a message is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// All of it.
    Whole,
    /// The header and the empty line behind it: what a stub is made of.
    Header,
}

/// Where fetched messages go. The bytes of one message are written before its [`Fetched`] is given.
pub trait Sink {
    /// Opens the file that the next message's bytes go to. `size` is what the server announced.
    fn open(&mut self, id: &RemoteId, size: u64) -> Result<Box<dyn Write + '_>, Fault>;
    /// The message is complete (every byte was there and the reply line was whole), or it failed
    /// (`trouble`): then what was written is dropped.
    fn done(&mut self, message: Fetched) -> Result<(), Fault>;
    /// Is there a wish to stop? Looked at between messages.
    fn stop(&self) -> bool;
    /// Is it enough for now? Looked at before more is asked for: what is on its way still comes, and the
    /// connection stays as it is.
    fn enough(&self) -> bool {
        false
    }
}

/// A change to bring to the server.
#[derive(Debug, Clone, PartialEq)]
pub enum Push<'a> {
    /// Set and clear flags on messages. Deltas only, never the whole set.
    Flags {
        /// Which.
        uids: &'a [Uid],
        /// What to set.
        add: &'a Flags,
        /// What to clear.
        remove: &'a Flags,
    },
    /// Give labels to messages and take some away (X-GM-LABELS). Deltas only. A fault with
    /// [`crate::fault::Cause::NotOffered`] where the server knows no labels.
    Labels {
        /// Which.
        uids: &'a [Uid],
        /// What to give.
        add: &'a Labels,
        /// What to take away.
        remove: &'a Labels,
    },
    /// Append a message.
    Append {
        /// The message, CRLF.
        bytes: &'a [u8],
        /// Its flags.
        flags: &'a Flags,
        /// Its INTERNALDATE.
        date: Option<Timestamp>,
    },
    /// Move messages to another mailbox.
    Move {
        /// Which.
        uids: &'a [Uid],
        /// Where to.
        to: &'a MailboxName,
    },
    /// Remove messages for ever: `\Deleted` and UID EXPUNGE of these alone.
    Expunge {
        /// Which.
        uids: &'a [Uid],
    },
}

/// What came of a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pushed {
    /// Done.
    Done,
    /// Done, and the message got this id in the target; `None` where the server does not say.
    Appended(Option<(UidValidity, Uid)>),
    /// Done, each old UID with the new one, as far as the server says (COPYUID).
    Moved(Option<(UidValidity, Vec<(Uid, Uid)>)>),
    /// Copied, but what was copied stays behind, marked as deleted: the server can neither move nor expunge single
    /// messages (no MOVE, no UIDPLUS). It does not tell UIDs either.
    CopiedOnly,
    /// Flags set, but nothing could be expunged without touching what is not ours (no UIDPLUS).
    MarkedOnly,
}

/// What is known of one message without its body: to make sure that it is the one we mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Which.
    pub uid: Uid,
    /// RFC822.SIZE.
    pub size: u64,
    /// Message-ID without brackets, lower-cased nowhere.
    pub message_id: Option<String>,
    /// INTERNALDATE, where the server says it.
    pub date: Option<Timestamp>,
}

/// How large and how old one message is: by that it is known whether it is fetched whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measure {
    /// Which.
    pub uid: Uid,
    /// RFC822.SIZE.
    pub size: u64,
    /// INTERNALDATE, where the server says it.
    pub date: Option<Timestamp>,
}

/// What ended a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waited {
    /// The mailbox changed.
    Changed,
    /// Nothing happened until the limit.
    Quiet,
    /// Someone woke the waiter.
    Woken,
}

/// What is left of a connection when a round is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// It stays open for the next round.
    Open,
    /// It has ended well; the next round connects anew.
    Ended,
    /// It has ended well in the middle of the work, so that a cut would lose little: there is more at once.
    More,
}

/// A server, as `sync` sees it. Every call may block up to the account's timeout; after a fault
/// other than a refusal the connection is to be dropped.
pub trait Remote: Send {
    /// What it lets us do.
    fn rights(&self) -> Rights;
    /// Does the server know labels (X-GM-EXT-1)?
    fn knows_labels(&self) -> bool {
        false
    }
    /// From now on listings tell the labels of messages, where the server knows any.
    fn ask_for_labels(&mut self) {}
    /// Says what will most likely be asked once all mailboxes are listed: what changed in `mailbox` since `since`. The
    /// server may be asked both at once.
    fn expect(&mut self, _mailbox: &MailboxName, _since: &Since) {}
    /// All mailboxes. Complete, or a fault.
    fn mailboxes(&mut self) -> Result<Vec<RemoteMailbox>, Fault>;
    /// Makes a mailbox, for that role where the server takes it (CREATE-SPECIAL-USE, RFC 6154 §3). It is no
    /// fault if it is there already.
    fn create(&mut self, mailbox: &MailboxName, role: Option<Role>) -> Result<(), Fault>;
    /// Gives a mailbox another name, and with it those below it (RFC 9051 §6.3.6). Messages keep their UIDs.
    fn rename(&mut self, mailbox: &MailboxName, to: &MailboxName) -> Result<(), Fault>;
    /// Removes a mailbox that has no messages; a fault where it has some. It is no fault if it is gone already.
    fn delete(&mut self, mailbox: &MailboxName) -> Result<(), Fault>;
    /// Subscribes to a mailbox (`true`) or ends that.
    fn subscribe(&mut self, mailbox: &MailboxName, wish: bool) -> Result<(), Fault>;
    /// What changed in `mailbox` since `since`. Selects it.
    fn changes(&mut self, mailbox: &MailboxName, since: &Since) -> Result<RemoteChanges, Fault>;
    /// What changed in each of these mailboxes, in their order: asked for in as few round trips as the
    /// server allows, those that were never compared listed in full. A fault of one mailbox is in its place; one that ends the connection ends the call.
    fn changes_of(&mut self, asked: &[(MailboxName, Since)]) -> Result<Vec<Result<RemoteChanges, Fault>>, Fault> {
        let mut out = Vec::with_capacity(asked.len());
        for (mailbox, since) in asked {
            match self.changes(mailbox, since) {
                Err(fault) if fault.scope > Scope::Mailbox => return Err(fault),
                told => out.push(told),
            }
        }
        Ok(out)
    }
    /// The `count` newest messages of a mailbox that has more than `many`, so that there is something to see
    /// before all of it was listed. Nothing may be concluded from what is missing. `None`: it has fewer, or
    /// the server cannot tell them apart. Selects it.
    fn newest(&mut self, mailbox: &MailboxName, many: u32, count: u32) -> Result<Option<RemoteChanges>, Fault> {
        let _ = (mailbox, many, count);
        Ok(None)
    }
    /// Fetches messages of a mailbox, in this order, until the sink has enough. A message that is gone meanwhile is passed over
    /// silently; one that cannot be fetched is told to the sink as trouble.
    fn fetch(&mut self, mailbox: &MailboxName, uids: &[Uid], want: Want, sink: &mut dyn Sink) -> Result<(), Fault>;
    /// Size and Message-ID of messages of the mailbox; what is gone is missing.
    fn identify(&mut self, mailbox: &MailboxName, uids: &[Uid]) -> Result<Vec<Identity>, Fault>;
    /// Size and date of messages of the mailbox, which are not opened for it; what is gone is missing.
    fn measure(&mut self, mailbox: &MailboxName, uids: &[Uid]) -> Result<Vec<Measure>, Fault> {
        let known = self.identify(mailbox, uids)?;
        Ok(known.into_iter().map(|known| Measure { uid: known.uid, size: known.size, date: None }).collect())
    }
    /// UIDs at or above `from` in `mailbox` whose Message-ID is this one.
    fn search_id(&mut self, mailbox: &MailboxName, message_id: &str, from: Option<Uid>) -> Result<Vec<Uid>, Fault>;
    /// Brings a change to `mailbox`.
    fn push(&mut self, mailbox: &MailboxName, push: &Push<'_>) -> Result<Pushed, Fault>;
    /// Waits for news, at most `limit`: of all mailboxes where the server tells of all ([`Remote::hears_all`]),
    /// else of `mailbox` alone (IDLE). A fault with [`crate::fault::Cause::NotOffered`] where the server cannot.
    fn wait(&mut self, mailbox: &MailboxName, limit: Duration) -> Result<Waited, Fault>;
    /// Did the last wait hear of all mailboxes (NOTIFY, RFC 5465)?
    fn hears_all(&self) -> bool {
        false
    }
    /// A handle that ends a wait, or any other blocking call, from another thread.
    fn waker(&self) -> Waker;
    /// What the server calls a message beside its UID (POP3), as the last comparison found it.
    fn uidl(&self, uid: Uid) -> Option<&Uidl> {
        let _ = uid;
        None
    }
    /// Ends a round that came to its end. What was kept back until all is on disk is done now: messages are removed
    /// from a POP3 server only here, and only if it says good-bye.
    fn end_round(&mut self) -> Result<Rest, Fault> {
        Ok(Rest::Open)
    }
    /// What went wrong at the end of the round without stopping it, since the last call.
    fn leftovers(&mut self) -> Vec<Fault> {
        Vec::new()
    }
    /// What the server said that a person should read, since the last call (`[ALERT]`).
    fn alerts(&mut self) -> Vec<Clean>;
    /// Says good-bye.
    fn close(&mut self);
}

/// Ends a [`Remote::wait`] from another thread.
#[derive(Clone)]
pub struct Waker(std::sync::Arc<dyn Fn() + Send + Sync>);

impl Waker {
    /// Makes one of what does the waking.
    pub fn new(wake: impl Fn() + Send + Sync + 'static) -> Self {
        Self(std::sync::Arc::new(wake))
    }

    /// Wakes.
    pub fn wake(&self) {
        (self.0)();
    }
}

/// Makes connections of one account: `sync` asks for one, drops it after a fault, asks again.
pub trait Connect: Send + Sync {
    /// Connects and signs in.
    fn connect(&self) -> Result<Box<dyn Remote>, Fault>;

    /// Connects for a look ahead: whatever the connection itself remembers is forgotten at its end.
    ///
    /// # Errors
    /// As those of [`Connect::connect`].
    fn look_ahead(&self) -> Result<Box<dyn Remote>, Fault> {
        self.connect()
    }
}
