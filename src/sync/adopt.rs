//! The first meeting with a mailbox that another sync program kept so far: what that program knows of it
//! becomes the base, so that no message is fetched or even asked for again, and what changed on either
//! side since its last run is brought together. Nothing of it is believed unless the epochs fit; what is
//! not believed is paired by what the messages are, as everywhere.

use std::collections::{BTreeMap, BTreeSet};

use super::apply::{known, row};
use super::changes::{Agreed as Known, Base, Identity};
use super::content::read;
use super::env::Halt;
use super::look::Look;
use super::round::Round;
use crate::job::sync::Keeper;
use crate::ledger::keeper::offlineimap_status;
use crate::ledger::{Agreed, Change, Row, digest};
use crate::mail::flags::Flags;
use crate::mail::ids::{MessageId, Uid};
use crate::mail::place::UniqueName;
use crate::remote::RemoteChanges;
use crate::store::adopt::{Claim, Kept, claim};
use crate::store::maildir::Maildir;

/// How many messages show whether UIDs in names are the server's.
const SAMPLE: usize = 20;

impl Round<'_> {
    /// Takes over what another program knows of a mailbox that was never met.
    pub(super) fn adopt(&mut self, look: &mut Look, told: &RemoteChanges) -> Result<(), Halt> {
        let Some(maildir) = look.maildir.clone() else { return Ok(()) };
        let is_first = look.read && look.agreed.validity.is_none() && look.count == 0;
        if !is_first {
            return Ok(());
        }
        let files: Vec<&UniqueName> = look.side.changes.new.keys().collect();
        let Some(claim) = claim(maildir.path(), &look.mailbox.name, &files, self.env.home.as_deref()) else {
            return Ok(());
        };
        if !self.is_credible(look, &maildir, &claim, told)? {
            return Ok(());
        }
        let written: BTreeMap<Uid, Flags> = claim.databases.iter().flat_map(|path| offlineimap_status(path)).collect();
        let mut rows: Vec<Row> = Vec::with_capacity(claim.files.len());
        for (unique, mut kept) in claim.files {
            self.env.step()?;
            kept.flags = kept.flags.or_else(|| written.get(&kept.uid).cloned());
            let Ok(Some(found)) = read(&maildir, &unique) else { continue };
            let Some(flags) = base_flags(look, told, &unique, &kept) else { continue };
            rows.push(row(kept.uid, &Known { unique, flags, identity: found.identity }));
        }
        if rows.is_empty() {
            return Ok(());
        }
        let count = rows.len();
        let agreed = Agreed { validity: Some(told.validity), ..look.agreed };
        if self.memory.dry.is_none() {
            // In one step: half of it would be taken for all.
            let change = Change { put: rows.clone(), agreed: Some(agreed), ..Change::default() };
            self.ledger.commit(&[(look.key, change)])?;
        }
        let base = Base::new(Some(told.validity), rows.into_iter().map(known));
        for (uid, row) in base.iter() {
            if let Some(file) = look.side.changes.new.remove(&row.unique).filter(|file| file.flags != row.flags) {
                look.side.changes.flags.insert(uid, file.flags);
            }
        }
        (look.side.base, look.agreed, look.count) = (base, agreed, count);
        look.kept = Some((claim.keeper, count as u64));
        Ok(())
    }

    /// Are the UIDs of a claim those of the server's messages?
    fn is_credible(
        &mut self,
        look: &Look,
        maildir: &Maildir,
        claim: &Claim,
        told: &RemoteChanges,
    ) -> Result<bool, Halt> {
        let fits = claim.epochs.contains(&told.validity);
        let may_be = match claim.keeper {
            // Its state names both sides' epochs, and the Maildir's own was compared already.
            Keeper::Mbsync => fits,
            // Its names tell no epoch, and its other files not of which account they are.
            Keeper::OfflineImap => fits || claim.epochs.is_empty(),
        };
        // Some servers give every mailbox the same epoch, so that of another account may fit as well.
        if may_be { self.sample(look, maildir, claim, told) } else { Ok(false) }
    }

    /// Compares some messages, from the oldest to the newest, with what the server says of them.
    fn sample(&mut self, look: &Look, maildir: &Maildir, claim: &Claim, told: &RemoteChanges) -> Result<bool, Halt> {
        let there: BTreeSet<Uid> = told.items.iter().map(|item| item.uid).collect();
        let mut both: Vec<(Uid, &UniqueName)> = claim
            .files
            .iter()
            .map(|(unique, kept)| (kept.uid, unique))
            .filter(|(uid, _)| there.contains(uid))
            .collect();
        both.sort_unstable();
        let stride = both.len().div_ceil(SAMPLE).max(1);
        let sample: Vec<_> = both.into_iter().step_by(stride).collect();
        let uids: Vec<Uid> = sample.iter().map(|(uid, _)| *uid).collect();
        if uids.is_empty() {
            return Ok(false);
        }
        let mut same = 0;
        for item in self.remote.identify(&look.mailbox.name, &uids)? {
            let Some((_, unique)) = sample.iter().find(|(uid, _)| *uid == item.uid) else { continue };
            let Ok(Some(file)) = read(maildir, unique) else { continue };
            let id = item.message_id.as_deref().and_then(MessageId::new).map(|id| digest(id.as_str()));
            let there = Identity { size: item.size, id, digest: None };
            // What a server announces as a size may be a guess, so the sizes say nothing.
            match (there.id, file.identity.id) {
                (Some(there), Some(here)) if there == here => same += 1,
                (None, None) => {}
                _ => return Ok(false),
            }
        }
        Ok(same > 0)
    }
}

/// The flags that both sides had: what is written down, else what both have now. `None`: neither tells.
fn base_flags(look: &Look, told: &RemoteChanges, unique: &UniqueName, kept: &Kept) -> Option<Flags> {
    if let Some(flags) = &kept.flags {
        return Some(flags.clone());
    }
    let here = &look.side.changes.new.get(unique)?.flags;
    let there = told.items.binary_search_by(|item| item.uid.cmp(&kept.uid)).ok().and_then(|at| told.items.get(at))?;
    Some(here.common(&there.flags))
}
