//! The ledger's file: opened, checked, brought up to date. A damaged file is set aside, never
//! overwritten, and a new one begun; the caller is told by a fault.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::fault;
use super::vouch::Vouch;
use crate::fault::{Again, Cause, Doing, Fault, Scope};

/// Each step brings the schema from its index to the next number (`user_version`).
pub(super) const STEPS: [&str; 10] = [
    "
    CREATE TABLE mailbox (
        key        INTEGER PRIMARY KEY,
        account    TEXT NOT NULL,
        name       TEXT NOT NULL,
        validity   INTEGER,
        modseq     INTEGER,
        uid_next   INTEGER,
        complete_at INTEGER NOT NULL DEFAULT 0,
        stamp_cur  INTEGER NOT NULL DEFAULT 0,
        stamp_new  INTEGER NOT NULL DEFAULT 0,
        UNIQUE (account, name)
    );
    CREATE TABLE base (
        mailbox  INTEGER NOT NULL,
        uid      INTEGER NOT NULL,
        name     TEXT NOT NULL,
        flags    INTEGER NOT NULL,
        keywords TEXT,
        size     INTEGER NOT NULL,
        digest   INTEGER,
        PRIMARY KEY (mailbox, uid)
    ) WITHOUT ROWID;
    CREATE UNIQUE INDEX base_by_name ON base (mailbox, name);
    CREATE TABLE intent (
        key        INTEGER PRIMARY KEY AUTOINCREMENT,
        kind       TEXT NOT NULL,
        account    TEXT NOT NULL,
        mailbox    TEXT NOT NULL,
        validity   INTEGER,
        uid        INTEGER,
        target     TEXT,
        target_validity INTEGER,
        uid_next   INTEGER,
        name       TEXT,
        message_id TEXT,
        size       INTEGER NOT NULL,
        begun_at   INTEGER NOT NULL
    );
    CREATE INDEX intent_by_account ON intent (account);
",
    // How many rows a mailbox has, kept up to date by every commit: counting them costs as much as there are.
    "
    ALTER TABLE mailbox ADD COLUMN messages INTEGER NOT NULL DEFAULT 0;
    UPDATE mailbox SET messages = (SELECT count(*) FROM base WHERE base.mailbox = mailbox.key);
",
    // Which letters of keywords a file's name had when both sides agreed last; few have any.
    "
    CREATE TABLE letters (
        mailbox INTEGER NOT NULL,
        uid     INTEGER NOT NULL,
        letters INTEGER NOT NULL,
        PRIMARY KEY (mailbox, uid)
    ) WITHOUT ROWID;
    CREATE TRIGGER base_gone AFTER DELETE ON base BEGIN
        DELETE FROM letters WHERE mailbox = OLD.mailbox AND uid = OLD.uid;
    END;
",
    // What the user wants done with folders on the server: a Maildir has no place for it.
    "
    CREATE TABLE IF NOT EXISTS wish (
        account TEXT NOT NULL,
        mailbox TEXT NOT NULL,
        kind    TEXT NOT NULL,
        PRIMARY KEY (account, mailbox, kind)
    ) WITHOUT ROWID;
",
    // The ids of POP3 servers, by account, host and user.
    "
    CREATE TABLE book (
        key        INTEGER PRIMARY KEY,
        account    TEXT NOT NULL,
        host       TEXT NOT NULL,
        user       TEXT NOT NULL,
        validity   INTEGER NOT NULL,
        next       INTEGER NOT NULL DEFAULT 1,
        closed_at  INTEGER NOT NULL DEFAULT 0,
        UNIQUE (account, host, user)
    );
    CREATE TABLE uidl (
        book       INTEGER NOT NULL,
        uidl       TEXT NOT NULL,
        number     INTEGER NOT NULL,
        size       INTEGER NOT NULL,
        stored     INTEGER,
        header     BLOB,
        first_seen INTEGER NOT NULL,
        last_seen  INTEGER NOT NULL,
        delivered  INTEGER NOT NULL DEFAULT 0,
        asked      INTEGER NOT NULL DEFAULT 0,
        done       INTEGER NOT NULL DEFAULT 0,
        doubtful   INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (book, uidl)
    ) WITHOUT ROWID;
    CREATE UNIQUE INDEX uidl_by_number ON uidl (book, number);
",
    // Messages of which only the header is here are asked for in each round, and most mailboxes have none.
    "
    CREATE INDEX base_of_stubs ON base (mailbox) WHERE instr(name, ',T=') > 0;
",
    // Of the program that kept an account's mail before: what it wrote last, and up to what it gave way.
    "
    CREATE TABLE keeper (
        account TEXT PRIMARY KEY,
        seen    INTEGER NOT NULL,
        retired INTEGER
    ) WITHOUT ROWID;
",
    // Accounts whose mailboxes are views of one, by labels; and labels that were given or taken here, of
    // which the server has not heard: neither a file's name nor the table of its keywords could tell them.
    "
    CREATE TABLE labelled (
        account TEXT PRIMARY KEY,
        home    TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE view (
        account TEXT NOT NULL,
        mailbox TEXT NOT NULL,
        role    TEXT,
        label   TEXT NOT NULL,
        PRIMARY KEY (account, mailbox)
    ) WITHOUT ROWID;
    CREATE TABLE label_wish (
        mailbox INTEGER NOT NULL,
        name    TEXT NOT NULL,
        given   TEXT NOT NULL,
        taken   TEXT NOT NULL,
        PRIMARY KEY (mailbox, name)
    ) WITHOUT ROWID;
",
    // What the user notes about messages, by what they are and not by where they lie.
    "
    CREATE TABLE timer (
        message TEXT NOT NULL,
        kind    TEXT NOT NULL,
        due     INTEGER NOT NULL,
        set_at  INTEGER NOT NULL,
        PRIMARY KEY (message, kind)
    ) WITHOUT ROWID;
    CREATE TABLE seam (
        message TEXT PRIMARY KEY,
        cut     INTEGER NOT NULL,
        joined  TEXT
    ) WITHOUT ROWID;
",
    // Messages that rules were let at on arrival, by a number made of their bytes.
    "
    CREATE TABLE claim (
        account TEXT NOT NULL,
        digest  INTEGER NOT NULL,
        at      INTEGER NOT NULL,
        begun   TEXT NOT NULL DEFAULT '',
        done    INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (account, digest)
    ) WITHOUT ROWID;
    CREATE INDEX claim_by_time ON claim (at);
",
];

/// How long a commit waits for another process's.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// The ledger, open. Each thread opens its own.
#[derive(Debug)]
pub struct Ledger {
    pub(super) db: Connection,
    /// After `db`: the file is closed when it is vouched for. `None`: a copy in memory.
    pub(super) vouch: Option<Vouch>,
}

impl Ledger {
    /// Opens `ledger.db` in the data directory, or makes it. The second value tells that the file
    /// was damaged and set aside: the memory of all mailboxes is empty then, and in the round that
    /// follows nothing may be taken for deleted.
    ///
    /// # Errors
    /// The directory or file cannot be written, or a newer program wrote the file.
    pub fn open(data: &Path) -> Result<(Self, Option<Fault>), Fault> {
        let path = data.join("ledger.db");
        let io = |e: &io::Error| Fault::io(Doing::Remembering, &path.to_string_lossy(), e).scope(Scope::Program);
        make_private(data).map_err(|e| io(&e))?;
        // One opens at a time, so that nobody sets aside a file that another has just begun.
        let gate = File::options().create(true).truncate(false).write(true).mode(0o600).open(data.join("ledger.lock"));
        let gate = gate.map_err(|e| io(&e))?;
        gate.lock().map_err(|e| io(&e))?;
        // SQLite gives what it adds (the log) the rights of the file itself.
        make_file(&path).map_err(|e| io(&e))?;
        let mut vouch = Vouch::ask(data).map_err(|e| io(&e))?;
        let (db, told) = match attempt(&path, vouch.holds()) {
            Ok(db) => (db, None),
            Err(fault) if fault.cause == Cause::Damaged => {
                let aside = set_aside(&path).map_err(|e| io(&e))?;
                let told = Fault::new(Doing::Remembering, &path.to_string_lossy(), Cause::Damaged)
                    .scope(Scope::Program)
                    .again(Again::Never)
                    .detail(&format!(
                        "the file was damaged ({}); it is kept as {}, and a new one is begun from the mail itself",
                        fault.detail,
                        aside.display()
                    ));
                make_file(&path).map_err(|e| io(&e))?;
                (attempt(&path, false)?, Some(told))
            }
            Err(fault) => return Err(fault),
        };
        vouch.keep().map_err(|e| io(&e))?;
        Ok((Self { db, vouch: Some(vouch) }, told))
    }

    /// Keeps no more than 2 MB of the file in memory: for who writes one part of it after the other.
    #[must_use]
    pub fn with_little_in_memory(self) -> Self {
        // With more it is no worse.
        drop(self.db.pragma_update(None, "cache_size", -2048));
        self
    }

    /// Opens a copy of the ledger that lies in memory alone: for a look ahead that writes nothing. One
    /// that is not there is empty.
    ///
    /// # Errors
    /// The file cannot be read, is damaged, or was written by a newer program.
    pub fn rehearse(data: &Path) -> Result<Self, Fault> {
        let path = data.join("ledger.db");
        let fault = |e: rusqlite::Error| fault(&e).scope(Scope::Program);
        let mut db = Connection::open_in_memory().map_err(fault)?;
        if path.is_file() {
            copy(&path, &db).map_err(fault)?;
        }
        db.set_prepared_statement_cache_capacity(64);
        migrate(&mut db)?;
        Ok(Self { db, vouch: None })
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        if self.vouch.as_ref().is_some_and(Vouch::leaves_log) {
            // If that is refused, it is written back after all.
            let _ = self.db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
        }
    }
}

/// Opens the file, `sound` or to be examined as a whole.
fn attempt(path: &Path, sound: bool) -> Result<Connection, Fault> {
    let run = || -> rusqlite::Result<(Connection, Option<String>)> {
        let db = connect(path)?;
        let verdict = (!sound).then(|| db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))).transpose()?;
        Ok((db, verdict))
    };
    let (mut db, verdict) = run().map_err(|e| fault(&e).scope(Scope::Program))?;
    match verdict {
        Some(verdict) if verdict != "ok" => {
            Err(Fault::new(Doing::Remembering, "ledger.db", Cause::Damaged).detail(&verdict))
        }
        _ => migrate(&mut db).map(|()| db),
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    db.busy_timeout(PATIENCE)?;
    db.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    db.pragma_update(None, "synchronous", "FULL")?;
    db.pragma_update(None, "cell_size_check", true)?;
    // KiB. A mailbox of 40,000 is compared without reading a page twice.
    db.pragma_update(None, "cache_size", -8192)?;
    // Pages. What a round changes lies all over the file: written back once at its end, not in between.
    db.pragma_update(None, "wal_autocheckpoint", 4000)?;
    db.set_prepared_statement_cache_capacity(64);
    Ok(db)
}

/// Copies all that a ledger's file holds, of whatever version, as it is at one moment.
fn copy(path: &Path, to: &Connection) -> rusqlite::Result<()> {
    to.busy_timeout(PATIENCE)?;
    to.execute("ATTACH ?1 AS real", [path.to_string_lossy()])?;
    to.execute_batch("BEGIN")?;
    let version: i64 = to.query_row("PRAGMA real.user_version", [], |row| row.get(0))?;
    let parts: Vec<(String, String, String)> = to
        .prepare(
            "SELECT type, name, sql FROM real.sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'
             ORDER BY type = 'table' DESC, rowid",
        )?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<rusqlite::Result<_>>()?;
    for (kind, name, sql) in parts {
        to.execute_batch(&sql)?;
        if kind == "table" {
            to.execute_batch(&format!("INSERT INTO main.\"{name}\" SELECT * FROM real.\"{name}\""))?;
        }
    }
    to.execute_batch("COMMIT; DETACH real")?;
    to.pragma_update(None, "user_version", version)
}

fn migrate(db: &mut Connection) -> Result<(), Fault> {
    let run = |db: &mut Connection| -> rusqlite::Result<Option<i64>> {
        let step = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let version: i64 = step.pragma_query_value(None, "user_version", |row| row.get(0))?;
        let Some(todo) = usize::try_from(version).ok().and_then(|v| STEPS.get(v..)) else {
            return Ok(Some(version));
        };
        for sql in todo {
            step.execute_batch(sql)?;
        }
        if !todo.is_empty() {
            step.pragma_update(None, "user_version", i64::try_from(STEPS.len()).unwrap_or(i64::MAX))?;
        }
        step.commit()?;
        Ok(None)
    };
    match run(db) {
        Ok(None) => Ok(()),
        Ok(Some(version)) => Err(Fault::new(Doing::Remembering, "ledger.db", Cause::Config)
            .scope(Scope::Program)
            .again(Again::AfterUser)
            .detail(&format!(
                "it was written by a newer version of tern (schema {version}, this one knows {})",
                STEPS.len()
            ))),
        Err(error) => Err(fault(&error).scope(Scope::Program)),
    }
}

/// Makes a directory that only the user may enter.
fn make_private(directory: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

/// Makes the file, if it is not there: only the user may read it. One that is there is not even
/// opened: closing it would drop the locks that other threads hold on it through SQLite.
fn make_file(path: &Path) -> io::Result<()> {
    match File::options().create_new(true).write(true).mode(0o600).open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Renames the damaged file and what belongs to it; gives its new path.
fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos());
    let aside = path.with_file_name(format!("ledger.damaged-{now}.db"));
    fs::rename(path, &aside)?;
    for end in ["-wal", "-shm"] {
        let with_end = |path: &Path| {
            let mut name = path.as_os_str().to_owned();
            name.push(end);
            PathBuf::from(name)
        };
        match fs::rename(with_end(path), with_end(&aside)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(aside)
}
