//! The log file: `$XDG_STATE_HOME/tern/tern.log`, kept under 2 MiB, never the terminal.

use std::fs::{self, OpenOptions};
use std::path::Path;
use std::sync::Mutex;

use tracing::Level;

/// Past this many bytes the file is put aside as `tern.log.1` at the next start.
const LIMIT: u64 = 2 * 1024 * 1024;

/// Starts writing the log below `directory`. Without a log the program works all the same, so a
/// directory that cannot be written is passed over.
pub fn start(directory: &Path, level: Level) {
    let path = directory.join("tern.log");
    if fs::metadata(&path).is_ok_and(|m| m.len() > LIMIT) {
        let _ = fs::rename(&path, directory.join("tern.log.1"));
    }
    let Ok(file) = open(&path) else { return };
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_ansi(false)
        .with_target(true)
        .with_thread_names(true)
        .with_writer(Mutex::new(file))
        .finish();
    // A second start in one process (tests) keeps the first log.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

fn open(path: &Path) -> std::io::Result<fs::File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)
}
