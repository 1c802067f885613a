//! Counted blocks: where in a long list a position is, and at which position a row. A list is cut into stretches of
//! some hundred rows, and how many rows are in each is kept beside it, by triggers and so in the transaction of
//! every change, whoever makes it. A position is then a sum of counts and a step within one block, however long the
//! list is. Blocks that grew too large are divided, and those that became small joined, when the writer has nothing
//! else to do: that changes what a question costs, never its answer. Short lists have none.

use std::collections::BTreeSet;

use rusqlite::types::{ToSql, ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, OptionalExtension as _, Result, Row, params};

use super::rows::size;

/// How blocks are cut.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cut {
    /// How many rows a block has when it is made.
    pub(super) rows: usize,
    /// Up to so many rows a list has no blocks.
    pub(super) short: usize,
}

/// What a step within a block costs is less than what a page does.
pub(super) const CUT: Cut = Cut { rows: 512, short: 2048 };

/// An order of a mailbox that has blocks: what it is made of, always read from its smallest row to its largest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(i64)]
pub(super) enum Kind {
    /// Messages by date.
    Date = 0,
    /// What is unread of them.
    Unread = 1,
    /// What is starred of them.
    Starred = 2,
    /// Messages by who they are from, or to.
    Who = 3,
    /// Messages by subject.
    Topic = 4,
    /// Messages by size.
    Size = 5,
    /// Conversations by their newest message.
    Talks = 6,
    /// Those with something unread.
    UnreadTalks = 7,
    /// Those with something starred.
    StarredTalks = 8,
}

impl Kind {
    const ALL: [Self; 9] = [
        Self::Date,
        Self::Unread,
        Self::Starred,
        Self::Who,
        Self::Topic,
        Self::Size,
        Self::Talks,
        Self::UnreadTalks,
        Self::StarredTalks,
    ];

    /// The table of its rows, and the SQL index that has them in order.
    fn home(self) -> (&'static str, &'static str) {
        match self {
            Self::Date => ("places", "place_list"),
            Self::Unread => ("places", "place_unread"),
            Self::Starred => ("places", "place_starred_here"),
            Self::Who => ("places", "place_who"),
            Self::Topic => ("places", "place_topic"),
            Self::Size => ("places", "place_size"),
            Self::Talks => ("conversations", "conversation_list"),
            Self::UnreadTalks => ("conversations", "conversation_unread"),
            Self::StarredTalks => ("conversations", "conversation_starred"),
        }
    }

    /// The SQL index that has its rows in order.
    pub(super) fn index(self) -> &'static str {
        self.home().1
    }

    fn is_of_messages(self) -> bool {
        self.home().0 == "places"
    }

    /// Which rows of the table belong to it; `row` is nothing, `OLD.` or `NEW.`.
    fn filter(self, row: &str) -> String {
        match self {
            Self::Date | Self::Who | Self::Topic | Self::Size | Self::Talks => "1".to_owned(),
            Self::Unread => format!("{row}flags & 16 = 0"),
            Self::UnreadTalks => format!("{row}unread > 0"),
            Self::Starred | Self::StarredTalks => format!("{row}flags & 2 <> 0"),
        }
    }

    /// What a row is sorted by: a key, and what tells rows of one key apart.
    fn columns(self) -> (&'static str, &'static str) {
        match self {
            Self::Date | Self::Unread | Self::Starred => ("0", "message"),
            Self::Who => ("who", "message"),
            Self::Topic => ("topic", "message"),
            Self::Size => ("size", "message"),
            Self::Talks | Self::UnreadTalks | Self::StarredTalks => ("0", "newest"),
        }
    }

    /// How the second of them becomes a number that grows: of what has the same letters, the newest is first.
    fn sign(self) -> &'static str {
        if matches!(self, Self::Who | Self::Topic) { "-" } else { "+" }
    }

    /// The terms of `ORDER BY` where these are the columns.
    fn terms(self) -> &'static str {
        match self {
            Self::Who | Self::Topic => "1, 2 DESC",
            Self::Size => "1, 2",
            Self::Date | Self::Unread | Self::Starred | Self::Talks | Self::UnreadTalks | Self::StarredTalks => "2",
        }
    }

    /// The column of `mailboxes` that says how many rows there are.
    fn count(self) -> &'static str {
        match self {
            Self::Date | Self::Who | Self::Topic | Self::Size => "total",
            Self::Unread => "unread",
            Self::Starred => "starred",
            Self::Talks => "conversations",
            Self::UnreadTalks => "unread_conversations",
            Self::StarredTalks => "starred_conversations",
        }
    }

    /// Where a row stands, by its key and what tells it apart.
    pub(super) fn spot(self, key: Key, last: i64) -> Spot {
        Spot { key, turn: if self.sign() == "-" { -last } else { last } }
    }

    fn number(self) -> i64 {
        self as i64
    }

    /// The rows of a mailbox from a place on: parts that have nothing in common, each a stretch of the index.
    /// The key is `?1`, the number within it `?2`.
    fn from(self, mailbox: i64, start: &Spot) -> Vec<String> {
        let (table, index) = self.home();
        let from = format!("FROM {table} INDEXED BY {index} WHERE mailbox = {mailbox} AND {}", self.filter(""));
        if start.is_lowest() {
            return vec![from];
        }
        match self {
            Self::Date | Self::Unread | Self::Starred => vec![format!("{from} AND message >= ?2")],
            Self::Talks | Self::UnreadTalks | Self::StarredTalks => vec![format!("{from} AND newest >= ?2")],
            Self::Who => vec![format!("{from} AND who = ?1 AND message <= -?2"), format!("{from} AND who > ?1")],
            Self::Topic => vec![format!("{from} AND topic = ?1 AND message <= -?2"), format!("{from} AND topic > ?1")],
            Self::Size => vec![format!("{from} AND size = ?1 AND message >= ?2"), format!("{from} AND size > ?1")],
        }
    }
}

/// A key of an order: nothing (zero) where it goes by date, a size, or letters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Number(i64),
    Letters(String),
}

impl Key {
    pub(super) fn of(value: ValueRef<'_>) -> Result<Self> {
        Ok(match value {
            ValueRef::Text(_) => Self::Letters(value.as_str()?.to_owned()),
            ValueRef::Null => Self::Number(0),
            number => Self::Number(number.as_i64()?),
        })
    }
}

impl ToSql for Key {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
        match self {
            Self::Number(number) => Ok(ToSqlOutput::Owned(Value::Integer(*number))),
            Self::Letters(letters) => Ok(ToSqlOutput::Borrowed(ValueRef::Text(letters.as_bytes()))),
        }
    }
}

/// A place in an order, whether there is a row or not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Spot {
    pub(super) key: Key,
    pub(super) turn: i64,
}

impl Spot {
    /// Before every row: numbers come before letters.
    fn lowest() -> Self {
        Self { key: Key::Number(0), turn: i64::MIN }
    }

    pub(super) fn is_lowest(&self) -> bool {
        self.turn == i64::MIN
    }
}

/// A stretch of an order: its rows, from this place up to the next block.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Block {
    from: Spot,
    count: usize,
}

/// Where a stretch of a list is read from: no row before that place is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Start {
    pub(super) from: Spot,
    /// How many rows of the list are before it.
    pub(super) rank: usize,
}

/// The triggers that keep the counts of all blocks, for a connection that writes. What a place is sorted by never changes, but for who a row says.
pub(super) fn triggers() -> String {
    let step = |kind: Kind, row: &str, change: &str| {
        let ((key, last), sign) = (kind.columns(), kind.sign());
        let key = if key == "0" { key.to_owned() } else { format!("+{row}{key}") };
        let (filter, number) = (kind.filter(row), kind.number());
        // A column of its own type could not be looked up in one of any type, hence the sign that does nothing.
        format!(
            "UPDATE blocks SET count = count {change} 1 WHERE {filter} AND mailbox = {row}mailbox AND kind = {number}
             AND (key, turn) = (SELECT key, turn FROM blocks WHERE mailbox = {row}mailbox AND kind = {number}
                                AND (key, turn) <= ({key}, {sign}{row}{last}) ORDER BY key DESC, turn DESC LIMIT 1);\n"
        )
    };
    let all = |kinds: &[Kind], row: &str, change: &str| -> String {
        kinds.iter().map(|kind| step(*kind, row, change)).collect()
    };
    let (messages, talks): (Vec<Kind>, Vec<Kind>) = Kind::ALL.iter().partition(|kind| kind.is_of_messages());
    let marked = [Kind::Unread, Kind::Starred];
    let (came, went) = (|kinds: &[Kind]| all(kinds, "NEW.", "+"), |kinds: &[Kind]| all(kinds, "OLD.", "-"));
    [
        ("place_came", "AFTER INSERT ON main.places", came(&messages)),
        ("place_went", "AFTER DELETE ON main.places", went(&messages)),
        (
            "place_marked",
            "AFTER UPDATE OF flags ON main.places WHEN (OLD.flags & 18) <> (NEW.flags & 18)",
            went(&marked) + &came(&marked),
        ),
        (
            "place_renamed",
            "AFTER UPDATE OF who ON main.places WHEN OLD.who <> NEW.who",
            went(&[Kind::Who]) + &came(&[Kind::Who]),
        ),
        ("talk_came", "AFTER INSERT ON main.conversations", came(&talks)),
        ("talk_went", "AFTER DELETE ON main.conversations", went(&talks)),
        (
            "talk_moved",
            "AFTER UPDATE OF newest, unread, flags ON main.conversations WHEN OLD.newest <> NEW.newest
             OR (OLD.unread > 0) <> (NEW.unread > 0) OR (OLD.flags & 2) <> (NEW.flags & 2)",
            went(&talks) + &came(&talks),
        ),
        ("mailbox_went", "AFTER DELETE ON main.mailboxes", "DELETE FROM blocks WHERE mailbox = OLD.id;\n".to_owned()),
    ]
    .map(|(name, when, steps)| format!("CREATE TEMP TRIGGER {name} {when} BEGIN\n{steps}END;\n"))
    .concat()
}

/// Where to begin to read the rows from position `first` on, counted from the smallest, of these mailboxes together.
pub(super) fn start(db: &Connection, kind: Kind, mailboxes: &[i64], first: usize) -> Result<Start> {
    let mut borders = Vec::new();
    for mailbox in mailboxes {
        borders.extend(blocks(db, kind, *mailbox)?);
    }
    borders.sort_by(|a, b| a.from.cmp(&b.from));
    // All rows before a border are in blocks that began before it.
    let mut before = 0;
    let mut best = Spot::lowest();
    for Block { from, count } in borders {
        if before > first {
            break;
        }
        best = from;
        before += count;
    }
    let rank = rank(db, kind, mailboxes, &best)?;
    Ok(Start { from: best, rank })
}

/// Has one of these mailboxes blocks? Then there is the SQL index too.
pub(super) fn are_counted(db: &Connection, kind: Kind, mailboxes: &[i64]) -> Result<bool> {
    let mut any = db.prepare_cached("SELECT 1 FROM blocks WHERE mailbox = ?1 AND kind = ?2")?;
    for mailbox in mailboxes {
        if any.exists([*mailbox, kind.number()])? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// How many rows of these mailboxes are before a place.
pub(super) fn rank(db: &Connection, kind: Kind, mailboxes: &[i64], spot: &Spot) -> Result<usize> {
    if spot.is_lowest() {
        return Ok(0);
    }
    let mut before = 0;
    for mailbox in mailboxes {
        before += rank_in(db, kind, *mailbox, spot)?;
    }
    Ok(before)
}

fn rank_in(db: &Connection, kind: Kind, mailbox: i64, spot: &Spot) -> Result<usize> {
    let block = db
        .prepare_cached(
            "SELECT key, turn, count FROM blocks WHERE mailbox = ?1 AND kind = ?2 AND (key, turn) <= (?3, ?4)
             ORDER BY key DESC, turn DESC LIMIT 1",
        )?
        .query_row(params![mailbox, kind.number(), spot.key, spot.turn], block)
        .optional()?;
    let (below, block) = match block {
        Some(block) => {
            let below: i64 = db
                .prepare_cached(
                    "SELECT ifnull(sum(count), 0) FROM blocks WHERE mailbox = ?1 AND kind = ?2 AND (key, turn) < (?3, ?4)",
                )?
                .query_row(params![mailbox, kind.number(), block.from.key, block.from.turn], |row| row.get(0))?;
            (usize::try_from(below).unwrap_or_default(), block)
        }
        None => (0, Block { from: Spot::lowest(), count: total(db, kind, mailbox)? }),
    };
    if block.from == *spot {
        return Ok(below);
    }
    let sql = format!(
        "SELECT count(*) FROM ({} LIMIT ?3) WHERE (key, {}last) < (?4, ?5)",
        ordered(kind, mailbox, &block.from),
        kind.sign()
    );
    let within = db
        .prepare_cached(&sql)?
        .query_row(params![block.from.key, block.from.turn, number(block.count), spot.key, spot.turn], |row| {
            size(row, 0)
        })?;
    Ok(below + within)
}

/// What the rows of a mailbox are sorted by, from a place on, in their order.
fn ordered(kind: Kind, mailbox: i64, from: &Spot) -> String {
    let (key, last) = kind.columns();
    let rows = stretch(kind, &[mailbox], from, &format!("{key} AS key, {last} AS last"));
    format!("{rows} ORDER BY {}", kind.terms())
}

/// The rows of these mailboxes from a place on, in no order yet. The place's key is `?1`, its turn `?2`.
pub(super) fn stretch(kind: Kind, mailboxes: &[i64], from: &Spot, columns: &str) -> String {
    let parts = mailboxes.iter().flat_map(|mailbox| kind.from(*mailbox, from));
    parts.map(|part| format!("SELECT {columns} {part}")).collect::<Vec<_>>().join(" UNION ALL ")
}

/// The blocks of an order, the smallest first; a list without any is one block.
fn blocks(db: &Connection, kind: Kind, mailbox: i64) -> Result<Vec<Block>> {
    let mut found = stored(db, kind, mailbox)?;
    if found.is_empty() {
        found.push(Block { from: Spot::lowest(), count: total(db, kind, mailbox)? });
    }
    Ok(found)
}

fn stored(db: &Connection, kind: Kind, mailbox: i64) -> Result<Vec<Block>> {
    db.prepare_cached("SELECT key, turn, count FROM blocks WHERE mailbox = ?1 AND kind = ?2 ORDER BY key, turn")?
        .query_map([mailbox, kind.number()], block)?
        .collect()
}

fn block(row: &Row<'_>) -> Result<Block> {
    Ok(Block { from: Spot { key: Key::of(row.get_ref(0)?)?, turn: row.get(1)? }, count: size(row, 2)? })
}

fn total(db: &Connection, kind: Kind, mailbox: i64) -> Result<usize> {
    db.prepare_cached(&format!("SELECT {} FROM mailboxes WHERE id = ?1", kind.count()))?
        .query_row([mailbox], |row| size(row, 0))
        .optional()
        .map(Option::unwrap_or_default)
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// The orders of all mailboxes, and of all INBOXes together, whose blocks are not as they should be. Those whose SQL
/// index is not made yet are left out.
pub(super) fn unsettled(db: &Connection, cut: Cut) -> Result<BTreeSet<(i64, Kind)>> {
    let mut made = db.prepare_cached("SELECT 1 FROM sqlite_schema WHERE type = 'index' AND name = ?1")?;
    let mut found = BTreeSet::new();
    for kind in Kind::ALL {
        if !made.exists([kind.index()])? {
            continue;
        }
        let long = format!(
            "SELECT id FROM mailboxes WHERE {} > ?1
             AND NOT EXISTS(SELECT 1 FROM blocks WHERE blocks.mailbox = mailboxes.id AND kind = ?2)",
            kind.count()
        );
        let without: Vec<i64> = db
            .prepare_cached(&long)?
            .query_map([number(cut.short), kind.number()], |row| row.get(0))?
            .collect::<Result<_>>()?;
        let uneven: Vec<i64> = db
            .prepare_cached(
                "SELECT DISTINCT mailbox FROM blocks WHERE kind = ?1 AND (count > ?2 OR (count = 0 AND turn > ?3))",
            )?
            .query_map([kind.number(), number(cut.rows * 2), i64::MIN], |row| row.get(0))?
            .collect::<Result<_>>()?;
        found.extend(without.into_iter().chain(uneven).map(|mailbox| (mailbox, kind)));
    }
    Ok(found)
}

/// Divides the blocks of an order that are too large, and joins those that are small. A list that became short has
/// none any more.
pub(super) fn settle(db: &Connection, (mailbox, kind): (i64, Kind), cut: Cut) -> Result<()> {
    let before = blocks(db, kind, mailbox)?;
    let all: usize = before.iter().map(|block| block.count).sum();
    let mut after: Vec<Block> = Vec::new();
    if all > cut.short / 2 {
        for block in before {
            match after.last_mut() {
                Some(last) if block.count == 0 || last.count + block.count <= cut.rows => last.count += block.count,
                _ => divide(db, (mailbox, kind), block, cut, &mut after)?,
            }
        }
    }
    db.prepare_cached("DELETE FROM blocks WHERE mailbox = ?1 AND kind = ?2")?.execute([mailbox, kind.number()])?;
    let mut add =
        db.prepare_cached("INSERT INTO blocks(mailbox, kind, key, turn, count) VALUES(?1, ?2, ?3, ?4, ?5)")?;
    for Block { from, count } in after {
        add.execute(params![mailbox, kind.number(), from.key, from.turn, number(count)])?;
    }
    Ok(())
}

/// Cuts a block into such of the usual size.
fn divide(
    db: &Connection,
    (mailbox, kind): (i64, Kind),
    mut block: Block,
    cut: Cut,
    into: &mut Vec<Block>,
) -> Result<()> {
    while block.count > cut.rows * 2 {
        let next = db
            .prepare_cached(&format!("{} LIMIT 1 OFFSET ?3", ordered(kind, mailbox, &block.from)))?
            .query_row(params![block.from.key, block.from.turn, number(cut.rows)], |row| {
                Ok(kind.spot(Key::of(row.get_ref(0)?)?, row.get(1)?))
            })
            .optional()?;
        let Some(next) = next else { break };
        into.push(Block { from: std::mem::replace(&mut block.from, next), count: cut.rows });
        block.count -= cut.rows;
    }
    into.push(block);
    Ok(())
}

#[cfg(test)]
mod tests;
