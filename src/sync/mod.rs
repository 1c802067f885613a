//! The meeting of server and Maildir: pure functions that say what to do ([`changes`], [`plan`],
//! [`moves`], [`guard`]) and impure ones that do it ([`worker`], [`watch`], [`commit`]).

mod adopt;
mod alerts;
mod apply;
pub mod changes;
pub mod commit;
mod compare;
mod doubt;
pub mod env;
mod fetch;
mod filed;
mod folders;
pub mod forecast;
pub mod guard;
mod judge;
mod keywords;
mod look;
pub mod moves;
mod overtake;
pub mod plan;
mod renames;
mod round;
mod trouble;
pub mod watch;
pub mod worker;

pub use env::Env;
