//! Stories: mails in, keys, screen out. The workers answer at once, so that each story is one page.

use tern::fault::{Cause, Doing, Fault};
use tern::job::shell::OpenWhat;
use tern::job::sync::{Counts, SyncReport, SyncState};
use tern::job::{FilesJob, Job, OutboxJob, Report, ShellJob, SyncJob};
use tern::mail::flags::Flag;
use tern::mail::ids::{AccountId, Timestamp};
use tern::state::{Focus, Screen};

use crate::support::driver::{Driver, NOW, World};

const SIZE: (u16, u16) = (100, 30);

/// Five messages in the inbox of one account, newest first: one, two, three, four, five.
fn five() -> Driver {
    let mut world = World::with(&["ada"]);
    for subject in ["one", "two", "three", "four", "five"] {
        world.add("ada", "INBOX", "Grace Hopper", subject);
    }
    Driver::new(world, &["ada"], SIZE)
}

#[test]
fn triage_archives_trashes_and_undoes() {
    let mut driver = five();
    driver.expect("one").press("a").expect("Moved 1 message to Archive").expect_no("Hopper          one");
    assert_eq!(driver.at(), "two");
    driver.press("j d");
    assert_eq!(driver.subjects("ada", "INBOX"), ["two", "four", "five"]);
    assert_eq!(driver.subjects("ada", "Archive"), ["one"]);
    assert_eq!(driver.subjects("ada", "Trash"), ["three"]);
    driver.press("u u").expect("Undone: moved 1 message to Archive");
    assert_eq!(driver.subjects("ada", "INBOX").len(), 5);
    driver.press("u").expect("Not now: nothing has been changed yet");
}

#[test]
fn a_change_is_shown_at_once_and_taken_back_when_it_fails() {
    let mut driver = five();
    driver.hold = true;
    driver.press("a").expect_no("Hopper          one");
    driver.broken = true;
    driver.release().expect("Hopper          one").expect("cannot write").expect("free some space");
    assert_eq!(driver.subjects("ada", "INBOX").len(), 5);
    assert!(driver.model.undo.is_empty(), "a move that failed cannot be undone");
}

#[test]
fn the_error_stays_until_escape() {
    let mut driver = five();
    driver.broken = true;
    driver.press("d").wait(60).expect("free some space").press("j").expect("free some space");
    driver.press("Esc").expect_no("free some space");
}

#[test]
fn selecting_acts_on_the_selection() {
    let mut driver = five();
    driver.press("Space Space").expect("2 selected").press("F").expect("Starred 2 messages");
    let starred = driver.world.mails.iter().filter(|mail| mail.flags.has(Flag::Flagged)).count();
    assert_eq!(starred, 2);
    driver.press("gg v 2j v a").expect("Moved 3 messages to Archive");
    assert_eq!(driver.subjects("ada", "INBOX"), ["four", "five"]);
    driver.press("u");
    assert_eq!(driver.subjects("ada", "INBOX").len(), 5);
}

#[test]
fn opening_reads_and_marks_as_read() {
    let mut driver = five();
    driver.press("Enter").expect("The text of one.").expect("From");
    assert!(driver.world.mails[0].flags.has(Flag::Seen));
    driver.press("J").expect("The text of two.").press("U").expect("Marked 1 message as unread");
    assert!(!driver.world.mails[1].flags.has(Flag::Seen));
    driver.press("d").expect("The text of three.");
    assert_eq!(driver.subjects("ada", "Trash"), ["two"]);
    driver.press("H").expect("X-Mailer").press("zs").expect("X-Source: m999998").press("q").expect_no("X-Source");
    driver.press("q");
    assert_eq!(driver.model.screen, Screen::Browse(Focus::List));
}

#[test]
fn a_conversation_is_one_row_and_one_wish() {
    let mut world = World::with(&["ada"]);
    let thread = world.add("ada", "INBOX", "Lin Wei", "window, again").thread;
    world.add("ada", "INBOX", "Billing", "invoice");
    world.add("ada", "INBOX", "Ada", "window").thread = thread;
    world.add("ada", "Sent", "Lin Wei", "window: sent").thread = thread;
    let mut driver = Driver::new(world, &["ada"], SIZE);
    driver.press("T").expect("(2)");
    driver.press("Enter").expect("The text of window.");
    assert!(!driver.world.mails[0].flags.has(Flag::Seen), "only the message that is shown is read");
    driver.expect("thread 2/3").press("n").expect("The text of window, again.").press("q gg a");
    driver.expect("Moved 2 messages to Archive");
    assert_eq!(driver.subjects("ada", "INBOX"), ["invoice"]);
    assert_eq!(driver.subjects("ada", "Sent"), ["window: sent"]);
    driver.press("u");
    assert_eq!(driver.subjects("ada", "INBOX").len(), 3);
}

#[test]
fn next_unread_goes_on_into_the_next_folder() {
    let mut world = World::with(&["ada"]);
    world.add("ada", "INBOX", "a", "first").flags = tern::mail::flags::Flags::only(Flag::Seen);
    world.add("ada", "INBOX", "b", "second");
    world.add("ada", "Junk", "x", "spam");
    world.add("ada", "Work", "c", "third");
    let mut driver = Driver::new(world, &["ada"], SIZE);
    driver.press("Tab");
    assert_eq!(driver.at(), "second");
    driver.press("Enter Tab").expect("The text of third.");
    assert_eq!(driver.at(), "third");
    driver.press("Tab").expect("No other unread message");
}

#[test]
fn folders_are_chosen_by_a_few_letters() {
    let mut driver = five();
    driver.press("s").expect("Move 1 message to").type_text("wo").press("Enter").expect("Moved 1 message to Work");
    driver.press("c").type_text("work").press("Enter").expect("Work");
    assert_eq!(driver.at(), "one");
    driver.press("g .");
    assert_eq!(driver.at(), "two");
    driver.press("g d").expect("No messages here").press("g i").expect("two");
}

#[test]
fn search_finds_while_typing_and_escape_goes_back() {
    let mut driver = five();
    driver.press("3j /").type_text("tw").expect("two").expect_no("three");
    driver.press("Esc");
    assert_eq!(driver.at(), "four");
    driver.press("/").type_text("five").press("Enter").expect("1 found");
    assert_eq!(driver.at(), "five");
    driver.press("Enter").expect("The text of five.").press("q q q");
    assert_eq!(driver.at(), "four");
    driver.press("/").type_text("zebra").expect("Nothing found").press("Esc").expect("four");
}

#[test]
fn what_a_search_found_is_marked_in_list_and_message() {
    let mut world = World::with(&["ada"]);
    world.add("ada", "INBOX", "Lin Wei", "Purple café budgets").lines =
        vec![(0, "The budget is purple.".to_owned()), (1, "Purple? PURPLE!".to_owned())];
    world.add("ada", "INBOX", "Grace Hopper", "Lunch");
    let mut driver = Driver::new(world, &["ada"], SIZE);
    assert_eq!(driver.marked(), Vec::<String>::new());
    driver.press("/").type_text("purple bu");
    assert_eq!(driver.marked(), ["Purple", "budgets"], "the last word may go on");
    driver.type_text("dgets (");
    assert_eq!(driver.marked(), ["Purple", "budgets"], "half a query changes nothing");
    driver.expect("column 16: expected a closing parenthesis").type_text("caf*)");
    assert_eq!(driver.marked(), ["Purple", "café", "budgets"]);
    driver.press("Enter").expect("1 found").press("Enter");
    let marked = driver.marked();
    let count = |word: &str| marked.iter().filter(|other| *other == word).count();
    assert_eq!((count("purple"), count("PURPLE")), (1, 1), "{marked:?}");
    driver.press("q q");
    assert_eq!(driver.marked(), Vec::<String>::new());
}

#[test]
fn tab_looks_elsewhere() {
    let mut world = World::with(&["ada", "work"]);
    world.add("ada", "INBOX", "Lin Wei", "plan");
    let mut driver = Driver::new(world, &["ada", "work"], SIZE);
    driver.press("/").type_text("plan").expect("in ada").press("Tab").expect("everywhere");
    driver.press("Tab").expect("in Inbox").press("Tab").expect("in ada");
}

#[test]
fn deleting_for_ever_asks_with_the_number() {
    let mut driver = five();
    driver.press("Space Space D").expect("Delete 2 messages for ever?").press("n");
    assert_eq!(driver.subjects("ada", "INBOX").len(), 5);
    driver.press("D").expect("Delete 1 message for ever?").press("y").expect("Deleted 1 message for ever");
    assert_eq!(driver.subjects("ada", "INBOX").len(), 4);
}

#[test]
fn links_and_attachments_open_by_hint() {
    let mut world = World::with(&["ada"]);
    let mail = world.add("ada", "INBOX", "Lin Wei", "plan");
    mail.attachments = vec!["plan.pdf".to_owned(), "notes.md".to_owned()];
    mail.links = vec!["https://example.org/runbook".to_owned()];
    let mut driver = Driver::new(world, &["ada"], SIZE);
    driver.press("Enter").expect("[1] plan.pdf 84K").press("o").expect("https://example.org/runbook").press("a");
    let link = OpenWhat::Link("https://example.org/runbook".to_owned());
    assert_eq!(driver.outside.pop(), Some(Job::Shell(ShellJob::Open(link))));
    driver.press("o 2");
    assert!(matches!(driver.outside.pop(), Some(Job::Shell(ShellJob::Open(OpenWhat::File(_))))));
    driver.press("S 1").expect("Save to: ~/Downloads").press("Enter").expect("Saved /home/ada/Downloads/part0");
    driver.press("S *").expect("Save 2 attachments to").press("Esc").expect_no("Save 2");
}

#[test]
fn what_needs_the_text_of_a_message_in_the_list_reads_it_first() {
    let mut world = World::with(&["ada"]);
    let mail = world.add("ada", "INBOX", "Lin Wei", "plan");
    mail.attachments = vec!["plan.pdf".to_owned()];
    mail.links = vec!["https://example.org/runbook".to_owned()];
    world.add("ada", "INBOX", "Grace Hopper", "bare");
    let mut driver = Driver::new(world, &["ada"], SIZE);
    // Copying reads nothing aloud: the message stays closed and new.
    driver.press("y a").expect("Copied").expect_no("The text of plan.").expect("2 new");
    let copied = |driver: &mut Driver| match driver.outside.pop() {
        Some(Job::Shell(ShellJob::Copy(text))) => text,
        other => panic!("{other:?}"),
    };
    assert_eq!(copied(&mut driver), "who@example.org");
    driver.press("y y").expect("Copied");
    assert!(copied(&mut driver).contains("The text of plan."));
    driver.press("o").expect("https://example.org/runbook").expect("The text of plan.").press("Esc q q");
    driver.press("S").expect("Save to: ~/Downloads").press("Esc q q");
    // The one that is open is not the one under the cursor.
    driver
        .press("Enter h j o")
        .expect("Not now: this message has no link and no attachment")
        .expect("The text of bare.");
    driver.press("q q H").expect("X-Mailer").press("H").expect_no("X-Mailer").press("q q");
    // What was asked for first is given up for what is asked for next.
    driver.press("k");
    driver.hold = true;
    driver.press("o q").release().expect_no("https://example.org/runbook");
}

#[test]
fn the_pane_on_the_left_has_none_further_left() {
    five().press("h").expect_no("means nothing").press("h").expect("There is no pane further left");
}

#[test]
fn quotes_fold_and_text_is_found() {
    let mut world = World::with(&["ada"]);
    let mail = world.add("ada", "INBOX", "Lin Wei", "long");
    mail.lines = (0..9).map(|n| (1, format!("quoted {n}"))).collect();
    mail.lines.extend((0..60).map(|n| (0, format!("line {n} of text"))));
    let mut driver = Driver::new(world, &["ada"], SIZE);
    driver.press("Enter").expect("+7 quoted").expect_no("quoted 8").press("za").expect("quoted 8");
    driver.press("zM").expect("+7 quoted").press("zR").expect("quoted 8").press("zM");
    driver.press("/").type_text("line 42").expect("1 line").press("Enter").expect("line 42 of text");
    driver.press("gg Space").expect_no("+7 quoted").press("G").expect("line 59 of text");
}

#[test]
fn help_palette_and_which_key_come_from_the_table() {
    let mut driver = five();
    driver.press("?").expect("Help: message list").type_text("trash").expect("Move to the trash").press("Enter");
    assert_eq!(driver.subjects("ada", "Trash"), ["one"]);
    driver.press(":").type_text("undo").press("Enter").expect("Undone");
    driver.press("g").expect_no("Inbox of this account");
    driver.event(tern::state::Event::Pause).expect("Inbox of this account").press("Esc").expect_no("Inbox of this");
    driver.press("g F9").expect("means nothing here");
}

#[test]
fn a_password_goes_to_those_who_need_it_and_not_to_the_screen() {
    let mut driver = five();
    let account = AccountId::new("ada");
    driver.press("/").report(Report::Sync(SyncReport::WantsPassword(account)));
    driver.expect_no("Password").press("Esc").expect("Password for ada").type_text("hunter2").expect("*******");
    driver.expect_no("hunter2").press("Enter").expect_no("Password");
    let asked = driver.outside.iter().filter(|job| match job {
        Job::Sync(SyncJob::Password { secret, .. }) | Job::Outbox(OutboxJob::Password { secret, .. }) => {
            secret.0 == "hunter2"
        }
        _ => false,
    });
    assert_eq!(asked.count(), 2);
}

#[test]
fn a_frightening_plan_waits_for_an_answer() {
    let mut driver = five();
    let mailbox = crate::support::driver::mailbox("ada", "INBOX");
    let question = tern::mail::clean::Clean::line("900 of 1000 messages would be removed. Go on?");
    driver.report(Report::Sync(SyncReport::Held { mailbox: mailbox.clone(), question }));
    driver.expect("900 of 1000 messages").press("n");
    assert_eq!(driver.outside.pop(), Some(Job::Sync(SyncJob::Answer { mailbox, go_on: false })));
}

#[test]
fn sync_shows_numbers_and_faults() {
    let mut driver = five();
    let account = AccountId::new("ada");
    let mailbox = tern::mail::mailbox::MailboxName::inbox();
    let state = SyncState::Working { mailbox, done: 3149, total: 4800 };
    driver.report(Report::Sync(SyncReport::State { account, state })).expect("sync [###---] 3.1k/4.8k");
}

#[test]
fn an_account_by_pop3_says_so_where_it_rests_and_what_its_server_refuses() {
    let mut world = World::with(&["ada"]);
    world.add("ada", "INBOX", "Grace", "private");
    let text =
        "[accounts.ada]\naddress = \"ada@example.org\"\nmaildir = \"~/Mail\"\npop3 = { host = \"pop.example.org\" }\n";
    let config = tern::config::parse(text, &tern::config::Paths::under(std::path::Path::new("/home/ada")));
    let mut driver = Driver::with_config(world, &config, (120, 24));
    let account = AccountId::new("ada");
    let state = |state| Report::Sync(SyncReport::State { account: account.clone(), state });
    let pane =
        |driver: &Driver| driver.screen().lines().find(|line| line.starts_with(" ada ")).unwrap()[..30].to_owned();
    assert!(pane(&driver).contains(" POP3"), "{}", pane(&driver));
    let mailbox = tern::mail::mailbox::MailboxName::inbox();
    driver.report(state(SyncState::Working { mailbox, done: 120, total: 240 })).expect("sync [###---] 120/240");
    assert!(pane(&driver).contains(" sync"), "{}", pane(&driver));
    let fault = Fault::new(Doing::Pushing, "pop.example.org", Cause::Refused)
        .of(&account)
        .detail("3 messages stay on the server that should go: not yours");
    let faults = vec![fault];
    let over = SyncReport::RoundOver { account: account.clone(), counts: Counts::default(), faults };
    driver.report(Report::Sync(over));
    driver.report(state(SyncState::UpToDate { idle: false, at: Timestamp::new(NOW) }));
    assert!(pane(&driver).contains(" POP3"), "{}", pane(&driver));
    driver.expect("3 messages stay on the server that should go").expect_no("sync [");
}

#[test]
fn two_accounts_and_their_inboxes_as_one() {
    let mut world = World::with(&["ada", "work"]);
    world.add("ada", "INBOX", "Grace", "private");
    world.add("work", "INBOX", "Boss", "report");
    let mut driver = Driver::new(world, &["ada", "work"], SIZE);
    driver.expect("private").expect_no("report").press("Alt-2").expect("report").expect_no("private");
    driver.press("gu").expect("private").expect("report").press("*a a");
    assert_eq!(driver.subjects("ada", "Archive"), ["private"]);
    assert_eq!(driver.subjects("work", "Archive"), ["report"]);
    driver.press("Alt-7").expect("There is no account 7");
}

#[test]
fn new_mail_above_leaves_the_cursor_on_its_message() {
    let mut driver = five();
    driver.press("2j");
    assert_eq!(driver.at(), "three");
    let mail = driver.world.add("ada", "INBOX", "New", "brand new");
    mail.id += 100;
    let mailbox = mail.place.mailbox.clone();
    let refreshed = tern::job::IndexReport::Refreshed { mailboxes: vec![mailbox], arrived: Vec::new(), pending: 0 };
    driver.report(Report::Index(refreshed)).expect("brand new");
    assert_eq!(driver.at(), "three");
}

#[test]
fn only_what_comes_after_the_first_round_is_news() {
    let mut driver = five();
    let account = AccountId::new("ada");
    let arrived = |driver: &mut Driver| {
        let place = driver.world.mails[0].place.clone();
        let from = tern::mail::address::Address::bare("grace@example.net");
        let one = tern::job::index::Arrival { place, from, subject: tern::mail::clean::Clean::line("tidings") };
        let mailboxes = Vec::new();
        driver.report(Report::Index(tern::job::IndexReport::Refreshed { mailboxes, arrived: vec![one], pending: 0 }));
    };
    arrived(&mut driver);
    driver.expect_no("New:");
    let at = driver.model.now;
    let state = SyncState::UpToDate { idle: true, at };
    driver.report(Report::Sync(SyncReport::State { account, state })).wait(1);
    arrived(&mut driver);
    driver.expect("New: grace@example.net: tidings");
}

#[test]
fn a_list_is_a_window() {
    let mut world = World::with(&["ada"]);
    for n in 0..5_000 {
        world.add("ada", "INBOX", "Grace", &format!("message {n}"));
    }
    let mut driver = Driver::new(world, &["ada"], SIZE);
    driver.press("G");
    assert_eq!(driver.at(), "message 4999");
    assert!(driver.model.list.rows.len() <= 1_000, "{}", driver.model.list.rows.len());
    driver.press("2500G gg 1 0 j");
    assert_eq!(driver.at(), "message 10");
}

#[test]
fn quitting_asks_only_where_mail_is_unsent() {
    let mut driver = five();
    driver.press("q");
    assert_eq!(driver.outside.pop(), Some(Job::Shell(ShellJob::Quit)));
    driver.model.status.outbox.waiting = 1;
    driver.press("q").expect("1 message not sent yet").press("y");
    assert_eq!(driver.outside.pop(), Some(Job::Shell(ShellJob::Quit)));
}

#[test]
fn a_paste_is_no_key() {
    let mut driver = five();
    driver.event(tern::state::Event::Paste("d d d".to_owned())).expect("Pasted text is not taken for keys");
    assert_eq!(driver.subjects("ada", "INBOX").len(), 5);
}

#[test]
fn a_refused_job_goes_out_again() {
    let mut driver = five();
    driver.hold = true;
    let place = driver.world.mails[0].place.clone();
    let job = Job::Files(FilesJob::Move {
        ticket: tern::job::Ticket(77),
        places: vec![place],
        to: crate::support::driver::mailbox("ada", "Work"),
    });
    driver.report(Report::Refused(Box::new(job))).wait(1).release();
    assert_eq!(driver.subjects("ada", "Work"), ["one"]);
}
