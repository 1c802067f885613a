//! The index against what lies on disk: stories of mail coming and going, random histories against a
//! recount, searches against a slow reader.

mod arrivals;
mod contacts;
pub(crate) mod disk;
mod histories;
mod notes;
mod reader;
mod scanner;
mod stories;
mod tags;
mod views;
