//! Folding and unfolding: conversations in the list, quotes in a message.

use crate::job::Job;
use crate::job::index::Grouping;
use crate::keys::Action;
use crate::mail::ids::ThreadId;

use super::list::Jump;
use super::{Focus, List, Model, Screen};

impl List {
    /// How deep a row stands in its conversation. What answers a message that is not here stands below the first
    /// one: where the next conversation begins has to be seen.
    pub fn depth(&self, position: usize) -> u16 {
        let Some(row) = self.row(position) else { return 0 };
        let at = position.saturating_sub(self.first);
        let before = self.rows.get(..at).unwrap_or_default().iter().rev();
        let before = before.take_while(|known| row.unfolded && known.unfolded && known.thread == row.thread).count();
        let behind_first = self.rows.get(at + 1 - before..=at).unwrap_or_default();
        row.depth + u16::from(behind_first.iter().any(|known| known.depth == 0))
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::list::tests::row;

    #[test]
    fn what_answers_a_message_that_is_not_here_stands_below_the_first() {
        let rows = [(1, 0, false), (2, 0, true), (2, 1, true), (2, 0, true), (2, 1, true), (3, 0, true), (1, 0, false)];
        let rows = rows.map(|(thread, depth, unfolded)| row(thread, depth, unfolded)).to_vec();
        let mut list = List::new(Grouping::Conversations);
        (list.rows, list.first, list.total) = (rows, 5, 12);
        let depths: Vec<u16> = (4..13).map(|at| list.depth(at)).collect();
        assert_eq!(depths, [0, 0, 0, 1, 1, 2, 0, 0, 0]);
    }
}
