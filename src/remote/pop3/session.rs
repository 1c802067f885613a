//! A session: what lies on the server now, what of it was known before, the fetch, and the end at which messages are
//! removed. Nothing is removed that is not safe on this disk, and it counts only with the server's good-bye: until
//! then it is done anew in the next session, without fetching anything twice.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use super::book::{Book, Fresh, HeaderHash, Known, is_due};
use super::entry::refused;
use super::flight::{Command, Flight, UNASKED};
use super::listing::{HeaderHasher, Named};
use super::protocol::{Answer, Capabilities, Status, drop_listing};
use super::wire::Wire;
use super::{Pop3, Settings};
use crate::config::{DeleteThere, Retention};
use crate::fault::{Again, Cause, Doing, Fault, Scope};
use crate::mail::flags::Flags;
use crate::mail::ids::{AccountId, MessageId, RemoteId, Timestamp, Uid, Uidl};
use crate::mail::ranges::UidRanges;
use crate::remote::limits::Trouble;
use crate::remote::link::Bell;
use crate::remote::{Fetched, Identity, Measure, Presence, RemoteChanges, RemoteItem, Rest, Since, Sink, Want};

/// Where all is removed at once, a session ends after so many messages, so that a cut loses little.
const MESSAGES: usize = 2000;
/// The same, in bytes.
const BYTES: u64 = 512 << 20;
/// A message may be twice as large as the server says (some count a line end as one byte, and some guess) and so many
/// bytes more; beyond it is taken for endless.
const SLACK: u64 = 1 << 20;
/// One that was cut off there may have so many more at the second try, which holds up nobody, and at no other.
const GENEROUS: u64 = 64 << 20;
/// That a message is still there is written down this often, in seconds.
const DAY: i64 = 86_400;

/// A message on the server.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Listed {
    /// Its number in this session.
    number: u32,
    /// Its size, as the server tells it.
    size: u64,
    uidl: Uidl,
    known: Known,
    /// Is there another that looks the same?
    ambiguous: bool,
}

/// Messages whose ids are known and that may be others, by their numbers.
struct Strangers {
    others: BTreeSet<u32>,
    unseen: BTreeSet<u32>,
}

/// What lies on the server: what is known of it by number, and what is new, with whether its id was another's.
type Sorted = (BTreeMap<Uid, Listed>, Vec<(Named, bool)>);

/// A signed-in connection.
pub(super) struct Session {
    pub(super) wire: Wire,
    pub(super) account: AccountId,
    pub(super) host: String,
    pub(super) capabilities: Capabilities,
    pub(super) retention: Retention,
    /// Is it out of use?
    pub(super) broken: bool,
    book: Box<dyn Book>,
    bell: Bell,
    shunned: Arc<Mutex<BTreeMap<Uid, u32>>>,
    /// What lies on the server, once it was asked.
    listed: Option<BTreeMap<Uid, Listed>>,
    /// The headers of what was fetched.
    headers: BTreeMap<Uid, HeaderHash>,
    /// Is there more to fetch than this session does?
    more: bool,
    /// How many messages the server did not remove, and what it said of the first.
    refused: Option<(usize, Fault)>,
}

impl Session {
    pub(super) fn new(
        from: &Pop3,
        settings: &Settings,
        wire: Wire,
        capabilities: Capabilities,
        book: Box<dyn Book>,
    ) -> Self {
        Self {
            bell: wire.bell(),
            wire,
            account: from.account.clone(),
            host: settings.server.host.clone(),
            capabilities,
            retention: settings.retention,
            broken: false,
            book,
            shunned: Arc::clone(&from.shunned),
            listed: None,
            headers: BTreeMap::new(),
            more: false,
            refused: None,
        }
    }

    /// What ends a wait from another thread.
    pub(super) fn bell(&self) -> Bell {
        self.bell.clone()
    }

    /// A fault on this account.
    pub(super) fn fault(&self, doing: Doing, cause: Cause) -> Fault {
        Fault::new(doing, &self.host, cause).of(&self.account)
    }

    /// The fault of a refusal.
    pub(super) fn refusal(&self, doing: Doing, status: &Status) -> Fault {
        refused(doing, &self.host, status).of(&self.account)
    }

    /// Ends the session.
    pub(super) fn give_up(&mut self, doing: Doing, trouble: Trouble) -> Fault {
        self.broken = true;
        trouble.explain(doing, &self.host, None).of(&self.account)
    }

    /// What the server calls a message.
    pub(super) fn name_of(&self, uid: Uid) -> Option<&Uidl> {
        Some(&self.listed.as_ref()?.get(&uid)?.uidl)
    }

    fn listed(&self, uid: Uid) -> Option<&Listed> {
        self.listed.as_ref()?.get(&uid)
    }

    /// Lists what lies on the server. That something is not there says nothing about it.
    pub(super) fn compare(&mut self, since: &Since) -> Result<RemoteChanges, Fault> {
        let (mut listed, new) = self.sort_out()?;
        let fresh: Vec<Fresh> = new
            .iter()
            .map(|(message, doubtful)| Fresh { uidl: message.uidl.clone(), size: message.size, doubtful: *doubtful })
            .collect();
        if !fresh.is_empty() {
            let entered = self.book.enter(&fresh)?;
            listed.extend(new.into_iter().zip(entered).map(|((message, _), known)| (known.uid, meet(message, known))));
        }
        // What is on this disk is known to both sides, unless the other side has lost its memory of it.
        let known_there = since.validity == Some(self.book.epoch());
        let mut items = self.wanted(&listed);
        items.retain(|uid| !known_there || listed.get(uid).is_none_or(|message| !message.known.is_here()));
        self.listed = Some(listed);
        Ok(RemoteChanges {
            validity: self.book.epoch(),
            uid_next: None,
            modseq: None,
            items: items.into_iter().map(|uid| RemoteItem { uid, flags: Flags::none(), labels: None }).collect(),
            presence: Presence::Except(UidRanges::none()),
            keeps: None,
            new_keywords: false,
            read_only: false,
        })
    }

    /// Asks what lies on the server, and lays it beside the book.
    fn sort_out(&mut self) -> Result<Sorted, Fault> {
        let lines = self.list()?;
        let mut known = self.book.known()?;
        // What became whole since is safe here by now, so it is looked at like anything else that is.
        if known.values().any(|known| !known.delivered && known.header.is_some()) {
            self.book.deliver(&BTreeMap::new())?;
            known = self.book.known()?;
        }
        let named = self.name(lines, &known)?;
        let Strangers { others, unseen } = self.others(&named, &known)?;
        let mut listed = BTreeMap::new();
        let mut new = Vec::new();
        for mut message in named {
            // What could not be looked at is known, and is not removed.
            message.ambiguous |= unseen.contains(&message.number);
            match known.remove(&message.uidl) {
                Some(known) if !others.contains(&message.number) => {
                    listed.insert(known.uid, meet(message, known));
                }
                known => new.push((message, known.is_some())),
            }
        }
        Ok((listed, new))
    }

    /// Sizes as the server tells them, where it shows headers by themselves. Else nothing: all is fetched whole.
    pub(super) fn measure_messages(&self, uids: &[Uid]) -> Vec<Measure> {
        if !self.capabilities.has("TOP") {
            return Vec::new();
        }
        let measure = |uid: &Uid| Some(Measure { uid: *uid, size: self.listed(*uid)?.size, date: None });
        uids.iter().filter_map(measure).collect()
    }

    /// Messages that bear the id of another which was fetched before: the server gave it out anew. A size that
    /// changed makes one look, and so does a message that is to be removed without another look.
    fn others(&mut self, named: &[Named], known: &BTreeMap<Uidl, Known>) -> Result<Strangers, Fault> {
        let now = self.book.now();
        let (mut others, mut unseen, mut asked) = (BTreeSet::new(), BTreeSet::new(), BTreeMap::new());
        for message in named {
            let Some(known) = known.get(&message.uidl).filter(|known| known.is_here() || known.asked) else { continue };
            match known.header {
                Some(header) if known.asked || known.size != message.size || is_due(&self.retention, known, now) => {
                    asked.insert(message.number, (header, known.size != message.size));
                }
                None if known.size != message.size => {
                    others.insert(message.number);
                }
                _ => {}
            }
        }
        let headers = self.headers(&asked.keys().copied().collect::<Vec<_>>())?;
        for (number, (header, is_resized)) in asked {
            match headers.get(&number) {
                Some(found) if found.hash == header => {}
                // The server did not show it this time.
                None if !is_resized => {
                    unseen.insert(number);
                }
                Some(_) | None => {
                    others.insert(number);
                }
            }
        }
        Ok(Strangers { others, unseen })
    }

    /// Which messages this session tells of, sorted. Those whose removal is decided on are never fetched again.
    fn wanted(&mut self, listed: &BTreeMap<Uid, Listed>) -> Vec<Uid> {
        let mut wanted = Vec::with_capacity(listed.len());
        let (mut count, mut bytes) = (0_usize, 0_u64);
        for (uid, message) in listed.iter().rev().filter(|(_, message)| !message.known.asked) {
            if !message.known.is_here() && self.retention.delete == DeleteThere::AtOnce {
                if count >= MESSAGES || (count > 0 && bytes.saturating_add(message.size) > BYTES) {
                    self.more = true;
                    continue;
                }
                count += 1;
                bytes = bytes.saturating_add(message.size);
            }
            wanted.push(*uid);
        }
        wanted.reverse();
        wanted
    }

    /// Fetches messages, in this order but for those that ended a connection before.
    pub(super) fn fetch_messages(&mut self, uids: &[Uid], want: Want, sink: &mut dyn Sink) -> Result<(), Fault> {
        if self.listed.is_none() {
            // What is new is for a round: here nothing is entered.
            self.listed = Some(self.sort_out()?.0);
        }
        let mut messages: Vec<Listed> = uids.iter().filter_map(|uid| self.listed(*uid).cloned()).collect();
        {
            let shunned = self.shunned.lock().unwrap_or_else(PoisonError::into_inner);
            messages.sort_by_key(|message| shunned.contains_key(&message.known.uid));
        }
        let command = |message: &Listed| match want {
            Want::Whole => Command { text: format!("RETR {}", message.number), size: message.size },
            Want::Header => Command { text: format!("TOP {} 0", message.number), size: message.size.min(4096) },
        };
        let commands: Vec<Command> = messages.iter().map(command).collect();
        let mut flight = Flight::new(&commands, self.capabilities.has("PIPELINING"));
        let mut wrong = 0_usize;
        while let Some(at) = {
            if sink.stop() && !messages.is_empty() {
                // Answers may be on their way that nobody will read.
                self.broken = true;
                return Ok(());
            }
            if sink.enough() {
                flight.stop();
            }
            self.step(Doing::Fetching, |wire| flight.next(wire))?
        } {
            let Some(message) = messages.get(at) else { break };
            let size = self.take(message, want, sink)?;
            wrong += usize::from(want == Want::Whole && size.is_some_and(|size| size != message.size));
        }
        if wrong > 0 {
            tracing::warn!("{}: the sizes of {wrong} messages were not those that it told", self.host);
        }
        Ok(())
    }

    /// Takes one message; gives its size.
    fn take(&mut self, message: &Listed, want: Want, sink: &mut dyn Sink) -> Result<Option<u64>, Fault> {
        let doing = Doing::Fetching;
        let status = self.step(doing, Wire::status)?;
        let uid = message.known.uid;
        let mut fetched = Fetched {
            id: RemoteId::Uidl(uid, message.uidl.clone()),
            date: Some(message.known.first_seen),
            flags: None,
            size: 0,
            whole_size: (want == Want::Header).then_some(message.size),
            trouble: None,
        };
        if status.answer != Answer::Ok {
            if want == Want::Header {
                // Nothing to know it by: whoever asks takes the whole of such a message.
                drop(sink.open(&fetched.id, 0).inspect_err(|_| self.broken = true)?);
            } else {
                let fault = self.refusal(doing, &status).scope(Scope::Message).again(Again::Later);
                fetched.trouble = Some(fault);
            }
            sink.done(fetched).inspect_err(|_| self.broken = true)?;
            return Ok(None);
        }
        let tries = self.shunned.lock().unwrap_or_else(PoisonError::into_inner).get(&uid).copied();
        let most = most_of(message.size, tries.unwrap_or(0));
        let mut hasher = HeaderHasher::default();
        let came = {
            let mut file = sink.open(&fetched.id, message.size).inspect_err(|_| self.broken = true)?;
            self.wire.body(most, &mut |piece| {
                hasher.feed(piece);
                file.write_all(piece)
            })
        };
        match came {
            Ok(body) => fetched.size = body.size,
            Err(trouble) => {
                let endless = matches!(trouble, Trouble::Protocol(_));
                let mut shunned = self.shunned.lock().unwrap_or_else(PoisonError::into_inner);
                let tries = if endless { shunned.entry(uid).or_default() } else { &mut 0 };
                let first = endless && *tries == 0;
                *tries = tries.saturating_add(1);
                drop(shunned);
                let fault = self.give_up(doing, trouble);
                // The others come through at the second try.
                return Err(if first { fault.again(Again::Now) } else { fault });
            }
        }
        let size = fetched.size;
        let header = hasher.finish();
        // Of a message whose header is here already that one counts: whoever takes this one in compares them.
        if !message.known.held || message.known.header.is_none_or(|known| known == header) {
            self.headers.insert(uid, header);
        }
        sink.done(fetched).inspect_err(|_| self.broken = true)?;
        Ok(Some(size))
    }

    /// Size and Message-ID of messages.
    pub(super) fn identify_messages(&mut self, uids: &[Uid]) -> Result<Vec<Identity>, Fault> {
        let messages: Vec<Listed> = uids.iter().filter_map(|uid| self.listed(*uid).cloned()).collect();
        let headers = self.headers(&messages.iter().map(|message| message.number).collect::<Vec<_>>())?;
        let identity = |message: Listed| {
            let header = headers.get(&message.number)?;
            Some(Identity {
                uid: message.known.uid,
                // What it really has is known, where it was here once.
                size: message.known.stored.unwrap_or(message.size),
                message_id: MessageId::in_header(&header.head).map(|id| id.as_str().to_owned()),
                date: None,
            })
        };
        Ok(messages.into_iter().filter_map(identity).collect())
    }

    /// Decides on the removal of messages; they are removed at the end.
    pub(super) fn ask(&mut self, uids: &[Uid]) -> Result<(), Fault> {
        self.book.ask(uids)?;
        for uid in uids {
            if let Some(message) = self.listed.as_mut().and_then(|listed| listed.get_mut(uid)) {
                message.known.asked = true;
            }
        }
        Ok(())
    }

    /// Removes what is to be removed and says good-bye.
    pub(super) fn end(&mut self) -> Result<Rest, Fault> {
        if self.broken {
            return Ok(Rest::Ended);
        }
        let done = self.remove()?;
        self.step(Doing::Pushing, |wire| wire.send(b"QUIT\r\n"))?;
        let status = self.step(Doing::Pushing, Wire::status)?;
        self.broken = true;
        if status.answer != Answer::Ok {
            // What was removed and what was not, nobody knows: the next session does it again.
            return Err(self.refusal(Doing::Pushing, &status));
        }
        let now = self.book.now();
        if let Some(listed) = &self.listed {
            let is_old = |seen: Timestamp| seen > now || now.get() - seen.get() >= DAY;
            let seen = listed.values().map(|message| &message.known).filter(|known| is_old(known.last_seen));
            let seen: Vec<Uid> = seen.map(|known| known.uid).collect();
            self.book.close(&seen, &done)?;
        }
        Ok(if self.more && !self.headers.is_empty() { Rest::More } else { Rest::Ended })
    }

    /// Removes messages that are safe on this disk and due; gives those whose removal the server took on.
    fn remove(&mut self) -> Result<Vec<Uid>, Fault> {
        self.take_note_of_deliveries()?;
        let now = self.book.now();
        let retention = self.retention;
        let Some(listed) = &self.listed else { return Ok(Vec::new()) };
        let due = |message: &&Listed| !message.ambiguous && is_due(&retention, &message.known, now);
        let due: Vec<(u32, Uid, bool)> =
            listed.values().filter(due).map(|it| (it.number, it.known.uid, it.known.asked)).collect();
        if due.is_empty() {
            return Ok(Vec::new());
        }
        self.make_sure_of_numbers()?;
        let fresh: Vec<Uid> = due.iter().filter(|(.., asked)| !asked).map(|(_, uid, _)| *uid).collect();
        if !fresh.is_empty() {
            self.book.ask(&fresh)?;
        }
        let commands: Vec<Command> =
            due.iter().map(|(number, ..)| Command { text: format!("DELE {number}"), size: 0 }).collect();
        let mut flight = Flight::new(&commands, self.capabilities.has("PIPELINING"));
        let mut done = Vec::with_capacity(due.len());
        while let Some(at) = self.step(Doing::Pushing, |wire| flight.next(wire))? {
            let status = self.step(Doing::Pushing, Wire::status)?;
            if let (Some((_, uid, _)), Answer::Ok) = (due.get(at), status.answer) {
                done.push(*uid);
            } else {
                tracing::warn!("{}: a message is not removed: {}", self.host, status.text);
                let first = self.refusal(Doing::Pushing, &status);
                self.refused.get_or_insert((0, first)).0 += 1;
            }
        }
        Ok(done)
    }

    /// Messages that stay on the server against the account's wish, as one fault. The next session tries again.
    pub(super) fn take_refusals(&mut self) -> Vec<Fault> {
        let fault = |(count, first): (usize, Fault)| {
            let said = if first.detail.is_empty() { "it gives no reason".to_owned() } else { first.detail.to_string() };
            let again = first.scope(Scope::Message).again(Again::Later);
            again.detail(&format!("{count} messages stay on the server that should go: {said}"))
        };
        self.refused.take().map(fault).into_iter().collect()
    }

    /// A number names a message only as long as each answer belongs to its command. One too many or too few on
    /// the way here would remove what was never fetched; STAT has an answer that is like no other.
    fn make_sure_of_numbers(&mut self) -> Result<(), Fault> {
        let last = self.listed.iter().flat_map(BTreeMap::values).map(|message| message.number).max().unwrap_or(0);
        self.step(Doing::Pushing, |wire| {
            wire.send(b"STAT\r\n")?;
            let status = wire.status()?;
            let count = drop_listing(&status.raw).filter(|_| status.answer == Answer::Ok);
            match count {
                Some((count, _)) if count >= u64::from(last) && wire.is_quiet() => Ok(()),
                _ => Err(Trouble::protocol(UNASKED)),
            }
        })
    }

    /// What is on disk by now is known to be.
    fn take_note_of_deliveries(&mut self) -> Result<(), Fault> {
        let Some(listed) = &mut self.listed else { return Ok(()) };
        if listed.values().all(|message| message.known.delivered) && self.headers.is_empty() {
            return Ok(());
        }
        for uid in self.book.deliver(&self.headers)? {
            if let Some(message) = listed.get_mut(&uid) {
                message.known.delivered = true;
            }
        }
        Ok(())
    }

    /// Says good-bye without removing anything, and waits hardly for the answer.
    pub(super) fn leave(&mut self) {
        if !self.broken {
            // What cannot be noted now is noted by the next session.
            let _ = self.take_note_of_deliveries();
            self.wire.hurry();
            let _ = self.step(Doing::Connecting, |wire| {
                wire.send(b"QUIT\r\n")?;
                wire.status()
            });
            self.broken = true;
        }
    }
}

/// How many bytes may come of a message of that announced size, which was cut off so often already.
fn most_of(size: u64, cut_off: u32) -> u64 {
    let slack = if cut_off == 1 || size == 0 { GENEROUS } else { SLACK };
    size.saturating_mul(2).saturating_add(slack)
}

fn meet(message: Named, known: Known) -> Listed {
    let Named { number, size, uidl, ambiguous } = message;
    Listed { number, size, uidl, known, ambiguous }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_over_its_size_is_cut_off_soon_and_gets_one_more_chance() {
        let most: Vec<u64> = (0..4).map(|cut_off| most_of(1000, cut_off)).collect();
        assert_eq!(most, [2000 + SLACK, 2000 + GENEROUS, 2000 + SLACK, 2000 + SLACK]);
        assert_eq!(most_of(u64::MAX, 0), u64::MAX);
        assert_eq!(most_of(0, 0), GENEROUS, "nobody said how large it is");
    }
}
