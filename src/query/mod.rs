//! The search language: one AST for screen, command line, saved searches and rules. Pure: the
//! clock and the time zone that dates are read by are given.
//!
//! Words stand for themselves and all must be found; `"a phrase"`, `prefix*`, `any~` form of a word, `from: to: cc: subject:
//! body: list: file:` look in one field, `has:attachment in: account: tag: is: larger: smaller: date: id:
//! thread:` ask for properties, `search:` for what was saved under a name; `and`, `or`, `not`, `-` and parentheses
//! join them. What notmuch and Gmail write (`folder:`, `mid:`, `label:`, `after:`, `older_than:2d`, `{a b}` …) becomes the same AST.
//!
//! Where notmuch answers, its own words mean what they mean there ([`Dialect`]), `notmuch:"…"` says anything in its
//! own syntax, and so does a text that is no query of ours.

pub mod ast;
mod date;
pub mod forms;
mod marks;
mod native;
mod parse;
mod print;
mod saved;
mod spelling;
mod terms;

pub use ast::Query;
pub use marks::Marks;
pub use native::{Dialect, Split, in_own_words, is_native, split};
pub use parse::{QueryError, parse, parse_in, parse_typed};
pub use print::print;
pub use saved::Saved;
pub use terms::thread_text;

/// What can be asked, for who has typed nothing yet.
pub const EXAMPLES: [&str; 14] = [
    "two words",
    "\"a phrase\"",
    "begin*",
    "-without",
    "this or that",
    "from:grace",
    "to:lin",
    "subject:plan",
    "file:pdf",
    "has:attachment",
    "is:unread",
    "tag:todo",
    "larger:1M",
    "date:2025-11",
];

#[cfg(test)]
mod tests;
