//! The meeting of server and Maildir: pure functions that say what to do ([`changes`], [`plan`],
//! [`moves`], [`guard`], [`window`]) and impure ones that do it ([`worker`], [`watch`], [`errand`],
//! [`commit`]).

mod adopt;
mod alerts;
mod apply;
pub mod changes;
pub mod commit;
mod compare;
mod content;
mod doubt;
pub mod env;
pub mod errand;
mod expiry;
mod fetch;
mod filed;
mod folders;
mod follow;
pub mod forecast;
pub mod guard;
mod judge;
mod keywords;
mod labels;
mod likeness;
mod look;
pub mod moves;
pub mod notes;
mod overtake;
pub mod plan;
mod renames;
pub mod rivals;
mod round;
mod stubs;
mod transfers;
mod trouble;
mod uidl_stubs;
mod views;
pub mod watch;
pub mod window;
pub mod worker;

pub use env::Env;
