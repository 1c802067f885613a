//! Odd servers, known or told of in the config: each oddity with the words on the wire that it changes.

use std::path::Path;
use std::sync::Arc;

use tern::config::quirk::Quirk;
use tern::config::{Account, Paths};
use tern::login::Secret;
use tern::mail::ids::Uid;
use tern::mail::mailbox::MailboxName;
use tern::remote::imap::Imap;
use tern::remote::{Connect as _, Push};

use crate::support::scripted::{Scripted, Step, hear, reply, say};

/// An account whose config says this of the server's oddities.
fn account(port: u16, quirks: &str) -> Account {
    let text = format!(
        "[accounts.ada]\naddress = \"ada@example.org\"\n\
         [accounts.ada.imap]\nhost = \"127.0.0.1\"\nport = {port}\ntls = \"plain\"\nuser = \"ada\"\n\
         [accounts.ada.imap.quirks]\n{quirks}\n"
    );
    let mut config = tern::config::parse(&text, &Paths::under(Path::new("/nonexistent")));
    assert!(config.problems.iter().all(|problem| !problem.message.as_str().contains("quirk")), "{:?}", config.problems);
    config.accounts.remove(0)
}

fn imap(server: &Scripted, quirks: &str) -> Imap {
    Imap::new(&account(server.port, quirks), Arc::new(|| Ok(Secret::new("hunter2".to_owned()))))
}

/// A server that greets with these words and lets everybody in.
fn open(greeting: &str, capabilities: &str, script: Vec<Step>) -> Scripted {
    let mut steps = vec![
        say(format!("* OK [CAPABILITY {capabilities} SASL-IR AUTH=PLAIN] {greeting}\r\n")),
        hear("AUTHENTICATE PLAIN AGFkYQBodW50ZXIy"),
        reply(format!("%T OK [CAPABILITY {capabilities}] in\r\n")),
    ];
    steps.extend(script);
    Scripted::play(steps)
}

fn goodbye() -> [Step; 2] {
    [hear("LOGOUT"), reply("* BYE\r\n%T OK bye\r\n")]
}

#[test]
fn id_waits_for_nothing_and_its_answer_is_kept() {
    let mut script = vec![
        hear("i1 ID (\"name\" \"tern\" \"version\""),
        // The next command is there before ID was answered.
        hear("LIST \"\" \"*\""),
        say("* ID (\"name\" \"Scri\u{1b}pt\" \"version\" NIL)\r\ni1 OK done\r\n"),
        reply("* LIST () \"/\" INBOX\r\n%T OK listed\r\n"),
    ];
    script.extend(goodbye());
    let server = open("ready", "IMAP4rev1 ID", script);
    let facts = imap(&server, "").describe().unwrap();
    let id: Vec<String> = facts.id.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(id, ["name=Scri\u{241b}pt"]);
    assert_eq!(facts.mailboxes.len(), 1);
    assert_eq!((facts.mechanism, facts.greeting.as_str()), ("PLAIN", "ready"));
    assert!(facts.offers("id") && facts.quirks.is_empty() && facts.channel.is_none());
    server.heard();
}

#[test]
fn a_server_that_is_known_is_believed_less_unless_the_user_says_otherwise() {
    for (quirks, expected) in [("", &[Quirk::NoMove][..]), ("no_move = false", &[])] {
        let mut script = vec![hear("LIST"), reply("* LIST () \"/\" INBOX\r\n%T OK\r\n")];
        script.extend(goodbye());
        let server = open("The Microsoft Exchange IMAP4 service is ready.", "IMAP4rev1 MOVE UIDPLUS", script);
        let facts = imap(&server, quirks).describe().unwrap();
        assert_eq!(facts.quirks.iter().copied().collect::<Vec<_>>(), expected);
        assert_eq!((facts.offers("MOVE"), facts.offers("UIDPLUS")), (expected.is_empty(), true));
        server.heard();
    }
}

#[test]
fn a_sign_in_without_a_first_word_is_asked_for_it() {
    let server = Scripted::play(vec![
        say("* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] ready\r\n"),
        hear("AUTHENTICATE PLAIN\r\n"),
        reply("+ \r\n"),
        Step::HearAnswer,
        // The tag of the session layer's first command.
        say("a1 OK [CAPABILITY IMAP4rev1] in\r\n"),
        // No ID is offered, but the user says that it is wanted.
        hear("i1 ID ("),
        hear("LOGOUT"),
        say("i1 BAD what?\r\n"),
        reply("* BYE\r\n%T OK bye\r\n"),
    ]);
    let mut remote = imap(&server, "no_initial_response = true\nwants_id = true").connect().unwrap();
    remote.close();
    assert_eq!(server.heard()[1], "AGFkYQBodW50ZXIy");
}

#[test]
fn what_the_user_takes_away_is_not_used() {
    let select = "* 1 EXISTS\r\n* OK [UIDVALIDITY 7] v\r\n* OK [UIDNEXT 9] n\r\n%T OK [READ-WRITE] ok\r\n";
    let inbox = MailboxName::inbox();
    let to = MailboxName::new("Old").unwrap();
    let uid = Uid::new(5).unwrap();
    for (quirks, selects, moves) in [
        ("", "SELECT \"INBOX\" (CONDSTORE)", "UID MOVE 5 \"Old\""),
        ("no_condstore = true\nno_move = true", "SELECT \"INBOX\"\r\n", "UID COPY 5 \"Old\""),
    ] {
        let mut script = vec![hear("LIST"), reply("* LIST () \"/\" INBOX\r\n* LIST () \"/\" Old\r\n%T OK\r\n")];
        script.extend([hear(selects), reply(select), hear(moves)]);
        script.push(reply("* OK [COPYUID 3 5 1] moved\r\n%T OK done\r\n"));
        if moves.contains("COPY") {
            script.extend([hear("UID STORE 5 +FLAGS"), reply("%T OK\r\n"), hear("UID EXPUNGE 5")]);
            script.push(reply("* 1 EXPUNGE\r\n%T OK\r\n"));
        }
        script.extend(goodbye());
        let server = open("ready", "IMAP4rev1 CONDSTORE MOVE UIDPLUS", script);
        let mut remote = imap(&server, quirks).connect().unwrap();
        remote.push(&inbox, &Push::Move { uids: &[uid], to: &to }).unwrap();
        remote.close();
        server.heard();
    }
}

#[test]
fn a_server_that_knew_roles_before_special_use_tells_them_by_xlist() {
    let xlist = "* XLIST (\\HasNoChildren \\Inbox) \"/\" \"Posteingang\"\r\n\
                 * XLIST (\\Noselect \\HasChildren) \"/\" \"[Gmail]\"\r\n\
                 * XLIST (\\HasNoChildren \\AllMail) \"/\" \"[Gmail]/Alle Nachrichten\"\r\n\
                 * XLIST (\\HasNoChildren \\Spam) \"/\" \"[Gmail]/Unerw&APw-nscht\"\r\n\
                 * XLIST (\\HasNoChildren \\Starred) \"/\" \"[Gmail]/Markiert\"\r\n\
                 * XLIST (\\HasNoChildren \\Sent) \"/\" \"[Gmail]/Raus\"\r\n%T OK done\r\n";
    let list = "* LIST (\\HasNoChildren) \"/\" \"INBOX\"\r\n* LIST (\\Noselect) \"/\" \"[Gmail]\"\r\n\
                * LIST () \"/\" \"[Gmail]/Alle Nachrichten\"\r\n* LIST () \"/\" \"[Gmail]/Unerw&APw-nscht\"\r\n\
                * LIST () \"/\" \"[Gmail]/Markiert\"\r\n* LIST () \"/\" \"[Gmail]/Raus\"\r\n%T OK done\r\n";
    let refusal = "%T BAD what?\r\n";
    let by_xlist = "INBOX inbox, [Gmail] -, [Gmail]/Alle Nachrichten all, [Gmail]/Markiert flagged, [Gmail]/Raus sent, \
                    [Gmail]/Unerwünscht junk";
    let without = "INBOX inbox, [Gmail] -, [Gmail]/Alle Nachrichten -, [Gmail]/Markiert -, [Gmail]/Raus -, \
                   [Gmail]/Unerwünscht -";
    for (offers, asked, answer, expected) in [
        ("IMAP4rev1 XLIST", true, xlist, by_xlist),
        ("IMAP4rev1 XLIST", true, refusal, without),
        ("IMAP4rev1 XLIST SPECIAL-USE", false, "", without),
        ("IMAP4rev1", false, "", without),
    ] {
        let mut script = Vec::new();
        if asked {
            // Both go together: it costs no round trip.
            script.extend([hear("XLIST \"\" \"*\""), hear(" LIST \"\" \"*\"")]);
            script.push(Step::ReplyTo("XLIST \"\" \"*\"", answer.as_bytes().to_vec()));
            script.push(Step::ReplyTo(" LIST \"\" \"*\"", list.as_bytes().to_vec()));
        } else {
            script.extend([hear(" LIST \"\" \"*\""), reply(list)]);
        }
        script.extend(goodbye());
        let server = open("ready", offers, script);
        let facts = imap(&server, "").describe().unwrap();
        let told: Vec<String> = facts
            .mailboxes
            .iter()
            .map(|mailbox| format!("{} {}", mailbox.name, mailbox.role.map_or("-", |role| role.word())))
            .collect();
        assert_eq!(told.join(", "), expected, "{offers}");
        server.heard();
    }
}
