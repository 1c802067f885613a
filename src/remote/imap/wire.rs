//! The transport under the session layer, and its guard. It cuts what comes into lines and
//! literals, keeps the limits, gives untagged data to our own tokenizer, and shows the `imap` crate
//! only lines made here: tagged answers without the server's words, challenges, and a nudge when an
//! idle mailbox changed. So no byte of a server ever meets a parser that could fall over it.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use crate::mail::clean::Clean;

use super::extensions::compress::Deflated;
use super::extensions::notify::{self, News};
use super::introduction::{self, Introduction};
use super::limits::{LITERAL, Limits, Pace, Progress, Trouble};
use super::link::{Bell, Link, Wake};
use super::replies::{self, Answer, Code, Kind, Status};
use super::tokens::{Held, Response, number};

mod port;

pub(super) use port::{Port, Shared};

/// How much is read at once.
const BUFFER: usize = 256 * 1024;
/// How long a farewell may take.
const FAREWELL: Duration = Duration::from_secs(2);
/// How many alerts are kept for the user.
const ALERTS: usize = 16;

/// What the crate is doing on the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// A command; nothing may be asked back.
    Command,
    /// Signing in: challenges go to the crate, and the log shows nothing of ours.
    SigningIn,
    /// IDLE was sent, or is about to be; `+` is awaited.
    IdleWanted(Instant),
    /// Idle, at the latest until then.
    Idle(Instant),
    /// DONE was sent.
    IdleEnding,
}

/// The connection.
#[expect(clippy::struct_excessive_bools, reason = "each was met or not, whatever the others are")]
pub(super) struct Wire {
    link: Link,
    /// What compresses, where that was agreed on.
    deflated: Option<Box<Deflated>>,
    timeout: Duration,
    progress: Progress,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    limits: Limits,
    spent: usize,
    counted: usize,
    mode: Mode,
    /// Lines made for the crate.
    prepared: VecDeque<u8>,
    /// What the crate has written and not flushed.
    outgoing: Vec<u8>,
    /// Commands that wait for others, so that all go in one write.
    corked: Option<Vec<u8>>,
    /// The tag of the command that was sent last.
    tag: String,
    /// Untagged responses to the running command.
    held: Vec<Response>,
    answer: Option<Status>,
    trouble: Option<Trouble>,
    woken: bool,
    /// Is the bell left to the wait that is being prepared?
    unhurried: bool,
    news: bool,
    overflowed: bool,
    alerts: Vec<Clean>,
    /// ID, on its way or answered.
    pub(super) introduction: Introduction,
    goodbye: Option<Clean>,
}

impl Wire {
    /// Takes a link; `timeout` is the longest silence.
    pub(super) fn new(link: Link, timeout: Duration) -> Self {
        Self {
            link,
            deflated: None,
            timeout,
            progress: Progress::new(timeout),
            buffer: vec![0; BUFFER],
            start: 0,
            end: 0,
            limits: Limits::USUAL,
            spent: 0,
            counted: 0,
            mode: Mode::Command,
            prepared: VecDeque::new(),
            outgoing: Vec::new(),
            corked: None,
            tag: String::new(),
            held: Vec::new(),
            answer: None,
            trouble: None,
            woken: false,
            unhurried: false,
            news: false,
            overflowed: false,
            alerts: Vec::new(),
            introduction: Introduction::default(),
            goodbye: None,
        }
    }

    /// What ends a wait from another thread.
    pub(super) fn bell(&self) -> Bell {
        self.link.bell()
    }

    /// What it stands on.
    pub(super) fn link(&self) -> &Link {
        &self.link
    }

    /// Shortens the longest silence, for a farewell that nobody wants to wait for.
    pub(super) fn hurry(&mut self) {
        self.timeout = self.timeout.min(FAREWELL);
    }

    /// Gives the link back; `None` if bytes have come that nobody read.
    pub(super) fn into_link(self) -> Option<Link> {
        (self.start == self.end).then_some(self.link)
    }

    /// Prepares for a new command and its answer.
    pub(super) fn begin(&mut self, limits: Limits, mode: Mode) {
        self.limits = limits;
        self.progress.begin();
        self.spent = 0;
        self.counted = 0;
        self.mode = mode;
        self.held.clear();
        self.answer = None;
        self.woken = false;
    }

    /// The answer that is being read is about so many messages: it may be longer than thought.
    pub(super) fn allow_for(&mut self, messages: usize, bytes_each: usize) {
        let more = Limits::for_messages(messages, bytes_each);
        self.limits.total = self.limits.total.max(more.total);
        self.limits.count = self.limits.count.max(more.count);
    }

    /// Holds back what is written from here on.
    pub(super) fn cork(&mut self) {
        self.corked = Some(Vec::new());
    }

    /// Sends in one write what was held back.
    pub(super) fn uncork(&mut self) -> Result<(), Trouble> {
        let bytes = self.corked.take().unwrap_or_default();
        self.send(&bytes)
    }

    /// Takes the untagged responses to the last command.
    pub(super) fn take_held(&mut self) -> Vec<Response> {
        std::mem::take(&mut self.held)
    }

    /// Takes the tagged answer to the last command.
    pub(super) fn take_answer(&mut self) -> Option<Status> {
        self.answer.take()
    }

    /// Takes why the connection broke.
    pub(super) fn take_trouble(&mut self) -> Option<Trouble> {
        self.trouble.take()
    }

    /// Takes whether a mailbox that was idle has changed.
    pub(super) fn take_news(&mut self) -> bool {
        std::mem::take(&mut self.news)
    }

    /// Takes whether the server has ceased to tell of all mailboxes.
    pub(super) fn take_overflow(&mut self) -> bool {
        std::mem::take(&mut self.overflowed)
    }

    /// Leaves the bell to the idle wait that is being prepared, or takes it back for all commands.
    pub(super) fn leave_bell_to_wait(&mut self, leave: bool) {
        self.unhurried = leave;
    }

    /// Was the last idle wait ended by the bell?
    pub(super) fn was_woken(&self) -> bool {
        self.woken
    }

    /// Takes what the user should read.
    pub(super) fn take_alerts(&mut self) -> Vec<Clean> {
        std::mem::take(&mut self.alerts)
    }

    /// The words of the server's BYE, where it said one.
    pub(super) fn goodbye(&self) -> Option<&Clean> {
        self.goodbye.as_ref()
    }

    /// The tag of the command that was sent last.
    pub(super) fn tag(&self) -> &str {
        &self.tag
    }

    /// Sends bytes as they are.
    pub(super) fn send(&mut self, bytes: &[u8]) -> Result<(), Trouble> {
        match &mut self.deflated {
            Some(deflated) if !bytes.is_empty() => {
                let packed = deflated.pack(bytes)?;
                Ok(self.link.write_all(&packed, self.timeout)?)
            }
            _ => Ok(self.link.write_all(bytes, self.timeout)?),
        }
    }

    /// From here on both sides compress. What came behind the agreement is compressed already.
    pub(super) fn deflate(&mut self) {
        let unread = self.buffer.get(self.start..self.end).unwrap_or_default();
        self.deflated = Some(Box::new(Deflated::new(unread)));
        self.start = self.end;
    }

    /// Introduces this program. The answer comes before that of the next command, and is passed over.
    pub(super) fn introduce(&mut self) -> Result<(), Trouble> {
        log(">", introduction::ID.as_bytes());
        self.introduction.sent();
        self.send(format!("{} {}\r\n", introduction::TAG, introduction::ID).as_bytes())
    }

    /// Runs a command by hand, before there is a session. Gives the untagged responses and the answer.
    pub(super) fn exchange(&mut self, tag: &str, command: &str) -> Result<(Vec<Response>, Status), Trouble> {
        self.begin(Limits::USUAL, Mode::Command);
        log(">", command.as_bytes());
        self.send(format!("{tag} {command}\r\n").as_bytes())?;
        let mut untagged = Vec::new();
        loop {
            let response = self.response()?;
            if response.text.starts_with(b"*") {
                self.note(&replies::kind(&response));
                untagged.push(response);
                continue;
            }
            return Ok((untagged, status_of(&response, tag)?));
        }
    }

    /// Reads a response with all its literals in memory.
    pub(super) fn response(&mut self) -> Result<Response, Trouble> {
        let mut response = Response::default();
        self.read_into(&mut response)?;
        Ok(response)
    }

    /// Reads a response, or the rest of one, with all its literals in memory.
    pub(super) fn read_into(&mut self, response: &mut Response) -> Result<(), Trouble> {
        while let Some(length) = self.segment(response)? {
            self.keep(length, response)?;
        }
        Ok(())
    }

    /// Reads text up to the end of a line and adds it to `into`. Gives the length of the literal
    /// that is announced there; it must be read next, by [`Wire::keep`] or [`Wire::stream`].
    pub(super) fn segment(&mut self, into: &mut Response) -> Result<Option<u64>, Trouble> {
        let begun = into.text.len();
        loop {
            let literal = self.cut(into)?;
            if begun > 0 || literal.is_some() || !self.introduction.is_answered_by(into) {
                return Ok(literal);
            }
            into.clear();
        }
    }

    fn cut(&mut self, into: &mut Response) -> Result<Option<u64>, Trouble> {
        let begun = into.text.len();
        if begun == 0 {
            self.counted = self.counted.saturating_add(1);
            if self.counted > self.limits.count {
                return Err(Trouble::protocol("the server sends too many responses"));
            }
        }
        let deadline = self.deadline();
        loop {
            let unread = self.buffer.get(self.start..self.end).unwrap_or_default();
            let line_end = unread.iter().position(|byte| *byte == b'\n');
            let length = line_end.unwrap_or(unread.len());
            if (into.text.len() - begun).saturating_add(length) > self.limits.line {
                return Err(Trouble::protocol("the server sends a line that is too long"));
            }
            match line_end {
                Some(length) => {
                    into.text.extend_from_slice(unread.get(..length).unwrap_or_default());
                    self.start += length + 1;
                    break;
                }
                // The rest of the line may not find room; only lines above the usual limit are split.
                None if unread.len() > BUFFER / 2 => {
                    into.text.extend_from_slice(unread);
                    self.start = self.end;
                }
                None => {}
            }
            self.fill(deadline)?;
        }
        while into.text.len() > begun && into.text.last() == Some(&b'\r') {
            into.text.pop();
        }
        self.spend(into.text.len() - begun)?;
        log("<", into.text.get(begun..).unwrap_or_default());
        let literal = announced(into, begun);
        if literal.is_some() {
            into.literal(Held::Bytes(Vec::new()));
        }
        Ok(literal)
    }

    /// Reads a literal into memory.
    pub(super) fn keep(&mut self, length: u64, into: &mut Response) -> Result<(), Trouble> {
        if length > LITERAL {
            return Err(Trouble::protocol("the server sends a literal that is too long"));
        }
        let mut bytes = Vec::new();
        self.stream(length, &mut bytes)?;
        self.spend(bytes.len())?;
        into.settle(Held::Bytes(bytes));
        Ok(())
    }

    /// Hands the bytes of a literal to `sink` as they come.
    pub(super) fn stream(&mut self, length: u64, sink: &mut dyn Write) -> Result<(), Trouble> {
        let mut left = length;
        let mut pace = Pace::new(Instant::now(), self.timeout);
        while left > 0 {
            if self.start == self.end {
                let deadline = self.deadline();
                self.fill(deadline)?;
                pace.took(self.end - self.start, Instant::now())?;
            }
            let unread = self.buffer.get(self.start..self.end).unwrap_or_default();
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(unread.len());
            sink.write_all(unread.get(..most).unwrap_or_default()).map_err(Trouble::Sink)?;
            self.start += most;
            left -= most as u64;
        }
        Ok(())
    }

    /// Waits for `+`, keeping untagged responses back. Gives the answer if one came instead.
    pub(super) fn await_continuation(&mut self) -> Result<Option<Status>, Trouble> {
        loop {
            let response = self.response()?;
            match response.text.first() {
                Some(b'+') => return Ok(None),
                Some(b'*') => self.hold(response),
                _ => return status_of(&response, &self.tag).map(Some),
            }
        }
    }

    /// Waits for the tagged answer to the last command, keeping untagged responses back.
    pub(super) fn await_answer(&mut self) -> Result<Status, Trouble> {
        self.await_continuation()?.ok_or_else(|| Trouble::protocol("the server asks for more when there is none"))
    }

    /// Keeps an untagged response for the one who runs the command.
    pub(super) fn hold(&mut self, response: Response) {
        self.note(&replies::kind(&response));
        self.held.push(response);
    }

    /// Remembers what matters beyond the command: alerts and a farewell.
    pub(super) fn note(&mut self, kind: &Kind) {
        let Kind::Status(status) = kind else { return };
        if status.code == Some(Code::Alert) {
            self.alert(status);
        }
        if status.answer == Answer::Bye {
            self.goodbye = Some(status.text.clone());
        }
    }

    /// Keeps what the user should read, once.
    pub(super) fn alert(&mut self, status: &Status) {
        if self.alerts.len() < ALERTS && !self.alerts.contains(&status.text) {
            self.alerts.push(status.text.clone());
        }
    }

    /// Prepares the next line for the crate.
    fn feed(&mut self) -> Result<(), Trouble> {
        while self.prepared.is_empty() {
            let response = self.response()?;
            match response.text.first() {
                Some(b'*') => self.feed_untagged(response),
                Some(b'+') => self.feed_continuation(&response)?,
                _ => {
                    let status = status_of(&response, &self.tag)?;
                    if let Mode::IdleWanted(_) | Mode::Idle(_) = self.mode {
                        return Err(Trouble::Protocol(format!("the server does not idle: {}", status.text)));
                    }
                    let word = match status.answer {
                        Answer::Ok => "OK done",
                        Answer::No => "NO refused",
                        Answer::Bad | Answer::Bye | Answer::PreAuth => "BAD refused",
                    };
                    let line = format!("{} {word}\r\n", self.tag);
                    self.prepared.extend(line.into_bytes());
                    self.answer = Some(status);
                }
            }
        }
        Ok(())
    }

    fn feed_untagged(&mut self, response: Response) {
        let kind = replies::kind(&response);
        self.note(&kind);
        match self.mode {
            Mode::Command | Mode::SigningIn => self.held.push(response),
            Mode::IdleWanted(_) | Mode::Idle(_) | Mode::IdleEnding => {
                let news = notify::news(&kind);
                self.overflowed |= news == News::Overflow;
                if news != News::None {
                    self.news = true;
                    self.nudge();
                }
            }
        }
    }

    /// Tells the crate that the idle mailbox changed; before `+` the news waits.
    fn nudge(&mut self) {
        if self.news && matches!(self.mode, Mode::Idle(_)) {
            self.prepared.extend(b"* 1 EXISTS\r\n");
        }
    }

    fn feed_continuation(&mut self, response: &Response) -> Result<(), Trouble> {
        match self.mode {
            Mode::SigningIn => {
                let challenge = response.text.get(1..).unwrap_or_default().trim_ascii();
                let base64 = challenge.iter().all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(b));
                self.prepared.extend(b"+ ");
                // What is no base64 has no meaning to the mechanisms; an empty challenge has their turn too.
                self.prepared.extend(if base64 { challenge } else { b"" });
                self.prepared.extend(b"\r\n");
                Ok(())
            }
            Mode::IdleWanted(until) => {
                self.mode = Mode::Idle(until);
                self.prepared.extend(b"+ idling\r\n");
                self.nudge();
                Ok(())
            }
            Mode::Command | Mode::Idle(_) | Mode::IdleEnding => {
                Err(Trouble::protocol("the server asks for more when there is none"))
            }
        }
    }

    /// Sends what the crate has written.
    fn dispatch(&mut self) -> Result<(), Trouble> {
        let bytes = std::mem::take(&mut self.outgoing);
        if bytes.is_empty() {
            return Ok(());
        }
        let line = bytes.trim_ascii_end();
        let first = line.split(|byte| *byte == b' ').next();
        if let Some(tag) = first.filter(|word| is_tag(word) && word.len() < line.len()) {
            self.tag = String::from_utf8_lossy(tag).into_owned();
        }
        match self.mode {
            Mode::SigningIn => log(">", b"(signing in)"),
            _ => log(">", line),
        }
        if line == b"DONE" {
            self.mode = Mode::IdleEnding;
        }
        if let Some(corked) = &mut self.corked {
            corked.extend_from_slice(&bytes);
            return Ok(());
        }
        self.send(&bytes)
    }

    fn spend(&mut self, bytes: usize) -> Result<(), Trouble> {
        self.spent = self.spent.saturating_add(bytes);
        if self.spent > self.limits.total { Err(Trouble::protocol("the server says too much")) } else { Ok(()) }
    }

    fn deadline(&self) -> Option<Instant> {
        match self.mode {
            Mode::Idle(until) => Some(until),
            // Whoever was woken wants to know soon whether the other end is still there.
            Mode::IdleEnding if self.woken => Instant::now().checked_add(self.timeout.min(FAREWELL)),
            Mode::Command | Mode::SigningIn | Mode::IdleWanted(_) | Mode::IdleEnding => {
                Instant::now().checked_add(self.timeout)
            }
        }
    }

    /// Reads more; makes room first where a quarter of it is not left.
    fn fill(&mut self, deadline: Option<Instant>) -> Result<(), Trouble> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.end > BUFFER / 4 * 3 {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        let room = self.buffer.get_mut(self.end..).unwrap_or_default();
        let wake = match self.mode {
            Mode::Idle(_) => Wake::Heed,
            Mode::Command | Mode::SigningIn if !self.unhurried => Wake::Heed,
            // A bell that rings on the way into the wait is heard in it; on the way out it must not
            // break the session.
            Mode::Command | Mode::SigningIn | Mode::IdleWanted(_) | Mode::IdleEnding => Wake::Keep,
        };
        let (link, asked) = (&mut self.link, Instant::now());
        let came = match &mut self.deflated {
            Some(deflated) => deflated.read(room, |raw| Ok(link.read(raw, deadline, wake)?))?,
            None => link.read(room, deadline, wake)?,
        };
        self.end += came;
        // An idle mailbox has nothing to tell for long.
        if matches!(self.mode, Mode::Idle(_)) { Ok(()) } else { self.progress.took(came, asked.elapsed()) }
    }

    /// Makes an error of trouble for the crate, and keeps the trouble. The end of an idle wait is
    /// none: the session goes on.
    fn report(&mut self, trouble: Trouble) -> io::Error {
        match (&trouble, self.mode) {
            (Trouble::TimedOut, Mode::Idle(_)) => io::ErrorKind::WouldBlock.into(),
            (Trouble::Woken, Mode::Idle(_)) => {
                self.woken = true;
                io::ErrorKind::WouldBlock.into()
            }
            _ => {
                self.trouble = Some(trouble);
                io::Error::other("the connection broke")
            }
        }
    }
}

fn is_tag(word: &[u8]) -> bool {
    matches!(word, [b'a', digits @ ..] if number(digits).is_some())
}

/// The length of the literal that ends the text which begins at `begun`. Status lines have none:
/// their words may end in anything.
fn announced(response: &Response, begun: usize) -> Option<u64> {
    let text = response.text.get(begun..)?;
    let inner = text.strip_suffix(b"}")?;
    let digits = inner.rsplit(|byte| *byte == b'{').next()?;
    let length = number(digits.strip_suffix(b"+").unwrap_or(digits)).filter(|_| digits.len() < inner.len())?;
    let words = begun == 0 && (!text.starts_with(b"* ") || matches!(replies::kind(response), Kind::Status(_)));
    (!words).then_some(length)
}

/// Reads a tagged line, whose tag must be `tag`.
pub(super) fn status_of(response: &Response, tag: &str) -> Result<Status, Trouble> {
    if response.text.split(|byte| *byte == b' ').next() != Some(tag.as_bytes()) {
        return Err(Trouble::protocol("the server answers what was not asked"));
    }
    replies::status(&mut response.after_star()).map_err(|error| Trouble::protocol(error.0))
}

/// Writes a line of the conversation to the log, at its most verbose level only.
fn log(direction: &str, line: &[u8]) {
    if tracing::enabled!(tracing::Level::TRACE) {
        let shown = line.get(..line.len().min(300)).unwrap_or_default();
        tracing::trace!("{direction} {}", Clean::bytes(shown));
    }
}
