//! What can lie over the screen, one at a time: a line to type in, a question, the hints of links
//! and attachments, a menu, the log.

use std::path::PathBuf;

use crate::job::files::{FilesJob, Purpose};
use crate::job::index::{ListSpec, SearchScope, Source};
use crate::job::shell::{Hidden, OpenWhat};
use crate::job::{Job, OutboxJob, ShellJob, SyncJob};
use crate::keys::{Action, Context, Key};
use crate::mail::clean::Clean;
use crate::mail::ids::AccountId;
use crate::mail::place::{MailboxId, Place};
use crate::query;

use super::list::{Back, SearchInfo};
use super::question::Ask;
use super::{Edited, Focus, Input, Level, Menu, Model, Screen, files};

/// What lies over the screen.
#[derive(Debug, Clone)]
pub enum Overlay {
    /// A line to type in.
    Prompt(Prompt),
    /// A question.
    Ask(Ask),
    /// Links and attachments with the keys that open them.
    Hints(Hints),
    /// Help, palette or folders.
    Menu(Menu),
    /// What the program said; the number of lines scrolled up from the newest.
    Log(usize),
}

impl Overlay {
    /// Which keys apply.
    pub fn context(&self) -> Context {
        match self {
            Self::Prompt(_) => Context::Prompt,
            Self::Ask(_) => Context::Ask,
            Self::Hints(_) => Context::Hints,
            Self::Menu(_) => Context::Menu,
            Self::Log(_) => Context::Page,
        }
    }
}

/// A line to type in.
#[derive(Debug, Clone)]
pub struct Prompt {
    /// What for.
    pub kind: PromptKind,
    /// What was typed.
    pub input: Input,
    /// The names that go on from it, where a path is typed and Tab was pressed.
    pub choices: Vec<Clean>,
    /// What is wrong with what was typed, since it was last taken.
    pub problem: Option<Clean>,
}

impl Prompt {
    pub(super) fn new(kind: PromptKind, input: Input) -> Self {
        Self { kind, input, choices: Vec::new(), problem: None }
    }

    /// Is a path typed, so that Tab goes on with names?
    pub fn takes_path(&self) -> bool {
        matches!(self.kind, PromptKind::Attach | PromptKind::Save { .. })
    }
}

/// What a line is typed for.
#[derive(Debug, Clone, PartialEq)]
pub enum PromptKind {
    /// A search of the index.
    Search,
    /// A search in the text of the message.
    Find,
    /// The directory to save into: the parts by number.
    Save {
        /// Of which message.
        place: Place,
        /// Which parts.
        parts: Vec<usize>,
    },
    /// A password.
    Password(AccountId),
    /// The file to attach.
    Attach,
    /// The name of a new folder of this account.
    NewFolder(AccountId),
    /// The new name of this folder.
    RenameFolder(MailboxId),
    /// The name under which a search is saved.
    NameSearch {
        /// What it looks for.
        query: String,
    },
    /// The new name of the saved search of this name.
    RenameSearch(String),
}

/// Links and attachments with the keys that open them.
#[derive(Debug, Clone, PartialEq)]
pub struct Hints {
    /// To open or to keep.
    pub purpose: Purpose,
    /// All of them.
    pub hints: Vec<Hint>,
    /// What was typed.
    pub typed: String,
}

/// One link or attachment.
#[derive(Debug, Clone, PartialEq)]
pub struct Hint {
    /// What opens it.
    pub keys: String,
    /// What it is.
    pub target: HintTarget,
    /// What is shown.
    pub text: Clean,
    /// Does the text of the link name another host?
    pub mismatch: bool,
}

/// What a hint opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HintTarget {
    /// A link.
    Link(String),
    /// A part, by its number.
    Attachment(usize),
}

impl Model {
    /// Shows the hints.
    pub(super) fn show_hints(&mut self, purpose: Purpose) {
        let Some(document) = self.viewer.document() else { return };
        let many = document.attachments.len() > 9;
        let attachments = document.attachments.iter().enumerate().map(|(at, part)| Hint {
            keys: if many { format!("{:02}", at + 1) } else { (at + 1).to_string() },
            target: HintTarget::Attachment(at),
            text: Clean::line(&format!("{}  {}  {}", part.name, super::wrap::size(part.size), part.media_type)),
            mismatch: false,
        });
        let mut hints: Vec<Hint> = attachments.take(99).collect();
        if purpose == Purpose::Open {
            let many = document.links.len() > 26;
            let links = document.links.iter().enumerate().take(26 * 26).map(|(at, link)| Hint {
                keys: letters(at, many),
                target: HintTarget::Link(link.target.as_str().to_owned()),
                text: link.target.clone(),
                mismatch: link.mismatch,
            });
            hints.extend(links);
        }
        self.overlay = Some(Overlay::Hints(Hints { purpose, hints, typed: String::new() }));
    }

    /// Saves: asks which part, or where to if there is one only.
    pub(super) fn save_attachment(&mut self) {
        match self.viewer.document().map_or(0, |document| document.attachments.len()) {
            0 => {}
            1 => self.ask_where(vec![0]),
            _ => self.show_hints(Purpose::Keep),
        }
    }

    fn ask_where(&mut self, parts: Vec<usize>) {
        let Some(place) = self.viewer.open.as_ref().map(|open| open.row.place.clone()) else { return };
        let kind = PromptKind::Save { place, parts };
        self.overlay = Some(Overlay::Prompt(Prompt::new(kind, Input::new("~/Downloads"))));
    }

    /// Takes a key of a hint.
    pub(super) fn hint_key(&mut self, key: Key) -> Vec<Job> {
        let Some(Overlay::Hints(hints)) = &mut self.overlay else { return Vec::new() };
        let Some(c) = key.typed() else { return Vec::new() };
        if hints.purpose == Purpose::Keep && c == '*' {
            let all = (0..hints.hints.len()).collect();
            self.ask_where(all);
            return Vec::new();
        }
        hints.typed.push(c);
        let typed = hints.typed.clone();
        if let Some(hint) = hints.hints.iter().find(|hint| hint.keys == typed).cloned() {
            let purpose = hints.purpose;
            self.overlay = None;
            return self.follow_hint(hint.target, purpose);
        }
        if !hints.hints.iter().any(|hint| hint.keys.starts_with(&typed)) {
            self.overlay = None;
            self.say(Level::Info, &format!("There is no link or attachment `{typed}`"));
        }
        Vec::new()
    }

    fn follow_hint(&mut self, target: HintTarget, purpose: Purpose) -> Vec<Job> {
        match (target, purpose) {
            (HintTarget::Link(link), _) => vec![Job::Shell(ShellJob::Open(OpenWhat::Link(link)))],
            (HintTarget::Attachment(part), Purpose::Keep) => {
                self.ask_where(vec![part]);
                Vec::new()
            }
            (HintTarget::Attachment(part), Purpose::Open) => {
                let Some(place) = self.viewer.open.as_ref().map(|open| open.row.place.clone()) else {
                    return Vec::new();
                };
                let directory = self.config.paths.runtime.join("opened");
                vec![self.save_part(place, part, directory, Purpose::Open)]
            }
        }
    }

    fn save_part(&mut self, place: Place, part: usize, directory: PathBuf, purpose: Purpose) -> Job {
        let ticket = self.ticket();
        files(FilesJob::SavePart { ticket, place, part: Some(part), directory, purpose })
    }

    /// Begins a search: of the index, or of the text of the message in focus.
    pub(super) fn begin_search(&mut self) {
        let in_text = self.screen == Screen::Browse(Focus::Viewer) && self.viewer.document().is_some();
        let (kind, text) = if in_text {
            (PromptKind::Find, String::new())
        } else {
            if !self.list.is_passing() {
                self.list.back = self.list.bookmark();
            }
            (PromptKind::Search, self.list.search.as_ref().map_or_else(String::new, |search| search.text.clone()))
        };
        self.overlay = Some(Overlay::Prompt(Prompt::new(kind, Input::new(&text))));
    }

    /// Asks for a password.
    pub(super) fn ask_password(&mut self, account: AccountId) {
        let other = matches!(&self.overlay, Some(Overlay::Prompt(Prompt { kind: PromptKind::Password(_), .. })));
        if !other {
            self.overlay = Some(Overlay::Prompt(Prompt::new(PromptKind::Password(account), Input::secret())));
        }
    }

    /// Text for the field of the overlay.
    pub(super) fn overlay_text(&mut self, text: &str) -> Vec<Job> {
        match &mut self.overlay {
            Some(Overlay::Prompt(prompt)) => {
                prompt.input.insert(text);
                self.prompt_changed()
            }
            Some(Overlay::Menu(menu)) => {
                menu.input.insert(text);
                menu.filter();
                self.offer_typed_time();
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    /// A key for the field of the overlay.
    pub(super) fn overlay_key(&mut self, key: Key) -> Vec<Job> {
        match &mut self.overlay {
            Some(Overlay::Hints(_)) => self.hint_key(key),
            Some(Overlay::Prompt(prompt)) => match prompt.input.key(key) {
                Edited::Changed => self.prompt_changed(),
                Edited::Moved | Edited::Ignored => Vec::new(),
            },
            Some(Overlay::Menu(menu)) => {
                if menu.input.key(key) == Edited::Changed {
                    menu.filter();
                    self.offer_typed_time();
                }
                Vec::new()
            }
            Some(Overlay::Ask(_) | Overlay::Log(_)) | None => Vec::new(),
        }
    }

    /// Searches while it is typed.
    fn prompt_changed(&mut self) -> Vec<Job> {
        let Some(Overlay::Prompt(prompt)) = &mut self.overlay else { return Vec::new() };
        prompt.choices.clear();
        prompt.problem = None;
        let text = prompt.input.text().to_owned();
        match prompt.kind {
            PromptKind::Search => self.search(&text, None),
            PromptKind::Find => {
                self.find_in_text(&text);
                let height = usize::from(self.viewport.view_rows);
                let line = self.viewer.find.as_ref().and_then(|find| find.lines.first().copied());
                if let Some(line) = line {
                    self.viewer.scroll_to(line, height);
                }
                Vec::new()
            }
            PromptKind::Save { .. }
            | PromptKind::Password(_)
            | PromptKind::Attach
            | PromptKind::NewFolder(_)
            | PromptKind::RenameFolder(_)
            | PromptKind::NameSearch { .. }
            | PromptKind::RenameSearch(_) => Vec::new(),
        }
    }

    /// Shows what a query finds.
    pub(super) fn search(&mut self, text: &str, scope: Option<SearchScope>) -> Vec<Job> {
        let before = self.list.search.as_ref().map(|search| search.scope.clone());
        let scope = scope.or(before).unwrap_or_else(|| self.scopes().into_iter().next().unwrap_or(SearchScope::All));
        if text.trim().is_empty() {
            return self.leave_search(true);
        }
        let (query, problem) = match self.typed_query(text) {
            Ok(query) => (query, None),
            Err(error) => {
                // Half a query is no reason to lose the hits of the whole one before.
                let problem = Some(error.to_string());
                let marks = self.list.search.take().map(|search| search.marks).unwrap_or_default();
                self.list.search = Some(SearchInfo { text: text.to_owned(), scope, problem, marks, saved: None });
                return Vec::new();
            }
        };
        let marks = query::Marks::of(&query);
        let spec = ListSpec::new(Source::Search { query, scope: scope.clone() }, self.list.grouping);
        let jobs = self.show_list(spec);
        self.list.search = Some(SearchInfo { text: text.to_owned(), scope, problem, marks, saved: None });
        jobs
    }

    /// Where a search may look, beginning with the usual place.
    fn scopes(&self) -> Vec<SearchScope> {
        let mailbox = match self.list.back.as_ref().and_then(|back| back.mailbox()) {
            Some(mailbox) => Some(mailbox.clone()),
            None => self.list.mailbox().cloned(),
        };
        let mut scopes = Vec::new();
        if self.accounts.len() > 1
            && let Some(mailbox) = &mailbox
        {
            scopes.push(SearchScope::Account(mailbox.account.clone()));
        }
        scopes.push(SearchScope::All);
        scopes.extend(mailbox.map(SearchScope::Mailbox));
        scopes
    }

    /// Looks in the next place.
    pub(super) fn widen_search(&mut self) -> Vec<Job> {
        let Some(Overlay::Prompt(Prompt { kind: PromptKind::Search, input, .. })) = &self.overlay else {
            return Vec::new();
        };
        let text = input.text().to_owned();
        let scopes = self.scopes();
        let now = self.list.search.as_ref().map(|search| &search.scope);
        let at = scopes.iter().position(|scope| Some(scope) == now).map_or(0, |at| (at + 1) % scopes.len().max(1));
        let next = scopes.get(at).cloned();
        self.search(&text, next)
    }

    /// Back to the list before the search; with `keep`, the prompt stays and the way back with it.
    pub(super) fn leave_search(&mut self, keep: bool) -> Vec<Job> {
        if self.list.search.is_none() {
            return Vec::new();
        }
        // Nothing was typed that would have to be left.
        if self.list.back.as_ref().is_some_and(|back| back.is(self.list.spec.as_ref())) {
            self.list.search = self.list.back.as_ref().and_then(Back::search);
            if !keep {
                self.list.back = None;
            }
            return Vec::new();
        }
        let Some(back) = self.list.back.take() else { return Vec::new() };
        let kept = keep.then(|| back.clone());
        let jobs = self.show_again(back);
        self.list.back = kept;
        jobs
    }

    /// Takes what was typed.
    pub(super) fn accept_prompt(&mut self) -> Vec<Job> {
        let Some(Overlay::Prompt(mut prompt)) = self.overlay.take() else { return Vec::new() };
        match prompt.kind {
            PromptKind::Search => {
                if self.list.search.as_ref().is_some_and(|search| search.problem.is_some()) {
                    self.overlay = Some(Overlay::Prompt(prompt));
                } else {
                    self.screen = Screen::Browse(Focus::List);
                }
                Vec::new()
            }
            PromptKind::Find => {
                if self.viewer.find.as_ref().is_some_and(|find| find.lines.is_empty()) {
                    self.say(Level::Info, "It is not in this message");
                }
                Vec::new()
            }
            PromptKind::Save { place, parts } => {
                let directory = self.path(prompt.input.text());
                parts
                    .iter()
                    .map(|part| self.save_part(place.clone(), *part, directory.clone(), Purpose::Keep))
                    .collect()
            }
            PromptKind::Attach => self.look_at_file(prompt.input.text()),
            PromptKind::NewFolder(_) | PromptKind::RenameFolder(_) => self.accept_folder_name(prompt),
            PromptKind::NameSearch { .. } | PromptKind::RenameSearch(_) => self.accept_search_name(prompt),
            PromptKind::Password(account) => {
                let secret = Hidden(prompt.input.take());
                vec![
                    Job::Sync(SyncJob::Password { account: account.clone(), secret: secret.clone() }),
                    Job::Outbox(OutboxJob::Password { account, secret }),
                ]
            }
        }
    }

    /// The file or directory that the user means: `~` is home, and so is where a path begins.
    pub(super) fn path(&self, text: &str) -> PathBuf {
        let text = text.trim();
        let home = &self.config.paths.home;
        match text.strip_prefix('~') {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => home.join(rest.trim_start_matches('/')),
            _ => home.join(text),
        }
    }

    /// Closes the overlay without doing anything.
    pub(super) fn cancel(&mut self) -> Vec<Job> {
        match self.overlay.take() {
            Some(Overlay::Prompt(Prompt { kind: PromptKind::Search, .. })) => self.leave_search(false),
            Some(Overlay::Prompt(Prompt { kind: PromptKind::Find, .. })) => {
                self.viewer.find = None;
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    /// Carries out an action of an overlay.
    pub(super) fn overlay_action(&mut self, action: Action) -> Vec<Job> {
        match action {
            Action::Accept => match &self.overlay {
                Some(Overlay::Menu(_)) => self.accept_menu(),
                _ => self.accept_prompt(),
            },
            Action::Cancel => self.cancel(),
            Action::Yes => self.answer(true),
            Action::No => self.answer(false),
            Action::Widen => match &self.overlay {
                Some(Overlay::Prompt(prompt)) if prompt.takes_path() => self.complete_path(),
                _ => self.widen_search(),
            },
            Action::SaveSearch => {
                if matches!(&self.overlay, Some(Overlay::Prompt(Prompt { kind: PromptKind::Search, .. }))) {
                    self.ask_search_name();
                }
                Vec::new()
            }
            Action::MenuDown => self.menu_by(1),
            Action::MenuUp => self.menu_by(-1),
            Action::MenuPageDown => self.menu_page(1),
            Action::MenuPageUp => self.menu_page(-1),
            _ => Vec::new(),
        }
    }

    fn menu_page(&mut self, pages: isize) -> Vec<Job> {
        let rows = isize::try_from(self.viewport.menu_rows.max(1)).unwrap_or(1);
        self.menu_by(pages * rows)
    }

    pub(super) fn menu_by(&mut self, rows: isize) -> Vec<Job> {
        let height = usize::from(self.viewport.menu_rows);
        match &mut self.overlay {
            Some(Overlay::Menu(menu)) => {
                menu.move_by(rows, height);
                Vec::new()
            }
            Some(Overlay::Prompt(Prompt { kind: PromptKind::Search, .. })) => self.move_by(rows),
            _ => Vec::new(),
        }
    }
}

/// The letters of the link at `at`: one each, or two where there are many.
fn letters(at: usize, many: bool) -> String {
    let letter = |n: usize| char::from(b'a' + u8::try_from(n % 26).unwrap_or(0));
    if many { [letter(at / 26), letter(at)].iter().collect() } else { letter(at).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_unlike() {
        assert_eq!(letters(0, false), "a");
        assert_eq!(letters(25, false), "z");
        assert_eq!(letters(27, true), "bb");
    }
}
