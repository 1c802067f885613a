//! `tern search`: what a query finds, newest first. What changed on disk is taken in before. Only what is printed
//! is searched for, unless the number of all is asked.

use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use jiff::tz::TimeZone;
use unicode_width::UnicodeWidthStr as _;

use super::arguments::{Common, Printed, SearchOptions};
use super::exit::Exit;
use super::output::Lines;
use super::{json, list, output, refresh, setting};
use crate::app::start;
use crate::config::Config;
use crate::fault::Fault;
use crate::index::Index;
use crate::job::index::{Grouping, ListSpec, Row, SearchScope, Source};
use crate::query::{Query, QueryError};
use crate::store::maildir::Maildir;

/// Runs the command.
pub(super) fn run(common: &Common, options: &SearchOptions) -> Exit {
    let config = match setting::load("search", common) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    let scope = match (setting::accounts("search", &config, options.account.as_deref()), &options.account) {
        (Err(exit), _) => return exit,
        (Ok(_), None) => SearchScope::All,
        (Ok(accounts), Some(_)) => match accounts.first() {
            Some(account) => SearchScope::Account(account.id.clone()),
            None => return Exit::Config,
        },
    };
    let text = options.query.join(" ");
    let zone = start::zone();
    let query = match setting::saved("search", &config).parse(&text, crate::app::now(), &zone) {
        Ok(query) => query,
        Err(error) => return point_at("search", &text, &error),
    };
    let query = match &options.folder {
        Some(folder) => Query::And(vec![Query::In(folder.clone()), query]),
        None => query,
    };
    match find(&config, options, &ListSpec::new(Source::Search { query, scope }, Grouping::Flat), &zone) {
        Ok(exit) => exit,
        Err(fault) => {
            output::fault("search", &fault);
            Exit::of(&fault)
        }
    }
}

pub(super) fn point_at(command: &str, text: &str, error: &QueryError) -> Exit {
    output::error(command, output::quoted(&error.to_string()));
    output::note(format_args!("  {}", output::quoted(text)));
    let before: String = text.chars().take(error.column.saturating_sub(1)).collect();
    output::note(format_args!("  {}^", " ".repeat(before.width())));
    Exit::Usage
}

fn find(config: &Config, options: &SearchOptions, list: &ListSpec, zone: &TimeZone) -> Result<Exit, Fault> {
    let (mut index, exit) = refresh::up_to_date("search", config)?;
    if options.count {
        index.count(list, &|| true)?;
        let total = index.rows(list, 0, 0, None)?.total;
        told(&mut index);
        output::line(total);
        return Ok(if total == 0 { Exit::Partly } else { exit });
    }
    let rows = index.head(list, options.limit)?;
    told(&mut index);
    let mut lines = Lines::new();
    for row in &rows {
        match options.format() {
            Printed::Json => lines.line(json::row(row)),
            Printed::Ids => lines.line(json::id(row)),
            Printed::Files => {
                if let Some(path) = path(config, &index, row)? {
                    let end: &[u8] = if options.null { b"\0" } else { b"\n" };
                    lines.raw(path.as_os_str().as_bytes());
                    lines.raw(end);
                }
            }
            Printed::Summary => lines.line(list::line(row, zone)),
        }
    }
    Ok(if rows.is_empty() { Exit::Partly } else { exit })
}

/// Tells that notmuch's database did not answer, and the index did.
pub(super) fn told(index: &mut Index) {
    if let Some(fault) = index.engine_news() {
        output::fault("search", &fault);
        output::note("  the index of tern answers instead");
    }
}

/// Where the message lies now: other programs rename files at any time.
fn path(config: &Config, index: &Index, row: &Row) -> Result<Option<PathBuf>, Fault> {
    if let Some(path) = index.file_of(&row.place)?.filter(|path| path.exists()) {
        return Ok(Some(path));
    }
    let Some(account) = config.account(&row.place.mailbox.account) else { return Ok(None) };
    let directory = crate::app::refresh::root(account).directory(&row.place.mailbox.name)?;
    let maildir = Maildir::open(&directory)?;
    Ok(maildir.find(&row.place.unique)?.map(|entry| maildir.path_of(&entry)))
}
