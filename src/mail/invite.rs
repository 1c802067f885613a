//! Invitations (iCalendar, RFC 5545; iTIP, RFC 5546): so far one line that says what is asked.

/// What an iCalendar object asks: kind, title, time and place on one line. Text from outside.
pub fn summary(text: &str) -> String {
    let unfolded = text.replace("\r\n", "\n").replace("\n ", "").replace("\n\t", "");
    let mut in_event = false;
    let mut found: [Option<String>; 4] = Default::default();
    for line in unfolded.lines().take(5000) {
        match line.trim().to_ascii_uppercase().as_str() {
            "BEGIN:VEVENT" | "BEGIN:VTODO" => in_event = true,
            "END:VEVENT" | "END:VTODO" => break,
            _ => {}
        }
        let Some((name, value)) = line.split_once(':') else { continue };
        let name = name.split(';').next().unwrap_or(name).to_ascii_uppercase();
        let slot = match (in_event, name.as_str()) {
            (_, "METHOD") => 0,
            (true, "SUMMARY") => 1,
            (true, "DTSTART") => 2,
            (true, "LOCATION") => 3,
            _ => continue,
        };
        if let Some(slot) = found.get_mut(slot) {
            *slot =
                Some(value.trim().replace("\\n", " ").replace("\\,", ",").replace("\\;", ";").replace("\\\\", "\\"));
        }
    }
    let [method, summary, start, location] = found;
    let what = match method.as_deref() {
        Some("REQUEST") => "Invitation",
        Some("CANCEL") => "Cancelled",
        Some("REPLY") => "Answer to an invitation",
        _ => "Calendar",
    };
    let mut out = format!("{what}: {}", summary.unwrap_or_else(|| "(no title)".to_owned()));
    if let Some(start) = start.as_deref().and_then(calendar_time) {
        out = format!("{out}, {start}");
    }
    if let Some(location) = location.filter(|location| !location.is_empty()) {
        out = format!("{out}, {location}");
    }
    out
}

/// `20261121T150000Z` as `2026-11-21 15:00 UTC`, `20261121` as `2026-11-21`.
fn calendar_time(value: &str) -> Option<String> {
    let (date, time) = value.split_once('T').map_or((value, None), |(date, time)| (date, Some(time)));
    let date = format!("{}-{}-{}", date.get(..4)?, date.get(4..6)?, date.get(6..8)?);
    let Some(time) = time else { return Some(date) };
    let zone = if time.ends_with('Z') { " UTC" } else { "" };
    Some(format!("{date} {}:{}{zone}", time.get(..2)?, time.get(2..4)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_on_one_line() {
        let event = |inner: &str| summary(&format!("BEGIN:VCALENDAR\r\n{inner}\r\nEND:VCALENDAR\r\n"));
        assert_eq!(
            event(
                "METHOD:REQUEST\r\nBEGIN:VEVENT\r\nSUMMARY:Lu\r\n nch\\, again\r\nDTSTART;TZID=x:20261121T150000Z\r\nLOCATION:Here"
            ),
            "Invitation: Lunch, again, 2026-11-21 15:00 UTC, Here"
        );
        assert_eq!(event("METHOD:CANCEL\r\nBEGIN:VEVENT\r\nDTSTART:20261121"), "Cancelled: (no title), 2026-11-21");
        assert_eq!(event("BEGIN:VTIMEZONE\r\nDTSTART:19700101T000000"), "Calendar: (no title)");
        assert_eq!(event("BEGIN:VEVENT\r\nDTSTART:\u{e9}\u{e9}\u{e9}\u{e9}T"), "Calendar: (no title)");
    }
}
