//! How long the first page of a search takes, from the question to rows that can be drawn. `TERN_BENCH_INDEX=FILE`
//! asks an index that is there, such as one of a million messages; without it 50,000 messages are made in a
//! temporary directory. The words can be chosen by `TERN_BENCH_RARE` and `TERN_BENCH_COMMON`.

#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a measurement that fails is to say so and stop; figures are printed"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use jiff::tz::TimeZone;
use tern::index::{Haste, Index, Writer};
use tern::job::files::{DirStamp, Listing};
use tern::job::index::{Grouping, ListSpec, SearchScope, Source};
use tern::job::listed::{ListedFile, ListedFiles};
use tern::mail::flags::{Flag, Flags};
use tern::mail::ids::{AccountId, Timestamp};
use tern::mail::mailbox::MailboxName;
use tern::mail::place::MailboxId;
use tern::query;

const MESSAGES: usize = 50_000;
/// As many rows as `tern search` prints and a screen shows.
const PAGE: usize = 50;
/// The second of the first message.
const BEGUN: usize = 1_600_000_000;

/// Makes a mailbox and its index below `root`; gives the index's file.
fn world(root: &Path) -> PathBuf {
    let directory = root.join("INBOX");
    for part in ["cur", "new", "tmp"] {
        fs::create_dir_all(directory.join(part)).expect("a directory");
    }
    let mut rng = fastrand::Rng::with_seed(4);
    let mut files = ListedFiles::default();
    for at in 0..MESSAGES {
        let flags = if rng.u8(..50) == 0 { Flags::none() } else { Flags::only(Flag::Seen) };
        let base = format!("{}.M{at}.host", BEGUN + at * 60);
        let info = format!(":2,{}", flags.letters());
        let name = format!("{base}{info}");
        fs::write(directory.join("cur").join(name), mail(&mut rng, at)).expect("a file");
        files.push(&ListedFile { base: &base, in_new: false, info: &info, flags });
    }
    let mailbox = MailboxId { account: AccountId::new("ada"), name: MailboxName::inbox() };
    let stamp = DirStamp { cur: 1, new: 1 };
    let listing = Listing { mailbox, stamp, complete: true, directory, tells: Flags::none(), files };
    let path = root.join("index.db");
    let mut writer = Writer::open(&path, &[]).expect("an index").with_haste(Haste::Everything);
    writer.reconcile(&Arc::new(listing)).expect("a listing taken in");
    while writer.advance().expect("a step").is_some() {}
    path
}

/// Words as a language has them: few are said often.
fn mail(rng: &mut fastrand::Rng, at: usize) -> String {
    let date = jiff::Timestamp::from_second(i64::try_from(BEGUN + at * 60).expect("a second")).expect("a date");
    let date = date.strftime("%a, %d %b %Y %H:%M:%S +0000");
    let word = |_| format!("w{} ", rng.usize(1..4000) * rng.usize(1..100) / 100);
    let mut text = (0..60).map(word).collect::<Vec<_>>().concat();
    if at.is_multiple_of(500) {
        text += "purple budget ";
    }
    let person = rng.usize(..500);
    let head = format!(
        "From: Person {person} <person{person}@example.org>\nTo: ada@example.org\nSubject: number {at}\nDate: {date}\n\
         Message-ID: <{at}@example.org>\nMIME-Version: 1.0\n"
    );
    if rng.u8(..8) > 0 {
        return format!("{head}\n{text}the end\n");
    }
    format!(
        "{head}Content-Type: multipart/mixed; boundary=b\n\n--b\n\n{text}the end\n--b\n\
         Content-Type: application/pdf; name=\"report.pdf\"\n\nA\n--b--\n"
    )
}

fn questions(c: &mut Criterion) {
    let root = tempfile::tempdir().expect("a temporary directory");
    let path = std::env::var_os("TERN_BENCH_INDEX").map_or_else(|| world(root.path()), PathBuf::from);
    let word = |name: &str, other: &str| std::env::var(name).unwrap_or_else(|_| other.to_owned());
    let (rare, common) = (word("TERN_BENCH_RARE", "purple"), word("TERN_BENCH_COMMON", "the"));
    let table = [
        ("rare word", rare.clone()),
        ("commonest word", common.clone()),
        ("phrase", "\"purple budget\"".to_owned()),
        ("from", "from:example".to_owned()),
        ("from, rare", "from:person7".to_owned()),
        ("date range", "date:2021..2024".to_owned()),
        ("attachment, unread", "has:attachment is:unread".to_owned()),
        ("beginning of a word", "bud*".to_owned()),
        ("beginning, two letters", "pu*".to_owned()),
        ("negation", format!("-{rare}")),
        ("negation of the commonest", format!("-{common}")),
        ("three words", format!("{common} {rare} budget")),
        ("words or properties", format!("{rare} or is:starred")),
    ];
    for (name, text) in table {
        let query = query::parse(&text, Timestamp::default(), &TimeZone::UTC).expect("a query");
        let list = ListSpec::new(Source::Search { query, scope: SearchScope::All }, Grouping::Flat);
        let mut times = Vec::new();
        // A new reader each time: an old one keeps what it found. Opening is not what is measured.
        c.bench_function(&format!("search, first page: {name}"), |b| {
            b.iter_custom(|rounds| {
                let mut all = Duration::ZERO;
                for _ in 0..rounds {
                    let mut index = Index::open(&path).expect("the index");
                    let begun = Instant::now();
                    std::hint::black_box(index.rows(&list, 0, PAGE, None).expect("rows"));
                    times.push(begun.elapsed());
                    all += begun.elapsed();
                }
                all
            });
        });
        times.sort();
        let p95 = times.get(times.len() * 95 / 100).copied().unwrap_or_default();
        eprintln!("  {name} ({text}): p95 {p95:?} of {} times", times.len());
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).measurement_time(Duration::from_secs(2));
    targets = questions
}
criterion_main!(benches);
