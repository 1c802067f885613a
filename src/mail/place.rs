//! Where a message lies: one file of a message in one mailbox. A message may have several places.

use super::ids::{AccountId, Uid};
use super::mailbox::MailboxName;

/// The base name of a Maildir file: what stands before `:2,` and stays the same while flags
/// change. Never empty, without `/`, NUL or a leading dot. How it is made and parsed is
/// `store/name.rs`'s business.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UniqueName(String);

/// What the names of messages begin with that have no file.
const MARKED: &str = "marked_as_deleted.";

impl UniqueName {
    /// Refuses names that could leave the directory or hide in it, and names with a colon.
    pub fn new(text: &str) -> Option<Self> {
        Self::is_legal(text).then(|| Self(text.to_owned()))
    }

    /// Can this be a base name?
    pub fn is_legal(text: &str) -> bool {
        let harmful = |byte: u8| matches!(byte, b'/' | b'\0' | b':' | b'\n');
        !text.is_empty() && text.len() <= 240 && !text.starts_with('.') && !text.bytes().any(harmful)
    }

    /// The size in bytes of the whole message, if the file of this name is a stub of it: the header alone.
    pub fn stub_size(&self) -> Option<u64> {
        let (_, rest) = self.0.split_once(",T=")?;
        rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    }

    /// The name of no file: that of a message which was removed or moved away, and stays on the server, marked as
    /// deleted, since the server can take nothing off by itself.
    pub fn marked(uid: Uid) -> Self {
        Self(format!("{MARKED}{}", uid.get()))
    }

    /// Does it stand for a message that was removed or moved away and is only marked on the server?
    pub fn is_marked(&self) -> bool {
        self.0.strip_prefix(MARKED).is_some_and(|uid| uid.bytes().all(|byte| byte.is_ascii_digit()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One mailbox of one account.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MailboxId {
    /// Whose it is.
    pub account: AccountId,
    /// What it is called.
    pub name: MailboxName,
}

/// One file of a message.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The mailbox it lies in.
    pub mailbox: MailboxId,
    /// Its base name there.
    pub unique: UniqueName,
}

/// How folders lie in a Maildir.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// `root/INBOX/cur`, `root/Lists/rust/cur`: the default for a new tree.
    Nested,
    /// Maildir++: `root/cur` is the INBOX, `root/.Lists.rust/cur` a folder.
    MaildirPlusPlus,
}
