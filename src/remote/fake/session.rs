//! One connection to the server in memory.

use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use super::{FakeMessage, FakeServer, Mailbox, State, closed};
use crate::fault::{Again, Cause, Doing, Fault, Scope};
use crate::mail::clean::Clean;
use crate::mail::ids::{MessageId, RemoteId, Uid};
use crate::mail::mailbox::{MailboxName, Role};
use crate::remote::{
    Fetched, Identity, Measure, Presence, Push, Pushed, Remote, RemoteChanges, RemoteMailbox, Rights, Since, Sink,
    Waited, Waker, Want,
};

/// One connection to a [`FakeServer`].
pub(super) struct FakeSession {
    server: FakeServer,
    number: u64,
    dead: bool,
    closed: bool,
    /// The state of each mailbox when this session looked at it last.
    seen: BTreeMap<MailboxName, u64>,
}

impl FakeSession {
    pub(super) fn new(server: &FakeServer, number: u64) -> Self {
        Self { server: server.clone(), number, dead: false, closed: false, seen: BTreeMap::new() }
    }

    /// Runs one step; after a cut the session stays dead, as a socket would.
    fn step<T>(&mut self, doing: Doing, run: impl FnOnce(&mut State) -> Result<T, Fault>) -> Result<T, Fault> {
        if self.dead {
            return Err(closed(doing));
        }
        let out = self.server.change(|state| match state.step(doing) {
            Err(fault) => Err((fault, true)),
            Ok(lost) => match (run(state), lost) {
                (_, Some(fault)) => Err((fault, true)),
                (Err(fault), None) => Err((fault, false)),
                (Ok(out), None) => Ok(out),
            },
        });
        out.map_err(|(fault, dead)| {
            self.dead = dead;
            fault
        })
    }
}

impl Remote for FakeSession {
    fn rights(&self) -> Rights {
        self.server.state().habits.rights
    }

    fn knows_labels(&self) -> bool {
        self.server.state().habits.labels
    }

    fn mailboxes(&mut self) -> Result<Vec<RemoteMailbox>, Fault> {
        self.step(Doing::ListingMailboxes, |state| {
            let row = |(name, it): (&MailboxName, &Mailbox)| RemoteMailbox {
                name: name.clone(),
                role: it.role,
                important: false,
                selectable: true,
                subscribed: Some(it.subscribed),
                standing: state.habits.list_status.then(|| it.standing(&state.habits)),
            };
            Ok(state.mailboxes.iter().map(row).collect())
        })
    }

    fn create(&mut self, mailbox: &MailboxName, role: Option<Role>) -> Result<(), Fault> {
        self.step(Doing::ListingMailboxes, |state| {
            if !state.habits.rights.create {
                return Err(Fault::new(Doing::ListingMailboxes, mailbox.as_str(), Cause::Refused).scope(Scope::Mailbox));
            }
            state.make(mailbox, role);
            Ok(())
        })
    }

    fn rename(&mut self, mailbox: &MailboxName, to: &MailboxName) -> Result<(), Fault> {
        self.step(Doing::ListingMailboxes, |state| state.rename(mailbox, to))
    }

    fn delete(&mut self, mailbox: &MailboxName) -> Result<(), Fault> {
        self.step(Doing::ListingMailboxes, |state| {
            if state.mailboxes.get(mailbox).is_some_and(|it| !it.messages.is_empty()) {
                let fault = Fault::new(Doing::ListingMailboxes, mailbox.as_str(), Cause::Refused);
                return Err(fault.scope(Scope::Mailbox).detail("there is mail in it"));
            }
            state.mailboxes.remove(mailbox);
            Ok(())
        })
    }

    fn subscribe(&mut self, mailbox: &MailboxName, wish: bool) -> Result<(), Fault> {
        self.step(Doing::ListingMailboxes, |state| {
            state.open_mut(mailbox, Doing::ListingMailboxes)?.subscribed = wish;
            Ok(())
        })
    }

    fn changes(&mut self, mailbox: &MailboxName, since: &Since) -> Result<RemoteChanges, Fault> {
        self.step(Doing::Comparing, |state| state.changes(mailbox, since))
    }

    fn newest(&mut self, mailbox: &MailboxName, many: u32, count: u32) -> Result<Option<RemoteChanges>, Fault> {
        self.step(Doing::Comparing, |state| {
            let mut told = state.changes(mailbox, &Since::default())?;
            let (there, count) = (told.items.len(), usize::try_from(count).unwrap_or(usize::MAX));
            if there <= usize::try_from(many).unwrap_or(usize::MAX) {
                return Ok(None);
            }
            told.items.drain(..there.saturating_sub(count));
            Ok(Some(RemoteChanges { presence: Presence::Unknown, modseq: None, ..told }))
        })
    }

    fn fetch(&mut self, mailbox: &MailboxName, uids: &[Uid], want: Want, sink: &mut dyn Sink) -> Result<(), Fault> {
        for uid in uids {
            if sink.stop() || sink.enough() {
                return Ok(());
            }
            let found = self.step(Doing::Fetching, |state| {
                let spoiled = state.spoiled.contains(&(mailbox.clone(), *uid));
                let it = state.open(mailbox, Doing::Fetching)?;
                let announced = |message: &FakeMessage| state.habits.announced(&message.bytes);
                Ok(it.messages.get(uid).map(|message| (it.epoch(), message.clone(), announced(message), spoiled)))
            });
            let (epoch, message, whole, spoiled) = match found {
                Ok(Some(found)) => found,
                Ok(None) => continue,
                Err(fault) => {
                    let _ = half_a_message(&self.server, mailbox, *uid, sink);
                    return Err(fault);
                }
            };
            let bytes = match want {
                Want::Whole => &*message.bytes,
                Want::Header => header(&message.bytes),
            };
            let size = bytes.len() as u64;
            let mut fetched = Fetched {
                id: RemoteId::Uid(epoch, *uid),
                date: Some(message.date),
                flags: Some(message.flags),
                size,
                whole_size: (want == Want::Header).then_some(whole),
                trouble: None,
            };
            if spoiled {
                let fault = Fault::new(Doing::Fetching, mailbox.as_str(), Cause::Refused).scope(Scope::Message);
                fetched.trouble = Some(fault.detail("message cannot be read"));
            } else {
                let mut file = sink.open(&fetched.id, size)?;
                file.write_all(bytes).map_err(|e| Fault::io(Doing::Storing, mailbox.as_str(), &e))?;
            }
            sink.done(fetched)?;
        }
        Ok(())
    }

    fn identify(&mut self, mailbox: &MailboxName, uids: &[Uid]) -> Result<Vec<Identity>, Fault> {
        self.step(Doing::Comparing, |state| {
            let it = state.open(mailbox, Doing::Comparing)?;
            let row = |message: &FakeMessage| Identity {
                uid: message.uid,
                size: state.habits.announced(&message.bytes),
                message_id: MessageId::in_header(&message.bytes).map(|id| id.as_str().to_owned()),
                date: Some(message.date),
            };
            Ok(uids.iter().filter_map(|uid| it.messages.get(uid)).map(row).collect())
        })
    }

    fn measure(&mut self, mailbox: &MailboxName, uids: &[Uid]) -> Result<Vec<Measure>, Fault> {
        self.step(Doing::Comparing, |state| {
            let it = state.open(mailbox, Doing::Comparing)?;
            let row = |message: &FakeMessage| Measure {
                uid: message.uid,
                size: state.habits.announced(&message.bytes),
                date: Some(message.date),
            };
            Ok(uids.iter().filter_map(|uid| it.messages.get(uid)).map(row).collect())
        })
    }

    fn search_id(&mut self, mailbox: &MailboxName, message_id: &str, from: Option<Uid>) -> Result<Vec<Uid>, Fault> {
        self.step(Doing::Comparing, |state| {
            let it = state.open(mailbox, Doing::Comparing)?;
            let from = from.unwrap_or(Uid::MIN);
            let hit = |m: &&FakeMessage| MessageId::in_header(&m.bytes).is_some_and(|id| id.as_str() == message_id);
            Ok(it.messages.range(from..).map(|(_, m)| m).filter(hit).map(|m| m.uid).collect())
        })
    }

    fn push(&mut self, mailbox: &MailboxName, push: &Push<'_>) -> Result<Pushed, Fault> {
        self.step(Doing::Pushing, |state| state.push(mailbox, push))
    }

    fn wait(&mut self, mailbox: &MailboxName, limit: Duration) -> Result<Waited, Fault> {
        let until = Instant::now() + limit;
        let mut state = self.server.state();
        if !state.habits.idle {
            return Err(Fault::new(Doing::Watching, mailbox.as_str(), Cause::NotOffered).again(Again::Never));
        }
        let start = state.open(mailbox, Doing::Watching)?.modseq;
        let seen = *self.seen.entry(mailbox.clone()).or_insert(start);
        loop {
            if state.outage || self.dead {
                self.dead = true;
                return Err(closed(Doing::Watching));
            }
            let now = state.open(mailbox, Doing::Watching)?.modseq;
            if now != seen {
                self.seen.insert(mailbox.clone(), now);
                return Ok(Waited::Changed);
            }
            if state.woken.remove(&self.number) {
                return Ok(Waited::Woken);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Waited::Quiet);
            }
            let waited = self.server.shared.1.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn waker(&self) -> Waker {
        let (server, number) = (self.server.clone(), self.number);
        Waker::new(move || {
            server.change(|state| state.woken.insert(number));
        })
    }

    fn alerts(&mut self) -> Vec<Clean> {
        self.server.change(|state| std::mem::take(&mut state.alerts)).iter().map(|text| Clean::line(text)).collect()
    }

    fn close(&mut self) {
        self.dead = true;
        if !std::mem::replace(&mut self.closed, true) {
            self.server.change(|state| state.open -= 1);
        }
    }
}

impl Drop for FakeSession {
    fn drop(&mut self) {
        self.close();
    }
}

impl FakeServer {
    /// The most connections that were open at a time.
    pub fn busiest(&self) -> u64 {
        self.state().busiest
    }

    /// How many steps were made so far, by all sessions.
    pub fn steps(&self) -> u64 {
        self.state().steps
    }
}

/// The header of a message and the empty line behind it.
fn header(bytes: &[u8]) -> &[u8] {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").map_or(bytes.len(), |at| at + 4);
    bytes.get(..end).unwrap_or(bytes)
}

/// What reaches the client when the connection is cut in the middle of a literal.
fn half_a_message(server: &FakeServer, mailbox: &MailboxName, uid: Uid, sink: &mut dyn Sink) -> Result<(), Fault> {
    let state = server.state();
    let it = state.open(mailbox, Doing::Fetching)?;
    let Some(message) = it.messages.get(&uid) else { return Ok(()) };
    let (epoch, bytes) = (it.epoch(), message.bytes.clone());
    drop(state);
    let mut file = sink.open(&RemoteId::Uid(epoch, uid), bytes.len() as u64)?;
    let half = bytes.get(..bytes.len() / 2).unwrap_or_default();
    file.write_all(half).map_err(|e| Fault::io(Doing::Storing, mailbox.as_str(), &e))
}
