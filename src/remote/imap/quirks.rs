//! Servers that do not do what they say. One row per kind of server, each with an effect that the
//! code asks for by name; a server that no row fits is taken at its word.

/// What a server does otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Quirks {
    /// It opens no mailbox before it was told by ID (RFC 2971) who asks.
    pub(super) wants_id: bool,
    /// It offers SASL-IR and cannot read it.
    pub(super) no_initial_response: bool,
}

/// How a row knows its servers.
enum Sign {
    /// The host's name is this or ends in it after a dot.
    Host(&'static str),
    /// The greeting holds this.
    Greeting(&'static str),
}

/// What a server of no quirks does.
const NONE: Quirks = Quirks { wants_id: false, no_initial_response: false };

/// The table.
const TABLE: [(Sign, Quirks); 4] = [
    // NetEase answers SELECT with "Unsafe Login" to clients that do not introduce themselves.
    (Sign::Host("163.com"), Quirks { wants_id: true, ..NONE }),
    (Sign::Host("126.com"), Quirks { wants_id: true, ..NONE }),
    (Sign::Host("yeah.net"), Quirks { wants_id: true, ..NONE }),
    // Coremail, the program under these and others.
    (Sign::Greeting("Coremail"), Quirks { wants_id: true, no_initial_response: true }),
];

/// The quirks of a server, all rows that fit it together.
pub(super) fn of(host: &str, greeting: &str) -> Quirks {
    let host = host.to_ascii_lowercase();
    let fits = |sign: &Sign| match sign {
        Sign::Host(name) => host.strip_suffix(name).is_some_and(|left| left.is_empty() || left.ends_with('.')),
        Sign::Greeting(words) => greeting.contains(words),
    };
    TABLE.iter().filter(|(sign, _)| fits(sign)).fold(NONE, |sum, (_, row)| Quirks {
        wants_id: sum.wants_id || row.wants_id,
        no_initial_response: sum.no_initial_response || row.no_initial_response,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_fit_their_servers_alone() {
        assert_eq!(of("imap.example.org", "Dovecot ready."), NONE);
        assert!(of("IMAP.163.com", "").wants_id);
        assert!(!of("imap.not163.com", "").wants_id);
        assert!(of("mail.example.cn", "Coremail System IMap Server Ready").no_initial_response);
    }
}
