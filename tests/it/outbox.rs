//! The outbox from the queue to the receiver: what servers say, what a crash leaves at every step,
//! what arrives at a real Postfix.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use tern::config::account::Layout;
use tern::config::{Account, Auth, FolderMap, SecretSource, Server, Submit as How, SyncSettings, Tls};
use tern::fault::{Cause, Fault};
use tern::job::outbox::{EntryId, EntryState, OutboxJob, OutboxReport, Outgoing, Resolution, Verdict};
use tern::login::secret::Secret;
use tern::mail::address::Address;
use tern::mail::clean::Clean;
use tern::mail::ids::{AccountId, MessageId, Timestamp};
use tern::mail::submission::Submission;
use tern::outbox::policy::{Outcome, Reply, Said};
use tern::outbox::queue::{Bin, Queue};
use tern::outbox::smtp::Smtp;
use tern::outbox::submit::{Observer, Parcel, Submit};
use tern::outbox::wishes;
use tern::outbox::worker::{Env, run, run_once};

use crate::servers::dovecot::{Dovecot, PASSWORD};
use crate::servers::free_ports;
use crate::servers::postfix::{Postfix, auth_service};
use crate::support::scripted::{Scripted, Step, hear};
use crate::support::smtp_script::{Answer, Fake, say};

const MESSAGE: &[u8] = b"From: ada@example.org\r\nSubject: x\r\nMessage-ID: <m1@example.org>\r\n\r\nhi\r\n";

// ---- one attempt ----

/// Remembers the marks and the conversation.
#[derive(Default)]
struct Notes {
    marks: Vec<Vec<String>>,
    lines: Vec<String>,
}

impl Observer for Notes {
    fn dot(&mut self, accepted: &[String]) -> Result<(), Fault> {
        self.marks.push(accepted.to_vec());
        Ok(())
    }

    fn line(&mut self, line: Clean) {
        self.lines.push(line.as_str().to_owned());
    }
}

fn attempt_with(server: Server, source: SecretSource, typed: Option<&str>, wire: &[u8]) -> (Outcome, Notes) {
    let id = EntryId::new("e1").unwrap();
    let submission = Submission {
        sender: "ada@example.org".to_owned(),
        recipients: ["bob@example.net", "eve@example.net", "joe@example.net"].map(str::to_owned).to_vec(),
    };
    let mut notes = Notes::default();
    let mut smtp = Smtp::new(server, source, typed.map(|text| Secret::new(text.to_owned()))).unwrap();
    let outcome = smtp.submit(&Parcel { id: &id, submission: &submission, wire }, &mut notes);
    smtp.close();
    (outcome, notes)
}

fn attempt(fake: &Fake) -> (Outcome, Notes) {
    attempt_with(fake.server(Auth::None), SecretSource::None, None, MESSAGE)
}

fn refused(said: &Said) -> Option<String> {
    match said {
        Said::Refused(reply) => Some(reply.line().as_str().to_owned()),
        Said::Accepted => None,
    }
}

#[test]
fn one_of_three_is_refused_and_two_get_it() {
    let fake = Fake::start(|line| line.contains("<eve@").then(|| say("550-5.1.1 no\r\n550 5.1.1 such user")));
    let (outcome, notes) = attempt(&fake);
    let Outcome::Answered(said) = outcome else { panic!("{outcome:?}") };
    let verdicts: Vec<Option<String>> = said.iter().map(|(_, said)| refused(said)).collect();
    assert_eq!(verdicts, [None, Some("550 5.1.1 no such user".to_owned()), None]);
    assert_eq!(notes.marks, [["bob@example.net", "joe@example.net"]]);
    assert_eq!(fake.taken()[0].message, MESSAGE);
    assert_eq!(fake.taken()[0].recipients, ["bob@example.net", "joe@example.net"]);
    let heard = fake.heard();
    let mail = "MAIL FROM:<ada@example.org> SIZE=74 RET=HDRS ENVID=e1".replace("74", &MESSAGE.len().to_string());
    assert!(heard.contains(&mail), "{heard:?}");
    let rcpt = "RCPT TO:<bob@example.net> NOTIFY=FAILURE,DELAY ORCPT=rfc822;bob@example.net";
    assert!(heard.iter().any(|line| line == rcpt), "{heard:?}");
    assert_eq!(heard.last().unwrap(), "QUIT");
}

/// What a scripted server answers to a line.
type Rule = Box<dyn FnMut(&str) -> Option<Answer> + Send>;

fn at(begin: &'static str, answer: impl Fn() -> Answer + Send + 'static) -> Rule {
    Box::new(move |line| line.starts_with(begin).then(&answer))
}

/// What a server does, and what it is called. `(m)` stands where the mark was made before.
#[test]
fn what_servers_say_is_told_apart() {
    let name = |outcome: &Outcome| match outcome {
        Outcome::Offline(_) => "offline".to_owned(),
        Outcome::Insecure(fault) => format!("insecure {:?}", fault.cause),
        Outcome::SignIn(_, reply) => format!("sign-in {:?}", reply.as_ref().map(|r| r.code)),
        Outcome::Broken(fault) => format!("broken {:?}", fault.cause),
        Outcome::Refused(reply) => format!("refused {}", reply.code),
        Outcome::Answered(said) => {
            let said: Vec<String> =
                said.iter().map(|(_, s)| refused(s).map_or("ok".to_owned(), |l| l[..3].to_owned())).collect();
            said.join(" ")
        }
        Outcome::Unknown(_, who) => format!("unknown {}", who.len()),
    };
    let cases: Vec<(&str, Rule)> = vec![
        ("ok ok ok (m)", Box::new(|_| None)),
        ("broken RefusedForNow", at("(connect)", || Answer::SayAndClose("421 too busy\r\n"))),
        ("broken Closed", at("(connect)", || Answer::SayAndClose(""))),
        ("broken RefusedForNow", at("(connect)", || Answer::SayAndClose("554 go away\r\n"))),
        ("refused 451", at("MAIL", || say("451 4.7.1 later"))),
        ("refused 552", at("MAIL", || say("552 5.3.4 too big"))),
        ("broken RefusedForNow", at("RCPT", || Answer::SayAndClose("421 4.3.2 shutting down\r\n"))),
        ("450 450 450", at("RCPT", || say("450 4.2.0 greylisted"))),
        ("452 452 452", at("DATA", || say("452 4.3.1 full"))),
        // Whether the end is seen before the last dot is sent or after it is up to the network.
        ("broken Closed or unknown 3 (m)", at("DATA", || Answer::SayAndClose("354 go\r\n"))),
        ("554 554 554 (m)", at(".", || say("554 5.7.1 spam"))),
        ("451 451 451 (m)", at(".", || say("451 4.3.0 later"))),
        ("unknown 3 (m)", at(".", || Answer::SayAndClose(""))),
        ("unknown 3 (m)", at(".", || Answer::TakeAndClose)),
        ("unknown 3 (m)", at(".", || say("what?"))),
        // Two answers to one question: the second would be taken for that to the next.
        ("broken Protocol", at("MAIL", || say("250 ok\r\n250 ok"))),
        ("broken Protocol", at("EHLO", || Answer::Flood(b"x".repeat(1000), 100_000))),
        ("broken Protocol", at("EHLO", || Answer::Flood(b"250-a\r\n".to_vec(), 20_000))),
        ("broken Protocol", at("MAIL", || Answer::Flood(b"250-a\r\n".to_vec(), 20_000))),
        // Bytes that are no UTF-8, a code without text, a bare LF: all the same to us.
        ("refused 550", at("MAIL", || Answer::Say(b"550 M\xfcll\n".to_vec()))),
        ("ok ok ok (m)", at("MAIL", || Answer::Say(b"250\r\n".to_vec()))),
    ];
    for (expected, rule) in cases {
        let fake = Fake::start(rule);
        let (outcome, notes) = attempt(&fake);
        let mark = if notes.marks.is_empty() { "" } else { " (m)" };
        let came = format!("{}{mark}", name(&outcome));
        assert!(
            expected.split(" or ").any(|one| one == came),
            "{expected}: {came} {:?} {:?}",
            fake.heard(),
            notes.lines
        );
    }
}

#[test]
fn nobody_there_is_no_attempt() {
    let [port] = free_ports();
    let server = Server { port, ..Fake::start(|_| None).server(Auth::None) };
    let (outcome, _) = attempt_with(server, SecretSource::None, None, MESSAGE);
    assert!(matches!(outcome, Outcome::Offline(ref fault) if fault.cause == Cause::Unreachable), "{outcome:?}");
}

#[test]
fn sign_in_is_refused_or_put_off_and_no_secret_is_written_down() {
    let secret = "hunter2-canary";
    for (auth, answer, code) in [
        (Auth::Plain, "535 5.7.8 no", 535),
        (Auth::Login, "535 5.7.8 no", 535),
        (Auth::Auto, "454 4.7.0 try later", 454),
        (Auth::Auto, "534 5.7.9 use an app password", 534),
    ] {
        let mut questions = 0;
        let fake = Fake::start(move |line| {
            questions += usize::from(line == "AUTH LOGIN");
            match line {
                "AUTH LOGIN" => Some(say("334 VXNlcm5hbWU6")),
                "YWRh" => Some(say("334 UGFzc3dvcmQ6")),
                line if line.starts_with("AUTH") || questions > 0 && !line.contains(' ') && line != "QUIT" => {
                    Some(say(answer))
                }
                _ => None,
            }
        });
        let (outcome, notes) = attempt_with(fake.server(auth), SecretSource::Prompt, Some(secret), MESSAGE);
        assert!(matches!(outcome, Outcome::SignIn(_, Some(Reply { code: c, .. })) if c == code), "{outcome:?}");
        let written = format!("{:?} {outcome:?}", notes.lines);
        assert!(!written.contains(secret) && !written.contains("aHVudGVyMi1jYW5hcnk"), "{written}");
    }
    let fake = Fake::start(|_| None);
    let (outcome, _) = attempt_with(fake.server(Auth::Plain), SecretSource::Prompt, Some(secret), MESSAGE);
    assert!(matches!(outcome, Outcome::Answered(_)), "{outcome:?}");
    assert!(fake.heard().contains(&"AUTH PLAIN AGFkYQBodW50ZXIyLWNhbmFyeQ==".to_owned()));
    let (outcome, _) = attempt_with(fake.server(Auth::Plain), SecretSource::Prompt, None, MESSAGE);
    assert!(matches!(outcome, Outcome::SignIn(_, None)), "{outcome:?}");
}

#[test]
fn a_refused_token_is_explained() {
    let fake = Fake::start(|line| match line {
        line if line.starts_with("AUTH XOAUTH2") => {
            Some(say("334 eyJzdGF0dXMiOiI0MDEiLCJzY2hlbWVzIjoiYmVhcmVyIiwic2NvcGUiOiJtYWlsIn0="))
        }
        "" => Some(say("535 5.7.8 not accepted")),
        _ => None,
    });
    let source = SecretSource::TokenCommand(["printf", "token"].map(str::to_owned).to_vec());
    let (outcome, _) = attempt_with(fake.server(Auth::Auto), source, None, MESSAGE);
    let Outcome::SignIn(fault, Some(_)) = outcome else { panic!("{outcome:?}") };
    assert!(fault.detail.as_str().contains("expired"), "{fault}");
}

#[test]
fn too_big_is_known_before_the_upload() {
    let fake = Fake::start(|_| None);
    let big = [MESSAGE, b"x\r\n".repeat(400_000).as_slice()].concat();
    let (outcome, notes) = attempt_with(fake.server(Auth::None), SecretSource::None, None, &big);
    assert!(matches!(outcome, Outcome::Refused(ref reply) if reply.enhanced == Some((5, 3, 4))), "{outcome:?}");
    assert!(notes.marks.is_empty() && !fake.heard().iter().any(|line| line.starts_with("MAIL")));
}

#[test]
fn what_is_said_before_tls_is_never_believed() {
    let greet = || Step::Say(b"220 hi\r\n".to_vec());
    for (script, cause) in [
        // An answer slipped in behind the go-ahead.
        (
            vec![
                greet(),
                hear("EHLO"),
                Step::Say(b"250-x\r\n250 STARTTLS\r\n".to_vec()),
                hear("STARTTLS"),
                Step::Say(b"220 go\r\n250-INJECTED\r\n250 AUTH LOGIN PLAIN\r\n".to_vec()),
                Step::AwaitClose,
            ],
            Cause::Protocol,
        ),
        // STARTTLS taken out of the offers.
        (vec![greet(), hear("EHLO"), Step::Say(b"250 AUTH PLAIN\r\n".to_vec()), Step::AwaitClose], Cause::NotOffered),
        // STARTTLS refused.
        (
            vec![
                greet(),
                hear("EHLO"),
                Step::Say(b"250-x\r\n250 STARTTLS\r\n".to_vec()),
                hear("STARTTLS"),
                Step::Say(b"502 no\r\n".to_vec()),
                Step::AwaitClose,
            ],
            Cause::Refused,
        ),
    ] {
        let scripted = Scripted::play(script);
        let fake = Fake::start(|_| None);
        let server = Server { port: scripted.port, tls: Tls::StartTls, ..fake.server(Auth::Plain) };
        let (outcome, _) = attempt_with(server, SecretSource::Prompt, Some("secret"), MESSAGE);
        assert!(matches!(outcome, Outcome::Insecure(ref fault) if fault.cause == cause), "{outcome:?}");
        let heard = scripted.heard();
        assert!(!heard.iter().any(|line| line.contains("AUTH")), "{heard:?}");
    }
}

// ---- the worker ----

fn account(submit: Option<Server>, home: &Path) -> Account {
    Account {
        id: AccountId::new("ada"),
        address: Address { name: "Ada".to_owned(), email: "ada@example.org".to_owned() },
        aliases: Vec::new(),
        maildir: home.join("Mail"),
        layout: Layout::Nested,
        imap: None,
        pop3: None,
        submit: submit.map(How::Smtp),
        secret: SecretSource::Prompt,
        sync: SyncSettings::default(),
        folders: FolderMap::default(),
        signature: None,
        server_files_sent: false,
    }
}

fn outgoing(recipients: &[&str], wire: &[u8]) -> Outgoing {
    Outgoing {
        account: AccountId::new("ada"),
        submission: Submission {
            sender: "ada@example.org".to_owned(),
            recipients: recipients.iter().map(|who| (*who).to_owned()).collect(),
        },
        wire: Arc::from(wire),
        bcc: vec!["eve@example.net".to_owned()],
        message_id: MessageId::new("m1@example.org"),
        hold_until: None,
        answers: MessageId::new("asked@example.net"),
        forwards: None,
        draft: None,
    }
}

/// Runs the rounds that are due now and gives what was reported.
fn flush(env: &Env) -> Vec<OutboxReport> {
    let reports = Mutex::new(Vec::new());
    run_once(env.clone(), Duration::ZERO, &|report| reports.lock().unwrap().push(report)).unwrap();
    reports.into_inner().unwrap()
}

fn sent_copies(home: &Path) -> Vec<Vec<u8>> {
    let Ok(dir) = std::fs::read_dir(home.join("Mail/Sent/cur")) else { return Vec::new() };
    dir.map(|entry| entry.unwrap().path())
        .inspect(|path| assert!(path.to_str().unwrap().ends_with(":2,S"), "{}", path.display()))
        .map(|path| std::fs::read(path).unwrap())
        .collect()
}

#[test]
fn put_off_twice_and_then_taken() {
    let home = tempfile::tempdir().unwrap();
    let mut refusals = 0;
    let fake = Fake::start(move |line| {
        let refuse = line == "." && refusals < 2;
        refusals += usize::from(refuse);
        refuse.then(|| say("451 4.3.0 come back later"))
    });
    let env = Env::of(home.path().join("data"), vec![account(Some(fake.server(Auth::None)), home.path())]);
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
    let env = Env::of(home.path().join("data"), vec![account(Some(fake.server(Auth::None)), home.path())]);
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
    let env = Env::of(home.path().join("data"), vec![account(Some(fake.server(Auth::None)), home.path())]);
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
    let env = Env::of(home.path().join("data"), vec![account(Some(fake.server(Auth::Plain)), home.path())]);
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
    let env = Env::of(home.path().join("data"), vec![account(Some(fake.server(Auth::None)), home.path())]);
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

// ---- stopped at every step ----

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

// ---- a real receiver ----

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
        let env = Env::of(home.path().join("data"), vec![account(Some(postfix.server("ada", tls)), home.path())]);
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
    let env = Env::of(home.path().join("data"), vec![ada]);
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
    let env = Env::of(env.data.clone(), vec![wrong]);
    let id = queue.add(&outgoing(&["bob@example.net"], MESSAGE), "x", Timestamp::new(9)).unwrap();
    flush(&env);
    assert!(queue.note(&id).unwrap().paused && queue.find(&id) == Some(Bin::Deferred));
}
