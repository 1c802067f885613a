//! Draws the list: one row a message where the screen is wide and low, two where columns are narrow.
//! What a row says is said by a mark or a letter first and by colour second.

use ratatui::layout::Rect;
use ratatui::style::Style;

use super::text::{Painter, cells, date, fit};
use crate::job::index::Row;
use crate::mail::flags::Flag;
use crate::mail::notes::Timing;
use crate::mail::tags;
use crate::state::{Focus, Mark, Model, Screen, Shown};
use crate::theme::Theme;

/// How wide a date is in a row of one line.
const DATE: u16 = 7;
/// Where a subject has less room than this, tags stand beside it only if it is short.
const LEAST_SHARED: u16 = 30;
/// A tag of which no more than this is to be seen says nothing.
const MARK: u16 = 4;

/// Draws the list into an area, `height` rows of the screen for each of its rows.
pub(super) fn draw(model: &Model, theme: &Theme, painter: &mut Painter<'_>, height: u16) {
    let area = painter.area;
    if model.list.total == 0 {
        empty(model, theme, painter);
        return;
    }
    let rows = usize::from(area.height / height.max(1));
    for at in 0..rows {
        let position = model.list.top + at;
        if position >= model.list.total {
            break;
        }
        let Ok(y) = u16::try_from(at) else { break };
        let line = Rect { y: area.y + y * height, height, ..area };
        let mut part = Painter::new(painter.buffer, line, painter.ellipsis);
        match model.list.row(position) {
            Some(row) => one(model, theme, &mut part, position, row, height),
            None => {
                part.text(2, 0, 3, "...", theme.muted);
            }
        }
    }
}

fn empty(model: &Model, theme: &Theme, painter: &mut Painter<'_>) {
    let words = model.empty_words();
    painter.text(
        2,
        1.min(painter.area.height.saturating_sub(1)),
        painter.area.width.saturating_sub(3),
        &words,
        theme.muted,
    );
}

fn one(model: &Model, theme: &Theme, painter: &mut Painter<'_>, position: usize, row: &Row, height: u16) {
    let cursor = position == model.list.cursor;
    let selected = model.list.selected.contains_key(&row.message) || model.list.in_range(position);
    let is_back = matches!(row.timing, Some(Timing::Returned(_) | Timing::Unanswered(_)));
    let unread = row.unread > 0 || !row.flags.has(Flag::Seen);
    let focus = model.screen == Screen::Browse(Focus::List);
    let base = if unread || is_back { theme.list_unread } else { theme.list_read };
    let ground = match (cursor, focus) {
        (true, true) => base.patch(theme.cursor_row),
        (true, false) => base.patch(theme.cursor_row_away),
        (false, _) if selected => base.patch(theme.select_row),
        (false, _) => base,
    };
    let below = if selected { base.patch(theme.select_row) } else { base };
    painter.fill(0, height, below);
    painter.fill(0, 1, ground);
    let look = Look { ground, below, cursor, depth: model.list.depth(position).min(6) };
    painter.text(0, 0, 1, if cursor { theme.glyphs.cursor } else { " " }, ground);
    let mark = match (selected, unread) {
        (true, _) => glyph(theme, Mark::Selected),
        (false, true) => glyph(theme, Mark::Unread),
        (false, false) => " ",
    };
    painter.text(1, 0, 1, mark, look.over(theme.list_mark));
    if height == 1 {
        one_line(model, theme, painter, row, look);
    } else {
        two_lines(model, theme, painter, row, look);
    }
}

/// How a row is drawn: on the cursor's row everything has its look.
#[derive(Clone, Copy)]
struct Look {
    ground: Style,
    /// The second line: the bar of the cursor stays in the first one, so that a step of it sends half as much.
    below: Style,
    cursor: bool,
    /// How deep it stands in its conversation.
    depth: u16,
}

impl Look {
    fn over(self, style: Style) -> Style {
        if self.cursor { self.ground } else { self.ground.patch(style) }
    }
}

fn one_line(model: &Model, theme: &Theme, painter: &mut Painter<'_>, row: &Row, look: Look) {
    let width = painter.area.width;
    let mut day = date(row.date, model.now, &model.zone);
    day.truncate(usize::from(DATE));
    painter.text(3, 0, DATE, &day, look.over(theme.list_date));
    let who = (width / 5).clamp(10, 24);
    let x = 3 + DATE + 1;
    painter.text(x, 0, who, row.who.as_str(), look.ground);
    mark(model, theme, painter, (x, 0, who), row.who.as_str(), Shown::People);
    let marks = marks(theme, row);
    // Marks stand in a column of their own, so that the eye finds them.
    let end = width.saturating_sub(4);
    painter.text(end, 0, 4, &marks, look.over(theme.list_star));
    let mut subject_end = end.saturating_sub(1);
    if row.messages > 1 {
        subject_end = painter.right(subject_end, 0, &format!("({})", row.messages), look.over(theme.list_thread));
        subject_end = subject_end.saturating_sub(1);
    }
    let x = x + who + 2;
    let indent = look.depth * 2;
    let at = (x, 0, subject_end.saturating_sub(x));
    let room = chips(model, painter, at, row, indent, look.over(theme.tag));
    subject(model, theme, painter, (x, 0, room), row, indent, look.ground);
}

fn two_lines(model: &Model, theme: &Theme, painter: &mut Painter<'_>, row: &Row, look: Look) {
    let width = painter.area.width.saturating_sub(1);
    let mut end = painter.right(width, 0, &date(row.date, model.now, &model.zone), look.over(theme.list_date));
    if row.messages > 1 {
        end = painter.right(end.saturating_sub(1), 0, &row.messages.to_string(), look.over(theme.list_thread));
    }
    let marks = marks(theme, row);
    if !marks.is_empty() {
        end = painter.right(end.saturating_sub(1), 0, &marks, look.over(theme.list_star));
    }
    painter.text(3, 0, end.saturating_sub(4), row.who.as_str(), look.ground);
    mark(model, theme, painter, (3, 0, end.saturating_sub(4)), row.who.as_str(), Shown::People);
    let tag = look.below.patch(theme.tag);
    let indent = look.depth * 2;
    let room = chips(model, painter, (5, 1, width.saturating_sub(5)), row, indent, tag);
    subject(model, theme, painter, (5, 1, room), row, indent, look.below);
}

/// Draws the tags and labels of a row at the end of the room of its subject, as far as that leaves two thirds of the
/// room, or what is wider than the subject. Gives back what is left.
fn chips(
    model: &Model,
    painter: &mut Painter<'_>,
    (x, y, room): (u16, u16, u16),
    row: &Row,
    indent: u16,
    style: Style,
) -> u16 {
    let names = tags::names(&row.flags, model.shown_label(row));
    let free = room.saturating_sub(cells(row.subject.as_str()).saturating_add(1 + indent));
    let share = if room < LEAST_SHARED { 0 } else { room / 3 };
    let width = share.max(free).min(room);
    let chips: Vec<String> = names.iter().map(|name| format!("[{name}]")).collect();
    let mut text = String::new();
    for (at, chip) in chips.iter().enumerate() {
        let gap = u16::from(at > 0);
        // There is always room left to say that there are more.
        let more = if at + 1 < chips.len() { 1 + cells(painter.ellipsis) } else { 0 };
        if cells(&text).saturating_add(gap + cells(chip) + more) > width {
            let mark = if at == 0 { fit(chip, width, painter.ellipsis) } else { format!(" {}", painter.ellipsis) };
            text.push_str(if width > MARK { &mark } else { "" });
            break;
        }
        if at > 0 {
            text.push(' ');
        }
        text.push_str(chip);
    }
    if text.is_empty() {
        return room;
    }
    painter.right(x.saturating_add(room), y, &text, style).saturating_sub(x + 1)
}

/// Marks what a search found.
fn mark(model: &Model, theme: &Theme, painter: &mut Painter<'_>, at: (u16, u16, u16), text: &str, part: Shown) {
    if let Some(search) = &model.list.search {
        painter.mark(at, text, &search.marked(part, text), theme.matched);
    }
}

fn subject(
    model: &Model,
    theme: &Theme,
    painter: &mut Painter<'_>,
    (x, y, width): (u16, u16, u16),
    row: &Row,
    indent: u16,
    style: Style,
) {
    let text = if row.subject.is_empty() { "(no subject)" } else { row.subject.as_str() };
    let indent = indent.min(width / 3);
    let mut x = x;
    if indent > 0 {
        x = painter.text(x + indent - 2, y, 2, &format!("{} ", theme.glyphs.branch), style);
    }
    let room = width.saturating_sub(indent);
    painter.text(x, y, room, &fit(text, room, painter.ellipsis), style);
    mark(model, theme, painter, (x, y, room), row.subject.as_str(), Shown::Subject);
}

fn marks(theme: &Theme, row: &Row) -> String {
    Mark::behind(row).take(4).map(|mark| glyph(theme, mark)).collect()
}

/// How a mark looks: one cell.
pub(super) fn glyph(theme: &Theme, mark: Mark) -> &'static str {
    match mark {
        Mark::Unread => theme.glyphs.unread,
        Mark::Selected => theme.glyphs.selected,
        Mark::Draft => theme.glyphs.draft,
        Mark::Returned => theme.glyphs.returned,
        Mark::Unanswered => "?",
        Mark::Snoozed => "z",
        Mark::Awaited => "w",
        Mark::Muted => theme.glyphs.muted,
        Mark::Starred => theme.glyphs.star,
        Mark::Stub => theme.glyphs.stub,
        Mark::Attachment => theme.glyphs.attachment,
        Mark::Answered => theme.glyphs.replied,
        Mark::Forwarded => theme.glyphs.forwarded,
        Mark::List => theme.glyphs.list,
    }
}
