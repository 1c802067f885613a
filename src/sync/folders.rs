//! Which mailboxes are synced and what they are for: those of the server, made here, and those made
//! here, made on the server. A folder that vanished on one side is never removed on the other.

use std::collections::{BTreeMap, BTreeSet};

use super::env::{Env, Halt};
use crate::fault::{Again, Cause, Doing, Fault, Scope};
use crate::ledger::Ledger;
use crate::mail::mailbox::{MailboxName, Role};
use crate::remote::{Remote, RemoteMailbox, Standing};

/// The mailboxes of an account.
#[derive(Debug, Clone, Default)]
pub(crate) struct Folders {
    /// All that lie on disk, with their roles, for the screen.
    pub(crate) shown: Vec<(MailboxName, Option<Role>)>,
    /// Those that are synced, in the order in which they are.
    pub(crate) synced: Vec<MailboxName>,
    /// How they stood on the server when they were listed, where it told.
    pub(crate) standings: BTreeMap<MailboxName, Standing>,
    /// What is wrong with single folders.
    pub(crate) faults: Vec<Fault>,
}

/// Lists both sides and makes on each what is new on the other.
pub(crate) fn meet(env: &Env, remote: &mut dyn Remote, ledger: &mut Ledger) -> Result<Folders, Halt> {
    let listed = remote.mailboxes()?;
    let root = env.root();
    let local = root.list();
    let mut faults = local.faults;
    let mut here: BTreeSet<MailboxName> = local.found.into_keys().collect();
    let met: BTreeSet<MailboxName> = ledger.mailboxes(&env.account.id)?.into_iter().map(|(name, _)| name).collect();
    let mut synced: BTreeSet<MailboxName> = listed
        .iter()
        .filter(|m| m.selectable && !is_excluded(&m.name, &env.account.sync.exclude))
        .map(|m| m.name.clone())
        .collect();
    for name in &synced {
        // One that is known but missing is not made anew: the guard asks about it.
        if !here.contains(name) && !met.contains(name) {
            env.step()?;
            match root.create(name) {
                Ok(_) => {
                    here.insert(name.clone());
                }
                Err(fault) => faults.push(fault),
            }
        }
    }
    let there: BTreeSet<&MailboxName> = listed.iter().map(|m| &m.name).collect();
    for name in here.iter().filter(|name| !there.contains(name)) {
        if is_excluded(name, &env.account.sync.exclude) {
            continue;
        }
        if met.contains(name) {
            let fault = Fault::new(Doing::ListingMailboxes, name.as_str(), Cause::Missing);
            let fault = fault.scope(Scope::Mailbox).again(Again::AfterUser);
            faults.push(fault.detail("the folder is gone on the server; its mail is kept on this disk"));
        } else if remote.rights().create {
            env.step()?;
            match remote.create(name) {
                Ok(()) => {
                    synced.insert(name.clone());
                }
                Err(fault) if fault.scope <= Scope::Mailbox => faults.push(fault),
                Err(fault) => return Err(fault.into()),
            }
        }
    }
    let roles = roles(&env.account.folders.by_role, &listed, &here);
    let mut shown: Vec<_> = here.into_iter().map(|name| (roles.get(&name).copied(), name)).collect();
    shown.sort_by_key(|(role, name)| (rank(*role), name.clone()));
    let place = |name: &MailboxName| (rank(roles.get(name).copied()), name.clone());
    let mut synced: Vec<MailboxName> = synced.into_iter().collect();
    synced.sort_by_key(place);
    let standings = listed.into_iter().filter_map(|m| Some((m.name, m.standing?))).collect();
    Ok(Folders { shown: shown.into_iter().map(|(role, name)| (name, role)).collect(), synced, standings, faults })
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
    listed: &[RemoteMailbox],
    here: &BTreeSet<MailboxName>,
) -> BTreeMap<MailboxName, Role> {
    let mut out: BTreeMap<MailboxName, Role> = BTreeMap::new();
    let mut given = BTreeSet::new();
    let by_user = map.iter().map(|(role, name)| (name.clone(), *role));
    let by_server = listed.iter().filter_map(|m| Some((m.name.clone(), m.role?)));
    let names = here.iter().chain(listed.iter().map(|m| &m.name));
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
            selectable: true,
            subscribed: None,
            standing: None,
        });
        let here = BTreeSet::from([name("Papierkorb")]);
        let found = roles(&BTreeMap::from([(Role::Trash, name("Papierkorb"))]), &listed, &here);
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
