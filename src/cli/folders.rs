//! `tern folders create`, `rename`, `delete`, `subscribe` and `unsubscribe`: what they do is done in the
//! Maildir at once, without a server; the next sync does the same there. Only what a Maildir cannot say is
//! written down as a wish. Where folders are labels, no directory stands for one: it is made by a directory that
//! the sync turns into a label, deleted by a wish, and renamed on the server only.

use std::time::UNIX_EPOCH;

use super::arguments::{Common, FolderOptions, FoldersCommand};
use super::exit::Exit;
use super::{output, setting};
use crate::config::{Account, Config};
use crate::fault::Fault;
use crate::job::files::{FolderDone, FolderOrder};
use crate::ledger::{Ledger, Wish};
use crate::mail::clean::Clean;
use crate::mail::ids::Timestamp;
use crate::mail::labels::{Label, View};
use crate::mail::mailbox::MailboxName;
use crate::mail::place::MailboxId;
use crate::store::folders::Root;
use crate::store::orders::{self, Failure, Refusal};

/// A folder that was named, and where it would lie.
struct Folder<'a> {
    config: &'a Config,
    account: &'a Account,
    root: Root,
    id: MailboxId,
}

/// What a folder is where folders are labels.
enum Nature {
    /// It shows the messages that have this label.
    View(Label),
    /// Messages lie in it, or in one below it.
    Home,
    /// It is no folder itself, but a label below it is one.
    Above,
    /// A folder like others, or none.
    Plain,
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
    MailboxName::typed(text).ok_or_else(|| {
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

    /// Carries an order out, and says what became of it in these words.
    fn order(&self, order: &FolderOrder, said: impl FnOnce(&FolderDone) -> String) -> Result<Exit, Fault> {
        let now = UNIX_EPOCH.elapsed().map_or(0, |time| time.as_secs());
        let now = Timestamp::new(i64::try_from(now).unwrap_or(i64::MAX));
        match orders::carry_out(&self.root, &self.config.paths.data, &self.id, order, now) {
            Ok(done) => {
                self.say(&said(&done));
                Ok(Exit::Done)
            }
            Err(failure) => self.failed(failure),
        }
    }

    fn failed(&self, failure: Failure) -> Result<Exit, Fault> {
        let refusal = match failure {
            Failure::Fault(fault) => return Err(fault),
            Failure::Refused(refusal) => refusal,
        };
        Ok(match &refusal {
            Refusal::Missing => self.missing(),
            Refusal::Inbox | Refusal::BelowItself | Refusal::TooLong => self.refuse(Exit::Usage, &refusal.words()),
            Refusal::Exists(_) => self.refuse(Exit::Partly, &refusal.words()),
            Refusal::Full(_) => {
                let exit = self.refuse(Exit::Partly, &refusal.words());
                output::note("  next: to delete them with it, here and on the server, add `--yes`");
                exit
            }
        })
    }

    /// A folder that is there again is not to be removed on the server any more.
    fn keep(&self, name: &MailboxName) -> Result<(), Fault> {
        if self.account.imap.is_none() {
            return Ok(());
        }
        let id = MailboxId { account: self.id.account.clone(), name: name.clone() };
        self.ledger()?.fulfilled(&id, Wish::Remove)
    }

    /// What it is; in an account that is synced by folders always plain.
    fn nature(&self, name: &MailboxName) -> Result<Nature, Fault> {
        let Some(ledger) = Ledger::peek(&self.config.paths.data)? else { return Ok(Nature::Plain) };
        let Some(labelled) = ledger.labelled(&self.id.account)? else { return Ok(Nature::Plain) };
        let is_above = |other: &MailboxName| other.is_below(name);
        if let Some(View { label, .. }) = labelled.views.iter().find(|view| view.mailbox.name == *name) {
            return Ok(Nature::View(label.clone()));
        }
        // What the ledger has rows of is where messages lie.
        let mut homes = ledger.mailboxes(&self.id.account)?.into_iter().map(|(home, _)| home);
        Ok(match () {
            () if homes.any(|home| home == *name || is_above(&home)) => Nature::Home,
            () if labelled.views.iter().any(|view| is_above(&view.mailbox.name)) => Nature::Above,
            () => Nature::Plain,
        })
    }

    /// A folder in which the messages lie that the labels show.
    fn stays(&self) -> Exit {
        self.refuse(Exit::Usage, "the mail that the labels show lies there; it keeps its name and cannot be deleted")
    }

    fn exists(&self, name: &MailboxName) -> Exit {
        self.refuse(Exit::Partly, &Refusal::Exists(name.clone()).words())
    }

    fn delete_label(&self, label: &Label, yes: bool) -> Result<Exit, Fault> {
        if label.name().is_none() {
            return Ok(self.refuse(Exit::Usage, "it is a label of the server's own, which cannot be deleted"));
        }
        let mut ledger = self.ledger()?;
        let home = ledger.labelled(&self.id.account)?.map(|labelled| labelled.home);
        let mut count = 0;
        if let Some(home) = home {
            let key = ledger.mailbox(&MailboxId { account: self.id.account.clone(), name: home })?;
            let mut wishes = ledger.label_wishes(key)?;
            ledger.each_row(key, |row| {
                let flags =
                    wishes.remove(&row.unique).map_or_else(|| row.flags.clone(), |wish| wish.applied(&row.flags));
                count += usize::from(flags.labels().has(label));
            })?;
        }
        if count > 0 && !yes {
            let messages = if count == 1 { "1 message has".to_owned() } else { format!("{count} messages have") };
            let exit = self.refuse(Exit::Partly, &format!("{messages} this label; nothing was deleted"));
            output::note("  next: to take it from them, which stay where all mail is, add `--yes`");
            return Ok(exit);
        }
        ledger.wish(&self.id, Wish::Remove)?;
        let (account, folder) = (Clean::line(self.id.account.as_str()), Clean::line(self.id.name.as_str()));
        let text = "the next sync takes this label from its messages, which stay, and deletes it on the server";
        output::line(format_args!("{account} {folder}: {text}"));
        Ok(Exit::Done)
    }

    /// A label is there already; if it was to be deleted, it is not any more.
    fn keep_label(&self) -> Result<Exit, Fault> {
        let is_leaving = (self.id.name.clone(), Wish::Remove);
        if !self.ledger()?.wishes(&self.id.account)?.contains(&is_leaving) {
            return Ok(self.exists(&self.id.name));
        }
        self.keep(&self.id.name)?;
        let (account, folder) = (Clean::line(self.id.account.as_str()), Clean::line(self.id.name.as_str()));
        output::line(format_args!("{account} {folder}: the label stays"));
        Ok(Exit::Done)
    }

    fn create(&self) -> Result<Exit, Fault> {
        if matches!(self.nature(&self.id.name)?, Nature::View(_)) {
            return self.keep_label();
        }
        self.keep(&self.id.name)?;
        self.order(&FolderOrder::Make, |_| "made here".to_owned())
    }

    fn rename(&self, to: &str) -> Result<Exit, Fault> {
        let to = match name(to) {
            Ok(to) => to,
            Err(exit) => return Ok(exit),
        };
        match self.nature(&self.id.name)? {
            Nature::View(_) | Nature::Above => {
                let exit = self.refuse(Exit::Usage, "it is a label, which is renamed on the server");
                output::note("  next: rename it there; the next sync follows");
                return Ok(exit);
            }
            Nature::Home => return Ok(self.stays()),
            Nature::Plain => {}
        }
        if matches!(self.nature(&to)?, Nature::View(_)) {
            return Ok(self.exists(&to));
        }
        let said = format!("renamed to {} here", Clean::line(to.as_str()));
        let mut empty = Vec::new();
        let exit = self.order(&FolderOrder::Rename(to.clone()), |done| {
            if let FolderDone::Renamed(folders) = done {
                empty.extend(folders.iter().filter(|folder| folder.is_empty).map(|folder| folder.from.clone()));
            }
            said
        })?;
        if exit == Exit::Done && self.account.imap.is_some() {
            let mut ledger = self.ledger()?;
            let id = |name| MailboxId { account: self.id.account.clone(), name };
            ledger.fulfilled(&id(to), Wish::Remove)?;
            // Of an empty one nothing tells that it is the same folder: to the sync, one went and one came.
            empty.into_iter().try_for_each(|from| ledger.wish(&id(from), Wish::Remove))?;
        }
        Ok(exit)
    }

    fn delete(&self, yes: bool) -> Result<Exit, Fault> {
        match self.nature(&self.id.name)? {
            Nature::View(label) => return self.delete_label(&label, yes),
            Nature::Home => return Ok(self.stays()),
            Nature::Above | Nature::Plain => {}
        }
        let order = FolderOrder::Remove { at_most: if yes { usize::MAX } else { 0 } };
        if let Err(failure) = orders::check(&self.root, &self.id.name, &order) {
            return self.failed(failure);
        }
        // The wish comes first: without it the sync would ask what became of the folder.
        if self.account.imap.is_some() {
            self.ledger()?.wish(&self.id, Wish::Remove)?;
        }
        let exit = self.order(&order, |done| match done {
            FolderDone::Removed { kept: 0 } | FolderDone::Made | FolderDone::Renamed(_) => "deleted here".to_owned(),
            FolderDone::Removed { .. } => "deleted here, its mail is kept in quarantine for 14 days".to_owned(),
        })?;
        if exit != Exit::Done {
            self.keep(&self.id.name)?;
        }
        Ok(exit)
    }

    fn wish(&self, wish: Wish) -> Result<Exit, Fault> {
        if self.account.imap.is_none() {
            return Ok(self.refuse(Exit::Config, "the account has no server to subscribe at"));
        }
        let mut ledger = self.ledger()?;
        let known = ledger.mailboxes(&self.id.account)?.into_iter().any(|(name, _)| name == self.id.name);
        let known = known || matches!(self.nature(&self.id.name)?, Nature::View(_));
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
