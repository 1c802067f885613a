//! What the server can do (RFC 9051 §7.2.2, and the RFC of each extension).

use std::collections::BTreeSet;

/// The capabilities of a connection. Those from before TLS or before the sign-in are forgotten
/// once there are newer ones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Capabilities {
    told: BTreeSet<String>,
    /// What it says it can do and cannot.
    void: BTreeSet<String>,
}

impl Capabilities {
    /// Takes the names as the server wrote them.
    pub(super) fn new(names: impl IntoIterator<Item = String>) -> Self {
        let told = names.into_iter().map(|name| name.to_ascii_uppercase()).collect();
        Self { told, void: BTreeSet::new() }
    }

    /// Forgets what the server says it can do and cannot.
    pub(super) fn forget(&mut self, names: &[&str]) {
        self.void.extend(names.iter().map(|name| (*name).to_owned()));
    }

    /// The names that count, sorted.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.told.difference(&self.void).map(String::as_str)
    }

    /// Is it told, and not forgotten?
    pub(super) fn has(&self, name: &str) -> bool {
        self.told.contains(name) && !self.void.contains(name)
    }

    /// Has it, or has `IMAP4rev2`, which holds it (RFC 9051 appendix E).
    fn has_or_rev2(&self, name: &str) -> bool {
        !self.void.contains(name) && (self.has(name) || self.has("IMAP4REV2"))
    }

    /// The names of the SASL mechanisms.
    pub(super) fn mechanisms(&self) -> Vec<&str> {
        self.names().filter_map(|name| name.strip_prefix("AUTH=")).collect()
    }

    /// Is the LOGIN command forbidden (RFC 9051 §6.2.3)?
    pub(super) fn login_disabled(&self) -> bool {
        self.has("LOGINDISABLED")
    }

    /// May the first answer go with AUTHENTICATE (RFC 4959)?
    pub(super) fn initial_response(&self) -> bool {
        self.has_or_rev2("SASL-IR")
    }

    /// ID (RFC 2971).
    pub(super) fn id(&self) -> bool {
        self.has("ID")
    }

    /// IDLE (RFC 2177).
    pub(super) fn idle(&self) -> bool {
        self.has_or_rev2("IDLE")
    }

    /// NAMESPACE (RFC 2342).
    pub(super) fn namespace(&self) -> bool {
        self.has_or_rev2("NAMESPACE")
    }

    /// LIST … RETURN (SPECIAL-USE) (RFC 6154 §2, RFC 5258).
    pub(super) fn list_special_use(&self) -> bool {
        self.has("SPECIAL-USE") && self.has_or_rev2("LIST-EXTENDED")
    }

    /// XLIST, where nothing better tells what mailboxes are for.
    pub(super) fn xlist(&self) -> bool {
        self.has("XLIST") && !self.has("SPECIAL-USE")
    }

    /// LIST … RETURN (SUBSCRIBED) (RFC 5258 §3.2).
    pub(super) fn list_extended(&self) -> bool {
        self.has_or_rev2("LIST-EXTENDED")
    }

    /// LIST … RETURN (STATUS (…)) (RFC 5819).
    pub(super) fn list_status(&self) -> bool {
        self.has_or_rev2("LIST-STATUS") && self.list_extended()
    }

    /// COMPRESS=DEFLATE (RFC 4978).
    pub(super) fn compress(&self) -> bool {
        self.has("COMPRESS=DEFLATE")
    }

    /// NOTIFY (RFC 5465).
    pub(super) fn notify(&self) -> bool {
        self.has("NOTIFY")
    }

    /// Gmail's own extension: labels, and one mailbox that has every message (X-GM-EXT-1).
    pub(super) fn labels(&self) -> bool {
        self.has("X-GM-EXT-1")
    }

    /// UNSELECT (RFC 3691).
    pub(super) fn unselect(&self) -> bool {
        self.has_or_rev2("UNSELECT")
    }

    /// ENABLE QRESYNC (RFC 7162 §3.2, RFC 5161).
    pub(super) fn qresync(&self) -> bool {
        self.has("QRESYNC") && self.has_or_rev2("ENABLE")
    }

    /// CREATE … (USE …) (RFC 6154 §3).
    pub(super) fn create_special_use(&self) -> bool {
        self.has("CREATE-SPECIAL-USE")
    }

    /// CONDSTORE (RFC 7162 §3.1), which QRESYNC implies.
    pub(super) fn condstore(&self) -> bool {
        self.has("CONDSTORE") || self.has("QRESYNC")
    }

    /// ESEARCH (RFC 4731).
    pub(super) fn esearch(&self) -> bool {
        self.has_or_rev2("ESEARCH")
    }

    /// UIDPLUS (RFC 4315).
    pub(super) fn uidplus(&self) -> bool {
        self.has_or_rev2("UIDPLUS")
    }

    /// MOVE (RFC 6851).
    pub(super) fn r#move(&self) -> bool {
        self.has_or_rev2("MOVE")
    }

    /// Need a literal of `length` bytes not wait for leave (RFC 7888: LITERAL+, LITERAL-)?
    pub(super) fn eager_literal(&self, length: usize) -> bool {
        self.has("LITERAL+") || (length <= 4096 && self.has_or_rev2("LITERAL-"))
    }

    /// The largest message that can be appended, where the server says one for all mailboxes (RFC 7889).
    pub(super) fn append_limit(&self) -> Option<u64> {
        self.names().find_map(|name| name.strip_prefix("APPENDLIMIT=")?.parse().ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rev2_brings_what_it_holds() {
        let known = |text: &str| Capabilities::new(text.split(' ').map(str::to_owned));
        let old = known("IMAP4rev1 idle AUTH=PLAIN AUTH=XOAUTH2 LITERAL- APPENDLIMIT=1000 QRESYNC");
        assert!(old.idle() && !old.uidplus() && old.condstore());
        assert_eq!(old.mechanisms(), ["PLAIN", "XOAUTH2"]);
        assert!(old.eager_literal(4096) && !old.eager_literal(4097));
        assert_eq!(old.append_limit(), Some(1000));
        let new = known("IMAP4rev2");
        assert!(new.idle() && new.uidplus() && new.r#move() && new.esearch() && !new.condstore());
    }
}
