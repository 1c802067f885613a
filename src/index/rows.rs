//! Windows of lists: any stretch of a mailbox, of the unified inbox or of what a search found, by an
//! index that has the order already. Nothing loads a whole mailbox, nothing counts it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension as _, Result, params};

use super::engine::Engine;
use super::folders::{mailbox_id, role_of};
use super::hits::Hits;
use super::ordered::Ordered;
use super::schema::{self, ATTACHMENT, LIST, Purpose, UNIFIED};
use super::serving::{self, Identity};
use super::write::from_words;
use super::{conversation, extract, sorting, timers};
use crate::fault::Fault;
use crate::job::index::{ListSpec, MailboxRow, Row, Shows, Source, Tally};
use crate::mail::clean::Clean;
use crate::mail::flags::Flags;
use crate::mail::ids::{AccountId, MessageId, RowId, ThreadId};
use crate::mail::mailbox::Role;
use crate::mail::place::{MailboxId, Place, UniqueName};
use crate::query::Query;

/// The index, for reading. Each thread has its own.
pub struct Index {
    pub(super) db: Connection,
    path: PathBuf,
    /// Which file it is: a rebuilt index is another one under the same name.
    file: Option<Identity>,
    /// What the newest search found.
    pub(super) found: Option<Hits>,
    /// What queries find, each with the state of the file in which it was counted.
    pub(super) tallied: Vec<(Query, i64, Tally)>,
    /// Who answers searches instead.
    pub(super) engine: Option<Engine>,
    /// What went wrong with the question that is being answered.
    pub(super) trouble: Option<Fault>,
}

/// A stretch of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    /// The position of the first of `rows`.
    pub first: usize,
    /// How many rows the list has; if not `counted`, how many are known to be there.
    pub total: usize,
    /// Is `total` final, and are the counts of conversations?
    pub counted: bool,
    /// The rows.
    pub rows: Vec<Row>,
    /// The position of the anchor, where it is in the list.
    pub anchor: Option<usize>,
}

/// A mailbox, as questions need it.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    pub(super) id: MailboxId,
    pub(super) role: Option<Role>,
    pub(super) total: usize,
    pub(super) unread: usize,
    /// What it shows, where it is a view.
    pub(super) shows: Option<Shows>,
}

impl Folder {
    /// Where a message with several places is shown: the smallest first.
    pub(super) fn rank(&self) -> u8 {
        match self.role {
            Some(Role::Inbox) => 0,
            None => 1,
            Some(Role::Archive) => 2,
            Some(Role::Sent) => 3,
            Some(Role::Drafts) => 4,
            Some(Role::Flagged | Role::All) => 5,
            Some(Role::Junk) => 6,
            Some(Role::Trash) => 7,
        }
    }

    fn shows_recipients(&self) -> bool {
        sorting::shows_recipients(self.role)
    }
}

/// How rows say who: by author, or by recipient where the mailbox is of what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    ByMailbox,
    Author,
}

impl Index {
    /// Opens the index, or makes an empty one.
    pub fn open(path: &Path) -> std::result::Result<Self, Fault> {
        Ok(Self::on(schema::open(path, Purpose::Reading)?, path))
    }

    pub(super) fn on(db: Connection, path: &Path) -> Self {
        Self {
            db,
            path: path.to_path_buf(),
            file: serving::identity(path),
            found: None,
            tallied: Vec::new(),
            engine: None,
            trouble: None,
        }
    }

    /// Was the file replaced since it was opened?
    pub fn is_stale(&self) -> bool {
        serving::identity(&self.path) != self.file
    }

    /// All mailboxes, sorted by account, role and name.
    pub fn mailboxes(&self) -> std::result::Result<Vec<MailboxRow>, Fault> {
        let mut all: Vec<Folder> = self.asked(folders)?.into_values().collect();
        all.sort_by(|a, b| {
            let order = |folder: &Folder| folder.role.map_or(usize::MAX, role_order);
            (&a.id.account, order(a), &a.id.name).cmp(&(&b.id.account, order(b), &b.id.name))
        });
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let row = |folder: Folder| MailboxRow {
            mailbox: folder.id,
            role: folder.role,
            total: count(folder.total),
            unread: count(folder.unread),
            shows: folder.shows,
        };
        Ok(all.into_iter().map(row).collect())
    }

    /// A window of a list. The window is moved so that it holds `anchor`, where that is still in the
    /// list. The first page of a search comes before all of it is counted: see [`Index::count`].
    pub fn rows(
        &mut self,
        list: &ListSpec,
        first: usize,
        count: usize,
        anchor: Option<RowId>,
    ) -> std::result::Result<Window, Fault> {
        self.rows_while(list, (first, count), anchor, &|| true)
    }

    /// The same. A search that another program leads stops when `wanted` says that nobody waits for it any more: then
    /// the window has what was found by then, and is not counted.
    pub(super) fn rows_while(
        &mut self,
        list: &ListSpec,
        (first, count): (usize, usize),
        anchor: Option<RowId>,
        wanted: &dyn Fn() -> bool,
    ) -> std::result::Result<Window, Fault> {
        let window = self.snapshot(|index| index.window(list, (first, count), anchor, wanted));
        self.answered(window)
    }

    /// All messages of a conversation, in thread order; each shows its author.
    pub fn conversation(&self, thread: ThreadId) -> std::result::Result<Vec<Row>, Fault> {
        self.asked(|db| {
            let folders = folders(db)?;
            let mut rows = Vec::new();
            for entry in conversation::entries(db, thread.0, &folders)? {
                if let Some(mut row) = row(db, entry.message, entry.mailbox, &folders, Who::Author)? {
                    row.depth = entry.depth;
                    rows.push(row);
                }
            }
            Ok(rows)
        })
    }

    /// All messages of the conversation in which a message stands; of `thread` where the message is not known.
    pub fn conversation_of(&self, message: RowId, thread: ThreadId) -> std::result::Result<Vec<Row>, Fault> {
        let now = self.asked(|db| thread_of(db, message.0))?;
        self.conversation(now.map_or(thread, ThreadId))
    }

    /// The best place of a message: in an INBOX rather than in the trash.
    pub fn place_of(&self, message: RowId) -> std::result::Result<Option<Place>, Fault> {
        self.asked(|db| Ok(places(db, &folders(db)?, message.0)?.into_iter().next()))
    }

    /// All places of the messages with that id.
    pub fn find(&self, id: &MessageId, account: Option<&AccountId>) -> std::result::Result<Vec<Place>, Fault> {
        self.asked(|db| {
            let folders = folders(db)?;
            let messages: Vec<i64> = db
                .prepare_cached("SELECT id FROM messages WHERE key = ?1 AND message_id = ?2 ORDER BY id DESC")?
                .query_map(params![extract::key(id), id.as_str()], |row| row.get(0))?
                .collect::<Result<_>>()?;
            let mut found = Vec::new();
            for message in messages {
                found.extend(places(db, &folders, message)?);
            }
            found.retain(|place| account.is_none_or(|account| place.mailbox.account == *account));
            Ok(found)
        })
    }

    /// The row of the message that lies there.
    pub fn row_at(&self, place: &Place) -> std::result::Result<Option<RowId>, Fault> {
        self.asked(|db| {
            let Some(mailbox) = row_of(&folders(db)?, &place.mailbox) else { return Ok(None) };
            db.prepare_cached("SELECT message FROM places WHERE mailbox = ?1 AND name = ?2 AND home IS NULL")?
                .query_row(params![mailbox, place.unique.as_str()], |row| row.get(0).map(RowId))
                .optional()
        })
    }

    /// The file of a place as it was called when it was last seen; it may have been renamed since.
    pub fn file_of(&self, place: &Place) -> std::result::Result<Option<PathBuf>, Fault> {
        self.asked(|db| {
            db.prepare_cached(
                "SELECT b.directory, p.in_new, p.info FROM mailboxes b JOIN places p ON p.mailbox = b.id
                 WHERE b.account = ?1 AND b.name = ?2 AND p.name = ?3 AND p.home IS NULL AND b.directory IS NOT NULL",
            )?
            .query_row(
                params![place.mailbox.account.as_str(), place.mailbox.name.as_str(), place.unique.as_str()],
                |row| {
                    let directory = schema::path_from(row.get(0)?);
                    let info: String = row.get(2)?;
                    Ok(schema::file_path(&directory, row.get(1)?, place.unique.as_str(), &info))
                },
            )
            .optional()
        })
    }

    pub(super) fn fault(&self, error: &rusqlite::Error) -> Fault {
        schema::fault(&self.path, error)
    }

    /// Answers one question from one state of the file.
    pub(super) fn asked<T>(&self, question: impl FnOnce(&Connection) -> Result<T>) -> std::result::Result<T, Fault> {
        let answer = || {
            let state = self.db.unchecked_transaction()?;
            let answer = question(&state)?;
            state.finish()?;
            Ok(answer)
        };
        answer().map_err(|error| schema::fault(&self.path, &error))
    }

    pub(super) fn snapshot<T>(&mut self, question: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.db.execute_batch("BEGIN")?;
        let answer = question(self);
        self.db.execute_batch("COMMIT")?;
        answer
    }

    fn window(
        &mut self,
        list: &ListSpec,
        (first, count): (usize, usize),
        anchor: Option<RowId>,
        wanted: &dyn Fn() -> bool,
    ) -> Result<Window> {
        let folders = folders(&self.db)?;
        if let Source::Search { query, scope } = &list.source {
            return self.search_window((list, query, scope), &folders, (first, count), anchor, wanted);
        }
        let Some(ordered) = Ordered::of(list, &folders) else {
            return Ok(Window { first: 0, total: 0, counted: true, rows: Vec::new(), anchor: None });
        };
        self.shown_window(list, &ordered, &folders, (first, count), anchor)
    }
}

fn role_order(role: Role) -> usize {
    Role::ALL.iter().position(|other| *other == role).unwrap_or(usize::MAX)
}

/// All mailboxes by their row.
pub(super) fn folders(db: &Connection) -> Result<BTreeMap<i64, Folder>> {
    let mut statement = db.prepare_cached(
        "SELECT b.id, b.account, b.name, b.role, b.total, b.unread, v.word, h.name
         FROM mailboxes b LEFT JOIN views v ON v.mailbox = b.id LEFT JOIN mailboxes h ON h.id = v.home WHERE b.id > 0",
    )?;
    let mut rows = statement.query([])?;
    let mut folders = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let (account, name): (String, String) = (row.get(1)?, row.get(2)?);
        let word: Option<String> = row.get(3)?;
        let Some(id) = mailbox_id(&account, &name) else { continue };
        let label = from_words(row.get_ref(6)?.as_str_or_null()?).labels().iter().next().cloned();
        let home = row.get_ref(7)?.as_str_or_null()?.and_then(|home| mailbox_id(&account, home));
        let shows = label.zip(home).map(|(label, home)| Shows { label, home });
        let role = role_of(word.as_deref());
        let folder = Folder { id, role, total: size(row, 4)?, unread: size(row, 5)?, shows };
        folders.insert(row.get(0)?, folder);
    }
    drop(rows);
    // What is asleep is not counted, as lists leave it out.
    let mut asleep = db.prepare_cached(
        "SELECT p.mailbox, count(*), sum(p.flags & 16 = 0) FROM timed t CROSS JOIN places p ON p.message = t.message
         WHERE t.state = ?1 GROUP BY p.mailbox",
    )?;
    let mut rows = asleep.query([timers::ASLEEP])?;
    while let Some(row) = rows.next()? {
        if let Some(folder) = folders.get_mut(&row.get(0)?) {
            folder.total = folder.total.saturating_sub(size(row, 1)?);
            folder.unread = folder.unread.saturating_sub(size(row, 2)?);
        }
    }
    Ok(folders)
}

/// A count, which SQLite keeps as a signed number.
pub(super) fn size(row: &rusqlite::Row<'_>, column: usize) -> Result<usize> {
    Ok(usize::try_from(row.get::<_, i64>(column)?).unwrap_or_default())
}

pub(super) fn row_of(folders: &BTreeMap<i64, Folder>, mailbox: &MailboxId) -> Option<i64> {
    folders.iter().find(|(_, folder)| folder.id == *mailbox).map(|(row, _)| *row)
}

/// The window, moved as little as needed so that it holds the anchor and does not begin behind the end.
pub(super) fn moved(first: usize, count: usize, anchor: Option<usize>, total: usize) -> usize {
    match anchor {
        Some(at) if at < first => at,
        Some(at) if at >= first.saturating_add(count) => (at + 1).saturating_sub(count),
        _ => first.min(total),
    }
}

pub(super) fn thread_of(db: &Connection, message: i64) -> Result<Option<i64>> {
    db.prepare_cached("SELECT thread FROM messages WHERE id = ?1")?.query_row([message], |row| row.get(0)).optional()
}

/// All places of a message, best first; one that a view shows is where its file lies.
fn places(db: &Connection, folders: &BTreeMap<i64, Folder>, message: i64) -> Result<Vec<Place>> {
    let mut statement =
        db.prepare_cached("SELECT mailbox, name, ifnull(home, mailbox) FROM places WHERE message = ?1")?;
    let found: Vec<(i64, String, i64)> =
        statement.query_map([message], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect::<Result<_>>()?;
    let mut best: BTreeMap<Place, u8> = BTreeMap::new();
    for (mailbox, name, home) in found {
        let (Some(folder), Some(home)) = (folders.get(&mailbox), folders.get(&home)) else { continue };
        let Some(unique) = UniqueName::new(&name) else { continue };
        let rank = best.entry(Place { mailbox: home.id.clone(), unique }).or_insert(u8::MAX);
        *rank = folder.rank().min(*rank);
    }
    let mut found: Vec<(u8, Place)> = best.into_iter().map(|(place, rank)| (rank, place)).collect();
    found.sort();
    Ok(found.into_iter().map(|(_, place)| place).collect())
}

pub(super) fn row(
    db: &Connection,
    message: i64,
    mailbox: i64,
    folders: &BTreeMap<i64, Folder>,
    who: Who,
) -> Result<Option<Row>> {
    let Some(folder) = folders.get(&mailbox) else { return Ok(None) };
    let by_recipient = who == Who::ByMailbox && folder.shows_recipients();
    db.prepare_cached(
        "SELECT m.thread, m.author, m.recipients, m.subject, m.bits, m.size, p.name, p.flags, p.keywords, p.home,
                m.message_id, m.digest, t.state, t.due
         FROM messages m CROSS JOIN places p ON p.mailbox = ?2 AND p.message = m.id
         LEFT JOIN timed t ON t.message = m.id WHERE m.id = ?1",
    )?
    .query_row([message, mailbox], |row| {
        let Some(unique) = UniqueName::new(&row.get::<_, String>(6)?) else { return Ok(None) };
        let who: String = row.get(if by_recipient { 2 } else { 1 })?;
        let subject: String = row.get(3)?;
        let bits: i64 = row.get(4)?;
        let flags = flags(row.get(7)?, row.get::<_, Option<String>>(8)?.as_deref());
        let unread = u32::from(!flags.has(crate::mail::flags::Flag::Seen));
        let home = row.get::<_, Option<i64>>(9)?.and_then(|home| folders.get(&home)).unwrap_or(folder);
        Ok(Some(Row {
            message: RowId(message),
            thread: ThreadId(row.get(0)?),
            mailbox: folder.id.clone(),
            place: Place { mailbox: home.id.clone(), unique },
            who: Clean::line(&who),
            subject: Clean::line(&subject),
            date: schema::date_of(message),
            flags,
            attachment: bits & ATTACHMENT != 0,
            list: bits & LIST != 0,
            messages: 1,
            unread,
            size: row.get::<_, i64>(5)?.unsigned_abs(),
            depth: 0,
            id: timers::identity(row.get_ref(10)?.as_str_or_null()?, row.get(11)?),
            timing: timers::timing(row.get(12)?, row.get(13)?),
            unfolded: false,
        }))
    })
    .optional()
    .map(Option::flatten)
}

pub(super) fn conversation_row(
    db: &Connection,
    list: i64,
    newest: i64,
    thread: i64,
    folders: &BTreeMap<i64, Folder>,
) -> Result<Option<Row>> {
    let mailbox = if list == UNIFIED {
        db.prepare_cached(
            "SELECT p.mailbox FROM places p JOIN mailboxes b ON b.id = p.mailbox
             WHERE p.message = ?1 AND b.inbox ORDER BY p.mailbox LIMIT 1",
        )?
        .query_row([newest], |row| row.get(0))
        .optional()?
    } else {
        Some(list)
    };
    let Some(mailbox) = mailbox else { return Ok(None) };
    let Some(mut row) = row(db, newest, mailbox, folders, Who::ByMailbox)? else { return Ok(None) };
    let (messages, unread, bits, all): (u32, u32, u8, i64) = db
        .prepare_cached("SELECT messages, unread, flags, bits FROM conversations WHERE mailbox = ?1 AND thread = ?2")?
        .query_row([list, thread], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
    row.messages = messages;
    row.unread = unread;
    row.flags = row.flags.minus(&row.flags.system()).union(&Flags::from_bits(bits));
    row.attachment = all & ATTACHMENT != 0;
    row.list = all & LIST != 0;
    Ok(Some(row))
}

fn flags(bits: u8, keywords: Option<&str>) -> Flags {
    Flags::from_bits(bits).union(&from_words(keywords))
}
