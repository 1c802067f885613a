//! One attempt against a scripted server: what it says, and what that is called.

use tern::config::{Auth, SecretSource, Server, Tls};
use tern::fault::{Cause, Fault};
use tern::job::outbox::EntryId;
use tern::login::secret::Secret;
use tern::mail::clean::Clean;
use tern::mail::submission::Submission;
use tern::outbox::policy::{Outcome, Reply, Said};
use tern::outbox::smtp::Smtp;
use tern::outbox::submit::{Observer, Parcel, Submit};

use super::MESSAGE;
use crate::servers::free_ports;
use crate::support::scripted::{Scripted, Step, hear};
use crate::support::smtp_script::{Answer, Fake, say};

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
        // Whether the end is seen before the last dot, at it, or after it is up to the network.
        ("broken Closed or broken Closed (m) or unknown 3 (m)", at("DATA", || Answer::SayAndClose("354 go\r\n"))),
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
