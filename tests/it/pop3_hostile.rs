//! POP3 servers that lie about who they are, and answers that do not belong to their commands: no sign-in without
//! proof, and never a DELE of a number that nobody can be sure of.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tern::config::Tls;
use tern::fault::{Again, Cause, Doing, Scope};

use crate::pop3_faults::{AT_ONCE, Client, NEVER, signed_in};
use crate::support::scripted::{Scripted, Step, hear, say};

const LETTERS: [&str; 2] = ["Subject: one\r\n\r\na\r\n", "Subject: two\r\n\r\nbb\r\n"];

/// A session with two letters, up to where both were asked for.
fn two_asked_for(more: Vec<Step>) -> Vec<Step> {
    let sizes = LETTERS.map(str::len);
    let mut listing = format!("+OK 2 {}\r\n+OK\r\n", sizes.iter().sum::<usize>());
    for (at, size) in sizes.iter().enumerate() {
        write!(listing, "{} {size}\r\n", at + 1).unwrap();
    }
    listing.push_str(".\r\n+OK\r\n1 one\r\n2 two\r\n.\r\n");
    let mut steps = vec![hear("LIST"), hear("UIDL"), say(listing), hear("RETR"), hear("RETR")];
    steps.extend(more);
    signed_in(steps)
}

fn letter(at: usize) -> String {
    format!("+OK\r\n{}.\r\n", LETTERS[at])
}

#[test]
fn answers_that_do_not_fit_their_commands_end_the_session_before_anything_is_removed() {
    let both = letter(0) + &letter(1);
    let table: [(&str, Vec<Step>); 6] = [
        ("a letter twice", vec![say(letter(0) + &both)]),
        ("a refusal of nothing", vec![say(format!("-ERR what?\r\n{both}"))]),
        ("an answer to nothing, later", vec![say(&both), hear("STAT"), say("+OK 120 octets\r\n")]),
        ("a bare answer to nothing, later", vec![say(&both), hear("STAT"), say("+OK\r\n+OK 2 36\r\n")]),
        ("fewer messages than were listed", vec![say(&both), hear("STAT"), say("+OK 1 18\r\n")]),
        ("a refusal to count", vec![say(&both), hear("STAT"), say("-ERR 2 36\r\n")]),
    ];
    for (what, steps) in table {
        let server = Scripted::play(two_asked_for([steps, vec![Step::AwaitClose]].concat()));
        let client = Client::new(server.port, Tls::Plain, AT_ONCE);
        assert_eq!(client.fault().1, Cause::Protocol, "{what}");
        assert!(server.heard().iter().all(|line| !line.contains("DELE")), "{what}");
    }
}

#[test]
fn a_refused_removal_among_others_removes_the_others() {
    let steps = vec![
        say(letter(0) + &letter(1)),
        hear("STAT"),
        say("+OK 2 36\r\n"),
        hear("DELE 1"),
        hear("DELE 2"),
        say("-ERR no\r\n+OK\r\n"),
        hear("QUIT"),
        say("+OK\r\n"),
    ];
    let server = Scripted::play(two_asked_for(steps));
    let client = Client::new(server.port, Tls::Plain, AT_ONCE);
    let faults = client.sync().unwrap().faults;
    assert_eq!(client.here().len(), 2);
    let [fault] = faults.as_slice() else { panic!("{faults:?}") };
    assert_eq!((fault.doing, fault.scope, fault.again), (Doing::Pushing, Scope::Message, Again::Later));
    assert_eq!(fault.detail.as_str(), "1 messages stay on the server that should go: no");
    server.heard();
}

/// A sign-in by SCRAM up to the first message of the client.
fn by_scram(more: Vec<Step>) -> Vec<Step> {
    let mut steps = vec![
        say("+OK\r\n"),
        hear("CAPA"),
        say("+OK\r\nSASL PLAIN SCRAM-SHA-256\r\nUSER\r\n.\r\n"),
        hear("AUTH SCRAM-"),
    ];
    steps.extend(more);
    steps
}

fn challenge(text: &str) -> Step {
    say(format!("+ {}\r\n", STANDARD.encode(text)))
}

#[test]
fn who_proves_nothing_is_not_the_server() {
    let table = [
        ("let in at once", vec![say("+OK come in\r\n")], Cause::Protocol, "without proving"),
        (
            "a nonce of its own",
            vec![challenge("r=mine,s=c2FsdA==,i=4096"), hear("*"), say("-ERR cancelled\r\n")],
            Cause::Protocol,
            "nonce",
        ),
        (
            "let in in spite of the objection",
            vec![challenge("r=mine,s=c2FsdA==,i=4096"), hear("*"), say("+OK come in\r\n")],
            Cause::Protocol,
            "nonce",
        ),
        (
            "a reason that steers the terminal",
            vec![challenge("e=no\u{1b}]0;evil\u{7}\u{202e}"), Step::HearAnswer, say("-ERR no\r\n")],
            Cause::SignInRefused,
            "no",
        ),
        (
            "let in after a refusal",
            vec![challenge("e=unknown-user"), Step::HearAnswer, say("+OK come in\r\n")],
            Cause::Protocol,
            "without proving",
        ),
    ];
    for (what, steps, cause, words) in table {
        let server = Scripted::play(by_scram([steps, vec![Step::AwaitClose]].concat()));
        let client = Client::new(server.port, Tls::Plain, NEVER);
        let fault = client.sync().unwrap_err();
        assert_eq!((fault.doing, fault.cause, fault.again), (Doing::SigningIn, cause, Again::AfterUser), "{what}");
        assert!(fault.detail.as_str().contains(words), "{what}: {fault}");
        assert!(!fault.to_string().contains(|c: char| c.is_control() || c == '\u{202e}'), "{what}: {fault:?}");
        let heard = server.heard().join("\n");
        assert!(!heard.contains("secret") && !heard.contains(&STANDARD.encode("secret")), "{what}: {heard}");
        assert!(!heard.contains("PASS") && !heard.contains("AUTH PLAIN"), "no weaker way is tried: {heard}");
    }
}
