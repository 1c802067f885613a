//! What stands before a colon, and what may stand behind it. notmuch's and Gmail's names mean the same as
//! the program's own.

use super::ast::{Field, Query, State};
use super::date::{self, Clock};
use super::spelling::{EXPRESSION, is_expression};
use crate::mail::ids::ThreadId;

/// What a name before a colon asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Term {
    /// Words.
    Text(Field),
    /// A value.
    Value(Asked),
    /// The name of a saved search.
    Saved,
}

/// A property with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    Has,
    In,
    Path,
    Account,
    Tag,
    Label,
    Is,
    Larger,
    Smaller,
    Date,
    After,
    Before,
    OlderThan,
    NewerThan,
    Id,
    Thread,
}

/// The names; the first of a meaning is the one that is printed.
const TERMS: [(&str, Term); 44] = [
    ("from", Term::Text(Field::From)),
    ("to", Term::Text(Field::To)),
    ("cc", Term::Text(Field::Cc)),
    ("subject", Term::Text(Field::Subject)),
    ("body", Term::Text(Field::Body)),
    ("list", Term::Text(Field::List)),
    ("file", Term::Text(Field::File)),
    ("filename", Term::Text(Field::File)),
    ("attachment", Term::Text(Field::File)),
    // Where it was delivered to is, as far as a message tells, whom it was sent to.
    ("deliveredto", Term::Text(Field::To)),
    ("has", Term::Value(Asked::Has)),
    ("in", Term::Value(Asked::In)),
    ("folder", Term::Value(Asked::In)),
    ("mailbox", Term::Value(Asked::In)),
    ("path", Term::Value(Asked::Path)),
    ("account", Term::Value(Asked::Account)),
    ("tag", Term::Value(Asked::Tag)),
    ("keyword", Term::Value(Asked::Tag)),
    ("label", Term::Value(Asked::Label)),
    ("is", Term::Value(Asked::Is)),
    ("larger", Term::Value(Asked::Larger)),
    ("larger_than", Term::Value(Asked::Larger)),
    ("size", Term::Value(Asked::Larger)),
    ("smaller", Term::Value(Asked::Smaller)),
    ("smaller_than", Term::Value(Asked::Smaller)),
    ("date", Term::Value(Asked::Date)),
    ("d", Term::Value(Asked::Date)),
    ("after", Term::Value(Asked::After)),
    ("since", Term::Value(Asked::After)),
    ("newer", Term::Value(Asked::After)),
    ("before", Term::Value(Asked::Before)),
    ("until", Term::Value(Asked::Before)),
    ("older", Term::Value(Asked::Before)),
    ("older_than", Term::Value(Asked::OlderThan)),
    ("newer_than", Term::Value(Asked::NewerThan)),
    ("id", Term::Value(Asked::Id)),
    ("mid", Term::Value(Asked::Id)),
    ("msgid", Term::Value(Asked::Id)),
    ("rfc822msgid", Term::Value(Asked::Id)),
    ("messageid", Term::Value(Asked::Id)),
    ("thread", Term::Value(Asked::Thread)),
    ("conversation", Term::Value(Asked::Thread)),
    ("search", Term::Saved),
    ("query", Term::Saved),
];

/// The fields, for an error.
pub(super) const FIELDS: &str = "a field (from: to: cc: subject: body: list: file: has: in: account: tag: is: larger: \
     smaller: date: id: thread: search:), or quotes around a word with a colon";

/// What `is:` knows; the first name of a state is the one that is printed.
pub(super) const STATES: [(&str, State); 16] = [
    ("unread", State::Unread),
    ("read", State::Read),
    ("starred", State::Starred),
    ("replied", State::Replied),
    ("forwarded", State::Forwarded),
    ("draft", State::Draft),
    ("sent", State::Sent),
    ("snoozed", State::Snoozed),
    ("waiting", State::Waiting),
    ("muted", State::Muted),
    ("new", State::Unread),
    ("seen", State::Read),
    ("flagged", State::Starred),
    ("answered", State::Replied),
    ("passed", State::Forwarded),
    ("drafts", State::Draft),
];

/// What other programs have a tag or label for and mail has another word for.
enum Known {
    Is(State),
    HasAttachment,
    In(&'static str),
}

const KNOWN: [(&str, Known); 14] = [
    ("unread", Known::Is(State::Unread)),
    ("read", Known::Is(State::Read)),
    ("flagged", Known::Is(State::Starred)),
    ("starred", Known::Is(State::Starred)),
    ("replied", Known::Is(State::Replied)),
    ("passed", Known::Is(State::Forwarded)),
    ("draft", Known::Is(State::Draft)),
    ("drafts", Known::In("drafts")),
    ("attachment", Known::HasAttachment),
    ("inbox", Known::In("inbox")),
    ("sent", Known::In("sent")),
    ("spam", Known::In("junk")),
    ("trash", Known::In("trash")),
    ("deleted", Known::In("trash")),
];

/// The value as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Value {
    pub(super) text: String,
    /// In quotes it is a name, whatever it may mean elsewhere.
    pub(super) quoted: bool,
}

/// What a name asks for.
pub(super) fn find(name: &str) -> Option<Term> {
    TERMS.iter().find(|(known, _)| name.eq_ignore_ascii_case(known)).map(|(_, term)| *term)
}

/// What `is:NAME` asks.
pub(super) fn state(name: &str) -> Option<State> {
    STATES.iter().find(|(known, _)| name.eq_ignore_ascii_case(known)).map(|(_, state)| *state)
}

/// Does a bare `tag:NAME` mean something else?
pub(super) fn is_known_tag(name: &str) -> bool {
    known(name).is_some()
}

/// Does a bare `in:NAME` mean something else?
pub(super) fn is_everywhere(name: &str) -> bool {
    ["anywhere", "everywhere"].iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// What has a label, or lies in the folder of that name. Gmail writes a dash for each blank and slash of a name.
fn label(text: String, quoted: bool) -> Query {
    let dashed = !quoted && text.contains('-') && text.contains(char::is_alphanumeric);
    let others = [" ", "/"].into_iter().filter(|_| dashed).map(|sign| text.replace('-', sign));
    let others: Vec<Query> = others.flat_map(|name| [Query::Tag(name.clone()), Query::In(name)]).collect();
    Query::Or([Query::Tag(text.clone()), Query::In(text)].into_iter().chain(others).collect())
}

/// Gmail's name for what is snoozed, which is no mailbox here.
pub(super) fn is_snoozed(name: &str) -> bool {
    name.eq_ignore_ascii_case("snoozed")
}

const IS: &str = "unread, read, starred, replied, forwarded, draft, sent, snoozed, waiting or muted after `is:`";

/// The query that a property asks; an error is what was expected.
pub(super) fn read(asked: Asked, value: Value, clock: &Clock<'_>) -> Result<Query, &'static str> {
    let Value { text, quoted } = value;
    if !quoted && is_expression(&text) {
        return Err(EXPRESSION);
    }
    let date = |from, until| Ok(Query::Date { from, until });
    match asked {
        Asked::Has if matches!(text.to_lowercase().as_str(), "attachment" | "attachments" | "att") => {
            Ok(Query::HasAttachment)
        }
        Asked::Has => Err("`attachment` after `has:`"),
        Asked::In if !quoted && is_everywhere(&text) => Ok(Query::everything()),
        Asked::In if !quoted && is_snoozed(&text) => Ok(Query::Is(State::Snoozed)),
        Asked::In => Ok(Query::In(text)),
        Asked::Path => path(&text).ok_or("a folder after `path:`"),
        Asked::Account => Ok(Query::Account(text)),
        Asked::Tag | Asked::Label if !quoted && text.ends_with('*') => {
            Err("a whole tag: `*` stands behind the beginning of a word alone")
        }
        Asked::Tag if quoted => Ok(Query::Tag(text)),
        Asked::Tag => Ok(known(&text).unwrap_or(Query::Tag(text))),
        // Where labels are synced as folders, that is what they are here.
        Asked::Label => Ok(known(&text).unwrap_or_else(|| label(text, quoted))),
        Asked::Is if text.eq_ignore_ascii_case("important") => Ok(Query::Tag("important".to_owned())),
        Asked::Is => state(&text).map(Query::Is).ok_or(IS),
        Asked::Larger => size(&text).map(Query::Larger).ok_or(SIZE),
        Asked::Smaller => size(&text).map(Query::Smaller).ok_or(SIZE),
        Asked::Date => {
            let (from, until) = date::range(&text, clock).ok_or(date::EXPECTED)?;
            if from.zip(until).is_some_and(|(from, until)| from > until) {
                return Err("the earlier date first");
            }
            date(from, until)
        }
        Asked::After => date(Some(day(&text, clock)?), None),
        Asked::Before => date(None, Some(day(&text, clock)?)),
        Asked::OlderThan => date(None, Some(date::age(&text, clock).ok_or(date::AGE)?)),
        Asked::NewerThan => date(Some(date::age(&text, clock).ok_or(date::AGE)?), None),
        Asked::Id => {
            let id = text.strip_prefix('<').unwrap_or(&text);
            let id = id.strip_suffix('>').unwrap_or(id);
            if id.is_empty() { Err("a Message-ID after `id:`") } else { Ok(Query::Id(id.to_owned())) }
        }
        Asked::Thread => thread(&text).map(Query::Thread).ok_or("the number of a conversation: up to 16 hex digits"),
    }
}

/// Gmail also takes seconds since 1970.
fn day(text: &str, clock: &Clock<'_>) -> Result<crate::mail::ids::Timestamp, &'static str> {
    let seconds = text.len() > 8 && text.bytes().all(|b| b.is_ascii_digit());
    let at = if seconds { date::beginning(&format!("@{text}"), clock) } else { date::beginning(text, clock) };
    at.ok_or(date::EXPECTED)
}

/// What a tag of another program's is called here, where mail has another word for it.
pub(super) fn known(name: &str) -> Option<Query> {
    let (_, known) = KNOWN.iter().find(|(known, _)| name.eq_ignore_ascii_case(known))?;
    Some(match known {
        Known::Is(state) => Query::Is(*state),
        Known::HasAttachment => Query::HasAttachment,
        Known::In(name) => Query::In((*name).to_owned()),
    })
}

/// notmuch's `path:`: a directory below the mail, which ends with `/cur` or `/new`.
fn path(text: &str) -> Option<Query> {
    let text = text.trim_matches('/');
    let name = text.strip_suffix("/cur").or_else(|| text.strip_suffix("/new")).unwrap_or(text);
    match name {
        "" => None,
        "**" => Some(Query::everything()),
        name => Some(Query::In(name.to_owned())),
    }
}

/// The number of a conversation as it is printed.
pub fn thread_text(thread: ThreadId) -> String {
    format!("{:016x}", thread.0.cast_unsigned())
}

fn thread(text: &str) -> Option<ThreadId> {
    let plain = (1..=16).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit());
    plain.then(|| u64::from_str_radix(text, 16).ok()).flatten().map(|number| ThreadId(number.cast_signed()))
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
