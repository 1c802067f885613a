//! All integration tests, in one binary.

#![allow(
mod architecture;
mod chaos;
mod configs;
mod imap;
mod imap_faults;
mod index;
mod keys;
mod ledger;
mod login;
mod maildir;
mod robust;
mod screens;
mod servers;
mod support;
mod sync_histories;
mod sync_properties;
mod sync_steps;
mod sync_worker;
mod terminal;
