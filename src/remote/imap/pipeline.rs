//! Commands on their way together (RFC 9051 §5.5): many questions in one write, their answers told apart
//! by tag. So few bytes are under way at a time that a write never waits for a server which itself waits
//! to be read. It never decides what an answer means.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::fault::{Doing, Fault};

use super::limits::{Limits, Trouble};
use super::replies::{self, Answer, Kind, Status};
use super::session::{Session, bad};
use super::snapshot::{LISTED, MOST_MESSAGES};
use super::tokens::Response;
use super::wire::{Mode, status_of};

/// How many commands are on their way at a time.
const COMMANDS: usize = 20;
/// How many bytes of commands are on their way at a time: any socket's buffers hold as much.
const BYTES: usize = 8 * 1024;

/// A command that is not answered yet.
struct Awaited {
    place: usize,
    tag: String,
    length: usize,
}

/// How a server answered a row of commands.
pub(super) struct Conversation {
    /// The answer to each command, OK, NO or BAD, in the order of the commands.
    pub(super) statuses: Vec<Status>,
    /// The first command that was not answered in its turn: what was said untagged from there on belongs
    /// to nobody knows which.
    pub(super) disorder: Option<usize>,
}

impl Session {
    /// Sends commands, as many at a time as is safe, and shows `visit` each untagged response together
    /// with the place of the first command that is not answered yet.
    pub(super) fn converse(
        &mut self,
        doing: Doing,
        commands: &[String],
        limits: Limits,
        mut visit: impl FnMut(usize, &Kind, &Response),
    ) -> Result<Conversation, Fault> {
        self.usable(doing)?;
        let opening = self.resync_command();
        let ahead = usize::from(opening.is_some());
        let mut waiting: VecDeque<(usize, &str)> =
            opening.iter().chain(commands).map(String::as_str).enumerate().collect();
        let mut statuses: Vec<Option<Status>> = vec![None; waiting.len()];
        let mut flight = VecDeque::new();
        let mut disorder = None;
        let mut resync = false;
        let mut most = 0;
        let mut response = Response::default();
        self.wire.lock().begin(limits, Mode::Command);
        loop {
            self.launch(doing, &mut waiting, &mut flight)?;
            let Some(front) = flight.front().map(|awaited: &Awaited| awaited.place) else { break };
            response.clear();
            let read = self.wire.lock().read_into(&mut response);
            if let Err(trouble) = read {
                return Err(self.give_up(doing, trouble));
            }
            if response.text.starts_with(b"*") {
                let kind = replies::kind(&response);
                self.heed(&kind);
                resync |= kind == Kind::Enabled(true);
                if let Kind::Exists(count) = kind {
                    most = most.max(usize::try_from(count).unwrap_or(usize::MAX).min(MOST_MESSAGES));
                }
                if let Some(place) = front.checked_sub(ahead) {
                    visit(place, &kind, &response);
                }
                continue;
            }
            let (place, status) = self.landed(doing, &response, &mut flight)?;
            if place != front {
                disorder.get_or_insert(front.saturating_sub(ahead));
            }
            if let Some(slot) = statuses.get_mut(place) {
                *slot = Some(status);
            }
            // What comes next may list the mailbox that was opened before.
            let mut wire = self.wire.lock();
            wire.begin(limits, Mode::Command);
            wire.allow_for(most, LISTED);
        }
        let mut statuses: Vec<Status> = statuses.into_iter().flatten().collect();
        if opening.is_some() {
            let enabled = statuses.remove(0);
            self.resync_answered(resync && enabled.answer == Answer::Ok);
        }
        Ok(Conversation { statuses, disorder })
    }

    /// Sends what there is room for, in one write.
    fn launch(
        &mut self,
        doing: Doing,
        waiting: &mut VecDeque<(usize, &str)>,
        flight: &mut VecDeque<Awaited>,
    ) -> Result<(), Fault> {
        let begun = flight.len();
        let mut bytes: usize = flight.iter().map(|awaited| awaited.length).sum();
        while let Some((place, command)) = waiting.front().copied() {
            let full = flight.len() >= COMMANDS || bytes.saturating_add(command.len()) > BYTES;
            if full && !flight.is_empty() {
                break;
            }
            if flight.len() == begun {
                self.wire.lock().cork();
            }
            waiting.pop_front();
            let imap = &mut self.imap;
            match catch_unwind(AssertUnwindSafe(|| imap.run_command(command))) {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Err(self.fallen(doing)),
                Err(_) => return Err(self.panicked(doing)),
            }
            let tag = self.wire.lock().tag().to_owned();
            bytes = bytes.saturating_add(command.len());
            flight.push_back(Awaited { place, tag, length: command.len() });
        }
        if flight.len() == begun {
            return Ok(());
        }
        let sent = self.wire.lock().uncork();
        sent.map_err(|trouble| self.give_up(doing, trouble))
    }

    /// Takes note of an untagged response.
    pub(super) fn heed(&mut self, kind: &Kind) {
        {
            let mut wire = self.wire.lock();
            wire.note(kind);
            if let Kind::Exists(count) = kind {
                let count = usize::try_from(*count).unwrap_or(usize::MAX);
                wire.allow_for(count.min(MOST_MESSAGES), LISTED);
            }
        }
        self.notice_kind(kind);
    }

    /// Which command this tagged line answers, and how.
    fn landed(
        &mut self,
        doing: Doing,
        response: &Response,
        flight: &mut VecDeque<Awaited>,
    ) -> Result<(usize, Status), Fault> {
        let found = flight
            .iter()
            .enumerate()
            .find_map(|(at, awaited)| Some((at, awaited.place, status_of(response, &awaited.tag).ok()?)));
        let Some((at, place, status)) = found else {
            return Err(self.give_up(doing, Trouble::protocol("the server answers what was not asked")));
        };
        flight.remove(at);
        self.alert(&status);
        match status.answer {
            Answer::Ok | Answer::No | Answer::Bad => Ok((place, status)),
            Answer::Bye | Answer::PreAuth => Err(self.give_up(doing, Trouble::Protocol(bad(&status)))),
        }
    }
}
