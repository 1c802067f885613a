//! What a connection has shown of its server: for `tern doctor` and for nobody else. All words of the
//! server are clean.

use std::collections::BTreeSet;

use crate::config::quirk::Quirk;
use crate::fault::Fault;
use crate::login::channel::Channel;
use crate::mail::clean::Clean;
use crate::remote::RemoteMailbox;

use super::session::Session;

/// What is known of a server after signing in.
#[derive(Debug, Clone)]
pub struct Facts {
    /// What it said first; empty where that was before TLS, and may be anybody's words.
    pub greeting: Clean,
    /// The TLS connection, where there is one.
    pub channel: Option<Channel>,
    /// How the sign-in went: the mechanism's name, or `LOGIN` by the command.
    pub mechanism: &'static str,
    /// Its answer to ID (RFC 2971): pairs of a field and its value.
    pub id: Vec<(Clean, Clean)>,
    /// What it says it can do, without what its quirks make void.
    pub capabilities: Vec<Clean>,
    /// In what it is known to be odd.
    pub quirks: BTreeSet<Quirk>,
    /// Its mailboxes.
    pub mailboxes: Vec<RemoteMailbox>,
    /// What it wants the user to read.
    pub alerts: Vec<Clean>,
}

impl Facts {
    /// Does it offer this capability?
    pub fn offers(&self, name: &str) -> bool {
        self.capabilities.iter().any(|known| known.as_str().eq_ignore_ascii_case(name))
    }
}

impl Session {
    /// Lists the mailboxes and tells all that is known of the server by then.
    pub(super) fn describe(&mut self) -> Result<Facts, Fault> {
        let mailboxes = self.list()?;
        let mut wire = self.wire.lock();
        Ok(Facts {
            mailboxes,
            id: wire.introduction.heard().to_vec(),
            alerts: wire.take_alerts(),
            capabilities: self.capabilities.names().map(Clean::line).collect(),
            ..self.facts.clone()
        })
    }
}
