//! What a user notes about messages beside their flags: when one shall come back, whether an answer is waited
//! for, where a conversation begins and what belongs to one. It is kept by what a message is, not by where it
//! lies, so that it outlives moves and an index that is made anew. Pure.

use std::collections::BTreeMap;

use super::ids::{MessageId, Timestamp};

/// What a message is known by, whatever becomes of its file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Identity {
    /// By its Message-ID.
    Id(MessageId),
    /// By a number made of all its bytes, where it has no Message-ID.
    Bytes(i64),
}

impl Identity {
    /// The identity as a line of text.
    pub fn write(&self) -> String {
        match self {
            Self::Id(id) => format!("<{}>", id.as_str()),
            Self::Bytes(number) => format!("bytes:{number:016x}"),
        }
    }

    /// Reads what [`Identity::write`] wrote.
    pub fn read(text: &str) -> Option<Self> {
        if text.starts_with('<') {
            return MessageId::new(text).map(Self::Id);
        }
        let digits = text.strip_prefix("bytes:")?;
        u64::from_str_radix(digits, 16).ok().map(|number| Self::Bytes(number.cast_signed()))
    }
}

/// What a timer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TimerKind {
    /// The message is out of the way until then, or until somebody answers in its conversation.
    Snooze,
    /// The message comes up then, if nobody has answered it.
    Remind,
}

impl TimerKind {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Snooze, Self::Remind];

    /// Its word in a file.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Snooze => "snooze",
            Self::Remind => "remind",
        }
    }

    /// The kind of a word.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// A moment that something waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timer {
    /// When it is due.
    pub due: Timestamp,
    /// When it was set: what came later may end it.
    pub set_at: Timestamp,
}

/// How a timer stands with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timing {
    /// Out of the way until then.
    Asleep(Timestamp),
    /// It was not answered until then.
    Unanswered(Timestamp),
    /// It came back then.
    Returned(Timestamp),
    /// An answer is waited for until then.
    Awaited(Timestamp),
}

/// Where the user has sewn or cut a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Seam {
    /// The message and what follows it are a conversation of their own.
    pub cut: bool,
    /// The conversation of the message is part of that of this one.
    pub joined: Option<Identity>,
}

/// All notes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Notes {
    /// The timers.
    pub timers: BTreeMap<(Identity, TimerKind), Timer>,
    /// The seams; none of them is empty.
    pub seams: BTreeMap<Identity, Seam>,
}

/// A change of notes: how those that it names are to be. One edit is written as a whole or not at all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Edit {
    /// Timers; `None`: there is none any more.
    pub timers: BTreeMap<(Identity, TimerKind), Option<Timer>>,
    /// Seams; an empty one is none.
    pub seams: BTreeMap<Identity, Seam>,
}

impl Notes {
    /// The edit that makes what `edit` names as it is here.
    #[must_use]
    pub fn back(&self, edit: &Edit) -> Edit {
        Edit {
            timers: edit.timers.keys().map(|key| (key.clone(), self.timers.get(key).copied())).collect(),
            seams: edit.seams.keys().map(|id| (id.clone(), self.seams.get(id).cloned().unwrap_or_default())).collect(),
        }
    }

    /// Carries out an edit.
    pub fn apply(&mut self, edit: &Edit) {
        for (key, timer) in &edit.timers {
            match timer {
                Some(timer) => drop(self.timers.insert(key.clone(), *timer)),
                None => drop(self.timers.remove(key)),
            }
        }
        for (id, seam) in &edit.seams {
            if *seam == Seam::default() {
                self.seams.remove(id);
            } else {
                self.seams.insert(id.clone(), seam.clone());
            }
        }
    }

    /// Does a timer become due after `since` and no later than `now`?
    pub fn is_due(&self, since: Timestamp, now: Timestamp) -> bool {
        self.timers.values().any(|timer| timer.due > since && timer.due <= now)
    }
}

impl Edit {
    /// Is nothing to be changed?
    pub fn is_empty(&self) -> bool {
        self.timers.is_empty() && self.seams.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> Identity {
        Identity::Id(MessageId::new(text).unwrap())
    }

    #[test]
    fn identities_are_read_as_they_were_written() {
        for one in [id("a@b"), id("bytes:7"), Identity::Bytes(7), Identity::Bytes(-1)] {
            assert_eq!(Identity::read(&one.write()), Some(one));
        }
        for text in ["", "a@b", "bytes:", "bytes:xyz", "<>"] {
            assert_eq!(Identity::read(text), None, "{text}");
        }
    }

    #[test]
    fn an_edit_and_its_back_leave_notes_as_they_were() {
        let timer = |due| Timer { due: Timestamp::new(due), set_at: Timestamp::new(1) };
        let mut notes = Notes::default();
        let snooze = (id("a"), TimerKind::Snooze);
        notes.timers.insert(snooze.clone(), timer(5));
        notes.seams.insert(id("c"), Seam { cut: true, joined: None });
        let before = notes.clone();
        let edit = Edit {
            timers: BTreeMap::from([(snooze, Some(timer(9))), ((id("b"), TimerKind::Remind), Some(timer(7)))]),
            seams: BTreeMap::from([(id("c"), Seam::default()), (id("d"), Seam { cut: false, joined: Some(id("a")) })]),
        };
        let back = notes.back(&edit);
        notes.apply(&edit);
        assert_eq!((notes.timers.len(), notes.seams.len()), (2, 1));
        assert!(
            notes.is_due(Timestamp::new(8), Timestamp::new(9)) && !notes.is_due(Timestamp::new(9), Timestamp::new(20))
        );
        notes.apply(&back);
        assert_eq!(notes, before);
    }
}
