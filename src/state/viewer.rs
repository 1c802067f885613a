//! The viewer: one message, prepared elsewhere, broken into lines here once per width; its
//! conversation beside it; folding, finding, and the message's source.

use std::sync::Arc;

use crate::fault::Fault;
use crate::job::files::FilesJob;
use crate::job::index::Row;
use crate::job::{Job, SyncJob, Ticket};
use crate::mail::clean::Clean;
use crate::mail::document::Document;
use crate::mail::flags::{Flag, Flags};
use crate::mail::ids::{RowId, Timestamp};
use crate::mail::mailbox::Role;
use crate::mail::place::Place;
use crate::mail::tags;

use super::page::Page;
use super::wrap::{Rule, ViewLine};
use super::{Focus, Model, Screen, files};

/// The most bytes of a source that are shown.
const MOST_SOURCE: usize = 2_000_000;

/// In fewer rows than this a header would leave nothing for the text.
const ROOMY: u16 = 12;

/// The viewer.
#[derive(Debug, Default)]
pub struct Viewer {
    /// The message.
    pub open: Option<Opened>,
    /// Its conversation, in thread order; empty until it is known.
    pub thread: Vec<Row>,
    /// Its lines.
    pub lines: Vec<ViewLine>,
    /// The first line on screen.
    pub top: usize,
    /// Are all header fields shown?
    pub all_headers: bool,
    /// What was searched for in the text.
    pub find: Option<Find>,
    /// Its source, if that is shown.
    pub(super) source: Option<Vec<Clean>>,
    /// Its conversation as one page.
    pub(super) page: Page,
    pub(super) rule: Rule,
    pub(super) asked: Option<(Ticket, RowId)>,
    asked_source: Option<Ticket>,
    pub(super) wrapped_at: u16,
    /// Are there so few rows that the header is cut short?
    pub(super) short: bool,
    /// The tags as they stand in the lines.
    pub(super) shown_tags: Vec<Clean>,
}

/// The message that is shown.
#[derive(Debug, Clone)]
pub struct Opened {
    /// Its row.
    pub row: Row,
    /// The message, once it is read.
    pub document: Option<Arc<Document>>,
    /// What became of the rest, if only the header was here when it was opened.
    pub rest: Option<Rest>,
    /// Since when.
    pub(super) since: Timestamp,
    /// Has it been marked as read?
    pub(super) marked: bool,
}

/// The rest of a message of which only the header is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rest {
    /// It is on its way; so large is the whole message, in bytes.
    Fetching(u64),
    /// It could not be fetched: why.
    Failed(Clean),
    /// It is on the server, and this account is not connected to any.
    Nowhere(u64),
}

impl Rest {
    /// What is said of it, and whether it is a warning.
    pub(super) fn words(&self) -> (Clean, bool) {
        match self {
            Self::Fetching(size) => (
                Clean::line(&format!("The rest of this message ({}) is on the server; fetching ...", amount(*size))),
                false,
            ),
            Self::Nowhere(size) => (
                Clean::line(&format!(
                    "The rest of this message ({}) is on a server that this account does not know",
                    amount(*size)
                )),
                true,
            ),
            Self::Failed(why) => (
                Clean::line(&format!(
                    "! The rest of this message could not be fetched: {why}. Open it again to try again"
                )),
                true,
            ),
        }
    }
}

/// A size as people read it.
fn amount(bytes: u64) -> String {
    match bytes {
        ..1_000 => format!("{bytes} bytes"),
        1_000..1_000_000 => format!("{} KB", bytes.div_ceil(1_000)),
        _ => format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000),
    }
}

/// A search in the text of a message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Find {
    /// What is looked for, in lower case.
    pub needle: String,
    /// The lines that have it.
    pub lines: Vec<usize>,
}

impl Viewer {
    /// The message, if it is read.
    pub fn document(&self) -> Option<&Document> {
        self.open.as_ref().and_then(|open| open.document.as_deref())
    }

    /// The row of the message, with the flags as they are known best.
    pub fn current_row(&self) -> Option<Row> {
        let open = self.open.as_ref()?;
        Some(self.thread.iter().find(|row| row.message == open.row.message).unwrap_or(&open.row).clone())
    }

    /// The number of the message in its conversation, from 1.
    pub fn number(&self) -> Option<usize> {
        let open = self.open.as_ref()?;
        self.thread.iter().position(|row| row.message == open.row.message).map(|at| at + 1)
    }

    /// The tags and labels of the message.
    pub(super) fn tags(&self) -> Vec<Clean> {
        self.current_row().map_or_else(Vec::new, |row| tags::names(&row.flags, None))
    }

    /// Breaks the lines again, if the message has other tags now; the text stays where it is.
    fn follow_tags(&mut self) {
        if self.document().is_some() && self.source.is_none() && self.tags() != self.shown_tags {
            self.wrap_in_place(self.wrapped_at);
        }
    }

    /// Is its source shown?
    pub fn shows_source(&self) -> bool {
        self.source.is_some()
    }

    /// Shows nothing.
    pub(super) fn close(&mut self) {
        *self = Self { all_headers: self.all_headers, short: self.short, ..Self::default() };
    }

    /// Changes the flags of a message as they are shown here.
    pub(super) fn flag(&mut self, message: RowId, add: &Flags, remove: &Flags) {
        let open = self.open.iter_mut().map(|open| &mut open.row);
        for row in self.thread.iter_mut().chain(open).filter(|row| row.message == message) {
            row.flags = row.flags.union(add).minus(remove);
        }
        self.follow_tags();
    }

    /// Takes over the flags that the list shows.
    pub(super) fn follow_list(&mut self, listed: &[Row]) {
        let own = self.open.iter_mut().map(|open| &mut open.row);
        for row in self.thread.iter_mut().chain(own) {
            let known = listed.iter().find(|known| known.message == row.message && known.messages <= 1);
            if let Some(known) = known {
                row.flags = known.flags.clone();
                row.place = known.place.clone();
            }
        }
        self.follow_tags();
    }

    /// Takes a message out of the conversation; gives back the one to show then.
    pub(super) fn drop_from_thread(&mut self, message: RowId) -> Option<Row> {
        let at = self.thread.iter().position(|row| row.message == message)?;
        self.page.forget(message);
        let mailbox = self.thread.remove(at).mailbox;
        let here = |row: &&Row| row.mailbox == mailbox;
        let later = self.thread.iter().skip(at).find(here);
        later.or_else(|| self.thread.iter().take(at).rev().find(here)).cloned()
    }

    pub(super) fn search(&mut self) {
        if let Some(find) = &mut self.find {
            let has = |line: &ViewLine| line.text().to_lowercase().contains(&find.needle);
            find.lines = self.lines.iter().enumerate().filter(|(_, line)| has(line)).map(|(at, _)| at).collect();
        }
    }

    /// The last line that can be the first on screen.
    pub(super) fn last_top(&self, height: usize) -> usize {
        self.lines.len().saturating_sub(height.max(1))
    }

    /// Is the end of the text on screen?
    pub fn at_end(&self, height: usize) -> bool {
        self.top >= self.last_top(height)
    }

    /// Scrolls by so many lines.
    pub(super) fn scroll(&mut self, by: isize, height: usize) {
        self.top = self.top.saturating_add_signed(by).min(self.last_top(height));
    }

    /// Scrolls to a line.
    pub(super) fn scroll_to(&mut self, line: usize, height: usize) {
        self.top = line.min(self.last_top(height));
    }

    /// Scrolls to the next or previous match. Is there one?
    pub(super) fn next_match(&mut self, forward: bool, height: usize) -> bool {
        let Some(find) = &self.find else { return false };
        let found = if forward {
            find.lines.iter().find(|line| **line > self.top).or(find.lines.first())
        } else {
            find.lines.iter().rev().find(|line| **line < self.top).or(find.lines.last())
        };
        let Some(line) = found.copied() else { return false };
        self.scroll_to(line, height);
        true
    }
}

impl Model {
    /// Opens what a row of the list stands for: its message, or the first unread one of its
    /// conversation.
    pub(super) fn open_list_row(&mut self, row: &Row) -> Vec<Job> {
        let role = self.mailboxes.row(&row.place.mailbox).and_then(|mailbox| mailbox.role);
        if role == Some(Role::Drafts) {
            return self.resume_draft(row.place.clone());
        }
        if row.messages > 1 && row.unread > 0 {
            return self.look_at_thread(row, true);
        }
        self.open_row(row)
    }

    /// Opens a message.
    pub(super) fn open_row(&mut self, row: &Row) -> Vec<Job> {
        let same = self.viewer.thread.iter().any(|known| known.message == row.message);
        if same {
            self.viewer.source = None;
            self.viewer.find = None;
        } else {
            self.viewer.close();
        }
        let served = self.accounts.iter().any(|known| known.id == row.place.mailbox.account && known.server.is_some());
        let rest =
            row.place.unique.stub_size().map(|size| if served { Rest::Fetching(size) } else { Rest::Nowhere(size) });
        let fetches = matches!(rest, Some(Rest::Fetching(_)));
        let document = self.viewer.page.document(row.message);
        self.viewer.open = Some(Opened { row: row.clone(), document, rest, since: self.now, marked: false });
        self.viewer.page.unfold(row.message);
        self.viewer.wrap(self.viewport.view_width);
        self.show_open();
        let mut jobs = self.read_page();
        if fetches {
            jobs.push(Job::Sync(SyncJob::Fetch(row.place.clone())));
        }
        if !same {
            jobs.extend(self.look_at_thread(row, false));
        }
        jobs.extend(self.mark_if_due());
        jobs
    }

    pub(super) fn read_message(&mut self, message: RowId, place: Place) -> Job {
        let ticket = self.ticket();
        self.viewer.asked = Some((ticket, message));
        let width = if self.viewport.view_width == 0 { 80 } else { self.viewport.view_width };
        files(FilesJob::Open { ticket, place, width })
    }

    /// A message was fetched whole, or could not be: shows it, if it is still the one on screen.
    pub(super) fn take_rest(&mut self, stub: &Place, now: Result<Place, Fault>) -> Vec<Job> {
        let row = self.viewer.thread.iter_mut().find(|row| row.place == *stub);
        if let (Some(row), Ok(place)) = (row, &now) {
            row.place = place.clone();
        }
        let Some(open) = self.viewer.open.as_mut().filter(|open| open.row.place == *stub) else { return Vec::new() };
        match now {
            Ok(place) => {
                open.rest = None;
                open.row.place = place.clone();
                let message = open.row.message;
                vec![self.read_message(message, place)]
            }
            Err(fault) => {
                open.rest = Some(Rest::Failed(Clean::line(&fault.to_string())));
                self.viewer.wrap(self.viewport.view_width);
                Vec::new()
            }
        }
    }

    /// Takes in the conversation of a message.
    pub(super) fn take_thread(&mut self, row: &Row, rows: &[Row], open: bool) -> Vec<Job> {
        if open {
            let here = |known: &&Row| known.mailbox == row.mailbox;
            let unread = rows.iter().filter(here).find(|known| !known.flags.has(Flag::Seen));
            let mut first = unread.unwrap_or(row).clone();
            first.messages = 1;
            self.viewer.close();
            self.viewer.thread = rows.to_vec();
            self.viewer.unfold_unread();
            return self.open_row(&first);
        }
        if self.viewer.open.as_ref().is_some_and(|opened| opened.row.message == row.message) {
            let fresh = self.viewer.thread.is_empty();
            self.viewer.thread = rows.to_vec();
            if fresh {
                self.viewer.unfold_unread();
            }
            // The answer may be older than the mark.
            if self.viewer.open.as_ref().is_some_and(|opened| opened.marked) {
                self.viewer.flag(row.message, &Flags::only(Flag::Seen), &Flags::none());
            }
            self.viewer.wrap_in_place(self.viewport.view_width);
            let mut jobs = self.read_page();
            jobs.extend(self.mark_if_due());
            return jobs;
        }
        Vec::new()
    }

    /// Takes in a message.
    pub(super) fn take_document(&mut self, ticket: Ticket, document: Arc<Document>) -> Vec<Job> {
        let Some((_, message)) = self.viewer.asked.take_if(|(asked, _)| *asked == ticket) else { return Vec::new() };
        let now = self.now;
        self.viewer.page.keep(message, Arc::clone(&document));
        if let Some(open) = self.viewer.open.as_mut().filter(|open| open.row.message == message) {
            open.document = Some(document);
            open.since = now;
        }
        self.viewer.wrap_in_place(self.viewport.view_width);
        self.show_open();
        let mut jobs = self.mark_if_due();
        jobs.extend(self.read_page());
        jobs.extend(self.do_awaited(message));
        jobs
    }

    /// The message could not be read. Was it asked for here?
    pub(super) fn document_failed(&mut self, ticket: Ticket) -> bool {
        if let Some((_, message)) = self.viewer.asked.take_if(|(asked, _)| *asked == ticket) {
            if self.viewer.open.as_ref().is_some_and(|open| open.row.message == message) {
                self.viewer.close();
                self.screen = Screen::Browse(Focus::List);
            } else {
                self.viewer.page.fold(message);
            }
            return true;
        }
        self.viewer.asked_source.take_if(|asked| *asked == ticket).is_some()
    }

    /// Marks the message as read, if it has been open long enough.
    pub(super) fn mark_if_due(&mut self) -> Vec<Job> {
        let Some(after) = self.config.ui.mark_read_after else { return Vec::new() };
        let (now, row) = (self.now, self.viewer.current_row());
        let Some(open) = &mut self.viewer.open else { return Vec::new() };
        let due = open.document.is_some() && !open.marked && now.get() - open.since.get() >= i64::from(after);
        let Some(row) = row.filter(|_| due) else { return Vec::new() };
        // The row of a conversation says nothing about this one message: wait for its own row.
        if row.messages > 1 && row.unread > 0 {
            return Vec::new();
        }
        open.marked = true;
        if row.flags.has(Flag::Seen) {
            return Vec::new();
        }
        self.viewer.flag(row.message, &Flags::only(Flag::Seen), &Flags::none());
        self.mark_read(&row)
    }

    /// Breaks the lines again if the viewer has another size now.
    pub(super) fn rewrap(&mut self) {
        let was_short = self.viewer.short;
        // Without rows it is not on screen.
        if self.viewport.view_rows > 0 {
            self.viewer.short = self.viewport.view_rows < ROOMY;
        }
        if self.viewer.wrapped_at != self.viewport.view_width || self.viewer.short != was_short {
            self.viewer.wrap_in_place(self.viewport.view_width);
        }
        let height = usize::from(self.viewport.view_rows);
        self.viewer.scroll(0, height);
        self.show_open();
    }

    /// Shows all header fields, or the usual ones.
    pub(super) fn toggle_headers(&mut self) {
        self.viewer.all_headers = !self.viewer.all_headers;
        self.viewer.wrap(self.viewport.view_width);
        self.viewer.page.settle();
        self.show_open();
    }

    /// Folds or unfolds the first quote at or below the top of the screen.
    pub(super) fn toggle_fold(&mut self) {
        let mut lines = self.viewer.lines.iter().enumerate().skip(self.viewer.top);
        let found = lines.find_map(|(at, line)| Some((at, line.block?)));
        let message = found.and_then(|(at, block)| Some((self.viewer.message_at(at)?, block)));
        if let Some((message, block)) = message {
            self.viewer.page.turn(message, block);
            self.viewer.wrap_in_place(self.viewport.view_width);
            self.rewrap();
        }
    }

    /// Folds all quotes, or none.
    pub(super) fn fold_all(&mut self, fold: bool) {
        self.viewer.rule = if fold { Rule::All } else { Rule::None };
        self.viewer.page.turn_back();
        self.viewer.wrap_in_place(self.viewport.view_width);
        self.rewrap();
    }

    /// Shows the source of the message, or the message again.
    pub(super) fn toggle_source(&mut self) -> Vec<Job> {
        if self.viewer.source.take().is_some() {
            self.viewer.wrap(self.viewport.view_width);
            self.viewer.page.settle();
            self.show_open();
            return Vec::new();
        }
        let mut jobs = Vec::new();
        let in_viewer = self.screen == Screen::Browse(Focus::Viewer);
        let row = if in_viewer { None } else { self.list.current().cloned() };
        if let Some(row) = row {
            self.screen = Screen::Browse(Focus::Viewer);
            jobs.extend(self.open_row(&row));
        }
        let Some(place) = self.viewer.open.as_ref().map(|open| open.row.place.clone()) else { return jobs };
        let ticket = self.ticket();
        self.viewer.asked_source = Some(ticket);
        jobs.push(files(FilesJob::Read { ticket, place }));
        jobs
    }

    /// Takes in the source of a message. Was it asked for here?
    pub(super) fn take_source(&mut self, ticket: Ticket, place: &Place, bytes: &[u8]) -> bool {
        if self.viewer.asked_source.take_if(|asked| *asked == ticket).is_none() {
            return false;
        }
        if self.viewer.open.as_ref().is_some_and(|open| open.row.place == *place) {
            let shown = bytes.get(..MOST_SOURCE).unwrap_or(bytes);
            self.viewer.source = Some(Clean::lines(&String::from_utf8_lossy(shown)));
            self.viewer.top = 0;
            self.viewer.wrap(self.viewport.view_width);
        }
        true
    }

    /// Looks for text in the message.
    pub(super) fn find_in_text(&mut self, needle: &str) {
        if needle.is_empty() {
            self.viewer.find = None;
            return;
        }
        self.viewer.find = Some(Find { needle: needle.to_lowercase(), lines: Vec::new() });
        self.viewer.search();
    }

    /// The next or previous message of the conversation.
    pub(super) fn step_in_thread(&mut self, forward: bool) -> Vec<Job> {
        let Some(at) = self.viewer.number().map(|number| number - 1) else { return Vec::new() };
        let next = if forward { at.checked_add(1) } else { at.checked_sub(1) };
        let Some(row) = next.and_then(|next| self.viewer.thread.get(next)).cloned() else {
            let word = if forward { "last" } else { "first" };
            self.say(super::Level::Info, &format!("This is the {word} message of the conversation"));
            return Vec::new();
        };
        self.open_row(&row)
    }
}
