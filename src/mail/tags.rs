//! Tags: the keywords and labels of a message as people see and write them. A keyword is an IMAP atom
//! (RFC 9051 §2.3.2); what people write beyond that is spelled as Thunderbird spells its tags: letters outside
//! ASCII in modified UTF-7 (RFC 3501 §5.1.3), a blank as `_`. Pure.

use std::fmt;

use super::clean::Clean;
use super::flags::{Flags, Keyword};
use super::labels::Label;
use super::mailbox::{MailboxName, from_modified_utf7, to_modified_utf7};

/// Keywords by which programs speak to each other: they are kept and synced, and no tags.
const MACHINE: [&str; 30] = [
    "$autosent",
    "$canunsubscribe",
    "$followed",
    "$hasattachment",
    "$hasmemo",
    "$hasnoattachment",
    "$imported",
    "$istrusted",
    "$junk",
    "$mailflagbit0",
    "$mailflagbit1",
    "$mailflagbit2",
    "$maskedemail",
    "$mdnsent",
    "$memo",
    "$muted",
    "$new",
    "$notify",
    "$notjunk",
    "$phishing",
    "$submitpending",
    "$submitted",
    "$unsubscribed",
    "forwarded",
    "junk",
    "junkrecorded",
    "nonjunk",
    "notjunk",
    "receipt-handled",
    "redirected",
];

/// Why something that was typed can be no tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoTag {
    /// There is nothing.
    Empty,
    /// It has one of these signs.
    Sign,
    /// It is longer than what servers take.
    Long,
    /// It is a flag with a key of its own.
    Flag,
}

impl NoTag {
    /// Finishes the sentence "this can be no tag: …".
    pub const fn why(self) -> &'static str {
        match self {
            Self::Empty => "it has no letter",
            Self::Sign => "a tag has none of ( ) { % * \" \\ ]",
            Self::Long => "it is too long",
            Self::Flag => "it is a flag, which has a key of its own",
        }
    }
}

impl fmt::Display for NoTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.why())
    }
}

/// The keyword that stands for a tag as it was typed.
///
/// # Errors
/// It can be no tag.
pub fn typed(text: &str) -> Result<Keyword, NoTag> {
    let text = text.trim();
    if text.is_empty() {
        return Err(NoTag::Empty);
    }
    if text.contains(|c: char| "(){%*\"\\]".contains(c) || c.is_control()) {
        return Err(NoTag::Sign);
    }
    let word: String = text.chars().map(|c| if c.is_whitespace() { '_' } else { c }).collect();
    let word = if word.is_ascii() { word } else { to_modified_utf7(&word) };
    if word.len() > 200 {
        return Err(NoTag::Long);
    }
    Keyword::new(&word).ok_or(NoTag::Flag)
}

/// The keyword of messages whose conversation the user does not want to follow any more (IANA's registry of IMAP
/// keywords).
pub const MUTED: &str = "$muted";

/// What a message of a muted conversation bears.
pub fn muted() -> Flags {
    Keyword::new(MUTED).map_or_else(Flags::none, |word| Flags::none().with_keyword(word))
}

/// Is the conversation of a message with these flags muted?
pub fn is_muted(flags: &Flags) -> bool {
    flags.keywords().any(|word| word.as_str().eq_ignore_ascii_case(MUTED))
}

/// Is this keyword a tag, and no word between programs or label?
pub fn is_tag(word: &Keyword) -> bool {
    !word.is_label() && !MACHINE.iter().any(|known| known.eq_ignore_ascii_case(word.as_str()))
}

/// A keyword as people read it.
pub fn name(word: &Keyword) -> Clean {
    let decoded = from_modified_utf7(word.as_str()).filter(|text| !text.is_ascii());
    Clean::line(decoded.as_deref().unwrap_or(word.as_str()))
}

/// The tags and labels among the flags of a message, by name; those labels are left out that say where it is shown
/// anyway, among them `shown`.
pub fn names(flags: &Flags, shown: Option<&Label>) -> Vec<Clean> {
    let labels = flags.labels();
    let title = |label: &Label| match label {
        Label::Named(name) => Some(Clean::line(MailboxName::as_str(name))),
        Label::Important => Some(Clean::line("Important")),
        Label::Inbox | Label::Sent | Label::Starred | Label::Draft => None,
    };
    let labels = labels.iter().filter(|label| Some(*label) != shown).filter_map(title);
    flags.keywords().filter(|word| is_tag(word)).map(name).chain(labels).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_has_one_spelling_and_reads_as_it_was_typed() {
        for (text, word, shown) in [
            ("todo", "todo", "todo"),
            (" to do ", "to_do", "to_do"),
            ("größer", "gr&APYA3w-er", "größer"),
            ("R&D", "R&D", "R&D"),
            ("work/tern", "work/tern", "work/tern"),
            ("$label1", "$label1", "$label1"),
        ] {
            let keyword = typed(text).unwrap();
            assert_eq!((keyword.as_str(), name(&keyword).as_str()), (word, shown), "{text}");
        }
        let long = "x".repeat(201);
        for (text, why) in [
            ("", NoTag::Empty),
            ("  ", NoTag::Empty),
            ("a(b", NoTag::Sign),
            ("%label", NoTag::Sign),
            ("\\Seen", NoTag::Sign),
            ("a\u{7}b", NoTag::Sign),
            ("$Forwarded", NoTag::Flag),
            (long.as_str(), NoTag::Long),
        ] {
            assert_eq!(typed(text), Err(why), "{text:?}");
        }
    }

    #[test]
    fn words_between_programs_and_places_are_no_tags() {
        let labels = ["\\Inbox", "\\Important", "Trips/Rome", "Work"].iter().filter_map(|word| Label::read(word));
        let flags = Flags::from_imap(["\\Seen", "NonJunk", "$MDNSent", "todo", "&ZeVnLIqe-"]);
        let flags = flags.with_labels(&labels.collect());
        let told = |shown: Option<&Label>| names(&flags, shown).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(told(None), ["日本語", "todo", "Important", "Trips/Rome", "Work"]);
        assert_eq!(told(Label::read("Work").as_ref()), ["日本語", "todo", "Important", "Trips/Rome"]);
    }
}
