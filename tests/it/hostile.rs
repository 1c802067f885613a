//! Text that would steer a terminal or deceive a reader, in every place that comes from outside: what
//! reaches the screen, standard output and error, and the log, is harmless. And messages beyond all
//! measure, which are shown all the same.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use jiff::tz::TimeZone;
use tern::fault::{Cause, Doing, Fault};
use tern::job::files::{FilesReport, Purpose};
use tern::job::outbox::{Entry, EntryId, EntryState, OutboxReport, Verdict};
use tern::job::shell::ShellReport;
use tern::job::sync::{SyncReport, SyncState};
use tern::job::{Report, Ticket};
use tern::mail::clean::Clean;
use tern::mail::ids::{AccountId, Timestamp};
use tern::mail::{answer, reader};

use crate::support::driver::{Driver, NOW, World as Mails, config};
use crate::terminal::World;

/// Sets the clipboard, clears the screen, colours by C1, reverses, isolates, hides, tags.
const EVIL: &str = "x\u{1b}]52;c;eA==\u{7}\u{1b}[2J\u{9b}31m\u{202e}y\u{2066}\u{200b}\u{feff}\u{e0041}\u{7f}\u{8}z";

/// The first character that steers or deceives.
fn harm(text: &str) -> Option<char> {
    text.chars().find(|c| {
        let steers = c.is_control() && *c != '\n';
        let deceives = matches!(c, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{feff}'
            | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{e0000}'..='\u{e007f}');
        steers || deceives
    })
}

#[track_caller]
fn expect_harmless(place: &str, text: &str) {
    assert_eq!(harm(text), None, "in {place}: {:?}", text.lines().find(|line| harm(line).is_some()));
}

/// A message that is evil in every field and part.
fn evil_message() -> Vec<u8> {
    let word = "=?utf-8?q?x=1B]52;c;eA=3D=3D=07=C2=9B31m=E2=80=AEy=E2=81=A6=E2=80=8Bz?=";
    format!(
        "From: {word} <eve@example.org>\r\nTo: {EVIL} <ada@example.org>\r\nCc: \"{word}\" <bob@example.org>\r\n\
         Subject: {word} {EVIL}\r\nDate: Thu, 19 Nov 2026 10:00:00 +0000 ({EVIL})\r\nMessage-ID: <evil@example.org>\r\n\
         X-{EVIL}: {EVIL}\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
         --b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{EVIL}\r\n> {EVIL}\r\nhttps://example.org/{EVIL}\r\n\
         --b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p title=\"{EVIL}\">&#27;]0;{EVIL} \
         <a href=\"https://example.org/&#x202e;{EVIL}\">&#x9b;{EVIL}</a></p>\r\n\
         --b\r\nContent-Type: image/{EVIL}; name=\"../{EVIL}.png\"\r\nContent-Disposition: attachment; \
         filename=\"{EVIL}.png\"\r\n\r\nx\r\n--b--\r\n"
    )
    .into_bytes()
}

fn fault() -> Fault {
    Fault::new(Doing::Fetching, EVIL, Cause::Protocol).of(&AccountId::new("work")).detail(EVIL)
}

/// What any worker may bring from outside.
fn evil_reports() -> Vec<(&'static str, Report)> {
    let account = AccountId::new("work");
    let entry = Entry {
        id: EntryId::new("1.a").unwrap(),
        account: account.clone(),
        recipients: vec![(Clean::line(EVIL), Verdict::Refused(Clean::line(EVIL)))],
        subject: Clean::line(EVIL),
        state: EntryState::Failed { why: Clean::line(EVIL) },
        queued_at: Timestamp::new(NOW),
        size: 1,
        transcript: vec![Clean::line(EVIL)],
    };
    let path = Path::new("/tmp").join(EVIL);
    vec![
        ("a fault", Report::Sync(SyncReport::Fault(fault()))),
        (
            "the state of a sync",
            Report::Sync(SyncReport::State {
                account: account.clone(),
                state: SyncState::Failed { fault: fault(), next: None, known: false },
            }),
        ),
        ("an alert", Report::Sync(SyncReport::Alert { account: account.clone(), text: Clean::line(EVIL) })),
        ("a dead thread", Report::Died { thread: EVIL.to_owned(), fault: fault() }),
        (
            "a saved file",
            Report::Files(FilesReport::Saved { ticket: Ticket(9_999), path: path.clone(), purpose: Purpose::Keep }),
        ),
        ("a program", Report::Shell(ShellReport::Ran { what: EVIL.to_owned(), result: Err(fault()) })),
        ("a full disk", Report::Files(FilesReport::Failed { ticket: Ticket(9_999), fault: fault() })),
        ("the outbox", Report::Outbox(OutboxReport::Entries(vec![entry]))),
        ("the outbox's fault", Report::Outbox(OutboxReport::Failed { entry: None, fault: fault() })),
        (
            "what was sent",
            Report::Outbox(OutboxReport::Sent {
                entry: EntryId::new("1.a").unwrap(),
                account,
                subject: Clean::line(EVIL),
                answers: None,
                forwards: None,
            }),
        ),
    ]
}

#[test]
fn no_report_steers_the_screen() {
    for (name, report) in evil_reports() {
        let mut world = Mails::with(&["work"]);
        world.add("work", "INBOX", EVIL, EVIL);
        let mut driver = Driver::new(world, &["work"], (120, 35));
        driver.report(report);
        expect_harmless(name, &driver.screen());
        for keys in ["O", "Enter", "Esc", "?"] {
            driver.press(keys);
            expect_harmless(&format!("{name}, then {keys}"), &driver.screen());
        }
    }
}

#[test]
fn no_message_steers_the_viewer_or_the_names_of_its_parts() {
    let bytes = evil_message();
    for width in [20, 80] {
        let document = reader::document(&bytes, width, &TimeZone::UTC);
        for line in &document.lines {
            for span in &line.spans {
                expect_harmless("the text", span.text.as_str());
            }
        }
        for (name, value) in document.headers.iter().chain(&document.all_headers) {
            expect_harmless("the header", &format!("{name}: {value}"));
        }
        for part in &document.attachments {
            expect_harmless("an attachment", &format!("{} {}", part.name, part.media_type));
        }
        for link in &document.links {
            expect_harmless("a link", link.target.as_str());
        }
    }
}

#[test]
fn no_message_steers_the_answer_that_is_written_to_it() {
    let source = Arc::new(answer::read(&evil_message(), &TimeZone::UTC));
    for keys in ["r", "R", "f"] {
        let mut world = Mails::with(&["work"]);
        let place = world.add("work", "INBOX", "Eve", "Hello").place.clone();
        let mut config = config(&["work"]);
        config.accounts[0].submit = Some(tern::config::Submit::Command(vec!["true".to_owned()]));
        let mut driver = Driver::with_config(world, &config, (120, 35));
        driver.press(keys);
        // Whichever it asked for.
        for ticket in (0..100).map(Ticket) {
            let (place, source) = (place.clone(), Arc::clone(&source));
            driver.report(Report::Files(FilesReport::Quoted { ticket, place, source }));
        }
        driver.expect("Subject");
        expect_harmless("the answer", &driver.screen());
        driver.press("Esc");
        expect_harmless("its review", &driver.screen());
    }
}

#[test]
fn no_message_and_no_argument_steers_standard_output() {
    let world = World::new("[accounts.work]\naddress = \"ada@example.org\"\nmaildir = \"{home}/mail\"\n");
    for sub in ["cur", "new", "tmp", ".x\u{202e}y\u{1b}z/cur", ".x\u{202e}y\u{1b}z/new", ".x\u{202e}y\u{1b}z/tmp"] {
        fs::create_dir_all(world.path("mail").join(sub)).unwrap();
    }
    fs::write(world.path("mail/new/1.evil"), evil_message()).unwrap();
    fs::write(world.path("mail").join(format!("new/2.{}", "\u{1b}]0;x\u{7}")), evil_message()).unwrap();
    world.run(&["index", "--rebuild"]);
    assert_eq!(world.succeed(&["list"]).lines().count(), 2);
    let commands: [&[&str]; 12] = [
        &["list"],
        &["folders"],
        &["search", "from:eve"],
        &["search", EVIL],
        &["show", "evil@example.org"],
        &["show", EVIL],
        &["list", EVIL],
        &["outbox", "list"],
        &["outbox", "rm", EVIL],
        &["config", "check", "--config", EVIL],
        &["sync", EVIL],
        &[EVIL],
    ];
    for arguments in commands {
        let output = world.run(arguments);
        expect_harmless(&format!("the output of {arguments:?}"), &String::from_utf8_lossy(&output.stdout));
        expect_harmless(&format!("the errors of {arguments:?}"), &String::from_utf8_lossy(&output.stderr));
    }
    for log in fs::read_dir(world.path("state/tern")).into_iter().flatten().flatten() {
        expect_harmless("the log", &String::from_utf8_lossy(&fs::read(log.path()).unwrap()));
    }
}

/// A message of so many parts, each a line of text.
fn many_parts(count: usize) -> Vec<u8> {
    let mut bytes = b"Subject: parts\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n".to_vec();
    for number in 0..count {
        bytes.extend(format!("--b\r\nContent-Type: text/plain\r\n\r\npart {number}\r\n").into_bytes());
    }
    bytes.extend(b"--b--\r\n");
    bytes
}

#[test]
fn messages_beyond_all_measure_are_shown_within_bounds() {
    let lines = |count: usize| {
        let mut bytes = b"Subject: lines\r\n\r\n".to_vec();
        (0..count).for_each(|number| bytes.extend(format!("line {number}\r\n").into_bytes()));
        bytes
    };
    let mut large =
        b"Subject: large\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nsee below\r\n--b\r\n\
                      Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n"
            .to_vec();
    (0..650_000).for_each(|_| large.extend([b'A'; 76].iter().chain(b"\r\n")));
    large.extend(b"--b--\r\n");
    let one_line = [b"Subject: one line\r\n\r\n".as_slice(), &vec![b'x'; 4 << 20]].concat();
    for (name, bytes) in
        [("100,000 lines", lines(100_000)), ("5,000 parts", many_parts(5_000)), ("50 MB", large), ("a line", one_line)]
    {
        let document = reader::document(&bytes, 80, &TimeZone::UTC);
        assert!((1..=60_000).contains(&document.lines.len()), "{name}: {} lines", document.lines.len());
    }
}
