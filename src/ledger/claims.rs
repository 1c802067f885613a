//! What rules did on arrival: each message that one matched is claimed before anything is done to it, so that it is
//! done once. A message is known by a number made of its bytes. A program is written down before it is started: one
//! that was begun and not seen to end is never started again for that message.

use rusqlite::{OptionalExtension as _, TransactionBehavior, params};

use super::fault;
use super::schema::Ledger;
use crate::fault::Fault;
use crate::mail::ids::{AccountId, Timestamp};
use crate::mail::mailbox::MailboxName;

/// For so long it is remembered, in seconds: 400 days.
const KEPT: i64 = 400 * 86_400;

/// How it stands with a message that rules match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// Nothing was done to it yet, or not all: what can be done twice is to be done. These rules had their programs
    /// started.
    Open {
        /// By name.
        begun: Vec<String>,
    },
    /// All was done.
    Done,
}

impl Ledger {
    /// Claims messages, durably; says how it stands with each.
    ///
    /// # Errors
    /// The ledger cannot be written.
    pub fn claim(&mut self, account: &AccountId, digests: &[i64], now: Timestamp) -> Result<Vec<Claim>, Fault> {
        let run = |ledger: &mut Self| -> rusqlite::Result<Vec<Claim>> {
            let step = ledger.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            step.prepare_cached("DELETE FROM claim WHERE at < ?1")?.execute([now.get().saturating_sub(KEPT)])?;
            let mut claims = Vec::with_capacity(digests.len());
            for digest in digests {
                let known: Option<(String, bool)> = step
                    .prepare_cached("SELECT begun, done FROM claim WHERE account = ?1 AND digest = ?2")?
                    .query_row(params![account.as_str(), digest], |row| Ok((row.get(0)?, row.get(1)?)))
                    .optional()?;
                claims.push(match known {
                    Some((_, true)) => Claim::Done,
                    Some((begun, false)) => Claim::Open { begun: begun.lines().map(str::to_owned).collect() },
                    None => {
                        step.prepare_cached("INSERT INTO claim (account, digest, at) VALUES (?1, ?2, ?3)")?
                            .execute(params![account.as_str(), digest, now.get()])?;
                        Claim::Open { begun: Vec::new() }
                    }
                });
            }
            step.commit()?;
            Ok(claims)
        };
        run(self).map_err(|e| fault(&e))
    }

    /// The program of a rule is about to be started for a message that was claimed.
    ///
    /// # Errors
    /// The ledger cannot be written.
    pub fn begin_program(&mut self, account: &AccountId, digest: i64, rule: &str) -> Result<(), Fault> {
        let line = format!("{}\n", rule.replace('\n', " "));
        let sql = "UPDATE claim SET begun = begun || ?3 WHERE account = ?1 AND digest = ?2";
        self.db.execute(sql, params![account.as_str(), digest, line]).map(drop).map_err(|e| fault(&e))
    }

    /// All is done that rules wanted for these messages.
    ///
    /// # Errors
    /// The ledger cannot be written.
    pub fn claimed_done(&mut self, account: &AccountId, digests: &[i64]) -> Result<(), Fault> {
        let run = |ledger: &mut Self| -> rusqlite::Result<()> {
            let step = ledger.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            {
                let mut done = step.prepare_cached("UPDATE claim SET done = 1 WHERE account = ?1 AND digest = ?2")?;
                digests.iter().try_for_each(|digest| done.execute(params![account.as_str(), digest]).map(drop))?;
            }
            step.commit()
        };
        run(self).map_err(|e| fault(&e))
    }

    /// The mailboxes of an account that were compared with the server in full at least once; `None`: nothing is known
    /// of any server of the account.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn compared(&self, account: &AccountId) -> Result<Option<Vec<MailboxName>>, Fault> {
        let run = || -> rusqlite::Result<Option<Vec<MailboxName>>> {
            let sql = "SELECT name, complete_at <> 0 FROM mailbox WHERE account = ?1 ORDER BY name";
            let mut find = self.db.prepare_cached(sql)?;
            let mut rows = find.query([account.as_str()])?;
            let mut compared: Option<Vec<MailboxName>> = None;
            while let Some(row) = rows.next()? {
                let names = compared.get_or_insert_default();
                if row.get(1)? {
                    names.extend(MailboxName::new(row.get_ref(0)?.as_str()?));
                }
            }
            Ok(compared)
        };
        run().map_err(|e| fault(&e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_claimed_once_and_remembers_which_programs_were_begun() {
        let data = tempfile::tempdir().unwrap();
        let (mut ledger, _) = Ledger::open(data.path()).unwrap();
        let (ada, work) = (AccountId::new("ada"), AccountId::new("work"));
        let now = Timestamp::new(1_000_000_000);
        let open = |begun: &[&str]| Claim::Open { begun: begun.iter().map(|name| (*name).to_owned()).collect() };
        assert_eq!(ledger.claim(&ada, &[-7, 3], now), Ok(vec![open(&[]), open(&[])]));
        ledger.begin_program(&ada, -7, "one").unwrap();
        ledger.begin_program(&ada, -7, "two words").unwrap();
        // The program was killed in between.
        let (mut again, _) = Ledger::open(data.path()).unwrap();
        assert_eq!(again.claim(&ada, &[-7], now), Ok(vec![open(&["one", "two words"])]));
        assert_eq!(again.claim(&work, &[-7], now), Ok(vec![open(&[])]), "another account's copy is another message");
        again.claimed_done(&ada, &[-7]).unwrap();
        assert_eq!(ledger.claim(&ada, &[-7, 3], now.plus(86_400)), Ok(vec![Claim::Done, open(&[])]));
        assert_eq!(ledger.claim(&ada, &[-7], now.plus(KEPT + 1)), Ok(vec![open(&[])]), "it is forgotten in the end");
    }
}
