//! Is the way out open? Connects, signs in and leaves again; nothing is sent.

use super::{GOODBYE, Smtp, fault_of};
use crate::fault::Fault;
use crate::login::channel::Channel;
use crate::mail::clean::Clean;
use crate::outbox::submit::Observer;
use tokio::time::timeout;

/// A server that let us in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    /// The TLS connection, where there is one.
    pub channel: Option<Channel>,
    /// How the sign-in went; `None`: the config wants none.
    pub mechanism: Option<&'static str>,
    /// The largest message, where the server says so.
    pub size: Option<u64>,
    /// Does it tell of deliveries (RFC 3461)?
    pub dsn: bool,
}

/// Who hears nothing, since nothing is sent.
struct Deaf;

impl Observer for Deaf {
    fn dot(&mut self, _: &[String]) -> Result<(), Fault> {
        Ok(())
    }

    fn line(&mut self, _: Clean) {}
}

impl Smtp {
    /// Connects, signs in, leaves, and tells what it met.
    ///
    /// # Errors
    /// What stopped it, as a submission would have met it.
    pub fn probe(&self) -> Result<Reached, Fault> {
        let mut live = self.connect(&mut Deaf).map_err(|outcome| {
            let none = || Fault::new(crate::fault::Doing::Submitting, &self.server.host, crate::fault::Cause::Bug);
            fault_of(&outcome).cloned().unwrap_or_else(none)
        })?;
        self.runtime.block_on(async {
            // It is over, whatever the server says to it.
            let _ = timeout(GOODBYE, live.connection.command("QUIT\r\n")).await;
        });
        Ok(Reached {
            channel: live.channel,
            mechanism: live.mechanism,
            size: live.offers.size.filter(|size| *size > 0),
            dsn: live.offers.dsn,
        })
    }
}
