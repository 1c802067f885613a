//! `tern outbox`: what waits to be sent, and what the user wants of it. Looking needs no right to
//! send; flushing does, and waits a while where another program has it.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::arguments::{Common, OutboxCommand};
use super::exit::Exit;
use super::{json, output, password, setting};
use crate::app::start::{self, Ways};
use crate::config::{Account, Config};
use crate::fault::{Cause, Doing, Fault};
use crate::job::OutboxReport;
use crate::job::outbox::{Entry, EntryId, EntryState, Resolution, Verdict};
use crate::login::secret::Secret;
use crate::mail::clean::Clean;
use crate::mail::ids::AccountId;
use crate::outbox::queue::{Bin, Queue};
use crate::outbox::wishes;
use crate::outbox::worker::{self, Flushed};

/// For how long a flush waits for another program that sends.
const PATIENCE: Duration = Duration::from_secs(30);
/// For how long `tern send --wait` waits for another program that sends.
const LONG_PATIENCE: Duration = Duration::from_mins(5);
/// How often it looks meanwhile.
const LOOK: Duration = Duration::from_secs(2);

/// Runs the command.
pub(super) fn run(common: &Common, command: &OutboxCommand) -> Exit {
    let config = match setting::load("outbox", common) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    let done = match command {
        OutboxCommand::List { json } => list(&config, *json),
        OutboxCommand::Retry { id } => retry(&config, id.as_deref(), common.offline),
        OutboxCommand::Rm { id } => change(&config, id, wishes::remove),
        OutboxCommand::Resolve { id, verdict } => {
            let resolution = if verdict == "sent" { Resolution::WasSent } else { Resolution::SendAgain };
            change(&config, id, |queue, id| wishes::resolve(queue, id, resolution))
        }
        OutboxCommand::Flush if common.offline => Ok(Exit::Done),
        OutboxCommand::Flush => flush(&config),
    };
    done.unwrap_or_else(|fault| {
        output::fault("outbox", &fault);
        Exit::of(&fault)
    })
}

fn list(config: &Config, as_json: bool) -> Result<Exit, Fault> {
    let (entries, faults) = wishes::entries(&config.paths.data, crate::app::now())?;
    for entry in &entries {
        if as_json {
            output::line(entry_as_json(entry));
        } else {
            let who: Vec<&str> = entry.recipients.iter().map(|(who, _)| who.as_str()).collect();
            output::line(format_args!(
                "{}  {}  {}  to {}: {}",
                entry.id.as_str(),
                Clean::line(entry.account.as_str()),
                words(&entry.state),
                who.join(", "),
                entry.subject
            ));
        }
    }
    for fault in &faults {
        output::fault("outbox", fault);
    }
    Ok(if faults.is_empty() { Exit::Done } else { Exit::Partly })
}

/// How it stands with an entry, in words.
fn words(state: &EntryState) -> String {
    match state {
        EntryState::Held(Some(until)) => format!("held until {}", json::time(*until)),
        EntryState::Held(None) => "held".to_owned(),
        EntryState::Queued => "queued".to_owned(),
        EntryState::Sending => "sending".to_owned(),
        EntryState::Deferred { attempts, next, why } => {
            let next = json::time(*next);
            format!("deferred after {attempts} attempts, next {next} ({why})")
        }
        EntryState::Paused { why } => format!("paused ({why})"),
        EntryState::Failed { why } => format!("failed ({why})"),
        EntryState::MaybeSent => "maybe sent".to_owned(),
    }
}

fn entry_as_json(entry: &Entry) -> Value {
    let (state, why) = match &entry.state {
        EntryState::Held(_) => ("held", None),
        EntryState::Queued => ("queued", None),
        EntryState::Sending => ("sending", None),
        EntryState::Deferred { why, .. } => ("deferred", Some(why)),
        EntryState::Paused { why } => ("paused", Some(why)),
        EntryState::Failed { why } => ("failed", Some(why)),
        EntryState::MaybeSent => ("maybe-sent", None),
    };
    let next = match &entry.state {
        EntryState::Held(until) => *until,
        EntryState::Deferred { next, .. } => Some(*next),
        _ => None,
    };
    let attempts = if let EntryState::Deferred { attempts, .. } = &entry.state { Some(*attempts) } else { None };
    let recipients: Vec<Value> = entry.recipients.iter().map(|(who, verdict)| recipient(who, verdict)).collect();
    json!({
        "v": 1,
        "id": entry.id.as_str(),
        "account": Clean::line(entry.account.as_str()).as_str(),
        "state": state,
        "why": why.map(Clean::as_str),
        "next": next.map(json::time),
        "attempts": attempts,
        "recipients": recipients,
        "subject": entry.subject.as_str(),
        "queued": json::time(entry.queued_at),
        "size": entry.size,
    })
}

fn recipient(who: &Clean, verdict: &Verdict) -> Value {
    let (word, reply) = match verdict {
        Verdict::Pending => ("pending", None),
        Verdict::Accepted => ("accepted", None),
        Verdict::Deferred(reply) => ("deferred", Some(reply)),
        Verdict::Refused(reply) => ("refused", Some(reply)),
    };
    json!({ "addr": who.as_str(), "verdict": word, "reply": reply.map(Clean::as_str) })
}

/// The entry of that name, which a user typed.
fn named(id: &str) -> Result<EntryId, Fault> {
    EntryId::new(id).ok_or_else(|| {
        Fault::new(Doing::Queueing, id, Cause::Missing).detail("that is no entry's name; see `tern outbox list`")
    })
}

fn change(config: &Config, id: &str, act: impl FnOnce(&Queue, &EntryId) -> Result<(), Fault>) -> Result<Exit, Fault> {
    act(&Queue::open(&config.paths.data)?, &named(id)?)?;
    Ok(Exit::Done)
}

/// Makes one or all due at once, and sends.
fn retry(config: &Config, id: Option<&str>, offline: bool) -> Result<Exit, Fault> {
    let queue = Queue::open(&config.paths.data)?;
    match id {
        Some(id) => wishes::retry(&queue, &named(id)?)?,
        None => {
            for listed in queue.list()?.entries.iter().filter(|listed| listed.bin == Bin::Deferred) {
                wishes::retry(&queue, &listed.id)?;
            }
        }
    }
    if offline { Ok(Exit::Done) } else { flush(config) }
}

/// Sends what is due. While another program sends, it waits for its turn: that one may be about to
/// end and not see what has just been queued.
fn flush(config: &Config) -> Result<Exit, Fault> {
    let until = Instant::now() + PATIENCE;
    let typed = password::ask(senders(config, &config.accounts)?, &|| false);
    loop {
        let flushed = send_due("outbox", config, config.accounts.clone(), typed.clone())?;
        if flushed.left == 0 {
            return Ok(Exit::Done);
        }
        if !has_untried(config)? || Instant::now() >= until {
            return Ok(Exit::Later);
        }
        std::thread::sleep(LOOK);
    }
}

/// Is there an entry whose turn has not come?
fn has_untried(config: &Config) -> Result<bool, Fault> {
    let (entries, _) = wishes::entries(&config.paths.data, crate::app::now())?;
    let can_send = |entry: &Entry| config.account(&entry.account).is_some_and(|account| account.submit.is_some());
    let waits = |entry: &Entry| matches!(entry.state, EntryState::Queued | EntryState::Sending);
    Ok(entries.iter().any(|entry| waits(entry) && can_send(entry)))
}

/// Those of the accounts that have something to send.
pub(super) fn senders<'a>(config: &Config, accounts: &'a [Account]) -> Result<Vec<&'a Account>, Fault> {
    let (entries, _) = wishes::entries(&config.paths.data, crate::app::now())?;
    let waits = |account: &&Account| entries.iter().any(|entry| entry.account == account.id);
    Ok(accounts.iter().filter(|account| account.submit.is_some()).filter(waits).collect())
}

/// Sends what is due of these accounts, and tells what went wrong.
pub(super) fn send_due(
    command: &str,
    config: &Config,
    accounts: Vec<Account>,
    typed: password::Typed,
) -> Result<Flushed, Fault> {
    let mut env = start::outbox_env(config, &Ways::default());
    env.accounts = accounts;
    let way = env.way.clone();
    let typed: std::collections::BTreeMap<AccountId, Secret> =
        typed.into_iter().map(|(account, text)| (account, Secret::new(text.to_string()))).collect();
    env.way = std::sync::Arc::new(move |account, secret| way(account, secret.or_else(|| typed.get(&account.id))));
    worker::run_once(env, Duration::ZERO, &|report| {
        if let OutboxReport::Failed { fault, .. } = report {
            output::fault(command, &fault);
        }
    })
}

/// Sends one entry, which was just queued, and says what came of it.
pub(super) fn flush_one(config: &Config, entry: &EntryId) -> Exit {
    match wait_for(config, entry) {
        Ok(exit) => exit,
        Err(fault) => {
            output::fault("send", &fault);
            output::note("  the message is queued: see `tern outbox list`");
            Exit::of(&fault)
        }
    }
}

fn wait_for(config: &Config, id: &EntryId) -> Result<Exit, Fault> {
    let queue = Queue::open(&config.paths.data)?;
    let until = Instant::now() + LONG_PATIENCE;
    let typed = password::ask(senders(config, &config.accounts)?, &|| false);
    let refused_sign_in = RefCell::new(false);
    loop {
        let mut env = start::outbox_env(config, &Ways::default());
        let way = env.way.clone();
        let secrets: std::collections::BTreeMap<AccountId, Secret> =
            typed.iter().map(|(account, text)| (account.clone(), Secret::new(text.to_string()))).collect();
        env.way = std::sync::Arc::new(move |account, secret| way(account, secret.or_else(|| secrets.get(&account.id))));
        worker::run_once(env, LOOK, &|report| {
            if let OutboxReport::Failed { entry: Some(entry), fault } = report
                && entry == *id
            {
                *refused_sign_in.borrow_mut() = fault.cause == Cause::SignInRefused;
                output::fault("send", &fault);
            }
        })?;
        let state = match queue.find(id) {
            // It went out, and its copy too, or only that is owed.
            None | Some(Bin::Sent) => return Ok(Exit::Done),
            Some(_) => {
                let (entries, _) = wishes::entries(&config.paths.data, crate::app::now())?;
                entries.into_iter().find(|entry| entry.id == *id)
            }
        };
        if let Some(exit) = state.as_ref().and_then(|entry| verdict(entry, *refused_sign_in.borrow())) {
            return Ok(exit);
        }
        if Instant::now() >= until {
            output::error("send", "another program is sending; the message is queued");
            return Ok(Exit::Later);
        }
    }
}

/// The code for a message that could not be sent now; `None`: its turn has not come yet.
fn verdict(entry: &Entry, refused_sign_in: bool) -> Option<Exit> {
    match &entry.state {
        EntryState::Queued | EntryState::Sending | EntryState::Held(Some(_)) => None,
        EntryState::Deferred { why, .. } => {
            output::error("send", format_args!("not sent yet: {why}"));
            output::note("  it is tried again by the next `tern`, `tern sync` or `tern outbox flush`");
            Some(Exit::Later)
        }
        EntryState::Paused { .. } if refused_sign_in => Some(Exit::SignIn),
        EntryState::Paused { .. } | EntryState::Held(None) => Some(Exit::Config),
        EntryState::Failed { .. } => Some(class(entry)),
        EntryState::MaybeSent => {
            output::note(format_args!("  next: `tern outbox resolve {} sent` or `again`", entry.id.as_str()));
            Some(Exit::Partly)
        }
    }
}

/// Was it the recipients that the server refused, or the message?
fn class(entry: &Entry) -> Exit {
    let unknown = |reply: &Clean| {
        let mut words = reply.as_str().split([' ', '-']);
        let code = words.next().unwrap_or_default();
        let detail = words.next().unwrap_or_default();
        detail.starts_with("5.1.") || (!detail.starts_with("5.") && matches!(code, "550" | "551" | "553"))
    };
    let mut refused = entry.recipients.iter().filter_map(|(_, verdict)| match verdict {
        Verdict::Refused(reply) => Some(reply),
        _ => None,
    });
    if refused.any(unknown) { Exit::NoRecipient } else { Exit::Unavailable }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::ids::Timestamp;

    fn entry(state: EntryState, reply: &str) -> Entry {
        Entry {
            id: EntryId::new("e").unwrap(),
            account: AccountId::new("ada"),
            recipients: vec![(Clean::line("bob@y"), Verdict::Refused(Clean::line(reply)))],
            subject: Clean::empty(),
            state,
            queued_at: Timestamp::new(0),
            size: 1,
            transcript: Vec::new(),
        }
    }

    #[test]
    fn exit_codes_by_the_class_of_the_reply() {
        let why = Clean::empty;
        let failed = |reply| verdict(&entry(EntryState::Failed { why: why() }, reply), false);
        assert_eq!(failed("550 5.1.1 no such user"), Some(Exit::NoRecipient));
        assert_eq!(failed("550 no such user"), Some(Exit::NoRecipient));
        assert_eq!(failed("550 5.7.1 spam"), Some(Exit::Unavailable));
        assert_eq!(failed("552 too big"), Some(Exit::Unavailable));
        let paused = |refused| verdict(&entry(EntryState::Paused { why: why() }, ""), refused);
        assert_eq!((paused(true), paused(false)), (Some(Exit::SignIn), Some(Exit::Config)));
        let deferred = EntryState::Deferred { attempts: 1, next: Timestamp::new(9), why: why() };
        assert_eq!(verdict(&entry(deferred, ""), false), Some(Exit::Later));
        assert_eq!(verdict(&entry(EntryState::Queued, ""), false), None);
    }
}
