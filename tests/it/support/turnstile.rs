//! A way into a server that counts: how often the client spoke after it had listened. Each such flight is
//! a round trip on a real line.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What passed.
#[derive(Default)]
struct Passed {
    flights: usize,
    client_spoke: bool,
    said: Vec<u8>,
}

/// The way in.
pub(crate) struct Turnstile {
    /// Its port on 127.0.0.1.
    pub(crate) port: u16,
    passed: Arc<Mutex<Passed>>,
}

impl Turnstile {
    /// Stands before the server on this port.
    pub(crate) fn before(server: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let passed = Arc::new(Mutex::new(Passed::default()));
        let shared = Arc::clone(&passed);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), Ok(server)) = (client, TcpStream::connect((Ipv4Addr::LOCALHOST, server))) else {
                    return;
                };
                let (to_client, to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let (there, back) = (Arc::clone(&shared), Arc::clone(&shared));
                std::thread::spawn(move || carry(client, to_server, |bytes| there.lock().unwrap().client(bytes)));
                std::thread::spawn(move || carry(server, to_client, |_| back.lock().unwrap().client_spoke = false));
            }
        });
        Self { port, passed }
    }

    /// How many flights there were since this was last asked, and what the client said in them.
    pub(crate) fn count(&self) -> (usize, String) {
        let mut passed = self.passed.lock().unwrap();
        let said = String::from_utf8_lossy(&std::mem::take(&mut passed.said)).into_owned();
        (std::mem::take(&mut passed.flights), said)
    }
}

impl Passed {
    fn client(&mut self, bytes: &[u8]) {
        self.flights += usize::from(!self.client_spoke);
        self.client_spoke = true;
        self.said.extend_from_slice(bytes);
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, mut note: impl FnMut(&[u8])) {
    let mut bytes = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        note(&bytes[..count]);
        if to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
