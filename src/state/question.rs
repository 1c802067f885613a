//! Questions that are answered by yes or no: what is asked, in words, and what each answer does.

use crate::job::files::FolderOrder;
use crate::job::{Job, ShellJob, SyncJob};
use crate::keys::Action;
use crate::mail::clean::Clean;
use crate::mail::place::{MailboxId, Place};

use super::act::messages;
use super::folders::Why;
use super::{Model, Overlay};

/// A question.
#[derive(Debug, Clone, PartialEq)]
pub struct Ask {
    /// What is asked.
    pub question: Question,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub enum Question {
    /// Delete these for ever?
    Delete(Vec<Place>),
    /// A sync that would remove much: go on?
    Guard {
        /// Which mailbox is held.
        mailbox: MailboxId,
        /// The question, with numbers.
        words: Clean,
    },
    /// Leave while messages wait to be sent?
    Quit {
        /// How many.
        waiting: usize,
    },
    /// Throw the message away that is being written?
    Discard,
    /// Delete a folder with all that is in it?
    DeleteFolder {
        /// Which.
        mailbox: MailboxId,
        /// How many messages are in it.
        messages: usize,
        /// Is it on a server too?
        served: bool,
    },
    /// Throw a message of the outbox away?
    RemoveEntry(crate::job::outbox::EntryId),
}

impl Question {
    /// The question in words.
    pub fn words(&self) -> Clean {
        match self {
            Self::Delete(places) => {
                Clean::line(&format!("Delete {} for ever? This cannot be undone.", messages(places.len())))
            }
            // The words name the mailbox.
            Self::Guard { mailbox, words } => Clean::line(&format!("{}: {words}", mailbox.account.as_str())),
            Self::DeleteFolder { mailbox, messages: count, served } => {
                let (unit, kept, them) =
                    if *count == 1 { ("message", "It is", "it") } else { ("messages", "They are", "them") };
                let there =
                    if *served { format!("; the next sync deletes {them} on the server") } else { String::new() };
                Clean::line(&format!(
                    "Delete the folder {} and its {count} {unit}? {kept} kept in quarantine on this disk for 14 days{there}.",
                    mailbox.name
                ))
            }
            Self::Discard => Clean::line("Throw this message away? It is not kept as a draft."),
            Self::RemoveEntry(_) => Clean::line("Throw this message away? It will not be sent."),
            Self::Quit { waiting } => {
                let stay =
                    if *waiting == 1 { "It stays in the outbox and goes" } else { "They stay in the outbox and go" };
                Clean::line(&format!("{} not sent yet. {stay} when tern runs again. Leave?", messages(*waiting)))
            }
        }
    }
    /// What an answer to it does, for the help; `None`: the action is no answer.
    pub(super) fn meaning(&self, answer: Action) -> Option<&'static str> {
        let [yes, no] = match self {
            Self::Delete(_) => ["Yes: they go for ever, here and on the server", "No: they stay"],
            Self::Guard { .. } => {
                ["Yes: do what the question says", "No: leave it as it is on both sides; asked again at the next start"]
            }
            Self::Quit { .. } => ["Yes: leave", "No: stay until they are sent"],
            Self::Discard => ["Yes: throw it away", "No: go on with it"],
            Self::DeleteFolder { .. } => ["Yes: delete it, and its mail with it", "No: it stays as it is"],
            Self::RemoveEntry(_) => ["Yes: throw it away", "No: it stays in the outbox"],
        };
        match answer {
            Action::Yes => Some(yes),
            Action::No => Some(no),
            _ => None,
        }
    }
}

impl Model {
    /// Asks now, or once what lies over the screen is gone and those are answered that came before.
    pub(super) fn ask_in_turn(&mut self, question: Question) {
        if self.overlay.is_none() {
            self.overlay = Some(Overlay::Ask(Ask { question }));
        } else {
            self.held.push_back(question);
        }
    }

    /// Lays the question aside while its help is read; it is the next one then.
    pub(super) fn set_question_aside(&mut self) {
        if let Some(Overlay::Ask(Ask { question })) = self.overlay.take_if(|overlay| matches!(overlay, Overlay::Ask(_)))
        {
            self.held.push_front(question);
        }
    }

    /// Puts the next question that had to wait.
    pub(super) fn ask_next(&mut self) {
        if let Some(question) = self.held.pop_front() {
            self.overlay = Some(Overlay::Ask(Ask { question }));
        }
    }

    /// The user answered a question.
    pub(super) fn answer(&mut self, yes: bool) -> Vec<Job> {
        let Some(Overlay::Ask(ask)) = self.overlay.take() else { return Vec::new() };
        match (ask.question, yes) {
            (Question::Delete(places), true) => self.delete_forever(places),
            (Question::Guard { mailbox, .. }, go_on) => {
                vec![Job::Sync(SyncJob::Answer { mailbox, go_on })]
            }
            (Question::Quit { .. }, true) => vec![Job::Shell(ShellJob::Quit)],
            (Question::DeleteFolder { mailbox, messages, .. }, true) => {
                self.order(mailbox, FolderOrder::Remove { at_most: messages }, Why::Wanted)
            }
            (Question::Discard, true) => self.discard(),
            (Question::RemoveEntry(id), true) => self.remove_entry(id),
            (
                Question::Delete(_)
                | Question::DeleteFolder { .. }
                | Question::Quit { .. }
                | Question::Discard
                | Question::RemoveEntry(_),
                false,
            ) => Vec::new(),
        }
    }
}
