//! Folding and unfolding: conversations in the list, quotes in a message.

use crate::job::Job;
use crate::job::index::Grouping;
use crate::keys::Action;
use crate::mail::ids::ThreadId;

use super::list::Jump;
use super::{Focus, Model, Screen};

impl Model {
    /// Folds and unfolds: conversations where the list has the keys, else quotes.
    pub(super) fn fold(&mut self, action: Action) -> Vec<Job> {
        if self.screen != Screen::Browse(Focus::Viewer) && self.folds_rows() {
            return self.fold_in_list(action);
        }
        match action {
            Action::FoldHere => self.toggle_fold(),
            _ => self.fold_all(action == Action::FoldAll),
        }
        Vec::new()
    }

    /// Unfolds the conversation under the cursor, or folds it; or all of those on screen.
    pub(super) fn fold_in_list(&mut self, action: Action) -> Vec<Job> {
        let row = self.list.current().cloned();
        let on_screen: Vec<ThreadId> = (self.list.top..self.list.top + self.height())
            .filter_map(|at| self.list.row(at))
            .filter(|row| row.messages > 1)
            .map(|row| row.thread)
            .collect();
        let Some(spec) = &mut self.list.spec else { return Vec::new() };
        match (action, &row) {
            (Action::FoldHere, Some(row)) if row.unfolded => {
                // It may have become part of another one since it was unfolded.
                if !spec.unfolded.remove(&row.thread) {
                    spec.unfolded.clear();
                }
            }
            (Action::FoldHere, Some(row)) if row.messages > 1 => drop(spec.unfolded.insert(row.thread)),
            (Action::UnfoldAll, _) => spec.unfolded.extend(on_screen),
            (Action::FoldAll, _) => spec.unfolded.clear(),
            _ => return Vec::new(),
        }
        self.ask_rows(row.map(|row| row.message), Jump::Stay)
    }

    /// Can conversations be unfolded in this list?
    pub(super) fn folds_rows(&self) -> bool {
        let by_conversation = self.list.spec.as_ref().is_some_and(|spec| spec.grouping == Grouping::Conversations);
        by_conversation && !self.lists_a_search()
    }
}
