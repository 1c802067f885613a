//! Cells to bytes, as few as a slow line deserves: a stretch of blanks is erased and not written,
//! colours and attributes change only where it can be seen, the cursor is hidden once and not with
//! every frame. Only sequences of ECMA-48 that every terminal since the VT220 knows are used.

use std::io::{self, Write};
use std::ops::Range;

use ratatui::backend::{Backend, ClearType, CrosstermBackend, WindowSize};
use ratatui::buffer::Cell;
use ratatui::layout::{Position, Size};
use ratatui::style::{Color, Modifier};

/// So many blanks before more text are erased: that and the step over them cost as much as writing.
const WITHIN: u16 = 11;
/// So many at the end of a stretch, of which the last one is written.
const AT_END: u16 = 12;
/// The attributes that a blank shows; of the others and of the colour of letters it shows nothing.
const SEEN: Modifier = Modifier::REVERSED
    .union(Modifier::UNDERLINED)
    .union(Modifier::CROSSED_OUT)
    .union(Modifier::SLOW_BLINK)
    .union(Modifier::RAPID_BLINK);

/// The backend that writes into `W`; what is not about cells it leaves to crossterm's.
pub(super) struct Paint<W: Write> {
    inner: CrosstermBackend<W>,
    cursor: Cursor,
    bytes: Vec<u8>,
}

/// What is known of the cursor between frames.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cursor {
    Unknown,
    Hidden,
    Shown(Option<Position>),
}

/// Colours and attributes.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Pen {
    fg: Color,
    bg: Color,
    modifier: Modifier,
}

impl Pen {
    const PLAIN: Self = Self { fg: Color::Reset, bg: Color::Reset, modifier: Modifier::empty() };

    fn of(cell: &Cell) -> Self {
        Self { fg: cell.fg, bg: cell.bg, modifier: cell.modifier }
    }

    /// Would a blank drawn by this be empty ground?
    fn is_ground(self) -> bool {
        self.bg == Color::Reset && !self.modifier.intersects(SEEN)
    }
}

impl<W: Write> Paint<W> {
    pub(super) fn new(out: W) -> Self {
        Self { inner: CrosstermBackend::new(out), cursor: Cursor::Unknown, bytes: Vec::new() }
    }
}

impl<W: Write> Write for Paint<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Write::flush(&mut self.inner)
    }
}

impl<W: Write> Backend for Paint<W> {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, content: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        self.bytes.clear();
        let mut brush = Brush { out: &mut self.bytes, pen: Pen::PLAIN, at: None, sure: false, blanks: None };
        for (x, y, cell) in content {
            brush.cell(Position { x, y }, cell);
        }
        brush.end();
        if !self.bytes.is_empty() {
            // Whatever was drawn has moved it.
            self.cursor = if let Cursor::Shown(_) = self.cursor { Cursor::Shown(None) } else { self.cursor };
        }
        self.inner.write_all(&self.bytes)
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        if self.cursor == Cursor::Hidden {
            return Ok(());
        }
        self.cursor = Cursor::Hidden;
        self.inner.hide_cursor()
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        if let Cursor::Shown(_) = self.cursor {
            return Ok(());
        }
        self.cursor = Cursor::Shown(None);
        self.inner.show_cursor()
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        self.inner.get_cursor_position()
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        let position = position.into();
        match self.cursor {
            Cursor::Shown(Some(known)) if known == position => return Ok(()),
            Cursor::Shown(_) => self.cursor = Cursor::Shown(Some(position)),
            Cursor::Hidden | Cursor::Unknown => {}
        }
        self.inner.set_cursor_position(position)
    }

    fn clear(&mut self) -> io::Result<()> {
        self.clear_region(ClearType::All)
    }

    fn clear_region(&mut self, region: ClearType) -> io::Result<()> {
        // Another program may have had the terminal.
        self.cursor = Cursor::Unknown;
        self.inner.clear_region(region)
    }

    fn append_lines(&mut self, count: u16) -> io::Result<()> {
        self.inner.append_lines(count)
    }

    fn size(&self) -> io::Result<Size> {
        self.inner.size()
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        self.inner.window_size()
    }

    fn flush(&mut self) -> io::Result<()> {
        Backend::flush(&mut self.inner)
    }

    fn scroll_region_up(&mut self, region: Range<u16>, amount: u16) -> io::Result<()> {
        self.inner.scroll_region_up(region, amount)
    }

    fn scroll_region_down(&mut self, region: Range<u16>, amount: u16) -> io::Result<()> {
        self.inner.scroll_region_down(region, amount)
    }
}

/// Empty ground that is still to be drawn.
#[derive(Clone, Copy)]
struct Blanks {
    from: Position,
    count: u16,
}

/// One frame on its way into bytes.
struct Brush<'a> {
    out: &'a mut Vec<u8>,
    pen: Pen,
    /// Where the next letter goes, if nothing is said.
    at: Option<Position>,
    /// Do all terminals agree on that? After letters of doubtful width they do not.
    sure: bool,
    blanks: Option<Blanks>,
}

impl Brush<'_> {
    fn cell(&mut self, position: Position, cell: &Cell) {
        let symbol = cell.symbol();
        let ground = symbol == " " && Pen::of(cell).is_ground();
        if let Some(blanks) = &mut self.blanks {
            let follows = position.y == blanks.from.y && position.x == blanks.from.x.saturating_add(blanks.count);
            if follows && ground {
                blanks.count += 1;
                return;
            }
            self.settle(follows);
        }
        if ground {
            self.blanks = Some(Blanks { from: position, count: 1 });
            return;
        }
        self.go(position);
        self.take(Pen::of(cell));
        self.say(symbol.as_bytes());
        self.at = Some(Position { x: position.x.saturating_add(1), ..position });
        self.sure &= symbol.len() == 1;
    }

    fn end(&mut self) {
        if self.blanks.is_some() {
            self.settle(false);
        }
        self.take(Pen::PLAIN);
    }

    /// Draws the empty ground that waits; `followed`: more comes right behind it.
    fn settle(&mut self, followed: bool) {
        let Some(Blanks { from, count }) = self.blanks.take() else { return };
        self.go(from);
        if !self.pen.is_ground() {
            self.take(Pen::PLAIN);
        }
        if followed && count >= WITHIN {
            self.say(format!("\x1b[{count}X").as_bytes());
            return;
        }
        if !followed && count >= AT_END {
            // The last one may lie on the first half of a wide letter: tmux keeps the other half where the first
            // is erased, but not where it is written over.
            let erased = count.saturating_sub(1);
            self.say(format!("\x1b[{erased}X").as_bytes());
            self.go(Position { x: from.x.saturating_add(erased), ..from });
            self.say(b" ");
            self.at = Some(Position { x: from.x.saturating_add(count), ..from });
            return;
        }
        self.out.resize(self.out.len() + usize::from(count), b' ');
        self.at = Some(Position { x: from.x.saturating_add(count), ..from });
    }

    fn go(&mut self, to: Position) {
        let steps = self.at.filter(|at| at.y == to.y).and_then(|at| to.x.checked_sub(at.x));
        match steps {
            Some(0) => return,
            Some(1) if self.sure => self.say(b"\x1b[C"),
            Some(steps) if self.sure => self.say(format!("\x1b[{steps}C").as_bytes()),
            _ => {
                self.say(format!("\x1b[{};{}H", to.y.saturating_add(1), to.x.saturating_add(1)).as_bytes());
                self.sure = true;
            }
        }
        self.at = Some(to);
    }

    /// Changes the pen, from nothing where something must be taken away.
    fn take(&mut self, pen: Pen) {
        if pen == self.pen {
            return;
        }
        if pen == Pen::PLAIN {
            self.say(b"\x1b[m");
            self.pen = pen;
            return;
        }
        let mut codes = String::new();
        let mut from = self.pen;
        if !pen.modifier.contains(from.modifier) {
            codes.push_str("0;");
            from = Pen::PLAIN;
        }
        for (flag, code) in MODIFIERS {
            if pen.modifier.contains(flag) && !from.modifier.contains(flag) {
                codes.push_str(code);
            }
        }
        if pen.fg != from.fg {
            color(pen.fg, 30, &mut codes);
        }
        if pen.bg != from.bg {
            color(pen.bg, 40, &mut codes);
        }
        self.pen = pen;
        let codes = codes.trim_end_matches(';').to_owned();
        self.say(format!("\x1b[{codes}m").as_bytes());
    }

    fn say(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }
}

const MODIFIERS: [(Modifier, &str); 9] = [
    (Modifier::BOLD, "1;"),
    (Modifier::DIM, "2;"),
    (Modifier::ITALIC, "3;"),
    (Modifier::UNDERLINED, "4;"),
    (Modifier::SLOW_BLINK, "5;"),
    (Modifier::RAPID_BLINK, "6;"),
    (Modifier::REVERSED, "7;"),
    (Modifier::HIDDEN, "8;"),
    (Modifier::CROSSED_OUT, "9;"),
];

/// Adds the code of a colour: `base` is 30 for letters, 40 for the ground.
fn color(color: Color, base: u8, codes: &mut String) {
    use std::fmt::Write as _;
    let slot = match color {
        Color::Reset => base + 9,
        Color::Black => base,
        Color::Red => base + 1,
        Color::Green => base + 2,
        Color::Yellow => base + 3,
        Color::Blue => base + 4,
        Color::Magenta => base + 5,
        Color::Cyan => base + 6,
        Color::Gray => base + 7,
        Color::DarkGray => base + 60,
        Color::LightRed => base + 61,
        Color::LightGreen => base + 62,
        Color::LightYellow => base + 63,
        Color::LightBlue => base + 64,
        Color::LightMagenta => base + 65,
        Color::LightCyan => base + 66,
        Color::White => base + 67,
        Color::Indexed(index) => {
            let _ = write!(codes, "{};5;{index};", base + 8);
            return;
        }
        Color::Rgb(red, green, blue) => {
            let _ = write!(codes, "{};2;{red};{green};{blue};", base + 8);
            return;
        }
    };
    let _ = write!(codes, "{slot};");
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;
    use proptest::prelude::*;
    use ratatui::buffer::Buffer;
    use ratatui::layout::Rect;
    use ratatui::style::Style;

    /// What would go to the terminal.
    #[derive(Clone, Default)]
    struct Wire(Rc<RefCell<Vec<u8>>>);

    impl Write for Wire {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.borrow_mut().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    const AREA: Rect = Rect { x: 0, y: 0, width: 40, height: 3 };

    fn bytes(before: &Buffer, after: &Buffer) -> Vec<u8> {
        let mut paint = Paint::new(Vec::new());
        paint.draw(before.diff(after).into_iter()).unwrap();
        paint.bytes
    }

    fn line(text: &str, style: Style) -> Buffer {
        let mut buffer = Buffer::empty(AREA);
        buffer.set_string(0, 0, text, style);
        buffer
    }

    #[test]
    fn a_frame_says_only_what_can_be_seen() {
        let empty = Buffer::empty(AREA);
        let bold = Style::new().bold();
        let reversed = line(&format!("{:<40}", "a"), Style::new().reversed());
        let table = [
            (empty.clone(), empty.clone(), ""),
            (empty.clone(), line("ab", Style::new()), "\x1b[1;1Hab"),
            (empty.clone(), line("ab", bold), "\x1b[1;1H\x1b[1mab\x1b[m"),
            // A bold blank is a blank.
            (empty.clone(), line("a b", bold.cyan()), "\x1b[1;1H\x1b[1;36ma b\x1b[m"),
            // Ground is erased, not written.
            (reversed.clone(), line("a", Style::new()), "\x1b[1;1Ha\x1b[38X\x1b[38C "),
            (reversed, line(&format!("a{:>30}", "b"), Style::new()), "\x1b[1;1Ha\x1b[29X\x1b[29Cb         "),
            // Whose width terminals do not agree on, nothing is counted from.
            (empty.clone(), line("日", Style::new()), "\x1b[1;1H日"),
            (empty.clone(), line("★ b", Style::new()), "\x1b[1;1H★\x1b[1;3Hb"),
        ];
        for (before, after, expected) in table {
            let bytes = String::from_utf8(bytes(&before, &after)).unwrap();
            assert_eq!(bytes, expected, "{after:?}");
        }
    }

    #[test]
    fn the_cursor_is_told_once() {
        let wire = Wire::default();
        let mut paint = Paint::new(wire.clone());
        let said = |paint: &mut Paint<Wire>, act: fn(&mut Paint<Wire>)| {
            wire.0.borrow_mut().clear();
            act(paint);
            !wire.0.borrow().is_empty()
        };
        let hide = |paint: &mut Paint<Wire>| paint.hide_cursor().unwrap();
        let show = |paint: &mut Paint<Wire>| {
            paint.show_cursor().unwrap();
            paint.set_cursor_position((3, 1)).unwrap();
        };
        assert!(said(&mut paint, hide));
        assert!(!said(&mut paint, hide));
        assert!(said(&mut paint, show));
        assert!(!said(&mut paint, show));
        let mut drawn = Buffer::empty(AREA);
        drawn.set_string(0, 0, "x", Style::new());
        paint.draw(Buffer::empty(AREA).diff(&drawn).into_iter()).unwrap();
        assert!(said(&mut paint, show), "what was drawn has moved it");
    }

    fn cells() -> impl Strategy<Value = Vec<(u16, u16, String, Style)>> {
        let text =
            prop_oneof![Just(" ".to_owned()), " {1,30}", "[a-c ]{1,20}", Just("é".to_owned()), Just("★".to_owned())];
        let color = prop_oneof![
            Just(Color::Reset),
            Just(Color::Cyan),
            Just(Color::LightRed),
            Just(Color::Indexed(200)),
            Just(Color::Rgb(1, 2, 3))
        ];
        let modifier = prop_oneof![
            Just(Modifier::empty()),
            Just(Modifier::BOLD),
            Just(Modifier::DIM),
            Just(Modifier::REVERSED),
            Just(Modifier::UNDERLINED | Modifier::ITALIC)
        ];
        let style = (color.clone(), color, modifier)
            .prop_map(|(fg, bg, modifier)| Style::reset().fg(fg).bg(bg).add_modifier(modifier));
        proptest::collection::vec((0..AREA.width, 0..AREA.height, text, style), 0..12)
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn a_terminal_shows_the_buffer(frames in proptest::collection::vec(cells(), 1..5)) {
            let side = |cells: u16| std::num::NonZeroU16::new(cells).unwrap();
            let mut screen = vt100::Parser::new(side(AREA.height), side(AREA.width), 0);
            let mut before = Buffer::empty(AREA);
            for frame in frames {
                let mut after = Buffer::empty(AREA);
                for (x, y, text, style) in frame {
                    after.set_string(x, y, text, style);
                }
                screen.process(&bytes(&before, &after));
                for y in 0..AREA.height {
                    for x in 0..AREA.width {
                        let (meant, shown) = (&after[(x, y)], screen.screen().cell(y, x).unwrap());
                        let text = if shown.contents().is_empty() { " " } else { shown.contents() };
                        prop_assert_eq!(meant.symbol(), text, "{},{}", x, y);
                        prop_assert_eq!(shade(meant.bg), shown.bgcolor(), "{},{}", x, y);
                        prop_assert_eq!(meant.modifier.contains(Modifier::REVERSED), shown.inverse());
                        prop_assert_eq!(meant.modifier.contains(Modifier::UNDERLINED), shown.underline());
                        if text != " " {
                            prop_assert_eq!(shade(meant.fg), shown.fgcolor());
                            prop_assert_eq!(meant.modifier.contains(Modifier::BOLD), shown.bold());
                            prop_assert_eq!(meant.modifier.contains(Modifier::DIM), shown.dim());
                        }
                    }
                }
                before = after;
            }
        }
    }

    fn shade(color: Color) -> vt100::Color {
        match color {
            Color::Cyan => vt100::Color::Idx(6),
            Color::LightRed => vt100::Color::Idx(9),
            Color::Indexed(index) => vt100::Color::Idx(index),
            Color::Rgb(red, green, blue) => vt100::Color::Rgb(red, green, blue),
            _ => vt100::Color::Default,
        }
    }
}
