//! What users and other programs call mailboxes and tags: by their names, parts of them, and what they are for.

use super::rows::Folder;
use crate::mail::flags::Keyword;
use crate::mail::labels::Label;
use crate::mail::mailbox::Role;
use crate::mail::tags;

/// Is that what somebody calls this mailbox: by its name, the last part of it, what it is for, all of it also
/// behind the account; `lists/**` is `lists` and what is below?
pub(super) fn is_called(folder: &Folder, name: &str) -> bool {
    let name = name.to_lowercase();
    let account = folder.id.account.as_str().to_lowercase();
    let full = folder.id.name.as_str().to_lowercase();
    let within = |name: &str| {
        if let Some(top) = name.strip_suffix("/**").or_else(|| name.strip_suffix("/*")) {
            let below = full.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
            return below || top.is_empty();
        }
        let role = folder.role.is_some_and(|role| role.word() == name || nickname(role) == Some(name));
        role || full == name || folder.id.name.leaf().to_lowercase() == name
    };
    within(&name) || name.strip_prefix(&account).and_then(|rest| rest.strip_prefix('/')).is_some_and(within)
}

/// What other programs call it.
fn nickname(role: Role) -> Option<&'static str> {
    match role {
        Role::Junk => Some("spam"),
        Role::Trash => Some("bin"),
        Role::Flagged => Some("starred"),
        Role::Inbox | Role::Drafts | Role::Sent | Role::Archive | Role::All => None,
    }
}

/// SQL: has the place this keyword, or the label of this name?
pub(super) fn tagged(name: &str) -> String {
    let label = |name: &str| Label::read(name).map(|label| Keyword::of_label(&label).as_str().to_owned());
    let spelled = tags::typed(name).ok().map(|word| word.as_str().to_owned());
    let words = [Some(name.to_owned()), spelled, label(name), label(&name.to_lowercase()), label(&format!("\\{name}"))];
    let mut words: Vec<String> =
        words.into_iter().flatten().map(|word| word.to_ascii_lowercase()).filter(|word| !word.contains(' ')).collect();
    words.sort();
    words.dedup();
    let has = |word: &String| {
        let mut hex = String::new();
        for byte in format!(" {word} ").bytes() {
            hex.push_str(&format!("{byte:02x}"));
        }
        format!("instr(' ' || lower(ifnull(p.keywords, '')) || ' ', CAST(x'{hex}' AS TEXT)) > 0")
    };
    if words.is_empty() {
        "0".to_owned()
    } else {
        format!("({})", words.iter().map(has).collect::<Vec<_>>().join(" OR "))
    }
}
