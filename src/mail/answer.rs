//! How an answer begins: whom it goes to, what it quotes, who it is from. The message that is
//! answered is read once into a [`Source`], off the screen's thread; making a draft of it is then
//! quick. Reply-To, Mail-Followup-To and List-Post (RFC 5322 §3.6.2, RFC 2369) are obeyed.

use jiff::tz::TimeZone;
use unicode_width::UnicodeWidthStr as _;

use super::address::{self, Address};
use super::document::{Document, Line, LineKind};
use super::draft::{Draft, DraftKind};
use super::header::{self, Header};
use super::ids::{AccountId, MessageId, Timestamp};
use super::place::Place;
use super::reader;

/// Quoted lines are wrapped at this column, marks included.
const WIDTH: usize = 72;
/// A quoted line that is no wider than this stays as it is (RFC 5322 §2.1.1).
const WIDEST: usize = 78;
/// Quotes inside the quoted text that are deeper than this are left out.
const DEEPEST: u8 = 3;
/// No more lines than these are quoted: who wants more attaches it.
const LONGEST: usize = 2000;
/// How many ids References keeps: the first and the newest.
const REFERENCES: usize = 20;

/// What is needed of a message to answer it or to pass it on.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Source {
    /// From.
    pub from: Vec<Address>,
    /// Reply-To.
    pub reply_to: Vec<Address>,
    /// Mail-Followup-To, where the author set it.
    pub followup_to: Vec<Address>,
    /// To.
    pub to: Vec<Address>,
    /// Cc.
    pub cc: Vec<Address>,
    /// Bcc, which only drafts and one's own copies have.
    pub bcc: Vec<Address>,
    /// Where the server put it in (Delivered-To, X-Original-To): tells which alias was addressed.
    pub delivered_to: Vec<Address>,
    /// The address of the mailing list, where it takes posts.
    pub list_post: Option<String>,
    /// Subject, decoded.
    pub subject: String,
    /// When it was written.
    pub date: Timestamp,
    /// Message-ID.
    pub message_id: Option<MessageId>,
    /// In-Reply-To and References of a draft that is written on.
    pub in_reply_to: Option<MessageId>,
    /// References, oldest first.
    pub references: Vec<MessageId>,
    /// The text as the viewer shows it.
    pub lines: Vec<Line>,
    /// How many attachments it has.
    pub attachments: usize,
}

/// Reads a message for answering.
pub fn read(bytes: &[u8], zone: &TimeZone) -> Source {
    let document: Document = reader::document(bytes, 72, zone);
    let header = Header::split(bytes);
    let addresses = |name: &str| header.all(name).flat_map(|f| address::parse_list(&f.unfolded())).collect::<Vec<_>>();
    let ids = |name: &str| header.first(name).map(|f| header::message_ids(&f.unfolded())).unwrap_or_default();
    Source {
        from: addresses("From"),
        reply_to: addresses("Reply-To"),
        followup_to: addresses("Mail-Followup-To"),
        to: addresses("To"),
        cc: addresses("Cc"),
        bcc: addresses("Bcc"),
        delivered_to: ["Delivered-To", "X-Original-To", "Envelope-To"].into_iter().flat_map(addresses).collect(),
        list_post: header.list_post(),
        subject: header.first("Subject").map(|f| f.text()).unwrap_or_default(),
        date: document.date,
        message_id: document.message_id.clone(),
        in_reply_to: ids("In-Reply-To").into_iter().next(),
        references: ids("References"),
        attachments: document.attachments.len(),
        lines: document.lines,
    }
}

/// Who writes: what an answer needs to know of the account.
#[derive(Clone)]
pub struct Author<'a> {
    /// The account.
    pub account: &'a AccountId,
    /// Its main address with the user's name.
    pub address: &'a Address,
    /// Tells the user's own addresses, aliases included.
    pub is_own: &'a dyn Fn(&str) -> bool,
    /// The signature, without the `-- ` line.
    pub signature: Option<&'a str>,
    /// The answer stands above the quoted text.
    pub above: Above,
    /// In which dates are written.
    pub zone: &'a TimeZone,
}

/// Where the answer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Above {
    /// Above the quoted text.
    Quote,
    /// Below it, or in between.
    Nothing,
}

/// Begins a new message.
pub fn new(author: &Author<'_>, id: String, now: Timestamp) -> Draft {
    let body = author.signature.map(|s| format!("\n\n-- \n{}\n", s.trim_end())).unwrap_or_default();
    Draft { body, ..Draft::new(id, author.account.clone(), author.address.clone(), now) }
}

/// Begins an answer, or passes the message on.
pub fn begin(
    kind: DraftKind,
    source: &Source,
    origin: Place,
    author: &Author<'_>,
    id: String,
    now: Timestamp,
) -> Draft {
    let mut draft = new(author, id, now);
    draft.kind = kind;
    draft.origin = Some(origin);
    draft.from = identity(source, author);
    let (to, cc) = recipients(kind, source, author);
    draft.to = address::written_list(&to);
    draft.cc = address::written_list(&cc);
    let signature = std::mem::take(&mut draft.body);
    if kind == DraftKind::Forward {
        // Tells which message is passed on, so that it can be marked once this one is accepted.
        draft.references = source.message_id.iter().cloned().collect();
        draft.subject = prefixed("Fwd", &source.subject);
        draft.body = format!("\n{}{signature}", passed_on(source, author.zone));
        return draft;
    }
    draft.subject = prefixed("Re", &source.subject);
    draft.in_reply_to.clone_from(&source.message_id);
    draft.references = references(source);
    let quoted = format!("{}\n{}\n", attribution(source, author.zone), quoted(&source.lines).join("\n"));
    draft.body = match author.above {
        Above::Quote => format!("\n{signature}\n{quoted}"),
        Above::Nothing => format!("{quoted}\n{signature}"),
    };
    draft
}

/// Writes on at a draft that lies in the Drafts mailbox.
pub fn resume(source: &Source, place: Place, author: &Author<'_>, id: String, now: Timestamp) -> Draft {
    let mut draft = new(author, id, now);
    draft.from = source.from.first().filter(|a| (author.is_own)(&a.email)).unwrap_or(author.address).clone();
    draft.to = address::written_list(&source.to);
    draft.cc = address::written_list(&source.cc);
    draft.bcc = address::written_list(&source.bcc);
    draft.reply_to = address::written_list(&source.reply_to);
    draft.subject.clone_from(&source.subject);
    draft.in_reply_to.clone_from(&source.in_reply_to);
    draft.references.clone_from(&source.references);
    draft.kind = if source.in_reply_to.is_some() { DraftKind::Reply } else { DraftKind::New };
    draft.body = plain(&source.lines);
    draft.kept_as = Some(place);
    draft
}

/// The address of one's own that the message was sent to, else the account's.
fn identity(source: &Source, author: &Author<'_>) -> Address {
    let addressed = source.to.iter().chain(&source.cc).chain(&source.delivered_to);
    let own = addressed.into_iter().find(|a| (author.is_own)(&a.email)).map(|a| a.email.clone());
    Address { name: author.address.name.clone(), email: own.unwrap_or_else(|| author.address.email.clone()) }
}

/// Whom it goes to: To and Cc.
fn recipients(kind: DraftKind, source: &Source, author: &Author<'_>) -> (Vec<Address>, Vec<Address>) {
    let is_own = |a: &Address| (author.is_own)(&a.email);
    let from_me = source.from.iter().any(is_own);
    let sender = if from_me {
        source.to.clone()
    } else if source.reply_to.is_empty() {
        source.from.clone()
    } else {
        source.reply_to.clone()
    };
    match kind {
        DraftKind::New | DraftKind::Forward => (Vec::new(), Vec::new()),
        DraftKind::Reply => (unlike(sender, &[]), Vec::new()),
        DraftKind::ReplyList => match &source.list_post {
            Some(list) => (vec![Address::bare(list)], Vec::new()),
            None => recipients(DraftKind::ReplyAll, source, author),
        },
        DraftKind::ReplyAll if !source.followup_to.is_empty() => (unlike(source.followup_to.clone(), &[]), Vec::new()),
        DraftKind::ReplyAll => {
            let others = if from_me { Vec::new() } else { source.to.iter().filter(|a| !is_own(a)).cloned().collect() };
            let to = unlike(sender.into_iter().chain(others).collect(), &[]);
            let cc = unlike(source.cc.iter().filter(|a| !is_own(a)).cloned().collect(), &to);
            (to, cc)
        }
    }
}

/// The addresses, none twice, and none that is in `others`.
fn unlike(addresses: Vec<Address>, others: &[Address]) -> Vec<Address> {
    let same = |a: &Address, b: &Address| a.email.eq_ignore_ascii_case(&b.email);
    let mut out: Vec<Address> = Vec::new();
    for address in addresses {
        if !address.email.is_empty() && !out.iter().chain(others).any(|known| same(known, &address)) {
            out.push(address);
        }
    }
    out
}

/// The subject with one mark in front, whatever marks it had.
fn prefixed(mark: &str, subject: &str) -> String {
    let mut rest = subject.trim();
    while let Some((head, tail)) = rest.split_once(':') {
        let known = ["re", "aw", "sv", "antw", "fwd", "fw", "wg", "vs", "tr", "rif"];
        if !known.contains(&head.trim().to_lowercase().as_str()) {
            break;
        }
        rest = tail.trim_start();
    }
    format!("{mark}: {rest}")
}

/// The thread so far: the first id and the newest ones, the answered message last (RFC 5322 §3.6.4).
fn references(source: &Source) -> Vec<MessageId> {
    let mut all = source.references.clone();
    if all.is_empty() {
        all.extend(source.in_reply_to.clone());
    }
    all.extend(source.message_id.clone());
    if all.len() > REFERENCES {
        let newest = all.split_off(all.len() - (REFERENCES - 1));
        all.truncate(1);
        all.extend(newest);
    }
    all
}

/// The line that says whose words follow.
fn attribution(source: &Source, zone: &TimeZone) -> String {
    let who = source.from.first().map_or_else(|| "someone".to_owned(), |a| a.short().to_string());
    let when = jiff::Timestamp::from_second(source.date.get())
        .map(|at| at.to_zoned(zone.clone()).strftime("%a, %-d %b %Y at %H:%M %z").to_string());
    match when {
        Ok(when) if source.date.get() > 0 => format!("On {when}, {who} wrote:"),
        _ => format!("{who} wrote:"),
    }
}

/// The lines behind `>`, wrapped; signatures, the program's notes and deep quotes are left out.
fn quoted(lines: &[Line]) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let kept = lines.iter().filter(|line| line.kind != LineKind::Note && line.kind != LineKind::Signature);
    for line in kept.filter(|line| line.quote < DEEPEST) {
        let marks = ">".repeat(usize::from(line.quote) + 1);
        let text = text_of(line);
        let fixed = matches!(line.kind, LineKind::Pre | LineKind::Added | LineKind::Removed);
        // A line that was wrapped by its author grows by the mark alone: broken again, its last word
        // would stand in a line of its own.
        let wrapped = if fixed || text.width() + marks.len() < WIDEST {
            vec![text]
        } else {
            wrap(&text, WIDTH.saturating_sub(marks.len() + 1))
        };
        out.extend(wrapped.into_iter().map(|part| format!("{marks} {part}").trim_end().to_owned()));
        if out.len() > LONGEST {
            out.truncate(LONGEST);
            out.push("> [...]".to_owned());
            break;
        }
    }
    while out.last().is_some_and(|line| line.trim_start_matches('>').is_empty()) {
        out.pop();
    }
    out
}

/// The message as it is passed on: its main fields, then its text.
fn passed_on(source: &Source, zone: &TimeZone) -> String {
    let when = super::date::shown(source.date, zone);
    let list = |addresses: &[Address]| addresses.iter().map(|a| a.display().to_string()).collect::<Vec<_>>().join(", ");
    let mut out = String::from("---------- Forwarded message ----------\n");
    for (name, value) in [
        ("From", list(&source.from)),
        ("Date", when),
        ("Subject", super::clean::Clean::line(&source.subject).to_string()),
        ("To", list(&source.to)),
        ("Cc", list(&source.cc)),
    ] {
        if !value.is_empty() {
            out.push_str(&format!("{name}: {value}\n"));
        }
    }
    out.push('\n');
    out.push_str(&plain(&source.lines));
    out
}

/// The text as it was, quotes behind their marks.
fn plain(lines: &[Line]) -> String {
    let mut out = String::new();
    for line in lines.iter().filter(|line| line.kind != LineKind::Note) {
        if line.quote > 0 {
            out.push_str(&">".repeat(usize::from(line.quote)));
            out.push(' ');
        }
        out.push_str(&text_of(line));
        out.push('\n');
    }
    out
}

fn text_of(line: &Line) -> String {
    line.spans.iter().map(|span| span.text.as_str()).collect()
}

/// Breaks at blanks so that no line is wider than `width` columns, where that is possible.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut out = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        if !line.is_empty() && line.width() + 1 + word.width() > width {
            out.push(std::mem::take(&mut line));
        } else if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    out.push(line);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::mailbox::MailboxName;
    use crate::mail::place::{MailboxId, UniqueName};

    const MAIL: &str = "From: Grace Hopper <grace@example.net>\r\nTo: Ada <ada+lists@example.org>, Lin <lin@example.com>\r\n\
        Cc: ops@example.org, GRACE@example.net\r\nSubject: RE: aw: Bridges\r\nDate: Thu, 19 Nov 2026 13:40:00 +0000\r\n\
        Message-ID: <b@x>\r\nReferences: <a@x>\r\nList-Post: <mailto:bridges@lists.example.org>\r\n\r\n\
        One line of the letter.\r\n\r\n> older words\r\n-- \r\nGrace\r\n";

    fn start(kind: DraftKind, mail: &str, above: Above) -> Draft {
        let account = AccountId::new("ada");
        let address = Address { name: "Ada".to_owned(), email: "ada@example.org".to_owned() };
        let is_own = |email: &str| email.starts_with("ada");
        let author = Author {
            account: &account,
            address: &address,
            is_own: &is_own,
            signature: Some("Ada"),
            above,
            zone: &TimeZone::UTC,
        };
        let mailbox = MailboxId { account: account.clone(), name: MailboxName::inbox() };
        let place = Place { mailbox, unique: UniqueName::new("x").unwrap() };
        let source = read(mail.as_bytes(), &TimeZone::UTC);
        begin(kind, &source, place, &author, "d1".to_owned(), Timestamp::new(1_800_000_000))
    }

    #[test]
    fn a_reply_goes_to_the_author_from_the_address_that_was_written_to() {
        let draft = start(DraftKind::Reply, MAIL, Above::Nothing);
        assert_eq!(draft.to, "Grace Hopper <grace@example.net>");
        assert_eq!(draft.cc, "");
        assert_eq!(draft.from.email, "ada+lists@example.org");
        assert_eq!(draft.subject, "Re: Bridges");
        assert_eq!(draft.in_reply_to.unwrap().as_str(), "b@x");
        assert_eq!(draft.references.iter().map(MessageId::as_str).collect::<Vec<_>>(), ["a@x", "b@x"]);
        assert_eq!(
            draft.body,
            "On Thu, 19 Nov 2026 at 13:40 +0000, Grace Hopper wrote:\n> One line of the letter.\n>\n>> older words\n\n\n\n-- \nAda\n"
        );
    }

    #[test]
    fn a_reply_to_all_leaves_out_oneself_and_names_nobody_twice() {
        let draft = start(DraftKind::ReplyAll, MAIL, Above::Quote);
        assert_eq!(draft.to, "Grace Hopper <grace@example.net>, Lin <lin@example.com>");
        assert_eq!(draft.cc, "ops@example.org");
        assert!(draft.body.starts_with("\n\n\n-- \nAda\n\nOn Thu"), "{:?}", draft.body);
    }

    #[test]
    fn list_reply_to_and_followup_are_obeyed() {
        assert_eq!(start(DraftKind::ReplyList, MAIL, Above::Nothing).to, "bridges@lists.example.org");
        let other = MAIL.replace("Subject:", "Reply-To: elsewhere@example.net\r\nSubject:");
        assert_eq!(start(DraftKind::Reply, &other, Above::Nothing).to, "elsewhere@example.net");
        let follow = MAIL.replace("Subject:", "Mail-Followup-To: bridges@lists.example.org\r\nSubject:");
        assert_eq!(start(DraftKind::ReplyAll, &follow, Above::Nothing).to, "bridges@lists.example.org");
    }

    #[test]
    fn an_answer_to_oneself_goes_to_the_others() {
        let own = MAIL
            .replace("From: Grace Hopper <grace@example.net>", "From: ada@example.org")
            .replace("Ada <ada+lists@example.org>, ", "");
        assert_eq!(start(DraftKind::Reply, &own, Above::Nothing).to, "Lin <lin@example.com>");
    }

    #[test]
    fn a_forward_has_the_fields_and_no_recipient() {
        let draft = start(DraftKind::Forward, MAIL, Above::Nothing);
        assert_eq!((draft.to.as_str(), draft.subject.as_str()), ("", "Fwd: Bridges"));
        assert!(draft.in_reply_to.is_none());
        assert!(draft.body.contains("From: Grace Hopper <grace@example.net>\n"), "{}", draft.body);
    }

    #[test]
    fn long_lines_are_wrapped_behind_their_marks() {
        let mail = format!("From: a@b\r\n\r\n{}\r\n", "word ".repeat(40).trim_end());
        let draft = start(DraftKind::Reply, &mail, Above::Nothing);
        assert!(draft.body.lines().filter(|l| l.starts_with('>')).all(|l| l.len() <= WIDTH));
    }
}
