//! The guard's question as a person meets it: the real sync thread on one side, the screen on the other. Of
//! several folders that are held each is asked about in turn, and each answer does what it says.

use tern::job::sync::{SyncReport, SyncState, Wake};
use tern::job::{Job, Report, SyncJob};
use tern::mail::mailbox::MailboxName;

use crate::support::driver::{Driver, World};
use crate::support::meeting::{Meeting, mail, name};
use crate::sync_worker::Thread;

/// A sync thread and the screen that shows what it says and hands it the answers.
struct Story {
    meeting: Meeting,
    thread: Thread,
    driver: Driver,
}

impl Story {
    /// Eight messages in each of these folders, met on both sides.
    fn with(folders: &[&str]) -> Self {
        let meeting = Meeting::new();
        for folder in folders {
            meeting.server.add_mailbox(&name(folder), None);
            for n in 0..8 {
                meeting.deliver(&name(folder), &mail(Some(&format!("{folder}{n}")), &format!("{folder} {n}")), "");
            }
        }
        let driver = Driver::new(World::with(&["work"]), &["work"], (80, 24));
        let thread = Thread::start(&meeting, false);
        let mut story = Self { meeting, thread, driver };
        story.listen();
        story.meeting.assert_met();
        story.driver.outside.clear();
        story
    }

    /// Shows what the thread reports until it has come to rest.
    fn listen(&mut self) {
        let mut told = Vec::new();
        self.thread.wait(|report| {
            let rests = matches!(report, SyncReport::State { state: SyncState::UpToDate { .. }, .. });
            told.push(report);
            rests.then_some(())
        });
        for report in told {
            self.driver.report(Report::Sync(report));
        }
    }

    /// Syncs once more.
    fn again(&mut self) {
        self.meeting.age();
        self.thread.wake(Wake::Asked);
        self.listen();
    }

    /// Presses a key, and waits for what the thread makes of the answer that it is.
    fn answer(&mut self, key: &str) {
        self.driver.press(key);
        let answers = std::mem::take(&mut self.driver.outside).into_iter();
        let answers = answers.filter_map(|job| match job {
            Job::Sync(job @ SyncJob::Answer { .. }) => Some(job),
            _ => None,
        });
        let [answer] = answers.collect::<Vec<_>>().try_into().expect("a key is one answer");
        self.thread.send(answer);
        self.listen();
    }

    /// How many messages lie here and on the server.
    fn counts(&self, folder: &str) -> (usize, usize) {
        (self.meeting.files(&name(folder)).len(), self.meeting.server.messages(&name(folder)).len())
    }

    fn empty_there(&self, folder: &str) {
        for message in self.meeting.server.messages(&name(folder)) {
            assert!(self.meeting.server.expunge(&name(folder), message.uid));
        }
    }

    fn empty_here(&self, folder: &str) {
        let maildir = self.meeting.maildir(&name(folder));
        for entry in self.meeting.files(&name(folder)) {
            maildir.remove(&entry).unwrap();
        }
    }
}

#[test]
fn each_held_folder_is_asked_about_in_turn_and_gets_its_own_answer() {
    let mut story = Story::with(&["INBOX", "Lists", "Work"]);
    story.empty_there("INBOX");
    story.empty_there("Lists");
    story.empty_here("Work");
    story.again();
    // Until there is an answer nothing is removed on either side.
    assert_eq!([story.counts("INBOX"), story.counts("Lists"), story.counts("Work")], [(8, 0), (8, 0), (0, 8)]);

    story.driver.expect("work: INBOX: 8 of 8 messages are gone on the server. Remove");
    story.driver.expect_no("INBOX: INBOX").expect_no("Lists: 8 of 8");
    story.answer("y");
    assert_eq!([story.counts("INBOX"), story.counts("Lists"), story.counts("Work")], [(0, 0), (8, 0), (0, 8)]);
    assert_eq!(story.meeting.quarantined(), [("work.INBOX".to_owned(), 8)].into());

    story.driver.expect("work: Lists: 8 of 8 messages are gone on the server.");
    story.answer("n");
    assert_eq!([story.counts("Lists"), story.counts("Work")], [(8, 0), (0, 8)]);

    story.driver.expect("work: Work: 8 of 8 messages are gone on this disk. Delete");
    story.answer("y");
    assert_eq!([story.counts("Lists"), story.counts("Work")], [(8, 0), (0, 0)]);
    assert!(story.driver.model.overlay.is_none(), "all are answered");

    // A no holds: nobody is asked again, and nothing is removed or fetched in its stead. New mail comes.
    story.meeting.deliver(&name("Lists"), &mail(Some("late"), "late"), "");
    story.again();
    assert!(story.driver.model.overlay.is_none());
    assert_eq!(story.counts("Lists"), (9, 1));
    story.thread.end();
}

#[test]
fn the_help_says_what_each_answer_does_and_leads_back_to_the_question() {
    let mut story = Story::with(&["INBOX", "Lists"]);
    story.empty_there("INBOX");
    story.empty_there("Lists");
    story.again();
    story.driver.expect("INBOX: 8 of 8").press("?").expect("Help: question");
    story.driver.expect("Yes: do what the question says").expect("No: leave it as it is on both sides");
    // Back to this question, not to the one that waits behind it.
    story.driver.press("Esc").expect("INBOX: 8 of 8").expect_no("Lists: 8 of 8");
    // An answer can be chosen in the help too.
    story.driver.press("?").type_text("leave it");
    story.answer("Enter");
    assert_eq!(story.counts("INBOX"), (8, 0));
    story.driver.expect("Lists: 8 of 8");
    story.answer("y");
    assert_eq!((story.counts("INBOX"), story.counts("Lists")), ((8, 0), (0, 0)));
    story.thread.end();
}

#[test]
fn what_is_typed_meanwhile_is_not_taken_for_an_answer() {
    let mut story = Story::with(&["INBOX"]);
    story.empty_there("INBOX");
    story.driver.press("/").type_text("yes");
    story.again();
    story.driver.expect_no("8 of 8").expect("yes").press("Esc").expect("INBOX: 8 of 8");
    assert_eq!(story.counts(MailboxName::inbox().as_str()), (8, 0));
    story.answer("n");
    assert_eq!(story.counts("INBOX"), (8, 0));
    story.thread.end();
}
