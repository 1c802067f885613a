//! One frame's bytes on their way to the terminal: written at once, between the marks of
//! synchronised output. A frame in which nothing changed sends nothing at all. It makes a slow line
//! feel quick; which bytes they are is the business of `paint`.

use std::io::{self, Write};

/// Begin and end of synchronised output (mode 2026): terminals that do not know it pass it over.
const BEGIN: &[u8] = b"\x1b[?2026h";
const END: &[u8] = b"\x1b[?2026l";

/// Collects the bytes of one frame and writes them at once.
#[derive(Debug)]
pub(super) struct FrameWriter<W> {
    out: W,
    frame: Vec<u8>,
    last: Vec<u8>,
}

impl<W: Write> FrameWriter<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out, frame: Vec::with_capacity(64 * 1024), last: Vec::new() }
    }

    /// Takes a part of the frame.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.frame.extend_from_slice(bytes);
    }

    /// Writes what was collected. A frame that only says again where the cursor is, as the one
    /// before did, is dropped.
    pub(super) fn commit(&mut self) -> io::Result<()> {
        if self.frame.is_empty() || self.last.ends_with(&self.frame) {
            self.frame.clear();
            return Ok(());
        }
        let mut whole = Vec::with_capacity(self.frame.len() + BEGIN.len() + END.len());
        whole.extend_from_slice(BEGIN);
        whole.extend_from_slice(&self.frame);
        whole.extend_from_slice(END);
        self.out.write_all(&whole)?;
        self.out.flush()?;
        std::mem::swap(&mut self.last, &mut self.frame);
        self.frame.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_that_says_nothing_new_is_not_sent() {
        let mut writer = FrameWriter::new(Vec::new());
        for frame in ["hello\u{1b}[?25l", "\u{1b}[?25l", "", "\u{1b}[?25h"] {
            writer.push(frame.as_bytes());
            writer.commit().unwrap();
        }
        let sent = String::from_utf8(writer.out).unwrap();
        assert_eq!(sent.matches("\u{1b}[?2026h").count(), 2, "{sent:?}");
    }
}
