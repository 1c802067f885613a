//! Timers: the menu that asks until when a message shall be out of the way, or an answer be waited for, and what
//! is noted then.

use crate::job::index::{Row, Source};
use crate::job::{Job, Ticket};
use crate::mail::clean::Clean;
use crate::mail::ids::Timestamp;
use crate::mail::moment;
use crate::mail::notes::{Edit, Timer, TimerKind, Timing};

use super::act::{Act, Target, messages};
use super::menu::{Choice, Menu, MenuItem, MenuKind};
use super::{Focus, Model, Overlay, Screen};

impl Model {
    /// Asks until when.
    pub(super) fn choose_time(&mut self, kind: TimerKind) {
        let rows = self.act_rows();
        if rows.is_empty() {
            return;
        }
        let mut items = self.times();
        if rows.iter().any(|row| has_timer(row, kind)) {
            let words = match kind {
                TimerKind::Snooze => "Not at all: it comes back now",
                TimerKind::Remind => "Not at all: no answer is waited for",
            };
            items.push(item(words, String::new(), Choice::Until(None)));
        }
        self.overlay = Some(Overlay::Menu(Menu::new(MenuKind::Time(kind), items)));
    }

    /// Asks until when an answer to the message that is being written is waited for.
    pub(super) fn choose_draft_reminder(&mut self) {
        let mut items = self.times();
        if self.compose.as_ref().is_some_and(|compose| compose.draft.remind_at.is_some()) {
            items.push(item("Not at all: no answer is waited for", String::new(), Choice::Until(None)));
        }
        self.overlay = Some(Overlay::Menu(Menu::new(MenuKind::Time(TimerKind::Remind), items)));
    }

    fn times(&self) -> Vec<MenuItem> {
        let choices = moment::usual(self.now, &self.zone);
        choices.into_iter().map(|(words, at)| item(words, self.when(at), Choice::Until(Some(at)))).collect()
    }

    /// A moment, as it is said here.
    pub(super) fn when(&self, at: Timestamp) -> String {
        moment::words(at, self.now, &self.zone)
    }

    /// Offers what was typed in a menu of times, as the time that it means.
    pub(super) fn offer_typed_time(&mut self) {
        let (now, zone) = (self.now, self.zone.clone());
        let Some(Overlay::Menu(menu)) = &mut self.overlay else { return };
        if !matches!(menu.kind, MenuKind::Time(_)) {
            return;
        }
        menu.items.retain(|item| item.group != TYPED);
        let count = menu.items.len();
        menu.shown.retain(|at| *at < count);
        if let Some(at) = moment::coming(menu.input.text(), now, &zone) {
            let words = format!("Until {}", moment::words(at, now, &zone));
            menu.items.push(MenuItem { group: TYPED, ..item(&words, String::new(), Choice::Until(Some(at))) });
            menu.shown.insert(0, count);
        }
    }

    /// A time was chosen.
    pub(super) fn take_time(&mut self, kind: TimerKind, due: Option<Timestamp>) -> Vec<Job> {
        if let (Screen::Compose, Some(compose)) = (self.screen, &mut self.compose) {
            compose.draft.remind_at = due;
            return self.keep_draft();
        }
        let act = Act::Time { kind, due };
        if kind == TimerKind::Snooze || self.screen == Screen::Browse(Focus::Viewer) {
            return self.act(act);
        }
        // It is one message that is not answered, and not its conversation.
        let mut rows = self.act_rows();
        for row in &mut rows {
            row.messages = 1;
        }
        self.list.selected.clear();
        self.list.range = None;
        self.begin(act, rows, std::collections::BTreeSet::new())
    }

    /// Sets timers, or takes them away.
    pub(super) fn set_timers(
        &mut self,
        begun: Ticket,
        targets: &[Target],
        kind: TimerKind,
        due: Option<Timestamp>,
    ) -> Vec<Job> {
        let mut edit = Edit::default();
        for target in targets {
            // What was not answered waits for that some more, and does not sleep.
            let waits = matches!(target.timing, Some(Timing::Unanswered(_)));
            let key = (target.id.clone(), if waits { TimerKind::Remind } else { kind });
            if due.is_some() || self.noting.known.timers.contains_key(&key) {
                edit.timers.insert(key, due.map(|due| Timer { due, set_at: self.now }));
            }
        }
        if edit.is_empty() {
            self.take_back(begun);
            return Vec::new();
        }
        let count = messages(edit.timers.len());
        let label = match (kind, due) {
            (TimerKind::Snooze, Some(due)) => format!("Snoozed {count} until {}", self.when(due)),
            (TimerKind::Snooze, None) => format!("Brought {count} back"),
            (TimerKind::Remind, Some(due)) => format!("An answer to {count} is waited for until {}", self.when(due)),
            (TimerKind::Remind, None) => format!("No answer to {count} is waited for"),
        };
        let places = targets.iter().map(|target| target.place.clone()).collect();
        self.note(edit, &label, Some(begun), places)
    }

    /// Does the list show what a search found? It shows what sleeps, too.
    pub(super) fn lists_a_search(&self) -> bool {
        matches!(self.list.spec.as_ref().map(|spec| &spec.source), Some(Source::Search { .. }))
    }
}

/// Marks the row that offers what was typed.
const TYPED: &str = "Typed";

fn item(words: &str, keys: String, choice: Choice) -> MenuItem {
    MenuItem { text: Clean::line(words), keys, group: "", choice, why_not: None }
}

fn has_timer(row: &Row, kind: TimerKind) -> bool {
    match row.timing {
        None => false,
        Some(Timing::Asleep(_) | Timing::Returned(_)) => kind == TimerKind::Snooze,
        Some(Timing::Awaited(_) | Timing::Unanswered(_)) => true,
    }
}
