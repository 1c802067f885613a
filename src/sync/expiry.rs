//! Mail that is too old to be kept whole: read, not flagged, and surely on the server, which is asked right
//! before. Its stub is durable first, then the ledger knows it, then the message is removed from this
//! disk: not into quarantine, since room is what this is for.

use std::time::{Duration, SystemTime};

use super::changes::fits;
use super::content::read;
use super::env::Halt;
use super::round::Round;
use crate::fault::Fault;
use crate::job::{Changed, PlaceChange, PlaceFile, SyncReport};
use crate::ledger::{Change, MailboxKey, Row, digest};
use crate::mail::flags::{Flag, Flags};
use crate::mail::ids::{MessageId, RemoteId, Timestamp, Uid, UidValidity};
use crate::mail::mailbox::MailboxName;
use crate::mail::place::{MailboxId, UniqueName};
use crate::mail::stub;
use crate::store::maildir::Maildir;
use crate::store::name::{self, Entry, Home};

/// Messages that one step takes at once.
const AT_ONCE: u32 = 200;
/// Messages that one round looks at, at most.
const IN_A_ROUND: u32 = 5_000;
/// How often it is looked, in seconds.
const PAUSE: i64 = 3_600;
/// What was written here not longer ago than this stays whole: someone opened it.
const FRESH: Duration = Duration::from_hours(7 * 24);

/// A mailbox in which mail expires.
struct Room<'a> {
    mailbox: &'a MailboxId,
    key: MailboxKey,
    maildir: &'a Maildir,
    epoch: UidValidity,
}

/// A message that gives way to its stub.
struct Leaver {
    row: Row,
    whole: Entry,
    flags: Flags,
    stub: UniqueName,
}

impl Round<'_> {
    /// Lets mail expire in these mailboxes, if it is time to look.
    pub(super) fn expire_all(&mut self, names: &[MailboxName]) -> Result<(), Halt> {
        let now = self.env.clock.now();
        let Some(horizon) = self.env.window().horizon(now).filter(|_| now >= self.memory.expiry) else {
            return Ok(());
        };
        let mut left = IN_A_ROUND;
        for name in names {
            match self.expire(name, horizon, &mut left) {
                Ok(()) => {}
                Err(halt) => self.pass_over(halt)?,
            }
        }
        // There is more: the next round goes on.
        if left > 0 {
            self.memory.expiry = now.plus(PAUSE);
        }
        Ok(())
    }

    fn expire(&mut self, name: &MailboxName, horizon: Timestamp, left: &mut u32) -> Result<(), Halt> {
        let mailbox = self.env.mailbox(name);
        let key = self.ledger.mailbox(&mailbox)?;
        let directory = self.env.root().directory(name)?;
        let Some(epoch) = self.ledger.agreed(key)?.validity.filter(|_| directory.join("cur").is_dir()) else {
            return Ok(());
        };
        let maildir = Maildir::open(&directory)?;
        let place = Room { mailbox: &mailbox, key, maildir: &maildir, epoch };
        let mut after = None;
        while *left > 0 {
            let rows = self.ledger.aged(key, horizon, after, AT_ONCE.min(*left))?;
            let Some(last) = rows.last() else { return Ok(()) };
            after = Some(last.uid);
            *left -= u32::try_from(rows.len()).unwrap_or(u32::MAX).min(*left);
            let rows = place.unused(rows)?;
            if rows.is_empty() {
                continue;
            }
            self.env.step()?;
            let rows = self.on_server(name, rows)?;
            let rows = self.christen(&place, rows)?;
            self.shrink(&place, rows)?;
        }
        Ok(())
    }

    /// Those of these messages that the server has at this moment, by all that is known of them.
    fn on_server(&mut self, name: &MailboxName, rows: Vec<Row>) -> Result<Vec<Row>, Halt> {
        let uids: Vec<Uid> = rows.iter().map(|row| row.uid).collect();
        let told = self.remote.identify(name, &uids)?;
        let has = |row: &Row| {
            told.iter().any(|told| {
                let id = told.message_id.as_deref().and_then(MessageId::new).map(|id| digest(id.as_str()));
                told.uid == row.uid && fits(told.size, row.size) && id.is_some() && id == row.digest
            })
        };
        Ok(rows.into_iter().filter(has).collect())
    }

    /// Gives the files of these messages names that tell their origin, so that whole and stub find each
    /// other whatever happens in between.
    fn christen(&mut self, place: &Room<'_>, mut rows: Vec<Row>) -> Result<Vec<Row>, Halt> {
        let home = Home::of(place.mailbox);
        let (mut rename, mut places) = (Vec::new(), Vec::new());
        for row in &mut rows {
            let origin = home.origin(row.unique.as_str());
            if origin.is_some_and(|origin| origin.validity == Some(place.epoch) && origin.uid == row.uid) {
                continue;
            }
            let Some(entry) = place.maildir.find(&row.unique)? else { continue };
            let Some(size) = place.maildir.size(&entry)? else { continue };
            let id = RemoteId::Uid(place.epoch, row.uid);
            let unique = name::fetched(place.mailbox, &id, name::date(row.unique.as_str()), size);
            if let Some(entry) = place.maildir.move_to(&entry, place.maildir, &unique)? {
                let flags = place.maildir.flags(&entry).union(&row.flags.words());
                let now = PlaceFile { path: place.maildir.path_of(&entry), flags, tells: None };
                places.push(PlaceChange { unique: unique.clone(), now: Some(now) });
                places.push(PlaceChange { unique: row.unique.clone(), now: None });
                rename.push((row.uid, unique.clone()));
                row.unique = unique;
            }
        }
        if !rename.is_empty() {
            place.maildir.settle()?;
            self.env.step()?;
            self.ledger.commit(&[(place.key, Change { rename, ..Change::default() })])?;
            (self.report)(SyncReport::Changed(Changed { mailbox: place.mailbox.clone(), places }));
            self.env.step()?;
        }
        Ok(rows)
    }

    fn shrink(&mut self, place: &Room<'_>, rows: Vec<Row>) -> Result<(), Halt> {
        let mut batch = place.maildir.batch();
        let mut leavers = Vec::new();
        for row in rows {
            if let Some((leaver, bytes)) = place.leaver(row)? {
                let size = bytes.len() as u64;
                let failed = |error: std::io::Error| {
                    Fault::io(crate::fault::Doing::Storing, place.mailbox.name.as_str(), &error)
                };
                std::io::Write::write_all(&mut batch.begin(size)?, &bytes).map_err(failed)?;
                batch.keep(&leaver.stub, &leaver.flags, size)?;
                leavers.push(leaver);
            }
        }
        if leavers.is_empty() {
            return Ok(());
        }
        self.env.step()?;
        let stored = batch.commit()?.stored;
        leavers.retain(|leaver| stored.iter().any(|stored| stored.unique == leaver.stub));
        self.env.step()?;
        let rename = leavers.iter().map(|leaver| (leaver.row.uid, leaver.stub.clone())).collect();
        self.ledger.commit(&[(place.key, Change { rename, ..Change::default() })])?;
        self.env.step()?;
        let mut places = Vec::new();
        for Leaver { row, whole, flags, stub } in leavers {
            let Some(mut entry) = place.maildir.find(&stub)? else { continue };
            if let Some(now) = place.maildir.find(&row.unique)? {
                // What was wished of the message in the meantime is wished of its stub.
                let wished = place.maildir.flags(&now);
                if wished != flags {
                    let (add, remove) = (wished.minus(&flags), flags.minus(&wished));
                    entry = place.maildir.set_flags(&entry, &add, &remove)?.unwrap_or(entry);
                }
            }
            place.maildir.remove(&whole)?;
            let flags = place.maildir.flags(&entry).union(&row.flags.words());
            let now = PlaceFile { path: place.maildir.path_of(&entry), flags, tells: None };
            places.push(PlaceChange { unique: stub, now: Some(now) });
            places.push(PlaceChange { unique: row.unique, now: None });
        }
        place.maildir.settle()?;
        (self.report)(SyncReport::Changed(Changed { mailbox: place.mailbox.clone(), places }));
        Ok(())
    }
}

impl Room<'_> {
    /// Those of these messages whose files nobody used of late, and which are read and not flagged here too.
    fn unused(&self, rows: Vec<Row>) -> Result<Vec<Row>, Fault> {
        let uniques: Vec<UniqueName> = rows.iter().map(|row| row.unique.clone()).collect();
        let found = self.maildir.find_all(&uniques)?;
        let now = SystemTime::now();
        let is_unused = |row: &Row| {
            let Some(entry) = found.get(&row.unique) else { return false };
            let flags = entry.flags();
            let written = std::fs::metadata(self.maildir.path_of(entry)).and_then(|about| about.modified());
            let is_fresh = written.is_ok_and(|at| now.duration_since(at).is_ok_and(|age| age < FRESH));
            flags.has(Flag::Seen) && !flags.has(Flag::Flagged) && !is_fresh
        };
        Ok(rows.into_iter().filter(is_unused).collect())
    }

    /// What is needed to let a message go, with its stub; `None`: it is not the message that the server
    /// has, or it is gone.
    fn leaver(&self, row: Row) -> Result<Option<(Leaver, Vec<u8>)>, Fault> {
        let (Some(whole), Some(file)) = (self.maildir.find(&row.unique)?, read(self.maildir, &row.unique)?) else {
            return Ok(None);
        };
        let identity = file.identity;
        if file.is_stub || !fits(identity.size, row.size) || identity.id.is_none() || identity.id != row.digest {
            return Ok(None);
        }
        let origin = Home::of(self.mailbox).origin(row.unique.as_str());
        if origin.is_none_or(|origin| origin.uid != row.uid) {
            return Ok(None);
        }
        let bytes = stub::make(&file.bytes, row.size);
        let id = RemoteId::Uid(self.epoch, row.uid);
        let date = name::date(row.unique.as_str());
        let stub = name::stub(self.mailbox, &id, date, bytes.len() as u64, row.size);
        let flags = self.maildir.flags(&whole);
        Ok(Some((Leaver { row, whole, flags, stub }, bytes)))
    }
}
