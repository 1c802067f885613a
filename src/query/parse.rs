//! Text to query. An error points at the column and says what was expected there.

use std::fmt;

use jiff::tz::TimeZone;

use super::ast::{Field, Pattern, Query, State};
use super::date::{self, Clock};
use crate::mail::ids::Timestamp;

/// How deep parentheses and negations may be nested; what is made of a query is walked by
/// recursion.
const MAX_DEPTH: usize = 64;

/// The fields with words in them.
const FIELDS: [(&str, Field); 8] = [
    ("from", Field::From),
    ("to", Field::To),
    ("cc", Field::Cc),
    ("subject", Field::Subject),
    ("body", Field::Body),
    ("list", Field::List),
    ("file", Field::File),
    ("filename", Field::File),
];

/// What `is:` knows; the first name of a state is the one that is printed.
pub(super) const STATES: [(&str, State); 12] = [
    ("unread", State::Unread),
    ("read", State::Read),
    ("starred", State::Starred),
    ("replied", State::Replied),
    ("forwarded", State::Forwarded),
    ("draft", State::Draft),
    ("sent", State::Sent),
    ("new", State::Unread),
    ("seen", State::Read),
    ("flagged", State::Starred),
    ("answered", State::Replied),
    ("passed", State::Forwarded),
];

/// Why a text is no query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryError {
    /// Where, from 1, in characters.
    pub column: usize,
    /// What was expected there.
    pub expected: String,
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "column {}: expected {}", self.column, self.expected)
    }
}

impl std::error::Error for QueryError {}

/// Reads a query. Dates such as `yesterday` count from `now` and begin at midnight of `zone`. The
/// empty text finds everything.
pub fn parse(text: &str, now: Timestamp, zone: &TimeZone) -> Result<Query, QueryError> {
    let mut parser =
        Parser { chars: text.chars().collect(), at: 0, depth: 0, field: Field::Any, clock: Clock { now, zone } };
    let query = parser.any()?;
    if parser.peek().is_some() {
        return Err(parser.expected("an opening parenthesis before this one"));
    }
    Ok(query)
}

/// Can `word` stand without quotes, where a field name and operators would be seen?
pub(super) fn is_bare(word: &str) -> bool {
    is_bare_value(word) && !word.starts_with('-') && operator(word).is_none() && field_name(word).is_none()
}

/// Can `word` stand without quotes after a field's colon?
pub(super) fn is_bare_value(word: &str) -> bool {
    !word.is_empty() && !word.contains(ends_word) && !word.ends_with('*')
}

fn ends_word(c: char) -> bool {
    c.is_whitespace() || matches!(c, '(' | ')' | '"')
}

/// The letters before a colon, where the word begins with them.
fn field_name(word: &str) -> Option<&str> {
    let (name, _) = word.split_once(':')?;
    (!name.is_empty() && name.bytes().all(|b| b.is_ascii_alphabetic())).then_some(name)
}

#[derive(Clone, Copy, PartialEq)]
enum Operator {
    And,
    Or,
    Not,
}

fn operator(word: &str) -> Option<Operator> {
    [("and", Operator::And), ("or", Operator::Or), ("not", Operator::Not)]
        .into_iter()
        .find(|(name, _)| word.eq_ignore_ascii_case(name))
        .map(|(_, operator)| operator)
}

struct Parser<'a> {
    chars: Vec<char>,
    at: usize,
    depth: usize,
    /// The field of words that name none: `from:(ada or grace)`.
    field: Field,
    clock: Clock<'a>,
}

impl Parser<'_> {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn skip_blanks(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.at += 1;
        }
    }

    fn expected(&self, what: &str) -> QueryError {
        Self::expected_at(self.at, what)
    }

    fn expected_at(at: usize, what: &str) -> QueryError {
        QueryError { column: at + 1, expected: what.to_owned() }
    }

    /// The characters of a bare word that begins here, which stays unread.
    fn word_ahead(&self) -> String {
        self.chars.iter().skip(self.at).take_while(|c| !ends_word(**c)).collect()
    }

    fn operator_ahead(&self) -> Option<Operator> {
        operator(&self.word_ahead())
    }

    /// Takes the operator if it stands here.
    fn take(&mut self, wanted: Operator) -> bool {
        let here = self.operator_ahead() == Some(wanted);
        if here {
            self.at += if wanted == Operator::Or { 2 } else { 3 };
            self.skip_blanks();
        }
        here
    }

    /// `a b or c`: up to a closing parenthesis or the end.
    fn any(&mut self) -> Result<Query, QueryError> {
        let mut choices = vec![self.all()?];
        loop {
            let column = self.at;
            if !self.take(Operator::Or) {
                break;
            }
            let choice = self.all()?;
            if is_nothing(&choice) || choices.last().is_some_and(is_nothing) {
                return Err(Self::expected_at(column, "a word on both sides of `or`"));
            }
            choices.push(choice);
        }
        Ok(one_or(choices, Query::Or))
    }

    /// `a b and c`: up to `or`, a closing parenthesis or the end.
    fn all(&mut self) -> Result<Query, QueryError> {
        let mut parts = Vec::new();
        let mut joined: Option<usize> = None;
        loop {
            self.skip_blanks();
            if self.peek().is_none_or(|c| c == ')') || self.operator_ahead() == Some(Operator::Or) {
                break;
            }
            let column = self.at;
            if self.take(Operator::And) {
                if parts.is_empty() || joined.is_some() {
                    return Err(Self::expected_at(column, "a word before `and`"));
                }
                joined = Some(column);
            } else if let Some(part) = self.negated()? {
                parts.push(part);
                joined = None;
            }
        }
        match joined {
            Some(column) => Err(Self::expected_at(column + 3, "a word after `and`")),
            None => Ok(one_or(parts, Query::And)),
        }
    }

    /// `not a`, `-a`, `a`. `None`: a lone dash, which says nothing.
    fn negated(&mut self) -> Result<Option<Query>, QueryError> {
        let column = self.at;
        let negated = if self.take(Operator::Not) {
            true
        } else if self.peek() == Some('-') {
            self.at += 1;
            if self.peek().is_none_or(|c| c.is_whitespace() || c == ')') {
                return Ok(None);
            }
            true
        } else {
            false
        };
        if !negated {
            return self.atom().map(Some);
        }
        self.deeper()?;
        if self.peek().is_none_or(|c| c == ')') || matches!(self.operator_ahead(), Some(Operator::And | Operator::Or)) {
            return Err(Self::expected_at(column, "a word after `not`"));
        }
        let inner = self.negated()?;
        self.depth -= 1;
        Ok(inner.map(|query| Query::Not(Box::new(query))))
    }

    fn deeper(&mut self) -> Result<(), QueryError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH { Err(self.expected("fewer parentheses and negations")) } else { Ok(()) }
    }

    fn atom(&mut self) -> Result<Query, QueryError> {
        match self.peek() {
            Some('(') => self.group(),
            Some('"') => Ok(Query::Text { field: self.field, pattern: Pattern::Phrase(self.quoted()?) }),
            _ => {
                let word = self.word_ahead();
                match field_name(&word).map(str::to_owned) {
                    Some(name) => self.field_term(&name),
                    None => Ok(Query::Text { field: self.field, pattern: self.pattern()? }),
                }
            }
        }
    }

    fn group(&mut self) -> Result<Query, QueryError> {
        let column = self.at;
        self.deeper()?;
        self.at += 1;
        let query = self.any()?;
        if self.peek() != Some(')') {
            return Err(Self::expected_at(column, "a closing parenthesis for this one"));
        }
        self.at += 1;
        self.depth -= 1;
        Ok(query)
    }

    /// A quoted text, its opening quote next; `\"` and `\\` stand for themselves.
    fn quoted(&mut self) -> Result<String, QueryError> {
        let column = self.at;
        self.at += 1;
        let mut text = String::new();
        while let Some(c) = self.peek() {
            self.at += 1;
            match c {
                '"' if text.trim().is_empty() => return Err(Self::expected_at(column, "words between the quotes")),
                '"' => return Ok(text),
                '\\' if matches!(self.peek(), Some('"' | '\\')) => {
                    text.extend(self.peek());
                    self.at += 1;
                }
                _ => text.push(c),
            }
        }
        Err(Self::expected_at(column, "a closing quote for this one"))
    }

    /// A bare word; it is taken.
    fn bare(&mut self) -> String {
        let word = self.word_ahead();
        self.at += word.chars().count();
        word
    }

    fn pattern(&mut self) -> Result<Pattern, QueryError> {
        let column = self.at;
        let word = self.bare();
        let stem = word.trim_end_matches('*');
        if stem.is_empty() {
            return Err(Self::expected_at(column, "letters before `*`"));
        }
        Ok(if stem.len() < word.len() { Pattern::Prefix(stem.to_owned()) } else { Pattern::Word(word) })
    }

    /// What follows `name:`.
    fn field_term(&mut self, name: &str) -> Result<Query, QueryError> {
        let start = self.at;
        self.at += name.chars().count() + 1;
        let column = self.at;
        let name = name.to_ascii_lowercase();
        if let Some((_, field)) = FIELDS.into_iter().find(|(known, _)| *known == name) {
            return self.text_term(&name, field);
        }
        let value = match name.as_str() {
            "has" | "in" | "folder" | "account" | "is" | "larger" | "smaller" | "date" | "d" | "id" => {
                self.value(&name)?
            }
            _ => {
                return Err(Self::expected_at(
                    start,
                    "a field (from: to: cc: subject: body: list: file: has: in: account: is: larger: smaller: date: \
                     id:), or quotes around a word with a colon",
                ));
            }
        };
        let wrong = |expected: &str| Self::expected_at(column, expected);
        match name.as_str() {
            "has" if matches!(value.to_lowercase().as_str(), "attachment" | "attachments" | "att") => {
                Ok(Query::HasAttachment)
            }
            "has" => Err(wrong("`attachment` after `has:`")),
            "in" | "folder" => Ok(Query::In(value)),
            "account" => Ok(Query::Account(value)),
            "is" => STATES
                .iter()
                .find(|(known, _)| value.eq_ignore_ascii_case(known))
                .map(|(_, state)| Query::Is(*state))
                .ok_or_else(|| wrong("unread, read, starred, replied, forwarded, draft or sent after `is:`")),
            "larger" => size(&value).map(Query::Larger).ok_or_else(|| wrong(SIZE)),
            "smaller" => size(&value).map(Query::Smaller).ok_or_else(|| wrong(SIZE)),
            "id" => {
                let id = value.strip_prefix('<').unwrap_or(&value);
                let id = id.strip_suffix('>').unwrap_or(id);
                if id.is_empty() { Err(wrong("a Message-ID after `id:`")) } else { Ok(Query::Id(id.to_owned())) }
            }
            _ => {
                let value = self.with_unit(value);
                let (from, until) = date::range(&value, &self.clock).ok_or_else(|| wrong(date::EXPECTED))?;
                if from.zip(until).is_some_and(|(from, until)| from > until) {
                    return Err(wrong("the earlier date first"));
                }
                Ok(Query::Date { from, until })
            }
        }
    }

    fn text_term(&mut self, name: &str, field: Field) -> Result<Query, QueryError> {
        match self.peek() {
            Some('"') => Ok(Query::Text { field, pattern: Pattern::Phrase(self.quoted()?) }),
            Some('(') => {
                let outer = std::mem::replace(&mut self.field, field);
                let group = self.group()?;
                self.field = outer;
                Ok(group)
            }
            Some(c) if !ends_word(c) => Ok(Query::Text { field, pattern: self.pattern()? }),
            _ => Err(self.expected(&format!("a word after `{name}:`"))),
        }
    }

    fn value(&mut self, name: &str) -> Result<String, QueryError> {
        match self.peek() {
            Some('"') => self.quoted(),
            Some(c) if !ends_word(c) => Ok(self.bare()),
            _ => Err(self.expected(&format!("a value after `{name}:`"))),
        }
    }

    /// `date:last week` without quotes.
    fn with_unit(&mut self, value: String) -> String {
        if !["last", "this"].iter().any(|word| value.eq_ignore_ascii_case(word)) {
            return value;
        }
        let back = self.at;
        self.skip_blanks();
        let unit = self.bare();
        if ["week", "month", "year"].iter().any(|known| unit.eq_ignore_ascii_case(known)) {
            return format!("{value} {unit}");
        }
        self.at = back;
        value
    }
}

/// Nothing at all was written (not even `()`), as far as `or` is concerned.
fn is_nothing(query: &Query) -> bool {
    matches!(query, Query::And(parts) if parts.is_empty())
}

fn one_or(mut parts: Vec<Query>, many: fn(Vec<Query>) -> Query) -> Query {
    match (parts.len(), parts.pop()) {
        (1, Some(only)) => only,
        (_, Some(last)) => {
            parts.push(last);
            many(parts)
        }
        (_, None) => Query::And(Vec::new()),
    }
}

const SIZE: &str = "a size such as 500, 20k or 3M";

/// `500`, `20k`, `3M`, `1G`, in powers of 1024; a `b` behind it is passed over.
fn size(text: &str) -> Option<u64> {
    let text = text.to_ascii_lowercase();
    let text = text.strip_suffix('b').unwrap_or(&text);
    let (digits, unit) = match text.chars().last()? {
        'k' => (text.strip_suffix('k')?, 1 << 10),
        'm' => (text.strip_suffix('m')?, 1 << 20),
        'g' => (text.strip_suffix('g')?, 1 << 30),
        _ => (text, 1_u64),
    };
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    // What the index compares with is signed.
    digits.parse::<u64>().ok()?.checked_mul(unit).filter(|bytes| *bytes <= i64::MAX.unsigned_abs())
}
