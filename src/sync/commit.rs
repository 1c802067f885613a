//! The lane on which fetched batches become durable while the next batch streams in: file system
//! sync, renames, then one ledger transaction, in this order. What is reported is on disk.

use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, SyncSender, sync_channel};

use super::env::Halt;
use crate::fault::Fault;
use crate::job::{Changed, PlaceChange, PlaceFile};
use crate::ledger::{Change, Ledger, MailboxKey, Row};
use crate::mail::place::MailboxId;
use crate::store::batch::Batch;
use crate::store::maildir::Maildir;

/// A batch on its way to disk.
pub struct Parcel {
    pub(crate) mailbox: MailboxId,
    pub(crate) key: MailboxKey,
    pub(crate) maildir: Maildir,
    pub(crate) batch: Batch,
    /// What the ledger shall say about each message of the batch.
    pub(crate) rows: Vec<Row>,
    pub(crate) reply: Sender<Landed>,
}

/// What became of a batch.
pub(crate) struct Landed {
    /// The files, for the index.
    pub(crate) changed: Changed,
    /// Messages that could not be put in their place; the others were.
    pub(crate) faults: Vec<Fault>,
    /// What stopped the whole batch.
    pub(crate) halt: Option<Halt>,
}

/// The sending end of a lane.
#[derive(Clone)]
pub struct Lane(SyncSender<Parcel>);

impl Lane {
    /// Hands a parcel over, waiting while another one waits already. Gives it back if nobody
    /// is there to take it.
    pub(crate) fn send(&self, parcel: Parcel) -> Result<(), Box<Parcel>> {
        self.0.send(parcel).map_err(|refused| Box::new(refused.0))
    }
}

/// Makes a lane. One batch may wait while another is written, so that memory stays flat.
pub fn lane() -> (Lane, Receiver<Parcel>) {
    let (sender, receiver) = sync_channel(1);
    (Lane(sender), receiver)
}

/// Lands parcels until every [`Lane`] is dropped: the body of a thread of its own.
pub fn run(data: &Path, parcels: &Receiver<Parcel>) {
    let mut ledger = None;
    for parcel in parcels {
        let reply = parcel.reply.clone();
        let landed = match open(&mut ledger, data) {
            Ok(ledger) => land(parcel, ledger, &|| Ok(())),
            Err(fault) => Landed {
                changed: Changed { mailbox: parcel.mailbox.clone(), places: Vec::new() },
                faults: Vec::new(),
                halt: Some(Halt::Failed(fault)),
            },
        };
        // Who does not listen any more finds the files by their names in the next round.
        let _ = reply.send(landed);
    }
}

fn open<'a>(slot: &'a mut Option<Ledger>, data: &Path) -> Result<&'a mut Ledger, Fault> {
    let ledger = match slot.take() {
        Some(ledger) => ledger,
        // What it writes is new, and lies together.
        None => Ledger::open(data)?.0.with_little_in_memory(),
    };
    Ok(slot.insert(ledger))
}

/// Makes one batch durable and writes it down. `step` is asked between the two halves.
pub(crate) fn land(parcel: Parcel, ledger: &mut Ledger, step: &dyn Fn() -> Result<(), Halt>) -> Landed {
    let Parcel { mailbox, key, maildir, batch, rows, .. } = parcel;
    let mut landed = Landed { changed: Changed { mailbox, places: Vec::new() }, faults: Vec::new(), halt: None };
    let done = match batch.commit() {
        Ok(done) => done,
        Err(fault) => {
            landed.halt = Some(Halt::Failed(fault));
            return landed;
        }
    };
    let rows: std::collections::BTreeMap<_, _> = rows.into_iter().map(|row| (row.unique.clone(), row)).collect();
    let mut put = Vec::with_capacity(done.stored.len());
    let mut letters = Vec::new();
    let mut places = Vec::with_capacity(done.stored.len());
    for stored in done.stored {
        let Some(row) = rows.get(&stored.unique) else { continue };
        let now = PlaceFile { path: maildir.path_of(&stored.entry), flags: row.flags.clone(), tells: None };
        places.push(PlaceChange { unique: stored.unique, now: Some(now) });
        letters.extend(Some((row.uid, stored.entry.letters())).filter(|(_, letters)| !letters.is_empty()));
        put.push(row.clone());
    }
    landed.faults = done.failed.into_iter().map(|(_, fault)| fault).collect();
    let written = step().and_then(|()| {
        ledger.commit(&[(key, Change { put, letters, ..Change::default() })])?;
        Ok(())
    });
    match written {
        Ok(()) => landed.changed.places = places,
        Err(halt) => landed.halt = Some(halt),
    }
    landed
}
