//! A server in memory with faults on demand, for tests and `tern demo`: UIDs, flags, modification
//! sequences, moves, appends, and whatever can go wrong with them. It opens no socket and looks at
//! no clock; what it does depends on its calls alone.

mod habits;
mod session;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

pub use habits::Habits;

use super::{Connect, Presence, Push, Pushed, Remote, RemoteChanges, RemoteItem, Since, Standing};
use crate::fault::{Again, Cause, Doing, Fault, Scope};
use crate::mail::flags::{Flag, Flags};
use crate::mail::ids::{ModSeq, Timestamp, Uid, UidValidity};
use crate::mail::labels::Labels;
use crate::mail::mailbox::{MailboxName, Role};
use crate::mail::ranges::UidRanges;

/// When the connection is cut in the step that [`FakeServer::cut_after`] names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Before the server hears of the step.
    Before,
    /// After it has done it: only the reply is lost.
    After,
}

/// A message on the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FakeMessage {
    /// Its UID.
    pub uid: Uid,
    /// Its bytes, CRLF.
    pub bytes: Arc<[u8]>,
    /// Its flags.
    pub flags: Flags,
    /// Its labels.
    pub labels: Labels,
    /// Its INTERNALDATE.
    pub date: Timestamp,
    modseq: u64,
}

#[derive(Debug, Clone)]
struct Mailbox {
    role: Option<Role>,
    subscribed: bool,
    validity: u32,
    next: u32,
    modseq: u64,
    messages: BTreeMap<Uid, FakeMessage>,
    vanished: Vec<(u64, Uid)>,
}

impl Mailbox {
    fn new(role: Option<Role>, validity: u32) -> Self {
        Self { role, subscribed: true, validity, next: 1, modseq: 1, messages: BTreeMap::new(), vanished: Vec::new() }
    }

    fn touch(&mut self) -> u64 {
        self.modseq += 1;
        self.modseq
    }

    fn standing(&self, habits: &Habits) -> Standing {
        Standing {
            validity: self.epoch(),
            uid_next: Uid::new(self.next),
            messages: u32::try_from(self.messages.len()).unwrap_or(u32::MAX),
            modseq: ModSeq::new(self.modseq).filter(|_| habits.condstore),
        }
    }

    fn epoch(&self) -> UidValidity {
        UidValidity::new(self.validity).unwrap_or(UidValidity::MIN)
    }

    fn add(&mut self, bytes: Arc<[u8]>, flags: Flags, date: Timestamp) -> Uid {
        let uid = Uid::new(self.next).unwrap_or(Uid::MIN);
        self.next += 1;
        let modseq = self.touch();
        self.messages.insert(uid, FakeMessage { uid, bytes, flags, labels: Labels::none(), date, modseq });
        uid
    }

    fn remove(&mut self, uid: Uid) -> Option<FakeMessage> {
        let message = self.messages.remove(&uid)?;
        let modseq = self.touch();
        self.vanished.push((modseq, uid));
        Some(message)
    }

    fn store(&mut self, uid: Uid, add: &Flags, remove: &Flags) {
        let next = self.modseq + 1;
        if let Some(message) = self.messages.get_mut(&uid) {
            let now = message.flags.union(add).minus(remove);
            if now != message.flags {
                message.flags = now;
                message.modseq = next;
                self.modseq = next;
            }
        }
    }

    fn label(&mut self, uid: Uid, add: &Labels, remove: &Labels) {
        let next = self.modseq + 1;
        if let Some(message) = self.messages.get_mut(&uid) {
            message.labels = message.labels.union(add).minus(remove);
            message.modseq = next;
            self.modseq = next;
        }
    }
}

/// Says which changes a server refuses to make.
pub type Refusal = fn(&MailboxName, &Push<'_>) -> bool;

/// A mailbox as it was at some time.
#[derive(Debug, Clone)]
pub struct Backup(Mailbox);

#[derive(Debug, Default)]
struct State {
    mailboxes: BTreeMap<MailboxName, Mailbox>,
    habits: Habits,
    refuses: Option<Refusal>,
    outage: bool,
    spoiled: BTreeSet<(MailboxName, Uid)>,
    alerts: Vec<String>,
    steps: u64,
    cut: Option<(u64, Cut)>,
    validities: u32,
    connections: u64,
    open: u64,
    busiest: u64,
    woken: BTreeSet<u64>,
}

/// The server. A handle: clones share it, and each [`Connect::connect`] makes a session of it.
#[derive(Debug, Clone, Default)]
pub struct FakeServer {
    shared: Arc<(Mutex<State>, Condvar)>,
}

impl FakeServer {
    /// Starts a server with an empty INBOX.
    pub fn new() -> Self {
        let server = Self::default();
        server.add_mailbox(&MailboxName::inbox(), None);
        server
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state and tells those who wait.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let out = change(&mut self.state());
        self.shared.1.notify_all();
        out
    }

    fn in_mailbox<T>(&self, mailbox: &MailboxName, change: impl FnOnce(&mut Mailbox) -> T) -> Option<T> {
        self.change(|state| state.mailboxes.get_mut(mailbox).map(change))
    }

    /// Makes a mailbox, unless it is there.
    pub fn add_mailbox(&self, name: &MailboxName, role: Option<Role>) {
        self.change(|state| {
            state.make(name, role);
        });
    }

    /// Removes a mailbox with all that is in it.
    pub fn drop_mailbox(&self, name: &MailboxName) {
        self.change(|state| state.mailboxes.remove(name));
    }

    /// Puts a message into a mailbox, as if it had arrived; the mailbox is made if it is not there.
    pub fn deliver(&self, mailbox: &MailboxName, bytes: &[u8], flags: Flags, date: Timestamp) -> Uid {
        self.change(|state| state.make(mailbox, None).add(Arc::from(bytes), flags, date))
    }

    /// Changes flags, as another client would. A message that is not there is passed over.
    pub fn store(&self, mailbox: &MailboxName, uid: Uid, add: &Flags, remove: &Flags) {
        self.in_mailbox(mailbox, |m| m.store(uid, add, remove));
    }

    /// Changes labels, as another client would. A message that leaves the mailbox loses them.
    pub fn label(&self, mailbox: &MailboxName, uid: Uid, add: &Labels, remove: &Labels) {
        self.in_mailbox(mailbox, |m| m.label(uid, add, remove));
    }

    /// Removes a message for ever, as another client would; `false` if it is not there.
    pub fn expunge(&self, mailbox: &MailboxName, uid: Uid) -> bool {
        self.in_mailbox(mailbox, |m| m.remove(uid).is_some()).unwrap_or(false)
    }

    /// Moves a message, as another client would; returns its new UID.
    pub fn relocate(&self, mailbox: &MailboxName, uid: Uid, to: &MailboxName) -> Option<Uid> {
        self.change(|state| state.relocate(mailbox, uid, to))
    }

    /// Gives the mailbox a new UIDVALIDITY and numbers its messages anew.
    pub fn renumber(&self, mailbox: &MailboxName) {
        self.change(|state| {
            state.validities += 1;
            let validity = state.validities;
            if let Some(old) = state.mailboxes.get_mut(mailbox) {
                let mut new = Mailbox::new(old.role, validity);
                for message in std::mem::take(&mut old.messages).into_values() {
                    let uid = new.add(message.bytes, message.flags, message.date);
                    new.label(uid, &message.labels, &Labels::none());
                }
                *old = new;
            }
        });
    }

    /// A mailbox as it is now, for [`FakeServer::set_back`]; `None` if it is not there.
    pub fn backup(&self, mailbox: &MailboxName) -> Option<Backup> {
        self.state().mailboxes.get(mailbox).cloned().map(Backup)
    }

    /// Puts a mailbox back as it was: under the same UIDVALIDITY, with UIDNEXT and HIGHESTMODSEQ of then.
    pub fn set_back(&self, mailbox: &MailboxName, backup: &Backup) {
        self.change(|state| state.mailboxes.insert(mailbox.clone(), backup.0.clone()));
    }

    /// The mailboxes, by name.
    pub fn names(&self) -> Vec<MailboxName> {
        self.state().mailboxes.keys().cloned().collect()
    }

    /// The messages of a mailbox, by UID.
    pub fn messages(&self, mailbox: &MailboxName) -> Vec<FakeMessage> {
        self.state().mailboxes.get(mailbox).map(|m| m.messages.values().cloned().collect()).unwrap_or_default()
    }

    /// What it can and will do.
    pub fn habits(&self) -> Habits {
        self.state().habits.clone()
    }

    /// Changes what it can and will do, from the next call of any session on.
    pub fn set_habits(&self, change: impl FnOnce(&mut Habits)) {
        self.change(|state| change(&mut state.habits));
    }

    /// Refuses single changes from now on, or none any more.
    pub fn set_refusal(&self, refuses: Option<Refusal>) {
        self.change(|state| state.refuses = refuses);
    }

    /// Begins or ends an outage: sessions are cut, new ones do not come about.
    pub fn set_outage(&self, outage: bool) {
        self.change(|state| state.outage = outage);
    }

    /// Gives a mailbox and those below it another name; the messages keep their UIDs. Tells whether it could.
    pub fn rename(&self, mailbox: &MailboxName, to: &MailboxName) -> bool {
        self.change(|state| state.rename(mailbox, to).is_ok())
    }

    /// Makes a message unfetchable (or fetchable again).
    pub fn spoil(&self, mailbox: &MailboxName, uid: Uid, spoiled: bool) {
        self.change(|state| {
            let key = (mailbox.clone(), uid);
            if spoiled { state.spoiled.insert(key) } else { state.spoiled.remove(&key) }
        });
    }

    /// Says something that a person should read.
    pub fn alert(&self, text: &str) {
        self.change(|state| state.alerts.push(text.to_owned()));
    }

    /// Cuts the connection once, in the step that comes `steps` steps from now (0 is the next one).
    /// Each call is a step, and each message of a fetch.
    pub fn cut_after(&self, steps: u64, cut: Cut) {
        self.change(|state| state.cut = Some((state.steps + steps, cut)));
    }

    /// Calls the cut off; returns whether one was still due.
    pub fn cancel_cut(&self) -> bool {
        self.change(|state| state.cut.take().is_some())
    }
}

impl State {
    fn make(&mut self, name: &MailboxName, role: Option<Role>) -> &mut Mailbox {
        let validities = &mut self.validities;
        self.mailboxes.entry(name.clone()).or_insert_with(|| {
            *validities += 1;
            Mailbox::new(role, *validities)
        })
    }

    /// Gives a mailbox and those below it another name.
    fn rename(&mut self, mailbox: &MailboxName, to: &MailboxName) -> Result<(), Fault> {
        let doing = Doing::ListingMailboxes;
        self.open(mailbox, doing)?;
        if self.mailboxes.contains_key(to) {
            let fault = Fault::new(doing, to.as_str(), Cause::Refused).scope(Scope::Mailbox);
            return Err(fault.detail("there is such a mailbox already"));
        }
        let below = format!("{mailbox}/");
        let moved: Vec<MailboxName> = self
            .mailboxes
            .keys()
            .filter(|name| *name == mailbox || name.as_str().starts_with(&below))
            .cloned()
            .collect();
        for name in moved {
            let rest = name.as_str().strip_prefix(mailbox.as_str()).unwrap_or_default();
            let new = MailboxName::new(&format!("{to}{rest}"));
            if let (Some(new), Some(it)) = (new, self.mailboxes.remove(&name)) {
                self.mailboxes.insert(new, it);
            }
        }
        Ok(())
    }

    fn copy(&mut self, mailbox: &MailboxName, uid: Uid, to: &MailboxName) -> Option<Uid> {
        let message = self.mailboxes.get(mailbox)?.messages.get(&uid)?.clone();
        Some(self.mailboxes.get_mut(to)?.add(message.bytes, message.flags, message.date))
    }

    fn relocate(&mut self, mailbox: &MailboxName, uid: Uid, to: &MailboxName) -> Option<Uid> {
        self.copy(mailbox, uid, to).filter(|_| self.mailboxes.get_mut(mailbox).and_then(|it| it.remove(uid)).is_some())
    }

    /// Counts a step; a fault if the connection is cut before it.
    fn step(&mut self, doing: Doing) -> Result<Option<Fault>, Fault> {
        if self.outage {
            return Err(closed(doing));
        }
        let now = self.steps;
        self.steps += 1;
        match self.cut {
            Some((at, Cut::Before)) if at <= now => {
                self.cut = None;
                Err(closed(doing))
            }
            Some((at, Cut::After)) if at <= now => {
                self.cut = None;
                Ok(Some(closed(doing)))
            }
            _ => Ok(None),
        }
    }

    fn open(&self, mailbox: &MailboxName, doing: Doing) -> Result<&Mailbox, Fault> {
        self.mailboxes.get(mailbox).ok_or_else(|| missing(mailbox, doing))
    }

    fn open_mut(&mut self, mailbox: &MailboxName, doing: Doing) -> Result<&mut Mailbox, Fault> {
        self.mailboxes.get_mut(mailbox).ok_or_else(|| missing(mailbox, doing))
    }

    fn changes(&self, mailbox: &MailboxName, since: &Since) -> Result<RemoteChanges, Fault> {
        let habits = &self.habits;
        let it = self.open(mailbox, Doing::Comparing)?;
        let labels = |m: &FakeMessage| habits.labels.then(|| Box::new(m.labels.clone()));
        let known = since.modseq.filter(|_| habits.condstore && since.validity == Some(it.epoch()));
        let mut items: Vec<RemoteItem> = it
            .messages
            .values()
            .filter(|m| known.is_none_or(|known| m.modseq > known.get()))
            .map(|m| RemoteItem { uid: m.uid, flags: m.flags.clone(), labels: labels(m) })
            .collect();
        let presence = match known {
            _ if habits.partial => Presence::Unknown,
            Some(known) if habits.qresync => {
                let gone: BTreeSet<Uid> =
                    it.vanished.iter().filter(|(modseq, _)| *modseq > known.get()).map(|(_, uid)| *uid).collect();
                Presence::Except(gone.into_iter().collect())
            }
            Some(_) if since.uid_next.is_some_and(|next| it.messages.range(..next).count() == since.count as usize) => {
                Presence::Except(UidRanges::none())
            }
            _ => Presence::Exactly(it.messages.keys().copied().collect()),
        };
        if habits.partial {
            let mut n = 0;
            items.retain(|_| {
                n += 1;
                n % 2 == 0
            });
        }
        Ok(RemoteChanges {
            validity: it.epoch(),
            uid_next: Uid::new(it.next),
            modseq: ModSeq::new(it.modseq).filter(|_| habits.condstore && !habits.partial),
            items,
            presence,
            keeps: habits.keeps.clone(),
            new_keywords: habits.new_keywords,
            read_only: false,
        })
    }

    fn push(&mut self, mailbox: &MailboxName, push: &Push<'_>) -> Result<Pushed, Fault> {
        if self.refuses.is_some_and(|refuses| refuses(mailbox, push)) {
            return Err(Fault::new(Doing::Pushing, mailbox.as_str(), Cause::Refused)
                .scope(Scope::Mailbox)
                .again(Again::Later)
                .detail("permission denied"));
        }
        let Habits { uidplus, moves, .. } = self.habits;
        let (keeps, labels) = (self.habits.keeps.clone(), self.habits.labels);
        let it = self.open_mut(mailbox, Doing::Pushing)?;
        match push {
            Push::Flags { uids, add, remove } => {
                let add = keeps.map_or_else(|| (*add).clone(), |keeps| add.common(&keeps));
                for uid in *uids {
                    it.store(*uid, &add, remove);
                }
                Ok(Pushed::Done)
            }
            Push::Labels { uids, add, remove } if labels => {
                for uid in *uids {
                    it.label(*uid, add, remove);
                }
                Ok(Pushed::Done)
            }
            Push::Labels { .. } => {
                Err(Fault::new(Doing::Pushing, mailbox.as_str(), Cause::NotOffered).scope(Scope::Mailbox))
            }
            Push::Append { bytes, flags, date } => {
                let uid = it.add(Arc::from(*bytes), (*flags).clone(), date.unwrap_or_default());
                Ok(Pushed::Appended(uidplus.then(|| (it.epoch(), uid))))
            }
            Push::Move { uids, to } if !uidplus && !moves => {
                self.open(to, Doing::Pushing)?;
                for uid in *uids {
                    self.copy(mailbox, *uid, to);
                    self.open_mut(mailbox, Doing::Pushing)?.store(*uid, &Flags::only(Flag::Deleted), &Flags::none());
                }
                Ok(Pushed::CopiedOnly)
            }
            Push::Move { uids, to } => {
                self.open(to, Doing::Pushing)?;
                let moved: Vec<(Uid, Uid)> =
                    uids.iter().filter_map(|uid| Some((*uid, self.relocate(mailbox, *uid, to)?))).collect();
                let epoch = self.open(to, Doing::Pushing)?.epoch();
                Ok(Pushed::Moved(uidplus.then_some((epoch, moved))))
            }
            Push::Expunge { uids } if uidplus => {
                for uid in *uids {
                    it.remove(*uid);
                }
                Ok(Pushed::Done)
            }
            Push::Expunge { uids } => {
                for uid in *uids {
                    it.store(*uid, &Flags::only(Flag::Deleted), &Flags::none());
                }
                Ok(Pushed::MarkedOnly)
            }
        }
    }
}

fn closed(doing: Doing) -> Fault {
    Fault::new(doing, "the server in memory", Cause::Closed).again(Again::Now).detail("the connection was cut")
}

fn missing(mailbox: &MailboxName, doing: Doing) -> Fault {
    Fault::new(doing, mailbox.as_str(), Cause::Missing).scope(Scope::Mailbox).detail("no such mailbox")
}

impl Connect for FakeServer {
    fn connect(&self) -> Result<Box<dyn Remote>, Fault> {
        let mut state = self.state();
        if state.outage {
            let fault = Fault::new(Doing::Connecting, "the server in memory", Cause::Unreachable);
            return Err(fault.detail("connection refused"));
        }
        if state.habits.refuses_sign_in {
            let fault = Fault::new(Doing::SigningIn, "the server in memory", Cause::SignInRefused);
            return Err(fault.again(Again::AfterUser).detail("invalid credentials"));
        }
        state.connections += 1;
        state.open += 1;
        state.busiest = state.busiest.max(state.open);
        let number = state.connections;
        drop(state);
        Ok(Box::new(session::FakeSession::new(self, number)))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::time::Duration;

    use super::*;
    use crate::mail::ids::RemoteId;
    use crate::remote::{Fetched, Sink, Waited, Want};

    struct Tray(Vec<(Uid, Vec<u8>)>, Vec<u8>);

    impl Sink for Tray {
        fn open(&mut self, _: &RemoteId, _: u64) -> Result<Box<dyn Write + '_>, Fault> {
            self.1.clear();
            Ok(Box::new(&mut self.1))
        }

        fn done(&mut self, message: Fetched) -> Result<(), Fault> {
            let RemoteId::Uid(_, uid) = message.id else { panic!() };
            self.0.push((uid, std::mem::take(&mut self.1)));
            Ok(())
        }

        fn stop(&self) -> bool {
            false
        }
    }

    fn inbox() -> MailboxName {
        MailboxName::inbox()
    }

    fn server_with(count: u32) -> FakeServer {
        let server = FakeServer::new();
        for n in 0..count {
            let bytes = format!("Message-ID: <{n}@x>\r\n\r\nbody {n}\r\n");
            server.deliver(&inbox(), bytes.as_bytes(), Flags::none(), Timestamp::new(1));
        }
        server
    }

    #[test]
    fn a_delta_tells_what_changed_since() {
        let server = server_with(3);
        let mut session = server.connect().unwrap();
        let all = session.changes(&inbox(), &Since::default()).unwrap();
        assert_eq!(all.items.len(), 3);
        server.expunge(&inbox(), Uid::new(2).unwrap());
        server.store(&inbox(), Uid::new(3).unwrap(), &Flags::only(Flag::Seen), &Flags::none());
        let since = Since { validity: Some(all.validity), modseq: all.modseq, uid_next: all.uid_next, count: 3 };
        let delta = session.changes(&inbox(), &since).unwrap();
        assert_eq!(delta.items.len(), 1);
        assert_eq!(delta.presence, Presence::Except(UidRanges::from_iter(Uid::new(2))));
    }

    #[test]
    fn a_lost_reply_leaves_its_effect() {
        let server = server_with(0);
        let mut session = server.connect().unwrap();
        server.cut_after(0, Cut::After);
        let push = Push::Append { bytes: b"x", flags: &Flags::none(), date: None };
        assert_eq!(session.push(&inbox(), &push).unwrap_err().cause, Cause::Closed);
        assert_eq!(server.messages(&inbox()).len(), 1);
        assert!(session.mailboxes().is_err(), "a cut session stays dead");
        assert!(server.connect().unwrap().mailboxes().is_ok());
    }

    #[test]
    fn a_fetch_can_break_in_the_middle_of_a_message() {
        let server = server_with(2);
        let mut session = server.connect().unwrap();
        server.cut_after(1, Cut::Before);
        let mut tray = Tray(Vec::new(), Vec::new());
        let uids: Vec<Uid> = server.messages(&inbox()).iter().map(|m| m.uid).collect();
        assert!(session.fetch(&inbox(), &uids, Want::Whole, &mut tray).is_err());
        assert_eq!(tray.0.len(), 1);
        assert!(!tray.1.is_empty(), "half of the second one has arrived");
    }

    #[test]
    fn waiting_ends_by_news_by_the_waker_and_by_an_outage() {
        let server = server_with(1);
        let mut session = server.connect().unwrap();
        assert_eq!(session.wait(&inbox(), Duration::ZERO).unwrap(), Waited::Quiet);
        server.deliver(&inbox(), b"x", Flags::none(), Timestamp::default());
        assert_eq!(session.wait(&inbox(), Duration::from_mins(1)).unwrap(), Waited::Changed);
        session.waker().wake();
        assert_eq!(session.wait(&inbox(), Duration::from_mins(1)).unwrap(), Waited::Woken);
        server.set_outage(true);
        assert!(session.wait(&inbox(), Duration::from_mins(1)).is_err());
        assert_eq!(server.connect().err().map(|fault| fault.cause), Some(Cause::Unreachable));
    }

    #[test]
    fn a_new_epoch_numbers_anew() {
        let server = server_with(3);
        server.expunge(&inbox(), Uid::new(1).unwrap());
        let mut session = server.connect().unwrap();
        let before = session.changes(&inbox(), &Since::default()).unwrap();
        server.renumber(&inbox());
        let after = session.changes(&inbox(), &Since::default()).unwrap();
        assert_ne!(before.validity, after.validity);
        assert_eq!(after.items.iter().map(|item| item.uid.get()).collect::<Vec<_>>(), [1, 2]);
    }
}
