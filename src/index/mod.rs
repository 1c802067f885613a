//! List, threads, search: a cache in one SQLite file of what lies in the Maildirs. It can be lost and
//! is then made anew; nothing in it is the truth.
//!
//! One writer ([`run_writer`]) takes in what changed on disk; any number of readers ([`run_reader`],
//! [`Index`]) answer questions by windows over SQL indexes, so that the cost of an answer depends on
//! the rows on screen and not on the mailbox. A message's row is its date (seconds, shifted left) and
//! a number in it, so that newest first is the order of the table itself. Messages are kept by the
//! bytes of their file: copies in several mailboxes of an account are one message with several
//! places; within one mailbox each file is a message of its own. A view shows messages of another
//! mailbox by a label or keyword; what it shows are places too.
//!
//! A database of notmuch's can answer searches and keep tags instead ([`Notmuch`]). Then the writer notes what it is to
//! hear, and a thread of its own ([`run_notmuch`]) tells it, and hears what others changed there.

mod ahead;
mod beside;
mod blocks;
mod books;
mod called;
mod complete;
mod contacts;
mod conversation;
mod engine;
mod expression;
mod extract;
mod folders;
mod follow;
mod glance;
pub mod health;
mod hits;
mod hunt;
#[cfg(feature = "notmuch")]
mod ignore;
mod intake;
mod judge;
mod layout;
mod meeting;
mod merge;
#[cfg(feature = "notmuch")]
mod notmuch;
#[cfg(not(feature = "notmuch"))]
#[path = "without_notmuch.rs"]
mod notmuch;
mod ordered;
mod pages;
mod queue;
mod refused;
mod retag;
mod rows;
mod schema;
mod seams;
mod search;
mod serving;
mod shown;
mod sift;
mod sorting;
mod streams;
mod tags;
mod tally;
mod threads;
mod timers;
mod together;
mod unread;
pub mod verify;
mod views;
mod words;
mod worker;
mod write;

pub use ahead::{Ahead, Reading, ahead};
pub use contacts::Sources;
pub use engine::{AT_ONCE, Notmuch};
pub use glance::{AccountNow, Now};
pub use meeting::{Met, NotmuchHealth, examine_notmuch, meet, run_notmuch};
pub use rows::{Index, Window};
pub use schema::{Stands, stands};
pub use sift::Sieves;
pub use worker::{Ground, run_reader, run_writer};
pub use write::{Haste, Writer};
