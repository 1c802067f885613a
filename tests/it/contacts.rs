//! Addresses while they are typed, and `tern address` as mutt and aerc call it.

use std::fs;
use std::process::Stdio;

use serde_json::Value;
use tern::job::{IndexReport, Report, Ticket};
use tern::keys::Context;
use tern::mail::clean::Clean;
use tern::mail::contact::{Suggestion, Use};

use crate::support::driver::{Driver, World as Fake, person};
use crate::terminal::{Session, World};

const SIZE: (u16, u16) = (80, 24);

fn driver_of(size: (u16, u16)) -> Driver {
    let mut world = Fake::with(&["ada"]);
    world.people = [
        "Grace Hopper <grace@navy.example>",
        "Greta Grünwald <greta@forest.example>",
        "Lin Wei <lin@example.cn>",
        "\"Hopper, Gray\" <gray@x.example>",
    ]
    .map(person)
    .into();
    let team: Vec<_> = world.people[..2].iter().flat_map(|one| one.addresses.clone()).collect();
    world.people.push(Suggestion { addresses: team, group: Some(Clean::line("The Team")), used: Use::default() });
    world.add("ada", "INBOX", "Lin Wei", "hello");
    Driver::new(world, &["ada"], size)
}

fn driver() -> Driver {
    driver_of(SIZE)
}

#[test]
fn a_few_letters_and_enter_are_an_address() {
    let mut driver = driver();
    driver.press("m").type_text("gr").expect("Grace Hopper <grace@navy.example>").expect("sent 3");
    driver.expect("Greta Grünwald").expect_no("Lin Wei <lin").press("Enter");
    driver.expect("To        Grace Hopper <grace@navy.example>,").expect_no("Greta");
    driver
        .press("Enter")
        .type_text("Lunch")
        .press("Enter")
        .type_text("At noon?")
        .press("Esc")
        .expect("Ready to be sent");
    assert_eq!(driver.draft().to, "Grace Hopper <grace@navy.example>");
}

#[test]
fn several_are_taken_one_after_the_other_and_none_twice() {
    let mut driver = driver();
    driver.press("m").type_text("gr").press("Down Tab").type_text("gr").expect_no("greta@forest.example>   ");
    driver.expect("Grace Hopper").press("Up Up Tab").type_text("lin").press("Tab Tab");
    assert_eq!(
        driver.draft().to,
        "Greta Grünwald <greta@forest.example>, Grace Hopper <grace@navy.example>, Lin Wei <lin@example.cn>"
    );
    driver.type_text("g").expect("Gray").press("Tab");
    driver.press("Shift-Tab").type_text("l").expect_no("lin@example.cn>  sent");
}

#[test]
fn a_group_is_all_of_its_people() {
    let mut driver = driver();
    driver.press("m").type_text("the").expect("The Team (2 people)").expect("group").press("Enter Enter");
    assert_eq!(driver.draft().to, "Grace Hopper <grace@navy.example>, Greta Grünwald <greta@forest.example>");
}

#[test]
fn an_address_that_is_typed_whole_is_meant() {
    let mut driver = driver();
    driver.world.people.push(person("Other <grace@navy.example.org>"));
    driver.press("m").type_text("grace@navy.exam").expect("grace@navy.example.org").type_text("ple");
    driver.press("Enter");
    assert_eq!(driver.draft().to, "grace@navy.example", "nobody is put in its place");
    driver.press("Shift-Tab Shift-Tab Ctrl-u").type_text("grace@navy.example").press("Down Enter Enter");
    assert_eq!(driver.draft().to, "Grace Hopper <grace@navy.example>", "but for one who is chosen");
}

#[test]
fn escape_takes_none_and_then_ends_the_writing() {
    let mut driver = driver();
    driver.press("m").type_text("gr").expect("Grace Hopper").press("Esc").expect_no("Grace Hopper");
    assert_eq!(driver.model.context(), Context::Editor);
    driver
        .type_text("a")
        .expect("Grace Hopper")
        .press("Left")
        .expect_no("Grace Hopper")
        .press("Esc")
        .expect("no address");
}

#[test]
fn what_comes_late_counts_no_more() {
    let mut driver = driver();
    driver.press("m").type_text("gr").expect("Grace Hopper");
    driver.hold = true;
    driver.type_text("x");
    driver.expect_no("Grace Hopper");
    driver.report(Report::Index(IndexReport::Completed { ticket: Ticket(1), found: driver.world.people.clone() }));
    driver.expect_no("Grace Hopper").press("Backspace").type_text("e").expect_no("Hopper").release().expect("Greta");
}

#[test]
fn a_subject_and_a_text_are_no_addresses() {
    let mut driver = driver();
    driver.press("m Tab Tab").type_text("grace").expect_no("navy.example").press("Tab").type_text("grace");
    driver.expect_no("navy.example");
    driver.press("Esc c").type_text("gr").expect("navy.example").press("Enter Enter");
    assert_eq!(driver.draft().cc, "Grace Hopper <grace@navy.example>");
}

#[test]
fn suggestions_fit_a_small_screen() {
    for size in [(40, 12), (40, 6), (41, 7), (200, 50)] {
        let mut driver = driver_of(size);
        driver.press("m").type_text("gr");
        driver.press("Down Down Up").expect("Greta Gr");
    }
    let mut driver = driver_of((40, 12));
    insta::assert_snapshot!(driver.press("m").type_text("gr").screen());
    let mut driver = driver_of((80, 24));
    insta::assert_snapshot!(driver.press("m").type_text("gr").press("Down").screen());
}

const CONFIG: &str = r#"
[contacts]
vcards = ["{home}/book"]
[accounts.ada]
address = "ada@example.org"
maildir = "{home}/mail"
"#;

/// A world in which Ada wrote to Grace, Bob wrote to her, and Lin stands in a book.
fn filled() -> World {
    let world = World::new(CONFIG);
    for sub in ["INBOX/cur", "INBOX/new", "INBOX/tmp"] {
        fs::create_dir_all(world.path("mail").join(sub)).unwrap();
    }
    let put = |name: &str, from: &str, to: &str| {
        let text = format!(
            "From: {from}\nTo: {to}\nMessage-ID: <{name}@x>\nDate: Mon, 02 Nov 2026 10:00:00 +0000\nSubject: s\n\ntext\n"
        );
        fs::write(world.path("mail/INBOX/cur").join(format!("100{name}.x:2,S")), text).unwrap();
    };
    put("1", "ada@example.org", "Grace\u{1b}[31m Hopper <grace@navy.example>, noname@navy.example");
    put("2", "Bob Navy <bob@example.net>", "ada@example.org");
    fs::create_dir(world.path("book")).unwrap();
    fs::write(world.path("book/l.vcf"), "BEGIN:VCARD\nFN:Lin Navy\nEMAIL:lin@example.cn\nEND:VCARD\n").unwrap();
    world
}

fn code(world: &World, arguments: &[&str]) -> Option<i32> {
    world.command(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().code()
}

#[test]
fn other_programs_get_the_lines_they_read() {
    let world = filled();
    let lines = world.succeed(&["address", "hop"]);
    assert_eq!(lines, "grace@navy.example\tGrace[31m Hopper\n");
    assert_eq!(
        world.succeed(&["address", "--format=mutt", "gr", "hop"]),
        format!("1 address\n{}\tsent 1\n", lines.trim_end())
    );
    let mutt = world.succeed(&["address", "--format=mutt", "navy"]);
    let rows: Vec<Vec<&str>> = mutt.lines().skip(1).map(|line| line.split('\t').collect()).collect();
    assert!(mutt.starts_with("4 addresses\n") && rows.iter().all(|row| row.len() == 3), "{mutt}");
    assert!(rows.contains(&vec!["noname@navy.example", "", "sent 1"]), "{mutt}");
    assert!(rows.contains(&vec!["lin@example.cn", "Lin Navy", "address book"]), "{mutt}");
    assert_eq!(world.succeed(&["address", "--limit", "1", "bob"]), "bob@example.net\tBob Navy\n");

    let object: Value = serde_json::from_str(&world.succeed(&["address", "--format=json", "hop"])).unwrap();
    assert_eq!((&object["v"], &object["addr"], &object["sent"]), (&1.into(), &"grace@navy.example".into(), &1.into()));
    assert_eq!(object["last"], "2026-11-02T10:00:00Z");

    assert_eq!(code(&world, &["address", "--format=mutt", "zzz"]), Some(1));
    assert_eq!(code(&world, &["address", "--format=json", "zzz"]), Some(1));
    assert_eq!(world.succeed(&["address", "zzz"]), "", "aerc takes another code for a failure");
    assert_eq!(code(&world, &["address"]), Some(2));
    assert_eq!(world.succeed(&["address", "--", "-hop", "--"]), lines);

    fs::remove_file(world.path("book/l.vcf")).unwrap();
    assert_eq!(world.succeed(&["address", "lin"]), "");
}

#[test]
fn a_book_that_is_not_there_hides_nobody() {
    let world = filled();
    fs::remove_dir_all(world.path("book")).unwrap();
    let output = world.command(&["address", "hop"]).output().unwrap();
    assert_eq!((output.status.code(), output.stdout.is_empty()), (Some(0), false));
    assert!(String::from_utf8_lossy(&output.stderr).contains("book: No such file"), "{output:?}");
    let again = world.command(&["address", "hop"]).output().unwrap();
    assert!(again.stderr.is_empty(), "nothing changed since: {again:?}");
}

/// neomutt shows whom the command found, with the status line, and writes to the one that is chosen.
#[test]
fn neomutt_takes_the_address() {
    let world = filled();
    let tern = env!("CARGO_BIN_EXE_tern");
    let home = world.home().display();
    let rc = format!(
        "set query_command = \"'{tern}' address --format=mutt %s\"\nset folder=\"{home}\"\nset mbox_type=Maildir\n\
         set spoolfile=\"{home}/mail/INBOX\"\nset header_cache=\"\"\nset sidebar_visible=no\nset tmpdir=\"{home}\"\n"
    );
    world.write("muttrc", &rc);
    let file = world.path("muttrc");
    let arguments = ["-n", "-F", file.to_str().unwrap()];
    let mut mutt = Session::start_program("neomutt", &world, &arguments, (100, 24), &[]);
    mutt.expect("Msgs:2");
    mutt.press("Q");
    mutt.expect("Query");
    mutt.press("navy\r");
    mutt.expect_that("lists them all", |screen| {
        ["lin@example.cn", "Bob Navy", "address book", "sent 1", "noname@"].iter().all(|text| screen.contains(text))
    });
    mutt.press("q");
    mutt.expect("Msgs:2");
    mutt.press("Q");
    mutt.expect("Query");
    mutt.press("hop\r");
    mutt.expect("Grace[31m Hopper");
    mutt.press("m");
    mutt.expect("To: ");
    mutt.expect("grace@navy.example");
}
