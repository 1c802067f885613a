//! People as they are looked for while an address is typed: the words that a name and an address are
//! found by, accents folded, what fits to what was typed, how well, and who is to come first. Also
//! which addresses nobody means to write to, and which of several spellings of a name is the best.

use super::address::Address;
use super::clean::Clean;
use super::ids::Timestamp;
use super::letters::folded;

/// The most characters of a name that are kept.
const MAX_NAME: usize = 80;
/// The longest address there can be (RFC 5321 §4.5.3.1.3), without its brackets.
const MAX_EMAIL: usize = 254;
/// The most words one is found by.
const MAX_WORDS: usize = 24;
/// The most characters of a word.
const MAX_WORD: usize = 32;
/// The most words of what was typed that are looked for.
const MAX_ASKED: usize = 8;
/// 1 January 1990: older mail is as old as that.
const BEGUN: i64 = 631_152_000;
const YEAR: f64 = 31_557_600.0;

/// How an address came to be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Contacted {
    /// The user wrote to it.
    Sent,
    /// It wrote to the user.
    Received,
    /// It wrote by a machine, or to many at once.
    Bulk,
}

/// How often and when an address was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Use {
    /// Messages of the user's own to it.
    pub sent: u32,
    /// Messages of a person from it.
    pub received: u32,
    /// Messages of a machine, or of a list.
    pub bulk: u32,
    /// When the newest of these was written; of a card, when it was.
    pub newest: Timestamp,
    /// Does it stand in an address book?
    pub in_book: bool,
}

impl Use {
    /// How likely it is meant: the doublings of its use, and a point for each year since 1990 up to
    /// the newest of it, so that an order made at one time holds at any other.
    pub fn weight(&self) -> f64 {
        let points =
            32.0 * f64::from(self.sent) + 2.0 * f64::from(self.received) + if self.in_book { 16.0 } else { 0.0 };
        let seconds = u32::try_from(self.newest.get().saturating_sub(BEGUN).max(0)).unwrap_or(u32::MAX);
        let years = (f64::from(seconds) / YEAR).min(80.0);
        let machine = if points > 0.0 { 0.0 } else { 12.0 };
        (points + 1.0).log2() + years - machine
    }

    /// The weight as a whole number from 0 to 127.
    pub fn level(&self) -> u8 {
        let weight = self.weight();
        // Counted up instead of cast: a cast of a float hides what is out of range.
        (1..=127u8).take_while(|level| f64::from(*level) <= weight).last().unwrap_or(0)
    }
}

/// Somebody, or a group, that fits what was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suggestion {
    /// The address; of a group those of all its members.
    pub addresses: Vec<Address>,
    /// The name of the group.
    pub group: Option<Clean>,
    /// How it is known.
    pub used: Use,
}

impl Suggestion {
    /// Who it is, for the screen.
    pub fn label(&self) -> Clean {
        match (&self.group, self.addresses.first()) {
            (Some(group), _) => Clean::line(&format!("{group} ({} people)", self.addresses.len())),
            (None, Some(address)) => address.display(),
            (None, None) => Clean::empty(),
        }
    }

    /// How it is known, in a word or two.
    pub fn known_by(&self) -> String {
        let Use { sent, received, bulk, in_book, .. } = self.used;
        match (sent, received, self.group.is_some()) {
            (_, _, true) => "group".to_owned(),
            (1.., _, _) => format!("sent {sent}"),
            _ if in_book => "address book".to_owned(),
            (_, 1.., _) => format!("received {received}"),
            _ => format!("automatic {bulk}"),
        }
    }
}

/// A name as it is kept: on one line, without quotes around it and without anything invisible. Empty
/// where it says no more than the address, or another address, which would deceive.
pub fn tidy_name(address: &Address) -> String {
    let name = address.name.trim();
    if name.is_empty() || address.is_deceptive() {
        return String::new();
    }
    let visible = |c: char| !c.is_control() && !is_steering(c);
    let line: String = Clean::line(name).as_str().chars().filter(|c| visible(*c)).take(MAX_NAME).collect();
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    let bare = line.trim_matches(|c: char| matches!(c, '\'' | '"' | '`' | '“' | '”' | '‘' | '’') || c.is_whitespace());
    if bare.eq_ignore_ascii_case(&address.email) || !bare.chars().any(char::is_alphanumeric) {
        return String::new();
    }
    bare.to_owned()
}

/// The marks that stand for what could steer a terminal.
fn is_steering(c: char) -> bool {
    matches!(c, '\u{2400}'..='\u{2426}' | '\u{fffd}')
}

/// Can this be written to, and is it short enough to be an address?
pub fn is_usable(email: &str) -> bool {
    email.len() <= MAX_EMAIL && Address::bare(email).ascii_email().is_some()
}

/// The form of an address that tells it from others. Case says nothing in practice.
pub fn key(email: &str) -> String {
    let email = email.trim();
    if email.is_ascii() { email.to_ascii_lowercase() } else { email.to_lowercase() }
}

/// Is this an address that a machine writes from, and nobody reads?
pub fn is_robot(email: &str) -> bool {
    const ANYWHERE: [&str; 4] = ["noreply", "donotreply", "notreply", "unsubscribe"];
    const AT_START: [&str; 10] = [
        "mailerdaemon",
        "postmaster",
        "bounce",
        "notification",
        "notify",
        "newsletter",
        "automated",
        "autoreply",
        "mailrobot",
        "nobody",
    ];
    let local = email.rsplit_once('@').map_or(email, |(local, _)| local);
    let letters: String = local.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    // An address that was made for one message alone.
    let single = letters.len() >= 20 && letters.bytes().filter(u8::is_ascii_digit).count() >= 8;
    single
        || ANYWHERE.iter().any(|word| letters.contains(word))
        || AT_START.iter().any(|word| letters.starts_with(word))
}

/// How much a spelling of a name is worth beside others: of several words in mixed case the most.
pub fn quality(name: &str) -> u8 {
    if name.is_empty() {
        return 0;
    }
    let has = |test: fn(char) -> bool| name.chars().any(test);
    let cased = has(char::is_uppercase) || has(char::is_lowercase);
    let mixed = has(char::is_uppercase) && has(char::is_lowercase);
    let several = name.contains(' ') || !name.is_ascii();
    match (several, mixed || !cased) {
        (true, true) => 3,
        (true, false) | (false, true) => 2,
        (false, false) => 1,
    }
}

/// The words of a text, folded. An apostrophe parts words, and the whole is one more: `O'Brien` is
/// found by `o`, `brien` and `obrien`. A run without blanks, as in Chinese, is found from each of its
/// characters on.
fn words(text: &str) -> Vec<String> {
    let folded = folded(text);
    let mut words: Vec<String> = Vec::new();
    for run in folded.split(|c: char| !c.is_alphanumeric() && !is_apostrophe(c)) {
        let parts: Vec<&str> = run.split(is_apostrophe).filter(|part| !part.is_empty()).collect();
        for part in &parts {
            words.push(part.chars().take(MAX_WORD).collect());
            if part.chars().all(is_ideograph) {
                words.extend(
                    part.char_indices().skip(1).take(8).filter_map(|(at, _)| part.get(at..)).map(str::to_owned),
                );
            }
        }
        if parts.len() > 1 {
            words.push(parts.concat().chars().take(MAX_WORD).collect());
        }
    }
    words
}

fn is_apostrophe(c: char) -> bool {
    matches!(c, '\'' | '’' | 'ʼ' | '`')
}

fn is_ideograph(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{323af}')
}

/// The words that somebody is found by.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Words {
    /// Of names, and of the address before its `@`.
    pub own: Vec<String>,
    /// Of the address behind its `@`: these tell less, and many share them.
    pub domain: Vec<String>,
}

impl Words {
    /// Takes the words of an address and of all names of who has it.
    pub fn of<'a>(email: &str, names: impl IntoIterator<Item = &'a str>) -> Self {
        let (local, domain) = email.rsplit_once('@').unwrap_or((email, ""));
        let mut own: Vec<String> = Vec::new();
        for word in names.into_iter().flat_map(words).chain(words(local)) {
            if own.len() < MAX_WORDS && !own.contains(&word) {
                own.push(word);
            }
        }
        let mut domain = words(domain);
        domain.truncate(MAX_WORDS);
        Self { own, domain }
    }
}

/// How well somebody fits what was typed, the best last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fit {
    /// By the place the address is at.
    Domain,
    /// By some word of name or address.
    Word,
    /// By how name or address begin.
    Beginning,
    /// It is the address.
    Whole,
}

impl Fit {
    /// What it is worth beside [`Use::weight`].
    pub fn worth(self) -> f64 {
        match self {
            Self::Domain => -4.0,
            Self::Word => 0.0,
            Self::Beginning => 2.0,
            Self::Whole => 200.0,
        }
    }
}

/// What was typed, as it is looked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Asked {
    words: Vec<String>,
    /// What has an `@` in it: an address must begin like this, or be at such a place.
    specs: Vec<String>,
    whole: String,
}

impl Asked {
    /// Reads what was typed; `None`: there is nothing in it to look for.
    pub fn of(text: &str) -> Option<Self> {
        let whole = folded(text.trim()).into_owned();
        let edges = |c: char| matches!(c, '<' | '>' | '"' | '(' | ')' | ',' | ';');
        let specs: Vec<String> = whole
            .split_whitespace()
            .map(|word| word.trim_matches(edges))
            .filter(|word| word.contains('@'))
            .take(MAX_ASKED)
            .map(str::to_owned)
            .collect();
        let mut words: Vec<String> = whole
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .take(MAX_ASKED)
            .map(|word| word.chars().take(MAX_WORD).collect())
            .collect();
        words.sort();
        words.dedup();
        (!words.is_empty()).then_some(Self { words, specs, whole })
    }

    /// Its words, folded: each begins a word of whoever fits.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// Does it fit, and how well? `names` are all the names of who has the address.
    pub fn fit<'a>(&self, email: &str, names: impl IntoIterator<Item = &'a str>) -> Option<Fit> {
        let folded = folded(email);
        if self.whole == folded {
            return Some(Fit::Whole);
        }
        let at = |spec: &String| match spec.strip_prefix('@') {
            Some(domain) => folded.rsplit_once('@').is_some_and(|(_, known)| known.starts_with(domain)),
            None => folded.starts_with(spec.as_str()),
        };
        if !self.specs.iter().all(at) {
            return None;
        }
        let words = Words::of(email, names);
        let begins = |known: &[String], word: &String| known.iter().any(|known| known.starts_with(word.as_str()));
        if self.words.iter().all(|word| begins(&words.own, word)) {
            let first =
                words.own.first().is_some_and(|first| self.words.iter().any(|word| first.starts_with(word.as_str())));
            let beginning = first || folded.starts_with(self.whole.as_str());
            return Some(if beginning { Fit::Beginning } else { Fit::Word });
        }
        let any = |word: &String| begins(&words.own, word) || begins(&words.domain, word);
        let by_spec = self.specs.iter().any(|spec| !spec.starts_with('@'));
        self.words.iter().all(any).then_some(if by_spec { Fit::Beginning } else { Fit::Domain })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit(text: &str, name: &str, email: &str) -> Option<Fit> {
        Asked::of(text)?.fit(email, [name])
    }

    #[test]
    fn people_are_found_by_how_their_words_begin() {
        let grace = |text: &str| fit(text, "Grace Hopper", "ghopper@navy.example.mil");
        let table = [
            ("gr", Some(Fit::Beginning)),
            ("GRACE h", Some(Fit::Beginning)),
            ("hop", Some(Fit::Word)),
            ("ghop", Some(Fit::Beginning)),
            ("navy", Some(Fit::Domain)),
            ("grace navy", Some(Fit::Domain)),
            ("ghopper@na", Some(Fit::Beginning)),
            ("Grace Hopper <gh", Some(Fit::Beginning)),
            ("@navy.ex", Some(Fit::Domain)),
            ("ghopper@navy.example.mil", Some(Fit::Whole)),
            ("race", None),
            ("grace x", None),
            ("@example", None),
            ("grace@navy", None),
            ("  ", None),
            ("-", None),
        ];
        for (text, expected) in table {
            assert_eq!(grace(text), expected, "{text}");
        }
    }

    #[test]
    fn accents_case_and_scripts_are_folded() {
        let table = [
            ("muller", "Jürgen Müller"),
            ("MÜL", "jurgen muller"),
            ("ore", "Øre Ærlig"),
            ("strasse", "Anna Straße"),
            ("lodz", "Łódź"),
            ("obrien", "Flann O’Brien"),
            ("o'b", "Flann O'Brien"),
            ("jean-l", "Jean-Luc"),
            ("小", "李小龙"),
            ("小龙", "李小龙"),
            ("안", "안녕"),
            ("が", "がんばる"),
            ("ивано", "Иванов"),
            ("andre", "Andre\u{301}"),
        ];
        for (text, name) in table {
            assert!(fit(text, name, "x@y.example").is_some(), "{text} in {name}");
        }
    }

    #[test]
    fn names_are_tidied_and_those_that_deceive_are_dropped() {
        let table = [
            ("'Grace  Hopper'", "Grace Hopper"),
            ("grace@example.net", ""),
            ("ceo@bank.example", ""),
            ("Grace\u{202e}\u{200b} \u{1b}[31mHopper\r\n", "Grace [31mHopper"),
            ("--", ""),
            ("", ""),
        ];
        for (name, tidy) in table {
            let address = Address { name: name.to_owned(), email: "grace@example.net".to_owned() };
            assert_eq!(tidy_name(&address), tidy, "{name:?}");
        }
        let long = Address { name: "é".repeat(100_000), email: "a@b".to_owned() };
        assert_eq!(tidy_name(&long).chars().count(), MAX_NAME);
    }

    #[test]
    fn robots_are_told_from_people() {
        for robot in [
            "noreply@x.example",
            "No-Reply@x.example",
            "do_not_reply@x.example",
            "github-noreply@x.example",
            "MAILER-DAEMON@x.example",
            "bounces+123@x.example",
            "notifications@x.example",
            "reply+AB12CD34EF56GH78IJ90@x.example",
        ] {
            assert!(is_robot(robot), "{robot}");
        }
        for person in ["grace@x.example", "norbert@x.example", "replyer@x.example", "hans.1984@x.example", ""] {
            assert!(!is_robot(person), "{person}");
        }
    }

    #[test]
    fn better_spellings_are_worth_more() {
        let order = ["", "grace", "GRACE HOPPER", "Grace Hopper"].map(quality);
        assert!(order.is_sorted_by(|a, b| a < b), "{order:?}");
        assert_eq!(quality("林伟"), 3);
    }

    #[test]
    fn use_and_recency_weigh_against_each_other_at_any_time() {
        let at = |year: i64| Timestamp::new(BEGUN + (year - 1990) * 31_557_600);
        let sent = |sent, year| Use { sent, newest: at(year), ..Use::default() };
        let received = |received, year| Use { received, newest: at(year), ..Use::default() };
        let bulk = |bulk, year| Use { bulk, newest: at(year), ..Use::default() };
        let card = |year| Use { in_book: true, newest: at(year), ..Use::default() };
        let order = [
            bulk(100_000, 2026),
            received(1, 2018),
            received(1, 2026),
            card(2026),
            sent(1, 2026),
            sent(100, 2022),
            sent(100, 2026),
        ];
        assert!(order.map(|used| used.weight()).is_sorted_by(|a, b| a < b), "{:?}", order.map(|used| used.weight()));
        assert!(order.map(|used| used.level()).is_sorted(), "{:?}", order.map(|used| used.level()));
        let extremes = [Timestamp::new(i64::MIN), Timestamp::new(i64::MAX)];
        for newest in extremes {
            assert!(Use { sent: u32::MAX, newest, ..Use::default() }.level() <= 127);
        }
        assert_eq!(Use::default().level(), 0);
    }
}
