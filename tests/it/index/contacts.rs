//! Whom the index knows: by mail sent and received, by address books; who comes first; and that what is
//! known is what the messages that are there tell, whatever happened before.

use std::fs;
use std::path::Path;

use tern::index::{Index, Sources, Writer};
use tern::mail::flags::Flags;
use tern::mail::ids::Timestamp;
use tern::mail::place::MailboxId;

use super::disk::*;

/// A year after the mails of these tests.
const NOW: i64 = 1_730_000_000;
const OWN: &str = "Ada <ada@example.org>";

fn letter(number: i64, from: &str, to: &str, more: &str) -> String {
    let date = jiff::Timestamp::from_second(1_700_000_000 + number * 3600).unwrap();
    let date = jiff::fmt::rfc2822::to_string(&date.to_zoned(jiff::tz::TimeZone::UTC)).unwrap();
    format!(
        "From: {from}\nTo: {to}\nDate: {date}\nMessage-ID: <{number}@x.example>\n{more}Subject: s\n\ntext {number}\n"
    )
}

fn found(index: &Index, text: &str) -> Vec<String> {
    without(index, text, &[])
}

fn without(index: &Index, text: &str, given: &[&str]) -> Vec<String> {
    let given: Vec<String> = given.iter().map(|email| (*email).to_owned()).collect();
    let all = index.complete(text, &given, 8, Timestamp::new(NOW)).unwrap();
    all.iter().map(|one| one.label().to_string()).collect()
}

/// Delivers mails and tells the index.
struct Post {
    disk: Disk,
    writer: Writer,
    inbox: MailboxId,
    count: usize,
}

impl Post {
    fn new() -> Self {
        let disk = Disk::new();
        Self { writer: disk.writer(), disk, inbox: mailbox("home", "INBOX"), count: 0 }
    }

    fn bring(&mut self, from: &str, to: &str, more: &str) -> usize {
        let inbox = self.inbox.clone();
        self.bring_to(&inbox, from, to, more)
    }

    fn bring_to(&mut self, mailbox: &MailboxId, from: &str, to: &str, more: &str) -> usize {
        self.count += 1;
        let text = letter(i64::try_from(self.count).unwrap(), from, to, more);
        let told = self.disk.deliver(mailbox, self.count, &text, &Flags::none());
        tell(&mut self.writer, &told);
        self.count
    }

    fn remove(&mut self, number: usize) {
        let told = self.disk.delete(number);
        tell(&mut self.writer, &told);
        settle(&mut self.writer);
    }

    fn reopen(&mut self, own: &[&str], sources: &Sources) {
        let own: Vec<String> = own.iter().map(|email| (*email).to_owned()).collect();
        self.writer = Writer::open(&self.disk.index(), &own).unwrap().with_sources(sources).unwrap();
        settle(&mut self.writer);
    }
}

#[test]
fn those_one_writes_to_come_before_those_who_write() {
    let mut post = Post::new();
    for _ in 0..5 {
        post.bring("Grace Kelly <kelly@example.net>", OWN, "");
    }
    post.bring("Gregor <noreply@shop.example>", OWN, "");
    post.bring("Grita <grita@lists.example>", OWN, "Precedence: list\nList-Id: <all.lists.example>\n");
    post.bring(OWN, "Grace Hopper <hopper@navy.example>", "Cc: \"Grünwald, Jörg\" <jg@example.de>, ada@example.org\n");
    let index = post.disk.reader();
    let all =
        ["Grace Hopper <hopper@navy.example>", "Grünwald, Jörg <jg@example.de>", "Grace Kelly <kelly@example.net>"];
    assert_eq!(found(&index, "gr")[..3], all);
    assert_eq!(found(&index, "gr")[3..], ["Grita <grita@lists.example>", "Gregor <noreply@shop.example>"]);
    for (text, expected) in [
        ("HOPP", &all[..1]),
        ("grace k", &all[2..]),
        ("jorg grun", &all[1..2]),
        ("grace", &[all[0], all[2]]),
        ("@navy", &all[..1]),
        ("hopper@navy.example", &all[..1]),
        ("ada", &[]),
        ("zz", &[]),
    ] {
        assert_eq!(found(&index, text), expected, "{text}");
    }
    assert_eq!(without(&index, "grace", &["HOPPER@navy.example"]), &all[2..], "who has been given is not offered");
}

#[test]
fn the_best_spelling_of_a_name_is_shown_and_none_that_deceives() {
    let mut post = Post::new();
    post.bring(OWN, "hopper <Hopper@navy.example>", "");
    post.bring(OWN, "\"ceo@bank.example\" <hopper@navy.example>", "");
    post.bring("GRACE HOPPER <hopper@navy.example>", OWN, "");
    assert_eq!(found(&post.disk.reader(), "hop"), ["GRACE HOPPER <hopper@navy.example>"]);
    let last = post.bring("Grace \u{202e}Hopper <hopper@navy.example>", OWN, "");
    assert_eq!(found(&post.disk.reader(), "hop"), ["Grace Hopper <hopper@navy.example>"]);
    post.remove(last);
    assert_eq!(found(&post.disk.reader(), "hop"), ["GRACE HOPPER <hopper@navy.example>"]);
}

#[test]
fn who_is_known_by_junk_alone_is_not_offered() {
    let mut post = Post::new();
    let junk = mailbox("home", "Junk");
    post.bring_to(&junk, "Spam King <king@spam.example>", OWN, "");
    assert!(found(&post.disk.reader(), "king").is_empty());
    let inbox = post.inbox.clone();
    let told = post.disk.carry(1, &inbox);
    tell(&mut post.writer, &told);
    assert_eq!(found(&post.disk.reader(), "king"), ["Spam King <king@spam.example>"]);
}

#[test]
fn hostile_mail_stays_small() {
    let mut post = Post::new();
    let crowd: Vec<String> = (0..10_000).map(|n| format!("Crowd {n} <c{n}@crowd.example>")).collect();
    post.bring(OWN, &crowd.join(",\n "), "");
    post.bring(&format!("{} <long@x.example>", "name ".repeat(1000)), OWN, "");
    post.bring("<>, @, a@, \"\u{1b}[2J\" <x\u{7}y@z.example>, \"a\tb\" <tab@z.example>", OWN, "");
    post.bring(&format!("{}@x.example", "l".repeat(1000)), OWN, "");
    let index = post.disk.reader();
    let db = open(&post.disk.index());
    let one = |sql: &str| db.query_row(sql, [], |row| row.get::<_, String>(0)).unwrap();
    assert_eq!(
        one("SELECT '' || count(*) FROM contacts WHERE email LIKE '%@crowd.example'"),
        "200",
        "of a crowd the first"
    );
    let others =
        one("SELECT group_concat(email, ' ' ORDER BY email) FROM contacts WHERE email NOT LIKE '%@crowd.example'");
    assert_eq!(others, "long@x.example tab@z.example xy@z.example", "nothing that is no address");
    assert_eq!(found(&index, "crowd").len(), 8);
    assert_eq!(found(&index, "tab"), ["a b <tab@z.example>"]);
    assert!(found(&index, &"zzq ".repeat(5000)).is_empty());
    for odd in ["\"", "*", "a*", "own:a", "a OR b", "NEAR(a b)", "'", "\0", "(", "é\u{301}", "李", "-", "^a", "{a}"] {
        let _: Vec<String> = found(&index, odd);
    }
}

#[test]
fn other_own_addresses_make_other_people_known() {
    let mut post = Post::new();
    post.bring("Ada <countess@l.example>", "Charles <charles@engine.example>", "");
    assert_eq!(found(&post.disk.reader(), "c"), ["Ada <countess@l.example>"]);
    let mine = ["ada@example.org", "countess@l.example"];
    post.reopen(&mine, &Sources::default());
    assert_eq!(found(&post.disk.reader(), "c"), ["Charles <charles@engine.example>"]);
    post.reopen(&["ada@example.org"], &Sources::default());
    assert_eq!(found(&post.disk.reader(), "c"), ["Ada <countess@l.example>"]);
    post.reopen(&mine, &Sources { harvest: false, vcards: Vec::new() });
    assert!(found(&post.disk.reader(), "c").is_empty());
    post.bring("Carl <carl@x.example>", OWN, "");
    assert!(found(&post.disk.reader(), "c").is_empty());
    post.reopen(&mine, &Sources::default());
    let both = ["Charles <charles@engine.example>", "Carl <carl@x.example>"];
    assert_eq!(found(&post.disk.reader(), "c"), both, "what came meanwhile is known as well");
}

#[test]
fn address_books_are_read_when_they_change() {
    let mut post = Post::new();
    let root = tempfile::tempdir().unwrap();
    let book = root.path().join("contacts");
    fs::create_dir_all(book.join("work")).unwrap();
    let card = |name: &str, uid: &str, emails: &[&str]| {
        let emails = emails.iter().map(|email| format!("EMAIL:{email}\r\n")).collect::<Vec<_>>().concat();
        format!("BEGIN:VCARD\r\nVERSION:4.0\r\nFN:{name}\r\nUID:{uid}\r\n{emails}END:VCARD\r\n")
    };
    fs::write(book.join("1.vcf"), card("Grace Murray Hopper", "u1", &["hopper@navy.example", "grace@home.example"]))
        .unwrap();
    fs::write(book.join("work/2.VCF"), card("Lin Wei 林伟", "u2", &["lin@example.cn"])).unwrap();
    fs::write(book.join(".hidden.vcf"), card("Hidden", "u3", &["hidden@example.cn"])).unwrap();
    fs::write(book.join("note.txt"), card("Note", "u4", &["note@example.cn"])).unwrap();
    let group = "BEGIN:VCARD\nVERSION:4.0\nKIND:group\nFN:The Team\nMEMBER:urn:uuid:u1\nMEMBER:urn:uuid:u2\nMEMBER:mailto:x@y.example\nEND:VCARD\n";
    fs::write(book.join("3.vcf"), group).unwrap();
    post.bring("G. Hopper <HOPPER@navy.example>", OWN, "");
    let sources = Sources { harvest: true, vcards: vec![book.clone()] };
    let read = |post: &mut Post| {
        assert_eq!(post.writer.read_books().unwrap(), []);
        let index = post.disk.reader();
        assert!(!index.wants_books(&sources).unwrap());
        index
    };
    post.reopen(&["ada@example.org"], &sources);
    assert!(post.disk.reader().wants_books(&sources).unwrap());
    let index = read(&mut post);
    let grace = "Grace Murray Hopper <hopper@navy.example>";
    assert_eq!(found(&index, "hopper"), [grace, "Grace Murray Hopper <grace@home.example>"]);
    assert_eq!(found(&index, "伟"), ["Lin Wei 林伟 <lin@example.cn>"]);
    assert!(found(&index, "hidden").is_empty() && found(&index, "note").is_empty());
    assert_eq!(found(&index, "team"), ["The Team (3 people)"]);
    let team = index.complete("the t", &["lin@example.cn".to_owned()], 8, Timestamp::new(NOW)).unwrap();
    let emails: Vec<&str> = team[0].addresses.iter().map(|it| it.email.as_str()).collect();
    assert_eq!(emails, ["hopper@navy.example", "x@y.example"], "a member who has been given is not given twice");

    fs::write(book.join("1.vcf"), card("Amazing Grace", "u1", &["grace@home.example"])).unwrap();
    fs::remove_file(book.join("work/2.VCF")).unwrap();
    assert!(post.disk.reader().wants_books(&sources).unwrap());
    let index = read(&mut post);
    assert_eq!(found(&index, "amazing"), ["Amazing Grace <grace@home.example>"]);
    assert_eq!(found(&index, "hopper"), ["G. Hopper <HOPPER@navy.example>"], "what mail told stays");
    assert!(found(&index, "lin").is_empty());

    fs::remove_dir_all(&book).unwrap();
    let faults = post.writer.read_books().unwrap();
    assert_eq!(faults.len(), 1, "a book that is not there is told");
    assert!(found(&post.disk.reader(), "amazing").is_empty());
}

fn open(path: &Path) -> rusqlite::Connection {
    rusqlite::Connection::open(path).unwrap()
}

/// All that is known, by tables, and who is offered for each beginning.
fn known(path: &Path) -> String {
    let db = open(path);
    let mut all = String::new();
    for sql in [
        "SELECT id || ' ' || email || '|' || name || '|' || others || '|' || sent || ' ' || received || ' ' || bulk || ' ' ||
             newest || ' ' || ifnull(level, 'none') || ' ' || words FROM contacts ORDER BY 1",
        "SELECT id || ' ' || contact || ' ' || kind || ' ' || name || ' ' || uses || ' ' || newest FROM spellings ORDER BY 1",
        "SELECT spelling || ' ' || message FROM uses ORDER BY 1",
    ] {
        let mut rows = db.prepare(sql).unwrap();
        for row in rows.query_map([], |row| row.get::<_, String>(0)).unwrap() {
            all.push_str(&row.unwrap());
            all.push('\n');
        }
    }
    let index = Index::open(path).unwrap();
    for text in ["a", "b", "be", "bel", "c", "ce d", "d", "de", "n1", "n2", "x", "@x", "noreply", "a@x.example"] {
        all.push_str(&format!("{text}: {:?}\n", index.complete(text, &[], 50, Timestamp::new(NOW)).unwrap()));
    }
    db.execute_batch("INSERT INTO contact_words(contact_words) VALUES('integrity-check')").unwrap();
    all
}

#[test]
fn whatever_happened_an_index_made_anew_knows_the_same() {
    let people =
        ["Abel <a@x.example>", "a@x.example", "Bela N1 <b@x.example>", "Bela N2 <B@x.example>", "Ceda <c@x.example>"];
    let more = ["Deda <d@x.example>", "Noreply <noreply@x.example>", "Deda Ceda <d@x.example>, e@y.example"];
    let people: Vec<&str> = people.into_iter().chain(more).collect();
    for seed in 0..12 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut post = Post::new();
        let boxes = [mailbox("home", "INBOX"), mailbox("home", "Junk"), mailbox("work", "INBOX")];
        for _ in 0..60 {
            let numbers: Vec<usize> = post.disk.files.keys().copied().collect();
            let old = random.choice(&numbers).copied();
            match (random.u8(0..10), old) {
                (0..2, Some(number)) => post.remove(number),
                (2, Some(number)) => {
                    let to = random.choice(&boxes).unwrap();
                    if post.disk.files[&number].mailbox != *to {
                        let told = post.disk.carry(number, to);
                        tell(&mut post.writer, &told);
                    }
                }
                _ => {
                    let who = *random.choice(&people).unwrap();
                    let (from, to) = if random.bool() { (who, OWN) } else { (OWN, who) };
                    let bulk = if random.u8(0..4) == 0 { "Precedence: bulk\n" } else { "" };
                    let into = random.choice(&boxes).unwrap().clone();
                    post.bring_to(&into, from, to, bulk);
                }
            }
        }
        settle(&mut post.writer);
        let before = known(&post.disk.index());
        let own = ["ada@example.org".to_owned(), "ada+*@example.org".to_owned()];
        let mut writer = Writer::rebuild(&post.disk.index(), &own).unwrap();
        for mailbox in &boxes {
            writer.reconcile(&post.disk.listing(mailbox, true)).unwrap();
        }
        settle(&mut writer);
        assert_eq!(before, known(&post.disk.index()), "history {seed}");
    }
}

/// As many addresses as a long life brings, in a file made by hand: the first answer to each letter comes
/// from a few rows, not from all that fit.
#[test]
fn the_work_of_an_answer_does_not_grow_with_the_addresses() {
    let mut post = Post::new();
    let crowd = |n: usize| format!("Person{n} Common <p{n}@gmail.example>");
    for start in (0..4_000).step_by(200) {
        let all: Vec<String> = (start..start + 200).map(crowd).collect();
        post.bring(OWN, &all.join(", "), "");
    }
    let index = post.disk.reader();
    assert_eq!(found(&index, "person3999"), ["Person3999 Common <p3999@gmail.example>"]);
    assert_eq!(found(&index, "common gmail person17").len(), 8);
    let plan: Vec<String> = open(&post.disk.index())
        .prepare("EXPLAIN QUERY PLAN SELECT rowid FROM contact_words WHERE contact_words MATCH 'own : (\"c\" *)' ORDER BY rowid DESC")
        .unwrap()
        .query_map([], |row| row.get(3))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert!(plan.iter().all(|step| !step.contains("TEMP B-TREE")), "rows come in the order of their level: {plan:?}");
}
