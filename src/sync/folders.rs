//! Folders as a whole, in both directions: what is new on one side is made on the other, what was
//! renamed is renamed, and what was removed is removed only with the user's word or by his settings.
//! One listing in which a folder is missing removes nothing: a second one must say the same, and the
//! INBOX must be in both. A folder with mail in it is never removed on the server.

use std::collections::{BTreeMap, BTreeSet};

use super::env::{Env, Halt, Reporter};
use super::guard::MANY;
use super::{renames, views};
use crate::config::account::FolderDeletes;
use crate::fault::{Fault, Scope};
use crate::job::sync::FolderChange;
use crate::job::{Changed, PlaceChange, SyncReport};
use crate::ledger::{Agreed, Ledger, MailboxKey, Wish};
use crate::mail::clean::Clean;
use crate::mail::labels::View;
use crate::mail::mailbox::{MailboxName, Role};
use crate::mail::place::UniqueName;
use crate::remote::{Remote, RemoteMailbox, Standing};
use crate::store::maildir::Maildir;
use crate::store::quarantine::Quarantine;
use crate::store::scan;

/// The mailboxes of an account.
#[derive(Debug, Clone, Default)]
pub(crate) struct Folders {
    /// The mailbox with all messages, where the others are views of it by labels.
    pub(crate) home: Option<MailboxName>,
    /// Those views.
    pub(crate) views: Vec<View>,
    /// All that lie on disk, with their roles, for the screen.
    pub(crate) shown: Vec<(MailboxName, Option<Role>)>,
    /// Those that are synced, in the order in which they are.
    pub(crate) synced: Vec<MailboxName>,
    /// How they stood on the server when they were listed, where it told.
    pub(crate) standings: BTreeMap<MailboxName, Standing>,
    /// Those whose removal on the server is wished: they lose their messages there first.
    pub(crate) leaving: BTreeSet<MailboxName>,
    /// Those that are not on the server yet, since this is only a look ahead.
    pub(crate) unborn: BTreeSet<MailboxName>,
    /// What was done, or would be.
    pub(crate) changes: Vec<(MailboxName, FolderChange)>,
    /// Folders that wait for an answer.
    pub(crate) held: Vec<(MailboxName, Clean)>,
    /// What is wrong with single folders.
    pub(crate) faults: Vec<Fault>,
}

impl Folders {
    /// The mailbox that every account of its kind has, where new mail shows first.
    pub(crate) fn anchor(&self) -> MailboxName {
        self.home.clone().unwrap_or_else(MailboxName::inbox)
    }

    /// The mailbox that has the messages of this one.
    pub(crate) fn home_of(&self, name: &MailboxName) -> MailboxName {
        let view = self.views.iter().find(|view| view.mailbox.name == *name);
        view.map_or_else(|| name.clone(), |view| view.home.name.clone())
    }
}

/// How the folders are met.
pub(crate) struct Stance<'a> {
    /// Is this only a look ahead? Then nothing is written.
    pub(crate) dry: bool,
    /// What the user answered.
    pub(crate) said: &'a dyn Fn(&MailboxName) -> Option<bool>,
    /// Where files are told of that go into quarantine.
    pub(crate) report: Reporter<'a>,
}

/// A mailbox that both sides had.
#[derive(Debug, Clone, Copy)]
pub(super) struct Met {
    pub(super) key: MailboxKey,
    pub(super) agreed: Agreed,
    pub(super) count: usize,
}

/// Both sides' folders, and what both had.
pub(super) struct Table<'a> {
    pub(super) env: &'a Env,
    pub(super) remote: &'a mut dyn Remote,
    pub(super) ledger: &'a mut Ledger,
    pub(super) stance: &'a Stance<'a>,
    pub(super) there: BTreeMap<MailboxName, RemoteMailbox>,
    pub(super) here: BTreeSet<MailboxName>,
    pub(super) met: BTreeMap<MailboxName, Met>,
    /// The user agreed to their removal on the server.
    pub(super) unwanted: BTreeSet<MailboxName>,
    /// Nothing more is done about them in this round.
    pub(super) done: BTreeSet<MailboxName>,
    /// Gone on the server beyond doubt.
    lost: BTreeSet<MailboxName>,
    synced: BTreeSet<MailboxName>,
    pub(super) out: Folders,
}

/// Lists both sides and brings on each what happened to folders on the other.
pub(crate) fn meet(
    env: &Env,
    remote: &mut dyn Remote,
    ledger: &mut Ledger,
    stance: &Stance<'_>,
) -> Result<Folders, Halt> {
    let mut table = Table::lay(env, remote, ledger, stance)?;
    table.subscribe()?;
    table.label_folders()?;
    table.remove_labels()?;
    renames::join(&mut table)?;
    table.make_sure()?;
    for name in table.names() {
        env.step()?;
        table.pair(&name)?;
    }
    Ok(table.told())
}

/// Removes on the server what the user removed here, once the round has expunged what was in it.
pub(crate) fn remove_left(
    env: &Env,
    remote: &mut dyn Remote,
    ledger: &mut Ledger,
    leaving: &BTreeSet<MailboxName>,
) -> Result<(Vec<MailboxName>, Vec<Fault>), Halt> {
    let (mut removed, mut faults) = (Vec::new(), Vec::new());
    for name in leaving {
        env.step()?;
        let id = env.mailbox(name);
        let key = ledger.mailbox(&id)?;
        if has_files(env, name)? {
            // Mail came into it meanwhile, or it was not removed after all: it is a folder like others.
            ledger.fulfilled(&id, Wish::Remove)?;
            continue;
        }
        if ledger.count(key)? > 0 {
            // Something was refused or cut short: the wish stands until the next round.
            continue;
        }
        match remote.delete(name) {
            Ok(()) => {
                env.root().remove(name)?;
                removed.push(name.clone());
            }
            Err(fault) if fault.scope <= Scope::Mailbox => faults.push(fault),
            Err(fault) => return Err(fault.into()),
        }
        // A folder that the server keeps is one that is new there: its mail comes back.
        ledger.forget(key)?;
        ledger.fulfilled(&id, Wish::Remove)?;
    }
    Ok((removed, faults))
}

fn has_files(env: &Env, name: &MailboxName) -> Result<bool, Fault> {
    let directory = env.root().directory(name)?;
    if !directory.join("cur").is_dir() {
        return Ok(false);
    }
    let scan = scan::scan(&Maildir::open(&directory)?)?;
    Ok(!scan.complete || !scan.entries.is_empty())
}

impl<'a> Table<'a> {
    fn lay(
        env: &'a Env,
        remote: &'a mut dyn Remote,
        ledger: &'a mut Ledger,
        stance: &'a Stance<'a>,
    ) -> Result<Self, Halt> {
        let account = &env.account.id;
        let there = by_name(remote.mailboxes()?);
        let local = env.root().list();
        let home = views::home(env, &*remote, ledger, &there, &local.found)?;
        if home.is_some() {
            remote.ask_for_labels();
        }
        let mut met = BTreeMap::new();
        for (name, key) in ledger.mailboxes(account)? {
            let agreed = ledger.agreed(key)?;
            // A server that knows no folders says nothing about those that another one had.
            let may_tell = remote.rights().create || there.contains_key(&name);
            if agreed.validity.is_some() && may_tell {
                met.insert(name, Met { key, agreed, count: ledger.count(key)? as usize });
            }
        }
        let wished = ledger.wishes(account)?.into_iter().filter(|(_, wish)| *wish == Wish::Remove);
        let mut table = Self {
            unwanted: wished.map(|(name, _)| name).collect(),
            there,
            here: local.found.into_keys().collect(),
            met,
            done: BTreeSet::new(),
            lost: BTreeSet::new(),
            synced: BTreeSet::new(),
            out: Folders { home, faults: local.faults, ..Folders::default() },
            env,
            remote,
            ledger,
            stance,
        };
        table.part();
        Ok(table)
    }

    /// Lists the server's side again.
    pub(super) fn list_again(&mut self) -> Result<(), Fault> {
        self.there = by_name(self.remote.mailboxes()?);
        self.part();
        Ok(())
    }

    pub(super) fn is_there(&self, name: &MailboxName) -> bool {
        self.there.get(name).is_some_and(|mailbox| mailbox.selectable)
    }

    /// Does the listing look whole? A server that forgot the INBOX, or the mailbox with all mail, has lost its
    /// head.
    pub(super) fn is_whole(&self) -> bool {
        self.is_there(&self.out.anchor())
    }

    /// Is that mailbox gone from disk although mail was in it? Then the disk is perhaps not mounted, and
    /// what is missing was not removed.
    pub(super) fn is_adrift(&self) -> bool {
        let anchor = self.out.anchor();
        !self.here.contains(&anchor) && self.met.get(&anchor).is_some_and(|met| met.count > 0)
    }

    fn is_anchor(&self, name: &MailboxName) -> bool {
        *name == self.out.anchor()
    }

    /// Is it to be synced at all?
    pub(super) fn is_wanted(&self, name: &MailboxName) -> bool {
        let settings = &self.env.account.sync;
        let unsubscribed = self.there.get(name).is_some_and(|mailbox| mailbox.subscribed == Some(false));
        let left_out = settings.subscribed_only && unsubscribed && !name.is_inbox();
        !left_out && !is_excluded(name, &settings.exclude)
    }

    fn names(&self) -> Vec<MailboxName> {
        let all: BTreeSet<&MailboxName> = self.there.keys().chain(&self.here).chain(self.met.keys()).collect();
        all.into_iter().filter(|name| !self.done.contains(*name) && self.is_wanted(name)).cloned().collect()
    }

    /// Takes a fault of one folder in; any other ends the meeting.
    pub(super) fn concerns_one(&mut self, fault: Fault) -> Result<(), Halt> {
        if fault.scope > Scope::Mailbox {
            return Err(fault.into());
        }
        self.out.faults.push(fault);
        Ok(())
    }

    /// Fulfils what the user wished about subscriptions.
    fn subscribe(&mut self) -> Result<(), Halt> {
        if self.stance.dry {
            return Ok(());
        }
        for (name, wish) in self.ledger.wishes(&self.env.account.id)? {
            let wanted = match wish {
                Wish::Remove => continue,
                Wish::Subscribe => true,
                Wish::Unsubscribe => false,
            };
            self.env.step()?;
            match self.remote.subscribe(&name, wanted) {
                Ok(()) => {
                    if let Some(mailbox) = self.there.get_mut(&name) {
                        mailbox.subscribed = Some(wanted);
                    }
                }
                Err(fault) => self.concerns_one(fault)?,
            }
            self.ledger.fulfilled(&self.env.mailbox(&name), wish)?;
        }
        Ok(())
    }

    /// Lists a second time, where folders seem to be gone on the server.
    fn make_sure(&mut self) -> Result<(), Halt> {
        let gone: BTreeSet<MailboxName> =
            self.met.keys().filter(|name| !self.is_anchor(name) && !self.is_there(name)).cloned().collect();
        if gone.is_empty() || !self.is_whole() {
            return Ok(());
        }
        self.list_again()?;
        if self.is_whole() {
            self.lost = gone.into_iter().filter(|name| !self.is_there(name)).collect();
        }
        Ok(())
    }

    fn pair(&mut self, name: &MailboxName) -> Result<(), Halt> {
        match (self.here.contains(name), self.is_there(name)) {
            (true, true) => {
                if self.unwanted.contains(name) {
                    self.out.leaving.insert(name.clone());
                }
                self.synced.insert(name.clone());
                Ok(())
            }
            (false, true) => self.missing_here(name),
            (true, false) => self.missing_there(name),
            (false, false) => self.gone(name),
        }
    }

    fn missing_here(&mut self, name: &MailboxName) -> Result<(), Halt> {
        let Some(met) = self.met.get(name).copied() else { return self.make_here(name) };
        if self.is_anchor(name) || self.is_adrift() {
            // The guard asks.
            self.synced.insert(name.clone());
            return Ok(());
        }
        let policy = self.env.account.sync.folder_deletes;
        let agreed_to = self.unwanted.contains(name)
            || (self.env.wants(name) && (self.stance.said)(name) == Some(true))
            || (policy == FolderDeletes::Follow && self.is_calm(met.count));
        if agreed_to {
            if !self.stance.dry {
                self.ledger.wish(&self.env.mailbox(name), Wish::Remove)?;
            }
            self.change(name, FolderChange::RemovedThere);
            self.out.leaving.insert(name.clone());
            if met.count > 0 {
                self.synced.insert(name.clone());
            }
            return Ok(());
        }
        if policy == FolderDeletes::Never {
            if !self.stance.dry {
                self.ledger.forget(met.key)?;
            }
            return self.make_here(name);
        }
        if met.count == 0 {
            self.hold(name, "the empty folder is missing on this disk. Delete it on the server too?");
        } else {
            // The guard asks.
            self.synced.insert(name.clone());
        }
        Ok(())
    }

    fn missing_there(&mut self, name: &MailboxName) -> Result<(), Halt> {
        let Some(met) = self.met.get(name).copied() else {
            return if self.there.contains_key(name) { Ok(()) } else { self.make_there(name) };
        };
        if self.is_anchor(name) || !self.lost.contains(name) || !self.env.wants(name) {
            return Ok(());
        }
        let said = (self.stance.said)(name);
        match self.env.account.sync.folder_deletes {
            FolderDeletes::Never => Ok(()),
            // Of an empty one nothing can be lost: a file that never reached the server keeps its folder.
            _ if said == Some(true) || self.unwanted.contains(name) || met.count == 0 => self.remove_here(name, met),
            FolderDeletes::Follow if self.is_calm(met.count) => self.remove_here(name, met),
            _ if said == Some(false) => Ok(()),
            FolderDeletes::Ask | FolderDeletes::Follow => {
                let count = met.count;
                let what = if count == 1 { "1 message".to_owned() } else { format!("{count} messages") };
                self.hold(
                    name,
                    &format!(
                        "the folder is gone on the server; {what} of it are on this disk. Remove them here too? They are \
                         kept in quarantine for 14 days"
                    ),
                );
                Ok(())
            }
        }
    }

    /// Neither side has it any more. Where the disk may not be mounted it may come back.
    fn gone(&mut self, name: &MailboxName) -> Result<(), Halt> {
        let Some(met) = self.met.get(name).filter(|_| self.lost.contains(name)).copied() else { return Ok(()) };
        if !self.stance.dry && !self.is_adrift() {
            self.ledger.forget(met.key)?;
            self.ledger.fulfilled(&self.env.mailbox(name), Wish::Remove)?;
        }
        Ok(())
    }

    /// Need nobody be asked about so many messages?
    fn is_calm(&self, count: usize) -> bool {
        count <= MANY || !self.env.account.sync.guard
    }

    fn hold(&mut self, name: &MailboxName, question: &str) {
        self.out.held.push((name.clone(), Clean::line(&format!("{name}: {question}"))));
    }

    pub(super) fn change(&mut self, name: &MailboxName, change: FolderChange) {
        self.out.changes.push((name.clone(), change));
    }

    fn make_here(&mut self, name: &MailboxName) -> Result<(), Halt> {
        if !self.stance.dry {
            self.env.step()?;
            if let Err(fault) = self.env.root().create(name) {
                return self.concerns_one(fault);
            }
            self.here.insert(name.clone());
        }
        self.change(name, FolderChange::MadeHere);
        self.synced.insert(name.clone());
        Ok(())
    }

    fn make_there(&mut self, name: &MailboxName) -> Result<(), Halt> {
        if !self.remote.rights().create {
            return Ok(());
        }
        if self.stance.dry {
            self.out.unborn.insert(name.clone());
        } else {
            self.env.step()?;
            let role = self.roles().get(name).copied();
            if let Err(fault) = self.remote.create(name, role) {
                return self.concerns_one(fault);
            }
            // It is there, whether the server keeps subscriptions or not.
            if let Err(fault) = self.remote.subscribe(name, true)
                && fault.scope > Scope::Mailbox
            {
                return Err(fault.into());
            }
        }
        self.change(name, FolderChange::MadeThere);
        self.synced.insert(name.clone());
        Ok(())
    }

    /// Takes what both sides had into quarantine. A file that never reached the server stays, and with
    /// it the folder, which is a new one then.
    fn remove_here(&mut self, name: &MailboxName, met: Met) -> Result<(), Halt> {
        self.change(name, FolderChange::RemovedHere);
        if self.stance.dry {
            return Ok(());
        }
        self.env.step()?;
        let id = self.env.mailbox(name);
        let maildir = Maildir::open(&self.env.root().directory(name)?)?;
        let known: BTreeSet<UniqueName> = self.ledger.rows(met.key)?.into_iter().map(|row| row.unique).collect();
        let quarantine = Quarantine::below(&self.env.data).shelf(&id, self.env.clock.now())?;
        let mut places = Vec::new();
        for entry in scan::scan(&maildir)?.entries {
            let Some(unique) = entry.unique().filter(|unique| known.contains(unique)) else { continue };
            if quarantine.take(&maildir, &entry)?.is_some() {
                places.push(PlaceChange { unique, now: None });
            }
        }
        quarantine.settle()?;
        maildir.settle()?;
        if self.env.root().remove(name)? {
            self.here.remove(name);
        }
        self.env.step()?;
        self.ledger.forget(met.key)?;
        self.ledger.fulfilled(&id, Wish::Remove)?;
        if !places.is_empty() {
            (self.stance.report)(SyncReport::Changed(Changed { mailbox: id, places }));
        }
        Ok(())
    }

    fn roles(&self) -> BTreeMap<MailboxName, Role> {
        // Where labels are views, what holds messages is what the server says it is.
        let none = BTreeMap::new();
        let by_user = if self.out.home.is_some() { &none } else { &self.env.account.folders.by_role };
        roles(by_user, &self.there, &self.here)
    }

    fn told(self) -> Folders {
        let roles = self.roles();
        let place = |name: &MailboxName| (rank(roles.get(name).copied()), name.clone());
        let mut shown: Vec<_> = self.here.iter().map(|name| (name.clone(), roles.get(name).copied())).collect();
        shown.sort_by_key(|(name, _)| place(name));
        let mut synced: Vec<MailboxName> = self.synced.into_iter().collect();
        synced.sort_by_key(place);
        let standings = self.there.into_values().filter_map(|m| Some((m.name, m.standing?))).collect();
        Folders { shown, synced, standings, ..self.out }
    }
}

fn by_name(listed: Vec<RemoteMailbox>) -> BTreeMap<MailboxName, RemoteMailbox> {
    listed.into_iter().map(|mailbox| (mailbox.name.clone(), mailbox)).collect()
}

/// Where a mailbox of that role stands among the others.
fn rank(role: Option<Role>) -> usize {
    role.and_then(|role| Role::ALL.iter().position(|known| *known == role)).unwrap_or(Role::ALL.len())
}

/// Is it one that the user wants left alone: by name, or by a beginning with `*` behind it?
fn is_excluded(name: &MailboxName, patterns: &[String]) -> bool {
    patterns.iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(begin) => name.as_str().starts_with(begin),
        None => name.as_str() == pattern,
    })
}

/// Gives each mailbox one role at most and each role to one mailbox: the user's word wins, then the
/// server's, then the name's.
fn roles(
    map: &BTreeMap<Role, MailboxName>,
    listed: &BTreeMap<MailboxName, RemoteMailbox>,
    here: &BTreeSet<MailboxName>,
) -> BTreeMap<MailboxName, Role> {
    let mut out: BTreeMap<MailboxName, Role> = BTreeMap::new();
    let mut given = BTreeSet::new();
    let by_user = map.iter().map(|(role, name)| (name.clone(), *role));
    let by_server = listed.values().filter_map(|m| Some((m.name.clone(), m.role?)));
    let names = here.iter().chain(listed.keys());
    let by_name = names.filter_map(|name| Some((name.clone(), Role::guess(name)?)));
    for (name, role) in by_user.chain(by_server).chain(by_name) {
        if !given.contains(&role) && !out.contains_key(&name) {
            given.insert(role);
            out.insert(name, role);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> MailboxName {
        MailboxName::new(text).unwrap()
    }

    #[test]
    fn the_users_word_wins_over_the_servers_and_that_over_the_name() {
        let listed = [("Sent", None), ("Gesendet", Some(Role::Sent)), ("Trash", None), ("INBOX", None)];
        let listed = listed.map(|(n, role)| RemoteMailbox {
            name: name(n),
            role,
            important: false,
            selectable: true,
            subscribed: None,
            standing: None,
        });
        let here = BTreeSet::from([name("Papierkorb")]);
        let found = roles(&BTreeMap::from([(Role::Trash, name("Papierkorb"))]), &by_name(listed.to_vec()), &here);
        assert_eq!(found.get(&name("Gesendet")), Some(&Role::Sent));
        assert_eq!(found.get(&name("Sent")), None);
        assert_eq!(found.get(&name("Papierkorb")), Some(&Role::Trash));
        assert_eq!(found.get(&name("Trash")), None);
        assert_eq!(found.get(&name("INBOX")), Some(&Role::Inbox));
    }

    #[test]
    fn exclusion_by_name_and_by_beginning() {
        let patterns = ["Spam".to_owned(), "Lists/*".to_owned()];
        for (text, excluded) in [("Spam", true), ("Spam2", false), ("Lists/rust", true), ("Lists", false)] {
            assert_eq!(is_excluded(&name(text), &patterns), excluded, "{text}");
        }
    }
}
