//! Words that may begin with a hyphen: those of a query (`-from:ada`) and of an address. Options are options before
//! and behind such words; clap by itself takes whatever follows the first word for another one, so that
//! `search budget --limit 5` would look for `--limit` and `5`, and `tag +todo budget --dry-run` would tag.

use std::ffi::OsString;

use clap::{Arg, Command};

/// What such words are called in the tables of clap.
const WORDS: [&str; 3] = ["query", "text", TAGS];
/// Those that begin with tags, of which `-n` may be one to take away.
const TAGS: &str = "words";

/// Puts the words behind all options and `--`, where the command is one that takes such words. What stands behind a
/// `--` is a word whatever it looks like. Of a single hyphen, only an option's own letter makes an option: `-news`
/// leaves out what has that word.
pub(super) fn words_last(command: &mut Command, arguments: Vec<OsString>) -> Vec<OsString> {
    command.build();
    let mut rest = arguments.into_iter();
    let mut ordered: Vec<OsString> = rest.next().into_iter().collect();
    let mut command = &*command;
    while let Some(argument) = rest.next() {
        let text = argument.to_str().unwrap_or_default();
        let below = command.find_subcommand(text);
        let valued = option(command, text).is_some_and(|option| takes_value(option, text));
        let ended = text == "--";
        ordered.push(argument);
        if valued {
            ordered.extend(rest.next());
        }
        if ended {
            break;
        }
        if let Some(below) = below {
            command = below;
            if let Some(words) = words_of(command) {
                return with_words(command, words == TAGS, ordered, rest);
            }
        }
    }
    ordered.extend(rest);
    ordered
}

fn with_words(
    command: &Command,
    tags: bool,
    mut ordered: Vec<OsString>,
    mut rest: impl Iterator<Item = OsString>,
) -> Vec<OsString> {
    let mut words = Vec::new();
    while let Some(argument) = rest.next() {
        let text = argument.to_str().unwrap_or_default();
        let free = !tags || words.is_empty() || text.starts_with("--");
        if text == "--" {
            // Between tags and a query it stays, since it divides them.
            words.extend((tags && !words.is_empty()).then_some(argument));
            words.extend(rest.by_ref());
        } else if let Some(option) = option(command, text).filter(|_| free) {
            let valued = takes_value(option, text);
            ordered.push(argument);
            if valued {
                ordered.extend(rest.next());
            }
        } else if text.starts_with("--") {
            // No such option: clap says so, and which there are.
            ordered.push(argument);
        } else {
            words.push(argument);
        }
    }
    if !words.is_empty() {
        ordered.push("--".into());
        ordered.extend(words);
    }
    ordered
}

/// The words of a command that may begin with a hyphen.
fn words_of(command: &Command) -> Option<&str> {
    command.get_positionals().map(|words| words.get_id().as_str()).find(|words| WORDS.contains(words))
}

/// The option that an argument is, with or without its value.
fn option<'c>(command: &'c Command, text: &str) -> Option<&'c Arg> {
    let mut options = command.get_arguments().filter(|known| !known.is_positional());
    if let Some(long) = text.strip_prefix("--") {
        let name = long.split_once('=').map_or(long, |(name, _)| name);
        return options.find(|known| known.get_long() == Some(name));
    }
    let mut letters = text.strip_prefix('-')?.chars();
    match (letters.next(), letters.next()) {
        (Some(letter), None) => options.find(|known| known.get_short() == Some(letter)),
        _ => None,
    }
}

/// Is the value of this option the argument that follows?
fn takes_value(option: &Arg, text: &str) -> bool {
    option.get_action().takes_values() && !text.contains('=')
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::arguments::Arguments;

    #[test]
    fn options_stand_before_words() {
        let table = [
            ("search budget --limit 5", "search --limit 5 -- budget"),
            ("search -from:ada budget", "search -- -from:ada budget"),
            ("search budget -from:ada --json", "search --json -- budget -from:ada"),
            ("search -A work -news --in=sent x -0", "search -A work --in=sent -0 -- -news x"),
            ("search a -- --limit -n", "search -- a --limit -n"),
            ("--config c search a --count", "--config c search --count -- a"),
            ("--config search search a --count", "--config search search --count -- a"),
            ("search a --config c", "search --config c -- a"),
            ("search --limt 5 a", "search --limt -- 5 a"),
            ("search -h", "search -h"),
            ("search", "search"),
            ("rules run is:unread -n", "rules run -n -- is:unread"),
            ("address gr --format=mutt", "address --format=mutt -- gr"),
            ("tag -todo +x -n from:ada", "tag -- -todo +x -n from:ada"),
            ("tag +x from:ada --dry-run", "tag --dry-run -- +x from:ada"),
            ("tag -n +x -- -in:work", "tag -n -- +x -- -in:work"),
            ("tag -- -x a --dry-run", "tag -- -x a --dry-run"),
            ("show a --raw", "show a --raw"),
            ("-- search a --count", "-- search a --count"),
        ];
        for (typed, ordered) in table {
            let split = |text: &str| -> Vec<OsString> {
                std::iter::once("tern").chain(text.split(' ')).map(OsString::from).collect()
            };
            assert_eq!(words_last(&mut Arguments::command(), split(typed)), split(ordered), "{typed}");
        }
    }
}
