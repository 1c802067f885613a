//! Accounts whose mailboxes are labels (Gmail): whether one is synced that way, which of its mailboxes hold the
//! messages, and which only show those that have a label. What is made, filed or removed here under the
//! name of a view is turned into a label. It never decides anew about an account that was begun.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::env::{Env, Halt};
use super::folders::Table;
use crate::config::account::LabelMode;
use crate::fault::{Again, Cause, Doing, Fault};
use crate::job::sync::FolderChange;
use crate::job::{Changed, PlaceChange, SyncReport};
use crate::ledger::{Labelled, Ledger, Wish};
use crate::mail::labels::{Label, Labels, View};
use crate::mail::mailbox::{MailboxName, Role};
use crate::mail::place::UniqueName;
use crate::remote::{Remote, RemoteMailbox};
use crate::store::maildir::{Maildir, fresh};
use crate::store::scan;

/// What mailboxes are for that hold messages of their own; all others show those of the first. Drafts are held
/// there as well, but that is where they are made.
const HOMES: [Role; 4] = [Role::All, Role::Junk, Role::Trash, Role::Drafts];

/// Is this a mailbox that holds messages of its own, by the word of a server that knows labels?
pub(super) fn is_home(mailbox: &RemoteMailbox) -> bool {
    mailbox.role.is_some_and(|role| HOMES.contains(&role))
}

/// The mailbox that has all messages, if the account is synced by labels; `None`: by folders. What was begun
/// one way stays that way, whatever the server says today.
pub(super) fn home(
    env: &Env,
    remote: &dyn Remote,
    ledger: &Ledger,
    there: &BTreeMap<MailboxName, RemoteMailbox>,
    here: &BTreeMap<MailboxName, PathBuf>,
) -> Result<Option<MailboxName>, Fault> {
    let account = &env.account.id;
    let fault = |cause, why: &str| {
        Err(Fault::new(Doing::ListingMailboxes, account.as_str(), cause).again(Again::AfterUser).detail(why))
    };
    let wish = env.account.sync.labels;
    if wish == Some(LabelMode::Folders) {
        return Ok(None);
    }
    let begun = ledger.labelled(account)?.is_some();
    if !begun && wish.is_none() && !remote.knows_labels() {
        return Ok(None);
    }
    if !begun && !is_untouched(ledger, env, here)? {
        return match wish {
            None => Ok(None),
            Some(_) => fault(
                Cause::Config,
                "its mail was synced by folders; for labels as views give it an empty `maildir` and another name, \
                 or write `labels = \"folders\"`",
            ),
        };
    }
    if !remote.knows_labels() {
        return fault(
            Cause::NotOffered,
            "the server offers no labels (X-GM-EXT-1); nothing was synced. Without labels: `labels = \"folders\"`",
        );
    }
    let all = there.values().find(|mailbox| mailbox.role == Some(Role::All) && mailbox.selectable);
    match all.filter(|all| !env.account.is_excluded(&all.name)) {
        Some(all) => Ok(Some(all.name.clone())),
        None if begun || wish.is_some() => fault(
            Cause::Missing,
            "the mailbox with all mail is not there, or in `exclude`; nothing was synced. In Gmail's settings, below \
             Labels, let it show \"All Mail\" in IMAP",
        ),
        None => Ok(None),
    }
}

/// Was nothing of this account ever synced, and does no mail lie in its directory?
fn is_untouched(ledger: &Ledger, env: &Env, here: &BTreeMap<MailboxName, PathBuf>) -> Result<bool, Fault> {
    for (_, key) in ledger.mailboxes(&env.account.id)? {
        if ledger.agreed(key)?.validity.is_some() {
            return Ok(false);
        }
    }
    let has_mail = |directory: &PathBuf| {
        let parts = ["cur", "new"].map(|part| std::fs::read_dir(directory.join(part)));
        // What cannot be read may be mail.
        parts.into_iter().any(|part| part.map_or(true, |mut files| files.next().is_some()))
    };
    Ok(!here.values().any(has_mail))
}

/// The views among these mailboxes. What shows the starred messages is none: a star is a flag here.
fn views(env: &Env, home: &MailboxName, there: &BTreeMap<MailboxName, RemoteMailbox>) -> Vec<View> {
    let own = home.as_str().rsplit_once('/').map(|(parent, _)| format!("{parent}/"));
    let view = |mailbox: &RemoteMailbox| {
        let label = match mailbox.role {
            _ if mailbox.important => Label::Important,
            Some(Role::Inbox) => Label::Inbox,
            Some(Role::Sent) => Label::Sent,
            Some(Role::Flagged | Role::All | Role::Junk | Role::Trash | Role::Drafts) => return None,
            // The provider's own mailboxes are no labels by their names.
            None if own.as_ref().is_some_and(|own| mailbox.name.as_str().starts_with(own)) => return None,
            Some(Role::Archive) | None => Label::of_mailbox(mailbox.name.clone()),
        };
        let role = if label.name().is_some() { mailbox.role } else { label.role() };
        Some(View { mailbox: env.mailbox(&mailbox.name), role, label, home: env.mailbox(home) })
    };
    there.values().filter(|mailbox| mailbox.selectable).filter_map(view).collect()
}

impl Table<'_> {
    /// In an account that is synced by labels: tells homes from views, and leaves the homes in the table.
    pub(super) fn part(&mut self) {
        let Some(home) = &self.out.home else { return };
        let wanted: BTreeMap<_, _> =
            self.there.iter().filter(|(name, _)| self.is_wanted(name)).map(|(n, m)| (n.clone(), m.clone())).collect();
        self.out.views = views(self.env, home, &wanted);
        self.there.retain(|_, mailbox| is_home(mailbox));
    }

    /// Folders that lie here under names of their own become labels: they are made on the server, and mail
    /// that was filed into them gets their label where all mail lies.
    pub(super) fn label_folders(&mut self) -> Result<(), Halt> {
        let Some(home) = self.out.home.clone() else { return Ok(()) };
        let is_stray = |name: &&MailboxName| !self.there.contains_key(*name) && !self.met.contains_key(*name);
        let strays: BTreeSet<MailboxName> = self.here.iter().filter(is_stray).cloned().collect();
        for name in strays {
            self.here.remove(&name);
            self.env.step()?;
            if let Err(fault) = self.label_folder(&home, &name) {
                self.concerns_one(fault)?;
            }
        }
        Ok(())
    }

    fn label_folder(&mut self, home: &MailboxName, name: &MailboxName) -> Result<(), Fault> {
        let is_view = |table: &Self| table.out.views.iter().any(|view| view.mailbox.name == *name);
        if !is_view(self) {
            if !self.is_wanted(name) {
                return Ok(());
            }
            if !self.stance.dry {
                self.remote.create(name, None)?;
                self.list_again()?;
            }
            self.change(name, FolderChange::MadeThere);
        }
        let label = self.out.views.iter().find(|view| view.mailbox.name == *name).map(|view| view.label.clone());
        let Some(label) = label.filter(|_| !self.stance.dry) else { return Ok(()) };
        self.file_under(home, name, label)?;
        // An empty directory would look like a folder to other programs.
        self.env.root().remove(name).map(|_| ())
    }

    /// Brings files to where all mail lies. The wish comes first: a file without it would lose its folder.
    fn file_under(&mut self, home: &MailboxName, name: &MailboxName, label: Label) -> Result<(), Fault> {
        let source = Maildir::open(&self.env.root().directory(name)?)?;
        let entries = scan::scan(&source)?.entries;
        if entries.is_empty() {
            return Ok(());
        }
        let target = Maildir::open(&self.env.root().create(home)?)?;
        self.here.insert(home.clone());
        let (labels, home) = (Labels::from_iter([label]), self.env.mailbox(home));
        let (mut left, mut arrived) = (Vec::new(), Vec::new());
        for entry in entries {
            let Some(unique) = entry.unique() else { continue };
            let to: UniqueName = if target.find(&unique)?.is_none() { unique.clone() } else { fresh(None) };
            self.ledger.label(&home, std::slice::from_ref(&to), &labels, &Labels::none())?;
            let Some(entry) = source.move_to(&entry, &target, &to)? else { continue };
            arrived.push(PlaceChange { unique: to, now: Some(target.place_file(&entry)) });
            left.push(PlaceChange { unique, now: None });
        }
        target.settle()?;
        source.settle()?;
        (self.stance.report)(SyncReport::Changed(Changed { mailbox: home, places: arrived }));
        (self.stance.report)(SyncReport::Changed(Changed { mailbox: self.env.mailbox(name), places: left }));
        Ok(())
    }

    /// Removes labels that the user wants no more: from all messages first, which stay, then by themselves.
    pub(super) fn remove_labels(&mut self) -> Result<(), Halt> {
        let Some(home) = self.out.home.clone().filter(|_| !self.stance.dry) else { return Ok(()) };
        let home = self.env.mailbox(&home);
        let key = self.ledger.mailbox(&home)?;
        for view in self.out.views.clone() {
            let name = &view.mailbox.name;
            if !self.unwanted.contains(name) || view.label.name().is_none() {
                continue;
            }
            self.env.step()?;
            let mut with = Vec::new();
            self.ledger.each_row(key, |row| {
                if row.flags.labels().has(&view.label) {
                    with.push(row.unique);
                }
            })?;
            if !with.is_empty() {
                self.ledger.label(&home, &with, &Labels::none(), &Labels::from_iter([view.label.clone()]))?;
                continue;
            }
            if let Err(fault) = self.remote.delete(name) {
                self.concerns_one(fault)?;
            } else {
                self.out.views.retain(|other| other != &view);
            }
            self.ledger.fulfilled(&view.mailbox, Wish::Remove)?;
        }
        Ok(())
    }
}

/// Writes down how the account is synced, if that is another way than before, and tells it.
pub(super) fn note(
    env: &Env,
    ledger: &mut Ledger,
    home: Option<&MailboxName>,
    views: &[View],
    report: super::env::Reporter<'_>,
) -> Result<(), Fault> {
    let now = home.map(|home| Labelled { home: home.clone(), views: views.to_vec() });
    if ledger.labelled(&env.account.id)? != now {
        ledger.set_labelled(&env.account.id, now.as_ref())?;
        report(SyncReport::Views { account: env.account.id.clone(), views: views.to_vec() });
    }
    Ok(())
}
