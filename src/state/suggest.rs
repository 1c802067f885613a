//! Whom somebody may mean, offered while an address is typed. What is offered always fits what stands in
//! the field at that moment: an answer that comes late is dropped, and one that is there is narrowed at
//! once by what is typed on.

use crate::job::index::IndexJob;
use crate::job::{Job, Ticket};
use crate::keys::{Action, Bound, Code};
use crate::mail::address;
use crate::mail::contact::{Asked, Suggestion};

use super::field::{Field, entry, is_whole};
use super::{Compose, Edited, Level, Model, Part};

/// How many are offered.
const COUNT: usize = 8;

/// What is offered, and what was asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Suggestions {
    /// Who may be meant, the likeliest first; nobody: nothing is shown.
    pub found: Vec<Suggestion>,
    /// Which of them is taken by Enter. `None`: what is typed is an address already.
    pub cursor: Option<usize>,
    asked: Option<(Ticket, String)>,
}

impl Suggestions {
    /// Is something shown?
    pub fn is_open(&self) -> bool {
        !self.found.is_empty()
    }

    fn close(&mut self) {
        *self = Self::default();
    }

    fn offer(&mut self, found: Vec<Suggestion>, typed: &str) {
        self.found = found;
        // Nothing is to be gained from an offer of what stands there.
        let same = |one: &Suggestion| one.addresses.iter().map(address::Address::written).eq([typed.to_owned()]);
        self.found.retain(|one| !same(one));
        self.cursor = (self.is_open() && !is_whole(typed)).then_some(0);
    }

    fn step(&mut self, down: bool) {
        let count = self.found.len();
        self.cursor = match (self.cursor, down) {
            _ if count == 0 => None,
            (None, true) => Some(0),
            (None, false) => Some(count - 1),
            (Some(at), true) => Some((at + 1) % count),
            (Some(at), false) => Some((at + count - 1) % count),
        };
    }
}

impl Compose {
    /// What is typed as an address just now, with where it begins.
    fn typed_entry(&self) -> Option<(usize, String)> {
        let Part::Field(field, input) = &self.part else { return None };
        let (before, after) = input.shown();
        let follows = after.trim_start();
        let at_end = follows.is_empty() || follows.starts_with([',', ';']);
        let start = entry(&before).filter(|_| field.takes_addresses() && at_end)?;
        Some((start, before.get(start..)?.to_owned()))
    }

    /// The addresses that the message goes to already.
    fn given(&self) -> Vec<String> {
        let typed = self.typed_entry().map_or(String::new(), |(_, typed)| typed);
        let mut given = Vec::new();
        for field in [Field::To, Field::Cc, Field::Bcc] {
            let text = match &self.part {
                Part::Field(open, input) if *open == field => {
                    let (before, after) = input.shown();
                    format!("{},{after}", before.strip_suffix(typed.as_str()).unwrap_or(&before))
                }
                _ => field.of(&self.draft).to_owned(),
            };
            given.extend(address::parse_typed(&text).addresses.into_iter().map(|address| address.email));
        }
        given
    }
}

impl Model {
    /// Something was typed into a field, or the cursor moved in it.
    pub(super) fn field_edited(&mut self, edited: Edited) -> Vec<Job> {
        let now = self.now;
        let Some(compose) = &mut self.compose else { return Vec::new() };
        match edited {
            Edited::Ignored => return Vec::new(),
            Edited::Moved => {
                compose.suggestions.close();
                return Vec::new();
            }
            Edited::Changed => {}
        }
        let entry = compose.typed_entry();
        let Some((text, asked)) = entry.and_then(|(_, text)| Asked::of(&text).map(|asked| (text, asked))) else {
            compose.suggestions.close();
            return Vec::new();
        };
        let fits = |one: &Suggestion| {
            one.group.is_none()
                && one.addresses.iter().all(|address| asked.fit(&address.email, [address.name.as_str()]).is_some())
        };
        let mut left = std::mem::take(&mut compose.suggestions.found);
        left.retain(fits);
        compose.suggestions.offer(left, &text);
        let without = compose.given();
        let ticket = self.ticket();
        if let Some(compose) = &mut self.compose {
            compose.suggestions.asked = Some((ticket, text.clone()));
        }
        vec![Job::Index(IndexJob::Complete { ticket, text, without, count: COUNT, now })]
    }

    /// Who may be meant.
    pub(super) fn take_completed(&mut self, ticket: Ticket, found: Vec<Suggestion>) {
        let Some(compose) = &mut self.compose else { return };
        if let Some((_, typed)) = compose.suggestions.asked.take_if(|(asked, _)| *asked == ticket) {
            compose.suggestions.offer(found, &typed);
        }
    }

    /// Carries out an action on what is offered.
    pub(super) fn suggestion_action(&mut self, bound: Bound) -> Vec<Job> {
        let Some(compose) = &mut self.compose else { return Vec::new() };
        match bound.action {
            Action::NextSuggestion => compose.suggestions.step(true),
            Action::PreviousSuggestion => compose.suggestions.step(false),
            Action::CloseSuggestions => compose.suggestions.close(),
            _ => return self.take_suggestion(bound),
        }
        Vec::new()
    }

    /// Puts the one under the cursor in the place of what was typed; the field stays open for the next.
    /// Without one the key means what it means without suggestions.
    fn take_suggestion(&mut self, bound: Bound) -> Vec<Job> {
        let Some(compose) = &mut self.compose else { return Vec::new() };
        let chosen = compose.suggestions.cursor.and_then(|at| compose.suggestions.found.get(at)).cloned();
        let entry = compose.typed_entry();
        compose.suggestions.close();
        let (Some(chosen), Some((start, _))) = (chosen, entry) else {
            return if bound.key.code == Code::Tab { self.compose_tab(true) } else { self.field_done() };
        };
        if let Part::Field(_, input) = &mut compose.part {
            let more = if input.shown().1.trim().is_empty() { ", " } else { "" };
            input.replace(start, &format!("{}{more}", address::written_list(&chosen.addresses)));
        }
        Vec::new()
    }

    /// The address books were looked at: what is wrong with them is told once.
    pub(super) fn take_books(&mut self, faults: &[crate::fault::Fault]) {
        if let Some(first) = faults.first().filter(|_| !self.writing.books_told) {
            self.writing.books_told = true;
            self.say(Level::Warn, &format!("Address book: {first}"));
        }
    }
}
