//! Random histories: whatever was told, untold, half taken in or cut off, lists and counts end as a
//! recount of the disk says.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use proptest::prelude::*;
use tern::index::Index;
use tern::job::index::{Direction, Grouping, ListSpec, Only, Order, Row, SearchScope, SortBy, Source};
use tern::mail::flags::{Flag, Flags};
use tern::mail::mailbox::Role;
use tern::mail::place::MailboxId;
use tern::query::Query;

use super::disk::*;

/// Mails of a few conversations; each names the first of its own, so that what is left of a
/// conversation hangs together whatever was deleted.
fn pool() -> Vec<(String, usize)> {
    let mut mails = Vec::new();
    for n in 0..24_usize {
        let thread = n % 5;
        let id = if n % 7 == 6 { String::new() } else { format!("{n}@pool") };
        let root = format!("{thread}@pool");
        let refs: Vec<&str> = if n < 5 { vec![] } else { vec![root.as_str()] };
        let seconds = i64::try_from(n).unwrap() * 60 % 500;
        let mark = ["", "Re: ", "[list] "][n % 3];
        let mail = mail(&id, &refs, seconds, &format!("{mark}mail {n}"), &"text ".repeat(n * 7 % 10));
        let mail = mail.replacen("Grace Hopper", AUTHORS[n % 4], 1).replacen(
            "To: Ada",
            &format!("To: {}", RECIPIENTS[n % 2]),
            1,
        );
        mails.push((mail, thread));
    }
    mails
}

/// Not in the order of the alphabet, and not in that of their bytes.
const AUTHORS: [&str; 4] = ["Zoe", "=?utf-8?q?=C3=89mile?=", "ada", "Adam"];
const AUTHORS_RANK: [usize; 4] = [3, 2, 0, 1];
const RECIPIENTS: [&str; 2] = ["eve", "Bob"];
const RECIPIENTS_RANK: [usize; 2] = [1, 0];

fn mailboxes() -> [MailboxId; 4] {
    [mailbox("home", "INBOX"), mailbox("home", "Archive"), mailbox("work", "INBOX"), mailbox("work", "Sent")]
}

#[derive(Debug, Clone)]
enum Act {
    Deliver(usize, usize, u8),
    Flag(usize, u8),
    Carry(usize, usize),
    Delete(usize),
    /// The next acts are not told to the index.
    Silence(bool),
    List(usize, bool),
    Advance,
    Restart,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => (0..4_usize, 0..24_usize, 0..64_u8).prop_map(|(mailbox, mail, flags)| Act::Deliver(mailbox, mail, flags)),
        3 => (0..100_usize, 0..64_u8).prop_map(|(file, flags)| Act::Flag(file, flags)),
        3 => (0..100_usize, 0..4_usize).prop_map(|(file, mailbox)| Act::Carry(file, mailbox)),
        2 => (0..100_usize).prop_map(Act::Delete),
        1 => any::<bool>().prop_map(Act::Silence),
        1 => (0..4_usize, any::<bool>()).prop_map(|(mailbox, complete)| Act::List(mailbox, complete)),
        1 => Just(Act::Advance),
        1 => Just(Act::Restart),
    ]
}

/// Lives through a history and gives back the disk at its end, with all of it listed.
fn live(acts: &[Act]) -> Disk {
    let (mails, places) = (pool(), mailboxes());
    let mut disk = Disk::new();
    let mut writer = disk.writer();
    let mut silent = false;
    for act in acts {
        let pick = |disk: &Disk, file: usize| disk.files.keys().copied().nth(file % disk.files.len().max(1));
        let told = match act {
            Act::Deliver(mailbox, mail, flags) => {
                disk.deliver(&places[*mailbox], *mail, &mails[*mail].0, &Flags::from_bits(*flags))
            }
            Act::Flag(file, flags) => {
                pick(&disk, *file).map(|n| disk.flag(n, &Flags::from_bits(*flags))).unwrap_or_default()
            }
            Act::Carry(file, mailbox) => match pick(&disk, *file) {
                Some(n) if disk.files[&n].mailbox != places[*mailbox] => disk.carry(n, &places[*mailbox]),
                _ => Vec::new(),
            },
            Act::Delete(file) => pick(&disk, *file).map(|n| disk.delete(n)).unwrap_or_default(),
            Act::Silence(now) => {
                silent = *now;
                Vec::new()
            }
            Act::List(mailbox, complete) => {
                writer.reconcile(&disk.listing(&places[*mailbox], *complete)).unwrap();
                Vec::new()
            }
            Act::Advance => {
                writer.advance().unwrap();
                Vec::new()
            }
            Act::Restart => {
                drop(writer);
                writer = disk.writer();
                Vec::new()
            }
        };
        if !silent {
            tell(&mut writer, &told);
        }
    }
    for mailbox in &places {
        writer.reconcile(&disk.listing(mailbox, true)).unwrap();
    }
    settle(&mut writer);
    assert_eq!(writer.pending(), 0);
    if acts.len().is_multiple_of(2) {
        writer.tidy();
        while writer.merge() {}
    }
    disk
}

/// Of a list: subject, date, unread, flags of each row.
type Shown = Vec<(String, u32, u32, u8)>;

fn shown(index: &mut Index, list: &ListSpec) -> Shown {
    let window = index.rows(list, 0, 1000, None).unwrap();
    assert_eq!(window.total, window.rows.len());
    if list.order == Order::default() {
        assert!(window.rows.windows(2).all(|pair| pair[0].message > pair[1].message));
    }
    let number = |row: &Row| row.subject.as_str().rsplit(' ').next().unwrap().to_owned();
    let mut rows: Shown =
        window.rows.iter().map(|row| (number(row), row.messages, row.unread, row.flags.bits())).collect();
    // Several copies in one mailbox share a date.
    rows.sort();
    rows
}

/// Every order, and every part of a list.
fn arrangements() -> impl Iterator<Item = (Only, Order)> {
    let sorts = [SortBy::Date, SortBy::From, SortBy::Subject, SortBy::Size];
    let orders = sorts.into_iter().flat_map(|by| [false, true].map(|reversed| Order { by, reversed }));
    orders.flat_map(|order| [Only::All, Only::Unread, Only::Starred].map(|only| (only, order)))
}

fn is_in(file: &Lying, only: Only) -> bool {
    match only {
        Only::All => true,
        Only::Unread => !file.flags.has(Flag::Seen),
        Only::Starred => file.flags.has(Flag::Flagged),
    }
}

/// The mails of some files as a list has to show them: numbers of mails.
fn in_order(files: &[&Lying], only: Only, order: Order) -> Vec<usize> {
    let mails = pool();
    let mut mine: Vec<&Lying> = files.iter().copied().filter(|file| is_in(file, only)).collect();
    mine.sort_by(|a, b| {
        let date = |file: &Lying| file.mail * 60 % 500;
        let who = |file: &Lying| match file.mailbox.name.as_str() {
            "Sent" => RECIPIENTS_RANK[file.mail % 2],
            _ => AUTHORS_RANK[file.mail % 4],
        };
        let by = match order.by {
            SortBy::Date => Ordering::Equal,
            SortBy::From => who(a).cmp(&who(b)),
            SortBy::Subject => a.mail.to_string().cmp(&b.mail.to_string()),
            SortBy::Size => mails[b.mail].0.len().cmp(&mails[a.mail].0.len()),
        };
        by.then(date(b).cmp(&date(a)))
    });
    if order.reversed {
        mine.reverse();
    }
    mine.iter().map(|file| file.mail).collect()
}

/// Looks at a list from all sides: whole, by pages, around each of some rows, and for what is unread next.
fn look(index: &mut Index, list: &ListSpec, wanted: &[usize]) {
    let whole = index.rows(list, 0, 1000, None).unwrap();
    let number = |row: &Row| row.subject.as_str().rsplit(' ').next().unwrap().parse::<usize>().unwrap();
    assert_eq!(whole.rows.iter().map(number).collect::<Vec<_>>(), wanted, "{list:?}");
    assert_eq!(whole.total, wanted.len());
    let rows = &whole.rows;
    for first in [rows.len() / 3, rows.len() * 2 / 3] {
        let page = index.rows(list, first, 3, None).unwrap();
        assert_eq!(page.rows, rows.iter().skip(first).take(3).cloned().collect::<Vec<_>>(), "{list:?} from {first}");
    }
    for at in [0, rows.len() / 2, rows.len().saturating_sub(1)] {
        let Some(row) = rows.get(at) else { continue };
        assert_eq!(index.rows(list, 0, 3, Some(row.message)).unwrap().anchor, Some(at), "{list:?}");
        let mut behind = rows.iter().skip(at + 1);
        let next = behind.find(|row| row.unread > 0).map(|row| (row.mailbox.clone(), row.message));
        assert_eq!(index.next_unread(list, Some(row.message), Direction::Next, &[]).unwrap(), next, "{list:?} {at}");
        let mut before = rows.iter().take(at).rev();
        let previous = before.find(|row| row.unread > 0).map(|row| (row.mailbox.clone(), row.message));
        assert_eq!(
            index.next_unread(list, Some(row.message), Direction::Previous, &[]).unwrap(),
            previous,
            "{list:?} {at}"
        );
    }
}

/// Conversations go by date, either way; what is left of them has a message that is unread or starred.
fn look_at_conversations(index: &mut Index, source: &Source, all: &Shown) {
    for only in [Only::All, Only::Unread, Only::Starred] {
        let left = |row: &&(String, u32, u32, u8)| match only {
            Only::All => true,
            Only::Unread => row.2 > 0,
            Only::Starred => Flags::from_bits(row.3).has(Flag::Flagged),
        };
        let wanted: Shown = all.iter().filter(left).cloned().collect();
        let list = ListSpec { only, ..ListSpec::new(source.clone(), Grouping::Conversations) };
        assert_eq!(shown(index, &list), wanted, "{list:?}");
        let turned = ListSpec { order: Order { reversed: true, ..Order::default() }, ..list.clone() };
        let mut rows = index.rows(&turned, 0, 1000, None).unwrap().rows;
        rows.reverse();
        assert_eq!(index.rows(&list, 0, 1000, None).unwrap().rows, rows);
        for (at, row) in rows.iter().enumerate() {
            assert_eq!(index.rows(&list, 0, 2, Some(row.message)).unwrap().anchor, Some(at));
        }
    }
}

fn recount(files: &[&Lying], grouping: Grouping) -> Shown {
    let mails = pool();
    let mut groups: BTreeMap<(usize, usize), Vec<&Lying>> = BTreeMap::new();
    for (at, file) in files.iter().enumerate() {
        let key = if grouping == Grouping::Conversations { (mails[file.mail].1, 0) } else { (at, 1) };
        groups.entry(key).or_default().push(file);
    }
    let seen = Flag::Seen;
    let mut rows: Shown = Vec::new();
    for group in groups.values() {
        let newest = group.iter().max_by_key(|file| file.mail * 60 % 500).unwrap();
        let any = group.iter().fold(Flags::none(), |all, file| all.union(&file.flags)).without(seen);
        let all_seen = group.iter().all(|file| file.flags.has(seen));
        let flags = if all_seen { any.with(seen) } else { any };
        let unread = group.iter().filter(|file| !file.flags.has(seen)).count();
        let count = |n: usize| u32::try_from(n).unwrap();
        rows.push((newest.mail.to_string(), count(group.len()), count(unread), flags.bits()));
    }
    rows.sort();
    rows
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn lists_and_counts_equal_a_recount(acts in proptest::collection::vec(act(), 1..60)) {
        let disk = live(&acts);
        let mut index = disk.reader();
        let counts: BTreeMap<MailboxId, (u64, u64)> =
            index.mailboxes().unwrap().into_iter().map(|row| (row.mailbox, (row.total, row.unread))).collect();
        for mailbox in mailboxes() {
            let files: Vec<&Lying> = disk.files.values().filter(|file| file.mailbox == mailbox).collect();
            let unread = files.iter().filter(|file| !file.flags.has(Flag::Seen)).count();
            prop_assert_eq!(counts[&mailbox], (files.len() as u64, unread as u64), "{:?}", mailbox);
            for grouping in [Grouping::Flat, Grouping::Conversations] {
                let list = ListSpec::new(Source::Mailbox(mailbox.clone()), grouping);
                prop_assert_eq!(shown(&mut index, &list), recount(&files, grouping));
            }
            for (only, order) in arrangements() {
                let source = Source::Mailbox(mailbox.clone());
                let list = ListSpec { only, order, ..ListSpec::new(source, Grouping::Flat) };
                look(&mut index, &list, &in_order(&files, only, order));
            }
            // What a search finds is sorted once all of it is known.
            for (_, order) in arrangements().filter(|(only, _)| *only == Only::All) {
                let source =
                    Source::Search { query: Query::everything(), scope: SearchScope::Mailbox(mailbox.clone()) };
                let list = ListSpec { order, ..ListSpec::new(source, Grouping::Flat) };
                look(&mut index, &list, &in_order(&files, Only::All, order));
            }
            let all = recount(&files, Grouping::Conversations);
            look_at_conversations(&mut index, &Source::Mailbox(mailbox), &all);
        }
        let files: Vec<&Lying> = disk.files.values().filter(|file| file.mailbox.name.is_inbox()).collect();
        for grouping in [Grouping::Flat, Grouping::Conversations] {
            let list = ListSpec::new(Source::Unified, grouping);
            prop_assert_eq!(shown(&mut index, &list), recount(&files, grouping));
        }
        for (only, order) in arrangements() {
            let list = ListSpec { only, order, ..ListSpec::new(Source::Unified, Grouping::Flat) };
            look(&mut index, &list, &in_order(&files, only, order));
        }
        look_at_conversations(&mut index, &Source::Unified, &recount(&files, Grouping::Conversations));
    }
}

#[test]
fn a_folder_that_becomes_that_of_sent_mail_is_sorted_by_recipients() {
    let mut disk = Disk::new();
    let (raus, other) = (mailbox("home", "Raus"), mailbox("home", "Work"));
    let mut writer = disk.writer();
    for n in 0..8 {
        let told = disk.deliver(&raus, n, &pool()[n].0, &Flags::none());
        tell(&mut writer, &told);
    }
    settle(&mut writer);
    let order = Order { by: SortBy::From, reversed: false };
    let list = ListSpec { order, ..ListSpec::new(Source::Mailbox(raus.clone()), Grouping::Flat) };
    let who = |disk: &Disk| {
        let rows = disk.reader().rows(&list, 0, 100, None).unwrap().rows;
        rows.iter().map(|row| row.who.to_string()).collect::<Vec<_>>()
    };
    for role in [None, Some(Role::Sent), Some(Role::Archive)] {
        writer.folders(&raus.account, &[(raus.clone(), role), (other.clone(), Some(Role::Junk))]).unwrap();
        let wanted = match role {
            Some(Role::Sent) => ["To: Bob"; 4].into_iter().chain(["To: eve"; 4]).collect::<Vec<_>>(),
            _ => vec!["ada", "ada", "Adam", "Adam", "Émile", "Émile", "Zoe", "Zoe"],
        };
        assert_eq!(who(&disk), wanted, "{role:?}");
    }
}
