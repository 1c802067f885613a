//! Saved searches: those of the config and those that were saved by a key. They stand below the folders with how
//! much they find, and open as lists. They are counted behind everything else, after something changed, and not so
//! often that counting would be what the program does.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::{Account, Engine, is_search_name};
use crate::job::files::{FilesJob, SavedSearch, SearchOrder};
use crate::job::index::{IndexJob, SearchScope, Source, Tally};
use crate::job::{Job, Ticket};
use crate::keys::Action;
use crate::mail::clean::Clean;
use crate::mail::ids::Timestamp;
use crate::query::{self, Dialect, Query, Saved};

use super::list::SearchInfo;
use super::undo::Reverse;
use super::{Focus, Input, Item, Level, Model, Overlay, Prompt, PromptKind, Screen, files};

/// After so many seconds at least they are counted again: what a date such as `today` means changes.
const ANEW: i64 = 600;
/// Counting takes at most one of so many seconds.
const SHARE: i64 = 5;
/// After so many seconds an answer is not waited for any longer.
const PATIENCE: i64 = 120;

/// All saved searches.
#[derive(Debug, Default)]
pub struct Searches {
    /// Those of the config, then those that were saved by a key.
    pub all: Vec<Search>,
    /// Those whose counts are on their way.
    asked: BTreeSet<String>,
    ticket: Ticket,
    asked_at: Timestamp,
    /// Something changed since they were counted.
    stale: bool,
    /// Not before this moment they are counted again.
    not_before: Timestamp,
    orders: BTreeMap<Ticket, Ordered>,
}

/// A saved search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// Its name.
    pub name: String,
    /// What it looks for, as it was written.
    pub query: String,
    /// Where it stands.
    pub origin: Origin,
    /// How much it finds, as far as it was counted.
    pub tally: Option<Tally>,
}

/// Where a saved search stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// In the config, which the user alone writes.
    Config,
    /// Among those that were saved by a key.
    Saved,
}

/// A change that is on its way: what to say when it is done, and what undoes it, where that is wanted.
#[derive(Debug)]
struct Ordered {
    label: String,
    back: Option<SearchOrder>,
}

impl Searches {
    /// The one of that name.
    pub fn find(&self, name: &str) -> Option<&Search> {
        self.all.iter().find(|search| is(&search.name, name))
    }

    /// All names with their texts, for queries that name them.
    fn saved(&self) -> Saved {
        self.all.iter().map(|search| (search.name.clone(), search.query.clone())).collect()
    }
}

fn is(name: &str, other: &str) -> bool {
    name.to_lowercase() == other.to_lowercase()
}

impl Model {
    /// The saved searches of the config, before the others are known.
    pub(super) fn begin_searches(&mut self) -> Job {
        self.set_searches(Vec::new());
        let ticket = self.ticket();
        files(FilesJob::Searches { ticket, order: SearchOrder::Tell })
    }

    /// These are the searches that were saved by a key; one that the config has too is not shown twice.
    fn set_searches(&mut self, kept: Vec<SavedSearch>) {
        let under = self.search_here().map(|search| search.name.clone());
        let before = std::mem::take(&mut self.searches.all);
        let own = self.config.searches.iter();
        let own = own.map(|search| (search.name.clone(), search.query.text.clone(), Origin::Config));
        let kept = kept.into_iter().map(|search| (search.name, search.query, Origin::Saved));
        for (name, query, origin) in own.chain(kept) {
            if self.searches.find(&name).is_none() {
                let known = before.iter().find(|known| known.query == query);
                let tally = known.and_then(|known| known.tally);
                self.searches.all.push(Search { name, query, origin, tally });
            }
        }
        self.searches.stale = true;
        self.mailboxes.show_searches(self.searches.all.len());
        if let Some(at) = under.and_then(|name| self.searches.all.iter().position(|known| known.name == name)) {
            self.mailboxes.point_at_search(at);
        }
        self.mailboxes.follow(usize::from(self.viewport.folder_rows));
    }

    /// The saved search under the cursor of the folder pane.
    pub(super) fn search_here(&self) -> Option<&Search> {
        match self.mailboxes.items.get(self.mailboxes.cursor)? {
            Item::Search(at) => self.searches.all.get(*at),
            Item::Unified | Item::Account(_) | Item::Heading { .. } | Item::Mailbox { .. } | Item::Searches => None,
        }
    }

    /// The saved searches, in the dialect of whoever answers them.
    fn saved(&self) -> Saved {
        let dialect = match self.config.search.engine {
            Engine::Own => Dialect::Own,
            Engine::Notmuch => Dialect::Notmuch,
        };
        let own = self.config.accounts.iter().flat_map(Account::own_addresses);
        self.searches.saved().in_dialect(dialect).of_owner(own)
    }

    /// Reads a query; the last word of one that is typed may go on.
    pub(super) fn typed_query(&self, text: &str) -> Result<Query, query::QueryError> {
        self.saved().parse_typed(text, self.now, &self.zone)
    }

    /// Opens a saved search as a list.
    pub(super) fn open_search(&mut self, name: &str) -> Vec<Job> {
        let Some(at) = self.searches.all.iter().position(|search| is(&search.name, name)) else { return Vec::new() };
        let Some(Search { name, query: text, .. }) = self.searches.all.get(at).cloned() else { return Vec::new() };
        let query = match self.saved().parse(&text, self.now, &self.zone) {
            Ok(query) => query,
            Err(error) => {
                self.say(Level::Error, &format!("The search `{name}` cannot be read: {error}"));
                return Vec::new();
            }
        };
        let marks = query::Marks::of(&query);
        let jobs = self.go_to(Source::Search { query, scope: SearchScope::All });
        self.mailboxes.point_at_search(at);
        self.mailboxes.follow(usize::from(self.viewport.folder_rows));
        self.list.search =
            Some(SearchInfo { text, scope: SearchScope::All, problem: None, marks, saved: Some(Clean::line(&name)) });
        jobs
    }

    /// Something changed that searches may find.
    pub(super) fn searches_are_stale(&mut self) {
        self.searches.stale = true;
    }

    /// Has them counted, when it is time.
    pub(super) fn tally_searches(&mut self) -> Vec<Job> {
        let now = self.now.get();
        let Searches { all, asked, asked_at, stale, not_before, .. } = &self.searches;
        let waits = !asked.is_empty() && now - asked_at.get() < PATIENCE && now >= asked_at.get();
        let due = *stale || now - asked_at.get() >= ANEW;
        // While much is taken in, each step would have them counted anew.
        let busy = self.status.indexing > 0 && all.iter().all(|search| search.tally.is_some());
        if all.is_empty() || waits || !due || busy || now < not_before.get() {
            return Vec::new();
        }
        let saved = self.saved();
        let read =
            |search: &Search| Some((search.name.clone(), saved.parse(&search.query, self.now, &self.zone).ok()?));
        let searches: Vec<(String, Query)> = self.searches.all.iter().filter_map(read).collect();
        let ticket = self.ticket();
        let names = searches.iter().map(|(name, _)| name.clone()).collect();
        (self.searches.asked, self.searches.ticket, self.searches.asked_at) = (names, ticket, self.now);
        self.searches.stale = false;
        if searches.is_empty() { Vec::new() } else { vec![Job::Index(IndexJob::Tally { ticket, searches })] }
    }

    /// One is counted.
    pub(super) fn take_tally(&mut self, ticket: Ticket, name: &str, tally: Tally) {
        if ticket != self.searches.ticket || !self.searches.asked.remove(name) {
            return;
        }
        if let Some(search) = self.searches.all.iter_mut().find(|search| search.name == name) {
            search.tally = Some(tally);
        }
        if self.searches.asked.is_empty() {
            let took = self.now.get().saturating_sub(self.searches.asked_at.get()).clamp(0, ANEW);
            self.searches.not_before = self.now.plus(took * SHARE);
        }
    }

    /// They could not be counted; tried again when it is time.
    pub(super) fn tally_failed(&mut self, ticket: Ticket) {
        if ticket == self.searches.ticket && !self.searches.asked.is_empty() {
            self.searches.asked.clear();
            self.searches.stale = true;
            self.searches.not_before = self.now.plus(ANEW / 10);
        }
    }

    /// Is what is on screen a search that can be saved? In other fields than its own the key means nothing.
    pub(super) fn has_search_to_save(&self) -> bool {
        let elsewhere = matches!(&self.overlay, Some(Overlay::Prompt(prompt)) if prompt.kind != PromptKind::Search);
        !elsewhere && self.list.search.as_ref().is_some_and(|search| search.problem.is_none())
    }

    /// Asks what the search on screen is to be called.
    pub(super) fn ask_search_name(&mut self) {
        let Some(search) = self.list.search.as_ref().filter(|search| search.problem.is_none()) else { return };
        let query = match &search.saved {
            Some(_) => search.text.clone(),
            None => in_scope(&self.as_shown(&search.text), &search.scope),
        };
        let name = search.saved.as_ref().map_or_else(String::new, ToString::to_string);
        self.screen = Screen::Browse(Focus::List);
        self.overlay = Some(Overlay::Prompt(Prompt::new(PromptKind::NameSearch { query }, Input::new(&name))));
    }

    /// The text that finds, as it stands, what it found while it was typed.
    fn as_shown(&self, text: &str) -> String {
        let saved = self.saved();
        let (whole, typed) = (saved.parse(text, self.now, &self.zone), saved.parse_typed(text, self.now, &self.zone));
        if whole == typed { text.trim().to_owned() } else { format!("{}*", text.trim()) }
    }

    /// Asks for another name of the saved search under the cursor.
    pub(super) fn ask_new_search_name(&mut self) {
        let Some(name) = self.search_here().map(|search| search.name.clone()) else { return };
        let input = Input::new(&name);
        self.overlay = Some(Overlay::Prompt(Prompt::new(PromptKind::RenameSearch(name), input)));
    }

    /// Takes the name that was typed for a search; what is wrong with it is said above it, and it stays.
    pub(super) fn accept_search_name(&mut self, mut prompt: Prompt) -> Vec<Job> {
        let typed = prompt.input.text().trim().to_owned();
        if let Err(problem) = self.check_search_name(&typed, &prompt.kind) {
            prompt.problem = Some(Clean::line(&problem));
            self.overlay = Some(Overlay::Prompt(prompt));
            return Vec::new();
        }
        match prompt.kind {
            PromptKind::NameSearch { query } => {
                let before = self.searches.find(&typed).map(as_saved);
                let back = before.map_or_else(|| SearchOrder::Remove(typed.clone()), SearchOrder::Keep);
                if let Some(search) = &mut self.list.search {
                    (search.text, search.saved) = (query.clone(), Some(Clean::line(&typed)));
                }
                let label = format!("Saved the search {typed}");
                self.order_search(SearchOrder::Keep(SavedSearch { name: typed, query }), label, Some(back))
            }
            PromptKind::RenameSearch(from) if from == typed => Vec::new(),
            PromptKind::RenameSearch(from) => {
                if let Some(search) = self.listed_search_called(&from) {
                    search.saved = Some(Clean::line(&typed));
                }
                let label = format!("Renamed the search {from} to {typed}");
                let back = SearchOrder::Rename { from: typed.clone(), to: from.clone() };
                self.order_search(SearchOrder::Rename { from, to: typed }, label, Some(back))
            }
            _ => Vec::new(),
        }
    }

    fn check_search_name(&self, name: &str, kind: &PromptKind) -> Result<(), String> {
        if name.is_empty() {
            return Err("A search needs a name".to_owned());
        }
        if !is_search_name(name) {
            return Err("That is too long for the name of a search".to_owned());
        }
        let Some(known) = self.searches.find(name) else { return Ok(()) };
        match (known.origin, kind) {
            (Origin::Config, _) => Err(format!("There is a search {} in the config file already", known.name)),
            (Origin::Saved, PromptKind::RenameSearch(from)) if !is(from, name) => {
                Err(format!("There is a search {} already", known.name))
            }
            (Origin::Saved, _) => Ok(()),
        }
    }

    /// Forgets the saved search under the cursor.
    pub(super) fn forget_search(&mut self) -> Vec<Job> {
        let Some(search) = self.search_here().filter(|search| search.origin == Origin::Saved) else {
            return Vec::new();
        };
        let (back, name) = (SearchOrder::Keep(as_saved(search)), search.name.clone());
        if let Some(search) = self.listed_search_called(&name) {
            search.saved = None;
        }
        let label = format!("Forgot the search {name}");
        self.order_search(SearchOrder::Remove(name), label, Some(back))
    }

    /// Orders a change of the saved searches.
    pub(super) fn order_search(&mut self, order: SearchOrder, label: String, back: Option<SearchOrder>) -> Vec<Job> {
        let ticket = self.ticket();
        self.searches.orders.insert(ticket, Ordered { label, back });
        vec![files(FilesJob::Searches { ticket, order })]
    }

    /// The saved searches are told, perhaps since they were changed.
    pub(super) fn take_searches(&mut self, ticket: Ticket, kept: Vec<SavedSearch>) {
        self.set_searches(kept);
        let Some(Ordered { label, back }) = self.searches.orders.remove(&ticket) else { return };
        // In the folder pane one goes on from the list that is shown.
        let listed = self
            .listed_search()
            .and_then(|name| self.searches.all.iter().position(|search| is(&search.name, name.as_str())));
        if let Some(at) = listed.filter(|_| self.screen != Screen::Browse(Focus::Folders)) {
            self.mailboxes.point_at_search(at);
            self.mailboxes.follow(usize::from(self.viewport.folder_rows));
        }
        if let Some(back) = back {
            self.undo.remember(label.clone(), vec![Reverse::Search(back)]);
            self.status.offer(self.now, Level::Ok, &label, Action::Undo);
        }
    }

    /// A change could not be made.
    pub(super) fn search_order_failed(&mut self, ticket: Ticket) {
        if self.searches.orders.remove(&ticket).is_some()
            && let Some(search) = &mut self.list.search
            && search.saved.as_ref().is_some_and(|name| self.searches.find(name.as_str()).is_none())
        {
            search.saved = None;
        }
    }

    fn listed_search_called(&mut self, name: &str) -> Option<&mut SearchInfo> {
        let search = self.list.search.as_mut()?;
        search.saved.as_ref().is_some_and(|saved| is(saved.as_str(), name)).then_some(search)
    }

    /// The name of the saved search that is listed.
    pub fn listed_search(&self) -> Option<&Clean> {
        self.list.search.as_ref().and_then(|search| search.saved.as_ref())
    }
}

fn as_saved(search: &Search) -> SavedSearch {
    SavedSearch { name: search.name.clone(), query: search.query.clone() }
}

/// The text of a query that looks everywhere for what this one finds in its scope.
fn in_scope(text: &str, scope: &SearchScope) -> String {
    let place = match scope {
        SearchScope::All => return text.to_owned(),
        SearchScope::Account(account) => Query::Account(account.as_str().to_owned()),
        SearchScope::Mailbox(mailbox) => Query::In(format!("{}/{}", mailbox.account, mailbox.name)),
    };
    format!("{} ({text})", query::print(&place))
}
