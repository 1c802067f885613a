//! Keywords both ways: letters of file names by the folder's table on one side, IMAP keywords on the
//! other. Whatever becomes of the table, no keyword is taken away that nobody cleared.

use std::fs;
use std::path::PathBuf;

use tern::job::SyncReport;
use tern::mail::flags::{Flag, Flags};
use tern::mail::ids::Uid;
use tern::mail::mailbox::MailboxName;
use tern::store::name::Entry;
use tern::sync::worker::Summary;

use crate::support::meeting::{Meeting, mail};

fn flags(names: &str) -> Flags {
    Flags::from_imap(names.split(' '))
}

fn inbox() -> MailboxName {
    MailboxName::inbox()
}

/// Two sides with the messages `a` and `b`, met.
fn met() -> Meeting {
    let m = Meeting::new();
    for subject in ["a", "b"] {
        m.deliver(&inbox(), &mail(Some(subject), subject), "");
    }
    m.sync_well();
    m
}

fn table(m: &Meeting) -> PathBuf {
    m.maildir(&inbox()).path().join("dovecot-keywords")
}

fn uid(m: &Meeting, subject: &str) -> Uid {
    let line = format!("Subject: {subject}\r\n");
    let found = m.server.messages(&inbox()).into_iter().find(|it| String::from_utf8_lossy(&it.bytes).contains(&line));
    found.unwrap().uid
}

fn there(m: &Meeting, subject: &str) -> Flags {
    let uid = uid(m, subject);
    m.server.messages(&inbox()).into_iter().find(|message| message.uid == uid).unwrap().flags
}

fn set_there(m: &Meeting, subject: &str, add: &str, remove: &str) {
    m.server.store(&inbox(), uid(m, subject), &flags(add), &flags(remove));
}

/// The flags of a file by its name and the table.
fn here(m: &Meeting, subject: &str) -> Flags {
    m.maildir(&inbox()).flags(&m.file(&inbox(), subject))
}

/// Sets and clears flags of a file as the thread `files` does.
fn set_here(m: &Meeting, subject: &str, add: &str, remove: &str) {
    let maildir = m.maildir(&inbox());
    maildir.table_with(&flags(add)).unwrap();
    maildir.set_flags(&m.file(&inbox(), subject), &flags(add), &flags(remove)).unwrap().unwrap();
}

/// Gives a file's name other letters behind the flags, as another program would.
fn rename_here(m: &Meeting, subject: &str, letters: &str) {
    let maildir = m.maildir(&inbox());
    let entry = m.file(&inbox(), subject);
    let new = maildir.path().join("cur").join(format!("{}:2,{}{letters}", entry.base(), entry.flags().letters()));
    fs::rename(maildir.path_of(&entry), new).unwrap();
}

fn letters(m: &Meeting, subject: &str) -> String {
    m.file(&inbox(), subject).letters().to_string()
}

/// Nothing is left to do: the files may be looked at once more, but nothing is changed.
fn rests(m: &Meeting) {
    let names = || m.files(&inbox()).iter().map(Entry::relative).collect::<Vec<_>>();
    let before = (names(), there(m, "a"), there(m, "b"));
    for _ in 0..2 {
        let counts = m.sync_well().counts;
        assert!(counts.is_zero(), "{counts:?}");
    }
    assert_eq!(before, (names(), there(m, "a"), there(m, "b")));
}

fn told(summary: &Summary) -> Vec<String> {
    summary.faults.iter().map(ToString::to_string).collect()
}

#[test]
fn a_keyword_set_and_cleared_there_comes_and_goes_here() {
    let m = met();
    set_there(&m, "a", "todo $Junk", "");
    m.sync_well();
    assert_eq!(here(&m, "a"), flags("todo $Junk"));
    assert_eq!(fs::read_to_string(table(&m)).unwrap().lines().count(), 2);
    rests(&m);
    set_there(&m, "a", "\\Seen", "todo");
    m.sync_well();
    assert_eq!(here(&m, "a"), flags("$Junk \\Seen"));
    rests(&m);
}

#[test]
fn a_keyword_set_and_cleared_here_comes_and_goes_there() {
    let m = met();
    set_here(&m, "a", "todo", "");
    m.sync_well();
    assert_eq!((there(&m, "a"), there(&m, "b")), (flags("todo"), Flags::none()));
    rests(&m);
    set_here(&m, "a", "\\Flagged", "todo");
    m.sync_well();
    assert_eq!(there(&m, "a"), Flags::only(Flag::Flagged));
    assert_eq!(letters(&m, "a"), "");
    rests(&m);
}

#[test]
fn wishes_of_both_sides_are_joined() {
    let m = met();
    set_there(&m, "a", "one two", "");
    m.sync_well();
    set_here(&m, "a", "three", "one");
    set_there(&m, "a", "four", "two");
    m.sync_well();
    assert_eq!((here(&m, "a"), there(&m, "a")), (flags("three four"), flags("three four")));
    rests(&m);
}

#[test]
fn new_messages_bring_their_keywords_either_way() {
    let m = met();
    m.server.deliver(&inbox(), &mail(Some("c"), "c"), flags("todo \\Seen"), tern::mail::ids::Timestamp::new(5));
    m.sync_well();
    assert_eq!((here(&m, "c"), letters(&m, "c").as_str()), (flags("todo \\Seen"), "a"));
    // Cleared before the next round: the base knows that the letter was there.
    set_here(&m, "c", "", "todo");
    m.maildir(&inbox()).deliver(&tern::store::maildir::fresh(None), &flags("own"), &mail(Some("d"), "d")).unwrap();
    m.sync_well();
    assert_eq!((there(&m, "c"), there(&m, "d")), (Flags::only(Flag::Seen), flags("own")));
    set_here(&m, "d", "", "own");
    m.sync_well();
    assert_eq!(there(&m, "d"), Flags::none());
    rests(&m);
}

#[test]
fn what_the_server_does_not_keep_stays_here_and_is_told_once() {
    let m = met();
    m.server.set_habits(|habits| {
        habits.keeps = Some(flags("\\Seen \\Flagged \\Deleted"));
        habits.new_keywords = false;
    });
    set_here(&m, "a", "todo", "");
    let summary = m.sync().unwrap();
    assert_eq!(told(&summary).len(), 1, "{:?}", told(&summary));
    assert!(told(&summary)[0].contains("the server keeps no keyword todo"), "{:?}", told(&summary));
    rests(&m);
    set_there(&m, "a", "\\Flagged", "");
    m.sync_well();
    assert_eq!((here(&m, "a"), there(&m, "a")), (flags("todo \\Flagged"), Flags::only(Flag::Flagged)));
    rests(&m);
}

#[test]
fn beyond_twenty_six_the_base_carries_keywords() {
    let m = met();
    let many: Vec<String> = (0..30).map(|n| format!("k{n:02}")).collect();
    set_there(&m, "a", &many.join(" "), "");
    m.sync_well();
    assert_eq!(letters(&m, "a").len(), 26);
    rests(&m);
    set_here(&m, "a", "\\Seen", "k00");
    set_there(&m, "a", "", "k29");
    m.sync_well();
    let left = flags(&many[1..29].join(" ")).with(Flag::Seen);
    assert_eq!(there(&m, "a"), left);
    rests(&m);
    let maildir = m.maildir(&inbox());
    assert!(!maildir.table_with(&flags("late")).unwrap().keywords().keywords().any(|word| word.as_str() == "late"));
}

#[test]
fn a_lost_table_takes_no_keyword_away() {
    let m = met();
    set_there(&m, "a", "one", "");
    m.sync_well();
    set_there(&m, "b", "two", "");
    m.sync_well();
    assert_eq!((letters(&m, "a"), letters(&m, "b")), ("a".to_owned(), "b".to_owned()));
    fs::remove_file(table(&m)).unwrap();
    assert_eq!(here(&m, "a"), Flags::none());
    rename_here(&m, "a", "aS");
    m.sync_well();
    assert_eq!((there(&m, "a"), there(&m, "b")), (flags("one \\Seen"), flags("two")));
    assert_eq!((here(&m, "a"), here(&m, "b")), (flags("one \\Seen"), flags("two")), "letters are given anew");
    assert_eq!((letters(&m, "a"), letters(&m, "b")), ("ac".to_owned(), "bd".to_owned()), "and old ones mean nothing");
    rests(&m);
    set_here(&m, "a", "", "one");
    m.sync_well();
    assert_eq!(there(&m, "a"), Flags::only(Flag::Seen));
    rests(&m);
}

#[test]
fn a_table_that_another_program_made_anew_changes_nothing() {
    let m = met();
    set_there(&m, "a", "one two", "");
    m.sync_well();
    fs::write(table(&m), "0 two\n1 three\n").unwrap();
    rename_here(&m, "a", "abS");
    m.sync_well();
    assert_eq!(there(&m, "a"), flags("one two \\Seen"));
    rests(&m);
}

#[test]
fn letters_without_a_row_are_left_alone_and_mean_nothing() {
    let m = met();
    rename_here(&m, "a", "xz");
    set_there(&m, "a", "\\Seen todo", "");
    m.sync_well();
    assert_eq!((letters(&m, "a").as_str(), here(&m, "a")), ("axz", flags("\\Seen todo")));
    assert_eq!(there(&m, "a"), flags("\\Seen todo"));
    rests(&m);
}

#[test]
fn letters_of_another_program_are_wishes() {
    let m = met();
    fs::write(table(&m), "3 $Label1\n").unwrap();
    rename_here(&m, "a", "d");
    m.sync_well();
    assert_eq!(there(&m, "a"), flags("$Label1"));
    rename_here(&m, "a", "");
    rename_here(&m, "b", "d");
    m.sync_well();
    assert_eq!((there(&m, "a"), there(&m, "b")), (Flags::none(), flags("$Label1")));
    rests(&m);
}

#[test]
fn a_tree_without_letters_keeps_its_keywords_and_gets_letters() {
    let m = met();
    set_there(&m, "a", "todo", "");
    m.sync_well();
    // As the tree of a version looks that knew no letters: none in the names, none remembered.
    rename_here(&m, "a", "S");
    fs::remove_file(table(&m)).unwrap();
    let ledger = rusqlite::Connection::open(m.env.data.join("ledger.db")).unwrap();
    assert_eq!(ledger.execute("DELETE FROM letters", []).unwrap(), 1);
    drop(ledger);
    m.reports();
    m.sync_well();
    assert_eq!((there(&m, "a"), here(&m, "a")), (flags("todo \\Seen"), flags("todo \\Seen")));
    assert_eq!(fs::read_to_string(table(&m)).unwrap(), "0 todo\n");
    let told = m.reports().into_iter().any(|report| match report {
        SyncReport::Changed(changed) => changed.places.iter().any(|place| {
            place.now.as_ref().is_some_and(|now| now.flags.keywords().any(|word| word.as_str() == "todo"))
        }),
        _ => false,
    });
    assert!(told, "the index hears of it");
    rests(&m);
}

#[test]
fn a_move_takes_keywords_along_although_letters_differ() {
    let m = met();
    let archive = MailboxName::new("Archive").unwrap();
    set_here(&m, "a", "first", "");
    set_here(&m, "a", "second", "first");
    let (from, to) = (m.maildir(&inbox()), m.maildir(&archive));
    to.table_with(&flags("other second")).unwrap();
    let entry = m.file(&inbox(), "a");
    assert_eq!(entry.letters().to_string(), "b");
    from.move_to(&entry, &to, &tern::store::maildir::fresh(None)).unwrap().unwrap();
    let arrived = m.file(&archive, "a");
    assert_eq!(to.flags(&arrived), flags("second"));
    m.sync_well();
    let there = m.server.messages(&archive);
    assert_eq!(there.iter().map(|message| message.flags.clone()).collect::<Vec<_>>(), [flags("second")]);
    let counts = m.sync_well().counts;
    assert!(counts.is_zero(), "{counts:?}");
}
