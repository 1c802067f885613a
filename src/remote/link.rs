//! The socket under a connection, plain or with TLS, never blocking: every read and write waits in
//! `poll` for the socket, for a deadline and for another thread that wants the wait to end.
//! It knows nothing of what is said on it.

use std::io::{self, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustls::{ClientConnection, StreamOwned};

use crate::config::{Server, Tls};
use crate::fault::{Again, Cause, Doing, Fault};
use crate::login::connect::{dial, secure};

/// How much of the encrypted stream is taken from the kernel at once.
const INBOUND: usize = 64 * 1024;

/// Why a read or a write came to nothing.
#[derive(Debug)]
pub(super) enum Ended {
    /// Nothing came until the deadline.
    TimedOut,
    /// The other side closed, or reset.
    Closed,
    /// Another thread asked for the end of the wait.
    Woken,
    /// The system or TLS failed.
    Failed(io::Error),
}

/// Does a wait end when another thread asks for it?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wake {
    /// It ends.
    Heed,
    /// It goes on; the wish is kept for the next that heeds.
    Keep,
}

/// The end of a wait, for other threads to ask for.
#[derive(Debug, Clone)]
pub(super) struct Bell(Arc<UnixStream>);

impl Bell {
    /// Asks for it. A bell that rings already need not be rung again.
    pub(super) fn ring(&self) {
        let _ = (&*self.0).write(&[1]);
    }
}

enum Socket {
    Plain(TcpStream),
    Tls { tls: Box<ClientConnection>, inbound: BufReader<TcpStream>, outbound: TcpStream },
}

/// The socket, and the ear that hears the bell.
pub(super) struct Link {
    socket: Socket,
    ear: UnixStream,
    bell: Bell,
}

impl Link {
    /// Connects to a server, with TLS from the first byte where the config demands that. With STARTTLS it begins in
    /// the clear.
    pub(super) fn to(server: &Server) -> Result<Self, Fault> {
        let stream = dial(server)?;
        let link = match server.tls {
            Tls::Implicit => Self::tls(secure(stream, server)?),
            // `dial` has seen to it that this is the machine itself.
            Tls::Plain | Tls::StartTls => Self::plain(stream),
        };
        link.map_err(|error| Fault::new(Doing::Connecting, &server.host, Cause::Other).detail(&error.to_string()))
    }

    /// Takes a connected socket without TLS.
    fn plain(stream: TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Self::with(Socket::Plain(stream))
    }

    /// Takes a connection whose TLS hand-shake is done.
    fn tls(stream: StreamOwned<ClientConnection, TcpStream>) -> io::Result<Self> {
        let StreamOwned { conn, sock } = stream;
        sock.set_nonblocking(true)?;
        let inbound = BufReader::with_capacity(INBOUND, sock.try_clone()?);
        Self::with(Socket::Tls { tls: Box::new(conn), inbound, outbound: sock })
    }

    fn with(socket: Socket) -> io::Result<Self> {
        let (ear, mouth) = UnixStream::pair()?;
        ear.set_nonblocking(true)?;
        mouth.set_nonblocking(true)?;
        Ok(Self { socket, ear, bell: Bell(Arc::new(mouth)) })
    }

    /// Puts TLS over a connection in the clear once the server has agreed (STARTTLS, STLS). `None`: bytes
    /// came with its answer; what is said in the clear by then is an attack or a broken server.
    pub(super) fn upgraded(link: Option<Self>, server: &Server) -> Result<Self, Fault> {
        let fault = |cause| Fault::new(Doing::Securing, &server.host, cause).again(Again::AfterUser);
        let broken = |error: io::Error| fault(Cause::Other).detail(&error.to_string());
        let Some(link) = link else {
            return Err(fault(Cause::Protocol).detail("it says more in the clear than it may before TLS begins"));
        };
        let Some(stream) = link.into_plain().map_err(broken)? else {
            return Err(fault(Cause::Bug));
        };
        Self::tls(secure(stream, server)?).map_err(broken)
    }

    /// The bell that ends waits on this link.
    pub(super) fn bell(&self) -> Bell {
        self.bell.clone()
    }

    /// The TLS connection, where there is one.
    pub(super) fn secured(&self) -> Option<&ClientConnection> {
        match &self.socket {
            Socket::Plain(_) => None,
            Socket::Tls { tls, .. } => Some(tls),
        }
    }

    /// Gives the plain socket back, blocking again, for the TLS hand-shake of STARTTLS.
    pub(super) fn into_plain(self) -> io::Result<Option<TcpStream>> {
        match self.socket {
            Socket::Plain(stream) => {
                stream.set_nonblocking(false)?;
                Ok(Some(stream))
            }
            Socket::Tls { .. } => Ok(None),
        }
    }

    /// Reads at least one byte, at the latest until `deadline`.
    pub(super) fn read(&mut self, into: &mut [u8], deadline: Option<Instant>, wake: Wake) -> Result<usize, Ended> {
        loop {
            match self.try_read(into) {
                Ok(0) => return Err(Ended::Closed),
                Ok(count) => return Ok(count),
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => self.wait(PollFlags::IN, deadline, wake)?,
                    io::ErrorKind::Interrupted => {}
                    _ => return Err(ended(error)),
                },
            }
        }
    }

    /// One try. Decrypted bytes that rustls holds come before the socket is asked.
    fn try_read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match &mut self.socket {
            Socket::Plain(stream) => stream.read(into),
            Socket::Tls { tls, inbound, outbound } => loop {
                match tls.reader().read(into) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    other => return other,
                }
                tls.read_tls(inbound)?;
                if let Err(error) = tls.process_new_packets() {
                    // The alert that tells the other side why; whether it arrives does not matter.
                    let _ = tls.write_tls(outbound);
                    return Err(io::Error::new(io::ErrorKind::InvalidData, error));
                }
                while tls.wants_write() && tls.write_tls(outbound).is_ok() {}
            },
        }
    }

    /// Writes all of it; each bit of progress may take `patience`.
    pub(super) fn write_all(&mut self, mut bytes: &[u8], patience: Duration) -> Result<(), Ended> {
        while !bytes.is_empty() {
            let deadline = Instant::now().checked_add(patience);
            let taken = match &mut self.socket {
                Socket::Plain(stream) => stream.write(bytes),
                Socket::Tls { tls, .. } => tls.writer().write(bytes),
            };
            match taken {
                Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.wait(PollFlags::OUT, deadline, Wake::Keep)?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(ended(error)),
            }
            self.push_out(patience)?;
        }
        Ok(())
    }

    /// Sends what rustls has encrypted.
    fn push_out(&mut self, patience: Duration) -> Result<(), Ended> {
        loop {
            let deadline = Instant::now().checked_add(patience);
            let Socket::Tls { tls, outbound, .. } = &mut self.socket else { return Ok(()) };
            if !tls.wants_write() {
                return Ok(());
            }
            match tls.write_tls(outbound) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.wait(PollFlags::OUT, deadline, Wake::Keep)?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(ended(error)),
            }
        }
    }

    fn wait(&mut self, what: PollFlags, deadline: Option<Instant>, wake: Wake) -> Result<(), Ended> {
        let socket = match &self.socket {
            Socket::Plain(stream) => stream,
            Socket::Tls { outbound, .. } => outbound,
        };
        let mut fds = [PollFd::new(socket, what), PollFd::from_borrowed_fd(self.ear.as_fd(), PollFlags::IN)];
        let watched = match wake {
            Wake::Heed => &mut fds[..],
            Wake::Keep => &mut fds[..1],
        };
        let left = match deadline.map(|at| at.saturating_duration_since(Instant::now())) {
            Some(Duration::ZERO) => return Err(Ended::TimedOut),
            left => left,
        };
        let span = left.and_then(|left| Timespec::try_from(left).ok());
        match poll(watched, span.as_ref()) {
            Err(rustix::io::Errno::INTR) => return Ok(()),
            Err(error) => return Err(Ended::Failed(error.into())),
            Ok(0) => return Err(Ended::TimedOut),
            Ok(_) => {}
        }
        let rung = wake == Wake::Heed && fds.last().is_some_and(|ear| !ear.revents().is_empty());
        if rung {
            let _ = self.ear.read(&mut [0; 64]);
            return Err(Ended::Woken);
        }
        Ok(())
    }
}

fn ended(error: io::Error) -> Ended {
    match error.kind() {
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe => Ended::Closed,
        io::ErrorKind::TimedOut => Ended::TimedOut,
        _ => Ended::Failed(error),
    }
}
