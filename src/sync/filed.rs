//! What is gone from INBOX of an account whose server knows no other mailbox (POP3), and was not deleted but filed:
//! it lies in another folder here. It is found by its name, else by size and Message-ID. What lies in the trash
//! counts as deleted, but for a stub: its text is on the server alone, so it is deleted once its file is. It asks no
//! server.

use std::collections::{BTreeMap, BTreeSet};

use super::env::Halt;
use super::look::Look;
use super::round::Round;
use crate::job::files::DirStamp;
use crate::ledger::digest;
use crate::mail::ids::{MessageId, Uid};
use crate::mail::mailbox::{MailboxName, Role};
use crate::store::maildir::Maildir;
use crate::store::{name, scan};

impl Round<'_> {
    /// Takes what was filed into another folder out of what is gone. Where a folder could not be read whole, nothing
    /// is taken for gone: it may lie there.
    pub(super) fn spare_what_was_filed(&mut self, look: &mut Look) -> Result<(), Halt> {
        let gone = &look.side.changes.gone;
        if gone.is_empty() {
            return Ok(());
        }
        let rows = gone.iter().filter_map(|uid| Some((*uid, look.side.base.get(*uid)?)));
        let names: BTreeMap<String, Uid> =
            rows.clone().map(|(uid, row)| (row.unique.as_str().to_owned(), uid)).collect();
        let mut sizes: BTreeMap<u64, Vec<(Uid, u64)>> = BTreeMap::new();
        for (uid, row) in rows {
            let Some(id) = row.identity.id else { continue };
            let size = match row.unique.stub_size() {
                // Its file is as long as its header.
                Some(_) => name::size(row.unique.as_str()),
                None => Some(row.identity.size),
            };
            sizes.entry(size.unwrap_or(row.identity.size)).or_default().push((uid, id));
        }
        let mut filed = BTreeSet::new();
        let folders = self.env.root().list().found;
        let stubs: BTreeSet<Uid> = gone
            .iter()
            .filter(|uid| look.side.base.get(**uid).is_some_and(|row| row.unique.stub_size().is_some()))
            .copied()
            .collect();
        for (name, directory) in folders.iter().filter(|(name, _)| !name.is_inbox()) {
            let is_trash = self.is_trash(name);
            let counts = |uid: &Uid| !is_trash || stubs.contains(uid);
            if is_trash && stubs.is_empty() {
                continue;
            }
            self.env.step()?;
            let maildir = Maildir::open(directory)?;
            let scan = scan::scan(&maildir)?;
            if !scan.complete {
                tracing::info!("{name} keeps moving: nothing is taken for deleted in this round");
                look.side.changes.gone.clear();
                look.stamp = DirStamp::default();
                return Ok(());
            }
            for entry in &scan.entries {
                if let Some(uid) = names.get(entry.base()) {
                    filed.extend(Some(*uid).filter(counts));
                    continue;
                }
                let Some(alike) = maildir.size(entry)?.and_then(|size| sizes.get(&size)) else { continue };
                let Some(bytes) = maildir.read_entry(entry)? else { continue };
                let id = MessageId::in_header(&bytes).map(|id| digest(id.as_str()));
                filed.extend(alike.iter().filter(|(_, known)| Some(*known) == id).map(|(uid, _)| *uid).filter(counts));
            }
        }
        look.side.changes.gone.retain(|uid| !filed.contains(uid));
        Ok(())
    }

    fn is_trash(&self, name: &MailboxName) -> bool {
        let shown = self.memory.folders.as_ref().map(|folders| folders.shown.as_slice()).unwrap_or_default();
        shown.iter().any(|(known, role)| known == name && *role == Some(Role::Trash))
    }
}
