//! Rules, as the screen sees them: new messages that they match go to the thread `rules` before any list shows
//! them; by hand they look at the selection, and what they did is undone as one.

use std::collections::BTreeMap;

use crate::job::Job;
use crate::job::index::IndexJob;
use crate::job::rules::{Deed, RulesJob, RulesReport};
use crate::job::sync::{SyncJob, Wake};
use crate::keys::Action;
use crate::mail::ids::AccountId;
use crate::mail::labels::Labels;
use crate::mail::mailbox::MailboxName;
use crate::mail::place::{MailboxId, Place};

use super::act::messages;
use super::undo::Reverse;
use super::{Level, Model};

impl Model {
    /// Lets the rules look at messages.
    pub(super) fn run_rules(&mut self, places: Vec<Place>) -> Vec<Job> {
        let ticket = self.ticket();
        self.say(Level::Info, &format!("The rules look at {}", messages(places.len())));
        vec![Job::Rules(RulesJob::Run { ticket, places })]
    }

    /// Takes in what rules did.
    pub(super) fn rules_report(&mut self, report: RulesReport) -> Vec<Job> {
        match report {
            RulesReport::Changed(changed) => self.changed_here(changed),
            RulesReport::Labelled { account, places, add, remove } => {
                let wake = SyncJob::Wake { account: Some(account), why: Wake::LocalChange };
                vec![Job::Index(IndexJob::Label { places, add, remove }), Job::Sync(wake)]
            }
            RulesReport::Arrived(places) => vec![Job::Index(IndexJob::Release(places))],
            RulesReport::Over { matched, deeds, .. } => {
                self.rules_over(matched, deeds);
                Vec::new()
            }
            RulesReport::Fault(fault) => {
                self.status.fault(self.now, &fault);
                Vec::new()
            }
        }
    }

    fn rules_over(&mut self, matched: usize, deeds: Vec<Deed>) {
        if matched == 0 {
            return self.say(Level::Info, "No rule matches");
        }
        let label = format!("Rules matched {}", messages(matched));
        let steps = reverse(deeds);
        if steps.is_empty() {
            return self.say(Level::Ok, &label);
        }
        self.undo.remember(label.clone(), steps);
        self.status.offer(self.now, Level::Ok, &label, Action::Undo);
    }

    /// A mailbox was compared with its server.
    pub(super) fn compared(&mut self, mailbox: MailboxId) {
        self.compared.insert(mailbox);
    }

    /// The disk was looked at: what was in the mailboxes of this account is known, as far as their server was asked
    /// too. What comes from now on is new.
    pub(super) fn settle(&self, account: &AccountId) -> Vec<Job> {
        let served = self.accounts.iter().any(|known| known.id == *account && known.server.is_some());
        let own = self.compared.iter().filter(|mailbox| mailbox.account == *account);
        let mailboxes: Vec<MailboxName> = own.map(|mailbox| mailbox.name.clone()).collect();
        if served && mailboxes.is_empty() {
            return Vec::new();
        }
        let mailboxes = if served { mailboxes } else { Vec::new() };
        vec![Job::Index(IndexJob::Settled { account: account.clone(), mailboxes })]
    }
}

/// What undoes deeds: steps are taken last to first, and find messages where they lie now.
fn reverse(deeds: Vec<Deed>) -> Vec<Reverse> {
    let mut moved: BTreeMap<Place, Place> = BTreeMap::new();
    for deed in &deeds {
        if let Deed::Moved(pairs) = deed {
            moved.extend(pairs.iter().cloned());
        }
    }
    let now = |places: Vec<Place>| -> Vec<Place> {
        places.into_iter().map(|place| moved.get(&place).cloned().unwrap_or(place)).collect()
    };
    let (mut last, mut first) = (Vec::new(), Vec::new());
    for deed in deeds {
        match deed {
            Deed::Moved(pairs) => {
                let mut homes: BTreeMap<MailboxId, Vec<Place>> = BTreeMap::new();
                for (from, to) in pairs {
                    homes.entry(from.mailbox).or_default().push(to);
                }
                let back = |(to, places)| Reverse::Move { places, to, labels: Labels::none() };
                last.extend(homes.into_iter().map(back));
            }
            Deed::Flags { places, add, remove } => {
                first.push(Reverse::Flags { places: now(places), add: remove, remove: add });
            }
            Deed::Labels { places, add, remove } => {
                first.push(Reverse::Labels { places: now(places), add: remove, remove: add });
            }
        }
    }
    last.into_iter().chain(first).collect()
}
