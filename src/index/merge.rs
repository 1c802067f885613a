//! The pieces of the full text. Each step of the writer adds one, and a search asks each of them for each word, so
//! they are merged where that costs little: a part at a time, when there is nothing else to do, or as much as goes
//! with what was just read.

use super::write::Writer;

/// How many pages of the full text are written in one part: some tenths of a second.
const PART: usize = 2_000;
/// How many pages are merged for each message that was read: all of a new index, and next to nothing after new mail.
const FOR_EACH: usize = 2;

impl Writer {
    /// Merges a part of the pieces. `true`: there may be more to do. For idle moments.
    pub fn merge(&mut self) -> bool {
        self.merge_pages(PART)
    }

    /// Merges what goes with so many messages that were read, unless there is a wish to stop.
    pub fn merge_after(&mut self, read: usize, stop: &dyn Fn() -> bool) {
        let mut left = read.saturating_mul(FOR_EACH);
        while left > 0 && !stop() && self.merge_pages(left.min(PART)) {
            left = left.saturating_sub(PART);
        }
    }

    fn merge_pages(&mut self, pages: usize) -> bool {
        let before = self.db.total_changes();
        let merged = self
            .db
            .execute("INSERT INTO words(words, rank) VALUES('merge', ?1)", [i64::try_from(pages).unwrap_or(i64::MAX)]);
        // Nothing depends on it: what fails now is done at another idle moment. The command itself counts as one.
        merged.is_ok() && self.db.total_changes().saturating_sub(before) >= 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_pieces_become_few_and_nothing_is_lost() {
        let home = tempfile::tempdir().unwrap();
        let mut writer = Writer::open(&home.path().join("index.db"), &[]).unwrap();
        for number in 1..=300_u32 {
            let body = format!("common word{number} {}", if number % 7 == 0 { "" } else { "filling" });
            writer.db.execute("INSERT INTO words(rowid, body) VALUES(?1, ?2)", (number, body)).unwrap();
        }
        let pieces = |writer: &Writer| -> u32 {
            writer.db.query_row("SELECT count(DISTINCT segid) FROM words_idx", [], |row| row.get(0)).unwrap()
        };
        let found = |writer: &Writer, word: &str| -> u32 {
            let count = "SELECT count(*) FROM words WHERE words MATCH ?1";
            writer.db.query_row(count, [word], |row| row.get(0)).unwrap()
        };
        let before = pieces(&writer);
        assert!(before > 4, "{before} pieces");
        writer.merge_after(300, &|| true);
        assert_eq!(pieces(&writer), before, "there was a wish to stop");
        for _ in 0..100 {
            if !writer.merge() {
                break;
            }
        }
        assert!(pieces(&writer) <= 4, "{} pieces", pieces(&writer));
        assert!(!writer.merge(), "nothing is left to do");
        assert_eq!((found(&writer, "common"), found(&writer, "word7"), found(&writer, "fill*")), (300, 1, 258));
    }
}
