//! Draws what lies over the screen: prompts in the message line, questions, menus, hints, the log,
//! and what may follow a key.

use ratatui::layout::{Position, Rect};

use super::text::{Painter, cells, clock, fit, pieces};
use crate::job::files::Purpose;
use crate::job::index::SearchScope;
use crate::keys::{Action, Context, Keys};
use crate::mail::clean::Clean;
use crate::mail::moment;
use crate::mail::notes::TimerKind;
use crate::state::{Choice, Hints, Level, Menu, MenuKind, Model, Overlay, Prompt, PromptKind};
use crate::theme::Theme;

/// Draws the overlay. Gives back where the terminal's cursor belongs, and how many rows a menu has.
pub(super) fn draw(
    model: &Model,
    theme: &Theme,
    painter: &mut Painter<'_>,
    body: Rect,
    message: Rect,
) -> (Option<Position>, u16) {
    match &model.overlay {
        None => {
            if model.which_key {
                which_key(model, theme, painter, body);
            }
            (None, 0)
        }
        Some(Overlay::Prompt(prompt)) => {
            if let Some(problem) = &prompt.problem {
                problem_box(theme, painter, body, problem.as_str());
            } else if !prompt.choices.is_empty() {
                choices(theme, painter, body, &prompt.choices);
            }
            (Some(prompt_line(model, theme, painter, message, prompt)), 0)
        }
        Some(Overlay::Ask(ask)) => {
            question(model, theme, painter, body, ask.question.words().as_str());
            (None, 0)
        }
        Some(Overlay::Hints(hints)) => {
            hint_list(theme, painter, body, hints);
            (None, 0)
        }
        Some(Overlay::Menu(menu)) => menu_box(model, theme, painter, body, menu),
        Some(Overlay::Log(up)) => {
            log(model, theme, painter, body, *up);
            (None, 0)
        }
    }
}

/// A painter of the inside of a box with a border and a title.
fn boxed<'b>(theme: &Theme, painter: &'b mut Painter<'_>, area: Rect, title: &str) -> Painter<'b> {
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
fn middle(body: Rect, width: u16, height: u16) -> Rect {
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
    let problem = model.list.search.as_ref().and_then(|search| search.problem.as_deref());
    let problem = problem.filter(|_| matches!(prompt.kind, PromptKind::Search));
    let note = match &prompt.kind {
        PromptKind::Search => match problem {
            Some(problem) => problem.to_owned(),
            None => scope_words(model),
        },
        PromptKind::Find => {
            let found = model.viewer.find.as_ref().map(|find| find.lines.len());
            found.map_or_else(String::new, |found| format!("{found} lines"))
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
    let note = crate::mail::clean::Clean::line(&note);
    let (style, note) = match problem {
        // What is wrong is said even where there is no room for all of it: the column comes first.
        Some(_) => (theme.warn, fit(note.as_str(), area.width / 2, theme.glyphs.ellipsis)),
        None => (theme.muted, note.as_str().to_owned()),
    };
    if cells(&note) <= area.width / 2 {
        end = line.right(end, 0, &note, style).saturating_sub(1);
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

fn tail(text: &str, room: u16) -> &str {
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

fn scope_words(model: &Model) -> String {
    let scope = match model.list.search.as_ref().map(|search| &search.scope) {
        Some(SearchScope::Mailbox(mailbox)) => format!("in {}", mailbox.name),
        Some(SearchScope::Account(account)) => format!("in {account}"),
        Some(SearchScope::All) => "everywhere".to_owned(),
        None => return String::new(),
    };
    let key = model.keymap.key_of(Context::Prompt, Action::Widen).unwrap_or_default();
    format!("{scope}  {key} elsewhere")
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

fn menu_box(
    model: &Model,
    theme: &Theme,
    painter: &mut Painter<'_>,
    body: Rect,
    menu: &Menu,
) -> (Option<Position>, u16) {
    let title = match menu.kind {
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
    };
    // As high as it can become, whatever is typed: a box that jumps is hard to read.
    let wanted = u16::try_from(menu.items.len()).unwrap_or(u16::MAX).saturating_add(4);
    let limit = if matches!(menu.kind, MenuKind::Help(_)) { body.height } else { (body.height * 3 / 5).max(8) };
    let area = middle(body, 78, wanted.min(limit));
    let mut inside = boxed(theme, painter, area, &title);
    let width = inside.area.width;
    let (before, after) = menu.input.shown();
    let x = inside.text(0, 0, width, ": ", theme.popup_key);
    let cursor =
        inside.text(x, 0, width.saturating_sub(x + 1), tail(&before, width.saturating_sub(x + 1)), theme.field);
    inside.text(cursor, 0, width.saturating_sub(cursor), &after, theme.field);
    let position = Position { x: inside.area.x + cursor, y: inside.area.y };
    let rows = inside.area.height.saturating_sub(1);
    // Where there is little room, the keys take no more of it than they need.
    let widest = menu.items.iter().map(|item| cells(&item.keys)).max().unwrap_or(0);
    let key_width = widest.clamp(1, if width < 60 { 9 } else { 16 });
    let shown = menu.shown.iter().enumerate().skip(menu.top).take(usize::from(rows));
    for (y, (at, item)) in (1..).zip(shown) {
        let Some(item) = menu.items.get(*item) else { continue };
        let base = if item.why_not.is_some() { theme.popup.patch(theme.muted) } else { theme.popup };
        let style = if at == menu.cursor { base.patch(theme.cursor_row) } else { base };
        let line = Rect { y: inside.area.y + y, height: 1, ..inside.area };
        let mut row = Painter::new(inside.buffer, line, inside.ellipsis);
        row.fill(0, 1, style);
        row.text(0, 0, 1, if at == menu.cursor { theme.glyphs.cursor } else { " " }, style);
        let help = matches!(menu.kind, MenuKind::Help(_));
        let key_style = if at == menu.cursor { style } else { theme.popup_key };
        let (text_x, end) = if help {
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
            row.text(2, 0, key_width, keys, key_style);
            (key_width + 3, width)
        } else {
            (2, row.right(width, 0, &item.keys, key_style).saturating_sub(1))
        };
        let x = row.text(text_x, 0, end.saturating_sub(text_x), item.text.as_str(), style);
        if let Some(why) = item.why_not {
            row.text(x + 1, 0, end.saturating_sub(x + 1), &format!("({why})"), style);
        }
    }
    if menu.shown.is_empty() {
        let words = match menu.kind {
            MenuKind::Tag => "Type the name of a new tag".to_owned(),
            MenuKind::Time(_) => format!("Type a time: {}", moment::EXPECTED),
            _ => "Nothing fits".to_owned(),
        };
        inside.text(2, 1, width, &words, theme.popup.patch(theme.muted));
    }
    (Some(position), rows)
}

fn which_key(model: &Model, theme: &Theme, painter: &mut Painter<'_>, body: Rect) {
    let context = model.context();
    let situation = model.situation();
    let entries = model.keymap.under(context, &model.pending.keys);
    let entries: Vec<(String, &str)> = entries
        .iter()
        .filter_map(|entry| match entry.action {
            Some(action) if (action.row().why_not)(&situation).is_some() => None,
            Some(action) => Some((entry.key.to_string(), action.row().help)),
            None => Some((entry.key.to_string(), "more")),
        })
        .collect();
    let columns = (body.width / 38).max(1);
    let count = u16::try_from(entries.len()).unwrap_or(u16::MAX);
    let height = count.div_ceil(columns).saturating_add(2);
    let mut inside = boxed(theme, painter, bottom(body, height), &format!("{} ...", Keys(model.pending.keys.clone())));
    let (width, rows) = (inside.area.width / columns, inside.area.height.max(1));
    for (at, (key, help)) in (0u16..).zip(&entries) {
        let (x, y) = (at / rows * width, at % rows);
        let from = inside.text(x, y, width, key, theme.popup_key);
        inside.text(from + 1, y, (x + width).saturating_sub(from + 2), help, theme.popup);
    }
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
