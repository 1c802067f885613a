//! Folders from the folder pane: stories with keys and screen, and what disk and server make of the jobs that
//! come of them.

use std::sync::Mutex;
use std::sync::mpsc::channel;

use jiff::tz::TimeZone;

use tern::job::files::{FolderDone, FolderOrder};
use tern::job::sync::{FolderWish, SyncReport, Wake};
use tern::job::{FilesJob, FilesReport, Job, Report, SyncJob, Ticket};
use tern::mail::clean::Clean;
use tern::mail::place::MailboxId;
use tern::state::{Focus, Screen};
use tern::store;
use tern::store::folders::Root;
use tern::sync::notes;

use crate::support::driver::{Driver, World, mailbox};
use crate::support::meeting::{Meeting, mail, name};

const SIZE: (u16, u16) = (120, 30);

/// Two messages in Lists, one in Lists/rust, none in Work; the folders have the keys.
fn driver() -> Driver {
    let mut world = World::with(&["ada"]);
    for folder in ["Lists", "Lists/rust"] {
        world.mailboxes.push(mailbox("ada", folder));
    }
    world.add("ada", "INBOX", "Grace Hopper", "hello");
    for subject in ["first", "second"] {
        world.add("ada", "Lists", "Lin Wei", subject);
    }
    world.add("ada", "Lists/rust", "Lin Wei", "borrowed");
    let mut driver = Driver::new(world, &["ada"], SIZE);
    driver.press("h");
    driver.outside.clear();
    driver
}

/// Puts the cursor of the pane on a folder.
fn go(driver: &mut Driver, folder: &str) {
    driver.press("gg");
    for _ in 0..20 {
        if under(driver).as_deref() == Some(folder) {
            return;
        }
        driver.press("j");
    }
    panic!("{folder} is not in the pane:\n{}", driver.screen());
}

/// The folder under the cursor of the pane.
fn under(driver: &Driver) -> Option<String> {
    let pane = &driver.model.mailboxes;
    let item = pane.items.get(pane.cursor)?;
    pane.mailbox(item).map(|row| row.mailbox.name.as_str().to_owned())
}

fn folders(driver: &Driver) -> Vec<String> {
    let mut names: Vec<String> = driver.world.mailboxes.iter().map(|id| id.name.as_str().to_owned()).collect();
    names.retain(|name| !["INBOX", "Drafts", "Sent", "Archive", "Junk", "Trash"].contains(&name.as_str()));
    names.sort();
    names
}

/// What the server is to hear of, since this was last asked.
fn told(driver: &mut Driver) -> Vec<String> {
    let word = |job| match job {
        Job::Sync(SyncJob::Wish { mailbox, wish, .. }) => Some(format!("{wish:?} {}", mailbox.name)),
        Job::Sync(SyncJob::Wake { why: Wake::Folders, .. }) => Some("wake".to_owned()),
        _ => None,
    };
    std::mem::take(&mut driver.outside).into_iter().filter_map(word).collect()
}

#[test]
fn a_folder_is_made_below_the_one_under_the_cursor_and_taken_back() {
    let mut driver = driver();
    go(&mut driver, "Lists");
    driver.expect("n new").press("n").expect("New folder: Lists/").type_text("go").press("Enter");
    driver.expect("Made the folder Lists/go");
    assert_eq!(folders(&driver), ["Lists", "Lists/go", "Lists/rust", "Work"]);
    assert_eq!(under(&driver).as_deref(), Some("Lists/go"), "the cursor goes there");
    assert_eq!(told(&mut driver), ["Keep Lists/go", "wake"]);
    driver.press("u").expect("Undone: made the folder Lists/go");
    assert_eq!(folders(&driver), ["Lists", "Lists/rust", "Work"]);
    assert_eq!(told(&mut driver), ["Remove Lists/go", "wake"]);
    driver.press("u").expect("Not now: nothing has been changed yet");
}

#[test]
fn a_name_that_cannot_be_is_said_so_and_can_be_mended() {
    let mut driver = driver();
    go(&mut driver, "Lists");
    driver.press("n Enter").expect("a name is missing").type_text("rust").expect_no("a name is missing");
    driver.press("Enter").expect("There is a folder Lists/rust already").type_text("y").press("Enter");
    driver.press("n").press("Ctrl-u Enter").expect("A folder needs a name").type_text("inbox").press("Enter");
    driver.expect("There is a folder INBOX already").press("Esc");
    assert_eq!(folders(&driver), ["Lists", "Lists/rust", "Lists/rusty", "Work"]);
    go(&mut driver, "Lists");
    driver.press("r").type_text("/old").press("Enter").expect("No folder goes below itself").press("Esc");
    // The same name is no wish.
    driver.press("r Enter").expect_no("Renamed");
    driver.press("n").press("Ctrl-u").type_text(&"x".repeat(1001)).press("Enter").expect("too long");
}

#[test]
fn what_is_on_screen_goes_with_a_folder_that_is_renamed_and_with_those_below_it() {
    let mut driver = driver();
    go(&mut driver, "Lists");
    driver.press("Enter j F");
    assert_eq!(driver.at(), "second");
    driver.press("h");
    go(&mut driver, "Lists");
    told(&mut driver);
    driver.press("r").expect("Rename to: Lists").press("Ctrl-u").type_text("Rolls/old").press("Enter");
    driver.expect("Renamed Lists to Rolls/old");
    assert_eq!(folders(&driver), ["Rolls/old", "Rolls/old/rust", "Work"]);
    assert_eq!(under(&driver).as_deref(), Some("Rolls/old"));
    assert_eq!(driver.model.list.mailbox(), Some(&mailbox("ada", "Rolls/old")));
    assert_eq!(driver.at(), "second", "the list and its cursor are where they were");
    assert_eq!(told(&mut driver), ["Keep Rolls/old", "wake"]);
    // An empty one went and came, as far as a server can tell.
    go(&mut driver, "Work");
    driver.press("r").type_text("s").press("Enter").expect("Renamed Work to Works");
    assert_eq!(told(&mut driver), ["Keep Works", "Keep Works", "Remove Work", "wake"]);
    driver.press("u");
    assert_eq!(told(&mut driver), ["Keep Work", "Keep Work", "Remove Works", "wake"]);
    go(&mut driver, "Rolls/old");
    // A heading that is no folder itself goes with all below it.
    driver.press("k").expect("Rolls").press("r").expect("Rename to: Rolls").press("Ctrl-u").type_text("Scrolls");
    driver.press("Enter").expect("Renamed Rolls to Scrolls");
    assert_eq!(folders(&driver), ["Scrolls/old", "Scrolls/old/rust", "Work"]);
    driver.press("u").expect("Undone: renamed Rolls to Scrolls").press("u").press("u");
    driver.expect("Undone: starred 1 message");
    assert_eq!(folders(&driver), ["Lists", "Lists/rust", "Work"]);
    assert!(driver.world.mails.iter().all(|mail| mail.flags.is_empty()), "older changes found their message");
    assert_eq!(driver.model.list.mailbox(), Some(&mailbox("ada", "Lists")));
}

#[test]
fn one_with_mail_is_asked_about_and_an_empty_one_goes_at_once() {
    let mut driver = driver();
    go(&mut driver, "Lists");
    driver.press("Enter h");
    go(&mut driver, "Lists");
    told(&mut driver);
    driver.press("d").expect("Delete the folder Lists and its 2 messages?").expect("quarantine").press("n");
    assert_eq!(folders(&driver), ["Lists", "Lists/rust", "Work"]);
    assert_eq!(told(&mut driver), [] as [&str; 0]);
    driver.press("d ?").expect("Yes: delete it, and its mail with it").press("Esc y");
    driver.expect("Deleted the folder Lists; 2 messages kept in quarantine for 14 days");
    assert_eq!(folders(&driver), ["Lists/rust", "Work"], "those below stay");
    assert_eq!(told(&mut driver), ["Remove Lists", "wake"]);
    assert_eq!(driver.model.list.mailbox(), Some(&mailbox("ada", "INBOX")), "what showed it shows the inbox");
    assert_eq!(driver.model.screen, Screen::Browse(Focus::Folders));
    driver.press("u").expect("Not now: nothing has been changed yet");
    go(&mut driver, "Work");
    driver.press("Del").expect("Deleted the folder Work").press("u").expect("Undone: deleted the folder Work");
    assert_eq!(folders(&driver), ["Lists/rust", "Work"]);
    assert_eq!(told(&mut driver), ["Remove Work", "wake", "Keep Work", "wake"]);
}

#[test]
fn mail_that_came_meanwhile_keeps_its_folder() {
    let mut driver = driver();
    go(&mut driver, "Lists");
    driver.press("d").expect("its 2 messages?");
    driver.world.add("ada", "Lists", "Lin Wei", "late");
    driver.press("y").expect("3 messages are in it; nothing was deleted");
    assert_eq!(folders(&driver), ["Lists", "Lists/rust", "Work"]);
    assert_eq!(told(&mut driver), ["Remove Lists", "Keep Lists"], "nor is it to go on the server");
}

#[test]
fn a_folder_that_serves_an_end_is_left_alone_and_says_why() {
    let mut driver = driver();
    for (folder, why) in
        [("INBOX", "INBOX keeps its name"), ("Sent", "sent mail is kept there"), ("Trash", "deleted mail goes there")]
    {
        go(&mut driver, folder);
        for key in ["r", "d"] {
            driver.press(key).expect(&format!("Not now: {why}"));
            assert!(driver.model.overlay.is_none());
        }
        driver.expect_no("r rename").expect("n new");
    }
    driver.press("gg r").expect("Not now: no folder is under the cursor");
    assert_eq!(folders(&driver).len(), 3);
}

#[test]
fn a_subscription_is_a_wish_for_the_server() {
    let mut driver = driver();
    go(&mut driver, "Work");
    driver.press("s").expect("Subscribed: Work");
    driver.press("S").expect("Subscription ended: Work");
    assert_eq!(told(&mut driver), ["Subscribe Work", "wake", "Unsubscribe Work", "wake"]);
    let mut config = crate::support::driver::config(&["ada"]);
    config.accounts[0].imap = None;
    let mut driver = Driver::with_config(World::with(&["ada"]), &config, SIZE);
    driver.press("h");
    go(&mut driver, "Work");
    driver.press("s").expect("Not now: this account has no folders on a server");
    driver.outside.clear();
    driver.press("d").expect("Deleted the folder Work");
    assert_eq!(told(&mut driver), [] as [&str; 0]);
}

#[test]
fn a_question_that_the_sync_has_answered_itself_goes() {
    let mut driver = driver();
    let held = |folder: &str| {
        let question = Clean::line(&format!("{folder}: the folder is missing on disk"));
        Report::Sync(SyncReport::Held { mailbox: mailbox("ada", folder), question })
    };
    driver.report(held("Lists")).report(held("Work")).expect("Lists: the folder is missing");
    let change = tern::job::sync::FolderChange::RenamedThere(name("Rolls"));
    driver.report(Report::Sync(SyncReport::FolderChanged { mailbox: mailbox("ada", "Lists"), change }));
    driver.expect_no("Lists: the folder is missing").expect("Work: the folder is missing");
}

/// The threads `files` and `notes` do what the screen asks of them, while no server is in reach.
struct Desk<'a> {
    meeting: &'a Meeting,
}

impl Desk<'_> {
    fn id(&self, folder: &str) -> MailboxId {
        MailboxId { account: self.meeting.env.account.id.clone(), name: name(folder) }
    }

    fn wish(&self, folder: &str, wish: FolderWish) {
        let (send, jobs) = channel();
        send.send(SyncJob::Wish { ticket: Ticket(1), mailbox: self.id(folder), wish }).unwrap();
        drop(send);
        let told = Mutex::new(Vec::new());
        notes::run(std::slice::from_ref(&self.meeting.env), &jobs, &|report| told.lock().unwrap().push(report));
        let told = told.into_inner().unwrap();
        assert!(told.iter().any(|report| matches!(report, SyncReport::Wished { result: Ok(()), .. })), "{told:?}");
    }

    fn arrange(&self, folder: &str, order: FolderOrder) -> FolderDone {
        let account = &self.meeting.env.account;
        let root = Root { path: account.maildir.clone(), layout: account.layout };
        let env = store::worker::Env {
            accounts: vec![(account.id.clone(), root)],
            tags: std::collections::BTreeMap::new(),
            data: self.meeting.env.data.clone(),
            runtime: self.meeting.env.data.join("run"),
            zone: TimeZone::UTC,
        };
        let (send, jobs) = channel();
        send.send(FilesJob::Arrange { ticket: Ticket(1), mailbox: self.id(folder), order }).unwrap();
        drop(send);
        let told = Mutex::new(Vec::new());
        store::worker::run(env, &jobs, &|report| told.lock().unwrap().push(report));
        match told.into_inner().unwrap().pop() {
            Some(FilesReport::Arranged { done, .. }) => done,
            other => panic!("{other:?}"),
        }
    }
}

/// The folders on the server.
fn there(meeting: &Meeting) -> Vec<String> {
    meeting.server.names().iter().map(ToString::to_string).collect()
}

#[test]
fn what_is_done_here_while_offline_the_next_sync_does_on_the_server_without_a_question() {
    let meeting = Meeting::new();
    for folder in ["Lists", "Lists/rust", "Work"] {
        meeting.server.add_mailbox(&name(folder), None);
        for n in 0..9 {
            meeting.deliver(&name(folder), &mail(Some(&format!("{folder}{n}")), &format!("{folder} {n}")), "");
        }
    }
    meeting.sync_well();
    let desk = Desk { meeting: &meeting };
    assert_eq!(desk.arrange("New/2026", FolderOrder::Make), FolderDone::Made);
    assert!(
        matches!(desk.arrange("Lists", FolderOrder::Rename(name("Rolls"))), FolderDone::Renamed(all) if all.len() == 2)
    );
    desk.wish("Work", FolderWish::Remove);
    assert_eq!(desk.arrange("Work", FolderOrder::Remove { at_most: 9 }), FolderDone::Removed { kept: 9 });
    let summary = meeting.sync_well();
    assert_eq!(summary.held, []);
    assert_eq!((summary.counts.fetched, summary.counts.appended), (0, 0), "a rename moves no mail");
    assert_eq!(there(&meeting), ["INBOX", "New/2026", "Rolls", "Rolls/rust"]);
    // Of an empty folder only the wish tells that nobody lost it.
    let FolderDone::Renamed(all) = desk.arrange("New/2026", FolderOrder::Rename(name("Old"))) else { panic!() };
    assert!(all[0].is_empty);
    desk.wish("New/2026", FolderWish::Remove);
    assert_eq!(meeting.sync_well().held, []);
    assert_eq!(there(&meeting), ["INBOX", "Old", "Rolls", "Rolls/rust"]);
    meeting.assert_met();
    assert_eq!(meeting.quarantined(), [("work.Work".to_owned(), 9)].into());
    assert!(meeting.sync_well().counts.is_zero());
}

#[test]
fn a_removal_that_was_not_carried_out_removes_nothing_on_the_server() {
    let meeting = Meeting::new();
    meeting.server.add_mailbox(&name("Work"), None);
    for n in 0..9 {
        meeting.deliver(&name("Work"), &mail(Some(&n.to_string()), "x"), "");
    }
    meeting.sync_well();
    let desk = Desk { meeting: &meeting };
    // The program ended between the wish and the removal, and mail is moved out of the folder later.
    desk.wish("Work", FolderWish::Remove);
    meeting.sync_well();
    let maildir = meeting.maildir(&name("Work"));
    for entry in meeting.files(&name("Work")) {
        maildir.move_to(&entry, &meeting.maildir(&name("INBOX")), &tern::store::maildir::fresh(None)).unwrap();
    }
    meeting.sync_well();
    meeting.sync_well();
    assert_eq!(there(&meeting), ["INBOX", "Work"]);
    meeting.assert_met();
}
