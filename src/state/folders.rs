//! Folders as a whole, from the folder pane: made, renamed, deleted, subscribed. The disk changes at once and the
//! server at the next round; the list and the cursor follow a folder to its new name. INBOX and folders that
//! serve an end stay what they are.

use std::collections::BTreeMap;

use crate::job::files::{FilesJob, FolderDone, FolderOrder, RenamedFolder};
use crate::job::index::{IndexJob, MailboxRow, Source};
use crate::job::sync::{FolderWish, SyncJob, Wake};
use crate::job::{Job, Ticket};
use crate::keys::{Action, FolderBars};
use crate::mail::clean::Clean;
use crate::mail::ids::AccountId;
use crate::mail::mailbox::{MailboxName, Role};
use crate::mail::place::MailboxId;

use super::act::messages;
use super::undo::Reverse;
use super::{Focus, Input, Item, Level, Model, Origin, Overlay, Prompt, PromptKind, Question, Screen, Server, files};

/// Orders that are on their way.
#[derive(Debug, Default)]
pub(super) struct Orders(BTreeMap<Ticket, Ordered>);

#[derive(Debug)]
struct Ordered {
    mailbox: MailboxId,
    order: FolderOrder,
    why: Why,
}

/// Why something was ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// The user wants it.
    Wanted,
    /// The user takes another order back.
    Undoing,
}

impl Model {
    /// The account, and where it is one the folder or heading, under the cursor of the pane.
    fn folder_here(&self) -> Option<(AccountId, Option<MailboxName>)> {
        let item = self.mailboxes.items.get(self.mailboxes.cursor)?;
        match item {
            Item::Unified | Item::Searches | Item::Search(_) => self.current_account().map(|account| (account, None)),
            Item::Account(account) => Some((account.clone(), None)),
            Item::Heading { account, name, .. } => Some((account.clone(), name.clone())),
            Item::Mailbox { .. } => {
                let row = self.mailboxes.mailbox(item)?;
                Some((row.mailbox.account.clone(), Some(row.mailbox.name.clone())))
            }
        }
    }

    fn named_folder_here(&self) -> Option<MailboxId> {
        let (account, name) = self.folder_here()?;
        Some(MailboxId { account, name: name? })
    }

    /// What stands in the way of changing the folder under the cursor.
    pub(super) fn folder_bars(&self) -> FolderBars {
        if self.screen != Screen::Browse(Focus::Folders) {
            return FolderBars::default();
        }
        if let Some(search) = self.search_here() {
            let fixed = (search.origin == Origin::Config).then_some("it stands in the config file; change it there");
            let none = Some("a saved search is no folder");
            return FolderBars { make: None, rename: fixed, delete: fixed, subscribe: none };
        }
        let account = self.folder_here().map(|(account, _)| account);
        let of_account = |row: &&MailboxRow| Some(&row.mailbox.account) == account.as_ref();
        if self.mailboxes.rows.iter().filter(of_account).any(|row| row.shows.is_some()) {
            let label = Some("the folders of this account are labels, which are changed on the server");
            return FolderBars { make: label, rename: label, delete: label, subscribe: label };
        }
        let Some(folder) = self.named_folder_here() else {
            let none = Some("no folder is under the cursor");
            return FolderBars { make: None, rename: none, delete: none, subscribe: none };
        };
        let row = self.mailboxes.row(&folder);
        let served = self.has_folders_there(&folder.account);
        // A folder below moves with it.
        let is_below = |mailbox: &MailboxId| mailbox.account == folder.account && mailbox.name.is_below(&folder.name);
        let below = || self.mailboxes.rows.iter().filter(|row| is_below(&row.mailbox)).find_map(|row| row.role);
        let own = row.and_then(|row| row.role).or_else(|| folder.name.is_inbox().then_some(Role::Inbox));
        FolderBars {
            make: None,
            rename: own.or_else(below).map(end_served),
            delete: match (row, own) {
                (None, _) => Some("it is no folder itself; delete those below it"),
                (Some(_), own) => own.map(end_served),
            },
            subscribe: match row {
                None => Some("it is no folder itself"),
                Some(_) if !served => Some("this account has no folders on a server"),
                Some(_) => None,
            },
        }
    }

    /// Asks for the name of a new folder; below the one under the cursor, unless that is taken away.
    pub(super) fn ask_new_folder(&mut self) {
        let Some((account, above)) = self.folder_here() else { return };
        let above = above.filter(|name| !name.is_inbox()).map_or_else(String::new, |name| format!("{name}/"));
        self.overlay = Some(Overlay::Prompt(Prompt::new(PromptKind::NewFolder(account), Input::new(&above))));
    }

    /// Asks for the new name of the folder under the cursor.
    pub(super) fn ask_folder_name(&mut self) {
        let Some(folder) = self.named_folder_here() else { return };
        let input = Input::new(folder.name.as_str());
        self.overlay = Some(Overlay::Prompt(Prompt::new(PromptKind::RenameFolder(folder), input)));
    }

    /// Deletes the folder under the cursor: an empty one at once, else after a question.
    pub(super) fn delete_folder(&mut self) -> Vec<Job> {
        let Some(folder) = self.named_folder_here() else { return Vec::new() };
        let Some(row) = self.mailboxes.row(&folder) else { return Vec::new() };
        let count = usize::try_from(row.total).unwrap_or(usize::MAX);
        if count == 0 {
            return self.order(folder, FolderOrder::Remove { at_most: 0 }, Why::Wanted);
        }
        let served = self.has_folders_there(&folder.account);
        self.ask_in_turn(Question::DeleteFolder { mailbox: folder, messages: count, served });
        Vec::new()
    }

    /// Subscribes to the folder under the cursor, or ends that.
    pub(super) fn wish_folder(&mut self, wish: FolderWish) -> Vec<Job> {
        let Some(mailbox) = self.named_folder_here() else { return Vec::new() };
        vec![self.wish(mailbox, wish)]
    }

    /// Takes the name that was typed; what is wrong with it is said above it, and it stays.
    pub(super) fn accept_folder_name(&mut self, mut prompt: Prompt) -> Vec<Job> {
        let typed = prompt.input.text().trim().to_owned();
        let checked = match &prompt.kind {
            PromptKind::NewFolder(account) => self.new_name(account, &typed, None).map(|mailbox| {
                let mailbox = MailboxId { account: account.clone(), name: mailbox };
                (mailbox, FolderOrder::Make)
            }),
            PromptKind::RenameFolder(folder) if typed == folder.name.as_str() => return Vec::new(),
            PromptKind::RenameFolder(folder) => self
                .new_name(&folder.account, &typed, Some(&folder.name))
                .map(|name| (folder.clone(), FolderOrder::Rename(name))),
            _ => return Vec::new(),
        };
        match checked {
            Ok((mailbox, order)) => self.order(mailbox, order, Why::Wanted),
            Err(problem) => {
                prompt.problem = Some(Clean::line(&problem));
                self.overlay = Some(Overlay::Prompt(prompt));
                Vec::new()
            }
        }
    }

    fn new_name(&self, account: &AccountId, typed: &str, old: Option<&MailboxName>) -> Result<MailboxName, String> {
        if typed.is_empty() {
            return Err("A folder needs a name".to_owned());
        }
        if typed.split('/').any(|level| level.trim().is_empty()) {
            return Err("Between two `/`, and behind the last one, a name is missing".to_owned());
        }
        let Some(name) = MailboxName::typed(typed) else {
            return Err("That is too long for a folder's name".to_owned());
        };
        if old.is_some_and(|old| name.is_below(old)) {
            return Err("No folder goes below itself".to_owned());
        }
        let known = MailboxId { account: account.clone(), name: name.clone() };
        if name.is_inbox() || self.mailboxes.row(&known).is_some() {
            return Err(format!("There is a folder {name} already"));
        }
        Ok(name)
    }

    /// Orders something to be done with a folder. Before one is removed its removal on the server is wished, so
    /// that nobody asks what became of it; one that comes to be is not to be removed there any more.
    pub(super) fn order(&mut self, mailbox: MailboxId, order: FolderOrder, why: Why) -> Vec<Job> {
        let ticket = self.ticket();
        let ordered = Ordered { mailbox: mailbox.clone(), order: order.clone(), why };
        self.orders.0.insert(ticket, ordered);
        let served = self.has_folders_there(&mailbox.account);
        let comes = match &order {
            FolderOrder::Remove { .. } if served => {
                return vec![Job::Sync(SyncJob::Wish { ticket, mailbox, wish: FolderWish::Remove })];
            }
            FolderOrder::Remove { .. } => None,
            FolderOrder::Make => Some(mailbox.clone()),
            FolderOrder::Rename(to) => Some(MailboxId { account: mailbox.account.clone(), name: to.clone() }),
        };
        let keep = comes.filter(|_| served).map(|mailbox| self.wish(mailbox, FolderWish::Keep));
        keep.into_iter().chain([files(FilesJob::Arrange { ticket, mailbox, order })]).collect()
    }

    fn wish(&mut self, mailbox: MailboxId, wish: FolderWish) -> Job {
        let ticket = self.ticket();
        Job::Sync(SyncJob::Wish { ticket, mailbox, wish })
    }

    fn has_folders_there(&self, account: &AccountId) -> bool {
        self.accounts.iter().any(|known| known.id == *account && known.server == Some(Server::Imap))
    }

    /// A wish for a folder is written down, or could not be.
    pub(super) fn wished(
        &mut self,
        ticket: Ticket,
        mailbox: MailboxId,
        wish: FolderWish,
        result: Result<(), crate::fault::Fault>,
    ) -> Vec<Job> {
        if let Err(fault) = result {
            self.orders.0.remove(&ticket);
            self.status.fault(self.now, &fault);
            return Vec::new();
        }
        let words = match wish {
            FolderWish::Remove => {
                return match self.orders.0.get(&ticket).map(|ordered| ordered.order.clone()) {
                    Some(order) => vec![files(FilesJob::Arrange { ticket, mailbox, order })],
                    None => self.wake_for_folders(mailbox.account),
                };
            }
            FolderWish::Keep => return Vec::new(),
            FolderWish::Subscribe => "Subscribed",
            FolderWish::Unsubscribe => "Subscription ended",
        };
        self.say(Level::Ok, &format!("{words}: {}; the server hears of it at the next sync", mailbox.name));
        self.wake_for_folders(mailbox.account)
    }

    fn wake_for_folders(&self, account: AccountId) -> Vec<Job> {
        let served = self.has_folders_there(&account);
        served.then_some(Job::Sync(SyncJob::Wake { account: Some(account), why: Wake::Folders })).into_iter().collect()
    }

    /// An order could not be carried out: a folder that is still there is not to be removed on the server.
    pub(super) fn order_failed(&mut self, ticket: Ticket) -> Vec<Job> {
        let Some(ordered) = self.orders.0.remove(&ticket) else { return Vec::new() };
        let served = self.has_folders_there(&ordered.mailbox.account);
        match ordered.order {
            FolderOrder::Remove { .. } if served => vec![self.wish(ordered.mailbox, FolderWish::Keep)],
            // A part of it may be done.
            FolderOrder::Make | FolderOrder::Rename(_) | FolderOrder::Remove { .. } => {
                vec![Job::Index(IndexJob::Known(ordered.mailbox.account))]
            }
        }
    }

    /// A folder was made, renamed or removed on disk.
    pub(super) fn arranged(&mut self, ticket: Ticket, mailbox: &MailboxId, done: FolderDone) -> Vec<Job> {
        let why = self.orders.0.remove(&ticket).map_or(Why::Undoing, |ordered| ordered.why);
        let account = mailbox.account.clone();
        let mut jobs = Vec::new();
        let (label, back) = match done {
            FolderDone::Made => {
                self.mailboxes.expect(mailbox.clone());
                let back = Reverse::Folder { mailbox: mailbox.clone(), order: FolderOrder::Remove { at_most: 0 } };
                (format!("Made the folder {}", mailbox.name), Some(back))
            }
            FolderDone::Renamed(folders) => {
                let top = folders.first().map(|folder| folder.to.clone());
                let to = ordered_name(mailbox, &folders).unwrap_or_else(|| mailbox.name.clone());
                self.follow_folders(&account, &folders);
                if self.has_folders_there(&account) {
                    // Of an empty one nothing tells that it is the same folder: to the sync, one went and one came.
                    for folder in folders.iter().filter(|folder| folder.is_empty) {
                        let [from, to] = [&folder.from, &folder.to].map(|name| (account.clone(), name.clone()));
                        let id = |(account, name)| MailboxId { account, name };
                        jobs.push(self.wish(id(to), FolderWish::Keep));
                        jobs.push(self.wish(id(from), FolderWish::Remove));
                    }
                }
                self.mailboxes.expect(MailboxId { account: account.clone(), name: top.unwrap_or_else(|| to.clone()) });
                jobs.push(Job::Index(IndexJob::Renamed { account: account.clone(), folders }));
                let renamed = MailboxId { account: account.clone(), name: to.clone() };
                let back = Reverse::Folder { mailbox: renamed, order: FolderOrder::Rename(mailbox.name.clone()) };
                (format!("Renamed {} to {to}", mailbox.name), Some(back))
            }
            FolderDone::Removed { kept } => {
                jobs.extend(self.leave_folder(mailbox));
                let back = Reverse::Folder { mailbox: mailbox.clone(), order: FolderOrder::Make };
                let with = if kept == 0 {
                    String::new()
                } else {
                    format!("; {} kept in quarantine for 14 days", messages(kept))
                };
                (format!("Deleted the folder {}{with}", mailbox.name), Some(back).filter(|_| kept == 0))
            }
        };
        match (why, back) {
            (Why::Wanted, Some(back)) => {
                self.undo.remember(label.clone(), vec![back]);
                self.status.offer(self.now, Level::Ok, &label, Action::Undo);
            }
            (Why::Wanted, None) => self.say(Level::Ok, &label),
            (Why::Undoing, _) => {}
        }
        jobs.push(Job::Index(IndexJob::Known(account.clone())));
        // What is still to be wished wakes the sync when it is written down.
        if !jobs.iter().any(|job| matches!(job, Job::Sync(SyncJob::Wish { .. }))) {
            jobs.extend(self.wake_for_folders(account));
        }
        jobs
    }

    /// What is on screen, and what can be undone, goes with folders that have other names now.
    fn follow_folders(&mut self, account: &AccountId, folders: &[RenamedFolder]) {
        let follow = |mailbox: &mut MailboxId| {
            if mailbox.account == *account
                && let Some(folder) = folders.iter().find(|folder| folder.from == mailbox.name)
            {
                mailbox.name = folder.to.clone();
            }
        };
        self.list.follow_folders(&follow);
        self.sorts.follow_folders(&follow);
        let open = self.viewer.open.as_mut().map(|open| &mut open.row);
        for row in self.viewer.thread.iter_mut().chain(open) {
            follow(&mut row.place.mailbox);
            follow(&mut row.mailbox);
        }
        if let Some(Source::Mailbox(mailbox)) = &mut self.last_place {
            follow(mailbox);
        }
        self.undo.follow_folders(&follow);
    }

    /// The folder is gone: what showed it shows the inbox.
    fn leave_folder(&mut self, gone: &MailboxId) -> Vec<Job> {
        let inbox = MailboxId { account: gone.account.clone(), name: MailboxName::inbox() };
        let is_shown = self.list.mailbox() == Some(gone);
        let follow = |mailbox: &mut MailboxId| {
            if *mailbox == *gone {
                *mailbox = inbox.clone();
            }
        };
        if let Some(Source::Mailbox(mailbox)) = &mut self.last_place {
            follow(mailbox);
        }
        self.list.follow_back(&follow);
        if !is_shown {
            return Vec::new();
        }
        let (screen, cursor) = (self.screen, self.mailboxes.cursor);
        let jobs = self.go_to(Source::Mailbox(inbox));
        // The cursor stays among the folders, where it was.
        if screen == Screen::Browse(Focus::Folders) {
            (self.screen, self.mailboxes.cursor) = (screen, cursor);
        }
        jobs
    }

    /// The sync has brought a folder where it belongs: what was asked about it is no question any more.
    pub(super) fn drop_questions_about(&mut self, folder: &MailboxId) {
        let is_about = |question: &Question| matches!(question, Question::Guard { mailbox, .. } if mailbox == folder);
        self.held.retain(|question| !is_about(question));
        if matches!(&self.overlay, Some(Overlay::Ask(ask)) if is_about(&ask.question)) {
            self.overlay = None;
        }
    }
}

/// Why a folder that serves an end keeps its name and its place.
fn end_served(role: Role) -> &'static str {
    match role {
        Role::Inbox => "INBOX keeps its name and its place",
        Role::Flagged => "starred mail is shown there",
        Role::Drafts => "drafts are kept there; the config may name another",
        Role::Sent => "sent mail is kept there; the config may name another",
        Role::Archive => "archived mail goes there; the config may name another",
        Role::Junk => "spam goes there; the config may name another",
        Role::Trash => "deleted mail goes there; the config may name another",
        Role::All => "all mail of the account is there",
    }
}

/// The new name of a folder or heading, told by any folder that was renamed with it.
fn ordered_name(mailbox: &MailboxId, folders: &[RenamedFolder]) -> Option<MailboxName> {
    let one = folders.first()?;
    let rest = one.from.as_str().strip_prefix(mailbox.name.as_str())?;
    MailboxName::new(one.to.as_str().strip_suffix(rest)?)
}
