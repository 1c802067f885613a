//! What the world answers as the thread `outbox`, and as the thread `notes`: what is to be told to servers.

use std::sync::Arc;

use tern::fault::{Cause, Doing, Fault};
use tern::job::outbox::{Entry, EntryId, EntryState, Verdict};
use tern::job::{OutboxJob, OutboxReport, SyncJob, SyncReport};
use tern::mail::clean::Clean;
use tern::mail::ids::{AccountId, MessageId, Timestamp};
use tern::mail::notes::{Identity, Timer, TimerKind};

use super::NOW;
use super::world::World;

impl World {
    pub(super) fn entries(&self) -> OutboxReport {
        OutboxReport::Entries(self.outbox.iter().map(|(entry, _)| entry.clone()).collect())
    }

    pub(super) fn outbox(&mut self, job: OutboxJob) -> Vec<OutboxReport> {
        let mut reports = Vec::new();
        match job {
            OutboxJob::QueueDraft { draft, hold_until } => {
                if let Some(file) = draft.attachments.iter().find(|file| !self.names.contains(&file.name)) {
                    let fault = Fault::new(Doing::Queueing, &file.name, Cause::Missing).detail("No such file");
                    return vec![OutboxReport::NotQueued { draft: Some(draft.id), fault }];
                }
                let state = hold_until.map_or(EntryState::Queued, |until| EntryState::Held(Some(until)));
                let entry = entry(&format!("e{}", self.outbox.len()), &draft.subject, &draft.to, state);
                let queued =
                    OutboxReport::Queued { entry: entry.id.clone(), draft: Some(draft.id.clone()), hold_until };
                if let Some((id, due)) = MessageId::new(&format!("{}@example.org", draft.id)).zip(draft.remind_at) {
                    let timer = Timer { due, set_at: Timestamp::new(NOW) };
                    self.noted.timers.insert((Identity::Id(id), TimerKind::Remind), timer);
                }
                self.outbox.push((entry, *draft));
                reports.push(queued);
            }
            OutboxJob::Recall(id) => {
                if let Some(at) = self.outbox.iter().position(|(entry, _)| entry.id == id) {
                    reports.push(OutboxReport::Returned(Box::new(self.outbox.remove(at).1)));
                }
            }
            OutboxJob::Remove(id) => self.outbox.retain(|(entry, _)| entry.id != id),
            OutboxJob::Hold(id, hold) => {
                for (entry, _) in self.outbox.iter_mut().filter(|(entry, _)| entry.id == id) {
                    entry.state = if hold { EntryState::Held(None) } else { EntryState::Queued };
                }
            }
            OutboxJob::List
            | OutboxJob::Queue(_)
            | OutboxJob::Retry(_)
            | OutboxJob::RetryAll
            | OutboxJob::Resolve(..)
            | OutboxJob::Wake
            | OutboxJob::Password { .. } => {}
        }
        reports.push(self.entries());
        reports
    }

    /// What the thread `notes` answers.
    pub(super) fn notes(&mut self, job: SyncJob, broken: bool) -> Option<SyncReport> {
        let result = if broken { Err(Fault::new(Doing::Remembering, "ledger.db", Cause::DiskFull)) } else { Ok(()) };
        match job {
            SyncJob::Label { ticket, places, .. } => {
                let account = places.first()?.mailbox.account.clone();
                Some(SyncReport::Labelled { ticket, account, result })
            }
            SyncJob::Note { ticket, edit } => {
                if !broken {
                    self.noted.apply(&edit);
                }
                let result = result.map(|()| Arc::new(self.noted.clone()));
                Some(SyncReport::Noted { ticket: Some(ticket), result })
            }
            SyncJob::TellNotes => Some(SyncReport::Noted { ticket: None, result: Ok(Arc::new(self.noted.clone())) }),
            _ => None,
        }
    }
}

/// An entry of the outbox.
pub(crate) fn entry(id: &str, subject: &str, to: &str, state: EntryState) -> Entry {
    let verdict = match &state {
        EntryState::Failed { why } => Verdict::Refused(why.clone()),
        EntryState::Deferred { why, .. } => Verdict::Deferred(why.clone()),
        _ => Verdict::Pending,
    };
    Entry {
        id: EntryId::new(id).unwrap(),
        account: AccountId::new("ada"),
        recipients: vec![(Clean::line(to), verdict)],
        subject: Clean::line(subject),
        state,
        queued_at: Timestamp::new(NOW),
        size: 1234,
        transcript: Vec::new(),
    }
}
