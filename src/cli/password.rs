//! Asks for passwords on the terminal, without showing what is typed. Where nobody can be asked,
//! nothing is asked, and signing in fails with the reason.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _, stderr, stdin};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use crate::config::{Account, SecretSource};
use crate::mail::clean::Clean;
use crate::mail::ids::AccountId;

/// The longest password that is read, in bytes.
const LONGEST: usize = 4096;

/// Passwords that the user typed.
pub(super) type Typed = BTreeMap<AccountId, Zeroizing<String>>;

/// Asks for the password of each of these accounts whose config says `prompt`.
pub(super) fn ask<'a>(accounts: impl IntoIterator<Item = &'a Account>, stop: &dyn Fn() -> bool) -> Typed {
    let mut typed = Typed::new();
    if !stdin().is_terminal() || !stderr().is_terminal() {
        return typed;
    }
    for account in accounts.into_iter().filter(|account| account.secret == SecretSource::Prompt) {
        if let Some(secret) = ask_one(account, stop) {
            typed.insert(account.id.clone(), secret);
        }
    }
    typed
}

/// The terminal without echo, until dropped.
struct Silent(Termios);

impl Silent {
    fn begin() -> rustix::io::Result<Self> {
        let before = tcgetattr(stdin())?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        silent.local_modes.insert(LocalModes::ECHONL);
        tcsetattr(stdin(), OptionalActions::Flush, &silent)?;
        Ok(Self(before))
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        // The terminal itself failed then: nobody is left to tell.
        let _ = tcsetattr(stdin(), OptionalActions::Now, &self.0);
    }
}

fn ask_one(account: &Account, stop: &dyn Fn() -> bool) -> Option<Zeroizing<String>> {
    let _silent = Silent::begin().ok()?;
    let _ = write!(stderr().lock(), "Password of {}: ", Clean::line(account.id.as_str()));
    read_line(stop)
}

/// Reads a line; between two looks at the wish to stop it waits a moment.
fn read_line(stop: &dyn Fn() -> bool) -> Option<Zeroizing<String>> {
    const MOMENT: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };
    let mut line = Zeroizing::new(Vec::with_capacity(LONGEST));
    while !stop() {
        let keyboard = stdin();
        let mut fds = [PollFd::new(&keyboard, PollFlags::IN)];
        match poll(&mut fds, Some(&MOMENT)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => continue,
            Ok(_) => {}
            Err(_) => return None,
        }
        let mut chunk = Zeroizing::new([0u8; 512]);
        let count = rustix::io::read(stdin(), &mut *chunk).ok()?;
        line.extend_from_slice(chunk.get(..count)?);
        if count == 0 || line.ends_with(b"\n") || line.len() > LONGEST - 512 {
            let text = std::str::from_utf8(&line).ok()?.trim_end_matches(['\r', '\n']);
            return (!text.is_empty()).then(|| Zeroizing::new(text.to_owned()));
        }
    }
    None
}
