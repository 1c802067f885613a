//! Sync against the real Dovecot: everything comes, both ways, and a second run finds nothing to do.

use std::collections::BTreeSet;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use tern::config::Tls;
use tern::login::Secret;
use tern::mail::flags::{Flag, Flags};
use tern::mail::mailbox::MailboxName;
use tern::remote::imap::Imap;
use tern::remote::{Connect as _, Since};
use tern::store::folders::Root;
use tern::store::maildir::{Maildir, fresh};
use tern::store::scan;
use tern::sync::worker::{Summary, run_once};
use tern::sync::{Env, commit};

use crate::imap::connector;
use crate::servers::dovecot::{Dovecot, PASSWORD};
use crate::support::meeting::mail;
use crate::support::turnstile::Turnstile;

fn sync(env: &Env) -> Summary {
    let summary = run_once(env, &|_| ()).unwrap();
    assert_eq!(summary.faults, vec![]);
    summary
}

/// Dovecot keeps what was appended with bare LF on its disk, so line ends do not count.
fn hashes(files: impl IntoIterator<Item = Vec<u8>>) -> BTreeSet<Vec<u8>> {
    let bare = |bytes: Vec<u8>| bytes.into_iter().filter(|byte| *byte != b'\r').collect::<Vec<u8>>();
    files.into_iter().map(|bytes| Sha256::digest(bare(bytes)).to_vec()).collect()
}

#[test]
fn everything_comes_and_goes_both_ways() {
    let home = tempfile::tempdir().unwrap();
    let dovecot = Dovecot::start();
    for n in 0..300 {
        let bytes = mail(Some(&n.to_string()), &format!("mail {n}"));
        dovecot.deliver("alice", "INBOX", &bytes);
    }
    dovecot.hand_over("alice");
    let account = dovecot.account("alice", Tls::Implicit, &home.path().join("mail"));
    let root = Root { path: account.maildir.clone(), layout: account.layout };
    let connect = connector(&dovecot, "alice", Tls::Implicit);
    let mut env = Env::new(account, Some(Arc::new(connect)), home.path().join("data"));
    let (lane, parcels) = commit::lane();
    env.lane = Some(lane);
    let data = env.data.clone();
    let committer = std::thread::spawn(move || commit::run(&data, &parcels));

    assert_eq!(sync(&env).counts.fetched, 300);
    assert!(sync(&env).counts.is_zero());

    let inbox = MailboxName::inbox();
    let archive = MailboxName::new("Archive").unwrap();
    let here = Maildir::open(&root.directory(&inbox).unwrap()).unwrap();
    let there = Maildir::open(&root.create(&archive).unwrap()).unwrap();
    let entries = scan::scan(&here).unwrap().entries;
    here.set_flags(&entries[0], &Flags::only(Flag::Flagged), &Flags::none()).unwrap().unwrap();
    here.move_to(&entries[1], &there, &fresh(None)).unwrap().unwrap();
    here.remove(&entries[2]).unwrap();
    here.deliver(&fresh(None), &Flags::only(Flag::Seen), &mail(Some("own"), "own")).unwrap();
    dovecot.deliver("alice", "INBOX", &mail(Some("late"), "late"));
    dovecot.hand_over("alice");
    let counts = sync(&env).counts;
    assert_eq!((counts.fetched, counts.appended, counts.moved, counts.removed_there), (1, 1, 1, 1), "{counts:?}");
    assert_eq!(counts.flagged_there, 1);
    assert!(sync(&env).counts.is_zero());

    for (mailbox, maildir) in [("INBOX", &here), ("Archive", &there)] {
        let mine = scan::scan(maildir).unwrap().entries;
        let mine = mine.iter().map(|entry| maildir.read_entry(entry).unwrap().unwrap());
        let theirs = dovecot.files("alice", mailbox).into_iter().map(|path| std::fs::read(path).unwrap());
        assert!(hashes(mine) == hashes(theirs), "the same messages in {mailbox}");
    }
    let flagged = dovecot.flags("alice", "INBOX").into_iter().filter(|(_, flags)| flags.contains("\\Flagged")).count();
    assert_eq!(flagged, 1);
    drop(env);
    committer.join().unwrap();
}

/// The mailboxes that were opened: the first of them along with the list.
fn selected(said: &str) -> Vec<&str> {
    said.lines().filter_map(|line| line.split_once("SELECT \"")?.1.split('"').next()).collect()
}

#[test]
fn nothing_new_is_one_question_and_a_move_on_the_server_is_a_rename_here() {
    let home = tempfile::tempdir().unwrap();
    let dovecot = Dovecot::start();
    let folder = |n: u32| format!("Lists/l{n:02}");
    for n in 0..12 {
        for text in ["one", "two", "three"] {
            let text = format!("{text}-{n}");
            dovecot.deliver("ada", &folder(n), &mail(Some(&text), &text));
        }
    }
    dovecot.hand_over("ada");
    let turnstile = Turnstile::before(dovecot.imap);
    let mut account = dovecot.account("ada", Tls::Plain, &home.path().join("mail"));
    let server = account.imap.as_mut().unwrap();
    (server.host, server.port) = ("127.0.0.1".to_owned(), turnstile.port);
    let connect = Imap::new(&account, Arc::new(|| Ok(Secret::new(PASSWORD.to_owned()))));
    let root = Root { path: account.maildir.clone(), layout: account.layout };
    let env = Env::new(account, Some(Arc::new(connect)), home.path().join("data"));
    assert_eq!(sync(&env).counts.fetched, 36);
    assert!(sync(&env).counts.is_zero());
    turnstile.count();
    assert!(sync(&env).counts.is_zero());
    let (flights, said) = turnstile.count();
    assert!(flights <= 5, "{flights} round trips with the sign-in:\n{said}");
    assert_eq!(selected(&said), ["INBOX"], "no other mailbox is looked at:\n{said}");

    dovecot.doveadm(&["move", "-u", "ada", &folder(7), "mailbox", &folder(3), "all"]);
    dovecot.hand_over("ada");
    let counts = sync(&env).counts;
    assert_eq!((counts.moved, counts.fetched, counts.removed_here), (3, 0, 0), "{counts:?}");
    let (_, said) = turnstile.count();
    assert!(!said.contains("BODY.PEEK[]"), "{said}");
    assert!(sync(&env).counts.is_zero());
    for (n, count) in [(3, 0), (7, 6)] {
        let maildir = Maildir::open(&root.directory(&MailboxName::new(&folder(n)).unwrap()).unwrap()).unwrap();
        let mine = scan::scan(&maildir).unwrap().entries;
        assert_eq!(mine.len(), count);
        let mine = mine.iter().map(|entry| maildir.read_entry(entry).unwrap().unwrap());
        let theirs = dovecot.files("ada", &folder(n)).into_iter().map(|path| std::fs::read(path).unwrap());
        assert!(hashes(mine) == hashes(theirs), "the same messages in {}", folder(n));
    }
    turnstile.count();
    assert!(sync(&env).counts.is_zero());
    let (_, said) = turnstile.count();
    assert_eq!(selected(&said), ["INBOX"], "no other mailbox is looked at:\n{said}");
}

#[test]
fn a_keyword_that_a_mailbox_does_not_take_stays_here_and_is_told_once() {
    let home = tempfile::tempdir().unwrap();
    // Without the right to write flags a mailbox tells PERMANENTFLAGS without `\*` (RFC 4314).
    let dovecot = Dovecot::start_with("protocol imap {\n  mail_plugins = acl\n}\nplugin {\n  acl = vfile\n}\n");
    dovecot.deliver("kim", "INBOX", &mail(Some("one"), "one"));
    std::fs::write(dovecot.maildir("kim", "INBOX").join("dovecot-acl"), "owner lrstipekx\n").unwrap();
    dovecot.hand_over("kim");
    let inbox = MailboxName::inbox();
    let connect = Arc::new(connector(&dovecot, "kim", Tls::Implicit));
    let told = connect.connect().unwrap().changes(&inbox, &Since::default()).unwrap();
    let keeps = told.keeps.unwrap();
    assert!(!told.new_keywords && keeps.has(Flag::Seen) && !keeps.has(Flag::Flagged), "{keeps:?}");
    let account = dovecot.account("kim", Tls::Implicit, &home.path().join("mail"));
    let root = Root { path: account.maildir.clone(), layout: account.layout };
    let env = Env::new(account, Some(connect), home.path().join("data"));
    assert_eq!(sync(&env).counts.fetched, 1);
    let maildir = Maildir::open(&root.directory(&inbox).unwrap()).unwrap();
    let wish = Flags::from_imap(["todo", "\\Seen"]);
    maildir.table_with(&wish).unwrap();
    let here = || maildir.flags(&scan::scan(&maildir).unwrap().entries[0]);
    let entry = scan::scan(&maildir).unwrap().entries.remove(0);
    maildir.set_flags(&entry, &wish, &Flags::none()).unwrap().unwrap();

    let faults = run_once(&env, &|_| ()).unwrap().faults;
    let [fault] = faults.as_slice() else { panic!("{faults:?}") };
    assert!(fault.detail.as_str().contains("keeps no keyword todo; it stays in the files"), "{fault}");
    let there = || dovecot.flags("kim", "INBOX").remove(0).1;
    assert_eq!((there(), here()), ("\\Seen".to_owned(), wish.clone()));
    // It is told once, and stays whatever else changes there.
    assert!(sync(&env).counts.is_zero());
    dovecot.doveadm(&["flags", "add", "-u", "kim", "\\Answered", "mailbox", "INBOX", "all"]);
    dovecot.hand_over("kim");
    assert_eq!(sync(&env).counts.flagged_here, 1);
    assert_eq!(here(), wish.union(&Flags::only(Flag::Answered)));
    assert_eq!(there(), "\\Answered \\Seen");
    assert!(sync(&env).counts.is_zero());
}
