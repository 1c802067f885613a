//! Dates of mail: RFC 5322 §3.3 with its obsolete forms, and the broken ones seen in the wild
//! (asctime, ISO 8601, no seconds, dots for colons, named zones). Linear; any text gives a moment
//! between 1970 and 2100 or nothing.

use std::fmt::Write as _;

use super::ids::Timestamp;

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
/// Months as programs write them that translate what no program should.
const OTHER_MONTHS: [(&str, i64); 12] = [
    ("ene", 1),
    ("gen", 1),
    ("fev", 2),
    ("mrz", 3),
    ("avr", 4),
    ("abr", 4),
    ("mai", 5),
    ("maj", 5),
    ("mei", 5),
    ("ago", 8),
    ("okt", 10),
    ("dez", 12),
];
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
/// A date is short; what is longer is looked at only so far.
const MAX_LENGTH: usize = 200;

/// What was found of a date.
#[derive(Debug, Default)]
struct Found {
    day: Option<i64>,
    month: Option<i64>,
    year: Option<i64>,
    time: Option<i64>,
    /// Seconds east of Greenwich.
    zone: Option<i64>,
}

/// Reads a date as it stands in a header, on one line.
pub fn parse(text: &str) -> Option<Timestamp> {
    let mut found = Found::default();
    let mut depth = 0usize;
    let mut word = String::new();
    // The blank at the end closes the last word.
    for c in text.chars().take(MAX_LENGTH).chain([' ']) {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ if depth > 0 => continue,
            c if c.is_whitespace() || c == ',' => {}
            c => {
                word.push(c);
                continue;
            }
        }
        if !word.is_empty() {
            found.take(&word);
            word.clear();
        }
    }
    found.moment()
}

impl Found {
    fn take(&mut self, word: &str) {
        if word.contains(':') && self.take_iso(word) {
            return;
        }
        if let Some(time) = time_of(word)
            && self.time.is_none()
        {
            self.time = Some(time.0);
            if let Some(zone) = time.1 {
                self.zone = self.zone.or(zone_of(zone));
            }
            return;
        }
        if let Some(month) = month_of(word) {
            self.month = self.month.or(Some(month));
            return;
        }
        if word.bytes().all(|b| b.is_ascii_digit()) && word.len() <= 4 {
            self.take_number(word);
            return;
        }
        if self.take_joined(word) {
            return;
        }
        match word.to_ascii_uppercase().as_str() {
            "PM" => self.time = self.time.map(|time| if time < 43_200 { time + 43_200 } else { time }),
            "AM" => self.time = self.time.map(|time| if time >= 43_200 { time - 43_200 } else { time }),
            // Named zones are shorthand for offsets, and an offset beside them says more.
            _ if self.time.is_some() => self.zone = self.zone.or(zone_of(word)),
            _ => {}
        }
    }

    fn take_number(&mut self, word: &str) {
        let Ok(number) = word.parse::<i64>() else { return };
        // A day has at most two digits, a year two, three or four; the day comes first.
        if self.day.is_none() && word.len() <= 2 {
            self.day = Some(number);
        } else if self.year.is_none() && (word.len() >= 3 || self.day.is_some()) {
            self.year = Some(full_year(number, word.len()));
        }
    }

    /// Takes `2026-11-21T23:50:00Z` and the like.
    fn take_iso(&mut self, word: &str) -> bool {
        let Some((date, time)) = word.split_once(['T', 't']) else { return false };
        let Some((time, zone)) = time_of(time) else { return false };
        if !self.take_joined(date) {
            return false;
        }
        self.time = Some(time);
        self.zone = self.zone.or(zone.and_then(zone_of));
        true
    }

    /// Takes `21-Nov-2026`, `2026-11-21`, `2026/11/21`, `11/21/2026`, `21.11.2026`.
    fn take_joined(&mut self, word: &str) -> bool {
        if self.year.is_some() || word.starts_with(['+', '-']) {
            return false;
        }
        let Some(separator) = word.chars().find(|c| matches!(c, '-' | '/' | '.')) else { return false };
        let mut pieces = word.split(separator);
        let (Some(first), Some(second), Some(third), None) =
            (pieces.next(), pieces.next(), pieces.next(), pieces.next())
        else {
            return false;
        };
        let number = |piece: &str| piece.parse::<i64>().ok().filter(|n| (0..=9999).contains(n));
        let (year, month, day) = match (number(first), month_of(second).or(number(second)), number(third)) {
            (Some(year), month, Some(day)) if first.len() == 4 => (Some(year), month, Some(day)),
            (Some(month), day, Some(year)) if separator == '/' => {
                (Some(full_year(year, third.len())), Some(month), day)
            }
            (Some(day), month, Some(year)) => (Some(full_year(year, third.len())), month, Some(day)),
            _ => return false,
        };
        (self.year, self.month, self.day) = (year, month, day);
        true
    }

    fn moment(&self) -> Option<Timestamp> {
        let (day, month, year) = (self.day?, self.month?, self.year?);
        if !(1..=31).contains(&day) || !(1..=12).contains(&month) {
            return None;
        }
        let seconds = days_since_1970(year, month, day) * 86_400 + self.time.unwrap_or(0) - self.zone.unwrap_or(0);
        Some(Timestamp::new(seconds))
    }
}

/// RFC 5322 §4.3: two digits are 1950 to 2049, three are years since 1900. So are four with a
/// leading zero, as a program of the year 2002 wrote them.
fn full_year(number: i64, digits: usize) -> i64 {
    match number {
        0..50 if digits <= 2 => number + 2000,
        0..1000 => number + 1900,
        _ => number,
    }
}

fn month_of(word: &str) -> Option<i64> {
    // Spelled out or cut short, but a word of letters.
    word.bytes().all(|b| b.is_ascii_alphabetic() || b == b'.').then_some(())?;
    let name = word.get(..3)?;
    if let Some((_, month)) = OTHER_MONTHS.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)) {
        return Some(*month);
    }
    let at = MONTHS.iter().position(|month| month.eq_ignore_ascii_case(name))?;
    i64::try_from(at).ok().map(|at| at + 1)
}

/// Seconds since midnight of `23:50:00`, `23:50`, `9:5`, `23.50.00`, with what follows directly.
fn time_of(word: &str) -> Option<(i64, Option<&str>)> {
    let end = word.find(|c: char| !(c.is_ascii_digit() || c == ':' || c == '.')).unwrap_or(word.len());
    let (clock, rest) = word.split_at_checked(end)?;
    let separator = if clock.contains(':') { ':' } else { '.' };
    let mut pieces = clock.split(separator);
    let mut next = |limit: i64| {
        let piece = pieces.next()?;
        let whole = piece.split('.').next().unwrap_or(piece);
        if whole.is_empty() || whole.len() > 2 { None } else { whole.parse::<i64>().ok().filter(|n| *n <= limit) }
    };
    let hour = next(24)?;
    let minute = next(59)?;
    let second = next(60);
    // `23.50` could be anything, `21.11.2026` is a date.
    if separator == '.' && second.is_none() {
        return None;
    }
    Some((hour * 3600 + minute * 60 + second.unwrap_or(0).min(59), (!rest.is_empty()).then_some(rest)))
}

fn zone_of(word: &str) -> Option<i64> {
    let word = word.trim_matches('"');
    let upper = word.to_ascii_uppercase();
    let named = |hours: i64| Some(hours * 3600);
    match upper.as_str() {
        "UT" | "UTC" | "GMT" | "Z" | "WET" => return named(0),
        "EDT" => return named(-4),
        "EST" | "CDT" => return named(-5),
        "CST" | "MDT" => return named(-6),
        "MST" | "PDT" => return named(-7),
        "PST" => return named(-8),
        "AKST" => return named(-9),
        "HST" => return named(-10),
        "CET" | "MET" | "MEZ" | "BST" | "WEST" => return named(1),
        "CEST" | "MEST" | "MESZ" | "EET" => return named(2),
        "EEST" | "MSK" => return named(3),
        "JST" | "KST" => return named(9),
        "AEST" => return named(10),
        "NZST" => return named(12),
        _ => {}
    }
    let offset = upper.strip_prefix("GMT").or_else(|| upper.strip_prefix("UTC")).unwrap_or(&upper);
    let (sign, digits) = match offset.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let digits = digits.replace(':', "");
    if digits.is_empty() || digits.len() > 4 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number = digits.parse::<i64>().ok()?;
    let (hours, minutes) = if digits.len() <= 2 { (number, 0) } else { (number / 100, number % 100) };
    // Beyond a day it is no zone but noise (RFC 5322 allows up to 9959).
    (hours <= 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

/// Days from 1970-01-01 to a day of the Gregorian calendar, counted in eras of 400 years.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Year, month and day of a number of days since 1970-01-01.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

/// Writes a Date field's value (RFC 5322 §3.3): `Sat, 21 Nov 2026 23:50:00 +0100`. The offset is
/// in minutes east of Greenwich, clamped to a day.
pub fn format(at: Timestamp, offset_minutes: i32) -> String {
    let offset = i64::from(offset_minutes.clamp(-1439, 1439));
    let local = at.get() + offset * 60;
    let (days, time) = (local.div_euclid(86_400), local.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    let name = |names: &[&'static str], at: i64| {
        usize::try_from(at).ok().and_then(|at| names.get(at)).copied().unwrap_or_default()
    };
    let weekday = name(&DAYS, (days + 3).rem_euclid(7));
    let month = name(&MONTHS, month - 1);
    let sign = if offset < 0 { '-' } else { '+' };
    let mut out = String::with_capacity(31);
    // Writing into a String cannot fail.
    let _ = write!(
        out,
        "{weekday}, {day} {month} {year} {:02}:{:02}:{:02} {sign}{:02}{:02}",
        time / 3600,
        time / 60 % 60,
        time % 60,
        offset.abs() / 60,
        offset.abs() % 60
    );
    out
}

/// The moment as a reader in `zone` sees it: `Thu 19 Nov 2026 13:40 +0100`.
pub fn shown(at: Timestamp, zone: &jiff::tz::TimeZone) -> String {
    let Ok(moment) = jiff::Timestamp::from_second(at.get()) else { return String::new() };
    let offset = zone.to_offset(moment).seconds() / 60;
    let written = format(at, offset);
    // The same words, without comma and seconds.
    let words: Vec<&str> = written.split([' ', ',']).filter(|word| !word.is_empty()).collect();
    match words.as_slice() {
        [weekday, day, month, year, time, zone] => {
            let minutes = time.rsplit_once(':').map_or(*time, |(minutes, _)| minutes);
            format!("{weekday} {day} {month} {year} {minutes} {zone}")
        }
        _ => written,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_legal_and_broken() {
        let table = [
            ("Sat, 21 Nov 2026 23:50:00 +0000", 1_795_305_000),
            ("Sat, 21 Nov 2026 23:50:00 +0100 (CET)", 1_795_301_400),
            ("21 Nov 26 23:50 GMT", 1_795_305_000),
            ("1 Jan 26 00:00 GMT", 1_767_225_600),
            ("Sat Nov 21 23:50:00 2026", 1_795_305_000),
            ("Sat Nov 21 23:50:00 EST 2026", 1_795_323_000),
            ("2026-11-21T23:50:00Z", 1_795_305_000),
            ("2026-11-21T23:50:00.123+01:00", 1_795_301_400),
            ("2026-11-21 23:50:00", 1_795_305_000),
            ("Sat, 21 Nov 2026 23.50.00 +0000", 1_795_305_000),
            ("Saturday, 21-Nov-26 23:50:00 UTC", 1_795_305_000),
            ("11/21/2026 11:50:00 PM", 1_795_305_000),
            ("Sat, 21 November 2026 23:50:00 PST", 1_795_333_800),
            ("Fri, 31 Dec 99 23:59:60 -0000", 946_684_799),
            ("Sun, 25 Aug 0102 10:36:36 -1000", 1_030_307_796),
            ("ons, 26 maj 1999 11:00:34 +0200 (CEST)", 927_709_234),
            ("Thu, 1 Jan 101 00:00:00 +0000", 978_307_200),
            ("Sat, 21 Nov 2026 23:50:00 \"GMT\"", 1_795_305_000),
            ("Wed, 1 Jan 9999 00:00:00 +0000", 4_102_444_800),
            ("Thu, 1 Jan 1900 00:00:00 +0000", 0),
            ("Thu, 29 Feb 2024 12:00:00 +0530", 1_709_188_200),
        ];
        for (text, expected) in table {
            assert_eq!(parse(text).map(Timestamp::get), Some(expected), "{text}");
        }
        for nothing in ["", "yesterday", "Mon, 99 Nov 2026", "21 Foo 2026", ":::", "99999999999999999999", "--"] {
            assert_eq!(parse(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        for (at, offset) in [(0, 0), (1_795_305_000, 60), (951_827_696, -570), (4_102_444_000, 0), (1_709_164_800, 330)]
        {
            let written = format(Timestamp::new(at), offset);
            assert_eq!(parse(&written), Some(Timestamp::new(at)), "{written}");
        }
        assert_eq!(format(Timestamp::new(1_795_305_000), -90), "Sat, 21 Nov 2026 22:20:00 -0130");
        assert_eq!(shown(Timestamp::new(1_795_305_000), &jiff::tz::TimeZone::UTC), "Sat 21 Nov 2026 23:50 +0000");
    }
}
