//! What `date:` understands: years, months, days, moments, `today`, `last week`, `3d`, and ranges
//! of these. Days begin at midnight of the given zone, weeks on Monday.

use jiff::ToSpan as _;
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;

use crate::mail::ids::Timestamp;

/// The moment and the zone that relative dates count from.
pub(super) struct Clock<'a> {
    pub(super) now: Timestamp,
    pub(super) zone: &'a TimeZone,
}

/// What a date may be, for an error.
pub(super) const EXPECTED: &str = "a date: 2025, 2025-11, 2025-11-03, today, yesterday, last week, 3d, or a range a..b";

type Range = (Option<Timestamp>, Option<Timestamp>);

/// Reads a date or a range; the first moment and the first one after. `None`: it is neither.
pub(super) fn range(text: &str, clock: &Clock<'_>) -> Option<Range> {
    if let Some((from, until)) = text.split_once("..") {
        let from = if from.is_empty() { None } else { Some(span(from, clock)?.0) };
        let until = if until.is_empty() { None } else { Some(span(until, clock)?.1) };
        return Some((from, until));
    }
    let (from, until) = span(text, clock)?;
    Some((Some(from), Some(until)))
}

/// Writes a moment so that [`range`] reads the same one, whatever the zone.
pub(super) fn moment(at: Timestamp) -> String {
    jiff::Timestamp::from_second(at.get()).map_or_else(|_| "1970-01-01T00:00:00Z".to_owned(), |at| at.to_string())
}

/// The first moment of what `text` names, and the first one after it.
fn span(text: &str, clock: &Clock<'_>) -> Option<(Timestamp, Timestamp)> {
    let text = text.trim().to_lowercase().replace([' ', '_'], "-");
    if text.contains('t') && text.ends_with('z') {
        let at: jiff::Timestamp = text.to_uppercase().parse().ok()?;
        let at = Timestamp::new(at.as_second());
        return Some((at, at));
    }
    if let Some(hours) = text.strip_suffix('h').and_then(number) {
        let at = clock.now.plus(-i64::from(hours) * 3600);
        return Some((at, at));
    }
    let (first, after) = days(&text, today(clock)?)?;
    Some((midnight(first, clock)?, midnight(after, clock)?))
}

/// The first day of what `text` names and the first one after it.
fn days(text: &str, today: Date) -> Option<(Date, Date)> {
    let monday = today.checked_sub(i32::from(today.weekday().to_monday_zero_offset()).days()).ok()?;
    let month = today.first_of_month();
    let new_year = today.first_of_year();
    let (first, length) = match text {
        "today" => (today, 1.day()),
        "yesterday" => (today.checked_sub(1.day()).ok()?, 1.day()),
        "this-week" => (monday, 7.days()),
        "last-week" => (monday.checked_sub(7.days()).ok()?, 7.days()),
        "this-month" => (month, 1.month()),
        "last-month" => (month.checked_sub(1.month()).ok()?, 1.month()),
        "this-year" => (new_year, 1.year()),
        "last-year" => (new_year.checked_sub(1.year()).ok()?, 1.year()),
        _ => return ago(text, today).or_else(|| calendar(text)),
    };
    Some((first, first.checked_add(length).ok()?))
}

/// `3d`, `2w`, `6m`, `1y`: the day that long ago.
fn ago(text: &str, today: Date) -> Option<(Date, Date)> {
    let unit = text.chars().last()?;
    let count = i64::from(number(text.strip_suffix(unit)?)?);
    let back = match unit {
        'd' => count.days(),
        'w' => count.weeks(),
        'm' => count.months(),
        'y' => count.years(),
        _ => return None,
    };
    let day = today.checked_sub(back).ok()?;
    Some((day, day.checked_add(1.day()).ok()?))
}

/// `2025`, `2025-11`, `2025-11-03`.
fn calendar(text: &str) -> Option<(Date, Date)> {
    let mut parts = text.split('-');
    let year = parts.next().filter(|year| year.len() == 4).and_then(number)?;
    let month = parts.next();
    let day = parts.next();
    if parts.next().is_some() {
        return None;
    }
    let year = i16::try_from(year).ok()?;
    let small = |part: Option<&str>| part.map_or(Some(1), |p| number(p).and_then(|n| i8::try_from(n).ok()));
    let first = Date::new(year, small(month)?, small(day)?).ok()?;
    let length = match (month, day) {
        (None, _) => 1.year(),
        (_, None) => 1.month(),
        _ => 1.day(),
    };
    Some((first, first.checked_add(length).unwrap_or(date(9999, 12, 31))))
}

/// Up to four digits, so that no sum of them leaves the calendar's arithmetic.
fn number(text: &str) -> Option<u16> {
    let plain = (1..=4).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

fn today(clock: &Clock<'_>) -> Option<Date> {
    let now = jiff::Timestamp::from_second(clock.now.get()).ok()?;
    Some(clock.zone.to_datetime(now).date())
}

fn midnight(day: Date, clock: &Clock<'_>) -> Option<Timestamp> {
    let at = clock.zone.to_timestamp(day.at(0, 0, 0, 0)).ok()?;
    Some(Timestamp::new(at.as_second()))
}
