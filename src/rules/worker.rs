//! The thread `rules`: does what rules want with mail that has come, each message once, whatever happens in between;
//! and with messages that a person names, as often as they are named.
//!
//! A message is claimed in the ledger before anything is done to it. What can be done twice (flags, labels, a move)
//! is done again after a crash; a program is written down before it is started, and never started twice: whether
//! one that was cut short did its work, nobody knows, and that is said.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;

use super::carry::{Hands, carry_out};
use super::plan::{Plan, Planner, wishes_of};
use super::program::Program;
use crate::config::{Account, Rule};
use crate::fault::{Again, Cause, Doing, Fault, Scope};
use crate::index::Index;
use crate::job::index::{MailboxRow, Match, Sieve};
use crate::job::rules::{Deed, RulesJob, RulesReport};
use crate::ledger::{Claim, Ledger};
use crate::mail::ids::{AccountId, Timestamp};
use crate::mail::place::Place;
use crate::query::{Query, Saved};
use crate::state::AccountState;
use crate::store::maildir::Maildir;

/// How often another program that is at the rules is looked for.
const LOOK: Duration = Duration::from_millis(50);

/// What the rules stand on.
#[derive(Clone)]
pub struct Env {
    /// The data directory, where the ledger lies.
    pub data: PathBuf,
    /// The index.
    pub index: PathBuf,
    /// Where programs run.
    pub home: PathBuf,
    /// The rules, in their order.
    pub rules: Vec<Rule>,
    /// The accounts.
    pub accounts: Vec<Account>,
    /// What changes files and writes labels down.
    pub hands: Hands,
    /// In which dates are told.
    pub zone: TimeZone,
    /// Tells the saved searches, which rules may name.
    pub saved: Arc<dyn Fn() -> Saved + Send + Sync>,
    /// How long a program may take.
    pub limit: Duration,
    /// How long another program that is at the rules is waited for.
    pub patience: Duration,
}

/// The rules as the index reads them now. One that cannot be read matches nothing.
pub fn sieves(rules: &[Rule], saved: &Saved, now: Timestamp, zone: &TimeZone) -> Vec<Sieve> {
    let sieve = |rule: &Rule| Sieve {
        account: rule.account.clone(),
        query: saved.parse(&rule.query.text, now, zone).unwrap_or(Query::Or(Vec::new())),
        stop: rule.stop,
    };
    rules.iter().map(sieve).collect()
}

/// Does what it is asked until `jobs` is closed.
pub fn run(env: &Env, jobs: &Receiver<RulesJob>, report: &dyn Fn(RulesReport)) {
    for job in jobs {
        match job {
            RulesJob::Act(matches) => {
                let places: Vec<Place> = matches.iter().map(|found| found.row.place.clone()).collect();
                if let Err(fault) = act(env, matches, report) {
                    report(RulesReport::Fault(fault));
                }
                // Whatever went wrong, they are to be seen.
                report(RulesReport::Arrived(places));
            }
            RulesJob::Run { ticket, places } => {
                let found = Index::open(&env.index).and_then(|index| find(env, &index, &places));
                let over = found.and_then(|matches| Ok((matches.len(), by_hand(env, &matches, report)?)));
                let (matched, deeds) = over.unwrap_or_else(|fault| {
                    report(RulesReport::Fault(fault));
                    (0, Vec::new())
                });
                report(RulesReport::Over { ticket, matched, deeds });
            }
        }
    }
}

/// Which rules match the messages at these places.
fn find(env: &Env, index: &Index, places: &[Place]) -> Result<Vec<Match>, Fault> {
    index.judge(&sieves(&env.rules, &(env.saved)(), now(), &env.zone), places)
}

/// Does what rules want with messages that have just come; those without a program first. Tells what changed as it
/// happens, and of what is done that it is.
///
/// # Errors
/// Another program is at the rules, or the ledger or the index cannot be used: nothing was done then to the messages
/// that were not told of.
pub fn act(env: &Env, matches: Vec<Match>, report: &dyn Fn(RulesReport)) -> Result<(), Fault> {
    let _alone = alone(env)?;
    let (mut ledger, damage) = Ledger::open(&env.data)?;
    if let Some(fault) = damage {
        report(RulesReport::Fault(fault));
    }
    let mailboxes = Index::open(&env.index)?.mailboxes()?;
    let has_program = |found: &Match| env.rules_of(found).any(|rule| rule.run.is_some());
    let (lone, plain): (Vec<Match>, Vec<Match>) = matches.into_iter().partition(has_program);
    for some in std::iter::once(plain).chain(lone.into_iter().map(|found| vec![found])) {
        let mut by_account: BTreeMap<AccountId, Vec<Match>> = BTreeMap::new();
        for found in some {
            by_account.entry(found.row.place.mailbox.account.clone()).or_default().push(found);
        }
        for (account, some) in by_account {
            act_on(env, (&mut ledger, &mailboxes), &account, some, report)?;
        }
    }
    Ok(())
}

/// The same for messages of one account.
fn act_on(
    env: &Env,
    (ledger, mailboxes): (&mut Ledger, &[MailboxRow]),
    account: &AccountId,
    some: Vec<Match>,
    report: &dyn Fn(RulesReport),
) -> Result<(), Fault> {
    let digests: Vec<i64> = some.iter().map(|found| found.digest).collect();
    let claims = ledger.claim(account, &digests, now())?;
    let places: Vec<Place> = some.iter().map(|found| found.row.place.clone()).collect();
    let mut open = Vec::new();
    for (found, claim) in some.into_iter().zip(claims) {
        let Claim::Open { begun } = claim else { continue };
        for rule in env.rules_of(&found).filter(|rule| rule.run.is_some()) {
            if begun.contains(&rule.name) {
                report(RulesReport::Fault(in_doubt(rule, &found)));
                continue;
            }
            ledger.begin_program(account, found.digest, &rule.name)?;
            if let Err(fault) = env.run_program(rule, &found) {
                report(RulesReport::Fault(fault));
            }
        }
        open.push(found);
    }
    env.carry_out(mailboxes, &open, report);
    ledger.claimed_done(account, &digests)?;
    report(RulesReport::Arrived(places));
    Ok(())
}

/// Lets rules do what they want with messages that a person named, programs and all. Gives back what was done.
///
/// # Errors
/// The index cannot be read.
pub fn by_hand(env: &Env, matches: &[Match], report: &dyn Fn(RulesReport)) -> Result<Vec<Deed>, Fault> {
    let mailboxes = Index::open(&env.index)?.mailboxes()?;
    for found in matches {
        for rule in env.rules_of(found).filter(|rule| rule.run.is_some()) {
            if let Err(fault) = env.run_program(rule, found) {
                report(RulesReport::Fault(fault));
            }
        }
    }
    Ok(env.carry_out(&mailboxes, matches, report))
}

impl Env {
    /// The rules that match a message.
    pub fn rules_of<'a>(&'a self, found: &'a Match) -> impl Iterator<Item = &'a Rule> {
        found.rules.iter().filter_map(|number| self.rules.get(*number))
    }

    /// What rules mean to messages.
    pub fn plan(&self, mailboxes: &[MailboxRow], matches: &[Match]) -> Plan {
        let accounts = self.accounts.iter().map(AccountState::new).collect();
        let planner = Planner { accounts, mailboxes, zone: self.zone.clone() };
        let mut plan = Plan::default();
        for found in matches {
            let wishes: Vec<_> = self.rules_of(found).flat_map(wishes_of).collect();
            let file = (found.row.place.clone(), found.row.flags.clone());
            planner.plan(&found.row, &[file], &wishes, &mut plan);
        }
        plan
    }

    fn carry_out(&self, mailboxes: &[MailboxRow], matches: &[Match], report: &dyn Fn(RulesReport)) -> Vec<Deed> {
        let plan = self.plan(mailboxes, matches);
        for why in &plan.closed {
            let fault = Fault::new(Doing::Storing, "what a rule wants", Cause::Missing);
            report(RulesReport::Fault(fault.scope(Scope::Message).again(Again::AfterUser).detail(why)));
        }
        carry_out(&self.hands, &plan, report)
    }

    fn run_program(&self, rule: &Rule, found: &Match) -> Result<(), Fault> {
        let Some(words) = &rule.run else { return Ok(()) };
        let place = &found.row.place;
        let roots = &self.hands.files.accounts;
        let root = roots.iter().find(|(account, _)| *account == place.mailbox.account).map(|(_, root)| root);
        let missing = || {
            Fault::new(Doing::Reading, "the message of a rule", Cause::Missing)
                .scope(Scope::Message)
                .again(Again::Never)
        };
        let maildir = Maildir::open(&root.ok_or_else(missing)?.directory(&place.mailbox.name)?)?;
        let entry = maildir.find(&place.unique)?.ok_or_else(missing)?;
        let variables = vec![
            ("TERN_RULE", rule.name.clone()),
            ("TERN_ACCOUNT", place.mailbox.account.as_str().to_owned()),
            ("TERN_FOLDER", place.mailbox.name.as_str().to_owned()),
        ];
        let program = Program { words, directory: &self.home, variables, limit: self.limit };
        program.run(&maildir.path_of(&entry)).map_err(|fault| {
            let detail = format!("rule `{}`, {}: {}", rule.name, subject(found), fault.detail);
            fault.of(&place.mailbox.account).detail(&detail)
        })
    }
}

/// Nobody knows whether a program did its work: this one was started before, and the end of it was not seen.
fn in_doubt(rule: &Rule, found: &Match) -> Fault {
    let name = rule.run.as_ref().and_then(|words| words.first()).map_or("a program", String::as_str);
    let subject = subject(found);
    Fault::new(Doing::Running, name, Cause::Other)
        .of(&found.row.place.mailbox.account)
        .scope(Scope::Message)
        .again(Again::Never)
        .detail(&format!(
            "rule `{}`, {subject}: it was cut short, and is not started again for that message",
            rule.name
        ))
}

fn subject(found: &Match) -> String {
    format!("\"{}\"", found.row.subject)
}

/// Waits until no other program is at the rules, so that nothing is done twice at once.
fn alone(env: &Env) -> Result<File, Fault> {
    let path = env.data.join("rules.lock");
    let io = |error: &std::io::Error| Fault::io(Doing::Remembering, &path.to_string_lossy(), error);
    let lock = OpenOptions::new().create(true).append(true).mode(0o600).open(&path).map_err(|error| io(&error))?;
    let end = Instant::now() + env.patience;
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            Err(std::fs::TryLockError::Error(error)) => return Err(io(&error)),
            Err(std::fs::TryLockError::WouldBlock) if Instant::now() < end => std::thread::sleep(LOOK),
            Err(std::fs::TryLockError::WouldBlock) => {
                return Err(Fault::new(Doing::Running, "the rules", Cause::Busy)
                    .scope(Scope::Program)
                    .again(Again::Later)
                    .detail("another tern is at them"));
            }
        }
    }
}

fn now() -> Timestamp {
    Timestamp::new(jiff::Timestamp::now().as_second())
}
