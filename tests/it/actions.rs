//! Each row of the action table does something in each of its places, by each of its keys: there is
//! no row that help and hints promise and nobody carries out.

use std::sync::OnceLock;

use tern::job::outbox::EntryState;
use tern::job::sync::SyncReport;
use tern::job::{Job, Report};
use tern::keys::action::TABLE;
use tern::keys::{Action, Context};
use tern::mail::clean::Clean;
use tern::mail::draft::Draft;
use tern::mail::flags::{Flag, Flags};
use tern::mail::ids::{AccountId, Timestamp};
use tern::mail::labels::{Label, View};
use tern::mail::mailbox::MailboxName;

use crate::support::driver::{Driver, NOW, World, config, entry, mailbox, person};

/// Two accounts, a conversation, links, attachments, messages on all sides of the cursor, two
/// messages in the outbox and an unfinished one: a place where everything can be done.
fn world() -> World {
    let mut world = World::with(&["ada", "work"]);
    for n in 0..24 {
        let mail = world.add("ada", "INBOX", "Grace Hopper", &format!("message {n}"));
        mail.thread = 7 + mail.id % 2;
        mail.list = Some("tern.example.org".to_owned());
        mail.links = vec!["https://example.org/".to_owned()];
        mail.attachments = vec!["plan.pdf".to_owned(), "notes.md".to_owned()];
        mail.lines = (0..if n == 12 { 70 } else { 3 }).map(|n| (u8::from(n % 20 > 10), format!("line {n}"))).collect();
        if n % 7 == 1 {
            mail.flags = Flags::only(Flag::Flagged).with(Flag::Seen);
        }
    }
    for role in ["Drafts", "Sent", "Archive", "Junk", "Trash", "Work"] {
        world.add("ada", role, "Lin Wei", role).flags = Flags::only(Flag::Seen);
    }
    world.add("work", "INBOX", "Boss", "report");
    world
}

/// A message that nothing was typed into yet.
fn draft() -> Draft {
    static MADE: OnceLock<Draft> = OnceLock::new();
    MADE.get_or_init(|| Driver::new(World::with(&["ada"]), &["ada"], (70, 18)).press("m Esc").draft()).clone()
}

fn place(context: Context, action: Action) -> Driver {
    let mut world = world();
    if action == Action::Label {
        let label = Label::Named(MailboxName::new("Work").unwrap());
        world.views = vec![View { mailbox: mailbox("ada", "Work"), role: None, label, home: mailbox("ada", "INBOX") }];
        world.mailboxes.retain(|known| *known != mailbox("ada", "Work"));
    }
    let mut config = config(&["ada", "work"]);
    if action == Action::RunRules {
        let text = "[[rules]]\nname = \"x\"\nmatch = \"x\"\nread = true\n";
        config.rules = tern::config::parse(text, &config.paths).rules;
    }
    let mut driver = Driver::with_config(world, &config, (70, 18));
    // Somewhere else has been open, something has been changed.
    driver.press("g s g i 13j k F");
    if action == Action::SaveSearch && context == Context::List {
        driver.press("/").type_text("message").press("Enter");
    }
    if context != Context::List {
        driver.press("Enter 20j");
    } else if matches!(action, Action::Headers | Action::CopyAddress | Action::CopyId | Action::CopyText)
        || matches!(action, Action::FoldHere | Action::FoldAll | Action::UnfoldAll)
        || matches!(action, Action::OpenHint | Action::SaveAttachment)
    {
        driver.press("Enter q");
    }
    match context {
        Context::List | Context::View => {}
        Context::Folders => {
            // A folder that serves no end, since others are not changed.
            driver.press("h h 6j");
        }
        Context::Menu => {
            driver.press(":").press("Down Down");
        }
        Context::Prompt => {
            driver.press("q /").type_text("message").press("Down Down");
        }
        Context::Ask => {
            let words = Clean::line("the server says that 900 of 1000 are gone");
            let mailbox = mailbox("ada", "INBOX");
            driver.report(Report::Sync(SyncReport::Held { mailbox, question: words }));
        }
        Context::Hints => {
            driver.press("o");
        }
        Context::Page => {
            for n in 0..50 {
                driver.model.trouble(&format!("trouble {n}"));
            }
            driver.press("Esc g l 9k");
        }
        Context::Outbox => {
            let draft = draft();
            let state = match action {
                Action::WasSent | Action::SendAgain => EntryState::MaybeSent,
                _ => EntryState::Deferred { attempts: 1, next: Timestamp::new(NOW + 99), why: Clean::line("421") },
            };
            let one = |n| (entry(&format!("e{n}"), "subject", "grace@example.net", state.clone()), draft.clone());
            driver.world.outbox = (0..30).map(one).collect();
            driver.press("g o 15j");
        }
        Context::Review => {
            driver.world.names = vec!["plan.pdf".to_owned()];
            driver.press("r Esc a").type_text("plan.pdf").press("Enter j j");
        }
        Context::Suggest => {
            driver.world.people = ["Grace Hopper <grace@example.net>", "Greta <greta@example.net>"].map(person).into();
            driver.press("m").type_text("gr").press("Down");
        }
        Context::Editor => {
            driver.press("m").type_text("grace@example.net").press("Tab");
        }
    }
    if action == Action::ResumeUnsent {
        let draft = draft();
        driver.report(Report::Files(tern::job::FilesReport::Drafts(vec![draft])));
    }
    if action == Action::JoinThreads {
        driver.press(if context == Context::List { "k x j" } else { "q k x j Enter" });
    }
    if action == Action::SelectNone || (action == Action::Back && context == Context::List) {
        driver.press("x");
    }
    assert_eq!(driver.model.context(), context, "{action:?}");
    driver.outside.clear();
    driver
}

/// Everything that can be seen of the program: what it is like, and what it asked of others.
fn seen(driver: &Driver) -> String {
    let asked: Vec<&Job> = driver.outside.iter().collect();
    let model = &driver.model;
    format!(
        "{:?} {:?} {:?} {:?} {:?} {} {:?} {asked:?} {:?}",
        model.screen,
        model.overlay,
        model.list.cursor,
        model.list.selected,
        model.viewer,
        driver.screen(),
        model.compose,
        model.outbox,
    )
}

#[test]
fn each_row_does_something_in_each_of_its_places() {
    let mut dead = Vec::new();
    for row in TABLE {
        for context in row.contexts {
            let mut driver = place(*context, row.action);
            let Some(keys) = driver.model.keymap.key_of(*context, row.action) else {
                dead.push(format!("{} has no key in {context:?}", row.name));
                continue;
            };
            let before = seen(&driver);
            driver.press(&keys);
            let screen = driver.screen();
            let refused = screen.contains("Not now:") || screen.contains("means nothing here");
            if refused || before == seen(&driver) {
                dead.push(format!("{} ({keys}) does nothing in {context:?}:\n{screen}", row.name));
            }
        }
    }
    assert!(dead.is_empty(), "{}", dead.join("\n"));
}

#[test]
fn an_account_that_cannot_send_says_so() {
    let mut config = crate::support::driver::config(&["ada"]);
    config.accounts[0].submit = None;
    let mut driver = Driver::with_config(world(), &config, (100, 30));
    driver.press("r").expect("Not now: no account can send").expect_no("r reply").press("m").expect("Not now");
    assert_eq!(AccountId::new("ada"), driver.model.accounts[0].id);
}
