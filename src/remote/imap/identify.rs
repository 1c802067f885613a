//! Who a message is: its size and Message-ID, and which messages have an id (UID FETCH, UID SEARCH). The
//! questions go in one flight with the SELECT that they need.

use crate::fault::{Cause, Doing, Fault, Scope};
use crate::mail::ids::{MessageId, Uid};
use crate::mail::mailbox::MailboxName;
use crate::remote::{Identity, Measure};

use super::limits::{Limits, Trouble};
use super::replies::{self, Answer, Body, Extent, Kind, Status};
use super::select::Look;
use super::session::{Session, bad, quote, sets};
use super::snapshot::Found;
use super::tokens::{Malformed, Response};

/// How many messages one command asks for.
const CHUNK: usize = 500;
/// What one message may take of an answer.
const EACH: usize = 4096;
/// What is asked about who a message is.
const IDENTITY: &str = "INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)]";

impl Session {
    /// Size and Message-ID of messages.
    pub(super) fn identify_messages(&mut self, mailbox: &MailboxName, uids: &[Uid]) -> Result<Vec<Identity>, Fault> {
        let mut found = self.told_of(mailbox, uids, IDENTITY, identity)?;
        found.sort_by_key(|known| known.uid);
        found.dedup_by_key(|known| known.uid);
        Ok(found)
    }

    /// Size and INTERNALDATE of messages.
    pub(super) fn measure_messages(&mut self, mailbox: &MailboxName, uids: &[Uid]) -> Result<Vec<Measure>, Fault> {
        let mut found = self.told_of(mailbox, uids, "INTERNALDATE RFC822.SIZE", measure)?;
        found.sort_by_key(|known| known.uid);
        found.dedup_by_key(|known| known.uid);
        Ok(found)
    }

    /// Asks for these items of messages and reads each answer.
    fn told_of<T: Named>(
        &mut self,
        mailbox: &MailboxName,
        uids: &[Uid],
        items: &str,
        read: fn(&Response) -> Result<Option<T>, Malformed>,
    ) -> Result<Vec<T>, Fault> {
        let doing = Doing::Comparing;
        let mut members = uids.to_vec();
        members.sort_unstable();
        let fetch = |(set, _)| format!("UID FETCH {set} (UID {items})");
        let commands: Vec<String> = sets(uids, CHUNK).into_iter().map(fetch).collect();
        if commands.is_empty() {
            return Ok(Vec::new());
        }
        let limits = Limits::for_messages(CHUNK, EACH);
        let take = |(found, lost): &mut (Vec<T>, usize), kind: &Kind, response: &Response| {
            if *kind == Kind::Fetch {
                match read(response) {
                    Ok(known) => found.extend(known.filter(|known| members.binary_search(&known.uid()).is_ok())),
                    Err(_) => *lost += 1,
                }
            }
        };
        let ((found, lost), statuses) = self.read_in(doing, (mailbox, Look::AsItIs), (&commands, limits), take)?;
        self.all_answered(doing, mailbox, &statuses)?;
        if lost > 0 {
            // Who is missing here would be taken for gone.
            let fault = self.fault(doing, mailbox.as_str(), Cause::Protocol).scope(Scope::Mailbox);
            return Err(fault.detail("the server's answer about a message makes no sense"));
        }
        Ok(found)
    }

    /// Was every command answered by an OK?
    fn all_answered(&mut self, doing: Doing, mailbox: &MailboxName, statuses: &[Status]) -> Result<(), Fault> {
        match statuses.iter().find(|status| status.answer != Answer::Ok) {
            None => Ok(()),
            Some(status) if status.answer == Answer::No => Err(self.refusal(doing, mailbox.as_str(), status)),
            Some(status) => Err(self.give_up(doing, Trouble::Protocol(bad(status)))),
        }
    }

    /// UIDs at or above `from` with exactly this Message-ID: SEARCH finds parts of ids too, so each
    /// hit is looked at.
    pub(super) fn find_by_id(
        &mut self,
        mailbox: &MailboxName,
        message_id: &str,
        from: Option<Uid>,
    ) -> Result<Vec<Uid>, Fault> {
        let doing = Doing::Comparing;
        let Some(wanted) = MessageId::new(message_id) else { return Ok(Vec::new()) };
        let charset = if wanted.as_str().is_ascii() { "" } else { "CHARSET UTF-8 " };
        let range = from.map(|from| format!("UID {}:* ", from.get())).unwrap_or_default();
        let command = format!("UID SEARCH {charset}{range}HEADER Message-ID {}", quote(wanted.as_str()));
        // A new SELECT, so that messages which came in meanwhile are there to be found.
        let commands = [command];
        let asked = (commands.as_slice(), Limits::USUAL.in_one_line());
        let (found, statuses) = self.read_in(doing, (mailbox, Look::Afresh), asked, Found::take)?;
        self.all_answered(doing, mailbox, &statuses)?;
        let exists = self.selected.as_ref().map_or(0, |selected| selected.exists);
        let Some(mut hits) = found.uids(exists) else {
            let fault = self.fault(doing, mailbox.as_str(), Cause::Protocol).scope(Scope::Mailbox);
            return Err(fault.detail("the server's answer to a search makes no sense"));
        };
        hits.retain(|uid| from.is_none_or(|from| *uid >= from));
        let known = self.identify_messages(mailbox, &hits)?;
        let same = |known: &Identity| known.message_id.as_deref() == Some(wanted.as_str());
        Ok(known.into_iter().filter(same).map(|known| known.uid).collect())
    }
}

/// What is told of one message.
trait Named {
    fn uid(&self) -> Uid;
}

impl Named for Identity {
    fn uid(&self) -> Uid {
        self.uid
    }
}

impl Named for Measure {
    fn uid(&self) -> Uid {
        self.uid
    }
}

/// What a FETCH tells of how large and old a message is; nothing if it is only about flags that changed meanwhile.
fn measure(response: &Response) -> Result<Option<Measure>, Malformed> {
    let item = replies::fetch(response, Extent::Whole)?;
    let (Some(uid), Some(size)) = (item.uid, item.size) else { return Ok(None) };
    Ok(Some(Measure { uid, size, date: item.date }))
}

/// What a FETCH tells of who a message is; nothing if it is only about flags that changed meanwhile.
fn identity(response: &Response) -> Result<Option<Identity>, Malformed> {
    let item = replies::fetch(response, Extent::Whole)?;
    let header = match item.body {
        None => return Ok(None),
        Some(Body::Held(bytes)) => String::from_utf8_lossy(&bytes).into_owned(),
        Some(Body::Nil | Body::Streamed(_)) => String::new(),
    };
    let (Some(uid), Some(size)) = (item.uid, item.size) else { return Err(Malformed("UID or size is missing")) };
    Ok(Some(Identity { uid, size, message_id: message_id(&header), date: item.date }))
}

/// The id in a header of this one field, which may be folded and may have a comment beside it.
fn message_id(header: &str) -> Option<String> {
    let (_, value) = header.split_once(':')?;
    let inner = value.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map_or(value, |(inner, _)| inner);
    MessageId::new(inner).map(|id| id.as_str().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_found_in_odd_headers() {
        let table = [
            ("Message-ID: <a@b>\r\n\r\n", Some("a@b")),
            ("MESSAGE-ID:\r\n <a@b> (from x)\r\n", Some("a@b")),
            ("Message-Id: bare@b\r\n", Some("bare@b")),
            ("Message-ID: \r\n", None),
            ("", None),
        ];
        for (header, expected) in table {
            assert_eq!(message_id(header).as_deref(), expected, "{header:?}");
        }
    }
}
