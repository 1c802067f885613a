//! From a draft to what is queued: the attached files are read now, since they may be gone by the
//! time of sending; Date and Message-ID are set now, and stay through every attempt.

use std::fs::File;
use std::io::Read as _;
use std::sync::Arc;

use super::env::Env;
use super::queue::Queue;
use crate::config::Account;
use crate::fault::{Again, Cause, Doing, Fault, Scope};
use crate::job::outbox::{EntryId, Outgoing};
use crate::mail::build::{self, Attached, Fixable, Flaw, Stamp};
use crate::mail::draft::{Draft, DraftAttachment, DraftKind};
use crate::mail::ids::Timestamp;
use crate::mail::notes::Timer;

/// The most bytes that are attached to one message; no provider takes half as much.
const MAX_ATTACHED: u64 = 256 << 20;

/// Reads the files of a draft, stamps it and builds the message.
///
/// # Errors
/// For the author: a file that cannot be read, a word that is no address, no recipient.
pub fn outgoing(
    draft: &Draft,
    account: &Account,
    hold_until: Option<Timestamp>,
    now: Timestamp,
) -> Result<Outgoing, Fault> {
    let mut left = MAX_ATTACHED;
    let mut attached = Vec::with_capacity(draft.attachments.len());
    for file in &draft.attachments {
        let bytes = read(file, left)?;
        left = left.saturating_sub(bytes.len() as u64);
        attached.push(Attached { name: file.name.clone(), media_type: file.media_type.clone(), bytes });
    }
    let stamp = stamp(draft, now)?;
    let built = build::build(draft, &attached, &stamp).map_err(|flaw| fault(&flaw).of(&account.id))?;
    let newest = draft.references.last().cloned();
    let (answers, forwards) = match draft.kind {
        DraftKind::New => (None, None),
        DraftKind::Reply | DraftKind::ReplyAll | DraftKind::ReplyList => (draft.in_reply_to.clone().or(newest), None),
        DraftKind::Forward => (None, draft.in_reply_to.clone().or(newest)),
    };
    Ok(Outgoing {
        account: account.id.clone(),
        submission: built.submission,
        wire: Arc::from(built.wire),
        bcc: built.bcc,
        message_id: Some(stamp.message_id),
        hold_until,
        answers,
        forwards,
        draft: Some(Box::new(draft.clone())),
    })
}

/// Puts a message into the queue, durably. That an answer is waited for is remembered before it can be sent: of a
/// message that is queued it is never forgotten, and to wait for an answer to one that never was does no harm.
///
/// # Errors
/// It is not queued: it cannot be remembered or written, or is no message that can be sent.
pub(super) fn queue_up(
    env: &Env,
    queue: &Queue,
    outgoing: &Outgoing,
    subject: &str,
    now: Timestamp,
) -> Result<EntryId, Fault> {
    let due = outgoing.draft.as_ref().and_then(|draft| draft.remind_at);
    let awaited = outgoing.message_id.as_ref().zip(due);
    if let Some((id, due)) = awaited {
        (env.await_answer)(id, Some(Timer { due, set_at: now }))?;
    }
    queue.add(outgoing, subject, now).inspect_err(|_| {
        if let Some((id, _)) = awaited {
            // The next attempt has a Message-ID of its own.
            let _ = (env.await_answer)(id, None);
        }
    })
}

fn stamp(draft: &Draft, now: Timestamp) -> Result<Stamp, Fault> {
    let unique = format!("{:x}.{:016x}{:08x}", now.get(), fastrand::u64(..), fastrand::u32(..));
    let message_id = build::message_id(&unique, &draft.from).ok_or_else(|| {
        Fault::new(Doing::Queueing, &draft.from.email, Cause::Refused)
            .scope(Scope::Message)
            .again(Again::AfterUser)
            .detail("this is no address to send from")
    })?;
    let offset = jiff::Timestamp::from_second(now.get())
        .map_or(0, |moment| jiff::tz::TimeZone::system().to_offset(moment).seconds() / 60);
    Ok(Stamp { date: now, offset_minutes: offset, message_id })
}

fn read(file: &DraftAttachment, left: u64) -> Result<Vec<u8>, Fault> {
    let shown = file.path.to_string_lossy();
    let failed = |error: &std::io::Error| {
        Fault::io(Doing::Queueing, &shown, error).scope(Scope::Message).again(Again::AfterUser)
    };
    let opened = File::open(&file.path).map_err(|e| failed(&e))?;
    if !opened.metadata().map_err(|e| failed(&e))?.is_file() {
        return Err(refuse(&shown, "it is no plain file"));
    }
    let mut bytes = Vec::new();
    opened.take(left + 1).read_to_end(&mut bytes).map_err(|e| failed(&e))?;
    if bytes.len() as u64 > left {
        return Err(refuse(&shown, "the attachments are too large to be sent"));
    }
    Ok(bytes)
}

fn refuse(subject: &str, why: &str) -> Fault {
    Fault::new(Doing::Queueing, subject, Cause::Refused).scope(Scope::Message).again(Again::AfterUser).detail(why)
}

fn fault(flaw: &Flaw) -> Fault {
    match flaw.fixable {
        Fixable::ByAuthor => refuse(&flaw.about, &flaw.why),
        Fixable::ByNobody => Fault::new(Doing::Queueing, &flaw.about, Cause::Bug)
            .scope(Scope::Message)
            .again(Again::Never)
            .detail(&flaw.why),
    }
}
