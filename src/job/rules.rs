//! What the thread `rules` is asked and answers: messages that rules match are moved, tagged, given to programs.

use super::index::Match;
use super::{Changed, Ticket};
use crate::fault::Fault;
use crate::mail::flags::Flags;
use crate::mail::ids::AccountId;
use crate::mail::labels::Labels;
use crate::mail::place::Place;

/// What the thread shall do.
#[derive(Debug, Clone, PartialEq)]
pub enum RulesJob {
    /// Do what rules want with messages that have just come, each once, whatever happens in between. Answer:
    /// `Changed` and `Labelled` as often as it takes, and `Arrived` for all of them.
    Act(Vec<Match>),
    /// Let all rules look at these messages by hand. Answer: `Changed` and `Labelled`, then `Over`.
    Run {
        /// The question's number.
        ticket: Ticket,
        /// The messages.
        places: Vec<Place>,
    },
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub enum RulesReport {
    /// Files changed.
    Changed(Changed),
    /// Labels are written down.
    Labelled {
        /// Whose messages: this account has something to tell its server.
        account: AccountId,
        /// The messages, by the places where they lie.
        places: Vec<Place>,
        /// The labels that they got.
        add: Labels,
        /// The labels that they lost.
        remove: Labels,
    },
    /// What was to be done with these new messages is done.
    Arrived(Vec<Place>),
    /// The rules looked at all messages that were named by hand.
    Over {
        /// The question's number.
        ticket: Ticket,
        /// How many messages a rule matched.
        matched: usize,
        /// What was done, in the order in which it was.
        deeds: Vec<Deed>,
    },
    /// Something could not be done.
    Fault(Fault),
}

/// Something that was done, as far as it can be undone.
#[derive(Debug, Clone, PartialEq)]
pub enum Deed {
    /// Flags changed.
    Flags {
        /// On which messages.
        places: Vec<Place>,
        /// What was set.
        add: Flags,
        /// What was cleared.
        remove: Flags,
    },
    /// Labels changed.
    Labels {
        /// On which messages.
        places: Vec<Place>,
        /// What was given.
        add: Labels,
        /// What was taken.
        remove: Labels,
    },
    /// Messages were moved: each old place with the new one.
    Moved(Vec<(Place, Place)>),
}
