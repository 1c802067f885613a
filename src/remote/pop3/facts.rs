//! What a connection has shown of a POP3 server: for `tern doctor` and for nobody else. It signs in, counts (STAT)
//! and leaves; it fetches, removes and remembers nothing. All words of the server are clean.

use std::sync::Arc;

use super::SecretProvider;
use super::entry::{self, Entered};
use super::protocol::{Answer, drop_listing};
use crate::config::{Account, SecretSource, Tls};
use crate::fault::{Again, Cause, Doing, Fault};
use crate::login::channel::{self, Channel};
use crate::mail::clean::Clean;
use crate::remote::limits::Trouble;

/// What is known of a server after signing in.
#[derive(Debug, Clone)]
pub struct Facts {
    /// What it said first; empty where that was before TLS, and may be anybody's words.
    pub greeting: Clean,
    /// The TLS connection, where there is one.
    pub channel: Option<Channel>,
    /// How the sign-in went: the mechanism's name, `APOP`, or `USER` by the commands.
    pub mechanism: &'static str,
    /// What it says it can do (CAPA, RFC 2449), a line each; nothing where it does not know CAPA.
    pub capabilities: Vec<Clean>,
    /// How many messages lie there, and how many bytes they have together.
    pub mail: (u64, u64),
}

impl Facts {
    /// Does it offer this capability?
    pub fn offers(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// What stands behind this capability; `None`: it is not offered.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.capabilities.iter().find_map(|line| {
            let (word, rest) = line.as_str().split_once(' ').unwrap_or((line.as_str(), ""));
            word.eq_ignore_ascii_case(name).then_some(rest)
        })
    }
}

/// Signs in to the account's POP3 server, looks at it and leaves.
///
/// # Errors
/// What stopped it, as a sync would have met it.
pub fn describe(account: &Account, secret: &SecretProvider) -> Result<Facts, Fault> {
    let ours = |fault: Fault| fault.of(&account.id);
    let Some(settings) = &account.pop3 else {
        let fault = Fault::new(Doing::Connecting, account.id.as_str(), Cause::Config).again(Again::AfterUser);
        return Err(ours(fault.detail("the account has no POP3 server")));
    };
    let server = &settings.server;
    let secret = Arc::clone(secret);
    let token = matches!(account.secret, SecretSource::TokenCommand(_));
    let Entered { mut wire, capabilities, greeting, mechanism } =
        entry::enter(settings, &*secret, token).map_err(ours)?;
    let met = |trouble: Trouble| ours(trouble.explain(Doing::Comparing, &server.host, None));
    wire.send(b"STAT\r\n").map_err(met)?;
    let status = wire.status().map_err(met)?;
    if status.answer != Answer::Ok {
        return Err(ours(entry::refused(Doing::Comparing, &server.host, &status)));
    }
    let mail = drop_listing(&status.raw).ok_or_else(|| met(Trouble::protocol("its count of messages is none")))?;
    let channel = wire.link().secured().map(channel::of);
    // It is over, whatever the server says to it.
    wire.hurry();
    let _ = wire.send(b"QUIT\r\n").and_then(|()| wire.status());
    Ok(Facts {
        greeting: if server.tls == Tls::StartTls { Clean::empty() } else { greeting.text },
        channel,
        mechanism,
        capabilities: capabilities.lines().map(|line| Clean::line(&line)).collect(),
        mail,
    })
}
