//! What may not wait: a mailbox that is met for the first time and is large shows its newest messages
//! before all of it is listed, and while many messages are fetched into one mailbox, news of INBOX and
//! of the mailbox on screen overtake them. What overtakes only fetches; all else of those mailboxes is done
//! when all of them are looked at together.
//!
//! One connection does all of it. Commands are pipelined, two chunks of up to 500 messages or 32 MB at a time,
//! so that what a second connection could add to a first sync is the disk's, not the line's: messages come
//! faster than they can be made durable. Measured with 50 ms there and back, durable, on two cores: 10,000
//! messages (183 MB) in 2.7 s, where mbsync without any fsync takes 3.5 s; 100,000 (1.9 GB) in 12 s on a quiet
//! disk, within the 7 to 14 s that it takes without the delay. On a disk that others keep busy it is 30 s against 23 s: then all of
//! the difference is the wait for the disk.

use std::collections::{BTreeMap, BTreeSet};

use super::apply::Hands;
use super::compare::{Heard, Sight};
use super::doubt::Settled;
use super::env::Halt;
use super::look::Look;
use super::plan::{Op, Plan};
use super::round::Round;
use super::trouble::Trouble;
use crate::fault::{Fault, Scope};
use crate::job::sync::Counts;
use crate::ledger::IntentId;
use crate::mail::ids::Uid;
use crate::mail::mailbox::MailboxName;
use crate::mail::place::UniqueName;
use crate::remote::Standing;
use crate::store::maildir::Maildir;

/// Listing so many messages takes longer than a person likes to wait for the first.
const MANY: u32 = 5_000;
/// So many fill the largest screens, and so many come of each mailbox before anything overtakes.
const NEWEST: u32 = 50;
/// How many messages mailboxes have that are listed together.
const GROUP: u32 = 1_000;

/// What was done in one mailbox, and what went wrong.
#[derive(Debug, Default)]
pub(super) struct Deeds {
    pub(super) counts: Counts,
    pub(super) faults: Vec<Fault>,
    /// Messages that could not be fetched.
    pub(super) unfetched: Vec<Uid>,
    /// Why.
    pub(super) troubles: Vec<Fault>,
    /// Stubs that were not uploaded.
    pub(super) lone: Vec<UniqueName>,
    /// Files that the server did not take.
    pub(super) refused: Vec<UniqueName>,
}

impl Round<'_> {
    /// Meets a mailbox that was never compared in full.
    pub(super) fn meet_stranger(
        &mut self,
        look: Look,
        standing: Option<&Standing>,
        settled: &mut BTreeMap<MailboxName, Settled>,
    ) -> Result<(), Halt> {
        let look = if settled.contains_key(&look.mailbox.name) { look } else { self.glimpse(look, standing)? };
        self.meet(vec![look], settled)
    }

    /// Meets mailboxes that were never compared in full: small ones together, so that listing them takes one
    /// round trip, and then each of the others by itself, so that INBOX or the one on screen can overtake it.
    pub(super) fn meet_strangers(
        &mut self,
        strangers: Vec<Look>,
        standings: &BTreeMap<MailboxName, Standing>,
        settled: &mut BTreeMap<MailboxName, Settled>,
    ) -> Result<(), Halt> {
        let standing = |look: &Look| standings.get(&look.mailbox.name);
        let is_small = |look: &Look| standing(look).is_some_and(|standing| standing.messages <= NEWEST);
        let (small, others): (Vec<Look>, Vec<Look>) = strangers.into_iter().partition(is_small);
        let mut group = Vec::new();
        let mut messages: u32 = 0;
        for look in small {
            let more = standing(&look).map_or(0, |standing| standing.messages);
            if messages.saturating_add(more) > GROUP {
                self.meet(std::mem::take(&mut group), settled)?;
                messages = 0;
            }
            messages = messages.saturating_add(more);
            group.push(look);
        }
        self.meet(group, settled)?;
        for look in others {
            let standing = standings.get(&look.mailbox.name);
            self.meet_stranger(look, standing, settled)?;
        }
        Ok(())
    }

    /// Brings the newest messages of a mailbox of which neither side has anything on this disk, if it is large.
    /// Gives the mailbox as it is then.
    fn glimpse(&mut self, look: Look, standing: Option<&Standing>) -> Result<Look, Halt> {
        let name = look.mailbox.name.clone();
        let unborn = self.memory.folders.as_ref().is_some_and(|folders| folders.unborn.contains(&name));
        let is_blank = look.agreed.validity.is_none()
            && look.count == 0
            && look.side.changes.complete
            && look.side.changes.is_nothing();
        // Where nobody told how large it is, it costs a round trip to ask.
        let may_be_large = match standing {
            Some(standing) => standing.messages > MANY,
            None => name == self.anchor() || self.on_screen().as_ref() == Some(&name),
        };
        if self.memory.dry.is_some() || unborn || !is_blank || !may_be_large || look.maildir.is_none() {
            return Ok(look);
        }
        self.env.step()?;
        let told = match self.remote.newest(&name, MANY, NEWEST) {
            Ok(Some(told)) => told,
            Ok(None) => return Ok(look),
            // The plain way meets the same fault and tells it.
            Err(fault) if fault.scope <= Scope::Mailbox => return Ok(look),
            Err(fault) => return Err(fault.into()),
        };
        let since = Self::since(&look);
        let sight: Sight = self.compare(look, &since, told)?;
        match self.mailbox(sight) {
            Ok(()) => self.conclude()?,
            Err(halt) => self.pass_over(halt)?,
        }
        self.look(&name, false)
    }

    /// Carries out the plan of a mailbox; what is urgent comes in between.
    pub(super) fn carry_out(
        &mut self,
        (look, maildir): (&Look, &Maildir),
        heard: &Heard,
        mut intents: BTreeMap<UniqueName, Vec<IntentId>>,
        plan: &Plan,
        counts: Counts,
    ) -> (Deeds, Result<(), Halt>) {
        let mut done = Deeds { counts, ..Deeds::default() };
        let mut left: Option<BTreeSet<Uid>> = None;
        loop {
            let mut hands = Hands {
                env: self.env,
                remote: &mut *self.remote,
                ledger: &mut *self.ledger,
                report: self.report,
                mailbox: &look.mailbox,
                key: look.key,
                maildir,
                epoch: heard.validity,
                uid_next: heard.uid_next,
                intents: std::mem::take(&mut intents),
                base: &look.side.base,
                lettering: &look.lettering,
                wishes: &look.wishes,
                labels: BTreeMap::new(),
                again: self.memory.troubles.get(&look.mailbox.name).map(Trouble::uids).unwrap_or_default(),
                counts: std::mem::take(&mut done.counts),
                faults: std::mem::take(&mut done.faults),
                afloat: None,
                yields: self.overtaking.is_none(),
                overtaken: BTreeSet::new(),
                unfetched: std::mem::take(&mut done.unfetched),
                troubles: std::mem::take(&mut done.troubles),
                lone: std::mem::take(&mut done.lone),
                refused: std::mem::take(&mut done.refused),
            };
            let applied = match &left {
                None => hands.apply(plan, look.agreed.validity),
                Some(left) => hands.go_on(plan, left),
            };
            let Hands { counts, faults, unfetched, troubles, overtaken, lone, refused, intents: open, .. } = hands;
            done = Deeds { counts, faults, unfetched, troubles, lone, refused };
            if applied.is_err() || overtaken.is_empty() {
                return (done, applied);
            }
            intents = open;
            left = Some(overtaken);
            if let Err(halt) = self.let_pass(&look.mailbox.name) {
                return (done, Err(halt));
            }
        }
    }

    /// Fetches what was opened, and what is new in INBOX and in the mailbox on screen.
    fn let_pass(&mut self, waiting: &MailboxName) -> Result<(), Halt> {
        self.env.urgency.settle();
        self.run_errands()?;
        self.memory.visible = self.env.urgency.visible().or_else(|| self.memory.visible.take());
        let synced = self.memory.folders.as_ref().map(|folders| folders.synced.clone()).unwrap_or_default();
        let mut first: Vec<MailboxName> = self.on_screen().into_iter().chain([self.anchor()]).collect();
        first.dedup();
        first.retain(|name| {
            name != waiting && synced.contains(name) && self.env.wants(name) && !self.ahead.contains(name)
        });
        if first.is_empty() {
            return Ok(());
        }
        tracing::debug!("{}: {waiting} waits for news elsewhere", self.env.account.id);
        self.overtaking = Some(waiting.clone());
        // What the others leave to be written down waits for its turn.
        let (endings, ahead) = (std::mem::take(&mut self.endings), std::mem::take(&mut self.ahead));
        let mut passed = Ok(());
        for name in first {
            passed = self.pass_one(&name);
            if passed.is_err() {
                break;
            }
        }
        self.overtaking = None;
        (self.endings, self.ahead) = (endings, ahead);
        passed
    }

    fn pass_one(&mut self, name: &MailboxName) -> Result<(), Halt> {
        let look = match self.look(name, false) {
            Ok(look) => look,
            Err(halt) => return self.pass_over(halt),
        };
        let stranger = look.agreed.validity.is_none() && look.count == 0;
        let look = self.glimpse(look, None)?;
        // The rest of a large one has its turn.
        if stranger && look.count > 0 {
            return Ok(());
        }
        self.meet(vec![look], &mut BTreeMap::new())
    }
}

/// What of a plan only fetches; `None` where the mailbox has to begin anew.
pub(super) fn only_fetching(mut plan: Plan) -> Option<Plan> {
    plan.ops.retain(|op| matches!(op, Op::Download { .. }));
    (!plan.restart).then_some(plan)
}
