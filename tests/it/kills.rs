//! Power cuts: the program is killed at random moments while it syncs and while it sends, with the
//! mailboxes changing meanwhile. In the end this test reads both sides by itself: nothing missing,
//! nothing twice, on the server, in the Maildir and at the receiver. `TERN_TEST_SEED` chooses
//! another course of events; each failure names its own.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::servers::dovecot::Dovecot;
use crate::support::letters::letter;
use crate::support::patience::{at_last, becomes};
use crate::support::smtp_script::Fake;
use crate::support::stubs::{bring, every_third_large, is_stub, name_of};
use crate::terminal::{World, account, pop3_account};

/// How often the program is killed while it syncs by IMAP, and while it sends.
const KILLS: u32 = 25;
/// How often it is killed while it fetches by POP3.
const POP3_KILLS: u32 = 30;
/// How often while large messages are stubs first and become whole.
const STUB_KILLS: u32 = 60;

fn dice() -> (u64, fastrand::Rng) {
    let seed = std::env::var("TERN_TEST_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(20_260_101);
    (seed, fastrand::Rng::with_seed(seed))
}

/// Lets a process run for so long, then kills it as a power cut would; says whether it had ended.
fn kill_after(child: &mut Child, time: Duration) -> bool {
    let end = Instant::now() + time;
    while Instant::now() < end {
        if child.try_wait().expect("our own child").is_some() {
            return true;
        }
        std::thread::sleep(Duration::from_micros(500));
    }
    let over = child.try_wait().expect("our own child").is_some();
    let _ = child.kill();
    child.wait().expect("our own child");
    over
}

fn quiet(command: &mut Command) -> &mut Command {
    command.stdout(Stdio::null()).stderr(Stdio::null())
}

fn words(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The messages of a mailbox with how often each is there, by subject; line ends do not count.
type Contents = BTreeMap<String, Vec<String>>;

/// Reads a message that a server may take from `new/` to `cur/` or give other flags after it was listed.
/// `None`: it is gone. The session of a client that was killed may still be removing what it was told to.
fn read_wherever(path: &std::path::Path) -> Option<Vec<u8>> {
    let base = |path: &std::path::Path| path.file_name()?.to_str()?.split([':', ',']).next().map(ToOwned::to_owned);
    let cur = path.parent().and_then(std::path::Path::parent).expect("a Maildir").join("cur");
    for _ in 0..50 {
        if let Ok(bytes) = fs::read(path) {
            return Some(bytes);
        }
        let now = fs::read_dir(&cur).into_iter().flatten().flatten().map(|entry| entry.path());
        if let Some(bytes) = now.filter(|other| base(other) == base(path)).find_map(|other| fs::read(other).ok()) {
            return Some(bytes);
        }
    }
    None
}

fn contents(files: &[std::path::PathBuf]) -> Contents {
    let mut found = Contents::new();
    for bytes in files.iter().filter_map(|path| read_wherever(path)) {
        let text = String::from_utf8(bytes).expect("text").replace('\r', "");
        let subject = text.lines().find_map(|line| line.strip_prefix("Subject: ")).unwrap_or("none").to_owned();
        found.entry(subject).or_default().push(text);
    }
    found
}

/// Both sides of one account and what must be in them.
struct Meeting {
    dovecot: Dovecot,
    world: World,
    wanted: BTreeMap<&'static str, BTreeSet<String>>,
    next: u32,
    /// What happened, for the one who has to find out why.
    course: Vec<String>,
}

impl Meeting {
    fn new(letters: u32) -> Self {
        let dovecot = Dovecot::start();
        let world = World::new(&account(&dovecot, "ada", "sync = { guard = false }"));
        let wanted = [("INBOX", BTreeSet::new()), ("Archive", BTreeSet::new())].into();
        let mut meeting = Self { dovecot, world, wanted, next: 1, course: Vec::new() };
        for _ in 0..letters {
            meeting.arrive();
        }
        meeting
    }

    fn wanted_in(&mut self, mailbox: &'static str) -> &mut BTreeSet<String> {
        self.wanted.get_mut(mailbox).expect("one of the two")
    }

    /// A letter comes to the server.
    fn arrive(&mut self) {
        let number = self.next;
        self.next += 1;
        let _ = self.dovecot.deliver("ada", "INBOX", &letter(number));
        self.wanted_in("INBOX").insert(format!("Letter {number}"));
    }

    /// A letter is written into the local archive.
    fn file_here(&mut self) {
        let number = self.next;
        let directory = self.world.path("mail/ada/Archive");
        if !directory.join("cur").is_dir() {
            return;
        }
        self.next += 1;
        let name = format!("1704067200.M{number}P1.here");
        fs::write(directory.join("tmp").join(&name), letter(number)).expect("a file");
        fs::rename(directory.join("tmp").join(&name), directory.join("cur").join(format!("{name}:2,S")))
            .expect("a rename");
        self.wanted_in("Archive").insert(format!("Letter {number}"));
    }

    /// One of the inbox is removed on the server.
    fn remove_there(&mut self, dice: &mut fastrand::Rng) {
        let Some(subject) = dice.choice(self.wanted["INBOX"].iter().cloned().collect::<Vec<_>>()) else { return };
        // Subjects are searched by part: the end of the number must be the end of the line.
        let id = subject.replace("Letter ", "letter-") + "@";
        self.course.push(format!("{subject} removed there"));
        self.dovecot.doveadm(&["expunge", "-u", "ada", "mailbox", "INBOX", "header", "Message-ID", &id]);
        self.wanted_in("INBOX").remove(&subject);
    }

    /// One of the inbox is moved to the archive here, as a mail program does: by a rename. It may have
    /// been fetched by a run that was killed before it had written that down.
    fn move_here(&mut self, dice: &mut fastrand::Rng) {
        let inbox = self.world.files("mail/ada/INBOX");
        let (Some(path), true) = (dice.choice(inbox), self.world.path("mail/ada/Archive/cur").is_dir()) else {
            return;
        };
        // The program may rename it at this moment.
        let Ok(text) = fs::read_to_string(&path) else { return };
        let subject = text.lines().find_map(|line| line.strip_prefix("Subject: ")).expect("a subject").to_owned();
        if !self.wanted["INBOX"].contains(&subject) {
            // It was removed there, which is not known here yet.
            return;
        }
        let name = path.file_name().expect("a name").to_str().expect("text").to_owned();
        let name = if name.contains(":2,") { name } else { format!("{name}:2,") };
        if fs::rename(&path, self.world.path("mail/ada/Archive/cur").join(name)).is_err() {
            return;
        }
        self.course.push(format!("{subject} moved here"));
        self.wanted_in("INBOX").remove(&subject);
        self.wanted_in("Archive").insert(subject);
    }

    /// One is marked as read on the server.
    fn read_there(&mut self, dice: &mut fastrand::Rng) {
        let number = dice.u32(1..self.next).to_string();
        let id = format!("letter-{number}@");
        self.dovecot.doveadm(&["flags", "add", "-u", "ada", "\\Seen", "mailbox", "INBOX", "header", "Message-ID", &id]);
    }

    /// What the program wrote into its log, and the server into its own.
    fn log(&self) -> String {
        fs::read_to_string(self.world.path("state/tern/tern.log")).unwrap_or_default() + &self.dovecot.log()
    }

    /// What differs from what must be there, on both sides.
    fn differences(&self) -> String {
        let mut out = String::new();
        for (mailbox, wanted) in &self.wanted {
            for (side, files) in [
                ("server", self.dovecot.files("ada", mailbox)),
                ("here", self.world.files(&format!("mail/ada/{mailbox}"))),
            ] {
                let found = contents(&files);
                for subject in wanted.iter().filter(|subject| !found.contains_key(*subject)) {
                    writeln!(out, "{side} {mailbox}: {subject} is missing").expect("a String");
                }
                for (subject, texts) in found {
                    if !wanted.contains(&subject) {
                        let holds = |path: &std::path::PathBuf| {
                            fs::read_to_string(path).is_ok_and(|text| text.contains(&format!("{subject}\r\n")))
                        };
                        let found_in: Vec<_> = files.iter().filter(|path| holds(path)).collect();
                        writeln!(out, "{side} {mailbox}: {subject} should not be there: {found_in:?}")
                            .expect("a String");
                    }
                    if texts.len() > 1 {
                        writeln!(out, "{side} {mailbox}: {subject} is there {} times", texts.len()).expect("a String");
                    }
                    let number = subject.strip_prefix("Letter ").and_then(|n| n.parse().ok()).expect("a number");
                    let original = String::from_utf8(letter(number)).expect("text").replace('\r', "");
                    if texts.iter().any(|text| *text != original) {
                        writeln!(out, "{side} {mailbox}: {subject} is damaged").expect("a String");
                    }
                }
            }
        }
        out
    }
}

#[test]
fn killed_while_it_syncs_it_loses_and_doubles_nothing() {
    let (seed, mut dice) = dice();
    let mut meeting = Meeting::new(300);
    let mut ran_out = 0;
    for _ in 0..KILLS {
        let mut tern = quiet(&mut meeting.world.command(&["sync", "--quiet"])).spawn().expect("tern starts");
        // While it runs, and in between, both sides change.
        let pause = Duration::from_millis(dice.u64(0..250));
        std::thread::sleep(Duration::from_millis(dice.u64(0..20)));
        match dice.u8(0..6) {
            0 | 1 => meeting.arrive(),
            2 => meeting.file_here(),
            3 => meeting.remove_there(&mut dice),
            4 => meeting.move_here(&mut dice),
            _ => meeting.read_there(&mut dice),
        }
        let ended = kill_after(&mut tern, pause);
        meeting.course.push(format!("{} after {pause:?}", if ended { "ended" } else { "killed" }));
        if ended {
            ran_out += 1;
        }
        if dice.bool() {
            std::thread::sleep(Duration::from_millis(dice.u64(0..200)));
        }
    }
    assert!(ran_out < KILLS, "seed {seed}: it was never killed at work");
    // Left in peace, it comes to an end; the second time there is nothing to do.
    for _ in 0..2 {
        meeting.world.succeed(&["sync", "--quiet"]);
    }
    // The server may still be renaming files for those that were killed.
    let differences = at_last(|| meeting.differences(), String::is_empty);
    assert!(differences.is_empty(), "seed {seed}:\n{differences}{:#?}\n{}", meeting.course, meeting.log());
    let third = meeting.world.succeed(&["sync"]);
    assert_eq!(third, "", "seed {seed}: nothing is left to do");
}

#[test]
fn killed_while_it_sends_it_sends_each_letter_once() {
    let (seed, mut dice) = dice();
    // A receiver that takes its time, so that the program is caught at every step.
    let receiver = Fake::start(|_| {
        std::thread::sleep(Duration::from_millis(4));
        None
    });
    let world = World::new(&format!(
        "[accounts.ada]\naddress = \"ada@example.org\"\nmaildir = \"{{home}}/mail/ada\"\n\
         smtp = {{ host = \"127.0.0.1\", port = {}, tls = \"plain\", auth = \"none\" }}\n",
        receiver.port
    ));
    let id_of = |number: u32| format!("<letter-{number}@example.net>");
    let times = |number: u32| {
        let id = id_of(number);
        receiver.taken().iter().filter(|taken| String::from_utf8_lossy(&taken.message).contains(&id)).count()
    };
    // What exit code 0 promised, and what was killed before it could promise anything.
    let (mut promised, mut unsure) = (Vec::new(), Vec::new());
    for number in 1..=KILLS {
        for half in 0..2 {
            let number = number * 2 + half;
            let mut sender = world.command(&["send", "--queue-only", "-f", "ada@example.org", "bob@example.net"]);
            let mut sender = quiet(sender.stdin(Stdio::piped())).spawn().expect("tern starts");
            sender.stdin.take().expect("a pipe").write_all(&letter(number)).expect("the message");
            if half == 0 {
                assert!(sender.wait().expect("our own child").success(), "seed {seed}");
                promised.push(number);
            } else if kill_after(&mut sender, Duration::from_micros(dice.u64(0..16_000))) {
                promised.push(number);
            } else {
                unsure.push(number);
            }
        }
        let mut flush = quiet(&mut world.command(&["outbox", "flush"])).spawn().expect("tern starts");
        kill_after(&mut flush, Duration::from_millis(dice.u64(5..180)));
    }
    // The user decides what only the user can know, by asking the receiver.
    for _ in 0..20 {
        let _ = world.run(&["outbox", "flush"]);
        let list = world.succeed(&["outbox", "list", "--json"]);
        if list.trim().is_empty() {
            break;
        }
        for line in list.lines() {
            let entry: serde_json::Value = serde_json::from_str(line).expect("JSON");
            if entry["state"] == "maybe-sent" {
                let subject = entry["subject"].as_str().expect("a subject");
                let number = subject.strip_prefix("Letter ").and_then(|n| n.parse().ok()).expect("a number");
                let verdict = if times(number) > 0 { "sent" } else { "again" };
                world.succeed(&["outbox", "resolve", entry["id"].as_str().expect("an id"), verdict]);
            }
        }
    }
    let left = world.succeed(&["outbox", "list"]);
    let last = words(&world.run(&["outbox", "flush"]));
    assert!(world.succeed(&["outbox", "list", "--json"]).trim().is_empty(), "seed {seed}: {left}{last}");
    let copies = contents(&world.files("mail/ada/Sent"));
    let kept = |number: u32| copies.get(&format!("Letter {number}")).map_or(0, Vec::len);
    for number in &promised {
        assert_eq!(
            (times(*number), kept(*number)),
            (1, 1),
            "seed {seed}: letter {number}, at the receiver and in Sent"
        );
    }
    for number in &unsure {
        let (there, here) = (times(*number), kept(*number));
        assert!(there == here && there <= 1, "seed {seed}: letter {number} is there {there} times, kept {here} times");
    }
    assert!(!unsure.is_empty(), "seed {seed}: queueing was never killed");
}

#[test]
fn killed_while_it_fetches_by_pop3_and_removes_it_loses_and_doubles_nothing() {
    let (seed, mut dice) = dice();
    let dovecot = Dovecot::start();
    let world = World::new(&pop3_account(&dovecot, "pat", "delete = \"at-once\""));
    let mut wanted = BTreeSet::new();
    let mut arrive = |letters: u32| {
        for _ in 0..letters {
            let number = u32::try_from(wanted.len()).expect("few") + 1;
            let _ = dovecot.deliver("pat", "INBOX", &letter(number));
            wanted.insert(format!("Letter {number}"));
        }
        wanted.clone()
    };
    let mut ran_out = 0;
    for _ in 0..POP3_KILLS {
        // More each time, so that it is caught while it fetches, while it removes, and in between.
        let wanted = arrive(dice.u32(1..60));
        let mut tern = quiet(&mut world.command(&["sync", "--quiet", "--no-index"])).spawn().expect("tern starts");
        ran_out += u32::from(kill_after(&mut tern, Duration::from_millis(dice.u64(5..160))));
        // At every moment each is on one side at the least. The session of who was killed may still be renaming
        // files there, and a listing meanwhile passes some over; nobody delivers now, so what is lost stays lost.
        let lost = || -> Vec<String> {
            let there = contents(&dovecot.files("pat", "INBOX"));
            let here = contents(&world.files("mail/pat/INBOX"));
            wanted.iter().filter(|s| !there.contains_key(*s) && !here.contains_key(*s)).cloned().collect()
        };
        becomes(&format!("what is on neither side, seed {seed}"), lost, &Vec::new());
    }
    assert!(ran_out < POP3_KILLS, "seed {seed}: it was never killed at work");
    let wanted = arrive(1);
    // A session whose client was killed may hold the mailbox for a moment.
    let end = Instant::now() + Duration::from_secs(30);
    while !world.run(&["sync", "--quiet"]).status.success() {
        assert!(Instant::now() < end, "seed {seed}: {}", dovecot.log());
        std::thread::sleep(Duration::from_millis(100));
    }
    let here = contents(&world.files("mail/pat/INBOX"));
    for subject in &wanted {
        let number = subject.strip_prefix("Letter ").and_then(|n| n.parse().ok()).expect("a number");
        let original = String::from_utf8(letter(number)).expect("text").replace('\r', "");
        assert_eq!(here.get(subject), Some(&vec![original]), "seed {seed}: {subject} is there once and whole");
    }
    assert_eq!((here.len(), dovecot.files("pat", "INBOX").len()), (wanted.len(), 0), "seed {seed}");
    assert_eq!(world.succeed(&["sync"]), "", "seed {seed}: nothing is left to do");
}

/// Every third letter is a large one.
fn third(number: u32) -> Vec<u8> {
    every_third_large(number, letter(number))
}

fn as_text(letter: Vec<u8>) -> String {
    String::from_utf8(letter).expect("text").replace('\r', "")
}

/// The stubs that lie in a folder here.
fn stubs(world: &World, folder: &str) -> Vec<std::path::PathBuf> {
    let mut files = world.files(&format!("mail/pat/{folder}"));
    files.retain(|path| is_stub(path));
    files
}

/// Files a stub into the archive, or flags it, as another program would.
fn handle(world: &World, stub: &std::path::Path, files_it: bool) {
    let archive = world.path("mail/pat/Archive");
    for part in ["cur", "new", "tmp"] {
        fs::create_dir_all(archive.join(part)).expect("a folder");
    }
    if files_it {
        bring(stub, &archive.join("cur"), "S");
    } else {
        bring(stub, &world.path("mail/pat/INBOX/cur"), "F");
    }
}

#[test]
fn killed_while_large_mail_by_pop3_becomes_whole_it_loses_and_doubles_nothing() {
    let (seed, mut dice) = dice();
    let dovecot = Dovecot::start();
    let account = pop3_account(&dovecot, "pat", "delete = \"at-once\"");
    let world = World::new(&format!("{account}\n[accounts.pat.sync]\nmax_size = \"10K\"\n"));
    let (mut letters, mut ran_out, mut opened) = (0, 0, 0);
    // Stubs that were there when a sync ended well.
    let mut known = BTreeSet::new();
    let whole_here = || -> Contents {
        let files = ["INBOX", "Archive"].map(|folder| world.files(&format!("mail/pat/{folder}"))).concat();
        contents(&files)
    };
    for turn in 0..STUB_KILLS {
        for _ in 0..dice.u32(0..12) {
            letters += 1;
            let _ = dovecot.deliver("pat", "INBOX", &third(letters));
        }
        for stub in stubs(&world, "INBOX") {
            match dice.u32(0..8) {
                // What is filed before it is known is a message of its own.
                0 if known.contains(&name_of(&stub)) => handle(&world, &stub, true),
                1 => handle(&world, &stub, false),
                _ => {}
            }
        }
        let mut there = [stubs(&world, "INBOX"), stubs(&world, "Archive")].concat();
        dice.shuffle(&mut there);
        let id = there.first().filter(|_| turn % 2 == 1).and_then(|stub| {
            let text = fs::read_to_string(stub).ok()?;
            Some(text.lines().find_map(|line| line.strip_prefix("Message-ID: "))?.to_owned())
        });
        opened += u32::from(id.is_some());
        let mut command = match &id {
            Some(id) => world.command(&["show", id]),
            None => world.command(&["sync", "--quiet"]),
        };
        let mut tern = quiet(&mut command).spawn().expect("tern starts");
        let ended = kill_after(&mut tern, Duration::from_millis(dice.u64(5..200)));
        ran_out += u32::from(ended);
        if ended && id.is_none() && tern.wait().is_ok_and(|status| status.success()) {
            known.extend(stubs(&world, "INBOX").iter().map(|stub| name_of(stub)));
        }
        // Whole on one side at the least, at every moment.
        let lost = || -> Vec<u32> {
            let (there, here) = (contents(&dovecot.files("pat", "INBOX")), whole_here());
            let has = |side: &Contents, number: u32| {
                let texts = side.get(&format!("Letter {number}"));
                texts.is_some_and(|texts| texts.contains(&as_text(third(number))))
            };
            (1..=letters).filter(|number| !has(&there, *number) && !has(&here, *number)).collect()
        };
        becomes(&format!("what is whole on neither side, seed {seed}"), lost, &Vec::new());
    }
    assert!(opened > 5 && ran_out < STUB_KILLS, "seed {seed}: it was never killed at work");
    let until_done = |arguments: &[&str]| {
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            let output = world.run(arguments);
            if output.status.success() {
                return;
            }
            assert!(Instant::now() < end, "seed {seed}: {arguments:?}: {}{}", words(&output), dovecot.log());
            std::thread::sleep(Duration::from_millis(100));
        }
    };
    until_done(&["sync", "--quiet"]);
    for stub in stubs(&world, "INBOX") {
        handle(&world, &stub, false);
    }
    until_done(&["sync", "--quiet"]);
    for stub in stubs(&world, "Archive") {
        let text = fs::read_to_string(stub).expect("a stub");
        let id = text.lines().find_map(|line| line.strip_prefix("Message-ID: ")).expect("an id");
        until_done(&["show", id]);
    }
    until_done(&["sync", "--quiet"]);
    let here = whole_here();
    for number in 1..=letters {
        let texts = here.get(&format!("Letter {number}"));
        let lengths = texts.map(|texts| texts.iter().map(String::len).collect::<Vec<_>>());
        assert!(
            texts == Some(&vec![as_text(third(number))]),
            "seed {seed}: letter {number} is there once and whole: {lengths:?}"
        );
    }
    let there = dovecot.files("pat", "INBOX").len();
    assert_eq!((u32::try_from(here.len()).expect("few"), there), (letters, 0), "seed {seed}");
}
