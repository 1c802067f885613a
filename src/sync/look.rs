//! The mailboxes as they lie on disk: their directories are asked first, their files are read only if
//! those moved, and what moved from one mailbox to another is found by laying all of them side by
//! side. The server is asked only about files that nobody had written down when they were moved.

use std::collections::{BTreeMap, BTreeSet};

use super::apply::{known as known_row, row as ledger_row};
use super::changes::{Agreed as Known, Base, Identity, LocalChanges, LocalFile, LocalListing, diff_local, renumbered};
use super::content::read;
use super::doubt::Settled;
use super::env::Halt;
use super::forecast;
use super::keywords::Lettering;
use super::moves::{Side, hold_back, join_moves};
use super::round::Round;
use super::stubs::regained;
use super::uidl_stubs;
use crate::fault::Fault;
use crate::job::files::DirStamp;
use crate::job::sync::Keeper;
use crate::ledger::{Agreed, Change, LabelWish, MailboxKey, digest};
use crate::mail::flags::Flags;
use crate::mail::ids::{MessageId, Uid};
use crate::mail::mailbox::MailboxName;
use crate::mail::place::{MailboxId, UniqueName};
use crate::store::maildir::Maildir;
use crate::store::name::{Entry, Home};
use crate::store::scan;

/// What is written down of directories that went back in time until all that they lack is answered for: any
/// that there are is older.
pub(super) const BACK: DirStamp = DirStamp { cur: i64::MAX, new: i64::MAX };

/// How often mailboxes that keep moving are looked at again before nothing in them is taken for removed.
const SURVEYS: usize = 4;

/// One mailbox as it was found on disk.
pub(super) struct Look {
    pub(super) mailbox: MailboxId,
    pub(super) key: MailboxKey,
    pub(super) agreed: Agreed,
    pub(super) count: usize,
    pub(super) maildir: Option<Maildir>,
    /// Is it time to compare it in full, whatever both sides say of themselves?
    pub(super) due: bool,
    /// Were the files read? Else their directories have not moved.
    pub(super) read: bool,
    /// Do files come and go so fast that none may be taken for removed?
    pub(super) restless: bool,
    /// Its directories right before they were looked at.
    pub(super) seen: DirStamp,
    /// What may be written down of its directories once all is taken in.
    pub(super) stamp: DirStamp,
    /// What changed here, with the rows that this touches.
    pub(super) side: Side,
    /// What its names tell of keywords.
    pub(super) lettering: Lettering,
    /// What is wished for the labels of its messages.
    pub(super) wishes: BTreeMap<UniqueName, LabelWish>,
    /// Which program kept how many of its messages so far.
    pub(super) kept: Option<(Keeper, u64)>,
}

impl Look {
    /// Is there anything to do here, or anything that is not sure?
    pub(super) fn is_stirred(&self) -> bool {
        self.maildir.is_none() || !self.side.changes.is_nothing() || !self.lettering.is_at_rest(&self.side.base)
    }

    /// Did its directories move since it was looked at?
    fn has_moved(&self) -> bool {
        // One that cannot be asked any more has surely changed.
        self.maildir.as_ref().is_some_and(|maildir| scan::stamp(maildir.path()).ok() != Some(self.seen))
    }

    /// Is one of its directories older than when both sides agreed? Whatever happens in a directory makes it
    /// younger, so what lies there now was brought from elsewhere: from a backup, most likely.
    pub(super) fn went_back(&self) -> bool {
        let known = DirStamp { cur: self.agreed.stamp_cur, new: self.agreed.stamp_new };
        self.maildir.is_some() && (self.seen.cur < known.cur || self.seen.new < known.new)
    }

    /// Does an absence, or a file that came from nobody knows where, need the other mailboxes to be explained?
    fn is_puzzling(&self) -> bool {
        !self.side.changes.gone.is_empty() || !self.side.changes.new.is_empty()
    }
}

impl Round<'_> {
    /// Looks at all these mailboxes on disk, as if at one moment: a file on its way from a mailbox that
    /// was looked at late to one that was looked at early would be seen in neither.
    pub(super) fn survey(&mut self, order: &[MailboxName], due: &BTreeSet<MailboxName>) -> Result<Vec<Look>, Halt> {
        let mut looks = Vec::new();
        for name in order {
            self.env.step()?;
            match self.look(name, due.contains(name)) {
                Ok(look) => looks.push(look),
                Err(halt) => self.pass_over(halt)?,
            }
        }
        for _ in 0..SURVEYS {
            if !looks.iter().any(Look::is_puzzling) || !looks.iter().any(Look::has_moved) {
                return Ok(looks);
            }
            let mut again = Vec::with_capacity(looks.len());
            for look in looks {
                if !look.has_moved() {
                    again.push(look);
                    continue;
                }
                match self.look(&look.mailbox.name, look.due) {
                    Ok(look) => again.push(look),
                    Err(halt) => self.pass_over(halt)?,
                }
            }
            looks = again;
        }
        // They do not stand still: who knows where a missing file is just now.
        for look in &mut looks {
            look.restless = true;
        }
        Ok(looks)
    }

    /// Finds what was moved from one of these mailboxes to another here. What is gone and was not found
    /// elsewhere stays what it was where files came and went too fast.
    pub(super) fn trace(&mut self, looks: &mut [Look], settled: &BTreeMap<MailboxName, Settled>) -> Result<(), Halt> {
        let rights = self.remote.rights();
        if rights.append {
            self.recall(looks)?;
        }
        // Who cannot move is given an upload and a removal.
        if rights.r#move && looks.iter().any(|look| !look.side.changes.gone.is_empty()) {
            join_sides(looks, settled);
        }
        wait_for_all(looks);
        Ok(())
    }

    /// Lets go of the mailboxes that are not to be synced now. What is missing in the others and may be a
    /// file that is new in one of those stays what it was.
    pub(super) fn stay_within(&self, looks: &mut Vec<Look>) {
        if self.env.only.is_none() {
            return;
        }
        let is_within = |look: &Look| self.env.wants(&look.mailbox.name);
        let outside: Vec<_> = looks
            .iter()
            .filter(|look| !is_within(look))
            .flat_map(|look| look.side.changes.new.values().map(|file| file.identity))
            .collect();
        looks.retain(is_within);
        for look in looks {
            let Side { base, changes: LocalChanges { gone, leaving, .. }, .. } = &mut look.side;
            let may_be = |file: &Option<Identity>, row: &Known| {
                file.is_none_or(|file| file.size == row.identity.size && file.id == row.identity.id)
            };
            let before = gone.len();
            gone.retain(|uid| {
                let row = base.get(*uid);
                leaving.contains_key(uid) || !row.is_some_and(|row| outside.iter().any(|file| may_be(file, row)))
            });
            if gone.len() < before {
                look.stamp = DirStamp::default();
            }
        }
    }

    /// Looks at one mailbox on disk; its files are read only if its directories moved.
    pub(super) fn look(&mut self, name: &MailboxName, due: bool) -> Result<Look, Halt> {
        let mailbox = self.env.mailbox(name);
        let key = self.ledger.mailbox(&mailbox)?;
        let agreed = self.ledger.agreed(key)?;
        let count = self.ledger.count(key)? as usize;
        let root = self.env.root();
        let directory = root.directory(name)?;
        let is_there = directory.join("cur").is_dir() && (count == 0 || !self.is_adrift()?);
        let may_make = count == 0 || self.said(name) == Some(true);
        let is_dry = self.memory.dry.is_some();
        let maildir = match (is_there, may_make && !is_dry) {
            (true, _) => Some(Maildir::open(&directory)?),
            (false, true) => Some(Maildir::open(&root.create(name)?)?),
            (false, false) => None,
        };
        let unmoved = if is_dry && may_make {
            forecast::unmade()
        } else {
            LocalChanges { complete: maildir.is_some(), ..LocalChanges::unmoved() }
        };
        let base = Base::new(agreed.validity, []).taken_in(agreed.uid_next);
        let side = Side { mailbox: name.clone(), base, changes: unmoved, appended: BTreeSet::new() };
        let known = DirStamp { cur: agreed.stamp_cur, new: agreed.stamp_new };
        let seen = maildir.as_ref().map(|maildir| scan::stamp(maildir.path())).transpose()?.unwrap_or_default();
        let mut look = Look {
            mailbox,
            key,
            agreed,
            count,
            maildir,
            due,
            read: false,
            restless: false,
            seen,
            stamp: known,
            side,
            lettering: Lettering::default(),
            // Before the files are listed: what is wished for a file that is not among them is void then.
            wishes: self.label_wishes(name, key)?,
            kept: None,
        };
        let Some(maildir) = &look.maildir else { return Ok(look) };
        if due || known == DirStamp::default() || seen != known {
            let scan = scan::scan(maildir)?;
            let home = Home::of(&look.mailbox);
            let lettering = Lettering::listed(maildir, &scan.entries, self.ledger.letters(key)?);
            let Side { base, changes, .. } = &mut look.side;
            let resting = self.recall_stirred((key, &agreed), (&scan, &lettering), &look.wishes, (&home, base))?;
            let file = |entry: &Entry| {
                let origin = home.origin(entry.base()).and_then(|origin| Some((origin.validity?, origin.uid)));
                let unique = entry.unique()?;
                let flags = lettering.wished(entry, &unique, base);
                let flags = look.wishes.get(&unique).map_or(flags.clone(), |wish| wish.applied(&flags));
                Some(LocalFile { unique, flags, origin })
            };
            let stirred = scan.entries.iter().zip(&resting).filter(|(_, rests)| !**rests);
            let files = stirred.filter_map(|(entry, _)| file(entry)).collect();
            let mut listing = LocalListing { files, complete: scan.complete };
            let unmasked = self.unmask((&look.mailbox, key, maildir), &scan, &mut listing, base)?;
            let tidied = unmasked | self.put_right((&look.mailbox, key, maildir), &mut listing, base)?;
            *changes = self.follow(key, maildir, &listing, base)?;
            // Many mailboxes may have been read before the first one is done.
            let mut touched = changes.touched(agreed.validity);
            touched.extend(lettering.touched(base));
            base.keep_only(&touched);
            look.lettering = lettering;
            look.read = true;
            look.stamp = if scan.complete && !tidied { scan.stamp } else { DirStamp::default() };
            let may_be_here = |unique: &UniqueName| {
                let at = scan.entries.binary_search_by(|entry| entry.base().cmp(unique.as_str()));
                !scan.complete || at.is_ok()
            };
            self.sort_wishes(&look, &may_be_here)?;
        } else {
            self.wish_unread(&mut look)?;
        }
        Ok(look)
    }

    /// Reads the rows of files that are not as their rows say, into `base`; tells of each file whether it is:
    /// those are in nobody's way, and what is left is what changed.
    fn recall_stirred(
        &self,
        (key, agreed): (MailboxKey, &Agreed),
        (scan, lettering): (&scan::Scan, &Lettering),
        wishes: &BTreeMap<UniqueName, LabelWish>,
        (home, base): (&Home, &mut Base),
    ) -> Result<Vec<bool>, Fault> {
        let mut resting = vec![false; scan.entries.len()];
        let mut rows = Vec::new();
        self.ledger.each_row(key, |row| {
            let found = scan.entries.binary_search_by(|entry| entry.base().cmp(row.unique.as_str()));
            let found = found.ok().and_then(|at| Some((resting.get_mut(at)?, scan.entries.get(at)?)));
            let rests = |entry: &&Entry| {
                lettering.is_at_rest_with(entry, row.uid, &row.flags) && !wishes.contains_key(&row.unique)
            };
            match found.filter(|(_, entry)| rests(entry)) {
                Some((rests, _)) => *rests = true,
                None => rows.push(row),
            }
        })?;
        *base = Base::new(agreed.validity, rows.into_iter().map(known_row)).taken_in(agreed.uid_next);
        // Of two files of one message both are needed.
        let named: Vec<Uid> = (scan.entries.iter().zip(&resting))
            .filter(|(_, rests)| !**rests)
            .filter_map(|(entry, _)| home.origin(entry.base()).filter(|of| of.validity == agreed.validity))
            .map(|of| of.uid)
            .filter(|uid| base.get(*uid).is_none())
            .collect();
        let siblings = uidl_stubs::siblings(home, scan, &resting);
        let mut rows = self.ledger.rows_of_uids(key, &named)?;
        rows.extend(self.ledger.rows_of_names(key, &siblings)?);
        for row in rows {
            let found = scan.entries.binary_search_by(|entry| entry.base().cmp(row.unique.as_str()));
            if let Some(rests) = found.ok().and_then(|at| resting.get_mut(at)) {
                *rests = false;
            }
            let (uid, row) = known_row(row);
            base.insert(uid, row);
        }
        for (unique, wish) in wishes {
            let uid = base.uid_of(unique);
            if let Some((uid, row)) = uid.and_then(|uid| Some((uid, base.get(uid)?.clone()))) {
                base.insert(uid, Known { flags: wish.undone(&row.flags), ..row });
            }
        }
        Ok(resting)
    }

    /// Compares the files of a mailbox with the base, in which files that only got another name have that one then.
    fn follow(
        &mut self,
        key: MailboxKey,
        maildir: &Maildir,
        listing: &LocalListing,
        base: &mut Base,
    ) -> Result<LocalChanges, Halt> {
        let changes = diff_local(listing, base);
        let mut renamed = renumbered(&changes, base);
        renamed.extend(regained(maildir, &changes, base));
        if renamed.is_empty() {
            return Ok(changes);
        }
        let rename = |(uid, unique)| Some((uid, Known { unique, ..base.get(uid)?.clone() }));
        let rows: Vec<(Uid, Known)> = renamed.into_iter().filter_map(rename).collect();
        if self.memory.dry.is_none() {
            let put = rows.iter().map(|(uid, row)| ledger_row(*uid, row)).collect();
            self.ledger.commit(&[(key, Change { put, ..Change::default() })])?;
        }
        for (uid, row) in rows {
            base.insert(uid, row);
        }
        Ok(diff_local(listing, base))
    }

    /// Is INBOX, or where all mail lies, gone from disk although mail was in it? Then the disk is perhaps not
    /// mounted, and a folder that is there was made by something that wrote below the empty mount point: a
    /// sent copy, a kept draft. What it lacks is not removed.
    pub(super) fn is_adrift(&mut self) -> Result<bool, Fault> {
        let anchor = self.anchor();
        let key = self.ledger.mailbox(&self.env.mailbox(&anchor))?;
        Ok(self.ledger.count(key)? > 0 && !self.env.root().directory(&anchor)?.join("cur").is_dir())
    }

    /// Files that came from a mailbox which was synced earlier in this round have rows by now.
    pub(super) fn take_in_moves(&mut self, look: &mut Look) -> Result<(), Fault> {
        let Side { base, changes, .. } = &mut look.side;
        for row in self.ledger.rows_of_names(look.key, &changes.arriving)? {
            let (uid, row) = known_row(row);
            if let Some(file) = changes.new.remove(&row.unique) {
                changes.arriving.remove(&row.unique);
                // Nothing is known yet of the letters that its name had before: they add, at most.
                let now = file.flags.union(&row.flags.words());
                let wish = look.wishes.get(&row.unique).cloned().unwrap_or_default();
                let (now, row) = (wish.applied(&now), Known { flags: wish.undone(&row.flags), ..row });
                if now != row.flags {
                    changes.flags.insert(uid, now);
                }
                base.insert(uid, row);
                look.count += 1;
            }
        }
        Ok(())
    }

    /// Recalls files that were fetched into one mailbox and moved to another before anyone had written
    /// down where they came from: an earlier run was killed in between. Their names still tell it. Where
    /// the server has that very message, its row is written now, and the file is one that was moved.
    fn recall(&mut self, looks: &mut [Look]) -> Result<(), Halt> {
        let strays: Vec<_> = looks.iter().map(|look| self.strays_of(look, looks)).collect::<Result<_, _>>()?;
        for (look, strays) in looks.iter_mut().zip(strays).filter(|(_, strays)| !strays.is_empty()) {
            let uids: Vec<Uid> = strays.keys().copied().collect();
            let found = match self.remote.identify(&look.mailbox.name, &uids) {
                Ok(found) => found,
                Err(fault) => {
                    self.pass_over(fault.into())?;
                    continue;
                }
            };
            let mut put = Vec::new();
            for item in found {
                let id = item.message_id.as_deref().and_then(MessageId::new).map(|id| digest(id.as_str()));
                let same = |row: &&Known| row.identity.size == item.size && row.identity.id == id;
                if let Some(row) = strays.get(&item.uid).filter(same) {
                    put.push(ledger_row(item.uid, row));
                    look.side.base.insert(item.uid, row.clone());
                    look.side.changes.gone.insert(item.uid);
                    look.count += 1;
                }
            }
            if !put.is_empty() && self.memory.dry.is_none() {
                self.env.step()?;
                self.ledger.commit(&[(look.key, Change { put, ..Change::default() })])?;
            }
        }
        Ok(())
    }

    /// The files in other mailboxes whose names say that they were fetched into this one, where neither
    /// its rows nor its files know of them.
    fn strays_of(&self, look: &Look, looks: &[Look]) -> Result<BTreeMap<Uid, Known>, Fault> {
        let mut strays = BTreeMap::new();
        let (Some(epoch), Some(maildir)) = (look.agreed.validity, &look.maildir) else { return Ok(strays) };
        let home = Home::of(&look.mailbox);
        for other in looks.iter().filter(|other| other.key != look.key) {
            let Some(elsewhere) = &other.maildir else { continue };
            for (unique, _) in other.side.changes.new.iter().filter(|(_, file)| file.origin.is_none()) {
                let Some(origin) = home.origin(unique.as_str()).filter(|o| o.validity == Some(epoch)) else { continue };
                // A copy of one that is there still was not moved.
                let here = !look.side.changes.complete || look.side.changes.new.contains_key(unique);
                let known = here || !self.ledger.rows_of_uids(look.key, &[origin.uid])?.is_empty();
                if known || maildir.find(unique)?.is_some() {
                    continue;
                }
                if let Some(file) = read(elsewhere, unique)? {
                    // Nobody knows which flags both sides had: none, so that no wish of either is lost.
                    let row = Known { unique: unique.clone(), flags: Flags::none(), identity: file.identity };
                    strays.insert(origin.uid, row);
                }
            }
        }
        Ok(strays)
    }
}

/// Holds back what is missing while it may lie in a mailbox that could not be read whole or does not
/// stand still: it is looked for again.
fn wait_for_all(looks: &mut [Look]) {
    let doubtful = looks.iter().any(|look| look.read && !look.side.changes.complete);
    for look in looks.iter_mut().filter(|look| look.restless || doubtful) {
        if hold_back(&mut look.side.changes) || look.restless {
            look.stamp = DirStamp::default();
        }
    }
}

fn join_sides(looks: &mut [Look], settled: &BTreeMap<MailboxName, Settled>) {
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
            appended: settled.get(&look.mailbox.name).map(|s| s.intents.keys().cloned().collect()).unwrap_or_default(),
        })
        .collect();
    join_moves(&mut sides);
    for (look, side) in looks.iter_mut().zip(sides) {
        look.side = side;
    }
}
