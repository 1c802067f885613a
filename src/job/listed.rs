//! The files of a mailbox, as plain data in two pieces of memory. A mailbox may have a million of them, and pieces of
//! their own for each name would take three times as much.

use std::collections::BTreeMap;

use crate::mail::flags::Flags;
use crate::mail::place::UniqueName;

/// Files of one mailbox, as one reading of its directories or several tell of them; sorted by base name once that was
/// asked for.
#[derive(Debug, Clone, Default)]
pub struct ListedFiles {
    /// All names, one behind the other.
    names: String,
    files: Vec<Packed>,
    /// So many of the files are of earlier readings, and sorted.
    earlier: usize,
    /// The flags of those files that have keywords, by where their names begin.
    keywords: BTreeMap<usize, Flags>,
}

/// Where a name is, and what is known of its file.
#[derive(Debug, Clone, Copy)]
struct Packed {
    at: usize,
    base: u16,
    info: u16,
    in_new: bool,
    bits: u8,
    /// Did the last reading tell of it?
    is_newest: bool,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedFile<'a> {
    /// The base name.
    pub base: &'a str,
    /// Is it in `new/`? Else in `cur/`.
    pub in_new: bool,
    /// What follows the base name: `:2,S`, or nothing.
    pub info: &'a str,
    /// The flags of the name, with the keywords that its letters tell.
    pub flags: Flags,
}

impl ListedFile<'_> {
    /// The base name as the rest of the program knows it; `None`: it cannot be one.
    pub fn unique(&self) -> Option<UniqueName> {
        UniqueName::new(self.base)
    }
}

impl Packed {
    fn base<'a>(&self, names: &'a str) -> &'a str {
        names.get(self.at..).and_then(|rest| rest.get(..usize::from(self.base))).unwrap_or_default()
    }

    fn info<'a>(&self, names: &'a str) -> &'a str {
        let rest = names.get(self.at..).and_then(|rest| rest.get(usize::from(self.base)..));
        rest.and_then(|rest| rest.get(..usize::from(self.info))).unwrap_or_default()
    }
}

impl ListedFiles {
    /// No file, with room for so many, whose names have so many bytes in all.
    pub fn with_room(files: usize, bytes: usize) -> Self {
        let (names, files) = (String::with_capacity(bytes), Vec::with_capacity(files));
        Self { names, files, ..Self::default() }
    }

    /// Another reading begins. What it does not tell of stays as it was told before.
    pub fn begin_reading(&mut self) {
        self.sort();
        self.earlier = self.files.len();
        self.files.iter_mut().for_each(|file| file.is_newest = false);
    }

    /// Adds a file. A name that is longer than any file system has them is passed over.
    pub fn push(&mut self, file: &ListedFile<'_>) {
        let (Ok(base), Ok(info)) = (u16::try_from(file.base.len()), u16::try_from(file.info.len())) else { return };
        let at = self.names.len();
        let (in_new, bits) = (file.in_new, file.flags.bits());
        let packed = Packed { at, base, info, in_new, bits, is_newest: true };
        let Self { names, files, earlier, keywords } = self;
        let known = files.get_mut(..*earlier).unwrap_or_default();
        let position = known.binary_search_by(|known| known.base(names).cmp(file.base)).ok();
        if let Some(known) = position.and_then(|position| known.get_mut(position)) {
            let told = (known.in_new, known.info(names));
            if known.is_newest && told <= (file.in_new, file.info) {
                // Its other name was found by the same reading.
                return;
            }
            if told.1 == file.info {
                *known = Packed { at: known.at, ..packed };
                return;
            }
            *known = packed;
        } else {
            files.push(packed);
        }
        names.push_str(file.base);
        names.push_str(file.info);
        if file.flags.keywords().next().is_some() {
            keywords.insert(at, file.flags.clone());
        }
    }

    /// Keeps those of which the last reading told.
    pub fn keep_newest(&mut self) {
        self.files.retain(|file| file.is_newest);
    }

    /// Sorts by base name and keeps one file of each: the one in `cur/`.
    pub fn sort(&mut self) {
        let Self { names, files, earlier, .. } = self;
        *earlier = 0;
        files.sort_unstable_by(|a, b| {
            let order = a.base(names).cmp(b.base(names)).then(a.in_new.cmp(&b.in_new));
            order.then_with(|| a.info(names).cmp(b.info(names)))
        });
        files.dedup_by(|second, first| second.base(names) == first.base(names));
    }

    /// Gives files the flags that `told` tells of what follows their base names; the others keep theirs.
    pub fn explain(&mut self, told: impl Fn(&str) -> Option<Flags>) {
        let Self { names, files, keywords, .. } = self;
        for file in files {
            let Some(flags) = told(file.info(names)) else { continue };
            file.bits = flags.bits();
            if flags.keywords().next().is_some() {
                keywords.insert(file.at, flags);
            } else {
                keywords.remove(&file.at);
            }
        }
    }

    /// The file at a position.
    pub fn get(&self, at: usize) -> Option<ListedFile<'_>> {
        self.files.get(at).map(|file| self.shown(file))
    }

    /// All files.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = ListedFile<'_>> {
        self.files.iter().map(|file| self.shown(file))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    fn shown(&self, file: &Packed) -> ListedFile<'_> {
        let flags = self.keywords.get(&file.at).cloned().unwrap_or_else(|| Flags::from_bits(file.bits));
        let (base, info) = (file.base(&self.names), file.info(&self.names));
        ListedFile { base, in_new: file.in_new, info, flags }
    }
}

/// Equal are those that list the same files in the same order.
impl PartialEq for ListedFiles {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::flags::{Flag, Keyword};

    fn file<'a>(base: &'a str, info: &'a str, in_new: bool, flags: Flags) -> ListedFile<'a> {
        ListedFile { base, in_new, info, flags }
    }

    fn told(files: &ListedFiles) -> Vec<String> {
        let one = |file: ListedFile<'_>| {
            let words = file.flags.stored_words().unwrap_or_default();
            let place = if file.in_new { "new" } else { "cur" };
            format!("{place}/{}{} {} {words}", file.base, file.info, file.flags.letters()).trim_end().to_owned()
        };
        files.iter().map(one).collect()
    }

    #[test]
    fn files_come_back_as_they_were_told_and_sorted_with_one_of_each_name() {
        let (seen, none) = (Flags::only(Flag::Seen), Flags::none());
        let todo = Flags::none().with_keyword(Keyword::new("todo").unwrap());
        let mut files = ListedFiles::default();
        for told in [
            file("3.é", ":2,S", false, seen.clone()),
            file("1.a", "", true, none.clone()),
            file("2.b", ":2,a", false, todo.clone()),
            file("1.a", ":2,S", false, seen.clone()),
        ] {
            files.push(&told);
        }
        files.sort();
        assert_eq!(told(&files), ["cur/1.a:2,S S", "cur/2.b:2,a  todo", "cur/3.é:2,S S"]);
        let mut later = files.clone();
        later.explain(|info| info.contains('a').then(|| todo.clone().with(Flag::Flagged)));
        assert_eq!(told(&later), ["cur/1.a:2,S S", "cur/2.b:2,a F todo", "cur/3.é:2,S S"]);
        assert_ne!(later, files);
        assert_eq!(later, later.clone());
    }

    #[test]
    fn what_a_later_reading_tells_counts_and_what_it_passes_over_stays() {
        let mut files = ListedFiles::with_room(5, 100);
        let readings: [&[(&str, &str, bool)]; 3] = [
            &[("c", "", true), ("a", "", true), ("c", ":2,", false), ("e", ":2,S", false), ("d", "", true)],
            &[("e", "", true), ("b", "", true), ("e", ":2,S", false), ("c", ":2,F", false)],
            &[("d", ":2,R", false), ("c", ":2,S", false), ("c", ":2,F", false), ("c", ":2,T", false)],
        ];
        let flags = |info: &str| Flags::from_letters(info.trim_start_matches(":2,"));
        for reading in readings {
            files.begin_reading();
            for (base, info, in_new) in reading {
                files.push(&file(base, info, *in_new, flags(info)));
            }
        }
        let mut newest = files.clone();
        files.sort();
        assert_eq!(told(&files), ["new/a", "new/b", "cur/c:2,F F", "cur/d:2,R R", "cur/e:2,S S"]);
        newest.keep_newest();
        newest.sort();
        assert_eq!(told(&newest), ["cur/c:2,F F", "cur/d:2,R R"]);
        let length = files.names.len();
        files.begin_reading();
        files.push(&file("c", ":2,F", false, flags("F")));
        assert_eq!(files.names.len(), length, "what is known takes no room again");
        assert_eq!(size_of::<Packed>(), 16);
    }

    #[test]
    fn a_name_that_no_disk_has_is_passed_over() {
        let mut files = ListedFiles::default();
        files.push(&file("1.a", &"x".repeat(70_000), false, Flags::none()));
        assert!(files.is_empty());
        assert_eq!(file(".hidden", "", true, Flags::none()).unique(), None);
    }
}
