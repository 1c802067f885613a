//! How much a server may say in answer to a command, and the ways in which a connection ends: by a
//! limit, by silence, by the network, by us.

use std::io;

use super::link::Ended;

/// The longest line, where a command does not allow more.
const LINE: usize = 64 * 1024;
/// The longest literal that is held in memory.
pub(super) const LITERAL: u64 = 64 * 1024;
/// All text of one answer, where a command does not allow more.
const TOTAL: usize = 1024 * 1024;
/// How many untagged responses one answer may have, where a command does not allow more.
const COUNT: usize = 10_000;
/// How much a server may say in answer to one command, besides the bodies that are streamed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// The longest line.
    pub(super) line: usize,
    /// All text together.
    pub(super) total: usize,
    /// How many untagged responses.
    pub(super) count: usize,
}

impl Limits {
    /// What most commands need.
    pub(super) const USUAL: Self = Self { line: LINE, total: TOTAL, count: COUNT };

    /// For answers that grow with the number of messages: so many bytes and lines for each.
    pub(super) fn for_messages(count: usize, bytes_each: usize) -> Self {
        let room = count.saturating_mul(bytes_each);
        Self { line: LINE, total: TOTAL.saturating_add(room), count: COUNT.saturating_add(count.saturating_mul(4)) }
    }

    /// The same with lines as long as all of it may be: SEARCH answers in one line.
    pub(super) fn in_one_line(self) -> Self {
        Self { line: self.total, ..self }
    }
}

/// Why the connection cannot be used any more.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Nothing came in time.
    TimedOut,
    /// The other side closed.
    Closed,
    /// Another thread ended it.
    Woken,
    /// The system or TLS failed.
    System(io::Error),
    /// The server broke its protocol or a limit.
    Protocol(String),
    /// What took a literal could not write it.
    Sink(io::Error),
}

impl Trouble {
    /// The server broke its protocol.
    pub(super) fn protocol(what: &str) -> Self {
        Self::Protocol(what.to_owned())
    }
}

impl From<Ended> for Trouble {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::TimedOut => Self::TimedOut,
            Ended::Closed => Self::Closed,
            Ended::Woken => Self::Woken,
            Ended::Failed(error) => Self::System(error),
        }
    }
}
