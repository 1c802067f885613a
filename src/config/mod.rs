//! The user's file. `raw` is the file as written, `check` makes of it what is meant and collects
//! problems with line, column and hint; the program always starts. The types here are checked.

pub mod account;
mod check;
mod load;
pub mod paths;
mod problem;
pub mod quirk;
mod raw;
mod rules;
mod searches;
mod server;
mod value;

use std::path::PathBuf;

pub use account::{
    Account, Auth, DeleteThere, FolderMap, Layout, Pop3, PopSignIn, Retention, SecretSource, Server, Submit,
    SyncSettings, Tls,
};
pub use load::{Privacy, load, parse, privacy};
pub use paths::Paths;
pub use problem::render as render_problem;
pub use raw::known_keys;
pub use rules::{Goal, Rule};
pub use searches::{NamedSearch, Written, is_search_name};

use crate::mail::clean::Clean;
use crate::mail::ids::AccountId;

/// What the user wants, already checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// The accounts, in the order of the file.
    pub accounts: Vec<Account>,
    /// Looks and keys.
    pub ui: Ui,
    /// Writing.
    pub compose: Compose,
    /// Whom one writes to.
    pub contacts: Contacts,
    /// Searches by name, in the order of the file. Whether their texts are queries is for others to say.
    pub searches: Vec<NamedSearch>,
    /// Who searches.
    pub search: Search,
    /// What is done with mail that arrives, in this order.
    pub rules: Vec<Rule>,
    /// The user's keys: context name, key sequence, action name, with where it was written.
    pub keys: Vec<KeyOverride>,
    /// What is wrong with the file; shown in a banner and by `tern config check`.
    pub problems: Vec<Problem>,
    /// Where things lie.
    pub paths: Paths,
}

impl Config {
    /// A config without any account: the state before the first.
    pub fn empty(paths: Paths) -> Self {
        Self {
            accounts: Vec::new(),
            ui: Ui::default(),
            compose: Compose::default(),
            contacts: Contacts::default(),
            searches: Vec::new(),
            search: Search::default(),
            rules: Vec::new(),
            keys: Vec::new(),
            problems: Vec::new(),
            paths,
        }
    }

    /// The account of that name.
    pub fn account(&self, id: &AccountId) -> Option<&Account> {
        self.accounts.iter().find(|account| account.id == *id)
    }

    /// The account that an address belongs to: one that has it for its own, before one that has
    /// a pattern it fits.
    pub fn account_for(&self, email: &str) -> Option<&Account> {
        let email = email.trim();
        let exact = |account: &&Account| account.address.email.to_lowercase() == email.to_lowercase();
        self.accounts.iter().find(exact).or_else(|| self.accounts.iter().find(|account| account.is_own(email)))
    }

    /// Is there a problem of this severity or a worse one?
    pub fn has_problem(&self, at_least: Severity) -> bool {
        self.problems.iter().any(|problem| problem.severity >= at_least)
    }
}

/// `[ui]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ui {
    /// The name of a theme: a file in `themes/` beside the config, or one that is built in.
    pub theme: String,
    /// The preset of keys: `default`.
    pub keys: String,
    /// Is the mouse used?
    pub mouse: bool,
    /// `ascii` or `unicode` marks.
    pub ascii: bool,
    /// Are lists shown by conversation at first?
    pub conversations: bool,
    /// Seconds until an opened message counts as read; `None`: only by hand.
    pub mark_read_after: Option<u32>,
}

impl Default for Ui {
    fn default() -> Self {
        Self {
            theme: "terminal".to_owned(),
            keys: "default".to_owned(),
            mouse: true,
            ascii: false,
            conversations: false,
            mark_read_after: Some(0),
        }
    }
}

/// `[compose]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compose {
    /// How long a message can be taken back, in seconds.
    pub undo_send: u32,
    /// The editor: a command line; `None` means the built-in one.
    pub editor: Option<Vec<String>>,
    /// Is the header in the editor too?
    pub edit_headers: bool,
    /// Where the answer stands.
    pub quote: Quote,
    /// Words that remind of an attachment are looked for.
    pub attachment_reminder: bool,
}

impl Default for Compose {
    fn default() -> Self {
        Self { undo_send: 10, editor: None, edit_headers: false, quote: Quote::Interleaved, attachment_reminder: true }
    }
}

/// `[contacts]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contacts {
    /// Are addresses harvested from the mail?
    pub harvest: bool,
    /// Address books: directories of vCards, or files of them.
    pub vcards: Vec<PathBuf>,
}

impl Default for Contacts {
    fn default() -> Self {
        Self { harvest: true, vcards: Vec::new() }
    }
}

/// `[search]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Search {
    /// Who answers searches and keeps tags.
    pub engine: Engine,
    /// The config file of notmuch; `None`: the one that notmuch itself would take.
    pub notmuch_config: Option<PathBuf>,
    /// The profile of notmuch; `None`: the one that notmuch itself would take.
    pub notmuch_profile: Option<String>,
}

/// Who answers searches and keeps tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Engine {
    /// The program's own index.
    #[default]
    Own,
    /// An existing database of notmuch's.
    Notmuch,
}

impl Engine {
    /// Was the program built with notmuch?
    pub const fn has_notmuch() -> bool {
        cfg!(feature = "notmuch")
    }
}

/// Where the answer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quote {
    /// Above the quoted text.
    Top,
    /// Below it.
    Bottom,
    /// In between; the cursor starts below the quoted text.
    Interleaved,
}

/// One line of `[keys.CONTEXT]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyOverride {
    /// The context, e.g. `list`.
    pub context: String,
    /// The keys as written, e.g. `ga`.
    pub keys: String,
    /// The action's name, or `none` to take the key away.
    pub action: String,
    /// Its line in the file, from 1.
    pub line: usize,
}

/// Something that is wrong with a file of the user's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// The file.
    pub file: PathBuf,
    /// Line, from 1; 0 where it concerns the whole file.
    pub line: usize,
    /// Column, from 1, in characters.
    pub column: usize,
    /// How many characters are meant.
    pub length: usize,
    /// What is wrong.
    pub message: Clean,
    /// What to do: "did you mean …".
    pub hint: Option<Clean>,
}

impl Problem {
    /// All of it in a sentence.
    pub fn in_words(&self) -> String {
        let line = if self.line > 0 { format!(" line {}", self.line) } else { String::new() };
        let hint = self.hint.as_ref().map_or_else(String::new, |hint| format!(" ({hint})"));
        format!("config{line}: {}{hint}", self.message)
    }
}

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It is passed over.
    Warning,
    /// The default is used instead, or an account is left out.
    Error,
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn an_address_finds_its_account_and_its_own_one_first() {
        let text = "[accounts.all]\naddress = \"ada@example.org\"\naliases = [\"*@l.example\"]\n\
                    [accounts.one]\naddress = \"Countess@L.example\"\n";
        let config = parse(text, &Paths::under(Path::new("/x")));
        let found = |email: &str| config.account_for(email).map(|account| account.id.as_str().to_owned());
        assert_eq!(found("countess@l.example").as_deref(), Some("one"));
        assert_eq!(found(" x@L.EXAMPLE").as_deref(), Some("all"));
        assert_eq!(found("eve@example.org"), None);
        assert_eq!(config.account(&AccountId::new("one")).map(|account| account.id.as_str()), Some("one"));
        assert!(config.account(&AccountId::new("two")).is_none() && !config.has_problem(Severity::Warning));
    }
}
