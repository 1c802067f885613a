//! An account whose folders are labels, with no server in reach: what the ledger knows is shown on the screen and
//! by the commands, and what is done is written down for the next sync.

use std::fs;

use serde_json::Value;
use tern::ledger::{Change, LabelWish, Labelled, Ledger, Row};
use tern::mail::flags::Flags;
use tern::mail::ids::{AccountId, Uid};
use tern::mail::labels::{Label, Labels, View};
use tern::mail::mailbox::MailboxName;
use tern::mail::place::{MailboxId, UniqueName};

use super::{Session, World};

const CONFIG: &str = "
[accounts.g]
address = \"ada@example.org\"
maildir = \"{home}/mail\"
";
const HOME: &str = "[Gmail]/All Mail";

fn mailbox(name: &str) -> MailboxId {
    MailboxId { account: AccountId::new("g"), name: MailboxName::new(name).unwrap() }
}

fn labels(words: &[&str]) -> Labels {
    words.iter().filter_map(|word| Label::read(word)).collect()
}

/// Three messages in All Mail: in the inbox, in the inbox with a label, with a label alone.
fn filled() -> World {
    let world = World::new(CONFIG);
    let mails: [(&str, &[&str]); 3] =
        [("plain", &["\\Inbox"]), ("report", &["\\Inbox", "Work"]), ("yesteryear", &["Work"])];
    for folder in [HOME, "[Gmail]/Trash", "[Gmail]/Spam", "[Gmail]/Drafts"] {
        for sub in ["cur", "new", "tmp"] {
            fs::create_dir_all(world.path("mail").join(folder).join(sub)).unwrap();
        }
    }
    let (mut ledger, _) = Ledger::open(&data(&world)).unwrap();
    let key = ledger.mailbox(&mailbox(HOME)).unwrap();
    let mut put = Vec::new();
    for (number, (subject, words)) in (1..).zip(mails) {
        let name = format!("100{number}.m");
        let text = format!(
            "From: Bob <bob@example.net>\nTo: ada@example.org\nSubject: {subject}\nMessage-ID: <{number}@example.net>\n\
             Date: Mon, 02 Nov 2026 10:00:0{number} +0000\n\nThe text of {subject}.\n"
        );
        fs::write(world.path("mail").join(HOME).join("cur").join(format!("{name}:2,")), &text).unwrap();
        let flags = Flags::none().with_labels(&labels(words));
        let (uid, unique) = (Uid::new(number).unwrap(), UniqueName::new(&name).unwrap());
        put.push(Row { uid, unique, flags, size: text.len() as u64, digest: None });
    }
    ledger.commit(&[(key, Change { put, ..Change::default() })]).unwrap();
    let view = |(name, label): (&str, &str)| {
        let label = Label::read(label).unwrap();
        View { mailbox: mailbox(name), role: label.role(), label, home: mailbox(HOME) }
    };
    let views = [("INBOX", "\\Inbox"), ("Work", "Work")].map(view).to_vec();
    let labelled = Labelled { home: mailbox(HOME).name, views };
    ledger.set_labelled(&AccountId::new("g"), Some(&labelled)).unwrap();
    world
}

fn data(world: &World) -> std::path::PathBuf {
    world.variables().into_iter().find(|(name, _)| *name == "XDG_DATA_HOME").unwrap().1.join("tern")
}

fn listed(world: &World, folder: &str) -> Vec<String> {
    let text = world.succeed(&["list", "--json", folder]);
    let subject = |line: &str| serde_json::from_str::<Value>(line).unwrap()["subject"].as_str().unwrap().to_owned();
    text.lines().map(subject).collect()
}

fn wishes(world: &World) -> Vec<(String, LabelWish)> {
    let (mut ledger, _) = Ledger::open(&data(world)).unwrap();
    let key = ledger.mailbox(&mailbox(HOME)).unwrap();
    let wishes = ledger.label_wishes(key).unwrap();
    wishes.into_iter().map(|(unique, wish)| (unique.as_str().to_owned(), wish)).collect()
}

#[test]
fn labels_are_folders_for_the_commands_as_well() {
    let world = filled();
    assert_eq!(listed(&world, "INBOX"), ["report", "plain"]);
    assert_eq!(listed(&world, "Work"), ["yesteryear", "report"]);
    let folders: Vec<Value> =
        world.succeed(&["folders", "--json"]).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let count = |name: &str| folders.iter().find(|row| row["folder"] == name).map(|row| row["total"].clone());
    assert_eq!((count("INBOX"), count(HOME), count("Work")), (Some(2.into()), Some(3.into()), Some(2.into())));
    let found = world.succeed(&["search", "--json", "report", "in:inbox"]);
    let found: Value = serde_json::from_str(found.trim()).unwrap();
    assert_eq!((&found["folder"], &found["labels"]), (&HOME.into(), &serde_json::json!(["\\Inbox", "Work"])));
    assert!(world.succeed(&["show", found["id"].as_str().unwrap()]).contains("The text of report."));

    // Another program of ours wrote something down: the next command knows, and so does an index made anew.
    let (mut ledger, _) = Ledger::open(&data(&world)).unwrap();
    let unique = UniqueName::new("1002.m").unwrap();
    ledger.label(&mailbox(HOME), &[unique], &Labels::none(), &labels(&["\\Inbox"])).unwrap();
    assert_eq!(listed(&world, "INBOX"), ["plain"]);
    world.succeed(&["index", "--rebuild"]);
    assert_eq!(
        (listed(&world, "INBOX"), listed(&world, "Work")),
        (vec!["plain".to_owned()], vec!["yesteryear".to_owned(), "report".to_owned()])
    );
}

#[test]
fn what_is_archived_without_a_server_is_written_down() {
    let world = filled();
    let mut screen = Session::start(&world, &[], 100, 24);
    screen.expect("report");
    screen.expect_gone("yesteryear");
    screen.press("a");
    screen.expect("Archived 1 message");
    screen.expect_gone("report");
    assert_eq!(
        wishes(&world),
        [("1002.m".to_owned(), LabelWish { given: Labels::none(), taken: labels(&["\\Inbox"]) })]
    );
    screen.press("u");
    screen.expect("report");
    screen.press("ja");
    screen.expect_gone("plain");
    screen.press("cwork\r");
    screen.expect("yesteryear");
    screen.press("q");
    assert!(screen.wait());
    assert_eq!(listed(&world, "INBOX"), ["report"]);
    assert_eq!(world.files("mail/[Gmail]/All Mail").len(), 3, "no file went anywhere");
    assert_eq!(listed(&world, HOME).len(), 3);
}
