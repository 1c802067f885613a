//! Text to query. An error points at the column and says what was expected there.

use std::fmt;

use jiff::tz::TimeZone;

use super::ast::{Field, Pattern, Query};
use super::date::Clock;
use super::forms::Forms;
use super::native::{self, Dialect};
use super::saved::Saved;
use super::spelling::{BETWEEN, EXPRESSION, Operator, ends_word, field_name, is_between, is_expression, operator};
use super::terms::{self, Asked, Term, Value};
use crate::mail::ids::Timestamp;

/// How deep parentheses and negations may be nested; what is made of a query is walked by
/// recursion.
const MAX_DEPTH: usize = 64;

/// How many words and properties a query may ask for.
const MAX_TERMS: usize = 400;

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
    read(text, &Saved::default(), (now, zone), LastWord::Whole)
}

/// Reads a query that is being typed: its last word, where nothing stands behind it, may be the beginning of
/// one. A single letter is not, since too much begins with it.
pub fn parse_typed(text: &str, now: Timestamp, zone: &TimeZone) -> Result<Query, QueryError> {
    read(text, &Saved::default(), (now, zone), LastWord::Begun)
}

/// Reads a query in the dialect of whoever answers it.
pub fn parse_in(dialect: Dialect, text: &str, now: Timestamp, zone: &TimeZone) -> Result<Query, QueryError> {
    read(text, &Saved::default().in_dialect(dialect), (now, zone), LastWord::Whole)
}

/// Reads a query in which saved searches may be named. What notmuch answers and is no query of ours is taken for one
/// of its own, as it stands, unless it only lacks its end.
pub(super) fn read(
    text: &str,
    saved: &Saved,
    (now, zone): (Timestamp, &TimeZone),
    last: LastWord,
) -> Result<Query, QueryError> {
    let known = Known { clock: Clock { now, zone }, saved };
    let (chars, open) = (text.chars().collect(), Vec::new());
    match (Parser { chars, at: 0, depth: 0, terms: 0, field: Field::Any, known, last, open }.whole()) {
        Err(error) => foreign(text, saved.dialect(), last).ok_or(error),
        read => read,
    }
}

/// A text that is no query of ours as one of notmuch's. What is saved under a name it does not know.
fn foreign(text: &str, dialect: Dialect, last: LastWord) -> Option<Query> {
    let lacks_end = || {
        let word = text.split_whitespace().next_back().unwrap_or_default();
        let is_open = |open, close| text.matches::<char>(open).count() > text.matches::<char>(close).count();
        operator(word).is_some() || word.ends_with(':') || is_open('(', ')') || is_open('{', '}')
    };
    let is_its_own = dialect == Dialect::Notmuch && !text.to_lowercase().contains("search:");
    (is_its_own && !(last == LastWord::Begun && lacks_end())).then(|| Query::Native(text.trim().to_owned()))
}

/// What words of a query are read by.
#[derive(Clone, Copy)]
struct Known<'a> {
    clock: Clock<'a>,
    saved: &'a Saved,
}

/// How the last word of a text is taken.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum LastWord {
    /// As a word.
    Whole,
    /// As the beginning of one, where more may follow.
    Begun,
}

struct Parser<'a> {
    chars: Vec<char>,
    at: usize,
    depth: usize,
    terms: usize,
    /// The field of words that name none: `from:(ada or grace)`.
    field: Field,
    known: Known<'a>,
    last: LastWord,
    /// The saved searches that are being read, from the outside in.
    open: Vec<String>,
}

impl Parser<'_> {
    fn whole(&mut self) -> Result<Query, QueryError> {
        let query = self.any()?;
        match self.peek() {
            None => Ok(query),
            Some('}') => Err(self.expected("an opening brace before this one")),
            Some(_) => Err(self.expected("an opening parenthesis before this one")),
        }
    }

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

    /// `a b or c`: up to a closing parenthesis or brace, or the end.
    fn any(&mut self) -> Result<Query, QueryError> {
        let Some(first) = self.all()? else {
            let column = self.at;
            return if self.take(Operator::Or) { Err(Self::one_sided(column)) } else { Ok(Query::everything()) };
        };
        let mut choices = vec![first];
        loop {
            let column = self.at;
            if !self.take(Operator::Or) {
                return Ok(one_or(choices, Query::Or));
            }
            choices.push(self.all()?.ok_or_else(|| Self::one_sided(column))?);
        }
    }

    fn one_sided(column: usize) -> QueryError {
        Self::expected_at(column, "a word on both sides of `or`")
    }

    /// `a b and c`: up to `or`, a closing parenthesis or brace, or the end. `None`: nothing stands there.
    fn all(&mut self) -> Result<Option<Query>, QueryError> {
        let mut parts = Vec::new();
        let mut joined: Option<usize> = None;
        loop {
            self.skip_blanks();
            if self.is_end_of_group() || self.operator_ahead() == Some(Operator::Or) {
                break;
            }
            let column = self.at;
            if !parts.is_empty() && joined.is_none() && self.stands_between() {
                return Err(Self::expected_at(column, BETWEEN));
            }
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
            None if parts.is_empty() => Ok(None),
            None => Ok(Some(one_or(parts, Query::And))),
        }
    }

    /// Is a word that would join two others next, with one behind it?
    fn stands_between(&self) -> bool {
        let word = self.word_ahead();
        let behind = self.chars.iter().skip(self.at + word.chars().count()).find(|c| !c.is_whitespace());
        is_between(&word) && behind.is_some_and(|c| !matches!(c, ')' | '}'))
    }

    fn is_end_of_group(&self) -> bool {
        self.peek().is_none_or(|c| matches!(c, ')' | '}'))
    }

    /// `not a`, `-a`, `a`. `None`: a lone dash, which says nothing.
    fn negated(&mut self) -> Result<Option<Query>, QueryError> {
        let column = self.at;
        let negated = if self.take(Operator::Not) {
            true
        } else if self.peek() == Some('-') {
            self.at += 1;
            if self.is_end_of_group() || self.peek().is_some_and(char::is_whitespace) {
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
        if self.is_end_of_group() || matches!(self.operator_ahead(), Some(Operator::And | Operator::Or)) {
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
        self.terms += 1;
        if self.terms > MAX_TERMS {
            return Err(self.expected("a shorter query"));
        }
        match self.peek() {
            Some('(') => self.group(),
            Some('{') => self.choice(),
            Some('"') => Ok(Query::Text { field: self.field, pattern: Pattern::Phrase(self.quoted()?) }),
            _ => {
                let word = self.word_ahead();
                match field_name(&word).map(str::to_owned) {
                    Some(name) => self.field_term(&name),
                    // As in notmuch; what begins with anything is anything.
                    None if word == "*" && self.field == Field::Any => {
                        self.at += 1;
                        Ok(Query::everything())
                    }
                    None => self.text(self.field),
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

    /// `{a b}`: one of these, as Gmail writes it. An `or` between them says the same again.
    fn choice(&mut self) -> Result<Query, QueryError> {
        let column = self.at;
        self.deeper()?;
        self.at += 1;
        let mut choices = Vec::new();
        loop {
            self.skip_blanks();
            match self.peek() {
                Some('}') => break,
                None | Some(')') => return Err(Self::expected_at(column, "a closing brace for this one")),
                Some(_) if self.take(Operator::Or) => {}
                Some(_) if self.operator_ahead() == Some(Operator::And) => {
                    return Err(self.expected("parentheses around words that belong together"));
                }
                Some(_) => choices.extend(self.negated()?),
            }
        }
        self.at += 1;
        self.depth -= 1;
        Ok(one_or(choices, Query::Or))
    }

    /// `{a b}` behind `thread:`, as notmuch writes it: a query of its own.
    fn together(&mut self) -> Result<Query, QueryError> {
        let column = self.at;
        self.deeper()?;
        self.at += 1;
        let outer = std::mem::replace(&mut self.field, Field::Any);
        let query = self.any()?;
        self.field = outer;
        if self.peek() != Some('}') {
            return Err(Self::expected_at(column, "a closing brace for this one"));
        }
        self.at += 1;
        self.depth -= 1;
        Ok(Query::Together(Box::new(query)))
    }

    /// `"{a b}"` behind `thread:`, as notmuch wants it where there are blanks.
    fn together_in_quotes(&mut self) -> Result<Query, QueryError> {
        let column = self.at;
        let text = self.quoted()?;
        let inner = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        let inner = inner.ok_or_else(|| Self::expected_at(column + 1, "a closing brace for this one"))?;
        self.deeper()?;
        let mut parser = self.inside(inner, self.open.clone());
        let query = parser.whole().map_err(|error| QueryError { column: column + 2 + error.column, ..error })?;
        self.depth -= 1;
        self.terms = parser.terms;
        Ok(Query::Together(Box::new(query)))
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

    /// A bare word in a field; `me` is the user where addresses are, and while it is typed also what begins so.
    fn text(&mut self, field: Field) -> Result<Query, QueryError> {
        if field != Field::Any && self.is_expression_ahead() {
            return Err(self.expected(EXPRESSION));
        }
        let is_me = self.word_ahead().eq_ignore_ascii_case("me");
        let pattern = self.pattern()?;
        let Some(me) = self.known.saved.me(field).filter(|_| is_me) else { return Ok(Query::Text { field, pattern }) };
        Ok(match pattern {
            Pattern::Prefix(_) => match me {
                Query::Or(mut all) => {
                    all.push(Query::Text { field, pattern });
                    Query::Or(all)
                }
                one => Query::Or(vec![one, Query::Text { field, pattern }]),
            },
            Pattern::Word(_) | Pattern::Forms(_) | Pattern::Phrase(_) => me,
        })
    }

    fn pattern(&mut self) -> Result<Pattern, QueryError> {
        let column = self.at;
        let word = self.bare();
        let stem = word.trim_end_matches('*');
        if stem.is_empty() {
            return Err(Self::expected_at(column, "letters before `*`"));
        }
        // In print it has quotes, so that it joins nothing there.
        if is_between(&word) {
            return Ok(Pattern::Phrase(word));
        }
        if let Some(forms) = Forms::read(&word) {
            return Ok(Pattern::Forms(forms));
        }
        let begun = self.last == LastWord::Begun && self.peek().is_none() && is_begun(&word);
        Ok(if stem.len() < word.len() || begun { Pattern::Prefix(stem.to_owned()) } else { Pattern::Word(word) })
    }

    /// What follows `name:`.
    fn field_term(&mut self, name: &str) -> Result<Query, QueryError> {
        let start = self.at;
        self.at += name.chars().count() + 1;
        let column = self.at;
        if self.known.saved.dialect() == Dialect::Notmuch
            && let Some(term) = self.foreign_term(name)?
        {
            return Ok(term);
        }
        match terms::find(name) {
            None => Err(Self::expected_at(start, terms::FIELDS)),
            Some(Term::Text(field)) => self.text_term(&name.to_ascii_lowercase(), field),
            Some(Term::Value(Asked::Thread)) if self.peek() == Some('{') => self.together(),
            Some(Term::Value(Asked::Thread))
                if self.peek() == Some('"') && self.chars.get(self.at + 1) == Some(&'{') =>
            {
                self.together_in_quotes()
            }
            Some(Term::Value(asked)) => {
                let value = self.value(&name.to_ascii_lowercase(), asked)?;
                terms::read(asked, value, &self.known.clock).map_err(|expected| Self::expected_at(column, expected))
            }
            Some(Term::Saved) => {
                let value = self.value(&name.to_ascii_lowercase(), Asked::In)?;
                self.saved_search(&value.text).map_err(|expected| Self::expected_at(column, &expected))
            }
        }
    }

    /// A parser of a text that is part of this one. How much both may ask for is counted through.
    fn inside(&self, text: &str, open: Vec<String>) -> Self {
        Self {
            chars: text.chars().collect(),
            at: 0,
            depth: self.depth,
            terms: self.terms,
            field: Field::Any,
            known: self.known,
            last: LastWord::Whole,
            open,
        }
    }

    /// What a saved search asks for; an error is what was expected. How much all of them may ask for together is
    /// counted through, so that names in names come to an end.
    fn saved_search(&mut self, name: &str) -> Result<Query, String> {
        let key = name.to_lowercase();
        let Some(text) = self.known.saved.text(&key) else { return Err(self.known.saved.expected()) };
        let is_open = self.open.contains(&key);
        let mut open = self.open.clone();
        open.push(key);
        if is_open {
            return Err(format!("a search that does not ask for itself: {}", open.join(", ")));
        }
        self.deeper().map_err(|error| error.expected)?;
        let mut inner = self.inside(text, open);
        let read = inner.whole();
        let read = read.or_else(|error| foreign(text, self.known.saved.dialect(), LastWord::Whole).ok_or(error));
        let query = read.map_err(|error| {
            let told = format!("{}, column {}: expected {}", quoted(name), error.column, error.expected);
            // Of names in names the innermost tells enough.
            if error.expected.starts_with(UNREADABLE) { error.expected } else { format!("{UNREADABLE}; in {told}") }
        })?;
        self.depth -= 1;
        self.terms = inner.terms;
        Ok(query)
    }

    /// What notmuch means by `name:`, where that is something else than what is meant here. `None`: nothing was read.
    fn foreign_term(&mut self, name: &str) -> Result<Option<Query>, QueryError> {
        let name = name.to_ascii_lowercase();
        let is_expression =
            self.peek() == Some('/') || (self.peek() == Some('"') && self.chars.get(self.at + 1) == Some(&'/'));
        let Some(meaning) = native::meaning(&name, is_expression) else { return Ok(None) };
        let value = match self.peek() {
            Some('"') => self.quoted()?,
            Some(c) if !ends_word(c) => self.bare(),
            _ => return Err(self.expected(&format!("a value after `{name}:`"))),
        };
        Ok(Some(meaning(&name, value)))
    }

    fn text_term(&mut self, name: &str, field: Field) -> Result<Query, QueryError> {
        match self.peek() {
            Some('"') => Ok(Query::Text { field, pattern: Pattern::Phrase(self.quoted()?) }),
            Some(opening @ ('(' | '{')) => {
                let outer = std::mem::replace(&mut self.field, field);
                let group = if opening == '(' { self.group()? } else { self.choice()? };
                self.field = outer;
                Ok(group)
            }
            Some(c) if !ends_word(c) => self.text(field),
            _ => Err(self.expected(&format!("a word after `{name}:`"))),
        }
    }

    /// An expression may have in it what ends a word: `from:/a(b|c)/`.
    fn is_expression_ahead(&self) -> bool {
        let word = self.word_ahead();
        let behind = self.chars.get(self.at + word.chars().count());
        word.starts_with('/') && (is_expression(&word) || matches!(behind, Some('(' | '{')))
    }

    fn value(&mut self, name: &str, asked: Asked) -> Result<Value, QueryError> {
        match self.peek() {
            Some('"') => Ok(Value { text: self.quoted()?, quoted: true }),
            Some(c) if !ends_word(c) => {
                let text = self.bare();
                let text = if matches!(asked, Asked::Date | Asked::After | Asked::Before) {
                    self.with_unit(text)
                } else {
                    text
                };
                Ok(Value { text, quoted: false })
            }
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

/// What is expected of a saved search.
const UNREADABLE: &str = "a saved search that can be read";

fn quoted(name: &str) -> String {
    format!("`{name}`")
}

/// Can more of this word follow? It has two characters, and ends with a letter or digit.
fn is_begun(word: &str) -> bool {
    word.chars().nth(1).is_some() && word.ends_with(char::is_alphanumeric)
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
