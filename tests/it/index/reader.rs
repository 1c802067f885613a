//! A reader that is slow and obviously right: it reads each file with `mail::message`, looks at each of its
//! words, and knows nothing of SQL.

use std::collections::{BTreeMap, BTreeSet};

use icu_normalizer::DecomposingNormalizerBorrowed;
use tern::mail::address::Address;
use tern::mail::flags::{Flag, Flags, Keyword};
use tern::mail::ids::{AccountId, ThreadId, Timestamp};
use tern::mail::labels::Label;
use tern::mail::mailbox::Role;
use tern::mail::message::Message;
use tern::mail::place::MailboxId;
use tern::query::ast::{Field, Pattern, Query, State};
use tern::query::print;

/// One file as it was read.
pub(crate) struct File {
    pub(crate) mailbox: MailboxId,
    pub(crate) flags: Flags,
    /// The columns of words.
    columns: BTreeMap<&'static str, Vec<Token>>,
    pub(crate) id: String,
    refs: Vec<String>,
    date: Timestamp,
    size: u64,
    attachment: bool,
    sender: String,
}

/// A word, or one character of a language that puts no blanks between words.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Token {
    text: String,
    /// Does it follow another such character without anything between?
    glued: bool,
}

fn is_ideographic(c: char) -> bool {
    // What the generator of the test makes use of.
    matches!(c, '\u{3041}'..='\u{30ff}' | '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}')
}

/// As a reader compares: without case, accents and strokes.
fn plain(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if is_ideographic(c) {
            out.push(c);
            continue;
        }
        for c in DecomposingNormalizerBorrowed::new_nfkd().normalize(&c.to_lowercase().to_string()).chars() {
            match c {
                '\u{300}'..='\u{36f}' => {}
                'ß' => out.push_str("ss"),
                'ø' => out.push('o'),
                'ł' => out.push('l'),
                other => out.push(other),
            }
        }
    }
    out
}

fn tokens(text: &str) -> Vec<Token> {
    let mut found: Vec<Token> = Vec::new();
    let (mut in_word, mut after_ideograph) = (false, false);
    for c in plain(text).chars() {
        if is_ideographic(c) {
            found.push(Token { text: c.to_string(), glued: after_ideograph });
        } else if c.is_alphanumeric() {
            match found.last_mut().filter(|_| in_word) {
                Some(word) => word.text.push(c),
                None => found.push(Token { text: c.to_string(), glued: false }),
            }
        }
        after_ideograph = is_ideographic(c);
        in_word = c.is_alphanumeric() && !after_ideograph;
    }
    found
}

fn says(column: &[Token], pattern: &Pattern) -> bool {
    let (text, prefix, forms) = match pattern {
        Pattern::Word(text) | Pattern::Phrase(text) => (text, false, None),
        Pattern::Prefix(text) => (text, true, None),
        Pattern::Forms(forms) => (&forms.word, false, Some(forms)),
    };
    let wanted = tokens(text);
    let Some(last) = wanted.len().checked_sub(1) else { return true };
    let fits = |at: usize, wanted: &Token, there: &Token| {
        // The run may have begun before what is looked for.
        let glued = at == 0 || wanted.glued == there.glued;
        let begins = prefix && at == last && there.text.starts_with(&wanted.text);
        glued && (wanted.text == there.text || begins || forms.is_some_and(|forms| forms.has(&there.text)))
    };
    column
        .windows(wanted.len())
        .any(|window| wanted.iter().zip(window).enumerate().all(|(at, (wanted, there))| fits(at, wanted, there)))
}

impl File {
    pub(crate) fn read(bytes: &[u8], mailbox: MailboxId, flags: Flags) -> Self {
        let message = Message::parse(bytes);
        let envelope = message.envelope();
        let people = |people: &[Address]| {
            people.iter().map(|one| format!("{} {}", one.name, one.email)).collect::<Vec<_>>().join(" ; ")
        };
        let (mut body, mut files) = (String::new(), String::new());
        for part in message.parts() {
            if let Some(name) = part.file_name() {
                files = format!("{files} ; {name}");
            } else if part.media_type() == "text/plain" {
                body = format!("{body} ; {}", part.text(usize::MAX));
            } else if part.media_type() == "text/html" {
                let pieces = part.text(usize::MAX);
                let words: Vec<&str> = pieces.split('<').map(|it| it.split('>').next_back().unwrap()).collect();
                body = format!("{body} ; {}", words.join(" "));
            }
        }
        let columns = [
            ("subject", envelope.subject.clone()),
            ("from", people(&envelope.from)),
            ("to", people(&envelope.to)),
            ("cc", people(&envelope.cc)),
            ("body", body),
            ("file", files),
            ("list", envelope.list_id.clone().unwrap_or_default()),
        ];
        let id = |id: &tern::mail::ids::MessageId| id.as_str().to_owned();
        Self {
            mailbox,
            flags,
            columns: columns.into_iter().map(|(name, text)| (name, tokens(&text))).collect(),
            id: envelope.message_id.as_ref().map(id).unwrap_or_default(),
            refs: envelope.references.iter().map(id).collect(),
            date: envelope.date,
            size: bytes.len() as u64,
            attachment: message.parts().iter().any(|part| part.file_name().is_some()),
            sender: envelope.from[0].email.clone(),
        }
    }

    fn has_words(&self, field: Field, pattern: &Pattern) -> bool {
        let names: &[&str] = match field {
            Field::Any => &["subject", "from", "to", "cc", "body", "file", "list"],
            Field::From => &["from"],
            Field::To => &["to", "cc"],
            Field::Cc => &["cc"],
            Field::Subject => &["subject"],
            Field::Body => &["body"],
            Field::List => &["list"],
            Field::File => &["file"],
        };
        names.iter().any(|name| says(&self.columns[name], pattern))
    }

    fn has_tag(&self, name: &str) -> bool {
        let labels = self.flags.labels();
        let mut labels = labels.iter().map(|label: &Label| match label.name() {
            Some(name) => name.as_str().to_lowercase(),
            None => label.word().unwrap().trim_start_matches('\\').to_lowercase(),
        });
        labels.any(|label| label == name.to_lowercase())
            || Keyword::new(name).is_some_and(|keyword| self.flags.keywords().any(|known| *known == keyword))
    }

    fn is_in(&self, name: &str) -> bool {
        let full = self.mailbox.name.as_str().to_lowercase();
        let role = Role::guess(&self.mailbox.name).map_or("", Role::word);
        let name = name.to_lowercase();
        let name = name.strip_prefix(&format!("{}/", self.mailbox.account)).unwrap_or(&name);
        match name.strip_suffix("/**") {
            Some(top) => full == top || full.starts_with(&format!("{top}/")),
            None => {
                full == name || full.ends_with(&format!("/{name}")) || role == name || (role, name) == ("junk", "spam")
            }
        }
    }

    fn is(&self, state: State) -> bool {
        match state {
            State::Unread => !self.flags.has(Flag::Seen),
            State::Read => self.flags.has(Flag::Seen),
            State::Starred => self.flags.has(Flag::Flagged),
            State::Replied => self.flags.has(Flag::Answered),
            State::Forwarded => self.flags.has(Flag::Forwarded),
            State::Draft => self.flags.has(Flag::Draft),
            State::Muted => self.flags.keywords().any(|word| word.as_str().eq_ignore_ascii_case("$muted")),
            // Nothing is noted here.
            State::Snoozed | State::Waiting => false,
            State::Sent => self.sender == "ada@example.org" || Role::guess(&self.mailbox.name) == Some(Role::Sent),
        }
    }
}

/// All files, with what was asked of them already.
pub(crate) struct Archive {
    pub(crate) files: Vec<File>,
    /// The conversation of each file: a number that is the same for all of it.
    conversations: Vec<usize>,
    answers: BTreeMap<String, Vec<bool>>,
}

impl Archive {
    pub(crate) fn new(files: Vec<File>) -> Self {
        let conversations = conversations(&files);
        Self { files, conversations, answers: BTreeMap::new() }
    }

    /// Which files answer the query. `shown` tells a message of the conversation that a number of the index is.
    pub(crate) fn answer(&mut self, query: &Query, shown: &dyn Fn(ThreadId) -> String) -> Vec<bool> {
        let many = |archive: &mut Self, parts: &[Query], start: bool| {
            let mut all = vec![start; archive.files.len()];
            for part in parts {
                for (one, more) in all.iter_mut().zip(archive.answer(part, shown)) {
                    *one = if start { *one && more } else { *one || more };
                }
            }
            all
        };
        match query {
            Query::And(parts) => many(self, parts, true),
            Query::Or(parts) => many(self, parts, false),
            Query::Not(inner) => self.answer(inner, shown).into_iter().map(|is| !is).collect(),
            Query::Together(inner) => {
                let fits = self.answer(inner, shown);
                let all = self.conversations.iter().zip(fits).filter(|(_, fits)| *fits);
                let meant: BTreeSet<usize> = all.map(|(conversation, _)| *conversation).collect();
                self.conversations.iter().map(|conversation| meant.contains(conversation)).collect()
            }
            leaf => {
                let name = print(leaf);
                if let Some(known) = self.answers.get(&name) {
                    return known.clone();
                }
                let answer: Vec<bool> = (0..self.files.len()).map(|at| self.holds(at, leaf, shown)).collect();
                self.answers.insert(name, answer.clone());
                answer
            }
        }
    }

    fn holds(&self, at: usize, leaf: &Query, shown: &dyn Fn(ThreadId) -> String) -> bool {
        let file = &self.files[at];
        match leaf {
            Query::And(_) | Query::Or(_) | Query::Not(_) | Query::Together(_) => unreachable!("not a leaf"),
            Query::Text { field, pattern } => file.has_words(*field, pattern),
            Query::HasAttachment => file.attachment,
            Query::Is(state) => file.is(*state),
            Query::In(name) => file.is_in(name),
            Query::Account(name) => file.mailbox.account.as_str() == name,
            Query::Tag(name) => file.has_tag(name),
            Query::Larger(bytes) => file.size > *bytes,
            Query::Smaller(bytes) => file.size < *bytes,
            Query::Date { from, until } => {
                from.is_none_or(|from| file.date >= from) && until.is_none_or(|until| file.date < until)
            }
            Query::Id(id) => file.id == *id,
            Query::Native(_) => false,
            Query::Thread(thread) => {
                let id = shown(*thread);
                let named = self.files.iter().position(|file| file.id == id).unwrap();
                self.conversations[at] == self.conversations[named]
            }
        }
    }

    /// The messages with a place that fits: the same mail in two accounts is two messages.
    pub(crate) fn messages(&self, fits: &[bool]) -> BTreeSet<(String, AccountId)> {
        let found = self.files.iter().zip(fits).filter(|(_, fits)| **fits);
        found.map(|(file, _)| (file.id.clone(), file.mailbox.account.clone())).collect()
    }
}

/// Messages that name one another, or one that both name, belong together.
fn conversations(files: &[File]) -> Vec<usize> {
    let mut group: BTreeMap<&str, usize> = BTreeMap::new();
    for (at, file) in files.iter().enumerate() {
        for id in file.refs.iter().chain([&file.id]) {
            group.entry(id).or_insert(at);
        }
    }
    loop {
        let mut changed = false;
        for file in files {
            let ids: Vec<&str> = file.refs.iter().chain([&file.id]).map(String::as_str).collect();
            let least = ids.iter().map(|id| group[id]).min().unwrap();
            for id in ids {
                changed |= group.insert(id, least) != Some(least);
            }
        }
        if !changed {
            return files.iter().map(|file| group[file.id.as_str()]).collect();
        }
    }
}
