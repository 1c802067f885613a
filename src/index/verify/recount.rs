//! What the index keeps counted, counted again from the rows below: mailboxes, conversations, views, and who belongs
//! to which conversation.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension as _, Result};

use super::{Check, Cure, Drift, Found, Verifier};
use crate::fault::Fault;
use crate::index::folders::mailbox_id;
use crate::index::schema::UNIFIED;
use crate::mail::place::MailboxId;

/// What a conversation comes to.
const SUMS: &str = "max(p.message), count(*), sum(p.flags & 16 = 0),
     max(p.flags & 1) | max(p.flags & 2) | max(p.flags & 4) | max(p.flags & 8) | min(p.flags & 16) | max(p.flags & 32),
     max(m.bits & 1) | max(m.bits & 2) | max(m.bits & 4)";

/// Questions whose answer is the number of rows that are wrong, with what is wrong.
const ROWS: [(Check, &str, &str, Cure); 9] = [
    (
        Check::Files,
        "places have no message",
        "SELECT count(*) FROM places p LEFT JOIN messages m ON m.id = p.message WHERE m.id IS NULL",
        Cure::Anew,
    ),
    (
        Check::Files,
        "messages have no place",
        "SELECT count(*) FROM messages m WHERE NOT EXISTS(SELECT 1 FROM places p WHERE p.message = m.id)
         AND m.id NOT IN (SELECT message FROM orphans)",
        Cure::Anew,
    ),
    (
        Check::Files,
        "messages are still to be forgotten",
        "SELECT count(*) FROM orphans o WHERE NOT EXISTS(SELECT 1 FROM places p WHERE p.message = o.message)",
        Cure::Look,
    ),
    (
        Check::Conversations,
        "places are in another conversation than their message",
        "SELECT count(*) FROM places p JOIN messages m ON m.id = p.message WHERE p.thread <> m.thread",
        Cure::Anew,
    ),
    (
        Check::Conversations,
        "messages are in another conversation than their Message-ID",
        "SELECT count(*) FROM messages m LEFT JOIN links l ON l.key = m.key LEFT JOIN sewn s ON s.message = m.id
         WHERE m.key IS NOT NULL AND l.thread IS NOT ifnull(s.grown, m.thread)",
        Cure::Anew,
    ),
    (
        Check::Words,
        "messages are still to be read for their words",
        "SELECT count(*) FROM messages WHERE indexed = 0",
        Cure::Look,
    ),
    (
        Check::Words,
        "messages have no words",
        "SELECT count(*) FROM messages m LEFT JOIN words_docsize d ON d.id = m.id WHERE m.indexed = 1 AND d.id IS NULL",
        Cure::Anew,
    ),
    (
        Check::Words,
        "words are of no message",
        "SELECT count(*) FROM words_docsize d LEFT JOIN messages m ON m.id = d.id WHERE m.indexed IS NOT 1",
        Cure::Anew,
    ),
    (
        Check::Views,
        "rows of views show no file",
        "SELECT count(*) FROM places v WHERE v.home IS NOT NULL AND NOT EXISTS(
             SELECT 1 FROM places p WHERE p.mailbox = v.home AND p.name = v.name AND p.home IS NULL
             AND p.message = v.message AND p.flags = v.flags AND p.keywords IS v.keywords AND p.info = v.info)",
        Cure::Anew,
    ),
];

/// Rows that are wrong in one mailbox or another.
type Wrong = BTreeMap<i64, usize>;

impl Verifier {
    /// Counts again what is kept counted, and looks whether the tables agree with each other.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn recount(&self) -> std::result::Result<Vec<Drift>, Fault> {
        let all = || {
            let mut drifts = Vec::new();
            for (check, what, sql, cure) in ROWS {
                let mut found = Found::of(check, None, what, cure);
                found.add_many(self.count(sql)?);
                drifts.extend(found.told());
            }
            drifts.extend(self.compare_links()?);
            drifts.extend(self.compare_counts()?);
            drifts.extend(self.compare_conversations()?);
            Ok(drifts)
        };
        all().map_err(|error| self.fault(&error))
    }

    /// Whoever a message names is in its conversation.
    fn compare_links(&self) -> Result<Option<Drift>> {
        let what = "messages are in another conversation than those they answer";
        let mut found = Found::of(Check::Conversations, None, what, Cure::Anew);
        let mut link = self.db.prepare("SELECT 1 FROM links WHERE key = ?1 AND thread = ?2")?;
        let mut all = self.db.prepare(
            "SELECT ifnull(s.grown, m.thread), parents, subject FROM messages m
             LEFT JOIN sewn s ON s.message = m.id WHERE length(parents) >= 8",
        )?;
        let mut rows = all.query([])?;
        while let Some(row) = rows.next()? {
            let thread: i64 = row.get(0)?;
            let (keys, _) = row.get_ref(1)?.as_blob()?.as_chunks::<8>();
            for key in keys {
                if !link.exists([i64::from_be_bytes(*key), thread])? {
                    found.add(row.get_ref(2)?.as_str()?);
                    break;
                }
            }
        }
        Ok(found.told())
    }

    /// Totals, unread and starred, of messages and of conversations.
    fn compare_counts(&self) -> Result<Vec<Drift>> {
        let mut counted: BTreeMap<i64, [i64; 6]> = BTreeMap::new();
        for (at, table, unread) in [(0, "places", "flags & 16 = 0"), (3, "conversations", "unread > 0")] {
            let sql =
                format!("SELECT mailbox, count(*), sum({unread}), sum(flags & 2 <> 0) FROM {table} GROUP BY mailbox");
            let mut all = self.db.prepare(&sql)?;
            let mut rows = all.query([])?;
            while let Some(row) = rows.next()? {
                let sums = counted.entry(row.get(0)?).or_default();
                for (sum, column) in sums.iter_mut().skip(at).zip(1..=3) {
                    *sum = row.get(column)?;
                }
            }
        }
        let mut all = self.db.prepare(
            "SELECT id, total, unread, starred, conversations, unread_conversations, starred_conversations FROM mailboxes",
        )?;
        let mut rows = all.query([])?;
        let mut wrong = Wrong::new();
        while let Some(row) = rows.next()? {
            let mut kept = [0; 6];
            for (kept, column) in kept.iter_mut().zip(1..) {
                *kept = row.get(column)?;
            }
            let right = counted.remove(&row.get(0)?).unwrap_or_default();
            let count = kept.iter().zip(right).filter(|(kept, right)| **kept != *right).count();
            if count > 0 {
                wrong.insert(row.get(0)?, count);
            }
        }
        // Rows of mailboxes that are not there.
        wrong.extend(counted.into_keys().map(|mailbox| (mailbox, 1)));
        self.by_mailbox(&wrong, Check::Counts, "counts are wrong")
    }

    /// Each conversation of each mailbox, and of all INBOXes together.
    fn compare_conversations(&self) -> Result<Vec<Drift>> {
        let mut kept = self.db.prepare(
            "SELECT newest, messages, unread, flags, bits FROM conversations WHERE mailbox = ?1 AND thread = ?2",
        )?;
        let (mut wrong, mut met) = (Wrong::new(), Wrong::new());
        for (mailbox, group, only) in [
            ("p.mailbox", "p.thread, p.mailbox", ""),
            ("0", "p.thread", "WHERE p.mailbox IN (SELECT id FROM mailboxes WHERE inbox AND id > 0)"),
        ] {
            let sql = format!(
                "SELECT {mailbox}, p.thread, {SUMS} FROM places p JOIN messages m ON m.id = p.message {only} GROUP BY {group}"
            );
            let mut all = self.db.prepare(&sql)?;
            let mut rows = all.query([])?;
            while let Some(row) = rows.next()? {
                let (mailbox, thread): (i64, i64) = (row.get(0)?, row.get(1)?);
                let sums = |row: &rusqlite::Row<'_>, from: usize| -> Result<[i64; 5]> {
                    let mut sums = [0; 5];
                    for (sum, column) in sums.iter_mut().zip(from..) {
                        *sum = row.get(column)?;
                    }
                    Ok(sums)
                };
                let known = kept.query_row([mailbox, thread], |row| sums(row, 0)).optional()?;
                *met.entry(mailbox).or_default() += usize::from(known.is_some());
                if known != Some(sums(row, 2)?) {
                    *wrong.entry(mailbox).or_default() += 1;
                }
            }
        }
        let mut all = self.db.prepare("SELECT mailbox, count(*) FROM conversations GROUP BY mailbox")?;
        let mut rows = all.query([])?;
        while let Some(row) = rows.next()? {
            let mailbox = row.get(0)?;
            let spare = crate::index::rows::size(row, 1)? - met.get(&mailbox).copied().unwrap_or_default();
            if spare > 0 {
                *wrong.entry(mailbox).or_default() += spare;
            }
        }
        self.by_mailbox(&wrong, Check::Conversations, "conversations are counted wrongly")
    }

    fn by_mailbox(&self, wrong: &Wrong, check: Check, what: &'static str) -> Result<Vec<Drift>> {
        let mut drifts = Vec::new();
        for (row, count) in wrong {
            let id = self.name_of(*row)?;
            let mut found = Found::of(check, id.as_ref(), what, Cure::Anew);
            found.add_many(*count);
            drifts.extend(found.told());
        }
        Ok(drifts)
    }

    /// `None` for the list of all INBOXes.
    pub(super) fn name_of(&self, mailbox: i64) -> Result<Option<MailboxId>> {
        if mailbox == UNIFIED {
            return Ok(None);
        }
        let named: Option<(String, String)> = self
            .db
            .prepare_cached("SELECT account, name FROM mailboxes WHERE id = ?1")?
            .query_row([mailbox], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        Ok(named.and_then(|(account, name)| mailbox_id(&account, &name)))
    }
}
