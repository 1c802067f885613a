//! The stream between lettre and the server. It hands on whole reply lines of sane length and sane
//! number, one reply for each thing said, and refuses what comes unasked; it notices a connection
//! that is closed before the next byte is written, and a write that does not move.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// The longest reply line that is read, in bytes.
const MAX_LINE: usize = 4 * 1024;
/// What is left of a line for the layer above, which takes 1,000.
const KEPT_LINE: usize = 900;
/// The longest reply, in bytes and in lines.
const MAX_REPLY: usize = 64 * 1024;
const MAX_REPLY_LINES: usize = 512;

/// What the guard and the one who talks through it share.
#[derive(Debug, Default)]
pub(super) struct Wire {
    /// Once set, nothing more is written.
    pub(super) cut: AtomicBool,
    /// How many bytes were written.
    pub(super) written: AtomicU64,
}

/// A stream with a guard before it.
pub(super) struct Guard<S> {
    inner: S,
    wire: Arc<Wire>,
    stall: Duration,
    /// Runs while a write waits.
    stalled: Option<Pin<Box<Sleep>>>,
    /// Bytes of a line that is not whole yet.
    line: Vec<u8>,
    /// Whole lines that may be read.
    ready: Vec<u8>,
    taken: usize,
    /// Has the reply that is awaited come to its last line?
    replied: bool,
    /// Lines behind that last line: nobody asked for them.
    early: Vec<u8>,
    reply_bytes: usize,
    reply_lines: usize,
    ended: bool,
}

impl<S> fmt::Debug for Guard<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").finish_non_exhaustive()
    }
}

impl<S> Guard<S> {
    /// Guards a stream on which the server speaks first. `stall` is how long a write may wait.
    pub(super) fn new(inner: S, stall: Duration) -> Self {
        Self {
            inner,
            wire: Arc::default(),
            stall,
            stalled: None,
            line: Vec::new(),
            ready: Vec::new(),
            taken: 0,
            replied: false,
            early: Vec::new(),
            reply_bytes: 0,
            reply_lines: 0,
            ended: false,
        }
    }

    /// Guards a stream on which the greeting was read already: the layer above wants to read one,
    /// so it gets this.
    pub(super) fn greeted(inner: S, stall: Duration) -> Self {
        Self { ready: b"220 ready\r\n".to_vec(), replied: true, ..Self::new(inner, stall) }
    }

    /// What is shared with the one who talks.
    pub(super) fn wire(&self) -> Arc<Wire> {
        Arc::clone(&self.wire)
    }

    /// Gives the stream back; `None` if the server said more than it was asked.
    pub(super) fn into_inner(self) -> Option<S> {
        let clean = self.line.is_empty() && self.early.is_empty() && self.taken == self.ready.len();
        clean.then_some(self.inner)
    }

    fn feed(&mut self, bytes: &[u8]) -> io::Result<()> {
        for byte in bytes {
            self.line.push(*byte);
            if self.line.len() > MAX_LINE {
                return Err(protocol("a line of its reply is too long"));
            }
            if *byte == b'\n' {
                self.take_line()?;
            }
        }
        Ok(())
    }

    fn take_line(&mut self) -> io::Result<()> {
        let raw = std::mem::take(&mut self.line);
        self.reply_bytes += raw.len();
        self.reply_lines += 1;
        if self.reply_bytes > MAX_REPLY || self.reply_lines > MAX_REPLY_LINES {
            return Err(protocol("its reply has no end"));
        }
        let text = String::from_utf8_lossy(&raw);
        let text = text.trim_end_matches(['\r', '\n']);
        let mut end = text.len().min(KEPT_LINE);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let kept = text.get(..end).unwrap_or_default();
        // RFC 5321 §4.2 lets the text be missing, the parser above does not.
        let bare = kept.len() == 3 && kept.bytes().all(|b| b.is_ascii_digit());
        let target = if self.replied { &mut self.early } else { &mut self.ready };
        target.extend_from_slice(kept.as_bytes());
        target.extend_from_slice(if bare { b" \r\n" } else { b"\r\n" });
        if bare || kept.as_bytes().get(3) != Some(&b'-') {
            self.replied = true;
        }
        Ok(())
    }

    /// Ends a wait that takes too long.
    fn limited<T>(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.stalled = None;
            return polled;
        }
        let stall = self.stall;
        let timer = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(stall)));
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// Something is about to be said: a new reply may come.
    fn expect_reply(&mut self) -> io::Result<()> {
        // A server that is shutting down may say so at any time (RFC 5321 §3.8).
        if !self.early.is_empty() && !self.early.starts_with(b"421") {
            return Err(protocol("it answers before it is asked"));
        }
        if self.taken == self.ready.len() {
            self.ready.clear();
            self.taken = 0;
            self.replied = !self.early.is_empty();
            self.ready.append(&mut self.early);
            self.reply_bytes = 0;
            self.reply_lines = 0;
        }
        Ok(())
    }
}

fn protocol(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

impl<S: AsyncRead + Unpin> Guard<S> {
    /// Reads what has come; `Ready(false)` at the end of the stream.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let mut space = [0u8; 2048];
        let mut buffer = ReadBuf::new(&mut space);
        ready!(Pin::new(&mut self.inner).poll_read(cx, &mut buffer))?;
        if buffer.filled().is_empty() {
            self.ended = true;
            return Poll::Ready(Ok(false));
        }
        Poll::Ready(self.feed(buffer.filled()).map(|()| true))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guard<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            let unread = this.ready.get(this.taken..).unwrap_or_default();
            if !unread.is_empty() {
                let count = unread.len().min(out.remaining());
                out.put_slice(unread.get(..count).unwrap_or_default());
                this.taken += count;
                return Poll::Ready(Ok(()));
            }
            if this.ended || !ready!(this.poll_fill(cx))? {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Guard<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.wire.cut.load(Ordering::SeqCst) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        // What a server that went away in the middle will never get is not sent: after the final
        // dot, nobody could tell any more whether it came through.
        while !this.ended {
            match this.poll_fill(cx) {
                Poll::Pending => break,
                Poll::Ready(filled) => {
                    filled?;
                }
            }
        }
        if this.ended {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        this.expect_reply()?;
        let polled = Pin::new(&mut this.inner).poll_write(cx, bytes);
        if let Poll::Ready(Ok(count)) = &polled {
            this.wire.written.fetch_add(*count as u64, Ordering::SeqCst);
        }
        this.limited(cx, polled)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.inner).poll_flush(cx);
        this.limited(cx, polled)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}
