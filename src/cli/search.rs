//! `tern search`: what a query finds, newest first. What changed on disk is taken in before.

use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use super::arguments::{Common, SearchOptions};
use super::exit::Exit;
use super::{json, list, output, refresh, setting};
use crate::app::start;
use crate::config::Config;
use crate::fault::Fault;
use crate::index::Index;
use crate::job::index::{Row, SearchScope};
use crate::query::{self, Query, QueryError};
use crate::store::maildir::Maildir;

/// Runs the command.
pub(super) fn run(common: &Common, options: &SearchOptions) -> Exit {
    let config = match setting::load("search", common) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    if let Err(exit) = setting::accounts("search", &config, None) {
        return exit;
    }
    let text = options.query.join(" ");
    let query = match query::parse(&text, crate::app::now(), &start::zone()) {
        Ok(query) => query,
        Err(error) => return point_at(&text, &error),
    };
    match find(&config, options, &query) {
        Ok(exit) => exit,
        Err(fault) => {
            output::fault("search", &fault);
            Exit::of(&fault)
        }
    }
}

fn point_at(text: &str, error: &QueryError) -> Exit {
    output::error("search", output::quoted(&error.to_string()));
    output::note(format_args!("  {}", output::quoted(text)));
    output::note(format_args!("  {}^", " ".repeat(error.column.saturating_sub(1))));
    Exit::Usage
}

fn find(config: &Config, options: &SearchOptions, query: &Query) -> Result<Exit, Fault> {
    let mut index = refresh::up_to_date("search", config)?;
    let window = index.search(query, &SearchScope::All, 0, options.limit)?;
    let zone = start::zone();
    for row in &window.rows {
        if options.json {
            output::line(json::row(row));
        } else if options.ids {
            output::line(json::id(row));
        } else if options.paths {
            if let Some(path) = path(config, &index, row)? {
                let end: &[u8] = if options.null { b"\0" } else { b"\n" };
                output::raw(&[path.as_os_str().as_bytes(), end].concat());
            }
        } else {
            output::line(list::line(row, &zone));
        }
    }
    Ok(if window.rows.is_empty() { Exit::Partly } else { Exit::Done })
}

/// Where the message lies now: other programs rename files at any time.
fn path(config: &Config, index: &Index, row: &Row) -> Result<Option<PathBuf>, Fault> {
    if let Some(path) = index.file_of(&row.place)?.filter(|path| path.exists()) {
        return Ok(Some(path));
    }
    let Some(account) = config.account(&row.place.mailbox.account) else { return Ok(None) };
    let directory = refresh::root(account).directory(&row.place.mailbox.name)?;
    let maildir = Maildir::open(&directory)?;
    Ok(maildir.find(&row.place.unique)?.map(|entry| maildir.path_of(&entry)))
}
