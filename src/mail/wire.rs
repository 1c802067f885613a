//! The form of a message on the wire: lines ended by CRLF and nothing else (RFC 5321 §2.3.8), so
//! that no server reads more than one message out of it, and the Bcc header, which the wire never
//! sees and the sender's own copy keeps.

use std::borrow::Cow;

/// Makes every line end a CRLF: LF alone, CR alone and CRLF all end a line. The last line is ended
/// too. `None` if there is a NUL, which no mail may carry.
pub fn canonical(bytes: &[u8]) -> Option<Cow<'_, [u8]>> {
    if bytes.contains(&0) {
        return None;
    }
    if is_canonical(bytes) {
        return Some(Cow::Borrowed(bytes));
    }
    let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 32 + 2);
    let mut after_cr = false;
    for &byte in bytes {
        match byte {
            b'\n' if after_cr => {}
            b'\n' | b'\r' => out.extend_from_slice(b"\r\n"),
            _ => out.push(byte),
        }
        after_cr = byte == b'\r';
    }
    if !out.ends_with(b"\r\n") {
        out.extend_from_slice(b"\r\n");
    }
    Some(Cow::Owned(out))
}

/// Does every line end in CRLF, the last one too, with no CR, LF or NUL anywhere else?
pub fn is_canonical(bytes: &[u8]) -> bool {
    let mut before = 0u8;
    for &byte in bytes {
        if byte == 0 || (byte == b'\n') != (before == b'\r') {
            return false;
        }
        before = byte;
    }
    bytes.ends_with(b"\r\n")
}

/// The message with a Bcc header put at the end of its header: the sender's own copy.
pub fn with_bcc(wire: &[u8], bcc: &[String]) -> Vec<u8> {
    if bcc.is_empty() {
        return wire.to_vec();
    }
    let end = wire.windows(4).position(|w| w == b"\r\n\r\n").map_or(wire.len(), |at| at + 2);
    let (header, rest) = wire.split_at_checked(end).unwrap_or((wire, b""));
    let line = format!("Bcc: {}\r\n", bcc.join(",\r\n "));
    [header, line.as_bytes(), rest].concat()
}

/// The message without its Bcc fields, as it may go to others. The body is not looked at.
pub fn without_bcc(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len());
    let (mut in_header, mut dropping) = (true, false);
    for line in message.split_inclusive(|byte| *byte == b'\n') {
        if in_header {
            let folded = line.first().is_some_and(|byte| matches!(byte, b' ' | b'\t'));
            in_header = line != b"\r\n" && line != b"\n";
            dropping = in_header && if folded { dropping } else { names_bcc(line) };
        }
        if !dropping {
            out.extend_from_slice(line);
        }
    }
    out
}

fn names_bcc(line: &[u8]) -> bool {
    let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
    name.len() < line.len() && name.trim_ascii().eq_ignore_ascii_case(b"bcc")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_end_becomes_crlf() {
        for (given, made) in [
            ("a\nb", "a\r\nb\r\n"),
            ("a\r\nb\r\n", "a\r\nb\r\n"),
            ("a\rb\r\r\nc", "a\r\nb\r\n\r\nc\r\n"),
            ("\n.\n\r.\r", "\r\n.\r\n\r\n.\r\n"),
            ("", "\r\n"),
            ("a\n\n", "a\r\n\r\n"),
        ] {
            let canonical = canonical(given.as_bytes()).unwrap();
            assert_eq!(String::from_utf8_lossy(&canonical), made, "{given:?}");
            assert!(is_canonical(&canonical));
        }
        assert_eq!(canonical(b"a\0b"), None);
        assert!(!is_canonical(b"a\n\r\n") && !is_canonical(b"a\rb\r\n") && !is_canonical(b"a\r\nb"));
    }

    #[test]
    fn bcc_is_taken_out_of_the_header_alone() {
        let message = b"From: a@b\r\nBcc: x@y,\r\n z@y\r\nbcc : q@y\r\nTo: c@d\r\n\r\nBcc: stays\r\n";
        assert_eq!(without_bcc(message), b"From: a@b\r\nTo: c@d\r\n\r\nBcc: stays\r\n");
        assert_eq!(without_bcc(b"\r\nBcc: body\r\n"), b"\r\nBcc: body\r\n");
    }

    #[test]
    fn bcc_stands_in_the_header_of_the_copy() {
        let copy = with_bcc(b"From: a@b\r\n\r\nhi\r\n", &["x@y".to_owned(), "z@y".to_owned()]);
        assert_eq!(copy, b"From: a@b\r\nBcc: x@y,\r\n z@y\r\n\r\nhi\r\n");
        assert_eq!(with_bcc(b"From: a@b\r\n", &["x@y".to_owned()]), b"From: a@b\r\nBcc: x@y\r\n");
    }
}
