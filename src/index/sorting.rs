//! What lists are sorted by beside the date: short keys without case, accents and answer marks, which stand
//! beside each place. A key is cut after 24 bytes, so that an index of them stays small; what is equal so far
//! goes by date.

use rusqlite::{OptionalExtension as _, Result, params};

use super::folders::KnownMailbox;
use super::write::Writer;
use crate::mail::letters::folded;
use crate::mail::mailbox::Role;
use crate::mail::thread::subject_base;

/// The most bytes of a key.
const LONGEST: usize = 24;

/// How much of a text is looked at for its key, in characters: folding changes lengths.
const ENOUGH: usize = 64;

/// Does a mailbox of this role say to whom its messages go, and not from whom they are?
pub(super) fn shows_recipients(role: Option<Role>) -> bool {
    matches!(role, Some(Role::Sent | Role::Drafts))
}

/// The key of who a row says.
pub(super) fn name_key(who: &str) -> String {
    key(who.strip_prefix("To: ").unwrap_or(who))
}

/// The key of a subject: an answer stands beside what it answers.
pub(super) fn subject_key(subject: &str) -> String {
    key(&subject_base(subject))
}

fn key(text: &str) -> String {
    // A quote or a bracket in front is no letter of the alphabet.
    let first = text.find(char::is_alphanumeric).unwrap_or_default();
    let head: String = text.get(first..).unwrap_or(text).chars().take(ENOUGH).collect();
    let mut key = folded(&head).into_owned();
    let end = key.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= LONGEST).last();
    key.truncate(end.unwrap_or_default());
    key
}

impl Writer {
    /// The key of who a message's row says in a mailbox of that role.
    pub(super) fn who_in(&self, role: Option<Role>, message: i64) -> Result<String> {
        let column = usize::from(shows_recipients(role));
        let who: Option<String> = self
            .db
            .prepare_cached("SELECT author, recipients FROM messages WHERE id = ?1")?
            .query_row([message], |row| row.get(column))
            .optional()?;
        Ok(name_key(&who.unwrap_or_default()))
    }

    /// A mailbox is for something else from now on. Where that changes who its rows say, their keys follow.
    pub(super) fn set_role(&mut self, mailbox: &KnownMailbox, role: Option<Role>) -> Result<()> {
        if mailbox.role == role {
            return Ok(());
        }
        self.db
            .prepare_cached("UPDATE mailboxes SET role = ?2 WHERE id = ?1")?
            .execute(params![mailbox.row, role.map(Role::word)])?;
        if shows_recipients(mailbox.role) == shows_recipients(role) {
            return Ok(());
        }
        let places: Vec<(i64, i64)> = self
            .db
            .prepare_cached("SELECT id, message FROM places WHERE mailbox = ?1")?
            .query_map([mailbox.row], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_>>()?;
        for (place, message) in places {
            let who = self.who_in(role, message)?;
            self.db.prepare_cached("UPDATE places SET who = ?2 WHERE id = ?1")?.execute(params![place, who])?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_short_and_without_case_accents_and_marks() {
        for (subject, key) in [
            ("Re: Fwd: [list] Übergang", "ubergang"),
            ("\"Quoted\" words", "quoted\" words"),
            ("", ""),
            ("Re:", ""),
            ("...", "..."),
            ("a long subject that goes on and on", "a long subject that goes"),
            // Each of these is three bytes, and none is cut in two.
            ("会議会議会議会議会議", "会議会議会議会議"),
        ] {
            assert_eq!(subject_key(subject), key, "{subject}");
        }
        assert_eq!(name_key("To: Émile, Ada"), "emile, ada");
        assert_eq!(name_key("To: (nobody yet)"), "nobody yet)");
    }
}
