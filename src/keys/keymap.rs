//! Which action a key means, in each context: a trie made of the action table, with the user's own
//! keys laid over it. `feed` takes one key after another; a prefix waits for as long as it takes.

use std::collections::BTreeMap;

use super::action::{Action, Context, Row, TABLE};
use super::key::{Key, Keys};

/// The largest count that is taken before a key: any row of a long list can be named.
const MAX_COUNT: u32 = 99_999_999;

/// What each key means.
#[derive(Debug, Clone, Default)]
pub struct Keymap {
    tries: BTreeMap<Context, Node>,
}

#[derive(Debug, Clone, Default)]
struct Node {
    action: Option<Action>,
    next: BTreeMap<Key, Node>,
}

/// What was typed of a count and of a prefix so far.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pending {
    /// The count.
    pub count: Option<u32>,
    /// The keys.
    pub keys: Vec<Key>,
}

impl Pending {
    /// Forgets what was typed.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Is nothing half typed?
    pub fn is_empty(&self) -> bool {
        self.count.is_none() && self.keys.is_empty()
    }
}

/// An action, with what was typed to ask for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    /// The action.
    pub action: Action,
    /// The count before it.
    pub count: Option<u32>,
    /// The last key, for actions that have a row of keys (`Alt-1` to `Alt-9`).
    pub key: Key,
}

/// What a key came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It is this action.
    Action(Bound),
    /// It begins a longer sequence, or is a digit of a count.
    More,
    /// It means nothing here; in a text context it is text.
    Unbound,
}

/// One line of the which-key popup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The next key.
    pub key: Key,
    /// What it does; `None`: it begins a longer sequence.
    pub action: Option<Action>,
}

/// One line of the user's keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Override<'a> {
    /// The context's word, e.g. `list`.
    pub context: &'a str,
    /// The keys as written.
    pub keys: &'a str,
    /// The action's name, or `none`.
    pub action: &'a str,
}

/// What is wrong with a line of the user's keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Which line: an index into what was given.
    pub index: usize,
    /// What is wrong. The line is passed over, unless `kept`.
    pub message: String,
    /// Was the line taken in all the same (a warning)?
    pub kept: bool,
}

impl Keymap {
    /// The keys of the action table.
    pub fn standard() -> Self {
        let mut map = Self::default();
        for row in TABLE {
            for keys in row.keys {
                let Ok(keys) = keys.parse::<Keys>() else { continue };
                for context in row.contexts {
                    map.bind(*context, &keys, row.action);
                }
            }
        }
        map
    }

    /// The standard keys with the user's over them, and what is wrong with these.
    pub fn with_overrides<'a>(overrides: impl IntoIterator<Item = Override<'a>>) -> (Self, Vec<Trouble>) {
        let mut map = Self::standard();
        let mut troubles = Vec::new();
        for (index, line) in overrides.into_iter().enumerate() {
            match map.lay_over(line) {
                Ok(None) => {}
                Ok(Some(message)) => troubles.push(Trouble { index, message, kept: true }),
                Err(message) => troubles.push(Trouble { index, message, kept: false }),
            }
        }
        (map, troubles)
    }

    /// Takes one line in; gives back a warning where it hides other keys.
    fn lay_over(&mut self, line: Override<'_>) -> Result<Option<String>, String> {
        let contexts: Vec<Context> = if line.context == "all" {
            Context::ALL.into_iter().filter(|context| !context.is_text()).collect()
        } else {
            let known = Context::from_word(line.context)
                .ok_or_else(|| format!("`{}` is no place for keys: {}", line.context, Context::words().join(", ")))?;
            vec![known]
        };
        let keys: Keys = line.keys.parse()?;
        if line.action == "none" {
            for context in contexts {
                self.unbind(context, &keys);
            }
            return Ok(None);
        }
        let action = Action::from_name(line.action).ok_or_else(|| match nearest(line.action) {
            Some(name) => format!("`{}` is no action; did you mean `{name}`?", line.action),
            None => format!("`{}` is no action; `:` lists them", line.action),
        })?;
        let mut warning = None;
        let mut bound = false;
        for context in contexts {
            if action.row().contexts.contains(&context) {
                bound = true;
                if let Some(hidden) = self.bind(context, &keys, action) {
                    warning = Some(format!("`{keys}` hides the longer keys that begin with it, or `{hidden}`"));
                }
            }
        }
        if bound { Ok(warning) } else { Err(format!("`{}` does not work in `{}`", line.action, line.context)) }
    }

    /// Binds; gives back the keys of a binding that cannot be reached any more because one of the
    /// two begins with the other.
    fn bind(&mut self, context: Context, keys: &Keys, action: Action) -> Option<Keys> {
        let mut node = self.tries.entry(context).or_default();
        let mut hidden = None;
        for (depth, key) in keys.0.iter().enumerate() {
            if node.action.take().is_some() {
                hidden = Some(Keys(keys.0.iter().take(depth).copied().collect()));
            }
            node = node.next.entry(*key).or_default();
        }
        if !node.next.is_empty() {
            node.next.clear();
            hidden = Some(keys.clone());
        }
        node.action = Some(action);
        hidden
    }

    fn unbind(&mut self, context: Context, keys: &Keys) {
        if let Some(root) = self.tries.get_mut(&context) {
            prune(root, &keys.0);
        }
    }

    fn node(&self, context: Context, keys: &[Key]) -> Option<&Node> {
        let mut node = self.tries.get(&context)?;
        for key in keys {
            node = node.next.get(key)?;
        }
        Some(node)
    }

    /// Takes one key. `pending` remembers what was half typed and is cleared by whatever ends it.
    pub fn feed(&self, context: Context, pending: &mut Pending, key: Key) -> Step {
        let key = key.normal();
        let counts = !context.is_text() && pending.keys.is_empty() && !key.ctrl && !key.alt;
        let free = self.node(context, &[key]).is_none();
        if let (true, true, Some(digit)) = (counts, free, key.digit())
            && (digit > 0 || pending.count.is_some())
        {
            let count = pending.count.unwrap_or(0).saturating_mul(10).saturating_add(digit);
            pending.count = Some(count.min(MAX_COUNT));
            return Step::More;
        }
        pending.keys.push(key);
        match self.node(context, &pending.keys) {
            None => {
                pending.clear();
                Step::Unbound
            }
            Some(Node { action: Some(action), .. }) => {
                let count = pending.count;
                pending.clear();
                Step::Action(Bound { action: *action, count, key })
            }
            Some(_) => Step::More,
        }
    }

    /// What may follow a prefix, in the order of the table, for the which-key popup.
    pub fn under(&self, context: Context, prefix: &[Key]) -> Vec<Entry> {
        let Some(node) = self.node(context, prefix) else { return Vec::new() };
        let mut entries: Vec<Entry> =
            node.next.iter().map(|(key, node)| Entry { key: *key, action: node.action }).collect();
        entries.sort_by_key(|entry| entry.action.map_or(usize::MAX, Action::index));
        entries
    }

    /// The keys of an action in a context: shortest first, then as the table has them.
    pub fn keys_of(&self, context: Context, action: Action) -> Vec<Keys> {
        let mut found = Vec::new();
        if let Some(root) = self.tries.get(&context) {
            collect(root, &mut Vec::new(), action, &mut found);
        }
        let rank = |keys: &Keys| {
            let text = keys.to_string();
            action.row().keys.iter().position(|k| *k == text).unwrap_or(0)
        };
        found.sort_by_key(|keys| (rank(keys), keys.0.len()));
        found
    }

    /// The first key of an action in a context, as text.
    pub fn key_of(&self, context: Context, action: Action) -> Option<String> {
        self.keys_of(context, action).first().map(ToString::to_string)
    }
}

fn prune(node: &mut Node, keys: &[Key]) {
    let Some((first, rest)) = keys.split_first() else {
        node.action = None;
        node.next.clear();
        return;
    };
    if let Some(child) = node.next.get_mut(first) {
        prune(child, rest);
        if child.action.is_none() && child.next.is_empty() {
            node.next.remove(first);
        }
    }
}

fn collect(node: &Node, path: &mut Vec<Key>, action: Action, found: &mut Vec<Keys>) {
    if node.action == Some(action) {
        found.push(Keys(path.clone()));
    }
    for (key, child) in &node.next {
        path.push(*key);
        collect(child, path, action, found);
        path.pop();
    }
}

/// The action whose name shares the most with what was written, for "did you mean".
fn nearest(name: &str) -> Option<&'static str> {
    let last = name.rsplit('.').next().unwrap_or(name);
    let near = |row: &&Row| {
        let leaf = row.name.rsplit('.').next().unwrap_or(row.name);
        leaf == last || (last.len() >= 3 && (leaf.starts_with(last) || last.starts_with(leaf)))
    };
    TABLE.iter().find(near).map(|row| row.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(map: &Keymap, context: Context, text: &str) -> Vec<Step> {
        let mut pending = Pending::default();
        let keys: Keys = text.parse().unwrap();
        keys.0.into_iter().map(|key| map.feed(context, &mut pending, key)).collect()
    }

    #[test]
    fn counts_and_prefixes() {
        let map = Keymap::standard();
        let steps = press(&map, Context::List, "1 0 j");
        assert_eq!(steps[..2], [Step::More, Step::More]);
        assert!(matches!(steps[2], Step::Action(Bound { action: Action::Down, count: Some(10), .. })));
        let steps = press(&map, Context::List, "5 0 0 0 0 G");
        assert!(matches!(steps[5], Step::Action(Bound { action: Action::Bottom, count: Some(50_000), .. })));
        let steps = press(&map, Context::List, "gg");
        assert_eq!(steps[0], Step::More);
        assert!(matches!(steps[1], Step::Action(Bound { action: Action::Top, count: None, .. })));
        assert_eq!(press(&map, Context::List, "g F9")[1], Step::Unbound);
        assert_eq!(press(&map, Context::List, "0")[0], Step::Unbound);
    }

    #[test]
    fn a_text_context_leaves_letters_and_digits_alone() {
        let map = Keymap::standard();
        for key in ["a", "7", "g", "?"] {
            assert_eq!(press(&map, Context::Prompt, key), [Step::Unbound]);
        }
    }

    #[test]
    fn the_users_keys_win_and_bad_lines_are_told() {
        let lines = [
            Override { context: "list", keys: "a", action: "none" },
            Override { context: "list", keys: "ga", action: "message.archive" },
            Override { context: "list", keys: "x", action: "message.archivee" },
            Override { context: "lisst", keys: "x", action: "message.archive" },
            Override { context: "list", keys: "g", action: "message.trash" },
        ];
        let (map, troubles) = Keymap::with_overrides(lines);
        assert_eq!(press(&map, Context::List, "a"), [Step::Unbound]);
        assert!(matches!(press(&map, Context::List, "g")[0], Step::Action(Bound { action: Action::Trash, .. })));
        assert_eq!(troubles.iter().map(|t| (t.index, t.kept)).collect::<Vec<_>>(), [(2, false), (3, false), (4, true)]);
        assert!(troubles[0].message.contains("message.archive"), "{troubles:?}");
    }

    #[test]
    fn which_key_lists_what_follows() {
        let map = Keymap::standard();
        let g: Vec<String> =
            map.under(Context::List, &[Key::char('g')]).iter().map(|entry| entry.key.to_string()).collect();
        assert!(g.contains(&"i".to_owned()) && g.contains(&"g".to_owned()), "{g:?}");
        assert_eq!(map.key_of(Context::List, Action::Archive).as_deref(), Some("a"));
    }
}
