//! How the list is arranged: sorted by what, all of it or what is unread or starred, and the lists that a
//! message or a mark leads to. The order of each folder is remembered while the program runs.

use std::collections::BTreeMap;

use crate::job::files::FilesJob;
use crate::job::index::{Grouping, IndexJob, ListSpec, Only, Order, Row, SearchScope, SortBy, Source};
use crate::job::{Job, Ticket};
use crate::mail::address::Address;
use crate::mail::clean::Clean;
use crate::mail::envelope::Envelope;
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

/// In what other messages are like one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kin {
    /// Who wrote it.
    Sender,
    /// The mailing list through which it came.
    MailingList,
}

/// So much of a message is looked at for its header; it is done within a frame.
const MOST_HEADER: usize = 256 * 1024;

impl Kin {
    /// What finds them; `None`: the message does not say.
    fn query(self, from: Option<&Address>, list: Option<&str>) -> Option<String> {
        let (field, value) = match self {
            Self::Sender => ("from", from.map(|from| from.email.as_str())),
            Self::MailingList => ("list", list),
        };
        let value = value.map(|value| value.replace('"', "")).filter(|value| !value.is_empty())?;
        Some(format!("{field}:\"{value}\""))
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

    /// All mail that is like the message at hand in one point. One that is not open is read for that, and stays as
    /// unread as it was.
    pub(super) fn show_kin(&mut self, kin: Kin) -> Vec<Job> {
        if let Some(document) = self.viewer.document().filter(|_| self.means_open()) {
            let list = document.list.as_ref().map(Clean::as_str);
            let found = kin.query(document.from.first(), list);
            return self.show_kin_found(kin, found);
        }
        let in_viewer = self.screen == Screen::Browse(Focus::Viewer);
        let row = if in_viewer { self.viewer.current_row() } else { self.list.current().cloned() };
        let Some(place) = row.map(|row| row.place) else { return Vec::new() };
        let ticket = self.ticket();
        self.kin_asked = Some((ticket, kin));
        vec![super::files(FilesJob::Read { ticket, place })]
    }

    /// A message was read. Was it for this? Then what it says is looked for.
    pub(super) fn take_kin(&mut self, ticket: Ticket, bytes: &[u8]) -> Option<Vec<Job>> {
        let (_, kin) = self.kin_asked.take_if(|(asked, _)| *asked == ticket)?;
        let header = Envelope::parse(bytes.get(..MOST_HEADER).unwrap_or(bytes));
        let found = kin.query(header.from.first(), header.list_id.as_deref());
        Some(self.show_kin_found(kin, found))
    }

    fn show_kin_found(&mut self, kin: Kin, query: Option<String>) -> Vec<Job> {
        if let Some(query) = query {
            return self.show_found(&query);
        }
        self.say(
            Level::Info,
            match kin {
                Kin::Sender => "This message says no sender",
                Kin::MailingList => "This message came through no mailing list",
            },
        );
        Vec::new()
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
