//! The mailboxes and messages behind the fake workers: how a test furnishes them.

use std::collections::BTreeMap;
use std::sync::Arc;

use tern::job::files::SavedSearch;
use tern::job::outbox::Entry;
use tern::mail::address::Address;
use tern::mail::contact::Suggestion;
use tern::mail::draft::Draft;
use tern::mail::flags::Flags;
use tern::mail::ids::{AccountId, MessageId, Timestamp};
use tern::mail::labels::{Label, View};
use tern::mail::mailbox::MailboxName;
use tern::mail::notes::{Identity, Notes};
use tern::mail::place::{MailboxId, Place, UniqueName};

/// One message of the world.
#[derive(Debug, Clone)]
pub(crate) struct Mail {
    pub(crate) id: i64,
    pub(crate) thread: i64,
    pub(crate) place: Place,
    pub(crate) who: String,
    pub(crate) subject: String,
    pub(crate) ago: i64,
    pub(crate) flags: Flags,
    pub(crate) lines: Vec<(u8, String)>,
    pub(crate) attachments: Vec<String>,
    pub(crate) links: Vec<String>,
    pub(crate) to: Vec<Address>,
    pub(crate) cc: Vec<Address>,
    /// The mailing list through which it came.
    pub(crate) list: Option<String>,
    /// The message itself, where one was delivered.
    pub(crate) bytes: Option<Arc<[u8]>>,
}

/// The mailboxes and messages behind the fake workers.
#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) mailboxes: Vec<MailboxId>,
    /// Mailboxes that show the messages of another one by their labels.
    pub(crate) views: Vec<View>,
    pub(crate) mails: Vec<Mail>,
    /// The journal of drafts.
    pub(crate) journal: BTreeMap<String, Draft>,
    /// What is in the outbox, with the drafts.
    pub(crate) outbox: Vec<(Entry, Draft)>,
    /// Whom the index knows, the likeliest first.
    pub(crate) people: Vec<Suggestion>,
    /// What is noted, as the ledger has it.
    pub(crate) noted: Notes,
    /// What the index was told of it, and what the time was.
    pub(crate) told: (Notes, Timestamp),
    /// Files that can be attached, by name.
    pub(crate) names: Vec<String>,
    /// Searches that were saved by a key.
    pub(crate) searches: Vec<SavedSearch>,
    pub(super) moves: u32,
}

impl Mail {
    /// What the message is known by.
    pub(crate) fn identity(&self) -> Identity {
        Identity::Id(MessageId::new(&format!("<{}@example.org>", self.id)).unwrap())
    }
}

pub(crate) fn mailbox(account: &str, name: &str) -> MailboxId {
    MailboxId { account: AccountId::new(account), name: MailboxName::new(name).unwrap() }
}

impl World {
    /// The folders of an account, empty.
    pub(crate) fn with(accounts: &[&str]) -> Self {
        let names = ["INBOX", "Drafts", "Sent", "Archive", "Junk", "Trash", "Work"];
        let mailboxes = accounts.iter().flat_map(|account| names.iter().map(|name| mailbox(account, name))).collect();
        Self { mailboxes, ..Self::default() }
    }

    /// An account whose folders are labels, but for three.
    pub(crate) fn labelled(account: &str) -> Self {
        let home = mailbox(account, "[Gmail]/All Mail");
        let view = |(name, label): (&str, &str)| {
            let label = Label::read(label).unwrap();
            View { mailbox: mailbox(account, name), role: label.role(), label, home: home.clone() }
        };
        let labels = [
            ("INBOX", "\\Inbox"),
            ("[Gmail]/Sent Mail", "\\Sent"),
            ("[Gmail]/Important", "\\Important"),
            ("Archive", "Archive"),
            ("Trips/Rome", "Trips/Rome"),
            ("Work", "Work"),
        ];
        let names = ["[Gmail]/All Mail", "[Gmail]/Drafts", "[Gmail]/Spam", "[Gmail]/Trash"];
        let mailboxes = names.iter().map(|name| mailbox(account, name)).collect();
        Self { mailboxes, views: labels.into_iter().map(view).collect(), ..Self::default() }
    }

    /// Puts a message with these labels in.
    pub(crate) fn add_labelled(&mut self, account: &str, labels: &[&str], who: &str, subject: &str) -> &mut Mail {
        let mail = self.add(account, "[Gmail]/All Mail", who, subject);
        mail.flags = Flags::none().with_labels(&labels.iter().filter_map(|label| Label::read(label)).collect());
        mail
    }

    /// Puts a message in: unread, older than all before it in the same call order.
    pub(crate) fn add(&mut self, account: &str, name: &str, who: &str, subject: &str) -> &mut Mail {
        let id = 1_000_000 - i64::try_from(self.mails.len()).unwrap();
        let place = Place { mailbox: mailbox(account, name), unique: UniqueName::new(&format!("m{id}")).unwrap() };
        let ago = 1800 * i64::try_from(self.mails.len()).unwrap();
        self.mails.push(Mail {
            id,
            thread: id,
            place,
            who: who.to_owned(),
            subject: subject.to_owned(),
            ago,
            flags: Flags::none(),
            lines: vec![(0, format!("The text of {subject}."))],
            attachments: Vec::new(),
            links: Vec::new(),
            to: vec![Address::bare(&format!("{account}@example.org"))],
            cc: Vec::new(),
            list: None,
            bytes: None,
        });
        self.mails.last_mut().unwrap()
    }
}
