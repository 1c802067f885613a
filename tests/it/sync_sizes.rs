//! A server that announces other sizes than its messages have. Where UIDs are of no help such a message is known
//! by its content, and two messages are never taken for one.

use tern::job::sync::Counts;

use crate::support::meeting::{Meeting, mail, name};

/// So many mails that not all of them are read whole to be compared.
const MANY: usize = 60;

/// Mails of which every fifth has no Message-ID, and every fifth that of the one before, as what a list sends
/// has that of the mail that was sent to a person besides.
fn mails(count: usize) -> Vec<Vec<u8>> {
    let one = |n: usize| match n % 5 {
        0 => mail(None, &format!("nameless {n}")),
        1 => mail(Some(&(n + 1).to_string()), &format!("[list] mail {}", n + 1)),
        _ => mail(Some(&n.to_string()), &format!("mail {n}")),
    };
    (0..count).map(one).collect()
}

fn guessing() -> Meeting {
    let m = Meeting::new();
    m.server.set_habits(|habits| habits.exact = false);
    m
}

fn nothing_but_adopted(counts: Counts) -> Counts {
    Counts { adopted: counts.adopted, ..Counts::default() }
}

#[test]
fn what_was_numbered_anew_is_known_by_its_content() {
    for count in [4, MANY] {
        let m = guessing();
        for mail in mails(count) {
            m.deliver(&name("INBOX"), &mail, "");
        }
        m.sync_well();
        m.server.renumber(&name("INBOX"));
        let before = m.server.steps();
        let counts = m.sync_well().counts;
        assert_eq!(counts, nothing_but_adopted(counts), "of {count}");
        let steps = usize::try_from(m.server.steps() - before).unwrap();
        assert!(steps < count + 30, "of many mails only the headers are read, and a few whole: {steps} of {count}");
        m.assert_met();
        assert!(m.sync_well().counts.is_zero());
    }
}

#[test]
fn what_was_here_before_the_first_sync_is_known_by_its_content() {
    for count in [4, MANY] {
        let m = guessing();
        for mail in mails(count) {
            m.deliver(&name("INBOX"), &mail, "");
            m.write(&name("INBOX"), &mail, "");
        }
        let counts = m.sync_well().counts;
        assert_eq!(counts, Counts { adopted: count as u64, ..Counts::default() });
        m.assert_met();
        assert!(m.sync_well().counts.is_zero());
    }
}

#[test]
fn a_copy_from_a_list_and_an_edited_mail_are_other_mails() {
    // The server's sizes, how many mails there are, and what their two versions differ in.
    type Differ = fn(usize) -> (Vec<u8>, Vec<u8>);
    let header: Differ = |n| (mail(Some(&n.to_string()), "direct"), mail(Some(&n.to_string()), "[list] direct"));
    let body: Differ = |n| {
        let first = mail(Some(&n.to_string()), "draft");
        let second = [&first, &b"And one thing more.\r\n"[..]].concat();
        (first, second)
    };
    for (exact, count, differ) in
        [(true, 3, header), (true, MANY, header), (false, MANY, header), (true, 3, body), (true, MANY, body)]
    {
        let m = Meeting::new();
        m.server.set_habits(|habits| habits.exact = exact);
        for n in 0..count {
            let (here, there) = differ(n);
            m.write(&name("INBOX"), &here, "");
            m.deliver(&name("INBOX"), &there, "");
        }
        let counts = m.sync_well().counts;
        let expected = count as u64;
        assert_eq!((counts.adopted, counts.appended, counts.fetched), (0, expected, expected), "{exact}, {count}");
        m.assert_met();
        assert!(m.sync_well().counts.is_zero());
    }
}
