//! SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677): the password never leaves, and the
//! server proves that it knows it too. Pure but for the nonce. A server's numbers have bounds: too
//! few rounds give the password away, too many would keep this machine busy for it.

use std::num::NonZeroU32;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::{digest, hmac, pbkdf2};
use zeroize::Zeroizing;

use super::binding::Binding;
use super::prep::prepared;
use super::secret::Secret;
use crate::mail::clean::Clean;

/// The fewest rounds that are taken (RFC 7677 §4).
const FEWEST: u32 = 4096;
/// The most rounds: about a second.
const MOST: u32 = 2_000_000;
/// The longest salt.
const LONGEST_SALT: usize = 1024;

/// What is said of the binding to the TLS channel (RFC 5802 §6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Bound {
    /// There is none, or none is wanted.
    No,
    /// This side could; the other did not offer it. If it did, somebody took the offer away.
    NotOffered,
    /// To this.
    To(Binding),
}

impl Bound {
    fn header(&self) -> String {
        match self {
            Self::No => "n,,".to_owned(),
            Self::NotOffered => "y,,".to_owned(),
            Self::To(binding) => format!("p={},,", binding.name),
        }
    }

    fn data(&self) -> &[u8] {
        match self {
            Self::No | Self::NotOffered => &[],
            Self::To(binding) => &binding.data,
        }
    }
}

/// Why this side goes no further.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Problem {
    /// It breaks the protocol, or is not who it should be.
    Untrue(&'static str),
    /// The server says what is wrong.
    Refused(Clean),
}

/// One exchange.
#[derive(Debug)]
pub(super) struct Scram {
    bound: Bound,
    nonce: String,
    bare: String,
    /// What the server must sign with, once it is known.
    expected: Option<Expected>,
    proven: bool,
}

struct Expected {
    key: hmac::Key,
    message: String,
}

impl std::fmt::Debug for Expected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Expected(***)")
    }
}

impl Scram {
    /// Begins with a nonce of its own; `None` where the system has no chance left to give.
    pub(super) fn new(user: &str, bound: Bound) -> Option<Self> {
        let mut bytes = [0u8; 24];
        SystemRandom::new().fill(&mut bytes).ok()?;
        Some(Self::with(user, bound, STANDARD.encode(bytes)))
    }

    fn with(user: &str, bound: Bound, nonce: String) -> Self {
        let name = prepared(user).replace('=', "=3D").replace(',', "=2C");
        let bare = format!("n={name},r={nonce}");
        Self { bound, nonce, bare, expected: None, proven: false }
    }

    /// The first message.
    pub(super) fn first(&self) -> String {
        format!("{}{}", self.bound.header(), self.bare)
    }

    /// Answers the server's first message with the proof.
    pub(super) fn prove(&mut self, challenge: &[u8], password: &Secret) -> Result<String, Problem> {
        let text = std::str::from_utf8(challenge).map_err(|_| Problem::Untrue("its first answer is no text"))?;
        if let Some(error) = text.strip_prefix("e=") {
            return Err(Problem::Refused(Clean::line(error)));
        }
        let mut fields = text.split(',');
        let mut field = |key: &str| fields.next().and_then(|field| field.strip_prefix(key));
        let (Some(nonce), Some(salt), Some(rounds)) = (field("r="), field("s="), field("i=")) else {
            return Err(Problem::Untrue("its first answer is not as SCRAM wants it"));
        };
        if nonce.len() <= self.nonce.len() || !nonce.starts_with(&self.nonce) {
            return Err(Problem::Untrue("its nonce is not made from ours"));
        }
        let salt = STANDARD.decode(salt).ok().filter(|salt| !salt.is_empty() && salt.len() <= LONGEST_SALT);
        let salt = salt.ok_or(Problem::Untrue("its salt is none"))?;
        let rounds = rounds.parse::<u32>().ok().filter(|rounds| (FEWEST..=MOST).contains(rounds));
        let rounds = rounds.and_then(NonZeroU32::new).ok_or(Problem::Untrue("its count of rounds is out of bounds"))?;

        let mut salted = Zeroizing::new([0u8; digest::SHA256_OUTPUT_LEN]);
        let password = prepared(password.expose());
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, &salt, password.as_bytes(), salted.as_mut());
        let salted = hmac::Key::new(hmac::HMAC_SHA256, salted.as_ref());
        let client_key = hmac::sign(&salted, b"Client Key");
        let stored = digest::digest(&digest::SHA256, client_key.as_ref());
        let server_key = hmac::sign(&salted, b"Server Key");

        let channel = [self.bound.header().as_bytes(), self.bound.data()].concat();
        let end = format!("c={},r={nonce}", STANDARD.encode(channel));
        let message = format!("{},{text},{end}", self.bare);
        let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, stored.as_ref()), message.as_bytes());
        let proof: Vec<u8> = client_key.as_ref().iter().zip(signature.as_ref()).map(|(a, b)| a ^ b).collect();
        self.expected = Some(Expected { key: hmac::Key::new(hmac::HMAC_SHA256, server_key.as_ref()), message });
        Ok(format!("{end},p={}", STANDARD.encode(proof)))
    }

    /// Hears the server's last message: its own proof, or why it refuses.
    pub(super) fn verify(&mut self, challenge: &[u8]) -> Result<(), Problem> {
        const UNPROVEN: Problem = Problem::Untrue("it does not prove that it knows the password; is it an impostor?");
        let text = std::str::from_utf8(challenge).map_err(|_| UNPROVEN)?;
        if let Some(error) = text.strip_prefix("e=") {
            return Err(Problem::Refused(Clean::line(error)));
        }
        let signature = text.strip_prefix("v=").and_then(|rest| rest.split(',').next());
        let signature = signature.and_then(|text| STANDARD.decode(text).ok()).ok_or(UNPROVEN)?;
        let expected = self.expected.as_ref().ok_or(UNPROVEN)?;
        hmac::verify(&expected.key, expected.message.as_bytes(), &signature).map_err(|_| UNPROVEN)?;
        self.proven = true;
        Ok(())
    }

    /// Has the server proven that it knows the password?
    pub(super) fn is_proven(&self) -> bool {
        self.proven
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
    const FIRST: &str = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

    fn pencil() -> Secret {
        Secret::new("pencil".to_owned())
    }

    fn begun() -> Scram {
        Scram::with("user", Bound::No, NONCE.to_owned())
    }

    #[test]
    fn the_exchange_of_rfc_7677() {
        let mut scram = begun();
        assert_eq!(scram.first(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        assert_eq!(
            scram.prove(FIRST.as_bytes(), &pencil()).unwrap(),
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
             p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        );
        assert!(!scram.is_proven());
        assert_eq!(scram.verify(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="), Ok(()));
        assert!(scram.is_proven());
    }

    #[test]
    fn a_server_that_cannot_be_trusted_is_not_answered() {
        let nonce = "rOprNGfwEbeRWgbNEkqO";
        let table = [
            ("r=other,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096".to_owned(), "nonce"),
            (format!("r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"), "nonce"),
            (format!("r={nonce}x,s=,i=4096"), "salt"),
            (format!("r={nonce}x,s=!!,i=4096"), "salt"),
            (format!("r={nonce}x,s={},i=4096", STANDARD.encode([7; 2000])), "salt"),
            (format!("r={nonce}x,s=QQ==,i=4095"), "rounds"),
            (format!("r={nonce}x,s=QQ==,i=2000001"), "rounds"),
            (format!("r={nonce}x,s=QQ==,i=99999999999999999999"), "rounds"),
            (format!("m=new,r={nonce}x,s=QQ==,i=4096"), "as SCRAM wants"),
            (String::new(), "as SCRAM wants"),
        ];
        for (first, expected) in table {
            match begun().prove(first.as_bytes(), &pencil()) {
                Err(Problem::Untrue(why)) => assert!(why.contains(expected), "{first}: {why}"),
                other => panic!("{first}: {other:?}"),
            }
        }
        assert!(matches!(begun().prove(&[0xff], &pencil()), Err(Problem::Untrue(_))));
        assert_eq!(begun().prove(b"e=no\x1b", &pencil()), Err(Problem::Refused(Clean::line("no\u{1b}"))));
    }

    #[test]
    fn a_wrong_signature_proves_nothing() {
        for last in ["v=AAAA", "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G5=", "", "v=", "x"] {
            let mut scram = begun();
            scram.prove(FIRST.as_bytes(), &pencil()).unwrap();
            assert!(matches!(scram.verify(last.as_bytes()), Err(Problem::Untrue(_))), "{last}");
            assert!(!scram.is_proven());
        }
        // Before the proof there is nothing to be signed.
        assert!(begun().verify(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=").is_err());
        assert_eq!(begun().verify(b"e=invalid-proof"), Err(Problem::Refused(Clean::line("invalid-proof"))));
    }

    #[test]
    fn names_are_escaped_and_bindings_are_told() {
        let binding = Binding { name: "tls-exporter", data: vec![1, 2, 3] };
        let mut scram = Scram::with("a,b=c", Bound::To(binding), NONCE.to_owned());
        assert_eq!(scram.first(), format!("p=tls-exporter,,n=a=2Cb=3Dc,r={NONCE}"));
        let last = scram.prove(FIRST.as_bytes(), &pencil()).unwrap();
        let channel = STANDARD.encode([b"p=tls-exporter,,".as_slice(), &[1, 2, 3]].concat());
        assert!(last.starts_with(&format!("c={channel},")), "{last}");
        assert!(Scram::with("a", Bound::NotOffered, NONCE.to_owned()).first().starts_with("y,,"));
    }

    #[test]
    fn each_nonce_is_new() {
        let first = || Scram::new("user", Bound::No).unwrap().first();
        assert_ne!(first(), first());
    }
}
