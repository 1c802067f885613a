//! Conversations as a person reads and arranges them: as one page, unfolded in the list, muted, broken and joined.

use tern::mail::flags::{Flag, Flags};
use tern::mail::ids::MessageId;
use tern::mail::notes::{Identity, Seam};

use crate::support::driver::{Driver, World};

/// A conversation of four, its second message a reply in Sent, and two messages alone; by conversations.
fn conversation() -> Driver {
    conversation_with(|_| {})
}

/// The same, changed before anybody looks at it.
fn conversation_with(change: impl Fn(&mut World)) -> Driver {
    let mut world = World::with(&["ada"]);
    world.add("ada", "INBOX", "Noor", "alone");
    for (name, who, subject) in [
        ("INBOX", "Grace Hopper", "last"),
        ("INBOX", "Lin Wei", "third"),
        ("Sent", "Ada", "answer"),
        ("INBOX", "Grace Hopper", "first"),
    ] {
        world.add("ada", name, who, subject);
    }
    let thread = world.mails[1].thread;
    for mail in &mut world.mails[1..] {
        mail.thread = thread;
        mail.flags = Flags::only(Flag::Seen);
    }
    world.add("ada", "INBOX", "Ivo", "other");
    change(&mut world);
    let mut config = crate::support::driver::config(&["ada"]);
    config.ui.conversations = true;
    Driver::with_config(world, &config, (100, 40))
}

fn seen(driver: &Driver, subject: &str) -> bool {
    driver.world.mails.iter().find(|mail| mail.subject == subject).unwrap().flags.has(Flag::Seen)
}

fn muted(driver: &Driver) -> Vec<&str> {
    let mails = driver.world.mails.iter().filter(|mail| tern::mail::tags::is_muted(&mail.flags));
    mails.map(|mail| mail.subject.as_str()).collect()
}

fn id(driver: &Driver, subject: &str) -> Identity {
    driver.world.mails.iter().find(|mail| mail.subject == subject).unwrap().identity()
}

/// The subjects of what is starred.
fn starred(driver: &Driver) -> Vec<&str> {
    let mails = driver.world.mails.iter().filter(|mail| mail.flags.has(Flag::Flagged));
    mails.map(|mail| mail.subject.as_str()).collect()
}

#[test]
fn a_conversation_is_one_page_with_the_unread_unfolded() {
    let mut driver = conversation_with(|world| {
        for mail in world.mails.iter_mut().filter(|mail| ["third", "last"].contains(&mail.subject.as_str())) {
            mail.flags = Flags::none();
        }
    });
    driver.press("j Enter");
    // The oldest unread one is at hand, and the others that were not read follow; those that were are a line.
    driver.expect("The text of third.").expect("The text of last.").expect_no("The text of first.");
    assert!(seen(&driver, "third") && !seen(&driver, "last"));
    driver.press("n").expect("The text of last.");
    assert!(seen(&driver, "last"));
    // Back to one that was folded, which unfolds it.
    driver.press("N N").expect("The text of answer.").press("N").expect("The text of first.");
    driver.press("N").expect("This is the first message of the conversation");
    // What is done is done to the one at hand.
    driver.press("F");
    let starred = starred(&driver);
    assert_eq!(starred, ["first"]);
    driver.press("Enter").expect_no("The text of first.").press("Enter").expect("The text of first.");
}

#[test]
fn the_message_at_hand_follows_the_text() {
    let mut driver = conversation_with(|world| {
        for mail in &mut world.mails {
            mail.flags = Flags::none();
            mail.lines = (0..30).map(|line| (0, format!("{} line {line}", mail.subject))).collect();
        }
    });
    driver.press("j Enter").expect("first line 0");
    assert!(seen(&driver, "first") && !seen(&driver, "answer"));
    driver.press("PgDn PgDn PgDn").expect("answer line");
    assert!(seen(&driver, "answer") && !seen(&driver, "last"));
    driver.press("G").expect("last line 29");
    assert!(seen(&driver, "last"));
    driver.press("d").expect("Moved 1 message to Trash");
    assert_eq!(driver.subjects("ada", "Trash"), ["last"]);
    driver.press("gg").expect("first line 0");
}

#[test]
fn a_conversation_is_unfolded_in_the_list_and_its_messages_are_acted_on_one_by_one() {
    let mut driver = conversation();
    driver.press("j").expect("(3)").press("za").expect_no("(3)").expect("answer").expect("third").expect("first");
    assert_eq!(driver.at(), "last", "the cursor stays on its message");
    driver.press("k k").press("F");
    let starred = starred(&driver);
    assert_eq!(starred.len(), 1, "one message, and not its conversation: {starred:?}");
    driver.press("za").expect("(3)").expect_no("answer");
    driver.press("zR").expect("answer").press("zM").expect("(3)");
    driver.press("T za").expect_no("Not now");
}

#[test]
fn a_muted_conversation_is_muted_as_a_whole_and_undone() {
    let mut driver = conversation();
    driver.press("j tm").expect("Muted 4 messages");
    assert_eq!(muted(&driver), ["last", "third", "answer", "first"]);
    driver.press("u");
    assert!(muted(&driver).is_empty());
    driver.press("Enter tm").expect("Muted 4 messages").press("tm").expect("Listening again to 4 messages");
    assert!(muted(&driver).is_empty());
}

#[test]
fn a_conversation_is_broken_where_its_reader_says_and_put_together_again() {
    let mut driver = conversation();
    driver.press("j tb").expect("za unfolds the conversation");
    assert!(driver.world.noted.seams.is_empty());
    driver.press("Enter tb").expect("Began a new conversation");
    let third = id(&driver, driver.model.viewer.current_row().unwrap().subject.as_str());
    assert_eq!(driver.world.noted.seams.get(&third), Some(&Seam { cut: true, joined: None }));
    driver.press("u");
    assert!(driver.world.noted.seams.is_empty());
    driver.press("#").expect("Began a new conversation").press("#").expect("Put back into its conversation");
    assert!(driver.world.noted.seams.is_empty());
    driver.press("gg N N N N tb").expect("Its conversation begins with it already");
}

#[test]
fn conversations_that_are_selected_go_into_the_one_under_the_cursor() {
    let mut driver = conversation();
    driver.press("tj").expect("Not now: nothing is selected");
    driver.press("x G x gg j tj").expect("Put 2 conversations into this one");
    let target = id(&driver, "last");
    let joined = |driver: &Driver, subject: &str| driver.world.noted.seams.get(&id(driver, subject)).cloned();
    for subject in ["alone", "other"] {
        assert_eq!(joined(&driver, subject), Some(Seam { cut: false, joined: Some(target.clone()) }), "{subject}");
    }
    // What was put somewhere already takes that along.
    driver.press("gg x j j x k k tj").expect("Select the conversations");
    driver.press("u");
    assert!(driver.world.noted.seams.is_empty());
}

#[test]
fn a_note_that_cannot_be_written_is_taken_back() {
    let mut driver = conversation();
    driver.broken = true;
    driver.press("j Enter #").expect("cannot write the ledger");
    driver.broken = false;
    driver.press("#").expect("Began a new conversation");
    assert!(Identity::read("<x@y>") == Some(Identity::Id(MessageId::new("x@y").unwrap())));
}
