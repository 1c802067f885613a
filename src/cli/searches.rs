//! `tern searches`: the saved searches, with what each looks for and how much it finds.

use serde_json::json;

use super::arguments::{Common, SearchesOptions};
use super::exit::Exit;
use super::{output, refresh, setting};
use crate::app::start;
use crate::config::Config;
use crate::fault::Fault;
use crate::mail::clean::Clean;
use crate::query::Saved;
use crate::store;

/// Runs the command.
pub(super) fn run(common: &Common, options: &SearchesOptions) -> Exit {
    let config = match setting::load("searches", common) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    list(&config, options).unwrap_or_else(|fault| {
        output::fault("searches", &fault);
        Exit::of(&fault)
    })
}

fn list(config: &Config, options: &SearchesOptions) -> Result<Exit, Fault> {
    let own = config.searches.iter().map(|search| (search.name.clone(), search.query.text.clone()));
    let kept = store::searches::read(&config.paths.data)?.into_iter().map(|search| (search.name, search.query));
    let all: Vec<(String, String)> = own.chain(kept).collect();
    if all.is_empty() {
        output::note("no search is saved; name one in [searches] of the config, or save one by a key");
        return Ok(Exit::Partly);
    }
    let saved = all.iter().cloned().collect::<Saved>().in_dialect(start::dialect(config));
    let saved = saved.of_owner(start::own_addresses(config));
    let (mut index, mut exit) = refresh::up_to_date("searches", config)?;
    let (now, zone) = (crate::app::now(), start::zone());
    for (name, text) in &all {
        let query = match saved.parse(text, now, &zone) {
            Ok(query) => query,
            Err(error) => {
                output::error("searches", format_args!("{}: {}", Clean::line(name), Clean::line(&error.to_string())));
                exit = exit.worse(Exit::Partly);
                continue;
            }
        };
        let tally = index.tally(&query)?;
        if options.json {
            let (total, unread) = (tally.total, tally.unread);
            output::line(json!({ "v": 1, "name": name, "query": text, "total": total, "unread": unread }));
        } else {
            let counts = format!("{}/{}", tally.unread, tally.total);
            output::line(format_args!("{counts:>12}  {:<24} {}", Clean::line(name), Clean::line(text)));
        }
    }
    Ok(exit)
}
