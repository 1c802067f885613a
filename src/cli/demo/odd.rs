//! The demo's single pieces: an invitation, a phish, HTML that hides something, broken MIME, a
//! letter from a postmaster, a draft, spam.

use super::letter::{Body, Head, Letter, write};
use super::words::{ME, PEOPLE, Person};
use crate::mail::flags::{Flag, Flags};
use crate::mail::ids::Timestamp;

const HOUR: i64 = 3600;

/// All of them.
pub(super) fn letters(now: Timestamp) -> Vec<Letter> {
    let mut letters = vec![
        invitation(now.plus(-6 * HOUR)),
        phish(now.plus(-8 * HOUR)),
        broken(now.plus(-11 * HOUR)),
        steering(now.plus(-13 * HOUR)),
        bounce(now.plus(-26 * HOUR)),
        digest(now.plus(-30 * HOUR)),
        draft(now.plus(-2 * HOUR)),
        nameless(now.plus(-52 * HOUR)),
    ];
    letters.extend(spam(now));
    letters
}

fn plain_head<'a>(from: Person, subject: &'a str, date: Timestamp, id: &'a str) -> Head<'a> {
    Head { from, to: vec![ME], cc: Vec::new(), subject, date, id, references: &[], list: None }
}

fn inbox(date: Timestamp, bytes: Vec<u8>) -> Letter {
    Letter { mailbox: "INBOX", flags: Flags::none(), date, bytes }
}

fn invitation(date: Timestamp) -> Letter {
    let from = Person { name: "Margaret Hamilton", email: "margaret@example.net" };
    let rest = "Content-Type: multipart/alternative; boundary=\"inv\"\n\n--inv\nContent-Type: text/plain; charset=utf-8\n\n\
        You are invited: Retrospective, Tuesday 10:00 to 11:00, small room.\n\n--inv\n\
        Content-Type: text/calendar; method=REQUEST; charset=utf-8\n\nBEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//example//demo//EN\n\
        METHOD:REQUEST\nBEGIN:VEVENT\nUID:retro-77@example.net\nDTSTAMP:20261120T090000Z\nDTSTART:20261124T100000Z\n\
        DTEND:20261124T110000Z\nSUMMARY:Retrospective\nLOCATION:Small room\nORGANIZER;CN=Margaret Hamilton:mailto:margaret@example.net\n\
        ATTENDEE;CN=Ada Lovelace;RSVP=TRUE:mailto:ada@example.org\nEND:VEVENT\nEND:VCALENDAR\n--inv--\n";
    inbox(
        date,
        write(
            &plain_head(from, "Invitation: Retrospective", date, "invite@example.net"),
            &Body::Verbatim(rest.to_owned()),
        ),
    )
}

fn phish(date: Timestamp) -> Letter {
    let from = Person { name: "\"security@bank.example\"", email: "alerts@login-verify.example.net" };
    let html = "<html><body><p>Dear customer,</p><p>your account is <b>limited</b>. Sign in within 24 hours:</p>\
        <p><a href=\"https://login-verify.example.net/x?id=ada\">https://www.bank.example/login</a></p>\
        <p style=\"display:none\">meeting notes budget lunch holiday newsletter</p>\
        <img src=\"https://login-verify.example.net/seen.gif\" width=1 height=1><p>The security team</p></body></html>";
    let body = Body::Alternative {
        plain: String::from("Please use a mail program that shows HTML.\n"),
        html: html.to_owned(),
    };
    inbox(date, write(&plain_head(from, "Your account is limited", date, "phish@login-verify.example.net"), &body))
}

fn broken(date: Timestamp) -> Letter {
    let from = Person { name: "Old Gateway", email: "gateway@example.com" };
    let rest = "Content-Type: multipart/mixed; boundary=\"never-closed\"\n\n--never-closed\nContent-Type: text/plain; charset=\"no-such-charset\"\n\
        Content-Transfer-Encoding: base64\n\nVGhpcyBwYXJ0IHdhcyBjdXQgaW4gdGhlIG1pZGRsZSBvZiBhIHNlbnRlbmNlLCBhbmQg\ndGhlIGJ!!!\n";
    inbox(
        date,
        write(&plain_head(from, "A message cut short", date, "broken@example.com"), &Body::Verbatim(rest.to_owned())),
    )
}

/// Tries to steer the terminal: what the sanitiser is for.
fn steering(date: Timestamp) -> Letter {
    let from = Person { name: "Escape Artist", email: "escape@example.net" };
    let subject = "Look: \u{1b}]0;owned\u{7} \u{1b}[31mred\u{1b}[0m and \u{202e}txt.exe";
    let text = "This text holds escape sequences \u{1b}[2J that would clear your screen,\nand an override: \u{202e}siht ekil\u{202c}.\n";
    inbox(date, write(&plain_head(from, subject, date, "escape@example.net"), &Body::Plain(text.to_owned())))
}

fn bounce(date: Timestamp) -> Letter {
    let from = Person { name: "Mail Delivery System", email: "mailer-daemon@mx.example.org" };
    let rest = "Content-Type: multipart/report; report-type=delivery-status; boundary=\"dsn\"\n\n--dsn\nContent-Type: text/plain; charset=us-ascii\n\n\
        Your message could not be delivered to one or more recipients.\n\n<jon@exmaple.example>: host mx.exmaple.example said:\n  550 5.1.1 no such user\n\n\
        --dsn\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example.org\n\nFinal-Recipient: rfc822; jon@exmaple.example\nAction: failed\n\
        Status: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1 no such user\n\n--dsn\nContent-Type: message/rfc822\n\nFrom: Ada Lovelace <ada@example.org>\n\
        To: jon@exmaple.example\nSubject: Minutes\nMessage-ID: <minutes-1@example.org>\n\nThe minutes, as promised.\n\n--dsn--\n";
    inbox(
        date,
        write(
            &plain_head(from, "Undelivered Mail Returned to Sender", date, "bounce@mx.example.org"),
            &Body::Verbatim(rest.to_owned()),
        ),
    )
}

/// A forwarded message inside a message.
fn digest(date: Timestamp) -> Letter {
    let from = PEOPLE.get(12).copied().unwrap_or(ME);
    let rest = "Content-Type: multipart/mixed; boundary=\"fwd\"\n\n--fwd\nContent-Type: text/plain; charset=utf-8\n\nFor your files, see below.\n\n\
        --fwd\nContent-Type: message/rfc822\nContent-Disposition: inline\n\nFrom: Radia Perlman <radia@example.net>\nTo: Barbara Liskov <barbara@example.net>\n\
        Subject: Bridges\nDate: Mon, 5 Oct 2026 09:00:00 +0000\nMessage-ID: <bridges@example.net>\n\nI think that I shall never see\na graph more lovely than a tree.\n\n--fwd--\n";
    inbox(date, write(&plain_head(from, "Fwd: Bridges", date, "digest@example.net"), &Body::Verbatim(rest.to_owned())))
}

fn draft(date: Timestamp) -> Letter {
    let to = PEOPLE.get(3).copied().unwrap_or(ME);
    let head = Head {
        from: ME,
        to: vec![to],
        cc: Vec::new(),
        subject: "Ideas for the winter",
        date,
        id: "draft-1@example.org",
        references: &[],
        list: None,
    };
    let text = "Dear Natalya,\n\nthree ideas so far:\n\n1. a reading evening\n2.\n";
    Letter {
        mailbox: "Drafts",
        flags: Flags::only(Flag::Draft).with(Flag::Seen),
        date,
        bytes: write(&head, &Body::Plain(text.to_owned())),
    }
}

/// No Message-ID, no date that can be read, two From fields.
fn nameless(date: Timestamp) -> Letter {
    let text = "From: Someone <someone@example.com>\r\nFrom: Someone Else <else@example.net>\r\nTo: ada@example.org\r\n\
        Date: the day before yesterday\r\nSubject: =?utf-8?Q?Who_wrote_this=3F?=\r\n\r\nTwo senders, no id, and a date that no program can read.\r\n";
    inbox(date, text.as_bytes().to_vec())
}

fn spam(now: Timestamp) -> Vec<Letter> {
    let offers = [
        "You have won a bridge",
        "Cheap watches, last day",
        "RE: RE: your parcel 📦",
        "Double your coins",
        "A prince needs help",
        "Pills without paper",
    ];
    let mut letters = Vec::new();
    for (number, subject) in offers.into_iter().enumerate() {
        let back = i64::try_from(number).unwrap_or(0) * 17 * HOUR;
        let date = now.plus(-3 * HOUR - back);
        let id = format!("spam-{number}@bulk.example");
        let from = Person { name: "Great Offers", email: "offers@bulk.example" };
        let bytes = write(
            &plain_head(from, subject, date, &id),
            &Body::Plain(String::from("Act now! https://bulk.example/win\n")),
        );
        let mailbox = if number == 5 { "Trash" } else { "Junk" };
        letters.push(Letter { mailbox, flags: Flags::none(), date, bytes });
    }
    letters
}

/// A newsletter in text and HTML.
pub(super) fn newsletter(number: i64) -> (String, String) {
    let plain = format!(
        "This week in news, no. {number}\n\n* A bridge is open again\n* A library stays open at night\n\nRead on: https://news.example.net/{number}\n"
    );
    let html = format!(
        "<html><head><style>.hd{{color:#345}}</style></head><body><table width=600><tr><td><h1 class=hd>This week in news</h1>\
         <p>Number {number}. Good morning! These are the <b>two</b> stories of the week.</p><h2>A bridge is open again</h2>\
         <p>After <i>eleven</i> months the old bridge carries trams. <a href=\"https://news.example.net/{number}/bridge\">Read the story</a>.</p>\
         <h2>A library stays open at night</h2><ul><li>reading rooms until two</li><li>tea for free</li></ul>\
         <p><a href=\"https://news.example.net/{number}/library\">Read the story</a></p><blockquote>It is quieter than by day.</blockquote>\
         <img src=\"https://news.example.net/px.gif\" alt=\"\"><p><small><a href=\"https://news.example.net/u\">Unsubscribe</a></small></p></td></tr></table></body></html>"
    );
    (plain, html)
}

/// A patch as `git send-email` would mail it.
pub(super) fn patch(number: usize, part: usize) -> String {
    format!(
        "The reply of the server was lost when the connection closed early.\nKeep it, so that the screen can show it.\n---\n src/outbox/reply.rs | 6 +++---\n \
         1 file changed, 3 insertions(+), 3 deletions(-)\n\ndiff --git a/src/outbox/reply.rs b/src/outbox/reply.rs\nindex 1f2e3d{part}..4c5b6a{number} 100644\n\
         --- a/src/outbox/reply.rs\n+++ b/src/outbox/reply.rs\n@@ -{line},6 +{line},6 @@ impl Reply {{\n     fn text(&self) -> &str {{\n-        \"\"\n\
         +        self.lines.last().map_or(\"\", |line| line)\n     }}\n }}\n-- \n2.40.1\n",
        line = 10 + number * 7 + part
    )
}

/// The smallest PDF that a viewer opens: one page with one line.
pub(super) fn pdf(line: &str) -> Vec<u8> {
    let stream = format!("BT /F1 24 Tf 72 720 Td ({line}) Tj ET");
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>".to_owned(),
        format!("<< /Length {} >>\nstream\n{stream}\nendstream", stream.len()),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_owned(),
    ];
    let mut out = String::from("%PDF-1.4\n");
    let mut offsets = Vec::new();
    for (number, object) in objects.iter().enumerate() {
        offsets.push(out.len());
        out.push_str(&format!("{} 0 obj\n{object}\nendobj\n", number + 1));
    }
    let xref = out.len();
    out.push_str(&format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1));
    for offset in &offsets {
        out.push_str(&format!("{offset:010} 00000 n \n"));
    }
    out.push_str(&format!("trailer << /Size {} /Root 1 0 R >>\nstartxref\n{xref}\n%%EOF\n", objects.len() + 1));
    out.into_bytes()
}
