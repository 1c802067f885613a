//! What changed in a mailbox: what its opening told already (QRESYNC, or counters that did not move), else
//! the differences since a mod-sequence together with a list of what is there, else the flags of
//! everything (RFC 7162 §3.1, RFC 4731). What is there is only ever told from answers that ended in OK
//! and hold as many messages as the server said there are; else nobody knows, and nothing may be taken
//! for gone.

use crate::fault::{Cause, Doing, Fault, Scope};
use crate::mail::ids::{ModSeq, Uid};
use crate::mail::mailbox::MailboxName;
use crate::remote::{Presence, RemoteChanges, RemoteItem, Since};

use super::extensions::qresync;
use super::limits::Limits;
use super::listing::{Listing, beyond, distinct};
use super::replies::{self, Answer, Kind, Ranges};
use super::select::Opened;
use super::session::{Selected, Session, bad};
use super::tokens::Response;

/// Above so many messages the limits on answers no longer grow.
pub(super) const MOST_MESSAGES: usize = 5_000_000;
/// What one message may take of a listing: its UID and all its keywords.
pub(super) const LISTED: usize = 1024;
/// What one message may take of a search.
const FOUND: usize = 12;
/// How many messages may arrive while a mailbox is listed.
const ARRIVALS: usize = 10_000;

/// What a search found.
#[derive(Default)]
pub(super) struct Found {
    ranges: Option<Ranges>,
    garbled: bool,
}

impl Found {
    pub(super) fn take(&mut self, kind: &Kind, response: &Response) {
        let ranges = match kind {
            Kind::Search => replies::search(response),
            Kind::ESearch => replies::esearch(response).unwrap_or_else(|_| {
                self.garbled = true;
                Ranges::new()
            }),
            _ => return,
        };
        self.ranges.get_or_insert_default().extend(ranges);
    }

    /// The UIDs, sorted; `None` where the answer made no sense in a mailbox of `exists` messages.
    pub(super) fn uids(self, exists: usize) -> Option<Vec<Uid>> {
        let ranges = self.ranges.filter(|_| !self.garbled)?;
        distinct(&ranges, exists.saturating_add(ARRIVALS))
    }
}

impl Session {
    /// What changed since `since`.
    pub(super) fn compare(&mut self, mailbox: &MailboxName, since: &Since) -> Result<RemoteChanges, Fault> {
        let opened = match self.take_told(mailbox, since) {
            Some(opened) => opened,
            None => self.open(Doing::Comparing, mailbox, since)?,
        };
        let selected = match self.compared(opened, since) {
            Ok(changes) => return Ok(changes),
            Err(opened) => opened.selected,
        };
        let known = since.modseq.filter(|known| {
            since.validity == Some(selected.validity) && selected.modseq.is_some_and(|now| now >= *known)
        });
        let differences = match known {
            Some(known) => self.differences(mailbox, &selected, known)?,
            None => None,
        };
        let changes = match differences {
            Some(changes) => changes,
            None => self.everything(mailbox, &selected)?,
        };
        self.settled();
        Ok(changes)
    }

    /// Takes a mailbox for compared if its opening told all that is asked.
    pub(super) fn compared(&mut self, opened: Opened, since: &Since) -> Result<RemoteChanges, Box<Opened>> {
        self.epochs.insert(opened.selected.name.clone(), opened.selected.validity);
        let changes = qresync::told(opened, since)?;
        self.settled();
        Ok(changes)
    }

    /// The mailbox was compared: only what changes from here on is news.
    pub(super) fn settled(&mut self) {
        if let Some(selected) = &mut self.selected {
            selected.stirred = false;
        }
    }

    /// The newest messages of a mailbox that has more than `many`: what stands last in it.
    pub(super) fn newest_of(
        &mut self,
        mailbox: &MailboxName,
        many: u32,
        count: u32,
    ) -> Result<Option<RemoteChanges>, Fault> {
        let doing = Doing::Comparing;
        let selected = self.open(doing, mailbox, &Since::default())?.selected;
        self.epochs.insert(selected.name.clone(), selected.validity);
        let (many, count) = (usize::try_from(many).unwrap_or(usize::MAX), usize::try_from(count).unwrap_or(usize::MAX));
        if selected.exists <= many {
            return Ok(None);
        }
        let first = selected.exists.saturating_sub(count).saturating_add(1);
        let mut listing = Listing::default();
        let command = format!("FETCH {first}:* (UID FLAGS)");
        let limits = Limits::for_messages(count.min(MOST_MESSAGES).saturating_add(ARRIVALS), LISTED);
        let status = self.visit(doing, &command, limits, |kind, response| {
            if *kind == Kind::Fetch {
                listing.take(response);
            }
        })?;
        if status.answer != Answer::Ok {
            // The whole listing says what is wrong, if anything is.
            tracing::info!("{}: {mailbox}: {}; its newest messages do not come first", self.host, bad(&status));
            return Ok(None);
        }
        let items = self.unambiguous(mailbox, listing)?;
        Ok(Some(selected.changes(items, Presence::Unknown, None)))
    }

    fn everything(&mut self, mailbox: &MailboxName, selected: &Selected) -> Result<RemoteChanges, Fault> {
        let mut listing = Listing::default();
        let limits = Limits::for_messages(selected.exists.min(MOST_MESSAGES), LISTED);
        let status = self.visit(Doing::Comparing, &self.listing_command(), limits, |kind, response| {
            if *kind == Kind::Fetch {
                listing.take(response);
            }
        })?;
        if status.answer != Answer::Ok {
            return Err(self.refusal(Doing::Comparing, mailbox.as_str(), &status));
        }
        self.inventoried(mailbox, selected, listing)
    }

    /// The command that lists all of a mailbox.
    pub(super) fn listing_command(&self) -> String {
        format!("UID FETCH 1:* ({})", self.labelling.items())
    }

    /// What a listing of all of a mailbox tells, as it was when that was opened.
    pub(super) fn inventoried(
        &self,
        mailbox: &MailboxName,
        selected: &Selected,
        listing: Listing,
    ) -> Result<RemoteChanges, Fault> {
        let lost = listing.lost;
        let items = self.unambiguous(mailbox, listing)?;
        let uids: Vec<Uid> = items.iter().map(|item| item.uid).collect();
        let presence = if lost == 0 { self.judged(uids, selected) } else { Presence::Unknown };
        // What could not be read must be asked for again.
        Ok(selected.changes(items, presence, selected.modseq.filter(|_| lost == 0)))
    }

    /// What changed since a mod-sequence, and what is there, in one flight. `None` if the server offers
    /// the first and does not understand it.
    fn differences(
        &mut self,
        mailbox: &MailboxName,
        selected: &Selected,
        since: ModSeq,
    ) -> Result<Option<RemoteChanges>, Fault> {
        let doing = Doing::Comparing;
        let search = if self.capabilities.esearch() { "UID SEARCH RETURN (ALL) ALL" } else { "UID SEARCH ALL" };
        let items = self.labelling.items();
        let commands = [format!("UID FETCH 1:* ({items}) (CHANGEDSINCE {})", since.get()), search.to_owned()];
        let count = selected.exists.min(MOST_MESSAGES);
        let line = Limits::for_messages(count, FOUND).in_one_line().line;
        let limits = Limits { line, ..Limits::for_messages(count, LISTED) };
        let (mut listing, mut found) = (Listing::default(), Found::default());
        let told = self.converse(doing, &commands, limits, |_, kind, response| match kind {
            Kind::Fetch => listing.take(response),
            kind => found.take(kind, response),
        })?;
        for status in &told.statuses {
            match status.answer {
                Answer::Ok => {}
                Answer::No => return Err(self.refusal(doing, mailbox.as_str(), status)),
                _ => {
                    tracing::warn!("{}: {}; all flags are compared", self.host, bad(status));
                    self.capabilities.forget(&["CONDSTORE", "QRESYNC"]);
                    return Ok(None);
                }
            }
        }
        let lost = listing.lost;
        let items = self.unambiguous(mailbox, listing)?;
        let presence = found.uids(selected.exists).map_or(Presence::Unknown, |uids| self.judged(uids, selected));
        let modseq = if lost == 0 { selected.modseq } else { Some(since) };
        Ok(Some(selected.changes(items, presence, modseq)))
    }

    /// The messages of a listing, each UID being that of one message.
    fn unambiguous(&self, mailbox: &MailboxName, listing: Listing) -> Result<Vec<RemoteItem>, Fault> {
        let (items, ambiguous) = listing.sorted();
        if ambiguous && self.selected.as_ref().is_none_or(|now| now.expunged == 0) {
            let fault = self.fault(Doing::Comparing, mailbox.as_str(), Cause::Protocol).scope(Scope::Mailbox);
            return Err(fault.detail("the server gives two messages the same number (UID); nothing is taken from it"));
        }
        Ok(items)
    }

    /// Are these all messages there are? Each of those that were there at the SELECT must be among
    /// them, but for those whose end was told meanwhile; and no UID may be one that was not given yet,
    /// but for those that came meanwhile.
    fn judged(&self, uids: Vec<Uid>, before: &Selected) -> Presence {
        let now = self.selected.as_ref().unwrap_or(before);
        let came = now.exists.saturating_add(now.expunged).saturating_sub(before.exists);
        if uids.len() < before.exists.saturating_sub(now.expunged) {
            tracing::warn!("{}: {} of {} messages were listed", self.host, uids.len(), before.exists);
            return Presence::Unknown;
        }
        if before.uid_next.is_some_and(|next| beyond(&uids, next) > came) {
            tracing::warn!("{}: {}: messages above UIDNEXT were listed", self.host, before.name);
            return Presence::Unknown;
        }
        Presence::Exactly(uids)
    }
}
