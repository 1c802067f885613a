//! `tern sync`: sends what waits, brings server and Maildir together once, and then the index up to
//! date. One thread an account; what they report is told here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, atomic::AtomicBool};
use std::time::{Duration, Instant};

use serde_json::json;

use super::arguments::{Common, SyncOptions};
use super::exit::Exit;
use super::output::{self, Progress};
use super::refresh;
use super::{forecast, outbox, password, setting};
use crate::app::refresh::Roles;
use crate::app::start::{self, Ways};
use crate::app::{signals, workers};
use crate::config::{Account, Config};
use crate::fault::{Cause, Doing, Fault, Scope};
use crate::job::SyncReport;
use crate::job::shell::Hidden;
use crate::job::sync::{Counts, FolderChange, Keeper, SyncState};
use crate::mail::clean::Clean;
use crate::mail::ids::AccountId;
use crate::mail::mailbox::MailboxName;
use crate::mail::place::MailboxId;
use crate::sync;
use crate::sync::forecast::Forecast;
use crate::sync::worker::Summary;

/// How long a thread may take to reach the end of its step after a wish to stop.
const GRACE: Duration = Duration::from_secs(10);
/// How often the wish to stop is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Runs the command.
pub(super) fn run(common: &Common, options: &SyncOptions) -> Exit {
    let config = match setting::load("sync", common) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    let accounts: Vec<Account> = match setting::accounts("sync", &config, options.account.as_deref()) {
        Ok(accounts) => accounts.into_iter().cloned().collect(),
        Err(exit) => return exit,
    };
    let Some(only) = options.folders.iter().map(|name| MailboxName::new(name)).collect::<Option<BTreeSet<_>>>() else {
        output::error("sync", "a folder's name is empty");
        return Exit::Usage;
    };
    let stop = match signals::wish_to_stop() {
        Ok(stop) => stop,
        Err(fault) => {
            output::fault("sync", &fault);
            return Exit::of(&fault);
        }
    };
    let send = !options.no_send && !common.offline;
    let mut work = Work { config: &config, options, only, stop, telling: Telling::new(options) };
    work.run(&accounts, send)
}

/// What is told on the way, and what it comes to.
struct Telling<'a> {
    options: &'a SyncOptions,
    progress: Progress,
    exit: Exit,
    /// What was done, by mailbox; told when its account is over.
    done: BTreeMap<MailboxId, Counts>,
    roles: Roles,
    /// The folders that there are.
    seen: BTreeSet<MailboxName>,
}

/// A run of the command.
struct Work<'a> {
    config: &'a Config,
    options: &'a SyncOptions,
    only: BTreeSet<MailboxName>,
    stop: Arc<AtomicBool>,
    telling: Telling<'a>,
}

/// What the threads say.
enum Said {
    Report(SyncReport),
    Over(AccountId, Result<Summary, Fault>),
    Foreseen(Box<sync::Env>, Box<Result<Forecast, Fault>>),
}

impl Work<'_> {
    fn run(&mut self, accounts: &[Account], send: bool) -> Exit {
        let stop = Arc::clone(&self.stop);
        let stopping = move || stop.load(Ordering::SeqCst);
        let senders = if send { outbox::senders(self.config, accounts) } else { Ok(Vec::new()) };
        let senders: Vec<AccountId> = match senders {
            Ok(senders) => senders.into_iter().map(|account| account.id.clone()).collect(),
            Err(fault) => {
                self.telling.fault(&fault);
                Vec::new()
            }
        };
        let asked = accounts.iter().filter(|account| account.has_server() || senders.contains(&account.id));
        let typed = password::ask(asked, &stopping);
        if !senders.is_empty() && !stopping() && !self.options.dry_run {
            self.send(accounts, &typed);
        }
        if !stopping() {
            self.meet(accounts, &typed);
        }
        if !self.options.no_index && !self.options.dry_run && !stopping() {
            self.index(&stopping);
        }
        if stopping() {
            output::error("sync", "stopped; the next sync goes on from here");
            return Exit::Interrupted;
        }
        self.telling.exit
    }

    fn send(&mut self, accounts: &[Account], typed: &password::Typed) {
        match outbox::send_due("sync", self.config, accounts.to_vec(), typed.clone()) {
            Ok(flushed) => self.telling.sent(flushed.sent, flushed.left),
            Err(fault) => self.telling.fault(&fault),
        }
    }

    /// Syncs all accounts that have a server, each in a thread of its own.
    fn meet(&mut self, accounts: &[Account], typed: &password::Typed) {
        let (say, said) = channel();
        let mut running = BTreeSet::new();
        for mut env in start::sync_envs(self.config, &Ways::default()) {
            let account = env.account.id.clone();
            let is_meant = accounts.iter().any(|meant| meant.id == account);
            if !is_meant || env.connect.is_none() {
                continue;
            }
            if let Some(secret) = typed.get(&account) {
                (env.password)(Hidden(secret.to_string()));
            }
            env.only = (!self.only.is_empty()).then(|| self.only.clone());
            env.consent = self.options.go_on.then_some(true);
            let stop = Arc::clone(&self.stop);
            env.stop = Arc::new(move || stop.load(Ordering::SeqCst));
            let started = if self.options.dry_run { foresee(env, &say) } else { start_account(env, &say) };
            match started {
                Ok(()) => {
                    running.insert(account);
                }
                Err(error) => {
                    let fault = Fault::io(Doing::Running, "a thread", &error).scope(Scope::Program);
                    self.telling.fault(&fault.of(&account));
                }
            }
        }
        drop(say);
        self.listen(&said, running);
        if self.options.dry_run && self.telling.exit == Exit::Done && !self.options.quiet && !self.options.json {
            output::note("nothing to do");
        }
        if self.telling.exit == Exit::Done {
            for name in self.only.difference(&self.telling.seen.clone()) {
                output::error("sync", format_args!("there is no folder {}", output::quoted(name.as_str())));
                self.telling.exit = Exit::Missing;
            }
        }
    }

    fn listen(&mut self, said: &Receiver<Said>, mut running: BTreeSet<AccountId>) {
        let mut end: Option<Instant> = None;
        while !running.is_empty() {
            match said.recv_timeout(LOOK) {
                Ok(Said::Report(report)) => self.telling.report(report),
                Ok(Said::Foreseen(env, ended)) => {
                    running.remove(&env.account.id);
                    self.telling.foreseen(&env, *ended);
                }
                Ok(Said::Over(account, ended)) => {
                    running.remove(&account);
                    self.telling.over(&account, ended);
                }
                Err(RecvTimeoutError::Timeout) => {}
                // A thread that panicked says nothing more; the panic itself was told.
                Err(RecvTimeoutError::Disconnected) => {
                    self.telling.exit = Exit::Bug;
                    return;
                }
            }
            if self.stop.load(Ordering::SeqCst) {
                let end = *end.get_or_insert_with(|| Instant::now() + GRACE);
                if Instant::now() >= end {
                    // It waits for a server. What it has done is durable, so it may be left.
                    return;
                }
            }
        }
    }

    fn index(&mut self, stopping: &dyn Fn() -> bool) {
        let mut progress = if self.options.quiet { Progress::none() } else { Progress::new("Indexing") };
        let roles = std::mem::take(&mut self.telling.roles);
        match refresh::bring_up(self.config, &roles, &mut progress, stopping) {
            // `None`: another program makes it anew, and takes in what this one has brought.
            Ok(refreshed) => {
                let refreshed = refreshed.unwrap_or_default();
                self.telling.ruled(refreshed.ruled);
                refreshed.faults.iter().for_each(|fault| self.telling.fault(fault));
            }
            Err(fault) => self.telling.fault(&fault),
        }
    }
}

fn start_account(mut env: sync::Env, say: &Sender<Said>) -> std::io::Result<()> {
    let account = env.account.id.clone();
    let mut threads = Vec::new();
    env.lane = Some(workers::start_lane(&env, &mut threads)?);
    let say = say.clone();
    workers::spawn(&format!("sync:{account}"), move || {
        // Nobody listens any more only when the program is about to end.
        let report = |report| drop(say.send(Said::Report(report)));
        let ended = sync::worker::run_once(&env, &report);
        // The lane ends with the last that could send to it. Then the ledger is closed in order, and whoever opens
        // it next need not examine it.
        drop(env);
        for thread in threads {
            let _ = thread.join();
        }
        drop(say.send(Said::Over(account, ended)));
    })?;
    Ok(())
}

/// Starts a look ahead.
fn foresee(env: sync::Env, say: &Sender<Said>) -> std::io::Result<()> {
    let say = say.clone();
    workers::spawn(&format!("sync:{}", env.account.id), move || {
        let report = |report| drop(say.send(Said::Report(report)));
        let ended = sync::worker::dry_run(&env, &report);
        drop(say.send(Said::Foreseen(Box::new(env), Box::new(ended))));
    })
    .map(|_| ())
}

impl<'a> Telling<'a> {
    fn new(options: &'a SyncOptions) -> Self {
        let progress = if options.quiet { Progress::none() } else { Progress::new("Syncing") };
        Self { options, progress, exit: Exit::Done, done: BTreeMap::new(), roles: Roles::new(), seen: BTreeSet::new() }
    }

    /// The worst that went wrong decides the exit code, whichever account said so first.
    fn went_wrong(&mut self, exit: Exit) {
        self.exit = self.exit.worse(exit);
    }

    fn fault(&mut self, fault: &Fault) {
        self.progress.clear();
        output::fault("sync", fault);
        let on_disk = matches!(fault.cause, Cause::DiskFull | Cause::Disk | Cause::Permission);
        let exit = if fault.scope >= Scope::Account || on_disk { Exit::of(fault) } else { Exit::Partly };
        self.went_wrong(exit);
    }

    fn sent(&mut self, sent: usize, left: usize) {
        if self.options.json {
            if sent + left > 0 {
                output::line(json!({ "v": 1, "sent": sent, "left": left }));
            }
        } else if !self.options.quiet && sent > 0 {
            output::line(format_args!("outbox: {sent} sent"));
        }
        if left > 0 {
            output::error("sync", format_args!("outbox: {left} still to be sent: see `tern outbox list`"));
            self.went_wrong(Exit::Partly);
        }
    }

    fn ruled(&self, count: usize) {
        if count > 0 && self.options.json {
            output::line(json!({ "v": 1, "rules": count }));
        } else if count > 0 && !self.options.quiet {
            output::line(format_args!("rules: {count} message{}", if count == 1 { "" } else { "s" }));
        }
    }

    fn report(&mut self, report: SyncReport) {
        match report {
            SyncReport::State { account, state: SyncState::Working { mailbox, done, total } } if total > 0 => {
                let (account, mailbox) = (Clean::line(account.as_str()), Clean::line(mailbox.as_str()));
                self.progress.show(format_args!("{account} {mailbox}: {done} of {total}"));
            }
            SyncReport::Folders { mailboxes, .. } => {
                self.seen.extend(mailboxes.iter().map(|(mailbox, _)| mailbox.name.clone()));
                self.roles.extend(mailboxes.into_iter().filter_map(|(mailbox, role)| Some((mailbox, role?))));
            }
            SyncReport::Finished { mailbox, counts } => self.done.entry(mailbox).or_default().add(&counts),
            SyncReport::FolderChanged { mailbox, change } => self.folder_changed(&mailbox, &change),
            SyncReport::Held { mailbox, question } => self.held(&mailbox, &question),
            SyncReport::Alert { account, text } => {
                self.progress.clear();
                output::note(format_args!("{}: the server says: {text}", Clean::line(account.as_str())));
            }
            SyncReport::Fault(fault) => self.fault(&fault),
            SyncReport::State { .. }
            | SyncReport::Changed(_)
            | SyncReport::Views { .. }
            | SyncReport::Labels { .. }
            | SyncReport::Labelled { .. }
            | SyncReport::Noted { .. }
            | SyncReport::Wished { .. }
            | SyncReport::Fetched { .. }
            | SyncReport::RoundOver { .. }
            | SyncReport::WantsPassword(_) => {}
        }
    }

    fn folder_changed(&mut self, mailbox: &MailboxId, change: &FolderChange) {
        self.progress.clear();
        if self.options.json {
            output::line(forecast::change_object(mailbox, change));
        } else if !self.options.quiet {
            let (account, folder) = (Clean::line(mailbox.account.as_str()), Clean::line(mailbox.name.as_str()));
            output::line(format_args!("{account} {folder}: {}", forecast::change_words(change)));
        }
    }

    fn held(&mut self, mailbox: &MailboxId, question: &Clean) {
        self.progress.clear();
        let (account, folder) = (Clean::line(mailbox.account.as_str()), Clean::line(mailbox.name.as_str()));
        if self.options.json {
            let (account, folder) = (account.as_str(), folder.as_str());
            output::line(json!({ "v": 1, "account": account, "folder": folder, "held": question.as_str() }));
        }
        output::error("sync", format_args!("{account}: held: {question}"));
        let (account, folder) = (shell_word(account.as_str()), shell_word(folder.as_str()));
        output::note(format_args!("  next: to go on, `tern sync -A {account} -f {folder} --go-on`"));
        self.went_wrong(Exit::Partly);
    }

    fn foreseen(&mut self, env: &sync::Env, ended: Result<Forecast, Fault>) {
        self.progress.clear();
        match ended {
            Ok(forecast) => {
                if !forecast.is_empty() {
                    self.went_wrong(Exit::Partly);
                }
                if !self.options.quiet {
                    forecast::tell(&forecast, env, self.options);
                }
                forecast.questions.iter().for_each(|(mailbox, question)| self.held(mailbox, question));
                forecast.faults.iter().for_each(|fault| self.fault(fault));
            }
            Err(fault) => self.fault(&fault),
        }
    }

    fn over(&mut self, account: &AccountId, ended: Result<Summary, Fault>) {
        self.progress.clear();
        let (ours, others) = std::mem::take(&mut self.done).into_iter().partition(|(m, _)| m.account == *account);
        self.done = others;
        let ours: BTreeMap<MailboxId, Counts> = ours;
        for (mailbox, counts) in ours.iter().filter(|(_, counts)| !counts.is_zero()) {
            self.folder(mailbox, counts);
        }
        match ended {
            Ok(summary) => {
                summary.faults.iter().for_each(|fault| self.fault(fault));
                if summary.elsewhere {
                    let account = Clean::line(account.as_str());
                    output::error("sync", format_args!("{account}: another program is syncing this account"));
                    self.went_wrong(Exit::Later);
                }
            }
            Err(fault) => self.fault(&fault),
        }
    }

    fn folder(&self, mailbox: &MailboxId, counts: &Counts) {
        let (account, folder) = (Clean::line(mailbox.account.as_str()), Clean::line(mailbox.name.as_str()));
        if self.options.json {
            output::line(json!({
                "v": 1,
                "account": account.as_str(),
                "folder": folder.as_str(),
                "adopted": counts.adopted,
                "keeper": counts.keeper.map(Keeper::name),
                "fetched": counts.fetched,
                "appended": counts.appended,
                "flagged_here": counts.flagged_here,
                "flagged_there": counts.flagged_there,
                "moved": counts.moved,
                "removed_here": counts.removed_here,
                "removed_there": counts.removed_there,
            }));
        } else if !self.options.quiet {
            output::line(format_args!("{account} {folder}: {}", words(counts)));
        }
    }
}

/// A word as a shell reads it.
fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | '+' | ',' | '@' | ':' | '%');
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// What was done, in words: `12 new, 3 flags here, 1 moved`.
fn words(counts: &Counts) -> String {
    let kept = counts.keeper.map(|keeper| format!(" kept by {}", keeper.name())).unwrap_or_default();
    let adopted = (counts.adopted > 0).then(|| format!("adopted {} messages{kept}", counts.adopted));
    let parts = [
        (counts.fetched, "new"),
        (counts.appended, "uploaded"),
        (counts.flagged_here, "flags here"),
        (counts.flagged_there, "flags there"),
        (counts.moved, "moved"),
        (counts.removed_here, "removed here"),
        (counts.removed_there, "removed there"),
    ];
    let said = parts.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}"));
    adopted.into_iter().chain(said).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_done_in_words() {
        let counts = Counts { fetched: 12, flagged_here: 3, moved: 1, removed_there: 2, ..Counts::default() };
        assert_eq!(words(&counts), "12 new, 3 flags here, 1 moved, 2 removed there");
        let counts = Counts { adopted: 6634, keeper: Some(Keeper::Mbsync), fetched: 1, ..Counts::default() };
        assert_eq!(words(&counts), "adopted 6634 messages kept by mbsync, 1 new");
    }

    #[test]
    fn what_is_to_be_typed_can_be_typed() {
        let table = [("Lists/rust", "Lists/rust"), ("Sent Items", "'Sent Items'"), ("$(x)", "'$(x)'")];
        for (text, word) in table {
            assert_eq!(shell_word(text), word);
        }
    }
}
