//! What the user wants of an entry: try it now, hold it, take it back, throw it away, decide about
//! one that may have been sent. Usable from any program, whoever sends: an entry is first moved to
//! `held/`, where no sender looks, and only then changed.

use std::path::Path;

use super::entry::Head;
use super::note::Note;
use super::queue::{Bin, Listed, Queue};
use crate::fault::{Again, Cause, Doing, Fault, Scope};
use crate::job::outbox::{Entry, EntryId, EntryState, Resolution, Verdict};
use crate::mail::clean::Clean;
use crate::mail::draft::Draft;
use crate::mail::ids::Timestamp;
use crate::mail::journal;
use crate::store::drafts::Journal;

/// Lists the outbox below `data` as the screen and the command line show it, oldest first. Files
/// that cannot be read come as faults.
pub fn entries(data: &Path, now: Timestamp) -> Result<(Vec<Entry>, Vec<Fault>), Fault> {
    let listing = Queue::open(data)?.list()?;
    let shown = listing.entries.iter().map(|listed| shown(listed, now)).collect();
    Ok((shown, listing.unreadable.into_iter().map(|(.., fault)| fault).collect()))
}

/// Makes an entry due at once, whatever its schedule says. One that failed starts anew, for those
/// who have not got it.
pub fn retry(queue: &Queue, id: &EntryId) -> Result<(), Fault> {
    let from = claim(queue, id, &[Bin::Queued, Bin::Deferred, Bin::Held, Bin::Failed])?;
    let mut note = queue.note(id)?;
    if from == Bin::Failed {
        note.start_over();
    } else {
        (note.next, note.paused, note.offline) = (None, false, false);
    }
    queue.write_note(id, &note)?;
    queue.shift(id, Bin::Held, Bin::Deferred).map(drop)
}

/// Keeps an entry until it is released.
pub fn hold(queue: &Queue, id: &EntryId) -> Result<(), Fault> {
    claim(queue, id, &[Bin::Queued, Bin::Deferred, Bin::Held]).map(drop)
}

/// Takes an entry back: its draft lies in the journal of drafts when this returns, and the entry is
/// gone. Those who have the message already are no longer among the draft's recipients.
///
/// # Errors
/// It is being sent, or it was not written here, so that there is nothing to edit.
pub fn recall(queue: &Queue, data: &Path, id: &EntryId) -> Result<Draft, Fault> {
    let bin = queue.find(id).ok_or_else(|| gone(id))?;
    let head = queue.head(id, bin)?;
    let Some(mut draft) = head.draft.as_deref().and_then(journal::read) else {
        return Err(refuse(id, Cause::Refused, "it was not written here, so there is nothing to edit"));
    };
    claim(queue, id, &[Bin::Queued, Bin::Deferred, Bin::Held, Bin::Failed])?;
    let note = queue.note(id)?;
    if note.accepted_for_some() {
        let left = head.submission.recipients.iter().filter(|who| note.verdicts.get(*who) != Some(&Verdict::Accepted));
        draft.to = left.cloned().collect::<Vec<_>>().join(", ");
        draft.cc.clear();
        draft.bcc.clear();
    }
    Journal::below(data).keep(&draft)?;
    queue.remove(id, Bin::Held)?;
    Ok(draft)
}

/// Throws an entry away. One that was accepted and whose copy is owed stays until that is written.
pub fn remove(queue: &Queue, id: &EntryId) -> Result<(), Fault> {
    claim(queue, id, &[Bin::Queued, Bin::Deferred, Bin::Held, Bin::Failed, Bin::Maybe, Bin::Damaged])?;
    queue.remove(id, Bin::Held).map(drop)
}

/// Decides about an entry that may have been sent.
pub fn resolve(queue: &Queue, id: &EntryId, resolution: Resolution) -> Result<(), Fault> {
    let head = queue.head(id, Bin::Maybe).map_err(|_| refuse(id, Cause::Refused, "nothing is open about it"))?;
    claim(queue, id, &[Bin::Maybe])?;
    // A note that cannot be read is why it is here; the user's word counts for all then.
    let mut note =
        queue.note(id).unwrap_or_else(|_| Note { dotted: head.submission.recipients.clone(), ..Note::default() });
    match resolution {
        Resolution::WasSent => note.believe_sent(),
        Resolution::SendAgain => note.start_over(),
    }
    queue.write_note(id, &note)?;
    queue.shift(id, Bin::Held, resting_place(&head, &note)).map(drop)
}

/// Where an entry belongs by what its note says, when nothing is going on with it.
pub(super) fn resting_place(head: &Head, note: &Note) -> Bin {
    let recipients = &head.submission.recipients;
    if !note.dotted.is_empty() {
        Bin::Maybe
    } else if note.accepted_for_all(recipients) {
        Bin::Sent
    } else if note.open(recipients).is_empty() {
        Bin::Failed
    } else {
        Bin::Deferred
    }
}

/// Moves an entry to `held/`; says where it was.
fn claim(queue: &Queue, id: &EntryId, from: &[Bin]) -> Result<Bin, Fault> {
    for _ in 0..3 {
        let bin = queue.find(id).ok_or_else(|| gone(id))?;
        if !from.contains(&bin) {
            return Err(match bin {
                Bin::Sending => refuse(id, Cause::Busy, "it is being sent"),
                Bin::Sent => refuse(id, Cause::Refused, "it has been accepted"),
                Bin::Maybe => refuse(id, Cause::Refused, "it may have been sent; say first whether it was"),
                _ => refuse(id, Cause::Refused, "that cannot be done in its state"),
            });
        }
        if bin == Bin::Held || queue.shift(id, bin, Bin::Held)? {
            return Ok(bin);
        }
    }
    Err(refuse(id, Cause::Busy, "it keeps moving"))
}

fn gone(id: &EntryId) -> Fault {
    refuse(id, Cause::Missing, "it is not in the outbox any more")
}

fn refuse(id: &EntryId, cause: Cause, why: &str) -> Fault {
    Fault::new(Doing::Queueing, id.as_str(), cause).scope(Scope::Message).again(Again::Never).detail(why)
}

/// An entry as the screen shows it.
pub(super) fn shown(listed: &Listed, now: Timestamp) -> Entry {
    let nothing = Note::default();
    let note = listed.note.as_ref().unwrap_or(&nothing);
    let why = || match &listed.note {
        Ok(note) => note.why.clone(),
        Err(fault) => Clean::line(&fault.to_string()),
    };
    let held_until = listed.head.hold_until.filter(|until| *until > now);
    let state = match listed.bin {
        Bin::Queued if held_until.is_some() => EntryState::Held(held_until),
        Bin::Queued => EntryState::Queued,
        Bin::Deferred if note.paused => EntryState::Paused { why: why() },
        Bin::Deferred => match note.next {
            Some(next) => EntryState::Deferred { attempts: note.attempts, next, why: why() },
            None => EntryState::Queued,
        },
        Bin::Held => EntryState::Held(None),
        Bin::Sending | Bin::Sent => EntryState::Sending,
        Bin::Failed | Bin::Damaged => EntryState::Failed { why: why() },
        Bin::Maybe => EntryState::MaybeSent,
    };
    let recipients = listed.head.submission.recipients.iter();
    Entry {
        id: listed.id.clone(),
        account: listed.head.account.clone(),
        recipients: recipients
            .map(|who| (Clean::line(who), note.verdicts.get(who).cloned().unwrap_or(Verdict::Pending)))
            .collect(),
        subject: Clean::line(&listed.head.subject),
        state,
        queued_at: listed.head.queued_at,
        size: listed.head.size,
        transcript: note.transcript.clone(),
    }
}
