//! What is asked of the message under the cursor that is not open, or not read yet: it is opened or read first, and what
//! was asked is done once it is here. Whatever is asked for meanwhile takes its place.

use crate::job::files::FilesJob;
use crate::job::{Job, Ticket};
use crate::keys::{Action, Bound};
use crate::mail::document::Document;
use crate::mail::ids::RowId;

use super::{Focus, Model, Screen, files};

/// What is waited for.
#[derive(Debug)]
pub(super) enum Awaited {
    /// The document of this message, which is open; then this is done.
    Open(RowId, Bound),
    /// The answer with this number, of which something is copied.
    Copy(Ticket, Action),
}

impl Model {
    /// Does an action need what the message under the cursor says, and it is not at hand? Then what gets it.
    pub(super) fn read_first(&mut self, bound: Bound) -> Option<Vec<Job>> {
        let copies = match bound.action {
            Action::CopyAddress | Action::CopyId | Action::CopyText => true,
            Action::OpenHint | Action::SaveAttachment | Action::Headers => false,
            _ => return None,
        };
        if self.situation().open {
            return None;
        }
        let in_viewer = self.screen == Screen::Browse(Focus::Viewer);
        let row = if in_viewer { self.viewer.current_row() } else { self.list.current().cloned() }?;
        if copies {
            // To copy is no reading: nothing is shown, and nothing is marked as read.
            let ticket = self.ticket();
            self.awaited = Some(Awaited::Copy(ticket, bound.action));
            let width = self.viewport.view_width.max(1);
            return Some(vec![files(FilesJob::Open { ticket, place: row.place, width })]);
        }
        if bound.action == Action::Headers {
            if in_viewer {
                return None;
            }
            self.viewer.all_headers = true;
        }
        let mut jobs = Vec::new();
        if !in_viewer {
            self.screen = Screen::Browse(Focus::Viewer);
            jobs.extend(self.open_row(&row));
        }
        if bound.action != Action::Headers {
            if self.situation().open {
                jobs.extend(self.run(bound));
            } else {
                self.awaited = Some(Awaited::Open(row.message, bound));
            }
        }
        Some(jobs)
    }

    /// A message was read. Was it to copy of it?
    pub(super) fn take_copied(&mut self, ticket: Ticket, document: &Document) -> Option<Vec<Job>> {
        let awaited = self.awaited.take_if(|awaited| matches!(awaited, Awaited::Copy(asked, _) if *asked == ticket))?;
        let Awaited::Copy(_, action) = awaited else { return None };
        Some(self.copy_of(action, Some(document)))
    }

    /// What was asked of an open message before it was here.
    pub(super) fn do_awaited(&mut self, message: RowId) -> Vec<Job> {
        let is_it = |awaited: &mut Awaited| matches!(awaited, Awaited::Open(asked, _) if *asked == message);
        match self.awaited.take_if(is_it) {
            Some(Awaited::Open(_, bound)) if self.overlay.is_none() => self.run(bound),
            _ => Vec::new(),
        }
    }
}
