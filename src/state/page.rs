//! A conversation as one page: its messages in the order of their answers, those that are unfolded whole, the
//! others as one line each. One of them is the message at hand: what is done is done to it. It follows the text as
//! that is scrolled.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::job::Job;
use crate::job::index::Row;
use crate::mail::clean::Clean;
use crate::mail::document::Document;
use crate::mail::flags::Flag;
use crate::mail::ids::RowId;
use crate::mail::tags;

use super::Model;
use super::viewer::{Opened, Viewer};
use super::wrap::{self, Fields, Folds, LineRole, ViewLine, ViewSpan};

/// The most messages that are unfolded because they were not read.
const MOST_UNREAD: usize = 20;

/// What is shown of the messages of a conversation.
#[derive(Debug, Default)]
pub(super) struct Page {
    documents: BTreeMap<RowId, Arc<Document>>,
    unfolded: BTreeSet<RowId>,
    /// The quotes of each message that are not as the rule has them.
    turned: BTreeMap<RowId, BTreeSet<usize>>,
    /// The first line of each message.
    begins: Vec<(usize, RowId)>,
    /// Is the message at hand to stand at the top, as soon as it can?
    settling: bool,
}

impl Page {
    /// A message, if it was read.
    pub(super) fn document(&self, message: RowId) -> Option<Arc<Document>> {
        self.documents.get(&message).cloned()
    }

    /// Takes in a message.
    pub(super) fn keep(&mut self, message: RowId, document: Arc<Document>) {
        self.documents.insert(message, document);
    }

    /// Shows a message whole, and at the top.
    pub(super) fn unfold(&mut self, message: RowId) {
        self.unfolded.insert(message);
        self.settling = true;
    }

    /// Shows one line of a message.
    pub(super) fn fold(&mut self, message: RowId) {
        self.unfolded.remove(&message);
    }

    /// A message is not part of the page any more.
    pub(super) fn forget(&mut self, message: RowId) {
        self.fold(message);
        self.documents.remove(&message);
        self.turned.remove(&message);
    }

    /// The message at hand is to stand at the top.
    pub(super) fn settle(&mut self) {
        self.settling = true;
    }

    /// Folds or unfolds a quote.
    pub(super) fn turn(&mut self, message: RowId, block: usize) {
        let turned = self.turned.entry(message).or_default();
        if !turned.remove(&block) {
            turned.insert(block);
        }
    }

    /// All quotes are as the rule has them.
    pub(super) fn turn_back(&mut self) {
        self.turned.clear();
    }
}

impl Viewer {
    /// Is a conversation shown, and not one message alone?
    pub(super) fn is_page(&self) -> bool {
        self.thread.len() > 1 && self.source.is_none()
    }

    /// Unfolds what was not read, the oldest first.
    pub(super) fn unfold_unread(&mut self) {
        let unread = self.thread.iter().filter(|row| !row.flags.has(Flag::Seen)).take(MOST_UNREAD);
        self.page.unfolded.extend(unread.map(|row| row.message));
    }

    /// The message to which a line belongs.
    pub(super) fn message_at(&self, line: usize) -> Option<RowId> {
        let mut begins = self.page.begins.iter().rev();
        let found = begins.find(|(first, _)| *first <= line).map(|(_, message)| *message);
        found.or_else(|| self.open.as_ref().map(|open| open.row.message))
    }

    /// The first line of a message.
    fn begin_of(&self, message: RowId) -> usize {
        self.page.begins.iter().find(|(_, known)| *known == message).map_or(0, |(first, _)| *first)
    }

    /// Is this the message at hand?
    pub fn is_at_hand(&self, row: &Row) -> bool {
        self.open.as_ref().is_some_and(|open| open.row.message == row.message)
    }

    /// Breaks the lines again; what is at the top of the screen stays there.
    pub(super) fn wrap_in_place(&mut self, width: u16) {
        let at = self.message_at(self.top);
        let before = at.map_or(0, |message| self.begin_of(message));
        let inside = self.top.saturating_sub(before);
        let length = self.length_from(before);
        self.wrap(width);
        let first = at.map_or(0, |message| self.begin_of(message));
        let now = self.length_from(first);
        // Where the width changed, a part of a message is found by how far down it was.
        self.top = first + if length == now { inside } else { inside * now / length.max(1) };
    }

    /// How many lines the message has that begins there.
    fn length_from(&self, first: usize) -> usize {
        let next = self.page.begins.iter().map(|(line, _)| *line).find(|line| *line > first);
        next.unwrap_or(self.lines.len()).saturating_sub(first)
    }

    /// Breaks the lines again, if something about them changed.
    pub(super) fn wrap(&mut self, width: u16) {
        self.wrapped_at = width;
        self.shown_tags = self.tags();
        self.page.begins.clear();
        let columns = usize::from(width);
        self.lines = if let Some(source) = &self.source {
            wrap::source(source, columns)
        } else if self.is_page() {
            self.page_lines(columns)
        } else {
            let row = self.current_row();
            row.map_or_else(Vec::new, |row| self.message_lines(&row, columns))
        };
        self.search();
    }

    fn page_lines(&mut self, columns: usize) -> Vec<ViewLine> {
        let mut lines = Vec::new();
        let mut begins = Vec::with_capacity(self.thread.len());
        for (at, row) in self.thread.iter().enumerate() {
            let whole = self.page.unfolded.contains(&row.message);
            begins.push((lines.len(), row.message));
            let who = ViewSpan { text: row.who.clone(), ..ViewSpan::default() };
            lines.push(ViewLine { role: LineRole::Title { at, whole }, spans: vec![who], ..ViewLine::default() });
            if whole {
                lines.extend(self.message_lines(row, columns));
                lines.push(ViewLine::default());
            }
        }
        self.page.begins = begins;
        lines
    }

    /// The lines of one message; none where it is not read yet and stands alone.
    fn message_lines(&self, row: &Row, columns: usize) -> Vec<ViewLine> {
        let open = self.open.as_ref().filter(|open| open.row.message == row.message);
        let document = open.and_then(|open| open.document.clone()).or_else(|| self.page.document(row.message));
        let Some(document) = document else {
            let mut lines = Vec::new();
            if self.is_page() {
                wrap::note(&Clean::line("Reading ..."), false, columns, &mut lines);
            }
            return lines;
        };
        let turned = self.page.turned.get(&row.message).cloned().unwrap_or_default();
        let folds = Folds { rule: self.rule, turned };
        let fields = match (self.all_headers, self.short) {
            (true, _) => Fields::All,
            (false, true) => Fields::Few,
            (false, false) => Fields::Usual,
        };
        let mut lines = wrap::document(&document, &tags::names(&row.flags, None), fields, &folds, columns);
        if let Some((words, warns)) = open.and_then(|open| open.rest.as_ref()).map(super::viewer::Rest::words) {
            wrap::note(&words, warns, columns, &mut lines);
        }
        lines
    }
}

impl Model {
    /// Puts the message at hand at the top, where it was opened and not scrolled since.
    pub(super) fn show_open(&mut self) {
        if !self.viewer.page.settling {
            return;
        }
        let height = usize::from(self.viewport.view_rows);
        let first = self.viewer.open.as_ref().map_or(0, |open| self.viewer.begin_of(open.row.message));
        self.viewer.scroll_to(first, height);
    }

    /// Asks for the next message that is unfolded and was not read yet, the one at hand first.
    pub(super) fn read_page(&mut self) -> Vec<Job> {
        let open = self.viewer.open.as_ref().map(|open| &open.row);
        let unread = |row: &&Row| {
            self.viewer.page.unfolded.contains(&row.message) && !self.viewer.page.documents.contains_key(&row.message)
        };
        let next = open.into_iter().chain(&self.viewer.thread).find(unread);
        let Some((message, place)) = next.map(|row| (row.message, row.place.clone())) else { return Vec::new() };
        if self.viewer.asked.is_some_and(|(_, asked)| asked == message) {
            return Vec::new();
        }
        vec![self.read_message(message, place)]
    }

    /// Scrolls; the message at hand is then the one that is read.
    pub(super) fn scroll_page(&mut self, by: isize) -> Vec<Job> {
        let height = usize::from(self.viewport.view_rows);
        self.viewer.scroll(by, height);
        self.follow_text()
    }

    /// Scrolls to a line.
    pub(super) fn scroll_page_to(&mut self, line: usize) -> Vec<Job> {
        let height = usize::from(self.viewport.view_rows);
        self.viewer.scroll_to(line, height);
        self.follow_text()
    }

    /// The message at hand is the one a third down the screen; at the ends of the page the first and the last one.
    fn follow_text(&mut self) -> Vec<Job> {
        self.viewer.page.settling = false;
        let height = usize::from(self.viewport.view_rows);
        let (at_top, at_end) = (self.viewer.top == 0, self.viewer.at_end(height));
        if !self.viewer.is_page() || (at_top && at_end) {
            return Vec::new();
        }
        let line = match (at_top, at_end) {
            (true, _) => 0,
            (_, true) => self.viewer.lines.len().saturating_sub(1),
            _ => self.viewer.top + height / 3,
        };
        let message = self.viewer.message_at(line);
        let row = self.viewer.thread.iter().find(|row| Some(row.message) == message).cloned();
        let Some(row) = row.filter(|row| !self.viewer.is_at_hand(row)) else { return Vec::new() };
        let document = self.viewer.page.document(row.message);
        self.viewer.open = Some(Opened { row, document, rest: None, since: self.now, marked: false });
        self.viewer.shown_tags = self.viewer.tags();
        self.mark_if_due()
    }

    /// Unfolds the message at hand, or folds it.
    pub(super) fn turn_message(&mut self) -> Vec<Job> {
        let Some(row) = self.viewer.current_row().filter(|_| self.viewer.is_page()) else { return Vec::new() };
        if self.viewer.page.unfolded.contains(&row.message) {
            self.viewer.page.fold(row.message);
            self.viewer.wrap_in_place(self.viewport.view_width);
            self.rewrap();
            return Vec::new();
        }
        self.open_row(&row)
    }
}
