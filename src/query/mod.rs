//! The search language: one AST for screen, command line, saved searches and rules. Pure.

pub mod ast;

pub use ast::Query;
