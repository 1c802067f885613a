//! `tern show`: one message, as the viewer reads it, or its header, a part, its bytes, or JSON.

use serde_json::{Value, json};
use unicode_width::UnicodeWidthStr as _;

use super::arguments::{Common, ShowOptions};
use super::exit::Exit;
use super::{json, output, refresh, setting};
use crate::app::start;
use crate::config::Config;
use crate::fault::{Again, Cause, Doing, Fault, Scope};
use crate::mail::address::Address;
use crate::mail::clean::Clean;
use crate::mail::document::{Document, Line, LineKind};
use crate::mail::envelope::Envelope;
use crate::mail::ids::{AccountId, MessageId};
use crate::mail::mailbox::MailboxName;
use crate::mail::place::{MailboxId, Place, UniqueName};
use crate::mail::reader;
use crate::store::maildir::Maildir;
use crate::sync::errand;

/// How wide text is laid out, in columns.
const WIDTH: u16 = 80;

/// Runs the command.
pub(super) fn run(common: &Common, options: &ShowOptions) -> Exit {
    let config = match setting::load("show", common) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    if let Err(exit) = setting::accounts("show", &config, None) {
        return exit;
    }
    match find(&config, &options.id) {
        Ok(Some((place, bytes))) if place.unique.stub_size().is_some() => {
            match complete(&config, &place, common.offline) {
                Ok((place, bytes)) => show(options, &place, &bytes),
                // The header is better than nothing.
                Err(fault) => {
                    show(options, &place, &bytes);
                    output::fault("show", &fault);
                    Exit::of(&fault)
                }
            }
        }
        Ok(Some((place, bytes))) => show(options, &place, &bytes),
        Ok(None) => {
            output::error("show", format_args!("there is no message {}", output::quoted(&options.id)));
            output::note("  next: `tern search` and `tern list` print ids");
            Exit::Missing
        }
        Err(fault) => {
            output::fault("show", &fault);
            Exit::of(&fault)
        }
    }
}

/// Fetches a message of which only the header is here.
fn complete(config: &Config, stub: &Place, offline: bool) -> Result<(Place, Vec<u8>), Fault> {
    let missing = |why: &str| {
        Fault::new(Doing::Fetching, "the message", Cause::Missing).scope(Scope::Message).again(Again::Later).detail(why)
    };
    if offline {
        return Err(missing("only its header is here; without --offline the rest is fetched"));
    }
    let envs = start::sync_envs(config, &start::Ways::default());
    let env = envs.iter().find(|env| env.account.id == stub.mailbox.account);
    let env = env.ok_or_else(|| missing("its account is not known"))?;
    let now = errand::fetch_one(env, stub, &|_| ())?;
    let bytes = read(config, &now)?.ok_or_else(|| missing("another program took it away just now"))?;
    Ok((now, bytes))
}

/// Finds the message: by the id that lists print, else by its Message-ID.
fn find(config: &Config, id: &str) -> Result<Option<(Place, Vec<u8>)>, Fault> {
    if let Some(place) = place_of(config, id)
        && let Some(bytes) = read(config, &place)?
    {
        return Ok(Some((place, bytes)));
    }
    let Some(message_id) = MessageId::new(id) else { return Ok(None) };
    for place in refresh::up_to_date("show", config)?.0.find(&message_id, None)? {
        if let Some(bytes) = read(config, &place)? {
            return Ok(Some((place, bytes)));
        }
    }
    Ok(None)
}

/// `account:folder:file`; a folder's name may hold colons, the others do not.
pub(super) fn place_of(config: &Config, id: &str) -> Option<Place> {
    let (account, rest) = id.split_once(':')?;
    let (folder, unique) = rest.rsplit_once(':')?;
    let account = config.account(&AccountId::new(account))?.id.clone();
    let mailbox = MailboxId { account, name: MailboxName::new(folder)? };
    Some(Place { mailbox, unique: UniqueName::new(unique)? })
}

fn read(config: &Config, place: &Place) -> Result<Option<Vec<u8>>, Fault> {
    let Some(account) = config.account(&place.mailbox.account) else { return Ok(None) };
    let directory = crate::app::refresh::root(account).directory(&place.mailbox.name)?;
    match Maildir::open(&directory).and_then(|maildir| maildir.read(&place.unique)) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(fault) if fault.cause == Cause::Missing => Ok(None),
        Err(fault) => Err(fault.of(&account.id)),
    }
}

fn show(options: &ShowOptions, place: &Place, bytes: &[u8]) -> Exit {
    if options.raw {
        output::raw(bytes);
        return Exit::Done;
    }
    if let Some(number) = options.part {
        let part = number.checked_sub(1).and_then(|at| reader::part_bytes(bytes, at));
        let Some((_, decoded)) = part else {
            output::error("show", format_args!("the message has no part {number}"));
            return Exit::Missing;
        };
        output::raw(&decoded);
        return Exit::Done;
    }
    let document = reader::document(bytes, WIDTH, &start::zone());
    if options.headers {
        for (name, value) in &document.all_headers {
            output::line(format_args!("{name}: {value}"));
        }
    } else if options.json {
        output::line(as_json(place, &document, &Envelope::parse(bytes)));
    } else {
        as_text(&document);
    }
    Exit::Done
}

fn as_text(document: &Document) {
    for (name, value) in &document.headers {
        output::line(format_args!("{name}: {value}"));
    }
    for warning in &document.warnings {
        output::line(format_args!("! {warning}"));
    }
    output::line("");
    for line in text(document) {
        output::line(line);
    }
    if !document.attachments.is_empty() {
        output::line("");
    }
    for (at, part) in document.attachments.iter().enumerate() {
        let (name, media, size) = (&part.name, &part.media_type, part.size);
        output::line(format_args!("part {}: {name} ({media}, {size} bytes)", at + 1));
    }
    for (at, link) in document.links.iter().enumerate() {
        let warning = if link.mismatch { " (its text names another host)" } else { "" };
        output::line(format_args!("link {}: {}{warning}", at + 1, link.target));
    }
}

/// The text in lines of at most [`WIDTH`] columns, where they may be broken.
fn text(document: &Document) -> Vec<Clean> {
    document.lines.iter().flat_map(laid_out).collect()
}

fn laid_out(line: &Line) -> Vec<Clean> {
    let marks = match line.quote {
        0 => String::new(),
        deep => format!("{} ", ">".repeat(usize::from(deep))),
    };
    let whole: String = line.spans.iter().map(|span| span.text.as_str()).collect();
    let may_break = matches!(line.kind, LineKind::Text | LineKind::Heading | LineKind::Note);
    let room = usize::from(WIDTH).saturating_sub(marks.len()).max(20);
    if !may_break || whole.width() <= room {
        return vec![Clean::line(&format!("{marks}{whole}"))];
    }
    let mut lines = Vec::new();
    let mut begun = String::new();
    for word in whole.split(' ') {
        if !begun.is_empty() && begun.width() + 1 + word.width() > room {
            lines.push(Clean::line(&format!("{marks}{begun}")));
            begun.clear();
        } else if !begun.is_empty() {
            begun.push(' ');
        }
        begun.push_str(word);
    }
    lines.push(Clean::line(&format!("{marks}{begun}")));
    lines
}

fn as_json(place: &Place, document: &Document, envelope: &Envelope) -> Value {
    let addresses = |list: &[Address]| list.iter().map(json::address).collect::<Vec<_>>();
    let ids = |list: &[MessageId]| list.iter().map(clean_id).collect::<Vec<_>>();
    let strings = |list: &[Clean]| list.iter().map(|text| text.as_str().to_owned()).collect::<Vec<_>>();
    json!({
        "v": 1,
        "id": json::place(place).as_str(),
        "account": place.mailbox.account.as_str(),
        "folder": Clean::line(place.mailbox.name.as_str()).as_str(),
        "message_id": document.message_id.as_ref().map(clean_id),
        "in_reply_to": ids(&envelope.in_reply_to),
        "references": ids(&envelope.references),
        "from": addresses(&document.from),
        "to": addresses(&envelope.to),
        "cc": addresses(&envelope.cc),
        "subject": document.subject.as_str(),
        "date": json::time(document.date),
        "size": document.size,
        "text": strings(&text(document)).join("\n"),
        "parts": document.attachments.iter().enumerate().map(|(at, part)| json!({
            "part": at + 1,
            "name": part.name.as_str(),
            "type": part.media_type.as_str(),
            "size": part.size,
            "inline": part.inline,
        })).collect::<Vec<_>>(),
        "links": document.links.iter().map(|link| json!({
            "target": link.target.as_str(),
            "mismatch": link.mismatch,
        })).collect::<Vec<_>>(),
        "warnings": strings(&document.warnings),
    })
}

fn clean_id(id: &MessageId) -> String {
    Clean::line(id.as_str()).as_str().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::document::Span;

    fn line(quote: u8, kind: LineKind, text: &str) -> Line {
        Line { quote, kind, spans: vec![Span { text: Clean::line(text), ..Span::default() }] }
    }

    #[test]
    fn text_is_broken_at_blanks_and_patches_are_not() {
        let long = "word ".repeat(40);
        let broken = laid_out(&line(2, LineKind::Text, long.trim()));
        assert!(broken.len() > 2);
        assert!(broken.iter().all(|line| line.as_str().starts_with(">> word") && line.as_str().width() <= 80));
        let back: Vec<&str> = broken.iter().map(|line| line.as_str().trim_start_matches(">> ")).collect();
        assert_eq!(back.join(" "), long.trim());
        assert_eq!(laid_out(&line(0, LineKind::Pre, &long)).len(), 1);
    }
}
