//! What does not wait for its turn: the newest messages of a mailbox that takes long to list, and news of
//! INBOX and of the mailbox on screen while another one is fetched.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tern::config::Tls;
use tern::job::SyncReport;
use tern::login::Secret;
use tern::mail::mailbox::MailboxName;
use tern::mail::place::{MailboxId, Place};
use tern::remote::imap::Imap;
use tern::sync::Env;
use tern::sync::worker::run_once;

use crate::servers::dovecot::{Dovecot, PASSWORD};
use crate::support::meeting::{Meeting, mail, name};
use crate::support::turnstile::Turnstile;

fn inbox() -> MailboxName {
    MailboxName::inbox()
}

/// Runs a round; `meanwhile` is shown each batch that arrives, as mailbox and number of messages. Gives them all,
/// and a 0 for the end of a mailbox.
fn round(meeting: &Meeting, meanwhile: impl Fn(&MailboxName, usize) + Send + Sync) -> Vec<(String, usize)> {
    meeting.age();
    let told = Mutex::new(Vec::new());
    let summary = run_once(&meeting.env, &|report| {
        let (mailbox, count) = match report {
            SyncReport::Changed(changed) => (changed.mailbox.name, changed.places.len()),
            SyncReport::Finished { mailbox, .. } => (mailbox.name, 0),
            _ => return,
        };
        told.lock().unwrap().push((mailbox.to_string(), count));
        meanwhile(&mailbox, count);
    })
    .unwrap();
    assert_eq!(summary.faults, vec![]);
    told.into_inner().unwrap()
}

fn position(told: &[(String, usize)], mailbox: &str, of: impl Fn(usize) -> bool) -> Option<usize> {
    told.iter().position(|(name, count)| name == mailbox && of(*count))
}

#[test]
fn new_mail_in_the_inbox_overtakes_the_first_sync_of_another_folder() {
    let meeting = Meeting::new();
    for n in 0..400 {
        meeting.deliver(&name("Big"), &mail(Some(&n.to_string()), &format!("old {n}")), "");
    }
    let once = AtomicBool::new(true);
    let told = round(&meeting, |mailbox, _| {
        if mailbox.as_str() == "Big" && once.swap(false, Ordering::SeqCst) {
            meeting.deliver(&inbox(), &mail(Some("new"), "new"), "");
            meeting.env.urgency.rouse();
        }
    });
    let came = position(&told, "INBOX", |count| count == 1).expect("it comes");
    let done = position(&told, "Big", |count| count == 0).expect("the end of the other");
    assert!(came < done, "{told:?}");
    assert_eq!(told.iter().filter(|(name, _)| name == "Big").map(|(_, count)| count).sum::<usize>(), 400);
    meeting.assert_met();
    assert!(meeting.sync_well().counts.is_zero());
}

#[test]
fn a_folder_that_comes_on_screen_is_fetched_before_the_one_under_way() {
    let meeting = Meeting::new();
    for n in 0..300 {
        meeting.deliver(&name("Big"), &mail(Some(&n.to_string()), &format!("old {n}")), "");
    }
    meeting.deliver(&name("Zoo"), &mail(Some("zoo"), "zoo"), "");
    let told = round(&meeting, |mailbox, count| {
        if mailbox.as_str() == "Big" && count == 50 {
            meeting.env.urgency.show(&name("Zoo"));
        }
    });
    let came = position(&told, "Zoo", |count| count == 1).expect("it comes");
    let done = position(&told, "Big", |count| count == 0).expect("the end of the other");
    assert!(came < done, "{told:?}");
    meeting.assert_met();
    assert!(meeting.sync_well().counts.is_zero());
}

#[test]
fn what_is_opened_comes_before_what_the_only_connection_fetches() {
    let mut meeting = Meeting::new();
    meeting.env.account.sync.connections = 1;
    meeting.env.account.sync.max_size = Some(100);
    let long = mail(Some("long"), &"a long story ".repeat(100));
    meeting.deliver(&inbox(), &long, "");
    meeting.sync_well();
    let [stub] = meeting.files(&inbox()).try_into().unwrap();
    let mailbox = MailboxId { account: meeting.env.account.id.clone(), name: inbox() };
    let stub = Place { mailbox, unique: stub.unique().unwrap() };
    for n in 0..300 {
        meeting.deliver(&name("Big"), &mail(Some(&n.to_string()), &n.to_string()), "");
    }
    meeting.age();
    let (once, told) = (AtomicBool::new(true), Mutex::new(Vec::new()));
    let summary = run_once(&meeting.env, &|report| match report {
        SyncReport::Changed(changed) if changed.mailbox.name == name("Big") && once.swap(false, Ordering::SeqCst) => {
            meeting.env.urgency.open(&stub);
        }
        SyncReport::Fetched { now, .. } => told.lock().unwrap().push(now.map(|_| "opened")),
        SyncReport::Finished { mailbox, .. } if mailbox.name == name("Big") => told.lock().unwrap().push(Ok("Big")),
        _ => {}
    });
    assert_eq!(summary.unwrap().faults, vec![]);
    assert_eq!(told.into_inner().unwrap(), [Ok("opened"), Ok("Big")]);
    let [whole] = meeting.files(&inbox()).try_into().unwrap();
    assert_eq!(meeting.maildir(&inbox()).read_entry(&whole).unwrap().unwrap(), long);
    assert_eq!(meeting.server.busiest(), 1);
}

#[test]
fn what_overtakes_only_fetches() {
    let meeting = Meeting::new();
    meeting.deliver(&inbox(), &mail(Some("1"), "kept"), "");
    meeting.sync_well();
    for n in 0..200 {
        meeting.deliver(&name("Big"), &mail(Some(&n.to_string()), &format!("old {n}")), "");
    }
    let once = AtomicBool::new(true);
    let told = round(&meeting, |mailbox, _| {
        if mailbox.as_str() == "Big" && once.swap(false, Ordering::SeqCst) {
            // A file goes from here to there meanwhile: that is told apart from a removal only by both.
            let entry = meeting.file(&inbox(), "kept");
            let to = tern::store::maildir::fresh(None);
            meeting.maildir(&inbox()).move_to(&entry, &meeting.maildir(&name("Other")), &to).unwrap().unwrap();
            meeting.deliver(&inbox(), &mail(Some("2"), "new"), "");
            meeting.env.urgency.rouse();
        }
    });
    assert!(position(&told, "INBOX", |count| count == 1).is_some(), "{told:?}");
    assert_eq!(meeting.server.messages(&inbox()).len(), 2, "nothing is removed in passing");
    let counts = meeting.sync_well().counts;
    assert_eq!((counts.moved, counts.removed_there, counts.appended), (1, 0, 0));
    meeting.assert_met();
}

#[test]
fn the_newest_of_a_large_mailbox_are_there_before_it_is_listed() {
    let home = tempfile::tempdir().unwrap();
    let dovecot = Dovecot::start();
    for n in 1..=5_040 {
        dovecot.deliver("ada", "INBOX", &mail(Some(&n.to_string()), &format!("mail {n}")));
    }
    let turnstile = Turnstile::before(dovecot.imap);
    let mut account = dovecot.account("ada", Tls::Plain, &home.path().join("mail"));
    let server = account.imap.as_mut().unwrap();
    server.port = turnstile.port;
    server.host = "127.0.0.1".to_owned();
    let connect = Imap::new(&account, Arc::new(|| Ok(Secret::new(PASSWORD.to_owned()))));
    let mut env = Env::new(account, Some(Arc::new(connect)), home.path().join("data"));
    let first = Arc::new(Mutex::new(None));
    let seen = Arc::clone(&first);
    env.stop = Arc::new(move || seen.lock().unwrap().is_some());
    // What comes after the first batch is not waited for.
    let summary = run_once(&env, &|report| {
        if let SyncReport::Changed(changed) = report {
            let paths: Vec<_> = changed.places.into_iter().map(|place| place.now.unwrap().path).collect();
            first.lock().unwrap().get_or_insert((turnstile.count(), paths));
        }
    })
    .unwrap();
    assert!(summary.stopped);
    let ((flights, said), paths) = first.lock().unwrap().take().unwrap();
    assert!(said.contains("FETCH 4991:* (UID FLAGS)") && !said.contains("FETCH 1:*"), "{said}");
    assert!(flights <= 8, "{flights} round trips with the sign-in: {said}");
    assert_eq!(paths.len(), 50);
    assert!(paths.iter().any(|path| std::fs::read_to_string(path).unwrap().contains("Subject: mail 5040\r\n")));
}

#[test]
fn what_was_glimpsed_is_not_fetched_again() {
    let meeting = Meeting::new();
    for n in 0..5_010 {
        meeting.deliver(&inbox(), &mail(Some(&n.to_string()), &format!("mail {n}")), "");
    }
    let told = round(&meeting, |_, _| ());
    assert_eq!(told[..2], [("INBOX".to_owned(), 50), ("INBOX".to_owned(), 0)]);
    assert_eq!(told.iter().map(|(_, count)| count).sum::<usize>(), 5_010);
    assert_eq!(meeting.files(&inbox()).len(), 5_010);
    assert!(meeting.sync_well().counts.is_zero());
}
