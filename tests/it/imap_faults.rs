//! IMAP against a scripted server: what no real server does, but a broken or hostile one may.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use tern::config::account::Layout;
use tern::config::{Account, Auth, FolderMap, SecretSource, Server, SyncSettings, Tls};
use tern::fault::{Again, Cause, Doing, Fault, Scope};
use tern::login::Secret;
use tern::mail::address::Address;
use tern::mail::flags::Flags;
use tern::mail::ids::{AccountId, ModSeq, RemoteId, Uid, UidValidity};
use tern::mail::mailbox::MailboxName;
use tern::remote::imap::Imap;
use tern::remote::{Connect as _, Fetched, Presence, Push, Pushed, Remote, Since, Sink, Waited, Want};

use crate::support::scripted::{Scripted, Step, hear, reply, say};

/// What the scripted server can do, if nothing else is said.
const CAPABILITIES: &str = "IMAP4rev1 SASL-IR AUTH=PLAIN IDLE UIDPLUS MOVE";

#[derive(Default)]
struct Basket {
    bodies: Vec<(u32, Vec<u8>)>,
    troubles: Vec<(u32, Fault)>,
    open: Vec<u8>,
}

impl Sink for Basket {
    fn open(&mut self, _: &RemoteId, _: u64) -> Result<Box<dyn Write + '_>, Fault> {
        self.open.clear();
        Ok(Box::new(&mut self.open))
    }

    fn done(&mut self, message: Fetched) -> Result<(), Fault> {
        let RemoteId::Uid(_, uid) = message.id else { panic!("no UID") };
        match message.trouble {
            None => self.bodies.push((uid.get(), std::mem::take(&mut self.open))),
            Some(fault) => self.troubles.push((uid.get(), fault)),
        }
        Ok(())
    }

    fn stop(&self) -> bool {
        false
    }
}

pub(crate) fn account(port: u16, tls: Tls) -> Account {
    let server = Server {
        host: "127.0.0.1".to_owned(),
        port,
        tls,
        user: "ada".to_owned(),
        auth: Auth::Auto,
        pin: None,
        ca: None,
        timeout: Duration::from_secs(20),
        compress: false,
        quirks: tern::config::quirk::Quirks::default(),
    };
    Account {
        id: AccountId::new("ada"),
        address: Address { name: String::new(), email: "ada@example.org".to_owned() },
        aliases: Vec::new(),
        maildir: "/nonexistent".into(),
        layout: Layout::Nested,
        imap: Some(server),
        pop3: None,
        submit: None,
        secret: SecretSource::Prompt,
        sync: SyncSettings { interval: None, ..SyncSettings::default() },
        folders: FolderMap::default(),
        signature: None,
        server_files_sent: false,
    }
}

fn imap(account: &Account) -> Imap {
    Imap::new(account, Arc::new(|| Ok(Secret::new("hunter2".to_owned()))))
}

/// What a client that never gets in is told, and what it had sent until then.
fn refused(tls: Tls, script: Vec<Step>) -> (Fault, Vec<String>) {
    let server = Scripted::play(script);
    let fault = imap(&account(server.port, tls)).connect().err().expect("nobody gets in");
    (fault, server.heard())
}

/// Plays `script` to a client that has signed in.
pub(crate) fn signed_in(capabilities: &str, script: Vec<Step>) -> (Box<dyn Remote>, Scripted) {
    let mut steps = vec![
        say(format!("* OK [CAPABILITY {capabilities}] ready\r\n")),
        hear("AUTHENTICATE PLAIN AGFkYQBodW50ZXIy"),
        reply(format!("%T OK [CAPABILITY {capabilities}] in\r\n")),
    ];
    steps.extend(script);
    let server = Scripted::play(steps);
    let remote = imap(&account(server.port, Tls::Plain)).connect().expect("it signs in");
    (remote, server)
}

/// A SELECT of so many messages, and what else follows.
fn selected(exists: u32, script: Vec<Step>) -> (Box<dyn Remote>, Scripted) {
    let mut steps = vec![hear("SELECT \"INBOX\""), select_reply(exists)];
    steps.extend(script);
    signed_in(CAPABILITIES, steps)
}

fn select_reply(exists: u32) -> Step {
    reply(format!("* {exists} EXISTS\r\n* OK [UIDVALIDITY 7] v\r\n* OK [UIDNEXT 100] n\r\n%T OK [READ-WRITE] ok\r\n"))
}

fn uids(numbers: &[u32]) -> Vec<Uid> {
    numbers.iter().map(|number| Uid::new(*number).unwrap()).collect()
}

fn inbox() -> MailboxName {
    MailboxName::inbox()
}

#[test]
fn only_a_plain_ok_is_a_greeting() {
    let table: [(&[u8], Cause); 6] = [
        (b"* PREAUTH [CAPABILITY IMAP4rev1] welcome\r\n", Cause::Protocol),
        (b"* BYE too busy\r\n", Cause::RefusedForNow),
        (b"220 mx.example.org ESMTP\r\n", Cause::Protocol),
        (b"a1 OK in\r\n", Cause::Protocol),
        (b"* 1 FETCH (UID 1)\r\n", Cause::Protocol),
        (b"\xff\xfe\x00\r\n", Cause::Protocol),
    ];
    for (greeting, cause) in table {
        for tls in [Tls::Plain, Tls::StartTls] {
            let (fault, heard) = refused(tls, vec![say(greeting)]);
            assert_eq!((fault.doing, fault.cause), (Doing::Connecting, cause), "{greeting:?}");
            assert!(heard.is_empty());
        }
    }
    let (fault, _) = refused(Tls::Plain, Vec::new());
    assert_eq!(fault.cause, Cause::Closed);
}

#[test]
fn starttls_is_obeyed_and_nothing_may_come_with_its_answer() {
    let (fault, heard) = refused(
        Tls::StartTls,
        vec![
            say("* OK ready\r\n"),
            hear("STARTTLS"),
            say("s1 OK go\r\n* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] injected\r\n"),
            Step::AwaitClose,
        ],
    );
    assert_eq!((fault.doing, fault.cause, fault.again), (Doing::Securing, Cause::Protocol, Again::AfterUser));
    assert_eq!(heard, ["s1 STARTTLS"]);
    let (fault, heard) = refused(
        Tls::StartTls,
        vec![say("* OK ready\r\n"), hear("STARTTLS"), say("s1 BAD what?\r\n"), Step::AwaitClose],
    );
    assert_eq!((fault.doing, fault.cause), (Doing::Securing, Cause::NotOffered));
    assert_eq!(heard, ["s1 STARTTLS"], "no credential in the clear");
}

#[test]
fn a_forbidden_login_is_not_tried() {
    let greeting = "* OK [CAPABILITY IMAP4rev1 LOGINDISABLED] ready\r\n";
    let (fault, heard) = refused(Tls::Plain, vec![say(greeting), Step::AwaitClose]);
    assert_eq!((fault.doing, fault.cause), (Doing::SigningIn, Cause::NotOffered));
    assert!(heard.is_empty());
}

#[test]
fn a_refused_token_says_why() {
    let server = Scripted::play(vec![
        say("* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN AUTH=XOAUTH2] ready\r\n"),
        hear("AUTHENTICATE XOAUTH2 "),
        say("+ eyJzdGF0dXMiOiI0MDAiLCJzY29wZSI6Imh0dHBzOi8vbWFpbC5nb29nbGUuY29tLyJ9\r\n"),
        Step::HearAnswer,
        reply("%T NO SASL authentication failed\r\n"),
    ]);
    let mut account = account(server.port, Tls::Plain);
    account.secret = SecretSource::TokenCommand(vec!["token".to_owned()]);
    let fault = imap(&account).connect().err().expect("it is refused");
    assert_eq!(fault.cause, Cause::SignInRefused);
    assert!(fault.detail.as_str().contains("the token is not valid or has expired"), "{fault}");
    assert_eq!(server.heard().last().map(String::as_str), Some(""), "an empty answer ends the exchange");
}

#[test]
fn a_full_server_is_not_a_wrong_password() {
    let (fault, _) = refused(
        Tls::Plain,
        vec![
            say(format!("* OK [CAPABILITY {CAPABILITIES}] ready\r\n")),
            hear("AUTHENTICATE"),
            reply("%T NO [UNAVAILABLE] Zu viele Verbindungen f\u{fc}r Sie \u{1b}[31m\r\n"),
        ],
    );
    assert_eq!((fault.cause, fault.again), (Cause::RefusedForNow, Again::Later));
    assert_eq!(fault.detail.as_str(), "Zu viele Verbindungen für Sie \u{241b}[31m");
}

#[test]
fn a_warning_at_select_is_no_end() {
    let (mut remote, _server) = signed_in(
        CAPABILITIES,
        vec![
            hear("SELECT"),
            say("* NO [ALERT] Speicher fast voll: 98 \u{25}\r\n* FLAGS (\\Seen)\r\n* XODD ((((\r\n"),
            select_reply(0),
        ],
    );
    let changes = remote.changes(&inbox(), &Since::default()).unwrap();
    assert_eq!(changes.presence, Presence::Exactly(Vec::new()));
    let alerts = remote.alerts();
    assert_eq!(alerts.iter().map(AsRef::as_ref).collect::<Vec<&str>>(), ["Speicher fast voll: 98 %"]);
    assert!(remote.alerts().is_empty(), "told once");
}

#[test]
fn a_lost_connection_is_never_an_empty_mailbox() {
    let cuts: [Vec<Step>; 5] = [
        vec![hear("SELECT")],
        vec![hear("SELECT"), say("* 3 EXISTS\r\n* OK [UIDVALIDITY 7] v\r\n")],
        vec![hear("SELECT"), select_reply(3), hear("UID FETCH 1:*")],
        vec![hear("SELECT"), select_reply(3), hear("UID FETCH 1:*"), say("* 1 FETCH (UID 1 FLAGS ())\r\n")],
        vec![
            hear("SELECT"),
            select_reply(3),
            hear("UID FETCH 1:*"),
            say("* 1 FETCH (UID 1 FLAGS ())\r\n* BYE sorry\r\n"),
        ],
    ];
    for cut in cuts {
        let (mut remote, server) = signed_in(CAPABILITIES, cut);
        let fault = remote.changes(&inbox(), &Since::default()).unwrap_err();
        assert_eq!(fault.cause, Cause::Closed);
        server.heard();
        assert_eq!(remote.mailboxes().unwrap_err().cause, Cause::Closed, "a broken session says no more");
    }
}

#[test]
fn a_short_listing_proves_nothing_gone() {
    let listing = |lines: &str| {
        let (mut remote, _server) =
            selected(3, vec![hear("UID FETCH 1:* (UID FLAGS)"), reply(format!("{lines}%T OK done\r\n"))]);
        let changes = remote.changes(&inbox(), &Since::default()).unwrap();
        (changes.items.iter().map(|item| item.uid.get()).collect::<Vec<_>>(), changes.presence)
    };
    let line = |number: u32| format!("* {number} FETCH (UID {number} FLAGS (\\Seen))\r\n");
    assert_eq!(listing(&(line(1) + &line(2))), (vec![1, 2], Presence::Unknown));
    assert_eq!(listing(&(line(1) + &line(1) + &line(2))), (vec![1, 2], Presence::Unknown));
    assert_eq!(listing(&(line(1) + "* 2 FETCH (UID 2 FLAGS\r\n" + &line(3))), (vec![1, 3], Presence::Unknown));
    assert_eq!(listing(&(line(1) + "* 2 FETCH (FLAGS () UID 0)\r\n" + &line(3))), (vec![1, 3], Presence::Unknown));
    assert_eq!(listing(""), (vec![], Presence::Unknown));
    assert_eq!(listing(&(line(1) + "* 2 EXPUNGE\r\n" + &line(3))), (vec![1, 3], Presence::Exactly(uids(&[1, 3]))));
    assert_eq!(listing(&(line(3) + &line(2) + &line(1))), (vec![1, 2, 3], Presence::Exactly(uids(&[1, 2, 3]))));
}

#[test]
fn a_change_that_makes_no_sense_is_asked_for_again() {
    let steps = |fetch: &str, search: &str| {
        let select =
            "* 2 EXISTS\r\n* OK [UIDVALIDITY 7] v\r\n* OK [UIDNEXT 100] n\r\n* OK [HIGHESTMODSEQ 20] m\r\n%T OK ok\r\n";
        let (mut remote, _server) = signed_in(
            "IMAP4rev1 SASL-IR AUTH=PLAIN CONDSTORE ESEARCH",
            vec![
                hear("SELECT \"INBOX\" (CONDSTORE)"),
                reply(select),
                hear("UID FETCH 1:* (UID FLAGS) (CHANGEDSINCE 10)"),
                reply(format!("{fetch}%T OK done\r\n")),
                hear("UID SEARCH RETURN (ALL) ALL"),
                reply(format!("{search}%T OK done\r\n")),
            ],
        );
        let since = Since { validity: UidValidity::new(7), modseq: ModSeq::new(10), uid_next: Uid::new(100), count: 2 };
        let changes = remote.changes(&inbox(), &since).unwrap();
        (changes.modseq.map(ModSeq::get), changes.presence)
    };
    let both = Presence::Exactly(uids(&[4, 9]));
    assert_eq!(
        steps("* 1 FETCH (UID 4 FLAGS () MODSEQ (20))\r\n", "* ESEARCH (TAG \"x\") UID ALL 4,9\r\n"),
        (Some(20), both.clone())
    );
    assert_eq!(steps("* 1 FETCH (UID 4 FLAGS (\r\n", "* SEARCH 4 9\r\n"), (Some(10), both));
    assert_eq!(steps("", "* ESEARCH (TAG \"x\") UID ALL 1:4294967295\r\n"), (Some(20), Presence::Unknown));
    assert_eq!(steps("", "* ESEARCH (TAG \"x\") UID ALL 4,x\r\n"), (Some(20), Presence::Unknown));
    assert_eq!(steps("", "* ESEARCH (TAG \"x\") UID\r\n"), (Some(20), Presence::Unknown));
    assert_eq!(steps("", ""), (Some(20), Presence::Unknown));
}

#[test]
fn what_a_server_offers_and_does_not_understand_is_done_without() {
    let (mut remote, server) = signed_in(
        "IMAP4rev1 SASL-IR AUTH=PLAIN CONDSTORE LIST-EXTENDED SPECIAL-USE",
        vec![
            hear("LIST \"\" \"*\" RETURN (SPECIAL-USE SUBSCRIBED)"),
            reply("%T BAD what is RETURN?\r\n"),
            hear("LIST \"\" \"*\""),
            reply("* LIST () \"/\" INBOX\r\n%T OK done\r\n"),
            hear("LSUB \"\" \"*\""),
            reply("%T NO what is LSUB?\r\n"),
            hear("STATUS \"INBOX\" (MESSAGES UIDNEXT UIDVALIDITY HIGHESTMODSEQ)"),
            reply("* STATUS INBOX (MESSAGES 3 UIDVALIDITY 7)\r\n%T OK done\r\n"),
            hear("SELECT \"INBOX\" (CONDSTORE)"),
            reply("%T BAD what is CONDSTORE?\r\n"),
            hear("SELECT \"INBOX\""),
            select_reply(0),
            hear("SELECT \"INBOX\""),
            select_reply(0),
        ],
    );
    assert_eq!(remote.mailboxes().unwrap().len(), 1);
    let since = Since { validity: None, modseq: None, uid_next: None, count: 0 };
    for _ in 0..2 {
        assert_eq!(remote.changes(&inbox(), &since).unwrap().presence, Presence::Exactly(Vec::new()));
    }
    let heard = server.heard();
    assert_eq!(heard.iter().filter(|line| line.contains("CONDSTORE")).count(), 1, "{heard:?}");
}

#[test]
fn one_bad_message_is_told_and_the_rest_goes_on() {
    let depth = "(".repeat(2000);
    let (mut remote, server) = selected(
        5,
        vec![
            hear("UID FETCH 1:5 (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])"),
            say("* 1 FETCH (UID 1 RFC822.SIZE 3 BODY[] {3}\r\none)\r\n"),
            say(format!("* 2 FETCH (UID 2 BODYSTRUCTURE {depth} BODY[] {{3}}\r\ntwo)\r\n")),
            say("* 3 FETCH (RFC822.SIZE 5 BODY[] {5}\r\nthree UID 3 FLAGS ())\r\n"),
            say("* 4 FETCH (UID 4 RFC822.SIZE 9 BODY[] NIL)\r\n"),
            say("* OK still here\r\n* 5 FETCH (UID 5 X-OTHER {4}\r\n(\"x( BODY[] \"fi\\\"ve\")\r\n"),
            reply("%T OK done\r\n"),
            hear("UID FETCH 2 "),
            reply("* 2 FETCH (UID 2 BODY[] {3}\r\ntwo)\r\n%T OK done\r\n"),
            hear("UID FETCH 4 "),
            reply("%T NO [SERVERBUG] kaputt\r\n"),
        ],
    );
    let mut basket = Basket::default();
    remote.fetch(&inbox(), &uids(&[5, 4, 3, 2, 1]), Want::Whole, &mut basket).unwrap();
    let body = |uid: u32, text: &str| (uid, text.as_bytes().to_vec());
    assert_eq!(basket.bodies, [body(1, "one"), body(3, "three"), body(5, "fi\"ve"), body(2, "two")]);
    let [(4, fault)] = basket.troubles.as_slice() else { panic!("{:?}", basket.troubles) };
    assert_eq!((fault.scope, fault.detail.as_str()), (Scope::Message, "kaputt"));
    server.heard();
}

#[test]
fn a_message_cut_off_is_not_delivered() {
    let cuts = [
        "* 1 FETCH (UID 1 RFC822.SIZE 300 BODY[] {300}\r\nonly the beginning",
        "* 1 FETCH (UID 1 RFC822.SIZE 3 BODY[] {3}\r\none",
        "* 1 FETCH (UID 1 RFC822.SIZE 3 BODY[] {3}\r\none)",
    ];
    for cut in cuts {
        let (mut remote, _server) = selected(1, vec![hear("UID FETCH 1 "), say(cut)]);
        let mut basket = Basket::default();
        let fault = remote.fetch(&inbox(), &uids(&[1]), Want::Whole, &mut basket).unwrap_err();
        assert_eq!((fault.doing, fault.cause), (Doing::Fetching, Cause::Closed), "{cut}");
        assert!(basket.bodies.is_empty() && basket.troubles.is_empty(), "{cut}");
    }
}

#[test]
fn limits_end_the_connection() {
    let flood: [(Vec<Step>, &str); 4] = [
        (vec![Step::Repeat(vec![b'x'; 65_536], 1000)], "a line that is too long"),
        (vec![Step::Repeat(b"* 1 EXISTS\r\n".to_vec(), 1_000_000)], "too many responses"),
        (vec![say("* 1 FETCH (FLAGS {4294967296}\r\n")], "a literal that is too long"),
        (vec![Step::Repeat([b"* OK ".as_slice(), &[b'x'; 60_000], b"\r\n"].concat(), 1000)], "too much"),
    ];
    for (steps, expected) in flood {
        let mut script = vec![hear("SELECT")];
        script.extend(steps);
        script.push(Step::AwaitClose);
        let (mut remote, server) = signed_in(CAPABILITIES, script);
        let fault = remote.changes(&inbox(), &Since::default()).unwrap_err();
        assert_eq!(fault.cause, Cause::Protocol);
        assert!(fault.detail.as_str().contains(expected), "{fault}");
        drop(remote);
        server.heard();
    }
}

#[test]
fn a_message_of_4_gib_is_the_fault_of_that_message() {
    let (mut remote, server) = selected(
        2,
        vec![
            hear("UID FETCH 1:2 "),
            say("* 1 FETCH (UID 1 RFC822.SIZE 4294967296 BODY[] {4294967296}\r\nxxxx"),
            Step::AwaitClose,
        ],
    );
    let mut basket = Basket::default();
    let fault = remote.fetch(&inbox(), &uids(&[2, 1]), Want::Whole, &mut basket).unwrap_err();
    assert_eq!(fault.cause, Cause::Protocol);
    assert_eq!(basket.troubles.iter().map(|(uid, _)| *uid).collect::<Vec<_>>(), [1]);
    drop(remote);
    server.heard();
}

#[test]
fn what_comes_before_leave_is_given_is_held_back() {
    let (mut remote, server) = signed_in(
        CAPABILITIES,
        vec![
            hear("APPEND \"INBOX\" (\\Seen) {5}"),
            say("* 7 EXISTS\r\n* NO quota is near\r\n+ go on\r\n"),
            Step::Take(5),
            reply("* 8 EXISTS\r\n%T OK [APPENDUID 7 42] done\r\n"),
            hear("SELECT"),
            select_reply(0),
            hear("IDLE"),
            say("* OK it is late\r\n* 9 EXISTS\r\n+ idling\r\n"),
            hear("DONE"),
            Step::ReplyTo(" IDLE", b"* 10 EXISTS\r\n%T OK idled\r\n".to_vec()),
            hear("IDLE"),
            reply("%T NO not today\r\n"),
        ],
    );
    let flags = Flags::from_imap(["\\Seen"]);
    let pushed = remote.push(&inbox(), &Push::Append { bytes: b"a\r\nb\n", flags: &flags, date: None }).unwrap();
    assert_eq!(pushed, Pushed::Appended(UidValidity::new(7).zip(Uid::new(42))));
    assert_eq!(remote.wait(&inbox(), Duration::from_mins(1)).unwrap(), Waited::Changed);
    let fault = remote.wait(&inbox(), Duration::from_mins(1)).unwrap_err();
    assert_eq!(fault.detail.as_str(), "the server does not idle: not today");
    server.heard();
}

#[test]
fn a_refused_append_makes_the_mailbox_and_tries_once_more() {
    let no = || reply("%T NO [TRYCREATE] none\r\n");
    let (mut remote, server) = signed_in(
        CAPABILITIES,
        vec![
            hear("LIST"),
            reply("* LIST () \".\" INBOX\r\n%T OK\r\n"),
            hear("APPEND \"A.B\" () {1}"),
            no(),
            hear("CREATE \"A.B\""),
            reply("%T OK made\r\n"),
            hear("APPEND \"A.B\" () {1}"),
            no(),
            hear("LOGOUT"),
            reply("* BYE\r\n%T OK bye\r\n"),
        ],
    );
    let name = MailboxName::new("A/B").unwrap();
    let append = Push::Append { bytes: b"x", flags: &Flags::none(), date: None };
    let fault = remote.push(&name, &append).unwrap_err();
    assert_eq!((fault.cause, fault.scope), (Cause::Missing, Scope::Mailbox));
    remote.close();
    server.heard();
}

#[test]
fn a_message_that_the_server_does_not_take_is_not_in_the_way_of_others() {
    let append = |answer: &'static str| [hear("APPEND \"INBOX\" () {1}"), reply(answer)];
    let script = [
        append("%T BAD Command Argument Error. 11\r\n"),
        append("%T NO [OVERQUOTA] the mailbox is full\r\n"),
        append("%T OK [APPENDUID 7 5] done\r\n"),
    ];
    let (mut remote, server) = signed_in(CAPABILITIES, script.concat());
    let append = Push::Append { bytes: b"x", flags: &Flags::none(), date: None };
    let bad = remote.push(&inbox(), &append).unwrap_err();
    assert_eq!((bad.cause, bad.scope), (Cause::Refused, Scope::Message));
    assert_eq!(bad.detail.as_str(), "the server does not understand: Command Argument Error. 11");
    let full = remote.push(&inbox(), &append).unwrap_err();
    assert_eq!((full.cause, full.scope, full.again), (Cause::Refused, Scope::Mailbox, Again::AfterUser));
    assert!(matches!(remote.push(&inbox(), &append).unwrap(), Pushed::Appended(Some(_))));
    server.heard();
}

#[test]
fn renumbered_messages_are_compared_before_they_are_touched() {
    let (mut remote, server) = signed_in(
        CAPABILITIES,
        vec![
            hear("SELECT \"INBOX\""),
            select_reply(0),
            hear("LIST"),
            reply("* LIST () NIL Other\r\n* LIST () NIL INBOX\r\n%T OK\r\n"),
            hear("SELECT \"Other\""),
            select_reply(0),
            hear("SELECT \"INBOX\""),
            reply("* 9 EXISTS\r\n* OK [UIDVALIDITY 8] new\r\n%T OK ok\r\n"),
            Step::AwaitClose,
        ],
    );
    remote.changes(&inbox(), &Since::default()).unwrap();
    remote.changes(&MailboxName::new("Other").unwrap(), &Since::default()).unwrap();
    let fault = remote.push(&inbox(), &Push::Expunge { uids: &uids(&[1]) }).unwrap_err();
    assert_eq!((fault.scope, fault.again), (Scope::Mailbox, Again::Now));
    drop(remote);
    server.heard();
}

#[test]
fn an_answer_to_another_question_is_none() {
    for line in ["a99 OK done\r\n", "+ go on\r\n", "OK\r\n", "\r\n"] {
        let (mut remote, _server) = signed_in(CAPABILITIES, vec![hear("LIST"), say(line), Step::AwaitClose]);
        assert_eq!(remote.mailboxes().unwrap_err().cause, Cause::Protocol, "{line:?}");
    }
    let (mut remote, _server) =
        signed_in(CAPABILITIES, vec![hear("LIST"), reply("%T OK but none\r\n"), hear("LSUB"), reply("%T OK\r\n")]);
    assert_eq!(remote.mailboxes().unwrap_err().cause, Cause::Protocol, "a list without the INBOX is no list");
}
