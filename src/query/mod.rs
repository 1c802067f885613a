//! The search language: one AST for screen, command line, saved searches and rules. Pure: the
//! clock and the time zone that dates are read by are given.
//!
//! Words stand for themselves and all must be found; `"a phrase"`, `prefix*`, `from: to: cc: subject:
//! body: list: file:` look in one field, `has:attachment in: account: is: larger: smaller: date: id:`
//! ask for properties; `and`, `or`, `not`, `-` and parentheses join them.

pub mod ast;
mod date;
mod parse;
mod print;

pub use ast::Query;
pub use parse::{QueryError, parse};
pub use print::print;

#[cfg(test)]
mod tests;
