//! Opening a mailbox (SELECT, RFC 9051 §6.3.2; RFC 7162 §3.1.8, §3.2.5): what the server says of it, and
//! with QRESYNC what changed there since it was last compared, in the same answer.

use crate::fault::{Cause, Doing, Fault, Scope};
use crate::mail::flags::Flags;
use crate::mail::ids::{ModSeq, Uid, UidValidity};
use crate::mail::mailbox::MailboxName;
use crate::remote::Since;

use super::extensions::qresync::{self, Resync, Vanished};
use super::limits::{Limits, Trouble};
use super::listing::Listing;
use super::replies::{Answer, Code, Kind, Ranges, Status};
use super::session::{Selected, Session, bad, quote};
use super::tokens::Response;

/// What SELECT is given beside the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parameter {
    /// Nothing.
    None,
    /// Modification sequences are wanted.
    CondStore,
    /// What changed since then is wanted.
    QResync(UidValidity, ModSeq),
}

impl Parameter {
    fn text(self) -> String {
        match self {
            Self::None => String::new(),
            Self::CondStore => " (CONDSTORE)".to_owned(),
            Self::QResync(validity, modseq) => format!(" (QRESYNC ({} {}))", validity.get(), modseq.get()),
        }
    }

    /// What a server that does not understand it cannot do.
    fn extensions(self) -> &'static [&'static str] {
        match self {
            Self::None => &[],
            Self::CondStore => &["CONDSTORE", "QRESYNC"],
            Self::QResync(..) => &["QRESYNC"],
        }
    }
}

/// Is a mailbox opened again that is open?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// Not for this.
    AsItIs,
    /// It is, so that what came in meanwhile is there.
    Afresh,
}

/// What is said while a mailbox is opened.
#[derive(Debug, Default)]
pub(super) struct Opening {
    exists: Option<usize>,
    validity: Option<UidValidity>,
    uid_next: Option<Uid>,
    modseq: Option<ModSeq>,
    permanent: Option<(Flags, bool)>,
    read_only: bool,
    stirred: bool,
    listing: Listing,
    gone: Ranges,
}

/// A mailbox that was opened.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) selected: Selected,
    /// What changed since the sequence that was named, where the server took it up (QRESYNC).
    pub(super) changed: Option<(Listing, Ranges)>,
}

impl Opening {
    /// Takes an untagged response.
    pub(super) fn hear(&mut self, kind: &Kind, response: &Response) {
        match kind {
            Kind::Status(Status { answer: Answer::Ok, code: Some(code), .. }) => self.code(code),
            Kind::Exists(count) => self.exists = usize::try_from(*count).ok(),
            Kind::Expunge | Kind::Vanished(Vanished::Now(_)) => self.stirred = true,
            Kind::Vanished(Vanished::Earlier) => match qresync::vanished(response) {
                Some(ranges) => self.gone.extend(ranges),
                None => self.listing.lost += 1,
            },
            Kind::Fetch => self.listing.take(response),
            _ => {}
        }
    }

    fn code(&mut self, code: &Code) {
        match code {
            // All that came before is about the mailbox that was selected before.
            Code::Closed => *self = Self::default(),
            Code::UidValidity(value) => self.validity = Some(*value),
            Code::UidNext(value) => self.uid_next = Some(*value),
            Code::HighestModSeq(value) => self.modseq = Some(*value),
            Code::NoModSeq => self.modseq = None,
            Code::PermanentFlags(flags, fresh) => self.permanent = Some((flags.clone(), *fresh)),
            Code::ReadOnly => self.read_only = true,
            Code::ReadWrite => self.read_only = false,
            _ => {}
        }
    }

    /// The tagged OK came. `None` if the server left out what nobody can do without.
    pub(super) fn finish(mut self, mailbox: &MailboxName, parameter: Parameter, status: &Status) -> Option<Opened> {
        if let Some(code) = status.code.as_ref().filter(|code| **code != Code::Closed) {
            self.code(code);
        }
        let (keeps, new_keywords) = self.permanent.map_or((None, true), |(flags, fresh)| (Some(flags), fresh));
        let selected = Selected {
            name: mailbox.clone(),
            validity: self.validity?,
            exists: self.exists?,
            expunged: 0,
            uid_next: self.uid_next,
            modseq: self.modseq.filter(|_| parameter != Parameter::None),
            keeps,
            new_keywords,
            read_only: self.read_only,
            stirred: self.stirred,
        };
        // A server whose epoch is another, or whose sequence is behind the one that was named, was
        // restored or made anew: what it tells by that sequence means nothing.
        let changed = match parameter {
            Parameter::QResync(validity, since)
                if validity == selected.validity && selected.modseq.is_some_and(|now| now >= since) =>
            {
                Some((self.listing, self.gone))
            }
            _ => None,
        };
        Some(Opened { selected, changed })
    }
}

impl Session {
    /// The best parameter that the server takes.
    pub(super) fn parameter(&self, since: &Since) -> Parameter {
        match since.validity.zip(since.modseq) {
            Some((validity, modseq)) if self.can_resync() => Parameter::QResync(validity, modseq),
            _ if self.capabilities.condstore() => Parameter::CondStore,
            _ => Parameter::None,
        }
    }

    /// The command that opens a mailbox, and how much its answer may hold. VANISHED comes in one line.
    pub(super) fn select_command(wire_name: &str, parameter: Parameter) -> (String, Limits) {
        let limits = match parameter {
            Parameter::QResync(..) => qresync::LIMITS,
            Parameter::None | Parameter::CondStore => Limits::USUAL,
        };
        (format!("SELECT {}{}", quote(wire_name), parameter.text()), limits)
    }

    /// A server offers an extension and does not understand it: it is not taken by that word again.
    pub(super) fn do_without(&mut self, parameter: Parameter, status: &Status) {
        tracing::warn!("{}: {}; SELECT is sent without{}", self.host, bad(status), parameter.text());
        self.capabilities.forget(parameter.extensions());
    }

    /// Selects `mailbox`, unless it is selected.
    pub(super) fn turn_to(&mut self, doing: Doing, mailbox: &MailboxName) -> Result<Selected, Fault> {
        match &self.selected {
            Some(selected) if selected.name == *mailbox => Ok(selected.clone()),
            _ => self.select(doing, mailbox),
        }
        .and_then(|selected| self.same_epoch(doing, selected))
    }

    /// Selects `mailbox`, again if it is selected, so that all that is told of it is new.
    pub(super) fn select(&mut self, doing: Doing, mailbox: &MailboxName) -> Result<Selected, Fault> {
        self.open(doing, mailbox, &Since::default()).map(|opened| opened.selected)
    }

    /// Selects `mailbox` and asks, where the server can tell, what changed there.
    pub(super) fn open(&mut self, doing: Doing, mailbox: &MailboxName, since: &Since) -> Result<Opened, Fault> {
        let name = self.wire_name(doing, mailbox)?;
        loop {
            let parameter = self.parameter(since);
            let (command, limits) = Self::select_command(&name, parameter);
            let mut opening = Opening::default();
            self.selected = None;
            let hear = |_, kind: &Kind, response: &Response| opening.hear(kind, response);
            let told = self.converse(doing, &[command], limits, hear)?;
            let Some(status) = told.statuses.first() else {
                return Err(self.give_up(doing, Trouble::protocol("the server answers what was not asked")));
            };
            match status.answer {
                Answer::Ok => return self.opened(doing, mailbox, opening.finish(mailbox, parameter, status)),
                Answer::No => return Err(self.not_opened(doing, mailbox, status)?),
                _ if parameter != Parameter::None => self.do_without(parameter, status),
                _ => return Err(self.give_up(doing, Trouble::Protocol(bad(status)))),
            }
        }
    }

    /// Remembers what is selected now.
    pub(super) fn opened(
        &mut self,
        doing: Doing,
        mailbox: &MailboxName,
        opened: Option<Opened>,
    ) -> Result<Opened, Fault> {
        let mut opened = opened.ok_or_else(|| {
            let fault = self.fault(doing, mailbox.as_str(), Cause::Protocol).scope(Scope::Mailbox);
            fault.detail("the server does not say how many messages there are, or in which epoch")
        })?;
        if self.resync != Resync::On {
            // What VANISHED means was never agreed on.
            opened.changed = None;
        }
        self.selected = Some(opened.selected.clone());
        Ok(opened)
    }

    /// Runs commands that only read in `mailbox`, in one flight with its SELECT where that is wanted or
    /// needed, and gathers what they bring. Where the mailbox cannot be opened or was renumbered, what
    /// came is thrown away unseen.
    pub(super) fn read_in<T: Default>(
        &mut self,
        doing: Doing,
        (mailbox, look): (&MailboxName, Look),
        (commands, limits): (&[String], Limits),
        take: impl Fn(&mut T, &Kind, &Response),
    ) -> Result<(T, Vec<Status>), Fault> {
        let is_open = self.selected.as_ref().is_some_and(|selected| selected.name == *mailbox);
        if !is_open || look == Look::Afresh {
            if let Some(found) = self.read_and_select(doing, mailbox, (commands, limits), &take)? {
                return Ok(found);
            }
            // The plain way says what is wrong, or opens it after all.
            self.select(doing, mailbox)?;
        }
        self.turn_to(doing, mailbox)?;
        let mut gathered = T::default();
        let told = self.converse(doing, commands, limits, |_, kind, response| take(&mut gathered, kind, response))?;
        Ok((gathered, told.statuses))
    }

    /// Sends SELECT and the commands in one flight. `None`: nothing of it can be used.
    fn read_and_select<T: Default>(
        &mut self,
        doing: Doing,
        mailbox: &MailboxName,
        (commands, limits): (&[String], Limits),
        take: &impl Fn(&mut T, &Kind, &Response),
    ) -> Result<Option<(T, Vec<Status>)>, Fault> {
        let name = self.wire_name(doing, mailbox)?;
        let parameter = self.parameter(&Since::default());
        let mut flight = vec![Self::select_command(&name, parameter).0];
        flight.extend_from_slice(commands);
        let (mut opening, mut gathered) = (Opening::default(), T::default());
        self.selected = None;
        let told = self.converse(doing, &flight, limits, |at, kind, response| match at {
            0 => opening.hear(kind, response),
            _ => take(&mut gathered, kind, response),
        })?;
        let mut statuses = told.statuses;
        if told.disorder.is_some() || statuses.first().is_none_or(|status| status.answer != Answer::Ok) {
            return Ok(None);
        }
        let opened = opening.finish(mailbox, parameter, &statuses.remove(0));
        let opened = self.opened(doing, mailbox, opened)?;
        Ok(self.is_known_epoch(&opened.selected).then_some((gathered, statuses)))
    }

    /// Why a mailbox was refused. Not every server says that there is none: look.
    pub(super) fn not_opened(&mut self, doing: Doing, mailbox: &MailboxName, status: &Status) -> Result<Fault, Fault> {
        let fault = self.refusal(doing, mailbox.as_str(), status);
        if fault.cause != Cause::RefusedForNow || self.list()?.iter().any(|known| known.name == *mailbox) {
            return Ok(fault);
        }
        Ok(self.fault(doing, mailbox.as_str(), Cause::Missing).scope(Scope::Mailbox).detail(status.text.as_str()))
    }
}
