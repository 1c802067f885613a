//! The folder pane: accounts, and below each its mailboxes with counts, in the order of their roles
//! and then of their names; below all of them the saved searches.

use crate::job::index::{IndexJob, MailboxRow};
use crate::job::{Job, Ticket};
use crate::mail::clean::Clean;
use crate::mail::ids::AccountId;
use crate::mail::labels::Label;
use crate::mail::mailbox::{MailboxName, Role};
use crate::mail::place::MailboxId;

use super::{AccountState, Model, mailbox_title};

/// The folder pane.
#[derive(Debug, Default)]
pub struct Mailboxes {
    /// All mailboxes with counts, as the index told them.
    pub rows: Vec<MailboxRow>,
    /// What the pane shows, from top to bottom.
    pub items: Vec<Item>,
    /// The row under the cursor.
    pub cursor: usize,
    /// The first row on screen.
    pub top: usize,
    /// How many saved searches there are.
    searches: usize,
    /// The mailbox that the cursor goes to once it is told of.
    expected: Option<MailboxId>,
    asked: bool,
    dirty: bool,
}

/// One row of the folder pane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// The inboxes of all accounts; there is more than one.
    Unified,
    /// The name of an account.
    Account(AccountId),
    /// A folder that is no mailbox itself, and has some below it.
    Heading {
        /// Whose.
        account: AccountId,
        /// How deep it is in the tree.
        depth: u16,
        /// Its last level, for the screen.
        title: Clean,
        /// Its whole name; `None`: a level of it has none.
        name: Option<MailboxName>,
    },
    /// A mailbox.
    Mailbox {
        /// Which: an index into [`Mailboxes::rows`].
        row: usize,
        /// How deep it is in the tree.
        depth: u16,
        /// Its name, from the folder above it on.
        title: Clean,
    },
    /// The heading above the saved searches.
    Searches,
    /// A saved search: an index into those of the model.
    Search(usize),
}

impl Mailboxes {
    /// The row of a mailbox.
    pub fn row(&self, mailbox: &MailboxId) -> Option<&MailboxRow> {
        self.rows.iter().find(|row| row.mailbox == *mailbox)
    }

    /// The mailbox of an item, if it is one.
    pub fn mailbox(&self, item: &Item) -> Option<&MailboxRow> {
        match item {
            Item::Mailbox { row, .. } => self.rows.get(*row),
            Item::Unified | Item::Account(_) | Item::Heading { .. } | Item::Searches | Item::Search(_) => None,
        }
    }

    /// Unread messages in all inboxes.
    pub fn unread_in_inboxes(&self) -> u64 {
        self.rows.iter().filter(|row| row.mailbox.name.is_inbox()).map(|row| row.unread).sum()
    }

    /// How many messages are in the inboxes of all accounts.
    pub fn total_in_inboxes(&self) -> u64 {
        self.rows.iter().filter(|row| row.mailbox.name.is_inbox()).map(|row| row.total).sum()
    }

    /// Takes in the mailboxes, in whatever order.
    pub(super) fn take(&mut self, mut rows: Vec<MailboxRow>, accounts: &[AccountState]) {
        self.asked = false;
        // What a view is for is known; its name is a word of the user's and means nothing.
        for row in rows.iter_mut().filter(|row| row.shows.is_none()) {
            row.role = row.role.or_else(|| {
                accounts.iter().find(|account| account.id == row.mailbox.account).and_then(|a| a.role(&row.mailbox))
            });
        }
        let mut ordered: Vec<_> = rows.iter().map(|row| (order(row, &rows), row.clone())).collect();
        ordered.sort_by(|(a, _), (b, _)| a.cmp(b));
        let rows: Vec<MailboxRow> = ordered.into_iter().map(|(_, row)| row).collect();
        let under = self.items.get(self.cursor).cloned();
        let under = under.map(|item| (self.mailbox(&item).map(|row| row.mailbox.clone()), item));
        self.rows = rows;
        self.items.clear();
        if accounts.len() > 1 {
            self.items.push(Item::Unified);
        }
        for account in accounts {
            self.items.push(Item::Account(account.id.clone()));
            let own = self.rows.iter().enumerate().filter(|(_, row)| row.mailbox.account == account.id);
            let own = tree(own, &self.rows);
            self.items.extend(own);
        }
        self.add_searches();
        match under {
            Some((Some(mailbox), _)) => self.point_at(&mailbox),
            Some((None, item)) => {
                self.cursor = self.items.iter().position(|known| *known == item).unwrap_or(self.cursor);
            }
            None => {}
        }
        self.cursor = self.cursor.min(self.items.len().saturating_sub(1));
        if let Some(expected) = self.expected.take_if(|expected| self.rows.iter().any(|row| row.mailbox == *expected)) {
            self.point_at(&expected);
        }
    }

    fn add_searches(&mut self) {
        if self.searches > 0 {
            self.items.push(Item::Searches);
            self.items.extend((0..self.searches).map(Item::Search));
        }
    }

    /// There are so many saved searches now.
    pub(super) fn show_searches(&mut self, count: usize) {
        self.searches = count;
        self.items.retain(|item| !matches!(item, Item::Searches | Item::Search(_)));
        // They stand below the folders, once those are known.
        if !self.items.is_empty() {
            self.add_searches();
        }
        self.cursor = self.cursor.min(self.items.len().saturating_sub(1));
    }

    /// Puts the cursor on a saved search, if it is there.
    pub(super) fn point_at_search(&mut self, at: usize) {
        self.cursor = self.items.iter().position(|item| *item == Item::Search(at)).unwrap_or(self.cursor);
    }

    /// Puts the cursor on a mailbox as soon as it is there, unless it goes elsewhere first.
    pub(super) fn expect(&mut self, mailbox: MailboxId) {
        self.expected = Some(mailbox);
    }

    /// Puts the cursor on a mailbox, if it is there.
    pub(super) fn point_at(&mut self, mailbox: &MailboxId) {
        let at = self.items.iter().position(|item| self.mailbox(item).is_some_and(|row| row.mailbox == *mailbox));
        self.cursor = at.unwrap_or(self.cursor);
    }

    /// A search is left for a mailbox: whoever comes here next finds the cursor there.
    pub(super) fn leave_search(&mut self, mailbox: &MailboxId) {
        if let Some(Item::Search(_)) = self.items.get(self.cursor) {
            self.point_at(mailbox);
        }
    }

    /// Keeps the cursor on screen; where the pane is not shown, there is nothing to be kept.
    pub(super) fn follow(&mut self, height: usize) {
        self.cursor = self.cursor.min(self.items.len().saturating_sub(1));
        if height == 0 {
            return;
        }
        if self.cursor < self.top {
            self.top = self.cursor;
        } else if self.cursor >= self.top + height {
            self.top = self.cursor + 1 - height;
        }
    }

    /// The mailboxes in which the next unread message is looked for, beginning after `current`.
    pub(super) fn in_turn(&self, current: Option<&MailboxId>) -> Vec<MailboxId> {
        let shown = self.items.iter().filter_map(|item| self.mailbox(item));
        let read = |role| !matches!(role, Some(Role::Junk | Role::Trash | Role::Drafts | Role::Sent | Role::All));
        let mut order: Vec<MailboxId> = shown.filter(|row| read(row.role)).map(|row| row.mailbox.clone()).collect();
        if let Some(at) = current.and_then(|current| order.iter().position(|mailbox| mailbox == current)) {
            order.rotate_left(at);
        }
        order
    }
}

/// Its account, the rank of the folder at the root of its tree, and its name, level by level: what
/// lies below a folder stays with it, whatever the folder is for.
fn order(row: &MailboxRow, rows: &[MailboxRow]) -> (AccountId, usize, Vec<String>) {
    let name = &row.mailbox.name;
    let top = name.levels().next().unwrap_or(name.as_str());
    let root =
        rows.iter().find(|known| known.mailbox.account == row.mailbox.account && known.mailbox.name.as_str() == top);
    let place = |role| Role::ALL.iter().position(|known| *known == role);
    let rank = match (root.unwrap_or(row).role, row.shows.as_ref().map(|shows| &shows.label)) {
        (Some(role), _) => place(role),
        // Nobody's end, but the provider's own: beside the starred ones.
        (None, Some(Label::Important)) => place(Role::Flagged),
        (None, _) => None,
    };
    let rank = rank.unwrap_or(usize::MAX);
    (row.mailbox.account.clone(), rank, name.levels().map(str::to_lowercase).collect())
}

/// The mailboxes of an account as a tree. A folder that has others below it and is no mailbox itself
/// becomes a heading; one that serves an end stands with its whole name among those that do.
fn tree<'a>(own: impl Iterator<Item = (usize, &'a MailboxRow)>, rows: &[MailboxRow]) -> Vec<Item> {
    let mut items = Vec::new();
    let mut above: Vec<String> = Vec::new();
    for (at, row) in own {
        let name = &row.mailbox.name;
        let levels: Vec<String> = name.levels().map(str::to_owned).collect();
        let there = |depth: usize| {
            let parent = levels.iter().take(depth).map(String::as_str).collect::<Vec<_>>().join("/");
            rows.iter()
                .any(|known| known.mailbox.account == row.mailbox.account && known.mailbox.name.as_str() == parent)
        };
        let title = if levels.len() > 1 { Clean::line(name.leaf()) } else { mailbox_title(name.as_str()) };
        let is_own = mailbox_title(name.as_str()).as_str() != name.as_str();
        if (row.role.is_some() || is_own) && levels.len() > 1 && !there(1) {
            items.push(Item::Mailbox { row: at, depth: 0, title: mailbox_title(name.as_str()) });
            above.clear();
            continue;
        }
        for (depth, level) in levels.iter().enumerate().take(levels.len().saturating_sub(1)) {
            let shown = above.get(..=depth).is_some_and(|known| levels.starts_with(known));
            if !shown && !there(depth + 1) {
                let account = row.mailbox.account.clone();
                let name = levels.get(..=depth).and_then(|above| MailboxName::typed(&above.join("/")));
                items.push(Item::Heading { account, depth: shallow(depth), title: Clean::line(level), name });
            }
        }
        items.push(Item::Mailbox { row: at, depth: shallow(levels.len().saturating_sub(1)), title });
        above = levels;
    }
    items
}

/// Deep trees are drawn no deeper than this.
fn shallow(depth: usize) -> u16 {
    u16::try_from(depth).unwrap_or(u16::MAX).min(8)
}

impl Model {
    /// Asks for mailboxes and counts, unless the question is on its way; then once more after it.
    pub(super) fn ask_mailboxes(&mut self) -> Vec<Job> {
        if self.mailboxes.asked {
            self.mailboxes.dirty = true;
            return Vec::new();
        }
        self.mailboxes.asked = true;
        self.mailboxes.dirty = false;
        vec![Job::Index(IndexJob::Mailboxes)]
    }

    /// Takes in mailboxes and counts.
    pub(super) fn take_mailboxes(&mut self, rows: Vec<MailboxRow>) -> Vec<Job> {
        let first = self.mailboxes.items.is_empty();
        self.mailboxes.take(rows, &self.accounts);
        self.mailboxes.follow(usize::from(self.viewport.folder_rows));
        if first && let Some(mailbox) = self.list.mailbox().cloned() {
            self.mailboxes.point_at(&mailbox);
        }
        if self.mailboxes.dirty { self.ask_mailboxes() } else { Vec::new() }
    }

    /// The question about mailboxes was lost.
    pub(super) fn mailboxes_lost(&mut self) {
        self.mailboxes.asked = false;
        self.mailboxes.dirty = true;
    }

    /// Asks again if something changed meanwhile.
    pub(super) fn fill_mailboxes(&mut self) -> Vec<Job> {
        if self.mailboxes.dirty && !self.mailboxes.asked { self.ask_mailboxes() } else { Vec::new() }
    }

    /// Moves the cursor in the folder pane.
    pub(super) fn move_folder(&mut self, rows: isize) {
        self.mailboxes.expected = None;
        let last = self.mailboxes.items.len().saturating_sub(1);
        self.mailboxes.cursor = self.mailboxes.cursor.saturating_add_signed(rows).min(last);
        self.mailboxes.follow(usize::from(self.viewport.folder_rows));
    }

    /// The ticket that the next question will have.
    pub(super) fn next_ticket(&self) -> Ticket {
        Ticket(self.tickets.0 + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_stays_with_the_one_above_it_and_a_missing_one_is_a_heading() {
        let row = |name: &str| {
            let name = MailboxName::new(name).unwrap();
            let role = Role::guess(&name).filter(|role| !name.as_str().contains('/') || *role == Role::Sent);
            MailboxRow {
                mailbox: MailboxId { account: AccountId::new("a"), name },
                role,
                total: 0,
                unread: 0,
                shows: None,
            }
        };
        let names = [
            "Trash",
            "Lists-old",
            "Lists/tern",
            "Lists/rust",
            "Lists/rust/deep",
            "Archive/2025",
            "Work",
            "[Gmail]/Sent Mail",
            "Archive",
            "INBOX",
            "Archive/2025/x",
        ];
        let mut pane = Mailboxes::default();
        let account = crate::config::parse(
            "[accounts.a]\naddress = \"a@example.org\"\nmaildir = \"~/Mail\"\n",
            &crate::config::Paths::under(std::path::Path::new("/h")),
        );
        let accounts: Vec<AccountState> = account.accounts.iter().map(AccountState::new).collect();
        pane.take(names.map(row).to_vec(), &accounts);
        let shown: Vec<(u16, &str)> = pane
            .items
            .iter()
            .filter_map(|item| match item {
                Item::Mailbox { depth, title, .. } | Item::Heading { depth, title, .. } => {
                    Some((*depth, title.as_str()))
                }
                Item::Unified | Item::Account(_) | Item::Searches | Item::Search(_) => None,
            })
            .collect();
        let wanted = [
            (0, "Inbox"),
            (0, "Sent Mail"),
            (0, "Archive"),
            (1, "2025"),
            (2, "x"),
            (0, "Trash"),
            (0, "Lists"),
            (1, "rust"),
            (2, "deep"),
            (1, "tern"),
            (0, "Lists-old"),
            (0, "Work"),
        ];
        assert_eq!(shown, wanted);
    }
}
