//! Routes: an event to the pane it concerns, an action to what carries it out. Nothing else is done
//! here, so that every flow can be read from here on.

use crate::job::files::Purpose;
use crate::job::index::{Direction, Only, Source};
use crate::job::sync::{FolderWish, SyncJob, Wake};
use crate::job::{Job, ShellJob};
use crate::keys::{Action, Bound, Context, Key, Step};
use crate::mail::document::Document;
use crate::mail::draft::DraftKind;
use crate::mail::flags::{Flag, Flags};
use crate::mail::ids::Timestamp;
use crate::mail::mailbox::Role;
use crate::mail::notes::TimerKind;

use super::act::Act;
use super::arrange::Kin;
use super::event::{Event, MouseAct};
use super::{Focus, Item, Level, Model, Overlay, Screen, Viewport, title};

/// How often the disk is looked at for what other programs changed, in seconds.
const LOOK_EVERY: i64 = 10;

/// Takes in an event: the only thing that changes the model. Gives back what is to be done.
pub fn update(model: &mut Model, event: Event) -> Vec<Job> {
    let jobs = route(model, event);
    model.ask_what_waits();
    jobs
}

fn route(model: &mut Model, event: Event) -> Vec<Job> {
    match event {
        Event::Key(key) => model.key(key),
        Event::Paste(text) => model.paste(&text),
        Event::Mouse { act, column, row } => model.mouse(act, column, row),
        Event::Viewport(viewport) => {
            model.take_viewport(viewport);
            model.rewrap();
            model.fill_list()
        }
        Event::Pause => {
            model.which_key = !model.pending.keys.is_empty();
            Vec::new()
        }
        Event::Tick { now } => model.tick(now),
        Event::Report(report) => model.report(report),
    }
}

impl Model {
    /// Takes in what there was room for. A pane that is not on screen keeps its size, so that its
    /// page stays where it was.
    fn take_viewport(&mut self, viewport: Viewport) {
        let old = std::mem::replace(&mut self.viewport, viewport);
        let keep = |new: u16, old: u16| if new == 0 { old } else { new };
        self.viewport.list_rows = keep(viewport.list_rows, old.list_rows);
        self.viewport.folder_rows = keep(viewport.folder_rows, old.folder_rows);
        self.viewport.view_width = keep(viewport.view_width, old.view_width);
        self.list.follow(usize::from(self.viewport.list_rows));
        self.mailboxes.follow(usize::from(self.viewport.folder_rows));
    }

    fn key(&mut self, key: Key) -> Vec<Job> {
        let context = self.context();
        let half = !self.pending.is_empty();
        if half && key == Key::plain(crate::keys::Code::Esc) && !context.is_text() {
            self.pending.clear();
            self.which_key = false;
            return Vec::new();
        }
        let typed = self.pending.keys.clone();
        let step = self.keymap.feed(context, &mut self.pending, key);
        if step != Step::More {
            self.which_key = false;
        }
        match step {
            Step::More => Vec::new(),
            Step::Action(bound) => self.run(bound),
            Step::Unbound if self.overlay.is_some() => self.overlay_key(key),
            Step::Unbound if matches!(context, Context::Editor | Context::Suggest) => self.compose_key(key),
            Step::Unbound => {
                let keys = crate::keys::Keys(typed.into_iter().chain([key]).collect());
                let help = self.keymap.key_of(context, Action::Help);
                let more = help.map_or_else(String::new, |help| format!("; {help} shows the keys"));
                self.say(Level::Info, &format!("{keys} means nothing here{more}"));
                Vec::new()
            }
        }
    }

    /// A paste is text, never keys: what was copied must not delete mail.
    fn paste(&mut self, text: &str) -> Vec<Job> {
        if self.overlay.is_some() {
            return self.overlay_text(text);
        }
        if self.screen == Screen::Compose {
            return self.compose_paste(text);
        }
        let search = self.keymap.key_of(self.context(), Action::Search).unwrap_or_default();
        self.say(Level::Info, &format!("Pasted text is not taken for keys; {search} searches for it"));
        Vec::new()
    }

    /// Carries out an action, or says why it cannot be.
    pub(super) fn run(&mut self, bound: Bound) -> Vec<Job> {
        self.close_range(bound.action);
        // What is asked for now is what is wanted, not what comes late.
        self.list.await_nothing();
        self.kin_asked = None;
        self.awaited = None;
        if let Some(why) = (bound.action.row().why_not)(&self.situation()) {
            self.say(Level::Info, &format!("Not now: {why}"));
            return Vec::new();
        }
        match bound.action {
            Action::Redraw => vec![Job::Shell(ShellJob::Redraw)],
            Action::Suspend => vec![Job::Shell(ShellJob::Suspend)],
            Action::Quit => {
                let mut jobs = self.keep_draft();
                jobs.push(Job::Shell(ShellJob::Quit));
                jobs
            }
            Action::Help => {
                self.show_help();
                Vec::new()
            }
            _ => match (&self.overlay, self.screen) {
                (Some(Overlay::Log(_)), _) => self.log_action(bound),
                (Some(_), _) => self.overlay_action(bound.action),
                (None, Screen::Browse(focus)) => self.browse(bound, focus),
                (None, Screen::Compose) => self.compose_action(bound),
                (None, Screen::Outbox) => self.outbox_action(bound),
            },
        }
    }

    fn log_action(&mut self, bound: Bound) -> Vec<Job> {
        let page = usize::from(self.viewport.page_rows.max(1));
        let count = bound.count.map_or(1, |count| usize::try_from(count).unwrap_or(1));
        let most = self.status.log.len().saturating_sub(page);
        let Some(Overlay::Log(up)) = &mut self.overlay else { return Vec::new() };
        *up = match bound.action {
            Action::Up => *up + count,
            Action::Down => up.saturating_sub(count),
            Action::HalfUp => *up + page / 2,
            Action::HalfDown => up.saturating_sub(page / 2),
            Action::PageUp => *up + page,
            Action::PageDown => up.saturating_sub(page),
            Action::Top => most,
            Action::Bottom => 0,
            Action::Back | Action::Leave => {
                self.overlay = None;
                return Vec::new();
            }
            _ => *up,
        }
        .min(most);
        Vec::new()
    }

    fn browse(&mut self, bound: Bound, focus: Focus) -> Vec<Job> {
        match bound.action {
            Action::Down
            | Action::Up
            | Action::Top
            | Action::Bottom
            | Action::HalfDown
            | Action::HalfUp
            | Action::PageDown
            | Action::PageUp => self.motion(bound, focus),
            Action::Part => {
                let part = usize::try_from(bound.count.unwrap_or(50).min(100)).unwrap_or(50);
                self.jump_to(self.list.total.saturating_sub(1).saturating_mul(part) / 100)
            }
            Action::Left => {
                self.left();
                Vec::new()
            }
            Action::Right => self.right(),
            Action::Open => self.open_here(),
            Action::Back => self.back_or_seen(),
            Action::Leave => self.leave(),
            Action::Select
            | Action::SelectHere
            | Action::SelectRange
            | Action::SelectNone
            | Action::SelectShown
            | Action::SelectUnread
            | Action::SelectStarred
            | Action::SelectInvert => self.select(bound.action),
            Action::PageOn => self.page_on(),
            Action::TurnMessage => self.turn_message(),
            Action::NextMessage => self.step_message(steps(bound)),
            Action::PreviousMessage => self.step_message(-steps(bound)),
            Action::NextMatch => self.next_match_or_message(true),
            Action::PreviousMatch => self.next_match_or_message(false),
            Action::NextUnread => self.next_unread(Direction::Next),
            Action::PreviousUnread => self.next_unread(Direction::Previous),
            Action::Search => {
                self.begin_search();
                Vec::new()
            }
            Action::SaveSearch => {
                self.ask_search_name();
                Vec::new()
            }
            Action::NewFolder => {
                self.ask_new_folder();
                Vec::new()
            }
            Action::RenameFolder if self.search_here().is_some() => {
                self.ask_new_search_name();
                Vec::new()
            }
            Action::RenameFolder => {
                self.ask_folder_name();
                Vec::new()
            }
            Action::DeleteFolder if self.search_here().is_some() => self.forget_search(),
            Action::DeleteFolder => self.delete_folder(),
            Action::Subscribe => self.wish_folder(FolderWish::Subscribe),
            Action::Unsubscribe => self.wish_folder(FolderWish::Unsubscribe),
            _ => self.message_action(bound),
        }
    }

    fn message_action(&mut self, bound: Bound) -> Vec<Job> {
        if let Some(jobs) = self.read_first(bound) {
            return jobs;
        }
        match bound.action {
            Action::Reply => self.compose_answer(DraftKind::Reply),
            Action::ReplyAll => self.compose_answer(DraftKind::ReplyAll),
            Action::ReplyList => self.compose_answer(DraftKind::ReplyList),
            Action::Forward => self.compose_answer(DraftKind::Forward),
            Action::Archive => self.act(Act::MoveToRole(Role::Archive)),
            Action::ArchiveThread => self.act_on_thread(Act::MoveToRole(Role::Archive)),
            Action::Trash => self.act(Act::MoveToRole(Role::Trash)),
            Action::Spam => {
                let in_junk = self.act_rows().first().is_some_and(|row| {
                    self.mailboxes.row(&row.place.mailbox).is_some_and(|mailbox| mailbox.role == Some(Role::Junk))
                });
                self.act(Act::MoveToRole(if in_junk { Role::Inbox } else { Role::Junk }))
            }
            Action::MoveTo => {
                self.choose_folder_to_move();
                Vec::new()
            }
            Action::Label => self.choose_tag(),
            Action::Snooze => {
                self.choose_time(TimerKind::Snooze);
                Vec::new()
            }
            Action::Remind => {
                self.choose_time(TimerKind::Remind);
                Vec::new()
            }
            Action::Mute => self.toggle_mute(),
            Action::BreakThread => self.break_thread(),
            Action::JoinThreads => self.join_threads(),
            Action::RunRules => self.act(Act::Rules),
            Action::DeleteForever => self.act(Act::Delete),
            Action::Star => self.toggle_flag(Flag::Flagged),
            Action::ToggleRead => self.toggle_flag(Flag::Seen),
            Action::OpenHint => {
                self.show_hints(Purpose::Open);
                Vec::new()
            }
            Action::SaveAttachment => {
                self.save_attachment();
                Vec::new()
            }
            Action::Threads => self.toggle_threads(),
            Action::SortList => {
                self.show_orders();
                Vec::new()
            }
            Action::OnlyUnread => self.toggle_only(Only::Unread),
            Action::OnlyStarred => self.toggle_only(Only::Starred),
            Action::FromSender => self.show_kin(Kin::Sender),
            Action::MailingList => self.show_kin(Kin::MailingList),
            Action::Headers => {
                self.toggle_headers();
                Vec::new()
            }
            Action::FoldHere | Action::FoldAll | Action::UnfoldAll => self.fold(bound.action),
            Action::Source => self.toggle_source(),
            Action::CopyAddress | Action::CopySubject | Action::CopyId | Action::CopyText => self.copy(bound.action),
            _ => self.anywhere(bound),
        }
    }

    /// What works on every screen.
    pub(super) fn anywhere(&mut self, bound: Bound) -> Vec<Job> {
        match bound.action {
            Action::Undo => self.undo(),
            Action::Compose => self.compose_new(),
            Action::ResumeUnsent => self.resume_unsent(),
            Action::GoOutbox => self.show_outbox(),
            Action::GoFolder => {
                self.show_folders();
                Vec::new()
            }
            Action::GoInbox => self.go_role(Role::Inbox),
            Action::GoUnified => self.go_to(Source::Unified),
            Action::GoStarred => self.show_found(title::STARRED),
            Action::GoUnread => self.show_found(title::UNREAD),
            Action::GoSent => self.go_role(Role::Sent),
            Action::GoDrafts => self.go_role(Role::Drafts),
            Action::GoArchive => self.go_role(Role::Archive),
            Action::GoJunk => self.go_role(Role::Junk),
            Action::GoTrash => self.go_role(Role::Trash),
            Action::GoSnoozed => self.show_found(title::SNOOZED),
            Action::GoWaiting => self.show_found(title::WAITING),
            Action::GoLast => self.go_last(),
            Action::GoAccount => self.go_account(bound.key.digit().unwrap_or(0)),
            Action::GoLog => {
                self.status.seen();
                self.overlay = Some(Overlay::Log(0));
                Vec::new()
            }
            Action::Palette => {
                self.show_palette();
                Vec::new()
            }
            Action::SyncNow => {
                self.say(Level::Info, "Looking for new mail");
                vec![Job::Sync(SyncJob::Wake { account: None, why: Wake::Asked })]
            }
            Action::Back => self.back_or_seen(),
            Action::Leave => self.leave(),
            _ => Vec::new(),
        }
    }

    fn back_or_seen(&mut self) -> Vec<Job> {
        if self.status.seen() {
            return Vec::new();
        }
        self.back().unwrap_or_default()
    }

    fn motion(&mut self, bound: Bound, focus: Focus) -> Vec<Job> {
        let page = isize::try_from(match focus {
            Focus::Folders => self.viewport.folder_rows,
            Focus::List => self.viewport.list_rows,
            Focus::Viewer => self.viewport.view_rows,
        })
        .unwrap_or(1)
        .max(1);
        let by = match bound.action {
            Action::Down => steps(bound),
            Action::Up => -steps(bound),
            Action::HalfDown => (page / 2).max(1),
            Action::HalfUp => -(page / 2).max(1),
            Action::PageDown => page,
            Action::PageUp => -page,
            Action::Top => isize::MIN,
            _ => isize::MAX,
        };
        let to = bound.count.map(|count| usize::try_from(count).unwrap_or(1).saturating_sub(1));
        let absolute = matches!(bound.action, Action::Top | Action::Bottom);
        match (focus, to.filter(|_| absolute)) {
            (Focus::List, Some(row)) => self.jump_to(row),
            (Focus::List, None) if absolute => self.jump_to(self.list.cursor.saturating_add_signed(by)),
            (Focus::List, None) => self.move_by(by),
            (Focus::Folders, Some(row)) => {
                self.move_folder(isize::MIN);
                self.move_folder(isize::try_from(row).unwrap_or(0));
                Vec::new()
            }
            (Focus::Folders, None) => {
                self.move_folder(by);
                Vec::new()
            }
            (Focus::Viewer, to) => match to {
                Some(line) => self.scroll_page_to(line),
                None => self.scroll_page(by),
            },
        }
    }

    fn page_on(&mut self) -> Vec<Job> {
        let height = usize::from(self.viewport.view_rows);
        if self.viewer.at_end(height) {
            return self.next_unread(Direction::Next);
        }
        // One line of the page before stays, for the eye.
        self.scroll_page(isize::try_from(height.saturating_sub(1).max(1)).unwrap_or(1))
    }

    fn next_match_or_message(&mut self, forward: bool) -> Vec<Job> {
        let height = usize::from(self.viewport.view_rows);
        if self.viewer.find.is_some() {
            if !self.viewer.next_match(forward, height) {
                self.say(Level::Info, "It is not in this message");
            }
            return Vec::new();
        }
        self.step_in_thread(forward)
    }

    fn toggle_flag(&mut self, flag: Flag) -> Vec<Job> {
        let (add, remove) =
            if self.all_have(flag) { (Flags::none(), Flags::only(flag)) } else { (Flags::only(flag), Flags::none()) };
        self.act(Act::Flags { add, remove })
    }

    fn copy(&mut self, action: Action) -> Vec<Job> {
        let document = self.viewer.open.as_ref().and_then(|open| open.document.clone());
        self.copy_of(action, document.as_deref())
    }

    /// Copies something of a message.
    pub(super) fn copy_of(&mut self, action: Action, document: Option<&Document>) -> Vec<Job> {
        let text = match action {
            Action::CopySubject => self.act_rows().first().map(|row| row.subject.to_string()),
            Action::CopyAddress => document.and_then(|document| document.from.first()).map(|from| from.email.clone()),
            Action::CopyId => {
                document.and_then(|document| document.message_id.as_ref()).map(|id| id.as_str().to_owned())
            }
            _ => document.map(|document| {
                let line = |line: &crate::mail::document::Line| {
                    let marks = "> ".repeat(usize::from(line.quote));
                    line.spans.iter().fold(marks, |text, span| text + span.text.as_str())
                };
                document.lines.iter().map(line).collect::<Vec<_>>().join("\n")
            }),
        };
        let Some(text) = text.filter(|text| !text.is_empty()) else {
            self.say(Level::Info, "There is nothing to copy");
            return Vec::new();
        };
        self.say(Level::Ok, "Copied");
        vec![Job::Shell(ShellJob::Copy(text))]
    }

    fn tick(&mut self, now: Timestamp) -> Vec<Job> {
        self.now = now;
        self.which_key = !self.pending.keys.is_empty();
        self.status.tick(now);
        let mut jobs = std::mem::take(&mut self.again);
        // An index that is made anew cannot say yet what became of a change.
        if self.status.renewing.is_none() && self.list.changes.tick(now) {
            self.list.lay_changes();
            jobs.extend(self.refresh_list());
        }
        jobs.extend(self.tick_acting());
        jobs.extend(self.tick_notes());
        jobs.extend(self.tick_compose());
        jobs.extend(self.fill_list());
        jobs.extend(self.fill_mailboxes());
        jobs.extend(self.tally_searches());
        jobs.extend(self.mark_if_due());
        jobs.extend(self.look_behind());
        if now.get() - self.scanned_at.get() >= LOOK_EVERY || now < self.scanned_at {
            jobs.extend(self.look_at_disk());
            jobs.extend(self.meet_database());
        }
        jobs
    }

    fn mouse(&mut self, act: MouseAct, column: u16, row: u16) -> Vec<Job> {
        if matches!(self.overlay, Some(Overlay::Menu(_))) {
            return self.menu_mouse(act, column, row);
        }
        if self.overlay.is_some() || !matches!(self.screen, Screen::Browse(_)) {
            return Vec::new();
        }
        let view = self.viewport;
        let (list_x, list_y, row_height) = view.list_at;
        let (view_x, view_y) = view.view_at;
        let in_folders = view.folders_at.2 > 0 && column < view.folders_at.0 + view.folders_at.2;
        let in_view = view.view_rows > 0 && column >= view_x && row >= view_y && row < view_y + view.view_rows;
        let scroll = match act {
            MouseAct::ScrollUp => -3,
            MouseAct::ScrollDown => 3,
            MouseAct::Press => 0,
        };
        if in_folders && row >= view.folders_at.1 {
            let at = self.mailboxes.top + usize::from(row - view.folders_at.1);
            if scroll != 0 {
                self.move_folder(scroll);
            } else if self
                .mailboxes
                .items
                .get(at)
                .is_some_and(|item| !matches!(item, Item::Account(_) | Item::Heading { .. } | Item::Searches))
            {
                self.mailboxes.cursor = at;
                self.screen = Screen::Browse(Focus::Folders);
                return self.open_here();
            }
            return Vec::new();
        }
        if in_view {
            if scroll == 0 {
                self.screen = Screen::Browse(Focus::Viewer);
            }
            return self.scroll_page(scroll);
        }
        let lines = view.list_rows.saturating_mul(row_height.max(1));
        if column >= list_x && row >= list_y && row < list_y.saturating_add(lines) {
            if scroll != 0 {
                return self.move_by(scroll);
            }
            let at = self.list.top + usize::from((row - list_y) / row_height.max(1));
            if at < self.list.total {
                let again = at == self.list.cursor && self.screen == Screen::Browse(Focus::List);
                self.screen = Screen::Browse(Focus::List);
                let mut jobs = self.move_to(at);
                if again {
                    jobs.extend(self.open_here());
                }
                return jobs;
            }
        }
        Vec::new()
    }

    /// Is this a place where text is typed? The terminal's cursor is shown there.
    pub fn types_text(&self) -> bool {
        matches!(self.context(), Context::Prompt | Context::Menu)
    }
}

fn steps(bound: Bound) -> isize {
    isize::try_from(bound.count.unwrap_or(1)).unwrap_or(1)
}
