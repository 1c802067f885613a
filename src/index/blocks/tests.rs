//! Random changes, in tables and in a model of them: blocks count what the model counts, and every page and position
//! of a list by blocks is that of the model.

use std::collections::BTreeMap;

use super::*;
use crate::index::ordered::Ordered;
use crate::index::rows::folders;
use crate::index::schema::{self, Purpose};
use crate::job::index::{Grouping, ListSpec, Only, Order, SortBy, Source};
use crate::mail::ids::AccountId;
use crate::mail::mailbox::MailboxName;
use crate::mail::place::MailboxId;

const SMALL: Cut = Cut { rows: 3, short: 6 };
const WORDS: [&str; 5] = ["", "ada", "grace", "zoe", "\u{10ffff}"];

#[derive(Clone)]
struct Lies {
    flags: u8,
    who: &'static str,
    topic: &'static str,
    size: i64,
}

/// What the tables hold, written down a second time.
#[derive(Default)]
struct Model {
    /// By mailbox and message.
    places: BTreeMap<(i64, i64), Lies>,
    /// By mailbox and thread: the newest message, unread, flags.
    talks: BTreeMap<(i64, i64), (i64, i64, u8)>,
}

struct World {
    db: Connection,
    model: Model,
    rng: fastrand::Rng,
}

impl World {
    fn lies(&mut self) -> Lies {
        let rng = &mut self.rng;
        let mut word = || WORDS[rng.usize(..WORDS.len())];
        let (who, topic) = (word(), word());
        Lies { flags: rng.u8(..64), who, topic, size: rng.i64(0..4) }
    }

    /// A message of the first mailbox or of the second, which have none in common.
    fn some_place(&mut self) -> (i64, i64) {
        let message = self.rng.i64(-200..200);
        (1 + message.rem_euclid(2), message)
    }

    fn change_a_place(&mut self) {
        let (mailbox, message) = self.some_place();
        let known = self.model.places.contains_key(&(mailbox, message));
        let fresh = self.lies();
        match (known, self.rng.u8(..4)) {
            (false, _) => {
                let Lies { flags, who, topic, size } = &fresh;
                self.db
                    .execute(
                        "INSERT INTO places(mailbox, message, thread, name, in_new, info, flags, who, topic, size)
                         VALUES(?1, ?2, ?2, ?2, 0, '', ?3, ?4, ?5, ?6)",
                        params![mailbox, message, flags, who, topic, size],
                    )
                    .unwrap();
                self.model.places.insert((mailbox, message), fresh);
            }
            (true, 0) => {
                self.db.execute("DELETE FROM places WHERE mailbox = ?1 AND message = ?2", [mailbox, message]).unwrap();
                self.model.places.remove(&(mailbox, message));
            }
            (true, 1) => {
                let sql = "UPDATE places SET who = ?3 WHERE mailbox = ?1 AND message = ?2";
                self.db.execute(sql, params![mailbox, message, fresh.who]).unwrap();
                self.model.places.get_mut(&(mailbox, message)).unwrap().who = fresh.who;
            }
            (true, _) => {
                let sql = "UPDATE places SET flags = ?3 WHERE mailbox = ?1 AND message = ?2";
                self.db.execute(sql, params![mailbox, message, fresh.flags]).unwrap();
                self.model.places.get_mut(&(mailbox, message)).unwrap().flags = fresh.flags;
            }
        }
    }

    fn change_a_conversation(&mut self) {
        let (mailbox, thread) = (self.rng.i64(0..3), self.rng.i64(0..150));
        if self.rng.u8(..5) == 0 {
            self.db.execute("DELETE FROM conversations WHERE mailbox = ?1 AND thread = ?2", [mailbox, thread]).unwrap();
            self.model.talks.remove(&(mailbox, thread));
            return;
        }
        let (newest, unread, flags) = (thread + 150 * self.rng.i64(0..3), self.rng.i64(0..2), self.rng.u8(..64));
        self.db
            .execute(
                "INSERT INTO conversations(mailbox, thread, newest, messages, unread, flags, bits)
                 VALUES(?1, ?2, ?3, 1, ?4, ?5, 0) ON CONFLICT(mailbox, thread) DO UPDATE SET
                 newest = excluded.newest, unread = excluded.unread, flags = excluded.flags",
                params![mailbox, thread, newest, unread, flags],
            )
            .unwrap();
        self.model.talks.insert((mailbox, thread), (newest, unread, flags));
    }

    fn settle(&self) {
        for list in unsettled(&self.db, SMALL).unwrap() {
            settle(&self.db, list, SMALL).unwrap();
        }
        let open: Vec<_> = unsettled(&self.db, SMALL).unwrap().into_iter().collect();
        assert_eq!(open, [], "what was settled is settled");
    }

    /// Every block has as many rows as the model has between its border and the next one.
    fn check_counts(&self) {
        for kind in Kind::ALL {
            for mailbox in 0..3 {
                let spots = self.model.spots(kind, mailbox);
                let blocks = stored(&self.db, kind, mailbox).unwrap();
                for (at, block) in blocks.iter().enumerate() {
                    let until = blocks.get(at + 1).map(|next| &next.from);
                    let inside =
                        spots.iter().filter(|spot| **spot >= block.from && until.is_none_or(|until| *spot < until));
                    assert_eq!(inside.count(), block.count, "{kind:?} of {mailbox}: {block:?}");
                }
                let counted: usize = blocks.iter().map(|block| block.count).sum();
                assert!(blocks.is_empty() || counted == spots.len(), "{kind:?} of {mailbox}");
            }
        }
    }

    /// Every page and every position of a list, by blocks, is that of the model.
    fn check_list(&mut self, list: &ListSpec) {
        let folders = folders(&self.db).unwrap();
        let wanted = self.model.list(list);
        let ordered = Ordered::of(list, &folders).unwrap();
        assert_eq!(ordered.total(&self.db).unwrap(), wanted.len());
        for _ in 0..4 {
            let first = self.rng.usize(..=wanted.len());
            let page = ordered.stretch_beyond(&self.db, (first, 7), wanted.len(), 0).unwrap();
            let page: Vec<i64> = page.into_iter().map(|(row, _)| row).collect();
            let right: Vec<i64> = wanted.iter().skip(first).take(7).map(|(row, _)| *row).collect();
            assert_eq!(page, right, "{list:?} from {first} of {}", wanted.len());
        }
        for _ in 0..4.min(wanted.len()) {
            let at = self.rng.usize(..wanted.len());
            let found = ordered.position_beyond(&self.db, wanted[at].1, wanted.len(), 0).unwrap();
            assert_eq!(found, Some(at), "{list:?}, {:?}", wanted[at]);
        }
    }
}

impl Model {
    fn spots(&self, kind: Kind, mailbox: i64) -> Vec<Spot> {
        let letters = |word: &str| Key::Letters(word.to_owned());
        let talks = || self.talks.iter().filter(move |((list, _), _)| *list == mailbox);
        if !kind.is_of_messages() {
            let wanted = |unread: i64, flags: u8| match kind {
                Kind::UnreadTalks => unread > 0,
                Kind::StarredTalks => flags & 2 != 0,
                _ => true,
            };
            let mine = talks().filter(|(_, (_, unread, flags))| wanted(*unread, *flags));
            return mine.map(|(_, (newest, ..))| kind.spot(Key::Number(0), *newest)).collect();
        }
        let mine = self.places.iter().filter(|((list, _), lies)| {
            let wanted = match kind {
                Kind::Unread => lies.flags & 16 == 0,
                Kind::Starred => lies.flags & 2 != 0,
                _ => true,
            };
            *list == mailbox && wanted
        });
        mine.map(|((_, message), lies)| {
            let key = match kind {
                Kind::Who => letters(lies.who),
                Kind::Topic => letters(lies.topic),
                Kind::Size => Key::Number(lies.size),
                _ => Key::Number(0),
            };
            kind.spot(key, *message)
        })
        .collect()
    }

    /// The rows of a list, each with the message by which its position is asked.
    fn list(&self, list: &ListSpec) -> Vec<(i64, i64)> {
        let mailboxes = match &list.source {
            Source::Mailbox(mailbox) if mailbox.account.as_str() == "a" => vec![1],
            Source::Mailbox(_) => vec![2],
            Source::Unified if list.grouping == Grouping::Conversations => vec![0],
            _ => vec![1, 2],
        };
        let mut rows: Vec<(i64, i64)> = if list.grouping == Grouping::Conversations {
            let mine = self.talks.iter().filter(|((mailbox, _), (_, unread, flags))| {
                let wanted = match list.only {
                    Only::All => true,
                    Only::Unread => *unread > 0,
                    Only::Starred => flags & 2 != 0,
                };
                mailboxes.contains(mailbox) && wanted
            });
            let mut mine: Vec<_> = mine.map(|((_, thread), (newest, ..))| (*newest, *thread)).collect();
            mine.sort_by_key(|(newest, _)| std::cmp::Reverse(*newest));
            mine
        } else {
            let mine = self.places.iter().filter(|((mailbox, _), lies)| {
                let wanted = match list.only {
                    Only::All => true,
                    Only::Unread => lies.flags & 16 == 0,
                    Only::Starred => lies.flags & 2 != 0,
                };
                mailboxes.contains(mailbox) && wanted
            });
            let mut mine: Vec<_> = mine.map(|((_, message), lies)| (*message, lies)).collect();
            mine.sort_by(|(a, one), (b, other)| {
                let by = match list.order.by {
                    SortBy::Date => std::cmp::Ordering::Equal,
                    SortBy::From => one.who.cmp(other.who),
                    SortBy::Subject => one.topic.cmp(other.topic),
                    SortBy::Size => other.size.cmp(&one.size),
                };
                by.then(b.cmp(a))
            });
            mine.into_iter().map(|(message, _)| (message, message)).collect()
        };
        if list.order.reversed {
            rows.reverse();
        }
        rows
    }
}

fn lists() -> Vec<ListSpec> {
    let inbox = |account: &str| MailboxId { account: AccountId::new(account), name: MailboxName::inbox() };
    let sources = [Source::Mailbox(inbox("a")), Source::Mailbox(inbox("b")), Source::Unified];
    let sorts = [SortBy::Date, SortBy::From, SortBy::Subject, SortBy::Size];
    let mut lists = Vec::new();
    for source in sources {
        for only in [Only::All, Only::Unread, Only::Starred] {
            for (by, reversed) in sorts.into_iter().flat_map(|by| [(by, false), (by, true)]) {
                let order = Order { by, reversed };
                lists.push(ListSpec { only, order, ..ListSpec::new(source.clone(), Grouping::Flat) });
                if by == SortBy::Date {
                    lists.push(ListSpec { only, order, ..ListSpec::new(source.clone(), Grouping::Conversations) });
                }
            }
        }
    }
    lists
}

#[test]
fn whatever_comes_and_goes_blocks_tell_positions_as_a_recount_does() {
    for seed in 0..3 {
        let directory = tempfile::tempdir().unwrap();
        let db = schema::open(&directory.path().join("index.db"), Purpose::Writing).unwrap();
        db.execute_batch(&format!(
            "PRAGMA synchronous = off; {}
             INSERT INTO mailboxes(id, account, name, inbox) VALUES(1, 'a', 'INBOX', 1), (2, 'b', 'INBOX', 1);
             WITH RECURSIVE n(i) AS (SELECT -200 UNION ALL SELECT i + 1 FROM n WHERE i < 200)
             INSERT INTO messages(id, thread, digest, size, bits, indexed, sender, author, recipients, subject, parents)
             SELECT i, i, 0, 0, 0, 1, '', '', '', '', x'' FROM n;",
            schema::SORTS
        ))
        .unwrap();
        let mut world = World { db, model: Model::default(), rng: fastrand::Rng::with_seed(seed) };
        let lists = lists();
        for round in 0..5 {
            world.db.execute_batch("BEGIN").unwrap();
            for _ in 0..90 {
                world.change_a_place();
                world.change_a_conversation();
            }
            world.db.execute_batch("COMMIT").unwrap();
            if world.rng.bool() || round == 2 {
                world.settle();
            }
            world.check_counts();
            for _ in 0..lists.len() / 2 {
                let list = world.rng.usize(..lists.len());
                world.check_list(&lists[list]);
            }
        }
        let blocks: i64 = world.db.query_row("SELECT count(*) FROM blocks", [], |row| row.get(0)).unwrap();
        assert!(blocks > 50, "there was something to test: {blocks}");
        world.db.execute("DELETE FROM places WHERE mailbox = 1", []).unwrap();
        world.model.places.retain(|(mailbox, _), _| *mailbox != 1);
        world.check_counts();
        world.settle();
        assert_eq!(stored(&world.db, Kind::Date, 1).unwrap(), [], "a list that became short has none");
    }
}

#[test]
fn a_block_is_found_and_read_by_its_index_alone() {
    let directory = tempfile::tempdir().unwrap();
    let db = schema::open(&directory.path().join("index.db"), Purpose::Writing).unwrap();
    db.execute_batch(schema::SORTS).unwrap();
    for kind in Kind::ALL {
        let somewhere = Spot { key: Key::Letters("k".to_owned()), turn: 5 };
        for from in [Spot::lowest(), somewhere] {
            let sql = format!("EXPLAIN QUERY PLAN {} LIMIT 1 OFFSET ?3", ordered(kind, 1, &from));
            let mut plan = db.prepare(&sql).unwrap();
            let lines = plan.query_map(params!["k", 5, 1], |row| row.get::<_, String>(3)).unwrap();
            let plan = lines.map(Result::unwrap).collect::<Vec<_>>().join("\n");
            assert!(!plan.contains("TEMP B-TREE"), "{sql}\n{plan}");
            assert!(kind.filter("") != "1" || plan.contains("COVERING INDEX"), "{sql}\n{plan}");
        }
    }
    let step = "EXPLAIN QUERY PLAN SELECT key, turn FROM blocks WHERE mailbox = ?1 AND kind = ?2
                AND (key, turn) <= (?3, ?4) ORDER BY key DESC, turn DESC LIMIT 1";
    let plan: String = db.query_row(step, params![1, 3, "k", 5], |row| row.get(3)).unwrap();
    assert!(plan.contains("(key,turn)<"), "{plan}");
}
