//! What is told of the mailbox that comes first while all are listed: one flight for both, and nothing odd in it is
//! believed.

use tern::mail::ranges::UidRanges;
use tern::remote::{Presence, Since};

use crate::imap_faults::signed_in;
use crate::imap_flights::{FAST, counted, enabled, five, inbox, items, longer, mailbox, message, opened, since, uid};
use crate::servers::dovecot::Dovecot;
use crate::support::scripted::{hear, reply};

#[test]
fn the_mailbox_that_comes_first_is_compared_while_all_are_listed() {
    let dovecot = Dovecot::start();
    for text in ["one", "two"] {
        dovecot.deliver("ada", "INBOX", &message(text));
    }
    let (mut remote, _) = counted(&dovecot);
    let agreed = since(&remote.changes(&inbox(), &Since::default()).unwrap(), 2);
    dovecot.deliver("ada", "INBOX", &message("three"));
    let (mut remote, turnstile) = counted(&dovecot);
    remote.expect(&inbox(), &agreed);
    let listed = remote.mailboxes().unwrap();
    let standing = listed.iter().find(|one| one.name.is_inbox()).unwrap().standing.unwrap();
    assert_eq!((standing.messages, standing.uid_next), (3, Some(uid(4))));
    let asked = [(inbox(), agreed), (mailbox("Archive"), Since::default())];
    let told = remote.changes_of(&asked[..1]).unwrap().remove(0).unwrap();
    assert_eq!((items(&told), told.presence), (vec![3], Presence::Except(UidRanges::none())));
    let (flights, said) = turnstile.count();
    assert_eq!(flights, 1, "{said}");
    // It is told once, and of this mailbox as it was asked alone.
    assert_eq!(items(&remote.changes(&inbox(), &agreed).unwrap()), [3]);
    assert_eq!(turnstile.count().0, 1);
    remote.expect(&inbox(), &agreed);
    remote.mailboxes().unwrap();
    assert_eq!(items(&remote.changes(&inbox(), &Since::default()).unwrap()), [1, 2, 3]);
    // Where another one was opened since, it is opened again.
    remote.expect(&inbox(), &agreed);
    remote.mailboxes().unwrap();
    remote.changes(&asked[1].0, &asked[1].1).unwrap();
    turnstile.count();
    assert_eq!(items(&remote.changes(&inbox(), &agreed).unwrap()), [3]);
    let (_, said) = turnstile.count();
    assert!(said.contains("SELECT \"INBOX\" (QRESYNC"), "{said}");
}

#[test]
fn what_is_odd_about_a_mailbox_that_was_opened_ahead_is_not_believed() {
    let lists = format!("{FAST} LIST-EXTENDED LIST-STATUS");
    let list = |more: &str| {
        let standing = "(MESSAGES 5 UIDNEXT 100 UIDVALIDITY 7 HIGHESTMODSEQ 10)";
        let answer = format!("{more}* LIST () \"/\" INBOX\r\n* STATUS INBOX {standing}\r\n%T OK listed\r\n");
        [hear("LIST \"\" \"*\" RETURN"), reply(answer)]
    };
    let again = || vec![hear("SELECT \"INBOX\" (QRESYNC (7 10))"), opened(5, 100, 10, "")];
    let all = || Presence::Exactly((1..=5).map(uid).collect());
    let none = || Presence::Except(UidRanges::none());
    for (what, answer, beside, then, presence) in [
        ("refused", reply("%T NO not now\r\n"), "", again(), none()),
        ("not understood", reply("%T BAD what?\r\n"), "", again(), none()),
        ("no epoch", reply("* 5 EXISTS\r\n%T OK done\r\n"), "", again(), none()),
        ("one came behind it", opened(5, 100, 10, ""), "* 6 EXISTS\r\n", again(), none()),
        ("one went behind it", opened(5, 100, 10, ""), "* VANISHED 4\r\n", again(), none()),
        ("it does not add up", opened(5, 100, 20, "* VANISHED (EARLIER) 1:4294967295\r\n"), "", longer(), all()),
        ("nothing odd", opened(5, 100, 10, ""), "", Vec::new(), none()),
    ] {
        let mut script = enabled().to_vec();
        script.extend([hear("SELECT \"INBOX\" (QRESYNC (7 10))"), answer]);
        script.extend(list(beside));
        script.extend(then);
        let (mut remote, server) = signed_in(&lists, script);
        remote.expect(&inbox(), &five());
        let listed = remote.mailboxes().unwrap();
        assert_eq!(listed[0].standing.unwrap().messages, 5, "{what}");
        assert_eq!(remote.changes(&inbox(), &five()).unwrap().presence, presence, "{what}");
        server.heard();
    }
}
