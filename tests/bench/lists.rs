//! How long a list of a million rows takes to be shown anywhere: its first page after the index was opened, the last
//! one, the middle, another order, a row found again. The index is made in a temporary directory, without files,
//! which takes a minute or two; `TERN_BENCH_ROWS` says how many rows, `TERN_BENCH_INDEX=FILE` asks one that is there
//! about its largest mailbox.

#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a measurement that fails is to say so and stop; figures are printed"
)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use tern::index::{Index, Writer};
use tern::job::index::{Grouping, ListSpec, Only, Order, SortBy, Source};
use tern::mail::ids::{AccountId, RowId};
use tern::mail::mailbox::MailboxName;
use tern::mail::place::MailboxId;

/// As many rows as a big screen asks for.
const WINDOW: usize = 288;
const ROWS: usize = 1_000_000;

/// Writes rows of an INBOX into an empty index, as its writer would: each third message begins a conversation, each
/// fifth is unread, senders and subjects are many.
fn world(path: &Path, rows: usize) {
    let inbox = MailboxId { account: AccountId::new("ada"), name: MailboxName::inbox() };
    let mut writer = Writer::open(path, &[]).expect("an index");
    writer.folders(&inbox.account, &[(inbox.clone(), None)]).expect("a mailbox");
    drop(writer);
    let db = rusqlite::Connection::open(path).expect("the file");
    db.execute_batch(&format!(
        "PRAGMA synchronous = off;
         BEGIN;
         CREATE TEMP TABLE n(i INTEGER PRIMARY KEY, date INTEGER, thread INTEGER, word TEXT);
         WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {rows} - 1)
         INSERT INTO temp.n SELECT i, (1300000000 + i * 300) << 20, (1300000000 + (i - i % 3) * 300) << 20,
                              substr(hex(i * 2654435761 % 4294967296), 1, 6) FROM n;
         INSERT INTO messages(id, thread, key, message_id, digest, size, bits, indexed, sender, author, recipients,
                              subject, parents)
         SELECT date, thread, i, i || '@example.org', i, 1000 + i % 30011, 0, 1, 'p' || (i % 5003), 'Person ' || (i % 5003),
                'Ada', 'Subject ' || word, x'' FROM temp.n;
         INSERT INTO places(mailbox, message, thread, name, in_new, info, flags, who, topic, size)
         SELECT 1, date, thread, i || '.M.host', 0, ':2,S', CASE WHEN i % 5 THEN 16 ELSE 0 END + (i % 97 = 0) * 2,
                'person ' || (i % 5003), 'subject ' || word, 1000 + i % 30011 FROM temp.n;
         INSERT INTO conversations(mailbox, thread, newest, messages, unread, flags, bits)
         SELECT 1, thread, max(date), count(*), sum(i % 5 = 0), 16, 0 FROM temp.n GROUP BY thread;
         INSERT INTO conversations SELECT 0, thread, newest, messages, unread, flags, bits FROM conversations;
         COMMIT;"
    ))
    .expect("rows");
    drop(db);
    Writer::open(path, &[]).expect("the index").tidy();
}

fn questions(c: &mut Criterion) {
    let root = tempfile::tempdir().expect("a temporary directory");
    let rows = std::env::var("TERN_BENCH_ROWS").ok().and_then(|rows| rows.parse().ok()).unwrap_or(ROWS);
    let path = std::env::var_os("TERN_BENCH_INDEX").map_or_else(
        || {
            let path = root.path().join("index.db");
            world(&path, rows);
            path
        },
        PathBuf::from,
    );
    let mut index = Index::open(&path).expect("the index");
    let mailboxes = index.mailboxes().expect("mailboxes");
    let largest = mailboxes.iter().max_by_key(|row| row.total).expect("a mailbox");
    let source = Source::Mailbox(largest.mailbox.clone());
    eprintln!("{} rows in {:?}", largest.total, largest.mailbox);
    c.bench_function("open, all mailboxes, first page", |b| {
        let list = ListSpec::new(source.clone(), Grouping::Conversations);
        b.iter(|| {
            let mut index = Index::open(&path).expect("the index");
            (index.mailboxes().expect("mailboxes"), index.rows(&list, 0, WINDOW, None).expect("rows"))
        });
    });
    let sorts = [SortBy::Date, SortBy::From, SortBy::Subject, SortBy::Size];
    let mut lists = Vec::new();
    for source in [source, Source::Unified] {
        let flat = ListSpec::new(source.clone(), Grouping::Flat);
        lists.extend(sorts.map(|by| ListSpec { order: Order { by, reversed: by == SortBy::Subject }, ..flat.clone() }));
        lists.push(ListSpec { only: Only::Unread, ..flat });
        lists.push(ListSpec::new(source, Grouping::Conversations));
    }
    for list in lists {
        let of = match list.source {
            Source::Unified => "all inboxes",
            Source::Mailbox(_) | Source::Search { .. } => "mailbox",
        };
        let name = format!("{of}, {:?}, {:?}, {:?}", list.grouping, list.only, list.order.by);
        let total = index.rows(&list, 0, 1, None).expect("a row").total;
        let row = |index: &mut Index, at: usize| -> RowId {
            index.rows(&list, at, 1, None).expect("a row").rows.first().expect("a row").message
        };
        let middle = row(&mut index, total / 2);
        for (what, first, anchor) in [
            ("first page", 0, None),
            ("last page", total.saturating_sub(WINDOW), None),
            ("middle", total / 2, None),
            ("two thirds", total / 3 * 2, None),
            ("a row in the middle", total / 2, Some(middle)),
        ] {
            c.bench_function(&format!("{name}: {what}"), |b| {
                b.iter(|| index.rows(&list, first, WINDOW, anchor).expect("rows"));
            });
        }
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10).warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    targets = questions
}
criterion_main!(benches);
