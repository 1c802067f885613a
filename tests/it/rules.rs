//! Rules with the real binary: what arrives is moved, tagged and given to programs before anything lists it, once,
//! whatever happens in between; the server hears of it; by hand they look at what is named.

use std::fs;
use std::path::Path;

use tern::config::{self, Paths};
use tern::job::index::{IndexReport, Match};
use tern::job::rules::{Deed, RulesJob, RulesReport};
use tern::job::{IndexJob, Job, Report};
use tern::mail::flags::{Flag, Flags};
use tern::mail::place::{Place, UniqueName};

use crate::servers::dovecot::Dovecot;
use crate::support::driver::{self, Driver, mailbox};
use crate::support::patience::becomes;
use crate::terminal::{Session, World, account};

const LOCAL: &str = r#"
[accounts.ada]
address = "ada@example.org"
maildir = "{home}/mail"
"#;

/// A home with a Maildir of two folders in which a message lies, and these rules.
fn local(rules: &str) -> World {
    let world = World::new(&format!("{LOCAL}{}", rules.replace("{sh}", &shell_rule())));
    for folder in ["INBOX", "Lists/rust", "Archive", "Sent"] {
        for sub in ["cur", "new", "tmp"] {
            fs::create_dir_all(world.path("mail").join(folder).join(sub)).unwrap();
        }
    }
    deliver(&world, "INBOX", 1, "rust news of old", "brass");
    world
}

/// How a rule runs a script of the home.
fn shell_rule() -> String {
    "[\"sh\", \"{home}/script\"]".to_owned()
}

fn letter(number: u32, subject: &str, text: &str) -> String {
    format!(
        "From: Grace Hopper <grace@example.net>\nTo: ada@example.org\nSubject: {subject}\n\
         Message-ID: <{number}@example.net>\nDate: Mon, 02 Nov 2026 10:00:{number:02} +0000\n\n{text}\n"
    )
}

/// Another program delivers a message.
fn deliver(world: &World, folder: &str, number: u32, subject: &str, text: &str) {
    let file = world.path("mail").join(folder).join("new").join(format!("17000000{number:02}.M{number}P1.host"));
    fs::write(file, letter(number, subject, text)).unwrap();
}

/// The messages that a query finds, oldest first, each with its folder.
fn found(world: &World, query: &str) -> Vec<String> {
    let output = world.run(&["search", "--json", "--", query]);
    let text = String::from_utf8(output.stdout).unwrap();
    let row = |line: &str| {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        format!("{} {}", row["folder"].as_str().unwrap_or_default(), row["subject"].as_str().unwrap_or_default())
    };
    text.lines().rev().map(row).collect()
}

fn read(world: &World, below: &str) -> String {
    fs::read_to_string(world.path(below)).unwrap_or_default()
}

const MOVE: &str = r#"
[[rules]]
name = "rust"
match = "subject:rust body:brass"
move = "Lists/rust"
tag = ["+lists"]
star = true
stop = true

[[rules]]
name = "all"
match = ""
read = true
"#;

#[test]
fn what_another_program_delivers_goes_where_a_rule_says_and_what_was_there_stays() {
    let world = local(MOVE);
    assert_eq!(found(&world, "*"), ["INBOX rust news of old"], "it was there before");
    deliver(&world, "INBOX", 2, "rust is out", "a brass band");
    deliver(&world, "INBOX", 3, "rust without the word", "tin");
    deliver(&world, "Sent", 4, "rust in a sent one", "brass");
    assert_eq!(found(&world, "in:lists/rust is:starred tag:lists is:unread"), ["Lists/rust rust is out"]);
    assert_eq!(found(&world, "is:read"), ["INBOX rust without the word"], "`stop` kept the other from the second rule");
    assert_eq!(found(&world, "in:sent"), ["Sent rust in a sent one"]);
    assert!(read(&world, "mail/Lists/rust/dovecot-keywords").contains("lists"));
    // What the user moves back stays there, also when the index is made anew.
    let file = world.files("mail/Lists/rust").remove(0);
    fs::rename(&file, world.path("mail/INBOX/cur").join(file.file_name().unwrap())).unwrap();
    assert_eq!(found(&world, "in:inbox is:starred"), ["INBOX rust is out"]);
    world.succeed(&["index", "--rebuild"]);
    assert_eq!(found(&world, "in:inbox is:starred"), ["INBOX rust is out"]);
    // From then on, too, what is new is new.
    deliver(&world, "INBOX", 5, "rust again", "brass");
    assert_eq!(found(&world, "in:lists/rust"), ["Lists/rust rust again"]);
}

#[test]
fn mail_that_comes_while_the_index_is_made_anew_meets_the_rules_and_what_was_there_does_not() {
    const ANEW: &str = "PRAGMA user_version = 1";
    let world = local(MOVE);
    assert_eq!(found(&world, "*"), ["INBOX rust news of old"]);
    deliver(&world, "Archive", 2, "rust, and read long ago", "brass");
    assert_eq!(found(&world, "in:lists/rust"), ["Lists/rust rust, and read long ago"], "it is new there as well");
    let file = world.files("mail/Lists/rust").remove(0);
    fs::rename(&file, world.path("mail/Archive/cur").join(file.file_name().unwrap())).unwrap();
    assert_eq!(found(&world, "in:archive"), ["Archive rust, and read long ago"]);
    let outdate =
        || rusqlite::Connection::open(world.path("cache/tern/index.db")).unwrap().execute_batch(ANEW).unwrap();
    outdate();
    // The old index serves, and nobody writes it: one message comes, one of old is put elsewhere by another program.
    deliver(&world, "INBOX", 3, "rust is out", "brass");
    let file = world.files("mail/INBOX").into_iter().find(|file| file.to_string_lossy().contains("M1P1")).unwrap();
    fs::rename(file, world.path("mail/Archive/cur/1700000099.M9P9.host:2,")).unwrap();
    world.succeed(&["index"]);
    assert_eq!(found(&world, "in:lists/rust is:starred"), ["Lists/rust rust is out"]);
    assert_eq!(found(&world, "in:archive"), ["Archive rust news of old", "Archive rust, and read long ago"]);
    assert!(world.succeed(&["index", "--verify"]).contains("3 messages"));
    let db = rusqlite::Connection::open(world.path("cache/tern/index.db")).unwrap();
    let words: i64 = db.query_row("SELECT count(*) FROM words_docsize", [], |row| row.get(0)).unwrap();
    assert_eq!(words, 3, "what was left out has left no words");
    drop(db);
    // The same on the screen, where a thread makes it anew.
    outdate();
    deliver(&world, "INBOX", 4, "rust 2", "brass");
    deliver(&world, "INBOX", 5, "tin", "tin");
    let mut tern = Session::start(&world, &[], 100, 30);
    tern.expect("tin");
    becomes(
        "the rule has met it",
        || found(&world, "in:lists/rust"),
        &vec!["Lists/rust rust is out".to_owned(), "Lists/rust rust 2".to_owned()],
    );
    tern.press("Q");
    assert!(tern.wait());
    // Made anew once more, nothing is new.
    let file = world.files("mail/Lists/rust").remove(0);
    fs::rename(&file, world.path("mail/INBOX/cur").join(file.file_name().unwrap())).unwrap();
    world.succeed(&["index"]);
    world.succeed(&["index", "--rebuild"]);
    assert_eq!(found(&world, "in:lists/rust").len(), 1);
    assert_eq!(found(&world, "in:inbox is:starred").len(), 1);
    assert!(world.succeed(&["index", "--verify"]).contains("index and mail agree"));
}

#[test]
fn a_program_gets_the_message_once_and_its_failure_is_told() {
    let rules = "[[rules]]\nname = \"note it\"\nmatch = \"is:unread\"\nrun = {sh}\narchive = true\n";
    let world = local(rules);
    world.write("script", "cat >> $HOME/out\necho \"$TERN_RULE $TERN_ACCOUNT $TERN_FOLDER\" >> $HOME/out\nenv | grep ^CARGO >> $HOME/out\necho 'no more paper' >&2\nexit 7\n");
    found(&world, "*");
    deliver(&world, "INBOX", 2, "print me", "text");
    let output = world.run(&["index"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("no more paper") && said.contains("rule `note it`") && said.contains("print me"), "{said}");
    assert_eq!(read(&world, "out"), format!("{}note it ada INBOX\n", letter(2, "print me", "text")));
    assert_eq!(found(&world, "subject:print"), ["Archive print me"], "the rest of the rule is done all the same");
    assert_eq!(found(&world, "subject:old"), ["INBOX rust news of old"]);
}

#[test]
fn a_kill_in_the_middle_loses_no_message_and_starts_no_program_twice() {
    let rules =
        "[[rules]]\nname = \"deadly\"\nmatch = \"subject:deadly\"\nrun = {sh}\nmove = \"Lists/rust\"\nread = true\n";
    let world = local(rules);
    world.write("script", "echo begun >> $HOME/out\nkill -9 $PPID\n");
    found(&world, "*");
    deliver(&world, "INBOX", 2, "deadly", "text");
    let output = world.run(&["search", "deadly"]);
    assert_eq!(output.status.code(), None, "it was killed by the program it started");
    assert_eq!(read(&world, "out"), "begun\n");
    assert_eq!(world.files("mail/INBOX").len(), 2, "the message lies where it lay");
    // The next look finds it new again, does what can be done twice, and says what nobody knows.
    let output = world.run(&["search", "--ids", "in:lists/rust is:read"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("it was cut short, and is not started again for that message"), "{said}");
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 1);
    assert_eq!(read(&world, "out"), "begun\n");
    let output = world.run(&["search", "deadly"]);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "it is done, and said once");
}

#[test]
fn by_hand_they_look_at_what_is_named_as_often_as_it_is() {
    let world = local(&MOVE.replace("match = \"\"", "match = \"subject:tin\""));
    found(&world, "*");
    let listed = world.succeed(&["rules", "list"]);
    assert_eq!(listed.lines().next(), Some("rust: subject:rust body:brass -> +lists, star, move to Lists/rust, stop"));
    let output = world.run(&["rules", "run", "--dry-run", "brass"]);
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("rust  "), "{output:?}");
    assert_eq!(found(&world, "*"), ["INBOX rust news of old"]);
    world.succeed(&["rules", "run", "brass"]);
    assert_eq!(found(&world, "is:starred"), ["Lists/rust rust news of old"]);
    let output = world.run(&["rules", "run", "subject:nothing"]);
    assert_eq!(output.status.code(), Some(1));
    let output = world.run(&["rules", "run", "is:odd"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn config_check_points_at_a_bad_query_and_at_an_unknown_folder() {
    let rules = "[[rules]]\nname = \"a\"\nmatch = \"from:ada is:odd\"\nread = true\n\
                 [[rules]]\nname = \"b\"\nmatch = \"x\"\nmove = \"lists/Rust\"\n\
                 [[rules]]\nname = \"c\"\nmatch = \"x\"\nmove = \"Lists/rust\"\n";
    let world = local(rules);
    let output = world.run(&["config", "check"]);
    assert_eq!(output.status.code(), Some(78));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let pointed = |line: &str| {
        let at = said.lines().position(|shown| shown.contains(line)).unwrap_or_else(|| panic!("{line}\n{said}"));
        let (shown, below) = (said.lines().nth(at).unwrap(), said.lines().nth(at + 1).unwrap());
        shown[below.find('^').unwrap()..=below.rfind('^').unwrap()].to_owned()
    };
    assert_eq!(pointed("from:ada is:odd"), "o", "{said}");
    assert_eq!(pointed("move = \"lists/Rust\""), "lists/Rust", "{said}");
    assert!(said.contains("did you mean `Lists/rust`?") && said.contains("2 errors"), "{said}");
}

/// A server with INBOX and Lists for ada, and her home, synced once.
fn served(rules: &str) -> (Dovecot, World) {
    let dovecot = Dovecot::start();
    let _ = dovecot.deliver("ada", "INBOX", letter(1, "rust of old", "brass").as_bytes());
    let _ = dovecot.deliver("ada", "Lists", letter(2, "in a list", "tin").as_bytes());
    let world = World::new(&format!("{}{}", account(&dovecot, "ada", ""), rules.replace("{sh}", &shell_rule())));
    world.succeed(&["sync"]);
    (dovecot, world)
}

/// The subjects in a mailbox on the server with their flags.
fn on_server(dovecot: &Dovecot, mailbox: &str) -> Vec<String> {
    let text = dovecot.doveadm(&["-f", "tab", "fetch", "-u", "ada", "hdr.subject flags", "mailbox", mailbox, "all"]);
    text.lines().skip(1).map(|line| line.replace('\t', ": ").replace(" \\Recent", "").replace("\\Recent", "")).collect()
}

const SERVED: &str = r#"
[[rules]]
name = "rust"
match = "subject:rust body:brass"
move = "Lists"

[[rules]]
name = "tag"
match = "from:grace -in:lists"
tag = ["+grace"]
"#;

#[test]
fn what_a_sync_fetches_is_moved_and_tagged_on_the_server_too() {
    let (dovecot, world) = served(SERVED);
    assert_eq!(on_server(&dovecot, "INBOX"), ["rust of old: "], "the first sync brings what was there");
    let _ = dovecot.deliver("ada", "INBOX", letter(3, "rust is out", "a brass band").as_bytes());
    let _ = dovecot.deliver("ada", "INBOX", letter(4, "lunch", "at noon").as_bytes());
    let told = world.succeed(&["sync"]);
    assert!(told.contains("rules: 2 messages"), "{told}");
    world.succeed(&["sync"]);
    assert_eq!(on_server(&dovecot, "INBOX"), ["rust of old: ", "lunch: grace"]);
    assert_eq!(on_server(&dovecot, "Lists"), ["in a list: ", "rust is out: grace"]);
    // It is moved back on the server: it was seen before.
    dovecot.doveadm(&["move", "-u", "ada", "INBOX", "mailbox", "Lists", "subject", "rust is out"]);
    world.succeed(&["sync"]);
    world.succeed(&["sync"]);
    assert_eq!(on_server(&dovecot, "Lists"), ["in a list: "]);
    assert_eq!(on_server(&dovecot, "INBOX").len(), 3);
}

#[test]
fn on_the_screen_a_message_that_is_moved_is_never_seen_in_the_inbox() {
    let (dovecot, world) = served(SERVED);
    let mut tern = Session::start(&world, &[], 120, 35);
    tern.expect("rust of old");
    tern.expect("idle");
    let _ = dovecot.deliver("ada", "INBOX", letter(3, "rust is out", "a brass band").as_bytes());
    let _ = dovecot.deliver("ada", "INBOX", letter(4, "lunch", "at noon").as_bytes());
    // What came behind it is there with its tag, and it is not.
    let screen = tern.expect_that("lunch with its tag", |screen| {
        assert!(!screen.contains("rust is out"), "it was seen:\n{screen}");
        screen.lines().any(|line| line.contains("lunch") && line.contains("[grace]"))
    });
    assert!(!screen.contains("rust is out"), "{screen}");
    becomes("the server has it in Lists", || on_server(&dovecot, "Lists").len(), &2);
    becomes("and not in INBOX", || on_server(&dovecot, "INBOX").len(), &2);
    tern.press("cLists\r");
    tern.expect("rust is out");
    // By hand: the one that was there before the rules were asked.
    tern.press("gi");
    tern.expect("rust of old");
    tern.press("G");
    tern.expect("2/2");
    tern.press(";");
    tern.expect("Rules matched 1 message");
    becomes("the old one follows", || on_server(&dovecot, "Lists").len(), &3);
    tern.press("u");
    tern.expect("Undone: rules matched 1 message");
    becomes("and comes back", || on_server(&dovecot, "Lists").len(), &2);
    tern.kill();
}

#[test]
fn the_key_gives_the_selection_to_the_rules_and_what_they_did_is_undone_as_one() {
    let mut config = driver::config(&["ada"]);
    let text = "[accounts.ada]\naddress = \"a@example.org\"\n[[rules]]\nname = \"x\"\nmatch = \"x\"\nread = true\n";
    config.rules = config::parse(text, &Paths::under(Path::new("/home/ada"))).rules;
    let mut world = driver::World::with(&["ada"]);
    for subject in ["one", "two"] {
        world.add("ada", "INBOX", "Grace Hopper", subject);
    }
    let mut driver = Driver::with_config(world, &config, (110, 24));
    driver.press("Space Space ;").expect("The rules look at 2 messages");
    let asked = driver.outside.iter().rev().find_map(|job| match job {
        Job::Rules(RulesJob::Run { ticket, places }) => Some((*ticket, places.clone())),
        _ => None,
    });
    let (ticket, places) = asked.unwrap();
    assert_eq!(places.len(), 2);
    driver.report(Report::Rules(RulesReport::Over { ticket, matched: 0, deeds: Vec::new() })).expect("No rule matches");
    // One was flagged and moved: undone, it is flagged where it lies, and moved back then.
    let from = places[0].clone();
    let to = Place { mailbox: mailbox("ada", "Work"), unique: UniqueName::new("moved").unwrap() };
    let read = Flags::only(Flag::Seen);
    let mail = driver.world.mails.iter_mut().find(|mail| mail.place == from).unwrap();
    (mail.place, mail.flags) = (to.clone(), read.clone());
    let deeds = vec![
        Deed::Flags { places: vec![from.clone()], add: read, remove: Flags::none() },
        Deed::Moved(vec![(from.clone(), to)]),
    ];
    driver.report(Report::Rules(RulesReport::Over { ticket, matched: 1, deeds })).expect("Rules matched 1 message");
    driver.press("u").expect("Undone: rules matched 1 message");
    let back = driver.world.mails.iter().find(|mail| mail.place.mailbox == from.mailbox && mail.subject == "two");
    let other = driver.world.mails.iter().filter(|mail| mail.place.mailbox == from.mailbox).count();
    assert_eq!(other, 2);
    assert!(back.is_none_or(|mail| !mail.flags.has(Flag::Seen)));
    // New messages that rules match go to the thread at once.
    let row = driver.model.list.rows[0].clone();
    let matched = vec![Match { row: row.clone(), digest: 7, rules: vec![0] }];
    driver.report(Report::Index(IndexReport::Matched(matched.clone())));
    assert_eq!(driver.outside.last(), Some(&Job::Rules(RulesJob::Act(matched))));
    let mut jobs = tern::state::update(
        &mut driver.model,
        tern::state::Event::Report(Report::Rules(RulesReport::Arrived(vec![row.place.clone()]))),
    );
    assert_eq!(jobs.pop(), Some(Job::Index(IndexJob::Release(vec![row.place]))));
}
