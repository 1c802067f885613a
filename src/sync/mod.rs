//! The meeting of server and Maildir: pure functions that say what to do ([`changes`], [`plan`],
//! [`moves`], [`guard`]) and impure ones that do it.

pub mod changes;
pub mod guard;
pub mod moves;
pub mod plan;
