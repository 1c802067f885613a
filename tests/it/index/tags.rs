//! Tags as they come, go and move with messages: what the index tells of them is what the files say.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tern::job::index::{IndexReport, Revision, SearchScope, TaggedMail, Tagging};
use tern::mail::flags::{Flag, Flags, Keyword};
use tern::mail::ids::Timestamp;
use tern::mail::tags;

use super::disk::*;

const WORDS: [&str; 5] = ["todo", "work", "$Label1", "NonJunk", "gr&APYA3w-er"];

/// One thing that happens to the file of that number, modulo how many there are.
#[derive(Debug, Clone)]
enum Step {
    Deliver(u8),
    Tag(usize, u8),
    Carry(usize, bool),
    Delete(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (0u8..32).prop_map(Step::Deliver),
        4 => (0usize..99, 0u8..32).prop_map(|(at, words)| Step::Tag(at, words)),
        1 => (0usize..99, any::<bool>()).prop_map(|(at, archive)| Step::Carry(at, archive)),
        1 => (0usize..99).prop_map(Step::Delete),
    ]
}

fn flags(bits: u8) -> Flags {
    let words = WORDS.iter().enumerate().filter(|(at, _)| bits & 1 << at != 0).map(|(_, word)| *word);
    Flags::from_imap(words).with(Flag::Seen)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn the_index_tells_the_tags_that_the_files_have(steps in prop::collection::vec(step(), 1..30)) {
        let mut disk = Disk::new();
        let (inbox, archive) = (mailbox("home", "INBOX"), mailbox("home", "Archive"));
        let (mut writer, mut reader) = (disk.writer(), disk.reader());
        for (number, step) in steps.iter().enumerate() {
            let file = |at: &usize| disk.files.keys().nth(at % disk.files.len().max(1)).copied();
            let changes = match step {
                Step::Deliver(bits) => {
                    let text = mail(&format!("{number}@x"), &[], 60 * i64::try_from(number).unwrap(), "s", "t");
                    disk.deliver(&inbox, number, &text, &flags(*bits))
                }
                Step::Tag(at, bits) => file(at).map_or_else(Vec::new, |file| disk.flag(file, &flags(*bits))),
                Step::Carry(at, to_archive) => {
                    let to = if *to_archive { &archive } else { &inbox };
                    let file = file(at).filter(|file| disk.files[file].mailbox != *to);
                    file.map_or_else(Vec::new, |file| disk.carry(file, to))
                }
                Step::Delete(at) => file(at).map_or_else(Vec::new, |file| disk.delete(file)),
            };
            tell(&mut writer, &changes);
        }
        settle(&mut writer);

        let mut uses: BTreeMap<Keyword, usize> = BTreeMap::new();
        for file in disk.files.values() {
            for word in file.flags.keywords().filter(|word| tags::is_tag(word)) {
                *uses.entry(word.clone()).or_default() += 1;
            }
        }
        let mut wanted: Vec<(Keyword, usize)> = uses.into_iter().collect();
        wanted.sort_by(|(a, first), (b, second)| second.cmp(first).then_with(|| a.cmp(b)));
        let told = reader.tags().unwrap();
        prop_assert_eq!(told, wanted.iter().map(|(word, _)| word.clone()).collect::<Vec<_>>());
        for (word, count) in wanted {
            let text = format!("tag:{}", tags::name(&word));
            let query = tern::query::parse(&text, Timestamp::new(1_700_000_000), &jiff::tz::TimeZone::UTC).unwrap();
            let found = reader.search(&query, &SearchScope::All, 0, 99).unwrap();
            prop_assert_eq!(found.total, count, "{}", text);
            for row in found.rows {
                let files = reader.files_of(row.message).unwrap();
                let own = disk.files.values().find(|file| file.unique == row.place.unique).unwrap();
                prop_assert_eq!(&files[..], &[(row.place.clone(), own.flags.clone())][..]);
            }
        }
    }
}

/// Tags of a database of notmuch's, as that tells them: those of some messages, so many of which were told before.
fn tagging(state: u64, after: usize, more: bool, mails: &[(&str, &[&str])]) -> Tagging {
    let words = |words: &[&str]| Flags::from_imap(words.iter().copied());
    let mail = |(id, tags): &(&str, &[&str])| TaggedMail { id: (*id).to_owned(), files: Vec::new(), tags: words(tags) };
    Tagging {
        mails: mails.iter().map(mail).collect(),
        seen: Revision { database: "d".to_owned(), number: state },
        first: false,
        after,
        more,
        passing: words(&["inbox"]),
    }
}

#[test]
fn a_state_of_a_database_counts_as_read_only_if_all_of_it_was_taken_in() {
    let mut disk = Disk::new();
    let inbox = mailbox("home", "INBOX");
    let mut writer = disk.writer();
    for number in 0..3 {
        let text = mail(&format!("{number}@x"), &[], 0, "s", "t");
        let changed = disk.deliver(&inbox, number, &text, &Flags::none());
        tell(&mut writer, &changed);
    }
    let read = |disk: &Disk| -> Option<String> {
        let db = rusqlite::Connection::open(disk.index()).unwrap();
        db.query_row("SELECT value FROM meta WHERE key = 'notmuch seen'", [], |row| row.get(0)).ok()
    };
    let given = |report: IndexReport| -> Vec<String> {
        let IndexReport::Retagged { given, .. } = report else { panic!("{report:?}") };
        given.into_iter().map(|(_, words)| words.to_string()).collect()
    };
    let one: &[(&str, &[&str])] = &[("0@x", &["todo", "inbox"])];
    let two: &[(&str, &[&str])] = &[("1@x", &["work"])];
    let three: &[(&str, &[&str])] = &[("2@x", &[])];
    // The first part goes to a writer that is gone before the others come.
    assert_eq!(given(writer.retag(&tagging(7, 0, true, one)).unwrap()), ["todo"], "what all get goes no further");
    let mut writer = disk.writer();
    writer.retag(&tagging(7, 1, true, two)).unwrap();
    writer.retag(&tagging(7, 2, false, three)).unwrap();
    assert_eq!(read(&disk), None);
    // So all of it is told again; what is known is no news.
    assert_eq!(given(writer.retag(&tagging(7, 0, true, one)).unwrap()), [""; 0]);
    writer.retag(&tagging(7, 1, true, two)).unwrap();
    // Parts of another state in between are a gap as well.
    writer.retag(&tagging(8, 0, true, two)).unwrap();
    writer.retag(&tagging(7, 2, false, three)).unwrap();
    assert_eq!(read(&disk), None);
    for (after, more, mails) in [(0, true, one), (1, true, two), (2, false, three)] {
        writer.retag(&tagging(7, after, more, mails)).unwrap();
    }
    assert_eq!(read(&disk).as_deref(), Some("7 d"));
}
