//! Carries a plan out: files change by the jobs of the thread `files`, labels are written down by those of the
//! thread `notes`, each in the order in which a person would do it: flags, another folder, labels.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::mpsc::sync_channel;
use std::sync::{Mutex, PoisonError};

use super::plan::{Change, Plan};
use crate::job::files::{FilesJob, FilesReport};
use crate::job::rules::{Deed, RulesReport};
use crate::job::{SyncJob, SyncReport, Ticket};
use crate::mail::flags::Flags;
use crate::mail::labels::Labels;
use crate::mail::place::{MailboxId, Place};
use crate::{store, sync};

/// What it takes to change files and to write labels down.
#[derive(Clone)]
pub struct Hands {
    /// Where messages lie. What parts are opened in is this one's own, since it is emptied at the end.
    pub files: store::worker::Env,
    /// What each account's sync stands on.
    pub sync: Vec<sync::Env>,
}

/// Carries a plan out. Tells what changed and what failed as it happens; gives back what was done.
pub fn carry_out(hands: &Hands, plan: &Plan, report: &dyn Fn(RulesReport)) -> Vec<Deed> {
    let mut flagged: BTreeMap<(Flags, Flags), Vec<Place>> = BTreeMap::new();
    let mut labelled: BTreeMap<(&str, Labels, Labels), Vec<Place>> = BTreeMap::new();
    let mut moved: BTreeMap<&MailboxId, Vec<Place>> = BTreeMap::new();
    for (place, Change { add, remove, to }) in &plan.changes {
        let (add_labels, remove_labels) = (add.labels(), remove.labels());
        let (add, remove) = (add.without_labels(), remove.without_labels());
        if !(add.is_empty() && remove.is_empty()) {
            flagged.entry((add, remove)).or_default().push(place.clone());
        }
        if !(add_labels.is_empty() && remove_labels.is_empty()) {
            let account = place.mailbox.account.as_str();
            labelled.entry((account, add_labels, remove_labels)).or_default().push(place.clone());
        }
        if let Some(to) = to {
            moved.entry(to).or_default().push(place.clone());
        }
    }
    let mut ticket = Ticket::default();
    let mut deeds: BTreeMap<Ticket, Deed> = BTreeMap::new();
    let mut jobs = Vec::new();
    for ((add, remove), places) in flagged {
        let ticket = ticket.advance();
        let deed = Deed::Flags { places: places.clone(), add: add.clone(), remove: remove.clone() };
        deeds.insert(ticket, deed);
        jobs.push(FilesJob::SetFlags { ticket, places, add, remove });
    }
    for (to, places) in moved {
        jobs.push(FilesJob::Move { ticket: ticket.advance(), places, to: to.clone() });
    }
    change_files(hands, jobs, &mut deeds, report);
    let mut wishes = BTreeMap::new();
    for ((_, add, remove), places) in labelled {
        wishes.insert(ticket.advance(), (places, add, remove));
    }
    write_labels(hands, &wishes, &mut deeds, report);
    deeds.into_values().collect()
}

fn change_files(hands: &Hands, jobs: Vec<FilesJob>, deeds: &mut BTreeMap<Ticket, Deed>, report: &dyn Fn(RulesReport)) {
    if jobs.is_empty() {
        return;
    }
    let (send, receive) = sync_channel(jobs.len());
    // Nobody else holds the channel, and it has room for all of them.
    for job in jobs {
        drop(send.send(job));
    }
    drop(send);
    let deeds = RefCell::new(deeds);
    store::worker::run(hands.files.clone(), &receive, &|told| match told {
        FilesReport::Changed(changed) => report(RulesReport::Changed(changed)),
        FilesReport::Moved { ticket, places } => drop(deeds.borrow_mut().insert(ticket, Deed::Moved(places))),
        FilesReport::Failed { ticket, fault } => {
            deeds.borrow_mut().remove(&ticket);
            report(RulesReport::Fault(fault));
        }
        // Nothing else is asked.
        _ => {}
    });
}

/// Labels, by the number of their job.
type Wishes = BTreeMap<Ticket, (Vec<Place>, Labels, Labels)>;

fn write_labels(hands: &Hands, wishes: &Wishes, deeds: &mut BTreeMap<Ticket, Deed>, report: &dyn Fn(RulesReport)) {
    if wishes.is_empty() {
        return;
    }
    let (send, receive) = sync_channel(wishes.len());
    for (ticket, (places, add, remove)) in wishes.clone() {
        drop(send.send(SyncJob::Label { ticket, places, add, remove }));
    }
    drop(send);
    let told = Mutex::new(Vec::new());
    sync::notes::run(&hands.sync, &receive, &|report| told.lock().unwrap_or_else(PoisonError::into_inner).push(report));
    for answer in told.into_inner().unwrap_or_else(PoisonError::into_inner) {
        match answer {
            SyncReport::Labelled { ticket, account, result: Ok(()) } => {
                let Some((places, add, remove)) = wishes.get(&ticket).cloned() else { continue };
                let deed = Deed::Labels { places: places.clone(), add: add.clone(), remove: remove.clone() };
                deeds.insert(ticket, deed);
                report(RulesReport::Labelled { account, places, add, remove });
            }
            SyncReport::Labelled { result: Err(fault), .. } | SyncReport::Fault(fault) => {
                report(RulesReport::Fault(fault));
            }
            // What else the thread tells at its start is known.
            _ => {}
        }
    }
}
