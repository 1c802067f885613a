//! A compressed connection (COMPRESS=DEFLATE, RFC 4978), for those who ask for it: what two sides send
//! each other compressed tells an eavesdropper more by its length. All limits hold for what comes out;
//! and data that swells out of all proportion ends the connection before it fills the disk.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use crate::fault::{Doing, Fault};
use crate::remote::imap::limits::{Limits, Trouble};
use crate::remote::imap::session::{Session, bad};

/// How much is read at once.
const INPUT: usize = 64 * 1024;
/// How much larger than what came data may be in the long run.
const RATIO: u64 = 100;
/// By how much it may be larger still: a picture of one colour is a thousand times its compressed self.
const SLACK: u64 = 64 << 20;

/// Both directions of a compressed connection.
pub(in crate::remote::imap) struct Deflated {
    inflate: Decompress,
    deflate: Compress,
    input: Vec<u8>,
    start: usize,
    /// What came out beyond [`RATIO`].
    excess: u64,
}

impl Deflated {
    /// Begins; `unread` came behind the agreement already.
    pub(in crate::remote::imap) fn new(unread: &[u8]) -> Self {
        Self {
            inflate: Decompress::new(false),
            deflate: Compress::new(Compression::default(), false),
            input: unread.to_vec(),
            start: 0,
            excess: 0,
        }
    }

    /// Reads at least one byte; `more` reads what is compressed.
    pub(in crate::remote::imap) fn read(
        &mut self,
        into: &mut [u8],
        mut more: impl FnMut(&mut [u8]) -> Result<usize, Trouble>,
    ) -> Result<usize, Trouble> {
        loop {
            let unread = self.input.get(self.start..).unwrap_or_default();
            let (came, made) = (self.inflate.total_in(), self.inflate.total_out());
            let status = self.inflate.decompress(unread, into, FlushDecompress::None);
            let (came, made) = (self.inflate.total_in() - came, self.inflate.total_out() - made);
            self.start = self.start.saturating_add(usize::try_from(came).unwrap_or(usize::MAX));
            self.excess = self.excess.saturating_add(made).saturating_sub(came.saturating_mul(RATIO));
            if self.excess > SLACK {
                return Err(Trouble::protocol("the server's compressed data swells out of all proportion"));
            }
            let made = usize::try_from(made).unwrap_or(usize::MAX);
            match status {
                Ok(_) if made > 0 => return Ok(made),
                Ok(Status::Ok | Status::BufError) if self.start >= self.input.len() => {}
                Ok(Status::Ok) if came > 0 => continue,
                Ok(Status::StreamEnd) => return Err(Trouble::Closed),
                Ok(Status::Ok | Status::BufError) | Err(_) => {
                    return Err(Trouble::protocol("the server's compressed data makes no sense"));
                }
            }
            self.input.resize(INPUT, 0);
            self.start = 0;
            let count = more(&mut self.input)?;
            self.input.truncate(count);
        }
    }

    /// Compresses what is sent, so that all of it can be read at the other end.
    pub(in crate::remote::imap) fn pack(&mut self, bytes: &[u8]) -> Result<Vec<u8>, Trouble> {
        let mut packed = Vec::with_capacity(bytes.len() / 2 + 64);
        let mut rest = bytes;
        while !(rest.is_empty() && packed.len() < packed.capacity() && !packed.is_empty()) {
            packed.reserve(4096);
            let before = self.deflate.total_in();
            let done = self.deflate.compress_vec(rest, &mut packed, FlushCompress::Sync);
            done.map_err(|_| Trouble::protocol("what is sent cannot be compressed"))?;
            let taken = usize::try_from(self.deflate.total_in() - before).unwrap_or(usize::MAX);
            rest = rest.get(taken..).unwrap_or_default();
        }
        Ok(packed)
    }
}

impl Session {
    /// Agrees on compression. A server that refuses is spoken to without.
    pub(in crate::remote::imap) fn compress(&mut self) -> Result<(), Fault> {
        if !self.capabilities.compress() {
            return Ok(());
        }
        match self.attempt(Doing::Connecting, "COMPRESS DEFLATE", Limits::USUAL)? {
            Ok(_) => self.wire.lock().deflate(),
            Err(status) => tracing::warn!("{}: {}; nothing is compressed", self.host, bad(&status)),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What comes out at the other end, read in pieces of so many bytes.
    fn through(packed: &[u8], piece: usize, room: usize) -> Result<Vec<u8>, Trouble> {
        let mut other = Deflated::new(&[]);
        let mut pieces = packed.chunks(piece);
        let (mut out, mut into) = (Vec::new(), vec![0; room]);
        loop {
            let read = other.read(&mut into, |raw| {
                let piece = pieces.next().ok_or(Trouble::TimedOut)?;
                raw[..piece.len()].copy_from_slice(piece);
                Ok(piece.len())
            });
            match read {
                Ok(count) => out.extend_from_slice(&into[..count]),
                Err(Trouble::TimedOut) => return Ok(out),
                Err(trouble) => return Err(trouble),
            }
        }
    }

    proptest! {
        #[test]
        fn what_goes_in_comes_out_at_each_flush(
            parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..3000), 1..5),
            piece in 1usize..2000,
            room in 1usize..2000,
        ) {
            let mut one = Deflated::new(&[]);
            let packed: Vec<Vec<u8>> = parts.iter().map(|part| one.pack(part).unwrap()).collect();
            prop_assert_eq!(through(&packed.concat(), piece, room).unwrap(), parts.concat());
            prop_assert_eq!(&through(&packed[0], piece, room).unwrap(), &parts[0]);
        }

        #[test]
        fn any_bytes_end(bytes: Vec<u8>) {
            let _ = through(&bytes, 7, 64);
        }
    }

    #[test]
    fn a_bomb_ends_and_a_dull_picture_does_not() {
        let dull = Deflated::new(&[]).pack(&vec![0; 10 << 20]).unwrap();
        assert!(dull.len() < 20_000);
        assert_eq!(through(&dull, INPUT, 1 << 16).unwrap().len(), 10 << 20);
        let mut swelling = Deflated::new(&[]);
        swelling.excess = SLACK - (5 << 20);
        let mut pieces = [dull.as_slice()].into_iter();
        let mut into = vec![0; 1 << 16];
        let ended = std::iter::repeat_with(|| {
            swelling.read(&mut into, |raw| {
                let piece = pieces.next().ok_or(Trouble::TimedOut)?;
                raw[..piece.len()].copy_from_slice(piece);
                Ok(piece.len())
            })
        })
        .find_map(Result::err);
        assert!(matches!(ended, Some(Trouble::Protocol(why)) if why.contains("out of all proportion")));
    }
}
