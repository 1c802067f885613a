//! The copy in Sent: the bytes that went out, with the Bcc header put back, read by their author.
//! Written after acceptance, as a step of its own, under a name made of the entry's, so that doing
//! it twice makes one copy.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::entry::Head;
use crate::config::Account;
use crate::fault::Fault;
use crate::job::outbox::EntryId;
use crate::job::{Changed, PlaceChange};
use crate::mail::flags::{Flag, Flags};
use crate::mail::header::{self, Header};
use crate::mail::ids::{MessageId, Timestamp};
use crate::mail::mailbox::{MailboxName, Role};
use crate::mail::place::{MailboxId, UniqueName};
use crate::mail::wire;
use crate::store::folders::Root;
use crate::store::maildir::Maildir;
use crate::store::scan;

/// How much of a file is read to find its Message-ID.
const HEADER: usize = 64 * 1024;

/// The mailbox for sent mail by the config alone: what the user says, else `Sent`.
pub fn configured(account: &Account) -> MailboxName {
    let default = MailboxName::new("Sent").unwrap_or_else(MailboxName::inbox);
    account.mailbox_for(Role::Sent, &default)
}

fn directory(account: &Account, mailbox: &MailboxName) -> Result<std::path::PathBuf, Fault> {
    Root { path: account.maildir.clone(), layout: account.layout }.directory(mailbox)
}

/// Writes the copy durably, unless it is there already.
pub(super) fn file(
    account: &Account,
    mailbox: &MailboxName,
    id: &EntryId,
    head: &Head,
    message: &[u8],
) -> Result<Option<Changed>, Fault> {
    let bytes = wire::with_bcc(message, &head.bcc);
    let Some(unique) = UniqueName::new(&format!("{}.out,S={}", id.as_str(), bytes.len())) else { return Ok(None) };
    let root = Root { path: account.maildir.clone(), layout: account.layout };
    let maildir = Maildir::open(&root.create(mailbox)?)?;
    let entry = match maildir.find(&unique)? {
        Some(entry) => entry,
        None => maildir.deliver(&unique, &Flags::only(Flag::Seen), &bytes)?.entry,
    };
    let now = Some(maildir.place_file(&entry));
    Ok(Some(Changed {
        mailbox: MailboxId { account: account.id.clone(), name: mailbox.clone() },
        places: vec![PlaceChange { unique, now }],
    }))
}

/// Is a message with this id in the Sent mailbox, in a file that came since `since`? Then the
/// server, or another program, has filed what was sent.
pub(super) fn holds(account: &Account, mailbox: &MailboxName, wanted: &MessageId, since: Timestamp) -> bool {
    let look = || -> Result<bool, Fault> {
        let maildir = Maildir::open(&directory(account, mailbox)?)?;
        let earliest = UNIX_EPOCH + Duration::from_secs(since.get().unsigned_abs().saturating_sub(3600));
        let scan = scan::scan(&maildir)?;
        Ok(scan.entries.iter().any(|entry| {
            let path = maildir.path_of(entry);
            is_since(&path, earliest) && message_id(&path).as_ref() == Some(wanted)
        }))
    };
    // A mailbox that is not there holds nothing; the user is asked then.
    look().unwrap_or(false)
}

fn is_since(path: &Path, earliest: SystemTime) -> bool {
    std::fs::metadata(path).and_then(|about| about.modified()).is_ok_and(|time| time >= earliest)
}

fn message_id(path: &Path) -> Option<MessageId> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    std::fs::File::open(path).ok()?.take(HEADER as u64).read_to_end(&mut bytes).ok()?;
    let field = Header::split(&bytes).first("Message-ID")?.unfolded().into_owned();
    header::message_ids(&field).into_iter().next()
}
