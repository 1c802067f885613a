//! Signing in to a submission server (AUTH, RFC 4954): by the best of what it offers, and where it offers SCRAM and
//! refuses it, inside TLS once by the password itself (`login::working`). No secret is in any line that the observer
//! gets, and no copy of one stays in memory.

use zeroize::Zeroizing;

use super::{Live, Smtp, Trouble, shown};
use crate::config::{Auth, Server};
use crate::fault::{Again, Cause, Doing, Fault};
use crate::login::sasl::{self, Exchange, Mechanism};
use crate::login::secret::Secret;
use crate::login::working;
use crate::mail::clean::Clean;
use crate::outbox::policy::{Outcome, Reply};
use crate::outbox::submit::Observer;

/// How many challenges a sign-in may take.
const CHALLENGES: usize = 4;

/// Why an attempt came to nothing.
struct Refusal {
    outcome: Outcome,
    /// The mechanism, where the server refused it or what was shown by it; it may know another one.
    by: Option<Mechanism>,
}

impl Refusal {
    fn new(fault: Fault) -> Self {
        Self { outcome: Outcome::SignIn(fault, None), by: None }
    }
}

impl Smtp {
    /// Signs in as the config demands; where it demands nothing, nothing is said.
    pub(super) async fn sign_in(&self, live: &mut Live, observer: &mut dyn Observer) -> Result<(), Outcome> {
        let server = &self.server;
        let offers = live.offers.auth.clone();
        let offered: Vec<&str> = offers.iter().map(String::as_str).collect();
        let mechanism = sasl::choose(server.auth, self.source.is_token(), &offered, &server.host);
        let Some(mechanism) = mechanism.map_err(Outcome::Insecure)? else { return Ok(()) };
        let secret = self.secret().map_err(|fault| match fault.again {
            Again::Later => Outcome::Broken(fault),
            _ => Outcome::SignIn(fault, None),
        })?;
        let known = working::recall(server, &offered);
        let first = known.unwrap_or(mechanism);
        let Err(refusal) = live.try_by(first, &secret, server, &offered, observer).await else { return Ok(()) };
        if known.is_some() {
            working::forget(server);
        }
        let next = refusal.by.and_then(|refused| working::instead(server, refused, &offered));
        let Some(next) = next else { return Err(refusal.outcome) };
        tracing::info!("{}: {} is refused; {} is tried", server.host, first.name(), next.name());
        live.try_by(next, &secret, server, &offered, observer).await.map_err(|refusal| refusal.outcome)?;
        working::remember(server, next);
        Ok(())
    }
}

impl Live {
    /// Signs in by one mechanism.
    async fn try_by(
        &mut self,
        mechanism: Mechanism,
        secret: &Secret,
        server: &Server,
        offered: &[&str],
        observer: &mut dyn Observer,
    ) -> Result<(), Refusal> {
        let mut exchange = Exchange::new(mechanism, &server.user, secret)
            .and_then(|exchange| match server.auth {
                Auth::Auto => exchange.bind(self.binding.clone(), offered),
                _ => Ok(exchange),
            })
            .map_err(Refusal::new)?;
        let name = exchange.mechanism().name();
        observer.line(Clean::line(&format!("C: AUTH {name} ***")));
        let first = match exchange.initial() {
            Some(initial) => format!("AUTH {name} {}\r\n", sasl::encode(&initial).expose()),
            None => format!("AUTH {name}\r\n"),
        };
        let mut said = Zeroizing::new(first);
        for _ in 0..CHALLENGES {
            let response = match self.ask(said.as_str(), server).await {
                Ok(response) => response,
                Err(Trouble::Broken(fault)) => return Err(Refusal { outcome: Outcome::Broken(fault), by: None }),
                Err(Trouble::Reply(reply)) => {
                    observer.line(Clean::line(&format!("S: {}", reply.line())));
                    return Err(match exchange.objection(&server.host) {
                        Some(fault) => Refusal::new(fault),
                        None => refused(server, reply, &exchange),
                    });
                }
            };
            if !response.has_code(334) {
                observer.line(shown(&response));
                self.mechanism = Some(name);
                return exchange.finish(&server.host).map_err(Refusal::new);
            }
            observer.line(Clean::line("S: 334 ***"));
            let challenge = sasl::decode(response.first_line().unwrap_or_default());
            let answer = sasl::encode(&exchange.answer(&challenge));
            if exchange.objection(&server.host).is_some() {
                observer.line(Clean::line("C: *"));
                said = Zeroizing::new("*\r\n".to_owned());
                continue;
            }
            observer.line(Clean::line("C: ***"));
            said = Zeroizing::new(format!("{}\r\n", answer.expose()));
        }
        let fault = Fault::new(Doing::SigningIn, &server.host, Cause::Protocol).again(Again::AfterUser);
        let fault = fault.detail("it asks more often than the mechanism has answers");
        Err(Refusal { outcome: Outcome::Insecure(fault), by: None })
    }
}

/// Does this code refuse the way to sign in, or what was shown by it (RFC 4954 §4, §6)? Servers use each of them
/// for a mechanism that they offer and cannot do: not known (504), too weak (534), name or password wrong (535).
fn is_of_the_way(code: u16) -> bool {
    matches!(code, 504 | 534 | 535)
}

fn refused(server: &Server, reply: Reply, exchange: &Exchange<'_>) -> Refusal {
    let why = exchange
        .reason()
        .map_or_else(|| reply.line().as_str().to_owned(), |reason| format!("{} ({reason})", reply.line()));
    let fault = |cause| Fault::new(Doing::SigningIn, &server.host, cause);
    if reply.code == 421 {
        return Refusal { outcome: Outcome::Broken(fault(Cause::RefusedForNow).detail(&why)), by: None };
    }
    if reply.code / 100 == 4 {
        let fault = fault(Cause::RefusedForNow).detail(&why);
        return Refusal { outcome: Outcome::SignIn(fault, Some(reply)), by: None };
    }
    let by = is_of_the_way(reply.code).then(|| exchange.mechanism());
    let why = exchange.mechanism().advice().map_or_else(|| why.clone(), |advice| format!("{why}; {advice}"));
    let fault = fault(Cause::SignInRefused).again(Again::AfterUser).detail(&why);
    Refusal { outcome: Outcome::SignIn(fault, Some(reply)), by }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_way_is_tried_only_where_this_one_was_refused() {
        let of_the_way: Vec<u16> = (400..600).filter(|code| is_of_the_way(*code)).collect();
        assert_eq!(of_the_way, [504, 534, 535]);
    }
}
