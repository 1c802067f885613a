//! Folders that were renamed: gone on one side under a name, new there under another. On the server it is
//! the same mailbox if it has the same UIDVALIDITY and its messages their UIDs; here, if its files have the
//! names that the ledger knows. The directory is renamed first, then the ledger, and on the server first
//! as well: a round that was cut short between the two finds both sides under the new name, and the
//! ledger follows.

use std::collections::BTreeSet;

use super::env::Halt;
use super::folders::{Met, Table};
use crate::fault::Fault;
use crate::job::sync::FolderChange;
use crate::ledger::digest;
use crate::mail::ids::{MessageId, Uid};
use crate::mail::mailbox::MailboxName;
use crate::remote::{Since, Standing};
use crate::store::maildir::Maildir;
use crate::store::scan;

/// So many messages are looked at to tell that two mailboxes are one.
const SAMPLE: usize = 16;

/// Renames on each side what was renamed on the other, parents before what lies below them.
pub(super) fn join(table: &mut Table<'_>) -> Result<(), Halt> {
    if table.is_whole() {
        while let Some((from, to)) = renamed_there(table)? {
            table.env.step()?;
            follow(table, &from, &to)?;
        }
    }
    if table.is_adrift() || !table.remote.rights().create {
        return Ok(());
    }
    while let Some((from, to)) = renamed_here(table)? {
        table.env.step()?;
        lead(table, &from, &to)?;
        // A server renames with a mailbox those below it: then only the ledger is to follow.
        while let Some((from, to)) = if table.stance.dry { None } else { renamed_there(table)? } {
            follow(table, &from, &to)?;
        }
    }
    Ok(())
}

/// A mailbox that has another name on the server now.
fn renamed_there(table: &mut Table<'_>) -> Result<Option<(MailboxName, MailboxName)>, Halt> {
    let open = |name: &MailboxName| !name.is_inbox() && !table.done.contains(name) && table.is_wanted(name);
    let gone: Vec<(MailboxName, Met)> = table
        .met
        .iter()
        .filter(|(name, _)| open(name) && !table.is_there(name))
        .map(|(name, met)| (name.clone(), *met))
        .collect();
    let new: Vec<MailboxName> = table
        .there
        .values()
        .filter(|mailbox| mailbox.selectable && open(&mailbox.name) && !table.met.contains_key(&mailbox.name))
        .map(|mailbox| mailbox.name.clone())
        .collect();
    for (from, met) in gone {
        for to in &new {
            // With a folder of each name here, one of them is not what it seems.
            let both_here = table.here.contains(&from) && table.here.contains(to);
            if !both_here && is_same(table, &met, to)? {
                return Ok(Some((from, to.clone())));
            }
        }
    }
    Ok(None)
}

/// Has the mailbox on the server the UIDs of the one that we knew?
fn is_same(table: &mut Table<'_>, met: &Met, name: &MailboxName) -> Result<bool, Fault> {
    let told = table.there.get(name).and_then(|mailbox| mailbox.standing);
    let standing = match told {
        Some(standing) => standing,
        None => ask(table, met, name)?,
    };
    let no_older = standing.uid_next.zip(met.agreed.uid_next).is_none_or(|(now, then)| now >= then);
    if Some(standing.validity) != met.agreed.validity || !no_older {
        return Ok(false);
    }
    let rows = table.ledger.rows(met.key)?;
    if rows.is_empty() {
        // Nothing can be lost by a mistake, and nothing but the number tells.
        return Ok(standing.uid_next == met.agreed.uid_next);
    }
    let step = rows.len().div_ceil(SAMPLE);
    let sample: Vec<_> = rows.iter().rev().step_by(step).collect();
    let uids: Vec<Uid> = sample.iter().map(|row| row.uid).collect();
    let found = table.remote.identify(name, &uids)?;
    let same = found.iter().all(|found| {
        let id = found.message_id.as_deref().and_then(MessageId::new).map(|id| digest(id.as_str()));
        sample.iter().any(|row| row.uid == found.uid && row.digest == id && (id.is_some() || row.size == found.size))
    });
    Ok(same && !found.is_empty())
}

/// How it stands, where the list did not tell: by selecting it.
fn ask(table: &mut Table<'_>, met: &Met, name: &MailboxName) -> Result<Standing, Fault> {
    let since = Since {
        validity: met.agreed.validity,
        modseq: met.agreed.modseq,
        uid_next: met.agreed.uid_next,
        count: u32::try_from(met.count).unwrap_or(u32::MAX),
    };
    let told = table.remote.changes(name, &since)?;
    let messages = u32::try_from(told.items.len()).unwrap_or(u32::MAX);
    Ok(Standing { validity: told.validity, uid_next: told.uid_next, messages, modseq: told.modseq })
}

/// Renames here what was renamed on the server; where that is done already, only the ledger follows.
fn follow(table: &mut Table<'_>, from: &MailboxName, to: &MailboxName) -> Result<(), Halt> {
    let is_here = table.here.contains(from);
    if is_here {
        table.change(from, FolderChange::RenamedHere(to.clone()));
    }
    if table.stance.dry {
        table.done.extend([from.clone(), to.clone()]);
        return Ok(());
    }
    if is_here {
        if let Err(fault) = table.env.root().rename(from, to) {
            // Neither is touched until the user has made room.
            table.done.extend([from.clone(), to.clone()]);
            table.out.changes.pop();
            return table.concerns_one(fault);
        }
        table.here.remove(from);
        table.here.insert(to.clone());
        table.env.step()?;
    }
    agree(table, from, to)
}

fn agree(table: &mut Table<'_>, from: &MailboxName, to: &MailboxName) -> Result<(), Halt> {
    table.ledger.rename(&table.env.mailbox(from), to)?;
    if let Some(met) = table.met.remove(from) {
        table.met.insert(to.clone(), met);
    }
    Ok(())
}

/// A folder that has another name here now.
fn renamed_here(table: &mut Table<'_>) -> Result<Option<(MailboxName, MailboxName)>, Halt> {
    let open = |name: &MailboxName| !name.is_inbox() && !table.done.contains(name) && table.is_wanted(name);
    let is_gone = |name: &MailboxName| {
        open(name) && !table.here.contains(name) && table.is_there(name) && !table.unwanted.contains(name)
    };
    let gone = table.met.iter().filter(|(name, met)| met.count > 0 && is_gone(name));
    let gone: Vec<(MailboxName, Met)> = gone.map(|(name, met)| (name.clone(), *met)).collect();
    let is_new = |name: &&MailboxName| open(name) && !table.there.contains_key(*name) && !table.met.contains_key(*name);
    let mut new = Vec::new();
    if !gone.is_empty() {
        for name in table.here.iter().filter(is_new) {
            let maildir = Maildir::open(&table.env.root().directory(name)?)?;
            let files: BTreeSet<String> =
                scan::scan(&maildir)?.entries.iter().map(|entry| entry.base().to_owned()).collect();
            new.push((name.clone(), files));
        }
    }
    for (from, met) in gone {
        let rows = table.ledger.rows(met.key)?;
        let is_it = |files: &BTreeSet<String>| {
            let known = rows.iter().filter(|row| files.contains(row.unique.as_str())).count();
            // Nearly all of it: what was moved message by message is moved, not renamed.
            known > 0 && known * 10 >= rows.len() * 8
        };
        if let Some((to, _)) = new.iter().find(|(_, files)| is_it(files)) {
            return Ok(Some((from, to.clone())));
        }
    }
    Ok(None)
}

/// Renames on the server what was renamed here.
fn lead(table: &mut Table<'_>, from: &MailboxName, to: &MailboxName) -> Result<(), Halt> {
    table.change(from, FolderChange::RenamedThere(to.clone()));
    if table.stance.dry {
        table.done.extend([from.clone(), to.clone()]);
        return Ok(());
    }
    if let Err(fault) = table.remote.rename(from, to) {
        // Nothing is uploaded or removed instead: the next round tries again.
        table.done.extend([from.clone(), to.clone()]);
        table.out.changes.pop();
        return table.concerns_one(fault);
    }
    table.env.step()?;
    agree(table, from, to)?;
    Ok(table.list_again()?)
}
