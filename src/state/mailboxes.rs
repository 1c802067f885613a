//! The folder pane: accounts, and below each its mailboxes with counts, in the order of their roles
//! and then of their names.

use crate::job::index::{IndexJob, MailboxRow};
use crate::job::{Job, Ticket};
use crate::mail::ids::AccountId;
use crate::mail::mailbox::Role;
use crate::mail::place::MailboxId;

use super::{AccountState, Model};

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
    /// A mailbox.
    Mailbox {
        /// Which: an index into [`Mailboxes::rows`].
        row: usize,
        /// How deep it is in the tree.
        depth: u16,
    },
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
            Item::Unified | Item::Account(_) => None,
        }
    }

    /// Unread messages in all inboxes.
    pub fn unread_in_inboxes(&self) -> u64 {
        self.rows.iter().filter(|row| row.mailbox.name.is_inbox()).map(|row| row.unread).sum()
    }

    /// Takes in the mailboxes, in whatever order.
    pub(super) fn take(&mut self, mut rows: Vec<MailboxRow>, accounts: &[AccountState]) {
        self.asked = false;
        for row in &mut rows {
            row.role = row.role.or_else(|| {
                accounts.iter().find(|account| account.id == row.mailbox.account).and_then(|a| a.role(&row.mailbox))
            });
        }
        rows.sort_by(|a, b| order(a).cmp(&order(b)));
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
            let own: Vec<Item> = own.map(|(at, row)| Item::Mailbox { row: at, depth: depth(row) }).collect();
            self.items.extend(own);
        }
        match under {
            Some((Some(mailbox), _)) => self.point_at(&mailbox),
            Some((None, item)) => {
                self.cursor = self.items.iter().position(|known| *known == item).unwrap_or(self.cursor);
            }
            None => {}
        }
        self.cursor = self.cursor.min(self.items.len().saturating_sub(1));
    }

    /// Puts the cursor on a mailbox, if it is there.
    pub(super) fn point_at(&mut self, mailbox: &MailboxId) {
        let at = self.items.iter().position(|item| self.mailbox(item).is_some_and(|row| row.mailbox == *mailbox));
        self.cursor = at.unwrap_or(self.cursor);
    }

    /// Keeps the cursor on screen.
    pub(super) fn follow(&mut self, height: usize) {
        let height = height.max(1);
        self.cursor = self.cursor.min(self.items.len().saturating_sub(1));
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

fn order(row: &MailboxRow) -> (&AccountId, usize, String) {
    let by_role = row.role.and_then(|role| Role::ALL.iter().position(|known| *known == role));
    // A folder below another one stays with it, whatever it is for.
    let by_role = if row.mailbox.name.as_str().contains('/') { None } else { by_role };
    (&row.mailbox.account, by_role.unwrap_or(usize::MAX), row.mailbox.name.as_str().to_lowercase())
}

fn depth(row: &MailboxRow) -> u16 {
    u16::try_from(row.mailbox.name.levels().count().saturating_sub(1)).unwrap_or(u16::MAX).min(8)
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
        let last = self.mailboxes.items.len().saturating_sub(1);
        self.mailboxes.cursor = self.mailboxes.cursor.saturating_add_signed(rows).min(last);
        self.mailboxes.follow(usize::from(self.viewport.folder_rows));
    }

    /// The ticket that the next question will have.
    pub(super) fn next_ticket(&self) -> Ticket {
        Ticket(self.tickets.0 + 1)
    }
}
