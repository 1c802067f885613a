//! Reading ahead: while the writer writes a step of a listing, a thread of its own reads the files of the next one.
//! It knows nothing of the index, so a step that fails is simply read again. Without such a thread the writer reads
//! by itself.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::extract::{Depth, Incoming, Own};
use super::intake::Files;
use super::schema;
use super::write::{FileName, Haste, Writer};
use crate::job::files::Listing;

/// A step ends once it has so many bytes of words.
const MOST_BYTES: usize = 8 << 20;

/// The files of one step.
pub(super) struct Wanted {
    pub(super) files: Files,
    /// None for one that is passed over.
    pub(super) names: Vec<Option<FileName>>,
    pub(super) depth: Depth,
    pub(super) own: Arc<Own>,
}

/// What was read for a step.
pub(super) struct Batch {
    /// Those that are there, under the name they have now.
    pub(super) read: Vec<(FileName, Incoming)>,
    /// How many of those that were wanted are done with; the others belong to the next step.
    pub(super) passed: usize,
}

impl Wanted {
    /// Reads them, at least one and at most what a step may hold.
    pub(super) fn read(mut self) -> Batch {
        let (mut read, mut passed, mut bytes) = (Vec::with_capacity(self.names.len()), 0, 0);
        for name in self.names {
            passed += 1;
            let Some(mut name) = name else { continue };
            if let Some(incoming) = self.files.read(&mut name, self.depth, &self.own) {
                bytes += incoming.text.as_ref().map_or(0, |text| text.0.iter().map(String::len).sum());
                read.push((name, incoming));
            }
            if bytes > MOST_BYTES {
                break;
            }
        }
        Batch { read, passed }
    }
}

/// The writer's end.
pub struct Ahead {
    ask: SyncSender<Wanted>,
    answer: Receiver<Batch>,
    /// The step that is being read: of which listing, and how many of its files wait, with its own.
    under_way: Option<(Arc<Listing>, usize)>,
}

/// The thread's end.
pub struct Reading {
    asked: Receiver<Wanted>,
    give: SyncSender<Batch>,
}

/// Makes both ends; the thread's ends with the writer's.
pub fn ahead() -> (Ahead, Reading) {
    let ((ask, asked), (give, answer)) = (sync_channel(1), sync_channel(1));
    (Ahead { ask, answer, under_way: None }, Reading { asked, give })
}

impl Reading {
    /// The body of the thread.
    pub fn run(self) {
        for wanted in self.asked {
            if self.give.send(wanted.read()).is_err() {
                return;
            }
        }
    }
}

impl Ahead {
    /// Has the step read at whose beginning so many files of this listing wait.
    pub(super) fn ask(&mut self, listing: &Arc<Listing>, waiting: usize, wanted: Wanted) {
        if self.under_way.is_none() && self.ask.try_send(wanted).is_ok() {
            self.under_way = Some((Arc::clone(listing), waiting));
        }
    }

    /// What was read for this step; `None`: nothing was.
    pub(super) fn take(&mut self, listing: &Arc<Listing>, waiting: usize) -> Option<Batch> {
        let (known, count) = self.under_way.take()?;
        let batch = self.answer.recv().ok()?;
        (Arc::ptr_eq(&known, listing) && count == waiting).then_some(batch)
    }
}

impl Writer {
    /// Says what is waited for; at first it is lists.
    #[must_use]
    pub fn with_haste(mut self, haste: Haste) -> Self {
        self.haste = haste;
        if haste == Haste::Everything {
            // It is only slower without.
            drop(self.db.execute_batch(schema::IN_BULK));
        }
        self
    }

    /// Has another thread read the files of the next step while this one writes a step.
    #[must_use]
    pub fn with_ahead(mut self, ahead: Ahead) -> Self {
        self.ahead = Some(ahead);
        self
    }
}
