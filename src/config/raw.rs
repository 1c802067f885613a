//! The file as written: TOML with the place of every key and value, the list of all keys there
//! are, and readers that note a problem and go on where something is not as it should be. What
//! the values mean is the business of `check`.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::value;
use super::{Problem, Severity};
use crate::mail::clean::Clean;

/// Every table and its keys. `NAME` and `CONTEXT` stand for what the user chooses.
const KEYS: &[(&str, &[&str])] = &[
    ("", &["ui", "compose", "contacts", "search", "searches", "rules", "keys", "accounts"]),
    ("ui", &["theme", "keys", "mouse", "glyphs", "conversations", "mark_read_after"]),
    ("compose", &["undo_send", "editor", "edit_headers", "quote", "attachment_reminder"]),
    ("contacts", &["harvest", "vcards"]),
    ("search", &["engine", "notmuch_config", "notmuch_profile"]),
    ("rules", &["name", "match", "account", "move", "archive", "tag", "read", "star", "run", "stop"]),
    (
        "accounts.NAME",
        &[
            "address",
            "name",
            "aliases",
            "maildir",
            "layout",
            "imap",
            "pop3",
            "smtp",
            "sendmail",
            "password",
            "token",
            "sync",
            "folders",
            "signature",
            "server_files_sent",
        ],
    ),
    ("accounts.NAME.imap", &["host", "port", "tls", "user", "auth", "pin", "ca", "timeout", "compress", "quirks"]),
    (
        "accounts.NAME.pop3",
        &["host", "port", "tls", "user", "auth", "pin", "ca", "timeout", "delete", "delete_after", "delete_over"],
    ),
    (
        "accounts.NAME.imap.quirks",
        &[
            "wants_id",
            "no_initial_response",
            "no_condstore",
            "no_qresync",
            "no_move",
            "no_uidplus",
            "no_esearch",
            "no_list_status",
            "no_compress",
            "no_eager_literal",
        ],
    ),
    ("accounts.NAME.smtp", &["host", "port", "tls", "user", "auth", "pin", "ca", "timeout"]),
    ("accounts.NAME.password", &["cmd", "file", "env", "prompt"]),
    ("accounts.NAME.token", &["cmd"]),
    (
        "accounts.NAME.sync",
        &[
            "interval",
            "idle",
            "watch",
            "connections",
            "exclude",
            "guard",
            "folder_deletes",
            "labels",
            "subscribe",
            "keep",
            "max_size",
        ],
    ),
    ("accounts.NAME.folders", &["drafts", "sent", "archive", "junk", "trash", "all", "flagged"]),
    ("accounts.NAME.signature", &["file"]),
];

/// Every key that the program knows, with the table it belongs to: `("ui", "theme")`,
/// `("accounts.NAME.imap", "host")`. The keys of `[keys.CONTEXT]` are the user's.
pub fn known_keys() -> impl Iterator<Item = (&'static str, &'static str)> {
    KEYS.iter().flat_map(|(table, keys)| keys.iter().map(|key| (*table, *key)))
}

fn keys_of(kind: &str) -> &'static [&'static str] {
    KEYS.iter().find(|(table, _)| *table == kind).map_or(&[], |(_, keys)| *keys)
}

/// A value with its place in the text.
#[derive(Debug, Clone)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) span: Range<usize>,
}

/// Collects problems and knows where in the file they are.
#[derive(Debug)]
pub(super) struct Notes<'a> {
    file: PathBuf,
    /// Empty for what is not in a file (the environment): then problems have no line.
    text: &'a str,
    pub(super) problems: Vec<Problem>,
    /// Where the text is no TOML.
    torn_at: Vec<usize>,
    /// Was a secret found in the text itself?
    pub(super) holds_secret: bool,
}

impl<'a> Notes<'a> {
    pub(super) fn new(file: &Path, text: &'a str) -> Self {
        Self { file: file.to_path_buf(), text, problems: Vec::new(), torn_at: Vec::new(), holds_secret: false }
    }

    pub(super) fn error(&mut self, span: &Range<usize>, message: &str, hint: Option<&str>) {
        self.push(Severity::Error, span, message, hint);
    }

    pub(super) fn warning(&mut self, span: &Range<usize>, message: &str, hint: Option<&str>) {
        self.push(Severity::Warning, span, message, hint);
    }

    /// Notes what is no TOML. What is torn is often also of the wrong type: nothing more is said
    /// about that place.
    pub(super) fn torn(&mut self, span: &Range<usize>, message: &str) {
        self.push(Severity::Error, span, message, None);
        self.torn_at.push(span.start);
    }

    fn push(&mut self, severity: Severity, span: &Range<usize>, message: &str, hint: Option<&str>) {
        if self.torn_at.contains(&span.start) {
            return;
        }
        let (line, column, length) = self.place(span);
        self.problems.push(Problem {
            severity,
            file: self.file.clone(),
            line,
            column,
            length,
            message: Clean::line(message),
            hint: hint.map(Clean::line),
        });
    }

    /// Line and column from 1, and the length up to the end of that line, in characters.
    fn place(&self, span: &Range<usize>) -> (usize, usize, usize) {
        let (Some(before), Some(rest)) = (self.text.get(..span.start), self.text.get(span.start..)) else {
            return (0, 0, 0);
        };
        if self.text.is_empty() {
            return (0, 0, 0);
        }
        let meant = rest.get(..span.end.saturating_sub(span.start)).unwrap_or(rest);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
        let length = meant.lines().next().unwrap_or_default().chars().count().max(1);
        (before.matches('\n').count() + 1, column, length)
    }

    pub(super) fn line(&self, span: &Range<usize>) -> usize {
        self.place(span).0
    }

    /// How something stands in the file, with its line and column.
    pub(super) fn raw(&self, span: &Range<usize>) -> (&'a str, (usize, usize)) {
        let (line, column, _) = self.place(span);
        (self.text.get(span.clone()).unwrap_or_default(), (line, column))
    }

    pub(super) fn file(&self) -> &Path {
        &self.file
    }
}

/// A table of the file, read key by key.
#[derive(Debug, Clone)]
pub(super) struct Table<'a> {
    entries: &'a DeTable<'a>,
    /// Its place in [`KEYS`].
    kind: &'static str,
    /// Its name as the user wrote it: `accounts.ada.imap`.
    path: String,
    /// Where its name stands.
    pub(super) span: Range<usize>,
}

impl<'a> Table<'a> {
    /// Takes the whole file, or what stands for a part of it. Warns of keys that nobody knows.
    pub(super) fn root(entries: &'a DeTable<'a>, kind: &'static str, notes: &mut Notes<'_>) -> Self {
        let table = Self { entries, kind, path: kind.to_owned(), span: 0..0 };
        table.warn_of_unknown(notes);
        table
    }

    fn warn_of_unknown(&self, notes: &mut Notes<'_>) {
        let known = keys_of(self.kind);
        for key in self.entries.keys() {
            let name = key.get_ref().as_ref();
            if !known.contains(&name) {
                let hint = value::nearest(name, known).map_or_else(
                    || format!("known here: {}", known.join(", ")),
                    |near| format!("did you mean `{near}`?"),
                );
                notes.warning(&key.span(), &format!("unknown key `{name}`"), Some(&hint));
            }
        }
    }

    /// The key's full name.
    pub(super) fn name(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// A value as it stands, of whatever type.
    pub(super) fn get(&self, key: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        debug_assert!(keys_of(self.kind).contains(&key), "`{key}` is missing in the list of keys of `{}`", self.kind);
        self.entries.get(key)
    }

    /// The keys with their values in the order of the file: for tables whose keys the user chooses.
    pub(super) fn in_order(&self) -> Vec<(At<&'a str>, &'a Spanned<DeValue<'a>>)> {
        let mut all: Vec<_> = self
            .entries
            .iter()
            .map(|(key, value)| (At { value: key.get_ref().as_ref(), span: key.span() }, value))
            .collect();
        all.sort_by_key(|(key, _)| key.span.start);
        all
    }

    /// A table below this one, with keys of `kind`; `""` for one whose keys the user chooses.
    pub(super) fn table(&self, key: &str, kind: &'static str, notes: &mut Notes<'_>) -> Option<Table<'a>> {
        let span = self.entries.get_key_value(key).map(|(key, _)| key.span())?;
        let value = self.get(key)?;
        let Some(table) = self.open(key, span, value, kind) else {
            self.wants(key, "a table", value.span(), notes);
            return None;
        };
        if !kind.is_empty() {
            table.warn_of_unknown(notes);
        }
        Some(table)
    }

    /// The table of a key that the user chose.
    pub(super) fn chosen(
        &self,
        key: &At<&'a str>,
        value: &'a Spanned<DeValue<'a>>,
        kind: &'static str,
        notes: &mut Notes<'_>,
    ) -> Option<Table<'a>> {
        let Some(table) = self.open(key.value, key.span.clone(), value, kind) else {
            self.wants(key.value, "a table", value.span(), notes);
            return None;
        };
        if !kind.is_empty() {
            table.warn_of_unknown(notes);
        }
        Some(table)
    }

    fn open(
        &self,
        key: &str,
        span: Range<usize>,
        value: &'a Spanned<DeValue<'a>>,
        kind: &'static str,
    ) -> Option<Table<'a>> {
        match value.get_ref() {
            DeValue::Table(entries) => Some(Table { entries, kind, path: self.name(key), span }),
            _ => None,
        }
    }

    /// Notes that a value is not what it should be; whoever reads it then takes the default.
    pub(super) fn wants(&self, key: &str, what: &str, span: Range<usize>, notes: &mut Notes<'_>) {
        notes.error(&span, &format!("`{}` wants {what}", self.name(key)), None);
    }

    pub(super) fn text(&self, key: &str, notes: &mut Notes<'_>) -> Option<At<&'a str>> {
        let value = self.get(key)?;
        let DeValue::String(text) = value.get_ref() else {
            self.wants(key, "a text in quotes", value.span(), notes);
            return None;
        };
        Some(At { value: text.as_ref(), span: value.span() })
    }

    /// A text that can stand in a header or a command of a protocol.
    pub(super) fn line(&self, key: &str, notes: &mut Notes<'_>) -> Option<At<&'a str>> {
        let text = self.text(key, notes)?;
        if text.value.is_empty() || text.value.contains(char::is_control) {
            self.wants(key, "a text of one line", text.span, notes);
            return None;
        }
        Some(text)
    }

    pub(super) fn boolean(&self, key: &str, notes: &mut Notes<'_>) -> Option<bool> {
        let value = self.get(key)?;
        let DeValue::Boolean(yes) = value.get_ref() else {
            self.wants(key, "true or false", value.span(), notes);
            return None;
        };
        Some(*yes)
    }

    pub(super) fn number(&self, key: &str, range: &Range<u32>, notes: &mut Notes<'_>) -> Option<u32> {
        let value = self.get(key)?;
        let number = integer(value.get_ref()).filter(|number| range.contains(number));
        if number.is_none() {
            let last = range.end.saturating_sub(1);
            self.wants(key, &format!("a number from {} to {last}", range.start), value.span(), notes);
        }
        number
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(&self, key: &str, words: &[(&'static str, T)], notes: &mut Notes<'_>) -> Option<T> {
        let value = self.get(key)?;
        let text = value.get_ref().as_str();
        if let Some((_, meant)) = words.iter().find(|(word, _)| Some(*word) == text) {
            return Some(*meant);
        }
        let known: Vec<&'static str> = words.iter().map(|(word, _)| *word).collect();
        let quoted: Vec<String> = known.iter().map(|word| format!("\"{word}\"")).collect();
        let wanted = match quoted.split_last() {
            Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
            _ => quoted.concat(),
        };
        let hint = text.and_then(|text| value::nearest(text, &known)).map(|near| format!("did you mean \"{near}\"?"));
        let message = format!("`{}` wants {wanted}", self.name(key));
        notes.error(&value.span(), &message, hint.as_deref());
        None
    }

    /// A span of time: `"90s"`, `"5m"`, or a number of seconds; `"never"`, where that is allowed.
    pub(super) fn duration(
        &self,
        key: &str,
        range: &Range<Duration>,
        never: Never,
        notes: &mut Notes<'_>,
    ) -> Option<Time> {
        let value = self.get(key)?;
        let (never_allowed, or_never) = match never {
            Never::Allowed => (true, " or \"never\""),
            Never::Refused => (false, ""),
        };
        let read = match value.get_ref() {
            DeValue::String(text) if never_allowed && text == "never" => return Some(Time::Never),
            DeValue::String(text) => value::duration(text),
            other => integer(other).map(|seconds| Duration::from_secs(seconds.into())),
        };
        let time = read.filter(|time| range.contains(time));
        if time.is_none() {
            let (least, most) = (value::duration_text(range.start), value::duration_text(range.end));
            let what = format!("a time like \"10s\", \"5m\" or \"2h\", from {least} to under {most}{or_never}");
            self.wants(key, &what, value.span(), notes);
        }
        time.map(Time::After)
    }

    /// A number of bytes: `"500K"`, `"10M"`, `"1G"`, or plain; `"never"` for none.
    pub(super) fn size(&self, key: &str, notes: &mut Notes<'_>) -> Option<Limit> {
        let value = self.get(key)?;
        let read = match value.get_ref() {
            DeValue::String(text) if text == "never" => return Some(Limit::None),
            DeValue::String(text) => value::size(text),
            other => integer(other).map(u64::from),
        };
        if read.is_none() {
            self.wants(key, "a size like \"500K\" or \"10M\", or \"never\"", value.span(), notes);
        }
        read.map(Limit::Bytes)
    }

    /// A list of texts; what is no text is noted and passed over.
    pub(super) fn list(&self, key: &str, notes: &mut Notes<'_>) -> Option<Vec<At<&'a str>>> {
        let value = self.get(key)?;
        let DeValue::Array(items) = value.get_ref() else {
            self.wants(key, "a list of texts: [\"…\", \"…\"]", value.span(), notes);
            return None;
        };
        let mut texts = Vec::new();
        for item in items {
            match item.get_ref().as_str() {
                Some(text) => texts.push(At { value: text, span: item.span() }),
                None => self.wants(key, "texts in its list", item.span(), notes),
            }
        }
        Some(texts)
    }

    /// A command: a text that is split at blanks, or a list of words. No shell reads it. A word
    /// that begins with `~/` begins with the home directory.
    pub(super) fn command(&self, key: &str, home: &Path, notes: &mut Notes<'_>) -> Option<At<Vec<String>>> {
        let value = self.get(key)?;
        let span = value.span();
        let words: Vec<String> = match value.get_ref() {
            DeValue::String(text) => match value::split(text) {
                Ok(split) => {
                    if let Some(sign) = split.shell_sign {
                        let message = format!("no shell reads this: `{sign}` is a plain word here");
                        let hint = "for a shell write: [\"sh\", \"-c\", \"…\"]";
                        notes.warning(&span, &message, Some(hint));
                    }
                    split.words
                }
                Err(why) => {
                    notes.error(&span, &format!("`{}` cannot be read: {why}", self.name(key)), None);
                    return None;
                }
            },
            DeValue::Array(_) => self.list(key, notes)?.into_iter().map(|word| word.value.to_owned()).collect(),
            _ => {
                self.wants(key, "a command: \"program argument\" or [\"program\", \"argument\"]", span, notes);
                return None;
            }
        };
        if words.first().is_none_or(String::is_empty) {
            self.wants(key, "the name of a program", span, notes);
            return None;
        }
        let at_home = |word: String| match word.strip_prefix("~/") {
            Some(rest) => home.join(rest).to_string_lossy().into_owned(),
            None => word,
        };
        Some(At { value: words.into_iter().map(at_home).collect(), span })
    }
}

/// When something happens by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Time {
    Never,
    After(Duration),
}

impl Time {
    pub(super) fn after(self) -> Option<Duration> {
        match self {
            Self::Never => None,
            Self::After(time) => Some(time),
        }
    }
}

/// From what size on something happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Limit {
    None,
    Bytes(u64),
}

impl Limit {
    pub(super) fn bytes(self) -> Option<u64> {
        match self {
            Self::None => None,
            Self::Bytes(bytes) => Some(bytes),
        }
    }
}

/// May `"never"` be said instead of a time?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Never {
    Allowed,
    Refused,
}

fn integer(value: &DeValue<'_>) -> Option<u32> {
    let number = value.as_integer()?;
    u32::from_str_radix(number.as_str(), number.radix()).ok()
}
