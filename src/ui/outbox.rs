//! Draws the outbox: each message with its state, its next try and the words of the server, and
//! below them the conversation of the last attempt.

use ratatui::style::Style;

use super::text::{Painter, cells, coming, date};
use crate::job::outbox::{Entry, EntryState, Verdict};
use crate::mail::clean::Clean;
use crate::mail::ids::Timestamp;
use crate::state::Model;
use crate::theme::Theme;

/// Fewer columns than these have no room for state and subject side by side.
const NARROW: u16 = 60;

/// Draws it.
pub(super) fn draw(model: &Model, theme: &Theme, painter: &mut Painter<'_>) {
    let outbox = &model.outbox;
    if outbox.entries.is_empty() {
        painter.text(2, 1, painter.area.width, "Nothing waits to be sent.", theme.muted);
        return;
    }
    let below = if outbox.transcript { painter.area.height / 2 } else { (painter.area.height / 3).min(6) };
    let rows = painter.area.height.saturating_sub(below + 1).max(2);
    let shown = usize::from(rows / 2).max(1);
    let first = outbox.cursor.saturating_sub(shown - 1);
    for (place, entry) in outbox.entries.iter().enumerate().skip(first).take(shown) {
        let y = u16::try_from(place - first).unwrap_or(0) * 2;
        draw_entry(model, theme, painter, y, entry, place == outbox.cursor);
    }
    if let Some(entry) = outbox.current() {
        draw_details(model, theme, painter, rows, entry);
    }
}

fn draw_entry(model: &Model, theme: &Theme, painter: &mut Painter<'_>, y: u16, entry: &Entry, here: bool) {
    if here {
        painter.fill(y, 2, theme.cursor_row);
        painter.text(0, y, 1, theme.glyphs.cursor, theme.accent);
    }
    let (words, style) = state(model, theme, entry);
    let on_row = |style: Style| if here { theme.cursor_row.patch(style) } else { style };
    let width = painter.area.width;
    let when = date(entry.queued_at, model.now, &model.zone);
    let end = painter.right(width.saturating_sub(1), y, &when, on_row(theme.list_date)).saturating_sub(1);
    let to: Vec<&str> = entry.recipients.iter().map(|(to, _)| to.as_str()).collect();
    let to = format!("to {}", to.join(", "));
    let title = if entry.subject.is_empty() { "(no subject)" } else { entry.subject.as_str() };
    // Where there is no room for both in one row, the message comes first and its state below it.
    if width < NARROW {
        painter.text(2, y, end.saturating_sub(2), title, on_row(theme.view_subject));
        let x = painter.text(4, y + 1, width.saturating_sub(5), &words, on_row(style));
        painter.text(x + 2, y + 1, width.saturating_sub(x + 3), &to, on_row(theme.muted));
        return;
    }
    let x = painter.text(2, y, end.saturating_sub(2), &words, on_row(style));
    painter.text(x + 2, y, end.saturating_sub(x + 2), title, on_row(theme.view_subject));
    painter.text(6, y + 1, width.saturating_sub(7), &to, on_row(theme.muted));
}

/// The state in words, and its look.
fn state(model: &Model, theme: &Theme, entry: &Entry) -> (String, Style) {
    match &entry.state {
        EntryState::Held(None) => ("held".to_owned(), theme.box_scheduled),
        EntryState::Held(Some(until)) => (held_until(model, *until), theme.box_scheduled),
        EntryState::Queued => ("queued".to_owned(), theme.box_queued),
        EntryState::Sending => ("sending".to_owned(), theme.box_sending),
        EntryState::Deferred { attempts, next, .. } => {
            let tries = if *attempts > 0 { format!(", {attempts} tried") } else { String::new() };
            (format!("deferred, next try {}{tries}", coming(*next, model.now, &model.zone)), theme.box_queued)
        }
        EntryState::Paused { .. } => ("paused: sign-in refused".to_owned(), theme.box_failed),
        EntryState::Failed { .. } => ("FAILED".to_owned(), theme.box_failed),
        EntryState::MaybeSent => ("MAYBE SENT".to_owned(), theme.box_failed),
    }
}

fn held_until(model: &Model, until: Timestamp) -> String {
    let left = until.get() - model.now.get();
    if left <= 120 {
        format!("sending in {} s", left.max(0))
    } else {
        format!("scheduled for {}", coming(until, model.now, &model.zone))
    }
}

/// What the server said of each recipient, what to do, and the last conversation.
fn draw_details(model: &Model, theme: &Theme, painter: &mut Painter<'_>, top: u16, entry: &Entry) {
    let line = theme.glyphs.horizontal.repeat(usize::from(painter.area.width));
    painter.text(0, top, painter.area.width, &line, theme.border);
    let mut lines: Vec<(Clean, Style)> = Vec::new();
    match &entry.state {
        EntryState::Deferred { why, .. } | EntryState::Paused { why } | EntryState::Failed { why } => {
            lines.push((why.clone(), theme.warn));
        }
        EntryState::MaybeSent => lines.push((
            Clean::line(
                "The connection was lost after the message was handed over. Has it arrived?  A it has   S send again",
            ),
            theme.warn,
        )),
        EntryState::Held(_) | EntryState::Queued | EntryState::Sending => {}
    }
    let alone = entry.recipients.len() == 1;
    for (to, verdict) in &entry.recipients {
        // The only recipient's verdict is that of the message, and stands there already.
        let reply = match verdict {
            Verdict::Deferred(reply) | Verdict::Refused(reply) => Some(reply),
            Verdict::Pending | Verdict::Accepted => None,
        };
        if alone && reply.is_some_and(|reply| lines.iter().any(|(line, _)| line == reply)) {
            continue;
        }
        let (words, style) = match verdict {
            Verdict::Pending => continue,
            Verdict::Accepted => ("accepted".to_owned(), theme.ok),
            Verdict::Deferred(reply) => (format!("later: {reply}"), theme.warn),
            Verdict::Refused(reply) => (format!("refused: {reply}"), theme.error),
        };
        lines.push((Clean::line(&format!("{to}: {words}")), style));
    }
    let room = usize::from(painter.area.height.saturating_sub(top + 1));
    if model.outbox.transcript {
        let left = room.saturating_sub(lines.len());
        let skipped = entry.transcript.len().saturating_sub(left);
        lines.extend(entry.transcript.iter().skip(skipped).map(|line| (line.clone(), theme.view_code)));
        if entry.transcript.is_empty() {
            lines.push((Clean::line("No attempt has been made yet."), theme.muted));
        }
    }
    let width = painter.area.width.saturating_sub(2);
    let mut y = top + 1;
    for (text, style) in lines.into_iter().take(room) {
        if cells(text.as_str()) > width && usize::from(painter.area.height.saturating_sub(y)) > 1 {
            let head = crate::state::take_cells(text.as_str(), usize::from(width));
            painter.text(1, y, width, head, style);
            let rest = text.as_str().get(head.len()..).unwrap_or_default();
            painter.text(3, y + 1, width.saturating_sub(2), rest, style);
            y += 2;
        } else {
            painter.text(1, y, width, text.as_str(), style);
            y += 1;
        }
    }
}
