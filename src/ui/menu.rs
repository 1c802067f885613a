//! Draws menus: a field to type in, the rows that fit what was typed, and in full what had to be cut of the one
//! under the cursor.

use ratatui::layout::{Position, Rect};

use super::overlay::{boxed, middle, tail};
use super::text::{Painter, cells, pieces};
use crate::mail::moment;
use crate::mail::notes::TimerKind;
use crate::state::{Choice, Menu, MenuItem, MenuKind, Model};
use crate::theme::Theme;

/// Draws a menu. Gives back where the terminal's cursor belongs, and where there is room for rows.
pub(super) fn draw(
    model: &Model,
    theme: &Theme,
    painter: &mut Painter<'_>,
    body: Rect,
    menu: &Menu,
) -> (Option<Position>, Rect) {
    // As high as it can become, whatever is typed: a box that jumps is hard to read.
    let wanted = u16::try_from(menu.items.len()).unwrap_or(u16::MAX).saturating_add(4);
    let limit = if is_help(menu) { body.height } else { (body.height * 3 / 5).max(8) };
    let area = middle(body, 78, wanted.min(limit));
    let mut inside = boxed(theme, painter, area, &title(model, menu.kind));
    let width = inside.area.width;
    let (before, after) = menu.input.shown();
    let x = inside.text(0, 0, width, ": ", theme.popup_key);
    let cursor =
        inside.text(x, 0, width.saturating_sub(x + 1), tail(&before, width.saturating_sub(x + 1)), theme.field);
    inside.text(cursor, 0, width.saturating_sub(cursor), &after, theme.field);
    let position = Position { x: inside.area.x + cursor, y: inside.area.y };
    let columns = Columns::of(menu, width);
    let foot = columns.foot.min(if width < 60 { inside.area.height / 3 } else { 1 });
    let rows = inside.area.height.saturating_sub(1 + foot);
    let shown = menu.shown.iter().enumerate().skip(menu.top).take(usize::from(rows));
    for (y, (at, item)) in (1..).zip(shown) {
        let Some(item) = menu.items.get(*item) else { continue };
        let line = Rect { y: inside.area.y + y, height: 1, ..inside.area };
        let mut row = Painter::new(inside.buffer, line, inside.ellipsis);
        one(theme, &mut row, item, &columns, at == menu.cursor);
    }
    if let Some(item) = menu.current().filter(|item| columns.cuts(item)) {
        let whole = whole(item);
        for (y, line) in (inside.area.height - foot..inside.area.height).zip(pieces(&whole, usize::from(width))) {
            inside.text(0, y, width, line, theme.popup.patch(theme.muted));
        }
    }
    if menu.shown.is_empty() {
        nothing(theme, &mut inside, menu.kind);
    }
    if menu.shown.len() > usize::from(rows) {
        let last = Rect { y: area.bottom().saturating_sub(1), height: 1, ..area };
        let place = format!(" {}/{} ", menu.cursor + 1, menu.shown.len());
        Painter::new(inside.buffer, last, inside.ellipsis).right(area.width.saturating_sub(2), 0, &place, theme.popup);
    }
    (Some(position), Rect { y: inside.area.y + 1, height: rows, ..inside.area })
}

fn is_help(menu: &Menu) -> bool {
    matches!(menu.kind, MenuKind::Help(_))
}

/// How the width is shared out.
struct Columns {
    help: bool,
    width: u16,
    /// What the keys of the help take.
    keys: u16,
    /// The rows that the longest text needs which is cut; 0: none is.
    foot: u16,
}

impl Columns {
    fn of(menu: &Menu, width: u16) -> Self {
        // Where there is little room, the keys take no more of it than they need.
        let widest = menu.items.iter().map(|item| cells(&item.keys)).max().unwrap_or(0);
        let keys = widest.clamp(1, if width < 60 { 9 } else { 16 });
        let columns = Self { help: is_help(menu), width, keys, foot: 0 };
        let cut = menu.items.iter().filter(|item| columns.cuts(item));
        let rows = cut.map(|item| pieces(&whole(item), usize::from(width)).len()).max().unwrap_or(0);
        Self { foot: u16::try_from(rows).unwrap_or(u16::MAX), ..columns }
    }

    /// Is there less room for the text of this row than it needs?
    fn cuts(&self, item: &MenuItem) -> bool {
        let around = if self.help { self.keys + 3 } else { cells(&item.keys).saturating_add(3) };
        cells(&whole(item)).saturating_add(around) > self.width
    }
}

/// What a row says, with the reason why it cannot be done.
fn whole(item: &MenuItem) -> String {
    item.why_not.map_or_else(|| item.text.to_string(), |why| format!("{} ({why})", item.text))
}

fn one(theme: &Theme, row: &mut Painter<'_>, item: &MenuItem, columns: &Columns, cursor: bool) {
    let base = if item.why_not.is_some() { theme.popup.patch(theme.muted) } else { theme.popup };
    let style = if cursor { base.patch(theme.cursor_row) } else { base };
    row.fill(0, 1, style);
    row.text(0, 0, 1, if cursor { theme.glyphs.cursor } else { " " }, style);
    let key_style = if cursor { style } else { theme.popup_key };
    let (x, end) = if columns.help {
        let keys = match item.choice {
            Choice::Mark(mark) => super::list::glyph(theme, mark),
            Choice::Action(_)
            | Choice::Mailbox(_)
            | Choice::Unified
            | Choice::Search(_)
            | Choice::Tag(_)
            | Choice::Sort(..)
            | Choice::Until(_)
            | Choice::Nothing => &item.keys,
        };
        row.text(2, 0, columns.keys, keys, key_style);
        (columns.keys + 3, columns.width)
    } else {
        (2, row.right(columns.width, 0, &item.keys, key_style).saturating_sub(1))
    };
    row.text(x, 0, end.saturating_sub(x), &whole(item), style);
}

/// What is said where nothing fits what was typed.
fn nothing(theme: &Theme, inside: &mut Painter<'_>, kind: MenuKind) {
    let words = match kind {
        MenuKind::Tag => "Type the name of a new tag".to_owned(),
        MenuKind::Time(_) => format!("Type a time: {}", moment::EXPECTED),
        MenuKind::Help(_) | MenuKind::Palette(_) | MenuKind::Go | MenuKind::Move | MenuKind::Label | MenuKind::Sort => {
            "Nothing fits".to_owned()
        }
    };
    let width = inside.area.width.saturating_sub(2);
    for (y, line) in (1..inside.area.height).zip(pieces(&words, usize::from(width).max(1))) {
        inside.text(2, y, width, line, theme.popup.patch(theme.muted));
    }
}

fn title(model: &Model, kind: MenuKind) -> String {
    match kind {
        MenuKind::Help(context) => format!("Help: {}", context.title()),
        MenuKind::Palette(_) => "Do".to_owned(),
        MenuKind::Go => "Go to folder".to_owned(),
        MenuKind::Label => "Give or take a label".to_owned(),
        MenuKind::Tag => "Give or take a tag".to_owned(),
        MenuKind::Sort => "Sort the list".to_owned(),
        MenuKind::Time(TimerKind::Snooze) => "Snooze until".to_owned(),
        MenuKind::Time(TimerKind::Remind) => "Remind me if nobody has answered".to_owned(),
        MenuKind::Move => {
            let count = model.situation().targets;
            format!("Move {} to", if count == 1 { "1 message".to_owned() } else { format!("{count} rows") })
        }
    }
}
