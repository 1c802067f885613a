//! What must not be lost beside the mail itself: per mailbox, what both sides agreed on last, and
//! what was begun on a server and not yet confirmed, and the book of POP3 ids. One SQLite file, every commit synced. It knows
//! neither servers nor files; where it is damaged, the mail is all there and only the memory is new.

pub mod base;
pub mod claims;
pub mod health;
pub mod intents;
pub mod keeper;
pub mod labels;
pub mod notes;
pub mod peek;
pub mod schema;
pub mod uidl;
mod vouch;
pub mod wishes;

pub use base::{Agreed, Change, MailboxKey, Row, digest};
pub use claims::Claim;
pub use intents::{Intent, IntentId, Pending};
pub use labels::{LabelWish, Labelled};
pub use schema::Ledger;
pub use uidl::{BookKey, NewUidl, UidlRow};
pub use wishes::Wish;

use crate::fault::{Again, Cause, Doing, Fault};

/// The one place where SQLite's errors become faults.
fn fault(error: &rusqlite::Error) -> Fault {
    use rusqlite::ErrorCode as C;
    let senseless = matches!(
        error,
        rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::InvalidColumnType(..)
    );
    // The file that SQLite shares between processes could not grow; it does not say why.
    let is_full = error.sqlite_error().is_some_and(|e| e.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE);
    let (cause, again) = match error.sqlite_error_code() {
        _ if is_full => (Cause::DiskFull, Again::AfterUser),
        _ if senseless => (Cause::Damaged, Again::AfterUser),
        Some(C::DiskFull) => (Cause::DiskFull, Again::AfterUser),
        Some(C::SystemIoFailure) => (Cause::Disk, Again::Later),
        Some(C::DatabaseBusy | C::DatabaseLocked) => (Cause::Busy, Again::Later),
        Some(C::DatabaseCorrupt | C::NotADatabase) => (Cause::Damaged, Again::AfterUser),
        Some(C::PermissionDenied | C::ReadOnly | C::CannotOpen) => (Cause::Permission, Again::AfterUser),
        Some(C::ConstraintViolation | C::ApiMisuse | C::TypeMismatch | C::ParameterOutOfRange) => {
            (Cause::Bug, Again::Never)
        }
        _ => (Cause::Other, Again::Later),
    };
    if cause == Cause::Damaged {
        vouch::suspect();
    }
    let words = if is_full { "the disk is full".to_owned() } else { error.to_string() };
    Fault::new(Doing::Remembering, "ledger.db", cause).again(again).detail(&words)
}
