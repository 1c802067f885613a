//! The POP3 server of an account: how one signs in, what it can do, how much mail lies there and what becomes of it.

use std::sync::Arc;

use super::{POP3, channel, sign_in, stopped};
use crate::cli::doctor::finding::{Finding, Tell};
use crate::config::{Account, DeleteThere, Pop3, Retention};
use crate::login::{Secret, secret};
use crate::remote::pop3::{self, Facts, SecretProvider};

/// What can be offered, and what it costs where it is not.
const PATHS: [(&str, &str); 3] = [
    ("UIDL", "messages are told apart by their headers, and two that look the same are never removed"),
    ("TOP", "to look at a header, all of the message is fetched"),
    ("PIPELINING", "each message is asked for when the one before has come"),
];

const DAY: u64 = 86_400;

/// Signs in, looks and leaves.
pub(super) fn look(account: &Account, settings: &Pop3, typed: Option<Secret>, tell: &mut Tell) {
    let source = account.secret.clone();
    let provider: SecretProvider = Arc::new(move || typed.clone().map_or_else(|| secret::fetch(&source, None), Ok));
    let facts = match pop3::describe(account, &provider) {
        Err(fault) => return stopped(&fault, &POP3, tell),
        Ok(facts) => facts,
    };
    channel(&settings.server, facts.channel.as_ref(), &POP3, tell);
    sign_in(facts.mechanism, &settings.server, &POP3, tell);
    tell.tell(Finding::ok("pop3.server", &kind(&facts)));
    if facts.capabilities.is_empty() {
        tell.tell(Finding::ok("pop3.offers", "it does not say what it can do (CAPA): the usual is tried"));
    } else {
        let names: Vec<&str> = facts.capabilities.iter().map(AsRef::as_ref).collect();
        tell.tell(Finding::ok("pop3.offers", &names.join(", ")));
        for (name, cost) in PATHS.into_iter().filter(|(name, _)| !facts.offers(name)) {
            tell.tell(Finding::ok("pop3.without", &format!("no {name}: {cost}")));
        }
    }
    let (messages, bytes) = facts.mail;
    let text = format!("{messages} messages lie there, {} MiB; {}", bytes >> 20, fate(&settings.retention));
    tell.tell(Finding::ok("pop3.mail", &text));
    pauses(account, &facts, tell);
}

/// Who answers there.
fn kind(facts: &Facts) -> String {
    match facts.value("IMPLEMENTATION") {
        Some(name) if !name.is_empty() => name.to_owned(),
        _ if facts.greeting.is_empty() => "it does not say which it is".to_owned(),
        _ => format!("it greets with: {}", facts.greeting),
    }
}

/// What becomes of the mail there.
fn fate(retention: &Retention) -> String {
    let mut told = match retention.delete {
        DeleteThere::Never => "it stays there".to_owned(),
        DeleteThere::AtOnce => "it is removed there once it is safe here".to_owned(),
        DeleteThere::WhenDeleted => "what is deleted here is removed there".to_owned(),
    };
    if let Some(after) = retention.after {
        told.push_str(&format!("; after {} days it is removed", after.as_secs() / DAY));
    }
    if let Some(over) = retention.over {
        told.push_str(&format!("; what has over {} KiB is removed", over >> 10));
    }
    told
}

/// How often one may come (LOGIN-DELAY), and how long mail lies there at the most (EXPIRE; RFC 2449 §6).
fn pauses(account: &Account, facts: &Facts, tell: &mut Tell) {
    let number = |name: &str| facts.value(name)?.split(' ').next()?.parse::<u64>().ok();
    if let Some((delay, interval)) = number("LOGIN-DELAY").zip(account.sync.interval)
        && interval.as_secs() < delay
    {
        let text = format!("it wants {delay} seconds between two sessions, and the interval is shorter");
        let next = format!("interval = \"{delay}s\" or more in [accounts.{}.sync]", account.id.as_str());
        tell.tell(Finding::warn("pop3.pauses", &text).next(&next));
    }
    if let Some(days) = number("EXPIRE") {
        tell.tell(Finding::ok("pop3.keeps", &format!("it removes mail by itself after {days} days")));
    }
}
