//! Names of Maildir files, made and read: `BASE:2,FLAGS`. Pure: never touches a file or a clock.
//!
//! A fetched message gets a base name that depends on where it came from alone, so that the same
//! message fetched twice finds itself: `DATE.V{UIDVALIDITY}U{UID}H{hash of account and
//! mailbox}.tern,S={size}`, or with `P{hash of the UIDL}` where it came by POP3. The last hash tells
//! whether the origin still holds where the file lies: a file that was moved elsewhere carries a
//! foreign origin, which is passed over. `,T={size of the whole message}` behind it says that the file is
//! a stub: the header alone.

use std::cmp::Ordering;

use sha2::{Digest as _, Sha256};

use crate::mail::flags::{Flags, Letters, TABLE};
use crate::mail::ids::{RemoteId, Timestamp, Uid, UidValidity, Uidl};
use crate::mail::place::{MailboxId, UniqueName};

/// One file of a Maildir: its name, split into base and the rest, and the directory it lies in.
/// 100,000 of them take about 9 MB.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Entry {
    name: Box<str>,
    base: u16,
    in_new: bool,
}

impl Entry {
    /// Splits a file name at its first colon; refuses a base that is no [`UniqueName`] (hidden
    /// files, names that are too long).
    pub fn parse(file_name: &str, in_new: bool) -> Option<Self> {
        let base = file_name.split(':').next().unwrap_or(file_name);
        let length = u16::try_from(base.len()).ok()?;
        UniqueName::is_legal(base).then(|| Self { name: Box::from(file_name), base: length, in_new })
    }

    /// The file of `unique` in `cur/` with the letters of `flags`, and those of keywords.
    pub fn in_cur(unique: &UniqueName, flags: &Flags, keywords: Letters) -> Self {
        Self::join(unique.as_str(), &info("", flags, keywords), false)
    }

    /// The file of `unique` in `new/`, without flags.
    pub fn in_new(unique: &UniqueName) -> Self {
        Self::join(unique.as_str(), "", true)
    }

    /// Where a file with these flags most likely is: in `new/` while it has none.
    pub fn likely(unique: &UniqueName, flags: &Flags, keywords: Letters) -> Self {
        let is_plain = flags.system().is_empty() && keywords.is_empty();
        if is_plain { Self::in_new(unique) } else { Self::in_cur(unique, flags, keywords) }
    }

    fn join(base: &str, info: &str, in_new: bool) -> Self {
        let name = format!("{base}{info}");
        Self { name: name.into_boxed_str(), base: u16::try_from(base.len()).unwrap_or(u16::MAX), in_new }
    }

    /// The file's name in its directory.
    pub fn file_name(&self) -> &str {
        &self.name
    }

    /// The base name.
    pub fn base(&self) -> &str {
        self.name.get(..usize::from(self.base)).unwrap_or(&self.name)
    }

    /// What follows the base name: `:2,S`, or nothing.
    pub fn info(&self) -> &str {
        self.name.get(usize::from(self.base)..).unwrap_or("")
    }

    /// Does it lie in `new/`? Else in `cur/`.
    pub fn is_new(&self) -> bool {
        self.in_new
    }

    /// The base name as the rest of the program knows it.
    pub fn unique(&self) -> Option<UniqueName> {
        UniqueName::new(self.base())
    }

    /// The flags of the name, without keywords: what its other letters mean only the table of its
    /// folder tells ([`super::maildir::Maildir::flags`]). A file in `new/` has those that stand in its
    /// name all the same.
    pub fn flags(&self) -> Flags {
        flags(self.info())
    }

    /// The letters of keywords in the name.
    pub fn letters(&self) -> Letters {
        keyword_letters(self.info())
    }

    /// The path below the mailbox's directory: `cur/NAME`.
    pub fn relative(&self) -> String {
        format!("{}/{}", self.directory(), self.name)
    }

    /// `cur` or `new`.
    pub fn directory(&self) -> &'static str {
        if self.in_new { "new" } else { "cur" }
    }

    /// The same file with other flags and, exactly, these letters of keywords: what else stands in its
    /// name stays. It goes from `new/` to `cur/` as soon as it has a flag.
    #[must_use]
    pub fn with_flags(&self, add: &Flags, remove: &Flags, keywords: Letters) -> Self {
        let wanted = self.flags().union(&add.system()).minus(remove);
        if wanted == self.flags() && keywords == self.letters() {
            return self.clone();
        }
        Self::join(self.base(), &info(self.info(), &wanted, keywords), false)
    }

    /// The same file under another base name and with these letters of keywords, in the same directory
    /// unless only `cur/` can hold them.
    #[must_use]
    pub fn renamed(&self, unique: &UniqueName, keywords: Letters) -> Self {
        if keywords == self.letters() {
            return Self::join(unique.as_str(), self.info(), self.in_new);
        }
        Self::join(unique.as_str(), &info(self.info(), &self.flags(), keywords), self.in_new && keywords.is_empty())
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// By base name, then `cur/` before `new/`, then by the rest.
impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        self.base().cmp(other.base()).then(self.in_new.cmp(&other.in_new)).then_with(|| self.info().cmp(other.info()))
    }
}

/// The flags of what follows a base name (`:2,FS`). Anything else than the `2,` form says nothing.
pub fn flags(info: &str) -> Flags {
    Flags::from_letters(letters(info).0)
}

/// The letters of keywords in what follows a base name.
pub fn keyword_letters(info: &str) -> Letters {
    Letters::of(letters(info).0)
}

/// Writes `flags` and the letters of keywords into what follows a base name. Letters that are neither
/// and what follows a second comma stay as they are.
pub fn info(old: &str, flags: &Flags, keywords: Letters) -> String {
    let (letters, tail) = letters(old);
    let foreign = letters.chars().filter(|c| !c.is_ascii_lowercase() && !TABLE.iter().any(|(.., known)| known == c));
    let keywords = keywords.to_string();
    let mut all: Vec<char> = flags.letters().chars().chain(foreign).chain(keywords.chars()).collect();
    all.sort_unstable();
    all.dedup();
    let mut out = String::from(":2,");
    out.extend(all);
    out.push_str(tail);
    out
}

/// The letters of an info, and what follows them from a comma or colon on.
fn letters(info: &str) -> (&str, &str) {
    let rest = info.strip_prefix(":2,").unwrap_or("");
    rest.split_at(rest.find([',', ':']).unwrap_or(rest.len()))
}

/// Where a file came from, as its name tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// The epoch. `None`: the name was made by another program that does not write it (mbsync and
    /// `OfflineIMAP`: `,U=`), and may be from another folder; it is a hint that must be checked.
    pub validity: Option<UidValidity>,
    /// The UID.
    pub uid: Uid,
}

/// The name of a message that was fetched from `id` in `mailbox`: always the same for the same
/// message. `date` is its INTERNALDATE, `size` the number of bytes that were written.
pub fn fetched(mailbox: &MailboxId, id: &RemoteId, date: Option<Timestamp>, size: u64) -> UniqueName {
    let home = home(mailbox);
    let date = date.unwrap_or_default().get();
    let text = match id {
        RemoteId::Uid(validity, uid) => {
            format!("{date}.V{}U{}H{home}.tern,S={size}", validity.get(), uid.get())
        }
        RemoteId::Uidl(_, uidl) => {
            format!("{date}.P{}H{home}.tern,S={size}", Home::mark_of(uidl))
        }
    };
    made(&text)
}

/// The name of a stub of the message that [`fetched`] names: `size` bytes of a message of `whole`.
pub fn stub(mailbox: &MailboxId, id: &RemoteId, date: Option<Timestamp>, size: u64, whole: u64) -> UniqueName {
    as_stub(&fetched(mailbox, id, date, size), whole)
}

/// The same name for a file that is a stub of a message of `whole` bytes.
pub fn as_stub(unique: &UniqueName, whole: u64) -> UniqueName {
    UniqueName::new(&format!("{},T={whole}", unique.as_str())).unwrap_or_else(|| unique.clone())
}

/// What makes a local name unlike any other: given from outside, so that names can be tested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp<'a> {
    /// Now, in seconds.
    pub seconds: i64,
    /// A number that this process never gave before.
    pub counter: u64,
    /// Random bits.
    pub random: u64,
    /// The process.
    pub process: u32,
    /// The machine's name; what could do harm in a file name is replaced.
    pub host: &'a str,
}

/// The name of a message that did not come from a server: a sent copy, a draft, a moved file.
/// `size` is left out where it is not known.
pub fn local(stamp: &Stamp<'_>, size: Option<u64>) -> UniqueName {
    let host: String = stamp
        .host
        .chars()
        .take(60)
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '.') { c } else { '_' })
        .collect();
    let Stamp { seconds, counter, random, process, .. } = stamp;
    let size = size.map(|size| format!(",S={size}")).unwrap_or_default();
    made(&format!("{seconds}.R{random:016x}P{process}Q{counter}.{host}{size}"))
}

/// Did tern make this name: for what it fetched, or this process for anything else?
pub fn is_own(base: &str, process: u32) -> bool {
    let made = || {
        let (_, random) = base.split_once(".R")?;
        random.get(16..)?.strip_prefix('P')?.strip_prefix(&process.to_string())?.strip_prefix('Q')
    };
    base.contains(".tern,S=") || made().is_some()
}

/// The name `fresh` with the date of another name, and with what that one tells of a stub: for a file whose
/// origin is not to be told any more.
pub fn anew(old: &UniqueName, fresh: &UniqueName) -> UniqueName {
    let dated = date(old.as_str()).and_then(|date| {
        let (_, rest) = fresh.as_str().split_once('.')?;
        UniqueName::new(&format!("{}.{rest}", date.get()))
    });
    let named = dated.unwrap_or_else(|| fresh.clone());
    match old.stub_size() {
        Some(whole) => as_stub(&named, whole),
        None => named,
    }
}

/// The origin that a base name tells, if it holds in `mailbox`: a name of tern's with the hash of
/// another mailbox says nothing.
pub fn origin(base: &str, mailbox: &MailboxId) -> Option<Origin> {
    Home::of(mailbox).origin(base)
}

/// The hash of one account and mailbox, for reading many names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home(String);

impl Home {
    /// Of that mailbox.
    pub fn of(mailbox: &MailboxId) -> Self {
        Self(home(mailbox))
    }

    /// What stands for a POP3 id in the names of the messages fetched by it.
    pub fn mark_of(uidl: &Uidl) -> String {
        hash(&[uidl.as_str()], 16)
    }

    /// What stands in a base name for the POP3 id, if it was fetched by one and from this mailbox.
    pub fn mark<'a>(&self, base: &'a str) -> Option<&'a str> {
        let (mark, home) = own(base)?.strip_prefix('P')?.split_once('H')?;
        (home == self.0).then_some(mark)
    }

    /// The origin that a base name tells, if it holds in this mailbox.
    pub fn origin(&self, base: &str) -> Option<Origin> {
        if let Some(middle) = own(base) {
            let (validity, rest) = middle.strip_prefix('V')?.split_once('U')?;
            let (uid, home) = rest.split_once('H')?;
            let validity = number(validity).and_then(UidValidity::new)?;
            let uid = number(uid).and_then(Uid::new)?;
            return (home == self.0).then_some(Origin { validity: Some(validity), uid });
        }
        foreign(base)
    }
}

/// The UID that a base name of another program tells; of which side only that program knows.
pub fn foreign(base: &str) -> Option<Origin> {
    if own(base).is_some() {
        return None;
    }
    let digits = field(base, ",U=")?;
    Some(Origin { validity: None, uid: Uid::new(number(digits)?)? })
}

/// What `OfflineIMAP` writes for the folder that a file belongs to.
pub fn folder_hash(base: &str) -> Option<&str> {
    let (_, rest) = base.split_once(",FMD5=")?;
    rest.get(..32).filter(|hash| hash.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// The middle of a name that tern gave to a fetched message.
fn own(base: &str) -> Option<&str> {
    let stem = base.split(',').next()?;
    let (date, rest) = stem.split_once('.')?;
    let middle = rest.strip_suffix(".tern")?;
    (!date.is_empty() && date.bytes().all(|b| b.is_ascii_digit()) && middle.starts_with(['V', 'P'])).then_some(middle)
}

/// The size that a base name tells (`,S=`), in bytes.
pub fn size(base: &str) -> Option<u64> {
    field(base, ",S=")?.parse().ok()
}

/// The time with which a base name begins; that of INTERNALDATE where tern fetched it.
pub fn date(base: &str) -> Option<Timestamp> {
    let seconds: i64 = base.split(['.', '_']).next()?.parse().ok()?;
    (seconds > 0).then(|| Timestamp::new(seconds))
}

/// The digits behind `key`.
fn field<'a>(base: &'a str, key: &str) -> Option<&'a str> {
    let (_, rest) = base.split_once(key)?;
    rest.split(|c: char| !c.is_ascii_digit()).next()
}

/// A number as it is printed: no sign, no leading zero.
fn number(text: &str) -> Option<u32> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
    if plain { text.parse().ok() } else { None }
}

fn home(mailbox: &MailboxId) -> String {
    hash(&[mailbox.account.as_str(), mailbox.name.as_str()], 8)
}

/// The first `digits` hexadecimal digits of the SHA-256 of some texts.
fn hash(texts: &[&str], digits: usize) -> String {
    let mut hasher = Sha256::new();
    for text in texts {
        hasher.update(text.len().to_le_bytes());
        hasher.update(text.as_bytes());
    }
    hasher.finalize().iter().flat_map(|byte| [byte >> 4, byte & 15]).take(digits).filter_map(hex).collect()
}

fn hex(nibble: u8) -> Option<char> {
    char::from_digit(u32::from(nibble), 16)
}

/// Every name made here is legal by its form; the second way out is never taken.
fn made(text: &str) -> UniqueName {
    UniqueName::new(text).unwrap_or_else(|| made("0.tern"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::flags::Flag;
    use crate::mail::ids::AccountId;
    use crate::mail::mailbox::MailboxName;

    fn mailbox(account: &str, name: &str) -> MailboxId {
        MailboxId { account: AccountId::new(account), name: MailboxName::new(name).unwrap() }
    }

    fn remote(validity: u32, uid: u32) -> RemoteId {
        RemoteId::Uid(UidValidity::new(validity).unwrap(), Uid::new(uid).unwrap())
    }

    #[test]
    fn own_names_are_known_from_those_of_others() {
        let made = |process| {
            let stamp = Stamp { seconds: 1_700_000_000, counter: 3, random: 9, process, host: "host" };
            local(&stamp, Some(7))
        };
        assert!(is_own(made(812).as_str(), 812));
        assert!(is_own(stub(&mailbox("work", "INBOX"), &remote(7, 1), None, 9, 99).as_str(), 1));
        for other in [made(8121).as_str(), made(81).as_str(), "1700000000.M20P812Q3.host", "1.R.P812Q1", "1.Rü"] {
            assert!(!is_own(other, 812), "{other}");
        }
    }

    #[test]
    fn a_fetched_message_finds_itself_and_a_moved_one_has_no_origin() {
        let inbox = mailbox("work", "INBOX");
        let date = Some(Timestamp::new(1_700_000_000));
        let name = fetched(&inbox, &remote(7, 4_294_967_295), date, 18_000);
        assert_eq!(name, fetched(&inbox, &remote(7, 4_294_967_295), date, 18_000));
        assert!(name.as_str().starts_with("1700000000.V7U4294967295H"), "{}", name.as_str());
        assert!(name.as_str().ends_with(".tern,S=18000"), "{}", name.as_str());
        let told = Origin { validity: UidValidity::new(7), uid: Uid::new(u32::MAX).unwrap() };
        assert_eq!(origin(name.as_str(), &inbox), Some(told));
        for elsewhere in [mailbox("work", "Archive"), mailbox("home", "INBOX"), mailbox("wor", "kINBOX")] {
            assert_eq!(origin(name.as_str(), &elsewhere), None);
        }
        assert_eq!((size(name.as_str()), super::date(name.as_str())), (Some(18_000), date));
    }

    #[test]
    fn a_stub_keeps_the_origin_and_tells_the_size_of_the_whole() {
        let inbox = mailbox("work", "INBOX");
        let date = Some(Timestamp::new(1_700_000_000));
        let whole = fetched(&inbox, &remote(7, 9), date, 52_000);
        let stub = stub(&inbox, &remote(7, 9), date, 800, 52_000);
        assert!(stub.as_str().ends_with(".tern,S=800,T=52000"), "{}", stub.as_str());
        assert_eq!((whole.stub_size(), stub.stub_size()), (None, Some(52_000)));
        assert_eq!(origin(stub.as_str(), &inbox), origin(whole.as_str(), &inbox));
        assert_eq!((size(stub.as_str()), super::date(stub.as_str())), (Some(800), date));
        let again = anew(&stub, &UniqueName::new("99.R1.host,S=800").unwrap());
        assert_eq!(
            (super::date(again.as_str()), again.stub_size(), size(again.as_str())),
            (date, Some(52_000), Some(800))
        );
        assert_eq!(origin(again.as_str(), &inbox), None);
        for odd in ["a,T=", "a,T=x", "a,T=99999999999999999999999", "a.T=5"] {
            assert_eq!(UniqueName::new(odd).unwrap().stub_size(), None, "{odd}");
        }
    }

    #[test]
    fn a_pop3_message_is_named_by_a_hash_of_its_id() {
        let inbox = mailbox("work", "INBOX");
        let uidl = |id: &str| Uidl::new(id).unwrap();
        let name = |id: &str| fetched(&inbox, &RemoteId::Uidl(Uid::MIN, uidl(id)), None, 1);
        let again = fetched(&inbox, &RemoteId::Uidl(Uid::new(9).unwrap(), uidl("x")), Some(Timestamp::new(7)), 2);
        let mark = Home::mark_of(&uidl("x"));
        for found in [name("x"), again] {
            assert_eq!(Home::of(&inbox).mark(found.as_str()), Some(mark.as_str()), "{}", found.as_str());
            assert_eq!(Home::of(&mailbox("work", "Archive")).mark(found.as_str()), None);
        }
        assert_eq!(Home::of(&inbox).mark("1.V7U1H00000000.tern,S=1"), None);
        assert_eq!(name("../a:b"), name("../a:b"));
        assert_ne!(name("../a:b"), name("../a:c"));
        assert_eq!(origin(name("x").as_str(), &inbox), None);
    }

    #[test]
    fn names_of_other_programs_are_read() {
        let inbox = mailbox("work", "INBOX");
        let uid = |n| Some(Origin { validity: None, uid: Uid::new(n).unwrap() });
        for (base, told) in [
            ("1234567890.5678_1.host,U=23", uid(23)),
            ("1234567890_0.5678.host,U=9,FMD5=7e33429f656f1e6e9d79b29c3f82c57e", uid(9)),
            ("1234567890.M1P2.host,S=12,W=13", None),
            ("1234567890.5678_1.host,U=0", None),
            ("1234567890.5678_1.host,U=99999999999", None),
            ("1234567890.5678_1.host,U=", None),
            ("1.V0U1Hdeadbeef.tern,S=1", None),
            ("1.V1U01Hdeadbeef.tern,S=1", None),
            ("1.V1.tern", None),
        ] {
            assert_eq!(origin(base, &inbox), told, "{base}");
        }
        assert_eq!(size("1.a,S=12,W=13"), Some(12));
        assert_eq!(size("1.a,S=99999999999999999999999"), None);
    }

    #[test]
    fn flags_are_rewritten_and_foreign_letters_stay() {
        let seen = Flags::only(Flag::Seen);
        for (name, in_new, add, remove, after) in [
            ("a:2,", false, seen.clone(), Flags::none(), "cur/a:2,S"),
            ("a", true, seen.clone(), Flags::none(), "cur/a:2,S"),
            ("a", true, Flags::none(), seen.clone(), "new/a"),
            ("a:2,FSac", false, Flags::only(Flag::Answered), seen.clone(), "cur/a:2,FRac"),
            ("a:2,S", false, Flags::none(), seen.clone(), "cur/a:2,"),
            ("a:2,S,odd", false, Flags::only(Flag::Draft), Flags::none(), "cur/a:2,DS,odd"),
            ("a:2,TS", false, seen.clone(), Flags::none(), "cur/a:2,TS"),
            ("a:1,x", false, seen.clone(), Flags::none(), "cur/a:2,S"),
        ] {
            let entry = Entry::parse(name, in_new).unwrap();
            assert_eq!(entry.with_flags(&add, &remove, entry.letters()).relative(), after, "{name}");
        }
        let entry = Entry::parse("a:2,FXac,odd", true).unwrap();
        let changed = entry.with_flags(&Flags::none(), &Flags::none(), Letters::of("bc"));
        assert_eq!(changed.relative(), "cur/a:2,FXbc,odd");
    }

    #[test]
    fn what_can_be_no_message_is_no_entry() {
        for name in ["", ".hidden", ":2,S", "a\nb", &"x".repeat(241)] {
            assert_eq!(Entry::parse(name, false), None, "{name:?}");
        }
        let entry = Entry::parse("a:b:c", true).unwrap();
        assert_eq!((entry.base(), entry.info(), entry.relative()), ("a", ":b:c", "new/a:b:c".to_owned()));
    }

    #[test]
    fn local_names_hold_nothing_harmful() {
        let stamp = Stamp { seconds: 5, counter: 6, random: 7, process: 8, host: "a/b:c\n..\u{e9}" };
        assert_eq!(local(&stamp, Some(9)).as_str(), "5.R0000000000000007P8Q6.a_b_c_.._,S=9");
        assert_eq!(size(local(&stamp, None).as_str()), None);
        assert_eq!(origin(local(&stamp, None).as_str(), &mailbox("a", "INBOX")), None);
    }
}
