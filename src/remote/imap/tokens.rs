//! A forgiving tokenizer for what IMAP servers send (RFC 9051 §9 and what is seen in the wild):
//! 8-bit text, missing blanks, odd atoms. Pure: any bytes give tokens or [`Malformed`], never a
//! panic; nothing here calls itself, and lists deeper than [`DEPTH`] are refused.

use std::borrow::Cow;

/// How deep lists may lie in each other.
pub(super) const DEPTH: usize = 64;

/// One response: its text without line ends, and its literals, each known by where it stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Response {
    /// The text. The announcement `{n}` of a literal stays in it, its bytes do not.
    pub(super) text: Vec<u8>,
    /// The literals in their order, with the offset in `text` just after their announcement.
    literals: Vec<(usize, Held)>,
}

/// Where a literal's bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Held {
    /// Here.
    Bytes(Vec<u8>),
    /// They went, or will go, where they belong; this many.
    Streamed(u64),
}

impl Response {
    /// Makes one of a line without literals.
    pub(super) fn of(text: impl AsRef<[u8]>) -> Self {
        Self { text: text.as_ref().to_vec(), literals: Vec::new() }
    }

    /// Says that a literal stands at the end of the text so far.
    pub(super) fn literal(&mut self, held: Held) {
        self.literals.push((self.text.len(), held));
    }

    /// Says where the bytes of the literal that came last are.
    pub(super) fn settle(&mut self, held: Held) {
        if let Some((_, last)) = self.literals.last_mut() {
            *last = held;
        }
    }

    /// Empties it for the next, keeping its memory.
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.literals.clear();
    }

    /// Its tokens.
    pub(super) fn tokens(&self) -> Tokens<'_> {
        Tokens { response: self, at: 0, depth: 0 }
    }
}

/// What cannot be understood: why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed(pub(super) &'static str);

/// One token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// `(`.
    Open,
    /// `)`.
    Close,
    /// A word without quotes; `NIL`, numbers and flags are words too.
    Word(&'a [u8]),
    /// What stood in quotes, or in a literal that is held.
    Text(Cow<'a, [u8]>),
    /// A literal that is not held: its length.
    Streamed(u64),
}

impl Token<'_> {
    /// Is this `NIL`?
    pub(super) fn is_nil(&self) -> bool {
        matches!(self, Self::Word(word) if word.eq_ignore_ascii_case(b"NIL"))
    }

    /// The number that this word, or this quoted text, is.
    pub(super) fn number(&self) -> Option<u64> {
        match self {
            Self::Word(bytes) => number(bytes),
            Self::Text(bytes) => number(bytes),
            Self::Open | Self::Close | Self::Streamed(_) => None,
        }
    }

    /// The bytes of a string, a word being one too; `NIL` has none.
    pub(super) fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Word(_) if self.is_nil() => None,
            Self::Word(bytes) => Some(bytes),
            Self::Text(bytes) => Some(bytes),
            Self::Open | Self::Close | Self::Streamed(_) => None,
        }
    }
}

/// Reads decimal digits and nothing else.
pub(super) fn number(bytes: &[u8]) -> Option<u64> {
    if bytes.is_empty() {
        return None;
    }
    bytes.iter().try_fold(0u64, |sum, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit)
    })
}

/// The tokens of a response, one after the other.
pub(super) struct Tokens<'a> {
    response: &'a Response,
    at: usize,
    depth: usize,
}

impl<'a> Tokens<'a> {
    /// The next token; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Token<'a>>, Malformed> {
        self.skip_blanks();
        let Some(byte) = self.peek() else { return Ok(None) };
        match byte {
            b'(' => {
                self.at += 1;
                self.depth += 1;
                if self.depth > DEPTH {
                    Err(Malformed("lists lie too deep in each other"))
                } else {
                    Ok(Some(Token::Open))
                }
            }
            b')' => {
                self.at += 1;
                self.depth = self.depth.saturating_sub(1);
                Ok(Some(Token::Close))
            }
            b'"' => self.quoted().map(Some),
            b'{' | b'~' => Ok(Some(self.literal().unwrap_or_else(|| self.word()))),
            _ => Ok(Some(self.word())),
        }
    }

    /// The next token, which must be there.
    pub(super) fn expect(&mut self) -> Result<Token<'a>, Malformed> {
        self.next()?.ok_or(Malformed("it ends too early"))
    }

    /// Takes the opening of a list.
    pub(super) fn open(&mut self) -> Result<(), Malformed> {
        match self.expect()? {
            Token::Open => Ok(()),
            _ => Err(Malformed("a list was expected")),
        }
    }

    /// Skips one value: a word, a string or a whole list.
    pub(super) fn skip_value(&mut self) -> Result<(), Malformed> {
        let token = self.expect()?;
        self.skip_rest_of(&token)
    }

    /// Skips what belongs to a value whose first token was taken already.
    pub(super) fn skip_rest_of(&mut self, first: &Token<'_>) -> Result<(), Malformed> {
        if *first != Token::Open {
            return Ok(());
        }
        let outside = self.depth.saturating_sub(1);
        while self.depth > outside {
            self.expect()?;
        }
        Ok(())
    }

    /// Takes a flat list of strings; lists in it are passed over. `NIL` is an empty list.
    pub(super) fn strings(&mut self) -> Result<Vec<Cow<'a, [u8]>>, Malformed> {
        let mut out = Vec::new();
        let first = self.expect()?;
        if first.is_nil() {
            return Ok(out);
        }
        if first != Token::Open {
            return Err(Malformed("a list was expected"));
        }
        loop {
            match self.expect()? {
                Token::Close => return Ok(out),
                Token::Word(word) => out.push(Cow::Borrowed(word)),
                Token::Text(text) => out.push(text),
                open @ Token::Open => self.skip_rest_of(&open)?,
                Token::Streamed(_) => {}
            }
        }
    }

    /// Takes a mailbox name: a string, or all up to the next blank, whatever characters it has.
    pub(super) fn name(&mut self) -> Result<Cow<'a, [u8]>, Malformed> {
        self.skip_blanks();
        match self.peek() {
            None => Err(Malformed("a name is missing")),
            Some(b'"') => match self.quoted()? {
                Token::Text(text) => Ok(text),
                _ => Err(Malformed("a name is missing")),
            },
            Some(_) => {
                if let Some(Token::Text(text)) = self.literal() {
                    return Ok(text);
                }
                let rest = self.rest();
                let end = rest.iter().position(|byte| *byte == b' ').unwrap_or(rest.len());
                self.at += end;
                Ok(Cow::Borrowed(rest.get(..end).unwrap_or_default()))
            }
        }
    }

    /// All that is left, as it stands.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.response.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.response.text.get(self.at).copied()
    }

    fn skip_blanks(&mut self) {
        while self.peek().is_some_and(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn quoted(&mut self) -> Result<Token<'a>, Malformed> {
        let start = self.at + 1;
        let text = self.response.text.get(start..).unwrap_or_default();
        let mut after_backslash = false;
        let mut backslashes = false;
        for (offset, byte) in text.iter().enumerate() {
            match (after_backslash, byte) {
                (true, _) => after_backslash = false,
                (false, b'\\') => {
                    after_backslash = true;
                    backslashes = true;
                }
                (false, b'"') => {
                    let inner = text.get(..offset).unwrap_or_default();
                    self.at = start + offset + 1;
                    return Ok(Token::Text(if backslashes {
                        Cow::Owned(unescape(inner))
                    } else {
                        Cow::Borrowed(inner)
                    }));
                }
                (false, _) => {}
            }
        }
        Err(Malformed("a quote is not closed"))
    }

    /// The literal that is announced here, if one is.
    fn literal(&mut self) -> Option<Token<'a>> {
        let close = self.rest().iter().take(32).position(|byte| *byte == b'}')?;
        let after = self.at + close + 1;
        let (_, held) = self.response.literals.iter().find(|(at, _)| *at == after)?;
        self.at = after;
        Some(match held {
            Held::Bytes(bytes) => Token::Text(Cow::Borrowed(bytes)),
            Held::Streamed(length) => Token::Streamed(*length),
        })
    }

    fn word(&mut self) -> Token<'a> {
        let rest = self.rest();
        let mut end = 0;
        while let Some(byte) = rest.get(end) {
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' | b'(' | b')' | b'"' => break,
                // `BODY[]{12}`: a literal without a blank before it.
                b'{' if end > 0 && self.announced(self.at + end) => break,
                // `BODY[HEADER.FIELDS (SUBJECT)]` is one word.
                b'[' if is_section(rest.get(..end).unwrap_or_default()) => {
                    let section = rest.get(end..).unwrap_or_default();
                    end += section.iter().position(|byte| *byte == b']').map_or(1, |close| close + 1);
                    continue;
                }
                _ => {}
            }
            end += 1;
        }
        self.at += end;
        Token::Word(rest.get(..end).unwrap_or_default())
    }

    fn announced(&self, at: usize) -> bool {
        let rest = self.response.text.get(at..).unwrap_or_default();
        let close = rest.iter().take(32).position(|byte| *byte == b'}');
        close.is_some_and(|close| self.response.literals.iter().any(|(known, _)| *known == at + close + 1))
    }
}

fn is_section(word: &[u8]) -> bool {
    [b"BODY".as_slice(), b"BODY.PEEK", b"BINARY", b"BINARY.SIZE"].iter().any(|name| word.eq_ignore_ascii_case(name))
}

fn unescape(inner: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter();
    while let Some(byte) = bytes.next() {
        out.extend(if *byte == b'\\' { bytes.next() } else { Some(byte) });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(response: &Response) -> Result<Vec<Token<'_>>, Malformed> {
        let mut tokens = response.tokens();
        let mut out = Vec::new();
        while let Some(token) = tokens.next()? {
            out.push(token);
        }
        Ok(out)
    }

    fn word(text: &str) -> Token<'_> {
        Token::Word(text.as_bytes())
    }

    fn text(text: &str) -> Token<'_> {
        Token::Text(Cow::Borrowed(text.as_bytes()))
    }

    #[test]
    fn words_strings_and_lists() {
        let line = Response::of("* 7 FETCH (FLAGS(\\Seen a[b)\"q\\\"\\\\\"NIL BODY[HEADER.FIELDS (TO)]<0> ~x {3}");
        assert_eq!(
            all(&line).unwrap(),
            [
                word("*"),
                word("7"),
                word("FETCH"),
                Token::Open,
                word("FLAGS"),
                Token::Open,
                word("\\Seen"),
                word("a[b"),
                Token::Close,
                Token::Text(Cow::Owned(b"q\"\\".to_vec())),
                word("NIL"),
                word("BODY[HEADER.FIELDS (TO)]<0>"),
                word("~x"),
                word("{3}"),
            ]
        );
    }

    #[test]
    fn literals_are_known_by_their_place() {
        let mut line = Response::of("* 1 FETCH (BODY[]{3}");
        line.literal(Held::Bytes(b"a)b".to_vec()));
        line.text.extend_from_slice(b" X ~{9}");
        line.literal(Held::Streamed(9));
        line.text.push(b')');
        let tokens = all(&line).unwrap();
        assert_eq!(tokens[4..], [word("BODY[]"), text("a)b"), word("X"), Token::Streamed(9), Token::Close]);
    }

    #[test]
    fn depth_is_capped_and_what_is_open_is_told() {
        assert_eq!(all(&Response::of("(".repeat(2000))), Err(Malformed("lists lie too deep in each other")));
        assert!(all(&Response::of("(".repeat(DEPTH))).is_ok());
        assert_eq!(all(&Response::of("\"abc")), Err(Malformed("a quote is not closed")));
    }

    #[test]
    fn values_are_skipped_whole() {
        let line = Response::of("((a (b) \"c)\") d) next");
        let mut tokens = line.tokens();
        tokens.skip_value().unwrap();
        assert_eq!(tokens.next(), Ok(Some(word("next"))));
    }

    #[test]
    fn names_may_hold_anything_but_a_blank() {
        let line = Response::of("foo(bar)[x \"a b\" rest");
        let mut tokens = line.tokens();
        assert_eq!(&*tokens.name().unwrap(), b"foo(bar)[x");
        assert_eq!(&*tokens.name().unwrap(), b"a b");
        assert_eq!(tokens.rest(), b" rest");
    }

    proptest! {
        #[test]
        fn any_bytes_end_and_never_panic(bytes: Vec<u8>, at in 0usize..40, held: Vec<u8>) {
            let mut line = Response::of(bytes.get(..at.min(bytes.len())).unwrap());
            line.literal(Held::Bytes(held));
            line.text.extend_from_slice(bytes.get(at.min(bytes.len())..).unwrap());
            let _ = all(&line);
            let _ = line.tokens().strings();
            let _ = line.tokens().name();
            let _ = line.tokens().skip_value();
        }
    }
}
