//! How the list is arranged: sorted by what, all of it or what is unread or starred, and the lists that a
//! message or a mark leads to. The order of each folder is remembered while the program runs.

use std::collections::BTreeMap;

use crate::job::Job;
use crate::job::index::{Grouping, IndexJob, ListSpec, Only, Order, Row, SearchScope, SortBy, Source};
use crate::mail::clean::Clean;
use crate::mail::place::MailboxId;
use crate::query::ast::State;
use crate::query::{self, Query};

use super::list::Jump;
use super::{Choice, Focus, Level, MenuItem, MenuKind, Model, Screen};

/// How each folder is arranged that the user arranged.
#[derive(Debug, Default)]
pub(super) struct Sorts(BTreeMap<Folder, (Grouping, Order)>);

/// A list that is there again when one comes back.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Folder {
    Inboxes,
    One(MailboxId),
    /// What a query finds everywhere, by its text.
    Search(String),
}

impl Sorts {
    fn key(source: &Source) -> Option<Folder> {
        match source {
            Source::Mailbox(mailbox) => Some(Folder::One(mailbox.clone())),
            Source::Unified => Some(Folder::Inboxes),
            Source::Search { query, scope: SearchScope::All } => Some(Folder::Search(query::print(query))),
            Source::Search { .. } => None,
        }
    }

    fn of(&self, source: &Source) -> Option<(Grouping, Order)> {
        Self::key(source).and_then(|key| self.0.get(&key).copied())
    }

    fn remember(&mut self, source: &Source, arrangement: (Grouping, Order)) {
        if let Some(key) = Self::key(source) {
            self.0.insert(key, arrangement);
        }
    }

    /// Folders have other names now.
    pub(super) fn follow_folders(&mut self, follow: &impl Fn(&mut MailboxId)) {
        let before = std::mem::take(&mut self.0);
        self.0.extend(before.into_iter().map(|(mut folder, arrangement)| {
            if let Folder::One(mailbox) = &mut folder {
                follow(mailbox);
            }
            (folder, arrangement)
        }));
    }
}

/// Every arrangement, with its name in the menu.
const ARRANGEMENTS: [(Grouping, SortBy, bool, &str); 10] = [
    (Grouping::Flat, SortBy::Date, false, "Newest first"),
    (Grouping::Flat, SortBy::Date, true, "Oldest first"),
    (Grouping::Conversations, SortBy::Date, false, "Conversations, newest first"),
    (Grouping::Conversations, SortBy::Date, true, "Conversations, oldest first"),
    (Grouping::Flat, SortBy::From, false, "From or to, A to Z"),
    (Grouping::Flat, SortBy::From, true, "From or to, Z to A"),
    (Grouping::Flat, SortBy::Subject, false, "Subject, A to Z"),
    (Grouping::Flat, SortBy::Subject, true, "Subject, Z to A"),
    (Grouping::Flat, SortBy::Size, false, "Largest first"),
    (Grouping::Flat, SortBy::Size, true, "Smallest first"),
];

/// The name of an arrangement.
fn name((grouping, order): (Grouping, Order)) -> &'static str {
    let wanted = (grouping, order.by, order.reversed);
    ARRANGEMENTS.iter().find(|(grouping, by, reversed, _)| (*grouping, *by, *reversed) == wanted).map_or("", |it| it.3)
}

/// What the title of a list says of an order that is not the usual one.
fn order_words(order: Order) -> &'static str {
    match (order.by, order.reversed) {
        (SortBy::Date, false) => "",
        (SortBy::Date, true) => ", oldest first",
        (SortBy::From, false) => ", from A to Z",
        (SortBy::From, true) => ", from Z to A",
        (SortBy::Subject, false) => ", subject A to Z",
        (SortBy::Subject, true) => ", subject Z to A",
        (SortBy::Size, false) => ", largest first",
        (SortBy::Size, true) => ", smallest first",
    }
}

/// What the title of a list adds to the name of its folder.
pub(super) fn addition(list: &ListSpec) -> String {
    let only = match list.only {
        Only::All => "",
        Only::Unread => ", unread",
        Only::Starred => ", starred",
    };
    format!("{only}{}", order_words(list.order))
}

impl Model {
    /// The list of a source as the user last had it, all of it.
    pub(super) fn list_of(&self, source: Source) -> ListSpec {
        let (grouping, order) = self.sorts.of(&source).unwrap_or((self.list.grouping, Order::default()));
        ListSpec { order, ..ListSpec::new(source, grouping) }
    }

    /// Offers the orders of this list.
    pub(super) fn show_orders(&mut self) {
        let Some(now) = self.list.spec.as_ref().map(|list| (list.grouping, list.order)) else { return };
        let item = |(grouping, by, reversed, name): (Grouping, SortBy, bool, &'static str)| {
            let order = Order { by, reversed };
            MenuItem {
                text: Clean::line(name),
                keys: if (grouping, order) == now { "now".to_owned() } else { String::new() },
                group: "",
                choice: Choice::Sort(grouping, order),
                why_not: None,
            }
        };
        self.show_menu(MenuKind::Sort, ARRANGEMENTS.map(item).to_vec());
    }

    /// Sorts the list and shows its beginning.
    pub(super) fn sort_list(&mut self, grouping: Grouping, order: Order) -> Vec<Job> {
        let Some(list) = self.list.spec.clone() else { return Vec::new() };
        self.sorts.remember(&list.source, (grouping, order));
        self.say(Level::Info, name((grouping, order)));
        let search = self.list.search.clone();
        let jobs = self.show_list(ListSpec { grouping, order, ..list });
        self.list.search = search;
        jobs
    }

    /// Shows what is unread or starred of the list, or all of it again.
    pub(super) fn toggle_only(&mut self, only: Only) -> Vec<Job> {
        let Some(list) = self.list.spec.clone() else { return Vec::new() };
        if let Source::Search { query, .. } = &list.source {
            return self.narrow_search(query, only);
        }
        let only = if list.only == only { Only::All } else { only };
        self.show_part(list, only)
    }

    /// A search says itself what is left of it: it gets these words, or loses them.
    fn narrow_search(&mut self, query: &Query, only: Only) -> Vec<Job> {
        let word = Query::Is(if only == Only::Starred { State::Starred } else { State::Unread });
        let mut parts = match query {
            Query::And(parts) => parts.clone(),
            other => vec![other.clone()],
        };
        let before = parts.len();
        parts.retain(|part| *part != word);
        if parts.len() == before {
            parts.push(word);
        } else if parts.is_empty() {
            self.say(Level::Info, "The search asks for nothing else");
            return Vec::new();
        }
        if !self.list.is_passing() {
            self.list.back = self.list.bookmark();
        }
        self.search(&query::print(&Query::And(parts)), None)
    }

    /// Shows all of the list again; `None`: it does already.
    pub(super) fn show_all(&mut self) -> Option<Vec<Job>> {
        let list = self.list.spec.clone().filter(|list| list.only != Only::All)?;
        Some(self.show_part(list, Only::All))
    }

    fn show_part(&mut self, list: ListSpec, only: Only) -> Vec<Job> {
        let words = match only {
            Only::All => "All messages",
            Only::Unread => "Unread only; the same key shows all",
            Only::Starred => "Starred only; the same key shows all",
        };
        self.say(Level::Info, words);
        let anchor = self.list.current().map(|row| row.message);
        let mut jobs = self.show_list(ListSpec { only, ..list });
        jobs.retain(|job| !matches!(job, Job::Index(IndexJob::Rows { .. })));
        jobs.extend(self.ask_rows(anchor, if anchor.is_some() { Jump::To } else { Jump::Stay }));
        jobs
    }

    /// Conversations, or single messages. Conversations go by date, so they bring that order with them.
    pub(super) fn regroup(&mut self, list: ListSpec, grouping: Grouping) -> ListSpec {
        let by_date = grouping == Grouping::Flat || list.order.by == SortBy::Date;
        let order = if by_date { list.order } else { Order::default() };
        if self.sorts.of(&list.source).is_some() {
            self.sorts.remember(&list.source, (grouping, order));
        }
        ListSpec { grouping, order, ..list }
    }

    /// All mail from who wrote the open message.
    pub(super) fn show_sender(&mut self) -> Vec<Job> {
        let from = self.viewer.document().and_then(|document| document.from.first());
        let Some(email) = from.map(|from| from.email.replace('"', "")).filter(|email| !email.is_empty()) else {
            self.say(Level::Info, "This message says no sender");
            return Vec::new();
        };
        self.show_found(&format!("from:\"{email}\""))
    }

    /// All mail of the mailing list through which the open message came.
    pub(super) fn show_mailing_list(&mut self) -> Vec<Job> {
        let list = self.viewer.document().and_then(|document| document.list.as_ref());
        let Some(list) = list.map(|list| list.as_str().replace('"', "")).filter(|list| !list.is_empty()) else {
            self.say(Level::Info, "This message came through no mailing list");
            return Vec::new();
        };
        self.show_found(&format!("list:\"{list}\""))
    }

    /// Shows what a query finds in all accounts, as if it had been typed.
    pub(super) fn show_found(&mut self, query: &str) -> Vec<Job> {
        self.screen = Screen::Browse(Focus::List);
        self.viewer.close();
        if !self.list.is_passing() {
            self.list.back = self.list.bookmark();
        }
        self.search(query, Some(SearchScope::All))
    }

    /// Was the open message shown in this list, of which only a part is shown, and is it not any more? Then what
    /// is under the cursor comes next.
    pub(super) fn has_left_the_list(&self) -> bool {
        let is_part = |list: &&ListSpec| list.only != Only::All || matches!(list.source, Source::Search { .. });
        let Some(list) = self.list.spec.as_ref().filter(is_part) else { return false };
        let Some(open) = &self.viewer.open else { return false };
        let same = |row: &Row| match list.grouping {
            Grouping::Flat => row.message == open.row.message,
            Grouping::Conversations => row.thread == open.row.thread,
        };
        self.list.current().is_some() && !self.list.rows.iter().any(same)
    }
}
