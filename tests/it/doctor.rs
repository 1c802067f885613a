//! `tern doctor`: the whole picture of a healthy world, and each trouble with its line and next step.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use tern::ledger::Ledger;
use tern::ledger::keeper::Kept;
use tern::mail::ids::AccountId;

use crate::servers::dovecot::{Dovecot, PASSWORD};
use crate::servers::postfix::{Postfix, auth_service};
use crate::terminal::{World, account};

/// A local account, whose Maildir is there.
fn local(more: &str) -> World {
    let world =
        World::new(&format!("[accounts.ada]\naddress = \"ada@example.org\"\nmaildir = \"{{home}}/mail\"\n{more}"));
    make(&world.path("mail/INBOX"));
    world
}

fn make(mailbox: &Path) {
    for part in ["cur", "new", "tmp"] {
        fs::create_dir_all(mailbox.join(part)).unwrap();
    }
    for directory in [mailbox, mailbox.parent().unwrap()] {
        fs::set_permissions(directory, fs::Permissions::from_mode(0o700)).unwrap();
    }
}

/// What is found, by the name of the check: verdict, text, next step. Of several the worst.
fn examined(world: &World, arguments: &[&str]) -> (i32, BTreeMap<String, (String, String, String)>) {
    let output = world.run(&[&["doctor", "--json"], arguments].concat());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains(PASSWORD) && !text.contains('\u{1b}'), "{text}");
    let mut found: BTreeMap<String, (String, String, String)> = BTreeMap::new();
    for line in text.lines() {
        let finding: Value = serde_json::from_str(line).unwrap();
        assert_eq!(finding["v"], 1);
        let field = |name: &str| finding[name].as_str().unwrap_or_default().to_owned();
        let new = (field("verdict"), field("text"), field("next"));
        let rank = |verdict: &str| ["ok", "warn", "fail"].iter().position(|known| *known == verdict).unwrap();
        match found.get(&field("check")) {
            Some(known) if rank(&known.0) >= rank(&new.0) => {}
            _ => drop(found.insert(field("check"), new)),
        }
    }
    (output.status.code().unwrap(), found)
}

/// Expects of one check: its verdict, words of its text, words of its next step.
fn expect(world: &World, arguments: &[&str], code: i32, check: &str, expected: [&str; 3]) {
    let (exit, found) = examined(world, arguments);
    let [verdict, text, next] = expected;
    let (is, told, step) = found.get(check).unwrap_or_else(|| panic!("no {check} in {found:#?}"));
    assert_eq!(is, verdict, "{check}: {told}");
    assert!(told.contains(text), "{check}: {told}");
    assert!(step.contains(next), "{check}: {step}");
    assert_eq!(exit, code, "{found:#?}");
}

fn text(output: &Output, world: &World) -> String {
    String::from_utf8_lossy(&output.stdout).replace(&*world.home().to_string_lossy(), "HOME")
}

#[test]
fn a_healthy_world_is_told_whole_within_eighty_columns() {
    let [auth] = crate::servers::free_ports();
    let dovecot = Dovecot::start_with(&format!("auth_mechanisms = plain login scram-sha-256\n{}", auth_service(auth)));
    let _ = dovecot.deliver("eve", "INBOX", b"Subject: hello\n\nhi\n");
    let postfix = Postfix::start_beside(&dovecot, auth);
    let smtp = format!(
        "smtp = {{ host = \"localhost\", port = {}, user = \"eve\", ca = \"{}\" }}",
        postfix.smtps,
        postfix.ca().display()
    );
    let world = World::new(&account(&dovecot, "eve", &smtp));
    world.succeed(&["sync"]);
    let before = tree(world.home());
    let output = world.run(&["doctor"]);
    assert_eq!(tree(world.home()), before, "nothing is changed");
    let told = text(&output, &world);
    assert!(told.lines().all(|line| line.chars().count() <= 80 || !line.trim().contains(' ')), "{told}");
    assert!(!told.contains(PASSWORD));
    let (exit, found) = examined(&world, &["eve"]);
    assert_eq!(exit, 0, "{found:#?}");
    let text_of = |check: &str| found.get(check).map(|(_, text, _)| text.as_str()).unwrap_or_default();
    for (check, words) in [
        ("config.file", "nothing is wrong"),
        ("ledger", "both sides agree on 1 messages"),
        ("index", "whole; 1 messages"),
        ("maildir", "1 messages in 6 folders"),
        ("imap.host", "localhost is 127.0.0.1"),
        ("imap.tls", "TLS 1.3; the certificate is for localhost: trusted by this system or by `ca`; good for 19 more"),
        ("imap.sign-in", "eve by SCRAM-SHA-256: the password stays here"),
        ("imap.server", "Dovecot"),
        ("imap.offers", "UIDPLUS"),
        ("imap.folders", "sent is Sent (the server)"),
        ("smtp.sign-in", "eve by SCRAM-SHA-256: the password stays here"),
        ("smtp.answers", "ready to take mail"),
    ] {
        assert!(text_of(check).contains(words), "{check}: {found:#?}");
    }
    // Without the servers nothing of them is told.
    let (exit, found) = examined(&world, &["--offline"]);
    assert_eq!((exit, found["servers"].1.as_str()), (0, "not asked: --offline"));
    assert!(!found.contains_key("imap.host"));
}

/// Every file below a directory with its bytes, but what SQLite makes and removes beside a database.
fn tree(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut open = vec![root.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if !path.to_string_lossy().ends_with("-shm") && !path.to_string_lossy().ends_with("-wal") {
                files.insert(path.display().to_string(), fs::read(&path).unwrap());
            }
        }
    }
    files
}

#[test]
fn what_is_wrong_with_the_servers_is_told_at_its_step() {
    let at = |port: u16, more: &str| {
        local(&format!(
            "imap = {{ host = \"127.0.0.1\", port = {port}, timeout = \"5s\", {more} }}\n\
             password = {{ file = \"{{home}}/password\" }}\n"
        ))
    };
    let world = local("imap = { host = \"no-such-host.invalid\" }\npassword = { env = \"NOT_SET\" }\n");
    expect(&world, &[], 69, "imap.host", ["fail", "cannot reach no-such-host.invalid", "check the host name"]);

    let [closed] = crate::servers::free_ports();
    expect(&at(closed, ""), &[], 69, "imap.connect", ["fail", "refused", "check the network, the host and the port"]);

    let dovecot = Dovecot::start();
    let ca = dovecot.ca().display();
    let world = at(dovecot.imaps, &format!("ca = \"{ca}\", user = \"eve\""));
    world.write("password", "wrong");
    expect(&world, &[], 77, "imap.sign-in", ["fail", "Authentication failed", "check user and password"]);
    fs::remove_file(world.path("password")).unwrap();
    expect(&world, &[], 78, "imap.sign-in", ["fail", "password", "check `password` or `token`"]);

    let unknown = at(dovecot.imaps, "user = \"eve\"");
    expect(&unknown, &[], 69, "imap.tls", ["fail", "not from an authority that is trusted here", "`pin`"]);

    let home = tempfile::tempdir().unwrap();
    let (cert, key) = expired(home.path());
    let late = Dovecot::start_with(&format!("ssl_cert = <{}\nssl_key = <{}\n", cert.display(), key.display()));
    let (port, ca_of_its_own) = (late.imaps, cert.display());
    let world = local(&format!(
        "imap = {{ host = \"localhost\", port = {port}, user = \"eve\", ca = \"{ca_of_its_own}\" }}\n\
         password = {{ file = \"{{home}}/password\" }}\n"
    ));
    expect(&world, &[], 69, "imap.tls", ["fail", "expired on 2021-01-01", "trust it only if you know it"]);

    let prompted =
        local(&format!("imap = {{ host = \"localhost\", port = {}, user = \"eve\", ca = \"{ca}\" }}\n", dovecot.imaps));
    expect(&prompted, &[], 1, "imap.sign-in", ["warn", "the password must be typed", "in a terminal"]);
}

#[test]
fn a_pop3_server_is_signed_in_to_and_tells_what_lies_there() {
    let dovecot = Dovecot::start_with("auth_mechanisms = plain login scram-sha-256\n");
    for text in ["Subject: one\n\n1\n", "Subject: two\n\n2\n"] {
        let _ = dovecot.deliver("eve", "INBOX", text.as_bytes());
    }
    let pop3 = format!(
        "sendmail = [\"true\"]\n\
         pop3 = {{ host = \"localhost\", port = {}, user = \"eve\", ca = \"{}\", delete_after = \"30d\" }}\n",
        dovecot.pop3s,
        dovecot.ca().display()
    );
    let world = local(&format!("{pop3}password = {{ file = \"{{home}}/password\" }}\n"));
    world.write("password", PASSWORD);
    let before = tree(world.home());
    let (exit, found) = examined(&world, &[]);
    assert_eq!(exit, 0, "{found:#?}");
    assert_eq!(tree(world.home()), before, "nothing is changed here");
    assert_eq!(dovecot.files("eve", "INBOX").len(), 2, "and nothing there");
    for (check, words) in [
        ("pop3.tls", "TLS 1.3; the certificate is for localhost"),
        ("pop3.sign-in", "eve by SCRAM-SHA-256: the password stays here"),
        ("pop3.server", "Dovecot"),
        ("pop3.offers", "UIDL"),
        ("pop3.mail", "2 messages lie there, 0 MiB; it stays there; after 30 days it is removed"),
    ] {
        assert!(found.get(check).is_some_and(|(_, text, _)| text.contains(words)), "{check}: {found:#?}");
    }
    assert!(!found.contains_key("pop3.without"), "{found:#?}");
    world.write("password", "wrong");
    expect(&world, &[], 77, "pop3.sign-in", ["fail", "Authentication failed", "check user and password"]);
    expect(&local(&pop3), &[], 1, "pop3.sign-in", ["warn", "the password must be typed", "in a terminal"]);
}

#[test]
fn another_program_in_the_tree_is_told_as_the_ledger_knows_it() {
    let world = local("sendmail = [\"true\"]\nimap = { host = \"localhost\" }\n");
    let inbox = world.path("mail/INBOX");
    fs::write(inbox.join(".uidvalidity"), "1700000000\n8\n").unwrap();
    let write = || fs::write(inbox.join(".mbsyncstate"), "FarUidValidity 7\nNearUidValidity 1700000000\n\n5 1 S\n");
    let now = || i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos()).unwrap();
    let told = |code, expected| expect(&world, &["--offline"], code, "maildir.others", expected);
    let keep = |kept| {
        let (mut ledger, _) = Ledger::open(&world.path("data/tern")).unwrap();
        ledger.keep(&AccountId::new("ada"), kept).unwrap();
    };
    write().unwrap();
    told(1, ["warn", "mbsync works on this Maildir too: it wrote last just now", "stop mbsync"]);
    keep(Kept { seen: now(), retired: None });
    told(1, ["warn", "mbsync syncs the same mail (it wrote last just now): nothing is fetched", "`tern sync` asks"]);
    let gave_way = now();
    keep(Kept { seen: gave_way, retired: Some(gave_way) });
    told(0, ["ok", "mbsync gave way to tern", ""]);
    while now() < gave_way + 50_000_000 {
        // The kernel's clock for files has coarse ticks.
        std::thread::yield_now();
    }
    write().unwrap();
    told(1, ["warn", "mbsync gave way to tern and is at work again", "stop mbsync"]);
    // Of one that took its own state away, the ledger still knows.
    fs::remove_file(inbox.join(".mbsyncstate")).unwrap();
    keep(Kept { seen: now(), retired: None });
    told(1, ["warn", "another program syncs the same mail", "stop it"]);
}

/// A certificate that signed itself for `localhost` and has ended, with its key.
fn expired(dir: &Path) -> (PathBuf, PathBuf) {
    let openssl = |arguments: &str| {
        let out = Command::new("openssl").args(arguments.split_whitespace()).current_dir(dir).output().unwrap();
        assert!(out.status.success(), "{arguments}: {}", String::from_utf8_lossy(&out.stderr));
    };
    let settings = "[ca]\ndefault_ca = here\n[here]\ndatabase = index\nserial = serial\nnew_certs_dir = .\n\
                    default_md = sha256\npolicy = any\n[any]\ncommonName = supplied\n";
    for (file, text) in
        [("ca.cnf", settings), ("index", ""), ("serial", "01\n"), ("names", "subjectAltName = DNS:localhost\n")]
    {
        fs::write(dir.join(file), text).unwrap();
    }
    openssl("req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=old -keyout key.pem -out old.csr");
    openssl(
        "ca -batch -notext -config ca.cnf -selfsign -keyfile key.pem -extfile names -startdate 200101000000Z \
         -enddate 210101000000Z -in old.csr -out cert.pem",
    );
    (dir.join("cert.pem"), dir.join("key.pem"))
}

#[test]
fn what_is_wrong_with_the_mail_on_disk_is_told() {
    let submit = "sendmail = [\"true\"]\n";
    let world = local(submit);
    let (exit, found) = examined(&world, &[]);
    assert_eq!(exit, 0, "{found:#?}");

    let mail = world.path("mail");
    let inbox = mail.join("INBOX");
    fs::set_permissions(inbox.join("cur"), fs::Permissions::from_mode(0o500)).unwrap();
    expect(&world, &[], 74, "maildir.rights", ["fail", "INBOX: nothing may be written into cur", "chmod"]);
    fs::set_permissions(inbox.join("cur"), fs::Permissions::from_mode(0o700)).unwrap();

    // A directory that is closed above keeps others out; once all are open, they are in.
    fs::set_permissions(&inbox, fs::Permissions::from_mode(0o755)).unwrap();
    assert!(!examined(&world, &[]).1.contains_key("maildir.private"));
    for directory in [world.home(), &mail] {
        fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).unwrap();
    }
    expect(&world, &[], 1, "maildir.private", ["warn", "others on this machine", "chmod -R go="]);
    fs::set_permissions(&inbox, fs::Permissions::from_mode(0o700)).unwrap();

    fs::write(inbox.join("cur/1.a:2,S"), "x").unwrap();
    fs::write(inbox.join("new/1.a"), "x").unwrap();
    expect(&world, &[], 1, "maildir.doubles", ["warn", "1 files have a name or a number", "copy"]);
    fs::remove_file(inbox.join("new/1.a")).unwrap();

    fs::write(inbox.join("dovecot-uidlist"), "").unwrap();
    fs::create_dir(mail.join(".notmuch")).unwrap();
    let (exit, found) = examined(&world, &[]);
    assert_eq!((exit, found["maildir.others"].0.as_str()), (0, "ok"));

    fs::remove_dir_all(&mail).unwrap();
    expect(&world, &[], 66, "maildir", ["fail", "there is no directory", "set `maildir`"]);
    assert!(!mail.exists(), "it is not made");
}

#[test]
fn what_is_wrong_with_the_programs_own_files_is_told_and_left() {
    let world = local("sendmail = [\"/nonexistent/sendmail\"]\n");
    expect(&world, &[], 78, "submit", ["fail", "there is no program /nonexistent/sendmail", "correct `sendmail`"]);
    assert!(!world.path("data/tern").exists(), "nothing is made");
    for (file, check, next) in [
        ("data/tern/ledger.db", "ledger", "the next `tern sync` sets it aside"),
        ("cache/tern/index.db", "index", "tern index --rebuild"),
    ] {
        fs::create_dir_all(world.path(file).parent().unwrap()).unwrap();
        fs::write(world.path(file), "this was a database").unwrap();
        expect(&world, &[], 74, check, ["fail", "", next]);
        assert_eq!(fs::read(world.path(file)).unwrap(), b"this was a database");
        fs::remove_file(world.path(file)).unwrap();
    }
    let sender = local("smtp = { host = \"127.0.0.1\", port = 1, tls = \"plain\" }\n");
    let mut send = sender.command(&["send", "--queue-only", "eve@example.net"]);
    let mut child = send.stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"Subject: hi\n\nhello\n").unwrap();
    assert!(child.wait().unwrap().success());
    expect(&sender, &["--offline"], 0, "outbox", ["ok", "1 wait", ""]);

    fs::create_dir_all(world.path("data/tern/locks")).unwrap();
    world.configure("[accounts.ada]\naddress = \"ada@example.org\"\nimap = { host = \"localhost\" }\n");
    let lock = fs::File::create(world.path("data/tern/locks/ada.lock")).unwrap();
    lock.lock().unwrap();
    expect(&world, &["--offline"], 1, "sync.lock", ["ok", "another tern syncs this account just now", ""]);
    lock.unlock().unwrap();
    assert!(!examined(&world, &["--offline"]).1.contains_key("sync.lock"));

    world.configure("[accounts.ada]\naddres = \"ada@example.org\"\n");
    expect(&world, &[], 78, "config.file", ["fail", "errors", "tern config check"]);
    world.configure("");
    expect(&world, &[], 78, "config.accounts", ["fail", "no account is set up", "config.example.toml"]);
    let output = world.run(&["doctor", "nobody"]);
    assert_eq!(output.status.code(), Some(78));
}
