//! The Maildir of an account: is it there, may it be written, is there room, are the names in order, and
//! who else works on it.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::finding::{Finding, Tell, Verdict};
use crate::app;
use crate::cli::exit::Exit;
use crate::cli::output;
use crate::config::{Account, Config, Engine};
use crate::fault::{Doing, Fault};
use crate::job::sync::Keeper;
use crate::ledger::keeper::{self, Kept};
use crate::mail::clean::Clean;
use crate::mail::ids::Timestamp;
use crate::mail::mailbox::MailboxName;
use crate::store::folders::Root;
use crate::store::health::{self, Health};
use crate::store::signs::{Sign, Signs};
use crate::sync::rivals::{Standing, ago, standing};

/// Below this it is told.
const LITTLE: u64 = 1 << 30;
/// Signs of other programs are dated in nanoseconds.
const SECOND: i64 = 1_000_000_000;
/// How far ahead of the clock a directory may have changed: a day, for zones and other machines.
const AHEAD: i64 = 24 * 3600;

/// Looks at the account's Maildir.
pub(super) fn look(account: &Account, config: &Config, tell: &mut Tell) {
    let paths = &config.paths;
    let path = &account.maildir;
    let shown = output::path(path);
    if !path.is_dir() {
        tell.tell(missing(account, path));
        return;
    }
    space(path, tell);
    let folders = Root { path: path.clone(), layout: account.layout }.list();
    for fault in &folders.faults {
        tell.tell(Finding::fail("maildir.folders", fault));
    }
    let now = app::now();
    let mut seen: Vec<(MailboxName, Health)> = Vec::new();
    for (name, directory) in &folders.found {
        match health::examine(directory, now) {
            Ok(health) => seen.push((name.clone(), health)),
            Err(fault) => tell.tell(Finding::fail("maildir.folders", &fault)),
        }
    }
    let messages: usize = seen.iter().map(|(_, health)| health.messages).sum();
    let text = format!("{messages} messages in {} folders in {shown}", seen.len());
    tell.tell(Finding::ok("maildir", &text));
    for (name, health) in &seen {
        troubles(name, health, tell);
    }
    if seen.iter().any(|(_, health)| health.open_to_others) && others_get_to(path) {
        let finding = Finding::warn("maildir.private", "others on this machine may look into the mail");
        tell.tell(finding.next(&format!("type: chmod -R go= {shown}")));
    }
    newest(&seen, now, tell);
    let shelf = Signs::below(Some(&paths.home));
    let signs: Vec<Sign> = folders.found.iter().filter_map(|(name, directory)| shelf.of(directory, name)).collect();
    let found = rival(account, &signs, keeper::peek(&paths.data, &account.id), now);
    let directories: Vec<_> = folders.found.into_values().collect();
    neighbours((account, config.search.engine), &directories, found, tell);
}

fn missing(account: &Account, path: &Path) -> Finding {
    let shown = output::path(path);
    if path.exists() {
        let fault =
            Fault::new(Doing::Reading, shown.as_str(), crate::fault::Cause::Config).detail("it is no directory");
        return Finding::fail("maildir", &fault).next("set `maildir` of the account to a directory");
    }
    let text = format!("there is no directory {shown}");
    if account.incoming().is_some() {
        let next = "`tern sync` makes it; if it should be there, is its disk mounted?";
        return Finding::warn("maildir", &text).next(next);
    }
    Finding::new("maildir", Verdict::Fail(Exit::Missing), &text)
        .next("set `maildir` of the account to where its mail lies, or add `imap`")
}

fn space(path: &Path, tell: &mut Tell) {
    let Some(free) = health::free_space(path) else { return };
    let told = format!("{} MiB are free where the mail lies", free >> 20);
    tell.tell(match free {
        _ if free < health::floor() => {
            Finding::new("maildir.space", Verdict::Fail(Exit::Disk), &format!("{told}; nothing is fetched"))
                .next("free some space")
        }
        0..LITTLE => Finding::warn("maildir.space", &told).next("free some space"),
        _ => Finding::ok("maildir.space", &told),
    });
}

/// May others on this machine get as far as this directory? One that is closed above it keeps them out.
fn others_get_to(path: &Path) -> bool {
    path.ancestors().all(|above| above.metadata().is_ok_and(|about| about.mode() & 0o011 != 0))
}

/// What is wrong with one folder.
fn troubles(name: &MailboxName, health: &Health, tell: &mut Tell) {
    let name = Clean::line(name.as_str());
    if !health.missing.is_empty() {
        let text = format!("{name} has no {}", health.missing.join(" and no "));
        tell.tell(Finding::warn("maildir.parts", &text).next("the next `tern sync` or `tern` makes what is missing"));
    }
    if !health.read_only.is_empty() {
        let text = format!("{name}: nothing may be written into {}", health.read_only.join(", "));
        let finding = Finding::new("maildir.rights", Verdict::Fail(Exit::Disk), &text);
        tell.tell(finding.next("give yourself the right to: chmod -R u+rwX, chown, or mount it for writing"));
    }
    if health.leftovers > 0 {
        let text = format!("{name}: {} files in tmp are older than 36 hours", health.leftovers);
        tell.tell(Finding::warn("maildir.tmp", &text).next("what is tern's own goes by itself; look at the others"));
    }
    if let Some((count, example)) = &health.odd {
        let text = format!("{name}: {count} files have no name of a message, e.g. {example}");
        tell.tell(Finding::warn("maildir.names", &text).next("move them elsewhere: no mail program shows them"));
    }
    if let Some((count, example)) = &health.doubled {
        let text = format!("{name}: {count} files have a name or a number that is there already, e.g. {example}");
        tell.tell(Finding::warn("maildir.doubles", &text).next("one of each is a copy that another program made"));
    }
}

/// What changed in the future tells that a clock is wrong, or was.
fn newest(seen: &[(MailboxName, Health)], now: Timestamp, tell: &mut Tell) {
    let newest = seen.iter().map(|(_, health)| health.changed.get()).max().unwrap_or(0);
    if newest > now.get() + AHEAD {
        let text = format!("a folder changed {} hours after what the clock says now", (newest - now.get()) / 3600);
        tell.tell(Finding::warn("maildir.clock", &text).next("check this machine's clock and that of the file server"));
    }
}

/// Another program that syncs this mail, or did: by its own files, and by what the ledger remembers of it.
fn rival(account: &Account, signs: &[Sign], kept: Option<Kept>, now: Timestamp) -> Option<Finding> {
    const CHECK: &str = "maildir.others";
    let latest = signs.iter().max_by_key(|sign| sign.written);
    let program = latest.map_or("another program", |sign| sign.keeper.name());
    let written = latest.map_or(0, |sign| sign.written);
    let seen = kept.map_or(written, |kept| kept.seen.max(written));
    if latest.is_none() && kept.is_none() {
        return None;
    }
    let wrote = format!("it wrote last {}", ago(now.get().saturating_sub(seen / SECOND)));
    let stop = match latest.map(|sign| sign.keeper) {
        Some(Keeper::OfflineImap) => "stop OfflineIMAP, with its timer, and answer what `tern sync` asks",
        Some(Keeper::Mbsync) => "stop mbsync, with its timer, and answer what `tern sync` asks",
        None => "stop it, with its timer, and answer what `tern sync` asks",
    };
    if account.incoming().is_none() {
        return Some(Finding::ok(CHECK, &format!("{program} syncs this Maildir: {wrote}")));
    }
    let stirred = signs.iter().map(|sign| sign.stirred).max().unwrap_or(0);
    let stands = standing(Kept { seen, retired: kept.and_then(|kept| kept.retired) }, stirred, now.get());
    Some(match (stands, kept) {
        (Standing::Retired, _) => Finding::ok(CHECK, &format!("{program} gave way to tern, for good so far: {wrote}")),
        (Standing::Resting, _) => Finding::ok(CHECK, &format!("{program} synced this Maildir once: {wrote}")),
        (Standing::Alive, Some(Kept { retired: Some(_), .. })) => {
            let text =
                format!("{program} gave way to tern and is at work again ({wrote}): nothing is fetched or uploaded");
            Finding::warn(CHECK, &text).next(stop)
        }
        (Standing::Alive, Some(_)) => {
            let text = format!("{program} syncs the same mail ({wrote}): nothing is fetched or uploaded beside it");
            Finding::warn(CHECK, &text).next(stop)
        }
        // No round has compared its epoch with the server's yet.
        (Standing::Alive, None) => {
            let text = format!("{program} works on this Maildir too: {wrote}");
            Finding::warn(CHECK, &text).next(stop)
        }
    })
}

/// Other programs that work on the same mail; `rival` is what was found of one that syncs it.
fn neighbours(
    (account, engine): (&Account, Engine),
    directories: &[std::path::PathBuf],
    rival: Option<Finding>,
    tell: &mut Tell,
) {
    let has = |name: &str| {
        account.maildir.join(name).exists() || directories.iter().any(|directory| directory.join(name).exists())
    };
    if let Some(rival) = rival {
        tell.tell(rival);
    } else if has(".mbsyncstate") || has(".uidvalidity") {
        let text = "mbsync works on this Maildir too";
        tell.tell(if account.incoming().is_some() {
            Finding::warn("maildir.others", text)
                .next("stop mbsync; as long as it may run, `tern sync` asks before it fetches or uploads")
        } else {
            Finding::ok("maildir.others", text)
        });
    }
    if has("dovecot-uidlist") {
        tell.tell(Finding::ok("maildir.others", "Dovecot serves this Maildir too; its own files are left alone"));
    }
    if has(".notmuch") {
        let text = match engine {
            Engine::Own => "notmuch has a database here; it is left alone",
            Engine::Notmuch => "notmuch has a database here",
        };
        tell.tell(Finding::ok("maildir.others", text));
    }
}
