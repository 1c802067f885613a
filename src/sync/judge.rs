//! Lays a plan before the guard and remembers what the user answered. It carries nothing out.

use super::guard::{Scene, Verdict, guard};
use super::look::Look;
use super::plan::Plan;
use super::round::Round;
use crate::job::SyncReport;
use crate::mail::clean::Clean;
use crate::mail::mailbox::MailboxName;

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
        let (name, mut plan) = (&look.mailbox.name, full.clone());
        if look.agreed.complete_at.get() == 0 {
            plan = plan.without_removals();
        }
        if self.said(name) == Some(true) || (!self.env.account.sync.guard && look.maildir.is_some()) {
            return None;
        }
        match guard(&plan, &self.scene(look, restarted)) {
            Verdict::Go => None,
            Verdict::HoldRemovals(question) | Verdict::HoldAll(question) => Some(question),
        }
    }

    fn scene<'l>(&self, look: &'l Look, restarted: bool) -> Scene<'l> {
        let mailbox = &look.mailbox.name;
        let folders = self.memory.folders.iter().flat_map(|folders| &folders.shown);
        let role = folders.filter(|(name, _)| name == mailbox).find_map(|(_, role)| *role);
        Scene { mailbox, role, known: look.count, directory_missing: look.maildir.is_none(), restarted }
    }

    /// What the user said to the guard about this mailbox.
    pub(super) fn said(&self, name: &MailboxName) -> Option<bool> {
        let is_leaving = self.memory.folders.as_ref().is_some_and(|folders| folders.leaving.contains(name));
        if is_leaving {
            return Some(true);
        }
        self.memory.answers.get(name).copied().or(self.env.consent)
    }
}
