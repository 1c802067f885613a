//! The fields of a message that is being written, and in a field of addresses the one that is being
//! typed just now. Pure text; who may be meant is asked elsewhere.

use crate::mail::address;
use crate::mail::draft::Draft;

/// A field of the header that can be typed into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// To.
    To,
    /// Cc.
    Cc,
    /// Bcc.
    Bcc,
    /// Reply-To.
    ReplyTo,
    /// Subject.
    Subject,
}

impl Field {
    /// All of them, in the order on screen.
    pub const ALL: [Self; 5] = [Self::To, Self::Cc, Self::Bcc, Self::ReplyTo, Self::Subject];

    /// Its name.
    pub fn title(self) -> &'static str {
        match self {
            Self::To => "To",
            Self::Cc => "Cc",
            Self::Bcc => "Bcc",
            Self::ReplyTo => "Reply-To",
            Self::Subject => "Subject",
        }
    }

    /// Its text in a draft.
    pub fn of(self, draft: &Draft) -> &str {
        match self {
            Self::To => &draft.to,
            Self::Cc => &draft.cc,
            Self::Bcc => &draft.bcc,
            Self::ReplyTo => &draft.reply_to,
            Self::Subject => &draft.subject,
        }
    }

    pub(super) fn set(self, draft: &mut Draft, text: &str) {
        let place = match self {
            Self::To => &mut draft.to,
            Self::Cc => &mut draft.cc,
            Self::Bcc => &mut draft.bcc,
            Self::ReplyTo => &mut draft.reply_to,
            Self::Subject => &mut draft.subject,
        };
        text.clone_into(place);
    }

    /// Is it one of addresses?
    pub(super) fn takes_addresses(self) -> bool {
        !matches!(self, Self::Subject)
    }

    /// What was typed, as it is kept: without blanks around it, and after addresses without the comma
    /// behind the last.
    pub(super) fn trimmed(self, text: &str) -> &str {
        let text = text.trim();
        if self.takes_addresses() { text.trim_end_matches(|c: char| c.is_whitespace() || c == ',') } else { text }
    }
}

/// Where the entry begins that ends with `before`: behind the last comma that stands in no quotes. `None`:
/// it has an address already, or is nothing.
pub(super) fn entry(before: &str) -> Option<usize> {
    let (mut start, mut quoted, mut escaped) = (0, false, false);
    for (at, c) in before.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ',' | ';' if !quoted => start = at + 1,
            _ => {}
        }
    }
    let entry = before.get(start..).unwrap_or_default();
    let blanks = entry.len() - entry.trim_start().len();
    (!entry.trim().is_empty() && !entry.contains('>')).then_some(start + blanks)
}

/// Is this an address already that mail can go to? Then Enter means it, and nobody else.
pub(super) fn is_whole(entry: &str) -> bool {
    let typed = address::parse_typed(entry);
    typed.rejected.is_empty() && typed.addresses.iter().any(|address| address.domain().trim_matches('.').contains('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entry_that_is_typed_stands_behind_the_last_comma() {
        let table = [
            ("gr", Some("gr")),
            ("a@b.example, gr", Some("gr")),
            ("\"Hopper, Gr", Some("\"Hopper, Gr")),
            ("\"Hopper, Grace\" <g@h.example>;  lin", Some("lin")),
            ("\"a\\\", b", Some("\"a\\\", b")),
            ("Grace <gr", Some("Grace <gr")),
            ("Grace <g@h.example>", None),
            ("a@b.example, ", None),
            ("", None),
        ];
        for (before, expected) in table {
            assert_eq!(entry(before).and_then(|at| before.get(at..)), expected, "{before}");
        }
    }

    #[test]
    fn an_address_that_is_whole_needs_nobodys_help() {
        for (entry, whole) in
            [("g@h.example", true), ("Grace <g@h.example>", true), ("g@h", false), ("g@h.", false), ("grace", false)]
        {
            assert_eq!(is_whole(entry), whole, "{entry}");
        }
    }

    #[test]
    fn what_is_kept_has_no_loose_ends() {
        assert_eq!(Field::To.trimmed(" a@b.example , , "), "a@b.example");
        assert_eq!(Field::Subject.trimmed(" one, "), "one,");
    }
}
