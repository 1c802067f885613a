//! Searches against a reader that is slow and obviously right: it looks at each word of each mail.

use std::collections::BTreeSet;

use tern::job::index::{Grouping, ListSpec, SearchScope, Source};
use tern::mail::flags::{Flag, Flags};
use tern::mail::ids::{AccountId, Timestamp};
use tern::mail::mailbox::Role;
use tern::mail::place::MailboxId;
use tern::query::ast::{Field, Pattern, Query, State};
use tern::query::print;

use super::disk::*;

const WORDS: [&str; 16] = [
    "purple",
    "budget",
    "bud",
    "budgets",
    "llama",
    "Invoice",
    "naïve",
    "naive",
    "CAFÉ",
    "q3",
    "2025",
    "日本語",
    "日本",
    "本",
    "会議室",
    "re-run",
];
const NAMES: [&str; 4] = ["Grace Hopper", "Ada Lovelace", "José Núñez", "林伟"];
const EMAILS: [&str; 4] = ["grace@example.net", "ada@example.org", "jose@example.com", "lin@example.cn"];
const FILES: [&str; 3] = ["report.pdf", "budget 2025.xlsx", "会議.txt"];

/// A mail as its author meant it.
struct Meant {
    id: String,
    seconds: i64,
    from: usize,
    to: Vec<usize>,
    cc: Vec<usize>,
    subject: String,
    body: String,
    list: Option<&'static str>,
    file: Option<&'static str>,
    size: u64,
}

impl Meant {
    fn random(rng: &mut fastrand::Rng, n: usize) -> Self {
        let mut words = |most: usize| {
            let count = rng.usize(1..=most);
            (0..count).map(|_| WORDS[rng.usize(..WORDS.len())]).collect::<Vec<_>>().join(" ")
        };
        let (subject, body) = (words(4), words(12));
        let mut some = |most: usize| (0..rng.usize(..=most)).map(|_| rng.usize(..4)).collect::<Vec<_>>();
        let (to, cc) = (some(2), some(1));
        Self {
            id: format!("{n}@scan"),
            seconds: rng.i64(0..90) * 86_400 + rng.i64(0..3) * 3600,
            from: rng.usize(..4),
            to,
            cc,
            subject,
            body,
            list: rng.bool().then_some("rust-users.example.org"),
            file: (rng.u8(..4) == 0).then(|| FILES[rng.usize(..3)]),
            size: 0,
        }
    }

    fn text(&self) -> String {
        let people = |which: &[usize]| {
            which.iter().map(|n| format!("\"{}\" <{}>", NAMES[*n], EMAILS[*n])).collect::<Vec<_>>().join(", ")
        };
        let date = jiff::Timestamp::from_second(1_700_000_000 + self.seconds).unwrap();
        let date = jiff::fmt::rfc2822::to_string(&date.to_zoned(jiff::tz::TimeZone::UTC)).unwrap();
        let mut text = format!("From: {}\nDate: {date}\nMessage-ID: <{}>\n", people(&[self.from]), self.id);
        for (name, which) in [("To", &self.to), ("Cc", &self.cc)] {
            if !which.is_empty() {
                text = format!("{text}{name}: {}\n", people(which));
            }
        }
        text = format!("{text}Subject: {}\n", self.subject);
        text += &self.list.map(|list| format!("List-Id: <{list}>\n")).unwrap_or_default();
        let plain = format!("Content-Type: text/plain; charset=utf-8\n\n{}\n", self.body);
        match self.file {
            None => text + &plain,
            Some(file) => {
                text + "Content-Type: multipart/mixed; boundary=b\n\n--b\n"
                    + &plain
                    + "--b\nContent-Type: application/octet-stream\nContent-Disposition: attachment; filename=\""
                    + file
                    + "\"\nContent-Transfer-Encoding: base64\n\nAAAA\n--b--\n"
            }
        }
    }

    fn columns(&self, field: Field) -> Vec<String> {
        let people = |which: &[usize]| {
            which.iter().map(|n| format!("{} {}", NAMES[*n], EMAILS[*n])).collect::<Vec<_>>().join(" ; ")
        };
        let list = self.list.unwrap_or_default().to_owned();
        let file = self.file.unwrap_or_default().to_owned();
        match field {
            Field::Any => [Field::From, Field::To, Field::Subject, Field::Body, Field::List, Field::File]
                .into_iter()
                .flat_map(|field| self.columns(field))
                .collect(),
            Field::From => vec![people(&[self.from])],
            Field::To => vec![people(&self.to), people(&self.cc)],
            Field::Cc => vec![people(&self.cc)],
            Field::Subject => vec![self.subject.clone()],
            Field::Body => vec![self.body.clone()],
            Field::List => vec![list],
            Field::File => vec![file],
        }
    }
}

fn fold(text: &str) -> String {
    let plain = |c| match c {
        'é' | 'è' => 'e',
        'ï' => 'i',
        'ñ' => 'n',
        'ú' => 'u',
        other => other,
    };
    text.to_lowercase().chars().map(plain).collect()
}

fn tokens(text: &str) -> Vec<String> {
    fold(text).split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn says(column: &str, pattern: &Pattern) -> bool {
    let (text, prefix) = match pattern {
        Pattern::Word(text) | Pattern::Phrase(text) => (text, false),
        Pattern::Prefix(text) => (text, true),
    };
    if !text.is_ascii() && text.chars().all(|c| !c.is_ascii() && c > '\u{3000}') {
        return column.contains(text.as_str());
    }
    let (wanted, there) = (tokens(text), tokens(column));
    there.windows(wanted.len()).any(|window| {
        let last = wanted.len() - 1;
        window[..last] == wanted[..last]
            && (window[last] == wanted[last] || (prefix && window[last].starts_with(&wanted[last])))
    })
}

fn role(mailbox: &MailboxId) -> Option<Role> {
    Role::guess(&mailbox.name)
}

fn holds(query: &Query, mail: &Meant, file: &Lying) -> bool {
    let at = Timestamp::new(1_700_000_000 + mail.seconds);
    let flag = |flag: Flag| file.flags.has(flag);
    match query {
        Query::And(parts) => parts.iter().all(|part| holds(part, mail, file)),
        Query::Or(parts) => parts.iter().any(|part| holds(part, mail, file)),
        Query::Not(inner) => !holds(inner, mail, file),
        Query::Text { field, pattern } => mail.columns(*field).iter().any(|column| says(column, pattern)),
        Query::HasAttachment => mail.file.is_some(),
        Query::Is(State::Unread) => !flag(Flag::Seen),
        Query::Is(State::Read) => flag(Flag::Seen),
        Query::Is(State::Starred) => flag(Flag::Flagged),
        Query::Is(State::Replied) => flag(Flag::Answered),
        Query::Is(State::Forwarded) => flag(Flag::Forwarded),
        Query::Is(State::Draft) => flag(Flag::Draft),
        Query::Is(State::Sent) => mail.from == 1 || role(&file.mailbox) == Some(Role::Sent),
        Query::In(name) => {
            let full = file.mailbox.name.as_str().to_lowercase();
            full == *name
                || file.mailbox.name.leaf().to_lowercase() == *name
                || role(&file.mailbox).is_some_and(|role| role.word() == name)
        }
        Query::Account(name) => file.mailbox.account.as_str() == name,
        Query::Larger(bytes) => mail.size > *bytes,
        Query::Smaller(bytes) => mail.size < *bytes,
        Query::Date { from, until } => from.is_none_or(|from| at >= from) && until.is_none_or(|until| at < until),
        Query::Id(id) => mail.id == *id,
        Query::Tag(_) | Query::Thread(_) => false,
    }
}

fn leaf(rng: &mut fastrand::Rng) -> Query {
    let word = WORDS[rng.usize(..WORDS.len())];
    let day = |rng: &mut fastrand::Rng| rng.bool().then(|| Timestamp::new(1_700_000_000 + rng.i64(0..90) * 86_400));
    match rng.u8(..16) {
        0 => Query::HasAttachment,
        1 | 2 => {
            let states = [
                State::Unread,
                State::Read,
                State::Starred,
                State::Replied,
                State::Forwarded,
                State::Draft,
                State::Sent,
            ];
            Query::Is(states[rng.usize(..7)])
        }
        3 => Query::In(["inbox", "archive", "rust", "lists/rust", "sent", "nowhere"][rng.usize(..6)].to_owned()),
        4 => Query::Account(["home", "work", "none"][rng.usize(..3)].to_owned()),
        5 => Query::Larger(rng.u64(200..500)),
        6 => Query::Smaller(rng.u64(200..500)),
        7 => Query::Date { from: day(rng), until: day(rng) },
        8 => Query::Id(format!("{}@scan", rng.usize(..400))),
        _ => {
            let fields = [
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
            let field = fields[rng.usize(..10)];
            let word = match (field, rng.u8(..3)) {
                (Field::From | Field::To | Field::Cc, _) => {
                    ["grace", "ada@example.org", "nunez", "example", "林"][rng.usize(..5)]
                }
                (Field::List, _) => ["rust", "rust-users", "example.org"][rng.usize(..3)],
                (Field::File, _) => ["report", "会議", "2025"][rng.usize(..3)],
                _ => word,
            };
            let pattern = match rng.u8(..4) {
                0 => Pattern::Prefix(word.chars().take(rng.usize(1..5)).collect()),
                1 => Pattern::Phrase(format!("{} {}", WORDS[rng.usize(..10)], WORDS[rng.usize(..10)])),
                _ => Pattern::Word(word.to_owned()),
            };
            Query::Text { field, pattern }
        }
    }
}

fn question(rng: &mut fastrand::Rng, depth: usize) -> Query {
    if depth == 0 || rng.u8(..4) == 0 {
        return leaf(rng);
    }
    let mut parts = || (0..rng.usize(2..4)).map(|_| question(rng, depth - 1)).collect();
    match parts() {
        parts if rng.bool() => Query::And(parts),
        parts if rng.bool() => Query::Or(parts),
        _ => Query::Not(Box::new(question(rng, depth - 1))),
    }
}

#[test]
fn what_is_found_is_what_a_slow_reader_finds() {
    let mut rng = fastrand::Rng::with_seed(2025);
    let places = [
        mailbox("home", "INBOX"),
        mailbox("home", "Archive"),
        mailbox("home", "Sent"),
        mailbox("work", "INBOX"),
        mailbox("work", "Lists/rust"),
    ];
    let mut disk = Disk::new();
    let mut writer = disk.writer();
    let mut mails = Vec::new();
    for n in 0..300 {
        let mut mail = Meant::random(&mut rng, n);
        let text = mail.text();
        mail.size = text.len() as u64;
        for _ in 0..=usize::from(rng.u8(..5) == 0) {
            let flags = Flags::from_bits(rng.u8(..64));
            let place = &places[rng.usize(..places.len())];
            if !disk.files.values().any(|file| file.mail == n && file.mailbox == *place) {
                disk.deliver(place, n, &text, &flags);
            }
        }
        mails.push(mail);
    }
    for place in &places {
        writer.reconcile(&disk.listing(place, true)).unwrap();
    }
    settle(&mut writer);

    let mut index = disk.reader();
    let mut found_any = 0;
    for _ in 0..700 {
        let query = question(&mut rng, 3);
        let scope = match rng.u8(..4) {
            0 => SearchScope::Mailbox(places[rng.usize(..places.len())].clone()),
            1 => SearchScope::Account(AccountId::new("home")),
            _ => SearchScope::All,
        };
        let in_scope = |file: &&Lying| match &scope {
            SearchScope::Mailbox(mailbox) => file.mailbox == *mailbox,
            SearchScope::Account(account) => file.mailbox.account == *account,
            SearchScope::All => true,
        };
        let fitting = disk.files.values().filter(in_scope).filter(|file| holds(&query, &mails[file.mail], file));
        // The same mail in two accounts is two messages.
        let expected: BTreeSet<(usize, AccountId)> =
            fitting.map(|file| (file.mail, file.mailbox.account.clone())).collect();
        let window = index.search(&query, &scope, 0, 1000).unwrap();
        assert_eq!((window.total, window.counted), (window.rows.len(), true));
        let by_id = |row: &tern::job::index::Row| {
            let file =
                disk.files.values().find(|file| file.unique == row.place.unique && file.mailbox == row.place.mailbox);
            let file = file.unwrap();
            assert!(holds(&query, &mails[file.mail], file), "the place shown is one that fits: {}", print(&query));
            (file.mail, file.mailbox.account.clone())
        };
        let got: Vec<(usize, AccountId)> = window.rows.iter().map(by_id).collect();
        assert_eq!(got.iter().cloned().collect::<BTreeSet<_>>(), expected, "{} in {scope:?}", print(&query));
        assert_eq!(got.len(), expected.len(), "no message twice: {}", print(&query));
        assert!(window.rows.windows(2).all(|pair| pair[0].message > pair[1].message), "newest first");
        found_any += usize::from(!expected.is_empty());

        let list = ListSpec { source: Source::Search { query, scope }, grouping: Grouping::Flat };
        let first = rng.usize(..20);
        let page = index.rows(&list, first, 7, None).unwrap();
        assert_eq!(page.rows, window.rows.iter().skip(first).take(7).cloned().collect::<Vec<_>>());
    }
    assert!(found_any > 300, "most questions find something: {found_any}");
}
