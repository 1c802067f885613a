//! The index made anew: beside the one that serves, killed at any moment, for another version's tables, and under
//! the hands of a program that has the old one open. And the comparison that says whether it is right.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::support::patience::becomes;
use crate::terminal::{Session, World};

const LOCAL: &str = r#"
[accounts.ada]
address = "ada@example.org"
name = "Ada Lovelace"
maildir = "{home}/mail"
"#;

/// A home with mail that nobody has touched for an hour.
fn filled(letters: u32) -> World {
    let world = World::new(LOCAL);
    for folder in ["INBOX", "Archive"] {
        for sub in ["cur", "new", "tmp"] {
            fs::create_dir_all(world.path("mail").join(folder).join(sub)).unwrap();
        }
    }
    for number in 1..=letters {
        put(&world, if number.is_multiple_of(3) { "Archive" } else { "INBOX" }, number);
    }
    grow_old(&world);
    world
}

fn put(world: &World, folder: &str, number: u32) {
    let answer = if number > 5 { format!("In-Reply-To: <m{}@example.net>\n", number % 5 + 1) } else { String::new() };
    let text = format!(
        "From: Bob <bob@example.net>\nTo: ada@example.org\nSubject: letter {number}\nMessage-ID: <m{number}@example.net>\n\
         {answer}Date: Mon, 02 Nov 2026 10:{:02}:{:02} +0000\n\nof brass and number{number}\n",
        number / 60 % 60,
        number % 60
    );
    let flags = if number.is_multiple_of(2) { "S" } else { "" };
    fs::write(world.path("mail").join(folder).join(format!("cur/{}.n{number}:2,{flags}", 1000 + number)), text)
        .unwrap();
}

/// Directories that moved of late are not believed to have stood still.
fn grow_old(world: &World) {
    let then = SystemTime::now() - Duration::from_hours(1);
    for folder in ["INBOX", "Archive"] {
        for sub in ["cur", "new"] {
            File::open(world.path("mail").join(folder).join(sub)).unwrap().set_modified(then).unwrap();
        }
    }
}

/// All that the index says of all mail.
fn answers(world: &World) -> String {
    let all = ["search", "--json", "--limit", "10000", "is:read or is:unread"];
    world.succeed(&all) + &world.succeed(&["folders", "--json"]) + &world.succeed(&["search", "--ids", "number7"])
}

/// The index's files but those that only say who is at work.
fn files(world: &World) -> Vec<String> {
    let entries = fs::read_dir(world.path("cache/tern")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> =
        names.filter(|name| !["index.db.lock", "index.db.building"].contains(&name.as_str())).collect();
    names.sort();
    names
}

fn database(world: &World) -> rusqlite::Connection {
    rusqlite::Connection::open(world.path("cache/tern/index.db")).unwrap()
}

fn version(world: &World) -> i64 {
    database(world).pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Makes the index anew until it is killed at the `nth` call of one kind; says whether it was, and `None` if this
/// machine does not let itself be traced.
fn killed_at(world: &World, call: &str, nth: usize) -> Option<bool> {
    let traced = Command::new("strace")
        .args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={call}")])
        .args(["-e", &format!("inject={call}:signal=KILL:when={nth}")])
        .arg(env!("CARGO_BIN_EXE_tern"))
        .args(["index", "--rebuild", "--quiet"])
        .env_remove("TERN_CONFIG")
        .envs(world.variables())
        .stdin(Stdio::null())
        .output();
    match traced {
        Ok(output) if text(&output).contains("strace:") => None,
        Ok(output) => Some(!output.status.success()),
        Err(_) => None,
    }
}

#[test]
fn whatever_kills_it_an_index_serves() {
    let world = filled(90);
    world.succeed(&["index"]);
    let before = answers(&world);
    if killed_at(&world, "symlink", 1).is_none() {
        eprintln!("not tested, it takes strace and the right to trace");
        return;
    }
    assert_eq!(answers(&world), before, "after the first kill");
    let mut kills = 0;
    // Each step on the way of the new file into its place, and some of those on which it is written.
    for call in ["symlink", "rename", "unlink", "ftruncate", "fsync", "pwrite64"] {
        let mut nth = 1;
        while nth < 4_000 && killed_at(&world, call, nth) == Some(true) {
            kills += 1;
            assert_eq!(answers(&world), before, "killed at {call} number {nth}");
            nth = if call == "pwrite64" { nth * 3 } else { nth + 1 };
        }
        assert!(nth > 1, "{call} was never called");
        let agreed = world.succeed(&["index", "--verify"]);
        assert!(agreed.contains("index and mail agree: 2 folders, 90 messages, 90 of them read again"), "{agreed}");
    }
    assert!(kills > 12, "{kills}");
    assert_eq!(answers(&world), before);
    let left = files(&world);
    assert!(left.len() <= 4 && left.iter().filter(|name| name.ends_with(['1', '2'])).count() == 1, "{left:?}");
}

#[test]
fn one_of_another_version_serves_until_the_new_one_is_made() {
    let world = filled(30);
    world.succeed(&["index"]);
    let now = version(&world);
    let old = answers(&world);
    {
        let db = database(&world);
        db.execute_batch("DROP TABLE contact_words; PRAGMA user_version = 1").unwrap();
    }
    put(&world, "INBOX", 31);
    // Commands that read do not wait for it.
    assert_eq!(answers(&world), old);
    let output = world.run(&["list"]);
    assert!(output.status.success() && text(&output).contains("`tern index` makes it anew"), "{}", text(&output));
    let unlike = world.run(&["index", "--verify"]);
    assert_eq!(unlike.status.code(), Some(1));
    assert!(text(&unlike).contains("another version of tern\n  next: run `tern index`"), "{}", text(&unlike));
    assert_eq!(version(&world), 1, "none of them wrote it");

    // One that is killed once its list is on the screen has done no harm.
    let mut tern = Session::start(&world, &[], 120, 35);
    tern.expect("letter 29");
    tern.kill();
    assert!(answers(&world).contains("letter 29"));
    let mut tern = Session::start(&world, &[], 120, 35);
    tern.expect("letter 31");
    assert_eq!(version(&world), now);
    tern.press("q");
    assert!(tern.wait());
    assert!(world.succeed(&["index", "--verify"]).contains("agree: 2 folders, 31 messages"));

    // Without a screen it is made anew by the command that says so.
    database(&world).execute_batch("PRAGMA user_version = 99").unwrap();
    assert_eq!(world.succeed(&["index"]), "2 folders, 31 messages, 31 read\n");
    assert_eq!(version(&world), now);
}

#[test]
fn who_has_the_old_one_open_moves_over() {
    let world = filled(12);
    world.succeed(&["index"]);
    let mut tern = Session::start(&world, &[], 120, 35);
    tern.expect("letter 11");
    assert_eq!(world.succeed(&["index", "--rebuild"]), "2 folders, 12 messages, 12 read\n");
    put(&world, "INBOX", 13);
    // What is done now is written into the new one, and with it comes what the old one was told of.
    tern.press("F");
    tern.expect("letter 13");
    let starred = || text(&world.run(&["search", "--ids", "is:starred"])).lines().count();
    becomes("the star is in the new index", starred, &1);
    tern.press("q");
    assert!(tern.wait());
    assert!(world.succeed(&["index", "--verify"]).contains("index and mail agree"));
}

#[test]
fn two_do_not_build_at_once() {
    let world = filled(3);
    world.succeed(&["index"]);
    let held = File::create(world.path("cache/tern/index.db.building")).unwrap();
    held.lock().unwrap();
    let output = world.run(&["index", "--rebuild"]);
    assert_eq!(output.status.code(), Some(75));
    assert!(text(&output).contains("another program is making the index anew"), "{}", text(&output));
    drop(held);
    world.succeed(&["index", "--rebuild"]);
}

/// What `--verify --json` tells, and how it ended.
fn verified(world: &World) -> (Option<i32>, Vec<Value>) {
    let output = world.run(&["index", "--verify", "--json"]);
    let told = String::from_utf8(output.stdout).unwrap();
    (output.status.code(), told.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

/// The kinds of what is told, with counts and next steps.
fn kinds(told: &[Value]) -> BTreeSet<String> {
    let one = |it: &Value| format!("{} {} {}: {}", it["check"], it["count"], it["what"], it["next"]).replace('"', "");
    told.iter().filter(|it| it.get("check").is_some()).map(one).collect()
}

#[test]
fn what_is_wrong_is_told_with_what_puts_it_right() {
    let world = filled(20);
    world.succeed(&["index"]);
    let (code, told) = verified(&world);
    assert_eq!((code, told.len()), (Some(0), 1), "{told:?}");
    assert_eq!((&told[0]["agrees"], &told[0]["read"]), (&true.into(), &20.into()));
    let newest = "(SELECT message FROM places WHERE name = '1020.n20')";
    let table: [(&str, &[&str]); 11] = [
        (
            "UPDATE mailboxes SET unread = unread + 1, starred = 7 WHERE name = 'INBOX'",
            &["counts 2 counts are wrong"],
        ),
        (
            "UPDATE conversations SET messages = 9 WHERE mailbox <> 0 AND thread = (SELECT min(thread) FROM conversations)",
            &["conversations 1 conversations are counted wrongly"],
        ),
        (
            "UPDATE places SET info = ':2,', flags = 0 WHERE name = '1020.n20'",
            &[
                "flags 1 files have other flags than the index knows",
                "counts 1 counts are wrong",
                "conversations 1 conversations are counted wrongly",
            ],
        ),
        ("UPDATE messages SET subject = 'forged' WHERE id = NEWEST", &["rows 1 rows say something else than their message"]),
        (
            "DELETE FROM words WHERE rowid = NEWEST",
            &["words 1 messages have no words", "words 1 messages are not found by all of their words"],
        ),
        (
            "DELETE FROM words WHERE rowid = NEWEST; INSERT INTO words(rowid, body) VALUES(NEWEST, 'of')",
            &["words 1 messages are not found by all of their words"],
        ),
        (
            "DELETE FROM words WHERE rowid = NEWEST;
             INSERT INTO words(rowid, subject, sender, recipients, cc, body, files, list)
             VALUES(NEWEST, 'letter 20', 'Bob bob@example.net', 'ada@example.org', '', 'of brass and number20 and gold', '', '')",
            &["words 1 messages are found by words that they do not have"],
        ),
        ("INSERT INTO words(rowid, body) VALUES(5, 'of nobody')", &["words 1 words are of no message"]),
        ("UPDATE messages SET indexed = 0 WHERE id = NEWEST", &[
            "words 1 messages are still to be read for their words: tern index",
            "words 1 words are of no message",
        ]),
        (
            "DELETE FROM links",
            &[
                "conversations 20 messages are in another conversation than their Message-ID",
                "conversations 15 messages are in another conversation than those they answer",
                "conversations 15 messages are in another conversation than those they name",
            ],
        ),
        (
            "UPDATE messages SET thread = 7 WHERE id = NEWEST",
            &[
                "conversations 1 places are in another conversation than their message",
                "conversations 1 messages are in another conversation than their Message-ID",
                "conversations 1 messages are in another conversation than those they answer",
                "conversations 1 messages are in another conversation than those they name",
            ],
        ),
    ];
    for (damage, wanted) in table {
        database(&world).execute_batch(&damage.replace("NEWEST", newest)).unwrap();
        let (code, told) = verified(&world);
        let wanted: BTreeSet<String> = wanted
            .iter()
            .map(|it| if it.contains(": ") { (*it).to_owned() } else { format!("{it}: tern index --rebuild") })
            .collect();
        assert_eq!((code, kinds(&told)), (Some(1), wanted), "{damage}");
        world.succeed(&["index", "--rebuild"]);
        assert_eq!(verified(&world).0, Some(0), "after {damage}");
    }
}

#[test]
fn what_was_not_taken_in_yet_is_no_damage() {
    let world = filled(9);
    world.succeed(&["index"]);
    put(&world, "INBOX", 10);
    fs::remove_file(world.path("mail/INBOX/cur/1001.n1:2,")).unwrap();
    fs::rename(world.path("mail/INBOX/cur/1002.n2:2,S"), world.path("mail/INBOX/cur/1002.n2:2,FS")).unwrap();
    fs::create_dir_all(world.path("mail/Fresh/cur")).unwrap();
    fs::create_dir_all(world.path("mail/Fresh/new")).unwrap();
    fs::create_dir_all(world.path("mail/Fresh/tmp")).unwrap();
    let (code, told) = verified(&world);
    let wanted = [
        "files 1 files are not in the index: tern index",
        "files 1 rows have no file: tern index",
        "flags 1 files have other flags than the index knows: tern index",
        "folders 1 are not in the index: tern index",
    ];
    assert_eq!((code, kinds(&told)), (Some(1), wanted.map(str::to_owned).into()));
    let output = world.run(&["index", "--verify"]);
    let words = text(&output);
    assert!(words.contains("ada, INBOX: 1 rows have no file\n    1001.n1\n  next: run `tern index`"), "{words}");
    world.succeed(&["index"]);
    assert_eq!(verified(&world).0, Some(0));
}

/// Hears which files of a directory are opened.
struct Watch(std::os::fd::OwnedFd);

impl Watch {
    fn on(directories: &[PathBuf]) -> Self {
        use rustix::fs::inotify;
        let fd = inotify::init(inotify::CreateFlags::NONBLOCK).unwrap();
        for directory in directories {
            inotify::add_watch(&fd, directory, inotify::WatchFlags::OPEN).unwrap();
        }
        Self(fd)
    }

    fn opened(&self) -> Vec<String> {
        let mut buffer = [std::mem::MaybeUninit::uninit(); 4096];
        let mut events = rustix::fs::inotify::Reader::new(&self.0, &mut buffer);
        let mut names = Vec::new();
        while let Ok(event) = events.next() {
            // A directory itself has no name here.
            names.extend(event.file_name().map(|name| name.to_string_lossy().into_owned()));
        }
        names
    }
}

#[test]
fn where_nothing_changed_no_message_is_opened() {
    let world = filled(8);
    world.succeed(&["index"]);
    let directories = ["INBOX/cur", "INBOX/new", "Archive/cur", "Archive/new"].map(|it| world.path("mail").join(it));
    let watch = Watch::on(&directories);
    world.succeed(&["index"]);
    world.succeed(&["search", "brass"]);
    world.succeed(&["list"]);
    let mut tern = Session::start(&world, &[], 120, 35);
    tern.expect("letter 8");
    tern.press("q");
    assert!(tern.wait());
    assert_eq!(watch.opened(), Vec::<String>::new());
    // One that changed is read, and no other.
    put(&world, "INBOX", 10);
    watch.opened();
    world.succeed(&["index"]);
    assert_eq!(watch.opened().into_iter().collect::<BTreeSet<_>>(), ["1010.n10:2,S".to_owned()].into());
}
