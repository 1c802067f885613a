//! Draws what lies over the screen: prompts in the message line, questions, menus, hints, the log,
//! and what may follow a key.

use ratatui::layout::{Position, Rect};
use ratatui::style::Style;

use super::menu;
use super::text::{Painter, cells, clock, pieces};
use crate::job::files::Purpose;
use crate::keys::{Action, Context, Keys};
use crate::mail::clean::Clean;
use crate::state::{Hints, Level, Model, Overlay, Prompt, PromptKind, scope_title, search_examples};
use crate::theme::Theme;

/// Draws the overlay. Gives back where the terminal's cursor belongs, and where the rows of a menu lie.
pub(super) fn draw(
    model: &Model,
    theme: &Theme,
    painter: &mut Painter<'_>,
    body: Rect,
    message: Rect,
) -> (Option<Position>, Rect) {
    match &model.overlay {
        None => {
            if model.which_key {
                which_key(model, theme, painter, body);
            }
            (None, Rect::ZERO)
        }
        Some(Overlay::Prompt(prompt)) => {
            if let Some(problem) = &prompt.problem {
                problem_box(theme, painter, body, problem.as_str());
            } else if !prompt.choices.is_empty() {
                choices(theme, painter, body, &prompt.choices);
            }
            if prompt.kind == PromptKind::Search {
                if prompt.input.text().is_empty() {
                    above(theme, painter, message, &search_examples(), theme.muted);
                } else if let Some(problem) = search_problem(model) {
                    above(theme, painter, message, problem, theme.warn);
                }
            }
            (Some(prompt_line(model, theme, painter, message, prompt)), Rect::ZERO)
        }
        Some(Overlay::Ask(ask)) => {
            question(model, theme, painter, body, ask.question.words().as_str());
            (None, Rect::ZERO)
        }
        Some(Overlay::Hints(hints)) => {
            hint_list(theme, painter, body, hints);
            (None, Rect::ZERO)
        }
        Some(Overlay::Menu(menu)) => menu::draw(model, theme, painter, body, menu),
        Some(Overlay::Log(up)) => {
            log(model, theme, painter, body, *up);
            (None, Rect::ZERO)
        }
    }
}

/// A painter of the inside of a box with a border and a title.
pub(super) fn boxed<'b>(theme: &Theme, painter: &'b mut Painter<'_>, area: Rect, title: &str) -> Painter<'b> {
    let glyphs = theme.glyphs;
    let mut frame = Painter::new(painter.buffer, area, glyphs.ellipsis);
    frame.clear(theme.popup);
    let Rect { width, height, .. } = frame.area;
    let [top_left, top_right, bottom_left, bottom_right] = glyphs.corners;
    let edge = glyphs.horizontal.repeat(usize::from(width.saturating_sub(2)));
    let style = theme.popup.patch(theme.border_focus);
    let bottom = height.saturating_sub(1);
    frame.text(0, 0, width, &format!("{top_left}{edge}{top_right}"), style);
    frame.text(0, bottom, width, &format!("{bottom_left}{edge}{bottom_right}"), style);
    for y in 1..bottom {
        frame.text(0, y, 1, glyphs.vertical, style);
        frame.text(width.saturating_sub(1), y, 1, glyphs.vertical, style);
    }
    if !title.is_empty() {
        frame.text(2, 0, width.saturating_sub(4), &format!(" {title} "), theme.popup_title);
    }
    let inner = Rect {
        x: frame.area.x.saturating_add(2),
        y: frame.area.y.saturating_add(1),
        width: width.saturating_sub(4),
        height: height.saturating_sub(2),
    };
    Painter::new(frame.buffer, inner, glyphs.ellipsis)
}

/// An area of at most so many columns and rows in the middle of the body, or at its bottom.
pub(super) fn middle(body: Rect, width: u16, height: u16) -> Rect {
    let (width, height) = (width.min(body.width), height.min(body.height));
    Rect { x: body.x + (body.width - width) / 2, y: body.y + (body.height - height) / 2, width, height }
}

fn bottom(body: Rect, height: u16) -> Rect {
    let height = height.min(body.height);
    Rect { y: body.bottom() - height, height, ..body }
}

fn prompt_line(model: &Model, theme: &Theme, painter: &mut Painter<'_>, area: Rect, prompt: &Prompt) -> Position {
    let mut line = Painter::new(painter.buffer, area, theme.glyphs.ellipsis);
    line.clear(theme.fg);
    let label = match &prompt.kind {
        PromptKind::Search => "/ ".to_owned(),
        PromptKind::Find => "Find: ".to_owned(),
        PromptKind::Save { parts, .. } if parts.len() > 1 => format!("Save {} attachments to: ", parts.len()),
        PromptKind::Save { .. } => "Save to: ".to_owned(),
        PromptKind::Attach => "Attach file: ".to_owned(),
        PromptKind::NewFolder(account) if model.accounts.len() > 1 => {
            format!("New folder in {}: ", Clean::line(account.as_str()))
        }
        PromptKind::NewFolder(_) => "New folder: ".to_owned(),
        PromptKind::RenameFolder(_) | PromptKind::RenameSearch(_) => "Rename to: ".to_owned(),
        PromptKind::NameSearch { .. } => "Save the search as: ".to_owned(),
        PromptKind::Password(account) => {
            format!("Password for {}: ", crate::mail::clean::Clean::line(account.as_str()))
        }
    };
    let mut end = area.width.saturating_sub(1);
    let note = match &prompt.kind {
        PromptKind::Search if search_problem(model).is_some() => String::new(),
        PromptKind::Search => scope_words(model, area.width),
        PromptKind::Find => {
            let found = model.viewer.find.as_ref().map(|find| find.lines.len());
            found.map_or_else(String::new, |found| format!("{found} line{}", if found == 1 { "" } else { "s" }))
        }
        PromptKind::Save { .. } | PromptKind::Attach => {
            let key = model.keymap.key_of(Context::Prompt, Action::Widen).unwrap_or_default();
            format!("{key} goes on with the name")
        }
        // On a narrow screen the name needs the room.
        PromptKind::NewFolder(_) | PromptKind::RenameFolder(_) if area.width < 60 => String::new(),
        PromptKind::NewFolder(_) | PromptKind::RenameFolder(_) => "/ goes a level down".to_owned(),
        PromptKind::NameSearch { query } => query.clone(),
        PromptKind::RenameSearch(_) | PromptKind::Password(_) => String::new(),
    };
    let note = Clean::line(&note);
    if cells(note.as_str()) <= area.width / 2 {
        end = line.right(end, 0, note.as_str(), theme.muted).saturating_sub(1);
    }
    let x = line.text(1, 0, end, &label, theme.hint_key);
    let (before, after) = prompt.input.shown();
    let room = end.saturating_sub(x + 1);
    // The end of a long line is what is being typed.
    let shown = tail(&before, room);
    let cursor = line.text(x, 0, room, shown, theme.field);
    line.text(cursor, 0, end.saturating_sub(cursor), &after, theme.field);
    Position { x: area.x + cursor, y: area.y }
}

/// The names that go on from a path that is being typed.
fn choices(theme: &Theme, painter: &mut Painter<'_>, body: Rect, names: &[Clean]) {
    let widest = names.iter().map(|name| cells(name.as_str())).max().unwrap_or(1).clamp(1, 36) + 2;
    let columns = (body.width.saturating_sub(4) / widest).max(1);
    let count = u16::try_from(names.len()).unwrap_or(u16::MAX);
    let height = count.div_ceil(columns).saturating_add(2).min((body.height / 2).max(3));
    let mut inside = boxed(theme, painter, bottom(body, height), "");
    let rows = inside.area.height.max(1);
    for (at, name) in (0u16..).zip(names).take(usize::from(rows) * usize::from(columns)) {
        inside.text(at / rows * widest, at % rows, widest - 2, name.as_str(), theme.popup);
    }
}

/// What is wrong with what was typed, above it.
fn problem_box(theme: &Theme, painter: &mut Painter<'_>, body: Rect, problem: &str) {
    let lines = pieces(problem, usize::from(body.width.saturating_sub(4)).max(1));
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_add(2);
    let mut inside = boxed(theme, painter, bottom(body, height), "");
    for (y, line) in (0..inside.area.height).zip(lines) {
        inside.text(0, y, inside.area.width, line, theme.popup.patch(theme.warn));
    }
}

/// What is wrong with the search that is being typed.
fn search_problem(model: &Model) -> Option<&str> {
    model.list.search.as_ref().and_then(|search| search.problem.as_deref())
}

/// What is to be said of a search, to the end, in the rows above it. No box, since it comes and goes while one types.
fn above(theme: &Theme, painter: &mut Painter<'_>, message: Rect, text: &str, style: Style) {
    let text = Clean::line(text);
    let lines = pieces(text.as_str(), usize::from(message.width.saturating_sub(2)).max(1));
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX).min(message.y / 2);
    let area = Rect { y: message.y - height, height, ..message };
    let mut above = Painter::new(painter.buffer, area, theme.glyphs.ellipsis);
    above.clear(theme.fg);
    for (y, line) in (0..height).zip(lines) {
        above.text(1, y, message.width.saturating_sub(1), line, style);
    }
}

/// The end of a text that has room: that is where one types.
pub(super) fn tail(text: &str, room: u16) -> &str {
    let mut shown = text;
    while cells(shown) > room {
        let next = shown.chars().next().map_or(0, char::len_utf8);
        match shown.get(next..) {
            Some(rest) if next > 0 => shown = rest,
            _ => return "",
        }
    }
    shown
}

/// Where a search looks; where there is little room, its title says that.
fn scope_words(model: &Model, width: u16) -> String {
    let Some(search) = &model.list.search else { return String::new() };
    let key = model.keymap.key_of(Context::Prompt, Action::Widen).unwrap_or_default();
    let words = format!("{}  {key} elsewhere", scope_title(&search.scope));
    if cells(&words) <= width / 2 { words } else { format!("{key} elsewhere") }
}

fn question(model: &Model, theme: &Theme, painter: &mut Painter<'_>, body: Rect, words: &str) {
    let width = 64.min(body.width);
    let room = usize::from(width.saturating_sub(4)).max(1);
    let mut lines: Vec<String> = vec![String::new()];
    for word in words.split(' ') {
        let need = usize::from(cells(word));
        let used = lines.last().map_or(0, |line| usize::from(cells(line)));
        match lines.last_mut() {
            Some(line) if used + 1 + need <= room || used == 0 => {
                if used > 0 {
                    line.push(' ');
                }
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.truncate(8);
    let height = u16::try_from(lines.len()).unwrap_or(8) + 4;
    let mut inside = boxed(theme, painter, middle(body, width, height), "");
    for (y, line) in (0..).zip(&lines) {
        inside.text(0, y, inside.area.width, line, theme.popup);
    }
    let y = inside.area.height.saturating_sub(1);
    let mut x = 0;
    for action in [Action::Yes, Action::No] {
        let key = model.keymap.key_of(Context::Ask, action).unwrap_or_default();
        x = inside.text(x, y, inside.area.width, &key, theme.popup_key);
        x = inside.text(x + 1, y, inside.area.width, action.row().hint, theme.popup) + 3;
    }
}

fn hint_list(theme: &Theme, painter: &mut Painter<'_>, body: Rect, hints: &Hints) {
    let fitting: Vec<_> = hints.hints.iter().filter(|hint| hint.keys.starts_with(&hints.typed)).collect();
    let height = u16::try_from(fitting.len()).unwrap_or(u16::MAX).saturating_add(2).min(body.height * 3 / 5).max(3);
    let title = match hints.purpose {
        Purpose::Open => "Open",
        Purpose::Keep => "Save: a number, or * for all",
    };
    let mut inside = boxed(theme, painter, bottom(body, height), title);
    let width = inside.area.width;
    for (y, hint) in (0..inside.area.height).zip(fitting) {
        let x = inside.text(0, y, width, &hint.keys, theme.popup_key);
        let mut x = x.max(2) + 1;
        if hint.mismatch {
            x = inside.text(x, y, width, "! goes elsewhere than it says: ", theme.popup.patch(theme.error));
        }
        inside.text(x, y, width.saturating_sub(x), hint.text.as_str(), theme.popup);
    }
}

fn which_key(model: &Model, theme: &Theme, painter: &mut Painter<'_>, body: Rect) {
    let context = model.context();
    let situation = model.situation();
    let possible = model.keymap.under(context, &model.pending.keys).into_iter();
    let possible: Vec<_> = possible
        .filter(|entry| entry.action.is_none_or(|action| (action.row().why_not)(&situation).is_none()))
        .collect();
    let rows = body.height.saturating_sub(2).max(1);
    let count = u16::try_from(possible.len()).unwrap_or(u16::MAX);
    // Where there is no room for sentences, a word each: one that is not shown is not found.
    let brief = count.div_ceil(rows) > (body.width / 38).max(1);
    let words = |action: Action| if brief { brief_word(action) } else { action.row().help };
    let entries: Vec<(String, &str)> =
        possible.iter().map(|entry| (entry.key.to_string(), entry.action.map_or("more", words))).collect();
    let columns = if brief { count.div_ceil(rows) } else { (body.width / 38).max(1) };
    let height = count.div_ceil(columns).saturating_add(2);
    let mut inside = boxed(theme, painter, bottom(body, height), &format!("{} ...", Keys(model.pending.keys.clone())));
    let (width, rows) = (inside.area.width / columns, inside.area.height.max(1));
    for (at, (key, help)) in (0u16..).zip(&entries) {
        let (x, y) = (at / rows * width, at % rows);
        let from = inside.text(x, y, width, key, theme.popup_key);
        inside.text(from + 1, y, (x + width).saturating_sub(from + 2), help, theme.popup);
    }
}

/// What an action is called in a word: the end of its name.
fn brief_word(action: Action) -> &'static str {
    let name = action.row().name;
    name.rsplit_once('.').map_or(name, |(_, word)| word)
}

/// The columns of the log that the time takes.
const TIME: u16 = 8;

fn log(model: &Model, theme: &Theme, painter: &mut Painter<'_>, body: Rect, up: usize) {
    let mut page = Painter::new(painter.buffer, body, theme.glyphs.ellipsis);
    page.clear(theme.fg);
    let rows = usize::from(page.area.height);
    let until = model.status.log.len().saturating_sub(up);
    if model.status.log.is_empty() {
        page.text(1, 0, page.area.width, "Nothing has been said yet", theme.muted);
    }
    let width = page.area.width.saturating_sub(TIME + 1);
    let newest = model.status.log.iter().take(until).rev();
    // From the newest up, since the bottom stands still; what has no room is cut at the top.
    let mut lines = Vec::new();
    for message in newest {
        let style = match message.level {
            Level::Info => theme.info,
            Level::Ok => theme.ok,
            Level::Warn => theme.warn,
            Level::Error => theme.error,
        };
        let pieces = pieces(message.text.as_str(), usize::from(width));
        let at = (0..pieces.len()).map(|piece| (piece == 0).then_some(message.at));
        lines.extend(pieces.iter().zip(at).rev().map(|(piece, at)| (*piece, at, style)));
        if lines.len() >= rows {
            break;
        }
    }
    lines.truncate(rows);
    for (y, (piece, at, style)) in (0..).zip(lines.into_iter().rev()) {
        if let Some(at) = at {
            page.text(1, y, TIME, &clock(at, &model.zone), theme.muted);
        }
        page.text(TIME, y, width, piece, style);
    }
}
