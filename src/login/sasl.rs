//! What is said to sign in, and which way to take: SCRAM-SHA-256 with and without a binding to the
//! TLS channel (`scram`), PLAIN (RFC 4616), LOGIN (draft-murchison-sasl-login), OAUTHBEARER (RFC 7628)
//! and XOAUTH2. Says nothing itself: IMAP, POP3 and SMTP carry the words. All but SCRAM show the
//! secret to the other end, so they belong inside TLS (or on this machine). SCRAM-SHA-1, CRAM-MD5 and
//! others that are broken or nearly so are not known here.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::binding::Binding;
use super::scram::{Bound, Problem, Scram};
use super::secret::Secret;
use crate::config::Auth;
use crate::fault::{Again, Cause, Doing, Fault};
use crate::mail::clean::Clean;

/// A way to sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// RFC 7677, bound to the TLS connection: nobody in between can hand it on.
    ScramSha256Plus,
    /// RFC 7677: both sides prove that they know the password, and neither shows it.
    ScramSha256,
    /// RFC 4616: name and password in one line.
    Plain,
    /// Name and password, one question each.
    Login,
    /// RFC 7628: a bearer token of OAuth2.
    OAuthBearer,
    /// The same as Google and Microsoft had it before.
    XOAuth2,
}

impl Mechanism {
    /// Its name in AUTH and AUTHENTICATE.
    pub fn name(self) -> &'static str {
        match self {
            Self::ScramSha256Plus => "SCRAM-SHA-256-PLUS",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
            Self::OAuthBearer => "OAUTHBEARER",
            Self::XOAuth2 => "XOAUTH2",
        }
    }

    /// What to try where the server refuses by this way, and another may work with the same secret.
    pub fn advice(self) -> Option<&'static str> {
        match self {
            Self::ScramSha256Plus => Some(
                "if name and password are right, this server may want another channel binding or keep no password \
                 for SCRAM: try `auth = \"scram-sha-256\"`, then \"plain\"",
            ),
            Self::ScramSha256 => Some(
                "if name and password are right, this server may keep no password for SCRAM: try `auth = \"plain\"`",
            ),
            Self::OAuthBearer => Some("if the token is right: try `auth = \"xoauth2\"`"),
            Self::Plain | Self::Login | Self::XOAuth2 => None,
        }
    }
}

/// Chooses a mechanism: what the config says, else the best of what the server `offered` (names
/// in any case). By itself it takes a token's ways for a token and never for a password. A binding
/// to the channel is added by [`Exchange::bind`].
///
/// `None` where the config says not to sign in. A fault where the server does not offer what it takes.
pub fn choose(auth: Auth, token: bool, offered: &[&str], host: &str) -> Result<Option<Mechanism>, Fault> {
    let wanted: &[Mechanism] = match auth {
        Auth::None => return Ok(None),
        Auth::ScramSha256 => &[Mechanism::ScramSha256],
        Auth::Plain => &[Mechanism::Plain],
        Auth::Login => &[Mechanism::Login],
        Auth::OAuthBearer => &[Mechanism::OAuthBearer],
        Auth::XOAuth2 => &[Mechanism::XOAuth2],
        Auth::Auto if token => &[Mechanism::OAuthBearer, Mechanism::XOAuth2],
        Auth::Auto => &[Mechanism::ScramSha256, Mechanism::Plain, Mechanism::Login],
    };
    let on_offer = |mechanism: &Mechanism| offered.iter().any(|name| name.eq_ignore_ascii_case(mechanism.name()));
    if let Some(mechanism) = wanted.iter().copied().find(on_offer) {
        return Ok(Some(mechanism));
    }
    let names: Vec<&str> = wanted.iter().map(|mechanism| mechanism.name()).collect();
    let offers = if offered.is_empty() { "nothing".to_owned() } else { offered.join(", ") };
    Err(Fault::new(Doing::SigningIn, host, Cause::NotOffered)
        .again(Again::AfterUser)
        .detail(&format!("it does not offer {}, but {offers}", names.join(" or "))))
}

/// One sign-in: what to say first, what to answer to each challenge, and whether the server may be
/// believed in the end ([`Exchange::finish`]). Nothing here is base64; [`encode`] makes it so for the
/// wire.
#[derive(Debug)]
pub struct Exchange<'a> {
    mechanism: Mechanism,
    user: &'a str,
    secret: &'a Secret,
    scram: Option<Scram>,
    answered: usize,
    /// What the server gave as the reason for its refusal.
    reason: Option<Clean>,
    /// Why this side goes no further.
    objection: Option<&'static str>,
}

impl<'a> Exchange<'a> {
    /// Prepares a sign-in. A fault where name or password hold a NUL, which PLAIN cannot carry,
    /// or a control character, which would end a field of a token's mechanism.
    pub fn new(mechanism: Mechanism, user: &'a str, secret: &'a Secret) -> Result<Self, Fault> {
        let illegal = |text: &str| match mechanism {
            Mechanism::Plain | Mechanism::Login | Mechanism::ScramSha256 | Mechanism::ScramSha256Plus => {
                text.contains('\0')
            }
            Mechanism::OAuthBearer | Mechanism::XOAuth2 => text.contains(|c: char| c.is_control()),
        };
        if illegal(user) || illegal(secret.expose()) {
            return Err(Fault::new(Doing::SigningIn, user, Cause::Config)
                .again(Again::AfterUser)
                .detail("the name or the secret holds a control character"));
        }
        let exchange = Self { mechanism, user, secret, scram: None, answered: 0, reason: None, objection: None };
        exchange.scramming(Bound::No)
    }

    fn scramming(mut self, bound: Bound) -> Result<Self, Fault> {
        self.scram = match self.mechanism {
            Mechanism::ScramSha256 | Mechanism::ScramSha256Plus => Some(
                Scram::new(self.user, bound)
                    .ok_or_else(|| Fault::new(Doing::SigningIn, self.user, Cause::Other).detail("no random numbers"))?,
            ),
            Mechanism::Plain | Mechanism::Login | Mechanism::OAuthBearer | Mechanism::XOAuth2 => None,
        };
        Ok(self)
    }

    /// Ties the sign-in to the TLS connection, where the mechanism and the server can: SCRAM-SHA-256
    /// becomes SCRAM-SHA-256-PLUS, or says that it would have, which shows an offer that somebody took
    /// away. A config that asks for SCRAM-SHA-256 itself is taken at its word by not calling this.
    pub fn bind(mut self, binding: Option<Binding>, offered: &[&str]) -> Result<Self, Fault> {
        if self.mechanism != Mechanism::ScramSha256 {
            return Ok(self);
        }
        let plus = Mechanism::ScramSha256Plus;
        match binding {
            None => Ok(self),
            Some(binding) if offered.iter().any(|name| name.eq_ignore_ascii_case(plus.name())) => {
                self.mechanism = plus;
                self.scramming(Bound::To(binding))
            }
            Some(_) => self.scramming(Bound::NotOffered),
        }
    }

    /// The mechanism.
    pub fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    /// What can be said at once, before the server asks (SASL-IR; RFC 4954 §4): all but LOGIN.
    pub fn initial(&mut self) -> Option<Secret> {
        (self.mechanism != Mechanism::Login).then(|| self.answer(b""))
    }

    /// What to answer to a challenge, decoded. To one more than there can be, and once there is an
    /// [objection](Self::objection): an empty line, upon which the server says its refusal.
    pub fn answer(&mut self, challenge: &[u8]) -> Secret {
        let turn = self.answered;
        self.answered = self.answered.saturating_add(1);
        let (user, secret) = (self.user, self.secret);
        match (self.mechanism, turn) {
            (Mechanism::Plain, 0) => join(&["\0", user, "\0", secret.expose()]),
            (Mechanism::Login, 0) => join(&[user]),
            (Mechanism::Login, 1) => join(&[secret.expose()]),
            (Mechanism::XOAuth2, 0) => join(&["user=", user, "\u{1}auth=Bearer ", secret.expose(), "\u{1}\u{1}"]),
            (Mechanism::OAuthBearer, 0) => {
                let name = user.replace('=', "=3D").replace(',', "=2C");
                join(&["n,a=", &name, ",\u{1}auth=Bearer ", secret.expose(), "\u{1}\u{1}"])
            }
            (Mechanism::XOAuth2, _) => {
                self.reason = Some(token_refusal(challenge));
                Secret::new(String::new())
            }
            (Mechanism::OAuthBearer, _) => {
                self.reason = Some(token_refusal(challenge));
                // RFC 7628 §3.2.3: a refusal is answered by this one byte.
                Secret::new("\u{1}".to_owned())
            }
            (Mechanism::ScramSha256 | Mechanism::ScramSha256Plus, turn) => self.scram_answer(turn, challenge),
            (Mechanism::Plain | Mechanism::Login, _) => Secret::new(String::new()),
        }
    }

    fn scram_answer(&mut self, turn: usize, challenge: &[u8]) -> Secret {
        let silent = || Secret::new(String::new());
        let Some(scram) = self.scram.as_mut().filter(|_| self.objection.is_none()) else { return silent() };
        let said = match turn {
            0 => Ok(Secret::new(scram.first())),
            1 => scram.prove(challenge, self.secret).map(Secret::new),
            2 => scram.verify(challenge).map(|()| silent()),
            _ => Err(Problem::Untrue("it asks more often than the mechanism has answers")),
        };
        said.unwrap_or_else(|problem| {
            match problem {
                Problem::Refused(words) => self.reason = Some(words),
                Problem::Untrue(why) => self.objection = Some(why),
            }
            silent()
        })
    }

    /// Why the server refused, where it said so before its NO.
    pub fn reason(&self) -> Option<&Clean> {
        self.reason.as_ref()
    }

    /// Why this side goes no further, whatever the server says next: then the exchange is best
    /// cancelled by a `*`.
    pub fn objection(&self, host: &str) -> Option<Fault> {
        let why = self.objection?;
        Some(Fault::new(Doing::SigningIn, host, Cause::Protocol).again(Again::AfterUser).detail(why))
    }

    /// To be called when the server says that we are in: may it be believed? With SCRAM only a server
    /// that has proven that it knows the password.
    pub fn finish(&self, host: &str) -> Result<(), Fault> {
        if let Some(fault) = self.objection(host) {
            return Err(fault);
        }
        if self.scram.as_ref().is_some_and(|scram| !scram.is_proven()) {
            return Err(Fault::new(Doing::SigningIn, host, Cause::Protocol)
                .again(Again::AfterUser)
                .detail("it lets us in without proving that it knows the password; is it an impostor?"));
        }
        Ok(())
    }
}

/// Joins without leaving a copy behind in memory that was outgrown.
fn join(parts: &[&str]) -> Secret {
    let mut whole = String::with_capacity(parts.iter().map(|part| part.len()).sum());
    for part in parts {
        whole.push_str(part);
    }
    Secret::new(whole)
}

/// Encodes an answer for the wire.
pub fn encode(answer: &Secret) -> Secret {
    Secret::new(STANDARD.encode(answer.expose()))
}

/// Decodes a challenge from the wire. Some servers send LOGIN's in plain: what is no base64 is
/// taken as it stands, since nothing but its turn is looked at.
pub fn decode(challenge: &str) -> Vec<u8> {
    let trimmed = challenge.trim();
    STANDARD.decode(trimmed).unwrap_or_else(|_| trimmed.as_bytes().to_vec())
}

/// Reads the challenge by which a token is refused (RFC 7628 §3.2.2): JSON with `status`, `scope` and,
/// with OAUTHBEARER, `openid-configuration`, which is no business of a program that makes no tokens.
fn token_refusal(challenge: &[u8]) -> Clean {
    const LONGEST: usize = 300;
    let head = challenge.get(..LONGEST.min(challenge.len())).unwrap_or_default();
    let Ok(serde_json::Value::Object(fields)) = serde_json::from_slice(head) else {
        return Clean::bytes(head);
    };
    let word = |name: &str| match fields.get(name) {
        Some(serde_json::Value::String(text)) => text.clone(),
        Some(serde_json::Value::Number(number)) => number.to_string(),
        _ => String::new(),
    };
    let (status, scope) = (word("status"), word("scope"));
    let meaning = match status.as_str() {
        "400" | "401" | "invalid_token" => "the token is not valid or has expired",
        "403" => "the token does not allow this",
        _ => "the token was refused",
    };
    let status = if status.is_empty() { status } else { format!(" (status {status})") };
    let scope = if scope.is_empty() { scope } else { format!("; wanted scope: {scope}") };
    Clean::line(&format!("{meaning}{status}{scope}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_challenges_are_answered_and_any_reason_is_harmless(
            mechanism in prop::sample::select(vec![
                Mechanism::ScramSha256, Mechanism::Plain, Mechanism::Login, Mechanism::OAuthBearer, Mechanism::XOAuth2,
            ]),
            challenges in prop::collection::vec(
                prop_oneof![
                    any::<Vec<u8>>(),
                    "e=.{0,40}".prop_map(String::into_bytes),
                    "r=.{0,40},s=[A-Za-z0-9+/=]{0,8},i=[0-9]{1,4}".prop_map(String::into_bytes),
                    "v=.{0,60}".prop_map(String::into_bytes),
                    "\\{\"status\":\".{0,20}\",\"scope\":\".{0,400}\"\\}".prop_map(String::into_bytes),
                ],
                0..5,
            ),
        ) {
            let password = secret("correct horse");
            let mut exchange = Exchange::new(mechanism, "tim", &password).unwrap();
            exchange.initial();
            for challenge in challenges {
                let _ = exchange.answer(&decode(&String::from_utf8_lossy(&challenge)));
                let _ = exchange.answer(&challenge);
            }
            let reason = exchange.reason().map_or("", Clean::as_str);
            prop_assert!(reason.len() < 2000 && !reason.contains(char::is_control), "{:?}", reason);
            prop_assert!(!reason.contains("correct horse"));
            let finished = exchange.finish("host");
            prop_assert_eq!(finished.is_err(), mechanism == Mechanism::ScramSha256, "nobody proved anything");
        }
    }

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    #[test]
    fn plain_is_that_of_the_rfc() {
        let password = secret("tanstaaftanstaaf");
        let mut exchange = Exchange::new(Mechanism::Plain, "tim", &password).unwrap();
        let initial = exchange.initial().unwrap();
        assert_eq!(initial.expose(), "\0tim\0tanstaaftanstaaf");
        assert_eq!(encode(&initial).expose(), "AHRpbQB0YW5zdGFhZnRhbnN0YWFm");
        assert_eq!(exchange.answer(b"more?").expose(), "");
    }

    #[test]
    fn login_answers_by_turn_whatever_the_questions_say() {
        let password = secret("pä55");
        let mut exchange = Exchange::new(Mechanism::Login, "ada", &password).unwrap();
        assert!(exchange.initial().is_none());
        assert_eq!(exchange.answer(&decode("VXNlcm5hbWU6")).expose(), "ada");
        assert_eq!(exchange.answer(&decode("Password:")).expose(), "pä55");
        assert_eq!(exchange.answer(b"again?").expose(), "");
    }

    #[test]
    fn xoauth2_is_that_of_its_makers() {
        let token = secret("ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg");
        let mut exchange = Exchange::new(Mechanism::XOAuth2, "someuser@example.com", &token).unwrap();
        assert_eq!(
            encode(&exchange.initial().unwrap()).expose(),
            "dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNSbGNrQmhkSFJoZG1semRHRXVZMjl0Q2cBAQ=="
        );
        let refusal = br#"{"status":"401","schemes":"bearer mac","scope":"https://mail.google.com/"}"#;
        assert_eq!(exchange.answer(refusal).expose(), "");
        assert_eq!(
            exchange.reason().unwrap().as_str(),
            "the token is not valid or has expired (status 401); wanted scope: https://mail.google.com/"
        );
    }

    #[test]
    fn oauthbearer_is_that_of_rfc_7628() {
        let token = secret("vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==");
        let mut exchange = Exchange::new(Mechanism::OAuthBearer, "us,er@example.com", &token).unwrap();
        let initial = exchange.initial().unwrap();
        let expected = "n,a=us=2Cer@example.com,\u{1}auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\u{1}\u{1}";
        assert_eq!(initial.expose(), expected);
        let refusal = br#"{"status":"invalid_token","scope":"mail","openid-configuration":"https://e.example/c"}"#;
        assert_eq!(exchange.answer(refusal).expose(), "\u{1}");
        assert!(exchange.reason().unwrap().as_str().starts_with("the token is not valid or has expired"));
        assert!(exchange.objection("mx").is_none());
    }

    #[test]
    fn a_server_is_believed_only_when_it_has_proven_itself() {
        let password = secret("pencil");
        let mut exchange = Exchange::new(Mechanism::ScramSha256, "user", &password).unwrap();
        assert!(exchange.initial().unwrap().expose().starts_with("n,,n=user,r="));
        assert!(exchange.finish("mx").unwrap_err().to_string().contains("impostor"));
        assert!(exchange.objection("mx").is_none(), "it may still prove itself");
        assert_eq!(exchange.answer(b"r=not-ours,s=QQ==,i=4096").expose(), "");
        let fault = exchange.objection("mx").unwrap();
        assert_eq!((fault.cause, fault.again), (Cause::Protocol, Again::AfterUser));
        // No later words make it good, and nothing more is said.
        assert_eq!(exchange.answer(b"v=AAAA").expose(), "");
        assert_eq!(exchange.finish("mx"), Err(fault));

        let mut exchange = Exchange::new(Mechanism::ScramSha256, "user", &password).unwrap();
        exchange.initial().unwrap();
        assert_eq!(exchange.answer(b"e=other-error").expose(), "");
        assert_eq!(exchange.reason().unwrap().as_str(), "other-error");
        assert!(exchange.objection("mx").is_none() && exchange.finish("mx").is_err());
    }

    #[test]
    fn a_binding_is_used_where_it_is_offered_and_missed_where_not() {
        let password = secret("pencil");
        let begun = |mechanism, bound: bool, offered: &[&str]| {
            let binding = bound.then(|| Binding { name: "tls-exporter", data: vec![7; 32] });
            let mut exchange = Exchange::new(mechanism, "user", &password).unwrap().bind(binding, offered).unwrap();
            (exchange.mechanism(), exchange.initial().map(|first| first.expose().chars().take(3).collect::<String>()))
        };
        let (plain, plus) = (Mechanism::ScramSha256, Mechanism::ScramSha256Plus);
        assert_eq!(begun(plain, true, &["scram-sha-256-plus"]), (plus, Some("p=t".to_owned())));
        assert_eq!(begun(plain, true, &["SCRAM-SHA-256"]), (plain, Some("y,,".to_owned())));
        assert_eq!(begun(plain, false, &["SCRAM-SHA-256-PLUS"]), (plain, Some("n,,".to_owned())));
        assert_eq!(begun(Mechanism::Plain, true, &["SCRAM-SHA-256-PLUS"]).0, Mechanism::Plain);
    }

    #[test]
    fn a_refusal_that_is_no_json_is_shown_clean() {
        assert_eq!(token_refusal(b"no \x1b[31m way").as_str(), "no \u{241b}[31m way");
        assert_eq!(token_refusal(b"[1]").as_str(), "[1]");
        assert_eq!(token_refusal(&[b'{'; 5000]).as_str().len(), 300);
        assert_eq!(token_refusal(br#"{"status":400}"#).as_str(), "the token is not valid or has expired (status 400)");
    }

    #[test]
    fn what_would_break_out_of_its_field_is_refused() {
        assert!(Exchange::new(Mechanism::Plain, "a\0b", &secret("x")).is_err());
        assert!(Exchange::new(Mechanism::Plain, "a", &secret("x\0y")).is_err());
        assert!(Exchange::new(Mechanism::XOAuth2, "a\u{1}auth=Bearer other", &secret("x")).is_err());
    }

    #[test]
    fn the_choice() {
        /// Told, is it a token, on offer, chosen (`Err`: none of these).
        type Row = (Auth, bool, &'static [&'static str], Result<Option<Mechanism>, ()>);
        let table: &[Row] = &[
            (Auth::Auto, false, &["LOGIN", "plain"], Ok(Some(Mechanism::Plain))),
            (Auth::Auto, false, &["LOGIN", "CRAM-MD5"], Ok(Some(Mechanism::Login))),
            (Auth::Auto, false, &["XOAUTH2"], Err(())),
            (Auth::Auto, false, &["PLAIN", "SCRAM-SHA-1", "scram-sha-256"], Ok(Some(Mechanism::ScramSha256))),
            (Auth::Auto, false, &["SCRAM-SHA-1"], Err(())),
            (Auth::ScramSha256, false, &["PLAIN"], Err(())),
            (Auth::Auto, true, &["XOAUTH2", "OAUTHBEARER"], Ok(Some(Mechanism::OAuthBearer))),
            (Auth::XOAuth2, true, &["XOAUTH2", "OAUTHBEARER"], Ok(Some(Mechanism::XOAuth2))),
            (Auth::Auto, true, &["PLAIN", "XOAUTH2"], Ok(Some(Mechanism::XOAuth2))),
            (Auth::Auto, true, &["PLAIN"], Err(())),
            (Auth::Login, false, &["PLAIN", "LOGIN"], Ok(Some(Mechanism::Login))),
            (Auth::Plain, false, &[], Err(())),
            (Auth::None, false, &["PLAIN"], Ok(None)),
        ];
        for (auth, token, offered, expected) in table {
            assert_eq!(choose(*auth, *token, offered, "mx").map_err(drop), *expected, "{auth:?} {token} {offered:?}");
        }
        let fault = choose(Auth::Auto, false, &["GSSAPI"], "mx").unwrap_err();
        assert_eq!(fault.cause, Cause::NotOffered);
        assert_eq!(
            fault.to_string(),
            "cannot sign in to mx: it does not offer SCRAM-SHA-256 or PLAIN or LOGIN, but GSSAPI"
        );
    }
}
