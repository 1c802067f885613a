//! A look at whether the index already knows all that it would be told now: what the writer does when it is opened
//! and told, asked as questions instead. It writes nothing. Where the answer is no, the writer finds out what is to
//! be done; a no where there is nothing to do costs time, a yes where there is something would hide mail.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _, Result, params};

use super::books::has_books;
use super::contacts::Sources;
use super::extract::Own;
use super::folders::{role_among, role_of};
use super::rows::Index;
use super::schema;
use super::seams::has_seams;
use super::views::stamp_key;
use crate::fault::Fault;
use crate::job::files::DirStamp;
use crate::mail::flags::Keyword;
use crate::mail::ids::AccountId;
use crate::mail::labels::View;
use crate::mail::mailbox::{MailboxName, Role};
use crate::mail::notes::Notes;
use crate::mail::place::MailboxId;

/// All that the index would be told now.
#[derive(Debug)]
pub struct Now<'a> {
    /// The user's addresses, plain or with one `*`.
    pub own: &'a [String],
    /// Where contacts come from.
    pub sources: &'a Sources,
    /// What the user noted.
    pub notes: &'a Notes,
    /// The accounts.
    pub accounts: &'a [AccountNow],
}

/// What the index would be told of an account.
#[derive(Debug)]
pub struct AccountNow {
    /// Which one it is.
    pub account: AccountId,
    /// The mailboxes that lie on disk, and what is said of what they are for.
    pub folders: Vec<(MailboxId, Option<Role>)>,
    /// The stamp of each of them.
    pub stamps: BTreeMap<MailboxName, DirStamp>,
    /// Its mailboxes that are views of another one.
    pub views: Vec<View>,
    /// The mailbox whose labels are told, with the word that tells when they change.
    pub labels: Option<(MailboxId, String)>,
}

/// A mailbox as the index knows it.
struct Known {
    name: String,
    role: Option<Role>,
    lies_on_disk: bool,
    stamp: DirStamp,
    /// The row of the mailbox that it shows, where it is a view.
    home: Option<i64>,
}

impl Index {
    /// Opens the index for reading where there is one of this version, and makes nothing. `None`: it has to be opened
    /// in another way, or cannot be.
    pub fn ready(path: &Path) -> Option<Self> {
        schema::open_ready(path).map(|db| Self::on(db, path))
    }

    /// Does the index know all of this, and has it nothing left to do?
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn knows(&self, now: &Now<'_>) -> std::result::Result<bool, Fault> {
        self.asked(|db| {
            for account in now.accounts {
                if !knows_views(db, account)? || !knows_folders(db, account)? {
                    return Ok(false);
                }
            }
            Ok(is_idle(db)?
                && meta(db, "own")?.as_ref() == Some(&Own::new(now.own).text())
                && (meta(db, "harvest")?.is_none_or(|word| word == "yes") == now.sources.harvest)
                && knows_notes(db, now.notes)?
                && has_books(db, now.sources)?)
        })
    }

    /// The mailboxes of an account that were taken in as a whole, where what comes is not yet taken for new mail.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn unsettled(&self, account: &AccountId) -> std::result::Result<Vec<MailboxName>, Fault> {
        self.asked(|db| {
            let mut find =
                db.prepare_cached("SELECT name FROM mailboxes WHERE account = ?1 AND settled = 1 AND id > 0")?;
            let names: Vec<String> = find.query_map([account.as_str()], |row| row.get(0))?.collect::<Result<_>>()?;
            Ok(names.iter().filter_map(|name| MailboxName::new(name)).collect())
        })
    }
}

fn meta(db: &Connection, key: &str) -> Result<Option<String>> {
    db.prepare_cached("SELECT value FROM meta WHERE key = ?1")?.query_row([key], |row| row.get(0)).optional()
}

/// Does nothing wait that a writer would go on with, and is there no database of notmuch's to be forgotten?
fn is_idle(db: &Connection) -> Result<bool> {
    db.query_row(
        "SELECT NOT EXISTS(SELECT 1 FROM messages WHERE indexed = 0) AND NOT EXISTS(SELECT 1 FROM orphans)
            AND NOT EXISTS(SELECT 1 FROM unharvested) AND NOT EXISTS(SELECT 1 FROM refused) AND NOT EXISTS(SELECT 1 FROM meta WHERE key LIKE 'notmuch %')",
        [],
        |row| row.get(0),
    )
}

/// How timers stand changes with the clock, so that where there are any they are always told anew.
fn knows_notes(db: &Connection, notes: &Notes) -> Result<bool> {
    let has_timers = || db.query_row("SELECT EXISTS(SELECT 1 FROM timers)", [], |row| row.get::<_, bool>(0));
    Ok(notes.timers.is_empty() && !has_timers()? && has_seams(db, &notes.seams)?)
}

fn knows_views(db: &Connection, now: &AccountNow) -> Result<bool> {
    let known: BTreeSet<[String; 5]> = db
        .prepare_cached(
            "SELECT b.name, ifnull(b.role, ''), v.word, h.account, h.name
             FROM views v JOIN mailboxes b ON b.id = v.mailbox JOIN mailboxes h ON h.id = v.home WHERE b.account = ?1",
        )?
        .query_map([now.account.as_str()], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?]))?
        .collect::<Result<_>>()?;
    let homes: BTreeSet<&MailboxId> = now.views.iter().map(|view| &view.home).collect();
    let shown = now.views.iter().filter(|it| it.mailbox.account == now.account && !homes.contains(&it.mailbox));
    let wanted: BTreeSet<[String; 5]> = shown
        .map(|View { mailbox, role, label, home }| {
            let word = Keyword::of_label(label);
            let all = [mailbox.name.as_str(), role.map_or("", Role::word), word.as_str()];
            let [name, role, word] = all.map(str::to_owned);
            [name, role, word, home.account.as_str().to_owned(), home.name.as_str().to_owned()]
        })
        .collect();
    if known != wanted {
        return Ok(false);
    }
    let Some((home, stamp)) = &now.labels else { return Ok(true) };
    Ok(meta(db, &stamp_key(home))?.as_ref() == Some(stamp))
}

fn knows_folders(db: &Connection, now: &AccountNow) -> Result<bool> {
    let all: BTreeMap<i64, Known> = db
        .prepare_cached(
            "SELECT b.id, b.name, b.role, b.directory IS NOT NULL, b.cur, b.new, v.home
             FROM mailboxes b LEFT JOIN views v ON v.mailbox = b.id WHERE b.account = ?1 AND b.id > 0",
        )?
        .query_map(params![now.account.as_str()], |row| {
            let known = Known {
                name: row.get(1)?,
                role: role_of(row.get_ref(2)?.as_str_or_null()?),
                lies_on_disk: row.get(3)?,
                stamp: DirStamp { cur: row.get(4)?, new: row.get(5)? },
                home: row.get(6)?,
            };
            Ok((row.get(0)?, known))
        })?
        .collect::<Result<_>>()?;
    let homes: BTreeSet<i64> = all.values().filter_map(|known| known.home).collect();
    let of_views: BTreeSet<String> =
        all.values().filter(|it| it.home.is_some()).filter_map(|it| it.role).map(|it| it.word().to_owned()).collect();
    let on_disk: BTreeMap<&str, &(MailboxId, Option<Role>)> =
        now.folders.iter().map(|folder| (folder.0.name.as_str(), folder)).collect();
    let mut met = 0;
    for (row, known) in &all {
        let Some((id, told)) = on_disk.get(known.name.as_str()) else {
            // Views and their homes may be without a directory; nothing else may.
            let may_stay = known.home.is_some() || homes.contains(row);
            if may_stay && !known.lies_on_disk {
                continue;
            }
            return Ok(false);
        };
        met += 1;
        let has_role = || known.home.is_some() || known.role == role_among(id, *told, &now.folders, &of_views);
        // One that was never taken in as a whole has no stamp.
        let is_listed = known.stamp != DirStamp::default() && now.stamps.get(&id.name) == Some(&known.stamp);
        if !is_listed || !has_role() {
            return Ok(false);
        }
    }
    Ok(met == on_disk.len())
}
