//! The harness of trust: the real program against the real Dovecot, killed, cut off from power, out
//! of disk, lied to, and not alone in its Maildir; and an oracle that reads both sides by itself.
//!
//! Every test is short by default. `TERN_LONG=1` runs them at full length, `TERN_TEST_SEED` chooses
//! another course of events; each failure names its own.

mod disks;
mod hostile;
mod kills;
mod network;
mod power;
mod turmoil;
mod two;

/// Is this the long mode?
pub(crate) fn is_long() -> bool {
    std::env::var_os("TERN_LONG").is_some_and(|value| value == "1")
}

/// The seed of this course of events.
pub(crate) fn seed() -> u64 {
    std::env::var("TERN_TEST_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(20_261_122)
}
