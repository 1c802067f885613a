//! Tags that come from notmuch's database: the keywords of messages become what that says of them, but for what was
//! wished here and is not told there yet.

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension as _, Result, params};

use super::engine;
use super::extract;
use super::folders::mailbox_id;
use super::follow::SEEN;
use super::rows::Index;
use super::write::{Writer, from_words};
use crate::fault::Fault;
use crate::job::index::{IndexReport, Revision, TaggedMail, Tagging};
use crate::mail::flags::Flags;
use crate::mail::ids::MessageId;
use crate::mail::place::{MailboxId, Place, UniqueName};

/// How many messages one step takes in.
const STEP: usize = 250;

/// What taking in tags came to.
#[derive(Default)]
struct Taken {
    mailboxes: BTreeSet<MailboxId>,
    given: Vec<(Place, Flags)>,
    lost: Vec<(Place, Flags)>,
}

impl Writer {
    /// Takes in what the database says of tags. What was given or taken away there is told back, so that the names of
    /// files, and by them servers, hear of it: a tag that was taken away where a name may still tell it. At a first
    /// meeting nothing is taken away, since what only one side knows both shall know; and nothing is told on, since
    /// all tags of a database are too many to be news.
    ///
    /// A state of the database counts as read only if all of it was taken in, from its beginning: what was told to a
    /// writer that failed, or to an index that serves no longer, is told again.
    pub fn retag(&mut self, tagging: &Tagging) -> std::result::Result<IndexReport, Fault> {
        let known = self.retagged.take().filter(|(seen, _)| *seen == tagging.seen).map_or(0, |(_, count)| count);
        let has_gap = tagging.after != 0 && tagging.after != known;
        let mut taken = Taken::default();
        for some in tagging.mails.chunks(STEP) {
            self.step(|writer| some.iter().try_for_each(|mail| writer.retag_one(mail, tagging, &mut taken)))?;
        }
        if !has_gap {
            self.retagged = Some((tagging.seen.clone(), tagging.after + tagging.mails.len()));
        }
        if !tagging.more && !has_gap {
            self.step(|writer| {
                writer
                    .db
                    .prepare_cached("INSERT OR REPLACE INTO meta(key, value) VALUES(?1, ?2)")?
                    .execute([SEEN, &stamp_text(&tagging.seen)])?;
                writer.follower.queue().map_or(Ok(()), |queue| queue.settle(tagging.seen.number))
            })?;
        }
        let Taken { mailboxes, given, lost } = taken;
        Ok(IndexReport::Retagged { mailboxes: mailboxes.into_iter().collect(), given, lost, more: tagging.more })
    }

    fn retag_one(&mut self, mail: &TaggedMail, tagging: &Tagging, taken: &mut Taken) -> Result<()> {
        for message in locate(&self.db, &mail.id, &mail.files)? {
            for place in self.tagged_places(message)? {
                self.retag_place(place, mail, tagging, taken)?;
            }
        }
        Ok(())
    }

    fn retag_place(&mut self, known: Tagged, mail: &TaggedMail, tagging: &Tagging, taken: &mut Taken) -> Result<()> {
        let Tagged { row, message, mailbox, unique, flags, info, path } = known;
        let mut wanted = mail.tags.clone();
        if let Some(queue) = self.follower.queue() {
            for (word, give) in queue.wishes(&message, tagging.seen.number)? {
                let word = Flags::none().with_keyword(word);
                wanted = if give { wanted.union(&word) } else { wanted.minus(&word) };
            }
        }
        let shown = engine::tagged(&flags);
        let away = shown.minus(&wanted);
        let home = self.mailbox(&mailbox)?;
        if tagging.first {
            self.follow_tags((message, &path), &away, true);
            wanted = wanted.union(&away);
        } else {
            let place = Place { mailbox: mailbox.clone(), unique: unique.clone() };
            let given = wanted.minus(&shown).minus(&tagging.passing);
            let is_told = info.bytes().any(|b| b.is_ascii_lowercase()) || !home.views.is_empty();
            if !away.is_empty() && is_told {
                taken.lost.push((place.clone(), away));
            }
            if !given.is_empty() {
                taken.given.push((place, given));
            }
        }
        let flags_now = flags.minus(&shown).union(&wanted);
        if flags_now == flags {
            return Ok(());
        }
        self.db
            .prepare_cached("UPDATE places SET keywords = ?2 WHERE id = ?1")?
            .execute(params![row, flags_now.stored_words()])?;
        self.show_in_views(&home, unique.as_str())?;
        taken.mailboxes.extend(home.with_views());
        Ok(())
    }

    fn tagged_places(&self, message: i64) -> Result<Vec<Tagged>> {
        let mut find = self.db.prepare_cached(
            "SELECT p.id, b.account, b.name, b.directory, p.name, p.in_new, p.info, p.keywords, m.message_id
             FROM places p JOIN mailboxes b ON b.id = p.mailbox JOIN messages m ON m.id = p.message
             WHERE p.message = ?1 AND p.home IS NULL",
        )?;
        let mut rows = find.query([message])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let name: String = row.get(4)?;
            let mailbox = mailbox_id(&row.get::<_, String>(1)?, &row.get::<_, String>(2)?);
            let (Some(mailbox), Some(unique)) = (mailbox, UniqueName::new(&name)) else { continue };
            let directory = row.get::<_, Option<Vec<u8>>>(3)?.map(super::schema::path_from).unwrap_or_default();
            let info: String = row.get(6)?;
            found.push(Tagged {
                row: row.get(0)?,
                message: row.get::<_, Option<String>>(8)?.unwrap_or_else(|| name.clone()),
                path: super::schema::file_path(&directory, row.get(5)?, &name, &info),
                mailbox,
                unique,
                flags: from_words(row.get_ref(7)?.as_str_or_null()?),
                info,
            });
        }
        Ok(found)
    }
}

/// A place whose tags may change.
struct Tagged {
    row: i64,
    /// As in the queue.
    message: String,
    mailbox: MailboxId,
    unique: UniqueName,
    flags: Flags,
    info: String,
    path: PathBuf,
}

impl Index {
    /// The state of the database whose tags were read last.
    pub(super) fn seen(&self) -> std::result::Result<Option<Revision>, Fault> {
        self.asked(|db| {
            let text: Option<String> = db
                .prepare_cached("SELECT value FROM meta WHERE key = ?1")?
                .query_row([SEEN], |row| row.get(0))
                .optional()?;
            Ok(text.as_deref().and_then(stamp_read))
        })
    }
}

fn stamp_text(seen: &Revision) -> String {
    format!("{} {}", seen.number, seen.database)
}

fn stamp_read(text: &str) -> Option<Revision> {
    let (number, database) = text.split_once(' ')?;
    Some(Revision { database: database.to_owned(), number: number.parse().ok()? })
}

/// The rows of a message of the database: by its id, else by where its files lie.
pub(super) fn locate(db: &Connection, id: &str, files: &[PathBuf]) -> Result<Vec<i64>> {
    let by_id = by_id(db, id)?;
    if !by_id.is_empty() {
        return Ok(by_id);
    }
    let mut found = Vec::new();
    for path in files {
        found.extend(by_path(db, path)?);
    }
    found.dedup();
    Ok(found)
}

pub(super) fn by_id(db: &Connection, id: &str) -> Result<Vec<i64>> {
    let Some(id) = MessageId::new(id) else { return Ok(Vec::new()) };
    db.prepare_cached("SELECT id FROM messages WHERE key = ?1 AND message_id = ?2")?
        .query_map(params![extract::key(&id), id.as_str()], |row| row.get(0))?
        .collect()
}

pub(super) fn by_path(db: &Connection, path: &Path) -> Result<Option<i64>> {
    let (Some(name), Some(directory)) = (path.file_name(), path.parent().and_then(Path::parent)) else {
        return Ok(None);
    };
    let Some(name) = name.to_str() else { return Ok(None) };
    let base = name.split_once(':').map_or(name, |(base, _)| base);
    db.prepare_cached(
        "SELECT p.message FROM places p JOIN mailboxes b ON b.id = p.mailbox
         WHERE b.directory = ?1 AND p.name = ?2 AND p.home IS NULL",
    )?
    .query_row(params![directory.as_os_str().as_bytes(), base], |row| row.get(0))
    .optional()
}
