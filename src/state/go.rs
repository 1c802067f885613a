//! Going places: folders, accounts, panes, the next unread message, back and out.

use crate::job::files::FilesJob;
use crate::job::index::{Direction, Grouping, IndexJob, Only, Row, Source};
use crate::job::{Job, ShellJob, Ticket};
use crate::mail::ids::{AccountId, RowId};
use crate::mail::mailbox::Role;
use crate::mail::place::MailboxId;

use super::list::Jump;
use super::viewer::Rest;
use super::{AccountState, Ask, Focus, Item, Level, Model, Overlay, Question, Screen};

impl Model {
    /// Shows the list of a source.
    pub(super) fn go_to(&mut self, source: Source) -> Vec<Job> {
        self.screen = Screen::Browse(Focus::List);
        self.viewer.close();
        self.list.search = None;
        self.list.back = None;
        let before = self.list.spec.as_ref().map(|spec| spec.source.clone());
        if let Some(before) = before.filter(|before| *before != source && !matches!(before, Source::Search { .. })) {
            self.last_place = Some(before);
        }
        if let Source::Mailbox(mailbox) = &source {
            self.mailboxes.point_at(mailbox);
            self.mailboxes.follow(usize::from(self.viewport.folder_rows));
        }
        let list = self.list_of(source);
        self.show_list(list)
    }

    /// The account that is worked in: that of the list, else the first.
    pub(super) fn current_account(&self) -> Option<AccountId> {
        let of_row = || self.list.current().map(|row| row.place.mailbox.account.clone());
        let of_list = self.list.mailbox().map(|mailbox| mailbox.account.clone());
        of_list.or_else(of_row).or_else(|| self.accounts.first().map(|account| account.id.clone()))
    }

    /// Shows the folder of a role.
    pub(super) fn go_role(&mut self, role: Role) -> Vec<Job> {
        let Some(id) = self.current_account() else { return Vec::new() };
        let Some(account) = self.accounts.iter().find(|account| account.id == id) else { return Vec::new() };
        let mailbox = account.mailbox_for(role, &self.mailboxes.rows, self.now, &self.zone);
        if role != Role::Inbox && self.mailboxes.row(&mailbox).is_none() {
            let text = format!("{id} has no folder `{}` yet", mailbox.name);
            self.say(Level::Info, &text);
            return Vec::new();
        }
        self.go_to(Source::Mailbox(mailbox))
    }

    /// Shows the inbox of the account of that number, from 1.
    pub(super) fn go_account(&mut self, number: u32) -> Vec<Job> {
        let at = usize::try_from(number).unwrap_or(0).checked_sub(1);
        let Some(inbox) = at.and_then(|at| self.accounts.get(at)).map(AccountState::inbox) else {
            self.say(Level::Info, &format!("There is no account {number}"));
            return Vec::new();
        };
        self.go_to(Source::Mailbox(inbox))
    }

    /// Shows the folder that was shown before.
    pub(super) fn go_last(&mut self) -> Vec<Job> {
        self.last_place.clone().map_or_else(Vec::new, |place| self.go_to(place))
    }

    /// Conversations, or single messages.
    pub(super) fn toggle_threads(&mut self) -> Vec<Job> {
        let shown = self.list.spec.as_ref().map_or(self.list.grouping, |list| list.grouping);
        self.list.grouping = match shown {
            Grouping::Flat => Grouping::Conversations,
            Grouping::Conversations => Grouping::Flat,
        };
        let words = match self.list.grouping {
            Grouping::Flat => "Single messages",
            Grouping::Conversations => "Conversations",
        };
        self.say(Level::Info, words);
        let Some(spec) = self.list.spec.clone() else { return Vec::new() };
        let spec = self.regroup(spec, self.list.grouping);
        let (anchor, search) = (self.list.current().map(|row| row.message), self.list.search.clone());
        let mut jobs = self.show_list(spec);
        self.list.search = search;
        jobs.retain(|job| !matches!(job, Job::Index(IndexJob::Rows { .. })));
        jobs.extend(self.ask_rows(anchor, if anchor.is_some() { Jump::To } else { Jump::Stay }));
        jobs
    }

    /// Asks for the next or previous unread message.
    pub(super) fn next_unread(&mut self, direction: Direction) -> Vec<Job> {
        let Some(list) = self.list.spec.clone() else { return Vec::new() };
        let ticket = self.ticket();
        self.unread_asked = Some(ticket);
        let mut order = self.mailboxes.in_turn(self.list.mailbox());
        if direction == Direction::Previous {
            order.reverse();
        }
        let after = self.list.current().map(|row| row.message);
        vec![Job::Index(IndexJob::NextUnread { ticket, list, after, direction, order })]
    }

    /// Goes to the unread message that was found.
    pub(super) fn take_next_unread(&mut self, ticket: Ticket, found: Option<(MailboxId, RowId)>) -> Vec<Job> {
        if self.unread_asked.take_if(|asked| *asked == ticket).is_none() {
            return Vec::new();
        }
        let Some((mailbox, row)) = found else {
            self.say(Level::Info, "No other unread message");
            return Vec::new();
        };
        let open = match self.screen {
            Screen::Browse(Focus::Viewer) => Jump::Open,
            _ => Jump::To,
        };
        let here = match self.list.spec.as_ref().map(|spec| &spec.source) {
            Some(Source::Mailbox(shown)) => *shown == mailbox,
            Some(Source::Unified) => mailbox.name.is_inbox(),
            Some(Source::Search { .. }) => self.list.position(row).is_some(),
            None => false,
        };
        let mut jobs = Vec::new();
        if here {
            if let Some(position) = self.list.position(row) {
                jobs.extend(self.move_to(position));
                if let (Jump::Open, Some(row)) = (open, self.list.current().cloned()) {
                    jobs.extend(self.open_list_row(&row));
                }
                return jobs;
            }
        } else {
            jobs = self.go_to(Source::Mailbox(mailbox));
            jobs.retain(|job| !matches!(job, Job::Index(IndexJob::Rows { .. })));
            if open == Jump::Open {
                self.screen = Screen::Browse(Focus::Viewer);
            }
        }
        jobs.extend(self.ask_rows(Some(row), open));
        jobs
    }

    /// Opens what is under the cursor.
    pub(super) fn open_here(&mut self) -> Vec<Job> {
        match self.screen {
            Screen::Browse(Focus::Folders) => {
                let item = self.mailboxes.items.get(self.mailboxes.cursor).cloned();
                match item {
                    Some(Item::Unified) => self.go_to(Source::Unified),
                    Some(Item::Account(id)) => {
                        let inbox = self.accounts.iter().find(|account| account.id == id).map(AccountState::inbox);
                        inbox.map_or_else(Vec::new, |inbox| self.go_to(Source::Mailbox(inbox)))
                    }
                    // No mailbox itself: the first one below it.
                    Some(Item::Heading { .. }) => {
                        let mut below = self.mailboxes.items.iter().skip(self.mailboxes.cursor);
                        let first = below.find_map(|item| self.mailboxes.mailbox(item));
                        first.map(|row| row.mailbox.clone()).map_or_else(Vec::new, |to| self.go_to(Source::Mailbox(to)))
                    }
                    Some(Item::Search(at)) => {
                        let name = self.searches.all.get(at).map(|search| search.name.clone());
                        name.map_or_else(Vec::new, |name| self.open_search(&name))
                    }
                    Some(Item::Searches) => {
                        let first = self.searches.all.first().map(|search| search.name.clone());
                        first.map_or_else(Vec::new, |name| self.open_search(&name))
                    }
                    Some(item @ Item::Mailbox { .. }) => {
                        let mailbox = self.mailboxes.mailbox(&item).map(|row| row.mailbox.clone());
                        mailbox.map_or_else(Vec::new, |mailbox| self.go_to(Source::Mailbox(mailbox)))
                    }
                    None => Vec::new(),
                }
            }
            Screen::Browse(Focus::List) => {
                let Some(row) = self.list.current().cloned() else { return Vec::new() };
                self.screen = Screen::Browse(Focus::Viewer);
                // To open it again is to try again.
                let shown = self.viewer.open.as_ref().filter(|open| !matches!(open.rest, Some(Rest::Failed(_))));
                let shown = shown.is_some_and(|open| open.row.message == row.message);
                if shown { Vec::new() } else { self.open_list_row(&row) }
            }
            Screen::Browse(Focus::Viewer) | Screen::Compose | Screen::Outbox => Vec::new(),
        }
    }

    /// Opens the next or previous row of the list in the viewer.
    pub(super) fn step_message(&mut self, rows: isize) -> Vec<Job> {
        if rows > 0 && self.has_left_the_list() {
            return match self.list.current().cloned() {
                Some(row) => self.open_list_row(&row),
                None => Vec::new(),
            };
        }
        let before = self.list.cursor;
        let mut jobs = self.move_by(rows);
        if self.list.cursor == before {
            let word = if rows > 0 { "last" } else { "first" };
            self.say(Level::Info, &format!("This is the {word} message of the list"));
            return jobs;
        }
        match self.list.current().cloned() {
            Some(row) => {
                self.screen = Screen::Browse(Focus::Viewer);
                jobs.extend(self.open_list_row(&row));
            }
            None => jobs.extend(self.ask_rows(None, Jump::Stay)),
        }
        jobs
    }

    /// To the pane on the left.
    pub(super) fn left(&mut self) {
        if self.screen == Screen::Browse(Focus::Folders) {
            self.say(Level::Info, "There is no pane further left");
        }
        self.screen = match self.screen {
            Screen::Browse(Focus::Viewer) => Screen::Browse(Focus::List),
            Screen::Browse(Focus::List | Focus::Folders) => Screen::Browse(Focus::Folders),
            other @ (Screen::Compose | Screen::Outbox) => other,
        };
    }

    /// To the pane on the right; on a row: opens it.
    pub(super) fn right(&mut self) -> Vec<Job> {
        match self.screen {
            Screen::Browse(Focus::Folders | Focus::List) => self.open_here(),
            Screen::Browse(Focus::Viewer) | Screen::Compose | Screen::Outbox => Vec::new(),
        }
    }

    /// One level back. Gives back nothing where there is none left.
    pub(super) fn back(&mut self) -> Option<Vec<Job>> {
        if let Some(Overlay::Log(_)) = self.overlay {
            self.overlay = None;
            return Some(Vec::new());
        }
        match self.screen {
            Screen::Browse(Focus::Viewer) => {
                if self.viewer.shows_source() {
                    return Some(self.toggle_source());
                }
                if self.viewer.find.take().is_none() {
                    self.screen = Screen::Browse(Focus::List);
                }
                Some(Vec::new())
            }
            Screen::Browse(Focus::Folders) | Screen::Outbox => {
                self.screen = Screen::Browse(Focus::List);
                Some(Vec::new())
            }
            Screen::Browse(Focus::List) => {
                if self.list.range.take().is_some() {
                    return Some(Vec::new());
                }
                if !self.list.selected.is_empty() {
                    self.list.selected.clear();
                    return Some(Vec::new());
                }
                if self.list.is_passing() {
                    return Some(self.leave_search(false));
                }
                if self.viewer.open.is_some() {
                    self.viewer.close();
                    return Some(Vec::new());
                }
                self.show_all()
            }
            Screen::Compose => None,
        }
    }

    /// `q`: back, and from the list out; asks where mail waits to be sent.
    pub(super) fn leave(&mut self) -> Vec<Job> {
        let at_list = self.screen == Screen::Browse(Focus::List) && self.overlay.is_none();
        let part = self.list.spec.as_ref().is_some_and(|list| list.only != Only::All);
        let busy = part || self.list.is_passing() || !self.list.selected.is_empty() || self.list.range.is_some();
        if !at_list || busy {
            return self.back().unwrap_or_default();
        }
        // Those on their way into the outbox are not counted there yet.
        let waiting = self.status.outbox.total() + self.writing.leaving.len();
        if waiting > 0 {
            self.overlay = Some(Overlay::Ask(Ask { question: Question::Quit { waiting } }));
            return Vec::new();
        }
        vec![Job::Shell(ShellJob::Quit)]
    }

    /// The rows that an action would work on.
    pub(super) fn act_rows(&self) -> Vec<Row> {
        if self.screen == Screen::Browse(Focus::Viewer) {
            return self.viewer.current_row().into_iter().collect();
        }
        if self.list.selected.is_empty() {
            return self.list.current().cloned().into_iter().collect();
        }
        self.list.selected.values().cloned().collect()
    }

    /// Asks which files of each account moved, as other programs may move them too.
    pub(super) fn look_at_disk(&mut self) -> Vec<Job> {
        self.scanned_at = self.now;
        self.accounts.iter().map(|account| Job::Index(IndexJob::Known(account.id.clone()))).collect()
    }

    /// What the index saw last becomes a scan of the disk.
    pub(super) fn scan(account: AccountId, known: Vec<crate::job::files::Seen>) -> Vec<Job> {
        vec![super::files(FilesJob::Scan { account, known })]
    }
}
