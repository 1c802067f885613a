//! What the index is told of changes on disk, kept short. A sync can bring more than the index takes in; what would
//! pile up is left out, and the folder is looked at once the index has caught up: the files say all of it.

use std::collections::BTreeSet;

use crate::job::{Changed, IndexJob, Job, SyncJob};
use crate::mail::ids::AccountId;
use crate::mail::place::MailboxId;

use super::Model;

/// The most files that the index is told of before it has taken in those before.
pub(super) const MOST: usize = 8_192;
/// Up to so many at once are told in any case: mail that arrives is in the list at once, whatever else is under way.
pub(super) const FEW: usize = 64;

/// What the index was told and has not answered.
#[derive(Debug, Default)]
pub(super) struct Intake {
    waiting: usize,
    /// Folders of which something was left out.
    behind: BTreeSet<MailboxId>,
}

impl Intake {
    /// Shall the index be told of so many files of this folder? If not, it is looked at later.
    fn lets_in(&mut self, mailbox: &MailboxId, count: usize) -> bool {
        let would_pile_up = self.waiting > 0 && self.waiting.saturating_add(count) > MOST;
        if count > FEW && (would_pile_up || self.behind.contains(mailbox)) {
            self.behind.insert(mailbox.clone());
            return false;
        }
        self.waiting = self.waiting.saturating_add(count);
        true
    }
}

impl Model {
    /// Tells the index of files that the sync has changed, unless it is told too much.
    pub(super) fn tell_index(&mut self, changed: Changed) -> Vec<Job> {
        if self.intake.lets_in(&changed.mailbox, changed.places.len()) {
            vec![Job::Index(IndexJob::Apply(changed))]
        } else {
            Vec::new()
        }
    }

    /// Tells the index of files that the user has changed.
    pub(super) fn tell_index_all(&mut self, changed: Changed) -> Job {
        self.intake.waiting = self.intake.waiting.saturating_add(changed.places.len());
        Job::Index(IndexJob::Apply(changed))
    }

    /// The index has done with so many files.
    pub(super) fn index_took(&mut self, places: usize) {
        self.intake.waiting = self.intake.waiting.saturating_sub(places);
    }

    /// The index was not told after all.
    pub(super) fn index_missed(&mut self, changed: &Changed) {
        self.index_took(changed.places.len());
        self.intake.behind.insert(changed.mailbox.clone());
    }

    /// The thread died, and with it what it was told.
    pub(super) fn index_died(&mut self) {
        self.intake.waiting = 0;
    }

    /// Has the folders looked at of which something was left out, once the index has nothing else to do.
    pub(super) fn look_behind(&mut self) -> Vec<Job> {
        if self.intake.behind.is_empty() || self.intake.waiting > 0 || self.status.indexing > 0 {
            return Vec::new();
        }
        let behind = std::mem::take(&mut self.intake.behind);
        let accounts: BTreeSet<&AccountId> = behind.iter().map(|mailbox| &mailbox.account).collect();
        let mut jobs: Vec<Job> = accounts.into_iter().map(|id| Job::Index(IndexJob::Known(id.clone()))).collect();
        // No file's name tells labels.
        let shown = |home: &MailboxId| {
            let mut views = self.mailboxes.rows.iter().filter_map(|row| row.shows.as_ref());
            views.any(|view| view.home == *home)
        };
        jobs.extend(
            behind
                .iter()
                .filter(|home| shown(home))
                .map(|home| Job::Sync(SyncJob::TellLabels { home: home.clone(), after: None })),
        );
        jobs
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::mailbox::MailboxName;

    #[test]
    fn what_is_too_much_is_left_out_until_the_index_has_caught_up() {
        let id = |name| MailboxId { account: AccountId::new("a"), name: MailboxName::new(name).unwrap() };
        let (inbox, archive) = (id("INBOX"), id("Archive"));
        let mut intake = Intake::default();
        assert!(intake.lets_in(&archive, 2 * MOST), "one that is alone comes through, however large it is");
        assert!(!intake.lets_in(&archive, FEW + 1), "it would pile up");
        assert!(intake.lets_in(&archive, FEW) && intake.lets_in(&inbox, 1), "what is few never does");
        assert!(!intake.lets_in(&inbox, FEW + 1));
        intake.waiting = 0;
        assert!(!intake.lets_in(&inbox, FEW + 1), "what is behind is looked at as a whole");
        intake.behind.clear();
        assert!(intake.lets_in(&inbox, MOST) && intake.lets_in(&inbox, 1) && !intake.lets_in(&archive, MOST));
        assert_eq!((intake.waiting, intake.behind.len()), (MOST + 1, 1));
    }
}
