//! Tags: the menu that gives and takes them. The tags of the messages at hand are offered at once, those of all
//! others as soon as the index tells them; one that nobody has yet is typed. Where folders are labels, those are
//! given instead.

use std::collections::BTreeSet;

use crate::job::Job;
use crate::job::index::{IndexJob, Row};
use crate::mail::clean::Clean;
use crate::mail::flags::{Flags, Keyword};
use crate::mail::tags;

use super::act::{Act, messages};
use super::menu::{Choice, Menu, MenuItem, MenuKind};
use super::{Model, Overlay};

impl Model {
    /// Shows what can be given or taken: labels where the account of the messages has such, else tags.
    pub(super) fn choose_tag(&mut self) -> Vec<Job> {
        let Some(account) = self.act_rows().first().map(|row| row.place.mailbox.account.clone()) else {
            return Vec::new();
        };
        if self.home(&account).is_some() {
            self.choose_label();
            return Vec::new();
        }
        let mut menu = Menu::new(MenuKind::Tag, self.tag_items(&[]));
        menu.filter();
        self.overlay = Some(Overlay::Menu(menu));
        vec![Job::Index(IndexJob::Tags)]
    }

    /// The index tells which tags there are: the open menu offers them too.
    pub(super) fn take_tags(&mut self, known: &[Keyword]) {
        if !matches!(&self.overlay, Some(Overlay::Menu(menu)) if menu.kind == MenuKind::Tag) {
            return;
        }
        let items = self.tag_items(known);
        let Some(Overlay::Menu(menu)) = &mut self.overlay else { return };
        let under = menu.current().map(|item| item.choice.clone());
        menu.items = items;
        menu.filter();
        let again = menu.shown.iter().position(|at| menu.items.get(*at).map(|item| &item.choice) == under.as_ref());
        // What the cursor was moved to stays under it.
        menu.cursor = again.unwrap_or(0);
    }

    /// The tags of the messages at hand, then those of the list, then `known`.
    fn tag_items(&self, known: &[Keyword]) -> Vec<MenuItem> {
        let rows = self.act_rows();
        let words = |rows: &[Row]| -> Vec<Keyword> {
            let all: BTreeSet<Keyword> = rows.iter().flat_map(|row| row.flags.keywords().cloned()).collect();
            all.into_iter().filter(tags::is_tag).collect()
        };
        let mut told = BTreeSet::new();
        let mut items = Vec::new();
        for word in words(&rows).into_iter().chain(known.iter().cloned()).chain(words(&self.list.rows)) {
            if told.insert(word.clone()) {
                let have = rows.iter().filter(|row| has(&row.flags, &word)).count();
                items.push(item(tags::name(&word), who_has(have, rows.len()), word));
            }
        }
        items
    }

    /// Gives a tag, or takes it away where all messages have it.
    pub(super) fn toggle_tag(&mut self, word: &Keyword) -> Vec<Job> {
        let only = Flags::none().with_keyword(word.clone());
        let (add, remove) = if self.act_rows().iter().all(|row| has(&row.flags, word)) {
            (Flags::none(), only)
        } else {
            (only, Flags::none())
        };
        self.act(Act::Flags { add, remove })
    }
}

fn has(flags: &Flags, word: &Keyword) -> bool {
    flags.keywords().any(|known| known == word)
}

/// How many of the messages have it, in words.
pub(super) fn who_has(have: usize, all: usize) -> String {
    match have {
        0 => "",
        have if have == all => "has it",
        _ => "some have it",
    }
    .to_owned()
}

fn item(text: Clean, keys: String, word: Keyword) -> MenuItem {
    MenuItem { text, keys, group: "", choice: Choice::Tag(word), why_not: None }
}

impl Menu {
    /// Offers what was typed as a new tag, behind the tags that begin so and before those that only resemble it.
    pub(super) fn offer_new_tag(&mut self) {
        self.items.retain(|item| item.group != NEW);
        let count = self.items.len();
        self.shown.retain(|at| *at < count);
        let typed = self.input.text().trim().to_owned();
        let (word, why_not) = match tags::typed(&typed) {
            Ok(word) => (Some(word), None),
            Err(tags::NoTag::Empty) => return,
            Err(no) => (None, Some(no.why())),
        };
        let known = |item: &MenuItem| matches!(&item.choice, Choice::Tag(known) if Some(known) == word.as_ref());
        if let Some(at) = self.items.iter().position(known) {
            self.shown.retain(|shown| *shown != at);
            self.shown.insert(0, at);
            return;
        }
        let title = word.as_ref().map_or_else(|| Clean::line(&typed), tags::name);
        let text = Clean::line(&format!("New tag: {title}"));
        let choice = word.map_or(Choice::Nothing, Choice::Tag);
        self.items.push(MenuItem { text, keys: String::new(), group: NEW, choice, why_not });
        let start = title.as_str().to_lowercase();
        let begins =
            |at: &usize| self.items.get(*at).is_some_and(|item| item.text.as_str().to_lowercase().starts_with(&start));
        let (mut first, rest): (Vec<usize>, Vec<usize>) = self.shown.iter().partition(|at| begins(at));
        first.push(count);
        first.extend(rest);
        self.shown = first;
    }
}

/// Marks the row that offers what was typed.
const NEW: &str = "New";

/// What was done, for the message line, if it was about tags.
pub(super) fn words(add: &Flags, remove: &Flags, count: usize) -> Option<String> {
    let name = |flags: &Flags| flags.keywords().next().map(tags::name);
    match (name(add), name(remove)) {
        (Some(tag), _) => Some(format!("Tagged {} {tag}", messages(count))),
        (None, Some(tag)) => Some(format!("Took the tag {tag} from {}", messages(count))),
        (None, None) => None,
    }
}
