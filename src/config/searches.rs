//! `[searches]`: queries by name. What a query means is not for this room to say, so each is kept as it was
//! written, with the place of every character: whoever reads it can tell what is wrong where.

use std::path::PathBuf;

use super::raw::{At, Notes, Table};
use super::{Problem, Severity};
use crate::mail::clean::Clean;

/// No name of a search is longer, in bytes.
const LONGEST_NAME: usize = 100;

/// A search that the config names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedSearch {
    /// Its name: one line, without blanks around it.
    pub name: String,
    /// What it looks for.
    pub query: Written,
}

/// A text of the file that somebody else understands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// What it says.
    pub text: String,
    file: PathBuf,
    /// Line and column of each character, and of the end.
    places: Vec<(usize, usize)>,
}

impl Written {
    /// Takes a text in quotes; `raw` is how it stands in the file, beginning at a line and a column.
    fn new(text: &str, raw: &str, (line, column): (usize, usize), file: PathBuf) -> Self {
        let places = places(text, raw, (line, column)).unwrap_or_else(|| vec![(line, column)]);
        Self { text: text.to_owned(), file, places }
    }

    /// Something is wrong at a column of the text, from 1, in characters.
    pub fn problem(&self, column: usize, message: &str) -> Problem {
        let at = self.places.get(column.saturating_sub(1)).or(self.places.last()).copied();
        let (line, column) = at.unwrap_or_default();
        let (file, message) = (self.file.clone(), Clean::line(message));
        Problem { severity: Severity::Error, file, line, column, length: 1, message, hint: None }
    }
}

/// Can a search be called that? It stands in one line of the screen, and of a file.
pub fn is_search_name(name: &str) -> bool {
    !name.trim().is_empty() && name.trim() == name && name.len() <= LONGEST_NAME && !name.contains(char::is_control)
}

/// Reads `[searches]`.
pub(super) fn searches(table: &Table<'_>, notes: &mut Notes<'_>) -> Vec<NamedSearch> {
    let mut searches: Vec<NamedSearch> = Vec::new();
    for (name, value) in table.in_order() {
        let Some(text) = value.get_ref().as_str() else {
            table.wants(name.value, "a query in quotes", value.span(), notes);
            continue;
        };
        let known = searches.iter().any(|search| search.name.to_lowercase() == name.value.to_lowercase());
        if known || !is_search_name(name.value) {
            let why = if known { "there is one of that name already" } else { "that is no name for it" };
            notes.error(&name.span, &format!("search `{}` is left out: {why}", name.value), None);
            continue;
        }
        let query = written(&At { value: text, span: value.span() }, notes);
        searches.push(NamedSearch { name: name.value.to_owned(), query });
    }
    searches
}

/// Keeps a text with its place.
pub(super) fn written(text: &At<&str>, notes: &Notes<'_>) -> Written {
    let (raw, at) = notes.raw(&text.span);
    Written::new(text.value, raw, at, notes.file().to_path_buf())
}

/// Where each character of a text in quotes stands, and its end. `None`: it is written in a way that is not
/// followed.
fn places(text: &str, raw: &str, (mut line, mut column): (usize, usize)) -> Option<Vec<(usize, usize)>> {
    let quotes = if raw.starts_with("\"\"\"") || raw.starts_with("'''") { 3 } else { 1 };
    let escapes = raw.starts_with('"');
    let mut rest = raw.get(quotes..raw.len().checked_sub(quotes)?)?.chars().peekable();
    column += quotes;
    if quotes == 3 {
        rest.next_if_eq(&'\r');
        if rest.next_if_eq(&'\n').is_some() {
            (line, column) = (line + 1, 1);
        }
    }
    let mut places = Vec::with_capacity(text.len() + 1);
    for meant in text.chars() {
        places.push((line, column));
        let read = rest.next()?;
        column += 1;
        if read == '\\' && escapes {
            let more = match rest.next()? {
                'x' => 2,
                'u' => 4,
                'U' => 8,
                sign if sign.is_whitespace() => return None,
                _ => 0,
            };
            column += 1 + more;
            (0..more).try_for_each(|_| rest.next().map(drop))?;
        } else if read != meant {
            return None;
        } else if read == '\n' {
            (line, column) = (line + 1, 1);
        }
    }
    places.push((line, column));
    Some(places)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Paths, parse};

    #[test]
    fn each_character_of_a_query_has_its_place() {
        type Case = (&'static str, &'static str, &'static [(usize, usize)]);
        let table: [Case; 5] = [
            ("ab", "\"ab\"", &[(7, 11), (7, 12), (7, 13)]),
            ("\"a\"é", "\"\\\"a\\\"\\u00e9\"", &[(7, 11), (7, 13), (7, 14), (7, 16), (7, 22)]),
            ("a\\b", "'a\\b'", &[(7, 11), (7, 12), (7, 13), (7, 14)]),
            ("a\nb", "\"\"\"\na\nb\"\"\"", &[(8, 1), (8, 2), (9, 1), (9, 2)]),
            ("", "''", &[(7, 11)]),
        ];
        for (text, raw, expected) in table {
            assert_eq!(places(text, raw, (7, 10)).as_deref(), Some(expected), "{raw}");
        }
        assert_eq!(places("ab", "\"\"\"a\\\n  b\"\"\"", (1, 1)), None, "it goes on behind the blanks");
    }

    #[test]
    fn searches_are_read_in_the_order_of_the_file_and_what_is_wrong_is_told_at_its_place() {
        let text =
            "[searches]\nzebra = \"is:unread\"\n\"to do\" = 'tag:todo'\nToDo = 1\nZebra = \"x\"\n\" x\" = \"y\"\n";
        let config = parse(text, &Paths::under(Path::new("/x")));
        let read: Vec<(&str, &str)> =
            config.searches.iter().map(|search| (search.name.as_str(), search.query.text.as_str())).collect();
        assert_eq!(read, [("zebra", "is:unread"), ("to do", "tag:todo")]);
        let told: Vec<(usize, String)> =
            config.problems.iter().map(|problem| (problem.line, problem.message.to_string())).collect();
        assert_eq!(
            told,
            [
                (4, "`searches.ToDo` wants a query in quotes".to_owned()),
                (5, "search `Zebra` is left out: there is one of that name already".to_owned()),
                (6, "search ` x` is left out: that is no name for it".to_owned()),
            ]
        );
        let problem = config.searches[1].query.problem(5, "it is wrong");
        assert_eq!((problem.line, problem.column, problem.length), (3, 16, 1));
        let behind = config.searches[1].query.problem(99, "it is wrong");
        assert_eq!((behind.line, behind.column), (3, 20));
    }
}
