//! Servers that do not do what they say. One row per kind of server, each with effects that the code
//! asks for by name; a server that no row fits is taken at its word. The user's word wins over the
//! table.

use std::collections::BTreeSet;

use crate::config::quirk::{self, Quirk};

use super::capability::Capabilities;

/// How a row knows its servers.
enum Sign {
    /// The host's name is this or ends in it after a dot.
    Host(&'static str),
    /// The greeting holds this.
    Greeting(&'static str),
}

/// The table.
const TABLE: [(Sign, &[Quirk]); 6] = [
    // NetEase answers SELECT with "Unsafe Login" to clients that do not introduce themselves.
    (Sign::Host("163.com"), &[Quirk::WantsId]),
    (Sign::Host("126.com"), &[Quirk::WantsId]),
    (Sign::Host("yeah.net"), &[Quirk::WantsId]),
    // Coremail, the program under these and others, reads neither SASL-IR nor ENABLE, and offers both.
    (Sign::Greeting("Coremail"), &[Quirk::WantsId, Quirk::NoInitialResponse, Quirk::NoQresync]),
    // Exchange has answered OK to a MOVE of several messages and moved some of them.
    (Sign::Greeting("Microsoft Exchange"), &[Quirk::NoMove]),
    (Sign::Host("outlook.office365.com"), &[Quirk::NoMove]),
];

/// The quirks of a server: all rows that fit it together, and then the user's word.
pub(super) fn of(host: &str, greeting: &str, said: &quirk::Quirks) -> BTreeSet<Quirk> {
    let host = host.to_ascii_lowercase();
    let fits = |sign: &Sign| match sign {
        Sign::Host(name) => host.strip_suffix(name).is_some_and(|left| left.is_empty() || left.ends_with('.')),
        Sign::Greeting(words) => greeting.contains(words),
    };
    let mut quirks: BTreeSet<Quirk> =
        TABLE.iter().filter(|(sign, _)| fits(sign)).flat_map(|(_, row)| row.iter().copied()).collect();
    for (quirk, has) in &said.0 {
        if *has {
            quirks.insert(*quirk)
        } else {
            quirks.remove(quirk)
        };
    }
    quirks
}

/// The capabilities that mean nothing with this quirk.
fn void(quirk: Quirk) -> &'static [&'static str] {
    match quirk {
        Quirk::WantsId => &[],
        Quirk::NoInitialResponse => &["SASL-IR"],
        Quirk::NoCondstore => &["CONDSTORE", "QRESYNC"],
        Quirk::NoQresync => &["QRESYNC"],
        Quirk::NoMove => &["MOVE"],
        Quirk::NoUidplus => &["UIDPLUS"],
        Quirk::NoEsearch => &["ESEARCH"],
        Quirk::NoListStatus => &["LIST-STATUS"],
        Quirk::NoCompress => &["COMPRESS=DEFLATE"],
        Quirk::NoEagerLiteral => &["LITERAL+", "LITERAL-"],
    }
}

/// Makes capabilities forget what such a server cannot do, whatever it says.
pub(super) fn apply(quirks: &BTreeSet<Quirk>, capabilities: &mut Capabilities) {
    for quirk in quirks {
        capabilities.forget(void(*quirk));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(host: &str, greeting: &str) -> Vec<Quirk> {
        of(host, greeting, &quirk::Quirks::default()).into_iter().collect()
    }

    #[test]
    fn rows_fit_their_servers_alone() {
        let table: [(&str, &str, &[Quirk]); 6] = [
            ("imap.example.org", "Dovecot ready.", &[]),
            ("IMAP.163.com", "", &[Quirk::WantsId]),
            ("imap.not163.com", "", &[]),
            (
                "mail.example.cn",
                "Coremail System IMap Server Ready",
                &[Quirk::WantsId, Quirk::NoInitialResponse, Quirk::NoQresync],
            ),
            ("mail.example.org", "The Microsoft Exchange IMAP4 service is ready.", &[Quirk::NoMove]),
            ("outlook.office365.com", "", &[Quirk::NoMove]),
        ];
        for (host, greeting, quirks) in table {
            assert_eq!(known(host, greeting), quirks, "{host} {greeting}");
        }
    }

    #[test]
    fn the_users_word_wins() {
        let said = quirk::Quirks([(Quirk::WantsId, false), (Quirk::NoEsearch, true)].into());
        let quirks: Vec<Quirk> = of("imap.163.com", "Coremail", &said).into_iter().collect();
        assert_eq!(quirks, [Quirk::NoInitialResponse, Quirk::NoQresync, Quirk::NoEsearch]);
    }

    #[test]
    fn each_quirk_takes_its_capability_away_and_no_other() {
        let all = "IMAP4rev2 SASL-IR CONDSTORE QRESYNC MOVE UIDPLUS ESEARCH LITERAL+ LITERAL- ID IDLE";
        let effects = |quirk: Option<Quirk>| {
            let mut capabilities = Capabilities::new(all.split(' ').map(str::to_owned));
            apply(&quirk.into_iter().collect(), &mut capabilities);
            [
                capabilities.initial_response(),
                capabilities.condstore(),
                capabilities.r#move(),
                capabilities.uidplus(),
                capabilities.esearch(),
                capabilities.eager_literal(1),
                capabilities.has("QRESYNC"),
                capabilities.idle(),
            ]
        };
        assert_eq!(effects(None), [true; 8]);
        let without = |places: &[usize]| std::array::from_fn(|at| !places.contains(&at));
        for (quirk, expected) in [
            (Quirk::NoInitialResponse, without(&[0])),
            (Quirk::NoCondstore, without(&[1, 6])),
            (Quirk::NoMove, without(&[2])),
            (Quirk::NoUidplus, without(&[3])),
            (Quirk::NoEsearch, without(&[4])),
            (Quirk::NoEagerLiteral, without(&[5])),
            (Quirk::NoQresync, without(&[6])),
            (Quirk::WantsId, [true; 8]),
        ] {
            assert_eq!(effects(Some(quirk)), expected, "{quirk:?}");
        }
    }
}
