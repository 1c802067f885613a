//! What a file is: its identity, and its bytes as they go on the wire. A stub is what it stands for, and is
//! never taken for the message.

use sha2::{Digest as _, Sha256};

use super::changes::{Identity, TUID_LINE};
use crate::fault::{Cause, Fault};
use crate::ledger::digest;
use crate::mail::ids::MessageId;
use crate::mail::place::UniqueName;
use crate::mail::{stub, wire};
use crate::store::maildir::Maildir;

/// What a file is, and how it goes on the wire.
pub(crate) struct Read {
    pub(crate) identity: Identity,
    pub(crate) message_id: Option<MessageId>,
    pub(crate) bytes: Vec<u8>,
    /// Is it a stub, which stands for a message and is none?
    pub(crate) is_stub: bool,
}

/// Reads a file as it would go to the server: one whose lines all end in LF alone gets CRLF, any
/// other stays byte for byte. A stub is what it stands for. `None`: it is gone.
pub(crate) fn read(maildir: &Maildir, unique: &UniqueName) -> Result<Option<Read>, Fault> {
    let bytes = match maildir.read(unique) {
        Ok(bytes) => bytes,
        Err(fault) if fault.cause == Cause::Missing => return Ok(None),
        Err(fault) => return Err(fault),
    };
    let has_crlf = bytes.windows(2).any(|pair| pair == b"\r\n");
    let bytes = match wire::canonical(&bytes) {
        Some(canonical) if !has_crlf => canonical.into_owned(),
        _ => bytes,
    };
    let message_id = MessageId::in_header(&bytes);
    // Another program may have given it a name that does not tell it.
    let whole = unique.stub_size().or_else(|| stub::told(&bytes));
    let identity = Identity {
        size: whole.unwrap_or(bytes.len() as u64),
        id: message_id.as_ref().map(|id| digest(id.as_str())),
        digest: whole.is_none().then(|| digest_of(&bytes)),
    };
    Ok(Some(Read { identity, message_id, bytes, is_stub: whole.is_some() }))
}

/// The SHA-256 of a message without the line that mbsync adds to the copies it makes.
pub(super) fn digest_of(bytes: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    let mut rest = bytes;
    while let Some(end) = rest.windows(2).position(|pair| pair == b"\r\n") {
        let (line, after) = rest.split_at(end + 2);
        let is_tuid = line.len() as u64 == TUID_LINE && line.starts_with(b"X-TUID: ");
        if line.len() == 2 || is_tuid {
            rest = if is_tuid { after } else { rest };
            break;
        }
        hash.update(line);
        rest = after;
    }
    hash.update(rest);
    hash.finalize().into()
}
