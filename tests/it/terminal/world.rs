//! A home of its own for a tern: every XDG directory below one temporary directory, so that many
//! terns can run side by side and nothing of the user's is touched.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::servers::dovecot::{Dovecot, PASSWORD};

/// The table of the config for a user of `dovecot`, with TLS and a password in a file that
/// [`World::new`] writes; `more` is added to it.
pub(crate) fn account(dovecot: &Dovecot, user: &str, more: &str) -> String {
    format!(
        r#"
[accounts.{user}]
address = "{user}@example.org"
maildir = "{{home}}/mail/{user}"
imap = {{ host = "localhost", port = {}, user = "{user}", ca = "{}" }}
password = {{ file = "{{home}}/password" }}
{more}
"#,
        dovecot.imaps,
        dovecot.ca().display(),
    )
}

/// The same for one whose mail comes by POP3; `more` is added to the server's table.
pub(crate) fn pop3_account(dovecot: &Dovecot, user: &str, more: &str) -> String {
    format!(
        r#"
[accounts.{user}]
address = "{user}@example.org"
maildir = "{{home}}/mail/{user}"
pop3 = {{ host = "localhost", port = {}, user = "{user}", ca = "{}", {more} }}
password = {{ file = "{{home}}/password" }}
"#,
        dovecot.pop3s,
        dovecot.ca().display(),
    )
}

/// The directories of one run.
pub(crate) struct World {
    dir: TempDir,
    more: Vec<(&'static str, PathBuf)>,
}

impl World {
    /// Makes one with this config file; `{home}` in it is replaced by the home's path. The file
    /// `password` in the home has the password of the test's servers.
    pub(crate) fn new(config: &str) -> Self {
        Self::within(tempfile::Builder::new().prefix("tern-world-").tempdir().expect("a directory"), config)
    }

    /// Makes one in this directory, where a disk of the test's own may be mounted.
    pub(crate) fn within(dir: TempDir, config: &str) -> Self {
        let world = Self { dir, more: Vec::new() };
        for sub in ["config/tern", "data", "cache", "state", "run"] {
            fs::create_dir_all(world.path(sub)).expect("a directory");
        }
        let mode = fs::Permissions::from_mode(0o700);
        fs::set_permissions(world.path("run"), mode).expect("our own directory");
        world.write("password", PASSWORD);
        world.configure(config);
        world
    }

    /// The same with a variable more for the program.
    pub(crate) fn with_variable(mut self, name: &'static str, value: &str) -> Self {
        self.more.push((name, value.into()));
        self
    }

    /// Writes a file that only its owner may read.
    pub(crate) fn write(&self, below: &str, text: &str) {
        let file = self.path(below);
        fs::write(&file, text).expect("a file");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("our own file");
    }

    /// Writes the config file anew.
    pub(crate) fn configure(&self, config: &str) {
        self.write("config/tern/config.toml", &config.replace("{home}", &self.home().to_string_lossy()));
    }

    /// The home.
    pub(crate) fn home(&self) -> &Path {
        self.dir.path()
    }

    /// A path below the home.
    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.home().join(below)
    }

    /// The variables that move every directory of the program here.
    pub(crate) fn variables(&self) -> Vec<(&'static str, PathBuf)> {
        let own = [
            ("HOME", self.home().to_owned()),
            ("XDG_CONFIG_HOME", self.path("config")),
            ("XDG_DATA_HOME", self.path("data")),
            ("XDG_CACHE_HOME", self.path("cache")),
            ("XDG_STATE_HOME", self.path("state")),
            ("XDG_RUNTIME_DIR", self.path("run")),
        ];
        own.into_iter().chain(self.more.iter().cloned()).collect()
    }

    /// The program with these arguments, in this world, without a terminal.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tern"));
        command.args(arguments).env_remove("TERN_CONFIG").envs(self.variables()).stdin(Stdio::null());
        command
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("tern runs")
    }

    /// Runs it, expects exit code 0, and gives its standard output.
    pub(crate) fn succeed(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(
            output.status.success(),
            "tern {arguments:?} ended with {}\n{}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The files of a local Maildir folder, `cur` and `new`, sorted.
    pub(crate) fn files(&self, maildir: &str) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = ["cur", "new"]
            .iter()
            .filter_map(|sub| fs::read_dir(self.path(maildir).join(sub)).ok())
            .flatten()
            .filter_map(|entry| Some(entry.ok()?.path()))
            .collect();
        files.sort();
        files
    }
}
