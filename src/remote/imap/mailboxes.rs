//! Mailboxes: LIST and CREATE (RFC 9051 §6.3.9, §6.3.4; RFC 6154), and how names on the wire and
//! names in the program belong together. The spelling of each listed mailbox is remembered, so a
//! name always finds its mailbox again, however odd the server writes it.

use std::collections::BTreeMap;

use crate::fault::{Again, Cause, Doing, Fault, Scope};
use crate::mail::clean::Clean;
use crate::mail::mailbox::{MailboxName, Role, from_modified_utf7, to_modified_utf7};
use crate::remote::RemoteMailbox;

use super::extensions::list_status::{Standings, Subscriptions, key, standing};
use super::extensions::preview::Ahead;
use super::limits::{Limits, Trouble};
use super::replies::{self, Answer, Code, Kind, Listed, Status};
use super::session::{Session, bad, quote};
use super::tokens::Response;

/// How many mailboxes an account may have.
const MOST: usize = 20_000;
/// Who is subscribed to, on a server whose LIST does not tell.
const LSUB: &str = "LSUB \"\" \"*\"";
/// What mailboxes are for, on a server that knew roles before RFC 6154.
const XLIST: &str = "XLIST \"\" \"*\"";
/// What stands for a `/` inside a level, which the program's names cannot hold: the division slash.
const SLASH: &str = "\u{2215}";

/// How mailboxes are called on the wire.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// What separates levels on this server; `None`: there are none.
    delimiter: Option<char>,
    /// What all personal mailboxes but the INBOX begin with (RFC 2342), e.g. `INBOX.`.
    prefix: String,
    /// The spelling of each mailbox that was listed.
    wire: BTreeMap<MailboxName, String>,
    /// Were they listed yet?
    known: bool,
}

impl Names {
    /// The program's name for a mailbox: decoded, levels separated by `/`, without the prefix.
    /// `None` for what cannot be a name.
    fn decode(&self, listed: &Listed) -> Option<(MailboxName, String)> {
        let wire = std::str::from_utf8(&listed.name).ok()?;
        if wire.eq_ignore_ascii_case("INBOX") {
            return Some((MailboxName::inbox(), "INBOX".to_owned()));
        }
        let own = match wire.strip_prefix(&self.prefix) {
            Some(rest) if !rest.is_empty() && !rest.eq_ignore_ascii_case("INBOX") => rest,
            _ => wire,
        };
        // What is no modified UTF-7 is shown as it is written.
        let text =
            if own.is_ascii() { from_modified_utf7(own).unwrap_or_else(|| own.to_owned()) } else { own.to_owned() };
        let levels: Vec<String> = match listed.delimiter {
            Some('/') => text.split('/').map(str::to_owned).collect(),
            Some(delimiter) => text.split(delimiter).map(|level| level.replace('/', SLASH)).collect(),
            None => vec![text.replace('/', SLASH)],
        };
        let levels: Vec<&str> = levels.iter().map(String::as_str).filter(|level| !level.is_empty()).collect();
        Some((MailboxName::new(&levels.join("/"))?, wire.to_owned()))
    }

    /// Were they listed on this connection?
    pub(super) fn are_known(&self) -> bool {
        self.known
    }

    /// The wire spelling of a mailbox: as it was listed, else as it would have to be made.
    pub(super) fn encode(&self, mailbox: &MailboxName) -> Result<String, &'static str> {
        if mailbox.is_inbox() {
            return Ok("INBOX".to_owned());
        }
        if let Some(wire) = self.wire.get(mailbox) {
            return Ok(wire.clone());
        }
        let levels: Vec<&str> = mailbox.levels().collect();
        let name = match self.delimiter {
            Some('/') => mailbox.as_str().to_owned(),
            Some(delimiter) if levels.iter().any(|level| level.contains(delimiter)) => {
                return Err("the server separates folders by a character that is in the name");
            }
            Some(delimiter) => levels.join(&delimiter.to_string()),
            None if levels.len() > 1 => return Err("the server has no folders in folders"),
            None => mailbox.as_str().to_owned(),
        };
        Ok(self.prefix.clone() + &to_modified_utf7(&name))
    }
}

/// What LIST and its companions told.
#[derive(Default)]
struct Survey {
    listed: Vec<Listed>,
    subscriptions: Subscriptions,
    standings: Standings,
    /// What XLIST told, by the name on the wire.
    roles: BTreeMap<Vec<u8>, Role>,
    prefix: Option<String>,
    /// The mailbox that is opened in the same flight.
    ahead: Option<Ahead>,
}

impl Survey {
    fn hear(&mut self, place: usize, kind: &Kind, response: &Response) {
        if let Some(ahead) = &mut self.ahead {
            ahead.hear(place, kind, response);
        }
        match kind {
            Kind::List => self.listed.extend(listed(response)),
            Kind::Subscribed => self.subscriptions.0.extend(listed(response).map(|one| key(&one.name))),
            Kind::Roles => {
                let told = listed(response).and_then(|one| Some((key(&one.name), old_role(&one)?)));
                self.roles.extend(told);
            }
            Kind::MailboxStatus => self.standings.extend(standing(response)),
            Kind::Namespace if self.prefix.is_none() => {
                let prefix = replies::namespace(response).and_then(|bytes| String::from_utf8(bytes).ok());
                self.prefix = prefix.filter(|prefix| !prefix.chars().any(char::is_control));
            }
            _ => {}
        }
    }
}

impl Session {
    /// All mailboxes, by name alone.
    pub(super) fn list(&mut self) -> Result<Vec<RemoteMailbox>, Fault> {
        let options = if self.capabilities.list_special_use() { " RETURN (SPECIAL-USE)" } else { "" };
        let (survey, _) = self.survey_with((Vec::new(), None), options, None)?;
        self.take_names(survey, None, false).map(|(mailboxes, _)| mailboxes)
    }

    /// All mailboxes, with all that the server tells along with them. What is opened ahead and `first` go before, in
    /// the same flight.
    pub(super) fn list_all(
        &mut self,
        ahead: Option<Ahead>,
        first: Vec<String>,
    ) -> Result<(Vec<RemoteMailbox>, Standings), Fault> {
        let options = self.list_options();
        let extended = self.capabilities.list_extended();
        let (survey, subscribed) = self.survey_with((first, ahead), &options, (!extended).then_some(LSUB))?;
        // What was offered and not understood is not offered any more.
        let extended = extended && self.capabilities.list_extended();
        self.take_names(survey, subscribed, extended)
    }

    /// Sends LIST and what goes with it. Gives also how the last command was answered, if there was one.
    fn survey_with(
        &mut self,
        (first, ahead): (Vec<String>, Option<Ahead>),
        options: &str,
        last: Option<&str>,
    ) -> Result<(Survey, Option<Answer>), Fault> {
        let doing = Doing::ListingMailboxes;
        let mut commands: Vec<String> = ahead.iter().map(|ahead| ahead.command().to_owned()).chain(first).collect();
        if !self.names.known && self.capabilities.namespace() {
            commands.push("NAMESPACE".to_owned());
        }
        if self.capabilities.xlist() {
            // Names come by LIST alone: XLIST may call the INBOX by another one.
            commands.push(XLIST.to_owned());
        }
        let place = commands.len();
        commands.push(format!("LIST \"\" \"*\"{options}"));
        commands.extend(last.map(str::to_owned));
        let limits = Limits::for_messages(MOST, 400);
        let limits = ahead.as_ref().map_or(limits, |ahead| ahead.limits(limits));
        let mut survey = Survey { ahead, ..Survey::default() };
        let told =
            self.converse(doing, &commands, limits, |place, kind, response| survey.hear(place, kind, response))?;
        if let Some(ahead) = survey.ahead.take() {
            self.told_ahead(ahead, &told);
        }
        let answer = |place: usize| told.statuses.get(place);
        match answer(place) {
            Some(status) if status.answer == Answer::Ok => {
                let last = last.and_then(|_| answer(place + 1)).map(|status| status.answer);
                Ok((survey, last))
            }
            Some(status) if status.answer == Answer::Bad && !options.is_empty() => {
                tracing::warn!("{}: {}; LIST is sent without{options}", self.host, bad(status));
                self.capabilities.forget(&["SPECIAL-USE", "LIST-EXTENDED", "LIST-STATUS"]);
                let last = last.or_else(|| options.contains("SUBSCRIBED").then_some(LSUB));
                self.survey_with((Vec::new(), None), "", last)
            }
            Some(status) if status.answer == Answer::No => Err(self.refusal(doing, &self.host, status)),
            Some(status) => Err(self.give_up(doing, Trouble::Protocol(bad(status)))),
            None => Err(self.give_up(doing, Trouble::protocol("the server answers what was not asked"))),
        }
    }

    /// Learns the names, and tells the mailboxes.
    fn take_names(
        &mut self,
        survey: Survey,
        subscribed: Option<Answer>,
        extended: bool,
    ) -> Result<(Vec<RemoteMailbox>, Standings), Fault> {
        let Survey { listed, subscriptions, standings, roles, prefix, .. } = survey;
        if let Some(prefix) = prefix {
            self.names.prefix = prefix;
        }
        self.names.delimiter = delimiter(&listed);
        self.names.wire.clear();
        let mut out: BTreeMap<MailboxName, RemoteMailbox> = BTreeMap::new();
        for one in &listed {
            let Some((name, wire)) = self.names.decode(one) else {
                tracing::warn!("{}: a mailbox has no name that could be used: {}", self.host, Clean::bytes(&one.name));
                continue;
            };
            if one.is("\\NonExistent") && !one.is("\\Noselect") && out.contains_key(&name) {
                continue;
            }
            let clash = self.names.wire.insert(name.clone(), wire.clone()).filter(|before| *before != wire);
            if let Some(before) = clash {
                let (first, second) = (Clean::line(&before), Clean::line(&wire));
                tracing::warn!("{}: {first} and {second} mean the same here", self.host);
                self.names.wire.insert(name, before);
                continue;
            }
            let role = role(&name, one).or_else(|| roles.get(&key(&one.name)).copied());
            let selectable = !one.is("\\Noselect") && !one.is("\\NonExistent");
            let subscribed =
                if extended { Some(one.is("\\Subscribed")) } else { subscriptions.tell(&one.name, subscribed) };
            let important = one.is("\\Important");
            out.insert(name.clone(), RemoteMailbox { name, role, important, selectable, subscribed, standing: None });
        }
        if out.is_empty() {
            let fault = self.fault(Doing::ListingMailboxes, &self.host, Cause::Protocol);
            return Err(fault.detail("the server lists no mailbox at all, not even the INBOX"));
        }
        self.names.known = true;
        Ok((out.into_values().collect(), standings))
    }

    /// The wire spelling of a mailbox. Lists first if that was not done on this connection.
    pub(super) fn wire_name(&mut self, doing: Doing, mailbox: &MailboxName) -> Result<String, Fault> {
        if !mailbox.is_inbox() && !self.names.known {
            self.list()?;
        }
        self.names.encode(mailbox).map_err(|why| {
            let fault = self.fault(doing, mailbox.as_str(), Cause::Refused);
            fault.scope(Scope::Mailbox).again(Again::Never).detail(why)
        })
    }

    /// Makes a mailbox, unless it is there. What it is for is a wish that servers may refuse, for example
    /// since another one has that role; then it is made without.
    pub(super) fn make(&mut self, mailbox: &MailboxName, role: Option<Role>) -> Result<(), Fault> {
        let doing = Doing::ListingMailboxes;
        let name = self.wire_name(doing, mailbox)?;
        if mailbox.is_inbox() {
            return Ok(());
        }
        let plain = format!("CREATE {}", quote(&name));
        let attribute = role.and_then(Role::attribute).filter(|_| self.capabilities.create_special_use());
        let mut made = match attribute {
            Some(attribute) => self.ask(doing, &format!("{plain} (USE ({attribute}))"), Limits::USUAL)?,
            None => self.ask(doing, &plain, Limits::USUAL)?,
        };
        if attribute.is_some() && made.as_ref().is_err_and(|status| !says_exists(status)) {
            made = self.ask(doing, &plain, Limits::USUAL)?;
        }
        match made {
            Ok(_) => {}
            Err(status) if says_exists(&status) => {}
            Err(status) => {
                // Not every server says ALREADYEXISTS: look whether it is there before complaining.
                let there = self.list()?.iter().any(|known| known.name == *mailbox && known.selectable);
                if !there {
                    return Err(self.refusal(doing, mailbox.as_str(), &status));
                }
            }
        }
        self.names.wire.entry(mailbox.clone()).or_insert(name);
        Ok(())
    }
}

/// Whole commands on mailboxes.
impl Session {
    /// Gives a mailbox another name.
    pub(super) fn rename_mailbox(&mut self, mailbox: &MailboxName, to: &MailboxName) -> Result<(), Fault> {
        let doing = Doing::ListingMailboxes;
        let (from, new) = (self.wire_name(doing, mailbox)?, self.wire_name(doing, to)?);
        self.leave(mailbox)?;
        self.tell(doing, mailbox.as_str(), &format!("RENAME {} {}", quote(&from), quote(&new)), Limits::USUAL)?;
        // Those below it have other spellings now.
        self.names.known = false;
        Ok(())
    }

    /// Removes a mailbox without messages.
    pub(super) fn delete_mailbox(&mut self, mailbox: &MailboxName) -> Result<(), Fault> {
        let doing = Doing::ListingMailboxes;
        match self.select(doing, mailbox) {
            Ok(selected) if selected.exists > 0 => {
                let fault = self.fault(doing, mailbox.as_str(), Cause::Refused).scope(Scope::Mailbox);
                return Err(fault.again(Again::AfterUser).detail("there is mail in it on the server"));
            }
            Ok(_) => {}
            Err(fault) if fault.cause == Cause::Missing => return Ok(()),
            Err(fault) => return Err(fault),
        }
        let name = self.wire_name(doing, mailbox)?;
        self.leave(mailbox)?;
        self.tell(doing, mailbox.as_str(), &format!("DELETE {}", quote(&name)), Limits::USUAL)?;
        self.names.wire.remove(mailbox);
        Ok(())
    }

    /// Subscribes to a mailbox, or ends that.
    pub(super) fn set_subscribed(&mut self, mailbox: &MailboxName, wish: bool) -> Result<(), Fault> {
        let name = quote(&self.wire_name(Doing::ListingMailboxes, mailbox)?);
        let verb = if wish { "SUBSCRIBE" } else { "UNSUBSCRIBE" };
        self.tell(Doing::ListingMailboxes, mailbox.as_str(), &format!("{verb} {name}"), Limits::USUAL)?;
        Ok(())
    }

    /// A mailbox that is renamed or removed must not be the selected one, nor one below it: what the
    /// server says afterwards would be taken for news of another, and Dovecot ends the connection when the
    /// selected mailbox is deleted.
    fn leave(&mut self, mailbox: &MailboxName) -> Result<(), Fault> {
        self.epochs.remove(mailbox);
        if self.selected.is_some() {
            self.select(Doing::ListingMailboxes, &MailboxName::inbox())?;
        }
        Ok(())
    }
}

impl Listed {
    fn is(&self, attribute: &str) -> bool {
        self.attributes.iter().any(|known| known.eq_ignore_ascii_case(attribute))
    }
}

fn listed(response: &Response) -> Option<Listed> {
    let read = replies::list(response);
    if let Err(error) = &read {
        tracing::warn!("a LIST line makes no sense ({}): {}", error.0, Clean::bytes(&response.text));
    }
    read.ok()
}

/// The delimiter of the INBOX's hierarchy, else the first that is told.
fn delimiter(listed: &[Listed]) -> Option<char> {
    let inbox = listed.iter().find(|one| one.name.eq_ignore_ascii_case(b"INBOX")).and_then(|one| one.delimiter);
    inbox.or_else(|| listed.iter().find_map(|one| one.delimiter))
}

fn role(name: &MailboxName, listed: &Listed) -> Option<Role> {
    if name.is_inbox() {
        return Some(Role::Inbox);
    }
    listed.attributes.iter().find_map(|attribute| Role::from_attribute(attribute))
}

/// What an attribute of XLIST says that a mailbox is for. What the INBOX is needs no telling.
fn old_role(listed: &Listed) -> Option<Role> {
    const OLD: [(&str, Role); 3] = [("\\AllMail", Role::All), ("\\Spam", Role::Junk), ("\\Starred", Role::Flagged)];
    let by_attribute = |attribute: &String| {
        let old = OLD.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(attribute)).map(|(_, role)| role);
        old.or_else(|| Role::from_attribute(attribute))
    };
    listed.attributes.iter().find_map(by_attribute).filter(|role| *role != Role::Inbox)
}

fn says_exists(status: &Status) -> bool {
    matches!(&status.code, Some(Code::Other(name)) if name == "ALREADYEXISTS")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(delimiter: Option<char>, prefix: &str) -> Names {
        Names { delimiter, prefix: prefix.to_owned(), ..Names::default() }
    }

    fn decode(names: &Names, wire: &str) -> Option<String> {
        let listed = Listed { attributes: Vec::new(), delimiter: names.delimiter, name: wire.as_bytes().to_vec() };
        names.decode(&listed).map(|(name, _)| name.as_str().to_owned())
    }

    #[test]
    fn names_and_their_spellings() {
        let table = [
            (Some('/'), "", "Lists/rust", "Lists/rust"),
            (Some('.'), "", "Lists.rust", "Lists/rust"),
            (Some('.'), "INBOX.", "INBOX.Sent", "Sent"),
            (Some('.'), "INBOX.", "INBOX.Entw&APw-rfe", "Entwürfe"),
            (Some('\\'), "", "a\\b", "a/b"),
            (None, "", "alone", "alone"),
        ];
        for (delimiter, prefix, wire, name) in table {
            let names = names(delimiter, prefix);
            assert_eq!(decode(&names, wire).as_deref(), Some(name));
            assert_eq!(names.encode(&MailboxName::new(name).unwrap()).as_deref(), Ok(wire));
        }
    }

    #[test]
    fn odd_names_are_told_and_not_confused() {
        let dots = names(Some('.'), "INBOX.");
        assert_eq!(decode(&dots, "inbox").as_deref(), Some("INBOX"));
        assert_eq!(decode(&dots, "INBOX.INBOX").as_deref(), Some("INBOX/INBOX"));
        assert_eq!(decode(&dots, "a/b.c").as_deref(), Some("a\u{2215}b/c"));
        assert_eq!(decode(&dots, "R&D").as_deref(), Some("R&D"), "no modified UTF-7: as it is written");
        assert_eq!(decode(&dots, "Grüße").as_deref(), Some("Grüße"));
        assert_eq!(decode(&dots, "a..b.").as_deref(), Some("a/b"));
        assert_eq!(decode(&dots, "a\u{7}b"), None);
        assert!(dots.encode(&MailboxName::new("v1.2/x").unwrap()).is_err());
        assert!(names(None, "").encode(&MailboxName::new("a/b").unwrap()).is_err());
    }
}
