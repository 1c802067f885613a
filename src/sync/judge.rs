//! Lays a plan before the guard and remembers what the user answered. It carries nothing out.

use super::guard::{Scene, Verdict, guard};
use super::look::Look;
use super::plan::Plan;
use super::round::Round;
use crate::job::SyncReport;
use crate::mail::mailbox::MailboxName;

impl Round<'_> {
    /// Lets the guard judge. Gives what may be done now; `None`: nothing.
    pub(super) fn judge(&mut self, look: &Look, full: &Plan, restarted: bool) -> Option<Plan> {
        let name = &look.mailbox.name;
        // In the first comparison of all, perhaps after the ledger was lost, nothing is removed.
        let mut plan = full.clone();
        if look.agreed.complete_at.get() == 0 {
            plan = plan.without_removals();
        }
        if !self.env.account.sync.guard && look.maildir.is_some() {
            return Some(plan);
        }
        let directory_missing = look.maildir.is_none();
        let verdict = guard(&plan, &Scene { mailbox: name, known: look.count, directory_missing, restarted });
        let (question, allowed) = match verdict {
            Verdict::Go => {
                self.memory.held.remove(name);
                return Some(plan);
            }
            Verdict::HoldRemovals(question) => (question, Some(plan.clone().without_removals())),
            Verdict::HoldAll(question) => (question, None),
        };
        match self.said(name) {
            Some(true) => {
                self.memory.answers.remove(name);
                self.memory.held.remove(name);
                Some(plan)
            }
            Some(false) => allowed,
            None => {
                let known = self.memory.held.insert(name.clone(), question.clone());
                if known.is_none() {
                    (self.report)(SyncReport::Held { mailbox: look.mailbox.clone(), question });
                }
                allowed
            }
        }
    }

    /// What the user said to the guard about this mailbox.
    pub(super) fn said(&self, name: &MailboxName) -> Option<bool> {
        self.memory.answers.get(name).copied().or(self.env.consent)
    }
}
