//! Messages that the server lists and does not give, and files that it does not take: each is tried again after a
//! pause that grows, and is never in the way of the others. Of a message that is not given it is told once. What is known of them lives as long as the sync
//! thread does; the next one tries them anew.

use std::collections::{BTreeMap, BTreeSet};

use super::compare::Heard;
use super::plan::{Op, Plan};
use super::round::Round;
use crate::mail::ids::{ModSeq, Timestamp, Uid, UidValidity};
use crate::mail::mailbox::MailboxName;
use crate::mail::place::UniqueName;
use crate::remote::Standing;

/// The pause after the first failure, in seconds; it doubles with each further one.
const FIRST: i64 = 60;
/// The longest pause: a day.
const LONGEST: i64 = 86_400;

/// What could not be fetched of one mailbox, and what could not be uploaded to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    epoch: UidValidity,
    failed: BTreeMap<Uid, Failure>,
    refused: BTreeMap<UniqueName, Failure>,
    /// How the mailbox stood when all else of it was taken in.
    stood: Option<(Option<Uid>, Option<ModSeq>)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Failure {
    times: u32,
    again_at: Timestamp,
}

impl Failure {
    fn next(before: Option<&Self>, now: Timestamp) -> Self {
        let times = before.map_or(0, |failure| failure.times).saturating_add(1);
        let pause = (FIRST << (times - 1).min(20)).min(LONGEST);
        Self { times, again_at: now.plus(pause) }
    }

    /// Those that failed now, and those of before that were spared.
    fn again<T: Ord + Clone>(
        now_failed: &[T],
        before: BTreeMap<T, Self>,
        spared: &BTreeSet<T>,
        now: Timestamp,
    ) -> BTreeMap<T, Self> {
        let next = |it: &T| (it.clone(), Self::next(before.get(it), now));
        let mut all: BTreeMap<T, Self> = now_failed.iter().map(next).collect();
        all.extend(before.into_iter().filter(|(it, _)| spared.contains(it)));
        all
    }
}

impl Trouble {
    /// Is all that the mailbox has beside these messages known, and is it too early to try them again?
    pub(super) fn is_all(&self, standing: &Standing, now: Timestamp) -> bool {
        self.epoch == standing.validity
            && self.stood == Some((standing.uid_next, standing.modseq))
            && self.failed.values().all(|failure| now < failure.again_at)
    }

    /// The messages that could not be fetched.
    pub(super) fn uids(&self) -> BTreeSet<Uid> {
        self.failed.keys().copied().collect()
    }
}

/// What it is too early to try again.
#[derive(Debug, Default)]
pub(super) struct Spared {
    /// Messages to be fetched.
    pub(super) uids: BTreeSet<Uid>,
    /// Files to be uploaded.
    pub(super) files: BTreeSet<UniqueName>,
}

impl Round<'_> {
    /// Takes out of the plan what it is too early to try again, and gives it.
    pub(super) fn spare(&self, mailbox: &MailboxName, plan: &mut Plan) -> Spared {
        let mut spared = Spared::default();
        let now = self.env.clock.now();
        let Some(trouble) = self.memory.troubles.get(mailbox).filter(|t| Some(t.epoch) == plan.epoch) else {
            return spared;
        };
        let too_early = |failure: &Failure| now < failure.again_at;
        plan.ops.retain(|op| match op {
            Op::Download { uid, .. } if trouble.failed.get(uid).is_some_and(too_early) => {
                spared.uids.insert(*uid);
                false
            }
            Op::Append { unique, .. } if trouble.refused.get(unique).is_some_and(too_early) => {
                spared.files.insert(unique.clone());
                false
            }
            _ => true,
        });
        spared
    }

    /// Remembers what could not be fetched and what was not taken; `rest`: was all else of the mailbox taken in?
    pub(super) fn remember(
        &mut self,
        mailbox: &MailboxName,
        heard: &Heard,
        spared: &Spared,
        (unfetched, refused): (&[Uid], &[UniqueName]),
        rest: bool,
    ) {
        let now = self.env.clock.now();
        let before = self.memory.troubles.remove(mailbox).filter(|trouble| trouble.epoch == heard.validity);
        let (known, known_files) = before.map(|trouble| (trouble.failed, trouble.refused)).unwrap_or_default();
        let failed = Failure::again(unfetched, known, &spared.uids, now);
        let refused = Failure::again(refused, known_files, &spared.files, now);
        if !(failed.is_empty() && refused.is_empty()) {
            let stood = rest.then_some((heard.uid_next, heard.modseq));
            self.memory.troubles.insert(mailbox.clone(), Trouble { epoch: heard.validity, failed, refused, stood });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_up_to_a_day() {
        let mut pauses = Vec::new();
        let mut failure = None;
        for _ in 0..80 {
            let next = Failure::next(failure.as_ref(), Timestamp::new(0));
            pauses.push(next.again_at.get());
            failure = Some(next);
        }
        assert_eq!(pauses[..4], [60, 120, 240, 480]);
        assert!(pauses[12..].iter().all(|pause| *pause == LONGEST), "{pauses:?}");
    }
}
