//! What the server in memory can do, and does wrong: each habit is turned on or off by itself.

use crate::mail::flags::Flags;
use crate::remote::Rights;

/// What this server can and will do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a habit of its own that a test turns on or off")]
pub struct Habits {
    /// What it lets its users do.
    pub rights: Rights,
    /// Does it know labels (X-GM-EXT-1)?
    pub labels: bool,
    /// Does it keep modification sequences (CONDSTORE)?
    pub condstore: bool,
    /// Does it tell what vanished (QRESYNC)?
    pub qresync: bool,
    /// Does it tell how mailboxes stand along with their list (LIST-STATUS)?
    pub list_status: bool,
    /// Does it tell the UIDs of what was appended and moved (UIDPLUS)?
    pub uidplus: bool,
    /// Can it move messages (MOVE)? Else they are copied, marked, and expunged if it can do that.
    pub moves: bool,
    /// Does it announce the sizes that messages have (RFC 9051 §2.3.4)?
    pub exact: bool,
    /// Can one wait for news (IDLE)?
    pub idle: bool,
    /// Flags that it keeps; `None`: all.
    pub keeps: Option<Flags>,
    /// May new keywords be made?
    pub new_keywords: bool,
    /// Does it list only every second message, without the word that this is all?
    pub partial: bool,
    /// Does it refuse the password?
    pub refuses_sign_in: bool,
}

impl Habits {
    /// The size that it announces of a message: where that is a guess, a few bytes more than it has.
    pub(super) fn announced(&self, bytes: &[u8]) -> u64 {
        let size = bytes.len() as u64;
        if self.exact { size } else { size + 1 + size % 7 }
    }
}

impl Default for Habits {
    /// A good modern server.
    fn default() -> Self {
        Self {
            rights: Rights { flags: true, append: true, create: true, delete: true, r#move: true },
            labels: false,
            condstore: true,
            qresync: true,
            list_status: true,
            uidplus: true,
            moves: true,
            exact: true,
            idle: true,
            keeps: None,
            new_keywords: true,
            partial: false,
            refuses_sign_in: false,
        }
    }
}
