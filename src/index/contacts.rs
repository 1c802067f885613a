//! Whom the user knows: harvested from the messages as they are taken in, and from address books. What
//! a message told is kept by its row, so that what is known is always what the messages that are there
//! tell: one that goes takes its part with it, and an index that is made anew knows the same.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use rusqlite::{OptionalExtension as _, Result, Row, params};
use sha2::{Digest as _, Sha256};

use super::extract::{Depth, Incoming};
use super::intake::Files;
use super::schema::{self, OWN};
use super::write::Writer;
use crate::fault::Fault;
use crate::mail::address::Address;
use crate::mail::contact::{self, Contacted, Use, Words};
use crate::mail::envelope::Envelope;
use crate::mail::ids::Timestamp;

/// The most authors of a message that are taken down.
const MAX_AUTHORS: usize = 5;
/// The most recipients of one: who writes to more does not write to each of them.
const MAX_RECIPIENTS: usize = 200;
/// The most other names by which somebody is found.
const MAX_OTHERS: usize = 4;
/// How many messages are read again in one step.
const STEP: i64 = 250;
/// So many low bits of a row of the words are the contact; what is above is its level, so that the most
/// likely stand last in the table and are found first.
const CONTACT_BITS: u32 = 56;

/// Where contacts come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sources {
    /// Are they harvested from messages?
    pub harvest: bool,
    /// Address books: directories of vCards, or files of them.
    pub vcards: Vec<PathBuf>,
}

impl Default for Sources {
    fn default() -> Self {
        Self { harvest: true, vcards: Vec::new() }
    }
}

/// What the step so far told of contacts, and where they come from.
#[derive(Debug, Default)]
pub(super) struct People {
    pub(super) sources: Sources,
    met: Vec<(i64, Vec<Met>)>,
    /// Contacts that must be judged again before the step ends.
    stale: BTreeSet<i64>,
}

impl People {
    /// A message tells of these.
    pub(super) fn note(&mut self, message: i64, met: Vec<Met>) {
        if self.sources.harvest && !met.is_empty() {
            self.met.push((message, met));
        }
    }

    /// The step came to nothing.
    pub(super) fn forget(&mut self) {
        self.met.clear();
        self.stale.clear();
    }

    /// What is known of a contact by its cards changed.
    pub(super) fn judge_again(&mut self, contact: i64) {
        self.stale.insert(contact);
    }
}

/// Somebody whom a message tells of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Met {
    key: String,
    name: String,
    email: String,
    kind: Contacted,
}

/// Whom a message tells of: its authors, or if it is the user's own those it went to.
pub(super) fn met(envelope: &Envelope, is_own: bool) -> Vec<Met> {
    let mut all: Vec<Met> = Vec::new();
    let mut add = |address: &Address, kind: Contacted| {
        let key = contact::key(&address.email);
        let name = contact::tidy_name(address);
        match all.iter_mut().find(|known| known.key == key) {
            Some(known) if known.name.is_empty() => known.name = name,
            Some(_) => {}
            None => all.push(Met { key, name, email: address.email.clone(), kind }),
        }
    };
    if is_own {
        envelope.to.iter().chain(&envelope.cc).take(MAX_RECIPIENTS).for_each(|address| add(address, Contacted::Sent));
    } else {
        for address in envelope.from.iter().take(MAX_AUTHORS) {
            let bulk = envelope.is_bulk || contact::is_robot(&address.email);
            add(address, if bulk { Contacted::Bulk } else { Contacted::Received });
        }
    }
    all
}

fn number(parts: &[&str]) -> i64 {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    hash.finalize().first_chunk::<8>().map_or(0, |first| i64::from_be_bytes(*first) & i64::MAX)
}

/// The row of whoever has an address, or of a group by its name: the same in every index.
pub(super) fn contact_row(kind: &str, key: &str) -> i64 {
    number(&[kind, key]) & ((1 << CONTACT_BITS) - 1)
}

/// The contact of a row of the words.
pub(super) fn contact_of(row: i64) -> i64 {
    row & ((1 << CONTACT_BITS) - 1)
}

fn row_of(level: u8, contact: i64) -> i64 {
    i64::from(level) << CONTACT_BITS | contact
}

/// A word as it stands in the table of words: of letters and digits alone, whatever its script. Who is
/// found is looked at again, so two words may become one.
pub(super) fn coded(word: &str) -> String {
    word.chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_string() } else { format!("{:x}", u32::from(c)) })
        .collect()
}

/// As many letters have an index of beginnings; words of places, which thousands share, are kept no longer.
pub(super) const INDEXED: usize = 5;

const KINDS: [Contacted; 3] = [Contacted::Sent, Contacted::Received, Contacted::Bulk];

fn code(kind: Contacted) -> i64 {
    match kind {
        Contacted::Sent => 0,
        Contacted::Received => 1,
        Contacted::Bulk => 2,
    }
}

fn kind_of(code: i64) -> Contacted {
    usize::try_from(code).ok().and_then(|at| KINDS.get(at).copied()).unwrap_or(Contacted::Bulk)
}

/// One spelling of somebody's name and address, of one kind.
struct Spelling {
    kind: Contacted,
    name: String,
    email: String,
    uses: u32,
    newest: Timestamp,
}

impl Spelling {
    fn of(row: &Row<'_>) -> Result<Self> {
        let newest = schema::date_of(row.get(4)?);
        Ok(Self { kind: kind_of(row.get(0)?), name: row.get(1)?, email: row.get(2)?, uses: row.get(3)?, newest })
    }

    /// What somebody calls himself counts more than what he is called.
    fn weight(&self) -> f64 {
        let times = if self.kind == Contacted::Received { 4 } else { 1 };
        Use { received: self.uses.saturating_mul(times), newest: self.newest, ..Use::default() }.weight()
    }
}

/// What a card says of an address or a group.
struct Carded {
    name: String,
    email: String,
    others: String,
    preference: i64,
    stamp: Timestamp,
    is_group: bool,
}

impl Carded {
    fn of(row: &Row<'_>) -> Result<Self> {
        Ok(Self {
            name: row.get(0)?,
            email: row.get(1)?,
            others: row.get(2)?,
            preference: row.get(3)?,
            stamp: Timestamp::new(row.get(4)?),
            is_group: row.get(5)?,
        })
    }
}

/// All that is known of somebody, judged.
struct Standing {
    email: String,
    name: String,
    /// Other names, one a line.
    others: String,
    used: Use,
    preference: i64,
    is_group: bool,
}

impl Standing {
    /// `None`: nothing is known any more.
    fn judge(mut spellings: Vec<Spelling>, mut cards: Vec<Carded>) -> Option<Self> {
        let mut used = Use { in_book: !cards.is_empty(), ..Use::default() };
        for spelling in &spellings {
            let count = match spelling.kind {
                Contacted::Sent => &mut used.sent,
                Contacted::Received => &mut used.received,
                Contacted::Bulk => &mut used.bulk,
            };
            *count = count.saturating_add(spelling.uses);
        }
        used.newest = spellings.iter().map(|it| it.newest).chain(cards.iter().map(|card| card.stamp)).max()?;
        spellings.sort_by(|a, b| {
            let order = |it: &Spelling| (contact::quality(&it.name), it.weight());
            let ((quality_a, weight_a), (quality_b, weight_b)) = (order(a), order(b));
            let by_worth = quality_b.cmp(&quality_a).then(weight_b.total_cmp(&weight_a));
            by_worth.then_with(|| (&a.name, &a.email).cmp(&(&b.name, &b.email)))
        });
        cards.sort_by(|a, b| (a.preference, &a.name, &a.email).cmp(&(b.preference, &b.name, &b.email)));
        let all = || cards.iter().map(|card| &card.name).chain(spellings.iter().map(|it| &it.name));
        let name = all().find(|name| !name.is_empty()).cloned().unwrap_or_default();
        let mut others: Vec<&str> = Vec::new();
        for other in cards.iter().flat_map(|card| card.others.lines()).chain(all().map(String::as_str)) {
            if others.len() < MAX_OTHERS && !other.is_empty() && other != name && !others.contains(&other) {
                others.push(other);
            }
        }
        let others = others.join("\n");
        let (preference, is_group) = cards.first().map_or((0, false), |card| (card.preference, card.is_group));
        let email = cards.first().map(|card| &card.email).or(spellings.first().map(|it| &it.email))?.clone();
        Some(Self { email, name, others, used, preference, is_group })
    }
}

impl Writer {
    /// Says where contacts come from. Where harvesting was turned on, the messages that are there are
    /// read again, by [`Writer::advance`]; where it was turned off, what they told is forgotten.
    pub fn with_sources(mut self, sources: &Sources) -> std::result::Result<Self, Fault> {
        self.people.sources = sources.clone();
        self.step(|writer| {
            let before: Option<String> =
                writer.db.query_row("SELECT value FROM meta WHERE key = 'harvest'", [], |row| row.get(0)).optional()?;
            let (before, now) = (before.is_none_or(|word| word == "yes"), writer.people.sources.harvest);
            if before != now {
                let word = if now { "yes" } else { "no" };
                writer.db.execute("INSERT OR REPLACE INTO meta(key, value) VALUES('harvest', ?1)", [word])?;
                writer.db.execute("DELETE FROM unharvested", [])?;
                if now {
                    writer.db.execute("INSERT INTO unharvested SELECT id FROM messages", [])?;
                } else {
                    let known = contacts(writer)?;
                    writer.people.stale.extend(known.into_iter().map(|(contact, ..)| contact));
                    writer.db.execute("DELETE FROM uses", [])?;
                    writer.db.execute("DELETE FROM spellings", [])?;
                }
            }
            writer.count_unharvested()
        })?;
        Ok(self)
    }

    fn count_unharvested(&mut self) -> Result<()> {
        let count: i64 = self.db.query_row("SELECT count(*) FROM unharvested", [], |row| row.get(0))?;
        self.backlog.unharvested = usize::try_from(count).unwrap_or_default();
        Ok(())
    }

    /// Takes down whom the messages of this step told of, and judges anew whoever is concerned.
    pub(super) fn settle_people(&mut self) -> Result<()> {
        let mut spellings: BTreeMap<i64, (Met, Vec<i64>)> = BTreeMap::new();
        for (message, met) in std::mem::take(&mut self.people.met) {
            for one in met {
                let kind = code(one.kind).to_string();
                let id = number(&[&kind, &one.email, &one.name]);
                spellings.entry(id).or_insert_with(|| (one, Vec::new())).1.push(message);
            }
        }
        for (id, (met, messages)) in spellings {
            if !contact::is_usable(&met.email) {
                continue;
            }
            let mut used = 0;
            {
                let mut add = self.db.prepare_cached("INSERT OR IGNORE INTO uses(spelling, message) VALUES(?1, ?2)")?;
                for message in &messages {
                    used += add.execute([id, *message])?;
                }
            }
            let contact = contact_row("email", &met.key);
            self.db
                .prepare_cached(
                    "INSERT INTO spellings(id, contact, kind, name, email, uses, newest) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)
                     ON CONFLICT(id) DO UPDATE SET uses = uses + excluded.uses, newest = max(newest, excluded.newest)",
                )?
                .execute(params![
                    id,
                    contact,
                    code(met.kind),
                    met.name,
                    met.email,
                    i64::try_from(used).unwrap_or_default(),
                    messages.iter().max().copied().unwrap_or_default()
                ])?;
            self.people.stale.insert(contact);
        }
        for contact in std::mem::take(&mut self.people.stale) {
            self.settle_contact(contact)?;
        }
        Ok(())
    }

    /// A message is gone, or is to be read again: so is what it told.
    pub(super) fn forget_met(&mut self, message: i64) -> Result<()> {
        let spellings: Vec<i64> = self
            .db
            .prepare_cached("SELECT spelling FROM uses WHERE message = ?1")?
            .query_map([message], |row| row.get(0))?
            .collect::<Result<_>>()?;
        for spelling in spellings {
            self.db
                .prepare_cached("DELETE FROM uses WHERE spelling = ?1 AND message = ?2")?
                .execute([spelling, message])?;
            let (contact, uses): (i64, i64) = self
                .db
                .prepare_cached(
                    "UPDATE spellings SET uses = uses - 1,
                         newest = ifnull((SELECT max(message) FROM uses WHERE spelling = ?1), 0)
                     WHERE id = ?1 RETURNING contact, uses",
                )?
                .query_row([spelling], |row| Ok((row.get(0)?, row.get(1)?)))?;
            if uses <= 0 {
                self.db.prepare_cached("DELETE FROM spellings WHERE id = ?1")?.execute([spelling])?;
            }
            self.people.stale.insert(contact);
        }
        Ok(())
    }

    /// Judges somebody by all that is known; one of whom nothing is known is forgotten.
    fn settle_contact(&mut self, contact: i64) -> Result<()> {
        let spellings = self
            .db
            .prepare_cached("SELECT kind, name, email, uses, newest FROM spellings WHERE contact = ?1")?
            .query_map([contact], Spelling::of)?
            .collect::<Result<Vec<_>>>()?;
        let cards = self
            .db
            .prepare_cached(
                "SELECT name, email, others, preference, stamp, members IS NOT NULL FROM cards WHERE contact = ?1",
            )?
            .query_map([contact], Carded::of)?
            .collect::<Result<Vec<_>>>()?;
        let before: Option<(Option<u8>, i64)> = self
            .db
            .prepare_cached("SELECT level, words FROM contacts WHERE id = ?1")?
            .query_row([contact], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let now = Standing::judge(spellings, cards);
        let judged = now.as_ref().map(|now| {
            let words = Words::of(&now.email, std::iter::once(now.name.as_str()).chain(now.others.lines()));
            let all = |words: &[String], most: usize| {
                let coded = words.iter().map(|word| coded(word).chars().take(most).collect::<String>());
                coded.collect::<Vec<_>>().join(" ")
            };
            let (own, domain) = (all(&words.own, usize::MAX), all(&words.domain, INDEXED));
            // One does not write to oneself.
            let level = (!self.own.has(&now.email)).then(|| now.used.level());
            (level, number(&[&own, &domain]), own, domain)
        });
        let same = before == judged.as_ref().map(|(level, words, ..)| (*level, *words));
        if let Some((Some(level), _)) = before.filter(|_| !same) {
            self.db.prepare_cached("DELETE FROM contact_words WHERE rowid = ?1")?.execute([row_of(level, contact)])?;
        }
        let (Some(now), Some((level, words, own, domain))) = (now, judged) else {
            self.db.prepare_cached("DELETE FROM contacts WHERE id = ?1")?.execute([contact])?;
            return Ok(());
        };
        if let Some(level) = level.filter(|_| !same) {
            self.db
                .prepare_cached("INSERT INTO contact_words(rowid, own, domain) VALUES(?1, ?2, ?3)")?
                .execute(params![row_of(level, contact), own, domain])?;
        }
        let Use { sent, received, bulk, newest, in_book } = now.used;
        self.db
            .prepare_cached(
                "INSERT OR REPLACE INTO contacts(id, email, name, others, sent, received, bulk, newest, in_book,
                     preference, is_group, level, words)
                 VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
            )?
            .execute(params![
                contact,
                now.email,
                now.name,
                now.others,
                sent,
                received,
                bulk,
                newest.get(),
                in_book,
                now.preference,
                now.is_group,
                level,
                words
            ])?;
        Ok(())
    }

    /// The user's addresses may have changed since the last run.
    pub(super) fn judge_senders_again(&mut self) -> Result<()> {
        let own = self.own.text();
        let before: Option<String> =
            self.db.query_row("SELECT value FROM meta WHERE key = 'own'", [], |row| row.get(0)).optional()?;
        if before.as_ref() == Some(&own) {
            return Ok(());
        }
        let senders: Vec<String> = self
            .db
            .prepare("SELECT DISTINCT sender FROM messages")?
            .query_map([], |row| row.get(0))?
            .collect::<Result<_>>()?;
        self.before_judging_senders()?;
        let mine: Vec<&String> = senders.iter().filter(|sender| self.own.has(sender)).collect();
        self.db.execute("UPDATE messages SET bits = bits & ~?1 WHERE bits & ?1", [OWN])?;
        for sender in mine {
            self.db.execute("UPDATE messages SET bits = bits | ?1 WHERE sender = ?2", params![OWN, sender])?;
        }
        self.db.execute("INSERT OR REPLACE INTO meta(key, value) VALUES('own', ?1)", [own])?;
        self.after_judging_senders()
    }

    /// Remembers which messages are the user's own, before they are judged again.
    pub(super) fn before_judging_senders(&self) -> Result<()> {
        self.db.execute_batch("DROP TABLE IF EXISTS temp.was_own")?;
        self.db.execute("CREATE TEMP TABLE was_own AS SELECT id FROM messages WHERE bits & ?1", [OWN])?;
        Ok(())
    }

    /// Other addresses are the user's: what has become his own message, or is so no more, tells of other
    /// people than before and is read again; and nobody is told to write to himself.
    pub(super) fn after_judging_senders(&mut self) -> Result<()> {
        if self.people.sources.harvest {
            self.db.execute(
                "INSERT OR IGNORE INTO unharvested
                 SELECT id FROM messages WHERE (bits & ?1 <> 0) <> (id IN (SELECT id FROM temp.was_own))",
                [OWN],
            )?;
        }
        self.db.execute_batch("DROP TABLE temp.was_own")?;
        for (contact, email, has_level) in contacts(self)? {
            if self.own.has(&email) == has_level {
                self.people.stale.insert(contact);
            }
        }
        self.count_unharvested()
    }

    /// Reads some messages again for whom they tell of.
    pub(super) fn harvest_again(&mut self) -> std::result::Result<(), Fault> {
        let waiting = || -> Result<Vec<i64>> {
            self.db
                .prepare_cached("SELECT message FROM unharvested ORDER BY message DESC LIMIT ?1")?
                .query_map([STEP], |row| row.get(0))?
                .collect()
        };
        let lying = waiting().and_then(|messages| self.where_they_lie(messages)).map_err(|error| self.fault(&error))?;
        let read: Vec<(i64, Option<Incoming>)> = lying
            .into_iter()
            .map(|(message, place)| {
                let incoming = place.and_then(|mut place| {
                    Files::new(&place.directory).read(&mut place.file, Depth::Envelope, &self.own)
                });
                (message, incoming)
            })
            .collect();
        let count = read.len();
        self.step(|writer| {
            for (message, incoming) in read {
                writer.db.prepare_cached("DELETE FROM unharvested WHERE message = ?1")?.execute([message])?;
                writer.forget_met(message)?;
                let there = writer.db.prepare_cached("SELECT 1 FROM messages WHERE id = ?1")?.exists([message])?;
                writer.people.note(message, incoming.filter(|_| there).map(|it| it.met).unwrap_or_default());
            }
            Ok(())
        })?;
        self.backlog.unharvested = if count == 0 { 0 } else { self.backlog.unharvested.saturating_sub(count) };
        Ok(())
    }
}

/// All contacts, with their address and whether they are suggested.
fn contacts(writer: &Writer) -> Result<Vec<(i64, String, bool)>> {
    writer
        .db
        .prepare("SELECT id, email, level IS NOT NULL FROM contacts")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect()
}
