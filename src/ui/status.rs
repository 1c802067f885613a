//! Draws the bar at the top, the hint line made of the live keymap, and the message line. Their text
//! stands still while the cursor moves, but for its number.

use ratatui::layout::Rect;

use super::text::{Painter, cells, clock, grouped, short, soon};
use crate::job::index::{Only, Source, Standing};
use crate::job::sync::SyncState;
use crate::keys::Action;
use crate::keys::action::TABLE;
use crate::mail::clean::Clean;
use crate::mail::ids::AccountId;
use crate::state::{Focus, Level, Model, Screen};
use crate::theme::Theme;

/// Draws the bar.
pub(super) fn bar(model: &Model, theme: &Theme, painter: &mut Painter<'_>) {
    painter.fill(0, 1, theme.bar);
    let width = painter.area.width;
    let mut end = painter.right(width.saturating_sub(1), 0, &clock(model.now, &model.zone), theme.bar);
    for text in right_side(model, theme, width).into_iter().rev() {
        let room = width / 3;
        if cells(&text) + room > end {
            continue;
        }
        end = painter.right(end.saturating_sub(2), 0, &text, theme.bar_progress);
    }
    let end = end.saturating_sub(1);
    let (title, account) = place(model);
    let counts = counts(model);
    // However long a name is, how many there are is said.
    let room = end.saturating_sub(cells(&counts).saturating_add(3));
    let mut x = painter.text(1, 0, room, title.as_str(), theme.bar_account);
    if width >= 60
        && let Some(account) = model.accounts.iter().find(|known| Some(&known.id) == account.as_ref())
    {
        let address = Clean::line(&account.address.email);
        if x + 2 + cells(address.as_str()) <= room {
            x = painter.text(x + 2, 0, room, address.as_str(), theme.bar);
        }
    }
    painter.text(x + 2, 0, end.saturating_sub(x + 2), &counts, theme.bar);
}

/// What is on screen, and the account it belongs to.
fn place(model: &Model) -> (Clean, Option<AccountId>) {
    match (model.screen, &model.compose) {
        (Screen::Compose, Some(compose)) => (Clean::line(compose.title()), Some(compose.draft.account.clone())),
        (Screen::Outbox, _) => (Clean::line("Outbox"), None),
        _ => (model.list_title(), model.list.mailbox().map(|mailbox| mailbox.account.clone())),
    }
}

/// How many there are: of the folder, or of what was found.
fn counts(model: &Model) -> String {
    match model.screen {
        Screen::Compose => return String::new(),
        Screen::Outbox => {
            let count = model.status.outbox;
            let stuck = if count.stuck > 0 { format!(", {} need you", count.stuck) } else { String::new() };
            return format!("{} waiting{stuck}", count.waiting + count.sending);
        }
        Screen::Browse(_) => {}
    }
    let all = model.list.spec.as_ref().is_none_or(|list| list.only == Only::All);
    if let Some(mailbox) = model.list.mailbox().filter(|_| all).and_then(|mailbox| model.mailboxes.row(mailbox)) {
        return new_of(mailbox.unread, mailbox.total);
    }
    if all && model.list.spec.as_ref().is_some_and(|list| list.source == Source::Unified) {
        return new_of(model.mailboxes.unread_in_inboxes(), model.mailboxes.total_in_inboxes());
    }
    if !model.list.known {
        return String::new();
    }
    let more = if model.list.counted { "" } else { "+" };
    let hits = if model.list.search.is_some() { " found" } else { "" };
    format!("{}{more}{hits}", grouped(model.list.total))
}

fn new_of(unread: u64, total: u64) -> String {
    if unread > 0 { format!("{unread} new/{total}") } else { total.to_string() }
}

/// Outbox and sync, from left to right.
fn right_side(model: &Model, theme: &Theme, width: u16) -> Vec<String> {
    let mut parts = Vec::new();
    let outbox = model.status.outbox;
    if outbox.total() > 0 && model.screen != Screen::Outbox {
        let alarm = if outbox.stuck > 0 { "!" } else { "" };
        parts.push(format!("out {alarm}{}", outbox.total()));
    }
    if let Some((done, total)) = model.status.renewing {
        let percent = done.saturating_mul(100).checked_div(total).unwrap_or_default();
        parts.push(format!("new index {percent}%"));
    }
    if model.status.indexing > 0 {
        parts.push(format!("indexing {}", short(u64::try_from(model.status.indexing).unwrap_or(u64::MAX))));
    }
    let database = model.status.database;
    match database.standing {
        Standing::Away => parts.push("notmuch: away".to_owned()),
        Standing::Busy => {
            let waiting = u64::try_from(database.waiting).unwrap_or(u64::MAX);
            parts.push(format!("notmuch: busy, {} wait", short(waiting)));
        }
        Standing::Ready => {}
    }
    let (mut done, mut total, mut words) = (0u64, 0u64, Vec::new());
    for (account, state) in &model.status.sync {
        match state {
            SyncState::Working { done: d, total: t, .. } => {
                done = done.saturating_add(*d);
                total = total.saturating_add(*t);
                words.push("sync".to_owned());
            }
            SyncState::Connecting => words.push("connecting".to_owned()),
            SyncState::Failed { next: None, .. } => words.push(format!("{account}: stopped")),
            SyncState::Failed { next: Some(next), .. } => {
                let left = next.get().saturating_sub(model.now.get());
                words.push(format!("{account}: offline, again {}", soon(left)));
            }
            SyncState::Elsewhere => words.push("synced elsewhere".to_owned()),
            SyncState::Local | SyncState::Waiting | SyncState::UpToDate { .. } => {}
        }
    }
    words.dedup();
    if let Some(sixths) = done.min(total).saturating_mul(6).checked_div(total) {
        let sixths = usize::try_from(sixths).unwrap_or(0).min(6);
        let meter = format!("{}{}", theme.glyphs.full.repeat(sixths), theme.glyphs.rest.repeat(6 - sixths));
        let numbers = format!("{}/{}", short(done), short(total));
        let meter = if width >= 60 { format!("[{meter}] ") } else { String::new() };
        parts.push(format!("sync {meter}{numbers}"));
    } else if let Some(word) = words.first() {
        parts.push(word.clone());
    }
    parts
}

/// Draws the hint line: what can be done here, with the keys as they are bound now.
pub(super) fn hints(model: &Model, theme: &Theme, painter: &mut Painter<'_>) {
    let context = model.context();
    let situation = model.situation();
    // The way to all the others is always there.
    let mut end = painter.area.width;
    if let Some(key) = model.keymap.key_of(context, Action::Help) {
        let word = Action::Help.row().hint;
        end = painter.right(end.saturating_sub(1), 0, word, theme.hint_text);
        end = painter.right(end.saturating_sub(1), 0, &key, theme.hint_key).saturating_sub(1);
    }
    let mut x = 1;
    for row in TABLE.iter().filter(|row| !row.hint.is_empty() && row.contexts.contains(&context)) {
        if row.action == Action::Help || (row.why_not)(&situation).is_some() {
            continue;
        }
        // What is read first is done in a list, too, and belongs to the message.
        if !situation.open && matches!(row.action, Action::OpenHint | Action::SaveAttachment) {
            continue;
        }
        let Some(key) = model.keymap.key_of(context, row.action) else { continue };
        let need = cells(&key) + 1 + cells(row.hint);
        // A hint that is cut teaches the wrong thing.
        if x + need > end {
            continue;
        }
        x = painter.text(x, 0, need, &key, theme.hint_key);
        x = painter.text(x + 1, 0, need, row.hint, theme.hint_text) + 2;
    }
}

/// Draws the message line, the last row of the area: what the program has to say, and where the
/// cursor is. Words of trouble that are too long for it take the hint line above as well.
pub(super) fn message(model: &Model, theme: &Theme, painter: &mut Painter<'_>) {
    let width = painter.area.width;
    let y = painter.area.height.saturating_sub(1);
    let place = position(model);
    let beside = width.saturating_sub(1).saturating_sub(cells(&place)).saturating_sub(1);
    if !model.pending.is_empty() && model.overlay.is_none() {
        painter.right(width.saturating_sub(1), y, &place, theme.muted);
        let end = beside;
        let count = model.pending.count.map_or_else(String::new, |count| count.to_string());
        let keys: String = model.pending.keys.iter().map(ToString::to_string).collect();
        painter.text(1, y, end, &format!("{count}{keys}"), theme.hint_key);
        return;
    }
    let (text, level, action) = match (&model.status.toast, &model.status.leaving, model.status.line()) {
        (None, Some((_, until)), _) => {
            let left = until.get().saturating_sub(model.now.get()).max(0);
            (Clean::line(&format!("Sending in {left} s")), Level::Ok, Some(Action::Undo))
        }
        (_, _, Some(message)) => (message.text.clone(), message.level, message.action),
        (_, _, None) => {
            painter.right(width.saturating_sub(1), y, &place, theme.muted);
            return;
        }
    };
    // The key that takes it back is said even where the rest is cut.
    let key = action.and_then(|action| Some((model.keymap.key_of(model.screen_context(), action)?, action.row().hint)));
    let key_room = key.as_ref().map_or(0, |(key, word)| cells(key) + cells(word) + 3);
    // What happened is said for a moment: the place gives way to it.
    let end = if cells(text.as_str()).saturating_add(key_room + 1) > beside {
        width
    } else {
        painter.right(width.saturating_sub(1), y, &place, theme.muted);
        beside
    };
    let style = match level {
        Level::Info => theme.info,
        Level::Ok => theme.ok,
        Level::Warn => theme.warn,
        Level::Error => theme.error,
    };
    let mut rest = text.as_str();
    let room = end.saturating_sub(1 + key_room);
    if cells(rest) > room && level >= Level::Warn && y > 0 && model.overlay.is_none() {
        let whole = crate::state::take_cells(rest, usize::from(width.saturating_sub(2)));
        let head = whole.rfind(' ').and_then(|at| rest.get(..at)).unwrap_or(whole);
        let mut line = Painter::new(painter.buffer, Rect { height: 1, ..painter.area }, painter.ellipsis);
        line.clear(theme.fg);
        line.text(1, 0, width, head, style);
        rest = rest.get(head.len()..).unwrap_or_default().trim_start();
    }
    let x = painter.text(1, y, room, rest, style);
    if let Some((key, word)) = key {
        let x = painter.text(x + 2, y, end.saturating_sub(x + 2), &key, theme.hint_key);
        painter.text(x + 1, y, end.saturating_sub(x + 1), word, theme.hint_text);
    }
}

/// Where the cursor is.
fn position(model: &Model) -> String {
    match model.screen {
        Screen::Browse(Focus::Viewer) if !model.viewer.lines.is_empty() => {
            let number = model.viewer.number().filter(|_| model.viewer.thread.len() > 1);
            let thread = number.map_or_else(String::new, |n| format!("thread {n}/{}  ", model.viewer.thread.len()));
            format!("{thread}line {}/{}", model.viewer.top + 1, model.viewer.lines.len())
        }
        Screen::Browse(Focus::List | Focus::Folders) if model.list.total > 0 => {
            let selected = match (model.list.range, model.list.selected.len()) {
                (Some(from), _) => format!("a range of {}  ", from.abs_diff(model.list.cursor) + 1),
                (None, 0) => String::new(),
                (None, count) => format!("{count} selected  "),
            };
            format!("{selected}{}/{}", model.list.cursor + 1, model.list.total)
        }
        Screen::Browse(_) | Screen::Compose | Screen::Outbox => String::new(),
    }
}

/// The notice on a screen that is too small.
pub(super) fn too_small(theme: &Theme, painter: &mut Painter<'_>) {
    let width = painter.area.width;
    let (mut x, mut y) = (0, 0);
    for word in "tern: make the window bigger".split(' ') {
        if x > 0 && x + cells(word) > width {
            (x, y) = (0, y + 1);
        }
        x = painter.text(x, y, width, word, theme.fg) + 1;
    }
}
