//! Random histories: whatever was told, untold, half taken in or cut off, lists and counts end as a
//! recount of the disk says.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tern::index::Index;
use tern::job::index::{Grouping, ListSpec, Source};
use tern::mail::flags::{Flag, Flags};
use tern::mail::place::MailboxId;

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
        mails.push((mail(&id, &refs, seconds, &format!("mail {n}"), "text"), thread));
    }
    mails
}

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
    disk
}

/// Of a list: subject, date, unread, flags of each row.
type Shown = Vec<(String, u32, u32, u8)>;

fn shown(index: &mut Index, list: &ListSpec) -> Shown {
    let window = index.rows(list, 0, 1000, None).unwrap();
    assert_eq!(window.total, window.rows.len());
    assert!(window.rows.windows(2).all(|pair| pair[0].message > pair[1].message));
    let mut rows: Shown =
        window.rows.iter().map(|row| (row.subject.to_string(), row.messages, row.unread, row.flags.bits())).collect();
    // Several copies in one mailbox share a date.
    rows.sort();
    rows
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
        rows.push((format!("mail {}", newest.mail), count(group.len()), count(unread), flags.bits()));
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
                let list = ListSpec { source: Source::Mailbox(mailbox.clone()), grouping };
                prop_assert_eq!(shown(&mut index, &list), recount(&files, grouping));
            }
        }
        let files: Vec<&Lying> = disk.files.values().filter(|file| file.mailbox.name.is_inbox()).collect();
        for grouping in [Grouping::Flat, Grouping::Conversations] {
            let list = ListSpec { source: Source::Unified, grouping };
            prop_assert_eq!(shown(&mut index, &list), recount(&files, grouping));
        }
    }
}
