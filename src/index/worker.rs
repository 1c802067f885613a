//! The threads of this room: one that writes, in order, and does what waits in between; and readers,
//! in which the newest question of a kind wins.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::mem::discriminant;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::Duration;

use super::contacts::Sources;
use super::engine::Notmuch;
use super::rows::{Index, Window};
use super::schema::{Stands, stands};
use super::sift::Sieves;
use super::tally::Tallying;
use super::write::{Writer, misdirected};
use crate::fault::{Again, Cause, Fault};
use crate::job::Ticket;
use crate::job::index::{IndexJob, IndexReport, ListSpec};
use crate::mail::ids::RowId;

/// How long nothing must be asked of the writer until it tidies up.
const IDLE: Duration = Duration::from_secs(3);

/// Runs the writer until `jobs` is closed: takes in changes, listings and folders in order and says
/// which directories are known. Between the steps of a big listing it looks whether something else
/// waits.
pub fn run_writer(path: &Path, ground: Ground<'_>, jobs: &Receiver<IndexJob>, report: &dyn Fn(IndexReport)) {
    let open = || open(path, ground, report);
    let mut writer = open();
    let mut tidy = true;
    // What failed is not tried again at once: the disk that was full still is.
    let mut stuck = false;
    loop {
        let busy = !stuck && writer.as_ref().is_some_and(|writer| writer.pending() > 0);
        let job = match next(jobs, busy, tidy) {
            Next::Job(job) => Some(job),
            Next::Work => None,
            Next::Idle => {
                if std::mem::take(&mut stuck) {
                    continue;
                }
                tidy = true;
                if let Some(released) = writer.as_mut().and_then(Writer::release_overdue) {
                    released.map_or_else(|fault| failed(fault, report), report);
                }
                match writer.as_mut().map(Writer::advance) {
                    Some(Ok(Some(_))) => tidy = false,
                    Some(Err(fault)) => {
                        stuck = true;
                        tidy = false;
                        failed(fault, report);
                    }
                    _ => {
                        if let Some(writer) = writer.as_mut() {
                            writer.tidy();
                            tidy = !writer.merge();
                        }
                    }
                }
                continue;
            }
            Next::Closed => return,
        };
        tidy = false;
        stuck &= job.is_none();
        if writer.as_ref().is_some_and(Writer::is_replaced) {
            // What was told of late went into the old one: all is looked at again.
            writer = None;
            report(IndexReport::Renewed);
        }
        if writer.is_none() {
            writer = open();
        }
        let told = job.as_ref().map_or(0, told);
        // What is told while there is none, a look at the disk finds.
        let Some(ready) = writer.as_mut() else {
            took(told, report);
            continue;
        };
        let done = match job {
            Some(job) => write(ready, path, &job),
            None => ready.advance().map(|answer| answer.into_iter().collect()),
        };
        match done.and_then(|answers| Ok((answers, ready.news()?))) {
            Ok((answers, news)) => {
                let matched = ready.take_matched();
                answers.into_iter().chain(news).for_each(report);
                if !matched.is_empty() {
                    report(IndexReport::Matched(matched));
                }
            }
            Err(fault) => {
                stuck = true;
                let is_damaged = fault.cause == Cause::Damaged;
                if is_damaged {
                    writer = rebuild(path, ground, report);
                }
                failed(fault, report);
                if is_damaged {
                    report(IndexReport::Renewed);
                }
            }
        }
        took(told, report);
    }
}

/// What the writer stands on.
#[derive(Debug, Clone, Copy)]
pub struct Ground<'a> {
    /// The user's addresses, plain or with one `*`.
    pub own: &'a [String],
    /// Where contacts come from.
    pub sources: &'a Sources,
    /// The rules for what is new.
    pub sieves: &'a Sieves,
    /// The database of notmuch's that is to hear of changes.
    pub engine: Option<&'a Notmuch>,
}

impl Ground<'_> {
    fn under(&self, writer: Result<Writer, Fault>) -> Result<Writer, Fault> {
        Ok(writer?.with_sources(self.sources)?.with_engine(self.engine)?.with_sieves(self.sieves.clone()))
    }
}

fn open(path: &Path, ground: Ground<'_>, report: &dyn Fn(IndexReport)) -> Option<Writer> {
    if stands(path) == Stands::Outdated {
        // It is made anew, in a thread of its own, and reading goes on meanwhile.
        return None;
    }
    match ground.under(Writer::open(path, ground.own)) {
        Ok(writer) => {
            report(IndexReport::NotesWanted);
            Some(writer)
        }
        Err(fault) if fault.cause == Cause::Damaged => {
            failed(fault, report);
            rebuild(path, ground, report)
        }
        Err(fault) => {
            failed(fault, report);
            None
        }
    }
}

fn rebuild(path: &Path, ground: Ground<'_>, report: &dyn Fn(IndexReport)) -> Option<Writer> {
    let made = ground.under(Writer::rebuild(path, ground.own)).map_err(|fault| failed(fault, report)).ok();
    if made.is_some() {
        report(IndexReport::NotesWanted);
    }
    made
}

fn failed(fault: Fault, report: &dyn Fn(IndexReport)) {
    report(IndexReport::Failed { ticket: None, fault });
}

/// Of how many files a job tells.
fn told(job: &IndexJob) -> usize {
    if let IndexJob::Apply(changed) = job { changed.places.len() } else { 0 }
}

fn took(places: usize, report: &dyn Fn(IndexReport)) {
    if places > 0 {
        report(IndexReport::Applied { places });
    }
}

enum Next {
    Job(IndexJob),
    /// Nothing is asked; something waits to be taken in.
    Work,
    Idle,
    Closed,
}

fn next(jobs: &Receiver<IndexJob>, busy: bool, tidied: bool) -> Next {
    if busy {
        return match jobs.try_recv() {
            Ok(job) => Next::Job(job),
            Err(TryRecvError::Empty) => Next::Work,
            Err(TryRecvError::Disconnected) => Next::Closed,
        };
    }
    if tidied {
        return jobs.recv().map_or(Next::Closed, Next::Job);
    }
    match jobs.recv_timeout(IDLE) {
        Ok(job) => Next::Job(job),
        Err(RecvTimeoutError::Timeout) => Next::Idle,
        Err(RecvTimeoutError::Disconnected) => Next::Closed,
    }
}

fn write(writer: &mut Writer, path: &Path, job: &IndexJob) -> Result<Vec<IndexReport>, Fault> {
    let answer = match job {
        IndexJob::Apply(changed) => writer.apply(changed),
        IndexJob::Reconcile(listing) => writer.reconcile(listing),
        IndexJob::Folders { account, mailboxes } => writer.folders(account, mailboxes),
        IndexJob::Views { account, views } => return writer.views(account, views),
        IndexJob::Label { places, add, remove } => writer.label(places, add, remove),
        IndexJob::SetLabels { home, rows, last } => {
            let set = last.map(|last| IndexReport::LabelsSet { home: home.clone(), last });
            return writer.set_labels(home, rows).map(|told| std::iter::once(told).chain(set).collect());
        }
        IndexJob::Notes { notes, now } => writer.notes(notes, *now),
        IndexJob::Renamed { account, folders } => writer.renamed(account, folders),
        IndexJob::Known(account) => writer.known(account),
        IndexJob::Retag(tagging) => writer.retag(tagging),
        IndexJob::Settled { account, mailboxes } => return writer.settle(account, mailboxes).map(|()| Vec::new()),
        IndexJob::Release(places) => writer.release(places),
        IndexJob::ReadBooks => writer.read_books().map(|faults| IndexReport::Books { faults }),
        IndexJob::Mailboxes
        | IndexJob::Rows { .. }
        | IndexJob::NextUnread { .. }
        | IndexJob::Conversation { .. }
        | IndexJob::Complete { .. }
        | IndexJob::Tags
        | IndexJob::Tally { .. }
        | IndexJob::Meet
        | IndexJob::Find { .. } => Err(misdirected(path, "a question")),
    };
    answer.map(|answer| vec![answer])
}

/// Runs a reader until `jobs` is closed: answers questions. Of several of a kind that wait only the
/// newest is answered, but for `Find`, of which each is. A long search answers with its first page at
/// once and again when it has counted all, unless another list is asked for meanwhile. Searches are tallied when
/// nothing else is to be done. With an `engine` that answers searches, what it is asked is cut short by the next
/// question.
pub fn run_reader(path: &Path, engine: Option<&Notmuch>, jobs: &Receiver<IndexJob>, report: &dyn Fn(IndexReport)) {
    let questions = Questions { jobs, waiting: RefCell::new(VecDeque::new()), closed: Cell::new(false) };
    let mut index: Option<Index> = None;
    let mut behind = Behind::default();
    loop {
        let Some(job) = questions.next(behind.is_empty()) else {
            if behind.is_empty() || (questions.closed.get() && behind.counting.is_none()) {
                return;
            }
            match index.as_mut() {
                Some(ready) => behind.go_on(ready, &questions, report),
                None => behind = Behind::default(),
            }
            continue;
        };
        if index.as_ref().is_none_or(Index::is_stale) {
            index = match Index::open(path) {
                Ok(index) => Some(index.with_engine(engine)),
                Err(fault) => {
                    report(IndexReport::Failed { ticket: ticket(&job), fault });
                    continue;
                }
            };
        }
        let Some(ready) = index.as_mut() else { continue };
        if let IndexJob::Tally { ticket, searches } = job {
            behind.tallying = Some(Tallying::new(ticket, searches));
            continue;
        }
        let asked = Asked::of(&job);
        let answer = answer(ready, path, job, &|| engine.is_none() || questions.is_quiet());
        if let Some(asked) = asked {
            behind.counting = matches!(answer, IndexReport::Rows { counted: false, .. }).then_some(asked);
        }
        if matches!(&answer, IndexReport::Failed { fault, .. } if fault.cause == Cause::Damaged) {
            index = None;
        }
        report(as_far_as_it_can(path, answer));
        if let Some(fault) = index.as_mut().and_then(Index::engine_news) {
            report(IndexReport::Failed { ticket: None, fault });
        }
    }
}

/// What is done when no question waits: the search on screen is counted, then others are tallied.
#[derive(Default)]
struct Behind {
    counting: Option<Asked>,
    tallying: Option<Tallying>,
}

impl Behind {
    fn is_empty(&self) -> bool {
        self.counting.is_none() && self.tallying.is_none()
    }

    fn go_on(&mut self, index: &mut Index, questions: &Questions<'_>, report: &dyn Fn(IndexReport)) {
        if let Some(asked) = self.counting.take() {
            match index.count(&asked.list, &|| questions.is_quiet()) {
                Ok(true) => {
                    let answer = asked.answer(index, &|| true);
                    // Something was written since it was counted: that was in vain.
                    self.counting = matches!(answer, IndexReport::Rows { counted: false, .. }).then_some(asked);
                    report(answer);
                }
                Ok(false) => self.counting = Some(asked),
                Err(fault) => report(IndexReport::Failed { ticket: Some(asked.ticket), fault }),
            }
        } else if let Some(mut tallying) = self.tallying.take() {
            // The program ends without them.
            match tallying.go_on(index, &|| questions.is_quiet() && !questions.closed.get()) {
                Ok(counted) => {
                    counted.into_iter().for_each(report);
                    self.tallying = (!tallying.is_over()).then_some(tallying);
                }
                Err(fault) => report(IndexReport::Failed { ticket: Some(tallying.ticket()), fault }),
            }
        }
    }
}

/// An index of another version cannot answer everything. Who asks is told that, and not what it lacks.
fn as_far_as_it_can(path: &Path, answer: IndexReport) -> IndexReport {
    let IndexReport::Failed { ticket, mut fault } = answer else { return answer };
    if fault.cause != Cause::Damaged && stands(path) == Stands::Outdated {
        (fault.cause, fault.again) = (Cause::Other, Again::Later);
        fault = fault.detail("it is of another version; this is answered once the new one is made");
    }
    IndexReport::Failed { ticket, fault }
}

/// The questions that wait.
struct Questions<'a> {
    jobs: &'a Receiver<IndexJob>,
    waiting: RefCell<VecDeque<IndexJob>>,
    /// Will no more come?
    closed: Cell<bool>,
}

impl Questions<'_> {
    /// The next question; waits for one if `patient`. `None`: there is none, or never will be.
    fn next(&self, patient: bool) -> Option<IndexJob> {
        if self.is_quiet() && patient {
            let job = self.jobs.recv().ok()?;
            self.put(job);
            self.is_quiet();
        }
        self.waiting.borrow_mut().pop_front()
    }

    /// Does no question wait?
    fn is_quiet(&self) -> bool {
        loop {
            match self.jobs.try_recv() {
                Ok(job) => self.put(job),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    self.closed.set(true);
                    break;
                }
            }
        }
        self.waiting.borrow().is_empty()
    }

    fn put(&self, job: IndexJob) {
        let mut waiting = self.waiting.borrow_mut();
        if !matches!(job, IndexJob::Find { .. }) {
            waiting.retain(|other| discriminant(other) != discriminant(&job));
        }
        waiting.push_back(job);
    }
}

/// A question for rows that is answered twice.
struct Asked {
    ticket: Ticket,
    list: ListSpec,
    first: usize,
    count: usize,
    anchor: Option<RowId>,
}

impl Asked {
    fn of(job: &IndexJob) -> Option<Self> {
        let IndexJob::Rows { ticket, list, first, count, anchor } = job else { return None };
        Some(Self { ticket: *ticket, list: list.clone(), first: *first, count: *count, anchor: *anchor })
    }

    fn answer(&self, index: &mut Index, wanted: &dyn Fn() -> bool) -> IndexReport {
        let (ticket, list) = (self.ticket, self.list.clone());
        match index.rows_while(&list, (self.first, self.count), self.anchor, wanted) {
            Ok(Window { first, total, counted, rows, anchor }) => {
                IndexReport::Rows { ticket, list, first, total, counted, rows, anchor }
            }
            Err(fault) => IndexReport::Failed { ticket: Some(ticket), fault },
        }
    }
}

fn ticket(job: &IndexJob) -> Option<Ticket> {
    match job {
        IndexJob::Rows { ticket, .. }
        | IndexJob::NextUnread { ticket, .. }
        | IndexJob::Conversation { ticket, .. }
        | IndexJob::Complete { ticket, .. }
        | IndexJob::Tally { ticket, .. }
        | IndexJob::Find { ticket, .. } => Some(*ticket),
        IndexJob::Mailboxes
        | IndexJob::Tags
        | IndexJob::ReadBooks
        | IndexJob::Apply(_)
        | IndexJob::Reconcile(_)
        | IndexJob::Folders { .. }
        | IndexJob::Views { .. }
        | IndexJob::Label { .. }
        | IndexJob::SetLabels { .. }
        | IndexJob::Notes { .. }
        | IndexJob::Renamed { .. }
        | IndexJob::Meet
        | IndexJob::Retag(_)
        | IndexJob::Settled { .. }
        | IndexJob::Release(_)
        | IndexJob::Known(_) => None,
    }
}

fn answer(index: &mut Index, path: &Path, job: IndexJob, wanted: &dyn Fn() -> bool) -> IndexReport {
    let asked = ticket(&job);
    let answer = match job {
        IndexJob::Mailboxes => index.mailboxes().map(IndexReport::Mailboxes),
        IndexJob::Tags => index.tags().map(IndexReport::Tags),
        IndexJob::Rows { ticket, list, first, count, anchor } => {
            return Asked { ticket, list, first, count, anchor }.answer(index, wanted);
        }
        IndexJob::NextUnread { ticket, list, after, direction, order } => {
            index.next_unread(&list, after, direction, &order).map(|found| IndexReport::NextUnread { ticket, found })
        }
        IndexJob::Conversation { ticket, thread, message } => {
            index.conversation_of(message, thread).map(|rows| IndexReport::Conversation { ticket, rows })
        }
        IndexJob::Find { ticket, message_id, account } => {
            index.find(&message_id, account.as_ref()).map(|places| IndexReport::Found { ticket, places })
        }
        IndexJob::Complete { ticket, text, without, count, now } => {
            index.complete(&text, &without, count, now).map(|found| IndexReport::Completed { ticket, found })
        }
        IndexJob::Apply(_)
        | IndexJob::Tally { .. }
        | IndexJob::ReadBooks
        | IndexJob::Reconcile(_)
        | IndexJob::Folders { .. }
        | IndexJob::Views { .. }
        | IndexJob::Label { .. }
        | IndexJob::SetLabels { .. }
        | IndexJob::Notes { .. }
        | IndexJob::Renamed { .. }
        | IndexJob::Meet
        | IndexJob::Retag(_)
        | IndexJob::Settled { .. }
        | IndexJob::Release(_)
        | IndexJob::Known(_) => Err(misdirected(path, "a change")),
    };
    answer.unwrap_or_else(|fault| IndexReport::Failed { ticket: asked, fault })
}
