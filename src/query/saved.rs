//! What the words of a query stand for beside what they say: saved searches by name, as in `search:NAME`, and the
//! user's own addresses, as in `to:me`. Names know no case.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;

use super::ast::{Field, Pattern, Query};
use super::native::Dialect;
use super::parse::{self, LastWord, QueryError};
use crate::mail::ids::Timestamp;

/// The texts of saved searches, by name, and who `me` is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Saved {
    texts: BTreeMap<String, String>,
    dialect: Dialect,
    own: Vec<String>,
}

impl FromIterator<(String, String)> for Saved {
    /// Takes names with their texts; of two with one name the first counts.
    fn from_iter<I: IntoIterator<Item = (String, String)>>(searches: I) -> Self {
        let mut texts = BTreeMap::new();
        for (name, text) in searches {
            texts.entry(name.to_lowercase()).or_insert(text);
        }
        Self { texts, dialect: Dialect::Own, own: Vec::new() }
    }
}

impl Saved {
    /// The same, where whoever answers has words of its own.
    #[must_use]
    pub fn in_dialect(self, dialect: Dialect) -> Self {
        Self { dialect, ..self }
    }

    /// The same, where these are the user's addresses, plain or with one `*`.
    #[must_use]
    pub fn of_owner(self, addresses: impl IntoIterator<Item = String>) -> Self {
        Self { own: addresses.into_iter().collect(), ..self }
    }

    /// What `me` means in a field of addresses: one of the user's own. `None`: nobody knows who that is, and it is a
    /// word like any other.
    pub(super) fn me(&self, field: Field) -> Option<Query> {
        let is_address = match field {
            Field::From | Field::To | Field::Cc => true,
            Field::Any | Field::Subject | Field::Body | Field::List | Field::File => false,
        };
        if !is_address || self.own.is_empty() {
            return None;
        }
        // Of an address with a star both sides of that must be there.
        let halves = |address: &String| -> Vec<Query> {
            let halves = address.split('*').filter(|half| half.contains(char::is_alphanumeric));
            halves.map(|half| Query::Text { field, pattern: Pattern::Phrase(half.to_owned()) }).collect()
        };
        let all = self.own.iter().map(halves).filter(|halves| !halves.is_empty());
        let mut each: Vec<Query> = all.map(|halves| one_of(halves, Query::And)).collect();
        each.dedup();
        (!each.is_empty()).then(|| one_of(each, Query::Or))
    }

    /// Whose words count.
    pub(super) fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Reads a query in which saved searches may be named; else as [`super::parse`].
    ///
    /// # Errors
    /// The text is no query, or asks for a saved search that is not there or asks for itself.
    pub fn parse(&self, text: &str, now: Timestamp, zone: &TimeZone) -> Result<Query, QueryError> {
        parse::read(text, self, (now, zone), LastWord::Whole)
    }

    /// Reads a query that is being typed, in which saved searches may be named; else as [`super::parse_typed`].
    ///
    /// # Errors
    /// As [`Saved::parse`].
    pub fn parse_typed(&self, text: &str, now: Timestamp, zone: &TimeZone) -> Result<Query, QueryError> {
        parse::read(text, self, (now, zone), LastWord::Begun)
    }

    /// The text of a saved search.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.texts.get(name).map(String::as_str)
    }

    /// What may stand behind `search:`, for an error.
    pub(super) fn expected(&self) -> String {
        let names: Vec<&str> = self.texts.keys().map(String::as_str).take(12).collect();
        if names.is_empty() {
            return "the name of a saved search after `search:`, and there is none yet".to_owned();
        }
        format!("the name of a saved search after `search:` ({})", names.join(", "))
    }
}

/// One as it stands, several together.
fn one_of(mut parts: Vec<Query>, together: fn(Vec<Query>) -> Query) -> Query {
    match (parts.len(), parts.pop()) {
        (1, Some(only)) => only,
        (_, last) => {
            parts.extend(last);
            together(parts)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn saved(searches: &[(&str, &str)]) -> Saved {
        searches.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    fn read(saved: &Saved, text: &str) -> Result<Query, String> {
        saved.parse(text, Timestamp::new(0), &TimeZone::UTC).map_err(|error| error.to_string())
    }

    #[test]
    fn a_name_stands_for_its_query_as_if_in_parentheses() {
        let known = saved(&[
            ("Boss", "from:grace or from:ada"),
            ("boss", "from:nobody"),
            ("to do", "tag:todo search:BOSS"),
            ("all", ""),
        ]);
        for (text, meant) in [
            ("search:boss", "from:grace or from:ada"),
            ("is:unread -search:BOSS", "is:unread -(from:grace or from:ada)"),
            ("query:\"To Do\" x", "(tag:todo (from:grace or from:ada)) x"),
            ("search:all", ""),
            ("from:(lin or search:boss)", "from:lin or (from:grace or from:ada)"),
        ] {
            assert_eq!(read(&known, text), read(&Saved::default(), meant), "{text}");
        }
        // The last word of a saved one was typed to its end.
        let query = known.parse_typed("search:boss", Timestamp::new(0), &TimeZone::UTC).unwrap();
        assert_eq!(Ok(query), read(&known, "search:boss"));
    }

    #[test]
    fn a_name_that_nobody_knows_and_a_circle_are_errors_at_their_column() {
        let none = saved(&[]);
        let error = read(&none, "a search:todo").unwrap_err();
        assert_eq!(error, "column 10: expected the name of a saved search after `search:`, and there is none yet");
        let known = saved(&[("a", "search:b"), ("b", "x search:A"), ("bad", "(x"), ("deep", "is:odd")]);
        for (text, said) in [
            ("search:c", "column 8: expected the name of a saved search after `search:` (a, b, bad, deep)"),
            ("search:", "column 8: expected a value after `search:`"),
            (
                "x query:bad",
                "column 9: expected a saved search that can be read; in `bad`, column 1: expected a closing",
            ),
            ("search:deep", "in `deep`, column 4: expected unread, read"),
            ("search:a", "a search that does not ask for itself: a, b, a"),
        ] {
            let error = read(&known, text).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
    }

    #[test]
    fn what_grows_with_each_name_ends_soon() {
        let mut searches = vec![("s0".to_owned(), "x x".to_owned())];
        for n in 1..40 {
            searches.push((format!("s{n}"), format!("search:s{0} search:s{0}", n - 1)));
        }
        let known: Saved = searches.into_iter().collect();
        let error = read(&known, "search:s39").unwrap_err();
        assert!(error.contains("expected a shorter query"), "{error}");
        let chain: Saved = (0..200).map(|n| (format!("c{n}"), format!("search:c{}", n + 1))).collect();
        let error = read(&chain, "search:c0").unwrap_err();
        assert!(error.contains("fewer parentheses and negations"), "{error}");
        assert!(error.len() < 20_000, "{}", error.len());
    }

    #[test]
    fn me_is_whoever_the_owner_is_and_a_word_where_nobody_knows_or_no_address_is_asked_for() {
        let owned = saved(&[("mine", "from:me -to:me")]).of_owner(["ada@x.org".to_owned(), "a+*@y.org".to_owned()]);
        let one = saved(&[]).of_owner(["ada@x.org".to_owned()]);
        for (known, text, meant) in [
            (&one, "from:me", "from:\"ada@x.org\""),
            (&one, "to:ME cc:Me", "to:\"ada@x.org\" cc:\"ada@x.org\""),
            (&one, "me subject:me body:me from:\"me\" from:me*", "me subject:me body:me from:\"me\" from:me*"),
            (&one, "from:(me or grace)", "from:\"ada@x.org\" or from:grace"),
            (&one, "-{from:me to:me}", "-(from:\"ada@x.org\" or to:\"ada@x.org\")"),
            (&owned, "to:me", "to:\"ada@x.org\" or (to:\"a+\" to:\"@y.org\")"),
            (
                &owned,
                "search:mine",
                "(from:\"ada@x.org\" or (from:\"a+\" from:\"@y.org\")) -(to:\"ada@x.org\" or (to:\"a+\" to:\"@y.org\"))",
            ),
            (&saved(&[]), "from:me", "from:me"),
        ] {
            let query = read(known, text).unwrap();
            assert_eq!(Ok(&query), read(&Saved::default(), meant).as_ref(), "{text}");
            assert_eq!(Ok(&query), read(&Saved::default(), &crate::query::print(&query)).as_ref(), "{text}");
        }
        // More may follow while it is typed.
        let typed = one.parse_typed("from:me", Timestamp::new(0), &TimeZone::UTC).unwrap();
        assert_eq!(Ok(typed), read(&Saved::default(), "from:\"ada@x.org\" or from:me*"));
    }
}
