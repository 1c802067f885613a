//! What lies here whole and what as a stub, and what becomes of two files of one message. Pure: it is
//! given sizes, dates, flags and the time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::changes::{Base, LocalListing};
use crate::mail::flags::{Flag, Flags};
use crate::mail::ids::{Timestamp, Uid};
use crate::mail::place::UniqueName;

/// What of an account's mail lies here whole. Without limits: all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Window {
    /// For how long mail is kept whole.
    pub keep: Option<Duration>,
    /// The largest message that is fetched before it is opened, in bytes.
    pub max_size: Option<u64>,
}

/// How much of a message lies here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// All of it.
    Whole,
    /// Its header.
    Stub,
}

impl Window {
    /// Is all mail whole?
    pub fn is_open(&self) -> bool {
        self.keep.is_none() && self.max_size.is_none()
    }

    /// The time before which mail is too old to be kept whole.
    pub fn horizon(&self, now: Timestamp) -> Option<Timestamp> {
        let keep = i64::try_from(self.keep?.as_secs()).ok()?;
        Some(now.plus(-keep))
    }

    /// How much of a message is to lie here that nobody has opened. What is flagged is whole, whatever its
    /// size and age; what is unread is whole whatever its age; and so is what nobody knows enough about.
    pub fn shape(&self, size: u64, date: Option<Timestamp>, flags: &Flags, now: Timestamp) -> Shape {
        if flags.has(Flag::Flagged) {
            return Shape::Whole;
        }
        let large = self.max_size.is_some_and(|most| size > most);
        let aged = date.zip(self.horizon(now)).is_some_and(|(date, horizon)| date < horizon);
        if large || (aged && flags.has(Flag::Seen)) { Shape::Stub } else { Shape::Whole }
    }
}

/// What is put right about the files of one message before anything else looks at them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tidying {
    /// The stub is of no use any more: the message lies here whole, or went elsewhere.
    Drop(UniqueName),
    /// The row of the message is about this file from now on. A stub that it was about gives way.
    Point {
        /// The message.
        uid: Uid,
        /// Its file by the row.
        from: UniqueName,
        /// Its file.
        to: UniqueName,
    },
}

/// What a stop between two steps may have left: a stub beside the whole message, or a row that is about the
/// one file while only the other is there. The whole message always wins, and neither is ever a copy.
pub fn tidy(listing: &LocalListing, base: &Base) -> Vec<Tidying> {
    let LocalListing { files, complete } = listing;
    let mut by_origin: BTreeMap<Uid, Vec<&UniqueName>> = BTreeMap::new();
    for file in files {
        if let Some((epoch, uid)) = file.origin
            && base.epoch().is_none_or(|known| known == epoch)
        {
            by_origin.entry(uid).or_default().push(&file.unique);
        }
    }
    // Most messages have one file, which is the one of their row.
    let as_known = |(uid, files): &(Uid, Vec<&UniqueName>)| match (files.as_slice(), base.get(*uid)) {
        ([only], Some(row)) => row.unique == **only,
        ([_], None) => true,
        _ => false,
    };
    let mut doubtful = by_origin.into_iter().filter(|it| !as_known(it)).peekable();
    if doubtful.peek().is_none() {
        return Vec::new();
    }
    let listed: BTreeSet<&UniqueName> = files.iter().map(|file| &file.unique).collect();
    let may_be_there = |unique: &UniqueName| !complete || listed.contains(unique);
    let mut out = Vec::new();
    for (uid, files) in doubtful {
        let (stubs, wholes): (Vec<&UniqueName>, Vec<&UniqueName>) =
            files.into_iter().partition(|unique| unique.stub_size().is_some());
        // What is only marked on the server has no file, and gets none: one that comes back is another message.
        let row = base.get(uid).map(|row| &row.unique).filter(|row| !row.is_marked());
        let row_is_stub = row.is_some_and(|row| row.stub_size().is_some());
        let keeper = match (wholes.first(), row) {
            // A row whose file is there keeps it, unless the file is a stub.
            (Some(whole), Some(row)) => (row_is_stub || !may_be_there(row)).then_some(*whole),
            // A row of a whole message that is gone is that of a message which went.
            (None, Some(row)) => stubs.first().copied().filter(|_| row_is_stub && !may_be_there(row)),
            (_, None) => None,
        };
        if let (Some(to), Some(from)) = (keeper, row) {
            out.push(Tidying::Point { uid, from: from.clone(), to: to.clone() });
        }
        let kept = match row {
            _ if !wholes.is_empty() => None,
            None => stubs.first().copied(),
            Some(row) if row_is_stub => keeper.or(Some(row)),
            Some(_) => None,
        };
        let is_from = |stub: &UniqueName| keeper.is_some() && row == Some(stub);
        out.extend(stubs.into_iter().filter(|stub| Some(*stub) != kept && !is_from(stub)).cloned().map(Tidying::Drop));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::ids::UidValidity;
    use crate::sync::changes::{Agreed, Identity, LocalFile};

    const DAY: i64 = 86_400;

    #[test]
    fn what_is_whole() {
        use Shape::{Stub, Whole};
        let now = Timestamp::new(1_700_000_000);
        let days = |days: u64| Some(Duration::from_secs(days * 86_400));
        let open = Window::default();
        let by_age = Window { keep: days(90), max_size: None };
        let by_size = Window { keep: None, max_size: Some(1000) };
        let both = Window { keep: days(90), max_size: Some(1000) };
        // The size, the age in days, the flags, and what becomes of it.
        let table: &[(Window, u64, Option<i64>, &str, Shape)] = &[
            (open, u64::MAX, Some(9_000), "S", Whole),
            (by_age, u64::MAX, Some(89), "S", Whole),
            (by_age, 10, Some(91), "S", Stub),
            (by_age, 10, Some(90), "S", Whole),
            (by_age, 10, Some(91), "", Whole),
            (by_age, 10, Some(91), "FS", Whole),
            (by_age, 10, Some(91), "RS", Stub),
            (by_age, 10, None, "S", Whole),
            (by_age, 10, Some(-5), "S", Whole),
            (by_size, 1000, Some(9_000), "S", Whole),
            (by_size, 1001, Some(0), "S", Stub),
            (by_size, 1001, None, "", Stub),
            (by_size, 1001, Some(0), "F", Whole),
            (both, 1001, Some(0), "", Stub),
            (both, 10, Some(91), "S", Stub),
            (both, 10, Some(91), "", Whole),
            (both, 10, Some(1), "S", Whole),
        ];
        for (window, size, age, flags, shape) in table {
            let date = age.map(|age| now.plus(-age * DAY));
            let said = window.shape(*size, date, &Flags::from_letters(flags), now);
            assert_eq!(said, *shape, "{window:?} {size} {age:?} {flags}");
        }
        assert!(open.is_open() && !by_age.is_open() && !by_size.is_open());
    }

    fn unique(name: &str) -> UniqueName {
        UniqueName::new(name).unwrap()
    }

    /// Files of message 5, and the file of its row.
    fn tidied(files: &[&str], row: Option<&str>) -> Vec<Tidying> {
        let (epoch, uid) = (UidValidity::new(7).unwrap(), Uid::new(5).unwrap());
        let row =
            row.map(|row| (uid, Agreed { unique: unique(row), flags: Flags::none(), identity: Identity::default() }));
        let file = |name: &&str| LocalFile {
            unique: unique(name),
            flags: Flags::none(),
            origin: (!name.starts_with("other")).then_some((epoch, uid)),
        };
        let listing = LocalListing { files: files.iter().map(file).collect(), complete: true };
        tidy(&listing, &Base::new(Some(epoch), row))
    }

    #[test]
    fn of_two_files_of_one_message_the_whole_one_wins() {
        let (whole, stub, longer) = ("1.tern,S=9", "1.tern,S=3,T=9", "1.tern,S=4,T=9");
        let drop = |name: &str| Tidying::Drop(unique(name));
        let point =
            |from: &str, to: &str| Tidying::Point { uid: Uid::new(5).unwrap(), from: unique(from), to: unique(to) };
        let table: &[(&[&str], Option<&str>, Vec<Tidying>)] = &[
            (&[whole], Some(whole), vec![]),
            (&[stub], Some(stub), vec![]),
            (&[whole], None, vec![]),
            (&[stub], None, vec![]),
            (&[], Some(stub), vec![]),
            // An upgrade or an expiry was cut off.
            (&[whole, stub], Some(stub), vec![point(stub, whole)]),
            (&[whole, stub], Some(whole), vec![drop(stub)]),
            (&[whole, stub], None, vec![drop(stub)]),
            (&[whole], Some(stub), vec![point(stub, whole)]),
            // The message went elsewhere before its stub was removed.
            (&[stub], Some(whole), vec![drop(stub)]),
            (&["other", stub], Some("other"), vec![drop(stub)]),
            // It got its proper name before the row was told.
            (&[whole], Some("other"), vec![point("other", whole)]),
            // Someone copied it: that is not put right here.
            (&["other", whole], Some("other"), vec![]),
            // Two stubs.
            (&[stub, longer], Some(stub), vec![drop(longer)]),
            (&[stub, longer], None, vec![drop(longer)]),
            (&[longer], Some(stub), vec![point(stub, longer)]),
        ];
        for (files, row, expected) in table {
            assert_eq!(tidied(files, *row), *expected, "{files:?} {row:?}");
        }
    }
}
