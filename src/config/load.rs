//! Reads the config file, however broken: whatever can be understood counts, the rest becomes
//! problems. The one thing that is refused whole is a file that somebody else can write, since it
//! names programs to run.

use std::fs::{File, Metadata};
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use toml::de::DeTable;

use super::raw::{Notes, Table};
use super::{Config, Paths, Problem};
use super::{check, rules, searches};
use crate::mail::ids::AccountId;

/// No config is longer.
const LONGEST: u64 = 1024 * 1024;

/// Who can reach a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Privacy {
    /// Its owner, who is this user or root, alone.
    Private,
    /// Others can read it.
    Readable,
    /// Others can write it.
    Writable,
    /// It belongs to another user.
    Foreign,
}

/// Tells who can reach a file. Root may use everybody's files.
pub fn privacy(about: &Metadata) -> Privacy {
    let user = rustix::process::geteuid();
    if !user.is_root() && about.uid() != user.as_raw() && about.uid() != 0 {
        Privacy::Foreign
    } else if about.mode() & 0o022 != 0 {
        Privacy::Writable
    } else if about.mode() & 0o044 != 0 {
        Privacy::Readable
    } else {
        Privacy::Private
    }
}

/// Loads the config: the file of `paths`, or another that was named explicitly. Never fails: no
/// file is the first start, and everything else that is wrong is among the problems. Variables
/// like `TERN_UI__THEME=nord` win over the file.
pub fn load(paths: &Paths, explicit: Option<&Path>) -> Config {
    let mut paths = paths.clone();
    if let Some(file) = explicit {
        paths.config_file = file.to_path_buf();
    }
    // What is relative in the file is below its directory, wherever the program is later.
    if let Ok(absolute) = std::path::absolute(&paths.config_file) {
        paths.config_file = absolute;
    }
    let mut config = read(&paths, explicit.is_some());
    override_by(
        &mut config,
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))),
    );
    config
}

fn read(paths: &Paths, must_exist: bool) -> Config {
    let path = paths.config_file.as_path();
    let refused = |message: &str, hint: Option<&str>| {
        let mut notes = Notes::new(path, "");
        notes.error(&(0..0), message, hint);
        Config { problems: notes.problems, ..Config::empty(paths.clone()) }
    };
    let opened = File::open(path).and_then(|file| Ok((file.metadata()?, file)));
    let (about, file) = match opened {
        Ok(opened) => opened,
        Err(error) if error.kind() == ErrorKind::NotFound && !must_exist => return Config::empty(paths.clone()),
        Err(error) => return refused(&format!("the config cannot be read: {error}"), None),
    };
    let chmod = format!("type: chmod 600 {}", path.display());
    let privacy = privacy(&about);
    match privacy {
        Privacy::Private | Privacy::Readable => {}
        Privacy::Writable => {
            return refused("others can write this file, which names programs to run; it is refused", Some(&chmod));
        }
        Privacy::Foreign => return refused("this file belongs to another user; it is refused", None),
    }
    let text = match read_text(file) {
        Ok(text) => text,
        Err(why) => return refused(&format!("the config cannot be read: {why}"), None),
    };
    let (mut config, holds_secret) = understand(&text, paths);
    if privacy == Privacy::Readable {
        let mut notes = Notes::new(path, "");
        if holds_secret {
            let message = "others can read this file, and there is a secret in it; it is refused";
            notes.error(&(0..0), message, Some(&format!("{chmod}, and change that password")));
            config.accounts.clear();
        } else if about.uid() == rustix::process::geteuid().as_raw() {
            notes.warning(&(0..0), "others on this machine can read this file", Some(&chmod));
        }
        config.problems.append(&mut notes.problems);
    }
    config
}

/// Reads a whole text file of the user's, not longer than a config may be.
pub(super) fn read_text(file: File) -> Result<String, String> {
    let mut bytes = Vec::new();
    match file.take(LONGEST + 1).read_to_end(&mut bytes) {
        Err(error) => Err(error.to_string()),
        Ok(length) if length as u64 > LONGEST => Err("it is longer than 1 MiB".to_owned()),
        Ok(_) => String::from_utf8(bytes).map_err(|error| {
            let good = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
            let line = good.split(|byte| *byte == b'\n').count();
            format!("line {line} is not UTF-8")
        }),
    }
}

/// Makes a config of the text of a file; [`Paths::config_file`] is the name in its problems.
/// Files that the text names are looked at: signatures are read, Maildirs tell their layout.
pub fn parse(text: &str, paths: &Paths) -> Config {
    understand(text, paths).0
}

/// Does what [`parse`] says, and tells whether a secret stands in the text.
fn understand(text: &str, paths: &Paths) -> (Config, bool) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut config = Config::empty(paths.clone());
    let mut notes = Notes::new(&paths.config_file, text);
    let (root, errors) = DeTable::parse_recoverable(text);
    let mut torn = Vec::new();
    for error in &errors {
        let span = error.span().unwrap_or(text.len()..text.len());
        torn.push(section(text, span.start));
        notes.torn(&span, error.message());
    }
    let root = Table::root(root.get_ref(), "", &mut notes);
    if let Some(table) = root.table("ui", "ui", &mut notes) {
        check::ui(&table, &mut notes, &mut config.ui);
    }
    if let Some(table) = root.table("compose", "compose", &mut notes) {
        check::compose(&table, paths, &mut notes, &mut config.compose);
    }
    if let Some(table) = root.table("contacts", "contacts", &mut notes) {
        check::contacts(&table, paths, &mut notes, &mut config.contacts);
    }
    if let Some(table) = root.table("searches", "", &mut notes) {
        config.searches = searches::searches(&table, &mut notes);
    }
    if let Some(table) = root.table("search", "search", &mut notes) {
        check::search(&table, paths, &mut notes, &mut config.search);
    }
    if let Some(table) = root.table("keys", "", &mut notes) {
        config.keys = check::keys(&table, &mut notes);
    }
    if let Some(table) = root.table("accounts", "", &mut notes) {
        let broken = |name: &str| torn.iter().any(|section| section.touches(name));
        config.accounts = check::accounts(&table, paths, &broken, &mut notes);
    }
    if let Some(list) = root.get("rules") {
        let accounts: Vec<AccountId> = config.accounts.iter().map(|account| account.id.clone()).collect();
        // A rule that is half there could do what nobody wants.
        if errors.is_empty() {
            config.rules = rules::rules(list, &root, &accounts, paths, &mut notes);
        }
    }
    notes.problems.sort_by_key(|problem: &Problem| (problem.line, problem.column));
    config.problems = notes.problems;
    (config, notes.holds_secret)
}

/// Which part of the file a syntax error is in. What the parser saved of it may lack a line that
/// matters, so an account must not be made of it.
#[derive(Debug, PartialEq, Eq)]
enum Section<'a> {
    /// Some table that is no account's.
    Harmless,
    /// One account's.
    Account(&'a str),
    /// Nobody can say.
    Anywhere,
}

impl Section<'_> {
    fn touches(&self, account: &str) -> bool {
        match self {
            Self::Harmless => false,
            Self::Account(name) => *name == account,
            Self::Anywhere => true,
        }
    }
}

/// Finds the header above a place.
fn section(text: &str, place: usize) -> Section<'_> {
    let end = text.get(place..).and_then(|rest| rest.find('\n')).map_or(text.len(), |at| place + at);
    let above = text.get(..end).unwrap_or(text);
    let Some(header) = above.lines().rev().map(str::trim).find(|line| line.starts_with('[')) else {
        return Section::Anywhere;
    };
    let path = header.trim_start_matches(['[', ' ', '\t']);
    let path = path.split([']', '#']).next().unwrap_or_default();
    let mut names = path.split('.').map(|name| name.trim().trim_matches(['"', '\'']));
    match (names.next(), names.next()) {
        (Some("ui" | "compose" | "contacts" | "search" | "searches" | "rules" | "keys"), _) => Section::Harmless,
        (Some("accounts"), Some(name)) if !name.is_empty() => Section::Account(name),
        _ => Section::Anywhere,
    }
}

/// Takes in the variables that name a key of `[ui]` or `[compose]`.
fn override_by(config: &mut Config, variables: impl Iterator<Item = (String, String)>) {
    for (variable, written) in variables {
        let Some((table, key)) = variable.strip_prefix("TERN_").and_then(|rest| rest.split_once("__")) else {
            continue;
        };
        let mut notes = Notes::new(Path::new(&format!("${variable}")), "");
        // `true`, `5` and `["vi"]` are TOML as they stand; `nord` and `10s` are not, and mean a text.
        // The key is quoted, so that whatever it is, it is one key and not a path of them.
        let key = toml::Value::String(key.to_ascii_lowercase()).to_string();
        let literal = format!("{key} = {written}");
        let quoted = format!("{key} = {}", toml::Value::String(written));
        if let Ok(entries) = DeTable::parse(&literal).or_else(|_| DeTable::parse(&quoted)) {
            let entries = entries.get_ref();
            match table {
                "UI" => check::ui(&Table::root(entries, "ui", &mut notes), &mut notes, &mut config.ui),
                "COMPOSE" => {
                    let table = Table::root(entries, "compose", &mut notes);
                    check::compose(&table, &config.paths, &mut notes, &mut config.compose);
                }
                _ => notes.warning(&(0..0), "only keys of [ui] and [compose] can be set like this", None),
            }
        }
        config.problems.append(&mut notes.problems);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_syntax_error_concerns_the_section_it_is_in() {
        let text = "x\n[ui]\na\n[ accounts . \"a b\" ] # [ui]\nb\n  [accounts.bob.imap]\nc\n[accounts]\nd\n[[x";
        let at = |needle: &str| section(text, text.find(needle).unwrap());
        assert_eq!(at("x"), Section::Anywhere);
        assert_eq!(at("a\n["), Section::Harmless);
        assert_eq!(at("b\n  ["), Section::Account("a b"));
        assert_eq!(at("c\n["), Section::Account("bob"));
        assert_eq!(at("d\n["), Section::Anywhere);
        assert_eq!(section(text, text.len()), Section::Anywhere);
        assert_eq!(section(text, text.len() + 9), Section::Anywhere);
    }

    #[test]
    fn variables_win_over_the_file() {
        let mut config = parse("[ui]\ntheme = \"mono\"\nmouse = true\n", &Paths::under(Path::new("/x")));
        let variables = [
            ("TERN_UI__THEME", "nord"),
            ("TERN_UI__MOUSE", "false"),
            ("TERN_COMPOSE__UNDO_SEND", "20s"),
            ("TERN_COMPOSE__EDITOR", "[\"vi\", \"-e\"]"),
            ("TERN_CONFIG", "/elsewhere"),
            ("HOME", "/x"),
        ];
        override_by(&mut config, variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        assert_eq!(config.problems, []);
        assert_eq!((config.ui.theme.as_str(), config.ui.mouse, config.compose.undo_send), ("nord", false, 20));
        assert_eq!(config.compose.editor, Some(vec!["vi".to_owned(), "-e".to_owned()]));
    }

    #[test]
    fn wrong_variables_are_told_by_name_and_change_nothing() {
        for (name, value) in [
            ("TERN_UI__MOUZE", "true"),
            ("TERN_UI__MOUSE", "maybe"),
            ("TERN_UI__THEME", "a/b"),
            ("TERN_UI__THEME", "\u{1}\n\"'"),
            ("TERN_UI__A.B", "1"),
            ("TERN_ACCOUNTS__ADA", "x"),
        ] {
            let mut config = Config::empty(Paths::under(Path::new("/x")));
            let untouched = config.ui.clone();
            override_by(&mut config, std::iter::once((name.to_owned(), value.to_owned())));
            let files: Vec<_> = config.problems.iter().map(|problem| problem.file.to_string_lossy()).collect();
            assert_eq!(files, [format!("${name}")], "{value}");
            assert_eq!(config.ui, untouched);
        }
    }
}
