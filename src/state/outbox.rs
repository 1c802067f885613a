//! The outbox screen: what waits, what failed, what the server said, and what to do about it.

use crate::job::outbox::{Entry, EntryId, EntryState, OutboxJob, Resolution};
use crate::job::{Job, OutboxReport};
use crate::keys::{Action, Bound};
use crate::mail::flags::{Flag, Flags};
use crate::mail::ids::MessageId;

use super::{Ask, Level, Model, Overlay, Question, Screen, files};
use crate::job::files::FilesJob;
use crate::job::index::IndexJob;
use crate::mail::place::Place;

/// What is in the outbox, and where the user looks.
#[derive(Debug, Clone, Default)]
pub struct Outbox {
    /// The entries, oldest first.
    pub entries: Vec<Entry>,
    /// The entry under the cursor.
    pub cursor: usize,
    /// Is the conversation with the server shown?
    pub transcript: bool,
}

impl Outbox {
    /// The entry under the cursor.
    pub fn current(&self) -> Option<&Entry> {
        self.entries.get(self.cursor)
    }

    /// Takes the entries as they are now; the cursor stays on its entry.
    fn take(&mut self, entries: Vec<Entry>) {
        let before = self.current().map(|entry| entry.id.clone());
        self.entries = entries;
        let at = before.and_then(|id| self.entries.iter().position(|entry| entry.id == id));
        self.cursor = at.unwrap_or(self.cursor).min(self.entries.len().saturating_sub(1));
    }
}

impl Model {
    /// Shows the outbox.
    pub(super) fn show_outbox(&mut self) -> Vec<Job> {
        self.screen = Screen::Outbox;
        vec![Job::Outbox(OutboxJob::List)]
    }

    /// Carries out an action of the outbox screen.
    pub(super) fn outbox_action(&mut self, bound: Bound) -> Vec<Job> {
        let page = usize::from(self.viewport.height.saturating_sub(4).max(1));
        let last = self.outbox.entries.len().saturating_sub(1);
        let count = bound.count.map_or(1, |count| usize::try_from(count).unwrap_or(1));
        let at = self.outbox.cursor;
        self.outbox.cursor = match bound.action {
            Action::Down => at.saturating_add(count),
            Action::Up => at.saturating_sub(count),
            Action::Top => 0,
            Action::Bottom => last,
            Action::HalfDown => at + page / 2,
            Action::HalfUp => at.saturating_sub(page / 2),
            Action::PageDown => at + page,
            Action::PageUp => at.saturating_sub(page),
            _ => return self.entry_action(bound),
        }
        .min(last);
        Vec::new()
    }

    fn entry_action(&mut self, bound: Bound) -> Vec<Job> {
        let job = |job| vec![Job::Outbox(job)];
        let entry = self.outbox.current().map(|entry| (entry.id.clone(), entry.state.clone()));
        match (bound.action, entry) {
            (Action::RetryAll, _) => {
                self.say(Level::Info, "Trying all of them now");
                job(OutboxJob::RetryAll)
            }
            (Action::Transcript, _) => {
                self.outbox.transcript = !self.outbox.transcript;
                Vec::new()
            }
            (Action::Back | Action::Leave, _) if self.outbox.transcript => {
                self.outbox.transcript = false;
                Vec::new()
            }
            (Action::Retry, Some((_, EntryState::MaybeSent))) => {
                self.say(Level::Warn, "It may have been sent: say first whether it has arrived");
                Vec::new()
            }
            (Action::Retry, Some((id, _))) => job(OutboxJob::Retry(id)),
            (Action::EditEntry, Some((id, _))) => job(OutboxJob::Recall(id)),
            (Action::HoldEntry, Some((id, state))) => {
                job(OutboxJob::Hold(id, !matches!(state, EntryState::Held(None))))
            }
            (Action::RemoveEntry, Some((id, _))) => {
                self.overlay = Some(Overlay::Ask(Ask { question: Question::RemoveEntry(id) }));
                Vec::new()
            }
            (Action::WasSent, Some((id, EntryState::MaybeSent))) => job(OutboxJob::Resolve(id, Resolution::WasSent)),
            (Action::SendAgain, Some((id, EntryState::MaybeSent))) => {
                job(OutboxJob::Resolve(id, Resolution::SendAgain))
            }
            (Action::WasSent | Action::SendAgain, Some(_)) => {
                self.say(Level::Info, "Nothing is in doubt about this one");
                Vec::new()
            }
            (Action::Back | Action::Leave, _) => {
                self.screen = Screen::Browse(super::Focus::List);
                Vec::new()
            }
            _ => self.anywhere(bound),
        }
    }

    /// Takes in what the outbox reports.
    pub(super) fn outbox_report(&mut self, report: OutboxReport) -> Vec<Job> {
        match report {
            OutboxReport::Entries(entries) => {
                self.status.counts(&entries);
                self.outbox.take(entries);
                Vec::new()
            }
            OutboxReport::Sent { entry, account, subject, answers, forwards } => {
                self.undo.forget(&entry);
                self.status.leaving.take_if(|(id, _)| *id == entry);
                self.say(Level::Ok, &format!("Sent: {subject}"));
                let answered = answers.map(|id| (id, Flag::Answered));
                let forwarded = forwards.map(|id| (id, Flag::Forwarded));
                let marks = answered.into_iter().chain(forwarded);
                marks.map(|(id, flag)| self.find_to_mark(id, flag, account.clone())).collect()
            }
            OutboxReport::Changed(changed) => self.changed_here(changed),
            OutboxReport::Failed { fault, .. } => {
                self.status.fault(self.now, &fault);
                Vec::new()
            }
            OutboxReport::WantsPassword(account) => {
                self.wants_password(account);
                Vec::new()
            }
            OutboxReport::Queued { .. } | OutboxReport::NotQueued { .. } | OutboxReport::Returned(_) => {
                self.sending_report(report)
            }
        }
    }

    /// Asks where the message lies that was answered or passed on.
    fn find_to_mark(&mut self, message_id: MessageId, flag: Flag, account: crate::mail::ids::AccountId) -> Job {
        let ticket = self.ticket();
        self.marking.insert(ticket, Flags::only(flag));
        Job::Index(IndexJob::Find { ticket, message_id, account: Some(account) })
    }

    /// Marks the message that was answered or passed on, wherever it lies.
    pub(super) fn mark_found(&mut self, ticket: crate::job::Ticket, places: Vec<Place>) -> Vec<Job> {
        let Some(add) = self.marking.remove(&ticket) else { return Vec::new() };
        if places.is_empty() {
            return Vec::new();
        }
        let ticket = self.ticket();
        vec![files(FilesJob::SetFlags { ticket, places, add, remove: Flags::none() })]
    }

    /// Throws an entry away, after the question.
    pub(super) fn remove_entry(&mut self, id: EntryId) -> Vec<Job> {
        self.undo.forget(&id);
        vec![Job::Outbox(OutboxJob::Remove(id))]
    }
}
