//! Brings the index up to date with the Maildirs, or makes a new one beside the one that serves. Directories whose
//! times have not moved are not read, so that a look costs next to nothing where nothing changed. For commands
//! before they ask and after a sync, and for the thread `renewal` where the index is of another version.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::start::Ways;
use super::{start, workers};
use crate::config::{Account, Config};
use crate::fault::{Cause, Fault};
use crate::index::{self, Haste, Index, Stands, Writer};
use crate::job::files::{DirStamp, Seen};
use crate::job::index::{IndexReport, MailboxRow, Match};
use crate::job::rules::RulesReport;
use crate::ledger::Ledger;
use crate::mail::mailbox::{MailboxName, Role};
use crate::mail::place::MailboxId;
use crate::rules;
use crate::store::folders::Root;
use crate::store::scan;
use crate::sync::notes;

/// How often a new index looks at the disk again for what changed while it was being made, before it serves. What
/// changes after that is taken in by the one that serves.
const LOOKS: usize = 3;
/// How often it is told how far a new index is.
const OFTEN: Duration = Duration::from_millis(250);
/// How long the thread `renewal` waits before it tries again, or looks whether another program is done.
const PAUSE: Duration = Duration::from_millis(500);
/// How many pauses it waits after a fault: a disk that was full still is.
const PAUSES: u32 = 60;
/// How long another tern that is at the rules is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// What mailboxes are for, as far as a server has just said.
pub type Roles = BTreeMap<MailboxId, Role>;

/// Hears how many messages are taken in, and of how many.
pub type Progress<'a> = &'a mut dyn FnMut(usize, usize);

/// Does what follows from what was taken in, and gives back what could not be done.
pub type Then<'a> = &'a mut dyn FnMut(&mut Writer) -> Result<Vec<Fault>, Fault>;

/// What was found.
#[derive(Debug, Default)]
pub struct Refreshed {
    /// How many messages were read.
    pub read: usize,
    /// How many new messages rules were let at.
    pub ruled: usize,
    /// Was there a wish to stop before the end?
    pub stopped: bool,
    /// What could not be read.
    pub faults: Vec<Fault>,
}

/// Where an account's mail lies.
pub fn root(account: &Account) -> Root {
    Root { path: account.maildir.clone(), layout: account.layout }
}

/// Takes in what changed on disk, then does what follows from it.
///
/// # Errors
/// The index cannot be written, or is of another version and has to be made anew.
pub fn refresh(
    config: &Config,
    told: &Roles,
    progress: Progress<'_>,
    stop: &dyn Fn() -> bool,
    then: Then<'_>,
) -> Result<Refreshed, Fault> {
    let (file, own) = (start::index_file(config), start::own_addresses(config));
    let opened = match Writer::open(&file, &own) {
        // It is a cache: one that is damaged is made anew.
        Err(fault) if fault.cause == Cause::Damaged => Writer::rebuild(&file, &own),
        other => other,
    };
    let mut writer = prepared(opened?, config)?.with_sieves(start::sieves(config));
    let mut refreshed = Refreshed::default();
    let mut roles = writer.roles()?;
    roles.extend(told.iter().map(|(mailbox, role)| (mailbox.clone(), *role)));
    let mut ledger = remembered(config, &mut refreshed);
    take_in(&mut writer, (config, &mut ledger), &roles, &mut refreshed, (&mut *progress, stop))?;
    loop {
        let matched = writer.take_matched();
        if matched.is_empty() || refreshed.stopped || !act_by_rules(&mut writer, config, matched, &mut refreshed)? {
            break;
        }
        advance(&mut writer, &mut refreshed, (&mut *progress, stop))?;
    }
    refreshed.faults.extend(then(&mut writer)?);
    if !refreshed.stopped {
        settle(&mut writer, config, ledger.as_ref())?;
    }
    // So that the lists of the screen have their orders, and positions in long ones, when it is opened.
    if !refreshed.stopped && refreshed.read > 0 {
        writer.merge_after(refreshed.read, stop);
        writer.tidy();
    }
    Ok(refreshed)
}

/// A writer that nobody waits for at a screen, with a thread that reads ahead.
fn prepared(writer: Writer, config: &Config) -> Result<Writer, Fault> {
    let (ahead, reading) = index::ahead();
    let writer = writer.with_haste(Haste::Everything).with_sources(&start::contact_sources(config))?;
    let writer = writer.with_engine(start::engine(config).as_ref())?;
    // Without one it reads by itself, only slower.
    Ok(match workers::spawn("reading", move || reading.run()) {
        Ok(_) => writer.with_ahead(ahead),
        Err(_) => writer,
    })
}

/// Makes a new index beside the one that serves, which goes on being read and written meanwhile, and lets it serve.
/// One that another run has begun is gone on with. Mail that came meanwhile, and that the rules have not seen, is left
/// to who looks at the disk next. `None`: another program is making one.
///
/// # Errors
/// It cannot be written. The old one goes on serving then, as it does after a stop.
pub fn renew(
    config: &Config,
    told: &Roles,
    progress: Progress<'_>,
    stop: &dyn Fn() -> bool,
) -> Result<Option<Refreshed>, Fault> {
    let Some(writer) = Writer::beside(&start::index_file(config), &start::own_addresses(config))? else {
        return Ok(None);
    };
    let mut writer = prepared(writer, config)?.leaving_news(start::sieves(config), &start::index_file(config));
    let mut refreshed = Refreshed::default();
    let mut ledger = remembered(config, &mut refreshed);
    for _ in 0..LOOKS {
        writer.look_again();
        let mut roles = known_roles(config);
        roles.extend(told.iter().map(|(mailbox, role)| (mailbox.clone(), *role)));
        let before = std::mem::take(&mut refreshed);
        take_in(&mut writer, (config, &mut ledger), &roles, &mut refreshed, (&mut *progress, stop))?;
        let is_over = refreshed.read == 0;
        refreshed.read += before.read;
        let others: Vec<Fault> = before.faults.into_iter().filter(|it| !refreshed.faults.contains(it)).collect();
        refreshed.faults.extend(others);
        if refreshed.stopped {
            return Ok(Some(refreshed));
        }
        if is_over {
            break;
        }
    }
    settle(&mut writer, config, ledger.as_ref())?;
    writer.merge_after(refreshed.read, stop);
    writer.put_in_place()?;
    Ok(Some(refreshed))
}

/// The body of the thread `renewal`: makes the index anew where it is of another version, and ends.
pub fn run_renewal(config: &Config, stop: &dyn Fn() -> bool, report: &dyn Fn(IndexReport)) {
    let file = start::index_file(config);
    let (mut told, mut was_outdated) = (None::<Instant>, false);
    while !stop() && is_outdated(&file) {
        was_outdated = true;
        let mut progress = |done: usize, total: usize| {
            if told.is_none_or(|at| at.elapsed() >= OFTEN) {
                told = Some(Instant::now());
                report(IndexReport::Renewing { done, total });
            }
        };
        let pauses = match renew(config, &Roles::new(), &mut progress, stop) {
            Ok(Some(refreshed)) => {
                refreshed.faults.into_iter().for_each(|fault| report(IndexReport::Failed { ticket: None, fault }));
                0
            }
            Ok(None) => 1,
            Err(fault) => {
                report(IndexReport::Failed { ticket: None, fault });
                PAUSES
            }
        };
        for _ in 0..pauses {
            if stop() {
                return;
            }
            std::thread::sleep(PAUSE);
        }
    }
    if was_outdated && !stop() {
        report(IndexReport::Renewed);
    }
}

fn is_outdated(file: &Path) -> bool {
    index::stands(file) == Stands::Outdated
}

/// The ledger, where there is one.
fn remembered(config: &Config, refreshed: &mut Refreshed) -> Option<Ledger> {
    Ledger::peek(&config.paths.data).unwrap_or_else(|fault| {
        refreshed.faults.push(fault);
        None
    })
}

fn take_in(
    writer: &mut Writer,
    (config, ledger): (&Config, &mut Option<Ledger>),
    roles: &Roles,
    refreshed: &mut Refreshed,
    (progress, stop): (Progress<'_>, &dyn Fn() -> bool),
) -> Result<(), Fault> {
    if let Some(ledger) = ledger {
        writer.notes(&ledger.notes()?, super::now())?;
    }
    for account in &config.accounts {
        if let Some(ledger) = ledger {
            label(writer, account, ledger)?;
        }
        list(writer, account, roles, refreshed)?;
    }
    refreshed.faults.extend(writer.read_books()?);
    advance(writer, refreshed, (progress, stop))
}

/// Does what waits, until it is done or there is a wish to stop.
fn advance(
    writer: &mut Writer,
    refreshed: &mut Refreshed,
    (progress, stop): (Progress<'_>, &dyn Fn() -> bool),
) -> Result<(), Fault> {
    let all = writer.pending();
    while !refreshed.stopped && writer.advance()?.is_some() {
        let left = writer.pending();
        progress(all.max(left) - left, all.max(left));
        refreshed.stopped = stop();
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
    // Of a mailbox that was never met there are none.
    if stamp.is_empty() || writer.labels_stamp(&home)?.as_ref() == Some(&stamp) {
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

/// What the index that serves was told earlier, by a server or a name.
fn known_roles(config: &Config) -> Roles {
    let known = Index::open(&start::index_file(config)).and_then(|index| index.mailboxes());
    roles_of(known.unwrap_or_default())
}

/// What mailboxes are for, of those that are for something.
pub(super) fn roles_of(rows: Vec<MailboxRow>) -> Roles {
    rows.into_iter().filter_map(|row| Some((row.mailbox, row.role?))).collect()
}

/// Gives each mailbox its role: the user's word wins, and none is given twice.
pub(super) fn with_roles(account: &Account, mailboxes: &[MailboxId], known: &Roles) -> Vec<(MailboxId, Option<Role>)> {
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
