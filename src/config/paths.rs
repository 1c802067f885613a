//! Where things lie: the XDG base directories, each movable by its variable. Relative values are
//! passed over, as the XDG specification demands. Nothing is read here, and nothing is made but
//! by [`Paths::create`].

use std::ffi::OsString;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use crate::fault::{Again, Cause, Doing, Fault, Scope};

/// The name of the program's directory below each base directory.
const NAME: &str = "tern";

/// The directories and files of the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// The user's home: what `~` stands for in the config.
    pub home: PathBuf,
    /// The config file.
    pub config_file: PathBuf,
    /// `$XDG_CONFIG_HOME/tern`: themes and templates.
    pub config: PathBuf,
    /// `$XDG_DATA_HOME/tern`: the ledger, the outbox, the drafts journal. Must not be lost.
    pub data: PathBuf,
    /// `$XDG_CACHE_HOME/tern`: the index. Can be lost.
    pub cache: PathBuf,
    /// `$XDG_STATE_HOME/tern`: the log.
    pub state: PathBuf,
    /// `$XDG_RUNTIME_DIR/tern`, else below `state`: opened attachments.
    pub runtime: PathBuf,
}

impl Paths {
    /// Finds the directories by the environment. `TERN_CONFIG` names another config file.
    ///
    /// A fault where the user has no home directory.
    pub fn from_environment() -> Result<Self, Fault> {
        let Some(base) = directories::BaseDirs::new() else {
            return Err(Fault::new(Doing::Configuring, "the home directory", Cause::Missing)
                .scope(Scope::Program)
                .again(Again::AfterUser)
                .detail("there is none; set HOME to a directory"));
        };
        Ok(Self::from_variables(base.home_dir(), |name| std::env::var_os(name)))
    }

    /// Puts everything below one directory: for a demo that leaves nothing behind, and for tests.
    pub fn under(root: &Path) -> Self {
        Self {
            home: root.to_path_buf(),
            config_file: root.join("config/config.toml"),
            config: root.join("config"),
            data: root.join("data"),
            cache: root.join("cache"),
            state: root.join("state"),
            runtime: root.join("run"),
        }
    }

    /// The same on every system, macOS too: who sets the XDG variables there means them, and who
    /// lives in a terminal looks into `~/.config` first.
    fn from_variables(home: &Path, variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let absolute = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let base = |name: &str, default: &str| absolute(name).unwrap_or_else(|| home.join(default)).join(NAME);
        let config = base("XDG_CONFIG_HOME", ".config");
        let state = base("XDG_STATE_HOME", ".local/state");
        Self {
            home: home.to_path_buf(),
            config_file: variable("TERN_CONFIG")
                .filter(|file| !file.is_empty())
                .map_or_else(|| config.join("config.toml"), PathBuf::from),
            config,
            data: base("XDG_DATA_HOME", ".local/share"),
            cache: base("XDG_CACHE_HOME", ".cache"),
            // Under `su` and cron there is no runtime directory, or one of somebody else.
            runtime: absolute("XDG_RUNTIME_DIR").map_or_else(|| state.join("run"), |dir| dir.join(NAME)),
            state,
        }
    }

    /// Makes the directories that the program writes to, for this user alone. What is there
    /// already is left as it is. The directory of the config is the user's to make.
    pub fn create(&self) -> Result<(), Fault> {
        for dir in [&self.data, &self.cache, &self.state, &self.runtime] {
            DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|error| {
                Fault::io(Doing::Storing, &dir.to_string_lossy(), &error).scope(Scope::Program).again(Again::AfterUser)
            })?;
        }
        Ok(())
    }

    /// Reads a path as the user wrote it: `~` and `~/…` are below the home directory, a relative
    /// path is below the directory of the config file.
    pub fn resolve(&self, written: &str) -> PathBuf {
        if written == "~" {
            return self.home.clone();
        }
        if let Some(rest) = written.strip_prefix("~/") {
            return self.home.join(rest.trim_start_matches('/'));
        }
        let base = self.config_file.parent().unwrap_or(&self.config);
        base.join(written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(variables: &[(&str, &str)]) -> Paths {
        Paths::from_variables(Path::new("/home/ada"), |name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
        })
    }

    #[test]
    fn without_variables_everything_is_below_the_home() {
        let plain = paths(&[]);
        assert_eq!(plain.config_file, Path::new("/home/ada/.config/tern/config.toml"));
        assert_eq!(plain.data, Path::new("/home/ada/.local/share/tern"));
        assert_eq!(plain.cache, Path::new("/home/ada/.cache/tern"));
        assert_eq!(plain.state, Path::new("/home/ada/.local/state/tern"));
        assert_eq!(plain.runtime, Path::new("/home/ada/.local/state/tern/run"));
    }

    #[test]
    fn every_place_can_be_moved_and_relative_values_are_passed_over() {
        let moved = paths(&[
            ("XDG_CONFIG_HOME", "/c"),
            ("XDG_DATA_HOME", "/d"),
            ("XDG_CACHE_HOME", "relative"),
            ("XDG_STATE_HOME", ""),
            ("XDG_RUNTIME_DIR", "/run/user/7"),
            ("TERN_CONFIG", "/elsewhere.toml"),
        ]);
        assert_eq!(moved.config, Path::new("/c/tern"));
        assert_eq!(moved.data, Path::new("/d/tern"));
        assert_eq!(moved.cache, Path::new("/home/ada/.cache/tern"));
        assert_eq!(moved.state, Path::new("/home/ada/.local/state/tern"));
        assert_eq!(moved.runtime, Path::new("/run/user/7/tern"));
        assert_eq!(moved.config_file, Path::new("/elsewhere.toml"));
    }

    #[test]
    fn written_paths_know_the_home_and_the_config() {
        let plain = paths(&[]);
        assert_eq!(plain.resolve("~/Mail/ada"), Path::new("/home/ada/Mail/ada"));
        assert_eq!(plain.resolve("~"), Path::new("/home/ada"));
        assert_eq!(plain.resolve("/abs"), Path::new("/abs"));
        assert_eq!(plain.resolve("ca.pem"), Path::new("/home/ada/.config/tern/ca.pem"));
    }

    #[test]
    fn directories_are_made_for_the_user_alone_and_making_them_twice_is_fine() {
        use std::os::unix::fs::PermissionsExt as _;
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::under(root.path());
        paths.create().unwrap();
        paths.create().unwrap();
        for dir in [&paths.data, &paths.cache, &paths.state, &paths.runtime] {
            assert_eq!(dir.metadata().unwrap().permissions().mode() & 0o777, 0o700, "{}", dir.display());
        }
        assert!(!paths.config.exists());
    }

    #[test]
    fn a_place_that_cannot_be_made_is_a_fault_with_its_name() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("data"), "in the way").unwrap();
        let fault = Paths::under(root.path()).create().unwrap_err();
        assert!(fault.to_string().contains("data"), "{fault}");
    }
}
