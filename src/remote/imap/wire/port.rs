//! The two ends of a wire: the session's, and the one that the `imap` crate reads from and writes to. What
//! the crate reads are lines made by the wire, never a server's.

use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Wire;

/// The wire, shared by the session and the crate. Both are in one thread at any time; the lock is
/// what lets a session be handed to another.
#[derive(Clone)]
pub(in crate::remote::imap) struct Shared(Arc<Mutex<Wire>>);

impl Shared {
    /// Shares a wire.
    pub(in crate::remote::imap) fn new(wire: Wire) -> Self {
        Self(Arc::new(Mutex::new(wire)))
    }

    /// Takes the wire for a while.
    pub(in crate::remote::imap) fn lock(&self) -> MutexGuard<'_, Wire> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the crate reads from and writes to.
    pub(in crate::remote::imap) fn port(&self) -> Port {
        Port(self.clone())
    }
}

/// The crate's end of the wire.
pub(in crate::remote::imap) struct Port(Shared);

impl Read for Port {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut wire = self.0.lock();
        if wire.trouble.is_some() {
            return Err(io::Error::other("the connection broke"));
        }
        if let Err(trouble) = wire.feed() {
            return Err(wire.report(trouble));
        }
        wire.prepared.read(into)
    }
}

impl Write for Port {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().outgoing.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut wire = self.0.lock();
        if wire.trouble.is_some() {
            return Err(io::Error::other("the connection broke"));
        }
        wire.dispatch().map_err(|trouble| wire.report(trouble))
    }
}

impl imap::extensions::idle::SetReadTimeout for Port {
    /// The wire keeps its own deadlines.
    fn set_read_timeout(&mut self, _: Option<Duration>) -> imap::error::Result<()> {
        Ok(())
    }
}
