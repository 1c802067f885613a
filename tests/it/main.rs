//! All integration tests, in one binary.

mod ledger;
mod servers;
mod support;
mod sync_properties;
