//! Draws the folder pane: accounts, their mailboxes as a tree, and how many messages are unread; saved searches
//! with how many they find as well.

use super::text::{Painter, cells, short};
use crate::job::index::Source;
use crate::job::sync::SyncState;
use crate::mail::clean::Clean;
use crate::state::{Focus, Item, Model, Screen, Server};
use crate::theme::Theme;

/// Draws the folders.
pub(super) fn draw(model: &Model, theme: &Theme, painter: &mut Painter<'_>) {
    let rows = painter.area.height;
    let focus = model.screen == Screen::Browse(Focus::Folders);
    for y in 0..rows {
        let at = model.mailboxes.top + usize::from(y);
        let Some(item) = model.mailboxes.items.get(at) else { break };
        let cursor = focus && at == model.mailboxes.cursor;
        one(model, theme, painter, y, item, cursor);
    }
    if model.mailboxes.items.is_empty() {
        painter.text(1, 0, painter.area.width, "Looking ...", theme.muted);
    }
}

fn one(model: &Model, theme: &Theme, painter: &mut Painter<'_>, y: u16, item: &Item, cursor: bool) {
    let (name, indent, unread, open) = match item {
        Item::Unified => {
            let open = matches!(model.list.spec.as_ref().map(|spec| &spec.source), Some(Source::Unified));
            (Clean::line("All inboxes"), 1, model.mailboxes.unread_in_inboxes(), open)
        }
        Item::Account(id) => {
            let title = model.accounts.iter().find(|account| account.id == *id).map(|account| account.title.clone());
            (title.unwrap_or_default(), 0, 0, false)
        }
        Item::Heading { depth, title, .. } => (title.clone(), 1 + depth * 2, 0, false),
        Item::Searches => (Clean::line("Saved searches"), 0, 0, false),
        Item::Search(at) => {
            let Some(search) = model.searches.all.get(*at) else { return };
            let name = Clean::line(&search.name);
            let open = model.listed_search() == Some(&name);
            (name, 1, search.tally.map_or(0, |tally| tally.unread), open)
        }
        Item::Mailbox { depth, title, .. } => {
            let Some(row) = model.mailboxes.mailbox(item) else { return };
            let open = model.list.mailbox() == Some(&row.mailbox);
            (title.clone(), 1 + depth * 2, row.unread, open)
        }
    };
    let role = match item {
        Item::Account(_) | Item::Searches => theme.folder_account,
        Item::Heading { .. } => theme.muted,
        _ if open => theme.folder_open,
        _ if unread > 0 => theme.folder_unread,
        _ => theme.folder,
    };
    // Colours of folders are chosen for the ground of the pane, not for that of the cursor.
    let fg = theme.cursor_row.fg.or(theme.fg.fg);
    let style = if cursor { ratatui::style::Style { fg, ..role.patch(theme.cursor_row) } } else { role };
    let width = painter.area.width.saturating_sub(1);
    if cursor {
        let line = ratatui::layout::Rect { y: painter.area.y + y, height: 1, width, ..painter.area };
        Painter::new(painter.buffer, line, painter.ellipsis).fill(0, 1, style);
    }
    // One pointer only: that of the cursor, and elsewhere that of what is open.
    let focus = model.screen == Screen::Browse(Focus::Folders);
    if cursor || open && !focus {
        painter.text(0, y, 1, theme.glyphs.cursor, style);
    }
    let mut end = width;
    if let Item::Account(id) = item {
        let pop3 = model.accounts.iter().any(|account| account.id == *id && account.server == Some(Server::Pop3));
        let resting = if pop3 { "POP3" } else { "" };
        let state = model.status.sync.get(id).map_or(resting, |state| state_word(state, resting));
        end = painter.right(width.saturating_sub(1), y, state, if cursor { style } else { theme.muted });
    } else if let Item::Search(at) = item {
        let tally = model.searches.all.get(*at).and_then(|search| search.tally);
        let words = tally.map_or_else(String::new, |tally| match tally.unread {
            0 => short(tally.total),
            unread => format!("{}/{}", short(unread), short(tally.total)),
        });
        end = painter.right(width.saturating_sub(1), y, &words, if cursor || unread > 0 { style } else { theme.muted });
    } else if unread > 0 {
        end = painter.right(width.saturating_sub(1), y, &short(unread), style);
    }
    let x = if matches!(item, Item::Account(_) | Item::Searches) { 1 } else { 1 + indent };
    painter.text(x, y, end.saturating_sub(x + u16::from(cells(name.as_str()) > 0)), name.as_str(), style);
}

/// How it stands with an account, in a word; `resting` where there is nothing to say.
fn state_word(state: &SyncState, resting: &'static str) -> &'static str {
    match state {
        SyncState::Connecting => "...",
        SyncState::Working { .. } => "sync",
        SyncState::UpToDate { idle: true, .. } => "idle",
        SyncState::Failed { .. } => "offline",
        SyncState::Local | SyncState::Waiting | SyncState::UpToDate { .. } | SyncState::Elsewhere => resting,
    }
}
