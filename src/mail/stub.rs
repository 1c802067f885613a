//! Stubs: what stands for a message of which only the header lies here. A stub is the header of the
//! message with one field more, so that whoever reads it, and whatever name another program gives its
//! file, can tell that it is not the message. Pure.

/// The field at the end of a stub's header; its value is the size of the whole message in bytes.
const FIELD: &str = "X-Tern-Stub";

/// Makes a stub of a message of `whole` bytes, or of its header alone: all fields as they are, then the
/// one that says what this is, then an empty line.
pub fn make(message: &[u8], whole: u64) -> Vec<u8> {
    let header = header(message);
    let end = if header.is_empty() || header.windows(2).any(|pair| pair == b"\r\n") { "\r\n" } else { "\n" };
    let mut stub = Vec::with_capacity(header.len() + 48);
    stub.extend_from_slice(header);
    if !header.is_empty() && !header.ends_with(b"\n") {
        stub.extend_from_slice(end.as_bytes());
    }
    stub.extend_from_slice(format!("{FIELD}: {whole}{end}{end}").as_bytes());
    stub
}

/// The size of the whole message, if this is a stub: its header says so, and nothing follows it.
pub fn told(message: &[u8]) -> Option<u64> {
    let header = header(message);
    let rest = message.get(header.len()..).unwrap_or_default();
    if rest.iter().any(|byte| !byte.is_ascii_whitespace()) {
        return None;
    }
    let value = header.split(|byte| *byte == b'\n').rev().find_map(|line| {
        let (name, value) = line.split_at_checked(FIELD.len())?;
        if name.eq_ignore_ascii_case(FIELD.as_bytes()) { value.strip_prefix(b":") } else { None }
    })?;
    std::str::from_utf8(value).ok()?.trim().parse().ok()
}

/// The header of a message, or of the message that a stub stands for.
pub fn original_header(message: &[u8]) -> &[u8] {
    let header = header(message);
    if told(message).is_none() {
        return header;
    }
    let end = header.len() - header.split_inclusive(|byte| *byte == b'\n').next_back().map_or(0, <[u8]>::len);
    header.get(..end).unwrap_or(header)
}

/// The header: all lines before the first empty one, with their ends.
fn header(message: &[u8]) -> &[u8] {
    let mut end = 0;
    for line in message.split_inclusive(|byte| *byte == b'\n') {
        if matches!(line, b"\n" | b"\r\n") {
            break;
        }
        end += line.len();
    }
    message.get(..end).unwrap_or(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stub_is_the_header_and_tells_what_it_stands_for() {
        let table: &[(&str, &str)] = &[
            ("A: 1\r\nB: 2\r\n\r\nbody\r\n", "A: 1\r\nB: 2\r\nX-Tern-Stub: 999\r\n\r\n"),
            ("A: 1\n\nbody\n", "A: 1\nX-Tern-Stub: 999\n\n"),
            ("A: 1\r\n", "A: 1\r\nX-Tern-Stub: 999\r\n\r\n"),
            ("A: cut off", "A: cut off\r\nX-Tern-Stub: 999\r\n\r\n"),
            ("\r\nbody", "X-Tern-Stub: 999\r\n\r\n"),
            ("", "X-Tern-Stub: 999\r\n\r\n"),
        ];
        for (message, stub) in table {
            let made = make(message.as_bytes(), 999);
            // What ends in a line without an end gets the usual one.
            assert_eq!(String::from_utf8(made.clone()).unwrap().replace("\r\n", "\n"), stub.replace("\r\n", "\n"));
            assert_eq!(told(&made), Some(999), "{message:?}");
            let header = String::from_utf8(original_header(message.as_bytes()).to_vec()).unwrap();
            let again = String::from_utf8(original_header(&made).to_vec()).unwrap();
            assert_eq!(again.trim_end(), header.trim_end());
            assert_eq!(told(message.as_bytes()), None, "{message:?}");
        }
    }

    #[test]
    fn a_message_that_speaks_of_stubs_is_none() {
        for whole in ["X-Tern-Stub: 5\r\n\r\nbody", "A: 1\r\n\r\nX-Tern-Stub: 5\r\n", "X-Tern-Stub: many\r\n\r\n"] {
            assert_eq!(told(whole.as_bytes()), None, "{whole:?}");
        }
        // A stub of a message that claims to be one tells the size that we know.
        assert_eq!(told(&make(b"X-Tern-Stub: 5\r\n\r\n", 7)), Some(7));
        assert_eq!(told(b"X-TERN-STUB: 5\r\nStatus: RO\r\n\r\n"), Some(5));
    }
}
