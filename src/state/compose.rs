//! A message that is being written: its fields, its text, the review before it goes. What is typed
//! is kept in the journal of drafts every few seconds, so that a crash costs no more than that.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::config::Quote;
use crate::job::files::{FilesJob, FilesReport};
use crate::job::index::IndexJob;
use crate::job::{Job, ShellJob, Ticket};
use crate::keys::Key;
use crate::mail::address;
use crate::mail::answer::{self, Above, Author, Source};
use crate::mail::clean::Clean;
use crate::mail::draft::{Draft, DraftKind};
use crate::mail::ids::Timestamp;
use crate::mail::mailbox::Role;
use crate::mail::place::Place;

use super::editor::Editor;
use super::field::Field;
use super::suggest::Suggestions;
use super::{Edited, Focus, Input, Level, Model, Screen, files};

/// How long typed text may be only in memory, in seconds.
const KEEP_EVERY: i64 = 3;

/// Where the keys go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Into a field; with what is typed so far.
    Field(Field, Input),
    /// Into the text.
    Body,
    /// The message is looked at before it goes.
    Review,
}

/// What comes behind a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    /// The next field, at last the text: the first time through.
    Next,
    /// The review, where the field was chosen.
    Review,
}

/// A message that is being written.
#[derive(Debug, Clone)]
pub struct Compose {
    /// The message; the text is in `editor` while it is typed.
    pub draft: Draft,
    /// The text.
    pub editor: Editor,
    /// Where the keys go.
    pub part: Part,
    /// Whom somebody may mean who types an address.
    pub suggestions: Suggestions,
    /// The first line of the text on screen.
    pub top: usize,
    /// What the author should look at before it goes.
    pub notes: Vec<Note>,
    /// Were the notes on screen when the key to send was pressed?
    pub(super) warned: bool,
    pub(super) after: After,
    /// Does another program have the text?
    pub(super) outside: bool,
    /// How big the attached files were when they were looked at.
    pub sizes: BTreeMap<PathBuf, u64>,
    /// Was the answered message sent here as a blind copy, so that an answer to all tells of it?
    pub(super) blind: bool,
    /// The message as the program made it: one that is still like this has nothing of the user's.
    pub(super) begun: Option<Draft>,
    /// Where the user was, and is again once this is done.
    pub(super) back: Screen,
    kept: Draft,
    kept_at: Timestamp,
}

/// Something to look at before a message goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Does it keep the message from being sent?
    pub blocks: bool,
    /// What it is.
    pub text: Clean,
}

impl Compose {
    fn new(draft: Draft, row: usize, part: Part, now: Timestamp, back: Screen) -> Self {
        let editor = Editor::new(&draft.body, row);
        Self {
            editor,
            part,
            suggestions: Suggestions::default(),
            top: 0,
            notes: Vec::new(),
            warned: false,
            after: After::Next,
            outside: false,
            sizes: BTreeMap::new(),
            blind: false,
            begun: None,
            back,
            kept: draft.clone(),
            kept_at: now,
            draft,
        }
    }

    /// The message with the text as it is typed now.
    pub(super) fn current(&self) -> Draft {
        let mut draft = self.draft.clone();
        draft.body = self.editor.text();
        if let Part::Field(field, input) = &self.part {
            field.set(&mut draft, input.text());
        }
        draft
    }

    /// The job that keeps what was typed, where something was.
    pub(super) fn keep(&mut self, now: Timestamp) -> Option<Job> {
        let draft = self.current();
        if draft == self.kept {
            return None;
        }
        self.kept = draft.clone();
        self.kept_at = now;
        Some(files(FilesJob::KeepDraft(Box::new(draft))))
    }

    /// Leaves the field: what was typed is in the draft.
    fn leave_field(&mut self) {
        self.suggestions = Suggestions::default();
        if let Part::Field(field, input) = &self.part {
            let text = field.trimmed(input.text()).to_owned();
            field.set(&mut self.draft, &text);
        }
    }

    /// Has nothing been typed that would be missed?
    pub(super) fn is_untouched(&self) -> bool {
        let draft = self.current();
        let same = |begun: &Draft| {
            Field::ALL.iter().all(|field| field.of(begun).trim() == field.of(&draft).trim())
                && begun.body.trim() == draft.body.trim()
                && begun.attachments == draft.attachments
        };
        self.begun.as_ref().is_some_and(same)
    }
}

impl Model {
    /// Begins a new message.
    pub(super) fn compose_new(&mut self) -> Vec<Job> {
        let Some(account) = self.sending_account(None) else { return self.cannot_send() };
        let (id, now) = (self.draft_id(), self.now);
        let zone = self.zone.clone();
        let draft = answer::new(&author(&account, Quote::Top, &zone, &|email| account.is_own(email)), id, now);
        self.begin_compose(draft, 0, Part::Field(Field::To, Input::default()))
    }

    /// Shows a draft that the program made just now.
    fn begin_compose(&mut self, draft: Draft, row: usize, part: Part) -> Vec<Job> {
        let begun = draft.clone();
        let jobs = self.open_compose(draft, row, part);
        if let Some(compose) = &mut self.compose {
            compose.begun = Some(begun);
        }
        jobs
    }

    /// Asks for the message that is to be answered or passed on.
    pub(super) fn compose_answer(&mut self, kind: DraftKind) -> Vec<Job> {
        let listed = self.list.current().cloned();
        let shown = self.viewer.current_row();
        let row = match (self.screen, listed, shown) {
            (Screen::Browse(Focus::Viewer), _, shown) => shown,
            // The row of a conversation, one message of which is on screen, means that one.
            (_, Some(row), Some(shown)) if row.thread == shown.thread && row.messages > 1 => Some(shown),
            (_, row, _) => row,
        };
        let Some(row) = row else { return Vec::new() };
        let mut jobs = self.ask_source(row.place.clone(), Some(kind));
        // What is answered is what is on screen, now and when the answer is done.
        if self.viewer.open.as_ref().is_some_and(|open| open.row.message != row.message) {
            jobs.extend(self.open_row(&row));
        }
        jobs
    }

    /// Writes on at a draft of the Drafts folder.
    pub(super) fn resume_draft(&mut self, place: Place) -> Vec<Job> {
        self.ask_source(place, None)
    }

    fn ask_source(&mut self, place: Place, kind: Option<DraftKind>) -> Vec<Job> {
        if self.compose.is_some() {
            self.say(Level::Info, "A message is being written already");
            self.screen = Screen::Compose;
            return Vec::new();
        }
        let ticket = self.ticket();
        self.writing.asked = Some((ticket, kind));
        vec![files(FilesJob::Quote { ticket, place })]
    }

    /// The message that was asked for is here: the answer begins.
    pub(super) fn take_quoted(&mut self, ticket: Ticket, place: Place, source: &Source) -> Vec<Job> {
        let Some((_, kind)) = self.writing.asked.take_if(|(asked, _)| *asked == ticket) else { return Vec::new() };
        let Some(account) = self.sending_account(Some(&place.mailbox.account)) else { return self.cannot_send() };
        let (id, now, zone) = (self.draft_id(), self.now, self.zone.clone());
        let quote = self.config.compose.quote;
        let is_own = |email: &str| account.is_own(email);
        let author = author(&account, quote, &zone, &is_own);
        let Some(kind) = kind else {
            let draft = answer::resume(source, place, &author, id, now);
            return self.begin_compose(draft, 0, Part::Body);
        };
        if kind == DraftKind::ReplyList && source.list_post.is_none() {
            self.say(Level::Info, "This came through no mailing list: the answer goes to all");
        }
        let draft = answer::begin(kind, source, place.clone(), &author, id, now);
        let own = |address: &address::Address| account.is_own(&address.email);
        let named = source.to.iter().chain(&source.cc).any(own);
        let blind = kind == DraftKind::ReplyAll
            && !named
            && source.list_post.is_none()
            && !source.from.iter().any(own)
            && !(source.to.is_empty() && source.cc.is_empty());
        let others = source.to.len() + source.cc.len();
        if kind == DraftKind::Reply && others > 1 {
            let all = self.keymap.key_of(self.screen_context(), crate::keys::Action::ReplyAll).unwrap_or_default();
            self.say(Level::Info, &format!("{} others were on the thread; {all} answers all", others - 1));
        }
        let row = if quote == Quote::Top { 0 } else { below_quote(&draft.body) };
        let part = if kind == DraftKind::Forward { Part::Field(Field::To, Input::default()) } else { Part::Body };
        let mut jobs = self.begin_compose(draft, row, part);
        if let Some(compose) = &mut self.compose {
            compose.blind = blind;
        }
        if kind == DraftKind::Forward {
            jobs.extend(self.attach_parts_of(&place, source.attachments));
        }
        jobs
    }

    /// The parts of a forwarded message become files of the draft.
    fn attach_parts_of(&mut self, place: &Place, count: usize) -> Vec<Job> {
        let directory = self.config.paths.data.join("attached");
        let mut jobs = Vec::new();
        for part in 0..count {
            let ticket = self.ticket();
            self.writing.parts.insert(ticket);
            jobs.push(files(FilesJob::SavePart {
                ticket,
                place: place.clone(),
                part: Some(part),
                directory: directory.clone(),
                purpose: crate::job::files::Purpose::Keep,
            }));
        }
        jobs
    }

    /// Shows the draft, or gives it to the user's editor.
    pub(super) fn open_compose(&mut self, draft: Draft, row: usize, part: Part) -> Vec<Job> {
        let back = if self.screen == Screen::Compose { Screen::Browse(Focus::List) } else { self.screen };
        self.screen = Screen::Compose;
        self.overlay = None;
        let body = part == Part::Body;
        self.compose = Some(Compose::new(draft, row, part, self.now, back));
        if body && self.config.compose.editor.is_some() {
            return self.edit_outside();
        }
        self.read_books()
    }

    /// Looks whether the address books changed, since they may be needed now.
    fn read_books(&self) -> Vec<Job> {
        let any = !self.config.contacts.vcards.is_empty();
        any.then_some(Job::Index(IndexJob::ReadBooks)).into_iter().collect()
    }

    /// Back to where the user was before the message was begun.
    pub(super) fn leave_compose(&mut self, back: Screen) {
        let gone = back == Screen::Browse(Focus::Viewer) && self.viewer.open.is_none();
        self.screen = if gone { Screen::Browse(Focus::List) } else { back };
    }

    /// Gives the text to the user's editor.
    pub(super) fn edit_outside(&mut self) -> Vec<Job> {
        let now = self.now;
        let Some(compose) = &mut self.compose else { return Vec::new() };
        compose.outside = true;
        compose.part = Part::Review;
        let draft = compose.current();
        // Kept even if nothing was typed yet: what a crash leaves in the editor's file belongs to it.
        compose.kept = draft.clone();
        compose.kept_at = now;
        vec![files(FilesJob::KeepDraft(Box::new(draft.clone()))), Job::Shell(ShellJob::Edit(Box::new(draft)))]
    }

    /// The user's editor is done.
    pub(super) fn take_edited(&mut self, id: &str, result: Result<String, crate::fault::Fault>) -> Vec<Job> {
        let now = self.now;
        let Some(compose) = self.compose.as_mut().filter(|compose| compose.draft.id == id) else { return Vec::new() };
        compose.outside = false;
        match result {
            Ok(text) => compose.editor = Editor::new(&text, 0),
            Err(fault) => self.status.fault(now, &fault),
        }
        self.review();
        self.keep_draft()
    }

    /// A key that goes into a field or the text.
    pub(super) fn compose_key(&mut self, key: Key) -> Vec<Job> {
        let Some(compose) = &mut self.compose else { return Vec::new() };
        match &mut compose.part {
            Part::Field(_, input) => {
                if key == Key::plain(crate::keys::Code::Enter) {
                    return self.field_done();
                }
                let edited = input.key(key);
                return self.field_edited(edited);
            }
            Part::Body => {
                compose.editor.key(key);
            }
            Part::Review => {}
        }
        Vec::new()
    }

    /// Text that was pasted.
    pub(super) fn compose_paste(&mut self, text: &str) -> Vec<Job> {
        let Some(compose) = &mut self.compose else { return Vec::new() };
        match &mut compose.part {
            Part::Field(_, input) => {
                input.insert(text);
                return self.field_edited(Edited::Changed);
            }
            Part::Body => compose.editor.insert(text),
            Part::Review => {}
        }
        Vec::new()
    }

    /// Enter in a field: on to the next one, or back to where it was chosen.
    pub(super) fn field_done(&mut self) -> Vec<Job> {
        let Some(compose) = &mut self.compose else { return Vec::new() };
        compose.leave_field();
        let next = match (&compose.part, compose.after) {
            (Part::Field(Field::To | Field::Cc | Field::Bcc | Field::ReplyTo, _), After::Next) => Some(Field::Subject),
            _ => None,
        };
        match (next, compose.after) {
            (Some(field), _) => self.edit_field(field, After::Next),
            (None, After::Next) => self.edit_body(),
            (None, After::Review) => self.review(),
        }
    }

    /// Tab and Shift-Tab: through the fields to the text and round.
    pub(super) fn compose_tab(&mut self, forward: bool) -> Vec<Job> {
        let Some(compose) = &mut self.compose else { return Vec::new() };
        compose.leave_field();
        let shown = [Field::To, Field::Cc, Field::Subject];
        let at = match &compose.part {
            Part::Field(field, _) => shown.iter().position(|f| f >= field),
            _ => None,
        };
        let after = compose.after;
        let next = match (at, forward) {
            (Some(at), true) => shown.get(at + 1),
            (Some(0), false) => None,
            (Some(at), false) => shown.get(at - 1),
            (None, true) => shown.first(),
            (None, false) => shown.last(),
        };
        match next.copied() {
            Some(field) => self.edit_field(field, after),
            None => self.edit_body(),
        }
    }

    /// Puts the cursor into a field.
    pub(super) fn edit_field(&mut self, field: Field, after: After) -> Vec<Job> {
        if let Some(compose) = &mut self.compose {
            compose.leave_field();
            compose.after = after;
            compose.part = Part::Field(field, Input::new(field.of(&compose.draft)));
        }
        Vec::new()
    }

    /// Puts the cursor into the text, or gives it to the user's editor.
    pub(super) fn edit_body(&mut self) -> Vec<Job> {
        if self.config.compose.editor.is_some() {
            return self.edit_outside();
        }
        if let Some(compose) = &mut self.compose {
            compose.leave_field();
            compose.part = Part::Body;
        }
        Vec::new()
    }

    /// Keeps what was typed, if a few seconds went by.
    pub(super) fn tick_compose(&mut self) -> Vec<Job> {
        let now = self.now;
        let due = self.compose.as_ref().is_some_and(|c| (now.get() - c.kept_at.get()).abs() >= KEEP_EVERY);
        if due { self.keep_draft() } else { Vec::new() }
    }

    /// Keeps what was typed.
    pub(super) fn keep_draft(&mut self) -> Vec<Job> {
        let now = self.now;
        self.compose.as_mut().and_then(|compose| compose.keep(now)).into_iter().collect()
    }

    /// A name for a draft, unlike any other.
    pub(super) fn draft_id(&mut self) -> String {
        let ticket = self.ticket();
        format!("{:x}-{:x}-{:x}", self.now.get(), self.seed, ticket.0)
    }

    /// The account that a message is sent from: that one, else the one that is worked in, else the
    /// first that can.
    fn sending_account(&self, account: Option<&crate::mail::ids::AccountId>) -> Option<crate::config::Account> {
        let wanted = account.cloned().or_else(|| self.current_account());
        let able = || self.config.accounts.iter().filter(|account| account.submit.is_some());
        able().find(|account| Some(&account.id) == wanted.as_ref()).or_else(|| able().next()).cloned()
    }

    fn cannot_send(&mut self) -> Vec<Job> {
        self.say(Level::Warn, "No account can send: add `smtp = { host = … }` to one in the config file");
        Vec::new()
    }

    /// Reports of the thread `files` that concern what is written; `false`: not one of these.
    pub(super) fn writing_report(&mut self, report: &FilesReport) -> Option<Vec<Job>> {
        match report {
            FilesReport::Quoted { ticket, place, source } => Some(self.take_quoted(*ticket, place.clone(), source)),
            FilesReport::Saved { ticket, path, .. } if self.writing.parts.remove(ticket) => {
                self.attach(path.clone());
                // It is the original's, not of the user's doing.
                if let Some(compose) = &mut self.compose
                    && let Some(begun) = &mut compose.begun
                {
                    begun.attachments.clone_from(&compose.draft.attachments);
                }
                Some(self.keep_draft())
            }
            FilesReport::Looked { ticket, path, size } => Some(self.take_file(*ticket, path, *size)),
            FilesReport::Names { ticket, names } => {
                self.take_names(*ticket, names);
                Some(Vec::new())
            }
            FilesReport::Stored { ticket, .. } => {
                let (_, draft) = self.writing.filing.take_if(|(asked, _)| asked == ticket)?;
                self.say(Level::Ok, "Kept in Drafts");
                Some(vec![files(FilesJob::DropDraft(draft.id))])
            }
            FilesReport::Failed { ticket, fault } if self.writing.looking.remove(ticket) => {
                self.say(Level::Warn, &format!("Not attached: {fault}"));
                Some(Vec::new())
            }
            FilesReport::Failed { ticket, .. } => {
                self.writing.asked.take_if(|(asked, _)| asked == ticket);
                self.writing.parts.remove(ticket);
                // The journal still has the draft.
                self.writing.filing.take_if(|(asked, _)| asked == ticket);
                None
            }
            FilesReport::Drafts(drafts) => {
                self.take_unsent(drafts.clone());
                Some(Vec::new())
            }
            _ => None,
        }
    }

    /// Drafts that were being written when the program ended.
    fn take_unsent(&mut self, drafts: Vec<Draft>) {
        self.writing.unsent = drafts;
        if let Some(first) = self.writing.unsent.first() {
            let subject = Clean::line(if first.subject.is_empty() { "no subject" } else { &first.subject });
            let key = self.keymap.key_of(self.screen_context(), crate::keys::Action::ResumeUnsent).unwrap_or_default();
            let text = match self.writing.unsent.len() {
                1 => format!("A message was not finished: {subject}; {key} goes on with it"),
                count => format!("{count} messages were not finished; {key} goes on with them"),
            };
            self.say(Level::Warn, &text);
        }
    }

    /// Goes on with a draft of an earlier run.
    pub(super) fn resume_unsent(&mut self) -> Vec<Job> {
        if self.writing.unsent.is_empty() {
            self.say(Level::Info, "There is no unfinished message");
            return Vec::new();
        }
        let draft = self.writing.unsent.remove(0);
        let row = if draft.kind == DraftKind::New { 0 } else { below_quote(&draft.body) };
        self.open_compose(draft, row, Part::Review);
        self.review()
    }

    /// The mailbox for kept drafts of an account.
    pub(super) fn drafts_mailbox(&self, draft: &Draft) -> Option<crate::mail::place::MailboxId> {
        let account = self.accounts.iter().find(|account| account.id == draft.account)?;
        Some(account.mailbox_for(Role::Drafts, &self.mailboxes.rows, self.now, &self.zone))
    }
}

fn author<'a>(
    account: &'a crate::config::Account,
    quote: Quote,
    zone: &'a jiff::tz::TimeZone,
    is_own: &'a dyn Fn(&str) -> bool,
) -> Author<'a> {
    let above = if quote == Quote::Top { Above::Quote } else { Above::Nothing };
    let signature = account.signature.as_deref();
    Author { account: &account.id, address: &account.address, is_own, signature, above, zone }
}

/// Where an answer is written: below the quoted text and an empty line.
fn below_quote(body: &str) -> usize {
    let last = body.lines().enumerate().filter(|(_, line)| line.starts_with('>')).map(|(at, _)| at).last();
    last.map_or(0, |at| at + 2)
}

/// Everything about writing that is not the message on screen.
#[derive(Debug, Default)]
pub struct Writing {
    /// A message that was asked for, to be answered or, without a kind, written on.
    pub(super) asked: Option<(Ticket, Option<DraftKind>)>,
    /// Parts of a forwarded message that are being saved.
    pub(super) parts: std::collections::BTreeSet<Ticket>,
    /// Files that are looked at before they are attached.
    pub(super) looking: std::collections::BTreeSet<Ticket>,
    /// The path that is being gone on with.
    pub(super) completing: Option<super::attach::Completing>,
    /// What was last typed as a path.
    pub(super) path: Option<String>,
    /// Was it told what is wrong with the address books?
    pub(super) books_told: bool,
    /// A draft on its way into the Drafts folder.
    pub(super) filing: Option<(Ticket, Draft)>,
    /// Drafts that were handed to the outbox and are not safe there yet.
    pub(super) leaving: Vec<Draft>,
    /// Drafts of an earlier run.
    pub unsent: Vec<Draft>,
}

/// The addresses of a field that cannot be sent to.
pub(super) fn rejected(text: &str) -> Vec<String> {
    address::parse_typed(text).rejected
}
