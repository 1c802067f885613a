//! What changed on one side since both sides agreed: a listing against the base. Pure; it never
//! takes absence for deletion unless the listing says that it is complete (RFC 9051 §2.3.1.1: a UID
//! means nothing outside its UIDVALIDITY).

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use crate::mail::flags::Flags;
use crate::mail::ids::{Uid, UidValidity};
use crate::mail::mailbox::MailboxName;
use crate::mail::place::UniqueName;
use crate::mail::ranges::UidRanges;

/// What makes a message the one we mean, wherever it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Identity {
    /// Its size with CRLF line ends, in bytes.
    pub size: u64,
    /// 64 bits that stand for its Message-ID, where it has a usable one.
    pub id: Option<u64>,
    /// SHA-256 of it with CRLF line ends: the server is asked for it only where nothing else tells.
    pub digest: Option<[u8; 32]>,
}

impl Identity {
    /// Are these surely the same message? Message-ID and digest; where not both digests are known, Message-ID
    /// and size, if there is a Message-ID.
    pub fn matches(&self, other: &Self) -> bool {
        if self.id != other.id {
            return false;
        }
        match (self.digest, other.digest) {
            (Some(one), Some(two)) => one == two,
            _ => self.id.is_some() && fits(self.size, other.size),
        }
    }

    /// Would only a digest tell whether these are the same message? Whatever their sizes: some servers announce
    /// another one than the message has, against RFC 9051 §2.3.4.
    pub fn needs_digest(&self, other: &Self) -> bool {
        self.id == other.id && !self.matches(other) && (self.digest.is_none() || other.digest.is_none())
    }
}

/// The length of the line `X-TUID: ` with twelve characters that mbsync adds to the copies it makes.
pub const TUID_LINE: u64 = 22;

/// Can messages of these sizes be the same? One of them may have the line of mbsync.
pub fn fits(one: u64, other: u64) -> bool {
    matches!(one.abs_diff(other), 0 | TUID_LINE)
}

/// What both sides agreed on about one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreed {
    /// The local file.
    pub unique: UniqueName,
    /// The flags and keywords that the server had and we knew.
    pub flags: Flags,
    /// What makes it the one we mean.
    pub identity: Identity,
}

/// What both sides agreed on last in one mailbox: all rows, or those that a delta touches.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Base {
    epoch: Option<UidValidity>,
    rows: BTreeMap<Uid, Agreed>,
    uids: BTreeMap<UniqueName, Uid>,
    taken_in: Option<Uid>,
    outdated: bool,
}

impl Base {
    /// Takes the rows in; of two rows with one file the later UID owns the file.
    pub fn new(epoch: Option<UidValidity>, rows: impl IntoIterator<Item = (Uid, Agreed)>) -> Self {
        let rows: BTreeMap<Uid, Agreed> = rows.into_iter().collect();
        let uids = rows.iter().map(|(uid, row)| (row.unique.clone(), *uid)).collect();
        Self { epoch, rows, uids, taken_in: None, outdated: false }
    }

    /// Says below which UID every message was taken in once and had its row.
    #[must_use]
    pub fn taken_in(mut self, below: Option<Uid>) -> Self {
        self.taken_in = below;
        self
    }

    /// Did this message have a row once? Else what was fetched of it may have missed its row by a crash.
    pub fn had(&self, uid: Uid) -> bool {
        self.taken_in.is_some_and(|below| uid < below)
    }

    /// Says that its UIDs mean nothing any more, although the epoch has the same number as before.
    pub fn outdate(&mut self) {
        self.outdated = true;
    }

    /// Do its UIDs mean other messages, or none, in the epoch that the server tells?
    pub fn is_outdated(&self, epoch: UidValidity) -> bool {
        self.outdated || self.epoch.is_some_and(|known| known != epoch)
    }

    /// Takes in one more row.
    pub fn insert(&mut self, uid: Uid, row: Agreed) {
        self.uids.insert(row.unique.clone(), uid);
        self.rows.insert(uid, row);
    }

    /// Fills in what a message is, where its row did not tell enough.
    pub fn identify(&mut self, uid: Uid, identity: Identity) {
        if let Some(row) = self.rows.get_mut(&uid) {
            row.identity = identity;
        }
    }

    /// Says that the file of a row has another name.
    pub fn rename(&mut self, uid: Uid, unique: UniqueName) {
        if let Some(row) = self.rows.get_mut(&uid) {
            self.uids.remove(&row.unique);
            row.unique = unique.clone();
            self.uids.insert(unique, uid);
        }
    }

    /// Takes in rows that it does not have yet.
    pub fn complete(&mut self, rows: impl IntoIterator<Item = (Uid, Agreed)>) {
        for (uid, row) in rows {
            if !self.rows.contains_key(&uid) {
                self.insert(uid, row);
            }
        }
    }

    /// Lets go of all rows but these: what no change touches need not be remembered.
    pub fn keep_only(&mut self, touched: &BTreeSet<Uid>) {
        self.rows.retain(|uid, _| touched.contains(uid));
        self.uids.retain(|_, uid| touched.contains(uid));
    }

    /// The epoch of the UIDs; `None`: never seen.
    pub fn epoch(&self) -> Option<UidValidity> {
        self.epoch
    }

    /// The row of a UID.
    pub fn get(&self, uid: Uid) -> Option<&Agreed> {
        self.rows.get(&uid)
    }

    /// The UID of a local file.
    pub fn uid_of(&self, unique: &UniqueName) -> Option<Uid> {
        self.uids.get(unique).copied()
    }

    /// All rows, by UID.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (Uid, &Agreed)> {
        self.rows.iter().map(|(uid, row)| (*uid, row))
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Is there no row?
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

/// Which messages the server still has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Present {
    /// Exactly these: the listing is complete.
    Exactly(BTreeSet<Uid>),
    /// Of what the base has, only these are gone.
    Except(UidRanges),
    /// Nobody knows: nothing is gone.
    Unknown,
}

/// What the server lets us change in this mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "servers grant each of these rights by itself")]
pub struct Allows {
    /// Flags that it keeps; `None`: all.
    pub keeps: Option<Flags>,
    /// May new keywords be made?
    pub new_keywords: bool,
    /// May flags be changed at all?
    pub flags: bool,
    /// May messages be appended?
    pub append: bool,
    /// May messages be removed?
    pub delete: bool,
    /// May messages be moved to another mailbox?
    pub r#move: bool,
    /// May labels be given and taken away?
    pub labels: bool,
}

impl Allows {
    /// Everything is allowed.
    pub fn all() -> Self {
        Self { keeps: None, new_keywords: true, flags: true, append: true, delete: true, r#move: true, labels: true }
    }

    /// The part of `wish` that the server would keep.
    pub fn settable(&self, wish: &Flags) -> Flags {
        if !self.flags {
            return Flags::none();
        }
        let labels = if self.labels { wish.minus(&wish.without_labels()) } else { Flags::none() };
        labels.union(&self.settable_flags(&wish.without_labels()))
    }

    fn settable_flags(&self, wish: &Flags) -> Flags {
        let Some(keeps) = &self.keeps else { return wish.clone() };
        let kept = wish.common(keeps);
        // `$Forwarded` is a keyword on the wire although it has a letter in a Maildir.
        let wire_keywords = wish.minus(&wish.system()).union(&wish.common(&forwarded()));
        if self.new_keywords { kept.union(&wire_keywords) } else { kept }
    }
}

fn forwarded() -> Flags {
    Flags::only(crate::mail::flags::Flag::Forwarded)
}

/// What the server said of one mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerListing {
    /// The epoch of its UIDs.
    pub epoch: UidValidity,
    /// New messages and those whose flags may have changed.
    pub items: BTreeMap<Uid, Flags>,
    /// Which are still there.
    pub present: Present,
    /// What we may change.
    pub allows: Allows,
}

/// A message that the base does not know, on the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewThere {
    /// Its flags.
    pub flags: Flags,
    /// What it is, once the server was asked. In a first comparison nobody asks, and there are many.
    pub identity: Option<Box<Identity>>,
}

/// A new message on the server that lay in another mailbox there before; its file lies there still.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// The mailbox it came from.
    pub from: MailboxName,
    /// The UID it had there.
    pub from_uid: Uid,
    /// Its file there.
    pub unique: UniqueName,
    /// The flags of that file now, with the keywords that were agreed on.
    pub here: Flags,
    /// What was agreed on about it, under the name that its file gets.
    pub row: Agreed,
}

/// What changed on the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerChanges {
    /// The epoch of the UIDs in here.
    pub epoch: UidValidity,
    /// Is that another epoch than the base's, so that all UIDs of the base are void?
    pub restarted: bool,
    /// Messages without a row.
    pub new: BTreeMap<Uid, NewThere>,
    /// Flags that differ from the base's.
    pub flags: BTreeMap<Uid, Flags>,
    /// Rows whose message is gone.
    pub gone: BTreeSet<Uid>,
    /// Of those that are gone, the ones that lie in another mailbox on the server now.
    pub leaving: BTreeSet<Uid>,
    /// Of the new ones, those that lay in another mailbox on the server before.
    pub arriving: BTreeMap<Uid, Arrival>,
    /// All UIDs, where the listing was complete.
    pub exactly: Option<BTreeSet<Uid>>,
    /// Is every new message among them? If not, a file without a row may be there all the same.
    pub complete: bool,
    /// What we may change.
    pub allows: Allows,
}

/// Compares the server's listing with the base. In another epoch every message is new and nothing
/// is gone.
pub fn diff_server(listing: &ServerListing, base: &Base) -> ServerChanges {
    let restarted = base.is_outdated(listing.epoch);
    let row = |uid: Uid| if restarted { None } else { base.get(uid) };
    let mut changes = ServerChanges {
        epoch: listing.epoch,
        restarted,
        new: BTreeMap::new(),
        flags: BTreeMap::new(),
        gone: BTreeSet::new(),
        leaving: BTreeSet::new(),
        arriving: BTreeMap::new(),
        exactly: None,
        complete: listing.present != Present::Unknown,
        allows: listing.allows.clone(),
    };
    for (uid, flags) in &listing.items {
        match row(*uid) {
            None => {
                changes.new.insert(*uid, NewThere { flags: flags.clone(), identity: None });
            }
            Some(row) if row.flags != *flags => {
                changes.flags.insert(*uid, flags.clone());
            }
            Some(_) => {}
        }
    }
    match &listing.present {
        Present::Exactly(uids) => {
            if !restarted {
                changes.gone = base.rows.keys().filter(|uid| !uids.contains(uid)).copied().collect();
            }
            changes.exactly = Some(uids.clone());
        }
        Present::Except(uids) if !restarted => {
            changes.gone = base.rows.keys().filter(|uid| uids.contains(**uid)).copied().collect();
        }
        Present::Except(_) | Present::Unknown => {}
    }
    // A server may list a message and say in the same breath that it is gone: the later word counts.
    let ServerChanges { new, flags, gone, exactly, .. } = &mut changes;
    flags.retain(|uid, _| !gone.contains(uid));
    match (&listing.present, exactly) {
        (Present::Except(uids), _) => new.retain(|uid, _| !uids.contains(*uid)),
        (_, Some(uids)) => new.retain(|uid, _| uids.contains(uid)),
        _ => {}
    }
    changes
}

/// One file of a local listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalFile {
    /// Its base name.
    pub unique: UniqueName,
    /// Its flags. Keywords are among them: those that its name tells, and those of the base that no name
    /// can tell.
    pub flags: Flags,
    /// Which message of this very mailbox it was fetched from, as its name says.
    pub origin: Option<(UidValidity, Uid)>,
}

/// The files of one mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalListing {
    /// The files.
    pub files: Vec<LocalFile>,
    /// Does absence mean gone?
    pub complete: bool,
}

/// A file that the base does not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewHere {
    /// The flags of its name.
    pub flags: Flags,
    /// Which message of this very mailbox it was fetched from, as its name says.
    pub origin: Option<(UidValidity, Uid)>,
    /// What it is, once it was read.
    pub identity: Option<Identity>,
}

/// Where a message went that is gone here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaving {
    /// The mailbox that has it now.
    pub to: MailboxName,
    /// The file there.
    pub unique: UniqueName,
}

/// What changed on disk.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LocalChanges {
    /// Files without a row.
    pub new: BTreeMap<UniqueName, NewHere>,
    /// Flags that differ from the base's.
    pub flags: BTreeMap<Uid, Flags>,
    /// Rows whose file is gone.
    pub gone: BTreeSet<Uid>,
    /// Of those that are gone, the ones that lie in another mailbox now.
    pub leaving: BTreeMap<Uid, Leaving>,
    /// Of the new ones, those that come from another mailbox and shall not be uploaded.
    pub arriving: BTreeSet<UniqueName>,
    /// Files that cannot be read: what they are nobody knows, nor whether the server has them.
    pub sealed: BTreeMap<UniqueName, Sealed>,
    /// Is every file without a row among the new ones? If not, there may be more.
    pub complete: bool,
}

/// What is known of a message whose file cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sealed {
    /// What its row tells.
    Known(Identity),
    /// The sizes that it may have with CRLF line ends, in bytes.
    Sized(RangeInclusive<u64>),
    /// Where it came from is told by its name. No other message may be it, so that new mail is not held up.
    Named,
}

impl Sealed {
    /// May this message of the server, as far as it is known, be that file?
    pub fn may_be(&self, there: Option<&Identity>) -> bool {
        match (self, there) {
            (Self::Named, _) => false,
            (_, None) => true,
            (Self::Known(here), Some(there)) => {
                here.id == there.id && (here.id.is_some() || fits(here.size, there.size))
            }
            (Self::Sized(sizes), Some(there)) => {
                let (least, most) = (sizes.start().saturating_sub(TUID_LINE), sizes.end().saturating_add(TUID_LINE));
                (least..=most).contains(&there.size)
            }
        }
    }
}

impl LocalChanges {
    /// Nothing changed: the directories did not move since both sides agreed.
    pub fn unmoved() -> Self {
        Self { complete: true, ..Self::default() }
    }

    /// Is everything as it was agreed on, and sure to be?
    pub fn is_nothing(&self) -> bool {
        self.complete && self.new.is_empty() && self.flags.is_empty() && self.gone.is_empty()
    }

    /// The UIDs that these changes are about, among them those that files without a row name.
    pub fn touched(&self, epoch: Option<UidValidity>) -> BTreeSet<Uid> {
        let named = self.new.values().filter_map(|file| file.origin.filter(|(of, _)| Some(*of) == epoch));
        self.flags.keys().chain(&self.gone).copied().chain(named.map(|(_, uid)| uid)).collect()
    }
}

/// Compares the files of a mailbox with the base.
pub fn diff_local(listing: &LocalListing, base: &Base) -> LocalChanges {
    let mut changes = LocalChanges { complete: listing.complete, ..LocalChanges::default() };
    let mut seen = BTreeSet::new();
    for file in &listing.files {
        let Some((uid, row)) = base.uid_of(&file.unique).and_then(|uid| Some((uid, base.get(uid)?))) else {
            let new = NewHere { flags: file.flags.clone(), origin: file.origin, identity: None };
            changes.new.insert(file.unique.clone(), new);
            continue;
        };
        seen.insert(uid);
        if file.flags != row.flags {
            changes.flags.insert(uid, file.flags.clone());
        }
    }
    if listing.complete {
        // A row that shares its file with a later one has not lost it.
        let owned = |row: &Agreed| base.uid_of(&row.unique).is_some_and(|owner| seen.contains(&owner));
        let has_lost = |row: &Agreed| !row.unique.is_marked() && !owned(row);
        changes.gone = base.rows.iter().filter(|(_, row)| has_lost(row)).map(|(uid, _)| *uid).collect();
    }
    changes
}

/// The files that got another number behind their names (`,U=`), as mbsync gives one to each file that
/// has none: they are what their rows speak of, under a new name.
pub fn renumbered(changes: &LocalChanges, base: &Base) -> Vec<(Uid, UniqueName)> {
    fn stem(unique: &UniqueName) -> &str {
        unique.as_str().split(",U=").next().unwrap_or_default()
    }
    let mut by_stem: BTreeMap<&str, Vec<&UniqueName>> = BTreeMap::new();
    for unique in changes.new.keys().filter(|unique| unique.as_str().contains(",U=")) {
        by_stem.entry(stem(unique)).or_default().push(unique);
    }
    let renamed = |uid: &Uid| match by_stem.get(stem(&base.get(*uid)?.unique))?.as_slice() {
        [one] => Some((*uid, (*one).clone())),
        // Of a copy nobody knows whether it is one.
        _ => None,
    };
    changes.gone.iter().filter_map(renamed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::flags::Flag;

    fn uid(n: u32) -> Uid {
        Uid::new(n).unwrap()
    }

    fn epoch(n: u32) -> UidValidity {
        UidValidity::new(n).unwrap()
    }

    fn row(name: &str, flags: &str) -> Agreed {
        Agreed {
            unique: UniqueName::new(name).unwrap(),
            flags: Flags::from_imap(flags.split(' ')),
            identity: Identity::default(),
        }
    }

    fn base() -> Base {
        Base::new(Some(epoch(1)), [(uid(1), row("a", "")), (uid(2), row("b", "\\Seen todo")), (uid(3), row("c", ""))])
    }

    fn listing(n: u32, items: &[(u32, &str)], present: Present) -> ServerListing {
        let items = items.iter().map(|(n, flags)| (uid(*n), Flags::from_imap(flags.split(' ')))).collect();
        ServerListing { epoch: epoch(n), items, present, allows: Allows::all() }
    }

    #[test]
    fn a_number_behind_a_name_makes_no_other_message_of_it() {
        let base = Base::new(None, [(uid(1), row("a", "")), (uid(2), row("b,U=3", "")), (uid(3), row("c", ""))]);
        let file =
            |name: &str| LocalFile { unique: UniqueName::new(name).unwrap(), flags: Flags::none(), origin: None };
        let files = ["a,U=7", "b,U=9", "c,U=1", "c,U=2", "d,U=4", "e"].map(file).to_vec();
        let changes = diff_local(&LocalListing { files, complete: true }, &base);
        let line = |(uid, unique): (Uid, UniqueName)| format!("{} {}", uid.get(), unique.as_str());
        let found: Vec<String> = renumbered(&changes, &base).into_iter().map(line).collect();
        assert_eq!(found, ["1 a,U=7", "2 b,U=9"]);
    }

    #[test]
    fn a_complete_listing_tells_what_is_new_changed_and_gone() {
        let present = Present::Exactly([uid(1), uid(2), uid(4)].into());
        let changes = diff_server(&listing(1, &[(1, ""), (2, "todo"), (4, "\\Flagged")], present), &base());
        assert_eq!(changes.new.keys().copied().collect::<Vec<_>>(), [uid(4)]);
        assert_eq!(changes.flags.keys().copied().collect::<Vec<_>>(), [uid(2)]);
        assert_eq!(changes.gone, [uid(3)].into());
    }

    #[test]
    fn in_doubt_nothing_is_gone() {
        let changes = diff_server(&listing(1, &[], Present::Unknown), &base());
        assert!(changes.gone.is_empty());
        let changes = diff_server(&listing(2, &[(9, "")], Present::Exactly([uid(9)].into())), &base());
        assert!(changes.restarted && changes.gone.is_empty() && changes.new.len() == 1);
        let partial = LocalListing { files: vec![], complete: false };
        assert!(diff_local(&partial, &base()).gone.is_empty());
    }

    #[test]
    fn a_delta_names_what_is_gone() {
        let changes = diff_server(
            &listing(1, &[(2, ""), (3, "")], Present::Except([uid(3), uid(77)].into_iter().collect())),
            &base(),
        );
        assert_eq!(changes.gone, [uid(3)].into());
        assert_eq!(changes.flags.keys().copied().collect::<Vec<_>>(), [uid(2)]);
    }

    #[test]
    fn two_rows_that_share_a_file_have_it_both() {
        let rows = [(uid(1), row("a", "")), (uid(2), row("a", ""))];
        let shared = Base::new(Some(epoch(1)), rows);
        let file = LocalFile { unique: UniqueName::new("a").unwrap(), flags: Flags::none(), origin: None };
        let there = diff_local(&LocalListing { files: vec![file], complete: true }, &shared);
        assert!(there.gone.is_empty());
        let gone = diff_local(&LocalListing { files: vec![], complete: true }, &shared).gone;
        assert_eq!(gone, [uid(1), uid(2)].into());
    }

    #[test]
    fn keywords_are_wishes_as_flags_are() {
        let file = |name: &str, flags| LocalFile { unique: UniqueName::new(name).unwrap(), flags, origin: None };
        let files = vec![
            file("a", Flags::none()),
            file("b", Flags::from_imap(["\\Seen", "other"])),
            file("d", Flags::none()),
            file("c", Flags::only(Flag::Flagged)),
        ];
        let changes = diff_local(&LocalListing { files, complete: true }, &base());
        let other = Flags::from_imap(["\\Seen", "other"]);
        assert_eq!(changes.flags, BTreeMap::from([(uid(2), other), (uid(3), Flags::only(Flag::Flagged))]));
        assert_eq!(changes.new.len(), 1);
        assert!(changes.gone.is_empty());
    }

    #[test]
    fn only_what_the_server_keeps_is_settable() {
        let wish = Flags::from_imap(["\\Seen", "\\Draft", "$Forwarded", "todo"]);
        let mut allows = Allows { keeps: Some(Flags::from_imap(["\\Seen"])), new_keywords: false, ..Allows::all() };
        assert_eq!(allows.settable(&wish), Flags::only(Flag::Seen));
        allows.new_keywords = true;
        assert_eq!(allows.settable(&wish), Flags::from_imap(["\\Seen", "$Forwarded", "todo"]));
        allows.flags = false;
        assert!(allows.settable(&wish).is_empty());
    }
}
