//! What a POP3 server says, read: status lines with their codes (RFC 1939 §3, RFC 2449 §8, RFC 3206), numbered
//! lines of UIDL and LIST, capabilities, and bodies freed of their stuffed dots as they stream by. Pure: it
//! touches no socket and no clock, and no bytes make it panic.

use std::io::{self, BufRead as _};

use crate::mail::clean::Clean;

/// How an answer begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// `+OK`.
    Ok,
    /// `-ERR`.
    Err,
    /// `+ `: a challenge while signing in (RFC 5034 §4).
    Challenge,
}

/// Why the server refuses (RFC 2449 §8, RFC 3206).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    /// Another session has the mailbox.
    InUse,
    /// Too soon after the last session.
    LoginDelay,
    /// Something is broken there that will pass.
    SysTemp,
    /// Something is broken there that a person must mend.
    SysPerm,
    /// Name or password are wrong.
    Auth,
}

/// A status line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Status {
    pub(super) answer: Answer,
    pub(super) code: Option<Code>,
    /// What follows, without the code.
    pub(super) text: Clean,
    /// What follows, as it came.
    pub(super) raw: Vec<u8>,
}

/// Reads a status line, without its line end; `None`: it is none.
pub(super) fn status(line: &[u8]) -> Option<Status> {
    let (word, rest) = match line.iter().position(|byte| *byte == b' ') {
        Some(at) => (line.get(..at)?, line.get(at + 1..)?),
        None => (line, &[][..]),
    };
    let answer = match word {
        word if word.eq_ignore_ascii_case(b"+OK") => Answer::Ok,
        word if word.eq_ignore_ascii_case(b"-ERR") => Answer::Err,
        b"+" => Answer::Challenge,
        _ => return None,
    };
    let (code, text) = code(rest);
    Some(Status { answer, code, text: Clean::bytes(text), raw: rest.to_vec() })
}

/// Splits `[CODE] words`. A code that nobody knows is words.
fn code(text: &[u8]) -> (Option<Code>, &[u8]) {
    let inner = text.strip_prefix(b"[").and_then(|rest| {
        let end = rest.iter().position(|byte| *byte == b']')?;
        Some((rest.get(..end)?, rest.get(end + 1..)?))
    });
    let Some((name, rest)) = inner else { return (None, text) };
    let code = match name.to_ascii_uppercase().as_slice() {
        b"IN-USE" => Code::InUse,
        b"LOGIN-DELAY" => Code::LoginDelay,
        b"SYS/PERM" => Code::SysPerm,
        b"AUTH" => Code::Auth,
        // What is below a known code means the same, only more exactly (RFC 3206 §4).
        name if name.starts_with(b"SYS/TEMP") => Code::SysTemp,
        name if name.starts_with(b"AUTH/") => Code::Auth,
        _ => return (None, text),
    };
    (Some(code), rest.trim_ascii_start())
}

/// Reads `NUMBER REST`, a line of UIDL or LIST; `None`: it is none.
pub(super) fn numbered(line: &[u8]) -> Option<(u32, &[u8])> {
    let line = line.trim_ascii();
    let digits = line.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, rest) = line.split_at_checked(digits)?;
    let number = std::str::from_utf8(number).ok()?.parse().ok().filter(|number| *number > 0)?;
    if !rest.is_empty() && !rest.starts_with(b" ") {
        return None;
    }
    Some((number, rest.trim_ascii()))
}

/// Reads a number of bytes: what follows it is passed over.
pub(super) fn size(text: &[u8]) -> Option<u64> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(text.get(..digits)?).ok()?.parse().ok()
}

/// Reads what follows `+OK` in the answer to STAT: how many messages there are.
pub(super) fn count(text: &[u8]) -> Option<usize> {
    usize::try_from(size(text.trim_ascii_start())?).ok()
}

/// Reads what follows `+OK` in the answer to STAT, all of it (RFC 1939 §5): a count, a size, and no other word
/// between them; gives both.
pub(super) fn drop_listing(text: &[u8]) -> Option<(u64, u64)> {
    let mut words = text.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    let mut whole = || words.next().filter(|word| word.iter().all(u8::is_ascii_digit)).and_then(size);
    let count = whole()?;
    whole().map(|size| (count, size))
}

/// The time-stamp of a greeting, `<…@…>`, which APOP needs (RFC 1939 §7).
pub(super) fn stamp(greeting: &[u8]) -> Option<&[u8]> {
    let begin = greeting.iter().position(|byte| *byte == b'<')?;
    let rest = greeting.get(begin..)?;
    let end = rest.iter().position(|byte| *byte == b'>')?;
    let stamp = rest.get(..=end)?;
    let legal = stamp.contains(&b'@') && stamp.iter().all(u8::is_ascii_graphic);
    legal.then_some(stamp)
}

/// What a server can do beside the least (CAPA, RFC 2449).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Capabilities {
    /// Each line in words, the first in capitals.
    lines: Vec<Vec<String>>,
}

impl Capabilities {
    /// Takes in one line of the answer to CAPA.
    pub(super) fn add(&mut self, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        let mut words = text.split_ascii_whitespace().map(str::to_owned);
        if let Some(name) = words.next() {
            self.lines.push(std::iter::once(name.to_ascii_uppercase()).chain(words).collect());
        }
    }

    fn line(&self, name: &str) -> Option<&[String]> {
        self.lines.iter().find(|line| line.first().is_some_and(|first| first == name)).map(Vec::as_slice)
    }

    /// Is this offered? `name` in capitals.
    pub(super) fn has(&self, name: &str) -> bool {
        self.line(name).is_some()
    }

    /// The SASL mechanisms.
    pub(super) fn mechanisms(&self) -> Vec<&str> {
        self.words("SASL").iter().map(String::as_str).collect()
    }

    /// What stands behind this name, in words. `name` in capitals.
    pub(super) fn words(&self, name: &str) -> &[String] {
        self.line(name).and_then(|line| line.get(1..)).unwrap_or_default()
    }

    /// All that is offered, a line each.
    pub(super) fn lines(&self) -> impl Iterator<Item = String> {
        self.lines.iter().map(|line| line.join(" "))
    }

    /// Did the server say nothing at all of itself?
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}

/// How far a body has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// At the beginning of a line.
    Start,
    /// In a line.
    Text,
    /// Behind a CR.
    Cr,
    /// Behind a dot at the beginning of a line, which is not passed on.
    Dot,
    /// Behind such a dot and a CR, which is held back.
    DotCr,
}

/// Frees a multi-line answer of its stuffed dots (RFC 1939 §3) while it streams by. It ends at CRLF, dot, CRLF and
/// at nothing else: a bare LF before or behind the dot is text.
#[derive(Debug, Clone)]
pub(super) struct Unstuffer {
    at: At,
}

/// What came of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fed {
    /// All were taken in, and there is more to come.
    More,
    /// The answer is complete; so many bytes belonged to it.
    Ended(usize),
}

impl Unstuffer {
    /// Begins behind the status line.
    pub(super) fn new() -> Self {
        Self { at: At::Start }
    }

    /// Takes in some bytes and passes on what they mean, in pieces as long as can be.
    ///
    /// # Errors
    /// Those of `pass`.
    pub(super) fn feed(&mut self, bytes: &[u8], pass: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<Fed> {
        // What begins at `begin` and ends before `next` is still to be passed on.
        let (mut begin, mut next) = (0, 0);
        while let Some(byte) = bytes.get(next).copied() {
            match (self.at, byte) {
                (At::Start, b'.') => {
                    piece(bytes, begin, next, pass)?;
                    next += 1;
                    begin = next;
                    self.at = At::Dot;
                }
                (At::Dot, b'\r') => {
                    next += 1;
                    begin = next;
                    self.at = At::DotCr;
                }
                (At::DotCr, b'\n') => return Ok(Fed::Ended(next + 1)),
                (At::DotCr, _) => {
                    // It may have come with earlier bytes.
                    pass(b"\r")?;
                    self.at = At::Cr;
                }
                (At::Cr, b'\n') => {
                    next += 1;
                    self.at = At::Start;
                }
                (_, b'\r') => {
                    next += 1;
                    self.at = At::Cr;
                }
                (At::Start | At::Text | At::Cr | At::Dot, _) => next = self.rest_of_line(bytes, next),
            }
        }
        piece(bytes, begin, next, pass)?;
        Ok(Fed::More)
    }

    /// Goes to behind the next LF, or to the end.
    fn rest_of_line(&mut self, bytes: &[u8], from: usize) -> usize {
        let mut rest = bytes.get(from..).unwrap_or_default();
        let length = rest.skip_until(b'\n').unwrap_or_default();
        let end = from + length.max(1);
        let line = bytes.get(from..end).unwrap_or_default();
        self.at = match line {
            [.., b'\r', b'\n'] => At::Start,
            [.., b'\r'] => At::Cr,
            _ => At::Text,
        };
        end
    }
}

fn piece(bytes: &[u8], from: usize, to: usize, pass: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    match bytes.get(from..to) {
        Some(piece) if !piece.is_empty() => pass(piece),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Feeds in pieces of at most `step` bytes; gives the text and what was left over behind the end.
    fn unstuffed(wire: &[u8], step: usize) -> Option<(Vec<u8>, Vec<u8>)> {
        let mut unstuffer = Unstuffer::new();
        let mut out = Vec::new();
        let mut taken = 0;
        for piece in wire.chunks(step) {
            let fed = unstuffer.feed(piece, &mut |bytes| {
                out.extend_from_slice(bytes);
                Ok(())
            });
            if let Fed::Ended(used) = fed.unwrap() {
                return Some((out, wire[taken + used..].to_vec()));
            }
            taken += piece.len();
        }
        None
    }

    #[test]
    fn dots_are_unstuffed_whatever_the_pieces_they_come_in() {
        let table: [(&[u8], &[u8]); 14] = [
            (b".\r\n", b""),
            (b"a\r\n.\r\n", b"a\r\n"),
            (b"..\r\n.\r\n", b".\r\n"),
            (b"..a\r\n...\r\n.\r\n", b".a\r\n..\r\n"),
            (b".a\r\n.\r\n", b"a\r\n"),
            (b"a.\r\nb.c\r\n.\r\n", b"a.\r\nb.c\r\n"),
            // A bare LF ends no line, so a dot behind it means nothing.
            (b"a\n.\nb\n.\r\nc\r\n.\r\n", b"a\n.\nb\n.\r\nc\r\n"),
            (b".\nb\r\n.\r\n", b"\nb\r\n"),
            // CRs that belong to nothing.
            (b"a\r\r\n.\r\n", b"a\r\r\n"),
            (b"\r\n\r\n.\r\n", b"\r\n\r\n"),
            (b".\ra\r\n.\r\n", b"\ra\r\n"),
            (b".\r\r\n.\r\n", b"\r\r\n"),
            (b".\r.\r\n.\r\n", b"\r.\r\n"),
            (b"a\r.\r\n.\r\n", b"a\r.\r\n"),
        ];
        for (wire, text) in table {
            for step in 1..=wire.len() {
                let more = [wire, b"+OK next\r\n"].concat();
                let (found, rest) = unstuffed(&more, step).unwrap();
                assert_eq!(found, text, "{:?} by {step}", String::from_utf8_lossy(wire));
                assert!(b"+OK next\r\n".starts_with(&rest[..1]) || rest.is_empty(), "by {step}");
                assert_eq!(unstuffed(&wire[..wire.len() - 1], step), None, "it is complete only with its last byte");
            }
        }
    }

    #[test]
    fn stuffing_and_unstuffing_any_text_gives_it_back() {
        let mut dice = fastrand::Rng::with_seed(7);
        for _ in 0..3000 {
            let alphabet = b"\r\n.a";
            let mut text: Vec<u8> = (0..dice.usize(0..24)).map(|_| alphabet[dice.usize(0..4)]).collect();
            text.extend_from_slice(b"\r\n");
            let mut wire = Vec::new();
            for (at, byte) in text.iter().enumerate() {
                let starts = at == 0 || (at >= 2 && text[at - 2..at] == *b"\r\n");
                if starts && *byte == b'.' {
                    wire.push(b'.');
                }
                wire.push(*byte);
            }
            wire.extend_from_slice(b".\r\n");
            let step = dice.usize(1..9);
            assert_eq!(unstuffed(&wire, step), Some((text, Vec::new())), "{wire:?}");
        }
    }

    #[test]
    fn status_lines_and_their_codes() {
        let read = |line: &str| status(line.as_bytes()).map(|s| (s.answer, s.code, s.text.as_str().to_owned()));
        let table = [
            ("+OK", Some((Answer::Ok, None, ""))),
            ("+ok 3 messages", Some((Answer::Ok, None, "3 messages"))),
            ("-ERR [IN-USE] locked", Some((Answer::Err, Some(Code::InUse), "locked"))),
            ("-ERR [login-delay] slowly", Some((Answer::Err, Some(Code::LoginDelay), "slowly"))),
            ("-ERR [SYS/TEMP/DB] later", Some((Answer::Err, Some(Code::SysTemp), "later"))),
            ("-ERR [SYS/PERM] never", Some((Answer::Err, Some(Code::SysPerm), "never"))),
            ("-ERR [AUTH] no", Some((Answer::Err, Some(Code::Auth), "no"))),
            ("-ERR [ODD] words", Some((Answer::Err, None, "[ODD] words"))),
            ("-ERR [", Some((Answer::Err, None, "["))),
            ("+ ", Some((Answer::Challenge, None, ""))),
            ("+ dGVzdA==", Some((Answer::Challenge, None, "dGVzdA=="))),
            ("* OK IMAP4rev1", None),
            ("220 smtp", None),
            ("", None),
        ];
        for (line, expected) in table {
            assert_eq!(read(line), expected.map(|(a, c, t)| (a, c, t.to_owned())), "{line:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>, step in 1usize..40) {
            if let Some(status) = status(&bytes) {
                prop_assert!(!status.text.as_str().contains(char::is_control));
            }
            for prefix in ["", "+OK ", "-ERR [", "1 "] {
                let line = [prefix.as_bytes(), &bytes].concat();
                let _ = (status(&line), numbered(&line), size(&line), count(&line), drop_listing(&line), stamp(&line));
                let mut capabilities = Capabilities::default();
                capabilities.add(&line);
            }
            prop_assert_eq!(unstuffed(&bytes, step), unstuffed(&bytes, bytes.len().max(1)));
        }
    }

    #[test]
    fn numbers_stamps_and_capabilities() {
        assert_eq!(numbered(b"12 abc def"), Some((12, &b"abc def"[..])));
        assert_eq!(numbered(b" 3 "), Some((3, &b""[..])));
        for line in ["0 a", "x", "", "-1 a", "99999999999 a", "1a"] {
            assert_eq!(numbered(line.as_bytes()), None, "{line}");
        }
        assert_eq!((size(b"120 octets"), size(b"x"), size(b"99999999999999999999999")), (Some(120), None, None));
        assert_eq!((drop_listing(b"3 320"), drop_listing(b"0 0 messages")), (Some((3, 320)), Some((0, 0))));
        for answer in ["", "3", "3 octets", "message 3 deleted", "120 octets follow", "3x 4", "99999999999999999999 1"]
        {
            assert_eq!(drop_listing(answer.as_bytes()), None, "{answer}");
        }
        assert_eq!((count(b"3 320"), count(b"")), (Some(3), None));
        assert_eq!(stamp(b"+OK POP3 <1896.697@dbc.mtview.ca.us> hi"), Some(&b"<1896.697@dbc.mtview.ca.us>"[..]));
        for greeting in [&b"+OK"[..], b"<1896", b"<no at>", b"<a@b\xff>", b">a@b<"] {
            assert_eq!(stamp(greeting), None);
        }
        let mut known = Capabilities::default();
        assert!(known.is_empty());
        for line in ["TOP", "sasl PLAIN  XOAUTH2", "", "PIPELINING"] {
            known.add(line.as_bytes());
        }
        assert!(known.has("TOP") && known.has("PIPELINING") && !known.has("UIDL"));
        assert_eq!(known.mechanisms(), ["PLAIN", "XOAUTH2"]);
    }
}
