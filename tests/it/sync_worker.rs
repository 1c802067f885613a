//! The sync thread as the program runs it: jobs in, reports out, a lane beside it, a watch that wakes
//! it. Nothing sleeps: each test waits for the report that it is about.

use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{JoinHandle, spawn};
use std::time::Duration;

use tern::config::Tls;
use tern::fault::Cause;
use tern::job::sync::{SyncState, Wake};
use tern::job::{Changed, SyncJob, SyncReport};
use tern::login::Secret;
use tern::mail::flags::Flags;
use tern::mail::ids::Timestamp;
use tern::mail::mailbox::MailboxName;
use tern::mail::place::{MailboxId, Place};
use tern::remote::imap::Imap;
use tern::store::maildir::fresh;
use tern::sync::env::Clock;
use tern::sync::{Env, commit, errand, watch, worker};

use crate::imap_faults::account;
use crate::support::meeting::{Meeting, mail};

/// How long a report may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// The thread of an account, with the lane and the watch beside it.
pub(crate) struct Thread {
    env: Env,
    jobs: Option<Sender<SyncJob>>,
    errands: Option<Sender<SyncJob>>,
    reports: Receiver<SyncReport>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Thread {
    pub(crate) fn start(meeting: &Meeting, watched: bool) -> Self {
        let mut env = meeting.env.clone();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        env.stop = Arc::new(move || stopped.load(Ordering::SeqCst));
        let (lane, parcels) = commit::lane();
        let data = env.data.clone();
        let mut threads = vec![spawn(move || commit::run(&data, &parcels))];
        env.lane = Some(lane);
        let (jobs, inbox) = channel();
        let (outbox, reports) = channel();
        let watched = if watched { watch::watched(&env.account) } else { Vec::new() };
        for mailbox in watched {
            let (env, jobs) = (env.clone(), jobs.clone());
            threads.push(spawn(move || {
                let wake = || drop(jobs.send(SyncJob::Wake { account: None, why: Wake::News }));
                let _ = watch::run(&env, &mailbox, wake);
            }));
        }
        let mut errands = None;
        if errand::has_connection(&env.account) {
            let (door, asked) = channel();
            let (env, outbox) = (env.clone(), outbox.clone());
            threads.push(spawn(move || errand::run(&env, &asked, &|report| drop(outbox.send(report)))));
            errands = Some(door);
        }
        let own = env.clone();
        threads.push(spawn(move || worker::run(&own, &inbox, &|report| drop(outbox.send(report)))));
        Self { env, jobs: Some(jobs), errands, reports, stop, threads }
    }

    pub(crate) fn send(&self, job: SyncJob) {
        self.jobs.as_ref().unwrap().send(job).unwrap();
    }

    /// Opens a message of which only the stub is here, as the program hands that out.
    fn open(&self, stub: &Place) {
        if let Some(errands) = &self.errands {
            errands.send(SyncJob::Fetch(stub.clone())).unwrap();
        } else {
            self.env.urgency.open(stub);
            self.send(SyncJob::Fetch(stub.clone()));
        }
    }

    pub(crate) fn wake(&self, why: Wake) {
        self.send(SyncJob::Wake { account: None, why });
    }

    /// Waits for the first report that `pick` wants.
    pub(crate) fn wait<T>(&self, mut pick: impl FnMut(SyncReport) -> Option<T>) -> T {
        loop {
            let report = self.reports.recv_timeout(PATIENCE).expect("the report comes");
            if let Some(found) = pick(report) {
                return found;
            }
        }
    }

    fn env_mailbox(&self) -> MailboxId {
        MailboxId { account: self.env.account.id.clone(), name: MailboxName::inbox() }
    }

    fn up_to_date(&self) -> bool {
        self.wait(|report| match report {
            SyncReport::State { state: SyncState::UpToDate { idle, .. }, .. } => Some(idle),
            _ => None,
        })
    }

    fn failed(&self) -> (Cause, bool) {
        self.wait(|report| match report {
            SyncReport::State { state: SyncState::Failed { fault, next, .. }, .. } => {
                Some((fault.cause, next.is_some()))
            }
            _ => None,
        })
    }

    fn arrived(&self) -> Changed {
        self.wait(|report| match report {
            SyncReport::Changed(changed) => Some(changed),
            _ => None,
        })
    }

    pub(crate) fn end(mut self) {
        self.stop.store(true, Ordering::SeqCst);
        (self.jobs, self.errands) = (None, None);
        self.env.watches.wake();
        let threads = std::mem::take(&mut self.threads);
        // The lane ends with the last one who could send on it.
        let Self { env, reports, .. } = self;
        env.watches.wake();
        drop((env, reports));
        for thread in threads {
            thread.join().unwrap();
        }
    }
}

fn inbox() -> MailboxName {
    MailboxName::inbox()
}

#[test]
fn an_account_without_a_server_says_so_and_nothing_else() {
    let mut meeting = Meeting::new();
    meeting.env.connect = None;
    let thread = Thread::start(&meeting, false);
    let first = thread.wait(Some);
    assert!(matches!(first, SyncReport::State { state: SyncState::Local, .. }), "{first:?}");
    thread.wake(Wake::Asked);
    thread.end();
}

#[test]
fn the_newest_come_first_in_a_small_batch_and_files_are_there_when_told() {
    let meeting = Meeting::new();
    for n in 0..200 {
        meeting.deliver(&inbox(), &mail(Some(&n.to_string()), &format!("mail {n}")), "");
    }
    let thread = Thread::start(&meeting, false);
    let first = thread.arrived();
    assert_eq!(first.places.len(), 50);
    let paths: Vec<_> = first.places.iter().map(|place| place.now.clone().unwrap().path).collect();
    assert!(paths.iter().all(|path| path.is_file()));
    assert!(std::fs::read_to_string(&paths[0]).unwrap().contains("Subject: mail 199\r\n"));
    assert_eq!(thread.arrived().places.len(), 150);
    thread.up_to_date();
    thread.end();
    meeting.assert_met();
}

#[test]
fn news_arrive_by_the_watch_without_a_key_pressed() {
    let meeting = Meeting::new();
    let thread = Thread::start(&meeting, true);
    while !thread.up_to_date() {}
    meeting.deliver(&inbox(), &mail(Some("new"), "new"), "");
    assert_eq!(thread.arrived().places.len(), 1);
    thread.end();
}

#[test]
fn each_watched_mailbox_has_a_connection_and_one_that_is_not_there_is_left() {
    let mut meeting = Meeting::new();
    let work = MailboxName::new("Work").unwrap();
    meeting.deliver(&work, &mail(Some("old"), "old"), "");
    meeting.env.account.sync.watch = vec![inbox(), work.clone(), MailboxName::new("None").unwrap()];
    meeting.env.account.sync.connections = 9;
    let thread = Thread::start(&meeting, true);
    while !thread.up_to_date() {}
    meeting.deliver(&work, &mail(Some("new"), "new"), "");
    let arrived = thread.wait(|report| match report {
        SyncReport::Changed(changed) if changed.mailbox.name == work => Some(changed.places.len()),
        _ => None,
    });
    assert_eq!(arrived, 1);
    thread.end();
}

/// Where the stub of the only message lies.
fn stub(meeting: &Meeting) -> Place {
    let [entry] = meeting.files(&inbox()).try_into().unwrap();
    let unique = entry.unique().unwrap();
    assert!(unique.stub_size().is_some(), "{}", entry.file_name());
    Place { mailbox: MailboxId { account: meeting.env.account.id.clone(), name: inbox() }, unique }
}

#[test]
fn what_is_opened_comes_however_few_connections_there_may_be() {
    for connections in 1..=4 {
        let mut meeting = Meeting::new();
        meeting.env.account.sync.max_size = Some(100);
        meeting.env.account.sync.connections = connections;
        let long = mail(Some("long"), &"a long story ".repeat(100));
        meeting.deliver(&inbox(), &long, "");
        let thread = Thread::start(&meeting, true);
        while thread.up_to_date() != (connections > 1) {}
        thread.open(&stub(&meeting));
        let fetched = |report| match report {
            SyncReport::Fetched { now, .. } => Some(now),
            _ => None,
        };
        thread.wait(fetched).unwrap();
        let [whole] = meeting.files(&inbox()).try_into().unwrap();
        assert_eq!(meeting.maildir(&inbox()).read_entry(&whole).unwrap().unwrap(), long);
        // The sync goes on with what it has.
        meeting.deliver(&inbox(), &mail(Some("new"), "new"), "");
        thread.wake(Wake::Asked);
        thread.up_to_date();
        thread.end();
        let (busiest, most) = (meeting.server.busiest(), connections.min(3));
        assert_eq!(busiest, most as u64, "no more at a time than the account may have, and no fewer than are of use");
    }
}

#[test]
fn a_local_change_goes_up_when_told() {
    let meeting = Meeting::new();
    let thread = Thread::start(&meeting, false);
    thread.up_to_date();
    meeting.write(&inbox(), &mail(Some("draft"), "draft"), "D");
    thread.wake(Wake::LocalChange);
    thread.up_to_date();
    assert_eq!(meeting.server.messages(&inbox()).len(), 1);
    thread.end();
}

#[test]
fn a_move_to_a_folder_made_meanwhile_is_a_move() {
    let meeting = Meeting::new();
    meeting.deliver(&inbox(), &mail(Some("1"), "one"), "");
    let thread = Thread::start(&meeting, false);
    thread.up_to_date();
    let new = MailboxName::new("New").unwrap();
    let entry = meeting.file(&inbox(), "one");
    meeting.maildir(&inbox()).move_to(&entry, &meeting.maildir(&new), &fresh(None)).unwrap().unwrap();
    thread.wake(Wake::LocalChange);
    let counts = thread.wait(|report| match report {
        SyncReport::RoundOver { counts, .. } if !counts.is_zero() => Some(counts),
        _ => None,
    });
    assert_eq!((counts.moved, counts.removed_there, counts.appended), (1, 0, 0));
    thread.end();
    meeting.assert_met();
}

#[test]
fn an_outage_is_told_with_the_next_try_and_ends_by_itself() {
    let meeting = Meeting::new();
    meeting.server.set_outage(true);
    let thread = Thread::start(&meeting, false);
    assert_eq!(thread.failed(), (Cause::Unreachable, true));
    meeting.server.set_outage(false);
    thread.wake(Wake::Network);
    thread.up_to_date();
    thread.end();
}

#[test]
fn a_refused_sign_in_waits_for_the_user() {
    let meeting = Meeting::new();
    meeting.server.set_habits(|habits| habits.refuses_sign_in = true);
    let thread = Thread::start(&meeting, false);
    assert_eq!(thread.failed(), (Cause::SignInRefused, false));
    meeting.server.set_habits(|habits| habits.refuses_sign_in = false);
    thread.wake(Wake::Network);
    thread.wake(Wake::Asked);
    thread.up_to_date();
    thread.end();
}

#[test]
fn a_held_plan_goes_on_when_the_user_says_so() {
    let meeting = Meeting::new();
    let uids: Vec<_> = (0..8)
        .map(|n| {
            meeting.server.deliver(
                &inbox(),
                &mail(Some(&n.to_string()), "x"),
                Flags::none(),
                tern::mail::ids::Timestamp::default(),
            )
        })
        .collect();
    let thread = Thread::start(&meeting, false);
    thread.up_to_date();
    for uid in &uids {
        assert!(meeting.server.expunge(&inbox(), *uid));
    }
    thread.wake(Wake::Asked);
    let held: MailboxId = thread.wait(|report| match report {
        SyncReport::Held { mailbox, .. } => Some(mailbox),
        _ => None,
    });
    thread.up_to_date();
    assert_eq!(meeting.files(&inbox()).len(), 8);
    thread.send(SyncJob::Answer { mailbox: held, go_on: true });
    thread.up_to_date();
    assert_eq!(meeting.files(&inbox()).len(), 0);
    thread.end();
}

#[test]
fn the_watch_begins_once_the_user_has_helped() {
    let meeting = Meeting::new();
    meeting.server.set_habits(|habits| habits.refuses_sign_in = true);
    let thread = Thread::start(&meeting, true);
    assert_eq!(thread.failed(), (Cause::SignInRefused, false));
    meeting.server.set_habits(|habits| habits.refuses_sign_in = false);
    thread.wake(Wake::Asked);
    while !thread.up_to_date() {}
    thread.end();
}

#[test]
fn a_lane_that_died_is_a_fault_and_the_messages_are_fetched_again() {
    let mut meeting = Meeting::new();
    for n in 0..3 {
        meeting.deliver(&inbox(), &mail(Some(&n.to_string()), "x"), "");
    }
    let (lane, parcels) = commit::lane();
    meeting.env.lane = Some(lane);
    // It takes one parcel and is never heard of again.
    let dying = spawn(move || drop(parcels.recv()));
    assert_eq!(meeting.sync().unwrap_err().cause, Cause::Bug);
    dying.join().unwrap();
    assert_eq!(meeting.sync_well().counts.fetched, 3);
    meeting.assert_met();
}

/// A machine that can be put to sleep: nothing but the clock on the wall goes on.
#[derive(Default)]
struct Lid(AtomicI64);

impl Clock for Lid {
    fn now(&self) -> Timestamp {
        Timestamp::new(1_800_000_000 + self.0.load(Ordering::SeqCst))
    }

    fn pause(&self, _: Duration) {}

    fn ahead(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

#[test]
fn after_a_sleep_the_connection_is_made_anew_at_once() {
    let mut meeting = Meeting::new();
    let lid = Arc::new(Lid::default());
    meeting.env.clock = Arc::clone(&lid) as Arc<dyn Clock>;
    let thread = Thread::start(&meeting, false);
    thread.up_to_date();
    // A correction of the clock is none; and this job asks for no round by itself.
    let look = || thread.send(SyncJob::Visible(thread.env_mailbox()));
    lid.0.store(20, Ordering::SeqCst);
    look();
    lid.0.store(20 + 3600, Ordering::SeqCst);
    look();
    let states = std::cell::RefCell::new(Vec::new());
    let at = thread.wait(|report| match report {
        SyncReport::State { state: SyncState::UpToDate { at, .. }, .. } => Some(at),
        SyncReport::State { state, .. } => {
            states.borrow_mut().push(state);
            None
        }
        _ => None,
    });
    assert!(states.borrow().contains(&SyncState::Connecting), "{states:?}");
    assert_eq!(at, Timestamp::new(1_800_003_620));
}

#[test]
fn what_the_server_wants_read_is_told_once_and_not_in_each_round() {
    let meeting = Meeting::new();
    let thread = Thread::start(&meeting, false);
    thread.up_to_date();
    // Said at each look, as some servers do; another thing in between is told too.
    let told = |said: &[&str], expected: &[&str]| {
        for text in said {
            meeting.server.alert(text);
        }
        thread.wake(Wake::Asked);
        let mut heard = Vec::new();
        thread.wait(|report| match report {
            SyncReport::Alert { text, .. } => {
                heard.push(text.as_str().to_owned());
                None
            }
            SyncReport::State { state: SyncState::UpToDate { .. }, .. } => Some(()),
            _ => None,
        });
        assert_eq!(heard, expected);
    };
    told(&["quota is near"], &["quota is near"]);
    told(&["quota is near"], &[]);
    told(&["quota is near", "down at noon"], &["down at noon"]);
}

#[test]
fn what_a_server_says_each_time_it_turns_us_away_is_new_once_a_day() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    spawn(move || {
        for (number, stream) in listener.incoming().flatten().enumerate() {
            let words = if number == 2 { "Maintenance until noon" } else { "Too many connections" };
            let _ = (&stream).write_all(format!("* BYE {words}\r\n").as_bytes());
        }
    });
    let mut meeting = Meeting::new();
    let connect = Imap::new(&account(port, Tls::Plain), Arc::new(|| Ok(Secret::new("hunter2".to_owned()))));
    meeting.env.connect = Some(Arc::new(connect));
    let thread = Thread::start(&meeting, false);
    let mut said = Vec::new();
    for turn in 0..5 {
        if turn == 4 {
            meeting.env.clock.pause(Duration::from_hours(25));
        }
        if turn > 0 {
            thread.wake(Wake::Asked);
        }
        said.push(thread.wait(|report| match report {
            SyncReport::State { state: SyncState::Failed { fault, known, .. }, .. } => {
                Some((fault.detail.to_string(), known))
            }
            _ => None,
        }));
    }
    thread.end();
    let (busy, down) = ("Too many connections".to_owned(), "Maintenance until noon".to_owned());
    assert_eq!(said, [(busy.clone(), false), (busy.clone(), true), (down, false), (busy.clone(), true), (busy, false)]);
}
