//! Bytes to text: which charset a part or an encoded word is in. The declared one, else UTF-8 where
//! the bytes are that, else Windows-1252. Never fails: what cannot be decoded becomes U+FFFD.

use std::borrow::Cow;

use charset::Charset;

/// Decodes `bytes`, which the sender declares to be in `declared` (a charset's name as it stands
/// in the message, perhaps with a comment or a language). Nothing is trusted: `us-ascii` with high
/// bytes and `utf-8` that is none are taken for what they look like.
pub fn decode<'a>(bytes: &'a [u8], declared: Option<&str>) -> Cow<'a, str> {
    match declared.and_then(for_label) {
        None => guess(bytes),
        Some(charset) if charset.is_ascii_compatible() && bytes.is_ascii() => guess(bytes),
        Some(charset) => {
            let (text, broken) = charset.decode_without_bom_handling(bytes);
            let is_utf8 = charset == Charset::for_encoding(encoding_rs::UTF_8);
            // A declared UTF-8 in which not one sequence is valid is some single-byte charset.
            if broken && is_utf8 && text.chars().all(|c| c.is_ascii() || c == '\u{fffd}') {
                encoding_rs::WINDOWS_1252.decode_without_bom_handling(bytes).0
            } else {
                text
            }
        }
    }
}

/// Decodes bytes of no declared charset: UTF-8 where they are that, else Windows-1252.
pub fn guess(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => encoding_rs::WINDOWS_1252.decode_without_bom_handling(bytes).0,
    }
}

/// The charset of a name, if it says anything: `us-ascii` and the "unknown" ones say nothing.
fn for_label(label: &str) -> Option<Charset> {
    let label = label.split(['(', '*', ';']).next().unwrap_or(label);
    let label = label.trim_matches(|c: char| c.is_whitespace() || c == '"' || c == '\'').to_ascii_lowercase();
    let known = match label.as_str() {
        "us-ascii" | "ascii" | "ansi_x3.4-1968" | "default" | "x-unknown" | "unknown-8bit" | "unknown" | "" => {
            return None;
        }
        "utf_8" | "utf-8-sig" | "utf8mb4" => "utf-8",
        "latin-1" | "iso8859_1" | "8859-1" | "cp-1252" | "win-1252" | "windows1252" => "windows-1252",
        "cp-1251" | "win-1251" | "win1251" | "windows1251" => "windows-1251",
        "cp932" | "ms932" | "shift-jis_2004" => "shift_jis",
        "cp936" | "ms936" | "gb2312-80" | "hz-gb" => "gbk",
        "cp949" | "ks_c_5601" | "ksc" => "euc-kr",
        "cp950" => "big5",
        other => other,
    };
    Charset::for_label_no_replacement(known.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_declared_charset_is_believed_only_while_it_can_be_true() {
        let table: &[(&[u8], Option<&str>, &str)] = &[
            (b"Gr\xfc\xdfe", Some("iso-8859-1"), "Grüße"),
            (b"Gr\xfc\xdfe", Some("utf-8"), "Grüße"),
            (b"Gr\xfc\xdfe", None, "Grüße"),
            ("Grüße".as_bytes(), None, "Grüße"),
            ("Grüße".as_bytes(), Some("us-ascii"), "Grüße"),
            ("Grüße".as_bytes(), Some("utf-8 (Unicode)"), "Grüße"),
            ("Grüße".as_bytes(), Some("\"UTF-8\""), "Grüße"),
            ("Grüße".as_bytes(), Some("no-such-charset"), "Grüße"),
            (b"\x93q\x94", Some("windows-1252"), "“q”"),
            (b"\xc4\xe3\xba\xc3", Some("gb2312"), "你好"),
            (b"\x1b$B$3$s\x1b(B", Some("iso-2022-jp"), "こん"),
            (b"Hi +AGE-", Some("utf-7"), "Hi a"),
            (b"\xf0\xd2\xc9", Some("KOI8-R"), "При"),
            ("é\u{fffd}".as_bytes(), Some("utf-8"), "é\u{fffd}"),
        ];
        for (bytes, declared, expected) in table {
            assert_eq!(decode(bytes, *declared), *expected, "{declared:?}");
        }
    }
}
