//! The index as commands need it: brought up to date before it is asked, with progress on the terminal.

use std::cell::RefCell;

use super::change;
use super::exit::Exit;
use super::output::{self, Progress};
use crate::app::glance;
use crate::app::refresh::{self, Refreshed, Roles};
use crate::app::start::{self, Ways};
use crate::config::Config;
use crate::fault::{Cause, Fault};
use crate::index::{self, Index, Notmuch, Stands, Writer};
use crate::job::files::FilesJob;
use crate::job::index::{IndexReport, Standing};
use crate::job::rules::RulesReport;
use crate::job::{Changed, Ticket};
use crate::ledger::Ledger;
use crate::mail::flags::{Flag, Flags};
use crate::mail::ids::AccountId;
use crate::mail::notes::{Edit, Timer, TimerKind};
use crate::mail::place::Place;
use crate::mail::tags;
use crate::rules::{self, Change, Plan};
use crate::state::{Onward, onward};

/// How often a command meets a database: once for what is there, again for what it did by that itself.
const MEETINGS: usize = 3;

/// Opens the index for reading, after it has taken in what changed on disk. That this failed is
/// told, and the index answers with what it has: whether that is all says the exit beside it. One of another version
/// answers as it is. Where nothing changed, it is opened for reading alone, and once.
pub(super) fn up_to_date(command: &str, config: &Config) -> Result<(Index, Exit), Fault> {
    if let Some(index) = glance::unchanged(config) {
        return Ok((index, Exit::Done));
    }
    let file = start::index_file(config);
    let stands = index::stands(&file);
    if stands == Stands::Outdated {
        output::note("the index is of another version of tern and may lack new mail; `tern index` makes it anew");
        return Ok((Index::open(&file)?.with_engine(start::engine(config).as_ref()), Exit::Done));
    }
    // Held open meanwhile, so that what SQLite keeps beside the file is not removed and made again in between.
    let before = if stands == Stands::Ready { Index::open(&file).ok() } else { None };
    let (faults, failed) = match take_in(config, &Roles::new(), &mut Progress::new("Indexing"), &|| false) {
        Ok(refreshed) => (refreshed.faults, false),
        Err(fault) => (vec![fault], true),
    };
    // What a rule or notmuch could not do makes no answer less than whole, nor does a directory that can be no folder.
    let lacks = |fault: &Fault| Exit::of(fault) == Exit::Disk && (failed || fault.cause != Cause::Damaged);
    let mut exit = Exit::Done;
    for fault in &faults {
        output::fault(command, fault);
        if lacks(fault) {
            exit = Exit::Partly;
        }
    }
    let index = match before.filter(|index| !index.is_stale()) {
        Some(index) => index,
        None => Index::open(&file)?,
    };
    Ok((index.with_engine(start::engine(config).as_ref()), exit))
}

/// Takes in what changed on disk; one of another version is made anew. `None`: another program is doing that.
pub(super) fn bring_up(
    config: &Config,
    told: &Roles,
    progress: &mut Progress,
    stop: &dyn Fn() -> bool,
) -> Result<Option<Refreshed>, Fault> {
    match index::stands(&start::index_file(config)) {
        Stands::Outdated => make_anew(config, told, progress, stop),
        Stands::Missing | Stands::Ready => take_in(config, told, progress, stop).map(Some),
    }
}

/// Takes in what changed on disk.
fn take_in(
    config: &Config,
    told: &Roles,
    progress: &mut Progress,
    stop: &dyn Fn() -> bool,
) -> Result<Refreshed, Fault> {
    let engine = start::engine(config);
    let mut then = |writer: &mut Writer| {
        let mut faults = follow(config, writer)?;
        if let Some(engine) = engine.as_ref().filter(|_| !stop()) {
            meet(config, engine, writer, &mut faults);
        }
        Ok(faults)
    };
    let refreshed = refresh::refresh(config, told, &mut |done, all| step(progress, done, all), stop, &mut then);
    progress.clear();
    refreshed
}

/// Lets notmuch's database hear of changes that the user made just now, where there is one.
pub(super) fn tell_database(config: &Config, changed: &[Changed]) -> Vec<Fault> {
    let Some(engine) = start::engine(config) else { return Vec::new() };
    let tell = || -> Result<Vec<Fault>, Fault> {
        let file = start::index_file(config);
        let mut writer = Writer::open(&file, &start::own_addresses(config))?.with_engine(Some(&engine))?;
        for changed in changed {
            writer.apply(changed)?;
        }
        let mut faults = Vec::new();
        meet(config, &engine, &mut writer, &mut faults);
        Ok(faults)
    };
    tell().unwrap_or_else(|fault| vec![fault])
}

/// Lets notmuch's database hear of what is new, and the index, files and labels of what others tagged there.
fn meet(config: &Config, engine: &Notmuch, writer: &mut Writer, faults: &mut Vec<Fault>) {
    for round in 0..MEETINGS {
        let told = index::meet(engine, &start::index_file(config), writer).and_then(|met| {
            faults.extend(met.faults);
            if met.state.standing == Standing::Busy && round == 0 {
                output::note(format_args!(
                    "notmuch: another program writes; what changed ({}) waits for the next run",
                    met.state.waiting
                ));
            }
            pass_on(config, writer, met.given, met.lost, faults)
        });
        match told {
            // What changed by it the database hears of, too.
            Ok(true) => {}
            Ok(false) => return,
            Err(fault) => return faults.push(fault),
        }
    }
}

/// Tells files and labels of tags that others gave and took. `true`: something changed by that.
fn pass_on(
    config: &Config,
    writer: &mut Writer,
    given: Vec<(Place, Flags)>,
    lost: Vec<(Place, Flags)>,
    faults: &mut Vec<Fault>,
) -> Result<bool, Fault> {
    if given.is_empty() && lost.is_empty() {
        return Ok(false);
    }
    let mailboxes = Index::open(&start::index_file(config))?.mailboxes()?;
    let has_server = |id: &AccountId| config.accounts.iter().any(|account| account.id == *id && account.has_server());
    let Onward { flags, labels } = onward(given, lost, &mailboxes, has_server);
    let mut plan = Plan::default();
    for ((add, remove), places) in flags {
        let change = Change { add, remove, to: None };
        plan.changes.extend(places.into_iter().map(|place| (place, change.clone())));
    }
    for ((_, add, remove), places) in labels {
        let [add, remove] = [add, remove].map(|labels| Flags::none().with_labels(&labels));
        let change = Change { add, remove, to: None };
        plan.changes.extend(places.into_iter().map(|place| (place, change.clone())));
    }
    let hands = start::rules_env(config, &Ways::default()).hands;
    let told = RefCell::new(Vec::new());
    rules::carry_out(&hands, &plan, &|report| told.borrow_mut().push(report));
    let mut any = false;
    for report in told.into_inner() {
        match report {
            RulesReport::Changed(changed) => {
                writer.apply(&changed)?;
                any = true;
            }
            RulesReport::Labelled { places, add, remove, .. } => drop(writer.label(&places, &add, &remove)?),
            RulesReport::Fault(fault) => faults.push(fault),
            RulesReport::Arrived(_) | RulesReport::Over { .. } => {}
        }
    }
    Ok(any)
}

/// What came into muted conversations is marked as read, and what was answered in its sleep is noted to be awake.
/// Gives back what could not be done.
fn follow(config: &Config, writer: &mut Writer) -> Result<Vec<Fault>, Fault> {
    let mut faults = Vec::new();
    for news in writer.news()? {
        match news {
            IndexReport::Hushed(places) => {
                let add = tags::muted().with(Flag::Seen);
                let job = FilesJob::SetFlags { ticket: Ticket::default(), places, add, remove: Flags::none() };
                let (changed, failed) = change::files(config, vec![job]);
                faults.extend(failed);
                for changed in &changed {
                    writer.apply(changed)?;
                }
            }
            IndexReport::Woken(messages) => {
                let now = crate::app::now();
                let awake = |id| ((id, TimerKind::Snooze), Some(Timer { due: now, set_at: now }));
                let edit = Edit { timers: messages.into_iter().map(awake).collect(), ..Edit::default() };
                let (mut ledger, _) = Ledger::open(&config.paths.data)?;
                ledger.note(&edit)?;
            }
            _ => {}
        }
    }
    Ok(faults)
}

/// Makes a new index beside the one that serves, and lets it serve. `None`: another program is doing that.
pub(super) fn make_anew(
    config: &Config,
    told: &Roles,
    progress: &mut Progress,
    stop: &dyn Fn() -> bool,
) -> Result<Option<Refreshed>, Fault> {
    let renewed = refresh::renew(config, told, &mut |done, all| step(progress, done, all), stop);
    progress.clear();
    let Some(mut renewed) = renewed? else { return Ok(None) };
    if !renewed.stopped {
        // What changed since the last look, and what follows from all of it.
        let after = take_in(config, told, progress, stop)?;
        (renewed.stopped, renewed.ruled) = (after.stopped, after.ruled);
        let others: Vec<Fault> = after.faults.into_iter().filter(|it| !renewed.faults.contains(it)).collect();
        renewed.faults.extend(others);
    }
    Ok(Some(renewed))
}

fn step(progress: &mut Progress, done: usize, all: usize) {
    progress.show(format_args!("{done} of {all} messages"));
}
