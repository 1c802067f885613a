//! The only place that prints. A closed pipe ends the output, not the program with an error; text
//! from outside arrives here as `Clean`, or as raw bytes that the user asked for.

use std::fmt::Display;
use std::io::{self, BufWriter, IsTerminal as _, StdoutLock, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::fault::Fault;
use crate::mail::clean::Clean;

/// Prints one line.
pub(super) fn line(text: impl Display) {
    // A reader that closed its end (`| head`) wants no more; there is nobody to tell.
    let _ = writeln!(io::stdout().lock(), "{text}");
}

/// Prints bytes as they are: a raw message, NUL-separated paths.
pub(super) fn raw(bytes: &[u8]) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(bytes).and_then(|()| out.flush());
}

/// Many lines that are there all at once: printed together, not one by one. The last are printed when it is dropped.
pub(super) struct Lines(BufWriter<StdoutLock<'static>>);

impl Lines {
    /// Nobody else prints meanwhile.
    pub(super) fn new() -> Self {
        Self(BufWriter::new(io::stdout().lock()))
    }

    /// One more line.
    pub(super) fn line(&mut self, text: impl Display) {
        let _ = writeln!(self.0, "{text}");
    }

    /// Bytes as they are.
    pub(super) fn raw(&mut self, bytes: &[u8]) {
        let _ = self.0.write_all(bytes);
    }
}

/// Prints an error line: `tern: sync: …`.
pub(super) fn error(command: &str, text: impl Display) {
    let _ = writeln!(io::stderr().lock(), "tern: {command}: {text}");
}

/// Prints a fault and what can be done about it.
pub(super) fn fault(command: &str, fault: &Fault) {
    error(command, fault);
    if let Some(advice) = fault.advice() {
        let _ = writeln!(io::stderr().lock(), "  next: {advice}");
    }
}

/// Prints a note to standard error, so that it does not mix with what a script reads.
pub(super) fn note(text: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Words of the user's own (an argument) made clean for an error line.
pub(super) fn quoted(text: &str) -> Clean {
    Clean::line(text)
}

/// A path made clean.
pub(super) fn path(path: &Path) -> Clean {
    Clean::line(&path.to_string_lossy())
}

/// How often a line of progress is written anew.
const OFTEN: Duration = Duration::from_millis(100);

/// A line on a terminal that says how far something is; nothing elsewhere.
pub(super) struct Progress {
    what: Option<&'static str>,
    written: Option<Instant>,
}

impl Progress {
    /// Shows it where standard error is a terminal.
    pub(super) fn new(what: &'static str) -> Self {
        Self { what: io::stderr().is_terminal().then_some(what), written: None }
    }

    /// Shows nothing.
    pub(super) fn none() -> Self {
        Self { what: None, written: None }
    }

    /// Shows how far it is.
    pub(super) fn show(&mut self, far: impl Display) {
        let Some(what) = self.what else { return };
        if self.written.is_none_or(|at| at.elapsed() >= OFTEN) {
            let _ = write!(io::stderr().lock(), "\r{what}: {far}\x1b[K");
            self.written = Some(Instant::now());
        }
    }

    /// Takes the line away, so that something else can be written.
    pub(super) fn clear(&mut self) {
        if self.written.take().is_some() {
            let _ = write!(io::stderr().lock(), "\r\x1b[K");
        }
    }
}
