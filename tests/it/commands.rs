//! The commands as a user or a script calls them: output, exit codes, JSON. First without any
//! server, then `tern sync` against Dovecot.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Output, Stdio};

use serde_json::Value;

use crate::servers::dovecot::{Dovecot, PASSWORD};
use crate::terminal::World;

const LOCAL: &str = r#"
[accounts.ada]
address = "ada@example.org"
name = "Ada Lovelace"
maildir = "{home}/mail"
smtp = { host = "127.0.0.1", port = 1, tls = "plain" }
"#;

fn message(number: u32, subject: &str, body: &str) -> Vec<u8> {
    format!(
        "From: Bob <bob@example.net>\nTo: ada@example.org\nSubject: {subject}\nMessage-ID: <m{number}@example.net>\n\
         Date: Mon, 02 Nov 2026 10:00:{number:02} +0000\n\n{body}\n"
    )
    .into_bytes()
}

/// A world with three messages in INBOX and one in a folder.
fn filled() -> World {
    let world = World::new(LOCAL);
    for folder in ["INBOX", "Lists/rust"] {
        for sub in ["cur", "new", "tmp"] {
            fs::create_dir_all(world.path("mail").join(folder).join(sub)).unwrap();
        }
    }
    put(&world, "INBOX/cur/1000.a:2,S", &message(1, "the engine", "wheels of brass"));
    put(&world, "INBOX/cur/1001.b:2,FS", &message(2, "the \u{1b}[31mloom", "cards of wood"));
    put(&world, "INBOX/new/1002.c", &message(3, "tea", "brass kettle"));
    put(&world, "Lists/rust/cur/1003.d:2,", &message(4, "borrowed", "checker"));
    world
}

fn put(world: &World, below: &str, bytes: &[u8]) {
    fs::write(world.path("mail").join(below), bytes).unwrap();
}

fn fed(world: &World, arguments: &[&str], input: &[u8]) -> Output {
    let mut command = world.command(arguments);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn objects(text: &str) -> Vec<Value> {
    let objects: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(objects.iter().all(|object| object["v"] == 1), "{text}");
    objects
}

#[test]
fn search_list_folders_and_show_agree() {
    let world = filled();
    let found = objects(&world.succeed(&["search", "--json", "brass"]));
    let ids: Vec<&str> = found.iter().map(|row| row["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["ada:INBOX:1002.c", "ada:INBOX:1000.a"]);
    assert_eq!(found[0]["from"], "Bob");
    assert_eq!((&found[1]["date"], &found[1]["flags"][0]), (&"2026-11-02T10:00:01Z".into(), &"\\Seen".into()));
    assert_eq!(world.succeed(&["search", "--ids", "--limit", "1", "brass"]), "ada:INBOX:1002.c\n");
    assert_eq!(
        world.succeed(&["search", "--format=ids", "--in", "inbox", "brass"]),
        "ada:INBOX:1002.c\nada:INBOX:1000.a\n"
    );
    assert_eq!(world.succeed(&["search", "--count", "brass"]), "2\n");
    // Options are options behind the query too.
    assert_eq!(world.succeed(&["search", "brass", "--ids", "--limit", "1"]), "ada:INBOX:1002.c\n");
    assert_eq!(world.succeed(&["search", "brass", "-subject:tea", "--count"]), "1\n");
    assert_eq!(world.succeed(&["search", "-A", "ada", "--count", "--in", "rust", "*"]), "1\n");
    let of_one = format!("thread:{}", found[1]["thread"].as_str().unwrap());
    assert_eq!(world.succeed(&["search", "--ids", &of_one]), "ada:INBOX:1000.a\n");
    let paths = world.succeed(&["search", "--paths", "-0", "brass", "is:read"]);
    assert_eq!(world.succeed(&["search", "--format=files", "-0", "brass", "tag:read"]), paths);
    assert_eq!(paths, format!("{}\0", world.path("mail/INBOX/cur/1000.a:2,S").display()));

    let listed = world.succeed(&["list"]);
    assert_eq!(listed.lines().count(), 3, "{listed}");
    assert!(!listed.contains('\u{1b}') && listed.contains("[ada:INBOX:1001.b]"), "{listed}");
    assert_eq!(objects(&world.succeed(&["list", "--json", "Lists/rust"])).len(), 1);
    let folders = objects(&world.succeed(&["folders", "--json"]));
    let counts: Vec<_> =
        folders.iter().map(|row| (row["folder"].as_str().unwrap(), &row["total"], &row["unread"])).collect();
    assert_eq!(counts, [("INBOX", &3.into(), &1.into()), ("Lists/rust", &1.into(), &1.into())]);

    for id in ["ada:INBOX:1000.a", "<m1@example.net>", "m1@example.net"] {
        let shown = world.succeed(&["show", id]);
        assert!(shown.contains("Subject: the engine") && shown.contains("\nwheels of brass\n"), "{id}: {shown}");
    }
    assert_eq!(
        world.succeed(&["show", "--raw", "m2@example.net"]).into_bytes(),
        message(2, "the \u{1b}[31mloom", "cards of wood")
    );
    assert!(!world.succeed(&["show", "m2@example.net"]).contains('\u{1b}'));
    assert!(world.succeed(&["show", "--headers", "m3@example.net"]).contains("Message-ID: <m3@example.net>"));
    let shown = objects(&world.succeed(&["show", "--json", "ada:Lists/rust:1003.d"]));
    assert_eq!(
        (&shown[0]["message_id"], &shown[0]["from"][0]["addr"]),
        (&"m4@example.net".into(), &"bob@example.net".into())
    );
    assert!(shown[0]["text"].as_str().unwrap().contains("checker"));
}

#[test]
fn what_changed_on_disk_is_found_at_once() {
    let world = filled();
    world.succeed(&["search", "brass"]);
    put(&world, "INBOX/new/1009.z", &message(9, "news", "zeppelin"));
    fs::rename(world.path("mail/INBOX/cur/1000.a:2,S"), world.path("mail/INBOX/cur/1000.a:2,RS")).unwrap();
    fs::remove_file(world.path("mail/INBOX/new/1002.c")).unwrap();
    assert_eq!(world.succeed(&["search", "--ids", "zeppelin"]), "ada:INBOX:1009.z\n");
    assert_eq!(world.succeed(&["search", "--ids", "brass", "is:replied"]), "ada:INBOX:1000.a\n");
}

#[test]
fn an_answer_that_may_lack_something_says_so_by_its_code() {
    let world = filled();
    world.succeed(&["search", "brass"]);
    put(&world, "INBOX/new/1009.z", &message(9, "news", &"zeppelin of brass and wood ".repeat(2000)));
    for call in [&["search", "--count", "brass"][..], &["list"], &["folders"]] {
        // No file may become larger than this: what the index would write has no room.
        let tern = world.command(call);
        let mut command = std::process::Command::new("sh");
        command.args(["-c", "trap '' XFSZ; ulimit -f 64; exec \"$0\" \"$@\""]).arg(tern.get_program());
        command.args(tern.get_args()).env_clear();
        command.envs(tern.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let output = command.output().unwrap();
        assert_eq!(code(&output), 1, "{call:?}: {}", err(&output));
        assert!(err(&output).contains("cannot write the index"), "{call:?}: {}", err(&output));
        assert!(!output.stdout.is_empty(), "what is known is told: {call:?}");
    }
    assert_eq!(world.succeed(&["search", "--count", "brass"]), "3\n");
}

#[test]
fn a_file_that_cannot_be_read_is_named_by_the_index() {
    let world = filled();
    let file = world.path("mail/INBOX/cur/1011.x:2,");
    std::os::unix::fs::symlink(&file, &file).unwrap();
    for call in [&["index"][..], &["index", "--rebuild"], &["index"]] {
        let output = world.run(call);
        assert_eq!(code(&output), 1, "{call:?}: {}", err(&output));
        assert!(err(&output).contains("1011.x:2,") && err(&output).contains("1 in all"), "{call:?}: {}", err(&output));
    }
    fs::remove_file(&file).unwrap();
    put(&world, "INBOX/cur/1011.x:2,", &message(11, "unlocked", "kumquat"));
    assert_eq!(world.succeed(&["search", "--ids", "kumquat"]), "ada:INBOX:1011.x\n");
    world.succeed(&["index"]);
}

#[test]
fn an_attachment_comes_out_byte_for_byte() {
    let world = filled();
    let mail = "From: b@x\nMessage-ID: <att@x>\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=B\n\n--B\n\n\
                see\n--B\nContent-Type: application/octet-stream\nContent-Transfer-Encoding: base64\n\
                Content-Disposition: attachment; filename=x.bin\n\nAAEC/w==\n--B--\n";
    put(&world, "INBOX/new/1010.q", mail.as_bytes());
    let shown = objects(&world.succeed(&["show", "--json", "att@x"]));
    let part =
        shown[0]["parts"].as_array().unwrap().iter().find(|part| part["name"] == "x.bin").unwrap()["part"].to_string();
    assert_eq!(world.run(&["show", "att@x", "--part", &part]).stdout, [0, 1, 2, 255]);
    assert_eq!(code(&world.run(&["show", "att@x", "--part", "9"])), 66);
    assert_eq!(code(&world.run(&["show", "att@x", "--part", "0"])), 66);
}

#[test]
fn a_rebuilt_index_says_the_same() {
    let world = filled();
    let all = |world: &World| world.succeed(&["search", "--json", "--limit", "1000", "is:read or is:unread"]);
    let before = (all(&world), world.succeed(&["folders"]));
    assert_eq!(world.succeed(&["index", "--rebuild"]), "2 folders, 4 messages, 4 read\n");
    assert_eq!((all(&world), world.succeed(&["folders"])), before);
    fs::remove_dir_all(world.path("cache/tern")).unwrap();
    assert_eq!((all(&world), world.succeed(&["folders"])), before);
}

#[test]
fn wrong_calls_have_codes_and_words() {
    let world = filled();
    let table: &[(&[&str], i32, &str)] = &[
        (&["serch"], 2, "unrecognized subcommand"),
        (&["search", "--ids", "--json", "x"], 2, "cannot be used with"),
        (&["search", "x", "--limt", "3"], 2, "a similar argument exists: '--limit'"),
        (&["search", "nothingofthekind"], 1, ""),
        (&["search", "--count", "nothingofthekind"], 1, ""),
        (&["search", "-A", "eve", "tea"], 2, "no account eve; there is: ada"),
        (&["search", "(tea"], 2, "tern: search: column"),
        (&["show", "nobody@nowhere"], 66, "there is no message nobody@nowhere"),
        (&["list", "Nowhere"], 66, "there is no folder Nowhere"),
        (&["list", "-A", "eve"], 2, "no account eve; there is: ada"),
        (&["outbox", "rm", "../etc"], 66, "no entry's name"),
        (&["outbox", "rm", "0.0"], 66, "not in the outbox"),
        (&["send", "-bs"], 2, "-bs is not offered"),
        (&["send", "-t"], 65, "no message"),
    ];
    for (arguments, expected, words) in table {
        let output = world.run(arguments);
        assert_eq!(code(&output), *expected, "{arguments:?}: {}", err(&output));
        assert!(err(&output).contains(words), "{arguments:?}: {}", err(&output));
    }
    let pointed = err(&world.run(&["search", "tea )"]));
    let lines: Vec<&str> = pointed.lines().collect();
    assert_eq!(lines[2].find('^'), lines[1].find(')'), "{pointed}");
    let pointed = err(&world.run(&["search", "林伟 is:odd"]));
    assert!(pointed.ends_with(&format!("  {}^\n", " ".repeat("林伟 is:".len() - 2))), "{pointed}");
    let none = World::new("");
    assert_eq!(code(&none.run(&["list"])), 78);
    assert!(err(&none.run(&["sync"])).contains("no account is set up"));
}

#[test]
fn keys_come_from_the_table_and_the_config() {
    let world = World::new("[keys.list]\n\"ga\" = \"message.archive\"\n");
    let keys = objects(&world.succeed(&["keys", "show", "--json"]));
    let archive = keys.iter().find(|row| row["context"] == "list" && row["action"] == "message.archive").unwrap();
    assert!(archive["keys"].as_array().unwrap().contains(&"ga".into()), "{archive}");
    assert!(world.succeed(&["keys"]).contains("[keys.list]"));
}

#[test]
fn send_queues_without_bcc_on_the_wire() {
    let world = World::new(LOCAL);
    let mail = b"To: Bob <bob@example.net>\nBcc: eve@example.com, bob@example.net\nSubject: hello\n\nhi\n.\nmore\n";
    assert_eq!(code(&fed(&world, &["send", "--queue-only", "-t", "-oi", "-f", "ada@example.org"], mail)), 0);
    let entries = objects(&world.succeed(&["outbox", "list", "--json"]));
    let who: Vec<&str> =
        entries[0]["recipients"].as_array().unwrap().iter().map(|r| r["addr"].as_str().unwrap()).collect();
    assert_eq!(
        (entries.len(), &entries[0]["state"], who),
        (1, &"queued".into(), vec!["bob@example.net", "eve@example.com"])
    );
    let id = entries[0]["id"].as_str().unwrap();
    let stored = fs::read(world.path("data/tern/outbox/queued").join(id)).unwrap();
    let wire = String::from_utf8(stored).unwrap().splitn(3, '\n').nth(2).unwrap().to_owned();
    assert!(wire.contains("To: Bob <bob@example.net>\r\n") && !wire.contains("Bcc"), "{wire}");
    assert!(
        wire.contains("From: \"Ada Lovelace\" <ada@example.org>\r\n") && wire.contains("\r\nhi\r\n.\r\nmore\r\n"),
        "{wire}"
    );
    assert!(wire.contains("Message-ID: <") && wire.contains("Date: "), "{wire}");
    assert!(world.succeed(&["outbox", "list"]).contains("to bob@example.net, eve@example.com: hello"));
    world.succeed(&["outbox", "rm", id]);
    assert_eq!(world.succeed(&["outbox", "list"]), "");
}

#[test]
fn what_cannot_be_sent_is_refused_and_not_queued() {
    let world = World::new(LOCAL);
    let mail = b"Subject: x\n\nhi\n";
    assert_eq!(code(&fed(&world, &["send", "--queue-only"], mail)), 2);
    assert_eq!(code(&fed(&world, &["send", "--queue-only", "-t"], mail)), 2);
    assert_eq!(code(&fed(&world, &["send", "--queue-only", "bob@example.net"], b"Subject: x\n\na\0b\n")), 65);
    let nobody = World::new("[accounts.ada]\naddress = \"ada@example.org\"\nmaildir = \"{home}/mail\"\n");
    let refused = fed(&nobody, &["send", "bob@example.net"], mail);
    assert_eq!(code(&refused), 78, "{}", err(&refused));
    for world in [world, nobody] {
        assert_eq!(world.succeed(&["outbox", "list"]), "");
    }
}

#[test]
fn a_server_that_is_down_defers() {
    let world = World::new(LOCAL);
    let waited = fed(&world, &["send", "--wait", "bob@example.net"], b"Subject: x\n\nhi\n");
    assert_eq!(code(&waited), 75, "{}", err(&waited));
    assert_eq!(objects(&world.succeed(&["outbox", "list", "--json"]))[0]["state"], "deferred");
    assert_eq!(code(&world.run(&["outbox", "flush"])), 75);
    let synced = world.run(&["sync"]);
    assert_eq!(code(&synced), 1, "{}", err(&synced));
    assert!(err(&synced).contains("tern: sync: outbox: 1 still to be sent"), "{}", err(&synced));
    assert_eq!(code(&world.run(&["sync", "--no-send"])), 0);
}

/// The config of `eve` at a Dovecot.
fn remote(dovecot: &Dovecot, host: &str) -> String {
    format!(
        "[accounts.eve]\naddress = \"eve@example.org\"\nmaildir = \"{{home}}/mail\"\n\
         password = {{ file = \"{{home}}/password\" }}\n\
         imap = {{ host = \"{host}\", port = {}, user = \"eve\", ca = \"{}\" }}\n",
        dovecot.imaps,
        dovecot.ca().display()
    )
}

fn world_of(dovecot: &Dovecot, host: &str, password: &str) -> World {
    use std::os::unix::fs::PermissionsExt as _;
    let world = World::new(&remote(dovecot, host));
    let file = world.path("password");
    fs::write(&file, password).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    world
}

fn contents(files: Vec<PathBuf>) -> BTreeSet<Vec<u8>> {
    let unix = |bytes: Vec<u8>| {
        bytes
            .split(|b| *b == b'\n')
            .map(|l| l.strip_suffix(b"\r").unwrap_or(l).to_vec())
            .collect::<Vec<_>>()
            .join(&b'\n')
    };
    files.into_iter().map(|file| unix(fs::read(file).unwrap())).collect()
}

#[test]
fn sync_brings_both_sides_together_and_then_rests() {
    let dovecot = Dovecot::start();
    for number in 0..30 {
        let _ = dovecot.deliver("eve", "INBOX", &message(number, "bulk", "brass"));
    }
    let world = world_of(&dovecot, "localhost", PASSWORD);
    let first = objects(&world.succeed(&["sync", "--json"]));
    let log = fs::metadata(world.path("data/tern/ledger.db-wal"));
    assert_eq!(log.map_or(0, |log| log.len()), 0, "the ledger was closed in order");
    let (made, first): (Vec<Value>, Vec<Value>) = first.into_iter().partition(|row| row["change"] == "made");
    assert!(made.iter().any(|row| row["folder"] == "Sent" && row["side"] == "here"), "{made:?}");
    assert_eq!((first.len(), &first[0]["folder"], &first[0]["fetched"]), (1, &"INBOX".into(), &30.into()));
    assert_eq!(contents(world.files("mail/INBOX")), contents(dovecot.files("eve", "INBOX")));
    assert_eq!(contents(world.files("mail/INBOX")).len(), 30);
    assert_eq!(world.succeed(&["sync"]), "");
    assert_eq!(world.succeed(&["search", "--ids", "brass"]).lines().count(), 30);
    let sent = objects(&world.succeed(&["folders", "--json"]));
    assert!(sent.iter().any(|row| row["folder"] == "Sent" && row["role"] == "sent"), "{sent:?}");

    // Only the folder that is named.
    let _ = dovecot.deliver("eve", "INBOX", &message(40, "late", "x"));
    assert_eq!(world.succeed(&["sync", "-f", "Sent"]), "");
    assert_eq!(world.succeed(&["sync", "-f", "INBOX"]), "eve INBOX: 1 new\n");
    assert_eq!(code(&world.run(&["sync", "-f", "Nowhere"])), 66);
}

#[test]
fn the_guard_asks_and_is_answered() {
    let dovecot = Dovecot::start();
    for number in 0..30 {
        let _ = dovecot.deliver("eve", "INBOX", &message(number, "bulk", "brass"));
    }
    let world = world_of(&dovecot, "localhost", PASSWORD);
    world.succeed(&["sync", "-q"]);
    for file in world.files("mail/INBOX").into_iter().take(20) {
        fs::remove_file(file).unwrap();
    }
    let held = world.run(&["sync"]);
    assert_eq!(code(&held), 1, "{}", err(&held));
    assert!(err(&held).contains("20 of 30 messages are gone") && err(&held).contains("--go-on"), "{}", err(&held));
    assert_eq!(dovecot.files("eve", "INBOX").len(), 30);
    assert_eq!(world.succeed(&["sync", "--go-on"]), "eve INBOX: 20 removed there\n");
    assert_eq!(dovecot.files("eve", "INBOX").len(), 10);
}

#[test]
fn faults_of_the_server_have_codes_and_a_next_step() {
    let dovecot = Dovecot::start();
    let table = [
        ("localhost", "wrong", 77, "check user and password"),
        ("no-such-host.invalid", PASSWORD, 69, "check the host name"),
    ];
    for (host, password, expected, next) in table {
        let output = world_of(&dovecot, host, password).run(&["sync"]);
        assert_eq!(code(&output), expected, "{}", err(&output));
        assert!(
            err(&output).starts_with("tern: sync: eve: cannot ") && err(&output).contains(next),
            "{}",
            err(&output)
        );
    }
}

#[test]
fn a_dry_run_tells_both_sides_and_touches_neither() {
    let dovecot = Dovecot::start();
    for number in 0..12 {
        let _ = dovecot.deliver("eve", "INBOX", &message(number, "bulk", "brass"));
    }
    let world = world_of(&dovecot, "localhost", PASSWORD);
    let first = world.run(&["sync", "--dry-run"]);
    assert_eq!(code(&first), 1, "{}", err(&first));
    let out = String::from_utf8_lossy(&first.stdout).into_owned();
    assert!(
        out.contains("eve INBOX: here: folder to make\n") && out.contains("eve INBOX: here: 12 to fetch\n"),
        "{out}"
    );
    assert!(!world.path("mail").exists());
    world.succeed(&["sync", "-q"]);
    assert_eq!(world.succeed(&["sync", "-n"]), "");

    let files = world.files("mail/INBOX");
    for file in files.iter().take(8) {
        fs::remove_file(file).unwrap();
    }
    let own = message(77, "my own \u{1b}[31mwords", "x");
    put(&world, "INBOX/new/1010.own", &own);
    let planned = world.run(&["sync", "--dry-run", "-v"]);
    let out = String::from_utf8_lossy(&planned.stdout).into_owned();
    assert_eq!(code(&planned), 1);
    assert!(out.contains("eve INBOX: server: 1 to upload, 8 to remove\n"), "{out}");
    assert!(out.contains("  server: upload 1010.own \"my own ") && !out.contains('\u{1b}'), "{out}");
    assert_eq!(out.matches("  server: remove UID ").count(), 8, "{out}");
    assert!(
        err(&planned).contains("8 of 12 messages are gone") && err(&planned).contains("--go-on"),
        "{}",
        err(&planned)
    );
    assert_eq!(dovecot.files("eve", "INBOX").len(), 12);
    let plan = world.run(&["sync", "--dry-run", "--json"]);
    let rows = objects(&String::from_utf8(plan.stdout).unwrap());
    assert_eq!((&rows[0]["server"]["remove"], &rows[0]["here"]["fetch"]), (&8.into(), &0.into()));
    assert_eq!(code(&world.run(&["sync", "--dry-run", "--go-on"])), 2);
}

#[test]
fn the_worst_of_several_accounts_decides_the_exit_code() {
    let dovecot = Dovecot::start();
    for number in 0..12 {
        let _ = dovecot.deliver("eve", "INBOX", &message(number, "bulk", "brass"));
    }
    let account = |name: &str, host: &str, user: &str| {
        format!(
            "[accounts.{name}]\naddress = \"{name}@example.org\"\nmaildir = \"{{home}}/{name}\"\n\
             password = {{ env = \"{user}_PASSWORD\" }}\n\
             imap = {{ host = \"{host}\", port = {}, user = \"eve\", ca = \"{}\" }}\n",
            dovecot.imaps,
            dovecot.ca().display()
        )
    };
    let all = account("eve", "localhost", "GOOD")
        + &account("wrong", "localhost", "BAD")
        + &account("nowhere", "no-such-host.invalid", "GOOD");
    let world = World::new(&all);
    let run = |arguments: &[&str]| {
        world.command(arguments).env("GOOD_PASSWORD", PASSWORD).env("BAD_PASSWORD", "no").output().unwrap()
    };
    assert_eq!(code(&run(&["sync", "-q", "-A", "eve"])), 0);
    for file in world.files("eve/INBOX") {
        fs::remove_file(file).unwrap();
    }
    // (accounts, code): held, refused, out of reach; of all of them the refusal.
    let table: [(&[&str], i32); 4] = [
        (&["sync", "-A", "eve"], 1),
        (&["sync", "-A", "nowhere"], 69),
        (&["sync", "-A", "wrong"], 77),
        (&["sync"], 77),
    ];
    for (arguments, expected) in table {
        let output = run(arguments);
        assert_eq!(code(&output), expected, "{arguments:?}: {}", err(&output));
    }
    let help = world.succeed(&["sync", "--help"]);
    assert!(help.contains("77  sign-in was refused") && help.contains("--dry-run"), "{help}");
}

#[test]
fn folders_are_made_renamed_and_deleted_here_and_the_sync_follows() {
    let dovecot = Dovecot::start();
    for number in 0..4 {
        let _ = dovecot.deliver("eve", "Lists", &message(number, "list", "brass"));
    }
    let world = world_of(&dovecot, "localhost", PASSWORD);
    world.succeed(&["sync", "-q"]);
    let listed = || {
        let text = dovecot.doveadm(&["mailbox", "list", "-u", "eve"]);
        text.lines().map(str::to_owned).collect::<BTreeSet<_>>()
    };
    let made = world.succeed(&["folders", "create", "Work/2026"]);
    assert_eq!(made, "eve Work/2026: made here; the next sync does the same on the server\n");
    world.succeed(&["folders", "rename", "Lists", "Rolls"]);
    assert_eq!(
        world.succeed(&["sync"]),
        "eve Lists: renamed to Rolls on the server, as here\neve Work/2026: new folder, made on the server\n"
    );
    assert!(listed().contains("Work/2026") && listed().contains("Rolls") && !listed().contains("Lists"));
    assert_eq!(world.succeed(&["sync"]), "");
    let subscribed = || dovecot.doveadm(&["mailbox", "list", "-s", "-u", "eve"]).contains("Work/2026");
    assert!(subscribed(), "what is made here is subscribed");
    world.succeed(&["folders", "unsubscribe", "Work/2026"]);
    assert_eq!(world.succeed(&["sync"]), "");
    assert!(!subscribed());

    let refused = world.run(&["folders", "delete", "Rolls"]);
    assert_eq!(code(&refused), 1);
    assert!(err(&refused).contains("4 messages are in it") && err(&refused).contains("--yes"), "{}", err(&refused));
    assert!(world.succeed(&["folders", "delete", "--yes", "Rolls"]).contains("kept in quarantine for 14 days"));
    world.succeed(&["folders", "delete", "Work/2026"]);
    let synced = world.succeed(&["sync"]);
    assert!(
        synced.contains("eve Rolls: folder removed on the server") && synced.contains("eve Rolls: 4 removed there"),
        "{synced}"
    );
    assert!(!listed().contains("Work/2026") && !listed().contains("Rolls"), "{:?}", listed());
    assert_eq!(world.succeed(&["sync"]), "");
    for (arguments, expected) in [
        (["folders", "delete", "INBOX"], 2),
        (["folders", "delete", "Nowhere"], 66),
        (["folders", "create", "INBOX"], 1),
        (["folders", "create", "a//b"], 2),
        (["folders", "subscribe", "Nowhere"], 66),
    ] {
        assert_eq!(code(&world.run(&arguments)), expected, "{arguments:?}");
    }
    assert_eq!(code(&world.run(&["folders", "rename", "INBOX", "x"])), 2);
    assert_eq!(code(&world.run(&["folders", "rename", "Sent", "Trash"])), 1);
}
