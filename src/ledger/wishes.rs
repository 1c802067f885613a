//! Wishes: what the user wants done with a folder on the server, said while perhaps no server was in
//! reach. They live here until a sync has fulfilled them or found them void, whatever happens between.

use rusqlite::params;

use super::fault;
use super::schema::Ledger;
use crate::fault::Fault;
use crate::mail::ids::AccountId;
use crate::mail::mailbox::MailboxName;
use crate::mail::place::MailboxId;

/// What is wished for a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wish {
    /// It was removed here, and the user agrees to its removal on the server.
    Remove,
    /// It shall be subscribed.
    Subscribe,
    /// It shall be subscribed no more.
    Unsubscribe,
}

impl Wish {
    const ALL: [Self; 3] = [Self::Remove, Self::Subscribe, Self::Unsubscribe];

    fn word(self) -> &'static str {
        match self {
            Self::Remove => "remove",
            Self::Subscribe => "subscribe",
            Self::Unsubscribe => "unsubscribe",
        }
    }
}

impl Ledger {
    /// Writes a wish down, durably. Of two about the subscription the later one counts.
    pub fn wish(&mut self, mailbox: &MailboxId, wish: Wish) -> Result<(), Fault> {
        let opposite = match wish {
            Wish::Remove => None,
            Wish::Subscribe => Some(Wish::Unsubscribe),
            Wish::Unsubscribe => Some(Wish::Subscribe),
        };
        if let Some(opposite) = opposite {
            self.fulfilled(mailbox, opposite)?;
        }
        let (account, name) = (mailbox.account.as_str(), mailbox.name.as_str());
        let sql = "INSERT OR IGNORE INTO wish (account, mailbox, kind) VALUES (?1, ?2, ?3)";
        self.db.execute(sql, params![account, name, wish.word()]).map(|_| ()).map_err(|e| fault(&e))
    }

    /// The wishes for the folders of an account, by name.
    pub fn wishes(&self, account: &AccountId) -> Result<Vec<(MailboxName, Wish)>, Fault> {
        let run = || -> rusqlite::Result<Vec<_>> {
            let mut find =
                self.db.prepare_cached("SELECT mailbox, kind FROM wish WHERE account = ?1 ORDER BY mailbox, kind")?;
            let rows = find.query_map([account.as_str()], |row| {
                let name = MailboxName::new(row.get_ref(0)?.as_str()?);
                let word = row.get_ref(1)?.as_str()?;
                Ok(name.zip(Wish::ALL.into_iter().find(|wish| wish.word() == word)))
            })?;
            rows.filter_map(Result::transpose).collect()
        };
        run().map_err(|e| fault(&e))
    }

    /// Drops a wish: it is fulfilled, or void.
    pub fn fulfilled(&mut self, mailbox: &MailboxId, wish: Wish) -> Result<(), Fault> {
        let (account, name) = (mailbox.account.as_str(), mailbox.name.as_str());
        let sql = "DELETE FROM wish WHERE account = ?1 AND mailbox = ?2 AND kind = ?3";
        self.db.execute(sql, params![account, name, wish.word()]).map(|_| ()).map_err(|e| fault(&e))
    }
}
