//! A session: a signed-in connection, the mailbox that is selected on it, and the one way by which
//! commands are run. The `imap` crate makes the tags and carries the commands; what comes back is
//! read here. After any fault that is no refusal the session says no more.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::fault::{Again, Cause, Doing, Fault, Scope};
use crate::mail::flags::Flags;
use crate::mail::ids::{AccountId, ModSeq, Uid, UidValidity};
use crate::mail::mailbox::MailboxName;
use crate::remote::{Presence, RemoteChanges, RemoteItem};

use super::capability::Capabilities;
use super::extensions::labels::Labelling;
use super::extensions::preview::Preview;
use super::extensions::qresync::{Resync, Vanished};
use super::facts::Facts;
use super::limits::{Limits, Trouble};
use super::mailboxes::Names;
use super::replies::{self, Answer, Code, Kind, Status};
use super::tokens::Response;
use super::wire::{Mode, Port, Shared, status_of};

/// The longest set of UIDs in one command, in bytes: servers take lines of 8,000 (RFC 7162 §4).
const SET_BYTES: usize = 7000;

/// A signed-in connection.
pub(super) struct Session {
    /// The session layer.
    pub(super) imap: imap::Session<Port>,
    /// What it stands on.
    pub(super) wire: Shared,
    /// Whose it is.
    pub(super) account: AccountId,
    /// The server's name.
    pub(super) host: String,
    /// What the server can do.
    pub(super) capabilities: Capabilities,
    /// What it has shown of itself on the way in.
    pub(super) facts: Facts,
    /// How mailboxes are called on the wire.
    pub(super) names: Names,
    /// Is QRESYNC agreed on?
    pub(super) resync: Resync,
    /// Are labels asked for?
    pub(super) labelling: Labelling,
    /// Does the server tell of all mailboxes, not only of the selected one?
    pub(super) hears_all: bool,
    /// The mailbox that is selected.
    pub(super) selected: Option<Selected>,
    /// What is told of a mailbox before it is asked.
    pub(super) preview: Preview,
    /// The epoch in which each mailbox was last compared: UIDs of before mean nothing in another.
    pub(super) epochs: BTreeMap<MailboxName, UidValidity>,
    /// Is it out of use?
    pub(super) broken: bool,
}

/// The mailbox that is selected, as the server told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Selected {
    pub(super) name: MailboxName,
    pub(super) validity: UidValidity,
    /// How many messages it has now.
    pub(super) exists: usize,
    /// How many were expunged since it was selected.
    pub(super) expunged: usize,
    pub(super) uid_next: Option<Uid>,
    pub(super) modseq: Option<ModSeq>,
    pub(super) keeps: Option<Flags>,
    pub(super) new_keywords: bool,
    pub(super) read_only: bool,
    /// Did something change since it was compared?
    pub(super) stirred: bool,
}

impl Selected {
    /// What changed in it.
    pub(super) fn changes(&self, items: Vec<RemoteItem>, presence: Presence, modseq: Option<ModSeq>) -> RemoteChanges {
        RemoteChanges {
            validity: self.validity,
            uid_next: self.uid_next,
            modseq,
            items,
            presence,
            keeps: self.keeps.clone(),
            new_keywords: self.new_keywords,
            read_only: self.read_only,
        }
    }
}

/// What a command brought.
pub(super) struct Reply {
    /// Untagged responses, in their order.
    pub(super) untagged: Vec<Response>,
    /// The tagged answer, an OK.
    pub(super) status: Status,
}

impl Reply {
    /// All codes: of the untagged responses first, then of the answer.
    pub(super) fn codes(&self) -> impl Iterator<Item = Code> {
        let untagged = self.untagged.iter().filter_map(|response| match replies::kind(response) {
            Kind::Status(Status { answer: Answer::Ok, code, .. }) => code,
            _ => None,
        });
        untagged.chain(self.status.code.clone())
    }
}

impl Session {
    /// Runs a command. A NO is given back as it is; all else but OK is a fault that ends the session.
    pub(super) fn ask(&mut self, doing: Doing, command: &str, limits: Limits) -> Result<Result<Reply, Status>, Fault> {
        match self.attempt(doing, command, limits)? {
            Err(status) if status.answer == Answer::Bad => Err(self.give_up(doing, Trouble::Protocol(bad(&status)))),
            other => Ok(other),
        }
    }

    /// Runs a command. A NO and a BAD are given back as they are.
    pub(super) fn attempt(
        &mut self,
        doing: Doing,
        command: &str,
        limits: Limits,
    ) -> Result<Result<Reply, Status>, Fault> {
        self.usable(doing)?;
        self.wire.lock().begin(limits, Mode::Command);
        let imap = &mut self.imap;
        let ran = catch_unwind(AssertUnwindSafe(|| imap.run(command).map(|_| ())));
        let (untagged, answer) = {
            let mut wire = self.wire.lock();
            (wire.take_held(), wire.take_answer())
        };
        self.notice(&untagged);
        match (ran, answer) {
            (Ok(Ok(())), Some(status)) => Ok(Ok(Reply { untagged, status })),
            (Ok(Err(imap::Error::No(_))), Some(status)) => {
                self.alert(&status);
                Ok(Err(status))
            }
            (Ok(Err(_)), Some(status)) if status.answer == Answer::Bad => Ok(Err(status)),
            (Ok(Err(_)), Some(status)) => Err(self.give_up(doing, Trouble::Protocol(bad(&status)))),
            (Ok(_), None) => Err(self.fallen(doing)),
            (Err(_), _) => Err(self.panicked(doing)),
        }
    }

    /// Runs a command whose NO is a fault, concerning `subject`.
    pub(super) fn tell(&mut self, doing: Doing, subject: &str, command: &str, limits: Limits) -> Result<Reply, Fault> {
        match self.ask(doing, command, limits)? {
            Ok(reply) => Ok(reply),
            Err(status) => Err(self.refusal(doing, subject, &status)),
        }
    }

    /// Sends a command and gives its tag; the answer is to be read from the wire.
    pub(super) fn send(&mut self, doing: Doing, command: &str, limits: Limits) -> Result<String, Fault> {
        self.usable(doing)?;
        self.wire.lock().begin(limits, Mode::Command);
        let imap = &mut self.imap;
        match catch_unwind(AssertUnwindSafe(|| imap.run_command(command))) {
            Ok(Ok(())) => Ok(self.wire.lock().tag().to_owned()),
            Ok(Err(_)) => Err(self.fallen(doing)),
            Err(_) => Err(self.panicked(doing)),
        }
    }

    /// Sends a command and shows each untagged response to `visit` as it comes; none is kept. Gives
    /// the answer, an OK or a NO.
    pub(super) fn visit(
        &mut self,
        doing: Doing,
        command: &str,
        limits: Limits,
        mut visit: impl FnMut(&Kind, &Response),
    ) -> Result<Status, Fault> {
        let tag = self.send(doing, command, limits)?;
        let mut response = Response::default();
        loop {
            response.clear();
            let read = self.wire.lock().read_into(&mut response);
            if let Err(trouble) = read {
                return Err(self.give_up(doing, trouble));
            }
            if response.text.starts_with(b"*") {
                let kind = replies::kind(&response);
                self.wire.lock().note(&kind);
                self.notice_kind(&kind);
                visit(&kind, &response);
                continue;
            }
            return match status_of(&response, &tag) {
                Ok(status) if matches!(status.answer, Answer::Ok | Answer::No) => {
                    self.alert(&status);
                    Ok(status)
                }
                Ok(status) => Err(self.give_up(doing, Trouble::Protocol(bad(&status)))),
                Err(trouble) => Err(self.give_up(doing, trouble)),
            };
        }
    }

    /// Takes note of what the server said beside the answer.
    pub(super) fn notice(&mut self, untagged: &[Response]) {
        for response in untagged {
            self.notice_kind(&replies::kind(response));
        }
    }

    /// Takes note of one untagged response.
    pub(super) fn notice_kind(&mut self, kind: &Kind) {
        let Some(selected) = &mut self.selected else { return };
        match kind {
            Kind::Exists(count) => {
                let count = usize::try_from(*count).unwrap_or(usize::MAX);
                selected.stirred |= count != selected.exists;
                selected.exists = count;
            }
            Kind::Expunge => {
                selected.stirred = true;
                selected.exists = selected.exists.saturating_sub(1);
                selected.expunged = selected.expunged.saturating_add(1);
            }
            Kind::Vanished(Vanished::Now(count)) => {
                selected.stirred = true;
                // More than there are is a lie, by which nothing may be excused.
                if let Some(count) = usize::try_from(*count).ok().filter(|count| *count <= selected.exists) {
                    selected.exists -= count;
                    selected.expunged = selected.expunged.saturating_add(count);
                }
            }
            _ => {}
        }
    }

    /// Keeps what the user should read.
    pub(super) fn alert(&mut self, status: &Status) {
        if status.code == Some(Code::Alert) {
            self.wire.lock().alert(status);
        }
    }

    /// Is this the epoch in which the mailbox was compared, if it was?
    pub(super) fn is_known_epoch(&self, selected: &Selected) -> bool {
        self.epochs.get(&selected.name).is_none_or(|known| *known == selected.validity)
    }

    /// UIDs are only good in the epoch in which they were told.
    pub(super) fn same_epoch(&self, doing: Doing, selected: Selected) -> Result<Selected, Fault> {
        match self.epochs.get(&selected.name) {
            Some(known) if *known != selected.validity => Err(self
                .fault(doing, selected.name.as_str(), Cause::Other)
                .scope(Scope::Mailbox)
                .again(Again::Now)
                .detail("the server has renumbered its messages; they are compared anew first")),
            _ => Ok(selected),
        }
    }

    /// A fault on this account.
    pub(super) fn fault(&self, doing: Doing, subject: &str, cause: Cause) -> Fault {
        Fault::new(doing, subject, cause).of(&self.account)
    }

    /// The fault of a NO.
    pub(super) fn refusal(&self, doing: Doing, subject: &str, status: &Status) -> Fault {
        let (cause, again) = refused(status.code.as_ref());
        self.fault(doing, subject, cause).scope(Scope::Mailbox).again(again).detail(status.text.as_str())
    }

    /// Refuses work once the connection was given up.
    pub(super) fn usable(&self, doing: Doing) -> Result<(), Fault> {
        if self.broken {
            let fault = self.fault(doing, &self.host, Cause::Closed).again(Again::Now);
            return Err(fault.detail("the connection was given up before"));
        }
        Ok(())
    }

    /// Ends the session for the trouble that the wire met.
    pub(super) fn fallen(&mut self, doing: Doing) -> Fault {
        let trouble = self.wire.lock().take_trouble().unwrap_or(Trouble::Closed);
        self.give_up(doing, trouble)
    }

    pub(super) fn panicked(&mut self, doing: Doing) -> Fault {
        self.broken = true;
        self.fault(doing, &self.host, Cause::Bug).detail("the session layer failed on what the server said")
    }

    /// Ends the session.
    pub(super) fn give_up(&mut self, doing: Doing, trouble: Trouble) -> Fault {
        self.broken = true;
        let goodbye = self.wire.lock().goodbye().cloned();
        explain(doing, &self.host, trouble, goodbye.as_ref().map(AsRef::as_ref)).of(&self.account)
    }
}

/// Makes a fault of trouble on the wire.
pub(super) fn explain(doing: Doing, host: &str, trouble: Trouble, goodbye: Option<&str>) -> Fault {
    trouble.explain(doing, host, goodbye)
}

/// What a BAD is told as.
pub(super) fn bad(status: &Status) -> String {
    format!("the server does not understand: {}", status.text)
}

/// What a NO with this code means (RFC 5530).
fn refused(code: Option<&Code>) -> (Cause, Again) {
    match code {
        Some(Code::TryCreate) => (Cause::Missing, Again::Later),
        Some(Code::ReadOnly) => (Cause::Permission, Again::AfterUser),
        Some(Code::Other(name)) => match name.as_str() {
            "NONEXISTENT" => (Cause::Missing, Again::Later),
            "NOPERM" => (Cause::Permission, Again::AfterUser),
            // Not the disk here: only what is uploaded has to wait.
            "OVERQUOTA" => (Cause::Refused, Again::AfterUser),
            "INUSE" => (Cause::Busy, Again::Later),
            "CANNOT" | "TOOBIG" => (Cause::Refused, Again::Never),
            _ => (Cause::RefusedForNow, Again::Later),
        },
        _ => (Cause::RefusedForNow, Again::Later),
    }
}

/// Writes a string in quotes. There are no control characters in what is given.
pub(super) fn quote(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Writes UIDs as sets, sorted, with runs as ranges, each set short enough for one command and of
/// at most `most` UIDs.
pub(super) fn sets(uids: &[Uid], most: usize) -> Vec<(String, Vec<Uid>)> {
    let mut sorted = uids.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    let mut out = Vec::new();
    for chunk in sorted.chunks(most.max(1)) {
        let mut text = String::new();
        let mut members = Vec::new();
        for run in chunk.chunk_by(|a, b| a.get().checked_add(1) == Some(b.get())) {
            if text.len() > SET_BYTES {
                out.push((std::mem::take(&mut text), std::mem::take(&mut members)));
            }
            if !text.is_empty() {
                text.push(',');
            }
            if let (Some(first), Some(last)) = (run.first(), run.last()) {
                text.push_str(&first.get().to_string());
                if first != last {
                    text.push(':');
                    text.push_str(&last.get().to_string());
                }
            }
            members.extend_from_slice(run);
        }
        if !members.is_empty() {
            out.push((text, members));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uids(numbers: &[u32]) -> Vec<Uid> {
        numbers.iter().filter_map(|number| Uid::new(*number)).collect()
    }

    #[test]
    fn sets_are_sorted_and_have_ranges() {
        assert_eq!(sets(&uids(&[9, 3, 1, 2, 9]), 100), [("1:3,9".to_owned(), uids(&[1, 2, 3, 9]))]);
        let two = sets(&uids(&[4, 3, 2, 1]), 2);
        assert_eq!(two.iter().map(|(text, _)| text.as_str()).collect::<Vec<_>>(), ["1:2", "3:4"]);
        assert_eq!(sets(&[], 2), []);
    }

    #[test]
    fn long_sets_are_split() {
        let odd: Vec<u32> = (0..5000).map(|n| 1_000_000 + 2 * n).collect();
        let split = sets(&uids(&odd), usize::MAX);
        assert!(split.len() > 1 && split.iter().all(|(text, _)| text.len() <= SET_BYTES + 24));
        assert_eq!(split.iter().map(|(_, members)| members.len()).sum::<usize>(), 5000);
    }

    #[test]
    fn quotes_are_escaped() {
        assert_eq!(quote("a\"b\\c"), "\"a\\\"b\\\\c\"");
    }
}
