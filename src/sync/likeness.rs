//! What messages on the server are, where Message-ID and size do not tell: some servers announce another size
//! than the message has (RFC 9051 §2.3.4 forbids it; Exchange does so unless it is told not to). Few are read
//! whole. Of many only the headers are, and whole those few that show whether this server is one of these. Nothing
//! is kept of what is read, and nothing is decided here.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use super::changes::{Identity, ServerChanges, fits};
use super::content::{digest_of, read};
use super::env::Halt;
use super::fetch::Tee;
use super::look::Look;
use super::round::Round;
use crate::fault::{Fault, Scope};
use crate::mail::ids::{RemoteId, Uid};
use crate::mail::mailbox::MailboxName;
use crate::mail::place::UniqueName;
use crate::mail::stub;
use crate::remote::{Fetched, Sink, Want};

/// So many messages are simply read whole; of more than these, so many show whether announced sizes are true.
const FEW: usize = 16;
/// Messages over this size, in bytes, are not fetched only to compare them.
const COMPARABLE: usize = 64 << 20;
/// A larger header is like no other.
const HEADER: usize = 1 << 20;

/// SHA-256 of a message with CRLF line ends.
type Digest = [u8; 32];

/// What one file, or several of one header, are: `None` where these differ.
type Content = Option<(Digest, u64)>;

impl Round<'_> {
    /// The digests of these messages, which were told apart by nothing else. One that cannot be read, or is surely
    /// no file here, has none.
    pub(super) fn contents_there(
        &mut self,
        look: &Look,
        server: &ServerChanges,
        uids: &[Uid],
    ) -> Result<BTreeMap<Uid, Digest>, Halt> {
        let name = &look.mailbox.name;
        let announced: BTreeMap<Uid, u64> =
            uids.iter().filter_map(|uid| Some((*uid, server.new.get(uid)?.identity.as_ref()?.size))).collect();
        let is_small = |uid: &Uid| announced.get(uid).is_some_and(|size| *size <= COMPARABLE as u64);
        let whole = |uids: Vec<Uid>| uids.into_iter().filter(is_small).collect::<Vec<Uid>>();
        if uids.len() <= FEW {
            return self.digests(name, &whole(uids.to_vec()), Want::Whole);
        }
        let here = self.headers_here(look, uids, server)?;
        let there = self.digests(name, uids, Want::Header)?;
        let (mut alike, mut untold) = (BTreeMap::new(), Vec::new());
        for uid in uids {
            match there.get(uid).map(|header| here.get(header)) {
                Some(Some(Some(content))) => drop(alike.insert(*uid, *content)),
                // No file has this header.
                Some(None) => {}
                Some(Some(None)) | None => untold.push(*uid),
            }
        }
        let is_true = |uid: &Uid, size: u64| announced.get(uid).is_some_and(|announced| fits(*announced, size));
        let odd: Vec<Uid> = alike.iter().filter(|(uid, (_, size))| !is_true(uid, *size)).map(|(uid, _)| *uid).collect();
        let sample: Vec<Uid> = odd.iter().copied().step_by(odd.len().div_ceil(FEW).max(1)).collect();
        let seen = self.digests(name, &whole(sample), Want::Whole)?;
        // Where sizes are true, another size is another message, as one is that was edited: its header may be the same.
        let guesses = seen.iter().all(|(uid, digest)| alike.get(uid).is_some_and(|(known, _)| known == digest));
        if !guesses {
            alike.retain(|uid, (_, size)| is_true(uid, *size));
            untold.extend(odd.into_iter().filter(|uid| !seen.contains_key(uid)));
        }
        let mut found: BTreeMap<Uid, Digest> = alike.into_iter().map(|(uid, (digest, _))| (uid, digest)).collect();
        found.extend(seen);
        found.extend(self.digests(name, &whole(untold), Want::Whole)?);
        Ok(found)
    }

    /// The files that may be one of these messages, by the digest of their headers.
    fn headers_here(
        &mut self,
        look: &Look,
        uids: &[Uid],
        server: &ServerChanges,
    ) -> Result<BTreeMap<Digest, Content>, Halt> {
        let mut out: BTreeMap<Digest, Content> = BTreeMap::new();
        let Some(maildir) = &look.maildir else { return Ok(out) };
        let ids: BTreeSet<Option<u64>> =
            uids.iter().filter_map(|uid| Some(server.new.get(uid)?.identity.as_ref()?.id)).collect();
        let side = &look.side;
        let new = side.changes.new.iter().filter_map(|(unique, file)| Some((unique, file.identity?)));
        let old = side.base.iter().map(|(_, row)| (&row.unique, row.identity));
        let is_one = |(_, identity): &(&UniqueName, Identity)| identity.digest.is_some() && ids.contains(&identity.id);
        for (unique, identity) in new.chain(old).filter(is_one) {
            self.env.step()?;
            // One that went meanwhile is nothing to compare with.
            let (Ok(Some(file)), Some(digest)) = (read(maildir, unique), identity.digest) else { continue };
            let content = Some((digest, identity.size));
            let known = out.entry(digest_of(stub::original_header(&file.bytes))).or_insert(content);
            *known = known.filter(|known| Some(*known) == content);
        }
        Ok(out)
    }

    /// The digests of these messages, or of their headers, as far as they come.
    fn digests(&mut self, mailbox: &MailboxName, uids: &[Uid], want: Want) -> Result<BTreeMap<Uid, Digest>, Halt> {
        if uids.is_empty() {
            return Ok(BTreeMap::new());
        }
        let mut glass = Loupe { want, stop: &*self.env.stop, bytes: Vec::new(), found: BTreeMap::new() };
        match self.remote.fetch(mailbox, uids, want, &mut glass) {
            // What gives no headers may give whole messages.
            Err(fault) if want == Want::Header && fault.scope <= Scope::Mailbox => {}
            told => told?,
        }
        let found = glass.found;
        // Who was stopped has not seen all.
        self.env.step()?;
        Ok(found)
    }
}

/// Looks at messages, or at their headers, without keeping them.
struct Loupe<'a> {
    want: Want,
    stop: &'a dyn Fn() -> bool,
    bytes: Vec<u8>,
    found: BTreeMap<Uid, Digest>,
}

impl Loupe<'_> {
    fn most(&self) -> usize {
        match self.want {
            Want::Whole => COMPARABLE,
            Want::Header => HEADER,
        }
    }
}

impl Sink for Loupe<'_> {
    fn open(&mut self, _: &RemoteId, _: u64) -> Result<Box<dyn Write + '_>, Fault> {
        self.bytes.clear();
        let most = self.most() + 1;
        Ok(Box::new(Tee { file: std::io::sink(), head: &mut self.bytes, most }))
    }

    fn done(&mut self, message: Fetched) -> Result<(), Fault> {
        if message.trouble.is_none() && self.bytes.len() <= self.most() {
            let seen = match self.want {
                Want::Whole => &*self.bytes,
                Want::Header => stub::original_header(&self.bytes),
            };
            self.found.insert(message.id.uid(), digest_of(seen));
        }
        Ok(())
    }

    fn stop(&self) -> bool {
        (self.stop)()
    }
}
