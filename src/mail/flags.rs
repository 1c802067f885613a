//! Flags: IMAP system flags and keywords, Maildir letters, and the three-way merge of what two
//! sides wish. One table ties the names together (RFC 9051 §2.3.2; the Maildir `:2,` info). Labels travel
//! in a set of flags as keywords do, so that whoever merges, remembers or undoes the one does so with the other.

use std::collections::BTreeSet;
use std::fmt;

use super::header::percent_decoded;
use super::labels::{Label, Labels};
use super::mailbox::MailboxName;

/// A flag with a meaning of its own in mail programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Flag {
    /// Not finished: IMAP `\Draft`, Maildir `D`.
    Draft,
    /// Starred: IMAP `\Flagged`, Maildir `F`.
    Flagged,
    /// Passed on: IMAP `$Forwarded`, Maildir `P`.
    Forwarded,
    /// Answered: IMAP `\Answered`, Maildir `R`.
    Answered,
    /// Read: IMAP `\Seen`, Maildir `S`.
    Seen,
    /// To be expunged: IMAP `\Deleted`, Maildir `T`. Not the same as lying in the trash.
    Deleted,
}

/// The table: each flag with its IMAP name and its Maildir letter, in the letters' order.
pub const TABLE: [(Flag, &str, char); 6] = [
    (Flag::Draft, "\\Draft", 'D'),
    (Flag::Flagged, "\\Flagged", 'F'),
    (Flag::Forwarded, "$Forwarded", 'P'),
    (Flag::Answered, "\\Answered", 'R'),
    (Flag::Seen, "\\Seen", 'S'),
    (Flag::Deleted, "\\Deleted", 'T'),
];

impl Flag {
    const fn bit(self) -> u8 {
        match self {
            Self::Draft => 1,
            Self::Flagged => 2,
            Self::Forwarded => 4,
            Self::Answered => 8,
            Self::Seen => 16,
            Self::Deleted => 32,
        }
    }
}

/// A keyword (RFC 9051 §2.3.2): an atom, kept as the server spells it, compared without case. Or a label,
/// which begins with `%`: no atom can have that, so neither can be taken for the other.
#[derive(Debug, Clone)]
pub struct Keyword(String);

/// What the word of a label begins with.
const LABEL: &str = "%";

impl Keyword {
    /// Refuses what is no IMAP atom, and the names that [`TABLE`] knows.
    pub fn new(text: &str) -> Option<Self> {
        let atom = !text.is_empty()
            && text.len() <= 200
            && text.bytes().all(|b| b > 0x20 && b < 0x7f && !b"(){%*\"\\]".contains(&b));
        let known = TABLE.iter().any(|(_, name, _)| name.eq_ignore_ascii_case(text));
        (atom && !known).then(|| Self(text.to_owned()))
    }

    /// The word of a label: what is no printable ASCII, a blank or `%` in it is written as `%20`.
    pub fn of_label(label: &Label) -> Self {
        let mut word = LABEL.to_owned();
        let text = label.word().unwrap_or_else(|| label.name().map_or("", MailboxName::as_str));
        for byte in text.bytes() {
            if byte.is_ascii_graphic() && byte != b'%' {
                word.push(char::from(byte));
            } else {
                word.push_str(&format!("%{byte:02X}"));
            }
        }
        Self(word)
    }

    /// The label that this word stands for, if it stands for one.
    pub fn label(&self) -> Option<Label> {
        Label::read(&percent_decoded(self.0.strip_prefix(LABEL)?))
    }

    /// Is it the word of a label? A server is told of those by other commands than of keywords, and no letter of
    /// a file's name stands for one.
    pub fn is_label(&self) -> bool {
        self.0.starts_with(LABEL)
    }

    /// Reads a word that this program wrote down: a keyword or a label.
    fn stored(text: &str) -> Option<Self> {
        if text.starts_with(LABEL) {
            return Self(text.to_owned()).label().map(|label| Self::of_label(&label)).filter(|word| word.0 == text);
        }
        Self::new(text)
    }

    /// The keyword as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl PartialEq for Keyword {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}
impl Eq for Keyword {}
impl PartialOrd for Keyword {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Keyword {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.to_ascii_lowercase().cmp(&other.0.to_ascii_lowercase())
    }
}
impl std::hash::Hash for Keyword {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.to_ascii_lowercase().hash(state);
    }
}

/// A set of keywords. Most messages have none and of messages there are many, so an empty one is a null pointer;
/// what it points to is never empty.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[expect(clippy::box_collection, reason = "a set is three words where it stands, and most of these are empty")]
struct Keywords(Option<Box<BTreeSet<Keyword>>>);

impl Keywords {
    const fn none() -> Self {
        Self(None)
    }

    fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    fn iter(&self) -> impl Iterator<Item = &Keyword> {
        self.0.iter().flat_map(|words| words.iter())
    }

    fn has(&self, word: &Keyword) -> bool {
        self.0.as_ref().is_some_and(|words| words.contains(word))
    }

    /// This set and another one; where both have a word, as it is spelled here.
    fn union(&self, other: &Self) -> Self {
        self.iter().chain(other.iter()).cloned().collect()
    }

    /// Those of which this holds.
    fn which(&self, holds: impl Fn(&Keyword) -> bool) -> Self {
        self.iter().filter(|word| holds(word)).cloned().collect()
    }
}

impl Extend<Keyword> for Keywords {
    fn extend<I: IntoIterator<Item = Keyword>>(&mut self, words: I) {
        for word in words {
            // One that is there stays as it is spelled.
            self.0.get_or_insert_default().insert(word);
        }
    }
}

impl FromIterator<Keyword> for Keywords {
    fn from_iter<I: IntoIterator<Item = Keyword>>(words: I) -> Self {
        let mut set = Self::none();
        set.extend(words);
        set
    }
}

/// A set of flags and keywords.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Flags {
    bits: u8,
    keywords: Keywords,
}

impl Flags {
    /// The empty set.
    pub const fn none() -> Self {
        Self { bits: 0, keywords: Keywords::none() }
    }

    /// The set of one flag.
    pub fn only(flag: Flag) -> Self {
        Self::none().with(flag)
    }

    /// This set and `flag`.
    #[must_use]
    pub fn with(mut self, flag: Flag) -> Self {
        self.bits |= flag.bit();
        self
    }

    /// This set without `flag`.
    #[must_use]
    pub fn without(mut self, flag: Flag) -> Self {
        self.bits &= !flag.bit();
        self
    }

    /// This set and `keyword`.
    #[must_use]
    pub fn with_keyword(mut self, keyword: Keyword) -> Self {
        self.keywords.extend([keyword]);
        self
    }

    /// This set and these labels.
    #[must_use]
    pub fn with_labels(mut self, labels: &Labels) -> Self {
        self.keywords.extend(labels.iter().map(Keyword::of_label));
        self
    }

    /// The labels among the keywords.
    pub fn labels(&self) -> Labels {
        self.keywords.iter().filter_map(Keyword::label).collect()
    }

    /// This set without its labels: what can be told by flags and keywords alone.
    #[must_use]
    pub fn without_labels(&self) -> Self {
        Self { bits: self.bits, keywords: self.keywords.which(|word| !word.is_label()) }
    }

    /// The keywords of this set alone, as far as letters of a file's name can tell them: without its labels.
    #[must_use]
    pub fn lettered(&self) -> Self {
        Self { bits: 0, ..self.without_labels() }
    }

    /// The keywords and labels in one line, for a ledger or an index; `None`: there are none.
    pub fn stored_words(&self) -> Option<String> {
        let words: Vec<&str> = self.keywords.iter().map(Keyword::as_str).collect();
        (!words.is_empty()).then(|| words.join(" "))
    }

    /// Reads what [`Flags::stored_words`] wrote. What was not written by it is passed over.
    pub fn from_stored_words(words: &str) -> Self {
        Self { bits: 0, keywords: words.split(' ').filter_map(Keyword::stored).collect() }
    }

    /// Is `flag` set?
    pub fn has(&self, flag: Flag) -> bool {
        self.bits & flag.bit() != 0
    }

    /// The keywords, sorted without case.
    pub fn keywords(&self) -> impl Iterator<Item = &Keyword> {
        self.keywords.iter()
    }

    /// Is nothing set?
    pub fn is_empty(&self) -> bool {
        self.bits == 0 && self.keywords.is_empty()
    }

    /// What is in either set.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self { bits: self.bits | other.bits, keywords: self.keywords.union(&other.keywords) }
    }

    /// What is in this set and not in `other`.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        Self { bits: self.bits & !other.bits, keywords: self.keywords.which(|word| !other.keywords.has(word)) }
    }

    /// What is in both sets.
    #[must_use]
    pub fn common(&self, other: &Self) -> Self {
        Self { bits: self.bits & other.bits, keywords: self.keywords.which(|word| other.keywords.has(word)) }
    }

    /// This set without its keywords: what a Maildir file name says by itself, without a table.
    #[must_use]
    pub fn system(&self) -> Self {
        Self { bits: self.bits, keywords: Keywords::none() }
    }

    /// The keywords of this set alone.
    #[must_use]
    pub fn words(&self) -> Self {
        Self { bits: 0, keywords: self.keywords.clone() }
    }

    /// The flags as Maildir letters, in ASCII order; keywords have none here.
    pub fn letters(&self) -> String {
        TABLE.iter().filter(|(flag, ..)| self.has(*flag)).map(|(.., letter)| *letter).collect()
    }

    /// Reads Maildir letters; letters that mean nothing here are passed over.
    pub fn from_letters(letters: &str) -> Self {
        TABLE
            .iter()
            .filter(|(.., letter)| letters.contains(*letter))
            .fold(Self::none(), |set, (flag, ..)| set.with(*flag))
    }

    /// The IMAP names, flags first, then keywords. Labels have none.
    pub fn imap_names(&self) -> Vec<String> {
        let flags = TABLE.iter().filter(|(flag, ..)| self.has(*flag)).map(|(_, name, _)| (*name).to_owned());
        let keywords = self.keywords.iter().filter(|word| !word.is_label()).map(|word| word.0.clone());
        flags.chain(keywords).collect()
    }

    /// Reads IMAP names; `\Recent`, `\*` and what is no atom are passed over.
    pub fn from_imap<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut set = Self::none();
        for name in names {
            if let Some((flag, ..)) = TABLE.iter().find(|(_, known, _)| known.eq_ignore_ascii_case(name)) {
                set = set.with(*flag);
            } else if let Some(keyword) = Keyword::new(name) {
                set = set.with_keyword(keyword);
            }
        }
        set
    }

    /// The bits of the system flags, for a ledger or an index.
    pub fn bits(&self) -> u8 {
        self.bits
    }

    /// The set that [`Flags::bits`] told.
    pub fn from_bits(bits: u8) -> Self {
        Self { bits: bits & 63, keywords: Keywords::none() }
    }

    /// What both sides wish since `base`: what one added is there, what one removed is gone, and
    /// nobody's wish is lost. A flag that was in the base can only have been removed, one that was
    /// not can only have been added, so two wishes never contradict each other.
    #[must_use]
    pub fn merge(base: &Self, one: &Self, other: &Self) -> Self {
        let added = one.minus(base).union(&other.minus(base));
        let removed = base.minus(one).union(&base.minus(other));
        base.union(&added).minus(&removed)
    }
}

/// The letters `a` to `z` of a Maildir file name. Each stands for a keyword by the table of its folder
/// (`dovecot-keywords`); without a row there it means nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Letters(u32);

impl Letters {
    /// How many there are.
    pub const COUNT: u8 = 26;

    /// No letter.
    pub const fn none() -> Self {
        Self(0)
    }

    /// The letters among these characters.
    pub fn of(text: &str) -> Self {
        text.bytes().filter(u8::is_ascii_lowercase).fold(Self::none(), |set, letter| set.with(letter - b'a'))
    }

    /// This set and the letter of that number, 0 for `a`; a number over 25 has none.
    #[must_use]
    pub fn with(self, number: u8) -> Self {
        if number < Self::COUNT { Self(self.0 | 1 << number) } else { self }
    }

    /// Is the letter of that number in it?
    pub fn has(self, number: u8) -> bool {
        number < Self::COUNT && self.0 & 1 << number != 0
    }

    /// The numbers of its letters.
    pub fn numbers(self) -> impl Iterator<Item = u8> {
        (0..Self::COUNT).filter(move |number| self.has(*number))
    }

    /// Is there none?
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// What is in either set.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in this set and not in `other`.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The bits, for a ledger.
    pub fn bits(self) -> u32 {
        self.0
    }

    /// The set that [`Letters::bits`] told.
    pub fn from_bits(bits: u32) -> Self {
        Self(bits & ((1 << Self::COUNT) - 1))
    }
}

/// As they stand in a file name: in order.
impl fmt::Display for Letters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.numbers().try_for_each(|number| fmt::Write::write_char(f, char::from(b'a' + number)))
    }
}

impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.imap_names().join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_and_names_round_trip() {
        let set = Flags::from_imap(["\\seen", "\\Flagged", "$forwarded", "\\Recent", "todo"]);
        assert_eq!(set.letters(), "FPS");
        assert_eq!(Flags::from_letters("SPFx"), set.system());
        assert_eq!(set.imap_names(), ["\\Flagged", "$Forwarded", "\\Seen", "todo"]);
    }

    #[test]
    fn letters_of_keywords_round_trip() {
        let set = Letters::of("zFSa,b:c");
        assert_eq!((set.to_string(), set.numbers().collect::<Vec<_>>()), ("abcz".to_owned(), vec![0, 1, 2, 25]));
        assert_eq!(Letters::from_bits(set.bits()), set);
        assert_eq!(Letters::from_bits(u32::MAX).to_string().len(), 26);
        assert_eq!(Letters::none().with(26).with(255), Letters::none());
    }

    #[test]
    fn labels_are_words_that_no_server_can_send_as_keywords() {
        let labels: Labels = ["\\Inbox", "Trips/Rome 100%", "Größe", "say \"a\\b\""]
            .iter()
            .filter_map(|text| Label::read(text))
            .collect();
        let set = Flags::from_imap(["\\Seen", "todo"]).with_labels(&labels);
        assert_eq!((set.labels(), set.imap_names()), (labels.clone(), vec!["\\Seen".to_owned(), "todo".to_owned()]));
        assert_eq!(set.without_labels(), Flags::from_imap(["\\Seen", "todo"]));
        let words = set.stored_words().unwrap();
        assert!(words.contains("Trips/Rome%20100%25"), "{words}");
        assert_eq!(Flags::from_stored_words(&words), set.words());
        assert_eq!(Flags::from_imap(["%\\Inbox", "%x", "%"]), Flags::none());
        assert!(Flags::from_stored_words("%% %a%2 %z%zz %\\Muted %a%00b %é").labels().is_empty());
        assert!(Flags::none().stored_words().is_none());
    }

    #[test]
    fn merge_keeps_the_wishes_of_both_sides() {
        let base = Flags::only(Flag::Flagged);
        let here = Flags::only(Flag::Flagged).with(Flag::Seen);
        let there = Flags::only(Flag::Answered);
        assert_eq!(Flags::merge(&base, &here, &there), Flags::only(Flag::Seen).with(Flag::Answered));
        assert_eq!(Flags::merge(&base, &there, &here), Flags::merge(&base, &here, &there));
    }
}
