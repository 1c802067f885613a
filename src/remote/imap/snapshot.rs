//! What changed in a mailbox: nothing if CONDSTORE's counters say so, else the differences since a
//! mod-sequence and a list of what is there, else the flags of everything (RFC 7162 §3.1, RFC 4731).
//! What is there is only ever told from an answer that ended in OK and holds as many messages as
//! the server said there are; else nobody knows, and nothing may be taken for gone.

use crate::fault::{Doing, Fault};
use crate::mail::clean::Clean;
use crate::mail::ids::{ModSeq, Uid};
use crate::mail::mailbox::MailboxName;
use crate::mail::ranges::UidRanges;
use crate::remote::{Presence, RemoteChanges, RemoteItem, Since};

use super::limits::Limits;
use super::replies::{self, Answer, Extent, Kind, Ranges};
use super::session::{Selected, Session};
use super::tokens::Response;

/// Above so many messages the limits on answers no longer grow.
const MOST: usize = 5_000_000;
/// What one message may take of a listing: its UID and all its keywords.
const LISTED: usize = 1024;
/// What one message may take of a search.
const FOUND: usize = 12;
/// How many messages may arrive while a mailbox is listed.
const ARRIVALS: usize = 10_000;

/// What a listing found.
#[derive(Default)]
struct Listing {
    items: Vec<RemoteItem>,
    /// Lines that told of a message and could not be read.
    lost: usize,
}

impl Listing {
    fn take(&mut self, response: &Response) {
        match replies::fetch(response, Extent::Whole) {
            Ok(item) => {
                if let (Some(uid), Some(flags)) = (item.uid, item.flags) {
                    self.items.push(RemoteItem { uid, flags });
                }
            }
            Err(error) => {
                self.lost += 1;
                tracing::warn!("a FETCH line makes no sense ({}): {}", error.0, shortened(response));
            }
        }
    }

    /// Sorted; of two lines on one message the later one is the newer truth.
    fn sorted(mut self) -> Self {
        self.items.reverse();
        self.items.sort_by_key(|item| item.uid);
        self.items.dedup_by_key(|item| item.uid);
        self
    }
}

fn shortened(response: &Response) -> Clean {
    Clean::bytes(response.text.get(..response.text.len().min(200)).unwrap_or_default())
}

impl Session {
    /// What changed since `since`.
    pub(super) fn compare(&mut self, mailbox: &MailboxName, since: &Since) -> Result<RemoteChanges, Fault> {
        let doing = Doing::Comparing;
        let selected = self.select(doing, mailbox)?;
        self.epochs.insert(mailbox.clone(), selected.validity);
        let known = since.modseq.filter(|known| {
            since.validity == Some(selected.validity) && selected.modseq.is_some_and(|now| now >= *known)
        });
        let nothing_new = known.is_some()
            && known == selected.modseq
            && since.uid_next.is_some()
            && since.uid_next == selected.uid_next
            && usize::try_from(since.count) == Ok(selected.exists);
        let (listing, presence) = if nothing_new {
            (Listing::default(), Presence::Except(UidRanges::none()))
        } else if selected.exists == 0 {
            (Listing::default(), Presence::Exactly(Vec::new()))
        } else if let Some(known) = known {
            let listing = self.differences(mailbox, &selected, known)?;
            (listing, self.presence(mailbox, &selected)?)
        } else {
            self.everything(mailbox, &selected)?
        };
        if let Some(selected) = &mut self.selected {
            selected.stirred = false;
        }
        Ok(RemoteChanges {
            validity: selected.validity,
            uid_next: selected.uid_next,
            // A change that could not be read must be asked for again.
            modseq: if listing.lost == 0 { selected.modseq } else { known },
            items: listing.items,
            presence,
            keeps: selected.keeps,
            new_keywords: selected.new_keywords,
            read_only: selected.read_only,
        })
    }

    fn everything(&mut self, mailbox: &MailboxName, selected: &Selected) -> Result<(Listing, Presence), Fault> {
        let listing = self.listing(mailbox, selected, "UID FETCH 1:* (UID FLAGS)")?;
        let uids: Vec<Uid> = listing.items.iter().map(|item| item.uid).collect();
        let presence = if listing.lost == 0 { self.judged(uids, selected) } else { Presence::Unknown };
        Ok((listing, presence))
    }

    fn differences(&mut self, mailbox: &MailboxName, selected: &Selected, since: ModSeq) -> Result<Listing, Fault> {
        let command = format!("UID FETCH 1:* (UID FLAGS) (CHANGEDSINCE {})", since.get());
        self.listing(mailbox, selected, &command)
    }

    fn listing(&mut self, mailbox: &MailboxName, selected: &Selected, command: &str) -> Result<Listing, Fault> {
        let mut listing = Listing::default();
        let limits = Limits::for_messages(selected.exists.min(MOST), LISTED);
        let status = self.visit(Doing::Comparing, command, limits, |kind, response| {
            if *kind == Kind::Fetch {
                listing.take(response);
            }
        })?;
        match status.answer {
            Answer::Ok => Ok(listing.sorted()),
            _ => Err(self.refusal(Doing::Comparing, mailbox.as_str(), &status)),
        }
    }

    /// Which messages are there.
    fn presence(&mut self, mailbox: &MailboxName, selected: &Selected) -> Result<Presence, Fault> {
        let command = if self.capabilities.esearch() { "UID SEARCH RETURN (ALL) ALL" } else { "UID SEARCH ALL" };
        let found = self.search(Doing::Comparing, mailbox, command, selected.exists)?;
        Ok(found.map_or(Presence::Unknown, |uids| self.judged(uids, selected)))
    }

    /// Are these all messages there are? Each of those that were there at the SELECT must be among
    /// them, but for those whose end was told meanwhile.
    fn judged(&self, uids: Vec<Uid>, before: &Selected) -> Presence {
        let expunged = self.selected.as_ref().map_or(0, |now| now.expunged);
        if uids.len() >= before.exists.saturating_sub(expunged) {
            Presence::Exactly(uids)
        } else {
            tracing::warn!("{}: {} of {} messages were listed", self.host, uids.len(), before.exists);
            Presence::Unknown
        }
    }

    /// Runs a UID SEARCH in a mailbox of `exists` messages. `None` where the answer made no sense.
    pub(super) fn search(
        &mut self,
        doing: Doing,
        mailbox: &MailboxName,
        command: &str,
        exists: usize,
    ) -> Result<Option<Vec<Uid>>, Fault> {
        let mut found: Option<Ranges> = None;
        let mut sense = true;
        let limits = Limits::for_messages(exists.min(MOST), FOUND).in_one_line();
        let status = self.visit(doing, command, limits, |kind, response| {
            let ranges = match kind {
                Kind::Search => replies::search(response),
                Kind::ESearch => replies::esearch(response).unwrap_or_else(|_| {
                    sense = false;
                    Ranges::new()
                }),
                _ => return,
            };
            found.get_or_insert_default().extend(ranges);
        })?;
        if status.answer != Answer::Ok {
            return Err(self.refusal(doing, mailbox.as_str(), &status));
        }
        let uids = found.filter(|_| sense).and_then(|ranges| replies::expand(&ranges, exists.saturating_add(ARRIVALS)));
        Ok(uids.map(|mut uids| {
            uids.sort_unstable();
            uids.dedup();
            uids
        }))
    }
}
