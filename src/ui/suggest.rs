//! Draws whom somebody may mean below the field in which an address is typed: a row each, with how it is
//! known at the right.

use ratatui::layout::Rect;

use super::text::{Painter, cells};
use crate::state::Suggestions;
use crate::theme::Theme;

/// Draws them from the row `y` on, below the column `x` of the field.
pub(super) fn draw(suggestions: &Suggestions, theme: &Theme, painter: &mut Painter<'_>, x: u16, y: u16) {
    let rows: Vec<_> = suggestions.found.iter().map(|one| (one.label(), one.known_by())).collect();
    let widest = |width: fn(&str) -> u16| move |most: u16, text: &str| most.max(width(text));
    let labels = rows.iter().map(|(label, _)| label.as_str()).fold(0, widest(cells));
    let notes = rows.iter().map(|(_, note)| note.as_str()).fold(0, widest(cells));
    let wanted = labels.saturating_add(notes).saturating_add(5);
    let room = painter.area.width;
    // Where it is narrow, all of the width is needed.
    let x = if x.saturating_add(wanted) > room { x.min(room.saturating_sub(wanted)) } else { x }.saturating_sub(1);
    let width = wanted.min(room.saturating_sub(x));
    let height = u16::try_from(rows.len()).unwrap_or(u16::MAX).min(painter.area.height.saturating_sub(y));
    let area = Rect { x: painter.area.x + x, y: painter.area.y + y, width, height };
    let mut list = Painter::new(painter.buffer, area, painter.ellipsis);
    list.clear(theme.popup);
    // The cursor stays on screen, however few rows there are.
    let top = suggestions.cursor.map_or(0, |at| (at + 1).saturating_sub(usize::from(height)));
    for (y, (at, (label, note))) in (0..height).zip(rows.iter().enumerate().skip(top)) {
        let chosen = suggestions.cursor == Some(at);
        let style = if chosen { theme.popup.patch(theme.cursor_row) } else { theme.popup };
        let line = Rect { y: area.y + y, height: 1, ..area };
        let mut row = Painter::new(list.buffer, line, list.ellipsis);
        row.fill(0, 1, style);
        row.text(0, 0, 1, if chosen { theme.glyphs.cursor } else { " " }, style);
        let note_style = if chosen { style } else { theme.popup.patch(theme.muted) };
        // Who it is comes before how one knows it.
        let end = width.saturating_sub(1);
        let fits = cells(label.as_str()) + cells(note) + 4 <= width;
        let end = if fits { row.right(end, 0, note, note_style).saturating_sub(1) } else { end };
        row.text(1, 0, end.saturating_sub(1), label.as_str(), style);
    }
}
