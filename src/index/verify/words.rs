//! Messages, read again: what their rows say, whom they name, and each of their words. Words are cut by an index of
//! one message in memory, so that the same tokenizer says what is to be found; how many words of each column the
//! full text has of a message tells whether there are others too.

use std::collections::BTreeMap;
use std::path::PathBuf;

use rusqlite::{Connection, OptionalExtension as _, Result, params};

use super::{Check, Cure, Drift, Found, Sample, Verifier};
use crate::fault::Fault;
use crate::index::extract::{self, Depth, Incoming, Texts};
use crate::index::schema::{self, ATTACHMENT, AUTOMATIC, LIST, OWN, WORDS};

/// As many words are asked for at once.
const AT_ONCE: usize = 48;

/// What is found of messages that are read again.
struct Read {
    rows: Found,
    threads: Found,
    missing: Found,
    spare: Found,
    count: usize,
}

impl Verifier {
    /// Reads messages again, spread over all of them, and compares row, conversation and words. `progress` hears how
    /// many of how many; a `stop` ends it with what was found so far. Gives back how many were read.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn words(
        &self,
        sample: Sample,
        progress: &mut dyn FnMut(usize, usize),
        stop: &dyn Fn() -> bool,
    ) -> std::result::Result<(usize, Vec<Drift>), Fault> {
        let mut compare = || {
            let cutter = Cutter::new()?;
            let found = |check, what| Found::of(check, None, what, Cure::Anew);
            let mut read = Read {
                rows: found(Check::Rows, "rows say something else than their message"),
                threads: found(Check::Conversations, "messages are in another conversation than those they name"),
                missing: found(Check::Words, "messages are not found by all of their words"),
                spare: found(Check::Words, "messages are found by words that they do not have"),
                count: 0,
            };
            let chosen = self.chosen(sample)?;
            for (at, message) in chosen.iter().enumerate() {
                if stop() {
                    break;
                }
                self.read_again(*message, &cutter, &mut read)?;
                progress(at + 1, chosen.len());
            }
            let Read { rows, threads, missing, spare, count } = read;
            Ok((count, [rows, threads, missing, spare].into_iter().filter_map(Found::told).collect()))
        };
        compare().map_err(|error| self.fault(&error))
    }

    fn chosen(&self, sample: Sample) -> Result<Vec<i64>> {
        let all = self.count("SELECT count(*) FROM messages")?;
        let step = match sample {
            Sample::All => 1,
            Sample::Some(most) => all.div_ceil(most.max(1)).max(1),
        };
        let mut ids = self.db.prepare("SELECT id FROM messages ORDER BY id DESC")?;
        ids.query_map([], |row| row.get(0))?.step_by(step).collect()
    }

    fn read_again(&self, message: i64, cutter: &Cutter, read: &mut Read) -> Result<()> {
        let Some(path) = self.file_of(message)? else { return Ok(()) };
        // One that is gone or renamed by now was told of by the files.
        let Ok(incoming) = extract::read(&path, Depth::Whole, &self.own) else { return Ok(()) };
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        read.count += 1;
        let Some((is_right, thread, indexed)) = self.is_right(message, &incoming)? else { return Ok(()) };
        if !is_right {
            read.rows.add(&name);
        }
        let mut link = self.db.prepare_cached("SELECT 1 FROM links WHERE key = ?1 AND thread = ?2")?;
        for key in &incoming.named {
            if !link.exists([*key, thread])? {
                read.threads.add(&name);
                break;
            }
        }
        let Some(texts) = incoming.text.filter(|_| indexed) else { return Ok(()) };
        let (words, counts) = cutter.cut(&texts)?;
        if !self.has_words(message, &words)? {
            read.missing.add(&name);
        } else if self.count_words(message)?.is_some_and(|known| known != counts) {
            read.spare.add(&name);
        }
        Ok(())
    }

    fn file_of(&self, message: i64) -> Result<Option<PathBuf>> {
        self.db
            .prepare_cached(
                "SELECT b.directory, p.in_new, p.name, p.info FROM places p JOIN mailboxes b ON b.id = p.mailbox
                 WHERE p.message = ?1 AND p.home IS NULL AND b.directory IS NOT NULL ORDER BY p.id LIMIT 1",
            )?
            .query_row([message], |row| {
                let (name, info): (String, String) = (row.get(2)?, row.get(3)?);
                Ok(schema::file_path(&schema::path_from(row.get(0)?), row.get(1)?, &name, &info))
            })
            .optional()
    }

    /// Does the row say what the message says? With its conversation, and whether its words are in.
    fn is_right(&self, message: i64, incoming: &Incoming) -> Result<Option<(bool, i64, bool)>> {
        self.db
            .prepare_cached(
                "SELECT ifnull((SELECT grown FROM sewn WHERE message = id), thread), indexed, digest, size, bits, author,
                     recipients, subject, key FROM messages WHERE id = ?1",
            )?
            .query_row([message], |row| {
                let bits = ATTACHMENT | LIST | OWN | AUTOMATIC;
                let key = incoming.message_id.as_ref().map(extract::key);
                // Before its words are in, nobody has looked for attachments.
                let indexed: bool = row.get(1)?;
                let is_right = schema::date_of(message) == incoming.date
                    && row.get::<_, i64>(2)? == incoming.digest
                    && row.get::<_, i64>(3)? == incoming.size
                    && (!indexed || row.get::<_, i64>(4)? & bits == incoming.bits & bits)
                    && row.get_ref(5)?.as_str()? == incoming.author.as_str()
                    && row.get_ref(6)?.as_str()? == incoming.recipients.as_str()
                    && row.get_ref(7)?.as_str()? == incoming.subject.as_str()
                    && row.get::<_, Option<i64>>(8)? == key;
                Ok((is_right, row.get(0)?, indexed))
            })
            .optional()
    }

    fn has_words(&self, message: i64, words: &BTreeMap<String, Vec<String>>) -> Result<bool> {
        let mut find = self.db.prepare_cached("SELECT 1 FROM words WHERE words MATCH ?1 AND rowid = ?2")?;
        for (column, words) in words {
            for some in words.chunks(AT_ONCE) {
                let all: Vec<String> = some.iter().map(|word| format!("\"{}\"", word.replace('"', "\"\""))).collect();
                if !find.exists(params![format!("{column} : ({})", all.join(" AND ")), message])? {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// How many words the full text has of a message, by column.
    fn count_words(&self, message: i64) -> Result<Option<Vec<u64>>> {
        self.db
            .prepare_cached("SELECT sz FROM words_docsize WHERE id = ?1")?
            .query_row([message], |row| Ok(numbers(row.get_ref(0)?.as_blob()?)))
            .optional()
    }
}

/// The numbers of a blob of FTS5: seven bits a byte, the highest first, the top bit set in all but the last.
fn numbers(blob: &[u8]) -> Vec<u64> {
    let mut numbers = Vec::new();
    let mut number = 0_u64;
    for byte in blob {
        number = number << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            numbers.push(std::mem::take(&mut number));
        }
    }
    numbers
}

/// The words of each column, and how many there are in each, repeated ones too.
type Cut = (BTreeMap<String, Vec<String>>, Vec<u64>);

/// Cuts texts into words as the full text does.
struct Cutter(Connection);

impl Cutter {
    fn new() -> Result<Self> {
        let db = Connection::open_in_memory()?;
        db.execute_batch(&format!(
            "CREATE VIRTUAL TABLE one USING fts5({WORDS}, content=''); CREATE VIRTUAL TABLE cut USING fts5vocab(one, 'col')"
        ))?;
        Ok(Self(db))
    }

    /// Cuts the texts of one message.
    fn cut(&self, Texts(texts): &Texts) -> Result<Cut> {
        let [subject, sender, recipients, cc, body, files, list] = texts;
        self.0.execute("INSERT INTO one(one) VALUES('delete-all')", [])?;
        self.0
            .prepare_cached(
                "INSERT INTO one(rowid, subject, sender, recipients, cc, body, files, list)
                 VALUES(1, ?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![subject, sender, recipients, cc, body, files, list])?;
        let mut words: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut all = self.0.prepare_cached("SELECT col, term FROM cut")?;
        let mut rows = all.query([])?;
        while let Some(row) = rows.next()? {
            words.entry(row.get(0)?).or_default().push(row.get(1)?);
        }
        let counts = self
            .0
            .prepare_cached("SELECT sz FROM one_docsize")?
            .query_row([], |row| Ok(numbers(row.get_ref(0)?.as_blob()?)))?;
        Ok((words, counts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_cut_and_counted_by_column() {
        let texts = |subject: &str, body: String| {
            let mut texts = Texts::default();
            let [first, _, _, _, fifth, ..] = &mut texts.0;
            (*first, *fifth) = (subject.to_owned(), body);
            texts
        };
        let cutter = Cutter::new().unwrap();
        for (many, subject) in [(200, "Éa b-b"), (3, "x"), (0, "")] {
            let (words, counts) = cutter.cut(&texts(subject, "again ".repeat(many))).unwrap();
            let subject_words = words.get("subject").cloned().unwrap_or_default();
            let (wanted, all): (&[&str], u64) = match subject {
                "x" => (&["x"], 1),
                "" => (&[], 0),
                _ => (&["b", "ea"], 3),
            };
            assert_eq!(subject_words, wanted);
            assert_eq!(words.get("body").map(Vec::len), (many > 0).then_some(1));
            assert_eq!(counts, [all, 0, 0, 0, u64::try_from(many).unwrap(), 0, 0]);
        }
    }
}
