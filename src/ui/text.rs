//! Text on cells: cut to a width with a mark, dates and numbers as people read them.

use std::ops::Range;

use jiff::tz::TimeZone;
use ratatui::buffer::{Buffer, CellDiffOption};
use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_width::UnicodeWidthStr;

use crate::mail::ids::Timestamp;
use crate::state::take_cells;

/// How many cells a text takes.
pub(super) fn cells(text: &str) -> u16 {
    u16::try_from(text.width()).unwrap_or(u16::MAX)
}

/// A text that fits into so many cells; what is cut off is marked.
pub(super) fn fit(text: &str, width: u16, ellipsis: &str) -> String {
    if cells(text) <= width {
        return text.to_owned();
    }
    let mark = cells(ellipsis);
    if width <= mark {
        return take_cells(text, usize::from(width)).to_owned();
    }
    format!("{}{ellipsis}", take_cells(text, usize::from(width - mark)))
}

/// Draws within one area, and never outside it.
pub(super) struct Painter<'a> {
    pub(super) buffer: &'a mut Buffer,
    pub(super) area: Rect,
    pub(super) ellipsis: &'static str,
}

impl<'a> Painter<'a> {
    /// A painter of an area.
    pub(super) fn new(buffer: &'a mut Buffer, area: Rect, ellipsis: &'static str) -> Self {
        let area = area.intersection(buffer.area);
        Self { buffer, area, ellipsis }
    }

    /// Draws a text from a column of the area on, in at most `width` cells, cut with a mark. Gives
    /// back the column after it.
    pub(super) fn text(&mut self, x: u16, y: u16, width: u16, text: &str, style: Style) -> u16 {
        let room = self.area.width.saturating_sub(x).min(width);
        if y >= self.area.height || room == 0 {
            return x;
        }
        let shown = fit(text, room, self.ellipsis);
        let (at_x, at_y) = (self.area.x + x, self.area.y + y);
        let (end, _) = self.buffer.set_stringn(at_x, at_y, shown, usize::from(room), style);
        self.hold_together(at_x..end, at_y);
        end - self.area.x
    }

    /// Marks the cells behind a letter and its signs (`भा`) that are wider than one: to a terminal these are cells of
    /// their own, so that what is written over the first does not take them away.
    fn hold_together(&mut self, columns: Range<u16>, y: u16) {
        let mut covered = 0;
        for x in columns {
            let Some(cell) = self.buffer.cell_mut((x, y)) else { return };
            let several = cell.symbol().chars().nth(1).is_some();
            let option = if covered > 0 { CellDiffOption::Skip } else { CellDiffOption::None };
            cell.set_diff_option(option);
            covered = if several { cells(cell.symbol()).saturating_sub(1) } else { covered.saturating_sub(1) };
        }
    }

    /// Gives what a text has at `found` (in bytes) another look, where it was drawn at `x` and has room.
    pub(super) fn mark(&mut self, (x, y, width): (u16, u16, u16), text: &str, found: &[Range<usize>], style: Style) {
        let room = self.area.width.min(x.saturating_add(width));
        for at in found {
            let (Some(before), Some(marked)) = (text.get(..at.start), text.get(at.clone())) else { continue };
            let from = x.saturating_add(cells(before)).min(room);
            let until = from.saturating_add(cells(marked)).min(room);
            let area = Rect { x: self.area.x + from, y: self.area.y.saturating_add(y), width: until - from, height: 1 };
            self.buffer.set_style(area.intersection(self.area), style);
        }
    }

    /// Draws a text so that it ends before column `end`; gives back the column where it begins.
    pub(super) fn right(&mut self, end: u16, y: u16, text: &str, style: Style) -> u16 {
        let end = end.min(self.area.width);
        let from = end.saturating_sub(cells(text));
        self.text(from, y, end - from, text, style);
        from
    }

    /// Fills a row with blanks of a style.
    pub(super) fn fill(&mut self, y: u16, rows: u16, style: Style) {
        let top = self.area.y.saturating_add(y);
        let area = Rect { y: top, height: rows, ..self.area }.intersection(self.area);
        self.buffer.set_style(area, style);
    }

    /// Draws a vertical rule on a column.
    pub(super) fn vertical(&mut self, x: u16, glyph: &str, style: Style) {
        for y in 0..self.area.height {
            self.text(x, y, 1, glyph, style);
        }
    }

    /// Blanks the area, so that nothing shines through.
    pub(super) fn clear(&mut self, style: Style) {
        for y in self.area.top()..self.area.bottom() {
            for x in self.area.left()..self.area.right() {
                if let Some(cell) = self.buffer.cell_mut((x, y)) {
                    cell.reset();
                    cell.set_style(style);
                }
            }
        }
    }
}

/// A date as short as it can be understood: `14:02` today, `Thu` this week, `02 Nov` this year,
/// `2025-11-02` before.
pub(super) fn date(at: Timestamp, now: Timestamp, zone: &TimeZone) -> String {
    let zoned = |at: Timestamp| jiff::Timestamp::from_second(at.get()).map(|at| at.to_zoned(zone.clone())).ok();
    let (Some(then), Some(today)) = (zoned(at), zoned(now)) else { return String::new() };
    if at.get() == 0 {
        return String::new();
    }
    let days = (today.date() - then.date()).get_days();
    let shape = if then.date() == today.date() {
        "%H:%M"
    } else if (1..7).contains(&days) {
        "%a"
    } else if then.year() == today.year() {
        "%d %b"
    } else {
        "%Y-%m-%d"
    };
    then.strftime(shape).to_string()
}

/// A moment to come: the seconds where it is near, else the clock or the day.
pub(super) fn coming(moment: Timestamp, now: Timestamp, zone: &TimeZone) -> String {
    match moment.get().saturating_sub(now.get()) {
        left if left <= 0 => "now".to_owned(),
        left @ 1..=99 => format!("in {left} s"),
        left if left < 12 * 3600 => clock(moment, zone),
        _ => date(moment, now, zone),
    }
}

/// The clock.
pub(super) fn clock(now: Timestamp, zone: &TimeZone) -> String {
    jiff::Timestamp::from_second(now.get())
        .map_or_else(|_| String::new(), |at| at.to_zoned(zone.clone()).strftime("%H:%M").to_string())
}

/// A number in at most four characters: `812`, `3.1k`, `48k`, `2M`.
pub(super) fn short(number: u64) -> String {
    match number {
        0..1_000 => number.to_string(),
        1_000..10_000 => format!("{}.{}k", number / 1_000, number / 100 % 10),
        10_000..1_000_000 => format!("{}k", number / 1_000),
        _ => format!("{}M", number / 1_000_000),
    }
}

/// A number with its thousands apart: `1,234`.
pub(super) fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Cuts a text into pieces of at most so many cells, at a blank where there is one.
pub(super) fn pieces(text: &str, width: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    loop {
        let fitting = take_cells(rest, width);
        if fitting.len() == rest.len() || fitting.is_empty() {
            break;
        }
        let whole = rest.get(fitting.len()..).is_some_and(|after| after.starts_with(' '));
        let end = if whole { fitting.len() } else { fitting.rfind(' ').filter(|at| *at > 0).unwrap_or(fitting.len()) };
        let (piece, after) = rest.split_at(end);
        pieces.push(piece);
        rest = after.trim_start_matches(' ');
    }
    if !rest.is_empty() || pieces.is_empty() {
        pieces.push(rest);
    }
    pieces
}

/// When something happens that is so many seconds away: `now`, `in 12 s`, `in 5 min`.
pub(super) fn soon(seconds: i64) -> String {
    match seconds {
        ..=0 => "now".to_owned(),
        1..100 => format!("in {seconds} s"),
        100..6_000 => format!("in {} min", (seconds + 30) / 60),
        _ => format!("in {} h", (seconds + 1_800) / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_cut_at_blanks() {
        assert_eq!(pieces("one two three", 7), ["one two", "three"]);
        assert_eq!(pieces("one two three", 6), ["one", "two", "three"]);
        assert_eq!(pieces("abcdefgh 林伟林", 5), ["abcde", "fgh", "林伟", "林"]);
        assert_eq!(pieces("林", 1), ["林"]);
        assert_eq!(pieces("", 5), [""]);
        assert_eq!(pieces("a b", 0), ["a b"]);
    }

    #[test]
    fn what_is_near_is_told_in_seconds() {
        let told = [-3, 0, 1, 99, 100, 290, 7_200].map(soon);
        assert_eq!(told, ["now", "now", "in 1 s", "in 99 s", "in 2 min", "in 5 min", "in 2 h"]);
    }

    #[test]
    fn nothing_stays_of_letters_that_take_several_cells() {
        let area = Rect { x: 0, y: 0, width: 12, height: 1 };
        let drawn = |text: &str| {
            let mut buffer = Buffer::empty(area);
            Painter::new(&mut buffer, area, "…").text(0, 0, 12, text, Style::new());
            buffer
        };
        let (before, after) = (drawn("भाषा भा"), drawn("и и"));
        let changed: Vec<(u16, &str)> =
            before.diff(&after).into_iter().map(|(x, _, cell)| (x, cell.symbol())).collect();
        // The second cell of each was the terminal's own: a blank is written there, too.
        assert_eq!(changed, [(0, "и"), (1, " "), (2, "и"), (3, " "), (5, " "), (6, " ")]);
        assert_eq!(before.diff(&drawn("भाषा भा")), []);
        let first: Vec<u16> = Buffer::empty(area).diff(&before).into_iter().map(|(x, ..)| x).collect();
        assert_eq!(first, [0, 2, 5], "they are drawn as one");
    }

    #[test]
    fn text_is_cut_by_cells() {
        assert_eq!(fit("abcdef", 4, "…"), "abc…");
        assert_eq!(fit("林伟林伟", 6, "…"), "林伟…");
        assert_eq!(fit("林伟", 4, "…"), "林伟");
        assert_eq!(fit("abc", 0, "…"), "");
    }

    #[test]
    fn dates_are_short() {
        // Thursday, 19 November 2026, 14:02 UTC.
        let now = Timestamp::new(1_795_096_920);
        let table =
            [(0, "14:02"), (3600, "13:02"), (86_400, "Wed"), (20 * 86_400, "30 Oct"), (400 * 86_400, "2025-10-15")];
        for (ago, shown) in table {
            assert_eq!(date(now.plus(-ago), now, &TimeZone::UTC), shown);
        }
        assert_eq!(date(Timestamp::new(0), now, &TimeZone::UTC), "");
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!([7, 1_234, 1_000_000].map(grouped), ["7", "1,234", "1,000,000"]);
        let table = [(7, "7"), (999, "999"), (3149, "3.1k"), (48_000, "48k"), (2_000_000, "2M")];
        for (number, shown) in table {
            assert_eq!(short(number), shown);
        }
    }
}
