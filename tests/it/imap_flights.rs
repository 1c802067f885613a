//! How few round trips IMAP needs, and that what saves them is never believed too easily.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tern::config::{Account, Tls};
use tern::fault::{Again, Cause, Scope};
use tern::login::Secret;
use tern::mail::flags::Flags;
use tern::mail::ids::{ModSeq, Uid, UidValidity};
use tern::mail::mailbox::MailboxName;
use tern::mail::ranges::UidRanges;
use tern::remote::imap::Imap;
use tern::remote::{Connect as _, Presence, Push, Pushed, Remote, RemoteChanges, Since, Standing, Waited, Want};

use crate::imap::Basket;
use crate::imap_faults::signed_in;
use crate::servers::dovecot::{Dovecot, PASSWORD};
use crate::support::scripted::{Scripted, Step, hear, reply, say};
use crate::support::turnstile::Turnstile;

/// What the scripted server can do.
pub(crate) const FAST: &str = "IMAP4rev1 SASL-IR AUTH=PLAIN ENABLE CONDSTORE QRESYNC ESEARCH UIDPLUS MOVE";

pub(crate) fn uid(number: u32) -> Uid {
    Uid::new(number).unwrap()
}

pub(crate) fn mailbox(name: &str) -> MailboxName {
    MailboxName::new(name).unwrap()
}

pub(crate) fn message(subject: &str) -> Vec<u8> {
    format!("From: a@example.org\nSubject: {subject}\nMessage-ID: <{subject}@example.org>\n\nhello\n").into_bytes()
}

fn ranges(of: &[(u32, u32)]) -> UidRanges {
    UidRanges::new(of.iter().map(|(first, last)| (uid(*first), uid(*last))))
}

pub(crate) fn items(changes: &RemoteChanges) -> Vec<u32> {
    changes.items.iter().map(|item| item.uid.get()).collect()
}

/// What is agreed on after these changes.
pub(crate) fn since(changes: &RemoteChanges, count: u32) -> Since {
    Since { validity: Some(changes.validity), modseq: changes.modseq, uid_next: changes.uid_next, count }
}

/// Signs in through a turnstile.
pub(crate) fn counted(dovecot: &Dovecot) -> (Box<dyn Remote>, Turnstile) {
    let turnstile = Turnstile::before(dovecot.imap);
    let mut account: Account = dovecot.account("ada", Tls::Plain, Path::new("/nonexistent"));
    let server = account.imap.as_mut().unwrap();
    server.port = turnstile.port;
    "127.0.0.1".clone_into(&mut server.host);
    let mut remote = Imap::new(&account, Arc::new(|| Ok(Secret::new(PASSWORD.to_owned())))).connect().unwrap();
    // The introduction (ID) is on its way; an answer to what comes behind it shows that it has passed.
    remote.subscribe(&inbox(), false).unwrap();
    turnstile.count();
    (remote, turnstile)
}

/// Twelve mailboxes with two messages each, and what is agreed on of each.
fn twelve(dovecot: &Dovecot) -> Vec<(MailboxName, Since)> {
    for number in 0..12 {
        for message in [message("one"), message("two")] {
            dovecot.deliver("ada", &format!("Lists/l{number:02}"), &message);
        }
    }
    let (mut remote, _) = counted(dovecot);
    let all = remote.mailboxes().unwrap();
    let lists = all.into_iter().filter(|one| one.selectable && one.name.as_str().starts_with("Lists/"));
    lists.map(|one| (one.name.clone(), since(&remote.changes(&one.name, &Since::default()).unwrap(), 2))).collect()
}

#[test]
fn a_run_without_changes_is_two_round_trips() {
    let dovecot = Dovecot::start();
    let agreed = twelve(&dovecot);
    let (mut remote, turnstile) = counted(&dovecot);
    let listed = remote.mailboxes().unwrap();
    let (flights, said) = turnstile.count();
    assert_eq!(flights, 1, "{said}");
    for (name, since) in &agreed {
        let one = listed.iter().find(|one| one.name == *name).unwrap();
        let standing =
            Standing { validity: since.validity.unwrap(), uid_next: since.uid_next, messages: 2, modseq: since.modseq };
        assert_eq!(one.standing, Some(standing), "{name}");
        assert_eq!(one.subscribed, Some(false));
    }
    remote.close();
    assert_eq!(turnstile.count().0, 1);
}

#[test]
fn without_list_status_there_are_three() {
    let poor = "protocol imap {\n imap_capability = IMAP4rev1 SASL-IR NAMESPACE CONDSTORE\n}\n";
    let dovecot = Dovecot::start_with(poor);
    let agreed = twelve(&dovecot);
    let (mut remote, turnstile) = counted(&dovecot);
    remote.subscribe(&agreed[3].0, true).unwrap();
    turnstile.count();
    let listed = remote.mailboxes().unwrap();
    assert_eq!(turnstile.count().0, 2);
    let standings = listed.iter().filter(|one| one.selectable && one.standing.is_some()).count();
    assert_eq!(standings, 18);
    let subscribed: Vec<_> = listed.iter().filter(|one| one.subscribed == Some(true)).map(|one| &one.name).collect();
    assert_eq!(subscribed, [&agreed[3].0]);
    // The server tells of the mailbox that is selected what it told when it was selected: not asked.
    remote.changes(&agreed[0].0, &Since::default()).unwrap();
    let listed = remote.mailboxes().unwrap();
    assert!(listed.iter().find(|one| one.name == agreed[0].0).unwrap().standing.is_none());
}

#[test]
fn the_mailbox_that_was_selected_is_left_before_it_is_listed() {
    let dovecot = Dovecot::start();
    dovecot.deliver("ada", "INBOX", &message("one"));
    let (mut remote, turnstile) = counted(&dovecot);
    remote.changes(&MailboxName::inbox(), &Since::default()).unwrap();
    turnstile.count();
    dovecot.deliver("ada", "INBOX", &message("two"));
    let listed = remote.mailboxes().unwrap();
    let (flights, said) = turnstile.count();
    assert!(flights == 1 && said.contains("UNSELECT") && !said.contains("CLOSE"), "{said}");
    let inbox = listed.iter().find(|one| one.name.is_inbox()).unwrap();
    assert_eq!(inbox.standing.unwrap().messages, 2);
}

#[test]
fn what_changed_in_many_mailboxes_is_asked_in_one_flight() {
    let dovecot = Dovecot::start();
    let mut agreed = twelve(&dovecot);
    dovecot.doveadm(&["flags", "add", "-u", "ada", "\\Flagged", "mailbox", "Lists/l00", "uid", "2"]);
    dovecot.doveadm(&["expunge", "-u", "ada", "mailbox", "Lists/l01", "uid", "1"]);
    dovecot.deliver("ada", "Lists/l02", &message("three"));
    dovecot.doveadm(&["expunge", "-u", "ada", "mailbox", "Lists/l03", "all"]);
    agreed.insert(5, (mailbox("Lists/none"), Since { count: 0, ..agreed[0].1 }));
    let (mut remote, turnstile) = counted(&dovecot);
    remote.mailboxes().unwrap();
    turnstile.count();
    let told = remote.changes_of(&agreed).unwrap();
    let (flights, said) = turnstile.count();
    // One flight, and a look whether the mailbox that was refused is there.
    let selects = said.lines().take_while(|line| line.contains("SELECT")).count();
    assert_eq!((flights, selects, said.lines().count()), (2, 13, 14), "{said}");
    let told: Vec<_> = told.into_iter().map(|one| one.map(|c| (items(&c), c.presence, c.uid_next))).collect();
    let none = Presence::Except(UidRanges::none());
    let gone = |uids: &[(u32, u32)]| Presence::Except(ranges(uids));
    assert_eq!(told[0], Ok((vec![2], none.clone(), Some(uid(3)))));
    assert_eq!(told[1], Ok((vec![], gone(&[(1, 1)]), Some(uid(3)))));
    assert_eq!(told[2], Ok((vec![3], none.clone(), Some(uid(4)))));
    assert_eq!(told[3], Ok((vec![], Presence::Exactly(vec![]), Some(uid(3)))));
    assert!(told[4] == Ok((vec![], none.clone(), Some(uid(3)))) && told[12] == told[4]);
    let fault = told[5].as_ref().unwrap_err();
    assert_eq!((fault.cause, fault.scope), (Cause::Missing, Scope::Mailbox));

    // The session knows where it is: the change goes to the mailbox that it is meant for.
    let seen = Flags::from_imap(["\\Seen"]);
    let push = Push::Flags { uids: &[uid(1)], add: &seen, remove: &Flags::none() };
    for name in ["Lists/l11", "Lists/l10"] {
        assert_eq!(remote.push(&mailbox(name), &push).unwrap(), Pushed::Done);
        assert_eq!(dovecot.flags("ada", name)[0], (1, "\\Seen".to_owned()));
    }
}

#[test]
fn mailboxes_that_were_never_compared_are_listed_in_one_flight() {
    let dovecot = Dovecot::start();
    let mut never: Vec<_> = twelve(&dovecot).into_iter().take(7).map(|(name, _)| (name, Since::default())).collect();
    dovecot.doveadm(&["expunge", "-u", "ada", "mailbox", "Lists/l03", "all"]);
    never.insert(2, (mailbox("Lists/none"), Since::default()));
    let (mut remote, turnstile) = counted(&dovecot);
    remote.mailboxes().unwrap();
    turnstile.count();
    let told = remote.changes_of(&never).unwrap();
    let (flights, said) = turnstile.count();
    // One flight, and a look whether the mailbox that was refused is there.
    assert_eq!((flights, said.lines().count()), (2, 17), "{said}");
    let told: Vec<_> = told.into_iter().map(|one| one.map(|c| (items(&c), c.presence, c.uid_next))).collect();
    for (place, told) in told.iter().enumerate() {
        match place {
            2 => {
                let fault = told.as_ref().unwrap_err();
                assert_eq!((fault.cause, fault.scope), (Cause::Missing, Scope::Mailbox));
            }
            4 => assert_eq!(*told, Ok((vec![], Presence::Exactly(vec![]), Some(uid(3))))),
            _ => assert_eq!(*told, Ok((vec![1, 2], Presence::Exactly(vec![uid(1), uid(2)]), Some(uid(3))))),
        }
    }
}

#[test]
fn condstore_alone_takes_two_round_trips_where_something_changed() {
    let poor = "protocol imap {\n imap_capability = IMAP4rev1 SASL-IR CONDSTORE ESEARCH\n}\n";
    let dovecot = Dovecot::start_with(poor);
    let agreed = twelve(&dovecot);
    dovecot.doveadm(&["expunge", "-u", "ada", "mailbox", "Lists/l01", "uid", "1"]);
    let (mut remote, turnstile) = counted(&dovecot);
    remote.mailboxes().unwrap();
    turnstile.count();
    let changes = remote.changes(&agreed[1].0, &agreed[1].1).unwrap();
    assert_eq!((changes.presence, turnstile.count().0), (Presence::Exactly(vec![uid(2)]), 2));
    assert_eq!(remote.changes(&agreed[2].0, &agreed[2].1).unwrap().presence, Presence::Except(UidRanges::none()));
    assert_eq!(turnstile.count().0, 1);
}

pub(crate) fn inbox() -> MailboxName {
    MailboxName::inbox()
}

/// Five messages below UID 100 were agreed on.
pub(crate) fn five() -> Since {
    Since { validity: UidValidity::new(7), modseq: ModSeq::new(10), uid_next: Uid::new(100), count: 5 }
}

/// The answer to a SELECT, with `more` in it.
pub(crate) fn opened(exists: u32, next: u32, modseq: u64, more: &str) -> Step {
    reply(format!(
        "* {exists} EXISTS\r\n* OK [UIDVALIDITY 7] v\r\n* OK [UIDNEXT {next}] n\r\n* OK [HIGHESTMODSEQ {modseq}] m\r\n\
         {more}%T OK [READ-WRITE] ok\r\n"
    ))
}

pub(crate) fn enabled() -> [Step; 2] {
    [hear("ENABLE QRESYNC"), reply("* ENABLED QRESYNC\r\n%T OK enabled\r\n")]
}

fn resynced(answer: Step, then: Vec<Step>) -> (Box<dyn Remote>, Scripted) {
    let mut script = enabled().to_vec();
    script.extend([hear("SELECT \"INBOX\" (QRESYNC (7 10))"), answer]);
    script.extend(then);
    signed_in(FAST, script)
}

#[test]
fn what_vanished_stays_ranges_however_huge() {
    let (mut remote, server) =
        resynced(opened(1, 4_000_000_000, 20, "* VANISHED (EARLIER) 1:3,5:3999999999\r\n"), Vec::new());
    let changes = remote.changes(&inbox(), &five()).unwrap();
    assert_eq!(changes.presence, Presence::Except(ranges(&[(1, 3), (5, 3_999_999_999)])));
    assert_eq!(changes.modseq, ModSeq::new(20));
    server.heard();
}

/// What is asked where an answer is not believed: flags since then, and which of the five there are.
pub(crate) fn longer() -> Vec<Step> {
    vec![
        hear("UID FETCH 1:* (UID FLAGS) (CHANGEDSINCE 10)"),
        reply("%T OK done\r\n"),
        hear("UID SEARCH RETURN (ALL) ALL"),
        reply("* ESEARCH (TAG \"x\") UID ALL 1:5\r\n%T OK done\r\n"),
    ]
}

#[test]
fn what_does_not_add_up_is_asked_for_the_longer_way() {
    for lie in [
        "* VANISHED (EARLIER) 1:4294967295\r\n",
        "* VANISHED (EARLIER) 1:x\r\n",
        "* VANISHED (EARLIER) 0\r\n",
        "* VANISHED (EARLIER) 3\r\n* 3 FETCH (UID 3 FLAGS ())\r\n",
        "* 3 FETCH (UID 100 FLAGS () MODSEQ (12))\r\n",
        "* 3 FETCH (UID 3 FLAGS (\r\n",
    ] {
        let (mut remote, server) = resynced(opened(5, 100, 20, lie), longer());
        let changes = remote.changes(&inbox(), &five()).unwrap();
        assert_eq!(changes.presence, Presence::Exactly((1..=5).map(uid).collect()), "{lie}");
        server.heard();
    }
}

#[test]
fn another_epoch_or_an_older_sequence_is_compared_in_full() {
    let other = reply(
        "* 1 EXISTS\r\n* OK [UIDVALIDITY 8] v\r\n* OK [UIDNEXT 9] n\r\n* OK [HIGHESTMODSEQ 20] m\r\n\
         * VANISHED (EARLIER) 1:5\r\n%T OK ok\r\n",
    );
    let none = reply(
        "* 1 EXISTS\r\n* OK [UIDVALIDITY 7] v\r\n* OK [UIDNEXT 9] n\r\n* OK [NOMODSEQ] m\r\n\
         * VANISHED (EARLIER) 1:5\r\n%T OK ok\r\n",
    );
    for answer in [other, none, opened(1, 9, 4, "* VANISHED (EARLIER) 1:5\r\n")] {
        let full = vec![hear("UID FETCH 1:* (UID FLAGS)\r\n"), reply("* 1 FETCH (UID 4 FLAGS ())\r\n%T OK done\r\n")];
        let (mut remote, server) = resynced(answer, full);
        let changes = remote.changes(&inbox(), &five()).unwrap();
        assert_eq!((items(&changes), changes.presence), (vec![4], Presence::Exactly(vec![uid(4)])));
        server.heard();
    }
}

#[test]
fn who_offers_qresync_and_cannot_is_asked_without() {
    // ENABLE fails, so the parameter does.
    let (mut remote, server) = signed_in(
        FAST,
        vec![
            hear("ENABLE QRESYNC"),
            reply("%T BAD what is ENABLE?\r\n"),
            hear("SELECT \"INBOX\" (QRESYNC (7 10))"),
            reply("%T BAD not enabled\r\n"),
            hear("SELECT \"INBOX\" (CONDSTORE)"),
            opened(5, 100, 10, ""),
            hear("SELECT \"INBOX\" (CONDSTORE)"),
            opened(5, 100, 10, ""),
        ],
    );
    for _ in 0..2 {
        assert_eq!(remote.changes(&inbox(), &five()).unwrap().presence, Presence::Except(UidRanges::none()));
    }
    server.heard();
    // ENABLE says OK and enables nothing; then VANISHED means nothing.
    let (mut remote, server) = signed_in(
        FAST,
        vec![
            hear("ENABLE QRESYNC"),
            reply("* ENABLED\r\n%T OK nothing\r\n"),
            hear("SELECT \"INBOX\" (QRESYNC (7 10))"),
            opened(4, 100, 12, "* VANISHED (EARLIER) 9\r\n"),
            hear("UID FETCH 1:* (UID FLAGS) (CHANGEDSINCE 10)"),
            reply("%T OK done\r\n"),
            hear("UID SEARCH"),
            reply("* ESEARCH UID ALL 1:4\r\n%T OK done\r\n"),
        ],
    );
    let changes = remote.changes(&inbox(), &five()).unwrap();
    assert_eq!(changes.presence, Presence::Exactly((1..=4).map(uid).collect()));
    server.heard();
}

/// Three mailboxes are asked in one flight.
fn three(script: Vec<Step>) -> (Vec<Result<RemoteChanges, tern::fault::Fault>>, Vec<String>) {
    let mut steps = vec![
        hear("ENABLE"),
        reply("* ENABLED QRESYNC\r\n%T OK\r\n"),
        hear("LIST"),
        reply("* LIST () \"/\" INBOX\r\n* LIST () \"/\" a\r\n* LIST () \"/\" b\r\n%T OK\r\n"),
        hear("SELECT \"INBOX\" (Q"),
        hear("SELECT \"a\" (Q"),
        hear("SELECT \"b\" (QRESYNC (7 10))"),
    ];
    steps.extend(script);
    let (mut remote, server) = signed_in(FAST, steps);
    let told = remote.changes_of(&["INBOX", "a", "b"].map(|name| (mailbox(name), five()))).unwrap();
    drop(remote);
    (told, server.heard())
}

const STANDS: &str = "* 5 EXISTS\r\n* OK [UIDVALIDITY 7] v\r\n* OK [UIDNEXT 100] n\r\n* OK [HIGHESTMODSEQ 20] m\r\n";

fn to(end: &'static str, more: &str) -> Step {
    Step::ReplyTo(end, format!("{STANDS}{more}%T OK [READ-WRITE] ok\r\n").into_bytes())
}

#[test]
fn what_is_said_before_closed_belongs_to_the_mailbox_before() {
    let (told, _) = three(vec![
        to("\"INBOX\" (QRESYNC (7 10))", "* 3 FETCH (UID 3 FLAGS (\\Seen))\r\n"),
        say(
            "* 1 EXPUNGE\r\n* 2 FETCH (UID 2 FLAGS (\\Flagged))\r\n* VANISHED (EARLIER) 50:60\r\n* OK [CLOSED] bye\r\n",
        ),
        to("\"a\" (QRESYNC (7 10))", "* 4 FETCH (UID 4 FLAGS ())\r\n"),
        say("* VANISHED 4\r\n* OK [CLOSED] bye\r\n"),
        Step::ReplyTo("\"b\" (QRESYNC (7 10))", b"%T NO [NOPERM] not yours\r\n".to_vec()),
    ]);
    let none = Presence::Except(UidRanges::none());
    let [Ok(inbox), Ok(a), Err(b)] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!((items(inbox), &inbox.presence), (vec![3], &none));
    assert_eq!((items(a), &a.presence), (vec![4], &none));
    assert_eq!((b.cause, b.scope, b.detail.as_str()), (Cause::Permission, Scope::Mailbox, "not yours"));
}

#[test]
fn what_is_answered_out_of_turn_is_asked_again_one_by_one() {
    let (told, heard) = three(vec![
        to("\"INBOX\" (QRESYNC (7 10))", ""),
        to("\"b\" (QRESYNC (7 10))", "* VANISHED (EARLIER) 1:5\r\n"),
        to("\"a\" (QRESYNC (7 10))", "* 3 FETCH (UID 3 FLAGS ())\r\n"),
        hear("SELECT \"a\" (QRESYNC"),
        reply(format!("{STANDS}%T OK\r\n")),
        hear("SELECT \"b\" (QRESYNC"),
        reply(format!("{STANDS}%T OK\r\n")),
    ]);
    let none = Presence::Except(UidRanges::none());
    assert!(told.iter().all(|one| one.as_ref().is_ok_and(|c| c.items.is_empty() && c.presence == none)), "{told:?}");
    assert_eq!(heard.len(), 8, "{heard:?}");
}

#[test]
fn what_moves_while_many_are_listed_is_asked_again_by_itself() {
    let both = |lines: &str| reply(format!("{lines}%T OK done\r\n"));
    let (mut remote, server) = signed_in(
        "IMAP4rev1 SASL-IR AUTH=PLAIN",
        vec![
            hear("LIST"),
            reply("* LIST () \"/\" a\r\n* LIST () \"/\" b\r\n%T OK\r\n"),
            hear("SELECT \"a\""),
            opened(2, 100, 1, ""),
            hear("UID FETCH 1:*"),
            both("* 1 FETCH (UID 4 FLAGS ())\r\n* 2 FETCH (UID 5 FLAGS ())\r\n* 1 EXPUNGE\r\n"),
            hear("SELECT \"b\""),
            opened(2, 100, 1, ""),
            hear("UID FETCH 1:*"),
            both("* 1 FETCH (UID 7 FLAGS ())\r\n"),
            hear("SELECT \"a\""),
            opened(1, 100, 1, ""),
            hear("UID FETCH 1:*"),
            both("* 1 FETCH (UID 5 FLAGS ())\r\n"),
        ],
    );
    let told = remote.changes_of(&["a", "b"].map(|name| (mailbox(name), Since::default()))).unwrap();
    let told: Vec<_> = told.into_iter().map(|one| one.map(|c| (items(&c), c.presence)).unwrap()).collect();
    assert_eq!(told[0], (vec![5], Presence::Exactly(vec![uid(5)])));
    assert_eq!(told[1], (vec![7], Presence::Unknown), "one of two was listed: nobody knows");
    server.heard();
}

#[test]
fn two_messages_of_one_uid_are_no_listing() {
    let (mut remote, server) = signed_in(
        "IMAP4rev1 SASL-IR AUTH=PLAIN",
        vec![
            hear("SELECT"),
            opened(2, 100, 1, ""),
            hear("UID FETCH 1:*"),
            reply("* 1 FETCH (UID 4 FLAGS ())\r\n* 2 FETCH (UID 4 FLAGS ())\r\n%T OK done\r\n"),
            hear("SELECT"),
            opened(2, 100, 1, ""),
            hear("UID FETCH 1:*"),
            reply("* 1 FETCH (UID 4 FLAGS ())\r\n* 2 FETCH (UID 100 FLAGS ())\r\n%T OK done\r\n"),
            hear("SELECT"),
            opened(2, 100, 1, ""),
            hear("UID FETCH 1:*"),
            reply(
                "* 3 EXISTS\r\n* 1 FETCH (UID 4 FLAGS ())\r\n* 2 FETCH (UID 9 FLAGS ())\r\n* 3 FETCH (UID 100 FLAGS ())\r\n%T OK\r\n",
            ),
        ],
    );
    let fault = remote.changes(&inbox(), &Since::default()).unwrap_err();
    assert_eq!((fault.cause, fault.scope), (Cause::Protocol, Scope::Mailbox));
    let above = remote.changes(&inbox(), &Since::default()).unwrap();
    assert_eq!((items(&above), above.presence), (vec![4, 100], Presence::Unknown));
    let came = remote.changes(&inbox(), &Since::default()).unwrap();
    assert_eq!(came.presence, Presence::Exactly([4, 9, 100].map(uid).to_vec()));
    server.heard();
}

#[test]
fn reading_another_mailbox_is_one_flight_and_changing_it_two() {
    let dovecot = Dovecot::start();
    let agreed = twelve(&dovecot);
    let (mut remote, turnstile) = counted(&dovecot);
    remote.mailboxes().unwrap();
    turnstile.count();
    let mut basket = Basket::default();
    remote.fetch(&agreed[1].0, &[uid(2), uid(1)], Want::Whole, &mut basket).unwrap();
    let (flights, said) = turnstile.count();
    assert_eq!((flights, basket.bodies.len()), (1, 2), "{said}");
    assert_eq!(remote.identify(&agreed[2].0, &[uid(2)]).unwrap().len(), 1);
    assert_eq!(turnstile.count().0, 1);
    assert_eq!(remote.search_id(&agreed[3].0, "two@example.org", None).unwrap(), [uid(2)]);
    assert_eq!(turnstile.count().0, 2);
    let (added, removed) = (Flags::from_imap(["\\Seen", "a"]), Flags::from_imap(["\\Flagged"]));
    let push = Push::Flags { uids: &[uid(1), uid(2)], add: &added, remove: &removed };
    remote.push(&agreed[4].0, &push).unwrap();
    let (flights, said) = turnstile.count();
    assert_eq!((flights, said.matches("UID STORE 1:2 ").count()), (2, 2), "{said}");
    assert_eq!(dovecot.flags("ada", "Lists/l04"), [(1, "\\Seen a".to_owned()), (2, "\\Seen a".to_owned())]);
}

#[test]
fn what_a_renumbered_mailbox_brings_is_thrown_away() {
    let compare = |name: &'static str| vec![hear(name), opened(0, 100, 1, "")];
    let renumbered = "* 1 EXISTS\r\n* OK [UIDVALIDITY 8] v\r\n%T OK ok\r\n";
    let body = "* 1 FETCH (UID 1 RFC822.SIZE 3 BODY[] {3}\r\none)\r\n%T OK done\r\n";
    let mut script = compare("SELECT \"INBOX\"");
    script.extend([hear("LIST"), reply("* LIST () NIL INBOX\r\n* LIST () NIL Other\r\n%T OK\r\n")]);
    script.extend(compare("SELECT \"Other\""));
    script.extend([hear("SELECT \"INBOX\""), reply(renumbered), hear("UID FETCH 1 "), reply(body)]);
    script.extend([hear("SELECT \"Other\""), opened(1, 100, 1, ""), hear("UID FETCH 1 "), reply(body)]);
    // A mailbox that is refused answers nothing of what was asked behind it.
    script.extend([hear("SELECT \"INBOX\""), reply("%T NO [NOPERM] no\r\n"), hear("UID FETCH 1 ")]);
    script.extend([reply("%T BAD nothing is selected\r\n"), hear("SELECT \"INBOX\""), reply("%T NO [NOPERM] no\r\n")]);
    let (mut remote, server) = signed_in("IMAP4rev1 SASL-IR AUTH=PLAIN", script);
    for name in [inbox(), mailbox("Other")] {
        remote.changes(&name, &Since::default()).unwrap();
    }
    let mut basket = Basket::default();
    let fault = remote.fetch(&inbox(), &[uid(1)], Want::Whole, &mut basket).unwrap_err();
    assert_eq!((fault.scope, fault.again, basket.done.len()), (Scope::Mailbox, Again::Now, 0));
    remote.fetch(&mailbox("Other"), &[uid(1)], Want::Whole, &mut basket).unwrap();
    assert_eq!(basket.bodies[&1], b"one");
    let fault = remote.identify(&inbox(), &[uid(1)]).unwrap_err();
    assert_eq!((fault.scope, fault.cause), (Scope::Mailbox, Cause::Permission));
    server.heard();
}

#[test]
fn what_the_server_does_not_tell_is_not_asked_for_again() {
    let idle = |told: &'static [u8], then: &'static [u8]| {
        [hear("IDLE"), say("+ idling\r\n"), say(told), hear("DONE"), Step::ReplyTo(" IDLE", then.to_vec())]
    };
    let mut script = vec![hear("SELECT"), opened(1, 9, 1, ""), hear("MailboxName"), reply("%T NO [BADEVENT] no\r\n")];
    script.extend([hear("FlagChange)) (personal (MessageNew MessageExpunge))"), reply("%T OK done\r\n")]);
    script.extend(idle(b"* STATUS Other (MESSAGES 3)\r\n", b"%T OK done\r\n"));
    script.extend(idle(b"* OK [NOTIFICATIONOVERFLOW] too much\r\n", b"%T OK done\r\n"));
    script.extend([hear("MailboxName"), reply("%T BAD what?\r\n")]);
    script.extend(idle(b"* 2 EXISTS\r\n", b"%T OK done\r\n"));
    let (mut remote, server) = signed_in("IMAP4rev1 SASL-IR AUTH=PLAIN IDLE NOTIFY", script);
    for _ in 0..3 {
        assert_eq!(remote.wait(&inbox(), Duration::from_mins(1)).unwrap(), Waited::Changed);
    }
    server.heard();
}

/// Signs in where the user wants compression.
fn compressed(port: u16, user: &str, password: &'static str) -> Box<dyn Remote> {
    let mut account = crate::imap_faults::account(port, Tls::Plain);
    let server = account.imap.as_mut().unwrap();
    user.clone_into(&mut server.user);
    server.compress = true;
    Imap::new(&account, Arc::new(|| Ok(Secret::new(password.to_owned())))).connect().unwrap()
}

#[test]
fn a_compressed_connection_carries_the_same_in_fewer_bytes() {
    let dovecot = Dovecot::start_with("protocol imap {\n mail_plugins = imap_zlib\n}\n");
    let text = format!("Subject: dull\n\n{}", "the same line again and again\n".repeat(20_000));
    dovecot.deliver("ada", "INBOX", text.as_bytes());
    let turnstile = Turnstile::before(dovecot.imap);
    let mut remote = compressed(turnstile.port, "ada", PASSWORD);
    assert_eq!(remote.mailboxes().unwrap().len(), 6);
    remote.changes(&inbox(), &Since::default()).unwrap();
    let mut basket = Basket::default();
    remote.fetch(&inbox(), &[uid(1)], Want::Whole, &mut basket).unwrap();
    assert_eq!(basket.bodies[&1].len(), text.len() + 20_002);
    turnstile.count();
    let large = "0123456789abcdef\r\n".repeat(100_000);
    let append = Push::Append { bytes: large.as_bytes(), flags: &Flags::none(), date: None };
    assert!(matches!(remote.push(&inbox(), &append).unwrap(), Pushed::Appended(Some(_))));
    assert!(turnstile.count().1.len() < large.len() / 20);
    remote.close();
}

#[test]
fn who_refuses_to_compress_is_spoken_to_without() {
    let capabilities = "IMAP4rev1 SASL-IR AUTH=PLAIN COMPRESS=DEFLATE";
    let server = Scripted::play(vec![
        say(format!("* OK [CAPABILITY {capabilities}] ready\r\n")),
        hear("AUTHENTICATE"),
        reply(format!("%T OK [CAPABILITY {capabilities}] in\r\n")),
        hear("COMPRESS DEFLATE"),
        reply("%T NO [COMPRESSIONACTIVE] TLS does\r\n"),
        hear("SELECT"),
        opened(0, 9, 1, ""),
    ]);
    let mut remote = compressed(server.port, "ada", "hunter2");
    assert_eq!(remote.changes(&inbox(), &Since::default()).unwrap().presence, Presence::Exactly(vec![]));
    server.heard();
}

#[test]
fn compressed_nonsense_and_bombs_end_the_connection() {
    let zeros = |megabytes: usize| {
        let head = "* 1 EXISTS\r\n* OK [UIDVALIDITY 7] v\r\na3 OK ok\r\n\
                    * 1 FETCH (UID 1 RFC822.SIZE 1000000000 BODY[] {1000000000}\r\n";
        // Each block stands for itself, so one is enough.
        let pack = |bytes: &[u8]| {
            let mut out = Vec::with_capacity(1 << 16);
            let mut deflate = flate2::Compress::new(flate2::Compression::default(), false);
            deflate.compress_vec(bytes, &mut out, flate2::FlushCompress::Full).unwrap();
            out
        };
        let mut out = pack(head.as_bytes());
        out.extend(pack(&vec![0; 1 << 20]).repeat(megabytes));
        out
    };
    for (bytes, expected) in [(zeros(100), "out of all proportion"), (vec![0xff; 100], "makes no sense")] {
        let capabilities = "IMAP4rev1 SASL-IR AUTH=PLAIN COMPRESS=DEFLATE";
        let server = Scripted::play(vec![
            say(format!("* OK [CAPABILITY {capabilities}] ready\r\n")),
            hear("AUTHENTICATE"),
            reply(format!("%T OK [CAPABILITY {capabilities}] in\r\n")),
            hear("COMPRESS DEFLATE"),
            reply("%T OK both ways\r\n"),
            say(bytes),
            Step::AwaitClose,
        ]);
        let mut remote = compressed(server.port, "ada", "hunter2");
        let fault = remote.fetch(&inbox(), &[uid(1)], Want::Whole, &mut Basket::default()).unwrap_err();
        assert_eq!(fault.cause, Cause::Protocol);
        assert!(fault.detail.as_str().contains(expected), "{fault}");
        drop(remote);
        server.heard();
    }
}
