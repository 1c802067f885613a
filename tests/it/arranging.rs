//! How the list is arranged: stories with keys and screen.

use insta::assert_snapshot;

use crate::support::driver::{Driver, World};

const SIZE: (u16, u16) = (100, 24);

/// Five messages in the inbox, newest first; two of them from Ada, one conversation of two.
fn driver() -> Driver {
    let mut world = World::with(&["ada"]);
    let mut first = 0;
    for (who, subject) in
        [("Lin Wei", "pears"), ("Ada", "figs"), ("Grace Hopper", "plums"), ("Ada", "apples"), ("Zoe", "pears")]
    {
        let mail = world.add("ada", "INBOX", who, subject);
        if who == "Lin Wei" {
            first = mail.thread;
        } else if who == "Zoe" {
            mail.thread = first;
        }
    }
    Driver::new(world, &["ada"], SIZE)
}

fn shown(driver: &Driver) -> Vec<String> {
    driver.model.list.rows.iter().map(|row| format!("{} {}", row.who, row.subject)).collect()
}

#[test]
fn the_sort_menu_sorts_and_the_folder_remembers() {
    let mut driver = driver();
    driver.press("\\ o").expect("Sort the list").expect("Largest first");
    assert_snapshot!("sort_menu", driver.screen());
    driver.type_text("from or to, a").press("Enter");
    let sorted = ["Ada figs", "Ada apples", "Grace Hopper plums", "Lin Wei pears", "Zoe pears"];
    assert_eq!(shown(&driver), sorted);
    driver.expect("Inbox, from A to Z").press("g s").press("g i");
    assert_eq!(shown(&driver), sorted, "the folder has its order when one comes back");
    driver.press("T");
    assert_eq!(shown(&driver), ["Lin Wei pears", "Ada figs", "Grace Hopper plums", "Ada apples"]);
    driver.press("\\ o").type_text("conversations, oldest").press("Enter").expect("Inbox, oldest first");
    assert_eq!(shown(&driver), ["Ada apples", "Grace Hopper plums", "Ada figs", "Lin Wei pears"]);
    driver.press("\\ o").type_text("newest").press("Enter");
    assert_eq!(shown(&driver), ["Lin Wei pears", "Ada figs", "Grace Hopper plums", "Ada apples", "Zoe pears"]);
}

#[test]
fn unread_and_starred_narrow_the_list_and_escape_shows_all() {
    let mut driver = driver();
    driver.press("j F").press("\\ s").expect("Starred only").expect("starred");
    assert_eq!(shown(&driver), ["Ada figs"]);
    driver.press("Esc");
    assert_eq!(shown(&driver).len(), 5);
    assert_eq!(driver.at(), "figs");
    driver.press("U").press("\\ u");
    assert_eq!(shown(&driver), ["Lin Wei pears", "Grace Hopper plums", "Ada apples", "Zoe pears"]);
    driver.press("\\ u");
    assert_eq!(shown(&driver).len(), 5);
}

#[test]
fn starred_mail_of_all_folders_and_all_mail_of_a_sender_are_searches() {
    let mut driver = driver();
    driver.press("j F").press("g F");
    assert_eq!(shown(&driver), ["Ada figs"]);
    driver.press("\\ u");
    assert_eq!(driver.model.list.search.as_ref().unwrap().text, "is:starred -in:trash -in:junk is:unread");
    driver.press("\\ u");
    assert_eq!(driver.model.list.search.as_ref().unwrap().text, "is:starred -in:trash -in:junk");
    driver.press("Esc").press("Enter").press("@");
    let search = driver.model.list.search.as_ref().unwrap();
    assert!(search.text.starts_with("from:\"") && search.problem.is_none(), "{search:?}");
    driver.press("\\ o").type_text("oldest").press("Enter");
    assert!(driver.model.list.search.is_some() && driver.model.list.spec.as_ref().unwrap().order.reversed);
    driver.press("Esc");
    assert_eq!(shown(&driver).len(), 5);
}

#[test]
fn a_part_of_the_list_is_named_by_per_cent() {
    let mut world = World::with(&["ada"]);
    for n in 0..1201 {
        world.add("ada", "INBOX", "Grace Hopper", &format!("mail {n}"));
    }
    let mut driver = Driver::new(world, &["ada"], SIZE);
    for (keys, subject) in [
        ("%", "mail 600"),
        ("2 5 %", "mail 300"),
        ("9 9 9 %", "mail 1200"),
        ("1 1 0 1 G", "mail 1100"),
        ("0 %", "mail 600"),
    ] {
        driver.press(keys);
        assert_eq!(driver.at(), subject, "{keys}");
    }
}

#[test]
fn a_message_leads_to_its_mailing_list() {
    let mut world = World::with(&["ada"]);
    for (who, list) in [("Lin Wei", None), ("Ada", Some("tern.example.org")), ("Zoe", Some("tern.example.org"))] {
        world.add("ada", "INBOX", who, "pears").list = list.map(str::to_owned);
    }
    world.add("ada", "Archive", "Eve", "plums").list = Some("tern.example.org".to_owned());
    let mut driver = Driver::new(world, &["ada"], SIZE);
    driver.press("Enter").press("&").expect("came through no mailing list");
    driver.press("J").press("&");
    assert_eq!(driver.model.list.search.as_ref().unwrap().text, "list:\"tern.example.org\"");
    assert_eq!(shown(&driver), ["Ada pears", "Zoe pears", "Eve plums"]);
    driver.press("Esc").expect("Inbox");
    assert_eq!(shown(&driver).len(), 3);
}

#[test]
fn the_message_under_the_cursor_leads_on_and_stays_unread() {
    let mut world = World::with(&["ada"]);
    for (who, list) in [("Lin Wei", None), ("Ada", Some("tern.example.org")), ("Zoe", Some("tern.example.org"))] {
        world.add("ada", "INBOX", who, "pears").list = list.map(str::to_owned);
    }
    let mut driver = Driver::new(world, &["ada"], SIZE);
    driver.press("&").expect("came through no mailing list");
    driver.press("j &");
    assert_eq!(driver.model.list.search.as_ref().unwrap().text, "list:\"tern.example.org\"");
    assert_eq!(shown(&driver), ["Ada pears", "Zoe pears"]);
    driver.press("Esc @");
    assert_eq!(driver.model.list.search.as_ref().unwrap().text, "from:\"who@example.org\"");
    driver.press("Esc");
    assert!(driver.model.viewer.open.is_none());
    assert!(driver.model.list.rows.iter().all(|row| row.unread == 1), "nothing was opened");
    // Another message beside the list is not the one that is meant.
    driver.press("g g Enter q j &");
    assert_eq!(driver.model.list.search.as_ref().unwrap().text, "list:\"tern.example.org\"");
    let mut nobody = Driver::new(World::with(&["ada"]), &["ada"], SIZE);
    nobody.press("@").expect("Not now: there is no message here");
}
