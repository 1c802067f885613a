//! From a TCP connection to a stream that can be trusted: TLS from the first byte, or STARTTLS
//! (RFC 3207) in our own words. Whatever was said before the TLS hand-shake is forgotten, and a
//! server that said more than it was asked is refused: somebody may have put words into its mouth.

use std::io;
use std::net::TcpStream as Blocking;
use std::sync::Arc;

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::Offers;
use super::guard::{Guard, Wire};
use crate::config::{Server, Tls};
use crate::fault::{Again, Cause, Doing, Fault};
use crate::login::binding::{self, Binding};
use crate::login::channel::{self, Channel};
use crate::login::{connect, tls};
use crate::mail::clean::Clean;
use crate::outbox::policy::Reply;
use crate::outbox::submit::Observer;

/// A stream to talk SMTP on.
pub(super) struct Secured {
    pub(super) stream: Box<dyn AsyncTokioStream>,
    pub(super) wire: Arc<Wire>,
    /// What ties a sign-in to the TLS connection.
    pub(super) binding: Option<Binding>,
    /// The TLS connection, described.
    pub(super) channel: Option<Channel>,
}

impl Secured {
    fn of<S>(guard: Guard<S>, tls: Option<(Option<Binding>, Channel)>) -> Self
    where
        Guard<S>: AsyncTokioStream + 'static,
    {
        let (binding, channel) = tls.map_or((None, None), |(binding, channel)| (binding, Some(channel)));
        Self { wire: guard.wire(), stream: Box::new(guard), binding, channel }
    }
}

/// Makes a connection secure as the config demands. A fault that waits for the user is one that
/// must not be got around.
pub(super) async fn secure(stream: Blocking, server: &Server, observer: &mut dyn Observer) -> Result<Secured, Fault> {
    let peer = stream.peer_addr();
    let made = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream));
    let stream = made.map_err(|error| connect::broken(Doing::Connecting, &error, server))?;
    match server.tls {
        Tls::Implicit => {
            let stream = hand_shake(stream, server).await?;
            let tls = described(&stream);
            Ok(Secured::of(Guard::new(stream, server.timeout), Some(tls)))
        }
        Tls::StartTls => {
            let stream = start_tls(stream, server, observer).await?;
            let tls = described(&stream);
            Ok(Secured::of(Guard::greeted(stream, server.timeout), Some(tls)))
        }
        Tls::Plain if peer.is_ok_and(|peer| peer.ip().is_loopback()) => {
            Ok(Secured::of(Guard::new(stream, server.timeout), None))
        }
        Tls::Plain => Err(Fault::new(Doing::Securing, &server.host, Cause::Config)
            .again(Again::AfterUser)
            .detail("without TLS only this machine itself may be reached")),
    }
}

fn described(stream: &TlsStream<TcpStream>) -> (Option<Binding>, Channel) {
    let connection = stream.get_ref().1;
    (binding::of(connection), channel::of(connection))
}

async fn hand_shake(stream: TcpStream, server: &Server) -> Result<TlsStream<TcpStream>, Fault> {
    let connector = TlsConnector::from(tls::client_config(server)?);
    let shaken = timeout(server.timeout, connector.connect(tls::server_name(server)?, stream)).await;
    shaken.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map_err(|error| tls::unsecured(&error, server))
}

async fn start_tls(
    stream: TcpStream,
    server: &Server,
    observer: &mut dyn Observer,
) -> Result<TlsStream<TcpStream>, Fault> {
    let mut guard = Guard::new(stream, server.timeout);
    // A greeting that is none is the trouble of a moment, not a way to do without TLS.
    expect(&mut guard, 220, server).await.map_err(|fault| fault.again(Again::Later))?;
    let offers = say(&mut guard, &format!("EHLO {}", super::hello()), 250, server).await?;
    if !Offers::of(offers.iter().skip(1).map(String::as_str)).starttls {
        return Err(Fault::new(Doing::Securing, &server.host, Cause::NotOffered)
            .again(Again::AfterUser)
            .detail("it does not offer STARTTLS, and nothing is sent without"));
    }
    observer.line(Clean::line("C: STARTTLS"));
    say(&mut guard, "STARTTLS", 220, server).await?;
    let Some(stream) = guard.into_inner() else {
        return Err(Fault::new(Doing::Securing, &server.host, Cause::Protocol)
            .again(Again::AfterUser)
            .detail("something was said between STARTTLS and TLS; somebody may be listening in"));
    };
    hand_shake(stream, server).await
}

async fn say(guard: &mut Guard<TcpStream>, line: &str, code: u16, server: &Server) -> Result<Vec<String>, Fault> {
    let written = guard.write_all(format!("{line}\r\n").as_bytes()).await;
    written.map_err(|error| broken(&error, server))?;
    expect(guard, code, server).await
}

/// Reads one reply and gives the texts of its lines.
async fn expect(guard: &mut Guard<TcpStream>, code: u16, server: &Server) -> Result<Vec<String>, Fault> {
    let read = timeout(server.timeout, lines(guard)).await;
    let lines = read.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map_err(|error| broken(&error, server))?;
    let last = lines.last().map(String::as_str).unwrap_or_default();
    let (digits, text) = last.split_at_checked(3).unwrap_or((last, ""));
    if digits.parse() == Ok(code) {
        return Ok(lines.iter().map(|line| line.get(4..).unwrap_or_default().to_owned()).collect());
    }
    let reply = Reply::new(digits.parse().unwrap_or(0), text.trim_start());
    // A refusal of STARTTLS itself must not be got around; an overloaded server may be better later.
    let again = if reply.code / 100 == 4 { Again::Later } else { Again::AfterUser };
    Err(Fault::new(Doing::Securing, &server.host, Cause::Refused).again(again).detail(reply.line().as_str()))
}

async fn lines(guard: &mut Guard<TcpStream>) -> io::Result<Vec<String>> {
    let mut lines = Vec::new();
    let mut line = Vec::new();
    loop {
        let mut byte = [0u8];
        if guard.read(&mut byte).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if byte != *b"\n" {
            line.extend_from_slice(&byte);
            continue;
        }
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        let more = line.get(3) == Some(&b'-');
        line.clear();
        lines.push(text);
        if !more {
            return Ok(lines);
        }
    }
}

fn broken(error: &io::Error, server: &Server) -> Fault {
    if error.kind() == io::ErrorKind::InvalidData {
        return Fault::new(Doing::Connecting, &server.host, Cause::Protocol).detail(&error.to_string());
    }
    connect::broken(Doing::Connecting, error, server)
}
