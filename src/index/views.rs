//! Views: mailboxes that lie nowhere and show the messages of another one, their home, that have a word among
//! their labels or keywords. What a view shows is mirrored into the table of places, so that lists, counts and
//! conversations know no difference; the file itself stays one. Labels stand in no file's name, so they are
//! told, also before the file they belong to is taken in.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{OptionalExtension as _, Result, params};

use super::folders::{KnownMailbox, mailbox_id, role_of};
use super::write::{FileName, Writer, from_words};
use crate::fault::Fault;
use crate::job::index::IndexReport;
use crate::mail::flags::{Flag, Flags, Keyword};
use crate::mail::ids::AccountId;
use crate::mail::labels::{Label, Labels, View};
use crate::mail::mailbox::Role;
use crate::mail::place::{MailboxId, Place, UniqueName};

/// How many messages one step labels.
const STEP: usize = 500;

/// The views that show messages of one mailbox.
#[derive(Debug, Clone, Default)]
pub(super) struct Views(BTreeMap<Keyword, Vec<Shown>>);

/// A view, as its home knows it.
#[derive(Debug, Clone)]
struct Shown {
    row: i64,
    id: MailboxId,
    role: Option<Role>,
}

impl Views {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The mailboxes that they are.
    pub(super) fn ids(&self) -> impl Iterator<Item = &MailboxId> {
        self.0.values().flatten().map(|view| &view.id)
    }

    /// Those that show a message with these flags.
    fn of(&self, flags: &Flags) -> BTreeMap<i64, &Shown> {
        let starred = flags.has(Flag::Flagged).then(|| Keyword::of_label(&Label::Starred));
        let words = flags.keywords().chain(&starred);
        words.filter_map(|word| self.0.get(word)).flatten().map(|view| (view.row, view)).collect()
    }
}

impl Writer {
    /// These are all the views of an account; any other is forgotten. After `Refreshed` come the homes whose
    /// labels are wanted: a view of them is new here.
    ///
    /// # Errors
    /// The index cannot be written.
    pub fn views(&mut self, account: &AccountId, views: &[View]) -> std::result::Result<Vec<IndexReport>, Fault> {
        let (changed, fresh) = self.step(|writer| writer.set_views(account, views))?;
        let mut homes: BTreeSet<MailboxId> = fresh;
        // What happened while nobody listened is told once.
        homes.extend(views.iter().map(|view| &view.home).filter(|home| !self.labels_told.contains(*home)).cloned());
        self.labels_told.extend(homes.iter().cloned());
        let mut reports = vec![self.refreshed(changed, Vec::new())];
        reports.extend(homes.into_iter().map(IndexReport::LabelsWanted));
        Ok(reports)
    }

    /// Gives messages labels and takes some away.
    ///
    /// # Errors
    /// The index cannot be written.
    pub fn label(
        &mut self,
        places: &[Place],
        add: &Labels,
        remove: &Labels,
    ) -> std::result::Result<IndexReport, Fault> {
        let mut homes: BTreeMap<&MailboxId, Vec<&UniqueName>> = BTreeMap::new();
        for place in places {
            self.relabel_held(place, add, remove);
            homes.entry(&place.mailbox).or_default().push(&place.unique);
        }
        let mut changed = BTreeSet::new();
        for (home, names) in homes {
            for some in names.chunks(STEP) {
                changed.extend(self.step(|writer| {
                    let home = writer.mailbox(home)?;
                    for unique in some {
                        writer.relabel(&home, unique, |labels| labels.union(add).minus(remove))?;
                    }
                    Ok(home.with_views())
                })?);
            }
        }
        Ok(self.refreshed(changed.into_iter().collect(), Vec::new()))
    }

    /// Gives messages exactly these labels. Those of a file that is not taken in yet are kept for it.
    ///
    /// # Errors
    /// The index cannot be written.
    pub fn set_labels(
        &mut self,
        home: &MailboxId,
        rows: &[(UniqueName, Labels)],
    ) -> std::result::Result<IndexReport, Fault> {
        let mut changed = BTreeSet::new();
        for some in rows.chunks(STEP) {
            changed.extend(self.step(|writer| {
                let home = writer.mailbox(home)?;
                let mut any = false;
                for (unique, labels) in some {
                    match writer.relabel(&home, unique, |_| labels.clone())? {
                        Some(is_new) => any |= is_new,
                        None => writer.keep_told(&home, unique, labels)?,
                    }
                }
                Ok(if any { home.with_views() } else { Vec::new() })
            })?);
        }
        Ok(self.refreshed(changed.into_iter().collect(), Vec::new()))
    }

    /// The word by which the labels of a home were told last, where they were.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn labels_stamp(&self, home: &MailboxId) -> std::result::Result<Option<String>, Fault> {
        let mut find =
            self.db.prepare_cached("SELECT value FROM meta WHERE key = ?1").map_err(|error| self.fault(&error))?;
        find.query_row([stamp_key(home)], |row| row.get(0)).optional().map_err(|error| self.fault(&error))
    }

    /// Remembers by which word the labels of a home were told.
    ///
    /// # Errors
    /// The index cannot be written.
    pub fn set_labels_stamp(&mut self, home: &MailboxId, stamp: &str) -> std::result::Result<(), Fault> {
        self.step(|writer| {
            writer
                .db
                .prepare_cached("INSERT OR REPLACE INTO meta(key, value) VALUES(?1, ?2)")?
                .execute([&stamp_key(home), stamp])
                .map(drop)
        })
    }

    /// Each view of an account, with the row of its home.
    pub(super) fn all_views(&self, account: &AccountId) -> Result<BTreeMap<i64, i64>> {
        self.db
            .prepare_cached(
                "SELECT v.mailbox, v.home FROM views v JOIN mailboxes b ON b.id = v.mailbox WHERE b.account = ?1",
            )?
            .query_map([account.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect()
    }

    /// What the views of an account are for.
    pub(super) fn roles_of_views(&self, account: &AccountId) -> Result<BTreeSet<String>> {
        self.db
            .prepare_cached(
                "SELECT b.role FROM views v JOIN mailboxes b ON b.id = v.mailbox
                 WHERE b.account = ?1 AND b.role IS NOT NULL",
            )?
            .query_map([account.as_str()], |row| row.get(0))?
            .collect()
    }

    /// The views of a home.
    pub(super) fn views_of(&self, home: i64) -> Result<Views> {
        let mut find = self.db.prepare_cached(
            "SELECT v.word, v.mailbox, b.account, b.name, b.role FROM views v JOIN mailboxes b ON b.id = v.mailbox
             WHERE v.home = ?1",
        )?;
        let mut rows = find.query([home])?;
        let mut views = Views::default();
        while let Some(row) = rows.next()? {
            let word = from_words(Some(&row.get::<_, String>(0)?)).keywords().next().cloned();
            let id = mailbox_id(&row.get::<_, String>(2)?, &row.get::<_, String>(3)?);
            let (Some(word), Some(id)) = (word, id) else { continue };
            views.0.entry(word).or_default().push(Shown {
                row: row.get(1)?,
                id,
                role: role_of(row.get_ref(4)?.as_str_or_null()?),
            });
        }
        Ok(views)
    }

    /// Gives back the mailboxes that changed, and the homes of views that are new.
    fn set_views(&mut self, account: &AccountId, views: &[View]) -> Result<(Vec<MailboxId>, BTreeSet<MailboxId>)> {
        let homes: BTreeSet<&MailboxId> = views.iter().map(|view| &view.home).collect();
        let before = self.all_views(account)?;
        let (mut kept, mut fresh) = (BTreeSet::new(), BTreeMap::new());
        // A home shows its files; it cannot show those of another mailbox.
        for view in views.iter().filter(|view| view.mailbox.account == *account && !homes.contains(&view.mailbox)) {
            let (known, home) = (self.mailbox(&view.mailbox)?, self.mailbox(&view.home)?.row);
            let row = known.row;
            self.set_role(&known, view.role)?;
            kept.insert(row);
            let word = Keyword::of_label(&view.label);
            let known = self
                .db
                .prepare_cached("SELECT 1 FROM views WHERE mailbox = ?1 AND home = ?2 AND word = ?3")?
                .exists(params![row, home, word.as_str()])?;
            if !known {
                self.empty_view(row)?;
                // It may need labels that nothing here showed so far.
                self.db.prepare_cached("DELETE FROM meta WHERE key = ?1")?.execute([stamp_key(&view.home)])?;
                self.db
                    .prepare_cached("INSERT OR REPLACE INTO views(mailbox, home, word) VALUES(?1, ?2, ?3)")?
                    .execute(params![row, home, word.as_str()])?;
                fresh.entry(view.home.clone()).or_insert_with(BTreeSet::new).insert(word);
            }
        }
        let gone: Vec<i64> = before.into_keys().filter(|row| !kept.contains(row)).collect();
        for row in &gone {
            self.forget_view(*row)?;
        }
        for (home, words) in &fresh {
            self.fill_views(home, words)?;
        }
        let changed = if gone.is_empty() && fresh.is_empty() {
            Vec::new()
        } else {
            views.iter().map(|view| view.mailbox.clone()).collect()
        };
        Ok((changed, fresh.into_keys().collect()))
    }

    /// Shows in new views what is known already.
    fn fill_views(&mut self, home: &MailboxId, words: &BTreeSet<Keyword>) -> Result<()> {
        let home = self.mailbox(home)?;
        let names: Vec<String> = {
            let mut find = self.db.prepare_cached(
                "SELECT name, flags, keywords FROM places
                 WHERE mailbox = ?1 AND home IS NULL AND (keywords IS NOT NULL OR flags & 2 <> 0)",
            )?;
            let mut rows = find.query([home.row])?;
            let mut names = Vec::new();
            while let Some(row) = rows.next()? {
                let flags = Flags::from_bits(row.get(1)?).union(&from_words(row.get_ref(2)?.as_str_or_null()?));
                let starred = flags.has(Flag::Flagged) && words.contains(&Keyword::of_label(&Label::Starred));
                if starred || flags.keywords().any(|word| words.contains(word)) {
                    names.push(row.get(0)?);
                }
            }
            names
        };
        names.iter().try_for_each(|name| self.show_in_views(&home, name))
    }

    /// A view that is none any more. The mailbox goes, unless it has files of its own.
    fn forget_view(&mut self, row: i64) -> Result<()> {
        self.empty_view(row)?;
        self.db.prepare_cached("DELETE FROM views WHERE mailbox = ?1")?.execute([row])?;
        let lies_somewhere =
            self.db.prepare_cached("SELECT 1 FROM mailboxes WHERE id = ?1 AND directory IS NOT NULL")?.exists([row])?;
        if lies_somewhere { Ok(()) } else { self.forget_mailbox(row) }
    }

    fn empty_view(&mut self, row: i64) -> Result<()> {
        let is_inbox: bool = self
            .db
            .prepare_cached("SELECT inbox FROM mailboxes WHERE id = ?1")?
            .query_row([row], |row| row.get(0))
            .optional()?
            .unwrap_or_default();
        let threads: BTreeSet<i64> = self
            .db
            .prepare_cached("DELETE FROM places WHERE mailbox = ?1 AND home IS NOT NULL RETURNING thread")?
            .query_map([row], |row| row.get(0))?
            .collect::<Result<_>>()?;
        for thread in threads {
            self.touch_row(row, is_inbox, thread);
        }
        Ok(())
    }

    /// Shows a file of a home in the views that its words ask for, and in no other.
    pub(super) fn show_in_views(&mut self, home: &KnownMailbox, name: &str) -> Result<()> {
        if home.views.is_empty() {
            return Ok(());
        }
        let found: Option<(i64, i64, Flags)> = self
            .db
            .prepare_cached(
                "SELECT message, thread, flags, keywords FROM places WHERE mailbox = ?1 AND name = ?2 AND home IS NULL",
            )?
            .query_row(params![home.row, name], |row| {
                let words = from_words(row.get_ref(3)?.as_str_or_null()?);
                Ok((row.get(0)?, row.get(1)?, Flags::from_bits(row.get(2)?).union(&words)))
            })
            .optional()?;
        let Some((message, thread, flags)) = found else { return Ok(()) };
        let wanted = home.views.of(&flags);
        for (view, is_inbox) in self.shown_in(home, message)? {
            if !wanted.contains_key(&view) {
                self.db
                    .prepare_cached("DELETE FROM places WHERE mailbox = ?1 AND message = ?2 AND home = ?3")?
                    .execute([view, message, home.row])?;
                self.touch_row(view, is_inbox, thread);
            }
        }
        for (view, shown) in wanted {
            let who = self.who_in(shown.role, message)?;
            // A file that another program put into the directory of that name is shown in its own right.
            self.db
                .prepare_cached(
                    "INSERT INTO places(mailbox, message, thread, name, in_new, info, flags, keywords, home,
                                        who, topic, size)
                     SELECT ?3, message, thread, name, in_new, info, flags, keywords, mailbox, ?4, topic, size FROM places
                     WHERE mailbox = ?1 AND name = ?2 AND home IS NULL
                     ON CONFLICT(mailbox, message) DO UPDATE SET thread = excluded.thread, name = excluded.name,
                         in_new = excluded.in_new, info = excluded.info, flags = excluded.flags,
                         keywords = excluded.keywords WHERE home IS NOT NULL",
                )?
                .execute(params![home.row, name, view, who])?;
            self.touch_row(view, shown.id.name.is_inbox(), thread);
        }
        Ok(())
    }

    /// The file of a message is gone from its home.
    pub(super) fn hide_in_views(&mut self, home: &KnownMailbox, message: i64, thread: i64) -> Result<()> {
        if home.views.is_empty() {
            return Ok(());
        }
        for (view, is_inbox) in self.shown_in(home, message)? {
            self.touch_row(view, is_inbox, thread);
        }
        self.db
            .prepare_cached("DELETE FROM places WHERE message = ?1 AND home = ?2")?
            .execute([message, home.row])
            .map(drop)
    }

    /// The views that show a message of a home now.
    fn shown_in(&self, home: &KnownMailbox, message: i64) -> Result<Vec<(i64, bool)>> {
        self.db
            .prepare_cached(
                "SELECT p.mailbox, b.inbox FROM places p JOIN mailboxes b ON b.id = p.mailbox
                 WHERE p.message = ?1 AND p.home = ?2",
            )?
            .query_map([message, home.row], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect()
    }

    /// Gives a file other labels. `None`: it is not known here; else whether they are other ones.
    fn relabel(
        &mut self,
        home: &KnownMailbox,
        unique: &UniqueName,
        change: impl FnOnce(&Labels) -> Labels,
    ) -> Result<Option<bool>> {
        let known: Option<(i64, Flags)> = self
            .db
            .prepare_cached("SELECT thread, keywords FROM places WHERE mailbox = ?1 AND name = ?2 AND home IS NULL")?
            .query_row(params![home.row, unique.as_str()], |row| {
                Ok((row.get(0)?, from_words(row.get_ref(1)?.as_str_or_null()?)))
            })
            .optional()?;
        let Some((thread, words)) = known else { return Ok(None) };
        let wished = words.without_labels().with_labels(&change(&words.labels()));
        if wished == words {
            return Ok(Some(false));
        }
        self.db
            .prepare_cached("UPDATE places SET keywords = ?3 WHERE mailbox = ?1 AND name = ?2 AND home IS NULL")?
            .execute(params![home.row, unique.as_str(), wished.stored_words()])?;
        self.touch_row(home.row, home.id.name.is_inbox(), thread);
        self.show_in_views(home, unique.as_str())?;
        Ok(Some(true))
    }

    /// Remembers the labels of a file that is not taken in yet.
    pub(super) fn keep_told(&self, home: &KnownMailbox, unique: &UniqueName, labels: &Labels) -> Result<()> {
        match Flags::none().with_labels(labels).stored_words() {
            Some(words) => self
                .db
                .prepare_cached("INSERT OR REPLACE INTO told(home, name, words) VALUES(?1, ?2, ?3)")?
                .execute(params![home.row, unique.as_str(), words]),
            None => self
                .db
                .prepare_cached("DELETE FROM told WHERE home = ?1 AND name = ?2")?
                .execute(params![home.row, unique.as_str()]),
        }
        .map(drop)
    }

    /// The labels that were told of a file before it was taken in; who knows all of its words knows better.
    pub(super) fn told_of(&self, home: &KnownMailbox, file: &FileName) -> Result<Flags> {
        let words: Option<String> = self
            .db
            .prepare_cached("DELETE FROM told WHERE home = ?1 AND name = ?2 RETURNING words")?
            .query_row(params![home.row, file.unique.as_str()], |row| row.get(0))
            .optional()?;
        Ok(if file.tells.is_some() { from_words(words.as_deref()) } else { Flags::none() })
    }

    /// All files of a home are taken in: what was told of others is told of nothing.
    pub(super) fn forget_told(&self, home: i64) -> Result<()> {
        self.db.prepare_cached("DELETE FROM told WHERE home = ?1")?.execute([home]).map(drop)
    }
}

impl KnownMailbox {
    /// The mailbox, and the views that show messages of it.
    pub(super) fn with_views(&self) -> Vec<MailboxId> {
        std::iter::once(&self.id).chain(self.views.ids()).cloned().collect()
    }
}

pub(super) fn stamp_key(home: &MailboxId) -> String {
    format!("labels {}/{}", home.account, home.name)
}
