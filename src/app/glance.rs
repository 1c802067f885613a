//! The index for commands where nothing changed since it was brought up to date last: a look at the directories, the
//! ledger and the address books against what the index knows, by the one connection that answers afterwards. It opens
//! nothing for writing and waits for nobody who writes. Whatever differs, or cannot be read, is left to
//! [`refresh`](super::refresh), which does something about it and tells of it.

use super::refresh::{Roles, roles_of, root, with_roles};
use super::start;
use crate::config::{Account, Config, Engine};
use crate::fault::Fault;
use crate::index::{AccountNow, Index, Now};
use crate::ledger::Ledger;
use crate::mail::notes::Notes;
use crate::mail::place::MailboxId;
use crate::store::scan;

/// The index, where it knows all that is there now. `None`: it has to be brought up to date, or cannot be read.
pub fn unchanged(config: &Config) -> Option<Index> {
    // A database of notmuch's may have been changed by anybody, and is asked by who writes.
    if config.search.engine == Engine::Notmuch {
        return None;
    }
    let index = Index::ready(&start::index_file(config))?;
    is_up_to_date(&index, config).unwrap_or_default().then_some(index)
}

fn is_up_to_date(index: &Index, config: &Config) -> Result<bool, Fault> {
    let ledger = Ledger::peek(&config.paths.data)?;
    let roles = roles_of(index.mailboxes()?);
    let mut accounts = Vec::new();
    for account in &config.accounts {
        let Some(now) = account_now(account, ledger.as_ref(), &roles)? else { return Ok(false) };
        if is_to_be_settled(index, account, ledger.as_ref())? {
            return Ok(false);
        }
        accounts.push(now);
    }
    let notes = ledger.as_ref().map_or_else(|| Ok(Notes::default()), Ledger::notes)?;
    let (own, sources) = (start::own_addresses(config), start::contact_sources(config));
    index.knows(&Now { own: &own, sources: &sources, notes: &notes, accounts: &accounts })
}

/// `None`: something of it cannot be read.
fn account_now(account: &Account, ledger: Option<&Ledger>, roles: &Roles) -> Result<Option<AccountNow>, Fault> {
    let folders = root(account).list();
    if !folders.faults.is_empty() {
        return Ok(None);
    }
    let of = |name| MailboxId { account: account.id.clone(), name };
    let names: Vec<MailboxId> = folders.found.keys().cloned().map(of).collect();
    let mut now = AccountNow {
        account: account.id.clone(),
        folders: with_roles(account, &names, roles),
        stamps: folders.found.into_iter().map(|(name, at)| Ok((name, scan::stamp(&at)?))).collect::<Result<_, _>>()?,
        views: Vec::new(),
        labels: None,
    };
    let labelled = ledger.map(|ledger| Ok((ledger, ledger.labelled(&account.id)?))).transpose()?;
    if let Some((ledger, Some(labelled))) = labelled {
        let home = of(labelled.home);
        // Of a mailbox that was never met there are none.
        now.labels = Some((home.clone(), ledger.labels_stamp(&home)?)).filter(|(_, stamp)| !stamp.is_empty());
        now.views = labelled.views;
    }
    Ok(Some(now))
}

/// Is what comes into a mailbox new mail from now on, and does the index not know that yet?
fn is_to_be_settled(index: &Index, account: &Account, ledger: Option<&Ledger>) -> Result<bool, Fault> {
    let unsettled = index.unsettled(&account.id)?;
    if unsettled.is_empty() {
        return Ok(false);
    }
    Ok(match ledger.map(|ledger| ledger.compared(&account.id)).transpose()?.flatten() {
        Some(compared) => unsettled.iter().any(|name| compared.contains(name)),
        None => !account.has_server(),
    })
}
