//! Sizes to places: which panes are on screen and where, by size class. The only place that knows
//! about columns and rows.

use ratatui::layout::Rect;

use crate::state::{Focus, Model, Screen};

/// Fewer columns than this, or fewer rows than [`LEAST_ROWS`], are too few for anything.
const LEAST_COLUMNS: u16 = 40;
/// See [`LEAST_COLUMNS`].
const LEAST_ROWS: u16 = 6;

/// How wide the screen is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// Under 60 columns: one pane.
    Narrow,
    /// 60 to 109: the list over the message.
    Medium,
    /// 110 to 179: three columns.
    Wide,
    /// 180 and more: three wide columns.
    Huge,
}

/// Where everything is. What is not on screen has no size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Places {
    pub(super) class: Class,
    /// The bar at the top.
    pub(super) bar: Rect,
    /// Everything between bar and hints.
    pub(super) body: Rect,
    pub(super) folders: Rect,
    pub(super) list: Rect,
    /// The line with the subject between list and message.
    pub(super) rule: Rect,
    pub(super) viewer: Rect,
    pub(super) hints: Rect,
    pub(super) message: Rect,
}

impl Places {
    /// How many rows of the screen one row of the list takes.
    pub(super) fn row_height(&self) -> u16 {
        if self.class == Class::Medium { 1 } else { 2 }
    }
}

/// The places for a screen of this size; `None` if it is too small for anything.
pub(super) fn places(model: &Model, area: Rect) -> Option<Places> {
    if area.width < LEAST_COLUMNS || area.height < LEAST_ROWS {
        return None;
    }
    let class = match area.width {
        0..60 => Class::Narrow,
        60..110 => Class::Medium,
        110..180 => Class::Wide,
        _ => Class::Huge,
    };
    let bar_rows = u16::from(area.height >= 10);
    let hint_rows = u16::from(area.height >= 16);
    let body_rows = area.height - bar_rows - hint_rows - 1;
    let row = |y: u16, height: u16| Rect { x: area.x, y: area.y + y, width: area.width, height };
    let body = row(bar_rows, body_rows);
    let mut places = Places {
        class,
        bar: row(0, bar_rows),
        body,
        folders: Rect::ZERO,
        list: Rect::ZERO,
        rule: Rect::ZERO,
        viewer: Rect::ZERO,
        hints: row(bar_rows + body_rows, hint_rows),
        message: row(area.height - 1, 1),
    };
    let focus = match model.screen {
        Screen::Browse(focus) => focus,
        Screen::Compose | Screen::Outbox => return Some(places),
    };
    match class {
        Class::Narrow => match focus {
            Focus::Folders => places.folders = body,
            Focus::List => places.list = body,
            Focus::Viewer => places.viewer = body,
        },
        Class::Medium => stacked(&mut places, focus, model.viewer.open.is_some()),
        Class::Wide => columns(&mut places, 20, (body.width - 20) * 43 / 100),
        Class::Huge => columns(&mut places, 27, 65),
    }
    Some(places)
}

/// The list over the message; the folders slide in on the left.
fn stacked(places: &mut Places, focus: Focus, open: bool) {
    let body = places.body;
    let mut rest = body;
    if focus == Focus::Folders {
        places.folders = Rect { width: 26, ..body };
        rest = Rect { x: body.x + 26, width: body.width - 26, ..body };
    }
    if !open || body.height < 8 {
        if open && focus == Focus::Viewer {
            places.viewer = rest;
        } else {
            places.list = rest;
        }
        return;
    }
    let rows = (body.height * 2 / 5).max(3);
    places.list = Rect { height: rows, ..rest };
    places.rule = Rect { y: rest.y + rows, height: 1, ..rest };
    places.viewer = Rect { y: rest.y + rows + 1, height: rest.height - rows - 1, ..rest };
}

fn columns(places: &mut Places, folders: u16, list: u16) {
    let body = places.body;
    places.folders = Rect { width: folders, ..body };
    places.list = Rect { x: body.x + folders, width: list, ..body };
    let x = body.x + folders + list;
    places.viewer = Rect { x, width: body.right() - x, ..body };
}
