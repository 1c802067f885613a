//! What a server lists of a mailbox's messages, and whether it can be true: UIDs are not zero, lie below
//! UIDNEXT, and belong to one message each (RFC 9051 §2.3.1.1). Pure; what cannot be true is told, and
//! whoever asks takes nothing for gone because of it.

use crate::mail::clean::Clean;
use crate::mail::ids::Uid;
use crate::mail::ranges::UidRanges;
use crate::remote::RemoteItem;

use super::replies::{self, Extent, Ranges};
use super::tokens::Response;

/// The FETCH responses of a listing.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// What was told, with the number in the mailbox, in the order in which it came.
    told: Vec<(u64, RemoteItem)>,
    /// Lines that told of a message and could not be read.
    pub(super) lost: usize,
}

impl Listing {
    /// Did it tell of nothing at all?
    pub(super) fn is_empty(&self) -> bool {
        self.told.is_empty() && self.lost == 0
    }

    /// Takes a FETCH response.
    pub(super) fn take(&mut self, response: &Response) {
        match replies::fetch(response, Extent::Whole) {
            Ok(item) => {
                let number = response.after_star().next().ok().flatten().and_then(|token| token.number());
                if let (Some(uid), Some(flags)) = (item.uid, item.flags) {
                    let labels = item.labels;
                    self.told.push((number.unwrap_or_default(), RemoteItem { uid, flags, labels }));
                }
            }
            Err(error) => {
                self.lost += 1;
                let shown = response.text.get(..response.text.len().min(200)).unwrap_or_default();
                tracing::warn!("a FETCH line makes no sense ({}): {}", error.0, Clean::bytes(shown));
            }
        }
    }

    /// The messages, sorted; of two lines on one message the later one is the newer truth. And whether
    /// two messages were given the same UID: numbers tell, as long as none was expunged meanwhile.
    pub(super) fn sorted(mut self) -> (Vec<RemoteItem>, bool) {
        self.told.reverse();
        self.told.sort_by_key(|(_, item)| item.uid);
        let mut ambiguous = false;
        self.told.dedup_by(|(old_number, old), (number, new)| {
            let same = old.uid == new.uid;
            ambiguous |= same && old_number != number;
            if same && new.labels.is_none() {
                // A line that nobody asked for tells of flags alone.
                new.labels = old.labels.take();
            }
            same
        });
        (self.told.into_iter().map(|(_, item)| item).collect(), ambiguous)
    }
}

/// The UIDs of ranges, sorted; `None` if one comes twice or there are more than `most`.
pub(super) fn distinct(ranges: &Ranges, most: usize) -> Option<Vec<Uid>> {
    let mut uids = replies::expand(ranges, most)?;
    uids.sort_unstable();
    uids.windows(2).all(|pair| pair.first() != pair.last()).then_some(uids)
}

/// How many of sorted UIDs are at or above `next`.
pub(super) fn beyond(uids: &[Uid], next: Uid) -> usize {
    uids.len() - uids.partition_point(|uid| *uid < next)
}

/// How many UIDs below `next` are in the ranges.
pub(super) fn size_below(ranges: &UidRanges, next: Uid) -> u64 {
    let last = next.get() - 1;
    let inside = ranges.ranges().iter().map(|(a, b)| (a.get(), b.get().min(last)));
    inside.filter(|(a, b)| a <= b).map(|(a, b)| u64::from(b - a) + 1).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::flags::Flags;
    use proptest::prelude::*;

    fn uid(number: u32) -> Uid {
        Uid::new(number).unwrap()
    }

    fn listing(lines: &[&str]) -> Listing {
        let mut listing = Listing::default();
        for line in lines {
            listing.take(&Response::of(line));
        }
        listing
    }

    #[test]
    fn the_later_line_counts_and_one_uid_is_one_message() {
        let told =
            listing(&["* 2 FETCH (UID 9 FLAGS ())", "* 1 FETCH (FLAGS () UID 4)", "* 2 FETCH (UID 9 FLAGS (a))"]);
        let (items, ambiguous) = told.sorted();
        assert_eq!(items.iter().map(|item| item.uid.get()).collect::<Vec<_>>(), [4, 9]);
        assert_eq!((items[1].flags.clone(), ambiguous), (Flags::from_imap(["a"]), false));
        assert!(listing(&["* 1 FETCH (UID 4 FLAGS ())", "* 2 FETCH (UID 4 FLAGS ())"]).sorted().1);
        assert_eq!(listing(&["* 1 FETCH (UID 0 FLAGS ())", "* 1 FETCH (UID 1 FLAGS"]).lost, 2);
    }

    #[test]
    fn sets_are_counted_and_not_expanded() {
        let all = UidRanges::new([(Uid::MIN, uid(u32::MAX))]);
        assert_eq!((size_below(&all, uid(100)), size_below(&all, Uid::MIN)), (99, 0));
        assert_eq!(size_below(&UidRanges::new([(uid(2), uid(3)), (uid(7), uid(200))]), uid(10)), 5);
        assert_eq!(beyond(&[uid(1), uid(9), uid(10)], uid(9)), 2);
        assert_eq!(distinct(&vec![(3, 4), (1, 1)], 9), Some(vec![uid(1), uid(3), uid(4)]));
        assert_eq!((distinct(&vec![(3, 4), (4, 4)], 9), distinct(&vec![(1, 4)], 3)), (None, None));
    }

    proptest! {
        #[test]
        fn any_lines_are_messages_in_order_or_lost(lines in prop::collection::vec("\\* [0-9]{0,3} FETCH \\(?(UID [0-9]{1,4}|FLAGS \\([a-z ]{0,5}\\)|MODSEQ \\([0-9]{1,3}\\)| |\\PC){0,5}\\)?", 0..12)) {
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            let told = listing(&lines);
            let lost = told.lost;
            let (items, _) = told.sorted();
            prop_assert!(items.windows(2).all(|pair| pair[0].uid < pair[1].uid));
            prop_assert!(items.len() + lost <= lines.len());
        }
    }
}
