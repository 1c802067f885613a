//! Mailboxes: their names, with the modified UTF-7 of RFC 3501 §5.1.3 in and out, and their roles
//! (RFC 6154).

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::folder_names;

/// The name of a mailbox, decoded, never empty. The levels of the hierarchy are always separated by
/// `/` here, whatever the server or the Maildir layout uses; a `/` or other delimiter inside one
/// level is the business of `remote` and `store`, which know the spelling on their side. Text from
/// outside: it passes [`crate::mail::clean`] before a screen.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MailboxName(Arc<str>);

impl MailboxName {
    /// Refuses an empty name and one over 1,000 bytes or with control characters; `inbox` in any
    /// case is `INBOX` (RFC 9051 §5.1).
    pub fn new(name: &str) -> Option<Self> {
        if name.is_empty() || name.len() > 1000 || name.chars().any(char::is_control) {
            return None;
        }
        if name.eq_ignore_ascii_case("INBOX") {
            return Some(Self::inbox());
        }
        Some(Self(Arc::from(name)))
    }

    /// A name as a person types it: as [`MailboxName::new`], and no level of it is empty.
    pub fn typed(name: &str) -> Option<Self> {
        Self::new(name).filter(|name| name.levels().all(|level| !level.trim().is_empty()))
    }

    /// The name that a folder below `self`, or `self`, gets where `self` is called `to` from now on; `None`:
    /// it lies elsewhere, or its name would be too long.
    pub fn carried(&self, below: &Self, to: &Self) -> Option<Self> {
        let rest = below.as_str().strip_prefix(self.as_str())?;
        if !rest.is_empty() && !rest.starts_with('/') {
            return None;
        }
        Self::new(&format!("{to}{rest}"))
    }

    /// Does it lie below the other one?
    pub fn is_below(&self, other: &Self) -> bool {
        self.as_str().strip_prefix(other.as_str()).is_some_and(|rest| rest.starts_with('/'))
    }

    /// The mailbox that every account has.
    pub fn inbox() -> Self {
        Self(Arc::from("INBOX"))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Is this the INBOX?
    pub fn is_inbox(&self) -> bool {
        &*self.0 == "INBOX"
    }

    /// The levels of the hierarchy, topmost first.
    pub fn levels(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }

    /// The last level.
    pub fn leaf(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }
}

impl fmt::Display for MailboxName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a mailbox is for (RFC 6154). INBOX is counted among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Where mail arrives.
    Inbox,
    /// `\Flagged`: the starred ones.
    Flagged,
    /// `\Drafts`.
    Drafts,
    /// `\Sent`.
    Sent,
    /// `\Archive`.
    Archive,
    /// `\Junk`.
    Junk,
    /// `\Trash`.
    Trash,
    /// `\All`.
    All,
}

impl Role {
    /// Every role, in the order in which folders are listed.
    pub const ALL: [Self; 8] =
        [Self::Inbox, Self::Flagged, Self::Drafts, Self::Sent, Self::Archive, Self::Junk, Self::Trash, Self::All];

    /// The attribute's name in LIST, e.g. `\Sent`; none for INBOX.
    pub fn attribute(self) -> Option<&'static str> {
        Some(match self {
            Self::Inbox => return None,
            Self::Flagged => "\\Flagged",
            Self::Drafts => "\\Drafts",
            Self::Sent => "\\Sent",
            Self::Archive => "\\Archive",
            Self::Junk => "\\Junk",
            Self::Trash => "\\Trash",
            Self::All => "\\All",
        })
    }

    /// The role of a LIST attribute.
    pub fn from_attribute(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.attribute().is_some_and(|a| a.eq_ignore_ascii_case(name)))
    }

    /// The word in the config file and the default name of the folder.
    pub fn word(self) -> &'static str {
        match self {
            Self::Inbox => "inbox",
            Self::Flagged => "flagged",
            Self::Drafts => "drafts",
            Self::Sent => "sent",
            Self::Archive => "archive",
            Self::Junk => "junk",
            Self::Trash => "trash",
            Self::All => "all",
        }
    }

    /// Guesses by the names that mail programs and providers give, in many languages, where neither
    /// server nor user says. Only for folders at the top, below INBOX, or where Gmail keeps its own:
    /// `Projects/Archive` is no archive of the account.
    pub fn guess(name: &MailboxName) -> Option<Self> {
        if name.is_inbox() {
            return Some(Self::Inbox);
        }
        match name.as_str().rsplit_once('/') {
            None | Some(("INBOX" | "[Gmail]" | "[Google Mail]", _)) => folder_names::role_of(name.leaf()),
            Some(_) => None,
        }
    }
}

/// RFC 3501's base64: `,` for `/`, no padding. Trailing bits are tolerated, as servers vary.
const ENGINE: GeneralPurpose = GeneralPurpose::new(
    &alphabet::IMAP_MUTF7,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Encodes to modified UTF-7 (RFC 3501 §5.1.3).
pub fn to_modified_utf7(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut shifted: Vec<u16> = Vec::new();
    for c in name.chars() {
        if matches!(c, ' '..='~') {
            flush(&mut shifted, &mut out);
            out.push(c);
            if c == '&' {
                out.push('-');
            }
        } else {
            shifted.extend_from_slice(c.encode_utf16(&mut [0; 2]));
        }
    }
    flush(&mut shifted, &mut out);
    out
}

fn flush(shifted: &mut Vec<u16>, out: &mut String) {
    if shifted.is_empty() {
        return;
    }
    let bytes: Vec<u8> = shifted.iter().flat_map(|unit| unit.to_be_bytes()).collect();
    out.push('&');
    out.push_str(&ENGINE.encode(bytes));
    out.push('-');
    shifted.clear();
}

/// Decodes modified UTF-7; `None` where the text is not what [`to_modified_utf7`] would write for
/// the result, since such a name could not be found again on the server.
pub fn from_modified_utf7(wire: &str) -> Option<String> {
    let mut out = String::with_capacity(wire.len());
    let mut rest = wire;
    while let Some((plain, tail)) = rest.split_once('&') {
        out.push_str(plain);
        let (code, tail) = tail.split_once('-')?;
        if code.is_empty() {
            out.push('&');
        } else {
            let bytes = ENGINE.decode(code).ok()?;
            let units: Vec<u16> =
                bytes.chunks_exact(2).filter_map(|pair| pair.try_into().ok().map(u16::from_be_bytes)).collect();
            out.push_str(&String::from_utf16(&units).ok()?);
        }
        rest = tail;
    }
    out.push_str(rest);
    (to_modified_utf7(&out) == wire).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modified_utf7_of_the_rfc() {
        assert_eq!(to_modified_utf7("~peter/mail/台北/日本語"), "~peter/mail/&U,BTFw-/&ZeVnLIqe-");
        assert_eq!(from_modified_utf7("~peter/mail/&U,BTFw-/&ZeVnLIqe-").as_deref(), Some("~peter/mail/台北/日本語"));
        assert_eq!(to_modified_utf7("a&b"), "a&-b");
        assert_eq!(from_modified_utf7("&Jjo!").as_deref(), None);
        assert_eq!(from_modified_utf7("&\u{7f}-"), None);
    }

    #[test]
    fn inbox_has_no_case_and_control_characters_are_refused() {
        assert_eq!(MailboxName::new("iNbOx"), Some(MailboxName::inbox()));
        assert_eq!(MailboxName::new("a\r\nb"), None);
        assert_eq!(MailboxName::new(""), None);
    }

    #[test]
    fn roles_are_guessed_where_folders_of_the_account_lie() {
        let guess = |text: &str| Role::guess(&MailboxName::new(text).unwrap());
        let table = [
            ("inbox", Some(Role::Inbox)),
            ("SENT ITEMS", Some(Role::Sent)),
            ("INBOX/Entwürfe", Some(Role::Drafts)),
            ("[Gmail]/Корзина", Some(Role::Trash)),
            ("[Google Mail]/Spam", Some(Role::Junk)),
            ("アーカイブ", Some(Role::Archive)),
            ("Projects/Archive", None),
            ("Lists/Spam", None),
            ("Sent to ada", None),
        ];
        for (text, role) in table {
            assert_eq!(guess(text), role, "{text}");
        }
    }
}
