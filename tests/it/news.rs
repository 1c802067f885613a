//! More news of files than the index takes in, and an index that is made anew: what the loop keeps of the one, and
//! says of the other.

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use tern::job::index::{IndexJob, IndexReport, MailboxRow, Shows};
use tern::job::sync::Wake;
use tern::job::{Changed, FilesReport, Job, PlaceChange, Report, SyncJob, SyncReport};
use tern::keys::Keymap;
use tern::mail::ids::Timestamp;
use tern::mail::labels::Label;
use tern::mail::place::{MailboxId, UniqueName};
use tern::state::{Event, Model, update};

use crate::support::driver::{Driver, NOW, World, config, mailbox};

fn news(mailbox: &MailboxId, from: usize, count: usize) -> Report {
    let gone = |number| PlaceChange { unique: UniqueName::new(&format!("{number}.a")).unwrap(), now: None };
    let places = (from..from + count).map(gone).collect();
    Report::Sync(SyncReport::Changed(Changed { mailbox: mailbox.clone(), places }))
}

/// A loop whose index takes in only what it is allowed to.
struct Slow {
    model: Model,
    waiting: Vec<Changed>,
    most: usize,
    asked: Vec<String>,
}

impl Slow {
    fn new() -> Self {
        let (model, _) = Model::new(&config(&["ada"]), Keymap::standard(), Timestamp::new(NOW), TimeZone::UTC);
        Self { model, waiting: Vec::new(), most: 0, asked: Vec::new() }
    }

    fn hear(&mut self, report: Report) {
        self.event(Event::Report(report));
    }

    fn event(&mut self, event: Event) {
        for job in update(&mut self.model, event) {
            match job {
                Job::Index(IndexJob::Apply(changed)) => self.waiting.push(changed),
                Job::Index(IndexJob::Known(account)) => self.asked.push(account.to_string()),
                Job::Sync(SyncJob::TellLabels { home, after: None }) => {
                    self.asked.push(format!("labels of {}", home.name));
                }
                _ => {}
            }
        }
        self.most = self.most.max(self.waiting.iter().map(|changed| changed.places.len()).sum());
    }

    fn take_in(&mut self, pending: usize) {
        for changed in std::mem::take(&mut self.waiting) {
            let mailboxes = vec![changed.mailbox];
            self.hear(Report::Index(IndexReport::Refreshed { mailboxes, arrived: Vec::new(), pending }));
            self.hear(Report::Index(IndexReport::Applied { places: changed.places.len() }));
        }
    }

    fn tick(&mut self) -> Vec<String> {
        self.event(Event::Tick { now: self.model.now.plus(1) });
        std::mem::take(&mut self.asked)
    }
}

#[test]
fn what_another_program_delivers_is_told_at_once_and_what_is_too_much_is_looked_at() {
    let inbox = mailbox("ada", "INBOX");
    let delivered = |from, count| match news(&inbox, from, count) {
        Report::Sync(SyncReport::Changed(changed)) => Report::Files(FilesReport::Delivered(changed)),
        other => other,
    };
    let mut slow = Slow::new();
    slow.asked.clear();
    slow.hear(delivered(0, 3));
    assert_eq!(slow.waiting.iter().map(|changed| changed.places.len()).collect::<Vec<_>>(), [3]);
    for batch in 0..100 {
        slow.hear(delivered(batch * 256, 256));
    }
    assert!(slow.most <= 8_192, "{} files wait", slow.most);
    slow.take_in(0);
    assert_eq!(slow.tick(), ["ada"]);
}

#[test]
fn what_piles_up_is_left_out_and_looked_at_later() {
    let inbox = mailbox("ada", "INBOX");
    let mut slow = Slow::new();
    slow.asked.clear();
    for batch in 0..400 {
        slow.hear(news(&inbox, batch * 250, 250));
    }
    assert!((4_000..=8_192).contains(&slow.most), "{} files wait", slow.most);
    slow.hear(news(&inbox, 100_000, 1));
    assert_eq!(slow.waiting.last().map(|changed| changed.places.len()), Some(1), "a single one is told at once");
    assert_eq!(slow.tick(), Vec::<String>::new(), "the index has enough to do");
    slow.take_in(700);
    assert_eq!(slow.tick(), Vec::<String>::new(), "it reads words still");
    slow.hear(news(&inbox, 200_000, 1));
    slow.take_in(0);
    assert_eq!(slow.tick(), ["ada"], "what was left out is found on disk");
    assert_eq!(slow.tick(), Vec::<String>::new(), "once");
    slow.hear(news(&inbox, 0, 250));
    assert_eq!(slow.waiting.len(), 1, "and from then on it is told as before");
}

#[test]
fn what_no_queue_takes_is_looked_at_with_its_labels() {
    let (all, todo) = (mailbox("ada", "All"), mailbox("ada", "todo"));
    let mut slow = Slow::new();
    let shows = Some(Shows { label: Label::read("todo").unwrap(), home: all.clone() });
    let row = MailboxRow { mailbox: todo, role: None, total: 0, unread: 0, shows };
    slow.hear(Report::Index(IndexReport::Mailboxes(vec![row])));
    slow.hear(news(&all, 0, 9));
    let changed = slow.waiting.pop().unwrap();
    slow.hear(Report::Refused(Box::new(Job::Index(IndexJob::Apply(changed)))));
    let asked: BTreeSet<String> = slow.tick().into_iter().collect();
    assert_eq!(asked, ["ada".to_owned(), "labels of All".to_owned()].into());
}

#[test]
fn a_new_index_shows_how_far_it_is_and_is_asked_when_it_serves() {
    let mut driver = Driver::new(World::default(), &["ada"], (100, 20));
    driver.report(Report::Index(IndexReport::Renewing { done: 340, total: 1_000 })).expect("new index 34%");
    driver.world.add("ada", "INBOX", "Grace", "found meanwhile");
    driver.report(Report::Index(IndexReport::Renewed)).expect_no("new index");
    driver.expect("found meanwhile");
}

#[test]
fn what_moved_on_disk_without_us_is_told_to_the_server() {
    let mut driver = Driver::new(World::default(), &["ada"], (80, 24));
    let account = mailbox("ada", "INBOX").account;
    let mut wakes = |moved| {
        driver.outside.clear();
        driver.report(Report::Files(FilesReport::Scanned { account: account.clone(), moved }));
        let is_wake = |job: &&Job| matches!(job, Job::Sync(SyncJob::Wake { why: Wake::LocalChange, .. }));
        driver.outside.iter().filter(is_wake).count()
    };
    assert_eq!((wakes(false), wakes(true)), (0, 1));
}
