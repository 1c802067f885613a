//! A list as it is shown: that of its SQL index, without what is asleep, behind what came back, and with the
//! messages of conversations that are unfolded.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OptionalExtension as _, Result};

use super::conversation::{self, Entry};
use super::layout::{Layout, Slot};
use super::ordered::{Ordered, What};
use super::rows::{Folder, Index, Who, Window, conversation_row, moved, row, thread_of};
use super::{threads, timers};
use crate::job::index::{ListSpec, Only, Order, Row, Source};
use crate::mail::ids::RowId;
use crate::mail::notes::Timing;

/// The most conversations that are unfolded in one list.
const MAX_UNFOLDED: usize = 100;

/// A row that stands first.
enum Pinned {
    /// A message, and the mailbox in which it is shown.
    Message { message: i64, mailbox: i64 },
    /// A conversation of the list.
    Conversation { newest: i64, thread: i64, timing: Option<Timing> },
}

/// A list and how it is laid out.
struct Shown<'a> {
    db: &'a Connection,
    folders: &'a BTreeMap<i64, Folder>,
    ordered: &'a Ordered,
    layout: Layout,
    pinned: Vec<Pinned>,
    /// The messages of each conversation that is unfolded, by its row.
    parts: BTreeMap<usize, Vec<Entry>>,
}

impl Index {
    /// A window of a list whose order an SQL index has.
    pub(super) fn shown_window(
        &self,
        list: &ListSpec,
        ordered: &Ordered,
        folders: &BTreeMap<i64, Folder>,
        (first, count): (usize, usize),
        anchor: Option<RowId>,
    ) -> Result<Window> {
        let shown = Shown::of(&self.db, list, ordered, folders)?;
        let total = shown.layout.total();
        let anchor = match anchor {
            Some(anchor) => shown.position(anchor.0)?,
            None => None,
        };
        let first = moved(first, count, anchor, total);
        let rows = shown.rows(first, count)?;
        Ok(Window { first, total, counted: true, rows, anchor })
    }

    /// Is a message left out of lists for now?
    pub(super) fn is_asleep(&self, message: i64) -> Result<bool> {
        self.db
            .prepare_cached("SELECT 1 FROM timed WHERE message = ?1 AND state = ?2")?
            .exists([message, timers::ASLEEP])
    }
}

impl<'a> Shown<'a> {
    fn of(
        db: &'a Connection,
        list: &ListSpec,
        ordered: &'a Ordered,
        folders: &'a BTreeMap<i64, Folder>,
    ) -> Result<Self> {
        let rows = ordered.total(db)?;
        let layout = Layout { rows, ..Layout::default() };
        let mut shown = Self { db, folders, ordered, layout, pinned: Vec::new(), parts: BTreeMap::new() };
        shown.leave_out_asleep()?;
        shown.pin(list)?;
        shown.unfold(list)?;
        Ok(shown)
    }

    /// The position of a message in the SQL index.
    fn row_of(&self, message: i64) -> Result<Option<usize>> {
        self.ordered.position(self.db, message, self.layout.rows)
    }

    fn leave_out_asleep(&mut self) -> Result<()> {
        let What::Places(mailboxes) = &self.ordered.what else { return Ok(()) };
        let mut find = self.db.prepare_cached(
            "SELECT p.message, p.mailbox FROM timed t CROSS JOIN places p ON p.message = t.message WHERE t.state = ?1",
        )?;
        let mut asleep = BTreeSet::new();
        let mut rows = find.query([timers::ASLEEP])?;
        while let Some(row) = rows.next()? {
            if mailboxes.contains(&row.get(1)?) {
                asleep.insert(row.get::<_, i64>(0)?);
            }
        }
        for message in asleep {
            let at = self.row_of(message)?;
            self.layout.gone.extend(at);
        }
        Ok(())
    }

    /// In an inbox, newest first, what came back stands first, and so does what nobody answered.
    fn pin(&mut self, list: &ListSpec) -> Result<()> {
        let inbox = match &list.source {
            Source::Mailbox(mailbox) => mailbox.name.is_inbox().then_some(Some(&mailbox.account)),
            Source::Unified => Some(None),
            Source::Search { .. } => None,
        };
        let Some(account) = inbox.filter(|_| list.only == Only::All && list.order == Order::default()) else {
            return Ok(());
        };
        let is_meant = |folder: &Folder| account.is_none_or(|account| folder.id.account == *account);
        for (message, timing) in timers::due(self.db)? {
            let places: Vec<i64> = self
                .db
                .prepare_cached("SELECT mailbox FROM places WHERE message = ?1")?
                .query_map([message], |row| row.get(0))?
                .collect::<Result<_>>()?;
            let mut places: Vec<(&Folder, i64)> =
                places.into_iter().filter_map(|row| self.folders.get(&row).map(|folder| (folder, row))).collect();
            places.retain(|(folder, _)| is_meant(folder));
            places.sort_by_key(|(folder, row)| (folder.rank(), *row));
            let Some((folder, mailbox)) = places.first().copied() else { continue };
            match timing {
                Timing::Unanswered(_) => self.pinned.push(Pinned::Message { message, mailbox }),
                Timing::Returned(_) if folder.id.name.is_inbox() => self.pin_returned(message, mailbox, timing)?,
                Timing::Returned(_) | Timing::Asleep(_) | Timing::Awaited(_) => continue,
            }
            let at = self.row_of(message)?;
            self.layout.gone.extend(at.filter(|_| self.is_by_message() || matches!(timing, Timing::Returned(_))));
        }
        self.layout.pinned = self.pinned.len();
        Ok(())
    }

    fn is_by_message(&self) -> bool {
        matches!(self.ordered.what, What::Places(_))
    }

    fn pin_returned(&mut self, message: i64, mailbox: i64, timing: Timing) -> Result<()> {
        let What::Conversations(of) = self.ordered.what else {
            self.pinned.push(Pinned::Message { message, mailbox });
            return Ok(());
        };
        let Some(thread) = thread_of(self.db, message)? else { return Ok(()) };
        let is_known =
            |pinned: &Pinned| matches!(pinned, Pinned::Conversation { thread: known, .. } if *known == thread);
        if let Some(newest) = newest_of(self.db, of, thread)?
            && !self.pinned.iter().any(is_known)
        {
            self.pinned.push(Pinned::Conversation { newest, thread, timing: Some(timing) });
        }
        Ok(())
    }

    fn unfold(&mut self, list: &ListSpec) -> Result<()> {
        let What::Conversations(of) = self.ordered.what else { return Ok(()) };
        for thread in list.unfolded.iter().take(MAX_UNFOLDED) {
            let thread = threads::current(self.db, thread.0)?;
            let Some(newest) = newest_of(self.db, of, thread)? else { continue };
            let Some(at) = self.row_of(newest)?.filter(|at| !self.layout.gone.contains(at)) else { continue };
            let entries = conversation::entries(self.db, thread, self.folders)?;
            if !entries.is_empty() {
                self.layout.unfolded.insert(at, entries.len());
                self.parts.insert(at, entries);
            }
        }
        Ok(())
    }

    /// Where a message stands in the list, or its conversation.
    fn position(&self, message: i64) -> Result<Option<usize>> {
        let thread = thread_of(self.db, message)?;
        let is_it = |pinned: &Pinned| match pinned {
            Pinned::Message { message: known, .. } => *known == message,
            Pinned::Conversation { thread: known, .. } => Some(*known) == thread,
        };
        if let Some(at) = self.pinned.iter().position(is_it) {
            return Ok(Some(at));
        }
        let Some(at) = self.row_of(message)? else { return Ok(None) };
        let slot = match self.parts.get(&at) {
            Some(entries) => {
                let nth = entries.iter().position(|entry| entry.message == message);
                Slot::Part(at, nth.unwrap_or_default())
            }
            None => Slot::Row(at),
        };
        Ok(self.layout.position(slot))
    }

    fn rows(&self, first: usize, count: usize) -> Result<Vec<Row>> {
        let slots = self.layout.slots(first, count);
        let plain = slots.iter().filter_map(|slot| match slot {
            Slot::Row(at) => Some(*at),
            Slot::Pinned(_) | Slot::Part(..) => None,
        });
        let (from, until) = plain.fold((usize::MAX, 0), |(from, until), at| (from.min(at), until.max(at + 1)));
        let stretch = if from < until {
            self.ordered.stretch(self.db, from, until - from, self.layout.rows)?
        } else {
            Vec::new()
        };
        let mut rows = Vec::with_capacity(slots.len());
        for slot in slots {
            rows.extend(match slot {
                Slot::Row(at) => match stretch.get(at.saturating_sub(from)) {
                    Some((message, of)) => self.row(*message, *of)?,
                    None => None,
                },
                Slot::Pinned(at) => match self.pinned.get(at) {
                    Some(Pinned::Message { message, mailbox }) => {
                        row(self.db, *message, *mailbox, self.folders, Who::ByMailbox)?
                    }
                    Some(Pinned::Conversation { newest, thread, timing }) => {
                        self.row(*newest, *thread)?.map(|row| Row { timing: *timing, ..row })
                    }
                    None => None,
                },
                Slot::Part(of, nth) => match self.parts.get(&of).and_then(|entries| entries.get(nth)) {
                    Some(entry) => row(self.db, entry.message, entry.mailbox, self.folders, Who::Author)?
                        .map(|row| Row { depth: entry.depth, unfolded: true, ..row }),
                    None => None,
                },
            });
        }
        Ok(rows)
    }

    /// A row of the SQL index.
    fn row(&self, message: i64, of: i64) -> Result<Option<Row>> {
        match self.ordered.what {
            What::Places(_) => row(self.db, message, of, self.folders, Who::ByMailbox),
            What::Conversations(list) => conversation_row(self.db, list, message, of, self.folders),
        }
    }
}

/// The newest message of a conversation in a list of conversations.
fn newest_of(db: &Connection, list: i64, thread: i64) -> Result<Option<i64>> {
    db.prepare_cached("SELECT newest FROM conversations WHERE mailbox = ?1 AND thread = ?2")?
        .query_row([list, thread], |row| row.get(0))
        .optional()
}
