//! Submission by SMTP (RFC 6409), step by step on lettre's connection over our own stream: TLS from
//! the first byte, or STARTTLS that must succeed; AUTH in our own words; one verdict for each
//! recipient; a durable mark before the final dot. Async only inside [`Smtp::submit`], on a runtime
//! of the calling thread.

mod guard;
mod handshake;
mod probe;
mod sign_in;

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use lettre::transport::smtp::Error as LettreError;
use lettre::transport::smtp::client::{AsyncSmtpConnection, AsyncTokioStream};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::Response;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use self::guard::{Guard, Wire};
use self::handshake::Secured;
pub use self::probe::Reached;
use super::policy::{Outcome, Reply, Said};
use super::queue::is_safe;
use super::submit::{Observer, Parcel, Submit};
use crate::config::{SecretSource, Server};
use crate::fault::{Again, Cause, Doing, Fault, Scope};
use crate::login::binding::Binding;
use crate::login::channel::Channel;
use crate::login::secret::{self, Secret};
use crate::mail::clean::Clean;

/// How long to wait for the reply after the final dot (RFC 5321 §4.5.3.2.6).
const AFTER_DOT: Duration = Duration::from_mins(10);
/// How long to wait for the answer to QUIT, which nothing hangs on.
const GOODBYE: Duration = Duration::from_secs(2);
/// The slowest line that a message is sent over, in bytes a second.
const SLOWEST: u64 = 1024;
/// How much of a message is given to the connection at a time.
const CHUNK: usize = 64 * 1024;

/// SMTP to one server, for one account.
pub struct Smtp {
    server: Server,
    source: SecretSource,
    typed: Option<Secret>,
    runtime: Runtime,
    live: Option<Live>,
}

/// A connection that is signed in.
struct Live {
    connection: AsyncSmtpConnection,
    wire: Arc<Wire>,
    offers: Offers,
    binding: Option<Binding>,
    channel: Option<Channel>,
    /// The mechanism that it was signed in with.
    mechanism: Option<&'static str>,
}

/// What the server offers (RFC 5321 §4.1.1.1).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Offers {
    /// SIZE (RFC 1870): the largest message, 0 for no limit.
    size: Option<u64>,
    /// 8BITMIME (RFC 6152).
    eight_bit: bool,
    /// DSN (RFC 3461).
    dsn: bool,
    /// STARTTLS (RFC 3207).
    starttls: bool,
    /// The mechanisms of AUTH (RFC 4954).
    auth: Vec<String>,
}

impl Offers {
    fn of<'a>(lines: impl Iterator<Item = &'a str>) -> Self {
        let mut offers = Self::default();
        for line in lines {
            let mut words = line.split_ascii_whitespace();
            let keyword = words.next().unwrap_or_default().to_ascii_uppercase();
            match keyword.as_str() {
                "SIZE" => offers.size = Some(words.next().and_then(|n| n.parse().ok()).unwrap_or(0)),
                "8BITMIME" => offers.eight_bit = true,
                "DSN" => offers.dsn = true,
                "STARTTLS" => offers.starttls = true,
                "AUTH" => offers.auth.extend(words.map(str::to_owned)),
                _ => {
                    // Some old servers write `AUTH=LOGIN PLAIN`.
                    if let Some(first) = keyword.strip_prefix("AUTH=") {
                        offers.auth.extend([first.to_owned()].into_iter().chain(words.map(str::to_owned)));
                    }
                }
            }
        }
        offers
    }
}

/// Why a step did not succeed.
enum Trouble {
    /// The server said no.
    Reply(Reply),
    /// The connection is of no use any more.
    Broken(Fault),
}

impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin> AsyncTokioStream for Guard<S> {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Who we say we are. The literal of the loopback tells nothing about this machine.
fn hello() -> ClientId {
    ClientId::Ipv4(std::net::Ipv4Addr::LOCALHOST)
}

impl Smtp {
    /// Prepares; connects with the first message.
    pub fn new(server: Server, source: SecretSource, typed: Option<Secret>) -> Result<Self, Fault> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Fault::io(Doing::Submitting, &server.host, &error))?;
        Ok(Self { server, source, typed, runtime, live: None })
    }

    fn secret(&self) -> Result<Secret, Fault> {
        match (&self.source, &self.typed) {
            (SecretSource::Prompt, Some(typed)) => Ok(typed.clone()),
            (source, _) => secret::fetch(source, None),
        }
    }

    /// Connects and signs in.
    fn connect(&self, observer: &mut dyn Observer) -> Result<Live, Outcome> {
        let server = &self.server;
        let stream = crate::login::connect::dial(server).map_err(Outcome::Offline)?;
        observer.line(Clean::line(&format!("* connected to {}:{}", server.host, server.port)));
        self.runtime.block_on(async {
            let secured = handshake::secure(stream, server, observer).await.map_err(unsecured)?;
            let mut live = open(secured, server, observer).await?;
            self.sign_in(&mut live, observer).await?;
            Ok(live)
        })
    }
}

/// Hands the secured stream to lettre, which reads a greeting and says EHLO; then asks once more,
/// since lettre forgets most of what is offered.
async fn open(secured: Secured, server: &Server, observer: &mut dyn Observer) -> Result<Live, Outcome> {
    let Secured { stream, wire, binding, channel } = secured;
    let name = hello();
    let connecting = AsyncSmtpConnection::connect_with_transport(stream, &name);
    let connection = match timeout(server.timeout.saturating_mul(2), connecting).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => return Err(Outcome::Broken(trouble(&error, server).whole(Doing::Connecting, server))),
        Err(_) => return Err(Outcome::Broken(late(Doing::Connecting, server))),
    };
    let mut live = Live { connection, wire, offers: Offers::default(), binding, channel, mechanism: None };
    let ehlo = format!("EHLO {}\r\n", hello());
    observer.line(Clean::line(&format!("C: {}", ehlo.trim_end())));
    match live.ask(&ehlo, server).await {
        Ok(response) => {
            for line in response.message() {
                observer.line(Clean::line(&format!("S: 250 {line}")));
            }
            live.offers = Offers::of(response.message().skip(1));
            Ok(live)
        }
        Err(problem) => Err(Outcome::Broken(problem.whole(Doing::Connecting, server))),
    }
}

impl Live {
    /// Says a line and waits for its reply, within the server's timeout.
    async fn ask(&mut self, line: &str, server: &Server) -> Result<Response, Trouble> {
        match timeout(server.timeout, self.connection.command(line)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(trouble(&error, server)),
            Err(_) => Err(Trouble::Broken(late(Doing::Submitting, server))),
        }
    }

    /// The same, written down for the user.
    async fn say(&mut self, line: &str, server: &Server, observer: &mut dyn Observer) -> Result<Response, Trouble> {
        observer.line(Clean::line(&format!("C: {line}")));
        let answer = self.ask(&format!("{line}\r\n"), server).await;
        match &answer {
            Ok(response) => observer.line(shown(response)),
            Err(Trouble::Reply(reply)) => observer.line(Clean::line(&format!("S: {}", reply.line()))),
            Err(Trouble::Broken(fault)) => observer.line(Clean::line(&format!("* {fault}"))),
        }
        answer
    }

    /// One transaction (RFC 5321 §3.3).
    async fn transact(&mut self, parcel: &Parcel<'_>, server: &Server, observer: &mut dyn Observer) -> Outcome {
        let mail = match self.mail_command(parcel) {
            Ok(mail) => mail,
            Err(reply) => return Outcome::Refused(reply),
        };
        match self.say(&mail, server, observer).await {
            Ok(_) => {}
            Err(Trouble::Broken(fault)) => return Outcome::Broken(fault),
            Err(Trouble::Reply(reply)) => return Outcome::Refused(reply),
        }
        let mut said: Vec<(String, Said)> = Vec::new();
        for who in &parcel.submission.recipients {
            match self.say(&self.recipient_command(who), server, observer).await {
                Ok(_) => said.push((who.clone(), Said::Accepted)),
                Err(Trouble::Broken(fault)) => return Outcome::Broken(fault),
                Err(Trouble::Reply(reply)) if reply.code == 421 => {
                    return Outcome::Broken(Trouble::Reply(reply).whole(Doing::Submitting, server));
                }
                Err(Trouble::Reply(reply)) => said.push((who.clone(), Said::Refused(reply))),
            }
        }
        if said.iter().all(|(_, said)| *said != Said::Accepted) {
            // Nobody to send it to. RSET keeps the connection good for the next message.
            let _ = self.say("RSET", server, observer).await;
            return Outcome::Answered(said);
        }
        match self.say("DATA", server, observer).await {
            Ok(response) if response.has_code(354) => self.transmit(parcel.wire, said, server, observer).await,
            Ok(response) => Outcome::Broken(odd(&response, server)),
            Err(Trouble::Broken(fault)) => Outcome::Broken(fault),
            Err(Trouble::Reply(reply)) => Outcome::Answered(refused_by_all(said, &reply)),
        }
    }

    /// The message itself, the mark, the dot and the verdict.
    async fn transmit(
        &mut self,
        wire: &[u8],
        said: Vec<(String, Said)>,
        server: &Server,
        observer: &mut dyn Observer,
    ) -> Outcome {
        let accepted: Vec<String> =
            said.iter().filter(|(_, said)| *said == Said::Accepted).map(|(who, _)| who.clone()).collect();
        // The connection ends what it sends with CRLF, a dot and CRLF: the last CRLF is in that.
        let body = wire.strip_suffix(b"\r\n").unwrap_or(wire);
        let mark = RefCell::new(Mark::Before);
        let shared = Arc::clone(&self.wire);
        let mut chunks = body.chunks(CHUNK);
        let watched = RefCell::new(&mut *observer);
        let parts = std::iter::from_fn(|| {
            if let Some(chunk) = chunks.next() {
                return Some(chunk);
            }
            // All is given but the dot.
            let marked = watched.borrow_mut().dot(&accepted);
            *mark.borrow_mut() = match marked {
                Ok(()) => Mark::Made { written: shared.written.load(Ordering::SeqCst) },
                Err(fault) => {
                    shared.cut.store(true, Ordering::SeqCst);
                    Mark::Failed(fault)
                }
            };
            None
        });
        let limit = AFTER_DOT + Duration::from_secs(wire.len() as u64 / SLOWEST);
        let sent = timeout(limit, self.connection.message_iter(parts)).await;
        let problem = match sent {
            Ok(Ok(response)) => {
                observer.line(shown(&response));
                return Outcome::Answered(said);
            }
            Ok(Err(error)) => trouble(&error, server),
            Err(_) => Trouble::Broken(late(Doing::Submitting, server)),
        };
        match (problem, mark.into_inner()) {
            (Trouble::Reply(reply), Mark::Before | Mark::Made { .. }) => {
                observer.line(Clean::line(&format!("S: {}", reply.line())));
                Outcome::Answered(refused_by_all(said, &reply))
            }
            (_, Mark::Failed(fault)) | (Trouble::Broken(fault), Mark::Before) => Outcome::Broken(fault),
            (Trouble::Broken(fault), Mark::Made { written }) => {
                observer.line(Clean::line(&format!("* {fault}")));
                if self.wire.written.load(Ordering::SeqCst) == written {
                    // The dot never left.
                    Outcome::Broken(fault)
                } else {
                    Outcome::Unknown(fault, accepted)
                }
            }
        }
    }

    /// MAIL with what the server offers (RFC 1870, RFC 6152, RFC 3461), or why it would be in vain.
    fn mail_command(&self, parcel: &Parcel<'_>) -> Result<String, Reply> {
        let sender = &parcel.submission.sender;
        let addresses = parcel.submission.recipients.iter().chain([sender]);
        if let Some(bad) = addresses.into_iter().find(|address| !is_safe(address)) {
            return Err(Reply::new(553, &format!("5.1.7 `{bad}` is no address")));
        }
        let mut line = format!("MAIL FROM:<{sender}>");
        let size = parcel.wire.len() as u64;
        if let Some(limit) = self.offers.size {
            if limit > 0 && size > limit {
                let text = format!("5.3.4 The message has {size} bytes, the server takes {limit}");
                return Err(Reply::new(552, &text));
            }
            line = format!("{line} SIZE={size}");
        }
        if !parcel.wire.is_ascii() {
            if !self.offers.eight_bit {
                return Err(Reply::new(
                    554,
                    "5.6.3 The message has 8-bit characters, the server takes only 7-bit ones",
                ));
            }
            line += " BODY=8BITMIME";
        }
        if self.offers.dsn {
            line = format!("{line} RET=HDRS ENVID={}", xtext(parcel.id.as_str()));
        }
        Ok(line)
    }

    fn recipient_command(&self, who: &str) -> String {
        if self.offers.dsn {
            format!("RCPT TO:<{who}> NOTIFY=FAILURE,DELAY ORCPT=rfc822;{}", xtext(who))
        } else {
            format!("RCPT TO:<{who}>")
        }
    }
}

/// How far the end of a message is.
enum Mark {
    /// Not all of it was given yet.
    Before,
    /// The mark is durable; so many bytes had been written then.
    Made {
        /// The count.
        written: u64,
    },
    /// The mark could not be made, so the dot was not sent.
    Failed(Fault),
}

impl Submit for Smtp {
    fn submit(&mut self, parcel: &Parcel<'_>, observer: &mut dyn Observer) -> Outcome {
        // A connection that lies idle may be gone; one that is gone before MAIL costs no attempt.
        if let Some(mut live) = self.live.take() {
            let server = &self.server;
            let alive = self.runtime.block_on(async { live.ask("NOOP\r\n", server).await.is_ok() });
            self.live = alive.then_some(live);
        }
        let mut live = match self.live.take().map_or_else(|| self.connect(observer), Ok) {
            Ok(live) => live,
            Err(outcome) => {
                if let Some(fault) = fault_of(&outcome) {
                    observer.line(Clean::line(&format!("* {fault}")));
                }
                return outcome;
            }
        };
        let server = &self.server;
        let outcome = self.runtime.block_on(async { live.transact(parcel, server, observer).await });
        let usable = match &outcome {
            Outcome::Answered(said) => !said.iter().any(|(_, s)| matches!(s, Said::Refused(r) if r.code == 421)),
            Outcome::Refused(reply) => reply.code != 421,
            _ => false,
        };
        // After a refused MAIL there is no transaction to reset; after a refused DATA or message
        // the server has reset by itself.
        self.live = usable.then_some(live);
        outcome
    }

    fn close(&mut self) {
        if let Some(mut live) = self.live.take() {
            self.runtime.block_on(async {
                let _ = timeout(GOODBYE, live.connection.command("QUIT\r\n")).await;
            });
        }
    }
}

impl Trouble {
    /// A fault of the whole connection.
    fn whole(self, doing: Doing, server: &Server) -> Fault {
        match self {
            Self::Broken(fault) => fault,
            Self::Reply(reply) => Fault::new(doing, &server.host, Cause::RefusedForNow).detail(reply.line().as_str()),
        }
    }
}

fn fault_of(outcome: &Outcome) -> Option<&Fault> {
    match outcome {
        Outcome::Offline(f)
        | Outcome::Insecure(f)
        | Outcome::SignIn(f, _)
        | Outcome::Broken(f)
        | Outcome::Unknown(f, _) => Some(f),
        Outcome::Refused(_) | Outcome::Answered(_) => None,
    }
}

fn unsecured(fault: Fault) -> Outcome {
    match fault.again {
        Again::AfterUser | Again::Never => Outcome::Insecure(fault),
        Again::Now | Again::Later => Outcome::Broken(fault),
    }
}

/// What was accepted at RCPT and refused as a whole later.
fn refused_by_all(said: Vec<(String, Said)>, reply: &Reply) -> Vec<(String, Said)> {
    let verdict = |said| match said {
        Said::Accepted => Said::Refused(reply.clone()),
        refused @ Said::Refused(_) => refused,
    };
    said.into_iter().map(|(who, said)| (who, verdict(said))).collect()
}

fn shown(response: &Response) -> Clean {
    let text: Vec<&str> = response.message().collect();
    Clean::line(&format!("S: {} {}", response.code(), text.join(" ")))
}

fn odd(response: &Response, server: &Server) -> Fault {
    let text = shown(response);
    Fault::new(Doing::Submitting, &server.host, Cause::Protocol).detail(&format!("an answer that does not fit: {text}"))
}

fn late(doing: Doing, server: &Server) -> Fault {
    crate::login::connect::broken(doing, &io::ErrorKind::TimedOut.into(), server)
}

/// The one place where lettre's errors become ours.
fn trouble(error: &LettreError, server: &Server) -> Trouble {
    let mut text = String::new();
    let mut source = std::error::Error::source(error);
    let mut system: Option<&io::Error> = None;
    while let Some(inner) = source {
        if text.is_empty() {
            text = inner.to_string();
        }
        system = system.or_else(|| inner.downcast_ref());
        source = inner.source();
    }
    if let Some(code) = error.status() {
        return Trouble::Reply(Reply::new(u16::from(code), &text));
    }
    let fault = match system {
        Some(system) if system.kind() == io::ErrorKind::InvalidData => {
            Fault::new(Doing::Submitting, &server.host, Cause::Protocol).detail(&text)
        }
        Some(system) => crate::login::connect::broken(Doing::Submitting, system, server),
        None if text == "incomplete response" => {
            Fault::new(Doing::Submitting, &server.host, Cause::Closed).detail("it closed the connection")
        }
        None => Fault::new(Doing::Submitting, &server.host, Cause::Protocol).detail(&error.to_string()),
    };
    Trouble::Broken(fault.scope(Scope::Account))
}

/// RFC 3461 §4: what may stand in ENVID and ORCPT.
fn xtext(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        if (b'!'..=b'~').contains(&byte) && byte != b'+' && byte != b'=' {
            out.push(char::from(byte));
        } else {
            let [high, low] = [byte >> 4, byte & 15].map(|digit| char::from_digit(u32::from(digit), 16).unwrap_or('0'));
            out.extend(['+', high.to_ascii_uppercase(), low.to_ascii_uppercase()]);
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offers_are_read_whatever_their_case() {
        let lines = ["SIZE 10240000", "8bitmime", "Auth PLAIN LOGIN", "AUTH=XOAUTH2 FOO", "DSN", "STARTTLS", "", "X"];
        let offers = Offers::of(lines.into_iter());
        assert_eq!(offers.size, Some(10_240_000));
        assert!(offers.eight_bit && offers.dsn && offers.starttls);
        assert_eq!(offers.auth, ["PLAIN", "LOGIN", "XOAUTH2", "FOO"]);
        assert_eq!(Offers::of(["SIZE"].into_iter()).size, Some(0));
    }

    #[test]
    fn xtext_escapes_what_would_end_the_parameter() {
        assert_eq!(xtext("a+b=c d@x"), "a+2Bb+3Dc+20d@x");
    }
}
