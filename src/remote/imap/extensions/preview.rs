//! What changed in the mailbox that comes first, told along with the list of all: where QRESYNC is offered its
//! SELECT goes ahead of LIST in the same flight. That saves a round trip, and a server that would read a large
//! mailbox twice, for its STATUS and for its SELECT, reads it once. It is a guess at the next question: if that is
//! another one, or anything is odd, it is as if nothing had been told.

use crate::fault::Doing;
use crate::mail::mailbox::MailboxName;
use crate::remote::imap::limits::Limits;
use crate::remote::imap::pipeline::Conversation;
use crate::remote::imap::replies::{Answer, Kind};
use crate::remote::imap::select::{Opened, Opening, Parameter};
use crate::remote::imap::session::Session;
use crate::remote::imap::tokens::Response;
use crate::remote::{Since, Standing};

/// The question that is expected, and what was told ahead.
#[derive(Debug, Default)]
pub(in crate::remote::imap) struct Preview {
    expected: Option<(MailboxName, Since)>,
    told: Option<(Since, Opened)>,
}

/// A mailbox that is opened ahead, as the first of the commands of a flight.
#[derive(Debug)]
pub(in crate::remote::imap) struct Ahead {
    mailbox: MailboxName,
    since: Since,
    parameter: Parameter,
    command: String,
    limits: Limits,
    opening: Opening,
    /// Did something happen in it behind its opening?
    stirred: bool,
}

impl Ahead {
    /// The command.
    pub(in crate::remote::imap) fn command(&self) -> &str {
        &self.command
    }

    /// How much may be said where its answer is among the others.
    pub(in crate::remote::imap) fn limits(&self, others: Limits) -> Limits {
        Limits {
            line: self.limits.line.max(others.line),
            total: self.limits.total.max(others.total),
            count: self.limits.count.max(others.count),
        }
    }

    /// Takes what was said while the command at this place was not answered yet.
    pub(in crate::remote::imap) fn hear(&mut self, place: usize, kind: &Kind, response: &Response) {
        match kind {
            _ if place == 0 => self.opening.hear(kind, response),
            Kind::Exists(_) | Kind::Expunge | Kind::Vanished(_) => self.stirred = true,
            _ => {}
        }
    }
}

impl Session {
    /// Expects to be asked what changed in `mailbox` since `since`, once all are listed.
    pub(in crate::remote::imap) fn expect_question(&mut self, mailbox: &MailboxName, since: &Since) {
        self.preview.expected = Some((mailbox.clone(), *since));
    }

    /// The opening that goes ahead of the next list, if one is expected and the server can tell by it what changed.
    pub(in crate::remote::imap) fn ahead(&mut self) -> Option<Ahead> {
        let (mailbox, since) = self.preview.expected.take()?;
        self.preview.told = None;
        let parameter = self.parameter(&since);
        let is_listed = mailbox.is_inbox() || self.names.are_known();
        if !is_listed || !matches!(parameter, Parameter::QResync(..)) {
            return None;
        }
        let wire_name = self.names.encode(&mailbox).ok()?;
        let (command, limits) = Self::select_command(&wire_name, parameter);
        Some(Ahead { mailbox, since, parameter, command, limits, opening: Opening::default(), stirred: false })
    }

    /// Takes in how the opening was answered. Whatever is wrong with it, the plain way says.
    pub(in crate::remote::imap) fn told_ahead(&mut self, ahead: Ahead, told: &Conversation) {
        let Ahead { mailbox, since, parameter, opening, stirred, .. } = ahead;
        let status = told.statuses.first().filter(|status| status.answer == Answer::Ok && told.disorder.is_none());
        let Some(status) = status.filter(|_| !stirred) else { return };
        let opened = opening.finish(&mailbox, parameter, status);
        if let Ok(opened) = self.opened(Doing::Comparing, &mailbox, opened) {
            self.preview.told = Some((since, opened));
        }
    }

    /// How the mailbox stands that was opened ahead.
    pub(in crate::remote::imap) fn standing_ahead(&self) -> Option<Standing> {
        let (_, Opened { selected, .. }) = self.preview.told.as_ref()?;
        let messages = u32::try_from(selected.exists).ok()?;
        Some(Standing { validity: selected.validity, uid_next: selected.uid_next, messages, modseq: selected.modseq })
    }

    /// Was this very question answered ahead, and has nothing been heard of the mailbox since?
    pub(in crate::remote::imap) fn is_told(&self, mailbox: &MailboxName, since: &Since) -> bool {
        self.preview.told.as_ref().is_some_and(|(asked, opened)| {
            asked == since && opened.selected.name == *mailbox && self.selected.as_ref() == Some(&opened.selected)
        })
    }

    /// What was told ahead of this mailbox, once.
    pub(in crate::remote::imap) fn take_told(&mut self, mailbox: &MailboxName, since: &Since) -> Option<Opened> {
        if self.is_told(mailbox, since) { self.preview.told.take().map(|(_, opened)| opened) } else { None }
    }
}
