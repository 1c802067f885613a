//! Which rules match which messages: the very search that a list stands on, led by the messages that are asked
//! about, so that a rule cannot mean anything else than its query does behind `/`.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, Result};

use super::hits::{Chase, Next, Part};
use super::rows::{Folder, Index, Who, folders, row, row_of};
use crate::fault::Fault;
use crate::job::index::{Match, SearchScope, Sieve};
use crate::mail::ids::AccountId;
use crate::mail::place::Place;

/// A message that is judged, and whose it is.
pub(super) type Judged<'a> = (i64, &'a AccountId);

/// The numbers of the rules that match, by message, in the order of the rules. One that stops is the last.
pub(super) fn judge(
    db: &Connection,
    folders: &BTreeMap<i64, Folder>,
    sieves: &[Sieve],
    messages: &[Judged<'_>],
) -> Result<BTreeMap<i64, Vec<usize>>> {
    let accounts: BTreeSet<&AccountId> = messages.iter().map(|(_, account)| *account).collect();
    let mut matched: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
    let mut stopped = BTreeSet::new();
    for (number, sieve) in sieves.iter().enumerate() {
        for account in accounts.iter().filter(|account| sieve.account.as_ref().is_none_or(|only| only == **account)) {
            let open = |(message, own): &&Judged<'_>| own == account && !stopped.contains(message);
            let asked: Vec<i64> = messages.iter().filter(open).map(|(message, _)| *message).collect();
            if asked.is_empty() {
                continue;
            }
            let scope = SearchScope::Account((*account).clone());
            let mut chase = Chase::among(db, (&sieve.query, &scope), folders, asked)?;
            let mut part = Part::new(db, folders, &|| true);
            loop {
                match chase.next(&mut part)? {
                    Next::Hit(hit) => {
                        matched.entry(hit.message).or_default().push(number);
                        if sieve.stop {
                            stopped.insert(hit.message);
                        }
                    }
                    Next::Miss => {}
                    Next::Stop => break,
                }
            }
        }
    }
    Ok(matched)
}

impl Index {
    /// Which rules match the messages that lie at these places? A place that is not known, and a message that none
    /// matches, is left out.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn judge(&self, sieves: &[Sieve], places: &[Place]) -> std::result::Result<Vec<Match>, Fault> {
        self.asked(|db| {
            let folders = folders(db)?;
            let mut find = db.prepare_cached(
                "SELECT p.message, m.digest FROM places p JOIN messages m ON m.id = p.message
                                   WHERE p.mailbox = ?1 AND p.name = ?2 AND p.home IS NULL",
            )?;
            let mut known = Vec::new();
            for place in places {
                let Some(mailbox) = row_of(&folders, &place.mailbox) else { continue };
                let mut rows = find.query(rusqlite::params![mailbox, place.unique.as_str()])?;
                if let Some(found) = rows.next()? {
                    known.push((found.get::<_, i64>(0)?, mailbox, found.get::<_, i64>(1)?, place));
                }
            }
            let asked: Vec<Judged<'_>> =
                known.iter().map(|(message, _, _, place)| (*message, &place.mailbox.account)).collect();
            let matched = judge(db, &folders, sieves, &asked)?;
            let mut all = Vec::new();
            for (message, mailbox, digest, _) in known {
                let Some(rules) = matched.get(&message) else { continue };
                if let Some(row) = row(db, message, mailbox, &folders, Who::Author)? {
                    all.push(Match { row, digest, rules: rules.clone() });
                }
            }
            Ok(all)
        })
    }
}
