//! The meeting with notmuch's database: what waits is written in short batches whenever nobody else writes, and what
//! others tagged is read by the state of the database that was read last. Nobody waits for it: it has a thread of its
//! own, and a command does what can be done at once. Where nothing changed it costs a look at one file's time.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::engine::{self, Mail, Notmuch, Settings, Stamp};
use super::notmuch::{Batch, Found, Ignored, Reader};
use super::queue::{Kind, Queue, Step};
use super::rows::Index;
use super::write::Writer;
use crate::fault::{Cause, Doing, Fault};
use crate::job::index::{DatabaseState, IndexJob, IndexReport, Revision, Standing, TaggedMail, Tagging};
use crate::mail::flags::Flags;
use crate::mail::place::Place;

/// How many changes a batch has at most, and how long it may take to make it: so long others wait.
const BATCH: usize = 200;
const LONGEST: Duration = Duration::from_millis(300);
/// How soon it is tried again, where another program writes.
const RETRY: Duration = Duration::from_secs(2);
/// How many messages' tags are told at once.
const TOLD: usize = 1000;

/// What a command's meeting came to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Met {
    /// Tags that were given in the database: file names and servers are to hear of them.
    pub given: Vec<(Place, Flags)>,
    /// Tags that were taken away in the database, while file names or servers may still tell them.
    pub lost: Vec<(Place, Flags)>,
    /// How it stands with the database.
    pub state: DatabaseState,
    /// What could not be written; it stays to be tried again.
    pub faults: Vec<Fault>,
}

/// How a database is, for whoever examines things.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotmuchHealth {
    /// Where it lies.
    pub database: PathBuf,
    /// Below which its mail lies.
    pub mail_root: PathBuf,
    /// Does notmuch keep tags and flags of file names the same?
    pub synchronizes_flags: bool,
    /// Does another program write just now?
    pub is_locked: bool,
    /// How many changes wait to be written.
    pub waiting: usize,
    /// Directories among those asked about whose mail the database does not have.
    pub outside: Vec<PathBuf>,
}

/// Looks at the database without changing anything; `directories` are where mail lies.
pub fn examine_notmuch(at: &Notmuch, directories: &[&Path]) -> Result<NotmuchHealth, Fault> {
    let reader = Reader::open(at)?;
    let settings = reader.settings();
    let waiting = if at.queue.exists() { Queue::open(&at.queue)?.waiting()? } else { 0 };
    let is_outside = |path: &&&Path| settings.own_path(&path.join("x")).is_none();
    Ok(NotmuchHealth {
        database: settings.xapian.clone(),
        mail_root: settings.mail_root.clone(),
        synchronizes_flags: settings.synchronize_flags,
        is_locked: reader.is_locked(),
        waiting,
        outside: directories.iter().filter(is_outside).map(|path| path.to_path_buf()).collect(),
    })
}

/// Runs until `jobs` is closed: each `Meet` writes what waits and reports what changed. What another program keeps from
/// being written is tried again by itself.
pub fn run_notmuch(at: &Notmuch, index: &Path, jobs: &Receiver<IndexJob>, report: &dyn Fn(IndexReport)) {
    let mut meeting = Meeting::new(at, index);
    let (mut state, mut trouble) = (DatabaseState::default(), None);
    let mut again = false;
    loop {
        let asked = match if again { jobs.recv_timeout(RETRY) } else { jobs.recv().map_err(Into::into) } {
            Ok(_) => true,
            Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        // Several that wait are one.
        while jobs.try_recv().is_ok() {}
        let (now, faults) = meeting.write(Gone::SinceLastTime);
        if now != state {
            state = now;
            report(IndexReport::Database(state));
        }
        again = state.waiting > 0 && faults.is_empty();
        for fault in faults {
            if trouble.as_ref() != Some(&fault) {
                trouble = Some(fault.clone());
                report(IndexReport::Failed { ticket: None, fault });
            }
        }
        if state.standing != Standing::Away && trouble.is_some() && state.waiting == 0 {
            trouble = None;
        }
        if !asked {
            continue;
        }
        match meeting.read() {
            Ok(Some(tagging)) => report(IndexReport::Tagged(tagging.into())),
            Ok(None) => {}
            // The next meeting goes on from the state that the index knows.
            Err(fault) => tracing::info!("notmuch: {fault}"),
        }
    }
}

/// Does for a command what the thread does: what can be written at once is, and the index takes in what others tagged.
pub fn meet(at: &Notmuch, index: &Path, writer: &mut Writer) -> Result<Met, Fault> {
    let mut meeting = Meeting::new(at, index);
    meeting.ready()?;
    let (state, faults) = meeting.write(Gone::All);
    let mut met = Met { state, faults, ..Met::default() };
    loop {
        match meeting.read() {
            Ok(None) => break,
            Ok(Some(tagging)) => {
                if let IndexReport::Retagged { given, lost, .. } = writer.retag(&tagging)? {
                    met.given.extend(given);
                    met.lost.extend(lost);
                }
            }
            // Somebody writes meanwhile; what is new there is read by the next command.
            Err(fault) if fault.cause == Cause::Busy => break,
            Err(fault) => return Err(fault),
        }
    }
    Ok(met)
}

/// Which files that went are told to the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gone {
    /// All of them.
    All,
    /// Those that were gone last time already: one that was moved has come up somewhere else by now.
    SinceLastTime,
}

struct Meeting<'a> {
    at: &'a Notmuch,
    index: &'a Path,
    /// The index, for what it has read.
    known_by: Option<Index>,
    queue: Option<Queue>,
    reader: Option<(Reader, Stamp, Ignored)>,
    /// What is read bit by bit.
    reading: Option<Reading>,
    /// Messages that the index may not know the tags of, although the database did not change.
    known: Vec<Mail>,
    /// The newest step that was there last time.
    last: i64,
}

struct Reading {
    found: Found,
    seen: Revision,
    first: bool,
    /// How many messages were read.
    told: usize,
    passing: Flags,
}

impl<'a> Meeting<'a> {
    fn new(at: &'a Notmuch, index: &'a Path) -> Self {
        Self { at, index, known_by: None, queue: None, reader: None, reading: None, known: Vec::new(), last: 0 }
    }

    /// Opens what is not open, or is of an older state.
    fn ready(&mut self) -> Result<(&Queue, &Reader, &Ignored), Fault> {
        if self.reader.as_ref().is_some_and(|(reader, stamp, _)| reader.settings().stamp() != *stamp) {
            self.reader = None;
            self.reading = None;
        }
        if self.queue.is_none() {
            self.queue = Some(Queue::open(&self.at.queue)?);
        }
        if self.reader.is_none() {
            let reader = Reader::open(self.at)?;
            let ignored = Ignored::new(&reader.settings().ignore).map_err(|words| {
                let words = format!("new.ignore cannot be read: {words}");
                engine::fault(Doing::Reading, &reader.settings().xapian, Cause::Config, &words)
            })?;
            let stamp = reader.settings().stamp();
            self.reader = Some((reader, stamp, ignored));
        }
        match (&self.queue, &self.reader) {
            (Some(queue), Some((reader, _, ignored))) => Ok((queue, reader, ignored)),
            _ => Err(engine::fault(Doing::Reading, Path::new(""), Cause::Bug, "it is neither open nor closed")),
        }
    }

    /// Writes what waits, as far as nobody else writes.
    fn write(&mut self, gone: Gone) -> (DatabaseState, Vec<Fault>) {
        let mut faults = Vec::new();
        let standing = match self.write_all(gone, &mut faults) {
            Ok(standing) => standing,
            Err(fault) => {
                self.reader = None;
                self.reading = None;
                faults.push(fault);
                Standing::Away
            }
        };
        let waiting = self.queue.as_ref().map_or(Ok(0), Queue::waiting).unwrap_or_default();
        (DatabaseState { waiting, standing }, faults)
    }

    fn write_all(&mut self, gone: Gone, faults: &mut Vec<Fault>) -> Result<Standing, Fault> {
        let (_, reader, _) = self.ready()?;
        let root = &reader.settings().mail_root;
        if !root.is_dir() {
            // A disk that is away has not lost its mail.
            return Err(engine::fault(Doing::Reading, root, Cause::Missing, "the directory of its mail is not there"));
        }
        let last = self.last;
        // Once a step fails it goes behind all others; whoever meets it again has been round.
        let mut failed = BTreeSet::new();
        for kinds in [(Kind::Survey, Kind::Here), (Kind::Give, Kind::Take), (Kind::Gone, Kind::Gone)] {
            loop {
                let (queue, reader, ignored) = self.ready()?;
                let mut steps = queue.next(kinds, BATCH)?;
                if kinds.0 == Kind::Gone && gone == Gone::SinceLastTime {
                    steps.retain(|(id, _)| *id <= last);
                }
                steps.retain(|(id, _)| !failed.contains(id));
                if steps.is_empty() {
                    break;
                }
                let sorted = sort_out(queue, reader, ignored, steps)?;
                queue.done(&sorted.done)?;
                self.known.extend(sorted.known);
                if sorted.work.is_empty() {
                    continue;
                }
                let (_, reader, _) = self.ready()?;
                if reader.is_locked() {
                    return Ok(Standing::Busy);
                }
                self.carry_out(&sorted.work, &mut failed, faults)?;
            }
        }
        self.last = self.queue.as_ref().map_or(Ok(0), Queue::newest)?;
        Ok(Standing::Ready)
    }

    /// One batch. What cannot be written stays, behind all others.
    fn carry_out(
        &mut self,
        work: &[(i64, Work)],
        failed: &mut BTreeSet<i64>,
        faults: &mut Vec<Fault>,
    ) -> Result<(), Fault> {
        let (_, reader, _) = self.ready()?;
        let settings = reader.settings().clone();
        let batch = Batch::open(self.at)?;
        let began = Instant::now();
        let (mut done, mut tagged) = (Vec::new(), Vec::new());
        let mut trouble = None;
        for (id, work) in work {
            if let Err(fault) = work.write(&batch, &settings) {
                trouble = Some((*id, fault));
                break;
            }
            if matches!(work, Work::Tag(_)) { &mut tagged } else { &mut done }.push(*id);
            if began.elapsed() > LONGEST {
                break;
            }
        }
        let Some(queue) = &self.queue else { return Ok(()) };
        if let Some((id, fault)) = trouble {
            // Nothing of this batch is kept, since nobody knows what is left of it: it goes uncommitted.
            faults.push(fault);
            failed.extend(queue.put_last(id)?);
            return Ok(());
        }
        batch.finish()?;
        queue.done(&done)?;
        if !tagged.is_empty() {
            self.reader = None;
            self.reading = None;
            let (queue, reader, _) = self.ready()?;
            queue.written(&tagged, reader.revision()?.number)?;
        }
        Ok(())
    }

    /// Some messages whose tags the index does not know; `None`: it knows them all.
    fn read(&mut self) -> Result<Option<Tagging>, Fault> {
        let read = self.read_some();
        if read.is_err() {
            self.reader = None;
            self.reading = None;
        }
        read
    }

    fn read_some(&mut self) -> Result<Option<Tagging>, Fault> {
        if self.ready().is_err() {
            return Ok(None);
        }
        if self.reading.is_none() && !self.begin()? {
            if self.known.is_empty() {
                return Ok(None);
            }
            let (_, reader, _) = self.ready()?;
            let (seen, passing) = (reader.revision()?, engine::passing(reader.settings()));
            let rest = self.known.split_off(self.known.len().min(TOLD));
            let mails = std::mem::replace(&mut self.known, rest).into_iter().map(tagged_mail).collect();
            return Ok(Some(Tagging { mails, seen, first: false, after: 0, more: true, passing }));
        }
        let Some(reading) = &mut self.reading else { return Ok(None) };
        let mut mails = Vec::new();
        let mut more = false;
        while let Some(id) = reading.found.advance()? {
            let (files, tags) = (reading.found.files()?, reading.found.tags()?);
            mails.push(tagged_mail(Mail { id, files, tags }));
            more = mails.len() >= TOLD;
            if more {
                break;
            }
        }
        let Reading { seen, first, told, passing, .. } = reading;
        let after = *told;
        *told += mails.len();
        let tagging = Tagging { mails, seen: seen.clone(), first: *first, after, more, passing: passing.clone() };
        if !more {
            self.reading = None;
        }
        Ok(Some(tagging))
    }

    /// Is there something to be read?
    fn begin(&mut self) -> Result<bool, Fault> {
        if self.known_by.as_ref().is_none_or(Index::is_stale) {
            self.known_by = Some(Index::open(self.index)?);
        }
        let before = self.known_by.as_ref().map_or(Ok(None), Index::seen)?;
        let (_, reader, _) = self.ready()?;
        let seen = reader.revision()?;
        let before = before.filter(|before| before.database == seen.database);
        let text = match &before {
            Some(before) if before.number >= seen.number => return Ok(false),
            Some(before) => format!("lastmod:{}..{}", before.number + 1, seen.number),
            None => "*".to_owned(),
        };
        let (found, passing) = (reader.all(&text)?, engine::passing(reader.settings()));
        self.reading = Some(Reading { found, seen, first: before.is_none(), told: 0, passing });
        Ok(true)
    }
}

fn tagged_mail(Mail { id, files, tags }: Mail) -> TaggedMail {
    TaggedMail { id, files, tags: engine::keywords(tags.iter().map(String::as_str)) }
}

/// What is to be written into the database.
enum Work {
    Here(PathBuf),
    Gone(PathBuf),
    Tag(Step),
}

impl Work {
    fn write(&self, batch: &Batch, settings: &Settings) -> Result<(), Fault> {
        match self {
            Self::Here(path) => batch.take_in(path, settings),
            Self::Gone(path) => batch.forget(path, settings),
            Self::Tag(Step::Tag { message, path, word, give }) => {
                let path = settings.own_path(path).unwrap_or_default();
                batch.tag((Some(message), &path), &mut |known| vec![(engine::tag_of(word, known), *give)])
            }
            Self::Tag(_) => Ok(()),
        }
    }
}

/// Steps, by what there is to do.
#[derive(Default)]
struct Sorted {
    /// Nothing.
    done: Vec<i64>,
    /// Messages that another program put in.
    known: Vec<Mail>,
    work: Vec<(i64, Work)>,
}

/// What of some steps is to be written; what the database knows already is not.
fn sort_out(queue: &Queue, reader: &Reader, ignored: &Ignored, steps: Vec<(i64, Step)>) -> Result<Sorted, Fault> {
    let settings = reader.settings();
    let wanted = |path: &Path| {
        let own = settings.own_path(path)?;
        let below = own.strip_prefix(&settings.mail_root).ok()?;
        (!ignored.passes_over(below)).then_some(own)
    };
    let mut sorted = Sorted::default();
    for (id, step) in steps {
        match step {
            Step::Survey(directory) => {
                survey(queue, reader, &directory, &wanted)?;
                sorted.done.push(id);
            }
            Step::Here(path) => match wanted(&path).filter(|_| path.exists()) {
                None => sorted.done.push(id),
                Some(own) => match reader.mail_at(&own)? {
                    Some(mail) => {
                        sorted.known.push(mail);
                        sorted.done.push(id);
                    }
                    None => sorted.work.push((id, Work::Here(own))),
                },
            },
            Step::Gone(path) => match settings.own_path(&path) {
                Some(own) if !path.exists() && reader.knows(&own)? => sorted.work.push((id, Work::Gone(own))),
                _ => sorted.done.push(id),
            },
            step @ Step::Tag { .. } => sorted.work.push((id, Work::Tag(step))),
        }
    }
    Ok(sorted)
}

/// Compares a mailbox's directory with what the database knows of it, and puts down what differs.
fn survey(
    queue: &Queue,
    reader: &Reader,
    directory: &Path,
    wanted: &dyn Fn(&Path) -> Option<PathBuf>,
) -> Result<(), Fault> {
    let mut steps = Vec::new();
    for part in ["cur", "new"] {
        let part = directory.join(part);
        let entries = std::fs::read_dir(&part).into_iter().flatten().filter_map(Result::ok);
        for path in entries.map(|entry| entry.path()) {
            let is_hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
            if let Some(own) = wanted(&path).filter(|_| !is_hidden)
                && !reader.knows(&own)?
            {
                steps.push(Step::Here(path));
            }
        }
        let Some(own) = reader.settings().own_path(&part) else { continue };
        let Ok(below) = own.strip_prefix(&reader.settings().mail_root) else { continue };
        let Some(below) = below.to_str() else { continue };
        let mut found = reader.all(&format!("path:\"{}\"", below.replace('"', "\"\"")))?;
        while found.advance()?.is_some() {
            let gone = found.files()?.into_iter().filter(|path| path.parent() == Some(own.as_path()) && !path.exists());
            steps.extend(gone.map(Step::Gone));
        }
    }
    queue.put(&steps)
}
