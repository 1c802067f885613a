//! How long the questions of the screen take in an index of 100,000 messages: a window of rows at
//! the top and in the middle, and searches for a common and a rare word. The mailbox is made anew
//! in a temporary directory, which takes half a minute before the first figure.

#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a measurement that fails is to say so and stop"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use jiff::tz::TimeZone;
use tern::index::{Index, Writer};
use tern::job::files::{DirStamp, Listing};
use tern::job::index::{Grouping, ListSpec, SearchScope, Source};
use tern::job::listed::{ListedFile, ListedFiles};
use tern::mail::flags::{Flag, Flags};
use tern::mail::ids::{AccountId, RowId, Timestamp};
use tern::mail::mailbox::MailboxName;
use tern::mail::place::MailboxId;
use tern::query;

/// The size of the mailbox.
const MESSAGES: usize = 100_000;
/// As many rows as a big screen asks for.
const WINDOW: usize = 288;
/// The second of the first message.
const BEGUN: usize = 1_600_000_000;

fn inbox() -> MailboxId {
    MailboxId { account: AccountId::new("ada"), name: MailboxName::new("INBOX").expect("a legal name") }
}

/// Makes a mailbox and its index below `root`; gives the index's file.
fn world(root: &Path) -> PathBuf {
    let directory = root.join("INBOX");
    for part in ["cur", "new", "tmp"] {
        fs::create_dir_all(directory.join(part)).expect("a directory");
    }
    let mut files = ListedFiles::default();
    for at in 0..MESSAGES {
        let base = format!("{}.M{at}.host", BEGUN + at * 60);
        let date = jiff::Timestamp::from_second(i64::try_from(BEGUN + at * 60).expect("a second")).expect("a date");
        let date = date.strftime("%a, %d %b %Y %H:%M:%S +0000");
        let answer = if at % 3 == 0 { String::new() } else { format!("In-Reply-To: <{}@example.org>\n", at - at % 3) };
        let rare = if at % 10_000 == 7 { "quixotry" } else { "plain" };
        let text = format!(
            "From: Person {} <person{}@example.org>\nTo: ada@example.org\nSubject: Subject number {at} of {rare} words\n\
             Date: {date}\nMessage-ID: <{at}@example.org>\n{answer}\nA meeting about number {at}, {rare} and short.\n",
            at % 500,
            at % 500,
        );
        fs::write(directory.join("cur").join(format!("{base}:2,S")), text).expect("a file");
        files.push(&ListedFile { base: &base, in_new: false, info: ":2,S", flags: Flags::only(Flag::Seen) });
    }
    let stamp = DirStamp { cur: 1, new: 1 };
    let listing = Listing { mailbox: inbox(), stamp, complete: true, directory, tells: Flags::none(), files };
    let path = root.join("index.db");
    let mut writer = Writer::open(&path, &[]).expect("an index");
    writer.reconcile(&Arc::new(listing)).expect("a listing taken in");
    while writer.advance().expect("a step").is_some() {}
    path
}

fn questions(c: &mut Criterion) {
    let root = tempfile::tempdir().expect("a temporary directory");
    let path = world(root.path());
    let mut index = Index::open(&path).expect("the index");
    let list = |grouping| ListSpec::new(Source::Mailbox(inbox()), grouping);
    let (flat, conversations) = (list(Grouping::Flat), list(Grouping::Conversations));
    let middle = MESSAGES / 2;
    let anchor: RowId = index.rows(&flat, middle, 1, None).expect("a row").rows[0].message;
    c.bench_function("open the index and ask for the first rows", |b| {
        b.iter(|| Index::open(&path).and_then(|mut index| index.rows(&flat, 0, WINDOW, None)).expect("rows"));
    });
    c.bench_function("rows at the top", |b| b.iter(|| index.rows(&flat, 0, WINDOW, None).expect("rows")));
    c.bench_function("rows in the middle", |b| b.iter(|| index.rows(&flat, middle, WINDOW, None).expect("rows")));
    c.bench_function("rows around a message in the middle", |b| {
        b.iter(|| index.rows(&flat, middle, WINDOW, Some(anchor)).expect("rows"));
    });
    c.bench_function("conversations at the top", |b| {
        b.iter(|| index.rows(&conversations, 0, WINDOW, None).expect("rows"));
    });
    for (name, words) in [("common word", "meeting"), ("rare word", "quixotry"), ("beginning of a word", "quix*")] {
        let query = query::parse(words, Timestamp::default(), &TimeZone::UTC).expect("a query");
        let source = Source::Search { query, scope: SearchScope::All };
        let list = ListSpec::new(source, Grouping::Flat);
        // A new reader each time: an old one keeps what it found.
        c.bench_function(&format!("search, first page: {name}"), |b| {
            b.iter_batched_ref(
                || Index::open(&path).expect("the index"),
                |index| index.rows(&list, 0, WINDOW, None).expect("rows"),
                criterion::BatchSize::PerIteration,
            );
        });
    }
}

criterion_group!(benches, questions);
criterion_main!(benches);
