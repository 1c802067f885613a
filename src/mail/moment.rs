//! Moments to come, as people say them: `18:00`, `tomorrow`, `mon 9`, `3d`, `in 2 weeks`, `24 dec`, `2026-12-24
//! 14:00`. A day without a time is its morning. Pure: the clock and the zone are given.

use jiff::ToSpan as _;
use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;

use super::ids::Timestamp;

/// When a day begins, as far as mail goes.
const MORNING: i8 = 8;
/// When it ends.
const EVENING: i8 = 18;

/// The months as people type them, from January.
pub(crate) const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// The days of the week as people type them, from Monday.
pub(crate) const WEEKDAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// What a moment may be, for a hint.
pub const EXPECTED: &str = "18:00, tomorrow, mon 9:00, 3d, 2h, 24 dec, 2026-12-24 14:00";

/// Reads a moment that is still to come; `None`: it is none, or over.
pub fn coming(text: &str, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    let text = text.trim().to_lowercase().replace(',', " ");
    let words: Vec<&str> =
        text.split_whitespace().filter(|word| !matches!(*word, "in" | "at" | "on" | "next")).collect();
    let here = zone.to_datetime(jiff::Timestamp::from_second(now.get()).ok()?);
    if let Some(seconds) = hours(&words.concat()) {
        return Some(now.plus(seconds));
    }
    let (day, time) = match words.as_slice() {
        [] => return None,
        [one] => match clock(one).filter(|_| one.contains([':', 'm'])) {
            // A time that is over today is meant for tomorrow.
            Some(time) if time > here.time() => (here.date(), time),
            Some(time) => (here.date().tomorrow().ok()?, time),
            None => named(one, here.date())?,
        },
        [first @ .., last] => {
            let all = words.join(" ");
            if let Some(found) = named(&all, here.date()) {
                found
            } else {
                let (day, _) = named(&first.join(" "), here.date())?;
                (day, clock(last)?)
            }
        }
    };
    let at = zone.to_timestamp(day.to_datetime(time)).ok()?;
    let at = Timestamp::new(at.as_second());
    (at > now).then_some(at)
}

/// Usual choices, each with its words.
pub fn usual(now: Timestamp, zone: &TimeZone) -> Vec<(&'static str, Timestamp)> {
    let table = [
        ("Later today", "today"),
        ("Tomorrow", "tomorrow"),
        ("This weekend", "saturday"),
        ("Next week", "monday"),
        ("In two weeks", "14d"),
        ("In a month", "1mo"),
    ];
    table.into_iter().filter_map(|(words, text)| Some((words, coming(text, now, zone)?))).collect()
}

/// A moment, as people read it.
pub fn words(at: Timestamp, now: Timestamp, zone: &TimeZone) -> String {
    let moment = |at: Timestamp| jiff::Timestamp::from_second(at.get()).ok().map(|at| at.to_zoned(zone.clone()));
    let (Some(at), Some(now)) = (moment(at), moment(now)) else { return String::new() };
    let format = if at.date() == now.date() {
        "%H:%M"
    } else if at.year() == now.year() {
        "%a %-d %b %H:%M"
    } else {
        "%-d %b %Y %H:%M"
    };
    at.strftime(format).to_string()
}

/// `2h`, `90min`, in seconds.
fn hours(text: &str) -> Option<i64> {
    let (count, unit) = counted(text)?;
    match unit {
        "h" | "hour" | "hours" => Some(i64::from(count) * 3600),
        "min" | "mins" | "minute" | "minutes" => Some(i64::from(count) * 60),
        _ => None,
    }
}

/// A day by its name, and its usual time.
fn named(text: &str, today: Date) -> Option<(Date, Time)> {
    let morning = Time::constant(MORNING, 0, 0, 0);
    let day = match text {
        "today" | "later" | "later today" | "tonight" | "evening" | "this evening" => {
            return Some((today, Time::constant(EVENING, 0, 0, 0)));
        }
        "tomorrow" | "tomorrow morning" => today.tomorrow().ok()?,
        "weekend" | "this weekend" => today.nth_weekday(1, Weekday::Saturday).ok()?,
        "week" => today.nth_weekday(1, Weekday::Monday).ok()?,
        "month" => today.first_of_month().checked_add(1.month()).ok()?,
        "year" => today.first_of_year().checked_add(1.year()).ok()?,
        _ => weekday(text, today).or_else(|| ahead(text, today)).or_else(|| dated(text, today))?,
    };
    Some((day, morning))
}

/// The next day of that name; never today.
fn weekday(text: &str, today: Date) -> Option<Date> {
    let at = WEEKDAYS.iter().position(|name| text.len() >= 2 && name.starts_with(text))?;
    today.nth_weekday(1, Weekday::from_monday_zero_offset(i8::try_from(at).ok()?).ok()?).ok()
}

/// `3d`, `2 weeks`, `1mo`.
fn ahead(text: &str, today: Date) -> Option<Date> {
    let joined = text.replace(' ', "");
    let (count, unit) = counted(&joined)?;
    let count = i64::from(count);
    let span = match unit {
        "d" | "day" | "days" => count.days(),
        "w" | "week" | "weeks" => count.weeks(),
        "mo" | "month" | "months" => count.months(),
        "y" | "year" | "years" => count.years(),
        _ => return None,
    };
    today.checked_add(span).ok()
}

/// `2026-12-24`, `24 dec`, `dec 24`, `24 dec 2027`; without a year the next one of that date.
fn dated(text: &str, today: Date) -> Option<Date> {
    if text.len() == 10
        && let Ok(day) = text.parse::<Date>()
    {
        return Some(day);
    }
    let words: Vec<&str> = text.split(' ').map(|word| word.trim_end_matches('.')).collect();
    let month = |word: &str| {
        let at = MONTHS.iter().position(|name| word.len() >= 3 && name.starts_with(word))?;
        i8::try_from(at + 1).ok()
    };
    let (day, month, year) = match words.as_slice() {
        [one, other] => match (month(one), month(other)) {
            (Some(month), None) => (number(other)?, month, None),
            (None, Some(month)) => (number(one)?, month, None),
            _ => return None,
        },
        [day, name, year] => (number(day)?, month(name)?, Some(number(year)?)),
        _ => return None,
    };
    let day = i8::try_from(day).ok()?;
    if let Some(year) = year {
        return Date::new(i16::try_from(year).ok()?, month, day).ok();
    }
    (0..=8).find_map(|later| Date::new(today.year().checked_add(later)?, month, day).ok().filter(|day| *day > today))
}

/// `18:00`, `9`, `6pm`, `9:30am`.
fn clock(text: &str) -> Option<Time> {
    let (digits, add) = match text.strip_suffix("pm") {
        Some(digits) => (digits, 12),
        None => (text.strip_suffix("am").unwrap_or(text), 0),
    };
    let twelve = digits.len() != text.len();
    let (hour, minute) = digits.split_once(':').unwrap_or((digits, "0"));
    let (hour, minute) = (number(hour)?, number(minute)?);
    let hour = match (twelve, hour) {
        (true, 0 | 13..) => return None,
        (true, hour) => hour % 12 + add,
        (false, hour) => hour,
    };
    Time::new(i8::try_from(hour).ok()?, i8::try_from(minute).ok()?, 0, 0).ok()
}

/// A number and what stands behind it.
fn counted(text: &str) -> Option<(u16, &str)> {
    let (count, unit) = text.split_at_checked(text.find(|c: char| !c.is_ascii_digit())?)?;
    Some((number(count)?, unit))
}

/// Up to four digits.
fn number(text: &str) -> Option<u16> {
    let plain = (1..=4).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Thursday, 19 November 2026, 14:02 in Vienna.
    const NOW: i64 = 1_795_093_320;

    fn read(text: &str) -> Option<String> {
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let at = coming(text, Timestamp::new(NOW), &zone)?;
        let at = jiff::Timestamp::from_second(at.get()).unwrap().to_zoned(zone);
        Some(at.strftime("%Y-%m-%d %H:%M").to_string())
    }

    #[test]
    fn moments_to_come_are_read_as_people_say_them() {
        let table = [
            ("18:00", "2026-11-19 18:00"),
            ("9:30", "2026-11-20 09:30"),
            ("6pm", "2026-11-19 18:00"),
            ("today", "2026-11-19 18:00"),
            ("Tomorrow", "2026-11-20 08:00"),
            ("tomorrow 7:15", "2026-11-20 07:15"),
            ("mon", "2026-11-23 08:00"),
            ("mon 9", "2026-11-23 09:00"),
            ("Thursday", "2026-11-26 08:00"),
            ("weekend", "2026-11-21 08:00"),
            ("next week", "2026-11-23 08:00"),
            ("next month", "2026-12-01 08:00"),
            ("3d", "2026-11-22 08:00"),
            ("in 3 days", "2026-11-22 08:00"),
            ("in 2 weeks at 10:00", "2026-12-03 10:00"),
            ("2h", "2026-11-19 16:02"),
            ("in 90 min", "2026-11-19 15:32"),
            ("24 dec", "2026-12-24 08:00"),
            ("Dec 24 17:00", "2026-12-24 17:00"),
            ("3 nov", "2027-11-03 08:00"),
            ("29 feb", "2028-02-29 08:00"),
            ("2026-12-24 14:00", "2026-12-24 14:00"),
            ("1 jan 2028", "2028-01-01 08:00"),
        ];
        for (text, wanted) in table {
            assert_eq!(read(text).as_deref(), Some(wanted), "{text}");
        }
        for text in
            ["", "yesterday", "2026-11-18", "25:00", "9:61", "13pm", "31 feb 2027", "x", "3", "99999d", "mon tue"]
        {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn usual_choices_are_in_the_order_of_time_but_for_a_weekend_at_hand() {
        let choices = usual(Timestamp::new(NOW), &TimeZone::UTC);
        assert_eq!(choices.len(), 6);
        assert!(choices.windows(2).all(|pair| pair[0].1 < pair[1].1), "{choices:?}");
        // In the evening nothing is later today.
        assert_eq!(usual(Timestamp::new(NOW + 6 * 3600), &TimeZone::UTC).len(), 5);
    }
}
