//! Draws a message: the part of its lines that is on screen, and the line above it with its subject.

use ratatui::style::{Modifier, Style};

use super::text::{Painter, date};
use crate::mail::clean::Clean;
use crate::mail::document::{LineKind, SpanStyle};
use crate::mail::flags::Flag;
use crate::state::{Focus, LineRole, Mark, Model, Screen, SearchInfo, Shown, ViewLine, ViewSpan};
use crate::theme::Theme;

/// Draws the line between list and message.
pub(super) fn rule(model: &Model, theme: &Theme, painter: &mut Painter<'_>) {
    let focus = model.screen == Screen::Browse(Focus::Viewer);
    let style = if focus { theme.border_focus } else { theme.border };
    let width = painter.area.width;
    painter.text(0, 0, width, &theme.glyphs.horizontal.repeat(usize::from(width)), style);
    let subject = title(model);
    let room = width.saturating_sub(4);
    painter.text(2, 0, room, &format!(" {subject} "), theme.view_subject);
}

/// The subject of the open message.
fn title(model: &Model) -> Clean {
    let row = model.viewer.open.as_ref().map(|open| &open.row);
    match row {
        Some(row) if row.subject.is_empty() => Clean::line("(no subject)"),
        Some(row) => row.subject.clone(),
        None => Clean::empty(),
    }
}

/// Draws the message.
pub(super) fn draw(model: &Model, theme: &Theme, painter: &mut Painter<'_>) {
    let Some(open) = &model.viewer.open else {
        nothing(model, theme, painter);
        return;
    };
    if model.viewer.lines.is_empty() {
        let words = if open.document.is_some() { "This message is empty" } else { "Reading ..." };
        painter.text(1, 0, painter.area.width, words, theme.muted);
        return;
    }
    let lines = model.viewer.lines.iter().enumerate().skip(model.viewer.top);
    for (y, (at, line)) in (0..painter.area.height).zip(lines) {
        draw_line(model, theme, painter, y, line);
        let found = model.viewer.find.as_ref().filter(|find| find.lines.binary_search(&at).is_ok());
        if let Some(find) = found {
            mark(theme, painter, y, line, &find.needle);
        } else if let (None, Some(search)) = (&model.viewer.find, &model.list.search) {
            mark_words(theme, painter, y, line, search);
        }
    }
}

fn nothing(model: &Model, theme: &Theme, painter: &mut Painter<'_>) {
    let open = model.keymap.key_of(crate::keys::Context::List, crate::keys::Action::Open);
    if let (Some(key), true) = (open, model.list.total > 0) {
        let x = painter.text(2, 1, painter.area.width, &key, theme.hint_key);
        painter.text(x + 1, 1, painter.area.width, "opens the message under the cursor", theme.muted);
    }
}

fn draw_line(model: &Model, theme: &Theme, painter: &mut Painter<'_>, y: u16, line: &ViewLine) {
    if let LineRole::Title { at, whole } = line.role {
        title_line(model, theme, painter, y, at, whole);
        return;
    }
    let mut x = 1;
    let base = line_style(theme, line);
    let text_from = x;
    if matches!(line.role, LineRole::Body(_) | LineRole::Fold) {
        for depth in 1..=line.quote.min(8) {
            x = painter.text(x, y, 2, theme.glyphs.quote, theme.quote(depth));
            x = x.max(text_from + u16::from(depth) * 2);
        }
    }
    for span in &line.spans {
        let style = span_style(theme, line, span, base);
        x = painter.text(x, y, painter.area.width.saturating_sub(x), span.text.as_str(), style);
    }
    if line.role == LineRole::Fold {
        let key = model.keymap.key_of(crate::keys::Context::View, crate::keys::Action::FoldHere).unwrap_or_default();
        let x = painter.text(x + 1, y, painter.area.width, &key, theme.hint_key);
        painter.text(x + 1, y, painter.area.width, "shows", theme.view_note);
    }
}

/// Draws the line of a message in its conversation: whether it is the one at hand, its number, who wrote it and when.
fn title_line(model: &Model, theme: &Theme, painter: &mut Painter<'_>, y: u16, at: usize, whole: bool) {
    let Some(row) = model.viewer.thread.get(at) else { return };
    let is_unread = !row.flags.has(Flag::Seen);
    let style = match (whole, is_unread) {
        (true, _) => theme.view_subject,
        (false, true) => theme.list_unread,
        (false, false) => theme.list_read,
    };
    let width = painter.area.width.saturating_sub(1);
    painter.text(0, y, 1, if model.viewer.is_at_hand(row) { theme.glyphs.cursor } else { " " }, style);
    if is_unread {
        painter.text(1, y, 1, theme.glyphs.unread, theme.list_mark);
    }
    let mut end = painter.right(width, y, &date(row.date, model.now, &model.zone), theme.list_date);
    let marks: String = Mark::behind(row).take(4).map(|mark| super::list::glyph(theme, mark)).collect();
    if !marks.is_empty() {
        end = painter.right(end.saturating_sub(1), y, &marks, theme.list_star);
    }
    let number = format!("{} ", at + 1);
    let mut x = painter.text(3, y, end, &number, theme.muted);
    let indent = row.depth.min(6) * 2;
    if indent > 0 {
        x = painter.text(x + indent - 2, y, 2, &format!("{} ", theme.glyphs.branch), theme.muted);
    }
    painter.text(x, y, end.saturating_sub(x + 1), row.who.as_str(), style);
}

fn line_style(theme: &Theme, line: &ViewLine) -> Style {
    match line.role {
        LineRole::Header | LineRole::Attachment => theme.view_value,
        LineRole::Tags => theme.tag,
        LineRole::Warning => theme.view_warning,
        LineRole::Title { .. } => theme.view_subject,
        LineRole::Blank => theme.view_body,
        LineRole::Body(LineKind::Added) => theme.view_added,
        LineRole::Body(LineKind::Removed) => theme.view_removed,
        LineRole::Body(LineKind::Signature) => theme.view_sig,
        LineRole::Fold | LineRole::Body(LineKind::Note) => theme.view_note,
        LineRole::Body(LineKind::Heading) => theme.view_heading,
        LineRole::Body(LineKind::Text | LineKind::Pre) => theme.quote(line.quote),
    }
}

fn span_style(theme: &Theme, line: &ViewLine, span: &ViewSpan, base: Style) -> Style {
    if span.key {
        return if line.role == LineRole::Attachment { theme.view_hint } else { theme.view_key };
    }
    let mut style = base;
    let SpanStyle { strong, emphasis, struck, code, hidden } = span.style;
    if code {
        style = style.patch(theme.view_code);
    }
    if hidden {
        style = style.patch(theme.muted);
    }
    if span.link.is_some() {
        style = style.patch(theme.view_link);
    }
    let table = [(strong, Modifier::BOLD), (emphasis, Modifier::ITALIC), (struck, Modifier::CROSSED_OUT)];
    table.iter().filter(|(is, _)| *is).fold(style, |style, (_, modifier)| style.add_modifier(*modifier))
}

/// Marks the words by which the message was found.
fn mark_words(theme: &Theme, painter: &mut Painter<'_>, y: u16, line: &ViewLine, search: &SearchInfo) {
    let (text, x) = (line.text(), indent(line));
    let found = search.marked(Shown::Message, &text);
    painter.mark((x, y, painter.area.width.saturating_sub(x)), &text, &found, theme.matched);
}

/// Where the text of a line begins.
fn indent(line: &ViewLine) -> u16 {
    1 + if matches!(line.role, LineRole::Body(_) | LineRole::Fold) { u16::from(line.quote.min(8)) * 2 } else { 0 }
}

/// Marks what was searched for.
fn mark(theme: &Theme, painter: &mut Painter<'_>, y: u16, line: &ViewLine, needle: &str) {
    let text = line.text();
    let lower = text.to_lowercase();
    // Where lower case has other lengths, positions do not fit: the line stays unmarked, not wrong.
    if lower.len() != text.len() || needle.is_empty() {
        return;
    }
    let indent = indent(line);
    for (at, found) in lower.match_indices(needle) {
        if let (Some(before), Some(found)) = (text.get(..at), text.get(at..at + found.len())) {
            let x = indent.saturating_add(super::text::cells(before));
            painter.text(x, y, painter.area.width.saturating_sub(x), found, theme.matched);
        }
    }
}
