//! notmuch as engine, against the real library and the real command: the same searches, tags both ways, new mail,
//! other writers, and databases that are no good.

mod searches;
mod served;
mod tags;
mod trouble;
mod world;
mod writing;
