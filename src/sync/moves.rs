//! Finds moves: a message that is gone in one mailbox and new in another was moved. Where that
//! happened here, the server shall move it too instead of taking it as an upload and a delete; where
//! it happened there, its file is brought over instead of being fetched again. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::changes::{Agreed, Base, Identity, Leaving, LocalChanges};
use crate::mail::ids::Uid;
use crate::mail::mailbox::MailboxName;
use crate::mail::place::UniqueName;

/// The local changes of one mailbox with the base that they were found against.
#[derive(Debug)]
pub struct Side {
    /// Which mailbox.
    pub mailbox: MailboxName,
    /// Its base.
    pub base: Base,
    /// What changed in it; `leaving` and `arriving` are filled in by [`join_moves`].
    pub changes: LocalChanges,
    /// Files whose append was begun once: perhaps the server has them, so they are not moved there.
    pub appended: BTreeSet<UniqueName>,
}

/// Takes nothing for gone that is not known to lie in another mailbox: for when one of them could not be
/// read whole, in which it may lie. Tells whether anything was held back.
pub fn hold_back(changes: &mut LocalChanges) -> bool {
    let before = changes.gone.len();
    changes.gone.retain(|uid| changes.leaving.contains_key(uid));
    changes.gone.len() < before
}

/// Pairs what is gone in one mailbox with what is new in another: by the file's name first, then by
/// Message-ID and size, one to one. A file whose name says that it was fetched from the mailbox it
/// lies in is taken for moved only if it came back: if another mailbox knows that very name.
pub fn join_moves(sides: &mut [Side]) {
    let mut by_name: BTreeMap<&UniqueName, (usize, Uid)> = BTreeMap::new();
    let mut by_id: BTreeMap<(u64, u64), Vec<(usize, Uid)>> = BTreeMap::new();
    for (from, side) in sides.iter().enumerate() {
        for (uid, row) in side.changes.gone.iter().filter_map(|uid| Some((*uid, side.base.get(*uid)?))) {
            by_name.insert(&row.unique, (from, uid));
            if let Some(id) = row.identity.id {
                by_id.entry((id, row.identity.size)).or_default().push((from, uid));
            }
        }
    }
    let mut taken = BTreeSet::new();
    let mut found = Vec::new();
    let mut claim = |to: usize, unique: &UniqueName, source: Option<(usize, Uid)>| {
        let Some(source) = source.filter(|source| source.0 != to && !taken.contains(source)) else { return false };
        taken.insert(source);
        found.push((source, to, unique.clone()));
        true
    };
    let mut rest = Vec::new();
    for (to, side) in sides.iter().enumerate() {
        for (unique, file) in side.changes.new.iter().filter(|(unique, _)| !side.appended.contains(*unique)) {
            let source = by_name.get(unique).copied().filter(|(from, uid)| {
                sides
                    .get(*from)
                    .and_then(|side| side.base.get(*uid))
                    .is_some_and(|row| may_be(row, file.identity.as_ref()))
            });
            if !claim(to, unique, source) && file.origin.is_none() {
                rest.push((to, unique, file));
            }
        }
    }
    for (to, unique, file) in rest {
        let Some(Identity { size, id: Some(id), .. }) = file.identity else { continue };
        for source in by_id.get(&(id, size)).into_iter().flatten() {
            if claim(to, unique, Some(*source)) {
                break;
            }
        }
    }
    for ((from, uid), to, unique) in found {
        let Some(target) = sides.get_mut(to) else { continue };
        target.changes.arriving.insert(unique.clone());
        // What its name tells is over: the message that it was fetched from went away and comes back as
        // another one.
        if let Some(file) = target.changes.new.get_mut(&unique) {
            file.origin = None;
        }
        let to = target.mailbox.clone();
        if let Some(source) = sides.get_mut(from) {
            source.changes.leaving.insert(uid, Leaving { to, unique });
        }
    }
}

/// Can a file of this identity be the message of that row? One name may be used again by another
/// program for another mail.
fn may_be(row: &Agreed, identity: Option<&Identity>) -> bool {
    identity.is_none_or(|identity| identity.size == row.identity.size && identity.id == row.identity.id)
}

/// A message in one of several mailboxes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seat {
    /// Which mailbox, by its number among them.
    pub mailbox: usize,
    /// The UID there.
    pub uid: Uid,
}

/// Pairs what is gone on the server in one mailbox with what is new there in another, by Message-ID
/// and size: from where, to where. Equal messages are paired one to one in the order of their UIDs;
/// where more than one mailbox, or more messages than left, could be meant, nothing is guessed.
pub fn join_server_moves(gone: &[(Seat, Identity)], new: &[(Seat, Identity)]) -> Vec<(Seat, Seat)> {
    let mut by_identity: BTreeMap<(u64, u64), (Vec<Seat>, Vec<Seat>)> = BTreeMap::new();
    for (seat, identity) in gone {
        if let Some(id) = identity.id {
            by_identity.entry((id, identity.size)).or_default().0.push(*seat);
        }
    }
    for (seat, identity) in new {
        if let Some((_, arrived)) = identity.id.and_then(|id| by_identity.get_mut(&(id, identity.size))) {
            arrived.push(*seat);
        }
    }
    let mut found = Vec::new();
    for (mut left, mut arrived) in by_identity.into_values() {
        let (Some(from), Some(to)) = (left.first(), arrived.first()) else { continue };
        let one_way = from.mailbox != to.mailbox
            && left.iter().all(|seat| seat.mailbox == from.mailbox)
            && arrived.iter().all(|seat| seat.mailbox == to.mailbox);
        if one_way && left.len() == arrived.len() {
            left.sort_unstable();
            arrived.sort_unstable();
            found.extend(left.into_iter().zip(arrived));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::flags::Flags;
    use crate::sync::changes::NewHere;

    fn identity(id: Option<u64>, size: u64) -> Identity {
        Identity { size, id, digest: None }
    }

    fn side(name: &str, gone: &[(u32, &str, Option<u64>)], new: &[(&str, Option<u64>)]) -> Side {
        let uid = |n| Uid::new(n).unwrap();
        let rows = gone.iter().map(|(n, unique, id)| {
            let unique = UniqueName::new(unique).unwrap();
            (uid(*n), Agreed { unique, flags: Flags::none(), identity: identity(*id, 10) })
        });
        let new = new.iter().map(|(unique, id)| {
            let file = NewHere { flags: Flags::none(), origin: None, identity: Some(identity(*id, 10)) };
            (UniqueName::new(unique).unwrap(), file)
        });
        Side {
            mailbox: MailboxName::new(name).unwrap(),
            base: Base::new(None, rows),
            changes: LocalChanges {
                new: new.collect(),
                gone: gone.iter().map(|(n, ..)| uid(*n)).collect(),
                ..LocalChanges::default()
            },
            appended: BTreeSet::new(),
        }
    }

    fn moves(sides: &[Side]) -> Vec<String> {
        let line = |side: &Side, uid: &Uid, leaving: &Leaving| {
            format!("{}:{} -> {}/{}", side.mailbox, uid.get(), leaving.to, leaving.unique.as_str())
        };
        sides.iter().flat_map(|side| side.changes.leaving.iter().map(move |(uid, to)| line(side, uid, to))).collect()
    }

    #[test]
    fn a_file_that_kept_or_changed_its_name_was_moved() {
        let mut sides = [
            side("INBOX", &[(1, "a", None), (2, "b", Some(1)), (3, "c", Some(2))], &[]),
            side("Archive", &[], &[("a", None), ("other", Some(1)), ("fresh", Some(3))]),
        ];
        join_moves(&mut sides);
        assert_eq!(moves(&sides), ["INBOX:1 -> Archive/a", "INBOX:2 -> Archive/other"]);
        assert_eq!(sides[1].changes.arriving.len(), 2);
    }

    #[test]
    fn a_file_that_went_away_and_came_back_was_moved_back() {
        let mut sides = [side("INBOX", &[], &[("a", None), ("b", None)]), side("Archive", &[(7, "a", None)], &[])];
        for file in sides[0].changes.new.values_mut() {
            file.origin = Some((crate::mail::ids::UidValidity::new(1).unwrap(), Uid::new(1).unwrap()));
        }
        join_moves(&mut sides);
        assert_eq!(moves(&sides), ["Archive:7 -> INBOX/a"]);
        let origins: Vec<bool> = sides[0].changes.new.values().map(|file| file.origin.is_some()).collect();
        assert_eq!(origins, [false, true]);
    }

    #[test]
    fn one_message_is_moved_once_and_copies_are_not_moves() {
        let mut sides = [
            side("INBOX", &[(1, "a", Some(1))], &[]),
            side("A", &[], &[("a", Some(1))]),
            side("B", &[], &[("b", Some(1))]),
        ];
        join_moves(&mut sides);
        assert_eq!(moves(&sides), ["INBOX:1 -> A/a"]);
    }

    #[test]
    fn a_reused_name_and_an_unknown_id_move_nothing() {
        let mut sides =
            [side("INBOX", &[(1, "a", Some(1)), (2, "b", None)], &[]), side("A", &[], &[("a", Some(4)), ("c", None)])];
        join_moves(&mut sides);
        assert!(moves(&sides).is_empty());
    }

    fn server_moves(gone: &[(usize, u32, u64)], new: &[(usize, u32, u64)]) -> Vec<String> {
        let seats = |all: &[(usize, u32, u64)]| -> Vec<(Seat, Identity)> {
            let one = |(mailbox, n, id): &(usize, u32, u64)| {
                (Seat { mailbox: *mailbox, uid: Uid::new(*n).unwrap() }, identity((*id > 0).then_some(*id), 10))
            };
            all.iter().map(one).collect()
        };
        let line = |(from, to): (Seat, Seat)| {
            format!("{}:{} -> {}:{}", from.mailbox, from.uid.get(), to.mailbox, to.uid.get())
        };
        join_server_moves(&seats(gone), &seats(new)).into_iter().map(line).collect()
    }

    #[test]
    fn what_left_one_mailbox_and_came_to_another_was_moved() {
        // (mailbox, UID, id; 0: none) that are gone, that are new, and what was moved.
        type Row = (&'static [(usize, u32, u64)], &'static [(usize, u32, u64)], &'static [&'static str]);
        let table: &[Row] = &[
            (&[(0, 1, 7)], &[(1, 9, 7)], &["0:1 -> 1:9"]),
            // Equal ones go one to one, in order.
            (&[(0, 2, 7), (0, 1, 7)], &[(1, 8, 7), (1, 9, 7)], &["0:1 -> 1:8", "0:2 -> 1:9"]),
            // One was moved and one removed, or one was moved and copied, or moved to one of two.
            (&[(0, 1, 7), (0, 2, 7)], &[(1, 9, 7)], &[]),
            (&[(0, 1, 7)], &[(1, 8, 7), (1, 9, 7)], &[]),
            (&[(0, 1, 7)], &[(1, 8, 7), (2, 9, 7)], &[]),
            (&[(0, 1, 7), (2, 1, 7)], &[(1, 8, 7), (1, 9, 7)], &[]),
            // Removed and put back in the same mailbox; another message; no Message-ID.
            (&[(0, 1, 7)], &[(0, 9, 7)], &[]),
            (&[(0, 1, 7)], &[(1, 9, 8)], &[]),
            (&[(0, 1, 0)], &[(1, 9, 0)], &[]),
        ];
        for (gone, new, moved) in table {
            assert_eq!(server_moves(gone, new), *moved, "{gone:?} {new:?}");
        }
    }
}
