//! IMAP against the real Dovecot.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use tern::config::Tls;
use tern::fault::{Again, Cause, Doing, Fault};
use tern::login::Secret;
use tern::mail::flags::Flags;
use tern::mail::ids::{RemoteId, Timestamp, Uid};
use tern::mail::mailbox::{MailboxName, Role};
use tern::mail::ranges::UidRanges;
use tern::remote::imap::Imap;
use tern::remote::{Connect as _, Fetched, Presence, Push, Pushed, Remote, Since, Sink, Waited, Want};

use crate::servers::dovecot::{Dovecot, PASSWORD};

/// Keeps messages in memory.
#[derive(Default)]
pub(crate) struct Basket {
    pub(crate) bodies: BTreeMap<u32, Vec<u8>>,
    pub(crate) done: Vec<Fetched>,
    open: Vec<u8>,
    stop_after: Option<usize>,
}

impl Sink for Basket {
    fn open(&mut self, _: &RemoteId, _: u64) -> Result<Box<dyn Write + '_>, Fault> {
        self.open.clear();
        Ok(Box::new(&mut self.open))
    }

    fn done(&mut self, message: Fetched) -> Result<(), Fault> {
        let RemoteId::Uid(_, uid) = &message.id else { panic!("no UID") };
        if message.trouble.is_none() {
            assert_eq!(message.size, self.open.len() as u64);
            let before = self.bodies.insert(uid.get(), std::mem::take(&mut self.open));
            assert!(before.is_none(), "a message came twice");
        }
        self.done.push(message);
        Ok(())
    }

    fn stop(&self) -> bool {
        self.stop_after.is_some_and(|most| self.done.len() >= most)
    }
}

pub(crate) fn connector(dovecot: &Dovecot, user: &str, tls: Tls) -> Imap {
    let account = dovecot.account(user, tls, Path::new("/nonexistent"));
    Imap::new(&account, Arc::new(|| Ok(Secret::new(PASSWORD.to_owned()))))
}

fn connect(dovecot: &Dovecot, user: &str) -> Box<dyn Remote> {
    connector(dovecot, user, Tls::Implicit).connect().expect("it connects")
}

fn mailbox(name: &str) -> MailboxName {
    MailboxName::new(name).unwrap()
}

fn inbox() -> MailboxName {
    MailboxName::inbox()
}

fn uid(number: u32) -> Uid {
    Uid::new(number).unwrap()
}

fn message(number: usize) -> Vec<u8> {
    format!(
        "From: a@example.org\nTo: b@example.org\nSubject: number {number}\nMessage-ID: <m{number}@example.org>\n\n\
         {}\n",
        "line of text. ".repeat(number * 7 % 400)
    )
    .into_bytes()
}

fn crlf(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + text.len() / 20);
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        match line.strip_suffix(b"\n") {
            Some(line) => {
                out.extend_from_slice(line);
                out.extend_from_slice(b"\r\n");
            }
            None => out.extend_from_slice(line),
        }
    }
    out
}

/// What is agreed on after `changes` was taken in.
fn since(changes: &tern::remote::RemoteChanges, count: u32) -> Since {
    Since { validity: Some(changes.validity), modseq: changes.modseq, uid_next: changes.uid_next, count }
}

fn uids_of(changes: &tern::remote::RemoteChanges) -> Vec<u32> {
    changes.items.iter().map(|item| item.uid.get()).collect()
}

#[test]
fn lists_mailboxes_with_their_roles() {
    let dovecot = Dovecot::start();
    dovecot.deliver("ada", "INBOX", &message(1));
    dovecot.deliver("ada", "Lists/rust", &message(2));
    let mut remote = connect(&dovecot, "ada");
    remote.create(&mailbox("Entwürfe & mehr/\"2026\" \\ 台北"), None).unwrap();
    remote.create(&mailbox("Sent"), None).unwrap();
    let listed: Vec<(String, Option<Role>, bool)> = remote
        .mailboxes()
        .unwrap()
        .into_iter()
        .map(|one| (one.name.as_str().to_owned(), one.role, one.selectable))
        .collect();
    let expected = [
        ("Archive", Some(Role::Archive), true),
        ("Drafts", Some(Role::Drafts), true),
        ("Entwürfe & mehr", None, false),
        ("Entwürfe & mehr/\"2026\" \\ 台北", None, true),
        ("INBOX", Some(Role::Inbox), true),
        ("Junk", Some(Role::Junk), true),
        ("Lists", None, false),
        ("Lists/rust", None, true),
        ("Sent", Some(Role::Sent), true),
        ("Trash", Some(Role::Trash), true),
    ];
    assert_eq!(listed, expected.map(|(name, role, selectable)| (name.to_owned(), role, selectable)));
    let odd = remote.changes(&mailbox("Entwürfe & mehr/\"2026\" \\ 台北"), &Since::default()).unwrap();
    assert_eq!(odd.presence, Presence::Exactly(Vec::new()));
    remote.close();
}

#[test]
fn changes_are_all_then_none_then_what_changed() {
    let dovecot = Dovecot::start();
    for number in 1..=5 {
        dovecot.deliver("ada", "INBOX", &message(number));
    }
    let mut remote = connect(&dovecot, "ada");
    let first = remote.changes(&inbox(), &Since::default()).unwrap();
    assert_eq!(uids_of(&first), [1, 2, 3, 4, 5]);
    assert_eq!(first.presence, Presence::Exactly((1..=5).map(uid).collect()));
    assert!(first.modseq.is_some() && first.new_keywords && !first.read_only);
    assert_eq!(first.uid_next, Some(uid(6)));

    let again = remote.changes(&inbox(), &since(&first, 5)).unwrap();
    assert_eq!((again.items.len(), &again.presence), (0, &Presence::Except(UidRanges::none())));

    dovecot.doveadm(&["flags", "add", "-u", "ada", "\\Seen todo", "mailbox", "INBOX", "uid", "2"]);
    dovecot.doveadm(&["expunge", "-u", "ada", "mailbox", "INBOX", "uid", "4"]);
    dovecot.deliver("ada", "INBOX", &message(6));
    let later = remote.changes(&inbox(), &since(&again, 5)).unwrap();
    assert_eq!(uids_of(&later), [2, 6]);
    assert_eq!(later.items[0].flags, Flags::from_imap(["\\Seen", "todo"]));
    assert_eq!(later.presence, Presence::Except([uid(4)].into_iter().collect()));

    // Another epoch: everything is told anew.
    let other = Since { validity: tern::mail::ids::UidValidity::new(1), ..since(&later, 5) };
    assert_eq!(uids_of(&remote.changes(&inbox(), &other).unwrap()), [1, 2, 3, 5, 6]);
}

#[test]
fn fetched_bytes_are_those_of_the_files() {
    let dovecot = Dovecot::start();
    let mut expected = BTreeMap::new();
    for number in 1..=1200u32 {
        let text = match number {
            7 => b"Subject: big\n\n"
                .iter()
                .copied()
                .chain((0..3_000_000).map(|n| if n % 70 == 69 { b'\n' } else { b'x' }))
                .collect(),
            8 => b"Subject: 8-bit\n\n\xff\xfe gr\xfc\xdfe (((((\" {99}\n".to_vec(),
            _ => message(number as usize),
        };
        dovecot.deliver("ada", "INBOX", &text);
        expected.insert(number, Sha256::digest(crlf(&text)));
    }
    let mut remote = connect(&dovecot, "ada");
    let changes = remote.changes(&inbox(), &Since::default()).unwrap();
    let newest_first: Vec<Uid> = changes.items.iter().rev().map(|item| item.uid).collect();
    let mut basket = Basket::default();
    remote.fetch(&inbox(), &newest_first, Want::Whole, &mut basket).unwrap();
    let got: BTreeMap<u32, _> = basket.bodies.iter().map(|(uid, body)| (*uid, Sha256::digest(body))).collect();
    assert_eq!(got.len(), 1200);
    assert!(got == expected, "a message came out otherwise than it lies on the server");
    assert!(basket.done.iter().all(|one| one.trouble.is_none() && one.date.is_some() && one.flags.is_some()));
    let RemoteId::Uid(_, first) = basket.done[0].id.clone() else { panic!() };
    assert!(first.get() > 1150, "the newest come first");

    // What is gone is passed over, what was not asked for does not come.
    dovecot.doveadm(&["expunge", "-u", "ada", "mailbox", "INBOX", "uid", "5"]);
    let mut few = Basket::default();
    remote.fetch(&inbox(), &[uid(6), uid(5), uid(4), uid(4_000_000)], Want::Whole, &mut few).unwrap();
    assert_eq!(few.bodies.keys().copied().collect::<Vec<_>>(), [4, 6]);

    // A wish to stop is heard between messages.
    let mut stopped = Basket { stop_after: Some(3), ..Basket::default() };
    remote.fetch(&inbox(), &newest_first, Want::Whole, &mut stopped).unwrap();
    assert_eq!(stopped.done.len(), 3);
    assert_eq!(remote.changes(&inbox(), &Since::default()).unwrap_err().cause, Cause::Closed);
}

#[test]
fn messages_are_identified_and_found_by_their_id() {
    let dovecot = Dovecot::start();
    for number in [1, 2, 3, 22] {
        dovecot.deliver("ada", "INBOX", &message(number));
    }
    dovecot.deliver("ada", "INBOX", b"Subject: no id\n\n");
    let mut remote = connect(&dovecot, "ada");
    remote.changes(&inbox(), &Since::default()).unwrap();
    let known = remote.identify(&inbox(), &[uid(5), uid(2), uid(99)]).unwrap();
    let seen: Vec<_> = known.iter().map(|one| (one.uid.get(), one.size, one.message_id.as_deref())).collect();
    let size = crlf(&message(2)).len() as u64;
    assert_eq!(seen, [(2, size, Some("m2@example.org")), (5, 18, None)]);
    assert_eq!(remote.search_id(&inbox(), "m2@example.org", None).unwrap(), [uid(2)]);
    assert_eq!(remote.search_id(&inbox(), "2@example.org", None).unwrap(), [], "a part of an id is no id");
    assert_eq!(remote.search_id(&inbox(), "m2@example.org", Some(uid(3))).unwrap(), []);
    assert_eq!(remote.search_id(&inbox(), "no\"such\\@id", None).unwrap(), []);
}

#[test]
fn flags_and_keywords_go_as_deltas() {
    let dovecot = Dovecot::start();
    for number in 1..=3 {
        dovecot.deliver("ada", "INBOX", &message(number));
    }
    dovecot.doveadm(&["flags", "add", "-u", "ada", "\\Flagged", "mailbox", "INBOX", "all"]);
    let mut remote = connect(&dovecot, "ada");
    let push = |remote: &mut Box<dyn Remote>, uids: &[Uid], add: &Flags, remove: &Flags| {
        remote.push(&inbox(), &Push::Flags { uids, add, remove }).unwrap()
    };
    let add = Flags::from_imap(["\\Seen", "\\Answered", "todo", "$Forwarded"]);
    assert_eq!(push(&mut remote, &[uid(3), uid(1)], &add, &Flags::none()), Pushed::Done);
    assert_eq!(push(&mut remote, &[uid(1)], &Flags::none(), &Flags::from_imap(["\\Flagged", "TODO"])), Pushed::Done);
    let on_server = dovecot.flags("ada", "INBOX");
    assert_eq!(
        on_server,
        [
            (1, "$Forwarded \\Answered \\Seen".to_owned()),
            (2, "\\Flagged".to_owned()),
            (3, "$Forwarded \\Answered \\Flagged \\Seen todo".to_owned())
        ]
    );
}

#[test]
fn appended_messages_tell_their_uid() {
    let dovecot = Dovecot::start();
    let mut remote = connect(&dovecot, "ada");
    let bytes = crlf(&message(9));
    let flags = Flags::from_imap(["\\Seen", "todo"]);
    let date = Timestamp::new(1_000_000_000);
    let append = Push::Append { bytes: &bytes, flags: &flags, date: Some(date) };
    let sent = mailbox("Sent");
    let Pushed::Appended(Some((validity, uid))) = remote.push(&sent, &append).unwrap() else { panic!("no UID") };
    let changes = remote.changes(&sent, &Since::default()).unwrap();
    assert_eq!((changes.validity, changes.items[0].uid), (validity, uid));
    let mut basket = Basket::default();
    remote.fetch(&sent, &[uid], Want::Whole, &mut basket).unwrap();
    assert_eq!(basket.bodies[&uid.get()], bytes);
    assert_eq!((basket.done[0].date, basket.done[0].flags.as_ref()), (Some(date), Some(&flags)));

    // A mailbox that is not there yet is made. A large message does not fit into one write.
    let large =
        [b"Subject: large\r\n\r\n".as_slice(), &b"0123456789abcdef0123456789abcdef\r\n".repeat(400_000)].concat();
    let append = Push::Append { bytes: &large, flags: &Flags::none(), date: None };
    let fresh = mailbox("Archive/2026");
    assert!(matches!(remote.push(&fresh, &append).unwrap(), Pushed::Appended(Some(_))));
    let files = dovecot.files("ada", "Archive/2026");
    assert_eq!(fs::read(&files[0]).unwrap().len(), large.len() - 400_002, "Dovecot stores LF");
}

#[test]
fn moves_tell_the_new_uids() {
    let dovecot = Dovecot::start();
    for number in 1..=4 {
        dovecot.deliver("ada", "INBOX", &message(number));
    }
    dovecot.deliver("ada", "Trash", &message(5));
    assert_eq!(dovecot.flags("ada", "Trash").len(), 1, "it has its UID now");
    let mut remote = connect(&dovecot, "ada");
    let step = Push::Move { uids: &[uid(3), uid(1)], to: &mailbox("Trash") };
    let Pushed::Moved(Some((validity, pairs))) = remote.push(&inbox(), &step).unwrap() else { panic!("no COPYUID") };
    assert_eq!(pairs, [(uid(1), uid(2)), (uid(3), uid(3))]);
    let trash = remote.changes(&mailbox("Trash"), &Since::default()).unwrap();
    assert_eq!((trash.validity, uids_of(&trash)), (validity, vec![1, 2, 3]));
    assert_eq!(uids_of(&remote.changes(&inbox(), &Since::default()).unwrap()), [2, 4]);

    let step = Push::Move { uids: &[uid(2)], to: &mailbox("Kept/for ever") };
    assert!(matches!(remote.push(&inbox(), &step).unwrap(), Pushed::Moved(Some(_))), "the target is made");
    assert_eq!(dovecot.files("ada", "Kept/for ever").len(), 1);
}

#[test]
fn without_move_there_is_copy_and_expunge() {
    let dovecot = Dovecot::start_with("protocol imap {\n imap_capability = IMAP4rev1 UIDPLUS\n}\n");
    for number in 1..=3 {
        dovecot.deliver("ada", "INBOX", &message(number));
    }
    let mut remote = connect(&dovecot, "ada");
    dovecot.doveadm(&["flags", "add", "-u", "ada", "\\Deleted", "mailbox", "INBOX", "uid", "3"]);
    let first = remote.changes(&inbox(), &Since::default()).unwrap();
    assert_eq!((uids_of(&first), first.modseq), (vec![1, 2, 3], None));
    assert_eq!(first.presence, Presence::Exactly([1, 2, 3].map(uid).to_vec()));
    let step = Push::Move { uids: &[uid(1)], to: &mailbox("Trash") };
    let Pushed::Moved(Some((_, pairs))) = remote.push(&inbox(), &step).unwrap() else { panic!("no COPYUID") };
    assert_eq!(pairs, [(uid(1), uid(1))]);
    assert_eq!(dovecot.flags("ada", "INBOX").iter().map(|(uid, _)| *uid).collect::<Vec<_>>(), [2, 3]);
    assert!(remote.wait(&inbox(), Duration::from_secs(1)).is_err_and(|fault| fault.cause == Cause::NotOffered));
}

#[test]
fn only_named_messages_are_expunged() {
    let dovecot = Dovecot::start();
    for number in 1..=4 {
        dovecot.deliver("ada", "INBOX", &message(number));
    }
    dovecot.doveadm(&["flags", "add", "-u", "ada", "\\Deleted", "mailbox", "INBOX", "uid", "1,2"]);
    let mut remote = connect(&dovecot, "ada");
    assert_eq!(remote.push(&inbox(), &Push::Expunge { uids: &[uid(2), uid(4)] }).unwrap(), Pushed::Done);
    assert_eq!(dovecot.flags("ada", "INBOX"), [(1, "\\Deleted".to_owned()), (3, String::new())]);
    remote.close();

    let poor = Dovecot::start_with("protocol imap {\n imap_capability = IMAP4rev1\n}\n");
    poor.deliver("ada", "INBOX", &message(1));
    poor.deliver("ada", "INBOX", &message(2));
    let mut remote = connect(&poor, "ada");
    assert_eq!(remote.push(&inbox(), &Push::Expunge { uids: &[uid(1)] }).unwrap(), Pushed::MarkedOnly);
    assert_eq!(poor.flags("ada", "INBOX"), [(1, "\\Deleted".to_owned()), (2, String::new())]);
    let to = MailboxName::new("Archive").unwrap();
    remote.create(&to, None).unwrap();
    let step = Push::Move { uids: &[uid(2)], to: &to };
    assert_eq!(remote.push(&inbox(), &step).unwrap(), Pushed::CopiedOnly);
    assert_eq!(poor.flags("ada", "INBOX").len(), 2, "what was copied stays, marked");
    assert_eq!(poor.flags("ada", "Archive"), [(1, String::new())]);
}

#[test]
fn idle_ends_with_news_with_the_bell_and_with_its_limit() {
    let dovecot = Dovecot::start();
    dovecot.deliver("ada", "INBOX", &message(1));
    let mut remote = connect(&dovecot, "ada");
    assert_eq!(remote.wait(&inbox(), Duration::from_millis(50)).unwrap(), Waited::Quiet);

    let waker = remote.waker();
    std::thread::scope(|threads| {
        threads.spawn(|| waker.wake());
        assert_eq!(remote.wait(&inbox(), Duration::from_mins(1)).unwrap(), Waited::Woken);
    });
    std::thread::scope(|threads| {
        let mut other = connect(&dovecot, "ada");
        threads.spawn(move || {
            let bytes = crlf(&message(2));
            other.push(&inbox(), &Push::Append { bytes: &bytes, flags: &Flags::none(), date: None }).unwrap();
        });
        assert_eq!(remote.wait(&inbox(), Duration::from_mins(1)).unwrap(), Waited::Changed);
    });
    std::thread::scope(|threads| {
        threads.spawn(|| dovecot.deliver("ada", "INBOX", &message(3)));
        assert_eq!(remote.wait(&inbox(), Duration::from_mins(1)).unwrap(), Waited::Changed, "a file in new/");
    });
    // The session goes on as if nothing had been.
    assert_eq!(uids_of(&remote.changes(&inbox(), &Since::default()).unwrap()), [1, 2, 3]);
    assert_eq!(remote.wait(&inbox(), Duration::from_millis(50)).unwrap(), Waited::Quiet);
}

/// What another session does.
type Change<'a> = &'a dyn Fn(&mut dyn Remote);

#[test]
fn news_of_any_mailbox_end_the_wait() {
    let dovecot = Dovecot::start();
    dovecot.deliver("ada", "Lists/rust", &message(1));
    let mut remote = connect(&dovecot, "ada");
    assert_eq!(remote.wait(&inbox(), Duration::from_millis(50)).unwrap(), Waited::Quiet);
    let mut second = connect(&dovecot, "ada");
    let bytes = crlf(&message(2));
    let lists = mailbox("Lists/rust");
    let seen = Flags::from_imap(["\\Seen"]);
    let changes: [Change<'_>; 3] = [
        &|other| drop(other.push(&lists, &Push::Append { bytes: &bytes, flags: &Flags::none(), date: None }).unwrap()),
        &|other| drop(other.push(&lists, &Push::Expunge { uids: &[uid(1)] }).unwrap()),
        &|other| {
            drop(other.push(&lists, &Push::Flags { uids: &[uid(2)], add: &seen, remove: &Flags::none() }).unwrap());
        },
    ];
    for change in changes {
        std::thread::scope(|threads| {
            let second = second.as_mut();
            let waiting = threads.spawn(|| remote.wait(&inbox(), Duration::from_mins(1)).unwrap());
            change(second);
            assert_eq!(waiting.join().unwrap(), Waited::Changed);
        });
    }
}

#[test]
fn every_way_in_works() {
    let dovecot = Dovecot::start();
    for tls in [Tls::Implicit, Tls::StartTls, Tls::Plain] {
        let mut remote = connector(&dovecot, "ada", tls).connect().unwrap();
        assert_eq!(remote.mailboxes().unwrap().len(), 6, "{tls:?}");
        remote.close();
    }
    // Without SASL on offer there is the LOGIN command; without SASL-IR the server asks first.
    let bare = Dovecot::start_with("protocol imap {\n imap_capability = IMAP4rev1\n}\nauth_mechanisms = login\n");
    assert!(connector(&bare, "ada", Tls::Implicit).connect().is_ok());
}

#[test]
fn a_wrong_password_waits_for_the_user() {
    let dovecot = Dovecot::start();
    let account = dovecot.account("ada", Tls::StartTls, Path::new("/nonexistent"));
    let wrong = Imap::new(&account, Arc::new(|| Ok(Secret::new("wrong".to_owned()))));
    let fault = wrong.connect().err().expect("it is refused");
    assert_eq!((fault.doing, fault.cause, fault.again), (Doing::SigningIn, Cause::SignInRefused, Again::AfterUser));
    assert_eq!(fault.to_string(), "ada: cannot sign in to localhost: Authentication failed.");
}

thread_local! {
    /// What the program's most verbose log would hold of this thread's work.
    static LOG: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Writes into the log of the thread that is at work: tests of other threads log too.
struct Log;

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOG.with_borrow_mut(|log| log.extend_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn the_log_holds_the_conversation_and_no_secret() {
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(|| Log).finish();
    // For the whole process: one for this thread alone misses what other threads have met before.
    tracing::subscriber::set_global_default(subscriber).expect("nobody else sets one");
    let bare = "protocol imap {\n imap_capability = IMAP4rev1\n}\nauth_mechanisms = login\n";
    for extra in ["", bare] {
        let dovecot = Dovecot::start_with(extra);
        LOG.take();
        connect(&dovecot, "ada").mailboxes().unwrap();
        let text = String::from_utf8(LOG.take()).unwrap();
        assert!(text.contains("(signing in)") && text.contains("LIST"), "{text}");
        let parts = [format!("\0ada\0{PASSWORD}"), PASSWORD.to_owned()];
        for secret in parts.iter().map(|part| STANDARD.encode(part)).chain(["tr0ub4dor".to_owned()]) {
            assert!(!text.contains(&secret), "{text}");
        }
    }
}

#[test]
fn an_unknown_authority_is_refused_before_the_password() {
    let dovecot = Dovecot::start();
    for tls in [Tls::Implicit, Tls::StartTls] {
        let mut account = dovecot.account("ada", tls, Path::new("/nonexistent"));
        account.imap.as_mut().unwrap().ca = None;
        let asked = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let witness = Arc::clone(&asked);
        let imap = Imap::new(
            &account,
            Arc::new(move || {
                witness.store(true, std::sync::atomic::Ordering::Relaxed);
                Ok(Secret::new(PASSWORD.to_owned()))
            }),
        );
        let fault = imap.connect().err().expect("it is refused");
        assert_eq!((fault.doing, fault.cause), (Doing::Securing, Cause::Certificate));
        assert!(!asked.load(std::sync::atomic::Ordering::Relaxed), "no secret was needed yet");
    }
}

#[test]
fn what_the_server_does_not_have_is_a_refusal_and_no_more() {
    let dovecot = Dovecot::start();
    let mut remote = connect(&dovecot, "ada");
    let fault = remote.changes(&mailbox("No/such"), &Since::default()).unwrap_err();
    assert_eq!((fault.cause, fault.scope), (Cause::Missing, tern::fault::Scope::Mailbox));
    assert!(remote.changes(&inbox(), &Since::default()).unwrap().items.is_empty());
}
