//! What several tests stand on.

pub(crate) mod driver;
pub(crate) mod gmail;
pub(crate) mod histories;
pub(crate) mod letters;
pub(crate) mod meeting;
pub(crate) mod patience;
pub(crate) mod proxy;
pub(crate) mod scenario;
pub(crate) mod scripted;
pub(crate) mod smtp_script;
pub(crate) mod stubs;
pub(crate) mod turnstile;
pub(crate) mod wire;
