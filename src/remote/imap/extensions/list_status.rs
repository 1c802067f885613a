//! How all mailboxes stand, in one round trip (LIST-STATUS, RFC 5819; LIST-EXTENDED, RFC 5258); where that
//! is not offered, LSUB goes with LIST and all STATUS commands go together behind it. The selected
//! mailbox is left first, or left out: servers tell its state as of when it was last looked at. One that is opened in
//! the same flight (`preview`) stands as it was opened.

use std::collections::{BTreeMap, BTreeSet};

use crate::fault::{Doing, Fault};
use crate::mail::ids::{ModSeq, Uid, UidValidity};
use crate::remote::imap::limits::Limits;
use crate::remote::imap::replies::{Answer, Kind};
use crate::remote::imap::session::{Session, quote};
use crate::remote::imap::tokens::{Response, Token};
use crate::remote::{RemoteMailbox, Standing};

/// How many mailboxes are asked for their standing one by one.
const ONE_BY_ONE: usize = 500;

/// How mailboxes stand, by their name on the wire.
pub(in crate::remote::imap) type Standings = BTreeMap<Vec<u8>, Standing>;

/// Reads a STATUS response: the name on the wire, and how the mailbox stands. `None` where something that
/// nobody can do without is missing or no number.
pub(in crate::remote::imap) fn standing(response: &Response) -> Option<(Vec<u8>, Standing)> {
    let mut tokens = response.arguments();
    let name = key(&tokens.name().ok()?);
    tokens.open().ok()?;
    let (mut validity, mut uid_next, mut messages, mut modseq) = (None, None, None, None);
    while let Token::Word(item) = tokens.next().ok()?? {
        let value = tokens.expect().ok()?;
        let number = value.number();
        tokens.skip_rest_of(&value).ok()?;
        let small = number.and_then(|number| u32::try_from(number).ok());
        match item.to_ascii_uppercase().as_slice() {
            b"UIDVALIDITY" => validity = small.and_then(UidValidity::new),
            b"UIDNEXT" => uid_next = small.and_then(Uid::new),
            b"MESSAGES" => messages = small,
            b"HIGHESTMODSEQ" => modseq = number.and_then(ModSeq::new),
            _ => {}
        }
    }
    Some((name, Standing { validity: validity?, uid_next, messages: messages?, modseq }))
}

/// A wire name by which its mailbox is found: the INBOX is written in any case.
pub(in crate::remote::imap) fn key(wire_name: &[u8]) -> Vec<u8> {
    if wire_name.eq_ignore_ascii_case(b"INBOX") { b"INBOX".to_vec() } else { wire_name.to_vec() }
}

impl Session {
    /// What is asked of each mailbox.
    fn status_items(&self) -> &'static str {
        if self.capabilities.condstore() {
            "(MESSAGES UIDNEXT UIDVALIDITY HIGHESTMODSEQ)"
        } else {
            "(MESSAGES UIDNEXT UIDVALIDITY)"
        }
    }

    /// What a LIST is to tell beside the names, as far as the server can.
    pub(in crate::remote::imap) fn list_options(&self) -> String {
        let mut options = Vec::new();
        if self.capabilities.list_special_use() {
            options.push("SPECIAL-USE".to_owned());
        }
        if self.capabilities.list_extended() {
            options.push("SUBSCRIBED".to_owned());
        }
        if self.capabilities.list_status() {
            options.push(format!("STATUS {}", self.status_items()));
        }
        if options.is_empty() { String::new() } else { format!(" RETURN ({})", options.join(" ")) }
    }

    /// All mailboxes, with their subscriptions and how they stand.
    pub(in crate::remote::imap) fn survey(&mut self) -> Result<Vec<RemoteMailbox>, Fault> {
        let ahead = self.ahead();
        let mut leaving = Vec::new();
        if ahead.is_some() {
            self.selected = None;
        } else if self.selected.is_some() && self.capabilities.unselect() {
            // It goes with the LIST; whatever comes of it, the next command on a mailbox selects it.
            leaving.push("UNSELECT".to_owned());
            self.selected = None;
        }
        let (mut mailboxes, standings) = self.list_all(ahead, leaving)?;
        let selected = self.selected.as_ref().map(|selected| selected.name.clone());
        let mut unknown = Vec::new();
        for mailbox in &mut mailboxes {
            if Some(&mailbox.name) == selected.as_ref() {
                // One that was opened just now tells it by that.
                mailbox.standing = self.standing_ahead();
                continue;
            }
            if !mailbox.selectable {
                continue;
            }
            let Ok(wire) = self.names.encode(&mailbox.name) else { continue };
            mailbox.standing = standings.get(wire.as_bytes()).copied();
            if mailbox.standing.is_none() {
                unknown.push((mailbox, wire));
            }
        }
        if !self.capabilities.list_status() {
            unknown.truncate(ONE_BY_ONE);
            let names: Vec<&str> = unknown.iter().map(|(_, wire)| wire.as_str()).collect();
            let standings = self.standings(&names)?;
            for (mailbox, wire) in unknown {
                mailbox.standing = standings.get(wire.as_bytes()).copied();
            }
        }
        Ok(mailboxes)
    }

    /// Asks for mailboxes one by one, without waiting in between. One that is refused has no standing.
    fn standings(&mut self, wire_names: &[&str]) -> Result<Standings, Fault> {
        let items = self.status_items();
        let commands: Vec<String> = wire_names.iter().map(|name| format!("STATUS {} {items}", quote(name))).collect();
        let mut found = Standings::new();
        self.converse(Doing::ListingMailboxes, &commands, Limits::USUAL, |_, kind, response| {
            if *kind == Kind::MailboxStatus {
                found.extend(standing(response));
            }
        })?;
        Ok(found)
    }
}

/// The names that LSUB told, if it was answered by OK.
#[derive(Debug, Default)]
pub(in crate::remote::imap) struct Subscriptions(pub(in crate::remote::imap) BTreeSet<Vec<u8>>);

impl Subscriptions {
    /// Is the mailbox among them? `None` if the server did not say.
    pub(in crate::remote::imap) fn tell(&self, wire_name: &[u8], answer: Option<Answer>) -> Option<bool> {
        (answer == Some(Answer::Ok)).then(|| self.0.contains(&key(wire_name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn standings_are_read_as_servers_write_them() {
        let read = |line: &str| {
            standing(&Response::of(line)).map(|(name, s)| {
                let numbers = (s.validity.get(), s.uid_next.map(Uid::get), s.messages, s.modseq.map(ModSeq::get));
                (String::from_utf8(name).unwrap(), numbers)
            })
        };
        let of = |name: &str, numbers| Some((name.to_owned(), numbers));
        let table = [
            (
                "* STATUS \"a b\" (MESSAGES 3 UIDNEXT 9 UIDVALIDITY 7 HIGHESTMODSEQ 12)",
                of("a b", (7, Some(9), 3, Some(12))),
            ),
            ("* status inbox (uidvalidity 7 messages 0 highestmodseq 0 )  ", of("INBOX", (7, None, 0, None))),
            ("* STATUS x (X-NEW (a (b)) UIDVALIDITY 7 MESSAGES 1 SIZE 99999999999)", of("x", (7, None, 1, None))),
            ("* STATUS x (MESSAGES 3)", None),
            ("* STATUS x (UIDVALIDITY 0 MESSAGES 3)", None),
            ("* STATUS x (UIDVALIDITY 7 MESSAGES -3)", None),
            ("* STATUS x (UIDVALIDITY 7 MESSAGES 3", None),
            ("* STATUS x", None),
            ("* STATUS", None),
        ];
        for (line, expected) in table {
            assert_eq!(read(line), expected, "{line}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_standing_or_none(bytes: Vec<u8>, items in "[A-Z0-9() ]{0,60}") {
            for line in [[b"* STATUS ".as_slice(), &bytes].concat(), format!("* STATUS x ({items}").into_bytes()] {
                if let Some((_, standing)) = standing(&Response::of(&line)) {
                    prop_assert!(line.windows(11).any(|word| word == b"UIDVALIDITY"), "{:?}", standing);
                }
            }
            let at = [b"* STATUS x (UIDVALIDITY 7 MESSAGES 1 ".as_slice(), &bytes].concat();
            let _ = standing(&Response::of(at));
        }
    }
}
