//! A database of notmuch's as search engine: where it is found, and a reader of it that follows its changes. Where it
//! cannot be used the index answers by itself, and says once why. The crate that speaks to it is seen by
//! `index/notmuch.rs` alone.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::notmuch::Reader;
use crate::fault::{Again, Cause, Doing, Fault, Scope};
use crate::mail::flags::{Flags, Keyword};
use crate::mail::tags;

/// Where notmuch's database is found, and where what waits for it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notmuch {
    /// The config file of notmuch; `None`: the one that notmuch would take by itself (`NOTMUCH_CONFIG` and so on).
    pub config: Option<PathBuf>,
    /// The profile of notmuch; `None`: the one that notmuch would take by itself.
    pub profile: Option<String>,
    /// The file of what waits to be written. It must not be lost while something waits.
    pub queue: PathBuf,
    /// Up to so many messages are searched at once, more by stretches of time: see [`AT_ONCE`].
    pub at_once: usize,
}

/// So many messages are ranked while nobody notices.
pub const AT_ONCE: usize = 20_000;

/// What of notmuch's own settings counts here.
#[cfg_attr(not(feature = "notmuch"), expect(dead_code, reason = "some are for who speaks to the library alone"))]
#[derive(Debug, Clone, Default)]
pub(super) struct Settings {
    /// Below which its mail lies.
    pub(super) mail_root: PathBuf,
    /// The directory of the database itself.
    pub(super) xapian: PathBuf,
    /// `new.tags`.
    pub(super) new_tags: Vec<String>,
    /// `new.ignore`.
    pub(super) ignore: Vec<String>,
    /// `search.exclude_tags`.
    pub(super) excluded: Vec<String>,
    /// `maildir.synchronize_flags`.
    pub(super) synchronize_flags: bool,
}

/// A message of the database, copied out of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Mail {
    pub(super) id: String,
    pub(super) files: Vec<PathBuf>,
    pub(super) tags: Vec<String>,
}

/// Makes of the tags that a message has those that it gets (`true`) and those that it loses.
pub(super) type Retagging<'a> = &'a mut dyn FnMut(&[String]) -> Vec<(String, bool)>;

impl Settings {
    /// The path by which the database knows a file, where that lies below its mail root; a link on the way there
    /// makes no difference.
    pub(super) fn own_path(&self, path: &Path) -> Option<PathBuf> {
        if path.starts_with(&self.mail_root) {
            return Some(path.to_path_buf());
        }
        let (directory, name) = (path.parent()?.canonicalize().ok()?, path.file_name()?);
        let below = directory.strip_prefix(self.mail_root.canonicalize().ok()?).ok()?.to_path_buf();
        Some(self.mail_root.join(below).join(name))
    }

    /// What changes with each change of the database.
    pub(super) fn stamp(&self) -> Stamp {
        Stamp::of(&self.xapian)
    }
}

/// What tells one state of a database's files from another, without opening them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Stamp(Option<(u64, u64, i64, i64)>);

impl Stamp {
    pub(super) fn of(xapian: &Path) -> Self {
        // The table of versions, which every commit writes anew.
        let about = std::fs::metadata(xapian.join("iamglass")).ok();
        Self(about.map(|about| (about.dev(), about.ino(), about.mtime(), about.mtime_nsec())))
    }
}

/// Tags that notmuch sets by itself, of flags and of what is in a message: here other marks say that.
const SILENT: [&str; 8] = ["attachment", "draft", "encrypted", "flagged", "passed", "replied", "signed", "unread"];

/// Tags that say where notmuch has mail of, and that it is new, and no more; what `new.tags` names is such, too.
const PASSING: [&str; 2] = ["inbox", "new"];

/// The tags that messages get by coming into a database: they are shown like all others, but go no further.
pub(super) fn passing(settings: &Settings) -> Flags {
    keywords(PASSING.into_iter().chain(settings.new_tags.iter().map(String::as_str)))
}

/// The keywords that stand for tags; what can be no keyword is left out.
pub(super) fn keywords<'t>(named: impl Iterator<Item = &'t str>) -> Flags {
    let shown = named.filter(|tag| !SILENT.contains(tag));
    shown.filter_map(|tag| tags::typed(tag).ok()).filter(tags::is_tag).fold(Flags::none(), Flags::with_keyword)
}

/// Of some flags those that a database has as tags.
pub(super) fn tagged(flags: &Flags) -> Flags {
    let shown =
        |word: &&Keyword| tags::is_tag(word) && !SILENT.iter().any(|tag| word.as_str().eq_ignore_ascii_case(tag));
    flags.keywords().filter(shown).cloned().fold(Flags::none(), Flags::with_keyword)
}

/// The tag that a keyword is called in a database; the spelling of one that is there wins.
pub(super) fn tag_of(word: &Keyword, known: &[String]) -> String {
    let is_it = |tag: &&String| tags::typed(tag).is_ok_and(|spelled| spelled == *word);
    known.iter().find(is_it).cloned().unwrap_or_else(|| tags::name(word).as_str().to_owned())
}

/// What went wrong with a database; what is said of it is from outside.
pub(super) fn fault(doing: Doing, subject: &Path, cause: Cause, words: &str) -> Fault {
    let subject = if subject.as_os_str().is_empty() {
        "the database of notmuch".to_owned()
    } else {
        subject.display().to_string()
    };
    Fault::new(doing, &subject, cause).scope(Scope::Program).again(Again::Later).detail(words)
}

/// A reader of the database, as far as there is one.
pub(super) struct Engine {
    at: Notmuch,
    reader: Option<(Reader, Stamp)>,
    /// How often it was opened or lost: another number means that it may say other things.
    version: u64,
    /// Why it cannot be used.
    away: Option<Fault>,
    /// What is to be told.
    news: Option<Fault>,
}

impl Engine {
    pub(super) fn new(at: Notmuch) -> Self {
        Self { at, reader: None, version: 0, away: None, news: None }
    }

    /// A number that is another one whenever the database may say something else.
    pub(super) fn version(&mut self) -> u64 {
        self.ready();
        self.version
    }

    /// The reader, of the newest state; one that could not be opened is tried again with each question. `None`: the
    /// database cannot be used.
    pub(super) fn ready(&mut self) -> Option<&Reader> {
        if self.reader.as_ref().is_some_and(|(reader, stamp)| reader.settings().stamp() != *stamp) {
            self.reader = None;
        }
        if self.reader.is_none() {
            match Reader::open(&self.at) {
                Ok(reader) => {
                    self.version += 1;
                    self.away = None;
                    let stamp = reader.settings().stamp();
                    self.reader = Some((reader, stamp));
                }
                Err(fault) => self.give_up(fault),
            }
        }
        self.reader.as_ref().map(|(reader, _)| reader)
    }

    /// How many messages are searched at once.
    pub(super) fn at_once(&self) -> usize {
        self.at.at_once
    }

    /// The next question opens it again.
    pub(super) fn close(&mut self) {
        self.reader = None;
    }

    /// It cannot be used: the index answers alone.
    pub(super) fn give_up(&mut self, fault: Fault) {
        self.reader = None;
        if self.away.as_ref() != Some(&fault) {
            self.version += 1;
            self.news = Some(fault.clone());
        }
        self.away = Some(fault);
    }

    /// Why it cannot be used, where that was not told yet.
    pub(super) fn news(&mut self) -> Option<Fault> {
        self.news.take()
    }

    /// Why it cannot be used.
    pub(super) fn why_away(&self) -> Option<&Fault> {
        self.away.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_and_keywords_stand_for_each_other() {
        let flags = keywords(["todo", "unread", "für später", "a(b", "inbox", "NonJunk"].into_iter());
        let words: Vec<&str> = flags.keywords().map(Keyword::as_str).collect();
        assert_eq!(words, ["f&APw-r_sp&AOQ-ter", "inbox", "todo"]);
        let known = ["für später".to_owned(), "TODO".to_owned()];
        let named: Vec<String> = flags.keywords().map(|word| tag_of(word, &known)).collect();
        assert_eq!(named, ["für später", "inbox", "TODO"], "as the database spells it");
        assert_eq!(tag_of(&tags::typed("für später").unwrap(), &[]), "für_später");
    }
}
