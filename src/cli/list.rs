//! `tern list` and `tern folders`: what the index knows, after it has taken in what changed on disk.

use jiff::tz::TimeZone;
use serde_json::json;
use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr as _;

use super::arguments::{Common, ListOptions};
use super::exit::Exit;
use super::output::Lines;
use super::{json, output, refresh, setting};
use crate::app::start;
use crate::config::Config;
use crate::fault::Fault;
use crate::job::index::{Grouping, ListSpec, Row, Source};
use crate::mail::clean::Clean;
use crate::mail::flags::Flag;
use crate::mail::ids::Timestamp;
use crate::mail::mailbox::{MailboxName, Role};
use crate::mail::place::MailboxId;

/// How wide a name is shown, in columns.
const WHO: usize = 22;

/// Runs `tern list`.
pub(super) fn messages(common: &Common, options: &ListOptions) -> Exit {
    let config = match setting::load("list", common) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    let account = match setting::accounts("list", &config, options.account.as_deref()).map(|all| all.first().copied()) {
        Ok(Some(account)) => account.id.clone(),
        Ok(None) => return Exit::Config,
        Err(exit) => return exit,
    };
    let Some(name) = MailboxName::new(&options.folder) else {
        output::error("list", format_args!("{} is no folder's name", output::quoted(&options.folder)));
        return Exit::Usage;
    };
    told("list", list(&config, MailboxId { account, name }, options))
}

/// Runs `tern folders`.
pub(super) fn folders(common: &Common, as_json: bool) -> Exit {
    let config = match setting::load("folders", common) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    match setting::accounts("folders", &config, None) {
        Ok(_) => told("folders", show_folders(&config, as_json)),
        Err(exit) => exit,
    }
}

fn told(command: &str, done: Result<Exit, Fault>) -> Exit {
    done.unwrap_or_else(|fault| {
        output::fault(command, &fault);
        Exit::of(&fault)
    })
}

fn list(config: &Config, mailbox: MailboxId, options: &ListOptions) -> Result<Exit, Fault> {
    let (mut index, exit) = refresh::up_to_date("list", config)?;
    let known: Vec<MailboxId> = index.mailboxes()?.into_iter().map(|row| row.mailbox).collect();
    if !known.contains(&mailbox) {
        let name = output::quoted(mailbox.name.as_str());
        output::error("list", format_args!("{}: there is no folder {name}", mailbox.account));
        output::note("  next: `tern folders` lists them");
        return Ok(Exit::Missing);
    }
    let spec = ListSpec::new(Source::Mailbox(mailbox), Grouping::Flat);
    let window = index.rows(&spec, 0, options.limit, None)?;
    let zone = start::zone();
    let mut lines = Lines::new();
    for row in &window.rows {
        if options.json {
            lines.line(json::row(row));
        } else {
            lines.line(line(row, &zone));
        }
    }
    Ok(exit)
}

fn show_folders(config: &Config, as_json: bool) -> Result<Exit, Fault> {
    let (index, exit) = refresh::up_to_date("folders", config)?;
    for row in index.mailboxes()? {
        let account = Clean::line(row.mailbox.account.as_str());
        let folder = Clean::line(row.mailbox.name.as_str());
        let role = row.role.map(Role::word);
        if as_json {
            output::line(json!({
                "v": 1,
                "account": account.as_str(),
                "folder": folder.as_str(),
                "role": role,
                "total": row.total,
                "unread": row.unread,
            }));
        } else {
            let (unread, total) = (row.unread, row.total);
            output::line(format_args!("{account:<12} {unread:>7} {total:>8}  {folder}"));
        }
    }
    Ok(exit)
}

/// One line of a list: date, marks, who, subject, and the id that `tern show` takes.
pub(super) fn line(row: &Row, zone: &TimeZone) -> String {
    let mark = |is: bool, mark: char| if is { mark } else { ' ' };
    format!(
        "{} {}{}{} {} {}  [{}]",
        date(row.date, zone),
        mark(!row.flags.has(Flag::Seen), 'N'),
        mark(row.flags.has(Flag::Flagged), '*'),
        mark(row.attachment, '@'),
        fitted(row.who.as_str(), WHO),
        row.subject,
        json::id(row)
    )
}

fn date(at: Timestamp, zone: &TimeZone) -> String {
    let at = jiff::Timestamp::from_second(at.get()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M").to_string()
}

/// Cuts or pads to so many columns.
fn fitted(text: &str, width: usize) -> String {
    let mut out = String::new();
    let mut used = 0;
    for cluster in text.graphemes(true) {
        if used + cluster.width() > width {
            break;
        }
        used += cluster.width();
        out.push_str(cluster);
    }
    out.push_str(&" ".repeat(width - used));
    out
}
