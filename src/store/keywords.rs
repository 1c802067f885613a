//! What the letters `a` to `z` of a folder's file names mean: the table `dovecot-keywords` beside
//! `cur/`, whose lines say `N keyword` (0 stands for `a`). Dovecot keeps one in its Maildirs, and other
//! programs read it; a folder without one gets it as soon as a keyword has to be stored.
//!
//! A number that is given out keeps its meaning for ever, and a letter that some file name has without
//! a row is never given out: a table that was deleted must not make old letters mean something else.
//! The table is written under the lock that Dovecot itself takes for it (`dovecot-uidlist.lock`).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use crate::mail::flags::{Flag, Flags, Keyword, Letters};

/// The table's file.
const FILE: &str = "dovecot-keywords";
/// The lock under which it is written.
const LOCK: &str = "dovecot-uidlist.lock";
/// A lock that nobody has touched for so long belongs to nobody: Dovecot's own rule.
const STALE: Duration = Duration::from_mins(2);
/// How long another program's lock is waited for.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long between two looks at it.
const PAUSE: Duration = Duration::from_millis(10);
/// No table is read beyond so many bytes.
const LARGEST: u64 = 256 << 10;

/// What the letters of one folder mean.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Table {
    rows: BTreeMap<u8, Flags>,
}

impl Table {
    /// Reads a table, and whatever else: a line that makes no sense is passed over, and of two rows
    /// for one number or one keyword the first counts.
    pub fn parse(text: &str) -> Self {
        let mut table = Self::default();
        for line in text.lines() {
            let Some((number, word)) = line.trim_end().split_once(' ') else { continue };
            // `$Forwarded` has a letter of its own, but Dovecot keeps it as a keyword.
            let meaning = Flags::from_imap([word]);
            let is_keyword = meaning == meaning.words() || meaning == Flags::only(Flag::Forwarded);
            let Ok(number) = number.parse::<u8>() else { continue };
            if number < Letters::COUNT && is_keyword && !meaning.is_empty() && table.letter(&meaning).is_none() {
                table.rows.entry(number).or_insert(meaning);
            }
        }
        table
    }

    fn letter(&self, meaning: &Flags) -> Option<u8> {
        self.rows.iter().find(|(_, known)| *known == meaning).map(|(number, _)| *number)
    }

    /// The letters that mean something.
    pub fn letters(&self) -> Letters {
        self.rows.keys().fold(Letters::none(), |set, number| set.with(*number))
    }

    /// What letters mean; those without a row mean nothing.
    pub fn meaning(&self, letters: Letters) -> Flags {
        letters.numbers().filter_map(|number| self.rows.get(&number)).fold(Flags::none(), |set, row| set.union(row))
    }

    /// Is every letter given out?
    pub fn is_full(&self) -> bool {
        self.rows.len() == usize::from(Letters::COUNT)
    }

    /// The keywords that have a letter.
    pub fn keywords(&self) -> Flags {
        self.meaning(self.letters()).words()
    }

    /// The letters that stand for these flags.
    pub fn letters_of(&self, flags: &Flags) -> Letters {
        let rows = self.rows.iter().filter(|(_, row)| row.minus(flags).is_empty());
        rows.fold(Letters::none(), |set, (number, _)| set.with(*number))
    }

    /// The letters of a name once `add` is set and `remove` cleared. What is set already by another
    /// way (`P`) needs no letter; what means nothing stays.
    pub fn changed(&self, letters: Letters, add: &Flags, remove: &Flags) -> Letters {
        let lacking = add.words().minus(&self.meaning(letters));
        letters.minus(self.letters_of(remove)).union(self.letters_of(&lacking))
    }

    /// The letters of a name in a folder with another table. One that means nothing stays, unless it
    /// would mean something there.
    pub fn translated(&self, letters: Letters, other: &Self) -> Letters {
        let mute = letters.minus(self.letters()).minus(other.letters());
        other.letters_of(&self.meaning(letters).words()).union(mute)
    }

    /// The flags of a file by its name: the letters of the system flags and those of keywords.
    pub fn flags(&self, system: &Flags, letters: Letters) -> Flags {
        system.union(&self.meaning(letters))
    }

    /// The flags of a file of which `known` was agreed on when its name had the letters `before`. A
    /// letter that came or went since is a wish. One that was there all the time is none, whatever the
    /// table says by now, and a keyword without a letter is carried on: so a table that is lost, or was
    /// never there, takes no keyword away.
    pub fn wished(&self, system: &Flags, letters: Letters, known: &Flags, before: Letters) -> Flags {
        let removed = self.meaning(before.minus(letters)).minus(&self.meaning(letters));
        let added = self.meaning(letters.minus(before));
        let mut flags = known.words().union(&added.words()).minus(&removed.words()).union(&system.system());
        let has_mute = !letters.minus(self.letters()).is_empty();
        if self.meaning(letters).has(Flag::Forwarded) || (has_mute && known.has(Flag::Forwarded)) {
            flags = flags.with(Flag::Forwarded);
        }
        flags
    }

    /// The numbers that may be given to keywords without a letter, where `used` stand in file names.
    fn enter(&mut self, wanted: &Flags, used: Letters) -> Vec<(u8, Keyword)> {
        let taken = self.letters().union(used);
        let mut free = (0..Letters::COUNT).filter(|number| !taken.has(*number));
        let lacking = wanted.minus(&self.keywords());
        let new: Vec<_> = lacking.keywords().cloned().map_while(|word| Some((free.next()?, word))).collect();
        for (number, word) in &new {
            self.rows.insert(*number, Flags::none().with_keyword(word.clone()));
        }
        new
    }

    /// Reads the table of a mailbox; one that is not there says nothing.
    pub(super) fn load(directory: &Path) -> io::Result<Self> {
        Ok(Self::parse(&read(&directory.join(FILE))?))
    }

    /// Gives letters to keywords that have none, as far as there are any left, and writes the table
    /// durably. `used` tells which letters stand in the mailbox's file names.
    pub(super) fn extend(
        directory: &Path,
        wanted: &Flags,
        used: impl FnOnce() -> io::Result<Letters>,
    ) -> io::Result<Self> {
        let _lock = Lock::take(directory)?;
        let path = directory.join(FILE);
        let mut text = read(&path)?;
        let mut table = Self::parse(&text);
        if wanted.words().minus(&table.keywords()).is_empty() {
            return Ok(table);
        }
        // Lines that mean nothing here stay: another program wrote them.
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        // A number that stands in a line which is not understood is not free either.
        let lines = text.lines().filter_map(|line| line.split(' ').next()?.parse().ok());
        let used = lines.fold(used()?, Letters::with);
        let new = table.enter(&wanted.words(), used);
        if !new.is_empty() {
            for (number, word) in &new {
                // Writing into a string cannot fail.
                let _ = writeln!(text, "{number} {}", word.as_str());
            }
            write(directory, &path, &text)?;
        }
        Ok(table)
    }
}

/// What tells one version of the file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Version(u64, u64, i64, i64);

impl Version {
    /// Of a mailbox's table as it is now; `None`: there is none.
    pub(super) fn of(directory: &Path) -> Option<Self> {
        let about = fs::metadata(directory.join(FILE)).ok()?;
        Some(Self(about.ino(), about.len(), about.mtime(), about.mtime_nsec()))
    }
}

fn read(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    match File::open(path) {
        Ok(file) => file.take(LARGEST).read_to_end(&mut bytes)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => return Err(error),
    };
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn write(directory: &Path, path: &Path, text: &str) -> io::Result<()> {
    let old = fs::metadata(path).ok();
    let tmp = directory.join(format!("{FILE}{}", super::maildir::TMP_SUFFIX));
    let done = (|| {
        let mode = old.as_ref().map_or(0o600, |about| about.mode() & 0o777);
        let mut file = File::options().write(true).create(true).truncate(true).mode(mode).open(&tmp)?;
        file.write_all(text.as_bytes())?;
        // Dovecot reads it again only if the time, in whole seconds, is another one.
        if let Some(before) = old.and_then(|about| about.modified().ok()) {
            let later = before + Duration::from_secs(1);
            file.set_modified(later.max(SystemTime::now()))?;
        }
        file.sync_all()?;
        fs::rename(&tmp, path)?;
        File::open(directory)?.sync_all()
    })();
    done.inspect_err(|_| {
        let _ = fs::remove_file(&tmp);
    })
}

/// The lock: a file that is there while it is held.
struct Lock(PathBuf);

impl Lock {
    fn take(directory: &Path) -> io::Result<Self> {
        let path = directory.join(LOCK);
        let began = Instant::now();
        loop {
            match File::options().write(true).create_new(true).mode(0o600).open(&path) {
                Ok(mut file) => {
                    let lock = Self(path);
                    write!(file, "{}:tern", std::process::id())?;
                    return Ok(lock);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
            if is_stale(&path) {
                let _ = fs::remove_file(&path);
            } else if began.elapsed() > PATIENCE {
                return Err(io::Error::new(io::ErrorKind::WouldBlock, "another program keeps dovecot-uidlist.lock"));
            } else {
                std::thread::sleep(PAUSE);
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn is_stale(path: &Path) -> bool {
    let modified = fs::symlink_metadata(path).and_then(|about| about.modified());
    modified.is_ok_and(|time| time.elapsed().is_ok_and(|age| age > STALE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn flags(names: &str) -> Flags {
        Flags::from_imap(names.split(' '))
    }

    #[test]
    fn tables_are_read_forgivingly() {
        for (text, letters, meaning) in [
            ("", "", ""),
            ("0 $Label1\n1 todo\n", "ab", "$Label1 todo"),
            ("25 last\r\n26 beyond\n999 more\n-1 x\n", "z", "last"),
            ("0 todo\n0 other\n1 TODO\n", "a", "todo"),
            ("0\nrubbish\n3 \\Seen\n4 a b\n5 no(atom\n6 fine", "g", "fine"),
            ("0 $Forwarded\n", "a", "$Forwarded"),
            ("0 caf\u{e9}\n1 \u{fffd}\n", "", ""),
        ] {
            let table = Table::parse(text);
            assert_eq!(table.letters().to_string(), letters, "{text:?}");
            assert_eq!(table.meaning(table.letters()), flags(meaning), "{text:?}");
        }
    }

    #[test]
    fn only_what_came_or_went_is_a_wish() {
        let table = Table::parse("0 todo\n1 junk\n");
        for (known, before, now, wished) in [
            ("todo", "", "", "todo"),
            ("todo", "a", "a", "todo"),
            ("todo", "a", "", ""),
            ("todo", "a", "ab", "todo junk"),
            ("todo carried", "a", "b", "junk carried"),
            // A letter that was there before its row came means nothing new.
            ("todo", "b", "b", "todo"),
            ("", "b", "b", ""),
            // Letters without a row.
            ("todo", "ax", "a", "todo"),
            ("todo", "a", "ay", "todo"),
        ] {
            let told = table.wished(&Flags::none(), Letters::of(now), &flags(known), Letters::of(before));
            assert_eq!(told, flags(wished), "{known}, {before} to {now}");
        }
        let lost = Table::default();
        let told = lost.wished(&Flags::none(), Letters::none(), &flags("todo junk"), Letters::of("ab"));
        assert_eq!(told, flags("todo junk"), "a lost table takes nothing away");
    }

    #[test]
    fn forwarded_is_known_by_both_its_letters() {
        let table = Table::parse("0 $Forwarded\n");
        let known = Flags::only(Flag::Forwarded);
        let by_letter = table.wished(&Flags::none(), Letters::of("a"), &known, Letters::of("a"));
        assert_eq!(by_letter, known);
        assert!(table.wished(&Flags::none(), Letters::none(), &known, Letters::of("a")).is_empty());
        let lost = Table::default();
        assert_eq!(lost.wished(&Flags::none(), Letters::of("a"), &known, Letters::of("a")), known);
        assert_eq!(table.changed(Letters::of("a"), &Flags::none(), &known), Letters::none());
    }

    #[test]
    fn numbers_are_given_once_and_never_to_letters_in_use() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE);
        fs::write(&path, "0 first\n7 what is this\nrubbish").unwrap();
        let table = Table::extend(directory.path(), &flags("first second third"), || Ok(Letters::of("b"))).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "0 first\n7 what is this\nrubbish\n2 second\n3 third\n");
        assert_eq!(Table::load(directory.path()).unwrap(), table);
        let many = (0..40).map(|n| format!("k{n:02}")).collect::<Vec<_>>().join(" ");
        let full = Table::extend(directory.path(), &flags(&many), || Ok(Letters::of("b"))).unwrap();
        assert_eq!(full.letters().numbers().count(), 24, "all but one in use and one not understood");
        assert_eq!(full.meaning(Letters::of("acd")), flags("first second third"));
        assert!(!directory.path().join(LOCK).exists());
    }

    #[test]
    fn a_lock_of_another_is_waited_for_and_a_stale_one_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let lock = directory.path().join(LOCK);
        fs::write(&lock, "1:elsewhere").unwrap();
        let refused = Table::extend(directory.path(), &flags("x"), || Ok(Letters::none())).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::WouldBlock);
        assert!(lock.exists() && !directory.path().join(FILE).exists());
        let old = SystemTime::now() - STALE - Duration::from_secs(5);
        File::options().write(true).open(&lock).unwrap().set_modified(old).unwrap();
        Table::extend(directory.path(), &flags("x"), || Ok(Letters::none())).unwrap();
        assert_eq!(fs::read_to_string(directory.path().join(FILE)).unwrap(), "0 x\n");
    }

    proptest! {
        #[test]
        fn what_is_set_in_a_name_is_read_from_it(before in 0u32..1 << 26, set in 0usize..64, clear in 0usize..64) {
            let words = ["one", "two", "three", "four", "five", "six"];
            let some = |bits: usize| {
                Flags::from_imap(words.iter().enumerate().filter(|(n, _)| bits & 1 << n != 0).map(|(_, word)| *word))
            };
            let table = Table::parse("0 one\n3 two\n7 three\n9 four\n20 five\n25 six\n");
            let (add, remove) = (some(set & !clear), some(clear));
            let before = Letters::from_bits(before);
            let after = table.changed(before, &add, &remove);
            let known = table.meaning(before);
            prop_assert_eq!(table.meaning(after), known.union(&add).minus(&remove));
            prop_assert_eq!(after.minus(table.letters()), before.minus(table.letters()), "foreign letters stay");
            prop_assert_eq!(table.wished(&Flags::none(), after, &known, before), table.meaning(after));
        }

        #[test]
        fn any_text_is_read(text in "\\PC*\n?[0-9]{0,4} ?\\PC*") {
            let table = Table::parse(&text);
            prop_assert!(table.letters().numbers().all(|number| number < Letters::COUNT));
        }
    }
}
