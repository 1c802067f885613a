//! Settles what an earlier run began on the server and never heard of again. The server is asked
//! instead of guessed at, and not before the dead connection's last commands have run: at least two
//! seconds after they were sent, and twice.

use std::collections::BTreeMap;
use std::time::Duration;

use super::env::{Env, Halt};
use crate::ledger::{Agreed, Intent, IntentId, Ledger, Pending};
use crate::mail::ids::{Uid, UidValidity};
use crate::mail::mailbox::MailboxName;
use crate::mail::place::{MailboxId, UniqueName};
use crate::mail::wire;
use crate::remote::Remote;
use crate::store::maildir::Maildir;

/// How long a lost connection's commands may go on running on the server.
const QUIESCENCE: i64 = 2;

/// What became of one mailbox's doubtful appends.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    /// Files whose append came about, with the UID they got: to be paired by it.
    pub(crate) found: BTreeMap<UniqueName, (UidValidity, Uid)>,
    /// The intents, to be dropped once their files have been paired or appended anew.
    pub(crate) intents: BTreeMap<UniqueName, Vec<IntentId>>,
}

/// Settles all intents of the account, by mailbox. Costs nothing when there are none.
pub(crate) fn settle(
    env: &Env,
    remote: &mut dyn Remote,
    ledger: &mut Ledger,
) -> Result<BTreeMap<MailboxName, Settled>, Halt> {
    let mut out: BTreeMap<MailboxName, Settled> = BTreeMap::new();
    let pending = ledger.intents(&env.account.id)?;
    let Some(youngest) = pending.iter().map(|p| p.begun_at.get()).max() else { return Ok(out) };
    // A clock that was set back must not make us wait for years.
    let left = (youngest + QUIESCENCE - env.clock.now().get()).clamp(0, QUIESCENCE);
    env.pause(Duration::from_secs(left.unsigned_abs()))?;
    for round in 0..2 {
        for Pending { id, intent, .. } in &pending {
            let Intent::Append { mailbox, validity, uid_next, unique, message_id, size } = intent else { continue };
            let settled = out.entry(mailbox.name.clone()).or_default();
            if round == 0 {
                settled.intents.entry(unique.clone()).or_default().push(*id);
            }
            let Some(message_id) = message_id else { continue };
            if settled.found.contains_key(unique) {
                continue;
            }
            env.step()?;
            let key = ledger.mailbox(mailbox)?;
            let Agreed { validity: now, .. } = ledger.agreed(key)?;
            if now != Some(*validity) {
                continue;
            }
            let found = match remote.search_id(&mailbox.name, message_id.as_str(), *uid_next) {
                Ok(found) => found,
                Err(fault) if fault.scope <= crate::fault::Scope::Mailbox => continue,
                Err(fault) => return Err(fault.into()),
            };
            let taken = ledger.rows_of_uids(key, &found)?;
            let free: Vec<Uid> = found
                .into_iter()
                .filter(|uid| {
                    !taken.iter().any(|row| row.uid == *uid) && !settled.found.values().any(|(_, other)| other == uid)
                })
                .collect();
            if free.is_empty() {
                continue;
            }
            // Another message may have the same Message-ID: only one of the same size is the one.
            let sizes = sizes(env, mailbox, unique, *size);
            let known = match remote.identify(&mailbox.name, &free) {
                Ok(known) => known,
                Err(fault) if fault.scope <= crate::fault::Scope::Mailbox => continue,
                Err(fault) => return Err(fault.into()),
            };
            if let Some(same) = known.into_iter().find(|it| sizes.contains(&it.size)) {
                settled.found.insert(unique.clone(), (*validity, same.uid));
            }
        }
        let all_found = pending.iter().all(|p| match &p.intent {
            Intent::Append { mailbox, unique, .. } => {
                out.get(&mailbox.name).is_some_and(|settled| settled.found.contains_key(unique))
            }
            Intent::Move { .. } | Intent::Expunge { .. } => false,
        });
        if all_found {
            break;
        }
        if round == 0 {
            env.pause(Duration::from_secs(QUIESCENCE.unsigned_abs()))?;
        }
    }
    // Moves and expunges are planned anew from what both sides look like now.
    let over: Vec<IntentId> =
        pending.iter().filter(|p| !matches!(p.intent, Intent::Append { .. })).map(|p| p.id).collect();
    if !over.is_empty() {
        ledger.settle(&over)?;
    }
    Ok(out)
}

/// The sizes that a message may have on the server: as it was sent, and with each line end as CRLF, which
/// is how a server may count that keeps bare LF.
fn sizes(env: &Env, mailbox: &MailboxId, unique: &UniqueName, sent: u64) -> Vec<u64> {
    let file = env.root().directory(&mailbox.name).and_then(|path| Maildir::open(&path)?.read(unique));
    let counted = file.ok().and_then(|bytes| wire::canonical(&bytes).map(|bytes| bytes.len() as u64));
    std::iter::once(sent).chain(counted).collect()
}
