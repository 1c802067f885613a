//! Where mailboxes lie below an account's directory, in both layouts. Names come from servers, so
//! each level is escaped until it is one harmless directory name; the way back is exact. No path is
//! ever taken from the wire.
//!
//! Nested: `root/Lists/rust/cur`, names as they are. Maildir++: `root/cur` is the INBOX,
//! `root/.Lists.rust/cur` a folder, in modified UTF-7 as Courier and Dovecot write it. What could do
//! harm becomes `%` and two hexadecimal digits; a level that is too long for a file name goes on in
//! a directory below one that ends with `%+` (nested layout only). No two mailboxes ever share a
//! directory, not even where the file system knows no case: the one that comes second is set apart by
//! more such codes.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use crate::fault::{Again, Cause, Doing, Fault, Scope};
use crate::mail::mailbox::{MailboxName, from_modified_utf7, to_modified_utf7};
use crate::mail::place::Layout;

/// The longest file name that file systems take, in bytes.
const NAME_MAX: usize = 255;
/// How deep nested folders are looked for: far more than 1,000 bytes of a name in sane levels.
const DEPTH_MAX: usize = 64;
/// A level that ends so goes on in the directory below, whose name begins with [`CONTINUED`].
const GOES_ON: &str = "%+";
/// How the rest of a level begins, so that it can be no hidden name and no `cur`.
const CONTINUED: &str = "+";

/// Where an account's mail lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// The directory; it need not be there yet.
    pub path: PathBuf,
    /// How folders lie in it.
    pub layout: Layout,
}

/// The folders of an account.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Folders {
    /// Each mailbox with its directory (the one with `cur`, `new` and `tmp` in it).
    pub found: BTreeMap<MailboxName, PathBuf>,
    /// What could not be read, and directories that stand for no mailbox or for one that another
    /// directory stands for already.
    pub faults: Vec<Fault>,
}

impl Root {
    /// The directory of a mailbox, whether it is there or not. Where another program spelled it
    /// another way, it is that one.
    ///
    /// # Errors
    /// A name that no file name can stand for (Maildir++, over 255 bytes).
    pub fn directory(&self, name: &MailboxName) -> Result<PathBuf, Fault> {
        self.place(name, &|_, _| false)
    }

    /// The directory of a mailbox as it is to be made, if it is not there: away from those whose names
    /// differ in case alone.
    pub(super) fn vacancy(&self, name: &MailboxName) -> Result<PathBuf, Fault> {
        self.place(name, &is_taken)
    }

    /// `is_taken` tells whether a name that is not in a directory yet would clash with one that is.
    fn place(&self, name: &MailboxName, is_taken: &dyn Fn(&Path, &OsStr) -> bool) -> Result<PathBuf, Fault> {
        match self.layout {
            Layout::Nested if name.is_inbox() => {
                let mut known = ["INBOX", "Inbox", "inbox"].iter().map(|inbox| self.path.join(inbox));
                Ok(known.find(|path| path.join("cur").is_dir()).unwrap_or_else(|| self.path.join("INBOX")))
            }
            Layout::Nested => Ok(name.levels().fold(self.path.clone(), |at, level| {
                let [plain, apart] = [escape_nested(level), set_apart(level, false)].map(|text| split_level(&text));
                let below = |pieces: &[String]| pieces.iter().fold(at.clone(), |at, piece| at.join(piece));
                let first = plain.first().map(OsStr::new).unwrap_or_default();
                let is_apart = below(&apart).is_dir() || is_taken(&at, first);
                below(if is_apart { &apart } else { &plain })
            })),
            Layout::MaildirPlusPlus if name.is_inbox() => Ok(self.path.clone()),
            Layout::MaildirPlusPlus => {
                let join = |levels: Vec<String>| format!(".{}", levels.join("."));
                let plain = join(name.levels().map(escape_flat).collect());
                let apart = join(name.levels().map(|level| set_apart(level, true)).collect());
                let all = [to_modified_utf7(&plain), plain, apart];
                // Spelled as it is, it may be what another name is spelled in modified UTF-7.
                let [_, plain, _] = &all;
                let is_anothers = from_modified_utf7(plain).is_some_and(|read| read != *plain);
                let fits = |name: &&String| name.len() <= NAME_MAX && !(is_anothers && *name == plain);
                let legal = || all.iter().filter(fits).map(|name| self.path.join(name));
                if let Some(there) = legal().find(|path| {
                    path.join("cur").is_dir() && !is_taken(&self.path, path.file_name().unwrap_or_default())
                }) {
                    return Ok(there);
                }
                let [own, _, apart] = &all;
                let chosen = if is_taken(&self.path, OsStr::new(own)) { apart } else { own };
                if chosen.len() > NAME_MAX { Err(too_long(name)) } else { Ok(self.path.join(chosen)) }
            }
        }
    }

    /// Makes a mailbox durably, if it is not there: directories that only the user may read.
    ///
    /// # Errors
    /// What the file system refuses; a name that differs from another folder's only in case, where
    /// the file system cannot tell them apart.
    pub fn create(&self, name: &MailboxName) -> Result<PathBuf, Fault> {
        let directory = self.vacancy(name)?;
        let io = |error: &io::Error| Fault::io(Doing::Storing, name.as_str(), error).scope(Scope::Mailbox);
        make_durably(&directory).map_err(|e| io(&e))?;
        self.refuse_clash(name, &directory)?;
        // `cur` comes last: it is what makes a directory a mailbox for those who list.
        for part in ["tmp", "new", "cur"] {
            make_durably(&directory.join(part)).map_err(|e| io(&e))?;
        }
        if self.layout == Layout::MaildirPlusPlus && directory != self.path {
            mark_as_folder(&directory).map_err(|e| io(&e))?;
        }
        Ok(directory)
    }

    /// Lists the mailboxes. A root that is not there has none.
    pub fn list(&self) -> Folders {
        let mut folders = Folders::default();
        match self.layout {
            Layout::Nested => self.walk(Path::new(""), "", 0, &mut folders),
            Layout::MaildirPlusPlus => self.list_flat(&mut folders),
        }
        folders
    }

    fn list_flat(&self, folders: &mut Folders) {
        if self.path.join("cur").is_dir() {
            self.take(MailboxName::inbox(), Path::new(""), folders);
        }
        for (name, _) in self.read(Path::new(""), folders) {
            let Some(dotted) = name.strip_prefix('.') else { continue };
            if self.path.join(&name).join("cur").is_dir() {
                self.take_named(from_flat(dotted), Path::new(&name), folders);
            }
        }
    }

    /// Looks into `at` for mailboxes whose names begin with `prefix`.
    fn walk(&self, at: &Path, prefix: &str, depth: usize, folders: &mut Folders) {
        let continued = !prefix.is_empty() && !prefix.ends_with('/');
        for (name, linked) in self.read(at, folders) {
            if name.starts_with('.') || is_part(&name) {
                continue;
            }
            let begun = if continued { name.strip_prefix(CONTINUED) } else { Some(name.as_str()) };
            let Some(level) = begun else { continue };
            let below = at.join(&name);
            let (level, end) = match level.strip_suffix(GOES_ON) {
                Some(head) => (head, ""),
                None => (level, "/"),
            };
            let path = format!("{prefix}{}", unescape(level));
            if end == "/" && self.path.join(&below).join("cur").is_dir() {
                self.take_named(MailboxName::new(&path), &below, folders);
            }
            // A link may be the user's wish, but what lies below one may be a circle.
            if depth < DEPTH_MAX && !linked {
                self.walk(&below, &format!("{path}{end}"), depth + 1, folders);
            }
        }
    }

    /// The directories in `at`, sorted, each with whether it is a symbolic link.
    fn read(&self, at: &Path, folders: &mut Folders) -> Vec<(String, bool)> {
        let path = if at.as_os_str().is_empty() { self.path.clone() } else { self.path.join(at) };
        let mut fault = |error: &io::Error| {
            if error.kind() != io::ErrorKind::NotFound {
                folders.faults.push(Fault::io(Doing::Reading, &path.to_string_lossy(), error));
            }
        };
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) => {
                fault(&error);
                return Vec::new();
            }
        };
        let mut names = Vec::new();
        for entry in entries {
            match entry.and_then(|e| Ok((e.file_type()?, e.file_name()))) {
                Ok((kind, name)) if kind.is_dir() || kind.is_symlink() => {
                    names.extend(name.to_str().map(|n| (n.to_owned(), kind.is_symlink())));
                }
                Ok(_) => {}
                Err(error) => fault(&error),
            }
        }
        names.sort();
        names
    }

    fn take_named(&self, name: Option<MailboxName>, at: &Path, folders: &mut Folders) {
        match name {
            Some(name) => self.take(name, at, folders),
            None => folders.faults.push(odd(at, "its name can be no folder's")),
        }
    }

    fn take(&self, name: MailboxName, at: &Path, folders: &mut Folders) {
        let directory = if at.as_os_str().is_empty() { self.path.clone() } else { self.path.join(at) };
        if self.directory(&name).as_ref() == Ok(&directory) {
            folders.found.insert(name, directory);
        } else {
            folders.faults.push(odd(at, "the folder of that name lies, or would lie, in another directory"));
        }
    }

    /// Where the file system knows no case, two names may be one directory: then the directory's
    /// own spelling is not the one that was asked for.
    fn refuse_clash(&self, name: &MailboxName, directory: &Path) -> Result<(), Fault> {
        let (Some(parent), Some(wanted)) = (directory.parent(), directory.file_name()) else { return Ok(()) };
        if directory == self.path {
            return Ok(());
        }
        let entries = fs::read_dir(parent).map_err(|e| Fault::io(Doing::Storing, name.as_str(), &e))?;
        if entries.flatten().any(|entry| entry.file_name() == wanted) {
            return Ok(());
        }
        Err(Fault::new(Doing::Storing, name.as_str(), Cause::Refused)
            .scope(Scope::Mailbox)
            .again(Again::AfterUser)
            .detail("another folder differs from it only in case, and this file system cannot tell them apart"))
    }
}

fn too_long(name: &MailboxName) -> Fault {
    Fault::new(Doing::Storing, name.as_str(), Cause::Refused)
        .scope(Scope::Mailbox)
        .again(Again::Never)
        .detail("the name is too long for a directory of a Maildir++ tree")
}

fn odd(at: &Path, why: &str) -> Fault {
    Fault::new(Doing::Reading, &at.to_string_lossy(), Cause::Damaged)
        .scope(Scope::Mailbox)
        .again(Again::AfterUser)
        .detail(&format!("the directory is left alone: {why}"))
}

/// Makes one level of a nested name a directory's name, which may be too long yet.
fn escape_nested(level: &str) -> String {
    let mut out = escape(level, false, &|_| true);
    if is_part(level) {
        let first = out.remove(0);
        out.insert_str(0, &percent(first));
    }
    out
}

/// Makes one level of a Maildir++ name.
fn escape_flat(level: &str) -> String {
    escape(level, true, &|_| true)
}

/// Is it a name of the directories that every Maildir has? On some file systems case does not count.
fn is_part(name: &str) -> bool {
    ["cur", "new", "tmp"].iter().any(|part| part.eq_ignore_ascii_case(name))
}

/// The other spelling of a level, for where the usual one is taken by a name that differs only in case:
/// of plain ASCII without capitals but for those of the codes, and never the usual one. Two names that
/// differ at all differ in this spelling whether case counts or not.
fn set_apart(level: &str, flat: bool) -> String {
    let kept =
        |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || (c.is_ascii_punctuation() && c != '&') || c == ' ';
    let (usual, mut apart) = (if flat { escape_flat(level) } else { escape_nested(level) }, escape(level, flat, &kept));
    if !flat && is_part(&apart) {
        apart.clone_from(&usual);
    }
    if apart != usual {
        return apart;
    }
    // Its first character that is no code yet becomes one.
    let mut at = 0;
    while apart.get(at..).is_some_and(|rest| rest.starts_with('%') && is_code(rest.get(1..).unwrap_or(""))) {
        at += 3;
    }
    match apart.get(at..).and_then(|rest| rest.chars().next()) {
        Some(c) => {
            format!("{}{}{}", apart.get(..at).unwrap_or(""), percent(c), apart.get(at + c.len_utf8()..).unwrap_or(""))
        }
        None => apart,
    }
}

/// How a name looks to those to whom case says nothing.
fn folded(name: &str) -> String {
    name.chars().flat_map(char::to_uppercase).collect::<String>().to_lowercase()
}

/// Is there no such name in the directory, but one that differs from it only in case?
fn is_taken(directory: &Path, wanted: &OsStr) -> bool {
    let Ok(entries) = fs::read_dir(directory) else { return false };
    let names: Vec<_> = entries.flatten().map(|entry| entry.file_name()).collect();
    let wanted_folded = folded(&wanted.to_string_lossy());
    !names.iter().any(|name| name == wanted)
        && names.iter().any(|name| folded(&name.to_string_lossy()) == wanted_folded)
}

fn escape(level: &str, every_dot: bool, keeps: &dyn Fn(char) -> bool) -> String {
    if level.is_empty() {
        // NUL is in no mailbox's name, so its code is free to stand for nothing at all.
        return "%00".to_owned();
    }
    let mut out = String::with_capacity(level.len());
    for (at, c) in level.char_indices() {
        let rest = level.get(at + c.len_utf8()..).unwrap_or("");
        let harmful = c.is_control() || c == '/' || (c == '.' && (every_dot || at == 0)) || (c == '%' && is_code(rest));
        if harmful || !keeps(c) { out.push_str(&percent(c)) } else { out.push(c) }
    }
    out
}

/// Would what follows make a `%` a code of ours, at least to those to whom case says nothing?
fn is_code(rest: &str) -> bool {
    let mut two = rest.chars();
    let hex = |c: Option<char>| c.is_some_and(|c| c.is_ascii_hexdigit());
    rest.starts_with('+') || (hex(two.next()) && hex(two.next()))
}

fn percent(c: char) -> String {
    let mut out = String::new();
    for byte in c.encode_utf8(&mut [0; 4]).bytes() {
        // Writing into a string cannot fail.
        let _ = write!(out, "%{byte:02X}");
    }
    out
}

/// The way back. What is no code of ours stays as it is.
fn unescape(name: &str) -> String {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((plain, tail)) = rest.split_once('%') {
        bytes.extend_from_slice(plain.as_bytes());
        let own = tail.get(..2).filter(|two| is_code(tail) && !two.contains(|c: char| c.is_ascii_lowercase()));
        let code = own.and_then(|two| u8::from_str_radix(two, 16).ok());
        match code {
            Some(0) => rest = tail.get(2..).unwrap_or(""),
            Some(byte) => {
                bytes.push(byte);
                rest = tail.get(2..).unwrap_or("");
            }
            None => {
                bytes.push(b'%');
                rest = tail;
            }
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes).unwrap_or_else(|_| name.to_owned())
}

/// Cuts a level into pieces that file systems take, each but the last ending with [`GOES_ON`].
fn split_level(level: &str) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut piece = String::new();
    let mut rest = level;
    while let Some(c) = rest.chars().next() {
        // A code is not cut in two, so that each piece can be read by itself.
        let step = if c == '%' && is_code(rest.get(1..).unwrap_or("")) { 3 } else { c.len_utf8() };
        let (unit, tail) = rest.split_at_checked(step).unwrap_or((rest, ""));
        if piece.len() + unit.len() > NAME_MAX - GOES_ON.len() && piece.len() + rest.len() > NAME_MAX {
            pieces.push(format!("{piece}{GOES_ON}"));
            CONTINUED.clone_into(&mut piece);
        }
        piece.push_str(unit);
        rest = tail;
    }
    pieces.push(piece);
    pieces
}

/// Reads a Maildir++ directory's name, without its leading dot.
fn from_flat(dotted: &str) -> Option<MailboxName> {
    let plain = from_modified_utf7(dotted).unwrap_or_else(|| dotted.to_owned());
    let levels: Vec<String> = plain.split('.').map(unescape).collect();
    MailboxName::new(&levels.join("/"))
}

/// Makes a directory and those above it, each durably. It is no error if it is there.
pub(super) fn make_durably(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return if path.is_dir() { Ok(()) } else { Err(error) };
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let parent = path.parent().filter(|p| *p != Path::new("")).ok_or(error)?;
            make_durably(parent)?;
            match DirBuilder::new().mode(0o700).create(path) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
        }
        Err(error) => return Err(error),
    }
    let parent = path.parent().filter(|p| p.as_os_str() != OsStr::new("")).unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}

/// Maildir++ marks folders by an empty file `maildirfolder`.
fn mark_as_folder(directory: &Path) -> io::Result<()> {
    match File::options().write(true).create_new(true).open(directory.join("maildirfolder")) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> MailboxName {
        MailboxName::new(text).unwrap()
    }

    fn root(layout: Layout) -> (tempfile::TempDir, Root) {
        let dir = tempfile::tempdir().unwrap();
        let root = Root { path: dir.path().join("mail"), layout };
        (dir, root)
    }

    #[test]
    fn names_become_harmless_directories() {
        use Layout::{MaildirPlusPlus as Flat, Nested};
        let long = "\u{53f0}".repeat(100);
        for (layout, text, path) in [
            (Nested, "INBOX", "INBOX"),
            (Nested, "Lists/rust", "Lists/rust"),
            (Nested, "../../etc", "%2E./%2E./etc"),
            (Nested, ".ssh/./a.b", "%2Essh/%2E/a.b"),
            (Nested, "a//b", "a/%00/b"),
            (Nested, "x/cur/new/tmp", "x/%63ur/%6Eew/%74mp"),
            (Nested, "+a%/+", "+a%/+"),
            (Nested, "100%/5%2E/%+/50%25", "100%/5%252E/%25+/50%2525"),
            (Flat, "INBOX", ""),
            (Flat, "INBOX/a", ".INBOX.a"),
            (Flat, "Lists/rust", ".Lists.rust"),
            (Flat, "v1.2/..", ".v1%2E2.%2E%2E"),
            (Flat, "\u{fc}ber & so", ".&APw-ber &- so"),
        ] {
            let root = Root { path: "/r".into(), layout };
            let directory = root.directory(&name(text)).unwrap();
            assert_eq!(directory, if path.is_empty() { "/r".into() } else { Path::new("/r").join(path) }, "{text}");
        }
        let flat = Root { path: "/r".into(), layout: Flat };
        assert_eq!(flat.directory(&name(&long)).unwrap_err().again, Again::Never);
    }

    #[test]
    fn folders_come_back_under_their_names() {
        let long = "\u{53f0}".repeat(200);
        // What follows the cut looks like a hidden file, a directory of a Maildir, a mark of ours.
        let cut = |rest: &str| format!("{}{rest}", "x".repeat(NAME_MAX - GOES_ON.len()));
        let cuts = [".hidden", "cur", "+%+", "%41/cur", &"+".repeat(600)].map(cut);
        let mut nested: Vec<&str> = cuts.iter().map(String::as_str).collect();
        nested.extend(["..", "A", "A/b", "INBOX", "INBOX/x", "a", "cur/tmp", "p%41/%+", long.as_str()]);
        for (layout, names) in [
            (Layout::Nested, nested),
            (Layout::MaildirPlusPlus, vec!["..", "A", "A/b", "INBOX", "INBOX/x", "a//b", "p%41", "\u{fc}.&"]),
        ] {
            let (_dir, root) = root(layout);
            assert_eq!(root.list(), Folders::default());
            let mut made: Vec<MailboxName> = names.iter().map(|n| name(n)).collect();
            for name in &made {
                let directory = root.create(name).unwrap();
                assert!(directory.starts_with(&root.path));
                assert_eq!(root.create(name).as_ref(), Ok(&directory));
            }
            made.sort();
            let listed = root.list();
            assert_eq!(listed.faults, []);
            assert_eq!(listed.found.into_keys().collect::<Vec<_>>(), made);
        }
    }

    #[test]
    fn spellings_of_other_programs_are_kept() {
        let (_dir, nested) = root(Layout::Nested);
        fs::create_dir_all(nested.path.join("Inbox/cur")).unwrap();
        fs::create_dir_all(nested.path.join("Odd%2E./cur")).unwrap();
        fs::create_dir_all(nested.path.join("e%41/cur")).unwrap();
        fs::create_dir_all(nested.path.join(".notmuch/cur")).unwrap();
        let listed = nested.list();
        assert_eq!(listed.found.get(&MailboxName::inbox()), Some(&nested.path.join("Inbox")));
        assert_eq!(nested.create(&MailboxName::inbox()).unwrap(), nested.path.join("Inbox"));
        assert!(listed.found.contains_key(&name("eA")), "a spelling that sets a name apart");
        assert_eq!(listed.found.len(), 2);
        assert_eq!(listed.faults.len(), 1, "names that tern would never write are told: {:?}", listed.faults);

        let (_dir, flat) = root(Layout::MaildirPlusPlus);
        fs::create_dir_all(flat.path.join(".\u{fc}ber/cur")).unwrap();
        assert_eq!(flat.directory(&name("\u{fc}ber")).unwrap(), flat.path.join(".\u{fc}ber"));
        assert_eq!(flat.list().found.len(), 1);
    }

    #[test]
    fn who_differs_in_case_alone_is_set_apart() {
        for (layout, texts, paths) in [
            (
                Layout::Nested,
                [
                    "Archive",
                    "archive",
                    "ARCHIVE",
                    "archive/2026",
                    "\u{dc}ber",
                    "\u{fc}ber",
                    "x/CUR",
                    "x/cur",
                    ".SSH",
                    ".ssh",
                ],
                [
                    "Archive",
                    "%61rchive",
                    "%41%52%43%48%49%56%45",
                    "%61rchive/2026",
                    "\u{dc}ber",
                    "%C3%BCber",
                    "x/%43UR",
                    "x/%63ur",
                    "%2ESSH",
                    "%2E%73sh",
                ],
            ),
            (
                Layout::MaildirPlusPlus,
                ["Archive", "archive", "ARCHIVE", "archive/2026", "\u{fc}", "\u{6a9c}", "x/CUR", "x/cur", "v.A", "v.a"],
                [
                    ".Archive",
                    ".%61rchive",
                    ".%41%52%43%48%49%56%45",
                    ".archive.2026",
                    ".&APw-",
                    ".%E6%AA%9C",
                    ".x.CUR",
                    ".%78.%63ur",
                    ".v%2EA",
                    ".%76%2Ea",
                ],
            ),
        ] {
            let (_dir, root) = root(layout);
            for (text, path) in texts.iter().zip(paths) {
                assert_eq!(root.create(&name(text)), Ok(root.path.join(path)), "{text}");
                assert_eq!(root.directory(&name(text)), Ok(root.path.join(path)), "{text}");
            }
            let mut names: Vec<MailboxName> = texts.iter().map(|text| name(text)).collect();
            names.sort();
            let listed = root.list();
            assert_eq!((listed.found.into_keys().collect::<Vec<_>>(), listed.faults), (names, vec![]));
        }
    }
}
