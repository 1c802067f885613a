//! Query to plan. What has the messages newest first already (the full text, SQL indexes) leads, so that a
//! search stops as soon as a page is full; each message that it leads to is then asked, place by place,
//! whether it answers all of the query. Nothing is ever sorted, and no set of all hits is made.
//!
//! A query is asked of a place: a message is found if one of its places in the scope answers all of
//! it. So `in:archive is:unread` finds what is unread in the archive, whatever other copies are.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use rusqlite::{Connection, Result, params};

use super::called::{is_called, tagged};
use super::expression::{Beginning, Lexicon, MAX_DEPTH, Words, all_of, depth, words_of};
use super::rows::Folder;
use super::schema::{self, ATTACHMENT, LARGE, OWN};
use super::streams::{Lead, Stream};
use super::together::Together;
use super::{extract, threads, timers};
use crate::job::index::SearchScope;
use crate::mail::flags::{Flag, Flags};
use crate::mail::ids::{AccountId, MessageId};
use crate::mail::mailbox::Role;
use crate::mail::tags::MUTED;
use crate::query::Query;
use crate::query::ast::State;

/// Over so many mailboxes a stream each costs more than it saves.
const MAX_STREAMS: usize = 16;

/// How a query is answered.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) streams: Vec<Stream>,
    /// What leads to everything that may be a hit.
    pub(super) lead: Lead,
    /// SQL for the places of message `?1` that may be it: mailbox, thread, flags, then a column for each property
    /// that [`Plan::check`] asks for.
    pub(super) places: String,
    /// The streams that are asked whether they have the message.
    pub(super) said: Vec<usize>,
    /// The stream of the words that must be there, which nothing but the lead asks for.
    words: Option<usize>,
    /// The conversations that are asked whether they have the message.
    pub(super) together: Vec<Together>,
    /// What a place has to be beyond what `places` asks.
    pub(super) check: Check,
}

impl Plan {
    /// Lets these messages lead. What else leads is asked of each place as well, but for words.
    pub(super) fn lead_among(&mut self, messages: Vec<i64>) {
        self.streams.push(Stream::known(messages));
        let known = Lead::Stream(self.streams.len() - 1);
        let parts = std::iter::once(known).chain(self.words.map(Lead::Stream)).collect();
        self.lead = Lead::All { parts, newest: i64::MAX, oldest: i64::MIN };
    }
}

/// The first column of [`Plan::places`] that is a property.
pub(super) const FIRST_COLUMN: usize = 3;

/// What words and properties say together.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Check {
    /// All of these.
    All(Vec<Check>),
    /// One of these.
    Any(Vec<Check>),
    /// Not this.
    Not(Box<Check>),
    /// The message is in the stream, by its position in [`Plan::said`].
    Said(usize),
    /// Its conversation is one of these, by their position in [`Plan::together`].
    Together(usize),
    /// The property, by its number.
    Column(usize),
}

/// Makes the plan for a query.
pub(super) fn compile(
    db: &Connection,
    query: &Query,
    scope: &SearchScope,
    folders: &BTreeMap<i64, Folder>,
) -> Result<Plan> {
    let mut maker = Maker {
        db,
        folders,
        lexicon: Lexicon::new(db),
        streams: Vec::new(),
        expressions: BTreeMap::new(),
        said: Vec::new(),
        columns: Vec::new(),
        known: BTreeMap::new(),
        together: Vec::new(),
        many: BTreeMap::new(),
        nested: false,
    };
    let mut parts = Vec::new();
    flatten(query, &mut parts);
    let mut conditions: Vec<String> = Vec::new();
    let mut checks = Vec::new();
    let mut texts = Vec::new();
    for part in &parts {
        if let Some(words) = maker.words_of(part) {
            texts.push(words);
        } else if is_wordless(part) {
            conditions.push(maker.condition(part)?);
        } else {
            checks.push(maker.check(part)?);
        }
    }
    // Words that must be there are no check: the lead sees to that.
    let words = match all_of(texts.into_iter()) {
        Words::Find(expression) => Some(maker.words(expression)),
        Words::Avoid(expression) => {
            checks.push(Check::Not(Box::new(maker.say(expression))));
            None
        }
        Words::Anything => None,
    };
    let scope = maker.scope(scope);
    conditions.extend(scope.condition);
    let lead = match maker.all_leads(&parts, scope.lead)? {
        Some(lead) => lead,
        None if conditions.is_empty() => maker.everything(),
        None => maker.walk(conditions.join(" AND ")),
    };
    let all = if conditions.is_empty() { "1".to_owned() } else { conditions.join(" AND ") };
    let columns = maker.columns.iter().fold(String::new(), |all, column| all + ", " + column);
    let join =
        if columns.contains("m.") || all.contains("m.") { "CROSS JOIN messages m ON m.id = p.message" } else { "" };
    let places =
        format!("SELECT p.mailbox, p.thread, p.flags{columns} FROM places p {join} WHERE p.message = ?1 AND {all}");
    let together = maker.together.into_iter().map(|(_, together)| together).collect();
    Ok(Plan { streams: maker.streams, lead, places, said: maker.said, words, together, check: Check::All(checks) })
}

/// The parts that all must hold.
fn flatten<'q>(query: &'q Query, parts: &mut Vec<&'q Query>) {
    match query {
        Query::And(inner) => inner.iter().for_each(|part| flatten(part, parts)),
        other => parts.push(other),
    }
}

/// Does it ask for properties only?
fn is_wordless(query: &Query) -> bool {
    match query {
        Query::And(parts) | Query::Or(parts) => parts.iter().all(is_wordless),
        Query::Not(inner) => is_wordless(inner),
        Query::Text { .. } | Query::Together(_) => false,
        Query::HasAttachment
        | Query::Is(_)
        | Query::In(_)
        | Query::Account(_)
        | Query::Tag(_)
        | Query::Larger(_)
        | Query::Smaller(_)
        | Query::Date { .. }
        | Query::Id(_)
        | Query::Thread(_)
        | Query::Native(_) => true,
    }
}

/// A lead, with whether it has so much of all that it is better asked than followed.
struct Offer {
    lead: Lead,
    dense: bool,
}

/// Where to look.
struct Scope {
    condition: Option<String>,
    lead: Option<Offer>,
}

struct Maker<'a> {
    db: &'a Connection,
    folders: &'a BTreeMap<i64, Folder>,
    lexicon: Lexicon<'a>,
    streams: Vec<Stream>,
    /// The stream of each expression.
    expressions: BTreeMap<String, usize>,
    said: Vec<usize>,
    columns: Vec<String>,
    /// The rows of each Message-ID that was asked for.
    known: BTreeMap<String, Vec<i64>>,
    /// Conversations, by what a message of them answers.
    together: Vec<(Query, Together)>,
    /// The streams of beginnings that many words share, by what tells them apart in print.
    many: BTreeMap<String, Vec<usize>>,
    /// Is a lead made for one part of an alternative? What all of its streams have may be far older than the
    /// message that is looked at, so they are shared with nothing else: no stream goes back.
    nested: bool,
}

/// Leads: what may be a hit.
impl Maker<'_> {
    fn stream(&mut self, stream: Stream) -> usize {
        self.streams.push(stream);
        self.streams.len() - 1
    }

    fn words(&mut self, expression: String) -> usize {
        if self.nested {
            return self.stream(Stream::words(expression));
        }
        if let Some(known) = self.expressions.get(&expression) {
            return *known;
        }
        let number = self.stream(Stream::words(expression.clone()));
        self.expressions.insert(expression, number);
        number
    }

    fn words_of(&self, query: &Query) -> Option<Words> {
        if depth(query) > MAX_DEPTH { None } else { words_of(query, &self.lexicon) }
    }

    /// The streams that together are where a beginning is that many words share.
    fn many(&mut self, query: &Query) -> Vec<usize> {
        let Query::Text { field, pattern } = query else { return Vec::new() };
        let name = format!("{field:?} {pattern:?}");
        if let Some(known) = self.many.get(&name).filter(|_| !self.nested) {
            return known.clone();
        }
        let Beginning::Many(many) = self.lexicon.beginning(pattern) else { return Vec::new() };
        let mut streams = vec![self.stream(Stream::known(many.seldom(*field)))];
        if let Some(expression) = many.expression(*field) {
            streams.push(self.words(expression));
        }
        if !self.nested {
            self.many.insert(name, streams.clone());
        }
        streams
    }

    /// What leads to all that answers each of these; `None`: only a walk does.
    fn all_leads(&mut self, parts: &[&Query], scope: Option<Offer>) -> Result<Option<Lead>> {
        let (mut newest, mut oldest) = (i64::MAX, i64::MIN);
        let mut dated = false;
        let mut offers: Vec<Offer> = scope.into_iter().collect();
        let mut texts = Vec::new();
        for part in parts {
            if let Some(words) = self.words_of(part) {
                texts.push(words);
            } else if let Query::Date { from, until } = part {
                dated = true;
                oldest = oldest.max(from.map_or(i64::MIN, schema::first_row));
                newest = newest.min(until.map_or(i64::MAX, |until| schema::first_row(until) - 1));
            } else {
                offers.extend(self.offer(part)?);
            }
        }
        if let Words::Find(expression) = all_of(texts.into_iter()) {
            let lead = Lead::Stream(self.words(expression));
            offers.push(Offer { lead, dense: false });
        }
        // What has nearly all of the messages leads nowhere, unless there is nothing else.
        if offers.iter().any(|offer| !offer.dense) {
            offers.retain(|offer| !offer.dense);
        } else {
            offers.truncate(1);
        }
        if offers.is_empty() {
            if !dated {
                return Ok(None);
            }
            let lead = self.everything();
            offers.push(Offer { lead, dense: true });
        }
        let parts = offers.into_iter().map(|offer| offer.lead).collect();
        Ok(Some(Lead::All { parts, newest, oldest }))
    }

    /// The same for a part of the search.
    fn nested_leads(&mut self, parts: &[&Query]) -> Result<Option<Lead>> {
        let outside = std::mem::replace(&mut self.nested, true);
        let lead = self.all_leads(parts, None);
        self.nested = outside;
        lead
    }

    fn everything(&mut self) -> Lead {
        self.index("places", "message", "place_message", "1")
    }

    fn walk(&mut self, condition: String) -> Lead {
        Lead::Stream(self.stream(Stream::walk(condition)))
    }

    /// The rows that an index over `column` has in this order.
    fn index(&mut self, table: &str, column: &str, index: &str, given: &str) -> Lead {
        let sql = format!(
            "SELECT {column} FROM {table} INDEXED BY {index} WHERE {given} AND {column} <= ?1
             ORDER BY {column} DESC LIMIT ?2"
        );
        Lead::Stream(self.stream(Stream::sql(sql)))
    }

    /// What leads to all that answers a part; `None`: only a walk does.
    fn offer(&mut self, query: &Query) -> Result<Option<Offer>> {
        if let Some(words) = self.words_of(query) {
            let Words::Find(expression) = words else { return Ok(None) };
            let lead = Lead::Stream(self.words(expression));
            return Ok(Some(Offer { lead, dense: false }));
        }
        let rare = |lead| Some(Offer { lead, dense: false });
        Ok(match query {
            Query::Text { .. } => rare(Lead::Any(self.many(query).into_iter().map(Lead::Stream).collect())),
            Query::And(_) => {
                let mut parts = Vec::new();
                flatten(query, &mut parts);
                self.nested_leads(&parts)?.and_then(rare)
            }
            Query::Or(parts) => {
                let mut leads = Vec::new();
                let mut dense = false;
                for part in parts {
                    let Some(offer) = self.offer(part)? else { return Ok(None) };
                    dense |= offer.dense;
                    leads.push(offer.lead);
                }
                Some(Offer { lead: Lead::Any(leads), dense })
            }
            Query::Date { .. } => self.nested_leads(&[query])?.and_then(rare),
            Query::HasAttachment => rare(self.index("messages", "id", "message_attached", "bits & 1 <> 0")),
            Query::Larger(bytes) if *bytes >= LARGE => {
                rare(self.index("messages", "id", "message_large", &format!("size >= {LARGE}")))
            }
            Query::Is(State::Unread) => {
                let lead = self.index("places", "message", "place_unread_anywhere", "flags & 16 = 0");
                let unread: usize = self.folders.values().map(|folder| folder.unread).sum();
                Some(Offer { lead, dense: self.is_dense(unread) })
            }
            Query::Is(State::Muted) => {
                let stream = Stream::walk_tagged(tagged(MUTED));
                rare(Lead::Stream(self.stream(stream)))
            }
            Query::Is(state @ (State::Snoozed | State::Waiting)) => {
                let Some(sql) = timers::meant_by(*state) else { return Ok(None) };
                let rows = self.db.prepare_cached(&sql)?.query_map([], |row| row.get(0))?.collect::<Result<_>>()?;
                rare(Lead::Stream(self.stream(Stream::known(rows))))
            }
            Query::Is(State::Starred) => rare(self.index("places", "message", "place_starred", "flags & 2 <> 0")),
            Query::Tag(name) => {
                let stream = Stream::walk_tagged(tagged(name));
                rare(Lead::Stream(self.stream(stream)))
            }
            Query::Id(id) => {
                let rows = self.rows_of_id(id)?;
                rare(Lead::Stream(self.stream(Stream::known(rows))))
            }
            Query::Thread(thread) => {
                let thread = threads::current(self.db, thread.0)?;
                let rows = self
                    .db
                    .prepare_cached("SELECT id FROM messages WHERE thread = ?1")?
                    .query_map([thread], |row| row.get(0))?
                    .collect::<Result<_>>()?;
                rare(Lead::Stream(self.stream(Stream::known(rows))))
            }
            Query::Together(inner) => {
                let number = self.together(inner)?;
                let few = match self.together.get(number) {
                    Some((_, together)) => together.messages(self.db)?,
                    None => None,
                };
                few.and_then(|rows| rare(Lead::Stream(self.stream(Stream::known(rows)))))
            }
            Query::In(name) => self.mailboxes(&|folder: &Folder| is_called(folder, name)),
            Query::Account(name) => {
                self.mailboxes(&|folder: &Folder| folder.id.account.as_str().eq_ignore_ascii_case(name))
            }
            Query::Is(State::Draft | State::Forwarded | State::Read | State::Replied | State::Sent)
            | Query::Larger(_)
            | Query::Smaller(_)
            | Query::Not(_)
            | Query::Native(_) => None,
        })
    }

    /// The number of these conversations.
    fn together(&mut self, inner: &Query) -> Result<usize> {
        if let Some(known) = self.together.iter().position(|(query, _)| query == inner) {
            return Ok(known);
        }
        self.together.push((inner.clone(), Together::new(self.db, inner, self.folders)?));
        Ok(self.together.len() - 1)
    }

    fn mailboxes(&mut self, wanted: &dyn Fn(&Folder) -> bool) -> Option<Offer> {
        let rows: Vec<(i64, usize)> = self
            .folders
            .iter()
            .filter(|(_, folder)| wanted(folder))
            .map(|(row, folder)| (*row, folder.total))
            .collect();
        if rows.len() > MAX_STREAMS {
            return None;
        }
        let dense = self.is_dense(rows.iter().map(|(_, total)| total).sum());
        let lead = rows
            .into_iter()
            .map(|(row, _)| self.index("places", "message", "place_list", &format!("mailbox = {row}")))
            .collect();
        Some(Offer { lead: Lead::Any(lead), dense })
    }

    fn is_dense(&self, count: usize) -> bool {
        let all: usize = self.folders.values().map(|folder| folder.total).sum();
        count.saturating_mul(4) > all
    }

    fn rows_of_id(&mut self, id: &str) -> Result<Vec<i64>> {
        if let Some(rows) = self.known.get(id) {
            return Ok(rows.clone());
        }
        let rows = match MessageId::new(id) {
            Some(id) => self
                .db
                .prepare_cached("SELECT id FROM messages WHERE key = ?1 AND message_id = ?2")?
                .query_map(params![extract::key(&id), id.as_str()], |row| row.get(0))?
                .collect::<Result<Vec<i64>>>()?,
            None => Vec::new(),
        };
        self.known.insert(id.to_owned(), rows.clone());
        Ok(rows)
    }

    fn scope(&mut self, scope: &SearchScope) -> Scope {
        match scope {
            SearchScope::All => Scope { condition: None, lead: None },
            SearchScope::Account(account) => {
                let wanted = |folder: &Folder| folder.id.account == *account;
                Scope { condition: Some(self.in_folders(wanted)), lead: self.mailboxes(&wanted) }
            }
            SearchScope::Mailbox(mailbox) => {
                let wanted = |folder: &Folder| folder.id == *mailbox;
                Scope { condition: Some(self.in_folders(wanted)), lead: self.mailboxes(&wanted) }
            }
        }
    }
}

/// Checks and conditions: what is a hit.
impl Maker<'_> {
    fn say(&mut self, expression: String) -> Check {
        let stream = self.words(expression);
        self.is_in(stream)
    }

    fn is_in(&mut self, stream: usize) -> Check {
        let at = self.said.iter().position(|known| *known == stream).unwrap_or_else(|| {
            self.said.push(stream);
            self.said.len() - 1
        });
        Check::Said(at)
    }

    fn check(&mut self, query: &Query) -> Result<Check> {
        if is_wordless(query) {
            let condition = self.condition(query)?;
            self.columns.push(condition);
            return Ok(Check::Column(self.columns.len() - 1));
        }
        if let Some(words) = self.words_of(query) {
            return Ok(match words {
                Words::Find(expression) => self.say(expression),
                Words::Avoid(expression) => Check::Not(Box::new(self.say(expression))),
                Words::Anything => Check::All(Vec::new()),
            });
        }
        Ok(match query {
            Query::And(parts) => Check::All(parts.iter().map(|part| self.check(part)).collect::<Result<_>>()?),
            Query::Or(parts) => Check::Any(parts.iter().map(|part| self.check(part)).collect::<Result<_>>()?),
            Query::Not(inner) => Check::Not(Box::new(self.check(inner)?)),
            Query::Together(inner) => Check::Together(self.together(inner)?),
            Query::Text { .. } => Check::Any(self.many(query).into_iter().map(|stream| self.is_in(stream)).collect()),
            // The others are properties.
            _ => Check::Any(Vec::new()),
        })
    }

    /// SQL over a place `p` and its message `m` for properties; never NULL.
    fn condition(&mut self, query: &Query) -> Result<String> {
        Ok(match query {
            Query::And(parts) => self.joined(parts, " AND ", "1")?,
            Query::Or(parts) => self.joined(parts, " OR ", "0")?,
            Query::Not(inner) => format!("(NOT {})", self.condition(inner)?),
            Query::HasAttachment => format!("(m.bits & {ATTACHMENT} <> 0)"),
            Query::Is(state) => self.state(*state),
            Query::In(name) => self.in_called(name),
            Query::Account(name) => self.in_folders(|folder| folder.id.account.as_str().eq_ignore_ascii_case(name)),
            Query::Tag(name) => tagged(name),
            Query::Larger(bytes) => format!("(m.size > {})", i64::try_from(*bytes).unwrap_or(i64::MAX)),
            Query::Smaller(bytes) => format!("(m.size < {})", i64::try_from(*bytes).unwrap_or(i64::MAX)),
            Query::Date { from, until } => {
                let from = from.map(|at| format!("p.message >= {}", schema::first_row(at)));
                let until = until.map(|at| format!("p.message < {}", schema::first_row(at)));
                match (from, until) {
                    (Some(from), Some(until)) => format!("({from} AND {until})"),
                    (Some(one), None) | (None, Some(one)) => format!("({one})"),
                    (None, None) => "1".to_owned(),
                }
            }
            Query::Id(id) => {
                let rows: Vec<String> = self.rows_of_id(id)?.iter().map(i64::to_string).collect();
                format!("(p.message IN ({}))", rows.join(","))
            }
            Query::Thread(thread) => format!("(p.thread = {})", threads::current(self.db, thread.0)?),
            // Words and conversations are no property, and who could say more was asked before.
            Query::Text { .. } | Query::Together(_) | Query::Native(_) => "0".to_owned(),
        })
    }

    fn joined(&mut self, parts: &[Query], by: &str, none: &str) -> Result<String> {
        if parts.is_empty() {
            return Ok(none.to_owned());
        }
        let parts: Vec<String> = parts.iter().map(|part| self.condition(part)).collect::<Result<_>>()?;
        Ok(format!("({})", parts.join(by)))
    }

    /// Is it in the folders of that name? Where an account has views, a message that lies in one mailbox is in others
    /// too, so there the message is asked; elsewhere the place itself.
    fn in_called(&self, name: &str) -> String {
        let viewed: BTreeSet<&AccountId> =
            self.folders.values().filter(|folder| folder.shows.is_some()).map(|folder| &folder.id.account).collect();
        let has_views = |folder: &Folder| viewed.contains(&folder.id.account);
        let own = self.in_folders(|folder| !has_views(folder) && is_called(folder, name));
        let others = self.folders.iter().filter(|(_, folder)| has_views(folder) && is_called(folder, name));
        let others: Vec<String> = others.map(|(row, _)| row.to_string()).collect();
        if others.is_empty() {
            return own;
        }
        let others = others.join(",");
        format!("({own} OR EXISTS(SELECT 1 FROM places v WHERE v.mailbox IN ({others}) AND v.message = p.message))")
    }

    /// The plus keeps SQLite from reading mailbox by mailbox and sorting it all.
    fn in_folders(&self, wanted: impl Fn(&Folder) -> bool) -> String {
        let mut list = String::new();
        for (row, _) in self.folders.iter().filter(|(_, folder)| wanted(folder)) {
            let comma = if list.is_empty() { "" } else { "," };
            // Writing to a String cannot fail.
            let _ = write!(list, "{comma}{row}");
        }
        format!("(+p.mailbox IN ({list}))")
    }

    fn state(&self, state: State) -> String {
        let set = |flag: Flag| format!("(p.flags & {} <> 0)", Flags::only(flag).bits());
        match state {
            State::Unread => "(p.flags & 16 = 0)".to_owned(),
            State::Read => set(Flag::Seen),
            State::Starred => set(Flag::Flagged),
            State::Replied => set(Flag::Answered),
            State::Forwarded => set(Flag::Forwarded),
            State::Draft => set(Flag::Draft),
            State::Muted => tagged(MUTED),
            State::Snoozed | State::Waiting => {
                timers::meant_by(state).map_or_else(|| "0".to_owned(), |rows| format!("(p.message IN ({rows}))"))
            }
            State::Sent => {
                let in_sent = self.in_folders(|folder| folder.role == Some(Role::Sent));
                format!("(m.bits & {OWN} <> 0 OR {in_sent})")
            }
        }
    }
}
