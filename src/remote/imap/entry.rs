//! From a server of the config to a session: connection, greeting, TLS, capabilities, sign-in.
//! Nothing that was said before TLS is used after it, and no credential leaves before the
//! connection is what the config demands (RFC 8314; RFC 9051 §6.2.1, §11.1).

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use zeroize::Zeroizing;

use crate::config::quirk::Quirk;
use crate::config::{Auth, Server, Tls};
use crate::fault::{Again, Cause, Doing, Fault};
use crate::login::sasl::{self, Exchange, Mechanism, choose};
use crate::login::secret::Secret;
use crate::login::{binding, channel, working};
use crate::mail::clean::Clean;
use crate::mail::ids::AccountId;

use super::capability::Capabilities;
use super::extensions::labels::Labelling;
use super::extensions::preview::Preview;
use super::extensions::qresync::Resync;
use super::facts::Facts;
use super::limits::Limits;
use super::link::Link;
use super::mailboxes::Names;
use super::quirks;
use super::refusal;
use super::replies::{self, Answer, Code, Kind, Status};
use super::session::{Session, explain};
use super::tokens::Response;
use super::wire::{Mode, Port, Shared, Wire};

/// Connects and signs in. `token`: is the secret an OAuth2 token?
pub(super) fn enter(
    server: &Server,
    account: &AccountId,
    secret: &dyn Fn() -> Result<Secret, Fault>,
    token: bool,
) -> Result<Session, Fault> {
    let ours = |fault: Fault| fault.of(account);
    let (mut wire, greeting) = arrive(server).map_err(ours)?;
    // Words from before TLS can make it more careful here, and no more.
    let quirks = quirks::of(&server.host, greeting.text.as_str(), &server.quirks);
    let channel = wire.link().secured().map(channel::of);
    let mut capabilities = match (server.tls, greeting.code.clone()) {
        // What was offered before TLS is forgotten: ask again.
        (Tls::Implicit | Tls::Plain, Some(Code::Capability(names))) => Capabilities::new(names),
        _ => ask_capabilities(&mut wire, server).map_err(ours)?,
    };
    quirks::apply(&quirks, &mut capabilities);
    let secret = secret().map_err(ours)?;
    let plan = SignIn { server, secret: &secret, token, capabilities: &capabilities };
    let shared = Shared::new(wire);
    let (imap, mechanism) = plan.run(&shared).map_err(ours)?;
    drop(secret);
    let (held, answer) = {
        let mut wire = shared.lock();
        (wire.take_held(), wire.take_answer())
    };
    let fresh = capabilities_in(&held, answer.as_ref());
    let mut session = Session {
        imap,
        wire: shared,
        account: account.clone(),
        host: server.host.clone(),
        capabilities: fresh.clone().unwrap_or_default(),
        facts: Facts {
            greeting: if server.tls == Tls::StartTls { Clean::empty() } else { greeting.text },
            channel,
            mechanism,
            id: Vec::new(),
            capabilities: Vec::new(),
            quirks,
            mailboxes: Vec::new(),
            alerts: Vec::new(),
        },
        names: Names::default(),
        resync: Resync::Unasked,
        labelling: Labelling::Unasked,
        hears_all: false,
        selected: None,
        preview: Preview::default(),
        epochs: BTreeMap::new(),
        broken: false,
    };
    if fresh.is_none() {
        let reply = session.tell(Doing::SigningIn, &server.host, "CAPABILITY", Limits::USUAL)?;
        session.capabilities = capabilities_in(&reply.untagged, Some(&reply.status)).unwrap_or_default();
    }
    quirks::apply(&session.facts.quirks, &mut session.capabilities);
    if server.compress {
        session.compress()?;
    }
    if session.capabilities.id() || session.facts.quirks.contains(&Quirk::WantsId) {
        let sent = session.wire.lock().introduce();
        sent.map_err(|trouble| session.give_up(Doing::SigningIn, trouble))?;
    }
    Ok(session)
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

/// Hears the greeting: OK, or nothing comes of it.
fn greet(wire: &mut Wire, server: &Server) -> Result<Status, Fault> {
    let host = server.host.as_str();
    let fault = |cause| Fault::new(Doing::Connecting, host, cause);
    let response = wire.response().map_err(|trouble| explain(Doing::Connecting, host, trouble, None))?;
    match replies::kind(&response) {
        Kind::Status(status) => match status.answer {
            Answer::Ok => {
                wire.note(&Kind::Status(status.clone()));
                Ok(status)
            }
            Answer::PreAuth => Err(fault(Cause::Protocol)
                .again(Again::AfterUser)
                .detail("it takes us for signed in already (PREAUTH), which nobody can vouch for")),
            Answer::Bye => Err(fault(Cause::RefusedForNow).detail(status.text.as_str())),
            Answer::No | Answer::Bad => Err(fault(Cause::Protocol).detail(status.text.as_str())),
        },
        _ => Err(fault(Cause::Protocol).again(Again::AfterUser).detail("what answers there is no IMAP server")),
    }
}

/// Agrees with the server on STARTTLS.
fn start_tls(mut wire: Wire, server: &Server) -> Result<Wire, Fault> {
    let host = server.host.as_str();
    let (_, status) =
        wire.exchange("s1", "STARTTLS").map_err(|trouble| explain(Doing::Securing, host, trouble, None))?;
    if status.answer != Answer::Ok {
        let fault = Fault::new(Doing::Securing, host, Cause::NotOffered).again(Again::AfterUser);
        return Err(fault.detail("it offers no STARTTLS"));
    }
    Ok(Wire::new(Link::upgraded(wire.into_link(), server)?, server.timeout))
}

fn ask_capabilities(wire: &mut Wire, server: &Server) -> Result<Capabilities, Fault> {
    let host = server.host.as_str();
    let (untagged, status) =
        wire.exchange("c1", "CAPABILITY").map_err(|trouble| explain(Doing::Connecting, host, trouble, None))?;
    if status.answer != Answer::Ok {
        return Err(Fault::new(Doing::Connecting, host, Cause::Protocol).detail(status.text.as_str()));
    }
    Ok(capabilities_in(&untagged, Some(&status)).unwrap_or_default())
}

/// The capabilities that responses tell of, the last word first.
fn capabilities_in(untagged: &[Response], status: Option<&Status>) -> Option<Capabilities> {
    if let Some(Code::Capability(names)) = status.and_then(|status| status.code.clone()) {
        return Some(Capabilities::new(names));
    }
    untagged.iter().rev().find_map(|response| match replies::kind(response) {
        Kind::Capability => Some(Capabilities::new(replies::capability(response))),
        Kind::Status(Status { answer: Answer::Ok, code: Some(Code::Capability(names)), .. }) => {
            Some(Capabilities::new(names))
        }
        _ => None,
    })
}

/// Why an attempt to sign in came to nothing.
struct Refusal {
    fault: Fault,
    /// The mechanism by which the server refused name and password.
    by: Option<Mechanism>,
    /// The connection, where it can be gone on with.
    client: Option<imap::Client<Port>>,
}

impl From<Fault> for Box<Refusal> {
    fn from(fault: Fault) -> Self {
        Self::new(Refusal { fault, by: None, client: None })
    }
}

/// All that a sign-in depends on.
struct SignIn<'a> {
    server: &'a Server,
    secret: &'a Secret,
    token: bool,
    capabilities: &'a Capabilities,
}

impl SignIn<'_> {
    /// Signs in; tells by what mechanism.
    fn run(&self, shared: &Shared) -> Result<(imap::Session<Port>, &'static str), Fault> {
        shared.lock().begin(Limits::USUAL, Mode::SigningIn);
        let client = imap::Client::new(shared.port());
        let Some(mechanism) = self.mechanism()? else {
            return self.by_command(client, shared).map(|session| (session, "LOGIN"));
        };
        let offered = self.capabilities.mechanisms();
        let known = working::recall(self.server, &offered);
        let refusal = match self.by_sasl(client, shared, known.unwrap_or(mechanism)) {
            Ok(entered) => return Ok(entered),
            Err(refusal) => refusal,
        };
        if known.is_some() {
            working::forget(self.server);
        }
        let next = refusal.by.and_then(|refused| working::instead(self.server, refused, &offered));
        let Some((next, client)) = next.zip(refusal.client) else { return Err(refusal.fault) };
        tracing::info!("{}: {}; {} is tried", self.server.host, refusal.fault, next.name());
        shared.lock().begin(Limits::USUAL, Mode::SigningIn);
        let entered = self.by_sasl(client, shared, next).map_err(|refusal| refusal.fault)?;
        working::remember(self.server, next);
        Ok(entered)
    }

    /// Signs in by one mechanism.
    fn by_sasl(
        &self,
        client: imap::Client<Port>,
        shared: &Shared,
        mechanism: Mechanism,
    ) -> Result<(imap::Session<Port>, &'static str), Box<Refusal>> {
        let host = self.server.host.as_str();
        let mut exchange = Exchange::new(mechanism, &self.server.user, self.secret)?;
        if self.server.auth == Auth::Auto {
            let binding = shared.lock().link().secured().and_then(binding::of);
            exchange = exchange.bind(binding, &self.capabilities.mechanisms())?;
        }
        let mechanism = exchange.mechanism();
        let talk = Talk(RefCell::new(exchange));
        let mut name = Zeroizing::new(mechanism.name().to_owned());
        if self.capabilities.initial_response()
            && let Some(first) = talk.0.borrow_mut().initial()
        {
            name.push(' ');
            name.push_str(sasl::encode(&first).expose());
        }
        let ran = catch_unwind(AssertUnwindSafe(|| client.authenticate(name.as_str(), &talk).map_err(Box::new)));
        let exchange = talk.0.into_inner();
        match ran.map_err(|_| Fault::new(Doing::SigningIn, host, Cause::Bug))? {
            Ok(session) => Ok(exchange.finish(host).map(|()| (session, mechanism.name()))?),
            Err(refusal) => {
                let (error, client) = *refusal;
                if let Some(fault) = exchange.objection(host) {
                    return Err(fault.into());
                }
                let words = exchange.reason().map(Clean::as_str);
                let fault = self.refused(&error, shared, words, Some(mechanism));
                let by = (fault.cause == Cause::SignInRefused).then_some(mechanism);
                Err(Box::new(Refusal { fault, by, client: Some(client) }))
            }
        }
    }

    /// The SASL mechanism; `None` for the LOGIN command, where nothing better is offered and it is
    /// not forbidden.
    fn mechanism(&self) -> Result<Option<Mechanism>, Fault> {
        let server = self.server;
        let chosen = choose(server.auth, self.token, &self.capabilities.mechanisms(), &server.host);
        let command = !self.token && matches!(server.auth, Auth::Auto | Auth::Login);
        match chosen {
            Ok(None) => Err(Fault::new(Doing::SigningIn, &server.host, Cause::Config)
                .again(Again::AfterUser)
                .detail("IMAP cannot be used without signing in")),
            Err(_) if command && !self.capabilities.login_disabled() => Ok(None),
            other => other,
        }
    }

    fn by_command(&self, client: imap::Client<Port>, shared: &Shared) -> Result<imap::Session<Port>, Fault> {
        let (user, password) = (&self.server.user, self.secret.expose());
        let ran = catch_unwind(AssertUnwindSafe(|| client.login(user, password).map_err(|(error, _)| error)));
        ran.map_err(|_| Fault::new(Doing::SigningIn, &self.server.host, Cause::Bug))?
            .map_err(|error| self.refused(&error, shared, None, None))
    }

    /// Says why it did not work: the server's words are the best, but those of a token's refusal.
    fn refused(
        &self,
        error: &imap::Error,
        shared: &Shared,
        reason: Option<&str>,
        mechanism: Option<Mechanism>,
    ) -> Fault {
        let host = self.server.host.as_str();
        let mut wire = shared.lock();
        let fault = |cause| Fault::new(Doing::SigningIn, host, cause);
        let Some(status) = wire.take_answer() else {
            return match (wire.take_trouble(), error) {
                (Some(trouble), _) => {
                    let goodbye = wire.goodbye().map(|words| words.as_str().to_owned());
                    explain(Doing::SigningIn, host, trouble, goodbye.as_deref())
                }
                (None, imap::Error::Validate(_)) => {
                    fault(Cause::Config).again(Again::AfterUser).detail("the name or the secret holds a line end")
                }
                (None, _) => fault(Cause::Protocol).detail("the server breaks off the sign-in"),
            };
        };
        let words = reason.unwrap_or(status.text.as_str());
        let verdict = refusal::at_the_door(&status);
        // Another way to sign in helps only where this one was refused for no reason that was told.
        let unexplained = verdict.cause == Cause::SignInRefused && verdict.advice.is_none();
        let advice = verdict.advice.or(mechanism.and_then(Mechanism::advice).filter(|_| unexplained));
        let detail = advice.map_or_else(|| words.to_owned(), |advice| format!("{words}; {advice}"));
        fault(verdict.cause).again(verdict.again).detail(&detail)
    }
}

/// Answers challenges.
struct Talk<'a>(RefCell<Exchange<'a>>);

impl imap::Authenticator for Talk<'_> {
    type Response = Zeroizing<String>;

    fn process(&self, challenge: &[u8]) -> Self::Response {
        Zeroizing::new(self.0.borrow_mut().answer(challenge).expose().to_owned())
    }
}
