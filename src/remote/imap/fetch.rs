//! Fetching messages (UID FETCH of BODY.PEEK[]): in chunks, one on its way while the other is being
//! read, each body straight from the socket to its file. A message that the server cannot give, or
//! gives in a line that makes no sense, is asked for once more alone, and is then told as trouble;
//! the rest goes on.

use std::collections::{BTreeSet, VecDeque};
use std::io::{Read as _, Seek as _, SeekFrom, Write};

use tempfile::SpooledTempFile;

use crate::fault::{Again, Cause, Doing, Fault, Scope};
use crate::mail::clean::Clean;
use crate::mail::ids::{RemoteId, Uid, UidValidity};
use crate::mail::mailbox::MailboxName;
use crate::remote::{Fetched, Since, Sink, Want};

use super::limits::{Limits, Trouble};
use super::replies::{self, Answer, Body, Extent, FetchItem, Kind};
use super::select::{Opening, Parameter};
use super::session::{Selected, Session, bad, sets};
use super::tokens::{Held, Response};
use super::wire::{Wire, status_of};

/// How many messages the first command asks for: the newest are to be there soon.
const FIRST: usize = 50;
/// How many messages each of the others asks for.
const CHUNK: usize = 500;
/// About how many bytes each of the others asks for, by the size of those that came: what has to be on screen
/// first waits for no more than what is on its way.
const CHUNK_BYTES: u64 = 32 << 20;
/// How many commands are on their way at a time.
const AHEAD: usize = 2;
/// The largest message that is taken, in bytes.
const LARGEST: u64 = 1 << 30;
/// By how much a message may be larger than announced, besides a hundredth of it.
const SLACK: u64 = 64 * 1024;
/// What one message may take of an answer besides its body.
const BESIDES: usize = 4096;

/// A command on its way.
struct Flight {
    tag: String,
    uids: Vec<Uid>,
}

/// How a command ended.
struct Landing {
    flight: Flight,
    /// Did it go wrong for some message: a NO, or a line that made no sense?
    trouble: Option<Clean>,
}

/// What became of the body in the response that is being read.
enum Delivery {
    /// None came.
    None,
    /// It is with the sink.
    Sunk(Uid, u64),
    /// It lies aside, since the server has not said yet whose it is.
    Aside(SpooledTempFile),
    /// It was passed over, for this reason.
    Skipped(&'static str),
}

/// A fetch in progress.
struct Haul<'a> {
    validity: UidValidity,
    mailbox: &'a MailboxName,
    want: Want,
    /// What was asked for and did not come yet.
    awaited: BTreeSet<Uid>,
    sink: &'a mut dyn Sink,
    /// What went wrong since this was last asked.
    spoiled: Option<Clean>,
    /// How many messages came, and their bytes.
    came: (u64, u64),
}

impl Haul<'_> {
    /// How many messages the next command asks for.
    fn portion(&self) -> usize {
        let (messages, bytes) = self.came;
        let mean = bytes.checked_div(messages).unwrap_or_default().max(1);
        usize::try_from(CHUNK_BYTES / mean).unwrap_or(CHUNK).clamp(1, CHUNK)
    }
}

/// Takes the next command off the queue, of at most so many messages.
fn next_of(waiting: &mut VecDeque<(String, Vec<Uid>)>, portion: usize) -> Option<(String, Vec<Uid>)> {
    let (set, uids) = waiting.pop_front()?;
    if uids.len() <= portion {
        return Some((set, uids));
    }
    // A set is in order, and the newest are wanted first.
    let (later, now) = uids.split_at(uids.len().saturating_sub(portion));
    for part in sets(later, CHUNK).into_iter().rev() {
        waiting.push_front(part);
    }
    sets(now, CHUNK).into_iter().next()
}

/// Where messages go that nobody wants.
struct Nowhere;

impl Sink for Nowhere {
    fn open(&mut self, _: &RemoteId, _: u64) -> Result<Box<dyn Write + '_>, Fault> {
        Ok(Box::new(std::io::sink()))
    }

    fn done(&mut self, _: Fetched) -> Result<(), Fault> {
        Ok(())
    }

    fn stop(&self) -> bool {
        false
    }
}

/// What ends a fetch.
enum End {
    /// The connection.
    Wire(Trouble),
    /// The sink, or the sink's disk.
    Sink(Fault),
}

impl From<Trouble> for End {
    fn from(trouble: Trouble) -> Self {
        Self::Wire(trouble)
    }
}

impl Session {
    /// Fetches messages of `mailbox`, chunk by chunk in this order; within a chunk the server's
    /// order is taken. If the sink wishes to stop while commands are on their way, the connection
    /// is given up.
    pub(super) fn fetch_messages(
        &mut self,
        mailbox: &MailboxName,
        uids: &[Uid],
        want: Want,
        sink: &mut dyn Sink,
    ) -> Result<(), Fault> {
        let (first, others) = uids.split_at(FIRST.min(uids.len()));
        let mut waiting: VecDeque<_> =
            [first].into_iter().chain(others.chunks(CHUNK)).flat_map(|chunk| sets(chunk, CHUNK)).collect();
        let mut flights = VecDeque::new();
        let selected = self.set_out(mailbox, want, &mut waiting, &mut flights)?;
        let awaited = uids.iter().copied().collect();
        let mut haul = Haul { validity: selected.validity, mailbox, want, awaited, sink, spoiled: None, came: (0, 0) };
        let mut doubtful: VecDeque<(Uid, Clean)> = VecDeque::new();
        while !(waiting.is_empty() && flights.is_empty()) {
            if haul.sink.stop() {
                self.broken |= !flights.is_empty();
                return Ok(());
            }
            if haul.sink.enough() {
                waiting.clear();
            }
            while flights.len() < AHEAD {
                let Some((set, uids)) = next_of(&mut waiting, haul.portion()) else { break };
                flights.push_back(self.depart(&set, uids, want)?);
            }
            let Some(landing) = self.land(&mut flights, &mut haul)? else { return Ok(()) };
            let missing = landing.flight.uids.into_iter().filter(|uid| haul.awaited.remove(uid));
            // After a plain OK what is missing is gone.
            if let Some(why) = landing.trouble {
                doubtful.extend(missing.map(|uid| (uid, why.clone())));
            }
        }
        self.try_alone(doubtful, &mut haul)
    }

    /// Turns to the mailbox. Where another is selected the first commands go in one flight with the SELECT;
    /// if that fails or the messages were renumbered, what they bring is passed over.
    fn set_out(
        &mut self,
        mailbox: &MailboxName,
        want: Want,
        waiting: &mut VecDeque<(String, Vec<Uid>)>,
        flights: &mut VecDeque<Flight>,
    ) -> Result<Selected, Fault> {
        let doing = Doing::Fetching;
        let is_open = self.selected.as_ref().is_some_and(|selected| selected.name == *mailbox);
        if is_open || waiting.is_empty() || self.resync_command().is_some() {
            return self.turn_to(doing, mailbox);
        }
        let name = self.wire_name(doing, mailbox)?;
        let parameter = self.parameter(&Since::default());
        self.selected = None;
        self.wire.lock().cork();
        let tag = self.send(doing, &Self::select_command(&name, parameter).0, Limits::USUAL)?;
        for (set, uids) in waiting.iter().take(AHEAD) {
            flights.push_back(self.depart(set, uids.clone(), want)?);
        }
        let sent = self.wire.lock().uncork();
        sent.map_err(|trouble| self.give_up(doing, trouble))?;
        let status = self.hear_opening(&tag, mailbox, parameter)?;
        if status == Answer::Ok && self.selected.as_ref().is_some_and(|now| self.is_known_epoch(now)) {
            waiting.drain(..flights.len());
        } else {
            self.pass_over_flights(mailbox, flights)?;
        }
        // Where that was not it, the plain way says what is wrong, or opens the mailbox after all.
        self.turn_to(doing, mailbox)
    }

    /// Hears the answer to a SELECT behind which other commands are on their way.
    fn hear_opening(&mut self, tag: &str, mailbox: &MailboxName, parameter: Parameter) -> Result<Answer, Fault> {
        let mut opening = Opening::default();
        let mut response = Response::default();
        loop {
            response.clear();
            let read = self.wire.lock().read_into(&mut response);
            read.map_err(|trouble| self.give_up(Doing::Fetching, trouble))?;
            if response.text.starts_with(b"*") {
                let kind = replies::kind(&response);
                self.heed(&kind);
                opening.hear(&kind, &response);
                continue;
            }
            let status = status_of(&response, tag).map_err(|trouble| self.give_up(Doing::Fetching, trouble))?;
            self.alert(&status);
            if status.answer == Answer::Ok {
                self.selected = opening.finish(mailbox, parameter, &status).map(|opened| opened.selected);
            }
            return Ok(status.answer);
        }
    }

    /// Reads what commands bring that should not have been sent, and drops it.
    fn pass_over_flights(&mut self, mailbox: &MailboxName, flights: &mut VecDeque<Flight>) -> Result<(), Fault> {
        let validity = UidValidity::MIN;
        let (awaited, want) = (BTreeSet::new(), Want::Whole);
        let mut haul = Haul { validity, mailbox, want, awaited, sink: &mut Nowhere, spoiled: None, came: (0, 0) };
        let mut response = Response::default();
        while !flights.is_empty() {
            response.clear();
            let shared = self.wire.clone();
            let read = haul.read(&mut shared.lock(), &mut response);
            match read {
                Ok(()) => {}
                Err(End::Wire(trouble)) => return Err(self.give_up(Doing::Fetching, trouble)),
                Err(End::Sink(fault)) => return Err(self.spilled(fault)),
            }
            if response.text.starts_with(b"*") {
                continue;
            }
            let Some(at) = flights.iter().position(|flight| status_of(&response, &flight.tag).is_ok()) else {
                return Err(self.give_up(Doing::Fetching, Trouble::protocol("the server answers what was not asked")));
            };
            flights.remove(at);
        }
        Ok(())
    }

    /// Asks once more for messages that did not come, each alone, so that it is clear whose fault it is.
    fn try_alone(&mut self, doubtful: VecDeque<(Uid, Clean)>, haul: &mut Haul<'_>) -> Result<(), Fault> {
        for (uid, _) in doubtful {
            if haul.sink.stop() {
                return Ok(());
            }
            haul.awaited.insert(uid);
            let mut flights = VecDeque::from([self.depart(&uid.get().to_string(), vec![uid], haul.want)?]);
            let Some(landing) = self.land(&mut flights, haul)? else { return Ok(()) };
            let missing = haul.awaited.remove(&uid);
            if let Some(why) = landing.trouble.filter(|_| missing) {
                let fault = self.message_fault(haul.mailbox, uid, why.as_str());
                haul.tell(uid, fault).map_err(|fault| self.spilled(fault))?;
            }
        }
        Ok(())
    }

    fn depart(&mut self, set: &str, uids: Vec<Uid>, want: Want) -> Result<Flight, Fault> {
        let section = match want {
            Want::Whole => "",
            Want::Header => "HEADER",
        };
        let command = format!("UID FETCH {set} (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[{section}])");
        let limits = Limits::for_messages(AHEAD * CHUNK, BESIDES);
        Ok(Flight { tag: self.send(Doing::Fetching, &command, limits)?, uids })
    }

    /// Reads until one of the commands is answered. `None`: the sink wants to stop.
    fn land(&mut self, flights: &mut VecDeque<Flight>, haul: &mut Haul<'_>) -> Result<Option<Landing>, Fault> {
        let mut response = Response::default();
        loop {
            response.clear();
            let shared = self.wire.clone();
            let read = haul.read(&mut shared.lock(), &mut response);
            match read {
                Ok(()) => {}
                Err(End::Sink(fault)) => return Err(self.spilled(fault)),
                Err(End::Wire(Trouble::Sink(error))) => {
                    let fault = Fault::io(Doing::Storing, haul.mailbox.as_str(), &error);
                    return Err(self.spilled(fault.of(&self.account)));
                }
                Err(End::Wire(trouble)) => return Err(self.give_up(Doing::Fetching, trouble)),
            }
            if response.text.starts_with(b"*") {
                self.notice_kind(&replies::kind(&response));
                if haul.sink.stop() {
                    self.broken = true;
                    return Ok(None);
                }
                continue;
            }
            return self.answered(&response, flights, haul).map(Some);
        }
    }

    fn answered(
        &mut self,
        response: &Response,
        flights: &mut VecDeque<Flight>,
        haul: &mut Haul<'_>,
    ) -> Result<Landing, Fault> {
        let answers = |flight: &Flight| status_of(response, &flight.tag).ok();
        let answered = flights.iter().enumerate().find_map(|(at, flight)| Some((at, answers(flight)?)));
        let Some((flight, status)) = answered.and_then(|(at, status)| Some((flights.remove(at)?, status))) else {
            return Err(self.give_up(Doing::Fetching, Trouble::protocol("the server answers what was not asked")));
        };
        let spoiled = haul.spoiled.take();
        self.alert(&status);
        match status.answer {
            Answer::Ok => Ok(Landing { flight, trouble: spoiled }),
            Answer::No => Ok(Landing { flight, trouble: Some(status.text) }),
            Answer::Bad | Answer::Bye | Answer::PreAuth => {
                Err(self.give_up(Doing::Fetching, Trouble::Protocol(bad(&status))))
            }
        }
    }

    /// The sink failed in the middle of an answer: the connection is of no more use.
    fn spilled(&mut self, fault: Fault) -> Fault {
        self.broken = true;
        fault
    }

    fn message_fault(&self, mailbox: &MailboxName, uid: Uid, why: &str) -> Fault {
        message_fault(mailbox, uid, why).of(&self.account)
    }
}

fn message_fault(mailbox: &MailboxName, uid: Uid, why: &str) -> Fault {
    let subject = format!("{mailbox}, message {}", uid.get());
    Fault::new(Doing::Fetching, &subject, Cause::Protocol).scope(Scope::Message).again(Again::Later).detail(why)
}

impl Haul<'_> {
    /// Reads one response; a body goes to the sink, and the sink is told when the line is whole.
    fn read(&mut self, wire: &mut Wire, response: &mut Response) -> Result<(), End> {
        let mut delivery = Delivery::None;
        while let Some(length) = wire.segment(response)? {
            response.settle(Held::Streamed(length));
            if !matches!(delivery, Delivery::None) || replies::kind(response) != Kind::Fetch {
                wire.keep(length, response)?;
                continue;
            }
            match replies::fetch(response, Extent::Begun) {
                Ok(item) if item.body == Some(Body::Streamed(length)) => {
                    delivery = self.deliver(&item, length, wire)?;
                }
                Ok(_) => wire.keep(length, response)?,
                Err(error) => {
                    pass_over(length, wire)?;
                    delivery = Delivery::Skipped(error.0);
                }
            }
        }
        let kind = replies::kind(response);
        wire.note(&kind);
        if kind == Kind::Fetch { self.finish(response, delivery) } else { Ok(()) }
    }

    /// Brings a body to where it belongs, as far as that is known yet.
    fn deliver(&mut self, item: &FetchItem, length: u64, wire: &mut Wire) -> Result<Delivery, End> {
        let Some(uid) = item.uid else {
            if length > LARGEST {
                return Err(End::Wire(Trouble::protocol("the server sends a message that is too large")));
            }
            let mut aside = SpooledTempFile::new(64 * 1024);
            wire.stream(length, &mut aside)?;
            return Ok(Delivery::Aside(aside));
        };
        if !self.awaited.contains(&uid) {
            pass_over(length, wire)?;
            return Ok(Delivery::Skipped("a message that was not asked for"));
        }
        if length > LARGEST {
            // It is this message's fault; but nobody can wait for the end of it.
            let why = "the server sends a message that is too large";
            self.awaited.remove(&uid);
            self.tell(uid, message_fault(self.mailbox, uid, why)).map_err(End::Sink)?;
            return Err(End::Wire(Trouble::protocol(why)));
        }
        if length == 0 && item.size != Some(0) {
            return Ok(Delivery::Skipped("the server gives an empty message"));
        }
        if item.size.is_some_and(|size| length > size.saturating_mul(2).saturating_add(SLACK)) {
            pass_over(length, wire)?;
            return Ok(Delivery::Skipped("the server gives a message much larger than it announced"));
        }
        let id = RemoteId::Uid(self.validity, uid);
        let mut file = self.sink.open(&id, length).map_err(End::Sink)?;
        wire.stream(length, &mut *file)?;
        file.flush().map_err(Trouble::Sink)?;
        Ok(Delivery::Sunk(uid, length))
    }

    /// The line is whole: tells the sink, or what is wrong.
    fn finish(&mut self, response: &Response, delivery: Delivery) -> Result<(), End> {
        let item = replies::fetch(response, Extent::Whole);
        match (item, delivery) {
            (Ok(item), Delivery::Sunk(uid, length)) if item.uid == Some(uid) => {
                self.came = (self.came.0.saturating_add(1), self.came.1.saturating_add(length));
                self.complete(uid, length, item)
            }
            (item, Delivery::Sunk(uid, _)) => {
                self.awaited.remove(&uid);
                let why = item.err().map_or("the server gives a message two UIDs", |error| error.0);
                self.tell(uid, message_fault(self.mailbox, uid, why)).map_err(End::Sink)
            }
            (Ok(item), Delivery::Aside(file)) => self.complete_aside(item, file),
            (Ok(mut item), Delivery::None) => match (item.uid, item.body.take()) {
                (Some(uid), Some(Body::Held(bytes))) if self.awaited.contains(&uid) && !bytes.is_empty() => {
                    let mut rest = bytes.as_slice();
                    self.pour(uid, bytes.len() as u64, &mut rest)?;
                    self.complete(uid, bytes.len() as u64, item)
                }
                (Some(uid), Some(_)) if self.awaited.contains(&uid) => {
                    self.spoil("the server gives an empty message");
                    Ok(())
                }
                // Flags that changed meanwhile: the next comparison sees them.
                _ => Ok(()),
            },
            (_, Delivery::Skipped(why)) => {
                self.spoil(why);
                Ok(())
            }
            (Err(error), Delivery::None | Delivery::Aside(_)) => {
                self.spoil(error.0);
                Ok(())
            }
        }
    }

    fn complete_aside(&mut self, item: FetchItem, mut file: SpooledTempFile) -> Result<(), End> {
        let Some(uid) = item.uid.filter(|uid| self.awaited.contains(uid)) else {
            return Ok(());
        };
        let length = file.stream_position().map_err(Trouble::Sink)?;
        if length == 0 && item.size != Some(0) {
            self.spoil("the server gives an empty message");
            return Ok(());
        }
        file.seek(SeekFrom::Start(0)).map_err(Trouble::Sink)?;
        self.pour(uid, length, &mut file)?;
        self.complete(uid, length, item)
    }

    /// Brings bytes that are here to the sink.
    fn pour(&mut self, uid: Uid, length: u64, from: &mut dyn std::io::Read) -> Result<(), End> {
        let id = RemoteId::Uid(self.validity, uid);
        let mut file = self.sink.open(&id, length).map_err(End::Sink)?;
        std::io::copy(&mut from.take(length), &mut *file).map_err(Trouble::Sink)?;
        file.flush().map_err(Trouble::Sink)?;
        Ok(())
    }

    fn complete(&mut self, uid: Uid, length: u64, item: FetchItem) -> Result<(), End> {
        self.awaited.remove(&uid);
        let whole_size = item.size.filter(|_| self.want == Want::Header);
        if whole_size.is_none() && item.size.is_some_and(|size| size != length) {
            tracing::warn!("{}: message {} is not of the size that was announced", self.mailbox, uid.get());
        }
        let id = RemoteId::Uid(self.validity, uid);
        let message = Fetched { id, date: item.date, flags: item.flags, size: length, whole_size, trouble: None };
        self.sink.done(message).map_err(End::Sink)
    }

    /// Tells the sink that a message could not be fetched.
    fn tell(&mut self, uid: Uid, fault: Fault) -> Result<(), Fault> {
        let id = RemoteId::Uid(self.validity, uid);
        self.sink.done(Fetched { id, date: None, flags: None, size: 0, whole_size: None, trouble: Some(fault) })
    }

    fn spoil(&mut self, why: &str) {
        tracing::warn!("{}: {why}", self.mailbox);
        self.spoiled = Some(Clean::line(why));
    }
}

fn pass_over(length: u64, wire: &mut Wire) -> Result<(), Trouble> {
    if length > LARGEST {
        return Err(Trouble::protocol("the server sends a literal that is too long"));
    }
    wire.stream(length, &mut std::io::sink())
}
