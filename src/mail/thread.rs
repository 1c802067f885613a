//! Order of a conversation: who answers whom, by References and In-Reply-To, as JWZ and RFC 5256
//! (REFERENCES) do. Pure and iterative; loops are broken, so that every message comes out once.

use std::collections::{BTreeMap, HashMap};

use super::ids::{MessageId, Timestamp};

/// A message of a conversation.
#[derive(Debug, Clone, Copy)]
pub struct Member<'a> {
    /// Its Message-ID.
    pub message_id: Option<&'a MessageId>,
    /// Its References, oldest first.
    pub references: &'a [MessageId],
    /// Its In-Reply-To.
    pub in_reply_to: &'a [MessageId],
    /// When it was written.
    pub date: Timestamp,
}

/// Where a message stands in its conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Which member: its index in what was given.
    pub member: usize,
    /// How deep it is: 0 for one that answers nothing that is here.
    pub depth: u16,
}

/// Orders a conversation: each message behind what it answers, answers by date, oldest first.
/// Every member comes out once. An answer to a message that is not here stands below the nearest
/// ancestor that is.
pub fn order(members: &[Member<'_>]) -> Vec<Position> {
    let parents = parents(members);
    // Children by parent; `None` holds the roots. Sorted by date, then as given.
    let mut children: BTreeMap<Option<usize>, Vec<usize>> = BTreeMap::new();
    for (member, parent) in parents.iter().enumerate() {
        children.entry(*parent).or_default().push(member);
    }
    for siblings in children.values_mut() {
        siblings.sort_by_key(|&member| std::cmp::Reverse((members.get(member).map(|m| m.date), member)));
    }
    let mut out = Vec::with_capacity(members.len());
    let mut waiting: Vec<(usize, u16)> =
        children.remove(&None).unwrap_or_default().into_iter().map(|member| (member, 0)).collect();
    while let Some((member, depth)) = waiting.pop() {
        out.push(Position { member, depth });
        let below = children.remove(&Some(member)).unwrap_or_default();
        waiting.extend(below.into_iter().map(|child| (child, depth.saturating_add(1))));
    }
    out
}

/// The parent of each member, without loops.
fn parents(members: &[Member<'_>]) -> Vec<Option<usize>> {
    let mut by_id: HashMap<&str, usize> = HashMap::with_capacity(members.len());
    for (at, member) in members.iter().enumerate() {
        if let Some(id) = member.message_id {
            by_id.entry(id.as_str()).or_insert(at);
        }
    }
    let mut parents: Vec<Option<usize>> = members
        .iter()
        .enumerate()
        .map(|(at, member)| {
            let ancestors = member.references.iter().rev().chain(member.in_reply_to.first());
            ancestors.filter_map(|id| by_id.get(id.as_str()).copied()).find(|&parent| parent != at)
        })
        .collect();
    break_loops(&mut parents);
    parents
}

/// Cuts each ring of parents once. Each member is walked over once: `walk` says by which walk.
fn break_loops(parents: &mut [Option<usize>]) {
    let mut walked = vec![usize::MAX; parents.len()];
    for start in 0..parents.len() {
        let mut at = start;
        loop {
            match walked.get_mut(at) {
                Some(walk) if *walk == usize::MAX => *walk = start,
                _ => break,
            }
            let Some(Some(parent)) = parents.get(at).copied() else { break };
            if walked.get(parent) == Some(&start) {
                // The parent is on this very walk: a ring.
                if let Some(slot) = parents.get_mut(at) {
                    *slot = None;
                }
                break;
            }
            at = parent;
        }
    }
}

/// The subject without reply and forward marks, list names and trailers (RFC 5256 §2.1), blanks
/// joined. Two messages of one conversation have the same, but for case.
pub fn subject_base(subject: &str) -> String {
    let joined = subject.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut base = joined.as_str();
    loop {
        let before = base;
        base = without_trailer(base);
        base = without_mark(base).unwrap_or(base);
        // A list's name is dropped only where something is left.
        if let Some(rest) = without_blob(base)
            && !rest.is_empty()
        {
            base = rest;
        }
        if let Some(inner) = strip_prefix_ignore_case(base, "[fwd:").and_then(|rest| rest.strip_suffix(']')) {
            base = inner.trim();
        }
        if base == before {
            return base.to_owned();
        }
    }
}

fn strip_prefix_ignore_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let head = text.get(..prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then(|| text.get(prefix.len()..)).flatten()
}

fn without_trailer(text: &str) -> &str {
    let cut = text.len().saturating_sub(5);
    match text.get(cut..) {
        Some(tail) if tail.eq_ignore_ascii_case("(fwd)") => text.get(..cut).unwrap_or(text).trim_end(),
        _ => text,
    }
}

/// What follows `Re:`, `Fwd:`, `Re[2]:`, `Re [list]:` and the words for them in other tongues.
fn without_mark(text: &str) -> Option<&str> {
    const MARKS: [&str; 14] =
        ["re", "fwd", "fw", "aw", "wg", "sv", "vs", "vb", "antw", "odp", "rif", "tr", "回复", "答复"];
    let end = text.find([':', '[', ' ', '：'])?;
    let (word, rest) = text.split_at_checked(end)?;
    if !MARKS.iter().any(|mark| mark.eq_ignore_ascii_case(word)) {
        return None;
    }
    let rest = rest.trim_start();
    let rest = without_blob(rest).unwrap_or(rest);
    Some(rest.strip_prefix([':', '：'])?.trim_start())
}

/// What follows a leading `[…]`.
fn without_blob(text: &str) -> Option<&str> {
    let (blob, rest) = text.strip_prefix('[')?.split_once(']')?;
    (!blob.contains('[')).then(|| rest.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> MessageId {
        MessageId::new(text).unwrap()
    }

    /// Writes `(id, references, date)` as an ordered, indented list.
    fn ordered(mails: &[(&str, &[&str], i64)]) -> Vec<String> {
        let owned: Vec<_> = mails
            .iter()
            .map(|(name, refs, date)| (id(name), refs.iter().map(|r| id(r)).collect::<Vec<_>>(), Timestamp::new(*date)))
            .collect();
        let members: Vec<_> = owned
            .iter()
            .map(|(name, refs, date)| Member {
                message_id: Some(name),
                references: refs,
                in_reply_to: &[],
                date: *date,
            })
            .collect();
        order(&members).iter().map(|p| format!("{}{}", ".".repeat(p.depth.into()), mails[p.member].0)).collect()
    }

    #[test]
    fn answers_stand_below_what_they_answer_by_date() {
        let mails: &[(&str, &[&str], i64)] =
            &[("c", &["a", "b"], 30), ("a", &[], 10), ("d", &["a"], 15), ("b", &["a"], 20), ("e", &["gone", "b"], 40)];
        assert_eq!(ordered(mails), ["a", ".d", ".b", "..c", "..e"]);
    }

    #[test]
    fn a_missing_parent_is_bridged_and_loops_are_cut() {
        assert_eq!(ordered(&[("a", &[], 1), ("c", &["a", "gone"], 3)]), ["a", ".c"]);
        let ring = ordered(&[("a", &["c"], 1), ("b", &["a"], 2), ("c", &["b"], 3)]);
        assert_eq!(ring.len(), 3);
        assert_eq!(ordered(&[("a", &["a"], 1)]), ["a"]);
        assert_eq!(ordered(&[("a", &["b"], 1), ("b", &["a"], 2)]).len(), 2);
        // The same id twice: the second is a message of its own.
        assert_eq!(ordered(&[("a", &[], 1), ("a", &[], 2), ("b", &["a"], 3)]), ["a", ".b", "a"]);
    }

    #[test]
    fn a_chain_of_any_length_is_walked_without_recursion() {
        let names: Vec<String> = (0..20_000).map(|n| format!("m{n}@x")).collect();
        let ids: Vec<MessageId> = names.iter().map(|name| id(name)).collect();
        let members: Vec<_> = (0..ids.len())
            .map(|n| Member {
                message_id: Some(&ids[n]),
                references: if n == 0 { &[] } else { &ids[n - 1..n] },
                in_reply_to: &[],
                date: Timestamp::new(0),
            })
            .collect();
        let out = order(&members);
        assert_eq!(out.len(), ids.len());
        assert_eq!(out.last().map(|p| (p.member, p.depth)), Some((19_999, 19_999)));
    }

    #[test]
    fn base_subjects() {
        let table = [
            ("Re: hello", "hello"),
            ("RE: Fwd:  re[2]: hello   world", "hello world"),
            ("[list] Re: [list] hello", "hello"),
            ("Re [3]: hello", "hello"),
            ("AW: WG: hallo", "hallo"),
            ("[PATCH v2 1/3] fix it", "fix it"),
            ("[only a tag]", "[only a tag]"),
            ("hello (fwd)", "hello"),
            ("[Fwd: hello]", "hello"),
            ("Reading: list", "Reading: list"),
            ("Re:", ""),
            ("答复：你好", "你好"),
        ];
        for (subject, base) in table {
            assert_eq!(subject_base(subject), base, "{subject}");
        }
    }
}
