//! Programs that work on the same tree without a server between: notmuch and renaming loops, while tern
//! syncs; and a Dovecot that serves it, with the same table of keywords. The real ones.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::Instant;

use tern::job::{FilesJob, FilesReport, Ticket};
use tern::mail::flags::{Flag, Flags};
use tern::mail::mailbox::MailboxName;
use tern::mail::place::{MailboxId, Place};
use tern::store::folders::Root;
use tern::store::{scan, worker};

use crate::adoption::{Tree, subject};
use crate::cotenants::a_while;
use crate::servers::dovecot::Dovecot;

fn ask_notmuch(home: &Path, args: &[&str]) -> Output {
    let mut command = Command::new("notmuch");
    command.args(args).env("NOTMUCH_CONFIG", home.join("notmuch-config")).env("HOME", home);
    command.output().expect("notmuch is installed")
}

fn notmuch(home: &Path, args: &[&str]) -> String {
    let out = ask_notmuch(home, args);
    assert!(out.status.success(), "notmuch {args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

#[test]
fn notmuch_and_renames_go_on_while_tern_syncs() {
    let tree = Tree::new("SyncState *");
    let home = tree.home.path();
    let config = format!(
        "[database]\npath={}\n[user]\nname=a\nprimary_email=a@example.org\n[new]\ntags=unread\n\
         [maildir]\nsynchronize_flags=true\n",
        home.join("mail").display()
    );
    fs::write(home.join("notmuch-config"), config).unwrap();
    tree.deliver(11..60);
    let count = tree.there().len();
    tree.tern();
    notmuch(home, &["new"]);
    let is_over = AtomicBool::new(false);
    let goes_on = || !is_over.load(Ordering::SeqCst);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for turn in 0.. {
                if !goes_on() {
                    break;
                }
                let query = format!("id:{}@example.org", 11 + turn % 9);
                // It gives up where a file is renamed under its hands, and says so: that is between it and
                // the renames. What counts is what it finds at the end.
                ask_notmuch(home, &["tag", if turn % 2 == 0 { "+replied" } else { "-replied" }, "--", &query]);
                ask_notmuch(home, &["new", "--quiet"]);
            }
        });
        // As `mv` does it: by the name as it was listed, which may be over.
        scope.spawn(|| {
            while goes_on() {
                let maildir = tree.inbox();
                for entry in scan::scan(&maildir).unwrap().entries {
                    let flags = entry.flags().with(Flag::Seen).letters();
                    let to = maildir.path().join("cur").join(format!("{}:2,{flags}", entry.base()));
                    let _ = fs::rename(maildir.path_of(&entry), to);
                }
            }
        });
        scope.spawn(|| {
            while goes_on() {
                tree.tern();
            }
        });
        let end = Instant::now() + a_while();
        for number in (11..60).cycle() {
            if Instant::now() >= end {
                break;
            }
            tree.flag_there(number, "add", "\\Flagged");
        }
        is_over.store(true, Ordering::SeqCst);
    });
    notmuch(home, &["new"]);
    for number in 11..60 {
        tree.flag_there(number, "add", "\\Flagged");
        tree.flag_here(number, "S");
    }
    tree.tern();
    tree.tern();
    tree.assert_met(count);
    for (subject, letters) in tree.here() {
        assert!(letters.contains('F') && letters.contains('S'), "{subject}: {letters}");
    }
    notmuch(home, &["new"]);
    assert_eq!(notmuch(home, &["count", "--output=files", "*"]).trim(), count.to_string());
    assert_eq!(notmuch(home, &["count", "tag:unread"]).trim(), "0");
    assert!(tree.tern().counts.is_zero());
}

/// The keywords of each message, by subject, as a server tells them.
fn keywords(server: &Dovecot, user: &str) -> BTreeMap<String, Flags> {
    let text = server.doveadm(&["-f", "tab", "fetch", "-u", user, "hdr.subject flags", "mailbox", "INBOX", "all"]);
    let line = |line: &str| {
        let (subject, flags) = line.split_once('\t').unwrap();
        (subject.to_owned(), Flags::from_imap(flags.split(' ')).words())
    };
    text.lines().skip(1).map(line).collect()
}

/// A tree of ours that another Dovecot serves as the mail of `carol`.
fn served() -> (Tree, Dovecot) {
    let serving = Dovecot::start();
    let mut tree = Tree::new("");
    tree.env.account.maildir = serving.maildir("carol", "");
    (tree, serving)
}

#[test]
fn a_dovecot_that_serves_the_tree_reads_and_sets_the_same_keywords() {
    let (tree, serving) = served();
    tree.deliver(11..15);
    let meet = || {
        tree.tern();
        // Dovecot runs as another user than this test.
        serving.hand_over("carol");
    };
    let set = |number: usize, change: &str, word: &str| {
        let subject = format!("mail {number}");
        let query = ["mailbox", "INBOX", "header", "subject", &subject];
        serving.doveadm(&[&["flags", change, "-u", "carol", word], &query[..]].concat());
    };
    meet();
    let (mut numbers, mut words) = (BTreeMap::new(), BTreeMap::new());
    let mut look = || {
        let table = fs::read_to_string(tree.inbox().path().join("dovecot-keywords")).unwrap();
        for line in table.lines() {
            let (number, word) = line.split_once(' ').unwrap();
            let (number, word) = (number.to_owned(), word.to_owned());
            assert_eq!(numbers.entry(word.clone()).or_insert(number.clone()), &number, "{table}");
            assert_eq!(words.entry(number).or_insert(word.clone()), &word, "{table}");
        }
    };
    for turn in 0..6 {
        tree.flag_there(11 + turn % 4, "add", &format!("far{turn}"));
        set(11 + (turn + 1) % 4, "add", &format!("near{turn}"));
        meet();
        look();
        set(13, "add", "both");
        meet();
        look();
        assert_eq!(keywords(&tree.dovecot, "alice"), keywords(&serving, "carol"), "{turn}");
    }
    let all: Vec<usize> = keywords(&serving, "carol").values().map(|flags| flags.keywords().count()).collect();
    assert_eq!(all.iter().sum::<usize>(), 13);
    set(13, "remove", "both");
    tree.flag_there(11, "remove", "far0");
    meet();
    meet();
    let (far, near) = (keywords(&tree.dovecot, "alice"), keywords(&serving, "carol"));
    assert_eq!((far.values().map(|flags| flags.keywords().count()).sum::<usize>(), &far), (11, &near));
    assert!(tree.tern().counts.is_zero());
}

#[test]
fn a_keyword_set_as_the_screen_does_it_gets_to_a_real_server_and_goes_again() {
    let tree = Tree::new("");
    tree.deliver(11..14);
    tree.tern();
    let account = &tree.env.account;
    let maildir = tree.inbox();
    let mailbox = MailboxId { account: account.id.clone(), name: MailboxName::inbox() };
    let place = || {
        let entries = scan::scan(&maildir).unwrap().entries;
        let entry = entries.iter().find(|entry| subject(&maildir.path_of(entry)) == "mail 12").unwrap();
        Place { mailbox: mailbox.clone(), unique: entry.unique().unwrap() }
    };
    let change = |add: &str, remove: &str| {
        let flags = |text: &str| Flags::from_imap(text.split(' '));
        let env = worker::Env {
            accounts: vec![(account.id.clone(), Root { path: account.maildir.clone(), layout: account.layout })],
            tags: std::collections::BTreeMap::new(),
            data: tree.home.path().join("data"),
            runtime: tree.home.path().join("runtime"),
            zone: jiff::tz::TimeZone::UTC,
        };
        let (jobs, queue) = channel();
        let (add, remove) = (flags(add), flags(remove));
        jobs.send(FilesJob::SetFlags { ticket: Ticket(1), places: vec![place()], add, remove }).unwrap();
        drop(jobs);
        let (told, reports) = channel();
        worker::run(env, &queue, &|report| told.send(report).unwrap());
        let failed = reports.try_iter().any(|report| matches!(report, FilesReport::Failed { .. }));
        assert!(!failed);
        assert_eq!(tree.tern().counts.flagged_there, 1);
        keywords(&tree.dovecot, "alice")["mail 12"].to_string()
    };
    assert_eq!(change("todo $Label1", ""), Flags::from_imap(["todo", "$Label1"]).to_string());
    assert_eq!(change("", "todo"), "$Label1");
    assert!(tree.tern().counts.is_zero());
}
