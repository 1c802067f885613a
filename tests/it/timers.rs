//! Timers as a person sets them: what is snoozed leaves the list and comes back, an answer is waited for.

use tern::mail::flags::{Flag, Flags};
use tern::mail::ids::Timestamp;
use tern::mail::notes::TimerKind;

use crate::support::driver::{Driver, NOW, World};
use crate::terminal::{self, Session};

/// Three messages, and one that was sent.
fn three() -> Driver {
    let mut world = World::with(&["ada"]);
    for subject in ["one", "two", "three"] {
        world.add("ada", "INBOX", "Grace Hopper", subject).flags = Flags::only(Flag::Seen);
    }
    world.add("ada", "Sent", "Ada", "question").flags = Flags::only(Flag::Seen);
    Driver::new(world, &["ada"], (100, 30))
}

fn due(driver: &Driver, kind: TimerKind) -> Vec<i64> {
    let timers = driver.world.noted.timers.iter().filter(|((_, known), _)| *known == kind);
    timers.map(|(_, timer)| timer.due.get() - NOW).collect()
}

#[test]
fn what_is_snoozed_leaves_the_list_and_comes_back_on_top() {
    let mut driver = three();
    driver.press("j Z").expect("Snooze until").expect("Later today").expect("Tomorrow").expect("Next week");
    driver.press("Enter").expect("Snoozed 1 message until 18:00").expect_no("two ");
    assert_eq!(due(&driver, TimerKind::Snooze), [(18 * 60 - (14 * 60 + 2)) * 60]);
    assert_eq!(driver.at(), "three");
    driver.press("gz");
    assert_eq!(driver.at(), "two", "what sleeps has a list of its own");
    driver.press("q").wait(3600);
    driver.press("gg");
    assert_eq!(driver.at(), "one");
    driver.wait(4 * 3600).press("gg");
    assert_eq!(driver.at(), "two");
    driver.expect("^");
}

#[test]
fn a_time_is_typed_and_undone() {
    let mut driver = three();
    driver.press("Z").type_text("mon 9").expect("Until Mon 23 Nov 09:00").press("Enter");
    driver.expect("Snoozed 1 message until Mon 23 Nov 09:00");
    assert_eq!(driver.at(), "two");
    driver.press("u").expect("Undone: snoozed 1 message");
    assert!(driver.world.noted.timers.is_empty());
    driver.press("gg");
    assert_eq!(driver.at(), "one");
    driver.press("Z").type_text("yesterday").expect("Type a time").press("Enter Esc");
    assert!(driver.world.noted.timers.is_empty());
}

#[test]
fn a_selection_is_snoozed_as_one_and_what_sleeps_is_brought_back() {
    let mut driver = three();
    driver.press("Space Space Z Enter").expect("Snoozed 2 messages");
    assert_eq!(due(&driver, TimerKind::Snooze).len(), 2);
    driver.press("gz x j x Z").expect("Not at all: it comes back now").type_text("not").press("Enter");
    driver.expect("Brought 2 messages back");
    assert!(driver.world.noted.timers.is_empty());
}

#[test]
fn the_viewer_goes_on_to_the_next_message() {
    let mut driver = three();
    driver.press("Enter").expect("The text of one.").press("Z Enter").expect("The text of two.");
    driver.press("u").expect("Undone");
}

#[test]
fn what_nobody_answers_comes_up_and_is_put_away_by_its_archiving() {
    let mut driver = three();
    driver.press("gs W").expect("Remind me if nobody has answered").type_text("3d").press("Enter");
    driver.expect("An answer to 1 message is waited for until Sun 22 Nov 08:00");
    assert_eq!(driver.at(), "question", "it is not out of the way");
    driver.press("gi").expect_no("question").wait(3 * 86_400).press("gg");
    assert_eq!(driver.at(), "question");
    driver.press("gr");
    assert_eq!(driver.at(), "question");
    driver.press("gi gg a").expect("No answer to 1 message is waited for");
    assert_eq!((driver.at().as_str(), driver.subjects("ada", "Sent")), ("one", vec!["question".to_owned()]));
    assert!(driver.world.noted.timers.is_empty());
    driver.press("u gg");
    assert_eq!(driver.at(), "question");
    assert_eq!(due(&driver, TimerKind::Remind).len(), 1);
    // Snoozed, it waits for an answer some more.
    driver.press("Z").type_text("2w").press("Enter");
    assert_eq!((due(&driver, TimerKind::Snooze).len(), due(&driver, TimerKind::Remind).len()), (0, 1));
    assert_ne!(driver.at(), "question");
}

#[test]
fn a_timer_that_cannot_be_written_is_taken_back_on_screen() {
    let mut driver = three();
    driver.hold = true;
    driver.press("Z Enter").expect_no(" one");
    driver.broken = true;
    driver.release().expect(" one").expect("cannot write the ledger");
    assert!(driver.world.noted.timers.is_empty());
}

#[test]
fn a_message_is_sent_with_a_reminder_which_goes_with_the_draft() {
    let mut driver = three();
    driver.press("m").type_text("grace@example.net").press("Enter").type_text("Lunch").press("Enter");
    driver.type_text("At noon?").press("Esc w").expect("Remind me if nobody has answered");
    driver.type_text("tomorrow 9:00").press("Enter").expect("if nobody has answered by Fri 20 Nov 09:00");
    let kept: Vec<_> = driver.world.journal.values().map(|draft| draft.remind_at).collect();
    assert_eq!(kept, [Some(Timestamp::new(NOW + 68_280))]);
    driver.press("w").type_text("not at").press("Enter").expect_no("if nobody has answered by");
    driver.press("w Enter").expect("if nobody has answered by 18:00").press("y");
    assert_eq!(due(&driver, TimerKind::Remind), [14_280]);
}

const LOCAL: &str = r#"
[accounts.ada]
address = "ada@example.org"
maildir = "{home}/mail"
"#;

/// Puts a file into a Maildir.
fn put(world: &terminal::World, file: &str, id: &str, above: &str, subject: &str) {
    let path = world.path("mail").join(file);
    for sub in ["cur", "new", "tmp"] {
        std::fs::create_dir_all(path.ancestors().nth(2).unwrap().join(sub)).unwrap();
    }
    let above = if above.is_empty() { String::new() } else { format!("In-Reply-To: <{above}>\n") };
    let head = format!("From: b@example.net\nTo: ada@example.org\nSubject: {subject}\nMessage-ID: <{id}>\n{above}");
    std::fs::write(path, format!("{head}Date: Mon, 02 Nov 2026 10:00:0{} +0000\n\nbrass\n", id.len() % 10)).unwrap();
}

fn found(world: &terminal::World, query: &str) -> String {
    let output = world.command(&["search", "--ids", "--", query]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().replace('\n', " ").trim_end().to_owned()
}

#[test]
fn what_was_snoozed_outlives_a_kill_and_a_new_index_and_comes_back_when_it_is_due() {
    let world = terminal::World::new(LOCAL);
    put(&world, "INBOX/cur/1.a:2,S", "a@x", "", "anvil");
    put(&world, "INBOX/cur/2.b:2,S", "bb@x", "", "bellows");
    let mut tern = Session::start(&world, &[], 100, 30);
    tern.expect("anvil");
    tern.expect("bellows");
    tern.press("gg");
    tern.press("Z");
    tern.expect("Snooze until");
    tern.press("3d\r");
    tern.expect("Snoozed 1 message");
    tern.expect_gone("bellows");
    tern.kill();
    std::fs::remove_dir_all(world.path("cache")).unwrap();
    assert_eq!(found(&world, "is:snoozed"), "ada:INBOX:2.b");
    let listed = world.succeed(&["list"]);
    assert!(listed.contains("anvil") && !listed.contains("bellows"), "{listed}");

    // Three days later: what the clock would say, its end in the ledger says.
    let ledger = rusqlite::Connection::open(world.path("data/tern/ledger.db")).unwrap();
    assert_eq!(ledger.execute("UPDATE timer SET due = 1000000000", []).unwrap(), 1);
    drop(ledger);
    assert_eq!(found(&world, "is:snoozed"), "");
    let listed = world.succeed(&["list"]);
    assert!(listed.lines().next().unwrap().contains("bellows"), "{listed}");
    let mut tern = Session::start(&world, &[], 100, 30);
    let screen = tern.expect("bellows");
    let rows: Vec<&str> = screen.lines().filter(|line| line.contains("anvil") || line.contains("bellows")).collect();
    assert!(rows[0].contains("bellows"), "{screen}");
}

#[test]
fn a_sync_without_a_screen_wakes_what_was_answered_and_marks_what_came_into_a_muted_conversation() {
    let world = terminal::World::new(LOCAL);
    put(&world, "INBOX/cur/1.a:2,S", "a@x", "", "anvil");
    put(&world, "INBOX/cur/2.b:2,S", "bb@x", "", "bellows");
    let mut tern = Session::start(&world, &[], 100, 30);
    tern.expect("bellows");
    tern.press("gg");
    tern.press("Z");
    tern.press("3d\r");
    tern.expect("Snoozed 1 message");
    tern.press("tm");
    tern.expect("Muted 1 message");
    tern.press("q");
    assert!(tern.wait());
    assert_eq!(
        (found(&world, "is:snoozed"), found(&world, "is:muted")),
        ("ada:INBOX:2.b".into(), "ada:INBOX:1.a".into())
    );
    put(&world, "INBOX/new/3.c", "ccc@x", "bb@x", "reply to bellows");
    put(&world, "INBOX/new/4.d", "dddd@x", "a@x", "reply to anvil");
    world.succeed(&["sync"]);
    assert_eq!(found(&world, "is:snoozed"), "", "somebody answered");
    assert_eq!(found(&world, "is:unread"), "ada:INBOX:3.c", "what is muted comes in read");
    assert_eq!(found(&world, "is:muted"), "ada:INBOX:4.d ada:INBOX:1.a");
    // It is noted, and not only known to the index.
    std::fs::remove_dir_all(world.path("cache")).unwrap();
    assert_eq!(found(&world, "is:snoozed"), "");
}
