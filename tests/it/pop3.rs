//! POP3 against the real Dovecot: everything comes byte for byte and once, and what is removed on the server is what
//! the account says, when it is safe here. The mailboxes are read by these tests themselves.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;

use tern::app::book::Pages;
use tern::config::{Account, DeleteThere, PopSignIn, Retention, Tls};
use tern::fault::{Again, Cause, Doing};
use tern::job::SyncReport;
use tern::job::sync::SyncState;
use tern::login::secret::Secret;
use tern::mail::ids::Timestamp;
use tern::mail::mailbox::MailboxName;
use tern::remote::pop3::{Book, Pop3};
use tern::store::folders::Root;
use tern::store::maildir::{Maildir, fresh};
use tern::store::scan;
use tern::sync::Env;
use tern::sync::env::Clock;
use tern::sync::worker::{self, Summary, dry_run, run_once};

use crate::servers::dovecot::{Dovecot, PASSWORD};
use crate::support::letters::letter;

const DAY: i64 = 86_400;

/// A clock that moves only when it is told to.
pub(crate) struct Hands(AtomicI64);

impl Hands {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(1_700_000_000)))
    }

    pub(crate) fn turn(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::new(self.0.load(Ordering::SeqCst))
    }

    fn pause(&self, _: Duration) {}
}

/// What the sync of a POP3 account stands on, as the program makes it, with another clock and password.
pub(crate) fn env(account: &Account, data: PathBuf, clock: &Arc<Hands>, password: &'static str) -> Env {
    let (owner, below, hands) = (account.clone(), data.clone(), Arc::clone(clock));
    let book = move |lasting| -> Result<Box<dyn Book>, _> {
        Ok(Box::new(Pages::open(&below, &owner, hands.clone(), lasting)?))
    };
    let connect = Pop3::new(account, Arc::new(move || Ok(Secret::new(password.to_owned()))), Arc::new(book));
    let mut env = Env::new(account.clone(), Some(Arc::new(connect)), data);
    env.clock = Arc::clone(clock) as Arc<dyn Clock>;
    env
}

struct Post {
    dovecot: Dovecot,
    home: TempDir,
    clock: Arc<Hands>,
    env: Env,
}

impl Post {
    fn new(tls: Tls, retention: Retention) -> Self {
        let (dovecot, home, clock) = (Dovecot::start(), tempfile::tempdir().unwrap(), Hands::new());
        let account = dovecot.pop3_account("pat", tls, retention, &home.path().join("mail"));
        let env = env(&account, home.path().join("data"), &clock, PASSWORD);
        Self { dovecot, home, clock, env }
    }

    fn retain(&mut self, retention: Retention) {
        let account = self.dovecot.pop3_account("pat", Tls::Implicit, retention, &self.home.path().join("mail"));
        self.env = env(&account, self.home.path().join("data"), &self.clock, PASSWORD);
    }

    fn arrive(&self, number: u32) {
        let _ = self.dovecot.deliver("pat", "INBOX", &odd_letter(number));
    }

    fn sync(&self) -> Summary {
        let summary = run_once(&self.env, &|_| ()).unwrap();
        assert_eq!(summary.faults, vec![]);
        assert_eq!(summary.held, vec![]);
        summary
    }

    /// How many were fetched, and how many are left there and are here.
    fn round(&self) -> (u64, usize, usize) {
        let fetched = self.sync().counts.fetched;
        (fetched, self.there().len(), self.here("INBOX").len())
    }

    fn there(&self) -> Vec<PathBuf> {
        self.dovecot.files("pat", "INBOX")
    }

    fn folder(&self, name: &str) -> Maildir {
        let root = Root { path: self.home.path().join("mail"), layout: self.env.account.layout };
        Maildir::open(&root.create(&MailboxName::new(name).unwrap()).unwrap()).unwrap()
    }

    fn here(&self, name: &str) -> Vec<Vec<u8>> {
        let folder = self.folder(name);
        let entries = scan::scan(&folder).unwrap().entries;
        entries.iter().map(|entry| folder.read_entry(entry).unwrap().unwrap()).collect()
    }
}

/// A letter with lines that POP3 has to take care of.
pub(crate) fn odd_letter(number: u32) -> Vec<u8> {
    let mut bytes = letter(number);
    bytes.extend_from_slice(b".\r\n..\r\n.hidden\r\n\r\n");
    bytes.extend("wide ".repeat(number as usize % 97).into_bytes());
    bytes.extend_from_slice(b"\r\n.\r\n");
    bytes
}

fn counted(texts: impl IntoIterator<Item = Vec<u8>>) -> BTreeMap<Vec<u8>, usize> {
    let mut out = BTreeMap::new();
    for text in texts {
        *out.entry(text).or_default() += 1;
    }
    out
}

const NEVER: Retention = Retention { delete: DeleteThere::Never, after: None, over: None };

#[test]
fn everything_comes_once_and_byte_for_byte() {
    for tls in [Tls::Implicit, Tls::StartTls, Tls::Plain] {
        let post = Post::new(tls, NEVER);
        (1..=200).for_each(|number| post.arrive(number));
        let planned = dry_run(&post.env, &|_| ()).unwrap();
        assert_eq!(planned.plans.iter().map(|(_, plan)| plan.ops.len()).sum::<usize>(), 200);
        assert!(!post.env.data.join("ledger.db").exists(), "a look ahead begins no book");
        assert_eq!(post.round(), (200, 200, 200));
        assert_eq!(post.round(), (0, 200, 200));
        assert!(counted(post.here("INBOX")) == counted((1..=200).map(odd_letter)));
        post.arrive(201);
        assert_eq!(post.round(), (1, 201, 201));
    }
}

#[test]
fn mail_that_goes_from_the_server_stays_here_and_mail_deleted_here_does_not_come_back() {
    let post = Post::new(Tls::Implicit, NEVER);
    (1..=4).for_each(|number| post.arrive(number));
    assert_eq!(post.round(), (4, 4, 4));
    fs::remove_file(&post.there()[0]).unwrap();
    let folder = post.folder("INBOX");
    folder.remove(&scan::scan(&folder).unwrap().entries[3]).unwrap();
    assert_eq!(post.round(), (0, 3, 3));
    for path in post.there() {
        fs::remove_file(path).unwrap();
    }
    for _ in 0..5 {
        post.clock.turn(40 * DAY);
        assert_eq!(post.round(), (0, 0, 3), "however often the server has nothing");
    }
}

#[test]
fn at_once() {
    let post = Post::new(Tls::Implicit, Retention { delete: DeleteThere::AtOnce, ..NEVER });
    (1..=30).for_each(|number| post.arrive(number));
    assert_eq!(post.round(), (30, 0, 30));
    post.arrive(31);
    assert_eq!(post.round(), (1, 0, 31));
    assert!(counted(post.here("INBOX")) == counted((1..=31).map(odd_letter)));
}

#[test]
fn at_once_ends_the_session_now_and_then_so_that_a_cut_loses_little() {
    let post = Post::new(Tls::Implicit, Retention { delete: DeleteThere::AtOnce, ..NEVER });
    (1..=2100).for_each(|number| post.arrive(number));
    assert_eq!(post.round(), (2100, 0, 2100));
    let sessions = post.dovecot.log().matches("Disconnected: Logged out").count();
    assert_eq!(sessions, 2, "{}", post.dovecot.log());
}

#[test]
fn after_days() {
    let post = Post::new(Tls::Implicit, Retention { after: Some(Duration::from_hours(24 * 14)), ..NEVER });
    post.arrive(1);
    assert_eq!(post.round(), (1, 1, 1));
    post.clock.turn(13 * DAY);
    post.arrive(2);
    assert_eq!(post.round(), (1, 2, 2));
    post.clock.turn(DAY);
    assert_eq!(post.round(), (0, 1, 2), "the first is two weeks old, the second a day");
    post.clock.turn(13 * DAY);
    assert_eq!(post.round(), (0, 0, 2));
}

#[test]
fn over_a_size() {
    let post = Post::new(Tls::Implicit, Retention { over: Some(100_000), ..NEVER });
    post.arrive(1);
    let big = [odd_letter(2), b"big line\r\n".repeat(20_000)].concat();
    let _ = post.dovecot.deliver("pat", "INBOX", &big);
    assert_eq!(post.round(), (2, 1, 2));
    assert_eq!(counted(post.here("INBOX")), counted([odd_letter(1), big]));
}

#[test]
fn when_deleted_here_which_filed_mail_is_not_and_mail_in_the_trash_is() {
    let post = Post::new(Tls::Implicit, Retention { delete: DeleteThere::WhenDeleted, ..NEVER });
    (1..=8).for_each(|number| post.arrive(number));
    assert_eq!(post.round(), (8, 8, 8));
    let (inbox, archive, trash) = (post.folder("INBOX"), post.folder("Archive"), post.folder("Trash"));
    let entries = scan::scan(&inbox).unwrap().entries;
    inbox.remove(&entries[0]).unwrap();
    // Under its own name, under another, and into the trash.
    inbox.move_to(&entries[1], &archive, &entries[1].unique().unwrap()).unwrap().unwrap();
    inbox.move_to(&entries[2], &archive, &fresh(None)).unwrap().unwrap();
    inbox.move_to(&entries[3], &trash, &fresh(None)).unwrap().unwrap();
    assert_eq!(post.sync().counts.removed_there, 2);
    assert_eq!((post.there().len(), post.here("INBOX").len(), post.here("Archive").len()), (6, 4, 2));
    assert_eq!(post.round(), (0, 6, 4), "nothing comes back");
    // What was filed is deleted later.
    let filed = &scan::scan(&archive).unwrap().entries[0];
    archive.remove(filed).unwrap();
    inbox.deliver(&fresh(None), &tern::mail::flags::Flags::none(), &odd_letter(99)).unwrap();
    assert_eq!(post.round(), (0, 5, 5), "and what only this disk has is nobody else's business");
}

#[test]
fn deletions_that_frighten_are_asked_about() {
    let mut post = Post::new(Tls::Implicit, Retention { delete: DeleteThere::WhenDeleted, ..NEVER });
    (1..=20).for_each(|number| post.arrive(number));
    assert_eq!(post.round(), (20, 20, 20));
    let inbox = post.folder("INBOX");
    for entry in &scan::scan(&inbox).unwrap().entries[..10] {
        inbox.remove(entry).unwrap();
    }
    let held = run_once(&post.env, &|_| ()).unwrap().held;
    assert_eq!((held.len(), post.there().len()), (1, 20), "{held:?}");
    post.env.consent = Some(true);
    assert_eq!(post.round(), (0, 10, 10));
}

#[test]
fn another_policy_counts_for_mail_that_is_here_already() {
    let mut post = Post::new(Tls::Implicit, NEVER);
    (1..=3).for_each(|number| post.arrive(number));
    assert_eq!(post.round(), (3, 3, 3));
    post.retain(Retention { delete: DeleteThere::AtOnce, ..NEVER });
    assert_eq!(post.round(), (0, 0, 3));
}

#[test]
fn a_lost_ledger_fetches_nothing_twice() {
    let post = Post::new(Tls::Implicit, NEVER);
    (1..=20).for_each(|number| post.arrive(number));
    assert_eq!(post.round(), (20, 20, 20));
    fs::remove_dir_all(post.home.path().join("data")).unwrap();
    post.clock.turn(DAY);
    assert_eq!(post.round(), (0, 20, 20));
    assert_eq!(post.round(), (0, 20, 20));
}

#[test]
fn a_maildir_that_another_program_filled_is_taken_over() {
    let post = Post::new(Tls::Implicit, NEVER);
    let inbox = post.folder("INBOX");
    for number in 1..=20 {
        post.arrive(number);
        inbox.deliver(&fresh(None), &tern::mail::flags::Flags::none(), &odd_letter(number)).unwrap();
    }
    post.arrive(21);
    assert_eq!(post.round(), (1, 21, 21));
    assert_eq!(post.round(), (0, 21, 21));
}

#[test]
fn a_wrong_password_waits_for_the_user() {
    let mut post = Post::new(Tls::Implicit, NEVER);
    post.env = env(&post.env.account, post.home.path().join("data"), &post.clock, "wrong");
    let fault = run_once(&post.env, &|_| ()).unwrap_err();
    assert_eq!((fault.doing, fault.cause, fault.again), (Doing::SigningIn, Cause::SignInRefused, Again::AfterUser));
}

#[test]
fn a_server_without_apop_is_not_given_the_password_in_another_way() {
    let mut post = Post::new(Tls::Implicit, NEVER);
    let mut account = post.env.account.clone();
    account.pop3.as_mut().unwrap().sign_in = PopSignIn::Apop;
    post.env = env(&account, post.home.path().join("data"), &post.clock, PASSWORD);
    let fault = run_once(&post.env, &|_| ()).unwrap_err();
    assert_eq!((fault.cause, fault.again), (Cause::NotOffered, Again::AfterUser), "{fault}");
}

#[test]
fn a_round_says_how_far_it_is_and_when_all_is_there() {
    let post = Post::new(Tls::Implicit, NEVER);
    for number in 1..=250 {
        post.arrive(number);
    }
    let mut env = post.env.clone();
    let over = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&over);
    env.stop = Arc::new(move || seen.load(Ordering::SeqCst));
    let (_jobs, inbox) = channel();
    let told = Mutex::new(Vec::new());
    worker::run(&env, &inbox, &|report| {
        if let SyncReport::State { state, .. } = report {
            over.store(matches!(state, SyncState::UpToDate { .. }), Ordering::SeqCst);
            told.lock().unwrap().push(state);
        }
    });
    let told = told.into_inner().unwrap();
    assert_eq!(told.first(), Some(&SyncState::Connecting));
    assert_eq!(told.last(), Some(&SyncState::UpToDate { idle: false, at: post.clock.now() }));
    let at_work = |state: &SyncState| match state {
        SyncState::Working { mailbox, done, total } => Some((mailbox.is_inbox(), *done, *total)),
        _ => None,
    };
    // How much there is to do is known once both sides were compared.
    let work: Vec<(bool, u64, u64)> = told.iter().filter_map(at_work).skip_while(|(.., total)| *total == 0).collect();
    assert!(work.len() >= 2 && work.is_sorted(), "{work:?}");
    assert!(work.iter().all(|(inbox, done, total)| *inbox && done <= total && *total == 250), "{work:?}");
    assert!(work.iter().any(|(_, done, _)| *done >= 100), "{work:?}");
}
