//! All integration tests, in one binary.

mod servers;
mod support;
mod sync_properties;
