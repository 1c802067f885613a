//! What a round would do: the plans of all mailboxes, the changes of folders and the questions that would
//! be asked. Made by the same code that does it, which is stopped before it writes anything.

use super::changes::LocalChanges;
use super::look::Look;
use super::plan::Plan;
use super::round::Round;
use crate::fault::Fault;
use crate::job::sync::FolderChange;
use crate::mail::clean::Clean;
use crate::mail::ids::UidValidity;
use crate::mail::place::MailboxId;
use crate::remote::{Presence, RemoteChanges};

/// What a round would do.
#[derive(Debug, Clone, Default)]
pub struct Forecast {
    /// What would become of folders as a whole.
    pub folders: Vec<(MailboxId, FolderChange)>,
    /// What would be done in each mailbox; also those in which there is nothing to do.
    pub plans: Vec<(MailboxId, Plan)>,
    /// What the user would be asked.
    pub questions: Vec<(MailboxId, Clean)>,
    /// What went wrong with single mailboxes.
    pub faults: Vec<Fault>,
}

impl Forecast {
    /// Is there nothing to do, nothing to ask and nothing wrong?
    pub fn is_empty(&self) -> bool {
        let Self { folders, plans, questions, faults } = self;
        let at_rest = folders.is_empty() && plans.iter().all(|(_, plan)| plan.is_empty());
        at_rest && questions.is_empty() && faults.is_empty()
    }
}

impl Round<'_> {
    /// Writes a plan into the forecast, with what the guard says to it.
    pub(super) fn foretell(&mut self, look: Look, full: Plan, restarted: bool) {
        let question = self.frightens(&look, &full, restarted);
        let Some(forecast) = &mut self.memory.dry else { return };
        forecast.questions.extend(question.map(|question| (look.mailbox.clone(), question)));
        forecast.plans.push((look.mailbox, full));
    }
}

/// What a server would tell of a mailbox that is yet to be made there.
pub(super) fn unborn() -> RemoteChanges {
    RemoteChanges {
        validity: UidValidity::MIN,
        uid_next: None,
        modseq: None,
        items: Vec::new(),
        presence: Presence::Exactly(Vec::new()),
        keeps: None,
        new_keywords: true,
        read_only: false,
    }
}

/// What is on disk of a mailbox that is yet to be made there.
pub(super) fn unmade() -> LocalChanges {
    LocalChanges { complete: true, ..LocalChanges::unmoved() }
}
