//! The book of a POP3 server, kept in the ledger: `remote` says what it has to remember, `ledger` knows how.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use crate::config::Account;
use crate::fault::Fault;
use crate::ledger::{BookKey, Ledger, MailboxKey, NewUidl, UidlRow};
use crate::mail::ids::{Timestamp, Uid, UidValidity, Uidl};
use crate::mail::mailbox::MailboxName;
use crate::mail::place::MailboxId;
use crate::remote::pop3::book::{Fresh, HeaderHash, Known};
use crate::remote::pop3::{Book, Lasting};
use crate::sync::env::Clock;

/// The pages of one account at one server.
pub struct Pages {
    ledger: Ledger,
    key: BookKey,
    epoch: UidValidity,
    inbox: MailboxKey,
    clock: Arc<dyn Clock>,
}

impl Pages {
    /// Opens those of an account, in the ledger of that data directory.
    pub fn open(data: &Path, account: &Account, clock: Arc<dyn Clock>, lasting: Lasting) -> Result<Self, Fault> {
        // That a ledger was damaged is told by the sync thread, which opened it before.
        let mut ledger = match lasting {
            Lasting::Durably => Ledger::open(data)?.0,
            Lasting::Briefly => Ledger::rehearse(data)?,
        };
        let (host, user) = account.incoming().map_or(("", ""), |server| (&server.host, &server.user));
        let (key, epoch) = ledger.book(&account.id, (host, user), clock.now())?;
        let inbox = ledger.mailbox(&MailboxId { account: account.id.clone(), name: MailboxName::inbox() })?;
        Ok(Self { ledger, key, epoch, inbox, clock })
    }
}

/// `stubs` are the messages of which the header alone is here.
fn known(row: UidlRow, stubs: &BTreeSet<Uid>) -> (Uidl, Known) {
    let UidlRow { uidl, uid, size, stored, header, first_seen, last_seen, delivered, asked, done, doubtful } = row;
    let held = !delivered && stubs.contains(&uid);
    (uidl, Known { uid, size, stored, header, first_seen, last_seen, delivered, held, asked, done, doubtful })
}

impl Book for Pages {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn epoch(&self) -> UidValidity {
        self.epoch
    }

    fn known(&mut self) -> Result<BTreeMap<Uidl, Known>, Fault> {
        let mut stubs = BTreeSet::new();
        if self.ledger.agreed(self.inbox)?.validity == Some(self.epoch) {
            stubs.extend(self.ledger.stubs(self.inbox)?.iter().map(|row| row.uid));
        }
        Ok(self.ledger.uidls(self.key)?.into_iter().map(|row| known(row, &stubs)).collect())
    }

    fn enter(&mut self, fresh: &[Fresh]) -> Result<Vec<Known>, Fault> {
        let new = |fresh: &Fresh| {
            let Fresh { uidl, size, doubtful } = fresh.clone();
            NewUidl { uidl, size, doubtful }
        };
        let new: Vec<NewUidl> = fresh.iter().map(new).collect();
        let rows = self.ledger.enter_uidls(self.key, &new, self.clock.now())?;
        Ok(rows.into_iter().map(|row| known(row, &BTreeSet::new()).1).collect())
    }

    fn deliver(&mut self, headers: &BTreeMap<Uid, HeaderHash>) -> Result<Vec<Uid>, Fault> {
        let mut headers = headers.iter().map(|(uid, header)| (*uid, *header));
        self.ledger.deliver_uidls(self.key, self.inbox, &mut headers, self.clock.now())
    }

    fn ask(&mut self, uids: &[Uid]) -> Result<(), Fault> {
        self.ledger.ask_uidls(self.key, uids, self.clock.now())
    }

    fn close(&mut self, seen: &[Uid], done: &[Uid]) -> Result<(), Fault> {
        self.ledger.close_book(self.key, seen, done, self.clock.now())
    }
}
