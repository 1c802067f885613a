//! What the loop itself is asked by `update`: outside programs, the terminal, the end.

use std::fmt;
use std::path::PathBuf;

use crate::fault::Fault;
use crate::mail::draft::Draft;

/// A secret on its way from the keyboard to a worker: stars in `Debug`, wiped on drop.
#[derive(Clone, PartialEq, Eq, zeroize::ZeroizeOnDrop)]
pub struct Hidden(pub String);

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// What the loop shall do.
#[derive(Debug, Clone, PartialEq)]
pub enum ShellJob {
    /// Give the terminal to `$EDITOR` with the draft's text. Answer: `Edited`.
    Edit(Box<Draft>),
    /// Open a file or link with the user's program, without a shell. Answer: `Ran` if it failed.
    Open(OpenWhat),
    /// Pipe bytes into a command line that the user typed. Answer: `Ran`.
    Pipe {
        /// What the user typed; run by `sh -c`, since the user wrote it and no mail did.
        command: String,
        /// The message's file.
        path: PathBuf,
    },
    /// Put text on the clipboard of the terminal (OSC 52).
    Copy(String),
    /// Draw everything again.
    Redraw,
    /// Stop (Ctrl-z) and come back.
    Suspend,
    /// Ring the bell, set the title: all clean.
    Notify(String),
    /// End the program.
    Quit,
}

/// What is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpenWhat {
    /// A link: http, https or mailto only; checked again before it is opened.
    Link(String),
    /// A file that we saved.
    File(PathBuf),
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub enum ShellReport {
    /// The editor is done: the new text, or why there is none.
    Edited {
        /// The draft's id.
        draft: String,
        /// Its text (the body, and the header where `edit_headers` is set).
        result: Result<String, Fault>,
    },
    /// A program ended.
    Ran {
        /// What it was.
        what: String,
        /// How it went.
        result: Result<(), Fault>,
    },
    /// The program is to end: SIGTERM or SIGHUP came. Drafts are to be saved now.
    Hangup,
}
