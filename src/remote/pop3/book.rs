//! What must be remembered of a POP3 server from session to session, and when its messages are removed there. The
//! memory itself is kept by whoever implements [`Book`]; nothing here touches files or the clock.

use std::collections::BTreeMap;

use crate::config::{DeleteThere, Retention};
use crate::fault::Fault;
use crate::mail::ids::{Timestamp, Uid, UidValidity, Uidl};

/// The SHA-256 of a message's header with the empty line behind it, as it comes from the server.
pub type HeaderHash = [u8; 32];

/// What is known of one message on the server.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a step of its own that a message has taken or not")]
pub struct Known {
    /// The number that it was given.
    pub uid: Uid,
    /// Its size when it was first seen, as the server tells it (LIST).
    pub size: u64,
    /// How many bytes it really has, once it is on this disk.
    pub stored: Option<u64>,
    /// What its header was, once it was fetched.
    pub header: Option<HeaderHash>,
    /// When it was first seen.
    pub first_seen: Timestamp,
    /// When it was last seen, at most a day ago if it is there.
    pub last_seen: Timestamp,
    /// Is it safe on this disk, or was it?
    pub delivered: bool,
    /// Is its header alone on this disk, while its text is on the server?
    pub held: bool,
    /// Is its removal decided on? Then it is never fetched again.
    pub asked: bool,
    /// Did the server once acknowledge its removal?
    pub done: bool,
    /// Was its id seen with another message before? Then it is never removed.
    pub doubtful: bool,
}

impl Known {
    /// Was it here, whole or as its header?
    pub(super) fn is_here(&self) -> bool {
        self.delivered || self.held
    }
}

/// A message that was not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fresh {
    /// What tells it from others: the server's id, or one made of its header.
    pub uidl: Uidl,
    /// Its size, as the server tells it (LIST).
    pub size: u64,
    /// Was its id seen with another message before? That one's row is replaced.
    pub doubtful: bool,
}

/// How long what is written into a book is to last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lasting {
    /// For good.
    Durably,
    /// Until it is closed: for a look ahead, which leaves no trace.
    Briefly,
}

/// The memory of one account at one server. Every change is durable when its call returns.
pub trait Book: Send {
    /// Now.
    fn now(&self) -> Timestamp;
    /// The epoch of all numbers in here; another book of the account has another one.
    fn epoch(&self) -> UidValidity;
    /// All that is known.
    fn known(&mut self) -> Result<BTreeMap<Uidl, Known>, Fault>;
    /// Enters messages and gives each a number, in their order, higher than all before.
    fn enter(&mut self, fresh: &[Fresh]) -> Result<Vec<Known>, Fault>;
    /// Takes note of the headers of messages that were fetched, and of every message that is on disk whole and agreed
    /// on by now; gives all that ever were.
    fn deliver(&mut self, headers: &BTreeMap<Uid, HeaderHash>) -> Result<Vec<Uid>, Fault>;
    /// Decides on the removal of messages.
    fn ask(&mut self, uids: &[Uid]) -> Result<(), Fault>;
    /// A session has ended well: `seen` were listed (those not told of for a day are enough), the removal of `done`
    /// was acknowledged. What has not been listed for long is forgotten.
    fn close(&mut self, seen: &[Uid], done: &[Uid]) -> Result<(), Fault>;
}

/// Is a message to be removed from the server now? It must be safe on this disk as a whole; only the user removes one
/// of which nothing but the header was ever here.
pub(super) fn is_due(retention: &Retention, known: &Known, now: Timestamp) -> bool {
    if known.doubtful || !(known.delivered || known.asked) {
        return false;
    }
    let age = now.get().saturating_sub(known.first_seen.get()).unsigned_abs();
    let old = now >= known.first_seen && retention.after.is_some_and(|after| age >= after.as_secs());
    known.asked
        || retention.delete == DeleteThere::AtOnce
        || old
        || retention.over.is_some_and(|over| known.size > over)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_due() {
        let day = 86_400;
        let known = Known {
            uid: Uid::MIN,
            size: 1000,
            stored: None,
            header: None,
            first_seen: Timestamp::new(10 * day),
            last_seen: Timestamp::new(10 * day),
            delivered: true,
            held: false,
            asked: false,
            done: false,
            doubtful: false,
        };
        let never = Retention::default();
        let at_once = Retention { delete: DeleteThere::AtOnce, ..never };
        let week = Retention { after: Some(Duration::from_hours(24 * 7)), ..never };
        let small = Retention { over: Some(1000), ..never };
        let big = Retention { over: Some(999), ..never };
        let when = Retention { delete: DeleteThere::WhenDeleted, ..never };
        for (name, retention, days, due) in [
            ("never", never, 1000, false),
            ("at once", at_once, 10, true),
            ("too young", week, 16, false),
            ("old enough", week, 17, true),
            ("a clock that was set back", week, 3, false),
            ("not over the size", small, 1000, false),
            ("over the size", big, 10, true),
            ("nobody deleted it", when, 1000, false),
        ] {
            assert_eq!(is_due(&retention, &known, Timestamp::new(days * day)), due, "{name}");
        }
        let now = Timestamp::new(1000 * day);
        let stub = Known { delivered: false, held: true, ..known.clone() };
        for retention in [at_once, week, big] {
            assert!(!is_due(&retention, &stub, now));
            assert!(!is_due(&retention, &Known { doubtful: true, asked: true, ..known.clone() }, now));
        }
        assert!(!is_due(&when, &stub, now));
        assert!(is_due(&when, &Known { asked: true, ..stub }, now), "the user removed it");
        assert!(is_due(&when, &Known { asked: true, ..known }, now));
    }
}
