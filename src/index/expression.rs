//! What the words of a query mean to FTS5, which knows "this and not that" but no "not that" alone.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use rusqlite::{Connection, OptionalExtension as _, Result};

use super::schema::{BEGINNINGS, VOCABULARY};
use super::words;
use crate::query::Query;
use crate::query::ast::{Field, Pattern};
use crate::query::forms::Forms;

/// How deep an expression may be that is given to FTS5, whose parser has a small stack.
pub(super) const MAX_DEPTH: usize = 8;

/// The beginning of a word is looked for by the words that begin so, in one expression, where there are no more of
/// them.
const MAX_WORDS: usize = 64;

/// The forms of a word are looked for among so many words that begin like it, and only if what they have in common
/// is so long.
const MAX_NEAR: usize = 2000;
const MIN_COMMON: usize = 2;

/// How many times that words were written are read at once. What was written more often is passed by.
const AT_ONCE: u32 = 32;

/// How many are read of all words that begin alike; where that is not all, FTS5 joins them.
const MOST: u32 = 200_000;

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
/// FTS5 answers the beginning of a word by all its hits at once, however few are wanted, unless it has an index of
/// such beginnings. The words themselves, joined by OR, it follows newest first.
pub(super) struct Lexicon<'a> {
    db: Option<&'a Connection>,
    known: RefCell<BTreeMap<String, Beginning>>,
}

/// How the beginning of a word is looked for.
#[derive(Debug, Clone)]
pub(super) enum Beginning {
    /// As such: it has an index, or is not one word, or how it is folded is FTS5's business, or is too much to read.
    Whole,
    /// By these terms.
    Few(Vec<String>),
    /// By many words.
    Many(Rc<Many>),
}

/// Many words that begin alike.
#[derive(Debug, Default)]
pub(super) struct Many {
    /// The terms for those that were written often, to be looked for one by one.
    often: Vec<String>,
    /// Where the others were written.
    seldom: Vec<Place>,
}

/// Where a word was written: the message, and the column.
type Place = (i64, &'static str);

impl Many {
    /// What finds those that were written often; `None`: there are none.
    pub(super) fn expression(&self, field: Field) -> Option<String> {
        words::one_of(field, &self.often)
    }

    /// The messages of the others.
    pub(super) fn seldom(&self, field: Field) -> Vec<i64> {
        let columns = words::columns(field);
        let wanted = |column: &str| columns.is_empty() || columns.contains(&column);
        let mut rows: Vec<i64> = self.seldom.iter().filter(|(_, column)| wanted(column)).map(|(row, _)| *row).collect();
        rows.sort_unstable();
        rows.dedup();
        rows
    }
}

impl<'a> Lexicon<'a> {
    pub(super) fn new(db: &'a Connection) -> Self {
        Self { db: Some(db), known: RefCell::default() }
    }

    /// How what a pattern begins with is looked for.
    pub(super) fn beginning(&self, pattern: &Pattern) -> Beginning {
        let (Some(begin), Some(db)) = (words::lone_beginning(pattern), self.db) else { return Beginning::Whole };
        if begin.len() == BEGINNINGS {
            return Beginning::Whole;
        }
        if let Some(known) = self.known.borrow().get(&begin) {
            return known.clone();
        }
        let found = if begin.len() < BEGINNINGS {
            let mut terms = Vec::new();
            spread(db, &begin, &mut terms).map(|()| Beginning::Few(terms))
        } else {
            read(db, &begin)
        };
        let found = found.unwrap_or(Beginning::Whole);
        self.known.borrow_mut().insert(begin, found.clone());
        found
    }

    /// The terms for the forms of a word that were written, and for the word itself. Where too many words begin like
    /// it, it stands for itself alone.
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
        found.iter().map(|word| words::exactly(word)).collect()
    }
}

/// From the first word on that is not less than `?1`, where it was written. FTS5 would pass by all instances of a word
/// to find one that is greater, so only so many are read.
const NEXT: &str = "SELECT term, doc, col FROM temp.vocabulary WHERE term >= ?1 LIMIT ?2";

/// A word, and where it was written; `None` instead where that is more than what was read at once.
struct Written {
    word: String,
    places: Option<Vec<Place>>,
}

/// Walks along the words that begin so. `each` says whether to go on.
fn along(db: &Connection, begin: &str, mut each: impl FnMut(Written) -> bool) -> Result<()> {
    // Most questions do not need it, and making it costs as much as answering them.
    db.execute_batch(VOCABULARY)?;
    let mut next = db.prepare_cached(NEXT)?;
    let mut from = begin.to_owned();
    loop {
        let mut rows = next.query((&from, AT_ONCE))?;
        let (mut read, mut met): (u32, Vec<(String, Vec<Place>)>) = (0, Vec::new());
        let mut ended = false;
        while let Some(row) = rows.next()? {
            let word = row.get_ref(0)?.as_str()?;
            if !word.starts_with(begin) {
                ended = true;
                break;
            }
            read += 1;
            let place = (row.get(1)?, words::column(row.get_ref(2)?.as_str()?).unwrap_or_default());
            match met.last_mut().filter(|(last, _)| last == word) {
                Some((_, places)) => places.push(place),
                None => met.push((word.to_owned(), vec![place])),
            }
        }
        // Of the last one there may be more than was read. If it is all that was read, it is passed by, else read again.
        let cut = (!ended && read == AT_ONCE).then(|| met.pop()).flatten();
        let alone = met.is_empty();
        for (word, places) in met {
            if !each(Written { word, places: Some(places) }) {
                return Ok(());
            }
        }
        let Some((word, _)) = cut else { return Ok(()) };
        from.clone_from(&word);
        if alone {
            // Nothing is between a word and the same with this behind it.
            from.push('\0');
            if !each(Written { word, places: None }) {
                return Ok(());
            }
        }
    }
}

/// The words that begin so; `None`: they are more than that.
fn listed(db: &Connection, begin: &str, limit: usize) -> Result<Option<Vec<String>>> {
    let mut words = Vec::new();
    along(db, begin, |written| {
        words.push(written.word);
        words.len() <= limit
    })?;
    Ok(Some(words).filter(|words| words.len() <= limit))
}

/// The terms that together are all words that begin so, which is less than what has an index: each beginning of that
/// length which there may be. Only those with letters beyond plain ones are looked up: between a common word and the next
/// one FTS5 would pass by all that was written of it.
fn spread(db: &Connection, begin: &str, terms: &mut Vec<String>) -> Result<()> {
    if begin.len() == BEGINNINGS {
        terms.push(words::begun(begin));
        return Ok(());
    }
    terms.push(words::exactly(begin));
    for letter in ('0'..='9').chain('a'..='z') {
        spread(db, &format!("{begin}{letter}"), terms)?;
    }
    db.execute_batch(VOCABULARY)?;
    let mut next = db.prepare_cached(NEXT)?;
    // What follows all plain letters.
    let mut from = format!("{begin}{{");
    loop {
        let word: Option<String> = next.query_row((&from, 1), |row| row.get(0)).optional()?;
        let Some(word) = word.filter(|word| word.starts_with(begin)) else { return Ok(()) };
        let beginning: String = word.chars().take(BEGINNINGS).collect();
        let is_short = beginning.chars().count() < BEGINNINGS;
        terms.push(if is_short { words::exactly(&word) } else { words::begun(&beginning) });
        // Behind this word, or behind all that begin so.
        from = if is_short { word + "\0" } else { beginning + "\u{10ffff}" };
    }
}

/// How what begins so is looked for.
fn read(db: &Connection, begin: &str) -> Result<Beginning> {
    let (mut few, mut many, mut read) = (Vec::new(), Many::default(), 0_u32);
    along(db, begin, |Written { word, places }| {
        let term = words::exactly(&word);
        few.push(term.clone());
        if let Some(mut places) = places {
            read += u32::try_from(places.len()).unwrap_or(u32::MAX);
            many.seldom.append(&mut places);
        } else {
            read += AT_ONCE;
            many.often.push(term);
        }
        read <= MOST
    })?;
    Ok(match few.len() {
        _ if read > MOST => Beginning::Whole,
        0..=MAX_WORDS => Beginning::Few(few),
        _ => Beginning::Many(Rc::new(many)),
    })
}

/// The words of a query, where it asks for nothing else and they can be said to FTS5 in one expression.
pub(super) fn words_of(query: &Query, lexicon: &Lexicon<'_>) -> Option<Words> {
    match query {
        Query::Text { field, pattern } => {
            let known = match pattern {
                Pattern::Forms(forms) => lexicon.forms_of(forms),
                Pattern::Word(_) | Pattern::Phrase(_) | Pattern::Prefix(_) => match lexicon.beginning(pattern) {
                    Beginning::Whole => Vec::new(),
                    Beginning::Few(words) => words,
                    Beginning::Many(_) => return None,
                },
            };
            Some(words::expression(*field, pattern, &known).map_or(Words::Anything, Words::Find))
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
        db.execute_batch("CREATE VIRTUAL TABLE words USING fts5(body, content='', contentless_delete=1)").unwrap();
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
        // Some steps of SQLite's for each word that was found, and none for each time it was written.
        let steps = || db.prepare_cached(NEXT).unwrap().get_status(rusqlite::StatementStatus::VmStep);
        let before = steps();
        for _ in 0..500 {
            add.execute(["the theme"]).unwrap();
        }
        let one_listing = steps();
        words("the", 9);
        assert!(before > 0 && steps() - one_listing < 4 * 12 * i32::try_from(AT_ONCE).unwrap(), "{} steps", steps());
    }

    #[test]
    fn many_words_that_begin_alike_are_where_they_were_written_and_the_frequent_ones() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch("CREATE VIRTUAL TABLE words USING fts5(subject, body, content='', contentless_delete=1)")
            .unwrap();
        let mut add = db.prepare("INSERT INTO words(rowid, subject, body) VALUES(?1, ?2, ?3)").unwrap();
        for row in 0..200_i64 {
            let subject = if row % 2 == 0 { format!("number{row} numbering") } else { String::new() };
            add.execute((row, subject, format!("a number{row} of number"))).unwrap();
        }
        let lexicon = Lexicon::new(&db);
        let begin = |text: &str| lexicon.beginning(&Pattern::Prefix(text.to_owned()));
        let Beginning::Many(many) = begin("numbe") else { panic!("{:?}", begin("numbe")) };
        assert_eq!(many.often, ["number", "numbering"].map(words::exactly));
        assert_eq!(many.expression(Field::Subject).as_deref(), Some("subject : (\"number\" OR \"numbering\")"));
        assert_eq!(many.seldom(Field::Any), (0..200).collect::<Vec<_>>());
        assert_eq!(many.seldom(Field::Subject), (0..200).step_by(2).collect::<Vec<_>>());
        assert!(many.seldom(Field::To).is_empty());
        assert!(matches!(begin("number19"), Beginning::Few(words) if words.len() == 11 && words[0] == "\"number19\""));
        assert!(matches!(begin("num"), Beginning::Whole), "it has an index");
        assert!(matches!(begin("nobody"), Beginning::Few(words) if words.is_empty()));
        let query = Query::Text { field: Field::Any, pattern: Pattern::Prefix("numbe".to_owned()) };
        assert_eq!(words_of(&query, &lexicon), None);
    }

    #[test]
    fn short_beginnings_are_all_longer_ones_that_there_may_be() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch("CREATE VIRTUAL TABLE words USING fts5(body, content='', contentless_delete=1, prefix='3')")
            .unwrap();
        let texts =
            ["b", "be", "bee", "budget", "b2b", "b\u{431}\u{432}\u{433} be\u{431}", "\u{431}", "ab cb", "b\u{431}"];
        for text in texts {
            db.execute("INSERT INTO words(body) VALUES(?1)", [text]).unwrap();
        }
        let lexicon = Lexicon::new(&db);
        let found = |text: &str| -> Vec<i64> {
            let pattern = Pattern::Prefix(text.to_owned());
            let Beginning::Few(terms) = lexicon.beginning(&pattern) else { panic!("{text}") };
            let expression = words::expression(Field::Body, &pattern, &terms).unwrap();
            let mut find = db.prepare("SELECT rowid FROM words WHERE words MATCH ?1 ORDER BY rowid").unwrap();
            find.query_map([expression], |row| row.get(0)).unwrap().map(std::result::Result::unwrap).collect()
        };
        assert_eq!(found("b"), [1, 2, 3, 4, 5, 6, 9]);
        assert_eq!(found("be"), [2, 3, 6]);
        assert_eq!(found("BU"), [4]);
        assert_eq!(found("b2"), [5]);
        assert!(found("q").is_empty());
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
