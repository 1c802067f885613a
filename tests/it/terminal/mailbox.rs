//! A user at the screen, a real Dovecot behind it: mail comes in, is read, starred, archived and
//! thrown away by keys, and the server is asked what became of it.

use super::{Session, World, account};
use crate::servers::dovecot::Dovecot;
use crate::support::letters::letter;
use crate::support::patience::{becomes, eventually};

/// A server where letters 1 to `count` wait for Ada, and her home, empty but for the config.
fn waiting(count: u32) -> (Dovecot, World) {
    let dovecot = Dovecot::start();
    for number in 1..=count {
        let _ = dovecot.deliver("ada", "INBOX", &letter(number));
    }
    let world = World::new(&account(&dovecot, "ada", ""));
    (dovecot, world)
}

/// The subjects in a mailbox on the server with their flags, by UID.
fn on_server(dovecot: &Dovecot, mailbox: &str) -> Vec<(String, String)> {
    let text = dovecot.doveadm(&["-f", "tab", "fetch", "-u", "ada", "hdr.subject flags", "mailbox", mailbox, "all"]);
    let row = |line: &str| {
        let (subject, flags) = line.split_once('\t').expect("two columns");
        let flags: Vec<&str> = flags.split(' ').filter(|flag| *flag != "\\Recent").collect();
        (subject.to_owned(), flags.join(" "))
    };
    text.lines().skip(1).map(row).collect()
}

/// The flags of one letter in a mailbox on the server; `None`: it is not there.
fn flags_of(dovecot: &Dovecot, mailbox: &str, subject: &str) -> Option<String> {
    on_server(dovecot, mailbox).into_iter().find(|(known, _)| known == subject).map(|(_, flags)| flags)
}

/// The row of the screen with this text.
fn row(screen: &str, text: &str) -> Option<String> {
    screen.lines().find(|line| line.contains(text)).map(str::to_owned)
}

#[test]
fn an_empty_home_and_five_hundred_letters() {
    let (dovecot, world) = waiting(500);
    let mut tern = Session::start(&world, &[], 120, 35);
    let screen = tern.expect("Letter 500");
    let first = screen.lines().find(|line| line.contains("Letter ")).expect("a row of the list");
    assert!(first.contains("Letter 500"), "the newest stands first:\n{screen}");
    tern.expect("500 new/500");
    becomes("every letter is here", || world.files("mail/ada/INBOX").len(), &500);

    // Reading one is known to the server; Tab goes to the next unread message.
    tern.press("\r");
    tern.expect("text of letter number 500");
    tern.expect("499 new/500");
    tern.press("\t");
    tern.expect("text of letter number 499");
    tern.expect("498 new/500");
    becomes(
        "the server knows that it was read",
        || flags_of(&dovecot, "INBOX", "Letter 500"),
        &Some("\\Seen".to_owned()),
    );

    // The next one comes by IDLE while the screen is open.
    let _ = dovecot.deliver("ada", "INBOX", &letter(501));
    tern.expect("499 new/501");
    tern.press("\x1b\x1b");
    tern.press("gg");
    tern.expect("Letter 501");
    // A step costs a slow line little; a frame for another reason may fall into one of them.
    let mut cost = usize::MAX;
    for row in 2..8 {
        let before = tern.written();
        tern.press("j");
        tern.expect(&format!(" {row}/501"));
        cost = cost.min(tern.written() - before);
    }
    assert!(cost <= 300, "{cost} bytes for one step");
    tern.press("Q");
    assert!(tern.wait(), "it ends well");
    // Dovecot 2.3 ends one of two sessions by itself that are the first of a user at the same moment.
    let is_its_own = |line: &str| line.contains("Error: Raw backtrace") && dovecot.log().contains("deadlock avoided");
    assert!(dovecot.log().lines().all(|line| !line.contains("Error") || is_its_own(line)), "{}", dovecot.log());
}

#[test]
fn what_is_done_by_keys_is_done_on_the_server() {
    let (dovecot, world) = waiting(5);
    let mut tern = Session::start(&world, &[], 100, 24);
    tern.expect("5 new/5");
    tern.expect("Letter 5");
    let flags = |mailbox: &'static str, subject: &'static str| flags_of(&dovecot, mailbox, subject);

    tern.press("F");
    becomes("a star", || flags("INBOX", "Letter 5"), &Some("\\Flagged".to_owned()));
    tern.press("u");
    becomes("no star", || flags("INBOX", "Letter 5"), &Some(String::new()));
    tern.press("U");
    becomes("read", || flags("INBOX", "Letter 5"), &Some("\\Seen".to_owned()));
    tern.press("U");
    becomes("unread", || flags("INBOX", "Letter 5"), &Some(String::new()));

    tern.press("a");
    tern.expect_gone("Letter 5");
    becomes("archived", || flags("Archive", "Letter 5"), &Some(String::new()));
    becomes("gone from the inbox", || flags("INBOX", "Letter 5"), &None);
    tern.press("u");
    tern.expect("Letter 5");
    becomes("back in the inbox", || flags("INBOX", "Letter 5"), &Some(String::new()));
    becomes("no longer archived", || flags("Archive", "Letter 5"), &None);

    // The cursor stands on a message, not on a place: find letter 3 and throw it away.
    tern.press("ggjj");
    let screen =
        tern.expect_that("has its cursor on letter 3", |s| row(s, "Letter 3").is_some_and(|r| r.starts_with('❯')));
    assert!(row(&screen, "Letter 5").is_some());
    tern.press("d");
    tern.expect_gone("Letter 3");
    becomes("in the trash", || flags("Trash", "Letter 3"), &Some(String::new()));
    tern.press("gt");
    tern.expect("Letter 3");
    tern.press("gi");
    tern.expect_that("shows the inbox again", |s| s.contains("Letter 4") && !s.contains("Letter 3"));

    // Two at once, and the server has each message once.
    tern.press("gg  a");
    tern.expect_that("shows two less", |s| s.contains("Letter 2") && !s.contains("Letter 4"));
    let archived = || on_server(&dovecot, "Archive").into_iter().map(|(subject, _)| subject).collect::<Vec<_>>();
    eventually(
        "both archived",
        || {
            let mut all = archived();
            all.sort();
            all
        },
        |all| *all == ["Letter 4", "Letter 5"],
    );
    becomes("two left", || on_server(&dovecot, "INBOX").len(), &2);
    tern.press("Q");
    assert!(tern.wait());
}

#[test]
fn what_others_do_on_the_server_is_seen_here() {
    let (dovecot, world) = waiting(4);
    let mut tern = Session::start(&world, &[], 100, 24);
    tern.expect("4 new/4");
    dovecot.doveadm(&["flags", "add", "-u", "ada", "\\Flagged", "mailbox", "INBOX", "subject", "Letter 3"]);
    tern.expect_that("shows the star", |s| row(s, "Letter 3").is_some_and(|row| row.contains('★')));
    dovecot.doveadm(&["expunge", "-u", "ada", "mailbox", "INBOX", "subject", "Letter 2"]);
    tern.expect_gone("Letter 2");
    assert_eq!(world.files("mail/ada/INBOX").len(), 3);
}

#[test]
fn any_size_is_drawn_and_a_lost_terminal_ends_the_program() {
    let (_dovecot, world) = waiting(3);
    let mut tern = Session::start(&world, &[], 80, 24);
    tern.expect("Letter 3");
    tern.resize(10, 3);
    tern.expect_that("is not left blank", |s| s.trim_start().starts_with("tern"));
    tern.resize(40, 12);
    tern.expect("Letter 3");
    tern.press("\r");
    tern.expect("text of letter number 3");
    tern.resize(200, 50);
    tern.expect_that("has list and message side by side", |s| s.contains("Letter 1") && s.contains("text of letter"));
    tern.resize(1, 1);
    tern.resize(80, 24);
    tern.expect("text of letter number 3");
    tern.hang_up();

    // What is on disk is seen before any server is asked; the hang-up by signal ends it as well.
    let mut tern = Session::start(&world, &["--offline"], 80, 24);
    tern.expect("Letter 3");
    let pid = rustix::process::Pid::from_raw(i32::try_from(tern.pid()).expect("a pid")).expect("a pid");
    rustix::process::kill_process(pid, rustix::process::Signal::HUP).expect("our own child");
    tern.wait();
}
