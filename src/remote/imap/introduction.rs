//! ID (RFC 2971): who we are, and who answers. It is sent ahead of the next command and its answer is
//! passed over when it comes, so that it costs no round trip. Nothing hangs on what a server says of
//! itself; it is for people to read.

use crate::mail::clean::Clean;

use super::tokens::{Malformed, Response, Token};

/// What the client calls itself.
pub(super) const ID: &str =
    concat!("ID (\"name\" \"", env!("CARGO_PKG_NAME"), "\" \"version\" \"", env!("CARGO_PKG_VERSION"), "\")");

/// Its tag: the session layer's own begin with another letter.
pub(super) const TAG: &str = "i1";

/// The most fields that are kept; RFC 2971 §3.3 allows 30.
const MOST: usize = 30;

/// An introduction on its way.
#[derive(Debug, Default)]
pub(super) struct Introduction {
    awaited: bool,
    heard: Vec<(Clean, Clean)>,
}

impl Introduction {
    /// From now on its answer is awaited.
    pub(super) fn sent(&mut self) {
        self.awaited = true;
    }

    /// Is this line the answer to it, which nobody else wants to see? What the server says of itself
    /// is kept.
    pub(super) fn is_answered_by(&mut self, line: &Response) -> bool {
        if !self.awaited {
            return false;
        }
        if line.text.split(|byte| *byte == b' ').next() == Some(TAG.as_bytes()) {
            self.awaited = false;
            return true;
        }
        match fields(line) {
            Ok(fields) => {
                self.heard = fields;
                true
            }
            Err(Malformed(_)) => false,
        }
    }

    /// What was heard.
    pub(super) fn heard(&self) -> &[(Clean, Clean)] {
        &self.heard
    }
}

/// Reads `* ID ("name" "Dovecot" …)` or `* ID NIL`.
fn fields(line: &Response) -> Result<Vec<(Clean, Clean)>, Malformed> {
    const OTHER: Malformed = Malformed("no answer to ID");
    if !line.text.starts_with(b"* ") {
        return Err(OTHER);
    }
    let mut tokens = line.after_star();
    match tokens.expect()? {
        Token::Word(word) if word.eq_ignore_ascii_case(b"ID") => {}
        _ => return Err(OTHER),
    }
    let mut found = Vec::new();
    match tokens.expect()? {
        Token::Open => {}
        nil if nil.is_nil() => return Ok(found),
        _ => return Err(OTHER),
    }
    while found.len() < MOST {
        let name = tokens.expect()?;
        if name == Token::Close {
            break;
        }
        let value = tokens.expect()?;
        if let (Some(name), Some(value)) = (name.bytes(), value.bytes()) {
            found.push((Clean::bytes(name), Clean::bytes(value)));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(lines: &[&str]) -> (Vec<bool>, Vec<String>) {
        let mut introduction = Introduction::default();
        introduction.sent();
        let taken = lines.iter().map(|line| introduction.is_answered_by(&Response::of(line.as_bytes()))).collect();
        (taken, introduction.heard().iter().map(|(name, value)| format!("{name}={value}")).collect())
    }

    #[test]
    fn the_answer_is_taken_and_nothing_else() {
        let said = [
            "* 3 EXISTS",
            "* ID (\"name\" \"Dove\u{1b}cot\" \"os\" NIL version \"2.4\")",
            "i1 BAD what?",
            "* ID (\"name\" \"late\")",
        ];
        let (taken, fields) = heard(&said);
        assert_eq!(taken, [false, true, true, false]);
        assert_eq!(fields, ["name=Dove\u{241b}cot", "version=2.4"]);
        assert_eq!(heard(&["* ID NIL", "i1 OK"]), (vec![true, true], vec![]));
        assert_eq!(heard(&["* ID (\"a\"", "* IDLE", "* ID", "i12 OK", "a1 OK"]).0, [false; 5]);
        assert!(!Introduction::default().is_answered_by(&Response::of(b"i1 OK")), "nothing was asked");
    }
}
