//! What can happen: the only thing that changes the model.

use crate::job::Report;
use crate::keys::Key;
use crate::mail::ids::Timestamp;

use super::Viewport;

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A key was pressed.
    Key(Key),
    /// Text was pasted; it is never taken for keys.
    Paste(String),
    /// The mouse did something on the cell of that column and row.
    Mouse {
        /// What.
        act: MouseAct,
        /// Column, from 0.
        column: u16,
        /// Row, from 0.
        row: u16,
    },
    /// What the last drawing had room for, where it differs from the drawing before. The loop sends
    /// it at once after that drawing and draws again.
    Viewport(Viewport),
    /// A key that begins a longer sequence has been waiting for 200 ms: show what may follow. The
    /// loop sends it where [`super::Model::wants_pause`] says so; a `Tick` does the same later.
    Pause,
    /// A second or more went by.
    Tick {
        /// The clock.
        now: Timestamp,
    },
    /// A worker reports.
    Report(Report),
}

/// What the mouse did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MouseAct {
    /// The left button went down.
    Press,
    /// The wheel went up.
    ScrollUp,
    /// The wheel went down.
    ScrollDown,
}
