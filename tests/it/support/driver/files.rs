//! What the world answers as the thread `files`: messages opened, flagged, moved and written, and
//! folders arranged; and how it refuses all that.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::tz::TimeZone;

use tern::fault::{Cause, Doing, Fault};
use tern::job::files::{FilesJob, FilesReport, FolderDone, FolderOrder, RenamedFolder, SearchOrder};
use tern::job::{Changed, PlaceChange, PlaceFile, Report, Ticket};
use tern::mail::address::Address;
use tern::mail::answer;
use tern::mail::clean::Clean;
use tern::mail::document::{Attachment, Document, Line, Link, Span};
use tern::mail::ids::{MessageId, Timestamp};
use tern::mail::place::{MailboxId, Place, UniqueName};

use super::NOW;
use super::world::{Mail, World};

impl World {
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

    /// The message as it would lie on disk.
    fn raw(&self, place: &Place) -> String {
        let mail = self.mails.iter().find(|mail| mail.place == *place);
        let list = mail.and_then(|mail| mail.list.as_ref()).map(|list| format!("List-Id: <{list}>\r\n"));
        format!(
            "Subject: raw\r\nX-Source: {}\r\nFrom: who@example.org\r\n{}\r\nbody\r\n",
            place.unique.as_str(),
            list.unwrap_or_default()
        )
    }

    pub(super) fn files(&mut self, job: FilesJob) -> Vec<FilesReport> {
        match job {
            FilesJob::Open { ticket, place, .. } => match self.mails.iter().find(|mail| mail.place == place) {
                Some(mail) => vec![FilesReport::Opened { ticket, document: Arc::new(document(mail)), place }],
                None => {
                    vec![FilesReport::Failed { ticket, fault: Fault::new(Doing::Reading, "message", Cause::Missing) }]
                }
            },
            FilesJob::Read { ticket, place } => {
                let bytes = self.raw(&place);
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
                vec![
                    FilesReport::Folders { account: account.clone(), mailboxes },
                    FilesReport::Scanned { account, moved: false },
                ]
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
            FilesJob::Searches { ticket, order } => {
                self.order_searches(order);
                vec![FilesReport::Searches { ticket, kept: self.searches.clone() }]
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

    fn order_searches(&mut self, order: SearchOrder) {
        let is = |name: &str, other: &str| name.to_lowercase() == other.to_lowercase();
        match order {
            SearchOrder::Tell => {}
            SearchOrder::Keep(search) => {
                self.searches.retain(|known| !is(&known.name, &search.name));
                self.searches.push(search);
            }
            SearchOrder::Rename { from, to } => {
                for known in self.searches.iter_mut().filter(|known| is(&known.name, &from)) {
                    known.name.clone_from(&to);
                }
            }
            SearchOrder::Remove(name) => self.searches.retain(|known| !is(&known.name, &name)),
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
    let cc = mail.cc.iter().map(|address| address.email.as_str()).collect::<Vec<_>>().join(", ");
    Document {
        headers: [("From", &mail.who), ("Cc", &cc), ("Subject", &mail.subject)]
            .into_iter()
            .filter(|(name, value)| *name != "Cc" || !value.is_empty())
            .map(|(name, value)| (Clean::line(name), Clean::line(value)))
            .collect(),
        all_headers: vec![(Clean::line("X-Mailer"), Clean::line("a machine"))],
        list: mail.list.as_deref().map(Clean::line),
        from: vec![Address { name: mail.who.clone(), email: "who@example.org".to_owned() }],
        subject: Clean::line(&mail.subject),
        lines: mail.lines.iter().map(line).collect(),
        links: mail.links.iter().map(|link| Link { target: Clean::line(link), mismatch: false }).collect(),
        attachments: mail.attachments.iter().map(part).collect(),
        ..Document::default()
    }
}

/// What the thread answers where every change fails.
pub(super) fn refuse(job: &FilesJob) -> Vec<Report> {
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
