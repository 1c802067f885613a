//! What is done to messages: archive, trash, move, flag, delete. An action works on the selection,
//! else on the row under the cursor; a row that stands for a conversation means all of it in that
//! folder, so its messages are asked for first, one conversation after the other.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::job::files::FilesJob;
use crate::job::index::{IndexJob, Row};
use crate::job::{Job, OutboxJob, Ticket};
use crate::mail::flags::{Flag, Flags};
use crate::mail::ids::{RowId, ThreadId, Timestamp};
use crate::mail::labels::{Label, Labels};
use crate::mail::mailbox::{MailboxName, Role};
use crate::mail::notes::{Identity, TimerKind, Timing};
use crate::mail::place::{MailboxId, Place};
use crate::mail::tags;

use super::change::What;
use super::folders::Why as OrderedWhy;
use super::labelling::Route;
use super::menu::given;
use super::undo::{Entry, Reverse};
use super::{Ask, Focus, Level, Model, Overlay, Question, Screen, files, tagging};
use crate::keys::Action;

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Act {
    /// Move to the folder of that role, in each message's own account.
    MoveToRole(Role),
    /// Move to a folder.
    Move(MailboxId),
    /// Give or take a label.
    Label {
        /// Which.
        label: Label,
        /// Shall it be given?
        give: bool,
    },
    /// Set and clear flags.
    Flags {
        /// What to set.
        add: Flags,
        /// What to clear.
        remove: Flags,
    },
    /// Mute the conversation of each, or listen to it again.
    Mute {
        /// Shall it be muted?
        mute: bool,
    },
    /// Set a timer, or take it away.
    Time {
        /// What it is for.
        kind: TimerKind,
        /// When it is due.
        due: Option<Timestamp>,
    },
    /// Let the rules do what they want.
    Rules,
    /// Delete for ever, after a question.
    Delete,
}

impl Act {
    /// Does it mean the conversation over all folders, and not what one of them has of it?
    fn is_everywhere(&self) -> bool {
        matches!(self, Self::Mute { .. })
    }
}

/// One message that is acted on.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Target {
    pub(super) place: Place,
    /// The mailbox in which it is shown.
    pub(super) shown: MailboxId,
    pub(super) date: Timestamp,
    pub(super) flags: Flags,
    pub(super) id: Identity,
    pub(super) timing: Option<Timing>,
}

impl From<&Row> for Target {
    fn from(row: &Row) -> Self {
        Self {
            place: row.place.clone(),
            shown: row.mailbox.clone(),
            date: row.date,
            flags: row.flags.clone(),
            id: row.id.clone(),
            timing: row.timing,
        }
    }
}

/// Questions about conversations: one is on its way at a time, since a newer one would replace it.
#[derive(Debug, Default)]
pub(super) struct Acting {
    queue: VecDeque<Asking>,
    on_its_way: Option<Ticket>,
    asked_at: Timestamp,
}

#[derive(Debug)]
struct Asking {
    thread: ThreadId,
    message: RowId,
    why: Why,
}

/// Why a conversation is asked for.
#[derive(Debug)]
enum Why {
    /// To act on what it has in the folder of this row; with what is left to be asked for.
    Act { begun: Ticket, act: Act, of: Row, done: Vec<Target>, rest: VecDeque<Row> },
    /// To show it beside this message; with `open`, to open its first unread message.
    Look { row: Row, open: bool },
}

impl Model {
    /// Does something to the selection, or to what is under the cursor.
    pub(super) fn act(&mut self, act: Act) -> Vec<Job> {
        if self.screen == Screen::Browse(Focus::Viewer) {
            return self.act_on_open(act);
        }
        let rows: Vec<Row> = if self.list.selected.is_empty() {
            self.list.current().cloned().into_iter().collect()
        } else {
            self.list.selected.values().cloned().collect()
        };
        self.list.selected.clear();
        self.list.range = None;
        let ids = rows.iter().map(|row| row.message).collect();
        self.begin(act, rows, ids)
    }

    /// Does something to the message in the viewer, and goes on to the next one if it is gone then.
    fn act_on_open(&mut self, act: Act) -> Vec<Job> {
        let Some(mut row) = self.viewer.current_row() else { return Vec::new() };
        row.messages = 1;
        let removes = self.look_of(&act, &row) == Some(What::Gone);
        // The row of a conversation stays while it has other messages.
        let own = self.list.rows.iter().find(|known| known.message == row.message);
        let ids = own.filter(|own| own.messages <= 1).map(|own| own.message).into_iter().collect();
        let (begun_from, message) = (self.list.cursor, row.message);
        if let Act::Flags { add, remove } = &act {
            self.viewer.flag(message, add, remove);
        }
        let mut jobs = self.begin(act, vec![row], ids);
        if removes && self.overlay.is_none() {
            jobs.extend(self.after_removal(message, begun_from));
        }
        jobs
    }

    /// Archives the whole conversation of the message.
    pub(super) fn act_on_thread(&mut self, act: Act) -> Vec<Job> {
        let in_viewer = self.screen == Screen::Browse(Focus::Viewer);
        let row = if in_viewer { self.viewer.current_row() } else { self.list.current().cloned() };
        let Some(mut row) = row else { return Vec::new() };
        row.messages = row.messages.max(2);
        let ids = self.list.rows.iter().filter(|known| known.thread == row.thread).map(|known| known.message).collect();
        let (message, from) = (row.message, self.list.cursor);
        let mut jobs = self.begin(act, vec![row], ids);
        if in_viewer {
            self.viewer.thread.clear();
            jobs.extend(self.after_removal(message, from));
        }
        jobs
    }

    /// The viewer's message went: the next of its conversation, else of the list, else none.
    fn after_removal(&mut self, message: RowId, cursor: usize) -> Vec<Job> {
        if let Some(next) = self.viewer.drop_from_thread(message) {
            return self.open_row(&next);
        }
        self.list.cursor = cursor;
        let mut jobs = self.move_to(cursor);
        match self.list.current().cloned() {
            Some(row) if row.message != message => jobs.extend(self.open_list_row(&row)),
            _ => {
                self.viewer.close();
                self.screen = Screen::Browse(Focus::List);
            }
        }
        jobs
    }

    /// Begins: shows it at once, finds out which messages are meant, carries it out.
    pub(super) fn begin(&mut self, act: Act, rows: Vec<Row>, shown_on: BTreeSet<RowId>) -> Vec<Job> {
        if rows.is_empty() {
            return Vec::new();
        }
        let begun = self.ticket();
        let looks = rows.iter().filter_map(|row| Some((self.look_of(&act, row)?, row.message)));
        // A row that is shown for several (a conversation that is not acted on by its own row) looks as the first.
        let looks: Vec<(What, RowId)> = looks.collect();
        let mut changes: Vec<(What, BTreeSet<RowId>)> = Vec::new();
        for id in shown_on {
            let own = looks.iter().find(|(_, message)| *message == id).or(looks.first());
            let Some((what, _)) = own else { continue };
            match changes.iter_mut().find(|(known, _)| known == what) {
                Some((_, ids)) => drop(ids.insert(id)),
                None => changes.push((what.clone(), BTreeSet::from([id]))),
            }
        }
        for (what, ids) in changes {
            self.list.changes.begin(what, ids, begun, self.now);
            self.list.lay_changes();
        }
        let (threads, single): (VecDeque<Row>, VecDeque<Row>) = rows.into_iter().partition(|row| row.messages > 1);
        let done: Vec<Target> = single.iter().map(Target::from).collect();
        let jobs = self.go_on(begun, act, done, threads);
        let height = usize::from(self.viewport.list_rows);
        self.list.follow(height);
        jobs.into_iter().chain(self.fill_list()).collect()
    }

    /// Asks for the next conversation, or carries the act out when all are known.
    fn go_on(&mut self, begun: Ticket, act: Act, done: Vec<Target>, mut rest: VecDeque<Row>) -> Vec<Job> {
        let Some(of) = rest.pop_front() else { return self.carry_out(begun, &act, done) };
        let asking = Asking { thread: of.thread, message: of.message, why: Why::Act { begun, act, of, done, rest } };
        // Before questions of the viewer: someone waits for this one.
        let at = usize::from(self.acting.on_its_way.is_some()).min(self.acting.queue.len());
        self.acting.queue.insert(at, asking);
        self.ask_conversation()
    }

    /// Asks for the conversation of a message, to show it.
    pub(super) fn look_at_thread(&mut self, row: &Row, open: bool) -> Vec<Job> {
        let busy = self.acting.on_its_way.is_some();
        let mut at = 0;
        self.acting.queue.retain(|asking| {
            at += 1;
            (busy && at == 1) || !matches!(asking.why, Why::Look { .. })
        });
        self.acting.queue.push_back(Asking {
            thread: row.thread,
            message: row.message,
            why: Why::Look { row: row.clone(), open },
        });
        self.ask_conversation()
    }

    fn ask_conversation(&mut self) -> Vec<Job> {
        if self.acting.on_its_way.is_some() {
            return Vec::new();
        }
        let asked = self.acting.queue.front().map(|asking| (asking.thread, asking.message));
        let Some((thread, message)) = asked else { return Vec::new() };
        let ticket = self.ticket();
        self.acting.on_its_way = Some(ticket);
        self.acting.asked_at = self.now;
        vec![Job::Index(IndexJob::Conversation { ticket, thread, message })]
    }

    /// Takes in a conversation.
    pub(super) fn take_conversation(&mut self, ticket: Ticket, rows: &[Row]) -> Vec<Job> {
        if self.acting.on_its_way != Some(ticket) {
            return Vec::new();
        }
        self.acting.on_its_way = None;
        let Some(asking) = self.acting.queue.pop_front() else { return Vec::new() };
        let mut jobs = match asking.why {
            Why::Look { row, open } => {
                let rows = self.seen_from(&row.mailbox, rows);
                self.take_thread(&row, &rows, open)
            }
            Why::Act { begun, act, of, mut done, rest } => {
                let rows = self.seen_from(&of.mailbox, rows);
                let here = rows.iter().filter(|row| act.is_everywhere() || row.mailbox == of.mailbox);
                let before = done.len();
                done.extend(here.map(Target::from));
                if done.len() == before {
                    done.push(Target::from(&of));
                }
                self.go_on(begun, act, done, rest)
            }
        };
        jobs.extend(self.ask_conversation());
        jobs
    }

    /// A conversation could not be told.
    pub(super) fn conversation_failed(&mut self, ticket: Ticket) -> Vec<Job> {
        if self.acting.on_its_way != Some(ticket) {
            return Vec::new();
        }
        self.acting.on_its_way = None;
        if let Some(Asking { why: Why::Act { begun, .. }, .. }) = self.acting.queue.pop_front() {
            self.take_back(begun);
        }
        self.ask_conversation()
    }

    /// Does not wait for a conversation for ever.
    pub(super) fn tick_acting(&mut self) -> Vec<Job> {
        match self.acting.on_its_way {
            Some(ticket) if self.now.get() - self.acting.asked_at.get() > 10 => self.conversation_failed(ticket),
            _ => Vec::new(),
        }
    }

    /// Shows the rows as they were before the change that `ticket` belongs to.
    pub(super) fn take_back(&mut self, ticket: Ticket) {
        if self.list.changes.take_back(ticket) {
            self.list.lay_changes();
        }
    }

    fn carry_out(&mut self, begun: Ticket, act: &Act, targets: Vec<Target>) -> Vec<Job> {
        // What came up because nobody answered lies elsewhere, and is put out of the inbox by not waiting for that.
        let archives = *act == Act::MoveToRole(Role::Archive);
        let (vain, targets): (Vec<Target>, Vec<Target>) =
            targets.into_iter().partition(|target| archives && is_vain(target.timing));
        if !vain.is_empty() {
            let mut jobs = self.set_timers(begun, &vain, TimerKind::Remind, None);
            if !targets.is_empty() {
                jobs.extend(self.carry_out(begun, act, targets));
            }
            return jobs;
        }
        match act {
            Act::Flags { add, remove } => self.set_flags(begun, targets, add, remove),
            Act::Mute { mute: true } => self.set_flags(begun, targets, &tags::muted(), &Flags::none()),
            Act::Mute { mute: false } => self.set_flags(begun, targets, &Flags::none(), &tags::muted()),
            Act::Time { kind, due } => self.set_timers(begun, &targets, *kind, *due),
            Act::Delete => self.ask_to_delete(targets),
            Act::Rules => self.run_rules(targets.into_iter().map(|target| target.place).collect()),
            Act::MoveToRole(_) | Act::Move(_) | Act::Label { .. } => self.move_all(begun, act, targets),
        }
    }

    fn ask_to_delete(&mut self, targets: Vec<Target>) -> Vec<Job> {
        let at_home =
            |target: &Target| self.home(&target.place.mailbox.account).as_ref() == Some(&target.place.mailbox);
        if targets.iter().any(at_home) {
            // A server of this kind keeps what is deleted there, and shows it again.
            self.say(Level::Info, "Move it to the trash first: only there it can be deleted for ever");
            return Vec::new();
        }
        let places = targets.into_iter().map(|target| target.place).collect();
        self.overlay = Some(Overlay::Ask(Ask { question: Question::Delete(places) }));
        Vec::new()
    }

    fn set_flags(&mut self, begun: Ticket, targets: Vec<Target>, add: &Flags, remove: &Flags) -> Vec<Job> {
        let wanting = |target: &Target| target.flags.union(add).minus(remove) != target.flags;
        let places: Vec<Place> = targets.into_iter().filter(wanting).map(|target| target.place).collect();
        if places.is_empty() {
            self.take_back(begun);
            return Vec::new();
        }
        let ticket = self.ticket();
        self.list.changes.carried(begun, ticket, places.iter());
        let label = flag_words(add, remove, places.len());
        let reverse = Reverse::Flags { places: places.clone(), add: remove.clone(), remove: add.clone() };
        self.undo.remember(label.clone(), vec![reverse]);
        self.status.offer(self.now, Level::Ok, &label, Action::Undo);
        vec![files(FilesJob::SetFlags { ticket, places, add: add.clone(), remove: remove.clone() })]
    }

    fn move_all(&mut self, begun: Ticket, act: &Act, targets: Vec<Target>) -> Vec<Job> {
        let mut files: BTreeMap<MailboxId, Vec<(Place, Labels)>> = BTreeMap::new();
        let mut labelled: BTreeMap<(Labels, Labels), Vec<Place>> = BTreeMap::new();
        let mut had: BTreeMap<Place, Labels> = BTreeMap::new();
        let (mut there, mut closed) = (0usize, None);
        for target in targets {
            match self.route(act, &target) {
                Route::Closed(why) => closed = Some(why),
                Route::There => there += 1,
                Route::File(to, labels) => {
                    had.insert(target.place.clone(), given(&target.flags.labels()));
                    files.entry(to).or_default().push((target.place, labels));
                }
                Route::Labels { add, remove } => labelled.entry((add, remove)).or_default().push(target.place),
            }
        }
        let count = files.values().map(Vec::len).sum::<usize>() + labelled.values().map(Vec::len).sum::<usize>();
        if let Some(why) = closed {
            self.say(Level::Warn, &format!("Not moved: {why}"));
        } else if count == 0 && there > 0 {
            self.say(Level::Info, words_of_there(act));
        }
        if count == 0 {
            self.take_back(begun);
            return Vec::new();
        }
        let goals = if labelled.is_empty() { files.keys().collect() } else { BTreeSet::new() };
        let label = move_words(act, &goals, count);
        let mut jobs = Vec::new();
        let mut tickets = BTreeSet::new();
        for (to, targets) in files {
            let ticket = self.ticket();
            tickets.insert(ticket);
            self.list.changes.carried(begun, ticket, targets.iter().map(|(place, _)| place));
            jobs.push(self.move_files(ticket, targets, to));
        }
        for ((add, remove), places) in labelled {
            let ticket = self.ticket();
            tickets.insert(ticket);
            self.list.changes.carried(begun, ticket, places.iter());
            jobs.push(self.wish_labels(ticket, places, add, remove));
        }
        self.undo.expect(label.clone(), tickets, had, self.list.gone_by(begun));
        if closed.is_none() {
            self.status.offer(self.now, Level::Ok, &label, Action::Undo);
        }
        jobs
    }

    /// The user said yes: these go for ever.
    pub(super) fn delete_forever(&mut self, places: Vec<Place>) -> Vec<Job> {
        let ticket = self.ticket();
        let gone: BTreeSet<&Place> = places.iter().collect();
        let rows = self.list.rows.iter().filter(|row| gone.contains(&row.place)).map(|row| row.message).collect();
        self.list.changes.begin(What::Gone, rows, ticket, self.now);
        self.list.changes.carried(ticket, ticket, places.iter());
        self.list.lay_changes();
        self.say(Level::Ok, &format!("Deleted {} for ever", messages(places.len())));
        let open = self.viewer.open.as_ref().filter(|open| gone.contains(&open.row.place)).map(|open| open.row.message);
        let mut jobs = Vec::new();
        if let (Some(message), Screen::Browse(Focus::Viewer)) = (open, self.screen) {
            jobs.extend(self.after_removal(message, self.list.cursor));
        }
        jobs.push(files(FilesJob::Delete { ticket, places }));
        jobs.extend(self.fill_list());
        jobs
    }

    /// Takes the newest change back.
    pub(super) fn undo(&mut self) -> Vec<Job> {
        let Some(entry) = self.undo.pop() else {
            self.say(Level::Info, "Undone as soon as it is done");
            return Vec::new();
        };
        self.carry_back(entry)
    }

    /// Carries out what undoes an entry.
    pub(super) fn carry_back(&mut self, entry: Entry) -> Vec<Job> {
        if entry.steps.iter().any(|step| matches!(step, Reverse::Recall(_))) {
            self.status.leaving = None;
            self.say(Level::Info, "Taking it back from the outbox");
        } else {
            self.say(Level::Ok, &format!("Undone: {}", lower_first(&entry.label)));
        }
        self.await_back(entry.gone);
        let mut jobs = Vec::new();
        for step in entry.steps.into_iter().rev() {
            let ticket = self.ticket();
            match step {
                Reverse::Flags { places, add, remove } => {
                    jobs.push(files(FilesJob::SetFlags { ticket, places, add, remove }));
                }
                Reverse::Labels { places, add, remove } => jobs.push(self.wish_labels(ticket, places, add, remove)),
                Reverse::Move { places, to, labels } => {
                    let targets = places.into_iter().map(|place| (place, labels.clone())).collect();
                    jobs.push(self.move_files(ticket, targets, to));
                }
                Reverse::Note(edit) => jobs.push(self.note_again(ticket, edit)),
                Reverse::Recall(entry) => jobs.push(Job::Outbox(OutboxJob::Recall(entry))),
                Reverse::Search(order) => jobs.extend(self.order_search(order, String::new(), None)),
                Reverse::Folder { mailbox, order } => jobs.extend(self.order(mailbox, order, OrderedWhy::Undoing)),
            }
        }
        jobs
    }

    /// Marks one message as read because it was opened: shown at once, not an act of the user's.
    pub(super) fn mark_read(&mut self, row: &Row) -> Vec<Job> {
        let ticket = self.ticket();
        let listed = self.list.rows.iter().find(|known| known.thread == row.thread && known.messages > 1);
        let (what, id) = match listed {
            Some(conversation) => (What::OneRead, conversation.message),
            None => (What::Flags { add: Flags::only(Flag::Seen), remove: Flags::none() }, row.message),
        };
        self.list.changes.begin(what, BTreeSet::from([id]), ticket, self.now);
        self.list.changes.carried(ticket, ticket, std::iter::once(&row.place));
        self.list.lay_changes();
        let add = Flags::only(Flag::Seen);
        vec![files(FilesJob::SetFlags { ticket, places: vec![row.place.clone()], add, remove: Flags::none() })]
    }

    /// What the flags of the selection, or of what is under the cursor, have in common.
    pub(super) fn all_have(&self, flag: Flag) -> bool {
        if self.screen == Screen::Browse(Focus::Viewer) {
            return self.viewer.current_row().is_some_and(|row| row.flags.has(flag));
        }
        if self.list.selected.is_empty() {
            return self.list.current().is_some_and(|row| row.flags.has(flag));
        }
        self.list.selected.values().all(|row| row.flags.has(flag))
    }
}

/// Was an answer waited for in vain?
pub(super) fn is_vain(timing: Option<Timing>) -> bool {
    matches!(timing, Some(Timing::Unanswered(_)))
}

/// `1 message`, `3 messages`.
pub(super) fn messages(count: usize) -> String {
    if count == 1 { "1 message".to_owned() } else { format!("{count} messages") }
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

/// What was done, for the message line; `goals` are the folders where all of it went, if it went to folders.
fn move_words(act: &Act, goals: &BTreeSet<&MailboxId>, count: usize) -> String {
    let count = messages(count);
    let title = |label: &Label| label.name().map_or("inbox", MailboxName::as_str).to_owned();
    match act {
        Act::Label { label, give: true } => format!("Labelled {count} {}", title(label)),
        Act::Label { label, give: false } => format!("Took the label {} from {count}", title(label)),
        Act::Move(to) => format!("Moved {count} to {}", to.name),
        Act::MoveToRole(Role::Archive) if goals.is_empty() => format!("Archived {count}"),
        Act::MoveToRole(_) | Act::Flags { .. } | Act::Mute { .. } | Act::Time { .. } | Act::Rules | Act::Delete => {
            let names: BTreeSet<&str> = goals.iter().map(|goal| goal.name.as_str()).collect();
            format!("Moved {count} to {}", names.into_iter().collect::<Vec<_>>().join(", "))
        }
    }
}

fn words_of_there(act: &Act) -> &'static str {
    match act {
        Act::MoveToRole(Role::Archive) => "It is archived already",
        Act::Label { give: true, .. } => "It has that label already",
        Act::Label { give: false, .. } => "It does not have that label",
        Act::MoveToRole(_)
        | Act::Move(_)
        | Act::Flags { .. }
        | Act::Mute { .. }
        | Act::Time { .. }
        | Act::Rules
        | Act::Delete => "It is in that folder already",
    }
}

fn flag_words(add: &Flags, remove: &Flags, count: usize) -> String {
    if tags::is_muted(add) {
        return format!("Muted {}", messages(count));
    }
    if tags::is_muted(remove) {
        return format!("Listening again to {}", messages(count));
    }
    if let Some(words) = tagging::words(add, remove, count) {
        return words;
    }
    let count = messages(count);
    if add.has(Flag::Flagged) {
        format!("Starred {count}")
    } else if remove.has(Flag::Flagged) {
        format!("Took the star from {count}")
    } else if add.has(Flag::Seen) {
        format!("Marked {count} as read")
    } else if remove.has(Flag::Seen) {
        format!("Marked {count} as unread")
    } else {
        format!("Changed {count}")
    }
}
