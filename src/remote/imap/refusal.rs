//! What a refusal at the door means (RFC 5530 §3): who must do something, and what. Where a server
//! gives no code its words are looked at, since "too many connections" answers to a right password
//! too, and to ask for another one would be wrong.

use crate::fault::{Again, Cause};

use super::replies::{Code, Status};

/// What a refused sign-in is told as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) cause: Cause,
    pub(super) again: Again,
    /// What to do, where more can be said than for any fault of that cause.
    pub(super) advice: Option<&'static str>,
}

/// Words by which servers say that there are too many of us, or that they are busy.
const BUSY: [&str; 10] = [
    "too many simultaneous",
    "too many connections",
    "too many sessions",
    "maximum number of connections",
    "connection limit",
    "exceeded command or bandwidth limits",
    "rate limit",
    "temporary authentication failure",
    "server busy",
    "try again later",
];

/// Reads the NO (or BAD) to a sign-in.
pub(super) fn at_the_door(status: &Status) -> Verdict {
    let refused = |advice| Verdict { cause: Cause::SignInRefused, again: Again::AfterUser, advice };
    let later = |advice| Verdict { cause: Cause::RefusedForNow, again: Again::Later, advice };
    match &status.code {
        Some(Code::Other(name)) => match name.as_str() {
            "UNAVAILABLE" => later(None),
            "INUSE" | "LIMIT" => later(Some("it is tried again; other mail programs may hold connections too")),
            "AUTHENTICATIONFAILED" => refused(None),
            "AUTHORIZATIONFAILED" => refused(Some("the password is right, but `user` may not use this mailbox")),
            "EXPIRED" => refused(Some("the password has expired: set a new one with the provider")),
            "PRIVACYREQUIRED" => {
                let advice = Some("set `tls` to \"implicit\" or \"starttls\"");
                Verdict { cause: Cause::NotOffered, again: Again::AfterUser, advice }
            }
            "CONTACTADMIN" => {
                let advice = Some("ask who runs the server");
                Verdict { cause: Cause::Refused, again: Again::AfterUser, advice }
            }
            _ => by_words(status).unwrap_or_else(|| refused(None)),
        },
        _ => by_words(status).unwrap_or_else(|| refused(None)),
    }
}

fn by_words(status: &Status) -> Option<Verdict> {
    let words = status.text.as_str().to_ascii_lowercase();
    BUSY.iter().any(|busy| words.contains(busy)).then_some(Verdict {
        cause: Cause::RefusedForNow,
        again: Again::Later,
        advice: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remote::imap::replies::{Kind, kind};
    use crate::remote::imap::tokens::Response;

    #[test]
    fn each_code_says_who_must_act() {
        let table = [
            ("[AUTHENTICATIONFAILED] Invalid credentials", Cause::SignInRefused, Again::AfterUser),
            ("[AUTHORIZATIONFAILED] no such authorization-ID", Cause::SignInRefused, Again::AfterUser),
            ("[EXPIRED] That password isn't valid any more", Cause::SignInRefused, Again::AfterUser),
            ("[UNAVAILABLE] User's backend down for maintenance", Cause::RefusedForNow, Again::Later),
            ("[INUSE] Mailbox in use", Cause::RefusedForNow, Again::Later),
            ("[LIMIT] Too many", Cause::RefusedForNow, Again::Later),
            ("[CONTACTADMIN] Locked", Cause::Refused, Again::AfterUser),
            ("[PRIVACYREQUIRED] Connection offers no privacy", Cause::NotOffered, Again::AfterUser),
            ("[ALERT] Too many simultaneous connections. (Failure)", Cause::RefusedForNow, Again::Later),
            ("[ALERT] Account exceeded command or bandwidth limits.", Cause::RefusedForNow, Again::Later),
            ("Temporary authentication failure. [host:2026]", Cause::RefusedForNow, Again::Later),
            ("[ALERT] Application-specific password required", Cause::SignInRefused, Again::AfterUser),
            ("LOGIN failed.", Cause::SignInRefused, Again::AfterUser),
            ("", Cause::SignInRefused, Again::AfterUser),
        ];
        for (words, cause, again) in table {
            let Kind::Status(status) = kind(&Response::of(format!("* NO {words}").as_bytes())) else {
                panic!("{words}: no status")
            };
            let verdict = at_the_door(&status);
            assert_eq!((verdict.cause, verdict.again), (cause, again), "{words}");
        }
    }
}
