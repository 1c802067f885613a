//! `tern doctor`: looks at everything that mail depends on and says of each thing how it is and what to
//! do next. It changes nothing, sends nothing and shows no secret. Text is for people at 80 columns;
//! with `--json` each finding is one object whose `check` and `verdict` stay the same.

mod clock;
mod disk;
mod finding;
mod memory;
mod server;

use super::arguments::{Common, DoctorOptions};
use super::exit::Exit;
use super::{output, password};
use crate::config::{self, Account, Config, Paths, Severity};
use crate::login::Secret;
use finding::{Finding, Tell, Verdict};

/// Runs the command.
pub(super) fn run(common: &Common, options: &DoctorOptions) -> Exit {
    // Not by way of the other commands: nothing may be made, not even a directory or a log.
    let paths = match Paths::from_environment() {
        Ok(paths) => paths,
        Err(fault) => {
            output::fault("doctor", &fault);
            return Exit::of(&fault);
        }
    };
    let config = config::load(&paths, common.config.as_deref());
    let accounts = match &options.account {
        None => config.accounts.iter().collect(),
        Some(name) => match super::setting::accounts("doctor", &config, Some(name)) {
            Ok(accounts) => accounts,
            Err(exit) => return exit,
        },
    };
    let mut tell = Tell::new(options.json);
    tell.about(None);
    settings(&config, &mut tell);
    clock::look(&mut tell);
    memory::look(&config, &mut tell);
    for account in accounts {
        tell.about(Some(&account.id));
        examine(account, &config, common.offline, &mut tell);
    }
    tell.end()
}

/// Is there something wrong with the config?
fn settings(config: &Config, tell: &mut Tell) {
    let file = output::path(&config.paths.config_file);
    let count = |severity| config.problems.iter().filter(|problem| problem.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let first = config.problems.iter().max_by_key(|problem| problem.severity);
    let finding = match first {
        Some(problem) => {
            let place = if problem.line == 0 { String::new() } else { format!(" in line {}", problem.line) };
            let text = format!("{errors} errors, {warnings} warnings; first{place}: {}", problem.message);
            let verdict = if errors > 0 { Verdict::Fail(Exit::Config) } else { Verdict::Warn };
            Finding::new("config.file", verdict, &text).next("run `tern config check`")
        }
        None => Finding::ok("config.file", &format!("nothing is wrong with {file}")),
    };
    tell.tell(finding);
    if config.accounts.is_empty() {
        let next = "write one: see config.example.toml, or try `tern demo`";
        tell.tell(Finding::new("config.accounts", Verdict::Fail(Exit::Config), "no account is set up").next(next));
    }
}

fn examine(account: &Account, config: &Config, offline: bool, tell: &mut Tell) {
    memory::look_at_account(account, config, tell);
    disk::look(account, config, tell);
    if offline {
        tell.tell(Finding::ok("servers", "not asked: --offline"));
        return;
    }
    let typed = password::ask([account], &|| false).remove(&account.id).map(|typed| Secret::new(typed.to_string()));
    server::look(account, &config.paths.data, typed, tell);
}
