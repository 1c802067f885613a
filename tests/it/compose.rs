//! Stories of writing and sending: what is typed, what is kept, what goes out and what comes back.

use tern::job::outbox::{EntryState, Resolution};
use tern::job::{Job, OutboxJob, Report, ShellJob, ShellReport};
use tern::mail::address::Address;
use tern::mail::clean::Clean;
use tern::mail::ids::Timestamp;
use tern::state::{Event, Focus, Screen};

use crate::support::driver::{Driver, NOW, World, config, entry};

const SIZE: (u16, u16) = (100, 30);

fn world() -> World {
    let mut world = World::with(&["ada"]);
    world.names = ["plan.pdf", "plan.md", "notes.txt", "part0", "part1"].map(str::to_owned).to_vec();
    let mail = world.add("ada", "INBOX", "Grace Hopper", "the plan");
    mail.lines = vec![(0, "Is Friday good?".to_owned()), (0, "And who comes?".to_owned())];
    world.add("ada", "INBOX", "Lin Wei", "other");
    world
}

fn driver() -> Driver {
    Driver::new(world(), &["ada"], SIZE)
}

/// A message typed to the end and looked at.
fn typed() -> Driver {
    let mut driver = driver();
    driver.press("m").type_text("grace@example.net").press("Enter").type_text("Lunch").press("Enter");
    driver.type_text("At noon?").press("Esc");
    driver
}

#[test]
fn a_new_message_is_typed_looked_at_and_sent() {
    let mut driver = typed();
    driver.expect("New message").expect("Ready to be sent").expect("y send").press("y");
    driver.expect("Sending in 10 s").expect("u undo").wait(4).expect("Sending in 6 s");
    let (_, sent) = driver.world.outbox.first().cloned().unwrap();
    assert_eq!(
        (sent.to.as_str(), sent.subject.as_str(), sent.body.as_str()),
        ("grace@example.net", "Lunch", "At noon?")
    );
    assert!(driver.world.journal.is_empty(), "what the outbox has is not kept twice");
    driver.wait(6).expect_no("Sending in").send_all().expect("Sent: Lunch").expect_no("out 1");
}

#[test]
fn a_reply_quotes_and_is_answered_in_between() {
    let mut driver = driver();
    driver.press("r").expect("Reply").expect("> Is Friday good?");
    let draft = driver.draft();
    assert_eq!((draft.to.as_str(), draft.subject.as_str()), ("Grace Hopper <who@example.org>", "Re: the plan"));
    driver.type_text("Me.").press("Up Up Up End Enter").type_text("Yes.").press("Esc y");
    let body = &driver.world.outbox[0].1.body;
    assert!(body.ends_with("> Is Friday good?\nYes.\n> And who comes?\n\nMe."), "{body}");
    let origin = driver.world.outbox[0].1.in_reply_to.clone();
    assert!(origin.is_some(), "the answered message is known");
}

#[test]
fn the_row_under_the_cursor_is_answered_and_shown() {
    let mut driver = driver();
    driver.press("Enter q j").expect("Is Friday good?").press("r");
    assert_eq!(driver.draft().subject, "Re: other");
    driver.press("Esc q").expect("The text of other.");
    driver.press("k Space Space k k r");
    assert_eq!(driver.draft().subject, "Re: the plan", "a selection is not answered, the cursor's row is");
}

#[test]
fn the_user_is_back_where_the_message_was_begun() {
    let mut driver = driver();
    driver.press("Enter r Esc y");
    driver.press("y");
    assert_eq!(driver.model.screen, Screen::Browse(Focus::Viewer));
    driver.press("q r Esc q");
    assert_eq!(driver.model.screen, Screen::Browse(Focus::List));
    driver.press("g o m Esc q");
    assert_eq!(driver.model.screen, Screen::Outbox);
}

#[test]
fn an_answer_to_all_tells_who_was_a_blind_copy() {
    let mut world = world();
    world.mails[0].to = vec![Address::bare("team@example.net")];
    let mut driver = Driver::new(world, &["ada"], SIZE);
    driver.press("R").type_text("Oh.").press("Esc").expect("you are in neither To nor Cc");
    driver.press("y").expect("y again sends it").press("y").expect("Sending in");
    let mut driver = self::driver();
    driver.press("R").type_text("Oh.").press("Esc").expect_no("neither To nor Cc").expect("Ready to be sent");
}

#[test]
fn a_forward_has_the_attachments_of_the_original() {
    let mut world = world();
    world.mails[0].attachments = vec!["plan.pdf".to_owned(), "notes.md".to_owned()];
    let mut driver = Driver::new(world, &["ada"], SIZE);
    driver.press("f").type_text("lin@example.cn").press("Enter Enter Esc");
    driver.expect("[1] part0").expect("[2] part1").expect("Fwd: the plan").expect("Forwarded message");
    driver.press("1d").expect_no("[1] part0").expect("[1] part1").press("y");
    assert_eq!(driver.world.outbox[0].1.attachments.len(), 1);
}

#[test]
fn a_file_is_looked_at_before_it_is_attached() {
    let mut driver = typed();
    driver.press("a").expect("Attach file: ~/").type_text("none.txt").press("Enter");
    driver.expect("Not attached: cannot read /home/ada/none.txt: No such file");
    assert!(driver.draft().attachments.is_empty());
    driver.press("a").expect("Attach file: ~/none.txt").press("Ctrl-u").type_text("~/pl").press("Tab");
    driver.expect("plan.md").expect("Attach file: ~/plan.").type_text("p").press("Tab").expect("~/plan.pdf");
    driver.press("Enter").expect("Attached plan.pdf, 84K").expect("[1] plan.pdf  84K  application/pdf");
    driver.press("d").expect("No longer attached: plan.pdf").press("d").expect("Nothing is attached");
}

#[test]
fn a_draft_is_kept_written_on_and_gone_once_it_is_sent() {
    let mut driver = typed();
    driver.press("q").expect("Kept in Drafts");
    assert_eq!(driver.subjects("ada", "Drafts"), ["Lunch"]);
    assert!(driver.world.journal.is_empty());
    driver.press("g d Enter").expect("At noon?").press("End").type_text(" Or one?").press("Esc q");
    assert_eq!(driver.subjects("ada", "Drafts"), ["Lunch"], "the new one stands for the old one");
    driver.press("Enter Esc").expect("At noon? Or one?").press("y");
    assert_eq!(driver.subjects("ada", "Drafts"), [""; 0]);
    driver.press("u").expect("At noon? Or one?").expect("Taken back");
}

#[test]
fn nothing_typed_is_nothing_kept_and_throwing_away_asks() {
    let mut driver = driver();
    driver.press("m Esc q r Esc q f Esc q");
    assert_eq!(driver.subjects("ada", "Drafts"), [""; 0]);
    assert!(driver.world.journal.is_empty());
    driver.press("r").type_text("x").press("Esc q");
    assert_eq!(driver.subjects("ada", "Drafts"), ["Re: the plan"]);
    driver.outside.clear();
    driver.wait(9).press("g d Enter Esc q").expect_no("Kept in Drafts");
    assert_eq!(driver.subjects("ada", "Drafts"), ["Re: the plan"], "looking at a draft changes nothing");
    let mut driver = typed();
    driver.press("D").expect("Throw this message away?").press("n").expect("At noon?").press("D y");
    driver.expect("Thrown away");
    assert!(driver.world.journal.is_empty() && driver.model.compose.is_none());
}

#[test]
fn a_message_is_taken_back_as_it_was() {
    let mut driver = typed();
    let before = driver.draft();
    driver.press("y u").expect("Taken back: it was not sent").expect_no("Sending in");
    assert_eq!(driver.draft(), before);
    assert!(driver.world.outbox.is_empty());
    assert!(driver.world.journal.contains_key(&before.id), "it is safe again");
    driver.press("y").wait(10).send_all().press("u").expect("Not now");
}

#[test]
fn what_cannot_be_queued_comes_back_with_the_reason() {
    let mut driver = typed();
    driver.press("a").type_text("plan.pdf").press("Enter");
    driver.world.names.clear();
    driver.press("y").expect("Not sent: cannot queue plan.pdf: No such file").expect("[1] plan.pdf").expect("At noon?");
    driver.wait(9).expect("! cannot queue plan.pdf").press("d y").expect("Sending in");
}

#[test]
fn without_a_recipient_it_does_not_go() {
    let mut driver = driver();
    driver.press("m Enter").type_text("Hi").press("Enter").type_text("x").press("Esc y");
    driver.expect("Cannot be sent: there is no recipient").press("y y");
    assert!(driver.world.outbox.is_empty());
    driver.press("t").type_text("grace@example.net, nonsense").press("Enter y").expect("`nonsense` is no address");
}

#[test]
fn another_editor_has_the_text_and_may_fail() {
    let mut config = config(&["ada"]);
    config.compose.editor = Some(vec!["vi".to_owned()]);
    let mut driver = Driver::with_config(world(), &config, SIZE);
    driver.press("r");
    let Some(Job::Shell(ShellJob::Edit(draft))) = driver.outside.pop() else { panic!("the editor is not started") };
    let ended = |result| Report::Shell(ShellReport::Edited { draft: draft.id.clone(), result });
    driver.report(ended(Ok("Shorter.\n".to_owned()))).expect("Shorter.").expect("Ready to be sent");
    let fault = tern::fault::Fault::new(tern::fault::Doing::Running, "vi", tern::fault::Cause::Other);
    driver.press("e").report(ended(Err(fault))).expect("cannot run vi").expect("Shorter.");
    driver.press("y");
    assert_eq!(driver.world.outbox[0].1.body, "Shorter.\n");
}

#[test]
fn what_is_typed_is_safe_after_three_seconds_and_at_a_hang_up() {
    let mut driver = driver();
    driver.press("m").type_text("grace@example.net").wait(3);
    let kept = |driver: &Driver| driver.world.journal.values().next().cloned().unwrap();
    assert_eq!(kept(&driver).to, "grace@example.net");
    driver.press("Tab Tab Tab").type_text("half a sent");
    driver.report(Report::Shell(ShellReport::Hangup));
    assert_eq!(kept(&driver).body, "half a sent");
    let mut world = self::world();
    world.journal = std::mem::take(&mut driver.world.journal);
    let mut driver = Driver::new(world, &["ada"], SIZE);
    driver.expect("A message was not finished: no subject; gw goes on with it").press("g w").expect("half a sent");
    driver.press("s").type_text("Whole").press("Enter y").expect("Sending in 10 s");
}

#[test]
fn a_paste_goes_into_the_text() {
    let mut driver = driver();
    driver.press("r").event(Event::Paste("one\r\ntwo\u{1b}[31m".to_owned()));
    assert!(driver.draft().body.ends_with("\n\none\ntwo[31m"), "{:?}", driver.draft().body);
}

#[test]
fn leaving_asks_while_a_message_can_be_taken_back() {
    let mut driver = typed();
    driver.press("y q").expect("1 message not sent yet. It stays in the outbox").press("n");
    driver.press("u").expect("At noon?");
}

#[test]
fn the_outbox_tells_and_does() {
    let refused = EntryState::Failed { why: Clean::line("550 no such user") };
    let later = EntryState::Deferred { attempts: 2, next: Timestamp::new(NOW + 60), why: Clean::line("421 try later") };
    let mut world = world();
    let mut driver = {
        let draft = typed().draft();
        world.outbox = vec![
            (entry("e1", "Refused", "jon@exmaple.com", refused), draft.clone()),
            (entry("e2", "Later", "grace@example.net", later), draft.clone()),
            (entry("e3", "Doubt", "lin@example.cn", EntryState::MaybeSent), draft),
        ];
        Driver::new(world, &["ada"], SIZE)
    };
    driver.expect("out !3").press("g o").expect("Outbox").expect("1 waiting, 2 need you");
    driver.expect("FAILED").expect("550 no such user").expect("next try in 60 s, 2 tried").wait(30).expect("in 30 s");
    driver.press("i").expect("No attempt has been made yet").press("q").expect("FAILED");
    driver.press("A").expect("Not now: nothing is in doubt").press("G").expect("S send again").press("r");
    driver.expect("say first whether it has arrived").press("S");
    let resolved = |job: &Job| matches!(job, Job::Outbox(OutboxJob::Resolve(_, Resolution::SendAgain)));
    assert!(driver.outside.iter().any(resolved));
    driver.press("k p").expect("held").press("p").expect("queued").press("d").expect("Throw this message away?");
    driver.press("y").expect_no("Later").press("gg e").expect("At noon?").press("q").expect("Outbox");
}
