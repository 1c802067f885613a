//! IMAP servers that say more than anybody asked for, wherever they find an ear: every wait has an end, memory stays
//! flat, and what is told of it is clear and harmless.

use std::time::Duration;

use tern::config::{Account, Tls};
use tern::fault::{Again, Cause, Doing, Fault};
use tern::login::Secret;
use tern::mail::mailbox::MailboxName;
use tern::remote::imap::Imap;
use tern::remote::{Connect as _, Since};

use crate::imap_faults::{account, signed_in};
use crate::support::scripted::{Scripted, Step, hear, reply, say};

const CAPABILITIES: &str = "IMAP4rev1 SASL-IR AUTH=PLAIN IDLE UIDPLUS LIST-STATUS LIST-EXTENDED CONDSTORE";
const HUGE: &str = "{4294967296}\r\n";

/// What comes where nobody has asked for a body, and what is said of it.
fn excesses() -> Vec<(&'static str, Step, &'static str)> {
    vec![
        ("a mailbox", say(format!("* LIST () \"/\" {HUGE}")), "literal that is too long"),
        ("a standing", say(format!("* STATUS {HUGE}")), "literal that is too long"),
        ("a name of its own", say(format!("* ID (\"name\" {HUGE}")), "literal that is too long"),
        ("a namespace", say(format!("* NAMESPACE (({HUGE}")), "literal that is too long"),
        ("abilities", say(format!("* CAPABILITY {HUGE}")), "literal that is too long"),
        ("a literal that never comes", say("* X {60000}\r\n"), "the server says nothing"),
        ("mailboxes without end", Step::Repeat(b"* LIST () \"/\" a\r\n".to_vec(), 1_000_000), "too many responses"),
        ("signs of life without end", Step::Repeat(b"* OK still here\r\n".to_vec(), 1_000_000), "too many responses"),
        ("a line without end", Step::Repeat(vec![b'x'; 65_536], 200), "a line that is too long"),
    ]
}

fn inbox() -> MailboxName {
    MailboxName::inbox()
}

fn impatient(port: u16, tls: Tls) -> Imap {
    let mut account: Account = account(port, tls);
    account.imap.as_mut().unwrap().timeout = Duration::from_secs(2);
    Imap::new(&account, std::sync::Arc::new(|| Ok(Secret::new("hunter2".to_owned()))))
}

fn refused(tls: Tls, script: Vec<Step>) -> (Fault, Vec<String>) {
    let server = Scripted::play(script);
    let fault = impatient(server.port, tls).connect().err().expect("nobody gets in");
    (fault, server.heard())
}

fn expect(place: &str, what: &str, fault: &Fault, words: &str) {
    let cause = if words == "the server says nothing" { Cause::TimedOut } else { Cause::Protocol };
    assert_eq!(fault.cause, cause, "{what}, {place}: {fault}");
    assert!(fault.detail.as_str().contains(words), "{what}, {place}: {fault}");
}

#[test]
fn whatever_comes_while_signing_in_ends() {
    for (what, excess, words) in excesses() {
        let asked = vec![say("* OK ready\r\n"), hear("CAPABILITY"), excess.clone(), Step::AwaitClose];
        let (fault, heard) = refused(Tls::Plain, asked);
        expect("asked what it can do", what, &fault, words);
        assert_eq!(heard.len(), 1, "no credential leaves: {heard:?}");

        let greeting = say(format!("* OK [CAPABILITY {CAPABILITIES}] ready\r\n"));
        let (fault, _) = refused(Tls::Plain, vec![greeting, hear("AUTHENTICATE"), excess, Step::AwaitClose]);
        expect("signing in", what, &fault, words);
    }
}

#[test]
fn whatever_comes_with_listings_and_openings_ends() {
    for (what, excess, words) in excesses().into_iter().filter(|(.., words)| *words != "the server says nothing") {
        let (mut remote, server) = signed_in(CAPABILITIES, vec![hear("LIST"), excess.clone(), Step::AwaitClose]);
        expect("listing", what, &remote.mailboxes().unwrap_err(), words);
        drop(remote);
        server.heard();

        let (mut remote, server) = signed_in(CAPABILITIES, vec![hear("SELECT"), excess.clone(), Step::AwaitClose]);
        expect("opening", what, &remote.changes(&inbox(), &Since::default()).unwrap_err(), words);
        drop(remote);
        server.heard();

        let idle = vec![
            hear("SELECT"),
            reply("* 0 EXISTS\r\n* OK [UIDVALIDITY 7] v\r\n* OK [UIDNEXT 1] n\r\n%T OK ok\r\n"),
            hear("IDLE"),
            say("+ idling\r\n"),
            excess,
            Step::AwaitClose,
        ];
        let (mut remote, server) = signed_in(CAPABILITIES, idle);
        expect("waiting", what, &remote.wait(&inbox(), Duration::from_mins(1)).unwrap_err(), words);
        drop(remote);
        server.heard();
    }
}

#[test]
fn a_server_that_only_passes_the_time_is_left_and_an_idle_one_is_not() {
    let drips = Step::Drip(b"* X\r\n".to_vec(), Duration::from_millis(400), 100);
    let enter = |more: Vec<Step>| {
        let greeting = say(format!("* OK [CAPABILITY {CAPABILITIES}] ready\r\n"));
        let in_by = reply(format!("%T OK [CAPABILITY {CAPABILITIES}] in\r\n"));
        let server = Scripted::play([vec![greeting, hear("AUTHENTICATE"), in_by, hear("SELECT")], more].concat());
        let mut account: Account = account(server.port, Tls::Plain);
        account.imap.as_mut().unwrap().timeout = Duration::from_millis(600);
        let secret = std::sync::Arc::new(|| Ok(Secret::new("hunter2".to_owned())));
        (Imap::new(&account, secret).connect().unwrap(), server)
    };
    let open = "* 0 EXISTS\r\n* OK [UIDVALIDITY 7] v\r\n* OK [UIDNEXT 1] n\r\n%T OK ok\r\n";
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (mut remote, _server) = enter(vec![drips.clone(), reply(open), Step::AwaitClose]);
            let fault = remote.changes(&inbox(), &Since::default()).unwrap_err();
            assert_eq!((fault.cause, fault.again), (Cause::TimedOut, Again::Later), "{fault}");
        });
        scope.spawn(|| {
            let few = Step::Drip(b"* X\r\n".to_vec(), Duration::from_millis(400), 20);
            let end = Step::ReplyTo("IDLE", b"%T OK done\r\n".to_vec());
            let idle = vec![reply(open), hear("IDLE"), say("+ idling\r\n"), few, hear("DONE"), end, Step::AwaitClose];
            let (mut remote, _server) = enter(idle);
            // Longer than the same drips were borne above.
            let waited = remote.wait(&inbox(), Duration::from_secs(7));
            assert!(!matches!(&waited, Err(fault) if fault.detail.as_str().contains("next to nothing")), "{waited:?}");
        });
    });
}

#[test]
fn nothing_that_was_said_before_tls_is_shown_or_used() {
    let greeting = "* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] [ALERT] call 0800-EVIL\r\n* OK [ALERT] call 0800-EVIL\r\n";
    let table = [
        (vec![say(greeting), hear("STARTTLS"), reply("%T OK go\r\n* OK [ALERT] call 0800-EVIL\r\n")], Cause::Protocol),
        (vec![say(greeting), hear("STARTTLS"), reply("%T NO call 0800-EVIL\r\n")], Cause::NotOffered),
        (
            vec![say("* OK [CAPABILITY IMAP4rev1 LOGINDISABLED] hi\r\n"), hear("STARTTLS"), reply("%T BAD what?\r\n")],
            Cause::NotOffered,
        ),
        (vec![say("* PREAUTH [CAPABILITY IMAP4rev1] call 0800-EVIL\r\n")], Cause::Protocol),
    ];
    for (script, cause) in table {
        let (fault, heard) = refused(Tls::StartTls, [script, vec![Step::AwaitClose]].concat());
        assert_eq!((fault.cause, fault.again), (cause, Again::AfterUser), "{fault}");
        assert!(matches!(fault.doing, Doing::Connecting | Doing::Securing), "{fault}");
        assert!(!fault.to_string().contains("EVIL"), "{fault}");
        assert!(heard.iter().all(|line| line.contains("STARTTLS")), "{heard:?}");
    }
}

#[test]
fn no_password_goes_to_a_server_that_takes_the_better_ways_away() {
    for (offers, cause) in [
        ("IMAP4rev1 LOGINDISABLED", Cause::NotOffered),
        ("IMAP4rev1 LOGINDISABLED AUTH=CRAM-MD5 AUTH=NTLM", Cause::NotOffered),
        ("IMAP4rev1 LOGINDISABLED AUTH=XOAUTH2 AUTH=OAUTHBEARER", Cause::NotOffered),
    ] {
        let script = vec![say(format!("* OK [CAPABILITY {offers}] ready\r\n")), Step::AwaitClose];
        let (fault, heard) = refused(Tls::Plain, script);
        assert_eq!((fault.doing, fault.cause), (Doing::SigningIn, cause), "{offers}: {fault}");
        assert!(heard.is_empty(), "{heard:?}");
    }
}
