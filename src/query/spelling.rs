//! What a word of a query is as it is spelled: where it ends, which words join others, which stand before a colon,
//! and which must be in quotes to be nothing but words.

/// Can `word` stand without quotes, where a field name and operators would be seen?
pub(super) fn is_bare(word: &str) -> bool {
    is_one(word)
        && !is_between(word)
        && !word.starts_with('-')
        && operator(word).is_none()
        && field_name(word).is_none()
}

/// Can `word` stand without quotes after a field's colon? `from://x` would be an address of the web, `from:/x/` an
/// expression.
pub(super) fn is_bare_value(word: &str) -> bool {
    is_one(word) && !word.starts_with("//") && !is_expression(word)
}

fn is_one(word: &str) -> bool {
    !word.is_empty() && !word.contains(ends_word) && !word.ends_with('*')
}

/// Is a word at its end before this?
pub(super) fn ends_word(c: char) -> bool {
    c.is_whitespace() || matches!(c, '(' | ')' | '{' | '}' | '"')
}

/// The letters before a colon, where the word begins with them and is no address of the web.
pub(super) fn field_name(word: &str) -> Option<&str> {
    let (name, value) = word.split_once(':')?;
    let letters = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    (letters && name.starts_with(|c: char| c.is_ascii_alphabetic()) && !value.starts_with("//")).then_some(name)
}

/// What joins what a query asks for.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Operator {
    And,
    Or,
    Not,
}

/// The operator that a word is.
pub(super) fn operator(word: &str) -> Option<Operator> {
    [("and", Operator::And), ("or", Operator::Or), ("not", Operator::Not)]
        .into_iter()
        .find(|(name, _)| word.eq_ignore_ascii_case(name))
        .map(|(_, operator)| operator)
}

/// Is it what notmuch takes for a regular expression?
pub(super) fn is_expression(text: &str) -> bool {
    text.len() > 2 && text.starts_with('/') && text.ends_with('/')
}

/// What is expected instead of an expression.
pub(super) const EXPRESSION: &str =
    "no `/` around it: regular expressions are notmuch's alone (quotes around it all make it words)";

/// What notmuch and Gmail ask of two words beyond that both are there, and is not asked here.
pub(super) fn is_between(word: &str) -> bool {
    let name = word.split_once('/').filter(|(_, count)| count.bytes().all(|b| b.is_ascii_digit()));
    matches!(name.map_or(word, |(name, _)| name), "NEAR" | "ADJ" | "AROUND" | "XOR")
}

pub(super) const BETWEEN: &str =
    "`and`, `or` or `not`, which are all that joins words (quotes around this make it a word)";
