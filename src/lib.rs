#![doc = include_str!("ARCHITECTURE.md")]

pub mod mail;

pub mod fault;
pub mod job;
pub mod keys;
pub mod query;
pub mod theme;

pub mod config;
pub mod login;

pub mod index;
pub mod ledger;
pub mod outbox;
pub mod remote;
pub mod rules;
pub mod store;
pub mod sync;

pub mod state;
pub mod ui;

pub mod app;
pub mod cli;
