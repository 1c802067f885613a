//! Where things lie: XDG directories, movable by their variables.

use std::path::PathBuf;

/// The directories and files of the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
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
