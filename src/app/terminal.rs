//! The terminal: entered, left, lent to other programs, and given back whatever happens. A frame
//! is one `write()` between the marks of synchronised output, and a frame in which nothing changed
//! sends nothing at all, which is what makes a slow line feel quick.

use std::cell::RefCell;
use std::io::{self, Stdout, Write};
use std::rc::Rc;

use crossterm::event::{DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture};
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use crossterm::{cursor, execute, queue};
use ratatui::Terminal;
use ratatui::backend::{Backend as _, ClearType};

use super::frame::FrameWriter;
use super::paint::Paint;

/// The end of a [`FrameWriter`] that the backend holds.
struct FrameEnd(Rc<RefCell<FrameWriter<Stdout>>>);

impl Write for FrameEnd {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().push(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        // Only `commit` writes: ratatui flushes in the middle of a frame.
        Ok(())
    }
}

/// The terminal while the program draws on it. Dropping it gives the terminal back.
pub(super) struct Screen {
    terminal: Terminal<Paint<FrameEnd>>,
    writer: Rc<RefCell<FrameWriter<Stdout>>>,
    mouse: bool,
}

impl Screen {
    /// Takes the terminal: raw mode, alternate screen, bracketed paste. From now on a panic of this
    /// thread gives it back before it says anything.
    pub(super) fn enter(mouse: bool) -> io::Result<Self> {
        give_back_on_panic(mouse);
        take(mouse)?;
        let writer = Rc::new(RefCell::new(FrameWriter::new(io::stdout())));
        Ok(Self { terminal: blank(&writer)?, writer, mouse })
    }

    /// Draws one frame.
    pub(super) fn draw(&mut self, draw: impl FnOnce(&mut ratatui::Frame<'_>)) -> io::Result<()> {
        self.terminal.draw(draw)?;
        self.writer.borrow_mut().commit()
    }

    /// Forgets what is on the screen, so that the next frame draws everything.
    pub(super) fn redraw(&mut self) -> io::Result<()> {
        self.terminal = blank(&self.writer)?;
        Ok(())
    }

    /// Sends something that is no part of a frame: a title, the clipboard. The text has passed the
    /// sanitiser.
    pub(super) fn send(&mut self, command: impl crossterm::Command) -> io::Result<()> {
        queue!(self.terminal.backend_mut(), command)?;
        self.writer.borrow_mut().commit()
    }

    /// Gives the terminal to another program, until [`Screen::take_back`].
    pub(super) fn give_back(&mut self) -> io::Result<()> {
        give_back(self.mouse)
    }

    /// Takes the terminal back.
    pub(super) fn take_back(&mut self) -> io::Result<()> {
        take(self.mouse)?;
        self.redraw()
    }

    /// Lends the terminal to `work` (a stop by Ctrl-z) and takes it back.
    pub(super) fn lend<T>(&mut self, work: impl FnOnce() -> T) -> io::Result<T> {
        self.give_back()?;
        let result = work();
        self.take_back()?;
        Ok(result)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // Nobody is left to tell of a failure: the terminal itself is what failed.
        let _ = give_back(self.mouse);
    }
}

/// An empty screen. `Terminal::clear` would ask the terminal where the cursor is, and wait two seconds
/// for one that does not say.
fn blank(writer: &Rc<RefCell<FrameWriter<Stdout>>>) -> io::Result<Terminal<Paint<FrameEnd>>> {
    let mut backend = Paint::new(FrameEnd(Rc::clone(writer)));
    backend.clear_region(ClearType::All)?;
    Terminal::new(backend)
}

fn take(mouse: bool) -> io::Result<()> {
    enable_raw_mode()?;
    let mut out = io::stdout();
    execute!(out, EnterAlternateScreen, EnableBracketedPaste, cursor::Hide)?;
    if mouse {
        execute!(out, EnableMouseCapture)?;
    }
    Ok(())
}

fn give_back(mouse: bool) -> io::Result<()> {
    let mut out = io::stdout();
    if mouse {
        execute!(out, DisableMouseCapture)?;
    }
    execute!(out, DisableBracketedPaste, LeaveAlternateScreen, cursor::Show)?;
    disable_raw_mode()
}

/// A panic of the thread that draws gives the terminal back first; one of a worker is caught and
/// reported by `workers`, and must not touch the screen.
fn give_back_on_panic(mouse: bool) {
    let before = std::panic::take_hook();
    let drawing = std::thread::current().id();
    std::panic::set_hook(Box::new(move |info| {
        if std::thread::current().id() == drawing {
            let _ = give_back(mouse);
            before(info);
        } else {
            let thread = std::thread::current().name().unwrap_or("?").to_owned();
            tracing::error!(thread, "panic: {}", crate::mail::clean::Clean::line(&info.to_string()));
        }
    }));
}
