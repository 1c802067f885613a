//! What lists are called: folders by their names, searches by what they look for and where; and what is said of one
//! that has nothing.

use crate::job::index::{Only, SearchScope, Source};
use crate::mail::clean::Clean;
use crate::query;

use super::list::SearchInfo;
use super::{Model, Overlay, PromptKind, arrange};

/// All that is starred.
pub(super) const STARRED: &str = "is:starred -in:trash -in:junk";
/// All that is unread.
pub(super) const UNREAD: &str = "is:unread -in:trash -in:junk";
/// All that is snoozed.
pub(super) const SNOOZED: &str = "is:snoozed";
/// All that waits for an answer.
pub(super) const WAITING: &str = "is:waiting";

/// The folders in which providers keep their own.
const PROVIDERS: [&str; 2] = ["[Gmail]/", "[Google Mail]/"];

/// The name of a mailbox on the screen. Where a provider keeps its own is no folder that tells anything.
pub fn mailbox_title(name: &str) -> Clean {
    let own = PROVIDERS.iter().find_map(|prefix| name.strip_prefix(prefix));
    if name == "INBOX" { Clean::line("Inbox") } else { Clean::line(own.unwrap_or(name)) }
}

/// Searches that have a key: their names, and what is said where they find nothing.
fn known(text: &str) -> Option<(&'static str, &'static str)> {
    match text {
        STARRED => Some(("Starred", "Nothing is starred")),
        UNREAD => Some(("Unread", "Everything is read")),
        SNOOZED => Some(("Snoozed", "Nothing is snoozed")),
        WAITING => Some(("Waiting for an answer", "Nothing waits for an answer")),
        _ => None,
    }
}

/// Where a search looks.
pub fn scope_title(scope: &SearchScope) -> Clean {
    match scope {
        SearchScope::All => Clean::line("everywhere"),
        SearchScope::Account(account) => Clean::line(&format!("in {account}")),
        SearchScope::Mailbox(mailbox) => Clean::line(&format!("in {}", mailbox_title(mailbox.name.as_str()))),
    }
}

/// What a search can ask, for who has typed nothing yet.
pub fn search_examples() -> String {
    query::EXAMPLES.join("   ")
}

impl Model {
    /// The name of what the list shows.
    pub fn list_title(&self) -> Clean {
        let Some(spec) = self.list.spec.as_ref() else { return Clean::empty() };
        let name = match &spec.source {
            Source::Mailbox(mailbox) => mailbox_title(mailbox.name.as_str()),
            Source::Unified => Clean::line("All inboxes"),
            Source::Search { .. } => {
                self.list.search.as_ref().map_or_else(Clean::empty, |info| self.search_title(info))
            }
        };
        Clean::line(&format!("{name}{}", arrange::addition(spec)))
    }

    fn search_title(&self, search: &SearchInfo) -> Clean {
        if let Some(name) = &search.saved {
            return name.clone();
        }
        if let (SearchScope::All, Some((name, _))) = (&search.scope, known(&search.text)) {
            return Clean::line(name);
        }
        let scope = scope_title(&search.scope);
        // While it is typed, the text stands where it is typed.
        if matches!(&self.overlay, Some(Overlay::Prompt(prompt)) if prompt.kind == PromptKind::Search) {
            return Clean::line(&format!("Search {scope}"));
        }
        match search.scope {
            SearchScope::All => Clean::line(&format!("Search: {}", search.text)),
            SearchScope::Account(_) | SearchScope::Mailbox(_) => {
                Clean::line(&format!("Search {scope}: {}", search.text))
            }
        }
    }

    /// What is said where the list has no rows.
    pub fn empty_words(&self) -> String {
        if !self.list.known || !self.list.counted {
            return "Looking ...".to_owned();
        }
        if let Some(search) = &self.list.search {
            return match (known(&search.text), &search.scope) {
                (Some((_, words)), SearchScope::All) => words.to_owned(),
                (_, SearchScope::All) => "Nothing found".to_owned(),
                (_, scope) => format!("Nothing found {}", scope_title(scope)),
            };
        }
        let words = match self.list.spec.as_ref().map(|spec| spec.only) {
            Some(Only::Unread) => "Nothing unread here",
            Some(Only::Starred) => "Nothing starred here",
            Some(Only::All) | None => "No messages here",
        };
        words.to_owned()
    }
}
