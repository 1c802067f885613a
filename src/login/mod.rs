//! Ways in: where the secret comes from, what is said to prove it, and the connection it may
//! travel on. A secret leaves this room only towards a server, never towards a screen or a log.

pub mod binding;
pub mod certificate;
pub mod channel;
pub mod connect;
mod prep;
pub mod sasl;
mod scram;
pub mod secret;
pub mod tls;
pub mod working;

pub use connect::{dial, secure};
pub use sasl::{Exchange, Mechanism, choose};
pub use secret::{Ask, Secret, fetch};
pub use tls::{client_config, server_name};
