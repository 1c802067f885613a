//! Query to SQL. Words become one FTS5 expression that leads the search, newest first, so that it stops
//! as soon as a page is full; properties are checked on what it finds. Without words the places of the
//! scope lead, newest first as well.
//!
//! A query is asked of a place: a message is found if one of its places in the scope answers all of
//! it. So `in:archive is:unread` finds what is unread in the archive, whatever other copies are.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use rusqlite::types::Value;

use super::extract;
use super::rows::Folder;
use super::schema::{self, ATTACHMENT, OWN};
use super::words;
use crate::job::index::SearchScope;
use crate::mail::flags::Flag;
use crate::mail::ids::MessageId;
use crate::mail::mailbox::Role;
use crate::query::Query;
use crate::query::ast::State;

/// How deep an expression may be that is given to FTS5, whose parser has a small stack.
const MAX_DEPTH: usize = 8;

/// A statement that yields `(message, mailbox, thread, flags)`, newest message first, a message once
/// for each of its places.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Compiled {
    pub(super) sql: String,
    pub(super) values: Vec<Value>,
}

/// Makes the statement for a query.
pub(super) fn compile(query: &Query, scope: &SearchScope, folders: &BTreeMap<i64, Folder>) -> Compiled {
    let mut sql = Sql { folders, values: Vec::new(), words_lead: false };
    let parts = match query {
        Query::And(parts) => parts.iter().collect(),
        other => vec![other],
    };
    let (texts, rest): (Vec<&Query>, Vec<&Query>) = parts.into_iter().partition(|part| words_of(part).is_some());
    let mut conditions = Vec::new();
    let from = match all_of(texts.iter().filter_map(|part| words_of(part))) {
        Words::Find(expression) => {
            sql.words_lead = true;
            let slot = sql.value(Value::Text(expression));
            conditions.push(format!("words MATCH {slot}"));
            "words CROSS JOIN places p ON p.message = words.rowid"
        }
        Words::Avoid(expression) => {
            conditions.push(sql.words(&Words::Avoid(expression)));
            "places p"
        }
        Words::Anything => "places p",
    };
    conditions.extend(sql.scope(scope));
    let conditions_of_rest: Vec<String> = rest.iter().map(|part| sql.condition(part)).collect();
    conditions.extend(conditions_of_rest);
    let condition = if conditions.is_empty() { "1".to_owned() } else { conditions.join(" AND ") };
    let order = if sql.words_lead { "words.rowid" } else { "p.message" };
    Compiled {
        sql: format!(
            "SELECT p.message, p.mailbox, p.thread, p.flags FROM {from} CROSS JOIN messages m ON m.id = p.message
             WHERE {condition} ORDER BY {order} DESC"
        ),
        values: sql.values,
    }
}

/// What a part of a query that asks for words only means to FTS5, which knows "this and not that" but
/// no "not that" alone.
#[derive(Debug, Clone, PartialEq)]
enum Words {
    Find(String),
    Avoid(String),
    /// Nothing to look for: a lone dash.
    Anything,
}

/// The words of a query, where it asks for nothing else.
fn words_of(query: &Query) -> Option<Words> {
    if depth(query) > MAX_DEPTH {
        return None;
    }
    match query {
        Query::Text { field, pattern } => Some(words::expression(*field, pattern).map_or(Words::Anything, Words::Find)),
        Query::And(parts) if !parts.is_empty() => {
            let parts: Option<Vec<Words>> = parts.iter().map(words_of).collect();
            parts.map(|parts| all_of(parts.into_iter()))
        }
        Query::Or(parts) if !parts.is_empty() => {
            let parts: Option<Vec<Words>> = parts.iter().map(words_of).collect();
            parts.map(one_of)
        }
        Query::Not(inner) => match words_of(inner)? {
            Words::Find(words) => Some(Words::Avoid(words)),
            Words::Avoid(words) => Some(Words::Find(words)),
            // Not anything is nothing: left to SQL.
            Words::Anything => None,
        },
        _ => None,
    }
}

fn all_of(parts: impl Iterator<Item = Words>) -> Words {
    let (found, avoided) = apart(parts);
    match (joined(&found, " AND "), joined(&avoided, " OR ")) {
        (Some(find), Some(avoid)) => Words::Find(format!("({find}) NOT ({avoid})")),
        (Some(find), None) => Words::Find(find),
        (None, Some(avoid)) => Words::Avoid(avoid),
        (None, None) => Words::Anything,
    }
}

fn one_of(parts: Vec<Words>) -> Words {
    if parts.contains(&Words::Anything) {
        return Words::Anything;
    }
    let (found, avoided) = apart(parts.into_iter());
    match (joined(&found, " OR "), joined(&avoided, " AND ")) {
        // This or not that: not (that and not this).
        (Some(find), Some(avoid)) => Words::Avoid(format!("({avoid}) NOT ({find})")),
        (Some(find), None) => Words::Find(find),
        (None, Some(avoid)) => Words::Avoid(avoid),
        (None, None) => Words::Anything,
    }
}

fn apart(parts: impl Iterator<Item = Words>) -> (Vec<String>, Vec<String>) {
    let (mut found, mut avoided) = (Vec::new(), Vec::new());
    for part in parts {
        match part {
            Words::Find(words) => found.push(words),
            Words::Avoid(words) => avoided.push(words),
            Words::Anything => {}
        }
    }
    (found, avoided)
}

fn joined(parts: &[String], by: &str) -> Option<String> {
    match parts {
        [] => None,
        [only] => Some(only.clone()),
        many => Some(many.iter().map(|part| format!("({part})")).collect::<Vec<_>>().join(by)),
    }
}

fn depth(query: &Query) -> usize {
    match query {
        Query::And(parts) | Query::Or(parts) => 1 + parts.iter().map(depth).max().unwrap_or(0),
        Query::Not(inner) => 1 + depth(inner),
        _ => 1,
    }
}

/// Conditions over a place `p` and its message `m`; never NULL.
struct Sql<'a> {
    folders: &'a BTreeMap<i64, Folder>,
    values: Vec<Value>,
    words_lead: bool,
}

impl Sql<'_> {
    fn value(&mut self, value: Value) -> String {
        self.values.push(value);
        format!("?{}", self.values.len())
    }

    fn words(&mut self, words: &Words) -> String {
        match words {
            Words::Anything => "1".to_owned(),
            Words::Find(expression) => {
                let slot = self.value(Value::Text(expression.clone()));
                format!("p.message IN (SELECT rowid FROM words WHERE words MATCH {slot})")
            }
            Words::Avoid(expression) => {
                let slot = self.value(Value::Text(expression.clone()));
                format!("p.message NOT IN (SELECT rowid FROM words WHERE words MATCH {slot})")
            }
        }
    }

    fn scope(&self, scope: &SearchScope) -> Option<String> {
        match scope {
            SearchScope::All => None,
            SearchScope::Account(account) => Some(self.in_folders(|folder| folder.id.account == *account)),
            SearchScope::Mailbox(mailbox) => {
                let row = self.folders.iter().find(|(_, folder)| folder.id == *mailbox).map_or(-1, |(row, _)| *row);
                Some(format!("p.mailbox = {row}"))
            }
        }
    }

    /// The plus keeps SQLite from reading mailbox by mailbox and sorting it all.
    fn in_folders(&self, wanted: impl Fn(&Folder) -> bool) -> String {
        let mut list = String::new();
        for (row, _) in self.folders.iter().filter(|(_, folder)| wanted(folder)) {
            let comma = if list.is_empty() { "" } else { "," };
            // Writing to a String cannot fail.
            let _ = write!(list, "{comma}{row}");
        }
        format!("+p.mailbox IN ({list})")
    }

    fn condition(&mut self, query: &Query) -> String {
        if let Some(words) = words_of(query) {
            return self.words(&words);
        }
        match query {
            Query::And(parts) => self.all(parts, " AND ", "1"),
            Query::Or(parts) => self.all(parts, " OR ", "0"),
            Query::Not(inner) => format!("NOT {}", self.condition(inner)),
            // Only words are words.
            Query::Text { .. } => "0".to_owned(),
            Query::HasAttachment => format!("(m.bits & {ATTACHMENT} <> 0)"),
            Query::Is(state) => self.state(*state),
            Query::In(name) => {
                let name = name.to_lowercase();
                let by_name = |folder: &Folder| {
                    let full = folder.id.name.as_str().to_lowercase();
                    full == name || folder.id.name.leaf().to_lowercase() == name
                };
                self.in_folders(|folder| folder.role.is_some_and(|role| role.word() == name) || by_name(folder))
            }
            Query::Account(name) => self.in_folders(|folder| folder.id.account.as_str().eq_ignore_ascii_case(name)),
            Query::Tag(_) | Query::Thread(_) => "0".to_owned(),
            Query::Larger(bytes) => format!("(m.size > {})", i64::try_from(*bytes).unwrap_or(i64::MAX)),
            Query::Smaller(bytes) => format!("(m.size < {})", i64::try_from(*bytes).unwrap_or(i64::MAX)),
            Query::Date { from, until } => {
                let row = if self.words_lead { "words.rowid" } else { "p.message" };
                let from = from.map(|at| format!("{row} >= {}", schema::first_row(at)));
                let until = until.map(|at| format!("{row} < {}", schema::first_row(at)));
                match (from, until) {
                    (Some(from), Some(until)) => format!("({from} AND {until})"),
                    (Some(one), None) | (None, Some(one)) => format!("({one})"),
                    (None, None) => "1".to_owned(),
                }
            }
            Query::Id(id) => match MessageId::new(id) {
                Some(id) => {
                    let slot = self.value(Value::Text(id.as_str().to_owned()));
                    let key = extract::key(&id);
                    format!("(p.message IN (SELECT id FROM messages WHERE key = {key} AND message_id = {slot}))")
                }
                None => "0".to_owned(),
            },
        }
    }

    fn all(&mut self, parts: &[Query], by: &str, none: &str) -> String {
        if parts.is_empty() {
            return none.to_owned();
        }
        let parts: Vec<String> = parts.iter().map(|part| self.condition(part)).collect();
        format!("({})", parts.join(by))
    }

    fn state(&self, state: State) -> String {
        let set = |flag: Flag| format!("(p.flags & {} <> 0)", crate::mail::flags::Flags::only(flag).bits());
        match state {
            // As the partial indexes spell it.
            State::Unread => "p.flags & 16 = 0".to_owned(),
            State::Read => set(Flag::Seen),
            State::Starred => set(Flag::Flagged),
            State::Replied => set(Flag::Answered),
            State::Forwarded => set(Flag::Forwarded),
            State::Draft => set(Flag::Draft),
            State::Sent => {
                let in_sent = self.in_folders(|folder| folder.role == Some(Role::Sent));
                format!("(m.bits & {OWN} <> 0 OR {in_sent})")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Option<Words> {
        let query = crate::query::parse(text, crate::mail::ids::Timestamp::new(0), &jiff::tz::TimeZone::UTC).unwrap();
        words_of(&query)
    }

    #[test]
    fn words_become_one_expression() {
        let find = |text: &str| Some(Words::Find(text.to_owned()));
        assert_eq!(words("a b"), find("(\"a\") AND (\"b\")"));
        assert_eq!(words("a -b -from:c"), find("(\"a\") NOT ((\"b\") OR (sender : \"c\"))"));
        assert_eq!(words("a or -b"), Some(Words::Avoid("(\"b\") NOT (\"a\")".to_owned())));
        assert_eq!(words("-- a"), find("\"a\""));
        assert_eq!(words("a is:unread"), None);
        assert_eq!(words(""), None);
    }
}
