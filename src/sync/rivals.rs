//! Of two programs that fetch the same mail into the same tree, each takes what the other one fetched
//! for mail of the user's own and uploads it: all is doubled, and again. So where another program was at
//! work lately, nothing is fetched, uploaded, moved or removed here until the user says that it runs no
//! more. What it knows is still read, flags still go both ways, and its files are never written.
//!
//! One that syncs the tree with another server shows by the epoch in its state, and is left in peace.

use std::collections::BTreeMap;

use super::env::Halt;
use super::look::Look;
use super::plan::Plan;
use super::round::Round;
use crate::fault::Fault;
use crate::job::sync::Keeper;
use crate::ledger::keeper::Kept;
use crate::mail::clean::Clean;
use crate::mail::ids::UidValidity;
use crate::mail::mailbox::MailboxName;
use crate::store::signs::{Sign, Signs};

/// A program that left no sign for so many seconds has ended: nobody runs one less than once in two days
/// and expects new mail from it.
pub const REST: i64 = 2 * 86_400;

const SECOND: i64 = 1_000_000_000;

/// What a sync thread remembers of another program in the tree.
#[derive(Debug, Default)]
pub(crate) struct Rivals {
    shelf: Signs,
    /// The signs of those mailboxes whose server is known to be ours, as this round found them.
    ours: BTreeMap<MailboxName, Sign>,
    /// The question that was put, and for which mailbox: one is enough for all.
    asked: Option<(MailboxName, Clean)>,
    /// Was the user's yes used up for this?
    pub(crate) took_over: bool,
}

/// Another program that may be at work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rival {
    keeper: Keeper,
    /// When it was seen, in nanoseconds since 1970.
    seen: i64,
}

/// What may be done about a mailbox beside another program.
pub(super) enum Way {
    /// All of it.
    Free(Plan),
    /// What does no harm, until the user has answered.
    Given(Plan),
}

/// How it stands with another program that was last seen writing at `seen`, and perhaps running at
/// `stirred`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It gave way, and has written nothing since.
    Retired,
    /// It was at work until not long ago, or since it gave way.
    Alive,
    /// It left no sign for long, and gives way without a word.
    Resting,
}

/// Judges by the signs; times in nanoseconds since 1970, `now` in seconds.
pub fn standing(kept: Kept, stirred: i64, now: i64) -> Standing {
    let Kept { seen, retired } = kept;
    match retired {
        Some(retired) if seen <= retired => Standing::Retired,
        None if now.saturating_sub(seen.max(stirred) / SECOND) >= REST => Standing::Resting,
        Some(_) | None => Standing::Alive,
    }
}

/// How long ago that was, in words.
pub fn ago(seconds: i64) -> String {
    let (count, unit) = match seconds {
        ..60 => return "just now".to_owned(),
        60..3600 => (seconds / 60, "minute"),
        3600..REST => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    format!("{count} {unit}{} ago", if count == 1 { "" } else { "s" })
}

fn is_of(sign: &Sign, validity: UidValidity) -> bool {
    sign.epochs.is_empty() || sign.epochs.contains(&validity)
}

impl Round<'_> {
    /// Looks for signs of another program in all mailboxes that are synced.
    pub(super) fn observe(&mut self, looks: &[Look]) -> Result<(), Halt> {
        let signs = Signs::below(self.env.home.as_deref());
        let mut ours = BTreeMap::new();
        for look in looks {
            let (Some(maildir), Some(validity)) = (&look.maildir, look.agreed.validity) else { continue };
            let sign = signs.of(maildir.path(), &look.mailbox.name).filter(|sign| is_of(sign, validity));
            ours.extend(sign.map(|sign| (look.mailbox.name.clone(), sign)));
        }
        let rivals = &mut self.memory.rivals;
        (rivals.shelf, rivals.ours) = (signs, ours);
        // A yes that was given to one mailbox is meant for all, also those that are met before it.
        let asked = rivals.asked.as_ref().map(|(name, _)| name.clone());
        if let Some(name) = asked.filter(|name| self.memory.answers.get(name) == Some(&true)) {
            self.memory.answers.remove(&name);
            let kept = self.kept()?;
            self.retire(kept)?;
        }
        Ok(())
    }

    /// Gives way to another program that may be at work in this mailbox.
    pub(super) fn give_way(&mut self, look: &Look, validity: UidValidity, plan: Plan) -> Result<Way, Halt> {
        let name = &look.mailbox.name;
        let Some(rival) = (if plan.takes_turns() { self.rival(look, validity)? } else { None }) else {
            return Ok(Way::Free(plan));
        };
        let rivals = &self.memory.rivals;
        let asked = rivals.asked.as_ref().filter(|(asked, _)| asked != name);
        let answers = &self.memory.answers;
        let said = answers.get(name).or_else(|| answers.get(&asked?.0)).copied().or(self.env.consent);
        match said {
            Some(true) if self.memory.dry.is_none() => {
                self.memory.answers.remove(name);
                self.memory.rivals.took_over = true;
                let kept = self.kept()?;
                self.retire(Kept { seen: kept.seen.max(rival.seen), ..kept })?;
                Ok(Way::Free(plan))
            }
            Some(true) => Ok(Way::Free(plan)),
            Some(false) => Ok(Way::Given(plan.without_turns())),
            None => {
                let (held, is_dry) = (&self.memory.held, self.memory.dry.is_some());
                let is_asked = asked.is_some_and(|(asked, question)| is_dry || held.get(asked) == Some(question));
                if !is_asked {
                    let question = self.question(name, rival);
                    self.memory.rivals.asked = Some((name.clone(), question.clone()));
                    self.hold(name, question);
                }
                // A forecast shows what the question is about.
                Ok(if is_dry { Way::Free(plan) } else { Way::Given(plan.without_turns()) })
            }
        }
    }

    /// The program that may be at work in this mailbox, if any.
    fn rival(&mut self, look: &Look, validity: UidValidity) -> Result<Option<Rival>, Halt> {
        let Some(maildir) = &look.maildir else { return Ok(None) };
        let name = &look.mailbox.name;
        // Looked at again: it may have begun since the round did.
        let own = self.memory.rivals.shelf.of(maildir.path(), name);
        let is_ours = |sign: &Sign| is_of(sign, validity) || look.agreed.validity.is_some_and(|old| is_of(sign, old));
        match own {
            Some(sign) if is_ours(&sign) => drop(self.memory.rivals.ours.insert(name.clone(), sign)),
            Some(_) => return Ok(None),
            // What it does not keep is ours alone. A folder that is new to both it may keep in its next run.
            None if look.agreed.complete_at.get() != 0 => return Ok(None),
            None => {}
        }
        let ours = &self.memory.rivals.ours;
        let Some(keeper) = ours.get(name).or_else(|| ours.values().max_by_key(|sign| sign.written)) else {
            return Ok(None);
        };
        let keeper = keeper.keeper;
        let stirred = ours.values().map(|sign| sign.stirred).max().unwrap_or(0);
        let kept = self.kept()?;
        match standing(kept, stirred, self.env.clock.now().get()) {
            Standing::Retired => Ok(None),
            Standing::Resting => {
                self.retire(kept)?;
                Ok(None)
            }
            Standing::Alive => Ok(Some(Rival { keeper, seen: kept.seen })),
        }
    }

    /// What the ledger knows of the other program, and what this round has seen of it.
    fn kept(&mut self) -> Result<Kept, Fault> {
        let account = &self.env.account.id;
        let before = self.ledger.keeper(account)?;
        let latest = self.memory.rivals.ours.values().map(|sign| sign.written).max().unwrap_or(0);
        let known = before.unwrap_or_default();
        let kept = Kept { seen: known.seen.max(latest), ..known };
        if before != Some(kept) && self.memory.dry.is_none() {
            self.ledger.keep(account, kept)?;
        }
        Ok(kept)
    }

    fn retire(&mut self, kept: Kept) -> Result<(), Fault> {
        if self.memory.dry.is_some() {
            return Ok(());
        }
        if let Some((name, question)) = self.memory.rivals.asked.take()
            && self.memory.held.get(&name) == Some(&question)
        {
            self.memory.held.remove(&name);
        }
        self.ledger.keep(&self.env.account.id, Kept { retired: Some(kept.seen), ..kept })
    }

    fn question(&self, name: &MailboxName, rival: Rival) -> Clean {
        let program = rival.keeper.name();
        let ago = ago(self.env.clock.now().get().saturating_sub(rival.seen / SECOND));
        Clean::line(&format!(
            "{name}: {program} synced this mail too, {ago}, and two programs that fetch the same mail double it. Does \
             {program} run no more, so that tern takes over?"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_wrote_lately_is_alive_and_who_gave_way_is_not_until_it_writes_again() {
        let now = 1_700_000_000;
        let at = |seconds: i64| (now - seconds) * SECOND;
        // (written, stirred, retired, standing), as seconds before now
        let table = [
            (60, 60, None, Standing::Alive),
            (REST - 1, REST - 1, None, Standing::Alive),
            (REST, REST, None, Standing::Resting),
            // Each run locks, also one that has nothing to write.
            (30 * REST, 600, None, Standing::Alive),
            (60, 60, Some(60), Standing::Retired),
            (60, 60, Some(3600), Standing::Alive),
            (30 * REST, 30 * REST, Some(31 * REST), Standing::Alive),
            // A clock that was set back.
            (-3600, -3600, None, Standing::Alive),
        ];
        for (written, stirred, retired, expected) in table {
            let kept = Kept { seen: at(written), retired: retired.map(at) };
            assert_eq!(standing(kept, at(stirred), now), expected, "{written} {stirred} {retired:?}");
        }
    }

    #[test]
    fn times_read_as_people_say_them() {
        let table =
            [(-5, "just now"), (59, "just now"), (60, "1 minute ago"), (7200, "2 hours ago"), (REST, "2 days ago")];
        for (seconds, words) in table {
            assert_eq!(ago(seconds), words);
        }
    }
}
