//! New mail that rules match: it is in no list and no count until it is released, and what was there before is not
//! new.

use tern::index::{Index, Sieves, Writer};
use tern::job::index::{IndexReport, Sieve};
use tern::job::{Changed, PlaceChange};
use tern::mail::flags::{Flag, Flags};
use tern::mail::ids::{AccountId, Timestamp};
use tern::mail::place::{MailboxId, Place, UniqueName};
use tern::query::parse;

use super::disk::*;

fn sieve(query: &str, stop: bool) -> Sieve {
    let query = parse(query, Timestamp::new(1_700_000_000), &jiff::tz::TimeZone::UTC).unwrap();
    Sieve { account: None, query, stop }
}

/// A writer whose rules are these.
fn writer(disk: &Disk, sieves: &'static [(&'static str, bool)]) -> Writer {
    disk.writer().with_sieves(Sieves::new(move || sieves.iter().map(|(query, stop)| sieve(query, *stop)).collect()))
}

fn total(index: &mut Index, mailbox: &MailboxId) -> (usize, u64, u64) {
    let rows = index.mailboxes().unwrap();
    let row = rows.iter().find(|row| row.mailbox == *mailbox);
    (
        index.rows(&flat(mailbox), 0, 9, None).unwrap().total,
        row.map_or(0, |row| row.total),
        row.map_or(0, |row| row.unread),
    )
}

fn letter(number: i64, subject: &str, text: &str) -> String {
    mail(&format!("{number}@x"), &[], number, subject, text)
}

/// The subjects of what was matched since, with the numbers of the rules.
fn matched(writer: &mut Writer) -> Vec<(String, Vec<usize>)> {
    writer.take_matched().into_iter().map(|found| (found.row.subject.to_string(), found.rules)).collect()
}

/// A mailbox with an old message, taken in and settled.
fn settled(disk: &mut Disk, writer: &mut Writer, mailbox: &MailboxId) {
    disk.deliver(mailbox, 0, &letter(1, "old brass", "brass"), &Flags::none());
    // Before there was anything in it that was taken in, nothing can be said.
    writer.settle(&mailbox.account, &[]).unwrap();
    writer.reconcile(&disk.listing(mailbox, true)).unwrap();
    // It is not all in yet.
    writer.settle(&mailbox.account, &[]).unwrap();
    settle(writer);
    assert_eq!(matched(writer), []);
    writer.settle(&mailbox.account, &[]).unwrap();
}

#[test]
fn what_a_rule_matches_is_held_back_and_released_as_it_is_then() {
    let mut disk = Disk::new();
    let inbox = mailbox("home", "INBOX");
    let mut writer = writer(&disk, &[("body:brass", false), ("subject:brass", true), ("grace", false)]);
    settled(&mut disk, &mut writer, &inbox);
    let mut index = disk.reader();
    assert_eq!(total(&mut index, &inbox), (1, 1, 1));
    let told = disk.deliver(&inbox, 1, &letter(2, "brass band", "a brass band"), &Flags::none());
    let report = writer.apply(&told[0]).unwrap();
    assert!(matches!(report, IndexReport::Refreshed { arrived, .. } if arrived.is_empty()), "nobody hears of it");
    let found = writer.take_matched();
    assert_eq!((found.len(), &found[0].rules[..]), (1, &[0, 1][..]), "the one that stops is the last");
    assert_eq!((total(&mut index, &inbox), matched(&mut writer)), ((1, 1, 1), Vec::new()));
    assert_eq!(index.search(&sieve("band", false).query, &tern::job::index::SearchScope::All, 0, 9).unwrap().total, 0);
    // A look at the disk does not bring it either, and does not believe that all is taken in.
    writer.reconcile(&disk.listing(&inbox, true)).unwrap();
    settle(&mut writer);
    assert_eq!(total(&mut index, &inbox), (1, 1, 1));
    let IndexReport::Known { seen, .. } = writer.known(&inbox.account).unwrap() else { panic!("not known") };
    let stamps_before = seen.len();
    // It is flagged meanwhile, and shown so.
    let number = *disk.files.iter().find(|(_, file)| file.mail == 1).unwrap().0;
    for changed in disk.flag(number, &Flags::only(Flag::Flagged)) {
        writer.apply(&changed).unwrap();
    }
    assert_eq!(total(&mut index, &inbox), (1, 1, 1));
    let place = found[0].row.place.clone();
    let IndexReport::Refreshed { arrived, .. } = writer.release(&[place]).unwrap() else { panic!("not released") };
    assert_eq!(arrived.len(), 1, "now it is news");
    assert_eq!(total(&mut index, &inbox), (2, 2, 2));
    assert!(index.rows(&flat(&inbox), 0, 9, None).unwrap().rows[0].flags.has(Flag::Flagged));
    assert_eq!(index.search(&sieve("band", false).query, &tern::job::index::SearchScope::All, 0, 9).unwrap().total, 1);
    assert!(stamps_before <= 1);
}

#[test]
fn one_that_is_moved_meanwhile_comes_in_where_it_lies_then_and_is_not_judged_again() {
    let mut disk = Disk::new();
    let (inbox, archive) = (mailbox("home", "INBOX"), mailbox("home", "Archive"));
    let mut writer = writer(&disk, &[("brass", false)]);
    settled(&mut disk, &mut writer, &archive);
    settled(&mut disk, &mut writer, &inbox);
    let told = disk.deliver(&inbox, 2, &letter(2, "brass", "x"), &Flags::none());
    writer.apply(&told[0]).unwrap();
    let place = writer.take_matched().remove(0).row.place;
    let number = *disk.files.iter().find(|(_, file)| file.mail == 2).unwrap().0;
    tell(&mut writer, &disk.carry(number, &archive));
    assert_eq!(matched(&mut writer), []);
    writer.release(&[place]).unwrap();
    let mut index = disk.reader();
    assert_eq!((total(&mut index, &inbox).0, total(&mut index, &archive).0), (1, 2));
}

#[test]
fn after_a_crash_it_is_new_again_and_in_a_listing_it_is_held_back_as_well() {
    let mut disk = Disk::new();
    let inbox = mailbox("home", "INBOX");
    let rules = &[("brass", false)];
    let mut first = writer(&disk, rules);
    settled(&mut disk, &mut first, &inbox);
    disk.deliver(&inbox, 1, &letter(2, "brass", "x"), &Flags::none());
    disk.deliver(&inbox, 2, &letter(3, "tin", "x"), &Flags::none());
    for _ in 0..2 {
        // Nothing is released: the program was killed.
        let mut again = writer(&disk, rules);
        again.reconcile(&disk.listing(&inbox, true)).unwrap();
        settle(&mut again);
        assert_eq!(matched(&mut again), [("brass".to_owned(), vec![0])]);
        assert_eq!(total(&mut disk.reader(), &inbox), (2, 2, 2));
    }
}

#[test]
fn mail_of_ones_own_and_another_form_of_a_message_are_not_new() {
    let mut disk = Disk::new();
    let (inbox, sent) = (mailbox("home", "INBOX"), mailbox("home", "Sent"));
    let mut writer = writer(&disk, &[("", false)]);
    settled(&mut disk, &mut writer, &inbox);
    settled(&mut disk, &mut writer, &sent);
    for changed in disk.deliver(&sent, 1, &letter(2, "mine", "x"), &Flags::none()) {
        writer.apply(&changed).unwrap();
    }
    assert_eq!(matched(&mut writer), []);
    // Only the header of a message came, and was looked at; the rest of it is no second message.
    let whole = disk.deliver(&inbox, 2, &letter(3, "large", "x"), &Flags::none()).remove(0);
    let stub = UniqueName::new("1700000000.stub,T=99999").unwrap();
    let from = whole.places[0].now.clone().unwrap();
    let path = disk.directory(&inbox).join("cur").join(format!("{}:2,", stub.as_str()));
    std::fs::write(&path, letter(3, "large", "")).unwrap();
    let now = tern::job::PlaceFile { path, ..from };
    let told = Changed { mailbox: inbox.clone(), places: vec![PlaceChange { unique: stub.clone(), now: Some(now) }] };
    writer.apply(&told).unwrap();
    assert_eq!(matched(&mut writer).len(), 1);
    writer.release(&[Place { mailbox: inbox.clone(), unique: stub }]).unwrap();
    writer.apply(&whole).unwrap();
    assert_eq!(matched(&mut writer), []);
    assert_eq!(AccountId::new("home"), inbox.account);
}
