//! Brings messages in: what streams from the server goes into batches, and each full batch goes down
//! the lane to disk and ledger while the next one is filled.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, Sender, channel};

use super::commit::{Landed, Parcel, land};
use super::env::{Env, Halt, Reporter};
use crate::fault::{Cause, Doing, Fault, Scope};
use crate::job::SyncReport;
use crate::job::sync::SyncState;
use crate::ledger::{Ledger, MailboxKey, Row, digest};
use crate::mail::flags::Flags;
use crate::mail::ids::{MessageId, RemoteId, Uid};
use crate::mail::place::{MailboxId, UniqueName};
use crate::mail::stub;
use crate::remote::{Fetched, Sink, Want};
use crate::store::batch::Batch;
use crate::store::maildir::Maildir;
use crate::store::name;

/// The first batch is small, so that the newest messages are on screen at once.
const FIRST: usize = 50;
/// The messages of a batch.
const MESSAGES: usize = 1000;
/// The bytes of a batch.
const BYTES: u64 = 32 << 20;
/// So much of a message is searched for its Message-ID.
const HEAD: usize = 64 << 10;
/// So much of a header is kept in a stub.
const HEADER: usize = 1 << 20;
/// How often the progress is told, in messages.
const TOLD: u64 = 100;

/// Where fetched messages go.
pub(crate) struct Tray<'a> {
    env: &'a Env,
    ledger: &'a mut Ledger,
    report: Reporter<'a>,
    mailbox: &'a MailboxId,
    key: MailboxKey,
    maildir: &'a Maildir,
    batch: Batch,
    rows: Vec<Row>,
    want: Want,
    head: Vec<u8>,
    limit: usize,
    total: u64,
    arrived: u64,
    outstanding: usize,
    /// The sending end, until all is sent off: only parcels on their way hold one then.
    reply: Option<Sender<Landed>>,
    landings: Receiver<Landed>,
    /// May what is urgent overtake?
    yields: bool,
    /// Was there something that overtakes, so that not all was asked for?
    pub(crate) overtaken: Cell<bool>,
    /// How many messages are on disk and in the ledger.
    pub(crate) landed: u64,
    /// Messages of which a header tells nothing to know them by, whatever becomes of its file: a stub of one
    /// that is moved here would look like a message that was removed. They are to be fetched whole.
    pub(crate) nameless: Vec<Uid>,
    /// Messages that could not be fetched or stored: they are tried again in the next round.
    pub(crate) faults: Vec<Fault>,
    /// The labels of messages, as far as they were listed.
    pub(crate) labels: BTreeMap<Uid, Flags>,
    halt: Option<Halt>,
}

impl<'a> Tray<'a> {
    /// Begins with an empty batch; `total` messages are expected.
    pub(crate) fn new(
        env: &'a Env,
        ledger: &'a mut Ledger,
        report: Reporter<'a>,
        (mailbox, key, maildir): (&'a MailboxId, MailboxKey, &'a Maildir),
        (total, want, yields): (usize, Want, bool),
    ) -> Self {
        let (reply, landings) = channel();
        Self {
            env,
            ledger,
            report,
            mailbox,
            key,
            maildir,
            batch: maildir.batch(),
            rows: Vec::new(),
            want,
            head: Vec::new(),
            limit: FIRST,
            total: total as u64,
            arrived: 0,
            outstanding: 0,
            reply: Some(reply),
            landings,
            yields,
            overtaken: Cell::new(false),
            landed: 0,
            nameless: Vec::new(),
            faults: Vec::new(),
            labels: BTreeMap::new(),
            halt: None,
        }
    }

    /// Sends off what is left and waits until all is on disk.
    pub(crate) fn finish(&mut self, fetched: Result<(), Fault>) -> Result<(), Halt> {
        // What arrived whole before a cut is kept.
        self.ship();
        // A lane that died takes its parcels with it: then nobody holds the other end any more.
        self.reply = None;
        while self.outstanding > 0 {
            match self.landings.recv() {
                Ok(landed) => self.take(landed),
                Err(_) => return Err(self.lost().into()),
            }
        }
        match self.halt.take() {
            Some(halt) => Err(halt),
            None => Ok(fetched?),
        }
    }

    fn lost(&self) -> Fault {
        Fault::new(Doing::Storing, self.mailbox.name.as_str(), Cause::Bug)
            .detail("the thread that writes messages down has died; they are fetched again")
    }

    fn ship(&mut self) {
        self.drain();
        let Some(reply) = self.reply.clone() else { return };
        if self.batch.is_empty() || self.halt.is_some() {
            return;
        }
        let batch = std::mem::replace(&mut self.batch, self.maildir.batch());
        self.limit = MESSAGES;
        let parcel = Parcel {
            mailbox: self.mailbox.clone(),
            key: self.key,
            maildir: self.maildir.clone(),
            batch,
            rows: std::mem::take(&mut self.rows),
            reply,
        };
        let refused = match &self.env.lane {
            Some(lane) => lane.send(parcel).err(),
            None => Some(Box::new(parcel)),
        };
        match refused {
            None => self.outstanding += 1,
            Some(parcel) => {
                let landed = land(*parcel, self.ledger, &|| self.env.step());
                self.outstanding += 1;
                self.take(landed);
            }
        }
    }

    fn drain(&mut self) {
        while let Ok(landed) = self.landings.try_recv() {
            self.take(landed);
        }
    }

    fn take(&mut self, landed: Landed) {
        self.outstanding -= 1;
        self.faults.extend(landed.faults);
        self.landed += landed.changed.places.len() as u64;
        if !landed.changed.places.is_empty() {
            (self.report)(SyncReport::Changed(landed.changed));
            self.tell();
        }
        if self.halt.is_none() {
            self.halt = landed.halt;
        }
    }

    fn tell(&self) {
        let state = SyncState::Working { mailbox: self.mailbox.name.clone(), done: self.arrived, total: self.total };
        (self.report)(SyncReport::State { account: self.env.account.id.clone(), state });
    }

    fn keep(&mut self, message: &Fetched) -> Result<(), Fault> {
        let uid = message.id.uid();
        let flags = message.flags.clone().unwrap_or(Flags::none());
        let digest = MessageId::in_header(&self.head).map(|id| digest(id.as_str()));
        if self.want == Want::Header && digest.is_none() {
            self.nameless.push(uid);
            return Ok(());
        }
        let (unique, size) = match self.want {
            Want::Whole => {
                let unique = name::fetched(self.mailbox, &message.id, message.date, message.size);
                self.batch.keep(&unique, &flags, message.size)?;
                (unique, message.size)
            }
            Want::Header => self.keep_stub(message, &flags)?,
        };
        let flags = self.labels.get(&uid).map_or(flags.clone(), |labels| flags.union(labels));
        self.rows.push(Row { uid, unique, flags, size, digest });
        Ok(())
    }

    /// Keeps a stub; gives its name and the size of the whole message, by which it is known.
    fn keep_stub(&mut self, message: &Fetched, flags: &Flags) -> Result<(UniqueName, u64), Fault> {
        let Some(whole) = message.whole_size else {
            return Err(Fault::new(Doing::Fetching, self.mailbox.name.as_str(), Cause::Protocol)
                .scope(Scope::Message)
                .detail("the server does not say how large the message is"));
        };
        let bytes = stub::make(&self.head, whole);
        let size = bytes.len() as u64;
        let unique = name::stub(self.mailbox, &message.id, message.date, size, whole);
        let failed = |error: io::Error| Fault::io(Doing::Storing, self.mailbox.name.as_str(), &error);
        self.batch.begin(size)?.write_all(&bytes).map_err(|error| failed(error).scope(Scope::Message))?;
        self.batch.keep(&unique, flags, size)?;
        Ok((unique, whole))
    }
}

impl Sink for Tray<'_> {
    fn open(&mut self, _: &RemoteId, size: u64) -> Result<Box<dyn Write + '_>, Fault> {
        // A batch is promised its room when it begins; a message larger than a whole batch is not in that.
        if self.batch.is_empty() || size > BYTES {
            self.maildir.check_room(size.max(BYTES))?;
        }
        self.head.clear();
        Ok(match self.want {
            Want::Whole => Box::new(Tee { file: self.batch.begin(size)?, head: &mut self.head, most: HEAD }),
            // It is put together once it is known what it stands for.
            Want::Header => Box::new(Tee { file: io::sink(), head: &mut self.head, most: HEADER }),
        })
    }

    fn done(&mut self, mut message: Fetched) -> Result<(), Fault> {
        self.arrived += 1;
        let trouble = message.trouble.take();
        let kept = match trouble {
            Some(fault) => {
                self.batch.abort();
                Err(fault)
            }
            None => self.keep(&message),
        };
        match kept {
            Ok(()) => {}
            // One bad message stops nothing; a full disk stops everything.
            Err(fault) if fault.scope == Scope::Message && fault.cause != Cause::DiskFull => self.faults.push(fault),
            Err(fault) => return Err(fault),
        }
        if self.arrived.is_multiple_of(TOLD) {
            self.tell();
        }
        if self.batch.len() >= self.limit || self.batch.bytes() >= BYTES {
            self.ship();
        }
        match &self.halt {
            Some(Halt::Failed(fault)) => Err(fault.clone()),
            _ => Ok(()),
        }
    }

    fn enough(&self) -> bool {
        // The first few of each mailbox come in any case, so that each turn brings something.
        if self.yields && self.arrived >= FIRST as u64 && self.arrived < self.total && self.env.urgency.is() {
            self.overtaken.set(true);
        }
        self.overtaken.get()
    }

    fn stop(&self) -> bool {
        self.halt.is_some() || (self.env.stop)()
    }
}

/// Writes into the file and keeps the beginning.
pub(super) struct Tee<'a, W> {
    pub(super) file: W,
    pub(super) head: &'a mut Vec<u8>,
    pub(super) most: usize,
}

impl<W: Write> Write for Tee<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        let room = self.most.saturating_sub(self.head.len()).min(written);
        self.head.extend_from_slice(bytes.get(..room).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
