//! The worker stopped at every step: nothing is lost, and nothing is sent twice unasked.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use tern::config::Submit as How;
use tern::fault::{Cause, Doing, Fault};
use tern::job::outbox::{EntryId, OutboxJob, OutboxReport, Resolution};
use tern::mail::draft::Draft;
use tern::mail::ids::{MessageId, Timestamp};
use tern::mail::notes::Timer;
use tern::outbox::policy::{Outcome, Reply, Said};
use tern::outbox::queue::{Bin, Queue};
use tern::outbox::submit::{Observer, Parcel, Submit};
use tern::outbox::wishes;
use tern::outbox::worker::{Env, run, run_once};

use super::{MESSAGE, account, flush, ground, outgoing, sent_copies};

/// A receiver in memory that outlives the program: what it got stays got.
#[derive(Clone, Default)]
struct Receiver {
    got: Arc<Mutex<Vec<String>>>,
    /// Who is put off the first time.
    shy: Arc<Mutex<Vec<String>>>,
    /// Does the last answer get lost?
    mute: bool,
}

impl Submit for Receiver {
    fn submit(&mut self, parcel: &Parcel<'_>, observer: &mut dyn Observer) -> Outcome {
        let mut shy = self.shy.lock().unwrap();
        let later = |who: &String| shy.contains(who).then(|| Reply::new(450, "4.2.0 greylisted"));
        let said: Vec<(String, Said)> = parcel
            .submission
            .recipients
            .iter()
            .map(|who| (who.clone(), later(who).map_or(Said::Accepted, Said::Refused)))
            .collect();
        shy.clear();
        let accepted: Vec<String> =
            said.iter().filter(|(_, said)| *said == Said::Accepted).map(|(who, _)| who.clone()).collect();
        if accepted.is_empty() {
            return Outcome::Answered(said);
        }
        match observer.dot(&accepted) {
            Ok(()) => self.got.lock().unwrap().extend(accepted.iter().cloned()),
            Err(fault) => return Outcome::Broken(fault),
        }
        if self.mute {
            let fault = Fault::new(tern::fault::Doing::Submitting, "x", Cause::Closed);
            return Outcome::Unknown(fault, accepted);
        }
        Outcome::Answered(said)
    }
}

fn world(receiver: &Receiver) -> (TempDir, Env, EntryId) {
    let home = tempfile::tempdir().unwrap();
    let mut ada = account(None, home.path());
    ada.submit = Some(How::Command(Vec::new()));
    let receiver = receiver.clone();
    let mut env = ground(home.path().join("data"), vec![ada]);
    env.way = Arc::new(move |_, _| Ok(Box::new(receiver.clone())));
    let queue = Queue::open(&env.data).unwrap();
    let id = queue.add(&outgoing(&["bob@x", "eve@x"], MESSAGE), "x", Timestamp::new(5)).unwrap();
    (home, env, id)
}

#[test]
fn stopped_at_any_step_nothing_is_lost_and_nothing_sent_twice_unasked() {
    for shy in [vec![], vec!["eve@x".to_owned()], vec!["bob@x".to_owned(), "eve@x".to_owned()]] {
        let mut asked = 0;
        let mut steps = 0;
        loop {
            let receiver = Receiver { shy: Arc::new(Mutex::new(shy.clone())), ..Receiver::default() };
            let (home, env, id) = world(&receiver);
            let stopping = Env { stop_after: Some(steps), ..env.clone() };
            let _ = run_once(stopping, Duration::ZERO, &|_| {});
            let stopped_early = Queue::open(&env.data).unwrap().find(&id).is_some_and(|bin| bin != Bin::Deferred);
            // The machine comes back, and the user says to try what was put off.
            for _ in 0..2 {
                flush(&env);
                let _ = wishes::retry(&Queue::open(&env.data).unwrap(), &id);
            }
            let queue = Queue::open(&env.data).unwrap();
            let mut got = receiver.got.lock().unwrap().clone();
            got.sort();
            match queue.find(&id) {
                None => {
                    assert_eq!(got, ["bob@x", "eve@x"], "step {steps}");
                    assert_eq!(sent_copies(home.path()).len(), 1, "step {steps}");
                }
                Some(Bin::Maybe) => {
                    asked += 1;
                    assert!(got.len() <= 2, "step {steps}: {got:?}");
                    wishes::resolve(&queue, &id, Resolution::WasSent).unwrap();
                    for _ in 0..2 {
                        flush(&env);
                        let _ = wishes::retry(&queue, &id);
                    }
                    assert_eq!(queue.find(&id), None, "step {steps}");
                    assert_eq!(sent_copies(home.path()).len(), 1, "step {steps}");
                }
                Some(other) => panic!("step {steps}: lies in {other:?}"),
            }
            steps += 1;
            if !stopped_early && steps > 12 {
                break;
            }
            assert!(steps < 100, "it comes to its end");
        }
        // Only between the mark and the record is it not known, and where all were put off at
        // first there was no mark before the stop.
        let expected = if shy.len() == 2 { 0..=0 } else { 1..=2 };
        assert!(expected.contains(&asked), "{shy:?}: {asked}");
    }
}

/// What is queued, and whose answers are awaited, after a message with a reminder was to be queued by a program that
/// stopped after so many steps, with a ledger that says `remembers`.
fn queue_with_reminder(stop_after: Option<u64>, remembers: &Result<(), Fault>) -> (Vec<MessageId>, Vec<MessageId>) {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let listed = |data: &Path| -> Vec<MessageId> {
        let entries = Queue::open(data).unwrap().list().unwrap().entries;
        entries.into_iter().map(|listed| listed.head.message_id.unwrap()).collect()
    };
    let awaited = Arc::new(Mutex::new(BTreeSet::new()));
    let (kept, answer, at) = (Arc::clone(&awaited), remembers.clone(), data.clone());
    let await_answer = Arc::new(move |id: &MessageId, timer: Option<Timer>| {
        match timer {
            Some(timer) => {
                assert_eq!(timer.due, Timestamp::new(4_000_000_000));
                assert_eq!(listed(&at), [], "remembered before it can be sent");
                answer.clone()?;
                kept.lock().unwrap().insert(id.clone());
            }
            None => assert!(kept.lock().unwrap().remove(id)),
        }
        Ok(())
    });
    let mut ada = account(None, home.path());
    ada.submit = Some(How::Command(vec!["true".to_owned()]));
    let env = Env { stop_after, ..Env::of(data.clone(), vec![ada.clone()], await_answer) };
    let mut draft = Draft::new("d1".to_owned(), ada.id, ada.address, Timestamp::new(5));
    "bob@example.net".clone_into(&mut draft.to);
    draft.remind_at = Some(Timestamp::new(4_000_000_000));
    let (send, jobs) = sync_channel(1);
    send.send(OutboxJob::QueueDraft { draft: Box::new(draft), hold_until: Some(Timestamp::new(4_000_000_000)) })
        .unwrap();
    drop(send);
    let told = Mutex::new(Vec::new());
    run(env, &jobs, &|report| told.lock().unwrap().push(report));
    let entries = Queue::open(&data).unwrap().list().unwrap().entries;
    let there: Vec<MessageId> = entries.into_iter().map(|listed| listed.head.message_id.unwrap()).collect();
    let told = told.into_inner().unwrap();
    let said: Vec<bool> = told
        .iter()
        .filter_map(|report| match report {
            OutboxReport::Queued { .. } => Some(true),
            OutboxReport::NotQueued { .. } => Some(false),
            _ => None,
        })
        .collect();
    assert_eq!(said, [!there.is_empty()], "it is said whether it is queued");
    (there, awaited.lock().unwrap().iter().cloned().collect())
}

#[test]
fn stopped_at_any_step_an_answer_is_awaited_to_what_is_queued_and_to_nothing_else() {
    let mut steps = 0;
    loop {
        let (queued, awaited) = queue_with_reminder(Some(steps), &Ok(()));
        assert_eq!(queued, awaited, "stopped after {steps} steps");
        if !queued.is_empty() {
            break;
        }
        steps += 1;
        assert!(steps < 40, "it is queued in the end");
    }
    assert!(steps > 0, "it was stopped at least once");
    let broken = Err(Fault::new(Doing::Remembering, "ledger.db", Cause::DiskFull));
    assert_eq!(queue_with_reminder(None, &broken), (vec![], vec![]), "it is with its author, who is told why");
}

#[test]
fn a_lost_answer_can_be_sent_again_with_consent() {
    let receiver = Receiver { mute: true, ..Receiver::default() };
    let (_home, env, id) = world(&receiver);
    flush(&env);
    let queue = Queue::open(&env.data).unwrap();
    assert_eq!(receiver.got.lock().unwrap().len(), 2);
    wishes::resolve(&queue, &id, Resolution::SendAgain).unwrap();
    flush(&env);
    assert_eq!((receiver.got.lock().unwrap().len(), queue.find(&id)), (4, Some(Bin::Maybe)));
    wishes::remove(&queue, &id).unwrap();
    assert_eq!(queue.find(&id), None);
}
