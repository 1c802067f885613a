//! The list: a window of rows around what is on screen, never a whole mailbox. The cursor is a
//! position and, where its row is known, a message; a refresh keeps it on the message. What the user
//! has just changed is laid over the rows until the index has taken it in.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::job::index::{Grouping, IndexJob, ListSpec, Row, SearchScope, Source};
use crate::job::{Job, Ticket};
use crate::mail::clean::Clean;
use crate::mail::ids::{RowId, Timestamp};
use crate::mail::notes::Identity;
use crate::mail::place::MailboxId;
use crate::query::Marks;
use crate::query::ast::Field;

use super::change::Changes;
use super::{Focus, Model, Screen};

/// The least rows that are asked for at once.
const LEAST: usize = 60;
/// The most.
const MOST: usize = 1_000;
/// After so many seconds an answer is not waited for any longer.
const PATIENCE: i64 = 10;

/// The list.
#[derive(Debug)]
pub struct List {
    /// What is listed; nothing where there is no account.
    pub spec: Option<ListSpec>,
    /// How mailboxes are listed.
    pub grouping: Grouping,
    /// The rows of the window, as shown.
    pub rows: Vec<Row>,
    /// The position of the first of them.
    pub first: usize,
    /// How many rows the list has, as far as is known.
    pub total: usize,
    /// Is that final?
    pub counted: bool,
    /// Has anything been answered yet?
    pub known: bool,
    /// The position of the cursor.
    pub cursor: usize,
    /// The position of the first row on screen.
    pub top: usize,
    /// The selected rows.
    pub selected: BTreeMap<RowId, Row>,
    /// Where a range was begun.
    pub range: Option<usize>,
    /// The search, if the list is one.
    pub search: Option<SearchInfo>,
    /// What has been changed and is not in the index yet.
    pub(super) changes: Changes,
    /// The list before the search.
    pub(super) back: Option<Back>,
    pub(super) base: Vec<Row>,
    base_total: usize,
    asked: Option<Asked>,
    /// Messages that an undo brings back: the cursor goes to the first that is shown again.
    pub(super) awaited: BTreeSet<Identity>,
    /// What was answered with rows that are not all counted yet: there will be another answer.
    counting: Option<Asked>,
    dirty: bool,
}

/// A search as typed.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchInfo {
    /// The text.
    pub text: String,
    /// Where it looks.
    pub scope: SearchScope,
    /// What is wrong with the text, if something is.
    pub problem: Option<String>,
    /// The name of the saved search that it is.
    pub saved: Option<Clean>,
    /// What it looks for, to be marked in list and message.
    pub(super) marks: Marks,
}

/// A part of what is shown, as far as queries tell parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// Who wrote it, and to whom.
    People,
    /// The subject.
    Subject,
    /// All of a message.
    Message,
}

impl SearchInfo {
    /// Where a text of that part has what is searched for, in bytes.
    pub fn marked(&self, part: Shown, text: &str) -> Vec<Range<usize>> {
        match part {
            Shown::People => self.marks.find(text, &[Field::From, Field::To, Field::Cc]),
            Shown::Subject => self.marks.find(text, &[Field::Subject]),
            Shown::Message => {
                use Field::{Body, Cc, File, From, List, Subject, To};
                self.marks.find(text, &[From, To, Cc, Subject, Body, List, File])
            }
        }
    }
}

/// A list to go back to.
#[derive(Debug, Clone)]
pub(super) struct Back {
    spec: ListSpec,
    row: Option<RowId>,
    cursor: usize,
    top: usize,
    search: Option<SearchInfo>,
}

impl Back {
    /// Is it the list of this source?
    pub(super) fn is(&self, spec: Option<&ListSpec>) -> bool {
        Some(&self.spec) == spec
    }

    /// The search that the list was.
    pub(super) fn search(&self) -> Option<SearchInfo> {
        self.search.clone()
    }

    /// The mailbox that was listed.
    pub(super) fn mailbox(&self) -> Option<&MailboxId> {
        match &self.spec.source {
            Source::Mailbox(mailbox) => Some(mailbox),
            Source::Unified | Source::Search { .. } => None,
        }
    }
}

/// A question that is on its way.
#[derive(Debug, Clone, Copy)]
struct Asked {
    ticket: Ticket,
    first: usize,
    count: usize,
    anchor: Option<RowId>,
    /// Where the cursor was.
    from: usize,
    /// Was the row asked for in order to jump there, and open it?
    jump: Jump,
    at: Timestamp,
}

/// Why a row was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Jump {
    /// To keep the cursor where it is.
    Stay,
    /// To put the cursor there.
    To,
    /// To put the cursor there and open it.
    Open,
}

/// An answer.
pub(super) struct Answer {
    pub(super) ticket: Ticket,
    pub(super) first: usize,
    pub(super) total: usize,
    pub(super) counted: bool,
    pub(super) rows: Vec<Row>,
    pub(super) anchor: Option<usize>,
}

impl List {
    /// An empty list.
    pub(super) fn new(grouping: Grouping) -> Self {
        Self {
            spec: None,
            grouping,
            rows: Vec::new(),
            first: 0,
            total: 0,
            counted: true,
            known: false,
            cursor: 0,
            top: 0,
            selected: BTreeMap::new(),
            range: None,
            search: None,
            changes: Changes::default(),
            back: None,
            base: Vec::new(),
            base_total: 0,
            asked: None,
            counting: None,
            awaited: BTreeSet::new(),
            dirty: false,
        }
    }

    /// The row at a position, where it is known.
    pub fn row(&self, position: usize) -> Option<&Row> {
        position.checked_sub(self.first).and_then(|at| self.rows.get(at))
    }

    /// The row under the cursor.
    pub fn current(&self) -> Option<&Row> {
        self.row(self.cursor)
    }

    /// Is this position in the range that is being selected?
    pub fn in_range(&self, position: usize) -> bool {
        self.range.is_some_and(|from| (from.min(self.cursor)..=from.max(self.cursor)).contains(&position))
    }

    /// The position of a message, where it is in the window.
    pub fn position(&self, row: RowId) -> Option<usize> {
        self.rows.iter().position(|known| known.message == row).map(|at| self.first + at)
    }

    /// The mailbox that is listed, if it is one.
    pub fn mailbox(&self) -> Option<&MailboxId> {
        match &self.spec.as_ref()?.source {
            Source::Mailbox(mailbox) => Some(mailbox),
            Source::Unified | Source::Search { .. } => None,
        }
    }

    /// Lays what has been changed over the rows of the index. The cursor stays on its row, or goes to the next one
    /// that is left, whatever went above it.
    pub(super) fn lay_changes(&mut self) {
        let at = self.cursor.checked_sub(self.first).unwrap_or(usize::MAX);
        let below: Vec<RowId> = self.rows.iter().skip(at).map(|row| row.message).collect();
        self.rows = self.changes.lay_over(&self.base);
        self.total = self.base_total.saturating_sub(self.base.len() - self.rows.len());
        self.cursor = below.iter().find_map(|row| self.position(*row)).unwrap_or(self.cursor);
        self.clamp();
    }

    fn clamp(&mut self) {
        self.cursor = self.cursor.min(self.total.saturating_sub(1));
        self.top = self.top.min(self.cursor);
    }

    /// Turns the page so that the cursor is on screen. The list turns by pages and does not scroll by
    /// rows: a row that moves would have to be sent to the terminal again, and with it all others.
    pub(super) fn follow(&mut self, height: usize) {
        self.clamp();
        let height = height.max(1);
        if self.cursor < self.top {
            self.top = (self.cursor + 1).saturating_sub(height);
        } else if self.cursor >= self.top + height {
            self.top = self.cursor;
        }
        // The last page is full.
        self.top = self.top.min(self.total.saturating_sub(height)).min(self.cursor);
    }

    /// The window that fits around what is on screen.
    fn window(&self, height: usize) -> (usize, usize) {
        let height = height.max(1);
        let first = self.top.saturating_sub(height * 2);
        (first, (height * 6).clamp(LEAST, MOST))
    }

    /// Is what is on screen in the window, with half a page around it?
    fn covered(&self, height: usize, first: usize, count: usize) -> bool {
        let margin = height / 2;
        let from = self.top.saturating_sub(margin);
        let until = (self.top + height + margin).min(self.total);
        first <= from && until <= first + count
    }

    /// Takes in an answer. Gives back the row to open, if the answer was asked for to open it.
    pub(super) fn answer(&mut self, answer: Answer, height: usize) -> Option<Row> {
        let asked = match self.asked.take_if(|asked| asked.ticket == answer.ticket) {
            Some(asked) => asked,
            // What was asked since then knows better.
            None if self.asked.is_some() => return None,
            None => self.counting.take_if(|counting| counting.ticket == answer.ticket)?,
        };
        if !answer.counted && answer.rows.is_empty() {
            // It cannot be said yet what comes first; what is shown stays until then.
            self.counting = Some(asked);
            return None;
        }
        let empty = !self.known;
        self.known = true;
        // A list that is counted anew has about as many rows as before, until that is known.
        let known = if self.counted && !answer.counted && !empty { self.base_total } else { 0 };
        self.counted = answer.counted || known > 0;
        self.first = answer.first;
        self.base = answer.rows;
        self.base_total = answer.total.max(known);
        self.changes.settled(answer.ticket);
        let hidden_before = |position: usize| {
            let before = self.base.iter().take(position.saturating_sub(answer.first));
            before.filter(|row| self.changes.hides(row.message)).count()
        };
        let anchored = answer.anchor.map(|position| position - hidden_before(position).min(position));
        let again = Asked { from: anchored.unwrap_or(asked.from), jump: Jump::Stay, ..asked };
        self.counting = (!answer.counted).then_some(again);
        let old = self.cursor;
        self.rows = self.changes.lay_over(&self.base);
        self.total = self.base_total.saturating_sub(self.base.len() - self.rows.len());
        if let Some(position) = anchored {
            match asked.jump {
                // New rows above push the page down with the cursor, unless the top was on screen.
                // The cursor may have gone on while the question was on its way.
                Jump::Stay => {
                    self.cursor = (old + position).saturating_sub(asked.from).min(self.total.saturating_sub(1));
                    if self.top > 0 {
                        self.top = (self.top + self.cursor).saturating_sub(old);
                    }
                }
                Jump::To | Jump::Open => {
                    self.cursor = position;
                    self.top = position.saturating_sub(height / 3);
                }
            }
        } else if empty && asked.jump == Jump::Stay && asked.anchor.is_none() {
            self.top = self.top.min(self.cursor);
        }
        self.follow(height);
        let fresh: Vec<Row> =
            self.rows.iter().filter(|row| self.selected.contains_key(&row.message)).cloned().collect();
        self.selected.extend(fresh.into_iter().map(|row| (row.message, row)));
        let wanted = asked.jump == Jump::Open && anchored.is_some();
        if wanted { self.current().cloned() } else { None }
    }

    /// The question failed.
    pub(super) fn failed(&mut self, ticket: Ticket) -> bool {
        self.asked.take_if(|asked| asked.ticket == ticket).is_some()
    }

    /// What is shown is old: ask again at the next chance.
    pub(super) fn out_of_date(&mut self) {
        self.dirty = true;
    }

    /// Folders have other names now: what is listed, and what the list goes back to, goes with them.
    pub(super) fn follow_folders(&mut self, follow: &impl Fn(&mut MailboxId)) {
        if let Some(spec) = &mut self.spec {
            follow_source(&mut spec.source, follow);
        }
        self.follow_back(follow);
        if let Some(SearchInfo { scope: SearchScope::Mailbox(mailbox), .. }) = &mut self.search {
            follow(mailbox);
        }
        let rows = self.rows.iter_mut().chain(&mut self.base).chain(self.selected.values_mut());
        rows.for_each(|row| {
            follow(&mut row.place.mailbox);
            follow(&mut row.mailbox);
        });
    }

    /// The same for what the list goes back to alone.
    pub(super) fn follow_back(&mut self, follow: &impl Fn(&mut MailboxId)) {
        if let Some(back) = &mut self.back {
            follow_source(&mut back.spec.source, follow);
        }
    }

    /// Where the list is, to come back to.
    pub(super) fn bookmark(&self) -> Option<Back> {
        let row = self.current().map(|row| row.message);
        let (cursor, top, search) = (self.cursor, self.top, self.search.clone());
        self.spec.clone().map(|spec| Back { spec, row, cursor, top, search })
    }

    /// Is it a search that one leaves for the list before it? A saved one stands for itself, as a folder does.
    pub(super) fn is_passing(&self) -> bool {
        self.search.is_some() && self.back.is_some()
    }
}

fn follow_source(source: &mut Source, follow: &impl Fn(&mut MailboxId)) {
    match source {
        Source::Mailbox(mailbox) | Source::Search { scope: SearchScope::Mailbox(mailbox), .. } => follow(mailbox),
        Source::Unified | Source::Search { .. } => {}
    }
}

impl Model {
    pub(super) fn height(&self) -> usize {
        usize::from(self.viewport.list_rows).max(1)
    }

    /// Shows another list, from its newest message.
    pub(super) fn show_list(&mut self, spec: ListSpec) -> Vec<Job> {
        let changes = std::mem::take(&mut self.list.changes);
        let (grouping, back) = (self.list.grouping, self.list.back.take());
        self.list = List { changes, back, spec: Some(spec), ..List::new(grouping) };
        let mut jobs = self.ask_rows(None, Jump::Stay);
        if let Some(mailbox) = self.list.mailbox() {
            jobs.push(Job::Sync(crate::job::SyncJob::Visible(mailbox.clone())));
        }
        jobs
    }

    /// Goes back to a list, with its cursor.
    pub(super) fn show_again(&mut self, back: Back) -> Vec<Job> {
        let mut jobs = self.show_list(back.spec);
        self.list.search = back.search;
        self.list.cursor = back.cursor;
        self.list.top = back.top;
        self.list.total = back.cursor + 1;
        if let Some(mailbox) = self.list.mailbox() {
            self.mailboxes.leave_search(mailbox);
        }
        jobs.retain(|job| !matches!(job, Job::Index(IndexJob::Rows { .. })));
        jobs.extend(self.ask_rows(back.row, Jump::Stay));
        jobs
    }

    /// Asks for the rows around what is on screen; with an anchor, around that message.
    pub(super) fn ask_rows(&mut self, anchor: Option<RowId>, jump: Jump) -> Vec<Job> {
        let Some(list) = self.list.spec.clone() else { return Vec::new() };
        let ticket = self.ticket();
        let (first, count) = self.list.window(self.height());
        self.list.asked = Some(Asked { ticket, first, count, anchor, from: self.list.cursor, jump, at: self.now });
        self.list.dirty = false;
        vec![Job::Index(IndexJob::Rows { ticket, list, first, count, anchor })]
    }

    /// Asks again because something changed, once the question before is answered.
    pub(super) fn refresh_list(&mut self) -> Vec<Job> {
        if self.list.asked.is_some() {
            self.list.dirty = true;
            return Vec::new();
        }
        let anchor = self.list.current().map(|row| row.message);
        // At the very top, one wants to see what arrives; the message keeps the cursor all the same.
        self.ask_rows(anchor, Jump::Stay)
    }

    /// Asks for what is missing on screen.
    pub(super) fn fill_list(&mut self) -> Vec<Job> {
        let height = self.height();
        if let Some(asked) = self.list.asked {
            if self.now.get() - asked.at.get() > PATIENCE {
                self.list.asked = None;
                return self.refresh_list();
            }
            if asked.anchor.is_some() || self.list.covered(height, asked.first, asked.count) {
                return Vec::new();
            }
        } else if self.list.dirty {
            return self.refresh_list();
        } else if !self.list.known || self.list.covered(height, self.list.first, self.list.rows.len()) {
            return Vec::new();
        }
        self.ask_rows(None, Jump::Stay)
    }

    /// Puts the cursor on a position.
    pub(super) fn move_to(&mut self, position: usize) -> Vec<Job> {
        self.list.cursor = position;
        self.list.follow(self.height());
        self.fill_list()
    }

    /// Puts the cursor on a position of its own, not some rows on: an answer on its way would carry it along with
    /// the row that it was on before.
    pub(super) fn jump_to(&mut self, position: usize) -> Vec<Job> {
        if self.list.asked.take_if(|asked| asked.anchor.is_some()).is_some() {
            self.list.out_of_date();
        }
        self.move_to(position)
    }

    /// Moves the cursor by so many rows.
    pub(super) fn move_by(&mut self, rows: isize) -> Vec<Job> {
        let position = self.list.cursor.saturating_add_signed(rows);
        self.move_to(position)
    }

    /// Takes in rows.
    pub(super) fn take_rows(&mut self, spec: &ListSpec, answer: Answer) -> Vec<Job> {
        if self.list.spec.as_ref() != Some(spec) {
            return Vec::new();
        }
        let height = self.height();
        let mut jobs = Vec::new();
        let open = self.list.answer(answer, height);
        let back = self.list.return_to_awaited(height);
        self.viewer.follow_list(&self.list.rows);
        if let Some(row) = open.or(back.filter(|_| self.screen == Screen::Browse(Focus::Viewer))) {
            self.screen = Screen::Browse(Focus::Viewer);
            jobs.extend(self.open_row(&row));
        }
        jobs.extend(self.fill_list());
        jobs
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::mail::clean::Clean;
    use crate::mail::flags::Flags;
    use crate::mail::ids::{AccountId, ThreadId};
    use crate::mail::mailbox::MailboxName;
    use crate::mail::notes::Identity;
    use crate::mail::place::{Place, UniqueName};

    /// A row in a list.
    pub(in crate::state) fn row(thread: i64, depth: u16, unfolded: bool) -> Row {
        let mailbox = MailboxId { account: AccountId::new("ada"), name: MailboxName::inbox() };
        Row {
            message: RowId(1),
            thread: ThreadId(thread),
            place: Place { mailbox: mailbox.clone(), unique: UniqueName::new("1.host").unwrap() },
            mailbox,
            who: Clean::line("Grace"),
            subject: Clean::line("figs"),
            date: Timestamp::new(0),
            flags: Flags::none(),
            attachment: false,
            list: false,
            messages: 1,
            unread: 0,
            size: 1,
            depth,
            id: Identity::Bytes(1),
            timing: None,
            unfolded,
        }
    }

    #[test]
    fn a_step_made_while_new_rows_are_on_their_way_is_kept() {
        let mut list = List { cursor: 4, total: 10, ..List::new(Grouping::Flat) };
        let asked = |from| Asked {
            ticket: Ticket(7),
            first: 0,
            count: 50,
            anchor: Some(RowId(1)),
            from,
            jump: Jump::Stay,
            at: Timestamp::new(0),
        };
        let answer =
            |total| Answer { ticket: Ticket(7), first: 0, total, counted: true, rows: Vec::new(), anchor: Some(6) };
        // Two came above the message on row 4, and meanwhile the user went on to row 5.
        list.asked = Some(asked(4));
        list.cursor = 5;
        list.answer(answer(12), 20);
        assert_eq!(list.cursor, 7);
        list.asked = Some(asked(6));
        list.cursor = 11;
        list.answer(answer(9), 20);
        assert_eq!(list.cursor, 8, "the last row is the last");
    }

    #[test]
    fn rows_that_were_not_all_counted_are_answered_twice() {
        let mut list = List::new(Grouping::Flat);
        let question = Asked {
            ticket: Ticket(7),
            first: 0,
            count: 50,
            anchor: None,
            from: 0,
            jump: Jump::Stay,
            at: Timestamp::new(0),
        };
        let row = row(1, 0, false);
        let answer = |total, counted, rows: &[Row]| Answer {
            ticket: Ticket(7),
            first: 0,
            total,
            counted,
            rows: rows.to_vec(),
            anchor: None,
        };
        list.asked = Some(question);
        list.answer(answer(0, false, &[]), 20);
        assert!(!list.known, "nothing is known of it");
        let rows = vec![row; 5];
        list.answer(answer(5, false, &rows), 20);
        assert!(list.known && !list.counted);
        list.cursor = 3;
        list.answer(answer(5, true, &rows), 20);
        assert_eq!((list.counted, list.total, list.cursor), (true, 5, 3));
        list.answer(answer(9, true, &[]), 20);
        assert_eq!(list.total, 5, "nobody asked any more");
        // It is asked again because something changed: what was known is not unlearnt until it is counted anew.
        list.asked = Some(question);
        list.answer(answer(2, false, &rows), 20);
        assert_eq!((list.counted, list.total), (true, 5));
        list.answer(answer(4, true, &rows), 20);
        assert_eq!((list.counted, list.total), (true, 4));
    }
}
