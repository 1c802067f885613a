//! Lays a plan before the guard and remembers what the user answered; and what is to be made of a server that
//! was set back. It carries no plan out.

use std::collections::BTreeMap;

use super::env::Halt;
use super::guard::{Scene, Verdict, guard};
use super::look::Look;
use super::plan::{Op, Plan};
use super::round::Round;
use crate::job::{Changed, PlaceChange, SyncReport};
use crate::ledger::Wish;
use crate::mail::clean::Clean;
use crate::mail::ids::{Uid, UidValidity};
use crate::mail::mailbox::MailboxName;
use crate::mail::place::UniqueName;
use crate::remote::{RemoteChanges, Since};
use crate::store::maildir::{Maildir, fresh};
use crate::store::name::{self, Home};

impl Round<'_> {
    /// Lets the guard judge. Gives what may be done now; `None`: nothing. A plan is never copied: in the
    /// first comparison it has a step for each message.
    pub(super) fn judge(&mut self, look: &Look, mut plan: Plan, restarted: bool) -> Option<Plan> {
        let name = &look.mailbox.name;
        // In the first comparison of all, perhaps after the ledger was lost, nothing is removed.
        if look.agreed.complete_at.get() == 0 {
            plan = plan.without_removals();
        }
        if !self.env.account.sync.guard && look.maildir.is_some() {
            return Some(plan);
        }
        let (question, only) = match guard(&plan, &self.scene(look, restarted)) {
            Verdict::Go => {
                // What was answered then is no answer to what may come.
                self.memory.answers.remove(name);
                self.memory.held.remove(name);
                return Some(plan);
            }
            Verdict::HoldRemovals(question) => (question, true),
            Verdict::HoldAll(question) => (question, false),
        };
        match self.said(name) {
            Some(true) => {
                self.memory.answers.remove(name);
                self.memory.held.remove(name);
                Some(plan)
            }
            Some(false) => only.then(|| plan.without_removals()),
            None => {
                self.hold(name, question);
                only.then(|| plan.without_removals())
            }
        }
    }

    /// Remembers a question and puts it to the user, once.
    pub(super) fn hold(&mut self, name: &MailboxName, question: Clean) {
        let mailbox = self.env.mailbox(name);
        if let Some(forecast) = &mut self.memory.dry {
            forecast.questions.push((mailbox, question));
        } else if self.memory.held.insert(name.clone(), question.clone()).is_none() {
            (self.report)(SyncReport::Held { mailbox, question });
        }
    }

    /// What the guard would ask about a plan that is not carried out.
    pub(super) fn frightens(&self, look: &Look, full: &Plan, restarted: bool) -> Option<Clean> {
        let name = &look.mailbox.name;
        if self.said(name) == Some(true) || (!self.env.account.sync.guard && look.maildir.is_some()) {
            return None;
        }
        let is_first = look.agreed.complete_at.get() == 0;
        let tamed = (is_first && full.removes()).then(|| full.clone().without_removals());
        match guard(tamed.as_ref().unwrap_or(full), &self.scene(look, restarted)) {
            Verdict::Go => None,
            Verdict::HoldRemovals(question) | Verdict::HoldAll(question) => Some(question),
        }
    }

    fn scene<'l>(&self, look: &'l Look, restarted: bool) -> Scene<'l> {
        let mailbox = &look.mailbox.name;
        let folders = self.memory.folders.iter().flat_map(|folders| &folders.shown);
        let role = folders.filter(|(name, _)| name == mailbox).find_map(|(_, role)| *role);
        Scene {
            mailbox,
            role,
            known: look.count,
            directory_missing: look.maildir.is_none(),
            restarted,
            went_back: look.went_back(),
        }
    }

    /// Has the server gone back in time? One that was restored from a backup numbers messages as if those
    /// that it lost had never been, under the same UIDVALIDITY: a number that we know may mean another
    /// message now. So nothing is done before the user agrees to compare all by what it is. Gives what
    /// the server is to be taken for having said, and to which question; `None`: nothing.
    pub(super) fn believe(
        &mut self,
        look: &mut Look,
        told: RemoteChanges,
        since: Since,
    ) -> Result<Option<(RemoteChanges, Since)>, Halt> {
        let known = look.agreed.uid_next.filter(|_| look.agreed.validity == Some(told.validity));
        let is_back = |told: &RemoteChanges| known.zip(told.uid_next).is_some_and(|(known, now)| now < known);
        if !is_back(&told) {
            return Ok(Some((told, since)));
        }
        // It is asked for all, and once more: perhaps one of several that share the work was late.
        let name = look.mailbox.name.clone();
        let all = Since::default();
        let told = match self.remote.changes(&name, &all) {
            Ok(told) => told,
            Err(fault) => {
                self.pass_over(fault.into())?;
                return Ok(None);
            }
        };
        if is_back(&told) {
            if self.env.account.sync.guard && self.said(&name) != Some(true) {
                let question = Clean::line(&format!(
                    "{name}: the server went back in time, as if restored from a backup: it gives numbers anew that \
                     other messages had. Compare all messages by what they are, and upload those that it lost?"
                ));
                self.hold(&name, question);
                return Ok(None);
            }
            look.side.base.outdate();
            for file in look.side.changes.new.values_mut() {
                file.origin = None;
            }
        }
        Ok(Some((told, all)))
    }

    /// Gives files other names whose names tell of UIDs that a server which was set back gave, or will give, to
    /// other messages: else two files would bear one origin, and neither would be known by it.
    pub(super) fn rename_outdated(
        &mut self,
        look: &Look,
        maildir: &Maildir,
        epoch: UidValidity,
        plan: &mut Plan,
    ) -> Result<(), Halt> {
        if !plan.restart || look.agreed.validity != Some(epoch) {
            // Of another epoch the UIDs in names mean nothing anyway.
            return Ok(());
        }
        let home = Home::of(&look.mailbox);
        let is_over = |unique: &UniqueName, uid: Option<Uid>| {
            let origin = home.origin(unique.as_str()).filter(|origin| origin.validity == Some(epoch));
            origin.is_some_and(|origin| Some(origin.uid) != uid)
        };
        let over = plan.ops.iter().filter_map(|op| match op {
            Op::Adopt { uid, row } if is_over(&row.unique, Some(*uid)) => Some(row.unique.clone()),
            Op::Append { unique, .. } if is_over(unique, None) => Some(unique.clone()),
            _ => None,
        });
        let over: Vec<UniqueName> = over.collect();
        if over.is_empty() {
            return Ok(());
        }
        self.env.step()?;
        let (mut renamed, mut places) = (BTreeMap::new(), Vec::new());
        for (old, entry) in maildir.find_all(&over)? {
            let new = name::anew(&old, &fresh(name::size(old.as_str())));
            let Some(entry) = maildir.move_to(&entry, maildir, &new)? else { continue };
            places.push(PlaceChange { unique: new.clone(), now: Some(maildir.place_file(&entry)) });
            places.push(PlaceChange { unique: old.clone(), now: None });
            renamed.insert(old, new);
        }
        maildir.settle()?;
        for op in &mut plan.ops {
            let unique = match op {
                Op::Adopt { row, .. } => &mut row.unique,
                Op::Append { unique, .. } => unique,
                Op::Flags(change) => &mut change.unique,
                _ => continue,
            };
            if let Some(new) = renamed.get(unique) {
                unique.clone_from(new);
            }
        }
        (self.report)(SyncReport::Changed(Changed { mailbox: look.mailbox.clone(), places }));
        Ok(())
    }

    /// What the user said to the guard about this mailbox.
    pub(super) fn said(&self, name: &MailboxName) -> Option<bool> {
        let is_leaving = self.memory.folders.as_ref().is_some_and(|folders| folders.leaving.contains(name));
        // Perhaps it was removed after the folders of this round were listed.
        let is_unwanted = || {
            let wishes = self.ledger.wishes(&self.env.account.id).unwrap_or_default();
            wishes.iter().any(|(wished, wish)| wished == name && *wish == Wish::Remove)
        };
        if is_leaving || is_unwanted() {
            return Some(true);
        }
        // Whoever agreed that another program gives way was not asked about removals.
        let beforehand = self.env.consent.filter(|_| !self.memory.rivals.took_over);
        self.memory.answers.get(name).copied().or(beforehand)
    }
}
