//! The program's own files: ledger, index, outbox, and who else is at work on them.

use std::path::Path;

use super::finding::{Finding, Tell, Verdict};
use crate::app::{self, start};
use crate::config::{Account, Config};
use crate::fault::{Cause, Fault};
use crate::index::Stands;
use crate::outbox::queue::{Bin, Listing, Queue};
use crate::{index, ledger, sync};

/// A letter that waits longer than this deserves a look: a day.
const LONG: i64 = 24 * 3600;

/// Looks at what all accounts share.
pub(super) fn look(config: &Config, tell: &mut Tell) {
    tell.tell(match ledger::health::examine(&config.paths.data) {
        Ok(None) => Finding::ok("ledger", "there is none yet; the first sync makes it"),
        Ok(Some(health)) => {
            let messages: i64 = health.agreed.values().map(|(_, messages)| messages).sum();
            let pending = match health.intents {
                0 => String::new(),
                count => format!("; {count} steps were begun and not confirmed, which the next sync settles"),
            };
            Finding::ok("ledger", &format!("whole; both sides agree on {messages} messages{pending}"))
        }
        Err(fault) => {
            let next = "no mail is in it: the next `tern sync` sets it aside and begins a new one";
            damaged("ledger", &fault, next)
        }
    });
    let file = start::index_file(config);
    if index::stands(&file) == Stands::Outdated {
        let words = "it was made by another version of tern, and serves until a new one is made";
        tell.tell(Finding::ok("index", words).next("start tern, or run `tern index`"));
        outbox(config, tell);
        return;
    }
    tell.tell(match index::health::examine(&file) {
        Ok(None) => Finding::ok("index", "there is none yet; it is made from the mail"),
        Ok(Some(health)) => {
            let waiting = match health.waiting {
                0 => String::new(),
                count => format!("; {count} are not in the full text yet"),
            };
            Finding::ok("index", &format!("whole; {} messages{waiting}", health.messages))
        }
        Err(fault) => damaged("index", &fault, "run `tern index --rebuild`: it is made anew from the mail"),
    });
    if let Some(engine) = start::engine(config) {
        tell.tell(notmuch(config, &engine));
    }
    outbox(config, tell);
}

fn notmuch(config: &Config, engine: &index::Notmuch) -> Finding {
    const CHECK: &str = "search.notmuch";
    let directories: Vec<&Path> = config.accounts.iter().map(|account| account.maildir.as_path()).collect();
    let health = match index::examine_notmuch(engine, &directories) {
        Ok(health) => health,
        Err(fault) => {
            let next = "run `notmuch config list` and `notmuch count`; the index of tern answers searches meanwhile";
            return Finding::fail(CHECK, &fault).next(next);
        }
    };
    let mut text = format!("{} answers searches and keeps the tags", health.database.display());
    if !health.synchronizes_flags {
        text.push_str("; tags and flags of files are not kept the same (maildir.synchronize_flags)");
    }
    if health.waiting > 0 {
        text.push_str(&format!("; {} changes wait to be written", health.waiting));
    }
    if let Some(outside) = health.outside.first() {
        let text = format!("{text}; it has no mail of {}", outside.display());
        let next = format!("its mail is below {} (database.mail_root)", health.mail_root.display());
        return Finding::warn(CHECK, &text).next(&next);
    }
    if health.is_locked {
        text.push_str("; another program writes just now");
    }
    Finding::ok(CHECK, &text)
}

fn damaged(check: &'static str, fault: &Fault, next: &str) -> Finding {
    let finding = Finding::fail(check, fault);
    if fault.cause == Cause::Damaged { finding.next(next) } else { finding }
}

fn outbox(config: &Config, tell: &mut Tell) {
    // Opening makes what is not there, so it is only opened where it is.
    if !config.paths.data.join("outbox").is_dir() {
        tell.tell(Finding::ok("outbox", "nothing was ever sent from here"));
        return;
    }
    tell.tell(match Queue::open(&config.paths.data).and_then(|queue| queue.list()) {
        Err(fault) => Finding::fail("outbox", &fault),
        Ok(listing) => judge(&listing, app::now().get()),
    });
}

fn judge(listing: &Listing, now: i64) -> Finding {
    let count = |bin: Bin| listing.entries.iter().filter(|entry| entry.bin == bin).count();
    let waiting: Vec<_> =
        listing.entries.iter().filter(|e| matches!(e.bin, Bin::Queued | Bin::Deferred | Bin::Sending)).collect();
    let oldest = waiting.iter().map(|entry| entry.head.queued_at.get()).min();
    let (failed, maybe) = (count(Bin::Failed), count(Bin::Maybe) + count(Bin::Held));
    let unreadable = listing.unreadable.len();
    if failed + maybe + unreadable > 0 {
        let text = format!(
            "{} wait, {failed} were refused, {maybe} want a word of yours, {unreadable} cannot be read",
            waiting.len()
        );
        return Finding::warn("outbox", &text).next("run `tern outbox list`");
    }
    match oldest {
        None => Finding::ok("outbox", "empty"),
        Some(oldest) if now - oldest > LONG => {
            let text = format!("{} wait, the oldest since {} hours", waiting.len(), (now - oldest) / 3600);
            Finding::warn("outbox", &text).next("run `tern outbox list`, then `tern outbox flush`")
        }
        Some(_) => Finding::ok("outbox", &format!("{} wait", waiting.len())),
    }
}

/// Looks at what is one account's.
pub(super) fn look_at_account(account: &Account, config: &Config, tell: &mut Tell) {
    if account.incoming().is_some() && sync::worker::is_syncing(&config.paths.data, &account.id) {
        tell.tell(Finding::ok("sync.lock", "another tern syncs this account just now"));
    }
    if account.submit.is_none() {
        let finding =
            Finding::new("submit", Verdict::Warn, "nothing can be sent: there is no `smtp` and no `sendmail`");
        tell.tell(finding.next("add `smtp` to the account, if you want to send from it"));
    }
}
