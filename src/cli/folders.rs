//! `tern folders create`, `rename`, `delete`, `subscribe` and `unsubscribe`: what they do is done in the
//! Maildir at once, without a server; the next sync does the same there. Only what a Maildir cannot say is
//! written down as a wish.

use std::time::UNIX_EPOCH;

use super::arguments::{Common, FolderOptions, FoldersCommand};
use super::exit::Exit;
use super::{output, setting};
use crate::config::{Account, Config};
use crate::fault::Fault;
use crate::ledger::{Ledger, Wish};
use crate::mail::clean::Clean;
use crate::mail::ids::Timestamp;
use crate::mail::mailbox::MailboxName;
use crate::mail::place::MailboxId;
use crate::store::folders::Root;
use crate::store::maildir::Maildir;
use crate::store::quarantine::Quarantine;
use crate::store::scan;

/// A folder that was named, and where it would lie.
struct Folder<'a> {
    config: &'a Config,
    account: &'a Account,
    root: Root,
    id: MailboxId,
}

/// Runs the command.
pub(super) fn run(common: &Common, command: &FoldersCommand) -> Exit {
    // Nothing here reaches a server, and whether an account has one is part of the question.
    let common = Common { offline: false, ..common.clone() };
    let config = match setting::load("folders", &common) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    let done = match command {
        FoldersCommand::Create(options) => named(&config, options).map(|folder| folder.create()),
        FoldersCommand::Rename { folder, to } => named(&config, folder).map(|folder| folder.rename(to)),
        FoldersCommand::Delete { folder, yes } => named(&config, folder).map(|folder| folder.delete(*yes)),
        FoldersCommand::Subscribe(options) => named(&config, options).map(|folder| folder.wish(Wish::Subscribe)),
        FoldersCommand::Unsubscribe(options) => named(&config, options).map(|folder| folder.wish(Wish::Unsubscribe)),
    };
    match done {
        Ok(Ok(exit)) | Err(exit) => exit,
        Ok(Err(fault)) => {
            output::fault("folders", &fault);
            Exit::of(&fault)
        }
    }
}

fn named<'a>(config: &'a Config, options: &FolderOptions) -> Result<Folder<'a>, Exit> {
    let accounts = setting::accounts("folders", config, options.account.as_deref())?;
    let account = accounts.first().copied().ok_or(Exit::Config)?;
    let name = name(&options.folder)?;
    let root = Root { path: account.maildir.clone(), layout: account.layout };
    Ok(Folder { config, account, root, id: MailboxId { account: account.id.clone(), name } })
}

fn name(text: &str) -> Result<MailboxName, Exit> {
    let has_empty_level = text.split('/').any(str::is_empty);
    MailboxName::new(text).filter(|_| !has_empty_level).ok_or_else(|| {
        output::error("folders", format_args!("{} is no folder's name", output::quoted(text)));
        Exit::Usage
    })
}

impl Folder<'_> {
    fn is_there(&self) -> bool {
        self.root.directory(&self.id.name).is_ok_and(|directory| directory.join("cur").is_dir())
    }

    /// Prints `ada Lists/rust: …`, and what becomes of it on the server.
    fn say(&self, text: &str) {
        let (account, folder) = (Clean::line(self.id.account.as_str()), Clean::line(self.id.name.as_str()));
        let later = if self.account.imap.is_some() { "; the next sync does the same on the server" } else { "" };
        output::line(format_args!("{account} {folder}: {text}{later}"));
    }

    fn refuse(&self, exit: Exit, why: &str) -> Exit {
        let (account, folder) = (Clean::line(self.id.account.as_str()), Clean::line(self.id.name.as_str()));
        output::error("folders", format_args!("{account}: {folder}: {why}"));
        exit
    }

    fn missing(&self) -> Exit {
        let exit = self.refuse(Exit::Missing, "there is no such folder");
        output::note("  next: `tern folders` lists them");
        exit
    }

    fn create(&self) -> Result<Exit, Fault> {
        if self.is_there() {
            return Ok(self.refuse(Exit::Partly, "there is such a folder already"));
        }
        self.root.create(&self.id.name)?;
        self.say("made here");
        Ok(Exit::Done)
    }

    fn rename(&self, to: &str) -> Result<Exit, Fault> {
        let to = match name(to) {
            Ok(to) => to,
            Err(exit) => return Ok(exit),
        };
        let from = &self.id.name;
        let below = format!("{from}/");
        if from.is_inbox() || to.is_inbox() || to.as_str().starts_with(&below) {
            return Ok(self.refuse(Exit::Usage, "INBOX keeps its name, and no folder goes below itself"));
        }
        let all = self.root.list().found;
        let new_name = |name: &MailboxName| {
            let rest = name.as_str().strip_prefix(from.as_str()).unwrap_or_default();
            MailboxName::new(&format!("{to}{rest}"))
        };
        // Parents first, as a map of names is sorted.
        let affected = all.keys().filter(|name| *name == from || name.as_str().starts_with(&below));
        let Some(moves) = affected.map(|name| Some((name, new_name(name)?))).collect::<Option<Vec<_>>>() else {
            return Ok(self.refuse(Exit::Usage, "the new name is too long"));
        };
        if moves.is_empty() {
            return Ok(self.missing());
        }
        if moves.iter().any(|(_, to)| all.contains_key(to)) {
            return Ok(self.refuse(Exit::Partly, "there is a folder of the new name already"));
        }
        for (from, to) in &moves {
            self.root.rename(from, to)?;
        }
        self.say(&format!("renamed to {} here", Clean::line(to.as_str())));
        Ok(Exit::Done)
    }

    fn delete(&self, yes: bool) -> Result<Exit, Fault> {
        if self.id.name.is_inbox() {
            return Ok(self.refuse(Exit::Usage, "INBOX cannot be deleted"));
        }
        if !self.is_there() {
            return Ok(self.missing());
        }
        let maildir = Maildir::open(&self.root.directory(&self.id.name)?)?;
        let entries = scan::scan(&maildir)?.entries;
        if !yes && !entries.is_empty() {
            let exit = self.refuse(Exit::Partly, &format!("{} messages are in it; nothing was deleted", entries.len()));
            output::note("  next: to delete them with it, here and on the server, add `--yes`");
            return Ok(exit);
        }
        // The wish comes first: without it the sync would ask what became of the folder.
        if self.account.imap.is_some() {
            self.ledger()?.wish(&self.id, Wish::Remove)?;
        }
        let now = UNIX_EPOCH.elapsed().map_or(0, |time| time.as_secs());
        let now = Timestamp::new(i64::try_from(now).unwrap_or(i64::MAX));
        let quarantine = Quarantine::below(&self.config.paths.data).shelf(&self.id, now)?;
        for entry in &entries {
            quarantine.take(&maildir, entry)?;
        }
        quarantine.settle()?;
        maildir.settle()?;
        if !self.root.remove(&self.id.name)? {
            return Ok(self.refuse(Exit::Partly, "mail came into it meanwhile; it is not deleted"));
        }
        let kept = if entries.is_empty() { "" } else { ", its mail is kept in quarantine for 14 days" };
        self.say(&format!("deleted here{kept}"));
        Ok(Exit::Done)
    }

    fn wish(&self, wish: Wish) -> Result<Exit, Fault> {
        if self.account.imap.is_none() {
            return Ok(self.refuse(Exit::Config, "the account has no server to subscribe at"));
        }
        let mut ledger = self.ledger()?;
        let known = ledger.mailboxes(&self.id.account)?.into_iter().any(|(name, _)| name == self.id.name);
        if !known && !self.is_there() {
            return Ok(self.missing());
        }
        ledger.wish(&self.id, wish)?;
        let (account, folder) = (Clean::line(self.id.account.as_str()), Clean::line(self.id.name.as_str()));
        let what = if wish == Wish::Subscribe { "subscribes to it" } else { "ends its subscription" };
        output::line(format_args!("{account} {folder}: the next sync {what}"));
        Ok(Exit::Done)
    }

    fn ledger(&self) -> Result<Ledger, Fault> {
        let (ledger, damage) = Ledger::open(&self.config.paths.data)?;
        if let Some(fault) = damage {
            output::fault("folders", &fault);
        }
        Ok(ledger)
    }
}
