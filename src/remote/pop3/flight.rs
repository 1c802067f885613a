//! Commands in flight (PIPELINING, RFC 2449 §6.6): enough of them that the server never waits for us, and few
//! enough that what they bring is bounded. Where the server does not offer it, one at a time.

use super::wire::Wire;
use crate::remote::limits::Trouble;

/// How many commands may be in flight.
const COMMANDS: usize = 256;
/// How many bytes their answers may have together, as the server tells their sizes.
const BYTES: u64 = 8 << 20;

/// What is wrong with a server that answers too much.
pub(super) const UNASKED: &str = "its answers do not fit what it is asked";

/// A command, and how many bytes its answer will have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Command {
    pub(super) text: String,
    pub(super) size: u64,
}

/// Commands on their way.
#[derive(Debug)]
pub(super) struct Flight<'a> {
    commands: &'a [Command],
    sent: usize,
    answered: usize,
    bytes: u64,
    /// May more than one be on its way?
    pipelining: bool,
}

impl<'a> Flight<'a> {
    /// Prepares these; nothing is sent yet.
    pub(super) fn new(commands: &'a [Command], pipelining: bool) -> Self {
        Self { commands, sent: 0, answered: 0, bytes: 0, pipelining }
    }

    /// What is to be sent before the next answer is read.
    fn due(&mut self) -> String {
        let flying = self.sent - self.answered;
        // Many commands at once take one packet.
        let many = if self.pipelining { COMMANDS } else { 1 };
        let mut out = String::new();
        if flying > 0 && (flying > many / 2 || self.bytes > BYTES / 2) {
            return out;
        }
        while let Some(command) = self.commands.get(self.sent) {
            let flying = self.sent - self.answered;
            if flying >= many || (flying > 0 && self.bytes.saturating_add(command.size) > BYTES) {
                break;
            }
            self.bytes = self.bytes.saturating_add(command.size);
            self.sent += 1;
            out.push_str(&command.text);
            out.push_str("\r\n");
        }
        out
    }

    /// Sends nothing more; the answers to what is on its way still come.
    pub(super) fn stop(&mut self) {
        self.commands = self.commands.get(..self.sent).unwrap_or_default();
    }

    /// Sends what is due; then the answer to the next command can be read. `None`: all are answered.
    /// Where more has come than was asked for, nobody knows which answer belonged to which command.
    pub(super) fn next(&mut self, wire: &mut Wire) -> Result<Option<usize>, Trouble> {
        let due = self.due();
        if !due.is_empty() {
            wire.send(due.as_bytes())?;
        }
        let at = self.answered;
        let Some(command) = self.commands.get(at) else {
            return if wire.is_quiet() { Ok(None) } else { Err(Trouble::protocol(UNASKED)) };
        };
        self.answered += 1;
        self.bytes = self.bytes.saturating_sub(command.size);
        Ok(Some(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commands(sizes: &[u64]) -> Vec<Command> {
        sizes.iter().enumerate().map(|(n, size)| Command { text: format!("RETR {n}"), size: *size }).collect()
    }

    /// How many are in flight before each answer.
    fn course(sizes: &[u64], pipelining: bool) -> Vec<usize> {
        let commands = commands(sizes);
        let mut flight = Flight::new(&commands, pipelining);
        let mut course = Vec::new();
        while flight.answered < commands.len() {
            flight.due();
            course.push(flight.sent - flight.answered);
            flight.bytes -= commands[flight.answered].size;
            flight.answered += 1;
        }
        course
    }

    #[test]
    fn what_is_on_its_way_is_all_once_it_is_stopped() {
        let commands = commands(&[1; 1000]);
        let mut flight = Flight::new(&commands, true);
        flight.due();
        flight.stop();
        assert_eq!((flight.commands.len(), flight.due()), (COMMANDS, String::new()));
    }

    #[test]
    fn without_pipelining_one_at_a_time() {
        assert_eq!(course(&[1, 2, 3, u64::MAX], false), [1, 1, 1, 1]);
    }

    #[test]
    fn in_flight_is_never_nothing_and_never_too_much() {
        let small = course(&[1000; 1000], true);
        assert!(small[..850].iter().all(|flying| (COMMANDS / 2..=COMMANDS).contains(flying)), "{small:?}");
        assert_eq!(course(&[BYTES / 2, BYTES / 2, BYTES / 2, 1, 1], true), [2, 2, 3, 2, 1]);
        assert_eq!(course(&[BYTES * 4, 1, BYTES * 4], true), [1, 1, 1], "one that is too big for all flies alone");
    }
}
