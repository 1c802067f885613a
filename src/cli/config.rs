//! `tern config`: what is wrong with the file, and where things lie.

use super::arguments::{Common, ConfigCommand};
use super::exit::Exit;
use super::{output, setting};
use crate::app::start;
use crate::config::{self, Config, Severity};

/// Runs the command.
pub(super) fn run(common: &Common, command: &ConfigCommand) -> Exit {
    let config = match setting::read("config", common) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    match command {
        ConfigCommand::Check { strict } => {
            let mut config = config;
            start::check_folders(&mut config);
            check(&config, *strict)
        }
        ConfigCommand::Paths => paths(&config),
    }
}

fn check(config: &Config, strict: bool) -> Exit {
    for problem in &config.problems {
        let source = std::fs::read_to_string(&problem.file).unwrap_or_default();
        output::line(config::render_problem(problem, &source));
    }
    let count = |severity| config.problems.iter().filter(|p| p.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let accounts = config.accounts.len();
    output::line(format_args!(
        "{}: {accounts} account{}, {errors} error{}, {warnings} warning{}",
        output::path(&config.paths.config_file),
        plural(accounts),
        plural(errors),
        plural(warnings)
    ));
    if errors > 0 || strict && warnings > 0 { Exit::Config } else { Exit::Done }
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

fn paths(config: &Config) -> Exit {
    let paths = &config.paths;
    let rows = [
        ("config file", &paths.config_file),
        ("themes", &paths.config),
        ("ledger, outbox, drafts", &paths.data),
        ("index", &paths.cache),
        ("log", &paths.state),
        ("opened attachments", &paths.runtime),
    ];
    for (what, path) in rows {
        output::line(format_args!("{what:<24}{}", output::path(path)));
    }
    for account in &config.accounts {
        output::line(format_args!("{:<24}{}", format!("mail of {}", account.id), output::path(&account.maildir)));
    }
    Exit::Done
}
