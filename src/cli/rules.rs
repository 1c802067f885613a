//! `tern rules`: which rules there are, and what they do with messages that are named by a query. What they match
//! when it arrives, they match by themselves.

use std::cell::RefCell;

use serde_json::json;

use super::arguments::{Common, RulesCommand, RulesRunOptions};
use super::exit::Exit;
use super::{list, output, refresh, search, setting};
use crate::app::start::{self, Ways};
use crate::config::{Config, Goal, Rule};
use crate::fault::Fault;
use crate::job::index::SearchScope;
use crate::job::rules::RulesReport;
use crate::mail::clean::Clean;
use crate::mail::place::Place;
use crate::query::Query;
use crate::rules;

/// Runs the command.
pub(super) fn run(common: &Common, command: &RulesCommand) -> Exit {
    let config = match setting::load("rules", common) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    if config.rules.is_empty() {
        output::note("there is no rule; config.example.toml shows how to write one");
        return Exit::Partly;
    }
    match command {
        RulesCommand::List { json } => {
            for rule in &config.rules {
                tell(rule, *json);
            }
            Exit::Done
        }
        RulesCommand::Run(options) => by_hand(&config, options),
    }
}

fn tell(rule: &Rule, json: bool) {
    let account = rule.account.as_ref().map(ToString::to_string);
    if json {
        let deeds = deeds(rule);
        output::line(json!({ "v": 1, "name": rule.name, "match": rule.query.text, "account": account, "does": deeds }));
        return;
    }
    let whose = account.map(|account| format!(" ({account})")).unwrap_or_default();
    let words = format!("{}{whose}: {} -> {}", rule.name, rule.query.text, deeds(rule).join(", "));
    output::line(Clean::line(&words));
}

/// What a rule does, in words.
fn deeds(rule: &Rule) -> Vec<String> {
    let mut words: Vec<String> = rule.give.iter().map(|tag| format!("+{tag}")).collect();
    words.extend(rule.take.iter().map(|tag| format!("-{tag}")));
    words.extend(rule.read.map(|read| if read { "read" } else { "unread" }.to_owned()));
    words.extend(rule.star.map(|star| if star { "star" } else { "no star" }.to_owned()));
    words.extend(rule.to.as_ref().map(|goal| match goal {
        Goal::Folder { name, .. } => format!("move to {name}"),
        Goal::Archive => "archive".to_owned(),
    }));
    words.extend(rule.run.as_ref().map(|program| format!("run {}", program.join(" "))));
    words.extend(rule.stop.then(|| "stop".to_owned()));
    words
}

fn by_hand(config: &Config, options: &RulesRunOptions) -> Exit {
    let text = options.query.join(" ");
    let query = match setting::saved("rules", config).parse(&text, crate::app::now(), &start::zone()) {
        Ok(query) => query,
        Err(error) => return search::point_at("rules", &text, &error),
    };
    act(config, options, &query).unwrap_or_else(|fault| {
        output::fault("rules", &fault);
        Exit::of(&fault)
    })
}

fn act(config: &Config, options: &RulesRunOptions, query: &Query) -> Result<Exit, Fault> {
    let (mut index, mut exit) = refresh::up_to_date("rules", config)?;
    let found = index.search(query, &SearchScope::All, 0, usize::MAX)?;
    let places: Vec<Place> = found.rows.iter().map(|row| row.place.clone()).collect();
    let env = start::rules_env(config, &Ways::default());
    let sieves = rules::sieves(&config.rules, &(env.saved)(), crate::app::now(), &env.zone);
    let matches = index.judge(&sieves, &places)?;
    for one in &matches {
        let names: Vec<&str> = env.rules_of(one).map(|rule| rule.name.as_str()).collect();
        let names = Clean::line(&names.join(", "));
        output::line(format_args!("{names}  {}", list::line(&one.row, &env.zone)));
    }
    if found.rows.is_empty() {
        exit = Exit::Partly;
    }
    let verb = if options.dry_run { "would be given to rules" } else { "given to rules" };
    if options.dry_run {
        for why in env.plan(&index.mailboxes()?, &matches).closed {
            output::error("rules", why);
            exit = exit.worse(Exit::Partly);
        }
    } else {
        let (changed, faults) = (RefCell::new(Vec::new()), RefCell::new(Vec::new()));
        rules::by_hand(&env, &matches, &|report| match report {
            RulesReport::Changed(files) => changed.borrow_mut().push(files),
            RulesReport::Fault(fault) => faults.borrow_mut().push(fault),
            RulesReport::Labelled { .. } | RulesReport::Arrived(_) | RulesReport::Over { .. } => {}
        })?;
        // What no file's name tells only a database will remember.
        let untold = refresh::tell_database(config, &changed.into_inner());
        for fault in faults.into_inner().into_iter().chain(untold) {
            output::fault("rules", &fault);
            exit = exit.worse(Exit::Partly);
        }
    }
    output::note(format_args!("{} found, {} {verb}", found.rows.len(), matches.len()));
    Ok(exit)
}
