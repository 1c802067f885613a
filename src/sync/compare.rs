//! What the server says of the mailboxes, compared with what both sides agreed on; and the questions that are
//! asked on both sides before a plan can be made without guessing. It changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use sha2::{Digest as _, Sha256};

use super::apply::known;
use super::changes::{Allows, Identity, Present, Sealed, ServerChanges, ServerListing, diff_server};
use super::content::read;
use super::doubt::Settled;
use super::env::Halt;
use super::keywords::Lettering;
use super::look::Look;
use super::moves::Side;
use super::plan::{Unsure, unsure};
use super::round::Round;
use crate::fault::{Fault, Scope};
use crate::ledger::{Agreed, digest};
use crate::mail::ids::{MessageId, ModSeq, Uid, UidValidity};
use crate::mail::labels::{Label, Labels};
use crate::mail::place::UniqueName;
use crate::remote::{Presence, RemoteChanges, RemoteItem, Since};
use crate::store::maildir::Maildir;
use crate::store::name::{self, Home};

/// How often questions are answered before what is still unsure is left unpaired.
const ANSWERS: usize = 4;

/// What the server said of a mailbox as a whole.
#[derive(Debug, Clone, Copy)]
pub(super) struct Heard {
    pub(super) validity: UidValidity,
    pub(super) uid_next: Option<Uid>,
    pub(super) modseq: Option<ModSeq>,
    /// Did it tell which messages are there? Else nothing may be taken for taken in.
    pub(super) certain: bool,
    /// Did it tell of each message that is there, whether it changed or not?
    pub(super) in_full: bool,
}

/// Both sides of a mailbox, compared with the base.
pub(super) struct Sight {
    pub(super) look: Look,
    pub(super) heard: Heard,
    pub(super) server: ServerChanges,
    pub(super) settled: Settled,
}

impl Round<'_> {
    /// Lets the server be asked about the mailbox that comes first while it lists all of them.
    pub(super) fn expect_anchor(&mut self) -> Result<(), Fault> {
        let name = self.anchor();
        let key = self.ledger.mailbox(&self.env.mailbox(&name))?;
        let agreed = self.ledger.agreed(key)?;
        if agreed.modseq.is_some() && agreed.complete_at.get() != 0 && self.env.wants(&name) {
            let Agreed { validity, modseq, uid_next, .. } = agreed;
            self.remote.expect(&name, &Since { validity, modseq, uid_next, count: self.ledger.count(key)? });
        }
        Ok(())
    }

    /// What the server is asked about a mailbox: what changed since, or all of it.
    pub(super) fn since(look: &Look) -> Since {
        let Look { agreed, side, .. } = look;
        // Whether a fetched file without a row is still on the server only a full listing tells.
        let orphan = |(epoch, _)| Some(epoch) == agreed.validity;
        let orphans = side.changes.new.values().any(|file| file.origin.is_some_and(orphan));
        let in_full = look.due || orphans;
        Since {
            validity: agreed.validity,
            modseq: agreed.modseq.filter(|_| !in_full),
            uid_next: agreed.uid_next.filter(|_| !in_full),
            count: u32::try_from(look.count).unwrap_or(u32::MAX),
        }
    }

    /// Finds files that were fetched by an id of the server's own (POP3) and have no row: their names tell it.
    pub(super) fn recognise(&self, look: &mut Look, told: &RemoteChanges) {
        let home = Home::of(&look.mailbox);
        let new = &mut look.side.changes.new;
        let mut marked: BTreeMap<String, Vec<UniqueName>> = BTreeMap::new();
        for unique in new.iter().filter(|(_, file)| file.origin.is_none()).map(|(unique, _)| unique) {
            if let Some(mark) = home.mark(unique.as_str()) {
                marked.entry(mark.to_owned()).or_default().push(unique.clone());
            }
        }
        if marked.is_empty() {
            return;
        }
        for uid in told.items.iter().map(|item| item.uid) {
            let Some(uidl) = self.remote.uidl(uid) else { continue };
            for unique in marked.remove(&Home::mark_of(uidl)).unwrap_or_default() {
                if let Some(file) = new.get_mut(&unique) {
                    file.origin = Some((told.validity, uid));
                }
            }
        }
    }

    /// Compares what the server told with the base, of which only the rows that both sides' changes
    /// touch are kept in mind.
    pub(super) fn compare(&mut self, mut look: Look, since: &Since, told: RemoteChanges) -> Result<Sight, Fault> {
        self.recognise(&mut look, &told);
        let rights = self.remote.rights();
        let writable = !told.read_only;
        let restarted = look.side.base.is_outdated(told.validity);
        let from_nothing = since.modseq.is_none();
        let in_full = match told.presence {
            Presence::Exactly(_) => restarted || from_nothing,
            Presence::Except(_) => from_nothing,
            Presence::Unknown => false,
        };
        let heard = Heard {
            validity: told.validity,
            uid_next: told.uid_next,
            modseq: told.modseq,
            certain: told.presence != Presence::Unknown,
            in_full,
        };
        let labelled = self.is_home(&look.mailbox.name);
        let (mut items, mut unlabelled) = (BTreeMap::new(), Vec::new());
        for RemoteItem { uid, flags, labels } in told.items {
            let told_nothing = labels.is_none();
            let flags = match labels.filter(|_| labelled) {
                // A star is a flag here, and nothing besides.
                Some(labels) => flags.with_labels(&labels.minus(&Labels::from_iter([Label::Starred]))),
                None => flags,
            };
            if labelled && told_nothing {
                unlabelled.push(uid);
            }
            items.insert(uid, flags);
        }
        let mut listing = ServerListing {
            epoch: told.validity,
            items,
            present: match told.presence {
                Presence::Exactly(uids) => Present::Exactly(uids.into_iter().collect()),
                Presence::Except(uids) => Present::Except(uids),
                Presence::Unknown => Present::Unknown,
            },
            allows: Allows {
                keeps: told.keeps,
                new_keywords: told.new_keywords,
                flags: rights.flags && writable,
                append: rights.append && writable,
                delete: rights.delete && writable,
                r#move: rights.r#move && writable,
                labels: labelled,
            },
        };
        let rows = match &listing.present {
            Present::Except(gone) if !restarted => {
                let touched: Vec<Uid> = listing.items.keys().copied().collect();
                let mut rows = self.ledger.rows_of_uids(look.key, &touched)?;
                rows.append(&mut self.ledger.rows_of_ranges(look.key, gone)?);
                rows
            }
            _ => self.ledger.rows(look.key)?,
        };
        if !look.read {
            look.lettering = Lettering::unmoved(self.ledger.letters(look.key)?);
        }
        let Side { base, changes, .. } = &mut look.side;
        // What was kept of what was read is needed further on.
        let kept: BTreeSet<Uid> = base.iter().map(|(uid, _)| uid).collect();
        base.complete(rows.into_iter().map(known));
        for uid in unlabelled.iter().filter(|_| !restarted) {
            // What the server did not tell of is as it was.
            if let (Some(row), Some(flags)) = (base.get(*uid), listing.items.get_mut(uid)) {
                *flags = std::mem::take(flags).with_labels(&row.flags.labels());
            }
        }
        let mut server = diff_server(&listing, base);
        if !restarted {
            let mut touched = changes.touched(Some(server.epoch));
            // All that is ever looked up in it later, and a set of all UIDs is large.
            server.exactly = server.exactly.map(|uids| uids.intersection(&touched).copied().collect());
            touched.extend(server.flags.keys().chain(&server.gone).chain(&kept));
            base.keep_only(&touched);
        }
        Ok(Sight { look, heard, server, settled: Settled::default() })
    }

    /// Finds out what the plan cannot be made without.
    pub(super) fn answer(&mut self, look: &mut Look, server: &mut ServerChanges) -> Result<(), Halt> {
        for _ in 0..ANSWERS {
            let mut asked = unsure(server, &look.side.changes, &look.side.base);
            if !self.remote.rights().append && look.agreed.validity == Some(server.epoch) {
                // Files that only this disk has stay that way: nothing but an origin pairs them any more.
                let new = &look.side.changes.new;
                asked.files.retain(|unique| new.get(unique).is_none_or(|file| file.origin.is_some()));
                (asked.uids, asked.digests) = (Vec::new(), Vec::new());
            }
            if asked.is_empty() {
                break;
            }
            self.env.step()?;
            self.answer_here(look, server, &asked);
            self.answer_there(look, server, &asked)?;
        }
        Ok(())
    }

    fn answer_here(&mut self, look: &mut Look, server: &ServerChanges, asked: &Unsure) {
        let Some(maildir) = &look.maildir else { return };
        let home = Home::of(&look.mailbox);
        // What was taken in once is no file that was never seen before.
        let is_met = !server.restarted && look.agreed.uid_next.is_some();
        let Side { base, changes, .. } = &mut look.side;
        for unique in &asked.files {
            let found = match read(maildir, unique) {
                Ok(found) => found,
                Err(fault) => {
                    // It is not gone for that, and what it may be is neither fetched nor uploaded beside it.
                    let row = base.uid_of(unique).and_then(|uid| base.get(uid));
                    let sealed = match row {
                        Some(row) => Sealed::Known(row.identity),
                        None if is_met => Sealed::Named,
                        None => Sealed::Sized(sizes(maildir, unique, &home)),
                    };
                    changes.sealed.insert(unique.clone(), sealed);
                    let words = format!(
                        "{}; it stays as it is, and what it may be is not fetched before it can be read or is moved away",
                        fault.detail
                    );
                    let fault = fault.scope(Scope::Message).detail(&words);
                    self.outcome.faults.push(fault.of(&self.env.account.id));
                    continue;
                }
            };
            let uid = base.uid_of(unique);
            match (found, uid) {
                (Some(found), Some(uid)) => base.identify(uid, found.identity),
                (None, Some(uid)) => {
                    changes.gone.insert(uid);
                }
                (Some(found), None) => {
                    if let Some(file) = changes.new.get_mut(unique) {
                        file.identity = Some(found.identity);
                    }
                }
                (None, None) => {
                    changes.new.remove(unique);
                }
            }
        }
    }

    pub(super) fn answer_there(&mut self, look: &Look, server: &mut ServerChanges, asked: &Unsure) -> Result<(), Halt> {
        let mailbox = &look.mailbox.name;
        if !asked.uids.is_empty() {
            let mut found: BTreeMap<Uid, Identity> = BTreeMap::new();
            for item in self.remote.identify(mailbox, &asked.uids)? {
                let id = item.message_id.as_deref().and_then(MessageId::new).map(|id| digest(id.as_str()));
                found.insert(item.uid, Identity { size: item.size, id, digest: None });
            }
            for uid in &asked.uids {
                match (found.get(uid), server.new.get_mut(uid)) {
                    (Some(identity), Some(new)) => new.identity = Some(Box::new(*identity)),
                    // It is gone meanwhile.
                    _ => drop(server.new.remove(uid)),
                }
            }
        }
        if asked.digests.is_empty() {
            return Ok(());
        }
        let mut contents = self.contents_there(look, server, &asked.digests)?;
        for uid in &asked.digests {
            if let Some(identity) = server.new.get_mut(uid).and_then(|new| new.identity.as_mut()) {
                // What cannot be read is like nothing else.
                identity.digest = Some(contents.remove(uid).unwrap_or_default());
            }
        }
        Ok(())
    }
}

/// The sizes that a file which cannot be read may have as a message: with each line end as CRLF.
fn sizes(maildir: &Maildir, unique: &UniqueName, home: &Home) -> RangeInclusive<u64> {
    let told = unique.stub_size().or_else(|| {
        // As it was fetched it lies here, if tern gave it its name.
        home.origin(unique.as_str()).filter(|origin| origin.validity.is_some())?;
        name::size(unique.as_str())
    });
    if let Some(size) = told {
        return size..=size;
    }
    let file = maildir.find(unique).ok().flatten().and_then(|entry| maildir.path_of(&entry).symlink_metadata().ok());
    file.map_or(0..=u64::MAX, |file| file.len()..=file.len().saturating_mul(2))
}

/// Looks at a message without keeping it.
#[derive(Default)]
pub(super) struct Glass {
    hash: Sha256,
    /// Its SHA-256, if it came whole.
    pub(super) digest: Option<[u8; 32]>,
}

impl crate::remote::Sink for Glass {
    fn open(&mut self, _: &crate::mail::ids::RemoteId, _: u64) -> Result<Box<dyn std::io::Write + '_>, Fault> {
        self.hash = Sha256::new();
        Ok(Box::new(&mut self.hash))
    }

    fn done(&mut self, message: crate::remote::Fetched) -> Result<(), Fault> {
        if message.trouble.is_none() {
            self.digest = Some(std::mem::take(&mut self.hash).finalize().into());
        }
        Ok(())
    }

    fn stop(&self) -> bool {
        false
    }
}
