//! Addresses (RFC 5322 §3.4), decoded. RFC 5322 calls one a mailbox; here a mailbox is a folder.
//! One parser for list, viewer and reply: it saves what can be saved of a broken list, entry by
//! entry, and never decodes an encoded word inside an addr-spec.

use super::clean::Clean;
use super::header::decode_words;

/// One address with its display name, decoded (RFC 2047) but not yet clean for a screen.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Address {
    /// The display name, empty where there is none. Text from outside.
    pub name: String,
    /// The addr-spec `local@domain`, or what stood in its stead. Text from outside.
    pub email: String,
}

impl Address {
    /// An address without a name.
    pub fn bare(email: &str) -> Self {
        Self { name: String::new(), email: email.to_owned() }
    }

    /// The domain, empty where there is none.
    pub fn domain(&self) -> &str {
        self.email.rsplit_once('@').map_or("", |(_, domain)| domain)
    }

    /// The address as one types it: `Name <local@domain>`, the name quoted where it must be, control
    /// characters as blanks. [`parse_list`] reads it back.
    pub fn written(&self) -> String {
        let email: String = self.email.chars().filter(|c| !c.is_control()).collect();
        let name: String = self.name.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let name = name.trim();
        if name.is_empty() {
            return email;
        }
        if name.contains(['(', ')', '<', '>', '[', ']', ':', ';', '@', '\\', ',', '.', '"']) {
            format!("\"{}\" <{email}>", name.replace('\\', "\\\\").replace('"', "\\\""))
        } else {
            format!("{name} <{email}>")
        }
    }

    /// Name and addr-spec for the screen.
    pub fn display(&self) -> Clean {
        if self.name.trim().is_empty() {
            Clean::line(&self.email)
        } else {
            Clean::line(&format!("{} <{}>", self.name.trim(), self.email))
        }
    }

    /// The name for the screen, or where there is none the addr-spec: what a row of a list shows.
    pub fn short(&self) -> Clean {
        let name = self.name.trim();
        Clean::line(if name.is_empty() { &self.email } else { name })
    }

    /// Does the display name show an address that is not this one? Those who read only names
    /// would be deceived.
    pub fn is_deceptive(&self) -> bool {
        self.name
            .split(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | '(' | ')' | ',' | ';' | '"' | '\'' | ':'))
            .any(|word| match word.split_once(['@', '\u{ff20}', '\u{fe6b}']) {
                Some((local, domain)) => {
                    !local.is_empty() && domain.contains('.') && !word.eq_ignore_ascii_case(&self.email)
                }
                None => false,
            })
    }

    /// The addr-spec for the wire: the domain in ASCII (RFC 5891). `None` where it is no addr-spec
    /// that a message could be sent to.
    pub fn ascii_email(&self) -> Option<String> {
        let (local, domain) = self.email.rsplit_once('@')?;
        let legal = !local.is_empty()
            && local.len() <= 64
            && !self.email.chars().any(|c| c.is_control() || matches!(c, '<' | '>'))
            && (is_quoted(local) || is_dot_atom(local));
        if !legal {
            return None;
        }
        if domain.starts_with('[') {
            let literal = domain.strip_prefix('[')?.strip_suffix(']')?;
            let plain = literal.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b':' | b'-'));
            return (plain && !literal.is_empty()).then(|| self.email.clone());
        }
        // The root's dot names the same domain and is not allowed on the wire.
        let domain = domain.strip_suffix('.').unwrap_or(domain);
        // No real name is longer; conversion need not look at one that is.
        if domain.is_empty() || domain.len() > 1000 {
            return None;
        }
        let ascii = idna::domain_to_ascii(domain).ok()?;
        let labels_fit = ascii.len() <= 253
            && ascii.split('.').all(|label| {
                (1..=63).contains(&label.len())
                    && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            });
        labels_fit.then(|| format!("{local}@{ascii}"))
    }
}

fn is_quoted(local: &str) -> bool {
    local.len() >= 2 && local.starts_with('"') && local.ends_with('"')
}

fn is_dot_atom(local: &str) -> bool {
    local
        .split('.')
        .all(|atom| !atom.is_empty() && !atom.contains(|c: char| c.is_whitespace() || "()<>[]:;@\\,\"".contains(c)))
}

/// Several addresses as one types them, with commas.
pub fn written_list(addresses: &[Address]) -> String {
    addresses.iter().map(Address::written).collect::<Vec<_>>().join(", ")
}

/// What a user typed into a field of addresses.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Typed {
    /// The addresses that can be sent to.
    pub addresses: Vec<Address>,
    /// What cannot be read as an address, as typed.
    pub rejected: Vec<String>,
}

/// Reads what a user typed: addresses between commas, semicolons or line ends. Domains stay as
/// typed; [`Address::ascii_email`] makes the wire's form.
pub fn parse_typed(text: &str) -> Typed {
    let mut typed = Typed::default();
    for address in scan(&text.replace(['\r', '\n'], ","), Manner::Exact) {
        if address.ascii_email().is_some() {
            typed.addresses.push(address);
        } else {
            typed.rejected.push(address.written());
        }
    }
    typed
}

/// Reads a list of addresses from a field's value on one line, not decoded. Members of groups are
/// taken, the groups' names dropped. Never fails: what is no address comes back as one whose
/// `email` is the text that stood there.
pub fn parse_list(raw: &str) -> Vec<Address> {
    scan(raw, Manner::Forgiving)
}

/// What a name without brackets beside an address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Manner {
    /// Its name, as old programs wrote it.
    #[default]
    Forgiving,
    /// A slip of the one who types: the whole is no address.
    Exact,
}

fn scan(raw: &str, manner: Manner) -> Vec<Address> {
    let mut scanner = Scanner { manner, ..Scanner::default() };
    if let Err(opened_at) = scanner.run(raw, Marks::Believed) {
        // A quote or comment that is never closed hides nothing: from there on its mark is text.
        scanner.abandon();
        let rest = raw.get(opened_at..).unwrap_or_default();
        // Without marks there is nothing that can stay open.
        let _ = scanner.run(rest, Marks::Ignored);
    }
    scanner.addresses
}

/// Do quotes and comments count?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Marks {
    Believed,
    Ignored,
}

/// Where the scanner is in an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    Phrase,
    Quoted,
    Angle,
    AngleQuoted,
}

#[derive(Debug, Default)]
struct Scanner {
    manner: Manner,
    addresses: Vec<Address>,
    state: State,
    /// The entry without comments and angle part, quotes removed.
    plain: String,
    /// The same with its quotes.
    raw: String,
    angle: Option<String>,
    comment: String,
    /// Lengths of `plain`, `raw`, `comment` and the position where the open quote or comment began.
    opened: Option<(usize, usize, usize, usize)>,
}

impl Scanner {
    /// Scans to the end; `Err` with the position of a quote or comment that is never closed.
    fn run(&mut self, text: &str, marks: Marks) -> Result<(), usize> {
        let believed = marks == Marks::Believed;
        let mut depth = 0usize;
        let mut chars = text.char_indices();
        while let Some((at, c)) = chars.next() {
            if depth > 0 {
                match c {
                    '(' => depth += 1,
                    ')' => depth -= 1,
                    '\\' => self.comment.extend(chars.next().map(|(_, escaped)| escaped)),
                    _ => {}
                }
                if depth > 0 && c != '\\' {
                    self.comment.push(c);
                }
                continue;
            }
            match (self.state, c) {
                (State::Phrase | State::Angle, '(') if believed => {
                    depth = 1;
                    self.open(at);
                }
                (State::Phrase, '"') if believed => {
                    self.open(at);
                    self.raw.push(c);
                    self.state = State::Quoted;
                }
                (State::Angle, '"') if believed => {
                    self.open(at);
                    self.angle.get_or_insert_default().push(c);
                    self.state = State::AngleQuoted;
                }
                (State::Quoted, _) => self.quoted(c, &mut chars),
                (State::AngleQuoted, _) => self.angle_quoted(c, &mut chars),
                (State::Phrase, _) => self.phrase(c),
                (State::Angle, _) => self.angle(c),
            }
        }
        if depth > 0 || matches!(self.state, State::Quoted | State::AngleQuoted) {
            return Err(self.opened.map_or(0, |(_, _, _, at)| at));
        }
        self.finish();
        Ok(())
    }

    fn open(&mut self, at: usize) {
        self.opened = Some((self.plain.len(), self.raw.len(), self.comment.len(), at));
    }

    /// Goes back to where the open quote or comment began.
    fn abandon(&mut self) {
        if let Some((plain, raw, comment, _)) = self.opened.take() {
            self.plain.truncate(plain);
            self.raw.truncate(raw);
            self.comment.truncate(comment);
        }
        self.state = if self.state == State::Quoted { State::Phrase } else { self.state };
        if self.state == State::AngleQuoted {
            self.state = State::Angle;
            self.angle = self.angle.take().map(|angle| angle.split('"').next().unwrap_or_default().to_owned());
        }
    }

    fn quoted(&mut self, c: char, chars: &mut std::str::CharIndices<'_>) {
        self.raw.push(c);
        match c {
            '"' => self.state = State::Phrase,
            '\\' => {
                if let Some((_, escaped)) = chars.next() {
                    self.raw.push(escaped);
                    self.plain.push(escaped);
                }
            }
            _ => self.plain.push(c),
        }
    }

    fn angle_quoted(&mut self, c: char, chars: &mut std::str::CharIndices<'_>) {
        let angle = self.angle.get_or_insert_default();
        angle.push(c);
        match c {
            '"' => self.state = State::Angle,
            '\\' => angle.extend(chars.next().map(|(_, escaped)| escaped)),
            _ => {}
        }
    }

    fn phrase(&mut self, c: char) {
        match c {
            ',' | ';' => self.finish(),
            '<' => {
                // A second addr-spec: the last one counts, the first stays to be seen.
                if let Some(angle) = self.angle.take() {
                    for text in [" <", &angle, "> "] {
                        self.plain.push_str(text);
                    }
                }
                self.angle = Some(String::new());
                self.state = State::Angle;
            }
            // The name of a group; a colon behind an address is noise of another kind.
            ':' if !self.raw.contains('@') && self.angle.is_none() => {
                self.plain.clear();
                self.raw.clear();
                self.comment.clear();
            }
            '>' => {}
            _ => {
                self.plain.push(c);
                self.raw.push(c);
            }
        }
    }

    fn angle(&mut self, c: char) {
        let is_route = self.angle.as_deref().is_some_and(|angle| angle.trim_start().starts_with('@'));
        match c {
            '>' => self.state = State::Phrase,
            ',' if !is_route => self.finish(),
            '<' => {
                self.state = State::Phrase;
                self.phrase(c);
            }
            // A route (RFC 5322 §4.4) says nothing any more.
            ':' if is_route => self.angle = Some(String::new()),
            _ => self.angle.get_or_insert_default().push(c),
        }
    }

    /// Makes an address of the entry gathered so far.
    fn finish(&mut self) {
        self.state = State::Phrase;
        self.opened = None;
        let plain = std::mem::take(&mut self.plain);
        let raw = std::mem::take(&mut self.raw);
        let comment = std::mem::take(&mut self.comment);
        if let Some(angle) = self.angle.take() {
            let email = squeezed(&angle);
            let mut name = decoded(&plain);
            if name.is_empty() {
                name = decoded(&comment);
            }
            if !email.is_empty() || !name.is_empty() {
                self.addresses.push(Address { name, email });
            }
            return;
        }
        let raw = raw.trim();
        if raw.is_empty() {
            return;
        }
        let mut words: Vec<&str> = if raw.contains('"') { vec![raw] } else { raw.split_whitespace().collect() };
        if words.iter().any(|word| word.starts_with('@') || word.ends_with('@') || *word == ".") {
            // Blanks around the `@` or the dots (RFC 5322 §4.4).
            words = vec![raw];
        }
        if words.len() > 1 && words.iter().all(|word| word.contains('@')) {
            self.addresses.extend(words.into_iter().map(Address::bare));
        } else if words.len() > 1 && self.manner == Manner::Exact {
            self.addresses.push(Address::bare(raw));
        } else if words.len() > 1
            && let Some(at) = words.iter().rposition(|word| word.contains('@'))
        {
            let email = words.remove(at);
            self.addresses.push(Address { name: decoded(&words.join(" ")), email: email.to_owned() });
        } else if raw.contains('@') {
            self.addresses.push(Address { name: decoded(&comment), email: squeezed(raw) });
        } else {
            let email = decoded(&plain);
            self.addresses.push(Address { name: decoded(&comment), email });
        }
    }
}

/// A display name: decoded, blanks joined.
fn decoded(phrase: &str) -> String {
    let text = decode_words(phrase.trim());
    if text.contains("  ") || text.contains(['\t', '\r', '\n']) {
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    } else {
        text.trim().to_owned()
    }
}

/// An addr-spec without blanks and control characters; inside quotes blanks stay.
fn squeezed(spec: &str) -> String {
    let mut quoted = false;
    spec.trim()
        .chars()
        .filter(|&c| {
            if c == '"' {
                quoted = !quoted;
            }
            !c.is_control() && (quoted || !c.is_whitespace())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(raw: &str) -> Vec<(String, String)> {
        parse_list(raw).into_iter().map(|a| (a.name, a.email)).collect()
    }

    #[test]
    fn lists_whole_and_broken() {
        let table: &[(&str, &[(&str, &str)])] = &[
            ("a@x.org", &[("", "a@x.org")]),
            ("<a@x.org>", &[("", "a@x.org")]),
            ("Ada <a@x.org>, b@y.org", &[("Ada", "a@x.org"), ("", "b@y.org")]),
            ("\"Lovelace, Ada\" <a@x.org>", &[("Lovelace, Ada", "a@x.org")]),
            ("a@x.org (Ada (the first) L.)", &[("Ada (the first) L.", "a@x.org")]),
            ("Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>", &[("Pete", "pete@silly.test")]),
            (
                "A Group:Ed <joe@w.test>,x@y.test; , z@w.test",
                &[("Ed", "joe@w.test"), ("", "x@y.test"), ("", "z@w.test")],
            ),
            ("Undisclosed recipients:;", &[]),
            ("Mary <@machine.tld,@b:mary@example.net>", &[("Mary", "mary@example.net")]),
            ("X <a@b", &[("X", "a@b")]),
            ("X <a@b, Y <c@d>", &[("X", "a@b"), ("Y", "c@d")]),
            ("A <a@x> <b@y>", &[("A <a@x>", "b@y")]),
            ("MAILER-DAEMON", &[("", "MAILER-DAEMON")]),
            ("<>", &[]),
            ("=?utf-8?q?Jos=C3=A9?= <j@x.org>", &[("José", "j@x.org")]),
            ("\"=?utf-8?q?Jos=C3=A9?=\" <j@x.org>", &[("José", "j@x.org")]),
            ("=?utf-8?q?a=40b.org=2C?= <c@d>", &[("a@b.org,", "c@d")]),
            ("<=?utf-8?q?a?=@b.org>", &[("", "=?utf-8?q?a?=@b.org")]),
            ("\"Ada <a@x.org>, b@y.org", &[("\"Ada", "a@x.org"), ("", "b@y.org")]),
            ("(Ada a@x.org, b@y.org", &[("(Ada", "a@x.org"), ("", "b@y.org")]),
            ("\"john smith\"@x.org", &[("", "\"john smith\"@x.org")]),
            ("Ada Lovelace ada@x.org", &[("Ada Lovelace", "ada@x.org")]),
            ("a@x.org b@y.org", &[("", "a@x.org"), ("", "b@y.org")]),
            ("jdoe@test . example", &[("", "jdoe@test.example")]),
            (",,;,", &[]),
        ];
        for (raw, expected) in table {
            let expected: Vec<_> = expected.iter().map(|(n, e)| ((*n).to_owned(), (*e).to_owned())).collect();
            assert_eq!(pairs(raw), expected, "{raw}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        for (name, email) in [("", "a@b"), ("Ada", "a@b"), ("Lovelace, Ada \"A\\\"", "a@b"), ("a@evil", "a@b")] {
            let address = Address { name: name.to_owned(), email: email.to_owned() };
            assert_eq!(parse_list(&address.written()), [address]);
        }
        let evil = Address { name: "Eve\r\nBcc: x@y".to_owned(), email: "e@x\n".to_owned() };
        assert_eq!(evil.written(), "\"Eve  Bcc: x@y\" <e@x>");
    }

    #[test]
    fn typed_words_are_addresses_or_rejected() {
        let typed = parse_typed(
            "Bob <bob@x.org>; alice@bücher.example\ncarol, eve e@x.org, x@, dave@@y, @z, e@[127.0.0.1], f@x.org.",
        );
        let good: Vec<_> = typed.addresses.iter().filter_map(Address::ascii_email).collect();
        assert_eq!(good, ["bob@x.org", "alice@xn--bcher-kva.example", "e@[127.0.0.1]", "f@x.org"]);
        assert_eq!(typed.rejected, ["carol", "eve e@x.org", "x@", "dave@@y", "@z"]);
    }

    #[test]
    fn a_name_that_shows_another_address_deceives() {
        let is = |name: &str| Address { name: name.to_owned(), email: "a@x.org".to_owned() }.is_deceptive();
        assert!(is("boss@bank.example") && is("Boss <boss@bank.example>") && is("boss\u{ff20}bank.example"));
        assert!(!is("A@X.org") && !is("Ada @ home") && !is("Ada"));
    }
}
