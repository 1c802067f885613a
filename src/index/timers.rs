//! What is out of the way until a time, has come back, or waits for an answer. How each message stands is told by
//! the user's timers, the messages and the clock alone; it is told anew whenever one of these changed, and kept in
//! a small table that lists are laid out by.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, Result, params};

use super::folders::mailbox_id;
use super::schema::{self, AUTOMATIC, OWN};
use super::seams::name;
use super::write::Writer;
use crate::fault::Fault;
use crate::job::index::IndexReport;
use crate::mail::ids::{MessageId, Timestamp};
use crate::mail::notes::{Identity, Notes, Timer, TimerKind, Timing};
use crate::mail::place::{MailboxId, Place, UniqueName};
use crate::query::ast::State;

/// The state of a message in the table, asleep: lists leave it out.
pub(super) const ASLEEP: i64 = 0;
const UNANSWERED: i64 = 1;
const RETURNED: i64 = 2;
const AWAITED: i64 = 3;

/// What is no answer: what the user wrote, and what a machine says by itself. Nobody has answered whose machine says
/// that they are away, or that the message cannot be delivered.
const NO_ANSWER: i64 = OWN | AUTOMATIC;

/// How a timer stands, from a row of the table.
pub(super) fn timing(state: Option<i64>, due: Option<i64>) -> Option<Timing> {
    let due = Timestamp::new(due?);
    match state? {
        ASLEEP => Some(Timing::Asleep(due)),
        UNANSWERED => Some(Timing::Unanswered(due)),
        RETURNED => Some(Timing::Returned(due)),
        AWAITED => Some(Timing::Awaited(due)),
        _ => None,
    }
}

/// The messages that came back and those that nobody answered, the newest first.
pub(super) fn due(db: &Connection) -> Result<Vec<(i64, Timing)>> {
    let mut find = db.prepare_cached(
        "SELECT message, state, due FROM timed WHERE state IN (?1, ?2) ORDER BY due DESC, message DESC",
    )?;
    let mut rows = find.query([UNANSWERED, RETURNED])?;
    let mut due = Vec::new();
    while let Some(row) = rows.next()? {
        if let Some(timing) = timing(row.get(1)?, row.get(2)?) {
            due.push((row.get(0)?, timing));
        }
    }
    Ok(due)
}

/// The messages that a state of the query language means, as SQL for their rows.
pub(super) fn meant_by(state: State) -> Option<String> {
    let states = match state {
        State::Snoozed => format!("{ASLEEP}"),
        State::Waiting => format!("{UNANSWERED}, {AWAITED}"),
        _ => return None,
    };
    Some(format!("SELECT message FROM timed WHERE state IN ({states})"))
}

fn state(timing: Timing) -> (i64, Timestamp) {
    match timing {
        Timing::Asleep(due) => (ASLEEP, due),
        Timing::Unanswered(due) => (UNANSWERED, due),
        Timing::Returned(due) => (RETURNED, due),
        Timing::Awaited(due) => (AWAITED, due),
    }
}

/// What happened to messages that nobody asked about.
#[derive(Default)]
pub(super) struct Told {
    /// Messages that came just now: where each lies, and its conversation.
    pub(super) came: Vec<(i64, i64, Place)>,
    hushed: Vec<Place>,
    woken: Vec<Identity>,
}

impl Writer {
    /// Takes over what the user noted, as of `now`.
    ///
    /// # Errors
    /// The index cannot be written.
    pub fn notes(&mut self, notes: &Notes, now: Timestamp) -> std::result::Result<IndexReport, Fault> {
        self.now = now;
        let any = self.has_seams || self.has_timers || *notes != Notes::default();
        if any {
            self.step(|writer| {
                writer.set_seams(&notes.seams)?;
                writer.set_timers(&notes.timers)
            })?;
        }
        let stirred = self.stirred().map_err(|error| self.fault(&error))?;
        Ok(self.refreshed(stirred, Vec::new()))
    }

    /// What happened to messages since this was asked last that nobody asked about: what is to be marked as read,
    /// which of them are back before their time, and the mailboxes whose lists changed by it.
    pub fn news(&mut self) -> std::result::Result<Vec<IndexReport>, Fault> {
        let stirred = self.stirred().map_err(|error| self.fault(&error))?;
        let mut reports = Vec::new();
        if !stirred.is_empty() {
            reports.push(self.refreshed(stirred, Vec::new()));
        }
        let Told { hushed, woken, .. } = std::mem::take(&mut self.told);
        if !hushed.is_empty() {
            reports.push(IndexReport::Hushed(hushed));
        }
        if !woken.is_empty() {
            reports.push(IndexReport::Woken(woken));
        }
        Ok(reports)
    }

    fn stirred(&mut self) -> Result<Vec<MailboxId>> {
        let rows = std::mem::take(&mut self.stirred);
        let mut find = self.db.prepare_cached("SELECT account, name FROM mailboxes WHERE id = ?1 AND id > 0")?;
        let mut found = Vec::new();
        for row in rows {
            let mut names = find.query([row])?;
            if let Some(row) = names.next()? {
                found.extend(mailbox_id(&row.get::<_, String>(0)?, &row.get::<_, String>(1)?));
            }
        }
        Ok(found)
    }

    /// Are there timers at all?
    pub(super) fn count_timers(&mut self) -> Result<()> {
        self.has_timers = self.db.query_row("SELECT EXISTS(SELECT 1 FROM timers)", [], |row| row.get(0))?;
        Ok(())
    }

    fn set_timers(&mut self, timers: &BTreeMap<(Identity, TimerKind), Timer>) -> Result<()> {
        self.db.prepare_cached("DELETE FROM timers")?.execute([])?;
        let mut add =
            self.db.prepare_cached("INSERT OR REPLACE INTO timers(name, kind, due, set_at) VALUES(?1, ?2, ?3, ?4)")?;
        for ((id, kind), Timer { due, set_at }) in timers {
            add.execute(params![name(id), kind.word(), due.get(), set_at.get()])?;
        }
        drop(add);
        self.has_timers = !timers.is_empty();
        self.tell_timers()
    }

    /// At the end of a step in which messages came or went.
    pub(super) fn settle_timers(&mut self) -> Result<()> {
        let came = std::mem::take(&mut self.told.came);
        for (_, thread, place) in &came {
            if is_muted(&self.db, *thread, place)? {
                self.told.hushed.push(place.clone());
            }
        }
        if !std::mem::take(&mut self.changed_messages) || !self.has_timers {
            return Ok(());
        }
        // Somebody else's answer ends the sleep of its conversation, whatever date it bears.
        let mut answer = self.db.prepare_cached("SELECT thread FROM messages WHERE id = ?1 AND bits & ?2 = 0")?;
        let mut answered = BTreeSet::new();
        for (message, ..) in &came {
            let mut rows = answer.query([*message, NO_ANSWER])?;
            if let Some(row) = rows.next()? {
                answered.insert((row.get::<_, i64>(0)?, *message));
            }
        }
        drop(answer);
        for (thread, message) in answered {
            self.wake(thread, message)?;
        }
        self.tell_timers()
    }

    /// What sleeps in a conversation comes back now, unless it is the message that came itself.
    fn wake(&mut self, thread: i64, came: i64) -> Result<()> {
        let woken: Vec<i64> = self
            .db
            .prepare_cached(
                "SELECT m.id FROM timed t CROSS JOIN messages m ON m.id = t.message
                 WHERE t.state = ?1 AND m.thread = ?2 AND m.id <> ?3",
            )?
            .query_map([ASLEEP, thread, came], |row| row.get(0))?
            .collect::<Result<_>>()?;
        woken.into_iter().try_for_each(|message| self.end_sleep(message))
    }

    /// The timer of a message is due now.
    fn end_sleep(&mut self, message: i64) -> Result<()> {
        let id = self
            .db
            .prepare_cached("SELECT message_id, digest FROM messages WHERE id = ?1")?
            .query_row([message], |row| Ok(identity(row.get_ref(0)?.as_str_or_null()?, row.get(1)?)))?;
        self.db.prepare_cached("UPDATE timers SET due = ?2 WHERE name = ?1 AND kind = ?3")?.execute(params![
            name(&id),
            self.now.get(),
            TimerKind::Snooze.word()
        ])?;
        self.told.woken.push(id);
        Ok(())
    }

    /// Tells anew how each message with a timer stands.
    fn tell_timers(&mut self) -> Result<()> {
        let timers: Vec<(i64, String, Timestamp, Timestamp)> = self
            .db
            .prepare_cached("SELECT name, kind, due, set_at FROM timers")?
            .query_map([], |row| {
                Ok((row.get(0)?, row.get(1)?, Timestamp::new(row.get(2)?), Timestamp::new(row.get(3)?)))
            })?
            .collect::<Result<_>>()?;
        let mut told: BTreeMap<i64, Timing> = BTreeMap::new();
        for (name, kind, due, set_at) in timers {
            let Some(kind) = TimerKind::of(&kind) else { continue };
            for (message, thread) in bearers(&self.db, name)? {
                let stands = match kind {
                    TimerKind::Snooze if due <= self.now => Some(Timing::Returned(due)),
                    TimerKind::Snooze if self.was_answered(thread, message, set_at)? => {
                        self.end_sleep(message)?;
                        Some(Timing::Returned(self.now))
                    }
                    TimerKind::Snooze => Some(Timing::Asleep(due)),
                    TimerKind::Remind if self.has_reply(thread, name)? => None,
                    TimerKind::Remind if due > self.now => Some(Timing::Awaited(due)),
                    TimerKind::Remind => Some(Timing::Unanswered(due)),
                };
                if let Some(stands) = stands {
                    let known = told.entry(message).or_insert(stands);
                    *known = stands.min(*known);
                }
            }
        }
        self.keep_timed(&told)
    }

    /// Did somebody else write in the conversation since?
    fn was_answered(&self, thread: i64, message: i64, since: Timestamp) -> Result<bool> {
        self.db
            .prepare_cached(
                "SELECT EXISTS(SELECT 1 FROM messages
                               WHERE thread = ?1 AND id <> ?2 AND id >= ?3 AND id < ?4 AND bits & ?5 = 0)",
            )?
            .query_row(
                [thread, message, schema::first_row(since.plus(1)), schema::first_row(self.now.plus(1)), NO_ANSWER],
                |row| row.get(0),
            )
    }

    /// Did somebody else answer that very message?
    fn has_reply(&self, thread: i64, name: i64) -> Result<bool> {
        let mut find = self.db.prepare_cached("SELECT parents FROM messages WHERE thread = ?1 AND bits & ?2 = 0")?;
        let mut rows = find.query([thread, NO_ANSWER])?;
        while let Some(row) = rows.next()? {
            let parents: Vec<u8> = row.get(0)?;
            if super::conversation::keys(&parents).any(|parent| parent == name) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn keep_timed(&mut self, told: &BTreeMap<i64, Timing>) -> Result<()> {
        let known: BTreeMap<i64, (i64, i64)> = self
            .db
            .prepare_cached("SELECT message, state, due FROM timed")?
            .query_map([], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))))?
            .collect::<Result<_>>()?;
        let wanted: BTreeMap<i64, (i64, i64)> = told
            .iter()
            .map(|(message, timing)| {
                let (state, due) = state(*timing);
                (*message, (state, due.get()))
            })
            .collect();
        let messages: BTreeSet<i64> = known.keys().chain(wanted.keys()).copied().collect();
        for message in messages.into_iter().filter(|message| known.get(message) != wanted.get(message)) {
            match wanted.get(&message) {
                None => self.db.prepare_cached("DELETE FROM timed WHERE message = ?1")?.execute([message])?,
                Some((state, due)) => self
                    .db
                    .prepare_cached("INSERT OR REPLACE INTO timed(message, state, due) VALUES(?1, ?2, ?3)")?
                    .execute([message, *state, *due])?,
            };
            let shown: Vec<(i64, i64, bool)> = self
                .db
                .prepare_cached(
                    "SELECT p.mailbox, p.thread, b.inbox FROM places p JOIN mailboxes b ON b.id = p.mailbox
                     WHERE p.message = ?1",
                )?
                .query_map([message], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
                .collect::<Result<_>>()?;
            for (mailbox, thread, is_inbox) in shown {
                self.touch_row(mailbox, is_inbox, thread);
                self.stirred.insert(mailbox);
            }
            // What is unanswered comes up in the inbox, wherever it lies.
            let inboxes: Vec<i64> = self
                .db
                .prepare_cached("SELECT id FROM mailboxes WHERE inbox AND id > 0")?
                .query_map([], |row| row.get(0))?
                .collect::<Result<_>>()?;
            self.stirred.extend(inboxes);
        }
        Ok(())
    }
}

/// What a row of the table of messages is known by.
pub(super) fn identity(message_id: Option<&str>, digest: i64) -> Identity {
    message_id.and_then(MessageId::new).map_or(Identity::Bytes(digest), Identity::Id)
}

/// The messages of that name, with their conversations.
fn bearers(db: &Connection, name: i64) -> Result<Vec<(i64, i64)>> {
    db.prepare_cached(
        "SELECT id, thread FROM messages WHERE key = ?1
         UNION ALL SELECT id, thread FROM messages WHERE key IS NULL AND digest = ?1",
    )?
    .query_map([name], |row| Ok((row.get(0)?, row.get(1)?)))?
    .collect()
}

/// Is the conversation of a message that just came muted, and the message itself not yet?
fn is_muted(db: &Connection, thread: i64, place: &Place) -> Result<bool> {
    let muted = crate::mail::tags::muted();
    let mut find = db.prepare_cached("SELECT name, keywords FROM places WHERE thread = ?1 AND keywords IS NOT NULL")?;
    let mut rows = find.query([thread])?;
    let mut found = false;
    while let Some(row) = rows.next()? {
        let words = super::write::from_words(row.get_ref(1)?.as_str_or_null()?);
        if muted.minus(&words).is_empty() {
            if UniqueName::new(row.get_ref(0)?.as_str()?).as_ref() == Some(&place.unique) {
                return Ok(false);
            }
            found = true;
        }
    }
    Ok(found)
}
