//! What lies on the server: STAT, UIDL and LIST in one flight, and what tells each message from the others. A good
//! UIDL (RFC 1939 §7) does; where it is missing, too long, or given to two messages, the header does. What stays
//! ambiguous is fetched and never removed.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use sha2::{Digest as _, Sha256};

use super::book::{HeaderHash, Known};
use super::flight::{Command, Flight};
use super::protocol::{Answer, count, numbered, size};
use super::session::Session;
use super::wire::Wire;
use crate::fault::{Cause, Doing, Fault};
use crate::mail::ids::Uidl;
use crate::remote::limits::Trouble;

/// How many messages a server may have.
const MESSAGES: usize = 2_000_000;
/// The longest header that is looked at for itself.
const HEADER: u64 = 16 << 20;
/// So much of a header is kept to be read.
const HEAD: usize = 64 << 10;
/// With what an id begins that was made of a header. A server's own id with this beginning counts for none.
const MADE: &str = "header:";

/// How a header is looked at.
#[derive(Debug, Clone, Copy)]
enum By {
    Top,
    Retr,
}

/// A line of the listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// Its number in this session.
    pub(super) number: u32,
    /// Its size, as the server tells it.
    pub(super) size: u64,
    /// What the server calls it, where that is good for something.
    uidl: Option<Uidl>,
}

/// A message that can be told from others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) number: u32,
    pub(super) size: u64,
    pub(super) uidl: Uidl,
    /// Is there another that looks the same?
    pub(super) ambiguous: bool,
}

/// A header that was looked at.
#[derive(Debug, Clone, Default)]
pub(super) struct Header {
    pub(super) hash: HeaderHash,
    /// Its beginning.
    pub(super) head: Vec<u8>,
}

/// Takes the hash of a header, and of nothing behind the empty line, while a message streams by.
#[derive(Debug, Clone, Default)]
pub(super) struct HeaderHasher {
    hasher: Sha256,
    /// How many bytes of CRLFCRLF were seen in a row.
    seen: usize,
}

impl HeaderHasher {
    /// Takes in some bytes.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        const END: &[u8; 4] = b"\r\n\r\n";
        if self.seen == END.len() {
            return;
        }
        let mut length = 0;
        for byte in bytes {
            length += 1;
            self.seen = match (END.get(self.seen), *byte) {
                (Some(wanted), byte) if *wanted == byte => self.seen + 1,
                (_, b'\r') => 1,
                _ => 0,
            };
            if self.seen == END.len() {
                break;
            }
        }
        self.hasher.update(bytes.get(..length).unwrap_or_default());
    }

    /// The hash.
    pub(super) fn finish(self) -> HeaderHash {
        self.hasher.finalize().into()
    }
}

/// The id of a message that has none of its own: the `nth` of those with this header.
fn made(hash: &HeaderHash, nth: usize) -> Option<Uidl> {
    let digits = hash.iter().take(24).fold(String::with_capacity(48), |text, byte| format!("{text}{byte:02x}"));
    Uidl::new(&if nth == 0 { format!("{MADE}{digits}") } else { format!("{MADE}{digits}.{nth}") })
}

impl Session {
    /// What the server lists, by number.
    pub(super) fn list(&mut self) -> Result<Vec<Line>, Fault> {
        let has_uidl = self.capabilities.is_empty() || self.capabilities.has("UIDL");
        let names: &[&str] = if has_uidl { &["STAT", "LIST", "UIDL"] } else { &["STAT", "LIST"] };
        let commands: Vec<Command> = names.iter().map(|name| Command { text: (*name).to_owned(), size: 0 }).collect();
        let mut flight = Flight::new(&commands, self.capabilities.has("PIPELINING"));
        let mut most = 0;
        let mut sizes: BTreeMap<u32, u64> = BTreeMap::new();
        let mut uidls: BTreeMap<u32, Option<Uidl>> = BTreeMap::new();
        while let Some(at) = self.step(Doing::Comparing, |wire| flight.next(wire))? {
            let status = self.step(Doing::Comparing, Wire::status)?;
            match (at, status.answer) {
                (0, Answer::Ok) => {
                    // What comes meanwhile is for the next session, but nobody should fall over it.
                    most = count(&status.raw).unwrap_or(MESSAGES).saturating_add(1000).min(MESSAGES);
                }
                (1, Answer::Ok) => self.step(Doing::Comparing, |wire| {
                    wire.lines(most, |line| {
                        if let Some((number, rest)) = numbered(line) {
                            sizes.insert(number, size(rest).unwrap_or(0));
                        }
                    })
                })?,
                (2, Answer::Ok) => self.step(Doing::Comparing, |wire| {
                    wire.lines(most, |line| {
                        if let Some((number, rest)) = numbered(line) {
                            let uidl = std::str::from_utf8(rest).ok().and_then(Uidl::new);
                            // Of two ids of one message neither can be believed.
                            let known = uidls.entry(number).or_insert_with(|| uidl.clone());
                            if *known != uidl {
                                *known = None;
                            }
                        }
                    })
                })?,
                // A server may do without UIDL.
                (2, _) => tracing::warn!("{}: no UIDL: messages are told apart by their headers", self.host),
                _ => return Err(self.refusal(Doing::Comparing, &status)),
            }
        }
        let is_servers = |uidl: &Uidl| !uidl.as_str().starts_with(MADE);
        let line = |(number, size)| {
            let uidl = uidls.remove(&number).flatten().filter(is_servers);
            Line { number, size, uidl }
        };
        Ok(sizes.into_iter().map(line).collect())
    }

    /// Says of each message what tells it from the others. Where the server does not, its header is looked at.
    pub(super) fn name(&mut self, lines: Vec<Line>, known: &BTreeMap<Uidl, Known>) -> Result<Vec<Named>, Fault> {
        let mut times: BTreeMap<&Uidl, usize> = BTreeMap::new();
        for uidl in lines.iter().filter_map(|line| line.uidl.as_ref()) {
            *times.entry(uidl).or_default() += 1;
        }
        let is_good = |line: &Line| line.uidl.as_ref().is_some_and(|uidl| times.get(uidl) == Some(&1));
        // One that was known by its header once may have got an id of its own since.
        let some_made = known.keys().any(|uidl| uidl.as_str().starts_with(MADE));
        let is_new = |line: &Line| {
            line.uidl.as_ref().is_some_and(|uidl| known.get(uidl).is_none_or(|known| known.size != line.size))
        };
        let asked: Vec<u32> =
            lines.iter().filter(|line| !is_good(line) || (some_made && is_new(line))).map(|line| line.number).collect();
        let good: BTreeSet<u32> = lines.iter().filter(|line| is_good(line)).map(|line| line.number).collect();
        let headers = self.headers(&asked)?;
        let mut alike: BTreeMap<HeaderHash, usize> = BTreeMap::new();
        for (number, header) in &headers {
            if !good.contains(number) {
                *alike.entry(header.hash).or_default() += 1;
            }
        }
        let mut taken: BTreeSet<Uidl> = BTreeSet::new();
        let mut out = Vec::with_capacity(lines.len());
        for Line { number, size, uidl } in lines {
            let header = headers.get(&number);
            let named = match (good.contains(&number), uidl, header) {
                (true, Some(uidl), None) => Some((uidl, false)),
                (true, Some(uidl), Some(header)) => {
                    let before = made(&header.hash, 0).filter(|made| known.contains_key(made) && !taken.contains(made));
                    Some((before.unwrap_or(uidl), false))
                }
                (_, uidl, Some(header)) => {
                    // Of two with one id, one may be the message that had it first.
                    let first = uidl.filter(|uidl| {
                        known.get(uidl).is_some_and(|known| known.header == Some(header.hash)) && !taken.contains(uidl)
                    });
                    let nth = |nth| made(&header.hash, nth).filter(|made| !taken.contains(made));
                    let ambiguous = alike.get(&header.hash).is_some_and(|times| *times > 1);
                    first.or_else(|| (0..MESSAGES).find_map(nth)).map(|uidl| (uidl, ambiguous))
                }
                // It cannot be told from others at all now; the next session tries again.
                _ => None,
            };
            if let Some((uidl, ambiguous)) = named {
                taken.insert(uidl.clone());
                out.push(Named { number, size, uidl, ambiguous });
            }
        }
        Ok(out)
    }

    /// Looks at the headers of messages, by TOP, or by fetching them where there is no TOP. One that the server does
    /// not give is missing.
    pub(super) fn headers(&mut self, numbers: &[u32]) -> Result<BTreeMap<u32, Header>, Fault> {
        let has_top = self.capabilities.has("TOP");
        let mut found = BTreeMap::new();
        if has_top || self.capabilities.is_empty() {
            self.look_at(numbers, By::Top, &mut found)?;
        }
        if !has_top {
            // Who does not say what it can do may know no TOP.
            let rest: Vec<u32> = numbers.iter().copied().filter(|number| !found.contains_key(number)).collect();
            self.look_at(&rest, By::Retr, &mut found)?;
        }
        Ok(found)
    }

    fn look_at(&mut self, numbers: &[u32], by: By, found: &mut BTreeMap<u32, Header>) -> Result<(), Fault> {
        let (verb, behind, most, size) = match by {
            By::Top => ("TOP", " 0", HEADER, 4096),
            By::Retr => ("RETR", "", u64::MAX, HEADER),
        };
        let command = |number: &u32| Command { text: format!("{verb} {number}{behind}"), size };
        let commands: Vec<Command> = numbers.iter().map(command).collect();
        let mut flight = Flight::new(&commands, self.capabilities.has("PIPELINING"));
        while let Some(at) = self.step(Doing::Comparing, |wire| flight.next(wire))? {
            let status = self.step(Doing::Comparing, Wire::status)?;
            if status.answer != Answer::Ok {
                continue;
            }
            let mut hasher = HeaderHasher::default();
            let mut head = Vec::new();
            self.step(Doing::Comparing, |wire| {
                wire.body(most, &mut |piece| {
                    hasher.feed(piece);
                    let room = HEAD.saturating_sub(head.len()).min(piece.len());
                    head.extend_from_slice(piece.get(..room).unwrap_or_default());
                    io::Result::Ok(())
                })
            })?;
            if let Some(number) = numbers.get(at) {
                found.insert(*number, Header { hash: hasher.finish(), head });
            }
        }
        Ok(())
    }

    /// Says something to the server or hears it. Whatever goes wrong ends the session.
    pub(super) fn step<T>(
        &mut self,
        doing: Doing,
        run: impl FnOnce(&mut super::wire::Wire) -> Result<T, Trouble>,
    ) -> Result<T, Fault> {
        if self.broken {
            let fault = self.fault(doing, Cause::Closed).again(crate::fault::Again::Now);
            return Err(fault.detail("the connection was given up before"));
        }
        run(&mut self.wire).map_err(|trouble| self.give_up(doing, trouble))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_a_header_ends_with_the_empty_line_whatever_the_pieces() {
        let header = b"Subject: a\r\nTo: b\r\r\n\r\n";
        let whole = [header.as_slice(), b"body\r\n\r\nmore"].concat();
        let expected: HeaderHash = Sha256::digest(header).into();
        for step in 1..whole.len() {
            let mut hasher = HeaderHasher::default();
            whole.chunks(step).for_each(|piece| hasher.feed(piece));
            assert_eq!(hasher.finish(), expected, "by {step}");
        }
    }

    #[test]
    fn made_ids_are_ids_and_differ() {
        let (one, other) = ([7; 32], [8; 32]);
        let ids: BTreeSet<_> = [made(&one, 0), made(&one, 1), made(&other, 0), made(&other, 2_000_000)].into();
        assert_eq!(ids.len(), 4);
        assert!(ids.iter().all(|id| id.as_ref().is_some_and(|id| id.as_str().starts_with(MADE))));
    }
}
