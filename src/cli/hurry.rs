//! The arguments of commands that other programs call again and again, read by the tables of that one command. The
//! tables of all commands cost a search a fifth of its time. Whatever is not plainly one of them (help, a mistake, an
//! option before the command) is read, and answered, by the tables of all.

use std::ffi::OsString;

use clap::{Args, FromArgMatches as _};

use super::arguments::{Arguments, Command, Common};
use super::words;

/// What was typed; `None`: the tables of all commands are to be asked.
pub(super) fn read(typed: &[OsString]) -> Option<Arguments> {
    Some(match typed.get(1)?.to_str()? {
        "search" => alone(typed, "search", Command::Search)?,
        "address" => alone(typed, "address", Command::Address)?,
        "list" => alone(typed, "list", Command::List)?,
        "show" => alone(typed, "show", Command::Show)?,
        _ => return None,
    })
}

fn alone<Options: Args>(typed: &[OsString], name: &'static str, make: fn(Options) -> Command) -> Option<Arguments> {
    let below = Options::augment_args(clap::Command::new(name));
    let mut command = Common::augment_args(clap::Command::new("tern")).subcommand(below);
    let ordered = words::words_last(&mut command, typed.to_vec());
    let mut read = command.try_get_matches_from_mut(ordered).ok()?;
    let (_, mut options) = read.remove_subcommand()?;
    let options = Options::from_arg_matches_mut(&mut options).ok()?;
    Some(Arguments { common: Common::from_arg_matches_mut(&mut read).ok()?, command: Some(make(options)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Vec<OsString> {
        std::iter::once("tern").chain(text.split(' ')).map(OsString::from).collect()
    }

    #[test]
    fn what_is_read_in_a_hurry_is_what_the_tables_of_all_commands_say() {
        let lines = [
            "search budget",
            "search -from:ada budget --limit 5 --in=sent",
            "search --config c a -A work --log debug",
            "search a --offline --json -0",
            "search --format ids -- --limit",
            "address gr hop --format=mutt",
            "list",
            "list Sent --limit 3 --json",
            "show a@b --part 2 --offline",
        ];
        for line in lines {
            let all = super::super::read(split(line)).unwrap();
            assert_eq!(format!("{:?}", read(&split(line)).unwrap()), format!("{all:?}"), "{line}");
        }
    }

    #[test]
    fn help_mistakes_and_all_else_are_left_to_the_tables_of_all_commands() {
        for line in [
            "search",
            "search --help",
            "search -h",
            "search a --limit x",
            "search a --nothing",
            "search a --ids --json",
            "show a b",
            "--offline search a",
            "sync",
            "help search",
            "searches",
            "",
        ] {
            assert!(read(&split(line)).is_none(), "{line}");
        }
        assert!(read(&split("search")[..1]).is_none());
    }
}
