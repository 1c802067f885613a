//! Who is meant by what was typed? The words of contacts stand in a full text whose rows begin with how
//! likely somebody is meant, so that the first rows that fit are enough, however many there are.

use rusqlite::{Result, params};

use super::contacts::{INDEXED, coded, contact_of};
use super::rows::Index;
use crate::fault::Fault;
use crate::mail::address::Address;
use crate::mail::clean::Clean;
use crate::mail::contact::{self, Asked, Fit, Suggestion, Use};
use crate::mail::ids::Timestamp;

/// So many that fit are weighed against each other.
const ENOUGH: usize = 48;
/// So many rows are looked at for them.
const MOST: usize = 600;
/// The most members of a group.
const MAX_MEMBERS: usize = 200;

/// A contact that fits.
struct Found {
    contact: i64,
    email: String,
    name: String,
    is_group: bool,
    used: Use,
    worth: f64,
}

impl Index {
    /// Who fits what was typed, the likeliest first, at most `count`. The addresses of `without` are left
    /// out, since they are there already; so is whoever is known by junk alone. What is dated after `now`
    /// counts as of now.
    pub fn complete(
        &self,
        text: &str,
        without: &[String],
        count: usize,
        now: Timestamp,
    ) -> std::result::Result<Vec<Suggestion>, Fault> {
        let Some(asked) = Asked::of(text) else { return Ok(Vec::new()) };
        let without: Vec<String> = without.iter().map(|email| contact::key(email)).collect();
        self.asked(|db| {
            let mut found = candidates(db, &asked, "own : ", now, &without)?;
            if found.len() < count {
                let seen: Vec<i64> = found.iter().map(|one| one.contact).collect();
                let more = candidates(db, &asked, "", now, &without)?;
                found.extend(more.into_iter().filter(|one| !seen.contains(&one.contact)));
            }
            found.sort_by(|a, b| {
                b.worth.total_cmp(&a.worth).then_with(|| (&a.email, &a.name).cmp(&(&b.email, &b.name)))
            });
            let mut suggestions = Vec::new();
            for one in found {
                if suggestions.len() >= count {
                    break;
                }
                suggestions.extend(suggestion(db, one, &without)?);
            }
            Ok(suggestions)
        })
    }
}

/// The expression that finds whom the words fit, and perhaps others.
fn expression(asked: &Asked, columns: &str) -> String {
    let word = |word: &String| {
        let word = coded(word);
        // Of a long word, places keep the beginning alone.
        let short: String = word.chars().take(INDEXED).collect();
        if short == word { format!("\"{word}\" *") } else { format!("(\"{word}\" * OR \"{short}\")") }
    };
    let words: Vec<String> = asked.words().iter().map(word).collect();
    format!("{columns}({})", words.join(" AND "))
}

fn candidates(
    db: &rusqlite::Connection,
    asked: &Asked,
    columns: &str,
    now: Timestamp,
    without: &[String],
) -> Result<Vec<Found>> {
    let mut rows =
        db.prepare_cached("SELECT rowid FROM contact_words WHERE contact_words MATCH ?1 ORDER BY rowid DESC")?;
    let mut about = db.prepare_cached(
        "SELECT email, name, others, sent, received, bulk, newest, in_book, is_group, preference FROM contacts WHERE id = ?1",
    )?;
    let mut rows = rows.query([expression(asked, columns)])?;
    let mut found = Vec::new();
    let mut looked = 0;
    while let Some(row) = rows.next()? {
        looked += 1;
        if looked > MOST || found.len() >= ENOUGH {
            break;
        }
        let contact = contact_of(row.get(0)?);
        let mut one = about.query([contact])?;
        let Some(row) = one.next()? else { continue };
        let (email, name, others): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        if without.contains(&contact::key(&email)) {
            continue;
        }
        let names = std::iter::once(name.as_str()).chain(others.lines());
        let Some(fit) = asked.fit(&email, names) else { continue };
        let used = Use {
            sent: row.get(3)?,
            received: row.get(4)?,
            bulk: row.get(5)?,
            newest: Timestamp::new(row.get::<_, i64>(6)?.min(now.get())),
            in_book: row.get(7)?,
        };
        let preference: u32 = row.get(9)?;
        let worth = used.weight() + fit.worth() - f64::from(preference.min(50)) / 50.0;
        found.push(Found { contact, email, name, is_group: row.get(8)?, used, worth });
        if fit == Fit::Whole {
            break;
        }
    }
    Ok(found)
}

/// What is offered; `None`: nothing.
fn suggestion(db: &rusqlite::Connection, found: Found, without: &[String]) -> Result<Option<Suggestion>> {
    let Found { contact, email, name, is_group, used, .. } = found;
    if is_group {
        let mut addresses = members(db, contact)?;
        addresses.retain(|address| !without.contains(&contact::key(&address.email)));
        let group = Some(Clean::line(&name));
        return Ok((!addresses.is_empty()).then_some(Suggestion { addresses, group, used }));
    }
    if used.sent == 0 && !used.in_book && is_junk(db, contact)? {
        return Ok(None);
    }
    Ok(Some(Suggestion { addresses: vec![Address { name, email }], group: None, used }))
}

/// Is all that came from there junk, or gone?
fn is_junk(db: &rusqlite::Connection, contact: i64) -> Result<bool> {
    let welcome = db
        .prepare_cached(
            "SELECT EXISTS(
                 SELECT 1 FROM spellings s CROSS JOIN uses u ON u.spelling = s.id CROSS JOIN places p ON p.message = u.message
                 CROSS JOIN mailboxes b ON b.id = p.mailbox
                 WHERE s.contact = ?1 AND b.role IS NOT 'junk')",
        )?
        .query_row([contact], |row| row.get::<_, bool>(0))?;
    Ok(!welcome)
}

/// The addresses of a group: of each card the preferred one, with what it is called there.
fn members(db: &rusqlite::Connection, group: i64) -> Result<Vec<Address>> {
    let listed: Vec<String> = db
        .prepare_cached("SELECT members FROM cards WHERE contact = ?1 AND members IS NOT NULL ORDER BY book")?
        .query_map([group], |row| row.get(0))?
        .collect::<Result<_>>()?;
    let mut card = db.prepare_cached(
        "SELECT name, email FROM cards WHERE uid = ?1 AND email <> '' ORDER BY preference, email LIMIT 1",
    )?;
    let mut name = db.prepare_cached("SELECT name FROM contacts WHERE id = ?1")?;
    let mut addresses: Vec<Address> = Vec::new();
    for member in listed.iter().flat_map(|listed| listed.lines()).take(MAX_MEMBERS) {
        let address = if let Some(uid) = member.strip_prefix('=') {
            let mut rows = card.query(params![uid])?;
            match rows.next()? {
                Some(row) => Address { name: row.get(0)?, email: row.get(1)? },
                None => continue,
            }
        } else {
            let mut rows = name.query([super::contacts::contact_row("email", &contact::key(member))])?;
            let name = rows.next()?.map(|row| row.get(0)).transpose()?.unwrap_or_default();
            Address { name, email: member.to_owned() }
        };
        if !addresses.iter().any(|known| contact::key(&known.email) == contact::key(&address.email)) {
            addresses.push(address);
        }
    }
    Ok(addresses)
}
