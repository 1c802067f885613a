//! The review before a message goes: what is wrong with it, what can still be changed, and the ways
//! out: send, keep, throw away.

use std::path::{Path, PathBuf};

use crate::job::files::FilesJob;
use crate::job::outbox::OutboxJob;
use crate::job::{Job, OutboxReport, SyncJob};
use crate::keys::{Action, Bound};
use crate::mail::build::{self, Stamp};
use crate::mail::clean::Clean;
use crate::mail::draft::{Draft, DraftAttachment, DraftKind};
use crate::mail::flags::{Flag, Flags};

use super::compose::{After, Compose, Note, Part, rejected};
use super::field::Field;
use super::suggest::Suggestions;
use super::undo::Reverse;
use super::{Ask, Level, Model, Overlay, Question, files};

/// Words that promise an attachment, in a few languages.
const PROMISES: [&str; 14] = [
    "attached",
    "attachment",
    "enclosed",
    "angehängt",
    "im anhang",
    "anbei",
    "beigefügt",
    "ci-joint",
    "pièce jointe",
    "adjunto",
    "in allegato",
    "bijlage",
    "bifogad",
    "w załączniku",
];

/// More bytes of attachments than this are refused by many servers.
const HEAVY: u64 = 20 << 20;
/// More recipients than this are worth a word.
const MANY: usize = 20;

impl Model {
    /// Carries out an action of the screen on which a message is written.
    pub(super) fn compose_action(&mut self, bound: Bound) -> Vec<Job> {
        match bound.action {
            Action::EditorDone => self.review(),
            Action::NextField => self.compose_tab(true),
            Action::PreviousField => self.compose_tab(false),
            Action::TakeSuggestion | Action::NextSuggestion | Action::PreviousSuggestion | Action::CloseSuggestions => {
                self.suggestion_action(bound)
            }
            Action::Send => self.send(true),
            Action::SendAtOnce => self.send(false),
            Action::EditBody => self.edit_body(),
            Action::EditTo => self.edit_field(Field::To, After::Review),
            Action::EditCc => self.edit_field(Field::Cc, After::Review),
            Action::EditBcc => self.edit_field(Field::Bcc, After::Review),
            Action::EditReplyTo => self.edit_field(Field::ReplyTo, After::Review),
            Action::EditSubject => self.edit_field(Field::Subject, After::Review),
            Action::EditFrom => self.next_identity(),
            Action::Attach => {
                self.ask_file();
                Vec::new()
            }
            Action::RemindDraft => {
                self.choose_draft_reminder();
                Vec::new()
            }
            Action::Detach => self.detach(bound.count),
            Action::KeepDraft => self.close_compose(),
            Action::Discard => {
                self.overlay = Some(Overlay::Ask(Ask { question: Question::Discard }));
                Vec::new()
            }
            Action::ScrollDown => self.scroll_review(1),
            Action::ScrollUp => self.scroll_review(-1),
            _ => self.anywhere(bound),
        }
    }

    fn scroll_review(&mut self, lines: isize) -> Vec<Job> {
        if let Some(compose) = &mut self.compose {
            compose.top = compose.top.saturating_add_signed(lines).min(compose.editor.len().saturating_sub(1));
        }
        Vec::new()
    }

    /// Looks at the message before it goes.
    pub(super) fn review(&mut self) -> Vec<Job> {
        let Some(compose) = &mut self.compose else { return Vec::new() };
        let mut draft = compose.current();
        for field in Field::ALL {
            let text = field.trimmed(field.of(&draft)).to_owned();
            field.set(&mut draft, &text);
        }
        let own = self.config.accounts.iter().find(|account| account.id == draft.account);
        compose.notes = notes(&draft, self.config.compose.attachment_reminder, |email| {
            own.is_some_and(|account| account.is_own(email))
        });
        compose.notes.extend(compose.more_notes(&draft));
        compose.draft = draft;
        compose.part = Part::Review;
        compose.suggestions = Suggestions::default();
        compose.after = After::Review;
        compose.warned = false;
        self.keep_draft()
    }

    /// From: the next of the user's addresses.
    fn next_identity(&mut self) -> Vec<Job> {
        let plain = |alias: &&String| !alias.contains('*');
        let identities: Vec<_> = self
            .config
            .accounts
            .iter()
            .filter(|account| account.submit.is_some())
            .flat_map(|account| {
                let name = account.address.name.clone();
                let aliases = account.aliases.iter().filter(plain).cloned();
                std::iter::once(account.address.email.clone())
                    .chain(aliases)
                    .map(move |email| (account.id.clone(), crate::mail::address::Address { name: name.clone(), email }))
            })
            .collect();
        if let Some(compose) = &mut self.compose {
            let at = identities.iter().position(|(_, address)| *address == compose.draft.from);
            let next = at.map_or(0, |at| at + 1) % identities.len().max(1);
            if let Some((account, address)) = identities.into_iter().nth(next) {
                (compose.draft.account, compose.draft.from) = (account, address);
            }
        }
        self.review()
    }

    /// Adds a file.
    pub(super) fn attach(&mut self, path: PathBuf) {
        let Some(compose) = &mut self.compose else { return };
        let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let media_type = media_type(&path).to_owned();
        compose.draft.attachments.push(DraftAttachment { path, name, media_type });
        if compose.part == Part::Review {
            self.review();
        }
    }

    /// Takes off the file of that number, else the last one.
    fn detach(&mut self, number: Option<u32>) -> Vec<Job> {
        let removed = self.compose.as_mut().and_then(|compose| {
            let files = &mut compose.draft.attachments;
            match number.and_then(|number| usize::try_from(number).ok()) {
                Some(number) => (1..=files.len()).contains(&number).then(|| files.remove(number - 1)),
                None => files.pop(),
            }
        });
        let Some(file) = removed else {
            let why = if number.is_some() { "No file of that number is attached" } else { "Nothing is attached" };
            self.say(Level::Info, why);
            return Vec::new();
        };
        self.say(Level::Info, &format!("No longer attached: {}", Clean::line(&file.name)));
        self.review()
    }

    /// Hands the message to the outbox; with `wait`, after the time in which it can be taken back.
    fn send(&mut self, wait: bool) -> Vec<Job> {
        let kept = self.review_before_sending();
        let Some(compose) = &mut self.compose else { return kept };
        if let Some(blocking) = compose.notes.iter().find(|note| note.blocks) {
            let text = blocking.text.clone();
            self.say(Level::Warn, &format!("Cannot be sent: {text}"));
            return kept;
        }
        if !compose.notes.is_empty() && !compose.warned {
            compose.warned = true;
            let key = self.keymap.key_of(self.screen_context(), Action::Send).unwrap_or_default();
            self.say(Level::Warn, &format!("Look at the lines marked `!`; {key} again sends it all the same"));
            return kept;
        }
        let Some(compose) = self.compose.take() else { return kept };
        let draft = compose.current();
        self.leave_compose(compose.back);
        let window = i64::from(self.config.compose.undo_send);
        let hold_until = (wait && window > 0).then(|| self.now.plus(window));
        self.writing.leaving.push(draft.clone());
        let mut jobs = kept;
        jobs.push(Job::Outbox(OutboxJob::QueueDraft { draft: Box::new(draft), hold_until }));
        jobs
    }

    /// The notes as they are now, without forgetting that they were seen.
    fn review_before_sending(&mut self) -> Vec<Job> {
        let warned = self.compose.as_ref().is_some_and(|compose| compose.warned);
        let jobs = self.review();
        if let Some(compose) = &mut self.compose {
            compose.warned = warned;
        }
        jobs
    }

    /// Closes the message and keeps it: in the Drafts folder where it can be written as a message,
    /// else in the journal. One that nothing was typed into is as it was before: nowhere, or in the
    /// Drafts folder.
    pub(super) fn close_compose(&mut self) -> Vec<Job> {
        let mut jobs = self.review();
        let Some(compose) = self.compose.take() else { return jobs };
        self.leave_compose(compose.back);
        if compose.is_untouched() {
            jobs.push(files(FilesJob::DropDraft(compose.draft.id)));
            return jobs;
        }
        let draft = compose.current();
        if let Some(job) = self.file_draft(&draft) {
            jobs.push(job);
        } else {
            self.say(Level::Info, "Kept on this machine: it has attachments, or a word that is no address");
            self.writing.unsent.push(draft);
        }
        jobs
    }

    /// The job that puts a draft into the Drafts folder, where it can be a message.
    fn file_draft(&mut self, draft: &Draft) -> Option<Job> {
        let mailbox = self.drafts_mailbox(draft)?;
        let offset_minutes = self.zone.to_offset(jiff::Timestamp::from_second(self.now.get()).ok()?).seconds() / 60;
        let message_id = build::message_id(&draft.id, &draft.from)?;
        let stamp = Stamp { date: self.now, offset_minutes, message_id };
        let bytes = build::unfinished(draft, &stamp)?;
        let ticket = self.ticket();
        self.writing.filing = Some((ticket, draft.clone()));
        let flags = Flags::only(Flag::Draft).with(Flag::Seen);
        let replaces = draft.kept_as.clone();
        Some(files(FilesJob::Deliver { ticket, mailbox, bytes: bytes.into(), flags, replaces }))
    }

    /// Throws the message away, after the question.
    pub(super) fn discard(&mut self) -> Vec<Job> {
        let Some(compose) = self.compose.take() else { return Vec::new() };
        self.leave_compose(compose.back);
        self.say(Level::Ok, "Thrown away");
        self.drop_everywhere(compose.draft)
    }

    /// A draft is not needed any more: neither in the journal nor in the Drafts folder.
    fn drop_everywhere(&mut self, draft: Draft) -> Vec<Job> {
        let ticket = self.ticket();
        let kept = draft.kept_as.map(|place| files(FilesJob::Delete { ticket, places: vec![place] }));
        std::iter::once(files(FilesJob::DropDraft(draft.id))).chain(kept).collect()
    }

    /// What the outbox says about messages that were written here.
    pub(super) fn sending_report(&mut self, report: OutboxReport) -> Vec<Job> {
        match report {
            OutboxReport::Queued { entry, draft, hold_until } => {
                let at = self.writing.leaving.iter().position(|leaving| Some(&leaving.id) == draft.as_ref());
                let Some(at) = at else { return Vec::new() };
                let draft = self.writing.leaving.remove(at);
                match hold_until {
                    Some(until) => self.status.leaves(entry.clone(), until),
                    None => self.say(Level::Ok, "Queued"),
                }
                self.undo.remember("Sent".to_owned(), vec![Reverse::Recall(entry)]);
                let awaited = draft.remind_at.map(|_| Job::Sync(SyncJob::TellNotes));
                let mut jobs: Vec<Job> = awaited.into_iter().collect();
                jobs.extend(self.drop_everywhere(draft));
                jobs
            }
            OutboxReport::NotQueued { draft, fault } => {
                let at = self.writing.leaving.iter().position(|leaving| Some(&leaving.id) == draft.as_ref());
                let Some(draft) = at.map(|at| self.writing.leaving.remove(at)) else {
                    self.status.fault(self.now, &fault);
                    return Vec::new();
                };
                let id = draft.id.clone();
                let jobs = self.bring_back(draft);
                self.say(Level::Warn, &format!("Not sent: {fault}"));
                if let Some(compose) = self.compose.as_mut().filter(|compose| compose.draft.id == id) {
                    compose.notes.push(Note { blocks: false, text: Clean::line(&fault.to_string()) });
                }
                jobs
            }
            OutboxReport::Returned(draft) => {
                let mut draft = *draft;
                // Its copy in the Drafts folder went when it was queued.
                draft.kept_as = None;
                let keep = files(FilesJob::KeepDraft(Box::new(draft.clone())));
                let busy = self.compose.is_some();
                let mut jobs = self.bring_back(draft);
                jobs.push(keep);
                if !busy {
                    self.say(Level::Ok, "Taken back: it was not sent");
                }
                jobs
            }
            _ => Vec::new(),
        }
    }

    /// A message comes back to be edited.
    fn bring_back(&mut self, draft: Draft) -> Vec<Job> {
        if self.compose.is_some() {
            self.writing.unsent.push(draft);
            let keys = self.keymap.key_of(crate::keys::Context::List, Action::ResumeUnsent).unwrap_or_default();
            self.say(Level::Warn, &format!("Another message came back; {keys} goes on with it after this one"));
            return Vec::new();
        }
        self.open_compose(draft, 0, Part::Review);
        self.review()
    }
}

/// What the author should look at before the message goes.
fn notes(draft: &Draft, remind: bool, is_own: impl Fn(&str) -> bool) -> Vec<Note> {
    let mut notes = Vec::new();
    let mut note = |blocks: bool, text: &str| notes.push(Note { blocks, text: Clean::line(text) });
    for field in [Field::To, Field::Cc, Field::Bcc, Field::ReplyTo] {
        for word in rejected(field.of(draft)) {
            note(true, &format!("{}: `{word}` is no address", field.title()));
        }
    }
    let recipients: Vec<_> = [&draft.to, &draft.cc, &draft.bcc]
        .into_iter()
        .flat_map(|text| crate::mail::address::parse_typed(text).addresses)
        .collect();
    if recipients.is_empty() {
        note(true, "there is no recipient");
    }
    if recipients.len() > MANY {
        note(false, &format!("it goes to {} addresses", recipients.len()));
    }
    if draft.subject.trim().is_empty() {
        note(false, "the subject is empty");
    }
    let own = own_words(&draft.body);
    if own.trim().is_empty() && draft.attachments.is_empty() {
        note(false, "there is no text");
    }
    let promised = PROMISES.iter().find(|word| own.to_lowercase().contains(*word));
    if let Some(word) = promised.filter(|_| remind && draft.attachments.is_empty()) {
        note(false, &format!("you wrote \"{word}\", and nothing is attached"));
    }
    if !is_own(&draft.from.email) {
        note(false, &format!("{} is none of the account's addresses", draft.from.email));
    }
    notes
}

/// The text without quotes, attribution and signature.
fn own_words(body: &str) -> String {
    let above = body.split("\n-- \n").next().unwrap_or_default();
    let quoted = |line: &&str| line.starts_with('>') || line.ends_with(" wrote:");
    above.lines().filter(|line| !quoted(line)).collect::<Vec<_>>().join("\n")
}

/// The media type that a file's name tells.
fn media_type(path: &Path) -> &'static str {
    let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
    match extension.as_str() {
        "txt" | "log" => "text/plain",
        "md" => "text/markdown",
        "csv" => "text/csv",
        "html" | "htm" => "text/html",
        "ics" => "text/calendar",
        "diff" | "patch" => "text/x-diff",
        "pdf" => "application/pdf",
        "json" => "application/json",
        "zip" => "application/zip",
        "gz" | "tgz" => "application/gzip",
        "xz" => "application/x-xz",
        "tar" => "application/x-tar",
        "doc" => "application/msword",
        "docx" => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "xls" => "application/vnd.ms-excel",
        "xlsx" => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "pptx" => "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        "odt" => "application/vnd.oasis.opendocument.text",
        "ods" => "application/vnd.oasis.opendocument.spreadsheet",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "svg" => "image/svg+xml",
        "mp3" => "audio/mpeg",
        "ogg" => "audio/ogg",
        "mp4" => "video/mp4",
        _ => "application/octet-stream",
    }
}

impl Compose {
    /// What is being written, for the bar.
    pub fn title(&self) -> &'static str {
        match self.draft.kind {
            DraftKind::New => "New message",
            DraftKind::Reply => "Reply",
            DraftKind::ReplyAll => "Reply to all",
            DraftKind::ReplyList => "Reply to the list",
            DraftKind::Forward => "Forward",
        }
    }

    /// What only this message's story and its files tell.
    fn more_notes(&self, draft: &Draft) -> Vec<Note> {
        let mut notes = Vec::new();
        let mut note = |text: String| notes.push(Note { blocks: false, text: Clean::line(&text) });
        if self.blind && draft.kind == DraftKind::ReplyAll {
            note("you are in neither To nor Cc: an answer to all tells the others that you got it".to_owned());
        }
        let bytes: u64 = draft.attachments.iter().filter_map(|file| self.sizes.get(&file.path)).sum();
        if bytes > HEAVY {
            note(format!("{} are attached; many servers refuse that", super::wrap::size(bytes)));
        }
        notes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::address::Address;
    use crate::mail::ids::{AccountId, Timestamp};

    fn draft(to: &str, subject: &str, body: &str) -> Draft {
        Draft {
            to: to.to_owned(),
            subject: subject.to_owned(),
            body: body.to_owned(),
            ..Draft::new(
                "d".to_owned(),
                AccountId::new("a"),
                Address { name: String::new(), email: "ada@example.org".to_owned() },
                Timestamp::default(),
            )
        }
    }

    #[test]
    fn the_review_says_what_is_missing() {
        let table: [(&str, &str, &str, &[&str]); 5] = [
            ("grace@example.net", "Hi", "text", &[]),
            ("", "Hi", "text", &["there is no recipient"]),
            ("grace", "Hi", "text", &["To: `grace` is no address", "there is no recipient"]),
            ("g@example.net", "", "> quoted\n-- \nAda", &["the subject is empty", "there is no text"]),
            ("g@example.net", "Hi", "it is attached\n", &["you wrote \"attached\", and nothing is attached"]),
        ];
        for (to, subject, body, expected) in table {
            let told: Vec<String> = notes(&draft(to, subject, body), true, |_| true)
                .into_iter()
                .map(|note| note.text.to_string())
                .collect();
            assert_eq!(told, expected, "{to} {subject} {body}");
        }
    }

    #[test]
    fn quoted_promises_do_not_count() {
        let body = "On Monday, Grace wrote:\n> see attached\n\nthanks\n-- \nattached to life\n";
        assert_eq!(notes(&draft("g@example.net", "Hi", body), true, |_| true), []);
        assert_eq!(notes(&draft("g@example.net", "Hi", "see attached"), false, |_| true), []);
    }
}
