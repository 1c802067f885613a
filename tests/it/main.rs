//! All integration tests, in one binary.

mod servers;
mod support;
