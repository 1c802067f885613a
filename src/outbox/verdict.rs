//! What an attempt came to, taken into the note of its entry and into words for the user. Pure.

use super::note::Note;
use super::policy::{self, Counts, Next, Outcome, Said};
use super::queue::Listed;
use crate::fault::{Again, Cause, Doing, Fault, Scope};
use crate::job::outbox::Verdict;
use crate::mail::clean::Clean;
use crate::mail::ids::Timestamp;

/// Takes an outcome into the note.
pub(super) fn write_down(note: &mut Note, tried: &[String], outcome: &Outcome, next: Next, now: Timestamp) {
    note.dotted.clear();
    (note.next, note.paused, note.offline) = (None, false, false);
    let refuse = |note: &mut Note, who: &String, reply: &policy::Reply| {
        let line = reply.line();
        let for_good = next == Next::Failed || (next != Next::Pause && !policy::is_for_now(reply));
        let verdict = if for_good { Verdict::Refused(line.clone()) } else { Verdict::Deferred(line.clone()) };
        note.verdicts.insert(who.clone(), verdict);
        note.why = line;
    };
    match outcome {
        Outcome::Answered(said) => {
            for (who, said) in said {
                match said {
                    Said::Accepted => {
                        note.verdicts.insert(who.clone(), Verdict::Accepted);
                    }
                    Said::Refused(reply) => refuse(note, who, reply),
                }
            }
        }
        Outcome::Refused(reply) => tried.iter().for_each(|who| refuse(note, who, reply)),
        Outcome::Unknown(fault, dotted) => {
            note.dotted.clone_from(dotted);
            note.why = Clean::line(&fault.to_string());
        }
        Outcome::Offline(fault) | Outcome::Insecure(fault) | Outcome::SignIn(fault, _) | Outcome::Broken(fault) => {
            note.why = Clean::line(&fault.to_string());
            if next == Next::Failed {
                for who in tried {
                    note.verdicts.insert(who.clone(), Verdict::Refused(note.why.clone()));
                }
            }
        }
    }
    match next {
        Next::Retry { at, counts, .. } => {
            note.next = Some(at);
            note.offline = counts == Counts::No;
            if counts == Counts::Yes {
                note.attempts = note.attempts.saturating_add(1);
                note.first.get_or_insert(now);
            }
        }
        Next::Pause => note.paused = true,
        Next::Rest => note.next = Some(now),
        Next::Done | Next::Failed | Next::Ask => {}
    }
}

/// What the user is told when it is theirs to act.
pub(super) fn explain(outcome: Outcome, note: &Note, listed: &Listed) -> Fault {
    let account = &listed.head.account;
    match outcome {
        Outcome::Offline(fault) | Outcome::Insecure(fault) | Outcome::SignIn(fault, _) | Outcome::Broken(fault) => {
            fault.of(account)
        }
        Outcome::Unknown(fault, _) => Fault {
            detail: Clean::line(&format!(
                "the connection was lost after the last byte: it may have been sent ({})",
                fault.detail
            )),
            ..fault.of(account).scope(Scope::Message).again(Again::AfterUser)
        },
        Outcome::Refused(_) | Outcome::Answered(_) => {
            let refused: Vec<&str> = note
                .verdicts
                .iter()
                .filter(|(_, verdict)| matches!(verdict, Verdict::Refused(_)))
                .map(|(who, _)| who.as_str())
                .collect();
            let subject = if refused.is_empty() { listed.head.subject.clone() } else { refused.join(", ") };
            Fault::new(Doing::Submitting, &subject, Cause::Refused)
                .of(account)
                .scope(Scope::Message)
                .again(Again::AfterUser)
                .detail(note.why.as_str())
        }
    }
}
