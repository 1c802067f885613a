//! Which tags there are: the keywords that messages have, those of most messages first; and the files that bear those
//! of one message.

use std::collections::BTreeMap;

use super::folders::mailbox_id;
use super::rows::Index;
use super::write::from_words;
use crate::fault::Fault;
use crate::mail::flags::{Flags, Keyword};
use crate::mail::ids::RowId;
use crate::mail::place::{Place, UniqueName};
use crate::mail::tags;

/// So many of the newest messages with keywords or labels are looked at: an answer is wanted while a menu opens.
const NEWEST: i64 = 20_000;
/// The most tags that are told.
const MOST: usize = 500;

impl Index {
    /// The tags that messages have, those of most messages first, as far as the newest messages tell.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn tags(&self) -> Result<Vec<Keyword>, Fault> {
        let found: Vec<(String, usize)> = self.asked(|db| {
            db.prepare_cached(
                "SELECT keywords, count(*) FROM (SELECT keywords FROM places INDEXED BY place_tagged
                 WHERE keywords IS NOT NULL ORDER BY message DESC LIMIT ?1) GROUP BY keywords",
            )?
            .query_map([NEWEST], |row| Ok((row.get(0)?, usize::try_from(row.get::<_, i64>(1)?).unwrap_or(0))))?
            .collect()
        })?;
        let mut uses: BTreeMap<Keyword, usize> = BTreeMap::new();
        for (words, count) in found {
            for word in from_words(Some(&words)).keywords().filter(|word| tags::is_tag(word)) {
                *uses.entry(word.clone()).or_default() += count;
            }
        }
        let mut ranked: Vec<(Keyword, usize)> = uses.into_iter().collect();
        ranked.sort_by(|(a, first), (b, second)| second.cmp(first).then_with(|| a.cmp(b)));
        ranked.truncate(MOST);
        Ok(ranked.into_iter().map(|(word, _)| word).collect())
    }

    /// The files of a message, in whatever mailbox of its account, each with its flags.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn files_of(&self, message: RowId) -> Result<Vec<(Place, Flags)>, Fault> {
        self.asked(|db| {
            let mut find = db.prepare_cached(
                "SELECT b.account, b.name, p.name, p.flags, p.keywords FROM places p JOIN mailboxes b ON b.id = p.mailbox
                 WHERE p.message = ?1 AND p.home IS NULL ORDER BY p.mailbox",
            )?;
            let mut rows = find.query([message.0])?;
            let mut files = Vec::new();
            while let Some(row) = rows.next()? {
                let mailbox = mailbox_id(&row.get::<_, String>(0)?, &row.get::<_, String>(1)?);
                let unique = UniqueName::new(&row.get::<_, String>(2)?);
                let flags = Flags::from_bits(row.get(3)?).union(&from_words(row.get_ref(4)?.as_str_or_null()?));
                files.extend(mailbox.zip(unique).map(|(mailbox, unique)| (Place { mailbox, unique }, flags)));
            }
            Ok(files)
        })
    }
}
