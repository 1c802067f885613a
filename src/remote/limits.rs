//! How much a server may say in answer to a command, and the ways in which a connection ends: by a
//! limit, by silence, by the network, by us. The same for every protocol.

use std::io;
use std::time::{Duration, Instant};

use super::link::Ended;
use crate::fault::{Again, Cause, Doing, Fault};

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

/// The slowest that a literal may come, in bytes a second, measured over the longest silence: a server
/// that sends one byte now and then would hold the account for years.
const SLOWEST: u64 = 1024;

/// Watches how fast a literal comes.
#[derive(Debug)]
pub(super) struct Pace {
    window: Duration,
    begun: Instant,
    came: u64,
}

impl Pace {
    /// Begins now; `window` is the longest silence that is borne.
    pub(super) fn new(now: Instant, window: Duration) -> Self {
        Self { window, begun: now, came: 0 }
    }

    /// So many bytes came.
    ///
    /// # Errors
    /// In the whole of the last window it was too slow.
    pub(super) fn took(&mut self, bytes: usize, now: Instant) -> Result<(), Trouble> {
        self.came = self.came.saturating_add(bytes as u64);
        if now.saturating_duration_since(self.begun) < self.window {
            return Ok(());
        }
        let least = SLOWEST.saturating_mul(self.window.as_secs());
        let came = std::mem::take(&mut self.came);
        self.begun = now;
        if came < least { Err(Trouble::TimedOut) } else { Ok(()) }
    }
}

/// The least that a command brings while it is waited for, in bytes a second. What keeps a connection alive during a
/// long command (`* OK still here`, some forty bytes four times a minute) is less.
const LEAST: u64 = 16;
/// For so many of the longest silences a command may bring less: servers take their time to search a large mailbox.
const LENIENCY: u32 = 10;

/// Watches that a command comes forward: a server that says a line now and then would hold the account for ever. Only
/// the time counts in which the server is waited for, not that in which its words are made use of.
#[derive(Debug)]
pub(super) struct Progress {
    window: Duration,
    waited: Duration,
    came: u64,
}

impl Progress {
    /// `silence` is the longest silence that is borne.
    pub(super) fn new(silence: Duration) -> Self {
        Self { window: silence.saturating_mul(LENIENCY), waited: Duration::ZERO, came: 0 }
    }

    /// A command begins.
    pub(super) fn begin(&mut self) {
        (self.waited, self.came) = (Duration::ZERO, 0);
    }

    /// So many bytes came after so long.
    ///
    /// # Errors
    /// In the whole of the last window it brought next to nothing.
    pub(super) fn took(&mut self, bytes: usize, waited: Duration) -> Result<(), Trouble> {
        self.waited = self.waited.saturating_add(waited);
        self.came = self.came.saturating_add(bytes as u64);
        if self.waited < self.window {
            return Ok(());
        }
        let enough = self.came >= LEAST.saturating_mul(self.window.as_secs().max(1));
        self.begin();
        if enough { Ok(()) } else { Err(Trouble::Drips) }
    }
}

/// Why the connection cannot be used any more.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Nothing came in time.
    TimedOut,
    /// What came for long was next to nothing.
    Drips,
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

    /// Makes a fault of it; `goodbye` is what the server said before it closed.
    pub(super) fn explain(self, doing: Doing, host: &str, goodbye: Option<&str>) -> Fault {
        let fault = |cause| Fault::new(doing, host, cause);
        match self {
            Self::TimedOut => fault(Cause::TimedOut).detail("the server says nothing"),
            Self::Drips => fault(Cause::TimedOut).detail("the server does not get on: next to nothing comes"),
            Self::Closed => match goodbye {
                Some(words) => fault(Cause::Closed).detail(words),
                None => fault(Cause::Closed).detail("the connection was closed"),
            },
            Self::Woken => fault(Cause::Closed).again(Again::Now).detail("interrupted"),
            Self::System(error) => fault(Cause::Closed).detail(&error.to_string()),
            Self::Protocol(what) => fault(Cause::Protocol).detail(&what),
            Self::Sink(error) => Fault::io(Doing::Storing, host, &error),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_gets_on_is_waited_for_and_words_to_pass_the_time_are_not() {
        let silence = Duration::from_secs(30);
        let second = Duration::from_secs(1);
        let ended = |bytes, pause| {
            let mut progress = Progress::new(silence);
            (1..10_000).find(|_| progress.took(bytes, pause).is_err())
        };
        assert_eq!(ended(20, second), None, "twenty bytes a second are a slow line");
        assert_eq!(ended(40, 15 * second), Some(20), "after ten times the longest silence");
        let mut progress = Progress::new(silence);
        for _ in 0..1000 {
            progress.begin();
            assert!(progress.took(10, 29 * second).is_ok(), "each command has its own time");
        }
        let mut long = Progress::new(silence);
        assert!((0..19).all(|_| long.took(40, 15 * second).is_ok()));
        assert!(long.took(100_000, 15 * second).is_ok(), "what was long in the making comes");
    }

    #[test]
    fn a_drip_ends_after_one_window_and_a_slow_line_does_not() {
        let begun = Instant::now();
        let after = |seconds| begun + Duration::from_secs(seconds);
        let mut slow = Pace::new(begun, Duration::from_secs(30));
        assert!((1..600).all(|second| slow.took(1100, after(second)).is_ok()));
        let mut drip = Pace::new(begun, Duration::from_secs(30));
        let ended = (1..600).find(|second| drip.took(1, after(*second)).is_err());
        assert_eq!(ended, Some(30));
        let mut stalls = Pace::new(begun, Duration::from_secs(30));
        assert!(stalls.took(100_000, after(1)).is_ok());
        assert!(stalls.took(1, after(29)).is_ok());
        assert!(stalls.took(1, after(31)).is_ok(), "what came fast at first counts");
        assert!(stalls.took(1, after(62)).is_err());
    }
}
