//! `tern address`: who is meant by a few letters, for other mail programs to complete addresses with. It
//! looks in what is indexed and reads no mail, so that it can be called at each letter.

use clap::ValueEnum;
use serde_json::json as value;

use super::arguments::{AddressOptions, Common};
use super::exit::Exit;
use super::{json, output, refresh, setting};
use crate::app::start;
use crate::config::Config;
use crate::fault::Fault;
use crate::index::{Index, Writer};
use crate::mail::address::Address;
use crate::mail::clean::Clean;
use crate::mail::contact::Suggestion;

/// What the lines look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// A line that says how many, then `address<TAB>name<TAB>how it is known`: mutt's `query_command`
    Mutt,
    /// `address<TAB>name`: aerc's `address-book-cmd`
    Aerc,
    /// One JSON object a line
    Json,
}

/// Runs the command.
pub(super) fn run(common: &Common, options: &AddressOptions) -> Exit {
    let config = match setting::load("address", common) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    if let Err(exit) = setting::accounts("address", &config, None) {
        return exit;
    }
    match find(&config, options) {
        Ok(found) => print(&found, options.format),
        Err(fault) => {
            output::fault("address", &fault);
            Exit::of(&fault)
        }
    }
}

fn find(config: &Config, options: &AddressOptions) -> Result<Vec<Suggestion>, Fault> {
    let file = start::index_file(config);
    let mut index = if file.exists() { Index::open(&file)? } else { refresh::up_to_date("address", config)?.0 };
    let sources = start::contact_sources(config);
    if index.wants_books(&sources)? {
        // What is known already is told, whatever the books are like.
        match Writer::open(&file, &start::own_addresses(config)).and_then(|it| it.with_sources(&sources)) {
            Ok(mut writer) => writer.read_books()?.iter().for_each(|fault| output::fault("address", fault)),
            Err(fault) => output::fault("address", &fault),
        }
        index = Index::open(&file)?;
    }
    index.complete(&options.text.join(" "), &[], options.limit, crate::app::now())
}

fn print(found: &[Suggestion], format: Format) -> Exit {
    let count: usize = found.iter().map(|one| one.addresses.len()).sum();
    if format == Format::Mutt {
        // It is shown below the list, and in the place of one where nobody fits.
        output::line(match count {
            0 => "Nobody fits".to_owned(),
            1 => "1 address".to_owned(),
            count => format!("{count} addresses"),
        });
    }
    for one in found {
        for address in &one.addresses {
            match format {
                Format::Mutt => output::line(format_args!("{}\t{}", plain(address), known_by(one))),
                Format::Aerc => output::line(plain(address)),
                Format::Json => output::line(object(one, address)),
            }
        }
    }
    // aerc takes any other code for a failure, and says so at each letter.
    if count > 0 || format == Format::Aerc { Exit::Done } else { Exit::Partly }
}

fn plain(address: &Address) -> String {
    format!("{}\t{}", Clean::line(&address.email), Clean::line(&address.name))
}

fn known_by(one: &Suggestion) -> String {
    one.group.as_ref().map_or_else(|| one.known_by(), |group| format!("in {group}"))
}

fn object(one: &Suggestion, address: &Address) -> serde_json::Value {
    let used = one.used;
    let mut object = value!({
        "v": 1,
        "group": one.group.as_ref().map(Clean::as_str),
        "sent": used.sent,
        "received": used.received,
        "automatic": used.bulk,
        "book": used.in_book,
        "last": json::time(used.newest),
    });
    if let (Some(all), Some(who)) = (object.as_object_mut(), json::address(address).as_object()) {
        all.extend(who.clone());
    }
    object
}
