//! Saved searches: from the search on screen to a folder below the others, with counts that follow what happens;
//! by name in queries; and with the real binary, where they are kept on disk.

use tern::config::{self, Paths};
use tern::job::files::SavedSearch;
use tern::mail::flags::{Flag, Flags};

use crate::support::driver::{self, Driver, NOW, World};
use crate::terminal::{self, Session};

const SIZE: (u16, u16) = (120, 30);

fn world() -> World {
    let mut world = World::with(&["ada"]);
    for subject in ["invoice 1", "lunch", "invoice 2"] {
        world.add("ada", "INBOX", "Grace Hopper", subject);
    }
    world.add("ada", "Archive", "Grace Hopper", "invoice 0").flags = Flags::only(Flag::Seen);
    world
}

fn names(driver: &Driver) -> Vec<(&str, &str)> {
    let saved = driver.world.searches.iter();
    saved.map(|SavedSearch { name, query }| (name.as_str(), query.as_str())).collect()
}

/// The row of the folder pane that begins so.
#[track_caller]
fn in_pane(driver: &Driver, name: &str) -> String {
    let screen = driver.screen();
    // The first line is the title of the list, which may be called so too.
    let rows = screen.lines().skip(1).filter_map(|line| line.get(..26));
    let row = rows
        .map(|row| row.split_whitespace().filter(|word| *word != "|").collect::<Vec<_>>().join(" "))
        .find(|row| row.contains(name));
    row.unwrap_or_else(|| panic!("{name} is not in the pane:\n{screen}"))
}

#[test]
fn a_search_is_saved_by_a_key_stands_among_the_folders_and_its_counts_follow() {
    let mut driver = Driver::new(world(), &["ada"], SIZE);
    driver.press("F2").expect("Not now: the list is no search");
    driver.press("/").type_text("invo").press("F2").expect("Save the search as:");
    driver.press("Enter").expect("A search needs a name");
    driver.type_text("Invoices").press("Enter").expect("Saved the search Invoices");
    // What was the beginning of a word while it was typed still is.
    assert_eq!(names(&driver), [("Invoices", "invo*")]);
    driver.wait(1);
    assert_eq!(in_pane(&driver, "Invoices"), "> Invoices 2/3");
    assert_eq!(driver.model.list_title().as_str(), "Invoices");
    // The newest is read: one less is unread, as soon as the index has told so.
    driver.press("U").wait(60);
    assert_eq!(in_pane(&driver, "Invoices"), "> Invoices 1/3");
    driver.press("g i").expect("lunch");
    driver.press("h G Enter").expect("invoice 0").expect_no("lunch");
    assert_eq!(driver.marked().len(), 3, "what it looks for is marked");
    // It is left as a folder is: there is no list before it.
    driver.press("q");
    assert!(driver.outside.iter().any(|job| format!("{job:?}").contains("Quit")), "{:?}", driver.outside);
}

#[test]
fn the_scope_is_saved_with_the_search() {
    let mut driver = Driver::new(world(), &["ada"], SIZE);
    driver.press("/").type_text("invoice").press("Tab").expect("in Inbox").press("Enter F2");
    driver.type_text("here").press("Enter");
    assert_eq!(names(&driver), [("here", "in:ada/INBOX (invoice*)")]);
}

#[test]
fn it_is_renamed_forgotten_and_all_of_that_is_undone() {
    let mut driver = Driver::new(world(), &["ada"], SIZE);
    driver.press("/").type_text("tag:todo").press("Enter F2").type_text("to do").press("Enter");
    driver.press("h G r").expect("Rename to: to do").press("Ctrl-u").type_text("Chores").press("Enter");
    driver.expect("Renamed the search to do to Chores");
    assert_eq!(names(&driver), [("Chores", "tag:todo")]);
    assert_eq!(driver.model.list_title().as_str(), "Chores", "the list on screen goes with it");
    driver.press("d").expect("Forgot the search Chores");
    assert_eq!(names(&driver), []);
    driver.expect_no("Saved searches");
    driver.press("u").expect("Undone: forgot the search Chores");
    assert_eq!(names(&driver), [("Chores", "tag:todo")]);
    driver.press("u");
    assert_eq!(names(&driver), [("to do", "tag:todo")]);
    driver.press("u").expect_no("Saved searches");
    assert_eq!(names(&driver), []);
    driver.press("u").expect("Not now: nothing has been changed yet");
}

#[test]
fn one_that_is_open_is_edited_and_saved_again_under_its_name() {
    let mut driver = Driver::new(world(), &["ada"], SIZE);
    driver.world.searches = vec![SavedSearch { name: "mine".to_owned(), query: "lunch".to_owned() }];
    let world = std::mem::take(&mut driver.world);
    let mut driver = Driver::new(world, &["ada"], SIZE);
    driver.press("c").type_text("mine").press("Enter").expect("lunch").expect_no("invoice");
    // The text is there to be changed; to leave it brings the saved one back.
    driver.press("/").expect("/ lunch").type_text(" or invoice").expect("invoice 2").press("Esc");
    driver.expect_no("invoice 2").press("/").type_text(" or invoice").press("Enter F2");
    driver.type_text("Mine").press("Enter").expect("Saved the search Mine");
    assert_eq!(names(&driver), [("Mine", "lunch or invoice*")]);
    driver.press("u");
    assert_eq!(names(&driver), [("mine", "lunch")], "the older one is back");
}

#[test]
fn those_of_the_config_stand_first_and_cannot_be_changed_here() {
    let mut config = driver::config(&["ada"]);
    let text = "[searches]\nmeals = \"lunch or dinner\"\nbroken = \"(x\"\nboth = \"search:meals is:unread\"\n";
    config.searches = config::parse(text, &Paths::under(std::path::Path::new("/home/ada"))).searches;
    let mut driver = Driver::with_config(world(), &config, SIZE);
    driver.wait(1);
    assert_eq!(in_pane(&driver, "meals"), "meals 1/1");
    assert_eq!(in_pane(&driver, "both"), "both 1/1");
    assert_eq!(in_pane(&driver, "broken"), "broken");
    driver.press("h G k").press("Enter").expect("The search `broken` cannot be read: column 1: expected a closing");
    driver.press("h k d").expect("Not now: it stands in the config file");
    driver.press("r").expect("Not now: it stands in the config file");
    driver.press("q /").type_text("x").press("Enter F2").type_text("Meals").press("Enter");
    driver.expect("There is a search meals in the config file already");
}

#[test]
fn counting_waits_for_its_turn_and_is_not_begun_again_for_each_change() {
    let mut driver = Driver::new(world(), &["ada"], SIZE);
    driver.world.searches = vec![SavedSearch { name: "all".to_owned(), query: String::new() }];
    let world = std::mem::take(&mut driver.world);
    let mut driver = Driver::new(world, &["ada"], SIZE);
    driver.wait(1);
    assert_eq!(in_pane(&driver, "all"), "all 3/4");
    let before = driver.model.searches.all[0].tally;
    // Nothing changed: nothing is counted, not even after an hour, but for what the time changes.
    driver.world.mails[0].flags = Flags::only(Flag::Seen);
    driver.wait(5);
    assert_eq!(driver.model.searches.all[0].tally, before);
    driver.wait(3600);
    assert_eq!(in_pane(&driver, "all"), "all 2/4");
    assert!(driver.model.now.get() > NOW);
}

const LOCAL: &str = r#"
[accounts.ada]
address = "ada@example.org"
maildir = "{home}/mail"

[searches]
brass = "brass -subject:s2"
"#;

/// Two messages in INBOX, one of them read, and an archived one.
pub(crate) fn on_disk(config: &str) -> terminal::World {
    let world = terminal::World::new(config);
    for (number, file) in ["INBOX/cur/1.a:2,S", "INBOX/cur/2.b:2,", "Archive/cur/3.c:2,S"].into_iter().enumerate() {
        let path = world.path("mail").join(file);
        for sub in ["cur", "new", "tmp"] {
            std::fs::create_dir_all(path.ancestors().nth(2).unwrap().join(sub)).unwrap();
        }
        let date = format!("Mon, 02 Nov 2026 10:0{number}:00 +0000");
        let mail =
            format!("From: b@example.net\nSubject: s{number}\nMessage-ID: <{number}@x>\nDate: {date}\n\nbrass\n");
        std::fs::write(path, mail).unwrap();
    }
    world
}

#[test]
fn on_the_command_line_a_name_stands_for_its_query() {
    let world = on_disk(LOCAL);
    assert_eq!(world.succeed(&["search", "--ids", "search:brass"]), "ada:INBOX:2.b\nada:INBOX:1.a\n");
    assert_eq!(world.succeed(&["search", "--count", "query:Brass", "is:unread"]), "1\n");
    world.write("data/tern/searches", "seldom\t-search:brass\n");
    let listed = world.succeed(&["searches"]);
    let words: Vec<Vec<&str>> = listed.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(words, [vec!["1/2", "brass", "brass", "-subject:s2"], vec!["0/1", "seldom", "-search:brass"]]);
    let json: serde_json::Value =
        serde_json::from_str(world.succeed(&["searches", "--json"]).lines().next().unwrap()).unwrap();
    assert_eq!((&json["name"], &json["unread"], &json["total"]), (&"brass".into(), &1.into(), &2.into()));
    let output = world.run(&["search", "search:bras"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("column 8: expected the name of a saved search after `search:` (brass, seldom)"), "{said}");
}

#[test]
fn config_check_points_into_a_query() {
    let bad = "\n[searches]\nfine = \"is:unread\"\nodd = \"is:unread \\\"a\\\" is:odd\"\nloop = 'search:loop'\n";
    let world = on_disk(&(LOCAL.split("[searches]").next().unwrap().to_owned() + bad));
    let output = world.run(&["config", "check"]);
    assert_eq!(output.status.code(), Some(78));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let at = |line: &str, caret: &str| {
        let shown = said.lines().position(|shown| shown.contains(line)).unwrap_or_else(|| panic!("{line}\n{said}"));
        let below = said.lines().nth(shown + 1).unwrap();
        let column = below.find('^').unwrap();
        assert_eq!(&said.lines().nth(shown).unwrap()[column..column + caret.len()], caret, "{said}");
    };
    at("odd = ", "odd\"");
    at("loop = ", "loop'");
    assert!(said.contains("error: search `odd`: expected unread, read"), "{said}");
    assert!(
        said.contains("expected a saved search that can be read") || said.contains("does not ask for itself"),
        "{said}"
    );
}

#[test]
fn the_real_program_keeps_a_search_for_the_next_run() {
    let world = on_disk(LOCAL);
    let mut tern = Session::start(&world, &[], 120, 30);
    tern.expect("s1");
    // The one of the config is counted.
    tern.expect_that("the counts of brass", |screen| {
        screen.lines().any(|line| line.contains("brass") && line.contains("1/2"))
    });
    tern.press("/is:unread\r");
    tern.expect("1 found");
    tern.press("\x1bOQ");
    tern.expect("Save the search as:");
    tern.press("fresh\r");
    tern.expect("Saved the search fresh");
    tern.expect_that("its counts", |screen| screen.lines().any(|line| line.contains("fresh") && line.contains("1/1")));
    tern.press("U");
    tern.expect("Nothing found");
    tern.kill();
    assert_eq!(std::fs::read_to_string(world.path("data/tern/searches")).unwrap(), "fresh\tis:unread\n");
    let mut tern = Session::start(&world, &[], 120, 30);
    tern.expect("fresh");
    tern.press("cfresh\r");
    tern.expect("Nothing found");
}

#[test]
fn a_search_that_was_saved_and_left_does_not_keep_the_cursor_of_the_pane() {
    let mut driver = Driver::new(world(), &["ada"], SIZE);
    driver.press("/").type_text("invo").press("Enter F2").type_text("Invoices").press("Enter");
    assert!(in_pane(&driver, "Invoices").starts_with('>'));
    driver.press("Esc h");
    assert!(in_pane(&driver, "Inbox").starts_with('>'));
    driver.press("l").expect("lunch");
}
