//! Maildir: the truth about messages. Files are made durable before anything speaks of them, and
//! nothing here knows a server, an index or a ledger.

pub mod adopt;
pub mod batch;
#[cfg(target_os = "linux")]
pub mod deliveries;
pub mod drafts;
pub mod folders;
pub mod health;
pub mod keywords;
mod look;
pub mod maildir;
pub mod name;
pub mod orders;
pub mod parts;
pub mod quarantine;
pub mod scan;
pub mod searches;
pub mod signs;
mod tree;
mod witness;
pub mod worker;
