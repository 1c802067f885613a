//! A draft as one line of JSON and back, for those who keep it on disk: the journal of drafts and
//! the outbox. Fields that a later version adds are passed over, missing ones are empty; a line that
//! is no draft at all is `None`, never a panic.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::address::Address;
use super::draft::{Draft, DraftAttachment, DraftKind};
use super::ids::{AccountId, MessageId, Timestamp};
use super::mailbox::MailboxName;
use super::place::{MailboxId, Place, UniqueName};

/// Writes a draft as one line, without the line end.
pub fn write(draft: &Draft) -> String {
    let kept = KeptDraft {
        id: draft.id.clone(),
        account: draft.account.as_str().to_owned(),
        name: draft.from.name.clone(),
        email: draft.from.email.clone(),
        to: draft.to.clone(),
        cc: draft.cc.clone(),
        bcc: draft.bcc.clone(),
        reply_to: draft.reply_to.clone(),
        subject: draft.subject.clone(),
        body: draft.body.clone(),
        attachments: draft.attachments.iter().map(KeptFile::of).collect(),
        in_reply_to: draft.in_reply_to.as_ref().map(|id| id.as_str().to_owned()),
        references: draft.references.iter().map(|id| id.as_str().to_owned()).collect(),
        kind: kind_name(draft.kind).to_owned(),
        origin: draft.origin.as_ref().map(KeptPlace::of),
        kept_as: draft.kept_as.as_ref().map(KeptPlace::of),
        remind_at: draft.remind_at.map(Timestamp::get),
        begun_at: draft.begun_at.get(),
    };
    // Strings, numbers and lists of them cannot fail to become JSON.
    serde_json::to_string(&kept).unwrap_or_default()
}

/// Reads what [`write()`] wrote.
pub fn read(line: &str) -> Option<Draft> {
    let kept: KeptDraft = serde_json::from_str(line).ok()?;
    let legal = !kept.id.is_empty() && kept.id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if !legal {
        return None;
    }
    Some(Draft {
        id: kept.id,
        account: AccountId::new(&kept.account),
        from: Address { name: kept.name, email: kept.email },
        to: kept.to,
        cc: kept.cc,
        bcc: kept.bcc,
        reply_to: kept.reply_to,
        subject: kept.subject,
        body: kept.body,
        attachments: kept.attachments.into_iter().map(KeptFile::back).collect(),
        in_reply_to: kept.in_reply_to.as_deref().and_then(MessageId::new),
        references: kept.references.iter().filter_map(|id| MessageId::new(id)).collect(),
        kind: kind(&kept.kind),
        origin: kept.origin.and_then(KeptPlace::back),
        kept_as: kept.kept_as.and_then(KeptPlace::back),
        remind_at: kept.remind_at.map(Timestamp::new),
        begun_at: Timestamp::new(kept.begun_at),
    })
}

#[derive(Serialize, Deserialize)]
struct KeptDraft {
    id: String,
    account: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    email: String,
    #[serde(default)]
    to: String,
    #[serde(default)]
    cc: String,
    #[serde(default)]
    bcc: String,
    #[serde(default)]
    reply_to: String,
    #[serde(default)]
    subject: String,
    #[serde(default)]
    body: String,
    #[serde(default)]
    attachments: Vec<KeptFile>,
    #[serde(default)]
    in_reply_to: Option<String>,
    #[serde(default)]
    references: Vec<String>,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    origin: Option<KeptPlace>,
    #[serde(default)]
    kept_as: Option<KeptPlace>,
    #[serde(default)]
    remind_at: Option<i64>,
    #[serde(default)]
    begun_at: i64,
}

#[derive(Serialize, Deserialize)]
struct KeptFile {
    path: KeptPath,
    name: String,
    media_type: String,
}

/// A path: text where it is UTF-8, else its bytes.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum KeptPath {
    Text(String),
    Bytes(Vec<u8>),
}

#[derive(Serialize, Deserialize)]
struct KeptPlace {
    account: String,
    mailbox: String,
    unique: String,
}

impl KeptFile {
    fn of(file: &DraftAttachment) -> Self {
        let path: &Path = &file.path;
        let path = match path.to_str() {
            Some(text) => KeptPath::Text(text.to_owned()),
            None => KeptPath::Bytes(path.as_os_str().as_bytes().to_vec()),
        };
        Self { path, name: file.name.clone(), media_type: file.media_type.clone() }
    }

    fn back(self) -> DraftAttachment {
        let path = match self.path {
            KeptPath::Text(text) => PathBuf::from(text),
            KeptPath::Bytes(bytes) => PathBuf::from(OsString::from_vec(bytes)),
        };
        DraftAttachment { path, name: self.name, media_type: self.media_type }
    }
}

impl KeptPlace {
    fn of(place: &Place) -> Self {
        Self {
            account: place.mailbox.account.as_str().to_owned(),
            mailbox: place.mailbox.name.as_str().to_owned(),
            unique: place.unique.as_str().to_owned(),
        }
    }

    fn back(self) -> Option<Place> {
        let mailbox = MailboxId { account: AccountId::new(&self.account), name: MailboxName::new(&self.mailbox)? };
        Some(Place { mailbox, unique: UniqueName::new(&self.unique)? })
    }
}

fn kind_name(kind: DraftKind) -> &'static str {
    match kind {
        DraftKind::New => "new",
        DraftKind::Reply => "reply",
        DraftKind::ReplyAll => "reply-all",
        DraftKind::ReplyList => "reply-list",
        DraftKind::Forward => "forward",
    }
}

fn kind(name: &str) -> DraftKind {
    match name {
        "reply" => DraftKind::Reply,
        "reply-all" => DraftKind::ReplyAll,
        "reply-list" => DraftKind::ReplyList,
        "forward" => DraftKind::Forward,
        _ => DraftKind::New,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draft_comes_back_as_it_was() {
        let place = |unique: &str| Place {
            mailbox: MailboxId { account: AccountId::new("ada"), name: MailboxName::new("Lists/\u{fc}ber").unwrap() },
            unique: UniqueName::new(unique).unwrap(),
        };
        let path = PathBuf::from(OsString::from_vec(b"/tmp/\xff.txt".to_vec()));
        let draft = Draft {
            id: "17-a".to_owned(),
            account: AccountId::new("ada"),
            from: Address { name: "A \"B\"\nC".to_owned(), email: "ada@example.org".to_owned() },
            to: "bob@example.net, half".to_owned(),
            cc: "c@d".to_owned(),
            bcc: "e@f".to_owned(),
            reply_to: "g@h".to_owned(),
            subject: "\u{1f600}\u{0}".to_owned(),
            body: "line\nline\u{2028}\n".to_owned(),
            attachments: vec![
                DraftAttachment { path, name: "x".to_owned(), media_type: "text/plain".to_owned() },
                DraftAttachment { path: "/a b".into(), name: "y".to_owned(), media_type: String::new() },
            ],
            in_reply_to: MessageId::new("i@j"),
            references: vec![MessageId::new("k@l").unwrap(), MessageId::new("i@j").unwrap()],
            kind: DraftKind::ReplyAll,
            origin: Some(place("1.x")),
            kept_as: Some(place("2.y")),
            remind_at: Some(Timestamp::new(1_795_391_369)),
            begun_at: Timestamp::new(1_795_304_969),
        };
        let line = write(&draft);
        assert!(!line.contains('\n'));
        assert_eq!(read(&line), Some(draft));
    }

    #[test]
    fn what_is_no_draft_is_none_and_what_is_missing_is_empty() {
        for bad in ["", "{}", "[]", "null", r#"{"id":"../x","account":"a"}"#, r#"{"id":1,"account":"a"}"#] {
            assert_eq!(read(bad), None, "{bad}");
        }
        let small = read(r#"{"id":"a","account":"b","later":[1]}"#).unwrap();
        assert_eq!((small.kind, small.body.as_str()), (DraftKind::New, ""));
    }
}
