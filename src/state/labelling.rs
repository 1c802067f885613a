//! Acts where folders are labels: a message lies in one mailbox, its home, and is shown in others. There
//! moving it means other labels, unless it goes to a mailbox that lies somewhere or comes from one. Labels are
//! written down by the thread `notes`; the index and the server hear of them once that is done.

use std::collections::{BTreeMap, BTreeSet};

use crate::fault::Fault;
use crate::job::files::FilesJob;
use crate::job::index::{IndexJob, Row, Shows, Source};
use crate::job::sync::Wake;
use crate::job::{Job, SyncJob, Ticket};
use crate::mail::flags::{Flag, Flags};
use crate::mail::ids::AccountId;
use crate::mail::labels::{Label, Labels};
use crate::mail::mailbox::Role;
use crate::mail::notes::TimerKind;
use crate::mail::place::{MailboxId, Place};
use crate::mail::tags;

use super::act::{Act, Target, is_vain};
use super::change::What;
use super::undo::Reverse;
use super::{Model, files};

/// Labels that are on their way.
#[derive(Debug, Default)]
pub(super) struct Labelling {
    written: BTreeMap<Ticket, Wish>,
    /// What messages get once they lie where they are being moved, by the place where they lay.
    after_move: BTreeMap<Ticket, BTreeMap<Place, Labels>>,
}

/// Labels that the thread `notes` writes down.
#[derive(Debug)]
struct Wish {
    places: Vec<Place>,
    add: Labels,
    remove: Labels,
}

/// What an act means to one message.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Route {
    /// It cannot go there.
    Closed(&'static str),
    /// It is there already.
    There,
    /// Its file moves to this mailbox, and gets these labels where it lies then.
    File(MailboxId, Labels),
    /// It stays where it lies.
    Labels {
        /// The labels that it gets.
        add: Labels,
        /// The labels that it loses.
        remove: Labels,
    },
}

impl Model {
    /// What an act means to a message that is shown in a folder. Flags are no matter of folders.
    pub(super) fn route(&self, act: &Act, target: &Target) -> Route {
        let place = &target.place.mailbox;
        let (to, is_archive) = match act {
            Act::Flags { .. } | Act::Mute { .. } | Act::Time { .. } | Act::Rules | Act::Delete => return Route::There,
            Act::Label { label, give } => return self.route_label(label, *give, target),
            Act::Move(to) => (to.clone(), false),
            Act::MoveToRole(role) => {
                let Some(account) = self.accounts.iter().find(|account| account.id == place.account) else {
                    return Route::Closed("its account is not set up");
                };
                let to = account.mailbox_for(*role, &self.mailboxes.rows, target.date, &self.zone);
                let known = self.mailboxes.row(&to).is_some();
                // A folder that is made beside the labels would be one that no server knows.
                if !known && *role != Role::Archive && self.home(&place.account).is_some() {
                    return Route::Closed("its account has no such folder yet");
                }
                (to, *role == Role::Archive)
            }
        };
        if to.account != place.account {
            return Route::Closed("a message cannot be moved to another account");
        }
        let Some(home) = self.home(&to.account) else {
            return if to == *place { Route::There } else { Route::File(to, Labels::none()) };
        };
        let label = match self.mailboxes.row(&to).map(|row| &row.shows) {
            Some(Some(shows)) => Some(shows.label.clone()),
            Some(None) => None,
            None => Some(Label::of_mailbox(to.name.clone())),
        };
        let add: Labels = label.into_iter().collect();
        let lies_at_home = *place == home;
        match (add.is_empty(), lies_at_home) {
            (false, false) => Route::File(home, add),
            (true, _) if to != home => {
                if to == *place {
                    Route::There
                } else {
                    Route::File(to, Labels::none())
                }
            }
            (true, false) => Route::File(home, Labels::none()),
            (_, true) => {
                let from = self.mailboxes.row(&target.shown).and_then(|row| row.shows.as_ref());
                let from = from.map(|shows| &shows.label).filter(|label| !is_archive && label.name().is_some());
                let mut remove = BTreeSet::from([from.cloned().unwrap_or(Label::Inbox)]);
                if to == home {
                    remove.insert(Label::Inbox);
                }
                let remove: Labels = remove.into_iter().collect();
                target.changed_by(&add, &remove.minus(&add))
            }
        }
    }

    fn route_label(&self, label: &Label, give: bool, target: &Target) -> Route {
        if self.home(&target.place.mailbox.account).as_ref() != Some(&target.place.mailbox) {
            return Route::Closed("what lies in this folder has no labels; move it to another one instead");
        }
        let labels: Labels = std::iter::once(label.clone()).collect();
        if give { target.changed_by(&labels, &Labels::none()) } else { target.changed_by(&Labels::none(), &labels) }
    }

    /// The mailbox in which the messages of an account lie, where its folders are labels.
    pub(super) fn home(&self, account: &AccountId) -> Option<MailboxId> {
        let own = self.mailboxes.rows.iter().filter(|row| row.mailbox.account == *account);
        own.filter_map(|row| row.shows.as_ref()).map(|shows| shows.home.clone()).next()
    }

    /// How an act looks on a row of the list.
    pub(super) fn look_of(&self, act: &Act, row: &Row) -> Option<What> {
        let labels = |add: &Labels, remove: &Labels| What::Flags {
            add: Flags::none().with_labels(add),
            remove: Flags::none().with_labels(remove),
        };
        match act {
            Act::Flags { add, remove } => Some(What::Flags { add: add.clone(), remove: remove.clone() }),
            Act::Mute { mute: true } => Some(What::Flags { add: tags::muted(), remove: Flags::none() }),
            Act::Mute { mute: false } => Some(What::Flags { add: Flags::none(), remove: tags::muted() }),
            Act::Time { kind: TimerKind::Snooze, due: Some(_) } if !self.lists_a_search() => Some(What::Gone),
            Act::Time { .. } | Act::Rules | Act::Delete => None,
            Act::MoveToRole(Role::Archive) if is_vain(row.timing) => Some(What::Gone),
            Act::MoveToRole(_) | Act::Move(_) | Act::Label { .. } => Some(match self.route(act, &Target::from(row)) {
                Route::File(..) => What::Gone,
                Route::Labels { remove, .. } if self.list_loses(&remove) => What::Gone,
                Route::Labels { add, remove } => labels(&add, &remove),
                Route::Closed(_) | Route::There => labels(&Labels::none(), &Labels::none()),
            }),
        }
    }

    /// Does a message that loses these labels leave the list?
    fn list_loses(&self, labels: &Labels) -> bool {
        match self.list.spec.as_ref().map(|spec| &spec.source) {
            Some(Source::Mailbox(mailbox)) => {
                let shows = self.mailboxes.row(mailbox).and_then(|row| row.shows.as_ref());
                shows.is_some_and(|shows| labels.has(&shows.label))
            }
            Some(Source::Unified) => labels.has(&Label::Inbox),
            Some(Source::Search { .. }) | None => false,
        }
    }

    /// The messages of a conversation, each as it is shown in the mailbox from which one looks, where it is
    /// shown there at all.
    pub(super) fn seen_from(&self, mailbox: &MailboxId, rows: &[Row]) -> Vec<Row> {
        let shows = self.mailboxes.row(mailbox).and_then(|row| row.shows.clone());
        let is_shown = |row: &Row| match &shows {
            Some(Shows { label: Label::Starred, home }) => row.place.mailbox == *home && row.flags.has(Flag::Flagged),
            Some(Shows { label, home }) => row.place.mailbox == *home && row.flags.labels().has(label),
            None => row.place.mailbox == *mailbox,
        };
        let seen = |row: &Row| {
            let at = if is_shown(row) { mailbox } else { &row.mailbox };
            Row { mailbox: at.clone(), ..row.clone() }
        };
        rows.iter().map(seen).collect()
    }

    /// Moves files; each may get labels where it lies then.
    pub(super) fn move_files(&mut self, ticket: Ticket, targets: Vec<(Place, Labels)>, to: MailboxId) -> Job {
        let places = targets.iter().map(|(place, _)| place.clone()).collect();
        let labels: BTreeMap<Place, Labels> = targets.into_iter().filter(|(_, labels)| !labels.is_empty()).collect();
        if !labels.is_empty() {
            self.labelling.after_move.insert(ticket, labels);
        }
        files(FilesJob::Move { ticket, places, to })
    }

    /// Files were moved: now they get the labels that they are to have there.
    pub(super) fn label_moved(&mut self, ticket: Ticket, pairs: &[(Place, Place)]) -> Vec<Job> {
        let Some(mut wished) = self.labelling.after_move.remove(&ticket) else { return Vec::new() };
        let mut by_labels: BTreeMap<Labels, Vec<Place>> = BTreeMap::new();
        for (from, to) in pairs {
            if let Some(labels) = wished.remove(from) {
                by_labels.entry(labels).or_default().push(to.clone());
            }
        }
        let give = |(add, places): (Labels, Vec<Place>)| {
            let ticket = self.ticket();
            self.wish_labels(ticket, places, add, Labels::none())
        };
        by_labels.into_iter().map(give).collect()
    }

    /// The label of the view in which a row is shown: it needs not be said there.
    pub fn shown_label(&self, row: &Row) -> Option<&Label> {
        self.mailboxes.row(&row.mailbox).and_then(|row| row.shows.as_ref()).map(|shows| &shows.label)
    }

    /// Has labels written down.
    pub(super) fn wish_labels(&mut self, ticket: Ticket, places: Vec<Place>, add: Labels, remove: Labels) -> Job {
        let wish = Wish { places: places.clone(), add: add.clone(), remove: remove.clone() };
        self.labelling.written.insert(ticket, wish);
        Job::Sync(SyncJob::Label { ticket, places, add, remove })
    }

    /// A wish for labels is written down, or could not be.
    pub(super) fn labelled(&mut self, ticket: Ticket, account: AccountId, result: Result<(), Fault>) -> Vec<Job> {
        let wish = self.labelling.written.remove(&ticket);
        if let Err(fault) = result {
            self.take_back(ticket);
            self.status.fault(self.now, &fault);
            return self.undo.failed(ticket).map_or_else(Vec::new, |entry| self.carry_back(entry));
        }
        let mut jobs = Vec::new();
        if let Some(Wish { places, add, remove }) = wish {
            self.list.changes.written(ticket, &places);
            let reverse = Reverse::Labels { places: places.clone(), add: remove.clone(), remove: add.clone() };
            jobs.push(Job::Index(IndexJob::Label { places, add, remove }));
            if let Some(entry) = self.undo.labelled(ticket, reverse) {
                jobs.extend(self.carry_back(entry));
            }
        }
        jobs.push(Job::Sync(SyncJob::Wake { account: Some(account), why: Wake::LocalChange }));
        jobs
    }

    /// A move failed: what was to be done after it is not.
    pub(super) fn forget_after_move(&mut self, ticket: Ticket) {
        self.labelling.after_move.remove(&ticket);
    }
}

impl Target {
    /// What giving and taking these labels changes about the message.
    fn changed_by(&self, add: &Labels, remove: &Labels) -> Route {
        let known = self.flags.labels();
        let (add, remove) = (add.minus(&known), remove.common(&known));
        if add.is_empty() && remove.is_empty() { Route::There } else { Route::Labels { add, remove } }
    }
}
