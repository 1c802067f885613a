//! The files of a mailbox, as plain data in two pieces of memory. A mailbox may have a million of them, and pieces of
//! their own for each name would take three times as much.

use std::collections::BTreeMap;

use crate::mail::flags::Flags;
use crate::mail::place::UniqueName;

/// Files of one mailbox, sorted by base name once that was asked for.
#[derive(Debug, Clone, Default)]
pub struct ListedFiles {
    /// All names, one behind the other.
    names: String,
    files: Vec<Packed>,
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
    /// Adds a file. A name that is longer than any file system has them is passed over.
    pub fn push(&mut self, file: &ListedFile<'_>) {
        let (Ok(base), Ok(info)) = (u16::try_from(file.base.len()), u16::try_from(file.info.len())) else { return };
        let at = self.names.len();
        self.names.push_str(file.base);
        self.names.push_str(file.info);
        if file.flags.keywords().next().is_some() {
            self.keywords.insert(at, file.flags.clone());
        }
        self.files.push(Packed { at, base, info, in_new: file.in_new, bits: file.flags.bits() });
    }

    /// Sorts by base name and keeps one file of each: the one in `cur/`.
    pub fn sort(&mut self) {
        let Self { names, files, .. } = self;
        files.sort_unstable_by(|a, b| {
            let order = a.base(names).cmp(b.base(names)).then(a.in_new.cmp(&b.in_new));
            order.then_with(|| a.info(names).cmp(b.info(names)))
        });
        files.dedup_by(|second, first| second.base(names) == first.base(names));
    }

    /// Adds those files of another listing whose base names are not here. Both are sorted, and so is what comes of it.
    pub fn add_missing(&mut self, others: &Self) {
        for file in others.iter() {
            self.push(&file);
        }
        let Self { names, files, .. } = self;
        // Stable: what was here before stays in front.
        files.sort_by(|a, b| a.base(names).cmp(b.base(names)));
        files.dedup_by(|second, first| second.base(names) == first.base(names));
    }

    /// Gives files the flags that `told` tells of what follows their base names; the others keep theirs.
    pub fn explain(&mut self, told: impl Fn(&str) -> Option<Flags>) {
        let Self { names, files, keywords } = self;
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
        let mut later = ListedFiles::default();
        later.push(&file("2.b", ":2,FS", false, seen.with(Flag::Flagged)));
        later.push(&file("4.d", "", true, none));
        later.sort();
        later.add_missing(&files);
        assert_eq!(told(&later), ["cur/1.a:2,S S", "cur/2.b:2,FS FS", "cur/3.é:2,S S", "new/4.d"]);
        assert_eq!((later.len(), later.is_empty(), later.get(4)), (4, false, None));
        later.explain(|info| info.contains('F').then(|| todo.clone().with(Flag::Flagged)));
        assert_eq!(later.get(1).map(|file| file.flags.words().is_empty()), Some(false));
        assert_ne!(later, files);
        assert_eq!(later, later.clone());
    }

    #[test]
    fn a_name_that_no_disk_has_is_passed_over() {
        let mut files = ListedFiles::default();
        files.push(&file("1.a", &"x".repeat(70_000), false, Flags::none()));
        assert!(files.is_empty());
        assert_eq!(file(".hidden", "", true, Flags::none()).unique(), None);
    }
}
