//! Sets of UIDs as ranges, the way IMAP writes them (RFC 9051 §9, `sequence-set`): a server may say in
//! twenty bytes that four thousand million messages are gone, so a set is never expanded on its word.

use super::ids::Uid;

/// A set of UIDs: ranges, sorted, apart from each other.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UidRanges(Vec<(Uid, Uid)>);

impl UidRanges {
    /// The empty set.
    pub fn none() -> Self {
        Self::default()
    }

    /// Takes ranges in any order; the ends of one may come the wrong way round (RFC 9051 §9).
    pub fn new(ranges: impl IntoIterator<Item = (Uid, Uid)>) -> Self {
        let mut ranges: Vec<(Uid, Uid)> = ranges.into_iter().map(|(one, two)| (one.min(two), one.max(two))).collect();
        ranges.sort_unstable();
        let mut out: Vec<(Uid, Uid)> = Vec::with_capacity(ranges.len());
        for (first, last) in ranges {
            match out.last_mut() {
                Some((_, end)) if first.get() <= end.get().saturating_add(1) => *end = (*end).max(last),
                _ => out.push((first, last)),
            }
        }
        Self(out)
    }

    /// Is there nothing in it?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Is this UID in it?
    pub fn contains(&self, uid: Uid) -> bool {
        let at = self.0.partition_point(|(_, last)| *last < uid);
        self.0.get(at).is_some_and(|(first, _)| *first <= uid)
    }

    /// The ranges, first and last UID of each, sorted.
    pub fn ranges(&self) -> &[(Uid, Uid)] {
        &self.0
    }
}

impl FromIterator<Uid> for UidRanges {
    fn from_iter<I: IntoIterator<Item = Uid>>(uids: I) -> Self {
        Self::new(uids.into_iter().map(|uid| (uid, uid)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(ranges: &[(u32, u32)]) -> UidRanges {
        UidRanges::new(ranges.iter().map(|(a, b)| (Uid::new(*a).unwrap(), Uid::new(*b).unwrap())))
    }

    #[test]
    fn ranges_are_sorted_and_joined() {
        let plain = |set: &UidRanges| set.ranges().iter().map(|(a, b)| (a.get(), b.get())).collect::<Vec<_>>();
        assert_eq!(plain(&set(&[(7, 5), (1, 1), (2, 3), (9, u32::MAX), (6, 6)])), [(1, 3), (5, 7), (9, u32::MAX)]);
        assert_eq!(plain(&set(&[(1, u32::MAX), (4, 4)])), [(1, u32::MAX)]);
        assert_eq!(set(&[(3, 3), (4, 4)]), [4, 3].into_iter().filter_map(Uid::new).collect());
    }

    #[test]
    fn membership() {
        let some = set(&[(2, 3), (7, 9)]);
        let inside: Vec<u32> = (1..12).filter(|n| some.contains(Uid::new(*n).unwrap())).collect();
        assert_eq!(inside, [2, 3, 7, 8, 9]);
        assert!(UidRanges::none().is_empty() && !UidRanges::none().contains(Uid::MIN));
    }
}
