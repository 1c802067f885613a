//! What it looks like. `view` draws the model with the roles of a theme and tells what it had room
//! for; it changes nothing, and the same model gives the same cells.

mod compose;
mod layout;
mod list;
mod mailboxes;
mod menu;
mod outbox;
mod overlay;
mod status;
mod suggest;
mod text;
mod viewer;
mod welcome;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::widgets::{Block, Widget as _};

use crate::state::{Focus, Model, Screen, Viewport};
use crate::theme::Theme;
use layout::Places;
use text::Painter;

/// Draws everything. What comes back is to be sent to `update` as `Event::Viewport` where it differs
/// from the drawing before.
pub fn view(model: &Model, theme: &Theme, frame: &mut Frame<'_>) -> Viewport {
    let area = frame.area();
    Block::new().style(theme.fg).render(area, frame.buffer_mut());
    let Some(places) = layout::places(model, area) else {
        let mut painter = painter(theme, frame, area);
        status::too_small(theme, &mut painter);
        return Viewport { width: area.width, height: area.height, ..Viewport::default() };
    };
    status::bar(model, theme, &mut painter(theme, frame, places.bar));
    let mut written = None;
    match model.screen {
        Screen::Browse(_) if model.is_bare() => welcome::draw(model, theme, &mut painter(theme, frame, places.body)),
        Screen::Browse(focus) => browse(model, theme, frame, &places, focus),
        Screen::Compose => written = compose::draw(model, theme, &mut painter(theme, frame, places.body)),
        Screen::Outbox => outbox::draw(model, theme, &mut painter(theme, frame, places.body)),
    }
    status::hints(model, theme, &mut painter(theme, frame, places.hints));
    let last = places.hints.union(places.message);
    status::message(model, theme, &mut painter(theme, frame, last));
    let whole = &mut painter(theme, frame, area);
    let (cursor, menu) = overlay::draw(model, theme, whole, places.body, places.message);
    let typed = if model.overlay.is_some() { None } else { written };
    if let Some(position) = cursor.or(typed).filter(|position| area.contains(*position)) {
        frame.set_cursor_position(position);
    }
    Viewport { menu_rows: menu.height, menu_at: (menu.x, menu.y, menu.width), ..viewport(&places, area) }
}

/// Draws folders, list and message, where they are on screen.
fn browse(model: &Model, theme: &Theme, frame: &mut Frame<'_>, places: &Places, focus: Focus) {
    if places.folders.area() > 0 {
        let mut pane = painter(theme, frame, places.folders);
        mailboxes::draw(model, theme, &mut pane);
        if places.list.area() > 0 {
            let style = if focus == Focus::Folders { theme.border_focus } else { theme.border };
            let last = pane.area.width.saturating_sub(1);
            pane.vertical(last, theme.glyphs.vertical, style);
        }
    }
    if places.list.area() > 0 {
        let beside = places.viewer.area() > 0 && places.viewer.y == places.list.y;
        let mut area = places.list;
        if beside {
            area.width -= 1;
            let line = Rect { x: area.right(), width: 1, ..area };
            let style = if focus == Focus::Viewer { theme.border_focus } else { theme.border };
            painter(theme, frame, line).vertical(0, theme.glyphs.vertical, style);
        }
        list::draw(model, theme, &mut painter(theme, frame, area), places.row_height());
    }
    if places.rule.area() > 0 {
        viewer::rule(model, theme, &mut painter(theme, frame, places.rule));
    }
    if places.viewer.area() > 0 {
        viewer::draw(model, theme, &mut painter(theme, frame, places.viewer));
    }
}

fn painter<'a>(theme: &Theme, frame: &'a mut Frame<'_>, area: Rect) -> Painter<'a> {
    Painter::new(frame.buffer_mut(), area, theme.glyphs.ellipsis)
}

fn viewport(places: &Places, area: Rect) -> Viewport {
    Viewport {
        width: area.width,
        height: area.height,
        list_rows: places.list.height / places.row_height(),
        folder_rows: places.folders.height,
        view_rows: places.viewer.height,
        view_width: places.viewer.width.saturating_sub(2),
        menu_rows: 0,
        menu_at: (0, 0, 0),
        page_rows: places.body.height,
        list_at: (places.list.x, places.list.y, places.row_height()),
        folders_at: (places.folders.x, places.folders.y, places.folders.width),
        view_at: (places.viewer.x, places.viewer.y),
    }
}
