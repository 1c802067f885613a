//! Address books on disk: directories of vCards (vdir: one file a card, directories within for several
//! books) or files of them. Only what changed since the last look is read. Nothing is written there.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::{ErrorKind, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, Result, params};

use super::contacts::{Sources, contact_row};
use super::rows::Index;
use super::schema;
use super::write::Writer;
use crate::fault::{Doing, Fault, Scope};
use crate::mail::contact;
use crate::mail::vcard::{self, Card, Member};

/// The most of a file that is read.
const MAX_FILE: u64 = 32 << 20;
/// The most files of all books together.
const MAX_FILES: usize = 100_000;
/// How many files one step takes in.
const STEP: usize = 500;

/// A file as it was when it was read, or is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    /// When it was changed, in nanoseconds since 1970.
    changed: i64,
    size: i64,
}

impl Stamp {
    fn of(about: &Metadata) -> Self {
        let changed = about.mtime().saturating_mul(1_000_000_000).saturating_add(about.mtime_nsec());
        Self { changed, size: i64::try_from(about.len()).unwrap_or(i64::MAX) }
    }
}

/// What lies in the books.
#[derive(Default)]
struct Shelf {
    files: BTreeMap<PathBuf, Stamp>,
    /// What cannot be read now: what was read of it before stays known.
    away: Vec<PathBuf>,
    faults: Vec<Fault>,
}

impl Shelf {
    fn look(books: &[PathBuf]) -> Self {
        let mut shelf = Self::default();
        for book in books {
            match fs::metadata(book) {
                Ok(about) if about.is_dir() => shelf.directory(book, Depth::Top),
                Ok(about) => drop(shelf.files.insert(book.clone(), Stamp::of(&about))),
                Err(error) => shelf.missed(book, &error),
            }
        }
        shelf
    }

    fn directory(&mut self, directory: &Path, depth: Depth) {
        let entries = match fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error) => return self.missed(directory, &error),
        };
        for entry in entries {
            let path = match entry {
                Ok(entry) => entry.path(),
                Err(error) => return self.missed(directory, &error),
            };
            let is_hidden = path.file_name().is_some_and(|name| name.as_bytes().starts_with(b"."));
            if is_hidden || self.files.len() >= MAX_FILES {
                continue;
            }
            let is_card = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("vcf"));
            // What went between the two looks is gone at the next one too.
            let Ok(about) = fs::metadata(&path) else { continue };
            if about.is_file() && is_card {
                self.files.insert(path, Stamp::of(&about));
            } else if about.is_dir() && depth == Depth::Top {
                self.directory(&path, Depth::Book);
            }
        }
    }

    fn differs_from(&self, known: &BTreeMap<PathBuf, (i64, Stamp)>) -> bool {
        let Self { files, away, .. } = self;
        let is_gone = |path: &PathBuf| !files.contains_key(path) && !away.iter().any(|away| path.starts_with(away));
        let moved = files.iter().any(|(path, stamp)| known.get(path).is_none_or(|(_, before)| before != stamp));
        moved || known.keys().any(is_gone)
    }

    fn missed(&mut self, path: &Path, error: &std::io::Error) {
        if error.kind() != ErrorKind::NotFound {
            self.away.push(path.to_path_buf());
        }
        let fault = Fault::io(Doing::Reading, &path.display().to_string(), error).scope(Scope::Program);
        self.faults.push(fault);
    }
}

/// How deep a directory lies below what the user named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Depth {
    Top,
    Book,
}

impl Writer {
    /// Takes in what changed in the address books. Gives back what could not be read.
    pub fn read_books(&mut self) -> std::result::Result<Vec<Fault>, Fault> {
        let known = known_books(&self.db).map_err(|error| self.fault(&error))?;
        let Shelf { files, away, mut faults } = Shelf::look(&self.people.sources.vcards);
        let is_gone = |path: &Path| !files.contains_key(path) && !away.iter().any(|away| path.starts_with(away));
        let gone: Vec<i64> = known.iter().filter(|(path, _)| is_gone(path)).map(|(_, (book, _))| *book).collect();
        for gone in gone.chunks(STEP) {
            self.step(|writer| gone.iter().try_for_each(|book| writer.close_book(*book)))?;
        }
        let moved: Vec<(&PathBuf, Stamp)> = files
            .iter()
            .filter(|(path, stamp)| known.get(*path).is_none_or(|(_, before)| before != *stamp))
            .map(|(path, stamp)| (path, *stamp))
            .collect();
        for moved in moved.chunks(STEP) {
            let mut read = Vec::with_capacity(moved.len());
            for (path, stamp) in moved {
                match cards(path) {
                    Ok(cards) => read.push((*path, *stamp, cards)),
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    Err(error) => {
                        faults
                            .push(Fault::io(Doing::Reading, &path.display().to_string(), &error).scope(Scope::Program));
                    }
                }
            }
            self.step(|writer| {
                for (path, stamp, cards) in read {
                    if let Some((before, _)) = known.get(path) {
                        writer.close_book(*before)?;
                    }
                    writer.open_book(path, stamp, &cards)?;
                }
                Ok(())
            })?;
        }
        Ok(faults)
    }

    fn close_book(&mut self, book: i64) -> Result<()> {
        let contacts: Vec<i64> = self
            .db
            .prepare_cached("DELETE FROM cards WHERE book = ?1 RETURNING contact")?
            .query_map([book], |row| row.get(0))?
            .collect::<Result<_>>()?;
        for contact in contacts {
            self.people.judge_again(contact);
        }
        self.db.prepare_cached("DELETE FROM books WHERE id = ?1")?.execute([book])?;
        Ok(())
    }

    fn open_book(&mut self, path: &Path, stamp: Stamp, cards: &[Card]) -> Result<()> {
        self.db.prepare_cached("INSERT INTO books(path, stamp, size) VALUES(?1, ?2, ?3)")?.execute(params![
            path.as_os_str().as_bytes(),
            stamp.changed,
            stamp.size
        ])?;
        let (book, seconds) = (self.db.last_insert_rowid(), stamp.changed.div_euclid(1_000_000_000));
        for card in cards {
            let others = card.others.join("\n");
            let mut add = |contact: i64, email: &str, preference: usize, members: Option<String>| -> Result<()> {
                self.people.judge_again(contact);
                self.db
                    .prepare_cached(
                        "INSERT INTO cards(book, contact, uid, email, name, others, preference, stamp, members)
                         VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                    )?
                    .execute(params![
                        book,
                        contact,
                        card.uid,
                        email,
                        card.name,
                        others,
                        i64::try_from(preference).unwrap_or(i64::MAX),
                        seconds,
                        members
                    ])?;
                Ok(())
            };
            for (preference, email) in card.emails.iter().enumerate() {
                add(contact_row("email", &contact::key(email)), email, preference, None)?;
            }
            if let Some(members) = &card.members {
                let name = if card.uid.is_empty() { &card.name } else { &card.uid };
                add(contact_row("group", name), "", 0, Some(listed(members)))?;
            }
        }
        Ok(())
    }
}

impl Index {
    /// Did the address books change since they were taken in?
    pub fn wants_books(&self, sources: &Sources) -> std::result::Result<bool, Fault> {
        let known = self.asked(known_books)?;
        Ok(Shelf::look(&sources.vcards).differs_from(&known))
    }
}

/// Could all address books be read, and are they as they were taken in?
pub(super) fn has_books(db: &Connection, sources: &Sources) -> Result<bool> {
    let shelf = Shelf::look(&sources.vcards);
    Ok(shelf.faults.is_empty() && !shelf.differs_from(&known_books(db)?))
}

fn known_books(db: &Connection) -> Result<BTreeMap<PathBuf, (i64, Stamp)>> {
    db.prepare_cached("SELECT path, id, stamp, size FROM books")?
        .query_map([], |row| {
            let stamp = Stamp { changed: row.get(2)?, size: row.get(3)? };
            Ok((schema::path_from(row.get(0)?), (row.get(1)?, stamp)))
        })?
        .collect()
}

/// Members as they are kept: one a line, a card's uid behind `=`, an address as it is.
fn listed(members: &[Member]) -> String {
    let line = |member: &Member| match member {
        Member::Card(uid) => format!("={}", uid.replace(['\n', '\r'], "")),
        Member::Email(email) => email.clone(),
    };
    members.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn cards(path: &Path) -> std::io::Result<Vec<Card>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_FILE).read_to_end(&mut bytes)?;
    Ok(vcard::parse(&bytes))
}
