//! `tern index`: brings the index up to date, or makes it anew from the Maildirs.

use super::arguments::{Common, IndexOptions};
use super::exit::Exit;
use super::output::{self, Progress};
use super::refresh::{self, Begin, Roles};
use super::setting;
use crate::app::{signals, start};
use crate::config::Config;
use crate::fault::Fault;
use crate::index::Index;

/// Runs the command.
pub(super) fn run(common: &Common, options: &IndexOptions) -> Exit {
    let config = match setting::load("index", common) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    if let Err(exit) = setting::accounts("index", &config, None) {
        return exit;
    }
    match make(&config, options) {
        Ok(exit) => exit,
        Err(fault) => {
            output::fault("index", &fault);
            Exit::of(&fault)
        }
    }
}

fn make(config: &Config, options: &IndexOptions) -> Result<Exit, Fault> {
    let flag = signals::wish_to_stop()?;
    let stop = || flag.load(std::sync::atomic::Ordering::SeqCst);
    let begin = if options.rebuild { Begin::Empty } else { Begin::Known };
    let mut progress = if options.quiet { Progress::none() } else { Progress::new("Indexing") };
    let refreshed = refresh::refresh(config, begin, &Roles::new(), &mut progress, &stop)?;
    for fault in &refreshed.faults {
        output::fault("index", fault);
    }
    if refreshed.stopped {
        output::error("index", "stopped; the next command goes on from here");
        return Ok(Exit::Interrupted);
    }
    if !options.quiet {
        let mailboxes = Index::open(&start::index_file(config))?.mailboxes()?;
        let total: u64 = mailboxes.iter().map(|row| row.total).sum();
        output::line(format_args!("{} folders, {total} messages, {} read", mailboxes.len(), refreshed.read));
    }
    Ok(if refreshed.faults.is_empty() { Exit::Done } else { Exit::Partly })
}
