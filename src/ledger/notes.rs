//! What the user notes about messages: timers, and where conversations are cut and sewn together. No server
//! keeps it and no file tells it, so it is durable when [`Ledger::note`] returns.

use rusqlite::{TransactionBehavior, params};

use super::fault;
use super::schema::Ledger;
use crate::fault::Fault;
use crate::mail::ids::Timestamp;
use crate::mail::notes::{Edit, Identity, Notes, Seam, Timer, TimerKind};

impl Ledger {
    /// Carries out a change of notes, in one step.
    pub fn note(&mut self, edit: &Edit) -> Result<(), Fault> {
        let mut run = || -> rusqlite::Result<()> {
            let step = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            for ((id, kind), timer) in &edit.timers {
                match timer {
                    Some(Timer { due, set_at }) => step.execute(
                        "INSERT OR REPLACE INTO timer (message, kind, due, set_at) VALUES (?1, ?2, ?3, ?4)",
                        params![id.write(), kind.word(), due.get(), set_at.get()],
                    )?,
                    None => step.execute(
                        "DELETE FROM timer WHERE message = ?1 AND kind = ?2",
                        params![id.write(), kind.word()],
                    )?,
                };
            }
            for (id, seam) in &edit.seams {
                step.execute("DELETE FROM seam WHERE message = ?1", [id.write()])?;
                if *seam != Seam::default() {
                    step.execute(
                        "INSERT INTO seam (message, cut, joined) VALUES (?1, ?2, ?3)",
                        params![id.write(), seam.cut, seam.joined.as_ref().map(Identity::write)],
                    )?;
                }
            }
            step.commit()
        };
        run().map_err(|e| fault(&e))
    }

    /// All notes. Costs as much as there are.
    pub fn notes(&self) -> Result<Notes, Fault> {
        let run = || -> rusqlite::Result<Notes> {
            let mut notes = Notes::default();
            let mut find = self.db.prepare_cached("SELECT message, kind, due, set_at FROM timer")?;
            let mut rows = find.query([])?;
            while let Some(row) = rows.next()? {
                let id = Identity::read(row.get_ref(0)?.as_str()?);
                let kind = TimerKind::of(row.get_ref(1)?.as_str()?);
                if let Some(key) = id.zip(kind) {
                    let (due, set_at) = (Timestamp::new(row.get(2)?), Timestamp::new(row.get(3)?));
                    notes.timers.insert(key, Timer { due, set_at });
                }
            }
            let mut find = self.db.prepare_cached("SELECT message, cut, joined FROM seam")?;
            let mut rows = find.query([])?;
            while let Some(row) = rows.next()? {
                let joined = row.get_ref(2)?.as_str_or_null()?.and_then(Identity::read);
                if let Some(id) = Identity::read(row.get_ref(0)?.as_str()?) {
                    notes.seams.insert(id, Seam { cut: row.get(1)?, joined });
                }
            }
            Ok(notes)
        };
        run().map_err(|e| fault(&e))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::mail::ids::MessageId;

    #[test]
    fn notes_outlive_the_program_and_an_edit_is_taken_back_by_another() {
        let data = tempfile::tempdir().unwrap();
        let id = |text: &str| Identity::Id(MessageId::new(text).unwrap());
        let (mut ledger, _) = Ledger::open(data.path()).unwrap();
        let timer = Timer { due: Timestamp::new(90), set_at: Timestamp::new(-4) };
        let first = Edit {
            timers: BTreeMap::from([
                ((id("a@x"), TimerKind::Snooze), Some(timer)),
                ((Identity::Bytes(-9), TimerKind::Remind), Some(timer)),
            ]),
            seams: BTreeMap::from([(id("b@x"), Seam { cut: true, joined: Some(id("a@x")) })]),
        };
        ledger.note(&first).unwrap();
        drop(ledger);
        let (mut ledger, _) = Ledger::open(data.path()).unwrap();
        let mut notes = ledger.notes().unwrap();
        assert_eq!((notes.timers.len(), notes.seams.len()), (2, 1));
        assert_eq!(Ledger::peek(data.path()).unwrap().unwrap().notes().unwrap(), notes);
        let second = Edit {
            timers: BTreeMap::from([((id("a@x"), TimerKind::Snooze), None)]),
            seams: BTreeMap::from([(id("b@x"), Seam::default()), (id("c@x"), Seam { cut: true, joined: None })]),
        };
        let back = notes.back(&second);
        ledger.note(&second).unwrap();
        let before = notes.clone();
        notes.apply(&second);
        assert_eq!(ledger.notes().unwrap(), notes);
        ledger.note(&back).unwrap();
        assert_eq!(ledger.notes().unwrap(), before);
    }
}
