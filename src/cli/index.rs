//! `tern index`: brings the index up to date, makes it anew from the Maildirs, or compares it with them.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use super::arguments::{Common, IndexOptions};
use super::exit::Exit;
use super::output::{self, Progress};
use super::refresh;
use super::setting;
use crate::app::refresh::{Refreshed, Roles, root};
use crate::app::{signals, start};
use crate::config::Config;
use crate::fault::Fault;
use crate::index::verify::{Cure, Drift, Sample, Verifier};
use crate::index::{self, Index, Stands};
use crate::mail::clean::Clean;
use crate::mail::place::MailboxId;
use crate::store::scan;

/// So many files that could not be read are named.
const FEW: usize = 5;

/// How many messages `--verify` reads again.
const SAMPLE: usize = 500;

/// Runs the command.
pub(super) fn run(common: &Common, options: &IndexOptions) -> Exit {
    let config = match setting::load("index", common) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    if let Err(exit) = setting::accounts("index", &config, None) {
        return exit;
    }
    match signals::wish_to_stop().and_then(|stop| done(&config, options, &stop)) {
        Ok(exit) => exit,
        Err(fault) => {
            output::fault("index", &fault);
            Exit::of(&fault)
        }
    }
}

fn done(config: &Config, options: &IndexOptions, stop: &AtomicBool) -> Result<Exit, Fault> {
    let stop = || stop.load(Ordering::SeqCst);
    if options.verify {
        return Verifying::of(config, options).map_or(Ok(Exit::Partly), |verifying| verifying?.run(&stop));
    }
    let mut progress = if options.quiet { Progress::none() } else { Progress::new("Indexing") };
    let refreshed = if options.rebuild {
        refresh::make_anew(config, &Roles::new(), &mut progress, &stop)
    } else {
        refresh::bring_up(config, &Roles::new(), &mut progress, &stop)
    };
    if let Some(refreshed) = refreshed? {
        return told(config, options, &refreshed);
    }
    output::error("index", "another program is making the index anew; the old one serves until then");
    Ok(Exit::Later)
}

fn told(config: &Config, options: &IndexOptions, refreshed: &Refreshed) -> Result<Exit, Fault> {
    for fault in &refreshed.faults {
        output::fault("index", fault);
    }
    if refreshed.stopped {
        let again = if options.rebuild { "the same command" } else { "the next command" };
        output::error("index", format_args!("stopped; {again} goes on from here"));
        return Ok(Exit::Interrupted);
    }
    let index = Index::open(&start::index_file(config))?;
    let refused = index.refused()?;
    for file in refused.iter().take(FEW) {
        output::error("index", format_args!("{} cannot be read", output::quoted(&file.to_string_lossy())));
    }
    if !refused.is_empty() {
        output::note(format_args!(
            "  {} in all; next: check the rights; they are taken in once they can be",
            refused.len()
        ));
    }
    if !options.quiet {
        let mailboxes = index.mailboxes()?;
        let total: u64 = mailboxes.iter().map(|row| row.total).sum();
        output::line(format_args!("{} folders, {total} messages, {} read", mailboxes.len(), refreshed.read));
    }
    Ok(if refreshed.faults.is_empty() && refused.is_empty() { Exit::Done } else { Exit::Partly })
}

/// A comparison of the index with the mail.
struct Verifying<'a> {
    config: &'a Config,
    options: &'a IndexOptions,
    verifier: Verifier,
    folders: usize,
    differs: bool,
    faults: bool,
}

impl<'a> Verifying<'a> {
    /// `None`: there is nothing to compare, and that was told.
    fn of(config: &'a Config, options: &'a IndexOptions) -> Option<Result<Self, Fault>> {
        let file = start::index_file(config);
        let opened = match index::stands(&file) {
            Stands::Ready => Verifier::open(&file, &start::own_addresses(config)),
            Stands::Missing => return not_compared(&file, "there is none yet", options.json),
            Stands::Outdated => return not_compared(&file, "it is of another version of tern", options.json),
        };
        Some(opened.map(|verifier| Self { config, options, verifier, folders: 0, differs: false, faults: false }))
    }

    fn run(mut self, stop: &dyn Fn() -> bool) -> Result<Exit, Fault> {
        let mut progress = if self.options.quiet { Progress::none() } else { Progress::new("Comparing") };
        for account in &self.config.accounts {
            let folders = root(account).list();
            for fault in folders.faults {
                self.fault(&fault.of(&account.id));
            }
            let id = |name| MailboxId { account: account.id.clone(), name };
            let there: Vec<MailboxId> = folders.found.keys().cloned().map(id).collect();
            self.tell(&self.verifier.folders(&account.id, &there)?);
            for (mailbox, directory) in there.iter().zip(folders.found.values()) {
                if stop() {
                    return Ok(Exit::Interrupted);
                }
                self.folders += 1;
                match scan::listing(mailbox, directory) {
                    Ok(listing) => self.tell(&self.verifier.mailbox(&listing)?),
                    Err(fault) => self.fault(&fault.of(&account.id)),
                }
            }
        }
        self.tell(&self.verifier.recount()?);
        let sample = if self.options.all { Sample::All } else { Sample::Some(SAMPLE) };
        let mut show = |done: usize, all: usize| progress.show(format_args!("{done} of {all} messages read again"));
        let (read, drifts) = self.verifier.words(sample, &mut show, stop)?;
        progress.clear();
        self.tell(&drifts);
        if stop() {
            return Ok(Exit::Interrupted);
        }
        self.sum_up(read)?;
        Ok(if self.differs || self.faults { Exit::Partly } else { Exit::Done })
    }

    fn fault(&mut self, fault: &Fault) {
        self.faults = true;
        output::fault("index", fault);
    }

    fn tell(&mut self, drifts: &[Drift]) {
        for drift in drifts {
            self.differs = true;
            if self.options.json {
                output::line(object(drift));
                continue;
            }
            let place = drift
                .mailbox
                .as_ref()
                .map_or_else(String::new, |id| format!("{}, {}: ", id.account, Clean::line(id.name.as_str())));
            output::line(format_args!("{place}{} {}", drift.count, drift.what));
            for example in &drift.examples {
                output::line(format_args!("    {}", Clean::line(example)));
            }
            output::line(format_args!("  next: {}", next(drift.cure)));
        }
    }

    fn sum_up(&self, read: usize) -> Result<(), Fault> {
        let (folders, messages) = (self.folders, self.verifier.messages()?);
        if self.options.json {
            let agrees = !self.differs && !self.faults;
            output::line(json!({ "v": 1, "agrees": agrees, "folders": folders, "messages": messages, "read": read }));
        } else if !self.options.quiet {
            let verdict = if self.differs { "index and mail differ" } else { "index and mail agree" };
            output::line(format_args!("{verdict}: {folders} folders, {messages} messages, {read} of them read again"));
        }
        Ok(())
    }
}

fn next(cure: Cure) -> &'static str {
    match cure {
        Cure::Look => "run `tern index`: it has not taken this in yet",
        Cure::Anew => "run `tern index --rebuild`: the old one serves meanwhile",
    }
}

fn object(drift: &Drift) -> serde_json::Value {
    let examples: Vec<String> = drift.examples.iter().map(|example| Clean::line(example).as_str().to_owned()).collect();
    json!({
        "v": 1,
        "check": drift.check.word(),
        "account": drift.mailbox.as_ref().map(|id| id.account.as_str()),
        "folder": drift.mailbox.as_ref().map(|id| Clean::line(id.name.as_str()).as_str().to_owned()),
        "what": drift.what,
        "count": drift.count,
        "examples": examples,
        "next": match drift.cure { Cure::Look => "tern index", Cure::Anew => "tern index --rebuild" },
    })
}

/// Says why there is nothing to compare.
fn not_compared<T>(file: &Path, why: &str, as_json: bool) -> Option<T> {
    if as_json {
        output::line(json!({ "v": 1, "agrees": false, "what": why, "next": "tern index" }));
    } else {
        output::line(format_args!("{}: {why}", output::path(file)));
        output::line("  next: run `tern index`");
    }
    None
}
