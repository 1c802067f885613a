//! Conversations as the user cut and sewed them. What grew by Message-IDs stays written down beside it, so that a
//! seam can be taken out again, and so that the order in which messages and seams come makes no difference: where
//! a message stands is told by the messages and the seams alone.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OptionalExtension as _, Result, params};

use super::conversation;
use super::extract;
use super::schema::{self, UNIFIED};
use super::write::Writer;
use crate::mail::ids::MessageId;
use crate::mail::notes::{Identity, Seam};
use crate::mail::thread::{self, Member};

/// The number by which the tables know what a message is.
pub(super) fn name(id: &Identity) -> i64 {
    match id {
        Identity::Id(id) => extract::key(id),
        Identity::Bytes(number) => *number,
    }
}

/// A part of a conversation that no seam goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Piece {
    /// What follows a message that was cut off, by the message's name.
    Cut(i64),
    /// What is left of what grew.
    Grown(i64),
}

/// A message of the conversations at hand.
struct Standing {
    message: i64,
    name: i64,
    thread: i64,
    grown: i64,
    id: Option<MessageId>,
    parents: Vec<MessageId>,
}

impl Writer {
    /// Takes over the user's seams; conversations that have other ones than before are sewn anew.
    pub(super) fn set_seams(&mut self, seams: &BTreeMap<Identity, Seam>) -> Result<()> {
        let (wanted, known) = (wanted_seams(seams), known_seams(&self.db)?);
        let names = wanted.keys().chain(known.keys());
        let other: BTreeSet<i64> = names.filter(|name| wanted.get(name) != known.get(name)).copied().collect();
        if other.is_empty() {
            return Ok(());
        }
        let mut grown = BTreeSet::new();
        for name in &other {
            for seam in [known.get(name), wanted.get(name)].into_iter().flatten() {
                for end in [Some(*name), seam.1].into_iter().flatten() {
                    grown.extend(grown_around(&self.db, end)?);
                }
            }
            match wanted.get(name) {
                None => self.db.prepare_cached("DELETE FROM seams WHERE name = ?1")?.execute([name])?,
                Some((cut, joined)) => self
                    .db
                    .prepare_cached(
                        "INSERT INTO seams(name, cut, joined) VALUES(?1, ?2, ?3)
                         ON CONFLICT(name) DO UPDATE SET cut = excluded.cut, joined = excluded.joined",
                    )?
                    .execute(params![name, cut, joined])?,
            };
        }
        self.has_seams = !wanted.is_empty();
        self.sew(grown)
    }

    /// Are there seams at all?
    pub(super) fn count_seams(&mut self) -> Result<()> {
        self.has_seams = self.db.query_row("SELECT EXISTS(SELECT 1 FROM seams)", [], |row| row.get(0))?;
        Ok(())
    }

    /// A message was taken in, into what grew: the seams of that conversation may put it elsewhere.
    pub(super) fn sew_around(&mut self, grown: i64) -> Result<()> {
        if !self.has_seams {
            return Ok(());
        }
        let concerned = self
            .db
            .prepare_cached(
                "SELECT EXISTS(SELECT 1 FROM seams s JOIN links l ON l.key = s.name OR l.key = s.joined
                               WHERE l.thread = ?1)
                     OR EXISTS(SELECT 1 FROM seams s CROSS JOIN messages m
                               WHERE m.thread = ?1 AND m.key IS NULL AND m.digest IN (s.name, s.joined))
                     OR EXISTS(SELECT 1 FROM sewn WHERE grown = ?1)",
            )?
            .query_row([grown], |row| row.get(0))?;
        if concerned { self.sew(BTreeSet::from([grown])) } else { Ok(()) }
    }

    /// Sews anew what grew in these conversations, and in those that are joined with them.
    fn sew(&mut self, mut grown: BTreeSet<i64>) -> Result<()> {
        let seams: Vec<(i64, bool, Option<i64>)> = self
            .db
            .prepare_cached("SELECT name, cut, joined FROM seams ORDER BY name")?
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
            .collect::<Result<_>>()?;
        let mut joins = Vec::new();
        for (from, _, to) in &seams {
            let Some(to) = to else { continue };
            joins.push((*from, *to, grown_around(&self.db, *from)?, grown_around(&self.db, *to)?));
        }
        loop {
            let before = grown.len();
            for (_, _, from, to) in &joins {
                if from.iter().chain(to).any(|one| grown.contains(one)) {
                    grown.extend(from.iter().chain(to));
                }
            }
            if grown.len() == before {
                break;
            }
        }
        let mut standing = Vec::new();
        for one in grown {
            standing.extend(self.standing(one)?);
        }
        standing.sort_by_key(|one| one.message);
        let cuts: BTreeSet<i64> = seams.iter().filter(|(_, cut, _)| *cut).map(|(name, ..)| *name).collect();
        let pieces = pieces(&standing, &cuts);
        let mut classes = Classes::default();
        for (from, to, ..) in &joins {
            let piece = |name: &i64| standing.iter().position(|one| one.name == *name).and_then(|at| pieces.get(at));
            if let (Some(from), Some(to)) = (piece(from), piece(to)) {
                classes.join(*from, *to);
            }
        }
        let mut threads: BTreeMap<Piece, i64> = BTreeMap::new();
        for piece in pieces.iter().copied().collect::<BTreeSet<Piece>>() {
            let head = classes.head(piece);
            if let Entry::Vacant(unknown) = threads.entry(head) {
                unknown.insert(self.thread_of(head)?);
            }
        }
        for (one, piece) in standing.iter().zip(&pieces) {
            let thread = threads.get(&classes.head(*piece)).copied().unwrap_or(one.grown);
            self.stand(one, thread)?;
        }
        Ok(())
    }

    /// The messages that grew in a conversation, wherever they stand now.
    fn standing(&self, grown: i64) -> Result<Vec<Standing>> {
        let mut find = self.db.prepare_cached(
            "SELECT m.id, m.key, m.digest, m.thread, m.parents FROM messages m
             WHERE m.thread = ?1 AND NOT EXISTS(SELECT 1 FROM sewn s WHERE s.message = m.id)
             UNION ALL
             SELECT m.id, m.key, m.digest, m.thread, m.parents FROM sewn s CROSS JOIN messages m ON m.id = s.message
             WHERE s.grown = ?1",
        )?;
        let mut rows = find.query([grown])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let (key, digest): (Option<i64>, i64) = (row.get(1)?, row.get(2)?);
            let parents: Vec<u8> = row.get(4)?;
            found.push(Standing {
                message: row.get(0)?,
                name: key.unwrap_or(digest),
                thread: row.get(3)?,
                grown,
                id: key.and_then(conversation::name),
                parents: conversation::keys(&parents).rev().filter_map(conversation::name).collect(),
            });
        }
        Ok(found)
    }

    /// The number of the conversation that a piece leads. That of what was cut off stays the same while the
    /// message is cut off.
    fn thread_of(&self, piece: Piece) -> Result<i64> {
        let name = match piece {
            Piece::Grown(thread) => return Ok(thread),
            Piece::Cut(name) => name,
        };
        let known: Option<i64> = self
            .db
            .prepare_cached("SELECT thread FROM seams WHERE name = ?1")?
            .query_row([name], |row| row.get(0))
            .optional()?
            .flatten();
        if let Some(known) = known {
            return Ok(known);
        }
        let fresh = self.unborn_thread()?;
        self.db.prepare_cached("UPDATE seams SET thread = ?2 WHERE name = ?1")?.execute([name, fresh])?;
        Ok(fresh)
    }

    /// Puts a message into a conversation.
    fn stand(&mut self, one: &Standing, thread: i64) -> Result<()> {
        if thread == one.grown {
            self.db.prepare_cached("DELETE FROM sewn WHERE message = ?1")?.execute([one.message])?;
        } else {
            self.db
                .prepare_cached("INSERT OR REPLACE INTO sewn(message, grown) VALUES(?1, ?2)")?
                .execute([one.message, one.grown])?;
        }
        if thread == one.thread {
            return Ok(());
        }
        self.db.prepare_cached("UPDATE messages SET thread = ?2 WHERE id = ?1")?.execute([one.message, thread])?;
        let mut places =
            self.db.prepare_cached("UPDATE places SET thread = ?2 WHERE message = ?1 RETURNING mailbox")?;
        let mailboxes: Vec<i64> = places.query_map([one.message, thread], |row| row.get(0))?.collect::<Result<_>>()?;
        drop(places);
        for mailbox in mailboxes.into_iter().chain([UNIFIED]) {
            self.dirty.extend([(mailbox, one.thread), (mailbox, thread)]);
            self.stirred.insert(mailbox);
        }
        Ok(())
    }
}

/// Are these the seams that conversations are sewn by now?
pub(super) fn has_seams(db: &Connection, seams: &BTreeMap<Identity, Seam>) -> Result<bool> {
    Ok(wanted_seams(seams) == known_seams(db)?)
}

/// Seams by the names of messages: is it cut off, and to what is it joined?
type Seams = BTreeMap<i64, (bool, Option<i64>)>;

fn wanted_seams(seams: &BTreeMap<Identity, Seam>) -> Seams {
    seams.iter().map(|(id, seam)| (name(id), (seam.cut, seam.joined.as_ref().map(name)))).collect()
}

fn known_seams(db: &Connection) -> Result<Seams> {
    db.prepare_cached("SELECT name, cut, joined FROM seams")?
        .query_map([], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))))?
        .collect()
}

/// The conversations that grew around a message of that name.
fn grown_around(db: &Connection, name: i64) -> Result<BTreeSet<i64>> {
    let mut found: BTreeSet<i64> = db
        .prepare_cached("SELECT thread FROM links WHERE key = ?1")?
        .query_map([name], |row| row.get(0))?
        .collect::<Result<_>>()?;
    let bytes = db
        .prepare_cached(
            "SELECT ifnull(s.grown, m.thread) FROM messages m LEFT JOIN sewn s ON s.message = m.id
             WHERE m.key IS NULL AND m.digest = ?1",
        )?
        .query_map([name], |row| row.get(0))?
        .collect::<Result<BTreeSet<i64>>>()?;
    found.extend(bytes);
    Ok(found)
}

/// The piece of each message: that of the nearest one above it, or itself, that was cut off.
fn pieces(standing: &[Standing], cuts: &BTreeSet<i64>) -> Vec<Piece> {
    let members: Vec<Member<'_>> = standing
        .iter()
        .map(|one| Member {
            message_id: one.id.as_ref(),
            references: &one.parents,
            in_reply_to: &[],
            date: schema::date_of(one.message),
        })
        .collect();
    let parents = thread::parents(&members);
    let above = |at: usize| std::iter::successors(Some(at), |at| parents.get(*at).copied().flatten());
    let piece = |at: usize| {
        let cut = above(at).filter_map(|at| standing.get(at)).find(|one| cuts.contains(&one.name));
        cut.map(|one| Piece::Cut(one.name))
    };
    standing.iter().enumerate().map(|(at, one)| piece(at).unwrap_or(Piece::Grown(one.grown))).collect()
}

/// Pieces that are sewn together; what grew leads what was cut off.
#[derive(Default)]
struct Classes(BTreeMap<Piece, Piece>);

impl Classes {
    fn head(&self, piece: Piece) -> Piece {
        std::iter::successors(Some(piece), |piece| self.0.get(piece).copied()).last().unwrap_or(piece)
    }

    fn join(&mut self, one: Piece, other: Piece) {
        let (one, other) = (self.head(one), self.head(other));
        if one != other {
            self.0.insert(one.min(other), one.max(other));
        }
    }
}
