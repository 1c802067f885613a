//! A real receiver: what Postfix gets, takes a password for, refuses, and gets later.

use tern::config::{SecretSource, Tls};
use tern::job::outbox::{OutboxReport, Verdict};
use tern::mail::ids::Timestamp;
use tern::outbox::queue::{Bin, Queue};
use tern::outbox::wishes;

use super::{MESSAGE, account, flush, ground, outgoing, sent_copies};
use crate::servers::dovecot::{Dovecot, PASSWORD};
use crate::servers::free_ports;
use crate::servers::postfix::{Postfix, auth_service};

/// Line ends and dots in every order that could be taken for the end of a message.
fn patterns() -> Vec<Vec<u8>> {
    let pieces: [&[u8]; 6] = [b"\r\n", b"\n", b"\r", b".", b"..", b"a"];
    let mut all = Vec::new();
    for length in 1..=3usize {
        for mut number in 0..pieces.len().pow(u32::try_from(length).unwrap()) {
            let mut body = b"begin".to_vec();
            for _ in 0..length {
                body.extend_from_slice(pieces[number % pieces.len()]);
                number /= pieces.len();
            }
            all.push(body);
        }
    }
    all.truncate(200);
    all
}

#[test]
fn postfix_gets_what_was_stored_to_the_byte() {
    let postfix = Postfix::start();
    for (tls, count) in [(Tls::Implicit, 200), (Tls::StartTls, 2)] {
        let home = tempfile::tempdir().unwrap();
        let env = ground(home.path().join("data"), vec![account(Some(postfix.server("ada", tls)), home.path())]);
        let queue = Queue::open(&env.data).unwrap();
        let user = if tls == Tls::Implicit { "bob" } else { "eve" };
        let mut stored = Vec::new();
        for (number, body) in patterns().into_iter().take(count).enumerate() {
            let head = format!(
                "From: ada@example.org\r\nTo: {user}@example.org\r\nSubject: {number}\r\n\
                 Date: Sun, 22 Nov 2026 00:00:00 +0000\r\nMessage-ID: <{number}.{user}@example.org>\r\n\r\n"
            );
            let wire = [head.as_bytes(), &body].concat();
            let id = queue.add(&outgoing(&[&format!("{user}@example.org")], &wire), "x", Timestamp::new(5)).unwrap();
            stored.push(queue.load(&id, Bin::Queued).unwrap().1.to_vec());
        }
        let reports = flush(&env);
        let left = queue.list().unwrap().entries;
        assert!(left.is_empty(), "{:?}\n{}", left[0], postfix.log());
        assert_eq!(reports.iter().filter(|report| matches!(report, OutboxReport::Sent { .. })).count(), count);
        let mut arrived = postfix.arrived(user, count);
        arrived.sort();
        stored.sort();
        for (arrived, stored) in arrived.iter().zip(&stored) {
            assert_eq!(String::from_utf8_lossy(arrived), String::from_utf8_lossy(stored));
        }
    }
}

#[test]
fn postfix_and_dovecot_take_a_password_refuse_one_of_three_and_survive_an_outage() {
    let [port] = free_ports();
    let dovecot = Dovecot::start_with(&auth_service(port));
    let mut postfix = Postfix::start_beside(&dovecot, port);
    let home = tempfile::tempdir().unwrap();
    let mut ada = account(Some(postfix.server("ada", Tls::StartTls)), home.path());
    ada.secret = SecretSource::Command(["printf", "%s", PASSWORD].map(str::to_owned).to_vec());
    let env = ground(home.path().join("data"), vec![ada]);
    let queue = Queue::open(&env.data).unwrap();
    let all = ["bob@example.net", "nobody@example.net", "eve@example.org"];
    let id = queue.add(&outgoing(&all, MESSAGE), "x", Timestamp::new(5)).unwrap();

    postfix.turn_off();
    flush(&env);
    let note = queue.note(&id).unwrap();
    assert_eq!((queue.find(&id), note.attempts, note.offline), (Some(Bin::Deferred), 0, true), "{:?}", note.why);

    postfix.turn_on();
    wishes::retry(&queue, &id).unwrap();
    flush(&env);
    let note = queue.note(&id).unwrap();
    assert_eq!(queue.find(&id), Some(Bin::Failed), "{:?}", note.transcript);
    assert!(
        matches!(&note.verdicts["nobody@example.net"], Verdict::Refused(why) if why.as_str().starts_with("550 5.1.1"))
    );
    assert!(!format!("{:?}", note.transcript).contains("correct"));
    for user in ["bob", "eve"] {
        assert_eq!(postfix.arrived(user, 1), [[MESSAGE].concat()]);
        assert_eq!(dovecot.flags(user, "INBOX").len(), 1);
    }
    assert_eq!(sent_copies(home.path()).len(), 1);

    let mut wrong = env.accounts[0].clone();
    wrong.secret = SecretSource::Command(["printf", "wrong"].map(str::to_owned).to_vec());
    let env = ground(env.data.clone(), vec![wrong]);
    let id = queue.add(&outgoing(&["bob@example.net"], MESSAGE), "x", Timestamp::new(9)).unwrap();
    flush(&env);
    assert!(queue.note(&id).unwrap().paused && queue.find(&id) == Some(Bin::Deferred));
}
