//! One frame's bytes on their way to the terminal: written at once, between the marks of
//! synchronised output, and no more of them than are needed. Runs of plain blanks become "erase
//! characters" (ECH, ECMA-48 §8.3.38), and attributes that are reset twice are reset once. A frame in
//! which nothing changed sends nothing at all. It makes a slow line feel quick.

use std::io::{self, Write};

/// Begin and end of synchronised output (mode 2026): terminals that do not know it pass it over.
const BEGIN: &[u8] = b"\x1b[?2026h";
const END: &[u8] = b"\x1b[?2026l";
/// Fewer blanks than this are shorter as they are.
const LEAST: usize = 12;
/// What the drawing says behind each frame, of which the last part says it all.
const RESET_TWICE: &[u8] = b"\x1b[39m\x1b[49m\x1b[59m\x1b[0m";
const RESET: &[u8] = b"\x1b[0m";

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
        shorten(&self.frame, &mut whole);
        whole.extend_from_slice(END);
        self.out.write_all(&whole)?;
        self.out.flush()?;
        std::mem::swap(&mut self.last, &mut self.frame);
        self.frame.clear();
        Ok(())
    }
}

/// The attributes that show on a blank.
#[derive(Debug, Clone, Copy, Default)]
struct Visible {
    ground: bool,
    reverse: bool,
    underline: bool,
    struck: bool,
}

impl Visible {
    fn is_plain(self) -> bool {
        !(self.ground || self.reverse || self.underline || self.struck)
    }

    /// Follows the parameters of one SGR sequence (ECMA-48 §8.3.117).
    fn follow(&mut self, parameters: &[u8]) {
        let mut numbers = parameters
            .split(|byte| *byte == b';')
            .map(|text| std::str::from_utf8(text).ok().and_then(|text| text.parse::<u16>().ok()).unwrap_or(0));
        while let Some(number) = numbers.next() {
            match number {
                0 => *self = Self::default(),
                4 => self.underline = true,
                24 => self.underline = false,
                7 => self.reverse = true,
                27 => self.reverse = false,
                9 => self.struck = true,
                29 => self.struck = false,
                49 => self.ground = false,
                40..=47 | 100..=107 => self.ground = true,
                38 | 48 | 58 => {
                    self.ground |= number == 48;
                    let more = if numbers.next() == Some(2) { 3 } else { 1 };
                    numbers.by_ref().take(more).for_each(drop);
                }
                _ => {}
            }
        }
    }
}

/// Copies a frame, shorter where the screen becomes the same.
fn shorten(frame: &[u8], out: &mut Vec<u8>) {
    let mut visible = Visible::default();
    let mut rest = frame;
    while let Some(first) = rest.first() {
        if rest.starts_with(RESET_TWICE) {
            rest = rest.get(RESET_TWICE.len() - RESET.len()..).unwrap_or_default();
            continue;
        }
        let taken = if *first == 0x1b {
            let length = sequence(rest);
            let sequence = rest.get(..length).unwrap_or_default();
            if let [0x1b, b'[', parameters @ .., b'm'] = sequence {
                visible.follow(parameters);
            }
            out.extend_from_slice(sequence);
            length
        } else {
            let blanks = rest.iter().take_while(|byte| **byte == b' ').count();
            if blanks >= LEAST && visible.is_plain() {
                out.extend_from_slice(format!("\x1b[{blanks}X").as_bytes());
                if !places_cursor(rest.get(blanks..).unwrap_or_default()) {
                    out.extend_from_slice(format!("\x1b[{blanks}C").as_bytes());
                }
                blanks
            } else {
                let plain = rest.iter().skip(blanks).take_while(|byte| !matches!(**byte, 0x1b | b' ')).count();
                out.extend_from_slice(rest.get(..blanks + plain).unwrap_or_default());
                blanks + plain
            }
        };
        rest = rest.get(taken.max(1)..).unwrap_or_default();
    }
}

/// The length of the escape sequence at the beginning: CSI up to its final byte, OSC and the like
/// up to BEL or ST.
fn sequence(bytes: &[u8]) -> usize {
    let end = match bytes.get(1) {
        Some(b'[') => bytes.iter().skip(2).position(|byte| (0x40..=0x7e).contains(byte)).map(|at| at + 3),
        Some(b']' | b'P' | b'_' | b'^') => {
            let bell = bytes.iter().position(|byte| *byte == 7).map(|at| at + 1);
            let st = bytes.windows(2).skip(1).position(|pair| pair == b"\x1b\\").map(|at| at + 3);
            match (bell, st) {
                (Some(bell), Some(st)) => Some(bell.min(st)),
                (one, other) => one.or(other),
            }
        }
        _ => Some(2),
    };
    end.unwrap_or(bytes.len()).min(bytes.len())
}

/// Is the next thing a sequence that places the cursor (CUP), so that where it stood is no matter?
fn places_cursor(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x1b[") && bytes.get(sequence(bytes) - 1) == Some(&b'H')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shortened(frame: &str) -> String {
        let mut out = Vec::new();
        shorten(frame.as_bytes(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn plain_blanks_are_erased_and_others_are_drawn() {
        let blanks = " ".repeat(20);
        assert_eq!(shortened(&format!("a{blanks}b")), "a\u{1b}[20X\u{1b}[20Cb");
        assert_eq!(shortened(&format!("a{blanks}\u{1b}[3;1Hb")), "a\u{1b}[20X\u{1b}[3;1Hb");
        for look in ["7", "4", "41", "48;5;7", "48;2;0;7;0", "9"] {
            let drawn = format!("\u{1b}[{look}m{blanks}\u{1b}[0m");
            assert_eq!(shortened(&drawn), drawn);
        }
        assert_eq!(shortened(&format!("\u{1b}[7m\u{1b}[27m{blanks}x")), "\u{1b}[7m\u{1b}[27m\u{1b}[20X\u{1b}[20Cx");
        assert_eq!(shortened("x\u{1b}[39m\u{1b}[49m\u{1b}[59m\u{1b}[0m\u{1b}[?25l"), "x\u{1b}[0m\u{1b}[?25l");
    }

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

    /// What a person sees of each cell, and where the cursor stands.
    fn screen(bytes: &[u8]) -> (Vec<String>, String) {
        let mut parser = vt100::Parser::new(5.try_into().unwrap(), 40.try_into().unwrap(), 0);
        parser.process(b"\x1b[2;3Hold text that was here");
        parser.process(bytes);
        let screen = parser.screen();
        let seen = |row, column| {
            let cell = screen.cell(row, column).unwrap();
            let text = if cell.has_contents() { cell.contents() } else { " " };
            let look = (cell.bgcolor(), cell.inverse(), cell.underline());
            format!("{text}{look:?}")
        };
        let cells = (0..5).flat_map(|row| (0..40).map(move |column| (row, column)));
        (cells.map(|(row, column)| seen(row, column)).collect(), format!("{:?}", screen.cursor_position()))
    }

    proptest! {
        #[test]
        fn the_screen_is_the_same(parts in proptest::collection::vec(prop_oneof![
            Just("\u{1b}[0m".to_owned()),
            Just("\u{1b}[7m".to_owned()),
            Just("\u{1b}[27m".to_owned()),
            Just("\u{1b}[48;5;4m".to_owned()),
            Just("\u{1b}[49m".to_owned()),
            Just("\u{1b}[39m\u{1b}[49m\u{1b}[59m\u{1b}[0m".to_owned()),
            (1u8..6, 1u8..20).prop_map(|(row, column)| format!("\u{1b}[{row};{column}H")),
            (0usize..20).prop_map(|blanks| " ".repeat(blanks)),
            "[a-z林é]{0,6}",
        ], 0..14)) {
            // Each part begins at a place of its own, as the parts of a drawing do.
            let frame: String = parts.concat().chars().take(120).collect();
            let frame = format!("\u{1b}[1;1H{frame}");
            prop_assume!(parts.iter().map(|part| part.len()).sum::<usize>() < 36);
            let mut short = Vec::new();
            shorten(frame.as_bytes(), &mut short);
            prop_assert_eq!(screen(frame.as_bytes()), screen(&short));
        }
    }
}
