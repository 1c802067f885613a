//! Gmail's dialect of IMAP, against a server that speaks it as documented: mailboxes are found by what they
//! are for, labels come with flags and go as deltas, and a message in four mailboxes is one.

use std::path::Path;
use std::sync::Arc;

use tern::fault::Cause;
use tern::login::Secret;
use tern::mail::ids::Uid;
use tern::mail::labels::{Label, Labels};
use tern::mail::mailbox::{MailboxName, Role};
use tern::remote::fake::FakeServer;
use tern::remote::imap::Imap;
use tern::remote::{Connect as _, Push, Pushed, Remote, RemoteChanges, Since};

use crate::support::gmail::{Gmail, Home, Tongue};
use crate::terminal::World;

const LETTER: &[u8] = b"Message-ID: <one@example.org>\r\nSubject: One\r\n\r\nText.\r\n";

fn imap(server: &Gmail) -> Imap {
    let text = format!(
        "[accounts.ada]\naddress = \"ada@example.org\"\n\
         [accounts.ada.imap]\nhost = \"127.0.0.1\"\nport = {}\ntls = \"plain\"\nuser = \"ada\"\n",
        server.port
    );
    let mut config = tern::config::parse(&text, &tern::config::Paths::under(Path::new("/nonexistent")));
    Imap::new(&config.accounts.remove(0), Arc::new(|| Ok(Secret::new("hunter2".to_owned()))))
}

/// A user of it with a Maildir.
fn world(server: &Gmail, settings: &str) -> World {
    World::new(&format!(
        "[accounts.ada]\naddress = \"ada@example.org\"\nmaildir = \"{{home}}/mail\"\n\
         password = {{ file = \"{{home}}/password\" }}\n\
         imap = {{ host = \"127.0.0.1\", port = {}, tls = \"plain\", user = \"ada\" }}\n\
         sync = {{ {settings} }}\n",
        server.port
    ))
}

fn name(text: &str) -> MailboxName {
    MailboxName::new(text).unwrap()
}

fn labels(words: &[&str]) -> Labels {
    words.iter().filter_map(|word| Label::read(word)).collect()
}

fn uid(number: u32) -> Uid {
    Uid::new(number).unwrap()
}

fn since(changes: &RemoteChanges) -> Since {
    Since {
        validity: Some(changes.validity),
        modseq: changes.modseq,
        uid_next: changes.uid_next,
        count: u32::try_from(changes.items.len()).unwrap(),
    }
}

fn by_role(remote: &mut dyn Remote, role: Role) -> MailboxName {
    remote.mailboxes().unwrap().into_iter().find(|mailbox| mailbox.role == Some(role)).unwrap().name
}

#[test]
fn what_a_mailbox_is_for_is_told_in_any_tongue() {
    for (tongue, all, trash) in [
        (Tongue::English, "[Gmail]/All Mail", "[Gmail]/Trash"),
        (Tongue::German, "[Google Mail]/Alle Nachrichten", "[Google Mail]/Papierkorb"),
    ] {
        let server = Gmail::start(tongue);
        let mut remote = imap(&server).connect().unwrap();
        assert_eq!(by_role(&mut *remote, Role::All), name(all));
        assert_eq!(by_role(&mut *remote, Role::Trash), name(trash));
        remote.close();
    }
}

#[test]
fn labels_come_with_the_flags_and_each_change_of_them_is_news() {
    let server = Gmail::start(Tongue::German);
    let one = server.deliver(LETTER, &["\\Inbox", "Gr&APwA3w-e", "say \"a\\b\"", "\\Muted"]);
    server.deliver(LETTER, &[]);
    assert_eq!((server.count("INBOX"), server.count("Gr&APwA3w-e")), (1, 1));
    let mut remote = imap(&server).with_labels().connect().unwrap();
    let all = by_role(&mut *remote, Role::All);
    let first = remote.changes(&all, &Since::default()).unwrap();
    let told: Vec<Option<Labels>> = first.items.iter().map(|item| item.labels.as_deref().cloned()).collect();
    assert_eq!(told, [Some(labels(&["\\Inbox", "Grüße", "say \"a\\b\""])), Some(Labels::none())]);

    server.relabel(one, &["Trips/Rome"], &["\\Inbox", "Gr&APwA3w-e"]);
    let then = remote.changes(&all, &since(&first)).unwrap();
    let told: Vec<_> = then.items.iter().map(|item| (item.uid.get(), item.labels.as_deref().cloned())).collect();
    assert_eq!(told, [(1, Some(labels(&["Trips/Rome", "say \"a\\b\""])))]);
    assert!(remote.changes(&all, &since(&then)).unwrap().items.is_empty());
    remote.close();
}

#[test]
fn to_archive_is_to_take_a_label_away() {
    let server = Gmail::start(Tongue::English);
    let one = server.deliver(LETTER, &["\\Inbox", "Work"]);
    let two = server.deliver(LETTER, &["\\Inbox"]);
    let mut remote = imap(&server).with_labels().connect().unwrap();
    let all = by_role(&mut *remote, Role::All);
    let (given, taken) = (labels(&["Grüße/R&D", "say \"a\\b\""]), labels(&["\\Inbox", "Work"]));
    let uids = [uid(1), uid(2)];
    assert_eq!(remote.push(&all, &Push::Labels { uids: &uids, add: &given, remove: &taken }).unwrap(), Pushed::Done);
    // Said twice it does no harm.
    remote.push(&all, &Push::Labels { uids: &uids, add: &given, remove: &taken }).unwrap();
    for id in [one, two] {
        let (labels, home) = server.message(id);
        assert_eq!((labels, home), (vec!["Gr&APwA3w-e/R&-D".to_owned(), "say \"a\\b\"".to_owned()], Home::All));
    }
    assert_eq!((server.count("INBOX"), server.count("[Gmail]/All Mail")), (0, 2));
    remote.close();
}

#[test]
fn the_trash_is_another_place_and_the_new_uid_is_told() {
    let server = Gmail::start(Tongue::English);
    let one = server.deliver(LETTER, &["\\Inbox", "Work"]);
    let mut remote = imap(&server).with_labels().connect().unwrap();
    let (all, trash) = (by_role(&mut *remote, Role::All), by_role(&mut *remote, Role::Trash));
    let moved = remote.push(&all, &Push::Move { uids: &[uid(1)], to: &trash }).unwrap();
    let Pushed::Moved(Some((_, pairs))) = moved else { panic!("{moved:?}") };
    assert_eq!((pairs, server.message(one)), (vec![(uid(1), uid(1))], (Vec::new(), Home::Trash)));
    assert_eq!((server.count("INBOX"), server.count("Work"), server.count("[Gmail]/Trash")), (0, 0, 1));
    remote.close();
}

#[test]
fn who_does_not_ask_for_labels_is_not_told_of_them() {
    let server = Gmail::start(Tongue::English);
    server.deliver(LETTER, &["\\Inbox"]);
    let mut remote = imap(&server).connect().unwrap();
    let changes = remote.changes(&MailboxName::inbox(), &Since::default()).unwrap();
    assert_eq!(changes.items.iter().map(|item| item.labels.as_deref().cloned()).collect::<Vec<_>>(), [None]);
    remote.close();
    assert!(server.heard().iter().all(|command| !command.contains("LABELS")), "{:?}", server.heard());
}

#[test]
fn the_server_in_memory_knows_labels_if_it_is_told_to() {
    let server = FakeServer::default();
    let inbox = MailboxName::inbox();
    let uid = server.deliver(&inbox, LETTER, tern::mail::flags::Flags::none(), tern::mail::ids::Timestamp::new(0));
    let mut remote = server.connect().unwrap();
    let (add, none) = (labels(&["\\Inbox", "x"]), Labels::none());
    let push = Push::Labels { uids: &[uid], add: &add, remove: &none };
    assert_eq!(remote.push(&inbox, &push).unwrap_err().cause, Cause::NotOffered);
    assert_eq!(remote.changes(&inbox, &Since::default()).unwrap().items[0].labels.as_deref().cloned(), None);
    server.set_habits(|habits| habits.labels = true);
    let before = remote.changes(&inbox, &Since::default()).unwrap();
    remote.push(&inbox, &push).unwrap();
    server.label(&inbox, uid, &none, &labels(&["x"]));
    let then = remote.changes(&inbox, &since(&before)).unwrap();
    assert_eq!(then.items[0].labels.as_deref().cloned(), Some(labels(&["\\Inbox"])));
}

#[test]
fn as_folders_each_label_has_a_file_of_its_own() {
    let server = Gmail::start(Tongue::English);
    let one = server.deliver(LETTER, &["\\Inbox", "Work"]);
    let world = world(&server, "labels = \"folders\"");
    let files = |mailbox: &str| {
        ["cur", "new"]
            .iter()
            .map(|part| std::fs::read_dir(world.path(&format!("mail/{mailbox}/{part}"))).map_or(0, Iterator::count))
            .sum::<usize>()
    };
    let counts = || ["INBOX", "Work", "Rome", "[Gmail]/All Mail"].map(files);
    world.succeed(&["sync"]);
    assert_eq!(counts(), [1, 1, 0, 1]);
    server.relabel(one, &["Rome"], &["\\Inbox"]);
    world.succeed(&["sync"]);
    assert_eq!(counts(), [0, 1, 1, 1]);
    // What is only looked at differently is no wish of the user: nothing goes back.
    let verbs = ["UID STORE", "UID MOVE", "UID COPY", "UID EXPUNGE", "APPEND"];
    let changes: Vec<String> =
        server.heard().into_iter().filter(|command| verbs.iter().any(|verb| command.starts_with(verb))).collect();
    assert_eq!(changes, Vec::<String>::new());
    assert_eq!(
        (server.message(one).0, server.count("[Gmail]/All Mail")),
        (vec!["Rome".to_owned(), "Work".to_owned()], 1)
    );
}

#[test]
fn tern_doctor_tells_how_folders_that_are_labels_are_synced() {
    let server = Gmail::start(Tongue::German);
    for (settings, text, next) in [
        ("", "kept once, in [Google Mail]/Alle Nachrichten", "`labels = \"folders\"` in [accounts.ada.sync]"),
        (
            "labels = \"folders\"",
            "[Google Mail]/Alle Nachrichten being one of them",
            "`exclude` in [accounts.ada.sync]",
        ),
    ] {
        let output = world(&server, settings).run(&["doctor", "--json"]);
        let told = String::from_utf8(output.stdout).unwrap();
        let line = told.lines().find(|line| line.contains("\"imap.labels\"")).unwrap_or_else(|| panic!("{told}"));
        let finding: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(finding["verdict"], "ok");
        assert!(finding["text"].as_str().unwrap().contains(text), "{line}");
        assert!(finding["next"].as_str().unwrap().contains(next), "{line}");
    }
}
