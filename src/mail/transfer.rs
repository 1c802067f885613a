//! Content-Transfer-Encoding (RFC 2045 §6), read forgivingly: damaged base64 gives what can be
//! had, a stray `=` in quoted-printable stays itself. Linear, and never more bytes out than in.

use std::borrow::Cow;

/// How the bytes of a part are written down (RFC 2045 §6.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encoding {
    /// 7bit, 8bit, binary, or a word that is not known.
    #[default]
    Identity,
    /// RFC 2045 §6.8.
    Base64,
    /// RFC 2045 §6.7.
    QuotedPrintable,
    /// The old `begin 644 name` … `end`.
    Uuencode,
}

impl Encoding {
    /// Reads the value of the field; comments and case do not matter.
    pub fn of(value: &str) -> Self {
        let word = value.split(['(', ';']).next().unwrap_or(value).trim().trim_matches('"');
        let is = |name: &str| word.eq_ignore_ascii_case(name);
        if is("base64") {
            Self::Base64
        } else if is("quoted-printable") {
            Self::QuotedPrintable
        } else if is("x-uuencode") || is("uuencode") || is("x-uue") {
            Self::Uuencode
        } else {
            Self::Identity
        }
    }

    /// Undoes the encoding.
    pub fn decode(self, raw: &[u8]) -> Cow<'_, [u8]> {
        match self {
            Self::Identity => Cow::Borrowed(raw),
            Self::Base64 => Cow::Owned(base64(raw)),
            Self::QuotedPrintable => Cow::Owned(quoted_printable(raw, Underscore::Literal)),
            Self::Uuencode => Cow::Owned(uuencode(raw)),
        }
    }

    /// About how many bytes `raw` bytes stand for, without decoding them.
    pub fn decoded_size(self, raw: usize) -> u64 {
        let raw = u64::try_from(raw).unwrap_or(u64::MAX);
        match self {
            Self::Identity | Self::QuotedPrintable => raw,
            // 76 characters and CRLF for 57 bytes; 62 and LF for 45.
            Self::Base64 => raw.saturating_mul(57) / 78,
            Self::Uuencode => raw.saturating_mul(45) / 62,
        }
    }
}

/// What `_` means in quoted-printable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Underscore {
    /// Itself: in bodies.
    Literal,
    /// A blank: the Q encoding of RFC 2047 §4.2.
    Blank,
}

/// The value of a base64 digit, 64 for padding, 255 for any other byte. The URL-safe digits count too.
#[expect(clippy::indexing_slicing, reason = "worked out by the compiler, which refuses an index out of range")]
const DIGITS: [u8; 256] = {
    let mut table = [255u8; 256];
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut value = 0u8;
    while value < 64 {
        table[alphabet[value as usize] as usize] = value;
        value += 1;
    }
    table[b'-' as usize] = 62;
    table[b'_' as usize] = 63;
    table[b'=' as usize] = 64;
    table
};

fn digit(byte: u8) -> u8 {
    DIGITS.get(usize::from(byte)).copied().unwrap_or(255)
}

/// Decodes base64. Other bytes are dropped; a line that is plainly no base64 (a list's footer
/// behind the encoded text) ends it; padding in the middle begins anew.
pub(super) fn base64(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len() / 4 * 3 + 3);
    let mut quantum = 0u32;
    let mut digits = 0u32;
    for line in raw.split(|&b| b == b'\n') {
        let line = line.trim_ascii();
        if is_footer(line) {
            break;
        }
        for &byte in line {
            match digit(byte) {
                255 => {}
                64 => {
                    flush(&mut quantum, &mut digits, &mut out);
                }
                value => {
                    quantum = quantum << 6 | u32::from(value);
                    digits += 1;
                    if digits == 4 {
                        let [_, a, b, c] = quantum.to_be_bytes();
                        out.extend_from_slice(&[a, b, c]);
                        quantum = 0;
                        digits = 0;
                    }
                }
            }
        }
    }
    flush(&mut quantum, &mut digits, &mut out);
    out
}

/// Writes the bytes of an unfinished group of digits.
fn flush(quantum: &mut u32, digits: &mut u32, out: &mut Vec<u8>) {
    match *digits {
        2 => out.push((*quantum >> 4).to_be_bytes()[3]),
        3 => out.extend_from_slice(&(*quantum >> 2).to_be_bytes()[2..]),
        _ => {}
    }
    *quantum = 0;
    *digits = 0;
}

/// Prose has blanks, rules are made of one character; base64 has neither.
fn is_footer(line: &[u8]) -> bool {
    let strange = line.iter().filter(|&&b| digit(b) == 255).count();
    let rule = line.len() >= 8 && line.first().is_some_and(|f| matches!(f, b'_' | b'-') && line.iter().all(|b| b == f));
    rule || (strange > 0 && line.contains(&b' ')) || strange * 4 > line.len()
}

/// Decodes quoted-printable (or the Q encoding). A `=` that begins no code stays as it is.
pub(super) fn quoted_printable(raw: &[u8], underscore: Underscore) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match byte {
            b'=' => {
                if let [high, low, after @ ..] = tail
                    && let (Some(high), Some(low)) = (hex(*high), hex(*low))
                {
                    out.push(high << 4 | low);
                    rest = after;
                } else if let Some(after) = soft_break(tail) {
                    rest = after;
                } else {
                    out.push(b'=');
                }
            }
            b'_' if underscore == Underscore::Blank => out.push(b' '),
            // Blanks before the line's end were added on the way (RFC 2045 §6.7, rule 3).
            b'\r' | b'\n' if underscore == Underscore::Literal => {
                while matches!(out.last(), Some(b' ' | b'\t')) && is_bare_blank(raw, rest.len()) {
                    out.pop();
                }
                out.push(byte);
            }
            _ => out.push(byte),
        }
    }
    out
}

/// Is the byte before the line end, `left` bytes before the end of `raw`, a blank that was written
/// as such and not as `=20`?
fn is_bare_blank(raw: &[u8], left: usize) -> bool {
    let at = raw.len().saturating_sub(left + 1);
    at.checked_sub(1).and_then(|before| raw.get(before)).is_some_and(|b| matches!(b, b' ' | b'\t'))
}

/// What follows a soft line break, if `tail` (behind a `=`) is one.
fn soft_break(tail: &[u8]) -> Option<&[u8]> {
    let blanks = tail.iter().take(80).take_while(|b| matches!(b, b' ' | b'\t')).count();
    match tail.get(blanks..)? {
        [b'\r', b'\n', after @ ..] | [b'\n', after @ ..] => Some(after),
        [] => Some(&[]),
        _ => None,
    }
}

pub(super) fn hex(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// Decodes the lines between `begin` and `end`; without a `begin` there is nothing to decode and
/// the bytes stay as they are.
fn uuencode(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len() / 4 * 3);
    let mut begun = false;
    for line in raw.split(|&b| b == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if !begun {
            begun = line.starts_with(b"begin ");
            continue;
        }
        if line == b"end" {
            break;
        }
        let Some((&count, data)) = line.split_first() else { continue };
        let mut left = usize::from(count.wrapping_sub(b' ') & 0x3f);
        for group in data.chunks(4) {
            let quantum = (0..4).fold(0u32, |sum, i| {
                sum << 6 | u32::from(group.get(i).copied().unwrap_or(b' ').wrapping_sub(b' ') & 0x3f)
            });
            let [_, bytes @ ..] = quantum.to_be_bytes();
            let take = left.min(3);
            out.extend(bytes.iter().take(take));
            left -= take;
        }
    }
    if begun { out } else { raw.to_vec() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read_through_damage() {
        let table: &[(&[u8], &[u8])] = &[
            (b"aGVsbG8=", b"hello"),
            (b"aGVsbG8", b"hello"),
            (b"aGVs\r\nbG8=\r\n", b"hello"),
            (b"aGV!sbG8=", b"hello"),
            (b"aGVsbG8=\n_______________\nlist mailing list\nhttps://lists.example/aGVs\n", b"hello"),
            (b"aGVsbG8gd29ybGQh\nSent by a list server\n", b"hello world!"),
            (b"aGk=aGk=", b"hihi"),
            (b"", b""),
            (b"=", b""),
            (b"a", b""),
        ];
        for (raw, expected) in table {
            assert_eq!(base64(raw), *expected, "{}", String::from_utf8_lossy(raw));
        }
    }

    #[test]
    fn quoted_printable_keeps_what_it_cannot_read() {
        let table: &[(&[u8], &[u8])] = &[
            (b"caf=C3=A9", "café".as_bytes()),
            (b"one=\r\ntwo=  \nthree=", b"onetwothree"),
            (b"a=zz=4", b"a=zz=4"),
            (b"trail  \r\nkept=20\r\n", b"trail\r\nkept \r\n"),
            (b"under_score", b"under_score"),
        ];
        for (raw, expected) in table {
            assert_eq!(quoted_printable(raw, Underscore::Literal), *expected, "{}", String::from_utf8_lossy(raw));
        }
        assert_eq!(quoted_printable(b"a_b=5F", Underscore::Blank), b"a b_");
    }

    #[test]
    fn uuencode_and_names() {
        let raw = b"begin 644 cat.txt\n#0V%T\n`\nend\n";
        assert_eq!(Encoding::of("X-UUENCODE").decode(raw).as_ref(), b"Cat");
        assert_eq!(Encoding::of(" Base64 (really)"), Encoding::Base64);
        assert_eq!(Encoding::of("binary"), Encoding::Identity);
    }
}
