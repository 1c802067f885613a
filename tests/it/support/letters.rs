//! Small letters for mailboxes of tests: a number each, a minute apart.

/// The letter of that number: `Letter 7`, a minute newer than `Letter 6`.
pub(crate) fn letter(number: u32) -> Vec<u8> {
    let (day, hour, minute) = (1 + number / 1440, number / 60 % 24, number % 60);
    format!(
        "From: Grace Hopper <grace@example.net>\r\n\
         To: Ada <ada@example.org>\r\n\
         Subject: Letter {number}\r\n\
         Date: {}, {day} Jan 2024 {hour:02}:{minute:02}:00 +0000\r\n\
         Message-ID: <letter-{number}@example.net>\r\n\
         \r\n\
         This is the text of letter number {number}.\r\n",
        ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"][(day as usize) % 7],
    )
    .into_bytes()
}
