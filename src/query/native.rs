//! The same query in notmuch's own syntax, as far as that can say it, and what of notmuch's words is read otherwise
//! than elsewhere. Whoever has a database of notmuch's knows its words (notmuch-search-terms(7)): `tag:inbox` is
//! that tag and no mailbox, `folder:` and `path:` are directories below its mail root. Pure.

use super::ast::{Field, Pattern, Query, State};
use super::terms;
use crate::mail::ids::Timestamp;

/// Who answers a query, and so whose words count where two programs mean different things by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dialect {
    /// The program's own index.
    #[default]
    Own,
    /// notmuch.
    Notmuch,
}

/// A query, divided among those who answer it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// What notmuch is asked; `None`: nothing of it can be said there.
    pub said: Option<String>,
    /// What a message must answer beside that, as the index understands it.
    pub rest: Query,
}

/// Makes a query of the value of a term.
pub(super) type Meaning = fn(&str, String) -> Query;

/// What notmuch means by `name:` where it is not what is meant here; a regular expression (`from:/…/`) is known there
/// alone.
pub(super) fn meaning(name: &str, is_expression: bool) -> Option<Meaning> {
    match name {
        "notmuch" => Some(|_, value| Query::Native(value)),
        "from" | "subject" | "tag" | "is" | "id" | "mid" if is_expression => Some(term),
        "tag" => Some(|_, value| Query::Tag(value)),
        "is" => Some(|_, value| match terms::state(&value) {
            Some(state) => Query::Is(state),
            None => Query::Tag(value),
        }),
        "folder" | "path" | "mimetype" | "property" | "query" | "lastmod" | "sexp" => Some(term),
        _ => None,
    }
}

fn term(name: &str, value: String) -> Query {
    // A range is none in quotes.
    let is_range =
        value.contains("..") && value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.' || byte == b'-');
    Query::Native(format!("{name}:{}", if is_range { value } else { quoted(&value) }))
}

/// The query as the index understands it by itself: a tag that mail has another word for is that.
pub fn in_own_words(query: &Query) -> Query {
    let all = |parts: &[Query]| parts.iter().map(in_own_words).collect();
    match query {
        Query::And(parts) => Query::And(all(parts)),
        Query::Or(parts) => Query::Or(all(parts)),
        Query::Not(inner) => Query::Not(Box::new(in_own_words(inner))),
        Query::Together(inner) => Query::Together(Box::new(in_own_words(inner))),
        Query::Tag(name) => terms::known(name).unwrap_or_else(|| query.clone()),
        other => other.clone(),
    }
}

/// Does it ask for something that notmuch alone understands?
pub fn is_native(query: &Query) -> bool {
    match query {
        Query::And(parts) | Query::Or(parts) => parts.iter().any(is_native),
        Query::Not(inner) | Query::Together(inner) => is_native(inner),
        Query::Native(_) => true,
        Query::Text { .. }
        | Query::HasAttachment
        | Query::Is(_)
        | Query::In(_)
        | Query::Account(_)
        | Query::Tag(_)
        | Query::Larger(_)
        | Query::Smaller(_)
        | Query::Date { .. }
        | Query::Id(_)
        | Query::Thread(_) => false,
    }
}

/// Divides a query: each part that all messages must answer goes to notmuch where that can say all of it, else to the
/// index.
pub fn split(query: &Query) -> Split {
    if let Query::Native(text) = query {
        // It may be of any form, as long as nothing is added to it.
        return Split { said: Some(text.clone()), rest: Query::everything() };
    }
    let parts = match query {
        Query::And(parts) => parts.as_slice(),
        other => std::slice::from_ref(other),
    };
    let (mut said, mut rest) = (Vec::new(), Vec::new());
    for part in parts {
        match say(part) {
            Some(Said::All) => {}
            Some(Said::Text(text)) => said.push(text),
            Some(Said::None) | None => rest.push(in_own_words(part)),
        }
    }
    if said.is_empty() && rest.is_empty() {
        // What notmuch leaves out of every search it leaves out of this one too.
        said.push("*".to_owned());
    }
    let rest = if rest.len() == 1 { rest.remove(0) } else { Query::And(rest) };
    Split { said: (!said.is_empty()).then(|| said.join(" and ")), rest }
}

/// A part in notmuch's syntax. It has no word for everything but a query of its own, and none for nothing.
enum Said {
    All,
    None,
    Text(String),
}

/// `None`: notmuch cannot say it.
fn say(query: &Query) -> Option<Said> {
    Some(Said::Text(match query {
        Query::And(parts) => {
            let mut texts = Vec::new();
            for part in parts {
                match say(part)? {
                    Said::All => {}
                    Said::None => return Some(Said::None),
                    Said::Text(text) => texts.push(text),
                }
            }
            return Some(joined(texts, " and ", Said::All));
        }
        Query::Or(parts) => {
            let mut texts = Vec::new();
            for part in parts {
                match say(part)? {
                    Said::All => return Some(Said::All),
                    Said::None => {}
                    Said::Text(text) => texts.push(text),
                }
            }
            return Some(joined(texts, " or ", Said::None));
        }
        Query::Not(inner) => match say(inner)? {
            Said::All => return Some(Said::None),
            Said::None => return Some(Said::All),
            Said::Text(text) => format!("(not {text})"),
        },
        Query::Together(inner) => match say(inner)? {
            Said::Text(text) => format!("thread:{}", quoted(&format!("{{{text}}}"))),
            all_or_none => return Some(all_or_none),
        },
        Query::Text { field, pattern } => words(*field, pattern)?,
        Query::HasAttachment => "tag:attachment".to_owned(),
        Query::Is(state) => state_tag(*state)?.to_owned(),
        Query::Tag(name) => format!("tag:{}", quoted(name)),
        Query::Id(id) => format!("id:{}", quoted(id)),
        Query::Native(text) if matches!(text.trim(), "" | "*") => return Some(Said::All),
        Query::Native(text) => format!("({text})"),
        Query::Date { from, until } => {
            // There, the second that ends a range is part of it.
            let until = until.map(|until| until.get().saturating_sub(1));
            match (from.map(Timestamp::get), until) {
                (None, None) => return Some(Said::All),
                (Some(from), Some(until)) if until < from => return Some(Said::None),
                (Some(from), Some(until)) => format!("date:@{from}..@{until}"),
                (Some(from), None) => format!("date:@{from}.."),
                (None, Some(until)) => format!("date:..@{until}"),
            }
        }
        Query::In(_) | Query::Account(_) | Query::Larger(_) | Query::Smaller(_) | Query::Thread(_) => return None,
    }))
}

fn joined(mut texts: Vec<String>, by: &str, none: Said) -> Said {
    match texts.len() {
        0 => none,
        1 => Said::Text(texts.remove(0)),
        _ => Said::Text(format!("({})", texts.join(by))),
    }
}

/// The tag that stands for a state, as notmuch sets it from the flags of file names.
fn state_tag(state: State) -> Option<&'static str> {
    Some(match state {
        State::Unread => "tag:unread",
        State::Read => "(not tag:unread)",
        State::Starred => "tag:flagged",
        State::Replied => "tag:replied",
        State::Forwarded => "tag:passed",
        State::Draft => "tag:draft",
        // Nobody sets one for that.
        State::Sent | State::Snoozed | State::Waiting | State::Muted => return None,
    })
}

fn words(field: Field, pattern: &Pattern) -> Option<String> {
    let prefix = match field {
        Field::Any => "",
        Field::From => "from:",
        Field::To => "to:",
        Field::Subject => "subject:",
        Field::Body => "body:",
        Field::File => "attachment:",
        Field::Cc | Field::List => return None,
    };
    match pattern {
        Pattern::Word(word) if is_plain(word) => Some(format!("{prefix}{word}")),
        Pattern::Prefix(stem) if is_plain(stem) => Some(format!("{prefix}{stem}*")),
        // Its stems are English alone.
        Pattern::Prefix(_) | Pattern::Forms(_) => None,
        Pattern::Word(text) | Pattern::Phrase(text) => {
            // What has no letter has no term there.
            let plain: String = text.chars().map(|c| if c == '"' || c.is_control() { ' ' } else { c }).collect();
            plain.contains(char::is_alphanumeric).then(|| format!("{prefix}\"{plain}\""))
        }
    }
}

/// Is this one word, and no operator?
fn is_plain(word: &str) -> bool {
    const OPERATORS: [&str; 6] = ["and", "or", "not", "xor", "near", "adj"];
    !word.is_empty()
        && word.chars().all(char::is_alphanumeric)
        && !OPERATORS.iter().any(|operator| word.eq_ignore_ascii_case(operator))
}

/// A value with quotes around it, as a boolean term takes it: a quote within is doubled.
fn quoted(text: &str) -> String {
    let plain: String = text.chars().filter(|c| !c.is_control()).collect();
    format!("\"{}\"", plain.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::query::{Saved, parse_in, print};

    fn read(text: &str) -> Query {
        parse_in(Dialect::Notmuch, text, Timestamp::new(1_763_719_200), &TimeZone::UTC).unwrap()
    }

    #[test]
    fn what_notmuch_can_say_is_said_there_and_the_rest_is_left() {
        for (written, said, rest) in [
            ("budget", Some("budget"), "*"),
            ("purple budget", Some("purple and budget"), "*"),
            ("\"purple budget\"", Some("\"purple budget\""), "*"),
            ("bud*", Some("bud*"), "*"),
            ("from:ada subject:\"q3 numbers\"", Some("from:ada and subject:\"q3 numbers\""), "*"),
            ("ada@example.org", Some("\"ada@example.org\""), "*"),
            ("\"and\" \"near\"", Some("\"and\" and \"near\""), "*"),
            ("a or (b -c)", Some("(a or (b and (not c)))"), "*"),
            ("file:plan.pdf", Some("attachment:\"plan.pdf\""), "*"),
            ("is:unread -is:replied", Some("tag:unread and (not tag:replied)"), "*"),
            ("tag:inbox", Some("tag:\"inbox\""), "*"),
            ("tag:\"say \\\"so\\\"\"", Some("tag:\"say \"\"so\"\"\""), "*"),
            ("is:later", Some("tag:\"later\""), "*"),
            ("id:<a@b>", Some("id:\"a@b\""), "*"),
            ("date:2025", Some("date:@1735689600..@1767225599"), "*"),
            ("date:..2025", Some("date:..@1767225599"), "*"),
            ("folder:work/old", Some("folder:\"work/old\""), "*"),
            ("lastmod:1..20", Some("lastmod:1..20"), "*"),
            ("path:work/** x", Some("(path:\"work/**\") and x"), "*"),
            ("budget larger:1M", Some("budget"), "larger:1048576"),
            ("in:inbox is:sent", None, "in:inbox is:sent"),
            ("cc:ada or cc:bob", None, "cc:ada or cc:bob"),
            ("budget (in:inbox or tag:flagged)", Some("budget"), "in:inbox or is:starred"),
            ("*", Some("*"), "*"),
            ("from:/ada|bob/ x", Some("(from:\"/ada|bob/\") and x"), "*"),
            ("in:work notmuch:\"thread:{from:ada}\"", Some("(thread:{from:ada})"), "in:work"),
            ("thread:{from:ada} and x", Some("thread:\"{from:ada}\" and x"), "*"),
            ("thread:{from:ada subject:\"a b\"}", Some("thread:\"{(from:ada and subject:\"\"a b\"\")}\""), "*"),
            ("thread:\"{from:ada}\" x", Some("thread:\"{from:ada}\" and x"), "*"),
            ("thread:{tag:inbox in:work} x", Some("x"), "thread:{in:inbox in:work}"),
            ("thread:{*}", Some("*"), "*"),
            ("(from:ada", Some("(from:ada"), "*"),
        ] {
            let split = split(&read(written));
            let left = if split.rest == Query::everything() { "*".to_owned() } else { print(&split.rest) };
            assert_eq!((split.said.as_deref(), left.as_str()), (said, rest), "{written}");
        }
    }

    #[test]
    fn what_is_passed_on_is_printed_so_that_it_is_read_again() {
        for text in ["notmuch:\"a \\\"b\\\" \\\\ c\"", "x notmuch:y", "folder:a", "from:/x y/", "mimetype:text/html"] {
            let query = read(text);
            assert_eq!(read(&print(&query)), query, "{text}: {}", print(&query));
        }
        let own = crate::query::parse("notmuch:x", Timestamp::new(0), &TimeZone::UTC);
        assert_eq!(own.unwrap_err().column, 1, "nobody else would understand it");
    }

    #[test]
    fn a_query_that_lacks_its_end_is_not_taken_for_another_one() {
        let saved: Saved = [("mine".to_owned(), "thread:xyz".to_owned())].into_iter().collect();
        let saved = saved.in_dialect(Dialect::Notmuch);
        let typed = |text: &str| saved.parse_typed(text, Timestamp::new(0), &TimeZone::UTC);
        for half in ["from:", "a or", "not", "tag:", "x and ", "x (from:ada or", "-(a", "x thread:{a"] {
            assert!(typed(half).is_err(), "{half}: {:?}", typed(half));
        }
        assert_eq!(typed("thread:abx "), Ok(Query::Native("thread:abx".to_owned())));
        assert_eq!(typed("search:mine"), Ok(Query::Native("thread:xyz".to_owned())));
        assert!(typed("search:yours").is_err(), "what is saved here notmuch does not know");
    }
}
