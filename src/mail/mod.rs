//! Words of mail: addresses, flags, mailboxes, messages, drafts. Pure: nothing in this room
//! touches a file, a socket, a clock or a thread, and no bytes can make it panic.

pub mod address;
pub mod answer;
pub mod build;
pub mod charset;
pub mod clean;
pub mod contact;
pub mod date;
pub mod document;
pub mod draft;
pub mod envelope;
pub mod flags;
pub mod flow;
mod folder_names;
pub mod header;
pub mod html;
pub mod ids;
pub mod indexing;
pub mod invite;
pub mod journal;
pub mod labels;
pub mod link;
pub mod mailbox;
mod markup;
pub mod message;
pub mod place;
pub mod ranges;
pub mod reader;
pub mod stub;
pub mod submission;
pub mod tags;
mod tame;
pub mod text;
pub mod thread;
pub mod transfer;
pub mod vcard;
pub mod wire;
