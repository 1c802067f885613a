//! Where the rows of a list are that its SQL index does not have in their places: what is asleep is left out, what
//! came back stands first, and a conversation that is unfolded takes as many rows as it has messages. These are
//! few, so a position in the list is told from one in the index by a walk over them.

use std::collections::{BTreeMap, BTreeSet};

/// A row of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot {
    /// One of those that stand first.
    Pinned(usize),
    /// A row of the index.
    Row(usize),
    /// A message of the conversation that is this row of the index.
    Part(usize, usize),
}

/// How a list is laid out.
#[derive(Debug, Clone, Default)]
pub(super) struct Layout {
    /// How many rows stand first.
    pub(super) pinned: usize,
    /// How many rows the index has.
    pub(super) rows: usize,
    /// Rows of the index that are left out.
    pub(super) gone: BTreeSet<usize>,
    /// Rows of the index that take so many rows.
    pub(super) unfolded: BTreeMap<usize, usize>,
}

/// Rows that follow each other.
#[derive(Debug, Clone, Copy)]
enum Stretch {
    Pinned(usize),
    Rows { from: usize, count: usize },
    Parts { of: usize, count: usize },
}

impl Stretch {
    fn len(self) -> usize {
        match self {
            Self::Pinned(count) | Self::Rows { count, .. } | Self::Parts { count, .. } => count,
        }
    }

    fn at(self, nth: usize) -> Slot {
        match self {
            Self::Pinned(_) => Slot::Pinned(nth),
            Self::Rows { from, .. } => Slot::Row(from + nth),
            Self::Parts { of, .. } => Slot::Part(of, nth),
        }
    }

    fn find(self, slot: Slot) -> Option<usize> {
        let nth = match (self, slot) {
            (Self::Pinned(_), Slot::Pinned(nth)) => Some(nth),
            (Self::Rows { from, .. }, Slot::Row(at)) => at.checked_sub(from),
            (Self::Parts { of, .. }, Slot::Part(at, nth)) => (of == at).then_some(nth),
            _ => None,
        };
        nth.filter(|nth| *nth < self.len())
    }
}

impl Layout {
    fn stretches(&self) -> Vec<Stretch> {
        let gone = self.gone.iter().map(|at| (*at, 0));
        let mut odd: BTreeMap<usize, usize> = self.unfolded.clone();
        odd.extend(gone);
        let mut stretches = vec![Stretch::Pinned(self.pinned)];
        let mut from = 0;
        for (at, count) in odd.into_iter().filter(|(at, _)| *at < self.rows) {
            stretches.push(Stretch::Rows { from, count: at.saturating_sub(from) });
            stretches.push(Stretch::Parts { of: at, count });
            from = at + 1;
        }
        stretches.push(Stretch::Rows { from, count: self.rows.saturating_sub(from) });
        stretches
    }

    /// How many rows the list has.
    pub(super) fn total(&self) -> usize {
        self.stretches().into_iter().map(Stretch::len).sum()
    }

    /// The rows `[first, first + count)` of the list.
    pub(super) fn slots(&self, first: usize, count: usize) -> Vec<Slot> {
        let end = first.saturating_add(count);
        let mut slots = Vec::new();
        let mut begin = 0;
        for stretch in self.stretches() {
            let after = begin + stretch.len();
            slots.extend((first.max(begin)..end.min(after)).map(|at| stretch.at(at - begin)));
            begin = after;
        }
        slots
    }

    /// Where a row stands in the list, unless it is left out.
    pub(super) fn position(&self, slot: Slot) -> Option<usize> {
        let mut begin = 0;
        for stretch in self.stretches() {
            if let Some(nth) = stretch.find(slot) {
                return Some(begin + nth);
            }
            begin += stretch.len();
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layout_is_what_its_rows_written_out_are() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..300 {
            let rows = random.usize(0..12);
            let layout = Layout {
                pinned: random.usize(0..3),
                rows,
                gone: (0..rows).filter(|_| random.u8(0..4) == 0).collect(),
                unfolded: (0..rows + 2)
                    .map(|at| (at, random.usize(0..12)))
                    .filter(|(_, count)| (1..4).contains(count))
                    .collect(),
            };
            let mut written: Vec<Slot> = (0..layout.pinned).map(Slot::Pinned).collect();
            for at in (0..rows).filter(|at| !layout.gone.contains(at)) {
                match layout.unfolded.get(&at) {
                    Some(count) => written.extend((0..*count).map(|nth| Slot::Part(at, nth))),
                    None => written.push(Slot::Row(at)),
                }
            }
            assert_eq!(layout.total(), written.len(), "{layout:?}");
            for first in 0..=written.len() {
                let count = random.usize(0..6);
                let wanted: Vec<Slot> = written.iter().skip(first).take(count).copied().collect();
                assert_eq!(layout.slots(first, count), wanted, "{layout:?} from {first}");
            }
            for (at, slot) in written.iter().enumerate() {
                assert_eq!(layout.position(*slot), Some(at), "{layout:?}");
            }
            for at in &layout.gone {
                assert_eq!(layout.position(Slot::Row(*at)), None, "{layout:?}");
            }
        }
    }
}
