//! Menus with a field that narrows them: the help of a place, the palette of all actions, and the
//! folders to go or move to. Help and palette are made of the action table.

use std::cmp::Reverse;

use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};

use crate::job::Job;
use crate::job::index::{Grouping, MailboxRow, Order, Source, Tally};
use crate::keys::action::TABLE;
use crate::keys::{Action, Bound, Code, Context, Key};
use crate::mail::clean::Clean;
use crate::mail::flags::Keyword;
use crate::mail::ids::Timestamp;
use crate::mail::labels::{Label, Labels};
use crate::mail::notes::TimerKind;
use crate::mail::place::MailboxId;

use super::act::Act;
use super::tagging::who_has;
use super::{Input, Item, Mark, Model, MouseAct, Overlay, mailbox_title};

/// A menu.
#[derive(Debug, Clone)]
pub struct Menu {
    /// What it is.
    pub kind: MenuKind,
    /// What was typed.
    pub input: Input,
    /// Everything in it.
    pub items: Vec<MenuItem>,
    /// What fits what was typed, in order: indices into `items`.
    pub shown: Vec<usize>,
    /// The row under the cursor: an index into `shown`.
    pub cursor: usize,
    /// The first row on screen.
    pub top: usize,
}

/// What a menu is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MenuKind {
    /// The keys of a place.
    Help(Context),
    /// All actions.
    Palette(Context),
    /// Folders, to go to one.
    Go,
    /// Folders, to move messages to one.
    Move,
    /// Folders that are labels, to give or take one.
    Label,
    /// Tags, to give or take one.
    Tag,
    /// The orders of the list.
    Sort,
    /// Times, until which something waits.
    Time(TimerKind),
}

/// One row of a menu.
#[derive(Debug, Clone, PartialEq)]
pub struct MenuItem {
    /// What it is.
    pub text: Clean,
    /// Its keys, or how many are unread.
    pub keys: String,
    /// The heading it stands under.
    pub group: &'static str,
    /// What it does.
    pub choice: Choice,
    /// Why it cannot be done now.
    pub why_not: Option<&'static str>,
}

/// What a row of a menu does.
#[derive(Debug, Clone, PartialEq)]
pub enum Choice {
    /// An action.
    Action(Action),
    /// A folder.
    Mailbox(MailboxId),
    /// All inboxes.
    Unified,
    /// A saved search, by name.
    Search(String),
    /// A tag.
    Tag(Keyword),
    /// A time, or none.
    Until(Option<Timestamp>),
    /// Nothing: what was typed can be no tag.
    Nothing,
    /// An order of the list, of messages or of conversations.
    Sort(Grouping, Order),
    /// Nothing: it says what a mark of the list means.
    Mark(Mark),
}

impl Menu {
    pub(super) fn new(kind: MenuKind, items: Vec<MenuItem>) -> Self {
        let shown = (0..items.len()).collect();
        Self { kind, input: Input::default(), items, shown, cursor: 0, top: 0 }
    }

    /// The row under the cursor.
    pub fn current(&self) -> Option<&MenuItem> {
        self.shown.get(self.cursor).and_then(|at| self.items.get(*at))
    }

    /// Shows what fits what was typed: the help keeps its order, the others put the best first.
    pub(super) fn filter(&mut self) {
        self.cursor = 0;
        self.top = 0;
        let typed = self.input.text().trim().to_owned();
        if typed.is_empty() {
            self.shown = (0..self.items.len()).collect();
            if self.kind == MenuKind::Tag {
                self.offer_new_tag();
            }
            return;
        }
        if matches!(self.kind, MenuKind::Help(_)) {
            let words: Vec<String> = typed.to_lowercase().split_whitespace().map(str::to_owned).collect();
            let fits = |item: &MenuItem| {
                let text = format!("{} {} {}", item.text, item.keys, item.group).to_lowercase();
                item.keys == typed || words.iter().all(|word| text.contains(word))
            };
            self.shown = self.items.iter().enumerate().filter(|(_, item)| fits(item)).map(|(at, _)| at).collect();
            return;
        }
        let mut matcher = Matcher::new(Config::DEFAULT);
        let pattern = Pattern::parse(&typed, CaseMatching::Ignore, Normalization::Smart);
        let mut buffer = Vec::new();
        let mut scored: Vec<(bool, u32, usize)> = Vec::new();
        for (at, item) in self.items.iter().enumerate() {
            let text = Utf32Str::new(item.text.as_str(), &mut buffer);
            // The words of a pattern fit in any order; who types a row as it is written means that row.
            let as_typed = has_as_typed(item.text.as_str(), &typed);
            scored.extend(pattern.score(text, &mut matcher).map(|score| (as_typed, score, at)));
        }
        scored.sort_by_key(|(as_typed, score, at)| (Reverse((*as_typed, *score)), *at));
        self.shown = scored.into_iter().map(|(.., at)| at).collect();
        if self.kind == MenuKind::Tag {
            self.offer_new_tag();
        }
    }

    /// Moves the cursor and keeps it on screen.
    pub(super) fn move_by(&mut self, rows: isize, height: usize) {
        let height = height.max(1);
        self.cursor = self.cursor.saturating_add_signed(rows).min(self.shown.len().saturating_sub(1));
        if self.cursor < self.top {
            self.top = self.cursor;
        } else if self.cursor >= self.top + height {
            self.top = self.cursor + 1 - height;
        }
    }
}

impl Model {
    /// Shows a menu of these.
    pub(super) fn show_menu(&mut self, kind: MenuKind, items: Vec<MenuItem>) {
        self.overlay = Some(Overlay::Menu(Menu::new(kind, items)));
    }

    /// Shows the keys of this place.
    pub(super) fn show_help(&mut self) {
        let context = self.context();
        let context = if context == Context::Page { self.screen_context() } else { context };
        let mut items = self.action_items(context, true);
        if context == Context::List {
            items.extend(Mark::ALL.map(mark_item));
        }
        self.set_question_aside();
        self.overlay = Some(Overlay::Menu(Menu::new(MenuKind::Help(context), items)));
    }

    /// Shows all actions of this place.
    pub(super) fn show_palette(&mut self) {
        let context = self.context();
        let items = self.action_items(context, false);
        self.overlay = Some(Overlay::Menu(Menu::new(MenuKind::Palette(context), items)));
    }

    fn action_items(&self, context: Context, help: bool) -> Vec<MenuItem> {
        let situation = self.situation();
        let question = match &self.overlay {
            Some(Overlay::Ask(ask)) => Some(&ask.question),
            _ => None,
        };
        let here = TABLE.iter().filter(|row| row.contexts.contains(&context));
        // A movement is of no use in a palette.
        let named = here.filter(|row| help || (row.action != Action::Palette && row.action != Action::GoAccount));
        let item = |row: &crate::keys::Row| {
            let keys = self.keymap.keys_of(context, row.action);
            let many = keys.len() > 4;
            let shown: Vec<String> = keys.iter().take(if many { 1 } else { 4 }).map(ToString::to_string).collect();
            MenuItem {
                text: Clean::line(question.and_then(|asked| asked.meaning(row.action)).unwrap_or(row.help)),
                keys: if many { format!("{} ...", shown.join(", ")) } else { shown.join(", ") },
                group: row.group.title(),
                choice: Choice::Action(row.action),
                why_not: (row.why_not)(&situation),
            }
        };
        let mut items: Vec<(crate::keys::action::Group, MenuItem)> = named.map(|row| (row.group, item(row))).collect();
        // What answers a question comes before what works everywhere.
        let answers = |item: &MenuItem| matches!(item.choice, Choice::Action(Action::Yes | Action::No));
        items.sort_by_key(|(group, item)| (!answers(item), *group));
        items.into_iter().map(|(_, item)| item).collect()
    }

    /// Shows the folders, to go to one.
    pub(super) fn show_folders(&mut self) {
        let mut items = self.folder_items(|_| true);
        if self.accounts.len() > 1 {
            let text = Clean::line("All inboxes");
            items.insert(0, MenuItem { text, keys: String::new(), group: "", choice: Choice::Unified, why_not: None });
        }
        let unread = |tally: Tally| if tally.unread > 0 { tally.unread.to_string() } else { String::new() };
        items.extend(self.searches.all.iter().map(|search| MenuItem {
            text: Clean::line(&format!("search: {}", search.name)),
            keys: search.tally.map_or_else(String::new, unread),
            group: "",
            choice: Choice::Search(search.name.clone()),
            why_not: None,
        }));
        self.overlay = Some(Overlay::Menu(Menu::new(MenuKind::Go, items)));
    }

    /// Shows the folders of the messages' account, to move them to one.
    pub(super) fn choose_folder_to_move(&mut self) {
        let account = match self.act_rows().first() {
            Some(row) => row.place.mailbox.account.clone(),
            None => return,
        };
        let here = self.list.mailbox().cloned();
        let goal = |row: &MailboxRow| {
            let is_given = row.shows.as_ref().is_none_or(|shows| may_be_given(&shows.label));
            row.mailbox.account == account && Some(&row.mailbox) != here.as_ref() && is_given
        };
        let items = self.folder_items(goal);
        self.overlay = Some(Overlay::Menu(Menu::new(MenuKind::Move, items)));
    }

    /// Shows the labels of the messages' account, to give one or to take it away.
    pub(super) fn choose_label(&mut self) {
        let labels = self.labels_to_give();
        let mut items = self.folder_items(|row| labels.iter().any(|(mailbox, _)| *mailbox == row.mailbox));
        let rows = self.act_rows();
        for item in &mut items {
            let Choice::Mailbox(mailbox) = &item.choice else { continue };
            let label = labels.iter().find(|(known, _)| known == mailbox).map(|(_, label)| label);
            let have = rows.iter().filter(|row| label.is_some_and(|label| row.flags.labels().has(label))).count();
            item.keys = who_has(have, rows.len());
        }
        self.overlay = Some(Overlay::Menu(Menu::new(MenuKind::Label, items)));
    }

    /// The labels that the messages an action would concern can be given, with the folders that show them.
    pub(super) fn labels_to_give(&self) -> Vec<(MailboxId, Label)> {
        let Some(account) = self.act_rows().first().map(|row| row.place.mailbox.account.clone()) else {
            return Vec::new();
        };
        let own = self.mailboxes.rows.iter().filter(|row| row.mailbox.account == account);
        let labels = own.filter_map(|row| Some((row.mailbox.clone(), row.shows.as_ref()?.label.clone())));
        labels.filter(|(_, label)| may_be_given(label)).collect()
    }

    /// Gives the label of a folder, or takes it away where all messages have it.
    fn toggle_label(&mut self, mailbox: &MailboxId) -> Vec<Job> {
        let Some((_, label)) = self.labels_to_give().into_iter().find(|(known, _)| known == mailbox) else {
            return Vec::new();
        };
        let give = !self.act_rows().iter().all(|row| row.flags.labels().has(&label));
        self.act(Act::Label { label, give })
    }

    fn folder_items(&self, wanted: impl Fn(&MailboxRow) -> bool) -> Vec<MenuItem> {
        let many = self.accounts.len() > 1;
        let shown = self.mailboxes.items.iter().filter_map(|item| match item {
            Item::Mailbox { .. } => self.mailboxes.mailbox(item),
            Item::Unified | Item::Account(_) | Item::Heading { .. } | Item::Searches | Item::Search(_) => None,
        });
        let item = |row: &MailboxRow| {
            let name = mailbox_title(row.mailbox.name.as_str());
            let text = if many { Clean::line(&format!("{}: {name}", row.mailbox.account)) } else { name };
            let keys = if row.unread > 0 { row.unread.to_string() } else { String::new() };
            MenuItem { text, keys, group: "", choice: Choice::Mailbox(row.mailbox.clone()), why_not: None }
        };
        shown.filter(|row| wanted(row)).map(item).collect()
    }

    /// The wheel moves the cursor of a menu; a click puts it on a row, and on the row where it is takes that.
    pub(super) fn menu_mouse(&mut self, act: MouseAct, column: u16, row: u16) -> Vec<Job> {
        let (x, y, width) = self.viewport.menu_at;
        let rows = self.viewport.menu_rows;
        let Some(Overlay::Menu(menu)) = &mut self.overlay else { return Vec::new() };
        match act {
            MouseAct::ScrollUp => return self.menu_by(-3),
            MouseAct::ScrollDown => return self.menu_by(3),
            MouseAct::Press => {}
        }
        let across = column >= x && column < x.saturating_add(width);
        let Some(at) = row.checked_sub(y).filter(|at| across && *at < rows) else { return Vec::new() };
        let at = menu.top + usize::from(at);
        if at >= menu.shown.len() {
            return Vec::new();
        }
        if menu.cursor == at {
            return self.accept_menu();
        }
        menu.cursor = at;
        Vec::new()
    }

    /// Takes the row under the cursor.
    pub(super) fn accept_menu(&mut self) -> Vec<Job> {
        let Some(Overlay::Menu(menu)) = &self.overlay else { return Vec::new() };
        let (kind, typed) = (menu.kind, menu.input.text().trim().to_owned());
        let Some(item) = menu.current().cloned() else {
            if matches!(kind, MenuKind::Move | MenuKind::Label) {
                self.say(super::Level::Info, &format!("There is no folder `{typed}`"));
            }
            return Vec::new();
        };
        self.overlay = None;
        if kind == MenuKind::Help(Context::Ask) {
            self.ask_next();
        }
        if let Some(why) = item.why_not {
            let words = if kind == MenuKind::Tag { "No tag can be called that" } else { "Not now" };
            self.say(super::Level::Info, &format!("{words}: {why}"));
            return Vec::new();
        }
        match (item.choice, kind) {
            (Choice::Action(action), _) => self.run(Bound { action, count: None, key: Key::plain(Code::Enter) }),
            (Choice::Mailbox(mailbox), MenuKind::Move) => self.act(Act::Move(mailbox)),
            (Choice::Mailbox(mailbox), MenuKind::Label) => self.toggle_label(&mailbox),
            (Choice::Mailbox(mailbox), _) => self.go_to(Source::Mailbox(mailbox)),
            (Choice::Unified, _) => self.go_to(Source::Unified),
            (Choice::Search(name), _) => self.open_search(&name),
            (Choice::Tag(word), _) => self.toggle_tag(&word),
            (Choice::Sort(grouping, order), _) => self.sort_list(grouping, order),
            (Choice::Until(due), MenuKind::Time(kind)) => self.take_time(kind, due),
            (Choice::Until(_) | Choice::Mark(_) | Choice::Nothing, _) => Vec::new(),
        }
    }
}

/// A row of the help that says what a mark means; how it looks is drawn in place of its keys.
fn mark_item(mark: Mark) -> MenuItem {
    MenuItem {
        text: Clean::line(mark.meaning()),
        keys: String::new(),
        group: "Marks",
        choice: Choice::Mark(mark),
        why_not: None,
    }
}

/// Those of them that a user can give.
pub(super) fn given(labels: &Labels) -> Labels {
    labels.iter().filter(|label| may_be_given(label)).cloned().collect()
}

/// Can a user give it? What was sent or is a draft is not so by a wish, and the star has a key of its own.
fn may_be_given(label: &Label) -> bool {
    match label {
        Label::Inbox | Label::Important | Label::Named(_) => true,
        Label::Sent | Label::Starred | Label::Draft => false,
    }
}

/// Does a text have what was typed as it is, from the beginning of a word on?
fn has_as_typed(text: &str, typed: &str) -> bool {
    let (text, typed) = (text.to_lowercase(), typed.to_lowercase());
    text.match_indices(&typed).any(|(at, _)| {
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        before.is_none_or(|before| !before.is_alphanumeric())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_as_it_is_written_comes_first() {
        let item = |text: &str| MenuItem {
            text: Clean::line(text),
            keys: String::new(),
            group: "",
            choice: Choice::Nothing,
            why_not: None,
        };
        let rows = ["Subject, A to Z", "Subject, Z to A", "Sub-project, zero", "Search", "Archive"];
        let mut menu = Menu::new(MenuKind::Sort, rows.map(item).into());
        for (typed, expected) in [
            ("subject, z", &["Subject, Z to A", "Subject, A to Z"][..]),
            ("z subject", &["Subject, A to Z", "Subject, Z to A"]),
            ("arc", &["Archive", "Search"]),
            ("", &rows),
        ] {
            menu.input = Input::new(typed);
            menu.filter();
            let shown: Vec<&str> = menu.shown.iter().map(|at| menu.items[*at].text.as_str()).collect();
            let shown = &shown[..expected.len().min(shown.len())];
            assert_eq!(shown, expected, "{typed}");
        }
    }
}
