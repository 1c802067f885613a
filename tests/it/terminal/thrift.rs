//! What goes over the line: a key that moves the cursor sends no more than the rows that change.

use std::fs;

use super::{Session, World};

const CONFIG: &str = "[accounts.ada]\naddress = \"ada@example.org\"\nmaildir = \"{home}/mail\"\n";

#[test]
fn moving_the_cursor_sends_few_bytes() {
    let world = World::new(CONFIG);
    let inbox = world.path("mail/INBOX");
    for sub in ["cur", "new", "tmp"] {
        fs::create_dir_all(inbox.join(sub)).unwrap();
    }
    for number in 0..200 {
        let date = format!("Mon, 2 Nov 2026 10:{:02}:{:02} +0000", number / 60, number % 60);
        let mail = format!(
            "From: Grace Hopper <grace@example.net>\r\nTo: ada@example.org\r\nSubject: Letter {number}\r\nDate: {date}\r\n\
             Message-ID: <m{number}@example.net>\r\n\r\nWords.\r\n"
        );
        fs::write(inbox.join(format!("cur/{number}.test:2,S")), mail).unwrap();
    }
    let mut session = Session::start(&world, &[], 200, 50);
    session.expect("Letter 199");
    session.expect("1/200");
    let mut sent = Vec::new();
    for row in 2..=20 {
        let before = session.written();
        session.press("j");
        session.expect(&format!(" {row}/200"));
        sent.push(session.written() - before);
    }
    sent.sort_unstable();
    // The clock in the bar may turn once meanwhile, or the screen may scroll.
    assert!(sent[sent.len() / 2] <= 300, "bytes for each key: {sent:?}");
    session.press("q");
    assert!(session.wait());
}
