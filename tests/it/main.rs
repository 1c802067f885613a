//! All integration tests, in one binary.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stderr,
    reason = "what fails in a test shall panic, in its helpers too, which clippy does not take for tests; figures are printed"
)]

mod actions;
mod adoption;
mod architecture;
mod arranging;
mod browsing;
mod canaries;
mod chaos;
mod commands;
mod compose;
mod configs;
mod contacts;
mod conversations;
mod corpus;
mod cotenants;
mod doctor;
mod endings;
mod folder_names;
mod folder_pane;
mod glances;
mod gmail_path;
mod held;
mod hostile;
mod imap;
mod imap_ahead;
mod imap_faults;
mod imap_flights;
mod imap_gmail;
mod imap_hostile;
mod imap_quirks;
mod index;
mod keys;
mod kills;
mod ledger;
mod login;
mod login_sasl;
mod maildir;
mod mutants;
mod neighbours;
mod news;
#[cfg(feature = "notmuch")]
mod notmuch;
mod outbox;
mod pop3;
mod pop3_faults;
mod pop3_hostile;
mod pop3_stubs;
mod renewals;
mod robust;
mod rules;
mod saved_searches;
mod screens;
mod servers;
mod stubs;
mod support;
mod sync_alone;
mod sync_cotenant;
mod sync_disks;
mod sync_dovecot;
mod sync_folders;
mod sync_folders_dovecot;
mod sync_histories;
mod sync_keywords;
mod sync_labels;
mod sync_marks;
mod sync_memory;
mod sync_moves;
mod sync_properties;
mod sync_refusals;
mod sync_sizes;
mod sync_steps;
mod sync_urgent;
mod sync_windows;
mod sync_worker;
mod tags;
mod terminal;
mod threads;
mod timers;
mod trust;
mod views;
#[cfg(not(feature = "notmuch"))]
mod without_notmuch;
