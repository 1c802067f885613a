//! A new index beside the one that serves: begun, gone on with by another run, and put in the old one's place in one
//! step. What is taken in is the writer's business.

use std::path::Path;

use super::schema;
use super::serving::{self, Building, Lock};
use super::write::Writer;
use crate::fault::Fault;

impl Writer {
    /// Begins a new index beside the one that serves, or goes on where another run left one. Everything must be
    /// listed, then it is to be [put in place](Self::put_in_place). `None`: another program is building one.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub fn beside(path: &Path, own: &[String]) -> Result<Option<Self>, Fault> {
        let Some(right) = Building::begin(path, &Lock::of(path)?)? else { return Ok(None) };
        let db = schema::open_spare(path, &right)?;
        Self::on(db, path, own, Some(right)).map(Some)
    }

    /// Lets a new index serve in the place of the old one, which goes. Whoever has that open moves over with the
    /// next question.
    ///
    /// # Errors
    /// It cannot be written or not be put in place; the old one goes on serving then.
    pub fn put_in_place(mut self) -> Result<(), Fault> {
        if self.building.is_none() {
            return Ok(());
        }
        self.settle_blocks()?;
        let _right = self.building.take();
        let finish = || {
            self.db.execute_batch(schema::SORTS)?;
            self.db.execute(schema::FINISHED, [])?;
            // What is in place is whole on disk, not in a log that a power cut could take away.
            self.db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        };
        finish().map_err(|error| self.fault(&error))?;
        drop(self.db);
        let lock = Lock::of(&self.path)?;
        serving::put_in_place(&self.path, &lock)?;
        serving::clear(&self.path, &lock)
    }

    /// Has another index taken the place of this one since it was opened? What is written here is seen by nobody
    /// then.
    pub fn is_replaced(&self) -> bool {
        self.building.is_none() && serving::identity(&self.path) != self.file
    }

    /// Removes what a program that died while it built an index has left, where this one serves.
    pub(super) fn clear_leftovers(&self) {
        // Whoever builds at this moment goes on; what cannot be removed now is at the next idle moment.
        if self.building.is_none()
            && let Ok(lock) = Lock::of(&self.path)
            && let Ok(Some(_right)) = Building::begin(&self.path, &lock)
        {
            drop(serving::clear(&self.path, &lock));
        }
    }
}
