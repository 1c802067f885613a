//! Wishes: what keys mean. The action table is the only source of keys, help, hints, palette and
//! documents; the keymap is that table with the user's own keys over it. Pure, and it knows neither
//! another room nor a terminal.

pub mod action;
pub mod key;
pub mod keymap;

pub use action::{Action, Context, FolderBars, Row, Situation};
pub use key::{Code, Key, Keys};
pub use keymap::{Bound, Entry, Keymap, Override, Pending, Step, Trouble};
