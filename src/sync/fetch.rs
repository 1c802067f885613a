//! Brings messages in: what streams from the server goes into batches, and each full batch goes down
//! the lane to disk and ledger while the next one is filled.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, Sender, channel};

use super::apply::Hands;
use super::commit::{Landed, Parcel, land};
use super::env::{Env, Halt, Reporter};
use super::plan::{Op, Plan};
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

impl Hands<'_> {
    /// Fetches what is new there.
    pub(super) fn download(&mut self, plan: &Plan, is_wanted: &dyn Fn(Uid) -> bool) -> Result<(), Halt> {
        let downloads = plan.ops.iter().filter_map(|op| match op {
            Op::Download { uid, flags } if is_wanted(*uid) => Some((*uid, flags)),
            _ => None,
        });
        let wanted = downloads.clone().map(|(uid, _)| uid);
        let (again, first): (Vec<Uid>, Vec<Uid>) = wanted.partition(|uid| self.again.contains(uid));
        let (stubs, whole): (Vec<Uid>, Vec<Uid>) = first.into_iter().partition(|uid| plan.stubs.contains(uid));
        let words = downloads.map(|(uid, flags)| (uid, flags.minus(&flags.without_labels())));
        self.labels = words.filter(|(_, words)| !words.is_empty()).collect();
        self.fetch(&whole, Want::Whole)?;
        if self.overtaken.is_empty() {
            self.fetch(&stubs, Want::Header)?;
        } else {
            self.overtaken.extend(stubs);
        }
        if !self.overtaken.is_empty() {
            self.overtaken.extend(again);
            return Ok(());
        }
        if again.is_empty() {
            return Ok(());
        }
        // What failed before comes last, and the user has been told of it.
        self.landed()?;
        let told = self.troubles.len();
        let (stubs, whole): (Vec<Uid>, Vec<Uid>) = again.into_iter().partition(|uid| plan.stubs.contains(uid));
        self.fetch(&whole, Want::Whole)?;
        self.fetch(&stubs, Want::Header)?;
        self.landed()?;
        for fault in self.troubles.drain(told..) {
            tracing::info!("once more: {fault}");
        }
        Ok(())
    }

    /// Fetches messages. When this returns they may be on their way to disk still, until [`Hands::landed`].
    fn fetch(&mut self, uids: &[Uid], want: Want) -> Result<(), Halt> {
        if uids.is_empty() {
            return Ok(());
        }
        self.landed()?;
        self.env.step()?;
        let target = (self.mailbox, self.key, self.maildir);
        let mut tray = Tray::new(self.env, self.ledger, self.report, target, (uids, want, self.yields));
        tray.labels.clone_from(&self.labels);
        let came = self.remote.fetch(&self.mailbox.name, uids, want, &mut tray);
        let afloat = tray.finish();
        let nameless = if afloat.overtaken { Vec::new() } else { afloat.nameless.clone() };
        let is_done = came.is_ok() && afloat.halt.is_none() && !afloat.overtaken && nameless.is_empty();
        self.afloat = Some(afloat);
        if !is_done {
            self.landed()?;
            came?;
        }
        self.env.step()?;
        if nameless.is_empty() { Ok(()) } else { self.fetch(&nameless, Want::Whole) }
    }

    /// Waits until what was fetched is on disk, and takes down what is not.
    pub(super) fn landed(&mut self) -> Result<(), Halt> {
        let Some(mut afloat) = self.afloat.take() else { return Ok(()) };
        let landed = afloat.wait();
        let Afloat { uids, nameless, overtaken, .. } = &afloat;
        self.counts.fetched += afloat.landed;
        self.troubles.extend(afloat.faults.iter().cloned());
        landed?;
        if !afloat.faults.is_empty() || *overtaken {
            let here: BTreeSet<Uid> = self.ledger.rows_of_uids(self.key, uids)?.iter().map(|row| row.uid).collect();
            let missing = uids.iter().filter(|uid| !here.contains(uid) && (*overtaken || !nameless.contains(uid)));
            if *overtaken {
                self.overtaken.extend(missing);
                // They are tried again then, and told of once.
                self.troubles.clear();
            } else {
                self.unfetched.extend(missing);
            }
        }
        Ok(())
    }
}

/// Where fetched messages go.
struct Tray<'a, 'l> {
    env: &'a Env,
    ledger: &'l mut Ledger,
    mailbox: &'a MailboxId,
    key: MailboxKey,
    maildir: &'a Maildir,
    batch: Batch,
    rows: Vec<Row>,
    want: Want,
    head: Vec<u8>,
    limit: usize,
    /// The sending end: once all is sent off only parcels on their way hold one.
    reply: Sender<Landed>,
    afloat: Afloat<'a>,
    /// May what is urgent overtake?
    yields: bool,
    /// Was there something that overtakes, so that not all was asked for?
    overtaken: Cell<bool>,
    /// The labels of messages, as far as they were listed.
    labels: BTreeMap<Uid, Flags>,
}

/// Messages that were fetched and may still be on their way to disk, and what came of those that are there.
pub(super) struct Afloat<'a> {
    env: &'a Env,
    report: Reporter<'a>,
    mailbox: &'a MailboxId,
    /// What was asked for.
    uids: Vec<Uid>,
    /// Was there something that overtook, so that not all of it came?
    overtaken: bool,
    /// Messages of which a header tells nothing to know them by, whatever becomes of its file: a stub of one
    /// that is moved here would look like a message that was removed. They are to be fetched whole.
    nameless: Vec<Uid>,
    arrived: u64,
    outstanding: usize,
    landings: Receiver<Landed>,
    /// How many messages are on disk and in the ledger.
    landed: u64,
    /// Messages that could not be fetched or stored: they are tried again in the next round.
    faults: Vec<Fault>,
    halt: Option<Halt>,
}

impl Afloat<'_> {
    /// Waits until all is on disk.
    fn wait(&mut self) -> Result<(), Halt> {
        while self.outstanding > 0 {
            match self.landings.recv() {
                Ok(landed) => self.take(landed),
                // A lane that died takes its parcels with it: then nobody holds the other end any more.
                Err(_) => return Err(self.lost().into()),
            }
        }
        self.halt.take().map_or(Ok(()), Err)
    }

    fn lost(&self) -> Fault {
        Fault::new(Doing::Storing, self.mailbox.name.as_str(), Cause::Bug)
            .detail("the thread that writes messages down has died; they are fetched again")
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
        let state = SyncState::Working {
            mailbox: self.mailbox.name.clone(),
            done: self.arrived,
            total: self.uids.len() as u64,
        };
        (self.report)(SyncReport::State { account: self.env.account.id.clone(), state });
    }
}

impl<'a, 'l> Tray<'a, 'l> {
    /// Begins with an empty batch, for these messages.
    fn new(
        env: &'a Env,
        ledger: &'l mut Ledger,
        report: Reporter<'a>,
        (mailbox, key, maildir): (&'a MailboxId, MailboxKey, &'a Maildir),
        (uids, want, yields): (&[Uid], Want, bool),
    ) -> Self {
        let (reply, landings) = channel();
        let afloat = Afloat {
            env,
            report,
            mailbox,
            uids: uids.to_vec(),
            overtaken: false,
            nameless: Vec::new(),
            arrived: 0,
            outstanding: 0,
            landings,
            landed: 0,
            faults: Vec::new(),
            halt: None,
        };
        Self {
            env,
            ledger,
            mailbox,
            key,
            maildir,
            batch: maildir.batch(),
            rows: Vec::new(),
            want,
            head: Vec::new(),
            limit: FIRST,
            reply,
            afloat,
            yields,
            overtaken: Cell::new(false),
            labels: BTreeMap::new(),
        }
    }

    /// Sends off what is left. What arrived whole before a cut is kept.
    fn finish(mut self) -> Afloat<'a> {
        self.ship();
        Afloat { overtaken: self.overtaken.get(), ..self.afloat }
    }

    fn ship(&mut self) {
        self.drain();
        if self.batch.is_empty() || self.afloat.halt.is_some() {
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
            reply: self.reply.clone(),
        };
        let refused = match &self.env.lane {
            Some(lane) => lane.send(parcel).err(),
            None => Some(Box::new(parcel)),
        };
        self.afloat.outstanding += 1;
        if let Some(parcel) = refused {
            let landed = land(*parcel, self.ledger, &|| self.env.step());
            self.afloat.take(landed);
        }
    }

    fn drain(&mut self) {
        while let Ok(landed) = self.afloat.landings.try_recv() {
            self.afloat.take(landed);
        }
    }

    fn keep(&mut self, message: &Fetched) -> Result<(), Fault> {
        let uid = message.id.uid();
        let flags = message.flags.clone().unwrap_or(Flags::none());
        let digest = MessageId::in_header(&self.head).map(|id| digest(id.as_str()));
        if self.want == Want::Header && digest.is_none() {
            self.afloat.nameless.push(uid);
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

impl Sink for Tray<'_, '_> {
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
        self.afloat.arrived += 1;
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
            Err(fault) if fault.scope == Scope::Message && fault.cause != Cause::DiskFull => {
                self.afloat.faults.push(fault);
            }
            Err(fault) => return Err(fault),
        }
        if self.afloat.arrived.is_multiple_of(TOLD) {
            self.afloat.tell();
        }
        if self.batch.len() >= self.limit || self.batch.bytes() >= BYTES {
            self.ship();
        }
        match &self.afloat.halt {
            Some(Halt::Failed(fault)) => Err(fault.clone()),
            _ => Ok(()),
        }
    }

    fn enough(&self) -> bool {
        // The first few of each mailbox come in any case, so that each turn brings something.
        if self.yields
            && self.afloat.arrived >= FIRST as u64
            && self.afloat.arrived < self.afloat.uids.len() as u64
            && self.env.urgency.is()
        {
            self.overtaken.set(true);
        }
        self.overtaken.get()
    }

    fn stop(&self) -> bool {
        self.afloat.halt.is_some() || (self.env.stop)()
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
