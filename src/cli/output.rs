//! The only place that prints. A closed pipe ends the output, not the program with an error; text
//! from outside arrives here as `Clean`, or as raw bytes that the user asked for.

use std::fmt::Display;
use std::io::{self, Write as _};

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
