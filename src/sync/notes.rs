//! The body of the thread `notes`: writes down which labels the user gives and takes and what is wished for
//! folders, keeps the user's notes, and tells which labels and notes there are. It never meets a server, so an
//! answer is never far; the account's own thread tells the server of it when it is woken.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use super::env::{Env, Reporter};
use crate::fault::{Again, Cause, Doing, Fault, Scope};
use crate::job::sync::FolderWish;
use crate::job::{SyncJob, SyncReport};
use crate::ledger::{LabelWish, Ledger, Row, Wish};
use crate::mail::ids::{AccountId, Uid};
use crate::mail::labels::Labels;
use crate::mail::mailbox::MailboxName;
use crate::mail::notes::{Edit, Notes};
use crate::mail::place::{MailboxId, Place, UniqueName};

/// How many messages are told of at once.
const AT_ONCE: u32 = 500;

/// Tells the views of all these accounts as they are known, then does what it is asked until `jobs` is closed.
pub fn run(accounts: &[Env], jobs: &Receiver<SyncJob>, report: Reporter<'_>) {
    let mut notes = Desk { accounts, ledger: None, report };
    for account in accounts {
        if let Err(fault) = notes.tell_views(&account.account.id) {
            report(SyncReport::Fault(fault.of(&account.account.id)));
        }
    }
    for job in jobs {
        match job {
            SyncJob::Label { ticket, places, add, remove } => {
                let Some(account) = places.first().map(|place| place.mailbox.account.clone()) else { continue };
                let result = notes.label(&account, places, &add, &remove).map_err(|fault| fault.of(&account));
                report(SyncReport::Labelled { ticket, account, result });
            }
            SyncJob::TellLabels { home, after } => {
                if let Err(fault) = notes.tell_labels(&home, after) {
                    report(SyncReport::Fault(fault.of(&home.account)));
                }
            }
            SyncJob::Wish { ticket, mailbox, wish } => {
                let result = notes.wish(&mailbox, wish).map_err(|fault| fault.of(&mailbox.account));
                report(SyncReport::Wished { ticket, mailbox, wish, result });
            }
            SyncJob::Note { ticket, edit } => {
                let result = notes.note(&edit);
                report(SyncReport::Noted { ticket: Some(ticket), result });
            }
            SyncJob::TellNotes => {
                if let Some(result) = notes.tell_notes().transpose() {
                    report(SyncReport::Noted { ticket: None, result });
                }
            }
            // For other threads.
            SyncJob::Wake { .. }
            | SyncJob::Visible(_)
            | SyncJob::Fetch(_)
            | SyncJob::Answer { .. }
            | SyncJob::Password { .. } => {}
        }
    }
}

struct Desk<'a> {
    accounts: &'a [Env],
    ledger: Option<Ledger>,
    report: Reporter<'a>,
}

impl Desk<'_> {
    /// The ledger, opened when it is first needed.
    fn ledger(&mut self, account: &AccountId) -> Result<&mut Ledger, Fault> {
        let data = self.accounts.iter().find(|env| env.account.id == *account).map(|env| &env.data);
        let data = data.ok_or_else(|| Fault::new(Doing::Remembering, account.as_str(), Cause::Missing))?.clone();
        self.open(&data)
    }

    fn open(&mut self, data: &Path) -> Result<&mut Ledger, Fault> {
        match &mut self.ledger {
            Some(ledger) => Ok(ledger),
            slot @ None => {
                let (ledger, damage) = Ledger::open(data)?;
                if let Some(fault) = damage {
                    (self.report)(SyncReport::Fault(fault));
                }
                Ok(slot.insert(ledger))
            }
        }
    }

    fn note(&mut self, edit: &Edit) -> Result<Arc<Notes>, Fault> {
        let Some(data) = self.accounts.first().map(|env| env.data.clone()) else {
            return Err(Fault::new(Doing::Remembering, "ledger.db", Cause::Missing).detail("there is no account"));
        };
        let ledger = self.open(&data)?;
        ledger.note(edit)?;
        ledger.notes().map(Arc::new)
    }

    /// All notes; nothing where there is no account that could have any.
    fn tell_notes(&mut self) -> Result<Option<Arc<Notes>>, Fault> {
        let Some(data) = self.accounts.first().map(|env| env.data.clone()) else { return Ok(None) };
        self.open(&data)?.notes().map(|notes| Some(Arc::new(notes)))
    }

    fn tell_views(&mut self, account: &AccountId) -> Result<(), Fault> {
        let views = self.ledger(account)?.labelled(account)?.map(|labelled| labelled.views).unwrap_or_default();
        (self.report)(SyncReport::Views { account: account.clone(), views });
        Ok(())
    }

    fn wish(&mut self, mailbox: &MailboxId, wish: FolderWish) -> Result<(), Fault> {
        let ledger = self.ledger(&mailbox.account)?;
        match wish {
            FolderWish::Remove => ledger.wish(mailbox, Wish::Remove),
            FolderWish::Keep => ledger.fulfilled(mailbox, Wish::Remove),
            FolderWish::Subscribe => ledger.wish(mailbox, Wish::Subscribe),
            FolderWish::Unsubscribe => ledger.wish(mailbox, Wish::Unsubscribe),
        }
    }

    /// Writes a wish down. Only where labels are told to a server is there any use in it.
    fn label(&mut self, account: &AccountId, places: Vec<Place>, add: &Labels, remove: &Labels) -> Result<(), Fault> {
        let ledger = self.ledger(account)?;
        let home = ledger.labelled(account)?.map(|labelled| labelled.home);
        let mut uniques: BTreeMap<MailboxName, Vec<UniqueName>> = BTreeMap::new();
        for place in places {
            uniques.entry(place.mailbox.name).or_default().push(place.unique);
        }
        if let Some(other) = uniques.keys().find(|name| home.as_ref() != Some(name)) {
            let fault = Fault::new(Doing::Remembering, other.as_str(), Cause::Refused);
            let why = "messages of this mailbox have no labels; move them to another one instead";
            return Err(fault.scope(Scope::Message).again(Again::Never).detail(why));
        }
        uniques.iter().try_for_each(|(name, uniques)| {
            ledger.label(&MailboxId { account: account.clone(), name: name.clone() }, uniques, add, remove)
        })
    }

    fn tell_labels(&mut self, home: &MailboxId, after: Option<Uid>) -> Result<(), Fault> {
        let (rows, last) = some_labels(self.ledger(&home.account)?, home, after)?;
        if !rows.is_empty() || last.is_some() {
            (self.report)(SyncReport::Labels { home: home.clone(), rows, last });
        }
        Ok(())
    }
}

/// Tells the labels of all messages of a mailbox, wishes and all, some hundreds at a time.
///
/// # Errors
/// The ledger cannot be read, or they cannot be told.
pub fn labels(ledger: &mut Ledger, home: &MailboxId, tell: Tell<'_>) -> Result<(), Fault> {
    let mut after = None;
    loop {
        let (rows, last) = some_labels(ledger, home, after)?;
        if !rows.is_empty() {
            tell(rows)?;
        }
        after = last;
        if after.is_none() {
            return Ok(());
        }
    }
}

/// The labels of some messages of a mailbox, wishes and all, and up to which UID these are; `None`: there are no more.
fn some_labels(ledger: &mut Ledger, home: &MailboxId, after: Option<Uid>) -> Result<(Told, Option<Uid>), Fault> {
    let key = ledger.mailbox(home)?;
    let mut wishes = ledger.label_wishes(key)?;
    let rows = ledger.rows_after(key, after, AT_ONCE)?;
    let last = rows.last().map(|row| row.uid).filter(|_| rows.len() >= usize::try_from(AT_ONCE).unwrap_or(usize::MAX));
    let labels = |row: Row| {
        let labels = match wishes.remove(&row.unique) {
            Some(wish) => wish.applied(&row.flags).labels(),
            None => row.flags.labels(),
        };
        // That one has none is told as well: whoever asks may know older ones.
        (row.unique, labels)
    };
    let mut told: Told = rows.into_iter().map(labels).collect();
    if last.is_none() {
        // What is not on the server yet has nothing but what is wished for it.
        for row in ledger.rows_of_names(key, wishes.keys())? {
            wishes.remove(&row.unique);
        }
        told.extend(wishes.into_iter().map(|(unique, LabelWish { given, .. })| (unique, given)));
    }
    Ok((told, last))
}

/// Messages, each with all its labels.
pub type Told = Vec<(UniqueName, Labels)>;

/// Who is told the labels of some messages.
pub type Tell<'a> = &'a mut dyn FnMut(Told) -> Result<(), Fault>;

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Mutex;
    use std::sync::mpsc::sync_channel;

    use super::*;
    use crate::config;
    use crate::job::Ticket;
    use crate::ledger::{Change, Labelled, Row};
    use crate::mail::flags::Flags;
    use crate::mail::ids::Uid;
    use crate::mail::labels::Label;

    fn labels(words: &[&str]) -> Labels {
        words.iter().filter_map(|word| Label::read(word)).collect()
    }

    #[test]
    fn a_wish_is_durable_when_it_is_answered_and_merged_when_labels_are_told() {
        let data = tempfile::tempdir().unwrap();
        let text = format!("[accounts.g]\naddress = \"a@example.org\"\nmaildir = \"{}\"\n", data.path().display());
        let account = config::parse(&text, &config::Paths::under(Path::new("/h"))).accounts.remove(0);
        let env = Env::new(account, None, data.path().to_owned());
        let home = env.mailbox(&MailboxName::new("All").unwrap());
        let unique = |text: &str| UniqueName::new(text).unwrap();
        let row = |uid, flags| Row {
            uid: Uid::new(uid).unwrap(),
            unique: unique(&format!("{uid}.m")),
            flags,
            size: 1,
            digest: None,
        };
        let (mut ledger, _) = Ledger::open(data.path()).unwrap();
        let key = ledger.mailbox(&home).unwrap();
        let put = vec![row(1, Flags::none().with_labels(&labels(&["\\Inbox"]))), row(2, Flags::none())];
        ledger.commit(&[(key, Change { put, ..Change::default() })]).unwrap();
        let labelled = Labelled { home: home.name.clone(), views: Vec::new() };
        ledger.set_labelled(&env.account.id, Some(&labelled)).unwrap();

        let (send, jobs) = sync_channel(8);
        let place = |mailbox: &MailboxId, name: &str| Place { mailbox: mailbox.clone(), unique: unique(name) };
        let wish = |ticket, places| SyncJob::Label {
            ticket: Ticket(ticket),
            places,
            add: labels(&["x"]),
            remove: labels(&["\\Inbox"]),
        };
        send.send(wish(1, vec![place(&home, "1.m"), place(&home, "3.m")])).unwrap();
        send.send(wish(2, vec![place(&env.mailbox(&MailboxName::inbox()), "1.m")])).unwrap();
        send.send(SyncJob::TellLabels { home: home.clone(), after: None }).unwrap();
        drop(send);
        let told = Mutex::new(Vec::new());
        run(&[env], &jobs, &|report| told.lock().unwrap().push(report));
        let told = told.into_inner().unwrap();
        assert!(matches!(&told[0], SyncReport::Views { views, .. } if views.is_empty()), "{told:?}");
        assert!(matches!(&told[1], SyncReport::Labelled { ticket: Ticket(1), result: Ok(()), .. }), "{told:?}");
        assert!(matches!(&told[2], SyncReport::Labelled { ticket: Ticket(2), result: Err(_), .. }), "{told:?}");
        let one = |name: &str, words: &[&str]| (unique(name), labels(words));
        let rows = vec![one("1.m", &["x"]), one("2.m", &[]), one("3.m", &["x"])];
        assert_eq!(told[3..], [SyncReport::Labels { home: home.clone(), rows, last: None }]);
        assert_eq!(ledger.label_wishes(key).unwrap().len(), 2);

        // Of many some are told at a time, and each once; a wish for one that comes late is not told before it.
        let put = (10..10 + 2 * AT_ONCE).map(|uid| row(uid, Flags::none())).collect();
        ledger.commit(&[(key, Change { put, ..Change::default() })]).unwrap();
        let late = format!("{}.m", 9 + 2 * AT_ONCE);
        ledger.label(&home, &[unique(&late)], &labels(&["late"]), &labels(&[])).unwrap();
        let (first, after) = some_labels(&mut ledger, &home, None).unwrap();
        assert_eq!((first.len(), after.map(Uid::get)), (500, Some(507)));
        let mut all = BTreeMap::new();
        super::labels(&mut ledger, &home, &mut |rows| {
            assert!(rows.len() <= 503);
            for (unique, labels) in rows {
                assert_eq!(all.insert(unique, labels), None);
            }
            Ok(())
        })
        .unwrap();
        assert_eq!(
            (all.len(), &all[&unique(&late)], &all[&unique("3.m")]),
            (1003, &labels(&["late"]), &labels(&["x"]))
        );
    }
}
