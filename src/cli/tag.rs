//! `tern tag`: gives all that a query finds tags, and takes tags away, in notmuch's manner. What is changed is changed
//! in the Maildir at once, and labels are written down; the next sync tells the server.

use std::cell::RefCell;

use super::arguments::{Common, TagOptions};
use super::exit::Exit;
use super::{json, list, output, refresh, search, setting, show};
use crate::app::start::{self, Ways};
use crate::config::Config;
use crate::fault::Fault;
use crate::index::Index;
use crate::job::index::{Grouping, ListSpec, Row, SearchScope, Source};
use crate::job::rules::RulesReport;
use crate::mail::clean::Clean;
use crate::mail::flags::{Flag, Flags};
use crate::mail::place::Place;
use crate::mail::tags;
use crate::query::Query;
use crate::rules::{self, Plan, Planner, What, Wish};
use crate::state::AccountState;

/// Runs the command.
pub(super) fn run(common: &Common, options: &TagOptions) -> Exit {
    let config = match setting::load("tag", common) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    if let Err(exit) = setting::accounts("tag", &config, None) {
        return exit;
    }
    let is_wish = |word: &&String| word.len() > 1 && (word.starts_with('+') || word.starts_with('-')) && *word != "--";
    let wishes = options.words.iter().take_while(is_wish).map(|word| read(word)).collect::<Result<Vec<_>, _>>();
    let wishes = match wishes {
        Ok(wishes) if !wishes.is_empty() => wishes,
        Ok(_) => return wrong("no tag is named; `tern tag +todo from:ada` gives one"),
        Err(why) => return wrong(&why),
    };
    let rest = options.words.get(wishes.len()..).unwrap_or_default();
    let rest = rest.strip_prefix(&["--".to_owned()]).unwrap_or(rest);
    if rest.is_empty() {
        // notmuch takes this for all messages; nobody types that on purpose.
        return wrong("no query or id follows");
    }
    let ids: Option<Vec<Place>> = rest.iter().map(|id| show::place_of(&config, id)).collect();
    let asked = if let Some(places) = ids {
        Asked::Places(places)
    } else {
        let text = rest.join(" ");
        match setting::saved("tag", &config).parse(&text, crate::app::now(), &start::zone()) {
            Ok(query) => Asked::Query(query),
            Err(error) => return search::point_at("tag", &text, &error),
        }
    };
    tag(&config, options, &wishes, &asked).unwrap_or_else(|fault| {
        output::fault("tag", &fault);
        Exit::of(&fault)
    })
}

/// Which messages are meant.
enum Asked {
    Query(Query),
    Places(Vec<Place>),
}

fn wrong(why: &str) -> Exit {
    output::error("tag", why);
    Exit::Usage
}

fn read(word: &str) -> Result<Wish, String> {
    let give = word.starts_with('+');
    let name = word.get(1..).unwrap_or_default();
    let flag = |flag| Ok(Wish { give, what: What::Flag(flag) });
    match name.to_lowercase().as_str() {
        "inbox" => Ok(Wish { give, what: What::Inbox }),
        "unread" => Ok(Wish { give: !give, what: What::Flag(Flag::Seen) }),
        "flagged" | "starred" => flag(Flag::Flagged),
        "replied" => flag(Flag::Answered),
        "passed" => flag(Flag::Forwarded),
        "draft" => flag(Flag::Draft),
        _ => match tags::typed(name) {
            Ok(tag) => {
                let what = What::Tag { name: name.trim().to_owned(), flags: Flags::none().with_keyword(tag) };
                Ok(Wish { give, what })
            }
            Err(no) => Err(format!("{} can be no tag: {no}", output::quoted(name))),
        },
    }
}

fn tag(config: &Config, options: &TagOptions, wishes: &[Wish], asked: &Asked) -> Result<Exit, Fault> {
    let (mut index, exit) = refresh::up_to_date("tag", config)?;
    let rows = match asked {
        Asked::Query(query) => {
            let source = Source::Search { query: query.clone(), scope: SearchScope::All };
            let list = ListSpec::new(source, Grouping::Flat);
            index.count(&list, &|| true)?;
            let total = index.rows(&list, 0, 0, None)?.total;
            index.rows(&list, 0, total, None)?.rows
        }
        Asked::Places(places) => {
            let mut rows = Vec::new();
            for place in places {
                match row_at(&mut index, place)? {
                    Some(row) => rows.push(row),
                    None => output::error("tag", format_args!("there is no message {}", json::place(place))),
                }
            }
            rows
        }
    };
    let mailboxes = index.mailboxes()?;
    let accounts = config.accounts.iter().map(AccountState::new).collect();
    let planner = Planner { accounts, mailboxes: &mailboxes, zone: start::zone() };
    let mut plan = Plan::default();
    let mut changed = 0usize;
    for row in &rows {
        let before = plan.changes.len();
        let files = index.files_of(row.message)?;
        planner.plan(row, &files, wishes, &mut plan);
        if plan.changes.len() > before {
            changed += 1;
            if options.dry_run {
                output::line(format_args!("{}  {}", words(wishes), list::line(row, &planner.zone)));
            }
        }
    }
    for why in &plan.closed {
        output::error("tag", why);
    }
    let done = if options.dry_run { Exit::Done } else { carry_out(config, &plan) };
    let (all, verb) = (rows.len(), if options.dry_run { "would be changed" } else { "changed" });
    output::note(format_args!("{all} found, {changed} {verb}: {}", words(wishes)));
    let missing = matches!(asked, Asked::Places(places) if places.len() > all);
    let partly = all == 0 || missing || !plan.closed.is_empty();
    let done = done.worse(exit);
    Ok(if partly { done.worse(Exit::Partly) } else { done })
}

/// The row of the message that lies there.
fn row_at(index: &mut Index, place: &Place) -> Result<Option<Row>, Fault> {
    let Some(message) = index.row_at(place)? else { return Ok(None) };
    let list = ListSpec::new(Source::Mailbox(place.mailbox.clone()), Grouping::Flat);
    Ok(index.rows(&list, 0, 1, Some(message))?.rows.into_iter().find(|row| row.message == message))
}

fn words(wishes: &[Wish]) -> Clean {
    let word = |wish: &Wish| {
        let (give, name) = match &wish.what {
            What::Inbox => (wish.give, "inbox"),
            What::Archive => (wish.give, "archive"),
            What::Folder(name) => (wish.give, name.as_str()),
            What::Flag(Flag::Seen) => (!wish.give, "unread"),
            What::Flag(Flag::Flagged) => (wish.give, "flagged"),
            What::Flag(Flag::Answered) => (wish.give, "replied"),
            What::Flag(Flag::Forwarded) => (wish.give, "passed"),
            What::Flag(Flag::Draft) => (wish.give, "draft"),
            What::Flag(Flag::Deleted) => (wish.give, "deleted"),
            What::Tag { name, .. } => (wish.give, name.as_str()),
        };
        format!("{}{name}", if give { '+' } else { '-' })
    };
    Clean::line(&wishes.iter().map(word).collect::<Vec<_>>().join(" "))
}

/// Changes files, then writes labels down.
fn carry_out(config: &Config, plan: &Plan) -> Exit {
    let hands = start::rules_env(config, &Ways::default()).hands;
    let (changed, faults) = (RefCell::new(Vec::new()), RefCell::new(Vec::new()));
    rules::carry_out(&hands, plan, &|report| match report {
        RulesReport::Changed(files) => changed.borrow_mut().push(files),
        RulesReport::Fault(fault) => faults.borrow_mut().push(fault),
        RulesReport::Labelled { .. } | RulesReport::Arrived(_) | RulesReport::Over { .. } => {}
    });
    // What no file's name tells only a database will remember.
    let untold = refresh::tell_database(config, &changed.into_inner());
    faults.into_inner().into_iter().chain(untold).fold(Exit::Done, |exit, fault| {
        output::fault("tag", &fault);
        exit.worse(Exit::of(&fault))
    })
}
