//! Acts where folders are labels: a message lies in one place, and archiving, moving, labelling and taking back
//! change what it is called, as a person sees it and as the workers are told.

use tern::job::index::Source;
use tern::job::{FilesJob, Job, SyncJob};
use tern::mail::labels::Label;
use tern::mail::place::MailboxId;

use crate::support::driver::{Driver, World, mailbox};

const ACCOUNT: &str = "ada";

/// Four messages in the inbox, two of them with another label, one archived.
fn world() -> World {
    let mut world = World::labelled(ACCOUNT);
    world.add_labelled(ACCOUNT, &["\\Inbox"], "Grace Hopper", "plain");
    world.add_labelled(ACCOUNT, &["\\Inbox", "Work"], "Boss", "report");
    world.add_labelled(ACCOUNT, &["\\Inbox", "Trips/Rome"], "Lin Wei", "tickets");
    world.add_labelled(ACCOUNT, &["Work"], "Boss", "old report");
    world.add(ACCOUNT, "[Gmail]/Spam", "Nobody", "you won");
    world
}

fn driver() -> Driver {
    Driver::new(world(), &[ACCOUNT], (110, 24))
}

fn labels(driver: &Driver, subject: &str) -> Vec<String> {
    let mail = driver.world.mails.iter().find(|mail| mail.subject == subject).unwrap();
    let word = |label: &Label| {
        label.word().or(label.name().map(tern::mail::mailbox::MailboxName::as_str)).unwrap_or_default().to_owned()
    };
    mail.flags.labels().iter().map(word).collect()
}

fn lies_in(driver: &Driver, subject: &str) -> MailboxId {
    driver.world.mails.iter().find(|mail| mail.subject == subject).unwrap().place.mailbox.clone()
}

/// The moves of files and the labels that were asked for since the last look.
fn wishes(driver: &mut Driver) -> Vec<SyncJob> {
    let jobs = std::mem::take(&mut driver.outside);
    let label = |job| match job {
        Job::Sync(job @ SyncJob::Label { .. }) => Some(job),
        _ => None,
    };
    jobs.into_iter().filter_map(label).collect()
}

fn go(driver: &mut Driver, name: &str) {
    driver.press("c").type_text(name).press("Enter");
    let shown = driver.model.list.mailbox().unwrap().name.to_string();
    assert!(shown.to_lowercase().contains(&name.to_lowercase()), "{shown}\n{}", driver.screen());
}

#[test]
fn the_pane_shows_views_in_their_places_with_their_counts() {
    let mut driver = driver();
    let shown: Vec<String> = driver.screen().lines().skip(1).map(|line| line.chars().take(22).collect()).collect();
    let wanted =
        ["Inbox", "Important", "Drafts", "Sent Mail", "Spam", "Trash", "All Mail", "Archive", "Trips", "Rome", "Work"];
    let at: Vec<usize> = wanted
        .iter()
        .map(|name| shown.iter().position(|line| line.contains(name)).unwrap_or_else(|| panic!("{name}:\n{shown:#?}")))
        .collect();
    assert!(at.is_sorted(), "{shown:#?}");
    assert!(shown[at[0]].contains('3') && shown[at[6]].contains('4') && shown[at[10]].contains('2'), "{shown:#?}");
    driver.expect("plain").expect_no("old report");
}

#[test]
fn archived_is_out_of_the_inbox_and_nowhere_else() {
    let mut driver = driver();
    driver.press("j a").expect_no("report  ").expect("Archived 1 message");
    assert_eq!(
        (labels(&driver, "report"), lies_in(&driver, "report").name.as_str()),
        (vec!["Work".to_owned()], "[Gmail]/All Mail")
    );
    let asked = wishes(&mut driver);
    assert!(matches!(&asked[..], [SyncJob::Label { places, .. }] if places.len() == 1), "{asked:?}");
    driver.press("u").expect("Undone: archived 1 message");
    assert_eq!(labels(&driver, "report"), ["\\Inbox", "Work"]);
    assert_eq!(driver.subjects(ACCOUNT, "INBOX"), ["plain", "report", "tickets"]);
    // From another label and from All Mail it goes out of the inbox just so, and stays where it is shown.
    go(&mut driver, "Work");
    driver.press("a").expect("report");
    assert_eq!(labels(&driver, "report"), ["Work"]);
    driver.press("j a").expect("It is archived already");
    go(&mut driver, "All Mail");
    driver.press("a").expect("Archived 1 message").expect("plain");
    assert!(labels(&driver, "plain").is_empty());
    // What has no other label goes nowhere.
    assert_eq!(driver.subjects(ACCOUNT, "[Gmail]/All Mail").len(), 4);
    assert_eq!(driver.subjects(ACCOUNT, "Archive"), [] as [&str; 0], "a label of that name is no archive");
}

#[test]
fn a_wish_that_cannot_be_written_down_is_taken_back() {
    let mut driver = driver();
    driver.hold = true;
    driver.press("a");
    driver.expect_no("plain");
    driver.broken = true;
    driver.release().expect("plain").expect("cannot write the ledger");
    assert_eq!(labels(&driver, "plain"), ["\\Inbox"]);
    driver.broken = false;
    driver.press("u").expect("nothing has been changed yet");
}

#[test]
fn undo_that_comes_before_the_wish_is_written_down_waits_for_it() {
    let mut driver = driver();
    driver.hold = true;
    driver.press("a u");
    driver.release().expect("plain");
    assert_eq!(labels(&driver, "plain"), ["\\Inbox"]);
}

#[test]
fn a_move_gives_one_label_and_takes_the_other() {
    let mut driver = driver();
    driver.press("s").type_text("work").press("Enter").expect("Moved 1 message to Work").expect_no("plain");
    assert_eq!(labels(&driver, "plain"), ["Work"]);
    go(&mut driver, "Rome");
    driver.press("s").type_text("inbox").press("Enter");
    assert_eq!(labels(&driver, "tickets"), ["\\Inbox"]);
    driver.press("u");
    assert_eq!(labels(&driver, "tickets"), ["\\Inbox", "Trips/Rome"]);
    // Out of All Mail it leaves the inbox, as it does from there.
    go(&mut driver, "All Mail");
    driver.press("j").expect("report");
    assert_eq!(driver.at(), "report");
    driver.press("s").type_text("rome").press("Enter").expect("report");
    assert_eq!(labels(&driver, "report"), ["Trips/Rome", "Work"]);
    // Into All Mail: neither in the inbox nor with the label of the list.
    go(&mut driver, "Work");
    driver.press("s").type_text("all mail").press("Enter");
    assert_eq!(labels(&driver, "plain"), [] as [&str; 0]);
}

#[test]
fn trash_and_spam_are_places_and_back_comes_every_label() {
    let mut driver = driver();
    driver.press("j d").expect("Moved 1 message to [Gmail]/Trash");
    assert_eq!((labels(&driver, "report"), lies_in(&driver, "report").name.as_str()), (vec![], "[Gmail]/Trash"));
    assert!(wishes(&mut driver).is_empty(), "the server takes the labels itself");
    driver.press("u");
    assert_eq!(lies_in(&driver, "report").name.as_str(), "[Gmail]/All Mail");
    assert_eq!(labels(&driver, "report"), ["\\Inbox", "Work"]);
    // Not spam: to All Mail, with the label of the inbox.
    go(&mut driver, "Spam");
    driver.press("!");
    assert_eq!(lies_in(&driver, "you won").name.as_str(), "[Gmail]/All Mail");
    assert_eq!(labels(&driver, "you won"), ["\\Inbox"]);
    driver.press("u");
    assert_eq!((labels(&driver, "you won"), lies_in(&driver, "you won").name.as_str()), (vec![], "[Gmail]/Spam"));
    // From the trash to a label.
    driver.press("s").type_text("work").press("Enter");
    assert_eq!(
        (labels(&driver, "you won"), lies_in(&driver, "you won").name.as_str()),
        (vec!["Work".to_owned()], "[Gmail]/All Mail")
    );
}

#[test]
fn labels_are_given_and_taken_by_name() {
    let mut driver = driver();
    driver.press("+").expect("Give or take a label").type_text("work").press("Enter");
    driver.expect("Labelled 1 message Work").expect("plain");
    assert_eq!(labels(&driver, "plain"), ["\\Inbox", "Work"]);
    driver.press("+").type_text("work").expect("has it").press("Enter");
    driver.expect("Took the label Work from 1 message");
    driver.press("u");
    assert_eq!(labels(&driver, "plain"), ["\\Inbox", "Work"]);
    // Of several, those that have it not get it.
    driver.press("Space Space Space +").type_text("rome").expect("some have it").press("Enter");
    assert_eq!(driver.subjects(ACCOUNT, "Trips/Rome"), ["plain", "report", "tickets"]);
    driver.press("u");
    assert_eq!(driver.subjects(ACCOUNT, "Trips/Rome"), ["tickets"]);
    // In the trash there are none.
    go(&mut driver, "Spam");
    driver.press("+").type_text("work").press("Enter").expect("has no labels");
    // In an account of plain folders it is tags.
    let mut plain = World::with(&["plain"]);
    plain.add("plain", "INBOX", "Grace Hopper", "hello");
    Driver::new(plain, &["plain"], (110, 24)).press("+").expect("Give or take a tag");
}

#[test]
fn a_conversation_is_acted_on_so_far_as_it_is_shown() {
    let mut world = world();
    for mail in world.mails.iter_mut().filter(|mail| mail.subject.contains("report")) {
        mail.thread = 7;
    }
    let mut driver = Driver::new(world, &[ACCOUNT], (110, 24));
    driver.press("T").expect("Conversations");
    go(&mut driver, "Work");
    assert_eq!(driver.model.list.current().unwrap().messages, 2);
    driver.press("s").type_text("rome").press("Enter").expect_no("report  ");
    assert_eq!(labels(&driver, "report"), ["\\Inbox", "Trips/Rome"]);
    assert_eq!(labels(&driver, "old report"), ["Trips/Rome"]);
    driver.press("u");
    // From the inbox only the one that is in it.
    driver.press("g i").press("j A");
    assert_eq!(
        (labels(&driver, "report"), labels(&driver, "old report")),
        (vec!["Work".to_owned()], vec!["Work".to_owned()])
    );
    driver.press("u");
    assert_eq!((labels(&driver, "report").len(), labels(&driver, "old report").len()), (2, 1), "none is added by undo");
}

#[test]
fn the_unified_inbox_and_search_act_on_labels_too() {
    let mut both = world();
    both.mailboxes.extend(World::with(&["plain"]).mailboxes);
    both.add("plain", "INBOX", "Grace Hopper", "hello");
    let mut driver = Driver::new(both, &[ACCOUNT, "plain"], (110, 24));
    driver.press("g u").expect("hello").expect("plain").expect_no("old report");
    driver.press("* a a").expect("Archived").expect_no("tickets");
    assert_eq!(driver.subjects("plain", "Archive"), ["hello"]);
    assert_eq!(driver.subjects(ACCOUNT, "INBOX"), [] as [&str; 0]);
    driver.press("u");
    assert_eq!((driver.subjects("plain", "INBOX").len(), driver.subjects(ACCOUNT, "INBOX").len()), (1, 3));
    assert!(matches!(driver.model.list.spec.as_ref().unwrap().source, Source::Unified));
}

#[test]
fn nothing_is_deleted_for_ever_but_in_the_trash() {
    let mut driver = driver();
    driver.press("D").expect("to the trash first");
    assert_eq!(driver.world.mails.len(), 5);
    go(&mut driver, "Spam");
    driver.press("D").expect("for ever").press("y");
    assert_eq!(driver.world.mails.len(), 4);
}

#[test]
fn a_folder_is_never_made_beside_the_labels() {
    let mut world = world();
    world.mailboxes.retain(|mailbox| !mailbox.name.as_str().ends_with("Trash"));
    let mut driver = Driver::new(world, &[ACCOUNT], (110, 24));
    driver.press("d").expect("no such folder yet").expect("plain");
    assert_eq!(lies_in(&driver, "plain"), mailbox(ACCOUNT, "[Gmail]/All Mail"));
    let moves = |job: &Job| matches!(job, Job::Files(FilesJob::Move { .. }));
    assert!(!driver.outside.iter().any(moves));
}
