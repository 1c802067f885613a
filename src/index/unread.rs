//! The next unread message: in the same list, else in the next mailbox that has one.

use rusqlite::{OptionalExtension as _, Result};

use super::hits::Hit;
use super::ordered::{Ordered, What};
use super::rows::{self, Folder, Index};
use super::schema;
use crate::fault::Fault;
use crate::job::index::{Direction, Grouping, ListSpec, Source};
use crate::mail::ids::RowId;
use crate::mail::place::MailboxId;

impl Index {
    /// The next unread message of `list` after the row `after` (from its beginning, where there is
    /// none), else of the next mailbox of `order` that has one, round to the list itself. With it
    /// comes the mailbox it lies in.
    pub fn next_unread(
        &mut self,
        list: &ListSpec,
        after: Option<RowId>,
        direction: Direction,
        order: &[MailboxId],
    ) -> std::result::Result<Option<(MailboxId, RowId)>, Fault> {
        let found = self.snapshot(|index| {
            if let Some(found) = index.next_in(list, after, direction)? {
                return Ok(Some(found));
            }
            for mailbox in round(list, direction, order) {
                let list = ListSpec::new(Source::Mailbox(mailbox), list.grouping);
                if let Some(found) = index.next_in(&list, None, direction)? {
                    return Ok(Some(found));
                }
            }
            Ok(None)
        });
        found.map_err(|error| self.fault(&error))
    }

    fn next_in(
        &mut self,
        list: &ListSpec,
        after: Option<RowId>,
        direction: Direction,
    ) -> Result<Option<(MailboxId, RowId)>> {
        let folders = rows::folders(&self.db)?;
        let name = |row: i64| folders.get(&row).map(|folder: &Folder| folder.id.clone());
        if let Source::Search { query, scope } = &list.source {
            return Ok(self
                .next_hit(list, (query, scope), after, direction)?
                .and_then(|(mailbox, message)| name(mailbox).zip(Some(RowId(message)))));
        }
        let Some(ordered) = Ordered::of(list, &folders) else { return Ok(None) };
        let mut next = ordered.next_unread(&self.db, after.map(|row| row.0), direction)?;
        while let (Some((message, _)), What::Places(_)) = (next, &ordered.what)
            && self.is_asleep(message)?
        {
            next = ordered.next_unread(&self.db, Some(message), direction)?;
        }
        let found = match (next, &ordered.what) {
            (Some((message, mailbox)), What::Places(_)) => Some((mailbox, message)),
            (Some((newest, _)), What::Conversations(schema::UNIFIED)) => {
                self.inbox_of(newest)?.map(|mailbox| (mailbox, newest))
            }
            (Some((newest, _)), What::Conversations(mailbox)) => Some((*mailbox, newest)),
            (None, _) => None,
        };
        Ok(found.and_then(|(mailbox, message)| name(mailbox).zip(Some(RowId(message)))))
    }

    fn inbox_of(&self, message: i64) -> Result<Option<i64>> {
        self.db
            .prepare_cached(
                "SELECT p.mailbox FROM places p JOIN mailboxes b ON b.id = p.mailbox
                 WHERE p.message = ?1 AND b.inbox ORDER BY p.mailbox LIMIT 1",
            )?
            .query_row([message], |row| row.get(0))
            .optional()
    }

    fn next_hit(
        &mut self,
        list: &ListSpec,
        question: (&crate::query::Query, &crate::job::index::SearchScope),
        after: Option<RowId>,
        direction: Direction,
    ) -> Result<Option<(i64, i64)>> {
        let thread = match after.filter(|_| list.grouping == Grouping::Conversations) {
            Some(message) => rows::thread_of(&self.db, message.0)?,
            None => None,
        };
        let hits = self.all_hits(list, question)?;
        let same = |hit: &Hit| match thread {
            Some(thread) => hit.thread == thread,
            None => after.is_some_and(|after| hit.message == after.0),
        };
        let here = hits.iter().position(same);
        let beyond = |at: usize, hit: &Hit| match (here, direction) {
            (Some(here), Direction::Next) => at > here,
            (Some(here), Direction::Previous) => at < here,
            // Of what is not there any more, at least the date is known.
            (None, _) => after.is_none_or(|after| is_before(after.0, hit.message, direction)),
        };
        let mut unread = hits.iter().enumerate().filter(|(at, hit)| hit.unread > 0 && beyond(*at, hit));
        let found = match direction {
            Direction::Next => unread.next(),
            Direction::Previous => unread.next_back(),
        };
        Ok(found.map(|(_, hit)| (hit.mailbox, hit.message)))
    }
}

/// Does one come before `other` when going that way?
fn is_before(one: i64, other: i64, direction: Direction) -> bool {
    match direction {
        Direction::Next => one > other,
        Direction::Previous => one < other,
    }
}

/// The mailboxes to go on in: those behind the one on screen, then from the beginning up to it.
fn round(list: &ListSpec, direction: Direction, order: &[MailboxId]) -> Vec<MailboxId> {
    let mut order: Vec<MailboxId> = order.to_vec();
    if direction == Direction::Previous {
        order.reverse();
    }
    if let Source::Mailbox(here) = &list.source
        && let Some(at) = order.iter().position(|mailbox| mailbox == here)
    {
        order.rotate_left(at + 1);
    }
    order
}
