//! Snapshots of whole screens: at each size class, in ASCII and with rules, with menus over them.

use tern::config::{Config, Paths};
use tern::job::outbox::EntryState;
use tern::mail::address::Address;
use tern::mail::clean::Clean;
use tern::mail::flags::{Flag, Flags};
use tern::mail::ids::Timestamp;
use tern::state::Event;
use tern::theme::{self, Depth, Glyphs, Half, Theme};

use crate::support::driver::{Driver, NOW, World, entry};

/// A mailbox with what is hard to draw: wide characters, right-to-left, emoji, long subjects.
fn world() -> World {
    let mut world = World::with(&["ada", "work"]);
    world.add("ada", "INBOX", "Grace Hopper", "Q3 numbers: final draft").attachments = vec!["q3.xlsx".to_owned()];
    let wei = world.add("ada", "INBOX", "Lin Wei 林伟", "Re: deploy window on Friday");
    wei.flags = Flags::only(Flag::Flagged);
    wei.lines = vec![
        (0, "Hi Ada,".to_owned()),
        (0, String::new()),
        (0, "Friday 16:00 works. The runbook is at https://example.org/runbook and the rollback is one command now, so that nobody has to wait for the other team.".to_owned()),
        (0, String::new()),
    ];
    wei.lines.extend((0..9).map(|n| (1 + n / 6, format!("quoted line {n}"))));
    wei.attachments = vec!["plan.pdf".to_owned(), "notes.md".to_owned()];
    world.add(
        "ada",
        "INBOX",
        "CI Bot",
        "[build] main failed #4821 with a subject that is too long for any screen there is, even a very wide one",
    );
    let seen = |flag| Flags::only(Flag::Seen).with(flag);
    world.add("ada", "INBOX", "José Núñez", "¿Comemos el jueves?").flags = seen(Flag::Answered);
    world.add("ada", "INBOX", "日本語のとても長い名前の送信者です", "日本語の件名がここにあります").flags =
        seen(Flag::Seen);
    world.add("ada", "INBOX", "שרה כהן", "שלום עולם").flags = seen(Flag::Forwarded);
    world.add("ada", "INBOX", "👩\u{200d}💻 Dev", "🎉 party 🎉 time").flags = seen(Flag::Seen);
    world.add("ada", "INBOX", "Weekly News", "").ago = 3 * 86_400;
    world.add("ada", "INBOX", "Billing", "Invoice").ago = 30 * 86_400;
    world.add("ada", "INBOX", "Archive Bot", "Last year").ago = 400 * 86_400;
    world.add("ada", "Work", "Boss", "report");
    world.add("work", "INBOX", "Boss", "report");
    world
}

fn driver(size: (u16, u16)) -> Driver {
    Driver::new(world(), &["ada", "work"], size)
}

/// A new message at this size, opened.
fn opened(size: (u16, u16)) -> String {
    driver(size).press("j Enter").screen()
}

#[test]
fn size_classes() {
    for (width, height) in [(40, 12), (80, 24), (120, 35), (200, 50)] {
        let name = format!("{width}x{height}");
        insta::assert_snapshot!(format!("list_{name}"), driver((width, height)).screen());
        insta::assert_snapshot!(format!("open_{name}"), opened((width, height)));
    }
}

#[test]
fn a_long_header_leaves_room_for_the_text_on_a_small_screen() {
    let mut world = world();
    let cc = (0..9).map(|n| Address::bare(&format!("person{n}@example.org"))).collect();
    (world.mails[1].cc, world.mails[1].attachments) = (cc, (0..9).map(|n| format!("plan {n}.pdf")).collect());
    let mut driver = Driver::new(world, &["ada", "work"], (40, 12));
    driver.press("j Enter").expect("Lin Wei").expect("nobody has to wait").expect_no("Cc").expect_no("plan 3.pdf");
    driver.press("H").expect("X-Mailer").expect("plan 3.pdf").press("H").expect("nobody has to wait");
}

#[test]
fn folders_on_small_screens() {
    insta::assert_snapshot!("folders_40x12", driver((40, 12)).press("h").screen());
    insta::assert_snapshot!("folders_80x24", driver((80, 24)).press("h 3j").screen());
}

#[test]
fn what_lies_over_the_screen() {
    let size = (80, 24);
    insta::assert_snapshot!("help", driver(size).press("?").screen());
    insta::assert_snapshot!("palette", driver(size).press(":").type_text("arch").screen());
    insta::assert_snapshot!("move", driver(size).press("s").type_text("r").screen());
    insta::assert_snapshot!("which_key", driver(size).press("g").event(Event::Pause).screen());
    insta::assert_snapshot!("search", driver(size).press("/").type_text("deploy").screen());
    insta::assert_snapshot!("question", driver(size).press("Space Space D").screen());
    insta::assert_snapshot!("hints", driver(size).press("j Enter o").screen());
    insta::assert_snapshot!("log", driver(size).press("a u gl").screen());
}

/// The outbox with one message in each state.
fn outbox(size: (u16, u16)) -> Driver {
    let mut world = world();
    let draft = driver(size).press("m Esc").draft();
    let why = |text: &str| Clean::line(text);
    let soon = Timestamp::new(NOW + 50);
    let states = [
        EntryState::Held(Some(Timestamp::new(NOW + 8))),
        EntryState::Deferred { attempts: 3, next: soon, why: why("421 4.7.0 try again later") },
        EntryState::Failed { why: why("550 5.1.1 no such user") },
        EntryState::MaybeSent,
    ];
    let named = [("Lunch", "grace@example.net"), ("Invoice", "billing@example.net"), ("Hello", "jon@exmaple.com")];
    let named = named.into_iter().chain([("部署", "林伟 <lin@example.cn>")]);
    world.outbox = named
        .zip(states)
        .enumerate()
        .map(|(at, ((subject, to), state))| (entry(&format!("e{at}"), subject, to, state), draft.clone()))
        .collect();
    for line in ["S: 220 mx.example.net ESMTP", "C: EHLO localhost", "S: 421 4.7.0 try again later"] {
        world.outbox[1].0.transcript.push(Clean::line(line));
    }
    Driver::new(world, &["ada", "work"], size)
}

#[test]
fn writing_and_the_outbox() {
    for (width, height) in [(40, 12), (80, 24)] {
        let (size, name) = ((width, height), format!("{width}x{height}"));
        insta::assert_snapshot!(format!("editor_{name}"), driver(size).press("j r").type_text("Fine.").screen());
        let mut review = driver(size);
        review.world.names = vec!["plan.pdf".to_owned()];
        review.press("j r").type_text("It is attached.").press("Esc a").type_text("plan.pdf").press("Enter b");
        review.type_text("boss@example.org").press("Enter s").press("Ctrl-u Enter").wait(9);
        insta::assert_snapshot!(format!("review_{name}"), review.screen());
        insta::assert_snapshot!(format!("outbox_{name}"), outbox(size).press("g o j").screen());
        insta::assert_snapshot!(format!("transcript_{name}"), outbox(size).press("g o j i").screen());
    }
    insta::assert_snapshot!("outbox_empty", driver((80, 24)).press("g o").screen());
}

#[test]
fn words_of_trouble_are_not_cut() {
    let mut driver = driver((80, 24));
    let text = "ada: cannot reach imap.example.org: connection refused by a server that says very much about it";
    driver.model.trouble(text);
    driver.press("j").expect("ada: cannot reach imap.example.org: connection refused").expect("very much about it");
}

#[test]
fn the_first_start() {
    let config = Config::empty(Paths::under(std::path::Path::new("/home/ada")));
    insta::assert_snapshot!("welcome_80x24", Driver::with_config(World::default(), &config, (80, 24)).screen());
    insta::assert_snapshot!("welcome_40x12", Driver::with_config(World::default(), &config, (40, 12)).screen());
}

#[test]
fn unicode_marks() {
    let mut driver = driver((120, 35));
    driver.theme = Theme::terminal(Depth::Ansi16).with_glyphs(Glyphs::UNICODE);
    insta::assert_snapshot!("unicode_120x35", driver.press("j Enter").screen());
}

#[test]
fn mono_says_everything_without_colour() {
    let mut driver = driver((80, 24));
    driver.theme = Theme::named("mono", Half::Dark, Depth::Mono).unwrap().with_glyphs(Glyphs::ASCII);
    driver.press("Space j");
    let cells = driver.cells.content();
    let plain = |color| color == ratatui::style::Color::Reset;
    assert!(cells.iter().all(|cell| plain(cell.fg) && plain(cell.bg)));
    insta::assert_snapshot!("mono_80x24", driver.screen());
}

#[test]
fn what_has_the_cursor_in_the_pane_can_be_read_in_every_theme() {
    for (name, _) in theme::BUNDLED {
        for half in [Half::Dark, Half::Light] {
            let mut driver = driver((80, 24));
            driver.theme = Theme::named(name, half, Depth::True).unwrap();
            let ground = driver.theme.cursor_row.bg;
            // An open folder, and the account above it.
            for key in ["h", "k"] {
                let cells = driver.press(key).cells.content().to_vec();
                let written = cells.iter().filter(|cell| Some(cell.bg) == ground && cell.symbol() != " ");
                for ratio in written.filter_map(|cell| theme::contrast(cell.fg, cell.bg)) {
                    assert!(ratio >= 4.5, "{name} {half:?} {key}: contrast {ratio:.2}");
                }
            }
        }
    }
}

#[test]
fn a_small_screen_says_so_and_a_tiny_one_does_not_panic() {
    driver((39, 12)).expect("make the window bigger");
    for (width, height) in [(1, 1), (10, 3), (3, 40), (200, 2), (40, 6), (59, 9)] {
        driver((width, height)).press("j Enter ? Esc g");
    }
}

#[test]
fn moving_the_cursor_changes_few_cells() {
    let mut driver = driver((120, 35));
    let before = driver.cells.clone();
    driver.press("j");
    let after = driver.cells.clone();
    let rows: std::collections::BTreeSet<u16> = before.diff(&after).into_iter().map(|(_, y, _)| y).collect();
    // The two rows of each message, and the number in the message line.
    assert!(rows.len() <= 5, "{rows:?}");
}
