//! The worker stopped at every step: nothing is lost, and nothing is sent twice unasked.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use tern::config::Submit as How;
use tern::fault::{Cause, Fault};
use tern::job::outbox::{EntryId, Resolution};
use tern::mail::ids::Timestamp;
use tern::outbox::policy::{Outcome, Reply, Said};
use tern::outbox::queue::{Bin, Queue};
use tern::outbox::submit::{Observer, Parcel, Submit};
use tern::outbox::wishes;
use tern::outbox::worker::{Env, run_once};

use super::{MESSAGE, account, flush, outgoing, sent_copies};

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
    let mut env = Env::of(home.path().join("data"), vec![ada]);
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
