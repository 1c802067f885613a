//! Labels: which accounts show their mailboxes as views of one, and which labels were given or taken here
//! without the server having heard of it. A wish is durable when [`Ledger::label`] returns, and lives until
//! a commit has made it part of the base, whatever happens between.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};

use super::base::MailboxKey;
use super::fault;
use super::keeper::read_only;
use super::schema::Ledger;
use crate::fault::Fault;
use crate::mail::flags::{Flags, Keyword};
use crate::mail::ids::AccountId;
use crate::mail::labels::{Labels, View};
use crate::mail::mailbox::{MailboxName, Role};
use crate::mail::place::{MailboxId, UniqueName};

/// An account whose mailboxes are views of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labelled {
    /// The mailbox in which the messages lie.
    pub home: MailboxName,
    /// Its views, sorted by name.
    pub views: Vec<View>,
}

/// What was wished for the labels of one message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LabelWish {
    /// It shall have these.
    pub given: Labels,
    /// It shall not have these.
    pub taken: Labels,
}

impl LabelWish {
    /// These flags with the labels as they are wished.
    #[must_use]
    pub fn applied(&self, flags: &Flags) -> Flags {
        flags.minus(&Flags::none().with_labels(&self.taken)).with_labels(&self.given)
    }

    /// These flags as if nothing of this wish were true: against them all of it is a change, whatever both sides
    /// agreed on since it was made.
    #[must_use]
    pub fn undone(&self, flags: &Flags) -> Flags {
        flags.minus(&Flags::none().with_labels(&self.given)).with_labels(&self.taken)
    }

    /// This wish and a later one: where they contradict each other the later one counts.
    fn then(&self, add: &Labels, remove: &Labels) -> Self {
        Self { given: self.given.minus(remove).union(add), taken: self.taken.union(remove).minus(add) }
    }
}

/// How an account was begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begun {
    /// It was never synced, as far as is known.
    Not,
    /// Its mailboxes are views of one, by labels.
    ByLabels,
    /// Each of its mailboxes is a folder.
    ByFolders,
}

/// How an account was begun, without opening the ledger for writing; one that cannot be read says nothing.
pub fn begun(data: &Path, account: &AccountId) -> Begun {
    let Some(db) = read_only(&data.join("ledger.db")) else { return Begun::Not };
    let has = |sql| db.query_row(sql, [account.as_str()], |_| Ok(())).is_ok();
    if has("SELECT 1 FROM labelled WHERE account = ?1") {
        Begun::ByLabels
    } else if has("SELECT 1 FROM mailbox WHERE account = ?1 AND validity IS NOT NULL LIMIT 1") {
        Begun::ByFolders
    } else {
        Begun::Not
    }
}

impl Ledger {
    /// The views of an account; `None`: it is synced by folders, or was never met.
    pub fn labelled(&self, account: &AccountId) -> Result<Option<Labelled>, Fault> {
        let run = || -> rusqlite::Result<Option<Labelled>> {
            let sql = "SELECT home FROM labelled WHERE account = ?1";
            let home: Option<String> = self.db.query_row(sql, [account.as_str()], |row| row.get(0)).optional()?;
            let Some(home) = home.as_deref().and_then(MailboxName::new) else { return Ok(None) };
            let of = |name: MailboxName| MailboxId { account: account.clone(), name };
            let mut find =
                self.db.prepare_cached("SELECT mailbox, role, label FROM view WHERE account = ?1 ORDER BY mailbox")?;
            let rows = find.query_map([account.as_str()], |row| {
                let role: Option<String> = row.get(1)?;
                let role = role.and_then(|word| Role::ALL.into_iter().find(|role| role.word() == word));
                let label = labels_in(row.get_ref(2)?.as_str()?).iter().next().cloned();
                let name = MailboxName::new(row.get_ref(0)?.as_str()?);
                Ok(name.zip(label).map(|(name, label)| View { mailbox: of(name), role, label, home: of(home.clone()) }))
            })?;
            let views = rows.filter_map(Result::transpose).collect::<rusqlite::Result<_>>()?;
            Ok(Some(Labelled { home, views }))
        };
        run().map_err(|e| fault(&e))
    }

    /// Writes down the views of an account; `None`: it is synced by folders.
    pub fn set_labelled(&mut self, account: &AccountId, labelled: Option<&Labelled>) -> Result<(), Fault> {
        let mut run = || -> rusqlite::Result<()> {
            let step = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            step.execute("DELETE FROM view WHERE account = ?1", [account.as_str()])?;
            step.execute("DELETE FROM labelled WHERE account = ?1", [account.as_str()])?;
            if let Some(Labelled { home, views }) = labelled {
                let sql = "INSERT INTO labelled (account, home) VALUES (?1, ?2)";
                step.execute(sql, [account.as_str(), home.as_str()])?;
                let sql = "INSERT OR REPLACE INTO view (account, mailbox, role, label) VALUES (?1, ?2, ?3, ?4)";
                let mut put = step.prepare(sql)?;
                for View { mailbox, role, label, .. } in views {
                    let label = Keyword::of_label(label);
                    put.execute(params![
                        account.as_str(),
                        mailbox.name.as_str(),
                        role.map(Role::word),
                        label.as_str()
                    ])?;
                }
            }
            step.commit()
        };
        run().map_err(|e| fault(&e))
    }

    /// Wishes labels for messages of a mailbox, and wishes others away, in one step that is durable when this
    /// returns. Of two wishes that contradict each other the later one counts.
    pub fn label(
        &mut self,
        mailbox: &MailboxId,
        uniques: &[UniqueName],
        add: &Labels,
        remove: &Labels,
    ) -> Result<(), Fault> {
        let key = self.mailbox(mailbox)?.number();
        let mut run = || -> rusqlite::Result<()> {
            let step = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            {
                let mut find =
                    step.prepare_cached("SELECT given, taken FROM label_wish WHERE mailbox = ?1 AND name = ?2")?;
                let mut put = step.prepare_cached(
                    "INSERT OR REPLACE INTO label_wish (mailbox, name, given, taken) VALUES (?1, ?2, ?3, ?4)",
                )?;
                for unique in uniques {
                    let before = find
                        .query_row(params![key, unique.as_str()], |row| {
                            Ok(wish_in(row.get_ref(0)?.as_str()?, row.get_ref(1)?.as_str()?))
                        })
                        .optional()?;
                    let LabelWish { given, taken } = before.unwrap_or_default().then(add, remove);
                    put.execute(params![key, unique.as_str(), labels_out(&given), labels_out(&taken)])?;
                }
            }
            step.commit()
        };
        run().map_err(|e| fault(&e))
    }

    /// The wishes for labels of the messages of a mailbox. Costs as much as there are.
    pub fn label_wishes(&self, key: MailboxKey) -> Result<BTreeMap<UniqueName, LabelWish>, Fault> {
        let run = || -> rusqlite::Result<BTreeMap<_, _>> {
            let mut find = self.db.prepare_cached("SELECT name, given, taken FROM label_wish WHERE mailbox = ?1")?;
            let rows = find.query_map([key.number()], |row| {
                let unique = UniqueName::new(row.get_ref(0)?.as_str()?);
                Ok(unique.zip(Some(wish_in(row.get_ref(1)?.as_str()?, row.get_ref(2)?.as_str()?))))
            })?;
            rows.filter_map(Result::transpose).collect()
        };
        run().map_err(|e| fault(&e))
    }
}

/// Drops wishes that are fulfilled or void. One that was changed since it was read stays: the user has
/// thought of something else meanwhile.
pub(super) fn fulfil(db: &Connection, key: MailboxKey, wishes: &[(UniqueName, LabelWish)]) -> rusqlite::Result<()> {
    let mut drop =
        db.prepare_cached("DELETE FROM label_wish WHERE mailbox = ?1 AND name = ?2 AND given = ?3 AND taken = ?4")?;
    for (unique, LabelWish { given, taken }) in wishes {
        drop.execute(params![key.number(), unique.as_str(), labels_out(given), labels_out(taken)])?;
    }
    Ok(())
}

/// What was wished for messages that are gone is void: whoever moves one elsewhere leaves its labels behind.
pub(super) fn forget(db: &Connection, key: MailboxKey, names: &[String]) -> rusqlite::Result<()> {
    let mut drop = db.prepare_cached(
        "DELETE FROM label_wish WHERE mailbox = ?1 AND name = ?2
         AND NOT EXISTS (SELECT 1 FROM base WHERE base.mailbox = ?1 AND base.name = ?2)",
    )?;
    for name in names {
        drop.execute(params![key.number(), name])?;
    }
    Ok(())
}

/// What is wished for a file goes with it when it gets another name.
pub(super) fn follow(db: &Connection, key: MailboxKey, from: &str, to: &str) -> rusqlite::Result<()> {
    db.prepare_cached("UPDATE OR IGNORE label_wish SET name = ?3 WHERE mailbox = ?1 AND name = ?2")?
        .execute(params![key.number(), from, to])?;
    Ok(())
}

fn labels_out(labels: &Labels) -> String {
    Flags::none().with_labels(labels).stored_words().unwrap_or_default()
}

fn labels_in(words: &str) -> Labels {
    Flags::from_stored_words(words).labels()
}

fn wish_in(given: &str, taken: &str) -> LabelWish {
    LabelWish { given: labels_in(given), taken: labels_in(taken) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{Agreed, Change, Row};
    use crate::mail::ids::{Uid, UidValidity};
    use crate::mail::labels::Label;

    fn labels(words: &[&str]) -> Labels {
        words.iter().filter_map(|word| Label::read(word)).collect()
    }

    fn unique(text: &str) -> UniqueName {
        UniqueName::new(text).unwrap()
    }

    fn home() -> MailboxId {
        MailboxId { account: AccountId::new("g"), name: MailboxName::new("[Gmail]/All Mail").unwrap() }
    }

    #[test]
    fn wishes_merge_survive_and_go_only_as_they_were_read() {
        let data = tempfile::tempdir().unwrap();
        let (mut ledger, _) = Ledger::open(data.path()).unwrap();
        let key = ledger.mailbox(&home()).unwrap();
        let one = [unique("1.a"), unique("2.b")];
        ledger.label(&home(), &one, &labels(&["say \"a b\"/\u{fc}", "x"]), &labels(&["\\Inbox"])).unwrap();
        let read = ledger.label_wishes(key).unwrap();
        ledger.label(&home(), &one[..1], &labels(&["\\Inbox"]), &labels(&["x"])).unwrap();
        drop(ledger);

        let (mut ledger, _) = Ledger::open(data.path()).unwrap();
        let wish = LabelWish { given: labels(&["say \"a b\"/\u{fc}", "\\Inbox"]), taken: labels(&["x"]) };
        assert_eq!(ledger.label_wishes(key).unwrap().get(&one[0]), Some(&wish));
        // The first was changed since it was read, so it stays.
        let done = Change { wishes: read.into_iter().collect(), ..Change::default() };
        ledger.commit(&[(key, done)]).unwrap();
        let left = ledger.label_wishes(key).unwrap();
        assert_eq!(left, BTreeMap::from([(one[0].clone(), wish)]));
        let flags = Flags::none().with_labels(&labels(&["x", "y"]));
        assert_eq!(left[&one[0]].applied(&flags).labels(), labels(&["y", "\\Inbox", "say \"a b\"/\u{fc}"]));
    }

    #[test]
    fn a_wish_goes_with_its_message_and_outlives_an_epoch() {
        let data = tempfile::tempdir().unwrap();
        let (mut ledger, _) = Ledger::open(data.path()).unwrap();
        let key = ledger.mailbox(&home()).unwrap();
        let row = |uid, name| Row {
            uid: Uid::new(uid).unwrap(),
            unique: unique(name),
            flags: Flags::none(),
            size: 1,
            digest: None,
        };
        let put = vec![row(1, "1.stub"), row(2, "2.old"), row(3, "3.gone")];
        ledger.commit(&[(key, Change { put, ..Change::default() })]).unwrap();
        let all = [unique("1.stub"), unique("2.old"), unique("3.gone"), unique("4.new")];
        ledger.label(&home(), &all, &labels(&["x"]), &Labels::none()).unwrap();
        let change = Change {
            rename: vec![(Uid::new(1).unwrap(), unique("1.whole"))],
            put: vec![row(2, "2.new")],
            remove: vec![Uid::new(3).unwrap()],
            ..Change::default()
        };
        ledger.commit(&[(key, change)]).unwrap();
        let names: Vec<_> = ledger.label_wishes(key).unwrap().into_keys().collect();
        assert_eq!(names, [unique("1.whole"), unique("2.new"), unique("4.new")]);
        // A new epoch makes new rows; what was wished for the files stands.
        ledger.commit(&[(key, Change { reset: true, put: vec![row(9, "2.new")], ..Change::default() })]).unwrap();
        assert_eq!(ledger.label_wishes(key).unwrap().len(), 3);
        ledger.forget(key).unwrap();
        assert!(ledger.label_wishes(key).unwrap().is_empty());
    }

    #[test]
    fn views_are_kept_by_account() {
        let data = tempfile::tempdir().unwrap();
        let (mut ledger, _) = Ledger::open(data.path()).unwrap();
        let account = AccountId::new("g");
        assert_eq!(ledger.labelled(&account).unwrap(), None);
        let view = |name: &str, role| {
            let name = MailboxName::new(name).unwrap();
            let label = Label::of_mailbox(name.clone());
            View { mailbox: MailboxId { account: account.clone(), name }, role, label, home: home() }
        };
        let views = vec![view("INBOX", Some(Role::Inbox)), view("Trips/R\u{f6}m \"1\"", None)];
        let labelled = Labelled { home: home().name, views };
        ledger.set_labelled(&account, Some(&labelled)).unwrap();
        assert_eq!(ledger.labelled(&account).unwrap(), Some(labelled));
        assert_eq!(begun(data.path(), &account), Begun::ByLabels);
        assert_eq!(ledger.labelled(&AccountId::new("other")).unwrap(), None);
        ledger.set_labelled(&account, None).unwrap();
        assert_eq!(begun(data.path(), &account), Begun::Not);
        let key = ledger.mailbox(&home()).unwrap();
        let agreed = Agreed { validity: Some(UidValidity::MIN), ..Agreed::default() };
        ledger.commit(&[(key, Change { agreed: Some(agreed), ..Change::default() })]).unwrap();
        assert_eq!(begun(data.path(), &account), Begun::ByFolders);
        assert_eq!(ledger.labelled(&account).unwrap(), None);
    }
}
