//! Notes about messages: they are shown at once, written down by the thread `notes`, and then told to the index,
//! by which lists are laid out. What is due by the clock is told again, so that it comes back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::fault::Fault;
use crate::job::files::FilesJob;
use crate::job::{IndexJob, Job, SyncJob, Ticket};
use crate::keys::Action;
use crate::mail::flags::{Flag, Flags};
use crate::mail::ids::{ThreadId, Timestamp};
use crate::mail::notes::{Edit, Identity, Notes, Seam, Timer, TimerKind};
use crate::mail::place::Place;
use crate::mail::tags;

use super::act::Act;
use super::undo::Reverse;
use super::{Focus, Level, Model, Screen, files};

/// What is noted, and what is on its way to be.
#[derive(Debug, Default)]
pub(super) struct Noting {
    /// All notes, as they will be once all is written.
    pub(super) known: Arc<Notes>,
    /// What the time was when the index was told.
    told_at: Timestamp,
    on_its_way: BTreeMap<Ticket, Sent>,
    /// May the conversation on screen have other messages now?
    stale: bool,
}

/// An edit that is being written down.
#[derive(Debug)]
struct Sent {
    back: Edit,
    /// The messages whose rows look otherwise already.
    places: Vec<Place>,
}

impl Model {
    /// Has an edit written down; it can be undone. The change of the rows that was begun with `begun` ends with it.
    pub(super) fn note(&mut self, edit: Edit, label: &str, begun: Option<Ticket>, places: Vec<Place>) -> Vec<Job> {
        let ticket = self.ticket();
        if let Some(begun) = begun {
            self.list.changes.carried(begun, ticket, places.iter());
        }
        let back = self.noting.known.back(&edit);
        let gone = begun.map(|begun| self.list.gone_by(begun)).unwrap_or_default();
        Arc::make_mut(&mut self.noting.known).apply(&edit);
        self.noting.on_its_way.insert(ticket, Sent { back, places });
        self.undo.expect(label.to_owned(), BTreeSet::from([ticket]), BTreeMap::new(), gone);
        self.status.offer(self.now, Level::Ok, label, Action::Undo);
        vec![Job::Sync(SyncJob::Note { ticket, edit })]
    }

    /// Has an edit written down that nobody undoes.
    pub(super) fn note_again(&mut self, ticket: Ticket, edit: Edit) -> Job {
        Arc::make_mut(&mut self.noting.known).apply(&edit);
        Job::Sync(SyncJob::Note { ticket, edit })
    }

    /// Notes are written down, or could not be, or were told.
    pub(super) fn noted(&mut self, ticket: Option<Ticket>, result: Result<Arc<Notes>, Fault>) -> Vec<Job> {
        let sent = ticket.and_then(|ticket| self.noting.on_its_way.remove(&ticket).map(|sent| (ticket, sent)));
        let notes = match result {
            Ok(notes) => notes,
            Err(fault) => {
                self.status.fault(self.now, &fault);
                let Some((ticket, Sent { back, .. })) = sent else { return Vec::new() };
                self.take_back(ticket);
                Arc::make_mut(&mut self.noting.known).apply(&back);
                return self.undo.failed(ticket).map_or_else(Vec::new, |entry| self.carry_back(entry));
            }
        };
        let mut jobs = Vec::new();
        if let Some((ticket, Sent { back, places })) = sent {
            self.list.changes.written(ticket, &places);
            if let Some(entry) = self.undo.labelled(ticket, Reverse::Note(back)) {
                jobs.extend(self.carry_back(entry));
            }
        }
        if self.noting.on_its_way.is_empty() {
            self.noting.known = Arc::clone(&notes);
        }
        self.noting.stale = true;
        self.noting.told_at = self.now;
        jobs.insert(0, Job::Index(IndexJob::Notes { notes, now: self.now }));
        jobs
    }

    /// Tells the index again once something is due.
    pub(super) fn tick_notes(&mut self) -> Vec<Job> {
        if !self.noting.known.is_due(self.noting.told_at, self.now) {
            return Vec::new();
        }
        self.noting.told_at = self.now;
        vec![Job::Index(IndexJob::Notes { notes: Arc::clone(&self.noting.known), now: self.now })]
    }

    /// Somebody answered in the conversations of these: they sleep no longer, in the next run either.
    pub(super) fn woken(&mut self, messages: Vec<Identity>) -> Vec<Job> {
        let timer = Timer { due: self.now, set_at: self.now };
        let known = &self.noting.known.timers;
        let keys = messages.into_iter().map(|id| (id, TimerKind::Snooze)).filter(|key| known.contains_key(key));
        let edit = Edit { timers: keys.map(|key| (key, Some(timer))).collect(), ..Edit::default() };
        if edit.is_empty() {
            return Vec::new();
        }
        let ticket = self.ticket();
        vec![self.note_again(ticket, edit)]
    }

    /// These came into muted conversations: they are read, and muted too.
    pub(super) fn hush(&mut self, places: Vec<Place>) -> Vec<Job> {
        let ticket = self.ticket();
        vec![files(FilesJob::SetFlags { ticket, places, add: tags::muted().with(Flag::Seen), remove: Flags::none() })]
    }

    /// The index has taken something in: the conversation on screen is asked for again, if notes may have changed it.
    pub(super) fn refresh_thread(&mut self) -> Vec<Job> {
        if !std::mem::take(&mut self.noting.stale) {
            return Vec::new();
        }
        let row = self.viewer.open.as_ref().map(|open| open.row.clone());
        row.map_or_else(Vec::new, |row| self.look_at_thread(&row, false))
    }

    /// Mutes the conversations at hand, or listens to them again where all of them are muted.
    pub(super) fn toggle_mute(&mut self) -> Vec<Job> {
        let mut rows = self.act_rows();
        let mute = !rows.iter().all(|row| tags::is_muted(&row.flags));
        let mut threads: BTreeSet<ThreadId> = BTreeSet::new();
        rows.retain(|row| threads.insert(row.thread));
        for row in &mut rows {
            row.messages = row.messages.max(2);
        }
        let listed = self.list.rows.iter().filter(|row| threads.contains(&row.thread));
        let shown = listed.map(|row| row.message).collect();
        let (add, remove) = if mute { (tags::muted(), Flags::none()) } else { (Flags::none(), tags::muted()) };
        let open = self.viewer.thread.iter().filter(|row| threads.contains(&row.thread));
        for message in open.map(|row| row.message).collect::<Vec<_>>() {
            self.viewer.flag(message, &add, &remove);
        }
        if self.screen != Screen::Browse(Focus::Viewer) {
            self.list.selected.clear();
            self.list.range = None;
        }
        self.begin(Act::Mute { mute }, rows, shown)
    }

    /// Begins a new conversation with the message at hand; one that was cut off or put elsewhere goes back.
    pub(super) fn break_thread(&mut self) -> Vec<Job> {
        let in_viewer = self.screen == Screen::Browse(Focus::Viewer);
        let row = if in_viewer { self.viewer.current_row() } else { self.list.current().cloned() };
        let Some(row) = row else { return Vec::new() };
        if row.messages > 1 && !in_viewer {
            let unfold = self.keymap.key_of(self.context(), Action::FoldHere).unwrap_or_default();
            self.say(Level::Info, &format!("Which message shall begin it? {unfold} unfolds the conversation"));
            return Vec::new();
        }
        let known = self.noting.known.seams.contains_key(&row.id);
        let first = self.viewer.thread.first().is_some_and(|first| first.message == row.message);
        if !known && first {
            self.say(Level::Info, "Its conversation begins with it already");
            return Vec::new();
        }
        let (seam, label) = if known {
            (Seam::default(), "Put back into its conversation")
        } else {
            (Seam { cut: true, joined: None }, "Began a new conversation")
        };
        let edit = Edit { seams: BTreeMap::from([(row.id, seam)]), ..Edit::default() };
        self.note(edit, label, None, Vec::new())
    }

    /// Puts the conversations that are selected into the one at hand.
    pub(super) fn join_threads(&mut self) -> Vec<Job> {
        let in_viewer = self.screen == Screen::Browse(Focus::Viewer);
        let target = if in_viewer { self.viewer.current_row() } else { self.list.current().cloned() };
        let Some(target) = target else { return Vec::new() };
        let mut threads = BTreeSet::from([target.thread]);
        let others: Vec<Identity> =
            self.list.selected.values().filter(|row| threads.insert(row.thread)).map(|row| row.id.clone()).collect();
        let mut edit = Edit::default();
        let goal = self.end_of_seam(&target.id);
        for id in &others {
            let end = self.end_of_seam(id);
            if end != goal {
                let cut = self.noting.known.seams.get(&end).is_some_and(|seam| seam.cut);
                edit.seams.insert(end, Seam { cut, joined: Some(target.id.clone()) });
            }
        }
        if edit.is_empty() {
            self.say(Level::Info, "Select the conversations that shall go into this one");
            return Vec::new();
        }
        let count = others.len();
        let what = if count == 1 { "a conversation".to_owned() } else { format!("{count} conversations") };
        self.list.selected.clear();
        self.list.range = None;
        self.note(edit, &format!("Put {what} into this one"), None, Vec::new())
    }

    /// The last of the messages into whose conversations one was put: one more is put into that, so that none is lost.
    fn end_of_seam(&self, id: &Identity) -> Identity {
        let seams = &self.noting.known.seams;
        let mut seen = BTreeSet::new();
        let mut end = id;
        while let Some(next) = seams.get(end).and_then(|seam| seam.joined.as_ref())
            && seen.insert(end)
            && !seen.contains(next)
        {
            end = next;
        }
        end.clone()
    }
}
