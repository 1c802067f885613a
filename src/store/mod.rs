//! Maildir: the truth about messages. Files are made durable before anything speaks of them, and
//! nothing here knows a server, an index or a ledger.

pub mod batch;
pub mod folders;
pub mod maildir;
pub mod name;
pub mod quarantine;
pub mod scan;
