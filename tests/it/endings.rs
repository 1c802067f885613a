//! How the program ends against the user's will while an editor has the terminal: nothing that was
//! written is lost, and nothing of it stays where it is not looked for.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tern::ledger::Ledger;
use tern::mail::notes::TimerKind;

use crate::terminal::{Session, World};

const CONFIG: &str = r#"
[accounts.work]
address = "ada@example.org"
maildir = "{home}/mail"
sendmail = ["true"]
"#;

/// An editor that does what the script says with the file `$1`.
fn editor(world: &World, script: &str) -> String {
    let path: PathBuf = world.path("editor");
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    path.to_string_lossy().into_owned()
}

/// Starts a message to Bob and comes to the editor.
fn begin(world: &World, editor: &str) -> Session {
    let mut tern = Session::start_with(world, &[], 100, 30, &[("EDITOR", editor)]);
    tern.expect("Inbox");
    tern.press("m");
    tern.expect(" To");
    tern.press("bob@example.org\r");
    tern.press("Hello\r");
    tern
}

/// Tells the program what the system tells it when its terminal is gone.
fn hang_up(tern: &Session) {
    let process = rustix::process::Pid::from_raw(tern.pid().try_into().unwrap()).unwrap();
    rustix::process::kill_process(process, rustix::process::Signal::HUP).unwrap();
}

#[test]
fn what_an_editor_wrote_before_the_terminal_was_gone_is_there_at_the_next_start() {
    let world = World::new(CONFIG);
    let editor = editor(&world, "echo 'a line of the editor' >\"$1\"; echo 'editing now'; exec sleep 600");
    let mut tern = begin(&world, &editor);
    tern.expect("editing now");
    hang_up(&tern);
    assert!(tern.wait());
    let mut tern = Session::start(&world, &[], 100, 30);
    tern.expect("was not finished: Hello");
    let left = fs::read_dir(world.path("data/tern/editing")).unwrap().count();
    assert_eq!(left, 0, "the editor's file has been taken in");
    let kept = fs::read_dir(world.path("data/tern/drafts")).unwrap().map(|entry| entry.unwrap().path());
    let texts: Vec<String> = kept.map(|path| fs::read_to_string(path).unwrap()).collect();
    assert!(texts.iter().any(|text| text.contains("a line of the editor")), "{texts:?}");
    tern.press("Q");
    assert!(tern.wait());
}

#[test]
fn ctrl_c_in_the_editor_is_the_editors() {
    let world = World::new(CONFIG);
    let editor = editor(&world, "kill -INT $PPID; echo 'still here' >\"$1\"");
    let mut tern = begin(&world, &editor);
    tern.expect("still here");
    hang_up(&tern);
    assert!(tern.wait());
}

#[test]
fn a_message_that_was_queued_when_the_program_was_killed_has_its_reminder() {
    let world = World::new(CONFIG);
    let editor = editor(&world, "echo 'At noon?' >\"$1\"");
    let mut tern = begin(&world, &editor);
    tern.expect("y send");
    tern.press("w");
    tern.expect("Remind me if nobody has answered");
    tern.press("\r");
    tern.expect("if nobody has answered by");
    tern.press("y");
    let queued = world.path("data/tern/outbox/queued");
    let start = Instant::now();
    while fs::read_dir(&queued).map_or(0, Iterator::count) == 0 {
        assert!(start.elapsed() < Duration::from_secs(20), "it is never queued");
        std::hint::spin_loop();
    }
    tern.kill();
    let ledger = Ledger::peek(&world.path("data/tern")).unwrap().expect("a ledger");
    let timers: Vec<TimerKind> = ledger.notes().unwrap().timers.into_keys().map(|(_, kind)| kind).collect();
    assert_eq!(timers, [TimerKind::Remind]);
}
