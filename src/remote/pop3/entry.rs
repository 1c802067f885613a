//! From a POP3 server of the config to a signed-in connection: greeting, TLS (RFC 2595, RFC 8314), capabilities,
//! sign-in. Nothing that was said before TLS is used after it, and no credential leaves before the connection is
//! what the config demands.

use crate::config::{Auth, Pop3, PopSignIn, Server, Tls};
use crate::fault::{Again, Cause, Doing, Fault};
use crate::login::binding;
use crate::login::sasl::{self, Exchange, Mechanism, choose};
use crate::login::secret::Secret;
use crate::login::working;

use super::apop;
use super::protocol::{Answer, Capabilities, Code, Status, stamp};
use super::wire::Wire;
use crate::remote::limits::Trouble;
use crate::remote::link::Link;

/// How many capabilities a server may have.
const CAPABILITIES: usize = 500;
/// How many challenges a sign-in may take.
const CHALLENGES: usize = 10;
/// The longest line that a server must take (RFC 5034 §4), without its end.
const LONGEST: usize = 253;

/// A connection that is signed in.
pub(super) struct Entered {
    pub(super) wire: Wire,
    pub(super) capabilities: Capabilities,
    pub(super) greeting: Status,
    /// How the sign-in went: the mechanism's name, `APOP`, or `USER` by the commands.
    pub(super) mechanism: &'static str,
}

/// Connects and signs in. `token`: is the secret an OAuth2 token?
pub(super) fn enter(config: &Pop3, secret: &dyn Fn() -> Result<Secret, Fault>, token: bool) -> Result<Entered, Fault> {
    let server = &config.server;
    let (mut wire, greeting) = arrive(server)?;
    let capabilities = ask_capabilities(&mut wire, server)?;
    let secret = secret()?;
    let way = SignIn { config, secret: &secret, token, capabilities: &capabilities, greeting: &greeting };
    let mechanism = way.run(&mut wire)?;
    // Some tell of themselves only to those they know.
    let all_told = ["PIPELINING", "UIDL", "TOP"].iter().all(|name| capabilities.has(name));
    let capabilities =
        if all_told || capabilities.is_empty() { capabilities } else { ask_capabilities(&mut wire, server)? };
    Ok(Entered { wire, capabilities, greeting, mechanism })
}

/// Connects, hears the greeting and makes the connection what the config demands.
fn arrive(server: &Server) -> Result<(Wire, Status), Fault> {
    let mut wire = Wire::new(Link::to(server)?, server.timeout);
    let greeting = greet(&mut wire, server)?;
    match server.tls {
        Tls::Implicit | Tls::Plain => Ok((wire, greeting)),
        Tls::StartTls => Ok((start_tls(wire, server)?, greeting)),
    }
}

fn met(doing: Doing, server: &Server) -> impl Fn(Trouble) -> Fault {
    move |trouble| trouble.explain(doing, &server.host, None)
}

fn greet(wire: &mut Wire, server: &Server) -> Result<Status, Fault> {
    let host = server.host.as_str();
    let greeting = wire.status().map_err(|trouble| match trouble {
        Trouble::Protocol(_) => Fault::new(Doing::Connecting, host, Cause::Protocol)
            .again(Again::AfterUser)
            .detail("what answers there is no POP3 server"),
        other => other.explain(Doing::Connecting, host, None),
    })?;
    match greeting.answer {
        Answer::Ok => Ok(greeting),
        Answer::Err | Answer::Challenge => Err(refused(Doing::Connecting, host, &greeting)),
    }
}

/// Agrees with the server on STLS.
fn start_tls(mut wire: Wire, server: &Server) -> Result<Wire, Fault> {
    let host = server.host.as_str();
    wire.send(b"STLS\r\n").map_err(met(Doing::Securing, server))?;
    let status = wire.status().map_err(met(Doing::Securing, server))?;
    if status.answer != Answer::Ok {
        let fault = Fault::new(Doing::Securing, host, Cause::NotOffered).again(Again::AfterUser);
        return Err(fault.detail("it offers no STLS"));
    }
    Ok(Wire::new(Link::upgraded(wire.into_link(), server)?, server.timeout))
}

/// What it can do; nothing where it does not know CAPA.
fn ask_capabilities(wire: &mut Wire, server: &Server) -> Result<Capabilities, Fault> {
    let mut capabilities = Capabilities::default();
    let mut ask = || -> Result<(), Trouble> {
        wire.send(b"CAPA\r\n")?;
        if wire.status()?.answer == Answer::Ok {
            wire.lines(CAPABILITIES, |line| capabilities.add(line))?;
        }
        Ok(())
    };
    ask().map_err(met(Doing::Connecting, server))?;
    Ok(capabilities)
}

/// The fault of a refusal, as its code tells.
pub(super) fn refused(doing: Doing, host: &str, status: &Status) -> Fault {
    let (cause, again) = match status.code {
        Some(Code::InUse) => (Cause::Busy, Again::Later),
        Some(Code::SysPerm) => (Cause::Refused, Again::AfterUser),
        Some(Code::Auth) => (Cause::SignInRefused, Again::AfterUser),
        Some(Code::LoginDelay | Code::SysTemp) | None => (Cause::RefusedForNow, Again::Later),
    };
    Fault::new(doing, host, cause).again(again).detail(status.text.as_str())
}

/// How to sign in.
enum Way {
    Apop(Vec<u8>),
    Sasl(Mechanism),
    UserPass,
}

/// All that a sign-in depends on.
struct SignIn<'a> {
    config: &'a Pop3,
    secret: &'a Secret,
    token: bool,
    capabilities: &'a Capabilities,
    greeting: &'a Status,
}

impl SignIn<'_> {
    /// Signs in; tells by what mechanism.
    fn run(&self, wire: &mut Wire) -> Result<&'static str, Fault> {
        let server = &self.config.server;
        let secret = self.secret.expose();
        if [server.user.as_str(), secret].iter().any(|text| text.contains(['\r', '\n', '\0'])) {
            let fault = Fault::new(Doing::SigningIn, &server.host, Cause::Config).again(Again::AfterUser);
            return Err(fault.detail("the name or the secret holds a line end"));
        }
        match self.way()? {
            Way::Apop(stamp) => {
                let digest = apop::answer(&stamp, secret);
                self.say(wire, &["APOP ", &server.user, " ", &digest])?;
                self.heard(wire, None).map(|()| "APOP")
            }
            Way::UserPass => {
                self.say(wire, &["USER ", &server.user])?;
                self.heard(wire, None)?;
                self.say(wire, &["PASS ", secret])?;
                self.heard(wire, None).map(|()| "USER")
            }
            Way::Sasl(mechanism) => self.by_best(wire, mechanism),
        }
    }

    fn way(&self) -> Result<Way, Fault> {
        let server = &self.config.server;
        let fault = |cause| Fault::new(Doing::SigningIn, &server.host, cause).again(Again::AfterUser);
        if self.config.sign_in == PopSignIn::Apop {
            let stamp = stamp(&self.greeting.raw).ok_or_else(|| {
                fault(Cause::NotOffered).detail("it offers no APOP: there is no time-stamp in its greeting")
            })?;
            return Ok(Way::Apop(stamp.to_vec()));
        }
        let by_name = !self.token && matches!(server.auth, Auth::Auto | Auth::Login);
        let has_user = self.capabilities.is_empty() || self.capabilities.has("USER");
        match choose(server.auth, self.token, &self.capabilities.mechanisms(), &server.host) {
            Ok(Some(mechanism)) => Ok(Way::Sasl(mechanism)),
            Ok(None) => Err(fault(Cause::Config).detail("POP3 cannot be used without signing in")),
            Err(_) if by_name && has_user => Ok(Way::UserPass),
            Err(fault) => Err(fault),
        }
    }

    /// AUTH by this mechanism, or by the one that the server lets in in its place.
    fn by_best(&self, wire: &mut Wire, mechanism: Mechanism) -> Result<&'static str, Fault> {
        let server = &self.config.server;
        let offered = self.capabilities.mechanisms();
        let known = working::recall(server, &offered);
        let first = known.unwrap_or(mechanism);
        let fault = match self.by_sasl(wire, first) {
            Ok(name) => return Ok(name),
            Err(fault) => fault,
        };
        if known.is_some() {
            working::forget(server);
        }
        let refused = fault.cause == Cause::SignInRefused;
        let Some(next) = working::instead(server, first, &offered).filter(|_| refused) else { return Err(fault) };
        tracing::info!("{}: {fault}; {} is tried", server.host, next.name());
        let name = self.by_sasl(wire, next)?;
        working::remember(server, next);
        Ok(name)
    }

    /// AUTH (RFC 5034).
    fn by_sasl(&self, wire: &mut Wire, mechanism: Mechanism) -> Result<&'static str, Fault> {
        let server = &self.config.server;
        let mut exchange = Exchange::new(mechanism, &server.user, self.secret)?;
        if server.auth == Auth::Auto {
            exchange = exchange.bind(wire.link().secured().and_then(binding::of), &self.capabilities.mechanisms())?;
        }
        let first = exchange.initial().map(|first| sasl::encode(&first));
        let name = exchange.mechanism().name();
        let mut kept = match first {
            Some(first) if "AUTH  ".len() + name.len() + first.expose().len() <= LONGEST => {
                self.say(wire, &["AUTH ", name, " ", first.expose()])?;
                None
            }
            first => {
                self.say(wire, &["AUTH ", name])?;
                first
            }
        };
        for _ in 0..CHALLENGES {
            let status = wire.status().map_err(met(Doing::SigningIn, server))?;
            if status.answer != Answer::Challenge {
                // Whatever it says then, who cannot prove what it must know is not the server.
                if let Some(fault) = exchange.objection(&server.host) {
                    return Err(fault);
                }
                let reason = exchange.reason().map(|reason| reason.as_str().to_owned());
                self.judge(&status, reason.as_deref())?;
                return exchange.finish(&server.host).map(|()| name);
            }
            let challenge = sasl::decode(&String::from_utf8_lossy(&status.raw));
            let answer = kept.take().unwrap_or_else(|| sasl::encode(&exchange.answer(&challenge)));
            let is_lost = exchange.objection(&server.host).is_some();
            self.say(wire, &[if is_lost { "*" } else { answer.expose() }])?;
        }
        Err(Fault::new(Doing::SigningIn, &server.host, Cause::Protocol).detail("it asks without end"))
    }

    fn say(&self, wire: &mut Wire, parts: &[&str]) -> Result<(), Fault> {
        wire.send_secret(parts).map_err(met(Doing::SigningIn, &self.config.server))
    }

    fn heard(&self, wire: &mut Wire, reason: Option<&str>) -> Result<(), Fault> {
        let status = wire.status().map_err(met(Doing::SigningIn, &self.config.server))?;
        self.judge(&status, reason)
    }

    /// A refusal without a code is the password's fault, but where the server would have said so (RFC 3206 §6).
    fn judge(&self, status: &Status, reason: Option<&str>) -> Result<(), Fault> {
        let host = self.config.server.host.as_str();
        if status.answer == Answer::Ok {
            return Ok(());
        }
        let fault = match status.code {
            None if !self.capabilities.has("AUTH-RESP-CODE") => {
                Fault::new(Doing::SigningIn, host, Cause::SignInRefused).again(Again::AfterUser)
            }
            _ => refused(Doing::SigningIn, host, status),
        };
        Err(fault.detail(reason.unwrap_or(status.text.as_str())))
    }
}
