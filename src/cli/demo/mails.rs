//! The demo's mailbox: at least 600 messages, the same at each start but for their dates, which
//! count back from now. Threads, lists, HTML, attachments, other scripts, an invitation, a phish
//! and broken MIME, so that every screen has something to show.

use super::letter::{Body, File, Head, Letter, write};
use super::odd;
use super::words::{LIST_TOPICS, ME, OTHER_SCRIPTS, PEOPLE, Person, SENTENCES, TOPICS};
use crate::mail::flags::{Flag, Flags};
use crate::mail::ids::Timestamp;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// All messages, oldest first.
pub(crate) fn all(now: Timestamp) -> Vec<Letter> {
    let mut writer = Writer { now, dice: fastrand::Rng::with_seed(1815), count: 0, letters: Vec::new() };
    writer.threads("INBOX", 62, 9 * MINUTE, 45 * DAY);
    writer.lists("Lists/rust-users", "rust-users.lists.example.org", 36, 70 * DAY);
    writer.patches("Lists/tern-dev", "tern-dev.lists.example.org", 14, 40 * DAY);
    writer.threads("Archive", 30, 50 * DAY, 300 * DAY);
    writer.other_scripts();
    writer.notices();
    writer.with_files();
    let singles = odd::letters(now);
    let mut letters = writer.letters;
    letters.extend(singles);
    letters.sort_by_key(|letter| letter.date);
    letters
}

struct Writer {
    now: Timestamp,
    dice: fastrand::Rng,
    count: u32,
    letters: Vec<Letter>,
}

impl Writer {
    fn id(&mut self) -> String {
        self.count += 1;
        format!("m{:05}@example.org", self.count)
    }

    fn pick<T: Copy>(&mut self, from: &[T], fallback: T) -> T {
        from.get(self.dice.usize(0..from.len().max(1))).copied().unwrap_or(fallback)
    }

    fn someone(&mut self) -> Person {
        self.pick(&PEOPLE, ME)
    }

    fn paragraph(&mut self) -> String {
        let sentences = self.dice.usize(1..5);
        let words: Vec<&str> = (0..sentences).map(|_| self.pick(&SENTENCES, "")).collect();
        words.join(" ")
    }

    fn text(&mut self, greeting: &str, name: &str) -> String {
        let paragraphs = self.dice.usize(1..4);
        let body: Vec<String> = (0..paragraphs).map(|_| fold(&self.paragraph(), "")).collect();
        let first = name.split(' ').next().unwrap_or(name);
        format!("{greeting}\n\n{}\n\n{first}\n", body.join("\n\n"))
    }

    /// Letters that go to and fro between the user and others; her own lie in Sent.
    fn threads(&mut self, mailbox: &'static str, threads: usize, newest: i64, oldest: i64) {
        for number in 0..threads {
            let subject = TOPICS.get(number % TOPICS.len()).copied().unwrap_or("Hello");
            let partner = self.someone();
            let length = if number % 3 == 0 { 1 } else { self.dice.usize(2..8) };
            let end =
                newest + (oldest - newest) * i64::try_from(number).unwrap_or(0) / i64::try_from(threads).unwrap_or(1);
            self.thread(mailbox, subject, partner, length, self.now.plus(-end));
        }
    }

    fn thread(&mut self, mailbox: &'static str, subject: &str, partner: Person, length: usize, end: Timestamp) {
        let mut references: Vec<String> = Vec::new();
        let mut before: Option<(Person, Timestamp, String)> = None;
        for position in 0..length {
            let left = i64::try_from(length - 1 - position).unwrap_or(0);
            let date =
                end.plus(-left * (3 * HOUR + 7 * MINUTE) - if left > 0 { self.dice.i64(0..2 * HOUR) } else { 0 });
            // The last word is never the user's own, so that there is something to answer.
            let mine = position % 2 == 1 && position + 1 != length;
            let other = if self.dice.u8(0..5) == 0 { self.someone() } else { partner };
            let (from, to) = if mine { (ME, other) } else { (other, ME) };
            let id = self.id();
            let title = if position == 0 { subject.to_owned() } else { format!("Re: {subject}") };
            let greeting = format!("Hi {},", to.name.split(' ').next().unwrap_or(to.name));
            let mut text = self.text(&greeting, from.name);
            if let Some((author, at, words)) = &before {
                text = format!("{}\n{}", quote(*author, *at, words), text);
            }
            let cc = if position % 4 == 2 { vec![self.someone()] } else { Vec::new() };
            let head =
                Head { from, to: vec![to], cc, subject: &title, date, id: &id, references: &references, list: None };
            let bytes = write(&head, &Body::Plain(text.clone()));
            let flags = self.flags(mailbox, mine, position + 1 == length, date);
            self.letters.push(Letter { mailbox: if mine { "Sent" } else { mailbox }, flags, date, bytes });
            references.push(id);
            before = Some((from, date, text));
        }
    }

    fn flags(&mut self, mailbox: &str, mine: bool, last: bool, date: Timestamp) -> Flags {
        let mut flags = Flags::none();
        let fresh = self.now.get() - date.get() < 2 * DAY;
        if mine || mailbox == "Archive" || !(fresh && self.dice.bool() || self.dice.u8(0..12) == 0) {
            flags = flags.with(Flag::Seen);
        }
        if !mine && !last {
            flags = flags.with(Flag::Answered).with(Flag::Seen);
        }
        if self.dice.u8(0..17) == 0 {
            flags = flags.with(Flag::Flagged);
        }
        flags
    }

    /// A mailing list: several people, answers to answers.
    fn lists(&mut self, mailbox: &'static str, list: &str, threads: usize, oldest: i64) {
        let address = Person { name: "rust-users", email: "rust-users@lists.example.org" };
        for number in 0..threads {
            let subject = LIST_TOPICS.get(number % LIST_TOPICS.len()).copied().unwrap_or("Question");
            let start = self.now.plus(
                -(HOUR + oldest * i64::try_from(number).unwrap_or(0) / i64::try_from(threads).unwrap_or(1) + 8 * HOUR),
            );
            let length = self.dice.usize(2..9);
            let mut chains: Vec<(Vec<String>, Person, Timestamp, String)> = Vec::new();
            for position in 0..length {
                let from = self.someone();
                let date = start.plus(i64::try_from(position).unwrap_or(0) * 47 * MINUTE);
                let parent = if chains.is_empty() { None } else { Some(self.dice.usize(0..chains.len())) };
                let above = parent.and_then(|p| chains.get(p)).cloned();
                let title = if above.is_some() { format!("Re: {subject}") } else { subject.to_owned() };
                let mut text = self.text("Hello all,", from.name);
                if let Some((_, author, at, words)) = &above {
                    text = format!("{}\n{}", quote(*author, *at, words), text);
                }
                let references = above.map(|(ids, ..)| ids).unwrap_or_default();
                let id = self.id();
                let head = Head {
                    from,
                    to: vec![address],
                    cc: Vec::new(),
                    subject: &title,
                    date,
                    id: &id,
                    references: &references,
                    list: Some(list),
                };
                let bytes = write(&head, &Body::Plain(format!("{text}-- \nrust-users, a list at lists.example.org\n")));
                let flags = if self.dice.u8(0..3) == 0 { Flags::none() } else { Flags::only(Flag::Seen) };
                self.letters.push(Letter { mailbox, flags, date, bytes });
                let mut ids = references;
                ids.push(id);
                chains.push((ids, from, date, text));
            }
        }
    }

    /// Patches to a list, so that the colours of a patch can be seen.
    fn patches(&mut self, mailbox: &'static str, list: &str, series: usize, oldest: i64) {
        let address = Person { name: "tern-dev", email: "tern-dev@lists.example.org" };
        for number in 0..series {
            let from = self.someone();
            let start = self
                .now
                .plus(-(5 * HOUR + oldest * i64::try_from(number).unwrap_or(0) / i64::try_from(series).unwrap_or(1)));
            let root = self.id();
            let parts = self.dice.usize(1..5);
            for part in 0..=parts {
                let date = start.plus(i64::try_from(part).unwrap_or(0));
                let id = if part == 0 { root.clone() } else { self.id() };
                let references = if part == 0 { Vec::new() } else { vec![root.clone()] };
                let title = format!("[PATCH {part}/{parts}] outbox: say what the server said, part {number}");
                let text = if part == 0 {
                    format!("{}\n\nThe series has {parts} parts.\n", fold(&self.paragraph(), ""))
                } else {
                    odd::patch(number, part)
                };
                let head = Head {
                    from,
                    to: vec![address],
                    cc: vec![ME],
                    subject: &title,
                    date,
                    id: &id,
                    references: &references,
                    list: Some(list),
                };
                let flags = if number < 2 { Flags::none() } else { Flags::only(Flag::Seen) };
                self.letters.push(Letter { mailbox, flags, date, bytes: write(&head, &Body::Plain(text)) });
            }
        }
    }

    fn other_scripts(&mut self) {
        let writers = [2usize, 1, 4, 5, 6, 3, 7];
        for (number, ((subject, text), writer)) in OTHER_SCRIPTS.iter().zip(writers).enumerate() {
            let from = PEOPLE.get(writer).copied().unwrap_or(ME);
            let date = self.now.plus(-(5 * HOUR + i64::try_from(number).unwrap_or(0) * 7 * HOUR));
            let id = self.id();
            let head = Head { from, to: vec![ME], cc: Vec::new(), subject, date, id: &id, references: &[], list: None };
            let bytes = write(&head, &Body::Plain((*text).to_owned()));
            self.letters.push(Letter { mailbox: "INBOX", flags: Flags::none(), date, bytes });
        }
    }

    /// What machines write: builds, a newsletter in HTML, invoices.
    fn notices(&mut self) {
        let bot = Person { name: "CI Bot", email: "ci@example.com" };
        let news = Person { name: "Weekly News", email: "news@example.net" };
        for number in 0..24i64 {
            let id = self.id();
            let date = self.now.plus(-(2 * HOUR + number * 19 * HOUR));
            let subject =
                format!("[build] main {} #{}", if number % 3 == 0 { "failed" } else { "passed" }, 4821 - number);
            let text = format!(
                "Build #{} of main\n\n  duration  {} s\n  tests     {}\n\nhttps://ci.example.com/b/{}\n",
                4821 - number,
                90 + number,
                1200 - number * 3,
                4821 - number
            );
            let head = Head {
                from: bot,
                to: vec![ME],
                cc: vec![],
                subject: &subject,
                date,
                id: &id,
                references: &[],
                list: None,
            };
            let flags = if number < 2 { Flags::none() } else { Flags::only(Flag::Seen) };
            self.letters.push(Letter { mailbox: "INBOX", flags, date, bytes: write(&head, &Body::Plain(text)) });
        }
        for number in 0..14i64 {
            let id = self.id();
            let date = self.now.plus(-(4 * HOUR + number * 7 * DAY));
            let subject = format!("This week in news, no. {}", 208 - number);
            let (plain, html) = odd::newsletter(208 - number);
            let head = Head {
                from: news,
                to: vec![ME],
                cc: vec![],
                subject: &subject,
                date,
                id: &id,
                references: &[],
                list: Some("weekly.news.example.net"),
            };
            let flags = if number < 1 { Flags::none() } else { Flags::only(Flag::Seen) };
            self.letters.push(Letter {
                mailbox: "INBOX",
                flags,
                date,
                bytes: write(&head, &Body::Alternative { plain, html }),
            });
        }
    }

    fn with_files(&mut self) {
        let billing = Person { name: "Billing", email: "billing@example.com" };
        for number in 0..12i64 {
            let id = self.id();
            let date = self.now.plus(-(3 * HOUR + number * 30 * DAY));
            let subject = format!("Invoice 2026-{:03}", 118 - number * 9);
            let plain = fold(
                "Dear customer, please find your invoice attached. It is due within thirty days. No answer is needed.",
                "",
            );
            let files = vec![File { name: "invoice.pdf", media_type: "application/pdf", bytes: odd::pdf(&subject) }];
            let head = Head {
                from: billing,
                to: vec![ME],
                cc: vec![],
                subject: &subject,
                date,
                id: &id,
                references: &[],
                list: None,
            };
            let flags = if number < 1 { Flags::none() } else { Flags::only(Flag::Seen) };
            self.letters.push(Letter {
                mailbox: "INBOX",
                flags,
                date,
                bytes: write(&head, &Body::Attached { plain: format!("{plain}\n"), files }),
            });
        }
        let id = self.id();
        let date = self.now.plus(-20 * MINUTE);
        let head = Head {
            from: PEOPLE.first().copied().unwrap_or(ME),
            to: vec![ME],
            cc: vec![],
            subject: "Q3 numbers: final draft",
            date,
            id: &id,
            references: &[],
            list: None,
        };
        let files = vec![
            File {
                name: "q3.csv",
                media_type: "text/csv",
                bytes: b"month,net,gross\r\nJuly,120,144\r\nAugust,98,118\r\nSeptember,131,157\r\n".to_vec(),
            },
            File {
                name: "notes.md",
                media_type: "text/markdown",
                bytes: b"# Notes\r\n\r\n- row 14 is net\r\n".to_vec(),
            },
        ];
        let plain = "Hi Ada,\n\nthe final draft is attached. Two questions:\n\n  1. is row 14 net or gross?\n  2. who signs off? See the tracker: https://tracker.example.net/t/14\n\nGrace\n";
        self.letters.push(Letter {
            mailbox: "INBOX",
            flags: Flags::none(),
            date,
            bytes: write(&head, &Body::Attached { plain: plain.to_owned(), files }),
        });
    }
}

/// The author's words behind `> `, with the line that says whose they are.
fn quote(author: Person, at: Timestamp, text: &str) -> String {
    let when = crate::mail::date::format(at, 0);
    let day = when.rsplit_once(' ').map_or(when.as_str(), |(day, _)| day);
    let lines: Vec<String> =
        text.lines().take(14).map(|l| if l.starts_with('>') { format!(">{l}") } else { format!("> {l}") }).collect();
    format!("On {day}, {} wrote:\n{}\n", author.name, lines.join("\n"))
}

/// Breaks at blanks so that no line is longer than 72 columns.
pub(super) fn fold(text: &str, indent: &str) -> String {
    let mut out = String::new();
    let mut column = 0;
    for word in text.split_whitespace() {
        if column > 0 && column + 1 + word.len() > 72 {
            out.push('\n');
            out.push_str(indent);
            column = indent.len();
        } else if column > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += word.len();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_enough_and_they_can_be_read() {
        let letters = all(Timestamp::new(1_790_000_000));
        assert!(letters.len() >= 600, "{}", letters.len());
        let count = |mailbox: &str| letters.iter().filter(|l| l.mailbox == mailbox).count();
        for mailbox in ["INBOX", "Sent", "Archive", "Lists/rust-users", "Lists/tern-dev", "Junk", "Trash", "Drafts"] {
            assert!(count(mailbox) > 0, "{mailbox}");
        }
        let ids: std::collections::BTreeSet<_> =
            letters.iter().filter_map(|l| crate::mail::envelope::Envelope::parse(&l.bytes).message_id).collect();
        assert!(letters.len() - ids.len() <= 2, "only the broken ones have no id");
    }

    #[test]
    fn the_same_moment_gives_the_same_mailbox() {
        let now = Timestamp::new(1_790_000_000);
        let bytes = |letters: Vec<Letter>| letters.into_iter().map(|l| l.bytes).collect::<Vec<_>>();
        assert_eq!(bytes(all(now)), bytes(all(now)));
    }
}
