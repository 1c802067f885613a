//! What is written inside a text of the config: times, command lines, fingerprints, host names.
//! Pure.

use std::net::IpAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The units of a time, largest first.
const UNITS: [(&str, u64); 4] = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];

/// Reads `10s`, `5m`, `2h`, `90d`, `1h30m`; a number alone is in seconds.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok().map(Duration::from_secs);
    }
    let mut total: u64 = 0;
    let mut rest = text;
    for (unit, seconds) in UNITS {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, tail) = rest.split_at_checked(digits)?;
        if let Some(tail) = tail.strip_prefix(unit) {
            total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(seconds)?)?;
            rest = tail.trim_start();
        }
    }
    rest.is_empty().then(|| Duration::from_secs(total))
}

/// Writes a time as [`duration`] reads it, in its largest whole unit.
pub(super) fn duration_text(time: Duration) -> String {
    let seconds = time.as_secs();
    let unit = UNITS.iter().find(|(_, size)| seconds >= *size && seconds.is_multiple_of(*size));
    unit.map_or_else(|| "0s".to_owned(), |(unit, size)| format!("{}{unit}", seconds / size))
}

/// Reads a size in bytes: digits, and K, M or G for multiples of 1024.
pub(super) fn size(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let factor: u64 = match unit.trim() {
        "" => 1,
        "K" | "k" => 1 << 10,
        "M" | "m" => 1 << 20,
        "G" | "g" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

/// A command line in words.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Split {
    pub(super) words: Vec<String>,
    /// Something without quotes that only a shell would understand.
    pub(super) shell_sign: Option<&'static str>,
}

/// What only a shell understands. `$` alone is no sign: passwords' paths have it.
const SHELL_SIGNS: [&str; 9] = ["$(", "${", "&&", "||", "|", ";", ">", "<", "`"];

/// Splits a command line at blanks as a shell would: `'…'` as it stands, `"…"` with `\"` and `\\`,
/// and `\` before any character outside quotes. Expands nothing.
pub(super) fn split(text: &str) -> Result<Split, &'static str> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut bare = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            c if c.is_whitespace() => {
                words.extend(word.take());
                bare.push(' ');
            }
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some('\'') => break,
                        Some(c) => word.push(c),
                        None => return Err("a ' has no end"),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some('"') => break,
                        Some('\\') if matches!(chars.peek(), Some('"' | '\\')) => word.extend(chars.next()),
                        Some(c) => word.push(c),
                        None => return Err("a \" has no end"),
                    }
                }
            }
            '\\' => match chars.next() {
                Some(c) => word.get_or_insert_default().push(c),
                None => return Err("it ends in a \\"),
            },
            c => {
                word.get_or_insert_default().push(c);
                bare.push(c);
            }
        }
    }
    words.extend(word);
    Ok(Split { words, shell_sign: SHELL_SIGNS.into_iter().find(|sign| bare.contains(sign)) })
}

/// Reads a fingerprint: `sha256:` and 64 hexadecimal digits, with or without colons, or base64.
pub(super) fn pin(text: &str) -> Option<[u8; 32]> {
    let text = text.trim();
    let head = text.get(..7)?;
    if !head.eq_ignore_ascii_case("sha256:") && !head.eq_ignore_ascii_case("sha256/") {
        return None;
    }
    let body = text.get(7..)?;
    let digits: Vec<u8> = body
        .chars()
        .filter(|c| *c != ':')
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect::<Option<_>>()
        .unwrap_or_default();
    if digits.len() == 64 {
        let bytes: Vec<u8> =
            digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect();
        return bytes.try_into().ok();
    }
    STANDARD.decode(body).ok()?.try_into().ok()
}

/// Reads a host: an IP address, with or without brackets, or a name, which is made ASCII (IDNA).
pub(super) fn host(text: &str) -> Option<String> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(text);
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Some(address.to_string());
    }
    let name = idna::domain_to_ascii(text.trim_end_matches('.')).ok()?;
    let legal = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    (name.len() <= 253 && name.split('.').all(legal)).then_some(name)
}

/// Does the host name this machine, whatever a name server says (RFC 6761 §6.3)?
pub(super) fn is_loopback(host: &str) -> bool {
    host.parse::<IpAddr>().map_or_else(|_| host == "localhost" || host.ends_with(".localhost"), |ip| ip.is_loopback())
}

/// Is this `local@domain`, good enough to stand in a From line?
pub(super) fn is_address(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let illegal = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | ',' | ';' | ':' | '(' | ')');
    !local.is_empty() && !domain.is_empty() && !text.contains(illegal) && !domain.contains('@')
}

/// The known word that is most like `word`, if one is like enough to have been meant.
pub(super) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let word = word.to_lowercase();
    known
        .iter()
        .map(|candidate| (strsim::damerau_levenshtein(&word, candidate), *candidate))
        .filter(|(distance, candidate)| *distance <= candidate.chars().count().div_ceil(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let table = [
            ("10M", Some(10 << 20)),
            (" 500 k", Some(500 << 10)),
            ("12", Some(12)),
            ("1G", Some(1 << 30)),
            ("M", None),
            ("10 MB", None),
            ("-1", None),
            ("99999999999999999G", None),
        ];
        for (text, bytes) in table {
            assert_eq!(size(text), bytes, "{text}");
        }
    }

    #[test]
    fn durations() {
        let table = [
            ("10s", Some(10)),
            ("5m", Some(300)),
            ("1h30m", Some(5_400)),
            ("1h 30m", Some(5_400)),
            ("90d", Some(7_776_000)),
            ("45", Some(45)),
            ("0s", Some(0)),
            ("", None),
            ("m", None),
            ("5 minutes", None),
            ("5m1h", None),
            ("-5m", None),
            ("99999999999999999999d", None),
        ];
        for (text, seconds) in table {
            assert_eq!(duration(text).map(|time| time.as_secs()), seconds, "{text:?}");
        }
        assert_eq!([0, 90, 300, 7_776_000].map(|s| duration_text(Duration::from_secs(s))), ["0s", "90s", "5m", "90d"]);
    }

    #[test]
    fn commands_are_split_as_a_shell_would() {
        let table: &[(&str, &[&str])] = &[
            ("pass show mail/ada", &["pass", "show", "mail/ada"]),
            ("  a\t b\n", &["a", "b"]),
            ("sh -c 'echo \"$X\" | head'", &["sh", "-c", "echo \"$X\" | head"]),
            (r#"a "b \" \\ \n" c\ d e''f ''"#, &["a", r#"b " \ \n"#, "c d", "ef", ""]),
            ("", &[]),
        ];
        for (text, words) in table {
            let split = split(text).unwrap();
            assert_eq!(split.words, *words, "{text:?}");
            assert_eq!(split.shell_sign, None, "{text:?}");
        }
        for broken in ["a 'b", "a \"b", "a \\"] {
            assert!(split(broken).is_err(), "{broken}");
        }
        assert_eq!(split("pass x | head -1").unwrap().shell_sign, Some("|"));
        assert_eq!(split("echo $(id)").unwrap().shell_sign, Some("$("));
    }

    #[test]
    fn pins() {
        let hex = "sha256:00ff".to_owned() + &"ab".repeat(30);
        let colons = "SHA256:00:ff".to_owned() + &":AB".repeat(30);
        let expected = pin(&hex).unwrap();
        assert_eq!(expected[..3], [0x00, 0xff, 0xab]);
        assert_eq!(pin(&colons), Some(expected));
        assert_eq!(pin(&format!("sha256/{}", STANDARD.encode(expected))), Some(expected));
        for bad in ["", "sha256:", "sha1:00", "sha256:00ff", &"ab".repeat(32), &format!("{hex}00"), "sha256:é"] {
            assert_eq!(pin(bad), None, "{bad}");
        }
    }

    #[test]
    fn hosts() {
        let table = [
            ("imap.example.org", Some("imap.example.org")),
            ("imap.example.org.", Some("imap.example.org")),
            ("Bücher.example", Some("xn--bcher-kva.example")),
            ("[::1]", Some("::1")),
            ("127.0.0.1", Some("127.0.0.1")),
            ("mail_server", Some("mail_server")),
            ("", None),
            ("a b", None),
            ("imap.example.org:993", None),
            ("imaps://imap.example.org", None),
            ("a..b", None),
        ];
        for (text, expected) in table {
            assert_eq!(host(text).as_deref(), expected, "{text:?}");
        }
        assert!(["localhost", "127.0.0.2", "::1", "a.localhost"].into_iter().all(is_loopback));
        assert!(!["example.org", "10.0.0.1", "localhost.example.org"].into_iter().any(is_loopback));
    }

    #[test]
    fn addresses() {
        assert!(is_address("ada@example.org") && is_address("a+b@localhost"));
        for bad in ["", "ada", "@x", "a@", "Ada <a@x>", "a@x, b@x", "a b@x", "a@x\n"] {
            assert!(!is_address(bad), "{bad:?}");
        }
    }

    #[test]
    fn what_was_meant() {
        let known = ["undo_send", "editor", "quote"];
        assert_eq!(nearest("undo_sent", &known), Some("undo_send"));
        assert_eq!(nearest("Qoute", &known), Some("quote"));
        assert_eq!(nearest("signature", &known), None);
    }
}
