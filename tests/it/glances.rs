//! A command where nothing changed: it asks the index by one connection that cannot write, and waits for nobody who
//! does. Whatever did change is seen before the answer.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tern::app::{glance, refresh, start};
use tern::config::{self, Config, Engine, Paths};
use tern::ledger::{Labelled, Ledger};
use tern::mail::ids::{MessageId, Timestamp};
use tern::mail::labels::{Label, Labels, View};
use tern::mail::mailbox::{MailboxName, Role};
use tern::mail::notes::{Edit, Identity, Seam, Timer, TimerKind};
use tern::mail::place::{MailboxId, UniqueName};

use crate::terminal::World;

const LOCAL: &str = "[accounts.ada]\naddress = \"ada@example.org\"\nmaildir = \"{home}/mail\"\n";

/// A home with an index that knows all of it.
struct Home {
    directory: tempfile::TempDir,
    config: Config,
    /// How many seconds after the first time the directories were changed.
    age: u64,
}

impl Home {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let paths = Paths::under(directory.path());
        paths.create().unwrap();
        let text = LOCAL.replace("{home}", directory.path().to_str().unwrap());
        fs::create_dir_all(&paths.config).unwrap();
        fs::write(&paths.config_file, text).unwrap();
        fs::set_permissions(&paths.config_file, fs::Permissions::from_mode(0o600)).unwrap();
        let config = config::load(&paths, Some(&paths.config_file));
        assert!(config.problems.is_empty(), "{:?}", config.problems);
        let home = Self { directory, config, age: 0 };
        for folder in ["INBOX", "Lists", "All"] {
            home.make(folder);
        }
        home.put("INBOX/cur/1000.a:2,S", "one");
        home.put("Lists/new/1001.b", "two");
        home
    }

    fn mail(&self, below: &str) -> PathBuf {
        self.directory.path().join("mail").join(below)
    }

    fn make(&self, folder: &str) {
        for sub in ["cur", "new", "tmp"] {
            fs::create_dir_all(self.mail(folder).join(sub)).unwrap();
        }
    }

    fn put(&self, file: &str, id: &str) {
        fs::write(self.mail(file), letter(id)).unwrap();
    }

    fn is_quiet(&self) -> bool {
        glance::unchanged(&self.config).is_some()
    }

    fn ledger(&self) -> Ledger {
        Ledger::open(&self.config.paths.data).unwrap().0
    }

    fn sql(&self, sql: &str) {
        let db = rusqlite::Connection::open(start::index_file(&self.config)).unwrap();
        db.execute_batch(sql).unwrap();
    }

    /// Brings the index up to date, long after the last change.
    fn refresh(&mut self, told: &refresh::Roles) -> usize {
        self.age += 10;
        let then = SystemTime::now() - Duration::from_hours(2) + Duration::from_secs(self.age);
        for folder in fs::read_dir(self.mail("")).unwrap() {
            for sub in ["cur", "new"] {
                File::open(folder.as_ref().unwrap().path().join(sub)).unwrap().set_modified(then).unwrap();
            }
        }
        let refreshed =
            refresh::refresh(&self.config, told, &mut |_, _| {}, &|| false, &mut |_| Ok(Vec::new())).unwrap();
        refreshed.faults.len()
    }

    /// What changed is seen, and once it was taken in nothing is left to be seen.
    #[track_caller]
    fn sees(&mut self, what: &str) {
        assert!(!self.is_quiet(), "{what} was not seen");
        self.refresh(&refresh::Roles::new());
        assert!(self.is_quiet(), "{what} was taken in, and there is nothing else");
        assert!(self.is_quiet(), "looking changes nothing");
    }
}

fn letter(id: &str) -> String {
    format!(
        "From: Bob <bob@example.net>\nTo: ada@example.org\nSubject: {id}\nMessage-ID: <{id}@x>\n\
         Date: Mon, 02 Nov 2026 10:00:00 +0000\n\nof brass\n"
    )
}

fn name(text: &str) -> MailboxName {
    MailboxName::new(text).unwrap()
}

fn card(email: &str) -> String {
    format!("BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Lin Wei\r\nEMAIL:{email}\r\nEND:VCARD\r\n")
}

#[test]
fn whatever_changes_in_the_mail_is_seen() {
    let mut home = Home::new();
    home.sees("an index that is not there");
    home.put("INBOX/new/1002.c", "three");
    home.sees("new mail");
    fs::rename(home.mail("INBOX/cur/1000.a:2,S"), home.mail("INBOX/cur/1000.a:2,FS")).unwrap();
    home.sees("a flag");
    fs::rename(home.mail("INBOX/new/1002.c"), home.mail("Lists/cur/1002.c:2,")).unwrap();
    home.sees("a move");
    fs::remove_file(home.mail("Lists/cur/1002.c:2,")).unwrap();
    home.sees("a removal");
    home.make("Later");
    home.sees("a folder");
    fs::remove_dir_all(home.mail("Later")).unwrap();
    home.sees("a folder that is gone");
    let from = home.mail("Lists/cur");
    fs::rename(&from, home.mail("Lists/away")).unwrap();
    assert!(!home.is_quiet(), "a directory that is gone");
    fs::rename(home.mail("Lists/away"), &from).unwrap();
    assert!(home.is_quiet());
}

#[test]
fn whatever_changes_in_the_settings_is_seen() {
    let mut home = Home::new();
    home.sees("an index that is not there");
    home.config.accounts[0].aliases.push("countess@example.org".to_owned());
    home.sees("an address of one's own");
    home.config.contacts.harvest = false;
    home.sees("contacts that are not to be harvested");
    home.config.contacts.harvest = true;
    home.sees("contacts that are");
    home.config.accounts[0].folders.by_role.insert(Role::Archive, name("Lists"));
    home.sees("what a folder is for");
    home.config.accounts[0].folders.by_role.clear();
    assert!(home.is_quiet(), "nobody says that it is for something else");
    let inbox = MailboxId { account: home.config.accounts[0].id.clone(), name: name("All") };
    home.refresh(&refresh::Roles::from([(inbox, Role::Junk)]));
    assert!(home.is_quiet(), "what a server said is remembered");

    let book = home.directory.path().join("people.vcf");
    home.config.contacts.vcards = vec![book.clone()];
    assert!(!home.is_quiet() && home.refresh(&refresh::Roles::new()) == 1, "a book that cannot be read is told");
    assert!(!home.is_quiet(), "and told again");
    fs::write(&book, card("lin@example.org")).unwrap();
    home.sees("a book");
    fs::write(&book, card("wei.lin@example.org")).unwrap();
    home.sees("a card");
    home.config.contacts.vcards.clear();
    home.sees("a book that is none any more");
    home.config.search.engine = Engine::Notmuch;
    assert!(!home.is_quiet(), "others change a database of notmuch's");
}

#[test]
fn whatever_changes_in_the_ledger_is_seen() {
    let mut home = Home::new();
    home.sees("an index that is not there");
    let mut ledger = home.ledger();
    assert!(home.is_quiet(), "an empty ledger says nothing new");
    let id = |text: &str| Identity::Id(MessageId::new(text).unwrap());
    let mut edit = Edit::default();
    edit.seams.insert(id("two@x"), Seam { cut: false, joined: Some(id("one@x")) });
    ledger.note(&edit).unwrap();
    home.sees("two conversations that were joined");
    edit.seams.insert(id("two@x"), Seam { cut: true, joined: None });
    ledger.note(&edit).unwrap();
    home.sees("one that was cut off");
    let key = (id("one@x"), TimerKind::Snooze);
    let timer = Timer { due: Timestamp::new(4_000_000_000), set_at: Timestamp::new(1_000_000_000) };
    ledger.note(&Edit { timers: [(key.clone(), Some(timer))].into(), ..Edit::default() }).unwrap();
    assert!(!home.is_quiet());
    home.refresh(&refresh::Roles::new());
    assert!(!home.is_quiet(), "a timer changes with the clock");
    ledger.note(&Edit { timers: [(key, None)].into(), ..Edit::default() }).unwrap();
    home.sees("a timer that was taken back");

    let account = home.config.accounts[0].id.clone();
    let of = |text: &str| MailboxId { account: account.clone(), name: name(text) };
    let view = |text: &str, role, label| View { mailbox: of(text), role, label, home: of("All") };
    let mut labelled =
        Labelled { home: name("All"), views: vec![view("Starred", Some(Role::Flagged), Label::Starred)] };
    ledger.set_labelled(&account, Some(&labelled)).unwrap();
    home.sees("folders that are labels");
    ledger.mailbox(&of("All")).unwrap();
    home.sees("labels of a mailbox that was met");
    labelled.views.push(view("Important", None, Label::Important));
    ledger.set_labelled(&account, Some(&labelled)).unwrap();
    home.sees("one more label");
    let starred: Labels = [Label::Starred].into_iter().collect();
    ledger.label(&of("All"), &[UniqueName::new("1000.a").unwrap()], &starred, &Labels::default()).unwrap();
    home.sees("a label that was given");
    labelled.views[0].role = None;
    ledger.set_labelled(&account, Some(&labelled)).unwrap();
    home.sees("what a label is for");
    ledger.set_labelled(&account, None).unwrap();
    home.sees("folders that are labels no more");
    drop(ledger);
    for file in ["ledger.db", "ledger.db-wal"] {
        fs::write(home.config.paths.data.join(file), "this is no ledger".repeat(1_000)).unwrap();
    }
    assert!(!home.is_quiet(), "a ledger that cannot be read");
}

#[test]
fn an_index_that_has_something_to_do_or_is_no_good_is_seen() {
    let mut home = Home::new();
    home.sees("an index that is not there");
    home.sql("UPDATE mailboxes SET settled = 1 WHERE name = 'INBOX'");
    home.sees("a mailbox whose next message is a new one");
    home.sql("INSERT INTO orphans VALUES(7)");
    home.sees("a message that lies nowhere");
    home.sql("INSERT INTO unharvested SELECT id FROM messages");
    home.sees("a message whose people are not known");
    home.sql("UPDATE messages SET indexed = 0; DELETE FROM words");
    home.sees("a message without words");
    home.sql("INSERT INTO meta VALUES('notmuch noted', 'somewhere')");
    home.sees("a database that is followed no more");
    home.sql("PRAGMA user_version = 99");
    assert!(!home.is_quiet(), "another version");
    assert!(index_of(&home).exists());
    fs::write(index_of(&home), "this is no database at all".repeat(1_000)).unwrap();
    for helper in ["index.db-wal", "index.db-shm"] {
        drop(fs::remove_file(index_of(&home).with_file_name(helper)));
    }
    home.sees("a damaged index");
}

fn index_of(home: &Home) -> PathBuf {
    start::index_file(&home.config)
}

/// Nobody else may write meanwhile, so that whoever wants to fails to, after a while.
fn with_the_pen(index: &Path) -> rusqlite::Connection {
    let db = rusqlite::Connection::open(index).unwrap();
    db.execute_batch("BEGIN IMMEDIATE").unwrap();
    db
}

#[test]
fn commands_write_nothing_and_wait_for_nobody_where_nothing_changed() {
    let world = World::new(LOCAL);
    let cur = world.path("mail/INBOX/cur");
    for sub in ["cur", "new", "tmp"] {
        fs::create_dir_all(world.path("mail/INBOX").join(sub)).unwrap();
    }
    fs::write(cur.join("1000.a:2,S"), letter("one")).unwrap();
    for sub in ["cur", "new"] {
        let then = SystemTime::now() - Duration::from_hours(1);
        File::open(world.path("mail/INBOX").join(sub)).unwrap().set_modified(then).unwrap();
    }
    let commands: [&[&str]; 5] =
        [&["search", "--ids", "brass"], &["search", "--count", "brass"], &["list"], &["folders"], &["show", "one@x"]];
    let answers = || commands.map(|arguments| world.succeed(arguments));
    let before = answers();
    assert_eq!(before[0], "ada:INBOX:1000.a\n");
    let index = world.path("cache/tern/index.db");
    let pen = with_the_pen(&index);
    let bytes = fs::read(&index).unwrap();
    for (arguments, before) in commands.iter().zip(before) {
        let output = world.run(arguments);
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{arguments:?}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), before, "{arguments:?}");
    }
    assert_eq!(fs::read(&index).unwrap(), bytes);
    drop(pen);
    fs::write(cur.join("1001.b:2,S"), letter("two")).unwrap();
    assert_eq!(world.succeed(&["search", "--count", "brass"]), "2\n", "what comes is seen before the answer");
}
