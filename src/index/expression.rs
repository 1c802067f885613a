//! What the words of a query mean to FTS5, which knows "this and not that" but no "not that" alone.

use std::cell::RefCell;
use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension as _};

use super::words;
use crate::query::Query;
use crate::query::forms::Forms;

/// How deep an expression may be that is given to FTS5, whose parser has a small stack.
pub(super) const MAX_DEPTH: usize = 8;

/// The beginning of a word is looked for by the words that begin so, where there are no more of them.
const MAX_WORDS: usize = 64;

/// The forms of a word are looked for among so many words that begin like it, and only if what they have in common
/// is so long.
const MAX_NEAR: usize = 2000;
const MIN_COMMON: usize = 2;

/// What a part of a query that asks for words only means to FTS5.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Words {
    Find(String),
    Avoid(String),
    /// Nothing to look for: a lone dash.
    Anything,
}

/// The words that are in the full text.
///
/// FTS5 answers the beginning of a word by all its hits at once, however few are wanted. The words themselves,
/// joined by OR, it follows newest first.
pub(super) struct Lexicon<'a> {
    db: Option<&'a Connection>,
    known: RefCell<BTreeMap<String, Option<Vec<String>>>>,
}

impl<'a> Lexicon<'a> {
    pub(super) fn new(db: &'a Connection) -> Self {
        Self { db: Some(db), known: RefCell::default() }
    }

    /// The words that begin so. `None`: they are too many, or it is not one word, or how it is folded is FTS5's
    /// business.
    pub(super) fn beginning_with(&self, text: &str) -> Option<Vec<String>> {
        // Beginnings of two letters have an index of their own.
        if text.len() < 3 || !text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return None;
        }
        let begin = text.to_ascii_lowercase();
        if let Some(known) = self.known.borrow().get(&begin) {
            return known.clone();
        }
        let words = self.db.and_then(|db| listed(db, &begin, MAX_WORDS).ok().flatten());
        self.known.borrow_mut().insert(begin, words.clone());
        words
    }

    /// The forms of a word that were written, and the word itself. Where too many words begin like it, it stands
    /// for itself alone.
    fn forms_of(&self, forms: &Forms) -> Vec<String> {
        let word = forms.folded();
        let common = forms.common();
        let long = common.chars().count() >= MIN_COMMON;
        let near = self.db.filter(|_| long).and_then(|db| listed(db, &common, MAX_NEAR).ok().flatten());
        let mut found: Vec<String> = near.unwrap_or_default().into_iter().filter(|near| forms.has(near)).collect();
        found.truncate(MAX_WORDS);
        if !found.contains(&word) {
            found.push(word);
        }
        found
    }
}

/// The first word that is not less than `?1`. FTS5 would pass by all instances of a word to find one that is greater.
const NEXT: &str = "SELECT term FROM temp.vocabulary WHERE term >= ?1 LIMIT 1";

fn listed(db: &Connection, begin: &str, limit: usize) -> rusqlite::Result<Option<Vec<String>>> {
    let mut next = db.prepare_cached(NEXT)?;
    let mut words: Vec<String> = Vec::new();
    let mut from = begin.to_owned();
    while let Some(word) = next.query_row([&from], |row| row.get::<_, String>(0)).optional()? {
        if !word.starts_with(begin) {
            break;
        }
        if words.len() >= limit {
            return Ok(None);
        }
        from.clone_from(&word);
        // Nothing is between a word and the same with this behind it.
        from.push('\0');
        words.push(word);
    }
    Ok(Some(words))
}

/// The words of a query, where it asks for nothing else.
pub(super) fn words_of(query: &Query, lexicon: &Lexicon<'_>) -> Option<Words> {
    match query {
        Query::Text { field, pattern } => {
            let beginning = |text: &str| lexicon.beginning_with(text);
            let forms_of = |forms: &Forms| lexicon.forms_of(forms);
            Some(words::expression(*field, pattern, &beginning, &forms_of).map_or(Words::Anything, Words::Find))
        }
        Query::And(parts) if !parts.is_empty() => {
            let parts: Option<Vec<Words>> = parts.iter().map(|part| words_of(part, lexicon)).collect();
            parts.map(|parts| all_of(parts.into_iter()))
        }
        Query::Or(parts) if !parts.is_empty() => {
            let parts: Option<Vec<Words>> = parts.iter().map(|part| words_of(part, lexicon)).collect();
            parts.map(one_of)
        }
        Query::Not(inner) => match words_of(inner, lexicon)? {
            Words::Find(words) => Some(Words::Avoid(words)),
            Words::Avoid(words) => Some(Words::Find(words)),
            // Not anything is nothing, which FTS5 cannot say.
            Words::Anything => None,
        },
        _ => None,
    }
}

pub(super) fn all_of(parts: impl Iterator<Item = Words>) -> Words {
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

pub(super) fn depth(query: &Query) -> usize {
    match query {
        Query::And(parts) | Query::Or(parts) => 1 + parts.iter().map(depth).max().unwrap_or(0),
        Query::Not(inner) => 1 + depth(inner),
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Option<Words> {
        let query = crate::query::parse(text, crate::mail::ids::Timestamp::new(0), &jiff::tz::TimeZone::UTC).unwrap();
        words_of(&query, &Lexicon { db: None, known: RefCell::default() })
    }

    #[test]
    fn words_are_listed_whatever_number_of_times_they_were_written() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(
            "CREATE VIRTUAL TABLE words USING fts5(body, content='', contentless_delete=1);
             CREATE VIRTUAL TABLE temp.vocabulary USING fts5vocab(main, words, instance)",
        )
        .unwrap();
        let mut add = db.prepare("INSERT INTO words(body) VALUES(?1)").unwrap();
        for text in ["the theme of their theme", "then, the the the", "\u{442}\u{435}\u{43c}\u{430} thé th"] {
            add.execute([text]).unwrap();
        }
        for _ in 0..500 {
            add.execute(["the theme"]).unwrap();
        }
        let words = |begin, limit| listed(&db, begin, limit).unwrap();
        assert_eq!(words("the", 9), Some(["the", "their", "theme", "then"].map(str::to_owned).to_vec()));
        assert_eq!(words("them", 9), Some(vec!["theme".to_owned()]));
        assert_eq!((words("zeal", 9), words("the", 3)), (Some(Vec::new()), None));
        // A few steps of SQLite's for each word that was found, and none for each time it was written.
        let steps = db.prepare_cached(NEXT).unwrap().get_status(rusqlite::StatementStatus::VmStep);
        assert!((1..300).contains(&steps), "{steps} steps");
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
