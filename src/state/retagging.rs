//! Tags that other programs gave and took in a database: the names of files hear of them, and by them servers, as of
//! tags that were given here; where folders are labels, a label of that name is given instead. Whatever has no letter
//! and no label is kept by the database alone.

use std::collections::BTreeMap;

use crate::config::Engine;
use crate::job::Job;
use crate::job::files::FilesJob;
use crate::job::index::{IndexJob, MailboxRow};
use crate::mail::flags::Flags;
use crate::mail::ids::AccountId;
use crate::mail::labels::{Label, Labels};
use crate::mail::place::{MailboxId, Place};
use crate::mail::tags;

use super::{Model, files};

/// What is to become of tags: files with what their names are to tell, and with the labels that they are to have.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Onward {
    /// Files by the keywords that they get and lose.
    pub flags: BTreeMap<(Flags, Flags), Vec<Place>>,
    /// Files of one account by the labels that they get and lose.
    pub labels: BTreeMap<(AccountId, Labels, Labels), Vec<Place>>,
}

/// Says what becomes of tags that were given and lost in a database, as far as it lies in accounts that
/// `has_server` tells of: elsewhere the database is all that remembers tags.
pub fn onward(
    given: Vec<(Place, Flags)>,
    lost: Vec<(Place, Flags)>,
    mailboxes: &[MailboxRow],
    has_server: impl Fn(&AccountId) -> bool,
) -> Onward {
    let mut changes: BTreeMap<Place, (Flags, Flags)> = BTreeMap::new();
    for (place, words) in given.into_iter().filter(|(place, _)| has_server(&place.mailbox.account)) {
        changes.entry(place).or_default().0 = words;
    }
    for (place, words) in lost {
        changes.entry(place).or_default().1 = words;
    }
    let mut onward = Onward::default();
    for (place, (add, remove)) in changes {
        let account = &place.mailbox.account;
        let mut shows =
            mailboxes.iter().filter_map(|row| row.shows.as_ref()).filter(|view| view.home.account == *account);
        if shows.clone().next().is_none() {
            onward.flags.entry((add, remove)).or_default().push(place);
        } else if shows.any(|view| view.home == place.mailbox) {
            let known: Vec<&Label> = mailboxes
                .iter()
                .filter_map(|row| row.shows.as_ref())
                .filter(|view| view.home == place.mailbox)
                .map(|view| &view.label)
                .collect();
            let (add, remove) = (called(&add, &known), called(&remove, &known));
            if !(add.is_empty() && remove.is_empty()) {
                onward.labels.entry((account.clone(), add, remove)).or_default().push(place);
            }
        }
    }
    onward
}

/// The labels that are called as these tags are.
fn called(tags: &Flags, known: &[&Label]) -> Labels {
    let names: Vec<String> = tags.keywords().map(|word| tags::name(word).as_str().to_lowercase()).collect();
    // A tag has no blank, and is written with `_` in its place.
    let is_meant = |label: &&&Label| {
        label.name().is_some_and(|name| {
            let name = name.as_str().to_lowercase();
            names.iter().any(|tag| *tag == name || *tag == name.replace(' ', "_"))
        })
    };
    known.iter().filter(is_meant).map(|label| (*label).clone()).collect()
}

impl Model {
    /// Tags came from the database.
    pub(super) fn retagged(
        &mut self,
        mailboxes: &[MailboxId],
        given: Vec<(Place, Flags)>,
        lost: Vec<(Place, Flags)>,
        more: bool,
    ) -> Vec<Job> {
        self.status.retagging = false;
        let mut jobs = Vec::new();
        if self.concerns_list(mailboxes) {
            jobs.extend(self.refresh_list());
        }
        let has_server =
            |id: &AccountId| self.config.accounts.iter().any(|account| account.id == *id && account.has_server());
        let Onward { flags, labels } = onward(given, lost, &self.mailboxes.rows, has_server);
        for ((add, remove), places) in flags {
            let ticket = self.ticket();
            jobs.push(files(FilesJob::SetFlags { ticket, places, add, remove }));
        }
        for ((_, add, remove), places) in labels {
            let ticket = self.ticket();
            jobs.push(self.wish_labels(ticket, places, add, remove));
        }
        if more {
            jobs.extend(self.meet_database());
        }
        jobs
    }

    /// Lets the database hear of what is new, and tell what is new there: once the index has taken in what it knows of,
    /// and what it was told last.
    pub(super) fn meet_database(&self) -> Option<Job> {
        let is_wanted = self.config.search.engine == Engine::Notmuch && !self.status.retagging;
        (is_wanted && self.status.indexing == 0).then_some(Job::Index(IndexJob::Meet))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::index::Shows;
    use crate::mail::flags::Keyword;
    use crate::mail::mailbox::MailboxName;
    use crate::mail::place::UniqueName;

    #[test]
    fn tags_go_to_names_of_files_labels_where_there_are_such_and_nowhere_without_a_server() {
        let mailbox = |account: &str, name: &str| MailboxId {
            account: AccountId::new(account),
            name: MailboxName::new(name).unwrap(),
        };
        let place =
            |account, name, unique| Place { mailbox: mailbox(account, name), unique: UniqueName::new(unique).unwrap() };
        let words = |words: &[&str]| {
            words.iter().fold(Flags::none(), |flags, word| flags.with_keyword(Keyword::new(word).unwrap()))
        };
        let label = |name: &str| Label::read(name).unwrap();
        let view = |name: &str| MailboxRow {
            mailbox: mailbox("g", name),
            role: None,
            total: 0,
            unread: 0,
            shows: Some(Shows { label: label(name), home: mailbox("g", "All") }),
        };
        let mailboxes = [view("Rome trip"), view("work"), view("\\Inbox")];
        let given = vec![
            (place("ada", "INBOX", "1"), words(&["todo"])),
            (place("local", "INBOX", "1"), words(&["todo"])),
            (place("g", "All", "1"), words(&["rome_trip", "none", "inbox"])),
            (place("g", "All", "2"), words(&["none"])),
            (place("g", "Spam", "3"), words(&["work"])),
        ];
        let lost = vec![
            (place("ada", "INBOX", "1"), words(&["done"])),
            (place("local", "INBOX", "2"), words(&["done"])),
            (place("g", "All", "1"), words(&["Work"])),
        ];
        let told = onward(given, lost, &mailboxes, |id| id.as_str() != "local");
        let flags = [
            ((words(&[]), words(&["done"])), vec![place("local", "INBOX", "2")]),
            ((words(&["todo"]), words(&["done"])), vec![place("ada", "INBOX", "1")]),
        ];
        let one = |name: &str| std::iter::once(label(name)).collect::<Labels>();
        let labels = [((AccountId::new("g"), one("Rome trip"), one("work")), vec![place("g", "All", "1")])];
        assert_eq!(told, Onward { flags: flags.into(), labels: labels.into() });
    }
}
