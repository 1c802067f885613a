//! Words of mail: addresses, flags, mailboxes, messages, drafts. Pure: nothing in this room
//! touches a file, a socket, a clock or a thread, and no bytes can make it panic.

pub mod address;
pub mod build;
pub mod clean;
pub mod document;
pub mod draft;
pub mod envelope;
pub mod flags;
pub mod flow;
pub mod ids;
pub mod journal;
pub mod mailbox;
pub mod place;
pub mod submission;
pub mod wire;
