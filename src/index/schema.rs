//! The file of the index: its tables, how it is opened, and what is done with one that is damaged
//! or of another version: it is set aside, or serves on until it was made anew.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::blocks;
use super::serving::{self, Building, Lock, begin_again, serving, set_aside, spare};
use crate::fault::{Again, Cause, Doing, Fault, Scope};
use crate::mail::ids::Timestamp;

/// What SQLite keeps of the file in memory, in KiB as it wants them told. What lies beyond is in the system's memory.
const CACHE: i64 = -8000;
/// For who takes in much at once: pages that are changed again and again go to the file once for many steps.
pub(super) const IN_BULK: &str = "PRAGMA cache_size = -48000; PRAGMA wal_autocheckpoint = 9000";

/// How long another program that writes is waited for.
const PATIENCE: Duration = Duration::from_secs(15);

/// The version of the tables; a file of another one is read as far as it can be and made anew beside.
const VERSION: i64 = 13;

/// How many low bits of a message's row tell messages of one second apart.
const SEQUENCE_BITS: u32 = 20;

/// How many messages of one second there can be.
pub(super) const SEQUENCES: i64 = 1 << SEQUENCE_BITS;

/// The first row of a second.
pub(super) fn first_row(date: Timestamp) -> i64 {
    date.get() << SEQUENCE_BITS
}

/// The second of a row.
pub(super) fn date_of(row: i64) -> Timestamp {
    Timestamp::new(row >> SEQUENCE_BITS)
}

/// Bits of `messages.bits`.
pub(super) const ATTACHMENT: i64 = 1;
/// It came through a list that one can leave.
pub(super) const LIST: i64 = 2;
/// From one of the user's own addresses.
pub(super) const OWN: i64 = 4;
/// A machine wrote it by itself.
pub(super) const AUTOMATIC: i64 = 8;

/// From so many bytes on a message is found by its size without a look at all others.
pub(super) const LARGE: u64 = 1 << 20;

/// The list of conversations over all INBOXes, in the place of a mailbox.
pub(super) const UNIFIED: i64 = 0;

/// A view is a mailbox that shows the files of another one, its home, that have a word among their keywords and
/// labels. What it shows stands in `places` beside the file itself, with `home` set, so that lists, counts and
/// conversations know no difference; `told` keeps the labels of files that are not taken in yet.
///
/// `links` tells of each Message-ID the conversation that grew around it. Where the user has cut or sewn one, the
/// message stands in another: `sewn` keeps of such messages the one that they grew in. `seams`, `timers` and `timed`
/// know messages by a number made of their Message-ID, or of their bytes where they have none.
///
/// What a list is sorted by stands beside each place: `who` and `topic` as short keys of letters, so that each order
/// of a mailbox is an index of its own ([`SORTS`]) and any page of it is a stretch of that. How many rows are in each
/// stretch of a long list is in `blocks`, kept by triggers ([`blocks::triggers`]) of whoever writes.
///
/// What comes into a mailbox is new mail once that is `settled` (2); before that it may be what was always there. One
/// whose listing was taken in to its end is 1.
///
/// `16` is the bit of `Seen`, `2` that of `Flagged`, `1` that of `ATTACHMENT` and 1048576 is `LARGE`; a partial
/// index wants them spelled out.
const TABLES: &str = "
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE mailboxes(
    id INTEGER PRIMARY KEY, account TEXT NOT NULL, name TEXT NOT NULL, inbox INTEGER NOT NULL, role TEXT,
    directory BLOB, cur INTEGER NOT NULL DEFAULT 0, new INTEGER NOT NULL DEFAULT 0,
    settled INTEGER NOT NULL DEFAULT 0,
    total INTEGER NOT NULL DEFAULT 0, unread INTEGER NOT NULL DEFAULT 0, starred INTEGER NOT NULL DEFAULT 0,
    conversations INTEGER NOT NULL DEFAULT 0, unread_conversations INTEGER NOT NULL DEFAULT 0,
    starred_conversations INTEGER NOT NULL DEFAULT 0, UNIQUE(account, name));
INSERT INTO mailboxes(id, account, name, inbox) VALUES(0, '', '', 0);

CREATE TABLE views(mailbox INTEGER PRIMARY KEY, home INTEGER NOT NULL, word TEXT NOT NULL);
CREATE INDEX view_home ON views(home);
CREATE TABLE told(home INTEGER NOT NULL, name TEXT NOT NULL, words TEXT NOT NULL, PRIMARY KEY(home, name)) WITHOUT ROWID;

CREATE TABLE messages(
    id INTEGER PRIMARY KEY, thread INTEGER NOT NULL, key INTEGER, message_id TEXT, digest INTEGER NOT NULL,
    size INTEGER NOT NULL, bits INTEGER NOT NULL, indexed INTEGER NOT NULL, sender TEXT NOT NULL,
    author TEXT NOT NULL, recipients TEXT NOT NULL, subject TEXT NOT NULL, parents BLOB NOT NULL);
CREATE INDEX message_key ON messages(key) WHERE key IS NOT NULL;
CREATE INDEX message_digest ON messages(digest) WHERE key IS NULL;
CREATE INDEX message_thread ON messages(thread);
CREATE INDEX message_waiting ON messages(id) WHERE indexed = 0;
CREATE INDEX message_attached ON messages(id) WHERE bits & 1 <> 0;
CREATE INDEX message_large ON messages(id) WHERE size >= 1048576;

CREATE TABLE places(
    id INTEGER PRIMARY KEY, mailbox INTEGER NOT NULL, message INTEGER NOT NULL, thread INTEGER NOT NULL,
    name TEXT NOT NULL, in_new INTEGER NOT NULL, info TEXT NOT NULL, flags INTEGER NOT NULL, keywords TEXT, home INTEGER,
    who TEXT NOT NULL, topic TEXT NOT NULL, size INTEGER NOT NULL);
CREATE UNIQUE INDEX place_list ON places(mailbox, message);
CREATE UNIQUE INDEX place_name ON places(mailbox, name) WHERE home IS NULL;
CREATE INDEX place_message ON places(message);
CREATE INDEX place_thread ON places(thread, mailbox, message);
CREATE INDEX place_unread ON places(mailbox, message) WHERE flags & 16 = 0;
CREATE INDEX place_unread_anywhere ON places(message) WHERE flags & 16 = 0;
CREATE INDEX place_starred ON places(message) WHERE flags & 2 <> 0;
CREATE INDEX place_starred_here ON places(mailbox, message) WHERE flags & 2 <> 0;
CREATE INDEX place_tagged ON places(message) WHERE keywords IS NOT NULL;

CREATE TABLE conversations(
    mailbox INTEGER NOT NULL, thread INTEGER NOT NULL, newest INTEGER NOT NULL, messages INTEGER NOT NULL,
    unread INTEGER NOT NULL, flags INTEGER NOT NULL, bits INTEGER NOT NULL, PRIMARY KEY(mailbox, thread)) WITHOUT ROWID;
CREATE INDEX conversation_list ON conversations(mailbox, newest);
CREATE INDEX conversation_unread ON conversations(mailbox, newest) WHERE unread > 0;
CREATE INDEX conversation_starred ON conversations(mailbox, newest) WHERE flags & 2 <> 0;

CREATE TABLE blocks(
    mailbox INTEGER NOT NULL, kind INTEGER NOT NULL, key NOT NULL, turn INTEGER NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY(mailbox, kind, key, turn)) WITHOUT ROWID;

CREATE TABLE links(key INTEGER PRIMARY KEY, thread INTEGER NOT NULL);
CREATE INDEX link_thread ON links(thread);
CREATE TABLE merged(gone INTEGER PRIMARY KEY, thread INTEGER NOT NULL);
CREATE TABLE orphans(message INTEGER PRIMARY KEY);

CREATE TABLE seams(name INTEGER PRIMARY KEY, cut INTEGER NOT NULL, joined INTEGER, thread INTEGER);
CREATE TABLE sewn(message INTEGER PRIMARY KEY, grown INTEGER NOT NULL);
CREATE INDEX sewn_grown ON sewn(grown);
CREATE TABLE timers(
    name INTEGER NOT NULL, kind TEXT NOT NULL, due INTEGER NOT NULL, set_at INTEGER NOT NULL,
    PRIMARY KEY(name, kind)) WITHOUT ROWID;
CREATE TABLE timed(message INTEGER PRIMARY KEY, state INTEGER NOT NULL, due INTEGER NOT NULL);

CREATE TABLE contacts(
    id INTEGER PRIMARY KEY, email TEXT NOT NULL, name TEXT NOT NULL, others TEXT NOT NULL, sent INTEGER NOT NULL,
    received INTEGER NOT NULL, bulk INTEGER NOT NULL, newest INTEGER NOT NULL, in_book INTEGER NOT NULL,
    preference INTEGER NOT NULL, is_group INTEGER NOT NULL, level INTEGER, words INTEGER NOT NULL);
CREATE TABLE spellings(
    id INTEGER PRIMARY KEY, contact INTEGER NOT NULL, kind INTEGER NOT NULL, name TEXT NOT NULL, email TEXT NOT NULL,
    uses INTEGER NOT NULL, newest INTEGER NOT NULL);
CREATE INDEX spelling_contact ON spellings(contact);
CREATE TABLE uses(
    spelling INTEGER NOT NULL, message INTEGER NOT NULL, PRIMARY KEY(spelling, message)) WITHOUT ROWID;
CREATE INDEX use_message ON uses(message);
CREATE TABLE unharvested(message INTEGER PRIMARY KEY);
CREATE TABLE refused(mailbox INTEGER NOT NULL, name TEXT NOT NULL, PRIMARY KEY(mailbox, name)) WITHOUT ROWID;
CREATE TABLE books(id INTEGER PRIMARY KEY, path BLOB NOT NULL UNIQUE, stamp INTEGER NOT NULL, size INTEGER NOT NULL);
CREATE TABLE cards(
    book INTEGER NOT NULL, contact INTEGER NOT NULL, uid TEXT NOT NULL, email TEXT NOT NULL, name TEXT NOT NULL,
    others TEXT NOT NULL, preference INTEGER NOT NULL, stamp INTEGER NOT NULL, members TEXT);
CREATE INDEX card_book ON cards(book);
CREATE INDEX card_contact ON cards(contact);
CREATE INDEX card_uid ON cards(uid) WHERE uid <> '';
CREATE VIRTUAL TABLE contact_words USING fts5(
    own, domain, content='', contentless_delete=1, detail=column, tokenize='ascii', prefix='1 2 3 4 5');
";

/// What keeps the counts of each mailbox, with [`blocks::triggers`]. They belong to the connection that writes: SQLite
/// reads through all triggers of a file whenever it is opened, which would be half of the time that a reader needs for
/// that.
const COUNTS: &str = "
CREATE TEMP TRIGGER place_added AFTER INSERT ON main.places BEGIN
    UPDATE mailboxes SET total = total + 1, unread = unread + (NEW.flags & 16 = 0),
        starred = starred + (NEW.flags & 2 <> 0) WHERE id = NEW.mailbox; END;
CREATE TEMP TRIGGER place_gone AFTER DELETE ON main.places BEGIN
    UPDATE mailboxes SET total = total - 1, unread = unread - (OLD.flags & 16 = 0),
        starred = starred - (OLD.flags & 2 <> 0) WHERE id = OLD.mailbox; END;
CREATE TEMP TRIGGER place_flagged AFTER UPDATE OF flags ON main.places WHEN (OLD.flags & 18) <> (NEW.flags & 18) BEGIN
    UPDATE mailboxes SET unread = unread - (OLD.flags & 16 = 0) + (NEW.flags & 16 = 0),
        starred = starred - (OLD.flags & 2 <> 0) + (NEW.flags & 2 <> 0) WHERE id = NEW.mailbox; END;
CREATE TEMP TRIGGER conversation_added AFTER INSERT ON main.conversations BEGIN
    UPDATE mailboxes SET conversations = conversations + 1,
        unread_conversations = unread_conversations + (NEW.unread > 0),
        starred_conversations = starred_conversations + (NEW.flags & 2 <> 0) WHERE id = NEW.mailbox; END;
CREATE TEMP TRIGGER conversation_gone AFTER DELETE ON main.conversations BEGIN
    UPDATE mailboxes SET conversations = conversations - 1,
        unread_conversations = unread_conversations - (OLD.unread > 0),
        starred_conversations = starred_conversations - (OLD.flags & 2 <> 0) WHERE id = OLD.mailbox; END;
CREATE TEMP TRIGGER conversation_flagged AFTER UPDATE OF unread, flags ON main.conversations
WHEN (OLD.unread > 0) <> (NEW.unread > 0) OR (OLD.flags & 2) <> (NEW.flags & 2) BEGIN
    UPDATE mailboxes SET unread_conversations = unread_conversations - (OLD.unread > 0) + (NEW.unread > 0),
        starred_conversations = starred_conversations - (OLD.flags & 2 <> 0) + (NEW.flags & 2 <> 0)
        WHERE id = NEW.mailbox; END;
";

/// The columns of the full text, and how they are cut into words.
pub(super) const WORDS: &str =
    r#"subject, sender, recipients, cc, body, files, list, tokenize="unicode61 remove_diacritics 2""#;

/// Beginnings of words of so many letters have an index of their own (`prefix` of the full text): shorter ones are
/// looked for by those, longer ones by the words that there are. Each such index costs half of what the words cost.
pub(super) const BEGINNINGS: usize = 3;

/// What is written of the full text at once, and how many pieces of it are merged into one.
const WRITING: &str = "INSERT INTO words(words, rank) VALUES('hashsize', 16777216);
INSERT INTO words(words, rank) VALUES('automerge', 8);";

/// The orders of a mailbox beside the date. They are made when nothing is to be done: a first listing of a million
/// messages would touch a page of each for every message, and making them once it is in takes seconds.
pub(super) const SORTS: &str = "
CREATE INDEX IF NOT EXISTS place_who ON places(mailbox, who, message DESC);
CREATE INDEX IF NOT EXISTS place_topic ON places(mailbox, topic, message DESC);
CREATE INDEX IF NOT EXISTS place_size ON places(mailbox, size, message);
";

/// The words of the full text, one by one, for beginnings of words.
pub(super) const VOCABULARY: &str =
    "CREATE VIRTUAL TABLE IF NOT EXISTS temp.vocabulary USING fts5vocab(main, words, instance)";

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To change it.
    Writing,
    /// To answer questions; it cannot change anything.
    Reading,
}

/// Opens the index, makes it where there is none, and makes it anew where it is damaged. One of another version is
/// not written, and read as far as it can be.
pub(super) fn open(path: &Path, purpose: Purpose) -> Result<Connection, Fault> {
    let lock = Lock::of(path)?;
    let file = serving(path);
    let (connection, version) = match connect(&file) {
        Ok(connected) => connected,
        Err(error) if is_damage(&error) => {
            set_aside(path, &lock)?;
            connect(&file).map_err(|error| fault(path, &error))?
        }
        Err(error) => return Err(fault(path, &error)),
    };
    match purpose {
        Purpose::Writing if version == VERSION => for_writing(&connection).map_err(|error| fault(path, &error))?,
        Purpose::Writing => return Err(outdated(path)),
        Purpose::Reading => {
            let ready = connection.execute_batch(VOCABULARY);
            if version == VERSION {
                ready.map_err(|error| fault(path, &error))?;
            } else {
                stand_in(&connection).map_err(|error| fault(path, &error))?;
            }
            connection.pragma_update(None, "query_only", true).map_err(|error| fault(path, &error))?;
        }
    }
    Ok(connection)
}

/// Opens an index that is there and of this version, to answer questions; it makes nothing and mends nothing, and
/// leaves alone what was written and is not yet in the file itself. `None`: it has to be opened in another way.
pub(super) fn open_ready(path: &Path) -> Option<Connection> {
    let _lock = Lock::of(path).ok()?;
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let ready = || -> rusqlite::Result<Option<Connection>> {
        let connection = Connection::open_with_flags(serving(path), flags)?;
        connection.busy_timeout(PATIENCE)?;
        if connection.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))? != VERSION {
            return Ok(None);
        }
        for_reading(&connection)?;
        Ok(Some(connection))
    };
    ready().ok().flatten()
}

/// What any connection keeps in memory, and that it keeps its plans: SQLite would otherwise plan a statement anew
/// for each value that might lead to another plan, such as that of a `LIMIT`. That takes longer than to answer one.
fn for_reading(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "cache_size", CACHE)?;
    connection.pragma_update(None, "temp_store", "memory")?;
    connection.set_prepared_statement_cache_capacity(96);
    Ok(())
}

/// What a connection needs that changes something.
fn for_writing(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(COUNTS)?;
    connection.execute_batch(&blocks::triggers())
}

/// Puts empty tables in the place of those that an older index lacks and that a list can be shown without.
fn stand_in(connection: &Connection) -> rusqlite::Result<()> {
    let mut known = connection.prepare("SELECT 1 FROM main.sqlite_schema WHERE type = 'table' AND name = ?1")?;
    for (table, columns) in [
        ("blocks", "mailbox, kind, key, turn, count"),
        ("seams", "name, cut, joined, thread"),
        ("sewn", "message, grown"),
        ("timers", "name, kind, due, set_at"),
        ("timed", "message, state, due"),
    ] {
        if !known.exists([table])? {
            connection.execute_batch(&format!("CREATE TEMP TABLE {table}({columns})"))?;
        }
    }
    Ok(())
}

/// Opens the file that is to become the index, and goes on with it if that was begun; else it is begun.
pub(super) fn open_spare(path: &Path, right: &Building) -> Result<Connection, Fault> {
    let spare = spare(path);
    let begun = |(connection, version): &(Connection, i64)| {
        version == &VERSION && connection.prepare(UNFINISHED).and_then(|mut find| find.exists([])).unwrap_or_default()
    };
    if let Some((connection, _)) = connect(&spare).ok().filter(begun) {
        for_writing(&connection).map_err(|error| fault(&spare, &error))?;
        return Ok(connection);
    }
    // Whatever lies there is damaged, of another version, or has served before.
    begin_again(&spare, right)?;
    let (connection, _) = connect(&spare).map_err(|error| fault(&spare, &error))?;
    let mark = "INSERT INTO meta(key, value) VALUES('unfinished', 'yes')";
    connection.execute(mark, []).and_then(|_| for_writing(&connection)).map_err(|error| fault(&spare, &error))?;
    Ok(connection)
}

/// What says of a file that it is being built.
const UNFINISHED: &str = "SELECT 1 FROM meta WHERE key = 'unfinished'";

/// Says of a file that it is built.
pub(super) const FINISHED: &str = "DELETE FROM meta WHERE key = 'unfinished'";

/// How an index stands to this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stands {
    /// There is none yet.
    Missing,
    /// It can be written and read, as far as its head tells.
    Ready,
    /// It was made by a program that laid it out in another way. It is read as far as it can be, and to be made
    /// anew.
    Outdated,
}

/// How the index stands to this program. One that is damaged counts as ready: who opens it makes it anew. Makes
/// nothing.
pub fn stands(path: &Path) -> Stands {
    let file = serving(path);
    if !file.exists() {
        return Stands::Missing;
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let version = Connection::open_with_flags(&file, flags)
        .and_then(|db| db.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0)));
    match version {
        Ok(0) => Stands::Missing,
        Ok(version) if version != VERSION => Stands::Outdated,
        Ok(_) | Err(_) => Stands::Ready,
    }
}

fn outdated(path: &Path) -> Fault {
    Fault::new(Doing::Indexing, &path.display().to_string(), Cause::Other)
        .scope(Scope::Program)
        .again(Again::Later)
        .detail("it was made by another version of tern; `tern index` makes it anew")
}

/// Removes the index; whoever has it open keeps the old one until its next question.
pub(super) fn remove(path: &Path) -> Result<(), Fault> {
    serving::remove(path, &Lock::of(path)?)
}

/// Does this error say that the file is no good?
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// The one place where an error of SQLite becomes a fault.
pub(super) fn fault(path: &Path, error: &rusqlite::Error) -> Fault {
    // The file that SQLite shares between processes could not grow; it does not say why.
    let is_full = error.sqlite_error().is_some_and(|e| e.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE);
    let (cause, again) = match error.sqlite_error_code() {
        _ if is_full => (Cause::DiskFull, Again::AfterUser),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => (Cause::Damaged, Again::Now),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => (Cause::Busy, Again::Later),
        Some(ErrorCode::DiskFull) => (Cause::DiskFull, Again::AfterUser),
        Some(ErrorCode::SystemIoFailure) => (Cause::Disk, Again::Later),
        Some(ErrorCode::PermissionDenied | ErrorCode::ReadOnly | ErrorCode::CannotOpen) => {
            (Cause::Permission, Again::AfterUser)
        }
        Some(_) => (Cause::Other, Again::Later),
        None => (Cause::Bug, Again::Never),
    };
    let words = if is_full { "the disk is full".to_owned() } else { error.to_string() };
    Fault::new(Doing::Indexing, &path.display().to_string(), cause).scope(Scope::Program).again(again).detail(&words)
}

/// Opens a file and gives its version; one that has no tables gets them.
fn connect(file: &Path) -> rusqlite::Result<(Connection, i64)> {
    // The file is made here so that only the user can read it; SQLite gives its helpers the same rights.
    drop(OpenOptions::new().create(true).append(true).mode(0o600).open(file));
    let mut connection = Connection::open(file)?;
    connection.busy_timeout(PATIENCE)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "normal")?;
    connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
    for_reading(&connection)?;
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version != 0 {
        return Ok((connection, version));
    }
    let change = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    empty(&change)?;
    change.execute_batch(TABLES)?;
    change.execute_batch(&format!(
        "CREATE VIRTUAL TABLE words USING fts5({WORDS}, content='', contentless_delete=1, prefix='{BEGINNINGS}');
         {WRITING}"
    ))?;
    change.pragma_update(None, "user_version", VERSION)?;
    change.commit()?;
    Ok((connection, VERSION))
}

/// Drops whatever tables there are, of whatever version.
fn empty(connection: &Connection) -> rusqlite::Result<()> {
    // The virtual tables first, since they own others.
    connection.execute_batch("DROP TABLE IF EXISTS words; DROP TABLE IF EXISTS contact_words")?;
    let names: Vec<String> = connection
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for name in names {
        connection.execute_batch(&format!("DROP TABLE \"{}\"", name.replace('"', "\"\"")))?;
    }
    Ok(())
}

/// The file of a place in its mailbox's directory: its base name, and what followed that (`:2,S`, or nothing).
pub(super) fn file_path(directory: &Path, in_new: bool, name: &str, info: &str) -> PathBuf {
    directory.join(if in_new { "new" } else { "cur" }).join(format!("{name}{info}"))
}

/// The directory that was stored as its bytes.
pub(super) fn path_from(bytes: Vec<u8>) -> PathBuf {
    PathBuf::from(OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rusqlite::StatementStatus;

    use super::*;
    use crate::mail::flags::{Flag, Flags};

    #[test]
    fn the_tables_know_bits_and_sizes() {
        assert_eq!((Flags::only(Flag::Seen).bits(), Flags::only(Flag::Flagged).bits()), (16, 2));
        assert_eq!((ATTACHMENT, LARGE), (1, 1_048_576));
    }

    #[test]
    fn a_plan_is_made_once_whatever_is_asked_of_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("index.db");
        let writer = open(&path, Purpose::Writing).unwrap();
        for db in [writer, open(&path, Purpose::Reading).unwrap(), open_ready(&path).unwrap()] {
            let mut find = db.prepare("SELECT id FROM messages WHERE id <= ?1 ORDER BY id DESC LIMIT ?2").unwrap();
            for limit in [0, 64, 4096] {
                assert!(!find.exists([i64::MAX, limit]).unwrap());
                find.clear_bindings();
            }
            assert_eq!(find.get_status(StatementStatus::RePrepare), 0);
        }
    }

    #[test]
    fn a_damaged_file_is_made_anew_and_one_of_another_version_is_read_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("deep/index.db");
        assert_eq!(stands(&path), Stands::Missing);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "this is no database at all, but long enough to be taken for one".repeat(100)).unwrap();
        let connection = open(&path, Purpose::Writing).unwrap();
        connection.execute("INSERT INTO orphans VALUES(7)", []).unwrap();
        assert!(directory.path().join("deep/index.db.damaged").exists());
        assert_eq!(stands(&path), Stands::Ready);
        connection.pragma_update(None, "user_version", 99).unwrap();
        connection.execute("DROP TABLE words", []).unwrap();
        drop(connection);
        assert_eq!(stands(&path), Stands::Outdated);
        let fault = open(&path, Purpose::Writing).unwrap_err();
        assert!(fault.detail.as_str().contains("`tern index`"), "{fault}");
        let connection = open(&path, Purpose::Reading).unwrap();
        let orphan: i64 = connection.query_row("SELECT message FROM orphans", [], |row| row.get(0)).unwrap();
        assert_eq!(orphan, 7);
        assert!(connection.execute("INSERT INTO orphans VALUES(8)", []).is_err(), "a reader writes nothing");
    }

    #[test]
    fn a_file_that_is_built_is_gone_on_with_until_it_is_finished() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("index.db");
        drop(open(&path, Purpose::Writing).unwrap());
        let right = Building::begin(&path, &Lock::of(&path).unwrap()).unwrap().unwrap();
        let orphans = |connection: &Connection| -> i64 {
            connection.query_row("SELECT count(*) FROM orphans", [], |row| row.get(0)).unwrap()
        };
        let begun = open_spare(&path, &right).unwrap();
        begun.execute("INSERT INTO orphans VALUES(7)", []).unwrap();
        drop(begun);
        let begun = open_spare(&path, &right).unwrap();
        assert_eq!(orphans(&begun), 1);
        begun.execute(FINISHED, []).unwrap();
        drop(begun);
        let begun = open_spare(&path, &right).unwrap();
        assert_eq!(orphans(&begun), 0, "one that was finished has served, and is old");
        begun.execute("INSERT INTO orphans VALUES(7)", []).unwrap();
        begun.pragma_update(None, "user_version", 99).unwrap();
        drop(begun);
        let begun = open_spare(&path, &right).unwrap();
        assert_eq!(orphans(&begun), 0, "another version");
        drop(begun);
        fs::write(spare(&path), "no database").unwrap();
        assert_eq!(orphans(&open_spare(&path, &right).unwrap()), 0, "damaged");
    }
}
