//! The marks of the list: what each one says, and which of them a row has. How they look is a matter of the
//! theme's glyphs.

use crate::job::index::Row;
use crate::mail::flags::Flag;
use crate::mail::notes::Timing;
use crate::mail::tags;

/// A mark before or behind what a row says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mark {
    /// Something in it was not read.
    Unread,
    /// It is selected.
    Selected,
    /// It is a draft.
    Draft,
    /// It came back at the time that was set.
    Returned,
    /// An answer was waited for in vain.
    Unanswered,
    /// It is out of the way until a time.
    Snoozed,
    /// An answer is waited for.
    Awaited,
    /// Its conversation is muted.
    Muted,
    /// It has a star.
    Starred,
    /// Only its header is here.
    Stub,
    /// It has an attachment.
    Attachment,
    /// It was answered.
    Answered,
    /// It was passed on.
    Forwarded,
    /// It came from a list that can be left.
    List,
}

impl Mark {
    /// All of them; those behind the text in the order in which they are drawn while there is room.
    pub const ALL: [Self; 14] = [
        Self::Unread,
        Self::Selected,
        Self::Draft,
        Self::Returned,
        Self::Unanswered,
        Self::Snoozed,
        Self::Awaited,
        Self::Muted,
        Self::Starred,
        Self::Stub,
        Self::Attachment,
        Self::Answered,
        Self::Forwarded,
        Self::List,
    ];

    /// What it says, in a line of the help.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Unread => "Mark: unread",
            Self::Selected => "Mark: selected",
            Self::Draft => "Mark: a draft",
            Self::Returned => "Mark: it was snoozed, and is back",
            Self::Unanswered => "Mark: nobody has answered it",
            Self::Snoozed => "Mark: snoozed",
            Self::Awaited => "Mark: an answer is waited for",
            Self::Muted => "Mark: of a muted conversation",
            Self::Starred => "Mark: starred",
            Self::Stub => "Mark: only the header is here; open it to fetch the rest",
            Self::Attachment => "Mark: has an attachment",
            Self::Answered => "Mark: answered",
            Self::Forwarded => "Mark: passed on",
            Self::List => "Mark: from a mailing list",
        }
    }

    /// Those that stand behind the text of a row. Whether it is read or selected stands before it.
    pub fn behind(row: &Row) -> impl Iterator<Item = Self> + '_ {
        Self::ALL.into_iter().filter(|mark| match mark {
            Self::Unread | Self::Selected => false,
            Self::Draft => row.flags.has(Flag::Draft),
            Self::Returned => matches!(row.timing, Some(Timing::Returned(_))),
            Self::Unanswered => matches!(row.timing, Some(Timing::Unanswered(_))),
            Self::Snoozed => matches!(row.timing, Some(Timing::Asleep(_))),
            Self::Awaited => matches!(row.timing, Some(Timing::Awaited(_))),
            Self::Muted => tags::is_muted(&row.flags),
            Self::Starred => row.flags.has(Flag::Flagged),
            Self::Stub => row.place.unique.stub_size().is_some(),
            Self::Attachment => row.attachment,
            Self::Answered => row.flags.has(Flag::Answered),
            Self::Forwarded => row.flags.has(Flag::Forwarded),
            Self::List => row.list,
        })
    }
}
