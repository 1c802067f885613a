//! A home with mail, a database of notmuch's for it, and a tern that is told to search there.

use std::collections::BTreeSet;
use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::terminal::World;

/// Two accounts without servers, whose mail one database has.
const CONFIG: &str = r#"
[search]
engine = "notmuch"
notmuch_config = "{home}/notmuch-config"
[accounts.ada]
address = "ada@example.org"
maildir = "{home}/mail/ada"
[accounts.bob]
address = "bob@example.org"
maildir = "{home}/mail/bob"
"#;

/// The home.
pub(crate) struct Home {
    world: World,
}

impl Deref for Home {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
}

impl Home {
    /// Makes one without mail and without database; `settings` go into notmuch's own config.
    pub(crate) fn new(settings: &str) -> Self {
        Self::of(CONFIG, settings)
    }

    /// The same for these accounts, of which the first has a server.
    pub(crate) fn served(accounts: &str, settings: &str) -> Self {
        let (engine, _) = CONFIG.split_once("[accounts").expect("a setting of the engine, then accounts");
        Self::of(&format!("{engine}{accounts}"), settings)
    }

    fn of(config: &str, settings: &str) -> Self {
        let home = Self { world: World::new(config) };
        for folder in ["ada/INBOX", "ada/Archive", "ada/junk", "bob/INBOX"] {
            for part in ["cur", "new", "tmp"] {
                fs::create_dir_all(home.path("mail").join(folder).join(part)).unwrap();
            }
        }
        let root = home.path("mail");
        let config = format!(
            "[database]\npath={}\n[user]\nname=Ada\nprimary_email=ada@example.org\n{settings}\n",
            root.display()
        );
        fs::write(home.path("notmuch-config"), config).unwrap();
        home
    }

    /// Writes a message; its file below `mail`.
    pub(crate) fn put(&self, below: &str, text: &str) -> PathBuf {
        let path = self.path("mail").join(below);
        fs::write(&path, text).unwrap();
        path
    }

    /// The `notmuch` command in this home.
    pub(crate) fn command_of_notmuch(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("notmuch");
        command.args(arguments).envs(self.variables()).env("NOTMUCH_CONFIG", self.path("notmuch-config"));
        command.env_remove("NOTMUCH_PROFILE").env_remove("NOTMUCH_DATABASE").env_remove("MAILDIR");
        command.stdin(Stdio::null());
        command
    }

    /// Runs it; its standard output.
    pub(crate) fn notmuch(&self, arguments: &[&str]) -> String {
        let output = self.command_of_notmuch(arguments).output().expect("notmuch is installed");
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "notmuch {arguments:?}: {err}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Lets notmuch take in all mail.
    pub(crate) fn notmuch_new(&self) {
        self.notmuch(&["new", "--quiet"]);
    }

    /// `notmuch new` would find nothing to do.
    pub(crate) fn assert_nothing_new(&self) {
        let told = self.notmuch(&["new"]);
        assert_eq!(told.trim(), "No new mail.");
    }

    /// The subjects of what notmuch finds.
    pub(crate) fn found_by_notmuch(&self, query: &str) -> BTreeSet<String> {
        let files = self.notmuch(&["search", "--output=files", "--", query]);
        files.lines().map(|file| subject(Path::new(file))).collect()
    }

    /// The subjects of what tern finds.
    pub(crate) fn found(&self, query: &str) -> BTreeSet<String> {
        let output = self.run(&["search", "--paths", "--limit", "100000", "--", query]);
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(matches!(output.status.code(), Some(0 | 1)) && err.is_empty(), "{query}: {err}");
        out.lines().map(|file| subject(Path::new(file))).collect()
    }

    /// The keywords that tern shows of the one message with that subject.
    pub(crate) fn tags(&self, folder: &str, title: &str) -> Vec<String> {
        let rows = self.succeed(&["list", folder, "--json", "--limit", "1000"]);
        let row = rows.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        let row = row.into_iter().find(|row| row["subject"] == title).unwrap_or_else(|| panic!("{title} in {rows}"));
        let flags = row["flags"].as_array().unwrap().iter().map(|flag| flag.as_str().unwrap().to_owned());
        flags.filter(|flag| !flag.starts_with('\\')).collect()
    }

    /// The tags that notmuch has of the message of that number.
    pub(crate) fn tags_there(&self, number: usize) -> Vec<String> {
        let told = self.notmuch(&["search", "--output=tags", "--exclude=false", "--", &format!("id:{}", id(number))]);
        told.lines().map(str::to_owned).collect()
    }

    /// Another program that holds the database for writing, until it is let go.
    pub(crate) fn hold(&self) -> Hold {
        let mut child = self.command_of_notmuch(&["tag", "--batch"]).stdin(Stdio::piped()).spawn().unwrap();
        let lock = self.path("mail/.notmuch/xapian/flintlock");
        crate::support::patience::becomes("the lock", || is_locked(&lock), &true);
        drop(child.stdout.take());
        Hold(child)
    }
}

fn is_locked(path: &Path) -> bool {
    let Ok(file) = fs::File::options().write(true).open(path) else { return false };
    rustix::fs::fcntl_lock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).is_err()
}

/// Holds the database.
pub(crate) struct Hold(Child);

impl Hold {
    /// Lets it go.
    pub(crate) fn release(mut self) {
        drop(self.0.stdin.take());
        assert!(self.0.wait().unwrap().success());
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// The id of a message by its number.
pub(crate) fn id(number: usize) -> String {
    format!("m{number}@example.net")
}

/// A message with that number.
pub(crate) fn message(number: usize, from: &str, title: &str, body: &str) -> String {
    let (month, day) = (1 + number / 28 % 12, 1 + number % 28);
    let (name, _) = from.split_once('@').unwrap_or((from, ""));
    let month = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"][month - 1];
    format!(
        "From: {name} <{from}>\nTo: Ada <ada@example.org>\nSubject: {title}\nMessage-ID: <{}>\n\
         Date: {day:02} {month} 2025 10:00:00 +0000\n\n{body}\n",
        id(number)
    )
}

fn subject(path: &Path) -> String {
    let text = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let text = String::from_utf8_lossy(&text);
    text.lines().find_map(|line| line.strip_prefix("Subject: ")).unwrap_or("(none)").to_owned()
}
