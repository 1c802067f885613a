//! The real binary in a pty, its screen read by a vt100 parser.

mod disk;
mod journey;
mod labels;
mod mailbox;
mod session;
mod thrift;
mod trouble;
mod windows;
mod world;

pub(crate) use session::Session;
pub(crate) use world::{World, account, pop3_account};
