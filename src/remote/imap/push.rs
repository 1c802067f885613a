//! Bringing changes to the server: STORE, APPEND, MOVE, EXPUNGE (RFC 9051 §6.3.12, §6.4.6, §6.4.8,
//! §6.4.9; RFC 4315). Flags go as deltas, never as a whole set; only named UIDs are ever expunged.

use crate::fault::{Again, Cause, Doing, Fault, Scope};
use crate::mail::flags::{Flag, Flags};
use crate::mail::ids::{Timestamp, Uid, UidValidity};
use crate::mail::mailbox::MailboxName;
use crate::remote::{Push, Pushed};

use super::extensions::labels;
use super::limits::{Limits, Trouble};
use super::replies::{self, Answer, Code, Ranges, Status};
use super::session::{Reply, Session, bad, quote, sets};

/// How many messages one command changes.
pub(super) const AT_ONCE: usize = 1000;

/// What one message may take of the answer to a change: the labels that it has then.
const BESIDES: usize = 1024;

/// The commands that set (`+`) or clear (`-`) flags; the server is not to tell of it.
fn stores(uids: &[Uid], sign: char, flags: &Flags) -> Vec<String> {
    if flags.is_empty() {
        return Vec::new();
    }
    let names = flags.imap_names().join(" ");
    let command = |(set, _)| format!("UID STORE {set} {sign}FLAGS.SILENT ({names})");
    sets(uids, AT_ONCE).into_iter().map(command).collect()
}

impl Session {
    /// Brings a change to `mailbox`.
    pub(super) fn bring(&mut self, mailbox: &MailboxName, push: &Push<'_>) -> Result<Pushed, Fault> {
        match push {
            Push::Flags { uids, add, remove } => {
                self.turn_to(Doing::Pushing, mailbox)?;
                let mut commands = stores(uids, '+', add);
                commands.extend(stores(uids, '-', remove));
                self.tell_all(mailbox, &commands)?;
                Ok(Pushed::Done)
            }
            Push::Labels { uids, add, remove } => {
                if !self.capabilities.labels() {
                    let fault = self.fault(Doing::Pushing, mailbox.as_str(), Cause::NotOffered);
                    return Err(fault.scope(Scope::Mailbox).detail("the server knows no labels"));
                }
                self.turn_to(Doing::Pushing, mailbox)?;
                let mut commands = labels::stores(uids, '+', add);
                commands.extend(labels::stores(uids, '-', remove));
                self.tell_all(mailbox, &commands)?;
                Ok(Pushed::Done)
            }
            Push::Append { bytes, flags, date } => self.append(mailbox, bytes, flags, *date),
            Push::Move { uids, to } => self.move_to(mailbox, uids, to),
            Push::Expunge { uids } => {
                self.turn_to(Doing::Pushing, mailbox)?;
                self.expunge(mailbox, uids)
            }
        }
    }

    /// Runs commands in the mailbox that is selected, without waiting in between. The first that is
    /// refused is the fault; those behind it were sent as well.
    fn tell_all(&mut self, mailbox: &MailboxName, commands: &[String]) -> Result<(), Fault> {
        let doing = Doing::Pushing;
        let told = self.converse(doing, commands, Limits::for_messages(AT_ONCE, BESIDES), |_, _, _| ())?;
        match told.statuses.iter().find(|status| status.answer != Answer::Ok) {
            None => Ok(()),
            Some(status) if status.answer == Answer::No => Err(self.refusal(doing, mailbox.as_str(), status)),
            Some(status) => Err(self.give_up(doing, Trouble::Protocol(bad(status)))),
        }
    }

    /// Removes messages for ever. Without UIDPLUS an expunge would take what others have marked,
    /// so they are marked and left.
    fn expunge(&mut self, mailbox: &MailboxName, uids: &[Uid]) -> Result<Pushed, Fault> {
        self.tell_all(mailbox, &stores(uids, '+', &Flags::only(Flag::Deleted)))?;
        if !self.capabilities.uidplus() {
            return Ok(Pushed::MarkedOnly);
        }
        let commands: Vec<String> =
            sets(uids, AT_ONCE).into_iter().map(|(set, _)| format!("UID EXPUNGE {set}")).collect();
        self.tell_all(mailbox, &commands)?;
        Ok(Pushed::Done)
    }

    /// Moves messages: by MOVE, else by COPY, mark and expunge. Where nothing can be expunged
    /// safely, what was copied stays behind, marked.
    fn move_to(&mut self, mailbox: &MailboxName, uids: &[Uid], to: &MailboxName) -> Result<Pushed, Fault> {
        let target = quote(&self.wire_name(Doing::Pushing, to)?);
        self.turn_to(Doing::Pushing, mailbox)?;
        let verb = if self.capabilities.r#move() { "MOVE" } else { "COPY" };
        let mut moved: Option<(UidValidity, Vec<(Uid, Uid)>)> = None;
        let (mut told, mut stay) = (true, false);
        for (set, members) in sets(uids, AT_ONCE) {
            let command = format!("UID {verb} {set} {target}");
            let reply = self.create_and_retry(mailbox, to, &command)?;
            if verb == "COPY" {
                stay |= self.expunge(mailbox, &members)? == Pushed::MarkedOnly;
            }
            match (copied(&reply, &members), &mut moved) {
                (Some(pairs), None) => moved = Some(pairs),
                (Some((validity, pairs)), Some((known, all))) if validity == *known => all.extend(pairs),
                (None, _) | (Some(_), Some(_)) => told = false,
            }
        }
        Ok(if stay { Pushed::CopiedOnly } else { Pushed::Moved(moved.filter(|_| told)) })
    }

    /// Runs a command with a target mailbox; makes the mailbox and tries once more if the server
    /// says that this would help.
    fn create_and_retry(&mut self, mailbox: &MailboxName, target: &MailboxName, command: &str) -> Result<Reply, Fault> {
        match self.ask(Doing::Pushing, command, Limits::USUAL)? {
            Ok(reply) => Ok(reply),
            Err(status) if status.code == Some(Code::TryCreate) => {
                self.make(target, None)?;
                self.tell(Doing::Pushing, target.as_str(), command, Limits::USUAL)
            }
            Err(status) => Err(self.refusal(Doing::Pushing, mailbox.as_str(), &status)),
        }
    }

    fn append(
        &mut self,
        mailbox: &MailboxName,
        bytes: &[u8],
        flags: &Flags,
        date: Option<Timestamp>,
    ) -> Result<Pushed, Fault> {
        if self.capabilities.append_limit().is_some_and(|limit| bytes.len() as u64 > limit) {
            let fault = self.fault(Doing::Pushing, mailbox.as_str(), Cause::Refused).scope(Scope::Message);
            return Err(fault.again(Again::Never).detail("the message is larger than the server takes"));
        }
        let status = match self.append_once(mailbox, bytes, flags, date)? {
            Status { answer: Answer::No, code: Some(Code::TryCreate), .. } => {
                self.make(mailbox, None)?;
                self.append_once(mailbox, bytes, flags, date)?
            }
            status => status,
        };
        match status.answer {
            Answer::Ok => {}
            // Some servers say so of a single message that they cannot read, and mean only that.
            Answer::Bad => {
                let fault = self.fault(Doing::Pushing, mailbox.as_str(), Cause::Refused).scope(Scope::Message);
                return Err(fault.detail(&bad(&status)));
            }
            Answer::No | Answer::Bye | Answer::PreAuth => {
                return Err(self.refusal(Doing::Pushing, mailbox.as_str(), &status));
            }
        }
        Ok(Pushed::Appended(match status.code {
            Some(Code::AppendUid(validity, ranges)) => only(&ranges).map(|uid| (validity, uid)),
            _ => None,
        }))
    }

    /// One APPEND. The message goes at once where the server takes it so, else after its leave.
    fn append_once(
        &mut self,
        mailbox: &MailboxName,
        bytes: &[u8],
        flags: &Flags,
        date: Option<Timestamp>,
    ) -> Result<Status, Fault> {
        let doing = Doing::Pushing;
        let name = quote(&self.wire_name(doing, mailbox)?);
        let flags = flags.imap_names().join(" ");
        let date = date.and_then(replies::date_time).map(|text| format!("\"{text}\" ")).unwrap_or_default();
        let eager = self.capabilities.eager_literal(bytes.len());
        let plus = if eager { "+" } else { "" };
        let command = format!("APPEND {name} ({flags}) {date}{{{}{plus}}}", bytes.len());
        self.send(doing, &command, Limits::USUAL)?;
        let shared = self.wire.clone();
        let ran = || -> Result<Status, Trouble> {
            let mut wire = shared.lock();
            if !eager && let Some(refusal) = wire.await_continuation()? {
                return Ok(refusal);
            }
            wire.send(bytes)?;
            wire.send(b"\r\n")?;
            wire.await_answer()
        };
        let status = ran().map_err(|trouble| self.give_up(doing, trouble))?;
        let held = self.wire.lock().take_held();
        self.notice(&held);
        self.alert(&status);
        match status.answer {
            Answer::Ok | Answer::No | Answer::Bad => Ok(status),
            Answer::Bye | Answer::PreAuth => Err(self.give_up(doing, Trouble::Protocol(bad(&status)))),
        }
    }
}

/// The one UID that these ranges are.
fn only(ranges: &Ranges) -> Option<Uid> {
    match ranges.as_slice() {
        [(first, last)] if first == last => Uid::new(*first),
        _ => None,
    }
}

/// Which message became which (COPYUID), as far as it speaks of the messages that were meant.
fn copied(reply: &Reply, members: &[Uid]) -> Option<(UidValidity, Vec<(Uid, Uid)>)> {
    let (validity, from, to) = reply.codes().find_map(|code| match code {
        Code::CopyUid(validity, from, to) => Some((validity, from, to)),
        _ => None,
    })?;
    let from = replies::expand(&from, members.len())?;
    let to = replies::expand(&to, members.len())?;
    let sound = from.len() == to.len() && from.iter().all(|uid| members.binary_search(uid).is_ok());
    sound.then(|| (validity, from.into_iter().zip(to).collect()))
}
