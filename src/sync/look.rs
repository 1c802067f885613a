//! One mailbox as it lies on disk: its directories are asked first, its files are read only if those
//! moved, and what moved from one mailbox to another is found by laying all of them side by side. It
//! asks no server.

use super::apply::{known, read};
use super::changes::{Base, LocalChanges, LocalFile, LocalListing, diff_local};
use super::env::Halt;
use super::keywords::Lettering;
use super::moves::{Side, join_moves};
use super::round::Round;
use crate::fault::Fault;
use crate::job::files::DirStamp;
use crate::ledger::{Agreed, MailboxKey};
use crate::mail::mailbox::MailboxName;
use crate::mail::place::MailboxId;
use crate::store::maildir::Maildir;
use crate::store::name::Home;
use crate::store::scan;

/// One mailbox as it was found on disk.
pub(super) struct Look {
    pub(super) mailbox: MailboxId,
    pub(super) key: MailboxKey,
    pub(super) agreed: Agreed,
    pub(super) count: usize,
    pub(super) maildir: Option<Maildir>,
    /// Were the files read? Else their directories have not moved.
    pub(super) read: bool,
    pub(super) stamp: DirStamp,
    pub(super) side: Side,
    /// What its names tell of keywords.
    pub(super) lettering: Lettering,
}

impl Round<'_> {
    /// Looks at one mailbox on disk; its files are read only if its directories moved.
    pub(super) fn look(&mut self, name: &MailboxName) -> Result<Look, Halt> {
        let mailbox = self.env.mailbox(name);
        let key = self.ledger.mailbox(&mailbox)?;
        let agreed = self.ledger.agreed(key)?;
        let count = self.ledger.count(key)? as usize;
        let root = self.env.root();
        let directory = root.directory(name)?;
        let is_there = directory.join("cur").is_dir() && (count == 0 || !self.is_adrift()?);
        let may_make = count == 0 || self.said(name) == Some(true);
        let maildir = match (is_there, may_make) {
            (true, _) => Some(Maildir::open(&directory)?),
            (false, true) => Some(Maildir::open(&root.create(name)?)?),
            (false, false) => None,
        };
        let unmoved = LocalChanges { complete: maildir.is_some(), ..LocalChanges::unmoved() };
        let side = Side { mailbox: name.clone(), base: Base::default(), changes: unmoved };
        let (lettering, stamp) = (Lettering::unmoved(self.ledger.letters(key)?), DirStamp::default());
        let mut look = Look { mailbox, key, agreed, count, maildir, read: false, stamp, side, lettering };
        let Some(maildir) = &look.maildir else { return Ok(look) };
        let known = DirStamp { cur: agreed.stamp_cur, new: agreed.stamp_new };
        look.stamp = known;
        if known == DirStamp::default() || scan::stamp(maildir.path())? != known {
            let scan = scan::scan(maildir)?;
            let home = Home::of(&look.mailbox);
            let base = self.base(key, &agreed)?;
            let lettering = Lettering::listed(maildir, &scan.entries, self.ledger.letters(key)?);
            let file = |entry: &crate::store::name::Entry| {
                let origin = home.origin(entry.base()).and_then(|origin| Some((origin.validity?, origin.uid)));
                let unique = entry.unique()?;
                Some(LocalFile { flags: lettering.wished(entry, &unique, &base), unique, origin })
            };
            let listing =
                LocalListing { files: scan.entries.iter().filter_map(file).collect(), complete: scan.complete };
            look.side.changes = diff_local(&listing, &base);
            look.side.base = base;
            look.lettering = lettering;
            look.stamp = if scan.complete { scan.stamp } else { DirStamp::default() };
            look.read = true;
        }
        Ok(look)
    }

    /// Is INBOX gone from disk although mail was in it? Then the disk is perhaps not mounted, and a
    /// folder that is there was made by something that wrote below the empty mount point: a sent
    /// copy, a kept draft. What it lacks is not removed.
    pub(super) fn is_adrift(&mut self) -> Result<bool, Fault> {
        let inbox = MailboxName::inbox();
        let key = self.ledger.mailbox(&self.env.mailbox(&inbox))?;
        Ok(self.ledger.count(key)? > 0 && !self.env.root().directory(&inbox)?.join("cur").is_dir())
    }

    pub(super) fn base(&self, key: MailboxKey, agreed: &Agreed) -> Result<Base, Fault> {
        Ok(Base::new(agreed.validity, self.ledger.rows(key)?.into_iter().map(known)))
    }

    /// Files that came from a mailbox which was synced earlier in this round have rows by now.
    pub(super) fn take_in_moves(&mut self, look: &mut Look) -> Result<(), Fault> {
        let Side { base, changes, .. } = &mut look.side;
        for row in self.ledger.rows_of_names(look.key, &changes.arriving)? {
            let (uid, row) = known(row);
            if let Some(file) = changes.new.remove(&row.unique) {
                changes.arriving.remove(&row.unique);
                // Nothing is known yet of the letters that its name had before: they add, at most.
                let now = file.flags.union(&row.flags.words());
                if now != row.flags {
                    changes.flags.insert(uid, now);
                }
                base.insert(uid, row);
                look.count += 1;
            }
        }
        Ok(())
    }
}

/// Finds what was moved from one mailbox to another here.
pub(super) fn join(looks: &mut [Look]) {
    if looks.iter().all(|look| look.side.changes.gone.is_empty()) {
        return;
    }
    for look in looks.iter_mut() {
        let Some(maildir) = &look.maildir else { continue };
        for (unique, file) in look.side.changes.new.iter_mut().filter(|(_, file)| file.origin.is_none()) {
            if let Ok(Some(found)) = read(maildir, unique) {
                file.identity = Some(found.identity);
            }
        }
    }
    let mut sides: Vec<Side> = looks
        .iter_mut()
        .map(|look| Side {
            mailbox: look.side.mailbox.clone(),
            base: std::mem::take(&mut look.side.base),
            changes: std::mem::take(&mut look.side.changes),
        })
        .collect();
    join_moves(&mut sides);
    for (look, side) in looks.iter_mut().zip(sides) {
        look.side = side;
    }
}
