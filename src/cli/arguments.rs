//! What can be typed after `tern`. Help and man page are made from this.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Mail in the terminal, whole and offline.
///
/// Without a command the mail client opens.
#[derive(Debug, Parser)]
#[command(name = "tern", version, propagate_version = true, max_term_width = 100)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) common: Common,
    #[command(subcommand)]
    pub(super) command: Option<Command>,
}

/// What every command takes.
#[derive(Debug, Clone, Args)]
pub(super) struct Common {
    /// The config file, instead of the one below `XDG_CONFIG_HOME`
    #[arg(long, global = true, value_name = "FILE", env = "TERN_CONFIG")]
    pub(super) config: Option<PathBuf>,
    /// How much is written to the log file: error, warn, info, debug, trace
    #[arg(long, global = true, value_name = "LEVEL", default_value = "info")]
    pub(super) log: tracing::Level,
    /// Reach no server
    #[arg(long, global = true)]
    pub(super) offline: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Check the configuration
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Try the program on a built-in mailbox; leaves nothing behind
    Demo(DemoOptions),
}

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Print everything that is wrong with the config file; exit 78 on errors
    Check {
        /// Exit 78 on warnings too
        #[arg(long)]
        strict: bool,
    },
    /// Print where things lie
    Paths,
}

#[derive(Debug, Args)]
pub(super) struct DemoOptions {
    /// Print one frame of this size as text, then exit
    #[arg(long, value_name = "WIDTHxHEIGHT")]
    pub(super) screenshot: Option<String>,
    /// Seconds until the demo's server goes away for a while
    #[arg(long, default_value_t = 120, value_name = "SECONDS")]
    pub(super) outage_after: u64,
    /// For how many seconds it is away
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    pub(super) outage_for: u64,
    /// The theme
    #[arg(long, value_name = "NAME")]
    pub(super) theme: Option<String>,
}
