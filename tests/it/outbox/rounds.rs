//! The worker's rounds against a scripted server: what is put off, refused, lost, asked about or damaged.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use tern::config::Auth;
use tern::fault::Cause;
use tern::job::outbox::{EntryId, EntryState, OutboxJob, OutboxReport, Resolution, Verdict};
use tern::mail::clean::Clean;
use tern::mail::ids::{AccountId, MessageId, Timestamp};
use tern::outbox::queue::{Bin, Queue};
use tern::outbox::wishes;
use tern::outbox::worker::run;

use super::{MESSAGE, account, flush, ground, outgoing, sent_copies};
use crate::support::smtp_script::{Answer, Fake, say};

#[test]
fn put_off_twice_and_then_taken() {
    let home = tempfile::tempdir().unwrap();
    let mut refusals = 0;
    let fake = Fake::start(move |line| {
        let refuse = line == "." && refusals < 2;
        refusals += usize::from(refuse);
        refuse.then(|| say("451 4.3.0 come back later"))
    });
    let env = ground(home.path().join("data"), vec![account(Some(fake.server(Auth::None)), home.path())]);
    let queue = Queue::open(&env.data).unwrap();
    let id = queue.add(&outgoing(&["bob@example.net"], MESSAGE), "x", Timestamp::new(5)).unwrap();
    for attempts in 1..=2 {
        flush(&env);
        let (entries, faults) = wishes::entries(&env.data, Timestamp::new(5)).unwrap();
        let EntryState::Deferred { next, why, .. } = &entries[0].state else { panic!("{entries:?}") };
        assert_eq!(why.as_str(), "451 4.3.0 come back later");
        assert!(next.get() > 1_000_000 && faults.is_empty());
        assert_eq!(queue.note(&id).unwrap().attempts, attempts);
        assert!(entries[0].transcript.iter().any(|line| line.as_str().starts_with("C: MAIL FROM")));
        flush(&env);
        assert_eq!(queue.note(&id).unwrap().attempts, attempts, "not before it is due");
        let note = queue.note(&id).unwrap();
        wishes::retry(&queue, &id).unwrap();
        // The user's word makes it due; the attempts still count.
        assert_eq!(queue.note(&id).unwrap().attempts, note.attempts);
    }
    let reports = flush(&env);
    let sent = reports.iter().find_map(|report| match report {
        OutboxReport::Sent { answers, .. } => answers.clone(),
        _ => None,
    });
    assert_eq!(sent, MessageId::new("asked@example.net"));
    assert_eq!(fake.taken().len(), 1);
    assert_eq!(queue.list().unwrap().entries, []);
    let copies = sent_copies(home.path());
    assert_eq!(copies.len(), 1);
    let text = String::from_utf8(copies[0].clone()).unwrap();
    assert_eq!(text.replace("Bcc: eve@example.net\r\n", ""), String::from_utf8(MESSAGE.to_vec()).unwrap());
    assert_ne!(text.as_bytes(), MESSAGE);
}

#[test]
fn accepted_recipients_never_get_a_second_copy() {
    let home = tempfile::tempdir().unwrap();
    let mut tries = 0;
    let fake = Fake::start(move |line| {
        if line.contains("<eve@") {
            tries += 1;
        }
        match line {
            line if line.contains("<eve@") && tries == 1 => Some(say("450 4.2.0 greylisted")),
            line if line.contains("<joe@") => Some(say("550 5.1.1 unknown")),
            _ => None,
        }
    });
    let env = ground(home.path().join("data"), vec![account(Some(fake.server(Auth::None)), home.path())]);
    let queue = Queue::open(&env.data).unwrap();
    let all = ["bob@example.net", "eve@example.net", "joe@example.net"];
    let id = queue.add(&outgoing(&all, MESSAGE), "x", Timestamp::new(5)).unwrap();
    flush(&env);
    assert_eq!(queue.find(&id), Some(Bin::Deferred));
    wishes::retry(&queue, &id).unwrap();
    let reports = flush(&env);
    assert_eq!(queue.find(&id), Some(Bin::Failed));
    let refused = Verdict::Refused(Clean::line("550 5.1.1 unknown"));
    let (entries, _) = wishes::entries(&env.data, Timestamp::new(5)).unwrap();
    let verdicts: Vec<&Verdict> = entries[0].recipients.iter().map(|(_, verdict)| verdict).collect();
    assert_eq!(verdicts, [&Verdict::Accepted, &Verdict::Accepted, &refused]);
    let told = |report: &&OutboxReport| matches!(report, OutboxReport::Failed { fault, .. } if fault.subject.as_str() == "joe@example.net");
    assert!(reports.iter().any(|report| told(&report)), "{reports:?}");
    let got: Vec<Vec<String>> = fake.taken().into_iter().map(|taken| taken.recipients).collect();
    assert_eq!(got, [["bob@example.net"], ["eve@example.net"]]);
    assert_eq!(sent_copies(home.path()).len(), 1);
}

#[test]
fn a_lost_last_answer_is_asked_about_and_never_sent_again_by_itself() {
    let home = tempfile::tempdir().unwrap();
    let fake = Fake::start(|line| (line == ".").then_some(Answer::TakeAndClose));
    let env = ground(home.path().join("data"), vec![account(Some(fake.server(Auth::None)), home.path())]);
    let queue = Queue::open(&env.data).unwrap();
    let id = queue.add(&outgoing(&["bob@example.net"], MESSAGE), "x", Timestamp::new(5)).unwrap();
    for _ in 0..3 {
        flush(&env);
        assert_eq!(queue.find(&id), Some(Bin::Maybe));
        assert!(wishes::retry(&queue, &id).is_err());
    }
    assert_eq!(fake.taken().len(), 1);
    wishes::resolve(&queue, &id, Resolution::WasSent).unwrap();
    flush(&env);
    assert_eq!((queue.find(&id), fake.taken().len(), sent_copies(home.path()).len()), (None, 1, 1));

    // Found in Sent, put there by the server: then it was sent, and no second copy is made.
    let id = queue.add(&outgoing(&["bob@example.net"], MESSAGE), "x", Timestamp::new(5)).unwrap();
    std::fs::remove_dir_all(home.path().join("Mail/Sent/cur")).unwrap();
    std::fs::create_dir(home.path().join("Mail/Sent/cur")).unwrap();
    flush(&env);
    assert_eq!(queue.find(&id), Some(Bin::Maybe));
    std::fs::write(home.path().join("Mail/Sent/cur/1.theirs:2,S"), MESSAGE).unwrap();
    flush(&env);
    assert_eq!((queue.find(&id), fake.taken().len(), sent_copies(home.path()).len()), (None, 2, 1));
}

#[test]
fn a_refused_sign_in_pauses_the_account_until_a_password_comes() {
    let home = tempfile::tempdir().unwrap();
    let fake = Fake::start(|line| {
        let wrong = line.starts_with("AUTH") && line != "AUTH PLAIN AGFkYQByaWdodA==";
        wrong.then(|| say("535 5.7.8 no"))
    });
    let env = ground(home.path().join("data"), vec![account(Some(fake.server(Auth::Plain)), home.path())]);
    let queue = Queue::open(&env.data).unwrap();
    for _ in 0..2 {
        queue.add(&outgoing(&["bob@example.net"], MESSAGE), "x", Timestamp::new(5)).unwrap();
    }
    let (jobs, receiver) = std::sync::mpsc::channel();
    let wanted = AtomicUsize::new(0);
    let sent = AtomicUsize::new(0);
    let jobs = Mutex::new(Some(jobs));
    run(env, &receiver, &|report| {
        let give = |secret: &str| {
            let secret = tern::job::shell::Hidden(secret.to_owned());
            let job = OutboxJob::Password { account: AccountId::new("ada"), secret };
            jobs.lock().unwrap().as_ref().unwrap().send(job).unwrap();
        };
        match report {
            OutboxReport::WantsPassword(_) => {
                give(if wanted.fetch_add(1, Ordering::SeqCst) == 0 { "wrong" } else { "right" });
            }
            // The channel is closed once both have gone: the worker ends.
            OutboxReport::Sent { .. } if sent.fetch_add(1, Ordering::SeqCst) == 1 => drop(jobs.lock().unwrap().take()),
            _ => {}
        }
    });
    assert_eq!(fake.taken().len(), 2);
    assert_eq!(fake.heard().iter().filter(|line| line.starts_with("AUTH")).count(), 2, "one for each password typed");
}

#[test]
fn one_that_is_damaged_holds_up_no_other() {
    let home = tempfile::tempdir().unwrap();
    let fake = Fake::start(|_| None);
    let env = ground(home.path().join("data"), vec![account(Some(fake.server(Auth::None)), home.path())]);
    let queue = Queue::open(&env.data).unwrap();
    let bad = queue.add(&outgoing(&["bob@example.net"], MESSAGE), "x", Timestamp::new(5)).unwrap();
    let cut = queue.add(&outgoing(&["bob@example.net"], MESSAGE), "x", Timestamp::new(6)).unwrap();
    queue.add(&outgoing(&["bob@example.net"], MESSAGE), "x", Timestamp::new(7)).unwrap();
    let path = |id: &EntryId| env.data.join("outbox/queued").join(id.as_str());
    let mut bytes = std::fs::read(path(&bad)).unwrap();
    let middle = bytes.len() - 100;
    bytes[middle] ^= 1;
    std::fs::write(path(&bad), bytes).unwrap();
    std::fs::write(path(&cut), "tern").unwrap();
    let reports = flush(&env);
    let damaged =
        |report: &&OutboxReport| matches!(report, OutboxReport::Failed { fault, .. } if fault.cause == Cause::Damaged);
    assert_eq!(reports.iter().filter(damaged).count(), 2);
    assert_eq!((queue.find(&bad), queue.find(&cut)), (Some(Bin::Damaged), Some(Bin::Damaged)));
    assert_eq!(fake.taken().len(), 1);
}
