//! Brings the index up to date with the Maildirs before it is asked, and after a sync. Directories
//! whose times have not moved are not read, so that it costs next to nothing where nothing changed.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::change;
use super::output::{self, Progress};
use crate::app::start::{self, Ways};
use crate::config::{Account, Config};
use crate::fault::{Cause, Fault};
use crate::index::{self, Haste, Index, Notmuch, Writer};
use crate::job::files::{DirStamp, FilesJob, Seen};
use crate::job::index::{IndexReport, Match, Standing};
use crate::job::rules::RulesReport;
use crate::job::{Changed, Ticket};
use crate::ledger::Ledger;
use crate::mail::flags::{Flag, Flags};
use crate::mail::mailbox::{MailboxName, Role};
use crate::mail::notes::{Edit, Timer, TimerKind};
use crate::mail::place::MailboxId;
use crate::mail::tags;
use crate::rules;
use crate::store::folders::Root;
use crate::store::scan;
use crate::sync::notes;

/// How long another tern that is at the rules is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// What mailboxes are for, as far as a server has just said.
pub(super) type Roles = BTreeMap<MailboxId, Role>;

/// What is begun with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begin {
    /// What the index knows already.
    Known,
    /// Nothing: every message is read again.
    Empty,
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Refreshed {
    /// How many messages were read.
    pub(super) read: usize,
    /// How many new messages rules were let at.
    pub(super) ruled: usize,
    /// Was there a wish to stop before the end?
    pub(super) stopped: bool,
    /// What could not be read.
    pub(super) faults: Vec<Fault>,
}

/// Where an account's mail lies.
pub(super) fn root(account: &Account) -> Root {
    Root { path: account.maildir.clone(), layout: account.layout }
}

/// Opens the index for reading, after it has taken in what changed on disk. That this failed is
/// told, and the index answers with what it has.
pub(super) fn up_to_date(command: &str, config: &Config) -> Result<Index, Fault> {
    match refresh(config, Begin::Known, &Roles::new(), &mut Progress::new("Indexing"), &|| false) {
        Ok(refreshed) => refreshed.faults.iter().for_each(|fault| output::fault(command, fault)),
        Err(fault) => output::fault(command, &fault),
    }
    Ok(Index::open(&start::index_file(config))?.with_engine(start::engine(config).as_ref()))
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
        index::meet(&engine, &file, &mut writer).map(|met| met.faults)
    };
    tell().unwrap_or_else(|fault| vec![fault])
}

/// Lets notmuch's database hear of what is new, and the index of what others tagged there.
fn meet(config: &Config, engine: &Notmuch, writer: &mut Writer, faults: &mut Vec<Fault>) {
    match index::meet(engine, &start::index_file(config), writer) {
        Ok(met) => {
            faults.extend(met.faults);
            if met.state.standing == Standing::Busy {
                output::note(format_args!(
                    "notmuch: another program writes; what changed ({}) waits for the next run",
                    met.state.waiting
                ));
            }
            let untag = |(place, remove)| FilesJob::SetFlags {
                ticket: Ticket::default(),
                places: vec![place],
                add: Flags::none(),
                remove,
            };
            let jobs: Vec<FilesJob> = met.lost.into_iter().map(untag).collect();
            if jobs.is_empty() {
                return;
            }
            let (changed, failed) = change::files(config, jobs);
            faults.extend(failed);
            faults.extend(tell_database(config, &changed));
        }
        Err(fault) => faults.push(fault),
    }
}

/// Takes in what changed on disk.
pub(super) fn refresh(
    config: &Config,
    begin: Begin,
    told: &Roles,
    progress: &mut Progress,
    stop: &dyn Fn() -> bool,
) -> Result<Refreshed, Fault> {
    let file = start::index_file(config);
    let own = start::own_addresses(config);
    let engine = start::engine(config);
    let mut roles = known_roles(config);
    roles.extend(told.iter().map(|(mailbox, role)| (mailbox.clone(), *role)));
    let opened = match begin {
        Begin::Known => Writer::open(&file, &own),
        Begin::Empty => Writer::rebuild(&file, &own),
    };
    let mut writer = match opened {
        // It is a cache: one that is damaged is made anew.
        Err(fault) if fault.cause == Cause::Damaged => Writer::rebuild(&file, &own)?,
        other => other?,
    }
    .with_haste(Haste::Everything)
    .with_sources(&start::contact_sources(config))?
    .with_engine(engine.as_ref())?
    .with_sieves(start::sieves(config));
    let mut refreshed = Refreshed::default();
    let mut ledger = Ledger::peek(&config.paths.data).unwrap_or_else(|fault| {
        refreshed.faults.push(fault);
        None
    });
    if let Some(ledger) = &ledger {
        writer.notes(&ledger.notes()?, crate::app::now())?;
    }
    for account in &config.accounts {
        if let Some(ledger) = &mut ledger {
            label(&mut writer, account, ledger)?;
        }
        list(&mut writer, account, &roles, &mut refreshed)?;
    }
    let all = writer.pending();
    refreshed.faults.extend(writer.read_books()?);
    loop {
        while !refreshed.stopped && writer.advance()?.is_some() {
            let left = writer.pending();
            progress.show(format_args!("{} of {all} steps", all.max(left) - left));
            refreshed.stopped = stop();
        }
        let matched = writer.take_matched();
        if matched.is_empty() || refreshed.stopped || !act_by_rules(&mut writer, config, matched, &mut refreshed)? {
            break;
        }
    }
    progress.clear();
    refreshed.faults.extend(follow(config, &mut writer)?);
    if !refreshed.stopped {
        settle(&mut writer, config, ledger.as_ref())?;
    }
    // So that the lists of the screen have their orders, and positions in long ones, when it is opened.
    if !refreshed.stopped && refreshed.read > 0 {
        writer.tidy();
    }
    if let Some(engine) = engine.filter(|_| !refreshed.stopped) {
        meet(config, &engine, &mut writer, &mut refreshed.faults);
    }
    Ok(refreshed)
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

/// Does what rules want with messages that have just come, and takes in what came of it. `false`: not now; they are
/// held back, and found new again by the next look.
fn act_by_rules(
    writer: &mut Writer,
    config: &Config,
    matched: Vec<Match>,
    refreshed: &mut Refreshed,
) -> Result<bool, Fault> {
    // The program of a rule runs this one: the rules are at work, and would wait for their own end.
    if std::env::var_os("TERN_RULE").is_some() {
        return Ok(false);
    }
    let env = rules::Env { patience: PATIENCE, ..start::rules_env(config, &Ways::default()) };
    let count = matched.len();
    let told = RefCell::new(Vec::new());
    let done = rules::act(&env, matched, &|report| told.borrow_mut().push(report));
    for report in told.into_inner() {
        match report {
            RulesReport::Changed(changed) => drop(writer.apply(&changed)?),
            RulesReport::Labelled { places, add, remove, .. } => drop(writer.label(&places, &add, &remove)?),
            RulesReport::Arrived(places) => drop(writer.release(&places)?),
            RulesReport::Over { .. } => {}
            RulesReport::Fault(fault) => refreshed.faults.push(fault),
        }
    }
    match done {
        Ok(()) => refreshed.ruled += count,
        // Whoever is at the rules finds these messages as well.
        Err(fault) if fault.cause == Cause::Busy => return Ok(false),
        Err(fault) => {
            refreshed.faults.push(fault);
            return Ok(false);
        }
    }
    Ok(true)
}

/// What comes from now on is new mail, where all that was there before is known: of an account with a server once
/// the server was asked too.
fn settle(writer: &mut Writer, config: &Config, ledger: Option<&Ledger>) -> Result<(), Fault> {
    for account in &config.accounts {
        let met = match ledger {
            Some(ledger) => ledger.compared(&account.id)?,
            None => None,
        };
        match met {
            Some(compared) if !compared.is_empty() => writer.settle(&account.id, &compared)?,
            None if !account.has_server() => writer.settle(&account.id, &[])?,
            Some(_) | None => {}
        }
    }
    Ok(())
}

/// Tells the index which mailboxes are views of another one, and the labels that these show, unless they are as
/// they were: no file's name tells any.
fn label(writer: &mut Writer, account: &Account, ledger: &mut Ledger) -> Result<(), Fault> {
    let Some(labelled) = ledger.labelled(&account.id)? else { return writer.views(&account.id, &[]).map(drop) };
    writer.views(&account.id, &labelled.views)?;
    let home = MailboxId { account: account.id.clone(), name: labelled.home };
    let stamp = ledger.labels_stamp(&home)?;
    if writer.labels_stamp(&home)?.as_ref() == Some(&stamp) {
        return Ok(());
    }
    notes::labels(ledger, &home, &mut |rows| writer.set_labels(&home, &rows).map(drop))?;
    writer.set_labels_stamp(&home, &stamp)
}

/// Compares an account's directories with what the index knows of them.
fn list(writer: &mut Writer, account: &Account, roles: &Roles, refreshed: &mut Refreshed) -> Result<(), Fault> {
    let folders = root(account).list();
    let is_away = folders.found.is_empty() && !folders.faults.is_empty();
    refreshed.faults.extend(folders.faults.into_iter().map(|fault| fault.of(&account.id)));
    if is_away {
        // A disk that cannot be read has not lost its mail.
        return Ok(());
    }
    let names: Vec<MailboxId> =
        folders.found.keys().map(|name| MailboxId { account: account.id.clone(), name: name.clone() }).collect();
    writer.folders(&account.id, &with_roles(account, &names, roles))?;
    let seen: BTreeMap<MailboxId, DirStamp> = match writer.known(&account.id)? {
        IndexReport::Known { seen, .. } => seen.into_iter().map(|Seen { mailbox, stamp }| (mailbox, stamp)).collect(),
        _ => BTreeMap::new(),
    };
    for (mailbox, directory) in names.iter().zip(folders.found.values()) {
        let known = seen.get(mailbox).copied();
        let listed = scan::stamp(directory).and_then(|stamp| {
            let moved = known != Some(stamp);
            if moved { scan::listing(mailbox, directory).map(Some) } else { Ok(None) }
        });
        match listed {
            Ok(Some(listing)) => {
                let before = writer.pending();
                writer.reconcile(&Arc::new(listing))?;
                refreshed.read += writer.pending().saturating_sub(before);
            }
            Ok(None) => {}
            Err(fault) => refreshed.faults.push(fault.of(&account.id)),
        }
    }
    Ok(())
}

/// What the index was told earlier, by a server or a name.
fn known_roles(config: &Config) -> Roles {
    let known = Index::open(&start::index_file(config)).and_then(|index| index.mailboxes());
    let rows = known.unwrap_or_default();
    rows.into_iter().filter_map(|row| Some((row.mailbox, row.role?))).collect()
}

/// Gives each mailbox its role: the user's word wins, and none is given twice.
fn with_roles(account: &Account, mailboxes: &[MailboxId], known: &Roles) -> Vec<(MailboxId, Option<Role>)> {
    let by_user: BTreeMap<&MailboxName, Role> =
        account.folders.by_role.iter().map(|(role, name)| (name, *role)).collect();
    let mut given: BTreeSet<Role> =
        mailboxes.iter().filter_map(|mailbox| by_user.get(&mailbox.name).copied()).collect();
    let role = |mailbox: &MailboxId| {
        by_user.get(&mailbox.name).copied().or_else(|| known.get(mailbox).copied().filter(|role| given.insert(*role)))
    };
    let roles: Vec<Option<Role>> = mailboxes.iter().map(role).collect();
    mailboxes.iter().cloned().zip(roles).collect()
}
