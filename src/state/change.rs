//! What the user has just changed, laid over the rows of the index until the index has taken it in:
//! the screen shows a wish at once, and takes it back if it cannot be fulfilled.

use std::collections::BTreeSet;

use crate::job::index::Row;
use crate::job::{Changed, Ticket};
use crate::mail::flags::{Flag, Flags};
use crate::mail::ids::{RowId, Timestamp};
use crate::mail::place::{MailboxId, Place};

/// After so many seconds the index is believed, whatever became of the wish.
const PATIENCE: i64 = 30;

/// Changes on their way, oldest first.
#[derive(Debug, Default)]
pub(super) struct Changes(Vec<Change>);

#[derive(Debug)]
struct Change {
    tickets: Vec<Ticket>,
    what: What,
    rows: BTreeSet<RowId>,
    left: BTreeSet<Place>,
    mailboxes: BTreeSet<MailboxId>,
    stage: Stage,
    since: Timestamp,
}

/// How a change looks on a row.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum What {
    /// The row is not in this list any more.
    Gone,
    /// All messages of the row have these flags more and less.
    Flags {
        /// More.
        add: Flags,
        /// Less.
        remove: Flags,
    },
    /// One message of the row is read now.
    OneRead,
}

/// How far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The wish is on its way to the disk.
    Sent,
    /// It is on the disk.
    Filed,
    /// It is in the index: rows asked for from this ticket on show it.
    Indexed(Ticket),
}

impl Changes {
    /// Shows a change from now on.
    pub(super) fn begin(&mut self, what: What, rows: BTreeSet<RowId>, ticket: Ticket, since: Timestamp) {
        self.0.push(Change {
            tickets: vec![ticket],
            what,
            rows,
            left: BTreeSet::new(),
            mailboxes: BTreeSet::new(),
            stage: Stage::Sent,
            since,
        });
    }

    /// The change that was begun with `begun` is carried out by the job `ticket` on these places.
    pub(super) fn carried<'a>(&mut self, begun: Ticket, ticket: Ticket, places: impl Iterator<Item = &'a Place>) {
        let places: Vec<&Place> = places.collect();
        // Rows that go and rows that only look other than before are two changes of one act.
        for change in self.0.iter_mut().filter(|change| change.tickets.contains(&begun)) {
            change.tickets.push(ticket);
            for place in places.iter().copied() {
                change.mailboxes.insert(place.mailbox.clone());
                change.left.insert(place.clone());
            }
        }
    }

    /// It cannot be done: the rows are as they were.
    pub(super) fn take_back(&mut self, ticket: Ticket) -> bool {
        let before = self.0.len();
        self.0.retain(|change| !change.tickets.contains(&ticket));
        self.0.len() != before
    }

    /// Files changed.
    pub(super) fn filed(&mut self, changed: &Changed) {
        for change in self.0.iter_mut().filter(|change| change.stage == Stage::Sent && !change.left.is_empty()) {
            for place in &changed.places {
                change.left.remove(&Place { mailbox: changed.mailbox.clone(), unique: place.unique.clone() });
            }
            if change.left.is_empty() {
                change.stage = Stage::Filed;
            }
        }
    }

    /// What was no matter of files is written down: labels.
    pub(super) fn written(&mut self, ticket: Ticket, places: &[Place]) {
        for change in self.0.iter_mut().filter(|change| change.stage == Stage::Sent && change.tickets.contains(&ticket))
        {
            for place in places {
                change.left.remove(place);
            }
            if change.left.is_empty() {
                change.stage = Stage::Filed;
            }
        }
    }

    /// The index has taken something in; `next` is the next ticket.
    pub(super) fn indexed(&mut self, mailboxes: &[MailboxId], next: Ticket) {
        for change in self.0.iter_mut().filter(|change| change.stage == Stage::Filed) {
            if mailboxes.iter().any(|mailbox| change.mailboxes.contains(mailbox)) {
                change.stage = Stage::Indexed(next);
            }
        }
    }

    /// Rows were answered: what they show themselves is not laid over them any more.
    pub(super) fn settled(&mut self, ticket: Ticket) {
        self.0.retain(|change| !matches!(change.stage, Stage::Indexed(from) if ticket >= from));
    }

    /// Gives up on what took too long. Was there something?
    pub(super) fn tick(&mut self, now: Timestamp) -> bool {
        let before = self.0.len();
        self.0.retain(|change| now.get() - change.since.get() < PATIENCE);
        self.0.len() != before
    }

    /// Is this row hidden?
    pub(super) fn hides(&self, row: RowId) -> bool {
        self.0.iter().any(|change| change.what == What::Gone && change.rows.contains(&row))
    }

    /// The rows that an act took out of the list.
    pub(super) fn gone_by(&self, act: Ticket) -> BTreeSet<RowId> {
        let own = self.0.iter().filter(|change| change.what == What::Gone && change.tickets.contains(&act));
        own.flat_map(|change| change.rows.iter().copied()).collect()
    }

    /// The rows as they are shown.
    pub(super) fn lay_over(&self, base: &[Row]) -> Vec<Row> {
        let shown = base.iter().filter(|row| !self.hides(row.message)).cloned();
        let mut rows: Vec<Row> = shown.collect();
        for change in &self.0 {
            for row in rows.iter_mut().filter(|row| change.rows.contains(&row.message)) {
                change.what.lay_over(row);
            }
        }
        rows
    }
}

impl What {
    /// Shows the change on a row.
    pub(super) fn lay_over(&self, row: &mut Row) {
        match self {
            Self::Gone => {}
            Self::Flags { add, remove } => {
                row.flags = row.flags.union(add).minus(remove);
                if add.has(Flag::Seen) {
                    row.unread = 0;
                } else if remove.has(Flag::Seen) {
                    row.unread = row.messages;
                }
            }
            Self::OneRead => {
                row.unread = row.unread.saturating_sub(1);
                if row.unread == 0 {
                    row.flags = row.flags.clone().with(Flag::Seen);
                }
            }
        }
    }
}
