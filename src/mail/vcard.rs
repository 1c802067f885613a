//! vCards as address books are kept in files: 2.1, 3.0 (RFC 2426) and 4.0 (RFC 6350), as far as an
//! address is found by them: names, e-mail addresses, groups of people. Reads forgivingly, in one pass;
//! photos and whatever else there is are passed over. Writes nothing.

use std::borrow::Cow;

use super::address::{self, Address};
use super::charset;
use super::contact;
use super::transfer::Encoding;

/// The most cards of one file.
const MAX_CARDS: usize = 20_000;
/// The most addresses of one card.
const MAX_EMAILS: usize = 50;
/// The most members of one group.
const MAX_MEMBERS: usize = 1_000;
/// The most bytes of a line that are kept.
const MAX_LINE: usize = 8_192;

/// One card.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Card {
    /// What tells it from others, without `urn:uuid:`, lower case; empty where it has none.
    pub uid: String,
    /// The name: FN, else N, else NICKNAME, else ORG. Tidy, perhaps empty.
    pub name: String,
    /// Other words to find it by: NICKNAME, ORG, and N where it differs from FN.
    pub others: Vec<String>,
    /// The addresses, the preferred one first.
    pub emails: Vec<String>,
    /// For a group: who is in it. `None`: it is no group.
    pub members: Option<Vec<Member>>,
}

/// Somebody in a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Member {
    /// The card with this [`Card::uid`].
    Card(String),
    /// An address.
    Email(String),
}

/// Reads the cards of a file.
pub fn parse(bytes: &[u8]) -> Vec<Card> {
    let text = without_utf16(bytes);
    let mut cards = Vec::new();
    let mut open: Option<Raw> = None;
    let mut inner = 0usize;
    for line in lines(&text) {
        let Some(property) = Property::of(&line) else { continue };
        let is_card = property.value.trim_ascii().eq_ignore_ascii_case(b"VCARD");
        match (property.name.as_str(), &mut open) {
            ("BEGIN", Some(raw)) if is_card && raw.agent => {
                raw.agent = false;
                inner += 1;
            }
            ("END", Some(_)) if is_card && inner > 0 => inner -= 1,
            (_, Some(_)) if inner > 0 => {}
            ("BEGIN", _) if is_card => {
                // One that was never closed ends where the next begins.
                cards.extend(open.replace(Raw::default()).and_then(Raw::card));
            }
            ("END", _) if is_card => cards.extend(open.take().and_then(Raw::card)),
            (_, Some(raw)) => raw.take(&property),
            (_, None) => {}
        }
        if cards.len() >= MAX_CARDS {
            return cards;
        }
    }
    cards.extend(open.and_then(Raw::card));
    cards
}

/// Some programs export in UTF-16, and tell it by the mark at the beginning.
fn without_utf16(bytes: &[u8]) -> Cow<'_, [u8]> {
    let wide = match bytes {
        [0xff, 0xfe, rest @ ..] => Some(encoding_rs::UTF_16LE.decode_without_bom_handling(rest).0),
        [0xfe, 0xff, rest @ ..] => Some(encoding_rs::UTF_16BE.decode_without_bom_handling(rest).0),
        _ => None,
    };
    match wide {
        Some(text) => Cow::Owned(text.into_owned().into_bytes()),
        None => Cow::Borrowed(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)),
    }
}

/// The logical lines: folded ones (RFC 6350 §3.2, between any two bytes) put together, and in 2.1 those
/// that quoted-printable goes on with behind a `=`. Of a long one the beginning.
fn lines(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut lines: Vec<Vec<u8>> = Vec::new();
    let physical = bytes.split(|b| *b == b'\n').flat_map(|line| {
        // `\r\n`, and the lone `\r` of old.
        line.strip_suffix(b"\r").unwrap_or(line).split(|b| *b == b'\r')
    });
    for line in physical {
        let soft = lines.last().is_some_and(|last| is_quoted_printable(last) && last.ends_with(b"="));
        match (lines.last_mut(), line.split_first()) {
            (Some(last), _) if soft => {
                last.pop();
                extend(last, line.strip_prefix(b" ").unwrap_or(line));
            }
            (Some(last), Some((b' ' | b'\t', rest))) => extend(last, rest),
            _ => lines.push(line.get(..line.len().min(MAX_LINE)).unwrap_or_default().to_vec()),
        }
    }
    lines
}

fn extend(line: &mut Vec<u8>, more: &[u8]) {
    let room = MAX_LINE.saturating_sub(line.len()).min(more.len());
    line.extend_from_slice(more.get(..room).unwrap_or_default());
}

fn is_quoted_printable(line: &[u8]) -> bool {
    let head = line.split(|b| *b == b':').next().unwrap_or_default();
    head.len() < 500 && head.to_ascii_uppercase().windows(16).any(|word| word == b"QUOTED-PRINTABLE")
}

/// One line: `group.NAME;PARAMETER=value:value`.
struct Property<'a> {
    /// Upper case, without its group.
    name: String,
    /// Name and value, both upper case but for charsets' sake alike; in 2.1 the name may be missing.
    parameters: Vec<(String, String)>,
    value: &'a [u8],
}

impl<'a> Property<'a> {
    fn of(line: &'a [u8]) -> Option<Self> {
        let mut quoted = false;
        let colon = line.iter().position(|b| {
            quoted ^= *b == b'"';
            *b == b':' && !quoted
        });
        // A quote that never ends hides no value.
        let colon = colon.or_else(|| line.iter().position(|b| *b == b':'))?;
        let (head, value) = line.split_at_checked(colon)?;
        let head = String::from_utf8_lossy(head);
        let mut pieces = head.split(';');
        let name = pieces.next().unwrap_or_default().trim();
        let name = name.rsplit_once('.').map_or(name, |(_, name)| name).to_ascii_uppercase();
        let parameters = pieces
            .take(50)
            .map(|piece| {
                let (name, value) = piece.split_once('=').unwrap_or(("", piece));
                (name.trim().to_ascii_uppercase(), value.trim().trim_matches('"').to_ascii_uppercase())
            })
            .collect();
        Some(Self { name, parameters, value: value.get(1..).unwrap_or_default() })
    }

    fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Is a word among its types, written `TYPE=a,b` or, in 2.1, alone?
    fn has_type(&self, word: &str) -> bool {
        self.parameters
            .iter()
            .filter(|(name, _)| name.is_empty() || name == "TYPE")
            .any(|(_, value)| value.split(',').any(|one| one.trim() == word))
    }

    /// How much it is preferred, the most first: PREF of 4.0 from 1 to 100, `pref` among the types.
    fn preference(&self) -> u8 {
        let told = self.parameter("PREF").and_then(|value| value.parse::<u8>().ok());
        told.unwrap_or(if self.has_type("PREF") { 1 } else { 101 })
    }

    /// The value as text: decoded, not yet unescaped.
    fn text(&self) -> String {
        let bare = |word: &str| self.parameters.iter().any(|(name, value)| name.is_empty() && value == word);
        let encoding = match self.parameter("ENCODING") {
            Some("B" | "BASE64") => Encoding::Base64,
            Some("QUOTED-PRINTABLE") => Encoding::QuotedPrintable,
            _ if bare("QUOTED-PRINTABLE") => Encoding::QuotedPrintable,
            _ if bare("BASE64") => Encoding::Base64,
            _ => Encoding::Identity,
        };
        charset::decode(&encoding.decode(self.value), self.parameter("CHARSET")).into_owned()
    }
}

/// The parts of a value with `separator` between them, unescaped (RFC 6350 §3.4).
fn parts(text: &str, separator: char) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let next = match c {
            '\\' => match chars.next() {
                Some('n' | 'N') => Some(' '),
                other => other,
            },
            c if c == separator => {
                parts.push(String::new());
                None
            }
            c => Some(c),
        };
        if let (Some(next), Some(part)) = (next, parts.last_mut()) {
            part.push(next);
        }
    }
    parts
}

fn whole(text: &str) -> String {
    parts(text, '\0').concat()
}

/// What was read of a card so far.
#[derive(Default)]
struct Raw {
    uid: String,
    formatted: String,
    structured: String,
    nickname: String,
    organisation: String,
    emails: Vec<(u8, String)>,
    group: bool,
    members: Vec<Member>,
    /// Was the last line an AGENT, which 2.1 lets a whole card follow?
    agent: bool,
}

impl Raw {
    fn take(&mut self, property: &Property<'_>) {
        self.agent = property.name == "AGENT";
        let text = || property.text();
        let first = |known: &mut String, new: String| {
            if known.is_empty() {
                *known = new;
            }
        };
        match property.name.as_str() {
            "UID" => first(&mut self.uid, uid(&text())),
            "FN" => first(&mut self.formatted, whole(&text())),
            "N" => first(&mut self.structured, structured(&text())),
            "NICKNAME" => first(&mut self.nickname, parts(&text(), ',').join(" ")),
            "ORG" => first(&mut self.organisation, parts(&text(), ';').join(" ")),
            "EMAIL" if self.emails.len() < MAX_EMAILS => {
                self.emails.extend(email(&whole(&text())).map(|email| (property.preference(), email)));
            }
            "KIND" | "X-ADDRESSBOOKSERVER-KIND" => self.group |= text().trim().eq_ignore_ascii_case("group"),
            "MEMBER" | "X-ADDRESSBOOKSERVER-MEMBER" if self.members.len() < MAX_MEMBERS => {
                self.members.extend(member(&whole(&text())));
            }
            _ => {}
        }
    }

    /// The card, where somebody can be written to by it.
    fn card(mut self) -> Option<Card> {
        // Stable: among equals the order of the card stays.
        self.emails.sort_by_key(|(preference, _)| *preference);
        let mut emails: Vec<String> = Vec::new();
        for (_, email) in self.emails {
            if !emails.iter().any(|known| contact::key(known) == contact::key(&email)) {
                emails.push(email);
            }
        }
        let members = self.group.then_some(self.members);
        if emails.is_empty() && members.as_ref().is_none_or(Vec::is_empty) {
            return None;
        }
        let email = emails.first().cloned().unwrap_or_default();
        let tidy = |name: String| contact::tidy_name(&Address { name, email: email.clone() });
        let mut names: Vec<String> =
            [self.formatted, self.structured, self.nickname, self.organisation].map(tidy).into();
        names.retain(|name| !name.is_empty());
        names.dedup();
        let name = if names.is_empty() { String::new() } else { names.remove(0) };
        Some(Card { uid: self.uid, name, others: names, emails, members })
    }
}

/// RFC 6350 §6.2.2: family; given; additional; prefixes; suffixes, as it is said.
fn structured(text: &str) -> String {
    let parts = parts(text, ';');
    let part = |at: usize| parts.get(at).map_or("", |part| part.trim());
    [part(3), part(1), part(2), part(0), part(4)]
        .into_iter()
        .filter(|part| !part.is_empty())
        .map(|part| part.replace(',', " "))
        .collect::<Vec<_>>()
        .join(" ")
}

fn email(text: &str) -> Option<String> {
    let text = without_scheme(text.trim(), "mailto:");
    let plain = if text.contains('<') { address::parse_list(text).into_iter().next()?.email } else { text.to_owned() };
    contact::is_usable(&plain).then_some(plain)
}

fn member(text: &str) -> Option<Member> {
    let text = text.trim();
    if without_scheme(text, "mailto:") != text {
        return email(text).map(Member::Email);
    }
    let uid = uid(text);
    (!uid.is_empty()).then_some(Member::Card(uid))
}

fn uid(text: &str) -> String {
    without_scheme(text.trim(), "urn:uuid:").to_lowercase()
}

fn without_scheme<'a>(text: &'a str, scheme: &str) -> &'a str {
    match text.split_at_checked(scheme.len()) {
        Some((head, rest)) if head.eq_ignore_ascii_case(scheme) => rest,
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &[u8]) -> Card {
        let cards = parse(text);
        assert_eq!(cards.len(), 1, "{cards:?}");
        cards.into_iter().next().unwrap()
    }

    #[test]
    fn each_version_is_read() {
        let table: [(&[u8], &str, &[&str]); 12] = [
            (
                b"BEGIN:VCARD\r\nVERSION:4.0\r\nFN:Grace Hopper\r\nEMAIL;PREF=2:b@example.net\r\nEMAIL;PREF=1:a@example.net\r\nEND:VCARD\r\n",
                "Grace Hopper",
                &["a@example.net", "b@example.net"],
            ),
            (
                b"BEGIN:VCARD\nVERSION:3.0\nN:Hopper;Grace;Brewster;Dr.;\nitem1.EMAIL;TYPE=INTERNET:x@example.net\nitem2.EMAIL;type=\"work,pref\":w@example.net\nEND:VCARD\n",
                "Dr. Grace Brewster Hopper",
                &["w@example.net", "x@example.net"],
            ),
            (
                b"BEGIN:VCARD\r\nVERSION:2.1\r\nFN;CHARSET=ISO-8859-1;ENCODING=QUOTED-PRINTABLE:J=FCrgen =\r\nM=FCller\r\nEMAIL;PREF;INTERNET:j@example.de\r\nEND:VCARD\r\n",
                "Jürgen Müller",
                &["j@example.de"],
            ),
            (b"begin:vcard\nfn;quoted-printable:caf=C3=A9\nemail:c@d.example\nend:vcard\n", "café", &["c@d.example"]),
            // Folded within a character, with a tab, and with a lone carriage return at the ends of lines.
            (b"BEGIN:VCARD\r\nFN:caf\xc3\r\n \xa9 Nord\r\n\there\r\nEMAIL:c@\r\n d.example\r\nEND:VCARD", "café Nordhere", &["c@d.example"]),
            (b"BEGIN:VCARD\rFN:Old Mac\rEMAIL:m@x.example\rEND:VCARD\r", "Old Mac", &["m@x.example"]),
            (b"\xef\xbb\xbfBEGIN:VCARD\nFN:Esc\\, Aped\\; \\nName\nEMAIL:mailto:e@x.example\nEND:VCARD\n", "Esc, Aped; Name", &["e@x.example"]),
            // Windows-1252 without saying so, and a charset that is none.
            (b"BEGIN:VCARD\nFN;CHARSET=nonsense:Ren\xe9\nEMAIL:r@x.example\nEND:VCARD\n", "René", &["r@x.example"]),
            (b"BEGIN:VCARD\nFN;ENCODING=b:R3LDvMOfZQ==\nEMAIL:g@x.example\nEND:VCARD\n", "Grüße", &["g@x.example"]),
            (b"BEGIN:VCARD\nFN:\nNICKNAME:Amazing,Gr\nEMAIL:Grace <g@x.example>\nEMAIL:G@X.example\nEND:VCARD\n", "Amazing Gr", &["g@x.example"]),
            (b"BEGIN:VCARD\nORG:Navy;Research\nEMAIL:n@x.example\nEMAIL:not an address\nEMAIL:\nEND:VCARD\n", "Navy Research", &["n@x.example"]),
            (b"BEGIN:VCARD\nFN:Never Closed\nEMAIL:o@x.example\n", "Never Closed", &["o@x.example"]),
        ];
        for (text, name, emails) in table {
            let card = one(text);
            assert_eq!((card.name.as_str(), card.emails.as_slice()), (name, &emails.map_to()[..]), "{card:?}");
        }
    }

    trait Owned {
        fn map_to(&self) -> Vec<String>;
    }
    impl Owned for &[&str] {
        fn map_to(&self) -> Vec<String> {
            self.iter().map(|text| (*text).to_owned()).collect()
        }
    }

    #[test]
    fn wide_characters_are_read() {
        let text = "BEGIN:VCARD\r\nFN:Łucja\r\nEMAIL:l@x.example\r\nEND:VCARD\r\n";
        let little: Vec<u8> = [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect();
        let big: Vec<u8> = [0xfe, 0xff].into_iter().chain(text.encode_utf16().flat_map(u16::to_be_bytes)).collect();
        for bytes in [little, big] {
            assert_eq!(one(&bytes).name, "Łucja");
        }
    }

    #[test]
    fn groups_name_their_members() {
        let text = b"BEGIN:VCARD\nVERSION:4.0\nKIND:group\nFN:The Team\nUID:urn:uuid:G1\nMEMBER:urn:uuid:ABC-1\nMEMBER:mailto:x@y.example\nEND:VCARD\n\
            BEGIN:VCARD\nVERSION:3.0\nFN:Apple\nX-ADDRESSBOOKSERVER-KIND:group\nX-ADDRESSBOOKSERVER-MEMBER:urn:uuid:Abc-1\nEND:VCARD\n\
            BEGIN:VCARD\nVERSION:4.0\nKIND:group\nFN:Nobody\nEND:VCARD\nBEGIN:VCARD\nFN:No Mail\nTEL:1\nEND:VCARD\n";
        let cards = parse(text);
        let card = |uid: &str| Member::Card(uid.to_owned());
        assert_eq!(cards.len(), 2, "a group of nobody and a card without an address are no use here");
        assert_eq!((cards[0].uid.as_str(), cards[0].name.as_str()), ("g1", "The Team"));
        assert_eq!(cards[0].members, Some(vec![card("abc-1"), Member::Email("x@y.example".to_owned())]));
        assert_eq!(cards[1].members, Some(vec![card("abc-1")]));
    }

    #[test]
    fn a_card_within_a_card_is_not_taken_for_it() {
        let text = b"BEGIN:VCARD\nVERSION:2.1\nFN:Boss\nAGENT:\nBEGIN:VCARD\nFN:Secretary\nEMAIL:s@x.example\nEND:VCARD\nEMAIL:b@x.example\nEND:VCARD\n";
        let card = one(text);
        assert_eq!((card.name.as_str(), card.emails), ("Boss", vec!["b@x.example".to_owned()]));
        let torn = b"BEGIN:VCARD\nFN:One\nEMAIL:1@x.example\nBEGIN:VCARD\nFN:Two\nEMAIL:2@x.example\nEND:VCARD\n";
        let names: Vec<String> = parse(torn).into_iter().map(|card| card.name).collect();
        assert_eq!(names, ["One", "Two"]);
    }

    #[test]
    fn hostile_cards_stay_small() {
        let photo = format!(
            "BEGIN:VCARD\nPHOTO;ENCODING=b:{}\nFN:A\nEMAIL:a@x.example\nEND:VCARD\n",
            "QUJD\n ".repeat(200_000)
        );
        assert_eq!(one(photo.as_bytes()).name, "A");
        let many =
            format!("BEGIN:VCARD\nFN:{}\n{}END:VCARD\n", "x".repeat(100_000), "EMAIL:a@x.example\n".repeat(10_000));
        let card = one(many.as_bytes());
        assert!(card.emails.len() == 1 && card.name.chars().count() <= 80);
        let nested = "BEGIN:VCARD\nAGENT:\n".repeat(10_000);
        assert!(parse(nested.as_bytes()).is_empty());
        for odd in [
            &b""[..],
            b":",
            b"BEGIN:VCARD",
            b"\n\n \n",
            b"FN;=;\"::",
            b"END:VCARD\nEND:VCARD",
            b"BEGIN:VCARD\nEMAIL;PREF=999:a@b.example",
        ] {
            let _: Vec<Card> = parse(odd);
        }
    }

    #[test]
    fn names_that_deceive_are_left_out() {
        let card = one(b"BEGIN:VCARD\nFN:ceo@bank.example\nN:Real;Name\nEMAIL:x@y.example\nEND:VCARD\n");
        assert_eq!(card.name, "Name Real");
    }
}
