//! Query to text: what [`super::parse`] reads as the same query. Dates are printed as moments, so
//! that they mean the same in any zone.

use super::ast::{Field, Pattern, Query};
use super::date::moment;
use super::forms::Forms;
use super::spelling::{is_bare, is_bare_value};
use super::terms::{self, STATES};

/// Writes a query. What no text can say as it stands (an `And` of one, an empty `Or`) is written
/// as something that finds the same.
pub fn print(query: &Query) -> String {
    match query {
        Query::And(parts) => joined(parts, " ", |part| is_group(part) || matches!(part, Query::Or(_))),
        Query::Or(parts) if parts.is_empty() => "-*".to_owned(),
        Query::Or(parts) => joined(parts, " or ", is_group_in_or),
        other => one(other),
    }
}

fn joined(parts: &[Query], by: &str, grouped: impl Fn(&Query) -> bool) -> String {
    let parts: Vec<String> =
        parts.iter().map(|part| if grouped(part) { format!("({})", print(part)) } else { inside(part) }).collect();
    parts.join(by)
}

/// What finds everything is nothing alone, and a star among others.
fn inside(part: &Query) -> String {
    if *part == Query::everything() { "*".to_owned() } else { print(part) }
}

/// `and` binds tighter than `or`, so only what would vanish or melt needs parentheses.
fn is_group_in_or(part: &Query) -> bool {
    match part {
        Query::And(parts) => parts.len() == 1,
        Query::Or(_) => true,
        _ => false,
    }
}

/// Several that belong together.
fn is_group(part: &Query) -> bool {
    matches!(part, Query::And(parts) if !parts.is_empty())
}

fn one(query: &Query) -> String {
    match query {
        Query::And(parts) if parts.is_empty() => "*".to_owned(),
        Query::And(_) | Query::Or(_) => format!("({})", print(query)),
        Query::Not(inner) => format!("-{}", one(inner)),
        Query::Text { field, pattern } => text(*field, pattern),
        Query::HasAttachment => "has:attachment".to_owned(),
        Query::Is(state) => {
            let name = STATES.iter().find(|(_, known)| known == state).map_or("unread", |(name, _)| name);
            format!("is:{name}")
        }
        Query::In(name) if terms::is_everywhere(name) || terms::is_snoozed(name) => format!("in:{}", quoted(name)),
        Query::In(name) => format!("in:{}", value(name)),
        // Without quotes it would be the state or the mailbox of that name.
        Query::Tag(name) if terms::is_known_tag(name) || name.ends_with('*') => format!("tag:{}", quoted(name)),
        Query::Tag(name) => format!("tag:{}", value(name)),
        Query::Thread(thread) => format!("thread:{}", terms::thread_text(*thread)),
        Query::Together(inner) => format!("thread:{{{}}}", print(inner)),
        Query::Account(name) => format!("account:{}", value(name)),
        Query::Larger(bytes) => format!("larger:{bytes}"),
        Query::Smaller(bytes) => format!("smaller:{bytes}"),
        Query::Date { from, until } => {
            let edge = |at: &Option<_>| at.map(moment).unwrap_or_default();
            format!("date:{}..{}", edge(from), edge(until))
        }
        Query::Id(id) => format!("id:{}", value(id)),
        Query::Native(text) => format!("notmuch:{}", quoted(text)),
    }
}

fn text(field: Field, pattern: &Pattern) -> String {
    let name = match field {
        Field::Any => "",
        Field::From => "from:",
        Field::To => "to:",
        Field::Cc => "cc:",
        Field::Subject => "subject:",
        Field::Body => "body:",
        Field::List => "list:",
        Field::File => "file:",
    };
    let bare = if field == Field::Any { is_bare } else { is_bare_value };
    match pattern {
        Pattern::Word(word) if bare(word) => format!("{name}{word}"),
        Pattern::Prefix(stem) if bare(stem) || (is_bare_value(stem) && bare(&format!("{stem}x"))) => {
            format!("{name}{stem}*")
        }
        Pattern::Forms(forms) if is_bare_value(&forms.word) => {
            format!("{name}{}~{}", forms.word, forms.language.code())
        }
        Pattern::Forms(Forms { word: words, .. })
        | Pattern::Word(words)
        | Pattern::Prefix(words)
        | Pattern::Phrase(words) => format!("{name}{}", quoted(words)),
    }
}

fn value(text: &str) -> String {
    // A star at the end is no prefix here.
    if is_bare_value(text) || is_bare_value(text.trim_end_matches('*')) { text.to_owned() } else { quoted(text) }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
