//! What dates are understood: years, months, days, moments, `today`, `last week`, `3d`, `2 weeks ago`,
//! `november`, and ranges of these. Days begin at midnight of the given zone, weeks on Monday.

use jiff::ToSpan as _;
use jiff::civil::{Date, DateTime, date};
use jiff::tz::TimeZone;

use crate::mail::ids::Timestamp;
use crate::mail::moment::{MONTHS, WEEKDAYS};

/// The moment and the zone that relative dates count from.
#[derive(Clone, Copy)]
pub(super) struct Clock<'a> {
    pub(super) now: Timestamp,
    pub(super) zone: &'a TimeZone,
}

/// What a date may be, for an error.
pub(super) const EXPECTED: &str = "a date: 2025, 2025-11, 2025-11-03, today, yesterday, last week, 3d, or a range a..b";

/// What `older_than:` takes, for an error.
pub(super) const AGE: &str = "an age: 12h, 3d, 2w, 6m or 1y";

type Range = (Option<Timestamp>, Option<Timestamp>);

/// Reads a date or a range; the first moment and the first one after. `None`: it is neither.
pub(super) fn range(text: &str, clock: &Clock<'_>) -> Option<Range> {
    if let Some((from, until)) = text.split_once("..") {
        let from = if from.is_empty() { None } else { Some(span(from, clock)?.0) };
        let until = if until.is_empty() { None } else { Some(span(until, clock)?.1) };
        return Some((from, until));
    }
    let (from, until) = span(text, clock)?;
    // Nothing is of one moment: alone, it stands for its minute.
    let until = if until == from { from.plus(60) } else { until };
    Some((Some(from), Some(until)))
}

/// The first moment of a date.
pub(super) fn beginning(text: &str, clock: &Clock<'_>) -> Option<Timestamp> {
    span(text, clock).map(|(first, _)| first)
}

/// The first moment of the day that was so long ago, or the moment that many hours ago.
pub(super) fn age(text: &str, clock: &Clock<'_>) -> Option<Timestamp> {
    let text = plain(text);
    let known = hours_ago(&text, clock).is_some() || ago(&text, today(clock)?).is_some();
    if known { beginning(&text, clock) } else { None }
}

/// Writes a moment so that [`range`] reads the same one, whatever the zone.
pub(super) fn moment(at: Timestamp) -> String {
    jiff::Timestamp::from_second(at.get()).map_or_else(|_| "1970-01-01T00:00:00Z".to_owned(), |at| at.to_string())
}

fn plain(text: &str) -> String {
    text.trim().to_lowercase().replace([' ', '_'], "-")
}

/// The first moment of what `text` names, and the first one after it.
fn span(text: &str, clock: &Clock<'_>) -> Option<(Timestamp, Timestamp)> {
    let text = plain(text);
    let at = instant(&text, clock).or_else(|| hours_ago(&text, clock));
    if let Some(at) = at {
        return Some((at, at));
    }
    let (first, after) = days(&text, today(clock)?)?;
    Some((midnight(first, clock)?, midnight(after, clock)?))
}

/// A moment: `2025-11-03t10:00:00z`, `2025-11-03t10:00` in the zone, `@1762164000`.
fn instant(text: &str, clock: &Clock<'_>) -> Option<Timestamp> {
    if let Some(seconds) = text.strip_prefix('@') {
        let plain = (1..=12).contains(&seconds.len()) && seconds.bytes().all(|b| b.is_ascii_digit());
        return plain.then(|| seconds.parse().ok()).flatten().map(Timestamp::new);
    }
    if !text.contains('t') || !text.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let text = text.to_uppercase();
    let at = if text.ends_with('Z') {
        text.parse::<jiff::Timestamp>().ok()?
    } else {
        clock.zone.to_timestamp(text.parse::<DateTime>().ok()?).ok()?
    };
    Some(Timestamp::new(at.as_second()))
}

fn hours_ago(text: &str, clock: &Clock<'_>) -> Option<Timestamp> {
    match counted(text)? {
        (count, "h" | "hour" | "hours") => Some(clock.now.plus(-i64::from(count) * 3600)),
        (count, "min" | "minute" | "minutes") => Some(clock.now.plus(-i64::from(count) * 60)),
        _ => None,
    }
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
        _ => return ago(text, today).or_else(|| named(text, today)).or_else(|| calendar(text)),
    };
    Some((first, first.checked_add(length).ok()?))
}

/// `3d`, `2w`, `6m`, `1y`, `3-days-ago`: the day that long ago.
fn ago(text: &str, today: Date) -> Option<(Date, Date)> {
    let (count, unit) = counted(text)?;
    let count = i64::from(count);
    let back = match unit {
        "d" | "day" | "days" => count.days(),
        "w" | "week" | "weeks" => count.weeks(),
        "m" | "mo" | "month" | "months" => count.months(),
        "y" | "year" | "years" => count.years(),
        _ => return None,
    };
    let day = today.checked_sub(back).ok()?;
    Some((day, day.checked_add(1.day()).ok()?))
}

/// A number and the unit behind it.
fn counted(text: &str) -> Option<(u16, &str)> {
    let text = text.strip_suffix("-ago").unwrap_or(text);
    let (count, unit) = text.split_at_checked(text.find(|c: char| !c.is_ascii_digit())?)?;
    Some((number(count)?, unit.strip_prefix('-').unwrap_or(unit)))
}

/// `november` (the last one that has begun), `nov-2024`, `friday` (the last one, today included).
fn named(text: &str, today: Date) -> Option<(Date, Date)> {
    let (name, year) = match text.split_once('-') {
        Some((name, year)) => (name, Some(year)),
        None => (text, None),
    };
    let known = |names: &[&str]| {
        let at = names.iter().position(|known| name.len() >= 3 && known.starts_with(name))?;
        i8::try_from(at).ok()
    };
    if let Some(month) = known(&MONTHS).map(|at| at + 1) {
        let year = match year {
            Some(year) => i16::try_from(number(year).filter(|_| year.len() == 4)?).ok()?,
            None => today.year() - i16::from(month > today.month()),
        };
        let first = Date::new(year, month, 1).ok()?;
        return Some((first, first.checked_add(1.month()).ok()?));
    }
    let weekday = known(&WEEKDAYS).filter(|_| year.is_none())?;
    let back = (today.weekday().to_monday_zero_offset() - weekday).rem_euclid(7);
    let day = today.checked_sub(i32::from(back).days()).ok()?;
    Some((day, day.checked_add(1.day()).ok()?))
}

/// `2025`, `2025-11`, `2025-11-03`, with slashes as well, and `11/03/2025`.
fn calendar(text: &str) -> Option<(Date, Date)> {
    let parts: Vec<&str> = text.split(['-', '/']).collect();
    let (year, month, day) = match parts.as_slice() {
        [year] => (*year, None, None),
        [year, month] => (*year, Some(*month), None),
        [month, day, year] if text.contains('/') && year.len() == 4 => (*year, Some(*month), Some(*day)),
        [year, month, day] => (*year, Some(*month), Some(*day)),
        _ => return None,
    };
    let year = i16::try_from(number(year).filter(|_| year.len() == 4)?).ok()?;
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
