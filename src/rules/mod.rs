//! What is done with many messages at once by a written wish: rules, on arrival or by hand, and `tern tag`. Which
//! messages a rule matches is the index's to say; here it is planned what a wish means to each message of each kind
//! of account, and carried out by the very jobs that keys lead to, so that it is synced like those. It never meets
//! a server.

mod carry;
mod plan;
mod program;
mod worker;

pub use carry::{Hands, carry_out};
pub use plan::{Change, Plan, Planner, What, Wish, wishes_of};
pub use worker::{Env, act, by_hand, run, sieves};
