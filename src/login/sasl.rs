//! What is said to sign in: PLAIN (RFC 4616), LOGIN (draft-murchison-sasl-login) and XOAUTH2, and
//! which of them to take. Says nothing itself: IMAP and SMTP carry the words. All three show the
//! secret to the other end, so they belong inside TLS (or on this machine).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::secret::Secret;
use crate::config::Auth;
use crate::fault::{Again, Cause, Doing, Fault};
use crate::mail::clean::Clean;

/// A way to sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// RFC 4616: name and password in one line.
    Plain,
    /// Name and password, one question each.
    Login,
    /// A bearer token of OAuth2, as Google and Microsoft want it.
    XOAuth2,
}

impl Mechanism {
    /// Its name in AUTH and AUTHENTICATE.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
            Self::XOAuth2 => "XOAUTH2",
        }
    }
}

/// Chooses a mechanism: what the config says, else the best of what the server `offered` (names
/// in any case). By itself it takes XOAUTH2 for a token and never for a password.
///
/// `None` where the config says not to sign in. A fault where the server does not offer what it takes.
pub fn choose(auth: Auth, token: bool, offered: &[&str], host: &str) -> Result<Option<Mechanism>, Fault> {
    let wanted: &[Mechanism] = match auth {
        Auth::None => return Ok(None),
        Auth::Plain => &[Mechanism::Plain],
        Auth::Login => &[Mechanism::Login],
        Auth::XOAuth2 => &[Mechanism::XOAuth2],
        Auth::Auto if token => &[Mechanism::XOAuth2],
        Auth::Auto => &[Mechanism::Plain, Mechanism::Login],
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

/// One sign-in: what to say first, and what to answer to each challenge. Nothing here is base64;
/// [`encode`] makes it so for the wire.
#[derive(Debug)]
pub struct Exchange<'a> {
    mechanism: Mechanism,
    user: &'a str,
    secret: &'a Secret,
    answered: usize,
    /// What the server gave as the reason for its refusal (XOAUTH2).
    reason: Option<Clean>,
}

impl<'a> Exchange<'a> {
    /// Prepares a sign-in. A fault where name or password hold a NUL, which PLAIN cannot carry,
    /// or a control character, which would end a field of XOAUTH2.
    pub fn new(mechanism: Mechanism, user: &'a str, secret: &'a Secret) -> Result<Self, Fault> {
        let illegal = |text: &str| match mechanism {
            Mechanism::Plain | Mechanism::Login => text.contains('\0'),
            Mechanism::XOAuth2 => text.contains(|c: char| c.is_control()),
        };
        if illegal(user) || illegal(secret.expose()) {
            return Err(Fault::new(Doing::SigningIn, user, Cause::Config)
                .again(Again::AfterUser)
                .detail("the name or the secret holds a control character"));
        }
        Ok(Self { mechanism, user, secret, answered: 0, reason: None })
    }

    /// The mechanism.
    pub fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    /// What can be said at once, before the server asks (SASL-IR; RFC 4954 §4): all but LOGIN.
    pub fn initial(&mut self) -> Option<Secret> {
        match self.mechanism {
            Mechanism::Plain | Mechanism::XOAuth2 => Some(self.answer(b"")),
            Mechanism::Login => None,
        }
    }

    /// What to answer to a challenge, decoded. To one more than there can be: an empty line, upon
    /// which the server says its refusal.
    pub fn answer(&mut self, challenge: &[u8]) -> Secret {
        let turn = self.answered;
        self.answered = self.answered.saturating_add(1);
        match (self.mechanism, turn) {
            (Mechanism::Plain, 0) => join(&["\0", self.user, "\0", self.secret.expose()]),
            (Mechanism::Login, 0) => join(&[self.user]),
            (Mechanism::Login, 1) => join(&[self.secret.expose()]),
            (Mechanism::XOAuth2, 0) => {
                join(&["user=", self.user, "\u{1}auth=Bearer ", self.secret.expose(), "\u{1}\u{1}"])
            }
            (Mechanism::XOAuth2, _) => {
                self.reason = Some(xoauth2_reason(challenge));
                Secret::new(String::new())
            }
            (Mechanism::Plain | Mechanism::Login, _) => Secret::new(String::new()),
        }
    }

    /// Why the server refused a token, where it said so before its NO.
    pub fn reason(&self) -> Option<&Clean> {
        self.reason.as_ref()
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

/// Reads the challenge by which XOAUTH2 refuses: JSON with `status`, `schemes` and `scope`.
pub fn xoauth2_reason(challenge: &[u8]) -> Clean {
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
    fn a_refusal_that_is_no_json_is_shown_clean() {
        assert_eq!(xoauth2_reason(b"no \x1b[31m way").as_str(), "no \u{241b}[31m way");
        assert_eq!(xoauth2_reason(b"[1]").as_str(), "[1]");
        assert_eq!(xoauth2_reason(&[b'{'; 5000]).as_str().len(), 300);
        assert_eq!(xoauth2_reason(br#"{"status":400}"#).as_str(), "the token is not valid or has expired (status 400)");
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
        assert_eq!(fault.to_string(), "cannot sign in to mx: it does not offer PLAIN or LOGIN, but GSSAPI");
    }
}
