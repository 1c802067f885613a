//! Addresses (RFC 5322 §3.4), decoded. RFC 5322 calls one a mailbox; here a mailbox is a folder.

/// One address with its display name, decoded (RFC 2047) but not yet clean for a screen.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Address {
    /// The display name, empty where there is none. Text from outside.
    pub name: String,
    /// The addr-spec `local@domain`, or what stood in its stead. Text from outside.
    pub email: String,
}
