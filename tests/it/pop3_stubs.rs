//! Large mail by POP3: a header here until it is opened, and a message on the server until it is whole here, whatever
//! the account says of removing, and wherever a stop or a cut comes in between.

use std::path::Path;
use std::time::Duration;

use tern::config::{DeleteThere, Retention, Tls};
use tern::fault::{Cause, Fault};
use tern::mail::flags::{Flag, Flags};
use tern::mail::mailbox::MailboxName;
use tern::mail::place::{MailboxId, Place, UniqueName};
use tern::store::folders::Root;
use tern::store::maildir::{Maildir, fresh};
use tern::store::name::Entry;
use tern::store::scan;
use tern::sync::Env;
use tern::sync::errand::fetch_one;
use tern::sync::worker::run_once;

use crate::pop3::{Hands, env, odd_letter};
use crate::pop3_faults::{AT_ONCE, Client, Cut, NEVER, Server3};
use crate::servers::dovecot::{Dovecot, PASSWORD};

const DAY: i64 = 86_400;
const LIMIT: u64 = 10_000;
const WHEN_DELETED: Retention = Retention { delete: DeleteThere::WhenDeleted, ..NEVER };

/// A letter over the limit.
fn large(number: u32) -> Vec<u8> {
    [odd_letter(number), b"a line of a large letter\r\n".repeat(800)].concat()
}

fn limited(port: u16, retention: Retention) -> Client {
    let mut client = Client::new(port, Tls::Plain, retention);
    client.env.account.sync.max_size = Some(LIMIT);
    client
}

fn maildir(env: &Env, folder: &str) -> Maildir {
    let root = Root { path: env.account.maildir.clone(), layout: env.account.layout };
    Maildir::open(&root.create(&MailboxName::new(folder).unwrap()).unwrap()).unwrap()
}

fn files(env: &Env, folder: &str) -> Vec<Entry> {
    scan::scan(&maildir(env, folder)).unwrap().entries
}

/// The stubs of a folder.
fn stubs(env: &Env, folder: &str) -> Vec<Place> {
    let mailbox = MailboxId { account: env.account.id.clone(), name: MailboxName::new(folder).unwrap() };
    let uniques = files(env, folder).into_iter().filter_map(|entry| entry.unique());
    let stubs = uniques.filter(|unique| unique.stub_size().is_some());
    stubs.map(|unique| Place { mailbox: mailbox.clone(), unique }).collect()
}

/// How many messages of a folder are whole, and how many are stubs.
fn shapes(env: &Env, folder: &str) -> (usize, usize) {
    let stubs = stubs(env, folder).len();
    (files(env, folder).len() - stubs, stubs)
}

fn open(env: &Env, stub: &Place) -> Result<Vec<u8>, Fault> {
    let now = fetch_one(env, stub, &|_| ())?;
    Ok(maildir(env, now.mailbox.name.as_str()).read(&now.unique).unwrap())
}

fn sync(client: &Client) -> u64 {
    let summary = client.sync().unwrap();
    assert_eq!(summary.faults, vec![]);
    summary.counts.fetched
}

#[test]
fn dovecot_keeps_a_large_message_until_it_was_opened() {
    let (dovecot, home, clock) = (Dovecot::start(), tempfile::tempdir().unwrap(), Hands::new());
    let mut account = dovecot.pop3_account("pat", Tls::Implicit, AT_ONCE, &home.path().join("mail"));
    account.sync.max_size = Some(LIMIT);
    let make = || env(&account, home.path().join("data"), &clock, PASSWORD);
    let before = make();
    let _ = dovecot.deliver("pat", "INBOX", &odd_letter(1));
    let _ = dovecot.deliver("pat", "INBOX", &large(2));
    for fetched in [2, 0] {
        assert_eq!(run_once(&before, &|_| ()).unwrap().counts.fetched, fetched);
        assert_eq!((shapes(&before, "INBOX"), dovecot.files("pat", "INBOX").len()), ((1, 1), 1));
    }
    // Another run of the program, whose first session has listed nothing.
    let after = make();
    let stub = stubs(&after, "INBOX").remove(0);
    assert!(open(&after, &stub).unwrap() == large(2), "byte for byte");
    assert_eq!((shapes(&after, "INBOX"), dovecot.files("pat", "INBOX").len()), ((2, 0), 1));
    assert_eq!(run_once(&after, &|_| ()).unwrap().counts.fetched, 0);
    assert_eq!((shapes(&after, "INBOX"), dovecot.files("pat", "INBOX").len()), ((2, 0), 0));
}

#[test]
fn no_retention_removes_what_is_not_whole_here() {
    for retention in [
        AT_ONCE,
        Retention { after: Some(Duration::from_hours(24 * 7)), ..NEVER },
        Retention { over: Some(100), ..NEVER },
    ] {
        let server = Server3::start(&[("a", odd_letter(1)), ("b", large(2))]);
        let client = limited(server.port, retention);
        sync(&client);
        client.clock.turn(8 * DAY);
        assert_eq!(sync(&client), 0);
        assert_eq!((server.fetched(), shapes(&client.env, "INBOX"), server.left()), (vec!["a".to_owned()], (1, 1), 1));
        let stub = stubs(&client.env, "INBOX").remove(0);
        assert!(open(&client.env, &stub).unwrap() == large(2));
        assert_eq!(server.left(), 1, "an errand removes nothing");
        // The good-bye is lost, so it is removed by the round after.
        server.set(|ways| ways.cut = Some(Cut::Before("QUIT", 1)));
        client.sync().unwrap_err();
        assert_eq!(server.left(), 1);
        server.set(|ways| ways.cut = None);
        assert_eq!(sync(&client), 0);
        assert_eq!((server.left(), shapes(&client.env, "INBOX")), (0, (2, 0)));
        assert_eq!(server.fetched(), ["b"], "once");
    }
}

#[test]
fn what_is_flagged_or_no_longer_over_the_limit_comes_whole() {
    let server = Server3::start(&[("a", large(1)), ("b", large(2))]);
    let mut client = limited(server.port, AT_ONCE);
    sync(&client);
    let inbox = maildir(&client.env, "INBOX");
    inbox.set_flags(&files(&client.env, "INBOX")[0], &Flags::only(Flag::Flagged), &Flags::none()).unwrap();
    assert_eq!((sync(&client), shapes(&client.env, "INBOX"), server.left()), (1, (1, 1), 1));
    client.env.account.sync.max_size = None;
    assert_eq!((sync(&client), shapes(&client.env, "INBOX"), server.left()), (1, (2, 0), 0));
}

#[test]
fn a_server_that_shows_no_headers_gives_all_whole() {
    for (without, shy) in [(&["TOP"][..], false), (&["CAPA", "TOP"], false), (&[], true)] {
        let server = Server3::start(&[("a", odd_letter(1)), ("b", large(2))]);
        server.set(|ways| (ways.without, ways.shy) = (without, shy));
        let client = limited(server.port, AT_ONCE);
        assert_eq!(sync(&client), 2, "{without:?}");
        assert_eq!((shapes(&client.env, "INBOX"), server.left()), ((2, 0), 0), "{without:?}");
    }
}

#[test]
fn an_id_that_is_given_out_anew_puts_nothing_in_a_stubs_place() {
    let server = Server3::start(&[("x", large(1))]);
    let client = limited(server.port, AT_ONCE);
    sync(&client);
    let stub = stubs(&client.env, "INBOX").remove(0);
    // As long as the other, so that nothing in the listing tells them apart.
    let size = large(1).len();
    let mut other = large(2);
    other.resize(size, b'x');
    other.splice(size - 2.., *b"\r\n");
    server.state.lock().unwrap().letters.clear();
    server.arrive("x", &other);
    for _ in 0..2 {
        assert_eq!(open(&client.env, &stub).unwrap_err().cause, Cause::Protocol);
        assert_eq!(sync(&client), 0);
        assert_eq!((stubs(&client.env, "INBOX"), server.left()), (vec![stub.clone()], 1));
    }
    // Where the size tells it, the other one is new, and neither goes.
    server.state.lock().unwrap().letters.clear();
    server.arrive("x", &large(3));
    assert_eq!(sync(&client), 1);
    assert_eq!((shapes(&client.env, "INBOX"), server.left()), ((0, 2), 1));
    assert_eq!(open(&client.env, &stub).unwrap_err().cause, Cause::Missing);
    let new = stubs(&client.env, "INBOX").into_iter().find(|other| *other != stub).unwrap();
    assert!(open(&client.env, &new).unwrap() == large(3));
    assert_eq!((sync(&client), shapes(&client.env, "INBOX"), server.left()), (0, (1, 1), 1));
}

/// What a stop leaves between two steps of making a message whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    /// The message is on disk, and nobody wrote that down.
    BeforeLedger,
    /// It is written down, and its stub is there still.
    BeforeRemoval,
}

#[test]
fn a_stop_between_message_and_ledger_or_stub_leaves_one_message_that_goes_from_the_server_once_whole() {
    for stop in [Stop::BeforeLedger, Stop::BeforeRemoval] {
        let server = Server3::start(&[("a", large(1)), ("b", odd_letter(2))]);
        let client = limited(server.port, AT_ONCE);
        sync(&client);
        let inbox = maildir(&client.env, "INBOX");
        let stub = stubs(&client.env, "INBOX").remove(0);
        let header = inbox.read(&stub.unique).unwrap();
        match stop {
            Stop::BeforeLedger => {
                let stem = stub.unique.as_str().split(',').next().unwrap();
                let whole = UniqueName::new(&format!("{stem},S={}", large(1).len())).unwrap();
                inbox.deliver(&whole, &Flags::none(), &large(1)).unwrap();
            }
            Stop::BeforeRemoval => {
                open(&client.env, &stub).unwrap();
                inbox.deliver(&stub.unique, &Flags::none(), &header).unwrap();
            }
        }
        server.fetched();
        assert_eq!(sync(&client), 0, "{stop:?}");
        assert_eq!(shapes(&client.env, "INBOX"), (2, 0), "{stop:?}");
        let mut expected = vec![large(1), odd_letter(2)];
        expected.sort();
        assert!(client.here() == expected, "{stop:?}");
        assert_eq!((sync(&client), server.left()), (0, 0), "{stop:?}");
        assert_eq!(server.fetched(), Vec::<String>::new(), "{stop:?}");
    }
}

#[test]
fn a_cut_while_the_rest_comes_leaves_the_stub_and_the_servers_copy() {
    let server = Server3::start(&[("a", large(1))]);
    let client = limited(server.port, AT_ONCE);
    sync(&client);
    let stub = stubs(&client.env, "INBOX").remove(0);
    for cut in [Cut::InText(1), Cut::Before("RETR", 1), Cut::Before("UIDL", 1)] {
        server.set(|ways| ways.cut = Some(cut));
        fetch_one(&client.env, &stub, &|_| ()).unwrap_err();
        server.set(|ways| ways.cut = None);
        assert_eq!((sync(&client), stubs(&client.env, "INBOX"), server.left()), (0, vec![stub.clone()], 1), "{cut:?}");
    }
    assert!(open(&client.env, &stub).unwrap() == large(1));
}

#[test]
fn a_stub_that_is_filed_stays_on_the_server_and_is_opened_where_it_lies() {
    for own_name in [true, false] {
        for retention in [WHEN_DELETED, AT_ONCE] {
            let server = Server3::start(&[("a", large(1)), ("b", odd_letter(2))]);
            let client = limited(server.port, retention);
            sync(&client);
            let at_first = server.left();
            let (inbox, archive) = (maildir(&client.env, "INBOX"), maildir(&client.env, "Archive"));
            let stub = stubs(&client.env, "INBOX").remove(0);
            let entry = inbox.find(&stub.unique).unwrap().unwrap();
            let to = if own_name { stub.unique.clone() } else { tern::store::name::anew(&stub.unique, &fresh(None)) };
            inbox.move_to(&entry, &archive, &to).unwrap().unwrap();
            assert_eq!((sync(&client), server.left()), (0, at_first));
            let filed = stubs(&client.env, "Archive").remove(0);
            assert!(open(&client.env, &filed).unwrap() == large(1));
            assert_eq!((shapes(&client.env, "Archive"), shapes(&client.env, "INBOX")), ((1, 0), (1, 0)));
            assert_eq!(sync(&client), 0);
            let keeps = retention == WHEN_DELETED;
            assert_eq!(server.left(), if keeps { 2 } else { 0 }, "{own_name}: it is whole now");
            // What was filed is deleted.
            archive.remove(&files(&client.env, "Archive")[0]).unwrap();
            assert_eq!((sync(&client), server.left()), (0, usize::from(keeps)));
        }
    }
}

#[test]
fn a_stub_goes_from_the_server_when_the_user_deletes_it_and_not_while_it_lies_in_the_trash() {
    let server = Server3::start(&[("a", large(1)), ("b", large(2)), ("c", odd_letter(3))]);
    let client = limited(server.port, WHEN_DELETED);
    sync(&client);
    let (inbox, trash) = (maildir(&client.env, "INBOX"), maildir(&client.env, "Trash"));
    let [first, second] = &stubs(&client.env, "INBOX")[..] else { panic!("two stubs") };
    inbox.remove(&inbox.find(&first.unique).unwrap().unwrap()).unwrap();
    inbox.move_to(&inbox.find(&second.unique).unwrap().unwrap(), &trash, &second.unique).unwrap().unwrap();
    assert_eq!((sync(&client), server.left()), (0, 2));
    assert_eq!((sync(&client), server.left()), (0, 2));
    trash.remove(&files(&client.env, "Trash")[0]).unwrap();
    assert_eq!((sync(&client), server.left(), shapes(&client.env, "INBOX")), (0, 1, (1, 0)));
    assert!(!Path::new(&client.home.path().join("mail/Archive")).exists());
}

#[test]
fn a_stub_that_is_deleted_where_nothing_follows_does_not_come_back() {
    for retention in [NEVER, AT_ONCE] {
        let server = Server3::start(&[("a", large(1))]);
        let client = limited(server.port, retention);
        sync(&client);
        maildir(&client.env, "INBOX").remove(&files(&client.env, "INBOX")[0]).unwrap();
        for _ in 0..2 {
            assert_eq!((sync(&client), server.left(), shapes(&client.env, "INBOX")), (0, 1, (0, 0)));
        }
        assert_eq!(server.fetched(), Vec::<String>::new());
    }
}

#[test]
fn a_lost_ledger_knows_stubs_again_and_removes_none() {
    let server = Server3::start(&[("a", large(1)), ("b", odd_letter(2))]);
    let client = limited(server.port, AT_ONCE);
    sync(&client);
    std::fs::remove_dir_all(client.home.path().join("data")).unwrap();
    client.clock.turn(DAY);
    server.fetched();
    for _ in 0..2 {
        assert_eq!((sync(&client), shapes(&client.env, "INBOX"), server.left()), (0, (1, 1), 1));
    }
    let stub = stubs(&client.env, "INBOX").remove(0);
    assert!(open(&client.env, &stub).unwrap() == large(1));
    assert_eq!((sync(&client), shapes(&client.env, "INBOX"), server.left()), (0, (2, 0), 0));
}
