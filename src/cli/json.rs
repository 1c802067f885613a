//! The JSON that scripts read: one object a line, `"v":1` in each, times as RFC 3339, addresses as
//! `{name, addr}`. Within a version fields are only added.

use serde_json::{Value, json};

use crate::job::index::Row;
use crate::mail::address::Address;
use crate::mail::clean::Clean;
use crate::mail::ids::Timestamp;
use crate::mail::labels::{Label, Labels};
use crate::mail::place::Place;

/// A moment as RFC 3339 in UTC.
pub(super) fn time(at: Timestamp) -> String {
    jiff::Timestamp::from_second(at.get()).unwrap_or(jiff::Timestamp::UNIX_EPOCH).to_string()
}

/// An address.
pub(super) fn address(address: &Address) -> Value {
    json!({ "name": Clean::line(&address.name).as_str(), "addr": Clean::line(&address.email).as_str() })
}

/// A row of a list.
pub(super) fn row(row: &Row) -> Value {
    json!({
        "v": 1,
        "id": id(row).as_str(),
        "thread": crate::query::thread_text(row.thread),
        "account": row.place.mailbox.account.as_str(),
        "folder": Clean::line(row.place.mailbox.name.as_str()).as_str(),
        "from": row.who.as_str(),
        "subject": row.subject.as_str(),
        "date": time(row.date),
        "flags": row.flags.imap_names(),
        "labels": labels(&row.flags.labels()),
        "attachment": row.attachment,
        "size": row.size,
    })
}

/// Labels by name; those of the provider's own begin with a backslash.
fn labels(labels: &Labels) -> Vec<String> {
    let name = |label: &Label| match label.name() {
        Some(name) => Clean::line(name.as_str()).as_str().to_owned(),
        None => label.word().unwrap_or_default().to_owned(),
    };
    labels.iter().map(name).collect()
}

/// The id of a row that `tern show` understands: account, folder and file. It stays the same as
/// long as the message stays in its folder.
pub(super) fn id(row: &Row) -> Clean {
    place(&row.place)
}

/// The same of a place.
pub(super) fn place(place: &Place) -> Clean {
    Clean::line(&format!("{}:{}:{}", place.mailbox.account, place.mailbox.name, place.unique.as_str()))
}
