//! `tern demo`: the whole program on a built-in mailbox, with servers in memory. Everything it
//! writes lies in one temporary directory that is removed at the end.

mod letter;
mod mails;
mod odd;
mod server;
mod words;

use std::sync::Arc;
use std::time::Duration;

use super::arguments::DemoOptions;
use super::exit::Exit;
use super::output;
use crate::app::start::{self, Ways};
use crate::app::{self, headless, workers};
use crate::config::{self, Config, Paths};
use crate::fault::{Doing, Fault};
use crate::outbox::submit::Submit;
use server::DemoServer;

/// How long the screenshot waits for the mailbox at most.
const PATIENCE: Duration = Duration::from_mins(1);

/// The account of the demo. The servers it names are never asked.
const CONFIG: &str = r#"
[compose]
undo_send = "5s"

[accounts.ada]
address = "ada@example.org"
name = "Ada Lovelace"
maildir = "~/mail"
imap = { host = "imap.example.org" }
smtp = { host = "smtp.example.org" }
password = { prompt = true }
signature = "Ada"
"#;

/// Runs the command.
pub(super) fn run(options: &DemoOptions) -> Exit {
    let size = match options.screenshot.as_deref().map(parse_size) {
        Some(None) => {
            output::error("demo", "a size is written WIDTHxHEIGHT, such as 120x35");
            return Exit::Usage;
        }
        Some(Some(size)) => Some(size),
        None => None,
    };
    match prepare().and_then(|(home, config)| {
        let result = play(config, options, size);
        drop(home);
        result
    }) {
        Ok(()) => Exit::Done,
        Err(fault) => {
            output::fault("demo", &fault);
            Exit::of(&fault)
        }
    }
}

/// Columns and rows of `120x35`.
fn parse_size(text: &str) -> Option<(u16, u16)> {
    let (width, height) = text.split_once(['x', 'X'])?;
    let (width, height) = (width.parse().ok()?, height.parse().ok()?);
    ((1..=1000).contains(&width) && (1..=1000).contains(&height)).then_some((width, height))
}

/// A directory for everything, and the demo's config in it.
fn prepare() -> Result<(tempfile::TempDir, Config), Fault> {
    let trouble = |error: &std::io::Error| Fault::io(Doing::Storing, "a temporary directory", error);
    let home = tempfile::Builder::new().prefix("tern-demo-").tempdir().map_err(|e| trouble(&e))?;
    let paths = Paths::under(home.path());
    paths.create()?;
    let config = config::parse(CONFIG, &paths);
    Ok((home, config))
}

fn play(mut config: Config, options: &DemoOptions, size: Option<(u16, u16)>) -> Result<(), Fault> {
    if let Some(theme) = &options.theme {
        config.ui.theme.clone_from(theme);
    }
    let server = DemoServer::new(&mails::all(app::now()));
    let ways = Ways {
        connect: {
            let server = server.clone();
            Arc::new(move |_, _, _| Some(Arc::new(server.mail.clone())))
        },
        submit: {
            let server = server.clone();
            Arc::new(move |_, _| Ok(Box::new(server.clone()) as Box<dyn Submit>))
        },
    };
    let ready = start::prepare(&config, &ways)?;
    if let Some((width, height)) = size {
        let frame = headless::frame(ready, width, height, PATIENCE)?;
        output::raw(frame.as_bytes());
        return Ok(());
    }
    let (after, for_) = (Duration::from_secs(options.outage_after), Duration::from_secs(options.outage_for));
    workers::spawn("outage", move || server.outage(after, for_))
        .map_err(|e| Fault::io(Doing::Running, "a thread", &e))?;
    app::run(ready)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        assert_eq!(parse_size("120x35"), Some((120, 35)));
        for bad in ["120", "x", "0x5", "5x0", "120x35x2", "99999x2", "-3x2"] {
            assert_eq!(parse_size(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_config_has_no_problem() {
        let (_home, config) = prepare().unwrap();
        assert_eq!(config.problems, []);
        assert_eq!(config.accounts.len(), 1);
    }
}
