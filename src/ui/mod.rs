//! What it looks like. `view` draws the model with the roles of a theme and tells what it had room
//! for; it changes nothing, and the same model gives the same cells.

mod layout;
mod list;
mod status;
mod text;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::widgets::{Block, Widget as _};

use crate::state::{Model, Viewport};
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
    if places.list.area() > 0 {
        list::draw(model, theme, &mut painter(theme, frame, places.list), places.row_height());
    }
    status::hints(model, theme, &mut painter(theme, frame, places.hints));
    status::message(model, theme, &mut painter(theme, frame, places.message));
    viewport(&places, area)
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
        page_rows: places.body.height,
        list_at: (places.list.x, places.list.y, places.row_height()),
        folders_at: (places.folders.x, places.folders.y, places.folders.width),
        view_at: (places.viewer.x, places.viewer.y),
    }
}
