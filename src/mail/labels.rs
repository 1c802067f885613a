//! Labels of Gmail's kind: words on a message that a person sees as folders, although the message lies in
//! one place. Pure. How they are written on the wire is the business of `remote`, but for the names that the
//! provider gives its own, which begin with a backslash.

use std::collections::BTreeSet;
use std::collections::btree_set::Iter;

use super::mailbox::{MailboxName, Role};
use super::place::MailboxId;

/// One label.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Label {
    /// `\Inbox`: to archive a message is to take this away.
    Inbox,
    /// `\Sent`.
    Sent,
    /// `\Starred`, which is also the flag `\Flagged`: the flag is what is synced.
    Starred,
    /// `\Important`.
    Important,
    /// `\Draft`.
    Draft,
    /// One that the user made; levels are separated by `/`.
    Named(MailboxName),
}

/// The provider's own labels with their words.
const OWN: [(&str, Label); 6] = [
    ("\\Inbox", Label::Inbox),
    ("\\Sent", Label::Sent),
    ("\\Starred", Label::Starred),
    ("\\Important", Label::Important),
    ("\\Draft", Label::Draft),
    // Some accounts were seen with the name of the attribute instead.
    ("\\Drafts", Label::Draft),
];

impl Label {
    /// Reads a label as the provider writes it, its characters decoded. `None`: one of its own that
    /// nothing here depends on (`\Muted`), or what can be no name.
    pub fn read(text: &str) -> Option<Self> {
        if text.starts_with('\\') {
            return OWN.iter().find(|(word, _)| text.eq_ignore_ascii_case(word)).map(|(_, label)| label.clone());
        }
        MailboxName::new(text).map(Self::of_mailbox)
    }

    /// The label that a mailbox of this name stands for.
    pub fn of_mailbox(name: MailboxName) -> Self {
        if name.is_inbox() { Self::Inbox } else { Self::Named(name) }
    }

    /// The word of one of the provider's own; `None`: the user made it.
    pub fn word(&self) -> Option<&'static str> {
        OWN.iter().find(|(_, label)| label == self).map(|(word, _)| *word)
    }

    /// The name of one that the user made; `None`: it is one of the provider's own.
    pub fn name(&self) -> Option<&MailboxName> {
        match self {
            Self::Named(name) => Some(name),
            Self::Inbox | Self::Sent | Self::Starred | Self::Important | Self::Draft => None,
        }
    }

    /// What it is called: the word of one of the provider's own, else its name.
    pub fn as_str(&self) -> &str {
        self.word().unwrap_or_else(|| self.name().map_or("", MailboxName::as_str))
    }

    /// What a mailbox is for that shows the messages with this label.
    pub fn role(&self) -> Option<Role> {
        match self {
            Self::Inbox => Some(Role::Inbox),
            Self::Sent => Some(Role::Sent),
            Self::Starred => Some(Role::Flagged),
            Self::Draft => Some(Role::Drafts),
            Self::Important | Self::Named(_) => None,
        }
    }
}

/// The labels of a message, each once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Labels(BTreeSet<Label>);

impl Labels {
    /// None at all.
    pub fn none() -> Self {
        Self::default()
    }

    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Is this one of them?
    pub fn has(&self, label: &Label) -> bool {
        self.0.contains(label)
    }

    /// All of them: the provider's own first, then by name.
    pub fn iter(&self) -> Iter<'_, Label> {
        self.0.iter()
    }

    /// What these and `other` have in common.
    #[must_use]
    pub fn common(&self, other: &Self) -> Self {
        Self(self.0.intersection(&other.0).cloned().collect())
    }

    /// What these have and `other` has not.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        Self(self.0.difference(&other.0).cloned().collect())
    }

    /// What either has.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self(self.0.union(&other.0).cloned().collect())
    }
}

impl FromIterator<Label> for Labels {
    fn from_iter<I: IntoIterator<Item = Label>>(labels: I) -> Self {
        Self(labels.into_iter().collect())
    }
}

impl<'a> IntoIterator for &'a Labels {
    type Item = &'a Label;
    type IntoIter = Iter<'a, Label>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// A mailbox that lies nowhere: the messages of another one that have a label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// What it is called.
    pub mailbox: MailboxId,
    /// What it is for.
    pub role: Option<Role>,
    /// The label that its messages have.
    pub label: Label,
    /// The mailbox in which they lie.
    pub home: MailboxId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_labels_are_told_from_those_of_the_user() {
        let named = |name: &str| Some(Label::Named(MailboxName::new(name).unwrap()));
        let table = [
            ("\\Inbox", Some(Label::Inbox)),
            ("\\INBOX", Some(Label::Inbox)),
            // Nobody can make a label of this name, so it is the provider's.
            ("inbox", Some(Label::Inbox)),
            ("\\Drafts", Some(Label::Draft)),
            ("Important", named("Important")),
            ("Trips/Rome", named("Trips/Rome")),
            ("\\Muted", None),
            ("", None),
            ("a\nb", None),
        ];
        for (text, label) in table {
            assert_eq!(Label::read(text), label, "{text:?}");
        }
        for (word, label) in OWN.iter().take(5) {
            assert_eq!(label.word(), Some(*word));
        }
        assert_eq!(named("Rome").unwrap().word(), None);
    }

    #[test]
    fn labels_are_sets() {
        let of = |words: &[&str]| words.iter().filter_map(|word| Label::read(word)).collect::<Labels>();
        let (a, b) = (of(&["\\Inbox", "x", "x"]), of(&["x", "y"]));
        assert_eq!(a.iter().count(), 2);
        assert_eq!((a.minus(&b), a.union(&b)), (of(&["\\Inbox"]), of(&["\\Inbox", "x", "y"])));
        assert_eq!(a.common(&b), of(&["x"]));
        assert!(a.has(&Label::Inbox) && !b.has(&Label::Inbox) && Labels::none().is_empty());
    }
}
