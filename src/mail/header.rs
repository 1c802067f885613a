//! Header fields: split, unfolded and decoded. Encoded words (RFC 2047) in linear time and with
//! repairs, parameters (RFC 2045 §5.1, RFC 2231), message ids, list fields (RFC 2369, 2919, 8058).
//! Every size is capped; no bytes make it fail.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::BufRead as _;

use super::charset;
use super::ids::MessageId;
use super::transfer::{self, Underscore};

/// The most bytes of one field that are looked at.
pub const MAX_FIELD: usize = 64 * 1024;
/// The most bytes of a header that are looked at.
pub const MAX_HEADER: usize = 1024 * 1024;
/// The most message ids that are taken from References; the newest are kept.
pub const MAX_REFERENCES: usize = 100;
/// The most parameters of one field.
const MAX_PARAMETERS: usize = 256;

/// One field: its name and its value as written, folded and encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    name: &'a str,
    value: &'a [u8],
}

impl<'a> Field<'a> {
    /// The name as written.
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// Is this its name? Case does not matter.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// The value as written, without the last line end, at most [`MAX_FIELD`] bytes.
    pub fn raw(&self) -> &'a [u8] {
        self.value
    }

    /// The value on one line: unfolded, not decoded.
    pub fn unfolded(&self) -> Cow<'a, str> {
        unfold(self.value)
    }

    /// The value as unstructured text (RFC 5322 §2.2.1), decoded.
    pub fn text(&self) -> String {
        decode_words(&self.unfolded()).into_owned()
    }
}

/// The fields of a header, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Header<'a> {
    fields: Vec<Field<'a>>,
    body_at: usize,
    cut: bool,
    broken: bool,
}

impl<'a> Header<'a> {
    /// A header without fields.
    pub const EMPTY: Self = Self { fields: Vec::new(), body_at: 0, cut: false, broken: false };

    /// Splits the header off a message or a part. A line that cannot be a field ends the header;
    /// a byte order mark and a `From ` line of an mbox before it are skipped.
    pub fn split(bytes: &'a [u8]) -> Self {
        let mut header = Self::default();
        let mut at = if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        let first = bytes.get(at..).unwrap_or_default();
        if (first.starts_with(b"From ") || first.starts_with(b">From ")) && field_name(first).is_none() {
            let behind = line_end(bytes, at);
            // Where no field follows, it is the first line of a text.
            if bytes.get(behind..).and_then(field_name).is_some() {
                at = behind;
            }
        }
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            if let Some(blank) = blank_line(rest) {
                at += blank;
                break;
            }
            let Some((name, value_at)) = field_name(rest) else {
                header.broken = true;
                break;
            };
            let end = field_end(bytes, at);
            if at < MAX_HEADER {
                let value = bytes.get(at + value_at..end).unwrap_or_default().trim_ascii();
                header.cut |= value.len() > MAX_FIELD;
                header.fields.push(Field { name, value: value.get(..MAX_FIELD).unwrap_or(value) });
            } else {
                header.cut = true;
            }
            at = end;
        }
        header.body_at = at;
        header
    }

    /// The fields, in order.
    pub fn fields(&self) -> &[Field<'a>] {
        &self.fields
    }

    /// The first field of this name.
    pub fn first(&self, name: &str) -> Option<Field<'a>> {
        self.fields.iter().find(|field| field.is(name)).copied()
    }

    /// All fields of this name, in order.
    pub fn all<'s>(&'s self, name: &'s str) -> impl Iterator<Item = Field<'a>> + 's {
        self.fields.iter().filter(move |field| field.is(name)).copied()
    }

    /// A field's value on one line, not decoded. Bytes that are no UTF-8 are taken for what the
    /// message's text is in: programs that encode nothing write both alike.
    pub fn line(&self, field: &Field<'a>) -> Cow<'a, str> {
        if field.value.is_ascii() || std::str::from_utf8(field.value).is_ok() {
            return field.unfolded();
        }
        let media = self.first("Content-Type").map(|media| Parameters::parse(&media.unfolded())).unwrap_or_default();
        without_line_ends(charset::decode(field.value, media.get("charset")))
    }

    /// Where the body begins.
    pub fn body_at(&self) -> usize {
        self.body_at
    }

    /// Was a field or the header longer than what is looked at?
    pub fn is_cut(&self) -> bool {
        self.cut
    }

    /// Did it end with a line that is neither a field nor empty?
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// How the author may be written to through the list (RFC 2369 §3.4).
    pub fn list_post(&self) -> Option<String> {
        let value = self.first("List-Post")?.unfolded().into_owned();
        bracketed(&value).find_map(|uri| {
            let address = uri.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case("mailto:")).and(uri.get(7..))?;
            let address = address.split('?').next().unwrap_or(address);
            address.contains('@').then(|| percent_decoded(address))
        })
    }

    /// The list's identifier, without description and brackets, lower case (RFC 2919).
    pub fn list_id(&self) -> Option<String> {
        self.first("List-Id").and_then(|field| list_id(&field.unfolded()))
    }

    /// The ways to leave the list (RFC 2369 §3.2), as URIs of any scheme: text from outside.
    pub fn list_unsubscribe(&self) -> Vec<String> {
        let Some(field) = self.first("List-Unsubscribe") else { return Vec::new() };
        bracketed(&field.unfolded()).take(20).map(str::to_owned).collect()
    }

    /// Does the list promise that one POST is enough to leave it (RFC 8058)?
    pub fn has_one_click_unsubscribe(&self) -> bool {
        self.first("List-Unsubscribe-Post")
            .is_some_and(|field| field.unfolded().trim().eq_ignore_ascii_case("List-Unsubscribe=One-Click"))
    }
}

/// The position behind the end of the line that `at` is in.
pub(super) fn line_end(bytes: &[u8], at: usize) -> usize {
    let mut rest = bytes.get(at..).unwrap_or_default();
    // The fastest search for a byte that the standard library has; on a slice it cannot fail.
    rest.skip_until(b'\n').map_or(bytes.len(), |length| at + length)
}

/// The position behind a field that begins at `at`: behind the first line end that no blank
/// follows. A line of blanks only is the end of the header, not a folded line.
fn field_end(bytes: &[u8], at: usize) -> usize {
    let mut end = line_end(bytes, at);
    while let Some(next @ [b' ' | b'\t', ..]) = bytes.get(end..) {
        if blank_line(next).is_some() && !continues(next) {
            break;
        }
        end = line_end(bytes, end);
    }
    end
}

/// The length of an empty line, if `rest` begins with one; blanks in it count for nothing.
fn blank_line(rest: &[u8]) -> Option<usize> {
    let blanks = rest.iter().take(200).take_while(|b| matches!(b, b' ' | b'\t')).count();
    match rest.get(blanks..)? {
        [b'\r', b'\n', ..] => Some(blanks + 2),
        [b'\n' | b'\r', ..] => Some(blanks + 1),
        _ => None,
    }
}

/// Does the header go on behind a line of blanks? Some senders fold an empty line into a field.
fn continues(rest: &[u8]) -> bool {
    let behind = rest.get(line_end(rest, 0)..).unwrap_or_default();
    field_name(behind).is_some() || (matches!(behind, [b' ' | b'\t', ..]) && blank_line(behind).is_none())
}

/// The name of the field that `rest` begins with, and where its value begins. Blanks before the
/// colon are tolerated; `--` begins no field but a boundary.
fn field_name(rest: &[u8]) -> Option<(&str, usize)> {
    let length = rest.iter().take(200).take_while(|&&b| b > b' ' && b < 0x7f && b != b':').count();
    let name = rest.get(..length)?;
    if name.is_empty() || name.starts_with(b"--") {
        return None;
    }
    let blanks = rest.get(length..)?.iter().take(20).take_while(|b| matches!(b, b' ' | b'\t')).count();
    let colon = rest.get(length + blanks)?;
    (*colon == b':').then_some((std::str::from_utf8(name).ok()?, length + blanks + 1))
}

/// Takes the line ends out of a field's value (RFC 5322 §2.2.3). Not UTF-8: Windows-1252.
pub(super) fn unfold(value: &[u8]) -> Cow<'_, str> {
    without_line_ends(charset::guess(value))
}

fn without_line_ends(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.contains(['\r', '\n', '\0']) {
        Cow::Owned(text.replace("\r\n", "").replace(['\r', '\n', '\0'], ""))
    } else {
        text
    }
}

/// An encoded word in a text (RFC 2047 §2).
struct Word<'a> {
    charset: &'a str,
    bytes: Vec<u8>,
    length: usize,
}

/// Decodes the encoded words of a text on one line (RFC 2047), in one pass. Repaired on the way:
/// words glued to each other or to text, blanks inside, missing padding, a language behind the
/// charset, unknown charsets, characters cut in two by a word's end.
pub fn decode_words(text: &str) -> Cow<'_, str> {
    if !text.contains("=?") {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut pending: Option<(&str, Vec<u8>)> = None;
    let mut ends = Ends { text, next: Some(0) };
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let plain = rest.find("=?").unwrap_or(rest.len());
        let (before, from) = rest.split_at_checked(plain).unwrap_or((rest, ""));
        let Some(word) = encoded_word(from, at + plain, &mut ends) else {
            finish(&mut pending, &mut out);
            out.push_str(before);
            // An opening that begins no word is text itself.
            let taken = from.len().min(2);
            out.push_str(from.get(..taken).unwrap_or_default());
            at += plain + taken;
            continue;
        };
        if pending.is_none() || !before.trim().is_empty() {
            finish(&mut pending, &mut out);
            out.push_str(before);
        }
        match &mut pending {
            Some((charset, bytes)) if charset.eq_ignore_ascii_case(word.charset) && !is_stateful(charset) => {
                bytes.extend(word.bytes);
            }
            _ => {
                finish(&mut pending, &mut out);
                pending = Some((word.charset, word.bytes));
            }
        }
        at += plain + word.length;
    }
    finish(&mut pending, &mut out);
    Cow::Owned(out)
}

/// In these charsets each word begins and ends in its own state: nothing can be cut in two.
fn is_stateful(charset: &str) -> bool {
    charset.get(..8).is_some_and(|head| head.eq_ignore_ascii_case("iso-2022")) || charset.eq_ignore_ascii_case("utf-7")
}

/// Decodes the bytes gathered from neighbouring words. A header is one line whatever was encoded.
fn finish(pending: &mut Option<(&str, Vec<u8>)>, out: &mut String) {
    if let Some((charset, bytes)) = pending.take() {
        let text = charset::decode(&bytes, Some(charset));
        out.extend(text.chars().map(|c| if matches!(c, '\r' | '\n' | '\0') { ' ' } else { c }));
    }
}

/// Finds the next `?=`; asked with growing positions it looks at each byte once.
struct Ends<'a> {
    text: &'a str,
    next: Option<usize>,
}

impl Ends<'_> {
    fn after(&mut self, at: usize) -> Option<usize> {
        let known = self.next?;
        if known < at || known == 0 {
            self.next = self.text.get(at..).and_then(|rest| rest.find("?=")).map(|found| at + found);
        }
        self.next
    }
}

fn encoded_word<'a>(from: &'a str, from_at: usize, ends: &mut Ends<'_>) -> Option<Word<'a>> {
    let inner = from.strip_prefix("=?")?;
    let charset_end = inner.bytes().take(64).position(|b| b == b'?')?;
    let charset = inner.get(..charset_end)?;
    if charset.is_empty() || charset.contains([' ', '=', '"']) {
        return None;
    }
    let (encoding, text) = inner.get(charset_end + 1..)?.split_at_checked(2)?;
    let text_at = from_at + from.len() - text.len();
    let end = ends.after(text_at)?;
    let text = text.get(..end - text_at)?;
    let bytes = match encoding {
        "q?" | "Q?" => transfer::quoted_printable(text.as_bytes(), Underscore::Blank),
        "b?" | "B?" => transfer::base64(text.as_bytes()),
        _ => return None,
    };
    let charset = charset.split('*').next().unwrap_or(charset);
    Some(Word { charset, bytes, length: end + 2 - from_at })
}

/// A structured value with parameters: `text/plain; charset=utf-8`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parameters {
    /// What stands before the first `;`, lower case.
    pub value: String,
    /// The parameters: names in lower case, values unquoted and decoded (RFC 2231).
    pub parameters: BTreeMap<String, String>,
}

impl Parameters {
    /// Reads a field's value on one line.
    pub fn parse(value: &str) -> Self {
        let parsed = mailparse::parse_content_type(&tidy(value));
        let mut parameters = parsed.params;
        for value in parameters.values_mut() {
            // Not allowed here (RFC 2047 §5), and yet how most programs once wrote file names.
            if let Cow::Owned(decoded) = decode_words(value) {
                *value = decoded;
            }
        }
        Self { value: parsed.mimetype, parameters }
    }

    /// A parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }
}

/// Drops comments, parameters beyond the cap, and plain parameters that an extended one (RFC 2231)
/// stands beside, so that `filename*` wins over `filename`.
fn tidy(value: &str) -> String {
    let mut pieces = vec![String::new()];
    let (mut depth, mut quoted, mut escaped) = (0usize, false, false);
    for c in value.chars() {
        if c == ';' && !quoted && !escaped && depth == 0 {
            if pieces.len() > MAX_PARAMETERS {
                break;
            }
            pieces.push(String::new());
            continue;
        }
        match c {
            _ if escaped => {}
            '"' if depth == 0 => quoted = !quoted,
            '(' if !quoted => depth += 1,
            _ => {}
        }
        if depth == 0
            && let Some(piece) = pieces.last_mut()
        {
            piece.push(c);
        }
        if c == ')' && !quoted && !escaped {
            depth = depth.saturating_sub(1);
        }
        escaped = c == '\\' && !escaped && (quoted || depth > 0);
    }
    let name = |piece: &str| piece.split('=').next().unwrap_or(piece).trim().to_ascii_lowercase();
    let extended: std::collections::BTreeSet<String> =
        pieces.iter().filter_map(|piece| Some(name(piece).split_once('*')?.0.to_owned())).collect();
    if !extended.is_empty() {
        pieces.retain(|piece| !extended.contains(&name(piece)));
    }
    pieces.join(";")
}

/// The message ids of a References or In-Reply-To field, oldest first, at most the newest
/// [`MAX_REFERENCES`]. What stands between them (phrases, commas, dates) is skipped.
pub fn message_ids(value: &str) -> Vec<MessageId> {
    let mut ids: Vec<MessageId> = Vec::new();
    for id in bracketed(value).filter_map(MessageId::new) {
        if ids.last() != Some(&id) {
            ids.push(id);
        }
    }
    if ids.is_empty() {
        // Without brackets, a list of ids is one where every word is an id; else it is a phrase that
        // names an address ("your mail to joe@example.org").
        let words: Vec<&str> = value.split_whitespace().collect();
        if words.iter().all(|word| word.contains('@')) {
            ids.extend(words.into_iter().filter_map(MessageId::new));
        }
    }
    let surplus = ids.len().saturating_sub(MAX_REFERENCES);
    ids.drain(..surplus);
    ids
}

/// The list's identifier in the value of a List-Id field, lower case.
pub(super) fn list_id(value: &str) -> Option<String> {
    let id = bracketed(value).last().unwrap_or(value).trim().to_lowercase();
    (!id.is_empty() && id.len() <= 255 && !id.contains(char::is_whitespace)).then_some(id)
}

/// What stands in angle brackets, each.
fn bracketed(value: &str) -> impl Iterator<Item = &str> {
    value.split('<').skip(1).filter_map(|piece| Some(piece.split_once('>')?.0.trim())).filter(|id| !id.is_empty())
}

/// Undoes the percent-encoding of a URI (RFC 3986 §2.1).
pub(super) fn percent_decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        if let (b'%', [high, low, after @ ..]) = (byte, tail)
            && let (Some(high), Some(low)) = (transfer::hex(*high), transfer::hex(*low))
        {
            out.push(high << 4 | low);
            rest = after;
        } else {
            out.push(byte);
            rest = tail;
        }
    }
    charset::guess(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_words_and_their_repairs() {
        let table = [
            ("plain", "plain"),
            ("=?iso-8859-1?q?Gr=FC=DFe?=", "Grüße"),
            ("=?utf-8?B?R3LDvMOfZQ==?=", "Grüße"),
            ("=?utf-8?B?R3LDvMOfZQ?=", "Grüße"),
            ("=?utf-8?q?a?= =?utf-8?q?b?=", "ab"),
            ("=?utf-8?q?a?= and =?utf-8?q?b?=", "a and b"),
            ("=?utf-8?q?a?==?utf-8?q?b?=", "ab"),
            ("Re:=?utf-8?q?a_b?=c", "Re:a bc"),
            ("=?utf-8*de?Q?ja?=", "ja"),
            ("=?utf-8?q?=C3?= =?utf-8?q?=A9?=", "é"),
            ("=?utf-8?q?one two?=", "one two"),
            ("=?x-nonsense?q?caf=C3=A9?=", "café"),
            ("=?utf-8?x?a?=", "=?utf-8?x?a?="),
            ("=?utf-8?q?open", "=?utf-8?q?open"),
            ("2+2=?", "2+2=?"),
            ("=?=?utf-8?q?a?=", "=?a"),
            ("=?utf-8?q?a=0D=0Ab=00c?=", "a  b c"),
            ("=?utf-8?q??=x", "x"),
            ("=?iso-2022-jp?B?GyRCJUYbKEI=?= =?ISO-2022-JP?B?GyRCJUYbKEI=?=", "テテ"),
            ("=?gb2312?B?xOM=?= =?gb2312?B?usM=?=", "你好"),
        ];
        for (raw, expected) in table {
            assert_eq!(decode_words(raw), expected, "{raw}");
        }
    }

    #[test]
    fn a_header_is_split_where_it_can_be() {
        let mail = b"\xef\xbb\xbfFrom x@y Mon\r\nSubject : a\r\n b\r\nX-Empty:\r\nTo:c\r\n\r\nbody";
        let header = Header::split(mail);
        let fields: Vec<_> = header.fields().iter().map(|f| (f.name(), f.text())).collect();
        assert_eq!(fields, [("Subject", "a b".to_owned()), ("X-Empty", String::new()), ("To", "c".to_owned())]);
        assert_eq!(&mail[header.body_at()..], b"body");

        let bare = Header::split(b"just some text\nwithout: a header\n");
        assert!(bare.fields().is_empty() && bare.is_broken() && bare.body_at() == 0);

        let text = Header::split(b"From here on\nthere is text\n");
        assert!(text.fields().is_empty() && text.body_at() == 0);
        assert!(Header::split(b"From : a@b\n\n").first("From").is_some());

        let boundary = Header::split(b"A: b\n--sep:x\n");
        assert_eq!((boundary.fields().len(), boundary.body_at()), (1, 5));
    }

    #[test]
    fn bare_bytes_are_in_the_charset_of_the_text() {
        let header = Header::split(b"Subject: \xc4\xe3\xba\xc3\nContent-Type: text/plain; charset=gb2312\n\n");
        assert_eq!(header.line(&header.fields()[0]), "你好");
    }

    #[test]
    fn long_fields_are_cut() {
        let long = format!("Subject: {}\n\nbody", "x".repeat(3 * MAX_FIELD));
        let header = Header::split(long.as_bytes());
        assert!(header.is_cut());
        assert_eq!(header.fields()[0].raw().len(), MAX_FIELD);
        assert_eq!(&long.as_bytes()[header.body_at()..], b"body");
    }

    #[test]
    fn parameters() {
        let table = [
            ("text/plain; charset=utf-8 (comment)", "text/plain", "charset", "utf-8"),
            ("TEXT/Plain; CHARSET=\"UTF-8\"", "text/plain", "charset", "UTF-8"),
            ("a/b; filename=x.txt; filename*=utf-8''%e2%82%ac.txt", "a/b", "filename", "€.txt"),
            ("a/b; name*0*=utf-8''%c3; name*1*=%a9; name*2=.txt", "a/b", "name", "é.txt"),
            ("a/b; name=\"=?utf-8?q?=C3=A9?=.txt\"", "a/b", "name", "é.txt"),
            ("a/b; name=\"semi;colon (1).txt\"", "a/b", "name", "semi;colon (1).txt"),
            ("a/b (x \\) y); name=z", "a/b", "name", "z"),
        ];
        for (raw, value, name, expected) in table {
            let parsed = Parameters::parse(raw);
            assert_eq!((parsed.value.as_str(), parsed.get(name)), (value, Some(expected)), "{raw}");
        }
        let flood: String = (0..10_000).fold("a/b".to_owned(), |s, i| format!("{s};p{i}=x"));
        assert!(Parameters::parse(&flood).parameters.len() <= MAX_PARAMETERS);
    }

    #[test]
    fn references_and_lists() {
        let ids = |value: &str| message_ids(value).iter().map(|id| id.as_str().to_owned()).collect::<Vec<_>>();
        assert_eq!(ids("<a@x>\t<b@x><c@x>"), ["a@x", "b@x", "c@x"]);
        assert_eq!(ids("Your message of Monday <a@x>, \"you\" <b x>"), ["a@x"]);
        assert_eq!(ids("a@x b@x"), ["a@x", "b@x"]);
        assert!(ids("Your mail to joe@example.org").is_empty());
        let flood: Vec<String> = (0..500).map(|i| format!("<{i}@x>")).collect();
        assert_eq!(ids(&flood.concat()).first().map(String::as_str), Some("400@x"));

        let header = Header::split(
            b"List-Id: A list <Tern.Example.org>\nList-Post: <http://x/>, <mailto:tern%2Bpost@example.org?subject=x>\n\
              List-Unsubscribe: <mailto:u@example.org>, <https://example.org/u>\n\
              List-Unsubscribe-Post: List-Unsubscribe=One-Click\n\n",
        );
        assert_eq!(header.list_id().as_deref(), Some("tern.example.org"));
        assert_eq!(header.list_post().as_deref(), Some("tern+post@example.org"));
        assert_eq!(header.list_unsubscribe(), ["mailto:u@example.org", "https://example.org/u"]);
        assert!(header.has_one_click_unsubscribe());
    }
}
