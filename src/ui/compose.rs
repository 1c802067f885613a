//! Draws a message that is being written: its fields, the files, the text, and in the review what
//! the author should look at before it goes.

use ratatui::layout::Position;
use ratatui::style::Style;

use super::suggest;
use super::text::{Painter, cells};
use crate::keys::{Action, Context};
use crate::mail::clean::Clean;
use crate::mail::moment;
use crate::state::{Compose, Field, Model, Part, take_cells};
use crate::theme::Theme;

/// The column where the values of the fields begin.
const VALUES: u16 = 13;
/// From so many rows on, the review shows the fields that could be filled in.
const ROOMY: u16 = 18;
/// Text is not laid out wider than this, so that lines stay readable.
const WIDEST: u16 = 80;

/// Draws it; gives back where the cursor stands.
pub(super) fn draw(model: &Model, theme: &Theme, painter: &mut Painter<'_>) -> Option<Position> {
    let compose = model.compose.as_ref()?;
    let review = compose.part == Part::Review;
    let key = |action: Action| {
        let known = if review { model.keymap.key_of(Context::Review, action) } else { None };
        known.unwrap_or_default()
    };
    let mut y = 0;
    let mut from = compose.draft.from.written();
    if model.accounts.len() > 1 && painter.area.width >= 60 {
        from = format!("{from}   (account {})", compose.draft.account.as_str());
    }
    y += row(painter, theme, y, (&key(Action::EditFrom), "From"), Clean::line(&from).as_str(), theme.view_value);
    let mut cursor = None;
    for field in Field::ALL {
        let text = field.of(&compose.draft);
        match &compose.part {
            Part::Field(typed, input) if *typed == field => {
                row(painter, theme, y, ("", field.title()), "", theme.view_value);
                let (before, after) = input.shown();
                let room = painter.area.width.saturating_sub(VALUES + 1);
                let shown = tail(&before, room);
                let x = painter.text(VALUES, y, room, shown, theme.field);
                painter.text(x, y, room.saturating_sub(x.saturating_sub(VALUES)), &after, theme.field);
                cursor = Some(Position { x: painter.area.x + x, y: painter.area.y + y });
                y += 1;
            }
            _ if text.is_empty() && !shown_empty(field, review && painter.area.height >= ROOMY) => {}
            _ => {
                let title = (&*key(changes(field)), field.title());
                y += row(painter, theme, y, title, Clean::line(text).as_str(), theme.view_value);
            }
        }
    }
    for (number, file) in compose.draft.attachments.iter().enumerate() {
        let attach = key(Action::Attach);
        let title = if number == 0 { (&*attach, "Attached") } else { ("", "") };
        let size =
            compose.sizes.get(&file.path).map_or_else(String::new, |size| format!("  {}", crate::state::size(*size)));
        let text = format!("[{}] {}{size}  {}", number + 1, Clean::line(&file.name), Clean::line(&file.media_type));
        y += row(painter, theme, y, title, &text, theme.view_link);
    }
    if let Some(at) = compose.draft.remind_at {
        let remind = key(Action::RemindDraft);
        let text = format!("if nobody has answered by {}", moment::words(at, model.now, &model.zone));
        y += row(painter, theme, y, (&remind, "Remind"), &text, theme.view_value);
    }
    y += rule(painter, theme, y);
    let notes = if review { notes_height(compose, painter.area.height) } else { 0 };
    let height = painter.area.height.saturating_sub(y + notes);
    let at = body(compose, theme, painter, y, height);
    if compose.part == Part::Body {
        cursor = at;
    }
    if review {
        draw_notes(compose, theme, painter, y + height, notes);
    }
    if let Some(at) = cursor.filter(|_| compose.suggestions.is_open()) {
        suggest::draw(&compose.suggestions, theme, painter, VALUES, at.y.saturating_sub(painter.area.y) + 1);
    }
    cursor
}

/// Is a field shown that has nothing in it?
fn shown_empty(field: Field, roomy: bool) -> bool {
    match field {
        Field::To | Field::Subject => true,
        Field::Cc | Field::Bcc => roomy,
        Field::ReplyTo => false,
    }
}

/// What changes a field in the review.
fn changes(field: Field) -> Action {
    match field {
        Field::To => Action::EditTo,
        Field::Cc => Action::EditCc,
        Field::Bcc => Action::EditBcc,
        Field::ReplyTo => Action::EditReplyTo,
        Field::Subject => Action::EditSubject,
    }
}

/// One row: the key that changes it, what it is, what it says.
fn row(painter: &mut Painter<'_>, theme: &Theme, y: u16, (key, title): (&str, &str), text: &str, style: Style) -> u16 {
    painter.text(1, y, 1, key, theme.hint_key);
    painter.text(3, y, VALUES - 4, title, theme.view_key);
    painter.text(VALUES, y, painter.area.width.saturating_sub(VALUES + 1), text, style);
    1
}

fn rule(painter: &mut Painter<'_>, theme: &Theme, y: u16) -> u16 {
    let line = theme.glyphs.horizontal.repeat(usize::from(painter.area.width));
    painter.text(0, y, painter.area.width, &line, theme.border);
    1
}

/// The end of a text that is longer than the room there is.
fn tail(text: &str, room: u16) -> &str {
    let mut rest = text;
    while cells(rest) >= room.max(1) {
        let mut chars = rest.chars();
        if chars.next().is_none() {
            break;
        }
        rest = chars.as_str();
    }
    rest
}

/// The text from its first line on screen; in the review it is not scrolled after the cursor.
fn body(compose: &Compose, theme: &Theme, painter: &mut Painter<'_>, y: u16, height: u16) -> Option<Position> {
    let width = usize::from(painter.area.width.saturating_sub(2).min(WIDEST));
    let rows = usize::from(height);
    if rows == 0 || width == 0 {
        return None;
    }
    let first =
        if compose.part == Part::Body { compose.editor.first_line(compose.top, width, rows) } else { compose.top };
    let (lines, cursor) = compose.editor.wrapped(first, width, rows);
    let mut signature = false;
    for (number, line) in lines.iter().enumerate() {
        signature |= line.text == "-- " || line.text == "--";
        let depth = line.text.chars().take_while(|c| *c == '>' || *c == ' ').filter(|c| *c == '>').count();
        let style = match (signature, u8::try_from(depth).unwrap_or(u8::MAX)) {
            (true, _) => theme.view_sig,
            (false, 0) => theme.view_body,
            (false, depth) => theme.quote(depth),
        };
        let text = Clean::line(take_cells(line.text, width));
        painter.text(
            1,
            y + u16::try_from(number).unwrap_or(0),
            painter.area.width.saturating_sub(1),
            text.as_str(),
            style,
        );
    }
    let (row, column) = cursor?;
    let x = painter.area.x + 1 + u16::try_from(column).unwrap_or(u16::MAX).min(painter.area.width.saturating_sub(2));
    Some(Position { x, y: painter.area.y + y + u16::try_from(row).unwrap_or(0) })
}

/// The notes, one row each, and a rule above them; never more than half of the screen.
fn notes_height(compose: &Compose, height: u16) -> u16 {
    let wanted = u16::try_from(compose.notes.len()).unwrap_or(u16::MAX).saturating_add(1).max(2);
    wanted.min(height / 2)
}

fn draw_notes(compose: &Compose, theme: &Theme, painter: &mut Painter<'_>, y: u16, height: u16) {
    if height < 2 {
        return;
    }
    rule(painter, theme, y);
    let width = painter.area.width.saturating_sub(4);
    if compose.notes.is_empty() {
        painter.text(1, y + 1, width, "Ready to be sent.", theme.ok);
    }
    for (number, note) in compose.notes.iter().take(usize::from(height - 1)).enumerate() {
        let y = y + 1 + u16::try_from(number).unwrap_or(0);
        let style = if note.blocks { theme.error } else { theme.warn };
        painter.text(1, y, 1, "!", style);
        painter.text(3, y, width, note.text.as_str(), style);
    }
}
