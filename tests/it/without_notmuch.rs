//! `engine = "notmuch"` in a program that was built without it: it is said what to do, and everything else goes on.

use std::fs;

use crate::terminal::World;

#[test]
fn the_config_says_what_to_do_and_the_index_searches() {
    let world = World::new(
        "[search]\nengine = \"notmuch\"\n[accounts.ada]\naddress = \"ada@example.org\"\nmaildir = \"{home}/mail\"\n",
    );
    fs::create_dir_all(world.path("mail/INBOX/cur")).unwrap();
    fs::create_dir_all(world.path("mail/INBOX/new")).unwrap();
    fs::write(world.path("mail/INBOX/cur/1.x:2,S"), "Subject: one\n\nbrass\n").unwrap();
    let told = world.run(&["config", "check"]);
    let out = String::from_utf8_lossy(&told.stdout);
    assert!(!told.status.success() && out.contains("this tern was built without notmuch"), "{out}");
    assert!(out.contains("--features notmuch") && out.contains("engine = \"notmuch\""), "{out}");
    let found = world.run(&["search", "--count", "brass"]);
    assert_eq!(String::from_utf8_lossy(&found.stdout).trim(), "1");
    assert!(String::from_utf8_lossy(&found.stderr).contains("tern config check"));
    let doctor = world.run(&["doctor", "--offline"]).stdout;
    // Its lines are as wide as the terminal.
    let doctor = String::from_utf8_lossy(&doctor).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(doctor.contains("built without notmuch"), "{doctor}");
    assert!(!world.path("data/tern/notmuch.db").exists());
}
