//! What responses mean (RFC 9051 §7, RFC 7162, RFC 4315, RFC 4731, RFC 6154, RFC 2342): status
//! lines with their codes, FETCH, LIST, SEARCH. Pure. What is not known is passed over; what is
//! known but makes no sense is left out; only what cannot be followed at all is [`Malformed`].

use crate::mail::clean::Clean;
use crate::mail::flags::Flags;
use crate::mail::ids::{ModSeq, Timestamp, Uid, UidValidity};
use crate::mail::labels::Labels;

use super::extensions::labels;
use super::extensions::qresync::{self, Vanished};
use super::tokens::{Malformed, Response, Token, Tokens, number};

/// Ranges of numbers as in `1:4,7`, in their order, each from the smaller to the larger.
pub(super) type Ranges = Vec<(u32, u32)>;

/// How a status line answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// OK.
    Ok,
    /// NO.
    No,
    /// BAD.
    Bad,
    /// BYE.
    Bye,
    /// PREAUTH.
    PreAuth,
}

/// A status line: tagged, untagged or the greeting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Status {
    /// How it answers.
    pub(super) answer: Answer,
    /// The code in brackets.
    pub(super) code: Option<Code>,
    /// The words, clean.
    pub(super) text: Clean,
}

/// A response code (RFC 9051 §7.1, RFC 5530).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Code {
    Alert,
    UidValidity(UidValidity),
    UidNext(Uid),
    HighestModSeq(ModSeq),
    NoModSeq,
    /// Which flags are kept, and whether new keywords may be made.
    PermanentFlags(Flags, bool),
    ReadOnly,
    ReadWrite,
    /// What was said before is about the mailbox that was selected before (RFC 7162 §3.2.11).
    Closed,
    AppendUid(UidValidity, Ranges),
    CopyUid(UidValidity, Ranges, Ranges),
    TryCreate,
    Capability(Vec<String>),
    /// Any other, in capitals, without its arguments.
    Other(String),
}

/// What an untagged response is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Status(Status),
    Exists(u32),
    Expunge,
    /// VANISHED (RFC 7162 §3.2.10).
    Vanished(Vanished),
    Fetch,
    List,
    /// LSUB (RFC 3501 §7.2.3).
    Subscribed,
    /// XLIST, Gmail's own before there was SPECIAL-USE.
    Roles,
    /// STATUS (RFC 9051 §7.3.4).
    MailboxStatus,
    Search,
    ESearch,
    Capability,
    Namespace,
    /// ENABLED, with or without QRESYNC in it.
    Enabled(bool),
    /// None that means anything here.
    Other,
}

/// Whether a response is there in full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// All of it.
    Whole,
    /// Up to a literal that is still to come.
    Begun,
}

/// The body of a message in a FETCH response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Body {
    /// In a literal that is not held: its length.
    Streamed(u64),
    /// Here.
    Held(Vec<u8>),
    /// The server said NIL.
    Nil,
}

/// One FETCH response.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct FetchItem {
    pub(super) uid: Option<Uid>,
    pub(super) flags: Option<Flags>,
    pub(super) date: Option<Timestamp>,
    pub(super) size: Option<u64>,
    /// X-GM-LABELS.
    pub(super) labels: Option<Box<Labels>>,
    /// `BODY[...]`, whatever section was asked for.
    pub(super) body: Option<Body>,
}

/// One LIST response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    /// The attributes, e.g. `\Sent`.
    pub(super) attributes: Vec<String>,
    /// What separates levels; `None`: there are none.
    pub(super) delimiter: Option<char>,
    /// The name as on the wire.
    pub(super) name: Vec<u8>,
}

/// Reads a status line, of which `tokens` has yet the answer and all after it.
pub(super) fn status(tokens: &mut Tokens<'_>) -> Result<Status, Malformed> {
    let Token::Word(word) = tokens.expect()? else { return Err(Malformed("no status line")) };
    let answer = match word.to_ascii_uppercase().as_slice() {
        b"OK" => Answer::Ok,
        b"NO" => Answer::No,
        b"BAD" => Answer::Bad,
        b"BYE" => Answer::Bye,
        b"PREAUTH" => Answer::PreAuth,
        _ => return Err(Malformed("no status line")),
    };
    let rest = tokens.rest().trim_ascii();
    let (inside, text) = match rest.strip_prefix(b"[") {
        None => (None, rest),
        Some(inner) => match code_end(inner) {
            Some(end) => (inner.get(..end), inner.get(end + 1..).unwrap_or_default()),
            None => (None, rest),
        },
    };
    let code = inside.and_then(code);
    Ok(Status { answer, code, text: Clean::bytes(text.trim_ascii()) })
}

/// Where the code's closing bracket is; flags in a list, e.g. `PERMANENTFLAGS (a[b] \*)`, may
/// hold brackets too.
fn code_end(inner: &[u8]) -> Option<usize> {
    let mut depth = 0usize;
    for (at, byte) in inner.iter().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            b']' if depth == 0 => return Some(at),
            _ => {}
        }
    }
    inner.iter().position(|byte| *byte == b']')
}

fn code(inside: &[u8]) -> Option<Code> {
    let inside = Response::of(inside);
    let mut tokens = inside.tokens();
    let Ok(Some(Token::Word(name))) = tokens.next() else { return None };
    let name = String::from_utf8_lossy(name).to_ascii_uppercase();
    let mut numeral = || tokens.next().ok().flatten().and_then(|token| token.number());
    let known = match name.as_str() {
        "ALERT" => Some(Code::Alert),
        "UIDVALIDITY" => numeral().and_then(small).and_then(UidValidity::new).map(Code::UidValidity),
        "UIDNEXT" => numeral().and_then(small).and_then(Uid::new).map(Code::UidNext),
        "HIGHESTMODSEQ" => Some(numeral().and_then(ModSeq::new).map_or(Code::NoModSeq, Code::HighestModSeq)),
        "NOMODSEQ" => Some(Code::NoModSeq),
        "PERMANENTFLAGS" => tokens.strings().ok().map(|names| {
            let names: Vec<_> = names.iter().map(|name| String::from_utf8_lossy(name)).collect();
            let fresh = names.iter().any(|name| name == "\\*");
            Code::PermanentFlags(Flags::from_imap(names.iter().map(AsRef::as_ref)), fresh)
        }),
        "READ-ONLY" => Some(Code::ReadOnly),
        "READ-WRITE" => Some(Code::ReadWrite),
        "CLOSED" => Some(Code::Closed),
        "TRYCREATE" => Some(Code::TryCreate),
        "APPENDUID" => append_uid(&mut tokens),
        "COPYUID" => copy_uid(&mut tokens),
        "CAPABILITY" => Some(Code::Capability(words(&mut tokens))),
        _ => None,
    };
    Some(known.unwrap_or(Code::Other(name)))
}

fn append_uid(tokens: &mut Tokens<'_>) -> Option<Code> {
    let validity = UidValidity::new(small(tokens.next().ok()??.number()?)?)?;
    Some(Code::AppendUid(validity, ranges(tokens.next().ok()??.bytes()?)?))
}

fn copy_uid(tokens: &mut Tokens<'_>) -> Option<Code> {
    let validity = UidValidity::new(small(tokens.next().ok()??.number()?)?)?;
    let from = ranges(tokens.next().ok()??.bytes()?)?;
    let to = ranges(tokens.next().ok()??.bytes()?)?;
    Some(Code::CopyUid(validity, from, to))
}

/// All words that are left, as far as they are text.
fn words(tokens: &mut Tokens<'_>) -> Vec<String> {
    let mut out = Vec::new();
    while let Ok(Some(token)) = tokens.next() {
        out.extend(token.bytes().and_then(|bytes| std::str::from_utf8(bytes).ok()).map(str::to_owned));
    }
    out
}

fn small(value: u64) -> Option<u32> {
    u32::try_from(value).ok()
}

/// Reads `1:4,7`; `*` and zero are refused.
pub(super) fn ranges(text: &[u8]) -> Option<Ranges> {
    let one = |part: &[u8]| {
        let value = |digits: &[u8]| number(digits).and_then(small).filter(|value| *value > 0);
        match part.iter().position(|byte| *byte == b':') {
            None => value(part).map(|only| (only, only)),
            Some(colon) => {
                let (a, b) = (value(part.get(..colon)?)?, value(part.get(colon + 1..)?)?);
                Some((a.min(b), a.max(b)))
            }
        }
    };
    text.split(|byte| *byte == b',').map(one).collect()
}

/// The UIDs of ranges, in their order; `None` if there are more than `most`.
pub(super) fn expand(ranges: &[(u32, u32)], most: usize) -> Option<Vec<Uid>> {
    let count: u64 = ranges.iter().map(|(first, last)| u64::from(last - first) + 1).sum();
    if usize::try_from(count).map_or(true, |count| count > most) {
        return None;
    }
    Some(ranges.iter().flat_map(|(first, last)| *first..=*last).filter_map(Uid::new).collect())
}

/// What an untagged response is about.
pub(super) fn kind(response: &Response) -> Kind {
    let mut tokens = response.tokens();
    let Ok(Some(Token::Word(b"*"))) = tokens.next() else { return Kind::Other };
    if let Ok(status) = status(&mut response.after_star()) {
        return Kind::Status(status);
    }
    let Ok(Some(first)) = tokens.next() else { return Kind::Other };
    if let Some(number) = first.number() {
        let Ok(Some(Token::Word(name))) = tokens.next() else { return Kind::Other };
        return match name.to_ascii_uppercase().as_slice() {
            b"EXISTS" => small(number).map_or(Kind::Other, Kind::Exists),
            b"EXPUNGE" => Kind::Expunge,
            b"FETCH" => Kind::Fetch,
            _ => Kind::Other,
        };
    }
    match first.bytes().unwrap_or_default().to_ascii_uppercase().as_slice() {
        b"LIST" => Kind::List,
        b"LSUB" => Kind::Subscribed,
        b"XLIST" => Kind::Roles,
        b"STATUS" => Kind::MailboxStatus,
        b"SEARCH" => Kind::Search,
        b"ESEARCH" => Kind::ESearch,
        b"CAPABILITY" => Kind::Capability,
        b"NAMESPACE" => Kind::Namespace,
        b"VANISHED" => Kind::Vanished(qresync::when(response)),
        b"ENABLED" => Kind::Enabled(capability(response).iter().any(|name| name.eq_ignore_ascii_case("QRESYNC"))),
        _ => Kind::Other,
    }
}

impl Response {
    /// Its tokens after the `*` or the tag.
    pub(super) fn after_star(&self) -> Tokens<'_> {
        let mut tokens = self.tokens();
        let _ = tokens.next();
        tokens
    }

    /// Its tokens after `*` and the word or number that follows.
    pub(super) fn arguments(&self) -> Tokens<'_> {
        let mut tokens = self.after_star();
        let _ = tokens.next();
        tokens
    }
}

/// Reads a FETCH response, or what has come of one.
pub(super) fn fetch(response: &Response, extent: Extent) -> Result<FetchItem, Malformed> {
    let mut tokens = response.arguments();
    tokens.skip_value()?;
    tokens.open()?;
    let mut item = FetchItem::default();
    loop {
        let name = match tokens.next()? {
            Some(Token::Word(name)) => name,
            Some(Token::Close) => return Ok(item),
            None if extent == Extent::Begun => return Ok(item),
            None => return Err(Malformed("the list is not closed")),
            Some(_) => return Err(Malformed("a name was expected")),
        };
        fetch_value(name, &mut tokens, &mut item)?;
    }
}

fn fetch_value(name: &[u8], tokens: &mut Tokens<'_>, item: &mut FetchItem) -> Result<(), Malformed> {
    let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
    if is("UID") {
        item.uid = tokens.expect()?.number().and_then(small).and_then(Uid::new);
        if item.uid.is_none() {
            return Err(Malformed("a UID that is none"));
        }
    } else if is("FLAGS") {
        let names = tokens.strings()?;
        let names = names.iter().filter_map(|name| std::str::from_utf8(name).ok());
        item.flags = Some(Flags::from_imap(names));
    } else if is("X-GM-LABELS") {
        item.labels = Some(Box::new(labels::read(tokens)?));
    } else if is("RFC822.SIZE") {
        item.size = tokens.expect()?.number();
    } else if is("INTERNALDATE") {
        item.date = tokens.expect()?.bytes().and_then(internal_date);
    } else if name.get(..5).is_some_and(|start| start.eq_ignore_ascii_case(b"BODY[")) {
        item.body = Some(match tokens.expect()? {
            Token::Streamed(length) => Body::Streamed(length),
            Token::Text(text) => Body::Held(text.into_owned()),
            nil if nil.is_nil() => Body::Nil,
            _ => return Err(Malformed("a body that is none")),
        });
    } else {
        tokens.skip_value()?;
    }
    Ok(())
}

/// Reads `17-Jul-1996 02:44:25 -0700` (RFC 9051 §9, date-time).
fn internal_date(text: &[u8]) -> Option<Timestamp> {
    const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let text = std::str::from_utf8(text).ok()?;
    let mut parts = text.split_ascii_whitespace();
    let mut date = parts.next()?.split('-');
    let day: i8 = date.next()?.parse().ok()?;
    let month = date.next()?.to_ascii_lowercase();
    let month = MONTHS.iter().position(|known| *known == month)?;
    let year: i16 = date.next()?.parse().ok()?;
    let mut time = parts.next()?.split(':');
    let mut clock = || time.next().and_then(|part| part.parse::<i8>().ok());
    let (hour, minute, second) = (clock()?, clock()?, clock()?);
    let zone = parts.next().unwrap_or("+0000");
    let offset: i64 = zone.get(1..)?.parse().ok()?;
    let offset = (offset / 100 * 60 + offset % 100) * 60 * if zone.starts_with('-') { -1 } else { 1 };
    let month = i8::try_from(month + 1).ok()?;
    let moment = jiff::civil::DateTime::new(year, month, day, hour, minute, second.min(59), 0).ok()?;
    let seconds = moment.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_second();
    Some(Timestamp::new(seconds.checked_sub(offset)?))
}

/// Writes a moment as date-time (RFC 9051 §9), in UTC.
pub(super) fn date_time(moment: Timestamp) -> Option<String> {
    let zoned = jiff::Timestamp::from_second(moment.get()).ok()?.to_zoned(jiff::tz::TimeZone::UTC);
    Some(zoned.strftime("%d-%b-%Y %H:%M:%S +0000").to_string())
}

/// Reads a LIST response.
pub(super) fn list(response: &Response) -> Result<Listed, Malformed> {
    let mut tokens = response.arguments();
    let attributes = tokens.strings()?;
    let attributes = attributes.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
    let delimiter = tokens.expect()?;
    let delimiter = delimiter.bytes().and_then(|bytes| std::str::from_utf8(bytes).ok()).and_then(|s| s.chars().next());
    Ok(Listed { attributes, delimiter, name: tokens.name()?.into_owned() })
}

/// Reads a CAPABILITY response.
pub(super) fn capability(response: &Response) -> Vec<String> {
    words(&mut response.arguments())
}

/// Reads the prefix of the first personal namespace, e.g. `INBOX.` (RFC 2342 §5).
pub(super) fn namespace(response: &Response) -> Option<Vec<u8>> {
    let mut tokens = response.arguments();
    tokens.open().ok()?;
    tokens.open().ok()?;
    let prefix = tokens.next().ok()??;
    prefix.bytes().map(<[u8]>::to_vec)
}

/// Reads SEARCH: the numbers, up to the first thing that is none.
pub(super) fn search(response: &Response) -> Ranges {
    let mut tokens = response.arguments();
    let mut out = Vec::new();
    while let Ok(Some(token)) = tokens.next() {
        match token.number().and_then(small) {
            Some(number) if number > 0 => out.push((number, number)),
            _ => break,
        }
    }
    out
}

/// Reads ESEARCH: its ALL, which is missing where nothing was found (RFC 4731 §3.1).
pub(super) fn esearch(response: &Response) -> Result<Ranges, Malformed> {
    let mut tokens = response.arguments();
    while let Some(token) = tokens.next()? {
        match &token {
            Token::Word(name) if name.eq_ignore_ascii_case(b"ALL") => {
                let set = tokens.expect()?;
                return set.bytes().and_then(ranges).ok_or(Malformed("a set of UIDs that is none"));
            }
            Token::Word(name) if name.eq_ignore_ascii_case(b"UID") => {}
            Token::Open => tokens.skip_rest_of(&token)?,
            _ => tokens.skip_value()?,
        }
    }
    Ok(Vec::new())
}

#[cfg(test)]
mod tests {
    use super::super::tokens::Held;
    use super::*;
    use crate::mail::flags::Flag;
    use proptest::prelude::*;

    fn uid(value: u32) -> Uid {
        Uid::new(value).unwrap()
    }

    fn validity(value: u32) -> UidValidity {
        UidValidity::new(value).unwrap()
    }

    fn code_of(line: &str) -> Option<Code> {
        match kind(&Response::of(line)) {
            Kind::Status(status) => status.code,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn codes() {
        let table = [
            ("* OK [UIDVALIDITY 3857529045] valid", Some(Code::UidValidity(validity(3_857_529_045)))),
            ("* OK [UIDNEXT 4392] next", Some(Code::UidNext(uid(4392)))),
            ("* OK [HIGHESTMODSEQ 715194045007]", Some(Code::HighestModSeq(ModSeq::new(715_194_045_007).unwrap()))),
            ("* OK [HIGHESTMODSEQ 0] zero is none", Some(Code::NoModSeq)),
            ("* OK [NOMODSEQ] no", Some(Code::NoModSeq)),
            ("* OK [UIDVALIDITY 0] no", Some(Code::Other("UIDVALIDITY".into()))),
            ("* NO [alert] Système arrêté", Some(Code::Alert)),
            ("* OK [READ-ONLY] so", Some(Code::ReadOnly)),
            (
                "* OK [PERMANENTFLAGS (\\Seen a[b] \\*)] x",
                Some(Code::PermanentFlags(Flags::from_imap(["\\Seen", "a[b]"]), true)),
            ),
            (
                "* OK [COPYUID 38505 304,319:320 3956:3958] done",
                Some(Code::CopyUid(validity(38505), vec![(304, 304), (319, 320)], vec![(3956, 3958)])),
            ),
            ("* OK [APPENDUID 5 7] ok", Some(Code::AppendUid(validity(5), vec![(7, 7)]))),
            ("* OK [APPENDUID 5 *] ok", Some(Code::Other("APPENDUID".into()))),
            ("* OK [CAPABILITY IMAP4rev1 IDLE] hi", Some(Code::Capability(vec!["IMAP4rev1".into(), "IDLE".into()]))),
            ("* OK plain [not a code]", None),
            ("* OK [unclosed", None),
            ("* BYE", None),
        ];
        for (line, expected) in table {
            assert_eq!(code_of(line), expected, "{line}");
        }
    }

    #[test]
    fn the_words_of_the_server_are_kept_and_clean() {
        let line = Response::of("* NO [ALERT] Quota \u{fc}berschritten \u{1b}[31m");
        let Kind::Status(status) = kind(&line) else { panic!() };
        assert_eq!(status.text.as_str(), "Quota überschritten \u{241b}[31m");
        assert_eq!(status.answer, Answer::No);
    }

    #[test]
    fn a_fetch_of_a_message() {
        let mut line = Response::of(
            "* 12 FETCH (FLAGS (\\Seen todo) UID 34 INTERNALDATE \"17-Jul-1996 02:44:25 -0700\" RFC822.SIZE 44827 \
             MODSEQ (65402) ENVELOPE (NIL (\"x\" (\")\"))) X-ODD BODY[] {5}",
        );
        assert!(fetch(&line, Extent::Begun).is_err(), "a word is no body");
        line.text.truncate(line.text.len() - "X-ODD BODY[] {5}".len());
        line.text.extend_from_slice(b"BODY[] {5}");
        line.literal(Held::Streamed(5));
        let begun = fetch(&line, Extent::Begun).unwrap();
        assert_eq!((begun.uid, begun.size, begun.body), (Some(uid(34)), Some(44827), Some(Body::Streamed(5))));
        assert_eq!(begun.date.map(Timestamp::get), Some(837_596_665));
        assert!(begun.flags.unwrap().has(Flag::Seen));
        assert_eq!(fetch(&line, Extent::Whole), Err(Malformed("the list is not closed")));
        line.text.extend_from_slice(b")");
        assert!(fetch(&line, Extent::Whole).is_ok());
    }

    #[test]
    fn odd_fetches() {
        let read = |text: &str| fetch(&Response::of(text), Extent::Whole);
        assert_eq!(read("* 1 FETCH (UID 3 BODY[] NIL)").unwrap().body, Some(Body::Nil));
        assert_eq!(read("* 1 FETCH (UID 3 BODY[] \"a\\\"\")").unwrap().body, Some(Body::Held(b"a\"".to_vec())));
        assert_eq!(read("* 1 FETCH (UID 3 RFC822.SIZE -1 FLAGS NIL)").unwrap().size, None);
        assert!(read("* 1 FETCH (UID 0)").is_err());
        assert!(read("* 1 FETCH (UID 4294967296)").is_err());
        assert!(read(&format!("* 1 FETCH (UID 3 BODYSTRUCTURE {})", "(".repeat(2000))).is_err());
    }

    #[test]
    fn moments_round_trip() {
        let moment = Timestamp::new(837_596_665);
        let text = date_time(moment).unwrap();
        assert_eq!(text, "17-Jul-1996 09:44:25 +0000");
        assert_eq!(internal_date(text.as_bytes()), Some(moment));
        assert_eq!(internal_date(b" 7-Jul-1996 09:44:25 +0000").map(Timestamp::get), Some(836_732_665));
        assert_eq!(internal_date(b"31-Feb-1996 09:44:25 +0000"), None);
    }

    #[test]
    fn lists() {
        let read = |text: &str| list(&Response::of(text)).unwrap();
        let sent = read("* LIST (\\HasNoChildren \\Sent) \"/\" \"a \\\"b\\\"\" (\"CHILDINFO\" (\"SUBSCRIBED\"))");
        assert_eq!(sent.attributes, ["\\HasNoChildren", "\\Sent"]);
        assert_eq!((sent.delimiter, sent.name), (Some('/'), b"a \"b\"".to_vec()));
        assert_eq!(read("* LIST () NIL foo").delimiter, None);
        let mut line = Response::of("* LIST () \"\\\\\" {3}");
        line.literal(Held::Bytes(b"x\"y".to_vec()));
        let odd = list(&line).unwrap();
        assert_eq!((odd.delimiter, odd.name), (Some('\\'), b"x\"y".to_vec()));
        assert_eq!(namespace(&Response::of("* NAMESPACE ((\"INBOX.\" \".\")) NIL NIL")), Some(b"INBOX.".to_vec()));
        assert_eq!(namespace(&Response::of("* NAMESPACE NIL NIL NIL")), None);
    }

    #[test]
    fn searches() {
        assert_eq!(search(&Response::of("* SEARCH 2 84 (MODSEQ 917162500)")), [(2, 2), (84, 84)]);
        let line = Response::of("* ESEARCH (TAG \"a5\") UID COUNT 3 ALL 4:5,9 MODSEQ 7");
        assert_eq!(esearch(&line), Ok(vec![(4, 5), (9, 9)]));
        assert_eq!(esearch(&Response::of("* ESEARCH (TAG \"a5\") UID")), Ok(Vec::new()));
        assert_eq!(expand(&[(1, u32::MAX)], 1000), None);
        assert_eq!(expand(&[(9, 9), (1, 2)], 1000), Some(vec![uid(9), uid(1), uid(2)]));
    }

    proptest! {
        #[test]
        fn any_bytes_end_and_never_panic(bytes: Vec<u8>, tail: Vec<u8>) {
            let starts = ["", "* ", "* OK [", "* 1 FETCH (", "* 1 FETCH (INTERNALDATE \"", "* LIST ", "* ESEARCH ", "* NAMESPACE "];
            for start in starts {
                let mut line = Response::of([start.as_bytes(), &bytes].concat());
                line.literal(Held::Streamed(7));
                line.text.extend_from_slice(&tail);
                let _ = kind(&line);
                let _ = fetch(&line, Extent::Begun);
                let _ = fetch(&line, Extent::Whole);
                let _ = list(&line);
                let _ = esearch(&line).map(|set| expand(&set, 1000));
                let _ = search(&line);
                let _ = namespace(&line);
                let _ = capability(&line);
            }
        }

        #[test]
        fn any_fetch_like_text_never_panics(text in "[A-Z0-9()\\[\\]\"{}\\\\ :.-]{0,80}") {
            let line = Response::of(format!("* 1 FETCH ({text}"));
            let _ = fetch(&line, Extent::Whole);
            let _ = kind(&Response::of(format!("* {text}")));
        }
    }
}
