//! A server that speaks Gmail's documented dialect over a socket and keeps state: every message lies in
//! All Mail, Spam or Trash once; all other mailboxes show those that have a label. It answers in the words of
//! <https://developers.google.com/gmail/imap/imap-extensions>, with the quotes that are really sent. It knows
//! what a mail client needs of it and answers BAD to all else.

mod connection;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard};

/// What it says it can do.
const CAPABILITIES: &str = "IMAP4rev1 UNSELECT IDLE NAMESPACE QUOTA ID XLIST CHILDREN X-GM-EXT-1 UIDPLUS ENABLE MOVE \
                            CONDSTORE ESEARCH LIST-EXTENDED LIST-STATUS LITERAL- SPECIAL-USE APPENDLIMIT=35651584";
/// Each mailbox of its own: the attribute, its name in English and in German, and what puts a message there.
const OWN: [(&str, &str, &str, Rule); 8] = [
    ("\\HasNoChildren", "INBOX", "INBOX", Rule::Label("\\Inbox")),
    ("\\All", "[Gmail]/All Mail", "[Google Mail]/Alle Nachrichten", Rule::Home(Home::All)),
    ("\\Drafts", "[Gmail]/Drafts", "[Google Mail]/Entw&APw-rfe", Rule::Label("\\Draft")),
    ("\\Important", "[Gmail]/Important", "[Google Mail]/Wichtig", Rule::Label("\\Important")),
    ("\\Sent", "[Gmail]/Sent Mail", "[Google Mail]/Gesendet", Rule::Label("\\Sent")),
    ("\\Junk", "[Gmail]/Spam", "[Google Mail]/Spam", Rule::Home(Home::Spam)),
    ("\\Flagged", "[Gmail]/Starred", "[Google Mail]/Markiert", Rule::Label("\\Starred")),
    ("\\Trash", "[Gmail]/Trash", "[Google Mail]/Papierkorb", Rule::Home(Home::Trash)),
];

/// In which of the three places a message lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Home {
    All,
    Spam,
    Trash,
}

#[derive(Clone, Copy)]
enum Rule {
    Home(Home),
    Label(&'static str),
}

/// In which language it calls its mailboxes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tongue {
    English,
    German,
}

struct Message {
    bytes: Vec<u8>,
    flags: BTreeSet<String>,
    /// As on the wire, without quotes.
    labels: BTreeSet<String>,
    home: Home,
    modseq: u64,
}

#[derive(Default)]
struct Mailbox {
    attribute: &'static str,
    next: u32,
    uids: BTreeMap<u32, u64>,
}

impl Message {
    /// Moves it. Outside of All Mail a message has no labels.
    fn lie_in(&mut self, home: Home) {
        self.home = home;
        if home != Home::All {
            self.labels.clear();
        }
    }
}

impl Mailbox {
    fn uid_of(&self, id: u64) -> Option<u32> {
        self.uids.iter().find(|(_, known)| **known == id).map(|(uid, _)| *uid)
    }
}

#[derive(Default)]
struct State {
    /// By X-GM-MSGID.
    messages: BTreeMap<u64, Message>,
    /// By name on the wire.
    mailboxes: BTreeMap<String, Mailbox>,
    modseq: u64,
    heard: Vec<String>,
    /// Does it hang up on everyone?
    is_down: bool,
}

impl State {
    /// Removes a message for ever.
    fn forget(&mut self, id: u64) {
        self.messages.remove(&id);
        self.modseq += 1;
        for mailbox in self.mailboxes.values_mut() {
            mailbox.uids.retain(|_, known| *known != id);
        }
    }
}

/// The server, running until the process ends.
#[derive(Clone)]
pub(crate) struct Gmail {
    /// Its port on 127.0.0.1.
    pub(crate) port: u16,
    tongue: Tongue,
    state: Arc<Mutex<State>>,
}

impl Gmail {
    /// Starts it, empty.
    pub(crate) fn start(tongue: Tongue) -> Self {
        let mut state = State { modseq: 100, ..State::default() };
        for (attribute, english, german, _) in OWN {
            let name = if tongue == Tongue::English { english } else { german };
            state.mailboxes.insert(name.to_owned(), Mailbox { attribute, next: 1, ..Mailbox::default() });
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let server = Self { port, tongue, state: Arc::new(Mutex::new(state)) };
        let all = server.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = all.clone();
                std::thread::spawn(move || drop(server.serve(&stream)));
            }
        });
        server
    }

    /// Puts a message into All Mail with these labels, as on the wire; gives its X-GM-MSGID.
    pub(crate) fn deliver(&self, bytes: &[u8], labels: &[&str]) -> u64 {
        self.take_in(&mut self.state(), bytes, words(labels).into_iter().collect(), Home::All)
    }

    fn take_in(&self, state: &mut State, bytes: &[u8], labels: BTreeSet<String>, home: Home) -> u64 {
        let id = state.messages.last_key_value().map_or(1_278_455_344_230_334_865, |(last, _)| last + 1);
        state.modseq += 1;
        let modseq = state.modseq;
        state.messages.insert(id, Message { bytes: bytes.to_vec(), flags: BTreeSet::new(), labels, home, modseq });
        self.settle(state, id);
        id
    }

    /// Moves a message to another place, as the web interface would.
    pub(crate) fn carry(&self, id: u64, home: Home) {
        self.touch(&mut self.state(), id, |message| message.lie_in(home));
    }

    /// All messages: bytes, labels as on the wire, and where each lies.
    pub(crate) fn messages(&self) -> Vec<(Vec<u8>, Vec<String>, Home)> {
        let row = |message: &Message| (message.bytes.clone(), message.labels.iter().cloned().collect(), message.home);
        self.state().messages.values().map(row).collect()
    }

    /// The names of its mailboxes, as on the wire.
    pub(crate) fn mailboxes(&self) -> Vec<String> {
        self.state().mailboxes.keys().cloned().collect()
    }

    /// From now on it hangs up on everyone, or no longer.
    pub(crate) fn set_down(&self, is_down: bool) {
        self.state().is_down = is_down;
    }

    /// Forgets which commands it heard.
    pub(crate) fn listen_anew(&self) {
        self.state().heard.clear();
    }

    /// Changes a message's labels, as the web interface would.
    pub(crate) fn relabel(&self, id: u64, add: &[&str], remove: &[&str]) {
        self.label(&mut self.state(), id, '+', &words(add));
        self.label(&mut self.state(), id, '-', &words(remove));
    }

    /// A message's labels, as on the wire, and where it lies.
    pub(crate) fn message(&self, id: u64) -> (Vec<String>, Home) {
        let state = self.state();
        (state.messages[&id].labels.iter().cloned().collect(), state.messages[&id].home)
    }

    /// How many messages a mailbox shows.
    pub(crate) fn count(&self, mailbox: &str) -> usize {
        self.state().mailboxes[mailbox].uids.len()
    }

    /// All commands so far; IDLE with the mailbox that is listened to.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.state().heard.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no thread of the server failed")
    }

    fn rule(&self, mailbox: &str) -> Option<Rule> {
        let name =
            |row: &(_, &'static str, &'static str, _)| if self.tongue == Tongue::English { row.1 } else { row.2 };
        OWN.iter().find(|row| name(row) == mailbox).map(|row| row.3)
    }

    /// Shows a message in the mailboxes that it belongs to now, and in no other.
    fn settle(&self, state: &mut State, id: u64) {
        let State { messages, mailboxes, .. } = state;
        let message = &messages[&id];
        for label in message.labels.iter().filter(|label| !label.starts_with('\\')) {
            let made = || Mailbox { attribute: "\\HasNoChildren", next: 1, ..Mailbox::default() };
            mailboxes.entry(label.clone()).or_insert_with(made);
        }
        for (name, mailbox) in mailboxes {
            let belongs = match self.rule(name) {
                Some(Rule::Home(home)) => message.home == home,
                Some(Rule::Label(label)) => message.home == Home::All && message.labels.contains(label),
                None => message.home == Home::All && message.labels.contains(name),
            };
            match (belongs, mailbox.uid_of(id)) {
                (true, None) => {
                    mailbox.uids.insert(mailbox.next, id);
                    mailbox.next += 1;
                }
                (false, Some(uid)) => drop(mailbox.uids.remove(&uid)),
                _ => {}
            }
        }
    }

    fn touch(&self, state: &mut State, id: u64, change: impl FnOnce(&mut Message)) {
        state.modseq += 1;
        let modseq = state.modseq;
        let message = state.messages.get_mut(&id).expect("a message");
        change(message);
        message.modseq = modseq;
        self.settle(state, id);
    }

    fn flag(&self, state: &mut State, id: u64, sign: char, flags: &[String]) {
        self.touch(state, id, |message| {
            put(&mut message.flags, sign, flags);
            // The star and the flag are one.
            let sign = if message.flags.contains("\\Flagged") { '+' } else { '-' };
            put(&mut message.labels, sign, &words(&["\\Starred"]));
        });
    }

    fn label(&self, state: &mut State, id: u64, sign: char, labels: &[String]) {
        self.touch(state, id, |message| {
            put(&mut message.labels, sign, labels);
            let sign = if message.labels.contains("\\Starred") { '+' } else { '-' };
            put(&mut message.flags, sign, &words(&["\\Flagged"]));
        });
    }

    /// The untagged responses and the status with which a command is answered.
    fn answer(&self, command: &str, selected: &mut String) -> (String, String) {
        let done = |text: String| (text, "OK Success".to_owned());
        let (verb, rest) = command.split_once(' ').unwrap_or((command, ""));
        match verb {
            "AUTHENTICATE" => (String::new(), format!("OK [CAPABILITY {CAPABILITIES}] signed in")),
            "CAPABILITY" => done(format!("* CAPABILITY {CAPABILITIES}\r\n")),
            "ID" => done("* ID (\"name\" \"GImap\" \"vendor\" \"Google, Inc.\")\r\n".to_owned()),
            "NAMESPACE" => done("* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n".to_owned()),
            "NOOP" | "UNSELECT" | "SUBSCRIBE" | "UNSUBSCRIBE" => done(String::new()),
            "LOGOUT" => done("* BYE LOGOUT Requested\r\n".to_owned()),
            "LIST" => done(self.list()),
            "CREATE" | "DELETE" => self.arrange(verb, &strings(rest).swap_remove(0)),
            "SELECT" => {
                *selected = strings(rest).swap_remove(0);
                self.select(selected)
            }
            "UID" => self.uid(rest, selected),
            _ => (String::new(), "BAD Unknown command".to_owned()),
        }
    }

    /// Makes a label, or removes one from all messages, which stay.
    fn arrange(&self, verb: &str, name: &str) -> (String, String) {
        let mut state = self.state();
        let refusal = match (verb, state.mailboxes.contains_key(name)) {
            _ if self.rule(name).is_some() => Some("NO [CANNOT] Invalid Arguments: System folder (Failure)"),
            ("CREATE", true) => Some("NO [ALREADYEXISTS] Duplicate folder name (Failure)"),
            ("DELETE", false) => Some("NO [NONEXISTENT] Unknown Mailbox (Failure)"),
            _ => None,
        };
        if let Some(refusal) = refusal {
            return (String::new(), format!("{refusal}: {name}"));
        }
        if verb == "CREATE" {
            let made = Mailbox { attribute: "\\HasNoChildren", next: 1, ..Mailbox::default() };
            state.mailboxes.insert(name.to_owned(), made);
        } else {
            let all: Vec<u64> = state.messages.keys().copied().collect();
            for id in all.into_iter().filter(|id| state.mailboxes[name].uid_of(*id).is_some()).collect::<Vec<_>>() {
                self.label(&mut state, id, '-', &words(&[name]));
            }
            state.mailboxes.remove(name);
        }
        (String::new(), "OK Success".to_owned())
    }

    fn list(&self) -> String {
        let state = self.state();
        let mut out = "* LIST (\\HasChildren \\NonExistent) \"/\" \"[Gmail]\"\r\n".to_owned();
        for (name, mailbox) in &state.mailboxes {
            let (name, next, count) = (quote(name), mailbox.next, mailbox.uids.len());
            let _ = write!(out, "* LIST (\\HasNoChildren {} \\Subscribed) \"/\" {name}\r\n", mailbox.attribute);
            let modseq = state.modseq;
            let _ = write!(
                out,
                "* STATUS {name} (MESSAGES {count} UIDNEXT {next} UIDVALIDITY 11 HIGHESTMODSEQ {modseq})\r\n"
            );
        }
        out
    }

    fn select(&self, name: &str) -> (String, String) {
        let state = self.state();
        let Some(mailbox) = state.mailboxes.get(name) else {
            return (String::new(), "NO [NONEXISTENT] Unknown Mailbox".to_owned());
        };
        let (count, next, modseq) = (mailbox.uids.len(), mailbox.next, state.modseq);
        let text = format!(
            "* FLAGS (\\Answered \\Flagged \\Draft \\Deleted \\Seen)\r\n\
             * OK [PERMANENTFLAGS (\\Answered \\Flagged \\Draft \\Deleted \\Seen \\*)] Flags permitted.\r\n\
             * OK [UIDVALIDITY 11] UIDs valid.\r\n* {count} EXISTS\r\n* 0 RECENT\r\n\
             * OK [UIDNEXT {next}] Predicted next UID.\r\n* OK [HIGHESTMODSEQ {modseq}]\r\n"
        );
        (text, format!("OK [READ-WRITE] {name} selected. (Success)"))
    }

    fn uid(&self, rest: &str, selected: &str) -> (String, String) {
        let done = |text: String| (text, "OK Success".to_owned());
        let mut words = rest.splitn(3, ' ');
        let mut word = || words.next().unwrap_or_default();
        let (verb, set, rest) = (word(), word(), word());
        match verb {
            "FETCH" => done(self.fetch(selected, set, rest)),
            "SEARCH" => {
                let uids: Vec<String> = self.state().mailboxes[selected].uids.keys().map(u32::to_string).collect();
                let all = if uids.is_empty() { String::new() } else { format!(" ALL {}", uids.join(",")) };
                done(format!("* ESEARCH (TAG \"x\") UID{all}\r\n"))
            }
            "STORE" => {
                let (item, list) = rest.split_once(' ').unwrap_or_default();
                let (sign, item) = item.split_at(1);
                let (sign, names) = (sign.chars().next().unwrap_or('+'), strings(list.trim_matches(['(', ')'])));
                let mut state = self.state();
                for (_, id) in members(&state, selected, set) {
                    if item.starts_with("X-GM-LABELS") {
                        self.label(&mut state, id, sign, &names);
                    } else {
                        self.flag(&mut state, id, sign, &names);
                    }
                }
                drop(state);
                done(if item == "X-GM-LABELS" { self.fetch(selected, set, "(UID X-GM-LABELS)") } else { String::new() })
            }
            "EXPUNGE" => done(self.expunge(selected, set)),
            "MOVE" => self.r#move(selected, set, &strings(rest).swap_remove(0)),
            _ => (String::new(), "BAD Could not parse command".to_owned()),
        }
    }

    fn r#move(&self, selected: &str, set: &str, to: &str) -> (String, String) {
        let mut state = self.state();
        if !state.mailboxes.contains_key(to) {
            return (String::new(), "NO [TRYCREATE] No folder".to_owned());
        }
        let (mut from, mut new) = (Vec::new(), Vec::new());
        for (uid, id) in members(&state, selected, set) {
            let left = match self.rule(selected) {
                Some(Rule::Home(_)) => None,
                Some(Rule::Label(label)) => Some(label.to_owned()),
                None => Some(selected.to_owned()),
            };
            self.touch(&mut state, id, |message| {
                put(&mut message.labels, '-', left.as_slice());
                let (home, label) = match self.rule(to) {
                    Some(Rule::Home(home)) => (home, None),
                    Some(Rule::Label(label)) => (Home::All, Some(label.to_owned())),
                    None => (Home::All, Some(to.to_owned())),
                };
                message.lie_in(home);
                put(&mut message.labels, '+', label.as_slice());
            });
            // A message that lies there already, byte by byte, is that one.
            let Message { bytes, home, .. } = &state.messages[&id];
            let mut others = state.messages.iter().filter(|(other, _)| **other != id);
            let twin = others.find(|(_, other)| other.bytes == *bytes && other.home == *home).map(|(other, _)| *other);
            if twin.is_some() {
                state.forget(id);
            }
            from.push(uid.to_string());
            new.extend(state.mailboxes[to].uid_of(twin.unwrap_or(id)).map(|uid| uid.to_string()));
        }
        let gone = "* 1 EXPUNGE\r\n".repeat(from.len());
        (format!("* OK [COPYUID 11 {} {}]\r\n{gone}", from.join(","), new.join(",")), "OK Success".to_owned())
    }

    /// Removes for ever what is marked in Spam and Trash; elsewhere it is only taken from the mailbox.
    fn expunge(&self, selected: &str, set: &str) -> String {
        let mut state = self.state();
        let mut gone = 0;
        for (_, id) in members(&state, selected, set) {
            if !state.messages[&id].flags.contains("\\Deleted") {
                continue;
            }
            match self.rule(selected) {
                Some(Rule::Home(Home::All)) => continue,
                Some(Rule::Home(_)) => state.forget(id),
                Some(Rule::Label(label)) => self.label(&mut state, id, '-', &words(&[label])),
                None => self.label(&mut state, id, '-', &words(&[selected])),
            }
            gone += 1;
        }
        "* 1 EXPUNGE\r\n".repeat(gone)
    }

    fn fetch(&self, selected: &str, set: &str, items: &str) -> String {
        let state = self.state();
        let since = items.split_once("CHANGEDSINCE ").map(|(_, rest)| rest.trim_end_matches(')'));
        let since: u64 = since.map_or(0, |number| number.parse().expect("a number"));
        let numbers: BTreeMap<u32, usize> =
            state.mailboxes[selected].uids.keys().enumerate().map(|(at, uid)| (*uid, at + 1)).collect();
        let mut out = String::new();
        for (uid, id) in members(&state, selected, set) {
            let message = &state.messages[&id];
            if message.modseq <= since {
                continue;
            }
            // In the order of the documentation: Gmail's own items first.
            let mut told = vec![format!("X-GM-MSGID {id}")];
            if items.contains("X-GM-LABELS") {
                let labels: Vec<String> = message.labels.iter().map(|label| quote(label)).collect();
                told.push(format!("X-GM-LABELS ({})", labels.join(" ")));
            }
            told.push(format!("UID {uid}"));
            if items.contains("FLAGS") {
                let flags: Vec<&str> = message.flags.iter().map(String::as_str).collect();
                told.push(format!("FLAGS ({}) MODSEQ ({})", flags.join(" "), message.modseq));
            }
            if items.contains("RFC822.SIZE") {
                told.push(format!("RFC822.SIZE {}", message.bytes.len()));
            }
            if items.contains("BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)]") {
                let text = String::from_utf8_lossy(&message.bytes);
                let field = text.lines().find(|line| line.starts_with("Message-ID:")).unwrap_or_default();
                let length = field.len() + 4;
                told.push(format!("BODY[HEADER.FIELDS (MESSAGE-ID)] {{{length}}}\r\n{field}\r\n\r\n"));
            }
            if items.contains("INTERNALDATE") {
                told.push("INTERNALDATE \"01-Jan-2024 00:00:00 +0000\"".to_owned());
            }
            if items.contains("BODY.PEEK[HEADER]") {
                let text = String::from_utf8_lossy(&message.bytes);
                let header = text.split_inclusive("\r\n\r\n").next().unwrap_or_default();
                told.push(format!("BODY[HEADER] {{{}}}\r\n{header}", header.len()));
            }
            if items.contains("BODY.PEEK[]") {
                let body = String::from_utf8_lossy(&message.bytes);
                told.push(format!("BODY[] {{{}}}\r\n{body}", message.bytes.len()));
            }
            let _ = write!(out, "* {} FETCH ({})\r\n", numbers[&uid], told.join(" "));
        }
        out
    }
}

/// Adds words (`+`) or takes them away (`-`).
fn put(set: &mut BTreeSet<String>, sign: char, words: &[String]) {
    if sign == '+' {
        set.extend(words.iter().cloned());
    } else {
        set.retain(|word| !words.contains(word));
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// The messages of a set such as `1:3,7` or `1:*`.
fn members(state: &State, selected: &str, set: &str) -> Vec<(u32, u64)> {
    let end = |text: &str| if text == "*" { u32::MAX } else { text.parse().expect("a UID") };
    let ranges: Vec<(u32, u32)> = set
        .split(',')
        .map(|part| part.split_once(':').map_or_else(|| (end(part), end(part)), |(a, b)| (end(a), end(b))))
        .collect();
    let uids = &state.mailboxes[selected].uids;
    let meant = |uid: &u32| ranges.iter().any(|(first, last)| (*first..=*last).contains(uid));
    uids.iter().filter(|(uid, _)| meant(uid)).map(|(uid, id)| (*uid, *id)).collect()
}

fn quote(text: &str) -> String {
    // Plain words go without quotes, what begins with a backslash never does.
    if text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return text.to_owned();
    }
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The words and quoted strings of a text.
fn strings(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(first) = chars.next() {
        let mut word = String::new();
        match first {
            ' ' => continue,
            '"' => {
                while let Some(next) = chars.next().filter(|next| *next != '"') {
                    word.push(if next == '\\' { chars.next().expect("what is escaped") } else { next });
                }
            }
            first => {
                word.push(first);
                while let Some(next) = chars.next_if(|next| *next != ' ') {
                    word.push(next);
                }
            }
        }
        out.push(word);
    }
    out
}
