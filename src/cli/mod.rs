//! The command line: one file a command. Commands print and exit; only `open` and `demo` draw.
//! Errors go to standard error as `tern: sync: work: …` with a next step; exit codes are those of
//! sysexits, as msmtp and other mail programs use them.

mod address;
mod arguments;
mod change;
mod config;
mod demo;
mod doctor;
mod exit;
mod folders;
mod forecast;
mod hurry;
mod index;
mod json;
mod keys;
mod list;
mod open;
mod outbox;
mod output;
mod password;
mod refresh;
mod rules;
mod search;
mod searches;
mod send;
mod setting;
mod show;
mod sync;
mod tag;
mod words;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

use crate::mail::clean::Clean;
use arguments::{Arguments, Command};
use exit::Exit;

/// Runs the program with the arguments of the process.
pub fn main() -> ExitCode {
    let typed = with_sendmail_mode(std::env::args_os());
    let arguments = match hurry::read(&typed).map_or_else(|| read(typed), Ok) {
        Ok(arguments) => arguments,
        Err(error) if error.use_stderr() => {
            // It says the argument again, which may come from a link that somebody clicked on.
            let words = error.render().to_string();
            Clean::lines(words.trim_end()).into_iter().for_each(output::note);
            return Exit::Usage.into();
        }
        Err(error) => {
            // Help and version: nothing in them comes from outside.
            let _ = error.print();
            return Exit::Done.into();
        }
    };
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    run(arguments).into()
}

/// Reads what was typed.
fn read(typed: Vec<OsString>) -> Result<Arguments, clap::Error> {
    Arguments::try_parse_from(words::words_last(&mut Arguments::command(), typed))
}

fn run(arguments: Arguments) -> Exit {
    let common = arguments.common;
    match arguments.command {
        None | Some(Command::Open) => open::run(&common),
        Some(Command::Sync(options)) => sync::run(&common, &options),
        Some(Command::Send(options)) => send::run(&common, &options),
        Some(Command::Search(options)) => search::run(&common, &options),
        Some(Command::Searches(options)) => searches::run(&common, &options),
        Some(Command::Rules { command }) => rules::run(&common, &command),
        Some(Command::Tag(options)) => tag::run(&common, &options),
        Some(Command::Address(options)) => address::run(&common, &options),
        Some(Command::Show(options)) => show::run(&common, &options),
        Some(Command::List(options)) => list::messages(&common, &options),
        Some(Command::Folders { command: None, json }) => list::folders(&common, json),
        Some(Command::Folders { command: Some(command), .. }) => folders::run(&common, &command),
        Some(Command::Outbox { command }) => outbox::run(&common, &command),
        Some(Command::Config { command }) => config::run(&common, &command),
        Some(Command::Index(options)) => index::run(&common, &options),
        Some(Command::Keys { command }) => keys::run(&common, command.as_ref()),
        Some(Command::Doctor(options)) => doctor::run(&common, &options),
        Some(Command::Demo(options)) => demo::run(&options),
    }
}

/// Called as `sendmail` (by a link), the program is `tern send`.
fn with_sendmail_mode(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut all: Vec<OsString> = arguments.collect();
    let called = all.first().map(std::path::Path::new).and_then(std::path::Path::file_name);
    if called.is_some_and(|name| name == "sendmail") {
        all.insert(1, "send".into());
    }
    all
}
