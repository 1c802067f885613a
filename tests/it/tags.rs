//! Tags, as a person gives and takes them: by a menu, on a selection, undone; shown in the list and above the
//! message; told from labels where the account has those.

use tern::mail::flags::{Flag, Flags, Keyword};

use crate::saved_searches::on_disk;
use crate::support::driver::{Driver, World};
use crate::terminal;

/// Three messages: one is tagged.
fn three() -> Driver {
    let mut world = World::with(&["ada"]);
    for subject in ["one", "two", "three"] {
        world.add("ada", "INBOX", "Grace Hopper", subject);
    }
    world.mails[2].flags = Flags::from_imap(["\\Seen", "todo", "NonJunk"]);
    world.add("ada", "Archive", "Lin Wei", "old").flags = Flags::from_imap(["\\Seen", "gr&APYA3w-er"]);
    Driver::new(world, &["ada"], (110, 24))
}

fn words(driver: &Driver, subject: &str) -> Vec<String> {
    let mail = driver.world.mails.iter().find(|mail| mail.subject == subject).unwrap();
    mail.flags.keywords().map(Keyword::as_str).map(str::to_owned).collect()
}

#[test]
fn a_tag_is_given_from_the_menu_taken_away_and_both_are_undone() {
    let mut driver = three();
    driver.press("+").expect("Give or take a tag").expect("todo").expect("größer").expect_no("NonJunk");
    driver.type_text("td").press("Enter").expect("Tagged 1 message td");
    assert_eq!(words(&driver, "one"), ["td"], "what only resembles a tag is not taken for it");
    driver.press("+").expect("has it").type_text("tod").press("Enter").expect("Tagged 1 message todo");
    driver.expect("[td] [todo]");
    assert_eq!(words(&driver, "one"), ["td", "todo"]);
    driver.press("+").type_text("todo").press("Enter").expect("Took the tag todo from 1 message");
    assert_eq!(words(&driver, "one"), ["td"]);
    driver.press("u").expect("Undone: took the tag todo");
    assert_eq!(words(&driver, "one"), ["td", "todo"]);
    driver.press("u u");
    assert!(words(&driver, "one").is_empty());
    assert_eq!(words(&driver, "three"), ["NonJunk", "todo"], "nothing else was touched");
}

#[test]
fn a_selection_is_tagged_as_one_and_undone_where_it_was_changed() {
    let mut driver = three();
    driver.press("Space Space Space +").expect("some have it").type_text("todo").press("Enter");
    driver.expect("Tagged 2 messages todo");
    for subject in ["one", "two"] {
        assert_eq!(words(&driver, subject), ["todo"]);
    }
    driver.press("u");
    assert!(words(&driver, "one").is_empty() && words(&driver, "two").is_empty());
    assert_eq!(words(&driver, "three"), ["NonJunk", "todo"], "it had the tag before");
}

#[test]
fn what_can_be_no_tag_is_said_and_other_letters_are_spelled() {
    let mut driver = three();
    driver.press("+").type_text("a(b").expect("a tag has none of (").press("Enter").expect("No tag can be called that");
    assert!(words(&driver, "one").is_empty());
    driver.press("+").type_text("für später").expect("New tag: für_später").press("Enter");
    driver.expect("[für_später]").expect("Tagged 1 message für_später");
    assert_eq!(words(&driver, "one"), ["f&APw-r_sp&AOQ-ter"]);
}

#[test]
fn a_tag_that_cannot_be_written_is_taken_back_on_screen() {
    let mut driver = three();
    driver.hold = true;
    driver.press("+").type_text("later").press("Enter").expect("[later]");
    driver.broken = true;
    driver.release().expect_no("[later]").expect("cannot write");
}

#[test]
fn the_message_shows_its_tags_as_they_change() {
    let mut driver = three();
    driver.press("G Enter").expect("The text of three.").expect("Tags").expect("[todo]").expect_no("NonJunk");
    driver.press("+").type_text("work").press("Enter").expect("[todo] [work]");
    driver.press("u").expect_no("[work]");
    driver.press("+").type_text("todo").press("Enter").expect_no("Tags");
    assert!(driver.world.mails[2].flags.has(Flag::Seen));
}

#[test]
fn a_search_finds_a_tag_as_it_is_read() {
    let mut driver = three();
    driver.press("/").type_text("tag:größer").press("Enter");
    assert_eq!(driver.at(), "old");
    driver.press("/").press("Ctrl-u").type_text("tag:todo").press("Enter");
    assert_eq!(driver.at(), "three");
}

#[test]
fn labels_are_shown_as_tags_are_but_for_the_view_they_are_shown_in() {
    let mut world = World::labelled("ada");
    let mail = world.add_labelled("ada", &["\\Inbox", "Work", "Trips/Rome"], "Lin Wei", "tickets");
    mail.flags = mail.flags.clone().with_keyword(Keyword::new("todo").unwrap());
    let mut driver = Driver::new(world, &["ada"], (120, 24));
    driver.expect("[todo] [Trips/Rome] [Work]");
    driver.press("Enter").expect("Tags").press("q c").type_text("Work").press("Enter").expect("[todo] [Trips/Rome]");
    driver.press("+").expect("Give or take a label");
}

#[test]
fn a_long_subject_leaves_a_third_of_its_room_and_a_narrow_one_nothing() {
    let mut world = World::with(&["ada"]);
    let mail = world.add("ada", "INBOX", "Grace Hopper", &"subject ".repeat(30));
    mail.flags = Flags::from_imap(["alpha", "beta", "gamma", "delta", "epsilon"]);
    let mut driver = Driver::new(world, &["ada"], (120, 24));
    driver.expect("[alpha] ~").expect_no("[beta]").expect("subject subject");
}

const LOCAL: &str = r#"
[accounts.ada]
address = "ada@example.org"
maildir = "{home}/mail"
"#;

fn ids(world: &terminal::World, query: &str) -> String {
    let output = world.command(&["search", "--ids", "--", query]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().replace('\n', " ").trim_end().to_owned()
}

#[test]
fn tern_tag_tags_what_a_query_finds() {
    let world = on_disk(LOCAL);
    let dry = world.succeed(&["tag", "-n", "+todo", "-inbox", "--", "brass"]);
    assert_eq!((dry.lines().count(), ids(&world, "tag:todo").as_str()), (3, ""), "{dry}");
    assert!(dry.lines().all(|line| line.starts_with("+todo -inbox  2026-11-02")), "{dry}");
    world.succeed(&["tag", "+todo", "-unread", "subject:s1"]);
    assert_eq!(ids(&world, "tag:todo is:read"), "ada:INBOX:2.b");
    assert_eq!(std::fs::read_to_string(world.path("mail/INBOX/dovecot-keywords")).unwrap(), "0 todo\n");
    assert!(world.path("mail/INBOX/cur/2.b:2,Sa").exists());

    world.succeed(&["tag", "+größer", "-inbox", "--", "-subject:s2"]);
    assert_eq!(ids(&world, "in:inbox"), "");
    let tagged = ids(&world, "tag:größer in:archive");
    assert_eq!(tagged.split(' ').count(), 2, "{tagged}");
    assert_eq!(ids(&world, "tag:todo").split(' ').count(), 1, "a tag goes with its message");

    let both: Vec<&str> = tagged.split(' ').collect();
    world.succeed(&["tag", "-größer", "-todo", "+flagged", "+inbox", both[0], both[1]]);
    assert_eq!((ids(&world, "tag:größer"), ids(&world, "tag:todo")), (String::new(), String::new()));
    assert_eq!(ids(&world, "is:starred in:inbox").split(' ').count(), 2);
}

#[test]
fn tern_tag_refuses_what_it_cannot_do() {
    let world = on_disk(LOCAL);
    for (arguments, code, words) in [
        (&["tag", "+a(b", "brass"][..], 2, "a tag has none of ("),
        (&["tag", "+todo"], 2, "no query or id follows"),
        (&["tag", "brass"], 2, "no tag is named"),
        (&["tag", "+todo", "from:(x"], 2, "^"),
        (&["tag", "+todo", "nobodywrotethis"], 1, "0 found"),
        (&["tag", "+todo", "ada:INBOX:9.z"], 1, "there is no message ada:INBOX:9.z"),
    ] {
        let output = world.command(arguments).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {told}");
        assert!(told.contains(words), "{arguments:?}: {told}");
    }
    assert_eq!(ids(&world, "tag:todo"), "");
}
