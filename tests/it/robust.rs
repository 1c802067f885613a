//! Any bytes: no parser of mail panics, what is printed is read back, and what is shown is clean.

use std::path::Path;

use jiff::tz::TimeZone;
use proptest::prelude::*;
use tern::config::Paths;
use tern::config::quirk::Quirk;
use tern::ledger::keeper::offlineimap_status;
use tern::mail::address::{self, Address};
use tern::mail::clean::Clean;
use tern::mail::document::Document;
use tern::mail::envelope::Envelope;
use tern::mail::flags::{Flags, Letters};
use tern::mail::ids::{Timestamp, Uid};
use tern::mail::link::Links;
use tern::mail::mailbox::MailboxName;
use tern::mail::message::{self, Message};
use tern::mail::place::UniqueName;
use tern::mail::ranges::UidRanges;
use tern::mail::text::Flow;
use tern::mail::transfer::Encoding;
use tern::mail::{charset, date, header, html, indexing, mailbox, reader, text, thread};
use tern::store::adopt;
use tern::store::maildir::Maildir;
use tern::store::signs::Signs;

/// Bytes that look like mail: pieces of messages in any order, with noise between.
fn mail_like() -> impl Strategy<Value = Vec<u8>> {
    const PIECES: [&str; 40] = [
        "Content-Type: multipart/mixed; boundary=b\r\n",
        "Content-Type: multipart/alternative; boundary=\"a b\"\n",
        "Content-Type: message/rfc822\n",
        "Content-Type: text/html; charset=utf-7\n",
        "Content-Type: text/plain; format=flowed; delsp=yes\n",
        "Content-Type: text/calendar\n",
        "Content-Disposition: inline; filename*0*=utf-8''%e2; filename*1=x\n",
        "Content-Transfer-Encoding: base64\n",
        "Content-Transfer-Encoding: quoted-printable\n",
        "Content-Transfer-Encoding: x-uuencode\n",
        "From: =?utf-8?q?a=0Ab?= <a@b>, \"x\" <y\n",
        "To: g:a@b,(c;\n",
        "Date: Sat, 21 Nov 2026 23:50:00 +0100\n",
        "Subject: =?iso-2022-jp?b?GyRC?==?x?q?=\n",
        "References: <a@b> <c@d>\n",
        "Message-ID: <>\n",
        "Received: x; 1 Jan 26 00:00\n",
        "--b\n",
        "--b--\r\n",
        "--a b\n",
        "\n",
        "\r\n",
        " folded\n",
        "begin 644 x\nM\nend\n",
        "=?utf-8?b?",
        "?=",
        "=\n",
        "=C3",
        "aGVsbG8=\n",
        "<p style='display:none'>",
        "<table><tr><td colspan=9>",
        "<a href='https://x.org'>y.org</a>",
        "<style>.a{display:none}@media{",
        "</style><!--",
        "&#x1b;&amp;&bogus",
        "> > quoted\n",
        "-- \n",
        "@@ -1,2 +1,2 @@\n+a\n-b\n",
        "BEGIN:VEVENT\nDTSTART:2026\nSUMMARY:x\n",
        "https://x.org/\u{202e} a@b.org \u{200d}\u{301}\u{301}\n",
    ];
    let piece = prop_oneof![
        8 => (0..PIECES.len()).prop_map(|at| PIECES[at].as_bytes().to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..20),
    ];
    proptest::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

/// Everything of a document that is drawn.
fn drawn(document: &Document) -> Vec<&Clean> {
    let headers = document.headers.iter().chain(&document.all_headers).flat_map(|(name, value)| [name, value]);
    let spans = document.lines.iter().flat_map(|line| line.spans.iter().map(|span| &span.text));
    let links = document.links.iter().map(|link| &link.target);
    let parts = document.attachments.iter().flat_map(|part| [&part.name, &part.media_type]);
    headers.chain(spans).chain(links).chain(parts).chain(&document.warnings).chain([&document.subject]).collect()
}

fn assert_clean(text: &str) {
    let bad = |c: char| {
        c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200b}' | '\u{feff}')
    };
    assert!(!text.contains(bad), "{text:?}");
}

fn read_everything(bytes: &[u8]) {
    let message = Message::parse(bytes);
    assert!(!message.parts().is_empty() && message.parts().len() <= message::MAX_PARTS);
    for part in message.parts() {
        assert!(part.raw().ends_with(part.body()));
        part.decoded();
    }
    let digest = indexing::digest(bytes);
    assert!(digest.text.len() <= indexing::MAX_TEXT + 1);
    let envelope = Envelope::parse(bytes);
    assert_eq!(Envelope { has_attachment: envelope.has_attachment, ..digest.envelope }, envelope);
    let document = reader::document(bytes, 60, &TimeZone::UTC);
    let source = reader::raw(bytes);
    for text in drawn(&document).into_iter().chain(drawn(&source)) {
        assert_clean(text.as_str());
    }
    for span in document.lines.iter().flat_map(|line| &line.spans) {
        assert!(span.link.is_none_or(|link| link < document.links.len()));
    }
    for number in 0..document.attachments.len() {
        let (name, _) = reader::part_bytes(bytes, number).expect("a listed part has bytes");
        assert!(!name.contains(['/', '\0']));
    }
    assert_eq!(reader::part_bytes(bytes, document.attachments.len()), None);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_a_message(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        read_everything(&bytes);
    }

    #[test]
    fn anything_like_mail_is_a_message(bytes in mail_like()) {
        read_everything(&bytes);
    }

    #[test]
    fn any_text_is_a_header(text in "(=\\?|\\?=|\\?[qb]\\?|utf-8|[ ,;:<>()\"\\\\@=_*%']|[a-z0-9]|\\PC){0,80}") {
        header::decode_words(&text);
        header::message_ids(&text);
        header::Parameters::parse(&text);
        Encoding::of(&text);
        for address in address::parse_list(&text) {
            assert_clean(address.display().as_str());
            address.is_deceptive();
        }
        for address in address::parse_typed(&text).addresses {
            let wire = address.ascii_email().expect("what is accepted can be sent to");
            prop_assert!(wire.contains('@') && !wire.contains(char::is_control));
        }
        thread::subject_base(&text);
    }

    #[test]
    fn any_text_is_a_date_or_none(text in "([0-9]{1,5}|[-+:./ ,()TZ]|Jan|Nov|PM|EST|\\PC){0,30}") {
        if let Some(at) = date::parse(&text) {
            prop_assert_eq!(Timestamp::new(at.get()), at);
        }
    }

    #[test]
    fn a_date_is_read_back(at in 0i64..4_102_444_800, offset in -720i32..840) {
        let at = Timestamp::new(at);
        prop_assert_eq!(date::parse(&date::format(at, offset)), Some(at));
    }

    #[test]
    fn an_address_is_read_back(name in "[^\\p{C}\\s=?]([^\\p{C}=?\\s] ?){0,20}[^\\p{C}\\s=?]", local in "[a-z0-9.+]{1,9}", domain in "[a-z]{1,9}\\.[a-z]{2,4}") {
        let address = Address { name, email: format!("{local}@{domain}") };
        prop_assert_eq!(address::parse_list(&address.written()), vec![address]);
    }

    #[test]
    fn mailbox_names_go_to_the_wire_and_back(name in "\\PC{0,40}") {
        let wire = mailbox::to_modified_utf7(&name);
        prop_assert!(wire.is_ascii());
        let back = mailbox::from_modified_utf7(&wire);
        prop_assert_eq!(back.as_deref(), Some(name.as_str()));
    }

    #[test]
    fn any_bytes_are_text(bytes in proptest::collection::vec(any::<u8>(), 0..200), label in "(utf-7|utf-16le|iso-2022-jp|gb18030|big5|hz|x-user-defined|\\PC{0,9})") {
        mailbox::from_modified_utf7(&String::from_utf8_lossy(&bytes));
        let decoded = charset::decode(&bytes, Some(&label));
        for flow in [Flow::Fixed, Flow::Flowed, Flow::FlowedDelSp] {
            text::lines(&decoded, flow, &mut Links::default());
        }
        html::render(&decoded, 1, &mut Links::default());
        assert_clean(Clean::line(&decoded).as_str());
    }
}

/// The state files of other programs, and words that stand in them, with noise between.
fn state_like() -> impl Strategy<Value = Vec<u8>> {
    const PIECES: [&str; 22] = [
        "FarUidValidity 77\n",
        "NearUidValidity 5\n",
        "MasterUidValidity 4294967295\n",
        "SlaveUidValidity 5",
        "FarUidValidity 99999999999999999999\n",
        "MaxPulledUid -1\n",
        "\n",
        "\r\n",
        "1 1 S\n",
        "1 2 FRS\n2 1 ~\n",
        "0 0 <\n",
        "4294967295 4294967295 \u{e9}\n",
        "OFFLINEIMAP LocalStatus CACHE DATA\n",
        "1:FS\n",
        "2|S|0|label\n",
        "3:",
        "|",
        "5\n8\n",
        "0 $Junk\n1 todo\n25 z\n26 too-much\n",
        "SQLite format 3\0",
        "-3 5 S\n",
        " ",
    ];
    let piece = prop_oneof![
        8 => (0..PIECES.len()).prop_map(|at| PIECES[at].as_bytes().to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..20),
    ];
    proptest::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

/// What another sync program left behind, as it comes; nothing of it may be written.
fn read_state(near: &[u8], state: &[u8]) {
    let home = tempfile::tempdir().unwrap();
    let inbox = home.path().join("mail");
    let hash = "7e33429f656f1e6e9d79b29c3f82c57e";
    let kept = home.path().join(".offlineimap/Account-a");
    for directory in
        [&inbox.join("cur"), &kept.join("LocalStatus"), &kept.join("LocalStatus-sqlite"), &kept.join("FolderValidity")]
    {
        std::fs::create_dir_all(directory).unwrap();
    }
    std::fs::write(inbox.join(format!("cur/1_1.1.h,U=1,FMD5={hash}:2,S")), "x").unwrap();
    for (path, bytes) in [
        (inbox.join(".uidvalidity"), near),
        (inbox.join(".mbsyncstate"), state),
        (inbox.join("dovecot-keywords"), state),
        (kept.join("LocalStatus/INBOX"), state),
        (kept.join("LocalStatus-sqlite/INBOX"), state),
        (kept.join("FolderValidity/INBOX"), near),
    ] {
        std::fs::write(path, bytes).unwrap();
    }
    let names: Vec<UniqueName> = ["1.a,U=1", "1.b,U=2", &format!("1_1.1.h,U=1,FMD5={hash}"), "1.c"]
        .into_iter()
        .map(|name| UniqueName::new(name).unwrap())
        .collect();
    let files: Vec<&UniqueName> = names.iter().collect();
    if let Some(claim) = adopt::claim(&inbox, &MailboxName::inbox(), &files, Some(home.path())) {
        assert!(claim.files.keys().all(|file| names.contains(file)), "only what is there is claimed");
        let mut uids: Vec<_> = claim.files.values().map(|kept| kept.uid).collect();
        let all = uids.len();
        uids.sort_unstable();
        uids.dedup();
        assert_eq!(uids.len(), all, "no message is two files");
        for database in &claim.databases {
            offlineimap_status(database);
        }
    }
    Signs::below(Some(home.path())).of(&inbox, &MailboxName::inbox());
    let table = Maildir::open(&inbox).map(|maildir| maildir.table());
    assert!(table.is_ok_and(|table| table.letters().numbers().all(|number| number < Letters::COUNT)));
    assert_eq!(std::fs::read(inbox.join(".mbsyncstate")).unwrap(), state);
    assert_eq!(std::fs::read(kept.join("LocalStatus-sqlite/INBOX")).unwrap(), state);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_a_state_of_another_program_or_none(near in state_like(), state in state_like(), fits: bool) {
        // Where both epochs fit, what follows is read as well.
        let near = if fits { b"5\n8\n".to_vec() } else { near };
        let head = if fits { b"FarUidValidity 77\nNearUidValidity 5\n\n".as_slice() } else { b"" };
        read_state(&near, &[head, &state].concat());
    }

    #[test]
    fn any_stored_words_are_flags_that_are_read_back(text in "([%$\\\\]?[A-Za-z]{0,6}(%[0-9A-F]{0,2})?|\\PC{0,4}| ){0,20}") {
        let flags = Flags::from_stored_words(&text);
        let stored = flags.stored_words();
        prop_assert_eq!(stored.as_deref().map_or_else(Flags::none, Flags::from_stored_words), flags.words());
        prop_assert!(flags.imap_names().iter().all(|name| !name.contains(|c: char| c.is_whitespace() || c.is_control())));
        let _ = flags.labels();
    }

    #[test]
    fn ranges_hold_what_was_put_in(pairs in proptest::collection::vec((1u32..40, 1u32..40), 0..12), wide: bool) {
        let uid = |number| Uid::new(number).unwrap();
        let wide = wide.then_some((uid(100), uid(u32::MAX)));
        let ranges = UidRanges::new(pairs.iter().map(|(a, b)| (uid(*a), uid(*b))).chain(wide));
        for number in (1..60).chain([99, 100, u32::MAX]) {
            let expected = pairs.iter().any(|(a, b)| (a.min(b)..=a.max(b)).contains(&&number)) || (number > 99 && wide.is_some());
            prop_assert_eq!(ranges.contains(uid(number)), expected, "{}", number);
        }
        prop_assert!(ranges.ranges().windows(2).all(|pair| pair[0].1.get() + 1 < pair[1].0.get()), "sorted and apart");
    }

    #[test]
    fn any_quirks_are_taken_or_told(key in "(no_condstore|wants_id|no_[a-z]{0,9}|\\PC{0,9})", value in "(true|false|1|\"x\"|\\[\\]|\\{\\}|\\PC{0,9})") {
        let text = format!("[accounts.a]\naddress = \"a@example.org\"\n[accounts.a.imap]\nhost = \"h\"\n[accounts.a.imap.quirks]\n{key} = {value}\n");
        let config = tern::config::parse(&text, &Paths::under(Path::new("/nonexistent")));
        let taken: usize = config.accounts.iter().filter_map(|it| it.imap.as_ref()).map(|it| it.quirks.0.len()).sum();
        let known = Quirk::all().any(|(name, _)| name == key) && matches!(value.as_str(), "true" | "false");
        prop_assert_eq!(taken, usize::from(known), "{}", text);
        prop_assert!(known || !config.problems.is_empty() || key.trim_start().starts_with('#'), "{}", text);
    }
}

/// Each of these once took some mail program quadratic time, all its stack or all its memory.
#[test]
fn floods_of_all_sorts_are_read() {
    let many = |piece: &str, times: usize| piece.repeat(times);
    let floods = [
        format!("Subject: {}\n\nx", many("=?utf-8?q?a?= ", 60_000)),
        format!("Subject: {}\n\nx", many("=?utf-8?q?a", 60_000)),
        format!("Content-Type: {}\n\nx", many("=?utf-8?q?a?=;", 60_000)),
        format!("Content-Type: text/plain;{}\n\nx", many(" n*0*=''%41;", 20_000)),
        format!("To: {}\n\nx", many("(", 60_000)),
        format!("To: {}\n\nx", many("\"<", 30_000)),
        format!("To: {}\n\nx", many("a@b,", 20_000)),
        format!("References: {}\n\nx", many("<a@b>", 20_000)),
        format!("{}\n\nx", many("X: y\n", 100_000)),
        format!("A: b\n{}\nx", many(" \n", 100_000)),
        format!("Content-Type: multipart/mixed; boundary=b\n\n{}", many("--\n", 100_000)),
        format!("Content-Type: multipart/mixed; boundary=b\n\n{}", many("--b\n", 100_000)),
        format!("Content-Type: text/html\n\n{}", many("<div>", 50_000)),
        format!("Content-Type: text/html\n\n{}", many("<", 50_000)),
        format!("Content-Type: text/html\n\n{}", many("<!--", 50_000)),
        format!("Content-Type: text/html\n\n{}", many("<style><script>", 20_000)),
        format!("Content-Type: text/html\n\n{}", many("<a href=\"", 20_000)),
        format!("Content-Type: text/html\n\n{}{}", many("<font color=red>", 300), many("<p>x", 4_000)),
        format!("Content-Type: text/html\n\n{}", many("&", 50_000)),
        format!("\n{}", many("http://", 30_000)),
        format!("\n{}", many("a@", 60_000)),
        format!("\n{}", many("> ", 60_000)),
        format!("Content-Type: text/plain; format=flowed\n\n{}", many("a \n", 60_000)),
        format!("Content-Type: text/calendar\n\n{}", many("BEGIN:VEVENT\n ", 20_000)),
    ];
    for flood in floods {
        let document = reader::document(flood.as_bytes(), 80, &TimeZone::UTC);
        assert!(document.all_headers.len() <= 2000 && document.lines.len() <= 50_001);
        assert!(indexing::digest(flood.as_bytes()).text.len() <= indexing::MAX_TEXT + 1);
    }
}
