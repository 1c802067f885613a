//! Two terns on one store: one syncs, the other reads and says so, and when the first is gone it can
//! sync as well.

use std::process::Stdio;

use super::turmoil::{Turmoil, letter, words};
use crate::servers::dovecot::Dovecot;
use crate::support::patience::becomes;
use crate::support::proxy::{Proxy, Trick};
use crate::terminal::{Session, World, account};

#[test]
fn of_two_syncs_the_second_says_so_and_reads() {
    let dovecot = Dovecot::start();
    let _ = dovecot.deliver("ada", "INBOX", &letter(1));
    let proxy = Proxy::before(dovecot.imap);
    let world = World::new(&Turmoil::config(proxy.port, ""));
    world.succeed(&["sync", "--quiet"]);
    let _ = dovecot.deliver("ada", "INBOX", &letter(2));
    // It waits for a word of the server and holds what it holds.
    proxy.play(Trick::Silence(40));
    let mut command = world.command(&["sync", "--quiet"]);
    let mut first = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("tern starts");
    let lock = std::fs::File::open(world.path("data/tern/locks/ada.lock")).expect("it was locked before");
    let is_held = || match lock.try_lock() {
        Ok(()) => lock.unlock().map(|()| false).expect("our own lock"),
        Err(_) => true,
    };
    becomes("the first holds the account", is_held, &true);
    let second = world.run(&["sync"]);
    assert_eq!(second.status.code(), Some(75), "{}", words(&second));
    assert!(words(&second).contains("ada: another program is syncing this account"), "{}", words(&second));
    let help = world.succeed(&["sync", "--help"]);
    assert!(help.contains("75  another program syncs the account"), "{help}");
    // What reads is not kept from it, nor is what writes by way of the Maildir.
    assert!(world.succeed(&["list"]).contains("Letter 1."));
    assert!(world.succeed(&["search", "grace"]).contains("Letter 1."));
    first.kill().expect("our own child");
    first.wait().expect("our own child");
    proxy.play(Trick::Pass);
    world.succeed(&["sync", "--quiet"]);
    assert_eq!(world.files("mail/ada/INBOX").len(), 2);
}

#[test]
fn beside_one_on_screen_a_sync_and_a_second_screen_only_read() {
    let dovecot = Dovecot::start();
    let _ = dovecot.deliver("ada", "INBOX", &letter(1));
    let world = World::new(&account(&dovecot, "ada", ""));
    let mut first = Session::start(&world, &[], 160, 35);
    first.expect("Letter 1.");
    first.expect("1 new/1");
    let sync = world.run(&["sync"]);
    assert_eq!(sync.status.code(), Some(75), "{}", words(&sync));
    assert!(words(&sync).contains("ada: another program is syncing this account"), "{}", words(&sync));
    let mut second = Session::start(&world, &[], 160, 35);
    second.expect("Letter 1.");
    second.press("F");
    second.expect("★");
    // Who syncs sees the other's star in the file's name, and brings it to the server.
    let starred = || dovecot.flags("ada", "INBOX").iter().any(|(_, flags)| flags.contains("\\Flagged"));
    becomes("the server has the star", starred, &true);
    first.press("Q");
    assert!(first.wait());
    second.press("Q");
    assert!(second.wait());
    world.succeed(&["sync", "--quiet"]);
    assert_eq!((world.files("mail/ada/INBOX").len(), dovecot.files("ada", "INBOX").len()), (1, 1));
}

#[test]
fn what_another_program_says_by_a_name_goes_to_the_server_at_once() {
    let dovecot = Dovecot::start();
    let _ = dovecot.deliver("ada", "INBOX", &letter(1));
    let world = World::new(&account(&dovecot, "ada", "sync = { interval = \"1h\" }"));
    let mut tern = Session::start(&world, &[], 160, 35);
    tern.expect("Letter 1.");
    tern.press("F");
    let has = |flag: &'static str| {
        let dovecot = &dovecot;
        move || dovecot.flags("ada", "INBOX").iter().any(|(_, flags)| flags.contains(flag))
    };
    becomes("the server has the star", has("\\Flagged"), &true);
    let path = world.files("mail/ada/INBOX").pop().expect("the letter");
    let name = path.file_name().expect("a name").to_str().expect("text").to_owned();
    // As a mail program does that answers and does not know of the one that syncs.
    std::fs::rename(&path, path.with_file_name(format!("{name}R"))).expect("a rename");
    becomes("the server has the answer's mark", has("\\Answered"), &true);
    tern.press("Q");
    assert!(tern.wait());
}
