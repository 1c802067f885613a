//! Drives the screen as a person would: press, type, read. The workers are a world in memory that
//! answers at once, or holds its answers back, or fails.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::Arc;

use jiff::tz::TimeZone;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;

use tern::config::{self, Config, Paths};
use tern::fault::{Cause, Doing, Fault};
use tern::job::files::{FilesJob, FilesReport, FolderDone, FolderOrder, RenamedFolder};
use tern::job::index::{Direction, Grouping, IndexJob, IndexReport, ListSpec, MailboxRow, Row, Shows, Source};
use tern::job::outbox::{Entry, EntryId, EntryState, Verdict};
use tern::job::{Changed, Job, OutboxJob, OutboxReport, PlaceChange, PlaceFile, Report, SyncJob, SyncReport, Ticket};
use tern::keys::{Key, Keymap, Keys};
use tern::mail::address::Address;
use tern::mail::answer;
use tern::mail::clean::Clean;
use tern::mail::contact::{Asked, Suggestion, Use};
use tern::mail::document::{Attachment, Document, Line, Link, Span};
use tern::mail::draft::Draft;
use tern::mail::flags::{Flag, Flags};
use tern::mail::ids::{AccountId, MessageId, RowId, ThreadId, Timestamp};
use tern::mail::labels::{Label, View};
use tern::mail::mailbox::{MailboxName, Role};
use tern::mail::place::{MailboxId, Place, UniqueName};
use tern::query::Query;
use tern::query::ast::Pattern;
use tern::state::{Event, Model, Viewport, update};
use tern::theme::{Depth, Glyphs, Theme};
use tern::ui;

/// Thursday, 19 November 2026, 14:02 UTC.
pub(crate) const NOW: i64 = 1_795_096_920;

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
    /// Files that can be attached, by name.
    pub(crate) names: Vec<String>,
    moves: u32,
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

    /// Is a message shown there?
    fn is_in(&self, mail: &Mail, mailbox: &MailboxId) -> bool {
        let shows = |view: &View| {
            view.mailbox == *mailbox && view.home == mail.place.mailbox && mail.flags.labels().has(&view.label)
        };
        mail.place.mailbox == *mailbox || self.views.iter().any(shows)
    }

    fn fits(&self, mail: &Mail, source: &Source) -> bool {
        match source {
            Source::Mailbox(mailbox) => self.is_in(mail, mailbox),
            Source::Unified => {
                self.is_in(mail, &MailboxId { name: MailboxName::inbox(), ..mail.place.mailbox.clone() })
            }
            Source::Search { query, .. } => matches(mail, query),
        }
    }

    /// The row of a message in a list.
    fn row_in(&self, mail: &Mail, source: &Source) -> Row {
        let best = || self.views.iter().map(|view| &view.mailbox).find(|view| self.is_in(mail, view)).cloned();
        let shown = match source {
            Source::Mailbox(mailbox) => Some(mailbox.clone()),
            Source::Unified | Source::Search { .. } => best(),
        };
        Row { mailbox: shown.unwrap_or_else(|| mail.place.mailbox.clone()), ..row(mail) }
    }

    /// What the thread `notes` answers.
    fn notes(job: SyncJob, broken: bool) -> Option<SyncReport> {
        let SyncJob::Label { ticket, places, .. } = job else { return None };
        let account = places.first()?.mailbox.account.clone();
        let result = if broken { Err(Fault::new(Doing::Remembering, "ledger.db", Cause::DiskFull)) } else { Ok(()) };
        Some(SyncReport::Labelled { ticket, account, result })
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
            bytes: None,
        });
        self.mails.last_mut().unwrap()
    }

    fn in_list(&self, source: &Source) -> Vec<&Mail> {
        let mut mails: Vec<&Mail> = self.mails.iter().filter(|mail| self.fits(mail, source)).collect();
        mails.sort_by_key(|mail| std::cmp::Reverse(mail.id));
        mails
    }

    fn rows(&self, spec: &ListSpec) -> Vec<Row> {
        let mails = self.in_list(&spec.source);
        if spec.grouping == Grouping::Flat {
            return mails.into_iter().map(|mail| self.row_in(mail, &spec.source)).collect();
        }
        let mut rows: Vec<Row> = Vec::new();
        for mail in mails {
            match rows.iter_mut().find(|row| row.thread == ThreadId(mail.thread)) {
                None => rows.push(self.row_in(mail, &spec.source)),
                Some(known) => {
                    let all_seen = known.flags.has(Flag::Seen) && mail.flags.has(Flag::Seen);
                    known.flags = known.flags.union(&mail.flags);
                    if !all_seen {
                        known.flags = known.flags.clone().without(Flag::Seen);
                    }
                    known.messages += 1;
                    known.unread += u32::from(!mail.flags.has(Flag::Seen));
                }
            }
        }
        rows
    }

    fn index(&mut self, job: IndexJob) -> Vec<IndexReport> {
        match job {
            IndexJob::Mailboxes => {
                vec![IndexReport::Mailboxes(
                    self.mailboxes
                        .iter()
                        .chain(self.views.iter().map(|view| &view.mailbox))
                        .map(|id| self.count(id))
                        .collect(),
                )]
            }
            IndexJob::Rows { ticket, list, first, count, anchor } => {
                let all = self.rows(&list);
                let anchor = anchor.and_then(|row| all.iter().position(|known| known.message == row));
                let first = anchor
                    .filter(|at| !(first..first + count).contains(at))
                    .map_or(first, |at| at.saturating_sub(count / 2));
                let rows = all.iter().skip(first).take(count).cloned().collect();
                vec![IndexReport::Rows { ticket, list, first, total: all.len(), counted: true, rows, anchor }]
            }
            IndexJob::NextUnread { ticket, list, after, direction, order } => {
                let here = self.in_list(&list.source);
                let unread = |mail: &&&Mail| !mail.flags.has(Flag::Seen);
                let later = |mail: &&&Mail| match direction {
                    Direction::Next => after.is_none_or(|after| mail.id < after.0),
                    Direction::Previous => after.is_none_or(|after| mail.id > after.0),
                };
                let mut found = match direction {
                    Direction::Next => here.iter().filter(later).find(unread).copied(),
                    Direction::Previous => here.iter().rev().filter(later).find(unread).copied(),
                };
                for mailbox in order.iter().filter(|mailbox| list.source != Source::Mailbox((*mailbox).clone())) {
                    let there = self.in_list(&Source::Mailbox(mailbox.clone()));
                    found = found.or_else(|| there.iter().find(|mail| !mail.flags.has(Flag::Seen)).copied());
                }
                vec![IndexReport::NextUnread {
                    ticket,
                    found: found.map(|mail| (mail.place.mailbox.clone(), RowId(mail.id))),
                }]
            }
            IndexJob::Conversation { ticket, thread } => {
                let mut mails: Vec<&Mail> = self.mails.iter().filter(|mail| mail.thread == thread.0).collect();
                mails.sort_by_key(|mail| mail.id);
                vec![IndexReport::Conversation {
                    ticket,
                    rows: mails.into_iter().map(|mail| self.row_in(mail, &Source::Unified)).collect(),
                }]
            }
            IndexJob::Apply(changed) => {
                let views = self.views.iter().filter(|view| view.home == changed.mailbox);
                let mailboxes = views.map(|view| view.mailbox.clone()).chain([changed.mailbox.clone()]).collect();
                vec![IndexReport::Refreshed { mailboxes, arrived: Vec::new(), pending: 0 }]
            }
            IndexJob::Label { places, add, remove } => {
                let (add, remove) = (Flags::none().with_labels(&add), Flags::none().with_labels(&remove));
                for mail in self.mails.iter_mut().filter(|mail| places.contains(&mail.place)) {
                    mail.flags = mail.flags.union(&add).minus(&remove);
                }
                let homes = places.iter().map(|place| &place.mailbox);
                let mailboxes = self.views.iter().map(|view| &view.mailbox).chain(homes).cloned().collect();
                vec![IndexReport::Refreshed { mailboxes, arrived: Vec::new(), pending: 0 }]
            }
            IndexJob::Folders { .. } | IndexJob::Reconcile(_) | IndexJob::Views { .. } | IndexJob::SetLabels { .. } => {
                vec![IndexReport::Refreshed { mailboxes: Vec::new(), arrived: Vec::new(), pending: 0 }]
            }
            IndexJob::Complete { ticket, text, without, count, .. } => {
                let fits = |one: &&Suggestion| {
                    let fit = |asked: &Asked, who: &Address| asked.fit(&who.email, [who.name.as_str()]).is_some();
                    let group =
                        one.group.as_ref().is_some_and(|group| group.as_str().to_lowercase().starts_with(&text));
                    let given = one.addresses.iter().any(|who| without.contains(&who.email));
                    let person =
                        one.group.is_none() && one.addresses.iter().any(|who| fit(&Asked::of(&text).unwrap(), who));
                    (person || group) && !given
                };
                let found = self.people.iter().filter(fits).take(count).cloned().collect();
                vec![IndexReport::Completed { ticket, found }]
            }
            IndexJob::ReadBooks => vec![IndexReport::Books { faults: Vec::new() }],
            IndexJob::Renamed { account, folders } => {
                let id = |name: &MailboxName| MailboxId { account: account.clone(), name: name.clone() };
                let mailboxes = folders.iter().flat_map(|folder| [id(&folder.from), id(&folder.to)]).collect();
                vec![IndexReport::Refreshed { mailboxes, arrived: Vec::new(), pending: 0 }]
            }
            IndexJob::Known(account) => vec![IndexReport::Known { account, seen: Vec::new() }],
            IndexJob::Find { ticket, .. } => vec![IndexReport::Found { ticket, places: Vec::new() }],
        }
    }

    fn count(&self, id: &MailboxId) -> MailboxRow {
        let mails = self.in_list(&Source::Mailbox(id.clone()));
        let unread = mails.iter().filter(|mail| !mail.flags.has(Flag::Seen)).count();
        let view = self.views.iter().find(|view| view.mailbox == *id);
        MailboxRow {
            mailbox: id.clone(),
            role: view.map_or_else(|| Role::guess(&id.name), |view| view.role),
            total: mails.len() as u64,
            unread: unread as u64,
            shows: view.map(|view| Shows { label: view.label.clone(), home: view.home.clone() }),
        }
    }

    fn changed(&self, places: &[Place]) -> Vec<FilesReport> {
        let mut by_mailbox: BTreeMap<MailboxId, Vec<PlaceChange>> = BTreeMap::new();
        for place in places {
            let now = self.mails.iter().find(|mail| mail.place == *place);
            let now = now.map(|mail| PlaceFile {
                path: place.unique.as_str().into(),
                flags: mail.flags.clone(),
                tells: None,
            });
            by_mailbox
                .entry(place.mailbox.clone())
                .or_default()
                .push(PlaceChange { unique: place.unique.clone(), now });
        }
        by_mailbox.into_iter().map(|(mailbox, places)| FilesReport::Changed(Changed { mailbox, places })).collect()
    }

    fn files(&mut self, job: FilesJob) -> Vec<FilesReport> {
        match job {
            FilesJob::Open { ticket, place, .. } => match self.mails.iter().find(|mail| mail.place == place) {
                Some(mail) => vec![FilesReport::Opened { ticket, document: Arc::new(document(mail)), place }],
                None => {
                    vec![FilesReport::Failed { ticket, fault: Fault::new(Doing::Reading, "message", Cause::Missing) }]
                }
            },
            FilesJob::Read { ticket, place } => {
                let bytes = format!("Subject: raw\r\nX-Source: {}\r\n\r\nbody\r\n", place.unique.as_str());
                vec![FilesReport::Bytes { ticket, place, bytes: Arc::from(bytes.into_bytes()) }]
            }
            FilesJob::SetFlags { places, add, remove, .. } => {
                for mail in self.mails.iter_mut().filter(|mail| places.contains(&mail.place)) {
                    mail.flags = mail.flags.union(&add).minus(&remove);
                }
                self.changed(&places)
            }
            FilesJob::Move { ticket, places, to } => {
                if !self.mailboxes.contains(&to) {
                    self.mailboxes.push(to.clone());
                }
                let mut pairs = Vec::new();
                for place in &places {
                    self.moves += 1;
                    let unique = UniqueName::new(&format!("{}.{}", place.unique.as_str(), self.moves)).unwrap();
                    let new = Place { mailbox: to.clone(), unique };
                    if let Some(mail) = self.mails.iter_mut().find(|mail| mail.place == *place) {
                        mail.place = new.clone();
                        mail.flags = mail.flags.without_labels();
                        pairs.push((place.clone(), new));
                    }
                }
                let all: Vec<Place> = pairs.iter().flat_map(|(from, to)| [from.clone(), to.clone()]).collect();
                let mut reports = self.changed(&all);
                reports.push(FilesReport::Moved { ticket, places: pairs });
                reports
            }
            FilesJob::Delete { places, .. } => {
                self.mails.retain(|mail| !places.contains(&mail.place));
                self.changed(&places)
            }
            FilesJob::SavePart { ticket, directory, part, purpose, .. } => {
                let path = directory.join(format!("part{}", part.unwrap_or(0)));
                vec![FilesReport::Saved { ticket, path, purpose }]
            }
            FilesJob::Arrange { ticket, mailbox, order } => vec![self.arrange(ticket, mailbox, order)],
            FilesJob::Scan { account, .. } => {
                let mailboxes = self.mailboxes.iter().filter(|id| id.account == account).cloned().collect();
                vec![FilesReport::Folders { account: account.clone(), mailboxes }, FilesReport::Scanned { account }]
            }
            FilesJob::Quote { ticket, place } => match self.mails.iter().find(|mail| mail.place == place) {
                Some(mail) => vec![FilesReport::Quoted { ticket, source: Arc::new(source(mail)), place }],
                None => {
                    vec![FilesReport::Failed { ticket, fault: Fault::new(Doing::Reading, "message", Cause::Missing) }]
                }
            },
            FilesJob::Deliver { ticket, mailbox, bytes, flags, replaces } => {
                let read = answer::read(&bytes, &TimeZone::UTC);
                let mail = self.add(mailbox.account.as_str(), mailbox.name.as_str(), "To: someone", &read.subject);
                (mail.flags, mail.bytes, mail.ago) = (flags, Some(bytes), 0);
                let place = mail.place.clone();
                self.mails.retain(|mail| Some(&mail.place) != replaces.as_ref());
                let mut reports = self.changed(&replaces.into_iter().chain([place.clone()]).collect::<Vec<_>>());
                reports.push(FilesReport::Stored { ticket, place });
                reports
            }
            FilesJob::Look { ticket, path } => {
                let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                if self.names.contains(&name) {
                    return vec![FilesReport::Looked { ticket, path, size: 84_000 }];
                }
                let fault = Fault::new(Doing::Reading, &path.to_string_lossy(), Cause::Missing);
                vec![FilesReport::Failed { ticket, fault: fault.detail("No such file or directory") }]
            }
            FilesJob::Complete { ticket, start, .. } => {
                let names = self.names.iter().filter(|name| name.starts_with(&start)).cloned().collect();
                vec![FilesReport::Names { ticket, names }]
            }
            FilesJob::KeepDraft(draft) => {
                let id = draft.id.clone();
                self.journal.insert(id.clone(), *draft);
                vec![FilesReport::Kept { draft: id }]
            }
            FilesJob::DropDraft(id) => {
                self.journal.remove(&id);
                Vec::new()
            }
            FilesJob::ListDrafts => vec![FilesReport::Drafts(self.journal.values().cloned().collect())],
        }
    }

    fn arrange(&mut self, ticket: Ticket, mailbox: MailboxId, order: FolderOrder) -> FilesReport {
        let done = match order {
            FolderOrder::Make => {
                self.mailboxes.push(mailbox.clone());
                FolderDone::Made
            }
            FolderOrder::Rename(to) => {
                let mut renamed = Vec::new();
                for id in self.mailboxes.iter_mut().filter(|id| id.account == mailbox.account) {
                    if let Some(to) = mailbox.name.carried(&id.name, &to) {
                        let from = std::mem::replace(&mut id.name, to.clone());
                        let is_empty = !self.mails.iter().any(|mail| mail.place.mailbox.name == from);
                        renamed.push(RenamedFolder { directory: to.as_str().into(), from, to, is_empty });
                    }
                }
                renamed.sort_by(|a, b| a.from.cmp(&b.from));
                for mail in self.mails.iter_mut().filter(|mail| mail.place.mailbox.account == mailbox.account) {
                    if let Some(one) = renamed.iter().find(|one| one.from == mail.place.mailbox.name) {
                        mail.place.mailbox.name = one.to.clone();
                    }
                }
                FolderDone::Renamed(renamed)
            }
            FolderOrder::Remove { at_most } => {
                let kept = self.mails.iter().filter(|mail| mail.place.mailbox == mailbox).count();
                if kept > at_most {
                    let fault = Fault::new(Doing::Storing, mailbox.name.as_str(), Cause::Refused);
                    let fault = fault.detail(&format!("{kept} messages are in it; nothing was deleted"));
                    return FilesReport::Failed { ticket, fault };
                }
                self.mails.retain(|mail| mail.place.mailbox != mailbox);
                self.mailboxes.retain(|id| *id != mailbox);
                FolderDone::Removed { kept }
            }
        };
        FilesReport::Arranged { ticket, mailbox, done }
    }

    fn entries(&self) -> OutboxReport {
        OutboxReport::Entries(self.outbox.iter().map(|(entry, _)| entry.clone()).collect())
    }

    fn outbox(&mut self, job: OutboxJob) -> Vec<OutboxReport> {
        let mut reports = Vec::new();
        match job {
            OutboxJob::QueueDraft { draft, hold_until } => {
                if let Some(file) = draft.attachments.iter().find(|file| !self.names.contains(&file.name)) {
                    let fault = Fault::new(Doing::Queueing, &file.name, Cause::Missing).detail("No such file");
                    return vec![OutboxReport::NotQueued { draft: Some(draft.id), fault }];
                }
                let state = hold_until.map_or(EntryState::Queued, |until| EntryState::Held(Some(until)));
                let entry = entry(&format!("e{}", self.outbox.len()), &draft.subject, &draft.to, state);
                let queued =
                    OutboxReport::Queued { entry: entry.id.clone(), draft: Some(draft.id.clone()), hold_until };
                self.outbox.push((entry, *draft));
                reports.push(queued);
            }
            OutboxJob::Recall(id) => {
                if let Some(at) = self.outbox.iter().position(|(entry, _)| entry.id == id) {
                    reports.push(OutboxReport::Returned(Box::new(self.outbox.remove(at).1)));
                }
            }
            OutboxJob::Remove(id) => self.outbox.retain(|(entry, _)| entry.id != id),
            OutboxJob::Hold(id, hold) => {
                for (entry, _) in self.outbox.iter_mut().filter(|(entry, _)| entry.id == id) {
                    entry.state = if hold { EntryState::Held(None) } else { EntryState::Queued };
                }
            }
            OutboxJob::List
            | OutboxJob::Queue(_)
            | OutboxJob::Retry(_)
            | OutboxJob::RetryAll
            | OutboxJob::Resolve(..)
            | OutboxJob::Wake
            | OutboxJob::Password { .. } => {}
        }
        reports.push(self.entries());
        reports
    }
}

/// Somebody whom the index knows.
pub(crate) fn person(written: &str) -> Suggestion {
    let used = Use { sent: 3, ..Use::default() };
    Suggestion { addresses: tern::mail::address::parse_list(written), group: None, used }
}

/// An entry of the outbox.
pub(crate) fn entry(id: &str, subject: &str, to: &str, state: EntryState) -> Entry {
    let verdict = match &state {
        EntryState::Failed { why } => Verdict::Refused(why.clone()),
        EntryState::Deferred { why, .. } => Verdict::Deferred(why.clone()),
        _ => Verdict::Pending,
    };
    Entry {
        id: EntryId::new(id).unwrap(),
        account: AccountId::new("ada"),
        recipients: vec![(Clean::line(to), verdict)],
        subject: Clean::line(subject),
        state,
        queued_at: Timestamp::new(NOW),
        size: 1234,
        transcript: Vec::new(),
    }
}

/// What an answer needs of a message.
fn source(mail: &Mail) -> answer::Source {
    if let Some(bytes) = &mail.bytes {
        return answer::read(bytes, &TimeZone::UTC);
    }
    let document = document(mail);
    answer::Source {
        from: document.from,
        to: mail.to.clone(),
        cc: mail.cc.clone(),
        subject: mail.subject.clone(),
        date: Timestamp::new(NOW - mail.ago),
        message_id: MessageId::new(&format!("<{}@example.org>", mail.id)),
        lines: document.lines,
        attachments: mail.attachments.len(),
        ..answer::Source::default()
    }
}

fn matches(mail: &Mail, query: &Query) -> bool {
    match query {
        Query::And(all) => all.iter().all(|one| matches(mail, one)),
        Query::Or(some) => some.iter().any(|one| matches(mail, one)),
        Query::Not(one) => !matches(mail, one),
        Query::Text { pattern: Pattern::Word(word) | Pattern::Prefix(word) | Pattern::Phrase(word), .. } => {
            format!("{} {}", mail.who, mail.subject).to_lowercase().contains(&word.to_lowercase())
        }
        _ => true,
    }
}

fn row(mail: &Mail) -> Row {
    Row {
        message: RowId(mail.id),
        thread: ThreadId(mail.thread),
        place: mail.place.clone(),
        mailbox: mail.place.mailbox.clone(),
        who: Clean::line(&mail.who),
        subject: Clean::line(&mail.subject),
        date: Timestamp::new(NOW - mail.ago),
        flags: mail.flags.clone(),
        attachment: !mail.attachments.is_empty(),
        list: false,
        messages: 1,
        unread: u32::from(!mail.flags.has(Flag::Seen)),
        size: 1234,
        depth: 0,
    }
}

fn document(mail: &Mail) -> Document {
    let line = |(quote, text): &(u8, String)| Line {
        quote: *quote,
        spans: vec![Span { text: Clean::line(text), ..Span::default() }],
        ..Line::default()
    };
    let part = |name: &String| Attachment {
        name: Clean::line(name),
        media_type: Clean::line("application/pdf"),
        size: 84_000,
        inline: false,
    };
    Document {
        headers: vec![
            (Clean::line("From"), Clean::line(&mail.who)),
            (Clean::line("Subject"), Clean::line(&mail.subject)),
        ],
        all_headers: vec![(Clean::line("X-Mailer"), Clean::line("a machine"))],
        from: vec![Address { name: mail.who.clone(), email: "who@example.org".to_owned() }],
        subject: Clean::line(&mail.subject),
        lines: mail.lines.iter().map(line).collect(),
        links: mail.links.iter().map(|link| Link { target: Clean::line(link), mismatch: false }).collect(),
        attachments: mail.attachments.iter().map(part).collect(),
        ..Document::default()
    }
}

/// A person before a screen.
pub(crate) struct Driver {
    pub(crate) model: Model,
    pub(crate) world: World,
    pub(crate) theme: Theme,
    pub(crate) terminal: Terminal<TestBackend>,
    /// Jobs for those whom the world does not play: sync, outbox, the shell.
    pub(crate) outside: Vec<Job>,
    /// Are the jobs kept waiting?
    pub(crate) hold: bool,
    /// Does the thread `files` refuse every change?
    pub(crate) broken: bool,
    /// What was drawn last.
    pub(crate) cells: Buffer,
    waiting: VecDeque<Job>,
    viewport: Viewport,
}

/// A config with these accounts.
pub(crate) fn config(accounts: &[&str]) -> Config {
    let account = |name: &&str| {
        format!(
            "[accounts.{name}]\naddress = \"{name}@example.org\"\nmaildir = \"~/Mail/{name}\"\n\
             imap = {{ host = \"imap.example.org\" }}\nsmtp = {{ host = \"smtp.example.org\" }}\npassword = {{ prompt = true }}\n"
        )
    };
    let text = format!(
        "[ui]\nconversations = false\nmark_read_after = 0\n{}",
        accounts.iter().map(account).collect::<String>()
    );
    let mut config = config::parse(&text, &Paths::under(Path::new("/home/ada")));
    config.problems.clear();
    config.ui.conversations = false;
    config.ui.mark_read_after = Some(0);
    config
}

impl Driver {
    pub(crate) fn new(world: World, accounts: &[&str], (width, height): (u16, u16)) -> Self {
        Self::with_config(world, &config(accounts), (width, height))
    }

    pub(crate) fn with_config(world: World, config: &Config, (width, height): (u16, u16)) -> Self {
        let (model, jobs) = Model::new(config, Keymap::standard(), Timestamp::new(NOW), TimeZone::UTC);
        let theme = Theme::terminal(Depth::Ansi16).with_glyphs(Glyphs::ASCII);
        let mut driver = Self {
            model,
            world,
            theme,
            terminal: Terminal::new(TestBackend::new(width, height)).unwrap(),
            outside: Vec::new(),
            hold: false,
            broken: false,
            cells: Buffer::default(),
            waiting: VecDeque::from(jobs),
            viewport: Viewport::default(),
        };
        driver.settle();
        driver
    }

    /// Presses keys, written as in the config.
    pub(crate) fn press(&mut self, keys: &str) -> &mut Self {
        for word in keys.split_whitespace() {
            for key in word.parse::<Keys>().unwrap().0 {
                self.event(Event::Key(key));
            }
        }
        self
    }

    /// Types text, letter by letter.
    pub(crate) fn type_text(&mut self, text: &str) -> &mut Self {
        for c in text.chars() {
            self.event(Event::Key(Key::char(c)));
        }
        self
    }

    pub(crate) fn event(&mut self, event: Event) -> &mut Self {
        let jobs = update(&mut self.model, event);
        self.waiting.extend(jobs);
        self.settle();
        self
    }

    pub(crate) fn report(&mut self, report: Report) -> &mut Self {
        self.event(Event::Report(report))
    }

    /// Lets the clock run.
    pub(crate) fn wait(&mut self, seconds: i64) -> &mut Self {
        let now = self.model.now.plus(seconds);
        self.event(Event::Tick { now })
    }

    /// Lets the workers work again.
    pub(crate) fn release(&mut self) -> &mut Self {
        self.hold = false;
        self.settle();
        self
    }

    fn settle(&mut self) {
        for _ in 0..1000 {
            self.draw();
            if self.hold {
                return;
            }
            let Some(job) = self.waiting.pop_front() else { return };
            for report in self.answer(job) {
                let jobs = update(&mut self.model, Event::Report(report));
                self.waiting.extend(jobs);
            }
        }
        panic!("the jobs never end");
    }

    fn answer(&mut self, job: Job) -> Vec<Report> {
        match job {
            Job::Index(job) => self.world.index(job).into_iter().map(Report::Index).collect(),
            Job::Files(job) if self.broken => refuse(&job),
            Job::Outbox(job) => {
                self.outside.push(Job::Outbox(job.clone()));
                self.world.outbox(job).into_iter().map(Report::Outbox).collect()
            }
            Job::Files(job) => self.world.files(job).into_iter().map(Report::Files).collect(),
            Job::Sync(SyncJob::Wish { ticket, mailbox, wish }) => {
                self.outside.push(Job::Sync(SyncJob::Wish { ticket, mailbox: mailbox.clone(), wish }));
                vec![Report::Sync(SyncReport::Wished { ticket, mailbox, wish, result: Ok(()) })]
            }
            other => {
                self.outside.push(other.clone());
                let Job::Sync(job) = other else { return Vec::new() };
                World::notes(job, self.broken).map(Report::Sync).into_iter().collect()
            }
        }
    }

    fn draw(&mut self) {
        for _ in 0..3 {
            let mut viewport = Viewport::default();
            let drawn = self.terminal.draw(|frame| viewport = ui::view(&self.model, &self.theme, frame)).unwrap();
            self.cells = drawn.buffer.clone();
            if viewport == self.viewport {
                return;
            }
            self.viewport = viewport;
            let jobs = update(&mut self.model, Event::Viewport(viewport));
            self.waiting.extend(jobs);
        }
        panic!("the drawing never settles");
    }

    /// The screen as text, without blanks at the ends of lines.
    pub(crate) fn screen(&self) -> String {
        let buffer = &self.cells;
        let width = usize::from(buffer.area.width);
        let mut text = String::new();
        for row in buffer.content().chunks(width) {
            let mut skip = 0;
            let mut line = String::new();
            for cell in row {
                if skip == 0 {
                    line.push_str(cell.symbol());
                    skip = unicode_width::UnicodeWidthStr::width(cell.symbol()).saturating_sub(1);
                } else {
                    skip -= 1;
                }
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    /// What is marked as found, piece by piece.
    pub(crate) fn marked(&self) -> Vec<String> {
        let mut pieces: Vec<String> = Vec::new();
        let mut open = false;
        for cell in self.cells.content() {
            let is = cell.bg == self.theme.matched.bg.unwrap_or(cell.bg)
                && cell.modifier.contains(self.theme.matched.add_modifier)
                && cell.style() == cell.style().patch(self.theme.matched);
            match pieces.last_mut() {
                Some(piece) if is && open => piece.push_str(cell.symbol()),
                _ if is => pieces.push(cell.symbol().to_owned()),
                _ => {}
            }
            open = is;
        }
        pieces
    }

    /// The screen says this somewhere.
    #[track_caller]
    pub(crate) fn expect(&mut self, text: &str) -> &mut Self {
        let screen = self.screen();
        assert!(screen.contains(text), "`{text}` is not on the screen:\n{screen}");
        self
    }

    /// The screen says this nowhere.
    #[track_caller]
    pub(crate) fn expect_no(&mut self, text: &str) -> &mut Self {
        let screen = self.screen();
        assert!(!screen.contains(text), "`{text}` is on the screen:\n{screen}");
        self
    }

    /// The outbox sends what is in it.
    pub(crate) fn send_all(&mut self) -> &mut Self {
        for (entry, draft) in std::mem::take(&mut self.world.outbox) {
            let account = entry.account.clone();
            let sent = OutboxReport::Sent {
                entry: entry.id,
                account,
                subject: entry.subject,
                answers: draft.in_reply_to,
                forwards: None,
            };
            self.report(Report::Outbox(sent));
        }
        let entries = self.world.entries();
        self.report(Report::Outbox(entries))
    }

    /// What is being written.
    pub(crate) fn draft(&self) -> Draft {
        let compose = self.model.compose.as_ref().expect("nothing is being written");
        Draft { body: compose.editor.text(), ..compose.draft.clone() }
    }

    /// The subject under the cursor.
    pub(crate) fn at(&self) -> String {
        self.model.list.current().map_or_else(String::new, |row| row.subject.to_string())
    }

    /// The subjects of a mailbox, newest first.
    pub(crate) fn subjects(&self, account: &str, name: &str) -> Vec<String> {
        let mails = self.world.in_list(&Source::Mailbox(mailbox(account, name)));
        mails.into_iter().map(|mail| mail.subject.clone()).collect()
    }
}

fn refuse(job: &FilesJob) -> Vec<Report> {
    let fault = Fault::new(Doing::Storing, "INBOX", Cause::DiskFull);
    match job {
        FilesJob::SetFlags { ticket, .. }
        | FilesJob::Move { ticket, .. }
        | FilesJob::Delete { ticket, .. }
        | FilesJob::Arrange { ticket, .. } => {
            vec![Report::Files(FilesReport::Failed { ticket: *ticket, fault })]
        }
        _ => Vec::new(),
    }
}
