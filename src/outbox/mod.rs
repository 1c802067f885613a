//! Sending. A message is queued as one file, whole or not there; its state is the directory it lies
//! in. `policy` says what comes after an attempt, `smtp` makes one, `worker` does the rounds.

pub mod command;
pub mod entry;
pub mod note;
pub mod policy;
pub mod queue;
pub mod smtp;
pub mod submit;
