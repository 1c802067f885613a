//! What a mail server does otherwise than it says, and the user's word about it:
//! `[accounts.NAME.imap.quirks]`. The table of known servers is in `remote`.

use std::collections::BTreeMap;

/// One oddity, each with an effect of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Quirk {
    /// It opens no mailbox before it was told by ID (RFC 2971) who asks.
    WantsId,
    /// It offers SASL-IR and cannot read it.
    NoInitialResponse,
    /// Its CONDSTORE cannot be relied on, and QRESYNC with it.
    NoCondstore,
    /// Its QRESYNC cannot be relied on, or it cannot read ENABLE.
    NoQresync,
    /// Its MOVE loses or doubles messages.
    NoMove,
    /// Its UIDs in answers to APPEND and COPY are wrong.
    NoUidplus,
    /// It does not understand SEARCH RETURN.
    NoEsearch,
    /// Its LIST does not understand RETURN (STATUS …), or is slow with it.
    NoListStatus,
    /// Its compression breaks connections.
    NoCompress,
    /// It takes large literals before it gave leave, and does not read them.
    NoEagerLiteral,
}

/// Every quirk with the name it has in the config.
const NAMES: [(&str, Quirk); 10] = [
    ("wants_id", Quirk::WantsId),
    ("no_initial_response", Quirk::NoInitialResponse),
    ("no_condstore", Quirk::NoCondstore),
    ("no_qresync", Quirk::NoQresync),
    ("no_move", Quirk::NoMove),
    ("no_uidplus", Quirk::NoUidplus),
    ("no_esearch", Quirk::NoEsearch),
    ("no_list_status", Quirk::NoListStatus),
    ("no_compress", Quirk::NoCompress),
    ("no_eager_literal", Quirk::NoEagerLiteral),
];

impl Quirk {
    /// All there are, with their names.
    pub fn all() -> impl Iterator<Item = (&'static str, Self)> {
        NAMES.into_iter()
    }

    /// Its name in the config.
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(_, quirk)| *quirk == self).map_or("", |(name, _)| name)
    }
}

/// What the user says: it has this quirk (`true`), or it has not, whatever is known of such servers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Quirks(pub BTreeMap<Quirk, bool>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_quirk_has_a_name_of_its_own() {
        for (name, quirk) in Quirk::all() {
            assert_eq!(quirk.name(), name);
        }
    }
}
