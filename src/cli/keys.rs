//! `tern keys show`: every key with what it does, from the action table and the user's config.

use serde_json::json;

use super::arguments::{Common, KeysCommand};
use super::exit::Exit;
use super::{output, setting};
use crate::app::start;
use crate::keys::action::{Context, TABLE};
use crate::mail::clean::Clean;

/// Runs the command; `show` is what it does without one.
pub(super) fn run(common: &Common, command: Option<&KeysCommand>) -> Exit {
    let config = match setting::read("keys", common) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    let as_json = matches!(command, Some(KeysCommand::Show { json: true }));
    let (keymap, troubles) = start::keymap(&config);
    for context in Context::ALL {
        let rows = TABLE.iter().filter(|row| row.contexts.contains(&context));
        if !as_json {
            output::line(format_args!("[keys.{}]  # {}", context.word(), context.title()));
        }
        for row in rows {
            let keys: Vec<String> = keymap.keys_of(context, row.action).iter().map(ToString::to_string).collect();
            if as_json {
                output::line(json!({
                    "v": 1,
                    "context": context.word(),
                    "action": row.name,
                    "keys": keys,
                    "help": row.help,
                }));
            } else {
                let keys = Clean::line(&keys.join(" "));
                output::line(format_args!("  {keys:<24} {:<20} {}", row.name, row.help));
            }
        }
    }
    for trouble in &troubles {
        output::error("keys", output::quoted(trouble));
    }
    if troubles.is_empty() { Exit::Done } else { Exit::Config }
}
