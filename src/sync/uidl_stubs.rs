//! Stubs of mail that came by POP3, where names tell no numbers and the server knows one mailbox alone: which files
//! are of one message, which stubs still lie in INBOX, which row a stub has that was filed elsewhere, and what is left
//! to do there after a stop. Whatever is taken for the same message has the same Message-ID, since a server may give
//! its ids (UIDL) out anew.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::changes::{Base, LocalListing};
use super::content::read;
use super::env::{Env, Halt};
use super::round::Round;
use super::stubs::{stem, take_over_flags};
use crate::fault::Fault;
use crate::job::{Changed, PlaceChange, SyncReport};
use crate::ledger::{Change, Intent, Ledger, MailboxKey, Row, digest};
use crate::mail::ids::{MessageId, Uid};
use crate::mail::mailbox::MailboxName;
use crate::mail::place::{Place, UniqueName};
use crate::store::maildir::Maildir;
use crate::store::name::{self, Entry, Home};
use crate::store::scan::{self, Scan};

/// The [`stem`] of a name, if tern gave it to what came from there by POP3.
fn stem_of<'a>(home: &Home, unique: &'a UniqueName) -> Option<&'a str> {
    home.mark(unique.as_str()).map(|_| stem(unique))
}

/// The files at rest that are of the same message as one that is not: a stub and what it stands for.
pub(super) fn siblings(home: &Home, scan: &Scan, resting: &[bool]) -> Vec<UniqueName> {
    let names = |rests: bool| {
        let those = scan.entries.iter().zip(resting).filter(move |(_, at_rest)| **at_rest == rests);
        those.filter(|(entry, _)| home.mark(entry.base()).is_some()).filter_map(|(entry, _)| entry.unique())
    };
    let mut stirred: BTreeMap<String, bool> = BTreeMap::new();
    for unique in names(false) {
        let has_stub = unique.stub_size().is_some();
        if let Some(stem) = stem_of(home, &unique) {
            *stirred.entry(stem.to_owned()).or_default() |= has_stub;
        }
    }
    if stirred.is_empty() {
        return Vec::new();
    }
    let is_one = |unique: &UniqueName| {
        let other = stem_of(home, unique).and_then(|stem| stirred.get(stem));
        other.is_some_and(|has_stub| *has_stub || unique.stub_size().is_some())
    };
    names(true).filter(is_one).collect()
}

/// Tells of the files of messages that are here as stubs, or were, which number each has: as IMAP's names do.
pub(super) fn number(maildir: &Maildir, home: &Home, listing: &mut LocalListing, base: &Base) -> Result<(), Fault> {
    let Some(epoch) = base.epoch() else { return Ok(()) };
    let names = listing.files.iter().map(|file| &file.unique).chain(base.iter().map(|(_, row)| &row.unique));
    let stubs: BTreeSet<String> = names
        .filter(|unique| unique.stub_size().is_some())
        .filter_map(|unique| stem_of(home, unique).map(str::to_owned))
        .collect();
    if stubs.is_empty() {
        return Ok(());
    }
    let mut uids: BTreeMap<(String, u64), Uid> = BTreeMap::new();
    for (uid, row) in base.iter() {
        let known = stem_of(home, &row.unique).filter(|stem| stubs.contains(*stem)).map(str::to_owned);
        uids.extend(known.zip(row.identity.id).map(|known| (known, uid)));
    }
    for file in &mut listing.files {
        let Some(stem) = stem_of(home, &file.unique).filter(|stem| stubs.contains(*stem)).map(str::to_owned) else {
            continue;
        };
        let uid = if let Some(uid) = base.uid_of(&file.unique) {
            Some(uid)
        } else {
            // Few are without a row, and only after a stop.
            let id = read(maildir, &file.unique)?.and_then(|read| read.identity.id);
            id.and_then(|id| uids.get(&(stem, id)).copied())
        };
        file.origin = uid.map(|uid| (epoch, uid)).or(file.origin);
    }
    Ok(())
}

/// Leaves those of these stubs that lie there still, with the flags that they have: the server hears of none, and
/// what was filed or deleted here keeps its row.
pub(super) fn lying_here(maildir: &Maildir, stubs: &mut Vec<Row>) -> Result<(), Fault> {
    let names: Vec<UniqueName> = stubs.iter().map(|row| row.unique.clone()).collect();
    let found = maildir.find_all(&names)?;
    stubs.retain_mut(|row| {
        let Some(entry) = found.get(&row.unique) else { return false };
        row.flags = row.flags.union(&maildir.flags(entry));
        true
    });
    Ok(())
}

/// The row of a stub that was filed from INBOX into another folder, with the name that it has there.
pub(super) fn row_of_filed(
    env: &Env,
    ledger: &Ledger,
    inbox: MailboxKey,
    stub: &Place,
    folder: &Maildir,
) -> Result<Option<Row>, Fault> {
    let Some(size) = stub.unique.stub_size() else { return Ok(None) };
    let Some(entry) = folder.find(&stub.unique)? else { return Ok(None) };
    let id = folder.read_entry(&entry)?.and_then(|bytes| MessageId::in_header(&bytes));
    let Some(id) = id.map(|id| digest(id.as_str())) else { return Ok(None) };
    let mut rows = ledger.stubs(inbox)?;
    rows.retain(|row| (row.size, row.digest) == (size, Some(id)));
    // One whose stub lies in INBOX is that of another copy.
    let directory = env.root().directory(&MailboxName::inbox())?;
    if directory.join("cur").is_dir() {
        let names: Vec<UniqueName> = rows.iter().map(|row| row.unique.clone()).collect();
        let here = Maildir::open(&directory)?.find_all(&names)?;
        rows.retain(|row| !here.contains_key(&row.unique));
    }
    let named = rows.iter().position(|row| row.unique == stub.unique);
    let row = named.or((rows.len() == 1).then_some(0)).map(|at| rows.swap_remove(at));
    Ok(row.map(|row| Row { unique: stub.unique.clone(), ..row }))
}

impl Round<'_> {
    /// Ends what a stop left half done where a stub became whole: else header and message lie side by side in a folder
    /// that no round reads, or apart if the user filed the header meanwhile.
    pub(super) fn finish_completions(&mut self) -> Result<(), Halt> {
        for pending in self.ledger.intents(&self.env.account.id)? {
            if let Intent::Complete { folder, validity, uid, stub } = pending.intent {
                self.env.step()?;
                let key = self.ledger.mailbox(&self.env.mailbox(&MailboxName::inbox()))?;
                let row = self.ledger.rows_of_uids(key, &[uid])?.pop();
                let same_epoch = self.ledger.agreed(key)?.validity == Some(validity);
                if let Some(row) = row.filter(|_| same_epoch) {
                    self.finish_completion(key, &row, &folder.name, &stub)?;
                }
                self.ledger.settle(&[pending.id])?;
            }
        }
        Ok(())
    }

    /// Brings the message to where its stub lies, and takes the stub away.
    fn finish_completion(
        &mut self,
        key: MailboxKey,
        row: &Row,
        folder: &MailboxName,
        stub: &UniqueName,
    ) -> Result<(), Fault> {
        let (mut left, mut whole) = (None, None);
        let mut folders: Vec<(MailboxName, PathBuf)> = self.env.root().list().found.into_iter().collect();
        // Where the stub was at first, and where the message comes to.
        folders.sort_by_key(|(name, _)| (name != folder, !name.is_inbox()));
        for (name, directory) in folders {
            let maildir = Maildir::open(&directory)?;
            if left.is_none() {
                left = maildir.find(stub)?.map(|entry| (name.clone(), maildir.clone(), entry));
            }
            if whole.is_none() && (name == *folder || name.is_inbox()) {
                whole = whole_of(&maildir, row)?.map(|(unique, entry)| (name.clone(), maildir, unique, entry));
            }
            if left.is_some() && whole.is_some() {
                break;
            }
        }
        // Without the one or the other there is nothing to choose.
        let (Some((name, maildir, left)), Some((from, beside, unique, entry))) = (left, whole) else { return Ok(()) };
        if row.unique != unique {
            let sizes = name::size(unique.as_str()).map(|size| (row.uid, size)).into_iter().collect();
            let rename = vec![(row.uid, unique.clone())];
            self.ledger.commit(&[(key, Change { rename, sizes, ..Change::default() })])?;
        }
        if from != name {
            let Some(_) = beside.move_to(&entry, &maildir, &unique)? else { return Ok(()) };
            maildir.settle()?;
            beside.settle()?;
            let places = vec![PlaceChange { unique: unique.clone(), now: None }];
            (self.report)(SyncReport::Changed(Changed { mailbox: self.env.mailbox(&from), places }));
        }
        if let Some(entry) = maildir.find(&unique)? {
            take_over_flags(&maildir, &unique, &maildir.flags(&entry), &maildir.flags(&left))?;
        }
        maildir.remove(&left)?;
        maildir.settle()?;
        let now = maildir.find(&unique)?.map(|entry| maildir.place_file(&entry));
        let places = [(unique, now), (stub.clone(), None)].map(|(unique, now)| PlaceChange { unique, now }).into();
        (self.report)(SyncReport::Changed(Changed { mailbox: self.env.mailbox(&name), places }));
        Ok(())
    }
}

/// The message itself that lies in a folder beside its stub: under the name that the row tells, else under one of the
/// same origin and with the same Message-ID.
fn whole_of(folder: &Maildir, row: &Row) -> Result<Option<(UniqueName, Entry)>, Fault> {
    if row.unique.stub_size().is_none() {
        return Ok(folder.find(&row.unique)?.map(|entry| (row.unique.clone(), entry)));
    }
    for entry in scan::scan(folder)?.entries {
        let Some(unique) = entry.unique() else { continue };
        if unique.stub_size().is_some() || stem(&unique) != stem(&row.unique) {
            continue;
        }
        let id = read(folder, &unique)?.and_then(|read| read.identity.id);
        if id.is_some() && id == row.digest {
            return Ok(Some((unique, entry)));
        }
    }
    Ok(None)
}
