//! What the workers report, and what follows from it: who hears of a changed file, what is asked
//! again, what the user is told.

use crate::fault::{Cause, Fault};
use crate::job::files::{FilesReport, Purpose};
use crate::job::index::IndexReport;
use crate::job::shell::{OpenWhat, ShellReport};
use crate::job::sync::{FolderChange, SyncReport, Wake};
use crate::job::{Changed, IndexJob, Job, Report, RulesJob, ShellJob, SyncJob, Ticket};
use crate::mail::clean::Clean;
use crate::mail::ids::AccountId;
use crate::mail::place::MailboxId;

use super::list::Answer;
use super::{Level, Model, Question};

/// The most refused jobs that are kept for another try.
const MOST_AGAIN: usize = 2_000;

impl Model {
    /// Takes in a report.
    pub(super) fn report(&mut self, report: Report) -> Vec<Job> {
        match report {
            Report::Files(report) => self.files_report(report),
            Report::Index(report) => self.index_report(report),
            Report::Sync(report) => self.sync_report(report),
            Report::Outbox(report) => self.outbox_report(report),
            Report::Rules(report) => self.rules_report(report),
            Report::Shell(report) => self.shell_report(report),
            Report::Died { thread, fault } => {
                if thread == "index" {
                    self.index_died();
                    self.status.retagging = false;
                }
                self.say(Level::Error, &format!("{thread} stopped: {fault}"));
                Vec::new()
            }
            Report::Refused(job) => self.refused(*job),
        }
    }

    /// A queue was full: a question is asked again when its answer is missed, anything else goes out
    /// again at the next tick.
    fn refused(&mut self, job: Job) -> Vec<Job> {
        match &job {
            Job::Index(IndexJob::Rows { ticket, .. }) => {
                self.list.failed(*ticket);
                self.list.out_of_date();
            }
            Job::Index(IndexJob::Mailboxes) => self.mailboxes_lost(),
            Job::Index(IndexJob::Apply(changed)) => self.index_missed(changed),
            Job::Index(IndexJob::Tally { ticket, .. }) => self.tally_failed(*ticket),
            // The next letter asks again.
            Job::Index(IndexJob::Complete { .. } | IndexJob::Tags) => {}
            _ if self.again.len() < MOST_AGAIN => self.again.push(job),
            _ => self.say(Level::Error, "Too much is waiting; something was not done"),
        }
        Vec::new()
    }

    fn files_report(&mut self, report: FilesReport) -> Vec<Job> {
        if let Some(jobs) = self.writing_report(&report) {
            return jobs;
        }
        match report {
            FilesReport::Opened { ticket, document, .. } => {
                let copied = self.take_copied(ticket, &document);
                copied.unwrap_or_else(|| self.take_document(ticket, document))
            }
            FilesReport::Bytes { ticket, place, bytes } => {
                if let Some(jobs) = self.take_kin(ticket, &bytes) {
                    return jobs;
                }
                self.take_source(ticket, &place, &bytes);
                Vec::new()
            }
            FilesReport::Changed(changed) => self.changed_here(changed),
            FilesReport::Delivered(changed) => self.tell_index(changed),
            FilesReport::Moved { ticket, places } => {
                let mut jobs = self.label_moved(ticket, &places);
                if let Some(entry) = self.undo.moved(ticket, &places) {
                    jobs.extend(self.carry_back(entry));
                }
                jobs
            }
            FilesReport::Folders { account, mailboxes } => {
                let roles = self.accounts.iter().find(|known| known.id == account);
                let role = |mailbox: &MailboxId| roles.and_then(|known| known.role(mailbox));
                let mailboxes = mailboxes.into_iter().map(|mailbox| (mailbox.clone(), role(&mailbox))).collect();
                vec![Job::Index(IndexJob::Folders { account, mailboxes })]
            }
            FilesReport::Listed(listing) => vec![Job::Index(IndexJob::Reconcile(listing))],
            FilesReport::Saved { path, purpose: Purpose::Open, .. } => {
                vec![Job::Shell(ShellJob::Open(OpenWhat::File(path)))]
            }
            FilesReport::Saved { path, purpose: Purpose::Keep, .. } => {
                self.say(Level::Ok, &format!("Saved {}", path.display()));
                Vec::new()
            }
            FilesReport::Searches { ticket, kept } => {
                self.take_searches(ticket, kept);
                self.tally_searches()
            }
            FilesReport::Arranged { ticket, mailbox, done } => self.arranged(ticket, &mailbox, done),
            FilesReport::Failed { ticket, fault } => {
                self.take_back(ticket);
                self.forget_after_move(ticket);
                self.document_failed(ticket);
                self.search_order_failed(ticket);
                self.status.fault(self.now, &fault);
                let mut jobs = self.order_failed(ticket);
                jobs.extend(self.undo.failed(ticket).map_or_else(Vec::new, |entry| self.carry_back(entry)));
                jobs
            }
            FilesReport::Scanned { account, moved } => {
                let mut jobs = self.settle(&account);
                if moved {
                    jobs.extend(self.wake_for_change(account));
                }
                jobs
            }
            FilesReport::Stored { .. }
            | FilesReport::Kept { .. }
            | FilesReport::Looked { .. }
            | FilesReport::Names { .. }
            | FilesReport::Quoted { .. }
            | FilesReport::Drafts(_) => Vec::new(),
        }
    }

    /// Files changed by the user's wish: the index takes it in, and the server shall hear of it.
    pub(super) fn changed_here(&mut self, changed: Changed) -> Vec<Job> {
        self.list.changes.filed(&changed);
        let account = changed.mailbox.account.clone();
        let mut jobs = vec![self.tell_index_all(changed)];
        jobs.extend(self.wake_for_change(account));
        jobs
    }

    /// Lets the server hear of what changed on disk, where there is one.
    fn wake_for_change(&self, account: AccountId) -> Option<Job> {
        let served = self.accounts.iter().any(|known| known.id == account && known.server.is_some());
        served.then(|| Job::Sync(SyncJob::Wake { account: Some(account), why: Wake::LocalChange }))
    }

    fn index_report(&mut self, report: IndexReport) -> Vec<Job> {
        match report {
            IndexReport::Mailboxes(rows) => self.take_mailboxes(rows),
            IndexReport::Rows { ticket, list, first, total, counted, rows, anchor } => {
                self.take_rows(&list, Answer { ticket, first, total, counted, rows, anchor })
            }
            IndexReport::NextUnread { ticket, found } => self.take_next_unread(ticket, found),
            IndexReport::Conversation { ticket, rows } => self.take_conversation(ticket, &rows),
            IndexReport::Refreshed { mailboxes, arrived, pending } => {
                self.status.indexing = pending;
                let next = self.next_ticket();
                self.list.changes.indexed(&mailboxes, next);
                self.announce(&arrived);
                self.searches_are_stale();
                let mut jobs = self.ask_mailboxes();
                if self.concerns_list(&mailboxes) {
                    jobs.extend(self.refresh_list());
                }
                jobs.extend(self.refresh_thread());
                jobs.extend(self.meet_database());
                jobs
            }
            IndexReport::NotesWanted => vec![Job::Sync(SyncJob::TellNotes)],
            IndexReport::Hushed(places) => self.hush(places),
            IndexReport::Woken(messages) => self.woken(messages),
            IndexReport::Tagged(tagging) => {
                self.status.retagging = true;
                vec![Job::Index(IndexJob::Retag(tagging))]
            }
            IndexReport::Retagged { mailboxes, given, lost, more } => self.retagged(&mailboxes, given, lost, more),
            IndexReport::Database(state) => {
                self.status.database = state;
                Vec::new()
            }
            IndexReport::Matched(matches) => vec![Job::Rules(RulesJob::Act(matches))],
            IndexReport::Applied { places } => {
                self.index_took(places);
                Vec::new()
            }
            IndexReport::Renewing { done, total } => {
                self.status.renewing = Some((done, total));
                Vec::new()
            }
            IndexReport::Renewed => {
                self.status.renewing = None;
                // Whatever was told to the old one is told again.
                self.status.retagging = false;
                let mut jobs = self.look_at_disk();
                jobs.extend(self.ask_mailboxes());
                jobs.extend(self.refresh_list());
                jobs
            }
            IndexReport::LabelsWanted(home) => vec![Job::Sync(SyncJob::TellLabels { home, after: None })],
            IndexReport::LabelsSet { home, last } => vec![Job::Sync(SyncJob::TellLabels { home, after: Some(last) })],
            IndexReport::Known { account, seen } => Self::scan(account, seen),
            IndexReport::Failed { ticket: Some(ticket), fault } => self.question_failed(ticket, &fault),
            IndexReport::Failed { ticket: None, fault } => {
                self.status.retagging = false;
                self.status.fault(self.now, &fault);
                Vec::new()
            }
            IndexReport::Tags(known) => {
                self.take_tags(&known);
                Vec::new()
            }
            IndexReport::Tallied { ticket, name, tally } => {
                self.take_tally(ticket, &name, tally);
                Vec::new()
            }
            IndexReport::Completed { ticket, found } => {
                self.take_completed(ticket, found);
                Vec::new()
            }
            IndexReport::Books { faults } => {
                self.take_books(&faults);
                Vec::new()
            }
            IndexReport::Found { ticket, places } => self.mark_found(ticket, places),
        }
    }

    /// A question has no answer. A query that nobody understands finds nothing, and may be right with the next letter.
    fn question_failed(&mut self, ticket: Ticket, fault: &Fault) -> Vec<Job> {
        let height = self.height();
        match &mut self.list.search {
            Some(search) if fault.cause == Cause::Refused => {
                search.problem = Some(fault.detail.to_string());
                let nothing = Answer { ticket, first: 0, total: 0, counted: true, rows: Vec::new(), anchor: None };
                self.list.answer(nothing, height);
            }
            _ => self.status.fault(self.now, fault),
        }
        self.list.failed(ticket);
        self.tally_failed(ticket);
        self.conversation_failed(ticket)
    }

    /// Does the list show one of these?
    pub(super) fn concerns_list(&self, mailboxes: &[MailboxId]) -> bool {
        use crate::job::index::Source;
        match self.list.spec.as_ref().map(|spec| &spec.source) {
            Some(Source::Mailbox(shown)) => mailboxes.contains(shown),
            Some(Source::Unified) => mailboxes.iter().any(|mailbox| mailbox.name.is_inbox()),
            Some(Source::Search { .. }) => true,
            None => false,
        }
    }

    fn announce(&mut self, arrived: &[crate::job::index::Arrival]) {
        // The mail of years that a first round brings is no news.
        let news = arrived.iter().filter(|one| self.status.is_settled(&one.place.mailbox.account));
        let news: Vec<_> = news.collect();
        let Some(first) = news.first() else { return };
        let who = if first.from.name.is_empty() { &first.from.email } else { &first.from.name };
        let more = match news.len() {
            1 => String::new(),
            count => format!(" (and {} more)", count - 1),
        };
        let text = format!("New: {}: {}{more}", Clean::line(who), first.subject);
        self.say(Level::Info, &text);
    }

    fn sync_report(&mut self, report: SyncReport) -> Vec<Job> {
        match report {
            SyncReport::State { account, state } => {
                self.status.stands(self.now, &account, state);
                Vec::new()
            }
            SyncReport::Folders { account, mailboxes } => {
                let Some(known) = self.accounts.iter_mut().find(|known| known.id == account) else {
                    return Vec::new();
                };
                known.tell(&mailboxes);
                let mailboxes = mailboxes.into_iter().map(|(mailbox, _)| {
                    let role = known.role(&mailbox);
                    (mailbox, role)
                });
                let mailboxes = mailboxes.collect();
                vec![Job::Index(IndexJob::Folders { account, mailboxes })]
            }
            // Its files have other paths now: the index hears of them by a look at the disk.
            SyncReport::FolderChanged { mailbox, change } => {
                self.drop_questions_about(&mailbox);
                match change {
                    FolderChange::RenamedHere(_) | FolderChange::RenamedThere(_) => {
                        vec![Job::Index(IndexJob::Known(mailbox.account))]
                    }
                    FolderChange::MadeHere
                    | FolderChange::MadeThere
                    | FolderChange::RemovedHere
                    | FolderChange::RemovedThere => Vec::new(),
                }
            }
            SyncReport::Wished { ticket, mailbox, wish, result } => self.wished(ticket, mailbox, wish, result),
            SyncReport::Changed(changed) => self.tell_index(changed),
            SyncReport::Labelled { ticket, account, result } => self.labelled(ticket, account, result),
            SyncReport::Noted { ticket, result } => self.noted(ticket, result),
            SyncReport::Views { account, views } => vec![Job::Index(IndexJob::Views { account, views })],
            SyncReport::Labels { home, rows, last } => vec![Job::Index(IndexJob::SetLabels { home, rows, last })],
            SyncReport::Fetched { stub, now } => self.take_rest(&stub, now),
            SyncReport::Held { mailbox, question } => {
                self.ask_in_turn(Question::Guard { mailbox, words: question });
                Vec::new()
            }
            SyncReport::RoundOver { account, faults, .. } => {
                self.status.round_over(self.now, &account, &faults);
                Vec::new()
            }
            SyncReport::WantsPassword(account) => {
                self.wants_password(account);
                Vec::new()
            }
            SyncReport::Alert { account, text } => {
                self.say(Level::Warn, &format!("{account} says: {text}"));
                Vec::new()
            }
            SyncReport::Fault(fault) => {
                self.status.sync_fault(self.now, &fault);
                Vec::new()
            }
            SyncReport::Finished { mailbox, .. } => {
                self.compared(mailbox);
                Vec::new()
            }
        }
    }

    fn shell_report(&mut self, report: ShellReport) -> Vec<Job> {
        match report {
            ShellReport::Ran { result: Err(fault), .. } => self.status.fault(self.now, &fault),
            ShellReport::Edited { draft, result } => return self.take_edited(&draft, result),
            ShellReport::Hangup => return self.keep_draft(),
            ShellReport::Ran { .. } => {}
        }
        Vec::new()
    }

    /// Asks for a password now, or once what lies over the screen is gone.
    pub(super) fn wants_password(&mut self, account: crate::mail::ids::AccountId) {
        if self.overlay.is_none() {
            self.ask_password(account);
        } else if !self.passwords.contains(&account) {
            self.passwords.push(account);
        }
    }

    /// The screen is free again: puts the questions that had to wait.
    pub(super) fn ask_what_waits(&mut self) {
        if self.overlay.is_some() {
            return;
        }
        if let Some(account) = self.passwords.pop() {
            self.ask_password(account);
        } else {
            self.ask_next();
        }
    }
}
