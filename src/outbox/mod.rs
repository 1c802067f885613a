//! Sending. A message is queued as one file, whole or not there; its state is the directory it lies
//! in. `policy` says what comes after an attempt, `smtp` and `command` make one, `worker` does the
//! rounds, `wishes` is what the user wants of an entry.

pub mod command;
pub mod draft;
pub mod entry;
pub mod env;
pub mod note;
pub mod policy;
pub mod queue;
pub mod sent;
pub mod smtp;
pub mod submit;
mod verdict;
pub mod wishes;
pub mod worker;
