//! `tern tag`: gives all that a query finds tags, and takes tags away, in notmuch's manner. What is changed is changed
//! in the Maildir at once, and labels are written down; the next sync tells the server.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::mpsc::sync_channel;

use jiff::tz::TimeZone;

use super::arguments::{Common, TagOptions};
use super::exit::Exit;
use super::{change, json, list, output, refresh, search, setting, show};
use crate::app::start;
use crate::config::Config;
use crate::fault::Fault;
use crate::index::Index;
use crate::job::files::FilesJob;
use crate::job::index::{Grouping, ListSpec, MailboxRow, Row, SearchScope, Source};
use crate::job::{SyncJob, SyncReport, Ticket};
use crate::mail::clean::Clean;
use crate::mail::flags::{Flag, Flags};
use crate::mail::labels::{Label, Labels};
use crate::mail::mailbox::Role;
use crate::mail::place::{MailboxId, Place};
use crate::mail::tags;
use crate::query::Query;
use crate::state::AccountState;
use crate::sync;

/// One `+TAG` or `-TAG`.
#[derive(Debug, Clone, PartialEq)]
struct Wish {
    give: bool,
    what: What,
}

/// What is given or taken.
#[derive(Debug, Clone, PartialEq)]
enum What {
    /// Being in the inbox.
    Inbox,
    /// Flags; of `unread` the contrary.
    Flag(Flag),
    /// A tag.
    Tag { name: String, flags: Flags },
}

/// What is done to one file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
struct Change {
    add: Flags,
    remove: Flags,
    to: Option<MailboxId>,
}

/// All that is to be done, and what cannot be.
#[derive(Debug, Default)]
struct Plan {
    changes: BTreeMap<Place, Change>,
    /// Why something cannot be done, each once.
    closed: BTreeSet<String>,
}

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
    let mut index = refresh::up_to_date("tag", config)?;
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

/// Decides what wishes mean to each file of a message.
struct Planner<'a> {
    accounts: Vec<AccountState>,
    mailboxes: &'a [MailboxRow],
    zone: TimeZone,
}

impl Planner<'_> {
    fn plan(&self, row: &Row, files: &[(Place, Flags)], wishes: &[Wish], plan: &mut Plan) {
        for (place, flags) in files {
            let labels = self.labels_of(&place.mailbox);
            let (mut add, mut remove) = (Flags::none(), Flags::none());
            let mut to = None;
            for wish in wishes {
                let meant = match (&wish.what, &labels) {
                    (What::Flag(flag), _) => Flags::only(*flag),
                    (What::Inbox, Some(_)) => one(Label::Inbox),
                    (What::Inbox, None) => {
                        to = self.carried(row, place, files, wish.give).or(to);
                        continue;
                    }
                    (What::Tag { flags, .. }, None) => flags.clone(),
                    (What::Tag { name, flags }, Some(known)) => match known.iter().find(|label| is_called(label, name))
                    {
                        Some(label) => one(label.clone()),
                        // A keyword that it has from elsewhere can be taken away all the same.
                        None if !wish.give => flags.clone(),
                        None => {
                            let account = &place.mailbox.account;
                            let name = output::quoted(name);
                            plan.closed.insert(format!(
                                "{account}: there is no label {name}; `tern folders create {name}` makes it"
                            ));
                            continue;
                        }
                    },
                };
                let (here, there) = if wish.give { (&mut add, &mut remove) } else { (&mut remove, &mut add) };
                *here = here.union(&meant);
                *there = there.minus(&meant);
            }
            let change = Change { add: add.minus(flags), remove: remove.common(flags), to };
            if change != Change::default() {
                plan.changes.insert(place.clone(), change);
            }
        }
    }

    /// The labels that messages of this mailbox can be given, where it is a home of such.
    fn labels_of(&self, mailbox: &MailboxId) -> Option<Vec<Label>> {
        let shows = self.mailboxes.iter().filter_map(|row| row.shows.as_ref());
        let labels: Vec<Label> =
            shows.filter(|shows| shows.home == *mailbox).map(|shows| shows.label.clone()).collect();
        (!labels.is_empty()).then_some(labels)
    }

    /// Where a file goes that shall be, or shall not be, in the inbox.
    fn carried(&self, row: &Row, place: &Place, files: &[(Place, Flags)], into: bool) -> Option<MailboxId> {
        let account = self.accounts.iter().find(|account| account.id == place.mailbox.account)?;
        let inbox = account.inbox();
        match (into, place.mailbox == inbox) {
            (false, true) => Some(account.mailbox_for(Role::Archive, self.mailboxes, row.date, &self.zone)),
            // Of several copies one comes back.
            (true, false) if *place == row.place => {
                let there = files.iter().any(|(place, _)| place.mailbox == inbox);
                (!there).then_some(inbox)
            }
            (true | false, _) => None,
        }
    }
}

fn one(label: Label) -> Flags {
    Flags::none().with_labels(&std::iter::once(label).collect())
}

/// Is that what somebody calls a label?
fn is_called(label: &Label, name: &str) -> bool {
    match label {
        Label::Named(known) => known.as_str().to_lowercase() == name.to_lowercase(),
        Label::Important => name.eq_ignore_ascii_case("important"),
        // What was sent or is a draft is not so by a wish; the others have words of their own.
        Label::Inbox | Label::Sent | Label::Starred | Label::Draft => false,
    }
}

/// Changes files, then writes labels down, then moves.
fn carry_out(config: &Config, plan: &Plan) -> Exit {
    let mut flagged: BTreeMap<(Flags, Flags), Vec<Place>> = BTreeMap::new();
    let mut labelled: BTreeMap<(&str, Labels, Labels), Vec<Place>> = BTreeMap::new();
    let mut moved: BTreeMap<&MailboxId, Vec<Place>> = BTreeMap::new();
    for (place, Change { add, remove, to }) in &plan.changes {
        let (add_labels, remove_labels) = (add.labels(), remove.labels());
        let (add, remove) = (add.without_labels(), remove.without_labels());
        if !(add.is_empty() && remove.is_empty()) {
            flagged.entry((add, remove)).or_default().push(place.clone());
        }
        if !(add_labels.is_empty() && remove_labels.is_empty()) {
            let account = place.mailbox.account.as_str();
            labelled.entry((account, add_labels, remove_labels)).or_default().push(place.clone());
        }
        if let Some(to) = to {
            moved.entry(to).or_default().push(place.clone());
        }
    }
    let flag = |((add, remove), places)| FilesJob::SetFlags { ticket: Ticket::default(), places, add, remove };
    let carry = |(to, places): (&MailboxId, _)| FilesJob::Move { ticket: Ticket::default(), places, to: to.clone() };
    let files = flagged.into_iter().map(flag).chain(moved.into_iter().map(carry)).collect();
    let label = |((_, add, remove), places)| SyncJob::Label { ticket: Ticket::default(), places, add, remove };
    let (changed, failed) = change::files(config, files);
    // What no file's name tells only a database will remember.
    let untold = refresh::tell_database(config, &changed);
    let faults =
        failed.into_iter().chain(untold).chain(write_labels(config, labelled.into_iter().map(label).collect()));
    faults.fold(Exit::Done, |exit, fault| {
        output::fault("tag", &fault);
        exit.worse(Exit::of(&fault))
    })
}

fn write_labels(config: &Config, jobs: Vec<SyncJob>) -> Vec<Fault> {
    if jobs.is_empty() {
        return Vec::new();
    }
    let envs = start::sync_envs(config, &start::Ways::default());
    let (send, receive) = sync_channel(jobs.len());
    for job in jobs {
        drop(send.send(job));
    }
    drop(send);
    let faults = Mutex::new(Vec::new());
    sync::notes::run(&envs, &receive, &|report| {
        let (SyncReport::Labelled { result: Err(fault), .. } | SyncReport::Fault(fault)) = report else { return };
        if let Ok(mut faults) = faults.lock() {
            faults.push(fault);
        }
    });
    faults.into_inner().unwrap_or_default()
}
