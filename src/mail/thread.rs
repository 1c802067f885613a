//! Order of a conversation: who answers whom, by References and In-Reply-To, as Jamie Zawinski's algorithm
//! and RFC 5256 (REFERENCES) tell it, oldest message first, so that the order of arrival does not matter.
//! Subjects are never compared. Pure and iterative; every message comes out once.

use std::collections::{BTreeMap, HashMap};

use super::ids::{MessageId, Timestamp};

/// A message of a conversation.
#[derive(Debug, Clone, Copy)]
pub struct Member<'a> {
    /// Its Message-ID.
    pub message_id: Option<&'a MessageId>,
    /// Its References, oldest first.
    pub references: &'a [MessageId],
    /// Its In-Reply-To: the first counts where there are no References.
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

/// The nearest member above each member: its index, where there is one.
pub fn parents(members: &[Member<'_>]) -> Vec<Option<usize>> {
    let mut forest = Forest::of(members);
    let mut order: Vec<usize> = (0..members.len()).collect();
    order.sort_by_key(|&at| (members.get(at).map(|member| member.date), at));
    for at in order {
        if let Some(member) = members.get(at) {
            forest.place(at, member);
        }
    }
    (0..members.len()).map(|at| forest.member_above(at)).collect()
}

/// Messages and those that they name, whether here or not, as parents and children. Never a ring.
struct Forest<'a> {
    members: usize,
    by_id: HashMap<&'a str, usize>,
    /// The parent of each: first the members, then those that are only named.
    parents: Vec<Option<usize>>,
    /// Was each ever above another? What was not needs no walk to know that a link makes no ring.
    above: Vec<bool>,
}

impl<'a> Forest<'a> {
    fn of(members: &[Member<'a>]) -> Self {
        let mut by_id = HashMap::with_capacity(members.len());
        for (at, member) in members.iter().enumerate() {
            if let Some(id) = member.message_id {
                by_id.entry(id.as_str()).or_insert(at);
            }
        }
        Self { members: members.len(), by_id, parents: vec![None; members.len()], above: vec![false; members.len()] }
    }

    fn node(&mut self, id: &'a MessageId) -> usize {
        let next = self.parents.len();
        let at = *self.by_id.entry(id.as_str()).or_insert(next);
        if at == next {
            self.parents.push(None);
            self.above.push(false);
        }
        at
    }

    /// Links what a message names, each below the one before where it has no parent yet, and then the
    /// message below the last: its own word counts more than what was presumed of it.
    fn place(&mut self, at: usize, member: &Member<'a>) {
        let ids = if member.references.is_empty() { member.in_reply_to.get(..1) } else { Some(member.references) };
        let mut above = None;
        for id in ids.unwrap_or_default() {
            let node = self.node(id);
            if let Some(above) = above
                && self.parents.get(node) == Some(&None)
                && !self.is_above(node, above)
            {
                self.set(node, Some(above));
            }
            above = Some(node);
        }
        self.set(at, above.filter(|&above| !self.is_above(at, above)));
    }

    fn set(&mut self, node: usize, parent: Option<usize>) {
        if let Some(slot) = self.parents.get_mut(node) {
            *slot = parent;
        }
        if let Some(above) = parent.and_then(|parent| self.above.get_mut(parent)) {
            *above = true;
        }
    }

    fn parent(&self, node: usize) -> Option<usize> {
        self.parents.get(node).copied().flatten()
    }

    /// Is `node` an ancestor of `of`, or the same?
    fn is_above(&self, node: usize, of: usize) -> bool {
        let was_above = self.above.get(node).copied().unwrap_or(false);
        node == of || was_above && std::iter::successors(Some(of), |&at| self.parent(at)).any(|at| at == node)
    }

    /// What is not here is passed over.
    fn member_above(&self, at: usize) -> Option<usize> {
        std::iter::successors(self.parent(at), |&at| self.parent(at)).find(|&at| at < self.members)
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
