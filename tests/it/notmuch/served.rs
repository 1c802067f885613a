//! Tags that other programs give in the database, on their way to a server.

use super::world::{Home, message};
use crate::servers::dovecot::Dovecot;
use crate::support::gmail::{Gmail, Tongue};
use crate::support::patience::becomes;
use crate::terminal::{Session, account};

/// The keywords of the message of that subject on the server.
fn keywords(dovecot: &Dovecot, title: &str) -> Vec<String> {
    let told = dovecot.doveadm(&["-f", "tab", "fetch", "-u", "ada", "flags", "mailbox", "INBOX", "subject", title]);
    let flags = told.lines().nth(1).unwrap_or_default().split_whitespace();
    flags.filter(|flag| !flag.starts_with('\\')).map(str::to_owned).collect()
}

#[test]
fn what_is_tagged_by_notmuch_is_a_keyword_on_the_server_but_for_what_notmuch_says_of_all() {
    let dovecot = Dovecot::start();
    let home = Home::served(&account(&dovecot, "ada", ""), "[new]\ntags=unread;inbox;fresh\nignore=dovecot-keywords\n");
    // What was tagged before the two met stays where it is.
    home.put("ada/INBOX/cur/1000.x:2,S", &message(0, "grace@example.net", "of old", "words"));
    home.notmuch_new();
    home.notmuch(&["tag", "+ancient", "--", "id:m0@example.net"]);
    for (number, title) in [(1, "plans"), (2, "lunch")] {
        let _ = dovecot.deliver("ada", "INBOX", message(number, "grace@example.net", title, "words").as_bytes());
    }
    home.succeed(&["sync"]);
    home.succeed(&["sync"]);
    assert_eq!(home.tags("INBOX", "of old"), ["ancient", "fresh", "inbox"]);
    assert_eq!(
        ["of old", "plans", "lunch"].map(|title| keywords(&dovecot, title)),
        [vec![], vec![], vec![]] as [Vec<String>; 3]
    );

    home.notmuch(&["tag", "+budget", "+new", "+replied", "+attachment", "--", "id:m1@example.net"]);
    home.notmuch(&["tag", "-inbox", "-fresh", "-unread", "--", "id:m2@example.net"]);
    home.succeed(&["tag", "+mine", "--", "subject:lunch"]);
    home.succeed(&["sync"]);
    home.succeed(&["sync"]);
    assert_eq!(
        (keywords(&dovecot, "plans"), keywords(&dovecot, "lunch")),
        (vec!["budget".to_owned()], vec!["mine".to_owned()])
    );
    assert!(keywords(&dovecot, "of old").is_empty());
    assert!(home.tags_there(1).contains(&"budget".to_owned()) && home.tags_there(2).contains(&"mine".to_owned()));

    // From the server they are taken away there, too, and by notmuch on the server.
    dovecot.doveadm(&["flags", "remove", "-u", "ada", "mine", "mailbox", "INBOX", "subject", "lunch"]);
    home.notmuch(&["tag", "-budget", "--", "id:m1@example.net"]);
    for _ in 0..3 {
        home.succeed(&["sync"]);
    }
    assert!(keywords(&dovecot, "plans").is_empty() && !home.tags_there(2).contains(&"mine".to_owned()));
    // Nothing goes round.
    home.succeed(&["sync"]);
    assert!(!home.tags_there(1).contains(&"budget".to_owned()) && keywords(&dovecot, "lunch").is_empty());
    home.assert_nothing_new();

    // On the screen it needs nobody's word.
    let mut tern = Session::start(&home, &[], 120, 30);
    tern.expect("plans");
    home.notmuch(&["tag", "+seen_there", "--", "id:m1@example.net"]);
    let _ = dovecot.deliver("ada", "INBOX", message(3, "grace@example.net", "news", "words").as_bytes());
    tern.expect("news");
    becomes("the server has it", || keywords(&dovecot, "plans"), &vec!["seen_there".to_owned()]);
    tern.press("Q");
    assert!(tern.wait());
}

#[test]
fn where_folders_are_labels_a_tag_of_that_name_gives_and_takes_the_label() {
    let server = Gmail::start(Tongue::English);
    let accounts = format!(
        "[accounts.ada]\naddress = \"ada@example.org\"\nmaildir = \"{{home}}/mail/ada\"\n\
         password = {{ file = \"{{home}}/password\" }}\n\
         imap = {{ host = \"127.0.0.1\", port = {}, tls = \"plain\", user = \"ada\" }}\n",
        server.port
    );
    let one = server.deliver(message(1, "grace@example.net", "plans", "words").as_bytes(), &["\\Inbox"]);
    let two = server.deliver(message(2, "grace@example.net", "lunch", "words").as_bytes(), &["\\Inbox", "Rome trip"]);
    let home = Home::served(&accounts, "");
    for folder in ["ada/INBOX", "ada/Archive", "ada/junk"] {
        std::fs::remove_dir_all(home.path("mail").join(folder)).unwrap();
    }
    home.notmuch_new();
    home.succeed(&["sync"]);
    home.succeed(&["sync"]);
    home.notmuch(&["tag", "+rome_trip", "+unknown", "--", "id:m1@example.net"]);
    home.succeed(&["sync"]);
    home.succeed(&["sync"]);
    assert_eq!(server.message(one).0, ["Rome trip", "\\Inbox"]);
    assert_eq!(server.message(two).0, ["Rome trip", "\\Inbox"]);
    home.notmuch(&["tag", "-rome_trip", "--", "id:m1@example.net"]);
    home.succeed(&["sync"]);
    home.succeed(&["sync"]);
    assert_eq!(server.message(one).0, ["\\Inbox"]);
}
