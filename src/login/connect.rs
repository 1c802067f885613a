//! Connections: from a server of the config to a TCP stream, and from that to a verified TLS
//! session. Blocks, but never longer than the server's timeout (and what the system's resolver takes
//! for a name); says nothing on the connection but the TLS hand-shake.

use std::io::{self, ErrorKind, Write as _};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::time::{Duration, Instant};

use rustix::net::sockopt;
use rustls::{ClientConnection, StreamOwned};

use super::tls;
use crate::config::{Server, Tls};
use crate::fault::{Again, Cause, Doing, Fault};

/// The least time that one address is given, however many there are.
const LEAST: Duration = Duration::from_secs(1);

/// The most time that an address is given while there are others: where IPv6 leads nowhere, IPv4
/// shall not wait for half of the timeout.
const MOST: Duration = Duration::from_secs(5);

/// Connects to the first of the server's addresses that answers. The timeout is shared among
/// them; reads and writes on the stream have it each.
pub fn dial(server: &Server) -> Result<TcpStream, Fault> {
    let host = server.host.as_str();
    let addresses: Vec<SocketAddr> = (host, server.port)
        .to_socket_addrs()
        .map_err(|error| Fault::new(Doing::Connecting, host, Cause::UnknownHost).detail(&error.to_string()))?
        .collect();
    if addresses.is_empty() {
        return Err(Fault::new(Doing::Connecting, host, Cause::UnknownHost).detail("it has no address"));
    }
    let stream = first_that_answers(&addresses, server.timeout).map_err(|error| unreached(&error, server))?;
    if !is_allowed(server.tls, stream.peer_addr().ok()) {
        return Err(Fault::new(Doing::Securing, host, Cause::Config)
            .again(Again::AfterUser)
            .detail("without TLS only this machine itself is spoken to, and the name leads elsewhere"));
    }
    let ready = || -> io::Result<()> {
        stream.set_nodelay(true)?;
        keep_alive(&stream)?;
        stream.set_read_timeout(Some(server.timeout))?;
        stream.set_write_timeout(Some(server.timeout))
    };
    ready().map_err(|error| unreached(&error, server))?;
    Ok(stream)
}

/// Has the system ask a connection on which nothing is said whether the other end is still there: a
/// router that forgot it tells nobody. Without an answer it ends after about three minutes.
fn keep_alive(stream: &TcpStream) -> io::Result<()> {
    sockopt::set_socket_keepalive(stream, true)?;
    #[cfg(target_os = "linux")]
    {
        sockopt::set_tcp_keepidle(stream, Duration::from_secs(100))?;
        sockopt::set_tcp_keepintvl(stream, Duration::from_secs(20))?;
        sockopt::set_tcp_keepcnt(stream, 4)?;
    }
    Ok(())
}

/// May there be a connection without TLS? The config has seen only the name of the host; what a name
/// server makes of it shows here.
fn is_allowed(tls: Tls, peer: Option<SocketAddr>) -> bool {
    match tls {
        Tls::Implicit | Tls::StartTls => true,
        Tls::Plain => peer.is_some_and(|peer| peer.ip().to_canonical().is_loopback()),
    }
}

fn first_that_answers(addresses: &[SocketAddr], timeout: Duration) -> io::Result<TcpStream> {
    let deadline = Instant::now() + timeout;
    let mut last = io::Error::from(ErrorKind::TimedOut);
    for (tried, address) in addresses.iter().enumerate() {
        let left = u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
        let rest = deadline.saturating_duration_since(Instant::now());
        let share = if left > 1 { (rest / left).min(MOST) } else { rest };
        match TcpStream::connect_timeout(address, share.max(LEAST)) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn unreached(error: &io::Error, server: &Server) -> Fault {
    let subject = format!("{}:{}", server.host, server.port);
    let cause = match error.kind() {
        ErrorKind::TimedOut | ErrorKind::WouldBlock => Cause::TimedOut,
        _ => Cause::Unreachable,
    };
    let detail = match cause {
        Cause::TimedOut => format!("no answer within {} s", server.timeout.as_secs()),
        _ => error.to_string(),
    };
    Fault::new(Doing::Connecting, &subject, cause).detail(&detail)
}

/// Makes the connection secure: the whole hand-shake, certificate verified, within the server's
/// timeout. The stream must have nothing unread in it.
pub fn secure(stream: TcpStream, server: &Server) -> Result<StreamOwned<ClientConnection, TcpStream>, Fault> {
    let config = tls::client_config(server)?;
    let mut session =
        ClientConnection::new(config, tls::server_name(server)?).map_err(|error| tls::refusal(&error, server))?;
    let mut stream = stream;
    shake_hands(&mut session, &mut stream, server.timeout).map_err(|error| tls::unsecured(&error, server))?;
    Ok(StreamOwned::new(session, stream))
}

/// Each read has the stream's own timeout; the deadline is for a server that drips.
fn shake_hands(session: &mut ClientConnection, stream: &mut TcpStream, timeout: Duration) -> io::Result<()> {
    let deadline = Instant::now() + timeout;
    while session.is_handshaking() {
        while session.wants_write() {
            session.write_tls(stream)?;
        }
        if !session.is_handshaking() {
            break;
        }
        if Instant::now() >= deadline {
            return Err(ErrorKind::TimedOut.into());
        }
        if session.read_tls(stream)? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        if let Err(error) = session.process_new_packets() {
            // The alert tells the server's log why; nothing hangs on it.
            let _told = session.write_tls(stream);
            return Err(io::Error::new(ErrorKind::InvalidData, error));
        }
    }
    while session.wants_write() {
        session.write_tls(stream)?;
    }
    stream.flush()
}

/// The fault of a connection that broke while `doing` something: for those who read and write.
pub fn broken(doing: Doing, error: &io::Error, server: &Server) -> Fault {
    let cause = match error.kind() {
        ErrorKind::TimedOut | ErrorKind::WouldBlock => Cause::TimedOut,
        _ => Cause::Closed,
    };
    let detail = match cause {
        Cause::TimedOut => format!("no answer within {} s", server.timeout.as_secs()),
        _ => error.to_string(),
    };
    Fault::new(doing, &server.host, cause).again(Again::Later).detail(&detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_connection_is_asked_whether_it_lives() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert!(!sockopt::socket_keepalive(&stream).unwrap());
        keep_alive(&stream).unwrap();
        assert!(sockopt::socket_keepalive(&stream).unwrap());
        assert_eq!(sockopt::tcp_keepidle(&stream).unwrap(), Duration::from_secs(100));
    }

    #[test]
    fn without_tls_only_this_machine_is_spoken_to() {
        let table = [
            ("127.0.0.1:25", true),
            ("[::1]:25", true),
            ("[::ffff:127.0.0.1]:25", true),
            ("10.0.0.1:25", false),
            ("[fe80::1]:25", false),
        ];
        for (peer, local) in table {
            let peer = Some(peer.parse().unwrap());
            assert_eq!(is_allowed(Tls::Plain, peer), local, "{peer:?}");
            assert!(is_allowed(Tls::Implicit, peer) && is_allowed(Tls::StartTls, peer));
        }
        assert!(!is_allowed(Tls::Plain, None));
    }
}
