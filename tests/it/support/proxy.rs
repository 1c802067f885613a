//! What lies between a client and a server: passes bytes both ways, and does to them what bad networks
//! do. The trick can be changed between connections; each connection counts its own bytes.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What is done to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trick {
    /// Nothing.
    Pass,
    /// It is closed after so many bytes from the server.
    CutDown(usize),
    /// It is closed after so many bytes from the client.
    CutUp(usize),
    /// After so many bytes from the server nothing comes any more, and nothing is closed.
    Silence(usize),
    /// After so many bytes from the server one comes every tenth of a second.
    Drip(usize),
    /// From the first APPEND on the client's bytes reach the server only once they are let go,
    /// whatever has become of the client.
    HoldAppend,
}

/// A running proxy.
pub(crate) struct Proxy {
    /// Its port on 127.0.0.1.
    pub(crate) port: u16,
    state: Arc<State>,
}

struct State {
    target: u16,
    trick: Mutex<Trick>,
    over: AtomicBool,
    /// Were bytes held back?
    held: AtomicUsize,
    let_go: AtomicBool,
    delivered: AtomicBool,
    down: AtomicUsize,
    up: AtomicUsize,
}

impl Proxy {
    /// Starts one before that port of 127.0.0.1.
    pub(crate) fn before(target: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let state = Arc::new(State {
            target,
            trick: Mutex::new(Trick::Pass),
            over: AtomicBool::new(false),
            held: AtomicUsize::new(0),
            let_go: AtomicBool::new(false),
            delivered: AtomicBool::new(false),
            down: AtomicUsize::new(0),
            up: AtomicUsize::new(0),
        });
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            while let Ok((client, _)) = listener.accept() {
                if shared.over.load(Ordering::SeqCst) {
                    break;
                }
                let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, shared.target)) else { continue };
                join(&client, &server, &shared);
            }
        });
        Self { port, state }
    }

    /// Does this to the connections from now on.
    pub(crate) fn play(&self, trick: Trick) {
        *self.state.trick.lock().unwrap_or_else(PoisonError::into_inner) = trick;
        self.state.down.store(0, Ordering::SeqCst);
        self.state.up.store(0, Ordering::SeqCst);
        self.state.held.store(0, Ordering::SeqCst);
        self.state.let_go.store(false, Ordering::SeqCst);
        self.state.delivered.store(false, Ordering::SeqCst);
    }

    /// The bytes from the server and from the client, since the trick was chosen.
    pub(crate) fn passed(&self) -> (usize, usize) {
        (self.state.down.load(Ordering::SeqCst), self.state.up.load(Ordering::SeqCst))
    }

    /// How many bytes of an APPEND are held back.
    pub(crate) fn held(&self) -> usize {
        self.state.held.load(Ordering::SeqCst)
    }

    /// Lets what is held back go to the server.
    pub(crate) fn let_go(&self) {
        self.state.let_go.store(true, Ordering::SeqCst);
    }

    /// Has the server answered what was held back?
    pub(crate) fn delivered(&self) -> bool {
        self.state.delivered.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.over.store(true, Ordering::SeqCst);
        self.state.let_go.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

fn join(client: &TcpStream, server: &TcpStream, state: &Arc<State>) {
    let trick = *state.trick.lock().unwrap_or_else(PoisonError::into_inner);
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let copies = || Some((client.try_clone().ok()?, server.try_clone().ok()?, Arc::clone(state)));
    let (Some((from, to, shared)), Some((back, source, counted))) = (copies(), copies()) else { return };
    std::thread::spawn(move || upwards(from, to, trick, &shared));
    std::thread::spawn(move || downwards(source, back, trick, &counted));
}

fn close(one: &TcpStream, other: &TcpStream) {
    let _ = (one.shutdown(Shutdown::Both), other.shutdown(Shutdown::Both));
}

fn upwards(mut client: TcpStream, mut server: TcpStream, trick: Trick, state: &State) {
    let mut buffer = [0; 4096];
    let (mut passed, mut holding) = (0, false);
    let mut held = Vec::new();
    while let Ok(read @ 1..) = client.read(&mut buffer) {
        let bytes = &buffer[..read];
        state.up.fetch_add(read, Ordering::SeqCst);
        if let Trick::CutUp(limit) = trick
            && passed + read >= limit
        {
            let _ = server.write_all(&bytes[..limit.saturating_sub(passed)]);
            close(&client, &server);
            return;
        }
        passed += read;
        holding |= trick == Trick::HoldAppend && bytes.windows(7).any(|part| part == b"APPEND ");
        if holding {
            held.extend_from_slice(bytes);
            state.held.store(held.len(), Ordering::SeqCst);
        } else if server.write_all(bytes).is_err() {
            break;
        }
    }
    if holding {
        while !state.let_go.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(2));
        }
        state.down.store(0, Ordering::SeqCst);
        let _ = server.write_all(&held);
        // The server says something of it: then it is done.
        while state.down.load(Ordering::SeqCst) == 0 && !state.over.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(2));
        }
        state.delivered.store(true, Ordering::SeqCst);
    }
    let _ = server.shutdown(Shutdown::Write);
}

fn downwards(mut server: TcpStream, mut client: TcpStream, trick: Trick, state: &State) {
    let mut buffer = [0; 4096];
    let mut passed = 0;
    while let Ok(read @ 1..) = server.read(&mut buffer) {
        state.down.fetch_add(read, Ordering::SeqCst);
        let limit = match trick {
            Trick::CutDown(limit) | Trick::Silence(limit) | Trick::Drip(limit) => limit,
            Trick::Pass | Trick::CutUp(_) | Trick::HoldAppend => usize::MAX,
        };
        let now = read.min(limit.saturating_sub(passed));
        // A client that is gone has nothing to do with what the server still says.
        let _ = client.write_all(&buffer[..now]);
        passed += read;
        if now == read && passed < limit {
            continue;
        }
        match trick {
            Trick::CutDown(_) => break,
            Trick::Drip(_) => {
                for byte in &buffer[now..read] {
                    std::thread::sleep(Duration::from_millis(100));
                    if client.write_all(&[*byte]).is_err() || state.over.load(Ordering::SeqCst) {
                        break;
                    }
                }
            }
            Trick::Silence(_) | Trick::Pass | Trick::CutUp(_) | Trick::HoldAppend => {}
        }
    }
    if trick != Trick::HoldAppend {
        close(&client, &server);
    }
}
