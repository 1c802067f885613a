//! What the program knows. `update` is the only place where it changes, and it changes by events
//! alone: nothing here waits, reads a file, asks the clock, a server or a terminal. What is to be
//! done outside comes back as jobs.

mod accounts;
mod act;
mod arrange;
mod attach;
mod change;
mod compose;
mod editor;
mod event;
mod field;
mod folders;
mod folding;
mod go;
mod input;
mod intake;
mod labelling;
mod list;
mod mailboxes;
mod marks;
mod menu;
mod noting;
mod outbox;
mod overlay;
mod page;
mod question;
mod reports;
mod retagging;
mod review;
mod rules;
mod searches;
mod selecting;
mod status;
mod suggest;
mod tagging;
mod timing;
mod title;
mod undo;
mod unopened;
mod update;
mod viewer;
mod wrap;

use jiff::tz::TimeZone;

use crate::config::Config;
use crate::job::index::{Grouping, ListSpec, Source};
use crate::job::outbox::EntryState;
use crate::job::{FilesJob, IndexJob, Job, OutboxJob, Ticket};
use crate::keys::{Context, Keymap, Pending, Situation};
use crate::mail::ids::{AccountId, Timestamp};

pub use accounts::{AccountState, Server};
pub use compose::{Compose, Note, Part, Writing};
pub use editor::{Editor, Wrapped};
pub use event::{Event, MouseAct};
pub use field::Field;
pub use input::{Edited, Input};
pub use list::{List, SearchInfo, Shown};
pub use mailboxes::{Item, Mailboxes};
pub use marks::Mark;
pub use menu::{Choice, Menu, MenuItem, MenuKind};
pub use outbox::Outbox;
pub use overlay::{Hint, HintTarget, Hints, Overlay, Prompt, PromptKind};
pub use question::{Ask, Question};
pub use retagging::{Onward, onward};
pub use searches::{Origin, Search, Searches};
pub use status::{Level, Message, OutboxCount, Status};
pub use suggest::Suggestions;
pub use title::{mailbox_title, scope_title, search_examples};
pub use undo::Undo;
pub use update::update;
pub use viewer::{Find, Opened, Viewer};
pub use wrap::{LineRole, ViewLine, ViewSpan, size, take_cells};

/// Everything.
#[derive(Debug)]
pub struct Model {
    /// What fills the screen.
    pub screen: Screen,
    /// What lies over it.
    pub overlay: Option<Overlay>,
    /// The accounts, in the order of the config.
    pub accounts: Vec<AccountState>,
    /// The folder pane.
    pub mailboxes: Mailboxes,
    /// The saved searches.
    pub searches: Searches,
    /// The list.
    pub list: List,
    /// The message below or beside it.
    pub viewer: Viewer,
    /// What the program has to say.
    pub status: Status,
    /// The message that is being written.
    pub compose: Option<Compose>,
    /// What else there is to know about writing.
    pub writing: Writing,
    /// The outbox.
    pub outbox: Outbox,
    /// What can be taken back.
    pub undo: Undo,
    /// What keys mean.
    pub keymap: Keymap,
    /// What was half typed.
    pub pending: Pending,
    /// Shall what may follow the half typed keys be shown?
    pub which_key: bool,
    /// What the config says about the screen.
    pub config: Config,
    /// The clock, as of the last tick.
    pub now: Timestamp,
    /// Where the user is.
    pub zone: TimeZone,
    /// What the last drawing had room for.
    pub viewport: Viewport,
    /// A number unlike that of other runs, for the names of drafts.
    pub seed: u64,
    /// The message that is read for what is like it.
    kin_asked: Option<(Ticket, arrange::Kin)>,
    /// What is done once a message is read.
    awaited: Option<unopened::Awaited>,
    /// Messages that are looked for in order to be marked, and how.
    marking: std::collections::BTreeMap<Ticket, crate::mail::flags::Flags>,
    tickets: Ticket,
    acting: act::Acting,
    sorts: arrange::Sorts,
    labelling: labelling::Labelling,
    noting: noting::Noting,
    orders: folders::Orders,
    /// Mailboxes that were compared with their servers in this run.
    compared: std::collections::BTreeSet<crate::mail::place::MailboxId>,
    /// What the index was told and has not answered.
    intake: intake::Intake,
    /// Jobs that a full queue refused; they go out again at the next tick.
    again: Vec<Job>,
    scanned_at: Timestamp,
    last_place: Option<Source>,
    unread_asked: Option<Ticket>,
    /// Accounts that want a password while something else lies over the screen.
    passwords: Vec<AccountId>,
    /// Questions that wait for the same reason.
    held: std::collections::VecDeque<Question>,
}

/// What fills the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Screen {
    /// Folders, list and viewer.
    Browse(Focus),
    /// A message that is being written.
    Compose,
    /// The outbox.
    Outbox,
}

/// Which pane takes the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Focus {
    /// The folders.
    Folders,
    /// The list.
    List,
    /// The message.
    Viewer,
}

/// What the last drawing had room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Viewport {
    /// Columns of the screen.
    pub width: u16,
    /// Rows of the screen.
    pub height: u16,
    /// How many messages the list shows.
    pub list_rows: u16,
    /// How many rows the folder pane shows.
    pub folder_rows: u16,
    /// How many lines the viewer shows.
    pub view_rows: u16,
    /// How wide these are.
    pub view_width: u16,
    /// How many rows a menu shows.
    pub menu_rows: u16,
    /// Where its rows lie, for the mouse: first column, first row, columns.
    pub menu_at: (u16, u16, u16),
    /// How many rows the log shows.
    pub page_rows: u16,
    /// Where the list lies, for the mouse: its first column and row, and the rows of one message.
    pub list_at: (u16, u16, u16),
    /// Where the folders lie, for the mouse: first column, first row, columns. Nothing where hidden.
    pub folders_at: (u16, u16, u16),
    /// Where the viewer lies, for the mouse: its first column and row.
    pub view_at: (u16, u16),
}

impl Model {
    /// Makes the model of the first frame, and the first jobs. What is wrong with the config stands
    /// in the message line; more troubles (of keys or theme) are added by [`Model::trouble`].
    pub fn new(config: &Config, keymap: Keymap, now: Timestamp, zone: TimeZone) -> (Self, Vec<Job>) {
        let accounts: Vec<AccountState> = config.accounts.iter().map(AccountState::new).collect();
        let grouping = if config.ui.conversations { Grouping::Conversations } else { Grouping::Flat };
        let spec = accounts.first().map(|first| ListSpec::new(Source::Mailbox(first.inbox()), grouping));
        let mut model = Self {
            screen: Screen::Browse(Focus::List),
            overlay: None,
            mailboxes: Mailboxes::default(),
            searches: Searches::default(),
            list: List::new(grouping),
            viewer: Viewer::default(),
            status: Status::default(),
            compose: None,
            writing: Writing::default(),
            outbox: Outbox::default(),
            undo: Undo::default(),
            keymap,
            pending: Pending::default(),
            which_key: false,
            config: config.clone(),
            now,
            zone,
            viewport: Viewport { list_rows: 30, ..Viewport::default() },
            seed: 0,
            kin_asked: None,
            awaited: None,
            marking: std::collections::BTreeMap::new(),
            tickets: Ticket::default(),
            acting: act::Acting::default(),
            sorts: arrange::Sorts::default(),
            labelling: labelling::Labelling::default(),
            noting: noting::Noting::default(),
            orders: folders::Orders::default(),
            compared: std::collections::BTreeSet::new(),
            intake: intake::Intake::default(),
            again: Vec::new(),
            scanned_at: now,
            last_place: None,
            unread_asked: None,
            passwords: Vec::new(),
            held: std::collections::VecDeque::new(),
            accounts,
        };
        let mut jobs = Vec::new();
        if let Some(spec) = spec {
            jobs.extend(model.show_list(spec));
            jobs.extend(model.ask_mailboxes());
            jobs.extend(model.accounts.iter().map(|account| Job::Index(IndexJob::Known(account.id.clone()))));
            jobs.push(Job::Outbox(OutboxJob::List));
            jobs.push(files(FilesJob::ListDrafts));
            jobs.push(model.begin_searches());
            jobs.push(Job::Index(IndexJob::ReadBooks));
        }
        if let Some(first) = config.problems.first() {
            let more = config.problems.len() - 1;
            let rest = if more > 0 { format!(" (and {more} more: `tern config check`)") } else { String::new() };
            model.trouble(&format!("{}{rest}", first.in_words()));
        }
        (model, jobs)
    }

    /// Says what is wrong with a file of the user's.
    pub fn trouble(&mut self, text: &str) {
        self.status.say(self.now, Level::Error, text);
    }

    /// Which keys apply.
    pub fn context(&self) -> Context {
        match &self.overlay {
            Some(overlay) => overlay.context(),
            None => self.screen_context(),
        }
    }

    /// Which keys apply below whatever lies over the screen.
    pub fn screen_context(&self) -> Context {
        match self.screen {
            Screen::Browse(Focus::Folders) => Context::Folders,
            Screen::Browse(Focus::List) => Context::List,
            Screen::Browse(Focus::Viewer) => Context::View,
            Screen::Compose => match &self.compose {
                Some(compose) if compose.suggestions.is_open() => Context::Suggest,
                Some(compose) if compose.part != Part::Review => Context::Editor,
                _ => Context::Review,
            },
            Screen::Outbox => Context::Outbox,
        }
    }

    /// Is a longer sequence begun whose popup is not shown yet? Then the loop is to send
    /// [`Event::Pause`] 200 ms after the last key.
    pub fn wants_pause(&self) -> bool {
        !self.pending.keys.is_empty() && !self.which_key
    }

    /// What actions must know to be possible.
    pub fn situation(&self) -> Situation {
        let document = self.viewer.document().filter(|_| self.means_open());
        let in_viewer = self.screen == Screen::Browse(Focus::Viewer);
        let targets = match (in_viewer, self.viewer.open.is_some()) {
            (true, open) => usize::from(open),
            (false, _) if self.list.selected.is_empty() => usize::from(self.list.current().is_some()),
            (false, _) => self.list.selected.len(),
        };
        Situation {
            targets,
            selected: self.list.selected.len(),
            open: document.is_some(),
            lists: document.map_or(0, |document| usize::from(document.list.is_some())),
            attachments: document.map_or(0, |document| document.attachments.len()),
            links: document.map_or(0, |document| document.links.len()),
            thread: self.viewer.thread.len(),
            undo: self.undo.len(),
            accounts: self.accounts.len(),
            rows: self.list.total,
            finding: self.viewer.find.is_some(),
            visited: usize::from(self.last_place.is_some()),
            servers: self.accounts.iter().filter(|account| account.server.is_some()).count(),
            senders: self.accounts.iter().filter(|account| account.sends).count(),
            outbox: self.outbox.entries.len(),
            doubtful: self.outbox.current().is_some_and(|entry| entry.state == EntryState::MaybeSent),
            unfinished: self.writing.unsent.len(),
            searches: usize::from(self.has_search_to_save()),
            rules: self.config.rules.len(),
            folder: self.folder_bars(),
        }
    }

    /// Is the open message the one that keys mean? In the list they mean what is under the cursor, though another
    /// message may be shown beside it.
    fn means_open(&self) -> bool {
        let Screen::Browse(Focus::List) = self.screen else { return true };
        let (Some(row), Some(open)) = (self.list.current(), &self.viewer.open) else { return false };
        row.message == open.row.message || (row.messages > 1 && row.thread == open.row.thread)
    }

    /// The next ticket.
    pub(crate) fn ticket(&mut self) -> Ticket {
        self.tickets.advance()
    }

    /// Says something in the message line.
    pub(crate) fn say(&mut self, level: Level, text: &str) {
        self.status.say(self.now, level, text);
    }

    /// Is there nothing to show because no account is set up?
    pub fn is_bare(&self) -> bool {
        self.accounts.is_empty()
    }
}

/// A job of the thread `files`.
fn files(job: FilesJob) -> Job {
    Job::Files(job)
}
