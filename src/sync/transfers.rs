//! What moved from one mailbox to another on the server: its file is brought over instead of being fetched
//! again. Two deliveries of one mail may share Message-ID and size, so a move is believed only if the server
//! kept the date of arrival, or if the whole header is the same (RFC 9051 §6.4.7: a copy keeps both).

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use super::changes::{Agreed, Arrival, Identity, NewThere};
use super::compare::Sight;
use super::content::read;
use super::env::Halt;
use super::fetch::Tee;
use super::moves::{Seat, Side, join_server_moves};
use super::round::Round;
use crate::fault::Fault;
use crate::ledger::digest;
use crate::mail::ids::{MessageId, RemoteId, Timestamp, Uid};
use crate::mail::stub;
use crate::remote::{Fetched, Sink, Want};
use crate::store::name;

/// For each message that is gone elsewhere, so many new ones are asked what they are at most: to ask
/// about a thousand costs about as much as to fetch ten.
const WORTH: usize = 16;
/// A larger header is like no other.
const HEADER: usize = 1 << 20;

/// A new message: what it is, and its INTERNALDATE where the server tells it.
type Newcomer = (Uid, (Identity, Option<Timestamp>));

impl Round<'_> {
    /// Finds what was moved from one of these mailboxes to another on the server.
    pub(super) fn join_there(&mut self, sights: &mut [Sight]) -> Result<(), Halt> {
        let mut gone = Vec::new();
        for (mailbox, sight) in sights.iter().enumerate().filter(|(_, sight)| !sight.server.restarted) {
            let Side { base, changes, .. } = &sight.look.side;
            let here = sight.server.gone.difference(&changes.gone);
            let row = |uid: &Uid| {
                let row = base.get(*uid).filter(|row| !row.unique.is_marked())?;
                Some((Seat { mailbox, uid: *uid }, row.identity))
            };
            gone.extend(here.filter_map(row).filter(|(_, identity)| identity.id.is_some()));
        }
        if gone.is_empty() {
            return Ok(());
        }
        let mut new = Vec::new();
        for (mailbox, sight) in sights.iter_mut().enumerate() {
            let elsewhere = gone.iter().filter(|(seat, _)| seat.mailbox != mailbox).count();
            match self.newcomers(sight, elsewhere) {
                Ok(found) => new.extend(found.into_iter().map(|(uid, known)| (Seat { mailbox, uid }, known))),
                Err(halt) => self.pass_over(halt)?,
            }
        }
        let dates: BTreeMap<Seat, Timestamp> =
            new.iter().filter_map(|(seat, (_, date))| Some((*seat, (*date)?))).collect();
        let new: Vec<(Seat, Identity)> = new.into_iter().map(|(seat, (identity, _))| (seat, identity)).collect();
        let found = join_server_moves(&gone, &new);
        for (from, to) in self.make_sure(sights, found, &dates)? {
            let Some(arrival) = sights.get(from.mailbox).and_then(|source| {
                let Side { mailbox, base, changes, .. } = &source.look.side;
                let mut row = base.get(from.uid)?.clone();
                // Labels are those of the mailbox where it lies: the server tells them there.
                let here = changes.flags.get(&from.uid).unwrap_or(&row.flags).without_labels();
                row.flags = row.flags.without_labels();
                Some(Arrival { from: mailbox.clone(), from_uid: from.uid, unique: row.unique.clone(), here, row })
            }) else {
                continue;
            };
            let Some(target) = sights.get_mut(to.mailbox) else { continue };
            let id = RemoteId::Uid(target.heard.validity, to.uid);
            let date = name::date(arrival.unique.as_str());
            let here = &target.look.mailbox;
            let unique = match arrival.unique.stub_size() {
                Some(whole) => {
                    name::stub(here, &id, date, name::size(arrival.unique.as_str()).unwrap_or_default(), whole)
                }
                None => name::fetched(here, &id, date, arrival.row.identity.size),
            };
            let row = Agreed { unique, ..arrival.row.clone() };
            target.server.arriving.insert(to.uid, Arrival { row, ..arrival });
            if let Some(source) = sights.get_mut(from.mailbox) {
                source.server.leaving.insert(from.uid);
            }
        }
        Ok(())
    }

    /// What the new messages of a mailbox are, if it is worth while to ask: `gone` of them at most can
    /// have come from elsewhere.
    fn newcomers(&mut self, sight: &mut Sight, gone: usize) -> Result<Vec<Newcomer>, Halt> {
        let Sight { look, server, .. } = sight;
        let changes = &look.side.changes;
        if server.restarted || !changes.complete || server.new.len() > gone.saturating_mul(WORTH) {
            return Ok(Vec::new());
        }
        let here: BTreeSet<Uid> = changes.touched(Some(server.epoch));
        let wanted = |uid: &Uid, new: &NewThere| !here.contains(uid) && new.identity.is_none();
        let asked: Vec<Uid> = server.new.iter().filter(|(uid, new)| wanted(uid, new)).map(|(uid, _)| *uid).collect();
        if asked.is_empty() {
            return Ok(Vec::new());
        }
        self.env.step()?;
        let mut found = Vec::new();
        for item in self.remote.identify(&look.mailbox.name, &asked)? {
            let id = item.message_id.as_deref().and_then(MessageId::new).map(|id| digest(id.as_str()));
            let identity = Identity { size: item.size, id, digest: None };
            if let Some(new) = server.new.get_mut(&item.uid) {
                new.identity = Some(Box::new(identity));
                found.push((item.uid, (identity, item.date)));
            }
        }
        Ok(found)
    }

    /// Gives those of these pairs that surely are one message each. One that arrived between two rounds cannot
    /// have the date of one that was known before, so where the dates are the same nothing has to be asked.
    fn make_sure(
        &mut self,
        sights: &[Sight],
        pairs: Vec<(Seat, Seat)>,
        dates: &BTreeMap<Seat, Timestamp>,
    ) -> Result<Vec<(Seat, Seat)>, Halt> {
        let row = |seat: &Seat| sights.get(seat.mailbox).and_then(|sight| sight.look.side.base.get(seat.uid));
        let date = |seat: &Seat| row(seat).and_then(|row| name::date(row.unique.as_str()));
        let is_dated = |(from, to): &(Seat, Seat)| date(from).is_some() && date(from) == dates.get(to).copied();
        let (mut sure, unsure): (Vec<_>, Vec<_>) = pairs.into_iter().partition(is_dated);
        let mut by_target: BTreeMap<usize, Vec<(Seat, Seat)>> = BTreeMap::new();
        for pair in unsure {
            by_target.entry(pair.1.mailbox).or_default().push(pair);
        }
        for (mailbox, pairs) in by_target {
            let Some(target) = sights.get(mailbox) else { continue };
            self.env.step()?;
            let uids: Vec<Uid> = pairs.iter().map(|(_, to)| to.uid).collect();
            let mut headers = Headers::default();
            if let Err(fault) = self.remote.fetch(&target.look.mailbox.name, &uids, Want::Header, &mut headers) {
                self.pass_over(fault.into())?;
                continue;
            }
            sure.extend(pairs.into_iter().filter(|(from, to)| {
                let source = sights.get(from.mailbox).and_then(|sight| sight.look.maildir.as_ref());
                let file = source.zip(row(from)).and_then(|(maildir, row)| read(maildir, &row.unique).ok().flatten());
                let there = headers.found.get(&to.uid);
                file.is_some_and(|file| there.is_some_and(|there| stub::original_header(&file.bytes) == there))
            }));
        }
        Ok(sure)
    }
}

/// Looks at headers without keeping them in files.
#[derive(Default)]
struct Headers {
    head: Vec<u8>,
    found: BTreeMap<Uid, Vec<u8>>,
}

impl Sink for Headers {
    fn open(&mut self, _: &RemoteId, _: u64) -> Result<Box<dyn Write + '_>, Fault> {
        self.head.clear();
        Ok(Box::new(Tee { file: std::io::sink(), head: &mut self.head, most: HEADER }))
    }

    fn done(&mut self, message: Fetched) -> Result<(), Fault> {
        if message.trouble.is_none() && self.head.len() < HEADER {
            self.found.insert(message.id.uid(), stub::original_header(&self.head).to_vec());
        }
        Ok(())
    }

    fn stop(&self) -> bool {
        false
    }
}
