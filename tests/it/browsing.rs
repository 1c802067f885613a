//! What a person is told while browsing, above all where the screen is small: what is listed, what is wrong, what
//! there is to choose from.

use insta::assert_snapshot;
use tern::mail::flags::{Flag, Flags};
use tern::state::{Event, MouseAct};

use crate::support::driver::{Driver, World};

const SMALL: (u16, u16) = (40, 12);
const USUAL: (u16, u16) = (80, 24);

/// Twelve messages in two accounts, the second of them read.
fn driver(size: (u16, u16)) -> Driver {
    let mut world = World::with(&["ada", "work"]);
    for n in 1..=10 {
        let mail = world.add("ada", "INBOX", "Grace Hopper", &format!("mail {n}"));
        if n == 2 {
            mail.flags = Flags::only(Flag::Seen);
        }
    }
    world.add("ada", "Archive", "Lin Wei", "old pears");
    world.add("work", "INBOX", "Boss", "report");
    Driver::new(world, &["ada", "work"], size)
}

#[test]
fn what_is_done_is_done_to_the_whole_range() {
    let mut driver = driver(USUAL);
    driver.press("j v 2 j").expect("a range of 3").press("F").expect("Starred 3 messages");
    assert!(driver.model.list.range.is_none() && driver.model.list.selected.is_empty());
    driver.press("u g g v j s").expect("Move 2 rows to").press("Esc").expect("2 selected");
    driver.press("Esc v j j v").expect("3 selected").press("d").expect("Moved 3 messages to Trash");
    driver.press("u").press("v j u").expect("a range of 2");
}

#[test]
fn a_list_says_what_it_is() {
    let mut driver = driver(USUAL);
    let table = [
        ("g u", "All inboxes  10 new/11"),
        ("g F", " Starred  0 found"),
        ("g U", " Unread  "),
        ("g z", " Snoozed  0 found"),
        ("g r", " Waiting for an answer  0 found"),
    ];
    for (keys, title) in table {
        driver.press(keys).expect(title);
    }
    driver.expect("Nothing waits for an answer").press("g z").expect("Nothing is snoozed");
    driver.press("g i /").type_text("pears").expect("Search in ada  1 found").expect("in ada  Tab elsewhere");
    driver.press("Enter").expect("Search in ada: pears  1 found");
    driver.press("/ Tab Enter").expect("Search: pears  1 found");
    driver.press("/ Tab").expect("Nothing found in Inbox").press("Enter").expect("Search in Inbox: pears  0 found");
    driver.press("Esc").expect(" Inbox  ada@example.org");
}

#[test]
fn the_title_leaves_room_for_the_number() {
    let mut driver = driver(SMALL);
    driver.press("/").type_text("from:grace subject:mail and not pears").expect("Search in ada  10 found");
    driver.expect("Tab elsewhere").press("Enter").expect("Search in ada: from:g~  10 found");
}

#[test]
fn what_is_wrong_with_a_search_is_said_to_the_end() {
    let mut driver = driver(SMALL);
    driver.press("/").type_text("mail frm:grace");
    let told: String = driver.screen().split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("column 6: expected a field (from: to: cc:"), "{told}");
    assert!(told.contains("or quotes around a word with a colon"), "{told}");
    assert_snapshot!("search_problem_40x12", driver.screen());
    driver.press("Ctrl-u").type_text("mail").expect("10 found").expect_no("column");
}

#[test]
fn what_was_done_says_on_a_small_screen_how_to_undo_it() {
    let mut driver = driver(SMALL);
    driver.press("Z").type_text("fri 9").press("Enter").expect("u undo");
    driver.wait(60).expect("1/9").press("j").expect("2/9");
}

#[test]
fn the_help_says_on_a_small_screen_what_was_cut() {
    let mut driver = driver(SMALL);
    driver.press("?").expect("1/").type_text("tj");
    driver.expect("this one (nothing is selected)");
    assert_snapshot!("help_40x12", driver.press("Ctrl-u Down Down").screen());
}

#[test]
fn a_time_that_is_none_is_told_in_full() {
    let mut driver = driver(SMALL);
    driver.press("Z").type_text("nonsense");
    assert_snapshot!("time_40x12", driver.screen());
}

#[test]
fn what_may_follow_a_key_is_all_there_on_a_small_screen() {
    let mut driver = driver(SMALL);
    assert_snapshot!("which_key_40x12", driver.press("g").event(Event::Pause).expect("r waiting").screen());
}

#[test]
fn a_menu_that_goes_on_below_says_so() {
    let mut driver = driver(USUAL);
    driver.press("\\ o").expect("- 1/10 -").press("Down").expect("- 2/10 -").type_text("newest").expect_no("/10 -");
}

#[test]
fn the_key_for_saving_is_offered_where_it_saves() {
    let mut driver = driver(USUAL);
    driver.press("/").type_text("pears").expect("F2 save search").press("Enter").expect("F2 save search");
    driver.press("h n").expect("New folder").expect_no("F2 save search").press("Esc Esc");
    driver.press("/").type_text("(").expect_no("F2 save search");
}

#[test]
fn the_folder_pane_goes_on_from_the_search_that_was_saved() {
    let mut driver = driver(USUAL);
    driver.press("/").type_text("pears").press("F2").type_text("fruit").press("Enter").expect("Saved the search fruit");
    driver.press("h").expect("> fruit");
    let pointers = |driver: &Driver| driver.screen().lines().filter(|line| line.starts_with('>')).count();
    assert_eq!(pointers(&driver), 1, "{}", driver.screen());
    driver.press("k");
    assert_eq!(pointers(&driver), 1, "{}", driver.screen());
    driver.press("j r").type_text("s").press("Enter").expect("Renamed the search fruit to fruits");
}

#[test]
fn keys_in_the_list_mean_the_row_under_the_cursor_not_the_message_beside_it() {
    let mut driver = driver((120, 35));
    driver.world.mails[0].links = vec!["https://example.org/".to_owned()];
    driver.press("Enter").expect("o open link").press("q j").expect("mail 1").expect_no("open link");
    driver.press("y y").expect("Copied").expect("The text of mail 1.");
    let copied = format!("{:?}", driver.outside.pop());
    assert!(copied.contains("The text of mail 2."), "{copied}");
    driver.press("o").expect("Not now: this message has no link").expect("The text of mail 2.");
    assert!(driver.model.list.search.is_none() && driver.model.overlay.is_none());
    driver.press("h k @").expect("Search: from:");
}

#[test]
fn the_mouse_chooses_in_a_menu() {
    let mut driver = driver(USUAL);
    let click = |driver: &mut Driver, text: &str| {
        let at = driver.screen().lines().position(|line| line.contains(text)).unwrap();
        let row = u16::try_from(at).unwrap();
        driver.event(Event::Mouse { act: MouseAct::Press, column: 20, row });
    };
    driver.press("\\ o");
    driver.event(Event::Mouse { act: MouseAct::ScrollDown, column: 20, row: 8 }).expect("- 4/10 -");
    click(&mut driver, "Largest first");
    driver.expect("- 9/10 -");
    click(&mut driver, "Sort the list");
    driver.expect("- 9/10 -");
    click(&mut driver, "Largest first");
    driver.expect("Inbox, largest first").expect_no("Sort the list");
}

#[test]
fn an_empty_search_says_what_can_be_asked() {
    let mut driver = driver(SMALL);
    driver.press("/").expect("is:unread").expect("date:2025-11");
    assert_snapshot!("search_empty_40x12", driver.screen());
    driver.type_text("x").expect_no("date:2025-11");
}

#[test]
fn what_an_undo_brings_back_has_the_cursor_again() {
    let mut world = World::with(&["ada"]);
    for n in 0..9 {
        world.add("ada", "INBOX", "Grace Hopper", &format!("mail {n}"));
    }
    let mut driver = Driver::new(world, &["ada"], USUAL);
    for keys in ["a", "d", "s t r a s h Enter", "Z Enter"] {
        driver.press("g g 3j").press(keys);
        assert_eq!(driver.at(), "mail 4", "{keys}");
        driver.press("u").expect("Undone");
        assert_eq!(driver.at(), "mail 3", "{keys}");
    }
    driver.press("g g j x j x a");
    assert_eq!(driver.at(), "mail 3");
    driver.press("u");
    assert_eq!(driver.at(), "mail 1", "the first of them");
    driver.press("3j F g g u");
    assert_eq!(driver.at(), "mail 0", "a star brings nothing back");
    driver.press("3j a u j");
    assert_eq!(driver.at(), "mail 4", "and one goes on from there");
    driver.press("g g Enter a").expect("The text of mail 1.");
    driver.press("u").expect("The text of mail 0.");
    // A search shows it in the trash, too, and it was left there.
    driver.press("q /").type_text("mail").press("Enter 3j d");
    assert_eq!(driver.at(), "mail 4");
    driver.press("u");
    assert_eq!(driver.at(), "mail 3");
}
