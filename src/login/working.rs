//! What to do where a server offers SCRAM and refuses it: many keep their passwords hashed in a way of their
//! own, with which SCRAM cannot work, and offer it all the same. Inside TLS, and where the config leaves the
//! choice to us, the password itself is tried once. What worked is remembered as long as the program runs,
//! so that nobody takes a refused attempt at each connection for an attack.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::sasl::Mechanism;
use crate::config::{Auth, Server, Tls};

/// The mechanisms that worked after a better one was refused, by host, port and user.
static WORKING: Mutex<BTreeMap<(String, u16, String), Mechanism>> = Mutex::new(BTreeMap::new());

fn key(server: &Server) -> (String, u16, String) {
    (server.host.clone(), server.port, server.user.clone())
}

fn is_offered(offered: &[&str], mechanism: Mechanism) -> bool {
    offered.iter().any(|name| name.eq_ignore_ascii_case(mechanism.name()))
}

/// What to try with the same secret on the same connection when `refused` was refused; `None`: nothing.
pub fn instead(server: &Server, refused: Mechanism, offered: &[&str]) -> Option<Mechanism> {
    let may = server.auth == Auth::Auto && server.tls != Tls::Plain;
    let was_scram = matches!(refused, Mechanism::ScramSha256 | Mechanism::ScramSha256Plus);
    (may && was_scram && is_offered(offered, Mechanism::Plain)).then_some(Mechanism::Plain)
}

/// What worked here before, if it is still on offer and the choice is ours.
pub fn recall(server: &Server, offered: &[&str]) -> Option<Mechanism> {
    if server.auth != Auth::Auto || server.tls == Tls::Plain {
        return None;
    }
    let known = WORKING.lock().unwrap_or_else(PoisonError::into_inner).get(&key(server)).copied();
    known.filter(|known| is_offered(offered, *known))
}

/// Remembers what worked in place of a better one.
pub fn remember(server: &Server, mechanism: Mechanism) {
    WORKING.lock().unwrap_or_else(PoisonError::into_inner).insert(key(server), mechanism);
}

/// What worked before was refused: the best is tried anew next time.
pub fn forget(server: &Server) {
    WORKING.lock().unwrap_or_else(PoisonError::into_inner).remove(&key(server));
}
