//! Searches against a reader that is slow and obviously right: random mail, random questions, and the same
//! messages found. `TERN_LONG=1` makes that 5,000 messages and 2,000 questions.

use std::collections::BTreeSet;
use std::fs;

use tern::job::index::{Grouping, ListSpec, Row, SearchScope, Source};
use tern::mail::flags::{Flags, Keyword};
use tern::mail::ids::{AccountId, RowId, ThreadId, Timestamp};
use tern::mail::labels::Label;
use tern::mail::place::MailboxId;
use tern::query::ast::{Field, Pattern, Query, State};
use tern::query::forms::{Forms, Language};
use tern::query::print;

use super::disk::*;
use super::reader::{Archive, File};
use crate::support::histories::long;

const WORDS: [&str; 31] = [
    "purple",
    "budget",
    "bud",
    "budgets",
    "Budgetary",
    "llama",
    "Invoice",
    "naïve",
    "naive",
    "CAFÉ",
    "cafe\u{301}",
    "Straße",
    "smørrebrød",
    "Łódź",
    "q3",
    "2025",
    "日本語",
    "日本",
    "本",
    "会議室",
    "日本 語",
    "すし屋",
    "안녕하세요",
    "q3会議",
    "re-run",
    "ﬁne",
    "Ελλάδα",
    "ΕΛΛΑΔΑ",
    "ёлка",
    "Елка",
    "трамвай",
];
const NAMES: [&str; 4] = ["Grace Hopper", "Ada Lovelace", "José Núñez", "林伟"];
const EMAILS: [&str; 4] = ["grace@example.net", "ada@example.org", "jose@example.com", "lin@example.cn"];
const FILES: [&str; 3] = ["report.pdf", "budget 2025.xlsx", "会議.txt"];
const TAGS: [&str; 4] = ["todo", "$MDNSent", "NonJunk", "Trips/Rome 2025"];

fn pick<T: Copy>(rng: &mut fastrand::Rng, all: &[T]) -> T {
    all[rng.usize(..all.len())]
}

fn some_words(rng: &mut fastrand::Rng, most: usize) -> String {
    let count = rng.usize(1..=most);
    (0..count).map(|_| pick(rng, &WORDS)).collect::<Vec<_>>().join(" ")
}

fn some_people(rng: &mut fastrand::Rng, most: usize) -> String {
    let some: Vec<usize> = (0..rng.usize(..=most)).map(|_| rng.usize(..4)).collect();
    some.iter().map(|n| format!("\"{}\" <{}>", NAMES[*n], EMAILS[*n])).collect::<Vec<_>>().join(", ")
}

/// A mail of its own, an answer to an earlier one, or one that names another that is nowhere.
fn random_mail(rng: &mut fastrand::Rng, n: usize) -> String {
    let date = jiff::Timestamp::from_second(1_700_000_000 + rng.i64(0..90) * 86_400 + rng.i64(0..3) * 3600).unwrap();
    let date = jiff::fmt::rfc2822::to_string(&date.to_zoned(jiff::tz::TimeZone::UTC)).unwrap();
    let from = rng.usize(..4);
    let mut text = format!("From: \"{}\" <{}>\nDate: {date}\nMessage-ID: <{n}@scan>\n", NAMES[from], EMAILS[from]);
    for (name, people) in [("To", some_people(rng, 2)), ("Cc", some_people(rng, 1))] {
        if !people.is_empty() {
            text += &format!("{name}: {people}\n");
        }
    }
    match rng.u8(..6) {
        0 if n > 0 => text += &format!("References: <{}@scan>\n", rng.usize(..n)),
        1 => text += &format!("References: <{}@gone>\n", rng.usize(..40)),
        _ => {}
    }
    text += &format!("Subject: {}\n", some_words(rng, 4));
    if rng.bool() {
        text += "List-Id: Rust <rust-users.example.org>\n";
    }
    let words = some_words(rng, 12);
    let body = match rng.u8(..4) {
        0 => format!("Content-Type: text/html; charset=utf-8\n\n<p>{}</p>\n", words.replace(' ', " </b><b> ")),
        1 => {
            let encoded: String = words.bytes().map(|byte| format!("={byte:02X}")).collect::<Vec<_>>().join("=\n");
            format!(
                "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n{encoded}\n"
            )
        }
        _ => format!("Content-Type: text/plain; charset=utf-8\n\n{words}\n"),
    };
    if rng.u8(..4) > 0 {
        return text + &body;
    }
    let file = pick(rng, &FILES);
    let filler = "A".repeat(4 * rng.usize(1..200));
    text + "Content-Type: multipart/mixed; boundary=b\n\n--b\n"
        + &body
        + "--b\nContent-Type: application/octet-stream\nContent-Disposition: attachment; filename=\""
        + file
        + "\"\nContent-Transfer-Encoding: base64\n\n"
        + &filler
        + "\n--b--\n"
}

fn random_flags(rng: &mut fastrand::Rng) -> Flags {
    let mut flags = Flags::from_bits(rng.u8(..64));
    for tag in TAGS {
        if rng.u8(..8) == 0 {
            flags = match Keyword::new(tag).filter(|_| !tag.contains('/')) {
                Some(keyword) => flags.with_keyword(keyword),
                None => flags.with_labels(&[Label::read(tag).unwrap(), Label::Important].into_iter().collect()),
            };
        }
    }
    flags
}

const STATES: [State; 11] = [
    State::Unread,
    State::Unread,
    State::Starred,
    State::Starred,
    State::Read,
    State::Replied,
    State::Forwarded,
    State::Draft,
    State::Sent,
    State::Muted,
    State::Snoozed,
];

const PLACES: [&str; 11] = [
    "inbox",
    "Archive",
    "rust",
    "lists/rust",
    "lists/**",
    "work/inbox",
    "home/lists/**",
    "sent",
    "spam",
    "nowhere",
    "rus",
];

fn property(rng: &mut fastrand::Rng, threads: &[ThreadId]) -> Query {
    let day = |rng: &mut fastrand::Rng| rng.bool().then(|| Timestamp::new(1_700_000_000 + rng.i64(0..90) * 86_400));
    match rng.u8(..13) {
        0 | 1 => Query::HasAttachment,
        2..=4 => Query::Is(pick(rng, &STATES)),
        5 => Query::In(pick(rng, &PLACES).to_owned()),
        6 => Query::Account(pick(rng, &["home", "work", "none"]).to_owned()),
        7 => Query::Larger(rng.u64(200..1500)),
        8 => Query::Smaller(rng.u64(200..1500)),
        9 => Query::Date { from: day(rng), until: day(rng) },
        10 => Query::Id(format!("{}@scan", rng.usize(..1000))),
        11 => Query::Tag(
            pick(rng, &["todo", "TODO", "nonjunk", "$mdnsent", "trips/rome 2025", "important", "tod"]).to_owned(),
        ),
        _ => Query::Thread(pick(rng, threads)),
    }
}

const FIELDS: [Field; 10] = [
    Field::Any,
    Field::Any,
    Field::Any,
    Field::From,
    Field::To,
    Field::Cc,
    Field::Subject,
    Field::Body,
    Field::List,
    Field::File,
];

fn leaf(rng: &mut fastrand::Rng, threads: &[ThreadId]) -> Query {
    if rng.u8(..5) < 2 {
        return property(rng, threads);
    }
    let field = pick(rng, &FIELDS);
    let word = match field {
        Field::From | Field::To | Field::Cc => {
            pick(rng, &["grace", "ada@example.org", "nunez", "example", "林", "Grace Hopper"])
        }
        Field::List => pick(rng, &["rust", "rust-users", "example.org", "rust users example"]),
        Field::File => pick(rng, &["report", "会議", "2025", "xlsx"]),
        _ => pick(rng, &WORDS),
    };
    let pattern = match rng.u8(..5) {
        0 => Pattern::Prefix(word.chars().take(rng.usize(1..6)).collect::<String>().trim_end().to_owned()),
        1 => Pattern::Phrase(format!("{} {}", pick(rng, &WORDS), pick(rng, &WORDS))),
        2 if rng.u8(..20) == 0 => Pattern::Phrase("...".to_owned()),
        4 if word.bytes().all(|b| b.is_ascii_lowercase()) => {
            Pattern::Forms(Forms { word: word.to_owned(), language: Language::default() })
        }
        // A part from the middle of a run.
        3 if !word.is_ascii() => Pattern::Word(word.chars().skip(1).collect::<String>() + "x").without("x"),
        _ => Pattern::Word(word.to_owned()),
    };
    Query::Text { field, pattern }
}

trait Without {
    fn without(self, end: &str) -> Self;
}

impl Without for Pattern {
    /// The pattern without its end, or all of it where nothing else would be left.
    fn without(self, end: &str) -> Self {
        match self {
            Self::Word(word) => {
                let rest = word.strip_suffix(end).map(str::trim).filter(|rest| !rest.is_empty());
                Self::Word(rest.unwrap_or(&word).to_owned())
            }
            other => other,
        }
    }
}

fn question(rng: &mut fastrand::Rng, depth: usize, threads: &[ThreadId]) -> Query {
    if depth == 0 || rng.u8(..4) == 0 {
        return leaf(rng, threads);
    }
    if rng.u8(..12) == 0 {
        return Query::Together(Box::new(question(rng, depth - 1, threads)));
    }
    let mut parts = || (0..rng.usize(2..4)).map(|_| question(rng, depth - 1, threads)).collect();
    match parts() {
        parts if rng.bool() => Query::And(parts),
        parts if rng.bool() => Query::Or(parts),
        _ => Query::Not(Box::new(question(rng, depth - 1, threads))),
    }
}

struct World {
    disk: Disk,
    places: Vec<MailboxId>,
    archive: Archive,
}

fn world(rng: &mut fastrand::Rng, messages: usize) -> World {
    let places = [
        mailbox("home", "INBOX"),
        mailbox("home", "Archive"),
        mailbox("home", "Sent"),
        mailbox("home", "Junk"),
        mailbox("home", "Lists"),
        mailbox("home", "Lists/rust"),
        mailbox("work", "INBOX"),
        mailbox("work", "Lists/rust"),
    ];
    let mut disk = Disk::new();
    for n in 0..messages {
        let text = random_mail(rng, n);
        for _ in 0..=usize::from(rng.u8(..5) == 0) {
            let place = &places[rng.usize(..places.len())];
            if !disk.files.values().next_back().is_some_and(|file| file.mail == n && file.mailbox == *place) {
                disk.deliver(place, n, &text, &random_flags(rng));
            }
        }
    }
    let mut writer = disk.writer();
    for place in &places {
        writer.reconcile(&disk.listing(place, true)).unwrap();
    }
    settle(&mut writer);
    let read = |file: &Lying| {
        let path = disk.directory(&file.mailbox).join("cur");
        let name = format!("{}:2,{}", file.unique.as_str(), file.flags.letters());
        File::read(&fs::read(path.join(name)).unwrap(), file.mailbox.clone(), file.flags.clone())
    };
    let archive = Archive::new(disk.files.values().map(read).collect());
    World { disk, places: places.to_vec(), archive }
}

#[test]
fn what_is_found_is_what_a_slow_reader_finds() {
    let (messages, questions) = if long() { (5_000, 2_000) } else { (400, 500) };
    let mut rng = fastrand::Rng::with_seed(2025);
    let World { disk, places, mut archive } = world(&mut rng, messages);
    let mut index = disk.reader();
    let everything = index.search(&Query::everything(), &SearchScope::All, 0, usize::MAX).unwrap().rows;
    let by_place: std::collections::BTreeMap<_, usize> =
        disk.files.values().enumerate().map(|(at, file)| ((file.mailbox.clone(), file.unique.clone()), at)).collect();
    let at = |row: &Row| by_place[&(row.place.mailbox.clone(), row.place.unique.clone())];
    let threads: Vec<ThreadId> = everything.iter().take(300).map(|row| row.thread).collect();
    let ids: Vec<(ThreadId, String)> =
        everything.iter().map(|row| (row.thread, archive.files[at(row)].id.clone())).collect();
    let shown = |thread| ids.iter().find(|(known, _)| *known == thread).unwrap().1.clone();

    let (mut some, mut few) = (0, 0);
    for _ in 0..questions {
        let query = question(&mut rng, 3, &threads);
        let scope = match rng.u8(..4) {
            0 => SearchScope::Mailbox(places[rng.usize(..places.len())].clone()),
            1 => SearchScope::Account(AccountId::new("home")),
            _ => SearchScope::All,
        };
        let mut fits = archive.answer(&query, &shown);
        for (fits, file) in fits.iter_mut().zip(&archive.files) {
            *fits &= match &scope {
                SearchScope::Mailbox(mailbox) => file.mailbox == *mailbox,
                SearchScope::Account(account) => file.mailbox.account == *account,
                SearchScope::All => true,
            };
        }
        let expected = archive.messages(&fits);
        let text = format!("{} in {scope:?}", print(&query));

        // A few and a page from somewhere first: the search goes on from there.
        let list = ListSpec::new(Source::Search { query: query.clone(), scope: scope.clone() }, Grouping::Flat);
        let (short, first) = (rng.usize(..9), rng.usize(..20));
        let head = index.head(&list, short).unwrap();
        let page = index.rows(&list, first, 7, None).unwrap();
        let window = index.search(&query, &scope, 0, usize::MAX).unwrap();
        assert_eq!(head, window.rows.iter().take(short).cloned().collect::<Vec<_>>(), "{text}");
        assert_eq!(page.rows, window.rows.iter().skip(first).take(7).cloned().collect::<Vec<_>>(), "{text}");
        assert_eq!((window.total, window.counted), (window.rows.len(), true));
        for row in &window.rows {
            let file = index.file_of(&row.place).unwrap().unwrap();
            assert!(fits[at(row)], "{text} shows {file:?}: {}", fs::read_to_string(&file).unwrap());
        }
        let got: BTreeSet<(String, AccountId)> = window
            .rows
            .iter()
            .map(|row| (archive.files[at(row)].id.clone(), row.place.mailbox.account.clone()))
            .collect();
        assert_eq!(got, expected, "{text}");
        assert_eq!(window.rows.len(), expected.len(), "no message twice: {text}");
        assert!(window.rows.windows(2).all(|pair| pair[0].message > pair[1].message), "newest first: {text}");
        some += usize::from(!expected.is_empty());
        few += usize::from(!expected.is_empty() && expected.len() < everything.len() / 2);
        if let Some(row) = window.rows.get(rng.usize(..window.rows.len().max(1))) {
            let around = index.rows(&list, 0, 5, Some(RowId(row.message.0))).unwrap();
            assert_eq!(around.anchor.map(|at| &window.rows[at]), Some(row), "{text}");
        }
    }
    assert!(some > questions / 2 && few > questions / 3, "most questions find something: {some}, not all: {few}");
}

#[test]
fn long_and_deep_questions_are_answered() {
    let mut disk = Disk::new();
    let inbox = mailbox("home", "INBOX");
    let mut writer = disk.writer();
    tell(&mut writer, &disk.deliver(&inbox, 0, &mail("a@x", &[], 60, "purple", "budget"), &Flags::none()));
    let mut index = disk.reader();
    let mut count = |text: &str| {
        let query = tern::query::parse(text, Timestamp::new(0), &jiff::tz::TimeZone::UTC).unwrap();
        index.search(&query, &SearchScope::All, 0, 9).unwrap().total
    };
    assert_eq!(count(&"budget ".repeat(400)), 1);
    assert_eq!(count(&"-llama ".repeat(400)), 1);
    assert_eq!(count(&["budget"; 400].join(" or ")), 1);
    assert_eq!(count(&"bud* ".repeat(400)), 1);
    assert_eq!(count(&"is:unread ".repeat(400)), 1);
    assert_eq!(count(&["tag:nothing"; 399].join(" or ")), 0);
    assert_eq!(count(&"(llama or is:unread) ".repeat(130)), 1);
    assert_eq!(count(&format!("{}budget{}", "-(".repeat(30), " is:unread)".repeat(30))), 1);
    assert_eq!(count(&format!("{}budget{}", "-(".repeat(31), " is:unread)".repeat(31))), 0);
    assert_eq!(count(&format!("{}budget is:unread{}", "(".repeat(60), ")".repeat(60))), 1);
    assert_eq!(count(&format!("{}(llama or (budget is:unread)){}", "-(-(".repeat(15), "))".repeat(15))), 1);
}

#[test]
fn a_word_that_stands_in_two_alternatives_is_found_by_both() {
    let World { disk, archive, .. } = world(&mut fastrand::Rng::with_seed(7), 400);
    let mut index = disk.reader();
    let mut count = |text: &str| {
        let query = tern::query::parse(text, Timestamp::new(1_790_000_000), &jiff::tz::TimeZone::UTC).unwrap();
        index.search(&query, &SearchScope::All, 0, usize::MAX).unwrap().total
    };
    let all = count("list:rust");
    assert!(all > 100, "more than are read at once: {all}");
    // The one of which the first alternative tells is far older than the newest of the second.
    for file in archive.files.iter().step_by(40) {
        assert_eq!(count(&format!("id:{} list:rust or list:rust", file.id)), all);
        assert_eq!(count(&format!("(id:{0} list:rust) or (list:rust -id:{0})", file.id)), all);
    }
}
