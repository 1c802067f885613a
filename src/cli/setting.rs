//! What most commands begin with: where things lie, what the config says, the log.

use super::arguments::Common;
use super::exit::Exit;
use super::output;
use crate::app::start;
use crate::config::{self, Account, Config, Paths, Severity};
use crate::query::Saved;

/// Reads the config and starts the log. Problems of the config are told to standard error in one
/// line; `tern config check` shows them whole.
pub(super) fn load(command: &str, common: &Common) -> Result<Config, Exit> {
    let config = read(command, common)?;
    if config.has_problem(Severity::Error) {
        output::error(command, "the config file has errors: run `tern config check`");
    }
    Ok(config)
}

/// The same without a word about problems.
pub(super) fn read(command: &str, common: &Common) -> Result<Config, Exit> {
    let told = |fault| {
        output::fault(command, &fault);
        Exit::of(&fault)
    };
    let paths = Paths::from_environment().map_err(told)?;
    paths.create().map_err(told)?;
    let mut config = config::load(&paths, common.config.as_deref());
    start::check_queries(&mut config);
    crate::app::log::start(&config.paths.state, common.log);
    if common.offline {
        take_offline(&mut config);
    }
    Ok(config)
}

/// The saved searches; what could not be read of them is told, and they are taken for none.
pub(super) fn saved(command: &str, config: &Config) -> Saved {
    start::saved(config).unwrap_or_else(|fault| {
        output::fault(command, &fault);
        Saved::default().in_dialect(start::dialect(config)).of_owner(start::own_addresses(config))
    })
}

/// Offline, no account looks for its server by itself.
fn take_offline(config: &mut Config) {
    for account in &mut config.accounts {
        account.imap = None;
        account.pop3 = None;
    }
}

/// The accounts that were meant: the one that is named, or all.
pub(super) fn accounts<'a>(command: &str, config: &'a Config, name: Option<&str>) -> Result<Vec<&'a Account>, Exit> {
    if config.accounts.is_empty() {
        output::error(command, format_args!("no account is set up in {}", output::path(&config.paths.config_file)));
        output::note("  next: see config.example.toml, or try `tern demo`");
        return Err(Exit::Config);
    }
    let Some(name) = name else { return Ok(config.accounts.iter().collect()) };
    if let Some(account) = config.accounts.iter().find(|account| account.id.as_str() == name) {
        return Ok(vec![account]);
    }
    let known: Vec<&str> = config.accounts.iter().map(|a| a.id.as_str()).collect();
    output::error(command, format_args!("no account {}; there is: {}", output::quoted(name), known.join(", ")));
    Err(Exit::Usage)
}
