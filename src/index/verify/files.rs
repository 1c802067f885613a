//! Directories beside rows: what lies on disk and what the index has, file by file.

use std::collections::BTreeSet;

use rusqlite::types::ValueRef;
use rusqlite::{OptionalExtension as _, Result, params};

use super::{Check, Cure, Drift, Found, Verifier};
use crate::fault::Fault;
use crate::index::folders::mailbox_id;
use crate::index::write::from_words;
use crate::job::files::{DirStamp, Listing};
use crate::mail::ids::AccountId;
use crate::mail::place::MailboxId;

impl Verifier {
    /// Compares the folders of an account on disk with the mailboxes that the index has. Views lie nowhere.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn folders(&self, account: &AccountId, there: &[MailboxId]) -> std::result::Result<Vec<Drift>, Fault> {
        self.compare_folders(account, there).map_err(|error| self.fault(&error))
    }

    fn compare_folders(&self, account: &AccountId, there: &[MailboxId]) -> Result<Vec<Drift>> {
        let known: Vec<(Option<MailboxId>, String, bool)> = self
            .db
            .prepare(
                "SELECT account, name, directory IS NOT NULL FROM mailboxes
                 WHERE account = ?1 AND id > 0 ORDER BY name",
            )?
            .query_map([account.as_str()], |row| {
                let (account, name): (String, String) = (row.get(0)?, row.get(1)?);
                Ok((mailbox_id(&account, &name), name, row.get(2)?))
            })?
            .collect::<Result<_>>()?;
        let known_ids: BTreeSet<&MailboxId> = known.iter().filter_map(|(id, ..)| id.as_ref()).collect();
        let there_ids: BTreeSet<&MailboxId> = there.iter().collect();
        let mut missing = Found::of(Check::Folders, None, "are not in the index", Cure::Look);
        for id in there_ids.difference(&known_ids) {
            missing.add(id.name.as_str());
        }
        let mut spare = Found::of(Check::Folders, None, "of the index are not there", Cure::Look);
        for (id, name, lies) in &known {
            if *lies && id.as_ref().is_none_or(|id| !there_ids.contains(id)) {
                spare.add(name);
            }
        }
        Ok([missing.told(), spare.told()].into_iter().flatten().collect())
    }

    /// Compares the files of a folder with the rows that the index has of it.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn mailbox(&self, listing: &Listing) -> std::result::Result<Vec<Drift>, Fault> {
        self.compare_files(listing).map_err(|error| self.fault(&error))
    }

    fn compare_files(&self, listing: &Listing) -> Result<Vec<Drift>> {
        let id = &listing.mailbox;
        let known: Option<(i64, DirStamp)> = self
            .db
            .prepare("SELECT id, cur, new FROM mailboxes WHERE account = ?1 AND name = ?2")?
            .query_row(params![id.account.as_str(), id.name.as_str()], |row| {
                Ok((row.get(0)?, DirStamp { cur: row.get(1)?, new: row.get(2)? }))
            })
            .optional()?;
        // An unknown folder was told of by the folders.
        let Some((row, stamp)) = known else { return Ok(Vec::new()) };
        // Where the directories moved since, the next look takes in what is different.
        let seen = stamp == listing.stamp && stamp != DirStamp::default();
        let cure = if seen { Cure::Anew } else { Cure::Look };
        let found = |check, what| Found::of(check, Some(id), what, cure);
        let mut missing = found(Check::Files, "files are not in the index");
        let mut spare = found(Check::Files, "rows have no file");
        let mut elsewhere = found(Check::Files, "files have another name than the index knows");
        let mut flags = found(Check::Flags, "files have other flags than the index knows");
        let mut files = listing.files.iter().peekable();
        let mut places = self.db.prepare(
            "SELECT name, in_new, info, flags, keywords FROM places
             WHERE mailbox = ?1 AND home IS NULL ORDER BY name",
        )?;
        let mut rows = places.query([row])?;
        while let Some(row) = rows.next()? {
            let name = row.get_ref(0)?.as_str()?;
            while let Some(file) = files.next_if(|file| file.base < name) {
                missing.add(file.base);
            }
            let Some(file) = files.next_if(|file| file.base == name) else {
                if listing.complete {
                    spare.add(name);
                }
                continue;
            };
            let same_keywords = match row.get_ref(4)? {
                ValueRef::Null => file.flags.keywords().next().is_none(),
                text => {
                    let known = from_words(Some(text.as_str()?));
                    known.minus(&listing.tells).union(&file.flags.words()) == known
                }
            };
            if file.flags.bits() != row.get::<_, u8>(3)? || !same_keywords {
                flags.add(name);
            } else if file.in_new != row.get::<_, bool>(1)? {
                elsewhere.add(name);
            }
        }
        files.for_each(|file| missing.add(file.base));
        Ok([missing, spare, elsewhere, flags].into_iter().filter_map(Found::told).collect())
    }
}
