//! The connection to a POP3 server: commands out, lines and bodies in, each read with a deadline, each line with a
//! limit, memory flat whatever comes. It knows where an answer ends and nothing of what it means.

use std::io;
use std::time::{Duration, Instant};

use zeroize::Zeroize as _;

use super::protocol::{Fed, Status, Unstuffer, status};
use crate::remote::limits::{Pace, Trouble};
use crate::remote::link::{Bell, Link, Wake};

/// How much is read at once.
const BUFFER: usize = 256 * 1024;
/// The longest line, but for those of a message: RFC 1939 has 512 bytes, and some servers chatter.
const LINE: usize = 8 * 1024;
/// As how many bytes a line of a list counts where its pace is watched: one in four seconds is enough.
const WEIGHT: usize = 4096;
/// How long a farewell may take that nothing hangs on.
const FAREWELL: Duration = Duration::from_secs(2);

/// The connection.
pub(super) struct Wire {
    link: Link,
    timeout: Duration,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

/// What became of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Body {
    /// How many bytes it has, freed of stuffed dots.
    pub(super) size: u64,
}

impl Wire {
    /// Takes a link; `timeout` is the longest silence.
    pub(super) fn new(link: Link, timeout: Duration) -> Self {
        Self { link, timeout, buffer: vec![0; BUFFER], start: 0, end: 0 }
    }

    /// What ends a wait from another thread.
    pub(super) fn bell(&self) -> Bell {
        self.link.bell()
    }

    /// Shortens the longest silence, for a farewell that nobody wants to wait for.
    pub(super) fn hurry(&mut self) {
        self.timeout = self.timeout.min(FAREWELL);
    }

    /// What it stands on.
    pub(super) fn link(&self) -> &Link {
        &self.link
    }

    /// Has nothing come that nobody asked for?
    pub(super) fn is_quiet(&self) -> bool {
        self.start == self.end
    }

    /// Gives the link back; `None` if bytes have come that nobody read.
    pub(super) fn into_link(self) -> Option<Link> {
        (self.start == self.end).then_some(self.link)
    }

    /// Sends commands, each with its line end.
    pub(super) fn send(&mut self, bytes: &[u8]) -> Result<(), Trouble> {
        Ok(self.link.write_all(bytes, self.timeout)?)
    }

    /// Sends a line that holds a secret, and leaves no copy of it in memory.
    pub(super) fn send_secret(&mut self, parts: &[&str]) -> Result<(), Trouble> {
        let mut line = String::with_capacity(parts.iter().map(|part| part.len()).sum::<usize>() + 2);
        for part in parts {
            line.push_str(part);
        }
        line.push_str("\r\n");
        let sent = self.send(line.as_bytes());
        line.zeroize();
        sent
    }

    /// The end of the longest silence.
    fn deadline(&self) -> Option<Instant> {
        Instant::now().checked_add(self.timeout)
    }

    /// Reads more behind what is there.
    fn fill(&mut self, deadline: Option<Instant>) -> Result<usize, Trouble> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.end == self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        let room = self.buffer.get_mut(self.end..).unwrap_or_default();
        let count = self.link.read(room, deadline, Wake::Heed)?;
        self.end += count;
        Ok(count)
    }

    /// What was read and not looked at yet.
    fn unread(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// Reads a line and shows it without its end.
    fn line<T>(&mut self, show: impl FnOnce(&[u8]) -> T) -> Result<T, Trouble> {
        let mut looked = 0;
        // For all of it: one byte now and then is no line.
        let deadline = self.deadline();
        loop {
            let found = self.unread().get(looked..).unwrap_or_default().iter().position(|byte| *byte == b'\n');
            if let Some(at) = found.map(|at| looked + at) {
                let line = self.unread().get(..at).unwrap_or_default();
                let out = show(line.strip_suffix(b"\r").unwrap_or(line));
                self.start += at + 1;
                return Ok(out);
            }
            looked = self.unread().len();
            if looked > LINE {
                return Err(Trouble::protocol("a line without end"));
            }
            self.fill(deadline)?;
        }
    }

    /// Reads a status line.
    pub(super) fn status(&mut self) -> Result<Status, Trouble> {
        self.line(status)?.ok_or_else(|| Trouble::protocol("what it says is no answer of a POP3 server"))
    }

    /// Reads the lines behind a `+OK` up to the dot; more than `most` of them are too many, and
    /// so few in a long time are too few.
    pub(super) fn lines(&mut self, most: usize, mut visit: impl FnMut(&[u8])) -> Result<(), Trouble> {
        let mut pace: Option<Pace> = None;
        for _ in 0..=most {
            let ended = self.line(|line| match line {
                b"." => true,
                line => {
                    visit(line.strip_prefix(b".").unwrap_or(line));
                    false
                }
            })?;
            if ended {
                return Ok(());
            }
            // The first may have been long in the making.
            match &mut pace {
                None => pace = Some(Pace::new(Instant::now(), self.timeout)),
                Some(pace) => pace.took(WEIGHT, Instant::now())?,
            }
        }
        Err(Trouble::protocol("a list without end"))
    }

    /// Reads a body behind a `+OK` and passes it on as it comes; more than `most` bytes are too many.
    pub(super) fn body(&mut self, most: u64, take: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> Result<Body, Trouble> {
        let mut unstuffer = Unstuffer::new();
        let mut pace = Pace::new(Instant::now(), self.timeout);
        let mut size: u64 = 0;
        loop {
            let mut pass = |piece: &[u8]| {
                size = size.saturating_add(piece.len() as u64);
                if size > most { Ok(()) } else { take(piece) }
            };
            let unread = self.buffer.get(self.start..self.end).unwrap_or_default();
            let fed = unstuffer.feed(unread, &mut pass).map_err(Trouble::Sink)?;
            if size > most {
                return Err(Trouble::protocol("a message far larger than the server said"));
            }
            match fed {
                Fed::Ended(used) => {
                    self.start += used;
                    return Ok(Body { size });
                }
                Fed::More => self.start = self.end,
            }
            let deadline = self.deadline();
            let came = self.fill(deadline)?;
            pace.took(came, Instant::now())?;
        }
    }
}
