//! Quick resynchronisation (QRESYNC, RFC 7162 §3.2; ENABLE, RFC 5161): SELECT itself tells what changed and
//! what vanished since the last time, for many mailboxes in one flight. What vanished stays ranges, and
//! what contradicts the counts of the server or of the base is not believed: then the mailbox is compared
//! the longer way.

use crate::fault::{Doing, Fault, Scope};
use crate::mail::ids::Uid;
use crate::mail::mailbox::MailboxName;
use crate::mail::ranges::UidRanges;
use crate::remote::imap::limits::Limits;
use crate::remote::imap::listing::{Listing, size_below};
use crate::remote::imap::replies::{self, Answer, Kind, Ranges, Status};
use crate::remote::imap::select::{Opened, Opening, Parameter};
use crate::remote::imap::session::Session;
use crate::remote::imap::tokens::{Response, Token};
use crate::remote::{Presence, RemoteChanges, RemoteItem, Since};

/// The answer to a SELECT that tells what changed, before it says of how many messages. All that ever
/// vanished may stand in one line.
pub(in crate::remote::imap) const LIMITS: Limits = Limits { line: 16 << 20, total: 24 << 20, count: 20_000 };

/// Is QRESYNC agreed on?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::remote::imap) enum Resync {
    /// ENABLE was not sent yet.
    Unasked,
    /// The server confirmed it.
    On,
    /// The server did not.
    Off,
}

/// When messages vanished (VANISHED).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::remote::imap) enum Vanished {
    /// Before the mailbox was selected; the set may hold UIDs that never were.
    Earlier,
    /// Just now; so many.
    Now(u64),
}

/// Since when the messages of a VANISHED response are gone.
pub(in crate::remote::imap) fn when(response: &Response) -> Vanished {
    if is_earlier(response) {
        return Vanished::Earlier;
    }
    let ranges = vanished(response).unwrap_or_default();
    Vanished::Now(ranges.iter().map(|(first, last)| u64::from(last - first) + 1).sum())
}

fn is_earlier(response: &Response) -> bool {
    matches!(response.arguments().next(), Ok(Some(Token::Open)))
}

/// Reads the set of a VANISHED response.
pub(in crate::remote::imap) fn vanished(response: &Response) -> Option<Ranges> {
    let mut tokens = response.arguments();
    if is_earlier(response) {
        let words = tokens.strings().ok()?;
        if !matches!(words.as_slice(), [word] if word.eq_ignore_ascii_case(b"EARLIER")) {
            return None;
        }
    }
    tokens.next().ok()??.bytes().and_then(replies::ranges)
}

/// What changed in a mailbox that was opened, where its opening told it: nobody need be asked more.
/// `None`: it did not, or not believably.
pub(in crate::remote::imap) fn told(opened: Opened, since: &Since) -> Result<RemoteChanges, Box<Opened>> {
    let now = &opened.selected;
    let silent = opened.changed.as_ref().is_none_or(|(listing, gone)| listing.is_empty() && gone.is_empty());
    let unchanged = silent
        && since.validity == Some(now.validity)
        && since.modseq.is_some()
        && since.modseq == now.modseq
        && since.uid_next.is_some()
        && since.uid_next == now.uid_next
        && usize::try_from(since.count) == Ok(now.exists);
    if unchanged {
        return Ok(now.changes(Vec::new(), Presence::Except(UidRanges::none()), now.modseq));
    }
    if now.exists == 0 {
        return Ok(now.changes(Vec::new(), Presence::Exactly(Vec::new()), now.modseq));
    }
    match opened {
        Opened { selected, changed: Some((listing, gone)) } if listing.lost == 0 => {
            let (items, ambiguous) = listing.sorted();
            let ends = |(first, last): (u32, u32)| Uid::new(first).zip(Uid::new(last));
            let gone = UidRanges::new(gone.into_iter().filter_map(ends));
            if !ambiguous && adds_up(&items, &gone, since, (selected.exists, selected.uid_next)) {
                return Ok(selected.changes(items, Presence::Except(gone), selected.modseq));
            }
            tracing::warn!("{}: what the server says has vanished does not fit its counts", selected.name);
            Err(Box::new(Opened { selected, changed: None }))
        }
        opened => Err(Box::new(opened)),
    }
}

/// Can it be true that of the base's messages only these vanished and these came?
fn adds_up(items: &[RemoteItem], gone: &UidRanges, since: &Since, (exists, next): (usize, Option<Uid>)) -> bool {
    let (Some(before), Some(next)) = (since.uid_next, next) else { return false };
    let sound = next >= before && items.iter().all(|item| item.uid < next && !gone.contains(item.uid));
    let came = items.iter().filter(|item| item.uid >= before).count() as u64;
    let exists = exists as u64;
    let most = u64::from(since.count) + came;
    let places = u64::from(next.get() - 1) - size_below(gone, next);
    sound && exists <= most && exists <= places && most - exists <= size_below(gone, before)
}

/// A mailbox on its way.
struct Case<'a> {
    place: usize,
    mailbox: &'a MailboxName,
    since: &'a Since,
    parameter: Parameter,
    opening: Opening,
    /// All that is in it, where that is asked along with its opening.
    inventory: Option<Inventory>,
}

/// What a command of a flight is about.
enum Part {
    Opening,
    Inventory,
}

/// All messages of a mailbox that was never compared.
#[derive(Default)]
struct Inventory {
    listing: Listing,
    /// Did messages come or go meanwhile?
    stirred: bool,
}

impl Inventory {
    fn hear(&mut self, kind: &Kind, response: &Response) {
        match kind {
            Kind::Fetch => self.listing.take(response),
            Kind::Exists(_) | Kind::Expunge | Kind::Vanished(_) => self.stirred = true,
            _ => {}
        }
    }
}

impl Session {
    /// May QRESYNC be used, or will it be known by the time?
    pub(in crate::remote::imap) fn can_resync(&self) -> bool {
        self.resync != Resync::Off && self.capabilities.qresync()
    }

    /// The command that agrees on it, before any mailbox is selected: it goes with the first others.
    pub(in crate::remote::imap) fn resync_command(&self) -> Option<String> {
        (self.resync == Resync::Unasked && self.capabilities.qresync()).then(|| "ENABLE QRESYNC".to_owned())
    }

    /// The answer to that command.
    pub(in crate::remote::imap) fn resync_answered(&mut self, confirmed: bool) {
        self.resync = if confirmed { Resync::On } else { Resync::Off };
        if !confirmed {
            tracing::warn!("{}: the server offers QRESYNC and does not enable it", self.host);
        }
    }

    /// What changed in each of these mailboxes.
    pub(in crate::remote::imap) fn compare_all(
        &mut self,
        asked: &[(MailboxName, Since)],
    ) -> Result<Vec<Result<RemoteChanges, Fault>>, Fault> {
        let mut out: Vec<Option<Result<RemoteChanges, Fault>>> = asked.iter().map(|_| None).collect();
        // What was told ahead is as good as long as no other mailbox is opened.
        for ((mailbox, since), slot) in asked.iter().zip(&mut out) {
            if self.is_told(mailbox, since) {
                *slot = Some(one(self.compare(mailbox, since))?);
            }
        }
        let never = asked.iter().any(|(_, since)| since.validity.is_none());
        if asked.len() > 1 || never {
            self.ask_together(asked, &mut out)?;
        }
        for ((mailbox, since), slot) in asked.iter().zip(&mut out) {
            if slot.is_none() {
                *slot = Some(one(self.compare(mailbox, since))?);
            }
        }
        Ok(out.into_iter().flatten().collect())
    }

    /// Opens the mailboxes one behind the other without waiting in between, and fills in what that told.
    /// One that was never compared is listed in the same flight.
    fn ask_together(
        &mut self,
        asked: &[(MailboxName, Since)],
        out: &mut [Option<Result<RemoteChanges, Fault>>],
    ) -> Result<(), Fault> {
        let doing = Doing::Comparing;
        let mut cases: Vec<Case<'_>> = Vec::new();
        let mut commands = Vec::new();
        // Which case each command is about.
        let mut owners = Vec::new();
        for (place, ((mailbox, since), slot)) in asked.iter().zip(out.iter_mut()).enumerate() {
            if slot.is_some() {
                continue;
            }
            let parameter = self.parameter(since);
            let inventory = since.validity.is_none().then(Inventory::default);
            if !matches!(parameter, Parameter::QResync(..)) && inventory.is_none() {
                continue;
            }
            match one(self.wire_name(doing, mailbox))? {
                Ok(name) => {
                    owners.push((cases.len(), Part::Opening));
                    commands.push(Self::select_command(&name, parameter).0);
                    if inventory.is_some() {
                        owners.push((cases.len(), Part::Inventory));
                        commands.push(self.listing_command());
                    }
                    cases.push(Case { place, mailbox, since, parameter, opening: Opening::default(), inventory });
                }
                Err(fault) => *slot = Some(Err(fault)),
            }
        }
        if commands.is_empty() {
            return Ok(());
        }
        self.selected = None;
        let conversation = self.converse(doing, &commands, LIMITS, |at, kind, response| {
            let Some((case, part)) = owners.get(at).and_then(|(case, part)| Some((cases.get_mut(*case)?, part))) else {
                return;
            };
            match (part, &mut case.inventory) {
                (Part::Inventory, Some(inventory)) => inventory.hear(kind, response),
                _ => case.opening.hear(kind, response),
            }
        })?;
        // What came out of turn is asked for again, one by one.
        let sure = conversation.disorder.unwrap_or(usize::MAX);
        let mut statuses = conversation.statuses.into_iter().take(sure);
        let mut refused = Vec::new();
        for case in cases {
            let (place, mailbox) = (case.place, case.mailbox);
            let Some(opened) = statuses.next() else { break };
            let listed = if case.inventory.is_some() { statuses.next() } else { None };
            self.selected = None;
            let told = match opened.answer {
                Answer::Ok => self.told_together(case, &opened, listed.as_ref())?,
                Answer::No => {
                    refused.push((place, mailbox, opened));
                    None
                }
                _ => {
                    self.do_without(case.parameter, &opened);
                    None
                }
            };
            if let Some(slot) = out.get_mut(place) {
                *slot = told;
            }
        }
        if conversation.disorder.is_some() {
            self.selected = None;
        }
        for (place, mailbox, status) in refused {
            let fault = self.not_opened(doing, mailbox, &status)?;
            if let Some(slot) = out.get_mut(place) {
                *slot = Some(Err(fault));
            }
        }
        Ok(())
    }

    /// What was told of one of many mailboxes. `None`: it has to be asked by itself.
    fn told_together(
        &mut self,
        case: Case<'_>,
        opened: &Status,
        listed: Option<&Status>,
    ) -> Result<Option<Result<RemoteChanges, Fault>>, Fault> {
        let Case { mailbox, since, parameter, opening, inventory, .. } = case;
        let opened = match one(self.opened(Doing::Comparing, mailbox, opening.finish(mailbox, parameter, opened)))? {
            Ok(opened) => opened,
            Err(fault) => return Ok(Some(Err(fault))),
        };
        let opened = match self.compared(opened, since) {
            Ok(changes) => return Ok(Some(Ok(changes))),
            Err(opened) => opened,
        };
        match (inventory, listed) {
            (Some(Inventory { listing, stirred: false }), Some(status)) if status.answer == Answer::Ok => {
                let told = one(self.inventoried(mailbox, &opened.selected, listing))?;
                self.settled();
                Ok(Some(told))
            }
            _ => Ok(None),
        }
    }
}

/// A fault of one mailbox is its own, any other ends the call.
fn one<T>(told: Result<T, Fault>) -> Result<Result<T, Fault>, Fault> {
    match told {
        Err(fault) if fault.scope > Scope::Mailbox => Err(fault),
        told => Ok(told),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::flags::Flags;
    use proptest::prelude::*;

    fn uid(number: u32) -> Uid {
        Uid::new(number).unwrap()
    }

    #[test]
    fn vanished_is_read_as_ranges() {
        let read = |line: &str| vanished(&Response::of(line));
        assert_eq!(read("* VANISHED (EARLIER) 300:310,405"), Some(vec![(300, 310), (405, 405)]));
        assert_eq!(read("* VANISHED 7:5"), Some(vec![(5, 7)]));
        assert_eq!(read("* VANISHED (EARLIER) 1:4294967295"), Some(vec![(1, u32::MAX)]));
        for odd in ["", " (EARLIER)", " (LATER) 4", " 0", " 1:*", " x", " (EARLIER 4)"] {
            assert_eq!(read(&format!("* VANISHED{odd}")), None, "{odd}");
        }
        assert_eq!(when(&Response::of("* VANISHED (EARLIER) 4")), Vanished::Earlier);
        assert_eq!(when(&Response::of("* VANISHED 4:6,9")), Vanished::Now(4));
    }

    #[test]
    fn what_vanished_must_fit_the_counts() {
        let fits = |items: &[u32], gone: &[(u32, u32)], exists: usize, next: u32| {
            let items: Vec<_> = items
                .iter()
                .map(|number| RemoteItem { uid: uid(*number), flags: Flags::none(), labels: None })
                .collect();
            let gone = UidRanges::new(gone.iter().map(|(a, b)| (uid(*a), uid(*b))));
            let since = Since { uid_next: Some(uid(11)), count: 5, ..Since::default() };
            adds_up(&items, &gone, &since, (exists, Some(uid(next))))
        };
        assert!(fits(&[], &[], 5, 11));
        assert!(fits(&[3], &[(4, 4)], 4, 11));
        assert!(fits(&[11, 12], &[(4, 6)], 6, 13));
        assert!(fits(&[11], &[(1, 10)], 1, 12));
        assert!(!fits(&[], &[], 4, 11), "one is gone and nobody says which");
        assert!(!fits(&[], &[], 6, 11), "one came and nobody says which");
        assert!(!fits(&[], &[(4, 4)], 3, 11));
        assert!(!fits(&[], &[(1, u32::MAX)], 5, 11), "all are gone and five are there");
        assert!(!fits(&[11], &[(11, 11)], 5, 12), "it came and it is gone");
        assert!(!fits(&[11], &[], 6, 11), "a UID that is not given yet");
        assert!(!fits(&[], &[], 5, 10), "UIDs that go back");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let mut line = b"* VANISHED ".to_vec();
            line.extend(bytes);
            let response = Response::of(line);
            let _ = (vanished(&response), when(&response));
        }
    }
}
