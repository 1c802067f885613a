//! The whole way on real servers: mail is read, answered and sent by keys; what arrives, what is kept
//! and what the original is marked with is read from the servers themselves. Then the server is
//! away, and back, without a key pressed.

use std::fs;
use std::path::{Path, PathBuf};

use tern::job::outbox::EntryId;
use tern::outbox::queue::{Bin, Queue};
use tern::store::drafts::Journal;

use super::{Session, World, account};
use crate::servers::dovecot::Dovecot;
use crate::servers::free_ports;
use crate::servers::postfix::{Postfix, auth_service, submitted};
use crate::support::letters::letter;
use crate::support::patience::{becomes, eventually};

const QUESTION: &str = "From: Bob <bob@example.org>\r\nTo: Ada <ada@example.org>\r\nSubject: Lunch on Friday?\r\n\
    Date: Mon, 1 Jul 2024 12:00:00 +0000\r\nMessage-ID: <question@example.org>\r\n\r\nAt noon, at the usual place?\r\n";

/// A message in a Maildir, with CRLF.
fn message(path: &Path) -> String {
    let bytes = fs::read(path).expect("a message");
    String::from_utf8(submitted(&bytes)).expect("text").replace("\r\r\n", "\r\n")
}

/// The one entry of the outbox as it is stored.
fn stored(world: &World) -> (EntryId, Vec<u8>) {
    let queue = Queue::open(&world.path("data/tern")).expect("the outbox");
    let listing = queue.list().expect("a list");
    let [entry] = listing.entries.as_slice() else { panic!("one entry: {listing:?}") };
    assert_eq!(entry.bin, Bin::Queued);
    let (_, wire) = queue.load(&entry.id, entry.bin).expect("the message");
    (entry.id.clone(), wire.to_vec())
}

fn only(files: Vec<PathBuf>) -> PathBuf {
    assert_eq!(files.len(), 1, "{files:?}");
    files.into_iter().next().expect("one")
}

/// A world of Ada's with a way to send.
fn home(dovecot: &Dovecot, postfix: &Postfix) -> World {
    let (port, ca) = (postfix.smtps, postfix.ca().display());
    let smtp = format!("smtp = {{ host = \"localhost\", port = {port}, user = \"ada\", ca = \"{ca}\" }}");
    World::new(&format!("[compose]\nundo_send = \"4s\"\n{}", account(dovecot, "ada", &smtp)))
}

#[test]
fn a_question_is_answered_and_a_letter_waits_for_a_server_that_is_away() {
    let [port] = free_ports();
    let dovecot = Dovecot::start_with(&auth_service(port));
    let mut postfix = Postfix::start_beside(&dovecot, port);
    for number in 1..=499 {
        let _ = dovecot.deliver("ada", "INBOX", &letter(number));
    }
    let _ = dovecot.deliver("ada", "INBOX", QUESTION.as_bytes());
    let world = home(&dovecot, &postfix);
    let mut tern = Session::start(&world, &[], 120, 35);
    tern.expect("Lunch on Friday?");
    tern.expect("500 new/500");

    // Read and answer.
    tern.press("\r");
    tern.expect("at the usual place?");
    tern.press("r");
    tern.expect("> At noon, at the usual place?");
    tern.press("Yes, gladly. Zwölf Uhr!");
    tern.expect("Zwölf Uhr!");
    tern.press("\x1b");
    tern.expect("bob@example.org");
    tern.expect("y send");
    tern.press("y");
    tern.expect("Sending in");
    let (_, wire) = stored(&world);
    let text = String::from_utf8(wire.clone()).expect("text");
    assert!(text.contains("In-Reply-To: <question@example.org>"), "{text}");

    // It arrives as it was stored, and both sides keep a copy of just that.
    assert_eq!(postfix.arrived("bob", 1), std::slice::from_ref(&wire), "byte for byte");
    becomes("a copy here", || world.files("mail/ada/Sent").len(), &1);
    becomes("a copy on the server", || dovecot.files("ada", "Sent").len(), &1);
    assert_eq!(message(&only(world.files("mail/ada/Sent"))), text);
    assert_eq!(message(&only(dovecot.files("ada", "Sent"))), text);
    let flags = || {
        let text = dovecot.doveadm(&["fetch", "-u", "ada", "flags", "mailbox", "INBOX", "subject", "Lunch"]);
        text.contains("\\Answered") && text.contains("\\Seen")
    };
    becomes("the question is answered on the server", flags, &true);

    // The server is away: what waits says so, and when it is tried again.
    postfix.turn_off();
    tern.press("m");
    tern.expect("To");
    tern.press("bob@example.org\r");
    tern.press("Minutes\r");
    tern.press("Here they are.");
    tern.expect("Here they are.");
    tern.press("\x1b");
    tern.expect("y send");
    tern.press("y");
    tern.expect("Sending in");
    let (_, second) = stored(&world);
    tern.press("go");
    tern.expect("deferred, next try");
    let screen = tern.expect("Minutes");
    assert!(screen.contains("cannot reach localhost"), "why it waits:\n{screen}");

    // It is back, and the letter goes without a key pressed.
    postfix.turn_on();
    tern.expect("Nothing waits to be sent.");
    let mut arrived = postfix.arrived("bob", 2);
    arrived.sort();
    let mut sent = vec![wire, second];
    sent.sort();
    assert_eq!(arrived, sent);
    becomes("both are kept on the server", || dovecot.files("ada", "Sent").len(), &2);
    tern.press("qgs");
    tern.expect_that("shows both as sent", |s| s.contains("Minutes") && s.contains("Lunch on Friday?"));
    tern.press("Q");
    assert!(tern.wait(), "it ends well");
    world.succeed(&["sync", "--quiet"]);
    assert_eq!((world.files("mail/ada/Sent").len(), dovecot.files("ada", "Sent").len()), (2, 2), "and nothing twice");
}

#[test]
fn what_is_being_written_survives_the_end_of_the_terminal_and_of_the_process() {
    let world = World::new(
        "[accounts.ada]\naddress = \"ada@example.org\"\nmaildir = \"{home}/mail/ada\"\nsendmail = [\"/bin/false\"]\n",
    );
    let write = |tern: &mut Session, text: &str| {
        tern.expect("Inbox");
        tern.press("m");
        tern.expect("To");
        tern.press("bob@example.org\r");
        tern.press("Half a letter\r");
        tern.press(text);
        tern.expect(text);
    };
    let journal = || {
        let found = Journal::below(&world.path("data/tern")).list().expect("the journal");
        found.drafts.into_iter().map(|draft| draft.body).collect::<Vec<_>>()
    };
    // The terminal goes away at once.
    let mut tern = Session::start(&world, &[], 100, 30);
    write(&mut tern, "typed before the line broke");
    tern.hang_up();
    assert!(journal().iter().any(|body| body.contains("before the line broke")), "{:?}", journal());
    let mut tern = Session::start(&world, &[], 100, 30);
    tern.expect("A message was not finished: Half a letter");
    tern.press("gw");
    tern.expect("typed before the line broke");
    tern.press("D");
    tern.expect("y");
    tern.press("y");
    tern.expect("Thrown away");

    // The process is killed some seconds after the last key.
    write(&mut tern, "typed before the kill");
    eventually("the text is on disk", journal, |drafts| drafts.iter().any(|body| body.contains("before the kill")));
    tern.kill();
    let mut tern = Session::start(&world, &[], 100, 30);
    tern.expect("A message was not finished: Half a letter");
    tern.press("gw");
    let screen = tern.expect("typed before the kill");
    assert!(screen.contains("bob@example.org"), "{screen}");
}

#[test]
fn an_editor_that_fails_loses_nothing() {
    let world = World::new(
        "[compose]\neditor = \"false\"\n[accounts.ada]\naddress = \"ada@example.org\"\n\
         maildir = \"{home}/mail/ada\"\nsendmail = [\"/bin/false\"]\n",
    );
    let mut tern = Session::start(&world, &[], 100, 30);
    tern.expect("Inbox");
    tern.press("m");
    tern.expect("To");
    tern.press("bob@example.org\r");
    tern.press("Kept\r");
    tern.expect("cannot run");
    let screen = tern.expect("y send");
    assert!(screen.contains("Kept") && screen.contains("bob@example.org"), "{screen}");
}
