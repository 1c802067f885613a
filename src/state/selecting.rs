//! Selecting rows of the list: one, a range, those on screen that have something in common.

use crate::job::Job;
use crate::keys::Action;
use crate::keys::action::Group;
use crate::mail::flags::Flag;

use super::{Focus, Level, Model, Screen};

impl Model {
    pub(super) fn select(&mut self, action: Action) -> Vec<Job> {
        match action {
            Action::Select | Action::SelectHere => {
                self.toggle_selected(self.list.cursor..self.list.cursor + 1);
                if action == Action::Select {
                    return self.move_by(1);
                }
            }
            Action::SelectRange if self.list.range.is_some() => self.end_range(),
            Action::SelectRange => self.list.range = Some(self.list.cursor),
            Action::SelectNone => {
                self.list.selected.clear();
                self.list.range = None;
            }
            Action::SelectInvert => {
                let shown = self.list.top..self.list.top + usize::from(self.viewport.list_rows);
                self.toggle_selected(shown);
            }
            _ => {
                let shown = self.list.top..self.list.top + usize::from(self.viewport.list_rows);
                let wanted = |row: &crate::job::index::Row| match action {
                    Action::SelectUnread => row.unread > 0 || !row.flags.has(Flag::Seen),
                    Action::SelectStarred => row.flags.has(Flag::Flagged),
                    _ => true,
                };
                let rows = shown.filter_map(|at| self.list.row(at)).filter(|row| wanted(row)).cloned();
                let rows: Vec<_> = rows.map(|row| (row.message, row)).collect();
                self.list.selected.extend(rows);
            }
        }
        Vec::new()
    }

    fn toggle_selected(&mut self, positions: std::ops::Range<usize>) {
        let rows: Vec<_> = positions.filter_map(|at| self.list.row(at)).cloned().collect();
        for row in rows {
            if self.list.selected.remove(&row.message).is_none() {
                self.list.selected.insert(row.message, row);
            }
        }
    }

    /// What is done to messages is done to all rows of a range that was begun: they look selected.
    pub(super) fn close_range(&mut self, action: Action) {
        let acts = action.row().group == Group::Message && action != Action::Undo;
        if acts && self.overlay.is_none() && self.screen == Screen::Browse(Focus::List) {
            self.end_range();
        }
    }

    /// Selects the rows from where the range was begun to the cursor.
    fn end_range(&mut self) {
        let Some(from) = self.list.range.take() else { return };
        let (from, until) = (from.min(self.list.cursor), from.max(self.list.cursor));
        let wanted = until - from + 1;
        let rows: Vec<_> = (from..=until).filter_map(|at| self.list.row(at)).cloned().collect();
        // Rows far from the screen are not here, and nothing is done to what nobody saw.
        if rows.len() < wanted {
            let text =
                format!("A range reaches only what is near the screen: {} of {wanted} rows selected", rows.len());
            self.say(Level::Warn, &text);
        }
        self.list.selected.extend(rows.into_iter().map(|row| (row.message, row)));
    }
}
