//! What the server says of one mailbox, compared with what both sides agreed on, and the questions
//! that are asked on both sides before a plan can be made without guessing. It changes nothing.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use super::apply::{known, read};
use super::changes::{Allows, Base, Identity, Present, ServerChanges, ServerListing, diff_server};
use super::env::Halt;
use super::look::Look;
use super::moves::Side;
use super::plan::{Unsure, unsure};
use super::round::Round;
use crate::fault::{Fault, Scope};
use crate::ledger::digest;
use crate::mail::ids::{MessageId, Uid};
use crate::remote::{Presence, RemoteChanges, Since, Want};

/// How often questions are answered before what is still unsure is left unpaired.
const ANSWERS: usize = 4;
/// Messages over this size are not fetched only to compare them.
const COMPARABLE: u64 = 64 << 20;

impl Round<'_> {
    pub(super) fn changes(&mut self, look: &Look) -> Result<RemoteChanges, Fault> {
        // Whether a fetched file without a row is still on the server only a full listing tells.
        let orphans = look
            .side
            .changes
            .new
            .values()
            .any(|file| file.origin.is_some_and(|(epoch, _)| Some(epoch) == look.agreed.validity));
        let since = Since {
            validity: look.agreed.validity,
            modseq: look.agreed.modseq.filter(|_| !orphans),
            uid_next: look.agreed.uid_next.filter(|_| !orphans),
            count: u32::try_from(look.count).unwrap_or(u32::MAX),
        };
        self.remote.changes(&look.mailbox.name, &since)
    }

    /// Compares what the server told with the base, of which only the rows that it touches are
    /// read if both sides told no more than what changed.
    pub(super) fn compare(&mut self, look: &mut Look, told: &RemoteChanges) -> Result<ServerChanges, Fault> {
        let rights = self.remote.rights();
        let writable = !told.read_only;
        let listing = ServerListing {
            epoch: told.validity,
            items: told.items.iter().map(|item| (item.uid, item.flags.clone())).collect(),
            present: match &told.presence {
                Presence::Exactly(uids) => Present::Exactly(uids.iter().copied().collect()),
                Presence::Except(uids) => Present::Except(uids.clone()),
                Presence::Unknown => Present::Unknown,
            },
            allows: Allows {
                keeps: told.keeps.clone(),
                new_keywords: told.new_keywords,
                flags: rights.flags && writable,
                append: rights.append && writable,
                delete: rights.delete && writable,
                r#move: rights.r#move && writable,
            },
        };
        if !look.read {
            let restarted = look.agreed.validity.is_some_and(|known| known != told.validity);
            look.side.base = match &told.presence {
                Presence::Except(gone) if !restarted => {
                    let touched: Vec<Uid> = listing.items.keys().copied().collect();
                    let mut rows = self.ledger.rows_of_uids(look.key, &touched)?;
                    rows.append(&mut self.ledger.rows_of_ranges(look.key, gone)?);
                    Base::new(look.agreed.validity, rows.into_iter().map(known))
                }
                _ => self.base(look.key, &look.agreed)?,
            };
        }
        Ok(diff_server(&listing, &look.side.base))
    }

    /// Finds out what the plan cannot be made without.
    pub(super) fn answer(&mut self, look: &mut Look, server: &mut ServerChanges) -> Result<(), Halt> {
        for _ in 0..ANSWERS {
            let asked = unsure(server, &look.side.changes, &look.side.base);
            if asked.is_empty() {
                break;
            }
            self.env.step()?;
            self.answer_here(look, &asked);
            self.answer_there(look, server, &asked)?;
        }
        Ok(())
    }

    pub(super) fn answer_here(&mut self, look: &mut Look, asked: &Unsure) {
        let Some(maildir) = &look.maildir else { return };
        let Side { base, changes, .. } = &mut look.side;
        for unique in &asked.files {
            let found = match read(maildir, unique) {
                Ok(found) => found,
                Err(fault) => {
                    // Nobody can say what it is, so it is left alone.
                    self.outcome.faults.push(fault.scope(Scope::Message).of(&self.env.account.id));
                    None
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
        let name = &look.mailbox.name;
        if !asked.uids.is_empty() {
            let mut found: BTreeMap<Uid, Identity> = BTreeMap::new();
            for item in self.remote.identify(name, &asked.uids)? {
                let id = item.message_id.as_deref().and_then(MessageId::new).map(|id| digest(id.as_str()));
                found.insert(item.uid, Identity { size: item.size, id, digest: None });
            }
            for uid in &asked.uids {
                match (found.get(uid), server.new.get_mut(uid)) {
                    (Some(identity), Some(new)) => new.identity = Some(*identity),
                    // It is gone meanwhile.
                    _ => drop(server.new.remove(uid)),
                }
            }
        }
        for uid in &asked.digests {
            let Some(new) = server.new.get_mut(uid) else { continue };
            let Some(identity) = &mut new.identity else { continue };
            let mut glass = Glass::default();
            if identity.size <= COMPARABLE {
                self.remote.fetch(name, &[*uid], Want::Whole, &mut glass)?;
            }
            // What cannot be read is like nothing else.
            identity.digest = Some(glass.digest.unwrap_or_default());
        }
        Ok(())
    }
}

/// Looks at a message without keeping it.
#[derive(Default)]
struct Glass {
    hash: Sha256,
    digest: Option<[u8; 32]>,
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
