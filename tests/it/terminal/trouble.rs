//! What goes wrong at a server, on the disk and in the config, and what a user reads of it. Mail
//! that is here can be read whatever happens.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::{Session, World, account};
use crate::servers::dovecot::Dovecot;
use crate::support::letters::letter;

fn server() -> Dovecot {
    let dovecot = Dovecot::start();
    for number in 1..=3 {
        let _ = dovecot.deliver("ada", "INBOX", &letter(number));
    }
    dovecot
}

/// An account on a port of this machine.
fn at_port(port: u16, more: &str) -> String {
    format!(
        r#"
[accounts.ada]
address = "ada@example.org"
maildir = "{{home}}/mail/ada"
imap = {{ host = "localhost", port = {port}, user = "ada"{more} }}
password = {{ file = "{{home}}/password" }}
"#
    )
}

#[test]
fn with_the_server_down_mail_can_be_read_and_the_status_says_when_it_is_tried_again() {
    let dovecot = server();
    let world = World::new(&account(&dovecot, "ada", ""));
    let mut tern = Session::start(&world, &[], 120, 35);
    tern.expect("3 new/3");
    tern.press("Q");
    assert!(tern.wait());
    drop(dovecot);

    let mut tern = Session::start(&world, &[], 120, 35);
    tern.expect("Letter 3");
    tern.expect("cannot reach localhost");
    tern.expect("ada: offline, again ");
    tern.press("\r");
    tern.expect("text of letter number 3");
    tern.press("F");
    tern.press("Q");
    assert!(tern.wait());
}

#[test]
fn a_star_set_offline_reaches_the_server_later() {
    let dovecot = server();
    let world = World::new(&account(&dovecot, "ada", ""));
    let mut tern = Session::start(&world, &[], 120, 35);
    tern.expect("3 new/3");
    tern.press("Q");
    assert!(tern.wait());
    let mut tern = Session::start(&world, &["--offline"], 120, 35);
    tern.expect("Letter 3");
    tern.press("F");
    tern.expect("★");
    tern.press("Q");
    assert!(tern.wait());
    assert!(dovecot.flags("ada", "INBOX").iter().all(|(_, flags)| flags.is_empty()));
    let mut tern = Session::start(&world, &[], 120, 35);
    tern.expect("Letter 3");
    crate::support::patience::eventually(
        "the star is there",
        || dovecot.flags("ada", "INBOX"),
        |flags| flags.iter().any(|(_, flags)| flags == "\\Flagged"),
    );
    tern.press("Q");
    assert!(tern.wait());
}

#[test]
fn a_wrong_password_is_said_so() {
    let dovecot = server();
    let world = World::new(&account(&dovecot, "ada", ""));
    world.write("password", "wrong");
    let mut tern = Session::start(&world, &[], 120, 35);
    tern.expect("cannot sign in to localhost");
    let screen = tern.expect("check user and password");
    assert!(!screen.contains("wrong"), "the password is nowhere:\n{screen}");
    tern.expect("ada: stopped");
    // Corrected, `$` is enough.
    world.write("password", crate::servers::dovecot::PASSWORD);
    tern.press("$");
    tern.expect("Letter 3");
    tern.expect_gone("cannot sign in");
}

/// The digits of the pin on the screen, also where a line ends within them.
fn pin_in(screen: &str) -> String {
    let text: String = screen.split_whitespace().collect();
    let after = text.split("sha256:").nth(1).unwrap_or_default();
    after.chars().take_while(char::is_ascii_hexdigit).collect()
}

#[test]
fn an_unknown_host_and_an_unknown_authority_are_told_apart() {
    let world = World::new(&at_port(993, "").replace("localhost", "nowhere.invalid"));
    let mut tern = Session::start(&world, &[], 160, 24);
    tern.expect("cannot reach nowhere.invalid");
    tern.expect("check the host name");
    drop(tern);

    let dovecot = server();
    let world = World::new(&at_port(dovecot.imaps, ""));
    let mut tern = Session::start(&world, &[], 200, 24);
    tern.expect("cannot make a secure connection to localhost");
    tern.expect("sha256:");
    // The log has room for all of it; the pin that is shown there is the one to write into the config.
    tern.press("gl");
    let screen = tern.expect_that("has all of it", |s| pin_in(s).len() == 64);
    assert!(!screen.contains("Letter"), "{screen}");
    drop(tern);
    let pin = pin_in(&screen);
    world.configure(&at_port(dovecot.imaps, &format!(", pin = \"sha256:{pin}\"")));
    let mut tern = Session::start(&world, &[], 160, 24);
    tern.expect("Letter 3");
}

#[test]
fn a_typo_in_the_config_is_told_and_stops_nothing() {
    let dovecot = server();
    let text = format!("[ui]\nmouze = false\n{}", account(&dovecot, "ada", ""));
    let world = World::new(&text);
    let mut tern = Session::start(&world, &[], 120, 24);
    tern.expect("mouze");
    tern.expect("Letter 3");
}

#[test]
fn a_config_that_is_no_toml_still_lets_the_program_start() {
    let world = World::new("[accounts.ada\naddress = ");
    let mut tern = Session::start(&world, &[], 120, 24);
    tern.expect("line 1");
    tern.press("Q");
    assert!(tern.wait());
}

#[test]
fn a_maildir_that_cannot_be_written_is_said_so() {
    let dovecot = server();
    let world = World::new(&account(&dovecot, "ada", ""));
    // A file where a directory should be stops root as well.
    fs::create_dir_all(world.path("mail")).expect("a directory");
    fs::write(world.path("mail/ada"), "not a directory").expect("a file");
    let mut tern = Session::start(&world, &[], 160, 24);
    tern.expect("Not a directory");
    drop(tern);
    fs::remove_file(world.path("mail/ada")).expect("our own file");
    fs::set_permissions(world.path("mail"), fs::Permissions::from_mode(0o700)).expect("our own directory");
    let mut tern = Session::start(&world, &[], 160, 24);
    tern.expect("Letter 3");
}
