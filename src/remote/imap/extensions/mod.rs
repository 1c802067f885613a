//! Extensions of IMAP that save round trips: one file each, used where the server offers them. Without
//! any of them everything works too, only slower.

pub(super) mod compress;
pub(super) mod labels;
pub(super) mod list_status;
pub(super) mod notify;
pub(super) mod preview;
pub(super) mod qresync;
