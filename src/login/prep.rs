//! `SASLprep` (RFC 4013) of names and passwords for SCRAM, so that `ä` typed in two ways is one
//! password. What the profile forbids is not refused but left as it was written: servers that keep
//! such a password have kept it so.

use icu_normalizer::ComposingNormalizerBorrowed;
use zeroize::Zeroizing;

/// Prepares a text.
pub(super) fn prepared(text: &str) -> Zeroizing<String> {
    if text.is_ascii() {
        return Zeroizing::new(text.to_owned());
    }
    let mapped: Zeroizing<String> =
        Zeroizing::new(text.chars().filter(|c| !vanishes(*c)).map(|c| if is_space(c) { ' ' } else { c }).collect());
    let composed = Zeroizing::new(ComposingNormalizerBorrowed::new_nfkc().normalize(&mapped).into_owned());
    if composed.is_empty() || composed.chars().any(is_forbidden) { Zeroizing::new(text.to_owned()) } else { composed }
}

/// RFC 3454, table C.1.2 but for what is in B.1.
fn is_space(c: char) -> bool {
    matches!(c, '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}')
}

/// RFC 3454, table B.1.
fn vanishes(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{1806}' | '\u{180b}'..='\u{180d}' | '\u{200b}'..='\u{200d}' | '\u{2060}')
        || matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{feff}')
}

/// RFC 3454, tables C.2 to C.9, as far as a `char` can be in them.
fn is_forbidden(c: char) -> bool {
    let private = matches!(c, '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..);
    let odd = matches!(c, '\u{340}' | '\u{341}' | '\u{6dd}' | '\u{70f}' | '\u{180e}' | '\u{200e}' | '\u{200f}');
    let steering = matches!(c, '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2ff0}'..='\u{2ffb}');
    let special = matches!(c, '\u{fdd0}'..='\u{fdef}' | '\u{fff9}'..='\u{ffff}' | '\u{1d173}'..='\u{1d17a}');
    c.is_control() || private || odd || steering || special || matches!(c, '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_rfc_and_what_it_forbids() {
        let table = [
            ("I\u{ad}X", "IX"),
            ("user", "user"),
            ("USER", "USER"),
            ("\u{aa}", "a"),
            ("\u{2168}", "IX"),
            ("a\u{308}", "\u{e4}"),
            ("a\u{a0}b", "a b"),
            // Forbidden or without anything left: as it was.
            ("\u{e000}\u{aa}", "\u{e000}\u{aa}"),
            ("\u{ad}", "\u{ad}"),
        ];
        for (text, expected) in table {
            assert_eq!(prepared(text).as_str(), expected, "{text:?}");
        }
    }
}
