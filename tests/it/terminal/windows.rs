//! Messages of which only the header is here: opened at the screen and by `tern show`, with a real Dovecot
//! behind them.

use super::{Session, World, account};
use crate::servers::dovecot::Dovecot;
use crate::support::letters::letter;
use crate::support::patience::becomes;

/// How many files of Ada's INBOX are stubs.
fn stubs(world: &World) -> usize {
    let is_stub = |path: &std::path::PathBuf| path.to_string_lossy().contains(",T=");
    world.files("mail/ada/INBOX").iter().filter(|path| is_stub(path)).count()
}

#[test]
fn what_is_opened_is_fetched_whole() {
    let dovecot = Dovecot::start();
    for number in 1..=3 {
        let mut large = letter(number);
        large.extend(std::iter::repeat_n(b"some words more\r\n".as_slice(), 500).flatten());
        let _ = dovecot.deliver("ada", "INBOX", &large);
    }
    let _ = dovecot.deliver("ada", "INBOX", &letter(4));
    let window = "sync = { max_size = \"4K\" }";
    let world = World::new(&account(&dovecot, "ada", window));
    world.succeed(&["sync"]);
    assert_eq!((stubs(&world), world.files("mail/ada/INBOX").len()), (3, 4));

    // A command is given the whole message, or says why it is not.
    let ids = world.succeed(&["list", "--json", "INBOX"]);
    let id = |subject: &str| {
        let row = ids.lines().find(|line| line.contains(&format!("\"{subject}\""))).expect("its row");
        let row: serde_json::Value = serde_json::from_str(row).expect("JSON");
        row["id"].as_str().expect("an id").to_owned()
    };
    let offline = world.run(&["--offline", "show", &id("Letter 1")]);
    assert!(!offline.status.success());
    assert!(String::from_utf8_lossy(&offline.stdout).contains("Letter 1"), "the header is shown");
    assert!(String::from_utf8_lossy(&offline.stderr).contains("--offline"), "and the way to the rest");
    assert!(world.succeed(&["show", &id("Letter 1")]).contains("text of letter number 1"));
    assert_eq!((stubs(&world), world.files("mail/ada/INBOX").len()), (2, 4));

    let mut tern = Session::start(&world, &[], 100, 30);
    tern.expect("Letter 3");
    tern.expect("Letter 4");
    tern.press("j\r");
    tern.expect("text of letter number 3");
    becomes("the stub is gone", || (stubs(&world), world.files("mail/ada/INBOX").len()), &(1, 4));
    // Nothing of it came to the server a second time, and the next sync has nothing to do.
    drop(tern);
    world.succeed(&["sync"]);
    assert_eq!(dovecot.files("ada", "INBOX").len(), 4);
    assert_eq!((stubs(&world), world.files("mail/ada/INBOX").len()), (1, 4));
}
