//! The keyboard: a thread of its own that waits for terminal events and passes them to the loop. It
//! can be made to let go of the terminal while another program has it, and it notices when the
//! terminal is gone, which crossterm itself does not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossterm::event::{self, KeyCode, KeyEventKind, KeyModifiers, MouseButton, MouseEventKind};
use rustix::event::{PollFd, PollFlags};

use crate::keys::{Code, Key};
use crate::state::MouseAct;

/// What a person does at the terminal.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Input {
    /// A key.
    Key(Key),
    /// Text was pasted.
    Paste(String),
    /// The mouse did something there: column and row from 0.
    Mouse(MouseAct, u16, u16),
    /// The terminal has another size.
    Resize,
    /// The terminal is gone.
    Gone,
}

/// How long one look at the terminal lasts: as long as an editor may have to wait for it.
const LOOK: Duration = Duration::from_millis(100);

/// Reads until the terminal is gone or nobody listens. While `paused` is set it does not touch the
/// terminal, and says so in `idle`.
pub(super) fn read(paused: &AtomicBool, idle: &AtomicBool, send: impl Fn(Input) -> bool) {
    loop {
        if paused.load(Ordering::SeqCst) {
            idle.store(true, Ordering::SeqCst);
            std::thread::park_timeout(LOOK);
            continue;
        }
        idle.store(false, Ordering::SeqCst);
        if terminal_is_gone() {
            send(Input::Gone);
            return;
        }
        let input = match event::poll(LOOK) {
            Ok(false) => continue,
            Ok(true) => event::read().ok().and_then(|event| translate(&event)),
            Err(_) => Some(Input::Gone),
        };
        let Some(input) = input else { continue };
        let last = input == Input::Gone;
        if !send(input) || last {
            return;
        }
    }
}

/// Has the other side of the terminal hung up? crossterm's reader would spin on it for ever.
fn terminal_is_gone() -> bool {
    let stdin = std::io::stdin();
    let mut fds = [PollFd::new(&stdin, PollFlags::IN)];
    let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
    match rustix::event::poll(&mut fds, Some(&now)) {
        Ok(_) => fds.iter().any(|fd| fd.revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL)),
        Err(_) => false,
    }
}

/// The two flags that the loop and the thread share.
#[derive(Debug, Clone, Default)]
pub(super) struct Pause {
    pub(super) wanted: Arc<AtomicBool>,
    pub(super) idle: Arc<AtomicBool>,
}

impl Pause {
    /// Makes the thread let go of the terminal and waits until it has, at most half a second.
    pub(super) fn hold(&self) {
        self.wanted.store(true, Ordering::SeqCst);
        for _ in 0..50 {
            if self.idle.load(Ordering::SeqCst) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Lets the thread read again.
    pub(super) fn release(&self) {
        self.idle.store(false, Ordering::SeqCst);
        self.wanted.store(false, Ordering::SeqCst);
    }
}

fn translate(event: &event::Event) -> Option<Input> {
    match event {
        event::Event::Key(key) if key.kind != KeyEventKind::Release => translate_key(key).map(Input::Key),
        event::Event::Paste(text) => Some(Input::Paste(text.clone())),
        event::Event::Resize(..) => Some(Input::Resize),
        event::Event::Mouse(mouse) => {
            let act = match mouse.kind {
                MouseEventKind::Down(MouseButton::Left) => MouseAct::Press,
                MouseEventKind::ScrollUp => MouseAct::ScrollUp,
                MouseEventKind::ScrollDown => MouseAct::ScrollDown,
                _ => return None,
            };
            Some(Input::Mouse(act, mouse.column, mouse.row))
        }
        event::Event::Key(_) | event::Event::FocusGained | event::Event::FocusLost => None,
    }
}

fn translate_key(event: &event::KeyEvent) -> Option<Key> {
    let code = match event.code {
        KeyCode::Char(c) => Code::Char(c),
        KeyCode::Enter => Code::Enter,
        KeyCode::Esc => Code::Esc,
        KeyCode::Tab | KeyCode::BackTab => Code::Tab,
        KeyCode::Backspace => Code::Backspace,
        KeyCode::Delete => Code::Delete,
        KeyCode::Insert => Code::Insert,
        KeyCode::Up => Code::Up,
        KeyCode::Down => Code::Down,
        KeyCode::Left => Code::Left,
        KeyCode::Right => Code::Right,
        KeyCode::Home => Code::Home,
        KeyCode::End => Code::End,
        KeyCode::PageUp => Code::PageUp,
        KeyCode::PageDown => Code::PageDown,
        KeyCode::F(number) => Code::F(number),
        _ => return None,
    };
    let shift = event.modifiers.contains(KeyModifiers::SHIFT) && !matches!(code, Code::Char(_))
        || event.code == KeyCode::BackTab;
    Some(Key {
        code,
        ctrl: event.modifiers.contains(KeyModifiers::CONTROL),
        alt: event.modifiers.contains(KeyModifiers::ALT),
        shift,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(code: KeyCode, modifiers: KeyModifiers) -> Option<Input> {
        translate(&event::Event::Key(event::KeyEvent::new(code, modifiers)))
    }

    #[test]
    fn terminal_keys_become_ours() {
        let plain = |code| Key { code, ctrl: false, alt: false, shift: false };
        assert_eq!(key(KeyCode::Char('G'), KeyModifiers::SHIFT), Some(Input::Key(plain(Code::Char('G')))));
        assert_eq!(
            key(KeyCode::BackTab, KeyModifiers::SHIFT),
            Some(Input::Key(Key { shift: true, ..plain(Code::Tab) }))
        );
        assert_eq!(
            key(KeyCode::Char('d'), KeyModifiers::CONTROL),
            Some(Input::Key(Key { ctrl: true, ..plain(Code::Char('d')) }))
        );
        assert_eq!(key(KeyCode::CapsLock, KeyModifiers::NONE), None);
    }
}
