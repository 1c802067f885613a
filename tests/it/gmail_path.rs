//! The whole way of a mailbox at Gmail, with the real binary and a socket: each message comes once, its labels
//! are views, what is archived, labelled and trashed on either side reaches the other, and a program that is
//! killed at random moments loses and doubles nothing. `TERN_TEST_SEED` chooses another course of events.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;
use tern::ledger::Ledger;
use tern::mail::ids::AccountId;
use tern::mail::labels::{Label, Labels};
use tern::mail::mailbox::MailboxName;
use tern::mail::place::{MailboxId, UniqueName};

use crate::support::gmail::{Gmail, Home, Tongue};
use crate::support::letters::letter;
use crate::support::patience::becomes;
use crate::terminal::{Session, World};

const ALL: &str = "[Gmail]/All Mail";
const TRASH: &str = "[Gmail]/Trash";
/// How often the program is killed.
const KILLS: u32 = 15;

/// A user of the server who has synced nothing yet.
fn world(server: &Gmail) -> World {
    World::new(&format!(
        "[accounts.ada]\naddress = \"ada@example.org\"\nmaildir = \"{{home}}/mail\"\n\
         password = {{ file = \"{{home}}/password\" }}\n\
         imap = {{ host = \"127.0.0.1\", port = {}, tls = \"plain\", user = \"ada\" }}\n",
        server.port
    ))
}

/// Four letters: in the inbox, in the inbox with a label, with two labels, with none.
fn filled() -> (Gmail, World, Vec<u64>) {
    let server = Gmail::start(Tongue::English);
    let labels: [&[&str]; 4] = [&["\\Inbox"], &["\\Inbox", "Work"], &["Work", "Gr&APwA3w-e/R&-D"], &[]];
    let ids = (1..).zip(labels).map(|(number, labels)| server.deliver(&letter(number), labels)).collect();
    let world = world(&server);
    (server, world, ids)
}

fn files(world: &World, folder: &str) -> Vec<PathBuf> {
    world.files(&format!("mail/{folder}"))
}

fn subject(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.lines().find_map(|line| line.strip_prefix("Subject: ")).expect("a subject").to_owned()
}

/// The subjects in a folder or view, newest first.
fn listed(world: &World, folder: &str) -> Vec<String> {
    let text = world.succeed(&["list", "--json", "--limit", "1000", folder]);
    let subject = |line: &str| serde_json::from_str::<Value>(line).unwrap()["subject"].as_str().unwrap().to_owned();
    text.lines().map(subject).collect()
}

/// The folders that lie on disk with mail in them, and how much.
fn counts(world: &World) -> BTreeMap<String, usize> {
    let text = world.succeed(&["folders", "--json"]);
    let rows = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let names = rows.map(|row| row["folder"].as_str().unwrap().to_owned());
    names.map(|name| (name.clone(), files(world, &name).len())).filter(|(_, count)| *count > 0).collect()
}

/// What the server was asked to change.
fn changes(server: &Gmail) -> Vec<String> {
    let verbs = ["UID STORE", "UID MOVE", "UID COPY", "UID EXPUNGE", "APPEND", "CREATE", "DELETE", "RENAME"];
    server.heard().into_iter().filter(|command| verbs.iter().any(|verb| command.starts_with(verb))).collect()
}

#[test]
fn each_message_comes_once_and_its_labels_are_views() {
    let (server, world, ids) = filled();
    world.succeed(&["sync"]);
    assert_eq!(counts(&world), [(ALL.to_owned(), 4)].into());
    assert_eq!(listed(&world, "INBOX"), ["Letter 2", "Letter 1"]);
    assert_eq!(listed(&world, "Work"), ["Letter 3", "Letter 2"]);
    assert_eq!(listed(&world, "Grüße/R&D"), ["Letter 3"]);
    assert_eq!(listed(&world, ALL).len(), 4);

    // A second time there is nothing to do, and little is said.
    server.listen_anew();
    assert_eq!(world.succeed(&["sync"]), "");
    let said = server.heard();
    assert!(said.len() <= 6 && !said.iter().any(|command| command.contains("FETCH")), "{said:#?}");

    // What changes there shows here, with no file touched.
    let before = files(&world, ALL);
    server.relabel(ids[0], &["Work"], &["\\Inbox"]);
    server.relabel(ids[3], &["Trips/Rome"], &[]);
    world.succeed(&["sync"]);
    assert_eq!((listed(&world, "INBOX"), listed(&world, "Trips/Rome")), (words(&[2]), words(&[4])));
    assert_eq!(listed(&world, "Work"), words(&[3, 2, 1]));
    assert_eq!((files(&world, ALL), changes(&server)), (before, Vec::new()));
}

/// The subjects of letters.
fn words(numbers: &[u32]) -> Vec<String> {
    numbers.iter().map(|number| format!("Letter {number}")).collect()
}

#[test]
fn what_is_archived_while_the_server_is_down_is_archived_there_later() {
    let (server, world, ids) = filled();
    world.succeed(&["sync"]);
    server.set_down(true);
    let mut screen = Session::start(&world, &[], 100, 24);
    screen.expect("Letter 2");
    screen.press("a");
    screen.expect_gone("Letter 2");
    screen.press("q");
    assert!(screen.wait());
    assert_eq!((listed(&world, "INBOX"), listed(&world, "Work")), (words(&[1]), words(&[3, 2])));
    assert_eq!(server.message(ids[1]).0, ["Work", "\\Inbox"]);
    server.set_down(false);
    world.succeed(&["sync"]);
    assert_eq!(server.message(ids[1]), (vec!["Work".to_owned()], Home::All));
    assert_eq!(world.succeed(&["sync"]), "");
    assert_eq!((listed(&world, "INBOX"), files(&world, ALL).len()), (words(&[1]), 4));
}

#[test]
fn on_the_screen_both_sides_change_at_once() {
    let (server, world, ids) = filled();
    world.succeed(&["sync"]);
    let mut screen = Session::start(&world, &[], 100, 24);
    screen.expect("Letter 2");
    // Trash from the view of the inbox is the message itself; archived is what is under the cursor then.
    screen.press("d");
    becomes("it lies in the trash there", || server.message(ids[1]), &(Vec::new(), Home::Trash));
    screen.expect_gone("Letter 2");
    screen.press("a");
    becomes("it is archived there", || server.message(ids[0]), &(Vec::new(), Home::All));
    // No timer is due: the connection that listens tells of what another client does. It listens where all mail
    // lies, since what is no news in the inbox may be some in another view.
    let listens = || server.heard().iter().any(|command| command == "IDLE in [Gmail]/All Mail");
    becomes("all mail is listened to", listens, &true);
    screen.press("cwork\r");
    screen.expect("Letter 3");
    server.relabel(ids[3], &["Work"], &[]);
    screen.expect("Letter 4");
    server.deliver(&letter(5), &["\\Inbox", "Work"]);
    screen.expect("Letter 5");
    screen.press("q");
    assert!(screen.wait());
    world.succeed(&["sync"]);
    assert_eq!(counts(&world), [(ALL.to_owned(), 4), (TRASH.to_owned(), 1)].into());
    assert_eq!(
        ["INBOX", "Work", TRASH].map(|folder| listed(&world, folder)),
        [words(&[5]), words(&[5, 4, 3]), words(&[2])]
    );
}

#[test]
fn rules_archive_label_and_move_what_arrives_before_the_inbox_shows_it() {
    const RULES: &str = r#"
[[rules]]
name = "archive"
match = "subject:5"
archive = true
read = true

[[rules]]
name = "label"
match = "subject:6"
tag = ["+work", "+nowhere"]
star = true

[[rules]]
name = "move"
match = "subject:7"
move = "Work"

[[rules]]
name = "trash"
match = "subject:8"
move = "[Gmail]/Trash"
"#;
    let (server, world, _) = filled();
    let config = fs::read_to_string(world.path("config/tern/config.toml")).unwrap();
    world.configure(&format!("{config}{RULES}"));
    world.succeed(&["sync"]);
    assert_eq!(listed(&world, "INBOX"), words(&[2, 1]), "what was there is not new");
    let ids: Vec<u64> = (5..=9).map(|number| server.deliver(&letter(number), &["\\Inbox"])).collect();
    let output = world.run(&["sync"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("rules: 4 messages") && said.contains("there is no label `nowhere`"), "{said}");
    assert_eq!(listed(&world, "INBOX"), words(&[9, 6, 2, 1]));
    assert_eq!(listed(&world, "Work"), words(&[7, 6, 3, 2]));
    assert_eq!(listed(&world, TRASH), words(&[8]));
    for _ in 0..2 {
        world.succeed(&["sync"]);
    }
    let labels = |id: u64| server.message(id).0;
    assert_eq!(
        [ids[0], ids[1], ids[2], ids[4]].map(labels),
        [
            vec![],
            vec!["Work".to_owned(), "\\Inbox".to_owned(), "\\Starred".to_owned()],
            vec!["Work".to_owned()],
            vec!["\\Inbox".to_owned()],
        ]
    );
    assert_eq!(server.message(ids[3]).1, Home::Trash);
    assert_eq!((server.count(ALL), files(&world, ALL).len()), (8, 8));
    assert_eq!(world.succeed(&["search", "--count", "--", "is:starred tag:work"]).trim(), "1");
    // What the user puts back into the inbox stays there: it was seen.
    server.relabel(ids[0], &["\\Inbox"], &[]);
    server.relabel(ids[2], &["\\Inbox"], &["Work"]);
    for _ in 0..2 {
        assert!(!world.succeed(&["sync"]).contains("rules:"));
    }
    assert_eq!(listed(&world, "INBOX"), words(&[9, 7, 6, 5, 2, 1]));
    assert_eq!((labels(ids[0]), labels(ids[2])), (vec!["\\Inbox".to_owned()], vec!["\\Inbox".to_owned()]));
}

/// Writes down a wish for labels, as the program does when a key is pressed.
fn wish(world: &World, unique: &UniqueName, add: &[&str], remove: &[&str]) {
    let data = world.variables().into_iter().find(|(name, _)| *name == "XDG_DATA_HOME").unwrap().1.join("tern");
    let labels = |words: &[&str]| words.iter().filter_map(|word| Label::read(word)).collect::<Labels>();
    let home = MailboxId { account: AccountId::new("ada"), name: MailboxName::new(ALL).unwrap() };
    let mut ledger = Ledger::open(&data).unwrap().0;
    ledger.label(&home, std::slice::from_ref(unique), &labels(add), &labels(remove)).unwrap();
}

fn unique(path: &std::path::Path) -> UniqueName {
    UniqueName::new(path.file_name().unwrap().to_str().unwrap().split(":2,").next().unwrap()).unwrap()
}

/// Moves a file to another folder under a name of its own, as a mail program does.
fn move_file(world: &World, path: &std::path::Path, to: &str, number: u32) -> PathBuf {
    let target = world.path(&format!("mail/{to}/cur/1704067200.M{number}P7.here:2,S"));
    fs::rename(path, &target).expect("a rename");
    target
}

#[test]
fn a_message_that_the_server_has_already_stays_one() {
    let (server, world, ids) = filled();
    world.succeed(&["sync"]);
    let before = files(&world, ALL);
    // A copy is filed by another program. The server knows the letter, and tells its UID (APPENDUID).
    fs::write(world.path(&format!("mail/{ALL}/cur/1704067200.M1P7.here:2,S")), letter(1)).unwrap();
    world.succeed(&["sync"]);
    assert_eq!((changes(&server).len(), server.count(ALL)), (1, 4), "{:?}", changes(&server));
    assert_eq!(files(&world, ALL), before, "the file that was known stays");
    // The same of one that comes from the trash (COPYUID), with a wish for a label.
    server.carry(ids[3], Home::Trash);
    world.succeed(&["sync"]);
    let twin = server.deliver(&letter(4), &[]);
    world.succeed(&["sync"]);
    let moved = move_file(&world, &files(&world, TRASH)[0], ALL, 2);
    wish(&world, &unique(&moved), &["Work"], &[]);
    world.succeed(&["sync"]);
    world.succeed(&["sync"]);
    assert_eq!((server.count(ALL), server.count(TRASH), server.message(twin).0), (4, 0, vec!["Work".to_owned()]));
    assert_eq!((counts(&world), listed(&world, "Work")), ([(ALL.to_owned(), 4)].into(), words(&[4, 3, 2])));
    // Nothing is thrown away.
    let dirs = |path: PathBuf| fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    let kept = dirs(world.path("data/tern/quarantine")).flat_map(dirs).flat_map(dirs);
    let mut kept: Vec<String> = kept.map(|file| subject(&fs::read(file).unwrap())).collect();
    kept.sort_unstable();
    assert_eq!(kept, words(&[1, 4]));
    assert_eq!(world.succeed(&["sync"]), "");
}

#[test]
fn a_draft_and_a_file_from_elsewhere_are_told_to_the_server_once() {
    let (server, world, _) = filled();
    world.succeed(&["sync"]);
    fs::write(world.path("mail/[Gmail]/Drafts/cur/1704067200.M1P7.here:2,DS"), letter(5)).unwrap();
    fs::write(world.path(&format!("mail/{ALL}/cur/1704067200.M2P7.here:2,S")), letter(6)).unwrap();
    wish(&world, &UniqueName::new("1704067200.M2P7.here").unwrap(), &["Trips"], &[]);
    // A folder that is made here is a label there, and a file in it has that label.
    world.succeed(&["folders", "create", "Fresh"]);
    fs::write(world.path("mail/Fresh/cur/1704067200.M3P7.here:2,S"), letter(7)).unwrap();
    for _ in 0..3 {
        world.succeed(&["sync"]);
    }
    let there: Vec<(String, Vec<String>)> =
        server.messages().into_iter().skip(4).map(|(bytes, labels, _)| (subject(&bytes), labels)).collect();
    let label = |number, label: &str| (format!("Letter {number}"), vec![label.to_owned()]);
    let there: BTreeMap<_, _> = there.into_iter().collect();
    assert_eq!(there, [label(5, "\\Draft"), label(6, "Trips"), label(7, "Fresh")].into());
    // Drafts are made where they are shown, and all mail has them as well.
    assert_eq!(counts(&world), [(ALL.to_owned(), 7), ("[Gmail]/Drafts".to_owned(), 1)].into());
    assert_eq!((listed(&world, "Trips"), listed(&world, "Fresh")), (words(&[6]), words(&[7])));
    assert!(!world.path("mail/Fresh").exists());
    assert_eq!(world.succeed(&["sync"]), "");
}

#[test]
fn labels_are_made_and_deleted_by_commands_and_where_mail_lies_nothing_is() {
    let (server, world, ids) = filled();
    world.succeed(&["sync"]);
    let refused = |arguments: &[&str], why: &str| {
        let before = (files(&world, ALL).len(), counts(&world));
        let output = world.run(arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains(why), "{arguments:?}: {said}");
        assert_eq!((files(&world, ALL).len(), counts(&world)), before, "{arguments:?}");
    };
    for (arguments, why) in [
        (["folders", "create", "--account=ada", "Work"], "a folder Work already"),
        (["folders", "delete", "--account=ada", "Work"], "2 messages have this label; nothing was deleted"),
        (["folders", "delete", "INBOX", "--yes"], "a label of the server's own"),
        (["folders", "delete", "[Gmail]/Sent Mail", "--yes"], "a label of the server's own"),
        (["folders", "delete", ALL, "--yes"], "lies there"),
        (["folders", "delete", TRASH, "--yes"], "lies there"),
        (["folders", "delete", "Nowhere", "--yes"], "no such folder"),
        (["folders", "rename", "Work", "Play"], "renamed on the server"),
        (["folders", "rename", "Gr\u{fc}\u{df}e", "Play"], "renamed on the server"),
        (["folders", "rename", "[Gmail]", "Play"], "lies there"),
    ] {
        refused(&arguments, why);
    }
    // Thought better of.
    world.succeed(&["folders", "delete", "Work", "--yes"]);
    assert!(world.succeed(&["folders", "create", "Work"]).contains("the label stays"));
    world.succeed(&["folders", "subscribe", "Work"]);
    server.listen_anew();
    world.succeed(&["sync"]);
    assert_eq!(changes(&server), Vec::<String>::new());
    assert!(server.heard().contains(&"SUBSCRIBE \"Work\"".to_owned()), "{:?}", server.heard());
    // Meant: the messages stay.
    assert!(world.succeed(&["folders", "delete", "Work", "--yes"]).contains("which stay"));
    world.succeed(&["folders", "create", "Play"]);
    refused(&["folders", "rename", "Play", "INBOX"], "INBOX");
    for _ in 0..3 {
        world.succeed(&["sync"]);
    }
    assert_eq!((server.message(ids[1]).0, server.count(ALL)), (vec!["\\Inbox".to_owned()], 4));
    let names = server.mailboxes();
    assert!(names.contains(&"Play".to_owned()) && !names.contains(&"Work".to_owned()), "{names:?}");
    assert_eq!((listed(&world, "INBOX"), counts(&world)), (words(&[2, 1]), [(ALL.to_owned(), 4)].into()));
    assert!(!world.succeed(&["folders", "--json"]).contains("\"Work\""));
}

/// Both sides of a mailbox that changes on both while the program is killed, and what must come of it. The
/// two sides give and take labels of their own, so that no wish stands against another.
struct Course {
    server: Gmail,
    world: World,
    /// By number: the X-GM-MSGID, and the labels; none in the trash.
    wanted: BTreeMap<u32, (u64, Option<BTreeSet<&'static str>>)>,
    dice: fastrand::Rng,
    /// What happened, for the one who has to find out why.
    told: Vec<String>,
}

impl Course {
    fn new(seed: u64, letters: u32) -> Self {
        let server = Gmail::start(Tongue::English);
        let (world, dice) = (world(&server), fastrand::Rng::with_seed(seed));
        let mut course = Self { server, world, wanted: BTreeMap::new(), dice, told: Vec::new() };
        (0..letters).for_each(|_| course.arrive());
        course
    }

    fn arrive(&mut self) {
        let number = u32::try_from(self.wanted.len()).unwrap() + 1;
        let labels = if self.dice.bool() { vec!["\\Inbox"] } else { vec!["\\Inbox", "Work"] };
        let id = self.server.deliver(&letter(number), &labels);
        self.wanted.insert(number, (id, Some(labels.into_iter().collect())));
    }

    /// One that lies in All Mail still.
    fn any(&mut self) -> Option<u32> {
        let all: Vec<u32> =
            self.wanted.iter().filter(|(_, (_, labels))| labels.is_some()).map(|(number, _)| *number).collect();
        self.dice.choice(all)
    }

    fn there(&mut self) {
        let Some(number) = self.any() else { return };
        let (id, labels) = self.wanted.get_mut(&number).unwrap();
        if self.dice.u8(0..4) == 0 {
            self.told.push(format!("Letter {number} to the trash there"));
            self.server.carry(*id, Home::Trash);
            *labels = None;
            return;
        }
        let label = if self.dice.bool() { "Work" } else { "Trips/Rome" };
        let labels = labels.as_mut().unwrap();
        self.told.push(format!("Letter {number} {label} toggled there"));
        if labels.remove(label) {
            self.server.relabel(*id, &[], &[label]);
        } else {
            self.server.relabel(*id, &[label], &[]);
            labels.insert(label);
        }
    }

    fn here(&mut self) {
        let Some(path) = self.dice.choice(files(&self.world, ALL)) else { return };
        // The program may rename it at this moment.
        let Ok(bytes) = fs::read(&path) else { return };
        let number: u32 = subject(&bytes).strip_prefix("Letter ").unwrap().parse().unwrap();
        // It may lie in the trash there, which is not known here yet.
        let (_, Some(labels)) = self.wanted.get_mut(&number).unwrap() else { return };
        if self.dice.u8(0..4) == 0 {
            let name = path.file_name().unwrap().to_str().unwrap();
            let name = if name.contains(":2,") { name.to_owned() } else { format!("{name}:2,") };
            let target = self.world.path(&format!("mail/{TRASH}/cur"));
            if target.is_dir() && fs::rename(&path, target.join(name)).is_ok() {
                self.told.push(format!("Letter {number} to the trash here"));
                self.wanted.get_mut(&number).unwrap().1 = None;
            }
            return;
        }
        let label = if self.dice.bool() { "\\Inbox" } else { "Own" };
        self.told.push(format!("Letter {number} {label} toggled here"));
        if labels.remove(label) {
            wish(&self.world, &unique(&path), &[], &[label]);
        } else {
            labels.insert(label);
            wish(&self.world, &unique(&path), &[label], &[]);
        }
    }

    /// Lets the program sync for so long, and then no longer; says whether it had ended.
    fn sync_for(&mut self, time: Duration) -> bool {
        let mut tern = self.world.command(&["sync", "--quiet"]);
        let mut tern = tern.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("tern starts");
        let (start, change) = (Instant::now(), time.mul_f64(self.dice.f64()));
        let mut is_changed = false;
        while start.elapsed() < time {
            if tern.try_wait().expect("our own child").is_some() {
                return true;
            }
            if !is_changed && start.elapsed() > change {
                is_changed = true;
                self.change();
            }
            std::thread::sleep(Duration::from_micros(500));
        }
        let _ = tern.kill();
        tern.wait().expect("our own child");
        false
    }

    fn change(&mut self) {
        match self.dice.u8(0..6) {
            0 => self.arrive(),
            1 | 2 => self.there(),
            _ => self.here(),
        }
    }

    /// Both sides against what must be there.
    fn check(&self) {
        let sorted = |mut rows: Vec<(String, Option<BTreeSet<String>>)>| {
            rows.sort();
            rows
        };
        let owned = |labels: &BTreeSet<&str>| labels.iter().map(|label| (*label).to_owned()).collect();
        let wanted =
            self.wanted.iter().map(|(number, (_, labels))| (format!("Letter {number}"), labels.as_ref().map(owned)));
        let wanted = sorted(wanted.collect());
        let there = self.server.messages().into_iter();
        let there = there
            .map(|(bytes, labels, home)| (subject(&bytes), (home == Home::All).then(|| labels.into_iter().collect())));
        assert_eq!(sorted(there.collect()), wanted, "on the server: {:#?}", self.told);
        let data = self.world.path("data/tern");
        let mut ledger = Ledger::open(&data).unwrap().0;
        let mut here = Vec::new();
        for folder in [ALL, TRASH] {
            let home = MailboxId { account: AccountId::new("ada"), name: MailboxName::new(folder).unwrap() };
            let key = ledger.mailbox(&home).unwrap();
            assert_eq!(ledger.label_wishes(key).unwrap(), BTreeMap::new(), "{:#?}", self.told);
            let rows = ledger.rows(key).unwrap().into_iter();
            let labels: BTreeMap<UniqueName, Labels> = rows.map(|row| (row.unique, row.flags.labels())).collect();
            for path in files(&self.world, folder) {
                let label = |label: &Label| label.as_str().to_owned();
                let labels = labels.get(&unique(&path)).expect("a row").iter().map(label).collect();
                here.push((subject(&fs::read(&path).unwrap()), (folder == ALL).then_some(labels)));
            }
        }
        assert_eq!(sorted(here), wanted, "here: {:#?}", self.told);
        let inbox = wanted.iter().filter(|(_, labels)| labels.as_ref().is_some_and(|it| it.contains("\\Inbox")));
        let mut shown = listed(&self.world, "INBOX");
        shown.sort();
        assert_eq!(shown, inbox.map(|(subject, _)| subject.clone()).collect::<Vec<_>>(), "{:#?}", self.told);
    }
}

#[test]
fn killed_at_random_moments_with_changes_on_both_sides_both_sides_meet() {
    let seed = std::env::var("TERN_TEST_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(20_260_101);
    let mut course = Course::new(seed, 60);
    course.told.push(format!("TERN_TEST_SEED={seed}"));
    let mut ran_out = 0;
    for _ in 0..KILLS {
        for _ in 0..course.dice.u8(0..6) {
            course.change();
        }
        let time = Duration::from_millis(course.dice.u64(10..260));
        let ended = course.sync_for(time);
        course.told.push(format!("{} after {time:?}", if ended { "ended" } else { "killed" }));
        ran_out += u32::from(ended);
    }
    assert!(ran_out < KILLS, "it was never killed at work: {:#?}", course.told);
    for _ in 0..2 {
        course.world.succeed(&["sync", "--quiet"]);
    }
    course.check();
    assert_eq!(course.world.succeed(&["sync"]), "", "nothing is left to do");
}
