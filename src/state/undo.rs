//! What can be taken back, newest last. Each entry holds the jobs that undo it; those of a move are
//! known once the move is done and the new places are told.

use std::collections::{BTreeMap, BTreeSet};

use crate::job::Ticket;
use crate::job::files::{FolderOrder, SearchOrder};
use crate::job::index::Row;
use crate::job::outbox::EntryId;
use crate::mail::flags::Flags;
use crate::mail::labels::Labels;
use crate::mail::notes::{Edit, Identity};
use crate::mail::place::{MailboxId, Place};

use super::list::List;
use super::{Focus, Model, Screen};

/// The most changes that are remembered.
const MOST: usize = 500;

/// The stack of changes.
#[derive(Debug, Default)]
pub struct Undo {
    entries: Vec<Entry>,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Entry {
    /// What it was: finishes the sentence "Undone: …".
    pub(super) label: String,
    /// What undoes it.
    pub(super) steps: Vec<Reverse>,
    /// Moves and labels that are not done yet.
    waiting: BTreeSet<Ticket>,
    /// The labels that messages had where they lay, which a move takes away.
    labels: BTreeMap<Place, Labels>,
    /// The messages that it took out of the list.
    pub(super) gone: BTreeSet<Identity>,
    /// Was `u` pressed before they were done?
    wanted: bool,
}

/// What undoes a part of a change.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Reverse {
    /// Change flags.
    Flags {
        /// On which.
        places: Vec<Place>,
        /// What to set.
        add: Flags,
        /// What to clear.
        remove: Flags,
    },
    /// Give labels and take labels.
    Labels {
        /// On which.
        places: Vec<Place>,
        /// What to give.
        add: Labels,
        /// What to take.
        remove: Labels,
    },
    /// Move back.
    Move {
        /// What.
        places: Vec<Place>,
        /// Where to.
        to: MailboxId,
        /// The labels that they had there.
        labels: Labels,
    },
    /// Note what was noted before.
    Note(Edit),
    /// Take a message back from the outbox.
    Recall(EntryId),
    /// Bring the saved searches back to what they were.
    Search(SearchOrder),
    /// Do the contrary of what was done with a folder.
    Folder {
        /// Which.
        mailbox: MailboxId,
        /// What.
        order: FolderOrder,
    },
}

impl Undo {
    /// How many changes can be taken back.
    pub fn len(&self) -> usize {
        self.entries.iter().filter(|entry| !entry.wanted).count()
    }

    /// Is there nothing to take back?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Remembers a change whose reverse is known.
    pub(super) fn remember(&mut self, label: String, steps: Vec<Reverse>) {
        self.push(Entry { label, steps, ..Entry::default() });
    }

    /// Remembers moves and labels that are on their way. A move takes away the labels that a message had, so
    /// `labels` tells them by the place where it lay; `gone` are the messages that are not in the list then.
    pub(super) fn expect(
        &mut self,
        label: String,
        waiting: BTreeSet<Ticket>,
        labels: BTreeMap<Place, Labels>,
        gone: BTreeSet<Identity>,
    ) {
        self.push(Entry { label, waiting, labels, gone, ..Entry::default() });
    }

    fn push(&mut self, entry: Entry) {
        self.entries.push(entry);
        if self.entries.len() > MOST {
            self.entries.remove(0);
        }
    }

    /// A move is done. Gives back an entry that was waited for in order to be undone.
    pub(super) fn moved(&mut self, ticket: Ticket, pairs: &[(Place, Place)]) -> Option<Entry> {
        self.rename(pairs);
        let entry = self.entries.iter_mut().find(|entry| entry.waiting.contains(&ticket))?;
        entry.waiting.remove(&ticket);
        let mut homes: BTreeMap<(MailboxId, Labels), Vec<Place>> = BTreeMap::new();
        for (from, to) in pairs {
            let labels = entry.labels.remove(from).unwrap_or_default();
            homes.entry((from.mailbox.clone(), labels)).or_default().push(to.clone());
        }
        entry.steps.extend(homes.into_iter().map(|((to, labels), places)| Reverse::Move { places, to, labels }));
        self.take_wanted()
    }

    /// Labels were given and taken, or something was noted: `reverse` undoes it. Gives back an entry that was waited for in order to
    /// be undone.
    pub(super) fn labelled(&mut self, ticket: Ticket, reverse: Reverse) -> Option<Entry> {
        let entry = self.entries.iter_mut().find(|entry| entry.waiting.contains(&ticket))?;
        entry.waiting.remove(&ticket);
        entry.steps.push(reverse);
        self.take_wanted()
    }

    /// Older changes find their messages where they lie now.
    fn rename(&mut self, pairs: &[(Place, Place)]) {
        let now: BTreeMap<&Place, &Place> = pairs.iter().map(|(from, to)| (from, to)).collect();
        for step in self.entries.iter_mut().flat_map(|entry| entry.steps.iter_mut()) {
            let places = match step {
                Reverse::Flags { places, .. } | Reverse::Labels { places, .. } | Reverse::Move { places, .. } => places,
                Reverse::Note(_) | Reverse::Recall(_) | Reverse::Folder { .. } | Reverse::Search(_) => continue,
            };
            for place in places {
                if let Some(to) = now.get(place) {
                    *place = (*to).clone();
                }
            }
        }
    }

    /// Folders have other names now: older changes find them there.
    pub(super) fn follow_folders(&mut self, follow: &impl Fn(&mut MailboxId)) {
        for step in self.entries.iter_mut().flat_map(|entry| entry.steps.iter_mut()) {
            match step {
                Reverse::Flags { places, .. } | Reverse::Labels { places, .. } => {
                    for place in places {
                        follow(&mut place.mailbox);
                    }
                }
                Reverse::Move { places, to, .. } => {
                    for place in places {
                        follow(&mut place.mailbox);
                    }
                    follow(to);
                }
                Reverse::Folder { mailbox, .. } => follow(mailbox),
                Reverse::Note(_) | Reverse::Recall(_) | Reverse::Search(_) => {}
            }
        }
    }

    /// A message has left the outbox: it cannot be taken back any more.
    pub(super) fn forget(&mut self, sent: &EntryId) {
        self.entries.retain(|entry| !entry.steps.iter().any(|step| *step == Reverse::Recall(sent.clone())));
    }

    /// A move failed, or labels could not be given.
    pub(super) fn failed(&mut self, ticket: Ticket) -> Option<Entry> {
        for entry in &mut self.entries {
            entry.waiting.remove(&ticket);
        }
        self.entries.retain(|entry| !entry.waiting.is_empty() || !entry.steps.is_empty());
        self.take_wanted()
    }

    fn take_wanted(&mut self) -> Option<Entry> {
        let at = self.entries.iter().position(|entry| entry.wanted && entry.waiting.is_empty())?;
        Some(self.entries.remove(at))
    }

    /// Takes the newest change off, if it is done; if it is still on its way, it is undone as soon as
    /// it is.
    pub(super) fn pop(&mut self) -> Option<Entry> {
        let at = self.entries.iter().rposition(|entry| !entry.wanted)?;
        if self.entries.get(at)?.waiting.is_empty() {
            return Some(self.entries.remove(at));
        }
        if let Some(entry) = self.entries.get_mut(at) {
            entry.wanted = true;
        }
        None
    }
}

impl List {
    /// The messages that an act took out of the list.
    pub(super) fn gone_by(&self, act: Ticket) -> BTreeSet<Identity> {
        let rows = self.changes.gone_by(act);
        self.base.iter().filter(|row| rows.contains(&row.message)).map(|row| row.id.clone()).collect()
    }

    /// The user went on: nothing draws the cursor back any more.
    pub(super) fn await_nothing(&mut self) {
        self.awaited.clear();
    }

    /// Puts the cursor on a message that came back, if there is one now.
    pub(super) fn return_to_awaited(&mut self, height: usize) -> Option<Row> {
        let at = self.rows.iter().position(|row| self.awaited.contains(&row.id))?;
        self.awaited.clear();
        self.cursor = self.first + at;
        self.follow(height);
        self.current().cloned()
    }
}

impl Model {
    /// Of these messages one is to have the cursor once it is shown again. A search may show it all the while.
    pub(super) fn await_back(&mut self, gone: BTreeSet<Identity>) {
        let is_shown = self.list.rows.iter().any(|row| gone.contains(&row.id));
        self.list.awaited = gone;
        match self.screen {
            // Where the message itself is shown, cursor and message stay together.
            Screen::Browse(Focus::Viewer) if is_shown => self.list.await_nothing(),
            _ if is_shown => drop(self.list.return_to_awaited(self.height())),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::flags::Flag;
    use crate::mail::ids::AccountId;
    use crate::mail::mailbox::MailboxName;
    use crate::mail::place::UniqueName;

    fn place(mailbox: &str, unique: &str) -> Place {
        let mailbox = MailboxId { account: AccountId::new("a"), name: MailboxName::new(mailbox).unwrap() };
        Place { mailbox, unique: UniqueName::new(unique).unwrap() }
    }

    #[test]
    fn undo_before_the_move_is_done_waits_for_it() {
        let mut undo = Undo::default();
        undo.expect("archived".to_owned(), BTreeSet::from([Ticket(7)]), BTreeMap::new(), BTreeSet::new());
        assert_eq!(undo.pop(), None);
        assert_eq!(undo.len(), 0);
        let entry = undo.moved(Ticket(7), &[(place("INBOX", "m1"), place("Archive", "m2"))]).unwrap();
        let (places, to) = (vec![place("Archive", "m2")], place("INBOX", "m1").mailbox);
        let back = Reverse::Move { places, to, labels: Labels::none() };
        assert_eq!(entry.steps, [back]);
    }

    #[test]
    fn older_changes_follow_a_message_that_moved() {
        let mut undo = Undo::default();
        let star = Flags::only(Flag::Flagged);
        let step = |at: Place| Reverse::Flags { places: vec![at], add: Flags::none(), remove: star.clone() };
        undo.remember("starred".to_owned(), vec![step(place("INBOX", "m1"))]);
        undo.expect("archived".to_owned(), BTreeSet::from([Ticket(1)]), BTreeMap::new(), BTreeSet::new());
        undo.moved(Ticket(1), &[(place("INBOX", "m1"), place("Archive", "m2"))]);
        undo.pop().unwrap();
        assert_eq!(undo.pop().unwrap().steps, [step(place("Archive", "m2"))]);
    }

    #[test]
    fn a_failed_move_leaves_nothing_to_undo() {
        let mut undo = Undo::default();
        undo.expect("archived".to_owned(), BTreeSet::from([Ticket(1)]), BTreeMap::new(), BTreeSet::new());
        assert_eq!(undo.failed(Ticket(1)), None);
        assert!(undo.is_empty());
    }
}
